use super::figure::{Figure, Shown, Test};
use crate::case::NotRunEnd;
use crate::protocol::{Binning, Metric};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where every listed case went. Each number is that of the one before less those that left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Cases of the list.
    pub listed: u64,
    /// Without a label that the protocol knows (not counted where no figure needs a label).
    pub no_usable_label: u64,
    /// With one.
    pub labelled: u64,
    /// Left out of every figure because the labeller had seen a model's output (MV-25).
    pub exposed: u64,
    /// Outside the intended use.
    pub not_eligible: u64,
    /// Within it.
    pub eligible: u64,
    /// Held back by the gate.
    pub withheld: u64,
    /// Started and failed.
    pub failed: u64,
    /// Not run yet; only in a plan.
    pub pending: u64,
    /// In the figures.
    pub analysed: u64,
    /// Patients of the analysed cases.
    pub patients: u64,
    /// Analysed cases with the finding.
    pub positives: u64,
    /// Analysed cases without.
    pub negatives: u64,
    /// Analysed cases of which it is not recorded whether the labeller had seen a model's output.
    pub exposure_unknown: u64,
    /// Analysed cases on which the champion gave no result; they are in no comparison. 0 without a champion.
    pub without_champion: u64,
    /// Why cases ended without a result, most frequent first.
    pub reasons: Vec<EndReason>,
}

/// One reason for ending without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndReason {
    /// Where it ended.
    pub end: NotRunEnd,
    /// Why.
    pub reason: String,
    /// How many cases.
    pub n: u64,
}

/// Everything about a model that scores cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// Share of analysed cases with the finding.
    pub prevalence: Shown<Figure>,
    /// Area under the ROC curve.
    pub auroc: Shown<Figure>,
    /// Average precision.
    pub auprc: Shown<Figure>,
    /// ROC curve with its pointwise band.
    pub roc: Shown<Curve>,
    /// Precision-recall curve with its pointwise band.
    pub precision_recall: Shown<Curve>,
    /// What happens at the threshold.
    pub operating_point: Shown<OperatingPointResult>,
    /// Whether a score of 0.7 means 70 %.
    pub calibration: Shown<Calibration>,
    /// What acting on the score gains.
    pub decision_curve: Shown<DecisionCurve>,
    /// Share of calls that agree with labels whose reader had seen a model's output: concordance, not accuracy (MV-25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concordance: Option<Shown<Figure>>,
}

/// A curve on 101 places of its axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// The places, 0, 0.01, ... 1.
    pub points: Vec<CurveAt>,
    /// Confidence level of the band at each place.
    pub level: f64,
    /// Patients or cases that were resampled.
    pub n: u64,
    /// How the band was made.
    pub method: String,
}

/// One place of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurveAt {
    /// False-positive rate, or recall.
    pub x: f64,
    /// Sensitivity, or precision.
    pub y: f64,
    /// Lower bound of the band.
    pub lower: f64,
    /// Upper bound of the band.
    pub upper: f64,
}

/// Calls at a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatingPointResult {
    /// At or above it the finding counts as present.
    pub threshold: f64,
    /// Where it comes from: `package`, `deployment` or `stated`.
    pub source: String,
    /// Finding present, called present.
    pub true_positives: u64,
    /// Finding absent, called present.
    pub false_positives: u64,
    /// Finding present, called absent.
    pub false_negatives: u64,
    /// Finding absent, called absent.
    pub true_negatives: u64,
    /// Share of positives called present.
    pub sensitivity: Shown<Figure>,
    /// Share of negatives called absent.
    pub specificity: Shown<Figure>,
    /// Share of calls "present" that are right, at the prevalence of these cases.
    pub ppv: Shown<Figure>,
    /// Share of calls "absent" that are right, at the prevalence of these cases.
    pub npv: Shown<Figure>,
    /// How many times likelier a call "present" is with the finding than without.
    pub positive_likelihood_ratio: Shown<Figure>,
    /// How many times likelier a call "absent" is with the finding than without.
    pub negative_likelihood_ratio: Shown<Figure>,
    /// Sensitivity and specificity if every eligible case without a result had been called wrongly; absent when all have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_case: Option<WorstCase>,
}

/// What missing results could hide at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorstCase {
    /// Sensitivity, every missing positive counted as missed.
    pub sensitivity: Shown<Figure>,
    /// Specificity, every missing negative counted as a false alarm.
    pub specificity: Shown<Figure>,
}

/// Calibration of the scores as probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// How the bins were cut.
    pub binning: Binning,
    /// Bins that hold cases, lowest score first.
    pub bins: Vec<CalibrationBin>,
    /// Slope of the logistic recalibration; 1 is right.
    pub slope: Shown<Figure>,
    /// Calibration in the large; 0 is right, above it the scores are too low.
    pub intercept: Shown<Figure>,
    /// Expected calibration error, debiased.
    pub ece: Shown<Figure>,
    /// Brier score.
    pub brier: Shown<Figure>,
    /// What the Brier score is made of.
    pub brier_parts: BrierParts,
    /// Spiegelhalter's test of calibration.
    pub spiegelhalter: Shown<Test>,
}

/// One bin of the reliability diagram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalibrationBin {
    /// Smallest score in it.
    pub from: f64,
    /// Largest score in it.
    pub to: f64,
    /// Mean score.
    pub mean_predicted: f64,
    /// Share with the finding; its `n` is that of the bin.
    pub observed: Figure,
}

/// Murphy's decomposition: `brier = reliability - resolution + uncertainty + within_bins`, exactly, on the same cases as the
/// Brier score beside it, which carries interval and n.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrierParts {
    /// Miscalibration; lower is better.
    pub reliability: f64,
    /// How far the bins tell cases apart; higher is better.
    pub resolution: f64,
    /// That of the prevalence.
    pub uncertainty: f64,
    /// What binning loses.
    pub within_bins: f64,
}

/// Net benefit over threshold probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionCurve {
    /// Lowest threshold first.
    pub points: Vec<NetBenefitAt>,
}

/// Net benefit at one threshold probability; acting on nobody has 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetBenefitAt {
    /// Probability at which one would act.
    pub threshold: f64,
    /// Of acting on the score.
    pub model: Figure,
    /// Of acting on everybody; follows from the prevalence.
    pub treat_all: f64,
}

/// Distribution of a per-case measure of a segmentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureSummary {
    /// The measure.
    pub metric: Metric,
    /// Its mean.
    pub mean: Shown<Figure>,
    /// Smallest, lower quartile, median, upper quartile and largest value of the cases (linear between order statistics).
    pub five_numbers: [f64; 5],
    /// Analysed cases without a value.
    pub without_value: u64,
}

/// Challenger and champion on the same cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Cases on which both gave a result.
    pub n_cases: u64,
    /// Differences, challenger minus champion, of every figure that can be paired.
    pub differences: Vec<Difference>,
    /// Whether both call the same; absent without thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// Cases that the champion called rightly and the challenger calls wrongly, by id: to be read by a radiologist and
    /// signed (MV-40).
    pub negative_flips: Vec<Flip>,
    /// Cases that the champion called wrongly and the challenger calls rightly.
    pub n_positive_flips: u64,
}

/// One paired difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The figure.
    pub metric: Metric,
    /// The challenger's.
    pub challenger: Shown<Figure>,
    /// The champion's.
    pub champion: Shown<Figure>,
    /// Challenger minus champion.
    pub difference: Shown<Figure>,
}

/// Calls of both versions at their own thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Threshold of the champion.
    pub champion_threshold: f64,
    /// Both call the finding present.
    pub both_present: u64,
    /// Only the challenger does.
    pub challenger_only: u64,
    /// Only the champion does.
    pub champion_only: u64,
    /// Neither does.
    pub neither: u64,
    /// Share of cases on which they agree.
    pub agreement: Shown<Figure>,
    /// McNemar's exact test on the cases with the finding.
    pub mcnemar_positives: Shown<Test>,
    /// McNemar's exact test on the cases without.
    pub mcnemar_negatives: Shown<Test>,
}

/// A case whose call changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// The case.
    pub case: String,
    /// Its reference label.
    pub label: String,
    /// Whether that means that the finding is there.
    pub present: bool,
    /// The challenger's score.
    pub score: f64,
    /// The champion's score.
    pub champion_score: f64,
}

/// How a case failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The finding is there and was called absent.
    Missed,
    /// The finding is not there and was called present.
    FalseAlarm,
    /// One of the worst segmentations.
    PoorSegmentation,
}

/// A case to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailureCase {
    /// The case.
    pub case: String,
    /// How it failed.
    pub kind: FailureKind,
    /// Its reference label, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The model's score, or the value of the measure.
    pub value: f64,
    /// `score`, or the name of the measure.
    pub of: String,
    /// The champion's score on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<f64>,
}

/// What failed: how many there are, and the most confident of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failures {
    /// All missed cases.
    pub n_missed: u64,
    /// All false alarms.
    pub n_false_alarms: u64,
    /// Those shown: the most confident errors first, missed before false alarms; ties by case id.
    pub shown: Vec<FailureCase>,
}
