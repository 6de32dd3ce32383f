//! What moved: numbers of the last four weeks beside the reference, the farthest first, and where they moved most.

use super::Moment;
use crate::words::{count, grouped, sentence};
use hilum_monitor::sketch::{Moved, RUN_SECONDS, THIN};
use hilum_store::inputs_report::{MovedNumber, MovedReport, MovedState};

pub(super) struct MovedRow {
    pub(super) name: String,
    pub(super) before: String,
    pub(super) n_before: String,
    pub(super) now: String,
    pub(super) n_now: String,
    pub(super) distance: String,
    /// Width of the bar, in hundredths.
    pub(super) share: u32,
    pub(super) by_chance: String,
    pub(super) group: String,
}

pub(super) struct MovedPanel {
    pub(super) said: String,
    pub(super) rows: Vec<MovedRow>,
}

impl MovedPanel {
    /// `None`: it could not be read.
    pub(super) fn of(state: Option<&MovedState>) -> MovedPanel {
        let said = match state {
            Some(MovedState::Compared(report)) => return MovedPanel::compared(report),
            Some(MovedState::NothingYet) => {
                "There is nothing after the reference, the first four weeks of the version, to compare with it yet."
            }
            Some(MovedState::Counting) => {
                "What was observed is still being counted; what moved is told here when that is done."
            }
            None => "What moved could not be read, so nothing is known of it; the log of the server says why.",
        };
        MovedPanel { said: said.to_owned(), rows: vec![] }
    }

    fn compared(report: &MovedReport) -> MovedPanel {
        let (reference, current) = (&report.reference, &report.current);
        let days = |span: &hilum_monitor::sketch::Span| {
            format!("{} to {}", Moment::of(span.from).day, Moment::of(span.until.plus_micros(-1)).day)
        };
        let mut said = format!(
            "{} ({}) beside the reference, {} ({}). ",
            days(&current.span),
            count(current.n, "study", "studies"),
            days(&reference.span),
            count(reference.n, "study", "studies"),
        );
        said += &match report.n_moved as u64 {
            0 => "No number moved beyond chance".to_owned(),
            n => format!("{} beyond chance", count(n, "number moved", "numbers moved")),
        };
        if 0 < report.n_within_chance {
            said += &format!(", {} did not", grouped(report.n_within_chance as u64));
        }
        if 0 < report.n_thin {
            said += &format!("; of {} there are fewer than {THIN} on one side, so nothing is known", report.n_thin);
        }
        let n_listed = report.moved.len();
        if n_listed < report.n_moved {
            said += &format!("; the farthest {n_listed} are listed");
        }
        said += ".";
        if 0 < report.n_moved {
            let n_compared = count((report.n_moved + report.n_within_chance) as u64, "number", "numbers");
            said += &format!(" Of {n_compared} about one in twenty is beyond chance by chance.");
        }
        if !report.complete {
            said += " There is more than could be read or kept, so more may have moved.";
        }
        MovedPanel { said, rows: report.moved.iter().map(row).collect() }
    }
}

fn row(number: &MovedNumber) -> MovedRow {
    let Moved { name, before, now, distance } = &number.moved;
    let group = number.group.as_ref().map(|group| {
        let name = match (group.name.as_str(), group.key.as_str()) {
            ("", "-") => "group not stated",
            ("", key) => key,
            (name, _) => name,
        };
        let moved = &group.moved;
        let (before, now) = (short(moved.before), short(moved.now));
        let (n_before, n) = (grouped(moved.distance.n_reference), grouped(moved.distance.n));
        let distance = moved.distance.jensen_shannon;
        format!("{name}: {before} (n = {n_before}) to {now} (n = {n}), distance {distance:.2}")
    });
    MovedRow {
        name: spelled(name),
        before: short(*before),
        n_before: grouped(distance.n_reference),
        now: short(*now),
        n_now: grouped(distance.n),
        distance: format!("{:.2}", distance.jensen_shannon),
        share: (distance.jensen_shannon * 100.0).round().clamp(1.0, 100.0) as u32,
        by_chance: format!("{:.2}", distance.jensen_shannon_by_chance),
        group: group.unwrap_or_else(|| "in no group alone".to_owned()),
    }
}

fn spelled(name: &str) -> String {
    match name.strip_prefix("score:") {
        Some(finding) => format!("Score of {finding}"),
        None if name == RUN_SECONDS => "Run time, seconds".to_owned(),
        None => sentence(&name.replace('_', " ")),
    }
}

/// Four digits that matter.
fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_monitor::sketch::{Distance, Span};
    use hilum_store::inputs_report::Reference;
    use hilum_types::Timestamp;

    fn report(n_moved: usize, complete: bool) -> MovedState {
        let day = |n: i64| Timestamp::from_micros(0).plus_seconds(n * 86_400);
        let reference = |from, until| Reference { span: Span { from: day(from), until: day(until) }, n: 100 };
        let distance = Distance {
            jensen_shannon: 0.4,
            jensen_shannon_by_chance: 0.2,
            psi: 1.0,
            psi_by_chance: 0.3,
            n_reference: 90,
            n: 80,
        };
        let moved = |n: usize| Moved { name: format!("noise_{n}"), before: 10.0, now: 12.5, distance };
        let number = |n: usize| MovedNumber { moved: moved(n), group: None };
        MovedState::Compared(MovedReport {
            reference: reference(0, 28),
            current: reference(28, 56),
            moved: (0..n_moved.min(8)).map(number).collect(),
            n_moved,
            n_within_chance: 29,
            n_thin: 2,
            complete,
        })
    }

    #[test]
    fn what_moved_is_said_whole() {
        let said = |state: &MovedState| MovedPanel::of(Some(state)).said;
        let panel = MovedPanel::of(Some(&report(11, true)));
        let told = "29 Jan 1970 to 25 Feb 1970 (100 studies) beside the reference, 1 Jan 1970 to 28 Jan 1970 (100 \
                    studies). 11 numbers moved beyond chance, 29 did not; of 2 there are fewer than 50 on one side, so \
                    nothing is known; the farthest 8 are listed. Of 40 numbers about one in twenty is beyond chance by \
                    chance.";
        assert_eq!((panel.said.as_str(), panel.rows.len()), (told, 8));
        assert_eq!((panel.rows[0].name.as_str(), panel.rows[0].share), ("Noise 0", 40));
        assert!(!said(&report(8, true)).contains("listed"));
        assert!(said(&report(0, false)).ends_with("There is more than could be read or kept, so more may have moved."));
        assert!(said(&MovedState::Counting).contains("still being counted"));
        assert!(MovedPanel::of(None).said.contains("could not be read"));
    }

    #[test]
    fn numbers_are_short() {
        let told = [0.0, 12.3456, -1023.4, 0.5, 0.001234567, 1e9, 2_500_000.0].map(short);
        assert_eq!(told, ["0", "12.35", "-1023", "0.5", "0.001235", "1.00e9", "2.50e6"]);
    }
}
