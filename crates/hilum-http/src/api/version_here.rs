//! Which version answers for a study here, within what limits, and how it performs: what a reader needs beside its answer
//! (UX-01).

use super::monitoring::EvidenceFigureBody;
use super::schema::DeploymentJourney;
use crate::state::AppState;
use crate::words::{Status, count};
use hilum_registry::{Deployment, IntendedUse, NarrowedUse};
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
        (_, false) if record.complete => {
            format!("{n} of studies of the last 90 days; each figure says how many it rests on.")
        }
        (_, false) => format!(
            "The latest {n} of studies of the last 90 days, and there are more; each figure says how many it rests on."
        ),
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
        limits: limits(&package.map(stated_use).unwrap_or_default(), deployment.map(|one| &one.spec.intended_use)),
    }
}

/// The intended use in the manifest of a package.
fn stated_use(package: &Package) -> IntendedUse {
    let stated = package.manifest.get("intended_use");
    stated.and_then(|stated| serde_json::from_value(stated.clone()).ok()).unwrap_or_default()
}

/// What the gate applies: the criteria of package and deployment, the narrower where both state one.
fn limits(package: &IntendedUse, deployment: Option<&IntendedUse>) -> Vec<LimitBody> {
    let NarrowedUse { intended_use, nothing_left } = package.narrowed_by(deployment.unwrap_or(&IntendedUse::default()));
    let Ok(Value::Object(mut stated)) = serde_json::to_value(&intended_use) else { return Vec::new() };
    for name in nothing_left {
        stated.insert(name.to_owned(), "nothing: package and deployment exclude each other".into());
    }
    let allowed = |value: &Value| match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    };
    stated.iter().map(|(name, value)| LimitBody { name: name.clone(), allowed: allowed(value) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A deployment that allows more than its package widens nothing: the gate refuses what the package does.
    #[test]
    fn limits_are_those_that_the_gate_applies() {
        let read = |stated: Value| serde_json::from_value::<IntendedUse>(stated).unwrap();
        let package = read(json!({ "modality": ["DX"], "view": ["PA"], "age_years_min": 18, "age_years_max": 90 }));
        let deployment = read(json!({ "modality": ["DX", "CT"], "view": ["AP"], "age_years_max": 120, "sex": ["F"] }));
        let said = |deployment: Option<&IntendedUse>| {
            let said = limits(&package, deployment).into_iter().map(|one| format!("{} {}", one.name, one.allowed));
            said.collect::<Vec<_>>().join("; ")
        };
        assert_eq!(said(None), "age_years_max 90; age_years_min 18; modality DX; view PA");
        assert_eq!(
            said(Some(&deployment)),
            "age_years_max 90; age_years_min 18; modality DX; sex F; \
             view nothing: package and deployment exclude each other"
        );
    }
}
