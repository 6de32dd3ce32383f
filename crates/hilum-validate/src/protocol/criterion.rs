use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A figure that a criterion can ask for. The names are those of the protocol file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Area under the ROC curve.
    Auroc,
    /// Average precision.
    Auprc,
    /// Sensitivity at the operating point.
    Sensitivity,
    /// Specificity at the operating point.
    Specificity,
    /// Positive predictive value at the operating point and the prevalence of the cases.
    Ppv,
    /// Negative predictive value at the operating point and the prevalence of the cases.
    Npv,
    /// Expected calibration error, debiased; small is good.
    Ece,
    /// Brier score; small is good.
    Brier,
    /// Slope of the logistic recalibration; 1 is good.
    CalibrationSlope,
    /// Intercept of the logistic recalibration with slope 1 (calibration in the large); 0 is good.
    CalibrationIntercept,
    /// Share of eligible cases that the model gave a result for.
    Completeness,
    /// Mean Dice coefficient of the segmentation.
    Dice,
    /// Mean 95th percentile of the surface distance, mm; small is good.
    Hd95Mm,
    /// Mean normalised surface Dice.
    Nsd,
    /// Mean average symmetric surface distance, mm; small is good.
    AssdMm,
}

/// Which way a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
    /// Towards a value in between: judged by a range.
    Within,
}

impl Metric {
    /// The stable name, as in the protocol file.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Auroc => "auroc",
            Metric::Auprc => "auprc",
            Metric::Sensitivity => "sensitivity",
            Metric::Specificity => "specificity",
            Metric::Ppv => "ppv",
            Metric::Npv => "npv",
            Metric::Ece => "ece",
            Metric::Brier => "brier",
            Metric::CalibrationSlope => "calibration_slope",
            Metric::CalibrationIntercept => "calibration_intercept",
            Metric::Completeness => "completeness",
            Metric::Dice => "dice",
            Metric::Hd95Mm => "hd95_mm",
            Metric::Nsd => "nsd",
            Metric::AssdMm => "assd_mm",
        }
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Metric::Auroc => "AUROC",
            Metric::Auprc => "Average precision",
            Metric::Sensitivity => "Sensitivity",
            Metric::Specificity => "Specificity",
            Metric::Ppv => "Positive predictive value",
            Metric::Npv => "Negative predictive value",
            Metric::Ece => "Calibration error (ECE)",
            Metric::Brier => "Brier score",
            Metric::CalibrationSlope => "Calibration slope",
            Metric::CalibrationIntercept => "Calibration intercept",
            Metric::Completeness => "Share of cases with a result",
            Metric::Dice => "Dice",
            Metric::Hd95Mm => "Surface distance HD95, mm",
            Metric::Nsd => "Surface Dice (NSD)",
            Metric::AssdMm => "Mean surface distance, mm",
        }
    }

    /// The title inside a sentence: names keep their capital.
    pub(crate) fn title_within(self) -> String {
        let title = self.title();
        match self {
            Metric::Auroc | Metric::Brier | Metric::Dice => title.to_owned(),
            _ => title[..1].to_lowercase() + &title[1..],
        }
    }

    pub(crate) fn direction(self) -> Direction {
        match self {
            Metric::Ece | Metric::Brier | Metric::Hd95Mm | Metric::AssdMm => Direction::Down,
            Metric::CalibrationSlope | Metric::CalibrationIntercept => Direction::Within,
            _ => Direction::Up,
        }
    }

    /// Whether it is a share of cases above or below the threshold, of 1.
    pub(crate) fn is_proportion(self) -> bool {
        use Metric::{Completeness, Npv, Ppv, Sensitivity, Specificity};
        matches!(self, Sensitivity | Specificity | Ppv | Npv | Completeness)
    }

    /// Whether it is a mean over the per-case measures of a segmentation.
    pub fn is_measure(self) -> bool {
        matches!(self, Metric::Dice | Metric::Hd95Mm | Metric::Nsd | Metric::AssdMm)
    }

    /// Whether both versions can be compared by it on the same cases.
    pub(crate) fn is_paired(self) -> bool {
        use Metric::{Auprc, Auroc, Brier, Sensitivity, Specificity};
        self.is_measure() || matches!(self, Auroc | Auprc | Sensitivity | Specificity | Brier)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which cases a criterion looks at: `all`, or `attribute=value`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Slice {
    /// All of them.
    #[default]
    All,
    /// Those with that value in that column of the case list.
    Attribute {
        /// The column.
        attribute: String,
        /// The value.
        value: String,
    },
}

impl Slice {
    /// The column it reads.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            Slice::All => None,
            Slice::Attribute { attribute, .. } => Some(attribute),
        }
    }
}

impl TryFrom<String> for Slice {
    type Error = String;
    fn try_from(text: String) -> Result<Slice, String> {
        if text == "all" {
            return Ok(Slice::All);
        }
        match text.split_once('=') {
            Some((attribute, value)) if !attribute.trim().is_empty() && !value.trim().is_empty() => {
                Ok(Slice::Attribute { attribute: attribute.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err(format!("slice {text:?} is neither \"all\" nor \"column=value\"")),
        }
    }
}

impl From<Slice> for String {
    fn from(slice: Slice) -> String {
        slice.to_string()
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slice::All => f.write_str("all"),
            Slice::Attribute { attribute, value } => write!(f, "{attribute}={value}"),
        }
    }
}

/// What a figure is held against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparator {
    /// A fixed threshold or range.
    #[default]
    Absolute,
    /// The version in use, on the same cases, within a margin.
    Champion,
}

/// Which end of the interval must keep to the threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The unfavourable end: the lower one, or the upper one where small is good; both for a range. "It is shown."
    #[default]
    Lower,
    /// The estimate itself, whatever the interval. "It looks so."
    Point,
}

/// What follows from too few cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnInsufficient {
    /// The model is not accepted until there are enough.
    #[default]
    Block,
    /// A person may answer for the gap by a signed waiver.
    Waive,
}

/// How the interval of a criterion is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The closed form where the unit allows it (DeLong, Wilson, Newcombe), else the bootstrap over patients.
    #[default]
    Auto,
    /// DeLong's variance, for AUROC; with several cases per patient as Obuchowski (1997) sums it over patients.
    Delong,
    /// The interval of single proportions (by the design effect with several cases per patient) or of paired ones (Tango).
    Proportion,
    /// Bootstrap over patients.
    Bootstrap,
}

/// `[[criterion]]`: one thing that must be reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Criterion {
    /// Stable name, unique in the protocol.
    pub name: String,
    /// The figure.
    pub metric: Metric,
    /// On which cases.
    #[serde(default)]
    pub slice: Slice,
    /// Against what.
    #[serde(default)]
    pub comparator: Comparator,
    /// `absolute`: the least value that is good enough (the largest, where small is good).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// `absolute`, calibration slope and intercept: lowest and highest value that is good enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// `champion`: how much worse than the champion is still good enough, in units of the metric; 0 asks for superiority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// One-sided error of the first kind; half of what `interval.level` leaves when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// How the interval is made.
    #[serde(default)]
    pub method: Method,
    /// Which end of the interval decides.
    #[serde(default)]
    pub bound: Bound,
    /// Fewest positive cases to say anything, where the figure rests on positives. For a measure: fewest cases.
    #[serde(default = "fifty")]
    pub min_pos: u64,
    /// Fewest negative cases to say anything, where the figure rests on negatives.
    #[serde(default = "fifty")]
    pub min_neg: u64,
    /// What follows from fewer.
    #[serde(default)]
    pub on_insufficient: OnInsufficient,
    /// The value a good model is expected to have, for the power check. A comparison assumes equality when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
}

fn fifty() -> u64 {
    50
}

/// `[[subgroup]]`: a column of the case list in each group of which the figure must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subgroup {
    /// Column of the case list.
    pub attribute: String,
    /// Groups that must be there, even if no case falls into one; empty: those found.
    #[serde(default)]
    pub values: Vec<String>,
    /// Cuts of a numeric column: `[18, 65]` makes `<18`, `18-<65`, `>=65`. Empty: every value is a group.
    #[serde(default)]
    pub bands: Vec<f64>,
    /// The figure.
    pub metric: Metric,
    /// Against what.
    #[serde(default)]
    pub comparator: Comparator,
    /// `absolute`: the floor of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// How much worse than the floor, or than the champion, is still good enough.
    pub margin: f64,
    /// One-sided error of the first kind; half of what `interval.level` leaves when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// What follows from too few cases in a group.
    #[serde(default)]
    pub on_insufficient: OnInsufficient,
}

#[cfg(test)]
mod tests {
    use super::Metric;

    #[test]
    fn a_title_inside_a_sentence_has_a_capital_only_where_it_is_a_name() {
        let within = [Metric::Auroc, Metric::Sensitivity, Metric::Brier, Metric::Nsd].map(Metric::title_within);
        assert_eq!(within, ["AUROC", "sensitivity", "Brier score", "surface Dice (NSD)"]);
    }
}
