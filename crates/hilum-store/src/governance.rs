//! What is remembered about who answers for what: records, signatures, people, reference cases, aliases.

use crate::StoreError;
use async_trait::async_trait;
use hilum_sign::{NewRecord, Record, RecordKind, Signature};
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// Which records to list, newest first. `None` says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Of this kind.
    pub kind: Option<RecordKind>,
    /// About this subject.
    pub subject: Option<String>,
    /// Entered at or before this time: what was known then.
    pub until: Option<Timestamp>,
}

/// A record was entered, or was there already.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordAdded {
    /// The record as the catalog holds it; author and time are those of the first entry.
    pub record: Record,
    /// Whether it is new.
    pub is_new: bool,
}

/// A local user (until single sign-on exists).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Login name: 1 to 64 lower-case letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// Name for people, as it stands on reports.
    pub display_name: String,
    /// Stable names of their roles: `clinical`, `technical`, `governance`, `radiologist`, `data_scientist`, `auditor`.
    pub roles: Vec<String>,
    /// Empty, because whether a password is right shows by its opening the key. Rows entered earlier hold a hash that nothing
    /// reads, until the next change of the password.
    pub password_hash: String,
    /// Ed25519 public key, 64 hexadecimal digits.
    pub public_key: String,
    /// Ed25519 secret key, sealed under a key derived from the password.
    pub sealed_key: String,
    /// Whether they may act.
    pub active: bool,
    /// Since when.
    pub created_at: Timestamp,
}

/// What a case list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetRole {
    /// Acceptance or reference cases.
    Reference,
    /// Training or tuning cases of a model family.
    Training,
}

/// What two case lists are compared by (MV-11): no identifier leaves the site's keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaseFingerprint {
    /// Case identifier within its list.
    pub case_id: String,
    /// BLAKE3 keyed hash of the patient identifier, with the site's key; `None` when no patient is stated.
    pub patient: Option<Digest>,
    /// Digest of the decoded samples with their shape; the same image under another identifier has the same.
    pub pixels: Vec<Digest>,
}

/// A case that is in two lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Case of the list asked about.
    pub case_id: String,
    /// The other list.
    pub other_set: Digest,
    /// Case of the other list.
    pub other_case_id: String,
    /// `patient` or `pixels`.
    pub by: String,
}

/// A name for people that points at a version, kept apart from the lifecycle's stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Model name.
    pub model: String,
    /// Alias, such as `candidate`.
    pub alias: String,
    /// What it points at.
    pub package: Digest,
    /// Who moved it.
    pub actor: String,
    /// When.
    pub moved_at: Timestamp,
}

/// What [`Governance::governance_verify`] looked at, and what does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GovernanceReport {
    /// Records whose digest was recomputed.
    pub n_records: u64,
    /// Signatures that were verified.
    pub n_signatures: u64,
    /// Users.
    pub n_users: u64,
    /// Package rows.
    pub n_packages: u64,
    /// Moves of aliases.
    pub n_alias_moves: u64,
    /// Case lists whose fingerprints were recomputed.
    pub n_case_lists: u64,
    /// Deployments.
    pub n_deployments: u64,
    /// What was changed, put in or taken out by hand; empty when all holds.
    pub discrepancies: Vec<Discrepancy>,
}

/// Something in the catalog that no act of Hilum can have left like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discrepancy {
    /// What it is about: `record 1a2b...`, `user anna`, `alias cxr/candidate`, ...
    pub subject: String,
    /// What does not hold, in words.
    pub problem: String,
}

impl std::fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)
    }
}

/// Roles that a user may hold.
pub const USER_ROLES: [&str; 6] = ["clinical", "technical", "governance", "radiologist", "data_scientist", "auditor"];

/// Records, signatures, people, case fingerprints and aliases. Every act is one transaction with its audit entry.
#[async_trait]
pub trait Governance: Send + Sync {
    /// Enter a record. The same content again changes nothing.
    async fn record_add(&self, record: &NewRecord, now: Timestamp) -> Result<RecordAdded, StoreError>;

    /// The record of that digest, or of that unique beginning of one (12 digits or more), with its signatures.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when several begin like that.
    async fn record_get(&self, digest_or_prefix: &str) -> Result<Record, StoreError>;

    /// Records, newest first, with their signatures.
    async fn record_list(&self, filter: &RecordFilter, limit: u32) -> Result<Vec<Record>, StoreError>;

    /// Enter a signature. It must verify, the signer must be an active user with that key and that role, the role must
    /// be the one its meaning needs, the time must be within 10 minutes of `now`, and nobody signs the same record
    /// twice with the same meaning.
    async fn signature_add(&self, signature: &Signature, now: Timestamp) -> Result<(), StoreError>;

    /// Enter a user. A name is never given twice, not even after its user was deactivated.
    async fn user_add(&self, user: &User, actor: &str) -> Result<(), StoreError>;

    /// One user.
    async fn user_get(&self, name: &str) -> Result<Option<User>, StoreError>;

    /// Users by name.
    async fn user_list(&self) -> Result<Vec<User>, StoreError>;

    /// Change display name, roles, password or whether the user is active; the name stays, and so do earlier keys:
    /// a signature made with an earlier key remains valid.
    async fn user_change(&self, user: &User, actor: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Count one use of a reference set by a gate run; says how many there are now, this one included.
    async fn reference_use(
        &self,
        set: &Digest,
        protocol: &Digest,
        package: &Digest,
        actor: &str,
        now: Timestamp,
    ) -> Result<u32, StoreError>;

    /// How often a reference set was used.
    async fn reference_use_count(&self, set: &Digest) -> Result<u32, StoreError>;

    /// Remember the fingerprints of a case list; the same list again changes nothing. `model` is the family that a
    /// training list belongs to, and empty for a reference list.
    async fn fingerprints_add(
        &self,
        set: &Digest,
        role: SetRole,
        model: &str,
        cases: &[CaseFingerprint],
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Which of `cases` share a patient or an image with a list of that role; for training lists, of that family.
    /// In the order of the other list, case, other case; `patient` before `pixels`, one line per pair and kind.
    async fn fingerprints_overlap(
        &self,
        cases: &[CaseFingerprint],
        role: SetRole,
        model: &str,
    ) -> Result<Vec<Overlap>, StoreError>;

    /// Move an alias to a package of that model, if it points where `expected` says (`None`: nowhere yet).
    ///
    /// # Errors
    /// [`StoreError::Refused`] when somebody moved it meanwhile, or the package is of another model;
    /// [`StoreError::NotFound`] when there is no such package.
    async fn alias_move(
        &self,
        model: &str,
        alias: &str,
        to: &Digest,
        expected: Option<&Digest>,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Aliases as they stand, or every move of them, newest first.
    async fn alias_list(&self, model: Option<&str>, every_move: bool) -> Result<Vec<Alias>, StoreError>;

    /// Hold every record, signature, user, alias, package row, case list and deployment against the audit chain, recompute every
    /// digest and verify every signature with the key that was in force when it was made.
    ///
    /// It says nothing about the chain itself: see [`Catalog::audit_verify`](crate::Catalog::audit_verify).
    async fn governance_verify(&self) -> Result<GovernanceReport, StoreError>;
}
