//! Stop rules as data, and how fresh the evidence has to be: `[[deployment.monitoring.rule]]` and
//! `[deployment.monitoring.evidence]`.

use hilum_types::Independence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a rule watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Of the studies in which the finding is there, the share in which the model said so.
    Sensitivity,
    /// Of the studies in which the finding is not there, the share in which the model said so.
    Specificity,
    /// Of the studies in which the model said that the finding is there, the share in which it is.
    Ppv,
    /// How often readers who had seen the answer agreed with it. It is not accuracy, and is never called so (MV-25).
    Concordance,
    /// Failed runs among all runs.
    FailureRate,
    /// Studies with a measurement outside the acquisition envelope among those measured (MV-04).
    OutsideEnvelope,
    /// Studies in which the model said that the finding is there, among those in which it gave an answer.
    PositiveRate,
    /// Studies that the model is not meant for among those that arrived.
    NotEligibleRate,
    /// A number measured of every study, against the quantiles of the accepted reference set (MV-21).
    Feature,
}

impl Metric {
    /// Stable name, as it is written in a declaration.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Sensitivity => "sensitivity",
            Metric::Specificity => "specificity",
            Metric::Ppv => "ppv",
            Metric::Concordance => "concordance",
            Metric::FailureRate => "failure_rate",
            Metric::OutsideEnvelope => "outside_envelope",
            Metric::PositiveRate => "positive_rate",
            Metric::NotEligibleRate => "not_eligible_rate",
            Metric::Feature => "feature",
        }
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Metric::Sensitivity => "sensitivity",
            Metric::Specificity => "specificity",
            Metric::Ppv => "positive predictive value",
            Metric::Concordance => "concordance with readers who saw the answer",
            Metric::FailureRate => "rate of failed runs",
            Metric::OutsideEnvelope => "rate of studies outside the acquisition envelope",
            Metric::PositiveRate => "rate of positive answers",
            Metric::NotEligibleRate => "rate of studies the model is not meant for",
            Metric::Feature => "place within the reference",
        }
    }

    /// Whether it rests on labels.
    pub fn needs_labels(self) -> bool {
        !self.permitted_labels().is_empty()
    }

    /// Classes of labels that it may rest on (MV-25); empty: it needs none.
    ///
    /// What came of acting on the answer, such as a biopsy, is missing wherever the answer was negative: it says how many
    /// positives were right, and nothing of those that were missed.
    pub fn permitted_labels(self) -> &'static [Independence] {
        match self {
            Metric::Sensitivity | Metric::Specificity => &[Independence::Unexposed],
            Metric::Ppv => &[Independence::Unexposed, Independence::PostAction],
            Metric::Concordance => &[Independence::DirectlyExposed, Independence::IndirectlyExposed],
            _ => &[],
        }
    }

    fn needs_finding(self) -> bool {
        matches!(self, Metric::Sensitivity | Metric::Specificity | Metric::Ppv | Metric::PositiveRate)
    }

    /// Whether low values are the bad ones; `None`: either may be.
    fn falls(self) -> Option<bool> {
        match self {
            Metric::PositiveRate | Metric::Feature => None,
            metric => Some(metric.needs_labels()),
        }
    }
}

/// What follows when a rule fires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// The deployment is suspended, in the act that entered the deciding fact.
    Suspend,
    /// It goes back to the version before; where there is none it is suspended.
    Fallback,
    /// A person is asked to look.
    #[default]
    Alarm,
}

/// What is done about missing evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenStale {
    /// The gate withholds every study until there is evidence again.
    #[default]
    Suspend,
    /// The gate says so with every study, and lets it through.
    Alarm,
}

/// Which way a rate has to leave its limit for a rule to fire.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Fires below this.
    Below(f64),
    /// Fires above this.
    Above(f64),
}

/// One stop rule (MV-05). How sure it has to be is said in exactly one of three ways: `confidence`,
/// `false_stops_per_year`, or `consecutive`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRule {
    /// Unique name within the deployment: 1 to 64 lower-case letters, digits and hyphens.
    pub name: String,
    /// What it watches.
    pub metric: Metric,
    /// The finding, by its label within the package.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub finding: String,
    /// The number, for `metric = "feature"`: a feature by name, or `score:<finding>`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub feature: String,
    /// Quantiles of that number in the accepted reference set, ascending, at equal steps of probability.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<f64>,
    /// Attributes by which a feature is ranked among its likes alone, so that a weekend is compared with weekends; the
    /// detector is one for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<String>,
    /// Quantiles within each stratum, as `quantiles`, by its values in the order of `strata`, joined by `/`; see [`stratum`].
    /// A stratum that is not named is ranked by `quantiles`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quantiles_of: BTreeMap<String, Vec<f64>>,
    /// Cases of the reference set that the quantiles are of, 1 or more: the margin is at least the error of a reference of
    /// that size. Needed for a feature unless `margin` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_n: Option<u32>,
    /// Fires when the rate is below this, in (0, 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Fires when the rate is above this, in (0, 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Tolerated beyond the limit: as a rate; for a feature in standard deviations of the reference (0.05).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Fires once the whole record of the version says with this confidence, at every look together, that the rate is
    /// beyond the limit; in 0.65 to below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Fires when a change has become evident, at most this often per year by chance; above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_stops_per_year: Option<f64>,
    /// Expected events per day, such as labelled positives, each counted once whatever `each` names; with
    /// `false_stops_per_year`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_per_day: Option<f64>,
    /// Fires after so many bad events in a row, 2 to 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive: Option<u32>,
    /// Classes of labels it rests on; left out: those that its metric may rest on by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Independence>,
    /// Events before it may fire.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_min: u32,
    /// Watch each value of these attributes by itself, so that one scanner or group cannot hide in the sum (MV-30).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<String>,
    /// What follows.
    #[serde(default)]
    pub action: RuleAction,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Attributes of an observation that a rule may cut by.
pub const CUTS: [&str; 13] = [
    "site",
    "station",
    "manufacturer",
    "model",
    "software",
    "protocol",
    "kernel",
    "view",
    "age_band",
    "sex",
    "group",
    "weekpart",
    "daypart",
];

/// Value of an attribute that a study does not state.
pub const NOT_STATED: &str = "(not stated)";

/// Strata that a rule names at most.
const STRATA_MAX: usize = 256;

/// The stratum of a study with these attributes: the values of `strata`, in that order, joined by `/`, such as `weekend/day`.
/// A `/` within a value becomes `_`, and what is not stated is [`NOT_STATED`].
pub fn stratum(strata: &[String], attributes: &BTreeMap<String, String>) -> String {
    let value = |name: &String| attributes.get(name).map_or(NOT_STATED.to_owned(), |value| value.replace('/', "_"));
    strata.iter().map(value).collect::<Vec<String>>().join("/")
}

/// Values that an attribute has besides [`NOT_STATED`], where they are known beforehand.
fn values_of(attribute: &str) -> Option<[&'static str; 2]> {
    match attribute {
        "weekpart" => Some(["weekday", "weekend"]),
        "daypart" => Some(["day", "night"]),
        _ => None,
    }
}

/// At least nine ascending numbers.
fn are_quantiles(values: &[f64]) -> bool {
    9 <= values.len()
        && values.windows(2).all(|pair| pair[0] <= pair[1])
        && values.iter().all(|value| value.is_finite())
}

/// What the program stops a deployment by itself under, as `stop-rule:<name>`; no rule is named so.
pub const PROGRAM_STOPS: [&str; 2] = ["canary", "remote-version"];

/// Whether a rule may be named so.
pub(crate) fn is_rule_name(name: &str) -> bool {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(letters)
}

impl StopRule {
    /// The limit; `None` for a feature, and for a count of bad events in a row.
    pub fn limit(&self) -> Option<Limit> {
        self.below.map(Limit::Below).or(self.above.map(Limit::Above))
    }

    /// Quantiles that a feature of a study with these attributes is ranked by: those of its stratum, and of the whole where
    /// the reference has none of it. Such a study is not left out, because what the reference does not know is just what a
    /// rule has to see.
    pub fn quantiles_for(&self, attributes: &BTreeMap<String, String>) -> &[f64] {
        if self.strata.is_empty() {
            return &self.quantiles;
        }
        self.quantiles_of.get(&stratum(&self.strata, attributes)).unwrap_or(&self.quantiles)
    }

    /// Events per day that its cells get together, where they are declared: every event feeds one cell of each attribute
    /// that `each` names.
    pub fn cell_events_per_day(&self) -> Option<f64> {
        Some(self.events_per_day? * self.each.len().max(1) as f64)
    }

    /// Classes of labels it rests on; empty when it needs none.
    pub fn label_classes(&self) -> &[Independence] {
        match (self.labels.is_empty(), self.metric) {
            (false, _) => &self.labels,
            // The two classes of the positive predictive value are different figures.
            (true, Metric::Ppv) => &[Independence::Unexposed],
            (true, metric) => metric.permitted_labels(),
        }
    }

    /// Whether it stops the version when it fires.
    pub fn stops(&self) -> bool {
        self.action != RuleAction::Alarm
    }

    /// Everything wrong with it.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut add = |problem: String| problems.push(format!("rule {:?}: {problem}", self.name));
        if !is_rule_name(&self.name) {
            add("name must be 1 to 64 lower-case letters, digits and hyphens".to_owned());
        }
        if PROGRAM_STOPS.contains(&self.name.as_str()) {
            add("the program stops a deployment under that name by itself; give the rule another".to_owned());
        }
        self.limit_problems(&mut add);
        self.strata_problems(&mut add);
        self.certainty_problems(&mut add);
        self.label_problems(&mut add);
        let metric = self.metric.name();
        if self.metric.needs_finding() && self.finding.trim().is_empty() {
            add(format!("{metric} is about one finding; set finding to its label within the package"));
        }
        let takes_finding = self.metric.needs_finding() || self.metric == Metric::Concordance;
        if !takes_finding && !self.finding.is_empty() {
            add(format!("{metric} is about no finding; leave out finding"));
        }
        for (_, cut) in self.each.iter().enumerate().filter(|(place, cut)| self.each[..*place].contains(cut)) {
            add(format!("each names {cut:?} more than once; every event would count again"));
        }
        for cut in self.each.iter().filter(|cut| !CUTS.contains(&cut.as_str())) {
            add(format!("each names {cut:?}, which is no attribute of a study; there are {}", CUTS.join(", ")));
        }
        problems
    }

    fn limit_problems(&self, add: &mut impl FnMut(String)) {
        let metric = self.metric.name();
        let feature = self.metric == Metric::Feature;
        if feature {
            if self.feature.trim().is_empty() {
                add("set feature to the name of a number that is measured, or to score:<finding>".to_owned());
            }
            if !are_quantiles(&self.quantiles) {
                add("quantiles must be at least 9 ascending numbers of the accepted reference set".to_owned());
            }
            if self.reference_n == Some(0) {
                add("reference_n is 0; it is the number of cases that the quantiles are of".to_owned());
            }
            if self.reference_n.is_none() && self.margin.is_none() {
                let why = "a detector without one fires on the error of its own reference";
                add(format!("set reference_n to the number of cases that the quantiles are of, or a margin: {why}"));
            }
        } else if !self.feature.is_empty() || !self.quantiles.is_empty() || self.reference_n.is_some() {
            add(format!("feature, quantiles and reference_n belong to metric = \"feature\", not to {metric}"));
        }
        match (self.below, self.above) {
            (Some(_), Some(_)) => add("it has both below and above; write two rules".to_owned()),
            (Some(_), _) | (_, Some(_)) if feature || self.consecutive.is_some() => {
                add("below and above belong to rates; leave them out".to_owned());
            }
            (Some(_), None) if self.metric.falls() == Some(false) => {
                add(format!("a low {metric} is no harm; set above instead of below"));
            }
            (None, Some(_)) if self.metric.falls() == Some(true) => {
                add(format!("a high {metric} is no harm; set below instead of above"));
            }
            (None, None) if !feature && self.consecutive.is_none() => {
                add("it has no limit; set below or above".to_owned());
            }
            _ => {}
        }
        let margin = self.margin.unwrap_or(0.0);
        if !(0.0..=if feature { 10.0 } else { 1.0 }).contains(&margin) {
            add(format!("margin is {margin}; it must be 0 or more, and below 1 for a rate"));
        }
        let edge = match self.limit() {
            Some(Limit::Below(limit)) => Some((limit, limit - margin)),
            Some(Limit::Above(limit)) => Some((limit, limit + margin)),
            None => None,
        };
        let inside = |rate: f64| (1e-6..=1.0 - 1e-6).contains(&rate);
        if let Some((limit, edge)) = edge.filter(|(limit, edge)| !inside(*limit) || !inside(*edge)) {
            add(format!("the limit is {limit}, with its margin {edge}; both must be inside 0 to 1"));
        }
    }

    fn strata_problems(&self, add: &mut impl FnMut(String)) {
        if self.strata.is_empty() && self.quantiles_of.is_empty() {
            return;
        }
        if self.metric != Metric::Feature {
            let metric = self.metric.name();
            add(format!(
                "strata and quantiles_of belong to metric = \"feature\", not to {metric}; watch the parts of a rate with each"
            ));
            return;
        }
        for (place, name) in self.strata.iter().enumerate() {
            if !CUTS.contains(&name.as_str()) {
                add(format!("strata names {name:?}, which is no attribute of a study; there are {}", CUTS.join(", ")));
            }
            if self.strata[..place].contains(name) {
                add(format!("strata names {name:?} more than once"));
            }
        }
        match (self.strata.is_empty(), self.quantiles_of.len()) {
            (true, _) => add("quantiles_of has strata, and strata names no attribute they are told by".to_owned()),
            (false, 0) => add(format!(
                "strata without quantiles_of changes nothing; `hilum monitor envelope --strata {} --json` prints them",
                self.strata.join(",")
            )),
            (false, n) if STRATA_MAX < n => {
                add(format!("quantiles_of has {n} strata; at most {STRATA_MAX} are told apart"))
            }
            _ => {}
        }
        for (key, quantiles) in self.quantiles_of.iter().take(STRATA_MAX) {
            let values: Vec<&str> = key.split('/').collect();
            if !self.strata.is_empty() && values.len() != self.strata.len() {
                let (n, names) = (self.strata.len(), self.strata.join("/"));
                add(format!("quantiles_of names {key:?}; a stratum here is {n} values joined by /, of {names}"));
            }
            for (name, value) in self.strata.iter().zip(&values) {
                let known = values_of(name).filter(|known| *value != NOT_STATED && !known.contains(value));
                if let Some(known) = known {
                    add(format!("quantiles_of names {key:?}; {name} is {}", known.join(" or ")));
                }
            }
            if !are_quantiles(quantiles) {
                add(format!(
                    "quantiles_of {key:?} must be at least 9 ascending numbers of that part of the reference set"
                ));
            }
        }
    }

    fn certainty_problems(&self, add: &mut impl FnMut(String)) {
        let n_ways = [self.confidence.is_some(), self.false_stops_per_year.is_some(), self.consecutive.is_some()];
        if n_ways.into_iter().filter(|given| *given).count() != 1 {
            add("say how sure it has to be by exactly one of confidence, false_stops_per_year, consecutive".to_owned());
        }
        if let Some(confidence) = self.confidence.filter(|level| !(0.65..1.0).contains(level)) {
            add(format!("confidence is {confidence}; it must be in 0.65 to below 1, such as 0.95"));
        }
        match (self.false_stops_per_year, self.events_per_day) {
            (Some(per_year), Some(per_day)) => {
                let sound = 0.0 < per_year && per_year <= 1000.0 && 0.0 < per_day && per_day <= 1e8;
                // One event between false stops would ask for no evidence at all.
                if !sound || 365.25 * per_day < per_year {
                    add(format!(
                        "false_stops_per_year = {per_year} with events_per_day = {per_day} asks for no evidence; both \
                         must be above 0, and there must be more events than false stops"
                    ));
                }
            }
            (Some(_), None) => add("false_stops_per_year needs events_per_day, as measured or expected".to_owned()),
            (None, Some(_)) => add("events_per_day belongs to false_stops_per_year".to_owned()),
            (None, None) => {}
        }
        if let Some(n) = self.consecutive.filter(|n| !(2..=10_000).contains(n)) {
            add(format!("consecutive is {n}; it must be 2 to 10000"));
        }
        if self.metric == Metric::Feature && self.false_stops_per_year.is_none() {
            add("a feature is watched by false_stops_per_year".to_owned());
        }
        if self.metric == Metric::PositiveRate && self.consecutive.is_some() {
            add("a positive answer is no fault, so there is nothing to count in a row".to_owned());
        }
    }

    /// A figure on labels that do not carry it is refused with the reason (MV-25).
    fn label_problems(&self, add: &mut impl FnMut(String)) {
        let metric = self.metric.name();
        let permitted = self.metric.permitted_labels();
        if permitted.is_empty() && !self.labels.is_empty() {
            add(format!("{metric} rests on no label; leave out labels"));
            return;
        }
        for class in self.labels.iter().filter(|class| !permitted.contains(class)) {
            let why = match (self.metric, class) {
                (Metric::Concordance, _) => "agreement of somebody who had not seen the answer is no concordance",
                (_, Independence::PostAction) => {
                    "what came of acting on the answer is missing where the answer was negative"
                }
                _ => "the labeller had seen the answer, or something made from it: that is concordance",
            };
            add(format!("{metric} may not rest on labels of class {}: {why}", class.name()));
        }
        if self.metric == Metric::Ppv && 1 < self.labels.len() {
            add("a figure mixed from unexposed and post_action labels has no meaning; write two rules".to_owned());
        }
    }
}

/// How fresh evidence about performance has to be (MV-06): silence is not health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRule {
    /// Only labels of studies of the last so many days count, 1 to 3650. It is also how long a version may be in use
    /// before the first have to be there.
    pub window_days: u32,
    /// Labelled findings that have to be within the window, 1 or more.
    pub n_min: u32,
    /// Classes of labels that count as evidence.
    #[serde(default = "unexposed")]
    pub labels: Vec<Independence>,
    /// What is done when they are not.
    #[serde(default)]
    pub when_stale: WhenStale,
}

fn unexposed() -> Vec<Independence> {
    vec![Independence::Unexposed]
}

impl EvidenceRule {
    /// Everything wrong with it.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=3650).contains(&self.window_days) {
            problems.push(format!("evidence.window_days is {}; it must be in 1 to 3650", self.window_days));
        }
        if self.n_min == 0 {
            problems.push("evidence.n_min is 0; evidence is at least one label".to_owned());
        }
        if self.labels.is_empty() {
            problems.push("evidence.labels is empty; leave it out for unexposed labels".to_owned());
        }
        problems
    }
}
