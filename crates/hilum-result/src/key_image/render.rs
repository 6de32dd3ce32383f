//! The source frame as a reader sees it: modality and VOI transformation, polarity, aspect, size.

use hilum_dicom::lut::{ModalityLut, VoiLut, rgb_to_grey, stored_values, to_rgb};
use hilum_dicom::{DicomError, Image, Limits, tags};

/// Planes of values 0 to 1: one for grey, three for colour.
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    planes: Vec<Vec<f32>>,
    /// Height of a pixel divided by its width.
    pub(super) pixel_aspect: f64,
}

/// Decode and window the frame `index`, counted from 0.
///
/// # Errors
/// Those of the decoder.
pub(super) fn picture(part10: &[u8], index: u32) -> Result<Picture, DicomError> {
    let image = Image::open(part10, None, &Limits::default())?;
    let description = &image.description;
    let samples = image.frame(index)?;
    let photometric = description.photometric_interpretation.as_str();
    let planes = if matches!(photometric, "MONOCHROME1" | "MONOCHROME2") {
        let mut values = stored_values(&samples, description);
        ModalityLut::of(&image.data_set, index).apply(&mut values);
        match VoiLut::of(&image.data_set, index) {
            Some(voi) => voi.apply(&mut values),
            None => stretch(&mut values),
        }
        if photometric == "MONOCHROME1" {
            values.iter_mut().for_each(|value| *value = 1.0 - *value);
        }
        vec![values]
    } else {
        let rgb = to_rgb(&samples, description, &image.data_set)?;
        let plane = |channel: usize| rgb.iter().skip(channel).step_by(3).map(|v| f32::from(*v) / 255.0).collect();
        let is_grey = rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
        if is_grey {
            vec![rgb_to_grey(&rgb).into_iter().map(|v| v / 255.0).collect()]
        } else {
            (0..3).map(plane).collect()
        }
    };
    let (width, height) = (description.columns as usize, description.rows as usize);
    Ok(Picture { width, height, planes, pixel_aspect: pixel_aspect(&image) })
}

/// Without a window, the range of the values.
fn stretch(values: &mut [f32]) {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    let range = if low < high { high - low } else { 1.0 };
    values.iter_mut().for_each(|value| *value = (*value - low) / range);
}

fn pixel_aspect(image: &Image<'_>) -> f64 {
    let pair = [tags::PIXEL_SPACING, tags::IMAGER_PIXEL_SPACING, tags::PIXEL_ASPECT_RATIO]
        .into_iter()
        .find_map(|tag| image.data_set.numbers(tag).filter(|n| n.len() == 2 && n.iter().all(|v| 0.0 < *v)));
    // A factor beyond 4 is a mistake in the header rather than the shape of a pixel.
    pair.map(|pair| pair[0] / pair[1]).filter(|aspect| (0.25..=4.0).contains(aspect)).unwrap_or(1.0)
}

impl Picture {
    /// The picture in another size as RGB bytes, each pixel the mean of what it covers.
    pub(super) fn scaled(&self, width: usize, height: usize) -> Vec<u8> {
        let across = weights(self.width, width);
        let down = weights(self.height, height);
        let planes: Vec<Vec<f32>> = self
            .planes
            .iter()
            .map(|plane| {
                let rows: Vec<Vec<f32>> = plane.chunks_exact(self.width.max(1)).map(|row| mix(row, &across)).collect();
                let row = |(first, weights): &(usize, Vec<f32>)| {
                    let mut sum = vec![0.0f32; width];
                    for (row, weight) in rows[*first..].iter().zip(weights) {
                        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * weight);
                    }
                    sum
                };
                down.iter().flat_map(row).collect()
            })
            .collect();
        // A value that is not a number becomes 0: `as` defines it so.
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let pixel = |at: usize| [0, 1, 2].map(|channel| byte(planes[channel.min(planes.len() - 1)][at]));
        (0..width * height).flat_map(pixel).collect()
    }
}

fn mix(row: &[f32], weights: &[(usize, Vec<f32>)]) -> Vec<f32> {
    let one = |(first, weights): &(usize, Vec<f32>)| row[*first..].iter().zip(weights).map(|(v, w)| v * w).sum();
    weights.iter().map(one).collect()
}

/// For each output pixel the first input pixel and the weights from there on: a triangle as wide as the scale, which is
/// linear interpolation when growing and an average when shrinking.
fn weights(input: usize, output: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = input as f64 / output as f64;
    let support = scale.max(1.0);
    let one = |index: usize| {
        let center = (index as f64 + 0.5) * scale - 0.5;
        let first = (center - support).ceil().max(0.0) as usize;
        let last = ((center + support).floor().max(0.0) as usize).min(input - 1);
        let raw: Vec<f64> = (first..=last).map(|at| (1.0 - (at as f64 - center).abs() / support).max(0.0)).collect();
        let sum: f64 = raw.iter().sum();
        (first, raw.into_iter().map(|weight| (weight / sum) as f32).collect())
    };
    (0..output).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_keeps_a_flat_picture_and_the_mean() {
        let values: Vec<f32> = (0..60 * 40).map(|i| (i % 7) as f32 / 7.0).collect();
        let picture = Picture { width: 60, height: 40, planes: vec![values], pixel_aspect: 1.0 };
        for (w, h) in [(30, 20), (7, 13), (60, 40), (120, 90)] {
            let mean = picture.scaled(w, h).iter().map(|v| f64::from(*v)).sum::<f64>() / (w * h * 3) as f64;
            assert!((mean - 255.0 * 3.0 / 7.0).abs() < 2.0, "{w} x {h}: {mean}");
        }
        let flat = Picture { width: 5, height: 3, planes: vec![vec![0.5; 15]], pixel_aspect: 1.0 };
        assert!(flat.scaled(11, 2).iter().all(|v| *v == 128));
    }
}
