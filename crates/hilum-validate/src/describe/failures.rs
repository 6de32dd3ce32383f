use super::measures::measures_in_use;
use crate::figures::Settings;
use crate::prepared::{Prepared, Row};
use crate::protocol::{Direction, Metric};
use crate::report::{FailureCase, FailureKind, Failures};
use std::cmp::Ordering;

/// What failed: the most confident errors first, so that nobody chooses which are shown.
pub(crate) fn failures(prepared: &Prepared<'_>, settings: &Settings<'_>) -> Failures {
    let room = prepared.protocol.report.failure_cases as usize;
    let ran = || prepared.rows.iter().filter(|row| row.ran);
    if !prepared.classifies {
        let Some(&metric) = measures_in_use(prepared).first() else { return Failures::default() };
        return Failures { shown: poorest(ran(), metric, room), ..Failures::default() };
    }
    let Some(threshold) = settings.threshold else { return Failures::default() };
    let wrong = |kind: FailureKind, present: bool| {
        let mut wrong: Vec<FailureCase> = ran()
            .filter(|row| row.present == Some(present))
            .filter_map(|row| {
                let score = row.score.filter(|score| (threshold <= *score) != present)?;
                Some(failure(row, kind, score, "score"))
            })
            .collect();
        // A missed case is the worse the lower its score, a false alarm the higher.
        wrong.sort_by(|a, b| {
            let worse = if present { a.value.total_cmp(&b.value) } else { b.value.total_cmp(&a.value) };
            worse.then_with(|| a.case.cmp(&b.case))
        });
        wrong
    };
    let (mut missed, mut false_alarms) = (wrong(FailureKind::Missed, true), wrong(FailureKind::FalseAlarm, false));
    let (n_missed, n_false_alarms) = (missed.len(), false_alarms.len());
    let half = room / 2;
    missed.truncate((room - half).max(room.saturating_sub(n_false_alarms)));
    false_alarms.truncate(room - missed.len());
    missed.append(&mut false_alarms);
    Failures { n_missed: n_missed as u64, n_false_alarms: n_false_alarms as u64, shown: missed }
}

fn poorest<'p, 'a: 'p>(rows: impl Iterator<Item = &'p Row<'a>>, metric: Metric, room: usize) -> Vec<FailureCase> {
    let of_row = |row: &Row<'_>| Some(failure(row, FailureKind::PoorSegmentation, row.measure(metric)?, metric.name()));
    let mut shown: Vec<FailureCase> = rows.filter_map(of_row).collect();
    let worse = |a: f64, b: f64| -> Ordering {
        if metric.direction() == Direction::Down { b.total_cmp(&a) } else { a.total_cmp(&b) }
    };
    shown.sort_by(|a, b| worse(a.value, b.value).then_with(|| a.case.cmp(&b.case)));
    shown.truncate(room);
    shown
}

fn failure(row: &Row<'_>, kind: FailureKind, value: f64, of: &str) -> FailureCase {
    FailureCase {
        case: row.case.id.clone(),
        kind,
        label: row.case.label.clone(),
        value,
        of: of.to_owned(),
        champion: row.champion_score.filter(|_| of == "score"),
    }
}
