use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::proportion::wilson_bounds;
use crate::special::z_of_level;
use serde::{Deserialize, Serialize};

/// More categories than any reading scheme has; a larger number is a measurement, for which [`icc`](crate::icc) is meant.
const CATEGORIES_MAX: usize = 1000;

/// How much a disagreement counts, by how far apart the two categories stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KappaWeights {
    /// Any disagreement counts in full: categories without order. The default.
    #[default]
    None,
    /// In proportion to the number of steps (Cicchetti & Allison 1971): ordered categories.
    Linear,
    /// In proportion to its square (Fleiss & Cohen 1973): ordered categories; close to an intraclass correlation.
    Quadratic,
}

/// Cases by the category that each of two readers put them into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementTable {
    /// Row by the first reader, column by the second; square.
    counts: Vec<Vec<u64>>,
}

/// Agreement beyond chance, with what it is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kappa {
    /// Kappa; at most 1, 0 is chance, negative is worse than chance.
    pub kappa: Estimate,
    /// Weighted share of cases on which both agree; in [0, 1].
    pub observed_agreement: f64,
    /// The same, as expected from how often each uses each category; in [0, 1).
    pub expected_agreement: f64,
}

impl AgreementTable {
    /// Counts pairs of categories, numbered from 0 in their order.
    ///
    /// # Errors
    /// `LengthMismatch`; `OutOfRange` for a category not below `n_categories`, or more than 1,000 of these; `TooFew` with
    /// less than 2 categories.
    pub fn of(first: &[u32], second: &[u32], n_categories: usize) -> Result<AgreementTable, StatsError> {
        let what = "kappa";
        check::same_length(what, first.len(), second.len())?;
        check::at_least(what, "categories", 2, n_categories as u64)?;
        if CATEGORIES_MAX < n_categories {
            let value = n_categories.to_string();
            return Err(StatsError::OutOfRange { what, index: 0, value, range: "2 to 1000 categories" });
        }
        let mut counts = vec![vec![0; n_categories]; n_categories];
        for (index, (&a, &b)) in first.iter().zip(second).enumerate() {
            match counts.get_mut(a as usize).and_then(|row| row.get_mut(b as usize)) {
                Some(count) => *count += 1,
                None => {
                    let (value, range) = (a.max(b).to_string(), "the numbers of the categories");
                    return Err(StatsError::OutOfRange { what, index, value, range });
                }
            }
        }
        Ok(AgreementTable { counts })
    }

    /// Number of cases.
    pub fn n(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Counts, row by the first reader, column by the second.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Cohen's kappa (Educ. Psychol. Meas. 20 (1960) 37-46), weighted or not, with the large-sample interval of Fleiss, Cohen
    /// & Everitt (Psychol. Bull. 72 (1969) 323-327), not cut.
    ///
    /// Where both agree on every case that variance is 0, which ten cases do not prove; the interval is then Wilson's for
    /// the observed agreement, carried over with the expected agreement held, and the method ends in `wilson`.
    ///
    /// # Errors
    /// `TooFew` with less than 2 cases; `OutOfRange` for a bad level; `Undefined` when both use one and the same category
    /// only, so that chance alone explains everything.
    pub fn kappa(&self, weights: KappaWeights, level: f64) -> Result<Kappa, StatsError> {
        let what = "kappa";
        let z = z_of_level(what, level)?;
        check::at_least(what, "cases", 2, self.n())?;
        let n = self.n() as f64;
        let k = self.counts.len();
        let share = |count: u64| count as f64 / n;
        let first: Vec<f64> = self.counts.iter().map(|row| share(row.iter().sum())).collect();
        let second: Vec<f64> = (0..k).map(|j| share(self.counts.iter().map(|row| row[j]).sum())).collect();
        let agreement = |i: usize, j: usize| weights.agreement(i, j, k);
        let cells = || (0..k).flat_map(|i| (0..k).map(move |j| (i, j)));

        let observed: f64 = cells().map(|(i, j)| agreement(i, j) * share(self.counts[i][j])).sum();
        let expected: f64 = cells().map(|(i, j)| agreement(i, j) * first[i] * second[j]).sum();
        // Cells off the diagonal decide, not a rounding error in the sum.
        let complete = cells().all(|(i, j)| i == j || self.counts[i][j] == 0);
        if 1.0 - expected < 1e-12 {
            return Err(StatsError::Undefined { what, why: "both use one and the same category only" });
        }
        let value = if complete { 1.0 } else { (observed - expected) / (1.0 - expected) };
        let (lower, upper, interval) = if complete {
            let (share_lower, _) = wilson_bounds(1.0, n, z);
            ((share_lower - expected) / (1.0 - expected), 1.0, "wilson")
        } else {
            let of_first: Vec<f64> = (0..k).map(|i| (0..k).map(|j| agreement(i, j) * second[j]).sum()).collect();
            let of_second: Vec<f64> = (0..k).map(|j| (0..k).map(|i| agreement(i, j) * first[i]).sum()).collect();
            let squares: f64 = cells()
                .map(|(i, j)| {
                    let gap = agreement(i, j) - (of_first[i] + of_second[j]) * (1.0 - value);
                    share(self.counts[i][j]) * gap * gap
                })
                .sum();
            let centre = value - expected * (1.0 - value);
            let half = z * ((squares - centre * centre).max(0.0) / n).sqrt() / (1.0 - expected);
            (value - half, value + half, "fleiss-cohen-everitt")
        };
        let method = format!("kappa{}/{interval}", weights.suffix()).into();
        let kappa = Estimate { value, lower, upper, level, n: self.n(), method };
        Ok(Kappa { kappa, observed_agreement: observed.min(1.0), expected_agreement: expected })
    }
}

impl KappaWeights {
    /// Agreement of two categories, 1 for the same, 0 for the farthest apart.
    fn agreement(self, i: usize, j: usize, n_categories: usize) -> f64 {
        let apart = i.abs_diff(j) as f64 / (n_categories - 1) as f64;
        match self {
            KappaWeights::None => f64::from(u8::from(i == j)),
            KappaWeights::Linear => 1.0 - apart,
            KappaWeights::Quadratic => 1.0 - apart * apart,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            KappaWeights::None => "",
            KappaWeights::Linear => "-linear",
            KappaWeights::Quadratic => "-quadratic",
        }
    }
}

/// Cohen's kappa of two readers over categories numbered from 0 in their order; see [`AgreementTable::kappa`].
///
/// # Errors
/// As [`AgreementTable::of`] and [`AgreementTable::kappa`].
///
/// # Examples
/// ```
/// use hilum_stats::{KappaWeights, cohen_kappa};
/// let (first, second) = ([0, 1, 1, 0, 1, 0], [0, 1, 0, 0, 1, 1]);
/// let agreed = cohen_kappa(&first, &second, 2, KappaWeights::None, 0.95).unwrap();
/// assert!((agreed.kappa.value - (4.0 / 6.0 - 0.5) / 0.5).abs() < 1e-12);
/// ```
pub fn cohen_kappa(
    first: &[u32],
    second: &[u32],
    n_categories: usize,
    weights: KappaWeights,
    level: f64,
) -> Result<Kappa, StatsError> {
    AgreementTable::of(first, second, n_categories)?.kappa(weights, level)
}
