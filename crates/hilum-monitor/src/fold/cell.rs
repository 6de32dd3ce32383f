//! What is remembered of one rule and one cut.

use super::event::Event;
use super::{Fact, text};
use crate::{Severity, Signal};
use hilum_registry::{Limit, RuleAction, StopRule};
use hilum_stats::StatsError;
use hilum_stats::sequential::{
    BernoulliDetector, BernoulliSettings, BoundedMeanDetector, BoundedMeanSettings, Detector, Direction,
    FalseAlarmBudget, pit_margin, rate_lower_sequence, rate_upper_sequence, reference_margin,
};
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// Format of the stored cell.
const FORMAT: u32 = 1;

/// Studies kept as examples.
const STUDIES_MAX: usize = 20;

/// Moments kept, so that a position among the events can be told as a time.
const MARKS_MAX: usize = 128;

/// Margin of a feature in standard deviations of the reference: a chart without one fires on the error of its own reference
/// (monitoring section 3).
const FEATURE_MARGIN_SD: f64 = 0.05;

/// What one rule has seen of one cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    format: u32,
    /// Digest of the rule as it was declared: another rule under the same name starts afresh.
    rule: Digest,
    /// Place among the cells of its rule, from 1, in order of appearance.
    order: u32,
    n: u64,
    happened: u64,
    in_row: u32,
    row_since: Option<Timestamp>,
    detector: Option<Detector>,
    marks: Vec<Mark>,
    stride: u64,
    studies: Vec<String>,
    fired_at: Option<Timestamp>,
}

/// How it stood before event `n`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub(super) n: u64,
    pub(super) happened: u64,
    pub(super) at: Timestamp,
}

/// What a rule says when it fires, before it is put into words.
pub(super) struct Found {
    pub(super) value: f64,
    pub(super) threshold: f64,
    pub(super) method: String,
    pub(super) since: Option<Mark>,
}

impl Cell {
    /// The cell to go on with: as it was, or a fresh one where the rule is new or was declared anew.
    pub(super) fn for_rule(before: Option<&Cell>, rule: &StopRule, order: u32) -> Result<Cell, StatsError> {
        let digest = Digest::of(serde_json::to_string(rule).unwrap_or_default().as_bytes());
        if let Some(before) = before.filter(|cell| cell.format == FORMAT && cell.rule == digest) {
            return Ok(before.clone());
        }
        Ok(Cell {
            format: FORMAT,
            rule: digest,
            order,
            n: 0,
            happened: 0,
            in_row: 0,
            row_since: None,
            detector: detector(rule)?,
            marks: Vec::new(),
            stride: 1,
            studies: Vec::new(),
            fired_at: None,
        })
    }

    /// Its place among the cells of its rule.
    pub fn order(&self) -> u32 {
        self.order
    }

    /// Events seen, and how many of them are in the numerator of the rate.
    pub fn counts(&self) -> (u64, u64) {
        (self.n, self.happened)
    }

    /// When it last fired.
    pub fn fired_at(&self) -> Option<Timestamp> {
        self.fired_at
    }

    /// Take in an event, and say whether the rule fires. A rule that stops fires once; then it waits for the version to be
    /// taken into use again, which starts it afresh.
    pub(super) fn take(
        &mut self,
        rule: &StopRule,
        cut: &str,
        event: &Event,
        fact: &Fact<'_>,
    ) -> Result<Option<Signal>, StatsError> {
        let observation = fact.observation();
        self.mark(observation.event_at);
        let bad = event.is_bad(rule);
        let value = match event {
            Event::Rate(happened) => f64::from(u8::from(*happened)),
            Event::Place(place) => *place,
        };
        if let Some(detector) = &mut self.detector {
            detector.update(value)?;
        }
        self.n += 1;
        self.happened += u64::from(*event == Event::Rate(true));
        if bad {
            self.row_since.get_or_insert(observation.event_at);
            self.in_row = self.in_row.saturating_add(1);
            self.studies.insert(0, observation.study_key.clone());
            self.studies.truncate(STUDIES_MAX);
        } else {
            (self.in_row, self.row_since) = (0, None);
        }
        let silent = self.fired_at.is_some() && (rule.stops() || rule.confidence.is_some());
        if silent || self.n < u64::from(rule.n_min) {
            return Ok(None);
        }
        let Some(found) = self.judge(rule)? else { return Ok(None) };
        self.fired_at = Some(fact.recorded_at());
        let signal = Signal {
            deployment: observation.deployment.clone(),
            rule: rule.name.clone(),
            severity: if rule.stops() { Severity::Stop } else { Severity::Review },
            cut: cut.to_owned(),
            at: fact.recorded_at(),
            since: found.since.map(|mark| mark.at),
            value: found.value,
            threshold: found.threshold,
            n: self.n,
            method: found.method.clone(),
            text: text::sentence(rule, cut, self.n, self.happened, &found),
            studies: self.studies.clone(),
        };
        if rule.action == RuleAction::Alarm {
            // One alarm, and then the same patience as before.
            self.detector.iter_mut().for_each(Detector::reset);
            (self.in_row, self.row_since) = (0, None);
            self.marks.clear();
            self.stride = 1;
        }
        Ok(Some(signal))
    }

    fn judge(&self, rule: &StopRule) -> Result<Option<Found>, StatsError> {
        if let Some(n) = rule.consecutive {
            let since = self.row_since.map(|at| Mark { n: self.n - u64::from(self.in_row), happened: 0, at });
            let found = Found {
                value: f64::from(self.in_row),
                threshold: f64::from(n),
                method: "count/consecutive".to_owned(),
                since,
            };
            return Ok((n <= self.in_row).then_some(found));
        }
        if let (Some(confidence), Some(limit)) = (rule.confidence, rule.limit()) {
            return self.judge_by_confidence(rule, confidence, limit);
        }
        let (Some(detector), Some(threshold)) = (&self.detector, threshold(rule)?) else { return Ok(None) };
        let reading = detector.reading();
        if reading.evidence < threshold {
            return Ok(None);
        }
        // The detector counts from its last reset, the marks from there as well.
        let first = self.n - reading.n;
        let since = self.marks.iter().rev().find(|mark| mark.n <= first + reading.since).copied();
        let method = match detector {
            Detector::Bernoulli(_) => "e-detector/bernoulli-shiryaev-roberts",
            Detector::BoundedMean(_) => "e-detector/bounded-mean-shiryaev-roberts",
        };
        Ok(Some(Found { value: reading.evidence, threshold, method: method.to_owned(), since }))
    }

    fn judge_by_confidence(&self, rule: &StopRule, confidence: f64, limit: Limit) -> Result<Option<Found>, StatsError> {
        let level = 1.0 - (1.0 - confidence) * self.share(rule);
        let margin = rule.margin.unwrap_or(0.0);
        // The bound lies beyond the rate seen, so a rate on the good side needs no bound.
        let seen = self.happened as f64 / self.n as f64;
        let good = match limit {
            Limit::Below(floor) => floor - margin <= seen,
            Limit::Above(ceiling) => seen <= ceiling + margin,
        };
        if good {
            return Ok(None);
        }
        let (bound, threshold, fires, method) = match limit {
            Limit::Below(floor) => {
                let estimate = rate_upper_sequence(self.happened, self.n, level)?;
                (estimate.upper, floor - margin, estimate.upper < floor - margin, estimate.method)
            }
            Limit::Above(ceiling) => {
                let estimate = rate_lower_sequence(self.happened, self.n, level)?;
                (estimate.lower, ceiling + margin, ceiling + margin < estimate.lower, estimate.method)
            }
        };
        let found = Found { value: bound, threshold, method: method.to_string(), since: None };
        Ok(fires.then_some(found))
    }

    /// What this cell gets of the error that the rule may make over all its cuts, however many there will be: the shares
    /// `6 / (pi k)^2` of the cells in order of appearance add up to 1.
    fn share(&self, rule: &StopRule) -> f64 {
        if rule.each.is_empty() {
            return 1.0;
        }
        6.0 / (std::f64::consts::PI * f64::from(self.order)).powi(2)
    }

    fn mark(&mut self, at: Timestamp) {
        if self.n.is_multiple_of(self.stride) {
            self.marks.push(Mark { n: self.n, happened: self.happened, at });
        }
        if MARKS_MAX < self.marks.len() {
            self.stride *= 2;
            let stride = self.stride;
            self.marks.retain(|mark| mark.n.is_multiple_of(stride));
        }
    }
}

fn detector(rule: &StopRule) -> Result<Option<Detector>, StatsError> {
    if rule.false_stops_per_year.is_none() {
        return Ok(None);
    }
    let detector = match rule.limit() {
        Some(Limit::Below(floor)) => bernoulli(floor, rule.margin, Direction::Fall)?,
        Some(Limit::Above(ceiling)) => bernoulli(ceiling, rule.margin, Direction::Rise)?,
        None => {
            let settings = BoundedMeanSettings::new(0.5, feature_margin(rule)?, Direction::Both)?;
            Detector::BoundedMean(BoundedMeanDetector::new(settings)?)
        }
    };
    Ok(Some(detector))
}

/// Margin of a rule about a feature, in percentiles: as declared, and at least the error of a reference of the declared size.
pub(crate) fn feature_margin(rule: &StopRule) -> Result<f64, StatsError> {
    let margin_sd = rule.margin.unwrap_or(FEATURE_MARGIN_SD);
    match rule.reference_n {
        Some(n) => reference_margin(margin_sd, n.into()),
        None => pit_margin(margin_sd),
    }
}

fn bernoulli(rate: f64, margin: Option<f64>, direction: Direction) -> Result<Detector, StatsError> {
    let settings = BernoulliSettings::new(rate, margin.unwrap_or(0.0), direction)?;
    Ok(Detector::Bernoulli(BernoulliDetector::new(settings)?))
}

/// Evidence at which a rule with a declared rate of false stops fires. It is counted in events of cells, so it holds for all
/// cuts together: each has its share of the events, and with them of the false stops.
pub(crate) fn threshold(rule: &StopRule) -> Result<Option<f64>, StatsError> {
    let (Some(per_year), Some(per_day)) = (rule.false_stops_per_year, rule.cell_events_per_day()) else {
        return Ok(None);
    };
    FalseAlarmBudget { per_year }.events(per_day).map(Some)
}
