//! Recorded facts through rules, in the order in which they were known: what would have fired, when, on which evidence (UX-15).

use super::scenario::Declared;
use super::watch::Watch;
use crate::{Label, Labelled, MonitorError, Observation, Severity, Signal};
use hilum_types::{Digest, Independence, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const DAY: i64 = 86_400_000_000;

/// Format of [`Replay`].
pub const REPLAY_FORMAT: u32 = 1;

/// Recorded facts through rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Always [`REPLAY_FORMAT`].
    pub format: u32,
    /// What was rehearsed.
    pub declared: Declared,
    /// The version whose facts these are.
    pub package: Digest,
    /// Facts known from here on,
    pub from: Timestamp,
    /// and before this time.
    pub until: Timestamp,
    /// Studies that ended.
    pub n_studies: u64,
    /// Labels that were said.
    pub n_labels: u64,
    /// Labels left out, because their study is not among those of the time.
    pub n_labels_left_out: u64,
    /// What would have fired, in order. After the first that stops, the version is taken to be in use again at once, with
    /// fresh detectors.
    pub signals: Vec<Signal>,
    /// When it would have been stopped first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_stop_at: Option<Timestamp>,
    /// Studies from then on that would have been withheld.
    pub n_studies_after_stop: u64,
}

/// Replay facts of one version. They are put in the order in which they were known; of the same moment, studies first.
///
/// # Errors
/// [`MonitorError::Rehearsal`] when there is nothing to rehearse; [`MonitorError::Rule`] for a rule that cannot be watched.
pub fn replay(
    declared: &Declared,
    package: Digest,
    observations: &[Observation],
    labels: &[Label],
    (from, until): (Timestamp, Timestamp),
) -> Result<Replay, MonitorError> {
    declared.check()?;
    let within = |at: Timestamp| from <= at && at < until;
    let mut studies: Vec<&Observation> =
        observations.iter().filter(|one| one.package == package && within(one.recorded_at)).collect();
    studies.sort_by(|a, b| (a.recorded_at, &a.study_key, a.revision).cmp(&(b.recorded_at, &b.study_key, b.revision)));
    let of_study: HashMap<(&str, u32), &Observation> =
        studies.iter().map(|one| ((one.study_key.as_str(), one.revision), *one)).collect();
    let mut said: Vec<&Label> = labels.iter().filter(|label| within(label.recorded_at)).collect();
    said.sort_by(|a, b| (a.recorded_at, &a.key).cmp(&(b.recorded_at, &b.key)));
    let mut replay = Replay {
        format: REPLAY_FORMAT,
        declared: declared.clone(),
        package,
        from,
        until,
        n_studies: 0,
        n_labels: 0,
        n_labels_left_out: 0,
        signals: Vec::new(),
        first_stop_at: None,
        n_studies_after_stop: 0,
    };
    let mut watch = Watch::new(declared, true);
    let mut counted: HashMap<(&str, &str), Vec<Independence>> = HashMap::new();
    let mut seen: HashMap<&str, Vec<&Observation>> = HashMap::new();
    let (mut studies, mut said) = (studies.into_iter().peekable(), said.into_iter().peekable());
    let mut day_over = from.plus_micros(DAY);
    loop {
        let study_at = studies.peek().map(|one| one.recorded_at);
        let label_at = said.peek().map(|one| one.recorded_at);
        let next = study_at.into_iter().chain(label_at).min().unwrap_or(until);
        while day_over <= next && day_over <= until {
            replay.enter(watch.day_over(day_over).into_iter().collect());
            day_over = day_over.plus_micros(DAY);
        }
        if study_at.is_some_and(|at| label_at.is_none_or(|label_at| at <= label_at)) {
            let Some(study) = studies.next() else { break };
            replay.n_studies += 1;
            replay.n_studies_after_stop += u64::from(replay.first_stop_at.is_some());
            let earlier = seen.entry(study.study_key.as_str()).or_default();
            replay.enter(watch.observe_after(study, earlier)?);
            earlier.push(study);
            continue;
        }
        let Some(label) = said.next() else { break };
        let Some(observation) = of_study.get(&(label.study_key.as_str(), label.revision)) else {
            replay.n_labels_left_out += 1;
            continue;
        };
        replay.n_labels += 1;
        let key = (label.study_key.as_str(), label.finding.as_str());
        let before = counted.entry(key).or_default();
        let earlier = before.clone();
        if label.can_be_first() && !before.contains(&label.class()) {
            before.push(label.class());
        }
        replay.enter(watch.label(&Labelled { label, observation, earlier: &earlier })?);
    }
    Ok(replay)
}

impl Replay {
    fn enter(&mut self, signals: Vec<Signal>) {
        let stop = signals.iter().find(|signal| signal.severity == Severity::Stop);
        self.first_stop_at = self.first_stop_at.or(stop.map(|signal| signal.at));
        self.signals.extend(signals);
    }
}
