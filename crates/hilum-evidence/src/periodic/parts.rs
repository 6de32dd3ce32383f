//! What a periodic report is made of.

use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// The books of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookDay {
    /// UTC day, `2026-11-23`.
    pub day: String,
    /// Study revisions that were complete.
    pub arrived: u64,
    /// Ended `Analysed`.
    pub analysed: u64,
    /// Ended `NotEligible`.
    pub not_eligible: u64,
    /// Ended `Withheld`.
    pub withheld: u64,
    /// Ended `Failed`.
    pub failed: u64,
    /// Ended `Expired`.
    pub expired: u64,
    /// Not ended yet.
    pub open: u64,
}

/// An alarm about the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmFacts {
    /// Stable code.
    pub code: String,
    /// Plain sentence.
    pub text: String,
    /// Since when.
    pub raised_at: Timestamp,
    /// How often it was raised.
    pub n_raised: u64,
    /// When a person acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
}

/// A share with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Stable name: `analysed`, `not_eligible`, ...
    pub name: String,
    /// How many.
    pub count: u64,
    /// Of how many.
    pub n: u64,
    /// The share, 0 to 1.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Confidence level of the interval.
    pub level: f64,
    /// How the interval was made.
    pub method: String,
}

/// A count with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// What was counted.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// An act or a record of the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What, in words.
    pub what: String,
    /// Its record, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Digest>,
}

/// Something the report should say and cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// What.
    pub what: String,
    /// What would fill it.
    pub remedy: String,
}

/// Runs of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRuns {
    /// `NAME@VERSION`.
    pub model: String,
    /// Digest.
    pub package: Digest,
    /// Runs in the window.
    pub runs: u64,
}

/// Where times lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// How many.
    pub n: u64,
    /// Middle one.
    pub median: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Longest.
    pub longest: f64,
}
