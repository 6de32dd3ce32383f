//! Figures from what was observed and labelled, as known at a moment: every one with interval, n, method and the classes of
//! labels it rests on (MV-12, MV-25, MV-27).

mod counts;

pub use counts::{Counts, figures_of_counts, label_counts};

use crate::error::MonitorError;
use crate::fold::{counts_as, number_of};
use crate::{Figure, Label, LabelSource, Observation, Truth};
use hilum_registry::Metric;
use hilum_registry::monitoring::NOT_STATED;
use hilum_stats::imperfect_labels::{ExtractorError, audit_rate, corrected_accuracy};
use hilum_stats::{ConfusionTable, Estimate, wilson};
use hilum_types::{Independence, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Level of every interval.
const LEVEL: f64 = 0.95;

/// Values of one cut that are listed; the rest is in the whole.
const CUT_VALUES_MAX: usize = 200;

/// A figure with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedFigure {
    /// What it is: the name of a [`Metric`].
    pub name: Metric,
    /// The finding it is about; empty when it is about none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub finding: String,
    /// The cut it holds for, such as `station=CT2`; empty: the whole deployment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cut: String,
    /// False where the labels come from an extractor whose error was never measured: such a figure clears nothing (MV-28).
    pub validated: bool,
    /// True where labels that an extractor read out of reports are counted as if they never erred; where its error was
    /// measured, the corrected figure stands beside it (MV-28).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncorrected: bool,
    /// The figure.
    #[serde(flatten)]
    pub figure: Figure,
}

/// A label with what was observed of the study revision it speaks of.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledObservation {
    /// The label.
    pub label: Label,
    /// The observation.
    pub observation: Observation,
}

/// How often an extractor errs on the reports of the site, as it was measured (MV-28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredExtractor {
    /// Finding it reads.
    pub finding: String,
    /// Name and version, as labels name it.
    pub extractor: String,
    /// Its error.
    pub error: ExtractorError,
}

/// What figures are made from: everything known of one version in a period, at a moment.
#[derive(Debug, Clone, Copy)]
pub struct FigureInput<'a> {
    /// Study revisions that ended.
    pub observations: &'a [Observation],
    /// Labels entered until then, in the order of entry.
    pub labelled: &'a [LabelledObservation],
    /// Extractors whose error was measured by then, each once.
    pub extractors: &'a [MeasuredExtractor],
    /// The moment.
    pub as_of: Timestamp,
}

/// Every figure there is something to make of: for the whole, and for each value of the attribute `each`.
///
/// # Errors
/// [`MonitorError::Figure`], for counts that contradict each other.
pub fn figures(input: &FigureInput<'_>, each: Option<&str>) -> Result<Vec<NamedFigure>, MonitorError> {
    let mut all = of_cut(input, "")?;
    let Some(name) = each else { return Ok(all) };
    let value =
        |observation: &Observation| observation.attributes.get(name).cloned().unwrap_or_else(|| NOT_STATED.to_owned());
    let values: BTreeSet<String> = input.observations.iter().map(value).collect();
    for wanted in values.into_iter().take(CUT_VALUES_MAX) {
        let observations: Vec<Observation> =
            input.observations.iter().filter(|one| value(one) == wanted).cloned().collect();
        let labelled: Vec<LabelledObservation> =
            input.labelled.iter().filter(|one| value(&one.observation) == wanted).cloned().collect();
        let part = FigureInput { observations: &observations, labelled: &labelled, ..*input };
        all.extend(of_cut(&part, &format!("{name}={wanted}"))?);
    }
    Ok(all)
}

fn of_cut(input: &FigureInput<'_>, cut: &str) -> Result<Vec<NamedFigure>, MonitorError> {
    let mut all = Vec::new();
    let mut add = |name, finding: &str, validated, uncorrected, figure: Option<Figure>| {
        let figure = figure.map(|figure| NamedFigure {
            name,
            finding: finding.to_owned(),
            cut: cut.to_owned(),
            validated,
            uncorrected,
            figure,
        });
        all.extend(figure);
    };
    for name in [Metric::FailureRate, Metric::NotEligibleRate, Metric::OutsideEnvelope] {
        let happened: Vec<bool> = input.observations.iter().filter_map(|one| counts_as(name, "", one)).collect();
        add(name, "", true, false, share(name, &happened, &[], input.as_of)?);
    }
    let findings: BTreeSet<&String> = input.observations.iter().flat_map(|one| one.outputs.keys()).collect();
    for finding in findings {
        let name = Metric::PositiveRate;
        let happened: Vec<bool> = input.observations.iter().filter_map(|one| counts_as(name, finding, one)).collect();
        add(name, finding, true, false, share(name, &happened, &[], input.as_of)?);
    }
    let labelled: BTreeSet<&String> = input.labelled.iter().map(|one| &one.label.finding).collect();
    for finding in labelled {
        for name in [Metric::Sensitivity, Metric::Specificity, Metric::Ppv, Metric::Concordance] {
            for class in name.permitted_labels() {
                for validated in [true, false] {
                    let cases = cases(input.labelled, finding, *class, validated);
                    // Concordance is about what was said, not about what is true.
                    let errs =
                        |one: &&LabelledObservation| one.label.extractor.is_some() && name != Metric::Concordance;
                    let drawn_errs =
                        |one: &&LabelledObservation| errs(one) && one.label.inclusion_probability.is_some();
                    let (uncorrected, of_drawn) = (cases.iter().any(errs), cases.iter().any(drawn_errs));
                    add(name, finding, validated, uncorrected, rate_of(name, &cases, &[*class], input.as_of)?);
                    add(name, finding, validated, of_drawn, weighted(name, &cases, &[*class], input.as_of)?);
                }
            }
        }
        for (name, figure) in
            corrected(input.extractors, finding, |extractor| read_by(input, finding, extractor), input.as_of)
        {
            add(name, finding, true, false, Some(figure));
        }
    }
    Ok(all)
}

/// A figure of one finding that rests on exactly `classes`, from validated labels. `None`: there is nothing to make it of.
///
/// # Errors
/// [`MonitorError::LabelClass`] when a class does not carry the figure; [`MonitorError::MixedExposure`] for accuracy from
/// labels of several classes (MV-25).
pub fn figure(
    input: &FigureInput<'_>,
    metric: Metric,
    finding: &str,
    classes: &[Independence],
) -> Result<Option<Figure>, MonitorError> {
    let permitted = metric.permitted_labels();
    if let Some(class) = classes.iter().copied().find(|class| !permitted.contains(class)) {
        return Err(MonitorError::LabelClass { metric, class });
    }
    if 1 < classes.len() && metric != Metric::Concordance {
        return Err(MonitorError::MixedExposure { metric });
    }
    let cases: Vec<&LabelledObservation> =
        classes.iter().flat_map(|class| cases(input.labelled, finding, *class, true)).collect();
    rate_of(metric, &cases, classes, input.as_of)
}

/// One label for each study revision: of several of the class the most authoritative source counts, and of that the latest,
/// so that a correction changes figures as of later times and leaves those of earlier times as they were.
fn cases<'a>(
    labelled: &'a [LabelledObservation],
    finding: &str,
    class: Independence,
    validated: bool,
) -> Vec<&'a LabelledObservation> {
    let rank = |source| match source {
        LabelSource::Adjudication => 3,
        LabelSource::FollowUp => 2,
        LabelSource::Report => 1,
        LabelSource::Assessment => 0,
    };
    let mut by_study: BTreeMap<(&str, u32), &LabelledObservation> = BTreeMap::new();
    for one in labelled {
        let label = &one.label;
        if label.finding != finding || label.class() != class || label.is_validated() != validated {
            continue;
        }
        let known = by_study.entry((label.study_key.as_str(), label.revision)).or_insert(one);
        let order = |one: &LabelledObservation| (rank(one.label.source), one.label.recorded_at);
        if order(known) <= order(one) {
            *known = one;
        }
    }
    by_study.into_values().filter(|one| one.label.truth != Truth::Uncertain || one.label.agreement.is_some()).collect()
}

fn rate_of(
    metric: Metric,
    cases: &[&LabelledObservation],
    classes: &[Independence],
    as_of: Timestamp,
) -> Result<Option<Figure>, MonitorError> {
    let outcome = |one: &&LabelledObservation| crate::fold::outcome(metric, &one.label, &one.observation);
    let happened: Vec<bool> = cases.iter().filter_map(outcome).collect();
    share(metric, &happened, classes, as_of)
}

/// The same from the random audit sample alone, weighted by the probability each case was drawn with: what verification of
/// the conspicuous cases cannot bias (MV-26).
fn weighted(
    metric: Metric,
    cases: &[&LabelledObservation],
    classes: &[Independence],
    as_of: Timestamp,
) -> Result<Option<Figure>, MonitorError> {
    let mut happened = Vec::new();
    let mut probabilities = Vec::new();
    for one in cases {
        let Some(probability) = one.label.inclusion_probability.filter(|p| 0.0 < *p && *p <= 1.0) else { continue };
        if let Some(outcome) = crate::fold::outcome(metric, &one.label, &one.observation) {
            happened.push(outcome);
            probabilities.push(probability);
        }
    }
    if happened.is_empty() {
        return Ok(None);
    }
    let failed = |source| MonitorError::Figure { metric, source };
    let estimate = audit_rate(&happened, &probabilities, LEVEL).map_err(failed)?;
    Ok(Some(told(&estimate, classes, as_of)))
}

/// Answers against the unexposed, validated labels of one extractor.
fn read_by(input: &FigureInput<'_>, finding: &str, extractor: &str) -> ConfusionTable {
    let mut table = ConfusionTable::default();
    let cases = cases(input.labelled, finding, Independence::Unexposed, true);
    for one in cases.iter().filter(|one| one.label.extractor.as_deref() == Some(extractor)) {
        // As in the figure beside it: an answer that was not given finds nothing.
        let called = one.observation.outputs.get(finding).and_then(|output| output.present) == Some(true);
        match (one.label.truth, called) {
            (Truth::Present, true) => table.true_positives += 1,
            (Truth::Present, false) => table.false_negatives += 1,
            (Truth::Absent, true) => table.false_positives += 1,
            (Truth::Absent, false) => table.true_negatives += 1,
            (Truth::Uncertain, _) => {}
        }
    }
    table
}

/// Accuracy behind labels that a measured extractor read out of reports: corrected for its error, whose uncertainty the interval
/// carries (MV-28). `read_by` counts the answers against the labels of one extractor.
///
/// Only from unexposed labels: a report that was written with the model's answer in view errs with it, and no such correction
/// holds. Where too few reports were adjudicated, or the model called everything or nothing, there is none.
fn corrected(
    extractors: &[MeasuredExtractor],
    finding: &str,
    read_by: impl Fn(&str) -> ConfusionTable,
    as_of: Timestamp,
) -> Vec<(Metric, Figure)> {
    const CLASS: Independence = Independence::Unexposed;
    /// The draws behind an interval are the same whenever it is made.
    const SEED: u64 = 28;
    let mut all = Vec::new();
    for measured in extractors.iter().filter(|measured| measured.finding == finding) {
        let table = read_by(&measured.extractor);
        let Ok(accuracy) = corrected_accuracy(&table, &measured.error, LEVEL, SEED) else { continue };
        let figures = [
            (Metric::Sensitivity, &accuracy.sensitivity),
            (Metric::Specificity, &accuracy.specificity),
            (Metric::Ppv, &accuracy.ppv),
        ];
        all.extend(figures.map(|(metric, estimate)| (metric, told(estimate, &[CLASS], as_of))));
    }
    all
}

fn share(
    metric: Metric,
    happened: &[bool],
    classes: &[Independence],
    as_of: Timestamp,
) -> Result<Option<Figure>, MonitorError> {
    if happened.is_empty() {
        return Ok(None);
    }
    let n_happened = happened.iter().filter(|happened| **happened).count() as u64;
    let failed = |source| MonitorError::Figure { metric, source };
    let estimate = wilson(n_happened, happened.len() as u64, LEVEL).map_err(failed)?;
    Ok(Some(told(&estimate, classes, as_of)))
}

fn told(estimate: &Estimate, classes: &[Independence], as_of: Timestamp) -> Figure {
    Figure {
        value: estimate.value,
        lower: estimate.lower,
        upper: estimate.upper,
        n: estimate.n,
        method: estimate.method.to_string(),
        label_classes: classes.to_vec(),
        as_of,
    }
}

/// Quantiles of a measured number over the observations, at `n` equal steps of probability: what a rule about the number
/// takes as its reference. `None` where fewer than `n` observations have it.
pub fn reference_quantiles(observations: &[Observation], feature: &str, n: usize) -> Option<Vec<f64>> {
    let mut values: Vec<f64> = observations.iter().filter_map(|one| number_of(one, feature)).collect();
    if n == 0 || values.len() < n {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |step: usize| values[(step * values.len() / (n + 1)).min(values.len() - 1)];
    Some((1..=n).map(at).collect())
}

#[cfg(test)]
mod tests;
