//! Figures of acceptance tests, each with n, interval, method and slice (architecture, invariant 6).

use crate::words::{count, number};
use hilum_sign::Record;
use hilum_types::{Digest, Timestamp};
use hilum_validate::Report;
use hilum_validate::protocol::{Comparator, Metric, Slice};
use hilum_validate::report::{Figure as Estimated, Shown};
use serde::Serialize;

/// One figure of a card, pack or periodic report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Stable name, such as `auroc`.
    pub metric: String,
    /// Name for people.
    pub title: String,
    /// `all`, or `column=value`.
    pub slice: String,
    /// The estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// Confidence level, 0 to 1.
    pub level: f64,
    /// Cases or patients that the interval takes as independent.
    pub n: u64,
    /// Cases it is computed from.
    pub n_cases: u64,
    /// How estimate and interval were made.
    pub method: String,
    /// What was asked of it, where anything was.
    pub required: Option<String>,
    /// `pass`, `fail` or `insufficient`, where something was asked.
    pub verdict: Option<String>,
    /// The validation it comes from.
    pub validation: Digest,
}

/// The three groups of figures of a CHAI card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// How well it tells cases apart.
    Usefulness,
    /// How well it does so in groups of patients.
    Fairness,
    /// Whether its scores mean what they say, and whether it answers at all.
    Reliability,
}

impl Figure {
    fn new(metric: Metric, slice: &str, shown: &Shown<Estimated>, validation: Digest) -> Option<Figure> {
        let Estimated { value, lower, upper, level, n, n_cases, method } = shown.figure()?.clone();
        let (title, metric) = (metric.title().to_owned(), metric.name().to_owned());
        let slice = slice.to_owned();
        let (required, verdict) = (None, None);
        Some(Figure {
            metric,
            title,
            slice,
            value,
            lower,
            upper,
            level,
            n,
            n_cases,
            method,
            required,
            verdict,
            validation,
        })
    }

    /// Whether it is about a group of cases.
    pub fn is_subgroup(&self) -> bool {
        self.slice != Slice::All.to_string()
    }

    /// Unit of the value: `mm`, or empty for shares and other plain numbers.
    pub fn unit(&self) -> &'static str {
        if self.metric.ends_with("_mm") { "mm" } else { "" }
    }

    pub(crate) fn group(&self) -> Group {
        let reliability = ["ece", "brier", "calibration_slope", "calibration_intercept", "completeness"];
        if self.is_subgroup() {
            Group::Fairness
        } else if reliability.contains(&self.metric.as_str()) {
            Group::Reliability
        } else {
            Group::Usefulness
        }
    }

    /// `0.95 to 0.98`.
    pub fn interval(&self) -> String {
        format!("{} to {}", number(self.lower), number(self.upper))
    }

    /// `95 %`.
    pub fn level_text(&self) -> String {
        format!("{} %", number(self.level * 100.0))
    }

    /// `AUROC 0.966 (95 % 0.951 to 0.98, n 624, auroc/delong)`.
    pub fn sentence(&self) -> String {
        let (value, level, interval) = (number(self.value), self.level_text(), self.interval());
        format!("{} {value} ({level} {interval}, n {}, {})", self.title, self.n, self.method)
    }

    /// The value as it stands in a table.
    pub fn value_text(&self) -> String {
        number(self.value)
    }
}

/// What a validation record says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationFacts {
    /// The record.
    pub record: Digest,
    /// When it was entered.
    pub at: Timestamp,
    /// `pass`, `fail` or `insufficient`.
    pub verdict: String,
    /// The protocol was written after results were seen.
    pub post_hoc: bool,
    /// Name of the protocol; its record where the report cannot be read.
    pub protocol_name: String,
    /// Record of the protocol.
    pub protocol: Option<Digest>,
    /// Record of the reference set.
    pub reference_set: Option<Digest>,
    /// The cases it rests on, in words.
    pub cases: Option<String>,
    /// The answer in one sentence.
    pub sentence: String,
    /// Figures: first those that were judged, then the others.
    pub figures: Vec<Figure>,
    /// Why the report is not shown, where it is not.
    pub problem: Option<String>,
}

impl ValidationFacts {
    /// Read a record of kind `validation`. A report that cannot be read leads to no figure, and the problem says so.
    pub fn read(record: &Record) -> ValidationFacts {
        let text = |key: &str| record.body[key].as_str().map(str::to_owned);
        let digest = |key: &str| text(key).and_then(|text| text.parse::<Digest>().ok());
        let protocol = digest("protocol");
        let mut facts = ValidationFacts {
            record: record.digest,
            at: record.created_at,
            verdict: text("verdict").unwrap_or_else(|| "not stated".to_owned()),
            post_hoc: record.body["post_hoc"].as_bool().unwrap_or(false),
            protocol_name: protocol.map_or_else(String::new, |digest| digest.short()),
            protocol,
            reference_set: digest("reference_set"),
            cases: None,
            sentence: String::new(),
            figures: Vec::new(),
            problem: None,
        };
        if !record.is_intact() {
            facts.problem = Some("the record was changed after it was entered".to_owned());
            return facts;
        }
        match serde_json::from_value::<Report>(record.body["report"].clone()) {
            Ok(report) => facts.take(&report),
            Err(error) => facts.problem = Some(format!("its report cannot be read by this version: {error}")),
        }
        facts
    }

    fn take(&mut self, report: &Report) {
        self.protocol_name.clone_from(&report.protocol.document.name);
        self.sentence.clone_from(&report.sentence);
        self.post_hoc |= report.post_hoc;
        let flow = &report.flow;
        let (set, labels) = (&report.reference_set.name, &report.reference_set.label_source);
        self.cases = Some(format!(
            "Reference set {set} ({}): {} analysed of {} listed, {} of them with and {} without the finding, of {}; labels: {}",
            report.reference_set.record.short(),
            flow.analysed,
            count(flow.listed as usize, "case"),
            flow.positives,
            flow.negatives,
            count(flow.patients as usize, "patient"),
            if labels.is_empty() { "source not stated" } else { labels }
        ));
        self.figures = figures(report, self.record);
    }

    /// What came of it.
    pub(crate) fn interpretation(&self) -> String {
        let why = self.problem.as_deref().unwrap_or(&self.sentence);
        let post_hoc = if self.post_hoc { " The protocol was written after results were seen." } else { "" };
        format!("{} ({}): {why}{post_hoc}", self.protocol_name, self.verdict)
    }

    /// How the test was set up.
    pub(crate) fn test_type(&self) -> String {
        let post_hoc = if self.post_hoc { "after results had been seen" } else { "before the run" };
        format!("Retrospective acceptance test at this site, protocol frozen {post_hoc}, on {}", self.at.day())
    }

    /// Where protocol, cases and report are.
    pub(crate) fn process(&self) -> String {
        let short = |digest: Option<Digest>| digest.map_or_else(|| "not stated".to_owned(), |digest| digest.short());
        format!(
            "Record {} under protocol {} ({}) on reference set {}",
            self.record.short(),
            self.protocol_name,
            short(self.protocol),
            short(self.reference_set)
        )
    }
}

/// Every figure of a report: those that were judged, with what was asked, then what the report shows besides.
fn figures(report: &Report, validation: Digest) -> Vec<Figure> {
    let mut found: Vec<Figure> = Vec::new();
    for result in &report.criteria {
        // Of a comparison the model's own figure is shown here; the difference stands in the report.
        let own = match (result.comparator, &result.challenger) {
            (Comparator::Champion, Some(own)) => own,
            _ => &result.judged,
        };
        let figure = Figure::new(result.metric, &result.slice.to_string(), own, validation);
        found.extend(figure.map(|figure| Figure {
            required: Some(result.requirement.clone()),
            verdict: Some(result.verdict.name().to_owned()),
            ..figure
        }));
    }
    for result in &report.subgroups {
        // A difference to the champion is no figure of this model.
        if result.comparator == Comparator::Champion {
            continue;
        }
        let slice = format!("{}={}", result.attribute, result.group);
        let figure = Figure::new(result.metric, &slice, &result.judged, validation);
        found.extend(figure.map(|figure| Figure {
            required: Some(result.requirement.clone()),
            verdict: Some(result.verdict.name().to_owned()),
            ..figure
        }));
    }
    for (metric, shown) in others(report) {
        let known = found.iter().any(|figure| figure.metric == metric.name() && !figure.is_subgroup());
        if !known {
            found.extend(Figure::new(metric, &Slice::All.to_string(), shown, validation));
        }
    }
    found
}

fn others(report: &Report) -> Vec<(Metric, &Shown<Estimated>)> {
    let mut shown = Vec::new();
    if let Some(classification) = &report.classification {
        shown.extend([(Metric::Auroc, &classification.auroc), (Metric::Auprc, &classification.auprc)]);
        if let Shown::Figure(point) = &classification.operating_point {
            shown.extend([
                (Metric::Sensitivity, &point.sensitivity),
                (Metric::Specificity, &point.specificity),
                (Metric::Ppv, &point.ppv),
                (Metric::Npv, &point.npv),
            ]);
        }
        if let Shown::Figure(calibration) = &classification.calibration {
            shown.extend([
                (Metric::CalibrationSlope, &calibration.slope),
                (Metric::CalibrationIntercept, &calibration.intercept),
                (Metric::Ece, &calibration.ece),
                (Metric::Brier, &calibration.brier),
            ]);
        }
    }
    shown.extend(report.measures.iter().map(|measure| (measure.metric, &measure.mean)));
    shown
}
