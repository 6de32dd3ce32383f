use super::{Frame, Grid, images, intensity, resize};
use crate::InferError;
use hilum_dicom::lut::{ModalityLut, VoiLut, WindowFunction};
use hilum_registry::manifest::{PreprocessStep, ResizeFilter, VoiFunction};

/// Stored values up to this many get a table: 16 bits.
const TABLE_MAX: f64 = 65_536.0;

/// An image on its way to a tensor.
#[derive(Debug)]
pub(super) struct Plane {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) channels: usize,
    pub(super) pixels: Vec<f32>,
    /// Nominal range of the values.
    range: [f64; 2],
    /// Whether the values are still stored values: whole numbers within `range`.
    stored: bool,
    monochrome1: bool,
    modality: ModalityLut,
    voi: Option<VoiLut>,
    pub(super) grid: Grid,
}

impl Plane {
    pub(super) fn new(frame: Frame) -> Plane {
        Plane {
            rows: frame.rows,
            columns: frame.columns,
            channels: frame.channels,
            range: frame.range,
            stored: frame.whole_numbers,
            monochrome1: frame.monochrome1,
            modality: frame.modality,
            voi: frame.voi,
            grid: Grid::identity([1, frame.rows, frame.columns]),
            pixels: frame.values,
        }
    }

    pub(super) fn apply(&mut self, step: &PreprocessStep) -> Result<(), InferError> {
        let stored = std::mem::take(&mut self.stored);
        match step {
            PreprocessStep::Monochrome2 {} | PreprocessStep::Grey {} if self.channels == 1 => self.stored = stored,
            PreprocessStep::ModalityLut {} if self.modality == ModalityLut::Identity => self.stored = stored,
            PreprocessStep::Voi { .. } => self.stored = stored,
            _ => {}
        }
        match step {
            PreprocessStep::ModalityLut {} => self.modality_lut(),
            PreprocessStep::Voi { center, width, function, output } => self.voi(*center, *width, *function, *output),
            PreprocessStep::Monochrome2 {} => {
                if std::mem::take(&mut self.monochrome1) {
                    hilum_dicom::lut::invert(&mut self.pixels, self.range[0] as f32, self.range[1] as f32);
                }
            }
            PreprocessStep::Grey {} => self.grey(),
            PreprocessStep::To8bit {} => {
                if self.range != [0.0, 255.0] {
                    self.stretch_range([0.0, 255.0]);
                    self.pixels.iter_mut().for_each(|v| *v = v.round().clamp(0.0, 255.0));
                }
            }
            PreprocessStep::Resize { rows, columns, filter, keep_aspect, pad_value, round } => {
                let to = [*rows as usize, *columns as usize];
                if *keep_aspect { self.fit(to, *filter, *pad_value, *round) } else { self.resize(to, *filter, *round) }
            }
            PreprocessStep::CropCentre { rows, columns } => {
                let (rows, columns) = (*rows as usize, *columns as usize);
                let start = |has: usize, keep: usize| has.saturating_sub(keep) / 2;
                self.crop([start(self.rows, rows), start(self.columns, columns)], [rows, columns])?;
            }
            PreprocessStep::CropBox { top, left, rows, columns } => {
                self.crop([*top as usize, *left as usize], [*rows as usize, *columns as usize])?;
            }
            PreprocessStep::PadToMultiple { of, value } => {
                let of = *of as usize;
                let to = [self.rows.next_multiple_of(of), self.columns.next_multiple_of(of)];
                self.pad([0, 0], to, *value);
            }
            other => {
                if !intensity::apply(other, &mut self.pixels, self.channels)? {
                    return Err(images("a step for volumes stands in the preprocessing of an image"));
                }
            }
        }
        Ok(())
    }

    fn modality_lut(&mut self) {
        if self.channels != 1 {
            return;
        }
        self.modality.apply(&mut self.pixels);
        self.range = match &self.modality {
            ModalityLut::Identity => self.range,
            ModalityLut::Rescale { slope, intercept } => {
                let ends = self.range.map(|end| slope * end + intercept);
                [ends[0].min(ends[1]), ends[0].max(ends[1])]
            }
            ModalityLut::Table(table) => [0.0, 2f64.powi(table.bits.clamp(1, 16).into()) - 1.0],
        };
        self.modality = ModalityLut::Identity;
    }

    fn voi(&mut self, center: Option<f64>, width: Option<f64>, function: Option<VoiFunction>, output: [f64; 2]) {
        let function = function.map(|function| match function {
            VoiFunction::Linear => WindowFunction::Linear,
            VoiFunction::LinearExact => WindowFunction::LinearExact,
            VoiFunction::Sigmoid => WindowFunction::Sigmoid,
        });
        let mut lut = match (center, width) {
            (Some(center), Some(width)) => {
                Some(VoiLut::Window { center, width, function: function.unwrap_or(WindowFunction::Linear) })
            }
            _ => self.voi.take(),
        };
        if let Some(VoiLut::Window { width, function: shape, .. }) = &mut lut {
            *shape = function.unwrap_or(*shape);
            // LINEAR needs a width of 1 or more (PS3.3 section C.11.2.1.2.1); narrower windows are meant exactly.
            if *width < 1.0 && *shape == WindowFunction::Linear {
                *shape = WindowFunction::LinearExact;
            }
        }
        match lut.filter(|_| self.channels == 1) {
            Some(lut) => {
                let map = |values: &mut [f32]| {
                    lut.apply(values);
                    let span = output[1] - output[0];
                    values.iter_mut().for_each(|v| *v = (f64::from(*v) * span + output[0]) as f32);
                };
                let [low, high] = self.range;
                if std::mem::take(&mut self.stored) && high - low < TABLE_MAX {
                    // Every stored value once, then a look-up per pixel.
                    let mut table: Vec<f32> = (0..=(high - low) as u32).map(|n| (low + f64::from(n)) as f32).collect();
                    map(&mut table);
                    let (low, last) = (low as f32, table.len() - 1);
                    self.pixels.iter_mut().for_each(|v| *v = table[((*v - low) as usize).min(last)]);
                } else {
                    map(&mut self.pixels);
                }
                self.range = output;
            }
            None => {
                self.stored = false;
                self.stretch_range(output);
            }
        }
    }

    /// Map the nominal range onto another.
    fn stretch_range(&mut self, to: [f64; 2]) {
        let [low, high] = self.range;
        if high <= low {
            self.pixels.fill(to[0] as f32);
        } else if self.range != to {
            let factor = (to[1] - to[0]) / (high - low);
            self.pixels.iter_mut().for_each(|v| *v = ((f64::from(*v) - low) * factor + to[0]) as f32);
        }
        self.range = to;
    }

    fn grey(&mut self) {
        if self.channels == 3 {
            let luminance = |p: &[f32; 3]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            self.pixels = self.pixels.as_chunks::<3>().0.iter().map(luminance).collect();
            self.channels = 1;
        }
    }

    fn resize(&mut self, [rows, columns]: [usize; 2], filter: ResizeFilter, round: bool) {
        let shape = [self.rows, self.columns, self.channels];
        self.pixels = resize::resize(&self.pixels, shape, [rows, columns], filter, round);
        (self.rows, self.columns) = (rows, columns);
        self.grid.stretch(1, rows);
        self.grid.stretch(2, columns);
    }

    /// Resize into a box without distortion, then fill what is left.
    fn fit(&mut self, to: [usize; 2], filter: ResizeFilter, value: f32, round: bool) {
        let scale = (to[0] as f64 / self.rows as f64).min(to[1] as f64 / self.columns as f64);
        let side = |has: usize, most: usize| ((has as f64 * scale).round() as usize).clamp(1, most);
        let inner = [side(self.rows, to[0]), side(self.columns, to[1])];
        self.resize(inner, filter, round);
        self.pad([(to[0] - inner[0]) / 2, (to[1] - inner[1]) / 2], to, value);
    }

    fn crop(&mut self, [top, left]: [usize; 2], [rows, columns]: [usize; 2]) -> Result<(), InferError> {
        if self.rows < top + rows || self.columns < left + columns {
            let has = format!("{} rows and {} columns", self.rows, self.columns);
            return Err(images(format!("the image has {has}, too few to crop {rows} x {columns} at {top}, {left}")));
        }
        let (line, c) = (self.columns * self.channels, self.channels);
        let kept = self.pixels.chunks_exact(line).skip(top).take(rows);
        self.pixels = kept.flat_map(|row| &row[left * c..(left + columns) * c]).copied().collect();
        (self.rows, self.columns) = (rows, columns);
        self.grid.change(1, rows, top as f64, 1.0);
        self.grid.change(2, columns, left as f64, 1.0);
        Ok(())
    }

    fn pad(&mut self, [top, left]: [usize; 2], [rows, columns]: [usize; 2], value: f32) {
        let c = self.channels;
        let mut padded = vec![value; rows * columns * c];
        for (row, line) in self.pixels.chunks_exact(self.columns * c).enumerate() {
            let start = ((top + row) * columns + left) * c;
            padded[start..start + line.len()].copy_from_slice(line);
        }
        self.pixels = padded;
        (self.rows, self.columns) = (rows, columns);
        self.grid.change(1, rows, -(top as f64), 1.0);
        self.grid.change(2, columns, -(left as f64), 1.0);
    }
}
