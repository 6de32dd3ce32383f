//! What is looked after beside the jobs: versions kept ready, and bounds that stop a version while it is tried.

use crate::runner::{Context, describe, pause};
use hilum_gate::{RunFact, exceeded_bound, review};
use hilum_registry::{Deployment, DeploymentState};
use hilum_store::StoreError;
use hilum_store::alarms::AlarmFilter;
use hilum_store::evidence_report::freshness;
use hilum_types::{Digest, Reason, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
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

/// Longest time until a report that came before its study, or before the result, is read.
const REPORTS_EVERY: Duration = Duration::from_secs(5);

/// Tie reports to studies that came later, and read what is due (AV-20, MV-28).
pub(crate) async fn read_reports(context: Context, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let now = context.clock.now();
        match hilum_store::reports::read_reports(&*context.catalog, &context.blobs, now).await {
            Ok(0) => {}
            Ok(n_labels) => tracing::info!(n_labels, "labels from reports"),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "reports were not read"),
        }
        if !pause(&mut stop, REPORTS_EVERY).await {
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

/// How often it is looked whether evidence is missing or a review is overdue. The gate decides by itself with every study; this
/// only tells people.
const EVIDENCE_EVERY: Duration = Duration::from_secs(60);

/// Raise an alarm, once until somebody has closed it, for every version in use without fresh evidence, or without the review that
/// is agreed (MV-06).
pub(crate) async fn watch_evidence(context: Context, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = tell_what_is_missing(&context).await {
            tracing::error!(error = &error as &dyn std::error::Error, "evidence and reviews were not looked at");
        }
        if !pause(&mut stop, EVIDENCE_EVERY).await {
            return;
        }
    }
}

async fn tell_what_is_missing(context: &Context) -> Result<(), StoreError> {
    let now = context.clock.now();
    let mut told = Told::default();
    for deployment in context.catalog.deployment_list().await?.iter().filter(|one| one.state.is_in_service()) {
        let evidence = freshness(&*context.catalog, deployment, now).await?.filter(|found| found.missing);
        if let Some(missing) = evidence {
            told.tell(context, deployment, "evidence-stale", (&missing.reason, missing.withholds), None).await?;
        }
        let facts = context.catalog.review_facts(deployment, now).await?;
        if let Some(overdue) = review(deployment, facts.as_ref(), now).filter(|found| found.overdue) {
            // What was told before the last look was about another time.
            let looked = facts.and_then(|facts| facts.reviewed_at);
            told.tell(context, deployment, "review-overdue", (&overdue.reason, overdue.withholds), looked).await?;
        }
    }
    Ok(())
}

/// Codes and deployments of the alarms that are not closed, and when each was last raised: whoever acknowledged one knows
/// already. Read when there is something to tell.
#[derive(Default)]
struct Told(Option<BTreeMap<(String, String), Timestamp>>);

impl Told {
    async fn tell(
        &mut self,
        context: &Context,
        deployment: &Deployment,
        code: &str,
        (reason, withholds): (&Reason, bool),
        not_before: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if self.0.is_none() {
            let filter = AlarmFilter { only_unclosed: true, ..AlarmFilter::default() };
            let standing = context.catalog.alarm_find(&filter, 1000).await?.into_iter();
            let mut latest = BTreeMap::new();
            for alarm in standing {
                let Some(deployment) = alarm.deployment else { continue };
                let at = latest.entry((alarm.code, deployment)).or_insert(alarm.last_raised_at);
                *at = alarm.last_raised_at.max(*at);
            }
            self.0 = Some(latest);
        }
        let name = deployment.spec.name.as_str();
        let last = self.0.as_ref().and_then(|told| told.get(&(code.to_owned(), name.to_owned())));
        if last.is_some_and(|at| not_before.is_none_or(|begun| begun < *at)) {
            return Ok(());
        }
        let follows = if withholds { "its studies are withheld" } else { "its studies go on" };
        let text = format!("{name}: {}; {follows}", reason.text);
        tracing::warn!(deployment = name, code, reason = reason.text, "something that was agreed is missing");
        context.catalog.alarm_raise(code, &text, None, Some(name), context.clock.now()).await
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
    if !context.catalog.version_suspend(name, &deployment.package_digest, &by, &reason.text, now).await? {
        return Ok(());
    }
    let text = format!("{name} was suspended: {}", reason.text);
    tracing::warn!(deployment = name, reason = reason.text, "a bound of the rollout was exceeded");
    context.catalog.alarm_raise("rollout-bound", &text, None, Some(name), now).await
}
