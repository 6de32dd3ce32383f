use crate::reference::ReferenceError;
use hilum_infer::InferError;
use hilum_store::StoreError;
use hilum_validate::ValidateError;
use std::path::PathBuf;

/// Why a trial was not carried out. Nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// What was asked for does not fit together; the text names cause and remedy.
    #[error("{0}")]
    Refused(String),
    /// The package cannot be started.
    #[error("the package cannot be started")]
    Package(#[source] InferError),
    /// A stored image is not what the list says.
    #[error("case {case:?} cannot be read: {why}; restore the object from a backup or import the set again")]
    Case {
        /// The case.
        case: String,
        /// What is wrong.
        why: String,
    },
    /// The reference set cannot be used.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The acquisition envelope cannot be learned from the set.
    #[error(transparent)]
    Envelope(#[from] hilum_monitor::envelope::EnvelopeError),
    /// No case shows what a fault does.
    #[error(transparent)]
    Unmeasured(#[from] hilum_monitor::MonitorError),
    /// Protocol, plan or report.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// The catalog or the blob folder does not answer.
    #[error("the catalog or the stored images are out of reach")]
    Store(#[from] StoreError),
    /// What was run already could not be noted.
    #[error("cannot write the journal of the run {path}")]
    Journal {
        /// Its file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A defect, held back.
    #[error("the trial ended by a defect; please report it")]
    Defect,
}
