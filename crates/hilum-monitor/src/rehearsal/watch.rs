//! One run under the rules: the very fold that runs in the catalog's acts, and the freshness that the gate asks for.

use super::course::Happening;
use super::scenario::Declared;
use crate::fold::feeds;
use crate::{Fact, Label, Labelled, Monitor, MonitorError, Observation, Severity, Signal};
use hilum_registry::{EvidenceRule, WhenStale};
use hilum_types::Timestamp;
use std::collections::VecDeque;

const DAY: i64 = 86_400_000_000;

/// Name under which missing evidence is told, beside the names of rules.
pub const EVIDENCE: &str = "(evidence)";

/// The fold over a stream of facts, with what the catalog and the gate do around it: a stop restarts the detectors, what is
/// said of the time before does not enter them, and evidence that is too old withholds.
#[derive(Debug, Clone)]
pub struct Watch<'a> {
    declared: &'a Declared,
    monitor: Monitor,
    since: Option<Timestamp>,
    /// When the studies of the labels that count as evidence were complete, in order of what was known.
    evidence: VecDeque<Timestamp>,
    missing: bool,
    /// Whether a version that was stopped is taken into use again at once, so that a year is a year in use.
    resumes: bool,
}

impl<'a> Watch<'a> {
    /// Nothing seen yet. `resumes`: after a stop the version is taken into use again at once, with fresh detectors.
    pub fn new(declared: &'a Declared, resumes: bool) -> Watch<'a> {
        Watch { declared, monitor: Monitor::default(), since: None, evidence: VecDeque::new(), missing: false, resumes }
    }

    /// The state of the fold.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Take in what becomes known; what follows from it.
    ///
    /// # Errors
    /// [`MonitorError::Rule`] for a rule that cannot be watched.
    pub fn take(&mut self, happening: &Happening) -> Result<Vec<Signal>, MonitorError> {
        match happening {
            Happening::Study(study) => self.observe(&study.observation),
            Happening::Label { label, study, earlier } => {
                self.label(&Labelled { label, observation: &study.observation, earlier })
            }
            Happening::DayOver(at) => Ok(self.day_over(*at).into_iter().collect()),
        }
    }

    /// A study ended.
    ///
    /// # Errors
    /// As [`Watch::take`].
    pub fn observe(&mut self, observation: &Observation) -> Result<Vec<Signal>, MonitorError> {
        self.observe_after(observation, &[])
    }

    /// A later revision of a study ended, of which these were observed before: they have fed what they could.
    ///
    /// # Errors
    /// As [`Watch::take`].
    pub fn observe_after(
        &mut self,
        observation: &Observation,
        earlier: &[&Observation],
    ) -> Result<Vec<Signal>, MonitorError> {
        self.since.get_or_insert(observation.recorded_at);
        let fact = Fact::Observed(observation);
        let signals = if earlier.is_empty() {
            self.monitor.take(&self.declared.rules, &fact)?
        } else {
            let mut rules = self.declared.rules.clone();
            rules.retain(|rule| !earlier.iter().any(|earlier| feeds(rule, earlier)));
            self.monitor.take(&rules, &fact)?
        };
        self.after(signals, observation.recorded_at)
    }

    /// Somebody said what is true.
    ///
    /// # Errors
    /// As [`Watch::take`].
    pub fn label(&mut self, labelled: &Labelled<'_>) -> Result<Vec<Signal>, MonitorError> {
        let Labelled { label, observation, earlier } = labelled;
        if self.since.is_none_or(|since| observation.recorded_at < since) {
            return Ok(Vec::new());
        }
        if let Some(rule) = &self.declared.evidence
            && counts_as_evidence(rule, label)
            && !earlier.contains(&label.class())
        {
            self.evidence.push_back(observation.event_at);
        }
        let signals = self.monitor.take(&self.declared.rules, &Fact::Labelled(*labelled))?;
        self.after(signals, label.recorded_at)
    }

    /// Time has passed: whether evidence is missing now that was not missing before.
    pub fn day_over(&mut self, now: Timestamp) -> Option<Signal> {
        let rule = self.declared.evidence.as_ref()?;
        let window = i64::from(rule.window_days) * DAY;
        let from = now.plus_micros(-window);
        self.evidence.retain(|at| from <= *at);
        let n = self.evidence.len() as u64;
        let gathering = self.since.is_none_or(|since| now.micros_since(since) < window);
        let missing = !gathering && n < u64::from(rule.n_min);
        let news = missing && !self.missing;
        self.missing = missing;
        let stops = rule.when_stale == WhenStale::Suspend;
        let signal = news.then(|| Signal {
            deployment: self.declared.deployment.clone(),
            rule: EVIDENCE.to_owned(),
            severity: if stops { Severity::Stop } else { Severity::Review },
            cut: String::new(),
            at: now,
            since: None,
            value: n as f64,
            threshold: f64::from(rule.n_min),
            n,
            method: "count/labels-in-window".to_owned(),
            text: format!(
                "{n} labelled findings of studies of the last {} days, the declaration asks for {}",
                rule.window_days, rule.n_min
            ),
            studies: Vec::new(),
        })?;
        if stops && self.resumes {
            self.restart(now);
        }
        Some(signal)
    }

    fn after(&mut self, signals: Vec<Signal>, at: Timestamp) -> Result<Vec<Signal>, MonitorError> {
        if self.resumes && signals.iter().any(|signal| signal.severity == Severity::Stop) {
            self.restart(at);
        }
        Ok(signals)
    }

    /// The version is taken into use again: detectors begin afresh, and so does the time to gather evidence.
    fn restart(&mut self, at: Timestamp) {
        self.monitor = Monitor::default();
        self.since = Some(at);
        self.evidence.clear();
        self.missing = false;
    }
}

fn counts_as_evidence(rule: &EvidenceRule, label: &Label) -> bool {
    rule.labels.contains(&label.class()) && label.can_be_first()
}
