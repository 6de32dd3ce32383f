use super::normal::{bivariate_normal_cdf, power_of_bound, z_of_alpha};
use super::search::{check_power, smallest};
use crate::check::{at_least, number};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::proportion::{ProportionInterval, proportion};
use crate::special::{binomial_cdf, normal_cdf, normal_quantile, z_of_level};

/// Chance that the lower bound of a single proportion reaches `threshold` with `n` cases and a true share `expected`,
/// summed exactly over the binomial distribution, with the interval that the gate uses.
///
/// # Errors
/// `TooFew` without cases; `OutOfRange` unless `expected` and `threshold` are in [0, 1] and `0 < alpha < 0.5`.
///
/// # Examples
/// With 29 cases only a perfect score has a Wilson bound of 0.88: 0.95^29 of the models that are right in 95 % get it.
/// ```
/// use hilum_stats::{ProportionInterval, power::power_proportion};
/// let power = power_proportion(29, 0.95, 0.88, 0.025, ProportionInterval::Wilson).unwrap();
/// assert!((power - 0.95_f64.powi(29)).abs() < 1e-12);
/// ```
pub fn power_proportion(
    n: u64,
    expected: f64,
    threshold: f64,
    alpha: f64,
    interval: ProportionInterval,
) -> Result<f64, StatsError> {
    let what = "power of a proportion";
    check_shares(what, &[expected, threshold])?;
    reaching(what, n, expected, alpha, interval, |share| threshold <= share.lower)
}

/// Smallest number of cases from which on [`power_proportion`] stays at `power`.
///
/// # Errors
/// As [`power_proportion`]; `Undefined` when no number of cases does, as with `expected` at or below `threshold`.
pub fn sample_size_proportion(
    expected: f64,
    threshold: f64,
    alpha: f64,
    power: f64,
    interval: ProportionInterval,
) -> Result<u64, StatsError> {
    let what = "sample size of a proportion";
    check_power(what, power)?;
    above(what, expected - threshold)?;
    // One more miss is allowed about every 1 / (1 - threshold) cases, one more hit is asked for about every 1 / threshold: the
    // rarer of the two makes the teeth of the saw.
    let period = (1.0 / threshold.min(1.0 - threshold).max(1e-3)).ceil() as u64;
    smallest(what, period, |n| Ok(power <= power_proportion(n, expected, threshold, alpha, interval)?))
}

/// Chance that a group passes the rule for few cases: its share is not significantly below `floor`, and within `margin` of
/// it; summed exactly.
///
/// # Errors
/// As [`power_proportion`]; `OutOfRange` for a negative margin.
pub fn power_no_drop_proportion(
    n: u64,
    expected: f64,
    floor: f64,
    margin: f64,
    alpha: f64,
    interval: ProportionInterval,
) -> Result<f64, StatsError> {
    let what = "power of the no-drop rule";
    check_shares(what, &[expected, floor])?;
    number(what, margin, "at least 0", |m| 0.0 <= m)?;
    reaching(what, n, expected, alpha, interval, |share| floor <= share.upper && floor - margin <= share.value)
}

/// Probability of a count so high that `passes`; whether it passes may only change once while the count rises.
fn reaching(
    what: &'static str,
    n: u64,
    expected: f64,
    alpha: f64,
    interval: ProportionInterval,
    passes: impl Fn(&Estimate) -> bool,
) -> Result<f64, StatsError> {
    at_least(what, "cases", 1, n)?;
    z_of_alpha(what, alpha)?;
    let level = 1.0 - 2.0 * alpha;
    if !passes(&proportion(n, n, level, interval)?) {
        return Ok(0.0);
    }
    let (mut fails, mut succeeds) = (None, n);
    while fails.map_or(0, |f: u64| f + 1) < succeeds {
        let middle = fails.map_or(succeeds / 2, |f| f + (succeeds - f) / 2);
        if passes(&proportion(middle, n, level, interval)?) { succeeds = middle } else { fails = Some(middle) }
    }
    if succeeds == 0 {
        return Ok(1.0);
    }
    Ok((1.0 - binomial_cdf(what, succeeds - 1, n, expected)?).clamp(0.0, 1.0))
}

/// Cases with (or without) the finding, and cases altogether, that estimate a sensitivity (or specificity) to within
/// `half_width` (Buderer, Acad. Emerg. Med. 3 (1996) 895-900). `share_of_class` is the prevalence for a sensitivity, one
/// less it for a specificity.
///
/// # Errors
/// `OutOfRange` unless all are in (0, 1).
///
/// # Examples
/// A sensitivity of 0.90 to within 0.05 takes 139 cases with the finding, 1,383 cases at a prevalence of 10 %:
/// ```
/// let (of_class, all) = hilum_stats::power::buderer_sample_size(0.90, 0.05, 0.95, 0.10).unwrap();
/// assert_eq!((of_class, all), (139, 1383));
/// ```
pub fn buderer_sample_size(
    expected: f64,
    half_width: f64,
    level: f64,
    share_of_class: f64,
) -> Result<(u64, u64), StatsError> {
    let what = "sample size by precision";
    let z = z_of_level(what, level)?;
    for value in [expected, half_width, share_of_class] {
        number(what, value, "(0, 1)", |v| 0.0 < v && v < 1.0)?;
    }
    let of_class = z * z * expected * (1.0 - expected) / (half_width * half_width);
    Ok((of_class.ceil() as u64, (of_class / share_of_class).ceil() as u64))
}

/// Cases in each of two groups that tell two shares apart with a two-sided test at `alpha_two_sided`, by Cohen's effect size
/// h = 2 asin(sqrt(first)) - 2 asin(sqrt(second)) (Cohen, Statistical Power Analysis, 1988, chapter 6). Not rounded, so that
/// it can be compared with `statsmodels.stats.power.NormalIndPower`.
///
/// # Errors
/// `OutOfRange` for shares outside [0, 1], a power or alpha outside (0, 1); `Undefined` for equal shares.
///
/// # Examples
/// ```
/// let per_arm = hilum_stats::power::sample_size_two_proportions(0.90, 0.80, 0.05, 0.80).unwrap();
/// assert!((per_arm - 194.9).abs() < 0.05);
/// ```
pub fn sample_size_two_proportions(
    first: f64,
    second: f64,
    alpha_two_sided: f64,
    power: f64,
) -> Result<f64, StatsError> {
    let what = "sample size of two proportions";
    check_shares(what, &[first, second])?;
    check_power(what, power)?;
    let z = z_of_alpha(what, alpha_two_sided / 2.0)?;
    let effect = 2.0 * (first.sqrt().asin() - second.sqrt().asin());
    above(what, effect.abs())?;
    let needed = z + normal_quantile(power);
    Ok(2.0 * (needed / effect).powi(2))
}

/// Chance that a share is shown not to be lower than another's, on different cases, by more than `margin`: normal
/// approximation with the variances of the true shares (Farrington & Manning, Stat. Med. 9 (1990) 1447-1454, method 1).
///
/// # Errors
/// `TooFew` without cases; `OutOfRange` for shares outside [0, 1], margin or alpha.
pub fn power_noninferiority_unpaired(
    (first, n_first): (f64, u64),
    (second, n_second): (f64, u64),
    margin: f64,
    alpha: f64,
) -> Result<f64, StatsError> {
    let what = "power of a comparison of proportions";
    check_shares(what, &[first, second])?;
    number(what, margin, "[0, 1)", |m| (0.0..1.0).contains(&m))?;
    at_least(what, "cases", 1, n_first.min(n_second))?;
    let variance = first * (1.0 - first) / n_first as f64 + second * (1.0 - second) / n_second as f64;
    let distance = first - second + margin;
    if variance <= 0.0 {
        return Ok(if 0.0 < distance { 1.0 } else { 0.0 });
    }
    power_of_bound(distance, variance.sqrt(), alpha)
}

/// Cases in each group from which on [`power_noninferiority_unpaired`] reaches `power`.
///
/// # Errors
/// As there; `Undefined` when no number of cases does.
pub fn sample_size_noninferiority_unpaired(
    first: f64,
    second: f64,
    margin: f64,
    alpha: f64,
    power: f64,
) -> Result<u64, StatsError> {
    let what = "sample size of a comparison of proportions";
    check_power(what, power)?;
    above(what, first - second + margin)?;
    smallest(what, 0, |n| Ok(power <= power_noninferiority_unpaired((first, n), (second, n), margin, alpha)?))
}

/// Shares of two versions on the same cases, and how alike their scores are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProportionPair {
    /// True share of the challenger, such as its sensitivity; in (0, 1).
    pub first: f64,
    /// True share of the champion; in (0, 1).
    pub second: f64,
    /// Correlation of their normal scores within the class, in [0, 1).
    pub correlation: f64,
}

impl ProportionPair {
    /// Standard error that the difference of the two shares will have on `n` cases.
    ///
    /// # Errors
    /// `TooFew` without cases; `OutOfRange` for shares outside (0, 1) or a correlation outside [0, 1).
    pub fn difference_standard_error(&self, n: u64) -> Result<f64, StatsError> {
        let what = "standard error of a paired difference";
        at_least(what, "cases", 1, n)?;
        let (first_only, second_only) = self.discordant(what)?;
        let difference = first_only - second_only;
        Ok(((first_only + second_only - difference * difference).max(0.0) / n as f64).sqrt())
    }

    /// Expected shares of cases that only the first, and only the second, gets right.
    fn discordant(&self, what: &'static str) -> Result<(f64, f64), StatsError> {
        for share in [self.first, self.second] {
            number(what, share, "(0, 1)", |p| 0.0 < p && p < 1.0)?;
        }
        number(what, self.correlation, "[0, 1)", |r| (0.0..1.0).contains(&r))?;
        let (h, k) = (normal_quantile(self.first), normal_quantile(self.second));
        let both = bivariate_normal_cdf(h, k, self.correlation)?.min(self.first.min(self.second));
        Ok((self.first - both, self.second - both))
    }
}

/// Chance that a share is shown not to be lower than another's on the same cases by more than `margin`, with Tango's
/// interval: Nam's formula (Biometrics 53 (1997) 1422-1430), the variance under the margin at the expected counts.
///
/// # Errors
/// `TooFew` without cases; `OutOfRange` for shares, correlation, margin or alpha.
pub fn power_noninferiority_paired(n: u64, pair: &ProportionPair, margin: f64, alpha: f64) -> Result<f64, StatsError> {
    let what = "power of a comparison of paired proportions";
    at_least(what, "cases", 1, n)?;
    number(what, margin, "[0, 1)", |m| (0.0..1.0).contains(&m))?;
    let z = z_of_alpha(what, alpha)?;
    let (first_only, second_only) = pair.discordant(what)?;
    let difference = first_only - second_only;
    // Largest likelihood of the second's lead when the difference is exactly minus the margin (Tango's quadratic).
    let linear = -first_only - second_only - (2.0 - difference) * margin;
    let constant = second_only * margin * (1.0 + margin);
    let lead = ((linear * linear - 8.0 * constant).max(0.0).sqrt() - linear) / 4.0;
    let variance_at_margin = (2.0 * lead - margin * (1.0 + margin)).max(0.0);
    let variance = (first_only + second_only - difference * difference).max(0.0);
    let n = n as f64;
    let room = (difference + margin) * n.sqrt() - z * variance_at_margin.sqrt();
    if variance <= 0.0 {
        return Ok(if 0.0 < room { 1.0 } else { 0.0 });
    }
    Ok(normal_cdf(room / variance.sqrt()))
}

/// Cases from which on [`power_noninferiority_paired`] reaches `power`.
///
/// # Errors
/// As there; `Undefined` when no number of cases does.
pub fn sample_size_noninferiority_paired(
    pair: &ProportionPair,
    margin: f64,
    alpha: f64,
    power: f64,
) -> Result<u64, StatsError> {
    let what = "sample size of a comparison of paired proportions";
    check_power(what, power)?;
    above(what, pair.first - pair.second + margin)?;
    smallest(what, 0, |n| Ok(power <= power_noninferiority_paired(n, pair, margin, alpha)?))
}

fn check_shares(what: &'static str, shares: &[f64]) -> Result<(), StatsError> {
    shares.iter().try_for_each(|&share| number(what, share, "[0, 1]", |p| (0.0..=1.0).contains(&p)))
}

/// What is to be shown must be true by some distance.
pub(super) fn above(what: &'static str, distance: f64) -> Result<(), StatsError> {
    if 1e-9 < distance {
        return Ok(());
    }
    Err(StatsError::Undefined { what, why: "the value expected of a good model does not lie above the limit" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.15.0: `NormalIndPower().solve_power(proportion_effectsize(.9, .8), alpha=.05, power=.8)`.
    #[test]
    fn two_proportions_equal_statsmodels() {
        let per_arm = sample_size_two_proportions(0.90, 0.80, 0.05, 0.80).unwrap();
        // It counts the chance of a significant difference of the wrong sign too, one in a million here.
        assert!((per_arm - 194.908_084_602_073_61).abs() < 1e-3, "{per_arm}");
    }

    #[test]
    fn the_exact_power_equals_a_plain_sum() {
        for interval in [ProportionInterval::Wilson, ProportionInterval::ClopperPearson] {
            for (n, expected, threshold) in [(40_u64, 0.9, 0.75), (144, 0.8, 0.7), (227, 0.97, 0.9)] {
                let probability = |x: u64| {
                    let log_odds = x as f64 * f64::ln(expected) + (n - x) as f64 * f64::ln(1.0 - expected);
                    (statrs::function::factorial::ln_binomial(n, x) + log_odds).exp()
                };
                let passes = |x: &u64| threshold <= proportion(*x, n, 0.95, interval).unwrap().lower;
                let plain: f64 = (0..=n).filter(passes).map(probability).sum();
                let power = power_proportion(n, expected, threshold, 0.025, interval).unwrap();
                assert!((power - plain).abs() < 1e-10, "{n} {expected} {threshold}: {power} {plain}");
            }
        }
    }

    #[test]
    fn the_sample_size_is_the_first_that_lasts() {
        let wilson = ProportionInterval::Wilson;
        // The last two by scipy: 0.15 against 0.05 holds from 52 to 56 cases, fails at 57 and 58, and holds from there on.
        for (expected, threshold, first) in [(0.95, 0.90, None), (0.15, 0.05, Some(59)), (0.10, 0.02, Some(54))] {
            let n = sample_size_proportion(expected, threshold, 0.025, 0.8, wilson).unwrap();
            assert!(first.is_none_or(|first| first == n), "{n} for {expected} against {threshold}");
            for more in 0..60 {
                let power = power_proportion(n + more, expected, threshold, 0.025, wilson).unwrap();
                assert!(0.8 <= power, "{expected} against {threshold}: {n} + {more}");
            }
            assert!(power_proportion(n - 1, expected, threshold, 0.025, wilson).unwrap() < 0.8);
        }
        assert!(sample_size_proportion(0.90, 0.90, 0.025, 0.8, wilson).is_err());
    }

    #[test]
    fn more_alike_versions_need_fewer_cases() {
        let pair = |correlation| ProportionPair { first: 0.9, second: 0.9, correlation };
        let needed = |rho| sample_size_noninferiority_paired(&pair(rho), 0.05, 0.025, 0.8).unwrap();
        assert!(needed(0.95) < needed(0.8) && needed(0.8) < needed(0.0));
        let unpaired = sample_size_noninferiority_unpaired(0.9, 0.9, 0.05, 0.025, 0.8).unwrap();
        // Blackwelder's formula by hand: 2 * 0.09 * (1.959964 + 0.841621)^2 / 0.0025 = 565.1.
        assert_eq!(unpaired, 566);
    }
}
