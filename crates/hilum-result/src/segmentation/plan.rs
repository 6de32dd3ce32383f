//! Which frames go into which Segmentation object, and in which order.

use super::bits;
use crate::request::{EncodeRequest, ResultError, ResultKind};
use hilum_types::{ImageReference, InstanceHeader, SegmentMask, Uid, attribute};
use std::collections::{BTreeMap, HashMap};

/// One Segmentation object to be written, or written.
#[derive(Debug, Clone)]
pub(crate) struct SegmentObject {
    pub(crate) sop_instance_uid: Uid,
    pub(crate) series_instance_uid: Uid,
    /// Segments by number, from 1.
    pub(crate) segments: Vec<WrittenSegment>,
}

/// Where a segment of the output ended up.
#[derive(Debug, Clone)]
pub(crate) struct WrittenSegment {
    /// Index in `ModelOutput::segments`.
    pub(crate) output_index: usize,
    /// Segment Number (0062,0004).
    pub(crate) number: u16,
    /// Frames of the object that show it, with the source frame of each; empty when nothing was segmented.
    pub(crate) frames: Vec<(u32, ImageReference)>,
}

/// One frame to write.
pub(super) struct Frame<'a> {
    pub(super) segment_number: u16,
    /// Place among the source frames of this object, from 1.
    pub(super) position: u32,
    pub(super) header: &'a InstanceHeader,
    pub(super) image: ImageReference,
    /// `None`: an empty frame, written because an object needs one.
    pub(super) mask: Option<&'a SegmentMask>,
}

/// Everything the writer needs for one object.
pub(super) struct Plan<'a> {
    pub(super) object: SegmentObject,
    pub(super) rows: u32,
    pub(super) columns: u32,
    /// Whether every source frame has its place in a Frame of Reference.
    pub(super) has_geometry: bool,
    pub(super) frames: Vec<Frame<'a>>,
}

/// Frames that may share an object. Those with a place in space share it by series; those without (projection
/// radiographs) share it only with frames of the same object, because nothing else relates them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    series_or_instance: Uid,
    frame_of_reference: Option<String>,
    rows: u32,
    columns: u32,
}

/// Group the masks of the output; the order of everything depends on the request only.
pub(super) fn plans<'a>(request: &'a EncodeRequest<'a>) -> Result<Vec<Plan<'a>>, ResultError> {
    let sources: HashMap<&Uid, &InstanceHeader> =
        request.source.iter().map(|image| (&image.header.sop_instance_uid, image.header)).collect();
    let mut keys: Vec<Key> = Vec::new();
    let mut by_key: HashMap<Key, Vec<(usize, &'a SegmentMask, &'a InstanceHeader)>> = HashMap::new();
    for (index, segment) in request.output.segments.iter().enumerate() {
        for mask in &segment.masks {
            let header = *sources
                .get(&mask.image.sop_instance_uid)
                .ok_or_else(|| ResultError::ImageNotInSource(format!("segment {:?}", segment.label)))?;
            if u64::from(mask.rows) * u64::from(mask.columns) != mask.pixels.len() as u64 || mask.pixels.is_empty() {
                return Err(ResultError::MaskSize {
                    label: segment.label.clone(),
                    pixels: mask.pixels.len(),
                    rows: mask.rows,
                    columns: mask.columns,
                });
            }
            let key = key(header, mask.rows, mask.columns);
            by_key
                .entry(key.clone())
                .or_insert_with(|| {
                    keys.push(key);
                    Vec::new()
                })
                .push((index, mask, header));
        }
    }
    let without_masks: Vec<usize> =
        (0..request.output.segments.len()).filter(|index| request.output.segments[*index].masks.is_empty()).collect();
    if keys.is_empty() {
        return Ok(if without_masks.is_empty() { Vec::new() } else { vec![empty_plan(request, &without_masks)?] });
    }
    let plan = |(ordinal, key): (usize, &Key)| {
        // A segment the model never drew is named once, in the first object.
        let undrawn: &[usize] = if ordinal == 0 { &without_masks } else { &[] };
        plan(request, ordinal, key, &by_key[key], undrawn)
    };
    keys.iter().enumerate().map(plan).collect()
}

fn key(header: &InstanceHeader, rows: u32, columns: u32) -> Key {
    let frame_of_reference =
        has_geometry(header).then(|| header.text(attribute::FRAME_OF_REFERENCE_UID).unwrap_or_default().to_owned());
    let series_or_instance = match frame_of_reference {
        Some(_) => &header.series_instance_uid,
        None => &header.sop_instance_uid,
    };
    Key { series_or_instance: series_or_instance.clone(), frame_of_reference, rows, columns }
}

/// Whether the frame has a position, an orientation and a spacing in a Frame of Reference (PS3.3 section C.7.6.2).
pub(super) fn has_geometry(header: &InstanceHeader) -> bool {
    let n_numbers = |keyword, n| header.numbers(keyword).is_some_and(|numbers| numbers.len() == n);
    header.text(attribute::FRAME_OF_REFERENCE_UID).is_some()
        && n_numbers(attribute::IMAGE_POSITION_PATIENT, 3)
        && n_numbers(attribute::IMAGE_ORIENTATION_PATIENT, 6)
        && n_numbers(attribute::PIXEL_SPACING, 2)
}

fn plan<'a>(
    request: &'a EncodeRequest<'a>,
    ordinal: usize,
    key: &Key,
    masks: &[(usize, &'a SegmentMask, &'a InstanceHeader)],
    undrawn: &[usize],
) -> Result<Plan<'a>, ResultError> {
    let positions = positions(masks);
    let mut by_segment: BTreeMap<usize, Vec<(u32, &'a SegmentMask, &'a InstanceHeader)>> = BTreeMap::new();
    undrawn.iter().for_each(|index| {
        by_segment.insert(*index, Vec::new());
    });
    for (index, mask, header) in masks {
        let drawn = by_segment.entry(*index).or_default();
        if !bits::is_empty(&mask.pixels) {
            drawn.push((positions[&place(mask)], mask, header));
        }
    }
    let mut segments = Vec::new();
    let mut frames = Vec::new();
    for (output_index, mut drawn) in by_segment {
        let number = u16::try_from(segments.len() + 1).map_err(|_| ResultError::TooMany("the number of segments"))?;
        drawn.sort_by_key(|(position, ..)| *position);
        let mut written = Vec::with_capacity(drawn.len());
        for (position, mask, header) in drawn {
            let image = mask.image.clone();
            frames.push(Frame { segment_number: number, position, header, image: image.clone(), mask: Some(mask) });
            let frame_number = u32::try_from(frames.len()).ok().filter(|n| *n <= i32::MAX as u32);
            written.push((frame_number.ok_or(ResultError::TooMany("the number of frames"))?, image));
        }
        segments.push(WrittenSegment { output_index, number, frames: written });
    }
    if frames.is_empty() {
        let (_, mask, header) = masks[0];
        frames.push(Frame { segment_number: 1, position: 1, header, image: mask.image.clone(), mask: None });
    }
    Ok(Plan {
        object: object(request, ordinal, segments),
        rows: key.rows,
        columns: key.columns,
        has_geometry: key.frame_of_reference.is_some(),
        frames,
    })
}

/// No segment was drawn at all: one empty frame on the first input, so that "nothing segmented" is an object too.
fn empty_plan<'a>(request: &'a EncodeRequest<'a>, undrawn: &[usize]) -> Result<Plan<'a>, ResultError> {
    let source = request.output.inputs.first().and_then(|image| request.source_of(image)).unwrap_or(&request.source[0]);
    let header = source.header;
    let size = |keyword| header.number(keyword).filter(|n| (1.0..=65535.0).contains(n)).map(|n| n as u32);
    let (Some(rows), Some(columns)) = (size(attribute::ROWS), size(attribute::COLUMNS)) else {
        return Err(ResultError::ImageNotInSource(
            "an empty segmentation needs an image with rows and columns, and".into(),
        ));
    };
    let segment = |(number, index): (usize, &usize)| {
        let number = u16::try_from(number + 1).map_err(|_| ResultError::TooMany("the number of segments"))?;
        Ok(WrittenSegment { output_index: *index, number, frames: Vec::new() })
    };
    let segments = undrawn.iter().enumerate().map(segment).collect::<Result<_, ResultError>>()?;
    let image = ImageReference {
        sop_class_uid: header.sop_class_uid.clone(),
        sop_instance_uid: header.sop_instance_uid.clone(),
        series_instance_uid: header.series_instance_uid.clone(),
        frame: (1 < header.frames()).then_some(1),
    };
    Ok(Plan {
        object: object(request, 0, segments),
        rows,
        columns,
        has_geometry: has_geometry(header),
        frames: vec![Frame { segment_number: 1, position: 1, header, image, mask: None }],
    })
}

fn object(request: &EncodeRequest<'_>, ordinal: usize, segments: Vec<WrittenSegment>) -> SegmentObject {
    let kind = ResultKind::Segmentation.word();
    SegmentObject {
        sop_instance_uid: request.derived(&["instance", kind, &ordinal.to_string()]),
        series_instance_uid: request.derived(&["series", kind]),
        segments,
    }
}

type Place<'a> = (&'a Uid, Option<u32>);

fn place(mask: &SegmentMask) -> Place<'_> {
    (&mask.image.sop_instance_uid, mask.image.frame)
}

/// Number every source frame from 1: along the normal of the slices where there is one, else in the order given.
fn positions<'a>(masks: &[(usize, &'a SegmentMask, &'a InstanceHeader)]) -> HashMap<Place<'a>, u32> {
    let mut places: Vec<(f64, Option<u32>, Place<'a>)> = Vec::new();
    let mut seen: HashMap<Place<'a>, u32> = HashMap::new();
    for (_, mask, header) in masks {
        if seen.insert(place(mask), 0).is_none() {
            places.push((along_normal(header).unwrap_or(0.0), mask.image.frame, place(mask)));
        }
    }
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    places.iter().zip(1..).for_each(|((_, _, place), number)| {
        seen.insert(*place, number);
    });
    seen
}

/// Distance of the slice along the normal of its plane, in mm.
fn along_normal(header: &InstanceHeader) -> Option<f64> {
    let p = header.numbers(attribute::IMAGE_POSITION_PATIENT).filter(|p| p.len() == 3)?;
    let o = header.numbers(attribute::IMAGE_ORIENTATION_PATIENT).filter(|o| o.len() == 6)?;
    let normal = [o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]];
    Some(normal.iter().zip(&p).map(|(n, p)| n * p).sum())
}
