//! A whole house in a temporary folder: catalog, blobs, committer and router, with a clock that stands still.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use hilum_gate::{GateDecision, Outcome, Stage, Step, StepName, Verdict};
use hilum_http::{AppState, router};
use hilum_monitor::Observation;
use hilum_registry::{DeploymentSpec, DeploymentState};
use hilum_store::records::{
    DeliveryOutcome, Evaluation, GateDecisionRecord, GateStage, InferenceOutcome, NewInference, NewResult, Package,
    ResultKind,
};
use hilum_store::{
    BlobOptions, Catalog, CatalogOptions, Committer, CommitterOptions, Job, JobKind, LocalBlobs, Priority, StudyKey,
};
use hilum_types::{
    CodedConcept, Digest, Disposition, Finding, ImageReference, Location, ModelOutput, Presence, Reason, Timestamp, Uid,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tower::ServiceExt;

use crate::object::{Object, SECONDARY_CAPTURE};

/// 2026-11-23T09:12:41Z.
pub(crate) const START: i64 = 1_795_425_161_000_000;

pub(crate) struct House {
    pub(crate) state: AppState,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) router: Router,
    clock: Arc<AtomicI64>,
    pub(crate) package: Digest,
    pub(crate) folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn new() -> House {
        House::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut AppState)) -> House {
        let folder = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::open(folder.path(), &BlobOptions { reserve_bytes: 0 }).unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
        let catalog = hilum_store::open(&url, &CatalogOptions::default()).await.unwrap();
        let committer = Committer::start(blobs, catalog.clone(), &CommitterOptions::default());
        let clock = Arc::new(AtomicI64::new(START));
        let read = clock.clone();
        let now = Arc::new(move || Timestamp::from_micros(read.load(Ordering::Relaxed)));
        let mut state = AppState::new(catalog.clone(), committer, now);
        change(&mut state);
        let package = Digest::of(b"package");
        House { router: router(state.clone()), state, catalog, clock, package, folder }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, millis: i64) {
        self.clock.fetch_add(millis * 1000, Ordering::Relaxed);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, address: &str) -> (StatusCode, Bytes) {
        let request = Request::get(address).header(header::HOST, "127.0.0.1:8042").body(Body::empty()).unwrap();
        let response = self.send(request).await;
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    }

    pub(crate) async fn json(&self, address: &str) -> Value {
        let (status, body) = self.get(address).await;
        assert_eq!(status, StatusCode::OK, "{address}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// A page, and its text.
    pub(crate) async fn page(&self, address: &str) -> String {
        let (status, body) = self.get(address).await;
        assert_eq!(status, StatusCode::OK, "{address}");
        String::from_utf8(body.to_vec()).unwrap()
    }

    pub(crate) async fn post_json(&self, address: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(address)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.send(request).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) async fn post_form(&self, address: &str, body: &str) -> Response<Body> {
        let request = Request::post(address)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn stow(&self, objects: &[Object]) {
        let files: Vec<Vec<u8>> = objects.iter().map(Object::file).collect();
        let response = self.send(stow_request("/dicom-web/studies", &files)).await;
        assert_eq!(response.status(), StatusCode::OK);
    }

    pub(crate) async fn deploy(&self, toml: &[(&str, &str)]) {
        let package = Package {
            digest: self.package,
            name: "chest-demo".into(),
            version: "1.2.0".into(),
            manifest: json!({ "package": { "title": "Chest demo" } }),
            location: "packages/x".into(),
            imported_at: self.now(),
        };
        self.catalog.package_add(&package, "user:test").await.unwrap();
        for (name, state) in toml {
            let spec: DeploymentSpec = serde_json::from_value(json!({
                "name": name, "package": self.package.to_string(), "state": state, "owner": "Physics",
                "destinations": ["pacs"], "intended_use": { "modality": ["DX", "CR"], "body_part": ["CHEST"] },
            }))
            .unwrap();
            self.catalog.deployment_apply(&spec, self.package, "user:test", self.now()).await.unwrap();
        }
    }

    /// Let every study that was received be complete.
    pub(crate) async fn complete(&self) -> Vec<StudyKey> {
        self.pass(61_000);
        let done = self.catalog.study_complete_due(self.now(), 1000).await.unwrap();
        done.into_iter().map(|(key, _)| key).collect()
    }

    pub(crate) async fn lease(&self, kind: JobKind) -> Option<Job> {
        self.pass(40);
        self.catalog.job_lease(&[kind], "test", self.now(), 600).await.unwrap()
    }

    pub(crate) fn decision(
        &self,
        deployment: &str,
        stage: Stage,
        verdict: Verdict,
        steps: Vec<Step>,
    ) -> GateDecisionRecord {
        let decision = GateDecision {
            deployment: deployment.to_owned(),
            deployment_revision: 1,
            package_digest: self.package,
            study_revision: 1,
            stage,
            decided_at: self.now(),
            verdict,
            steps,
        };
        GateDecisionRecord {
            deployment: deployment.to_owned(),
            stage: match stage {
                Stage::BeforeInference => GateStage::BeforeInference,
                Stage::BeforeRelease => GateStage::BeforeRelease,
            },
            decided_at: decision.decided_at,
            verdict: decision.verdict.name().to_owned(),
            reasons: decision.steps.iter().map(|step| step.reason.clone()).collect(),
            detail: json!({ "format": 1, "decision": decision }),
        }
    }

    /// Carry out the next `Evaluate` job: each deployment runs, or ends as given.
    pub(crate) async fn evaluate(&self, ends: &[(&str, Option<Disposition>)]) -> StudyKey {
        let job = self.lease(JobKind::Evaluate).await.expect("an evaluation is due");
        let study_key = job.study_key.clone().unwrap();
        let mut evaluation = Evaluation {
            study_key: study_key.clone(),
            revision: job.revision.unwrap(),
            decisions: Vec::new(),
            dispositions: Vec::new(),
            infer: Vec::new(),
            assignments: Vec::new(),
            observations: Vec::new(),
        };
        for (name, end) in ends {
            let (verdict, mut steps) = match end {
                None => (run(self.is_shadow(name).await), passed()),
                Some(Disposition::Withheld(reason)) => (Verdict::Withheld { reason: reason.clone() }, passed()),
                Some(end) => (Verdict::NotEligible { reason: end.reason().unwrap().clone() }, passed()),
            };
            if let Some(reason) = end.as_ref().and_then(Disposition::reason) {
                steps.truncate(3);
                steps.push(Step { step: StepName::IntendedUse, outcome: Outcome::Stopped, reason: reason.clone() });
            }
            evaluation.decisions.push(self.decision(name, Stage::BeforeInference, verdict, steps));
            match end {
                Some(end) => evaluation.dispositions.push(((*name).to_owned(), end.clone())),
                None => evaluation.infer.push(NewInference {
                    deployment: (*name).to_owned(),
                    priority: Priority::ROUTINE,
                    after: None,
                }),
            }
        }
        self.catalog.evaluation_record(&job.lease(), &evaluation, self.now()).await.unwrap();
        study_key
    }

    /// Carry out the next `Infer` job: the nodule is there or not, with a report and a key image.
    pub(crate) async fn infer(&self, presence: Presence) -> Uid {
        self.infer_observed(presence, None).await
    }

    /// The same, with what was measured of the study.
    pub(crate) async fn infer_observed(&self, presence: Presence, observation: Option<Observation>) -> Uid {
        let job = self.lease(JobKind::Infer).await.expect("an inference is due");
        let (study_key, deployment) = (job.study_key.clone().unwrap(), job.deployment.clone().unwrap());
        let shadow = self.is_shadow(&deployment).await;
        let started_at = self.now();
        self.pass(840);
        let key_image = key_image(&study_key, presence);
        let mut results = Vec::new();
        for (kind, object) in [(ResultKind::Report, Object::new(77, 1)), (ResultKind::KeyImage, key_image)] {
            let file = object.file();
            let revision = job.revision.unwrap().to_string();
            let uid = Uid::derived(&[study_key.as_str(), &revision, &deployment, kind.name()]);
            let blob = self.state.blobs.blob_put(Bytes::from(file)).await.unwrap();
            results.push(NewResult {
                kind,
                index: 0,
                sop_instance_uid: uid,
                sop_class_uid: SECONDARY_CAPTURE.parse().unwrap(),
                transfer_syntax_uid: "1.2.840.10008.1.2.1".parse().unwrap(),
                blob: blob.digest,
                size: blob.size,
            });
        }
        let uid = results[1].sop_instance_uid.clone();
        let record =
            json!({ "format": 1, "engine": { "name": "tract", "version": "0.23" }, "output": output(presence) });
        let outcome = InferenceOutcome {
            study_key,
            revision: job.revision.unwrap(),
            deployment: deployment.clone(),
            deployment_revision: self.catalog.deployment_get(&deployment).await.unwrap().unwrap().revision,
            package: self.package,
            record,
            started_at,
            finished_at: self.now(),
            decision: self.decision(&deployment, Stage::BeforeRelease, run(shadow), passed()),
            disposition: Disposition::Analysed,
            results,
            destinations: if shadow { Vec::new() } else { vec!["pacs".into()] },
            priority: Priority::ROUTINE,
            observation,
        };
        self.catalog.inference_record(&job.lease(), &outcome, self.now()).await.unwrap();
        uid
    }

    async fn is_shadow(&self, deployment: &str) -> bool {
        let deployment = self.catalog.deployment_get(deployment).await.unwrap().unwrap();
        deployment.state == DeploymentState::Shadow
    }

    pub(crate) async fn deliver(&self, outcome: DeliveryOutcome) -> bool {
        let Some(job) = self.lease(JobKind::Deliver).await else { return false };
        self.pass(120);
        self.catalog.delivery_record(&job.lease(), &outcome, self.now()).await.unwrap();
        true
    }
}

fn run(shadow: bool) -> Verdict {
    Verdict::Run { series_instance_uid: "1.2.826.0.1.1.1".parse().unwrap(), shadow }
}

fn passed() -> Vec<Step> {
    let step = |step, reason| Step { step, outcome: Outcome::Passed, reason };
    vec![
        step(StepName::InDate, Reason::new("in-date", "package and deployment are in date")),
        step(StepName::State, Reason::about("state", "the deployment is active", "state", "active")),
        step(StepName::Suspension, Reason::new("suspension.none", "no suspension is in force")),
        step(StepName::IntendedUse, Reason::about("intended-use.modality", "modality is DX", "Modality", "DX")),
        step(
            StepName::IntendedUse,
            Reason::about("intended-use.body-part", "body part is CHEST", "BodyPartExamined", "CHEST"),
        ),
        step(StepName::ReadingMode, Reason::new("reading-mode", "readers see the result alongside")),
    ]
}

pub(crate) fn not_eligible() -> Disposition {
    Disposition::NotEligible(Reason::about(
        "intended-use.body-part",
        "body part is HAND, the model takes CHEST",
        "BodyPartExamined",
        "HAND",
    ))
}

pub(crate) fn output(presence: Presence) -> ModelOutput {
    let image = ImageReference {
        sop_class_uid: crate::object::DX.parse().unwrap(),
        sop_instance_uid: "1.2.826.0.1.1.1.1".parse().unwrap(),
        series_instance_uid: "1.2.826.0.1.1.1".parse().unwrap(),
        frame: None,
    };
    let finding = |label: &str, meaning: &str, presence, score| Finding {
        label: label.into(),
        concept: CodedConcept::new("1", "99TEST", meaning),
        presence,
        score: Some(score),
        operating_point: Some(0.5),
        location: (presence == Presence::Present)
            .then(|| Location { image: image.clone(), bounding_box: [120.0, 88.0, 171.0, 140.0] }),
        measurements: Vec::new(),
        images: vec![image.clone()],
    };
    let score = if presence == Presence::Present { 0.83 } else { 0.07 };
    ModelOutput {
        findings: vec![
            finding("nodule", "Pulmonary nodule", presence, score),
            finding("effusion", "Pleural effusion", Presence::Absent, 0.12),
        ],
        segments: Vec::new(),
        inputs: vec![image.clone()],
    }
}

/// A round thing in a dark box, with an outline where the model saw something.
fn key_image(study_key: &StudyKey, presence: Presence) -> Object {
    let size = 256i32;
    let mut pixels = Vec::with_capacity((size * size * 3) as usize);
    for y in 0..size {
        for x in 0..size {
            let lung = |cx: i32| ((x - cx) * (x - cx) * 4 + (y - 128) * (y - 128)) / 90;
            let depth = lung(84).min(lung(172)).clamp(20, 190);
            let edge = presence == Presence::Present
                && (60..110).contains(&x)
                && (90..140).contains(&y)
                && !((62..=107).contains(&x) && (92..=137).contains(&y));
            let nodule = presence == Presence::Present && (x - 85).pow(2) + (y - 115).pow(2) < 150;
            let grey = if nodule { 170 } else { depth as u8 };
            pixels.extend_from_slice(&if edge { [255, 210, 74] } else { [grey; 3] });
        }
    }
    let mut object = Object::new(78, 1);
    object.class = SECONDARY_CAPTURE;
    object.instance = Uid::derived(&[study_key.as_str(), "key image"]).to_string();
    object.colour = Some((size as u16, size as u16, pixels));
    object
}

pub(crate) fn multipart(boundary: &str, files: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for file in files {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

pub(crate) fn stow_request(address: &str, files: &[Vec<u8>]) -> Request<Body> {
    Request::post(address)
        .header(header::HOST, "localhost:8042")
        .header(header::CONTENT_TYPE, "multipart/related; type=\"application/dicom\"; boundary=\"a b:c\"")
        .header(header::ACCEPT, "application/dicom+json")
        .body(Body::from(multipart("a b:c", files)))
        .unwrap()
}
