//! Which algorithms an object names (TID 4019, Algorithm Identification, segments, observers, CAD reports).

use super::each_item;
use crate::attribute as a;
use crate::code::{self, Code};
use hilum_dicom::DataSet;
use hilum_types::AlgorithmClaim;
use std::collections::BTreeSet;

/// Reports of scanners name their device as observer, and are no results of an algorithm: dose, contrast, key objects.
const DEVICE_REPORTS: [&str; 5] = [
    "1.2.840.10008.5.1.4.1.1.88.67",
    "1.2.840.10008.5.1.4.1.1.88.68",
    "1.2.840.10008.5.1.4.1.1.88.73",
    "1.2.840.10008.5.1.4.1.1.88.75",
    "1.2.840.10008.5.1.4.1.1.88.59",
];

/// Mammography, chest and colon CAD reports: made by an algorithm, whatever they say.
const CAD_REPORTS: [&str; 3] =
    ["1.2.840.10008.5.1.4.1.1.88.50", "1.2.840.10008.5.1.4.1.1.88.65", "1.2.840.10008.5.1.4.1.1.88.69"];

/// Every algorithm that the object claims to be made by, each once.
///
/// Statements that name an algorithm count first. A device observer counts only where nothing better is said, and never
/// in the reports that scanners write about themselves. Manufacturer and model name alone say nothing: every
/// workstation writes them.
pub(super) fn claims(data_set: &DataSet, class: &str) -> Vec<AlgorithmClaim> {
    let mut found = BTreeSet::new();
    let maker = data_set.string(a::MANUFACTURER).unwrap_or_default();
    each_item(data_set, &mut |item| {
        found.extend(identification(item, &maker));
        found.extend(template_4019(item, &maker));
    });
    for segment in data_set.items(a::SEGMENT_SEQUENCE) {
        found.extend(of_segment(segment, &maker));
    }
    if found.is_empty() && !DEVICE_REPORTS.contains(&class) {
        each_item(data_set, &mut |item| found.extend(observer(item, &maker)));
    }
    if found.is_empty() && CAD_REPORTS.contains(&class) {
        let name = data_set.string(a::MANUFACTURER_MODEL_NAME).unwrap_or_else(|| "CAD".to_owned());
        let version = data_set.string(a::SOFTWARE_VERSIONS).unwrap_or_default();
        found.insert(claim(name, version, maker, "CAD report"));
    }
    // A segment by name and the same one by its Algorithm Identification are one claim.
    let mut names = BTreeSet::new();
    found.into_iter().filter(|claim| names.insert((claim.name.clone(), claim.manufacturer.clone()))).collect()
}

fn claim(name: String, version: String, manufacturer: String, evidence: &str) -> AlgorithmClaim {
    AlgorithmClaim { name, version, manufacturer, evidence: evidence.to_owned() }
}

/// Algorithm Identification Macro, PS3.3 section 10.16, wherever it stands.
fn identification(item: &DataSet, maker: &str) -> Option<AlgorithmClaim> {
    let name = item.string(a::ALGORITHM_NAME)?;
    let version = item.string(a::ALGORITHM_VERSION).unwrap_or_default();
    let maker = item.string(a::ALGORITHM_SOURCE).unwrap_or_else(|| maker.to_owned());
    Some(claim(name, version, maker, "Algorithm Identification Sequence"))
}

/// TID 4019: Algorithm Name among the content items below `item`.
fn template_4019(item: &DataSet, maker: &str) -> Option<AlgorithmClaim> {
    let name = text_of(item, code::ALGORITHM_NAME)?;
    let version = text_of(item, code::ALGORITHM_VERSION).unwrap_or_default();
    Some(claim(name, version, maker.to_owned(), "TID 4019"))
}

/// A segment that an algorithm drew (PS3.3 section C.8.20.4).
fn of_segment(segment: &DataSet, maker: &str) -> Option<AlgorithmClaim> {
    let automatic = segment.string(a::SEGMENT_ALGORITHM_TYPE).is_some_and(|kind| kind != "MANUAL");
    let identified = !segment.items(a::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE).is_empty();
    if !automatic || identified {
        return None;
    }
    let name = segment.string(a::SEGMENT_ALGORITHM_NAME)?;
    Some(claim(name, String::new(), maker.to_owned(), "Segment Algorithm Name"))
}

/// TID 1004: a device as the observer.
fn observer(item: &DataSet, maker: &str) -> Option<AlgorithmClaim> {
    let is_device = item.items(a::CONTENT_SEQUENCE).iter().any(|child| {
        named(child, code::OBSERVER_TYPE)
            && child.code(a::CONCEPT_CODE_SEQUENCE).is_some_and(|kind| is_code(&kind, code::DEVICE))
    });
    let named =
        text_of(item, code::DEVICE_OBSERVER_MODEL_NAME).or_else(|| text_of(item, code::DEVICE_OBSERVER_NAME))?;
    let maker = text_of(item, code::DEVICE_OBSERVER_MANUFACTURER).unwrap_or_else(|| maker.to_owned());
    is_device.then(|| claim(named, String::new(), maker, "device observer"))
}

fn text_of(item: &DataSet, name: Code) -> Option<String> {
    let child = item.items(a::CONTENT_SEQUENCE).iter().find(|child| named(child, name))?;
    child.string(a::TEXT_VALUE).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(super) fn named(item: &DataSet, name: Code) -> bool {
    item.code(a::CONCEPT_NAME_CODE_SEQUENCE).is_some_and(|code| is_code(&code, name))
}

pub(super) fn is_code(found: &hilum_types::CodedConcept, wanted: Code) -> bool {
    found.value == wanted.0 && found.scheme == wanted.1
}
