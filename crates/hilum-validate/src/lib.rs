//! Core: acceptance protocol and cases to a verdict and a report, as data and as one static page.

mod case;
mod error;
pub mod protocol;

pub use case::{Case, Exposure, NotRunEnd, Outcome};
pub use error::ValidateError;
pub use protocol::{AcceptanceProtocol, EarlierVersion, Freezing, FrozenProtocol};
