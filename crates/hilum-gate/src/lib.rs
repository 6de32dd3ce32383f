//! Core: study facts, deployment and evidence to a decision, with a reason for every step.
//!
//! [`decide`] is a pure function: the same inputs give the same [`GateDecision`] for ever, so a decision can be
//! stored, explained, replayed, and shown as a dry run (architecture section 5). It fails closed: what cannot be
//! known leads to a study that is not analysed, and says so ([`unavailable`], MV-09).
//!
//! The same holds for a deployment's own steps: [`readiness`] lists everything that is missing, [`plan_promotion`]
//! makes the plan that the catalog carries out, and [`assign`] says which version answers for a study meanwhile.

mod acquisition;
mod assignment;
mod bounds;
mod decision;
mod evidence;
mod proof;
mod readiness;
mod review;
mod steps;

pub use acquisition::{AcquisitionFacts, EnvelopeFacts, GroupFacts};
pub use assignment::{Assignment, AssignmentInput, LimitedOutcome, Role, assign, settle};
pub use bounds::{RunFact, exceeded_bound};
pub use decision::{GateDecision, Outcome, Stage, Step, StepName, Verdict};
pub use evidence::{EvidenceFacts, EvidenceFound, evidence};
pub use proof::{approved_change, change_body, recovery, rules_digest};
pub use readiness::{Missing, Promotion, ProofInput, plan_promotion, readiness};
pub use review::{REVIEWED_KINDS, ReviewFacts, ReviewFound, review, reviewed_at};
pub use steps::{GateInput, PackageFacts, RolloutFacts, decide, unavailable};
