use super::figure::{Counts, Figure, Shown};
use crate::protocol::{Bound, Comparator, Metric, Slice};
use hilum_types::{Digest, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The three answers of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What was asked for is shown.
    Pass,
    /// It is not shown, or the contrary is.
    Fail,
    /// There are too few cases to say anything. Never the same as pass.
    Insufficient,
}

impl Verdict {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Insufficient => "insufficient",
        }
    }
}

/// How sure a verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The interval lies on the good side of what was asked for.
    Shown,
    /// The interval holds both sides: neither that nor the contrary is shown.
    Open,
    /// The interval lies on the bad side: the contrary is shown.
    Contrary,
    /// No interval was judged.
    None,
}

/// What came of one criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CriterionResult {
    /// Name of the criterion in the protocol.
    pub name: String,
    /// The figure asked for.
    pub metric: Metric,
    /// On which cases.
    pub slice: Slice,
    /// Against what.
    pub comparator: Comparator,
    /// What was asked, as a phrase: `AUROC at least 0.9`.
    pub requirement: String,
    /// Lowest and highest value of the judged figure that is good enough; an end without a limit is absent. For a
    /// comparison this limits the difference, challenger minus champion.
    pub limits: Limits,
    /// One-sided error of the first kind of the test.
    pub alpha: f64,
    /// Which end of the interval decides.
    pub bound: Bound,
    /// The figure that was judged: the model's own, or challenger minus champion. Its interval has the level
    /// `1 - 2 alpha`, so that each end is one test at `alpha`.
    pub judged: Shown<Figure>,
    /// For a comparison: the challenger's own figure on the same cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenger: Option<Shown<Figure>>,
    /// For a comparison: the champion's figure on the same cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<Shown<Figure>>,
    /// What it rests on.
    pub counts: Counts,
    /// The answer.
    pub verdict: Verdict,
    /// How sure it is.
    pub certainty: Certainty,
    /// Digest of the record of the waiver that answers for an insufficient verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub waived_by: Option<Digest>,
    /// The answer in one sentence, with its reason.
    pub sentence: String,
}

/// Range of values that is good enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Not below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowest: Option<f64>,
    /// Not above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
}

/// Which test a group of so many cases takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubgroupRule {
    /// Enough: the whole interval must keep to the limit.
    NonInferiority,
    /// Some: no significant drop below the floor or the champion, and the estimate keeps to the limit.
    NoDrop,
    /// Too few to say anything.
    TooFew,
    /// Shown only: cases without a value in the column, or with one the protocol does not ask for.
    NotJudged,
}

/// What came of one group of a subgroup column (MV-13).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubgroupResult {
    /// Unique name of this gate, which a waiver names: `sex=F sensitivity`.
    pub key: String,
    /// Column of the case list.
    pub attribute: String,
    /// The group.
    pub group: String,
    /// The figure asked for.
    pub metric: Metric,
    /// Against what.
    pub comparator: Comparator,
    /// What was asked, as a phrase.
    pub requirement: String,
    /// What the judged figure must keep to: floor less margin, or champion less margin.
    pub limits: Limits,
    /// For [`SubgroupRule::NoDrop`]: the value that the figure must not lie significantly beyond: the floor, or 0 for a
    /// difference.
    pub reference: f64,
    /// One-sided error of the first kind of the test.
    pub alpha: f64,
    /// The test that its number of cases takes.
    pub rule: SubgroupRule,
    /// Cases or patients of the rarer kind that the figure rests on; the number that chose the rule.
    pub n_deciding: u64,
    /// The figure, or challenger minus champion, at level `1 - 2 alpha`.
    pub judged: Shown<Figure>,
    /// What it rests on.
    pub counts: Counts,
    /// The answer; [`SubgroupRule::NotJudged`] groups carry `insufficient` and do not count.
    pub verdict: Verdict,
    /// How sure it is.
    pub certainty: Certainty,
    /// Digest of the record of the waiver that answers for an insufficient verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub waived_by: Option<Digest>,
    /// The answer in one sentence, with its reason.
    pub sentence: String,
}

/// A person's signed answer for a gap: "too few cases, and I know it". It only helps where the protocol says
/// `on_insufficient = "waive"`, and never against a `fail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// What it answers for: the name of a criterion, or the key of a subgroup (`sex=F sensitivity`).
    pub gap: String,
    /// Why that is acceptable, and what is done about it.
    pub reason: String,
    /// Who signed.
    pub signed_by: String,
    /// When.
    #[schemars(with = "String")]
    pub signed_at: Timestamp,
    /// The record that was signed. Its signature is the caller's to check.
    #[schemars(with = "String")]
    pub record: Digest,
}
