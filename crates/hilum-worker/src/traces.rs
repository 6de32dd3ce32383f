//! What a worker tells a trace collector: the steps of one study revision, under ids that every worker makes alike.

use crate::runner::Context;
use hilum_store::{Job, JobKind};
use hilum_telemetry::{Attribute, Name, Span, TraceId};
use hilum_types::Timestamp;

/// A carried out job, and before its first evaluation how the study came in.
pub(crate) async fn job_ended(context: &Context, job: &Job, begun_at: Timestamp, failed: bool) {
    let name = match job.kind {
        JobKind::Evaluate => Name::Evaluate,
        JobKind::Infer => Name::Infer,
        JobKind::Deliver => Name::Deliver,
        JobKind::Canary | JobKind::Inspect => return,
    };
    if !context.spans.is_on() {
        return;
    }
    let Some(mut span) = span(context, job, name, begun_at) else { return };
    span.failed = failed;
    if failed || name == Name::Deliver {
        // An attempt among several; children belong to the one that succeeds.
        span.id = span.trace.span(name, &format!("{}:{}", job.key, job.attempts));
    }
    if name == Name::Evaluate && !failed {
        study_came_in(context, job, span.trace).await;
    }
    context.spans.add(span);
}

/// The gate was asked before release, and what it said was recorded.
pub(crate) fn released(context: &Context, job: &Job, begun_at: Timestamp) {
    if context.spans.is_on()
        && let Some(span) = span(context, job, Name::Release, begun_at)
    {
        context.spans.add(span);
    }
}

fn span(context: &Context, job: &Job, name: Name, begun_at: Timestamp) -> Option<Span> {
    let (study_key, revision) = (job.study_key.as_ref()?, job.revision?);
    let trace = TraceId::of_study(study_key.as_str(), revision);
    let deployment = job.deployment.as_deref().unwrap_or_default();
    let parent = match name {
        Name::Evaluate => trace.span(Name::Study, ""),
        Name::Infer => trace.span(Name::Evaluate, ""),
        Name::Release => trace.span(Name::Infer, deployment),
        // A rejection note belongs to no deployment.
        Name::Deliver if deployment.is_empty() => trace.span(Name::Study, ""),
        Name::Deliver => trace.span(Name::Release, deployment),
        Name::Study | Name::Request => return None,
    };
    let mut attributes = vec![Attribute::Revision(revision), Attribute::Attempt(job.attempts)];
    attributes.extend(job.deployment.clone().map(Attribute::Deployment));
    Some(Span {
        trace,
        id: trace.span(name, deployment),
        parent: Some(parent),
        name,
        begun_at,
        ended_at: context.clock.now(),
        failed: false,
        attributes,
    })
}

/// From the first image (of a later revision: the last one) until the revision was complete.
async fn study_came_in(context: &Context, job: &Job, trace: TraceId) {
    let (Some(key), Some(revision)) = (&job.study_key, job.revision) else { return };
    // A catalog that cannot say it now costs a span.
    let Ok(Some(study)) = context.catalog.study_get(key).await else { return };
    let began = if revision == 1 { study.first_received_at } else { study.last_received_at };
    context.spans.add(Span {
        trace,
        id: trace.span(Name::Study, ""),
        parent: None,
        name: Name::Study,
        begun_at: began.min(job.created_at),
        ended_at: job.created_at,
        failed: false,
        attributes: vec![Attribute::Revision(revision)],
    });
}
