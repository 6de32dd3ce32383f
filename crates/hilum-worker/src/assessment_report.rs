//! Answers of readers on their way out: a quiet time after the last one, a report of them goes to the destinations that
//! want such reports and hold the result (AV-19).

use crate::infer::explicit_little_endian;
use crate::runner::{Context, describe, pause};
use bytes::Bytes;
use hilum_dicom::{Limits, read_part10_header};
use hilum_monitor::assessment::{Standing, standing};
use hilum_monitor::{Agreement, Label, Truth};
use hilum_result::{
    AssessedFinding, AssessmentRequest, Reader, TrackedFinding, Verdict, assess, tracked_findings, tracking_of,
};
use hilum_store::assessments::{DueAssessment, Told};
use hilum_store::records::{NewResult, ResultKind};
use hilum_store::{BlobStore, ErrorKind, StoreError};
use hilum_types::{CodedConcept, Digest, ImageReference, InstanceHeader, ModelOutput, Presence, Uid};
use std::time::Duration;
use tokio::sync::watch;

/// Pause between two looks at what is due, unless more is waiting.
const EVERY: Duration = Duration::from_secs(5);
/// Reports made in one round.
const ROUND: u32 = 100;

/// Tell answers as long as the worker works.
pub(crate) async fn tell_answers(context: Context, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let wait = match tell_due(&context).await {
            Ok(round) => {
                if 0 < round.n_reports {
                    tracing::info!(n_reports = round.n_reports, "answers of readers were released as reports");
                }
                round.pause()
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "answers were not told");
                EVERY
            }
        };
        if !wait.is_zero() && !pause(&mut stop, wait).await {
            return;
        }
    }
}

/// What a round did.
#[derive(Default)]
struct Round {
    /// Answers that wait no more; as many as a round takes: others may be waiting.
    n_ended: u32,
    /// Of these, those that left as a report.
    n_reports: u32,
}

impl Round {
    /// Time until the next one.
    fn pause(&self) -> Duration {
        if self.n_ended == ROUND { Duration::ZERO } else { EVERY }
    }
}

/// Whether the others of a round would end like this one.
fn is_of_all(error: &StoreError) -> bool {
    matches!(error, StoreError::CatalogUnavailable { .. } | StoreError::OutOfSpace { .. } | StoreError::ShuttingDown)
}

async fn tell_due(context: &Context) -> Result<Round, StoreError> {
    let wanting = context.destinations.iter().filter(|destination| destination.assessments);
    let wanting: Vec<String> = wanting.map(|destination| destination.name.clone()).collect();
    let (now, quiet_seconds) = (context.clock.now(), context.options.assessment_quiet_seconds);
    let mut round = Round::default();
    for due in context.catalog.assessments_due(&wanting, now, quiet_seconds, ROUND).await? {
        if let Err(error) = tell(context, &due, &mut round).await {
            if is_of_all(&error) {
                return Err(error);
            }
            // What lies in one of them must not hold up those behind it.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                study.key = %due.study_key,
                "what a reader answered was not told; it is tried again"
            );
        }
    }
    Ok(round)
}

/// The same answers give the same object, so that whoever repeats this changes nothing.
async fn tell(context: &Context, due: &DueAssessment, round: &mut Round) -> Result<(), StoreError> {
    let encoded = encode(context, due).await;
    let now = context.clock.now();
    let why = match encoded {
        Ok(Some(report)) => {
            let done = context.catalog.assessment_told(due, Told::Report(&report), now).await?;
            round.n_ended += u32::from(done);
            round.n_reports += u32::from(done);
            return Ok(());
        }
        Ok(None) => {
            round.n_ended += u32::from(context.catalog.assessment_told(due, Told::Nobody, now).await?);
            return Ok(());
        }
        Err(NoReport::Store(error)) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutOfResources) => {
            return Err(error);
        }
        Err(NoReport::Store(error)) => describe(&error),
        Err(NoReport::Object(why)) => why,
    };
    tracing::error!(study.key = %due.study_key, why, "what a reader answered could not be written as a report");
    round.n_ended += u32::from(context.catalog.assessment_told(due, Told::Failed(&why), now).await?);
    Ok(())
}

/// Why there is no report.
enum NoReport {
    Store(StoreError),
    Object(String),
}

impl From<StoreError> for NoReport {
    fn from(error: StoreError) -> NoReport {
        NoReport::Store(error)
    }
}

/// The report, its bytes durable; `None` when there is nobody to tell, or nothing that stands.
async fn encode(context: &Context, due: &DueAssessment) -> Result<Option<NewResult>, NoReport> {
    let labels: Vec<Label> = due.said.iter().map(|said| said.label.clone()).collect();
    let stands = standing(&labels);
    if due.destinations.is_empty() || stands.is_empty() {
        return Ok(None);
    }
    let output = due.record.get("output").cloned().and_then(|output| serde_json::from_value(output).ok());
    let output: ModelOutput =
        output.ok_or_else(|| NoReport::Object("the inference record holds no findings".to_owned()))?;
    let (headers, tracked) = held(context, &due.results).await?;
    let predecessor = match &due.predecessor {
        Some(digest) => Some(reference(header(&context.blobs.blob_get(digest).await?)?)),
        None => None,
    };
    let login = due.reader.strip_prefix("user:").unwrap_or(&due.reader);
    let display_name = context.catalog.user_get(login).await?.map(|user| user.display_name).unwrap_or_default();
    let answered = answered(due, &headers, &output, &tracked, &stands);
    let findings: Vec<AssessedFinding<'_>> = answered.iter().map(|one| finding(due, one)).collect();
    let assessed: Vec<&InstanceHeader> = headers.iter().collect();
    let (revision, number) = (due.revision.to_string(), due.number.to_string());
    let report = assess(&AssessmentRequest {
        assessed: &assessed,
        findings: &findings,
        reader: Reader::Proven { name: &display_name, login },
        predecessor: predecessor.as_ref(),
        now: due.answered_at,
        seed: &[due.study_key.as_str(), &revision, &due.deployment, &due.reader, &number],
    });
    let report = report.map_err(|error| NoReport::Object(describe(&error)))?;
    let stored = context.blobs.blob_put(Bytes::from(report.part10)).await?;
    Ok(Some(NewResult {
        kind: ResultKind::AssessmentReport,
        index: 0,
        sop_instance_uid: report.sop_instance_uid,
        sop_class_uid: report.sop_class_uid,
        transfer_syntax_uid: explicit_little_endian(),
        blob: stored.digest,
        size: stored.size,
    }))
}

/// Headers of the result objects as they were sent, and by which identifiers their findings can be named.
async fn held(context: &Context, results: &[Digest]) -> Result<(Vec<InstanceHeader>, Vec<TrackedFinding>), NoReport> {
    let (mut headers, mut tracked) = (Vec::with_capacity(results.len()), Vec::new());
    for digest in results {
        let bytes = context.blobs.blob_get(digest).await?;
        let header = header(&bytes)?;
        if header.sop_class_uid.as_str().starts_with("1.2.840.10008.5.1.4.1.1.88.") {
            tracked.extend(tracked_findings(&bytes, &limits()).map_err(unreadable)?);
        }
        headers.push(header);
    }
    Ok((headers, tracked))
}

/// They were taken before, so the bound on elements does not apply: a segmentation of many frames has more.
fn limits() -> Limits {
    Limits { element_count_max: u64::MAX, ..Limits::default() }
}

fn header(part10: &[u8]) -> Result<InstanceHeader, NoReport> {
    Ok(read_part10_header(part10, &limits()).map_err(unreadable)?.header)
}

fn unreadable(error: hilum_dicom::DicomError) -> NoReport {
    NoReport::Object(format!("a stored result cannot be read: {error}"))
}

fn reference(header: InstanceHeader) -> ImageReference {
    ImageReference {
        sop_class_uid: header.sop_class_uid,
        sop_instance_uid: header.sop_instance_uid,
        series_instance_uid: header.series_instance_uid,
        frame: None,
    }
}

/// A finding that the reader answered.
struct Answered<'a> {
    stands: Standing<'a>,
    concept: &'a CodedConcept,
    tracking: Vec<Uid>,
}

fn answered<'a>(
    due: &DueAssessment,
    headers: &[InstanceHeader],
    output: &'a ModelOutput,
    tracked: &[TrackedFinding],
    stands: &[Standing<'a>],
) -> Vec<Answered<'a>> {
    let study = headers.first().map(|header| header.study_instance_uid.as_str()).unwrap_or_default();
    let (revision, package) = (due.revision.to_string(), due.package.to_string());
    // As results are encoded.
    let seed = [study, &revision, &package, &due.deployment];
    let one = |stands: &Standing<'a>| {
        let label = &stands.label.finding;
        let finding = output.findings.iter().find(|finding| finding.label == *label)?;
        let tracking = tracking_of(output, label, &seed, tracked);
        Some(Answered { stands: *stands, concept: &finding.concept, tracking })
    };
    stands.iter().filter_map(one).collect()
}

fn finding<'a>(due: &'a DueAssessment, answered: &'a Answered<'_>) -> AssessedFinding<'a> {
    let label = answered.stands.label;
    let said = due.said.iter().find(|said| said.label.key == label.key);
    AssessedFinding {
        label: &label.finding,
        concept: answered.concept,
        tracking: &answered.tracking,
        verdict: match answered.stands.agreement {
            Agreement::Agree => Verdict::Accepted,
            Agreement::Correct => Verdict::Modified,
            Agreement::Disagree => Verdict::Rejected,
        },
        truth: Some(match answered.stands.truth {
            Truth::Present => Presence::Present,
            Truth::Absent => Presence::Absent,
            Truth::Uncertain => Presence::Indeterminate,
        }),
        comment: said.and_then(|said| said.comment.as_ref()).map(|comment| comment.reveal().as_str()),
        observed_at: label.decided_at.unwrap_or(label.recorded_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many answers that wait, such as after an archive was down, are not told at the pace of the pauses.
    #[test]
    fn whoever_waits_behind_a_full_round_is_next() {
        let round = |n_ended| Round { n_ended, n_reports: 0 };
        assert_eq!(round(ROUND).pause(), Duration::ZERO);
        assert_eq!(round(ROUND - 1).pause(), EVERY, "what could not be told is not tried without end");
    }

    #[test]
    fn one_damaged_answer_does_not_hold_up_the_others() {
        assert!(!is_of_all(&StoreError::Misuse("the object was refused".to_owned())));
        let damaged = StoreError::DamagedBlob { digest: "5f2c".to_owned(), what: "gone" };
        assert!(!is_of_all(&damaged));
        assert!(is_of_all(&StoreError::OutOfSpace { what: "store an object" }) && is_of_all(&StoreError::ShuttingDown));
    }
}
