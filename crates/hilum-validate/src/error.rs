use hilum_stats::StatsError;

/// Why there is no protocol, no plan or no report. Each text says what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ValidateError {
    /// The protocol file is not TOML, or a key is missing or of the wrong type; the text names the line.
    #[error("the acceptance protocol cannot be read: {0}")]
    Syntax(String),
    /// Everything that is wrong with the protocol, each with its remedy.
    #[error("the acceptance protocol cannot be used: {}", .0.join("; "))]
    Protocol(Vec<String>),
    /// The version number is not the next one.
    #[error("protocol {name:?} has version {found}, but the next free one is {next}; set `version = {next}`")]
    Version {
        /// Name of the protocol.
        name: String,
        /// What the file says.
        found: u32,
        /// What it must say.
        next: u32,
    },
    /// A record is not a frozen protocol, or its content changed.
    #[error("record {record} is not a usable frozen protocol: {why}; freeze the protocol again")]
    Record {
        /// The record.
        record: String,
        /// What is wrong.
        why: String,
    },
    /// A record is not a case list, or its content changed.
    #[error("record {record} is not a usable case list: {why}; import the cases again")]
    CaseList {
        /// The record.
        record: String,
        /// What is wrong.
        why: String,
    },
    /// The power check found criteria that a good model would often miss.
    #[error("the plan is underpowered: {}; collect more cases, or go on knowingly", .0.join("; "))]
    Underpowered(Vec<String>),
    /// The cases contradict themselves or the protocol.
    #[error("the cases cannot be evaluated: {}", .0.join("; "))]
    Cases(Vec<String>),
    /// The protocol compares with a champion and there is none.
    #[error(
        "criterion {0:?} compares with a champion, but no champion was run; name one, or make the criterion absolute"
    )]
    NoChampion(String),
    /// A figure that everything rests on could not be computed.
    #[error("{what} could not be computed")]
    Figure {
        /// The figure.
        what: String,
        /// Why.
        #[source]
        source: StatsError,
    },
    /// The page could not be written.
    #[error("the page could not be rendered: {0}")]
    Page(String),
}
