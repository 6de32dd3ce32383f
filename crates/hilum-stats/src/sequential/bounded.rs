use super::detector::{Direction, Reading, Recursion, bets};
use super::wealth::Wealth;
use crate::check::{at_least, number};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "bounded mean detector";

/// One size of bet, and its share of the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bet {
    /// Share of the largest bet that can never lose everything, in (0, 1): small ones find small changes.
    pub fraction: f64,
    /// Share of the evidence, above 0; all shares are divided by their sum.
    pub weight: f64,
}

/// What a [`BoundedMeanDetector`] watches for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundedMeanSettings {
    /// The accepted mean, in (0, 1); 1/2 for mid-rank percentiles within the reference.
    pub centre: f64,
    /// What is tolerated beyond it, from 0: the null is a mean within `centre - margin` to `centre + margin`.
    pub margin: f64,
    /// Which way it looks; [`Direction::Both`] gives each half of the evidence.
    pub direction: Direction,
    /// How evidence accumulates.
    pub recursion: Recursion,
    /// Sizes of bets, one to 64.
    pub bets: Vec<Bet>,
}

impl BoundedMeanSettings {
    /// Shiryaev-Roberts with bets of 0.1, 0.2, 0.4 and 0.8 of the largest, of equal weight.
    ///
    /// # Errors
    /// `OutOfRange` for a centre outside (0, 1), or a margin that is negative or leaves nothing beyond.
    pub fn new(centre: f64, margin: f64, direction: Direction) -> Result<BoundedMeanSettings, StatsError> {
        let bets = [0.1, 0.2, 0.4, 0.8].map(|fraction| Bet { fraction, weight: 1.0 }).to_vec();
        let recursion = Recursion::ShiryaevRoberts;
        let settings = BoundedMeanSettings { centre, margin, direction, recursion, bets };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), StatsError> {
        let inside = |v: f64| (1e-6..=1.0 - 1e-6).contains(&v);
        number(WHAT, self.centre, "[0.000001, 0.999999] for the accepted mean", inside)?;
        number(WHAT, self.margin, "the numbers from 0 for the margin", |v| 0.0 <= v)?;
        for &(sign, _) in self.direction.signs() {
            let range = "[0.000001, 0.999999] for the accepted mean with its margin";
            number(WHAT, self.centre + sign * self.margin, range, inside)?;
        }
        at_least(WHAT, "bets", 1, self.bets.len() as u64)?;
        number(WHAT, self.bets.len() as f64, "at most 64 bets", |n| n <= 64.0)?;
        for bet in &self.bets {
            number(WHAT, bet.fraction, "[0.000001, 0.999999] for a bet", inside)?;
            number(WHAT, bet.weight, "(0, 1000000] for a weight", |w| 0.0 < w && w <= 1e6)?;
        }
        Ok(())
    }
}

/// e-detector of the mean of values in [0, 1]: percentiles within a reference, Dice losses, squared errors of scores.
///
/// Each bet accumulates `M = (M + 1) * (1 + b * (u - c))` with `c` the edge of the null on the side it looks at, and `b`
/// its share of `1/c` (of `-1/(1-c)` for a fall), which has mean at most 1 for every mean within the null; the evidence is
/// the weighted mean. Only the mean of each event given all before it matters: the events may have any distribution on
/// [0, 1] and depend on each other.
///
/// # Examples
/// ```
/// use hilum_stats::sequential::{BoundedMeanDetector, BoundedMeanSettings, Direction, pit_margin};
/// let settings = BoundedMeanSettings::new(0.5, pit_margin(0.05).unwrap(), Direction::Both).unwrap();
/// let mut detector = BoundedMeanDetector::new(settings).unwrap();
/// for event in 0..600 {
///     let stable = f64::from(event * 37 % 100) / 100.0;
///     detector.update(if event < 400 { stable } else { 0.3 + 0.7 * stable }).unwrap();
/// }
/// let reading = detector.reading();
/// assert!(10_000.0 < reading.evidence && (390..=440).contains(&reading.since));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct BoundedMeanDetector {
    settings: BoundedMeanSettings,
    n: u64,
    /// Per sign of the direction, per bet.
    wealth: Vec<Wealth>,
}

impl BoundedMeanDetector {
    /// A detector without events.
    ///
    /// # Errors
    /// `OutOfRange` or `TooFew`, for settings that are not sound.
    pub fn new(settings: BoundedMeanSettings) -> Result<BoundedMeanDetector, StatsError> {
        settings.check()?;
        let wealth = vec![Wealth::NOTHING; settings.bets.len() * settings.direction.signs().len()];
        Ok(BoundedMeanDetector { settings, n: 0, wealth })
    }

    /// What it watches for.
    pub fn settings(&self) -> &BoundedMeanSettings {
        &self.settings
    }

    /// Events taken in.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Takes in one value.
    ///
    /// # Errors
    /// `OutOfRange` for a value outside [0, 1]; nothing has changed then.
    pub fn update(&mut self, value: f64) -> Result<(), StatsError> {
        number(WHAT, value, "[0, 1]", |v| (0.0..=1.0).contains(&v))?;
        let mut wealth = self.wealth.iter_mut();
        for &(sign, _) in self.settings.direction.signs() {
            let edge = self.settings.centre + sign * self.settings.margin;
            // Bets this large lose everything on the worst value.
            let largest = if 0.0 < sign { 1.0 / edge } else { -1.0 / (1.0 - edge) };
            for bet in &self.settings.bets {
                if let Some(wealth) = wealth.next() {
                    wealth.update(1.0 + bet.fraction * largest * (value - edge), self.n);
                }
            }
        }
        self.n = self.n.saturating_add(1);
        Ok(())
    }

    fn weighted(&self) -> impl Iterator<Item = (f64, Wealth)> + Clone {
        let total: f64 = self.settings.bets.iter().map(|bet| bet.weight).sum();
        let signs = self.settings.direction.signs().iter();
        let weights =
            signs.flat_map(move |&(_, share)| self.settings.bets.iter().map(move |bet| share * bet.weight / total));
        weights.zip(self.wealth.iter().copied())
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
    settings: BoundedMeanSettings,
    n: u64,
    wealth: Vec<Wealth>,
}

impl TryFrom<Stored> for BoundedMeanDetector {
    type Error = StatsError;

    fn try_from(Stored { settings, n, wealth }: Stored) -> Result<BoundedMeanDetector, StatsError> {
        let fresh = BoundedMeanDetector::new(settings)?;
        if wealth.len() != fresh.wealth.len() || !wealth.iter().all(|wealth| wealth.is_sound(n)) {
            return Err(StatsError::Undefined { what: WHAT, why: "its stored state does not come from its settings" });
        }
        Ok(BoundedMeanDetector { n, wealth, ..fresh })
    }
}
