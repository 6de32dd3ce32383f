use super::material::{add_package, all_is_well, at, complete_study, open, spec};
use super::release::{disposition_of, kind_of, must_take, outcome, run, take};
use crate::labels::NewLabel;
use crate::monitoring::ObservationFilter;
use crate::records::Package;
use crate::{Catalog, ErrorKind, JobKind, JobState, StudyKey};
use hilum_monitor::figures::LabelledObservation;
use hilum_monitor::{Fact, LabelSource, Labelled, Monitor, Observation, OutputFact, Truth};
use hilum_registry::monitoring::{EvidenceRule, MonitoringPlan, StopRule, WhenStale};
use hilum_registry::{DeploymentSpec, DeploymentState};
use hilum_types::{Digest, Disposition, Independence, Reason};
use serde_json::json;
use std::sync::Arc;

/// Three missed nodules in a row stop it.
fn watched(action: &str) -> DeploymentSpec {
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
    let job = must_take(catalog, JobKind::Evaluate, at(100)).await;
    catalog.evaluation_record(&job.lease(), &run(&key, 1, "cxr"), at(100)).await.expect("an evaluation is kept");
    let job = must_take(catalog, JobKind::Infer, at(101)).await;
    let mut outcome = outcome(&key, 1, "cxr", &["pacs"]);
    let mut observation = Observation::bare("cxr", package);
    observation.attributes.insert("station".to_owned(), "CT1".to_owned());
    observation.outputs.insert("nodule".to_owned(), OutputFact { score: Some(0.125), present: Some(false) });
    (outcome.deployment_revision, outcome.package, outcome.observation) = (revision, package, Some(observation));
    catalog.inference_record(&job.lease(), &outcome, at(112)).await.expect("an inference is kept");
    key
}

/// What a reader had decided before the result was released.
fn missed(study: &StudyKey) -> NewLabel {
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
