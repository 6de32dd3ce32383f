use super::smirnov::kolmogorov_sf;
use super::steps::Steps;
use super::{Comparison, SortedSample};
use crate::StatsError;
use serde::{Deserialize, Serialize};

/// Pairs of cases up to which [`KolmogorovP::Auto`] counts paths: some milliseconds.
const AUTO_PAIRS_MAX: u64 = 2_000_000;

/// Pairs of cases up to which [`KolmogorovP::Exact`] is answered: some seconds.
const EXACT_PAIRS_MAX: u64 = 1_000_000_000;

/// Where the p-value of Kolmogorov and Smirnov's test comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KolmogorovP {
    /// Exact for small samples, else asymptotic.
    #[default]
    Auto,
    /// From all orders in which the cases could have come (Hodges, Ark. Mat. 3 (1958) 469-486). Ties make it conservative.
    Exact,
    /// From the exact distribution of a one-sample test on `round(n m / (n + m))` cases, as `scipy.stats.ks_2samp(method="asymp")`,
    /// which is nearer to the truth than Kolmogorov's limit.
    Asymptotic,
}

/// Two-sample Kolmogorov-Smirnov test: the largest difference between the distribution functions, in [0, 1].
///
/// # Errors
/// `Undefined` when `Exact` is asked of more than 1e9 pairs of cases.
///
/// # Examples
/// ```
/// use hilum_stats::drift::{KolmogorovP, SortedSample, kolmogorov_smirnov};
/// let sample = |values: &[f64]| SortedSample::new(values.to_vec()).unwrap();
/// let (before, after) = (sample(&[1.0, 2.0, 3.0]), sample(&[4.0, 5.0, 6.0]));
/// let test = kolmogorov_smirnov(&before, &after, KolmogorovP::Exact).unwrap();
/// assert!(test.value == 1.0 && (test.p_value.unwrap() - 2.0 / 20.0).abs() < 1e-15);
/// ```
pub fn kolmogorov_smirnov(
    reference: &SortedSample,
    current: &SortedSample,
    p_value: KolmogorovP,
) -> Result<Comparison, StatsError> {
    let what = "Kolmogorov-Smirnov test";
    let (n, m) = (reference.n(), current.n());
    // In whole numbers, so that the exact test compares without rounding. No sample has more than 2^32 - 1 values, so that a
    // product fits.
    let apart = |[a, b]: [u64; 2]| (a * m).abs_diff(b * n);
    let largest = Steps::new(reference, current).map(|step| apart(step.reached())).max().unwrap_or(0);
    let value = largest as f64 / (n * m) as f64;
    let exact = match p_value {
        KolmogorovP::Auto => n * m <= AUTO_PAIRS_MAX,
        KolmogorovP::Exact => true,
        KolmogorovP::Asymptotic => false,
    };
    if !exact {
        return Comparison::test(what, (value, asymptotic_p(value, n, m)), (n, m), "ks/asymptotic");
    }
    if EXACT_PAIRS_MAX < n * m {
        let why = "an exact p-value takes at most 1e9 pairs of cases; ask for the asymptotic one";
        return Err(StatsError::Undefined { what, why });
    }
    Comparison::test(what, (value, exact_p(largest, n, m)), (n, m), "ks/exact")
}

/// p-value of the statistic `value` from the one-sample distribution of as many cases as both samples amount to.
pub(super) fn asymptotic_p(value: f64, n: u64, m: u64) -> f64 {
    let (n, m) = (n as f64, m as f64);
    // Half to even, as numpy rounds.
    let cases = (n * m / (n + m)).round_ties_even().max(1.0);
    kolmogorov_sf(cases as u64, value)
}

/// Share of the orders of `n` and `m` cases in which the difference reaches `largest / (n m)` somewhere.
///
/// `outside[j]` is the probability that a random path from (0, 0) to (i, j) has touched a point where the difference is that
/// large. Only terms of one sign are added, so small p-values keep their digits.
fn exact_p(largest: u64, n: u64, m: u64) -> f64 {
    if largest == 0 {
        return 1.0;
    }
    // Steps along i change the difference by m, along j by n; the shorter sample is walked in memory.
    let (rows, columns) = (n.max(m), n.min(m));
    let (per_row, per_column) = (columns, rows);
    // Highest j that is inside in row i, and lowest.
    let highest = |i: u64| ((i * per_row + largest - 1) / per_column).min(columns);
    let lowest = |i: u64| if i * per_row < largest { 0 } else { (i * per_row - largest) / per_column + 1 };
    let reciprocals: Vec<f64> = (0..=rows + columns).map(|k| 1.0 / k as f64).collect();
    let mut outside = vec![1.0; columns as usize + 1];
    outside[..=highest(0) as usize].fill(0.0);
    for i in 1..=rows {
        let (low, high) = (lowest(i) as usize, highest(i) as usize);
        let mut left = 1.0;
        for j in low..=high {
            // The last step came along i with probability i / (i + j).
            let mixed = (i as f64 * outside[j] + j as f64 * left) * reciprocals[i as usize + j];
            outside[j] = if j == 0 { outside[0] } else { mixed };
            left = outside[j];
        }
    }
    outside[columns as usize]
}
