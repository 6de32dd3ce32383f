//! What the catalog says, as the pages and packs of this crate are made from it. Whoever calls gathers it.

use crate::EvidenceError;
use hilum_audit::Checkpoint;
use hilum_registry::{Deployment, Manifest};
use hilum_sign::{Record, RecordKind};
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything, as of one position of the audit chain. Lists are in a fixed order, so that the same facts give the
/// same bytes: packages by name, version and digest, deployments and people by name, records by digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteFacts {
    /// The last entry of the chain that is looked at.
    pub as_of: AsOf,
    /// Imported packages.
    pub packages: Vec<PackageFacts>,
    /// Declared deployments, retired ones too.
    pub deployments: Vec<DeploymentFacts>,
    /// Records with their signatures.
    pub records: Vec<Record>,
    /// People who may sign.
    pub people: Vec<PersonFacts>,
}

/// A position of the audit chain: this, and not the time of export, dates what is made from the facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AsOf {
    /// Position and hash of the entry.
    #[serde(flatten)]
    pub checkpoint: Checkpoint,
    /// Time of the entry; `None` for an empty chain.
    pub at: Option<Timestamp>,
}

/// An imported package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// Digest of its tree: the version.
    pub digest: Digest,
    /// Name.
    pub name: String,
    /// Version as its maker numbers it.
    pub version: String,
    /// The manifest as the catalog holds it.
    pub manifest: Value,
    /// When it was imported.
    pub imported_at: Timestamp,
}

/// A deployment, and what happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentFacts {
    /// Its name.
    pub name: String,
    /// State at that position of the chain.
    pub state: String,
    /// Package at that position of the chain.
    pub package: Digest,
    /// The declaration in force then; `None` when it is not known.
    pub declared: Option<Deployment>,
    /// What was done to it, oldest first, as the audit chain has it.
    pub events: Vec<DeploymentEvent>,
}

/// One act on a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentEvent {
    /// Position in the audit chain.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who: `user:<name>` or `system:<part>`.
    pub actor: String,
    /// Stable name of the act, such as `deployment_applied`.
    pub action: String,
    /// What the chain says about it.
    pub detail: Value,
}

impl DeploymentEvent {
    /// The package that this act put in force, where it names one.
    pub fn package(&self) -> Option<Digest> {
        let text = |key| self.detail.get(key).and_then(Value::as_str);
        text("package").or_else(|| text("to")).and_then(|text| text.parse().ok())
    }

    /// A text of its detail.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.detail.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}

/// Somebody who may sign. No password and no sealed key is among the facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonFacts {
    /// Login name.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Stable names of their roles.
    pub roles: Vec<String>,
    /// Ed25519 public key, 64 hexadecimal digits.
    pub public_key: String,
    /// Whether they may act.
    pub active: bool,
}

/// From the beginning, up to but not including the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First moment.
    pub from: Timestamp,
    /// First moment after it.
    pub to: Timestamp,
}

impl Window {
    /// A window of time.
    ///
    /// # Errors
    /// [`EvidenceError::Window`] when it is empty or backwards.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Window, EvidenceError> {
        if to <= from {
            return Err(EvidenceError::Window { from: from.to_string(), to: to.to_string() });
        }
        Ok(Window { from, to })
    }

    /// The last day it touches, `2026-11-30`.
    pub fn last_day(&self) -> String {
        self.to.plus_micros(-1).day()
    }

    /// Whether `at` lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

impl PackageFacts {
    /// `NAME@VERSION`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// The manifest, read.
    ///
    /// # Errors
    /// [`EvidenceError::Manifest`] when it is none of this version.
    pub fn read_manifest(&self) -> Result<Manifest, EvidenceError> {
        serde_json::from_value(self.manifest.clone())
            .map_err(|error| EvidenceError::Manifest { package: self.digest.short(), why: error.to_string() })
    }
}

impl DeploymentFacts {
    /// A member of the declaration, by its name in the file; `None` when it is not stated or not known.
    pub fn stated(&self, key: &str) -> Option<Value> {
        let spec = serde_json::to_value(&self.declared.as_ref()?.spec).ok()?;
        spec.get(key).filter(|value| !value.is_null()).cloned()
    }

    /// `research` or `clinical`, as declared.
    pub fn purpose(&self) -> String {
        let stated = self.stated("purpose").and_then(|value| value.as_str().map(str::to_owned));
        stated.unwrap_or_else(|| if self.declared.is_some() { "research".to_owned() } else { "not stated".to_owned() })
    }

    /// Every package it ever ran, in the order of first use.
    pub fn packages(&self) -> Vec<Digest> {
        let mut found: Vec<Digest> = Vec::new();
        for package in self.events.iter().filter_map(DeploymentEvent::package).chain([self.package]) {
            if !found.contains(&package) {
                found.push(package);
            }
        }
        found
    }

    /// The package it ran before the one of now: what a rollback would return to.
    pub fn rollback_target(&self) -> Option<Digest> {
        let kept = self.declared.as_ref().and_then(|deployment| serde_json::to_value(deployment).ok());
        let kept = kept.and_then(|value| value["rollback"]["package"].as_str().and_then(|text| text.parse().ok()));
        if kept.is_some() {
            return kept;
        }
        let before: Vec<Digest> = self.events.iter().filter_map(DeploymentEvent::package).collect();
        before.into_iter().rev().find(|package| *package != self.package)
    }
}

impl SiteFacts {
    /// The package of that digest.
    ///
    /// # Errors
    /// [`EvidenceError::NoPackage`].
    pub fn package(&self, digest: &Digest) -> Result<&PackageFacts, EvidenceError> {
        let found = self.packages.iter().find(|package| package.digest == *digest);
        found.ok_or_else(|| EvidenceError::NoPackage(digest.short()))
    }

    /// Records of that kind about that subject, newest first.
    pub fn records_about(&self, kind: RecordKind, subject: &str) -> Vec<&Record> {
        self.sorted(self.records.iter().filter(|record| record.kind == kind && record.subject == subject))
    }

    /// Records of that kind whose body names `digest` under one of `keys`, newest first.
    pub fn records_naming(&self, kind: RecordKind, keys: &[&str], digest: &Digest) -> Vec<&Record> {
        let text = digest.to_string();
        let names = |record: &&Record| keys.iter().any(|key| record.body[*key].as_str() == Some(&text));
        self.sorted(self.records.iter().filter(|record| record.kind == kind).filter(names))
    }

    /// The record of that digest.
    pub fn record(&self, digest: &Digest) -> Option<&Record> {
        self.records.iter().find(|record| record.digest == *digest)
    }

    fn sorted<'a>(&self, records: impl Iterator<Item = &'a Record>) -> Vec<&'a Record> {
        let mut records: Vec<&Record> = records.collect();
        records.sort_by_key(|record| (std::cmp::Reverse(record.created_at), record.digest));
        records
    }

    /// Only one deployment, with the packages it ever ran and the records about those; the people and what is about
    /// none of them stay.
    ///
    /// # Errors
    /// [`EvidenceError::NoDeployment`].
    pub fn only(&self, deployment: &str) -> Result<SiteFacts, EvidenceError> {
        let found = self.deployments.iter().find(|facts| facts.name == deployment);
        let found = found.ok_or_else(|| EvidenceError::NoDeployment(deployment.to_owned()))?;
        let packages = found.packages();
        let kept: Vec<&PackageFacts> = self.packages.iter().filter(|p| packages.contains(&p.digest)).collect();
        let mentions = |record: &&Record| {
            let about_package = packages.iter().any(|digest| record.subject == digest.to_string());
            let about_model = kept.iter().any(|package| package.name == record.subject);
            about_package || about_model || record.subject == deployment
        };
        let mut records: Vec<&Record> = self.records.iter().filter(mentions).collect();
        // What those records name (protocols, reference sets, waivers of them) belongs to them.
        let mut at = 0;
        while at < records.len() {
            let text = records[at].body.to_string();
            for other in &self.records {
                let named = text.contains(&other.digest.to_string())
                    || (other.kind == RecordKind::Waiver && other.subject == records[at].digest.to_string())
                    || (other.kind == RecordKind::UserTraining
                        && packages.iter().any(|package| other.body["package"].as_str() == Some(&package.to_string())));
                if named && !records.iter().any(|kept| kept.digest == other.digest) {
                    records.push(other);
                }
            }
            at += 1;
        }
        let mut records: Vec<Record> = records.into_iter().cloned().collect();
        records.sort_by_key(|record| record.digest);
        Ok(SiteFacts {
            as_of: self.as_of.clone(),
            packages: kept.into_iter().cloned().collect(),
            deployments: vec![found.clone()],
            records,
            people: self.people.clone(),
        })
    }
}
