//! Waivers: a person's signed answer for a gap, checked before a report may show it.

use super::TrialError;
use hilum_sign::{Record, RecordKind, SignatureMeaning, signed_by_others};
use hilum_types::{Digest, Timestamp};
use hilum_validate::{AcceptanceProtocol, Plan, Waiver};

/// What a waiver record says, once it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waived {
    /// The record that has the gap.
    pub about: Digest,
    /// Which gap; `None`: all of them.
    pub gap: Option<String>,
    /// From this moment on it answers for nothing.
    pub ends_at: Timestamp,
    reason: String,
    signed_by: String,
    signed_at: Timestamp,
    /// The waiver itself.
    pub record: Digest,
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
        ends_at: ends,
        record: record.digest,
    })
}

/// Whether the gap is one of this protocol, on these cases, and one that a person may answer for.
///
/// # Errors
/// [`TrialError::Refused`]: no gate is named like that, or the protocol lets nobody answer for it.
pub fn check_gap(waived: &Waived, protocol: &AcceptanceProtocol, plan: &Plan) -> Result<(), TrialError> {
    let Some(gap) = &waived.gap else { return Ok(()) };
    let refuse =
        |why: String| Err(TrialError::Refused(format!("waiver {} answers for {gap:?}: {why}", waived.record.short())));
    let waivable: Vec<&str> =
        plan.gates.iter().map(|gate| gate.key.as_str()).filter(|key| protocol.may_be_waived(key)).collect();
    if waivable.contains(&gap.as_str()) {
        return Ok(());
    }
    let allowed = match waivable.as_slice() {
        [] => "it sets `on_insufficient = \"waive\"` nowhere".to_owned(),
        keys => format!("it allows that for {}", keys.join(", ")),
    };
    if plan.gates.iter().any(|gate| gate.key == *gap) {
        return refuse(format!("the protocol lets nobody answer for that gate; {allowed}"));
    }
    refuse(format!("no gate of the protocol has that name; {allowed}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_sign::{NewRecord, PersonKey, ToSign};
    use serde_json::json;

    /// A waiver of anna, signed by bo, that ends at 1000 s.
    fn waiver(kind: RecordKind, change: impl Fn(&mut serde_json::Value)) -> Record {
        let about = Digest::of(b"report").to_string();
        let ends = Timestamp::from_micros(1_000_000_000);
        let mut body =
            json!({ "format": 1, "record": about, "group": null, "reason": "few cases", "expires_at": ends });
        change(&mut body);
        let new = NewRecord { kind, subject: about, body, author: "user:anna".to_owned() };
        let signed_at = Timestamp::from_micros(0);
        let claim = ToSign {
            record: new.digest(),
            meaning: SignatureMeaning::Waived,
            signer: "bo".to_owned(),
            role: "technical".to_owned(),
            signed_at,
        };
        let signatures = vec![PersonKey::from_seed([7; 32]).sign(&claim)];
        let digest = new.digest();
        let NewRecord { kind, subject, body, author } = new;
        Record { digest, kind, subject, body, author, created_at: signed_at, signatures }
    }

    #[test]
    fn it_holds_until_its_end_and_says_what_it_lacks() {
        let whole = waiver(RecordKind::Waiver, |_| ());
        let before_its_end = Timestamp::from_micros(999_999_999);
        let held = read_waiver(&whole, before_its_end).unwrap();
        assert_eq!((held.gap, held.ends_at.micros()), (None, 1_000_000_000));
        let lacks = |record: &Record, micros: i64, why: &str| {
            let said = read_waiver(record, Timestamp::from_micros(micros)).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        };
        lacks(&whole, 1_000_000_000, "it ended 1970-01-01T00:16:40");
        lacks(&waiver(RecordKind::Change, |_| ()), 0, "the record is of kind change");
        lacks(&waiver(RecordKind::Waiver, |body| body["record"] = json!("all")), 0, "does not name the record");
        lacks(&waiver(RecordKind::Waiver, |body| body["expires_at"] = json!("never")), 0, "it has no end");
    }
}
