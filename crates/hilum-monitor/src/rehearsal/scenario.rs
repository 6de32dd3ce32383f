//! What a site looks like while all is well: `[scenario]` of a rehearsal file.

use crate::{LabelSource, MonitorError};
use hilum_registry::{EvidenceRule, Metric, StopRule};
use hilum_types::{Independence, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A site while all is well. Days of the week begin with Monday.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Mean number of studies on each day of the week; the days themselves vary as a Poisson count does.
    pub studies_per_day: [f64; 7],
    /// The findings of the model, by label.
    #[serde(rename = "finding")]
    pub findings: BTreeMap<String, FindingScenario>,
    /// Scanners, sites or protocols with their shares of the studies; left out: one that is not told apart.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupScenario>,
    /// Where labels come from, how many, and how late.
    #[serde(default, rename = "labels", skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelScenario>,
    /// Share of the studies that are outside the acquisition envelope although nothing is wrong.
    #[serde(default = "one_in_a_hundred")]
    pub outside_envelope: f64,
    /// Share of the runs that fail.
    #[serde(default = "one_in_a_thousand")]
    pub failures: f64,
    /// Share of the studies that the model is not meant for.
    #[serde(default = "one_in_a_hundred")]
    pub not_eligible: f64,
    /// Studies in the accepted reference set: its own error displaces what is watched in each run, as it would here.
    #[serde(default = "two_thousand")]
    pub reference_studies: u32,
    /// The first day. It should be a Monday in the site's own time.
    #[serde(default = "monday")]
    pub begin: Timestamp,
}

/// One finding: scores are binormal with equal spread, so that prevalence and operating point say everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingScenario {
    /// Share of the studies in which it is there.
    pub prevalence: f64,
    /// Sensitivity at the operating point, as accepted.
    pub sensitivity: f64,
    /// Specificity at the operating point, as accepted.
    pub specificity: f64,
}

/// Studies that are told apart: a scanner, a site, a protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupScenario {
    /// Attributes of its studies, such as `station = "CT1"`.
    pub attributes: BTreeMap<String, String>,
    /// Weight on each day of the week.
    pub weights: [f64; 7],
    /// How far its features lie from those of all studies, in standard deviations, by feature.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, f64>,
    /// Prevalence of every finding among its studies, as a multiple.
    #[serde(default = "one")]
    pub prevalence_factor: f64,
}

/// A source of labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelScenario {
    /// What gives them.
    pub source: LabelSource,
    /// How independent of the model's output they are.
    pub class: Independence,
    /// Share of the analysed studies that get one, in (0, 1].
    pub coverage: f64,
    /// Half of the labels take longer than this, in days; log-normal, so that some take very long.
    pub delay_days_median: f64,
    /// Spread of the logarithm of the delay; 1 means that one label in twenty takes five times the median.
    #[serde(default = "one")]
    pub delay_spread: f64,
    /// How many times longer it takes where the answer was wrong, because that needs a second reading or a follow-up.
    #[serde(default = "one")]
    pub delay_factor_wrong: f64,
    /// Chance that it says "present" where the finding is there.
    #[serde(default = "one")]
    pub sensitivity: f64,
    /// Chance that it says "absent" where the finding is not there.
    #[serde(default = "one")]
    pub specificity: f64,
    /// Program that reads it out of a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extractor: Option<String>,
    /// Whether the error of that program was measured here.
    #[serde(default)]
    pub extractor_measured: bool,
}

fn one() -> f64 {
    1.0
}

fn one_in_a_hundred() -> f64 {
    0.01
}

fn one_in_a_thousand() -> f64 {
    0.001
}

fn two_thousand() -> u32 {
    2000
}

fn monday() -> Timestamp {
    // 2026-01-05T00:00:00Z
    Timestamp::from_micros(1_767_571_200_000_000)
}

impl Scenario {
    /// Mean number of studies per day over a week.
    pub fn studies_per_day_mean(&self) -> f64 {
        self.studies_per_day.iter().sum::<f64>() / 7.0
    }

    /// Everything wrong with it, for these rules.
    pub fn problems(&self, rules: &[StopRule]) -> Vec<String> {
        let mut problems = Vec::new();
        let volumes = |v: &f64| (0.0..=20_000.0).contains(v);
        if !self.studies_per_day.iter().all(volumes) || self.studies_per_day_mean() < 0.1 {
            problems.push("studies_per_day must be seven numbers from 0 to 20000, not all 0".to_owned());
        }
        let mut share = |what: String, value: f64, sound: bool| {
            if !sound {
                problems.push(format!("{what} is {value}, which it cannot be"));
            }
        };
        for (label, finding) in &self.findings {
            let inside = |v: f64| (1e-6..=1.0 - 1e-6).contains(&v);
            share(format!("prevalence of {label}"), finding.prevalence, inside(finding.prevalence));
            share(format!("sensitivity of {label}"), finding.sensitivity, inside(finding.sensitivity));
            share(format!("specificity of {label}"), finding.specificity, inside(finding.specificity));
        }
        for group in &self.groups {
            let weights = group.weights.iter().all(|w| (0.0..=1e6).contains(w));
            share("a weight of a group".to_owned(), group.weights[0], weights);
            share("prevalence_factor of a group".to_owned(), group.prevalence_factor, {
                (0.0..=1000.0).contains(&group.prevalence_factor)
            });
            for (name, shift) in &group.features {
                share(format!("{name} of a group"), *shift, shift.abs() <= 100.0);
            }
        }
        for labels in &self.labels {
            let rate = |v: f64| (0.0..=1.0).contains(&v);
            share("coverage of labels".to_owned(), labels.coverage, 0.0 < labels.coverage && rate(labels.coverage));
            let delay = (0.0..=3650.0).contains(&labels.delay_days_median);
            share("delay_days_median".to_owned(), labels.delay_days_median, delay);
            share("delay_spread".to_owned(), labels.delay_spread, (0.0..=5.0).contains(&labels.delay_spread));
            let factor = labels.delay_factor_wrong;
            share("delay_factor_wrong".to_owned(), factor, (0.0..=100.0).contains(&factor));
            share("sensitivity of labels".to_owned(), labels.sensitivity, rate(labels.sensitivity));
            share("specificity of labels".to_owned(), labels.specificity, rate(labels.specificity));
        }
        for (what, value) in [
            ("outside_envelope", self.outside_envelope),
            ("failures", self.failures),
            ("not_eligible", self.not_eligible),
        ] {
            share(what.to_owned(), value, (0.0..0.5).contains(&value));
        }
        if self.reference_studies == 0 {
            problems.push("reference_studies is 0; a reference has studies".to_owned());
        }
        for day in 0..7 {
            let empty = !self.groups.is_empty() && self.groups.iter().all(|group| group.weights[day] == 0.0);
            if empty && 0.0 < self.studies_per_day[day] {
                problems.push(format!("no group has studies on day {} of the week", day + 1));
            }
        }
        problems.extend(rules.iter().filter_map(|rule| self.lacks_for(rule, rules)));
        problems
    }

    /// Why a rule could not be rehearsed.
    fn lacks_for(&self, rule: &StopRule, rules: &[StopRule]) -> Option<String> {
        let name = &rule.name;
        let about = rule.feature.strip_prefix("score:").unwrap_or(&rule.finding);
        if !about.is_empty() && !self.findings.contains_key(about) {
            return Some(format!(
                "rule {name} is about {about}; say how often it is there in [scenario.finding.{about}]"
            ));
        }
        let classes = rule.label_classes();
        let carries = |labels: &LabelScenario| {
            classes.contains(&labels.class) && (labels.extractor.is_none() || labels.extractor_measured)
        };
        if rule.metric.needs_labels() && !self.labels.iter().any(carries) {
            let classes: Vec<&str> = classes.iter().map(|class| class.name()).collect();
            let classes = classes.join(" or ");
            return Some(format!(
                "rule {name} rests on labels of class {classes}, and no [[scenario.labels]] gives any"
            ));
        }
        let reference = |rule: &StopRule| (rule.quantiles.clone(), rule.strata.clone(), rule.quantiles_of.clone());
        let other = |other: &&StopRule| {
            other.metric == Metric::Feature && other.feature == rule.feature && reference(other) != reference(rule)
        };
        let differs = (rule.metric == Metric::Feature).then(|| rules.iter().find(other)).flatten();
        differs.map(|other| {
            format!("rules {name} and {} have different quantiles or strata of {}", other.name, rule.feature)
        })
    }
}

/// What a deployment declares, as a rehearsal needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// Name of the deployment.
    pub deployment: String,
    /// Its stop rules.
    pub rules: Vec<StopRule>,
    /// How fresh evidence has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceRule>,
}

impl Declared {
    /// Whether there is anything to rehearse, and it is sound.
    ///
    /// # Errors
    /// [`MonitorError::Rehearsal`] with everything that is wrong.
    pub fn check(&self) -> Result<(), MonitorError> {
        let mut problems: Vec<String> = self.rules.iter().flat_map(StopRule::problems).collect();
        problems.extend(self.evidence.iter().flat_map(EvidenceRule::problems));
        if self.rules.is_empty() && self.evidence.is_none() {
            let remedy = "there is no rule to rehearse; declare [[deployment.monitoring.rule]]";
            problems.push(remedy.to_owned());
        }
        if problems.is_empty() { Ok(()) } else { Err(MonitorError::Rehearsal { problems }) }
    }
}
