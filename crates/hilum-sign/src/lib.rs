//! Core: records that never change, and the signatures of people and of makers over them.
//!
//! A [`Record`] is a JSON document named by the digest of its [`canonical_text`]; whoever changes one byte changes its
//! name. People sign the name, with a meaning and a time (Ed25519, [`Signature`]); packages are signed by OpenSSF Model
//! Signing v1.0. Randomness and time come in as arguments.

mod approval;
mod canonical;
mod error;
mod maker_key;
mod model_signature;
mod person;
mod record;
mod seal;

pub use approval::{Approvals, approvals, signed_by_others};
pub use canonical::canonical_text;
pub use error::{PASSWORD_CHARS_MIN, SignError};
pub use maker_key::{MakerKey, MakerPublicKey};
pub use model_signature::{
    Difference, FileDigest, SIGNATURE_BYTES_MAX, SignedTree, claimed_fingerprint, differences, read_tree_signature,
    sign_tree,
};
pub use person::{PersonKey, ToSign, unhex};
pub use record::{NewRecord, Record, RecordKind, Signature, SignatureMeaning};
pub use seal::{SealRandom, open_key, open_nothing, seal_key};
