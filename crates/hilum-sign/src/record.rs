use crate::canonical_text;
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every member.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The stable name that is stored and signed.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// The member of that stable name.
            pub fn from_name(name: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|member| member.name() == name)
            }
        }
    };
}

names! {
    /// What a record is about. Its `subject` says of what.
    RecordKind {
        /// An immutable list of reference cases; subject: its name.
        ReferenceSet = "reference_set",
        /// What a model family was trained or tuned on; subject: the model name.
        TrainingSet = "training_set",
        /// A frozen acceptance protocol; subject: its name.
        Protocol = "protocol",
        /// The report of one acceptance test; subject: the package digest.
        Validation = "validation",
        /// The reference set re-run before a change takes effect (MV-14); subject: the deployment.
        Replay = "replay",
        /// Two versions on the same cases (MV-17); subject: the newer package digest.
        Comparison = "comparison",
        /// A gap that somebody answers for, with an end; subject: the record it waives something of.
        Waiver = "waiver",
        /// A change to a deployment that needs signatures before it takes effect; subject: the deployment.
        Change = "change",
        /// One run of fixed cases through a black-box product (MV-15); subject: the deployment.
        Canary = "canary",
        /// Which results of a version shall be retracted (AV-11); subject: the package digest.
        Recall = "recall",
        /// A person was trained for a version (UX-10); subject: the user name.
        UserTraining = "user_training",
        /// What people wrote for the model card; subject: the package digest.
        CardText = "card_text",
        /// A report over a window of time (GV-04); subject: the deployment.
        PeriodicReport = "periodic_report",
        /// Figures of a version as they were known at a moment (MV-27); subject: the deployment.
        MonitoringEvidence = "monitoring_evidence",
        /// The acquisition envelope of a package, learned from a reference set (MV-04); subject: the package digest.
        Envelope = "envelope",
        /// Stop rules tried on simulated or recorded days before they are needed (MV-45); subject: the deployment.
        Rehearsal = "rehearsal",
        /// The signature of a package's maker, with the key that verified it (AV-07); subject: the package digest.
        PackageSignature = "package_signature",
        /// How often a report extractor is wrong (MV-28); subject: finding, name and version.
        ExtractorError = "extractor_error",
    }
}

names! {
    /// What a signature means (21 CFR 11.50, GV-02).
    SignatureMeaning {
        /// "I wrote this."
        Authored = "authored",
        /// "I have read this."
        Reviewed = "reviewed",
        /// "I answer for this clinically; it may take effect."
        ApprovedClinical = "approved_clinical",
        /// "I answer for this technically; it may take effect."
        ApprovedTechnical = "approved_technical",
        /// "This must not take effect."
        Rejected = "rejected",
        /// "I accept this gap until it ends."
        Waived = "waived",
        /// "I have been told." (UX-09)
        Acknowledged = "acknowledged",
    }
}

/// A record before it is entered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecord {
    /// What it is about.
    pub kind: RecordKind,
    /// Of what; see [`RecordKind`].
    pub subject: String,
    /// The document itself, with a `format` number; no direct patient identifier.
    pub body: Value,
    /// Who wrote it: `user:<name>` or `system:<part>`.
    pub author: String,
}

impl NewRecord {
    /// Its name: the BLAKE3 digest of the canonical text of kind, subject and body. Author and time are not part of it,
    /// so the same content is the same record.
    pub fn digest(&self) -> Digest {
        record_digest(self.kind, &self.subject, &self.body)
    }
}

fn record_digest(kind: RecordKind, subject: &str, body: &Value) -> Digest {
    Digest::of(canonical_text(&json!({ "kind": kind.name(), "subject": subject, "body": body })).as_bytes())
}

/// A record as it was entered. It never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub digest: Digest,
    /// What it is about.
    pub kind: RecordKind,
    /// Of what.
    pub subject: String,
    /// The document.
    pub body: Value,
    /// Who wrote it.
    pub author: String,
    /// When it was entered.
    pub created_at: Timestamp,
    /// Signatures over it, oldest first.
    pub signatures: Vec<Signature>,
}

impl Record {
    /// Whether the content still has the name it was entered under.
    pub fn is_intact(&self) -> bool {
        record_digest(self.kind, &self.subject, &self.body) == self.digest
    }
}

/// A person's electronic signature over a record (GV-02): Ed25519 over the canonical text of
/// `{"format":1,"record":...,"meaning":...,"signer":...,"role":...,"signed_at":...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The record.
    pub record: Digest,
    /// What it means.
    pub meaning: SignatureMeaning,
    /// User name of the signer.
    pub signer: String,
    /// The role in which they sign.
    pub role: String,
    /// When.
    pub signed_at: Timestamp,
    /// Ed25519 public key, 64 hexadecimal digits.
    pub public_key: String,
    /// Ed25519 signature, 128 hexadecimal digits.
    pub signature: String,
}
