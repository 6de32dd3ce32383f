use super::AcceptanceProtocol;
use crate::ValidateError;
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_types::Digest;
use serde::{Deserialize, Serialize};

/// What is known of a protocol that was frozen before, read from the records.
///
/// Give [`Freezing::decide`] those of the same name, and those of other names on the same reference set: who renames a
/// protocol after seeing results has seen them all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierVersion {
    /// Name of the protocol.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its content ([`AcceptanceProtocol::content_digest`]).
    pub content: Digest,
    /// Record in which it was frozen.
    pub record: Digest,
    /// Whether it was marked post-hoc.
    pub post_hoc: bool,
    /// Whether a validation under it has been run: then somebody may have seen its results.
    pub results_seen: bool,
    /// `false` only when it is known that its reference set has no patient in common with the new one's.
    pub shares_cases: bool,
}

/// What freezing a protocol comes to (MV-10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freezing {
    /// The same content is frozen already; use that record.
    Already {
        /// The record.
        record: Digest,
        /// The version it has.
        version: u32,
        /// Whether it is marked.
        post_hoc: bool,
    },
    /// A new version.
    New {
        /// The version it gets.
        version: u32,
        /// Whether results on the same cases had been seen before it was written: its verdict explores, it does not confirm.
        post_hoc: bool,
        /// The latest version of that name before it.
        supersedes: Option<Digest>,
    },
}

impl Freezing {
    /// Decide whether `protocol` is new, which version number it gets, and whether it is post-hoc.
    ///
    /// The same content as an earlier version of that name is that version. Otherwise the number is one more than the
    /// highest, and the mark is set when any earlier protocol that shares cases was run.
    pub fn decide(protocol: &AcceptanceProtocol, earlier: &[EarlierVersion]) -> Freezing {
        let content = protocol.content_digest();
        let own = || earlier.iter().filter(|version| version.name == protocol.name);
        if let Some(same) = own().filter(|version| version.content == content).min_by_key(|version| version.version) {
            return Freezing::Already { record: same.record, version: same.version, post_hoc: same.post_hoc };
        }
        let latest = own().max_by_key(|version| version.version);
        Freezing::New {
            version: latest.map_or(1, |version| version.version.saturating_add(1)),
            post_hoc: earlier.iter().any(|version| version.results_seen && version.shares_cases),
            supersedes: latest.map(|version| version.record),
        }
    }
}

/// A protocol as it is entered: content, version, and whether it was written after results were seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenProtocol {
    /// Format of this document, 1.
    pub format: u32,
    /// The protocol.
    pub protocol: AcceptanceProtocol,
    /// Its content digest.
    pub content: Digest,
    /// Written after results on the same cases were seen.
    pub post_hoc: bool,
    /// Record of the version before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Digest>,
}

impl FrozenProtocol {
    /// Freeze a new version as `decision` says.
    ///
    /// # Errors
    /// [`ValidateError::Version`] when the file does not carry the number that is next, so that a reader of the file and
    /// a reader of the record never mean two things by one number.
    pub fn new(
        protocol: AcceptanceProtocol,
        next: u32,
        post_hoc: bool,
        supersedes: Option<Digest>,
    ) -> Result<FrozenProtocol, ValidateError> {
        if protocol.version != next {
            return Err(ValidateError::Version { name: protocol.name, found: protocol.version, next });
        }
        let content = protocol.content_digest();
        Ok(FrozenProtocol { format: 1, protocol, content, post_hoc, supersedes })
    }

    /// The record to enter: kind `protocol`, subject its name.
    pub fn record(&self, author: &str) -> NewRecord {
        NewRecord {
            kind: RecordKind::Protocol,
            subject: self.protocol.name.clone(),
            body: serde_json::to_value(self).expect("a protocol holds text, numbers and lists only"),
            author: author.to_owned(),
        }
    }

    /// Read a record back, checked.
    ///
    /// # Errors
    /// [`ValidateError::Record`] when the record is of another kind, was changed, or cannot be read.
    pub fn from_record(record: &Record) -> Result<FrozenProtocol, ValidateError> {
        let refuse = |why: String| ValidateError::Record { record: record.digest.short(), why };
        if record.kind != RecordKind::Protocol {
            return Err(refuse(format!("it is of kind {}", record.kind.name())));
        }
        if !record.is_intact() {
            return Err(refuse("its content no longer has its digest".to_owned()));
        }
        let frozen: FrozenProtocol =
            serde_json::from_value(record.body.clone()).map_err(|error| refuse(error.to_string()))?;
        if frozen.protocol.content_digest() != frozen.content {
            return Err(refuse("its content digest does not fit its content".to_owned()));
        }
        Ok(frozen)
    }
}
