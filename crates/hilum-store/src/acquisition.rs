//! Acquisition groups: which scanners, software versions and protocols a version has seen (MV-23).

use crate::governance::RecordFilter;
use crate::{Catalog, StoreError};
use async_trait::async_trait;
use hilum_monitor::envelope::EnvelopeRecord;
use hilum_monitor::group::AcquisitionGroup;
use hilum_registry::Deployment;
use hilum_sign::RecordKind;
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// A group and what was seen of it. It is opened, and counted, by the acts that end a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenGroup {
    /// Its stable name.
    pub key: String,
    /// What it is.
    pub group: AcquisitionGroup,
    /// When its first study ended.
    pub first_seen_at: Timestamp,
    /// When its latest study ended.
    pub last_seen_at: Timestamp,
    /// Studies of it that were measured.
    pub n_studies: u64,
    /// Those of them that lay inside the acquisition envelope.
    pub n_inside: u64,
}

/// Reading acquisition groups.
#[async_trait]
pub trait AcquisitionGroups: Send + Sync {
    /// One group of a model family, under one version; `None` when no study of it has ended.
    async fn acquisition_group_get(
        &self,
        family: &str,
        package: &Digest,
        key: &str,
    ) -> Result<Option<SeenGroup>, StoreError>;

    /// Groups of a model family under one version, the newest first; at most 1000.
    async fn acquisition_group_list(&self, family: &str, package: &Digest) -> Result<Vec<SeenGroup>, StoreError>;
}

/// The envelope in force for a package: the one that was entered last, with its body; the body is `None` when it is of a
/// form that this version does not read.
///
/// # Errors
/// When the catalog does not answer.
pub async fn envelope_of(
    catalog: &dyn Catalog,
    package: &Digest,
) -> Result<Option<(Digest, Option<EnvelopeRecord>)>, StoreError> {
    let (kind, subject) = (Some(RecordKind::Envelope), Some(package.to_string()));
    let filter = RecordFilter { kind, subject, ..RecordFilter::default() };
    let newest = catalog.record_list(&filter, 1).await?.into_iter().next();
    Ok(newest.map(|record| (record.digest, EnvelopeRecord::read(&record.body))))
}

/// How far an acquisition group is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The reference set has cases of it.
    Reference,
    /// Enough of its studies have ended inside the envelope.
    Passed,
    /// Not yet.
    New,
}

/// An acquisition group of a deployment, seen or known from the reference set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStanding {
    /// Its stable name.
    pub key: String,
    /// What it is.
    pub group: AcquisitionGroup,
    /// How far it is known.
    pub standing: Standing,
    /// Cases of it in the reference set.
    pub n_reference: u64,
    /// Studies of it that were measured here.
    pub n_studies: u64,
    /// Those of them that lay inside the envelope.
    pub n_inside: u64,
    /// Studies inside that it needs to pass.
    pub needed: u32,
    /// When its first study ended here.
    pub first_seen_at: Option<Timestamp>,
    /// When its latest study ended here.
    pub last_seen_at: Option<Timestamp>,
}

/// Every acquisition group of a deployment under its version: those seen here, the newest first, then those that only the
/// reference set has.
///
/// # Errors
/// When the catalog does not answer.
pub async fn group_standings(catalog: &dyn Catalog, deployment: &Deployment) -> Result<Vec<GroupStanding>, StoreError> {
    let package = &deployment.package_digest;
    let reference = envelope_of(catalog, package).await?.and_then(|(_, body)| body);
    let mut known = reference.map(|body| body.groups).unwrap_or_default();
    let needed = deployment.spec.envelope().cloned().unwrap_or_default().group_cases;
    let mut standings = Vec::new();
    for seen in catalog.acquisition_group_list(deployment.family(), package).await? {
        let in_reference = known.remove(&seen.key);
        let standing = match &in_reference {
            Some(_) => Standing::Reference,
            None if u64::from(needed) <= seen.n_inside => Standing::Passed,
            None => Standing::New,
        };
        standings.push(GroupStanding {
            key: seen.key,
            group: seen.group,
            standing,
            n_reference: in_reference.map_or(0, |group| group.n_cases as u64),
            n_studies: seen.n_studies,
            n_inside: seen.n_inside,
            needed,
            first_seen_at: Some(seen.first_seen_at),
            last_seen_at: Some(seen.last_seen_at),
        });
    }
    standings.extend(known.into_iter().map(|(key, group)| GroupStanding {
        key,
        group: group.group,
        standing: Standing::Reference,
        n_reference: group.n_cases as u64,
        n_studies: 0,
        n_inside: 0,
        needed,
        first_seen_at: None,
        last_seen_at: None,
    }));
    Ok(standings)
}
