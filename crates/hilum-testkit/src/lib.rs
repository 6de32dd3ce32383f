//! Program: phantoms with known findings, simulated modality and PACS, a fake clock and seeded draws.
//!
//! Everything is a function of a seed: [`dx`] and [`ct`] give the same bytes on every machine, [`Schedule`] says what
//! arrives on which day and lets a scanner change, [`SimulatedModality`] sends over real C-STORE and keeps a ledger of
//! what was acknowledged, [`SimulatedPacs`] receives and misbehaves by script. Nobody in a phantom exists.

pub mod acquisition;
pub mod finding;
pub mod peer;
pub mod phantom;
pub mod schedule;

mod clock;
mod draw;
mod error;
mod object;
mod sample;
mod subject;

pub use acquisition::{Acquisition, Kernel, Photometric, Radiography, View};
pub use clock::FakeClock;
pub use draw::{Draw, SeededEntropy};
pub use error::TestkitError;
pub use finding::{FindingSpec, Mask, Side, TrueFinding, Truth};
pub use object::{CtObjects, Phantom, PhantomInstance, ct, dx};
pub use peer::{Behaviour, Keep, Ledger, Order, Received, Rule, Script, Sent, SimulatedModality, SimulatedPacs, When};
pub use sample::SampleSet;
pub use schedule::{PlannedStudy, Prevalence, Schedule, Source, StudyKind};
pub use subject::{Sex, Subject};
