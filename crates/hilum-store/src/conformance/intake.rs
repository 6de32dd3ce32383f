use super::material::{QUIET, all_is_well, at, complete_study, deploy, instance, open, store, uid};
use crate::records::{CompletedBy, IntakeOutcome, StudyFilter, StudyState};
use crate::{JobFilter, JobKind};
use hilum_registry::DeploymentState;
use hilum_types::{Phi, StudyFacts};

/// Promise R10: same bytes are one copy, other bytes are a further version with one alarm, the first stays current.
pub(super) async fn duplicates_and_conflicts(url: String) {
    let catalog = open(&url).await;
    let IntakeOutcome::Stored { study_key } = store(&catalog, instance("7", 1, "first", at(0))).await else {
        panic!("the first is stored");
    };
    for i in 0..5 {
        let again = store(&catalog, instance("7", 1, "first", at(i))).await;
        assert_eq!(again, IntakeOutcome::Duplicate { study_key: study_key.clone() });
    }
    let conflict = |version| IntakeOutcome::Conflict { study_key: study_key.clone(), version };
    assert_eq!(store(&catalog, instance("7", 1, "second", at(10))).await, conflict(2));
    // Alternating contents are duplicates of the version they belong to, not ever more versions.
    let duplicate = IntakeOutcome::Duplicate { study_key: study_key.clone() };
    assert_eq!(store(&catalog, instance("7", 1, "first", at(11))).await, duplicate);
    assert_eq!(store(&catalog, instance("7", 1, "second", at(12))).await, duplicate);
    // The same identifier in another study: kept here, set aside, and the other study does not come into being.
    let mut reused = instance("7", 1, "third", at(13));
    reused.header.study_instance_uid = uid("1.2.99");
    assert_eq!(store(&catalog, reused).await, conflict(3));
    assert_eq!(catalog.study_by_uid(&uid("1.2.99")).await.unwrap(), None);
    assert_eq!(catalog.quarantine_list(10).await.unwrap().len(), 1);

    let versions = catalog.instance_versions(&uid("1.2.7.1.1")).await.unwrap();
    assert_eq!(versions.iter().map(|v| v.version).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(versions[0].blob, instance("7", 1, "first", at(0)).blob);
    let study = catalog.study_get(&study_key).await.unwrap().expect("the study is there");
    assert_eq!((study.n_instances, study.revision), (1, 1));
    let alarms = catalog.alarm_list(true, 10).await.unwrap();
    assert_eq!(alarms.len(), 1, "one alarm for all of it: {alarms:?}");
    assert_eq!((alarms[0].code.as_str(), alarms[0].n_raised), ("instance-conflict", 2));

    // Within one batch the same holds.
    let batch = [("8", 1, "a"), ("8", 1, "a"), ("8", 1, "b"), ("8", 2, "a")];
    let batch: Vec<_> =
        batch.iter().map(|(study, number, content)| instance(study, *number, content, at(20))).collect();
    let outcomes = catalog.instances_commit(&batch, at(20)).await.unwrap();
    use IntakeOutcome::{Conflict, Duplicate, Stored};
    let as_expected =
        matches!(outcomes.as_slice(), [Stored { .. }, Duplicate { .. }, Conflict { version: 2, .. }, Stored { .. }]);
    assert!(as_expected, "{outcomes:?}");
    all_is_well(&catalog).await;
}

/// Promise R11: 8 tasks x 200 instances of one new patient, the same 8 studies from every task.
pub(super) async fn one_new_patient_from_many_tasks(url: String) {
    let catalog = open(&url).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8u32 {
        let catalog = catalog.clone();
        tasks.spawn(async move {
            let all: Vec<_> = (0..200)
                .map(|i| {
                    let (study, number) = (100 + (i + task) % 8, i / 8 + task % 2 * 1000);
                    instance(&study.to_string(), number, &format!("{study} {number}"), at(i.into()))
                })
                .collect();
            for batch in all.chunks(10) {
                catalog.instances_commit(batch, at(0)).await.expect("a batch is stored");
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("a task ends well");
    }
    let studies = catalog.study_list(&StudyFilter::default(), 100).await.unwrap();
    assert_eq!(studies.len(), 8);
    let counts = catalog.counts().await.unwrap();
    let total: u64 = studies.iter().map(|study| u64::from(study.n_instances)).sum();
    assert_eq!((counts.n_instances, counts.n_studies_receiving, counts.n_studies_complete), (total, 8, 0));
    let mut n_bytes = 0;
    for study in studies {
        assert_eq!(study.n_instances, 50, "25 from the tasks with an even number, 25 from the others");
        let held = catalog.study_instances(&study.key, 1).await.unwrap();
        assert_eq!(held.len(), study.n_instances as usize, "the count is that of the rows");
        n_bytes += held.iter().map(|instance| instance.size).sum::<u64>();
    }
    assert_eq!(counts.n_bytes, n_bytes, "the running total is that of the rows");
    assert_eq!(counts.n_audit_entries, 8 * 200, "one entry per received instance");
    all_is_well(&catalog).await;
}

pub(super) async fn quiet_time_fires_once_across_restarts(url: String) {
    let catalog = open(&url).await;
    let key = store(&catalog, instance("7", 1, "a", at(0))).await.study_key().expect("an instance has a study").clone();
    store(&catalog, instance("7", 2, "b", at(30))).await;
    assert_eq!(catalog.study_complete_due(at(QUIET + 29), 10).await.unwrap(), []);
    assert_eq!(catalog.study_next_due().await.unwrap(), Some(at(QUIET + 30)));
    drop(catalog);
    // Restarted inside the quiet time, and two processes at once.
    let (one, two) = (open(&url).await, open(&url).await);
    let (a, b) = tokio::join!(one.study_complete_due(at(QUIET + 30), 10), two.study_complete_due(at(QUIET + 30), 10));
    let all: Vec<_> = a.unwrap().into_iter().chain(b.unwrap()).collect();
    assert_eq!(all, [(key.clone(), 1)]);
    drop((one, two));
    let catalog = open(&url).await;
    assert_eq!(catalog.study_complete_due(at(QUIET + 31), 10).await.unwrap(), []);
    let jobs = catalog.job_list(&JobFilter::default(), 10).await.unwrap();
    assert_eq!(jobs.iter().map(|job| (job.kind, job.revision)).collect::<Vec<_>>(), [(JobKind::Evaluate, Some(1))]);
    let journey = catalog.study_journey(&key).await.unwrap().unwrap();
    assert_eq!(journey.revisions.len(), 1);
    assert_eq!((journey.revisions[0].n_instances, journey.revisions[0].completed_by), (2, CompletedBy::QuietTime));
    assert_eq!(journey.study.state, StudyState::Complete);
    assert_eq!(catalog.study_next_due().await.unwrap(), None);
    all_is_well(&catalog).await;
}

pub(super) async fn a_clock_that_goes_back_neither_loses_nor_doubles(url: String) {
    let catalog = open(&url).await;
    // Received while the clock was ten years ahead; then it was put right.
    let ten_years = 10 * 365 * 86_400;
    let key = store(&catalog, instance("7", 1, "a", at(ten_years)))
        .await
        .study_key()
        .expect("an instance has a study")
        .clone();
    assert_eq!(catalog.study_complete_due(at(0), 10).await.unwrap(), [], "one quiet time from now is waited");
    assert_eq!(catalog.study_complete_due(at(QUIET - 1), 10).await.unwrap(), []);
    assert_eq!(catalog.study_complete_due(at(QUIET), 10).await.unwrap(), [(key, 1)]);
    assert_eq!(catalog.study_complete_due(at(ten_years * 2), 10).await.unwrap(), []);
    all_is_well(&catalog).await;
}

pub(super) async fn announced_count_and_signal_complete(url: String) {
    let catalog = open(&url).await;
    catalog.study_expect(&uid("1.2.7"), 2, at(0)).await.unwrap();
    let key = store(&catalog, instance("7", 1, "a", at(0))).await.study_key().expect("an instance has a study").clone();
    assert_eq!(catalog.study_complete_due(at(1), 10).await.unwrap(), []);
    store(&catalog, instance("7", 2, "b", at(2))).await;
    assert_eq!(catalog.study_complete_due(at(2), 10).await.unwrap(), [(key.clone(), 1)]);
    let journey = catalog.study_journey(&key).await.unwrap().unwrap();
    assert_eq!(journey.revisions[0].completed_by, CompletedBy::ExpectedCount);

    // Announced after everything came.
    let late =
        store(&catalog, instance("8", 1, "c", at(3))).await.study_key().expect("an instance has a study").clone();
    catalog.study_expect(&uid("1.2.8"), 1, at(4)).await.unwrap();
    assert_eq!(catalog.study_complete_due(at(4), 10).await.unwrap(), [(late, 1)]);

    let said =
        store(&catalog, instance("9", 1, "d", at(5))).await.study_key().expect("an instance has a study").clone();
    for _ in 0..2 {
        assert_eq!(catalog.study_complete(&said, "user:anna", at(6)).await.unwrap(), 1);
    }
    assert_eq!(catalog.study_complete_due(at(1000), 10).await.unwrap(), []);
    assert_eq!(catalog.job_list(&JobFilter::default(), 10).await.unwrap().len(), 3);
    all_is_well(&catalog).await;
}

pub(super) async fn late_image_reopens(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let key = complete_study(&catalog, "7").await;
    let first_set = catalog.study_journey(&key).await.unwrap().unwrap().revisions[0].instance_set;
    // What is held already does not reopen.
    store(&catalog, instance("7", 1, "7 bytes", at(100))).await;
    assert_eq!(catalog.study_get(&key).await.unwrap().unwrap().state, StudyState::Complete);

    let late = store(&catalog, instance("7", 2, "late", at(101))).await;
    assert_eq!(late, IntakeOutcome::Late { study_key: key.clone(), revision: 2 });
    let later = store(&catalog, instance("7", 3, "later", at(102))).await;
    assert_eq!(later, IntakeOutcome::Late { study_key: key.clone(), revision: 2 });
    assert_eq!(catalog.study_complete_due(at(102 + QUIET), 10).await.unwrap(), [(key.clone(), 2)]);

    let n_in = |facts: StudyFacts| facts.instances().count();
    assert_eq!(n_in(catalog.study_facts(&key, 1).await.unwrap()), 1, "a revision is an exact set");
    assert_eq!(n_in(catalog.study_facts(&key, 2).await.unwrap()), 3);
    let journey = catalog.study_journey(&key).await.unwrap().unwrap();
    assert_eq!(journey.revisions.len(), 2);
    assert_ne!(journey.revisions[1].instance_set, first_set);
    let kinds: Vec<&str> = journey.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["instance_stored", "study_completed", "study_reopened", "study_completed"]);
    assert_eq!(journey.open, [(1, "cxr".to_owned()), (2, "cxr".to_owned())]);
    let evaluations = JobFilter { kinds: vec![JobKind::Evaluate], ..JobFilter::default() };
    assert_eq!(catalog.job_list(&evaluations, 10).await.unwrap().len(), 2);
    all_is_well(&catalog).await;
}

pub(super) async fn reads_of_studies(url: String) {
    let catalog = open(&url).await;
    let mut keys = vec![];
    for study in 1..=5 {
        keys.push(
            store(&catalog, instance(&study.to_string(), 1, "x", at(study)))
                .await
                .study_key()
                .expect("an instance has a study")
                .clone(),
        );
    }
    keys.reverse();
    let listed = |filter: StudyFilter, limit| {
        let catalog = catalog.clone();
        async move {
            let studies = catalog.study_list(&filter, limit).await.unwrap();
            studies.into_iter().map(|study| study.key).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(StudyFilter::default(), 2).await, keys[..2]);
    let page = StudyFilter { after: Some(keys[1].clone()), ..StudyFilter::default() };
    assert_eq!(listed(page, 10).await, keys[2..]);
    let accession = StudyFilter { accession_number: Some(Phi::new("ACC4".into())), ..StudyFilter::default() };
    assert_eq!(listed(accession, 10).await, keys[1..2]);
    let window = StudyFilter { received_from: Some(at(2)), received_before: Some(at(4)), ..StudyFilter::default() };
    assert_eq!(listed(window, 10).await, keys[2..4]);
    let modality = StudyFilter { modality: Some("MR".into()), ..StudyFilter::default() };
    assert_eq!(listed(modality, 10).await, []);
    let state = StudyFilter { state: Some(StudyState::Receiving), ..StudyFilter::default() };
    assert_eq!(listed(state, 10).await.len(), 5);
    for filter in [
        StudyFilter { deployment: Some("cxr".into()), ..StudyFilter::default() },
        StudyFilter { disposition: Some("analysed".into()), ..StudyFilter::default() },
        StudyFilter { disposition: Some("analysed".into()), deployment: Some("cxr".into()), ..StudyFilter::default() },
    ] {
        assert_eq!(listed(filter, 10).await, []);
    }
    catalog.study_complete_due(at(1000), 3).await.unwrap();
    assert_eq!(catalog.study_facts_recent(10).await.unwrap().len(), 3, "at most as many as asked for");
    assert_eq!(catalog.study_by_uid(&uid("1.2.3")).await.unwrap().unwrap().key, keys[2]);
    assert!(catalog.study_by_uid(&uid("1.2.33")).await.unwrap().is_none());
}

/// Headers come back as they went in, in every script; NUL, which PostgreSQL cannot hold, does no harm.
pub(super) async fn text_survives(url: String) {
    let catalog = open(&url).await;
    let mut odd = instance("7", 1, "a", at(0));
    let names = ["Yamada^Tarou=山田^太郎=やまだ^たろう", "Müller'; DROP TABLE study; --", "", "a\0b\u{1}\\ \"x\""];
    odd.header.attributes.insert("PatientName".into(), Phi::new(names.map(str::to_owned).to_vec()));
    odd.header.attributes.insert("AccessionNumber".into(), Phi::new(vec!["A\0C'C".into()]));
    odd.header.attributes.insert("StudyDescription".into(), Phi::new(vec![]));
    store(&catalog, odd.clone()).await;
    let held = catalog.instance_versions(&odd.header.sop_instance_uid).await.unwrap();
    assert_eq!(held[0].header, odd.header);
    let study = catalog.study_by_uid(&odd.header.study_instance_uid).await.unwrap().unwrap();
    assert_eq!(study.accession_number.reveal(), "A\u{fffd}C'C");
    assert_eq!(study.first_header, odd.header);
}
