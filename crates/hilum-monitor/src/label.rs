use hilum_types::{Exposure, Independence, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a label comes from (MV-24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSource {
    /// A radiologist answered the result: accepted, modified, rejected.
    Assessment,
    /// Read out of a final report by a declared extractor.
    Report,
    /// Readers who decide on cases of the audit sample or on a contradiction.
    Adjudication,
    /// Pathology or follow-up.
    FollowUp,
}

impl LabelSource {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            LabelSource::Assessment => "assessment",
            LabelSource::Report => "report",
            LabelSource::Adjudication => "adjudication",
            LabelSource::FollowUp => "follow_up",
        }
    }
}

/// What is true of a finding, according to a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// The labeller could not say; it enters no rate.
    Uncertain,
}

/// What a reader said of the model's answer. Agreement is concordance, never accuracy (MV-25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// As the model said.
    Agree,
    /// Not as the model said.
    Disagree,
    /// Right in substance, with changes.
    Correct,
}

/// What somebody or something said is true of one finding of one study revision.
///
/// Labels are only ever added: a later one supersedes an earlier one of the same source in figures as of later times, and
/// both stay (MV-27).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The catalog's name of the label.
    pub key: String,
    /// The catalog's key of the study.
    pub study_key: String,
    /// Revision of the study whose result it speaks of.
    pub revision: u32,
    /// Deployment whose result it speaks of.
    pub deployment: String,
    /// Finding label within the package, such as `pneumonia`.
    pub finding: String,
    /// What is true.
    pub truth: Truth,
    /// What the reader said of the model's answer, where the reader answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// Where it comes from.
    pub source: LabelSource,
    /// Name and version of the program that read it out of a text; `None`: a person gave it (MV-28).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extractor: Option<String>,
    /// Whether the error of that extractor was measured here. When not, the label clears no stop rule (MV-28).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extractor_measured: bool,
    /// Whether the labeller had seen the output of a model.
    pub exposure: Exposure,
    /// How independent of the model's output it is; `None`: not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub independence: Option<Independence>,
    /// Probability with which the case was drawn for the label, in (0, 1]; `None`: it was not drawn (MV-26).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion_probability: Option<f64>,
    /// Event time: when the study was complete.
    pub event_at: Timestamp,
    /// Knowledge time: when the label was entered (MV-27).
    pub recorded_at: Timestamp,
    /// When the labeller had made up their mind; `None`: an entry from before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// Who gave it: `user:<name>`, `extractor:<name>`, `peer:<AE title>`.
    pub by: String,
}

impl Label {
    /// Whether it can be the first label of its class, which counts for rules and as evidence: it says something, and its
    /// error is known. What cannot be the first takes no other label's place.
    pub fn can_be_first(&self) -> bool {
        self.is_validated() && (self.truth != Truth::Uncertain || self.agreement.is_some())
    }

    /// The class that decides what the label may be used for; what is not recorded counts as the worse of what it may be.
    pub fn class(&self) -> Independence {
        match (self.independence, self.exposure) {
            (Some(Independence::Unexposed), Exposure::Exposed) => Independence::DirectlyExposed,
            (Some(class), _) => class,
            (None, Exposure::Unexposed) => Independence::Unexposed,
            (None, Exposure::Exposed | Exposure::Unknown) => Independence::DirectlyExposed,
        }
    }
}
