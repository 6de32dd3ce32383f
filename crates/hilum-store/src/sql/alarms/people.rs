//! What people do with alarms, and what happens when they do nothing.

use super::read::{plan_of, severity_from, severity_name};
use crate::alarms::NotificationEvent;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::values;
use crate::{AlarmKey, StoreError};
use hilum_audit::{AuditAction, AuditSubject};
use hilum_monitor::alarm::{CauseCode, Escalation, escalate};
use hilum_types::Timestamp;
use serde_json::json;

pub(super) async fn alarm_acknowledge(
    catalog: &SqlCatalog,
    key: &AlarmKey,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "acknowledge an alarm", actor, now).await?;
    let sql = "UPDATE alarm SET acknowledged_at = $2, acknowledged_by = $3 \
               WHERE alarm_key = $1 AND acknowledged_at IS NULL AND closed_at IS NULL";
    if act.execute(sql, values![key, now, actor]).await? == 0 {
        return Err(StoreError::NotFound("open alarm"));
    }
    act.audit(AuditAction::AlarmAcknowledged, AuditSubject::system(), &json!({ "alarm": key }));
    act.commit().await
}

pub(super) async fn alarm_assign(
    catalog: &SqlCatalog,
    key: &AlarmKey,
    owner: &str,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "assign an alarm", actor, now).await?;
    let sql = "UPDATE alarm SET owner = $2 WHERE alarm_key = $1 AND closed_at IS NULL";
    if act.execute(sql, values![key, owner]).await? == 0 {
        return Err(StoreError::NotFound("alarm that is not closed"));
    }
    act.audit(AuditAction::AlarmAssigned, AuditSubject::system(), &json!({ "alarm": key, "owner": owner }));
    act.commit().await
}

/// Who closes an alarm that nobody acknowledged has seen it as well.
pub(super) async fn alarm_close(
    catalog: &SqlCatalog,
    key: &AlarmKey,
    cause: CauseCode,
    comment: &str,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "close an alarm", actor, now).await?;
    let sql = "UPDATE alarm SET closed_at = $2, closed_by = $3, cause = $4, comment = $5, \
               acknowledged_at = COALESCE(acknowledged_at, $2), acknowledged_by = COALESCE(acknowledged_by, $3) \
               WHERE alarm_key = $1 AND closed_at IS NULL";
    if act.execute(sql, values![key, now, actor, cause.name(), comment]).await? == 0 {
        return Err(StoreError::NotFound("alarm that is not closed"));
    }
    act.audit(AuditAction::AlarmClosed, AuditSubject::system(), &json!({ "alarm": key, "cause": cause.name() }));
    act.commit().await
}

pub(super) async fn alarm_escalate_due(catalog: &SqlCatalog, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
    const DUE: &str = "acknowledged_at IS NULL AND closed_at IS NULL AND due_at <= $1";
    // Asked often and seldom true: the one write lock is taken only when something is due.
    let sql = format!("SELECT 1 AS due FROM alarm WHERE {DUE} LIMIT 1");
    if catalog.database.row("look for alarms nobody answered", sql, values![now]).await?.is_none() {
        return Ok(0);
    }
    let mut act = Act::begin(&catalog.database, "pass alarms on", "system:alarm", now).await?;
    let sql = format!(
        "SELECT a.alarm_key, a.severity, a.level, a.due_at, d.spec FROM alarm a \
         LEFT JOIN deployment d ON d.name = a.deployment WHERE {DUE} ORDER BY a.due_at, a.alarm_key LIMIT $2"
    );
    let mut n_passed = 0;
    for row in act.rows(sql, values![now, limit]).await? {
        let key: AlarmKey = row.parse("alarm_key")?;
        let at = Escalation {
            severity: row.named("severity", severity_from)?,
            level: row.number("level")?,
            due_at: row.time("due_at")?,
        };
        let (plan, _) = row.json_or_none("spec")?.map(plan_of).unwrap_or_default();
        let Some(next) = escalate(&at, &plan, now) else { continue };
        let sql = "UPDATE alarm SET severity = $2, level = $3, due_at = $4 WHERE alarm_key = $1";
        act.execute(sql, values![&key, severity_name(next.severity), next.level, next.due_at]).await?;
        act.notify(&key, NotificationEvent::Escalated, next.level, &plan.contacts).await?;
        let detail = json!({ "alarm": key, "level": next.level, "severity": severity_name(next.severity) });
        act.audit(AuditAction::AlarmEscalated, AuditSubject::system(), &detail);
        n_passed += 1;
    }
    act.commit().await?;
    Ok(n_passed)
}
