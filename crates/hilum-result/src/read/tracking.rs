//! By which identifier a report lets its findings be named (TID 1500, Tracking Unique Identifier).

use super::algorithm::named;
use super::each_item;
use crate::attribute as a;
use crate::code;
use crate::request::finding_tracking_uid;
use hilum_dicom::{Bulk, DataSet, DicomError, Limits, read_data_set};
use hilum_types::{CodedConcept, ModelOutput, Uid};

/// A measurement group that can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedFinding {
    /// What it is about.
    pub concept: CodedConcept,
    /// Its Tracking Unique Identifier.
    pub tracking: Uid,
}

/// The groups of a report that state finding and Tracking Unique Identifier, in the order of the tree; none in what is
/// no report.
///
/// # Errors
/// [`DicomError`] when the bytes are no DICOM object, or break a limit.
pub fn tracked_findings(part10: &[u8], limits: &Limits) -> Result<Vec<TrackedFinding>, DicomError> {
    let read = read_data_set(part10, None, Bulk::LeaveOut, limits)?;
    let mut found = Vec::new();
    each_item(&read.data_set, &mut |item| {
        if named(item, code::MEASUREMENT_GROUP) {
            found.extend(tracked(item));
        }
    });
    // The walk takes the last item first.
    found.reverse();
    Ok(found)
}

fn tracked(group: &DataSet) -> Option<TrackedFinding> {
    let child = |name| group.items(a::CONTENT_SEQUENCE).iter().find(|child| named(child, name));
    Some(TrackedFinding {
        concept: child(code::FINDING)?.code(a::CONCEPT_CODE_SEQUENCE)?,
        tracking: child(code::TRACKING_UNIQUE_IDENTIFIER)?.uid(a::UID)?,
    })
}

/// Tracking Unique Identifiers of the finding `label` of `output` in reports that hold `tracked`: those of a result that
/// was encoded here from `seed`; else, for a product, those of the groups about its concept. A concept that findings
/// of two labels share names neither of them.
pub fn tracking_of(output: &ModelOutput, label: &str, seed: &[&str], tracked: &[TrackedFinding]) -> Vec<Uid> {
    let of_label = || output.findings.iter().enumerate().filter(|(_, finding)| finding.label == label);
    let is_there = |uid: &Uid| tracked.iter().any(|one| one.tracking == *uid);
    let own: Vec<Uid> = of_label().map(|(index, _)| finding_tracking_uid(seed, index)).filter(is_there).collect();
    if !own.is_empty() {
        return own;
    }
    let same = |one: &CodedConcept, other: &CodedConcept| one.value == other.value && one.scheme == other.scheme;
    let mut named: Vec<Uid> = Vec::new();
    for one in tracked {
        let is_meant = of_label().any(|(_, finding)| same(&finding.concept, &one.concept));
        let is_shared = output.findings.iter().any(|other| other.label != label && same(&other.concept, &one.concept));
        if is_meant && !is_shared && !named.contains(&one.tracking) {
            named.push(one.tracking.clone());
        }
    }
    named
}
