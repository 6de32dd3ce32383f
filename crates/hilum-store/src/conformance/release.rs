use super::material::{QUIET, add_package, all_is_well, at, complete_study, deploy, instance, open, spec, store, uid};
use crate::records::{
    DeliveryFilter, DeliveryOutcome, DeliveryState, Evaluation, GateDecisionRecord, GateStage, InferenceOutcome,
    NewInference, NewResult, Package, ResultKind, StudyFilter,
};
use crate::{Catalog, ErrorKind, Job, JobFilter, JobKind, JobState, Priority, StoreError, StudyKey};
use hilum_registry::DeploymentState;
use hilum_types::{Digest, Disposition, Reason, Timestamp};
use serde_json::json;
use std::sync::Arc;

pub(super) async fn take(catalog: &Arc<dyn Catalog>, kind: JobKind, now: Timestamp) -> Option<Job> {
    catalog.job_lease(&[kind], "worker", now, 300).await.expect("the queue answers")
}

pub(super) async fn must_take(catalog: &Arc<dyn Catalog>, kind: JobKind, now: Timestamp) -> Job {
    take(catalog, kind, now).await.unwrap_or_else(|| panic!("a job of kind {} is due", kind.name()))
}

fn decision(deployment: &str, stage: GateStage, verdict: &str) -> GateDecisionRecord {
    GateDecisionRecord {
        deployment: deployment.into(),
        stage,
        decided_at: at(100),
        verdict: verdict.into(),
        reasons: vec![Reason::about("intended-use.modality", "modality is CT", "Modality", "CT")],
        detail: json!({ "version": 1 }),
    }
}

/// The evaluation of a study that shall run on `deployment`.
pub(super) fn run(study_key: &StudyKey, revision: u32, deployment: &str) -> Evaluation {
    Evaluation {
        study_key: study_key.clone(),
        revision,
        decisions: vec![decision(deployment, GateStage::BeforeInference, "run")],
        dispositions: vec![],
        infer: vec![NewInference { deployment: deployment.into(), priority: Priority::ROUTINE, after: None }],
        assignments: vec![],
        observations: vec![],
    }
}

/// One report from one run, released to `destinations`.
pub(super) fn outcome(
    study_key: &StudyKey,
    revision: u32,
    deployment: &str,
    destinations: &[&str],
) -> InferenceOutcome {
    let bytes = format!("report {study_key} {revision} {deployment}");
    InferenceOutcome {
        study_key: study_key.clone(),
        revision,
        deployment: deployment.into(),
        deployment_revision: 1,
        package: Digest::of(b"package"),
        record: json!({ "version": 1, "score": 0.25 }),
        started_at: at(110),
        finished_at: at(112),
        decision: decision(deployment, GateStage::BeforeRelease, "run"),
        disposition: Disposition::Analysed,
        results: vec![NewResult {
            kind: ResultKind::Report,
            index: 0,
            sop_instance_uid: hilum_types::Uid::derived(&[study_key.as_str(), &revision.to_string(), deployment]),
            sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.88.34"),
            transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
            blob: Digest::of(bytes.as_bytes()),
            size: bytes.len() as u64,
        }],
        destinations: destinations.iter().map(|name| (*name).to_owned()).collect(),
        priority: Priority::ROUTINE,
        observation: None,
    }
}

/// Evaluate the one study that is due so that its model runs, and lease the inference.
pub(crate) async fn up_to_inference(catalog: &Arc<dyn Catalog>, study: &str, deployment: &str) -> (StudyKey, Job) {
    let key = complete_study(catalog, study).await;
    let job = must_take(catalog, JobKind::Evaluate, at(100)).await;
    catalog.evaluation_record(&job.lease(), &run(&key, 1, deployment), at(100)).await.expect("an evaluation is kept");
    (key, must_take(catalog, JobKind::Infer, at(101)).await)
}

pub(crate) async fn disposition_of(catalog: &Arc<dyn Catalog>, key: &StudyKey) -> String {
    let study = catalog.study_get(key).await.unwrap().expect("the study is there");
    let one = |record: &crate::records::DispositionRecord| {
        let code = record.disposition.reason().map_or("", |reason| reason.code.as_str());
        format!("{} {} {code}", record.deployment, record.disposition.name()).trim_end().to_owned()
    };
    study.dispositions.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(super) fn kind_of<T>(outcome: Result<T, StoreError>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

pub(super) async fn packages(url: String) {
    let catalog = open(&url).await;
    let digest = add_package(&catalog).await;
    let other = Package { name: "another".into(), ..catalog.package_get(&digest.to_string()).await.unwrap() };
    assert!(!catalog.package_add(&other, "user:test").await.unwrap(), "a digest is never overwritten");
    let held = catalog.package_get(&digest.to_string()[..12]).await.unwrap();
    assert_eq!((held.digest, held.name.as_str()), (digest, "cxr"));
    assert_eq!(kind_of(catalog.package_get("0123456789ab").await), Some(ErrorKind::NotFound));
    for wrong in ["", "latest", "%", &digest.to_string()[..11], "____________"] {
        assert_eq!(kind_of(catalog.package_get(wrong).await), Some(ErrorKind::Conflict), "{wrong:?}");
    }
    assert_eq!(catalog.package_list().await.unwrap().len(), 1);
    all_is_well(&catalog).await;
}

pub(super) async fn deployments_follow_the_lifecycle(url: String) {
    let catalog = open(&url).await;
    let unknown = spec("cxr", DeploymentState::Draft);
    let refused = catalog.deployment_apply(&unknown, Digest::of(b"package"), "user:a", at(0)).await;
    assert_eq!(kind_of(refused), Some(ErrorKind::NotFound), "a package is imported first");
    let package = add_package(&catalog).await;
    let apply = async |state, now| catalog.deployment_apply(&spec("cxr", state), package, "user:a", at(now)).await;
    assert_eq!(apply(DeploymentState::Draft, 1).await.unwrap().revision, 1);
    assert_eq!(apply(DeploymentState::Draft, 2).await.unwrap().revision, 1, "the same again changes nothing");
    assert_eq!(apply(DeploymentState::Active, 3).await.unwrap().revision, 2);
    assert_eq!(kind_of(apply(DeploymentState::Draft, 4).await), Some(ErrorKind::Conflict));
    let suspended = catalog.deployment_suspend("cxr", "user:anna", "wrong side twice", at(5)).await.unwrap();
    let suspension = suspended.suspension.clone().expect("it is in force");
    assert_eq!((suspension.by.as_str(), suspension.reason.as_str()), ("user:anna", "wrong side twice"));
    assert_eq!(catalog.deployment_suspend("cxr", "user:bo", "again", at(6)).await.unwrap(), suspended);
    // It survives a restart, and what is declared does not lift it.
    drop(catalog);
    let catalog = open(&url).await;
    assert_eq!(catalog.deployment_get("cxr").await.unwrap(), Some(suspended.clone()));
    let applied = catalog.deployment_apply(&spec("cxr", DeploymentState::Active), package, "user:a", at(7)).await;
    assert_eq!(applied.unwrap(), suspended);
    let mut changed = spec("cxr", DeploymentState::Active);
    changed.owner = "cardiology".into();
    assert_eq!(kind_of(catalog.deployment_apply(&changed, package, "user:a", at(8)).await), Some(ErrorKind::Conflict));
    let resumed = catalog.deployment_resume("cxr", "user:anna", "fixed", at(9)).await.unwrap();
    assert_eq!((resumed.state, resumed.suspension, resumed.revision), (DeploymentState::Active, None, 4));
    assert_eq!(kind_of(catalog.deployment_resume("cxr", "user:anna", "fixed", at(9)).await), Some(ErrorKind::Conflict));
    assert_eq!(kind_of(catalog.deployment_suspend("none", "user:a", "x", at(9)).await), Some(ErrorKind::NotFound));
    assert_eq!(catalog.deployment_list().await.unwrap().len(), 1);
    all_is_well(&catalog).await;
}

/// The whole way of one study, and the journey that tells of it.
pub(super) async fn a_study_goes_through(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    deploy(&catalog, "draft", DeploymentState::Draft).await;
    let (key, job) = up_to_inference(&catalog, "7", "cxr").await;
    assert_eq!((job.deployment.as_deref(), job.revision), (Some("cxr"), Some(1)));
    let open_books = &catalog.books("2026-11-23", "2026-11-23").await.unwrap()[0];
    assert_eq!((open_books.arrived, open_books.open, open_books.balanced), (1, 1, true));
    let deliveries =
        catalog.inference_record(&job.lease(), &outcome(&key, 1, "cxr", &["pacs", "ris"]), at(113)).await.unwrap();
    assert_eq!(deliveries.len(), 2);
    assert_eq!(kind_of(catalog.inference_record(&job.lease(), &outcome(&key, 1, "cxr", &[]), at(113)).await), {
        Some(ErrorKind::Conflict)
    });
    assert_eq!(disposition_of(&catalog, &key).await, "cxr analysed");
    for _ in 0..2 {
        let job = must_take(&catalog, JobKind::Deliver, at(114)).await;
        let delivery = catalog.delivery_get(job.delivery_key.as_ref().unwrap()).await.unwrap().unwrap();
        assert!(delivery.result.released && deliveries.contains(&delivery.key));
        catalog.delivery_record(&job.lease(), &DeliveryOutcome::Delivered, at(115)).await.unwrap();
    }
    assert!(take(&catalog, JobKind::Deliver, at(9999)).await.is_none());
    let journey = catalog.study_journey(&key).await.unwrap().unwrap();
    let kinds: Vec<&str> = journey.events.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "instance_stored",
        "study_completed",
        "gate_decided",
        "inference_recorded",
        "gate_decided",
        "result_released",
        "disposition_set",
        "delivery_attempted",
        "delivery_attempted",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(journey.events.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    assert_eq!(journey.decisions.len(), 2);
    assert_eq!(journey.decisions[0].1, decision("cxr", GateStage::BeforeInference, "run"));
    assert_eq!((journey.inferences.len(), journey.results.len(), journey.deliveries.len()), (1, 1, 2));
    assert_eq!(journey.inferences[0].record, json!({ "version": 1, "score": 0.25 }));
    assert!(journey.deliveries.iter().all(|delivery| delivery.delivered_at == Some(at(115))));
    assert!(journey.open.is_empty());
    assert_eq!(journey.jobs.iter().filter(|job| job.state == JobState::Done).count(), 4);
    let books = catalog.books("2026-11-23", "2026-11-23").await.unwrap();
    assert_eq!(books.len(), 1, "a draft owes nothing");
    assert_eq!((books[0].arrived, books[0].analysed, books[0].open), (1, 1, 0));
    assert_eq!(catalog.books("2026-11-24", "2026-12-24").await.unwrap(), []);
    let uid = &journey.results[0].sop_instance_uid;
    assert_eq!(catalog.result_by_uid(uid).await.unwrap().as_ref(), Some(&journey.results[0]));
    let analysed =
        StudyFilter { disposition: Some("analysed".into()), deployment: Some("cxr".into()), ..Default::default() };
    assert_eq!(catalog.study_list(&analysed, 10).await.unwrap().len(), 1);
    let withheld = StudyFilter { disposition: Some("withheld".into()), ..analysed.clone() };
    assert_eq!(catalog.study_list(&withheld, 10).await.unwrap().len(), 0);
    let counts = catalog.counts().await.unwrap();
    assert_eq!(counts.deliveries, [("delivered".to_owned(), 2)]);
    assert_eq!(counts.dispositions, [("cxr".to_owned(), "analysed".to_owned(), 1)]);
    all_is_well(&catalog).await;
}

pub(super) async fn an_evaluation_must_cover_every_deployment(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    deploy(&catalog, "ct", DeploymentState::Shadow).await;
    let key = complete_study(&catalog, "7").await;
    let job = must_take(&catalog, JobKind::Evaluate, at(100)).await;
    let refused = catalog.evaluation_record(&job.lease(), &run(&key, 1, "cxr"), at(100)).await;
    assert_eq!(kind_of(refused), Some(ErrorKind::Bug), "ct is left out");
    // Refused means nothing was kept.
    assert!(catalog.study_journey(&key).await.unwrap().unwrap().decisions.is_empty());
    deploy(&catalog, "new", DeploymentState::Active).await;
    let not_eligible = Disposition::NotEligible(Reason::new("intended-use.modality", "modality is CT"));
    let mut whole = run(&key, 1, "cxr");
    whole.dispositions = vec![("ct".into(), not_eligible.clone()), ("new".into(), not_eligible)];
    catalog.evaluation_record(&job.lease(), &whole, at(101)).await.unwrap();
    let code = "intended-use.modality";
    assert_eq!(disposition_of(&catalog, &key).await, format!("ct not_eligible {code}, new not_eligible {code}"));
    assert_eq!(kind_of(catalog.evaluation_record(&job.lease(), &whole, at(102)).await), Some(ErrorKind::Conflict));
    let books = catalog.books("2026-11-23", "2026-11-23").await.unwrap();
    let all: Vec<_> = books.iter().map(|line| (line.deployment.as_str(), line.arrived, line.open)).collect();
    assert_eq!(all, [("ct", 1, 0), ("cxr", 1, 1), ("new", 1, 0)]);
    all_is_well(&catalog).await;
}

/// MV-05: one transaction stops queued and running work; what was on its way and arrived is told as it was.
pub(super) async fn suspension_takes_hold_at_once(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let (delivered, job) = up_to_inference(&catalog, "1", "cxr").await;
    catalog.inference_record(&job.lease(), &outcome(&delivered, 1, "cxr", &["pacs"]), at(113)).await.unwrap();
    let sent = must_take(&catalog, JobKind::Deliver, at(113)).await;
    catalog.delivery_record(&sent.lease(), &DeliveryOutcome::Delivered, at(114)).await.unwrap();
    let (on_its_way, job) = up_to_inference(&catalog, "2", "cxr").await;
    catalog.inference_record(&job.lease(), &outcome(&on_its_way, 1, "cxr", &["pacs"]), at(115)).await.unwrap();
    let sending = must_take(&catalog, JobKind::Deliver, at(115)).await;
    let (waiting, job) = up_to_inference(&catalog, "3", "cxr").await;
    catalog.inference_record(&job.lease(), &outcome(&waiting, 1, "cxr", &["pacs"]), at(116)).await.unwrap();
    let (running, inference) = up_to_inference(&catalog, "4", "cxr").await;
    let undecided = complete_study(&catalog, "5").await;
    let evaluation = must_take(&catalog, JobKind::Evaluate, at(117)).await;

    catalog.deployment_suspend("cxr", "user:anna", "wrong side", at(118)).await.unwrap();

    assert!(take(&catalog, JobKind::Infer, at(119)).await.is_none());
    assert!(take(&catalog, JobKind::Deliver, at(119)).await.is_none());
    let lost = catalog.inference_record(&inference.lease(), &outcome(&running, 1, "cxr", &["pacs"]), at(119)).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost)));
    assert!(matches!(catalog.job_heartbeat(&inference.lease(), at(119), 30).await, Err(StoreError::LeaseLost)));
    // The decision "run" was taken before the suspension: it does not count any more.
    let stale = catalog.evaluation_record(&evaluation.lease(), &run(&undecided, 1, "cxr"), at(119)).await;
    assert!(matches!(stale, Err(StoreError::DeploymentChanged)));
    let mut again = run(&undecided, 1, "cxr");
    again.infer.clear();
    again.dispositions = vec![("cxr".into(), Disposition::Withheld(Reason::new("deployment.suspended", "suspended")))];
    catalog.evaluation_record(&evaluation.lease(), &again, at(120)).await.unwrap();
    assert_eq!(disposition_of(&catalog, &delivered).await, "cxr analysed");
    assert_eq!(disposition_of(&catalog, &on_its_way).await, "cxr withheld deployment.suspended");
    for key in [&waiting, &running, &undecided] {
        assert_eq!(disposition_of(&catalog, key).await, "cxr withheld deployment.suspended");
    }
    // The destination had accepted it all the same: the record says what is true.
    catalog.delivery_record(&sending.lease(), &DeliveryOutcome::Delivered, at(121)).await.unwrap();
    assert_eq!(disposition_of(&catalog, &on_its_way).await, "cxr analysed");
    let counts = catalog.counts().await.unwrap();
    assert_eq!(counts.deliveries, [("delivered".to_owned(), 2), ("withheld".to_owned(), 1)]);
    all_is_well(&catalog).await;
}

pub(super) async fn what_was_decided_on_must_be_current(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let (key, job) = up_to_inference(&catalog, "7", "cxr").await;
    let mut changed = spec("cxr", DeploymentState::Active);
    changed.turnaround_seconds = 60;
    catalog.deployment_apply(&changed, Digest::of(b"package"), "user:a", at(110)).await.unwrap();
    let mut release = outcome(&key, 1, "cxr", &["pacs"]);
    let refused = catalog.inference_record(&job.lease(), &release, at(113)).await;
    assert!(matches!(refused, Err(StoreError::DeploymentChanged)));
    release.deployment_revision = 2;
    store(&catalog, instance("7", 2, "late", at(113))).await;
    let refused = catalog.inference_record(&job.lease(), &release, at(114)).await;
    assert!(matches!(refused, Err(StoreError::StudyReopened)));
    // Nothing is released from a shadow deployment, whatever the caller says (MV-16).
    let mut shadow = changed.clone();
    shadow.state = DeploymentState::Shadow;
    catalog.deployment_apply(&shadow, Digest::of(b"package"), "user:a", at(115)).await.unwrap();
    let (other, shadow_job) = up_to_inference_of_second(&catalog).await;
    let mut from_shadow = outcome(&other, 1, "cxr", &["pacs"]);
    from_shadow.deployment_revision = 3;
    let refused = catalog.inference_record(&shadow_job.lease(), &from_shadow, at(116)).await;
    assert!(matches!(refused, Err(StoreError::DeploymentChanged)));
    from_shadow.destinations.clear();
    assert_eq!(catalog.inference_record(&shadow_job.lease(), &from_shadow, at(117)).await.unwrap(), []);
    let journey = catalog.study_journey(&other).await.unwrap().unwrap();
    assert!(!journey.results[0].released && journey.deliveries.is_empty());
    // Only an analysed study may have destinations.
    release.disposition = Disposition::Expired(Reason::new("deployment.expired", "too late"));
    assert_eq!(kind_of(catalog.inference_record(&job.lease(), &release, at(118)).await), Some(ErrorKind::Bug));
    release.destinations.clear();
    catalog.inference_record(&job.lease(), &release, at(118)).await.unwrap();
    all_is_well(&catalog).await;
}

async fn up_to_inference_of_second(catalog: &Arc<dyn Catalog>) -> (StudyKey, Job) {
    up_to_inference(catalog, "8", "cxr").await
}

/// AV-02: the result of the revision with the late image takes the place of the earlier one, sent or not.
pub(super) async fn a_later_revision_supersedes(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let (key, job) = up_to_inference(&catalog, "7", "cxr").await;
    let everywhere = outcome(&key, 1, "cxr", &["pacs", "ris", "vna"]);
    let first = catalog.inference_record(&job.lease(), &everywhere, at(113)).await.unwrap();
    let sent = must_take(&catalog, JobKind::Deliver, at(113)).await;
    catalog.delivery_record(&sent.lease(), &DeliveryOutcome::Delivered, at(114)).await.unwrap();
    let given_up = must_take(&catalog, JobKind::Deliver, at(114)).await;
    let dead = DeliveryOutcome::Dead { error: "refused: 0122".into() };
    catalog.delivery_record(&given_up.lease(), &dead, at(115)).await.unwrap();
    store(&catalog, instance("7", 2, "late", at(120))).await;
    catalog.study_complete_due(at(120 + QUIET), 10).await.unwrap();
    let evaluation = must_take(&catalog, JobKind::Evaluate, at(200)).await;
    catalog.evaluation_record(&evaluation.lease(), &run(&key, 2, "cxr"), at(200)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(201)).await;
    let second =
        catalog.inference_record(&job.lease(), &outcome(&key, 2, "cxr", &["pacs", "ris"]), at(202)).await.unwrap();
    let state = async |key| catalog.delivery_get(key).await.unwrap().unwrap().state;
    let mut states = vec![state(&first[0]).await, state(&first[1]).await, state(&first[2]).await];
    states.sort_by_key(|state| state.name());
    assert_eq!(states, [DeliveryState::Dead, DeliveryState::Delivered, DeliveryState::Superseded]);
    let retried = catalog.delivery_retry(given_up.delivery_key.as_ref().unwrap(), "user:anna", at(202)).await;
    assert!(retried.unwrap_err().to_string().contains("revision 2 of the study took its place"));
    assert_eq!(state(&second[0]).await, DeliveryState::Queued);
    let journey = catalog.study_journey(&key).await.unwrap().unwrap();
    assert_eq!(journey.results.iter().map(|r| r.superseded_by).collect::<Vec<_>>(), [Some(2), None]);
    let mut left = 0;
    while let Some(job) = take(&catalog, JobKind::Deliver, at(203)).await {
        assert_eq!(job.revision, Some(2), "nothing of the earlier revision is sent any more");
        catalog.delivery_record(&job.lease(), &DeliveryOutcome::Delivered, at(203)).await.unwrap();
        left += 1;
    }
    assert_eq!(left, 2);
    all_is_well(&catalog).await;
}

pub(super) async fn deliveries_die_and_are_retried(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let (key, job) = up_to_inference(&catalog, "7", "cxr").await;
    let deliveries =
        catalog.inference_record(&job.lease(), &outcome(&key, 1, "cxr", &["pacs"]), at(113)).await.unwrap();
    let delivery = &deliveries[0];
    let job = must_take(&catalog, JobKind::Deliver, at(114)).await;
    let retry = DeliveryOutcome::Retry { due_at: at(130), error: "no answer".into() };
    catalog.delivery_record(&job.lease(), &retry, at(115)).await.unwrap();
    assert!(take(&catalog, JobKind::Deliver, at(129)).await.is_none());
    assert_eq!(kind_of(catalog.delivery_retry(delivery, "user:anna", at(129)).await), Some(ErrorKind::Conflict));
    let job = must_take(&catalog, JobKind::Deliver, at(130)).await;
    let dead = DeliveryOutcome::Dead { error: "refused: 0122".into() };
    catalog.delivery_record(&job.lease(), &dead, at(131)).await.unwrap();
    assert!(take(&catalog, JobKind::Deliver, at(9999)).await.is_none());
    let listed =
        DeliveryFilter { state: Some(DeliveryState::Dead), destination: Some("pacs".into()), ..Default::default() };
    let listed = catalog.delivery_list(&listed, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].attempts, listed[0].last_error.as_deref()), (1, 2, Some("refused: 0122")));
    assert_eq!(catalog.alarm_list(true, 10).await.unwrap()[0].code, "delivery-dead");

    catalog.delivery_retry(delivery, "user:anna", at(140)).await.unwrap();
    let job = must_take(&catalog, JobKind::Deliver, at(140)).await;
    let sent = catalog.delivery_get(job.delivery_key.as_ref().unwrap()).await.unwrap().unwrap();
    assert_eq!(sent.result.sop_instance_uid, listed[0].result.sop_instance_uid, "the same object goes out again");
    catalog.delivery_record(&job.lease(), &DeliveryOutcome::Delivered, at(141)).await.unwrap();
    let delivered = catalog.delivery_get(delivery).await.unwrap().unwrap();
    assert_eq!((delivered.state, delivered.attempts), (DeliveryState::Delivered, 3));
    assert_eq!(disposition_of(&catalog, &key).await, "cxr analysed");
    all_is_well(&catalog).await;
}

pub(super) async fn failures_leave_dispositions(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let (failed, job) = up_to_inference(&catalog, "1", "cxr").await;
    let reason = Reason::new("inference.deadline", "the model took longer than 60 s");
    catalog.inference_end(&job.lease(), None, &Disposition::Failed(reason), None, at(120)).await.unwrap();
    assert_eq!(disposition_of(&catalog, &failed).await, "cxr failed inference.deadline");
    let (given_up, job) = up_to_inference(&catalog, "2", "cxr").await;
    catalog.job_dead(&job.lease(), &Reason::new("job.attempts", "it failed 5 times"), at(121)).await.unwrap();
    assert_eq!(disposition_of(&catalog, &given_up).await, "cxr failed job.attempts");
    let (stopped, job) = up_to_inference(&catalog, "3", "cxr").await;
    let second_look = decision("cxr", GateStage::BeforeRelease, "withheld");
    let withheld = Disposition::Withheld(Reason::new("evidence.stale", "the evidence is stale"));
    catalog.inference_end(&job.lease(), Some(&second_look), &withheld, None, at(122)).await.unwrap();
    assert_eq!(disposition_of(&catalog, &stopped).await, "cxr withheld evidence.stale");
    assert_eq!(catalog.study_journey(&stopped).await.unwrap().unwrap().decisions.len(), 2);
    let (kept_back, job) = up_to_inference(&catalog, "4", "cxr").await;
    catalog.inference_record(&job.lease(), &outcome(&kept_back, 1, "cxr", &["pacs"]), at(123)).await.unwrap();
    let delivery = must_take(&catalog, JobKind::Deliver, at(124)).await;
    let reason = Reason::new("gate.unavailable", "the gate cannot be asked");
    catalog.delivery_record(&delivery.lease(), &DeliveryOutcome::Withheld { reason }, at(125)).await.unwrap();
    assert_eq!(disposition_of(&catalog, &kept_back).await, "cxr withheld gate.unavailable");
    let line = &catalog.books("2026-11-23", "2026-11-23").await.unwrap()[0];
    assert_eq!((line.arrived, line.failed, line.withheld, line.open), (4, 2, 2, 0));
    all_is_well(&catalog).await;
}

pub(super) async fn retirement_cancels(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let (running, _) = up_to_inference(&catalog, "1", "cxr").await;
    let unseen = complete_study(&catalog, "2").await;
    let retired = spec("cxr", DeploymentState::Retired);
    catalog.deployment_apply(&retired, Digest::of(b"package"), "user:a", at(110)).await.unwrap();
    assert_eq!(disposition_of(&catalog, &running).await, "cxr withheld deployment.retired");
    let evaluation = must_take(&catalog, JobKind::Evaluate, at(111)).await;
    let mut nothing = run(&unseen, 1, "cxr");
    (nothing.infer, nothing.decisions) = (vec![], vec![]);
    catalog.evaluation_record(&evaluation.lease(), &nothing, at(112)).await.unwrap();
    assert_eq!(disposition_of(&catalog, &unseen).await, "cxr withheld deployment.retired");
    let cancelled =
        JobFilter { states: vec![JobState::Cancelled], deployment: Some("cxr".into()), ..Default::default() };
    assert_eq!(catalog.job_list(&cancelled, 10).await.unwrap().len(), 1);
    all_is_well(&catalog).await;
}
