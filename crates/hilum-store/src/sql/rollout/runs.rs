//! Which version answered for a study, and what each said.

use crate::queue::Priority;
use crate::records::NewAssignment;
use crate::rollout::{EndedRun, PairedRun, StudyAssignment};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, json_text, values};
use crate::{StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_gate::Assignment;
use hilum_types::{Digest, Timestamp};
use serde_json::json;

/// Keep which side answers for a study revision, inside an act. What was recorded first stays.
pub(in crate::sql) async fn record_assignments(
    act: &mut Act,
    study_key: &StudyKey,
    revision: u32,
    assignments: &[NewAssignment],
) -> Result<(), StoreError> {
    for NewAssignment { family, limited, assignment } in assignments {
        let sql = "INSERT INTO assignment (study_key, revision, family, limited, to_limited, reason, assigned_at) \
                   VALUES ($1,$2,$3,$4,$5,$6,$7) ON CONFLICT (study_key, revision, family) DO NOTHING";
        let reason = json_text(&assignment.reason)?;
        let columns = values![
            study_key,
            revision,
            family.as_str(),
            limited.as_str(),
            i64::from(assignment.to_limited),
            reason,
            act.now,
        ];
        if act.execute(sql, columns).await? == 0 {
            continue;
        }
        let detail = json!({
            "revision": revision, "family": family, "limited": limited, "to_limited": assignment.to_limited,
            "reason": assignment.reason.code,
        });
        act.audit(AuditAction::StudyAssigned, AuditSubject::new(SubjectKind::Study, study_key), &detail);
        act.tell(study_key, revision, Some(limited), AuditAction::StudyAssigned, assignment.reason.text.as_str());
    }
    Ok(())
}

pub(super) async fn study_assignments(
    catalog: &SqlCatalog,
    study_key: &StudyKey,
) -> Result<Vec<StudyAssignment>, StoreError> {
    let sql = "SELECT revision, family, limited, to_limited, reason FROM assignment WHERE study_key = $1 \
               ORDER BY revision, family";
    let rows = catalog.database.rows("read the assignments of a study", sql, values![study_key]).await?;
    let assignment = |row: &Row| {
        Ok(StudyAssignment {
            revision: row.number("revision")?,
            family: row.text("family")?,
            limited: row.text("limited")?,
            assignment: Assignment { to_limited: row.int("to_limited")? != 0, reason: row.json("reason")? },
        })
    };
    rows.iter().map(assignment).collect()
}

/// SQLite takes the index of live jobs only for a condition that repeats its own word by word.
pub(in crate::sql) const SHADOW_WAITING: &str = "SELECT COUNT(CASE WHEN state = 'queued' THEN 1 END) AS n FROM job WHERE deployment = $1 AND kind = 'infer' \
     AND state IN ('queued', 'leased') AND priority < $2";

pub(super) async fn shadow_waiting(catalog: &SqlCatalog, deployment: &str) -> Result<u64, StoreError> {
    let Priority(routine) = Priority::ROUTINE;
    let columns = values![deployment, i64::from(routine)];
    let row = catalog.database.row("count waiting shadow runs", SHADOW_WAITING, columns).await?;
    row.map(|row| row.number("n")).transpose().map(Option::unwrap_or_default)
}

pub(super) async fn results_released(
    catalog: &SqlCatalog,
    study_key: &StudyKey,
    revision: u32,
    deployment: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS found FROM result WHERE study_key = $1 AND revision = $2 AND deployment = $3 \
               AND released = 1 LIMIT 1";
    let found =
        catalog.database.row("look for released results", sql, values![study_key, revision, deployment]).await?;
    Ok(found.is_some())
}

pub(super) async fn runs_ended(
    catalog: &SqlCatalog,
    deployment: &str,
    package: &Digest,
    limit: u32,
) -> Result<Vec<EndedRun>, StoreError> {
    // A failed run may have no record, so it counts for the package that was in force when it failed.
    let since = "SELECT COALESCE(MIN(c.changed_at), 0) FROM deployment_change c WHERE c.name = $1 AND c.package = $2 \
                 AND c.revision > COALESCE((SELECT MAX(o.revision) FROM deployment_change o WHERE o.name = $1 \
                 AND o.package <> $2), 0)";
    let sql = format!(
        "SELECT d.disposition, i.package, i.started_at, i.finished_at FROM disposition d LEFT JOIN inference i \
         ON i.study_key = d.study_key AND i.revision = d.revision AND i.deployment = d.deployment \
         WHERE d.deployment = $1 AND d.disposition IN ('analysed', 'failed') AND (i.package IS NULL OR i.package = $2) \
         AND d.decided_at >= ({since}) ORDER BY d.decided_at DESC LIMIT $3"
    );
    let rows = catalog.database.rows("read the latest runs", sql, values![deployment, *package, limit]).await?;
    let run = |row: &Row| {
        let times = row.time_or_none("started_at")?.zip(row.time_or_none("finished_at")?);
        Ok(EndedRun {
            package: row.parse_or_none("package")?,
            disposition: row.text("disposition")?,
            seconds: times.map(seconds),
            record: None,
        })
    };
    rows.iter().map(run).collect()
}

fn seconds((started, finished): (Timestamp, Timestamp)) -> f64 {
    finished.micros_since(started).max(0) as f64 / 1e6
}

pub(super) async fn runs_paired(
    catalog: &SqlCatalog,
    first: &str,
    second: &str,
    from: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<PairedRun>, StoreError> {
    let sql = "SELECT a.study_key, a.revision, a.disposition AS a_disposition, b.disposition AS b_disposition, \
               x.package AS a_package, x.record AS a_record, x.started_at AS a_started, x.finished_at AS a_finished, \
               y.package AS b_package, y.record AS b_record, y.started_at AS b_started, y.finished_at AS b_finished \
               FROM disposition a JOIN disposition b ON b.study_key = a.study_key AND b.revision = a.revision \
               AND b.deployment = $2 \
               LEFT JOIN inference x ON x.study_key = a.study_key AND x.revision = a.revision AND x.deployment = $1 \
               LEFT JOIN inference y ON y.study_key = a.study_key AND y.revision = a.revision AND y.deployment = $2 \
               WHERE a.deployment = $1 AND a.decided_at >= $3 AND a.decided_at < $4 \
               ORDER BY a.study_key, a.revision LIMIT $5";
    let columns = values![first, second, from, until, limit];
    let rows = catalog.database.rows("pair the runs of two deployments", sql, columns).await?;
    rows.iter().map(pair_from).collect()
}

fn pair_from(row: &Row) -> Result<PairedRun, StoreError> {
    let times = |started, finished| -> Result<Option<f64>, StoreError> {
        Ok(row.time_or_none(started)?.zip(row.time_or_none(finished)?).map(seconds))
    };
    Ok(PairedRun {
        study_key: row.parse("study_key")?,
        revision: row.number("revision")?,
        first: EndedRun {
            package: row.parse_or_none("a_package")?,
            disposition: row.text("a_disposition")?,
            seconds: times("a_started", "a_finished")?,
            record: row.json_or_none("a_record")?,
        },
        second: EndedRun {
            package: row.parse_or_none("b_package")?,
            disposition: row.text("b_disposition")?,
            seconds: times("b_started", "b_finished")?,
            record: row.json_or_none("b_record")?,
        },
    })
}
