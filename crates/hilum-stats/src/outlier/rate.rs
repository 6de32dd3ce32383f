use crate::check::{at_least, finite, number};
use crate::error::StatsError;
use crate::estimate::TestResult;
use crate::special::beta_cdf;
use statrs::function::gamma::ln_gamma;

/// Exact binomial test that the chance of a success is at most `share`: the probability of as many or more successes.
///
/// # Errors
/// `TooFew` without trials; `OutOfRange` for more successes than trials or a share outside (0, 1).
///
/// # Examples
/// Three of 50 studies beyond the 99th percentile of the reference:
/// ```
/// let test = hilum_stats::outlier::binomial_upper_test(3, 50, 0.01).unwrap();
/// assert!((test.p_value - 0.0138).abs() < 1e-4);
/// ```
pub fn binomial_upper_test(successes: u64, trials: u64, share: f64) -> Result<TestResult, StatsError> {
    let what = "exact binomial test";
    check(what, successes, trials)?;
    number(what, share, "(0, 1) for the share tested", |v| 0.0 < v && v < 1.0)?;
    let tail =
        if successes == 0 { 1.0 } else { beta_cdf(what, successes as f64, (trials - successes) as f64 + 1.0, share)? };
    Ok(result(successes, trials, tail, "binomial/exact-upper"))
}

/// Whether more studies are outside than studies like the reference would be, where the limit is known only from
/// `n_calibration` scores: the share that a limit from few scores really cuts off is itself uncertain.
///
/// The limit is the `r`-th largest score with `r = (1 - level) (n_calibration + 1)` rounded down, beyond which studies like the
/// reference fall with a probability distributed as Beta(r, n_calibration + 1 - r); the number outside is then
/// beta-binomial, whatever the distribution of scores. For a large calibration it is [`binomial_upper_test`].
///
/// # Errors
/// `TooFew` without studies, or with too few scores for the level; `OutOfRange` for more outside than there are studies, more
/// than 10 million studies, or a level outside (0, 1).
pub fn outside_rate_test(n_outside: u64, n: u64, n_calibration: u64, level: f64) -> Result<TestResult, StatsError> {
    let what = "rate of outliers";
    check(what, n_outside, n)?;
    number(what, n as f64, "at most ten million studies", |v| v <= 1e7)?;
    number(what, level, "(0, 1) for the level", |v| 0.0 < v && v < 1.0)?;
    let all = n_calibration as f64 + 1.0;
    let rank = ((1.0 - level) * all + 1e-9).floor();
    let needed = (1.0 / (1.0 - level) - 1.0 - 1e-9).ceil() as u64;
    if rank < 1.0 {
        return Err(StatsError::TooFew { what, of: "calibrating scores", needed, found: n_calibration });
    }
    let (a, b, trials) = (rank, all - rank, n as f64);
    let ln_beta = |x: f64, y: f64| ln_gamma(x) + ln_gamma(y) - ln_gamma(x + y);
    let ln_of = |k: f64| {
        ln_gamma(trials + 1.0) - ln_gamma(k + 1.0) - ln_gamma(trials - k + 1.0) + ln_beta(a + k, b + trials - k)
            - ln_beta(a, b)
    };
    // The ratio of neighbours is exact; only the first term costs logarithms. The shorter side of the mean is summed: the first
    // term of the longer one can be too small for a number where its sum is nearly 1.
    let outside = n_outside as f64;
    let tail = if n_outside == 0 {
        1.0
    } else if outside < trials * a / (a + b) {
        let (mut term, mut fewer) = (ln_of(outside - 1.0).exp(), 0.0);
        for k in (0..n_outside).rev().map(|k| k as f64) {
            fewer += term;
            term *= k / (trials - k + 1.0) * (b + trials - k) / (a + k - 1.0).max(f64::MIN_POSITIVE);
        }
        1.0 - fewer
    } else {
        let (mut term, mut more) = (ln_of(outside).exp(), 0.0);
        for k in (n_outside..=n).map(|k| k as f64) {
            more += term;
            term *= (trials - k) / (k + 1.0) * (a + k) / (b + trials - k - 1.0).max(f64::MIN_POSITIVE);
        }
        more
    };
    Ok(result(n_outside, n, tail, "beta-binomial/exact-upper"))
}

fn check(what: &'static str, successes: u64, trials: u64) -> Result<(), StatsError> {
    at_least(what, "cases", 1, trials)?;
    if trials < successes {
        let value = format!("{successes} of {trials}");
        return Err(StatsError::OutOfRange { what, index: 0, value, range: "at most as many as there are" });
    }
    Ok(())
}

fn result(successes: u64, trials: u64, tail: f64, method: &'static str) -> TestResult {
    let p_value = tail.clamp(f64::MIN_POSITIVE, 1.0);
    TestResult { statistic: successes as f64 / trials as f64, p_value, n: trials, method: method.into() }
}

/// Energy of the logits of one study, `-ln(sum of exp(logit))` (Liu, Wang, Owens & Li, NeurIPS 2020): higher for studies
/// unlike the training data, to be calibrated like a distance.
///
/// # Errors
/// `TooFew` without logits; `OutOfRange` for one that is not finite.
pub fn energy(logits: &[f64]) -> Result<f64, StatsError> {
    let what = "energy score";
    at_least(what, "logits", 1, logits.len() as u64)?;
    finite(what, logits)?;
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok(-(top + logits.iter().map(|v| (v - top).exp()).sum::<f64>().ln()))
}
