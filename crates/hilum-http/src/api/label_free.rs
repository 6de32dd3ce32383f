//! Estimates without labels, as they are told: never without what they take for granted, and never as a figure.

use hilum_monitor::label_free::{ASSUMES, EstimatedFigure, EstimatedFinding};
use hilum_store::label_free_report::LabelFreeReport;
use serde::Serialize;
use utoipa::ToSchema;

/// What a figure would be if scores still meant what they meant in the acceptance test. It is shown, and nothing
/// follows from it: it clears no stop rule, is no evidence, and brings nothing back into use.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LabelFreeBody {
    /// `sensitivity`, `specificity`, `ppv` or `auroc`.
    pub name: String,
    /// The finding it is about.
    pub finding: String,
    /// Always true: it is an estimate without labels.
    pub estimate: bool,
    /// The estimate.
    pub value: f64,
    /// Lower bound of the interval of 95 %, which carries the sampling of both sides and nothing of what is taken for
    /// granted.
    pub lower: f64,
    /// Upper bound of the interval.
    pub upper: f64,
    /// Studies with a score that it rests on.
    pub n: u64,
    /// Stable name of the method.
    #[schema(example = "label-free/cbpe-bootstrap")]
    pub method: String,
    /// Always empty: it rests on no label of the period.
    pub label_classes: Vec<String>,
    /// Everything entered until then was known.
    pub as_of: String,
    /// What it takes for granted, in words.
    pub assumes: String,
    /// False where it is not to be relied on even as far as such an estimate can be; `reasons` say why.
    pub reliable: bool,
    /// Why it is not to be relied on: images unlike the accepted ones or not compared with them, something that was
    /// signalled, too few studies or cases.
    pub reasons: Vec<String>,
    /// At or above it the finding is called; scores for which the model abstains are below it.
    pub operating_point: f64,
    /// Digest of the record of the acceptance test that says what a score means.
    pub reference: String,
    /// Its cases with the finding.
    pub n_reference_with: u64,
    /// Its cases without.
    pub n_reference_without: u64,
    /// Whether all studies of the period were read; else the newest 20,000 were.
    pub complete: bool,
}

/// One entry for each figure, by finding.
pub(super) fn bodies(report: &LabelFreeReport) -> Vec<LabelFreeBody> {
    let of = |finding: &EstimatedFinding, figure: &EstimatedFigure| LabelFreeBody {
        name: figure.name.name().to_owned(),
        finding: finding.finding.clone(),
        estimate: true,
        value: figure.value,
        lower: figure.lower,
        upper: figure.upper,
        n: figure.n,
        method: figure.method.clone(),
        label_classes: Vec::new(),
        as_of: report.as_of.to_string(),
        assumes: ASSUMES.to_owned(),
        reliable: finding.doubts.is_empty(),
        reasons: finding.doubts.clone(),
        operating_point: finding.operating_point,
        reference: finding.record.to_string(),
        n_reference_with: finding.n_with,
        n_reference_without: finding.n_without,
        complete: report.complete,
    };
    let all = report.findings.iter();
    all.flat_map(|finding| finding.figures.iter().map(|figure| of(finding, figure)).collect::<Vec<_>>()).collect()
}
