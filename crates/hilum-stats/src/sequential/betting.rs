use super::mean_sequence::plug_in_bet;
use crate::check::{at_least, probabilities};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::{bisect, z_of_level};

/// Share of the largest bet that is ever made; the authors' proposal.
const CAUTION: f64 = 0.5;

/// Confidence sequence of the mean of values in [0, 1] by betting, in the order in which they came: the interval after the
/// last of them, one of a sequence that holds the mean at all moments together with probability `level`.
///
/// Hedged capital (Waudby-Smith & Ramdas, J. R. Stat. Soc. B 86 (2024) 1-27, theorem 3): a mean is excluded when a gambler
/// who bets against it, half of the capital on more and half on less, has made `1 / (1 - level)` of it. The bets are known
/// before each value. Narrower than [`MeanSequence`](super::MeanSequence), most of all for small variances, at the price of
/// keeping the values. Each bound by itself holds with probability `(1 + level) / 2`.
///
/// # Errors
/// `TooFew` without values; `OutOfRange` for a value outside [0, 1] or a level outside (0, 1).
///
/// # Examples
/// ```
/// let dice: Vec<f64> = (0..200).map(|i| 0.85 + 0.1 * f64::from(i % 5) / 4.0).collect();
/// let mean = hilum_stats::sequential::betting_sequence(&dice, 0.95).unwrap();
/// assert!(0.86 < mean.lower && mean.upper < 0.94);
/// ```
pub fn betting_sequence(values: &[f64], level: f64) -> Result<Estimate, StatsError> {
    let what = "betting confidence sequence";
    at_least(what, "values", 1, values.len() as u64)?;
    probabilities(what, values)?;
    z_of_level(what, level)?;
    let bets = plug_in_bets(values, level);
    let limit = (2.0 / (1.0 - level)).ln();
    // Capital on a higher mean falls as the mean bet against rises, so its bound is where it crosses the limit.
    let lower = bisect(0.0, 1.0, |mean| Ok(limit <= ln_capital(values, &bets, mean, 1.0)))?;
    let upper = bisect(0.0, 1.0, |mean| Ok(ln_capital(values, &bets, mean, -1.0) < limit))?;
    let n = values.len() as u64;
    let value = (values.iter().sum::<f64>() / n as f64).clamp(0.0, 1.0);
    // The ends of [0, 1] are found to within the smallest step of a search; they are meant exactly.
    let exact = |bound: f64| {
        if bound < 1e-12 {
            0.0
        } else if 1.0 - 1e-12 < bound {
            1.0
        } else {
            bound
        }
    };
    let (lower, upper) = (exact(lower).min(value), exact(upper).max(value));
    Ok(Estimate { value, lower, upper, level, n, method: "mean/betting-sequence".into() })
}

fn plug_in_bets(values: &[f64], level: f64) -> Vec<f64> {
    let (mut sum, mut sum_squares, mut bets) = (0.0, 0.0, Vec::with_capacity(values.len()));
    for (before, value) in values.iter().enumerate() {
        let before = before as f64;
        bets.push(plug_in_bet(level, (0.25 + sum_squares) / (before + 1.0), before + 1.0));
        sum += value;
        sum_squares += (value - (0.5 + sum) / (before + 2.0)).powi(2);
    }
    bets
}

/// Logarithm of what has become of 1 that was bet on a mean above `mean` (`sign` 1) or below it (-1).
fn ln_capital(values: &[f64], bets: &[f64], mean: f64, sign: f64) -> f64 {
    let largest = if 0.0 < sign { CAUTION / mean } else { CAUTION / (1.0 - mean) };
    let mut ln = 0.0;
    let mut product = 1.0;
    for (value, bet) in values.iter().zip(bets) {
        product *= 1.0 + sign * bet.min(largest) * (value - mean);
        // A logarithm now and then, not for each: factors lie in [1/2, 2 or the size of the bet].
        if !(1e-100..1e100).contains(&product) {
            ln += product.ln();
            product = 1.0;
        }
    }
    ln + product.ln()
}
