//! MV-06: a month without evidence, and what nobody would notice. A real worker and a real model, and a clock that the test
//! moves.

use crate::program::{PATIENCE, copy_tree, package};
use hilum_dicom::{Limits, read_part10_header};
use hilum_monitor::{LabelSource, Truth};
use hilum_registry::DeploymentSpec;
use hilum_sign::{NewRecord, PersonKey, RecordKind, SignatureMeaning, ToSign};
use hilum_store::governance::User;
use hilum_store::labels::NewLabel;
use hilum_store::records::{NewInstance, Origin, Source};
use hilum_store::{Alarm, BlobOptions, BlobStore, Catalog, CatalogOptions, LocalBlobs, StudyKey};
use hilum_testkit::{Acquisition, FakeClock, Subject, dx};
use hilum_types::{Clock, Digest, Timestamp};
use hilum_worker::{Models, RetryPolicy, SiteKey, Worker, WorkerOptions};
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const DAY: i64 = 86_400;

struct House {
    catalog: Arc<dyn Catalog>,
    blobs: LocalBlobs,
    clock: Arc<FakeClock>,
    digest: Digest,
    /// What stops the worker, and its end.
    worker: Mutex<Option<(watch::Sender<bool>, JoinHandle<()>)>>,
}

impl House {
    async fn start(folder: &Path, state: &str) -> House {
        let clock = Arc::new(FakeClock::at("2026-11-01T08:00:00Z".parse().unwrap()));
        let url = format!("sqlite:{}", folder.join("catalog.sqlite").display());
        let options = CatalogOptions { quiet_seconds: 60, ..CatalogOptions::default() };
        let catalog = hilum_store::open(&url, &options).await.unwrap();
        let blobs = LocalBlobs::open(folder, &BlobOptions { reserve_bytes: 0 }).unwrap();
        let models = Models::new(folder.join("packages"), Default::default());
        let source = package("phantom-cxr");
        let imported = models.import(Path::new(&source), &*catalog, "user:test", clock.now()).await.unwrap();
        let digest = imported.package.digest;
        let house = House { catalog, blobs, clock, digest, worker: Mutex::new(None) };
        house.declare("cxr", state).await;
        house.work(folder, "silence").await;
        house
    }

    /// A deployment that needs one label in 30 days.
    async fn declare(&self, name: &str, state: &str) {
        let digest = self.digest;
        let text = format!(
            "name='{name}'\npackage='{digest}'\nstate='{state}'\ndestinations=['pacs']\n[monitoring.evidence]\nwindow_days=30\nn_min=1"
        );
        let spec: DeploymentSpec = toml::from_str(&text).unwrap();
        self.catalog.deployment_apply(&spec, digest, "user:test", self.clock.now()).await.unwrap();
    }

    /// A worker begins in the place of the one before; it ends with the test's runtime. What is looked after beside the jobs
    /// is looked at when it begins, and two that look at once would both tell what they see.
    async fn work(&self, folder: &Path, owner: &str) {
        let before = self.worker.lock().unwrap().take();
        if let Some((stop, ended)) = before {
            stop.send_replace(true);
            ended.await.unwrap();
        }
        let options = WorkerOptions {
            owner: owner.into(),
            slots: 1,
            shadow_slots: 1,
            lease_seconds: 600,
            retry: RetryPolicy { seconds_first: 5, seconds_max: 5, attempts_max: 2 },
            assessment_quiet_seconds: 60,
            ae_title: "HILUM".parse().unwrap(),
            product_timeout: Duration::from_secs(5),
            data_dir: folder.to_owned(),
        };
        let (models, site_key) =
            (Models::new(folder.join("packages"), Default::default()), SiteKey::open(folder).unwrap());
        let (catalog, blobs, clock) = (self.catalog.clone(), self.blobs.clone(), self.clock.clone());
        let worker = Worker::new(catalog, blobs, models, vec![], clock, site_key, options).unwrap();
        let (stop, stopped) = watch::channel(false);
        *self.worker.lock().unwrap() = Some((stop, tokio::spawn(worker.run(stopped))));
    }

    fn day(&self, day: i64) {
        let begin: Timestamp = "2026-11-01T08:00:00Z".parse().unwrap();
        self.clock.set(begin.plus_seconds(day * DAY));
    }

    /// Texts of the open alarms of that code.
    async fn alarms(&self, code: &str) -> Vec<String> {
        let open = self.catalog.alarm_list(true, 100).await.unwrap();
        open.into_iter().filter(|alarm| alarm.code == code).map(|alarm| alarm.text).collect()
    }

    async fn alarm(&self, code: &str, begins: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(text) = self.alarms(code).await.into_iter().find(|text| text.starts_with(begins)) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "no alarm {code} of {begins:?} was raised");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How often each alarm of missing evidence of that deployment was raised.
    async fn n_raised(&self, deployment: &str) -> Vec<u64> {
        let all = self.catalog.alarm_list(false, 100).await.unwrap();
        let of = |alarm: &Alarm| alarm.code == "evidence-stale" && alarm.deployment.as_deref() == Some(deployment);
        all.into_iter().filter(of).map(|alarm| alarm.n_raised).collect()
    }

    /// A study comes on that day, and how it ends for `cxr`: disposition and code of the reason.
    async fn study(&self, seed: u64, day: i64) -> (StudyKey, String) {
        self.day(day);
        let now = self.clock.now();
        let image = dx(seed, &Subject::seeded(seed, now), &Acquisition::radiograph(), &[]).unwrap().instances.remove(0);
        let header = read_part10_header(image.part10(), &Limits::default()).unwrap().header;
        let stored = self.blobs.blob_put(image.part10().to_vec().into()).await.unwrap();
        let origin = Origin { peer: "DX1".into(), source: Source::Dimse };
        let (content, size) = (image.digest(), stored.size);
        let new = NewInstance { header, blob: stored.digest, content, size, origin, received_at: now };
        let outcome = self.catalog.instances_commit(&[new], now).await.unwrap().remove(0);
        let key = outcome.study_key().unwrap().clone();
        self.clock.advance(61);
        let begun = Instant::now();
        loop {
            let study = self.catalog.study_get(&key).await.unwrap().unwrap();
            if let Some(ended) = study.dispositions.iter().find(|ended| ended.deployment == "cxr") {
                let code = ended.disposition.reason().map_or("", |reason| reason.code.as_str());
                return (key, format!("{} {code}", ended.disposition.name()).trim_end().to_owned());
            }
            assert!(begun.elapsed() < PATIENCE, "the study has not ended: {study:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How a study ends for one of several deployments.
    async fn ended_for(&self, key: &StudyKey, deployment: &str) -> String {
        let begun = Instant::now();
        loop {
            let study = self.catalog.study_get(key).await.unwrap().unwrap();
            if let Some(ended) = study.dispositions.iter().find(|ended| ended.deployment == deployment) {
                return ended.disposition.name().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "the study has not ended for {deployment}: {study:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Decided when the study came, before there was an answer.
    async fn label(&self, study_key: &StudyKey) {
        let study = self.catalog.study_get(study_key).await.unwrap().unwrap();
        let label = NewLabel {
            origin: format!("test:{study_key}"),
            study_key: study_key.clone(),
            revision: None,
            deployment: "cxr".into(),
            finding: "nodule".into(),
            truth: Truth::Absent,
            agreement: None,
            source: LabelSource::Adjudication,
            extractor: None,
            extractor_measured: false,
            decided_at: study.first_received_at,
            report: None,
            comment: None,
            by: "user:anna".into(),
        };
        self.catalog.label_add(&label, self.clock.now()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_days_of_silence_withhold() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::start(folder.path(), "active").await;
    let (first, ended) = house.study(1, 0).await;
    assert_eq!(ended, "analysed");
    assert_eq!(house.study(2, 29).await.1, "analysed", "the first window is not over");
    assert_eq!(house.study(3, 30).await.1, "withheld evidence.stale", "nobody ever said that it performs");
    // A label of the first day is too old by now; one of the 29th day is evidence until the 59th.
    house.label(&first).await;
    assert_eq!(house.study(4, 31).await.1, "withheld evidence.stale");
    let (second, _) = house.study(5, 32).await;
    let ended = house.catalog.study_get(&second).await.unwrap().unwrap();
    let text = ended.dispositions[0].disposition.reason().unwrap().text.clone();
    assert!(text.contains("last 30 days") && text.contains("silence is not health"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_the_window_lets_it_run() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::start(folder.path(), "active").await;
    let (seen, _) = house.study(1, 20).await;
    house.label(&seen).await;
    assert_eq!(house.study(2, 45).await.1, "analysed");
    assert_eq!(house.study(3, 51).await.1, "withheld evidence.stale");
}

/// People are told also when no study comes that would say so, and once.
#[tokio::test(flavor = "multi_thread")]
async fn silence_is_told_without_any_study() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::start(folder.path(), "active").await;
    assert_eq!(house.study(1, 0).await.1, "analysed");
    assert_eq!(house.alarms("evidence-stale").await, Vec::<String>::new(), "its first window has just begun");
    house.day(31);
    house.work(folder.path(), "after-the-window").await;
    let text = house.alarm("evidence-stale", "cxr: ").await;
    assert!(text.ends_with("its studies are withheld"), "{text}");
    assert!(text.contains("30 days"), "{text}");
    assert_eq!(house.n_raised("cxr").await, [1]);
    let told = house.catalog.alarm_list(true, 100).await.unwrap().into_iter().find(|one| one.code == "evidence-stale");
    house.catalog.alarm_acknowledge(&told.unwrap().key, "user:anna", house.clock.now()).await.unwrap();
    // A worker that begins later looks at both, in the order of their names, and has only the other one to tell of: who has
    // seen an alarm is not told again while it lasts.
    house.declare("later", "active").await;
    house.day(62);
    house.work(folder.path(), "a-month-later").await;
    house.alarm("evidence-stale", "later: ").await;
    assert_eq!(house.n_raised("cxr").await, [1]);
}

/// MV-01, MV-06: a review that is overdue is told, and withholds where that is declared, until somebody has looked.
#[tokio::test(flavor = "multi_thread")]
async fn figures_that_nobody_looks_at_withhold() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::start(folder.path(), "draft").await;
    let digest = house.digest;
    for (name, overdue) in [("cxr", "suspend"), ("told", "alarm")] {
        let text = format!(
            "name='{name}'\npackage='{digest}'\nstate='active'\ndestinations=['pacs']\n[monitoring]\nreviewed_by='physics'\n\
             review_days=30\non_overdue='{overdue}'"
        );
        let spec: DeploymentSpec = toml::from_str(&text).unwrap();
        house.catalog.deployment_apply(&spec, digest, "user:test", house.clock.now()).await.unwrap();
    }
    assert_eq!(house.study(1, 29).await.1, "analysed", "the first period is not over");
    let (withheld, ended) = house.study(2, 30).await;
    assert_eq!(ended, "withheld review.overdue");
    house.work(folder.path(), "after-the-period").await;
    let text = house.alarm("review-overdue", "cxr: ").await;
    assert!(text.ends_with("its studies are withheld") && text.contains("every 30 days by physics"), "{text}");
    assert!(house.alarm("review-overdue", "told: ").await.ends_with("its studies go on"));
    assert_eq!(house.ended_for(&withheld, "cxr").await, "withheld");
    assert_eq!(house.ended_for(&withheld, "told").await, "analysed", "people are told, and it goes on");

    // Somebody looks: figures of now, kept as a record and signed.
    let (now, key) = (house.clock.now(), PersonKey::from_seed([1; 32]));
    let anna = User {
        name: "anna".into(),
        display_name: "Dr. Anna".into(),
        roles: vec!["clinical".into()],
        password_hash: String::new(),
        public_key: key.public_key(),
        sealed_key: "sealed".into(),
        active: true,
        created_at: now,
    };
    house.catalog.user_add(&anna, "user:root").await.unwrap();
    let figures = NewRecord {
        kind: RecordKind::MonitoringEvidence,
        subject: "cxr".into(),
        body: json!({ "format": 1, "package": digest, "as_of": now }),
        author: "user:anna".into(),
    };
    let record = house.catalog.record_add(&figures, now).await.unwrap().record.digest;
    let (meaning, signer, role) = (SignatureMeaning::Reviewed, "anna".to_owned(), "clinical".to_owned());
    let signature = key.sign(&ToSign { record, meaning, signer, role, signed_at: now });
    house.catalog.signature_add(&signature, now).await.unwrap();
    let (seen, _) = house.study(3, 31).await;
    assert_eq!(house.ended_for(&seen, "cxr").await, "analysed");

    // The next period passes without a look: what somebody acknowledged and never closed was about the one before.
    for alarm in house.catalog.alarm_list(true, 100).await.unwrap() {
        house.catalog.alarm_acknowledge(&alarm.key, "user:anna", now).await.unwrap();
    }
    house.day(62);
    house.work(folder.path(), "after-the-next-period").await;
    house.alarm("review-overdue", "cxr: ").await;
}

/// A version that a rollback would return to and that cannot be started is told before anybody needs it (AV-09).
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_target_that_is_gone_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::start(folder.path(), "active").await;
    let next = folder.path().join("next");
    copy_tree(Path::new(&package("phantom-cxr")), &next);
    let manifest = next.join("hilum/package.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("version = \"1.0.0\"", "version = \"1.1.0\"", 1)).unwrap();
    let models = Models::new(folder.path().join("packages"), Default::default());
    let now = house.clock.now();
    let digest = models.import(&next, &*house.catalog, "user:test", now).await.unwrap().package.digest;
    let before = house.catalog.deployment_get("cxr").await.unwrap().unwrap();
    let spec = DeploymentSpec { package: digest.to_string(), ..before.spec };
    let after = house.catalog.deployment_apply(&spec, digest, "user:test", now).await.unwrap();
    assert_eq!(after.rollback.map(|target| target.package), Some(house.digest));
    let kept = folder.path().join("packages").join(house.digest.to_string());
    std::fs::rename(&kept, folder.path().join("lost")).unwrap();
    house.work(folder.path(), "after-the-loss").await;
    let text = house.alarm("rollback-target", "").await;
    assert!(text.starts_with("the version that cxr would return to cannot be started: "), "{text}");
}
