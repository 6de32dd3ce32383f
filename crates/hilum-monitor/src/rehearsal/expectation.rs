//! The evidence calculator: what rules can see with so many events, said before anything is simulated with faults.

use super::world::World;
use crate::MonitorError;
use crate::fold::{feature_margin, threshold};
use hilum_registry::{Limit, Metric, StopRule};
use hilum_stats::sequential::{
    BernoulliSettings, BoundedMeanSettings, DelayPlan, DetectionDelay, Direction, mean_delay, rate_delay,
    rate_lower_sequence, rate_upper_sequence,
};
use serde::{Deserialize, Serialize};

/// How long a rule would take to see a change, by the events it gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Name of the rule.
    pub rule: String,
    /// Events per day that this site gives it, counted in the simulated years.
    pub events_per_day: f64,
    /// Events counted, over all years.
    pub n_events: u64,
    /// Events per day as declared, where its threshold rests on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_events_per_day: Option<f64>,
    /// How long changes of these sizes take.
    pub changes: Vec<Change>,
}

/// A change, and how long it takes to be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What changes: "sensitivity 0.75", "0.5 SD".
    pub what: String,
    /// Events until it is seen in half of the cases; `None`: not within ten years of events.
    pub median_events: Option<u64>,
    /// Bounds of 95 % confidence of the median, where it was simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_events_between: Option<(u64, u64)>,
    /// Events until it is seen in nine of ten cases, where it was simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90_events: Option<u64>,
    /// The median in days.
    pub median_days: Option<f64>,
    /// Simulated runs, where it was simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<u32>,
    /// How it was worked out.
    pub method: String,
}

/// For every rule with a rate or a feature. `events` are those of each rule, in `days` simulated days.
pub(super) fn expectations(
    world: &World,
    events: &[u64],
    days: u64,
    seed: u64,
) -> Result<Vec<Expectation>, MonitorError> {
    let mut all = Vec::new();
    for (rule, &n_events) in world.declared.rules.iter().zip(events) {
        let per_day = n_events as f64 / days.max(1) as f64;
        let broken = |source| MonitorError::Rule { rule: rule.name.clone(), source };
        let mut changes = Vec::new();
        if 0 < n_events && rule.consecutive.is_none() {
            for (what, after) in after(rule) {
                changes.push(change(rule, what, after, per_day, seed).map_err(broken)?);
            }
        }
        let declared_events_per_day = rule.events_per_day;
        all.push(Expectation {
            rule: rule.name.clone(),
            events_per_day: per_day,
            n_events,
            declared_events_per_day,
            changes,
        });
    }
    Ok(all)
}

/// Three changes for each rule, from small to gross.
fn after(rule: &StopRule) -> Vec<(String, f64)> {
    let name = rule.metric.name();
    let margin = rule.margin.unwrap_or(0.0);
    match rule.limit() {
        Some(Limit::Below(floor)) => {
            let rates = [0.05, 0.10, 0.20].map(|drop| floor - margin - drop);
            rates.into_iter().filter(|rate| 0.01 < *rate).map(|rate| (format!("{name} {rate:.3}"), rate)).collect()
        }
        Some(Limit::Above(ceiling)) => {
            let rates = [1.5, 2.0, 4.0].map(|factor| (ceiling + margin) * factor);
            rates.into_iter().filter(|rate| *rate < 0.99).map(|rate| (format!("{name} {rate:.3}"), rate)).collect()
        }
        None if rule.metric == Metric::Feature => {
            [0.25, 0.5, 1.0].into_iter().map(|shift| (format!("{shift} SD"), shift)).collect()
        }
        None => Vec::new(),
    }
}

fn change(
    rule: &StopRule,
    what: String,
    after: f64,
    per_day: f64,
    seed: u64,
) -> Result<Change, hilum_stats::StatsError> {
    let horizon = (per_day * 3_652.5).clamp(100.0, 200_000.0) as u64;
    if let (Some(confidence), Some(limit)) = (rule.confidence, rule.limit()) {
        let events = expected_events(rule, confidence, limit, after, horizon)?;
        return Ok(Change {
            what,
            median_events: events,
            median_events_between: None,
            p90_events: None,
            median_days: events.map(|events| events as f64 / per_day),
            runs: None,
            method: "confidence-sequence/expected-counts".to_owned(),
        });
    }
    let Some(threshold) = threshold(rule)? else {
        let what_lacks = hilum_stats::StatsError::Undefined { what: "delay", why: "the rule declares no certainty" };
        return Err(what_lacks);
    };
    let plan = DelayPlan { threshold, warm_up: 200, horizon, runs: 200, seed };
    let margin = rule.margin.unwrap_or(0.0);
    let delay = match rule.limit() {
        Some(Limit::Below(floor)) => {
            rate_delay(&BernoulliSettings::new(floor, margin, Direction::Fall)?, after, &plan)?
        }
        Some(Limit::Above(ceiling)) => {
            rate_delay(&BernoulliSettings::new(ceiling, margin, Direction::Rise)?, after, &plan)?
        }
        None => mean_delay(&BoundedMeanSettings::new(0.5, feature_margin(rule)?, Direction::Both)?, after, &plan)?,
    };
    let DetectionDelay { median_events, median_between, p90_events, runs, .. } = delay;
    Ok(Change {
        what,
        median_events,
        median_events_between: median_between,
        p90_events,
        median_days: median_events.map(|events| events as f64 / per_day),
        runs: Some(runs),
        method: "e-detector/simulated-delay".to_owned(),
    })
}

/// Events after which a rule with a confidence fires if the counts are just what they are expected to be.
fn expected_events(
    rule: &StopRule,
    confidence: f64,
    limit: Limit,
    rate: f64,
    horizon: u64,
) -> Result<Option<u64>, hilum_stats::StatsError> {
    let margin = rule.margin.unwrap_or(0.0);
    let fires = |n: u64| {
        let happened = (rate * n as f64).round() as u64;
        Ok(match limit {
            Limit::Below(floor) => rate_upper_sequence(happened, n, confidence)?.upper < floor - margin,
            Limit::Above(ceiling) => ceiling + margin < rate_lower_sequence(happened, n, confidence)?.lower,
        })
    };
    let mut high = u64::from(rule.n_min).max(8);
    while !fires(high)? {
        if horizon < high {
            return Ok(None);
        }
        high *= 2;
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = low.midpoint(high);
        if fires(middle)? { high = middle } else { low = middle }
    }
    Ok(Some(high.max(u64::from(rule.n_min))))
}
