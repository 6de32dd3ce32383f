//! A rejection note: a title that rejects, and each rejected object once in the tree and once in the evidence.

use super::{Findings, Scope};
use crate::attribute as a;
use crate::rejection::RejectionReason;
use hilum_dicom::DataSet;
use std::collections::BTreeSet;

pub(super) fn check(root: &DataSet, scope: &Scope<'_>, found: &mut Findings) {
    let title = root.code(a::CONCEPT_NAME_CODE_SEQUENCE);
    let rejects = title.is_some_and(|title| RejectionReason::ALL.iter().any(|reason| reason.title() == title));
    found.require(rejects, &[a::CONCEPT_NAME_CODE_SEQUENCE], "is not a title that rejects (CID 7010, IHE IOCM)");
    let mut named: Vec<String> = Vec::new();
    for item in root.items(a::CONTENT_SEQUENCE) {
        let value_type = item.string(a::VALUE_TYPE).unwrap_or_default();
        match value_type.as_str() {
            "IMAGE" | "COMPOSITE" => {
                let contained = item.string(a::RELATIONSHIP_TYPE).as_deref() == Some("CONTAINS");
                found.require(contained, &[a::CONTENT_SEQUENCE, a::RELATIONSHIP_TYPE], "is not CONTAINS");
                named.extend(item.items(a::REFERENCED_SOP_SEQUENCE).iter().filter_map(instance));
            }
            "TEXT" => {
                let has_text = item.string(a::TEXT_VALUE).is_some();
                found.require(has_text, &[a::CONTENT_SEQUENCE, a::TEXT_VALUE], "is empty");
            }
            "CODE" => {
                let has_code = item.items(a::CONCEPT_CODE_SEQUENCE).len() == 1;
                found.require(has_code, &[a::CONTENT_SEQUENCE, a::CONCEPT_CODE_SEQUENCE], "needs one item");
            }
            _ => found.add(&[a::CONTENT_SEQUENCE, a::VALUE_TYPE], "is not one of TID 2010"),
        }
    }
    let listed: Vec<String> = root
        .items(a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE)
        .iter()
        .flat_map(|study| study.items(a::REFERENCED_SERIES_SEQUENCE))
        .flat_map(|series| series.items(a::REFERENCED_SOP_SEQUENCE))
        .filter_map(instance)
        .collect();
    let wanted: BTreeSet<String> = scope.source.iter().map(|h| h.sop_instance_uid.as_str().to_owned()).collect();
    for (uids, tag) in [(&named, a::CONTENT_SEQUENCE), (&listed, a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE)] {
        let distinct: BTreeSet<String> = uids.iter().cloned().collect();
        let once = distinct.len() == uids.len();
        found.require(once && distinct == wanted, &[tag], "does not name each rejected object once");
    }
}

fn instance(reference: &DataSet) -> Option<String> {
    reference.string(a::REFERENCED_SOP_INSTANCE_UID)
}
