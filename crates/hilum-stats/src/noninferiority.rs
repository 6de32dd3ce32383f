//! Is the challenger worse than the champion by less than a margin?

use crate::check::number;
use crate::discrimination::auroc_difference;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::proportion::{PairedTable, difference_score, difference_score_test};
use crate::special::normal_sf;
use serde::{Deserialize, Serialize};

/// Answer to a non-inferiority question. Tests are one-sided at `(1 - level) / 2`, so 0.95 tests at 2.5 %: the challenger
/// is non-inferior exactly when the whole interval of the difference lies above minus the margin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NonInferiority {
    /// Challenger minus champion.
    pub difference: Estimate,
    /// How much worse is still acceptable; at least 0.
    pub margin: f64,
    /// One-sided, for "worse by the margin or more"; absent where the interval comes from a bootstrap.
    pub p_value: Option<f64>,
    /// The lower bound lies above minus the margin.
    pub non_inferior: bool,
    /// The lower bound lies above 0.
    pub superior: bool,
    /// The upper bound lies below 0: worse beyond doubt, though perhaps within the margin.
    pub inferior: bool,
}

impl NonInferiority {
    /// Judges a difference, challenger minus champion, by its interval alone, whatever made it (a patient-clustered
    /// bootstrap of Dice, say, of which higher is better).
    ///
    /// # Errors
    /// `OutOfRange` unless `0 <= margin < 1`.
    ///
    /// # Examples
    /// ```
    /// use hilum_stats::{NonInferiority, newcombe_difference};
    /// let difference = newcombe_difference(85, 100, 88, 100, 0.95).unwrap();
    /// assert!(!NonInferiority::of(difference, 0.10).unwrap().non_inferior);
    /// ```
    pub fn of(difference: Estimate, margin: f64) -> Result<NonInferiority, StatsError> {
        number("non-inferiority margin", margin, "[0, 1)", |m| (0.0..1.0).contains(&m))?;
        let non_inferior = -margin < difference.lower;
        let (superior, inferior) = (0.0 < difference.lower, difference.upper < 0.0);
        Ok(NonInferiority { difference, margin, p_value: None, non_inferior, superior, inferior })
    }
}

/// Non-inferiority of an AUROC on the same cases, by paired DeLong (clustered by patient where they have several cases).
///
/// # Errors
/// As [`auroc_difference`]; `OutOfRange` for the margin.
///
/// # Examples
/// ```
/// let labels = [false, true, false, true, true, false, false, true];
/// let champion = [0.2, 0.7, 0.4, 0.6, 0.3, 0.1, 0.5, 0.9];
/// let answer = hilum_stats::noninferiority_auroc(&labels, &champion, &champion, None, 0.02, 0.95).unwrap();
/// assert!(answer.non_inferior && !answer.superior);
/// ```
pub fn noninferiority_auroc(
    labels: &[bool],
    challenger: &[f64],
    champion: &[f64],
    patients: Option<&[u64]>,
    margin: f64,
    level: f64,
) -> Result<NonInferiority, StatsError> {
    let compared = auroc_difference(labels, challenger, champion, patients, level)?;
    let room = compared.difference.value + margin;
    let p_value = if 0.0 < compared.standard_error {
        normal_sf(room / compared.standard_error)
    } else if 0.0 < room {
        f64::MIN_POSITIVE
    } else {
        1.0
    };
    Ok(NonInferiority { p_value: Some(p_value), ..NonInferiority::of(compared.difference, margin)? })
}

/// Non-inferiority of a proportion on the same cases, such as sensitivity on those with the finding: Tango's interval and
/// Nam's test. The first of the table is the challenger.
///
/// # Errors
/// As [`PairedTable::tango`]; `OutOfRange` for the margin.
///
/// # Examples
/// ```
/// let table = hilum_stats::PairedTable { both: 80, first_only: 6, second_only: 5, neither: 9 };
/// assert!(hilum_stats::noninferiority_paired(&table, 0.10, 0.95).unwrap().non_inferior);
/// ```
pub fn noninferiority_paired(table: &PairedTable, margin: f64, level: f64) -> Result<NonInferiority, StatsError> {
    let judged = NonInferiority::of(table.tango(level)?, margin)?;
    Ok(NonInferiority { p_value: Some(table.tango_test(-margin)?.p_value), ..judged })
}

/// Non-inferiority of a proportion on different cases, challenger first: Miettinen and Nurminen's interval and score test.
///
/// # Errors
/// As [`difference_score`]; `OutOfRange` for the margin.
pub fn noninferiority_unpaired(
    x1: u64,
    n1: u64,
    x2: u64,
    n2: u64,
    margin: f64,
    level: f64,
) -> Result<NonInferiority, StatsError> {
    let judged = NonInferiority::of(difference_score(x1, n1, x2, n2, level)?, margin)?;
    let test = difference_score_test(x1, n1, x2, n2, -margin)?;
    Ok(NonInferiority { p_value: Some(test.p_value), ..judged })
}
