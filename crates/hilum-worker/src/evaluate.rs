//! One study revision past the gate, for every deployment in service.

use crate::facts::package_facts;
use crate::runner::{Context, JobError};
use hilum_gate::{GateDecision, GateInput, Stage, Verdict, decide, unavailable};
use hilum_registry::{Deployment, DeploymentSpec, DeploymentState, Manifest};
use hilum_store::records::{Evaluation, GateDecisionRecord, GateStage, NewInference, Package};
use hilum_store::{Catalog, Job, Priority, StoreError, StudyKey};
use hilum_types::{Disposition, StudyFacts, Timestamp};
use serde_json::json;

/// Carry out an `Evaluate` job.
pub(crate) async fn evaluate(context: &Context, job: &Job) -> Result<(), JobError> {
    let (study_key, revision) = job_subject(job)?;
    let facts = context.catalog.study_facts(&study_key, revision).await?;
    let deployments = context.catalog.deployment_list().await?;
    let now = context.clock.now();
    let mut evaluation =
        Evaluation { study_key, revision, decisions: Vec::new(), dispositions: Vec::new(), infer: Vec::new() };
    for deployment in deployments.iter().filter(|deployment| sees_studies(deployment.state)) {
        let package = context.catalog.package_get(&deployment.package_digest.to_string()).await;
        let decision = ask(&facts, deployment, package, job.created_at, Stage::BeforeInference, now)?;
        let name = deployment.spec.name.clone();
        match decision.verdict.disposition() {
            Some(disposition) => evaluation.dispositions.push((name, disposition)),
            None => evaluation.infer.push(NewInference { deployment: name, priority: Priority::ROUTINE }),
        }
        evaluation.decisions.push(record(&decision));
    }
    Ok(context.catalog.evaluation_record(&job.lease(), &evaluation, now).await?)
}

/// Whether studies are put to the gate for a deployment in this state. A suspended one still says why it did not run.
fn sees_studies(state: DeploymentState) -> bool {
    matches!(state, DeploymentState::Shadow | DeploymentState::Active | DeploymentState::Suspended)
}

/// The study and revision a job is about.
pub(crate) fn job_subject(job: &Job) -> Result<(StudyKey, u32), JobError> {
    match (&job.study_key, job.revision) {
        (Some(study_key), Some(revision)) => Ok((study_key.clone(), revision)),
        _ => Err(JobError::Broken("the job names no study revision".to_owned())),
    }
}

/// Put one study to the gate for one deployment. A package that cannot be read closes the gate (MV-09).
///
/// # Errors
/// Only when the catalog is out of reach for the moment: the job is then tried again.
pub(crate) fn ask(
    study: &StudyFacts,
    deployment: &Deployment,
    package: Result<Package, StoreError>,
    completed_at: Timestamp,
    stage: Stage,
    now: Timestamp,
) -> Result<GateDecision, JobError> {
    let closed = |what| Ok(unavailable(deployment, study.revision, stage, now, what));
    let package = match package {
        Ok(package) => package,
        Err(error) if error.kind() == hilum_store::ErrorKind::Unavailable => return Err(error.into()),
        Err(_) => return closed("registry"),
    };
    let Ok(manifest) = serde_json::from_value::<Manifest>(package.manifest) else {
        return closed("package manifest");
    };
    let candidates = manifest.candidate_series(study);
    Ok(decide(&GateInput {
        study,
        deployment,
        package: &package_facts(&manifest),
        candidates: candidates.as_deref(),
        completed_at,
        stage,
        now,
    }))
}

/// The decision as the catalog keeps it.
pub(crate) fn record(decision: &GateDecision) -> GateDecisionRecord {
    let mut reasons: Vec<_> = decision.steps.iter().map(|step| step.reason.clone()).collect();
    if reasons.is_empty() {
        reasons.extend(decision.verdict.disposition().and_then(|ended| ended.reason().cloned()));
    }
    GateDecisionRecord {
        deployment: decision.deployment.clone(),
        stage: match decision.stage {
            Stage::BeforeInference => GateStage::BeforeInference,
            Stage::BeforeRelease => GateStage::BeforeRelease,
        },
        decided_at: decision.decided_at,
        verdict: decision.verdict.name().to_owned(),
        reasons,
        detail: json!({ "format": 1, "decision": decision }),
    }
}

/// What a declared deployment would have made of one study of the past (UX-04).
#[derive(Debug, Clone, PartialEq)]
pub struct DryRunLine {
    /// The study.
    pub study_key: StudyKey,
    /// What would happen; `None` disposition means the model would run.
    pub decision: GateDecision,
}

impl DryRunLine {
    /// Whether the model would have run.
    pub fn eligible(&self) -> bool {
        matches!(self.decision.verdict, Verdict::Run { .. })
    }

    /// How the study would have ended without the model.
    pub fn disposition(&self) -> Option<Disposition> {
        self.decision.verdict.disposition()
    }
}

/// Put the last `n` complete studies to the gate for a deployment that is only declared. Writes nothing.
///
/// A draft is asked as if it were active, because its author wants to know what it would do.
///
/// # Errors
/// The package is not there, or the catalog is out of reach.
pub async fn dry_run(
    catalog: &dyn Catalog,
    spec: &DeploymentSpec,
    n: u32,
    now: Timestamp,
) -> Result<Vec<DryRunLine>, StoreError> {
    let package = catalog.package_get(&spec.package).await?;
    let manifest: Manifest =
        serde_json::from_value(package.manifest).map_err(|_| StoreError::DamagedRow { column: "package.manifest" })?;
    let state = match spec.state {
        DeploymentState::Draft => DeploymentState::Active,
        state => state,
    };
    let deployment = Deployment {
        spec: spec.clone(),
        package_digest: package.digest,
        state,
        suspension: None,
        revision: 0,
        updated_at: now,
    };
    let facts = package_facts(&manifest);
    let studies = catalog.study_facts_recent(n).await?;
    let lines = studies.into_iter().map(|(study_key, study)| {
        let candidates = manifest.candidate_series(&study);
        let input = GateInput {
            study: &study,
            deployment: &deployment,
            package: &facts,
            candidates: candidates.as_deref(),
            completed_at: now,
            stage: Stage::BeforeInference,
            now,
        };
        DryRunLine { study_key, decision: decide(&input) }
    });
    Ok(lines.collect())
}
