//! Figures over runs.

use super::report::{Delays, Quantiles};
use super::runs::Noticed;
use crate::{Figure, MonitorError};
use hilum_stats::{clopper_pearson, poisson_bounds, wilson};
use hilum_types::Timestamp;

/// Upper bound of a median that was not seen within the horizon. It is a number, because a figure has numbers, and a whole
/// one, because records have to be read back to the last bit.
pub const BEYOND_HORIZON: f64 = 1e12;

/// Events per year, with an exact interval of 90 %: its upper bound is the one-sided one of 95 %.
pub(super) fn rate_figure(count: u64, years: f64, as_of: Timestamp) -> Result<Figure, MonitorError> {
    let (lower, upper) = poisson_bounds(count, 0.90).map_err(broken)?;
    Ok(Figure {
        value: count as f64 / years,
        lower: lower / years,
        upper: upper / years,
        n: count,
        method: "rate/poisson-exact-90".to_owned(),
        label_classes: Vec::new(),
        as_of,
    })
}

/// Share of runs, with the interval of Wilson at 95 %.
pub(super) fn chance_figure(happened: u64, n: u64, as_of: Timestamp) -> Result<Figure, MonitorError> {
    let estimate = wilson(happened, n, 0.95).map_err(broken)?;
    Ok(Figure {
        value: estimate.value,
        lower: estimate.lower,
        upper: estimate.upper,
        n,
        method: estimate.method.to_string(),
        label_classes: Vec::new(),
        as_of,
    })
}

pub(super) fn delays<'a>(
    runs: impl Iterator<Item = Option<&'a Noticed>>,
    as_of: Timestamp,
) -> Result<Delays, MonitorError> {
    let runs: Vec<Option<&Noticed>> = runs.collect();
    let of = |what: fn(&Noticed) -> f64| quantiles(runs.iter().map(|run| run.map(what)).collect(), as_of);
    Ok(Delays {
        days: of(|noticed| noticed.days)?,
        studies: of(|noticed| noticed.studies as f64)?,
        labels: of(|noticed| noticed.labels as f64)?,
    })
}

/// Median with its interval by order statistics, and ninth decile; a run without a value is longer than any other.
pub(super) fn quantiles(runs: Vec<Option<f64>>, as_of: Timestamp) -> Result<Quantiles, MonitorError> {
    let n = runs.len() as u64;
    let mut values: Vec<f64> = runs.into_iter().map(|value| value.unwrap_or(f64::INFINITY)).collect();
    values.sort_by(f64::total_cmp);
    // The smallest value that at least this share of the runs keep to.
    let at = |share: f64| {
        let place = ((share * n as f64).ceil() as usize).clamp(1, values.len().max(1)) - 1;
        values.get(place).copied().filter(|value| value.is_finite())
    };
    // The bounds of a share of one half hold, of all order statistics, those between which the median lies.
    let half = clopper_pearson(n / 2, n, 0.95).map_err(broken)?;
    let median = at(0.5).zip(at(half.lower)).map(|(value, lower)| Figure {
        value,
        lower,
        upper: at(half.upper).unwrap_or(BEYOND_HORIZON),
        n,
        method: "median/order-statistics-95".to_owned(),
        label_classes: Vec::new(),
        as_of,
    });
    Ok(Quantiles { median, p90: at(0.9) })
}

fn broken(source: hilum_stats::StatsError) -> MonitorError {
    MonitorError::Rehearsal { problems: vec![source.to_string()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Garwood's bounds: 0 events at most 2.9957, 5 events 1.9701 to 10.5130 (90 %), 700 events by the normal approximation.
    #[test]
    fn rates_have_the_bounds_of_the_poisson_distribution() {
        let at = Timestamp::from_micros(0);
        let figure = |count| rate_figure(count, 1.0, at).unwrap();
        assert!((figure(0).upper - 2.995_732).abs() < 1e-5 && figure(0).lower == 0.0);
        assert!((figure(5).lower - 1.970_150).abs() < 1e-5 && (figure(5).upper - 10.513_035).abs() < 1e-5);
        assert!((figure(700).upper - (700.0 + 1.645 * 700_f64.sqrt() + 1.5)).abs() < 1.0);
    }

    #[test]
    fn a_run_without_a_signal_is_the_longest() {
        let at = Timestamp::from_micros(0);
        let few = quantiles(vec![Some(3.0), None, Some(1.0), None, None], at).unwrap();
        assert_eq!((few.median, few.p90), (None, None));
        let many = quantiles((1..=101).map(|n| Some(f64::from(n))).collect(), at).unwrap();
        let median = many.median.unwrap();
        assert_eq!((median.value, median.lower, median.upper, many.p90), (51.0, 40.0, 61.0, Some(91.0)));
    }
}
