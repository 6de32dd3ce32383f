//! Control that stays valid under continuous looking: detectors with a declared false-alarm rate, intervals that hold at
//! every moment, control charts, and the budget that ties them to a calendar (MV-21, MV-29, MV-30).
//!
//! A test repeated every day fires by chance: twenty features tested daily at 5 % raise an alarm on two days of three. What
//! is here is built for being looked at after every study:
//!
//! * **e-detectors** ([`BernoulliDetector`], [`BoundedMeanDetector`], a [`Portfolio`] of both) accumulate evidence against
//!   a stated null. Raising the alarm when the evidence reaches `1 / alpha` keeps the mean number of events to a false
//!   alarm (the average run length) at `1 / alpha` or more, whatever dependence there is between events, as long as every
//!   event keeps to the null given all before it (Shin, Ramdas & Rinaldo, arXiv 2203.03532).
//! * **Confidence sequences** ([`rate_sequence`], [`rate_upper_sequence`], [`MeanSequence`], [`betting_sequence`]) are
//!   intervals that hold the truth at all moments together.
//! * **Charts** ([`CusumChart`], [`EwmaChart`]) are what clinicians know; their run lengths are computed, not quoted.
//! * **Budget** ([`FalseAlarmBudget`], [`rate_delay`], [`mean_delay`]): from "one false stop in ten years" to `1 / alpha`,
//!   and how long a real fault would take to be found: said before going live.
//!
//! Every state is a plain value: no clock, no randomness, only IEEE addition, multiplication and division between
//! events, so that the same events give the same bytes in any process.

mod arl;
mod bernoulli;
mod betting;
mod bounded;
mod budget;
mod chart;
mod delay;
mod detector;
mod mean_sequence;
mod pit;
mod portfolio;
mod rate_sequence;
mod wealth;

pub use arl::{ChartSides, cusum_arl, cusum_limit, ewma_arl, ewma_limit};
pub use bernoulli::{Alternative, BernoulliDetector, BernoulliSettings};
pub use betting::betting_sequence;
pub use bounded::{Bet, BoundedMeanDetector, BoundedMeanSettings};
pub use budget::{BudgetShare, FalseAlarmBudget};
pub use chart::{CusumChart, EwmaChart};
pub use delay::{DelayPlan, DetectionDelay, mean_delay, rate_delay};
pub use detector::{Detector, Direction, Reading, Recursion};
pub use mean_sequence::MeanSequence;
pub use pit::{mid_rank, mid_rank_of_counts, pit_margin, reference_margin};
pub use portfolio::{Member, Portfolio, PortfolioReading};
pub use rate_sequence::{rate_lower_sequence, rate_sequence, rate_upper_sequence};
