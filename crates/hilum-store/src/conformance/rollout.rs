//! Promotion, rollback, history, and two versions on the same studies.

use super::material::{add_package, all_is_well, at, complete_study, open, spec};
use super::release::{kind_of, must_take, outcome, run, take};
use crate::records::{DeliveryFilter, DeliveryState, Evaluation, NewAssignment, NewInference, Package};
use crate::rollout::ChangeAct;
use crate::{Catalog, ErrorKind, JobKind, Priority, StoreError, StudyKey};
use hilum_gate::{Assignment, Promotion, ProofInput, plan_promotion};
use hilum_monitor::notice::NoticeChange;
use hilum_registry::{Deployment, DeploymentSpec, DeploymentState, Manifest, Purpose};
use hilum_types::{Digest, Disposition, Reason};
use serde_json::json;
use std::sync::Arc;

use DeploymentState::{Active, Draft, Limited, Retired, Shadow, Suspended};

/// Packages 1 and 2 of one model, a champion with the first in use, and a challenger with the second.
async fn champion_and_challenger(catalog: &Arc<dyn Catalog>, state: DeploymentState) -> (Digest, Digest) {
    let one = add_package(catalog).await;
    let two = Digest::of(b"package 2");
    let held = catalog.package_get(&one.to_string()).await.unwrap();
    catalog.package_add(&Package { digest: two, version: "2.0.0".into(), ..held }, "user:test").await.unwrap();
    catalog.deployment_apply(&spec("cxr", Active), one, "user:test", at(-900)).await.unwrap();
    catalog.deployment_apply(&challenger("cxr-2", state), two, "user:test", at(-890)).await.unwrap();
    (one, two)
}

fn challenger(name: &str, state: DeploymentState) -> DeploymentSpec {
    let mut spec = spec(name, state);
    spec.package = Digest::of(b"package 2").to_string();
    spec.champion = Some("cxr".into());
    spec.rollout.share = Some(0.5);
    spec.operating_points.insert("nodule".into(), 0.4);
    spec
}

/// The plan of a step by the real decision.
async fn plan(catalog: &Arc<dyn Catalog>, name: &str, to: DeploymentState) -> Promotion {
    let all = catalog.deployment_list().await.unwrap();
    let find = |name: &str| all.iter().find(|deployment| deployment.spec.name == name);
    let deployment = find(name).expect("it is declared");
    let manifest = json!({
        "schema": 1, "package": { "name": "cxr", "version": "1", "title": "t", "manufacturer": "m", "license": "l",
        "description": "d" },
    });
    let manifest: Manifest = serde_json::from_value(manifest).expect("a manifest is well-formed");
    let input = ProofInput {
        deployment,
        champion: deployment.spec.champion.as_deref().and_then(find),
        all: &all,
        manifest: &manifest,
        features: &[],
        visited: &[],
        records: &[],
        users: &[],
        now: at(0),
    };
    plan_promotion(&input, to, None, "user:anna", Some("better")).expect("nothing is missing")
}

async fn get(catalog: &Arc<dyn Catalog>, name: &str) -> Deployment {
    catalog.deployment_get(name).await.unwrap().expect("it is declared")
}

pub(super) async fn one_version_of_a_champion_is_in_use(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Shadow).await;
    catalog.deployment_promote(&plan(&catalog, "cxr-2", Limited).await, at(1)).await.unwrap();
    assert_eq!(get(&catalog, "cxr-2").await.state, Limited);
    let promoted = catalog.deployment_promote(&plan(&catalog, "cxr-2", Active).await, at(2)).await.unwrap();
    let champion = get(&catalog, "cxr").await;
    assert_eq!(promoted.champion.as_ref(), Some(&champion));
    assert_eq!((champion.package_digest, champion.state, champion.revision), (two, Active, 2));
    assert_eq!(champion.spec.operating_points["nodule"], 0.4, "the operating point belongs to the version");
    assert_eq!((champion.spec.name.as_str(), champion.spec.champion.as_deref()), ("cxr", None));
    assert_eq!(champion.rollback.as_ref().map(|target| (target.revision, target.package)), Some((1, one)));
    let gone = get(&catalog, "cxr-2").await;
    assert_eq!((gone.state, gone.superseded_by.as_deref()), (Retired, Some("cxr")));
    assert!(gone.may_deliver(), "what it has released still goes out");
    let told: Vec<_> = super::alarms::notices(&catalog, at(3)).await;
    let told: Vec<_> = told.iter().map(|one| (one.deployment.as_str(), one.change, one.left.as_deref())).collect();
    assert_eq!(
        told,
        [("cxr-2", NoticeChange::Promoted, None), ("cxr", NoticeChange::Promoted, Some("cxr 1.0.0"))],
        "results come from the limited version, and then from it alone"
    );
    all_is_well(&catalog).await;
}

/// Compare-and-swap: whatever changed since the decision, the step is not taken.
pub(super) async fn a_step_decided_on_something_else_is_refused(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Shadow).await;
    let planned = plan(&catalog, "cxr-2", Active).await;
    let twice = plan(&catalog, "cxr-2", Active).await;
    let mut changed = spec("cxr", Active);
    changed.owner = "cardiology".into();
    catalog.deployment_apply(&changed, one, "user:test", at(1)).await.unwrap();
    let refused = catalog.deployment_promote(&planned, at(2)).await;
    assert!(matches!(refused, Err(StoreError::DeploymentChanged)), "{refused:?}");
    assert_eq!((get(&catalog, "cxr").await.package_digest, get(&catalog, "cxr-2").await.state), (one, Shadow));
    assert_eq!(kind_of(catalog.deployment_promote(&twice, at(3)).await), Some(ErrorKind::Conflict));
    // Two at once: one of them takes the step.
    let (a, b) = (plan(&catalog, "cxr-2", Active).await, plan(&catalog, "cxr-2", Active).await);
    let (first, second) = tokio::join!(catalog.deployment_promote(&a, at(4)), catalog.deployment_promote(&b, at(4)));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(get(&catalog, "cxr").await.package_digest, two);
    let other = challenger("cxr-3", Limited);
    catalog.deployment_apply(&other, two, "user:test", at(5)).await.unwrap();
    let second = catalog.deployment_apply(&challenger("cxr-4", Limited), two, "user:test", at(6)).await.unwrap_err();
    assert!(second.to_string().contains("cxr-3 is limited already"), "{second}");
    all_is_well(&catalog).await;
}

/// AV-09: one act returns to the version before; what of the other was not sent stays.
pub(super) async fn rollback_returns_to_the_version_before(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Shadow).await;
    let none = catalog.deployment_rollback("cxr", None, "user:anna", "bad", at(1)).await.unwrap_err();
    assert!(none.to_string().contains("has had no other version"), "{none}");
    catalog.deployment_promote(&plan(&catalog, "cxr-2", Active).await, at(2)).await.unwrap();
    let (key, evaluate) = due(&catalog, "7").await;
    catalog.evaluation_record(&evaluate, &run(&key, 1, "cxr"), at(100)).await.unwrap();
    let infer = must_take(&catalog, JobKind::Infer, at(101)).await;
    let mut made = outcome(&key, 1, "cxr", &["pacs"]);
    (made.package, made.deployment_revision) = (one, 2);
    let stale = catalog.inference_record(&infer.lease(), &made, at(102)).await;
    assert!(
        matches!(stale, Err(StoreError::DeploymentChanged)),
        "the package that ran is not the one in use: {stale:?}"
    );
    made.package = two;
    assert_eq!(catalog.inference_record(&infer.lease(), &made, at(103)).await.unwrap().len(), 1);
    for (expected, by, reason) in
        [(Some(one.to_string()), "user:anna", "bad"), (None, " ", "bad"), (None, "user:anna", "")]
    {
        let refused = catalog.deployment_rollback("cxr", expected.as_deref(), by, reason, at(104)).await;
        assert_eq!(kind_of(refused), Some(ErrorKind::Conflict));
    }
    let expected = two.to_string();
    let back = catalog
        .deployment_rollback("cxr", Some(&expected[..12]), "user:anna", "wrong side twice", at(105))
        .await
        .unwrap();
    assert_eq!((back.package_digest, back.state, back.revision), (one, Active, 3));
    assert!(back.spec.operating_points.is_empty(), "so does the operating point");
    assert_eq!(back.rollback, None, "what was left is not what one returns to");
    let delivery = catalog.delivery_list(&DeliveryFilter::default(), 10).await.unwrap().remove(0);
    assert_eq!(delivery.state, DeliveryState::Withheld);
    assert!(take(&catalog, JobKind::Deliver, at(106)).await.is_none());
    let study = catalog.study_get(&key).await.unwrap().unwrap();
    assert_eq!(study.dispositions[0].disposition.reason().unwrap().code, "deployment.rolled-back");
    // A suspension stays in force.
    let mut other = spec("cxr", Active);
    other.package = two.to_string();
    other.name = "ct".into();
    catalog.deployment_apply(&spec("ct", Active), one, "user:test", at(107)).await.unwrap();
    catalog.deployment_apply(&other, two, "user:test", at(108)).await.unwrap();
    catalog.deployment_suspend("ct", "user:bo", "stop", at(109)).await.unwrap();
    let back = catalog.deployment_rollback("ct", None, "user:bo", "bad", at(110)).await.unwrap();
    assert_eq!((back.package_digest, back.state, back.suspension.is_some()), (one, Suspended, true));
    all_is_well(&catalog).await;
}

/// A study that is complete and about to be evaluated.
async fn due(catalog: &Arc<dyn Catalog>, study: &str) -> (StudyKey, crate::Lease) {
    let key = complete_study(catalog, study).await;
    (key, must_take(catalog, JobKind::Evaluate, at(100)).await.lease())
}

/// A version that puts right what a deployment was stopped for comes into place without the old one being used again, and only
/// a person lifts the stop.
pub(super) async fn a_stopped_champion_takes_over_a_version_and_stays_stopped(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Shadow).await;
    let stopped = catalog.deployment_suspend("cxr", "user:bo", "misses nodules", at(1)).await.unwrap();
    catalog.deployment_promote(&plan(&catalog, "cxr-2", Active).await, at(2)).await.unwrap();
    let champion = get(&catalog, "cxr").await;
    assert_eq!((champion.package_digest, champion.state, &champion.suspension), (two, Suspended, &stopped.suspension));
    assert_eq!(champion.rollback.as_ref().map(|target| target.package), Some(one));
    assert_eq!(get(&catalog, "cxr-2").await.state, Retired);
    let resumed = catalog.deployment_resume("cxr", "user:anna", "finds them", at(3)).await.unwrap();
    assert_eq!((resumed.package_digest, resumed.state, resumed.suspension), (two, Active, None));
    all_is_well(&catalog).await;
}

/// What was promoted or rolled back by a person is not undone by a file from before.
pub(super) async fn a_file_does_not_undo_an_act(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Shadow).await;
    catalog.deployment_promote(&plan(&catalog, "cxr-2", Active).await, at(1)).await.unwrap();
    let old = catalog.deployment_apply(&spec("cxr", Active), one, "user:test", at(2)).await.unwrap_err();
    assert!(old.to_string().contains("a file does not take that back"), "{old}");
    catalog.deployment_rollback("cxr", None, "user:anna", "bad", at(3)).await.unwrap();
    let mut newer = spec("cxr", Active);
    newer.package = two.to_string();
    assert_eq!(kind_of(catalog.deployment_apply(&newer, two, "user:test", at(4)).await), Some(ErrorKind::Conflict));
    assert_eq!(get(&catalog, "cxr").await.package_digest, one);
    all_is_well(&catalog).await;
}

/// ADR 0007: a clinical deployment comes into use by no file, and is changed by none once it is.
pub(super) async fn clinical_use_is_not_declared(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Shadow).await;
    let clinical = |state| DeploymentSpec { purpose: Purpose::Clinical, ..spec("mammo", state) };
    for state in [Shadow, Limited, Active, DeploymentState::Accepted] {
        let refused = catalog.deployment_apply(&clinical(state), one, "user:test", at(1)).await;
        assert_eq!(kind_of(refused), Some(ErrorKind::Conflict), "{state}");
    }
    assert_eq!(catalog.deployment_apply(&clinical(Draft), one, "user:test", at(2)).await.unwrap().state, Draft);
    assert_eq!(catalog.deployment_apply(&clinical(Draft), two, "user:test", at(3)).await.unwrap().state, Draft);
    let research = DeploymentSpec { purpose: Purpose::Clinical, ..spec("cxr", Draft) };
    let repurposed = catalog.deployment_apply(&research, one, "user:test", at(4)).await.unwrap_err();
    assert!(repurposed.to_string().contains("what it is for does not change any more"), "{repurposed}");
    all_is_well(&catalog).await;
}

/// What was found out about a version that left use meanwhile does not stop the one after it.
pub(super) async fn only_the_version_in_use_is_suspended(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Shadow).await;
    catalog.deployment_promote(&plan(&catalog, "cxr-2", Active).await, at(30)).await.unwrap();
    let before = get(&catalog, "cxr").await;
    assert_eq!(before.package_digest, two);
    let suspend =
        async |package, now| catalog.version_suspend("cxr", &package, "stop-rule:canary", "a change", at(now)).await;
    assert!(!suspend(one, 40).await.unwrap());
    assert_eq!(get(&catalog, "cxr").await, before);
    assert!(suspend(two, 41).await.unwrap());
    let suspended = get(&catalog, "cxr").await;
    assert_eq!((suspended.state, suspended.suspension.unwrap().by.as_str()), (Suspended, "stop-rule:canary"));
    assert!(suspend(two, 42).await.unwrap(), "a repeated job finds it suspended");
    // A challenger that gave its version away is out of use.
    assert!(!catalog.version_suspend("cxr-2", &two, "stop-rule:canary", "a change", at(43)).await.unwrap());
    all_is_well(&catalog).await;
}

pub(super) async fn history_is_kept_and_asked_as_of(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Shadow).await;
    catalog.deployment_suspend("cxr", "user:bo", "a test", at(10)).await.unwrap();
    catalog.deployment_resume("cxr", "user:bo", "over", at(20)).await.unwrap();
    catalog.deployment_promote(&plan(&catalog, "cxr-2", Active).await, at(30)).await.unwrap();
    catalog.deployment_rollback("cxr", None, "user:anna", "bad", at(40)).await.unwrap();
    let told = |changes: Vec<crate::rollout::DeploymentChange>| {
        changes.iter().map(|c| format!("{} {} {}", c.act.name(), c.deployment.state, c.reason)).collect::<Vec<_>>()
    };
    let history = catalog.deployment_history("cxr").await.unwrap();
    assert_eq!(history.last().map(|change| &change.deployment), Some(&get(&catalog, "cxr").await));
    assert_eq!(
        told(history),
        [
            "applied active ",
            "suspended suspended a test",
            "resumed active over",
            "promoted active better",
            "rolled_back active bad"
        ]
    );
    assert_eq!(
        told(catalog.deployment_history("cxr-2").await.unwrap()),
        ["applied shadow ", "superseded retired better"]
    );
    let stood = async |seconds| catalog.deployment_as_of("cxr", at(seconds)).await.unwrap();
    assert_eq!(stood(-901).await, None);
    let cases = [
        (-900, ChangeAct::Applied, one),
        (15, ChangeAct::Suspended, one),
        (29, ChangeAct::Resumed, one),
        (30, ChangeAct::Promoted, two),
        (39, ChangeAct::Promoted, two),
        (9999, ChangeAct::RolledBack, one),
    ];
    for (seconds, act, package) in cases {
        let change = stood(seconds).await.unwrap();
        assert_eq!((change.act, change.deployment.package_digest), (act, package), "{seconds}");
    }
    assert_eq!(catalog.deployment_as_of("none", at(0)).await.unwrap(), None);
    all_is_well(&catalog).await;
}

/// Shadow goes after what is delivered for the same study, and waits while anything more urgent is due.
pub(super) async fn shadow_waits_and_goes_after(url: String) {
    let catalog = open(&url).await;
    champion_and_challenger(&catalog, Shadow).await;
    let (key, lease) = due(&catalog, "7").await;
    let mut both = run(&key, 1, "cxr");
    let shadow = NewInference { deployment: "cxr-2".into(), priority: Priority::SHADOW, after: Some("cxr".into()) };
    both.infer.push(shadow);
    catalog.evaluation_record(&lease, &both, at(100)).await.unwrap();
    assert_eq!(catalog.shadow_waiting("cxr-2").await.unwrap(), 1);
    assert_eq!(catalog.shadow_waiting("cxr").await.unwrap(), 0);
    let urgent =
        async |now| catalog.job_lease_urgent(&[JobKind::Infer], Priority::ROUTINE, "w", at(now), 300).await.unwrap();
    let first = urgent(101).await.unwrap();
    assert_eq!(first.deployment.as_deref(), Some("cxr"));
    assert!(take(&catalog, JobKind::Infer, at(102)).await.is_none(), "the one before it has not ended");
    catalog.inference_record(&first.lease(), &outcome(&key, 1, "cxr", &["pacs"]), at(103)).await.unwrap();
    assert!(urgent(104).await.is_none(), "a slot that takes no shadow run takes none");
    let second = must_take(&catalog, JobKind::Infer, at(105)).await;
    assert_eq!((second.deployment.as_deref(), second.priority), (Some("cxr-2"), Priority::SHADOW));
    assert_eq!(catalog.shadow_waiting("cxr-2").await.unwrap(), 0);
    all_is_well(&catalog).await;
}

fn given(to_limited: bool) -> NewAssignment {
    let reason = Reason::new("assignment.limited", "cxr-2 answers");
    NewAssignment { family: "cxr".into(), limited: "cxr-2".into(), assignment: Assignment { to_limited, reason } }
}

pub(super) async fn assignments_stay(url: String) {
    let catalog = open(&url).await;
    champion_and_challenger(&catalog, Limited).await;
    let (key, lease) = due(&catalog, "7").await;
    let evaluation = Evaluation { assignments: vec![given(true)], ..both(&key) };
    catalog.evaluation_record(&lease, &evaluation, at(100)).await.unwrap();
    let kept = catalog.study_assignments(&key).await.unwrap();
    assert_eq!((kept.len(), kept[0].revision, kept[0].limited.as_str()), (1, 1, "cxr-2"));
    assert_eq!(kept[0].assignment, given(true).assignment);
    assert_eq!(catalog.study_assignments(&complete_study(&catalog, "8").await).await.unwrap(), []);
    let journey = catalog.study_journey(&key).await.unwrap().unwrap();
    assert!(journey.events.iter().any(|event| event.kind == "study_assigned" && event.text == "cxr-2 answers"));
    all_is_well(&catalog).await;
}

/// Both run; the limited one answers.
fn both(key: &StudyKey) -> Evaluation {
    let mut both = run(key, 1, "cxr-2");
    let shadow = NewInference { deployment: "cxr".into(), priority: Priority::SHADOW, after: Some("cxr-2".into()) };
    both.infer.push(shadow);
    both
}

/// AV-09: when another version answers for a later revision, what the first said is marked as superseded.
pub(super) async fn results_of_two_versions_are_not_both_current(url: String) {
    let catalog = open(&url).await;
    let (_, two) = champion_and_challenger(&catalog, Limited).await;
    let (key, lease) = due(&catalog, "7").await;
    let mut champion_only = run(&key, 1, "cxr");
    champion_only.dispositions = vec![("cxr-2".into(), Disposition::NotEligible(Reason::new("x", "y")))];
    catalog.evaluation_record(&lease, &champion_only, at(100)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(101)).await;
    catalog.inference_record(&job.lease(), &outcome(&key, 1, "cxr", &["pacs"]), at(102)).await.unwrap();
    assert!(catalog.results_released(&key, 1, "cxr").await.unwrap());
    // A late image; this time the limited version answers.
    super::material::store(&catalog, super::material::instance("7", 2, "late", at(200))).await;
    catalog.study_complete_due(at(300), 10).await.unwrap();
    let lease = must_take(&catalog, JobKind::Evaluate, at(301)).await.lease();
    let later = Evaluation { revision: 2, assignments: vec![given(true)], ..both(&key) };
    catalog.evaluation_record(&lease, &later, at(302)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(303)).await;
    assert_eq!(job.deployment.as_deref(), Some("cxr-2"));
    let mut made = outcome(&key, 2, "cxr-2", &["pacs"]);
    made.package = two;
    catalog.inference_record(&job.lease(), &made, at(304)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(305)).await;
    catalog.inference_record(&job.lease(), &outcome(&key, 2, "cxr", &[]), at(306)).await.unwrap();
    let results = catalog.study_journey(&key).await.unwrap().unwrap().results;
    let current: Vec<&str> =
        results.iter().filter(|r| r.released && r.superseded_by.is_none()).map(|r| r.deployment.as_str()).collect();
    assert_eq!(current, ["cxr-2"]);
    assert!(!catalog.results_released(&key, 2, "cxr").await.unwrap());
    all_is_well(&catalog).await;
}

pub(super) async fn runs_are_read_and_paired(url: String) {
    let catalog = open(&url).await;
    let (one, two) = champion_and_challenger(&catalog, Limited).await;
    let (key, lease) = due(&catalog, "7").await;
    catalog.evaluation_record(&lease, &both(&key), at(100)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(101)).await;
    let mut made = outcome(&key, 1, "cxr-2", &["pacs"]);
    made.package = two;
    catalog.inference_record(&job.lease(), &made, at(113)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(114)).await;
    catalog
        .inference_end(&job.lease(), None, &Disposition::Failed(Reason::new("model.failed", "no")), None, at(115))
        .await
        .unwrap();
    let runs = catalog.runs_ended("cxr-2", &two, 10).await.unwrap();
    assert_eq!((runs.len(), runs[0].disposition.as_str(), runs[0].seconds), (1, "analysed", Some(2.0)));
    let failed = catalog.runs_ended("cxr", &one, 10).await.unwrap();
    assert_eq!((failed.len(), failed[0].disposition.as_str(), failed[0].seconds), (1, "failed", None));
    let pairs = catalog.runs_paired("cxr", "cxr-2", at(0), at(1000), 10).await.unwrap();
    let [pair] = pairs.as_slice() else { panic!("{pairs:?}") };
    assert_eq!((pair.first.disposition.as_str(), pair.second.disposition.as_str()), ("failed", "analysed"));
    assert_eq!(pair.second.record.as_ref().unwrap()["score"], 0.25);
    assert_eq!(catalog.runs_paired("cxr", "cxr-2", at(116), at(1000), 10).await.unwrap(), []);
    // A failure of the version before says nothing of the one in use.
    catalog.deployment_promote(&plan(&catalog, "cxr-2", Active).await, at(200)).await.unwrap();
    assert_eq!(catalog.runs_ended("cxr", &two, 10).await.unwrap(), []);
    all_is_well(&catalog).await;
}
