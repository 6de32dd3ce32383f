use crate::check::{at_least, number};
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

const WHAT: &str = "false-alarm budget";
const DAYS_PER_YEAR: f64 = 365.25;

/// How often a deployment may raise a false alarm of one kind: the user's only knob. One false review a year is 1.0, one false
/// suspension in ten years is 0.1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FalseAlarmBudget {
    /// False alarms per year of the whole deployment, above 0.
    pub per_year: f64,
}

/// What one stream gets of the budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetShare {
    /// Name of the stream.
    pub name: String,
    /// Share of the budget, above 0; all shares are divided by their sum.
    pub share: f64,
    /// Events of this stream per day, as measured, above 0.
    pub events_per_day: f64,
}

impl FalseAlarmBudget {
    /// Events of a stream of this volume in the mean time between false alarms of the whole budget, from 1: `1 / alpha` of a
    /// detector that has the budget to itself, and [`Member::events`](super::Member::events) in a portfolio.
    ///
    /// # Errors
    /// `OutOfRange` for a budget outside (0, 1000] or a volume outside (0, 1e8]; `Undefined` where less than one event falls
    /// between false alarms, so that the budget asks for no evidence at all.
    pub fn events(&self, events_per_day: f64) -> Result<f64, StatsError> {
        number(WHAT, self.per_year, "(0, 1000] alarms per year", |v| 0.0 < v && v <= 1000.0)?;
        number(WHAT, events_per_day, "(0, 1e8] events per day", |v| 0.0 < v && v <= 1e8)?;
        let events = DAYS_PER_YEAR * events_per_day / self.per_year;
        if events < 1.0 {
            return Err(StatsError::Undefined {
                what: WHAT,
                why: "it allows an alarm at every event of so rare a stream",
            });
        }
        Ok(events)
    }

    /// `1 / alpha` of each stream, where each has a detector and an alarm of its own: the shares of the budget add up, so the
    /// alarms of all together keep to it.
    ///
    /// # Errors
    /// As [`FalseAlarmBudget::events`]; `TooFew` without streams; `OutOfRange` for a share that is not above 0.
    ///
    /// # Examples
    /// One false suspension in ten years; half of it for the miss rate of 10 positives a day, half for 100 studies a day.
    /// ```
    /// use hilum_stats::sequential::{BudgetShare, FalseAlarmBudget};
    /// let stream = |name: &str, events_per_day| BudgetShare { name: name.into(), share: 0.5, events_per_day };
    /// let budget = FalseAlarmBudget { per_year: 0.1 };
    /// let thresholds = budget.thresholds(&[stream("misses", 10.0), stream("failures", 100.0)]).unwrap();
    /// assert_eq!(thresholds, [73_050.0, 730_500.0]);
    /// ```
    pub fn thresholds(&self, streams: &[BudgetShare]) -> Result<Vec<f64>, StatsError> {
        at_least(WHAT, "streams", 1, streams.len() as u64)?;
        for stream in streams {
            number(WHAT, stream.share, "(0, 1000000] for a share", |v| 0.0 < v && v <= 1e6)?;
        }
        let total: f64 = streams.iter().map(|stream| stream.share).sum();
        streams.iter().map(|stream| Ok(self.events(stream.events_per_day)? * total / stream.share)).collect()
    }
}
