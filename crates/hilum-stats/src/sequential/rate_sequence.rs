use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::{beta_cdf, bisect, z_of_level};
use statrs::function::gamma::ln_gamma;

/// Confidence sequence of a rate: an interval that holds the true rate at **all** moments together with probability `level`,
/// so it may be looked at after every event and stopped at will.
///
/// Beta-binomial mixture with a uniform prior (Robbins, Ann. Math. Stat. 41 (1970) 1397; Howard, Ramdas, McAuliffe & Sekhon,
/// Ann. Stat. 49 (2021) 1055): the rates whose likelihood is above `1 - level` times its mean over all rates. `successes` of
/// `trials` counted from a start fixed beforehand. It speaks of one constant rate: after a change it describes a mixture
/// of before and after, so to find changes use a [`BernoulliDetector`](super::BernoulliDetector).
///
/// # Errors
/// `TooFew` without trials; `OutOfRange` for more successes than trials or a level outside (0, 1).
///
/// # Examples
/// Wider than an interval that holds at one moment only, by about a half:
/// ```
/// let always = hilum_stats::sequential::rate_sequence(90, 100, 0.95).unwrap();
/// let once = hilum_stats::wilson(90, 100, 0.95).unwrap();
/// assert!(always.lower < once.lower && once.upper < always.upper);
/// ```
pub fn rate_sequence(successes: u64, trials: u64, level: f64) -> Result<Estimate, StatsError> {
    let what = "confidence sequence of a rate";
    let (s, f) = counts(what, successes, trials, level)?;
    let limit = -(1.0 - level).ln();
    let share = s / (s + f);
    // The evidence against each rate falls up to the share seen, and rises beyond it.
    let lower = if successes == 0 { 0.0 } else { bisect(0.0, share, |p| Ok(limit <= ln_mixture(s, f, p)))? };
    let upper = if successes == trials { 1.0 } else { bisect(share, 1.0, |p| Ok(ln_mixture(s, f, p) < limit))? };
    let method = "proportion/beta-binomial-sequence".into();
    Ok(Estimate { value: share, lower: lower.min(share), upper: upper.max(share), level, n: trials, method })
}

/// One-sided: the true rate stays below `upper` at all moments together with probability `level`. For the stop rule "the rate
/// is below its floor with 95 % confidence": it fires when `upper` is below the floor.
///
/// The evidence against each rate `p` is the mean likelihood of the rates below `p` over that of `p` itself, which has mean
/// at most 1 for every true rate of `p` or more, constant or not: a rate that is at the floor or above at every event ever
/// fires with a chance of at most `1 - level`. It speaks of all events since the start, so a good past hides a bad present for a
/// while: beside it, a [`BernoulliDetector`](super::BernoulliDetector) finds changes.
///
/// # Errors
/// As [`rate_sequence`]; `OutOfRange` for a level below 0.65, where the rates not excluded need not be an interval.
///
/// # Examples
/// ```
/// let sensitivity = hilum_stats::sequential::rate_upper_sequence(60, 80, 0.95).unwrap();
/// assert!(sensitivity.upper < 0.88 && sensitivity.lower == 0.0);
/// ```
pub fn rate_upper_sequence(successes: u64, trials: u64, level: f64) -> Result<Estimate, StatsError> {
    let what = "upper confidence sequence of a rate";
    let (s, f) = counts(what, successes, trials, level)?;
    one_sided_level(what, level)?;
    let upper = upper_bound(what, s, f, level)?;
    let method = "proportion/beta-binomial-sequence-upper".into();
    Ok(Estimate { value: s / (s + f), lower: 0.0, upper, level, n: trials, method })
}

/// One-sided: the true rate stays above `lower` at all moments together with probability `level`.
///
/// # Errors
/// As [`rate_upper_sequence`], of whose complement it is the complement.
pub fn rate_lower_sequence(successes: u64, trials: u64, level: f64) -> Result<Estimate, StatsError> {
    let what = "lower confidence sequence of a rate";
    let (s, f) = counts(what, successes, trials, level)?;
    one_sided_level(what, level)?;
    let lower = 1.0 - upper_bound(what, f, s, level)?;
    let method = "proportion/beta-binomial-sequence-lower".into();
    Ok(Estimate { value: s / (s + f), lower, upper: 1.0, level, n: trials, method })
}

fn counts(what: &'static str, successes: u64, trials: u64, level: f64) -> Result<(f64, f64), StatsError> {
    crate::check::at_least(what, "cases", 1, trials)?;
    z_of_level(what, level)?;
    let Some(failures) = trials.checked_sub(successes) else {
        let value = format!("{successes} of {trials}");
        return Err(StatsError::OutOfRange { what, index: 0, value, range: "at most as many successes as trials" });
    };
    Ok((successes as f64, failures as f64))
}

/// Below 0.65 the evidence of [`upper_bound`] need not rise beyond the share seen: its slope is at least
/// `n (p - share) / (p (1 - p)) - 1/p`, which is above 0 wherever the evidence is above e.
fn one_sided_level(what: &'static str, level: f64) -> Result<(), StatsError> {
    crate::check::number(what, level, "a confidence level in [0.65, 1)", |v| 0.65 <= v)
}

/// Where the evidence against rates from `p` on reaches `1 / (1 - level)`.
fn upper_bound(what: &'static str, s: f64, f: f64, level: f64) -> Result<f64, StatsError> {
    if f == 0.0 {
        return Ok(1.0);
    }
    let limit = -(1.0 - level).ln();
    bisect(s / (s + f), 1.0, |p| {
        // Where this underflows there is no evidence, and its logarithm is minus infinity.
        let below = beta_cdf(what, s + 1.0, f + 1.0, p)?.ln();
        Ok(ln_mixture(s, f, p) + below - p.ln() < limit)
    })
}

/// Logarithm of the mean likelihood over all rates, over that of `p`.
fn ln_mixture(s: f64, f: f64, p: f64) -> f64 {
    let ln_mean = ln_gamma(s + 1.0) + ln_gamma(f + 1.0) - ln_gamma(s + f + 2.0);
    let part = |count: f64, ln: f64| if count == 0.0 { 0.0 } else { count * ln };
    ln_mean - part(s, p.ln()) - part(f, (-p).ln_1p())
}
