use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::{normal_quantile, student_t_quantile, z_of_level};
use serde::{Deserialize, Serialize};

/// Limits of agreement of two methods of measurement, first minus second, in the unit of the measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlandAltman {
    /// Mean difference.
    pub bias: Estimate,
    /// Below this lies a share `(1 - coverage) / 2` of the differences.
    pub lower_limit: Estimate,
    /// Above this lies the same share.
    pub upper_limit: Estimate,
    /// Standard deviation of the differences.
    pub standard_deviation: f64,
    /// Share of differences that the limits hold between them, such as 0.95.
    pub coverage: f64,
    /// How much the difference grows for each unit of the mean of both: away from 0, one bias and one pair of limits do not
    /// describe the whole range. Absent when all means are equal.
    pub proportional_bias: Option<Estimate>,
}

/// Bland and Altman's limits of agreement with intervals for the bias and for each limit (Stat. Methods Med. Res. 8 (1999)
/// 135-160: Student's t, the standard error of a limit being `s * sqrt(1/n + z^2 / (2 (n - 1)))`).
///
/// One pair per patient, and differences that are about normal, are taken for granted. `coverage` is the share of
/// differences between the limits, `level` the confidence of the intervals.
///
/// # Errors
/// `LengthMismatch`; `TooFew` with less than 3 pairs; `OutOfRange` for a measurement that is not finite, a bad level or
/// coverage; `Undefined` when all differences are equal.
///
/// # Examples
/// Peak expiratory flow by two meters (Bland & Altman, Lancet 1986; i, 307-310): bias -2.1, standard deviation 38.8 l/min.
/// ```
/// let large = [494., 395., 516., 434., 476., 557., 413., 442., 650., 433., 417., 656., 267., 478., 178., 423., 427.];
/// let mini = [512., 430., 520., 428., 500., 600., 364., 380., 658., 445., 432., 626., 260., 477., 259., 350., 451.];
/// let agreement = hilum_stats::bland_altman(&large, &mini, 0.95, 0.95).unwrap();
/// assert!((agreement.bias.value + 2.1).abs() < 0.05 && (agreement.standard_deviation - 38.8).abs() < 0.05);
/// assert!((agreement.bias.lower + 22.0).abs() < 0.1 && (agreement.bias.upper - 17.8).abs() < 0.1);
/// ```
pub fn bland_altman(first: &[f64], second: &[f64], coverage: f64, level: f64) -> Result<BlandAltman, StatsError> {
    let what = "limits of agreement";
    check::same_length(what, first.len(), second.len())?;
    check::at_least(what, "pairs", 3, first.len() as u64)?;
    check::finite(what, first)?;
    check::finite(what, second)?;
    z_of_level(what, level)?;
    check::number(what, coverage, "(0, 1)", |c| 0.0 < c && c < 1.0)?;
    let n = first.len() as f64;
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
    if differences.iter().all(|d| *d == differences[0]) {
        return Err(StatsError::Undefined { what, why: "all differences are equal" });
    }
    let bias = differences.iter().sum::<f64>() / n;
    let standard_deviation = (differences.iter().map(|d| (d - bias).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    if !(standard_deviation.is_finite() && 0.0 < standard_deviation) {
        return Err(StatsError::Undefined { what, why: "the spread of the differences cannot be represented" });
    }
    let t = student_t_quantile(what, 1.0 - (1.0 - level) / 2.0, n - 1.0)?;
    let z = -normal_quantile((1.0 - coverage) / 2.0);
    let around = |value: f64, half: f64, method: &'static str| Estimate {
        value,
        lower: value - half,
        upper: value + half,
        level,
        n: first.len() as u64,
        method: method.into(),
    };
    let half_limit = t * standard_deviation * (1.0 / n + z * z / (2.0 * (n - 1.0))).sqrt();
    Ok(BlandAltman {
        bias: around(bias, t * standard_deviation / n.sqrt(), "bland-altman-bias/t"),
        lower_limit: around(bias - z * standard_deviation, half_limit, "bland-altman-lower-limit/t"),
        upper_limit: around(bias + z * standard_deviation, half_limit, "bland-altman-upper-limit/t"),
        standard_deviation,
        coverage,
        proportional_bias: slope(what, first, second, &differences, level)?,
    })
}

/// Slope of the difference on the mean of both by least squares, with Student's interval.
fn slope(
    what: &'static str,
    first: &[f64],
    second: &[f64],
    differences: &[f64],
    level: f64,
) -> Result<Option<Estimate>, StatsError> {
    let n = differences.len() as f64;
    let means: Vec<f64> = first.iter().zip(second).map(|(a, b)| a / 2.0 + b / 2.0).collect();
    let (x_mean, y_mean) = (means.iter().sum::<f64>() / n, differences.iter().sum::<f64>() / n);
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in means.iter().zip(differences) {
        xx += (x - x_mean).powi(2);
        xy += (x - x_mean) * (y - y_mean);
    }
    let value = xy / xx;
    if !value.is_finite() || xx <= 1e-24 * n * x_mean * x_mean {
        return Ok(None);
    }
    let residual = |(x, y): (&f64, &f64)| (y - y_mean - value * (x - x_mean)).powi(2);
    let residuals: f64 = means.iter().zip(differences).map(residual).sum();
    let t = student_t_quantile(what, 1.0 - (1.0 - level) / 2.0, n - 2.0)?;
    let half = t * (residuals / (n - 2.0) / xx).sqrt();
    if !half.is_finite() {
        return Ok(None);
    }
    let (n, method) = (differences.len() as u64, "bland-altman-proportional-bias/t".into());
    Ok(Some(Estimate { value, lower: value - half, upper: value + half, level, n, method }))
}
