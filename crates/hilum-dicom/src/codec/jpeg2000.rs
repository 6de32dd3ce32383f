//! JPEG 2000 part 1 and part 15 (high throughput), by two crates of safe Rust (docs/adr/0003).

use crate::{DicomError, PixelDescription};

/// What SIZ says (ISO/IEC 15444-1 section A.5.1).
struct Size {
    columns: u32,
    rows: u32,
    components: u16,
    precision: u32,
    signed: bool,
    /// A CAP segment follows SIZ, as part 15 demands.
    high_throughput: bool,
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
    let samples = if size.high_throughput { high_throughput(coded) } else { part1(coded) };
    let samples = samples.ok_or_else(|| broken("the codestream is corrupt"))?;
    if samples.len() != description.samples_per_frame() {
        return Err(broken("the codestream holds another number of samples"));
    }
    let width = description.sample_bytes();
    // The decoders add half the range to signed components too.
    let half = if size.signed { 1 << (size.precision - 1) } else { 0 };
    let shift = 32 - size.precision;
    let in_container = |value: u32| {
        let bits = value.wrapping_sub(half) << shift;
        if size.signed || description.signed { (bits as i32 >> shift) as u32 } else { bits >> shift }
    };
    Ok(samples.into_iter().flat_map(|value| in_container(value).to_le_bytes().into_iter().take(width)).collect())
}

/// Samples of a part 1 codestream, pixel by pixel, by the crate `hayro-jpeg2000`.
fn part1(coded: &[u8]) -> Option<Vec<u32>> {
    use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
    let settings = DecodeSettings { resolve_palette_indices: false, strict: false, target_resolution: None };
    let image = Image::new(coded, &settings).ok()?;
    let highest = ((1u32 << image.original_bit_depth()) - 1) as f32;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).ok()?;
    let planes: Vec<&[f32]> = decoded.components().iter().map(|component| component.samples()).collect();
    let count = planes.iter().map(|plane| plane.len()).min()?;
    let mut samples = Vec::with_capacity(count * planes.len());
    for pixel in 0..count {
        samples.extend(planes.iter().map(|plane| plane[pixel].round().clamp(0.0, highest) as u32));
    }
    Some(samples)
}

/// Samples of a high-throughput codestream (part 15), by the crate `dicom-toolkit-jpeg2000`.
fn high_throughput(coded: &[u8]) -> Option<Vec<u32>> {
    use dicom_toolkit_jpeg2000::{DecodeSettings, Image};
    let settings = DecodeSettings { resolve_palette_indices: false, strict: false, target_resolution: None };
    let bitmap = Image::new(coded, &settings).ok()?.decode_native().ok()?;
    if bitmap.bytes_per_sample == 1 {
        return Some(bitmap.data.iter().map(|&byte| u32::from(byte)).collect());
    }
    Some(bitmap.data.as_chunks::<2>().0.iter().map(|&pair| u32::from(u16::from_le_bytes(pair))).collect())
}

/// Packets that a codestream may announce; each costs memory and time whether or not it is there.
const PACKETS_MAX: u64 = 4 << 20;
/// Precincts and code blocks that a codestream may divide its samples into.
const BLOCKS_MAX: u64 = 4 << 20;

/// Check SIZ and every COD and COC against what they would make a decoder allocate.
fn read_size(coded: &[u8]) -> Option<Size> {
    let start = coded.windows(4).take(4096).position(|head| head == [0xFF, 0x4F, 0xFF, 0x51])?;
    let siz = coded.get(start + 6..)?;
    let word = |at: usize| siz.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    let (x, y, x_offset, y_offset) = (word(2)?, word(6)?, word(10)?, word(14)?);
    let (tile_x, tile_y) = (word(18)?.max(1), word(22)?.max(1));
    let components = siz.get(34..36).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes)?;
    let described: Vec<&[u8]> = siz.get(36..)?.chunks_exact(3).take(usize::from(components)).collect();
    let &[depth, 1, 1] = *described.first()? else { return None };
    let uniform = described.len() == usize::from(components) && described.iter().all(|one| **one == [depth, 1, 1]);
    let tiles = u64::from(x.div_ceil(tile_x)) * u64::from(y.div_ceil(tile_y));
    let grid = Grid {
        tile_columns: u64::from(tile_x.min(x)),
        tile_rows: u64::from(tile_y.min(y)),
        planes: tiles * u64::from(components),
    };
    if !uniform || 65_535 < tiles || !coding_styles_fit(&coded[start + 2..], &grid, components)? {
        return None;
    }
    Some(Size {
        columns: x.checked_sub(x_offset)?,
        rows: y.checked_sub(y_offset)?,
        components,
        precision: u32::from(depth & 0x7F) + 1,
        signed: depth & 0x80 != 0,
        high_throughput: siz.get(36 + 3 * usize::from(components)..)?.starts_with(&[0xFF, 0x50]),
    })
}

/// Tiles of a codestream.
struct Grid {
    tile_columns: u64,
    tile_rows: u64,
    /// Tiles times components.
    planes: u64,
}

/// Walk the main header and the headers of all tile-parts, which may change the coding style (section A.6).
fn coding_styles_fit(codestream: &[u8], grid: &Grid, components: u16) -> Option<bool> {
    let mut at = 0;
    let mut tile_part_end = None;
    loop {
        let marker = codestream.get(at..at + 2)?;
        match marker {
            // SOD: the data of this tile-part follow, then the next one.
            [0xFF, 0x93] => match tile_part_end {
                Some(end) if at < end && end < codestream.len() => {
                    at = end;
                    tile_part_end = None;
                    continue;
                }
                _ => return Some(true),
            },
            [0xFF, 0xD9] => return Some(true),
            [0xFF, _] => {}
            // What follows a tile-part may be padding; the decoder judges it.
            _ => return Some(true),
        }
        let length = usize::from(u16::from_be_bytes(codestream.get(at + 2..at + 4)?.try_into().ok()?));
        let body = codestream.get(at + 4..at + 2 + length)?;
        match marker[1] {
            0x52 => {
                let layers = u64::from(u16::from_be_bytes(body.get(2..4)?.try_into().ok()?));
                if !style_fits(body.get(5..)?, body[0] & 1 == 1, layers, grid) {
                    return Some(false);
                }
            }
            0x53 => {
                let style = if components < 257 { body.get(1..)? } else { body.get(2..)? };
                // The layers stand in COD; a component of its own can only change the blocks.
                if !style_fits(style.get(1..)?, style[0] & 1 == 1, 1, grid) {
                    return Some(false);
                }
            }
            0x90 => {
                let length = u32::from_be_bytes(body.get(2..6)?.try_into().ok()?) as usize;
                tile_part_end = (length != 0).then(|| at.saturating_add(length));
            }
            _ => {}
        }
        at += 2 + length;
    }
}

/// SPcod and SPcoc: decomposition levels, code block size, style, transformation, precinct sizes (table A.15).
fn style_fits(parameters: &[u8], own_precincts: bool, layers: u64, grid: &Grid) -> bool {
    let Some(&[levels, width, height, _, _]) = parameters.first_chunk::<5>() else { return false };
    let levels = u32::from(levels);
    if 32 < levels || 8 < width || 8 < height {
        return false;
    }
    let samples = grid.planes * grid.tile_columns * grid.tile_rows;
    let blocks = samples >> (u32::from(width) + u32::from(height) + 4);
    let mut precincts = 0;
    for resolution in 0..=levels {
        let reduced = |size: u64| (size >> (levels - resolution).min(63)).max(1);
        let exponents = match parameters.get(5 + resolution as usize) {
            Some(&both) if own_precincts => (u32::from(both & 15), u32::from(both >> 4)),
            _ => (15, 15),
        };
        let across = (reduced(grid.tile_columns) >> exponents.0) + 1;
        let down = (reduced(grid.tile_rows) >> exponents.1) + 1;
        precincts += grid.planes * across * down;
    }
    blocks <= BLOCKS_MAX && precincts <= BLOCKS_MAX && precincts.saturating_mul(layers) <= PACKETS_MAX
}
