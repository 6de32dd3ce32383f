//! AV-11: the recall list against the ground truth of a simulated week, and the retraction that follows.
//!
//! The test keeps its own books: what it sent, which version it had put under which deployment at that moment, and what
//! the archives say they hold. The clock stands still while the worker works, so that run times are known exactly.

use crate::program::{PATIENCE, copy_tree, package};
use hilum_dicom::{Bulk, DataSet, Limits, read_data_set, read_part10_header, tags};
use hilum_registry::{DeploymentSpec, DeploymentState};
use hilum_sign::{PersonKey, SignatureMeaning, ToSign};
use hilum_store::governance::User;
use hilum_store::recalls::{Answer, Reach, RecallGround, RecallPlan, RecallStep, RecallWindow, RecalledStudy};
use hilum_store::records::{NewInstance, Origin, Source, StudyState};
use hilum_store::{BlobOptions, BlobStore, Catalog, CatalogOptions, JobState, LocalBlobs};
use hilum_testkit::{Acquisition, Draw, FakeClock, Keep, PhantomInstance, Script, SimulatedPacs, Subject, dx};
use hilum_types::{Clock, Digest, Timestamp, Uid};
use hilum_worker::{Destination, Models, Protocol, RetryPolicy, SiteKey, Worker, WorkerOptions, carry_out_recall};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUIET: i64 = 60;
const DAY: i64 = 86_400;
const STUDIES_PER_DAY: u64 = 4;

/// One run that must be in the list of its version: accession, revision, deployment.
type Line = (String, u32, String);

/// The site of the week, with the test's own books.
struct Week {
    catalog: Arc<dyn Catalog>,
    blobs: LocalBlobs,
    clock: Arc<FakeClock>,
    pacs: SimulatedPacs,
    ris: SimulatedPacs,
    versions: [Digest; 2],
    /// Deployment, version under it, state.
    deployed: Vec<(&'static str, usize, DeploymentState)>,
    /// Version, when it ran, and on what.
    truth: Vec<(usize, Timestamp, Line)>,
}

fn spec(name: &str, package: Digest, state: DeploymentState) -> DeploymentSpec {
    let destinations: &[&str] = match name {
        "er" => &["pacs"],
        "ward" => &["pacs", "ris"],
        _ => &[],
    };
    DeploymentSpec {
        name: name.into(),
        package: package.to_string(),
        state,
        owner: "radiology".into(),
        destinations: destinations.iter().map(|name| (*name).to_owned()).collect(),
        turnaround_seconds: 3600,
        ..toml::from_str(&format!("name = '{name}'\npackage = '{package}'\nstate = 'shadow'")).unwrap()
    }
}

/// The demo package under another version number.
fn second_version(folder: &Path) {
    copy_tree(Path::new(&package("phantom-cxr")), folder);
    let manifest = folder.join("hilum/package.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("version = \"1.0.0\""));
    std::fs::write(manifest, text.replacen("version = \"1.0.0\"", "version = \"1.1.0\"", 1)).unwrap();
}

fn destination(name: &str, pacs: &SimulatedPacs) -> Destination {
    Destination {
        name: name.into(),
        timeout: PATIENCE,
        assessments: false,
        protocol: Protocol::Dimse {
            host: pacs.address().ip().to_string(),
            port: pacs.address().port(),
            called_ae: pacs.ae_title().clone(),
            calling_ae: "HILUM".parse().unwrap(),
        },
    }
}

async fn archive(ae_title: &str) -> SimulatedPacs {
    let any = "127.0.0.1:0".parse().unwrap();
    SimulatedPacs::start_on(any, ae_title.parse().unwrap(), Keep::Memory, Script::default()).await.unwrap()
}

impl Week {
    async fn start(folder: &Path) -> Week {
        let clock = Arc::new(FakeClock::at("2026-11-16T00:00:00Z".parse().unwrap()));
        let url = format!("sqlite:{}", folder.join("catalog.sqlite").display());
        let options = CatalogOptions { quiet_seconds: QUIET as u32, ..CatalogOptions::default() };
        let catalog = hilum_store::open(&url, &options).await.unwrap();
        let blobs = LocalBlobs::open(folder, &BlobOptions { reserve_bytes: 0 }).unwrap();
        let models = Models::new(folder.join("packages"), Default::default());
        second_version(&folder.join("v2"));
        let mut versions = vec![];
        for source in [Path::new(&package("phantom-cxr")), &folder.join("v2")] {
            let imported = models.import(source, &*catalog, "user:test", clock.now()).await.unwrap();
            versions.push(imported.package.digest);
        }
        let (pacs, ris) = (archive("PACS").await, archive("RIS").await);
        let destinations = vec![destination("pacs", &pacs), destination("ris", &ris)];
        let options = WorkerOptions {
            owner: "week".into(),
            slots: 1,
            shadow_slots: 1,
            lease_seconds: 600,
            retry: RetryPolicy { seconds_first: 5, seconds_max: 5, attempts_max: 2 },
            assessment_quiet_seconds: 60,
            ae_title: "HILUM".parse().unwrap(),
            product_timeout: Duration::from_secs(5),
            data_dir: folder.to_owned(),
        };
        let site_key = SiteKey::open(folder).unwrap();
        let worker =
            Worker::new(catalog.clone(), blobs.clone(), models, destinations, clock.clone(), site_key, options)
                .unwrap();
        // It ends with the test's runtime.
        let (stop, stopped) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            let _kept_open = stop;
            worker.run(stopped).await;
        });
        let versions = [versions[0], versions[1]];
        Week { catalog, blobs, clock, pacs, ris, versions, deployed: vec![], truth: vec![] }
    }

    async fn deploy(&mut self, name: &'static str, version: usize, state: DeploymentState) {
        let (package, now) = (self.versions[version], self.clock.now());
        self.catalog.deployment_apply(&spec(name, package, state), package, "user:test", now).await.unwrap();
        self.deployed.retain(|(known, ..)| *known != name);
        self.deployed.push((name, version, state));
    }

    /// One act of a person, in the middle of a day.
    async fn roll_back(&mut self, name: &'static str, to: usize) {
        let now = self.clock.now();
        let back = self.catalog.deployment_rollback(name, None, "bo", "version 2 is worse", now).await.unwrap();
        assert_eq!((back.package_digest, back.state), (self.versions[to], DeploymentState::Active));
        let known = self.deployed.iter_mut().find(|(known, ..)| *known == name).unwrap();
        known.1 = to;
    }

    async fn suspend(&mut self, name: &'static str) {
        self.catalog.deployment_suspend(name, "user:test", "a bad day", self.clock.now()).await.unwrap();
        let known = self.deployed.iter_mut().find(|(known, ..)| *known == name).unwrap();
        known.2 = DeploymentState::Suspended;
    }

    async fn resume(&mut self, name: &'static str) {
        self.catalog.deployment_resume(name, "user:test", "a better day", self.clock.now()).await.unwrap();
        let known = self.deployed.iter_mut().find(|(known, ..)| *known == name).unwrap();
        known.2 = DeploymentState::Active;
    }

    /// An image comes, the quiet time passes, and everything that follows is done before this returns.
    async fn study(&mut self, accession: &str, image: &PhantomInstance, revision: u32) {
        let header = read_part10_header(image.part10(), &Limits::default()).unwrap().header;
        let stored = self.blobs.blob_put(image.part10().to_vec().into()).await.unwrap();
        let new = NewInstance {
            header,
            blob: stored.digest,
            content: image.digest(),
            size: stored.size,
            origin: Origin { peer: "DX1".into(), source: Source::Dimse },
            received_at: self.clock.now(),
        };
        let outcome = self.catalog.instances_commit(&[new], self.clock.now()).await.unwrap().remove(0);
        let now = self.clock.advance(QUIET + 1);
        for (name, version, state) in &self.deployed {
            if matches!(state, DeploymentState::Active | DeploymentState::Shadow) {
                self.truth.push((*version, now, (accession.to_owned(), revision, (*name).to_owned())));
            }
        }
        let begun = Instant::now();
        loop {
            let study = self.catalog.study_get(outcome.study_key().unwrap()).await.unwrap().unwrap();
            if study.state == StudyState::Complete && study.revision == revision && self.is_idle().await {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "study {accession} is stuck: {study:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Failed deliveries are tried once more and then given up.
        self.clock.advance(10);
        self.settle().await;
    }

    async fn is_idle(&self) -> bool {
        let now = self.clock.now();
        let depth = self.catalog.queue_depth().await.unwrap();
        !depth.iter().any(|d| match d.state {
            JobState::Leased => 0 < d.n_jobs,
            JobState::Queued => d.oldest_due_at.is_some_and(|due| due <= now),
            _ => false,
        })
    }

    async fn settle(&self) {
        let begun = Instant::now();
        while !self.is_idle().await {
            assert!(begun.elapsed() < PATIENCE, "the queue does not empty");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn window(&self, version: usize, from: Timestamp, to: Timestamp) -> RecallWindow {
        RecallWindow { package: self.versions[version], from, to }
    }

    /// The list is the truth, line for line.
    async fn compare(&self, version: usize, from: Timestamp, to: Timestamp) -> usize {
        let list = self.catalog.recall_list(&self.window(version, from, to)).await.unwrap();
        let of_study = |study: &RecalledStudy| -> Vec<Line> {
            let accession = study.accession_number.reveal();
            study.runs.iter().map(|run| (accession.clone(), run.revision, run.deployment.clone())).collect()
        };
        let listed: Vec<Line> = list.iter().flat_map(of_study).collect();
        let found: BTreeSet<Line> = listed.iter().cloned().collect();
        assert_eq!(found.len(), listed.len(), "a run is listed twice");
        let in_window = |at: &Timestamp| from <= *at && *at < to;
        let expected: BTreeSet<Line> =
            self.truth.iter().filter(|(v, at, _)| *v == version && in_window(at)).map(|(.., l)| l.clone()).collect();
        assert_eq!(found, expected, "version {version} from {from} to {to}");
        let studies: BTreeSet<&String> = expected.iter().map(|(accession, ..)| accession).collect();
        assert_eq!(list.len(), studies.len(), "a study is listed twice");
        studies.len()
    }
}

/// A second image of the same series.
fn late_image(first: &PhantomInstance) -> PhantomInstance {
    let mut set = read_data_set(first.part10(), None, Bulk::Keep, &Limits::default()).unwrap().data_set;
    set.put_uid(tags::SOP_INSTANCE_UID, &Uid::derived(&["late image", first.sop_instance_uid.as_str()]));
    set.put_number(tags::INSTANCE_NUMBER, 2);
    PhantomInstance::from_part10(set.to_part10_bytes().unwrap()).unwrap()
}

async fn a_week(folder: &Path) -> Week {
    use DeploymentState::{Active, Shadow};
    let mut week = Week::start(folder).await;
    week.deploy("er", 0, Active).await;
    week.deploy("ward", 0, Active).await;
    week.deploy("trial", 1, Shadow).await;
    let mut yesterday: Option<(String, PhantomInstance)> = None;
    let first_day = week.clock.now();
    for day in 0..7u64 {
        week.clock.set(first_day.plus_seconds(day as i64 * DAY + 8 * 3600));
        match day {
            2 => week.deploy("er", 1, Active).await,
            3 => week.suspend("ward").await,
            4 => week.resume("ward").await,
            5 => week.pacs.set_accepting(false),
            6 => week.pacs.set_accepting(true),
            _ => {}
        }
        // A late image reopens a study of the day before, perhaps under another version.
        if let Some((accession, image)) = yesterday.take() {
            week.study(&accession, &late_image(&image), 2).await;
        }
        for number in 0..STUDIES_PER_DAY {
            if (day, number) == (4, 2) {
                week.roll_back("er", 0).await;
            }
            let seed = 100 * day + number;
            let now = week.clock.advance(3600);
            let subject = Subject { accession: format!("W{seed:03}"), ..Subject::seeded(seed, now) };
            let acquisition = Acquisition::radiograph().with_matrix(192, 192);
            let image = dx(seed, &subject, &acquisition, &[]).unwrap().instances.remove(0);
            week.study(&subject.accession, &image, 1).await;
            if number == 1 {
                yesterday = Some((subject.accession, image));
            }
        }
    }
    week
}

/// Two people approve the record.
async fn approve(catalog: &dyn Catalog, record: Digest, now: Timestamp) {
    let approvals = [
        ("anna", "clinical", 1, SignatureMeaning::ApprovedClinical),
        ("bo", "technical", 2, SignatureMeaning::ApprovedTechnical),
    ];
    for (name, role, seed, meaning) in approvals {
        let key = PersonKey::from_seed([seed; 32]);
        let user = User {
            name: name.into(),
            display_name: name.into(),
            roles: vec![role.into()],
            password_hash: "$argon2id$".into(),
            public_key: key.public_key(),
            sealed_key: "sealed".into(),
            active: true,
            created_at: now,
        };
        catalog.user_add(&user, "user:root").await.unwrap();
        let what = ToSign { record, meaning, signer: name.into(), role: role.into(), signed_at: now };
        catalog.signature_add(&key.sign(&what), now).await.unwrap();
    }
}

/// SOP Instance UIDs that the rejection notes an archive holds refer to, each note as a set.
fn notes(pacs: &SimulatedPacs) -> Vec<BTreeSet<String>> {
    let is_note = |one: &&hilum_testkit::Received| one.sop_class_uid.ends_with("88.59") && one.is_kept();
    let received = pacs.received();
    let read = |one: &hilum_testkit::Received| {
        let syntax = one.transfer_syntax_uid.parse().unwrap();
        let bytes = one.data_set.clone().unwrap();
        let set = read_data_set(&bytes, Some(&syntax), Bulk::Keep, &Limits::default()).unwrap().data_set;
        assert_eq!(set.code(tags::CONCEPT_NAME_CODE_SEQUENCE).unwrap().value, "113037");
        let items = set.items(tags::CONTENT_SEQUENCE).iter();
        let references = items.flat_map(|item: &DataSet| item.items(tags::REFERENCED_SOP_SEQUENCE));
        references.filter_map(|reference| reference.string(tags::REFERENCED_SOP_INSTANCE_UID)).collect()
    };
    received.iter().filter(is_note).map(read).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recall_list_of_a_simulated_week_is_the_ground_truth_av_11() {
    let folder = tempfile::tempdir().unwrap();
    let week = a_week(folder.path()).await;
    let (begin, end) = (week.truth[0].1, week.clock.now().plus_seconds(1));

    // The whole week, each day, either side of the rollback, and windows cut anywhere.
    let whole = [week.compare(0, begin, end).await, week.compare(1, begin, end).await];
    // Version 1 saw every study but those of the day on which `ward` was suspended and `er` had version 2; of these it saw
    // the one that a late image reopened on the day after.
    assert_eq!(whole[0], 6 * STUDIES_PER_DAY as usize + 1);
    let mut n_windows = 2;
    for version in 0..2 {
        let midnight = "2026-11-16T00:00:00Z".parse::<Timestamp>().unwrap();
        for day in 0..8 {
            week.compare(version, midnight.plus_seconds(day * DAY), midnight.plus_seconds((day + 1) * DAY)).await;
        }
        // Exactly at runs: the first moment counts, the last does not.
        for pair in week.truth.windows(2) {
            week.compare(version, pair[0].1, pair[1].1).await;
            week.compare(version, pair[0].1, pair[1].1.plus_micros(1)).await;
        }
        let mut draw = Draw::new(11, "windows");
        let length = end.micros_since(begin) as f64;
        for _ in 0..200 {
            let mut cut = [draw.unit(), draw.unit()].map(|share| begin.plus_micros((share * length) as i64));
            cut.sort();
            week.compare(version, cut[0], cut[1]).await;
        }
        n_windows += 208 + 2 * (week.truth.len() - 1);
    }

    // "Delivered" is what the archives hold, object for object.
    let mut n_delivered = 0;
    for version in 0..2 {
        for study in week.catalog.recall_list(&week.window(version, begin, end)).await.unwrap() {
            for delivery in study.results().flat_map(|r| r.deliveries.iter().map(move |d| (r, d))) {
                let (result, delivery) = delivery;
                let archive = if delivery.destination == "pacs" { &week.pacs } else { &week.ris };
                let held = !archive.kept(result.sop_instance_uid.as_str()).is_empty();
                assert_eq!(delivery.reach() == Reach::Delivered, held, "{result:?}");
                n_delivered += usize::from(held);
            }
        }
    }
    let sent: usize = [&week.pacs, &week.ris].map(|archive| archive.kept_uids().len()).iter().sum();
    assert_eq!(n_delivered, sent, "every object in an archive is on a list");
    println!(
        "{} runs, {n_windows} windows equal, version 2 on {} studies, {sent} objects in two archives",
        week.truth.len(),
        whole[1]
    );

    retract(&week, begin, end).await;
}

/// Recall version 2 of the whole week: every archive gets one note per study of which it holds a result.
async fn retract(week: &Week, begin: Timestamp, end: Timestamp) {
    let window = week.window(1, begin, end);
    let list = week.catalog.recall_list(&window).await.unwrap();
    let plan =
        RecallPlan::new(&window, "phantom-cxr", "1.1.0", RecallGround::PatientSafety, "sides are swapped", &list);
    let record = week.catalog.record_add(&plan.unwrap().record("user:anna").unwrap(), week.clock.now()).await.unwrap();
    let record = record.record.digest;
    let early = carry_out_recall(&*week.catalog, &week.blobs, &record, "user:bo", &*week.clock).await;
    assert!(early.unwrap_err().to_string().contains("lacks approval in the clinical role"));
    approve(&*week.catalog, record, week.clock.now()).await;
    let done = carry_out_recall(&*week.catalog, &week.blobs, &record, "user:bo", &*week.clock).await.unwrap();
    let left = list.iter().filter(|study| Reach::Possible <= study.reach()).count();
    assert_eq!((done.n_retracted as usize, done.n_noted as usize), (list.len(), left));
    assert_eq!((done.n_inside as usize, done.failures.len()), (list.len() - left, 0));
    let again = carry_out_recall(&*week.catalog, &week.blobs, &record, "user:bo", &*week.clock).await.unwrap();
    assert_eq!(again, Default::default(), "repeating does nothing");
    week.settle().await;

    let status = week.catalog.recall_status(&record).await.unwrap();
    assert!(status.is_complete(), "{:?}", status.counts());
    let mut expected: Vec<BTreeSet<String>> = Vec::new();
    for study in &list {
        let uids: BTreeSet<String> = study
            .results()
            .filter(|result| Reach::Possible <= result.reach())
            .map(|result| result.sop_instance_uid.as_str().to_owned())
            .collect();
        if !uids.is_empty() {
            expected.push(uids);
        }
        let told = status.studies.iter().find(|told| told.study_key == study.study_key).unwrap();
        let step = if Reach::Possible <= study.reach() { RecallStep::Noted } else { RecallStep::Inside };
        assert_eq!(told.step, step);
        assert!(told.destinations.iter().all(|d| matches!(d.answer, Answer::Accepted { .. })), "{told:?}");
    }
    let mut got = notes(&week.pacs);
    expected.sort();
    got.sort();
    assert_eq!(got, expected, "one note per study, naming exactly what version 2 had sent");
    assert_eq!(notes(&week.ris), Vec::<BTreeSet<String>>::new(), "version 2 never sent anything there");
    // Version 1 is untouched, in the catalog and in the archives.
    let first = week.catalog.recall_list(&week.window(0, begin, end)).await.unwrap();
    assert!(first.iter().flat_map(RecalledStudy::results).all(|result| result.retracted_by.is_none()));
    println!("{} studies recalled, {} notes, {:?}", list.len(), got.len(), status.counts());
}
