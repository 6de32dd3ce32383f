//! Estimates without labels, apart from every figure, and greyed where they are not to be relied on.

use super::Moment;
use crate::words::{count, grouped, percent, sentence};
use hilum_monitor::label_free::{ASSUMES, EstimatedFigure, EstimatedFinding, EstimatedName};
use hilum_store::label_free_report::LabelFreeReport;

pub(super) struct EstimatedRow {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) n: String,
}

pub(super) struct EstimatedGroup {
    pub(super) about: String,
    /// Why it is greyed; empty: it is not.
    pub(super) doubts: String,
    pub(super) rows: Vec<EstimatedRow>,
}

pub(super) struct EstimatedPanel {
    /// Whether somebody asked for it: it is computed anew each time.
    pub(super) asked: bool,
    pub(super) said: String,
    pub(super) groups: Vec<EstimatedGroup>,
}

impl EstimatedPanel {
    pub(super) fn not_asked() -> EstimatedPanel {
        EstimatedPanel { asked: false, said: sentence(ASSUMES) + ".", groups: Vec::new() }
    }

    /// `None`: it could not be read.
    pub(super) fn of(report: Option<&LabelFreeReport>) -> EstimatedPanel {
        let said = match report {
            None => "They could not be made, so nothing is known of them; the log of the server says why.".to_owned(),
            Some(report) if report.n_references == 0 => {
                "No acceptance test of this version kept what its scores mean; run one to have estimates.".to_owned()
            }
            Some(report) if report.findings.is_empty() => {
                format!("No study since {} has a score.", Moment::of(report.from).day)
            }
            Some(report) => {
                let part = if report.complete { "" } else { ", the newest 20,000 of them" };
                let from = Moment::of(report.from).day;
                format!("Studies since {from}{part}, 95 % intervals. {}.", sentence(ASSUMES))
            }
        };
        let groups = report.map(|report| report.findings.iter().map(group).collect()).unwrap_or_default();
        EstimatedPanel { asked: true, said, groups }
    }
}

fn group(finding: &EstimatedFinding) -> EstimatedGroup {
    let EstimatedFinding { operating_point, record, n_with, n_without, .. } = finding;
    EstimatedGroup {
        about: format!(
            "{}, called from {operating_point} on; what a score means is from acceptance test {}, {} with the finding and {} \
             without",
            sentence(&finding.finding),
            record.short(),
            count(*n_with, "case", "cases"),
            grouped(*n_without),
        ),
        doubts: finding.doubts.join("; "),
        rows: finding.figures.iter().map(row).collect(),
    }
}

fn row(figure: &EstimatedFigure) -> EstimatedRow {
    let (name, is_share) = match figure.name {
        EstimatedName::Sensitivity => ("Sensitivity", true),
        EstimatedName::Specificity => ("Specificity", true),
        EstimatedName::Ppv => ("Positive predictive value", true),
        EstimatedName::Auroc => ("AUROC", false),
    };
    let told = |value: f64| if is_share { percent(value) } else { format!("{value:.3}") };
    let unit = if is_share { " %" } else { "" };
    EstimatedRow {
        name,
        value: told(figure.value) + unit,
        interval: format!("{} to {}{unit}", told(figure.lower), told(figure.upper)),
        n: grouped(figure.n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_types::{Digest, Timestamp};

    fn report(doubts: &[&str]) -> LabelFreeReport {
        let figure = |name, value| EstimatedFigure {
            name,
            value,
            lower: value - 0.05,
            upper: value + 0.05,
            n: 1234,
            method: "label-free/cbpe-bootstrap".to_owned(),
        };
        let finding = EstimatedFinding {
            finding: "nodule".to_owned(),
            operating_point: 0.5,
            record: Digest::of(b"record"),
            n_with: 60,
            n_without: 1200,
            figures: vec![figure(EstimatedName::Sensitivity, 0.912), figure(EstimatedName::Auroc, 0.85)],
            doubts: doubts.iter().map(|&doubt| doubt.to_owned()).collect(),
        };
        LabelFreeReport {
            package: Digest::of(b"package"),
            as_of: Timestamp::from_micros(0),
            from: Timestamp::from_micros(0),
            complete: false,
            n_references: 1,
            findings: vec![finding],
        }
    }

    #[test]
    fn estimates_are_told_with_interval_n_and_what_they_assume() {
        let panel = EstimatedPanel::of(Some(&report(&[])));
        assert!(
            panel.asked && panel.said.contains("the newest 20,000") && panel.said.contains("holds only if a score")
        );
        let [group] = &panel.groups[..] else { panic!("one finding") };
        let start = "Nodule, called from 0.5 on; what a score means is from acceptance test ";
        assert!(
            group.about.starts_with(start)
                && group.about.ends_with("60 cases with the finding and 1\u{202f}200 without")
        );
        assert!(group.doubts.is_empty());
        let rows: Vec<[&str; 4]> = group.rows.iter().map(|row| [row.name, &row.value, &row.interval, &row.n]).collect();
        assert_eq!(rows[1], ["AUROC", "0.850", "0.800 to 0.900", "1\u{202f}234"]);
        assert_eq!((rows[0][0], rows[0][3]), ("Sensitivity", "1\u{202f}234"));
        assert!(rows[0][1].starts_with("91") && rows[0][1].ends_with(" %") && rows[0][2].ends_with(" %"), "{rows:?}");
    }

    #[test]
    fn what_is_not_to_be_relied_on_says_why() {
        let panel = EstimatedPanel::of(Some(&report(&["rule noise spoke on 2026-11-04", "only 9 studies"])));
        assert_eq!(panel.groups[0].doubts, "rule noise spoke on 2026-11-04; only 9 studies");
        let none = LabelFreeReport { n_references: 0, findings: Vec::new(), ..report(&[]) };
        assert!(EstimatedPanel::of(Some(&none)).said.contains("No acceptance test of this version"));
        let unseen = LabelFreeReport { findings: Vec::new(), ..report(&[]) };
        assert_eq!(EstimatedPanel::of(Some(&unseen)).said, "No study since 1 Jan 1970 has a score.");
        assert!(EstimatedPanel::of(None).said.starts_with("They could not be made"));
        assert!(!EstimatedPanel::not_asked().asked && EstimatedPanel::not_asked().said.starts_with("It holds only"));
    }
}
