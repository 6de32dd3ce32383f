//! What workers record: evaluations, inferences, results, deliveries.

use super::SqlCatalog;
use super::act::{Act, HeldJob};
use super::connection::values;
use super::deployments::{current, family};
use super::jobs::{end_without_run, owed};
use super::labels::draw;
use super::monitoring::{Ended, count_run, enter_observation};
use super::rollout::record_assignments;
use crate::records::{DeliveryOutcome, DeliveryState, Evaluation, GateDecisionRecord, InferenceOutcome, NewInference};
use crate::{DeliveryKey, JobKind, JobState, Lease, NewJob, ResultKey, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditEvent, AuditOutcome, AuditSubject, SubjectKind};
use hilum_monitor::Observation;
use hilum_types::{Disposition, Reason, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;

const WORKER: &str = "system:worker";

pub(super) async fn evaluation_record(
    catalog: &SqlCatalog,
    lease: &Lease,
    evaluation: &Evaluation,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "record an evaluation", WORKER, now).await?;
    let Evaluation { study_key, revision, decisions, dispositions, infer, assignments, observations } = evaluation;
    let job = act.held(lease).await?;
    must_be(&job, JobKind::Evaluate, study_key, *revision, None)?;
    let named: Vec<&str> =
        dispositions.iter().map(|(name, _)| name.as_str()).chain(infer.iter().map(|i| i.deployment.as_str())).collect();
    let distinct: BTreeSet<&str> = named.iter().copied().collect();
    if distinct.len() != named.len() {
        return Err(StoreError::Misuse("a deployment is in an evaluation twice".into()));
    }
    for name in &distinct {
        let sql = "INSERT INTO arrival (study_key, revision, deployment, day) SELECT study_key, revision, \
                   CAST($3 AS TEXT), day FROM study_revision WHERE study_key = $1 AND revision = $2 \
                   ON CONFLICT (study_key, revision, deployment) DO NOTHING";
        act.execute(sql, values![study_key, *revision, *name]).await?;
    }
    record_assignments(&mut act, study_key, *revision, assignments).await?;
    act.decide(study_key, *revision, decisions).await?;
    for (deployment, disposition) in dispositions {
        act.dispose(study_key, *revision, deployment, disposition).await?;
    }
    for new in infer {
        enqueue_inference(&mut act, study_key, *revision, new).await?;
    }
    close_the_books(&mut act, study_key, *revision).await?;
    act.end_job(lease, JobState::Done, None).await?;
    for (deployment, disposition) in dispositions {
        let measured = observations.iter().find(|observation| observation.deployment == *deployment);
        let revision = *revision;
        let ended = Ended { study_key, revision, deployment, package: None, disposition, visible: false };
        enter_observation(&mut act, &ended, measured).await?;
    }
    act.commit().await
}

async fn enqueue_inference(
    act: &mut Act,
    study_key: &StudyKey,
    revision: u32,
    new: &NewInference,
) -> Result<(), StoreError> {
    let deployment = current(act, &new.deployment).await?.ok_or(StoreError::NotFound("deployment"))?;
    if !deployment.state.runs() {
        return Err(StoreError::DeploymentChanged);
    }
    let job = NewJob {
        kind: JobKind::Infer,
        dedup_key: format!("infer:{study_key}:{revision}:{}", new.deployment),
        study_key: Some(study_key.clone()),
        revision: Some(revision),
        deployment: Some(new.deployment.clone()),
        delivery_key: None,
        payload: json!({}),
        priority: new.priority,
        due_at: act.now,
    };
    if act.enqueue(&job).await?
        && let Some(first) = &new.after
    {
        let sql = "UPDATE job SET goes_after = $2 WHERE dedup_key = $1";
        act.execute(sql, values![job.dedup_key.as_str(), first.as_str()]).await?;
    }
    Ok(())
}

/// Nothing may be left owing when an evaluation ends. A deployment that went out of service meanwhile is told so;
/// one in service that was not evaluated is a fault of the caller.
async fn close_the_books(act: &mut Act, study_key: &StudyKey, revision: u32) -> Result<(), StoreError> {
    for name in owed(act, study_key, revision).await? {
        if current(act, &name).await?.is_some_and(|deployment| deployment.state.is_in_service()) {
            return Err(StoreError::Misuse(format!("deployment {name} was not evaluated")));
        }
        let reason = Reason::new("deployment.retired", "the model was retired at this site");
        end_without_run(act, study_key, revision, &name, None, &Disposition::Withheld(reason)).await?;
    }
    Ok(())
}

fn must_be(
    job: &HeldJob,
    kind: JobKind,
    study_key: &StudyKey,
    revision: u32,
    deployment: Option<&str>,
) -> Result<(), StoreError> {
    let same = job.kind == kind
        && job.study_key.as_ref() == Some(study_key)
        && job.revision == Some(revision)
        && job.deployment.as_deref() == deployment;
    if same { Ok(()) } else { Err(StoreError::Misuse("the lease is for another job than the record".into())) }
}

pub(super) async fn inference_record(
    catalog: &SqlCatalog,
    lease: &Lease,
    outcome: &InferenceOutcome,
    now: Timestamp,
) -> Result<Vec<DeliveryKey>, StoreError> {
    let mut act = Act::begin(&catalog.database, "record an inference", WORKER, now).await?;
    let InferenceOutcome { study_key, revision, deployment, disposition, .. } = outcome;
    let job = act.held(lease).await?;
    must_be(&job, JobKind::Infer, study_key, *revision, Some(deployment))?;
    let releases = !outcome.destinations.is_empty();
    if releases {
        may_release(&mut act, outcome).await?;
    }
    let sql = "INSERT INTO inference (study_key, revision, deployment, package, record, started_at, finished_at) \
               VALUES ($1,$2,$3,$4,$5,$6,$7)";
    let values = values![
        study_key,
        *revision,
        deployment.as_str(),
        outcome.package,
        &outcome.record,
        outcome.started_at,
        outcome.finished_at,
    ];
    act.execute(sql, values).await?;
    count_run(&mut act, deployment, outcome.finished_at.micros_since(outcome.started_at)).await?;
    let detail = json!({
        "revision": revision, "deployment": deployment, "package": outcome.package,
        "record": hilum_types::Digest::of(outcome.record.to_string().as_bytes()),
        "results": outcome.results.iter().map(|result| result.blob).collect::<Vec<_>>(),
    });
    act.audit(AuditAction::InferenceRecorded, AuditSubject::new(SubjectKind::Study, study_key), &detail);
    let seconds = outcome.finished_at.micros_since(outcome.started_at).max(0) as f64 / 1e6;
    let text = format!("the model ran for {seconds:.2} s");
    act.tell(study_key, *revision, Some(deployment), AuditAction::InferenceRecorded, text);
    act.decide(study_key, *revision, std::slice::from_ref(&outcome.decision)).await?;
    let results = insert_results(&mut act, outcome, releases).await?;
    if *disposition == Disposition::Analysed {
        supersede(&mut act, study_key, *revision, deployment).await?;
    }
    if releases {
        // No study carries results of two versions unmarked (AV-09), whichever of a family answered before.
        for other in family(&mut act, deployment).await?.iter().filter(|other| *other != deployment) {
            supersede(&mut act, study_key, *revision, other).await?;
        }
    }
    let deliveries = release(&mut act, outcome, &results).await?;
    act.dispose(study_key, *revision, deployment, disposition).await?;
    if *disposition == Disposition::Analysed {
        draw(&mut act, study_key, *revision, deployment, &outcome.record).await?;
    }
    act.end_job(lease, JobState::Done, None).await?;
    let package = Some(outcome.package);
    let ended = Ended { study_key, revision: *revision, deployment, package, disposition, visible: releases };
    enter_observation(&mut act, &ended, outcome.observation.as_ref()).await?;
    act.commit().await?;
    Ok(deliveries)
}

/// Whether what the release was decided on is still so: the study revision is current, the deployment reaches readers,
/// is unchanged, and still has the package that ran. A shadow result leaves by no outbound interface (MV-16).
async fn may_release(act: &mut Act, outcome: &InferenceOutcome) -> Result<(), StoreError> {
    if outcome.disposition != Disposition::Analysed {
        return Err(StoreError::Misuse("only an analysed study has results to release".into()));
    }
    let sql = "SELECT revision FROM study WHERE study_key = $1";
    let row = act.row(sql, values![&outcome.study_key]).await?.ok_or(StoreError::NotFound("study"))?;
    if row.number::<u32>("revision")? != outcome.revision {
        return Err(StoreError::StudyReopened);
    }
    let deployment = current(act, &outcome.deployment).await?.ok_or(StoreError::NotFound("deployment"))?;
    let same = deployment.revision == outcome.deployment_revision && deployment.package_digest == outcome.package;
    if !same || !deployment.state.reaches_readers() {
        return Err(StoreError::DeploymentChanged);
    }
    Ok(())
}

async fn insert_results(
    act: &mut Act,
    outcome: &InferenceOutcome,
    released: bool,
) -> Result<Vec<ResultKey>, StoreError> {
    let mut keys = Vec::with_capacity(outcome.results.len());
    for result in &outcome.results {
        let sql = "INSERT INTO blob (digest, size) VALUES ($1,$2) ON CONFLICT (digest) DO NOTHING";
        act.execute(sql, values![result.blob, result.size]).await?;
        let key = ResultKey::fresh(act.now);
        let sql = "INSERT INTO result (result_key, study_key, revision, deployment, kind, place, sop_instance_uid, \
                   sop_class_uid, transfer_syntax_uid, blob, size, released, created_at) \
                   VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)";
        let values = values![
            &key,
            &outcome.study_key,
            outcome.revision,
            outcome.deployment.as_str(),
            result.kind.name(),
            result.index,
            &result.sop_instance_uid,
            &result.sop_class_uid,
            &result.transfer_syntax_uid,
            result.blob,
            result.size,
            i64::from(released),
            act.now,
        ];
        act.execute(sql, values).await?;
        keys.push(key);
    }
    Ok(keys)
}

/// The results of earlier revisions give way; what of them was not sent yet is not sent any more.
async fn supersede(act: &mut Act, study_key: &StudyKey, revision: u32, deployment: &str) -> Result<(), StoreError> {
    let sql = "UPDATE result SET superseded_by = $3 WHERE study_key = $1 AND deployment = $2 AND revision < $3 \
               AND superseded_by IS NULL";
    let n_superseded = act.execute(sql, values![study_key, deployment, revision]).await?;
    if n_superseded == 0 {
        return Ok(());
    }
    let of_earlier = "IN (SELECT d.delivery_key FROM delivery d JOIN result r ON r.result_key = d.result_key \
                      WHERE r.study_key = $1 AND r.deployment = $2 AND r.superseded_by = $3 AND d.state = 'queued')";
    let sql = format!(
        "UPDATE job SET state = 'cancelled', lease_owner = NULL, updated_at = $4 \
         WHERE state IN ('queued', 'leased') AND delivery_key {of_earlier}"
    );
    act.execute(sql, values![study_key, deployment, revision, act.now]).await?;
    let sql = format!("UPDATE delivery SET state = 'superseded', updated_at = $4 WHERE delivery_key {of_earlier}");
    act.execute(sql, values![study_key, deployment, revision, act.now]).await?;
    let detail = json!({ "revision": revision, "deployment": deployment, "n_results": n_superseded });
    act.audit(AuditAction::ResultSuperseded, AuditSubject::new(SubjectKind::Study, study_key), &detail);
    let text = "the results of earlier revisions of the study are superseded";
    act.tell(study_key, revision, Some(deployment), AuditAction::ResultSuperseded, text);
    Ok(())
}

async fn release(
    act: &mut Act,
    outcome: &InferenceOutcome,
    results: &[ResultKey],
) -> Result<Vec<DeliveryKey>, StoreError> {
    let InferenceOutcome { study_key, revision, deployment, destinations, priority, .. } = outcome;
    let action = if destinations.is_empty() { AuditAction::ResultWithheld } else { AuditAction::ResultReleased };
    let detail = json!({
        "revision": revision, "deployment": deployment, "n_results": results.len(), "destinations": destinations,
    });
    act.audit(action, AuditSubject::new(SubjectKind::Study, study_key), &detail);
    if !destinations.is_empty() {
        let text = format!("{} results were released to {}", results.len(), destinations.join(", "));
        act.tell(study_key, *revision, Some(deployment), action, text);
    }
    let mut deliveries = Vec::with_capacity(results.len() * destinations.len());
    for destination in destinations {
        for result in results {
            let key = DeliveryKey::fresh(act.now);
            let sql = "INSERT INTO delivery (delivery_key, result_key, destination, state, attempts, created_at, \
                       updated_at) VALUES ($1,$2,$3,'queued',0,$4,$4)";
            act.execute(sql, values![&key, result, destination.as_str(), act.now]).await?;
            let job = NewJob {
                kind: JobKind::Deliver,
                dedup_key: format!("deliver:{result}:{destination}"),
                study_key: Some(study_key.clone()),
                revision: Some(*revision),
                deployment: Some(deployment.clone()),
                delivery_key: Some(key.clone()),
                payload: json!({ "destination": destination }),
                priority: *priority,
                due_at: act.now,
            };
            act.enqueue(&job).await?;
            deliveries.push(key);
        }
    }
    Ok(deliveries)
}

pub(super) async fn inference_end(
    catalog: &SqlCatalog,
    lease: &Lease,
    decision: Option<&GateDecisionRecord>,
    disposition: &Disposition,
    observation: Option<&Observation>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "end an inference", WORKER, now).await?;
    let job = act.held(lease).await?;
    let HeldJob {
        kind: JobKind::Infer,
        study_key: Some(study_key),
        revision: Some(revision),
        deployment: Some(deployment),
        package,
        ..
    } = job
    else {
        return Err(StoreError::Misuse("the lease is not for an inference".into()));
    };
    if *disposition == Disposition::Analysed {
        return Err(StoreError::Misuse("an analysed study needs an inference record".into()));
    }
    if let Some(decision) = decision {
        act.decide(&study_key, revision, std::slice::from_ref(decision)).await?;
    }
    act.dispose(&study_key, revision, &deployment, disposition).await?;
    if let Disposition::Failed(reason) = disposition {
        let text = format!("inference failed: {}", reason.text);
        act.alarm("inference-failed", &text, Some(&study_key), Some(&deployment)).await?;
    }
    act.end_job(lease, JobState::Done, disposition.reason().map(|reason| reason.text.as_str())).await?;
    let (study_key, deployment) = (&study_key, deployment.as_str());
    // The version that ran answers for its failure, whichever is in use by now.
    let package = observation.map(|observation| observation.package).or(package);
    let ended = Ended { study_key, revision, deployment, package, disposition, visible: false };
    enter_observation(&mut act, &ended, observation).await?;
    act.commit().await
}

pub(super) async fn delivery_record(
    catalog: &SqlCatalog,
    lease: &Lease,
    outcome: &DeliveryOutcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "record a delivery", WORKER, now).await?;
    let job = act.job_of(lease).await?;
    // What a destination has accepted is a fact, even when the job was cancelled while the object was on its way.
    let late_fact = job.state == JobState::Cancelled && *outcome == DeliveryOutcome::Delivered;
    if job.state != JobState::Leased && !late_fact {
        return Err(StoreError::LeaseLost);
    }
    end_delivery(&mut act, lease, &job, outcome).await?;
    act.commit().await
}

/// End one attempt of a delivery, inside an act.
pub(super) async fn end_delivery(
    act: &mut Act,
    lease: &Lease,
    job: &HeldJob,
    outcome: &DeliveryOutcome,
) -> Result<(), StoreError> {
    let HeldJob {
        kind: JobKind::Deliver,
        study_key: Some(study_key),
        revision: Some(revision),
        delivery_key: Some(delivery_key),
        ..
    } = job
    else {
        return Err(StoreError::Misuse("the lease is not for a delivery".into()));
    };
    // A rejection note belongs to no deployment.
    let deployment = job.deployment.as_deref();
    let (state, error, audited, text) = match outcome {
        DeliveryOutcome::Delivered => {
            (DeliveryState::Delivered, None, AuditOutcome::Success, "the destination accepted a result".to_owned())
        }
        DeliveryOutcome::Retry { error, .. } => {
            let text = format!("a delivery failed and is tried again: {error}");
            (DeliveryState::Queued, Some(error.as_str()), AuditOutcome::MinorFailure, text)
        }
        DeliveryOutcome::Dead { error } => {
            let text = format!("a delivery was given up: {error}");
            (DeliveryState::Dead, Some(error.as_str()), AuditOutcome::SeriousFailure, text)
        }
        DeliveryOutcome::Withheld { reason } => {
            let text = format!("a result was kept back: {}", reason.text);
            (DeliveryState::Withheld, Some(reason.text.as_str()), AuditOutcome::Success, text)
        }
    };
    let delivered_at = (state == DeliveryState::Delivered).then_some(act.now);
    let sql = "UPDATE delivery SET state = $2, attempts = attempts + 1, last_error = COALESCE($3, last_error), \
               updated_at = $4, delivered_at = $5 WHERE delivery_key = $1";
    act.execute(sql, values![delivery_key, state.name(), error, act.now, delivered_at]).await?;
    let event = AuditEvent::new(act.now, WORKER, AuditAction::DeliveryAttempted, {
        AuditSubject::new(SubjectKind::Delivery, delivery_key)
    });
    let detail = json!({ "study": study_key, "state": state.name(), "attempt": lease.attempt });
    act.audit_event(event.outcome(audited).detail(&detail));
    act.tell(study_key, *revision, deployment, AuditAction::DeliveryAttempted, text.as_str());
    match outcome {
        DeliveryOutcome::Retry { due_at, .. } => {
            act.end_job(lease, JobState::Queued, error).await?;
            act.execute("UPDATE job SET due_at = $2 WHERE job_key = $1", values![&lease.job, *due_at]).await?;
        }
        DeliveryOutcome::Dead { .. } => {
            act.end_job(lease, JobState::Dead, error).await?;
            act.alarm("delivery-dead", &text, Some(study_key), deployment).await?;
        }
        DeliveryOutcome::Withheld { reason } => {
            act.end_job(lease, JobState::Cancelled, error).await?;
            if let Some(deployment) = deployment
                && !any_delivered(act, study_key, *revision, deployment).await?
            {
                act.dispose(study_key, *revision, deployment, &Disposition::Withheld(reason.clone())).await?;
            }
        }
        DeliveryOutcome::Delivered => {
            act.end_job(lease, JobState::Done, None).await?;
            if let Some(deployment) = deployment.filter(|_| job.state == JobState::Cancelled) {
                act.dispose(study_key, *revision, deployment, &Disposition::Analysed).await?;
            }
        }
    }
    Ok(())
}

/// Whether a result of the revision and deployment has reached a destination.
pub(super) async fn any_delivered(
    act: &mut Act,
    study_key: &StudyKey,
    revision: u32,
    deployment: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS found FROM delivery d JOIN result r ON r.result_key = d.result_key \
               WHERE r.study_key = $1 AND r.revision = $2 AND r.deployment = $3 AND d.state = 'delivered' LIMIT 1";
    Ok(act.row(sql, values![study_key, revision, deployment]).await?.is_some())
}

pub(super) async fn delivery_retry(
    catalog: &SqlCatalog,
    key: &DeliveryKey,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    const WHAT: &str = "retry a delivery";
    let mut act = Act::begin(&catalog.database, WHAT, actor, now).await?;
    let sql = "SELECT d.state, r.study_key, r.revision, r.deployment, r.retracted_by, r.superseded_by FROM delivery d \
               JOIN result r ON r.result_key = d.result_key WHERE d.delivery_key = $1";
    let row = act.row(sql, values![key]).await?.ok_or(StoreError::NotFound("delivery"))?;
    let state = row.named("state", DeliveryState::from_name)?;
    if state != DeliveryState::Dead {
        let why = format!("it is {}, and only a dead one can be tried again", state.name());
        return Err(StoreError::Refused { what: WHAT, why });
    }
    if row.text_or_none("retracted_by")?.is_some() {
        return Err(StoreError::Refused { what: WHAT, why: "the result was retracted; it does not leave".to_owned() });
    }
    if let Some(later) = row.number_or_none::<u32>("superseded_by")? {
        let why = format!("the result of revision {later} of the study took its place; it does not leave");
        return Err(StoreError::Refused { what: WHAT, why });
    }
    let sql = "SELECT COUNT(*) AS n FROM assessment_report own JOIN assessment_report later \
               ON later.study_key = own.study_key AND later.revision = own.revision \
               AND later.deployment = own.deployment AND later.reader = own.reader AND own.number < later.number \
               WHERE own.study_key = $1 AND own.result_key = (SELECT result_key FROM delivery WHERE delivery_key = $2)";
    let later = act.row(sql, values![row.text("study_key")?, key]).await?;
    if later.map(|row| row.number::<u64>("n")).transpose()?.is_some_and(|n| 0 < n) {
        let why = "a later report of the same reader took its place; it does not leave".to_owned();
        return Err(StoreError::Refused { what: WHAT, why });
    }
    // Rejection notes and assessment reports belong to no deployment, and no deployment's state holds them up.
    let deployment = Some(row.text("deployment")?).filter(|name| !name.is_empty());
    if let Some(deployment) = &deployment
        && current(&mut act, deployment).await?.is_none_or(|deployment| !deployment.may_deliver())
    {
        let why = format!("deployment {deployment} is not active; its results do not leave");
        return Err(StoreError::Refused { what: WHAT, why });
    }
    let sql = "UPDATE delivery SET state = 'queued', updated_at = $2 WHERE delivery_key = $1";
    act.execute(sql, values![key, now]).await?;
    let sql = "UPDATE job SET state = 'queued', due_at = $2, updated_at = $2 WHERE delivery_key = $1";
    act.execute(sql, values![key, now]).await?;
    act.audit(AuditAction::DeliveryRetried, AuditSubject::new(SubjectKind::Delivery, key), &json!({}));
    let (study_key, revision) = (row.parse("study_key")?, row.number("revision")?);
    let text = "a dead delivery is tried again";
    act.tell(&study_key, revision, deployment.as_deref(), AuditAction::DeliveryRetried, text);
    act.commit().await
}
