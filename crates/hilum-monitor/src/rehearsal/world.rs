//! The distributions that studies are drawn from, worked out once for all runs.

use super::fault::Fault;
use super::scenario::{Declared, Scenario};
use crate::MonitorError;
use hilum_registry::Metric;
use hilum_stats::{normal_cdf, normal_quantile};
use std::collections::{BTreeMap, BTreeSet};

/// A scenario with its rules and faults, checked.
#[derive(Debug, Clone)]
pub struct World {
    pub(super) scenario: Scenario,
    pub(super) declared: Declared,
    pub(super) faults: Vec<Fault>,
    pub(super) features: Vec<Feature>,
    pub(super) findings: Vec<Finding>,
    /// Whether a value is kept with the study: what no rule and no fault names is not drawn.
    envelope_z: f64,
}

/// A number measured of every study, drawn so that its places within the reference of its rule are what they are in a site
/// where all is well: uniform over the whole week, whatever the scanners are.
#[derive(Debug, Clone)]
pub(super) struct Feature {
    pub(super) name: String,
    /// Weight and offset of each group, over a week.
    mixture: Vec<(f64, f64)>,
    quantiles: Vec<f64>,
}

/// A finding, with its operating point on the scale of the scores of the negatives.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) label: String,
    pub(super) prevalence: f64,
    pub(super) sensitivity: f64,
    pub(super) specificity: f64,
    pub(super) threshold: f64,
    quantiles: Vec<f64>,
}

impl World {
    /// Check everything, and work out what is drawn from.
    ///
    /// # Errors
    /// [`MonitorError::Rehearsal`] with everything that is wrong.
    pub fn new(scenario: Scenario, declared: Declared, faults: Vec<Fault>) -> Result<World, MonitorError> {
        declared.check()?;
        let mut problems = scenario.problems(&declared.rules);
        problems.extend(faults.iter().flat_map(|fault| fault.problems(&scenario)));
        for (place, fault) in faults.iter().enumerate() {
            if faults[..place].iter().any(|earlier| earlier.name == fault.name) {
                problems.push(format!("fault {:?} is there twice", fault.name));
            }
        }
        if !problems.is_empty() {
            return Err(MonitorError::Rehearsal { problems });
        }
        let quantiles = |feature: &str| {
            let rule = declared.rules.iter().find(|rule| rule.metric == Metric::Feature && rule.feature == feature);
            rule.map_or_else(Vec::new, |rule| rule.quantiles.clone())
        };
        let mut names: BTreeSet<String> = declared.rules.iter().map(|rule| rule.feature.clone()).collect();
        names.extend(faults.iter().flat_map(|fault| fault.effects().features.unwrap_or_default().into_keys()));
        names.extend(scenario.groups.iter().flat_map(|group| group.features.keys().cloned()));
        names.retain(|name| !name.is_empty() && !name.starts_with("score:"));
        let feature = |name: String| {
            let mixture = mixture(&scenario, &name);
            Feature { quantiles: quantiles(&name), mixture, name }
        };
        let features: Vec<Feature> = names.into_iter().map(feature).collect();
        let finding = |(label, finding): (&String, &super::FindingScenario)| Finding {
            label: label.clone(),
            prevalence: finding.prevalence,
            sensitivity: finding.sensitivity,
            specificity: finding.specificity,
            threshold: normal_quantile(finding.specificity),
            quantiles: quantiles(&format!("score:{label}")),
        };
        let findings = scenario.findings.iter().map(finding).collect();
        // Each feature has its part of what is outside without a fault, half of it on each side.
        let part = scenario.outside_envelope.max(1e-9) / (2.0 * features.len().max(1) as f64);
        let envelope_z = -normal_quantile(part);
        Ok(World { scenario, declared, faults, features, findings, envelope_z })
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The rules that are rehearsed.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// The faults.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Whether a feature that is `z` standard deviations from the reference is outside the envelope.
    pub(super) fn outside(&self, z: f64) -> bool {
        self.envelope_z < z.abs()
    }
}

/// Share of each group among the studies of a week, with its offset of a feature, centred so that the whole has mean 0.
fn mixture(scenario: &Scenario, feature: &str) -> Vec<(f64, f64)> {
    if scenario.groups.is_empty() {
        return vec![(1.0, 0.0)];
    }
    let mut shares: Vec<(f64, f64)> = Vec::new();
    let total: f64 = scenario.studies_per_day.iter().sum();
    for group in &scenario.groups {
        let of_day = |day: usize| {
            let all: f64 = scenario.groups.iter().map(|group| group.weights[day]).sum();
            if 0.0 < all { scenario.studies_per_day[day] * group.weights[day] / all } else { 0.0 }
        };
        let share = (0..7).map(of_day).sum::<f64>() / total;
        shares.push((share, group.features.get(feature).copied().unwrap_or(0.0)));
    }
    shares
}

impl Feature {
    /// The value of a study that lies `z` from the reference.
    pub(super) fn value(&self, z: f64) -> f64 {
        if self.quantiles.is_empty() {
            return z;
        }
        let place: f64 = self.mixture.iter().map(|(share, offset)| share * normal_cdf(z - offset)).sum();
        at_place(&self.quantiles, place)
    }
}

impl Finding {
    /// Mean score of studies with and without the finding, for this sensitivity and specificity.
    pub(super) fn means(&self, sensitivity: f64, specificity: f64) -> (f64, f64) {
        let inside = |rate: f64| rate.clamp(1e-6, 1.0 - 1e-6);
        let present = self.threshold + normal_quantile(inside(sensitivity));
        (present, self.threshold - normal_quantile(inside(specificity)))
    }

    /// The calibrated score that the model gives: with the quantiles of a rule, that of the same place among the scores of a
    /// site where all is well; otherwise a number that is 0.5 at the operating point.
    pub(super) fn score(&self, latent: f64) -> f64 {
        if self.quantiles.is_empty() {
            return normal_cdf(latent - self.threshold).min(1.0);
        }
        let (present, _) = self.means(self.sensitivity, self.specificity);
        let place = self.prevalence * normal_cdf(latent - present) + (1.0 - self.prevalence) * normal_cdf(latent);
        at_place(&self.quantiles, place)
    }
}

/// The value that has this place, in (0, 1), within the reference: what lies between two quantiles, or beyond the last
/// ones, is told apart as [`hilum_stats::sequential::mid_rank`] tells it apart.
fn at_place(quantiles: &[f64], place: f64) -> f64 {
    let n = quantiles.len();
    let steps = place.clamp(0.0, 1.0) * (n + 1) as f64;
    let cell = (steps as usize).min(n);
    let within = (steps - cell as f64).clamp(0.001, 0.999);
    let width = (quantiles[n - 1] - quantiles[0]).max(1e-9) / n as f64;
    match cell {
        0 => quantiles[0] - (1.0 - within) * width,
        cell if cell == n => quantiles[n - 1] + within * width,
        cell => quantiles[cell - 1] + within * (quantiles[cell] - quantiles[cell - 1]),
    }
}

/// Group names by their attributes, for the groups of a scenario; one nameless group where it has none.
pub(super) fn attributes(scenario: &Scenario, group: Option<usize>) -> BTreeMap<String, String> {
    group.and_then(|group| scenario.groups.get(group)).map_or_else(BTreeMap::new, |group| group.attributes.clone())
}
