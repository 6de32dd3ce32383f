//! RLE lossless, PS3.5 annex G.

use crate::{DicomError, PixelDescription};

/// Decode one frame: a header of 64 bytes, then one segment for each byte plane, the most significant first.
pub(crate) fn decode(coded: &[u8], description: &PixelDescription) -> Result<Vec<u8>, DicomError> {
    let broken = |reason: &str| DicomError::Codec(format!("RLE: {reason}"));
    let (header, _) = coded.as_chunks::<4>();
    let header: Vec<usize> = header.iter().take(16).map(|&word| u32::from_le_bytes(word) as usize).collect();
    let &[count, ref offsets @ ..] = header.as_slice() else { return Err(broken("the header is cut short")) };
    let width = description.sample_bytes();
    let planes = width * usize::from(description.samples_per_pixel);
    if count != planes || offsets.len() < count {
        return Err(broken("the number of segments does not fit Bits Allocated and Samples per Pixel"));
    }
    let packed = description.bits_allocated == 1;
    let pixels = description.rows as usize * description.columns as usize;
    let plane_bytes = if packed { pixels.div_ceil(8) } else { pixels };
    let mut out = vec![0; plane_bytes * planes];
    for plane in 0..planes {
        let end = if plane + 1 < planes { offsets[plane + 1] } else { coded.len() };
        let segment = coded.get(offsets[plane]..end).ok_or_else(|| broken("a segment lies outside the frame"))?;
        // Plane order is sample by sample, high byte first; the output is little endian, sample by sample.
        let first = plane / width * width + (width - 1 - plane % width);
        let filled = unpack_segment(segment, out[first..].iter_mut().step_by(planes));
        if filled < plane_bytes {
            return Err(broken("a segment is too short"));
        }
    }
    if packed {
        let bits = out.iter().flat_map(|byte| (0..8).map(move |bit| (byte >> bit) & 1));
        return Ok(bits.take(pixels).collect());
    }
    Ok(out)
}

/// PackBits (PS3.5 section G.3.1) into `out`; returns how many bytes were filled.
fn unpack_segment<'o>(segment: &[u8], mut out: impl Iterator<Item = &'o mut u8>) -> usize {
    let mut filled = 0;
    let mut put = |value: u8| match out.next() {
        Some(slot) => {
            *slot = value;
            filled += 1;
            true
        }
        None => false,
    };
    let mut rest = segment;
    while let Some((&control, tail)) = rest.split_first() {
        rest = tail;
        match control {
            0..=127 => {
                let literal = usize::from(control) + 1;
                let taken = literal.min(rest.len());
                if !rest[..taken].iter().all(|&value| put(value)) || taken < literal {
                    break;
                }
                rest = &rest[taken..];
            }
            128 => {}
            129..=255 => {
                let Some((&value, tail)) = rest.split_first() else { break };
                rest = tail;
                if !(0..257 - usize::from(control)).all(|_| put(value)) {
                    break;
                }
            }
        }
    }
    filled
}
