//! Segmentation, type `BINARY`, sparse: frames without a set pixel are not written (PS3.3 sections A.51 and C.8.20).

mod bits;
mod colour;
mod plan;

use crate::attribute as a;
use crate::code;
use crate::common;
use crate::report::{tracking_identifier, tracking_uid};
use crate::request::{EncodeRequest, ResultError, ResultKind};
pub(crate) use bits::{count, is_empty};
use hilum_dicom::{DataSet, Vr};
use hilum_types::{InstanceHeader, Uid, attribute};
pub(crate) use plan::SegmentObject;
use plan::{Frame, Plan};
use std::collections::BTreeSet;

/// Whether any frame of any object shows the segment `index` of the output.
pub(crate) fn is_drawn(objects: &[SegmentObject], index: usize) -> bool {
    objects.iter().flat_map(|object| &object.segments).any(|s| s.output_index == index && !s.frames.is_empty())
}

/// Every Segmentation of the output with its data set; none when the model segments nothing.
///
/// # Errors
/// Masks that do not fit their image, or images that are not among the sources.
pub(crate) fn build(request: &EncodeRequest<'_>) -> Result<Vec<(SegmentObject, DataSet)>, ResultError> {
    let plans = plan::plans(request)?;
    let write = |(ordinal, plan): (usize, Plan<'_>)| {
        let item = write(request, ordinal, &plan)?;
        Ok((plan.object, item))
    };
    plans.into_iter().enumerate().map(write).collect()
}

fn write(request: &EncodeRequest<'_>, ordinal: usize, plan: &Plan<'_>) -> Result<DataSet, ResultError> {
    let first = plan.frames[0].header;
    let mut item = common::composite(request, ResultKind::Segmentation, ordinal);
    let images = plan.frames.iter().map(|frame| &frame.header.sop_instance_uid).collect();
    common::source_compression(&mut item, request, &images)?;
    item.put(a::IMAGE_TYPE, "DERIVED\\PRIMARY");
    item.put(a::INSTANCE_NUMBER, (ordinal + 1).to_string());
    if plan.has_geometry {
        let frame_of_reference = first.text(attribute::FRAME_OF_REFERENCE_UID).unwrap_or_default();
        item.put(a::FRAME_OF_REFERENCE_UID, frame_of_reference);
        item.put_empty(a::POSITION_REFERENCE_INDICATOR);
    } else {
        common::copy(&mut item, first, a::PATIENT_ORIENTATION, true);
    }
    item.put(a::CONTENT_LABEL, "SEGMENTATION");
    item.put(a::CONTENT_DESCRIPTION, common::model_title(request));
    item.put_empty(a::CONTENT_CREATOR_NAME);
    item.put(a::SEGMENTATION_TYPE, "BINARY");
    item.put(a::SEGMENTS_OVERLAP, if plan.object.segments.len() == 1 { "NO" } else { "UNDEFINED" });
    let segments = plan.object.segments.iter().map(|written| segment(request, written.output_index, written.number));
    item.put_sequence(a::SEGMENT_SEQUENCE, segments.collect());
    item.put_sequence(a::REFERENCED_SERIES_SEQUENCE, referenced_series(plan));
    pixels(&mut item, plan)?;
    dimensions(&mut item, request, ordinal, plan);
    functional_groups(&mut item, plan);
    Ok(item)
}

/// Segment Description Macro, PS3.3 section C.8.20.4.
fn segment(request: &EncodeRequest<'_>, index: usize, number: u16) -> DataSet {
    let segment = &request.output.segments[index];
    let mut item = DataSet::new();
    item.put_number(a::SEGMENT_NUMBER, number);
    item.put(a::SEGMENT_LABEL, tracking_identifier(request, "segment", index, &segment.label));
    item.put_code(a::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, &segment.category);
    item.put_code(a::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, &segment.property_type);
    item.put(a::SEGMENT_ALGORITHM_TYPE, "AUTOMATIC");
    item.put(a::SEGMENT_ALGORITHM_NAME, &request.algorithm.name);
    item.put_sequence(
        a::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE,
        vec![common::algorithm_identification(request.algorithm)],
    );
    item.put_numbers(a::RECOMMENDED_DISPLAY_CIELAB_VALUE, &colour::cielab(segment.display_rgb).map(f64::from));
    item.put(a::TRACKING_ID, tracking_identifier(request, "segment", index, &segment.label));
    item.put(a::TRACKING_UID, tracking_uid(request, "segment", index).as_str());
    item
}

/// Common Instance Reference Module, PS3.3 section C.12.2.
fn referenced_series(plan: &Plan<'_>) -> Vec<DataSet> {
    let mut series: Vec<(&Uid, Vec<DataSet>)> = Vec::new();
    let mut seen = BTreeSet::new();
    for frame in &plan.frames {
        let header = frame.header;
        if !seen.insert(&header.sop_instance_uid) {
            continue;
        }
        let at = series.iter().position(|(uid, _)| *uid == &header.series_instance_uid).unwrap_or_else(|| {
            series.push((&header.series_instance_uid, Vec::new()));
            series.len() - 1
        });
        series[at].1.push(common::sop_reference(&header.sop_class_uid, &header.sop_instance_uid));
    }
    let item = |(uid, instances): (&Uid, Vec<DataSet>)| {
        let mut item = DataSet::new();
        item.put(a::SERIES_INSTANCE_UID, uid.as_str());
        item.put_sequence(a::REFERENCED_INSTANCE_SEQUENCE, instances);
        item
    };
    series.into_iter().map(item).collect()
}

/// Image Pixel and Segmentation Image modules, PS3.3 section C.8.20.2.
fn pixels(item: &mut DataSet, plan: &Plan<'_>) -> Result<(), ResultError> {
    let size = |n: u32| u16::try_from(n).map_err(|_| ResultError::TooMany("rows or columns of a mask"));
    item.put_number(a::SAMPLES_PER_PIXEL, 1);
    item.put(a::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2");
    item.put(a::NUMBER_OF_FRAMES, plan.frames.len().to_string());
    item.put_number(a::ROWS, size(plan.rows)?);
    item.put_number(a::COLUMNS, size(plan.columns)?);
    for (attribute, value) in
        [(a::BITS_ALLOCATED, 1), (a::BITS_STORED, 1), (a::HIGH_BIT, 0), (a::PIXEL_REPRESENTATION, 0)]
    {
        item.put_number(attribute, value);
    }
    let n_pixels = plan.rows as usize * plan.columns as usize;
    let mut packer = bits::BitPacker::with_capacity(n_pixels * plan.frames.len());
    for frame in &plan.frames {
        match frame.mask {
            Some(mask) => packer.append(&mask.pixels),
            None => packer.append(&vec![0; n_pixels]),
        }
    }
    item.put_bytes(a::PIXEL_DATA, Vr::OB, packer.finish());
    Ok(())
}

/// Multi-frame Dimension Module, PS3.3 section C.7.6.17: by segment, then by place.
fn dimensions(item: &mut DataSet, request: &EncodeRequest<'_>, ordinal: usize, plan: &Plan<'_>) {
    let organization = request.derived(&["dimension organization", &ordinal.to_string()]);
    let mut organizations = DataSet::new();
    organizations.put(a::DIMENSION_ORGANIZATION_UID, organization.as_str());
    item.put_sequence(a::DIMENSION_ORGANIZATION_SEQUENCE, vec![organizations]);
    let index = |pointer, group, label: &str| {
        let mut index = DataSet::new();
        index.put(a::DIMENSION_ORGANIZATION_UID, organization.as_str());
        index.put_tags(a::DIMENSION_INDEX_POINTER, &[pointer]);
        index.put_tags(a::FUNCTIONAL_GROUP_POINTER, &[group]);
        index.put(a::DIMENSION_DESCRIPTION_LABEL, label);
        index
    };
    let mut indices =
        vec![index(a::REFERENCED_SEGMENT_NUMBER, a::SEGMENT_IDENTIFICATION_SEQUENCE, "Referenced Segment Number")];
    if plan.has_geometry {
        indices.push(index(a::IMAGE_POSITION_PATIENT, a::PLANE_POSITION_SEQUENCE, "Image Position Patient"));
    } else if is_stack(plan) {
        indices.push(index(a::IN_STACK_POSITION_NUMBER, a::FRAME_CONTENT_SEQUENCE, "In-Stack Position Number"));
    }
    item.put_sequence(a::DIMENSION_INDEX_SEQUENCE, indices);
}

/// Frames of one multi-frame image that has no place in space are a stack.
fn is_stack(plan: &Plan<'_>) -> bool {
    !plan.has_geometry && plan.frames.iter().any(|frame| frame.image.frame.is_some())
}

/// Multi-frame Functional Groups Module, PS3.3 section C.7.6.16, with the macros of section A.51.5.
fn functional_groups(item: &mut DataSet, plan: &Plan<'_>) {
    let first = plan.frames[0].header;
    let same = |keyword| plan.frames.iter().all(|frame| frame.header.values(keyword) == first.values(keyword));
    let orientation_shared = same(attribute::IMAGE_ORIENTATION_PATIENT);
    let measures_shared =
        [attribute::PIXEL_SPACING, attribute::SLICE_THICKNESS, attribute::SPACING_BETWEEN_SLICES].into_iter().all(same);
    let mut shared = DataSet::new();
    if plan.has_geometry && orientation_shared {
        shared.put_sequence(a::PLANE_ORIENTATION_SEQUENCE, vec![plane_orientation(first)]);
    }
    if plan.has_geometry && measures_shared {
        shared.put_sequence(a::PIXEL_MEASURES_SEQUENCE, vec![pixel_measures(first)]);
    }
    item.put_sequence(a::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    let stack = is_stack(plan);
    let per_frame = plan.frames.iter().map(|frame| {
        let mut group = DataSet::new();
        group.put_sequence(a::DERIVATION_IMAGE_SEQUENCE, vec![derivation(frame)]);
        group.put_sequence(a::FRAME_CONTENT_SEQUENCE, vec![frame_content(frame, plan.has_geometry, stack)]);
        let mut identification = DataSet::new();
        identification.put_number(a::REFERENCED_SEGMENT_NUMBER, frame.segment_number);
        group.put_sequence(a::SEGMENT_IDENTIFICATION_SEQUENCE, vec![identification]);
        if plan.has_geometry {
            let mut position = DataSet::new();
            common::copy(&mut position, frame.header, a::IMAGE_POSITION_PATIENT, false);
            group.put_sequence(a::PLANE_POSITION_SEQUENCE, vec![position]);
        }
        if plan.has_geometry && !orientation_shared {
            group.put_sequence(a::PLANE_ORIENTATION_SEQUENCE, vec![plane_orientation(frame.header)]);
        }
        if plan.has_geometry && !measures_shared {
            group.put_sequence(a::PIXEL_MEASURES_SEQUENCE, vec![pixel_measures(frame.header)]);
        }
        group
    });
    item.put_sequence(a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame.collect());
}

fn plane_orientation(header: &InstanceHeader) -> DataSet {
    let mut item = DataSet::new();
    common::copy(&mut item, header, a::IMAGE_ORIENTATION_PATIENT, false);
    item
}

fn pixel_measures(header: &InstanceHeader) -> DataSet {
    let mut item = DataSet::new();
    common::copy(&mut item, header, a::SLICE_THICKNESS, false);
    common::copy(&mut item, header, a::SPACING_BETWEEN_SLICES, false);
    common::copy(&mut item, header, a::PIXEL_SPACING, false);
    item
}

fn derivation(frame: &Frame<'_>) -> DataSet {
    let mut source = common::sop_reference(&frame.image.sop_class_uid, &frame.image.sop_instance_uid);
    if let Some(number) = frame.image.frame {
        source.put(a::REFERENCED_FRAME_NUMBER, number.to_string());
    }
    source.put(a::SPATIAL_LOCATIONS_PRESERVED, "YES");
    source.put_code(a::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &code::SOURCE_IMAGE_FOR_PROCESSING.concept());
    let mut item = DataSet::new();
    item.put_sequence(a::SOURCE_IMAGE_SEQUENCE, vec![source]);
    item.put_code(a::DERIVATION_CODE_SEQUENCE, &code::SEGMENTATION_DERIVATION.concept());
    item
}

fn frame_content(frame: &Frame<'_>, has_geometry: bool, stack: bool) -> DataSet {
    let mut item = DataSet::new();
    let segment = u32::from(frame.segment_number);
    if stack {
        let number = frame.image.frame.unwrap_or(1);
        item.put(a::STACK_ID, "1");
        item.put_number(a::IN_STACK_POSITION_NUMBER, number);
        item.put_numbers(a::DIMENSION_INDEX_VALUES, &[segment, frame.position].map(f64::from));
    } else if has_geometry {
        item.put_numbers(a::DIMENSION_INDEX_VALUES, &[segment, frame.position].map(f64::from));
    } else {
        item.put_numbers(a::DIMENSION_INDEX_VALUES, &[segment].map(f64::from));
    }
    item
}
