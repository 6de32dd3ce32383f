//! The statistics by name: which columns and options each takes.

use super::figures as f;
use super::{Options, Rows};
use anyhow::Result;
use serde_json::Value;

/// One statistic.
pub(super) struct Method {
    pub(super) name: &'static str,
    about: &'static str,
    /// Whether it needs the column `label`.
    pub(super) label: bool,
    /// How many columns of scores it needs, and takes at most.
    pub(super) scores: usize,
    pub(super) scores_max: usize,
    pub(super) options: &'static [&'static str],
    /// Choices of `--interval`, the default first; empty where there is none.
    pub(super) intervals: &'static [&'static str],
    pub(super) compute: fn(&Rows, &Options) -> Result<Value>,
}

const BOOTSTRAP: &[&str] = &["bootstrap-bca", "bootstrap-percentile", "bootstrap-normal"];
const OF_AUROC: &[&str] = &["delong", "delong-logit", "bootstrap-bca", "bootstrap-percentile", "bootstrap-normal"];
const OF_AUROC_DIFFERENCE: &[&str] = &["delong", "bootstrap-bca", "bootstrap-percentile", "bootstrap-normal"];
const OF_SHARE: &[&str] = &["wilson", "clopper-pearson", "agresti-coull"];
const OF_RATIO: &[&str] = &["log", "bootstrap-bca", "bootstrap-percentile", "bootstrap-normal"];
const OF_MATTHEWS: &[&str] = &["fisher-z", "bootstrap-bca", "bootstrap-percentile", "bootstrap-normal"];
const OF_KAPPA: &[&str] = &["fleiss-cohen-everitt", "bootstrap-bca", "bootstrap-percentile", "bootstrap-normal"];
const OF_PAIRED: &[&str] = &["newcombe", "tango", "bootstrap-bca", "bootstrap-percentile", "bootstrap-normal"];

const DRAWN: &[&str] = &["interval", "seed", "resamples"];
const CALLED: &[&str] = &["threshold", "interval"];
const CALLED_DRAWN: &[&str] = &["threshold", "interval", "seed", "resamples"];
const CALLED_TWICE: &[&str] = &["threshold", "threshold2", "interval", "seed", "resamples"];
const BINNED: &[&str] = &["bins", "equal-count", "seed", "resamples"];

type Compute = fn(&Rows, &Options) -> Result<Value>;
type Words = &'static [&'static str];

const fn labelled(
    name: &'static str,
    about: &'static str,
    scores: usize,
    options: Words,
    intervals: Words,
    compute: Compute,
) -> Method {
    Method { name, about, label: true, scores, scores_max: scores, options, intervals, compute }
}

const fn unlabelled(
    name: &'static str,
    about: &'static str,
    scores: usize,
    options: Words,
    intervals: Words,
    compute: Compute,
) -> Method {
    Method { label: false, ..labelled(name, about, scores, options, intervals, compute) }
}

pub(super) const METHODS: &[Method] = &[
    labelled("auroc", "area under the ROC curve", 1, DRAWN, OF_AUROC, f::auroc),
    labelled("auroc-difference", "score minus score2, same cases", 2, DRAWN, OF_AUROC_DIFFERENCE, f::auroc_difference),
    labelled("auprc", "average precision", 1, DRAWN, BOOTSTRAP, f::auprc),
    labelled("sensitivity", "share of present findings that are called", 1, CALLED, OF_SHARE, f::sensitivity),
    labelled("specificity", "share of absent findings that are not called", 1, CALLED, OF_SHARE, f::specificity),
    labelled("ppv", "share of positive calls that are right", 1, CALLED, OF_SHARE, f::ppv),
    labelled("npv", "share of negative calls that are right", 1, CALLED, OF_SHARE, f::npv),
    labelled("accuracy", "share of right calls", 1, CALLED, OF_SHARE, f::accuracy),
    labelled("prevalence", "share of cases with the finding", 0, &["interval"], OF_SHARE, f::prevalence),
    labelled("lr-positive", "positive likelihood ratio", 1, CALLED_DRAWN, OF_RATIO, f::lr_positive),
    labelled("lr-negative", "negative likelihood ratio", 1, CALLED_DRAWN, OF_RATIO, f::lr_negative),
    labelled("matthews", "Matthews' correlation of calls with truth", 1, CALLED_DRAWN, OF_MATTHEWS, f::matthews),
    labelled("sensitivity-difference", "score minus score2", 2, CALLED_TWICE, OF_PAIRED, f::sensitivity_difference),
    labelled("specificity-difference", "score minus score2", 2, CALLED_TWICE, OF_PAIRED, f::specificity_difference),
    labelled(
        "mcnemar",
        "exact test that both are right equally often",
        2,
        &["threshold", "threshold2"],
        &[],
        f::mcnemar,
    ),
    labelled(
        "noninferiority-auroc",
        "score (challenger) is worse than score2 (champion) by less than the margin",
        2,
        &["margin"],
        &[],
        f::noninferiority_auroc,
    ),
    labelled(
        "noninferiority-sensitivity",
        "the same for sensitivity",
        2,
        &["margin", "threshold", "threshold2"],
        &[],
        f::noninferiority_sensitivity,
    ),
    labelled(
        "noninferiority-specificity",
        "the same for specificity",
        2,
        &["margin", "threshold", "threshold2"],
        &[],
        f::noninferiority_specificity,
    ),
    labelled("brier", "Brier score, with its decomposition", 1, &["bins", "equal-count"], &[], f::brier),
    labelled("log-loss", "logarithmic loss", 1, &[], &[], f::log_loss),
    labelled("ece", "expected calibration error", 1, BINNED, &["bootstrap-normal"], f::ece),
    labelled("ece-debiased", "the same, less what chance adds", 1, BINNED, &["bootstrap-normal"], f::ece_debiased),
    labelled("calibration", "calibration slope, intercept, and in the large", 1, &[], &[], f::calibration),
    labelled("spiegelhalter", "test of calibration", 1, &[], &[], f::spiegelhalter),
    labelled("observed-expected", "cases with the finding over those expected", 1, &[], &[], f::observed_expected),
    labelled("net-benefit", "of acting at the threshold probability", 1, &["threshold"], &[], f::net_benefit),
    Method {
        options: &["interval", "seed", "resamples", "weights"],
        ..unlabelled("kappa", "Cohen's kappa of the categories score and score2", 2, &[], OF_KAPPA, f::kappa)
    },
    Method {
        scores_max: 100,
        ..unlabelled("icc", "intraclass correlation of score, score2, ...", 2, &["form"], &[], f::icc)
    },
    unlabelled("bland-altman", "bias and limits of score minus score2", 2, &["coverage"], &[], f::bland_altman),
    unlabelled("mean", "mean of score, such as a Dice of each case", 1, DRAWN, BOOTSTRAP, f::mean),
    unlabelled("mean-difference", "mean of score minus score2", 2, DRAWN, BOOTSTRAP, f::mean_difference),
];

/// Every statistic with its columns and options.
pub(super) fn list() -> String {
    let mut text = String::from("METHOD                      COLUMNS              WHAT\n");
    for method in METHODS {
        let label = if method.label { "label" } else { "" };
        let scores = ["score", "score2"].into_iter().take(method.scores);
        let columns: Vec<&str> = std::iter::once(label).chain(scores).filter(|name| !name.is_empty()).collect();
        text += &format!("{:<27} {:<20} {}\n", method.name, columns.join(","), method.about);
        let options: Vec<String> = method.options.iter().map(|option| format!("--{option}")).collect();
        if !options.is_empty() {
            text += &format!("{:<27} {:<20}   {}\n", "", "", options.join(" "));
        }
        if 1 < method.intervals.len() {
            text += &format!("{:<27} {:<20}   intervals: {}\n", "", "", method.intervals.join(", "));
        }
    }
    text += "\nEvery method takes --level, a column `patient` (cases of one patient belong together) and a column `group`\n\
             (one figure for each). Labels are 1 and 0; a score at or above --threshold is called positive.\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_choices() {
        let mut names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len());
        for method in METHODS {
            let chooses = method.options.contains(&"interval");
            assert!(!chooses || 1 < method.intervals.len(), "{} has nothing to choose of", method.name);
            assert_eq!(method.options.contains(&"seed"), method.intervals.iter().any(|i| i.starts_with("bootstrap")));
        }
    }
}
