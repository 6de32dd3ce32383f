use hilum_registry::PackageRefused;
use hilum_types::Digest;

/// Why a package cannot be loaded or a run gave no output.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The package does not pass its checks.
    #[error(transparent)]
    Refused(#[from] PackageRefused),
    /// The package on disk is not the version that was asked for.
    #[error("the package is version {found}, expected was {expected}; import it again or restore its files")]
    OtherVersion {
        /// Digest wanted.
        expected: Digest,
        /// Digest found.
        found: Digest,
    },
    /// The signature of the package's maker is missing where one is asked for, or does not hold (AV-07).
    #[error("the signature does not hold: {0}")]
    Signature(String),
    /// A golden case gives something else than recorded (AV-07).
    #[error("golden case {case} differs on {engine}: {}; the package is not started", .differences.join("; "))]
    Golden {
        /// Name of the case.
        case: String,
        /// Engine it ran on.
        engine: String,
        /// What differs.
        differences: Vec<String>,
    },
    /// Two engines disagree on a golden case by more than its tolerance: the model is not portable.
    #[error("{first} and {second} disagree on golden case {case}: {difference}; widen the tolerance or export again")]
    EnginesDisagree {
        /// Name of the case.
        case: String,
        /// One engine.
        first: String,
        /// The other.
        second: String,
        /// The difference.
        difference: String,
    },
    /// The images cannot be prepared as the manifest says.
    #[error("the images do not fit the model: {0}")]
    Images(String),
    /// Pixels cannot be decoded.
    #[error("an image cannot be decoded")]
    Pixels(#[source] hilum_dicom::DicomError),
    /// The time limit of the job.
    #[error(
        "the model did not finish within {seconds} s and was stopped; raise resources.deadline_seconds if that is too short"
    )]
    Deadline {
        /// The limit.
        seconds: f64,
    },
    /// The memory limit of the job, found out before allocating.
    #[error("the run needs about {needed_mb} MiB, resources.memory_mb allows {limit_mb}")]
    Memory {
        /// Estimate.
        needed_mb: u64,
        /// Limit.
        limit_mb: u64,
    },
    /// The engine refused the model or failed in a run.
    #[error("{engine} failed: {problem}")]
    Engine {
        /// Name and version.
        engine: String,
        /// Its words.
        problem: String,
    },
    /// A server elsewhere has, or answered with, another version than the package declares (MV-15).
    #[error("the server runs version {found} instead of {expected}; import a package that declares the new version")]
    RemoteVersion {
        /// Version declared.
        expected: String,
        /// Version found.
        found: String,
    },
    /// Output tensors do not mean what the manifest says.
    #[error("the model's output does not fit its manifest: {0}")]
    Output(String),
    /// A defect in this program, held back so that the caller lives on.
    #[error("inference stopped by a defect: {0}; please report it")]
    Defect(String),
    /// A file of the package cannot be read or written.
    #[error("{what} {path}")]
    File {
        /// What was attempted.
        what: &'static str,
        /// Path within the package, or the package folder.
        path: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}

/// What a caller can do about an [`InferError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InferErrorKind {
    /// The package is not fit for use: suspend what runs it.
    Package,
    /// This study cannot be read by this model.
    Study,
    /// A limit of time or memory: `Failed(limit)`.
    Limit,
    /// May work on another try or another machine.
    Engine,
    /// A defect.
    Defect,
}

impl InferError {
    /// The group this error belongs to.
    pub fn kind(&self) -> InferErrorKind {
        match self {
            InferError::Refused(_)
            | InferError::OtherVersion { .. }
            | InferError::Signature(_)
            | InferError::Golden { .. }
            | InferError::EnginesDisagree { .. }
            | InferError::RemoteVersion { .. }
            | InferError::Output(_) => InferErrorKind::Package,
            InferError::Images(_) | InferError::Pixels(_) => InferErrorKind::Study,
            InferError::Deadline { .. } | InferError::Memory { .. } => InferErrorKind::Limit,
            InferError::Engine { .. } | InferError::File { .. } => InferErrorKind::Engine,
            InferError::Defect(_) => InferErrorKind::Defect,
        }
    }
}
