use super::detector::{Direction, Reading, Recursion, bets};
use super::wealth::Wealth;
use crate::check::{at_least, number};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "Bernoulli detector";

/// How far the odds of the default alternatives are from the null: from small to gross.
const ODDS: [f64; 5] = [1.35, 1.7, 2.25, 4.0, 9.0];

/// Closer to 0 or 1 a rate is not told apart from certainty.
const RATE_MIN: f64 = 1e-6;

/// A rate looked for, and its share of the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The rate, strictly beyond the null.
    pub rate: f64,
    /// Share of the evidence, above 0; all shares are divided by their sum.
    pub weight: f64,
}

/// What a [`BernoulliDetector`] watches for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BernoulliSettings {
    /// The accepted rate, in (0, 1).
    pub rate: f64,
    /// What is tolerated beyond it, from 0: clinically agreed, and never less than what the accepted rate is uncertain by.
    pub margin: f64,
    /// [`Direction::Rise`]: the null is a rate of at most `rate + margin`. [`Direction::Fall`]: at least `rate - margin`.
    pub direction: Direction,
    /// How evidence accumulates.
    pub recursion: Recursion,
    /// The rates looked for, one to 64 of them, on the side that `direction` says.
    pub alternatives: Vec<Alternative>,
}

impl BernoulliSettings {
    /// Shiryaev-Roberts with five alternatives of equal weight, whose odds are 1.35 to 9 times those of the null (or its
    /// inverse, for a fall): for a miss rate of 0.10 these are 0.13, 0.16, 0.2, 0.31 and 0.5.
    ///
    /// # Errors
    /// `OutOfRange` for a rate outside (0, 1), or a margin that is negative or leaves nothing beyond; `Undefined` for
    /// [`Direction::Both`]: use two detectors, whose alarms mean different things.
    pub fn new(rate: f64, margin: f64, direction: Direction) -> Result<BernoulliSettings, StatsError> {
        let recursion = Recursion::ShiryaevRoberts;
        let empty = BernoulliSettings { rate, margin, direction, recursion, alternatives: Vec::new() };
        let bound = empty.bound()?;
        let odds = bound / (1.0 - bound);
        let beyond = |factor: f64| match direction {
            Direction::Fall => odds / factor,
            _ => odds * factor,
        };
        let rates = ODDS.map(|factor| beyond(factor) / (1.0 + beyond(factor)));
        let alternatives = rates.map(|rate| Alternative { rate, weight: 1.0 }).to_vec();
        Ok(BernoulliSettings { alternatives, ..empty })
    }

    /// The edge of the null: `rate + margin` for a rise, `rate - margin` for a fall.
    ///
    /// # Errors
    /// As [`BernoulliSettings::new`].
    pub fn bound(&self) -> Result<f64, StatsError> {
        let inside = |v: f64| (RATE_MIN..=1.0 - RATE_MIN).contains(&v);
        number(WHAT, self.rate, "[0.000001, 0.999999] for the accepted rate", inside)?;
        number(WHAT, self.margin, "the numbers from 0 for the margin", |v| 0.0 <= v)?;
        let bound = match self.direction {
            Direction::Rise => self.rate + self.margin,
            Direction::Fall => self.rate - self.margin,
            Direction::Both => {
                let why = "a rate that rises and one that falls mean different things; use one detector for each";
                return Err(StatsError::Undefined { what: WHAT, why });
            }
        };
        number(WHAT, bound, "[0.000001, 0.999999] for the accepted rate with its margin", inside)?;
        Ok(bound)
    }

    fn check(&self) -> Result<f64, StatsError> {
        let bound = self.bound()?;
        at_least(WHAT, "alternatives", 1, self.alternatives.len() as u64)?;
        number(WHAT, self.alternatives.len() as f64, "at most 64 alternatives", |n| n <= 64.0)?;
        for alternative in &self.alternatives {
            let beyond = |q: f64| if self.direction == Direction::Fall { q < bound } else { bound < q };
            let inside = |q: f64| (RATE_MIN / 100.0..=1.0 - RATE_MIN / 100.0).contains(&q) && beyond(q);
            number(WHAT, alternative.rate, "(0, 1) beyond the null, for an alternative", inside)?;
            number(WHAT, alternative.weight, "(0, 1000000] for a weight", |w| 0.0 < w && w <= 1e6)?;
        }
        Ok(bound)
    }
}

/// e-detector of a rate: a miss among positives, a refusal by the gate, a disagreement with the report.
///
/// Each alternative `q` accumulates the likelihood ratio of the events against the edge `p` of the null,
/// `M = (M + 1) * (q/p or (1-q)/(1-p))`, and the evidence is their weighted mean. The ratio has mean at most 1 for every
/// rate within the null, so the null is composite: all rates up to `rate + margin` (or from `rate - margin` on).
///
/// # Examples
/// Sensitivity was 0.90 at acceptance and may be 0.88; of the last 40 positives 20 were missed.
/// ```
/// use hilum_stats::sequential::{BernoulliDetector, BernoulliSettings, Direction};
/// let settings = BernoulliSettings::new(0.90, 0.02, Direction::Fall).unwrap();
/// let mut detector = BernoulliDetector::new(settings).unwrap();
/// for event in 0..200 {
///     detector.update(if event < 160 { event % 10 != 0 } else { event % 2 == 0 });
/// }
/// let reading = detector.reading();
/// assert!(3_650.0 < reading.evidence && (155..=165).contains(&reading.since));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct BernoulliDetector {
    settings: BernoulliSettings,
    n: u64,
    wealth: Vec<Wealth>,
}

impl BernoulliDetector {
    /// A detector without events.
    ///
    /// # Errors
    /// `OutOfRange`, `TooFew` or `Undefined`, for settings that are not sound.
    pub fn new(settings: BernoulliSettings) -> Result<BernoulliDetector, StatsError> {
        settings.check()?;
        let wealth = vec![Wealth::NOTHING; settings.alternatives.len()];
        Ok(BernoulliDetector { settings, n: 0, wealth })
    }

    /// What it watches for.
    pub fn settings(&self) -> &BernoulliSettings {
        &self.settings
    }

    /// Events taken in.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Takes in whether it happened.
    pub fn update(&mut self, happened: bool) {
        let bound = match self.settings.direction {
            Direction::Fall => self.settings.rate - self.settings.margin,
            _ => self.settings.rate + self.settings.margin,
        };
        for (wealth, alternative) in self.wealth.iter_mut().zip(&self.settings.alternatives) {
            let q = alternative.rate;
            wealth.update(if happened { q / bound } else { (1.0 - q) / (1.0 - bound) }, self.n);
        }
        self.n = self.n.saturating_add(1);
    }

    fn weighted(&self) -> impl Iterator<Item = (f64, Wealth)> + Clone {
        let total: f64 = self.settings.alternatives.iter().map(|a| a.weight).sum();
        self.settings.alternatives.iter().zip(&self.wealth).map(move |(a, wealth)| (a.weight / total, *wealth))
    }

    /// The evidence now; the alarm is raised when it reaches `1 / alpha`.
    pub fn evidence(&self) -> f64 {
        bets::evidence(self.weighted(), self.settings.recursion).0
    }

    /// What it says now.
    pub fn reading(&self) -> Reading {
        bets::reading(self.weighted(), self.settings.recursion, self.n)
    }

    /// Forgets all events.
    pub fn reset(&mut self) {
        self.n = 0;
        self.wealth.fill(Wealth::NOTHING);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    settings: BernoulliSettings,
    n: u64,
    wealth: Vec<Wealth>,
}

impl TryFrom<Stored> for BernoulliDetector {
    type Error = StatsError;

    fn try_from(Stored { settings, n, wealth }: Stored) -> Result<BernoulliDetector, StatsError> {
        settings.check()?;
        let sound = wealth.len() == settings.alternatives.len() && wealth.iter().all(|wealth| wealth.is_sound(n));
        if !sound {
            return Err(StatsError::Undefined { what: WHAT, why: "its stored state does not come from its settings" });
        }
        Ok(BernoulliDetector { settings, n, wealth })
    }
}
