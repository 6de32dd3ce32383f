//! Structured reports: findings of measurement groups, and everything coded or numeric by name.

use super::algorithm::{is_code, named};
use super::{coded, put};
use crate::attribute as a;
use crate::code;
use hilum_dicom::DataSet;
use hilum_types::{CodedConcept, Finding, Measurement, Presence, StatedValue};
use std::collections::BTreeMap;

/// Codes that say that something is not there, besides ours: PS3.16 CID 240 and its predecessors.
const ABSENT: [(&str, &str); 4] = [("2667000", "SCT"), ("272519000", "SCT"), ("R-4089B", "SRT"), ("R-00339", "SRT")];
const UNDECIDED: [(&str, &str); 3] = [("82334004", "SCT"), ("373068000", "SCT"), ("261665006", "SCT")];

/// Findings, and values by name.
pub(super) fn read(data_set: &DataSet) -> (Vec<Finding>, BTreeMap<String, StatedValue>) {
    let mut findings = Vec::new();
    let mut values = BTreeMap::new();
    // Depth first, in the order of the tree: the names of repeated things follow the order in which they stand.
    let mut waiting = vec![(data_set, String::new())];
    while let Some((item, within)) = waiting.pop() {
        let is_group = named(item, code::MEASUREMENT_GROUP);
        findings.extend(is_group.then(|| finding(item)).flatten());
        let within = if is_group { group_name(item) } else { within };
        for child in item.items(a::CONTENT_SEQUENCE) {
            value(child, &within, &mut values);
        }
        let children = item.items(a::CONTENT_SEQUENCE).iter().rev();
        waiting.extend(children.map(|child| (child, within.clone())));
    }
    (findings, values)
}

/// What a group is about: its finding and where that is.
fn group_name(group: &DataSet) -> String {
    let of = |wanted| {
        let child = group.items(a::CONTENT_SEQUENCE).iter().find(|child| named(child, wanted))?;
        coded(child, a::CONCEPT_CODE_SEQUENCE)
    };
    let parts = [of(code::FINDING), of(code::FINDING_SITE)];
    let words: Vec<String> = parts.into_iter().flatten().collect();
    if words.is_empty() { "group > ".to_owned() } else { format!("{} > ", words.join(" at ")) }
}

/// Numbers, and codes that are contained rather than context.
fn value(item: &DataSet, within: &str, values: &mut BTreeMap<String, StatedValue>) {
    let Some(name) = coded(item, a::CONCEPT_NAME_CODE_SEQUENCE) else { return };
    match item.string(a::VALUE_TYPE).as_deref() {
        Some("NUM") => {
            if let Some((value, unit)) = measured(item) {
                put(values, format!("{within}{name}"), StatedValue::Number { value, unit: unit.value });
            }
        }
        Some("CODE") if item.string(a::RELATIONSHIP_TYPE).as_deref() == Some("CONTAINS") => {
            if let Some(code) = coded(item, a::CONCEPT_CODE_SEQUENCE) {
                put(values, format!("{within}{name}"), StatedValue::Code(code));
            }
        }
        _ => {}
    }
}

fn measured(item: &DataSet) -> Option<(f64, CodedConcept)> {
    let measured = item.item(a::MEASURED_VALUE_SEQUENCE)?;
    let value = measured.number(a::FLOATING_POINT_VALUE).or_else(|| measured.number(a::NUMERIC_VALUE))?;
    let unit = measured.code(a::MEASUREMENT_UNITS_CODE_SEQUENCE).unwrap_or_else(|| code::NO_UNITS.concept());
    Some((value, unit))
}

/// The finding of a measurement group; `None` when the group names none.
fn finding(group: &DataSet) -> Option<Finding> {
    let children = group.items(a::CONTENT_SEQUENCE);
    let named_finding = children.iter().find(|child| named(child, code::FINDING))?;
    let concept = named_finding.code(a::CONCEPT_CODE_SEQUENCE)?;
    let mut finding = Finding {
        label: label(&concept),
        concept,
        presence: Presence::Present,
        score: None,
        operating_point: None,
        location: None,
        measurements: Vec::new(),
        images: Vec::new(),
    };
    for child in children {
        let Some(concept) = child.code(a::CONCEPT_NAME_CODE_SEQUENCE) else { continue };
        // Only what is said of the finding itself: an absent complication of a present nodule leaves it present.
        let of_finding = is_code(&concept, code::PRESENCE)
            || (concept.value == finding.concept.value && concept.scheme == finding.concept.scheme);
        if let Some(said) = child.code(a::CONCEPT_CODE_SEQUENCE).filter(|_| of_finding).and_then(|said| presence(&said))
        {
            finding.presence = said;
        }
        let Some((value, unit)) = measured(child) else { continue };
        match score(&concept, value, &unit) {
            Some(score) if finding.score.is_none() => finding.score = Some(score),
            _ => finding.measurements.push(Measurement { concept, value, unit }),
        }
    }
    Some(finding)
}

fn presence(said: &CodedConcept) -> Option<Presence> {
    let one_of = |codes: &[(&str, &str)]| codes.iter().any(|(v, s)| said.value == *v && said.scheme == *s);
    if is_code(said, code::PRESENT) {
        Some(Presence::Present)
    } else if one_of(&ABSENT) {
        Some(Presence::Absent)
    } else if one_of(&UNDECIDED) {
        Some(Presence::Indeterminate)
    } else {
        None
    }
}

/// A number that is a probability in 0 to 1 by its name and unit.
fn score(concept: &CodedConcept, value: f64, unit: &CodedConcept) -> Option<f64> {
    let words = concept.meaning.to_lowercase();
    let meant = words.contains("probability") || words.contains("confidence") || words.contains("likelihood");
    if !meant || concept.scheme == code::HILUM_SCHEME {
        return None;
    }
    let value = if unit.value == "%" { value / 100.0 } else { value };
    (0.0..=1.0).contains(&value).then_some(value)
}

/// A label for people and figures: the meaning in lower case with hyphens.
fn label(concept: &CodedConcept) -> String {
    let words: Vec<String> = concept
        .meaning
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() { concept.value.clone() } else { words.join("-") }
}
