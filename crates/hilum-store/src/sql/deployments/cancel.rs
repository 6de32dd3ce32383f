//! Work that is no longer wanted when a deployment stops, ends or goes back.

use crate::sql::act::Act;
use crate::sql::connection::{Value, values};
use crate::sql::jobs::end_without_run;
use crate::{DeliveryKey, JobKey, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_monitor::notice::Withheld;
use hilum_types::{Digest, Disposition, Reason};
use serde_json::json;
use std::collections::BTreeSet;

struct LiveJob {
    key: JobKey,
    is_delivery: bool,
    is_leased: bool,
    study_key: StudyKey,
    revision: u32,
    delivery_key: Option<DeliveryKey>,
}

/// Cancel every live `Infer` and `Deliver` job of a deployment; what they owed is `Withheld`. Says how many.
pub(in crate::sql) async fn cancel_work(
    act: &mut Act,
    deployment: &str,
    reason: &Reason,
) -> Result<Withheld, StoreError> {
    let jobs = live_jobs(act, "kind IN ('infer', 'deliver') AND deployment = $1", values![deployment]).await?;
    cancel(act, deployment, &jobs, reason).await
}

/// Cancel every live `Infer` job of a deployment; what was said already still goes out. Says how many.
pub(in crate::sql) async fn cancel_runs(
    act: &mut Act,
    deployment: &str,
    reason: &Reason,
) -> Result<Withheld, StoreError> {
    let jobs = live_jobs(act, "kind = 'infer' AND deployment = $1", values![deployment]).await?;
    cancel(act, deployment, &jobs, reason).await
}

/// Few deliveries are dead, and many results are of a version.
pub(in crate::sql) const WITHHOLD_DEAD: &str = "UPDATE delivery SET state = 'withheld', updated_at = $3, last_error = $4 WHERE state = 'dead' AND EXISTS \
     (SELECT 1 FROM result r JOIN inference i ON i.study_key = r.study_key AND i.revision = r.revision \
     AND i.deployment = r.deployment WHERE r.result_key = delivery.result_key AND r.deployment = $1 AND i.package = $2)";

/// Keep back what of one version of a deployment was released and not sent yet. Says how many deliveries.
pub(in crate::sql) async fn withhold_results(
    act: &mut Act,
    deployment: &str,
    package: &Digest,
    reason: &Reason,
) -> Result<Withheld, StoreError> {
    let of_version = "kind = 'deliver' AND deployment = $1 AND EXISTS (SELECT 1 FROM inference i \
                      WHERE i.study_key = job.study_key AND i.revision = job.revision AND i.deployment = job.deployment \
                      AND i.package = $2)";
    let jobs = live_jobs(act, of_version, values![deployment, *package]).await?;
    // What was given up is not to be tried again either.
    act.execute(WITHHOLD_DEAD, values![deployment, *package, act.now, reason.text.as_str()]).await?;
    cancel(act, deployment, &jobs, reason).await
}

async fn live_jobs(act: &mut Act, which: &str, values: Vec<Value>) -> Result<Vec<LiveJob>, StoreError> {
    let mut jobs = vec![];
    for row in act.rows(live(which), values).await? {
        jobs.push(LiveJob {
            key: row.parse("job_key")?,
            is_delivery: row.text("kind")? == "deliver",
            is_leased: row.text("state")? == "leased",
            study_key: row.parse("study_key")?,
            revision: row.number("revision")?,
            delivery_key: row.parse_or_none("delivery_key")?,
        });
    }
    jobs.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(jobs)
}

/// Without an order: asked for one by key, SQLite reads every job that ever was.
pub(in crate::sql) fn live(which: &str) -> String {
    format!(
        "SELECT job_key, kind, state, study_key, revision, delivery_key FROM job \
         WHERE {which} AND state IN ('queued', 'leased')"
    )
}

async fn cancel(act: &mut Act, deployment: &str, jobs: &[LiveJob], reason: &Reason) -> Result<Withheld, StoreError> {
    let mut withheld: BTreeSet<(StudyKey, u32)> = BTreeSet::new();
    for job in jobs {
        // Until when an attempt may still be running stays: a recall that follows has to wait for it.
        let sql = "UPDATE job SET state = 'cancelled', lease_owner = NULL, updated_at = $2, last_error = $3 \
                   WHERE job_key = $1";
        act.execute(sql, values![&job.key, act.now, reason.text.as_str()]).await?;
        if let Some(delivery_key) = &job.delivery_key {
            let sql = "UPDATE delivery SET state = 'withheld', updated_at = $2, last_error = $3 \
                       WHERE delivery_key = $1 AND state = 'queued'";
            act.execute(sql, values![delivery_key, act.now, reason.text.as_str()]).await?;
        }
        let detail = json!({ "deployment": deployment, "reason": reason.code });
        act.audit(AuditAction::JobCancelled, AuditSubject::new(SubjectKind::Job, &job.key), &detail);
        if !job.is_delivery || !crate::sql::work::any_delivered(act, &job.study_key, job.revision, deployment).await? {
            withheld.insert((job.study_key.clone(), job.revision));
        }
    }
    let ended = Disposition::Withheld(reason.clone());
    for (study_key, revision) in withheld {
        end_without_run(act, &study_key, revision, deployment, None, &ended).await?;
    }
    let n = |counts: fn(&LiveJob) -> bool| jobs.iter().filter(|job| counts(job)).count() as u64;
    Ok(Withheld {
        n_runs: n(|job| !job.is_delivery),
        n_deliveries: n(|job| job.is_delivery && !job.is_leased),
        n_sending: n(|job| job.is_delivery && job.is_leased),
    })
}
