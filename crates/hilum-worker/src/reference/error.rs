use hilum_store::StoreError;
use hilum_validate::ValidateError;
use std::io;
use std::path::PathBuf;

/// Why there is no case list, or why it may not be used. Nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// Everything that is wrong with folder and table.
    #[error("nothing was imported; problems found: {}\n  {}", .0.len(), .0.join("\n  "))]
    Problems(Vec<String>),
    /// A file cannot be read or written.
    #[error("cannot {what} {path}")]
    File {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Reference and training cases have patients or images in common (MV-11).
    #[error("{what} refused: {} in common with {with}\n  {}\n{remedy}", count(.cases.len()), .cases.join("\n  "))]
    Overlap {
        /// What was attempted.
        what: String,
        /// The other list.
        with: String,
        /// Pairs of cases, each with what they share.
        cases: Vec<String>,
        /// What to do.
        remedy: String,
    },
    /// A record is not a case list.
    #[error(transparent)]
    Record(#[from] ValidateError),
    /// The catalog or the blob folder did not do it.
    #[error("the case list could not be kept")]
    Store(#[from] StoreError),
    /// A defect, held back.
    #[error("reading the files ended by a defect; please report it")]
    Defect,
}

fn count(n: usize) -> String {
    if n == 1 { "1 pair of cases".to_owned() } else { format!("{n} pairs of cases") }
}
