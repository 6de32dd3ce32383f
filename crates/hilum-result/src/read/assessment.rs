//! Assessments of AI results in structured reports of others (AV-19).
//!
//! IHE AIRA (Trial Implementation, June 2025) says that an assessment is an Enhanced SR that accepts, modifies or rejects
//! results and refers to them; its codes are not public enough to rely on, and implementations write codes of their own.
//! So it is read by what it says: a code that means acceptance, modification or rejection, in a report that calls itself
//! an assessment, together with the results it refers to, by SOP Instance UID or by Tracking Unique Identifier.

use super::algorithm::named;
use super::each_item;
use crate::attribute as a;
use crate::code;
use hilum_dicom::{Bulk, DataSet, DicomError, Limits, read_data_set};
use hilum_types::Uid;
use std::collections::BTreeSet;

/// What a reader said of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// As the algorithm said.
    Accepted,
    /// Right in substance, with changes.
    Modified,
    /// Not as the algorithm said.
    Rejected,
}

/// One answer of an assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAssessment {
    /// What was said.
    pub verdict: Verdict,
    /// Tracking Unique Identifiers of the findings it is about; empty: the whole result.
    pub tracking: BTreeSet<Uid>,
    /// SOP Instance UIDs of the objects it refers to.
    pub references: BTreeSet<Uid>,
}

/// The answers of a report; none when it is no assessment.
///
/// # Errors
/// [`DicomError`] when the bytes are no DICOM object, or break a limit.
pub fn read_assessments(part10: &[u8], limits: &Limits) -> Result<Vec<ReadAssessment>, DicomError> {
    let read = read_data_set(part10, None, Bulk::LeaveOut, limits)?;
    let data_set = &read.data_set;
    let class = data_set.string(a::SOP_CLASS_UID).unwrap_or_default();
    if !class.starts_with("1.2.840.10008.5.1.4.1.1.88.") || !is_assessment(data_set) {
        return Ok(Vec::new());
    }
    let whole = references(data_set);
    let mut answers = Vec::new();
    each_item(data_set, &mut |container| {
        for item in container.items(a::CONTENT_SEQUENCE) {
            let Some(verdict) = verdict(item) else { continue };
            // What it is about stands below the answer or beside it; else the whole report is about one thing.
            let below = (tracking(item), references(item));
            let beside = (tracking(container), references(container));
            let found =
                [below, beside].into_iter().find(|(tracking, objects)| !tracking.is_empty() || !objects.is_empty());
            let (tracking, mut references) = found.unwrap_or_default();
            if references.is_empty() {
                references = whole.clone();
            }
            answers.push(ReadAssessment { verdict, tracking, references });
        }
    });
    // The walk takes the last item first.
    answers.reverse();
    Ok(answers)
}

/// Whether the report, or a part of it, is called an assessment.
fn is_assessment(data_set: &DataSet) -> bool {
    let mut called = false;
    each_item(data_set, &mut |item| {
        let name = item.code(a::CONCEPT_NAME_CODE_SEQUENCE);
        called |= name.is_some_and(|name| name.meaning.to_lowercase().contains("assessment"));
    });
    called
}

fn verdict(item: &DataSet) -> Option<Verdict> {
    if item.string(a::VALUE_TYPE).as_deref() != Some("CODE") {
        return None;
    }
    let said = item.code(a::CONCEPT_CODE_SEQUENCE)?.meaning.to_lowercase();
    let first = said.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty())?;
    match first {
        "accept" | "accepted" | "agree" | "agreed" => Some(Verdict::Accepted),
        "modify" | "modified" | "correct" | "corrected" => Some(Verdict::Modified),
        "reject" | "rejected" | "disagree" | "disagreed" => Some(Verdict::Rejected),
        _ => None,
    }
}

/// Tracking Unique Identifiers among the content items of `item`.
fn tracking(item: &DataSet) -> BTreeSet<Uid> {
    let children = item.items(a::CONTENT_SEQUENCE).iter();
    children
        .filter(|child| named(child, code::TRACKING_UNIQUE_IDENTIFIER))
        .filter_map(|child| child.uid(a::UID))
        .collect()
}

/// Objects that `item` or what stands below it refers to.
fn references(item: &DataSet) -> BTreeSet<Uid> {
    let mut found = BTreeSet::new();
    each_item(item, &mut |inner| found.extend(inner.uid(a::REFERENCED_SOP_INSTANCE_UID)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use hilum_types::CodedConcept;

    fn code(item: &mut DataSet, name: &str, value: &str) {
        item.put(a::VALUE_TYPE, "CODE");
        item.put_code(a::CONCEPT_NAME_CODE_SEQUENCE, &CodedConcept::new("1", "99X", name));
        item.put_code(a::CONCEPT_CODE_SEQUENCE, &CodedConcept::new("2", "99X", value));
    }

    fn tracked(uid: &str) -> DataSet {
        let mut item = DataSet::new();
        let Code(value, scheme, meaning) = code::TRACKING_UNIQUE_IDENTIFIER;
        item.put(a::VALUE_TYPE, "UIDREF");
        item.put_code(a::CONCEPT_NAME_CODE_SEQUENCE, &CodedConcept::new(value, scheme, meaning));
        item.put(a::UID, uid);
        item
    }

    fn report(title: &str, content: Vec<DataSet>) -> Vec<u8> {
        let mut report = DataSet::new();
        report.put(a::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.88.22");
        report.put(a::SOP_INSTANCE_UID, "1.2.3");
        report.put(a::STUDY_INSTANCE_UID, "1.2.4");
        report.put(a::SERIES_INSTANCE_UID, "1.2.5");
        report.put(a::VALUE_TYPE, "CONTAINER");
        report.put_code(a::CONCEPT_NAME_CODE_SEQUENCE, &CodedConcept::new("1", "99X", title));
        report.put_sequence(a::CONTENT_SEQUENCE, content);
        report.to_part10_bytes().unwrap()
    }

    #[test]
    fn answers_with_their_targets() {
        let mut reference = DataSet::new();
        reference.put(a::REFERENCED_SOP_INSTANCE_UID, "1.2.9");
        let mut target = DataSet::new();
        target.put(a::VALUE_TYPE, "COMPOSITE");
        target.put_sequence(a::REFERENCED_SOP_SEQUENCE, vec![reference]);
        let mut one = DataSet::new();
        code(&mut one, "Assessment", "Accept");
        let mut two = DataSet::new();
        code(&mut two, "Assessment", "Rejected by reader");
        two.put_sequence(a::CONTENT_SEQUENCE, vec![tracked("1.2.8")]);
        let bytes = report("AI Result Assessment", vec![target, one, two]);
        let mut told: Vec<String> = read_assessments(&bytes, &Limits::default())
            .unwrap()
            .iter()
            .map(|one| format!("{:?} {:?} {:?}", one.verdict, one.tracking.len(), one.references.len()))
            .collect();
        told.sort();
        assert_eq!(told, ["Accepted 0 1", "Rejected 1 1"]);
        let mut other = DataSet::new();
        code(&mut other, "Quality", "Rejected");
        assert_eq!(read_assessments(&report("Findings", vec![other]), &Limits::default()).unwrap(), []);
    }
}
