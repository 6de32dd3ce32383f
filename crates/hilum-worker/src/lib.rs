//! Edge: carries out jobs: complete studies, ask the gate, infer, encode and deliver; and approved recalls.
//!
//! A [`Worker`] makes no choices of its own: the gate decides, the package says how to run, the catalog keeps what
//! happened. Every job is leased and kept alive by heartbeats; a worker that dies loses its lease and another one
//! repeats the job, which ends in the same records and the same UIDs (AV-03). A job that waits for a product outside goes
//! back to the queue meanwhile.

mod assessment;
mod assessment_report;
mod backoff;
mod black_box;
mod canary;
mod deliver;
mod destination;
mod evaluate;
mod facts;
mod family;
mod infer;
mod inspect;
mod kept;
mod models;
pub mod notify;
mod observe;
mod pairwise;
mod proof;
mod recall;
pub mod reference;
mod runner;
mod site_key;
mod traces;
pub mod trial;
pub mod trust;
mod watch;

pub use backoff::RetryPolicy;
pub use deliver::{Attempt, send};
pub use destination::{Destination, Protocol};
pub use evaluate::{DryRunLine, dry_run};
pub use facts::package_facts;
pub use kept::{kept_problems, kept_signature_path};
pub use models::{ImportError, Imported, Models};
pub use pairwise::{FindingComparison, Flip, Pairwise, SideFigures, compare_runs};
pub use proof::Proof;
pub use recall::{RecallOutcome, carry_out_recall};
pub use runner::{Worker, WorkerError, WorkerOptions};
pub use site_key::SiteKey;
pub use trust::Trust;
