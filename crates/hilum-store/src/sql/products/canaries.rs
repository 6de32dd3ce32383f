//! Runs of fixed cases (MV-15): which are due is decided elsewhere; here each begins once and ends once.

use crate::products::CanaryRun;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, values};
use crate::sql::deployments::current;
use crate::{JobKind, JobState, Lease, NewJob, Priority, StoreError};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_registry::DeploymentState;
use hilum_registry::canary::CanaryFinding;
use hilum_types::{Digest, Timestamp};
use serde_json::json;

fn dedup_key(deployment: &str, number: u32) -> String {
    format!("canary:{deployment}:{number}")
}

pub(super) async fn canary_begin(
    catalog: &SqlCatalog,
    deployment: &str,
    after: u32,
    caused_by: &str,
    as_baseline: bool,
    now: Timestamp,
) -> Result<Option<u32>, StoreError> {
    const WHAT: &str = "begin a canary run";
    let actor = if caused_by == "schedule" { "system:schedule" } else { caused_by };
    let mut act = Act::begin(&catalog.database, WHAT, actor, now).await?;
    let known = current(&mut act, deployment).await?.ok_or(StoreError::NotFound("deployment"))?;
    if known.state == DeploymentState::Retired {
        let why = format!("{deployment} is retired");
        return Err(StoreError::Refused { what: WHAT, why });
    }
    let sql = "SELECT MAX(number) AS number FROM canary_run WHERE deployment = $1";
    let row = act.row(sql, values![deployment]).await?;
    let last = row.map(|row| row.number_or_none::<u32>("number")).transpose()?.flatten().unwrap_or(0);
    let sql = "SELECT 1 AS live FROM job WHERE dedup_key = $1 AND state IN ('queued', 'leased')";
    if last != after || act.row(sql, values![dedup_key(deployment, last).as_str()]).await?.is_some() {
        return Ok(None);
    }
    let number = last + 1;
    let sql = "INSERT INTO canary_run (deployment, number, caused_by, started_at) VALUES ($1,$2,$3,$4)";
    act.execute(sql, values![deployment, number, caused_by, now]).await?;
    let job = NewJob {
        kind: JobKind::Canary,
        dedup_key: dedup_key(deployment, number),
        study_key: None,
        revision: None,
        deployment: Some(deployment.to_owned()),
        delivery_key: None,
        payload: json!({ "number": number, "as_baseline": as_baseline }),
        priority: Priority::BACKGROUND,
        due_at: now,
    };
    act.enqueue(&job).await?;
    let detail = json!({ "number": number, "caused_by": caused_by });
    act.audit(AuditAction::CanaryBegun, AuditSubject::new(SubjectKind::Deployment, deployment), &detail);
    act.commit().await?;
    Ok(Some(number))
}

pub(super) async fn canary_end(
    catalog: &SqlCatalog,
    lease: &Lease,
    number: u32,
    result: Option<(CanaryFinding, &Digest)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "end a canary run", "system:worker", now).await?;
    let job = act.held(lease).await?;
    let (JobKind::Canary, Some(deployment)) = (job.kind, job.deployment) else {
        return Err(StoreError::Misuse("the lease is not for a canary run".into()));
    };
    let (finding, record) = (result.map(|(finding, _)| finding.name()), result.map(|(_, record)| record.to_string()));
    let sql = "UPDATE canary_run SET ended_at = $3, finding = $4, record = $5 WHERE deployment = $1 AND number = $2";
    act.execute(sql, values![deployment.as_str(), number, now, finding, record]).await?;
    act.end_job(lease, JobState::Done, None).await?;
    let detail = json!({ "number": number, "finding": finding, "record": result.map(|(_, record)| record) });
    act.audit(AuditAction::CanaryEnded, AuditSubject::new(SubjectKind::Deployment, &deployment), &detail);
    act.commit().await
}

pub(super) async fn canary_runs(
    catalog: &SqlCatalog,
    deployment: Option<&str>,
    limit: u32,
) -> Result<Vec<CanaryRun>, StoreError> {
    // Of one deployment the highest number is the newest, whatever its clock said; only between them the time must do.
    let order = if deployment.is_some() { "number DESC" } else { "started_at DESC, deployment, number DESC" };
    let sql = format!(
        "SELECT deployment, number, caused_by, started_at, ended_at, finding, record FROM canary_run \
         WHERE deployment = COALESCE($1, deployment) ORDER BY {order} LIMIT $2"
    );
    let rows = catalog.database.rows("list canary runs", sql, values![deployment, limit]).await?;
    let run = |row: &Row| {
        let finding = row.text_or_none("finding")?;
        let known = |name: &String| {
            CanaryFinding::from_name(name).ok_or(StoreError::DamagedRow { column: "canary_run.finding" })
        };
        Ok(CanaryRun {
            deployment: row.text("deployment")?,
            number: row.number("number")?,
            caused_by: row.text("caused_by")?,
            started_at: row.time("started_at")?,
            ended_at: row.time_or_none("ended_at")?,
            finding: finding.as_ref().map(known).transpose()?,
            record: row.parse_or_none("record")?,
        })
    };
    rows.iter().map(run).collect()
}
