//! The report as one static page.

mod asked;
mod cases;
mod comparison;
mod curves;
mod gates;
mod origin;
mod table;

use crate::ValidateError;
use crate::report::{FailureKind, Report};
use crate::text;
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use table::{Mark, Table};

/// PNG bytes of failure cases by case id, windowed and small (at most 512 pixels a side is sensible). A case without one is
/// shown by its numbers.
pub type FailureImages = BTreeMap<String, Vec<u8>>;

/// The first eight bytes of every PNG (ISO/IEC 15948, section 5.2).
const PNG_SIGNATURE: &[u8] = &[0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];

/// The page: one HTML document without scripts or outside references, for screens in both themes and for paper.
///
/// # Errors
/// [`ValidateError::Page`] when an image is no PNG.
pub fn render_page(report: &Report, images: &FailureImages) -> Result<String, ValidateError> {
    let failed = |error: askama::Error| ValidateError::Page(error.to_string());
    let page = Page {
        title: format!("{} {}: {}", report.model.name, report.model.version, report.protocol.document.target.finding),
        model: format!("{} {}", report.model.name, report.model.version),
        finding: report.protocol.document.target.finding.clone(),
        mark: Mark::of(report.verdict, false),
        sentence: &report.sentence,
        post_hoc: report.post_hoc,
        facts: facts(report),
        reasons: &report.reasons,
        sections: sections(report),
        failures: failures(report, images)?,
        failure_note: failure_note(report),
        notes: &report.notes,
        methods: &report.methods,
        origin: origin::origin(report),
        made: format!("{} by {}, Hilum {}", text::minute(report.run.at), report.run.by, report.run.software),
    };
    page.render().map_err(failed)
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: String,
    model: String,
    finding: String,
    mark: Mark,
    sentence: &'a str,
    post_hoc: bool,
    facts: Vec<Fact>,
    reasons: &'a [String],
    sections: Vec<Section>,
    failures: Vec<Failure>,
    failure_note: String,
    notes: &'a [String],
    methods: &'a [crate::report::MethodNote],
    origin: Table,
    made: String,
}

/// A figure of the head of the page.
struct Fact {
    name: String,
    value: String,
    sub: String,
}

/// A chapter: charts beside each other, then tables.
#[derive(Default)]
struct Section {
    id: &'static str,
    title: String,
    lead: String,
    charts: Vec<Chart>,
    tables: Vec<Table>,
}

/// A drawing with its caption.
struct Chart {
    drawing: String,
    caption: String,
}

/// A failure case.
struct Failure {
    case: String,
    kind: &'static str,
    numbers: String,
    /// A `data:` address, or empty.
    image: String,
    description: String,
}

fn sections(report: &Report) -> Vec<Section> {
    let mut sections = vec![asked::asked(report), cases::cases(report), gates::criteria(report)];
    sections.extend(gates::subgroups(report));
    sections.extend(curves::discrimination(report));
    sections.extend(curves::operating_point(report));
    sections.extend(curves::calibration(report));
    sections.extend(curves::decision(report));
    sections.extend(curves::measures(report));
    sections.extend(comparison::comparison(report));
    sections.push(gates::power(report));
    sections
}

fn facts(report: &Report) -> Vec<Fact> {
    let flow = &report.flow;
    let mut facts = vec![Fact {
        name: "Analysed".to_owned(),
        value: text::counted(flow.analysed, "case"),
        sub: format!("{}; of {} listed", text::counted(flow.patients, "patient"), text::thousands(flow.listed)),
    }];
    let mut figure = |name: &str, shown: Option<&crate::report::Figure>| {
        if let Some(figure) = shown {
            let [value, lower, upper] = [figure.value, figure.lower, figure.upper].map(|v| text::fixed(v, 3));
            let sub = format!(
                "{} interval {lower} to {upper}; n = {}",
                text::percent(figure.level),
                text::thousands(figure.n)
            );
            facts.push(Fact { name: name.to_owned(), value, sub });
        }
    };
    if let Some(classification) = &report.classification {
        figure("AUROC", classification.auroc.figure());
        if let Some(point) = classification.operating_point.figure() {
            figure("Sensitivity", point.sensitivity.figure());
            figure("Specificity", point.specificity.figure());
        }
        figure("Prevalence", classification.prevalence.figure());
    }
    for measure in &report.measures {
        figure(measure.metric.title(), measure.mean.figure());
    }
    facts
}

fn failures(report: &Report, images: &FailureImages) -> Result<Vec<Failure>, ValidateError> {
    let mut failures = Vec::new();
    for failure in &report.failures.shown {
        let image = match images.get(&failure.case) {
            None => String::new(),
            Some(bytes) if bytes.starts_with(PNG_SIGNATURE) => {
                format!("data:image/png;base64,{}", STANDARD.encode(bytes))
            }
            Some(_) => return Err(ValidateError::Page(format!("the image of case {:?} is no PNG", failure.case))),
        };
        let kind = match failure.kind {
            FailureKind::Missed => "missed",
            FailureKind::FalseAlarm => "false alarm",
            FailureKind::PoorSegmentation => "poor segmentation",
        };
        let mut numbers = format!("{} {}", failure.of, text::fixed(failure.value, 3));
        if let Some(champion) = failure.champion {
            numbers.push_str(&format!("; champion {}", text::fixed(champion, 3)));
        }
        if let Some(label) = &failure.label {
            numbers.push_str(&format!("; label {label}"));
        }
        let description = format!("Image of case {}, {kind}, {numbers}", failure.case);
        failures.push(Failure { case: failure.case.clone(), kind, numbers, image, description });
    }
    Ok(failures)
}

fn failure_note(report: &Report) -> String {
    let failures = &report.failures;
    if report.classification.is_none() {
        return format!("The {} poorest, in order.", text::counted(failures.shown.len() as u64, "case"));
    }
    format!(
        "{} missed, {}. Shown are the most confident errors of both kinds, missed ones by rising score, false alarms by falling score; nobody chose them.",
        text::counted(failures.n_missed, "case"),
        text::counted(failures.n_false_alarms, "false alarm"),
    )
}
