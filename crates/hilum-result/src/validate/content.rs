//! The content tree of a report: value types, relationships, and what TID 1500 needs to be more than an empty shell.

use super::Findings;
use crate::attribute as a;
use crate::code::{self, Code};
use hilum_dicom::{DataSet, Tag};

pub(super) fn check(root: &DataSet, found: &mut Findings) {
    found.require(root.get(a::RELATIONSHIP_TYPE).is_none(), &[a::RELATIONSHIP_TYPE], "is on the root of the tree");
    let is_report = is_named(root, code::IMAGING_MEASUREMENT_REPORT);
    found.require(is_report, &[a::CONCEPT_NAME_CODE_SEQUENCE], "is not Imaging Measurement Report");
    let mut open: Vec<&DataSet> = root.items(a::CONTENT_SEQUENCE).iter().collect();
    while let Some(item) = open.pop() {
        node(item, found);
        open.extend(item.items(a::CONTENT_SEQUENCE));
    }
    let child =
        |parent: &'_ DataSet, name| parent.items(a::CONTENT_SEQUENCE).iter().filter(move |i| is_named(i, name)).count();
    for (name, rule) in [
        (code::LANGUAGE, "holds no language (TID 1204)"),
        (code::DEVICE_OBSERVER_UID, "holds no device observer (TID 1004)"),
        (code::PROCEDURE_REPORTED, "holds no procedure reported (TID 1500)"),
        (code::IMAGE_LIBRARY, "holds no image library (TID 1600)"),
        (code::SUMMARY, "holds no summary"),
        (code::IMAGING_MEASUREMENTS, "holds no imaging measurements (TID 1500)"),
    ] {
        found.require(0 < child(root, name), &[a::CONTENT_SEQUENCE], rule);
    }
    let groups: Vec<&DataSet> = root
        .items(a::CONTENT_SEQUENCE)
        .iter()
        .filter(|item| is_named(item, code::IMAGING_MEASUREMENTS))
        .flat_map(|item| item.items(a::CONTENT_SEQUENCE))
        .filter(|item| is_named(item, code::MEASUREMENT_GROUP))
        .collect();
    found.require(
        !groups.is_empty(),
        &[a::CONTENT_SEQUENCE],
        "holds no measurement group: an empty report says nothing",
    );
    for group in groups {
        for (name, rule) in [
            (code::TRACKING_UNIQUE_IDENTIFIER, "a group holds no Tracking Unique Identifier"),
            (code::FINDING, "a group holds no finding"),
            (code::PRESENCE, "a group does not say whether its finding is present"),
            (code::ALGORITHM_NAME, "a group holds no Algorithm Name (TID 4019)"),
            (code::ALGORITHM_VERSION, "a group holds no Algorithm Version (TID 4019)"),
        ] {
            found.require(child(group, name) == 1, &[a::CONTENT_SEQUENCE, a::CONTENT_SEQUENCE], rule);
        }
    }
}

pub(super) fn is_named(item: &DataSet, name: Code) -> bool {
    item.code(a::CONCEPT_NAME_CODE_SEQUENCE).is_some_and(|code| code.value == name.0 && code.scheme == name.1)
}

/// One item below the root: its value type has its value, and its relationship is one of the IOD (section A.35.13.3).
fn node(item: &DataSet, found: &mut Findings) {
    let path = |tag: Tag| [a::CONTENT_SEQUENCE, tag];
    let relationship = item.string(a::RELATIONSHIP_TYPE).unwrap_or_default();
    let allowed = ["CONTAINS", "HAS OBS CONTEXT", "HAS ACQ CONTEXT", "HAS CONCEPT MOD", "SELECTED FROM"];
    let is_allowed = allowed.contains(&relationship.as_str());
    found.require(is_allowed, &path(a::RELATIONSHIP_TYPE), "is not a relationship of this document");
    let named = item.items(a::CONCEPT_NAME_CODE_SEQUENCE).len() == 1;
    found.require(named, &path(a::CONCEPT_NAME_CODE_SEQUENCE), "needs one item");
    let has = |tag| item.string(tag).is_some();
    let one = |tag| item.items(tag).len() == 1;
    let (tag, holds) = match item.string(a::VALUE_TYPE).unwrap_or_default().as_str() {
        "CONTAINER" => (a::CONTINUITY_OF_CONTENT, has(a::CONTINUITY_OF_CONTENT)),
        "TEXT" => (a::TEXT_VALUE, has(a::TEXT_VALUE)),
        "CODE" => (a::CONCEPT_CODE_SEQUENCE, one(a::CONCEPT_CODE_SEQUENCE)),
        "UIDREF" => (a::UID, item.uid(a::UID).is_some()),
        "NUM" => (a::MEASURED_VALUE_SEQUENCE, item.item(a::MEASURED_VALUE_SEQUENCE).is_some_and(is_measured)),
        "IMAGE" => (a::REFERENCED_SOP_SEQUENCE, item.item(a::REFERENCED_SOP_SEQUENCE).is_some_and(is_reference)),
        "SCOORD" => (a::GRAPHIC_DATA, is_closed_polyline(item)),
        _ => (a::VALUE_TYPE, false),
    };
    found.require(holds, &path(tag), "does not hold what its value type needs");
}

fn is_measured(value: &DataSet) -> bool {
    value.number(a::NUMERIC_VALUE).is_some() && value.items(a::MEASUREMENT_UNITS_CODE_SEQUENCE).len() == 1
}

/// Frame and segment number exclude each other (section C.17.3.2.6).
fn is_reference(reference: &DataSet) -> bool {
    let both =
        reference.get(a::REFERENCED_FRAME_NUMBER).is_some() && reference.get(a::REFERENCED_SEGMENT_NUMBER).is_some();
    reference.uid(a::REFERENCED_SOP_CLASS_UID).is_some()
        && reference.uid(a::REFERENCED_SOP_INSTANCE_UID).is_some()
        && !both
}

/// A region is an outline that ends where it starts, selected from one image (TID 1410, section C.18.6.1.2).
fn is_closed_polyline(item: &DataSet) -> bool {
    let points = item.numbers(a::GRAPHIC_DATA).unwrap_or_default();
    let closed = 8 <= points.len() && points.len().is_multiple_of(2) && points[..2] == points[points.len() - 2..];
    let from_image = item.items(a::CONTENT_SEQUENCE).iter().any(|child| {
        child.string(a::RELATIONSHIP_TYPE).as_deref() == Some("SELECTED FROM")
            && child.string(a::VALUE_TYPE).as_deref() == Some("IMAGE")
    });
    item.string(a::GRAPHIC_TYPE).as_deref() == Some("POLYLINE") && closed && from_image
}
