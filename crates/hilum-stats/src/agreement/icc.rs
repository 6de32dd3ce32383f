use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::{f_quantile, z_of_level};
use serde::{Deserialize, Serialize};

/// Which intraclass correlation: they answer different questions, so the name belongs to the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IccForm {
    /// ICC(1,1) of Shrout & Fleiss: every case is measured by other readers; one-way random effects.
    OneWay,
    /// ICC(2,1), McGraw and Wong's ICC(A,1): the same readers measure every case and stand for others; **absolute
    /// agreement**, so one who always measures 2 mm more lowers it.
    AbsoluteAgreement,
    /// ICC(3,1), McGraw and Wong's ICC(C,1): these very readers; **consistency**, a constant difference does not count.
    Consistency,
}

impl IccForm {
    fn name(self) -> &'static str {
        match self {
            IccForm::OneWay => "icc(1,1)/f",
            IccForm::AbsoluteAgreement => "icc(2,1)/f-satterthwaite",
            IccForm::Consistency => "icc(3,1)/f",
        }
    }
}

/// Intraclass correlation of a single measurement, with the intervals of McGraw & Wong (Psychol. Methods 1 (1996) 30-46,
/// table 7; for ICC(2,1) with Satterthwaite's degrees of freedom). `n` is the number of cases.
///
/// `measurements` holds one slice per reader (or method), all in the order of the cases. The value is at most 1 and may be
/// negative; so may the lower bound, which is not cut.
///
/// # Errors
/// `TooFew` with less than 2 readers or 3 cases; `LengthMismatch`; `OutOfRange` for a measurement that is not finite or a
/// bad level; `Undefined` when the measurements are all alike, when the readers' differences leave no error at all, or when
/// the interval does not hold the value.
///
/// # Examples
/// Shrout & Fleiss (Psychol. Bull. 86 (1979) 420-428), table 2, give 0.17, 0.29 and 0.71:
/// ```
/// use hilum_stats::{IccForm, icc};
/// let judges: [&[f64]; 4] =
///     [&[9., 6., 8., 7., 10., 6.], &[2., 1., 4., 1., 5., 2.], &[5., 3., 6., 2., 6., 4.], &[8., 2., 8., 6., 9., 7.]];
/// let value = |form| icc(&judges, form, 0.95).unwrap().value;
/// assert!((value(IccForm::OneWay) - 0.17).abs() < 5e-3);
/// assert!((value(IccForm::AbsoluteAgreement) - 0.29).abs() < 5e-3);
/// assert!((value(IccForm::Consistency) - 0.71).abs() < 5e-3);
/// ```
pub fn icc(measurements: &[&[f64]], form: IccForm, level: f64) -> Result<Estimate, StatsError> {
    let what = "intraclass correlation";
    z_of_level(what, level)?;
    check::at_least(what, "readers", 2, measurements.len() as u64)?;
    let n_cases = measurements[0].len();
    for of_reader in measurements {
        check::same_length(what, n_cases, of_reader.len())?;
        check::finite(what, of_reader)?;
    }
    check::at_least(what, "cases", 3, n_cases as u64)?;
    let squares = MeanSquares::of(measurements, n_cases);
    let upper_quantile = |d1: f64, d2: f64| f_quantile(what, 1.0 - (1.0 - level) / 2.0, d1, d2);
    let (value, lower, upper) = squares.interval(what, form, upper_quantile)?;
    if !(value.is_finite() && lower.is_finite() && upper.is_finite()) {
        return Err(StatsError::Undefined { what, why: "its interval has no finite bounds on so little variation" });
    }
    // Satterthwaite's degrees of freedom are a fit; where readers contradict each other on few cases, they miss the value.
    if value < lower - 1e-12 || upper + 1e-12 < value {
        return Err(StatsError::Undefined {
            what,
            why: "its interval does not hold it, agreement being below chance on few cases",
        });
    }
    Ok(Estimate { value, lower, upper, level, n: n_cases as u64, method: form.name().into() })
}

/// Mean squares of the analysis of variance of cases by readers.
struct MeanSquares {
    /// Cases and readers.
    n: f64,
    k: f64,
    cases: f64,
    readers: f64,
    within_cases: f64,
    error: f64,
}

impl MeanSquares {
    fn of(measurements: &[&[f64]], n_cases: usize) -> MeanSquares {
        let (n, k) = (n_cases as f64, measurements.len() as f64);
        let mean = |values: &mut dyn Iterator<Item = f64>, count: f64| values.sum::<f64>() / count;
        // Around the first value, so that a large common offset costs no digits.
        let offset = measurements[0][0];
        let at = |reader: usize, case: usize| measurements[reader][case] - offset;
        let readers = 0..measurements.len();
        let of_reader: Vec<f64> = readers.clone().map(|r| mean(&mut (0..n_cases).map(|c| at(r, c)), n)).collect();
        let of_case: Vec<f64> = (0..n_cases).map(|c| mean(&mut readers.clone().map(|r| at(r, c)), k)).collect();
        let grand = mean(&mut of_case.iter().copied(), n);
        let (mut within, mut error) = (0.0, 0.0);
        for reader in readers {
            for (case, mean_of_case) in of_case.iter().enumerate() {
                let deviation = at(reader, case) - mean_of_case;
                within += deviation * deviation;
                error += (deviation - (of_reader[reader] - grand)).powi(2);
            }
        }
        let spread = |means: &[f64]| means.iter().map(|m| (m - grand).powi(2)).sum::<f64>();
        MeanSquares {
            n,
            k,
            cases: k * spread(&of_case) / (n - 1.0),
            readers: n * spread(&of_reader) / (k - 1.0),
            within_cases: within / (n * (k - 1.0)),
            error: error / ((n - 1.0) * (k - 1.0)),
        }
    }

    fn interval(
        &self,
        what: &'static str,
        form: IccForm,
        quantile: impl Fn(f64, f64) -> Result<f64, StatsError>,
    ) -> Result<(f64, f64, f64), StatsError> {
        let (n, k) = (self.n, self.k);
        let noise = if form == IccForm::OneWay { self.within_cases } else { self.error };
        // What is left by rounding of equal measurements counts as nothing.
        let nothing = 1e-24 * (self.cases + self.readers + self.within_cases);
        if self.cases + self.within_cases <= 0.0 {
            return Err(StatsError::Undefined { what, why: "all measurements are alike" });
        }
        if noise <= nothing {
            return Err(StatsError::Undefined { what, why: "the readers leave no error to build an interval from" });
        }
        if form == IccForm::AbsoluteAgreement {
            return self.absolute_agreement(quantile);
        }
        let degrees = if form == IccForm::OneWay { n * (k - 1.0) } else { (n - 1.0) * (k - 1.0) };
        let of_ratio = |ratio: f64| (ratio - 1.0) / (ratio + k - 1.0);
        let ratio = self.cases / noise;
        let lower = of_ratio(ratio / quantile(n - 1.0, degrees)?);
        let upper = of_ratio(ratio * quantile(degrees, n - 1.0)?);
        Ok((of_ratio(ratio), lower, upper))
    }

    fn absolute_agreement(
        &self,
        quantile: impl Fn(f64, f64) -> Result<f64, StatsError>,
    ) -> Result<(f64, f64, f64), StatsError> {
        let (n, k) = (self.n, self.k);
        let (cases, readers, error) = (self.cases, self.readers, self.error);
        let value = (cases - error) / (cases + (k - 1.0) * error + k * (readers - error) / n);
        let a = k * value / (n * (1.0 - value));
        let b = 1.0 + k * value * (n - 1.0) / (n * (1.0 - value));
        let mixed = (a * readers + b * error).powi(2);
        let degrees = mixed / ((a * readers).powi(2) / (k - 1.0) + (b * error).powi(2) / ((n - 1.0) * (k - 1.0)));
        let rest = k * readers + (k * n - k - n) * error;
        let below = quantile(n - 1.0, degrees)?;
        let above = quantile(degrees, n - 1.0)?;
        let lower = n * (cases - below * error) / (below * rest + n * cases);
        let upper = n * (above * cases - error) / (rest + n * above * cases);
        Ok((value, lower, upper))
    }
}
