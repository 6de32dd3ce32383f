//! JPEG sequential DCT processes, ISO/IEC 10918-1: baseline and extended, 8 and 12 bits, Huffman coding.
//!
//! Our own because no Rust decoder takes 12 bits, and because samples must come out without colour conversion.
//! Section numbers are those of the standard.

use crate::{DicomError, PixelDescription};

fn broken(reason: &str) -> DicomError {
    DicomError::Codec(format!("JPEG: {reason}"))
}

/// Zigzag order to row-major order (figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Whether the first frame header is of a sequential DCT process, which this module decodes.
pub(crate) fn is_sequential(coded: &[u8]) -> bool {
    let mut segments = Segments { coded, at: 2 };
    while let Ok((marker, _)) = segments.next() {
        match marker {
            0xC0 | 0xC1 => return true,
            0xC2 | 0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xDA => return false,
            _ => {}
        }
    }
    false
}

/// A component of the frame (section B.2.2) and its decoded samples.
struct Component {
    id: u8,
    horizontal: usize,
    vertical: usize,
    table: usize,
    /// Columns of `samples`: whole blocks of whole MCUs.
    stride: usize,
    samples: Vec<u16>,
    predictor: i32,
}

/// Decode one frame to little endian bytes, pixel by pixel, without colour transformation.
pub(crate) fn decode(coded: &[u8], description: &PixelDescription) -> Result<Vec<u8>, DicomError> {
    let mut segments = Segments { coded, at: 2 };
    let mut quantization = [[1u16; 64]; 4];
    let mut huffman: [[Option<Huffman>; 4]; 2] = Default::default();
    let mut frame: Option<(u32, Vec<Component>)> = None;
    let mut restart_interval = 0;
    let mut scanned = 0;
    loop {
        let (marker, body) = match segments.next() {
            Err(_) if 0 < scanned => break,
            segment => segment?,
        };
        match marker {
            0xC0 | 0xC1 => frame = Some(frame_header(body, description)?),
            0xC4 => huffman_tables(body, &mut huffman)?,
            0xDB => quantization_tables(body, &mut quantization)?,
            0xDD => {
                let Some(&[high, low]) = body.first_chunk::<2>() else { return Err(broken("a segment is cut short")) };
                restart_interval = usize::from(u16::from_be_bytes([high, low]));
            }
            0xDA => {
                let (precision, components) = frame.as_mut().ok_or_else(|| broken("a scan before the frame header"))?;
                let bits = Bits { coded, at: segments.at, buffer: 0, count: 0 };
                let mut scan = Scan { bits, huffman: &huffman, quantization: &quantization, precision: *precision };
                let size = (description.columns as usize, description.rows as usize);
                scanned += scan.run(body, components, restart_interval, size)?;
                segments.at = scan.bits.at;
                segments.find_marker();
                if components.len() <= scanned {
                    break;
                }
            }
            _ => {}
        }
    }
    let (_, components) = frame.filter(|_| 0 < scanned).ok_or_else(|| broken("no scan"))?;
    Ok(assemble(&components, description))
}

/// Marker segments.
struct Segments<'a> {
    coded: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    fn next(&mut self) -> Result<(u8, &'a [u8]), DicomError> {
        while self.coded.get(self.at..self.at + 2) == Some(&[0xFF, 0xFF]) {
            self.at += 1;
        }
        let Some(&[0xFF, marker, high, low]) = self.coded.get(self.at..self.at + 4) else {
            return Err(broken("a marker segment is missing"));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = self.coded.get(self.at + 4..self.at + 2 + length).ok_or_else(|| broken("a segment is cut short"))?;
        self.at += 2 + length;
        Ok((marker, body))
    }

    fn find_marker(&mut self) {
        let rest = self.coded.get(self.at..).unwrap_or_default();
        let found = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xD0..=0xD7 | 0xFF));
        self.at += found.unwrap_or(rest.len());
    }
}

fn frame_header(body: &[u8], description: &PixelDescription) -> Result<(u32, Vec<Component>), DicomError> {
    let Some(&[precision, y1, y0, x1, x0, count]) = body.first_chunk::<6>() else {
        return Err(broken("the frame header is cut short"));
    };
    let rows = u32::from(u16::from_be_bytes([y1, y0]));
    let columns = u32::from(u16::from_be_bytes([x1, x0]));
    if (rows, columns, u16::from(count)) != (description.rows, description.columns, description.samples_per_pixel) {
        return Err(broken("the frame header contradicts Rows, Columns or Samples per Pixel"));
    }
    if !matches!(precision, 8 | 12) || description.bits_allocated < u16::from(precision) {
        return Err(broken("the sample precision does not fit Bits Allocated"));
    }
    let described = body[6..].as_chunks::<3>().0;
    let factors = |byte: u8| (usize::from(byte >> 4), usize::from(byte & 15));
    let valid = described.len() == usize::from(count)
        && described.iter().all(|&[_, hv, table]| {
            let (h, v) = factors(hv);
            (1..=4).contains(&h) && (1..=4).contains(&v) && table < 4
        });
    if !valid {
        return Err(broken("the frame header is not valid"));
    }
    let h_max = described.iter().map(|c| factors(c[1]).0).max().unwrap_or(1);
    let v_max = described.iter().map(|c| factors(c[1]).1).max().unwrap_or(1);
    let mcu_columns = (columns as usize).div_ceil(8 * h_max);
    let mcu_rows = (rows as usize).div_ceil(8 * v_max);
    let component = |&[id, hv, table]: &[u8; 3]| {
        let (horizontal, vertical) = factors(hv);
        let stride = mcu_columns * horizontal * 8;
        let samples = vec![0; stride * mcu_rows * vertical * 8];
        Component { id, horizontal, vertical, table: usize::from(table), stride, samples, predictor: 0 }
    };
    Ok((u32::from(precision), described.iter().map(component).collect()))
}

/// DQT (section B.2.4.1).
fn quantization_tables(mut body: &[u8], tables: &mut [[u16; 64]; 4]) -> Result<(), DicomError> {
    while let Some((&head, rest)) = body.split_first() {
        let width = if head >> 4 == 0 { 1 } else { 2 };
        let (Some(values), table @ 0..=3) = (rest.get(..64 * width), usize::from(head & 15)) else {
            return Err(broken("a quantization table is cut short"));
        };
        for (at, value) in values.chunks_exact(width).enumerate() {
            tables[table][ZIGZAG[at]] = value.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
        }
        body = &rest[64 * width..];
    }
    Ok(())
}

/// DHT (section B.2.4.2).
fn huffman_tables(mut body: &[u8], tables: &mut [[Option<Huffman>; 4]; 2]) -> Result<(), DicomError> {
    while let Some((&head, rest)) = body.split_first() {
        let counts = rest.first_chunk::<16>().ok_or_else(|| broken("a Huffman table is cut short"))?;
        let total = counts.iter().map(|&count| usize::from(count)).sum::<usize>();
        let values = rest.get(16..16 + total).ok_or_else(|| broken("a Huffman table is cut short"))?;
        let (class @ 0..=1, id @ 0..=3) = (usize::from(head >> 4), usize::from(head & 15)) else {
            return Err(broken("a Huffman table has a wrong destination"));
        };
        tables[class][id] = Some(Huffman::new(counts, values)?);
        body = &rest[16 + total..];
    }
    Ok(())
}

/// Codes by their next sixteen bits: length and value, length 0 for none (annex C).
struct Huffman(Vec<(u8, u8)>);

impl Huffman {
    fn new(counts: &[u8; 16], values: &[u8]) -> Result<Huffman, DicomError> {
        let mut lookup = vec![(0, 0); 1 << 16];
        let mut code = 0usize;
        let mut values = values.iter();
        for (length, &count) in (1..=16).zip(counts) {
            for &value in values.by_ref().take(usize::from(count)) {
                let span = 1 << (16 - length);
                let slots = lookup.get_mut(code..code + span).ok_or_else(|| broken("a Huffman table overflows"))?;
                slots.fill((length as u8, value));
                code += span;
            }
        }
        Ok(Huffman(lookup))
    }
}

/// Entropy-coded bits; a marker ends them, and zeros follow, as decoders do for a stream that is cut short.
struct Bits<'a> {
    coded: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let byte = match self.coded.get(self.at..self.at + 2) {
                Some(&[0xFF, 0x00]) => {
                    self.at += 2;
                    0xFF
                }
                Some(&[0xFF, _]) => 0,
                Some(&[byte, _]) => {
                    self.at += 1;
                    byte
                }
                _ => 0,
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn peek16(&mut self) -> usize {
        if self.count < 16 {
            self.fill();
        }
        (self.buffer >> 48) as usize
    }

    fn skip(&mut self, width: u32) {
        self.buffer <<= width;
        self.count -= width;
    }

    fn symbol(&mut self, table: &Huffman) -> Result<u8, DicomError> {
        let (length, value) = table.0[self.peek16()];
        if length == 0 {
            return Err(broken("a code without meaning"));
        }
        self.skip(u32::from(length));
        Ok(value)
    }

    /// RECEIVE and EXTEND (sections F.2.2.1, F.2.2.4).
    fn signed(&mut self, width: u8) -> Result<i32, DicomError> {
        if width == 0 {
            return Ok(0);
        }
        if 16 <= width {
            return Err(broken("a coefficient is too large"));
        }
        let value = (self.peek16() >> (16 - width)) as i32;
        self.skip(u32::from(width));
        Ok(if value < 1 << (width - 1) { value - (1 << width) + 1 } else { value })
    }

    /// Pass a restart marker.
    fn restart(&mut self) {
        self.buffer = 0;
        self.count = 0;
        if let Some(&[0xFF, 0xD0..=0xD7]) = self.coded.get(self.at..self.at + 2) {
            self.at += 2;
        }
    }
}

struct Scan<'a> {
    bits: Bits<'a>,
    huffman: &'a [[Option<Huffman>; 4]; 2],
    quantization: &'a [[u16; 64]; 4],
    precision: u32,
}

impl Scan<'_> {
    /// Decode a scan (section A.2); returns how many components it held.
    fn run(
        &mut self,
        header: &[u8],
        components: &mut [Component],
        restart_interval: usize,
        (columns, rows): (usize, usize),
    ) -> Result<usize, DicomError> {
        let count = usize::from(*header.first().ok_or_else(|| broken("the scan header is cut short"))?);
        let selectors = header.get(1..1 + 2 * count).ok_or_else(|| broken("the scan header is cut short"))?;
        let mut members = Vec::new();
        for &[id, tables] in selectors.as_chunks::<2>().0 {
            let index = components.iter().position(|component| component.id == id);
            let dc = self.huffman[0].get(usize::from(tables >> 4)).and_then(Option::as_ref);
            let ac = self.huffman[1].get(usize::from(tables & 15)).and_then(Option::as_ref);
            match (index, dc, ac) {
                (Some(index), Some(dc), Some(ac)) => members.push((index, dc, ac)),
                _ => return Err(broken("the scan header names a component or table that is not there")),
            }
        }
        let h_max = components.iter().map(|component| component.horizontal).max().unwrap_or(1);
        let v_max = components.iter().map(|component| component.vertical).max().unwrap_or(1);
        components.iter_mut().for_each(|component| component.predictor = 0);
        // A scan of one component has one block per MCU and no padding blocks (section A.2.2).
        let single = members.len() == 1;
        let (mcu_columns, mcu_rows) = if single {
            let component = &components[members[0].0];
            let blocks = |size: usize, factor: usize, most: usize| (size * factor).div_ceil(most).div_ceil(8);
            (blocks(columns, component.horizontal, h_max), blocks(rows, component.vertical, v_max))
        } else {
            (columns.div_ceil(8 * h_max), rows.div_ceil(8 * v_max))
        };
        for mcu in 0..mcu_columns * mcu_rows {
            if 0 < restart_interval && 0 < mcu && mcu % restart_interval == 0 {
                self.bits.restart();
                components.iter_mut().for_each(|component| component.predictor = 0);
            }
            let (mcu_x, mcu_y) = (mcu % mcu_columns, mcu / mcu_columns);
            for &(index, dc, ac) in &members {
                let component = &mut components[index];
                let (across, down) = if single { (1, 1) } else { (component.horizontal, component.vertical) };
                for block in 0..across * down {
                    let x = (mcu_x * across + block % across) * 8;
                    let y = (mcu_y * down + block / across) * 8;
                    self.block(component, dc, ac, x, y)?;
                }
            }
        }
        Ok(members.len())
    }

    /// One block: Huffman decoding, dequantization, inverse DCT, level shift.
    fn block(
        &mut self,
        component: &mut Component,
        dc: &Huffman,
        ac: &Huffman,
        x: usize,
        y: usize,
    ) -> Result<(), DicomError> {
        let table = &self.quantization[component.table];
        let mut coefficients = [0f32; 64];
        let width = self.bits.symbol(dc)?;
        component.predictor = component.predictor.wrapping_add(self.bits.signed(width)?);
        coefficients[0] = component.predictor as f32 * f32::from(table[0]);
        let mut at = 1;
        while at < 64 {
            let symbol = self.bits.symbol(ac)?;
            let (zeros, width) = (usize::from(symbol >> 4), symbol & 15);
            if width == 0 {
                if zeros < 15 {
                    break;
                }
                at += 16;
                continue;
            }
            at += zeros;
            let place = *ZIGZAG.get(at).ok_or_else(|| broken("a block has too many coefficients"))?;
            coefficients[place] = self.bits.signed(width)? as f32 * f32::from(table[place]);
            at += 1;
        }
        let highest = ((1u32 << self.precision) - 1) as f32;
        let middle = (1u32 << (self.precision - 1)) as f32;
        let values = inverse_dct(&coefficients);
        for (row, line) in values.as_chunks::<8>().0.iter().enumerate() {
            let start = (y + row) * component.stride + x;
            let out = &mut component.samples[start..start + 8];
            out.iter_mut().zip(line).for_each(|(slot, &v)| *slot = (v + middle).round().clamp(0.0, highest) as u16);
        }
        Ok(())
    }
}

/// Basis of the one-dimensional transform, `C(u) / 2 * cos((2x + 1) u pi / 16)` at `[u][x]` (section A.3.3).
static BASIS: std::sync::LazyLock<[[f32; 8]; 8]> = std::sync::LazyLock::new(|| {
    std::array::from_fn(|u| {
        std::array::from_fn(|x| {
            let scale = if u == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
            (scale / 2.0 * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()) as f32
        })
    })
});

fn inverse_dct(coefficients: &[f32; 64]) -> [f32; 64] {
    let basis = &*BASIS;
    let mut rows = [[0f32; 8]; 8];
    for (line, out) in coefficients.as_chunks::<8>().0.iter().zip(&mut rows) {
        for (&coefficient, wave) in line.iter().zip(basis) {
            if coefficient != 0.0 {
                out.iter_mut().zip(wave).for_each(|(sum, &w)| *sum += coefficient * w);
            }
        }
    }
    let mut values = [0f32; 64];
    for (v, line) in rows.iter().enumerate() {
        for (y, out) in values.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let weight = basis[v][y];
            out.iter_mut().zip(line).for_each(|(sum, &value)| *sum += weight * value);
        }
    }
    values
}

/// Pixel by pixel; subsampled components are repeated.
fn assemble(components: &[Component], description: &PixelDescription) -> Vec<u8> {
    let h_max = components.iter().map(|component| component.horizontal).max().unwrap_or(1);
    let v_max = components.iter().map(|component| component.vertical).max().unwrap_or(1);
    let width = description.sample_bytes();
    let mut out = Vec::with_capacity(description.samples_per_frame() * width);
    for y in 0..description.rows as usize {
        for x in 0..description.columns as usize {
            for component in components {
                let row = y * component.vertical / v_max;
                let sample = component.samples[row * component.stride + x * component.horizontal / h_max];
                let value = super::sign_extend(u32::from(sample), description);
                out.extend_from_slice(&value.to_le_bytes()[..width]);
            }
        }
    }
    out
}
