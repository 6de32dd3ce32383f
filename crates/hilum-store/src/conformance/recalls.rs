use super::assessments::{answer, report};
use super::governance::{sign, user};
use super::material::{add_package, all_is_well, at, complete_study, deploy, instance, open, spec, store, uid};
use super::release::{disposition_of, must_take, outcome, run, take, up_to_inference};
use crate::assessments::Told;
use crate::recalls::{
    Answer, Held, Reach, RecallGround, RecallPlan, RecallStatus, RecallStep, RecallStudyStatus, RecallWindow,
};
use crate::records::{DeliveryOutcome, DeliveryState, NewResult, Package, ResultKind};
use crate::{Catalog, ErrorKind, JobKind, StoreError, StudyKey};
use hilum_audit::AuditAction;
use hilum_monitor::Agreement;
use hilum_registry::{DeploymentSpec, DeploymentState};
use hilum_sign::SignatureMeaning::{ApprovedClinical, ApprovedTechnical, Rejected};
use hilum_types::{Digest, Disposition, Reason, Timestamp};
use std::sync::Arc;

fn window(from: i64, to: i64) -> RecallWindow {
    RecallWindow { package: Digest::of(b"package"), from: at(from), to: at(to) }
}

/// One study that the model ran on at `ran_at`, with its report released to `destinations`.
async fn ran(catalog: &Arc<dyn Catalog>, study: &str, destinations: &[&str], ran_at: i64) -> StudyKey {
    let (key, job) = up_to_inference(catalog, study, "cxr").await;
    let mut outcome = outcome(&key, 1, "cxr", destinations);
    outcome.finished_at = at(ran_at);
    catalog.inference_record(&job.lease(), &outcome, at(ran_at + 1)).await.unwrap();
    key
}

/// End the next delivery that is due like this.
async fn deliver(catalog: &Arc<dyn Catalog>, ended: &DeliveryOutcome, now: i64) {
    let job = must_take(catalog, JobKind::Deliver, at(now)).await;
    catalog.delivery_record(&job.lease(), ended, at(now)).await.unwrap();
}

fn dead() -> DeliveryOutcome {
    DeliveryOutcome::Dead { error: "refused with status 0110".into() }
}

async fn told(catalog: &Arc<dyn Catalog>, window: RecallWindow) -> Vec<String> {
    let list = catalog.recall_list(&window).await.unwrap();
    let line = |study: &crate::recalls::RecalledStudy| {
        let runs = study.runs.iter().map(|run| format!("r{} {} {}", run.revision, run.deployment, run.reach().name()));
        format!("{}: {}", study.accession_number.reveal(), runs.collect::<Vec<_>>().join(", "))
    };
    assert!(list.iter().map(|study| &study.study_key).is_sorted());
    // Studies that arrived in the same millisecond come in any order.
    let mut lines: Vec<String> = list.iter().map(line).collect();
    lines.sort();
    lines
}

/// AV-11: every run of the version, delivered or not, of every deployment and revision, and none of another version.
pub(super) async fn the_list_holds_every_run_of_the_window(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    ran(&catalog, "1", &["pacs", "ris"], 112).await;
    for _ in 0..2 {
        deliver(&catalog, &DeliveryOutcome::Delivered, 114).await;
    }
    ran(&catalog, "2", &["pacs"], 120).await;
    deliver(&catalog, &dead(), 122).await;
    ran(&catalog, "3", &[], 130).await;
    let (key, job) = up_to_inference(&catalog, "4", "cxr").await;
    let mut late = outcome(&key, 1, "cxr", &[]);
    late.disposition = Disposition::Expired(Reason::new("turnaround.expired", "too late"));
    (late.results, late.finished_at) = (vec![], at(140));
    catalog.inference_record(&job.lease(), &late, at(141)).await.unwrap();
    // A late image: the first revision's result is superseded and listed all the same.
    let reopened = ran(&catalog, "5", &["pacs"], 150).await;
    deliver(&catalog, &DeliveryOutcome::Delivered, 152).await;
    store(&catalog, instance("5", 2, "late", at(153))).await;
    catalog.study_complete_due(at(300), 10).await.unwrap();
    let evaluation = must_take(&catalog, JobKind::Evaluate, at(300)).await;
    catalog.evaluation_record(&evaluation.lease(), &run(&reopened, 2, "cxr"), at(300)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(301)).await;
    let mut second = outcome(&reopened, 2, "cxr", &["pacs"]);
    second.finished_at = at(310);
    catalog.inference_record(&job.lease(), &second, at(311)).await.unwrap();
    // Another version of the same model under the same deployment.
    let newer = Package {
        digest: Digest::of(b"another package"),
        version: "2.0.0".into(),
        ..{ catalog.package_get(&Digest::of(b"package").to_string()).await.unwrap() }
    };
    catalog.package_add(&newer, "user:test").await.unwrap();
    let changed = DeploymentSpec { package: newer.digest.to_string(), ..spec("cxr", DeploymentState::Active) };
    catalog.deployment_apply(&changed, newer.digest, "user:test", at(320)).await.unwrap();
    let (other, job) = up_to_inference(&catalog, "6", "cxr").await;
    let mut of_other = outcome(&other, 1, "cxr", &["pacs"]);
    (of_other.package, of_other.finished_at, of_other.deployment_revision) = (newer.digest, at(160), 2);
    catalog.inference_record(&job.lease(), &of_other, at(161)).await.unwrap();

    let all = [
        "ACC1: r1 cxr delivered",
        "ACC2: r1 cxr possible",
        "ACC3: r1 cxr inside",
        "ACC4: r1 cxr no_result",
        "ACC5: r1 cxr delivered, r2 cxr waiting",
    ];
    assert_eq!(told(&catalog, window(0, 1000)).await, all);
    // From is included, to is not.
    assert_eq!(told(&catalog, window(112, 120)).await, all[..1]);
    assert_eq!(told(&catalog, window(113, 121)).await, all[1..2]);
    assert_eq!(told(&catalog, window(200, 310)).await, [""; 0]);
    assert_eq!(told(&catalog, window(200, 311)).await, ["ACC5: r2 cxr waiting"]);
    let list = catalog.recall_list(&window(150, 151)).await.unwrap();
    assert_eq!(list[0].runs[0].results[0].superseded_by, Some(2));
    assert_eq!(list[0].runs[0].results[0].deliveries[0].delivered_at, Some(at(152)));
    let other = RecallWindow { package: Digest::of(b"another package"), ..window(0, 1000) };
    assert_eq!(told(&catalog, other).await, ["ACC6: r1 cxr waiting"]);
    all_is_well(&catalog).await;
}

/// Enter a recall of everything the version ran on.
async fn propose(catalog: &Arc<dyn Catalog>, window: RecallWindow, reason: &str, now: i64) -> Digest {
    let list = catalog.recall_list(&window).await.unwrap();
    let plan = RecallPlan::new(&window, "cxr", "1.0.0", RecallGround::PatientSafety, reason, &list).unwrap();
    let record = plan.record("user:anna").unwrap();
    let entered = catalog.record_add(&record, at(now)).await.unwrap().record;
    assert_eq!(RecallPlan::read(&entered).unwrap(), plan);
    entered.digest
}

async fn people(catalog: &Arc<dyn Catalog>) {
    for (name, role, seed) in [("anna", "clinical", 1), ("bo", "technical", 2), ("cara", "radiologist", 3)] {
        catalog.user_add(&user(name, &[role, "clinical"], seed), "user:root").await.unwrap();
    }
}

async fn approve(catalog: &Arc<dyn Catalog>, record: Digest, now: i64) {
    for (name, seed, meaning) in [("anna", 1, ApprovedClinical), ("bo", 2, ApprovedTechnical)] {
        catalog.signature_add(&sign(record, name, seed, meaning, at(now)), at(now)).await.unwrap();
    }
}

/// A note as the encoder would hand it over; the catalog does not look into it.
fn note(record: &Digest, study: &StudyKey) -> NewResult {
    let bytes = format!("note {record} {study}");
    NewResult {
        kind: ResultKind::RejectionNote,
        index: 0,
        sop_instance_uid: hilum_types::Uid::derived(&[&bytes]),
        sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.88.59"),
        transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
        blob: Digest::of(bytes.as_bytes()),
        size: bytes.len() as u64,
    }
}

fn of<'a>(status: &'a RecallStatus, key: &StudyKey) -> &'a RecallStudyStatus {
    status.studies.iter().find(|study| study.study_key == *key).expect("the study is in the record")
}

fn why<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    outcome.expect_err("it is refused").to_string()
}

/// GV-02: a clinical and a technical approval by two people, and nobody against it.
pub(super) async fn nothing_happens_before_two_people_approve(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    people(&catalog).await;
    let key = ran(&catalog, "1", &["pacs"], 112).await;
    let record = propose(&catalog, window(0, 1000), "wrong side", 400).await;
    let begin = async |now: i64| catalog.recall_begin(&record, "user:bo", at(now)).await;
    assert!(why(begin(401).await).contains("lacks approval in the clinical role, approval in the technical role"));
    catalog.signature_add(&sign(record, "anna", 1, ApprovedClinical, at(402)), at(402)).await.unwrap();
    assert!(why(begin(403).await).contains("lacks approval in the technical role"));
    let status = catalog.recall_status(&record).await.unwrap();
    assert_eq!((status.begun.clone(), status.studies[0].step), (None, RecallStep::Planned));
    assert_eq!(status.counts().n_open, 1);
    let refused = catalog.recall_retract(&record, &key, "user:bo", at(404)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound, "it was not begun");
    catalog.signature_add(&sign(record, "bo", 2, ApprovedTechnical, at(405)), at(405)).await.unwrap();
    catalog.signature_add(&sign(record, "cara", 3, Rejected, at(406)), at(406)).await.unwrap();
    assert!(why(begin(407).await).contains("cara rejected it"));
    assert_eq!(disposition_of(&catalog, &key).await, "cxr analysed");
    // What is no recall, or nothing, is refused.
    let validation = hilum_sign::NewRecord {
        kind: hilum_sign::RecordKind::Validation,
        subject: "x".into(),
        body: serde_json::json!({ "format": 1 }),
        author: "user:anna".into(),
    };
    let other = catalog.record_add(&validation, at(408)).await.unwrap().record.digest;
    assert!(why(catalog.recall_begin(&other, "user:bo", at(409)).await).contains("is of kind validation"));
    let empty = RecallPlan::new(&window(0, 1), "cxr", "1.0.0", RecallGround::Quality, "x", &[]);
    assert!(why(empty).contains("nothing to recall"));
    let list = catalog.recall_list(&window(0, 1000)).await.unwrap();
    for reason in ["", "  ", "two\nlines", &"x".repeat(501)] {
        let plan = RecallPlan::new(&window(0, 1000), "cxr", "1.0.0", RecallGround::Quality, reason, &list);
        assert!(why(plan).contains("one line"), "{reason:?}");
    }
    all_is_well(&catalog).await;
}

pub(super) async fn results_are_stopped_and_notes_queued(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    people(&catalog).await;
    let delivered = ran(&catalog, "1", &["pacs"], 112).await;
    deliver(&catalog, &DeliveryOutcome::Delivered, 114).await;
    let given_up = ran(&catalog, "2", &["pacs"], 120).await;
    deliver(&catalog, &dead(), 122).await;
    let shadow = ran(&catalog, "3", &[], 130).await;
    let waiting = ran(&catalog, "4", &["pacs"], 140).await;
    let record = propose(&catalog, window(0, 1000), "wrong side", 400).await;
    approve(&catalog, record, 400).await;
    let progress = catalog.recall_begin(&record, "user:bo", at(401)).await.unwrap();
    let mut all = [delivered.clone(), given_up.clone(), shadow.clone(), waiting.clone()];
    all.sort();
    assert_eq!(progress.planned, all);
    let mut needed = vec![];
    for key in [&delivered, &given_up, &shadow, &waiting] {
        let needs = catalog.recall_retract(&record, key, "user:bo", at(402)).await.unwrap();
        let again = catalog.recall_retract(&record, key, "user:bo", at(402)).await.unwrap();
        assert_eq!(again, needs, "repeating changes nothing");
        needed.push((needs.results.len(), needs.destinations.join(" ")));
    }
    assert_eq!(needed, [(1, "pacs".into()), (1, "pacs".into()), (0, String::new()), (0, String::new())]);
    // Nothing of them leaves any more, and a dead one cannot be brought back.
    assert!(take(&catalog, JobKind::Deliver, at(9999)).await.is_none());
    assert_eq!(disposition_of(&catalog, &delivered).await, "cxr analysed");
    assert_eq!(disposition_of(&catalog, &waiting).await, "cxr withheld result.retracted");
    let journey = catalog.study_journey(&given_up).await.unwrap().unwrap();
    assert_eq!(journey.deliveries[0].state, DeliveryState::Withheld);
    assert_eq!(journey.results[0].retracted_by, Some(record));
    assert_eq!(catalog.delivery_retry(&journey.deliveries[0].key, "user:bo", at(403)).await.unwrap_err().kind(), {
        ErrorKind::Conflict
    });
    // A crash here: the next call goes on with the notes.
    let progress = catalog.recall_begin(&record, "user:bo", at(404)).await.unwrap();
    assert_eq!((progress.planned.len(), progress.retracted.len(), progress.begun_at), (0, 4, at(401)));
    let missing = catalog.recall_note_add(&record, &delivered, None, "user:bo", at(405)).await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::Bug);
    catalog.recall_fail(&record, &given_up, "a stored object is damaged", "user:bo", at(405)).await.unwrap();
    let status = catalog.recall_status(&record).await.unwrap();
    assert_eq!(of(&status, &given_up).failure.as_deref(), Some("a stored object is damaged"));
    for (key, now) in [(&delivered, 405), (&given_up, 406)] {
        for _ in 0..2 {
            let new = note(&record, key);
            catalog.recall_note_add(&record, key, Some(&new), "user:bo", at(now)).await.unwrap();
        }
    }
    for key in [&shadow, &waiting] {
        catalog.recall_note_add(&record, key, None, "user:bo", at(406)).await.unwrap();
    }
    let progress = catalog.recall_begin(&record, "user:bo", at(407)).await.unwrap();
    assert_eq!((progress.planned.len(), progress.retracted.len()), (0, 0));
    // Notes are delivered like results, also while the deployment is suspended.
    catalog.deployment_suspend("cxr", "user:bo", "recalled", at(408)).await.unwrap();
    let job = must_take(&catalog, JobKind::Deliver, at(409)).await;
    assert_eq!(job.deployment, None);
    let sent = catalog.delivery_get(job.delivery_key.as_ref().unwrap()).await.unwrap().unwrap();
    assert_eq!((sent.result.kind, sent.result.released), (ResultKind::RejectionNote, true));
    catalog.delivery_record(&job.lease(), &DeliveryOutcome::Delivered, at(410)).await.unwrap();
    let retry = DeliveryOutcome::Retry { due_at: at(420), error: "refused for now with status A700".into() };
    deliver(&catalog, &retry, 411).await;
    let status = catalog.recall_status(&record).await.unwrap();
    let told = [&delivered, &given_up, &shadow, &waiting].map(|key| of(&status, key));
    let answers = told.map(|study| (study.step, study.destinations.clone()));
    assert_eq!(answers[0].1[0].answer, Answer::Accepted { at: at(410) });
    assert_eq!((answers[0].1[0].held, answers[1].1[0].held), (Held::Delivered, Held::Possible));
    let waits = Answer::Waiting { attempts: 1, last_error: Some("refused for now with status A700".into()) };
    assert_eq!(answers[1].1[0].answer, waits);
    assert_eq!((answers[2].0, answers[2].1.len()), (RecallStep::Inside, 0));
    assert_eq!((answers[3].0, &answers[3].1[0].answer), (RecallStep::Inside, &Answer::NothingToRetract));
    deliver(&catalog, &dead(), 420).await;
    let status = catalog.recall_status(&record).await.unwrap();
    let Answer::Refused { error, delivery, .. } = &of(&status, &given_up).destinations[0].answer else {
        panic!("{status:?}");
    };
    assert_eq!(error, "refused with status 0110");
    assert!(!status.is_complete());
    catalog.delivery_retry(delivery, "user:bo", at(430)).await.unwrap();
    deliver(&catalog, &DeliveryOutcome::Delivered, 431).await;
    let status = catalog.recall_status(&record).await.unwrap();
    assert!(status.is_complete());
    let counts = status.counts();
    assert_eq!((counts.n_accepted, counts.n_inside, counts.n_nothing_to_retract, counts.n_refused), (2, 2, 1, 0));
    // The journey tells it, and so does the chain.
    let journey = catalog.study_journey(&delivered).await.unwrap().unwrap();
    let retraction = &journey.retractions[0];
    assert_eq!((retraction.record, retraction.step, retraction.reason.as_str()), {
        (record, RecallStep::Noted, "wrong side")
    });
    assert_eq!(retraction.note.as_ref(), journey.results.iter().find(|r| r.deployment.is_empty()).map(|r| &r.key));
    let told = journey.events.iter().find(|event| event.kind == "result_retracted").unwrap();
    assert!(told.text.starts_with("the results were retracted: wrong side (recall "), "{}", told.text);
    let chain = catalog.audit_page(0, 10_000).await.unwrap();
    let n = |action| chain.iter().filter(|entry| entry.event.action == action).count();
    let acts = [AuditAction::RecallBegun, AuditAction::ResultRetracted, AuditAction::RejectionNoteReleased];
    assert_eq!(acts.map(n), [1, 4, 2]);
    all_is_well(&catalog).await;
}

/// A worker is sending while the results are stopped: what the archive accepts all the same gets a note, and the note
/// does not overtake it.
pub(super) async fn what_was_on_its_way_is_retracted_too(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    people(&catalog).await;
    let key = ran(&catalog, "1", &["pacs"], 112).await;
    let sending = catalog.job_lease(&[JobKind::Deliver], "worker", at(390), 30).await.unwrap().unwrap();
    let record = propose(&catalog, window(0, 1000), "wrong side", 391).await;
    approve(&catalog, record, 391).await;
    catalog.recall_begin(&record, "user:bo", at(392)).await.unwrap();
    let needs = catalog.recall_retract(&record, &key, "user:bo", at(393)).await.unwrap();
    assert_eq!(needs.destinations, ["pacs"]);
    assert!(matches!(catalog.job_heartbeat(&sending.lease(), at(394), 30).await, Err(StoreError::LeaseLost)));
    catalog.recall_note_add(&record, &key, Some(&note(&record, &key)), "user:bo", at(395)).await.unwrap();
    assert_eq!(catalog.recall_status(&record).await.unwrap().studies[0].destinations[0].held, Held::Possible);
    assert!(take(&catalog, JobKind::Deliver, at(419)).await.is_none(), "the attempt may run until 420");
    catalog.delivery_record(&sending.lease(), &DeliveryOutcome::Delivered, at(396)).await.unwrap();
    let status = catalog.recall_status(&record).await.unwrap();
    assert_eq!(status.studies[0].destinations[0].held, Held::Delivered);
    let job = must_take(&catalog, JobKind::Deliver, at(420)).await;
    catalog.delivery_record(&job.lease(), &DeliveryOutcome::Delivered, at(431)).await.unwrap();
    assert!(catalog.recall_status(&record).await.unwrap().is_complete());
    all_is_well(&catalog).await;
}

/// AV-11, AV-19: what a reader answered to a retracted result does not leave any more, whether the report waits to be sent,
/// was given up, or is being written.
pub(super) async fn answers_to_retracted_results_stay_here(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    people(&catalog).await;
    let key = ran(&catalog, "1", &["pacs"], 112).await;
    deliver(&catalog, &DeliveryOutcome::Delivered, 114).await;
    let due = async || catalog.assessments_due(&["pacs".to_owned()], at(390), 0, 10).await.unwrap();
    for (reader, now) in [("user:anna", 200), ("user:bo", 210), ("user:cara", 220)] {
        answer(&catalog, &key, reader, Agreement::Agree, now).await;
    }
    let found = due().await;
    assert!(catalog.assessment_told(&found[0], Told::Report(&report(&found[0])), at(300)).await.unwrap());
    deliver(&catalog, &dead(), 301).await;
    assert!(catalog.assessment_told(&found[1], Told::Report(&report(&found[1])), at(302)).await.unwrap());
    let record = propose(&catalog, window(0, 1000), "wrong side", 391).await;
    approve(&catalog, record, 391).await;
    catalog.recall_begin(&record, "user:bo", at(392)).await.unwrap();
    catalog.recall_retract(&record, &key, "user:bo", at(393)).await.unwrap();
    let late = catalog.assessment_told(&found[2], Told::Report(&report(&found[2])), at(394)).await.unwrap();
    assert!(!late, "it was written before the recall");
    assert!(take(&catalog, JobKind::Deliver, at(9999)).await.is_none());
    let journey = catalog.study_journey(&key).await.unwrap().unwrap();
    let of_reports = journey.deliveries.iter().filter(|one| one.result.kind == ResultKind::AssessmentReport);
    assert_eq!(of_reports.map(|one| one.state).collect::<Vec<_>>(), [DeliveryState::Withheld; 2]);
    let waiting = due().await;
    assert_eq!((waiting.len(), waiting[0].destinations.len()), (1, 0), "nobody is told");
    all_is_well(&catalog).await;
}

pub(super) async fn overlapping_recalls_retract_once(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    add_package(&catalog).await;
    people(&catalog).await;
    let first = ran(&catalog, "1", &["pacs"], 112).await;
    deliver(&catalog, &DeliveryOutcome::Delivered, 114).await;
    let second = ran(&catalog, "2", &["pacs"], 120).await;
    deliver(&catalog, &DeliveryOutcome::Delivered, 122).await;
    let carry_out = async |record: Digest, now: i64| {
        approve(&catalog, record, now).await;
        let progress = catalog.recall_begin(&record, "user:bo", at(now)).await.unwrap();
        for key in progress.planned {
            let needs = catalog.recall_retract(&record, &key, "user:bo", at(now)).await.unwrap();
            let note = (!needs.destinations.is_empty()).then(|| note(&record, &key));
            catalog.recall_note_add(&record, &key, note.as_ref(), "user:bo", at(now)).await.unwrap();
        }
    };
    let narrow = propose(&catalog, window(100, 115), "wrong side", 400).await;
    carry_out(narrow, 401).await;
    let wide = propose(&catalog, window(100, 200), "wrong everything", 410).await;
    carry_out(wide, 411).await;
    let status = catalog.recall_status(&wide).await.unwrap();
    let told = [&first, &second].map(|key| (of(&status, key).step, of(&status, key).n_retracted_before));
    assert_eq!(told, [(RecallStep::Inside, 1), (RecallStep::Noted, 0)]);
    let reach: Vec<Reach> = catalog.recall_list(&window(0, 999)).await.unwrap().iter().map(|s| s.reach()).collect();
    assert_eq!(reach, [Reach::Delivered, Reach::Delivered]);
    let journey = catalog.study_journey(&first).await.unwrap().unwrap();
    let records: Vec<_> = journey.retractions.iter().map(|retraction| retraction.record).collect();
    assert_eq!((journey.results[0].retracted_by, records), (Some(narrow), vec![narrow, wide]));
    let newer = Package {
        digest: Digest::of(b"p2"),
        version: "2.0.0".into(),
        ..{ catalog.package_get(&Digest::of(b"package").to_string()).await.unwrap() }
    };
    assert!(catalog.package_add(&newer, "user:test").await.unwrap());
    let of_newer = RecallWindow { package: newer.digest, from: at(0), to: Timestamp::from_micros(i64::MAX) };
    assert_eq!(catalog.recall_list(&of_newer).await.unwrap(), []);
    let _unused = complete_study(&catalog, "9").await;
    all_is_well(&catalog).await;
}
