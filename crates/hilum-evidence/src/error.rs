/// Why there is no card, no pack or no report. Each text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The package asked about is not among the facts.
    #[error("package {0} is not among the facts; import it with `hilum model import`")]
    NoPackage(String),
    /// The deployment asked about is not among the facts.
    #[error("deployment {0:?} is not among the facts; `hilum deployments` shows what is declared")]
    NoDeployment(String),
    /// The manifest kept with a package is not one of this version.
    #[error("the manifest of package {package} cannot be read: {why}")]
    Manifest {
        /// Digest of the package.
        package: String,
        /// Why.
        why: String,
    },
    /// The text of the card cannot be used; every problem is listed.
    #[error("the text of the card cannot be used: {}", .0.join("; "))]
    CardText(Vec<String>),
    /// A record of that kind is not of a format this version reads.
    #[error("{kind} record {record} cannot be read: {why}")]
    Record {
        /// Kind of the record.
        kind: &'static str,
        /// Beginning of its digest.
        record: String,
        /// Why.
        why: String,
    },
    /// The built-in law data contradicts itself.
    #[error("the law data cannot be used: {0}")]
    Law(String),
    /// A file of a pack is not in its form.
    #[error("{path} cannot be read: {why}")]
    PackFile {
        /// Path within the pack.
        path: String,
        /// Why.
        why: String,
    },
    /// The window is empty or backwards.
    #[error("the window ends at {to}, which is not after its beginning {from}")]
    Window {
        /// Beginning.
        from: String,
        /// End.
        to: String,
    },
    /// A page could not be written.
    #[error("the page could not be rendered: {0}")]
    Page(String),
}
