//! Waivers: a person's signed answer for a gap, checked before a report may show it.

use super::TrialError;
use hilum_sign::{Record, RecordKind, SignatureMeaning, signed_by_others};
use hilum_types::{Digest, Timestamp};
use hilum_validate::{Plan, Waiver};

/// What a waiver record says, once it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waived {
    /// The record that has the gap.
    pub about: Digest,
    /// Which gap; `None`: all of them.
    pub gap: Option<String>,
    reason: String,
    signed_by: String,
    signed_at: Timestamp,
    record: Digest,
}

/// Read a waiver that holds now: unchanged, signed as `waived` by somebody else than its author, not over.
///
/// # Errors
/// [`TrialError::Refused`] naming what is missing.
pub fn read_waiver(record: &Record, now: Timestamp) -> Result<Waived, TrialError> {
    let refuse = |why: &str| Err(TrialError::Refused(format!("waiver {} does not hold: {why}", record.digest.short())));
    if record.kind != RecordKind::Waiver {
        return refuse(&format!("the record is of kind {}", record.kind.name()));
    }
    if !record.is_intact() {
        return refuse("it was changed after it was entered; its signatures are void");
    }
    let text = |key: &str| record.body[key].as_str().map(str::to_owned);
    let Some(about) = text("record").and_then(|digest| digest.parse().ok()) else {
        return refuse("it does not name the record that has the gap");
    };
    let Some(ends) = text("expires_at").and_then(|time| time.parse::<Timestamp>().ok()) else {
        return refuse("it has no end");
    };
    if ends <= now {
        return refuse(&format!("it ended {ends}; enter a new one"));
    }
    let signers = signed_by_others(record, SignatureMeaning::Waived);
    let signed = record
        .valid_signatures()
        .into_iter()
        .find(|signature| signature.meaning == SignatureMeaning::Waived && Some(&signature.signer) == signers.first());
    let Some(signed) = signed else {
        return refuse("nobody but its author has signed it; `hilum record sign DIGEST --as USER --meaning waived`");
    };
    Ok(Waived {
        about,
        gap: text("group"),
        reason: text("reason").unwrap_or_default(),
        signed_by: signed.signer.clone(),
        signed_at: signed.signed_at,
        record: record.digest,
    })
}

/// The waivers as a report takes them, one for each gap; a waiver for everything answers for each gap of the plan.
pub fn waivers_of(waived: &Waived, plan: &Plan) -> Vec<Waiver> {
    let waiver = |gap: String| Waiver {
        gap,
        reason: waived.reason.clone(),
        signed_by: waived.signed_by.clone(),
        signed_at: waived.signed_at,
        record: waived.record,
    };
    match &waived.gap {
        Some(gap) => vec![waiver(gap.clone())],
        None => {
            plan.gates.iter().filter(|gate| gate.insufficient.is_some()).map(|gate| waiver(gate.key.clone())).collect()
        }
    }
}
