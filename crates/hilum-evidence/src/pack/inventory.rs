//! The inventory: which exact version runs where, for whom, on what evidence, approved by whom, changed when (GV-01).

use crate::EvidenceError;
use crate::facts::{DeploymentFacts, SiteFacts};
use crate::words;
use hilum_sign::{RecordKind, approvals};
use hilum_types::{Digest, Timestamp};
use serde::Serialize;

/// One deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InventoryLine {
    /// Its name.
    pub deployment: String,
    /// Where it stands.
    pub state: String,
    /// `research` or `clinical`.
    pub purpose: String,
    /// `NAME@VERSION`.
    pub model: String,
    /// Digest of the package.
    pub package: Digest,
    /// Regulatory status that the maker states.
    pub regulatory: String,
    /// For whom: the package's intended use, then what the site narrows it to.
    pub for_whom: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where its results go.
    pub destinations: Vec<String>,
    /// Acceptance tests of this version, newest first.
    pub evidence: Vec<InventoryEvidence>,
    /// People trained for this version, by login name.
    pub trained: Vec<String>,
    /// Last act on it.
    pub changed: Option<InventoryChange>,
    /// `NAME@VERSION` and digest of the version before, which a rollback would return to.
    pub rollback_target: Option<(String, Digest)>,
}

/// An acceptance test of the version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InventoryEvidence {
    /// Its record.
    pub record: Digest,
    /// Its verdict.
    pub verdict: String,
    /// When it was entered.
    pub at: Timestamp,
    /// Who approved it, or what is missing.
    pub approval: String,
    /// Whether two people approved it.
    pub approved: bool,
}

/// The last act on a deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InventoryChange {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Which act.
    pub action: String,
    /// Why, where a reason was given.
    pub reason: Option<String>,
}

/// Every deployment, by name.
///
/// # Errors
/// [`EvidenceError::NoPackage`] and [`EvidenceError::Manifest`].
pub(super) fn inventory(site: &SiteFacts) -> Result<Vec<InventoryLine>, EvidenceError> {
    site.deployments.iter().map(|deployment| line(site, deployment)).collect()
}

fn line(site: &SiteFacts, deployment: &DeploymentFacts) -> Result<InventoryLine, EvidenceError> {
    let package = site.package(&deployment.package)?;
    let manifest = package.read_manifest()?;
    let mut for_whom = words::intended_use(&manifest.intended_use);
    let narrowed = words::intended_use_of(deployment.stated("intended_use").as_ref());
    for_whom.extend(narrowed.into_iter().map(|line| format!("here only {line}")));
    let validations = site.records_about(RecordKind::Validation, &deployment.package.to_string());
    let evidence = validations
        .into_iter()
        .map(|record| InventoryEvidence {
            record: record.digest,
            verdict: record.body["verdict"].as_str().unwrap_or("not stated").to_owned(),
            at: record.created_at,
            approval: words::approval(record),
            approved: approvals(record).complete(),
        })
        .collect();
    let mut trained: Vec<String> = site
        .records_naming(RecordKind::UserTraining, &["package"], &deployment.package)
        .into_iter()
        .map(|record| record.subject.clone())
        .collect();
    trained.sort();
    trained.dedup();
    let changed = deployment.events.last().map(|event| InventoryChange {
        at: event.at,
        by: event.actor.clone(),
        action: event.action.clone(),
        reason: event.text("reason").map(str::to_owned),
    });
    let rollback_target = deployment.rollback_target().and_then(|digest| {
        let earlier = site.package(&digest).ok()?;
        Some((earlier.label(), digest))
    });
    let texts = |key: &str| -> Vec<String> {
        let value = deployment.stated(key).unwrap_or_default();
        value
            .as_array()
            .map(|list| list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
            .unwrap_or_default()
    };
    let owner = deployment.stated("owner").and_then(|value| value.as_str().map(str::to_owned));
    Ok(InventoryLine {
        deployment: deployment.name.clone(),
        state: deployment.state.clone(),
        purpose: deployment.purpose(),
        model: package.label(),
        package: package.digest,
        regulatory: words::regulatory(&manifest),
        for_whom,
        owner: owner.filter(|owner| !owner.is_empty()),
        destinations: texts("destinations"),
        evidence,
        trained,
        changed,
        rollback_target,
    })
}
