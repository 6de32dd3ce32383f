/// What a caller can do about a [`StoreError`]; the edges map kinds to HTTP and DIMSE statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such thing: tell the asker.
    NotFound,
    /// The state does not allow it, or somebody else was first: read again and decide again.
    Conflict,
    /// Who asks has not proven who they are: refuse.
    Denied,
    /// The catalog or the disk is out of reach just now: try again later.
    Unavailable,
    /// No room left: refuse new objects (`A700`, 507), go on serving reads.
    OutOfResources,
    /// Stored data is not what it should be: stop using it and tell a person.
    Corrupt,
    /// The caller or this crate is wrong.
    Bug,
}

/// What the back end of the catalog said: code and message, which name tables and constraints but no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogFault {
    /// SQLSTATE, or SQLite's extended result code.
    pub code: Option<String>,
    /// Its message.
    pub text: String,
}

impl std::fmt::Display for CatalogFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} (code {code})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for CatalogFault {}

/// Why an act on the catalog or the blobs was not done. Texts hold no patient data, accession number or UID.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The state of the thing does not allow the act.
    #[error("{what}: {why}")]
    Refused {
        /// What was attempted.
        what: &'static str,
        /// Why it is not allowed, and what to do instead.
        why: String,
    },
    /// Somebody is not who they say, or may not act any more.
    #[error("the name or the password is wrong, or the person was deactivated")]
    NotSignedIn,
    /// The job is no longer leased to the caller: its lease ran out and passed on, or it was cancelled.
    #[error("the job is no longer leased to this worker: the lease passed on or the job was cancelled; drop the work")]
    LeaseLost,
    /// The study has a newer revision than the one the caller worked on.
    #[error("the study was reopened by a late image; decide again for its current revision")]
    StudyReopened,
    /// The deployment changed (applied, suspended, resumed) after the caller decided.
    #[error("the deployment changed after the decision; decide again")]
    DeploymentChanged,
    /// The catalog cannot be reached, is locked, or gave up the transaction.
    #[error("catalog unavailable while trying to {what}")]
    CatalogUnavailable {
        /// What was attempted.
        what: &'static str,
        /// Cause.
        #[source]
        source: CatalogFault,
    },
    /// The disk reserve is reached, or the disk of the catalog is full.
    #[error("no room left while trying to {what}; free space below the data directory or lower the reserve")]
    OutOfSpace {
        /// What was attempted.
        what: &'static str,
    },
    /// Reading or writing a file failed. A failed sync is never repeated on the same file.
    #[error("cannot {what} below the data directory")]
    File {
        /// What was attempted.
        what: &'static str,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A blob that a row names is gone, or its bytes are not those that were stored.
    #[error("stored object {digest} is damaged: {what}; restore it from a backup")]
    DamagedBlob {
        /// First digits of its digest.
        digest: String,
        /// Gone, or changed.
        what: &'static str,
    },
    /// A catalog row does not hold what this version writes.
    #[error("a catalog row cannot be read (column {column}); the catalog is damaged or newer than this program")]
    DamagedRow {
        /// Column that is wrong.
        column: &'static str,
    },
    /// The files of the catalog are damaged.
    #[error("catalog is damaged: found while trying to {what}; restore it from a backup")]
    DamagedCatalog {
        /// What was attempted.
        what: &'static str,
        /// Cause.
        #[source]
        source: CatalogFault,
    },
    /// The settings of the catalog would break the promise "acknowledged means durable", or do not fit.
    #[error("catalog cannot be used: {0}")]
    UnsafeCatalog(String),
    /// The process is shutting down.
    #[error("the store is shutting down; try again after the restart")]
    ShuttingDown,
    /// A statement of this crate is wrong.
    #[error("internal fault while trying to {what}")]
    Statement {
        /// What was attempted.
        what: &'static str,
        /// Cause.
        #[source]
        source: CatalogFault,
    },
    /// The caller gave something that cannot be stored.
    #[error("internal fault: {0}")]
    Misuse(String),
}

impl StoreError {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            StoreError::NotFound(_) => ErrorKind::NotFound,
            StoreError::NotSignedIn => ErrorKind::Denied,
            StoreError::Refused { .. }
            | StoreError::LeaseLost
            | StoreError::StudyReopened
            | StoreError::DeploymentChanged => ErrorKind::Conflict,
            StoreError::CatalogUnavailable { .. }
            | StoreError::File { .. }
            | StoreError::ShuttingDown
            | StoreError::UnsafeCatalog(_) => ErrorKind::Unavailable,
            StoreError::OutOfSpace { .. } => ErrorKind::OutOfResources,
            StoreError::DamagedBlob { .. } | StoreError::DamagedRow { .. } | StoreError::DamagedCatalog { .. } => {
                ErrorKind::Corrupt
            }
            StoreError::Statement { .. } | StoreError::Misuse(_) => ErrorKind::Bug,
        }
    }

    /// The same error again, when it cannot lie in one instance of a batch: the catalog is out of reach or full.
    pub(crate) fn of_whole_batch(&self) -> Option<StoreError> {
        match self {
            StoreError::CatalogUnavailable { what, source } => {
                Some(StoreError::CatalogUnavailable { what, source: source.clone() })
            }
            StoreError::OutOfSpace { what } => Some(StoreError::OutOfSpace { what }),
            _ => None,
        }
    }

    /// A file error, with a full disk told apart.
    pub(crate) fn file(what: &'static str, source: std::io::Error) -> StoreError {
        use std::io::ErrorKind as Io;
        match source.kind() {
            Io::StorageFull | Io::QuotaExceeded => StoreError::OutOfSpace { what },
            _ => StoreError::File { what, source },
        }
    }
}
