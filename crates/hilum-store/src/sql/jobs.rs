//! The queue.

use super::SqlCatalog;
use super::act::{Act, HeldJob};
use super::connection::{Database, Row, Value, in_list, values};
use super::monitoring::{Ended, enter_observation};
use crate::records::DeliveryOutcome;
use crate::{Job, JobFilter, JobKind, JobState, Lease, NewJob, Priority, Queue, QueueDepth, StoreError, StudyKey};
use async_trait::async_trait;
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_types::{Digest, Disposition, Reason, Timestamp};
use serde_json::json;

/// What was scheduled further in the future than this cannot be: the clock went back since. Clocks of machines that
/// share a catalog must agree better than this.
const CLOCK_TOLERANCE_SECONDS: i64 = 60;

pub(super) const JOB_COLUMNS: &str = "job_key, kind, study_key, revision, deployment, delivery_key, payload, \
     priority, state, attempts, due_at, lease_owner, lease_until, last_error, created_at, updated_at";

pub(super) fn job_from(row: &Row) -> Result<Job, StoreError> {
    Ok(Job {
        key: row.parse("job_key")?,
        kind: row.named("kind", JobKind::from_name)?,
        study_key: row.parse_or_none("study_key")?,
        revision: row.number_or_none("revision")?,
        deployment: row.text_or_none("deployment")?,
        delivery_key: row.parse_or_none("delivery_key")?,
        payload: row.json("payload")?,
        priority: Priority(row.number("priority")?),
        state: row.named("state", JobState::from_name)?,
        attempts: row.number("attempts")?,
        due_at: row.time("due_at")?,
        lease_owner: row.text_or_none("lease_owner")?,
        lease_until: row.time_or_none("lease_until")?,
        last_error: row.text_or_none("last_error")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// Which jobs may be leased: `$1` is now, `$2` the moment that `updated_at` cannot be later than. A run that goes after
/// another one waits until that one has ended.
fn ready(values: &mut Vec<Value>, kinds: &[JobKind], Priority(lowest): Priority) -> String {
    let kinds = in_list(values, kinds.iter().map(|kind| kind.name().into()));
    format!(
        "state IN ('queued', 'leased') AND kind IN {kinds} AND {lowest} <= priority AND \
         (($2 < updated_at) OR (state = 'queued' AND due_at <= $1) OR (state = 'leased' AND lease_until <= $1)) AND \
         (goes_after IS NULL OR NOT EXISTS (SELECT 1 FROM job first WHERE first.study_key = job.study_key \
         AND first.revision = job.revision AND first.deployment = job.goes_after AND first.kind = 'infer' \
         AND first.state IN ('queued', 'leased')))"
    )
}

impl SqlCatalog {
    /// Take the most urgent due job of these kinds that is at least as urgent as `lowest`.
    pub(super) async fn lease(
        &self,
        kinds: &[JobKind],
        lowest: Priority,
        owner: &str,
        now: Timestamp,
        lease_seconds: u32,
    ) -> Result<Option<Job>, StoreError> {
        const WHAT: &str = "lease a job";
        let latest = now.plus_seconds(CLOCK_TOLERANCE_SECONDS);
        if let Database::Sqlite { .. } = self.database {
            // An idle worker asks often; it must not take SQLite's one write lock for that.
            let mut values = values![now, latest];
            let sql = format!("SELECT 1 AS due FROM job WHERE {} LIMIT 1", ready(&mut values, kinds, lowest));
            if self.database.row(WHAT, sql, values).await?.is_none() {
                return Ok(None);
            }
        }
        let mut tx = self.database.begin(WHAT).await?;
        let mut values = values![now, latest, owner, now.plus_seconds(lease_seconds.into())];
        let ready = ready(&mut values, kinds, lowest);
        let skip = if tx.is_postgres() { "FOR UPDATE SKIP LOCKED" } else { "" };
        let sql = format!(
            "UPDATE job SET state = 'leased', attempts = attempts + 1, lease_owner = $3, lease_until = $4, \
             package = CASE WHEN state = 'leased' THEN package \
             ELSE (SELECT d.package FROM deployment d WHERE d.name = job.deployment) END, updated_at = $1 WHERE job_key = (SELECT job_key FROM job WHERE {ready} \
             ORDER BY priority DESC, due_at, job_key LIMIT 1 {skip}) RETURNING {JOB_COLUMNS}"
        );
        let job = tx.row(WHAT, sql, values).await?.map(|row| job_from(&row)).transpose()?;
        tx.commit(WHAT).await?;
        Ok(job)
    }

    /// A statement about one leased job, outside any act. Refused when the lease is lost.
    async fn with_lease(&self, what: &'static str, sql: &str, values: Vec<Value>) -> Result<(), StoreError> {
        let mut tx = self.database.begin(what).await?;
        let n_changed = tx.execute(what, sql, values).await?;
        if n_changed == 0 {
            return Err(StoreError::LeaseLost);
        }
        tx.commit(what).await
    }
}

#[async_trait]
impl Queue for SqlCatalog {
    async fn job_enqueue(&self, job: NewJob, now: Timestamp) -> Result<bool, StoreError> {
        let mut act = Act::begin(&self.database, "enqueue a job", "system:queue", now).await?;
        let is_new = act.enqueue(&job).await?;
        act.commit().await?;
        Ok(is_new)
    }

    async fn job_lease(
        &self,
        kinds: &[JobKind],
        owner: &str,
        now: Timestamp,
        lease_seconds: u32,
    ) -> Result<Option<Job>, StoreError> {
        self.lease(kinds, Priority(i32::MIN), owner, now, lease_seconds).await
    }

    async fn job_heartbeat(&self, lease: &Lease, now: Timestamp, lease_seconds: u32) -> Result<(), StoreError> {
        let sql = "UPDATE job SET lease_until = $3, updated_at = $4 \
                   WHERE job_key = $1 AND attempts = $2 AND state = 'leased'";
        let until = now.plus_seconds(lease_seconds.into());
        self.with_lease("hold a job", sql, values![&lease.job, lease.attempt, until, now]).await
    }

    async fn job_complete(&self, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE job SET state = 'done', lease_owner = NULL, lease_until = NULL, updated_at = $3 \
                   WHERE job_key = $1 AND attempts = $2 AND state = 'leased'";
        self.with_lease("finish a job", sql, values![&lease.job, lease.attempt, now]).await
    }

    async fn job_retry(&self, lease: &Lease, due_at: Timestamp, error: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE job SET state = 'queued', lease_owner = NULL, lease_until = NULL, due_at = $3, \
                   last_error = $4, updated_at = $5 WHERE job_key = $1 AND attempts = $2 AND state = 'leased'";
        self.with_lease("give a job back", sql, values![&lease.job, lease.attempt, due_at, error, now]).await
    }

    async fn job_wait(&self, lease: &Lease, due_at: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let mut act = Act::begin(&self.database, "let a job wait", "system:worker", now).await?;
        act.wait(lease, due_at).await?;
        act.commit().await
    }

    async fn job_dead(&self, lease: &Lease, reason: &Reason, now: Timestamp) -> Result<(), StoreError> {
        let mut act = Act::begin(&self.database, "give a job up", "system:worker", now).await?;
        let job = act.held(lease).await?;
        if job.kind == JobKind::Deliver {
            let outcome = DeliveryOutcome::Dead { error: reason.text.clone() };
            super::work::end_delivery(&mut act, lease, &job, &outcome).await?;
        } else {
            fail_job(&mut act, lease, &job, reason).await?;
        }
        act.commit().await
    }

    async fn job_list(&self, filter: &JobFilter, limit: u32) -> Result<Vec<Job>, StoreError> {
        let mut values = vec![];
        let mut conditions = vec!["1 = 1".to_owned()];
        if !filter.kinds.is_empty() {
            let list = in_list(&mut values, filter.kinds.iter().map(|kind| kind.name().into()));
            conditions.push(format!("kind IN {list}"));
        }
        if !filter.states.is_empty() {
            let list = in_list(&mut values, filter.states.iter().map(|state| state.name().into()));
            conditions.push(format!("state IN {list}"));
        }
        if let Some(key) = &filter.study_key {
            values.push(key.into());
            conditions.push(format!("study_key = ${}", values.len()));
        }
        if let Some(deployment) = &filter.deployment {
            values.push(deployment.as_str().into());
            conditions.push(format!("deployment = ${}", values.len()));
        }
        values.push(limit.into());
        let sql = format!(
            "SELECT {JOB_COLUMNS} FROM job WHERE {} ORDER BY job_key DESC LIMIT ${}",
            conditions.join(" AND "),
            values.len()
        );
        let rows = self.database.rows("list jobs", sql, values).await?;
        rows.iter().map(job_from).collect()
    }

    async fn queue_depth(&self) -> Result<Vec<QueueDepth>, StoreError> {
        let sql = "SELECT kind, state, COUNT(*) AS n_jobs, MIN(due_at) AS due_at FROM job \
                   GROUP BY kind, state ORDER BY kind, state";
        let rows = self.database.rows("count jobs", sql, vec![]).await?;
        let depth = |row: &Row| {
            Ok(QueueDepth {
                kind: row.named("kind", JobKind::from_name)?,
                state: row.named("state", JobState::from_name)?,
                n_jobs: row.number("n_jobs")?,
                oldest_due_at: row.time_or_none("due_at")?,
            })
        };
        rows.iter().map(depth).collect()
    }
}

/// Give up a job that decides or computes: every disposition it still owed becomes `Failed`.
async fn fail_job(act: &mut Act, lease: &Lease, job: &HeldJob, reason: &Reason) -> Result<(), StoreError> {
    act.end_job(lease, JobState::Dead, Some(&reason.text)).await?;
    let detail = json!({ "kind": job.kind.name(), "reason": reason.code, "attempts": lease.attempt });
    act.audit(AuditAction::JobDead, AuditSubject::new(SubjectKind::Job, &lease.job), &detail);
    let text = format!("a job of kind {} was given up: {}", job.kind.name(), reason.text);
    act.alarm("job-dead", &text, job.study_key.as_ref(), job.deployment.as_deref()).await?;
    let (Some(study_key), Some(revision)) = (&job.study_key, job.revision) else {
        return Ok(());
    };
    act.tell(study_key, revision, job.deployment.as_deref(), AuditAction::JobDead, text);
    let failed = Disposition::Failed(reason.clone());
    match &job.deployment {
        Some(deployment) => end_without_run(act, study_key, revision, deployment, job.package, &failed).await,
        None => {
            for deployment in owed(act, study_key, revision).await? {
                end_without_run(act, study_key, revision, &deployment, None, &failed).await?;
            }
            Ok(())
        }
    }
}

/// End a study revision that nothing will be measured of any more: what its rules count, they count here too. `package` is
/// the version that answers for it; `None`: the one in use.
pub(super) async fn end_without_run(
    act: &mut Act,
    study_key: &StudyKey,
    revision: u32,
    deployment: &str,
    package: Option<Digest>,
    disposition: &Disposition,
) -> Result<(), StoreError> {
    act.dispose(study_key, revision, deployment, disposition).await?;
    let ended = Ended { study_key, revision, deployment, package, disposition, visible: false };
    enter_observation(act, &ended, None).await
}

/// Deployments that owe a disposition for the revision and have no job that will bring it.
pub(super) async fn owed(act: &mut Act, study_key: &StudyKey, revision: u32) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT a.deployment FROM arrival a WHERE a.study_key = $1 AND a.revision = $2 \
               AND NOT EXISTS (SELECT 1 FROM disposition d WHERE d.study_key = a.study_key \
                   AND d.revision = a.revision AND d.deployment = a.deployment) \
               AND NOT EXISTS (SELECT 1 FROM job j WHERE j.study_key = a.study_key AND j.revision = a.revision \
                   AND j.deployment = a.deployment AND j.kind = 'infer' AND j.state IN ('queued', 'leased')) \
               ORDER BY a.deployment";
    let rows = act.rows(sql, values![study_key, revision]).await?;
    rows.iter().map(|row| row.text("deployment")).collect()
}
