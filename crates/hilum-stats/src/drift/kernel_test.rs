use super::Comparison;
use super::gram::{AnyPairs, Pairs, Real, squared_distances};
use super::points::{Points, check_pair};
use crate::StatsError;
use crate::check;
use crate::resampling::Draws;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Permutations whose memberships are held at once.
const BATCH: usize = 128;

/// How a p-value is found by dealing the cases out anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permutations {
    /// Number P of permutations; the p-value is `(1 + b) / (1 + P)`, so at least `1 / (P + 1)`.
    pub number: u32,
    /// The same seed gives the same p-value, on any number of threads.
    pub seed: u64,
}

impl Default for Permutations {
    /// 999, so that p-values have three decimals.
    fn default() -> Permutations {
        Permutations { number: 999, seed: 1 }
    }
}

/// Maximum mean discrepancy, squared and unbiased, with the kernel `exp(-d^2 / (2 sigma^2))` (Gretton et al., J. Mach. Learn.
/// Res. 13 (2012) 723-773) and a permutation p-value. It can be slightly negative.
///
/// `squared_scale` is sigma squared; `None` takes the median squared distance of all pairs. More than 1,024 points together
/// are computed with in 32 bits.
///
/// # Errors
/// `LengthMismatch` for points of different dimensions; `TooFew` with less than two points in either sample, or no permutation;
/// `Undefined` with more than 20,000 points, or when more than half of the pairs are equal points and no scale is given;
/// `OutOfRange` for a scale that is not positive.
pub fn mmd(
    reference: Points<'_>,
    current: Points<'_>,
    squared_scale: Option<f64>,
    permutations: Permutations,
) -> Result<Comparison, StatsError> {
    let what = "maximum mean discrepancy";
    let sizes = check_pair(what, reference, current, 2)?;
    check::at_least(what, "permutations", 1, u64::from(permutations.number))?;
    if let Some(scale) = squared_scale {
        check::number(what, scale, "a squared scale above 0", |scale| 0.0 < scale)?;
    }
    let (value, p) = match squared_distances(what, reference, current)? {
        AnyPairs::Narrow(pairs) => mmd_of(what, pairs, sizes, squared_scale, permutations)?,
        AnyPairs::Wide(pairs) => mmd_of(what, pairs, sizes, squared_scale, permutations)?,
    };
    Comparison::test(what, (value, p), sizes, "mmd2/rbf-permutation")
}

/// Median squared distance of all pairs of the pooled points: what [`mmd`] takes for sigma squared.
///
/// # Errors
/// As [`mmd`].
pub fn median_squared_distance(reference: Points<'_>, current: Points<'_>) -> Result<f64, StatsError> {
    let what = "median distance";
    check_pair(what, reference, current, 1)?;
    let median = match squared_distances(what, reference, current)? {
        AnyPairs::Narrow(pairs) => pairs.median(),
        AnyPairs::Wide(pairs) => pairs.median(),
    };
    Ok(median)
}

/// Energy statistic of points, `2 E|X - Y| - E|X - X'| - E|Y - Y'|` with a permutation p-value (Szekely & Rizzo, J. Stat. Plan.
/// Inference 143 (2013) 1249-1272). At least 0; for one dimension it is the square of [`energy_distance`](super::energy_distance).
///
/// # Errors
/// As [`mmd`].
pub fn energy_test(
    reference: Points<'_>,
    current: Points<'_>,
    permutations: Permutations,
) -> Result<Comparison, StatsError> {
    let what = "energy test";
    let sizes = check_pair(what, reference, current, 2)?;
    check::at_least(what, "permutations", 1, u64::from(permutations.number))?;
    let (value, p) = match squared_distances(what, reference, current)? {
        AnyPairs::Narrow(mut pairs) => {
            pairs.replace(f32::sqrt);
            permuted(&pairs, sizes, permutations, energy_of)
        }
        AnyPairs::Wide(mut pairs) => {
            pairs.replace(f64::sqrt);
            permuted(&pairs, sizes, permutations, energy_of)
        }
    };
    Comparison::test(what, (value.max(0.0), p), sizes, "energy/permutation")
}

fn mmd_of<T: Real>(
    what: &'static str,
    mut pairs: Pairs<T>,
    sizes: (u64, u64),
    squared_scale: Option<f64>,
    permutations: Permutations,
) -> Result<(f64, f64), StatsError> {
    let scale = squared_scale.unwrap_or_else(|| pairs.median());
    if scale <= 0.0 {
        let why = "more than half of the pairs are equal points; give a scale";
        return Err(StatsError::Undefined { what, why });
    }
    let factor = T::of(-0.5 / scale);
    pairs.replace(|apart| (apart * factor).exp());
    Ok(permuted(&pairs, sizes, permutations, |within, across, (n, m)| {
        within[0] / (n * (n - 1.0)) + within[1] / (m * (m - 1.0)) - 2.0 * across / (n * m)
    }))
}

fn energy_of(within: [f64; 2], across: f64, (n, m): (f64, f64)) -> f64 {
    2.0 * across / (n * m) - within[0] / (n * n) - within[1] / (m * m)
}

/// A statistic of the sums over pairs within either sample (ordered, so each pair twice) and across both, with its permutation
/// p-value.
fn permuted<T: Real>(
    pairs: &Pairs<T>,
    (n, m): (u64, u64),
    permutations: Permutations,
    statistic: impl Fn([f64; 2], f64, (f64, f64)) -> f64,
) -> (f64, f64) {
    let row_sums = pairs.row_sums();
    let total: f64 = row_sums.iter().sum();
    let n_points = (n + m) as usize;
    // Summed are the pairs of the smaller sample, whose rounding is not multiplied by how much larger the other one is.
    let (is_reference_summed, n_summed) = (n <= m, n.min(m) as usize);
    let of = |within: f64, row_sum: f64| {
        let across = row_sum - within;
        let other = total - 2.0 * across - within;
        let sums = if is_reference_summed { [within, other] } else { [other, within] };
        statistic(sums, across, (n as f64, m as f64))
    };
    let (mut value, mut rounding) = (0.0, 0.0);
    let mut reached = 0_u32;
    let mut order: Vec<u32> = (0..n_points as u32).collect();
    // Number 0 is the samples as they are, computed on the same way.
    let numbers: Vec<u32> = (0..=permutations.number).collect();
    for batch in numbers.chunks(BATCH) {
        let mut members = Array2::from_elem((n_points, batch.len()), T::zero());
        let mut sums = vec![0.0; batch.len()];
        for (column, &number) in batch.iter().enumerate() {
            order.iter_mut().zip(0_u32..).for_each(|(place, point)| *place = point);
            if 0 < number {
                Draws::new(permutations.seed, number).deal(&mut order, n as usize);
            }
            let summed = if is_reference_summed { &order[..n_summed] } else { &order[n_points - n_summed..] };
            for &point in summed {
                members[(point as usize, column)] = T::one();
                sums[column] += row_sums[point as usize];
            }
        }
        let within = pairs.sums_within(members.view());
        for ((&number, within), row_sum) in batch.iter().zip(within).zip(sums) {
            let permuted = of(within, row_sum);
            if number == 0 {
                // Equal statistics differ by the rounding of the sums that they are a small difference of; where they did
                // not count as equal, those of few distinct points would have a p-value that is too small.
                let shares = 1.0 / n as f64 + 1.0 / m as f64;
                (value, rounding) = (permuted, T::ROUNDING * within.abs() * shares * shares);
            } else if value - rounding <= permuted {
                reached += 1;
            }
        }
    }
    (value, (1.0 + f64::from(reached)) / (1.0 + f64::from(permutations.number)))
}
