use super::detector::{Detector, Reading};
use crate::check::{at_least, number};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "portfolio of detectors";

/// A detector with its part of the false-alarm budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Unique within the portfolio.
    pub name: String,
    /// Share of the budget, above 0; all shares are divided by their sum.
    pub share: f64,
    /// Events expected in this stream within the wanted run length of the whole portfolio, from 1
    /// ([`FalseAlarmBudget::events`](super::FalseAlarmBudget::events) of the stream's volume with the whole budget).
    pub events: f64,
    /// The detector.
    pub detector: Detector,
}

/// What one member contributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortfolioReading {
    /// Name of the member.
    pub name: String,
    /// Its part of the portfolio's evidence.
    pub evidence: f64,
    /// What its detector says by itself.
    pub reading: Reading,
}

/// Several e-detectors under one budget: their weighted sum is an e-detector again, so no correction for their number is
/// needed, and evidence from several weak signals adds up.
///
/// Streams have volumes of their own (every study has a noise level, one in ten a label). A detector's evidence has mean at
/// most its number of events, so it is divided by the events its stream has in the wanted run length: `sum of share *
/// evidence / events` reaches 1 by chance not sooner, on average, than the wanted time. **The alarm is at 1.** A stream with
/// twice the volume expected spends its part twice as fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Member>", into = "Vec<Member>")]
pub struct Portfolio {
    members: Vec<Member>,
}

impl Portfolio {
    /// A portfolio of these members.
    ///
    /// # Errors
    /// `TooFew` without members; `OutOfRange` for a share or number of events that is not sound; `Undefined` for two members
    /// of one name.
    pub fn new(members: Vec<Member>) -> Result<Portfolio, StatsError> {
        at_least(WHAT, "detectors", 1, members.len() as u64)?;
        let mut names = std::collections::BTreeSet::new();
        for member in &members {
            number(WHAT, member.share, "(0, 1000000] for a share", |v| 0.0 < v && v <= 1e6)?;
            number(WHAT, member.events, "[1, 1e15] for the events of a stream", |v| (1.0..=1e15).contains(&v))?;
            if !names.insert(&member.name) {
                return Err(StatsError::Undefined { what: WHAT, why: "two of its detectors have one name" });
            }
        }
        Ok(Portfolio { members })
    }

    /// The members, in the order given.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Takes in one event of the stream called `name`.
    ///
    /// # Errors
    /// `Undefined` for a name it does not know; otherwise as [`Detector::update`].
    pub fn update(&mut self, name: &str, value: f64) -> Result<(), StatsError> {
        match self.members.iter_mut().find(|member| member.name == name) {
            Some(member) => member.detector.update(value),
            None => Err(StatsError::Undefined { what: WHAT, why: "there is no detector of that name in it" }),
        }
    }

    fn parts(&self) -> impl Iterator<Item = (&Member, f64)> {
        let total: f64 = self.members.iter().map(|member| member.share).sum();
        self.members
            .iter()
            .map(move |member| (member, member.share / total * (member.detector.evidence() / member.events)))
    }

    /// The evidence of all together; the alarm is raised when it reaches 1. At most [`f64::MAX`].
    pub fn evidence(&self) -> f64 {
        self.parts().map(|(_, part)| part).sum::<f64>().min(f64::MAX)
    }

    /// What each member contributes, the largest first.
    pub fn readings(&self) -> Vec<PortfolioReading> {
        let reading = |(member, evidence): (&Member, f64)| PortfolioReading {
            name: member.name.clone(),
            evidence,
            reading: member.detector.reading(),
        };
        let mut readings: Vec<PortfolioReading> = self.parts().map(reading).collect();
        readings.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
        readings
    }

    /// Forgets all events of all members.
    pub fn reset(&mut self) {
        self.members.iter_mut().for_each(|member| member.detector.reset());
    }
}

impl TryFrom<Vec<Member>> for Portfolio {
    type Error = StatsError;

    fn try_from(members: Vec<Member>) -> Result<Portfolio, StatsError> {
        Portfolio::new(members)
    }
}

impl From<Portfolio> for Vec<Member> {
    fn from(portfolio: Portfolio) -> Vec<Member> {
        portfolio.members
    }
}
