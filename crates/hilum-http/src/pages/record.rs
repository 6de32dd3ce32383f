//! How the version that answers performs here, on the page of a study: every figure with interval, n and class of labels, or
//! that there is none yet (UX-01).

use super::view::{Moment, spelled};
use crate::api::monitoring::EvidenceFigureBody;
use crate::api::schema::DeploymentJourney;
use crate::api::version_here::VersionRecordBody;

/// Columns, in their order: name of the figure and its heading.
const COLUMNS: [(&str, &str); 4] =
    [("sensitivity", "Sensitivity"), ("specificity", "Specificity"), ("ppv", "PPV"), ("concordance", "Concordance")];

/// What a figure from the random sample is made by; it stands beside the others, and is not one of them.
const WEIGHTED: &str = "proportion/inverse-probability-wilson";

/// Figures of one finding from one class of labels.
pub(super) struct RecordRow {
    pub(super) finding: String,
    /// Where the labels come from, in words.
    pub(super) labels: String,
    /// One for each column; empty: there is no label for it.
    pub(super) cells: Vec<String>,
}

/// The record of a version, in its final words.
pub(super) struct Record {
    pub(super) text: String,
    pub(super) from: Moment,
    pub(super) as_of: Moment,
    /// Headings of the columns that hold anything.
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<RecordRow>,
}

impl Record {
    pub(super) fn of(record: &VersionRecordBody, journey: &DeploymentJourney) -> Record {
        let held = |column: &&(&str, &str)| record.figures.iter().any(|figure| figure.name == column.0);
        let columns: Vec<&(&str, &str)> = COLUMNS.iter().filter(held).collect();
        let mut rows: Vec<(RecordKey<'_>, RecordRow)> = Vec::new();
        for figure in &record.figures {
            let Some(place) = columns.iter().position(|column| column.0 == figure.name) else { continue };
            let key = RecordKey::of(figure);
            let known = rows.iter().position(|(of, _)| *of == key);
            let at = known.unwrap_or_else(|| {
                let finding = meaning(&figure.finding, journey);
                let row = RecordRow { finding, labels: key.words(), cells: vec![String::new(); columns.len()] };
                rows.push((key, row));
                rows.len() - 1
            });
            rows[at].1.cells[place] = cell(figure);
        }
        Record {
            text: record.text.clone(),
            from: Moment::parse(&record.from),
            as_of: Moment::parse(&record.as_of),
            columns: columns.iter().map(|column| column.1).collect(),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
        }
    }
}

/// What belongs into one row.
#[derive(PartialEq)]
struct RecordKey<'a> {
    finding: &'a str,
    classes: &'a [String],
    weighted: bool,
}

impl<'a> RecordKey<'a> {
    fn of(named: &'a EvidenceFigureBody) -> RecordKey<'a> {
        let weighted = named.figure.method == WEIGHTED;
        RecordKey { finding: &named.finding, classes: &named.figure.label_classes, weighted }
    }

    fn words(&self) -> String {
        let class = |name: &String| {
            match name.as_str() {
                "unexposed" => "given without its answer",
                "directly_exposed" => "given with its answer in view",
                "indirectly_exposed" => "made from what may rest on its answer",
                "post_action" => "what came of acting on it",
                other => other,
            }
            .to_owned()
        };
        let words = self.classes.iter().map(class).collect::<Vec<_>>().join(", ");
        if self.weighted { format!("{words}; random sample alone, weighted") } else { words }
    }
}

fn cell(named: &EvidenceFigureBody) -> String {
    let figure = &named.figure;
    let percent = |share: f64| share * 100.0;
    format!(
        "{:.0}\u{202f}% ({:.0} to {:.0}), n\u{a0}=\u{a0}{}",
        percent(figure.value),
        percent(figure.lower),
        percent(figure.upper),
        figure.n
    )
}

/// The finding as the result of the study names it; else by its label.
fn meaning(finding: &str, journey: &DeploymentJourney) -> String {
    let mut found = journey.inference.iter().flat_map(|inference| &inference.findings);
    found.find(|one| one.label == finding).map_or_else(|| spelled(finding), |one| one.meaning.clone())
}
