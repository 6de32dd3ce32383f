//! Many runs: years in control, and faults.

use super::course::{Course, Happening};
use super::fault::Fault;
use super::watch::Watch;
use super::world::World;
use crate::fold::touched;
use crate::{Fact, Labelled, MonitorError, Severity};
use hilum_registry::StopRule;
use hilum_types::Timestamp;
use rayon::prelude::*;

const DAY: f64 = 86_400_000_000.0;

/// Days of a simulated year.
pub(super) const YEAR: u32 = 365;

/// Years in which the events of rules are counted.
const COUNTED: u64 = 4;

/// Runs of different kinds draw from streams far apart.
const STREAMS: u64 = 1 << 32;

/// What one year in control came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Year {
    pub(super) n_studies: u64,
    pub(super) n_labels: u64,
    /// Name of the rule, and whether it stopped.
    pub(super) fired: Vec<(String, bool)>,
    /// Events of each rule; counted in the first years only, which says enough about volumes.
    pub(super) events: Option<Vec<u64>>,
}

/// When and how something was noticed, counted from the begin of the fault.
#[derive(Debug, Clone)]
pub(super) struct Noticed {
    pub(super) rule: String,
    pub(super) cut: String,
    pub(super) days: f64,
    pub(super) studies: u64,
    pub(super) labels: u64,
}

/// What one run with a fault came to.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultRun {
    /// Stops before the fault.
    pub(super) n_false_stops: u64,
    /// The first signal.
    pub(super) noticed: Option<Noticed>,
    /// The first one that stops.
    pub(super) stopped: Option<Noticed>,
    /// Cases of the fault with a finding that the model did not tell, until it was stopped or the horizon was over.
    pub(super) missed: u64,
    /// The same until the first signal.
    pub(super) missed_until_signal: Option<u64>,
    /// What would have been missed of them without the fault, in expectation.
    pub(super) missed_anyway: f64,
}

pub(super) fn years(world: &World, runs: u32, seed: u64) -> Result<Vec<Year>, MonitorError> {
    (0..u64::from(runs)).into_par_iter().map(|run| year(world, seed, run)).collect()
}

fn year(world: &World, seed: u64, run: u64) -> Result<Year, MonitorError> {
    let mut watch = Watch::new(world.declared(), true);
    let rules = &world.declared.rules;
    let mut year = Year { events: (run < COUNTED).then(|| vec![0; rules.len()]), ..Year::default() };
    let mut days = 0;
    for happening in Course::new(world, None, seed, run) {
        match &happening {
            Happening::Study(_) => year.n_studies += 1,
            Happening::Label { .. } => year.n_labels += 1,
            Happening::DayOver(_) => days += 1,
        }
        for (rule, events) in rules.iter().zip(year.events.iter_mut().flatten()) {
            *events += u64::from(concerns(rule, &happening));
        }
        let signals = watch.take(&happening)?;
        let fired = signals.into_iter().map(|signal| (signal.rule, signal.severity == Severity::Stop));
        year.fired.extend(fired);
        if days == YEAR {
            break;
        }
    }
    Ok(year)
}

fn concerns(rule: &StopRule, happening: &Happening) -> bool {
    let fact = match happening {
        Happening::Study(study) => Fact::Observed(&study.observation),
        Happening::Label { label, study, earlier } => {
            Fact::Labelled(Labelled { label, observation: &study.observation, earlier })
        }
        Happening::DayOver(_) => return false,
    };
    !touched(std::slice::from_ref(rule), &fact).is_empty()
}

pub(super) fn fault_runs(
    world: &World,
    place: usize,
    fault: &Fault,
    runs: u32,
    seed: u64,
) -> Result<Vec<FaultRun>, MonitorError> {
    let first = (place as u64 + 1) * STREAMS;
    // Whole weeks, so that runs begin on each day in turn.
    let first = first - first % 7;
    (0..u64::from(runs)).into_par_iter().map(|run| fault_run(world, fault, seed, first + run)).collect()
}

fn fault_run(world: &World, fault: &Fault, seed: u64, run: u64) -> Result<FaultRun, MonitorError> {
    let course = Course::new(world, Some(fault), seed, run);
    let begin = course.fault_at().unwrap_or(world.scenario.begin);
    let end = begin.plus_seconds(i64::from(fault.horizon_days()) * 86_400);
    let mut before = Watch::new(world.declared(), true);
    let mut run = FaultRun::default();
    let mut watch: Option<Watch<'_>> = None;
    let (mut studies, mut labels) = (0, 0);
    for happening in course {
        let at = known_at(&happening);
        if end < at {
            break;
        }
        if at < begin {
            let stops = before.take(&happening)?.into_iter().filter(|signal| signal.severity == Severity::Stop);
            run.n_false_stops += stops.count() as u64;
            continue;
        }
        let watch = watch.get_or_insert_with(|| before.clone());
        match &happening {
            Happening::Study(study) => {
                studies += 1;
                if study.touched {
                    count_missed(world, fault, study, &mut run);
                }
            }
            Happening::Label { .. } => labels += 1,
            Happening::DayOver(_) => {}
        }
        for signal in watch.take(&happening)? {
            let days = at.micros_since(begin) as f64 / DAY;
            let noticed = Noticed { rule: signal.rule, cut: signal.cut, days, studies, labels };
            run.noticed.get_or_insert_with(|| noticed.clone());
            run.missed_until_signal.get_or_insert(run.missed);
            if signal.severity == Severity::Stop {
                run.stopped.get_or_insert(noticed);
            }
        }
        if run.stopped.is_some() {
            // From here on every study is withheld.
            break;
        }
    }
    Ok(run)
}

fn known_at(happening: &Happening) -> Timestamp {
    match happening {
        Happening::Study(study) => study.observation.recorded_at,
        Happening::Label { label, .. } => label.recorded_at,
        Happening::DayOver(at) => *at,
    }
}

fn count_missed(world: &World, fault: &Fault, study: &super::SimulatedStudy, run: &mut FaultRun) {
    let scenario = &world.scenario;
    for finding in &world.findings {
        let harmed = fault.finding.as_ref().is_none_or(|harmed| *harmed == finding.label);
        if !harmed || study.truth.get(&finding.label) != Some(&true) {
            continue;
        }
        let told = study.observation.outputs.get(&finding.label).and_then(|output| output.present);
        run.missed += u64::from(told != Some(true));
        run.missed_anyway += 1.0 - finding.sensitivity * (1.0 - scenario.not_eligible) * (1.0 - scenario.failures);
    }
}
