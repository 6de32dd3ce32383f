//! What a run of fixed cases means, and what follows from it.

use super::Subject;
use super::cases::FixedCases;
use crate::runner::{Context, JobError};
use hilum_registry::canary::{CanaryCase, CanaryDifference, CanaryFinding, compare};
use hilum_sign::{NewRecord, Record, RecordKind, approvals};
use hilum_store::governance::RecordFilter;
use hilum_store::{ErrorKind, Job};
use hilum_types::{Digest, Timestamp};
use serde_json::json;

/// Canary records of one deployment that are held in memory at once. Each run names the baseline it was compared with, so
/// that the latest runs of a version lead to it, however old it is.
const RECORDS_MAX: u32 = 200;

/// So many of such pages are looked through for a run of the version in use: it may have been another's turn meanwhile.
const PAGES_MAX: usize = 500;

/// Differences named in an alarm; the record holds all.
const NAMED_MAX: usize = 5;

/// The baseline a run is held against.
struct Baseline {
    record: Record,
    cases: Vec<CanaryCase>,
    is_approved: bool,
}

/// What a run is held against, and what it should have been held against.
#[derive(Default)]
struct Found {
    baseline: Option<Baseline>,
    /// A newer one that waits for its signatures. Runs name it too, so that it is found once it is signed.
    waiting: Option<Digest>,
    /// A signed baseline that earlier runs were compared with and that is none any more: rejected, changed or gone.
    lost: Option<Digest>,
}

/// Compare with the baseline, enter the record, and act on a change.
pub(super) async fn conclude(
    context: &Context,
    job: &Job,
    subject: &Subject,
    cases: &FixedCases,
    answers: Vec<CanaryCase>,
) -> Result<(), JobError> {
    let Found { baseline, waiting, lost } = match subject.as_baseline {
        true => Found::default(),
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
            "baseline_waiting": waiting,
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
    if let Some(lost) = lost {
        tell_of_lost_baseline(context, subject, &lost, now).await?;
    }
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
async fn baseline(context: &Context, subject: &Subject, cases: &FixedCases) -> Result<Found, JobError> {
    let mut filter = RecordFilter {
        kind: Some(RecordKind::Canary),
        subject: Some(subject.deployment.spec.name.clone()),
        until: None,
    };
    for _ in 0..PAGES_MAX {
        let page = context.catalog.record_list(&filter, RECORDS_MAX).await?;
        let trace = trace(&page, &subject.deployment.package_digest, &cases.digest, subject.number);
        if trace.baselines.is_empty() && page.len() == RECORDS_MAX as usize {
            filter.until = page.last().map(|record| record.created_at.plus_micros(-1));
            continue;
        }
        let mut named = Vec::with_capacity(trace.baselines.len());
        for digest in &trace.baselines {
            let known = page.iter().find(|record| record.digest == *digest).cloned();
            named.push(match known {
                Some(record) => record,
                None => match context.catalog.record_get(&digest.to_string()).await {
                    Ok(record) => record,
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error.into()),
                },
            });
        }
        return Ok(choose(named, trace.signed));
    }
    Ok(Found::default())
}

/// What the latest runs say about the baseline of their version.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    /// Baselines among them, and those that they name.
    baselines: Vec<Digest>,
    /// The signed one that the latest run with one was compared with.
    signed: Option<Digest>,
}

/// Look through canary records, newest first, for those of the package and the cases; the run `number` itself is left out.
fn trace(records: &[Record], package: &Digest, cases: &Digest, number: u32) -> Trace {
    let same = |record: &&Record| {
        record.body["package"] == json!(package)
            && record.body["cases_digest"] == json!(cases)
            && record.body["number"] != json!(number)
            && record.is_intact()
    };
    let mut trace = Trace::default();
    for record in records.iter().filter(same) {
        let is_baseline = record.body["finding"] == json!(CanaryFinding::Baseline);
        let named = |key: &str| record.body[key].as_str().and_then(|digest| digest.parse::<Digest>().ok());
        let compared_with = named("baseline");
        let all = [is_baseline.then_some(record.digest), compared_with, named("baseline_waiting")];
        for baseline in all.into_iter().flatten() {
            if !trace.baselines.contains(&baseline) {
                trace.baselines.push(baseline);
            }
        }
        if record.body["baseline_approved"] == json!(true) && trace.signed.is_none() {
            trace.signed = compared_with;
        }
    }
    trace
}

/// The newest approved one; the newest that nobody rejected while none is approved, and then `signed` is lost.
fn choose(mut named: Vec<Record>, signed: Option<Digest>) -> Found {
    named.sort_by_key(|record| std::cmp::Reverse(record.created_at));
    let mut newest: Option<Baseline> = None;
    for record in named {
        let approvals = approvals(&record);
        if !record.is_intact() || !approvals.rejected.is_empty() {
            continue;
        }
        let Ok(cases) = serde_json::from_value(record.body["cases"].clone()) else { continue };
        let found = Baseline { record, cases, is_approved: approvals.complete() };
        if found.is_approved {
            let waiting = newest.map(|newest| newest.record.digest);
            return Found { baseline: Some(found), waiting, lost: None };
        }
        newest.get_or_insert(found);
    }
    Found { baseline: newest, waiting: None, lost: signed }
}

/// A change would suspend nothing until another baseline is signed, and somebody has to know.
async fn tell_of_lost_baseline(
    context: &Context,
    subject: &Subject,
    lost: &Digest,
    now: Timestamp,
) -> Result<(), JobError> {
    let name = &subject.deployment.spec.name;
    let text = format!(
        "the signed baseline {} of {name} is rejected or gone, so that a change of its answers suspends nothing",
        lost.short()
    );
    Ok(context.catalog.alarm_raise("canary-unsigned", &text, None, Some(name), now).await?)
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
            let reason = format!("the answers to fixed cases changed without a declared version change: {what}");
            let (by, package) = ("stop-rule:canary", &subject.deployment.package_digest);
            let suspended = is_approved && context.catalog.version_suspend(name, package, by, &reason, now).await?;
            let follows = match (is_approved, suspended) {
                (_, true) => " and is suspended",
                (false, false) => "; it is not suspended, because its baseline is not signed",
                (true, false) => "; it is not suspended, because that version is not in use",
            };
            let text = format!("{name} changed without a declared version change{follows}: {what}");
            Ok(context.catalog.alarm_raise("canary-changed", &text, None, Some(name), now).await?)
        }
    }
}

/// The first differences in words, and how many there are.
fn summary(differences: &[CanaryDifference]) -> String {
    let named: Vec<String> = differences.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = differences.len().saturating_sub(NAMED_MAX);
    let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{rest}", named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn at(n: u32) -> Timestamp {
        Timestamp::from_micros(i64::from(n) * 60_000_000)
    }

    fn record(number: u32, more: Value) -> Record {
        let mut body = json!({
            "format": 1, "package": Digest::of(b"v1"), "cases_digest": Digest::of(b"cases"), "number": number, "cases": [],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let new =
            NewRecord { kind: RecordKind::Canary, subject: "cxr".into(), body, author: "system:canary".to_owned() };
        let digest = new.digest();
        let NewRecord { kind, subject, body, author } = new;
        Record { digest, kind, subject, body, author, created_at: at(number), signatures: vec![] }
    }

    fn run(number: u32, against: &Record, approved: bool) -> Record {
        record(number, json!({ "finding": "unchanged", "baseline": against.digest, "baseline_approved": approved }))
    }

    fn traced(newest_first: &[Record], number: u32) -> Trace {
        trace(newest_first, &Digest::of(b"v1"), &Digest::of(b"cases"), number)
    }

    /// A baseline older than everything that is looked at is found by the runs that were compared with it.
    #[test]
    fn the_latest_runs_lead_to_a_baseline_of_long_ago() {
        let signed = record(1, json!({ "finding": "baseline" }));
        let page: Vec<Record> = (1001..1201).rev().map(|number| run(number, &signed, true)).collect();
        let expected = Trace { baselines: vec![signed.digest], signed: Some(signed.digest) };
        assert_eq!(traced(&page, 1201), expected);
        // So does one that has been waiting for its signatures since.
        let waiting = record(2, json!({ "finding": "baseline" }));
        let names_both = json!({ "finding": "unchanged", "baseline": signed.digest, "baseline_approved": true,
            "baseline_waiting": waiting.digest });
        assert_eq!(traced(&[record(9, names_both)], 10).baselines, [signed.digest, waiting.digest]);
        // Another version, other cases, this very run when its job is repeated, and one changed by hand say nothing.
        let other = |key: &str| record(1, json!({ "finding": "baseline", key: Digest::of(b"other") }));
        let changed = Record { digest: Digest::of(b"?"), ..signed.clone() };
        assert_eq!(traced(&[other("package"), other("cases_digest"), changed], 9), Trace::default());
        assert_eq!(traced(std::slice::from_ref(&signed), 1), Trace::default());
    }

    /// Without its signed baseline a run is compared with an unsigned one, and that is told.
    #[test]
    fn a_signed_baseline_is_not_lost_in_silence() {
        let signed = record(1, json!({ "finding": "baseline" }));
        let unsigned = record(2, json!({ "finding": "baseline" }));
        let trace = traced(&[run(3, &signed, true), unsigned.clone(), run(2, &signed, false)], 4);
        assert_eq!(trace.signed, Some(signed.digest));
        // What was signed is gone.
        let found = choose(vec![unsigned.clone()], trace.signed);
        assert_eq!(found.lost, Some(signed.digest));
        assert_eq!(found.baseline.map(|one| one.record.digest), Some(unsigned.digest));
        // Where none ever was signed, nothing is lost, and the newest counts.
        let found = choose(vec![signed, unsigned.clone()], None);
        assert_eq!((found.lost, found.baseline.map(|one| one.record.digest)), (None, Some(unsigned.digest)));
    }
}
