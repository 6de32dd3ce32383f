//! Trials: a package on the cases of a reference set, along the same path as a study in production.
//!
//! Every case passes the gate's intended-use check, is prepared, run and interpreted as a study is; only nothing leaves and
//! nothing enters the studies' books. What a trial is for, an acceptance test, a comparison or a replay, the caller says.

mod acceptance;
mod case;
mod comparison;
mod envelope;
mod error;
mod faults;
mod freeze;
mod journal;
mod picture;
mod pixels;
mod waiver;

pub use acceptance::{Acceptance, AcceptanceRequest, Place, Progress, accept};
pub use case::{CaseRun, Ended};
pub use comparison::{ComparisonRequest, compare};
pub use envelope::{EnvelopeRequest, FittedEnvelope, fit_envelope};
pub use error::TrialError;
pub use faults::{FaultRequest, measure_faults};
pub use freeze::{Frozen, freeze_protocol};
pub use journal::Journal;
pub use picture::failure_picture;
pub use waiver::{Waived, check_gap, read_waiver, waivers_of};

use crate::models::Models;
use case::CaseInput;
use hilum_infer::{EngineInfo, LoadedPackage};
use hilum_registry::manifest::OutputSpec;
use hilum_registry::{Deployment, DeploymentState, Manifest, Purpose, RolloutSpec};
use hilum_store::BlobStore;
use hilum_store::records::Package;
use hilum_types::{Digest, Timestamp};
use hilum_validate::CaseList;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// A package ready for a trial, under the deployment it is or would be used in.
#[derive(Clone)]
pub struct Subject {
    /// The package.
    pub package: Package,
    /// What it declares.
    pub manifest: Arc<Manifest>,
    /// Loaded and proven by its golden cases.
    pub loaded: Arc<LoadedPackage>,
    deployment: Arc<Deployment>,
}

impl Subject {
    /// Load a package. `used_in` narrows its intended use and sets its operating points; without one, the package's own
    /// hold. `operating_points` replace both, by finding.
    ///
    /// # Errors
    /// [`TrialError::Package`] when the package cannot be started; [`TrialError::Refused`] for an operating point of a
    /// finding that it does not have, or outside 0 to 1.
    pub async fn load(
        models: &Models,
        package: Package,
        used_in: Option<&Deployment>,
        operating_points: &BTreeMap<String, f64>,
        now: Timestamp,
    ) -> Result<Subject, TrialError> {
        let (models, digest) = (models.clone(), package.digest);
        let loading = tokio::task::spawn_blocking(move || models.load(digest)).await;
        let loaded = loading.map_err(|_panicked| TrialError::Defect)?.map_err(TrialError::Package)?;
        let manifest = Arc::new(loaded.manifest().clone());
        for (finding, point) in operating_points {
            if own_operating_point(&manifest, finding).is_none() {
                return Err(no_such_finding(&manifest, finding));
            }
            if !(0.0..=1.0).contains(point) {
                let why = format!("operating point of {finding:?} is {point}; it must be in 0 to 1");
                return Err(TrialError::Refused(why));
            }
        }
        let deployment = Arc::new(deployment(&package, used_in, operating_points, now)?);
        Ok(Subject { package, manifest, loaded, deployment })
    }

    /// The threshold that decides whether a finding is present.
    ///
    /// # Errors
    /// [`TrialError::Refused`] when the package has no such finding; the text names those it has.
    pub fn operating_point(&self, finding: &str) -> Result<f64, TrialError> {
        let own =
            own_operating_point(&self.manifest, finding).ok_or_else(|| no_such_finding(&self.manifest, finding))?;
        Ok(self.deployment.spec.operating_points.get(finding).copied().unwrap_or(own))
    }

    /// The engine that runs it.
    pub fn engine(&self) -> EngineInfo {
        self.loaded.engine()
    }

    /// `NAME VERSION`.
    pub fn title(&self) -> String {
        format!("{} {}", self.package.name, self.package.version)
    }

    /// Labels of the findings it looks for.
    pub fn findings(&self) -> Vec<&str> {
        findings(&self.manifest).map(|(label, _)| label).collect()
    }
}

fn findings(manifest: &Manifest) -> impl Iterator<Item = (&str, f64)> {
    manifest
        .outputs
        .iter()
        .flat_map(|output| match output {
            OutputSpec::Classification(output) => output.findings.as_slice(),
            _ => &[],
        })
        .map(|finding| (finding.label.as_str(), finding.operating_point))
}

fn own_operating_point(manifest: &Manifest, finding: &str) -> Option<f64> {
    findings(manifest).find(|(label, _)| *label == finding).map(|(_, point)| point)
}

fn no_such_finding(manifest: &Manifest, finding: &str) -> TrialError {
    let known: Vec<&str> = findings(manifest).map(|(label, _)| label).collect();
    let name = &manifest.package.name;
    TrialError::Refused(match known.as_slice() {
        [] => format!("{name} gives no score, so {finding:?} cannot be judged by it"),
        known => format!("{name} has no finding {finding:?}; it has {}", known.join(", ")),
    })
}

/// The deployment the gate is asked for: in service, not suspended, with the package under test.
fn deployment(
    package: &Package,
    used_in: Option<&Deployment>,
    operating_points: &BTreeMap<String, f64>,
    now: Timestamp,
) -> Result<Deployment, TrialError> {
    let mut spec = match used_in {
        Some(deployment) => deployment.spec.clone(),
        // Written as the file would be, so that everything that is not said has its default.
        None => serde_json::from_value(json!({ "name": "trial", "package": package.digest }))
            .map_err(|_| TrialError::Defect)?,
    };
    spec.package = package.digest.to_string();
    spec.state = DeploymentState::Active;
    // A trial asks what the version is meant for; whether it has been accepted, and for whom, is what comes after.
    spec.purpose = Purpose::Research;
    spec.champion = None;
    spec.rollout = RolloutSpec::default();
    spec.monitoring = None;
    spec.valid_until = None;
    spec.expires_after_seconds = None;
    spec.operating_points.extend(operating_points.iter().map(|(label, point)| (label.clone(), *point)));
    Ok(Deployment { revision: 0, ..Deployment::declared(spec, package.digest, DeploymentState::Active, now) })
}

/// Put every case to the package, `n_workers` at a time. Answers by case id; `done` is called once for each.
///
/// Cases that `journal` holds from an interrupted run of the same package, engine and objects are not run again.
///
/// # Errors
/// [`TrialError::Case`] when a stored image is gone or damaged: then nothing can be said of the set;
/// [`TrialError::Store`], [`TrialError::Journal`].
pub async fn run_trial(
    subject: &Subject,
    list: &CaseList,
    blobs: &Arc<dyn BlobStore>,
    journal: &Journal,
    n_workers: usize,
    now: Timestamp,
    done: Arc<dyn Fn() + Send + Sync>,
) -> Result<BTreeMap<String, CaseRun>, TrialError> {
    let inputs: Arc<Vec<CaseInput>> = Arc::new(list.cases.iter().map(CaseInput::of).collect::<Result<_, _>>()?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..n_workers.clamp(1, 64) {
        let (subject, blobs, journal) = (subject.clone(), blobs.clone(), journal.clone());
        let (inputs, next, done) = (inputs.clone(), next.clone(), done.clone());
        workers.spawn(async move {
            let mut runs = Vec::new();
            while let Some(input) = inputs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let run = case::run(&subject, input, &*blobs, &journal, now).await?;
                runs.push((input.id.clone(), run));
                done();
            }
            Ok::<_, TrialError>(runs)
        });
    }
    let mut runs = BTreeMap::new();
    while let Some(ended) = workers.join_next().await {
        runs.extend(ended.map_err(|_panicked| TrialError::Defect)??);
    }
    Ok(runs)
}

/// The images of a case, for a journal that must not mix up two sets.
fn images_digest(objects: &[Digest]) -> Digest {
    Digest::of(&objects.iter().flat_map(|object| *object.as_bytes()).collect::<Vec<u8>>())
}
