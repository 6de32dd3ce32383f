//! Core: hash-chained records and their verification.
//!
//! Every act leaves one [`AuditEntry`] in the same transaction (privacy page, section 3). Each entry carries the hash
//! of the one before it, so that a changed, removed, reordered or cut-off entry is named by [`verify`]. No direct
//! identifier of a patient is inside the chain (PR-13): subjects are opaque keys, details are digests and counts.

mod chain;
mod event;

pub use chain::{
    AuditEntry, ChainHash, Checkpoint, GENESIS, InvalidChainHash, TamperKind, Tampering, Verified, Verifier, verify,
};
pub use event::{AuditAction, AuditEvent, AuditOutcome, AuditSubject, SubjectKind};
