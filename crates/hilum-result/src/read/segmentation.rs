//! Segmentations: what was segmented, and how large it is.

use super::put;
use crate::attribute as a;
use hilum_dicom::DataSet;
use hilum_types::{CodedConcept, Segment, StatedValue};
use std::collections::BTreeMap;

/// Segments without masks, and the size of each in voxels when pixel data are at hand, native, and one segment a frame.
pub(super) fn read(data_set: &DataSet) -> (Vec<Segment>, BTreeMap<String, StatedValue>) {
    let mut segments = Vec::new();
    let mut values = BTreeMap::new();
    let sizes = sizes(data_set);
    for item in data_set.items(a::SEGMENT_SEQUENCE) {
        let label = item.string(a::SEGMENT_LABEL).unwrap_or_default();
        let nothing = || CodedConcept::new("", "", "");
        let property_type = item.code(a::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE).unwrap_or_else(nothing);
        let number = item.u32(a::SEGMENT_NUMBER).unwrap_or_default();
        if let Some(sizes) = &sizes {
            let value = sizes.get(&number).copied().unwrap_or_default();
            let name = format!("segment {label} ({}, {}) > voxels", property_type.value, property_type.scheme);
            put(&mut values, name, StatedValue::Number { value, unit: "{voxels}".to_owned() });
        }
        segments.push(Segment {
            label,
            category: item.code(a::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE).unwrap_or_else(nothing),
            property_type,
            display_rgb: [255, 255, 255],
            masks: Vec::new(),
            measurements: Vec::new(),
        });
    }
    let n_segments = segments.len() as f64;
    put(&mut values, "segments".to_owned(), StatedValue::Number { value: n_segments, unit: "{segments}".to_owned() });
    (segments, values)
}

/// Voxels by segment number: set bits of BINARY frames, summed fractions of FRACTIONAL ones.
fn sizes(data_set: &DataSet) -> Option<BTreeMap<u32, f64>> {
    let pixels = data_set.bytes(a::PIXEL_DATA)?;
    let frame_size = u64::from(data_set.u32(a::ROWS)?) * u64::from(data_set.u32(a::COLUMNS)?);
    let frame_size = usize::try_from(frame_size).ok().filter(|size| 0 < *size)?;
    let most = data_set.number(a::MAXIMUM_FRACTIONAL_VALUE).filter(|most| 0.0 < *most).unwrap_or(255.0);
    let bits = data_set.u32(a::BITS_ALLOCATED)?;
    let mut sizes = BTreeMap::new();
    for (index, frame) in data_set.items(a::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).iter().enumerate() {
        let number = frame.item(a::SEGMENT_IDENTIFICATION_SEQUENCE)?.u32(a::REFERENCED_SEGMENT_NUMBER)?;
        let begin = index.checked_mul(frame_size)?;
        let end = begin.checked_add(frame_size)?;
        let size = match bits {
            1 => set_bits(pixels, begin, end)?,
            8 => pixels.get(begin..end)?.iter().map(|value| f64::from(*value) / most).sum(),
            _ => return None,
        };
        *sizes.entry(number).or_insert(0.0) += size;
    }
    Some(sizes)
}

/// Bits set from bit `begin` to before bit `end`, the lowest bit of a byte first (PS3.5 section 8.1.1).
fn set_bits(pixels: &[u8], begin: usize, end: usize) -> Option<f64> {
    if pixels.len().checked_mul(8)? < end {
        return None;
    }
    let mut count = 0u64;
    let mut bit = begin;
    while bit < end {
        if bit.is_multiple_of(8) && bit + 8 <= end {
            count += u64::from(pixels[bit / 8].count_ones());
            bit += 8;
        } else {
            count += u64::from(pixels[bit / 8] >> (bit % 8) & 1);
            bit += 1;
        }
    }
    Some(count as f64)
}
