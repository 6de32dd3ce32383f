//! What is measured on the pixels of an image: numbers that move when a scanner, its software or its protocol changes.
//!
//! Everything is measured on the values as they are stored, in two passes over the image and some 100 kilobytes of memory,
//! and carried over to modality values afterwards, so that no copy of the image is made. Formulas and units are in
//! `docs/guides/envelope.md`; the tests hold them against the same formulas in numpy.

mod extent;
mod histogram;
mod lanes;
mod plausibility;
mod series;
mod texture;

pub use plausibility::Brightness;
pub(crate) use series::at;
pub use series::{IMAGES_MAX, SeriesFeatures, SeriesGeometry, SeriesSummary};

use extent::Extent;
use histogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use texture::Texture;

/// Rows and columns an image needs, so that each of the 16 by 16 blocks of the plausibility features holds a pixel.
pub const SIDE_MIN: usize = 16;

/// Everything that is measured of a study, by name: see [`ImageFeatures`] and [`SeriesSummary::finish`]. Which of them a study
/// has depends on how many images it has, and on what they state.
pub const FEATURES: [&str; 32] = [
    "mean",
    "sd",
    "p1",
    "p50",
    "p99",
    "noise",
    "sharpness",
    "frequency_1_4",
    "frequency_2_4",
    "contrast",
    "entropy",
    "clipped_low",
    "clipped_high",
    "border",
    "padding",
    "coverage",
    "rows",
    "columns",
    "aspect",
    "brightness_centre",
    "brightness_midline",
    "brightness_side",
    "brightness_lower",
    "spacing_row",
    "spacing_column",
    "images",
    "mean_spread",
    "noise_spread",
    "sharpness_spread",
    "frequency_1_4_spread",
    "slice_step",
    "slice_step_largest",
];

/// Why an image cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Too few rows or columns.
    #[error("an image of {rows} rows and {columns} columns is too small to be measured; it needs {SIDE_MIN} of each")]
    TooSmall {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
    /// There are not as many values as rows and columns say.
    #[error("an image holds {values} values instead of {rows} rows of {columns}")]
    Shape {
        /// Values given.
        values: usize,
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
    /// A value is no finite number, or they lie too far apart.
    #[error("a pixel of the image, or the span of its values, is not a finite number")]
    NotFinite,
}

/// One decoded image of one channel, as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// Stored values, row by row.
    pub values: &'a [f32],
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Distance of rows and of columns in mm; `None` when not stated.
    pub spacing_mm: Option<[f64; 2]>,
    /// Slope and intercept from stored to modality values as they are displayed: the rescale of the modality, with a
    /// negative slope where low values are shown bright (`MONOCHROME1`).
    pub rescale: [f64; 2],
}

/// What was measured on one image, by name; all finite.
///
/// | name | what | unit |
/// |---|---|---|
/// | `mean`, `sd`, `p1`, `p50`, `p99` | of the foreground: inside constant margins, without clipped pixels | modality values |
/// | `noise` | standard deviation of the noise after Immerkaer 1996 | modality values |
/// | `sharpness` | variance of the 4-neighbour Laplacian over the variance of the foreground | 1 |
/// | `frequency_1_4`, `frequency_2_4` | mean squared difference at lag 1 (2) px over that at lag 4 px: 1 for white noise, 1/16 (1/4) for a ramp | 1 |
/// | `contrast` | p90 - p10 over p99 - p1 of the foreground | 1 |
/// | `entropy` | of a histogram of 256 bins from the smallest to the largest value | bit |
/// | `clipped_low`, `clipped_high` | share of pixels at the smallest and at the largest value of the image | 1 |
/// | `border`, `padding` | share of the image in constant margins; in that part of them that lies on both sides alike | 1 |
/// | `coverage` | share of the image that is foreground | 1 |
/// | `rows`, `columns`, `aspect` | size, and columns over rows | 1 |
/// | `spacing_row`, `spacing_column` | distance of rows and of columns, where stated | mm |
/// | `brightness_*` | see [`Brightness`] | 1 |
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageFeatures(pub BTreeMap<String, f64>);

/// Measure one image.
///
/// An image of one single value is measured too: it has no noise, no contrast, and a border of 1.
///
/// # Errors
/// [`ImageError`] for an image that is too small, of another size than it says, or with values that are no numbers.
pub fn measure(samples: &Samples<'_>) -> Result<ImageFeatures, ImageError> {
    let Samples { values, rows, columns, .. } = *samples;
    if rows < SIDE_MIN || columns < SIDE_MIN {
        return Err(ImageError::TooSmall { rows, columns });
    }
    if rows.checked_mul(columns) != Some(values.len()) {
        return Err(ImageError::Shape { values: values.len(), rows, columns });
    }
    let (extent, histogram, texture) = passes(values, rows, columns).ok_or(ImageError::NotFinite)?;
    Ok(ImageFeatures(name(samples, &extent, &histogram, &texture)))
}

/// Both passes, with vectors twice as wide where the processor has them. The numbers are the same to the last bit: no
/// operation is fused, and the lanes are added in the same order.
fn passes(values: &[f32], rows: usize, columns: usize) -> Option<(Extent, Histogram, Texture)> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(values: &[f32], rows: usize, columns: usize) -> Option<(Extent, Histogram, Texture)> {
            narrow(values, rows, columns)
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            #[expect(
                unsafe_code,
                reason = "safe code in a function that may only be called where its instructions exist"
            )]
            // SAFETY: the processor has just said that it has AVX2, the only thing `wide` asks for.
            return unsafe { wide(values, rows, columns) };
        }
    }
    narrow(values, rows, columns)
}

/// Inlined with all it calls, so that it is compiled for the instructions of its caller.
#[inline(always)]
fn narrow(values: &[f32], rows: usize, columns: usize) -> Option<(Extent, Histogram, Texture)> {
    let extent = Extent::of(values, rows, columns)?;
    let (histogram, texture) = pass(values, columns, &extent);
    Some((extent, histogram, texture))
}

/// The second pass: everything that is measured inside the margins.
#[inline(always)]
fn pass(values: &[f32], columns: usize, extent: &Extent) -> (Histogram, Texture) {
    let (top, bottom) = (extent.rows.start, extent.rows.end);
    let row = |index: usize| &values[index * columns..][extent.columns.clone()];
    let mut histogram = Histogram::new(extent.low, extent.high);
    let mut texture = Texture::new(extent.rows.len(), extent.columns.len());
    for index in top..bottom {
        histogram.add(row(index));
        let after = |n: usize| (index + n < bottom).then(|| row(index + n));
        let before = (top < index).then(|| row(index - 1));
        texture.add(index - top, row(index), before, [after(1), after(2), after(4)]);
    }
    (histogram, texture)
}

fn name(samples: &Samples<'_>, extent: &Extent, histogram: &Histogram, texture: &Texture) -> BTreeMap<String, f64> {
    let [slope, intercept] = samples.rescale;
    let (rows, columns) = (samples.rows as f64, samples.columns as f64);
    let area = rows * columns;
    let foreground = histogram.foreground();
    // A negative slope turns the order of the values round.
    let quantile = |q: f64| slope * histogram.quantile(if slope < 0.0 { 1.0 - q } else { q }) + intercept;
    let [p1, p10, p50, p90, p99] = [0.01, 0.1, 0.5, 0.9, 0.99].map(quantile);
    let ratio = |a: f64, b: f64| if 0.0 < b { a / b } else { 0.0 };
    let ends = histogram.n_ends();
    let mut clipped = [0, 1].map(|end| (ends[end] + extent.n_outside[end] as f64) / area);
    if slope < 0.0 {
        clipped.reverse();
    }
    let [d1, d2, d4] = texture.differences();
    let [low, high] = clipped;
    let brightness = Brightness::of(&texture.blocks(), slope.signum());
    let mut features = vec![
        ("mean", slope * foreground.mean + intercept),
        ("sd", slope.abs() * foreground.variance.sqrt()),
        ("p1", p1),
        ("p50", p50),
        ("p99", p99),
        ("noise", slope.abs() * texture.noise()),
        ("sharpness", ratio(texture.laplacian_variance(), foreground.variance)),
        ("frequency_1_4", ratio(d1, d4)),
        ("frequency_2_4", ratio(d2, d4)),
        ("contrast", ratio(p90 - p10, p99 - p1)),
        ("entropy", histogram.entropy()),
        ("clipped_low", low),
        ("clipped_high", high),
        ("border", extent.border(samples.rows, samples.columns)),
        ("padding", extent.padding(samples.rows, samples.columns)),
        ("coverage", foreground.n / area),
        ("rows", rows),
        ("columns", columns),
        ("aspect", columns / rows),
        ("brightness_centre", brightness.centre),
        ("brightness_midline", brightness.midline),
        ("brightness_side", brightness.side),
        ("brightness_lower", brightness.lower),
    ];
    if let Some([row, column]) = samples.spacing_mm {
        features.extend([("spacing_row", row), ("spacing_column", column)]);
    }
    features.into_iter().filter(|(_, value)| value.is_finite()).map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
