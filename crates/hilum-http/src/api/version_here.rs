//! Which version answers for a study here, within what limits, and how it performs: what a reader needs beside its answer
//! (UX-01).

use super::monitoring::EvidenceFigureBody;
use super::schema::DeploymentJourney;
use crate::state::AppState;
use crate::words::{Status, count};
use hilum_registry::Deployment;
use hilum_store::evidence_report::{VersionRecord, version_record};
use hilum_store::records::Package;
use hilum_store::{Catalog, StoreError};
use hilum_types::{Digest, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use utoipa::ToSchema;

/// Time for which a record is shown again as it was made: a page that refreshes itself must not read every label each time.
const KEPT_SECONDS: i64 = 60;
/// Versions whose record is kept.
const VERSIONS_MAX: usize = 1000;

/// The version that ran on a study, or that would have.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VersionBody {
    /// Name of the package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub package: String,
    /// Where the deployment stands now: `draft`, `accepted`, `shadow`, `limited`, `active`, `suspended` or `retired`.
    pub state: String,
    /// Name and version of the one in use now, when it is another.
    pub in_use: Option<String>,
    /// Limits of the intended use, each as name and values: those of the package, narrowed by the deployment.
    pub limits: Vec<LimitBody>,
}

/// A limit of the intended use.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LimitBody {
    /// What is limited, such as `body_part`.
    pub name: String,
    /// What is allowed.
    pub allowed: String,
}

/// How the version performs here. Agreement of readers who had seen the answer is concordance, never accuracy.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VersionRecordBody {
    /// Studies complete at or after this.
    pub from: String,
    /// Everything entered until then was known.
    pub as_of: String,
    /// Labels of these studies, those included that carry no figure.
    pub n_labels: u64,
    /// Whether all of them were read; else the latest were.
    pub complete: bool,
    /// What it rests on, or that there is nothing yet, in a sentence.
    pub text: String,
    /// Sensitivity, specificity, positive predictive value, concordance, as far as there are labels that carry them.
    pub figures: Vec<EvidenceFigureBody>,
}

impl From<&VersionRecord> for VersionRecordBody {
    fn from(record: &VersionRecord) -> Self {
        VersionRecordBody {
            from: record.from.to_string(),
            as_of: record.as_of.to_string(),
            n_labels: record.n_labels,
            complete: record.complete,
            text: text(record),
            figures: record.figures.iter().map(EvidenceFigureBody::from).collect(),
        }
    }
}

fn text(record: &VersionRecord) -> String {
    let n = count(record.n_labels, "label", "labels");
    match (record.n_labels, record.figures.is_empty()) {
        (0, _) => "No valid labels yet: nothing is known of how this version performs here.".to_owned(),
        (_, true) => format!(
            "No valid labels yet: {n} so far, and none that carries a figure. Either they leave the truth open, or \
             nobody measured how often their extractor is wrong."
        ),
        (_, false) if record.complete => format!("From {n} of studies of the last 90 days."),
        (_, false) => format!("From the latest {n} of studies of the last 90 days; there are more."),
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<Arc<VersionRecord>>>>;

/// Records of versions, kept for a while. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records(Arc<Mutex<HashMap<(String, Digest), Slot>>>);

impl Records {
    /// The record of a version, at most [`KEPT_SECONDS`] old. Who asks at the same time waits for the one that is made.
    async fn get(
        &self,
        catalog: &dyn Catalog,
        deployment: &str,
        package: &Digest,
        now: Timestamp,
    ) -> Result<Arc<VersionRecord>, StoreError> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if VERSIONS_MAX <= slots.len() {
                slots.clear();
            }
            slots.entry((deployment.to_owned(), *package)).or_default().clone()
        };
        let mut kept = slot.lock().await;
        let fresh =
            |record: &&Arc<VersionRecord>| (0..KEPT_SECONDS * 1_000_000).contains(&now.micros_since(record.as_of));
        if let Some(record) = kept.as_ref().filter(fresh) {
            return Ok(record.clone());
        }
        let made = Arc::new(version_record(catalog, deployment, package, now).await?);
        *kept = Some(made.clone());
        Ok(made)
    }
}

/// Say of every deployment which version answers and, where the reader may see the result and the model looked at the study or
/// should have, how it performs here.
pub(crate) async fn tell_versions(
    state: &AppState,
    journeys: &mut [DeploymentJourney],
    deployments: &[Deployment],
    packages: &[Package],
) -> Result<(), StoreError> {
    for journey in journeys {
        let deployment = deployments.iter().find(|one| one.spec.name == journey.deployment);
        let ran = journey.inference.as_ref().and_then(|run| run.package_digest.parse::<Digest>().ok());
        let Some(digest) = ran.or_else(|| deployment.map(|one| one.package_digest)) else { continue };
        journey.version = Some(version(&digest, deployment, packages));
        if journey.hidden || journey.status == Status::NotEligible {
            continue;
        }
        let record = state.records.get(&*state.catalog, &journey.deployment, &digest, state.now()).await?;
        journey.record = Some(VersionRecordBody::from(&*record));
    }
    Ok(())
}

fn version(digest: &Digest, deployment: Option<&Deployment>, packages: &[Package]) -> VersionBody {
    let held = |digest: &Digest| packages.iter().find(|package| package.digest == *digest);
    let package = held(digest);
    let other = deployment.map(|one| one.package_digest).filter(|in_use| in_use != digest);
    VersionBody {
        name: package.map(|package| package.name.clone()).unwrap_or_default(),
        version: package.map(|package| package.version.clone()).unwrap_or_default(),
        package: digest.to_string(),
        state: deployment.map(|one| one.state.name().to_owned()).unwrap_or_default(),
        in_use: other.map(|in_use| match held(&in_use) {
            Some(package) => format!("{} {}", package.name, package.version),
            None => in_use.short(),
        }),
        limits: limits(package, deployment),
    }
}

/// What package and deployment say; where both do, the deployment, because it can only narrow.
fn limits(package: Option<&Package>, deployment: Option<&Deployment>) -> Vec<LimitBody> {
    let of_package = package.and_then(|package| package.manifest.get("intended_use")).cloned().unwrap_or_default();
    let of_deployment =
        deployment.and_then(|one| serde_json::to_value(&one.spec.intended_use).ok()).unwrap_or_default();
    let mut stated = of_package.as_object().cloned().unwrap_or_default();
    stated.extend(of_deployment.as_object().cloned().unwrap_or_default());
    let allowed = |value: &Value| match value {
        Value::Array(values) => {
            let texts = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            texts.collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let all = stated.iter().map(|(name, value)| LimitBody { name: name.clone(), allowed: allowed(value) });
    all.filter(|limit| !limit.allowed.is_empty() && limit.allowed != "null").collect()
}
