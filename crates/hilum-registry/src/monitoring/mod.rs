//! What a site watches and when it stops: `[deployment.monitoring]` of a declaration.

mod alarms;
mod labels;
mod rules;

pub use alarms::{AlarmPlan, DueHours};
pub use labels::{AuditSamplePlan, ExtractorSpec, LabelPlan, Silent};
pub(crate) use rules::is_rule_name;
pub use rules::{
    CUTS, EvidenceRule, Limit, Metric, NOT_STATED, PROGRAM_STOPS, RuleAction, StopRule, WhenStale, stratum,
};
mod envelope;

pub use envelope::{EnvelopePlan, NewGroupPolicy, OutsidePolicy};

use crate::manifest::{Manifest, OutputSpec};
use serde::{Deserialize, Serialize};

/// Features of the embedding that a package declares, against the accepted reference set: projections onto its principal
/// components, and the distance from what they span. Which of them there are, its envelope says.
pub const EMBEDDING_FEATURES: [&str; 9] = [
    "embedding_1",
    "embedding_2",
    "embedding_3",
    "embedding_4",
    "embedding_5",
    "embedding_6",
    "embedding_7",
    "embedding_8",
    "embedding_rest",
];

/// What the site watches once results reach readers (MV-01), and when it stops.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MonitoringPlan {
    /// What is agreed beside the rules, in words: nothing follows from it by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_rules: Vec<String>,
    /// The stop rules.
    #[serde(rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<StopRule>,
    /// How fresh evidence has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceRule>,
    /// Who looks at the figures: a person or a role.
    pub reviewed_by: String,
    /// How often, in days, up to 3650; 0: nothing is agreed.
    pub review_days: u32,
    /// What is done when that is overdue.
    #[serde(skip_serializing_if = "WhenOverdue::is_alarm")]
    pub on_overdue: WhenOverdue,
    /// Whether its rules must have been rehearsed before clinical results reach readers (MV-45).
    #[serde(skip_serializing_if = "RehearsalNeed::is_optional")]
    pub rehearsal: RehearsalNeed,
    /// Where labels come from.
    #[serde(skip_serializing_if = "LabelPlan::is_default")]
    pub labels: LabelPlan,
    /// Who is told of its alarms and until when they must be answered.
    #[serde(skip_serializing_if = "AlarmPlan::is_default")]
    pub alarms: AlarmPlan,
    /// How images are held against those of the accepted reference set; left out: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<EnvelopePlan>,
}

/// What is done when nobody has looked at the figures in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenOverdue {
    /// People are told.
    #[default]
    Alarm,
    /// People are told, and the gate withholds every study until somebody has looked.
    Suspend,
}

impl WhenOverdue {
    fn is_alarm(&self) -> bool {
        *self == WhenOverdue::Alarm
    }
}

/// Whether stop rules must have been rehearsed before clinical results reach readers (MV-45).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RehearsalNeed {
    /// They may be.
    #[default]
    Optional,
    /// They must: a signed rehearsal with faults, which kept what is declared, of exactly these rules and this package.
    Required,
}

impl RehearsalNeed {
    fn is_optional(&self) -> bool {
        *self == RehearsalNeed::Optional
    }
}

/// What two people sign of a monitoring plan: when it stops, and what is compared with what before a result leaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SignedMonitoring<'a> {
    /// The stop rules.
    #[serde(rename = "rule")]
    pub rules: &'a [StopRule],
    /// How fresh evidence has to be.
    pub evidence: Option<&'a EvidenceRule>,
    /// How images are held against those of the accepted reference set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<&'a EnvelopePlan>,
    /// After how many days without a look at the figures it stops; `None`: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_days: Option<u32>,
}

impl MonitoringPlan {
    /// What of it is signed; `None` where it declares nothing of that.
    pub fn signed(&self) -> Option<SignedMonitoring<'_>> {
        let declared = self.stops() || self.envelope.is_some();
        let (evidence, envelope) = (self.evidence.as_ref(), self.envelope.as_ref());
        let review_days = (self.on_overdue == WhenOverdue::Suspend).then_some(self.review_days);
        declared.then_some(SignedMonitoring { rules: &self.rules, evidence, envelope, review_days })
    }

    fn stops(&self) -> bool {
        !self.rules.is_empty() || self.evidence.is_some() || self.on_overdue == WhenOverdue::Suspend
    }

    /// This plan, with every part of the one in force that it does not bring itself. Rules of which none stops anything take
    /// the place of none that do.
    pub(crate) fn or_in_force(self, in_force: MonitoringPlan) -> MonitoringPlan {
        let keeps = self.rules.iter().any(StopRule::stops) || !in_force.rules.iter().any(StopRule::stops);
        let rules = if keeps && !self.rules.is_empty() { self.rules } else { in_force.rules };
        let stated = |brought: Vec<String>, kept| if brought.is_empty() { kept } else { brought };
        // After how many days it stops is signed with its stopping: whoever brings no stop brings no other period for it.
        let keeps_period = self.review_days == 0 || self.on_overdue < in_force.on_overdue;
        MonitoringPlan {
            stop_rules: stated(self.stop_rules, in_force.stop_rules),
            rules,
            evidence: self.evidence.or(in_force.evidence),
            reviewed_by: if self.reviewed_by.trim().is_empty() { in_force.reviewed_by } else { self.reviewed_by },
            review_days: if keeps_period { in_force.review_days } else { self.review_days },
            on_overdue: self.on_overdue.max(in_force.on_overdue),
            rehearsal: self.rehearsal.max(in_force.rehearsal),
            labels: if self.labels.is_default() { in_force.labels } else { self.labels },
            alarms: if self.alarms.is_default() { in_force.alarms } else { self.alarms },
            envelope: self.envelope.or(in_force.envelope),
        }
    }

    /// What it lacks to be a plan; empty when it is one.
    pub fn gaps(&self) -> Vec<&'static str> {
        let mut gaps = Vec::new();
        if !self.rules.iter().any(StopRule::stops) {
            gaps.push("a rule that suspends");
        }
        if self.evidence.is_none() {
            gaps.push("evidence");
        }
        if self.reviewed_by.trim().is_empty() {
            gaps.push("reviewed_by");
        }
        if self.review_days == 0 {
            gaps.push("review_days");
        }
        gaps
    }

    /// Rules and extractors about findings that a version never states, or about numbers that are never measured, each with
    /// those that are: such a rule would be silent for ever. `features` are the names of what is measured of images.
    pub fn unknown_names(&self, manifest: &Manifest, features: &[&str]) -> Vec<String> {
        let labels = manifest.labels();
        let scored: Option<Vec<&str>> =
            labels.is_some().then(|| manifest.findings().map(|finding| finding.label.as_str()).collect());
        let unknown = |about: String, name: &str, known: &Option<Vec<&str>>| {
            let known = known.as_ref().filter(|known| !name.is_empty() && !known.contains(&name))?;
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Some(format!("monitoring: {about} is about {name:?}, which its package never says; there are {known}"))
        };
        let mut features = features.to_vec();
        if manifest.outputs.iter().any(|output| matches!(output, OutputSpec::Embedding(_))) {
            features.extend(EMBEDDING_FEATURES);
        }
        let mut problems = Vec::new();
        for rule in &self.rules {
            let about = || format!("rule {:?}", rule.name);
            problems.extend(unknown(about(), &rule.finding, &labels));
            match rule.feature.strip_prefix("score:") {
                Some(finding) => problems.extend(unknown(about(), finding, &scored)),
                None if !rule.feature.is_empty() && !features.contains(&rule.feature.as_str()) => {
                    let (about, feature) = (about(), &rule.feature);
                    problems.push(format!(
                        "monitoring: {about} is about {feature:?}, which is not measured; there are {}, and score:<finding>",
                        features.join(", ")
                    ));
                }
                None => {}
            }
        }
        for extractor in &self.labels.extractor {
            problems.extend(unknown(format!("extractor {:?}", extractor.name), &extractor.finding, &labels));
        }
        problems
    }

    /// Everything wrong with what is declared.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.rules.iter().flat_map(StopRule::problems).collect();
        for (place, rule) in self.rules.iter().enumerate() {
            if self.rules[..place].iter().any(|earlier| earlier.name == rule.name) {
                problems.push(format!("rule {:?} is there twice; names are unique within a deployment", rule.name));
            }
        }
        if 64 < self.rules.len() {
            problems.push(format!("there are {} rules; at most 64 are watched", self.rules.len()));
        }
        problems.extend(self.evidence.iter().flat_map(EvidenceRule::problems));
        if 3650 < self.review_days {
            problems.push(format!("review_days is {}; it must be at most 3650", self.review_days));
        }
        if self.review_days == 0 && self.on_overdue == WhenOverdue::Suspend {
            problems.push("on_overdue = \"suspend\" needs review_days: how often somebody looks".to_owned());
        }
        problems.into_iter().map(|problem| format!("monitoring: {problem}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule about what the version never says is refused with what it does say; a product's results are not known before.
    #[test]
    fn a_rule_about_nothing_is_told() {
        let manifest = |more: &str| -> Manifest {
            let package = "schema=1\n[package]\nname='c'\nversion='1'\ntitle='C'\nmanufacturer='M'\nlicense='MIT'\ndescription='d'\n";
            toml::from_str(&format!("{package}{more}")).unwrap()
        };
        let model = manifest(
            "[[output]]\nkind='classification'\ntensor='t'\n[[output.finding]]\nlabel='nodule'\noperating_point=0.5\n\
             concept={value='1',scheme='SCT',meaning='N'}\n[[output]]\nkind='quantity'\ntensor='q'\nlabel='age'\n\
             concept={value='2',scheme='SCT',meaning='A'}\nunit={value='a',scheme='UCUM',meaning='year'}",
        );
        let plan: MonitoringPlan = toml::from_str(
            "[[rule]]\nname='a'\nmetric='sensitivity'\nfinding='nodul'\n[[rule]]\nname='b'\nmetric='positive_rate'\nfinding='age'\n\
             [[rule]]\nname='c'\nmetric='feature'\nfeature='noise_sd'\n[[rule]]\nname='d'\nmetric='feature'\nfeature='score:age'\n\
             [[rule]]\nname='e'\nmetric='feature'\nfeature='noise'\n[[rule]]\nname='f'\nmetric='feature'\nfeature='score:nodule'\n\
             [[labels.extractor]]\nfinding='effusion'\nname='eff'\nversion='1'\npresent=['effusion']",
        )
        .unwrap();
        let said = |manifest: &Manifest| plan.unknown_names(manifest, &["noise", "rows"]).join("\n");
        insta::assert_snapshot!(said(&model), @r#"
        monitoring: rule "a" is about "nodul", which its package never says; there are nodule, age
        monitoring: rule "c" is about "noise_sd", which is not measured; there are noise, rows, and score:<finding>
        monitoring: rule "d" is about "age", which its package never says; there are nodule
        monitoring: extractor "eff" is about "effusion", which its package never says; there are nodule, age
        "#);
        assert!(said(&manifest("")).contains("there are none"));
        let plan: MonitoringPlan =
            toml::from_str("[[rule]]\nname='a'\nmetric='feature'\nfeature='embedding_rest'").unwrap();
        assert_eq!(plan.unknown_names(&model, &["noise"]).len(), 1);
        let exposes = manifest("[[output]]\nkind='embedding'\ntensor='e'");
        assert_eq!(plan.unknown_names(&exposes, &["noise"]), Vec::<String>::new());
    }

    fn problems(text: &str) -> String {
        toml::from_str::<MonitoringPlan>(text).unwrap().problems().join("\n")
    }

    #[test]
    fn rules_of_the_issue_are_sound() {
        let text = "[[rule]]\nname='sens'\nmetric='sensitivity'\nfinding='nodule'\nbelow=0.85\nconfidence=0.95\naction='suspend'\n\
                    [[rule]]\nname='foreign'\nmetric='outside_envelope'\nconsecutive=20\neach=['station']\naction='suspend'\n\
                    [[rule]]\nname='failing'\nmetric='failure_rate'\nabove=0.02\nmargin=0.01\nfalse_stops_per_year=0.1\n\
                    events_per_day=100\naction='fallback'\n\
                    [[rule]]\nname='noise'\nmetric='feature'\nfeature='noise_sd'\nquantiles=[1,2,3,4,5,6,7,8,9]\n\
                    reference_n=240\nfalse_stops_per_year=1\nevents_per_day=100\n[evidence]\nwindow_days=30\nn_min=10";
        assert_eq!(problems(text), "");
        let plan: MonitoringPlan = toml::from_str(text).unwrap();
        assert_eq!(plan.gaps(), ["reviewed_by", "review_days"]);
        assert_eq!(plan.rules[0].label_classes(), [hilum_types::Independence::Unexposed]);
        let again: MonitoringPlan = serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
        assert_eq!(again, plan);
    }

    /// MV-25: a rule that would rest on labels that do not carry its figure is refused with the reason.
    #[test]
    fn bad_rules_are_told_with_their_remedy() {
        insta::assert_snapshot!(problems("[[rule]]\nname='Sens'\nmetric='sensitivity'\nlabels=['directly_exposed','post_action']"), @r#"
        monitoring: rule "Sens": name must be 1 to 64 lower-case letters, digits and hyphens
        monitoring: rule "Sens": it has no limit; set below or above
        monitoring: rule "Sens": say how sure it has to be by exactly one of confidence, false_stops_per_year, consecutive
        monitoring: rule "Sens": sensitivity may not rest on labels of class directly_exposed: the labeller had seen the answer, or something made from it: that is concordance
        monitoring: rule "Sens": sensitivity may not rest on labels of class post_action: what came of acting on the answer is missing where the answer was negative
        monitoring: rule "Sens": sensitivity is about one finding; set finding to its label within the package
        "#);
        insta::assert_snapshot!(problems("[[rule]]\nname='a'\nmetric='ppv'\nfinding='x'\nabove=0.5\nconfidence=95\nlabels=['unexposed','post_action']"), @r#"
        monitoring: rule "a": a high ppv is no harm; set below instead of above
        monitoring: rule "a": confidence is 95; it must be in 0.65 to below 1, such as 0.95
        monitoring: rule "a": a figure mixed from unexposed and post_action labels has no meaning; write two rules
        "#);
        insta::assert_snapshot!(problems("[[rule]]\nname='a'\nmetric='failure_rate'\nbelow=nan\nmargin=-1\nfalse_stops_per_year=1\nfinding='x'\neach=['patient','site','site']\n[[rule]]\nname='a'\nmetric='positive_rate'\nconsecutive=1"), @r#"
        monitoring: rule "a": a low failure_rate is no harm; set above instead of below
        monitoring: rule "a": margin is -1; it must be 0 or more, and below 1 for a rate
        monitoring: rule "a": the limit is NaN, with its margin NaN; both must be inside 0 to 1
        monitoring: rule "a": false_stops_per_year needs events_per_day, as measured or expected
        monitoring: rule "a": failure_rate is about no finding; leave out finding
        monitoring: rule "a": each names "site" more than once; every event would count again
        monitoring: rule "a": each names "patient", which is no attribute of a study; there are site, station, manufacturer, model, software, protocol, kernel, view, age_band, sex, group, weekpart, daypart
        monitoring: rule "a": consecutive is 1; it must be 2 to 10000
        monitoring: rule "a": a positive answer is no fault, so there is nothing to count in a row
        monitoring: rule "a": positive_rate is about one finding; set finding to its label within the package
        monitoring: rule "a" is there twice; names are unique within a deployment
        "#);
        insta::assert_snapshot!(problems("[[rule]]\nname='a'\nmetric='feature'\nquantiles=[2,1]\nconfidence=0.9\n[evidence]\nwindow_days=0\nn_min=0\nlabels=[]"), @r#"
        monitoring: rule "a": set feature to the name of a number that is measured, or to score:<finding>
        monitoring: rule "a": quantiles must be at least 9 ascending numbers of the accepted reference set
        monitoring: rule "a": set reference_n to the number of cases that the quantiles are of, or a margin: a detector without one fires on the error of its own reference
        monitoring: rule "a": a feature is watched by false_stops_per_year
        monitoring: evidence.window_days is 0; it must be in 1 to 3650
        monitoring: evidence.n_min is 0; evidence is at least one label
        monitoring: evidence.labels is empty; leave it out for unexposed labels
        "#);
        insta::assert_snapshot!(problems("[[rule]]\nname='a'\nmetric='concordance'\nbelow=0.9\nlabels=['unexposed']\nfalse_stops_per_year=9\nevents_per_day=0.01"), @r#"
        monitoring: rule "a": false_stops_per_year = 9 with events_per_day = 0.01 asks for no evidence; both must be above 0, and there must be more events than false stops
        monitoring: rule "a": concordance may not rest on labels of class unexposed: agreement of somebody who had not seen the answer is no concordance
        "#);
    }

    /// A stratum that no study can have, or quantiles that nothing is told by, would leave a rule silent about it.
    #[test]
    fn strata_are_told_with_their_remedy() {
        let rule = |more: &str| {
            problems(&format!(
                "[[rule]]\nname='a'\nmetric='feature'\nfeature='noise'\nquantiles=[1,2,3,4,5,6,7,8,9]\nmargin=0.05\n\
                 false_stops_per_year=1\nevents_per_day=100\n{more}"
            ))
        };
        let nine = "[1,2,3,4,5,6,7,8,9]";
        let sound = format!(
            "strata=['weekpart','station']\nquantiles_of={{'weekend/CT1'={nine},'weekday/CT 1_b'={nine},'(not stated)/CT1'={nine}}}"
        );
        assert_eq!(rule(&sound), "");
        insta::assert_snapshot!(rule("strata=['weekpart','patient','weekpart']"), @r#"
        monitoring: rule "a": strata names "patient", which is no attribute of a study; there are site, station, manufacturer, model, software, protocol, kernel, view, age_band, sex, group, weekpart, daypart
        monitoring: rule "a": strata names "weekpart" more than once
        monitoring: rule "a": strata without quantiles_of changes nothing; `hilum monitor envelope --strata weekpart,patient,weekpart --json` prints them
        "#);
        insta::assert_snapshot!(rule(&format!("strata=['weekpart','daypart']\nquantiles_of={{'weekend'={nine},'Sunday/day'={nine},'weekend/day'=[1,2]}}")), @r#"
        monitoring: rule "a": quantiles_of names "Sunday/day"; weekpart is weekday or weekend
        monitoring: rule "a": quantiles_of names "weekend"; a stratum here is 2 values joined by /, of weekpart/daypart
        monitoring: rule "a": quantiles_of "weekend/day" must be at least 9 ascending numbers of that part of the reference set
        "#);
        insta::assert_snapshot!(rule(&format!("quantiles_of={{weekend={nine}}}")), @r#"monitoring: rule "a": quantiles_of has strata, and strata names no attribute they are told by"#);
        insta::assert_snapshot!(problems("[[rule]]\nname='a'\nmetric='failure_rate'\nabove=0.1\nconfidence=0.95\nstrata=['weekpart']"), @r#"monitoring: rule "a": strata and quantiles_of belong to metric = "feature", not to failure_rate; watch the parts of a rate with each"#);
    }

    /// A rule without strata is written as it was before there were any: its digest is what its state hangs on.
    #[test]
    fn a_study_is_ranked_within_its_stratum() {
        let text = "[[rule]]\nname='a'\nmetric='feature'\nfeature='noise'\nquantiles=[1,2,3,4,5,6,7,8,9]\nmargin=0.05\n\
                    false_stops_per_year=1\nevents_per_day=100\n";
        let plan = |more: &str| toml::from_str::<MonitoringPlan>(&format!("{text}{more}")).unwrap();
        assert!(!serde_json::to_string(&plan("")).unwrap().contains("strata"));
        let strata = plan("strata=['weekpart','station']\nquantiles_of={'weekend/CT_1'=[2,3,4,5,6,7,8,9,10]}");
        let first = |stated: &[(&str, &str)]| {
            let attributes = stated.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            strata.rules[0].quantiles_for(&attributes)[0]
        };
        assert_eq!(first(&[("weekpart", "weekend"), ("station", "CT/1"), ("sex", "F")]), 2.0);
        assert_eq!(first(&[("weekpart", "weekday"), ("station", "CT/1")]), 1.0, "the whole's where it is not named");
        assert_eq!(first(&[("weekpart", "weekend")]), 1.0);
    }

    /// What is overdue can stop it only when it is said what is due, and two people sign that it does.
    #[test]
    fn an_overdue_review_that_stops_is_declared_whole_and_signed() {
        insta::assert_snapshot!(problems("on_overdue='suspend'"), @r#"monitoring: on_overdue = "suspend" needs review_days: how often somebody looks"#);
        insta::assert_snapshot!(problems("review_days=3651"), @"monitoring: review_days is 3651; it must be at most 3650");
        let plan = |text: &str| toml::from_str::<MonitoringPlan>(text).unwrap();
        assert_eq!(
            (problems("review_days=7\non_overdue='suspend'"), plan("review_days=7").signed()),
            (String::new(), None)
        );
        let stops = plan("review_days=7\non_overdue='suspend'");
        assert_eq!(stops.signed().unwrap().review_days, Some(7));
        let after = plan("review_days=3650").or_in_force(stops.clone());
        assert_eq!(
            (after.review_days, after.on_overdue),
            (7, WhenOverdue::Suspend),
            "no version takes that away unsigned"
        );
        let signed = plan("review_days=30\non_overdue='suspend'").or_in_force(stops);
        assert_eq!(signed.signed().unwrap().review_days, Some(30));
        assert!(!serde_json::to_string(&plan("review_days=7")).unwrap().contains("on_overdue"));
    }

    #[test]
    fn a_plan_without_rules_is_none() {
        assert_eq!(
            MonitoringPlan::default().gaps(),
            ["a rule that suspends", "evidence", "reviewed_by", "review_days"]
        );
    }
}
