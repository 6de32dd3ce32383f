//! What is looked after beside the jobs: versions kept ready, and bounds that stop a version while it is tried.

use crate::runner::{Context, describe, pause};
use hilum_gate::{RunFact, exceeded_bound};
use hilum_registry::{Deployment, DeploymentState};
use hilum_store::StoreError;
use hilum_types::Digest;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;

/// Longest time until a promoted or declared version is loaded ahead of its first study.
const WARM_EVERY: Duration = Duration::from_secs(2);

/// Load, with proof, every version in use and every version that a rollback would return to, so that neither waits for
/// its first study (AV-09).
pub(crate) async fn keep_warm(context: Context, mut stop: watch::Receiver<bool>) {
    let mut tried: BTreeSet<Digest> = BTreeSet::new();
    while !*stop.borrow() {
        match context.catalog.deployment_list().await {
            Ok(deployments) => {
                for deployment in deployments.iter().filter(|deployment| deployment.state.is_in_service()) {
                    warm(&context, deployment, &mut tried).await;
                }
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "versions were not kept ready"),
        }
        if !pause(&mut stop, WARM_EVERY).await {
            return;
        }
    }
}

async fn warm(context: &Context, deployment: &Deployment, tried: &mut BTreeSet<Digest>) {
    let name = &deployment.spec.name;
    let earlier = deployment.rollback.as_ref().map(|target| target.package);
    for (digest, is_earlier) in [(Some(deployment.package_digest), false), (earlier, true)] {
        let Some(digest) = digest.filter(|digest| tried.insert(*digest)) else { continue };
        let models = context.models.clone();
        let loaded = tokio::task::spawn_blocking(move || models.load(digest).map(drop)).await;
        let problem = match loaded {
            Ok(Ok(())) => {
                tracing::info!(deployment = name, package = digest.short(), "version ready");
                continue;
            }
            Ok(Err(error)) => describe(&error),
            Err(_panicked) => "the check ended by a defect".to_owned(),
        };
        // A version in use says so itself with the next study; one that is only to be returned to would not.
        tracing::warn!(deployment = name, package = digest.short(), problem, "a version is not ready");
        if is_earlier {
            let text = format!("the version that {name} would return to cannot be started: {problem}");
            let now = context.clock.now();
            if let Err(error) = context.catalog.alarm_raise("rollback-target", &text, None, Some(name), now).await {
                tracing::error!(error = &error as &dyn std::error::Error, "an alarm was not raised");
            }
        }
    }
}

/// After a run: stop the deployment when the runs of its rollout exceed a declared bound.
pub(crate) async fn hold_bounds(context: &Context, name: &str) -> Result<(), StoreError> {
    let Some(deployment) = context.catalog.deployment_get(name).await? else { return Ok(()) };
    let rollout = &deployment.spec.rollout;
    let tried = matches!(deployment.state, DeploymentState::Shadow | DeploymentState::Limited);
    if !tried || (rollout.error_rate_max.is_none() && rollout.run_seconds_p95_max.is_none()) {
        return Ok(());
    }
    let runs = context.catalog.runs_ended(name, &deployment.package_digest, rollout.runs_window).await?;
    let facts: Vec<RunFact> =
        runs.iter().map(|run| RunFact { failed: run.disposition == "failed", seconds: run.seconds }).collect();
    let Some(reason) = exceeded_bound(rollout, &facts) else { return Ok(()) };
    let (by, now) = (format!("stop-rule:{}", reason.code), context.clock.now());
    context.catalog.deployment_suspend(name, &by, &reason.text, now).await?;
    let text = format!("{name} was suspended: {}", reason.text);
    tracing::warn!(deployment = name, reason = reason.text, "a bound of the rollout was exceeded");
    context.catalog.alarm_raise("rollout-bound", &text, None, Some(name), now).await
}
