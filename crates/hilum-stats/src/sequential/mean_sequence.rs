use crate::check::{at_least, number};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::z_of_level;
use serde::{Deserialize, Serialize};

const WHAT: &str = "confidence sequence of a mean";

/// Largest bet; the authors' proposal is 1/2 or 3/4.
const BET_MAX: f64 = 0.5;

/// Confidence sequence of the mean of values in [0, 1], in seven numbers whatever the number of events.
///
/// Predictable plug-in empirical-Bernstein (Waudby-Smith & Ramdas, J. R. Stat. Soc. B 86 (2024) 1-27, theorem 2): holds the
/// mean at all moments together with probability `level`, for values of any distribution on [0, 1] whose mean given all
/// before is constant. Each bound by itself holds with probability `(1 + level) / 2`, so for a one-sided 95 % take a
/// `level` of 0.90. [`betting_sequence`](super::betting_sequence) is narrower and needs all values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct MeanSequence {
    level: f64,
    n: u64,
    sum: f64,
    sum_squares: f64,
    sum_bets: f64,
    sum_bet_values: f64,
    sum_penalties: f64,
}

impl MeanSequence {
    /// A sequence without values.
    ///
    /// # Errors
    /// `OutOfRange` unless `0 < level < 1`.
    pub fn new(level: f64) -> Result<MeanSequence, StatsError> {
        z_of_level(WHAT, level)?;
        let [sum, sum_squares, sum_bets, sum_bet_values, sum_penalties] = [0.0; 5];
        Ok(MeanSequence { level, n: 0, sum, sum_squares, sum_bets, sum_bet_values, sum_penalties })
    }

    /// Values taken in.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Takes in one value.
    ///
    /// # Errors
    /// `OutOfRange` for a value outside [0, 1]; nothing has changed then.
    pub fn update(&mut self, value: f64) -> Result<(), StatsError> {
        number(WHAT, value, "[0, 1]", |v| (0.0..=1.0).contains(&v))?;
        let before = self.n as f64;
        let mean_before = (0.5 + self.sum) / (before + 1.0);
        let variance_before = (0.25 + self.sum_squares) / (before + 1.0);
        let bet = plug_in_bet(self.level, variance_before, before + 1.0).min(BET_MAX);
        self.n = self.n.saturating_add(1);
        self.sum += value;
        let mean_now = (0.5 + self.sum) / (before + 2.0);
        self.sum_squares += (value - mean_now).powi(2);
        self.sum_bets += bet;
        self.sum_bet_values += bet * value;
        self.sum_penalties += (value - mean_before).powi(2) * (-libm::log1p(-bet) - bet);
        Ok(())
    }

    /// Mean and interval now; both within [0, 1].
    ///
    /// # Errors
    /// `TooFew` without values.
    pub fn estimate(&self) -> Result<Estimate, StatsError> {
        at_least(WHAT, "values", 1, self.n)?;
        let value = (self.sum / self.n as f64).clamp(0.0, 1.0);
        let centre = self.sum_bet_values / self.sum_bets;
        let half = ((2.0 / (1.0 - self.level)).ln() + self.sum_penalties) / self.sum_bets;
        // Widened, where need be, to hold the plain mean that stands beside it.
        let (lower, upper) = ((centre - half).clamp(0.0, value), (centre + half).clamp(value, 1.0));
        let method = "mean/empirical-bernstein-sequence".into();
        Ok(Estimate { value, lower, upper, level: self.level, n: self.n, method })
    }
}

/// The bet for event `t`, from 1, given the variance before it (equation 15 there), not yet cut.
pub(super) fn plug_in_bet(level: f64, variance_before: f64, t: f64) -> f64 {
    (2.0 * libm::log(2.0 / (1.0 - level)) / (variance_before * t * libm::log1p(t))).sqrt()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    level: f64,
    n: u64,
    sum: f64,
    sum_squares: f64,
    sum_bets: f64,
    sum_bet_values: f64,
    sum_penalties: f64,
}

impl TryFrom<Stored> for MeanSequence {
    type Error = StatsError;

    fn try_from(stored: Stored) -> Result<MeanSequence, StatsError> {
        z_of_level(WHAT, stored.level)?;
        let Stored { level, n, sum, sum_squares, sum_bets, sum_bet_values, sum_penalties } = stored;
        let sums = [sum, sum_squares, sum_bets, sum_bet_values, sum_penalties];
        let sound = sums.iter().all(|v| (0.0..=n as f64 + 1e-6).contains(v))
            && sum_bet_values <= sum_bets
            && (n == 0) == (sum_bets == 0.0);
        if !sound {
            return Err(StatsError::Undefined { what: WHAT, why: "its stored state does not come from any values" });
        }
        Ok(MeanSequence { level, n, sum, sum_squares, sum_bets, sum_bet_values, sum_penalties })
    }
}
