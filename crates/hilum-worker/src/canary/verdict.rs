//! What a run of fixed cases means, and what follows from it.

use super::Subject;
use super::cases::FixedCases;
use crate::runner::{Context, JobError};
use hilum_registry::DeploymentState;
use hilum_registry::canary::{CanaryCase, CanaryDifference, CanaryFinding, compare};
use hilum_sign::{NewRecord, Record, RecordKind, approvals};
use hilum_store::Job;
use hilum_store::governance::RecordFilter;
use hilum_types::Timestamp;
use serde_json::json;

/// Canary records of one deployment that are looked at for a baseline.
const RECORDS_MAX: u32 = 10_000;

/// Differences named in an alarm; the record holds all.
const NAMED_MAX: usize = 5;

/// The baseline a run is held against.
struct Baseline {
    record: Record,
    cases: Vec<CanaryCase>,
    is_approved: bool,
}

/// Compare with the baseline, enter the record, and act on a change.
pub(super) async fn conclude(
    context: &Context,
    job: &Job,
    subject: &Subject,
    cases: &FixedCases,
    answers: Vec<CanaryCase>,
) -> Result<(), JobError> {
    let baseline = match subject.as_baseline {
        true => None,
        false => baseline(context, subject, cases).await?,
    };
    let (finding, differences) = match &baseline {
        Some(baseline) => compare(&subject.plan, &baseline.cases, &answers),
        None if answers.iter().all(|case| case.values.is_some()) => (CanaryFinding::Baseline, Vec::new()),
        None => (CanaryFinding::NoAnswer, Vec::new()),
    };
    let is_approved = baseline.as_ref().is_some_and(|baseline| baseline.is_approved);
    let record = NewRecord {
        kind: RecordKind::Canary,
        subject: subject.deployment.spec.name.clone(),
        body: json!({
            "format": 1,
            "package": subject.deployment.package_digest,
            "model": subject.manifest.package.name,
            "version": subject.manifest.package.version,
            "number": subject.number,
            "started_at": started_at(context, subject).await?,
            "cases_digest": cases.digest,
            "finding": finding,
            "baseline": baseline.as_ref().map(|baseline| baseline.record.digest),
            "baseline_approved": is_approved,
            "tolerance": { "score": subject.plan.score_tolerance, "relative": subject.plan.relative_tolerance },
            "n_cases": answers.len(),
            "n_unanswered": answers.iter().filter(|case| case.values.is_none()).count(),
            "cases": answers,
            "differences": differences,
        }),
        author: "system:canary".to_owned(),
    };
    let now = context.clock.now();
    let digest = context.catalog.record_add(&record, now).await?.record.digest;
    follow(context, subject, finding, &differences, &answers, is_approved, now).await?;
    Ok(context.catalog.canary_end(&job.lease(), subject.number, Some((finding, &digest)), now).await?)
}

/// When the run was begun, which is the same however often its job is repeated.
async fn started_at(context: &Context, subject: &Subject) -> Result<Option<Timestamp>, JobError> {
    let runs = context.catalog.canary_runs(Some(&subject.deployment.spec.name), 100).await?;
    Ok(runs.into_iter().find(|run| run.number == subject.number).map(|run| run.started_at))
}

/// The newest approved baseline of exactly this package and these cases; the newest one that nobody rejected while
/// none is approved.
async fn baseline(context: &Context, subject: &Subject, cases: &FixedCases) -> Result<Option<Baseline>, JobError> {
    let filter = RecordFilter {
        kind: Some(RecordKind::Canary),
        subject: Some(subject.deployment.spec.name.clone()),
        until: None,
    };
    let mut newest = None;
    for record in context.catalog.record_list(&filter, RECORDS_MAX).await? {
        let same = record.body["finding"] == json!(CanaryFinding::Baseline)
            && record.body["package"] == json!(subject.deployment.package_digest)
            && record.body["cases_digest"] == json!(cases.digest)
            && record.body["number"] != json!(subject.number);
        let approvals = approvals(&record);
        if !same || !record.is_intact() || !approvals.rejected.is_empty() {
            continue;
        }
        let Ok(known) = serde_json::from_value(record.body["cases"].clone()) else { continue };
        let found = Baseline { record, cases: known, is_approved: approvals.complete() };
        if found.is_approved {
            return Ok(Some(found));
        }
        newest.get_or_insert(found);
    }
    Ok(newest)
}

/// Suspend and alarm. Everything here may be repeated: an alarm counts up, a suspension stays.
async fn follow(
    context: &Context,
    subject: &Subject,
    finding: CanaryFinding,
    differences: &[CanaryDifference],
    answers: &[CanaryCase],
    is_approved: bool,
    now: Timestamp,
) -> Result<(), JobError> {
    let name = &subject.deployment.spec.name;
    match finding {
        CanaryFinding::Baseline | CanaryFinding::Unchanged => Ok(()),
        CanaryFinding::NoAnswer => {
            let unanswered = answers.iter().filter(|case| case.values.is_none());
            let named: Vec<String> = unanswered
                .take(NAMED_MAX)
                .map(|case| format!("{}: {}", case.case, case.problem.as_deref().unwrap_or("no answer")))
                .collect();
            let text = format!("{name} did not answer fixed cases, so a change cannot be seen: {}", named.join("; "));
            Ok(context.catalog.alarm_raise("canary-no-answer", &text, None, Some(name), now).await?)
        }
        CanaryFinding::Changed => {
            let what = summary(differences);
            if is_approved && is_in_service(subject.deployment.state) {
                let reason = format!("the answers to fixed cases changed without a declared version change: {what}");
                context.catalog.deployment_suspend(name, "stop-rule:canary", &reason, now).await?;
            }
            let text = match is_approved {
                true => format!("{name} changed without a declared version change and is suspended: {what}"),
                false => format!(
                    "{name} changed without a declared version change; it is not suspended, because its baseline is \
                     not signed: {what}"
                ),
            };
            Ok(context.catalog.alarm_raise("canary-changed", &text, None, Some(name), now).await?)
        }
    }
}

fn is_in_service(state: DeploymentState) -> bool {
    !matches!(state, DeploymentState::Draft | DeploymentState::Retired)
}

/// The first differences in words, and how many there are.
fn summary(differences: &[CanaryDifference]) -> String {
    let named: Vec<String> = differences.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = differences.len().saturating_sub(NAMED_MAX);
    let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{rest}", named.join("; "))
}
