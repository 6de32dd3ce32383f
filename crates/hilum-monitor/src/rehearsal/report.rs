//! What a rehearsal comes to: the document that people read and sign (MV-29, MV-45).

use super::expectation::{Expectation, expectations};
use super::fault::{Effect, EffectSource, Fault};
use super::figures::{chance_figure, delays, rate_figure};
use super::measured::Measurement;
use super::runs::{FaultRun, YEAR, Year, fault_runs, years};
use super::scenario::{Declared, Scenario};
use super::watch::EVIDENCE;
use super::world::World;
use crate::{Figure, MonitorError};
use hilum_registry::RuleAction;
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format of [`Rehearsal`].
pub const REHEARSAL_FORMAT: u32 = 1;

/// Share of runs in which a fault has to be found within its declared delay.
const FOUND_MIN: f64 = 0.95;

/// A rehearsal with simulated days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Always [`REHEARSAL_FORMAT`].
    pub format: u32,
    /// Whether what was declared was kept: no rule stops more often than declared, and every fault is found in time.
    pub verdict: Verdict,
    /// Runs of each kind.
    pub runs: u32,
    /// Seed of all draws: the same seed gives the same figures.
    pub seed: u64,
    /// What was rehearsed.
    pub declared: Declared,
    /// What a site was taken to be like.
    pub scenario: Scenario,
    /// While all is well.
    pub in_control: InControl,
    /// What each rule can see with the events it gets.
    pub evidence: Vec<Expectation>,
    /// Fault by fault, in the order of the file.
    pub faults: Vec<FaultReport>,
}

/// The answer about a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds, beyond doubt of 5 %.
    Kept,
    /// These runs do not say; more of them may.
    NotShown,
    /// It does not hold.
    Missed,
}

impl Verdict {
    /// The answer for people.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Kept => "kept",
            Verdict::NotShown => "not shown",
            Verdict::Missed => "MISSED",
        }
    }
}

/// Years in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InControl {
    /// Simulated years in use.
    pub years: f64,
    /// Studies in them.
    pub n_studies: u64,
    /// Labels in them.
    pub n_labels: u64,
    /// Stops per year, by all rules and missing evidence.
    pub false_stops_per_year: Figure,
    /// Alarms that do not stop, per year.
    pub false_alarms_per_year: Figure,
    /// Rule by rule.
    pub rules: Vec<RuleInControl>,
}

/// How often a rule speaks although nothing is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleInControl {
    /// Its name.
    pub rule: String,
    /// What follows when it fires.
    pub action: RuleAction,
    /// How often it fired, per year.
    pub per_year: Figure,
    /// How often it may: as declared, or what its confidence leaves; `None`: it declares nothing of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_per_year: Option<f64>,
    /// Whether that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// How a fault was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// The fault.
    pub fault: Fault,
    /// How large it is.
    pub size: f64,
    /// Where its effect comes from.
    #[serde(default)]
    pub effect_source: EffectSource,
    /// What it did to the studies it touched, all told. Features that no rule, group or fault names are not drawn.
    #[serde(default)]
    pub effect: Effect,
    /// What was measured on the cases of a reference set, whether or not it was stated otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Box<Measurement>>,
    /// Share of the runs in which a rule spoke within the declared delay.
    pub found: Figure,
    /// Whether that is 95 % or more, by the interval of the share: the few runs of a quick look show nothing.
    pub verdict: Verdict,
    /// Share of the runs in which a rule stopped the version within the declared delay.
    pub stopped: Figure,
    /// From the begin of the fault to the first signal, over all runs; `None`: not found in half of them within the horizon.
    pub delay: Delays,
    /// The same to the first signal that stops.
    pub delay_to_stop: Delays,
    /// Cases with a finding that the model did not tell, in one run, until the first signal.
    pub missed_until_signal: Quantiles,
    /// The same until it was stopped, or the horizon was over.
    pub missed_until_stop: MissedCases,
    /// Which rule spoke first, in how many runs, the most frequent first.
    pub first: Vec<FirstRule>,
    /// Stops before the fault began, over all runs.
    pub n_false_stops_before: u64,
}

/// From the begin of a fault to a signal: median with interval over runs, and ninth decile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delays {
    /// In days.
    pub days: Quantiles,
    /// In studies of the deployment.
    pub studies: Quantiles,
    /// In labels of the deployment.
    pub labels: Quantiles,
}

/// A delay over runs; a run without a signal counts as longer than any other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median; `None`: half of the runs had no signal.
    pub median: Option<Figure>,
    /// The ninth decile.
    pub p90: Option<f64>,
}

/// Missed cases of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MissedCases {
    /// Over runs.
    pub cases: Quantiles,
    /// Mean over runs of what would have been missed without the fault as well.
    pub without_fault_mean: f64,
    /// Mean over runs.
    pub mean: f64,
}

/// Which rule spoke first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstRule {
    /// Its name, or `(evidence)`.
    pub rule: String,
    /// The cut.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cut: String,
    /// In how many runs.
    pub n_runs: u64,
}

/// Rehearse: years in which nothing is wrong, and runs with each fault. `as_of` is the time of the figures.
///
/// # Errors
/// [`MonitorError::Rehearsal`] for no runs or too many; [`MonitorError::Rule`] for a rule that cannot be watched.
pub fn rehearse(world: &World, runs: u32, seed: u64, as_of: Timestamp) -> Result<Rehearsal, MonitorError> {
    if !(1..=100_000).contains(&runs) {
        return Err(MonitorError::Rehearsal { problems: vec![format!("{runs} runs; it must be 1 to 100000")] });
    }
    let (in_control, events, days) = in_control(world, &years(world, runs, seed)?, as_of)?;
    let evidence = expectations(world, &events, days, seed)?;
    let faults = rehearse_faults(world, runs, seed, as_of)?;
    let of_rules = in_control.rules.iter().filter_map(|rule| rule.verdict);
    let verdict = of_rules.chain(faults.iter().map(|fault| fault.verdict)).max().unwrap_or(Verdict::Kept);
    Ok(Rehearsal {
        format: REHEARSAL_FORMAT,
        verdict,
        runs,
        seed,
        declared: world.declared().clone(),
        scenario: world.scenario().clone(),
        in_control,
        evidence,
        faults,
    })
}

/// The faults of a rehearsal alone.
///
/// # Errors
/// As [`rehearse`].
pub fn rehearse_faults(
    world: &World,
    runs: u32,
    seed: u64,
    as_of: Timestamp,
) -> Result<Vec<FaultReport>, MonitorError> {
    let mut faults = Vec::new();
    for (place, fault) in world.faults().iter().enumerate() {
        faults.push(of_fault(fault, &fault_runs(world, place, fault, runs, seed)?, as_of)?);
    }
    Ok(faults)
}

/// The figures, the events of each rule in the years in which they were counted, and the days of these.
fn in_control(world: &World, years: &[Year], as_of: Timestamp) -> Result<(InControl, Vec<u64>, u64), MonitorError> {
    let n_years = years.len() as f64 * f64::from(YEAR) / 365.25;
    let fired = |what: &dyn Fn(&(String, bool)) -> bool| {
        years.iter().flat_map(|year| &year.fired).filter(|one| what(one)).count() as u64
    };
    let rules = &world.declared().rules;
    let mut told = Vec::new();
    for rule in rules {
        let per_year = rate_figure(fired(&|(name, _)| *name == rule.name), n_years, as_of)?;
        // A confidence holds over all of a version's time in use; here that is a year.
        let declared = rule.false_stops_per_year.or(rule.confidence.map(|confidence| 1.0 - confidence));
        let verdict = declared.map(|declared| match () {
            () if per_year.upper <= declared => Verdict::Kept,
            () if declared < per_year.lower => Verdict::Missed,
            () => Verdict::NotShown,
        });
        let (rule, action) = (rule.name.clone(), rule.action);
        told.push(RuleInControl { rule, action, per_year, declared_per_year: declared, verdict });
    }
    if let Some(evidence) = &world.declared().evidence {
        let stops = evidence.when_stale == hilum_registry::WhenStale::Suspend;
        told.push(RuleInControl {
            rule: EVIDENCE.to_owned(),
            action: if stops { RuleAction::Suspend } else { RuleAction::Alarm },
            per_year: rate_figure(fired(&|(name, _)| name == EVIDENCE), n_years, as_of)?,
            declared_per_year: None,
            verdict: None,
        });
    }
    let mut events = vec![0; rules.len()];
    let counted: Vec<&Vec<u64>> = years.iter().filter_map(|year| year.events.as_ref()).collect();
    for of_year in &counted {
        events.iter_mut().zip(of_year.iter()).for_each(|(sum, n)| *sum += n);
    }
    let days = counted.len() as u64 * u64::from(YEAR);
    let in_control = InControl {
        years: n_years,
        n_studies: years.iter().map(|year| year.n_studies).sum(),
        n_labels: years.iter().map(|year| year.n_labels).sum(),
        false_stops_per_year: rate_figure(fired(&|(_, stops)| *stops), n_years, as_of)?,
        false_alarms_per_year: rate_figure(fired(&|(_, stops)| !*stops), n_years, as_of)?,
        rules: told,
    };
    Ok((in_control, events, days))
}

fn of_fault(fault: &Fault, runs: &[FaultRun], as_of: Timestamp) -> Result<FaultReport, MonitorError> {
    let within = f64::from(fault.found_within_days);
    let n = runs.len() as u64;
    let in_time = |one: &Option<super::runs::Noticed>| one.as_ref().is_some_and(|noticed| noticed.days <= within);
    let n_found = runs.iter().filter(|run| in_time(&run.noticed)).count() as u64;
    let n_stopped = runs.iter().filter(|run| in_time(&run.stopped)).count() as u64;
    let found = chance_figure(n_found, n, as_of)?;
    let verdict = match () {
        () if FOUND_MIN <= found.lower => Verdict::Kept,
        () if found.upper < FOUND_MIN => Verdict::Missed,
        () => Verdict::NotShown,
    };
    let mut first: BTreeMap<(String, String), u64> = BTreeMap::new();
    for noticed in runs.iter().filter_map(|run| run.noticed.as_ref()) {
        *first.entry((noticed.rule.clone(), noticed.cut.clone())).or_default() += 1;
    }
    let mut first: Vec<FirstRule> =
        first.into_iter().map(|((rule, cut), n_runs)| FirstRule { rule, cut, n_runs }).collect();
    first.sort_by_key(|one| std::cmp::Reverse(one.n_runs));
    let mean = |of: &dyn Fn(&FaultRun) -> f64| runs.iter().map(of).sum::<f64>() / n.max(1) as f64;
    let until_signal = runs.iter().map(|run| run.missed_until_signal.map(|missed| missed as f64)).collect();
    let missed: Vec<Option<f64>> = runs.iter().map(|run| Some(run.missed as f64)).collect();
    Ok(FaultReport {
        size: fault.size(),
        effect_source: fault.effect_source(),
        effect: fault.effects(),
        measured: fault.measured.clone(),
        found,
        verdict,
        stopped: chance_figure(n_stopped, n, as_of)?,
        delay: delays(runs.iter().map(|run| run.noticed.as_ref()), as_of)?,
        delay_to_stop: delays(runs.iter().map(|run| run.stopped.as_ref()), as_of)?,
        missed_until_signal: super::figures::quantiles(until_signal, as_of)?,
        missed_until_stop: MissedCases {
            cases: super::figures::quantiles(missed, as_of)?,
            without_fault_mean: mean(&|run| run.missed_anyway),
            mean: mean(&|run| run.missed as f64),
        },
        first,
        n_false_stops_before: runs.iter().map(|run| run.n_false_stops).sum(),
        fault: fault.clone(),
    })
}
