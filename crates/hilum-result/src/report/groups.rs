//! Measurement groups: TID 1410 and 1411 for regions, TID 1501 for findings without a place.

use super::content::{ContentItem, Relationship, Value};
use crate::code::{self, Code};
use crate::request::{EncodeRequest, ResultKind};
use crate::segmentation::SegmentObject;
use hilum_types::{CodedConcept, Finding, Location, Measurement, Presence, Segment, Uid};

/// One group per finding, present or not, then one per segment.
pub(super) fn groups(request: &EncodeRequest<'_>, objects: &[SegmentObject]) -> Vec<ContentItem> {
    let output = request.output;
    let findings = output.findings.iter().enumerate().map(|(index, finding)| finding_group(request, index, finding));
    let segments = output
        .segments
        .iter()
        .enumerate()
        .flat_map(|(index, segment)| segment_groups(request, index, segment, objects));
    findings.chain(segments).collect()
}

fn finding_group(request: &EncodeRequest<'_>, index: usize, finding: &Finding) -> ContentItem {
    let category = code::CLINICAL_FINDING.concept();
    let mut children = head(request, "finding", index, &finding.label, &category, &finding.concept);
    if let Some(score) = finding.score {
        children.push(num(code::PROBABILITY, score));
    }
    if let Some(operating_point) = finding.operating_point {
        children.push(num(code::OPERATING_POINT, operating_point));
    }
    children.extend(finding.measurements.iter().map(measurement));
    children.push(presence(finding.presence));
    let template = match &finding.location {
        Some(location) => {
            children.push(region(location));
            "1410"
        }
        None => {
            let images = if finding.images.is_empty() { &request.output.inputs } else { &finding.images };
            children.extend(images.iter().map(|image| {
                ContentItem::new(Relationship::Contains, code::SOURCE_OF_MEASUREMENT, Value::image(image))
            }));
            "1501"
        }
    };
    container(template, children)
}

/// One group per object that holds the segment: several only when the frames differ in size.
fn segment_groups(
    request: &EncodeRequest<'_>,
    index: usize,
    segment: &Segment,
    objects: &[SegmentObject],
) -> Vec<ContentItem> {
    let written = objects.iter().filter_map(|object| {
        let written = object.segments.iter().find(|written| written.output_index == index)?;
        Some((object, written))
    });
    let mut groups = Vec::new();
    for (object, written) in written {
        let mut children = head(request, "segment", index, &segment.label, &segment.category, &segment.property_type);
        // The numbers are about the whole segment, so they stand in the first group only.
        if groups.is_empty() {
            children.extend(segment.measurements.iter().map(measurement));
        }
        let found = if written.frames.is_empty() { Presence::Absent } else { Presence::Present };
        children.push(presence(found));
        let reference = |name, frame, segment| {
            let value = Value::Image {
                sop_class_uid: ResultKind::Segmentation.sop_class_uid(),
                sop_instance_uid: object.sop_instance_uid.clone(),
                frame,
                segment,
            };
            ContentItem::new(Relationship::Contains, name, value)
        };
        let source = |frame: &hilum_types::ImageReference| {
            ContentItem::new(Relationship::Contains, code::SOURCE_IMAGE_FOR_SEGMENTATION, Value::image(frame))
        };
        let template = match written.frames.as_slice() {
            [] => {
                children.extend(request.output.inputs.iter().map(|image| {
                    ContentItem::new(Relationship::Contains, code::SOURCE_OF_MEASUREMENT, Value::image(image))
                }));
                "1501"
            }
            [(number, image)] => {
                children.push(reference(code::REFERENCED_SEGMENTATION_FRAME, Some(*number), None));
                children.push(source(image));
                "1410"
            }
            several => {
                children.push(reference(code::REFERENCED_SEGMENT, None, Some(written.number)));
                children.extend(source_series(several));
                "1411"
            }
        };
        groups.push(container(template, children));
    }
    groups
}

/// The series a segment was drawn on, each once.
fn source_series(frames: &[(u32, hilum_types::ImageReference)]) -> Vec<ContentItem> {
    let mut series: Vec<&Uid> = Vec::new();
    for (_, image) in frames {
        if !series.contains(&&image.series_instance_uid) {
            series.push(&image.series_instance_uid);
        }
    }
    let item = |uid: &Uid| {
        ContentItem::new(Relationship::Contains, code::SOURCE_SERIES_FOR_SEGMENTATION, Value::UidRef(uid.clone()))
    };
    series.into_iter().map(item).collect()
}

/// What every group starts with: tracking, category, finding, and the algorithm after TID 4019.
fn head(
    request: &EncodeRequest<'_>,
    kind: &str,
    index: usize,
    label: &str,
    category: &CodedConcept,
    finding: &CodedConcept,
) -> Vec<ContentItem> {
    let text =
        |relationship, name: Code, value: &str| ContentItem::new(relationship, name, Value::Text(value.to_owned()));
    let mut children = vec![
        text(Relationship::HasObsContext, code::TRACKING_IDENTIFIER, &tracking_identifier(request, kind, index, label)),
        ContentItem::new(
            Relationship::HasObsContext,
            code::TRACKING_UNIQUE_IDENTIFIER,
            Value::UidRef(tracking_uid(request, kind, index)),
        ),
        ContentItem::new(Relationship::Contains, code::FINDING_CATEGORY, Value::Code(category.clone())),
        ContentItem::new(Relationship::Contains, code::FINDING, Value::Code(finding.clone())),
        text(Relationship::HasConceptMod, code::ALGORITHM_NAME, &request.algorithm.name),
        text(Relationship::HasConceptMod, code::ALGORITHM_VERSION, &request.algorithm.version),
    ];
    let parameters = request
        .algorithm
        .parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .chain([format!("package={}", request.algorithm.package_digest)]);
    children
        .extend(parameters.map(|parameter| text(Relationship::HasConceptMod, code::ALGORITHM_PARAMETERS, &parameter)));
    children
}

/// Label and running number: `nodule 2`.
pub(crate) fn tracking_identifier(request: &EncodeRequest<'_>, kind: &str, index: usize, label: &str) -> String {
    let same = |other: &str| other == label;
    let (before, all) = if kind == "finding" {
        let labels = || request.output.findings.iter().map(|finding| finding.label.as_str());
        (labels().take(index).filter(|l| same(l)).count(), labels().filter(|l| same(l)).count())
    } else {
        let labels = || request.output.segments.iter().map(|segment| segment.label.as_str());
        (labels().take(index).filter(|l| same(l)).count(), labels().filter(|l| same(l)).count())
    };
    if all < 2 { label.to_owned() } else { format!("{label} {}", before + 1) }
}

/// The same for the same finding of the same result, so that an assessment can name it (AV-19).
pub(crate) fn tracking_uid(request: &EncodeRequest<'_>, kind: &str, index: usize) -> Uid {
    request.derived(&["tracking", kind, &index.to_string()])
}

fn container(template: &'static str, children: Vec<ContentItem>) -> ContentItem {
    ContentItem::new(Relationship::Contains, code::MEASUREMENT_GROUP, Value::Container(Some(template))).with(children)
}

fn num(name: Code, value: f64) -> ContentItem {
    let unit = code::NO_UNITS.concept();
    ContentItem::new(Relationship::Contains, name, Value::Num { value, unit })
}

fn measurement(measurement: &Measurement) -> ContentItem {
    let value = Value::Num { value: measurement.value, unit: measurement.unit.clone() };
    ContentItem::named(Relationship::Contains, &measurement.concept, value)
}

/// Whether the finding is there, as a content item.
pub(crate) fn presence(presence: Presence) -> ContentItem {
    let value = match presence {
        Presence::Present => code::PRESENT,
        Presence::Absent => code::ABSENT,
        Presence::Indeterminate => code::INDETERMINATE,
    };
    ContentItem::new(Relationship::Contains, code::PRESENCE, Value::Code(value.concept()))
}

/// The bounding box as a closed polyline in pixels of its image (PS3.3 section C.18.6).
fn region(location: &Location) -> ContentItem {
    let [left, top, right, bottom] = location.bounding_box;
    let outline = vec![left, top, right, top, right, bottom, left, bottom, left, top];
    let image = ContentItem::new(Relationship::SelectedFrom, code::SOURCE, Value::image(&location.image));
    ContentItem::new(Relationship::Contains, code::IMAGE_REGION, Value::Polyline(outline)).with(vec![image])
}
