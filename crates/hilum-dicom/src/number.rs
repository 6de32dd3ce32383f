//! Binary numbers of a value.

use crate::Vr;
use crate::dictionary::unit_bytes;

/// The numbers of a value as `f64`; empty for text and plain bytes.
pub(crate) fn numbers(bytes: &[u8], vr: Vr, big_endian: bool) -> Vec<f64> {
    units(bytes, vr, big_endian)
        .map(|raw| match vr {
            Vr::SS => f64::from(raw as u16 as i16),
            Vr::SL => f64::from(raw as u32 as i32),
            Vr::SV => raw as i64 as f64,
            Vr::FL | Vr::OF => f64::from(f32::from_bits(raw as u32)),
            Vr::FD | Vr::OD => f64::from_bits(raw),
            _ => raw as f64,
        })
        .collect()
}

/// The same as text, integers exactly.
pub(crate) fn texts(bytes: &[u8], vr: Vr, big_endian: bool) -> Vec<String> {
    units(bytes, vr, big_endian)
        .map(|raw| match vr {
            Vr::SS => (raw as u16 as i16).to_string(),
            Vr::SL => (raw as u32 as i32).to_string(),
            Vr::SV => (raw as i64).to_string(),
            Vr::FL | Vr::OF => f32::from_bits(raw as u32).to_string(),
            Vr::FD | Vr::OD => f64::from_bits(raw).to_string(),
            _ => raw.to_string(),
        })
        .collect()
}

/// The bit patterns of the numbers of a value; a rest shorter than one number is left out.
pub(crate) fn units(bytes: &[u8], vr: Vr, big_endian: bool) -> impl Iterator<Item = u64> + '_ {
    // One byte per unit means no numbers: a chunk longer than the value yields none.
    let size = if unit_bytes(vr) == 1 { bytes.len() + 1 } else { unit_bytes(vr) };
    bytes.chunks_exact(size).map(move |chunk| {
        let mut raw = [0; 8];
        if big_endian {
            raw[8 - chunk.len()..].copy_from_slice(chunk);
            u64::from_be_bytes(raw)
        } else {
            raw[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(raw)
        }
    })
}

/// Swap a value between byte orders in place.
pub(crate) fn swap(bytes: &mut [u8], vr: Vr) {
    let size = unit_bytes(vr);
    if 1 < size {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}
