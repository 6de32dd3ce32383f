use hilum_types::{Digest, Finding, Presence, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is measured of one study revision that ended for one deployment (MV-19, monitoring section 6.1).
///
/// It names no patient: `study_key` is the catalog's own key, attributes are categories such as a scanner model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The catalog's key of the study.
    pub study_key: String,
    /// Its revision.
    pub revision: u32,
    /// Name of the deployment.
    pub deployment: String,
    /// The exact package that ran, or would have run.
    pub package: Digest,
    /// Event time: when the study was complete.
    pub event_at: Timestamp,
    /// Knowledge time: when this was entered (MV-27).
    pub recorded_at: Timestamp,
    /// Stable name of the disposition: `analysed`, `not_eligible`, `withheld`, `failed`, `expired`.
    pub disposition: String,
    /// Code of the reason, empty when analysed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason_code: String,
    /// Acquisition attributes by short name: `site`, `station`, `manufacturer`, `model`, `software`, `protocol`, `kernel`,
    /// `view`, `age_band`, `sex`, `group` (the acquisition group, MV-23), `weekpart` (`weekday` or `weekend`), `daypart`
    /// (`day` from 7 to 19 o'clock, `night`). One that is absent was not stated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Numbers measured on pixels and headers by feature name; all finite.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, f64>,
    /// What the model said, by finding label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, OutputFact>,
    /// How long the model ran, in seconds, when it came that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Features or distances outside the acquisition envelope, by name; `None`: there was no envelope to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_envelope: Option<Vec<String>>,
    /// Whether readers saw the result before their report: a shadow result is seen by nobody.
    #[serde(default)]
    pub visible: bool,
}

impl Observation {
    /// An observation of which nothing but the deployment and its package is known yet; who, when and how it ended is
    /// written by the catalog in the act that enters it.
    pub fn bare(deployment: &str, package: Digest) -> Observation {
        Observation {
            study_key: String::new(),
            revision: 0,
            deployment: deployment.to_owned(),
            package,
            event_at: Timestamp::from_micros(0),
            recorded_at: Timestamp::from_micros(0),
            disposition: String::new(),
            reason_code: String::new(),
            attributes: BTreeMap::new(),
            features: BTreeMap::new(),
            outputs: BTreeMap::new(),
            seconds: None,
            outside_envelope: None,
            visible: false,
        }
    }
}

/// What a model said, by finding label. A finding that is named twice is present when it is so anywhere, and has the
/// highest of its scores.
pub fn output_facts(findings: &[Finding]) -> BTreeMap<String, OutputFact> {
    let mut facts: BTreeMap<String, OutputFact> = BTreeMap::new();
    for finding in findings {
        let present = match finding.presence {
            Presence::Present => Some(true),
            Presence::Absent => Some(false),
            Presence::Indeterminate => None,
        };
        let fact = facts.entry(finding.label.clone()).or_default();
        let score = finding.score.filter(|score| score.is_finite());
        fact.score = fact.score.into_iter().chain(score).reduce(f64::max);
        fact.present = fact.present.max(present);
    }
    facts
}

/// What a model said of one finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputFact {
    /// Calibrated score in 0 to 1, when it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Whether it called the finding present; `None` when it abstained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
}
