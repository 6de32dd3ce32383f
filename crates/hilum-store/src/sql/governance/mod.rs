//! The trait [`Governance`] on SQL: one module per subject.

mod aliases;
mod fingerprints;
mod proof;
mod records;
mod users;
mod verify;

use super::SqlCatalog;
use crate::StoreError;
use crate::governance::{
    Alias, CaseFingerprint, Governance, GovernanceReport, Overlap, RecordAdded, RecordFilter, SetRole, User,
};
use async_trait::async_trait;
use hilum_sign::{NewRecord, Record, Signature};
use hilum_types::{Digest, Timestamp};
pub(super) use proof::package_proof;
pub(super) use records::{record_held, record_signed_list};

/// Hands every method of the trait to the function of the same name in the module of its subject.
macro_rules! governance {
    ($($module:ident { $(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $output:ty;)* })*) => {
        #[async_trait]
        impl Governance for SqlCatalog {
            $($(async fn $name(&self $(, $argument: $type)*) -> Result<$output, StoreError> {
                $module::$name(self $(, $argument)*).await
            })*)*
        }
    };
}

governance! {
    records {
    fn record_add(&self, record: &NewRecord, now: Timestamp) -> RecordAdded;
    fn record_get(&self, digest_or_prefix: &str) -> Record;
    fn record_list(&self, filter: &RecordFilter, limit: u32) -> Vec<Record>;
    fn signature_add(&self, signature: &Signature, now: Timestamp) -> ();
    }
    users {
    fn user_add(&self, user: &User, actor: &str) -> ();
    fn user_get(&self, name: &str) -> Option<User>;
    fn user_list(&self) -> Vec<User>;
    fn user_change(&self, user: &User, actor: &str, now: Timestamp) -> ();
    }
    fingerprints {
    fn reference_use(
        &self, set: &Digest, protocol: &Digest, package: &Digest, actor: &str, now: Timestamp,
    ) -> u32;
    fn reference_use_count(&self, set: &Digest) -> u32;
    fn fingerprints_add(
        &self, set: &Digest, role: SetRole, model: &str, cases: &[CaseFingerprint], actor: &str, now: Timestamp,
    ) -> ();
    fn fingerprints_overlap(&self, cases: &[CaseFingerprint], role: SetRole, model: &str) -> Vec<Overlap>;
    }
    aliases {
    fn alias_move(
        &self, model: &str, alias: &str, to: &Digest, expected: Option<&Digest>, actor: &str, now: Timestamp,
    ) -> ();
    fn alias_list(&self, model: Option<&str>, every_move: bool) -> Vec<Alias>;
    }
    verify {
    fn governance_verify(&self) -> GovernanceReport;
    }
}

/// A refusal.
fn refused(what: &'static str, why: impl Into<String>) -> StoreError {
    StoreError::Refused { what, why: why.into() }
}

/// The beginning of a digest, in lower case: 12 to 64 hexadecimal digits.
pub(super) fn digest_prefix(what: &'static str, text: &str) -> Result<String, StoreError> {
    let prefix = text.to_ascii_lowercase();
    if prefix.len() < 12 || 64 < prefix.len() || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(refused(what, "name it by its digest, or by at least its first 12 digits"));
    }
    Ok(prefix)
}

/// A name for people and command lines: 1 to 64 lower-case letters, digits, `-`, `_`, `.`, not beginning with `-`.
fn is_name(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-')
}
