use super::normal::{bivariate_normal_cdf, power_of_bound};
use super::proportion::above;
use super::search::{check_power, smallest};
use crate::check::{at_least, number};
use crate::error::StatsError;
use crate::special::normal_quantile;

/// Standard error that an AUROC will have with so many cases of each class, when the scores of both classes are normal with
/// equal variances (Bamber 1975; Obuchowski, Acad. Radiol. 4 (1997) 771-779). With many negatives per positive it is up to a
/// third below that of Hanley and McNeil ([`hanley_mcneil_standard_error`](crate::hanley_mcneil_standard_error)), whose
/// exponential model is the usual and then pessimistic choice.
///
/// # Errors
/// `OutOfRange` unless `0 < auroc < 1`; `TooFew` when a class is empty.
///
/// # Examples
/// ```
/// let se = hilum_stats::power::binormal_auroc_standard_error(0.85, 50, 450).unwrap();
/// assert!((se - 0.028).abs() < 0.0005);
/// ```
pub fn binormal_auroc_standard_error(auroc: f64, n_positive: u64, n_negative: u64) -> Result<f64, StatsError> {
    check("standard error of an AUROC", &[auroc], 0.0, n_positive, n_negative)?;
    // With itself a score is fully correlated: a pair of cases is in order for both or for neither.
    let same_pair = auroc;
    Ok(covariance(auroc, auroc, same_pair, 1.0, n_positive, n_negative)?.max(0.0).sqrt())
}

/// AUROCs of two versions of a model on the same cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AurocPair {
    /// True AUROC of the challenger, in (0, 1).
    pub challenger: f64,
    /// True AUROC of the champion, in (0, 1).
    pub champion: f64,
    /// Correlation of their scores within a class, in [0, 1).
    pub correlation: f64,
}

/// Standard error that the difference of two AUROCs on the same cases will have, in the binormal model of equal variances.
///
/// # Errors
/// `OutOfRange` for AUROCs outside (0, 1) or a correlation outside [0, 1); `TooFew` when a class is empty.
pub fn auroc_difference_standard_error(pair: &AurocPair, n_positive: u64, n_negative: u64) -> Result<f64, StatsError> {
    let what = "standard error of a difference of AUROCs";
    let AurocPair { challenger, champion, correlation } = *pair;
    check(what, &[challenger, champion], correlation, n_positive, n_negative)?;
    let deviates = (normal_quantile(challenger), normal_quantile(champion));
    let same_pair = bivariate_normal_cdf(deviates.0, deviates.1, correlation)?;
    let shared = covariance(challenger, champion, same_pair, correlation, n_positive, n_negative)?;
    let own = binormal_auroc_standard_error(challenger, n_positive, n_negative)?.powi(2)
        + binormal_auroc_standard_error(champion, n_positive, n_negative)?.powi(2);
    Ok((own - 2.0 * shared).max(0.0).sqrt())
}

/// Covariance of two Mann-Whitney statistics: of the same pair of cases, of pairs that share the negative, and of pairs that
/// share the positive. Differences of normal scores that share one case correlate by half of what the scores do.
fn covariance(
    first: f64,
    second: f64,
    same_pair: f64,
    correlation: f64,
    n_positive: u64,
    n_negative: u64,
) -> Result<f64, StatsError> {
    let (h, k) = (normal_quantile(first), normal_quantile(second));
    let product = first * second;
    let shared = bivariate_normal_cdf(h, k, correlation / 2.0)? - product;
    let (m, n) = (n_positive as f64, n_negative as f64);
    Ok((same_pair - product + (m + n - 2.0) * shared) / (m * n))
}

/// Chance that the lower DeLong bound of an AUROC reaches `threshold` when the true AUROC is `expected`.
///
/// # Errors
/// As [`binormal_auroc_standard_error`]; `OutOfRange` for threshold or alpha.
///
/// # Examples
/// ```
/// let power = hilum_stats::power::power_auroc(0.95, 0.90, 227, 144, 0.025).unwrap();
/// assert!(0.99 < power);
/// ```
pub fn power_auroc(
    expected: f64,
    threshold: f64,
    n_positive: u64,
    n_negative: u64,
    alpha: f64,
) -> Result<f64, StatsError> {
    number("power of an AUROC", threshold, "[0, 1]", |t| (0.0..=1.0).contains(&t))?;
    power_of_bound(expected - threshold, binormal_auroc_standard_error(expected, n_positive, n_negative)?, alpha)
}

/// Positives and negatives from which on [`power_auroc`] reaches `power`, at so many negatives for each positive.
///
/// # Errors
/// As [`power_auroc`]; `OutOfRange` unless the ratio is above 0; `Undefined` when no number of cases does.
pub fn sample_size_auroc(
    expected: f64,
    threshold: f64,
    negatives_per_positive: f64,
    alpha: f64,
    power: f64,
) -> Result<(u64, u64), StatsError> {
    let what = "sample size of an AUROC";
    check_power(what, power)?;
    above(what, expected - threshold)?;
    with_ratio(what, negatives_per_positive, |m, n| Ok(power <= power_auroc(expected, threshold, m, n, alpha)?))
}

/// Chance that the challenger is shown not to be worse than the champion by more than `margin`, by paired DeLong.
///
/// # Errors
/// As [`auroc_difference_standard_error`]; `OutOfRange` for margin or alpha.
///
/// # Examples
/// `lifecycle.md` of the design, section 3, simulated 0.51 for equal models with 100 positives and 900 negatives:
/// ```
/// use hilum_stats::power::{AurocPair, power_noninferiority_auroc};
/// let equal = AurocPair { challenger: 0.92, champion: 0.92, correlation: 0.8 };
/// let power = power_noninferiority_auroc(&equal, 0.02, 100, 900, 0.025).unwrap();
/// assert!((power - 0.51).abs() < 0.03);
/// ```
pub fn power_noninferiority_auroc(
    pair: &AurocPair,
    margin: f64,
    n_positive: u64,
    n_negative: u64,
    alpha: f64,
) -> Result<f64, StatsError> {
    number("power of a comparison of AUROCs", margin, "[0, 1)", |m| (0.0..1.0).contains(&m))?;
    let standard_error = auroc_difference_standard_error(pair, n_positive, n_negative)?;
    let distance = pair.challenger - pair.champion + margin;
    power_of_bound(distance, standard_error.max(f64::MIN_POSITIVE), alpha)
}

/// Positives and negatives from which on [`power_noninferiority_auroc`] reaches `power`, at so many negatives for each
/// positive.
///
/// # Errors
/// As there; `OutOfRange` unless the ratio is above 0; `Undefined` when no number of cases does.
pub fn sample_size_noninferiority_auroc(
    pair: &AurocPair,
    margin: f64,
    negatives_per_positive: f64,
    alpha: f64,
    power: f64,
) -> Result<(u64, u64), StatsError> {
    let what = "sample size of a comparison of AUROCs";
    check_power(what, power)?;
    above(what, pair.challenger - pair.champion + margin)?;
    with_ratio(what, negatives_per_positive, |m, n| Ok(power <= power_noninferiority_auroc(pair, margin, m, n, alpha)?))
}

fn with_ratio(
    what: &'static str,
    negatives_per_positive: f64,
    enough: impl Fn(u64, u64) -> Result<bool, StatsError>,
) -> Result<(u64, u64), StatsError> {
    number(what, negatives_per_positive, "above 0", |ratio| 0.0 < ratio)?;
    let negatives = |positives: u64| ((positives as f64 * negatives_per_positive).ceil() as u64).max(2);
    let positives = smallest(what, 0, |positives| enough(positives.max(2), negatives(positives)))?;
    Ok((positives.max(2), negatives(positives)))
}

fn check(what: &'static str, aurocs: &[f64], correlation: f64, m: u64, n: u64) -> Result<(), StatsError> {
    for &auroc in aurocs {
        number(what, auroc, "(0, 1)", |a| 0.0 < a && a < 1.0)?;
    }
    number(what, correlation, "[0, 1)", |r| (0.0..1.0).contains(&r))?;
    at_least(what, "positives", 1, m)?;
    at_least(what, "negatives", 1, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discrimination::hanley_mcneil_standard_error;

    /// Standard deviation of 4,000 simulated AUROCs of normal scores (numpy 2).
    #[test]
    fn the_binormal_standard_error_is_what_is_simulated() {
        for (auroc, m, n, simulated) in [(0.85, 50, 450, 0.02827), (0.92, 100, 900, 0.01372), (0.97, 227, 144, 0.00754)]
        {
            let se = binormal_auroc_standard_error(auroc, m, n).unwrap();
            assert!((se / simulated - 1.0).abs() < 0.04, "{auroc} {m} {n}: {se}");
        }
    }

    #[test]
    fn hanley_and_mcneil_are_on_the_safe_side_with_many_negatives() {
        for (auroc, m, n) in [(0.7, 50, 50), (0.85, 50, 450), (0.92, 100, 900), (0.97, 227, 144)] {
            let exponential = hanley_mcneil_standard_error(auroc, m, n).unwrap();
            let binormal = binormal_auroc_standard_error(auroc, m, n).unwrap();
            assert!((0.95..1.5).contains(&(exponential / binormal)), "{auroc} {m} {n}: {exponential} {binormal}");
        }
    }

    /// `lifecycle.md` section 3: simulated power of equal models at a margin of 0.02, 300 repetitions each.
    #[test]
    fn the_power_of_equal_models_is_what_was_simulated() {
        for (m, rho, simulated) in [
            (50, 0.80, 0.34),
            (50, 0.95, 0.74),
            (100, 0.80, 0.51),
            (100, 0.95, 0.95),
            (200, 0.80, 0.79),
            (200, 0.95, 1.00),
            (400, 0.80, 0.98),
        ] {
            let equal = AurocPair { challenger: 0.92, champion: 0.92, correlation: rho };
            let power = power_noninferiority_auroc(&equal, 0.02, m, 9 * m, 0.025).unwrap();
            let error = (simulated * (1.0 - simulated) / 300.0_f64).sqrt().max(0.003);
            assert!((power - simulated).abs() < 3.0 * error + 0.02, "{m} {rho}: {power} {simulated}");
        }
    }

    #[test]
    fn sample_sizes_reach_their_power_and_no_sooner() {
        let pair = AurocPair { challenger: 0.92, champion: 0.92, correlation: 0.8 };
        let (m, n) = sample_size_noninferiority_auroc(&pair, 0.02, 9.0, 0.025, 0.8).unwrap();
        assert_eq!(n, 9 * m);
        assert!(0.8 <= power_noninferiority_auroc(&pair, 0.02, m, n, 0.025).unwrap());
        assert!(power_noninferiority_auroc(&pair, 0.02, m - 1, n - 9, 0.025).unwrap() < 0.8);
        let worse = AurocPair { challenger: 0.90, ..pair };
        assert!(sample_size_noninferiority_auroc(&worse, 0.02, 9.0, 0.025, 0.8).is_err());
    }
}
