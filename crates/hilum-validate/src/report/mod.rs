//! The report: what was asked, what was found, and what follows, complete enough to be read without anything else.

mod figure;
mod gates;
mod sections;

pub use figure::{Counts, Figure, Shown, Test};
pub use gates::{Certainty, CriterionResult, Limits, SubgroupResult, SubgroupRule, Verdict, Waiver};
pub use sections::{
    Agreement, BrierParts, Calibration, CalibrationBin, Classification, Comparison, Curve, CurveAt, DecisionCurve,
    Difference, EndReason, FailureCase, FailureKind, Failures, Flip, Flow, MeasureSummary, NetBenefitAt,
    OperatingPointResult, WorstCase,
};

use crate::plan::Plan;
use crate::protocol::AcceptanceProtocol;
use hilum_types::{Digest, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The format number of the report this version writes.
pub const REPORT_FORMAT: u32 = 1;

/// The outcome of an acceptance test. Published as `api/report.schema.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Always [`REPORT_FORMAT`].
    pub format: u32,
    /// The answer: fail if anything fails, else insufficient if a gap is left, else pass.
    pub verdict: Verdict,
    /// The answer in one sentence.
    pub sentence: String,
    /// Why, one sentence each, the decisive ones first.
    pub reasons: Vec<String>,
    /// The protocol was written after results on the same cases had been seen: the verdict explores, it does not confirm.
    pub post_hoc: bool,
    /// The run went on although the power check had found gates that a good model would often miss.
    pub underpowered_knowingly: bool,
    /// What was asked.
    pub protocol: ProtocolShown,
    /// What was tested.
    pub model: ModelIdentity,
    /// What it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ModelIdentity>,
    /// On which cases.
    pub reference_set: ReferenceSetIdentity,
    /// How and when it was run.
    pub run: RunFacts,
    /// Where every case went.
    pub flow: Flow,
    /// The power check as it stands on these cases.
    pub plan: Plan,
    /// What came of each criterion, in the order of the protocol.
    pub criteria: Vec<CriterionResult>,
    /// What came of each group, in the order of the protocol.
    pub subgroups: Vec<SubgroupResult>,
    /// Waivers that were handed in, whether or not they answer for a gap.
    pub waivers: Vec<Waiver>,
    /// For a model that scores cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// For a model that segments.
    pub measures: Vec<MeasureSummary>,
    /// Against the champion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// What failed.
    pub failures: Failures,
    /// What a reader must know to not misread the figures.
    pub notes: Vec<String>,
    /// Every method that the figures name, explained, with its source.
    pub methods: Vec<MethodNote>,
}

/// The protocol, whole, with how it was frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProtocolShown {
    /// Record in which it was frozen.
    #[schemars(with = "String")]
    pub record: Digest,
    /// Digest of its content without the version.
    #[schemars(with = "String")]
    pub content: Digest,
    /// Who froze it.
    pub frozen_by: String,
    /// When.
    #[schemars(with = "String")]
    pub frozen_at: Timestamp,
    /// Record of the version before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub supersedes: Option<Digest>,
    /// The protocol itself.
    pub document: AcceptanceProtocol,
}

/// A version of a model, and at which threshold it calls the finding present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelIdentity {
    /// Name of the package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    #[schemars(with = "String")]
    pub package: Digest,
    /// Threshold on the calibrated score as the caller read it from the package or the deployment. For the model under test
    /// a threshold stated in the protocol replaces it; for the champion it is only used where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// The cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceSetIdentity {
    /// Its record; must be the one that the protocol names.
    #[schemars(with = "String")]
    pub record: Digest,
    /// Its name.
    pub name: String,
    /// How its labels came about, in words.
    pub label_source: String,
    /// How many times a gate has been run on it before this run: every look wears it out.
    pub earlier_runs: u64,
}

/// How and when the model was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunFacts {
    /// When the evaluation was made.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// Version of Hilum.
    pub software: String,
    /// Engine and runtime that ran the model.
    pub engine: String,
}

/// A method and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodNote {
    /// As `method` of a figure ends, or names it whole: `delong`, `wilson`.
    pub name: String,
    /// What it does.
    pub what: String,
    /// Where it is published.
    pub source: String,
}

/// The JSON schema of [`Report`], as published in `api/report.schema.json`.
pub fn report_schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}
