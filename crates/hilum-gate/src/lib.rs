//! Core: study facts, deployment and evidence to a decision, with a reason for every step.
//!
//! [`decide`] is a pure function: the same inputs give the same [`GateDecision`] for ever, so a decision can be
//! stored, explained, replayed, and shown as a dry run (architecture section 5). It fails closed: what cannot be
//! known leads to a study that is not analysed, and says so ([`unavailable`], MV-09).

mod decision;
mod steps;

pub use decision::{GateDecision, Outcome, Stage, Step, StepName, Verdict};
pub use steps::{GateInput, PackageFacts, decide, unavailable};
