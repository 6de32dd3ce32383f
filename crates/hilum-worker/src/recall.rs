//! Carries out a recall that two people approved: stop the results, write the rejection notes, queue them (AV-11).

use crate::infer::explicit_little_endian;
use crate::runner::describe;
use bytes::Bytes;
use hilum_dicom::{Limits, read_part10_header};
use hilum_result::{RejectionReason, RejectionRequest, reject};
use hilum_store::recalls::{NoteNeeds, RecallGround, RecallPlan};
use hilum_store::records::{NewResult, ResultKind};
use hilum_store::{BlobStore, Catalog, ErrorKind, StoreError, StudyKey};
use hilum_types::{Clock, Digest, InstanceHeader, Timestamp};
use std::collections::BTreeMap;

/// What one call of [`carry_out_recall`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecallOutcome {
    /// Studies whose results were stopped by this call.
    pub n_retracted: u64,
    /// Studies whose rejection note was queued by this call.
    pub n_noted: u64,
    /// Studies finished without a note by this call, because nothing had left.
    pub n_inside: u64,
    /// Studies that could not be finished, with the reason; the call may be repeated.
    pub failures: Vec<(StudyKey, String)>,
}

/// Carry out a recall record, or go on where an earlier call ended.
///
/// First every result is stopped and marked, study by study, so that nothing more leaves; then the notes are written and
/// queued, and workers deliver them like results, with retries and dead letters. Each step is one act that looks at
/// where its study stands, so that a call that was killed anywhere may be repeated, or run twice at once: the note of a
/// study has the same UID and bytes each time. Nothing about the deployments is changed.
///
/// # Errors
/// [`StoreError::Refused`] when the record is no recall or lacks an approval; an error of the catalog that may pass.
/// What is wrong with one study only is told in the outcome, and the others are carried out.
pub async fn carry_out_recall(
    catalog: &dyn Catalog,
    blobs: &impl BlobStore,
    record: &Digest,
    actor: &str,
    clock: &dyn Clock,
) -> Result<RecallOutcome, StoreError> {
    let progress = catalog.recall_begin(record, actor, clock.now()).await?;
    let plan = RecallPlan::read(&catalog.record_get(&record.to_string()).await?)?;
    let mut outcome = RecallOutcome::default();
    let mut open: BTreeMap<StudyKey, NoteNeeds> = BTreeMap::new();
    let planned = progress.planned.into_iter().map(|study| (study, true));
    for (study, is_new) in planned.chain(progress.retracted.into_iter().map(|study| (study, false))) {
        match catalog.recall_retract(record, &study, actor, clock.now()).await {
            Ok(needs) => {
                outcome.n_retracted += u64::from(is_new);
                open.insert(study, needs);
            }
            Err(error) => fail(catalog, record, study, error, actor, clock, &mut outcome).await?,
        }
    }
    for (study, needs) in open {
        let note = match encode(blobs, &plan, record, &study, &needs, progress.begun_at).await {
            Ok(note) => note,
            Err(NoteError::Store(error)) => {
                fail(catalog, record, study, error, actor, clock, &mut outcome).await?;
                continue;
            }
            Err(NoteError::Object(why)) => {
                give_up(catalog, record, study, why, actor, clock, &mut outcome).await?;
                continue;
            }
        };
        match catalog.recall_note_add(record, &study, note.as_ref(), actor, clock.now()).await {
            Ok(()) if note.is_some() => outcome.n_noted += 1,
            Ok(()) => outcome.n_inside += 1,
            Err(error) => fail(catalog, record, study, error, actor, clock, &mut outcome).await?,
        }
    }
    Ok(outcome)
}

/// A fault that passes ends the call; one that lies in the study is noted, and the others go on.
async fn fail(
    catalog: &dyn Catalog,
    record: &Digest,
    study: StudyKey,
    error: StoreError,
    actor: &str,
    clock: &dyn Clock,
    outcome: &mut RecallOutcome,
) -> Result<(), StoreError> {
    if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutOfResources) {
        return Err(error);
    }
    give_up(catalog, record, study, describe(&error), actor, clock, outcome).await
}

async fn give_up(
    catalog: &dyn Catalog,
    record: &Digest,
    study: StudyKey,
    why: String,
    actor: &str,
    clock: &dyn Clock,
    outcome: &mut RecallOutcome,
) -> Result<(), StoreError> {
    tracing::error!(study.key = %study, why, "the results of a study could not be retracted");
    catalog.recall_fail(record, &study, &why, actor, clock.now()).await?;
    outcome.failures.push((study, why));
    Ok(())
}

/// Why a note was not made.
enum NoteError {
    Store(StoreError),
    Object(String),
}

/// The note of one study, its bytes durable; `None` when nothing had left.
///
/// Series and identity are read from the retracted objects themselves: what is rejected is what was sent.
async fn encode(
    blobs: &impl BlobStore,
    plan: &RecallPlan,
    record: &Digest,
    study: &StudyKey,
    needs: &NoteNeeds,
    begun_at: Timestamp,
) -> Result<Option<NewResult>, NoteError> {
    if needs.destinations.is_empty() {
        return Ok(None);
    }
    let mut headers: Vec<InstanceHeader> = Vec::with_capacity(needs.results.len());
    for planned in &needs.results {
        let bytes = blobs.blob_get(&planned.object).await.map_err(NoteError::Store)?;
        // Our own object, so the bound on elements does not apply: a segmentation of many frames has more.
        let limits = Limits { element_count_max: u64::MAX, ..Limits::default() };
        let scanned = read_part10_header(&bytes, &limits)
            .map_err(|e| NoteError::Object(format!("a stored result cannot be read: {e}")))?;
        headers.push(scanned.header);
    }
    let rejected: Vec<&InstanceHeader> = headers.iter().collect();
    let description =
        format!("Results of {} {} withdrawn: {} (recall {})", plan.model, plan.version, plan.reason, record.short());
    let request = RejectionRequest {
        reason: rejection_reason(plan.ground),
        rejected: &rejected,
        description: &description,
        now: begun_at,
        seed: &[&record.to_string(), study.as_str()],
    };
    let note = reject(&request).map_err(|e| NoteError::Object(describe(&e)))?;
    let stored = blobs.blob_put(Bytes::from(note.part10)).await.map_err(NoteError::Store)?;
    Ok(Some(NewResult {
        kind: ResultKind::RejectionNote,
        index: 0,
        sop_instance_uid: note.sop_instance_uid,
        sop_class_uid: note.sop_class_uid,
        transfer_syntax_uid: explicit_little_endian(),
        blob: stored.digest,
        size: stored.size,
    }))
}

fn rejection_reason(ground: RecallGround) -> RejectionReason {
    match ground {
        RecallGround::Quality => RejectionReason::Quality,
        RecallGround::PatientSafety => RejectionReason::PatientSafety,
        RecallGround::WrongWorklistEntry => RejectionReason::IncorrectWorklistEntry,
        RecallGround::RetentionExpired => RejectionReason::RetentionExpired,
    }
}
