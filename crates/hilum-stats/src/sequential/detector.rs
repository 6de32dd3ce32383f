use super::{BernoulliDetector, BoundedMeanDetector};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

/// Which way a detector looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Alarm when the rate or mean rises above the null.
    Rise,
    /// Alarm when it falls below.
    Fall,
    /// Alarm on either.
    Both,
}

impl Direction {
    /// Signs looked for, with the share of the evidence each gets.
    pub(super) fn signs(self) -> &'static [(f64, f64)] {
        match self {
            Direction::Rise => &[(1.0, 1.0)],
            Direction::Fall => &[(-1.0, 1.0)],
            Direction::Both => &[(-1.0, 0.5), (1.0, 0.5)],
        }
    }
}

/// How evidence is accumulated over unknown starts of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recursion {
    /// The sum over all starts (e-SR): faster at the same guarantee; the default.
    #[default]
    ShiryaevRoberts,
    /// The best start (e-CUSUM): never above the sum, so it keeps the same guarantee with room to spare.
    Cusum,
}

/// What a detector says now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Evidence against the null, from 0: the alarm is raised when it reaches `1 / alpha`. At most [`f64::MAX`].
    pub evidence: f64,
    /// Natural logarithm of the evidence, which does not saturate; [`f64::MIN`] without events.
    pub ln_evidence: f64,
    /// Events taken in since the beginning or the last reset.
    pub n: u64,
    /// Position, from 0, of the event since which the null explains the events worst: the estimate of the change point.
    /// Means little while the evidence is small.
    pub since: u64,
}

/// Either e-detector, for lists of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Detector {
    /// Of something that happens or does not.
    Bernoulli(BernoulliDetector),
    /// Of a value in [0, 1].
    BoundedMean(BoundedMeanDetector),
}

impl Detector {
    /// Takes in one event; for a Bernoulli detector 0 or 1.
    ///
    /// # Errors
    /// `OutOfRange` for any other value; nothing has changed then.
    pub fn update(&mut self, value: f64) -> Result<(), StatsError> {
        match self {
            Detector::BoundedMean(detector) => detector.update(value),
            Detector::Bernoulli(detector) if value == 0.0 || value == 1.0 => {
                detector.update(value == 1.0);
                Ok(())
            }
            Detector::Bernoulli(_) => Err(StatsError::OutOfRange {
                what: "Bernoulli detector",
                index: 0,
                value: value.to_string(),
                range: "0 and 1",
            }),
        }
    }

    /// What it says now.
    pub fn reading(&self) -> Reading {
        match self {
            Detector::Bernoulli(detector) => detector.reading(),
            Detector::BoundedMean(detector) => detector.reading(),
        }
    }

    /// The evidence now, without the rest of the reading.
    pub fn evidence(&self) -> f64 {
        match self {
            Detector::Bernoulli(detector) => detector.evidence(),
            Detector::BoundedMean(detector) => detector.evidence(),
        }
    }

    /// Forgets all events, as after an alarm that was dealt with.
    pub fn reset(&mut self) {
        match self {
            Detector::Bernoulli(detector) => detector.reset(),
            Detector::BoundedMean(detector) => detector.reset(),
        }
    }
}

/// The part that both detectors share.
pub(super) mod bets {
    use super::super::wealth::{Scaled, Wealth, weighted_sum};
    use super::{Reading, Recursion};

    fn part(wealth: &Wealth, recursion: Recursion) -> Scaled {
        match recursion {
            Recursion::ShiryaevRoberts => wealth.sum,
            Recursion::Cusum => wealth.largest,
        }
    }

    pub(in super::super) fn evidence(
        weighted: impl Iterator<Item = (f64, Wealth)> + Clone,
        recursion: Recursion,
    ) -> (f64, f64) {
        weighted_sum(weighted.map(|(weight, wealth)| (weight, part(&wealth, recursion))))
    }

    pub(in super::super) fn reading(
        weighted: impl Iterator<Item = (f64, Wealth)> + Clone,
        recursion: Recursion,
        n: u64,
    ) -> Reading {
        let (evidence, ln) = evidence(weighted.clone(), recursion);
        let best = weighted.max_by(|(v, a), (w, b)| (v.ln() + a.largest.ln()).total_cmp(&(w.ln() + b.largest.ln())));
        let since = best.map_or(0, |(_, wealth)| wealth.start);
        Reading { evidence, ln_evidence: ln.max(f64::MIN), n, since }
    }
}
