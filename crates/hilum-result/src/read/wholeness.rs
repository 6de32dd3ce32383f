//! Whether an object that others made is whole enough to be shown: what no viewer could make anything of.

use super::ReadKind;
use crate::attribute as a;
use hilum_dicom::{DataSet, Value};
use std::collections::BTreeSet;

/// What is wrong with the object, in words without patient data; `None` when nothing is. Deviations that a viewer gets over are
/// nothing. `has_bulk` says whether pixel data were read, without which nothing is said about them.
pub(super) fn defect(data_set: &DataSet, kind: ReadKind, class: &str, has_bulk: bool) -> Option<String> {
    match kind {
        ReadKind::Report if data_set.items(a::CONTENT_SEQUENCE).is_empty() => {
            Some("a report without content".to_owned())
        }
        ReadKind::Segmentation => segments(data_set, class).or_else(|| pixels(data_set, "segmentation", has_bulk)),
        // A presentation state has no pixels.
        ReadKind::Picture if class.starts_with("1.2.840.10008.5.1.4.1.1.7") => {
            pixels(data_set, "secondary capture", has_bulk)
        }
        _ => None,
    }
}

/// Every frame is of a segment that is described (PS3.3 section C.8.20.2); a label map says so by its pixels.
fn segments(data_set: &DataSet, class: &str) -> Option<String> {
    let described: BTreeSet<u32> =
        data_set.items(a::SEGMENT_SEQUENCE).iter().filter_map(|item| item.u32(a::SEGMENT_NUMBER)).collect();
    if described.is_empty() {
        return Some("a segmentation that describes no segment".to_owned());
    }
    let frames = data_set.items(a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let n_frames = data_set.u32(a::NUMBER_OF_FRAMES).unwrap_or(1);
    if frames.len() as u64 != u64::from(n_frames) {
        return Some(format!("a segmentation of {n_frames} frames that describes {}", frames.len()));
    }
    if class == "1.2.840.10008.5.1.4.1.1.66.7" {
        return None;
    }
    let shared = data_set.item(a::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let of = |group: &DataSet| group.item(a::SEGMENT_IDENTIFICATION_SEQUENCE)?.u32(a::REFERENCED_SEGMENT_NUMBER);
    for (frame, group) in (1..).zip(frames) {
        match of(group).or_else(|| of(shared?)) {
            Some(number) if described.contains(&number) => {}
            Some(number) => {
                return Some(format!(
                    "a segmentation whose frame {frame} is of segment {number}, which is not described"
                ));
            }
            None => return Some(format!("a segmentation whose frame {frame} is of no segment")),
        }
    }
    None
}

/// Pixel data are there, and not shorter than rows, columns, samples, bits and frames say (PS3.5 section 8).
fn pixels(data_set: &DataSet, what: &str, has_bulk: bool) -> Option<String> {
    let size = |tag| data_set.u32(tag).filter(|size| 0 < *size).map(u128::from);
    let frames = data_set.u32(a::NUMBER_OF_FRAMES).map_or(1, u128::from);
    // Colour at half the columns has two bytes a pixel, although it has three samples.
    let halved = data_set.string(a::PHOTOMETRIC_INTERPRETATION).is_some_and(|name| name == "YBR_FULL_422");
    let samples = if halved { Some(2) } else { size(a::SAMPLES_PER_PIXEL) };
    let sizes = [size(a::ROWS), size(a::COLUMNS), size(a::BITS_ALLOCATED), samples];
    let [Some(rows), Some(columns), Some(bits), Some(samples)] = sizes else {
        return Some(format!("a {what} that does not state its rows, columns, samples and bits"));
    };
    if !has_bulk {
        return None;
    }
    // Rows, columns, bits and samples are 16-bit numbers, or saturate as a size that no object has.
    let needed = rows.saturating_mul(columns).saturating_mul(bits).saturating_mul(samples).saturating_mul(frames);
    match data_set.get(a::PIXEL_DATA).map(|element| &element.value) {
        Some(Value::Bytes(bytes)) if needed.div_ceil(8) <= bytes.len() as u128 => None,
        Some(Value::Fragments(fragments)) if 1 < fragments.len() => None,
        Some(Value::Bytes(bytes)) => Some(format!(
            "a {what} of {rows} x {columns} pixels and {frames} frames whose pixel data end after {} bytes",
            bytes.len()
        )),
        _ => Some(format!("a {what} without pixel data")),
    }
}
