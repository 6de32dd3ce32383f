//! Reading result objects that others made: what they say, about which images, and which algorithm made them.
//!
//! What is read may deviate from the standard: whatever cannot be understood says nothing, and only bytes that are no
//! DICOM object at all are an error.

mod acceptable;
mod algorithm;
mod assessment;
mod report;
mod segmentation;
mod tracking;
mod wholeness;

pub use acceptable::{Expected, acceptable};
pub use assessment::{ReadAssessment, Verdict, read_assessments};
pub use tracking::{TrackedFinding, tracked_findings, tracking_of};

use crate::attribute as a;
use hilum_dicom::{Bulk, DataSet, DicomError, Limits, Tag, Value, read_data_set};
use hilum_types::{AlgorithmClaim, Finding, Segment, StatedValue, Uid};
use std::collections::{BTreeMap, BTreeSet};

/// What kind of object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadKind {
    /// A structured report.
    Report,
    /// A segmentation.
    Segmentation,
    /// A secondary capture or presentation state.
    Picture,
    /// Anything else.
    Other,
}

/// What a result object says.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadResult {
    /// What it is.
    pub kind: ReadKind,
    /// Algorithms it names as its makers.
    pub algorithms: Vec<AlgorithmClaim>,
    /// Manufacturer (0008,0070); empty when not stated.
    pub manufacturer: String,
    /// Manufacturer's Model Name (0008,1090); empty when not stated.
    pub model_name: String,
    /// Software Versions (0018,1020).
    pub software_versions: Vec<String>,
    /// Verification Flag (0040,A493) of a report.
    pub verification: Option<String>,
    /// Content Qualification (0018,9004).
    pub content_qualification: Option<String>,
    /// Every instance it refers to.
    pub references: BTreeSet<Uid>,
    /// Findings of a report after TID 1500.
    pub findings: Vec<Finding>,
    /// Segments of a segmentation, without their masks.
    pub segments: Vec<Segment>,
    /// Everything that is said by a code or a number, by a name that is the same in the next result of the same kind.
    /// Free text is left out: it may name a person, and its wording changes nothing.
    pub values: BTreeMap<String, StatedValue>,
    /// Why no viewer could show it, such as pixel data that end too early; without patient data.
    pub defect: Option<String>,
}

/// Read what a result object says. `bulk` keeps pixel data, without which segments have no size.
///
/// # Errors
/// [`DicomError`] when the bytes are no DICOM object, or break a limit.
pub fn read_result(part10: &[u8], bulk: Bulk, limits: &Limits) -> Result<ReadResult, DicomError> {
    let read = read_data_set(part10, None, bulk, limits)?;
    let data_set = &read.data_set;
    let class = data_set.string(a::SOP_CLASS_UID).unwrap_or_default();
    let kind = kind(&class);
    let mut result = ReadResult {
        kind,
        algorithms: algorithm::claims(data_set, &class),
        manufacturer: data_set.string(a::MANUFACTURER).unwrap_or_default(),
        model_name: data_set.string(a::MANUFACTURER_MODEL_NAME).unwrap_or_default(),
        software_versions: data_set.strings(a::SOFTWARE_VERSIONS).unwrap_or_default(),
        verification: data_set.string(a::VERIFICATION_FLAG),
        content_qualification: data_set.string(a::CONTENT_QUALIFICATION),
        references: references(data_set),
        findings: Vec::new(),
        segments: Vec::new(),
        values: BTreeMap::new(),
        defect: wholeness::defect(data_set, kind, &class, bulk == Bulk::Keep),
    };
    match kind {
        ReadKind::Report => (result.findings, result.values) = report::read(data_set),
        ReadKind::Segmentation => (result.segments, result.values) = segmentation::read(data_set),
        ReadKind::Picture | ReadKind::Other => {}
    }
    Ok(result)
}

fn kind(class: &str) -> ReadKind {
    let is = |root: &str| class == root || class.strip_prefix(root).is_some_and(|rest| rest.starts_with('.'));
    if is("1.2.840.10008.5.1.4.1.1.88") {
        ReadKind::Report
    } else if matches!(class, "1.2.840.10008.5.1.4.1.1.66.4" | "1.2.840.10008.5.1.4.1.1.66.7") {
        ReadKind::Segmentation
    } else if is("1.2.840.10008.5.1.4.1.1.7") || is("1.2.840.10008.5.1.4.1.1.11") {
        ReadKind::Picture
    } else {
        ReadKind::Other
    }
}

/// Referenced SOP Instance UIDs at any depth, and UIDs of source images.
fn references(data_set: &DataSet) -> BTreeSet<Uid> {
    let mut found = BTreeSet::new();
    each_item(data_set, &mut |item| found.extend(item.uid(a::REFERENCED_SOP_INSTANCE_UID)));
    found
}

/// Visit the data set and every item of every sequence in it. The walk that built the tree bounds its height.
fn each_item<'t>(data_set: &'t DataSet, visit: &mut dyn FnMut(&'t DataSet)) {
    let mut waiting = vec![data_set];
    while let Some(item) = waiting.pop() {
        visit(item);
        for (_, element) in item.iter() {
            if let Value::Sequence(items) = &element.value {
                waiting.extend(items);
            }
        }
    }
}

/// Put `value` under `name`, or under `name 2`, `name 3`, ... when it is taken.
fn put(values: &mut BTreeMap<String, StatedValue>, name: String, value: StatedValue) {
    let mut free = name.clone();
    let mut number = 1;
    while values.contains_key(&free) {
        number += 1;
        free = format!("{name} {number}");
    }
    values.insert(free, value);
}

/// A code as it stands in names: meaning and code value with scheme.
fn coded(item: &DataSet, tag: Tag) -> Option<String> {
    let code = item.code(tag)?;
    Some(format!("{} ({}, {})", code.meaning, code.value, code.scheme))
}
