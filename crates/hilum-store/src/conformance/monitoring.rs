use super::alarms::notices;
use super::governance::{sign, user};
use super::material::{add_package, all_is_well, at, complete_study, instance, open, spec, store};
use super::release::{disposition_of, kind_of, must_take, outcome, run, take, up_to_inference};
use crate::labels::NewLabel;
use crate::monitoring::{ObservationFilter, StoppingRule};
use crate::records::Package;
use crate::{Catalog, ErrorKind, JobKind, JobState, StudyKey};
use hilum_gate::change_body;
use hilum_monitor::figures::LabelledObservation;
use hilum_monitor::notice::{NoticeChange, Withheld};
use hilum_monitor::{Fact, LabelSource, Labelled, Monitor, Observation, OutputFact, Severity, Truth};
use hilum_registry::monitoring::{EvidenceRule, MonitoringPlan, StopRule, WhenStale};
use hilum_registry::{DeploymentSpec, DeploymentState};
use hilum_sign::{NewRecord, RecordKind, SignatureMeaning};
use hilum_types::{Digest, Disposition, Independence, Reason};
use serde_json::json;
use std::sync::Arc;

/// Three missed nodules in a row stop it.
pub(super) fn watched(action: &str) -> DeploymentSpec {
    let rules: Vec<StopRule> = serde_json::from_value(json!([
        { "name": "missed", "metric": "sensitivity", "finding": "nodule", "consecutive": 3, "action": action },
        { "name": "sens", "metric": "sensitivity", "finding": "nodule", "below": 0.2, "confidence": 0.95,
          "each": ["station"], "action": "suspend" },
        { "name": "failing", "metric": "failure_rate", "above": 0.9, "confidence": 0.99, "action": "alarm" },
    ]))
    .expect("rules are well-formed");
    let evidence = EvidenceRule {
        window_days: 30,
        n_min: 2,
        labels: vec![Independence::Unexposed],
        when_stale: WhenStale::Suspend,
    };
    let plan = MonitoringPlan { rules, evidence: Some(evidence), ..MonitoringPlan::default() };
    assert_eq!(plan.problems(), Vec::<String>::new());
    DeploymentSpec { monitoring: Some(plan), ..spec("cxr", DeploymentState::Active) }
}

/// Run `study` on the deployment of revision `revision`; the model finds nothing.
async fn analyse(catalog: &Arc<dyn Catalog>, study: &str, revision: u32, package: Digest) -> StudyKey {
    let key = complete_study(catalog, study).await;
    analyse_again(catalog, &key, 1, (revision, package), 100).await;
    key
}

/// Run revision `study_revision` of a study from second `begin` on.
async fn analyse_again(
    catalog: &Arc<dyn Catalog>,
    key: &StudyKey,
    study_revision: u32,
    (revision, package): (u32, Digest),
    begin: i64,
) {
    let job = must_take(catalog, JobKind::Evaluate, at(begin)).await;
    let evaluation = run(key, study_revision, "cxr");
    catalog.evaluation_record(&job.lease(), &evaluation, at(begin)).await.expect("an evaluation is kept");
    let job = must_take(catalog, JobKind::Infer, at(begin + 1)).await;
    let mut outcome = outcome(key, study_revision, "cxr", &["pacs"]);
    let mut observation = Observation::bare("cxr", package);
    observation.attributes.insert("station".to_owned(), "CT1".to_owned());
    observation.outputs.insert("nodule".to_owned(), OutputFact { score: Some(0.125), present: Some(false) });
    (outcome.deployment_revision, outcome.package, outcome.observation) = (revision, package, Some(observation));
    catalog.inference_record(&job.lease(), &outcome, at(begin + 12)).await.expect("an inference is kept");
}

/// What a reader had decided before the result was released.
pub(super) fn missed(study: &StudyKey) -> NewLabel {
    NewLabel {
        origin: format!("test:{study}"),
        study_key: study.clone(),
        revision: None,
        deployment: "cxr".into(),
        finding: "nodule".into(),
        truth: Truth::Present,
        agreement: None,
        source: LabelSource::Adjudication,
        extractor: None,
        extractor_measured: false,
        decided_at: at(90),
        report: None,
        comment: None,
        by: "user:anna".into(),
    }
}

/// Every ended study revision is a fact, with what the catalog knows itself.
pub(super) async fn ended_studies_are_observed(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&watched("suspend"), package, "user:test", at(-900)).await.unwrap();
    let analysed = analyse(&catalog, "7", 1, package).await;
    let refused = complete_study(&catalog, "8").await;
    let job = must_take(&catalog, JobKind::Evaluate, at(120)).await;
    let mut evaluation = run(&refused, 1, "cxr");
    evaluation.infer.clear();
    evaluation.dispositions = vec![("cxr".into(), Disposition::NotEligible(Reason::new("x.y", "no")))];
    catalog.evaluation_record(&job.lease(), &evaluation, at(121)).await.unwrap();
    let failed = complete_study(&catalog, "9").await;
    let job = must_take(&catalog, JobKind::Evaluate, at(130)).await;
    catalog.evaluation_record(&job.lease(), &run(&failed, 1, "cxr"), at(130)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(131)).await;
    let broken = Disposition::Failed(Reason::new("model.failed", "no"));
    catalog.inference_end(&job.lease(), None, &broken, None, at(132)).await.unwrap();
    let filter = ObservationFilter { deployment: "cxr".into(), ..ObservationFilter::default() };
    let all = catalog.observation_list(&filter, 10).await.unwrap();
    let told: Vec<(&str, &str, &str, bool)> = all
        .iter()
        .map(|one| (one.study_key.as_str(), one.disposition.as_str(), one.reason_code.as_str(), one.visible))
        .collect();
    let expected = [
        (analysed.as_str(), "analysed", "", true),
        (refused.as_str(), "not_eligible", "x.y", false),
        (failed.as_str(), "failed", "model.failed", false),
    ];
    assert_eq!(told, expected);
    assert!(all.iter().all(|one| one.event_at == at(60) && one.package == package && one.revision == 1));
    assert_eq!(all[0].attributes["station"], "CT1");
    let earlier = ObservationFilter { as_of: Some(at(121)), ..filter.clone() };
    assert_eq!(catalog.observation_list(&earlier, 10).await.unwrap(), all[..2], "what was known then");
    let later = ObservationFilter { recorded_from: Some(at(121)), ..filter.clone() };
    assert_eq!(catalog.observation_list(&later, 10).await.unwrap(), all[1..], "what became known from then on");
    assert_eq!(catalog.observation_list(&filter, 1).await.unwrap(), all[2..], "the latest");
    // Page by page: all of them were complete at one time, so the study decides, and none comes twice or is passed over.
    let mut paged: Vec<Observation> = Vec::new();
    loop {
        let page = catalog.observation_page(&filter, paged.last(), 1).await.unwrap();
        assert!(page.len() <= 1);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    let mut expected = all.clone();
    expected.sort_by(|a, b| a.study_key.cmp(&b.study_key));
    assert_eq!(paged, expected);
    assert_eq!(catalog.observation_page(&earlier, None, 10).await.unwrap().len(), 2, "what was known then");
    let until = ObservationFilter { until: Some(at(60)), ..filter.clone() };
    assert_eq!(catalog.observation_page(&until, None, 10).await.unwrap(), []);
    all_is_well(&catalog).await;
}

/// MV-05: the deciding label and the stop are one act, with everything that a stop by hand does.
pub(super) async fn the_deciding_label_stops(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&watched("suspend"), package, "user:test", at(-900)).await.unwrap();
    let mut keys = Vec::new();
    for study in ["7", "8", "9"] {
        keys.push(analyse(&catalog, study, 1, package).await);
    }
    must_take(&catalog, JobKind::Deliver, at(139)).await;
    // Waits for its run when the rule fires.
    let waiting = complete_study(&catalog, "10").await;
    let job = must_take(&catalog, JobKind::Evaluate, at(140)).await;
    catalog.evaluation_record(&job.lease(), &run(&waiting, 1, "cxr"), at(140)).await.unwrap();
    for (place, key) in keys.iter().enumerate() {
        let now = at(200 + place as i64);
        catalog.label_add(&missed(key), now).await.unwrap();
        assert_eq!(catalog.label_add(&missed(key), now).await.unwrap().recorded_at, now, "again changes nothing");
        let state = catalog.deployment_get("cxr").await.unwrap().unwrap().state;
        assert_eq!(state == DeploymentState::Suspended, place == 2, "after label {}", place + 1);
    }
    let stopped = catalog.deployment_get("cxr").await.unwrap().unwrap();
    let suspension = stopped.suspension.clone().expect("it is in force");
    assert_eq!((suspension.by.as_str(), suspension.since), ("stop-rule:missed", at(202)));
    assert!(suspension.reason.contains("3 positives missed for nodule in a row"), "{}", suspension.reason);
    assert_eq!(disposition_of(&catalog, &waiting).await, "cxr withheld deployment.suspended");
    assert!(
        take(&catalog, JobKind::Infer, at(300)).await.is_none()
            && take(&catalog, JobKind::Deliver, at(300)).await.is_none()
    );
    let journey = catalog.study_journey(&keys[0]).await.unwrap().unwrap();
    assert!(journey.jobs.iter().any(|job| job.kind == JobKind::Deliver && job.state == JobState::Cancelled));
    let signals = catalog.signal_list("cxr", None, None, 10).await.unwrap();
    assert_eq!(signals.len(), 1);
    assert_eq!((signals[0].action.as_str(), signals[0].signal.n, signals[0].package), ("suspended", 3, package));
    assert_eq!(signals[0].signal.studies[0], keys[2].as_str(), "the latest first");
    let alarms = catalog.alarm_list(true, 10).await.unwrap();
    assert!(alarms.iter().any(|alarm| alarm.code == "stop-rule" && alarm.deployment.as_deref() == Some("cxr")));
    let told = notices(&catalog, at(203)).await;
    let [told] = &told[..] else { panic!("destinations are told once: {told:?}") };
    assert_eq!((told.change, told.rule.as_deref(), told.at), (NoticeChange::Suspended, Some("missed"), at(202)));
    assert_eq!(told.signal.as_ref().map(|signal| signal.n), Some(3));
    assert_eq!(told.withheld, Withheld { n_runs: 1, n_deliveries: 2, n_sending: 1 }, "one is being sent");
    let counts = catalog.monitor_counts().await.unwrap();
    assert_eq!(counts.signals, [("cxr".to_owned(), "missed".to_owned(), 1)]);
    assert_eq!(counts.labels, [("cxr".to_owned(), "adjudication".to_owned(), 3)]);
    assert_eq!(counts.alarms_open, [(Severity::Watch, 0), (Severity::Review, 0), (Severity::Stop, 1)]);
    // Three runs of two seconds.
    let [times] = &counts.run_times[..] else { panic!("{counts:?}") };
    assert_eq!((times.n, times.sum_micros), ([0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], 6_000_000));
    let actions: Vec<String> =
        catalog.audit_page(0, 1000).await.unwrap().into_iter().map(|entry| entry.event.action.to_string()).collect();
    assert!(actions.contains(&"stop_rule_fired".to_owned()) && actions.contains(&"deployment_suspended".to_owned()));
    // It survives a restart, and what was stopped by a rule is not lifted by a word.
    drop(catalog);
    let catalog = open(&url).await;
    assert_eq!(catalog.deployment_get("cxr").await.unwrap(), Some(stopped));
    assert_eq!(
        kind_of(catalog.deployment_resume("cxr", "user:anna", "fixed", at(400)).await),
        Some(ErrorKind::Conflict)
    );
    all_is_well(&catalog).await;
}

/// A record of this kind about `subject`, which had this package, entered at `now`.
async fn enter(catalog: &Arc<dyn Catalog>, kind: RecordKind, subject: &str, package: Digest, now: i64) -> Digest {
    let body = json!({ "format": 1, "package": package, "as_of": at(now) });
    let record = NewRecord { kind, subject: subject.into(), body, author: "user:anna".into() };
    catalog.record_add(&record, at(now)).await.unwrap().record.digest
}

/// Enter the change that lifts the suspension of `cxr` on this evidence, and sign it twice.
async fn propose(catalog: &Arc<dyn Catalog>, evidence: Digest, now: i64) {
    let deployment = catalog.deployment_get("cxr").await.unwrap().unwrap();
    let mut body = change_body("resume", &deployment, None, "active", "put right");
    body["evidence"] = json!([evidence]);
    let change = NewRecord { kind: RecordKind::Change, subject: "cxr".into(), body, author: "user:cara".into() };
    let change = catalog.record_add(&change, at(now)).await.unwrap().record.digest;
    for (name, seed, meaning) in
        [("anna", 1, SignatureMeaning::ApprovedClinical), ("bo", 2, SignatureMeaning::ApprovedTechnical)]
    {
        catalog.signature_add(&sign(change, name, seed, meaning, at(now)), at(now)).await.unwrap();
    }
}

/// A rule that fires on a version which a person has stopped already stops it as well: a word does not lift that, and only a
/// record that shows something of this version since the rule fired does.
pub(super) async fn a_rule_fires_on_what_is_stopped_already(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    for (name, role, seed) in [("anna", "clinical", 1), ("bo", "technical", 2)] {
        catalog.user_add(&user(name, &[role], seed), "user:root").await.unwrap();
    }
    catalog.deployment_apply(&watched("suspend"), package, "user:test", at(-900)).await.unwrap();
    let mut keys = Vec::new();
    for study in ["7", "8", "9"] {
        keys.push(analyse(&catalog, study, 1, package).await);
    }
    let early = enter(&catalog, RecordKind::MonitoringEvidence, "cxr", package, 150).await;
    let stopped = catalog.deployment_suspend("cxr", "user:anna", "the scanner is repaired", at(190)).await.unwrap();
    assert_eq!(catalog.stopping_rule(&stopped).await.unwrap(), None);
    // Why it was stopped by hand is not why the rule fires later.
    let between = enter(&catalog, RecordKind::MonitoringEvidence, "cxr", package, 195).await;
    for (place, key) in keys.iter().enumerate() {
        catalog.label_add(&missed(key), at(200 + place as i64)).await.unwrap();
    }
    assert_eq!(catalog.signal_list("cxr", None, None, 1).await.unwrap()[0].action, "stopped_already");
    let rule = StoppingRule { name: "missed".into(), last_fired_at: at(202) };
    assert_eq!(catalog.stopping_rule(&stopped).await.unwrap(), Some(rule));
    let resume = async |now| catalog.deployment_resume("cxr", "user:anna", "repaired", at(now)).await;
    let said = resume(300).await.unwrap_err().to_string();
    assert!(said.contains("rule missed of cxr fired, so two people approve"), "{said}");
    let unrelated = enter(&catalog, RecordKind::PeriodicReport, "cxr", package, 310).await;
    let of_another = enter(&catalog, RecordKind::MonitoringEvidence, "ct", package, 311).await;
    let failed = enter(&catalog, RecordKind::Validation, &package.to_string(), package, 312).await;
    let earlier = Digest::of(b"the version before");
    let of_the_one_before = enter(&catalog, RecordKind::MonitoringEvidence, "cxr", earlier, 313).await;
    for (now, evidence, gap) in [
        (320, early, "before the stop"),
        (325, between, "before the stop"),
        (330, unrelated, "is of kind periodic_report"),
        (340, of_another, "is about neither cxr nor its package"),
        (350, failed, "has the verdict none"),
        (355, of_the_one_before, "is about the version"),
    ] {
        propose(&catalog, evidence, now).await;
        let said = resume(now + 1).await.unwrap_err().to_string();
        assert!(said.contains(gap), "{gap}: {said}");
    }
    let evidence = enter(&catalog, RecordKind::MonitoringEvidence, "cxr", package, 360).await;
    propose(&catalog, evidence, 370).await;
    assert_eq!(resume(371).await.unwrap().state, DeploymentState::Active);
    all_is_well(&catalog).await;
}

/// A deployment from before there was monitoring has been in use since its last change, and the next ones do not move that.
pub(super) async fn a_change_gives_no_new_time_for_evidence(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    let watched = watched("suspend");
    catalog.deployment_apply(&watched, package, "user:test", at(-900)).await.unwrap();
    crate::sql::inside::forget_restarts(&url).await.unwrap();
    for (owner, now) in [("physics", -300), ("radiology", -200)] {
        let changed = DeploymentSpec { owner: owner.into(), ..watched.clone() };
        let applied = catalog.deployment_apply(&changed, package, "user:test", at(now)).await.unwrap();
        let facts = catalog.evidence_facts(&applied, at(100)).await.unwrap().unwrap();
        assert_eq!(facts.since, at(-900), "after the change at {now}");
    }
    let deployment = catalog.deployment_get("cxr").await.unwrap().unwrap();
    let early = catalog.evidence_facts(&deployment, at(-1000)).await.unwrap().unwrap();
    assert_eq!(early.since, at(-1000), "by a clock that went back");
    all_is_well(&catalog).await;
}

/// MV-06: a review is a signature of meaning "reviewed" under fresh figures or a fresh report about the deployment.
pub(super) async fn a_review_is_what_somebody_signed(url: String) {
    const DAY: i64 = 86_400;
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.user_add(&user("anna", &["clinical"], 1), "user:root").await.unwrap();
    let mut reviewed = watched("suspend");
    let deployment = catalog.deployment_apply(&reviewed, package, "user:test", at(-900)).await.unwrap();
    assert_eq!(catalog.review_facts(&deployment, at(0)).await.unwrap(), None, "none is agreed");
    reviewed.monitoring.as_mut().unwrap().review_days = 7;
    let deployment = catalog.deployment_apply(&reviewed, package, "user:test", at(-800)).await.unwrap();
    let known = async |now| catalog.review_facts(&deployment, at(now)).await.unwrap().unwrap();
    let sign_as = async |record, meaning, now| {
        catalog.signature_add(&sign(record, "anna", 1, meaning, at(now)), at(now)).await.unwrap();
    };
    let facts = known(0).await;
    assert_eq!((facts.since, facts.reviewed_at), (at(-900), None));
    let figures = enter(&catalog, RecordKind::MonitoringEvidence, "cxr", package, 100).await;
    sign_as(figures, SignatureMeaning::ApprovedClinical, 110).await;
    let of_another = enter(&catalog, RecordKind::MonitoringEvidence, "ct", package, 120).await;
    sign_as(of_another, SignatureMeaning::Reviewed, 130).await;
    let replay = enter(&catalog, RecordKind::Replay, "cxr", package, 140).await;
    sign_as(replay, SignatureMeaning::Reviewed, 150).await;
    assert_eq!(known(200).await.reviewed_at, None, "nobody has said that they looked at figures of it");
    sign_as(figures, SignatureMeaning::Reviewed, 210).await;
    assert_eq!(known(220).await.reviewed_at, Some(at(210)));
    // A report counts up to the end of its window, and one period more.
    let report = async |name: &str, until, now| {
        let window = json!({ "from": at(-900), "to": at(until) });
        let body = json!({ "format": 1, "deployment": "cxr", "note": name, "window": window });
        let (kind, author) = (RecordKind::PeriodicReport, "user:anna".to_owned());
        let record = NewRecord { kind, subject: "cxr".into(), body, author };
        catalog.record_add(&record, at(now)).await.unwrap().record.digest
    };
    let old = report("old", 0, 8 * DAY).await;
    sign_as(old, SignatureMeaning::Reviewed, 8 * DAY).await;
    assert_eq!(known(8 * DAY).await.reviewed_at, Some(at(210)), "it says nothing of the last seven days");
    let fresh = report("fresh", 5 * DAY, 8 * DAY).await;
    sign_as(fresh, SignatureMeaning::Reviewed, 8 * DAY + 10).await;
    assert_eq!(known(9 * DAY).await.reviewed_at, Some(at(8 * DAY + 10)));
    all_is_well(&catalog).await;
    // What was changed by hand is no review; the question is answered all the same, or no study would pass for any deployment.
    crate::sql::inside::damage_reports(&url).await.unwrap();
    assert_eq!(known(9 * DAY).await.reviewed_at, Some(at(210)));
}

/// MV-06: nobody has to look while results stay inside, so the first period begins when they reach readers; other changes do
/// not move that.
pub(super) async fn a_review_is_due_one_period_after_results_reach_readers(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    let mut reviewed = watched("suspend");
    reviewed.monitoring.as_mut().unwrap().review_days = 7;
    let (limited, active) = (DeploymentState::Limited, DeploymentState::Active);
    for (state, owner, now, since) in [
        (DeploymentState::Shadow, "physics", -900, -900),
        (active, "physics", 50, 50),
        (active, "radiology", 60, 50),
        (limited, "radiology", 70, 50),
        (DeploymentState::Shadow, "radiology", 80, -900),
        (active, "radiology", 90, 90),
    ] {
        let mut changed = DeploymentSpec { state, owner: owner.into(), ..reviewed.clone() };
        changed.rollout.share = (state == limited).then_some(0.5);
        let applied = catalog.deployment_apply(&changed, package, "user:test", at(now)).await.unwrap();
        let facts = catalog.review_facts(&applied, at(100)).await.unwrap().unwrap();
        assert_eq!(facts.since, at(since), "{state} from {now} on");
    }
    let deployment = catalog.deployment_get("cxr").await.unwrap().unwrap();
    let early = catalog.review_facts(&deployment, at(-1000)).await.unwrap().unwrap();
    assert_eq!(early.since, at(-1000), "by a clock that went back");
    all_is_well(&catalog).await;
}

/// The state that the acts leave is that of one fold over the facts in order, and labels of another version, of a time
/// before a restart, or given again do not count.
pub(super) async fn the_state_is_a_fold_over_the_facts(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    let watched = watched("suspend");
    catalog.deployment_apply(&watched, package, "user:test", at(-900)).await.unwrap();
    let first = analyse(&catalog, "7", 1, package).await;
    catalog.label_add(&missed(&first), at(200)).await.unwrap();
    let correction = NewLabel { origin: "test:again".into(), truth: Truth::Absent, ..missed(&first) };
    catalog.label_add(&correction, at(201)).await.unwrap();
    let second = analyse(&catalog, "8", 1, package).await;
    catalog.label_add(&missed(&second), at(202)).await.unwrap();
    let filter = ObservationFilter { deployment: "cxr".into(), ..ObservationFilter::default() };
    let labelled = catalog.labelled_list(&filter, 10).await.unwrap();
    assert_eq!(labelled.len(), 3);
    let later = ObservationFilter { recorded_from: Some(at(201)), ..filter.clone() };
    assert_eq!(catalog.labelled_list(&later, 10).await.unwrap(), labelled[1..], "labels given from then on");
    // Of a period with fewer studies than are asked for, labels are looked up by study, and else from the latest on.
    for limit in 1..=4 {
        let latest = labelled.len().saturating_sub(limit);
        let found = catalog.labelled_list(&filter, limit as u32).await.unwrap();
        assert_eq!(found, labelled[latest..], "the latest {limit}");
    }
    let event_at = labelled[2].observation.event_at;
    let (before, then) = ((None, Some(event_at)), (Some(event_at), Some(event_at.plus_micros(1))));
    for (limit, (from, until), n) in [(1, before, 0), (10, before, 0), (1, then, 1), (10, then, 3)] {
        let period = ObservationFilter { from, until, ..filter.clone() };
        assert_eq!(catalog.labelled_list(&period, limit).await.unwrap().len(), n, "studies of {from:?} to {until:?}");
    }
    let rules = &watched.monitoring.as_ref().unwrap().rules;
    let mut monitor = Monitor::default();
    let observe = |monitor: &mut Monitor, one: &Observation| monitor.take(rules, &Fact::Observed(one)).unwrap();
    let label = |monitor: &mut Monitor, one: &LabelledObservation, earlier: &[Independence]| {
        let fact = Labelled { label: &one.label, observation: &one.observation, earlier };
        monitor.take(rules, &Fact::Labelled(fact)).unwrap()
    };
    let observations = catalog.observation_list(&filter, 10).await.unwrap();
    observe(&mut monitor, &observations[0]);
    label(&mut monitor, &labelled[0], &[]);
    label(&mut monitor, &labelled[1], &[Independence::Unexposed]);
    observe(&mut monitor, &observations[1]);
    label(&mut monitor, &labelled[2], &[]);
    let deployment = catalog.deployment_get("cxr").await.unwrap().unwrap();
    let held = catalog.cell_list(&deployment).await.unwrap();
    let folded: Vec<_> = monitor.cells().iter().map(|(key, cell)| (key.clone(), cell.clone())).collect();
    assert_eq!(held, folded);
    assert_eq!(held.len(), 3, "{held:?}");
    // MV-06: the evidence is the first label of each finding.
    let facts = catalog.evidence_facts(&deployment, at(300)).await.unwrap().unwrap();
    assert_eq!((facts.n, facts.newest_at, facts.since), (2, Some(at(60)), at(-900)));
    let later = catalog.evidence_facts(&deployment, at(31 * 86_400)).await.unwrap().unwrap();
    assert_eq!((later.n, later.newest_at), (0, None));
    all_is_well(&catalog).await;
}

/// A late image is no second study, and one report read for both revisions is no second label.
pub(super) async fn a_study_counts_once_for_a_version(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&watched("suspend"), package, "user:test", at(-900)).await.unwrap();
    let key = analyse(&catalog, "7", 1, package).await;
    catalog.label_add(&missed(&key), at(200)).await.unwrap();
    store(&catalog, instance("7", 2, "a late image", at(300))).await;
    assert_eq!(catalog.study_complete_due(at(400), 10).await.unwrap(), [(key.clone(), 2)]);
    analyse_again(&catalog, &key, 2, (1, package), 410).await;
    let again = NewLabel { origin: "test:second".into(), ..missed(&key) };
    assert_eq!(catalog.label_add(&again, at(500)).await.unwrap().revision, 2);
    let deployment = catalog.deployment_get("cxr").await.unwrap().unwrap();
    let counts = catalog.cell_list(&deployment).await.unwrap();
    let counts: Vec<(&str, u64)> = counts.iter().map(|(key, cell)| (key.rule.as_str(), cell.counts().0)).collect();
    assert_eq!(counts, [("failing", 1), ("missed", 1), ("sens", 1)]);
    let facts = catalog.evidence_facts(&deployment, at(600)).await.unwrap().unwrap();
    assert_eq!(facts.n, 1);
    all_is_well(&catalog).await;
}

/// MV-27: a late label changes what is known today, and not what was known yesterday.
pub(super) async fn the_past_stays_as_it_was_known(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&watched("suspend"), package, "user:test", at(-900)).await.unwrap();
    let key = analyse(&catalog, "7", 1, package).await;
    catalog.label_add(&missed(&key), at(200)).await.unwrap();
    let known = async |second| {
        let as_of = Some(at(second));
        let filter = ObservationFilter { deployment: "cxr".into(), as_of, ..ObservationFilter::default() };
        let all = catalog.labelled_list(&filter, 10).await.unwrap();
        all.into_iter().map(|one| one.label.truth).collect::<Vec<_>>()
    };
    assert_eq!(known(1000).await, [Truth::Present]);
    let late = NewLabel { origin: "test:late".into(), truth: Truth::Absent, ..missed(&key) };
    catalog.label_add(&late, at(2000)).await.unwrap();
    assert_eq!(known(2000).await, [Truth::Present, Truth::Absent]);
    assert_eq!(known(1000).await, [Truth::Present], "known a moment before it was entered");
    assert_eq!((known(1999).await.len(), known(199).await.len()), (1, 0));
    all_is_well(&catalog).await;
}

/// A rule that falls back returns to the version before in the act; labels of the version left change nothing any more.
pub(super) async fn a_rule_falls_back(url: String) {
    let catalog = open(&url).await;
    let one = add_package(&catalog).await;
    let two = Digest::of(b"package two");
    let held = catalog.package_get(&one.to_string()).await.unwrap();
    catalog.package_add(&Package { digest: two, version: "2.0.0".into(), ..held }, "user:test").await.unwrap();
    let watched = watched("fallback");
    catalog.deployment_apply(&watched, one, "user:test", at(-900)).await.unwrap();
    let of_two = DeploymentSpec { package: two.to_string(), ..watched.clone() };
    catalog.deployment_apply(&of_two, two, "user:test", at(-800)).await.unwrap();
    for (place, study) in ["7", "8", "9"].into_iter().enumerate() {
        let key = analyse(&catalog, study, 2, two).await;
        catalog.label_add(&missed(&key), at(200 + place as i64)).await.unwrap();
    }
    let back = catalog.deployment_get("cxr").await.unwrap().unwrap();
    assert_eq!((back.state, back.package_digest, back.suspension), (DeploymentState::Active, one, None));
    let signals = catalog.signal_list("cxr", None, None, 10).await.unwrap();
    assert_eq!((signals[0].action.as_str(), signals[0].package), ("rolled_back", two));
    let told = notices(&catalog, at(203)).await;
    let [_declared, told] = &told[..] else { panic!("destinations are told once: {told:?}") };
    assert_eq!((told.change, told.package, told.left.as_deref()), (NoticeChange::FellBack, one, Some("cxr 2.0.0")));
    assert_eq!((told.version.as_str(), told.withheld.n_deliveries), ("cxr 1.0.0", 3));
    let held = catalog.deployment_get("cxr").await.unwrap().unwrap();
    assert_eq!(catalog.cell_list(&held).await.unwrap(), [], "evidence about one version says nothing of another");
    let facts = catalog.evidence_facts(&held, at(300)).await.unwrap().unwrap();
    assert_eq!((facts.n, facts.since), (0, at(202)));
    let late = NewLabel {
        origin: "test:late".into(),
        finding: "other".into(),
        ..missed(&catalog.study_by_uid(&super::material::uid("1.2.7")).await.unwrap().unwrap().key)
    };
    catalog.label_add(&late, at(250)).await.unwrap();
    assert_eq!(catalog.cell_list(&held).await.unwrap(), []);
    all_is_well(&catalog).await;
}

/// Three failed runs in a row stop it, or send it back.
fn crashing(action: &str) -> DeploymentSpec {
    let rule = json!([{ "name": "crashing", "metric": "failure_rate", "consecutive": 3, "action": action }]);
    let rules = serde_json::from_value(rule).expect("a rule is well-formed");
    let plan = MonitoringPlan { rules, ..MonitoringPlan::default() };
    DeploymentSpec { monitoring: Some(plan), ..spec("cxr", DeploymentState::Active) }
}

/// Dispositions of what was observed, with the version that answers for each.
async fn observed(catalog: &Arc<dyn Catalog>) -> Vec<(String, Digest)> {
    let filter = ObservationFilter { deployment: "cxr".into(), ..ObservationFilter::default() };
    let all = catalog.observation_list(&filter, 100).await.unwrap();
    let mut ended: Vec<_> = all.into_iter().map(|one| (one.disposition, one.package)).collect();
    ended.sort();
    ended
}

/// A version that takes its worker down says nothing of itself, and is stopped all the same; what a stop, or a retirement,
/// ends is observed too.
pub(super) async fn whatever_ends_a_study_is_observed(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&crashing("suspend"), package, "user:test", at(-900)).await.unwrap();
    let mut running = Vec::new();
    for study in ["1", "2", "3"] {
        running.push(up_to_inference(&catalog, study, "cxr").await.1);
    }
    let waiting = complete_study(&catalog, "4").await;
    let job = must_take(&catalog, JobKind::Evaluate, at(140)).await;
    catalog.evaluation_record(&job.lease(), &run(&waiting, 1, "cxr"), at(140)).await.unwrap();
    let unseen = complete_study(&catalog, "5").await;
    for (place, job) in running.iter().enumerate() {
        assert_eq!(catalog.deployment_get("cxr").await.unwrap().unwrap().state, DeploymentState::Active);
        catalog.job_dead(&job.lease(), &Reason::new("job.infer", "no"), at(200 + place as i64)).await.unwrap();
    }
    let stopped = catalog.deployment_get("cxr").await.unwrap().unwrap();
    assert_eq!(stopped.suspension.expect("it is in force").by, "stop-rule:crashing");
    let failed = || ("failed".to_owned(), package);
    let withheld = || ("withheld".to_owned(), package);
    assert_eq!(observed(&catalog).await, [failed(), failed(), failed(), withheld()]);
    let retired = spec("cxr", DeploymentState::Retired);
    catalog.deployment_apply(&retired, package, "user:a", at(210)).await.unwrap();
    let job = must_take(&catalog, JobKind::Evaluate, at(211)).await;
    let mut nothing = run(&unseen, 1, "cxr");
    (nothing.infer, nothing.decisions) = (vec![], vec![]);
    catalog.evaluation_record(&job.lease(), &nothing, at(212)).await.unwrap();
    assert_eq!(observed(&catalog).await, [failed(), failed(), failed(), withheld(), withheld()]);
    all_is_well(&catalog).await;
}

/// After a step back, what the version before left behind in its worker, or reports late, is not held against the other.
pub(super) async fn a_failure_is_charged_to_the_version_that_ran(url: String) {
    let catalog = open(&url).await;
    let one = add_package(&catalog).await;
    let two = Digest::of(b"package two");
    let held = catalog.package_get(&one.to_string()).await.unwrap();
    catalog.package_add(&Package { digest: two, version: "2.0.0".into(), ..held }, "user:test").await.unwrap();
    catalog.deployment_apply(&crashing("fallback"), one, "user:test", at(-900)).await.unwrap();
    let of_two = DeploymentSpec { package: two.to_string(), ..crashing("fallback") };
    catalog.deployment_apply(&of_two, two, "user:test", at(-800)).await.unwrap();
    let mut running = Vec::new();
    for study in ["1", "2", "3", "4", "5", "6"] {
        running.push(up_to_inference(&catalog, study, "cxr").await.1);
    }
    let failed = Disposition::Failed(Reason::new("model.failed", "no"));
    for (place, job) in running[..3].iter().enumerate() {
        catalog.inference_end(&job.lease(), None, &failed, None, at(200 + place as i64)).await.unwrap();
    }
    let back = catalog.deployment_get("cxr").await.unwrap().unwrap();
    assert_eq!((back.state, back.package_digest), (DeploymentState::Active, one));
    // One says by itself that the other version ran; two took their workers down, and nobody was left to say so.
    let late = Observation::bare("cxr", two);
    catalog.inference_end(&running[3].lease(), None, &failed, Some(&late), at(210)).await.unwrap();
    for _ in 0..2 {
        let job = must_take(&catalog, JobKind::Infer, at(500)).await;
        assert_eq!(job.attempts, 2, "its lease ran out");
        catalog.job_dead(&job.lease(), &Reason::new("job.infer", "no"), at(501)).await.unwrap();
    }
    let stands = catalog.deployment_get("cxr").await.unwrap().unwrap();
    assert_eq!((stands.state, stands.package_digest), (DeploymentState::Active, one));
    assert_eq!(observed(&catalog).await, vec![("failed".to_owned(), two); 6]);
    // What fails under it counts.
    for (place, study) in ["7", "8", "9"].into_iter().enumerate() {
        let (_, job) = up_to_inference(&catalog, study, "cxr").await;
        catalog.job_dead(&job.lease(), &Reason::new("job.infer", "no"), at(600 + place as i64)).await.unwrap();
    }
    assert_eq!(catalog.deployment_get("cxr").await.unwrap().unwrap().state, DeploymentState::Suspended);
    all_is_well(&catalog).await;
}
