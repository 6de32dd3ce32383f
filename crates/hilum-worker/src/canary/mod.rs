//! Fixed cases through a deployment on schedule, apart from every patient's books (MV-15).
//!
//! Which run is due, what counts as the same answer and what follows are pure functions of `hilum_registry::canary`.
//! Schedule and wait are state in the catalog: a restart neither loses a run nor begins one twice.

mod cases;
mod here;
mod product;
mod verdict;

use crate::runner::{Context, JobError, pause};
use cases::FixedCases;
use hilum_registry::canary::{CanaryCase, CanaryPlan};
use hilum_registry::{Deployment, DeploymentState, Manifest};
use hilum_store::{Job, StoreError};
use std::time::Duration;
use tokio::sync::watch;

/// Pause between two looks at the schedule.
const LOOK: Duration = Duration::from_secs(2);

/// Begin the runs that are due, for as long as the worker works.
pub(crate) async fn schedule(context: Context, mut stop: watch::Receiver<bool>) {
    while pause(&mut stop, LOOK).await {
        if let Err(error) = begin_due(&context).await {
            tracing::error!(error = &error as &dyn std::error::Error, "canary runs could not be scheduled");
        }
    }
}

async fn begin_due(context: &Context) -> Result<(), StoreError> {
    let now = context.clock.now();
    for deployment in context.catalog.deployment_list().await? {
        let Some(plan) = deployment.spec.canary.as_ref().filter(|_| is_watched(deployment.state)) else { continue };
        let name = deployment.spec.name.as_str();
        let last = context.catalog.canary_runs(Some(name), 1).await?.into_iter().next();
        if plan.is_due(last.as_ref().map(|run| run.started_at), now) {
            let after = last.map_or(0, |run| run.number);
            context.catalog.canary_begin(name, after, "schedule", false, now).await?;
        }
    }
    Ok(())
}

/// Whether a deployment in this state is watched by itself. A suspended one is run by hand.
fn is_watched(state: DeploymentState) -> bool {
    !matches!(state, DeploymentState::Draft | DeploymentState::Suspended | DeploymentState::Retired)
}

/// What a run is about.
struct Subject {
    deployment: Deployment,
    manifest: Manifest,
    plan: CanaryPlan,
    number: u32,
    /// Somebody asked for this run to become the baseline.
    as_baseline: bool,
}

/// Carry out a `Canary` job.
pub(crate) async fn run(context: &Context, job: &Job) -> Result<(), JobError> {
    let subject = read_subject(context, job).await?;
    let cases = match cases::load(context, &subject).await? {
        Ok(cases) => cases,
        Err(problem) => return unusable(context, job, &subject, &problem).await,
    };
    let answered = match subject.manifest.dicom_node() {
        Some(_) if product::asked_another(context, job, &subject).await? => {
            return abandon(context, job, &subject).await;
        }
        Some(_) => product::ask(context, job, &subject, &cases).await?,
        None => Some(here::run(context, &subject, &cases).await?),
    };
    match answered {
        Some(answers) => verdict::conclude(context, job, &subject, &cases, answers).await,
        // The job has gone back to the queue until the product has answered.
        None => Ok(()),
    }
}

async fn read_subject(context: &Context, job: &Job) -> Result<Subject, JobError> {
    let broken = |what: &str| JobError::Broken(what.to_owned());
    let name = job.deployment.as_deref().ok_or_else(|| broken("the job names no deployment"))?;
    let number = job.payload.get("number").and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let deployment = context.catalog.deployment_get(name).await?;
    let deployment = deployment.ok_or_else(|| broken("the deployment is not in the catalog"))?;
    let package = context.catalog.package_get(&deployment.package_digest.to_string()).await?;
    Ok(Subject {
        manifest: serde_json::from_value(package.manifest)
            .map_err(|_| StoreError::DamagedRow { column: "package.manifest" })?,
        plan: deployment.spec.canary.clone().unwrap_or_default(),
        number: number.ok_or_else(|| broken("the job names no run"))?,
        as_baseline: job.payload.get("as_baseline").and_then(serde_json::Value::as_bool).unwrap_or(false),
        deployment,
    })
}

/// The cases themselves cannot be used: nothing is known about the product, and a person has to mend that.
async fn unusable(context: &Context, job: &Job, subject: &Subject, problem: &str) -> Result<(), JobError> {
    let name = &subject.deployment.spec.name;
    let text = format!("the fixed cases of {name} could not be run: {problem}");
    let now = context.clock.now();
    context.catalog.alarm_raise("canary-unusable", &text, None, Some(name), now).await?;
    Ok(context.catalog.canary_end(&job.lease(), subject.number, None, now).await?)
}

/// The deployment was promoted or rolled back while the product was asked: some answers are of one version and some of
/// another, and a record would book them on the wrong one. The version in use now gets a run of its own at once.
async fn abandon(context: &Context, job: &Job, subject: &Subject) -> Result<(), JobError> {
    let (name, now) = (subject.deployment.spec.name.as_str(), context.clock.now());
    tracing::info!(deployment = name, run = subject.number, "another version came into use during a canary run");
    context.catalog.product_close(&job.lease(), now).await?;
    context.catalog.canary_end(&job.lease(), subject.number, None, now).await?;
    if is_watched(subject.deployment.state) {
        context.catalog.canary_begin(name, subject.number, "schedule", false, now).await?;
    }
    Ok(())
}

/// A case nobody answered.
fn unanswered(cases: &FixedCases, index: usize, problem: String) -> CanaryCase {
    CanaryCase { case: cases.cases[index].name.clone(), values: None, problem: Some(problem) }
}
