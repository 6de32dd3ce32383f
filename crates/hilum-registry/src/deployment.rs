//! What a site declares: a model version put to use, narrowed and with its destinations.

use crate::intended_use::IntendedUse;
use crate::lifecycle::DeploymentState;
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
    /// The state asked for: `draft`, `shadow`, `active` or `retired`.
    #[serde(default = "draft")]
    pub state: DeploymentState,
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
}

fn draft() -> DeploymentState {
    DeploymentState::Draft
}

fn default_turnaround() -> u32 {
    600
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
        if self.state == DeploymentState::Suspended {
            add("suspended is not declared; use `hilum suspend` with a reason".to_owned());
        }
        for (label, point) in &self.operating_points {
            if !(0.0..=1.0).contains(point) {
                add(format!("operating point of {label:?} is {point}; it must be in 0 to 1"));
            }
        }
        problems
    }
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

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = toml::from_str::<DeploymentSpec>("name='a'\npackage='b'\ndestination='x'").unwrap_err().to_string();
        assert!(error.contains("destination"), "{error}");
    }
}
