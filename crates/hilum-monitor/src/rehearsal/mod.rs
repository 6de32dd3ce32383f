//! Rehearsal: rules tried before they are needed, on simulated days with injected faults or on recorded days (MV-29, MV-45,
//! UX-15).
//!
//! A [`Scenario`] says what a site is like while all is well; a [`Fault`] says what goes wrong, when, and how soon it has to
//! be found. [`rehearse`] draws studies and labels in the order in which they would become known, and runs the very fold
//! that runs in the catalog's acts ([`crate::fold`]) over them: what comes out is how often the rules stop a sound version,
//! and how long a fault goes unnoticed, with the cases missed meanwhile. [`replay`] does the same with what was recorded.
//! What a fault does is assumed, stated, or a [`Measurement`] on the cases of a reference set.
//! Neither has a catalog, a clock or a connection: nothing is written, and nothing can leave.

mod course;
mod expectation;
mod fault;
mod figures;
mod measured;
mod replay;
mod report;
mod runs;
mod scenario;
mod watch;
mod world;

pub use course::{Course, Happening, SimulatedStudy};
pub use expectation::{Change, Expectation};
pub use fault::{Effect, EffectSource, Fault, FaultKind};
pub use figures::BEYOND_HORIZON;
pub use measured::{CaseAnswer, CaseEnd, CaseTruth, Experiment, FaultPair, Measurement, SHIFT_MAX};
pub use replay::{REPLAY_FORMAT, Replay, replay};
pub use report::{
    Delays, FaultReport, FirstRule, InControl, MissedCases, Quantiles, REHEARSAL_FORMAT, Rehearsal, RuleInControl,
    Verdict, rehearse, rehearse_faults,
};
pub use scenario::{Declared, FindingScenario, GroupScenario, LabelScenario, Scenario};
pub use watch::{EVIDENCE, Watch};
pub use world::World;

#[cfg(test)]
mod tests;
