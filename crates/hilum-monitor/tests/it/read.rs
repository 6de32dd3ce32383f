//! Measure the first image of a DICOM file, as it is or changed in a way that happens.

use hilum_dicom::lut::{self, ModalityLut};
use hilum_dicom::{Image, Limits};
use hilum_monitor::image::{ImageFeatures, Samples, measure};
use std::path::Path;

/// What is done to an image before it is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Change {
    /// The grey scale is turned round, and the header does not say so.
    pub(crate) inverted: bool,
    /// Left and right are exchanged.
    pub(crate) mirrored: bool,
    /// Each pixel is the mean of 3 by 3.
    pub(crate) smooth: bool,
    /// Standard deviation of added noise, in stored values.
    pub(crate) noise: f32,
}

/// A decoded image.
pub(crate) struct Pixels {
    pub(crate) values: Vec<f32>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) rescale: [f64; 2],
}

pub(crate) fn decode(path: &Path) -> Result<Pixels, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let image = Image::open(&bytes, None, &Limits::default()).map_err(|e| e.to_string())?;
    let description = &image.description;
    let values = lut::stored_values(&image.frame(0).map_err(|e| e.to_string())?, description);
    let mut rescale = match ModalityLut::of(&image.data_set, 0) {
        ModalityLut::Rescale { slope, intercept } => [slope, intercept],
        _ => [1.0, 0.0],
    };
    if description.photometric_interpretation == "MONOCHROME1" {
        rescale = [-rescale[0], rescale[0] * (2f64.powi(description.bits_stored.into()) - 1.0) + rescale[1]];
    }
    Ok(Pixels { values, rows: description.rows as usize, columns: description.columns as usize, rescale })
}

impl Pixels {
    pub(crate) fn change(&mut self, change: Change) {
        let (rows, columns) = (self.rows, self.columns);
        if change.inverted {
            let high = self.values.iter().copied().fold(0.0f32, f32::max).max(255.0);
            self.values.iter_mut().for_each(|value| *value = high - *value);
        }
        if change.mirrored {
            self.values.chunks_mut(columns).for_each(<[f32]>::reverse);
        }
        if change.smooth {
            let old = self.values.clone();
            for row in 1..rows - 1 {
                for column in 1..columns - 1 {
                    let around =
                        (row - 1..=row + 1).flat_map(|r| &old[r * columns + column - 1..=r * columns + column + 1]);
                    self.values[row * columns + column] = around.sum::<f32>() / 9.0;
                }
            }
        }
        let mut state = 7u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        if 0.0 < change.noise {
            for value in &mut self.values {
                // Four uniform draws have a variance of a third.
                let draw = (uniform() + uniform() + uniform() + uniform() - 2.0) * 3f32.sqrt();
                *value = (*value + change.noise * draw).round();
            }
        }
    }

    pub(crate) fn measure(&self) -> Result<ImageFeatures, String> {
        let Pixels { values, rows, columns, rescale } = self;
        let samples = Samples { values, rows: *rows, columns: *columns, spacing_mm: None, rescale: *rescale };
        measure(&samples).map_err(|e| e.to_string())
    }
}
