//! Steps on values alone, the same for images and volumes.

use super::images;
use crate::InferError;
use hilum_registry::manifest::PreprocessStep;

/// Apply a step that looks at values only; `false` when `step` is not one of those.
pub(super) fn apply(step: &PreprocessStep, values: &mut [f32], channels: usize) -> Result<bool, InferError> {
    match step {
        PreprocessStep::Clip { low, high } => values.iter_mut().for_each(|v| *v = v.clamp(*low, *high)),
        PreprocessStep::Scale { from, to } => {
            let factor = (to[1] - to[0]) / (from[1] - from[0]);
            values.iter_mut().for_each(|v| *v = (*v - from[0]) * factor + to[0]);
        }
        PreprocessStep::QuantileScale { low, high, padded_voxels, clip } => {
            quantile_scale(values, *low, *high, *padded_voxels, *clip)?;
        }
        PreprocessStep::Normalize { mean, std } => normalize(values, channels, mean, std),
        PreprocessStep::Zscore {} => {
            let n = values.len().max(1) as f64;
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
            spread(values, mean, variance.sqrt());
        }
        PreprocessStep::MinMax {} => {
            let low = values.iter().copied().fold(f32::INFINITY, f32::min);
            let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            spread(values, low.into(), f64::from(high) - f64::from(low));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `(v - start) / width`; 0 everywhere when the width is not above 0.
fn spread(values: &mut [f32], start: f64, width: f64) {
    if width > 0.0 {
        values.iter_mut().for_each(|v| *v = ((f64::from(*v) - start) / width) as f32);
    } else {
        values.fill(0.0);
    }
}

fn normalize(values: &mut [f32], channels: usize, mean: &[f32], std: &[f32]) {
    let pairs: Vec<(f32, f32)> = mean.iter().copied().zip(std.iter().copied()).collect();
    let per_channel = pairs.len() == channels;
    for pixel in values.chunks_exact_mut(channels) {
        for (channel, value) in pixel.iter_mut().enumerate() {
            let (mean, std) = pairs[if per_channel { channel } else { 0 }];
            *value = (*value - mean) / std;
        }
    }
}

fn quantile_scale(values: &mut [f32], low: f64, high: f64, padded: Option<u64>, clip: bool) -> Result<(), InferError> {
    let total = padded.unwrap_or(values.len() as u64);
    let missing = total.checked_sub(values.len() as u64);
    let missing =
        missing.ok_or_else(|| images(format!("the volume has more than the {total} voxels of quantile_scale")))?;
    let mut sorted = values.to_vec();
    let q_low = quantile(&mut sorted, missing, low);
    let q_high = quantile(&mut sorted, missing, high);
    if q_high - q_low <= 0.0 {
        return Err(images("the volume is constant between the quantiles of quantile_scale"));
    }
    spread(values, q_low, q_high - q_low);
    if clip {
        values.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
    }
    Ok(())
}

/// Quantile of the values and `zeros` more zeros, linear between order statistics (Hyndman and Fan type 7, NumPy's
/// default). The values are reordered.
fn quantile(values: &mut [f32], zeros: u64, q: f64) -> f64 {
    let negative = values.iter().filter(|v| **v < 0.0).count() as u64;
    let total = values.len() as u64 + zeros;
    if total == 0 {
        return 0.0;
    }
    let place = q * (total - 1) as f64;
    let mut statistic = |k: u64| -> f64 {
        if negative <= k && k < negative + zeros {
            return 0.0;
        }
        let k = if k < negative { k } else { k - zeros };
        let (_, value, _) = values.select_nth_unstable_by(k as usize, f32::total_cmp);
        f64::from(*value)
    };
    let below = place.floor() as u64;
    let low = statistic(below);
    let fraction = place - place.floor();
    if fraction == 0.0 { low } else { low + fraction * (statistic((below + 1).min(total - 1)) - low) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy.quantile([3, -1, 4, 1, -5, 9, 2, 6, 0, 0, 0], q) for q = 0.05, 0.5, 0.9, computed with NumPy 2.4.
    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = || vec![3.0f32, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, 6.0];
        let quantiles = [0.05, 0.5, 0.9].map(|q| quantile(&mut values(), 3, q));
        for (found, expected) in quantiles.iter().zip([-3.0, 1.0, 6.0]) {
            assert!((found - expected).abs() < 1e-12, "{quantiles:?}");
        }
    }

    #[test]
    fn steps_on_values() {
        let run = |step: PreprocessStep| {
            let mut values = vec![0.0f32, 5.0, 10.0, 20.0];
            apply(&step, &mut values, 1).unwrap();
            values
        };
        assert_eq!(run(PreprocessStep::Clip { low: 1.0, high: 10.0 }), [1.0, 5.0, 10.0, 10.0]);
        assert_eq!(run(PreprocessStep::Scale { from: [0.0, 10.0], to: [-1.0, 1.0] }), [-1.0, 0.0, 1.0, 3.0]);
        assert_eq!(run(PreprocessStep::MinMax {}), [0.0, 0.25, 0.5, 1.0]);
        assert_eq!(run(PreprocessStep::Normalize { mean: vec![5.0], std: vec![5.0] }), [-1.0, 0.0, 1.0, 3.0]);
        let mean: f32 = run(PreprocessStep::Zscore {}).iter().sum();
        assert!(mean.abs() < 1e-6);
        let mut flat = vec![7.0f32; 3];
        apply(&PreprocessStep::Zscore {}, &mut flat, 1).unwrap();
        assert_eq!(flat, [0.0; 3]);
    }
}
