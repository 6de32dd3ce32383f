use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What follows from a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something moved; a person should look.
    Watch,
    /// A person has to decide until a due time.
    Review,
    /// The deployment was suspended.
    Stop,
}

/// Something left what was accepted, with the evidence that says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Deployment it is about.
    pub deployment: String,
    /// Name of the rule or chart that spoke, as declared.
    pub rule: String,
    /// What follows.
    pub severity: Severity,
    /// The cut it holds for, such as `station=CT2`; empty: the whole deployment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cut: String,
    /// When it spoke.
    pub at: Timestamp,
    /// Estimated begin of the change, where the method gives one (MV-22).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The statistic.
    pub value: f64,
    /// What it had to reach.
    pub threshold: f64,
    /// Events it rests on.
    pub n: u64,
    /// Stable name of the method.
    pub method: String,
    /// Plain sentence that names the value that decided.
    pub text: String,
    /// Some of the studies behind it, the most telling first, at most 20, by the catalog's key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub studies: Vec<String>,
}
