//! Tests on the order of the pooled cases. Ties count half.

use super::steps::Steps;
use super::tails::cramer_von_mises_sf;
use super::{Comparison, SortedSample};
use crate::StatsError;
use crate::check;
use crate::special::two_sided_p;

/// Mann and Whitney's test (Ann. Math. Stat. 18 (1947) 50-60): the value is U of the reference, the number of pairs in which
/// its case is the larger; two-sided normal p-value with tie and continuity correction, as
/// `scipy.stats.mannwhitneyu(method="asymptotic")`.
///
/// # Errors
/// `Undefined` when all values are equal.
pub fn mann_whitney(reference: &SortedSample, current: &SortedSample) -> Result<Comparison, StatsError> {
    let what = "Mann-Whitney test";
    let (n, m) = (reference.n() as f64, current.n() as f64);
    let (mut twice_u, mut ties) = (0_u128, 0.0);
    for step in Steps::new(reference, current) {
        twice_u += u128::from(step.here[0]) * u128::from(2 * step.below[1] + step.here[1]);
        let tied = step.tied() as f64;
        ties += tied * tied * tied - tied;
    }
    let u = twice_u as f64 / 2.0;
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return Err(StatsError::Undefined { what, why: "all values are equal" });
    }
    let z = ((u - n * m / 2.0).abs() - 0.5) / variance.sqrt();
    let p = if z < 0.0 { 1.0 } else { two_sided_p(z) };
    Comparison::test(what, (u, p), (reference.n(), current.n()), "mann-whitney/asymptotic")
}

/// Cramer and von Mises' two-sample test (Anderson, Ann. Math. Stat. 33 (1962) 1148-1159): T with the p-value of its limit, as
/// `scipy.stats.cramervonmises_2samp(method="asymptotic")`. Like there, many ties alone make T large: not for values that repeat
/// much, such as tube voltages.
///
/// # Errors
/// `TooFew` with less than two cases in either sample.
pub fn cramer_von_mises(reference: &SortedSample, current: &SortedSample) -> Result<Comparison, StatsError> {
    let what = "Cramer-von Mises test";
    check::at_least(what, "values in each sample", 2, reference.n().min(current.n()))?;
    let (n, m) = (reference.n() as f64, current.n() as f64);
    // Sums of squared differences between the pooled rank of a case and its rank in its own sample.
    let mut sums = [0.0; 2];
    for step in Steps::new(reference, current) {
        let middle = (step.tied() as f64 + 1.0) / 2.0;
        for (side, sum) in sums.iter_mut().enumerate() {
            let (k, offset) = (step.here[side] as f64, step.below[1 - side] as f64 + middle);
            // Sum over i = 1..k of `(offset - i)^2`.
            *sum += k * offset * offset - offset * k * (k + 1.0) + k * (k + 1.0) * (2.0 * k + 1.0) / 6.0;
        }
    }
    let (pairs, total) = (n * m, n + m);
    let u = n * sums[0] + m * sums[1];
    let value = u / (pairs * total) - (4.0 * pairs - 1.0) / (6.0 * total);
    let expected = (1.0 + 1.0 / total) / 6.0;
    let variance = (total + 1.0) * (4.0 * pairs * total - 3.0 * (n * n + m * m) - 2.0 * pairs)
        / (45.0 * total * total * 4.0 * pairs);
    let standardised = 1.0 / 6.0 + (value - expected) / (45.0 * variance).sqrt();
    let p = cramer_von_mises_sf(standardised);
    Comparison::test(what, (value, p), (reference.n(), current.n()), "cramer-von-mises/asymptotic")
}

/// Anderson and Darling's test for two samples, midranks (Scholz & Stephens, J. Am. Stat. Assoc. 82 (1987) 918-924): the
/// standardised statistic, as `scipy.stats.anderson_ksamp`. Its p-value is read from a table of seven points and therefore
/// lies in [0.001, 0.25].
///
/// # Errors
/// `TooFew` with less than four cases; `Undefined` when all values are equal.
pub fn anderson_darling(reference: &SortedSample, current: &SortedSample) -> Result<Comparison, StatsError> {
    let what = "Anderson-Darling test";
    let sizes = [reference.n() as f64, current.n() as f64];
    let total = sizes[0] + sizes[1];
    check::at_least(what, "values", 4, reference.n() + current.n())?;
    let mut sums = [0.0; 2];
    for step in Steps::new(reference, current) {
        let tied = step.tied() as f64;
        if tied == total {
            return Err(StatsError::Undefined { what, why: "all values are equal" });
        }
        let middle = (step.below[0] + step.below[1]) as f64 + tied / 2.0;
        let spread = middle * (total - middle) - total * tied / 4.0;
        for side in 0..2 {
            let own = step.below[side] as f64 + step.here[side] as f64 / 2.0;
            sums[side] += tied / total * (total * own - middle * sizes[side]).powi(2) / spread;
        }
    }
    let raw = (sums[0] / sizes[0] + sums[1] / sizes[1]) * (total - 1.0) / total;
    let value = (raw - 1.0) / anderson_darling_variance(sizes, reference.n() + current.n()).sqrt();
    Comparison::test(what, (value, anderson_darling_p(value)), (reference.n(), current.n()), "anderson-darling/table")
}

/// Variance of the statistic of two samples where nothing differs.
fn anderson_darling_variance(sizes: [f64; 2], total: u64) -> f64 {
    let n = total as f64;
    let h_inverse = 1.0 / sizes[0] + 1.0 / sizes[1];
    let (mut h, mut g) = (0.0, 0.0);
    for i in 2..total {
        h += 1.0 / (total + 1 - i) as f64;
        g += h / i as f64;
    }
    h += 1.0;
    let k = 2.0;
    let a = (4.0 * g - 6.0) * (k - 1.0) + (10.0 - 6.0 * g) * h_inverse;
    let b = (2.0 * g - 4.0) * k * k + 8.0 * h * k + (2.0 * g - 14.0 * h - 4.0) * h_inverse - 8.0 * h + 4.0 * g - 6.0;
    let c = (6.0 * h + 2.0 * g - 2.0) * k * k + (4.0 * h - 4.0 * g + 6.0) * k + (2.0 * h - 6.0) * h_inverse + 4.0 * h;
    let d = (2.0 * h + 6.0) * k * k - 4.0 * h * k;
    (a * n.powi(3) + b * n * n + c * n + d) / ((n - 1.0) * (n - 2.0) * (n - 3.0))
}

/// Scholz and Stephens' critical values for two samples, and their levels.
const CRITICAL: [(f64, f64); 7] = [
    (0.675 - 0.245 - 0.105, 0.25),
    (1.281 + 0.25 - 0.305, 0.1),
    (1.645 + 0.678 - 0.362, 0.05),
    (1.96 + 1.149 - 0.391, 0.025),
    (2.326 + 1.822 - 0.396, 0.01),
    (2.573 + 2.364 - 0.345, 0.005),
    (3.085 + 3.615 - 0.154, 0.001),
];

/// A parabola through the logarithms of the levels by least squares, cut at the ends of the table.
fn anderson_darling_p(value: f64) -> f64 {
    if value < CRITICAL[0].0 {
        return CRITICAL[0].1;
    }
    if CRITICAL[6].0 < value {
        return CRITICAL[6].1;
    }
    // Normal equations in powers of the distance from the middle, which keeps them well conditioned.
    let middle = CRITICAL.iter().map(|c| c.0).sum::<f64>() / 7.0;
    let mut rows = [[0.0; 4]; 3];
    for (critical, level) in CRITICAL {
        let x = critical - middle;
        let powers = [1.0, x, x * x];
        for (row, p) in rows.iter_mut().zip(powers) {
            for (sum, q) in row.iter_mut().zip([1.0, x, x * x, level.ln()]) {
                *sum += p * q;
            }
        }
    }
    for pivot in 0..3 {
        let pivot_row = rows[pivot].map(|v| v / rows[pivot][pivot]);
        rows[pivot] = pivot_row;
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != pivot) {
            let factor = row[pivot];
            for (value, of_pivot) in row.iter_mut().zip(pivot_row) {
                *value -= factor * of_pivot;
            }
        }
    }
    let x = value - middle;
    (rows[0][3] + rows[1][3] * x + rows[2][3] * x * x).exp()
}
