//! The acceptance protocol: what is measured, on which cases, and what it must reach, written down before anybody saw a result.

mod check;
mod criterion;
mod freeze;

pub(crate) use criterion::Direction;
pub use criterion::{Bound, Comparator, Criterion, Method, Metric, OnInsufficient, Slice, Subgroup};
pub use freeze::{EarlierVersion, Freezing, FrozenProtocol};

use crate::ValidateError;
use hilum_sign::canonical_text;
use hilum_types::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The format number this version reads and writes.
pub const PROTOCOL_FORMAT: u32 = 1;

/// An acceptance protocol, one TOML file (MV-10). `docs/guides/acceptance-protocol.md` explains it by an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptanceProtocol {
    /// Always [`PROTOCOL_FORMAT`].
    pub format: u32,
    /// Stable name: 1 to 64 lower-case letters, digits, `-`, `_` or `.`.
    pub name: String,
    /// Version of this protocol, from 1; every edit after freezing is a new one.
    pub version: u32,
    /// What the model shall be good for, in the words of those who will use it.
    pub purpose: String,
    /// Digest of the record of the reference set.
    #[schemars(with = "String")]
    pub reference_set: Digest,
    /// The finding that is accepted and how its truth is read.
    pub target: Target,
    /// Threshold on the score.
    #[serde(default)]
    pub operating_point: OperatingPoint,
    /// Whose independence the intervals may assume.
    #[serde(default)]
    pub unit: Unit,
    /// How intervals are made.
    #[serde(default)]
    pub interval: IntervalRules,
    /// How calibration is measured.
    #[serde(default)]
    pub calibration: CalibrationRules,
    /// What the power check assumes and asks for.
    #[serde(default)]
    pub power: PowerRules,
    /// Number of positives that each kind of subgroup test takes.
    #[serde(default)]
    pub subgroup_rules: SubgroupRules,
    /// Whether the error of the first kind is shared out among the criteria.
    #[serde(default)]
    pub multiplicity: Multiplicity,
    /// What the report shows beside the criteria.
    #[serde(default)]
    pub report: ReportRules,
    /// What must be reached. All of them must pass.
    #[serde(rename = "criterion")]
    pub criteria: Vec<Criterion>,
    /// In which groups it must hold too (MV-13).
    #[serde(rename = "subgroup", default)]
    pub subgroups: Vec<Subgroup>,
}

/// `[target]`: the finding and which reference labels mean that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Label of the finding in the package's manifest.
    pub finding: String,
    /// Reference labels that count as present.
    pub positive: Vec<String>,
    /// Reference labels that count as absent. A label in neither list is "no usable label" and its case is not analysed.
    pub negative: Vec<String>,
}

/// `[operating_point]`: at or above the threshold the finding counts as present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum OperatingPoint {
    /// The one of the package's manifest.
    #[default]
    Package,
    /// The one of the deployment.
    Deployment,
    /// The one stated here.
    Stated {
        /// The threshold, on the calibrated score.
        threshold: f64,
    },
}

/// Whose outcomes are taken as independent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Patients: where one has several cases, intervals are made by resampling patients.
    #[default]
    Patient,
    /// Cases: several cases of one patient count as independent. The report says so.
    Case,
}

/// `[interval]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IntervalRules {
    /// Confidence level of the intervals that are shown, 0.5 to 0.999.
    pub level: f64,
    /// Interval of single proportions such as sensitivity.
    pub proportion: ProportionInterval,
    /// Bootstrap resamples, 200 to 100,000.
    pub bootstrap_resamples: u32,
    /// Bootstrap seed.
    pub bootstrap_seed: u64,
}

impl Default for IntervalRules {
    fn default() -> Self {
        let proportion = ProportionInterval::Wilson;
        IntervalRules { level: 0.95, proportion, bootstrap_resamples: 2000, bootstrap_seed: 20_260_101 }
    }
}

/// Interval of a single proportion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProportionInterval {
    /// Wilson's score interval: close to its level on average.
    #[default]
    Wilson,
    /// Clopper and Pearson's: never below its level, wider.
    ClopperPearson,
}

/// `[calibration]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CalibrationRules {
    /// Bins of the reliability diagram and of the ECE, 2 to 50.
    pub bins: u32,
    /// How the bins are cut.
    pub binning: Binning,
}

impl Default for CalibrationRules {
    fn default() -> Self {
        CalibrationRules { bins: 10, binning: Binning::EqualWidth }
    }
}

/// How the scores are cut into bins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binning {
    /// Bins of equal width over 0 to 1.
    #[default]
    EqualWidth,
    /// Bins of equally many cases.
    EqualCount,
}

/// `[power]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PowerRules {
    /// A good model must pass each criterion with at least this probability, 0.5 to 0.99.
    pub at_least: f64,
    /// Correlation of the champion's and the challenger's scores within a class that is assumed before the run, 0 to 0.99.
    /// About 0.95 after a light adaptation, 0.8 after a full retraining.
    pub correlation: f64,
}

impl Default for PowerRules {
    fn default() -> Self {
        PowerRules { at_least: 0.8, correlation: 0.8 }
    }
}

/// `[subgroup_rules]`: what can honestly be asked of a group of so many positives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SubgroupRules {
    /// From this many on: non-inferiority must be shown. At least 50.
    pub non_inferiority_from: u64,
    /// From this many on: no significant drop, and the point estimate within the margin. At least 25. Below: insufficient.
    pub drop_from: u64,
}

impl Default for SubgroupRules {
    fn default() -> Self {
        SubgroupRules { non_inferiority_from: 50, drop_from: 25 }
    }
}

/// Whether the error of the first kind is shared out among the criteria.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Multiplicity {
    /// Every criterion must pass, so the chance that a bad model passes is at most the alpha of the criterion it misses
    /// (intersection-union test, Berger 1982): no correction is due.
    #[default]
    AllMustPass,
    /// Every criterion is tested at its alpha divided by the number of criteria; stricter than needed.
    Bonferroni,
}

/// `[report]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReportRules {
    /// Failure cases shown, missed ones and false alarms together, at most 100.
    pub failure_cases: u32,
}

impl Default for ReportRules {
    fn default() -> Self {
        ReportRules { failure_cases: 12 }
    }
}

impl AcceptanceProtocol {
    /// Read and check a protocol file.
    ///
    /// # Errors
    /// [`ValidateError::Syntax`] with the line where the text is no TOML or a value has the wrong type;
    /// [`ValidateError::Protocol`] with every unknown key and every contradiction, each with its remedy.
    pub fn parse(text: &str) -> Result<AcceptanceProtocol, ValidateError> {
        let given: toml::Table = text.parse().map_err(|e: toml::de::Error| ValidateError::Syntax(e.to_string()))?;
        let protocol: AcceptanceProtocol =
            toml::from_str(text).map_err(|e| ValidateError::Syntax(e.to_string().trim_end().to_owned()))?;
        let mut problems = check::unknown_keys(&given, &protocol);
        problems.extend(protocol.problems());
        if problems.is_empty() { Ok(protocol) } else { Err(ValidateError::Protocol(problems)) }
    }

    /// Digest of what the protocol asks for: the canonical text of everything but `version`. Two files with the same
    /// content digest are the same protocol, however they are laid out.
    pub fn content_digest(&self) -> Digest {
        let mut content = serde_json::to_value(self).expect("a protocol holds text, numbers and lists only");
        if let Some(members) = content.as_object_mut() {
            members.remove("version");
        }
        Digest::of(canonical_text(&content).as_bytes())
    }

    /// Whether a person may answer, by a signed waiver, for too few cases at this gate: the name of a criterion, or the key of
    /// a group such as `sex=F sensitivity`. Not for a gate that the protocol does not ask for.
    pub fn may_be_waived(&self, gate: &str) -> bool {
        let of_criterion = self.criteria.iter().find(|criterion| criterion.name == gate).map(|c| c.on_insufficient);
        let of_group = |group: &&Subgroup| {
            let value = gate.strip_prefix(&group.attribute).and_then(|rest| rest.strip_prefix('='));
            value.and_then(|rest| rest.strip_suffix(group.metric.name())).is_some_and(|rest| rest.ends_with(' '))
        };
        let asked = of_criterion.or_else(|| self.subgroups.iter().find(of_group).map(|group| group.on_insufficient));
        asked == Some(OnInsufficient::Waive)
    }

    /// What a reference label means: `Some(true)` present, `Some(false)` absent, `None` no usable label.
    pub fn truth_of(&self, label: &str) -> Option<bool> {
        if self.target.positive.iter().any(|known| known == label) {
            return Some(true);
        }
        self.target.negative.iter().any(|known| known == label).then_some(false)
    }

    /// Whether anything is compared with a champion: then the cases need the champion's outcomes.
    pub fn needs_champion(&self) -> bool {
        let compared = |comparator: Comparator| comparator == Comparator::Champion;
        self.criteria.iter().any(|c| compared(c.comparator)) || self.subgroups.iter().any(|s| compared(s.comparator))
    }

    /// Columns of the case list that the protocol reads, in order: those of slices and subgroups.
    pub fn attributes(&self) -> BTreeSet<&str> {
        let slices = self.criteria.iter().filter_map(|c| c.slice.attribute());
        slices.chain(self.subgroups.iter().map(|s| s.attribute.as_str())).collect()
    }

    /// One-sided error of the first kind of a test, after [`Multiplicity`].
    pub(crate) fn alpha(&self, stated: Option<f64>) -> f64 {
        let alpha = stated.unwrap_or((1.0 - self.interval.level) / 2.0);
        match self.multiplicity {
            Multiplicity::AllMustPass => alpha,
            Multiplicity::Bonferroni => alpha / (self.criteria.len() + self.subgroups.len()).max(1) as f64,
        }
    }
}
