//! What moved: numbers of the last four weeks beside the reference, the farthest first, and where they moved most.

use super::Moment;
use crate::words::{count, grouped, sentence};
use hilum_monitor::sketch::{Moved, RUN_SECONDS, THIN};
use hilum_store::inputs_report::{MovedNumber, MovedReport};

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
    pub(super) fn of(report: Option<&MovedReport>) -> MovedPanel {
        let Some(report) = report else {
            let said =
                "There is nothing after the reference, the first four weeks of the version, to compare with it yet.";
            return MovedPanel { said: said.to_owned(), rows: vec![] };
        };
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
        said += &match report.moved.len() as u64 {
            0 => "No number moved beyond chance".to_owned(),
            n => format!("{} beyond chance", count(n, "number moved", "numbers moved")),
        };
        if 0 < report.n_within_chance {
            said += &format!(", {} did not", grouped(report.n_within_chance as u64));
        }
        if 0 < report.n_thin {
            said += &format!("; of {} there are fewer than {THIN} on one side, so nothing is known", report.n_thin);
        }
        MovedPanel { said: said + ".", rows: report.moved.iter().map(row).collect() }
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

    #[test]
    fn numbers_are_short() {
        let told = [0.0, 12.3456, -1023.4, 0.5, 0.001234567, 1e9, 2_500_000.0].map(short);
        assert_eq!(told, ["0", "12.35", "-1023", "0.5", "0.001235", "1.00e9", "2.50e6"]);
    }
}
