//! Questions to products, fixed cases and algorithms seen: what must hold on every back end.

use super::material::{all_is_well, at, complete_study, instance, open, spec, store};
use crate::products::{NewProductRequest, OpenedRequest, ProductRequest, ProductRequestState};
use crate::records::{Evaluation, IntakeOutcome, NewInference, NewInstance, Package};
use crate::{Catalog, Job, JobKind, JobState, Priority, StudyKey};
use hilum_registry::DeploymentState;
use hilum_registry::black_box::AnswerTerms;
use hilum_registry::canary::CanaryFinding;
use hilum_types::{AlgorithmClaim, Digest, Phi};
use std::sync::Arc;

const TERMS: AnswerTerms = AnswerTerms { deadline_seconds: 600, quiet_seconds: 5, results_min: 1 };

/// A package that is a product, and an active deployment of it.
async fn deploy_product(catalog: &Arc<dyn Catalog>, name: &str) -> Digest {
    let package = Package {
        digest: Digest::of(b"package"),
        name: "box".into(),
        version: "1".into(),
        manifest: serde_json::json!({ "runtime": { "kind": "dicom-node", "result_ae_title": "BOX" } }),
        location: "packages/box".into(),
        imported_at: at(-1000),
    };
    catalog.package_add(&package, "user:test").await.expect("a package is entered");
    let spec = spec(name, DeploymentState::Active);
    catalog.deployment_apply(&spec, package.digest, "user:test", at(-900)).await.expect("a deployment is applied");
    package.digest
}

/// Evaluate the study for `deployment`, and lease the inference.
async fn inference(catalog: &Arc<dyn Catalog>, key: &StudyKey, deployment: &str) -> Job {
    let job = catalog.job_lease(&[JobKind::Evaluate], "w", at(60), 30).await.unwrap().expect("an evaluation is due");
    let evaluation = Evaluation {
        study_key: key.clone(),
        revision: 1,
        decisions: vec![],
        dispositions: vec![],
        infer: vec![NewInference { deployment: deployment.into(), priority: Priority::ROUTINE, after: None }],
        assignments: vec![],
        observations: vec![],
    };
    catalog.evaluation_record(&job.lease(), &evaluation, at(60)).await.unwrap();
    catalog.job_lease(&[JobKind::Infer], "w", at(60), 30).await.unwrap().expect("an inference is due")
}

fn question(deployment: &str, package: Digest, of: &NewInstance) -> NewProductRequest {
    NewProductRequest {
        case_id: String::new(),
        deployment: deployment.into(),
        package,
        ae_title: "BOX".parse().expect("an AE title"),
        study_instance_uid: of.header.study_instance_uid.clone(),
        subject: of.header.clone(),
        series: vec![of.header.series_instance_uid.clone()],
        terms: TERMS,
    }
}

/// Result `number` of the product about study `study`.
fn answer(study: &str, number: u32, content: &str, seconds: i64) -> NewInstance {
    let mut answer = instance(study, 900 + number, content, at(seconds));
    answer.header.sop_class_uid = super::material::uid("1.2.840.10008.5.1.4.1.1.88.33");
    answer.origin.peer = "BOX".into();
    answer
}

async fn opened(catalog: &Arc<dyn Catalog>, job: &Job, question: &NewProductRequest, seconds: i64) -> ProductRequest {
    match catalog.product_request_open(&job.lease(), question, at(seconds)).await.expect("a question is opened") {
        OpenedRequest::Open(request) => *request,
        OpenedRequest::Busy => panic!("the product is not busy"),
    }
}

async fn due_at(catalog: &Arc<dyn Catalog>, job: &Job) -> i64 {
    let jobs = catalog.job_list(&Default::default(), 100).await.unwrap();
    let found = jobs.into_iter().find(|other| other.key == job.key).expect("the job is there");
    assert_eq!(found.state, JobState::Queued);
    found.due_at.micros_since(at(0)) / 1_000_000
}

/// The wait is state: an answer brings the look forward, attempts are not used up, and nothing enters the study.
pub(super) async fn a_product_is_waited_for(url: String) {
    let catalog = open(&url).await;
    let package = deploy_product(&catalog, "box").await;
    let key = complete_study(&catalog, "7").await;
    let job = inference(&catalog, &key, "box").await;
    let question = question("box", package, &instance("7", 1, "7 bytes", at(0)));
    let request = opened(&catalog, &job, &question, 61).await;
    assert_eq!(opened(&catalog, &job, &question, 62).await.key, request.key, "a repeated job asks the same");
    catalog.product_request_sent(&job.lease(), &request.key, at(63)).await.unwrap();
    catalog.product_wait(&job.lease(), at(63)).await.unwrap();
    assert_eq!(due_at(&catalog, &job).await, 663);

    let first = store(&catalog, answer("7", 1, "report", 70)).await;
    assert_eq!(first, IntakeOutcome::Answer { request: request.key.clone() });
    assert_eq!(due_at(&catalog, &job).await, 75);
    assert_eq!(store(&catalog, answer("7", 1, "report", 71)).await, first, "sent twice, kept once");
    let other = store(&catalog, answer("7", 1, "other bytes", 72)).await;
    assert!(matches!(&other, IntakeOutcome::SetAside { reason, .. } if reason.code == "product.conflict"), "{other:?}");
    assert_eq!(store(&catalog, answer("7", 1, "other bytes", 73)).await, other, "repeated, listed once");
    assert_eq!(catalog.quarantine_list(10).await.unwrap().len(), 1);

    let again = catalog.job_lease(&[JobKind::Infer], "w", at(75), 30).await.unwrap().expect("the look is due");
    assert_eq!((again.attempts, again.n_waits()), (2, 1));
    let closed = catalog.product_close(&again.lease(), at(75)).await.unwrap();
    assert_eq!((closed[0].state, closed[0].answers.len()), (ProductRequestState::Closed, 1));
    let late = store(&catalog, answer("7", 2, "more", 76)).await;
    assert!(matches!(&late, IntakeOutcome::SetAside { reason, .. } if reason.code == "product.late"), "{late:?}");
    assert_eq!(store(&catalog, answer("7", 1, "report", 77)).await, first, "a repeated answer is acknowledged");
    let unasked = store(&catalog, answer("8", 1, "what", 78)).await;
    assert!(matches!(&unasked, IntakeOutcome::SetAside { reason, .. } if reason.code == "product.unasked"));
    let study = catalog.study_get(&key).await.unwrap().expect("the study is there");
    assert_eq!((study.n_instances, study.revision), (1, 1), "an answer is no image of the study");
    let reason = hilum_types::Reason::new("product.no-answer", "for this test");
    catalog.inference_end(&again.lease(), None, &hilum_types::Disposition::Failed(reason), None, at(79)).await.unwrap();
    all_is_well(&catalog).await;
}

/// Somebody else's result spoils the answer; a suspension closes the question; a second deployment waits its turn.
pub(super) async fn a_question_ends_with_trust_and_with_its_job(url: String) {
    let catalog = open(&url).await;
    let package = deploy_product(&catalog, "box").await;
    let key = complete_study(&catalog, "7").await;
    let job = inference(&catalog, &key, "box").await;
    let asked = question("box", package, &instance("7", 1, "7 bytes", at(0)));
    let request = opened(&catalog, &job, &asked, 61).await;
    catalog.product_request_sent(&job.lease(), &request.key, at(62)).await.unwrap();

    // A fixed case under the same study identifier could not be told apart, so it must wait.
    assert_eq!(catalog.canary_begin("box", 0, "user:test", false, at(62)).await.unwrap(), Some(1));
    let canary = catalog.job_lease(&[JobKind::Canary], "w", at(62), 30).await.unwrap().expect("the run is due");
    let case = NewProductRequest { case_id: "a".into(), ..asked.clone() };
    let busy = catalog.product_request_open(&canary.lease(), &case, at(62)).await.unwrap();
    assert_eq!(busy, OpenedRequest::Busy);

    catalog.product_wait(&job.lease(), at(63)).await.unwrap();
    let mut wrong = answer("7", 1, "report", 70);
    wrong.header.attributes.insert("PatientID".into(), Phi::new(vec!["CANARY-2".into()]));
    let refused = store(&catalog, wrong).await;
    assert!(matches!(&refused, IntakeOutcome::SetAside { reason, .. } if reason.code == "product.identity"));
    assert_eq!(due_at(&catalog, &job).await, 70, "there is nothing to wait for any more");
    let spoilt = &catalog.product_requests(&job.key).await.unwrap()[0];
    assert_eq!(spoilt.problem.as_ref().map(|reason| reason.code.as_str()), Some("product.identity"));

    catalog.deployment_suspend("box", "user:test", "a test", at(71)).await.unwrap();
    let late = store(&catalog, answer("7", 2, "right", 72)).await;
    assert!(matches!(&late, IntakeOutcome::SetAside { reason, .. } if reason.code == "product.late"), "{late:?}");
    assert!(matches!(
        catalog.product_request_open(&canary.lease(), &case, at(73)).await.unwrap(),
        OpenedRequest::Open(_)
    ));
    all_is_well(&catalog).await;
}

/// A clock that goes back lets the time of a product begin anew, and no longer.
pub(super) async fn a_wait_survives_a_clock_that_goes_back(url: String) {
    let catalog = open(&url).await;
    let package = deploy_product(&catalog, "box").await;
    let key = complete_study(&catalog, "7").await;
    let job = inference(&catalog, &key, "box").await;
    let question = question("box", package, &instance("7", 1, "7 bytes", at(0)));
    let request = opened(&catalog, &job, &question, 61).await;
    catalog.product_request_sent(&job.lease(), &request.key, at(1_000_000)).await.unwrap();
    catalog.product_wait(&job.lease(), at(100)).await.unwrap();
    assert_eq!(due_at(&catalog, &job).await, 700);
}

/// Of several that find a run due one begins it, and it ends once.
pub(super) async fn a_canary_run_begins_once(url: String) {
    let catalog = open(&url).await;
    deploy_product(&catalog, "box").await;
    assert_eq!(catalog.canary_begin("box", 0, "schedule", false, at(0)).await.unwrap(), Some(1));
    assert_eq!(catalog.canary_begin("box", 0, "schedule", false, at(0)).await.unwrap(), None);
    assert_eq!(catalog.canary_begin("box", 1, "user:a", false, at(1)).await.unwrap(), None, "the first is under way");
    let job = catalog.job_lease(&[JobKind::Canary], "w", at(1), 30).await.unwrap().expect("the run is due");
    let record = Digest::of(b"record");
    catalog.canary_end(&job.lease(), 1, Some((CanaryFinding::Baseline, &record)), at(2)).await.unwrap();
    assert!(catalog.canary_end(&job.lease(), 1, None, at(3)).await.is_err(), "a run ends once");
    assert_eq!(catalog.canary_begin("box", 1, "user:a", true, at(4)).await.unwrap(), Some(2));
    let runs = catalog.canary_runs(Some("box"), 10).await.unwrap();
    let told: Vec<_> = runs.iter().map(|run| (run.number, run.finding, run.record)).collect();
    assert_eq!(told, [(2, None, None), (1, Some(CanaryFinding::Baseline), Some(record))]);
    assert!(catalog.canary_begin("nobody", 0, "user:a", false, at(5)).await.is_err());
    all_is_well(&catalog).await;
}

/// One alarm per algorithm; a received report is looked into once, a result of ours that comes back is known.
pub(super) async fn algorithms_are_counted(url: String) {
    let catalog = open(&url).await;
    let claim = |name: &str, version: &str| AlgorithmClaim {
        name: name.into(),
        version: version.into(),
        manufacturer: "Acme".into(),
        evidence: "TID 4019".into(),
    };
    for (number, name, version) in [(1, "Lung", "1"), (2, "lung ", "2"), (3, "Liver", "1")] {
        let mut report = answer("7", number, name, i64::from(number));
        report.origin.peer = "ARCHIVE".into();
        store(&catalog, report.clone()).await;
        store(&catalog, report).await;
        let now = at(i64::from(number) + 10);
        let job = catalog.job_lease(&[JobKind::Inspect], "w", now, 30).await.unwrap().expect("a report is looked into");
        let key = job.payload["instance"].as_str().and_then(|key| key.parse().ok()).expect("it names an instance");
        assert!(catalog.instance_get(&key).await.unwrap().is_some());
        let claims = [claim(name, version)];
        catalog.algorithms_seen(&job.lease(), &claims, &claims, now).await.unwrap();
        assert!(catalog.job_lease(&[JobKind::Inspect], "w", now, 30).await.unwrap().is_none());
    }
    let seen = catalog.algorithm_list().await.unwrap();
    let told: Vec<_> = seen.iter().map(|seen| (seen.claim.version.as_str(), seen.n_objects)).collect();
    assert_eq!(told, [("1", 1), ("2", 2)]);
    let alarms = catalog.alarm_list(true, 10).await.unwrap();
    let counts: Vec<u64> = alarms.iter().map(|alarm| alarm.n_raised).collect();
    assert_eq!(counts.len(), 2, "{alarms:?}");
    assert_eq!(counts.iter().sum::<u64>(), 3);
    assert!(alarms.iter().all(|alarm| alarm.code.starts_with("unregistered-ai.")));
    all_is_well(&catalog).await;
}
