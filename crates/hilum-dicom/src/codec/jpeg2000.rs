//! JPEG 2000 part 1 and part 15 (high throughput), by the crate `dicom-toolkit-jpeg2000`, which is safe Rust.

use crate::{DicomError, PixelDescription};
use dicom_toolkit_jpeg2000::{DecodeSettings, Image};

/// What SIZ says (ISO/IEC 15444-1 section A.5.1).
struct Size {
    columns: u32,
    rows: u32,
    components: u16,
    precision: u32,
    signed: bool,
}

/// Decode one frame to little endian bytes, colour transformations of the codestream undone.
pub(crate) fn decode(coded: &[u8], description: &PixelDescription) -> Result<Vec<u8>, DicomError> {
    let broken = |reason: &str| DicomError::Codec(format!("JPEG 2000: {reason}"));
    let size = read_size(coded).ok_or_else(|| broken("no codestream with components of one size"))?;
    if (size.rows, size.columns, size.components)
        != (description.rows, description.columns, description.samples_per_pixel)
    {
        return Err(broken("the codestream contradicts Rows, Columns or Samples per Pixel"));
    }
    if 16 < size.precision || u32::from(description.bits_allocated) < size.precision {
        return Err(DicomError::Unsupported(format!("JPEG 2000 with {} bits in its container", size.precision)));
    }
    let settings = DecodeSettings { resolve_palette_indices: false, strict: false, target_resolution: None };
    let image = Image::new(coded, &settings).map_err(|_| broken("the codestream is corrupt"))?;
    let bitmap = image.decode_native().map_err(|_| broken("the codestream is corrupt"))?;
    let width = description.sample_bytes();
    // The decoder adds half the range to signed components too.
    let half = if size.signed { 1 << (size.precision - 1) } else { 0 };
    let mut out = Vec::with_capacity(description.samples_per_frame() * width);
    let mut put = |value: u32| {
        let value = value.wrapping_sub(half);
        let masked = value & (u32::MAX >> (32 - size.precision));
        let shift = 32 - size.precision;
        let extended =
            if size.signed || description.signed { ((masked << shift) as i32 >> shift) as u32 } else { masked };
        out.extend_from_slice(&extended.to_le_bytes()[..width]);
    };
    match bitmap.bytes_per_sample {
        1 => bitmap.data.iter().for_each(|&byte| put(u32::from(byte))),
        _ => bitmap.data.as_chunks::<2>().0.iter().for_each(|&pair| put(u32::from(u16::from_le_bytes(pair)))),
    }
    Ok(out)
}

fn read_size(coded: &[u8]) -> Option<Size> {
    let start = coded.windows(4).take(4096).position(|head| head == [0xFF, 0x4F, 0xFF, 0x51])?;
    let siz = &coded[start + 6..];
    let word = |at: usize| siz.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    let (x, y, x_offset, y_offset) = (word(2)?, word(6)?, word(10)?, word(14)?);
    let (tile_x, tile_y) = (word(18)?, word(22)?);
    let components = siz.get(34..36).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes)?;
    let described: Vec<&[u8]> = siz.get(36..)?.chunks_exact(3).take(usize::from(components)).collect();
    let &[depth, 1, 1] = *described.first()? else { return None };
    let uniform = described.len() == usize::from(components) && described.iter().all(|one| **one == [depth, 1, 1]);
    let tiles = u64::from(x.div_ceil(tile_x.max(1))) * u64::from(y.div_ceil(tile_y.max(1)));
    if !uniform || 65_535 < tiles {
        return None;
    }
    Some(Size {
        columns: x.checked_sub(x_offset)?,
        rows: y.checked_sub(y_offset)?,
        components,
        precision: u32::from(depth & 0x7F) + 1,
        signed: depth & 0x80 != 0,
    })
}
