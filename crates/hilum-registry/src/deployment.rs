//! What a site declares: a model version put to use, narrowed and with its destinations.

use crate::canary::CanaryPlan;
use crate::intended_use::IntendedUse;
use crate::lifecycle::DeploymentState;
use crate::monitoring::{EnvelopePlan, MonitoringPlan, PROGRAM_STOPS, RehearsalNeed, SignedMonitoring, is_rule_name};
use crate::rollout::RolloutSpec;
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model version put to use at this site: what `[[deployment]]` in a TOML file declares (UX-04).
///
/// It names a package by digest, narrows its intended use and says where results go. It can only narrow: the
/// package's own intended use is checked as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentSpec {
    /// Unique name at this site: 1 to 64 lower-case letters, digits and hyphens.
    pub name: String,
    /// Digest of the imported package, or its first 12 digits or more.
    pub package: String,
    /// The state asked for: `draft`, `shadow`, `limited`, `active` or `retired`. A clinical deployment is moved by
    /// `hilum deploy promote` instead: for it `draft` means "as it stands".
    #[serde(default = "draft")]
    pub state: DeploymentState,
    /// What its results are for; research unless it says clinical (ADR 0007).
    #[serde(default, skip_serializing_if = "Purpose::is_research")]
    pub purpose: Purpose,
    /// The deployment that this one shall replace: a challenger runs on the same studies beside its champion, and its
    /// promotion moves the champion's package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<String>,
    /// Which studies it answers for while it is limited, and the bounds that stop it.
    #[serde(default, skip_serializing_if = "RolloutSpec::is_default")]
    pub rollout: RolloutSpec,
    /// What is watched once results reach readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringPlan>,
    /// How studies are read when the model is taken back and there is no earlier version to return to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fallback: String,
    /// An accepted validation counts for this many days after it was entered (MV-01).
    #[serde(default = "default_validation_days", skip_serializing_if = "is_default_validation_days")]
    pub validation_days_max: u32,
    /// Person or role that answers for it.
    #[serde(default)]
    pub owner: String,
    /// When readers see the result.
    #[serde(default)]
    pub reading_mode: ReadingMode,
    /// Names of the destinations its results go to; none is allowed in shadow only.
    #[serde(default)]
    pub destinations: Vec<String>,
    /// A result later than this after the study was complete is marked late in the figures (AV-06).
    #[serde(default = "default_turnaround")]
    pub turnaround_seconds: u32,
    /// A result later than this after the study was complete is not released: `Expired`. `None`: never.
    #[serde(default)]
    pub expires_after_seconds: Option<u32>,
    /// The deployment may not be used from this moment on, such as the end of its local validation (MV-01).
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
    /// Further limits on what it is used for here.
    #[serde(default)]
    pub intended_use: IntendedUse,
    /// Operating points that replace the package's: finding label to threshold in 0 to 1 (MV-32).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub operating_points: BTreeMap<String, f64>,
    /// Whether a criterion that cannot be decided makes the study not eligible (default) or is passed over (MV-03).
    #[serde(default)]
    pub undetermined: UndeterminedPolicy,
    /// Fixed cases that are run on schedule (MV-15); left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryPlan>,
}

fn draft() -> DeploymentState {
    DeploymentState::Draft
}

fn default_turnaround() -> u32 {
    600
}

fn default_validation_days() -> u32 {
    365
}

fn is_default_validation_days(days: &u32) -> bool {
    *days == default_validation_days()
}

/// What the results of a deployment are for (ADR 0007).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Declared by file; every result is marked RESEARCH, and every decision says that no acceptance stands behind it.
    #[default]
    Research,
    /// Earned step by step: accepted, signed for, and moved by `hilum deploy promote` only.
    Clinical,
}

impl Purpose {
    /// Stable name: `research`, `clinical`.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Research => "research",
            Purpose::Clinical => "clinical",
        }
    }

    fn is_research(&self) -> bool {
        *self == Purpose::Research
    }
}

/// When readers see a result (`ui.md`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadingMode {
    /// Delivered at once.
    #[default]
    Alongside,
    /// Delivered; the application reveals it once a first impression is saved.
    AfterFirstRead,
    /// Never shown.
    Shadow,
}

/// What "it cannot be known whether this study is within the intended use" leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndeterminedPolicy {
    /// Not eligible: the safe default.
    #[default]
    NotEligible,
    /// Run all the same; the decision says so.
    Run,
}

/// Why a declared deployment cannot be taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("deployment {name:?}: {problem}")]
pub struct InvalidDeployment {
    /// Its name as declared.
    pub name: String,
    /// Cause and remedy.
    pub problem: String,
}

impl DeploymentSpec {
    /// Check what can be checked without a catalog. Every problem found is returned, not only the first.
    pub fn problems(&self, destinations_known: &[String]) -> Vec<InvalidDeployment> {
        let mut problems = Vec::new();
        let mut add = |problem: String| problems.push(InvalidDeployment { name: self.name.clone(), problem });
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.name.is_empty() || 64 < self.name.len() || !self.name.bytes().all(letters) {
            add("name must be 1 to 64 lower-case letters, digits and hyphens".to_owned());
        }
        let hex = self.package.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex || self.package.len() < 12 || 64 < self.package.len() {
            add("package must be the digest that `hilum model import` printed, or its first 12 digits".to_owned());
        }
        for wanted in self.destinations.iter().filter(|name| !destinations_known.contains(name)) {
            add(format!("destination {wanted:?} is not declared; add a [[destination]] with that name"));
        }
        if self.state == DeploymentState::Active && self.destinations.is_empty() {
            add("an active deployment needs at least one destination; results would go nowhere".to_owned());
        }
        self.state_problems(&mut add);
        for problem in self.rollout.problems() {
            add(problem);
        }
        if self.champion.as_deref() == Some(self.name.as_str()) {
            add("it names itself as its champion; a challenger is a deployment of its own".to_owned());
        }
        if !(1..=3650).contains(&self.validation_days_max) {
            add(format!("validation_days_max is {}; it must be in 1 to 3650", self.validation_days_max));
        }
        for (label, point) in &self.operating_points {
            if !(0.0..=1.0).contains(point) {
                add(format!("operating point of {label:?} is {point}; it must be in 0 to 1"));
            }
        }
        for problem in self.canary.iter().flat_map(CanaryPlan::problems) {
            add(problem);
        }
        for problem in self.monitoring.iter().flat_map(MonitoringPlan::problems) {
            add(problem);
        }
        for problem in self.monitoring.iter().flat_map(|plan| plan.labels.problems()) {
            add(problem);
        }
        for problem in self.monitoring.iter().flat_map(|plan| plan.alarms.problems()) {
            add(problem);
        }
        for problem in self.envelope().into_iter().flat_map(EnvelopePlan::problems) {
            add(problem);
        }
        // Nothing would ask for it: a file says where research goes.
        if self.requires_rehearsal() && self.purpose == Purpose::Research {
            let problem =
                "monitoring.rehearsal = \"required\" is for clinical use; set purpose = \"clinical\", or leave it out";
            add(problem.to_owned());
        }
        problems
    }

    /// The declared acquisition envelope.
    pub fn envelope(&self) -> Option<&EnvelopePlan> {
        self.monitoring.as_ref()?.envelope.as_ref()
    }

    /// Whether its stop rules must have been rehearsed before clinical results reach readers (MV-45).
    pub fn requires_rehearsal(&self) -> bool {
        self.monitoring.as_ref().is_some_and(|plan| plan.rehearsal == RehearsalNeed::Required)
    }

    fn state_problems(&self, add: &mut impl FnMut(String)) {
        let by_promotion = "by `hilum deploy promote`, which says what is missing";
        match (self.purpose, self.state) {
            (_, DeploymentState::Suspended) => {
                add("suspended is not declared; use `hilum suspend` with a reason".to_owned());
            }
            (_, DeploymentState::Draft | DeploymentState::Retired) => {}
            (Purpose::Clinical, state) => {
                add(format!(
                    "a clinical deployment is not declared {state}; leave out state and move it {by_promotion}"
                ));
            }
            (Purpose::Research, DeploymentState::Accepted) => {
                add("acceptance is earned, not declared; set purpose = \"clinical\" and validate it".to_owned());
            }
            (Purpose::Research, DeploymentState::Limited) => {
                if !self.rollout.limits() {
                    add("a limited deployment needs rollout.sites, rollout.stations or rollout.share".to_owned());
                }
                if self.destinations.is_empty() {
                    add("a limited deployment needs at least one destination; results would go nowhere".to_owned());
                }
            }
            (Purpose::Research, DeploymentState::Active) if self.champion.is_some() => {
                add(format!("a challenger is not declared active; its champion takes its version {by_promotion}"));
            }
            (Purpose::Research, _) => {}
        }
    }

    /// Take package, operating points, use, and what is signed of the monitoring from `other`; who answers and where results
    /// go stay. What of the monitoring a version does not bring itself stays in force: no version takes a stop rule, a source of
    /// labels or a contact away by leaving it out.
    pub fn take_version_of(&mut self, other: &DeploymentSpec) {
        self.package = other.package.clone();
        self.operating_points = other.operating_points.clone();
        self.intended_use = other.intended_use.clone();
        self.undetermined = other.undetermined;
        self.valid_until = other.valid_until;
        self.validation_days_max = other.validation_days_max;
        let (kept, brought) = (self.monitoring.take(), other.monitoring.clone());
        self.monitoring = match (kept, brought) {
            (Some(kept), Some(brought)) => Some(brought.or_in_force(kept)),
            (kept, brought) => brought.or(kept),
        };
    }

    /// What two people sign of the monitoring; `None` where nothing of it is declared.
    pub fn signed_monitoring(&self) -> Option<SignedMonitoring<'_>> {
        self.monitoring.as_ref()?.signed()
    }

    /// What a change record has to speak of: everything that changes what the model says or of whom.
    ///
    /// The package is compared by digest, because the declaration may give the beginning of one.
    pub fn differs_materially(&self, other: &DeploymentSpec) -> bool {
        self.purpose != other.purpose
            || self.champion != other.champion
            || self.operating_points != other.operating_points
            || self.intended_use != other.intended_use
            || self.undetermined != other.undetermined
            || self.signed_monitoring() != other.signed_monitoring()
    }
}

/// The proof that a clinical deployment stands on (MV-01).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Digest of the accepted validation record.
    pub record: Digest,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// From here on it no longer counts, and the gate withholds.
    pub until: Timestamp,
}

/// What a rollback returns to: an earlier revision of the same deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackTarget {
    /// Revision of the deployment whose version is taken again.
    pub revision: u32,
    /// Its package.
    pub package: Digest,
}

/// A suspension in force: who stopped the deployment, when, and why (MV-05, MV-08).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspension {
    /// Since when.
    pub since: Timestamp,
    /// Who: a person, or `stop-rule:<name>`.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// State to return to when it is resumed.
    pub resume_to: DeploymentState,
}

/// A deployment as the catalog holds it: the declaration, the exact package and where it stands now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// The declaration as applied.
    pub spec: DeploymentSpec,
    /// The exact package.
    pub package_digest: Digest,
    /// Where it stands.
    pub state: DeploymentState,
    /// In force when `state` is suspended.
    pub suspension: Option<Suspension>,
    /// Counts applied changes, from 1.
    pub revision: u32,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What a clinical deployment stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<Acceptance>,
    /// The version before this one; none before the first change of package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackTarget>,
    /// The champion that took over the version of this retired challenger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
}

impl Deployment {
    /// A declared deployment that no act but its declaration has changed.
    pub fn declared(spec: DeploymentSpec, package_digest: Digest, state: DeploymentState, at: Timestamp) -> Deployment {
        Deployment {
            spec,
            package_digest,
            state,
            suspension: None,
            revision: 1,
            updated_at: at,
            acceptance: None,
            rollback: None,
            superseded_by: None,
        }
    }

    /// Name of the stop rule that stopped it, if one did, also when it is declared no more: a step back brings other rules,
    /// and the stop stays one. Bounds of a rollout, canaries and servers of another version stop it under names that no rule
    /// has, and are lifted like a stop by hand.
    pub fn stopped_by_rule(&self) -> Option<&str> {
        let name = self.suspension.as_ref()?.by.strip_prefix("stop-rule:")?;
        (is_rule_name(name) && !PROGRAM_STOPS.contains(&name)).then_some(name)
    }

    /// Whether this is a challenger of the deployment named `champion`.
    pub fn challenges(&self, champion: &str) -> bool {
        self.spec.champion.as_deref() == Some(champion)
    }

    /// Name under which results of champion and challengers belong together.
    pub fn family(&self) -> &str {
        self.spec.champion.as_deref().unwrap_or(&self.spec.name)
    }

    /// Whether results that were released may still go out: also those of a challenger whose version is in use now.
    pub fn may_deliver(&self) -> bool {
        match self.state {
            DeploymentState::Limited | DeploymentState::Active => true,
            DeploymentState::Retired => self.superseded_by.is_some(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml_text: &str) -> String {
        let spec: DeploymentSpec = toml::from_str(toml_text).unwrap();
        spec.problems(&["pacs".into()]).iter().map(|p| format!("{p}\n")).collect()
    }

    #[test]
    fn a_small_declaration_is_enough() {
        let spec: DeploymentSpec = toml::from_str("name='cxr'\npackage='0123456789ab'").unwrap();
        assert_eq!((spec.state, spec.turnaround_seconds), (DeploymentState::Draft, 600));
        assert_eq!(spec.problems(&[]), []);
    }

    #[test]
    fn every_problem_is_told_with_its_remedy() {
        insta::assert_snapshot!(problems("name='CXR 1'\npackage='latest'\nstate='active'\ndestinations=['pac']\n[operating_points]\nnodule=7"), @r#"
        deployment "CXR 1": name must be 1 to 64 lower-case letters, digits and hyphens
        deployment "CXR 1": package must be the digest that `hilum model import` printed, or its first 12 digits
        deployment "CXR 1": destination "pac" is not declared; add a [[destination]] with that name
        deployment "CXR 1": operating point of "nodule" is 7; it must be in 0 to 1
        "#);
        insta::assert_snapshot!(problems("name='cxr'\npackage='0123456789ab'\nstate='active'"), @r#"deployment "cxr": an active deployment needs at least one destination; results would go nowhere"#);
    }

    /// ADR 0007: nothing clinical, and no challenger, comes into use by a file.
    #[test]
    fn what_is_earned_is_not_declared() {
        let base = "name='b'\npackage='0123456789ab'\ndestinations=['pacs']\n";
        insta::assert_snapshot!(problems(&format!("{base}state='active'\npurpose='clinical'")), @r#"deployment "b": a clinical deployment is not declared active; leave out state and move it by `hilum deploy promote`, which says what is missing"#);
        insta::assert_snapshot!(problems(&format!("{base}state='active'\nchampion='a'")), @r#"deployment "b": a challenger is not declared active; its champion takes its version by `hilum deploy promote`, which says what is missing"#);
        insta::assert_snapshot!(problems(&format!("{base}state='accepted'\nchampion='b'")), @r#"
        deployment "b": acceptance is earned, not declared; set purpose = "clinical" and validate it
        deployment "b": it names itself as its champion; a challenger is a deployment of its own
        "#);
        insta::assert_snapshot!(problems("name='b'\npackage='0123456789ab'\nstate='limited'\nchampion='a'"), @r#"
        deployment "b": a limited deployment needs rollout.sites, rollout.stations or rollout.share
        deployment "b": a limited deployment needs at least one destination; results would go nowhere
        "#);
        assert_eq!(problems(&format!("{base}purpose='clinical'\n[monitoring]\nstop_rules=['x']")), "");
        assert_eq!(problems(&format!("{base}state='limited'\nchampion='a'\nrollout={{share=0.1}}")), "");
    }

    /// A version without stop rules, or without an envelope, leaves those in force; one that brings them brings its own.
    #[test]
    fn a_version_takes_no_protection_away() {
        let spec = |monitoring: &str| -> DeploymentSpec {
            toml::from_str(&format!("name='a'\npackage='0123456789ab'\n{monitoring}")).unwrap()
        };
        let rule = |name: &str| {
            format!("[[monitoring.rule]]\nname='{name}'\nmetric='failure_rate'\nconsecutive=3\naction='suspend'\n")
        };
        let envelope = |cases: u32| format!("[monitoring.envelope]\ngroup_cases={cases}\n");
        let in_force = spec(&format!("{}{}", rule("old"), envelope(30)));
        let after = |version: &str| {
            let mut taken = in_force.clone();
            taken.take_version_of(&spec(version));
            let plan = taken.monitoring.unwrap();
            (plan.rules[0].name.clone(), plan.envelope.map(|envelope| envelope.group_cases))
        };
        assert_eq!(after(""), ("old".to_owned(), Some(30)));
        assert_eq!(after(&rule("new")), ("new".to_owned(), Some(30)));
        assert_eq!(after(&envelope(50)), ("old".to_owned(), Some(50)));
        assert_eq!(after(&format!("{}{}", rule("new"), envelope(50))), ("new".to_owned(), Some(50)));
        assert!(in_force.differs_materially(&spec(&format!("{}{}", rule("old"), envelope(31)))));
        // Neither evidence alone nor a rule that only tells somebody stops anything.
        assert_eq!(after("[monitoring.evidence]\nwindow_days=30\nn_min=10\n").0, "old");
        assert_eq!(after(&rule("told").replace("suspend", "alarm")).0, "old");
        let watched = format!("{}[monitoring.alarms]\ncontacts=['physics']\n", rule("old"));
        let mut taken = spec(&watched);
        taken.take_version_of(&spec(&rule("new")));
        let plan = taken.monitoring.unwrap();
        assert_eq!(
            (plan.rules[0].name.as_str(), plan.alarms.contacts.as_slice()),
            ("new", &["physics".to_owned()][..])
        );
        // Nor does it take away that rules are rehearsed first (MV-45).
        let mut taken = spec(&format!("[monitoring]\nrehearsal='required'\n{}", rule("old")));
        taken.take_version_of(&spec(&rule("new")));
        assert!(taken.requires_rehearsal());
    }

    /// MV-45: what nothing would ask for is refused, and a declaration without it is written as before.
    #[test]
    fn a_rehearsal_is_required_of_clinical_use_only() {
        let declared = "name='b'\npackage='0123456789ab'\n";
        let required = "[monitoring]\nrehearsal='required'";
        insta::assert_snapshot!(problems(&format!("{declared}{required}")), @r#"deployment "b": monitoring.rehearsal = "required" is for clinical use; set purpose = "clinical", or leave it out"#);
        assert_eq!(problems(&format!("{declared}purpose='clinical'\n{required}")), "");
        let written = |more: &str| {
            let spec: DeploymentSpec = toml::from_str(&format!("{declared}[monitoring]\n{more}")).unwrap();
            serde_json::to_string(&spec).unwrap()
        };
        assert!(written("rehearsal='required'").contains(r#""rehearsal":"required""#));
        assert!(!written("review_days=7").contains("rehearsal"));
    }

    /// A stop by a rule stays one when other rules are declared by now; what the program stops by itself is none.
    #[test]
    fn a_stop_by_a_rule_is_known_by_its_name() {
        let spec: DeploymentSpec = toml::from_str("name='a'\npackage='0123456789ab'").unwrap();
        let at = Timestamp::from_micros(0);
        let mut deployment = Deployment::declared(spec, Digest::of(b"x"), DeploymentState::Suspended, at);
        let mut stopped = |by: &str| {
            let (by, resume_to) = (by.to_owned(), DeploymentState::Active);
            deployment.suspension = Some(Suspension { since: at, by, reason: String::new(), resume_to });
            deployment.stopped_by_rule().map(str::to_owned)
        };
        assert_eq!(stopped("stop-rule:missed").as_deref(), Some("missed"));
        let others = ["user:anna", "stop-rule:canary", "stop-rule:remote-version", "stop-rule:rollout.error-rate"];
        others.iter().for_each(|by| assert_eq!(stopped(by), None, "{by}"));
    }

    /// Catalogs of the first release hold declarations without the newer keys.
    #[test]
    fn declarations_of_the_first_release_are_read() {
        let stored = r#"{"name":"cxr","package":"0123456789ab","state":"active","owner":"","reading_mode":"alongside",
            "destinations":["pacs"],"turnaround_seconds":600,"expires_after_seconds":null,"valid_until":null,
            "intended_use":{},"undetermined":"not_eligible"}"#;
        let spec: DeploymentSpec = serde_json::from_str(stored).unwrap();
        assert_eq!((spec.purpose, spec.champion.is_none(), spec.validation_days_max), (Purpose::Research, true, 365));
        let written = serde_json::to_value(&spec).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(stored).unwrap());
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = toml::from_str::<DeploymentSpec>("name='a'\npackage='b'\ndestination='x'").unwrap_err().to_string();
        assert!(error.contains("destination"), "{error}");
    }
}
