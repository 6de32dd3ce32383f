use crate::check::{at_least, number, same_length};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::proportion::wilson_bounds;
use crate::special::z_of_level;

/// Rate among studies of which each was looked at with a known probability of its own (Hajek's ratio of Horvitz-Thompson
/// totals): `sum(y / p) / sum(1 / p)`.
///
/// For the rate within a part of the studies, such as the sensitivity among those that had the finding, pass that part only:
/// the estimator of a part is the same ratio over its members. Design-based variance for independent draws with
/// replacement, `sum(((y - rate) / p)^2) / sum(1 / p)^2` (Sarndal, Swensson & Wretman 1992, section 5.8; it counts the studies
/// looked at for certain too, because the rate of the model is asked for, not of these studies). The interval is Wilson's on
/// the effective number of cases (after Korn & Graubard, Surv. Methodol. 24 (1998) 193-201), at most Kish's
/// `sum(1 / p)^2 / sum(1 / p^2)`. `n` is the number of studies looked at.
///
/// # Errors
/// `LengthMismatch`; `TooFew` without studies; `OutOfRange` for a probability outside (0, 1] or below a millionth, or a level
/// outside (0, 1).
///
/// # Examples
/// Forty discordant studies, all adjudicated, four of them missed findings; and of 5,000 concordant ones 200 at random, with one.
/// ```
/// let missed: Vec<bool> = (0..240).map(|study| study < 4 || study == 100).collect();
/// let drawn: Vec<f64> = (0..240).map(|study| if study < 40 { 1.0 } else { 0.04 }).collect();
/// let rate = hilum_stats::imperfect_labels::audit_rate(&missed, &drawn, 0.95).unwrap();
/// assert!((rate.value - 29.0 / 5_040.0).abs() < 1e-12 && 0.015 < rate.upper);
/// ```
pub fn audit_rate(happened: &[bool], probabilities: &[f64], level: f64) -> Result<Estimate, StatsError> {
    let what = "rate of an audit sample";
    check(what, happened, probabilities)?;
    at_least(what, "studies looked at", 1, happened.len() as u64)?;
    let z = z_of_level(what, level)?;
    let weight = |p: f64| 1.0 / p;
    let total: f64 = probabilities.iter().copied().map(weight).sum();
    let happened_total: f64 = cases(happened, probabilities).filter(|case| case.0).map(|case| weight(case.1)).sum();
    let rate = (happened_total / total).clamp(0.0, 1.0);
    let residual = |(y, p): (bool, f64)| ((f64::from(u8::from(y)) - rate) * weight(p)).powi(2);
    let variance = cases(happened, probabilities).map(residual).sum::<f64>() / (total * total);
    let kish = total * total / probabilities.iter().map(|&p| weight(p).powi(2)).sum::<f64>();
    let spread = rate * (1.0 - rate);
    // Where the rarely drawn studies happen to be all alike, the variance knows nothing of them; Kish's number does.
    let effective = if 0.0 < variance && 0.0 < spread { (spread / variance).min(kish) } else { kish };
    let (lower, upper) = wilson_bounds(rate, effective, z);
    let method = "proportion/inverse-probability-wilson".into();
    Ok(Estimate { value: rate, lower, upper, level, n: happened.len() as u64, method })
}

/// Number of events among all studies, looked at or not: the Horvitz-Thompson total `sum(y / p)` (J. Am. Stat. Assoc. 47
/// (1952) 663-685), such as the findings missed in a month.
///
/// Variance for independent draws (Poisson sampling), `sum(y (1 - p) / p^2)`; the interval is on the logarithmic scale, and
/// its lower bound never below the events seen. `n` is the number of studies looked at. Without an event seen, the upper bound
/// is `-ln(1 - level) / p` of the smallest probability: what could have been overlooked.
///
/// # Errors
/// As [`audit_rate`].
pub fn audit_total(happened: &[bool], probabilities: &[f64], level: f64) -> Result<Estimate, StatsError> {
    let what = "total of an audit sample";
    check(what, happened, probabilities)?;
    at_least(what, "studies looked at", 1, happened.len() as u64)?;
    let z = z_of_level(what, level)?;
    let (mut total, mut variance, mut seen) = (0.0, 0.0, 0.0);
    for (_, p) in cases(happened, probabilities).filter(|case| case.0) {
        total += 1.0 / p;
        variance += (1.0 - p) / (p * p);
        seen += 1.0;
    }
    let (lower, upper) = if seen == 0.0 {
        let rarest = probabilities.iter().copied().fold(1.0, f64::min);
        (0.0, -(1.0 - level).ln() / rarest)
    } else {
        let factor = (z * f64::sqrt(variance) / total).exp();
        ((total / factor).max(seen), total * factor)
    };
    let method = "total/horvitz-thompson-log".into();
    Ok(Estimate { value: total, lower: lower.min(total), upper, level, n: happened.len() as u64, method })
}

fn cases<'a>(happened: &'a [bool], probabilities: &'a [f64]) -> impl Iterator<Item = (bool, f64)> + 'a {
    happened.iter().copied().zip(probabilities.iter().copied())
}

fn check(what: &'static str, happened: &[bool], probabilities: &[f64]) -> Result<(), StatsError> {
    same_length(what, happened.len(), probabilities.len())?;
    match probabilities.iter().position(|p| !(1e-6..=1.0).contains(p)) {
        None => number(what, happened.len() as f64, "at most 2^32 studies", |n| n <= 4_294_967_295.0),
        Some(index) => {
            let value = probabilities[index].to_string();
            Err(StatsError::OutOfRange { what, index, value, range: "[0.000001, 1] for a probability of being drawn" })
        }
    }
}
