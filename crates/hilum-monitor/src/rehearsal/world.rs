//! The distributions that studies are drawn from, worked out once for all runs.

use super::fault::Fault;
use super::scenario::{Declared, GroupScenario, Scenario};
use crate::MonitorError;
use hilum_registry::monitoring::stratum;
use hilum_registry::{Metric, StopRule};
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
    whole: Reference,
    /// Attributes by which the rule about it ranks it among its likes, and the reference of each such part.
    strata: Vec<String>,
    within: BTreeMap<String, Reference>,
}

/// Where the studies of the reference set lie, or those of one stratum.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// Part of the studies of a week.
    pub(super) share: f64,
    /// Weight and offset of each group, over these studies.
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
    rule: Option<StopRule>,
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
        let rule_about = |feature: &str| {
            declared.rules.iter().find(|rule| rule.metric == Metric::Feature && rule.feature == feature)
        };
        let mut names: BTreeSet<String> = declared.rules.iter().map(|rule| rule.feature.clone()).collect();
        names.extend(faults.iter().flat_map(Fault::feature_names));
        names.extend(scenario.groups.iter().flat_map(|group| group.features.keys().cloned()));
        names.retain(|name| !name.is_empty() && !name.starts_with("score:"));
        let feature = |name: String| Feature::new(&scenario, rule_about(&name), name);
        let features: Vec<Feature> = names.into_iter().map(feature).collect();
        let finding = |(label, finding): (&String, &super::FindingScenario)| Finding {
            label: label.clone(),
            prevalence: finding.prevalence,
            sensitivity: finding.sensitivity,
            specificity: finding.specificity,
            threshold: normal_quantile(finding.specificity),
            rule: rule_about(&format!("score:{label}")).cloned(),
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

impl Reference {
    /// Of the studies that groups have on days of the week that belong to it. Offsets are those of the groups.
    fn new(
        scenario: &Scenario,
        feature: &str,
        quantiles: &[f64],
        belongs: impl Fn(Option<usize>, usize) -> bool,
    ) -> Reference {
        let total: f64 = scenario.studies_per_day.iter().sum();
        let groups: Vec<Option<usize>> = match scenario.groups.len() {
            0 => vec![None],
            n => (0..n).map(Some).collect(),
        };
        let all_on = |day: usize| scenario.groups.iter().map(|group| group.weights[day]).sum::<f64>();
        let part = |group: Option<usize>, day: usize| match group.and_then(|place| scenario.groups.get(place)) {
            None => scenario.studies_per_day[day],
            Some(group) if 0.0 < all_on(day) => scenario.studies_per_day[day] * group.weights[day] / all_on(day),
            Some(_) => 0.0,
        };
        let offset = |group: &GroupScenario| group.features.get(feature).copied().unwrap_or(0.0);
        let of_group = |group: Option<usize>| {
            let days = (0..7).filter(|day| belongs(group, *day));
            let share = days.map(|day| part(group, day)).sum::<f64>() / total;
            (share, group.and_then(|place| scenario.groups.get(place)).map_or(0.0, offset))
        };
        let mut mixture: Vec<(f64, f64)> = groups.into_iter().map(of_group).collect();
        let share: f64 = mixture.iter().map(|(share, _)| share).sum();
        mixture.iter_mut().for_each(|(part, _)| *part /= share.max(f64::MIN_POSITIVE));
        Reference { share, mixture, quantiles: quantiles.to_vec() }
    }
}

impl Feature {
    fn new(scenario: &Scenario, rule: Option<&StopRule>, name: String) -> Feature {
        let quantiles = rule.map_or(&[] as &[f64], |rule| &rule.quantiles);
        let whole = Reference::new(scenario, &name, quantiles, |_, _| true);
        let strata = rule.map_or_else(Vec::new, |rule| rule.strata.clone());
        let within = |(key, quantiles): (&String, &Vec<f64>)| {
            let belongs = |group, day| stratum(&strata, &attributes(scenario, group, day)) == *key;
            (key.clone(), Reference::new(scenario, &name, quantiles, belongs))
        };
        let within = rule.into_iter().flat_map(|rule| &rule.quantiles_of).map(within).collect();
        Feature { name, whole, strata, within }
    }

    /// The references of its strata, by name.
    pub(super) fn within(&self) -> &BTreeMap<String, Reference> {
        &self.within
    }

    /// The stratum that a study with these attributes is ranked in; `None`: among all.
    pub(super) fn stratum(&self, attributes: &BTreeMap<String, String>) -> Option<&str> {
        if self.within.is_empty() {
            return None;
        }
        self.within.get_key_value(&stratum(&self.strata, attributes)).map(|(key, _)| key.as_str())
    }

    /// The value of a study of this stratum that lies `z` from the reference.
    pub(super) fn value(&self, stratum: Option<&str>, z: f64) -> f64 {
        let Reference { mixture, quantiles, .. } =
            stratum.and_then(|stratum| self.within.get(stratum)).unwrap_or(&self.whole);
        if quantiles.is_empty() {
            return z;
        }
        let place: f64 = mixture.iter().map(|(share, offset)| share * normal_cdf(z - offset)).sum();
        at_place(quantiles, place)
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
    pub(super) fn score(&self, attributes: &BTreeMap<String, String>, latent: f64) -> f64 {
        let Some(rule) = &self.rule else { return normal_cdf(latent - self.threshold).min(1.0) };
        let (present, _) = self.means(self.sensitivity, self.specificity);
        let place = self.prevalence * normal_cdf(latent - present) + (1.0 - self.prevalence) * normal_cdf(latent);
        at_place(rule.quantiles_for(attributes), place)
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

/// Attributes of the studies of a group on a day of the week, from 0 for Monday. They come by day, between seven and seven.
pub(super) fn attributes(scenario: &Scenario, group: Option<usize>, weekday: usize) -> BTreeMap<String, String> {
    let group = group.and_then(|group| scenario.groups.get(group));
    let mut attributes = group.map_or_else(BTreeMap::new, |group| group.attributes.clone());
    let weekpart = if weekday < 5 { "weekday" } else { "weekend" };
    for (name, value) in [("weekpart", weekpart), ("daypart", "day")] {
        attributes.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    attributes
}
