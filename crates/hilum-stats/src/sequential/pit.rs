use crate::check::{at_least, number};
use crate::error::StatsError;
use crate::special::{normal_cdf, z_of_level};

/// Place of a value within a sorted reference, in (0, 1): the share below it plus half the share equal to it, so that values
/// drawn from the reference itself have mean 1/2 exactly, ties or not (mid-rank probability integral transform).
///
/// Values beyond the reference get `1 / (2 (n + 1))` from the end. This is what a [`BoundedMeanDetector`] with centre 1/2 looks
/// at; take the reference of the stratum (weekday, scanner group) that the value belongs to.
///
/// # Errors
/// `TooFew` for an empty reference; `OutOfRange` for a value that is not a number. `sorted` must ascend.
///
/// [`BoundedMeanDetector`]: super::BoundedMeanDetector
pub fn mid_rank(sorted: &[f64], value: f64) -> Result<f64, StatsError> {
    let what = "mid-rank";
    at_least(what, "reference values", 1, sorted.len() as u64)?;
    number(what, value, "the finite numbers", |_| true)?;
    let below = sorted.partition_point(|&v| v < value);
    // Most values have no equal in the reference, and then there is nothing to search for.
    let tied = sorted.get(below).is_some_and(|&v| v <= value);
    let equal = if tied { sorted[below..].partition_point(|&v| v <= value) } else { 0 };
    Ok(share(below as f64, equal as f64, sorted.len() as f64))
}

/// The same where the reference is counted into ordered cells and the value falls into `cell`.
///
/// # Errors
/// `TooFew` without counts; `OutOfRange` for a cell there is not.
pub fn mid_rank_of_counts(counts: &[u64], cell: usize) -> Result<f64, StatsError> {
    let what = "mid-rank";
    // Sums in floating point: no count of studies loses its last bit there.
    let total: f64 = counts.iter().map(|&n| n as f64).sum();
    if total < 1.0 {
        return Err(StatsError::TooFew { what, of: "reference values", needed: 1, found: 0 });
    }
    let Some(&equal) = counts.get(cell) else {
        return Err(StatsError::OutOfRange { what, index: 0, value: cell.to_string(), range: "the cells counted" });
    };
    let below: f64 = counts[..cell].iter().map(|&n| n as f64).sum();
    Ok(share(below, equal as f64, total))
}

fn share(below: f64, equal: f64, n: f64) -> f64 {
    (below + 0.5 * equal + 0.5) / (n + 1.0)
}

/// How far the mean percentile moves when a normally distributed feature moves by `shift_sd` of its standard deviations:
/// 0.0141 for 0.05. The margin of a detector of percentiles is written in standard deviations and converted by this.
///
/// # Errors
/// `OutOfRange` for a shift that is negative or not finite.
pub fn pit_margin(shift_sd: f64) -> Result<f64, StatsError> {
    number("margin of percentiles", shift_sd, "the numbers from 0", |v| 0.0 <= v)?;
    Ok(normal_cdf(shift_sd / std::f64::consts::SQRT_2) - 0.5)
}

/// Margin of a detector of percentiles, in percentiles, against a reference of `n_reference` values: that of `margin_sd`
/// standard deviations, or of 2.58 standard errors of the reference's own mean where that is more.
///
/// A detector's guarantee holds against the true mean in control; known from 139 studies it is uncertain by 0.08 standard
/// deviations, and a detector with a margin of 0.05 would fire at nothing but that. With this margin the reference is to
/// blame in one of a hundred streams.
///
/// # Errors
/// `TooFew` without reference values; `OutOfRange` as [`pit_margin`].
///
/// # Examples
/// ```
/// use hilum_stats::sequential::{pit_margin, reference_margin};
/// assert_eq!(reference_margin(0.05, 5_000).unwrap(), pit_margin(0.05).unwrap());
/// assert!(pit_margin(0.2).unwrap() < reference_margin(0.05, 139).unwrap());
/// ```
pub fn reference_margin(margin_sd: f64, n_reference: u64) -> Result<f64, StatsError> {
    at_least("margin of percentiles", "reference values", 1, n_reference)?;
    let own_error = z_of_level("margin of percentiles", 0.99)? / (n_reference as f64).sqrt();
    Ok(pit_margin(margin_sd)?.max(pit_margin(own_error)?))
}
