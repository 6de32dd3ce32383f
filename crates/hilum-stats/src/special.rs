//! Distribution functions, on top of the special functions of `statrs`.

use crate::StatsError;
use statrs::function::{erf, gamma};
use std::f64::consts::SQRT_2;

/// Steps after which the continued fraction of the incomplete beta function must have ended; it needs about
/// `sqrt(max(a, b))` of them, and counts are below 2^53. (`statrs` stops silently at 140: too early above 20,000 trials.)
const BETA_STEPS_MAX: u32 = 1_000_000;

/// Upper tail of the standard normal distribution; at least the smallest positive number, because no test proves that a
/// probability is 0.
pub(crate) fn normal_sf(z: f64) -> f64 {
    (0.5 * erf::erfc(z / SQRT_2)).max(f64::MIN_POSITIVE)
}

/// Lower tail of the standard normal distribution; never exactly 0.
pub fn normal_cdf(z: f64) -> f64 {
    normal_sf(-z)
}

/// Two-sided p-value of a standard normal statistic; in (0, 1].
pub(crate) fn two_sided_p(z: f64) -> f64 {
    (2.0 * normal_sf(z.abs())).min(1.0)
}

/// Quantile of the standard normal distribution for `p` in (0, 1).
pub fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * erf::erfc_inv(2.0 * p)
}

/// Standard normal quantile that a two-sided interval of confidence `level` uses: 1.959964 for 0.95.
///
/// # Errors
/// `OutOfRange` unless `0 < level < 1`.
pub(crate) fn z_of_level(what: &'static str, level: f64) -> Result<f64, StatsError> {
    if level.is_finite() && 0.0 < level && level < 1.0 {
        return Ok(-normal_quantile((1.0 - level) / 2.0));
    }
    Err(StatsError::OutOfRange { what, index: 0, value: level.to_string(), range: "a confidence level in (0, 1)" })
}

/// Regularised incomplete beta function `I_x(a, b)` by its continued fraction (Lentz; Abramowitz & Stegun 26.5.8).
pub(crate) fn beta_cdf(what: &'static str, a: f64, b: f64, x: f64) -> Result<f64, StatsError> {
    if x <= 0.0 || 1.0 <= x {
        return Ok(if x <= 0.0 { 0.0 } else { 1.0 });
    }
    let log_front = gamma::ln_gamma(a + b) - gamma::ln_gamma(a) - gamma::ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    let front = log_front.exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        Ok(front * beta_fraction(what, a, b, x)? / a)
    } else {
        Ok(1.0 - front * beta_fraction(what, b, a, 1.0 - x)? / b)
    }
}

fn beta_fraction(what: &'static str, a: f64, b: f64, x: f64) -> Result<f64, StatsError> {
    let away_from_zero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for step in 1..=BETA_STEPS_MAX {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            return Ok(h);
        }
    }
    Err(StatsError::NoConvergence { what })
}

/// Quantile of the beta distribution by bisection: slow and certain.
pub(crate) fn beta_quantile(what: &'static str, a: f64, b: f64, p: f64) -> Result<f64, StatsError> {
    bisect(0.0, 1.0, |x| Ok(beta_cdf(what, a, b, x)? < p))
}

/// Quantile of Student's t distribution for `1/2 <= p < 1`.
pub(crate) fn student_t_quantile(what: &'static str, p: f64, degrees: f64) -> Result<f64, StatsError> {
    Ok(f_quantile(what, 2.0 * p - 1.0, 1.0, degrees)?.sqrt())
}

/// Quantile of the F distribution; degrees of freedom need not be whole.
pub(crate) fn f_quantile(what: &'static str, p: f64, above: f64, below: f64) -> Result<f64, StatsError> {
    let x = beta_quantile(what, above / 2.0, below / 2.0, p)?;
    // Close to 1 its complement is found from the other side, or it has no digits.
    let rest = if x < 0.5 { 1.0 - x } else { beta_quantile(what, below / 2.0, above / 2.0, 1.0 - p)? };
    Ok(below * x / (above * rest))
}

/// Where `still_below` turns from true to false between `low` and `high`, to the last bit.
pub(crate) fn bisect(
    mut low: f64,
    mut high: f64,
    still_below: impl Fn(f64) -> Result<bool, StatsError>,
) -> Result<f64, StatsError> {
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || high <= middle {
            break;
        }
        if still_below(middle)? { low = middle } else { high = middle }
    }
    Ok(low + (high - low) / 2.0)
}

/// `P(X <= k)` for X binomial with `n` trials of probability `p`.
pub(crate) fn binomial_cdf(what: &'static str, k: u64, n: u64, p: f64) -> Result<f64, StatsError> {
    if n <= k {
        return Ok(1.0);
    }
    beta_cdf(what, (n - k) as f64, k as f64 + 1.0, 1.0 - p)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `norm.ppf`, `norm.sf`, `beta.cdf`, `beta.ppf`, `binom.cdf`.
    #[test]
    fn distributions_equal_scipy() {
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-3), "{a} {b}");
        close(normal_quantile(0.975), 1.959_963_984_540_054);
        close(normal_quantile(1e-10), -6.361_340_902_404_056);
        close(normal_sf(8.0), 6.220_960_574_271_785e-16);
        close(beta_cdf("t", 46.0, 5.0, 0.9).unwrap(), 0.431_198_406_829_061_85);
        close(binomial_cdf("t", 5, 17, 0.5).unwrap(), 0.071_731_567_382_812_5);
    }

    /// scipy 1.17.1: `t.ppf`, `f.ppf`.
    #[test]
    fn quantiles_of_t_and_f_equal_scipy() {
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-10 * b.abs(), "{a} {b}");
        close(student_t_quantile("t", 0.975, 16.0).unwrap(), 2.1199052992212546);
        close(student_t_quantile("t", 0.975, 2.0).unwrap(), 4.302652729749462);
        close(student_t_quantile("t", 0.995, 1.0).unwrap(), 63.656741162871526);
        close(student_t_quantile("t", 0.6, 100000.0).unwrap(), 0.25334777715718015);
        close(f_quantile("t", 0.975, 5.0, 18.0).unwrap(), 3.381967805875243);
        close(f_quantile("t", 0.975, 15.0, 5.0).unwrap(), 6.427728167078779);
        close(f_quantile("t", 0.95, 2.37, 11.0).unwrap(), 3.8068035316214477);
        close(f_quantile("t", 0.995, 1.0, 200.0).unwrap(), 8.057159958453388);
        close(f_quantile("t", 0.025, 3.0, 40.0).unwrap(), 0.07124278513657085);
    }

    #[test]
    fn the_beta_quantile_inverts_the_beta_distribution_up_to_ten_million_trials() {
        for (a, b) in [(0.5, 0.5), (1.0, 50.0), (46.0, 5.0), (30_000.0, 70_001.0), (5e6, 5e6), (9_999_990.0, 11.0)] {
            for p in [0.005, 0.025, 0.5, 0.975] {
                let x = beta_quantile("t", a, b, p).unwrap();
                let back = beta_cdf("t", a, b, x).unwrap();
                assert!((back - p).abs() < 1e-6, "{a} {b} {p}: {x} {back}");
            }
        }
    }
}
