//! Pixel data have the size their description says, and frames agree with their functional groups.

use super::Findings;
use crate::attribute as a;
use crate::key_image::SIDE_MAX;
use hilum_dicom::DataSet;

pub(super) fn key_image(data_set: &DataSet, found: &mut Findings) {
    let (rows, columns) = size(data_set);
    let in_bounds = (1..=SIDE_MAX as u64).contains(&rows) && (1..=SIDE_MAX as u64).contains(&columns);
    found.require(in_bounds, &[a::ROWS], "or Columns is beyond the size of a key image");
    length(data_set, (rows * columns * 3).next_multiple_of(2), found);
}

pub(super) fn segmentation(data_set: &DataSet, found: &mut Findings) {
    let (rows, columns) = size(data_set);
    let n_frames = u64::from(data_set.u32(a::NUMBER_OF_FRAMES).unwrap_or(0));
    found.require(0 < n_frames, &[a::NUMBER_OF_FRAMES], "is 0");
    let n_bits = rows.saturating_mul(columns).saturating_mul(n_frames);
    length(data_set, n_bits.div_ceil(8).next_multiple_of(2), found);
    let per_frame = data_set.items(a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    found.require(
        per_frame.len() as u64 == n_frames,
        &[a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE],
        "does not hold one item for each frame",
    );
    let segments = data_set.items(a::SEGMENT_SEQUENCE);
    let in_order = (1..).zip(segments).all(|(number, segment)| segment.u32(a::SEGMENT_NUMBER) == Some(number));
    found.require(in_order, &[a::SEGMENT_SEQUENCE, a::SEGMENT_NUMBER], "does not count from 1");
    let n_indices = data_set.items(a::DIMENSION_INDEX_SEQUENCE).len();
    for group in per_frame {
        let segment = group.item(a::SEGMENT_IDENTIFICATION_SEQUENCE).and_then(|i| i.u32(a::REFERENCED_SEGMENT_NUMBER));
        found.require(
            segment.is_some_and(|number| (1..=segments.len() as u64).contains(&u64::from(number))),
            &[a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, a::REFERENCED_SEGMENT_NUMBER],
            "names no segment of this object",
        );
        let indices = group.item(a::FRAME_CONTENT_SEQUENCE).and_then(|i| i.numbers(a::DIMENSION_INDEX_VALUES));
        found.require(
            indices.is_some_and(|values| values.len() == n_indices),
            &[a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, a::DIMENSION_INDEX_VALUES],
            "does not have one value for each dimension",
        );
    }
    geometry(data_set, per_frame, found);
}

/// With a Frame of Reference every frame has its place in it; without, none has (section A.51.5).
fn geometry(data_set: &DataSet, per_frame: &[DataSet], found: &mut Findings) {
    let placed = data_set.string(a::FRAME_OF_REFERENCE_UID).is_some();
    let shared = data_set.item(a::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    for (sequence, attribute) in [
        (a::PLANE_POSITION_SEQUENCE, a::IMAGE_POSITION_PATIENT),
        (a::PLANE_ORIENTATION_SEQUENCE, a::IMAGE_ORIENTATION_PATIENT),
        (a::PIXEL_MEASURES_SEQUENCE, a::PIXEL_SPACING),
    ] {
        let has = |group: &DataSet| {
            let item = group.item(sequence).or_else(|| shared.and_then(|shared| shared.item(sequence)));
            item.is_some_and(|item| item.numbers(attribute).is_some())
        };
        let agrees = per_frame.iter().all(|group| has(group) == placed);
        found.require(agrees, &[sequence], "does not agree with Frame of Reference UID");
    }
}

fn size(data_set: &DataSet) -> (u64, u64) {
    let side = |tag| u64::from(data_set.u32(tag).unwrap_or(0));
    (side(a::ROWS), side(a::COLUMNS))
}

fn length(data_set: &DataSet, expected: u64, found: &mut Findings) {
    let actual = data_set.bytes(a::PIXEL_DATA).map_or(0, <[u8]>::len) as u64;
    found.require(actual == expected, &[a::PIXEL_DATA], "has another length than its description says");
}
