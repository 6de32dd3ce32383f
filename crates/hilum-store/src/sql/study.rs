//! Study completeness: state in the catalog, not a timer in memory (architecture section 4).

use super::SqlCatalog;
use super::act::Act;
use super::connection::values;
use super::deployments::IN_SERVICE;
use crate::records::CompletedBy;
use crate::{JobKind, NewJob, Priority, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_types::{Digest, Timestamp, Uid};
use serde_json::json;

struct DueStudy {
    key: StudyKey,
    revision: u32,
    n_instances: u32,
    n_expected: Option<u32>,
}

pub(super) async fn study_complete_due(
    catalog: &SqlCatalog,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(StudyKey, u32)>, StoreError> {
    const WHAT: &str = "complete studies";
    // Nothing is due later than one quiet time from now, unless the clock went back since.
    let latest = now.plus_seconds(i64::from(catalog.options.quiet_seconds));
    let sql = "SELECT 1 AS due FROM study WHERE due_at IS NOT NULL AND (due_at <= $1 OR $2 < due_at) LIMIT 1";
    if catalog.database.row(WHAT, sql, values![now, latest]).await?.is_none() {
        return Ok(vec![]);
    }
    let mut act = Act::begin(&catalog.database, WHAT, "system:intake", now).await?;
    let n_rearmed = act.execute("UPDATE study SET due_at = $1 WHERE $1 < due_at", values![latest]).await?;
    if 0 < n_rearmed {
        let detail = json!({ "what": "clock went back", "n_studies": n_rearmed });
        act.audit(AuditAction::SecurityAlert, AuditSubject::system(), &detail);
    }
    let sql = "SELECT study_key, revision, n_instances, n_instances_expected FROM study \
               WHERE due_at <= $1 ORDER BY due_at, study_key LIMIT $2";
    let mut completed = vec![];
    for row in act.rows(sql, values![now, limit]).await? {
        let study = DueStudy {
            key: row.parse("study_key")?,
            revision: row.number("revision")?,
            n_instances: row.number("n_instances")?,
            n_expected: row.number_or_none("n_instances_expected")?,
        };
        let all_there = study.n_expected.is_some_and(|n| n <= study.n_instances);
        let completed_by = if all_there { CompletedBy::ExpectedCount } else { CompletedBy::QuietTime };
        complete(&mut act, &study, completed_by).await?;
        completed.push((study.key, study.revision));
    }
    act.commit().await?;
    Ok(completed)
}

pub(super) async fn study_complete(
    catalog: &SqlCatalog,
    key: &StudyKey,
    actor: &str,
    now: Timestamp,
) -> Result<u32, StoreError> {
    let mut act = Act::begin(&catalog.database, "complete a study", actor, now).await?;
    let sql = "SELECT revision, n_instances, due_at FROM study WHERE study_key = $1";
    let row = act.row(sql, values![key]).await?.ok_or(StoreError::NotFound("study"))?;
    let revision = row.number("revision")?;
    if row.time_or_none("due_at")?.is_some() {
        let study = DueStudy { key: key.clone(), revision, n_instances: row.number("n_instances")?, n_expected: None };
        complete(&mut act, &study, CompletedBy::Signal).await?;
        act.commit().await?;
    }
    Ok(revision)
}

/// Revision, books and exactly one `Evaluate` job.
async fn complete(act: &mut Act, study: &DueStudy, completed_by: CompletedBy) -> Result<(), StoreError> {
    let DueStudy { key, revision, n_instances, .. } = study;
    let instance_set = instance_set(act, key).await?;
    let day = act.now.day();
    let sql = "INSERT INTO study_revision (study_key, revision, instance_set, n_instances, completed_by, \
               completed_at, day) VALUES ($1,$2,$3,$4,$5,$6,$7)";
    let values = values![key, *revision, instance_set, *n_instances, completed_by.name(), act.now, day.as_str()];
    act.execute(sql, values).await?;
    let sql = format!(
        "INSERT INTO arrival (study_key, revision, deployment, day) \
         SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), name, CAST($3 AS TEXT) FROM deployment WHERE state IN {IN_SERVICE}"
    );
    act.execute(sql, values![key, *revision, day]).await?;
    let sql = "UPDATE study SET state = 'complete', due_at = NULL WHERE study_key = $1";
    act.execute(sql, values![key]).await?;
    let job = NewJob {
        kind: JobKind::Evaluate,
        dedup_key: format!("evaluate:{key}:{revision}"),
        study_key: Some(key.clone()),
        revision: Some(*revision),
        deployment: None,
        delivery_key: None,
        payload: json!({}),
        priority: Priority::ROUTINE,
        due_at: act.now,
    };
    act.enqueue(&job).await?;
    let detail = json!({
        "revision": revision, "instance_set": instance_set, "n_instances": n_instances,
        "completed_by": completed_by.name(),
    });
    act.audit(AuditAction::StudyCompleted, AuditSubject::new(SubjectKind::Study, key), &detail);
    let text = match completed_by {
        CompletedBy::QuietTime => format!("complete with {n_instances} images: nothing more came"),
        CompletedBy::ExpectedCount => format!("complete: all {n_instances} announced images are there"),
        CompletedBy::Signal => format!("complete with {n_instances} images: it was said so"),
    };
    act.tell(key, *revision, None, AuditAction::StudyCompleted, text);
    Ok(())
}

/// Digest over the sorted current instances: a line `<SOP Instance UID> <blob digest>` each.
async fn instance_set(act: &mut Act, key: &StudyKey) -> Result<Digest, StoreError> {
    let sql = "SELECT sop_instance_uid, blob FROM instance WHERE study_key = $1 AND version = 1";
    let mut lines = vec![];
    for row in act.rows(sql, values![key]).await? {
        lines.push(format!("{} {}\n", row.text("sop_instance_uid")?, row.text("blob")?));
    }
    lines.sort_unstable();
    Ok(Digest::of(lines.concat().as_bytes()))
}

pub(super) async fn study_expect(
    catalog: &SqlCatalog,
    study_instance_uid: &Uid,
    n_instances: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "announce a number of instances", "system:intake", now).await?;
    let sql = "INSERT INTO study_announced (study_instance_uid, n_instances) VALUES ($1,$2) \
               ON CONFLICT (study_instance_uid) DO UPDATE SET n_instances = excluded.n_instances";
    act.execute(sql, values![study_instance_uid, n_instances]).await?;
    let sql = "UPDATE study SET n_instances_expected = $2, \
               due_at = CASE WHEN due_at IS NOT NULL AND $2 <= n_instances THEN $3 ELSE due_at END \
               WHERE study_instance_uid = $1";
    act.execute(sql, values![study_instance_uid, n_instances, now]).await?;
    act.commit().await
}

pub(super) async fn study_next_due(catalog: &SqlCatalog) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT MIN(due_at) AS due_at FROM study WHERE due_at IS NOT NULL";
    let row = catalog.database.row("look for the next study that is due", sql, vec![]).await?;
    row.map(|row| row.time_or_none("due_at")).transpose().map(Option::flatten)
}
