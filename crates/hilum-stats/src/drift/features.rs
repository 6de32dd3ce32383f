use super::Comparison;
use super::kernel_test::Permutations;
use super::points::Points;
use crate::StatsError;
use crate::check;
use crate::resampling::Draws;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

const WHAT: &str = "random features";

/// Random Fourier features of a Gaussian kernel (Rahimi & Recht, NIPS 2007): with them a stream of points is summed up in a few
/// thousand numbers, and two such sums give [`mmd`](super::mmd) up to an error of the order `1 / sqrt(frequencies)`.
///
/// Drawn from a seed: everybody with the same dimensions, frequencies, scale and seed has the same features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FeatureSettings", into = "FeatureSettings")]
pub struct RandomFeatures {
    settings: FeatureSettings,
    /// Frequencies x dimensions.
    frequencies: Vec<f64>,
}

/// What decides the features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureSettings {
    dimensions: u32,
    frequencies: u32,
    squared_scale: f64,
    seed: u64,
}

/// Sums of features over a stream. They merge, up to rounding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSums {
    settings: FeatureSettings,
    n: u64,
    /// Cosine and sine of each frequency, one after the other.
    sums: Vec<f64>,
}

impl RandomFeatures {
    /// Draws frequencies, each of which makes two numbers of a sum; 512 are usual. `squared_scale` is sigma squared of the
    /// kernel, the [median squared distance](super::median_squared_distance) of the reference, frozen with it.
    ///
    /// # Errors
    /// `OutOfRange` unless there are 1 to 65,536 dimensions, 1 to 65,536 frequencies and a positive scale.
    pub fn new(dimensions: u32, frequencies: u32, squared_scale: f64, seed: u64) -> Result<RandomFeatures, StatsError> {
        RandomFeatures::try_from(FeatureSettings { dimensions, frequencies, squared_scale, seed })
    }

    /// Sums of nothing yet.
    pub fn empty(&self) -> FeatureSums {
        FeatureSums { settings: self.settings, n: 0, sums: vec![0.0; 2 * self.settings.frequencies as usize] }
    }

    /// Adds one point.
    ///
    /// # Errors
    /// `LengthMismatch` for another number of dimensions; `OutOfRange` for a value that is not finite; `Undefined` when the sums
    /// belong to other features. Then nothing is added.
    pub fn add(&self, sums: &mut FeatureSums, point: &[f64]) -> Result<(), StatsError> {
        check::same_length(WHAT, point.len(), self.settings.dimensions as usize)?;
        check::finite(WHAT, point)?;
        own(self.settings, sums.settings)?;
        let angles = self.frequencies.chunks_exact(point.len()).map(|f| f.iter().zip(point).map(|(f, x)| f * x).sum());
        for (angle, pair) in angles.zip(sums.sums.chunks_exact_mut(2)) {
            let angle: f64 = angle;
            let (sine, cosine) = if angle.is_finite() { angle.sin_cos() } else { (0.0, 1.0) };
            pair[0] += cosine;
            pair[1] += sine;
        }
        sums.n += 1;
        Ok(())
    }

    /// Sums of many points.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn sums_of(&self, points: Points<'_>) -> Result<FeatureSums, StatsError> {
        let mut sums = self.empty();
        points.rows().try_for_each(|row| self.add(&mut sums, row))?;
        Ok(sums)
    }
}

impl FeatureSums {
    /// Number of points.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Adds the sums of another stream.
    ///
    /// # Errors
    /// `Undefined` when they belong to other features; then nothing is added.
    pub fn merge(&mut self, other: &FeatureSums) -> Result<(), StatsError> {
        own(self.settings, other.settings)?;
        check::same_length(WHAT, self.sums.len(), other.sums.len())?;
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
        self.n += other.n;
        Ok(())
    }
}

fn own(ours: FeatureSettings, theirs: FeatureSettings) -> Result<(), StatsError> {
    if ours == theirs {
        Ok(())
    } else {
        Err(StatsError::Undefined { what: WHAT, why: "the sums belong to other features" })
    }
}

/// Squared maximum mean discrepancy, unbiased up to the features, from sums; a distance without p-value.
///
/// # Errors
/// `Undefined` when the sums belong to different features; `TooFew` with less than two points in either.
pub fn feature_mmd(reference: &FeatureSums, current: &FeatureSums) -> Result<Comparison, StatsError> {
    let what = "maximum mean discrepancy by features";
    own(reference.settings, current.settings)?;
    check::same_length(what, reference.sums.len(), current.sums.len())?;
    check::at_least(what, "points in each sample", 2, reference.n.min(current.n))?;
    let value = discrepancy((&reference.sums, reference.n as f64), (&current.sums, current.n as f64));
    Comparison::distance(what, value, (reference.n, current.n), "mmd2/features")
}

/// The same with a permutation p-value. What is dealt out anew are whole blocks (a study, an hour, a day), each summed on its own, so
/// that cases that belong together stay together.
///
/// # Errors
/// As [`feature_mmd`]; `TooFew` with less than two blocks in either sample, or no permutation.
pub fn feature_mmd_test(
    reference: &[FeatureSums],
    current: &[FeatureSums],
    permutations: Permutations,
) -> Result<Comparison, StatsError> {
    let what = "maximum mean discrepancy by features";
    check::at_least(what, "blocks in each sample", 2, reference.len().min(current.len()) as u64)?;
    check::at_least(what, "permutations", 1, u64::from(permutations.number))?;
    let blocks: Vec<&FeatureSums> = reference.iter().chain(current).collect();
    let mut all = blocks[0].clone();
    blocks[1..].iter().try_for_each(|block| all.merge(block))?;
    let of = |chosen: &[u32]| {
        let mut sums = vec![0.0; all.sums.len()];
        let mut n = 0;
        for &block in chosen {
            let block = blocks[block as usize];
            sums.iter_mut().zip(&block.sums).for_each(|(sum, more)| *sum += more);
            n += block.n;
        }
        let rest: Vec<f64> = all.sums.iter().zip(&sums).map(|(all, part)| all - part).collect();
        let m = all.n - n;
        // Blocks of unequal size can leave a side without two points, which then has no figure and counts as reaching it.
        let value = discrepancy((&sums, n as f64), (&rest, m as f64));
        (value, n, m)
    };
    let order: Vec<u32> = (0..blocks.len() as u32).collect();
    let (value, n, m) = of(&order[..reference.len()]);
    check::at_least(what, "points in each sample", 2, n.min(m))?;
    let reaches = |order: &mut Vec<u32>, number: u32| {
        order.iter_mut().zip(0_u32..).for_each(|(place, block)| *place = block);
        Draws::new(permutations.seed, number).deal(order, reference.len());
        let (permuted, n, m) = of(&order[..reference.len()]);
        // Each of the three means that it is the difference of is at most 1, and so is off by as much as it is small.
        u32::from(n.min(m) < 2 || value - 1e-12 * (1.0 + value.abs()) <= permuted)
    };
    let numbers = 1..=permutations.number;
    let reached: u32 = numbers.into_par_iter().map_init(|| order.clone(), reaches).sum();
    let p = (1.0 + f64::from(reached)) / (1.0 + f64::from(permutations.number));
    Comparison::test(what, (value, p), (n, m), "mmd2/features-permutation")
}

/// Each point has with itself a kernel of exactly 1, which is taken out of the squares.
fn discrepancy((a, n): (&[f64], f64), (b, m): (&[f64], f64)) -> f64 {
    let frequencies = a.len() as f64 / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / frequencies;
    (product(a, a) - n) / (n * (n - 1.0)) + (product(b, b) - m) / (m * (m - 1.0)) - 2.0 * product(a, b) / (n * m)
}

impl TryFrom<FeatureSettings> for RandomFeatures {
    type Error = StatsError;

    fn try_from(settings: FeatureSettings) -> Result<RandomFeatures, StatsError> {
        let FeatureSettings { dimensions, frequencies, squared_scale, seed } = settings;
        check::number(WHAT, f64::from(dimensions), "1 to 65,536 dimensions", |d| (1.0..=65_536.0).contains(&d))?;
        check::number(WHAT, f64::from(frequencies), "1 to 65,536 frequencies", |f| (1.0..=65_536.0).contains(&f))?;
        check::number(WHAT, squared_scale, "a squared scale above 0", |scale| 0.0 < scale)?;
        let scale = squared_scale.sqrt();
        let frequencies = (0..frequencies).flat_map(|number| {
            let mut draws = Draws::new(seed, number);
            (0..dimensions).map(move |_| draws.normal() / scale)
        });
        Ok(RandomFeatures { settings, frequencies: frequencies.collect() })
    }
}

impl From<RandomFeatures> for FeatureSettings {
    fn from(features: RandomFeatures) -> FeatureSettings {
        features.settings
    }
}
