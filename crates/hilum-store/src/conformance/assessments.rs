use super::labels::{analysed, label};
use super::material::{all_is_well, at, instance, open, spec, store, uid};
use super::release::{kind_of, must_take, take};
use crate::assessments::{DueAssessment, Told};
use crate::labels::{NewLabel, signed_in_origin};
use crate::records::{DeliveryOutcome, IntakeOutcome, NewResult, ResultKind};
use crate::{Catalog, ErrorKind, JobKind, StudyKey};
use hilum_audit::AuditAction;
use hilum_monitor::{Agreement, LabelSource};
use hilum_registry::monitoring::AuditSamplePlan;
use hilum_registry::{DeploymentState, MonitoringPlan, ReadingMode};
use hilum_types::Digest;
use std::sync::Arc;

fn wanting() -> Vec<String> {
    vec!["pacs".to_owned(), "another".to_owned()]
}

/// Quiet time.
const QUIET: u32 = 10;

/// Everything that is due one quiet time after `now`.
async fn due(catalog: &Arc<dyn Catalog>, now: i64) -> Vec<DueAssessment> {
    catalog.assessments_due(&wanting(), at(now + i64::from(QUIET)), QUIET, 10).await.unwrap()
}

/// End the next delivery that is due like this.
async fn deliver(catalog: &Arc<dyn Catalog>, ended: &DeliveryOutcome, now: i64) {
    let job = must_take(catalog, JobKind::Deliver, at(now)).await;
    catalog.delivery_record(&job.lease(), ended, at(now)).await.unwrap();
}

/// A study whose result the archive holds.
async fn delivered(catalog: &Arc<dyn Catalog>) -> StudyKey {
    let key = analysed(catalog, &spec("cxr", DeploymentState::Active), "7").await;
    deliver(catalog, &DeliveryOutcome::Delivered, 120).await;
    key
}

pub(super) async fn answer(catalog: &Arc<dyn Catalog>, study: &StudyKey, by: &str, agreement: Agreement, now: i64) {
    let new = NewLabel { agreement: Some(agreement), ..signed_in(study, by, now) };
    catalog.label_add(&new, at(now)).await.unwrap();
}

/// What somebody who has signed in says is true.
fn signed_in(study: &StudyKey, by: &str, now: i64) -> NewLabel {
    label(&format!("{}{now}", signed_in_origin(by)), study, by, at(now))
}

/// A report as the encoder would hand it over; the catalog does not look into it.
pub(super) fn report(due: &DueAssessment) -> NewResult {
    let bytes = format!("assessment {} {} {}", due.study_key, due.reader, due.number);
    NewResult {
        kind: ResultKind::AssessmentReport,
        index: 0,
        sop_instance_uid: hilum_types::Uid::derived(&[&bytes]),
        sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.88.22"),
        transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
        blob: Digest::of(bytes.as_bytes()),
        size: bytes.len() as u64,
    }
}

/// AV-19: an answer leaves once, to whoever holds the result, whoever asks how often; and the books stay as they are.
pub(super) async fn answers_leave_once_as_reports(url: String) {
    let catalog = open(&url).await;
    let key = delivered(&catalog).await;
    let books = catalog.books("2026-11-01", "2026-12-31").await.unwrap();
    answer(&catalog, &key, "user:anna", Agreement::Disagree, 200).await;
    assert_eq!(due(&catalog, 199).await, [], "the quiet time is not over");
    let found = due(&catalog, 200).await;
    let [one] = &found[..] else { panic!("one answer: {found:?}") };
    assert_eq!((&one.study_key, one.revision, one.deployment.as_str()), (&key, 1, "cxr"));
    assert_eq!((one.reader.as_str(), one.answered_at, one.number, one.predecessor), ("user:anna", at(200), 1, None));
    assert_eq!((one.destinations.as_slice(), one.results.len()), (&["pacs".to_owned()][..], 1));
    let said = &one.said[0];
    assert_eq!((one.said.len(), said.label.agreement), (1, Some(Agreement::Disagree)));
    assert_eq!(said.comment.as_ref().map(|comment| comment.reveal().as_str()), Some("CANARY remark"));
    assert_eq!((one.package, &one.record["format"]), (Digest::of(b"package"), &1.into()));

    let object = report(one);
    assert!(catalog.assessment_told(one, Told::Report(&object), at(300)).await.unwrap());
    assert!(!catalog.assessment_told(one, Told::Report(&object), at(300)).await.unwrap(), "another worker was first");
    assert_eq!(due(&catalog, 1000).await, []);
    // Nothing about the deployment holds it up.
    catalog.deployment_suspend("cxr", "user:anna", "wrong side", at(301)).await.unwrap();
    let job = must_take(&catalog, JobKind::Deliver, at(302)).await;
    let sent = catalog.delivery_get(job.delivery_key.as_ref().unwrap()).await.unwrap().unwrap();
    assert_eq!((sent.result.kind, sent.result.blob, sent.destination.as_str()), (object.kind, object.blob, "pacs"));
    assert_eq!((sent.result.deployment.as_str(), sent.result.released), ("", true));
    catalog.delivery_record(&job.lease(), &DeliveryOutcome::Delivered, at(303)).await.unwrap();
    assert!(take(&catalog, JobKind::Deliver, at(1000)).await.is_none(), "one report, one destination");
    assert_eq!(catalog.books("2026-11-01", "2026-12-31").await.unwrap(), books, "it is no result of an analysis");
    let released = catalog.audit_page(0, 1000).await.unwrap().into_iter().map(|entry| entry.event);
    let released = released.filter(|event| event.action == AuditAction::AssessmentReportReleased);
    assert_eq!(released.count(), 1);

    // It comes back from the archive: it is ours, no image of the study, and nobody answered anything.
    let mut back = instance("7", 9, "the report", at(400));
    back.header.sop_instance_uid = object.sop_instance_uid.clone();
    back.header.sop_class_uid = object.sop_class_uid.clone();
    assert_eq!(store(&catalog, back).await, IntakeOutcome::OwnResult { study_key: key.clone() });
    assert!(take(&catalog, JobKind::Inspect, at(1000)).await.is_none());
    assert_eq!(catalog.label_list(&Default::default(), 10).await.unwrap().len(), 1);
    all_is_well(&catalog).await;
}

/// A later answer makes a report that names the one before; one that comes while a report is written is not lost.
pub(super) async fn a_correction_takes_the_place_of_the_report_before(url: String) {
    let catalog = open(&url).await;
    let key = delivered(&catalog).await;
    answer(&catalog, &key, "user:anna", Agreement::Agree, 200).await;
    answer(&catalog, &key, "user:bo", Agreement::Agree, 201).await;
    let found = due(&catalog, 300).await;
    let told: Vec<(&str, usize)> = found.iter().map(|one| (one.reader.as_str(), one.said.len())).collect();
    assert_eq!(told, [("user:anna", 1), ("user:bo", 1)], "each reader has a report of their own");
    answer(&catalog, &key, "user:anna", Agreement::Disagree, 310).await;
    let stale = report(&found[0]);
    assert!(!catalog.assessment_told(&found[0], Told::Report(&stale), at(311)).await.unwrap(), "she has said more");
    let found = due(&catalog, 310).await;
    let anna = found.iter().find(|one| one.reader == "user:anna").expect("she is still due");
    assert_eq!((anna.said.len(), anna.number, anna.answered_at), (2, 1, at(310)));
    let first = report(anna);
    assert!(catalog.assessment_told(anna, Told::Report(&first), at(320)).await.unwrap());
    answer(&catalog, &key, "user:anna", Agreement::Correct, 400).await;
    let readers: Vec<String> = due(&catalog, 400).await.into_iter().map(|one| one.reader).collect();
    assert_eq!(readers, ["user:bo"], "a correction must not overtake what it corrects");
    deliver(&catalog, &DeliveryOutcome::Delivered, 401).await;
    let found = due(&catalog, 400).await;
    let anna = found.iter().find(|one| one.reader == "user:anna").expect("she has answered again");
    assert_eq!((anna.said.len(), anna.number, anna.predecessor), (3, 2, Some(first.blob)));
    assert!(catalog.assessment_told(anna, Told::Report(&report(anna)), at(410)).await.unwrap());
    let journey = catalog.study_journey(&key).await.unwrap().unwrap();
    let reports = journey.results.iter().filter(|result| result.kind == ResultKind::AssessmentReport);
    assert_eq!(reports.map(|result| result.index).collect::<Vec<_>>(), [0, 1]);
    // A report that cannot be made is told to people, and not tried for ever.
    let bo = due(&catalog, 500).await.remove(0);
    assert!(catalog.assessment_told(&bo, Told::Failed("a stored result is damaged"), at(500)).await.unwrap());
    assert_eq!(catalog.alarm_list(true, 10).await.unwrap()[0].code, "assessment-unsent");
    assert_eq!(due(&catalog, 1000).await, []);
    all_is_well(&catalog).await;
}

/// AV-19: a report that was given up and corrected meanwhile does not leave after its correction, whoever asks for it.
pub(super) async fn a_report_that_was_corrected_stays_back(url: String) {
    let catalog = open(&url).await;
    let key = delivered(&catalog).await;
    let tell = async |agreement, now| {
        answer(&catalog, &key, "user:anna", agreement, now).await;
        let found = due(&catalog, now).await.remove(0);
        assert!(catalog.assessment_told(&found, Told::Report(&report(&found)), at(now + 20)).await.unwrap());
    };
    tell(Agreement::Agree, 200).await;
    let given_up = must_take(&catalog, JobKind::Deliver, at(230)).await;
    let dead = DeliveryOutcome::Dead { error: "refused: 0122".into() };
    catalog.delivery_record(&given_up.lease(), &dead, at(231)).await.unwrap();
    let first = given_up.delivery_key.unwrap();
    catalog.delivery_retry(&first, "user:bo", at(232)).await.expect("nothing has taken its place yet");
    deliver(&catalog, &dead, 233).await;
    tell(Agreement::Disagree, 300).await;
    let retried = catalog.delivery_retry(&first, "user:bo", at(330)).await;
    assert!(retried.unwrap_err().to_string().contains("a later report of the same reader took its place"));
    deliver(&catalog, &DeliveryOutcome::Delivered, 331).await;
    assert!(take(&catalog, JobKind::Deliver, at(1000)).await.is_none());
}

/// The last word of a reader is the one that was given last, also when the clock was set back before it; and a list that was
/// made while it was given is out of date.
pub(super) async fn a_clock_that_goes_back_keeps_the_order_of_answers(url: String) {
    let catalog = open(&url).await;
    let key = delivered(&catalog).await;
    answer(&catalog, &key, "user:anna", Agreement::Agree, 300).await;
    answer(&catalog, &key, "user:anna", Agreement::Disagree, 200).await;
    let one = due(&catalog, 200).await.remove(0);
    let said: Vec<_> = one.said.iter().map(|said| said.label.agreement).collect();
    assert_eq!(said, [Some(Agreement::Agree), Some(Agreement::Disagree)]);
    let stale = DueAssessment { answered_at: at(300), ..one.clone() };
    assert!(!catalog.assessment_told(&stale, Told::Report(&report(&stale)), at(400)).await.unwrap());
    assert!(catalog.assessment_told(&one, Told::Report(&report(&one)), at(400)).await.unwrap());
    // Answered while the clock was ten years ahead; then it was put right.
    answer(&catalog, &key, "user:bo", Agreement::Agree, 10 * 365 * 86_400).await;
    let readers: Vec<String> = due(&catalog, 500).await.into_iter().map(|one| one.reader).collect();
    assert_eq!(readers, ["user:bo"]);
    all_is_well(&catalog).await;
}

/// What others said, first impressions, cases of the audit sample, and what nobody saw stay here.
pub(super) async fn only_what_may_be_told_is_due(url: String) {
    let catalog = open(&url).await;
    let key = delivered(&catalog).await;
    answer(&catalog, &key, "peer:PACS", Agreement::Agree, 200).await;
    let follow_up = NewLabel { source: LabelSource::FollowUp, ..signed_in(&key, "user:anna", 201) };
    catalog.label_add(&follow_up, at(201)).await.unwrap();
    // Nobody signs in at a terminal, so whose name stands there is not proven.
    let typed = NewLabel { agreement: Some(Agreement::Agree), ..label("terminal:1", &key, "user:anna", at(202)) };
    catalog.label_add(&typed, at(202)).await.unwrap();
    assert_eq!(due(&catalog, 1000).await, []);

    let declare = async |mode: ReadingMode, now: i64| {
        let mut spec = spec("cxr", DeploymentState::Active);
        spec.reading_mode = mode;
        catalog.deployment_apply(&spec, Digest::of(b"package"), "user:test", at(now)).await.unwrap();
    };
    declare(ReadingMode::AfterFirstRead, 210).await;
    catalog.label_add(&signed_in(&key, "user:anna", 220), at(220)).await.unwrap();
    // Somebody without a first impression answers all the same: it is not told either.
    answer(&catalog, &key, "user:cy", Agreement::Agree, 221).await;
    assert_eq!(due(&catalog, 1000).await, [], "the result was hidden from both");
    answer(&catalog, &key, "user:anna", Agreement::Agree, 222).await;
    let readers: Vec<String> = due(&catalog, 1000).await.into_iter().map(|one| one.reader).collect();
    assert_eq!(readers, ["user:anna"], "her first impression has revealed it to her");
    let one = due(&catalog, 1000).await.remove(0);
    let said: Vec<_> = one.said.iter().map(|said| said.label.recorded_at).collect();
    assert_eq!(said, [at(222)], "neither what was typed in her name nor her first impression");
    assert!(catalog.assessment_told(&one, Told::Nobody, at(1000)).await.unwrap());
    answer(&catalog, &key, "user:cy", Agreement::Disagree, 230).await;
    let cy = due(&catalog, 1000).await.remove(0);
    assert_eq!((cy.reader.as_str(), cy.said.len()), ("user:cy", 1), "the result was hidden from the first answer");
    assert!(catalog.assessment_told(&cy, Told::Nobody, at(1000)).await.unwrap());

    declare(ReadingMode::Shadow, 300).await;
    answer(&catalog, &key, "user:bo", Agreement::Agree, 310).await;
    assert_eq!(due(&catalog, 1000).await, [], "nobody should have seen it");
    all_is_well(&catalog).await;
}

/// Whoever holds the result and wants reports is told; what is on its way is waited for, and nobody else is told.
pub(super) async fn reports_go_to_whoever_holds_the_result(url: String) {
    let catalog = open(&url).await;
    let key = analysed(&catalog, &spec("cxr", DeploymentState::Active), "7").await;
    answer(&catalog, &key, "user:anna", Agreement::Agree, 200).await;
    assert_eq!(due(&catalog, 1000).await, [], "the result is on its way");
    let others = catalog.assessments_due(&["another".to_owned()], at(1000), 0, 10).await.unwrap();
    let nobody = catalog.assessments_due(&[], at(1000), 0, 10).await.unwrap();
    assert_eq!((others[0].destinations.len(), nobody[0].destinations.len()), (0, 0), "they do not hold it");
    let refused = catalog.assessment_told(&nobody[0], Told::Report(&report(&nobody[0])), at(1000)).await;
    assert_eq!(kind_of(refused), Some(ErrorKind::Bug));
    deliver(&catalog, &DeliveryOutcome::Dead { error: "refused with status 0110".into() }, 300).await;
    let found = due(&catalog, 1000).await;
    assert_eq!((found.len(), found[0].destinations.len()), (1, 0), "it never got there");
    assert!(catalog.assessment_told(&found[0], Told::Nobody, at(1000)).await.unwrap());
    assert_eq!(due(&catalog, 1000).await, []);
    assert!(take(&catalog, JobKind::Deliver, at(2000)).await.is_none());
    all_is_well(&catalog).await;
}

/// A case of the audit sample is told to nobody: others may still be asked.
pub(super) async fn a_case_of_the_audit_sample_is_not_told(url: String) {
    let catalog = open(&url).await;
    let mut drawn = spec("cxr", DeploymentState::Active);
    let mut plan = MonitoringPlan::default();
    plan.labels.audit_sample =
        Some(AuditSamplePlan { seed: "2026".into(), positive: 0.0, negative: 1.0, indeterminate: None });
    drawn.monitoring = Some(plan);
    let key = analysed(&catalog, &drawn, "7").await;
    deliver(&catalog, &DeliveryOutcome::Delivered, 120).await;
    assert_eq!(catalog.audit_sample_list("cxr", true, 10).await.unwrap().len(), 1);
    answer(&catalog, &key, "user:anna", Agreement::Agree, 200).await;
    assert_eq!(due(&catalog, 9000).await, []);
    all_is_well(&catalog).await;
}
