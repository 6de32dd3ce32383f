use crate::check::number;
use crate::error::StatsError;
use crate::special::{normal_cdf, normal_quantile};
use std::f64::consts::TAU;

/// Intervals of Simpson's rule for the bivariate normal distribution; with 400 the error is below 1e-10 up to a
/// correlation of 0.99.
const SIMPSON_INTERVALS: u32 = 400;

/// `P(X <= h, Y <= k)` of two standard normal variables with correlation `rho`, by integrating over the correlation
/// (Drezner & Wesolowsky, J. Stat. Comput. Simul. 35 (1990) 101-107).
///
/// # Errors
/// `OutOfRange` for limits that are not finite and unless `-1 < rho < 1`.
///
/// # Examples
/// ```
/// // Sheppard: both below their mean.
/// let p = hilum_stats::power::bivariate_normal_cdf(0.0, 0.0, 0.5).unwrap();
/// assert!((p - 1.0 / 3.0).abs() < 1e-12);
/// ```
pub fn bivariate_normal_cdf(h: f64, k: f64, rho: f64) -> Result<f64, StatsError> {
    let what = "bivariate normal distribution";
    number(what, h, "the finite numbers", |_| true)?;
    number(what, k, "the finite numbers", |_| true)?;
    number(what, rho, "(-1, 1)", |r| -1.0 < r && r < 1.0)?;
    let end = rho.asin();
    let step = end / f64::from(SIMPSON_INTERVALS);
    let density = |theta: f64| {
        let (sine, cosine) = theta.sin_cos();
        (-(h * h + k * k - 2.0 * h * k * sine) / (2.0 * cosine * cosine)).exp()
    };
    let weight = |place: u32| match place {
        0 | SIMPSON_INTERVALS => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=SIMPSON_INTERVALS).map(|place| weight(place) * density(f64::from(place) * step)).sum();
    Ok((normal_cdf(h) * normal_cdf(k) + sum * step / 3.0 / TAU).clamp(0.0, 1.0))
}

/// Chance that the unfavourable end of an interval keeps to its limit, when the true value lies `distance` on the good side
/// of it: `Phi(distance / se - z)`.
///
/// # Errors
/// `OutOfRange` unless the standard error is above 0 and `0 < alpha < 0.5`.
pub fn power_of_bound(distance: f64, standard_error: f64, alpha: f64) -> Result<f64, StatsError> {
    let what = "power";
    number(what, distance, "the finite numbers", |_| true)?;
    number(what, standard_error, "above 0", |se| 0.0 < se)?;
    Ok(normal_cdf(distance / standard_error - z_of_alpha(what, alpha)?))
}

/// Chance that a group passes the rule for few cases: not significantly worse than the reference, and the estimate within
/// the margin. `difference` is the true one, favourable above 0, and `margin` at least 0.
///
/// # Errors
/// As [`power_of_bound`]; `OutOfRange` for a negative margin.
pub fn power_no_drop(difference: f64, margin: f64, standard_error: f64, alpha: f64) -> Result<f64, StatsError> {
    let what = "power of the no-drop rule";
    number(what, difference, "the finite numbers", |_| true)?;
    number(what, margin, "at least 0", |m| 0.0 <= m)?;
    number(what, standard_error, "above 0", |se| 0.0 < se)?;
    let lowest = (-margin).max(-z_of_alpha(what, alpha)? * standard_error);
    Ok(normal_cdf((difference - lowest) / standard_error))
}

/// Normal quantile of a one-sided error, 1.96 for 0.025.
pub(super) fn z_of_alpha(what: &'static str, alpha: f64) -> Result<f64, StatsError> {
    number(what, alpha, "(0, 0.5)", |a| 0.0 < a && a < 0.5)?;
    Ok(-normal_quantile(alpha))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `quad(lambda x: norm.pdf(x) * norm.cdf((k - r * x) / sqrt(1 - r * r)), -12, h)`.
    #[test]
    fn the_bivariate_normal_distribution_equals_scipy() {
        for (h, k, rho, expected) in [
            (1.4, 1.4, 0.8, 0.8821187386898459),
            (-0.5, 1.2, 0.3, 0.2915278996161192),
            (2.1, 1.7, 0.95, 0.9544401276586068),
            (1.405, 1.2, 0.475, 0.8338375823334201),
            (-1.0, -2.0, 0.99, 0.022750131948177293),
            (0.3, -0.4, -0.6, 0.12015542723905726),
        ] {
            let p = bivariate_normal_cdf(h, k, rho).unwrap();
            assert!((p - expected).abs() < 1e-10, "{h} {k} {rho}: {p} {expected}");
        }
        assert!(bivariate_normal_cdf(0.0, 0.0, 1.0).is_err());
    }

    #[test]
    fn a_group_at_the_edge_passes_half_the_time() {
        assert!((power_no_drop(-0.05, 0.05, 0.1, 0.025).unwrap() - 0.5).abs() < 1e-12);
        assert!((power_of_bound(0.0, 0.1, 0.025).unwrap() - 0.025).abs() < 1e-9);
    }
}
