use crate::StatsError;
use crate::special::{bisect, z_of_level};
use statrs::function::gamma::gamma_ur;

/// Exact interval of the mean of a Poisson count, such as alarms per year times years (Garwood, Biometrika 28 (1936) 437-442). Its
/// upper end at a level of 0.90 is the one-sided bound of 95 %.
///
/// # Errors
/// `OutOfRange` for a bad level or a count above 1e9.
///
/// # Examples
/// ```
/// let (lower, upper) = hilum_stats::poisson_bounds(5, 0.90).unwrap();
/// assert!((lower - 1.970_150).abs() < 1e-6 && (upper - 10.513_035).abs() < 1e-6);
/// ```
pub fn poisson_bounds(count: u64, level: f64) -> Result<(f64, f64), StatsError> {
    let what = "bounds of a Poisson count";
    z_of_level(what, level)?;
    let n = count as f64;
    crate::check::number(what, n, "[0, 1e9]", |n| n <= 1e9)?;
    let tail = (1.0 - level) / 2.0;
    // P(at most k events) when the mean is m is the upper incomplete gamma function at k + 1 and m.
    let lower =
        if count == 0 { 0.0 } else { bisect(0.0, n, |mean| Ok(mean == 0.0 || 1.0 - tail < gamma_ur(n, mean)))? };
    let upper = bisect(n, 2.0 * n + 800.0, |mean| Ok(mean == 0.0 || tail < gamma_ur(n + 1.0, mean)))?;
    Ok((lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `chi2.ppf((1 - level) / 2, 2 k) / 2` and `chi2.ppf((1 + level) / 2, 2 k + 2) / 2`.
    #[test]
    fn bounds_equal_scipy() {
        for (count, level, expected) in SCIPY {
            let found = poisson_bounds(count, level).unwrap();
            for (found, expected) in [(found.0, expected.0), (found.1, expected.1)] {
                assert!((found - expected).abs() <= 1e-9 * expected, "{count} at {level}: {found}, not {expected}");
            }
        }
        assert!(poisson_bounds(1, 1.0).is_err() && poisson_bounds(u64::MAX, 0.9).is_err());
    }

    const SCIPY: [(u64, f64, (f64, f64)); 8] = [
        (0, 0.9, (0.0, 2.9957322735539895)),
        (0, 0.95, (0.0, 3.6888794541139354)),
        (1, 0.95, (0.025317807984289897, 5.571643390938898)),
        (5, 0.9, (1.97014956805953, 10.513034908741535)),
        (17, 0.99, (8.250636237772195, 30.790589557378627)),
        (132, 0.9, (113.68742069987076, 152.52065506565546)),
        (700, 0.9, (657.0571496443945, 745.1108705182493)),
        (20000, 0.95, (19723.767600607054, 20279.133627926407)),
    ];
}
