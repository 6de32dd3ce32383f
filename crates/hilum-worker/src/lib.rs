//! Edge: carries out jobs: complete studies, ask the gate, infer, encode and deliver.
//!
//! A [`Worker`] makes no choices of its own: the gate decides, the package says how to run, the catalog keeps what
//! happened. Every job is leased and kept alive by heartbeats; a worker that dies loses its lease and another one
//! repeats the job, which ends in the same records and the same UIDs (AV-03).

mod backoff;
mod deliver;
mod destination;
mod evaluate;
mod facts;
mod infer;
mod models;
mod runner;

pub use backoff::RetryPolicy;
pub use deliver::{Attempt, send};
pub use destination::{Destination, Protocol};
pub use evaluate::{DryRunLine, dry_run};
pub use facts::package_facts;
pub use models::{ImportError, Imported, Models};
pub use runner::{Worker, WorkerError, WorkerOptions};
