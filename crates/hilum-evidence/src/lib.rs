//! Core: records to model card, evidence pack and periodic report, with an honest list of what is missing.
//!
//! Everything is made of [`SiteFacts`], which the caller gathers as of one position of the audit chain: the same facts
//! give the same bytes, on any day. A matter on which no fact answers is named as missing; nothing is filled in.

mod card;
mod card_text;
mod error;
mod facts;
mod figure;
pub mod law;
mod markdown;
pub mod pack;
mod page;
pub mod periodic;
mod words;

pub use card::{Card, CardDifference, CardFile, CardFiles, NOT_STATED};
pub use card_text::{CardText, TEXT_FIELDS, TextField};
pub use error::EvidenceError;
pub use facts::{AsOf, DeploymentEvent, DeploymentFacts, PackageFacts, PersonFacts, SiteFacts, Window};
pub use figure::{Figure, ValidationFacts};
pub use law::Law;
pub use periodic::PeriodicReport;

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
