use super::confusion::ConfusionTable;
use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::z_of_level;

impl ConfusionTable {
    /// Matthews' correlation coefficient (Biochim. Biophys. Acta 405 (1975) 442-451) of calls with the truth, with the
    /// interval of the delta method on Fisher's z scale (Itaya et al., Stat. Med. 44 (2025) e10303); in (-1, 1).
    ///
    /// # Errors
    /// `TooFew` without cases; `OutOfRange` for a bad level; `Undefined` when a class or a call does not occur, or when all
    /// calls are right or all wrong, because there is no variance then.
    ///
    /// # Examples
    /// ```
    /// use hilum_stats::ConfusionTable;
    /// let table = ConfusionTable { true_positives: 6, false_positives: 1, false_negatives: 2, true_negatives: 3 };
    /// assert!((table.matthews(0.95).unwrap().value - 16.0 / 1120_f64.sqrt()).abs() < 1e-15);
    /// ```
    pub fn matthews(&self, level: f64) -> Result<Estimate, StatsError> {
        let what = "Matthews correlation";
        let z = z_of_level(what, level)?;
        check::at_least(what, "cases", 1, self.n())?;
        let n = self.n() as f64;
        let counts = [self.true_positives, self.false_positives, self.false_negatives, self.true_negatives];
        let [a, b, c, d] = counts.map(|count| count as f64 / n);
        // Called positive, called negative, present, absent.
        let margins = [a + b, c + d, a + c, b + d];
        if margins.iter().any(|margin| *margin <= 0.0) {
            return Err(StatsError::Undefined { what, why: "a class or a call does not occur" });
        }
        let root = margins.iter().product::<f64>().sqrt();
        let value = (a * d - b * c) / root;
        let half_log = |i: usize, j: usize| value / 2.0 * (1.0 / margins[i] + 1.0 / margins[j]);
        // Derivative by the share of each cell; the root falls by half the logarithm of its margins.
        let slopes = [
            d / root - half_log(0, 2),
            -c / root - half_log(0, 3),
            -b / root - half_log(1, 2),
            a / root - half_log(1, 3),
        ];
        let mean: f64 = slopes.iter().zip([a, b, c, d]).map(|(slope, share)| slope * share).sum();
        let square: f64 = slopes.iter().zip([a, b, c, d]).map(|(slope, share)| slope * slope * share).sum();
        if 1.0 - value.abs() < 1e-12 {
            return Err(StatsError::Undefined { what, why: "all calls are right, or all wrong" });
        }
        let half = z * ((square - mean * mean).max(0.0) / n).sqrt() / (1.0 - value * value);
        let (lower, upper) = ((value.atanh() - half).tanh(), (value.atanh() + half).tanh());
        Ok(Estimate { value, lower, upper, level, n: self.n(), method: "matthews/fisher-z".into() })
    }
}
