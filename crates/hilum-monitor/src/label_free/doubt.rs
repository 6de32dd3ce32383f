//! What speaks against an estimate without labels: too few cases, images unlike the accepted ones, something that was
//! signalled.

use crate::fold::counts_as;
use crate::sketch::THIN;
use crate::{Observation, Signal};
use hilum_registry::{Metric, StopRule};
use hilum_stats::wilson;
use hilum_types::Timestamp;

/// Share of studies outside the acquisition envelope from which on images are taken for unlike those of the acceptance
/// test; what counts is the upper bound of its interval of 95 %, so that few compared studies are no reason to be sure.
pub const OUTSIDE_MAX: f64 = 0.10;

/// What is known of one version in a period.
#[derive(Debug, Clone, Copy)]
pub struct Period<'a> {
    /// Its begin.
    pub from: Timestamp,
    /// Study revisions that ended in it.
    pub observations: &'a [Observation],
    /// What was signalled, before it too: a rule that has spoken for the whole record of a version is silent from then on.
    pub signals: &'a [Signal],
    /// The rules in force.
    pub rules: &'a [StopRule],
}

/// Numbers of cases that chance has too much part in.
pub(super) fn of_numbers(n: u64, n_with: u64, n_without: u64) -> Vec<String> {
    let mut doubts = Vec::new();
    if n < THIN {
        doubts.push(format!("only {n} studies of the period have a score, and {THIN} are needed"));
    }
    if n_with < THIN || n_without < THIN {
        doubts.push(format!(
            "the acceptance test kept {n_with} cases with the finding and {n_without} without, and {THIN} of each are needed"
        ));
    }
    doubts
}

/// Signs that a score may mean something else by now, from the studies that an estimate rests on and what was signalled.
pub(super) fn of_inputs(period: &Period<'_>, studies: &[&Observation]) -> Vec<String> {
    outside(studies).into_iter().chain(signalled(period)).collect()
}

fn outside(studies: &[&Observation]) -> Vec<String> {
    let compared: Vec<bool> = studies.iter().filter_map(|one| counts_as(Metric::OutsideEnvelope, "", one)).collect();
    let n_outside = compared.iter().filter(|outside| **outside).count();
    let (n, n_all) = (compared.len(), studies.len());
    let Ok(share) = wilson(n_outside as u64, n as u64, 0.95) else {
        let why = "so nobody knows whether the images are like those of the acceptance test";
        return vec![format!("no study was compared with an acquisition envelope, {why}")];
    };
    let mut doubts = Vec::new();
    let (upper, most) = (share.upper * 100.0, OUTSIDE_MAX * 100.0);
    if OUTSIDE_MAX <= share.upper {
        doubts.push(format!(
            "{n_outside} of {n} studies lie outside the acquisition envelope: up to {upper:.1} % of them, the limit is {most} %"
        ));
    }
    // What could not be measured is not compared, and that may be the odd studies.
    if OUTSIDE_MAX * n_all as f64 <= (n_all - n) as f64 {
        doubts.push(format!("only {n} of {n_all} studies were compared with an acquisition envelope"));
    }
    doubts
}

fn signalled(period: &Period<'_>) -> Option<String> {
    let rule_of = |signal: &Signal| period.rules.iter().find(|rule| rule.name == signal.rule);
    let in_time = |signal: &Signal| period.from <= signal.at || rule_of(signal).is_some_and(speaks_once);
    let telling: Vec<&Signal> =
        period.signals.iter().filter(|signal| in_time(signal) && casts_doubt(rule_of(signal))).collect();
    let newest = telling.iter().max_by_key(|signal| signal.at)?;
    let more = match telling.len() - 1 {
        0 => String::new(),
        1 => ", and there was one signal more".to_owned(),
        more => format!(", and there were {more} signals more"),
    };
    Some(format!("rule {} spoke on {}{more}", newest.rule, newest.at.day()))
}

/// Whether what a rule says makes it doubtful that scores mean what they meant: images, answers or labels moved. Failed
/// runs, studies that the model is not meant for, and what readers agree with say nothing of it; of what is no rule any
/// more nobody knows what it was about, and what the program itself signals is that the model is not the one that was
/// accepted.
fn casts_doubt(rule: Option<&StopRule>) -> bool {
    let about = rule.map(|rule| rule.metric);
    !matches!(about, Some(Metric::FailureRate | Metric::NotEligibleRate | Metric::Concordance))
}

/// Whether a rule that has spoken stays silent although what it spoke of lasts. One that stops the version begins afresh
/// when two people take it into use again.
fn speaks_once(rule: &StopRule) -> bool {
    rule.confidence.is_some() && !rule.stops()
}
