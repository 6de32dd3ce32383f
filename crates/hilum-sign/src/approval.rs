//! Who has approved a record: two roles, two people, and the author never alone (GV-02).

use crate::record::{Record, Signature, SignatureMeaning};

/// Who approved a record, told from its valid signatures only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// User name of the one who answers clinically.
    pub clinical: Option<String>,
    /// User name of the one who answers technically; never the same person.
    pub technical: Option<String>,
    /// User names of those who rejected it. One is enough to stop it.
    pub rejected: Vec<String>,
    /// What is missing or wrong, in words; empty when the record may take effect.
    pub missing: Vec<String>,
}

impl Approvals {
    /// Whether the record may take effect.
    pub fn complete(&self) -> bool {
        self.missing.is_empty()
    }
}

impl SignatureMeaning {
    /// The role without which a signature of this meaning does not count.
    pub fn required_role(self) -> Option<&'static str> {
        match self {
            SignatureMeaning::ApprovedClinical => Some("clinical"),
            SignatureMeaning::ApprovedTechnical => Some("technical"),
            _ => None,
        }
    }
}

/// Who approved `record` clinically and technically.
///
/// Both approvals must be there, by two different people, so that the author is never the only approver. Where people
/// hold both roles, they are seated so that both approvals are filled if that is possible. Signatures that do not
/// verify, and approvals outside the role they need, do not count; a changed record has no approval at all.
pub fn approvals(record: &Record) -> Approvals {
    let valid = record.valid_signatures();
    let of = |meaning| signers(&valid, meaning);
    let (clinical, technical) = (of(SignatureMeaning::ApprovedClinical), of(SignatureMeaning::ApprovedTechnical));
    let pair = clinical.iter().find_map(|c| technical.iter().find(|t| *t != c).map(|t| (c.clone(), t.clone())));
    let rejected = of(SignatureMeaning::Rejected);
    let mut missing = Vec::new();
    if !record.is_intact() {
        missing.push("the record was changed after it was entered; its signatures are void".to_owned());
    }
    let n_broken = record.signatures.len() - valid.len();
    if record.is_intact() && 0 < n_broken {
        missing.push(format!("{n_broken} of its signatures do not verify"));
    }
    for (signers, role) in [(&clinical, "clinical"), (&technical, "technical")] {
        if signers.is_empty() {
            missing.push(format!("approval in the {role} role"));
        }
    }
    if pair.is_none() && !clinical.is_empty() && !technical.is_empty() {
        missing.push(format!("approval by a second person: {} gave both", clinical[0]));
    }
    for name in &rejected {
        missing.push(format!("{name} rejected it; enter a changed record"));
    }
    let (clinical, technical) = match pair {
        Some((c, t)) => (Some(c), Some(t)),
        // One person fills one seat only.
        None if clinical.is_empty() => (None, technical.into_iter().next()),
        None => (clinical.into_iter().next(), None),
    };
    Approvals { clinical, technical, rejected, missing }
}

/// User names of valid signers of that meaning other than the author of the record, oldest first. One name is enough
/// where a single person must answer, such as for a waiver.
pub fn signed_by_others(record: &Record, meaning: SignatureMeaning) -> Vec<String> {
    let author = record.author.strip_prefix("user:");
    signers(&record.valid_signatures(), meaning).into_iter().filter(|name| Some(name.as_str()) != author).collect()
}

fn signers(valid: &[&Signature], meaning: SignatureMeaning) -> Vec<String> {
    let counts = |s: &&&Signature| s.meaning == meaning && meaning.required_role().is_none_or(|role| s.role == role);
    let mut names: Vec<String> = Vec::new();
    for signature in valid.iter().filter(counts) {
        if !names.contains(&signature.signer) {
            names.push(signature.signer.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewRecord, PersonKey, RecordKind, ToSign};
    use SignatureMeaning::{ApprovedClinical, ApprovedTechnical, Rejected, Reviewed};
    use hilum_types::Timestamp;
    use serde_json::json;

    fn record(signatures: &[(&str, SignatureMeaning, &str)]) -> Record {
        let new = NewRecord {
            kind: RecordKind::Change,
            subject: "cxr".into(),
            body: json!({ "format": 1 }),
            author: "user:anna".into(),
        };
        let signed_at = Timestamp::from_micros(0);
        let sign = |(signer, meaning, role): &(&str, SignatureMeaning, &str)| {
            let (signer, role) = ((*signer).to_owned(), (*role).to_owned());
            let record = new.digest();
            PersonKey::from_seed([1; 32]).sign(&ToSign { record, meaning: *meaning, signer, role, signed_at })
        };
        let signatures = signatures.iter().map(sign).collect();
        let digest = new.digest();
        let NewRecord { kind, subject, body, author } = new;
        Record { digest, kind, subject, body, author, created_at: signed_at, signatures }
    }

    fn told(signatures: &[(&str, SignatureMeaning, &str)]) -> String {
        let Approvals { clinical, technical, missing, .. } = approvals(&record(signatures));
        let name = |name: Option<String>| name.unwrap_or("nobody".to_owned());
        format!("{} + {}: {}", name(clinical), name(technical), missing.join(", "))
    }

    const ANNA: (&str, SignatureMeaning, &str) = ("anna", ApprovedClinical, "clinical");
    const BO: (&str, SignatureMeaning, &str) = ("bo", ApprovedTechnical, "technical");

    #[test]
    fn two_people_in_two_roles() {
        assert_eq!(told(&[]), "nobody + nobody: approval in the clinical role, approval in the technical role");
        assert_eq!(told(&[ANNA]), "anna + nobody: approval in the technical role");
        assert_eq!(told(&[BO]), "nobody + bo: approval in the clinical role");
        assert_eq!(told(&[ANNA, BO]), "anna + bo: ");
        let alone = [ANNA, ("anna", ApprovedTechnical, "technical")];
        assert_eq!(told(&alone), "anna + nobody: approval by a second person: anna gave both");
        let seated = [alone[0], alone[1], ("cara", ApprovedClinical, "clinical")];
        assert_eq!(told(&seated), "cara + anna: ");
        let wrong_role = [ANNA, ("bo", ApprovedTechnical, "clinical"), ("cara", Reviewed, "technical")];
        assert_eq!(told(&wrong_role), "anna + nobody: approval in the technical role");
        let rejected = [ANNA, BO, ("cara", Rejected, "radiologist")];
        assert_eq!(told(&rejected), "anna + bo: cara rejected it; enter a changed record");
    }

    #[test]
    fn a_changed_record_has_no_approval() {
        let mut changed = record(&[ANNA, BO]);
        changed.body = json!({ "format": 1, "threshold": 0.1 });
        let told = approvals(&changed);
        assert_eq!((&told.clinical, &told.technical, told.complete()), (&None, &None, false));
        assert_eq!(told.missing[0], "the record was changed after it was entered; its signatures are void");
        let mut forged = record(&[ANNA, BO]);
        forged.signatures[1].signer = "cara".into();
        assert_eq!(approvals(&forged).missing[0], "1 of its signatures do not verify");
    }

    #[test]
    fn the_author_does_not_count_where_one_must_answer() {
        let signed = record(&[("anna", SignatureMeaning::Waived, "clinical"), ("bo", SignatureMeaning::Waived, "")]);
        assert_eq!(signed_by_others(&signed, SignatureMeaning::Waived), ["bo"]);
    }
}
