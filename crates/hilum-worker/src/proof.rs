//! Everything a step of a deployment is judged by, read from the catalog.

use hilum_gate::ProofInput;
use hilum_registry::{Deployment, DeploymentState, Manifest};
use hilum_sign::{Record, RecordKind};
use hilum_store::governance::RecordFilter;
use hilum_store::{Catalog, StoreError};
use hilum_types::Timestamp;

/// Records of one kind and subject that are looked at; the newest count.
const RECORDS_MAX: u32 = 1000;

/// What the catalog knows about a deployment and its next step, at one moment.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The deployment.
    pub deployment: Deployment,
    /// The deployment it names as its champion.
    pub champion: Option<Deployment>,
    all: Vec<Deployment>,
    manifest: Manifest,
    visited: Vec<DeploymentState>,
    records: Vec<Record>,
    users: Vec<String>,
    now: Timestamp,
}

impl Proof {
    /// Read it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without such a deployment; [`StoreError::DamagedRow`] when its package has no manifest
    /// that can be read.
    pub async fn gather(catalog: &dyn Catalog, name: &str, now: Timestamp) -> Result<Proof, StoreError> {
        let all = catalog.deployment_list().await?;
        let find = |name: &str| all.iter().find(|deployment| deployment.spec.name == name).cloned();
        let deployment = find(name).ok_or(StoreError::NotFound("deployment; `hilum deployments` shows them"))?;
        let champion = deployment.spec.champion.as_deref().and_then(find);
        let digest = deployment.package_digest.to_string();
        let package = catalog.package_get(&digest).await?;
        let manifest = serde_json::from_value(package.manifest)
            .map_err(|_| StoreError::DamagedRow { column: "package.manifest" })?;
        let mut records = list(catalog, RecordKind::Validation, Some(&digest)).await?;
        let validations: Vec<String> = records.iter().map(|record| record.digest.to_string()).collect();
        for about in validations {
            records.extend(list(catalog, RecordKind::Waiver, Some(&about)).await?);
        }
        for about in [Some(name), deployment.spec.champion.as_deref()].into_iter().flatten() {
            records.extend(list(catalog, RecordKind::Replay, Some(about)).await?);
        }
        records.extend(list(catalog, RecordKind::Rehearsal, Some(name)).await?);
        records.extend(list(catalog, RecordKind::Change, Some(name)).await?);
        records.extend(list(catalog, RecordKind::UserTraining, None).await?);
        let users = catalog.user_list().await?;
        let history = catalog.deployment_history(name).await?;
        let of_version = history.iter().rev().map(|change| &change.deployment);
        let of_version = of_version.take_while(|earlier| {
            earlier.package_digest == deployment.package_digest && !earlier.spec.differs_materially(&deployment.spec)
        });
        Ok(Proof {
            visited: of_version.map(|earlier| earlier.state).collect(),
            users: users.into_iter().filter(|user| user.active).map(|user| user.name).collect(),
            deployment,
            champion,
            all,
            manifest,
            records,
            now,
        })
    }

    /// What the gate judges by.
    pub fn input(&self) -> ProofInput<'_> {
        ProofInput {
            deployment: &self.deployment,
            champion: self.champion.as_ref(),
            all: &self.all,
            manifest: &self.manifest,
            features: &hilum_monitor::image::FEATURES,
            visited: &self.visited,
            records: &self.records,
            users: &self.users,
            now: self.now,
        }
    }
}

async fn list(catalog: &dyn Catalog, kind: RecordKind, subject: Option<&str>) -> Result<Vec<Record>, StoreError> {
    let filter = RecordFilter { kind: Some(kind), subject: subject.map(str::to_owned), until: None };
    catalog.record_list(&filter, RECORDS_MAX).await
}
