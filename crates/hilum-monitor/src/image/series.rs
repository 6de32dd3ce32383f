//! Several images of one study: the slices of a volume, or the views of a radiograph.

use super::ImageFeatures;
use std::collections::BTreeMap;

/// Images of one series that are measured at most; of more, every second, third, ... is, so that the cost is bounded.
pub const IMAGES_MAX: usize = 64;

/// How the slices of a volume lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesGeometry {
    /// Median distance of neighbouring slices in mm.
    pub step_mm: f64,
    /// Largest distance over the median: about 1 for a regular stack, about 2 where one slice is missing.
    pub largest_step: f64,
}

impl SeriesGeometry {
    /// From the places of the slices along their normal, in mm and in any order; `None` for fewer than two, or when all lie
    /// at one place.
    pub fn of(mut places_mm: Vec<f64>) -> Option<SeriesGeometry> {
        places_mm.retain(|place| place.is_finite());
        places_mm.sort_by(f64::total_cmp);
        let mut steps: Vec<f64> = places_mm.windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.sort_by(f64::total_cmp);
        let (step_mm, largest) = (steps.get(steps.len() / 2).copied()?, steps.last().copied()?);
        (0.0 < step_mm).then(|| SeriesGeometry { step_mm, largest_step: largest / step_mm })
    }
}

/// Collects the images of a study and summarises them.
#[derive(Debug, Clone, Default)]
pub struct SeriesSummary {
    images: Vec<ImageFeatures>,
}

/// What is kept of a study: the features of its image; of several, the median of each with how far it spreads.
pub type SeriesFeatures = BTreeMap<String, f64>;

impl SeriesSummary {
    /// Whether the image with this index, from 0, of so many is one that is measured.
    pub fn takes(index: usize, of: usize) -> bool {
        index.is_multiple_of(of.div_ceil(IMAGES_MAX).max(1))
    }

    /// Take one image.
    pub fn add(&mut self, image: ImageFeatures) {
        self.images.push(image);
    }

    /// Whether there is nothing yet.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The summary of a study of `n_images` images, of which those added were measured.
    ///
    /// Of several images: the median of every feature that each of them has, `<name>_spread`, the distance of the
    /// quartiles, for `mean`, `noise`, `sharpness` and `frequency_1_4`, and `images`; with a geometry also `slice_step` in
    /// mm and `slice_step_largest`. Empty when there is no image.
    pub fn finish(self, n_images: usize, geometry: Option<SeriesGeometry>) -> SeriesFeatures {
        let Some(first) = self.images.first() else { return SeriesFeatures::new() };
        if n_images <= 1 {
            return first.0.clone();
        }
        let mut features = SeriesFeatures::from([("images".to_owned(), n_images as f64)]);
        for name in first.0.keys() {
            let values: Option<Vec<f64>> = self.images.iter().map(|image| image.0.get(name).copied()).collect();
            let Some(mut values) = values else { continue };
            values.sort_by(f64::total_cmp);
            if ["mean", "noise", "sharpness", "frequency_1_4"].contains(&name.as_str()) {
                features.insert(format!("{name}_spread"), at(&values, 0.75) - at(&values, 0.25));
            }
            features.insert(name.clone(), at(&values, 0.5));
        }
        if let Some(geometry) = geometry {
            features.insert("slice_step".to_owned(), geometry.step_mm);
            features.insert("slice_step_largest".to_owned(), geometry.largest_step);
        }
        features
    }
}

/// Quantile of sorted values, linear between them (type 7 of Hyndman and Fan 1996, as numpy has it).
pub(crate) fn at(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() as f64 - 1.0);
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * part
}
