//! JPEG-LS, ISO/IEC 14495-1 (ITU-T T.87), lossless and near-lossless, 2 to 16 bits, every interleaving.
//!
//! Our own because no maintained Rust decoder takes colour, and the C++ library wants cmake (docs/adr/0003).
//! Names in capitals in comments are those of the standard.

use crate::{DicomError, PixelDescription};

fn broken(reason: &str) -> DicomError {
    DicomError::Codec(format!("JPEG-LS: {reason}"))
}

/// Coding parameters (sections A.2.1 and C.2.4.1.1).
#[derive(Debug, Clone, Copy)]
struct Parameters {
    maxval: i32,
    near: i32,
    thresholds: [i32; 3],
    reset: i32,
    range: i32,
    qbpp: u32,
    limit: u32,
}

impl Parameters {
    fn new(maxval: i32, near: i32, preset: Option<[i32; 4]>) -> Parameters {
        let range = (maxval + 2 * near) / (2 * near + 1) + 1;
        let bits = |values: i32| 32 - (values - 1).leading_zeros();
        let bpp = bits(maxval + 1).max(2);
        let [t1, t2, t3, reset] = preset.unwrap_or_default();
        let or_default = |value: i32, default: i32| if value == 0 { default } else { value };
        let defaults = default_thresholds(maxval, near);
        Parameters {
            maxval,
            near,
            thresholds: [or_default(t1, defaults[0]), or_default(t2, defaults[1]), or_default(t3, defaults[2])],
            reset: or_default(reset, 64),
            range,
            qbpp: bits(range),
            limit: 2 * (bpp + bpp.max(8)),
        }
    }

    /// Quantisation of a gradient (section A.3.3).
    fn quantize(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.thresholds;
        let size = gradient.abs();
        let region = if size <= self.near {
            0
        } else if size < t1 {
            1
        } else if size < t2 {
            2
        } else if size < t3 {
            3
        } else {
            4
        };
        region * gradient.signum()
    }

    /// Sample from prediction and error: modulo reduction, then clamping (section A.4.5).
    fn reconstruct(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = predicted + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if self.maxval + self.near < value {
            value -= self.range * step;
        }
        value.clamp(0, self.maxval)
    }
}

/// Section C.2.4.1.1.1.
fn default_thresholds(maxval: i32, near: i32) -> [i32; 3] {
    let clamp = |value: i32, low: i32| if maxval < value || value < low { low } else { value };
    let basic = if 128 <= maxval {
        let factor = (maxval.min(4095) + 128) / 256;
        [factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near]
    } else {
        let factor = 256 / (maxval + 1);
        [(3 / factor + 3 * near).max(2), (7 / factor + 5 * near).max(3), (21 / factor + 7 * near).max(4)]
    };
    let t1 = clamp(basic[0], near + 1);
    let t2 = clamp(basic[1], t1);
    [t1, t2, clamp(basic[2], t2)]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interleave {
    None,
    Line,
    Sample,
}

/// Decode one frame to little endian bytes, pixel by pixel.
pub(crate) fn decode(coded: &[u8], description: &PixelDescription) -> Result<Vec<u8>, DicomError> {
    let mut reader = Segments { coded, at: 2 };
    if !coded.starts_with(&[0xFF, 0xD8]) {
        return Err(broken("no start of image"));
    }
    let (width, height) = (description.columns as usize, description.rows as usize);
    let components = usize::from(description.samples_per_pixel);
    let mut precision = None;
    let mut preset = None;
    let mut planes = vec![vec![0u16; width * height]; components];
    let mut done = 0;
    while done < components {
        let (marker, body) = reader.next()?;
        match marker {
            0xF7 => precision = Some(frame_header(body, description)?),
            0xF8 => preset = preset_parameters(body)?.or(preset),
            0xDD => return Err(DicomError::Unsupported("JPEG-LS with restart markers".to_owned())),
            0xDA => {
                let bits = precision.ok_or_else(|| broken("a scan before the frame header"))?;
                let (count, near, interleave) = scan_header(body, components - done)?;
                let maxval =
                    preset.map_or((1 << bits) - 1, |p: [i32; 5]| if p[0] == 0 { (1 << bits) - 1 } else { p[0] });
                if !(1..=65_535).contains(&maxval) || maxval / 2 < near || 255 < near {
                    return Err(broken("MAXVAL or NEAR is out of range"));
                }
                let parameters = Parameters::new(maxval, near, preset.map(|p| [p[1], p[2], p[3], p[4]]));
                let mut scan = Scan::new(&coded[reader.at..], parameters, width, count);
                scan.run(&mut planes[done..done + count], interleave, height)?;
                reader.at += scan.bits.at;
                reader.find_marker();
                done += count;
            }
            _ => {}
        }
    }
    Ok(assemble(&planes, description))
}

fn assemble(planes: &[Vec<u16>], description: &PixelDescription) -> Vec<u8> {
    let pixels = planes.first().map_or(0, Vec::len);
    let width = description.sample_bytes();
    let mut out = Vec::with_capacity(pixels * planes.len() * width);
    for pixel in 0..pixels {
        for plane in planes {
            let value = super::sign_extend(u32::from(plane[pixel]), description);
            out.extend_from_slice(&value.to_le_bytes()[..width]);
        }
    }
    out
}

/// Marker segments up to the entropy-coded data.
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

    /// Move to the next marker after entropy-coded data; stuffed bytes after 0xFF are below 0x80.
    fn find_marker(&mut self) {
        let rest = self.coded.get(self.at.saturating_sub(1)..).unwrap_or_default();
        let found = rest.windows(2).position(|pair| pair[0] == 0xFF && 0x80 <= pair[1] && pair[1] != 0xFF);
        self.at = self.at.saturating_sub(1) + found.unwrap_or(rest.len());
    }
}

/// SOF55 (section C.2.2): gives the sample precision; size and components must be those of the data set.
fn frame_header(body: &[u8], description: &PixelDescription) -> Result<i32, DicomError> {
    let Some(&[precision, y1, y0, x1, x0, components]) = body.get(..6) else {
        return Err(broken("the frame header is cut short"));
    };
    let rows = u32::from(u16::from_be_bytes([y1, y0]));
    let columns = u32::from(u16::from_be_bytes([x1, x0]));
    let size = (rows, columns, u16::from(components));
    if size != (description.rows, description.columns, description.samples_per_pixel) {
        return Err(broken("the frame header contradicts Rows, Columns or Samples per Pixel"));
    }
    if !(2..=16).contains(&precision) || description.bits_allocated < u16::from(precision) {
        return Err(broken("the sample precision does not fit Bits Allocated"));
    }
    Ok(i32::from(precision))
}

/// LSE of type 1: MAXVAL, T1, T2, T3, RESET (section C.2.4.1.1).
fn preset_parameters(body: &[u8]) -> Result<Option<[i32; 5]>, DicomError> {
    match body.split_first() {
        Some((1, values)) if values.len() == 10 => {
            let mut preset = [0; 5];
            for (slot, pair) in preset.iter_mut().zip(values.as_chunks::<2>().0) {
                *slot = i32::from(u16::from_be_bytes(*pair));
            }
            Ok(Some(preset))
        }
        Some((1, _)) | None => Err(broken("the preset parameters are cut short")),
        Some(_) => Err(DicomError::Unsupported("JPEG-LS mapping tables".to_owned())),
    }
}

/// SOS (section C.2.3): components in the scan, NEAR, interleaving.
fn scan_header(body: &[u8], left: usize) -> Result<(usize, i32, Interleave), DicomError> {
    let count = usize::from(*body.first().ok_or_else(|| broken("the scan header is cut short"))?);
    let Some(&[near, interleave, transform]) = body.get(1 + 2 * count..4 + 2 * count) else {
        return Err(broken("the scan header is cut short"));
    };
    let interleave = match interleave {
        0 => Interleave::None,
        1 => Interleave::Line,
        2 => Interleave::Sample,
        _ => return Err(broken("an unknown interleaving")),
    };
    if count == 0 || left < count || (interleave == Interleave::None && count != 1) {
        return Err(broken("the scan has a wrong number of components"));
    }
    if transform != 0 {
        return Err(DicomError::Unsupported("JPEG-LS point transform".to_owned()));
    }
    Ok((count, i32::from(near), if count == 1 { Interleave::None } else { interleave }))
}

/// Bits of the entropy-coded segment; after 0xFF a byte carries seven (section A.1).
struct Bits<'a> {
    coded: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
    after_ff: bool,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.coded.get(self.at) else { return };
            if self.after_ff && 0x80 <= byte {
                return;
            }
            let width = if self.after_ff { 7 } else { 8 };
            self.buffer |= u64::from(byte) << (64 - self.count - width);
            self.count += width;
            self.after_ff = byte == 0xFF;
            self.at += 1;
        }
    }

    fn read(&mut self, width: u32) -> Result<u32, DicomError> {
        if width == 0 {
            return Ok(0);
        }
        if self.count < width {
            self.fill();
            if self.count < width {
                return Err(broken("the scan is cut short"));
            }
        }
        let value = (self.buffer >> (64 - width)) as u32;
        self.buffer <<= width;
        self.count -= width;
        Ok(value)
    }

    /// Zeros before the next one, at most `most`.
    fn unary(&mut self, most: u32) -> Result<u32, DicomError> {
        let mut zeros = 0;
        loop {
            if self.count < 32 {
                self.fill();
            }
            let run = self.buffer.leading_zeros().min(self.count);
            zeros += run;
            if most < zeros {
                return Err(broken("a code word is too long"));
            }
            if run < self.count {
                self.buffer <<= run + 1;
                self.count -= run + 1;
                return Ok(zeros);
            }
            if self.count == 0 {
                return Err(broken("the scan is cut short"));
            }
            self.buffer = 0;
            self.count = 0;
        }
    }
}

/// State of a regular context: A, B, C, N.
#[derive(Debug, Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

/// State of a run interruption context: A, N, Nn.
#[derive(Debug, Clone, Copy)]
struct RunContext {
    a: i32,
    n: i32,
    negative: i32,
}

const J: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

struct Scan<'a> {
    bits: Bits<'a>,
    parameters: Parameters,
    contexts: Vec<Context>,
    run_contexts: [RunContext; 2],
    run_index: Vec<usize>,
    width: usize,
    /// Of each component the line above and the current one, with one sample before and one after.
    lines: Vec<[Vec<i32>; 2]>,
}

impl<'a> Scan<'a> {
    fn new(coded: &'a [u8], parameters: Parameters, width: usize, components: usize) -> Scan<'a> {
        let a = ((parameters.range + 32) / 64).max(2);
        Scan {
            bits: Bits { coded, at: 0, buffer: 0, count: 0, after_ff: false },
            parameters,
            contexts: vec![Context { a, b: 0, c: 0, n: 1 }; 365],
            run_contexts: [RunContext { a, n: 1, negative: 0 }; 2],
            run_index: vec![0; components],
            width,
            lines: vec![[vec![0; width + 2], vec![0; width + 2]]; components],
        }
    }

    fn run(&mut self, planes: &mut [Vec<u16>], interleave: Interleave, height: usize) -> Result<(), DicomError> {
        for row in 0..height {
            for [above, current] in &mut self.lines {
                std::mem::swap(above, current);
                above[self.width + 1] = above[self.width];
                current[0] = above[1];
            }
            if interleave == Interleave::Sample {
                self.line_of_pixels()?;
            } else {
                for component in 0..planes.len() {
                    self.line(component)?;
                }
            }
            for (plane, [_, current]) in planes.iter_mut().zip(&self.lines) {
                let out = &mut plane[row * self.width..(row + 1) * self.width];
                // Samples lie in 0..=MAXVAL, which is at most 65535.
                out.iter_mut().zip(&current[1..]).for_each(|(slot, &value)| *slot = value as u16);
            }
        }
        Ok(())
    }

    /// Gradients around the sample at `x`, counted from 1, quantised: Q1, Q2, Q3 as one signed number.
    fn context_of(&self, component: usize, x: usize) -> i32 {
        let [above, current] = &self.lines[component];
        let (ra, rb, rc, rd) = (current[x - 1], above[x], above[x - 1], above[x + 1]);
        let q = |gradient| self.parameters.quantize(gradient);
        81 * q(rd - rb) + 9 * q(rb - rc) + q(rc - ra)
    }

    fn line(&mut self, component: usize) -> Result<(), DicomError> {
        let mut x = 1;
        while x <= self.width {
            let context = self.context_of(component, x);
            if context != 0 {
                self.regular(component, x, context)?;
                x += 1;
                continue;
            }
            let run = self.run_length(component, self.width + 1 - x)?;
            let [_, current] = &mut self.lines[component];
            let ra = current[x - 1];
            current[x..x + run].fill(ra);
            x += run;
            if x <= self.width {
                let rb = self.lines[component][0][x];
                let value = self.interruption(component, ra, rb, (ra - rb).abs() <= self.parameters.near)?;
                self.lines[component][1][x] = value;
                self.run_index[component] = self.run_index[component].saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    /// A line with sample interleaving: all components run together.
    fn line_of_pixels(&mut self) -> Result<(), DicomError> {
        let components = self.lines.len();
        let mut x = 1;
        while x <= self.width {
            let contexts: Vec<i32> = (0..components).map(|component| self.context_of(component, x)).collect();
            if contexts.iter().any(|&context| context != 0) {
                for (component, &context) in contexts.iter().enumerate() {
                    self.regular(component, x, context)?;
                }
                x += 1;
                continue;
            }
            let run = self.run_length(0, self.width + 1 - x)?;
            for [_, current] in &mut self.lines {
                let ra = current[x - 1];
                current[x..x + run].fill(ra);
            }
            x += run;
            if x <= self.width {
                for component in 0..components {
                    let (ra, rb) = (self.lines[component][1][x - 1], self.lines[component][0][x]);
                    self.lines[component][1][x] = self.interruption(0, ra, rb, false)?;
                }
                self.run_index[0] = self.run_index[0].saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    /// Sections A.4 to A.6.
    fn regular(&mut self, component: usize, x: usize, context: i32) -> Result<(), DicomError> {
        let parameters = self.parameters;
        let [above, current] = &self.lines[component];
        let (ra, rb, rc) = (current[x - 1], above[x], above[x - 1]);
        let sign = if context < 0 { -1 } else { 1 };
        // |81 * 4 + 9 * 4 + 4| is 364, the last context.
        let state = &mut self.contexts[context.unsigned_abs() as usize];
        let edge = if rc >= ra.max(rb) {
            ra.min(rb)
        } else if rc <= ra.min(rb) {
            ra.max(rb)
        } else {
            ra + rb - rc
        };
        let predicted = (edge + sign * state.c).clamp(0, parameters.maxval);
        let k = golomb_parameter(state.n, state.a)?;
        let mapped = golomb(&mut self.bits, k, parameters.limit, parameters.qbpp)?;
        let special = parameters.near == 0 && k == 0 && state.b <= -state.n / 2 - state.n % 2;
        let error = match (special, mapped % 2 == 1) {
            (false, false) => mapped / 2,
            (false, true) => -(mapped + 1) / 2,
            (true, true) => (mapped - 1) / 2,
            (true, false) => -(mapped / 2) - 1,
        };
        state.update(error, &parameters);
        self.lines[component][1][x] = parameters.reconstruct(predicted, sign * error);
        Ok(())
    }

    /// Section A.7.1: samples equal to the one on the left, at most `left`.
    fn run_length(&mut self, component: usize, left: usize) -> Result<usize, DicomError> {
        let index = &mut self.run_index[component];
        let mut run = 0;
        while self.bits.read(1)? == 1 {
            let block = 1 << J[*index];
            let filled = block.min(left - run);
            run += filled;
            if filled == block {
                *index = (*index + 1).min(31);
            }
            if run == left {
                return Ok(left);
            }
        }
        run += self.bits.read(J[*index])? as usize;
        if left <= run {
            return Err(broken("a run reaches beyond its line"));
        }
        Ok(run)
    }

    /// Section A.7.2: the sample that ends a run.
    fn interruption(&mut self, component: usize, ra: i32, rb: i32, same: bool) -> Result<i32, DicomError> {
        let parameters = self.parameters;
        let kind = i32::from(same);
        let limit = parameters.limit - J[self.run_index[component]] - 1;
        let state = &mut self.run_contexts[usize::from(same)];
        let temp = if same { state.a + (state.n >> 1) } else { state.a };
        let k = golomb_parameter(state.n, temp)?;
        let mapped = golomb(&mut self.bits, k, limit, parameters.qbpp)?;
        let folded = mapped + kind;
        let map = folded % 2 == 1;
        let size = (folded + i32::from(map)) / 2;
        let error = if (k != 0 || state.n <= 2 * state.negative) == map { -size } else { size };
        state.negative += i32::from(error < 0);
        state.a = state.a.saturating_add((mapped + 1 - kind) >> 1);
        if state.n == parameters.reset {
            state.a >>= 1;
            state.n >>= 1;
            state.negative >>= 1;
        }
        state.n += 1;
        if same {
            return Ok(parameters.reconstruct(ra, error));
        }
        Ok(parameters.reconstruct(rb, if rb < ra { -error } else { error }))
    }
}

impl Context {
    /// Section A.6.
    fn update(&mut self, error: i32, parameters: &Parameters) {
        // A stream may set RESET so high that the sums would not fit.
        self.b = self.b.saturating_add(error * (2 * parameters.near + 1));
        self.a = self.a.saturating_add(error.abs());
        if self.n == parameters.reset {
            self.a >>= 1;
            self.b >>= 1;
            self.n >>= 1;
        }
        self.n += 1;
        if self.b <= -self.n {
            self.b = (self.b + self.n).max(1 - self.n);
            self.c = (self.c - 1).max(-128);
        } else if 0 < self.b {
            self.b = (self.b - self.n).min(0);
            self.c = (self.c + 1).min(127);
        }
    }
}

/// The smallest k with N << k >= A (section A.5.1).
fn golomb_parameter(n: i32, a: i32) -> Result<u32, DicomError> {
    (0..=24).find(|&k| i64::from(a) <= i64::from(n) << k).ok_or_else(|| broken("the statistics overflow"))
}

/// A limited-length Golomb code (section A.5.3).
fn golomb(bits: &mut Bits, k: u32, limit: u32, qbpp: u32) -> Result<i32, DicomError> {
    let escape = limit.checked_sub(qbpp + 1).ok_or_else(|| broken("the limit of code words is too small"))?;
    let zeros = bits.unary(escape)?;
    let value = if zeros < escape { (zeros << k) | bits.read(k)? } else { bits.read(qbpp)? + 1 };
    // At most 31 << 24 for k at its bound; the codes of real streams stay below 2^17.
    i32::try_from(value).ok().filter(|value| *value < 1 << 20).ok_or_else(|| broken("an error value is too large"))
}
