//! Cases as data: what was asked of the model, what it said, and what is true.

use hilum_types::Exposure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One case of the reference set with what the model made of it.
///
/// `id` and `patient` go into the report as they are: give keyed pseudonyms, never an identifier of a patient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Name of the case, unique in the list.
    pub id: String,
    /// Pseudonym of the patient; cases of one patient are never taken as independent.
    pub patient: String,
    /// The reference label as the list has it; the protocol says what it means. `None`: there is none.
    pub label: Option<String>,
    /// Whether the labeller had seen the output of a model.
    pub exposure: Exposure,
    /// Columns of the case list, for slices and subgroups. An absent or empty one is the group `not stated`.
    pub attributes: BTreeMap<String, String>,
    /// What the model under test said.
    pub outcome: Outcome,
    /// What the champion said on the same case, where there is one.
    pub champion: Option<Outcome>,
}

/// What a model made of a case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// Not run yet; good enough for [`plan`](crate::plan), not for [`evaluate`](crate::evaluate).
    #[default]
    Pending,
    /// It ran to the end.
    Scored {
        /// Calibrated score of the finding, as the operating point is compared with. `None` for a pure segmentation.
        score: Option<f64>,
        /// Per-case measures by their metric name, such as `dice` or `hd95_mm`.
        #[serde(default)]
        measures: BTreeMap<String, f64>,
    },
    /// It gave no result.
    NotRun {
        /// At which station it ended.
        end: NotRunEnd,
        /// Why, in words that name no patient.
        reason: String,
    },
}

impl Outcome {
    /// A classification result.
    pub fn score(score: f64) -> Outcome {
        Outcome::Scored { score: Some(score), measures: BTreeMap::new() }
    }
}

/// How a case ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotRunEnd {
    /// Outside the intended use: no fault of the model.
    NotEligible,
    /// The gate held it back.
    Withheld,
    /// It was started and failed.
    Failed,
}
