//! Core: records that never change, and the signatures of people and of makers over them.
//!
//! A [`Record`] is a JSON document named by the digest of its [`canonical_text`]; whoever changes one byte changes its
//! name. People sign the name, with a meaning and a time (Ed25519, [`Signature`]); packages are signed by OpenSSF Model
//! Signing v1.0. Randomness and time come in as arguments.

mod canonical;
mod record;

pub use canonical::canonical_text;
pub use record::{NewRecord, Record, RecordKind, Signature, SignatureMeaning};
