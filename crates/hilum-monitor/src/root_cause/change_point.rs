use super::table::Draws;
use super::{Quantity, RootCauseOptions};
use crate::Observation;
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};

/// When a quantity most probably changed its mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangePoint {
    /// Event time of the first study after the change.
    pub at: Timestamp,
    /// Studies before.
    pub n_before: u64,
    /// Studies after.
    pub n_after: u64,
    /// Squared difference of the means on both sides, in variances of the quantity times a study; orders change points.
    pub clarity: f64,
    /// Chance of a split as clear as this in studies that come in any order, by permutation; never 0.
    pub p: f64,
}

/// The split of the studies, in order of event time, that the means of both sides tell best from no split. `None` when
/// there are too few studies or chance splits as well.
pub fn change_point(
    observations: &[Observation],
    quantity: &Quantity,
    options: &RootCauseOptions,
) -> Option<ChangePoint> {
    let mut points: Vec<(Timestamp, f64)> =
        observations.iter().filter_map(|observation| Some((observation.event_at, quantity.of(observation)?))).collect();
    points.sort_by_key(|(at, _)| *at);
    let mut y: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    let (found, statistic) = best_split(&y, options.n_min as usize)?;
    let mut draws = Draws::new(options.seed, 1);
    let mut n_as_clear = 0_u32;
    for _ in 0..options.n_draws {
        draws.shuffle(&mut y);
        n_as_clear += u32::from(best_split(&y, options.n_min as usize).is_some_and(|(_, other)| statistic <= other));
        // Chance has done as well too often already: most quantities are done with after a few draws.
        if options.significance < f64::from(n_as_clear + 1) / f64::from(options.n_draws + 1) {
            return None;
        }
    }
    let variance = variance(&y);
    let p = f64::from(n_as_clear + 1) / f64::from(options.n_draws + 1);
    (p <= options.significance).then(|| ChangePoint {
        at: points[found].0,
        n_before: found as u64,
        n_after: (points.len() - found) as u64,
        clarity: statistic / variance,
        p,
    })
}

fn variance(y: &[f64]) -> f64 {
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n
}

/// Index of the first value after the best split, and the squared standardised difference there, up to a constant.
fn best_split(y: &[f64], n_min: usize) -> Option<(usize, f64)> {
    let n = y.len();
    if n < 2 * n_min.max(1) {
        return None;
    }
    let mean = y.iter().sum::<f64>() / n as f64;
    let mut best: Option<(usize, f64)> = None;
    let mut sum = 0.0;
    for split in 1..=n - n_min {
        sum += y[split - 1] - mean;
        if n_min <= split {
            let statistic = sum * sum / (split as f64 * (n - split) as f64);
            if best.is_none_or(|(_, other)| other < statistic) {
                best = Some((split, statistic));
            }
        }
    }
    best.filter(|(_, statistic)| 0.0 < *statistic)
}
