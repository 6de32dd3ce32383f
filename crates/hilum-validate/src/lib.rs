//! Core: acceptance protocol and cases to a verdict and a report, as data and as one static page.
//!
//! [`plan`] says before the run what the cases can show; [`evaluate`] judges the outcomes and makes the [`Report`];
//! [`render_page`] writes it down for people.

mod case;
pub mod case_list;
mod chart;
mod conclude;
mod describe;
mod error;
mod evaluate;
mod figures;
mod judge;
mod page;
mod plan;
mod prepared;
pub mod protocol;
mod reference_scores;
pub mod report;
mod text;
pub mod version_comparison;

pub use case::{Case, NotRunEnd, Outcome};
pub use case_list::{CaseList, ListedCase, ListedInstance, ReferenceLabel};
pub use error::ValidateError;
pub use evaluate::{EvaluationInput, evaluate};
pub use hilum_types::{Exposure, Independence};
pub use page::{FailureImages, render_page};
pub use plan::{Needed, Plan, PlannedGate, plan};
pub use protocol::{AcceptanceProtocol, EarlierVersion, Freezing, FrozenProtocol};
pub use reference_scores::reference_scores;
pub use report::{FailureCase, ModelIdentity, ReferenceSetIdentity, Report, RunFacts, Verdict, Waiver, report_schema};
pub use version_comparison::{CategoryFlip, VersionComparison, compare_versions};
