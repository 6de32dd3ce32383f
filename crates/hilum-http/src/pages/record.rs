//! How the version that answers performs here, on the page of a study: every figure with interval, n and class of labels, or
//! that there is none yet (UX-01).

use super::view::{Moment, spelled};
use crate::api::monitoring::EvidenceFigureBody;
use crate::api::schema::DeploymentJourney;
use crate::api::version_here::VersionRecordBody;
use crate::words::percent;

/// Columns, in their order: name of the figure and its heading.
const COLUMNS: [(&str, &str); 4] =
    [("sensitivity", "Sensitivity"), ("specificity", "Specificity"), ("ppv", "PPV"), ("concordance", "Concordance")];

/// What a figure from the random sample is made by; it stands beside the others, and is not one of them.
const WEIGHTED: &str = "proportion/inverse-probability-wilson";
/// What a figure from labels of an extractor is made by whose measured error is reckoned with.
const CORRECTED: &str = "proportion/label-error-propagated";

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
        Record {
            text: record.text.clone(),
            from: Moment::parse(&record.from),
            as_of: Moment::parse(&record.as_of),
            columns: columns.iter().map(|column| column.1).collect(),
            rows: rows(&record.figures, &columns, |finding| meaning(finding, journey)),
        }
    }
}

/// Figures side by side that have everything but their name in common. A second figure of one name, as of two extractors,
/// begins another row: none stands in the place of another.
fn rows(figures: &[EvidenceFigureBody], columns: &[&(&str, &str)], meaning: impl Fn(&str) -> String) -> Vec<RecordRow> {
    let mut rows: Vec<(RecordKey<'_>, RecordRow)> = Vec::new();
    for figure in figures {
        let Some(place) = columns.iter().position(|column| column.0 == figure.name) else { continue };
        let key = RecordKey::of(figure);
        let latest = rows.iter().rposition(|(of, _)| *of == key);
        let at = latest.filter(|at| rows[*at].1.cells[place].is_empty()).unwrap_or_else(|| {
            let finding = meaning(&figure.finding);
            let row = RecordRow { finding, labels: key.words(), cells: vec![String::new(); columns.len()] };
            rows.push((key, row));
            rows.len() - 1
        });
        rows[at].1.cells[place] = cell(figure);
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

/// What belongs into one row.
#[derive(PartialEq)]
struct RecordKey<'a> {
    finding: &'a str,
    classes: &'a [String],
    /// How it is made, where not by counting all labels alike.
    made: &'static str,
}

impl<'a> RecordKey<'a> {
    fn of(named: &'a EvidenceFigureBody) -> RecordKey<'a> {
        let made = match named.figure.method.as_str() {
            WEIGHTED => "random sample alone, weighted",
            CORRECTED => "read out of reports, corrected for the measured error of the extractor",
            _ => "",
        };
        RecordKey { finding: &named.finding, classes: &named.figure.label_classes, made }
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
        if self.made.is_empty() { words } else { format!("{words}; {}", self.made) }
    }
}

fn cell(named: &EvidenceFigureBody) -> String {
    let figure = &named.figure;
    format!(
        "{}\u{202f}% ({} to {}), n\u{a0}=\u{a0}{}",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::monitoring::FigureBody;

    fn figure(name: &str, value: f64, method: &str) -> EvidenceFigureBody {
        EvidenceFigureBody {
            name: name.to_owned(),
            finding: "nodule".to_owned(),
            cut: String::new(),
            validated: true,
            uncorrected: false,
            figure: FigureBody {
                value,
                lower: 0.5,
                upper: 1.0,
                n: 80,
                method: method.to_owned(),
                label_classes: vec!["unexposed".to_owned()],
                as_of: String::new(),
            },
        }
    }

    /// Two extractors with measured errors give two figures of each name: both are shown, and say what they are.
    #[test]
    fn no_figure_stands_in_the_place_of_another() {
        let figures = [
            figure("sensitivity", 0.8, "proportion/wilson"),
            figure("sensitivity", 0.7, WEIGHTED),
            figure("sensitivity", 0.9, CORRECTED),
            figure("specificity", 0.91, CORRECTED),
            figure("sensitivity", 0.6, CORRECTED),
            figure("specificity", 0.61, CORRECTED),
        ];
        let rows = rows(&figures, &[&COLUMNS[0], &COLUMNS[1]], str::to_owned);
        let first = |cell: &String| cell.split('\u{202f}').next().unwrap_or_default().to_owned();
        let shown = rows.iter().map(|row| {
            format!("{}: {} | {}", row.finding, row.cells.iter().map(first).collect::<Vec<_>>().join(" "), row.labels)
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "nodule: 80  | given without its answer",
                "nodule: 70  | given without its answer; random sample alone, weighted",
                "nodule: 90 91 | given without its answer; read out of reports, corrected for the measured error of the extractor",
                "nodule: 60 61 | given without its answer; read out of reports, corrected for the measured error of the extractor",
            ]
        );
    }
}
