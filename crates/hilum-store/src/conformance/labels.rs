use super::material::{add_package, all_is_well, at, complete_study, open, spec};
use super::release::{kind_of, must_take, outcome, run};
use crate::labels::{AskedFinding, LabelFilter, NewLabel, NewReport, ReportFilter, ReportSource, ToldTo, Untied};
use crate::{Catalog, ErrorKind, JobKind, StudyKey};
use hilum_monitor::audit_sample::Stratum;
use hilum_monitor::report::ReportStatus;
use hilum_monitor::{Agreement, LabelSource, Truth};
use hilum_registry::monitoring::AuditSamplePlan;
use hilum_registry::{DeploymentSpec, DeploymentState, MonitoringPlan, ReadingMode};
use hilum_types::{Digest, Disposition, Exposure, Independence, Phi, Reason, Timestamp};
use serde_json::json;
use std::sync::Arc;

/// A deployment that finds `pneumonia`, and a study that it analysed at 112 s.
pub(super) async fn analysed(catalog: &Arc<dyn Catalog>, spec: &DeploymentSpec, study: &str) -> StudyKey {
    let package = add_package(catalog).await;
    catalog.deployment_apply(spec, package, "user:test", at(-900)).await.unwrap();
    analyse(catalog, &spec.name, &[], study, spec.state != DeploymentState::Shadow).await
}

/// A study that the deployment analyses and the others are not meant for.
async fn analyse(
    catalog: &Arc<dyn Catalog>,
    deployment: &str,
    others: &[&str],
    study: &str,
    release: bool,
) -> StudyKey {
    let key = complete_study(catalog, study).await;
    let job = must_take(catalog, JobKind::Evaluate, at(100)).await;
    let mut evaluation = run(&key, 1, deployment);
    let not_eligible = || Disposition::NotEligible(Reason::new("intended-use.modality", "modality is CT"));
    evaluation.dispositions = others.iter().map(|name| ((*name).to_owned(), not_eligible())).collect();
    catalog.evaluation_record(&job.lease(), &evaluation, at(100)).await.unwrap();
    let job = must_take(catalog, JobKind::Infer, at(101)).await;
    let mut outcome = outcome(&key, 1, deployment, if release { &["pacs"] } else { &[] });
    outcome.record = json!({ "format": 1, "output": { "findings": [{
        "label": "pneumonia", "presence": "absent", "score": 0.1, "operating_point": 0.5, "location": null,
        "measurements": [], "images": [],
        "concept": { "value": "233604007", "scheme": "SCT", "meaning": "Pneumonia" },
    }], "segments": [], "inputs": [] } });
    catalog.inference_record(&job.lease(), &outcome, at(112)).await.unwrap();
    key
}

pub(super) fn label(origin: &str, study: &StudyKey, by: &str, decided_at: Timestamp) -> NewLabel {
    NewLabel {
        origin: origin.into(),
        study_key: study.clone(),
        revision: None,
        deployment: "cxr".into(),
        finding: "pneumonia".into(),
        truth: Truth::Present,
        agreement: None,
        source: LabelSource::Assessment,
        extractor: None,
        extractor_measured: false,
        decided_at,
        report: None,
        comment: Some(Phi::new("CANARY remark".into())),
        by: by.into(),
    }
}

/// MV-24, MV-27: exposure is derived from what had left, and what was known when is kept.
pub(super) async fn exposure_is_derived(url: String) {
    let catalog = open(&url).await;
    let key = analysed(&catalog, &spec("cxr", DeploymentState::Active), "7").await;
    let seen = catalog.label_add(&label("a:1", &key, "user:anna", at(200)), at(200)).await.unwrap();
    assert_eq!((seen.exposure, seen.class()), (Exposure::Exposed, Independence::DirectlyExposed));
    assert_eq!((seen.event_at, seen.recorded_at, seen.revision), (at(60), at(200), 1));
    let before = NewLabel { source: LabelSource::Report, ..label("r:1", &key, "extractor:x", at(90)) };
    let before = catalog.label_add(&before, at(210)).await.unwrap();
    assert_eq!(before.class(), Independence::Unexposed, "the report was written before the result was released");
    let after = NewLabel { source: LabelSource::Report, ..label("r:2", &key, "extractor:x", at(300)) };
    assert_eq!(catalog.label_add(&after, at(310)).await.unwrap().class(), Independence::IndirectlyExposed);
    let known = async |until| {
        let filter = LabelFilter {
            deployment: Some("cxr".into()),
            study_key: Some(key.clone()),
            until,
            ..LabelFilter::default()
        };
        catalog.label_list(&filter, 10).await.unwrap().len()
    };
    assert_eq!((known(Some(at(199))).await, known(Some(at(210))).await, known(None).await), (0, 2, 3));
    all_is_well(&catalog).await;
}

pub(super) async fn what_nobody_saw_is_unexposed(url: String) {
    let catalog = open(&url).await;
    let key = analysed(&catalog, &spec("cxr", DeploymentState::Shadow), "7").await;
    let shadow = catalog.label_add(&label("a:1", &key, "user:anna", at(200)), at(200)).await.unwrap();
    assert_eq!(shadow.class(), Independence::Unexposed);
    // Whoever answers it has it from somewhere, and says what it said.
    let answer = NewLabel { agreement: Some(Agreement::Agree), ..label("a:2", &key, "user:bo", at(201)) };
    let answered = catalog.label_add(&answer, at(201)).await.unwrap();
    assert_eq!((answered.exposure, answered.class()), (Exposure::Exposed, Independence::DirectlyExposed));
    all_is_well(&catalog).await;
}

/// The reader who saves a first impression is unexposed until then, and exposed from then on; others stay as they are.
pub(super) async fn a_first_impression_reveals(url: String) {
    let catalog = open(&url).await;
    let mut spec = spec("cxr", DeploymentState::Active);
    spec.reading_mode = ReadingMode::AfterFirstRead;
    let key = analysed(&catalog, &spec, "7").await;
    let mut class = Vec::new();
    for (origin, by, second) in [("a:1", "user:anna", 200), ("a:2", "user:anna", 201), ("b:1", "user:bo", 202)] {
        let added = catalog.label_add(&label(origin, &key, by, at(second)), at(second)).await.unwrap();
        class.push(added.independence);
    }
    // Cy has saved none, and answers the model all the same.
    let told = NewLabel { agreement: Some(Agreement::Disagree), ..label("c:1", &key, "user:cy", at(203)) };
    let told = catalog.label_add(&told, at(203)).await.unwrap();
    assert_eq!(told.independence, Some(Independence::DirectlyExposed));
    let peer = catalog.label_add(&label("p:1", &key, "peer:PACS", at(203)), at(203)).await.unwrap();
    use Independence::{DirectlyExposed, Unexposed};
    assert_eq!(class, [Some(Unexposed), Some(DirectlyExposed), Some(Unexposed)]);
    assert_eq!((peer.exposure, peer.independence, peer.class()), (Exposure::Unknown, None, DirectlyExposed));
    let readers: Vec<String> =
        catalog.first_read_list(&key).await.unwrap().into_iter().map(|first| first.reader).collect();
    assert_eq!(readers, ["user:anna", "user:bo", "user:cy"]);
    all_is_well(&catalog).await;
}

/// What readers saw is judged by what was declared when they saw it.
pub(super) async fn exposure_is_that_of_its_time(url: String) {
    let catalog = open(&url).await;
    let alongside = spec("cxr", DeploymentState::Active);
    let first = analysed(&catalog, &alongside, "7").await;
    let declare = async |mode, second| {
        let spec = DeploymentSpec { reading_mode: mode, ..alongside.clone() };
        catalog.deployment_apply(&spec, Digest::of(b"package"), "user:test", at(second)).await.unwrap();
    };
    let class = async |study: &StudyKey, second: i64| {
        let new = label(&format!("a:{study}:{second}"), study, "user:anna", at(second));
        catalog.label_add(&new, at(second.max(1000))).await.unwrap().class()
    };
    declare(ReadingMode::Shadow, 150).await;
    assert_eq!(class(&first, 200).await, Independence::DirectlyExposed, "it was released for everybody to see");
    declare(ReadingMode::AfterFirstRead, 250).await;
    assert_eq!(class(&first, 300).await, Independence::DirectlyExposed);
    let second = complete_study(&catalog, "8").await;
    let job = must_take(&catalog, JobKind::Evaluate, at(400)).await;
    catalog.evaluation_record(&job.lease(), &run(&second, 1, "cxr"), at(400)).await.unwrap();
    let job = must_take(&catalog, JobKind::Infer, at(401)).await;
    let outcome = crate::records::InferenceOutcome { deployment_revision: 3, ..outcome(&second, 1, "cxr", &["pacs"]) };
    catalog.inference_record(&job.lease(), &outcome, at(402)).await.unwrap();
    declare(ReadingMode::Alongside, 500).await;
    assert_eq!(class(&second, 450).await, Independence::Unexposed, "decided while it was hidden");
    assert_eq!(class(&second, 550).await, Independence::DirectlyExposed, "it was hidden no more");
    all_is_well(&catalog).await;
}

/// When somebody decided is kept, and nobody decides before there is a study, or later than now.
pub(super) async fn a_time_of_decision_is_possible_and_kept(url: String) {
    let catalog = open(&url).await;
    let key = analysed(&catalog, &spec("cxr", DeploymentState::Active), "7").await;
    let kept = catalog.label_add(&label("a:1", &key, "user:anna", at(90)), at(200)).await.unwrap();
    assert_eq!((kept.decided_at, kept.class()), (Some(at(90)), Independence::Unexposed));
    assert_eq!(catalog.label_of_origin("a:1").await.unwrap(), Some(kept));
    assert_eq!(catalog.label_of_origin("a:2").await.unwrap(), None);
    let told = catalog.audit_page(0, 1000).await.unwrap().pop().unwrap();
    let detail: serde_json::Value = serde_json::from_str(&told.event.detail).unwrap();
    assert_eq!(detail["decided_at"], json!(at(90)));
    for source in [LabelSource::Assessment, LabelSource::Adjudication, LabelSource::FollowUp] {
        for second in [-1, 201] {
            let odd = NewLabel { source, ..label("a:2", &key, "user:anna", at(second)) };
            assert_eq!(
                kind_of(catalog.label_add(&odd, at(200)).await),
                Some(ErrorKind::Conflict),
                "{source:?} {second}"
            );
        }
    }
    let report = NewLabel { source: LabelSource::Report, ..label("r:1", &key, "extractor:x", at(-1)) };
    assert!(catalog.label_add(&report, at(200)).await.is_ok(), "a report has a clock of its own");
    all_is_well(&catalog).await;
}

/// What others said is not told of what is hidden, and of cases of the audit sample.
pub(super) async fn labels_are_told_to_whom_they_may(url: String) {
    let catalog = open(&url).await;
    let mut hidden = spec("cxr", DeploymentState::Active);
    hidden.reading_mode = ReadingMode::AfterFirstRead;
    let key = analysed(&catalog, &hidden, "7").await;
    catalog.label_add(&label("a:1", &key, "user:anna", at(200)), at(200)).await.unwrap();
    let told = async |told_to: ToldTo| {
        let all = catalog.label_list(&LabelFilter { told_to, ..LabelFilter::default() }, 10).await.unwrap();
        all.into_iter().map(|label| label.by).collect::<Vec<_>>()
    };
    let reader = |name: &str| ToldTo::Reader(format!("user:{name}"));
    assert_eq!(told(ToldTo::Overseer).await, ["user:anna"]);
    assert_eq!(told(ToldTo::Anybody).await, [""; 0]);
    assert_eq!((told(reader("anna")).await, told(reader("bo")).await), (vec!["user:anna".to_owned()], vec![]));
    catalog.label_add(&label("b:1", &key, "user:bo", at(201)), at(201)).await.unwrap();
    assert_eq!(told(reader("bo")).await, ["user:bo", "user:anna"], "it is hidden from bo no more");
    // Shown to everybody, but drawn for adjudication.
    let mut drawn = spec("other", DeploymentState::Active);
    let mut plan = MonitoringPlan::default();
    plan.labels.audit_sample =
        Some(AuditSamplePlan { seed: "2026".into(), positive: 0.0, negative: 1.0, indeterminate: None });
    drawn.monitoring = Some(plan);
    catalog.deployment_apply(&drawn, Digest::of(b"package"), "user:test", at(-800)).await.unwrap();
    let plain = spec("plain", DeploymentState::Active);
    catalog.deployment_apply(&plain, Digest::of(b"package"), "user:test", at(-800)).await.unwrap();
    for (study, deployment, others, second) in
        [("8", "other", ["cxr", "plain"], 210), ("9", "plain", ["cxr", "other"], 211)]
    {
        let key = analyse(&catalog, deployment, &others, study, true).await;
        let by = format!("user:{deployment}");
        let new = NewLabel { deployment: deployment.into(), ..label(&by, &key, &by, at(200)) };
        catalog.label_add(&new, at(second)).await.unwrap();
    }
    assert_eq!(told(ToldTo::Anybody).await, ["user:plain"]);
    assert_eq!(told(reader("other")).await, ["user:plain", "user:other"]);
    all_is_well(&catalog).await;
}

pub(super) async fn a_label_is_entered_once(url: String) {
    let catalog = open(&url).await;
    let key = analysed(&catalog, &spec("cxr", DeploymentState::Active), "7").await;
    let first = catalog.label_add(&label("a:1", &key, "user:anna", at(200)), at(200)).await.unwrap();
    let head = catalog.audit_head().await.unwrap();
    assert_eq!(catalog.label_add(&label("a:1", &key, "user:anna", at(300)), at(300)).await.unwrap(), first);
    assert_eq!(catalog.audit_head().await.unwrap(), head, "a repetition is no act");
    let other = NewLabel { truth: Truth::Absent, ..label("a:1", &key, "user:anna", at(300)) };
    assert_eq!(kind_of(catalog.label_add(&other, at(300)).await), Some(ErrorKind::Conflict));
    let unknown = NewLabel { deployment: "none".into(), ..label("a:2", &key, "user:anna", at(300)) };
    let both = [label("a:3", &key, "user:anna", at(300)), unknown];
    assert_eq!(kind_of(catalog.labels_add(&both, at(300)).await), Some(ErrorKind::NotFound));
    assert_eq!(catalog.label_list(&LabelFilter::default(), 10).await.unwrap(), [first], "all or none");
    all_is_well(&catalog).await;
}

/// AV-19.
pub(super) async fn an_answer_without_a_target_is_kept(url: String) {
    let catalog = open(&url).await;
    let told = Untied {
        origin: "sr:1".into(),
        target: Some("1.2.99".parse().unwrap()),
        deployment: None,
        finding: None,
        agreement: Some(Agreement::Agree),
        truth: None,
        comment: None,
        by: "peer:PACS".into(),
        reason: Reason::new("assessment.unknown-target", "the result is not known here"),
    };
    let kept = catalog.label_set_aside(&told, at(1)).await.unwrap();
    assert_eq!(catalog.label_set_aside(&told, at(2)).await.unwrap(), kept);
    assert_eq!(catalog.label_set_aside_list(10).await.unwrap(), [kept]);
    assert_eq!(catalog.alarm_list(true, 10).await.unwrap()[0].code, "assessment-untied");
    all_is_well(&catalog).await;
}

fn report(origin: &str, accession: &str, patient: &str, status: ReportStatus, second: i64) -> NewReport {
    NewReport {
        origin: Phi::new(origin.into()),
        content: Digest::of(origin.as_bytes()),
        series: Phi::new(format!("hl7|RIS|{accession}")),
        accession_number: Phi::new(accession.into()),
        patient_ids: Phi::new(vec!["OTHER".into(), patient.into()]),
        study_instance_uid: None,
        status,
        codes: vec![],
        blob: Digest::of(b"text"),
        size: 4,
        peer: "RIS".into(),
        source: ReportSource::Hl7,
        reported_at: at(second),
    }
}

/// AV-20: accession number and patient; what cannot be tied is listed with the reason.
pub(super) async fn reports_are_tied_or_listed(url: String) {
    let catalog = open(&url).await;
    complete_study(&catalog, "7").await;
    let reason = async |origin: &str, accession: &str, patient: &str| {
        let new = report(origin, accession, patient, ReportStatus::Final, 100);
        let added = catalog.report_add(&new, at(100)).await.unwrap();
        assert_eq!(added.report.study_key.is_some(), added.report.reason.is_none());
        added.report.reason.map_or_else(String::new, |reason| reason.code)
    };
    assert_eq!(reason("m1", "ACC7", "CANARY-1").await, "");
    assert_eq!(reason("m2", "ACC7", "SOMEBODY ELSE").await, "report.patient-mismatch");
    assert_eq!(reason("m3", "", "CANARY-1").await, "report.no-accession");
    assert_eq!(reason("m4", "ACC8", "CANARY-1").await, "report.no-study");
    let again = report("m1", "ACC7", "CANARY-1", ReportStatus::Final, 100);
    assert!(!catalog.report_add(&again, at(101)).await.unwrap().is_new);
    let other = NewReport { content: Digest::of(b"other"), ..again };
    assert_eq!(kind_of(catalog.report_add(&other, at(102)).await), Some(ErrorKind::Conflict));
    let of = async |linked| {
        catalog.report_list(&ReportFilter { linked, ..ReportFilter::default() }, 10).await.unwrap().len()
    };
    assert_eq!((of(None).await, of(Some(true)).await, of(Some(false)).await), (4, 1, 3));
    // The study of the fourth comes later.
    assert_eq!(catalog.report_link_due(at(0), at(110), 10).await.unwrap(), 0);
    let late = complete_study(&catalog, "8").await;
    assert_eq!(catalog.report_link_due(at(101), at(120), 10).await.unwrap(), 0, "it came too long ago");
    assert_eq!(catalog.report_link_due(at(100), at(120), 10).await.unwrap(), 1);
    let linked = ReportFilter { study_key: Some(late), ..ReportFilter::default() };
    assert_eq!(catalog.report_list(&linked, 10).await.unwrap().len(), 1);
    all_is_well(&catalog).await;
}

/// Two studies of one accession number: a report that names one of them is tied to no other, also when it comes late.
pub(super) async fn a_report_is_tied_to_the_study_it_names(url: String) {
    let catalog = open(&url).await;
    let naming = |origin: &str, study: &str| NewReport {
        study_instance_uid: Some(super::material::uid(study)),
        ..report(origin, "ACC7", "CANARY-1", ReportStatus::Final, 100)
    };
    let reason = async |key: &crate::ReportKey| {
        let all = catalog.report_list(&ReportFilter::default(), 10).await.unwrap();
        let one = all.into_iter().find(|one| one.key == *key).unwrap();
        (one.study_key, one.reason.map_or_else(String::new, |reason| reason.code))
    };
    // Nothing is held of that accession number yet; then another study of it comes first.
    let early = catalog.report_add(&naming("m1", "1.2.77"), at(100)).await.unwrap().report.key;
    assert_eq!(reason(&early).await, (None, "report.no-study".to_owned()));
    let first = complete_study(&catalog, "7").await;
    assert_eq!(catalog.report_link_due(at(0), at(110), 10).await.unwrap(), 0);
    assert_eq!(reason(&early).await, (None, "report.other-study".to_owned()));
    let late = catalog.report_add(&naming("m2", "1.2.77"), at(111)).await.unwrap().report.key;
    assert_eq!(reason(&late).await, (None, "report.other-study".to_owned()));
    let own = catalog.report_add(&naming("m3", "1.2.7"), at(112)).await.unwrap().report;
    assert_eq!(own.study_key, Some(first));
    assert_eq!(catalog.report_link_due(at(0), at(113), 10).await.unwrap(), 0);
    let mut other = super::material::instance("77", 1, "other bytes", at(120));
    other.header.attributes.insert("AccessionNumber".to_owned(), Phi::new(vec!["ACC7".to_owned()]));
    let second = super::material::store(&catalog, other).await.study_key().unwrap().clone();
    assert_eq!(catalog.report_link_due(at(0), at(130), 10).await.unwrap(), 2);
    assert_eq!(reason(&early).await, (Some(second.clone()), String::new()));
    assert_eq!(reason(&late).await, (Some(second), String::new()));
    all_is_well(&catalog).await;
}

/// The last final version counts, and each is read once for each result.
pub(super) async fn the_last_final_report_counts(url: String) {
    let catalog = open(&url).await;
    let key = analysed(&catalog, &spec("cxr", DeploymentState::Active), "7").await;
    let unread = async || catalog.report_unread(at(0), 10).await.unwrap();
    let add = async |origin: &str, status, second| {
        catalog.report_add(&report(origin, "ACC7", "CANARY-1", status, second), at(second)).await.unwrap().report
    };
    assert!(!add("m1", ReportStatus::Preliminary, 150).await.is_current);
    assert!(unread().await.is_empty(), "a preliminary report is not read");
    assert!(add("m2", ReportStatus::Final, 200).await.is_current);
    let due = unread().await;
    assert_eq!((due.len(), due[0].deployment.as_str(), due[0].revision), (1, "cxr", 1));
    let read = NewLabel {
        source: LabelSource::Report,
        report: Some(due[0].report.key.clone()),
        ..label("r:1", &key, "extractor:x", at(200))
    };
    assert_eq!(catalog.report_read(&due[0], std::slice::from_ref(&read), at(201)).await.unwrap().len(), 1);
    assert_eq!(catalog.report_read(&due[0], &[read], at(202)).await.unwrap().len(), 1);
    assert!(unread().await.is_empty());
    assert!(add("m3", ReportStatus::Corrected, 300).await.is_current);
    assert!(!add("m4", ReportStatus::Final, 250).await.is_current, "it came late and is older");
    let last = unread().await;
    assert_eq!((last.len(), last[0].report.status), (1, ReportStatus::Corrected));
    assert!(catalog.report_read(&due[0], &[], at(310)).await.unwrap().is_empty(), "it was replaced meanwhile");
    let all = catalog.report_list(&ReportFilter::default(), 10).await.unwrap();
    assert_eq!((all.len(), all.iter().filter(|report| report.is_current).count()), (4, 1));
    assert_eq!(catalog.label_list(&LabelFilter::default(), 10).await.unwrap().len(), 1);
    all_is_well(&catalog).await;
}

/// MV-26: drawn in the act that ends the study; an answer to a drawn case is an adjudication with its probability.
pub(super) async fn the_audit_sample_keeps_its_probability(url: String) {
    let catalog = open(&url).await;
    let mut spec = spec("cxr", DeploymentState::Active);
    let mut plan = MonitoringPlan::default();
    plan.labels.audit_sample =
        Some(AuditSamplePlan { seed: "2026".into(), positive: 0.0, negative: 1.0, indeterminate: None });
    spec.monitoring = Some(plan);
    let key = analysed(&catalog, &spec, "7").await;
    let open_cases = async || catalog.audit_sample_list("cxr", true, 10).await.unwrap();
    let drawn = open_cases().await;
    assert_eq!((drawn.len(), drawn[0].stratum, drawn[0].probability), (1, Stratum::Negative, 1.0));
    assert_eq!((drawn[0].seed, drawn[0].drawn_at), (Digest::of(b"2026"), at(112)));
    let worklist = catalog.audit_sample_open(at(0), 10).await.unwrap();
    let [case] = &worklist[..] else { panic!("one case: {worklist:?}") };
    assert_eq!((&case.study_key, case.revision, case.accession_number.reveal().as_str()), (&key, 1, "ACC7"));
    let asked = AskedFinding { label: "pneumonia".into(), meaning: "Pneumonia".into() };
    assert_eq!((case.findings.as_slice(), case.drawn_at), (&[asked][..], at(112)));
    assert_eq!(catalog.audit_sample_open(at(113), 10).await.unwrap(), [], "drawn before");
    let progress = async || {
        let all = catalog.audit_sample_progress(at(0)).await.unwrap();
        all.iter().map(|one| (one.deployment.clone(), one.n, one.n_done)).collect::<Vec<_>>()
    };
    assert_eq!(progress().await, [("cxr".to_owned(), 1, 0)]);
    let added = catalog.label_add(&label("a:1", &key, "user:anna", at(200)), at(200)).await.unwrap();
    assert_eq!((added.source, added.inclusion_probability), (LabelSource::Adjudication, Some(1.0)));
    assert!(open_cases().await.is_empty() && catalog.audit_sample_open(at(0), 10).await.unwrap().is_empty());
    assert_eq!(progress().await, [("cxr".to_owned(), 1, 1)]);
    let done = catalog.audit_sample_list("cxr", false, 10).await.unwrap();
    assert_eq!(done[0].adjudicated_at, Some(at(200)));
    all_is_well(&catalog).await;
}
