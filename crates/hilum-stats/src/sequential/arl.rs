use super::chart::{check_cusum, check_ewma};
use crate::check::number;
use crate::error::StatsError;
use crate::special::normal_cdf;

/// States of the Markov chain of one CUSUM sum; more change the fifth digit at most for limits up to 20.
const CUSUM_STATES: usize = 400;
/// States of that of an EWMA: odd, so that one lies at the centre.
const EWMA_STATES: usize = 401;

/// Whether a CUSUM looks one way or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartSides {
    /// Rises only.
    One,
    /// Rises and falls.
    Two,
}

/// Average run length of a CUSUM chart: the mean number of values to its alarm when they are independent and normal with
/// standard deviation 1 and mean `shift`.
///
/// Markov chain of Brook & Evans (Biometrika 59 (1972) 539-549) from sums of 0; both sides by `1/ARL = 1/ARL_up +
/// 1/ARL_down`. With a mean known only from `n` reference values the true run length is shorter: 3.6 times as many
/// alarms were measured for 5,000. That is what margins are for.
///
/// # Errors
/// `OutOfRange` as [`CusumChart::new`](super::CusumChart::new), or for a shift that is not finite; `Undefined` where the run
/// length is beyond what double precision resolves, about 1e12.
///
/// # Examples
/// Montgomery, Introduction to Statistical Quality Control: k 0.5 and h 5 give 465 and, at one standard deviation, 10.4.
/// ```
/// use hilum_stats::sequential::{ChartSides, cusum_arl};
/// assert_eq!(cusum_arl(0.5, 5.0, 0.0, ChartSides::Two).unwrap().round(), 465.0);
/// assert!((cusum_arl(0.5, 5.0, 1.0, ChartSides::One).unwrap() - 10.4).abs() < 0.03);
/// ```
pub fn cusum_arl(reference_value: f64, limit: f64, shift: f64, sides: ChartSides) -> Result<f64, StatsError> {
    check_cusum(reference_value, limit)?;
    number("run length of a CUSUM", shift, "[-1000, 1000] for the shift", |v| v.abs() <= 1000.0)?;
    let up = one_sided_cusum_arl(reference_value, limit, shift)?;
    match sides {
        ChartSides::One => Ok(up),
        ChartSides::Two if shift == 0.0 => Ok(up / 2.0),
        ChartSides::Two => Ok(match one_sided_cusum_arl(reference_value, limit, -shift) {
            Ok(down) => 1.0 / (1.0 / up + 1.0 / down),
            // The other side takes longer than can be computed: it adds nothing.
            Err(_) => up,
        }),
    }
}

fn one_sided_cusum_arl(k: f64, h: f64, shift: f64) -> Result<f64, StatsError> {
    let n = CUSUM_STATES;
    let width = 2.0 * h / (2 * n - 1) as f64;
    // Transitions depend on the difference of states only, except into the lowest.
    let cdf: Vec<f64> = (0..2 * n).map(|d| normal_cdf((d as f64 - n as f64 + 0.5) * width + k - shift)).collect();
    let up_to = |from: usize, to: usize| cdf[to + n - from];
    let matrix = matrix(n, |from, to| if to == 0 { up_to(from, 0) } else { up_to(from, to) - cdf[to + n - from - 1] });
    Ok(run_lengths("run length of a CUSUM", matrix)?[0])
}

/// Average run length of a two-sided EWMA chart, as [`cusum_arl`] by a Markov chain (Lucas & Saccucci, Technometrics 32
/// (1990) 1-12), from an average of 0.
///
/// # Errors
/// `OutOfRange` as [`EwmaChart::new`](super::EwmaChart::new), or for a shift that is not finite; `Undefined` as [`cusum_arl`].
///
/// # Examples
/// Lucas & Saccucci: weight 0.1 and limit 2.814 give 500 and, at one standard deviation, 10.3.
/// ```
/// assert_eq!(hilum_stats::sequential::ewma_arl(0.1, 2.814, 1.0).unwrap().round(), 10.0);
/// ```
pub fn ewma_arl(weight: f64, limit: f64, shift: f64) -> Result<f64, StatsError> {
    check_ewma(weight, limit)?;
    number("run length of an EWMA", shift, "[-1000, 1000] for the shift", |v| v.abs() <= 1000.0)?;
    let n = EWMA_STATES;
    let bound = limit * (weight / (2.0 - weight)).sqrt();
    let width = 2.0 * bound / n as f64;
    let middle = |state: usize| -bound + width * (state as f64 + 0.5);
    let matrix = matrix(n, |from, to| {
        let at = |edge: f64| normal_cdf((middle(to) + edge - (1.0 - weight) * middle(from)) / weight - shift);
        at(width / 2.0) - at(-width / 2.0)
    });
    Ok(run_lengths("run length of an EWMA", matrix)?[n / 2])
}

/// Limit `h` of a CUSUM with reference value `k` whose in-control run length is `arl`, to six digits.
///
/// # Errors
/// `OutOfRange` for a run length outside [2, 1e9] or a reference value outside [0.05, 5].
///
/// # Examples
/// ```
/// use hilum_stats::sequential::{ChartSides, cusum_limit};
/// let h = cusum_limit(0.5, 7_382.0, ChartSides::Two).unwrap();
/// assert!((h - 7.75).abs() < 1e-3);
/// ```
pub fn cusum_limit(reference_value: f64, arl: f64, sides: ChartSides) -> Result<f64, StatsError> {
    let what = "limit of a CUSUM";
    number(what, reference_value, "[0.05, 5] for the reference value", |k| (0.05..=5.0).contains(&k))?;
    search(what, arl, 100.0, |h| cusum_arl(reference_value, h, 0.0, sides))
}

/// Limit `L` of an EWMA of this weight whose in-control run length is `arl`, to six digits.
///
/// # Errors
/// `OutOfRange` for a run length outside [2, 1e9] or a weight outside [0.01, 1].
pub fn ewma_limit(weight: f64, arl: f64) -> Result<f64, StatsError> {
    let what = "limit of an EWMA";
    number(what, weight, "[0.01, 1] for the weight", |w| (0.01..=1.0).contains(&w))?;
    search(what, arl, 8.0, |limit| ewma_arl(weight, limit, 0.0))
}

/// Where a run length that rises with the limit, nearly exponentially, reaches `arl`: the secant of its logarithm, kept
/// within the bracket. Beyond what can be computed it is too long.
fn search(
    what: &'static str,
    arl: f64,
    highest: f64,
    run_length: impl Fn(f64) -> Result<f64, StatsError>,
) -> Result<f64, StatsError> {
    number(what, arl, "[2, 1e9] for the run length", |v| (2.0..=1e9).contains(&v))?;
    let above = |limit: f64| run_length(limit).map_or(f64::INFINITY, |found| found.ln() - arl.ln());
    let (mut low, mut high) = (1e-3, 1.0);
    let (mut at_low, mut at_high) = (above(low), above(high));
    if 0.0 <= at_low {
        return Err(StatsError::Undefined { what, why: "even the narrowest limit gives a longer run length" });
    }
    while at_high < 0.0 {
        if highest <= high {
            return Err(StatsError::NoConvergence { what });
        }
        (low, at_low) = (high, at_high);
        high = (high * 1.5).min(highest);
        at_high = above(high);
    }
    for round in 0..100 {
        let secant = low - at_low * (high - low) / (at_high - at_low);
        // Every third step halves, which ends the search even where the secant creeps.
        let halves = round % 3 == 2 || !(low..high).contains(&secant);
        let middle = if halves { (low + high) / 2.0 } else { secant };
        let at_middle = above(middle);
        if at_middle.abs() < 1e-7 || high - low < 1e-9 {
            return Ok(middle);
        }
        if at_middle < 0.0 { (low, at_low) = (middle, at_middle) } else { (high, at_high) = (middle, at_middle) }
    }
    Err(StatsError::NoConvergence { what })
}

/// `I - Q` for transition probabilities between states in control.
fn matrix(n: usize, transition: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    let row = |from: usize| (0..n).map(|to| f64::from(u8::from(from == to)) - transition(from, to)).collect();
    (0..n).map(row).collect()
}

/// Mean steps to leaving the chain from each state: the solution of `(I - Q) x = 1` by elimination with row exchange.
fn run_lengths(what: &'static str, mut rows: Vec<Vec<f64>>) -> Result<Vec<f64>, StatsError> {
    let n = rows.len();
    let mut right = vec![1.0; n];
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        rows.swap(column, pivot);
        right.swap(column, pivot);
        let (done, below) = rows.split_at_mut(column + 1);
        let top = &done[column];
        for (row, offset) in below.iter_mut().zip(column + 1..) {
            let factor = row[column] / top[column];
            if factor != 0.0 {
                for (value, above) in row[column..].iter_mut().zip(&top[column..]) {
                    *value -= factor * above;
                }
                right[offset] -= factor * right[column];
            }
        }
    }
    for column in (0..n).rev() {
        let known: f64 = (column + 1..n).map(|k| rows[column][k] * right[k]).sum();
        right[column] = (right[column] - known) / rows[column][column];
    }
    if right.iter().all(|&steps| (1.0 - 1e-9..1e13).contains(&steps)) {
        return Ok(right);
    }
    Err(StatsError::Undefined { what, why: "it is longer than double precision resolves" })
}
