use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::{beta_quantile, z_of_level};
use serde::{Deserialize, Serialize};

/// Interval method of a single proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProportionInterval {
    /// Wilson score: right on average, short; the default.
    #[default]
    Wilson,
    /// Clopper-Pearson: never covers less than it says, so it is wider.
    ClopperPearson,
    /// Agresti-Coull: Wilson's centre with a plain width.
    AgrestiCoull,
}

impl ProportionInterval {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ProportionInterval::Wilson => "wilson",
            ProportionInterval::ClopperPearson => "clopper-pearson",
            ProportionInterval::AgrestiCoull => "agresti-coull",
        }
    }
}

/// `successes` of `trials` with the interval asked for.
///
/// # Errors
/// `TooFew` without trials; `OutOfRange` for more successes than trials or a level outside (0, 1).
pub fn proportion(
    successes: u64,
    trials: u64,
    level: f64,
    interval: ProportionInterval,
) -> Result<Estimate, StatsError> {
    match interval {
        ProportionInterval::Wilson => wilson(successes, trials, level),
        ProportionInterval::ClopperPearson => clopper_pearson(successes, trials, level),
        ProportionInterval::AgrestiCoull => agresti_coull(successes, trials, level),
    }
}

/// Wilson score interval for `successes` out of `trials`; `0 <= lower <= value <= upper <= 1`.
///
/// # Errors
/// `TooFew` without trials, because "no data" is not "0 %"; `OutOfRange` for more successes than trials or a level outside
/// (0, 1).
///
/// # Examples
/// Newcombe, Stat. Med. 17 (1998) 857-872, method 3, works out 81 of 263:
/// ```
/// let ppv = hilum_stats::wilson(81, 263, 0.95).unwrap();
/// assert!((ppv.lower - 0.2553).abs() < 5e-5 && (ppv.upper - 0.3662).abs() < 5e-5);
/// ```
pub fn wilson(successes: u64, trials: u64, level: f64) -> Result<Estimate, StatsError> {
    let z = check("proportion", successes, trials, level)?;
    let value = successes as f64 / trials as f64;
    let (lower, upper) = wilson_bounds(value, trials as f64, z);
    Ok(estimate(value, lower, upper, level, trials, "proportion/wilson"))
}

/// Wilson's bounds for a share of `n` trials, which need not be whole.
pub(crate) fn wilson_bounds(share: f64, n: f64, z: f64) -> (f64, f64) {
    let z2 = z * z;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    // At the ends the bound is exact, which subtraction would miss by a rounding error.
    let lower = if share <= 0.0 { 0.0 } else { (centre - half).clamp(0.0, share) };
    let upper = if 1.0 <= share { 1.0 } else { (centre + half).clamp(share, 1.0) };
    (lower, upper)
}

/// Clopper-Pearson interval (Biometrika 26 (1934) 404-413) for `successes` out of `trials`: coverage never below `level`.
///
/// # Errors
/// As [`wilson`]; `NoConvergence` is not expected below 10^12 trials.
///
/// # Examples
/// ```
/// let share = hilum_stats::clopper_pearson(45, 50, 0.95).unwrap();
/// assert!((share.lower - 0.7818646).abs() < 1e-7 && (share.upper - 0.9667249).abs() < 1e-7);
/// ```
pub fn clopper_pearson(successes: u64, trials: u64, level: f64) -> Result<Estimate, StatsError> {
    let what = "proportion";
    check(what, successes, trials, level)?;
    let (x, n, tail) = (successes as f64, trials as f64, (1.0 - level) / 2.0);
    let lower = if successes == 0 { 0.0 } else { beta_quantile(what, x, n - x + 1.0, tail)? };
    let upper = if successes == trials { 1.0 } else { beta_quantile(what, x + 1.0, n - x, 1.0 - tail)? };
    Ok(estimate(x / n, lower, upper, level, trials, "proportion/clopper-pearson"))
}

/// Agresti-Coull interval (Am. Stat. 52 (1998) 119-126) for `successes` out of `trials`, cut to [0, 1].
///
/// # Errors
/// As [`wilson`].
pub fn agresti_coull(successes: u64, trials: u64, level: f64) -> Result<Estimate, StatsError> {
    let z = check("proportion", successes, trials, level)?;
    let (x, n) = (successes as f64, trials as f64);
    let n_more = n + z * z;
    let centre = (x + z * z / 2.0) / n_more;
    let half = z * (centre * (1.0 - centre) / n_more).sqrt();
    let (lower, upper) = ((centre - half).max(0.0), (centre + half).min(1.0));
    Ok(estimate(x / n, lower, upper, level, trials, "proportion/agresti-coull"))
}

/// Checks counts and level; answers with the normal quantile.
pub(crate) fn check(what: &'static str, successes: u64, trials: u64, level: f64) -> Result<f64, StatsError> {
    crate::check::at_least(what, "cases", 1, trials)?;
    if trials < successes {
        let value = format!("{successes} of {trials}");
        return Err(StatsError::OutOfRange { what, index: 0, value, range: "at most as many successes as trials" });
    }
    z_of_level(what, level)
}

fn estimate(value: f64, lower: f64, upper: f64, level: f64, n: u64, method: &'static str) -> Estimate {
    Estimate { value, lower, upper, level, n, method: method.into() }
}
