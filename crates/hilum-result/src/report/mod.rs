//! Comprehensive 3D SR after TID 1500 Imaging Measurement Report (PS3.3 section A.35.13, PS3.16).

pub(crate) mod content;
mod groups;
mod summary;

use crate::attribute as a;
use crate::code::{self, Code};
use crate::common;
use crate::request::{EncodeRequest, ResultKind};
use crate::segmentation::SegmentObject;
use content::{ContentItem, Relationship, Value};
use hilum_dicom::DataSet;
use hilum_types::{ImageReference, Uid, attribute};
use std::collections::BTreeSet;

pub(crate) use groups::{presence, tracking_identifier, tracking_uid};
pub(crate) use summary::{finding_line, ordered, segment_line};

/// The data set of the report; `segments` says where each segment of the output was written.
pub(crate) fn build(request: &EncodeRequest<'_>, segments: &[SegmentObject]) -> DataSet {
    let mut item = common::composite(request, ResultKind::StructuredReport, 0);
    item.put(a::INSTANCE_NUMBER, "1");
    item.put_sequence(a::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new());
    document_general(&mut item, request, segments);
    root(request, segments).write(&mut item);
    item
}

/// SR Document General Module, PS3.3 section C.17.2.
fn document_general(item: &mut DataSet, request: &EncodeRequest<'_>, segments: &[SegmentObject]) {
    item.put(a::PRELIMINARY_FLAG, "PRELIMINARY");
    item.put(a::COMPLETION_FLAG, if request.incomplete_input { "PARTIAL" } else { "COMPLETE" });
    if request.incomplete_input {
        item.put(a::COMPLETION_FLAG_DESCRIPTION, "Images of the study were still missing");
    }
    item.put(a::VERIFICATION_FLAG, "UNVERIFIED");
    match &request.procedure {
        Some(procedure) => item.put_code(a::PERFORMED_PROCEDURE_CODE_SEQUENCE, procedure),
        None => item.put_sequence(a::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new()),
    };
    item.put_sequence(a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence(request, segments)]);
}

/// Every image the report refers to, and the segmentations written with it (PS3.3 section C.17.2.3).
fn evidence(request: &EncodeRequest<'_>, segments: &[SegmentObject]) -> DataSet {
    let mut by_series: Vec<(Uid, Vec<(Uid, Uid)>)> = Vec::new();
    let mut add = |series: &Uid, class: &Uid, instance: &Uid| {
        let at = by_series.iter().position(|(known, _)| known == series).unwrap_or_else(|| {
            by_series.push((series.clone(), Vec::new()));
            by_series.len() - 1
        });
        by_series[at].1.push((class.clone(), instance.clone()));
    };
    for image in images(request) {
        add(&image.series_instance_uid, &image.sop_class_uid, &image.sop_instance_uid);
    }
    for object in segments {
        add(&object.series_instance_uid, &ResultKind::Segmentation.sop_class_uid(), &object.sop_instance_uid);
    }
    let series = by_series.into_iter().map(|(uid, instances)| {
        let mut item = DataSet::new();
        item.put(a::SERIES_INSTANCE_UID, uid.as_str());
        let references = instances.iter().map(|(class, instance)| common::sop_reference(class, instance));
        item.put_sequence(a::REFERENCED_SOP_SEQUENCE, references.collect());
        item
    });
    let mut study = DataSet::new();
    study.put(a::STUDY_INSTANCE_UID, request.identity().study_instance_uid.as_str());
    study.put_sequence(a::REFERENCED_SERIES_SEQUENCE, series.collect());
    study
}

/// Images of the report, each once: the inputs, then whatever findings and segments name besides.
fn images(request: &EncodeRequest<'_>) -> Vec<ImageReference> {
    let output = request.output;
    let of_findings = output
        .findings
        .iter()
        .flat_map(|finding| finding.images.iter().chain(finding.location.iter().map(|l| &l.image)));
    let of_segments = output.segments.iter().flat_map(|segment| segment.masks.iter().map(|mask| &mask.image));
    let mut seen: BTreeSet<&Uid> = BTreeSet::new();
    output
        .inputs
        .iter()
        .chain(of_findings)
        .chain(of_segments)
        .filter(|image| seen.insert(&image.sop_instance_uid))
        .map(|image| ImageReference { frame: None, ..image.clone() })
        .collect()
}

/// TID 1500: language, observer, procedure, image library, measurement groups, summary.
fn root(request: &EncodeRequest<'_>, segments: &[SegmentObject]) -> ContentItem {
    let mut children =
        vec![ContentItem::new(Relationship::HasConceptMod, code::LANGUAGE, Value::Code(request.language.clone()))];
    children.extend(observer(request));
    children.push(ContentItem::new(
        Relationship::HasConceptMod,
        code::PROCEDURE_REPORTED,
        Value::Code(procedure(request)),
    ));
    children.push(image_library(request));
    children.push(
        ContentItem::new(Relationship::Contains, code::IMAGING_MEASUREMENTS, Value::Container(None))
            .with(groups::groups(request, segments)),
    );
    children.push(ContentItem::new(
        Relationship::Contains,
        code::SUMMARY,
        Value::Text(summary::summary(request, segments)),
    ));
    ContentItem::root(code::IMAGING_MEASUREMENT_REPORT.concept(), Value::Container(Some("1500")), children)
}

/// TID 1001 and TID 1004: the model is a device; its UID names the deployment (AV-16).
fn observer(request: &EncodeRequest<'_>) -> Vec<ContentItem> {
    let algorithm = request.algorithm;
    let text =
        |name: Code, value: &str| ContentItem::new(Relationship::HasObsContext, name, Value::Text(value.to_owned()));
    vec![
        ContentItem::new(Relationship::HasObsContext, code::OBSERVER_TYPE, Value::Code(code::DEVICE.concept())),
        ContentItem::new(
            Relationship::HasObsContext,
            code::DEVICE_OBSERVER_UID,
            Value::UidRef(common::device_uid(algorithm)),
        ),
        text(code::DEVICE_OBSERVER_NAME, &algorithm.deployment),
        text(code::DEVICE_OBSERVER_MANUFACTURER, &algorithm.manufacturer),
        text(code::DEVICE_OBSERVER_MODEL_NAME, &algorithm.name),
        text(code::DEVICE_OBSERVER_SERIAL_NUMBER, &algorithm.package_digest),
    ]
}

fn procedure(request: &EncodeRequest<'_>) -> hilum_types::CodedConcept {
    let modality = request.identity().text(attribute::MODALITY).unwrap_or_default();
    request.procedure.clone().unwrap_or_else(|| code::procedure_for(modality).concept())
}

/// TID 1600: one group per series with its modality, one entry per image.
fn image_library(request: &EncodeRequest<'_>) -> ContentItem {
    let mut groups: Vec<(Uid, ContentItem)> = Vec::new();
    for image in images(request) {
        let modality = request.source_of(&image).and_then(|source| source.header.text(attribute::MODALITY));
        let at = groups.iter().position(|(series, _)| *series == image.series_instance_uid).unwrap_or_else(|| {
            let modality = ContentItem::new(
                Relationship::HasAcqContext,
                code::MODALITY,
                Value::Code(code::modality_code(modality.unwrap_or_default()).concept()),
            );
            let group = ContentItem::new(Relationship::Contains, code::IMAGE_LIBRARY_GROUP, Value::Container(None))
                .with(vec![modality]);
            groups.push((image.series_instance_uid.clone(), group));
            groups.len() - 1
        });
        groups[at].1.children.push(ContentItem::new(Relationship::Contains, code::SOURCE, Value::image(&image)));
    }
    ContentItem::new(Relationship::Contains, code::IMAGE_LIBRARY, Value::Container(None))
        .with(groups.into_iter().map(|(_, group)| group).collect())
}
