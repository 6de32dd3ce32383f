use super::material::{add_package, all_is_well, at, complete_study, open};
use super::monitoring::{missed, watched};
use super::release::{kind_of, must_take, outcome, run};
use crate::evidence_report::{EvidenceQuery, EvidenceReport, evidence_report};
use crate::label_free_report::{LabelFreeReport, ONE_AT_A_TIME, label_free_report};
use crate::{Catalog, ErrorKind, JobKind, StudyKey};
use hilum_monitor::label_free::{LabelFreeReference, REFERENCE_KEY};
use hilum_monitor::{Observation, OutputFact};
use hilum_registry::{DeploymentSpec, DeploymentState};
use hilum_sign::{NewRecord, RecordKind};
use hilum_stats::label_free::LabelledScores;
use hilum_types::{Digest, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A study whose nodule gets this score; it is called from 0.5 on.
async fn scored(catalog: &Arc<dyn Catalog>, study: &str, package: Digest, score: f64) -> StudyKey {
    let key = complete_study(catalog, study).await;
    let job = must_take(catalog, JobKind::Evaluate, at(100)).await;
    catalog.evaluation_record(&job.lease(), &run(&key, 1, "cxr"), at(100)).await.unwrap();
    let job = must_take(catalog, JobKind::Infer, at(101)).await;
    let mut observation = Observation::bare("cxr", package);
    observation.outputs.insert("nodule".into(), OutputFact { score: Some(score), present: Some(0.5 <= score) });
    observation.outside_envelope = Some(Vec::new());
    let mut ended = outcome(&key, 1, "cxr", &["pacs"]);
    (ended.package, ended.observation) = (package, Some(observation));
    catalog.inference_record(&job.lease(), &ended, at(112)).await.unwrap();
    key
}

/// An acceptance test of that package, entered at `now`, in which this score meant that the finding is there, and a
/// seventh of it that it is not.
async fn accepted(catalog: &Arc<dyn Catalog>, package: Digest, finding: &str, there: f64, now: Timestamp) -> Digest {
    let labels = [vec![true; 60], vec![false; 60]].concat();
    let scores = [vec![there; 60], vec![there / 7.0; 60]].concat();
    let scores = LabelledScores::new(&labels, &scores).unwrap();
    let reference = LabelFreeReference { finding: finding.to_owned(), scores };
    let mut body = json!({ "format": 1, "verdict": "fail", "package": package });
    body[REFERENCE_KEY] = json!(reference);
    let subject = package.to_string();
    let record = NewRecord { kind: RecordKind::Validation, subject, body, author: "user:anna".into() };
    catalog.record_add(&record, now).await.unwrap().record.digest
}

async fn estimates(catalog: &Arc<dyn Catalog>, as_of: Option<Timestamp>, now: Timestamp) -> LabelFreeReport {
    let query = EvidenceQuery { as_of, ..EvidenceQuery::default() };
    label_free_report(&**catalog, "cxr", &query, now).await.unwrap()
}

async fn known(catalog: &Arc<dyn Catalog>, now: Timestamp) -> EvidenceReport {
    evidence_report(&**catalog, "cxr", &EvidenceQuery::default(), now).await.unwrap()
}

/// MV-05, MV-06: however good a version looks without labels, evidence that is missing stays missing, and a rule that
/// fired has fired. What records and rules are made of holds no estimate.
pub(super) async fn a_perfect_estimate_clears_nothing(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    let mut spec: DeploymentSpec = watched("suspend");
    spec.operating_points.insert("nodule".into(), 0.5);
    let low = json!({ "name": "low", "metric": "sensitivity", "finding": "nodule", "below": 0.99, "confidence": 0.65 });
    spec.monitoring.as_mut().unwrap().rules.push(serde_json::from_value(low).unwrap());
    catalog.deployment_apply(&spec, package, "user:test", at(-900)).await.unwrap();
    let mut keys = Vec::new();
    for (study, score) in [("7", 0.125), ("8", 0.125), ("9", 0.125), ("10", 0.875)] {
        keys.push(scored(&catalog, study, package, score).await);
    }
    let late = at(31 * 86_400);
    let none = estimates(&catalog, None, late).await;
    assert_eq!((none.n_references, none.findings.len()), (0, 0), "no acceptance test kept its scores");
    // Of another version, of a finding without an operating point, and of the nodule one that another comes after.
    let other = Digest::of(b"another version");
    accepted(&catalog, other, "nodule", 0.875, at(200)).await;
    accepted(&catalog, package, "effusion", 0.875, at(201)).await;
    let first = accepted(&catalog, package, "nodule", 0.125, at(202)).await;
    let before = known(&catalog, late).await;
    assert!(before.freshness.as_ref().is_some_and(|freshness| freshness.missing && freshness.withholds), "{before:?}");
    let record = accepted(&catalog, package, "nodule", 0.875, at(300)).await;
    let report = estimates(&catalog, None, late).await;
    assert_eq!((report.package, report.n_references, report.complete), (package, 1, true));
    let [nodule] = &report.findings[..] else { panic!("of the nodule alone: {report:?}") };
    assert_eq!((nodule.finding.as_str(), nodule.record, nodule.operating_point), ("nodule", record, 0.5));
    let values: Vec<(&str, f64, u64)> = nodule.figures.iter().map(|one| (one.name.name(), one.value, one.n)).collect();
    let perfect = ["sensitivity", "specificity", "ppv", "auroc"].map(|name| (name, 1.0, 4));
    assert_eq!(values, perfect);
    assert!(nodule.doubts[0].contains("only 4 studies"), "{:?}", nodule.doubts);
    assert_eq!(known(&catalog, late).await, before, "evidence is as it was");
    // What was known then (MV-27): the acceptance test before, by which everything has the finding.
    let earlier = estimates(&catalog, Some(at(250)), late).await;
    assert_eq!((earlier.findings[0].record, earlier.from < at(0)), (first, true));
    assert_eq!(estimates(&catalog, Some(at(250)), late.plus_seconds(9)).await, earlier);
    // Three that were missed: the rule fires, whatever is estimated.
    for (place, key) in keys[..3].iter().enumerate() {
        catalog.label_add(&missed(key), late.plus_seconds(place as i64)).await.unwrap();
    }
    let now = late.plus_seconds(100);
    let fired = known(&catalog, now).await;
    assert!(fired.rules.iter().any(|rule| rule.rule == "missed" && rule.fired_at.is_some()), "{:?}", fired.rules);
    let [nodule] = &estimates(&catalog, None, now).await.findings[..] else { panic!("of the nodule alone") };
    assert!(nodule.figures.iter().all(|figure| figure.value == 1.0), "{nodule:?}");
    assert!(nodule.doubts.iter().any(|doubt| doubt.starts_with("rule missed spoke on 2026-12-24")), "{nodule:?}");
    assert_eq!(known(&catalog, now).await, fired);
    let stopped = catalog.deployment_get("cxr").await.unwrap().unwrap();
    assert_eq!(stopped.state, DeploymentState::Suspended);
    assert_eq!(catalog.stopping_rule(&stopped).await.unwrap().map(|rule| rule.name).as_deref(), Some("missed"));
    let resumed = catalog.deployment_resume("cxr", "user:anna", "it looks perfect", now).await;
    assert_eq!(kind_of(resumed), Some(ErrorKind::Conflict));
    assert!(!serde_json::to_string(&fired).unwrap().contains("label-free"), "no estimate is kept with figures");
    // Whoever asks while an estimate is made waits.
    let turn = ONE_AT_A_TIME.acquire().await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(100), estimates(&catalog, None, now)).await;
    assert!(waits.is_err(), "{waits:?}");
    drop(turn);
    // A rule that has spoken for the whole record is silent from then on, and still casts doubt on a later period.
    let mut later = Observation { event_at: now, recorded_at: now, ..Observation::bare("cxr", package) };
    (later.study_key, later.revision) = ("later".to_owned(), 1);
    later.outputs.insert("nodule".into(), OutputFact { score: Some(0.125), present: Some(false) });
    crate::sql::inside::enter_observations(&url, &[later]).await.unwrap();
    let query = EvidenceQuery { from: Some(now), ..EvidenceQuery::default() };
    let [nodule] = &label_free_report(&*catalog, "cxr", &query, now).await.unwrap().findings[..] else {
        panic!("of the nodule alone")
    };
    assert!(nodule.doubts.iter().any(|doubt| doubt.starts_with("rule low spoke on 2026-12-24")), "{nodule:?}");
    all_is_well(&catalog).await;
}
