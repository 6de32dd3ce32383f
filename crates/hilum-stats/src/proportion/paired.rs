//! Two readers or models on the same cases.

use super::interval::wilson_bounds;
use crate::check;
use crate::error::StatsError;
use crate::estimate::{Estimate, TestResult};
use crate::special::{binomial_cdf, bisect, normal_sf, z_of_level};
use serde::{Deserialize, Serialize};
use statrs::function::erf;

/// Cases by whether the first and the second got them right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PairedTable {
    /// Both right.
    pub both: u64,
    /// Only the first right.
    pub first_only: u64,
    /// Only the second right.
    pub second_only: u64,
    /// Neither right.
    pub neither: u64,
}

impl PairedTable {
    /// Counts pairs. For sensitivity give the cases with the finding only, for specificity those without.
    ///
    /// # Errors
    /// `LengthMismatch`.
    pub fn of(first: &[bool], second: &[bool]) -> Result<PairedTable, StatsError> {
        check::same_length("paired proportions", first.len(), second.len())?;
        let mut table = PairedTable::default();
        for pair in first.iter().zip(second) {
            match pair {
                (true, true) => table.both += 1,
                (true, false) => table.first_only += 1,
                (false, true) => table.second_only += 1,
                (false, false) => table.neither += 1,
            }
        }
        Ok(table)
    }

    /// Number of pairs.
    pub fn n(&self) -> u64 {
        self.both + self.first_only + self.second_only + self.neither
    }

    fn difference(&self) -> f64 {
        (self.first_only as f64 - self.second_only as f64) / self.n() as f64
    }

    /// Difference of the two proportions, first minus second, with Newcombe's paired interval (Stat. Med. 17 (1998)
    /// 2635-2650, method 10: Wilson bounds joined with a continuity-corrected phi).
    ///
    /// # Errors
    /// `TooFew` without pairs; `OutOfRange` for a bad level.
    pub fn newcombe(&self, level: f64) -> Result<Estimate, StatsError> {
        let what = "paired difference";
        let z = z_of_level(what, level)?;
        check::at_least(what, "pairs", 1, self.n())?;
        let n = self.n() as f64;
        let (p1, p2) = ((self.both + self.first_only) as f64 / n, (self.both + self.second_only) as f64 / n);
        let ((l1, u1), (l2, u2)) = (wilson_bounds(p1, n, z), wilson_bounds(p2, n, z));
        let phi = self.phi();
        let joined = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
        let value = self.difference();
        let lower = value - joined(p1 - l1, u2 - p2);
        let upper = value + joined(u1 - p1, p2 - l2);
        Ok(Estimate { value, lower, upper, level, n: self.n(), method: "paired-difference/newcombe-10".into() })
    }

    /// Correlation of the two, corrected as Newcombe's method 10 asks.
    fn phi(&self) -> f64 {
        let [a, b, c, d] = [self.both, self.first_only, self.second_only, self.neither].map(|count| count as f64);
        let margins = (a + b) * (c + d) * (a + c) * (b + d);
        if margins == 0.0 {
            return 0.0;
        }
        let (product, half) = (a * d - b * c, (a + b + c + d) / 2.0);
        let corrected = if half < product { product - half } else { product.min(0.0) };
        corrected / margins.sqrt()
    }

    /// Difference of the two proportions, first minus second, with Tango's score interval (Stat. Med. 17 (1998) 891-908):
    /// the interval of [`tango_test`](Self::tango_test).
    ///
    /// # Errors
    /// As [`newcombe`](Self::newcombe).
    pub fn tango(&self, level: f64) -> Result<Estimate, StatsError> {
        let what = "paired difference";
        let z = z_of_level(what, level)?;
        check::at_least(what, "pairs", 1, self.n())?;
        let value = self.difference();
        let lower = bisect(-1.0, value, |delta| Ok(z < self.score(delta)))?;
        let upper = bisect(value, 1.0, |delta| Ok(-z < self.score(delta)))?;
        Ok(Estimate { value, lower, upper, level, n: self.n(), method: "paired-difference/tango".into() })
    }

    /// One-sided score test that the first proportion exceeds the second by more than `difference`; for non-inferiority
    /// give minus the margin (Nam, Biometrics 53 (1997) 1422-1430; Tango 1998).
    ///
    /// # Errors
    /// `TooFew` without pairs; `OutOfRange` unless `-1 < difference < 1`.
    pub fn tango_test(&self, difference: f64) -> Result<TestResult, StatsError> {
        let what = "score test of paired proportions";
        check::at_least(what, "pairs", 1, self.n())?;
        check::number(what, difference, "(-1, 1)", |d| -1.0 < d && d < 1.0)?;
        let statistic = self.score(difference);
        if !statistic.is_finite() {
            return Err(StatsError::Undefined { what, why: "the pairs have no variance under the assumed difference" });
        }
        Ok(TestResult { statistic, p_value: normal_sf(statistic), n: self.n(), method: "paired-difference/nam".into() })
    }

    /// Tango's statistic for an assumed difference; falls while that rises.
    fn score(&self, delta: f64) -> f64 {
        let (b, c, n) = (self.first_only as f64, self.second_only as f64, self.n() as f64);
        let gap = b - c - n * delta;
        if gap.abs() < 1e-12 * n {
            return 0.0;
        }
        let linear = -b - c + (2.0 * n - b + c) * delta;
        let constant = -c * delta * (1.0 - delta);
        let second_only = (((linear * linear - 8.0 * n * constant).max(0.0)).sqrt() - linear) / (4.0 * n);
        let variance = n * (2.0 * second_only + delta * (1.0 - delta));
        if variance <= 0.0 { gap.signum() * f64::INFINITY } else { gap / variance.sqrt() }
    }
}

/// McNemar's exact test that both are right equally often: binomial on the discordant pairs, two-sided. Without a
/// discordant pair p is 1. The statistic is the smaller discordant count.
///
/// # Errors
/// `TooFew` without pairs.
///
/// # Examples
/// ```
/// use hilum_stats::{PairedTable, mcnemar_exact};
/// let table = PairedTable { both: 30, first_only: 12, second_only: 5, neither: 53 };
/// assert!((mcnemar_exact(&table).unwrap().p_value - 0.143463134765625).abs() < 1e-12);
/// ```
pub fn mcnemar_exact(table: &PairedTable) -> Result<TestResult, StatsError> {
    let what = "McNemar test";
    check::at_least(what, "pairs", 1, table.n())?;
    let (fewer, discordant) = (table.first_only.min(table.second_only), table.first_only + table.second_only);
    let p_value = if discordant == 0 { 1.0 } else { 2.0 * binomial_cdf(what, fewer, discordant, 0.5)? };
    Ok(TestResult {
        statistic: fewer as f64,
        p_value: p_value.clamp(f64::MIN_POSITIVE, 1.0),
        n: table.n(),
        method: "mcnemar/exact".into(),
    })
}

/// McNemar's chi-squared test with Edwards' continuity correction; two-sided. Prefer [`mcnemar_exact`].
///
/// # Errors
/// `TooFew` without a discordant pair.
pub fn mcnemar(table: &PairedTable) -> Result<TestResult, StatsError> {
    let discordant = table.first_only + table.second_only;
    check::at_least("McNemar test", "discordant pairs", 1, discordant)?;
    let gap = (table.first_only.abs_diff(table.second_only) as f64 - 1.0).max(0.0);
    let statistic = gap * gap / discordant as f64;
    let p_value = erf::erfc((statistic / 2.0).sqrt()).max(f64::MIN_POSITIVE);
    Ok(TestResult { statistic, p_value, n: table.n(), method: "mcnemar/chi2-continuity".into() })
}
