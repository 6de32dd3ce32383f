//! The outbox of messages about alarms, and about changes of deployments.

use super::read::{COLUMNS, alarm_from};
use crate::alarms::{About, Notification, NotificationEvent, NotificationOutcome};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, json_text, values};
use crate::{AlarmKey, NotificationKey, StoreError};
use hilum_audit::{AuditAction, AuditEvent, AuditOutcome, AuditSubject, SubjectKind};
use hilum_monitor::notice::Notice;
use hilum_types::Timestamp;
use serde_json::json;

const TAKE: &str = "take messages about alarms";

/// What was taken further in the future than this cannot be: the clock went back since.
const CLOCK_TOLERANCE_SECONDS: i64 = 3600;

fn notification_columns() -> String {
    format!(
        "n.notification_key, n.notice, n.event, n.level AS n_level, n.contacts, n.state, n.channels_done, n.attempts, \
         n.last_error, n.created_at, {COLUMNS}"
    )
}

fn notification_from(row: &Row) -> Result<Notification, StoreError> {
    let about = match row.json_or_none("notice")? {
        Some(notice) => About::Change(Box::new(notice)),
        None => About::Alarm(Box::new(alarm_from(row)?)),
    };
    Ok(Notification {
        key: row.parse("notification_key")?,
        about,
        event: row.named("event", NotificationEvent::from_name)?,
        level: row.number("n_level")?,
        contacts: row.json("contacts")?,
        state: row.text("state")?,
        channels_done: row.json("channels_done")?,
        attempts: row.number("attempts")?,
        last_error: row.text_or_none("last_error")?,
        created_at: row.time("created_at")?,
    })
}

impl Act {
    /// Enter a message to those who receive the results of a deployment.
    pub(in crate::sql) async fn notify_destinations(&mut self, notice: &Notice) -> Result<(), StoreError> {
        let sql = "INSERT INTO notification (notification_key, notice, event, level, contacts, state, channels_done, \
                   attempts, due_at, created_at) VALUES ($1,$2,$3,0,'[]','queued','[]',0,$4,$4)";
        let key = NotificationKey::fresh(self.now);
        let values = values![&key, json_text(notice)?, NotificationEvent::Changed.name(), self.now];
        self.execute(sql, values).await?;
        Ok(())
    }
}

pub(super) async fn notification_take(
    catalog: &SqlCatalog,
    now: Timestamp,
    hold_seconds: u32,
    limit: u32,
) -> Result<Vec<Notification>, StoreError> {
    let latest = now.plus_seconds(i64::from(hold_seconds) + CLOCK_TOLERANCE_SECONDS);
    let sql = "SELECT 1 AS due FROM notification WHERE state = 'queued' AND (due_at <= $1 OR $2 < due_at) LIMIT 1";
    if catalog.database.row(TAKE, sql, values![now, latest]).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut tx = catalog.database.begin(TAKE).await?;
    let lock = if tx.is_postgres() { "FOR UPDATE OF n SKIP LOCKED" } else { "" };
    let sql = format!(
        "SELECT {} FROM notification n LEFT JOIN alarm a ON a.alarm_key = n.alarm_key WHERE n.state = 'queued' \
         AND (n.due_at <= $1 OR $2 < n.due_at) ORDER BY n.due_at, n.notification_key LIMIT $3 {lock}",
        notification_columns()
    );
    let rows = tx.rows(TAKE, sql, values![now, latest, limit]).await?;
    let mut taken = rows.iter().map(notification_from).collect::<Result<Vec<_>, _>>()?;
    for notification in &mut taken {
        notification.attempts += 1;
        let sql = "UPDATE notification SET attempts = attempts + 1, due_at = $2 WHERE notification_key = $1";
        let until = now.plus_seconds(hold_seconds.into());
        tx.execute(TAKE, sql, values![&notification.key, until]).await?;
    }
    tx.commit(TAKE).await?;
    Ok(taken)
}

pub(super) async fn notification_hold(
    catalog: &SqlCatalog,
    key: &NotificationKey,
    hold_seconds: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    const WHAT: &str = "hold a message about an alarm";
    let mut tx = catalog.database.begin(WHAT).await?;
    let sql = "UPDATE notification SET due_at = $2 WHERE notification_key = $1 AND state = 'queued'";
    tx.execute(WHAT, sql, values![key, now.plus_seconds(hold_seconds.into())]).await?;
    tx.commit(WHAT).await
}

pub(super) async fn notification_channel_done(
    catalog: &SqlCatalog,
    key: &NotificationKey,
    channel: &str,
) -> Result<(), StoreError> {
    const WHAT: &str = "note that a message was taken";
    let mut tx = catalog.database.begin(WHAT).await?;
    // Several channels of a message answer at once, and none takes the answer of another one away.
    let lock = if tx.is_postgres() { "FOR UPDATE" } else { "" };
    let sql = format!("SELECT channels_done FROM notification WHERE notification_key = $1 {lock}");
    let row = tx.row(WHAT, sql, values![key]).await?.ok_or(StoreError::NotFound("notification"))?;
    let mut done: Vec<String> = row.json("channels_done")?;
    if !done.iter().any(|known| known == channel) {
        done.push(channel.to_owned());
    }
    let sql = "UPDATE notification SET channels_done = $2 WHERE notification_key = $1";
    tx.execute(WHAT, sql, values![key, json_text(&done)?]).await?;
    tx.commit(WHAT).await
}

pub(super) async fn notification_end(
    catalog: &SqlCatalog,
    key: &NotificationKey,
    outcome: &NotificationOutcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "end a message", "system:notify", now).await?;
    let sql = "SELECT n.alarm_key, n.notice, a.code, a.deployment FROM notification n \
               LEFT JOIN alarm a ON a.alarm_key = n.alarm_key WHERE n.notification_key = $1 AND n.state = 'queued'";
    let row = act.row(sql, values![key]).await?.ok_or(StoreError::NotFound("queued notification"))?;
    let notice: Option<Notice> = row.json_or_none("notice")?;
    let (state, due_at, error) = match outcome {
        NotificationOutcome::Sent => ("sent", None, None),
        NotificationOutcome::Nobody => ("nobody", None, None),
        NotificationOutcome::Retry { due_at, error } => ("queued", Some(*due_at), Some(error.as_str())),
        NotificationOutcome::Dead { error } => ("dead", None, Some(error.as_str())),
    };
    let ended_at = (state != "queued").then_some(now);
    let sql = "UPDATE notification SET state = $2, due_at = COALESCE($3, due_at), last_error = COALESCE($4, last_error), \
               ended_at = $5 WHERE notification_key = $1";
    act.execute(sql, values![key, state, due_at, error, ended_at]).await?;
    // Most destinations name nobody, and then nothing happened that a record could be needed of.
    if state == "queued" || (state == "nobody" && notice.is_some()) {
        return act.commit().await;
    }
    let (subject, detail, untold, deployment) = match notice {
        Some(notice) => {
            let name = notice.deployment;
            let untold = format!("not everybody who receives results of {name} could be told that it changed");
            let detail = json!({ "change": notice.change, "notification": key, "state": state });
            (AuditSubject::new(SubjectKind::Deployment, &name), detail, untold, Some(name))
        }
        None => {
            let (alarm, code): (AlarmKey, String) = (row.parse("alarm_key")?, row.text("code")?);
            let untold = format!("nobody could be told of an alarm with the code {code}");
            let detail = json!({ "alarm": alarm, "notification": key, "state": state });
            let deployment = Some(row.text("deployment")?).filter(|name| !name.is_empty());
            (AuditSubject::system(), detail, untold, deployment)
        }
    };
    let event = AuditEvent::new(now, "system:notify", AuditAction::AlarmNotified, subject);
    let worst = if state == "dead" { AuditOutcome::MinorFailure } else { AuditOutcome::Success };
    act.audit_event(event.outcome(worst).detail(&detail));
    if let NotificationOutcome::Dead { error } = outcome {
        let text = format!("{untold}: {error}");
        act.alarm("notification-dead", &text, None, deployment.as_deref()).await?;
    }
    act.commit().await
}

pub(super) async fn notification_list(catalog: &SqlCatalog, alarm: &AlarmKey) -> Result<Vec<Notification>, StoreError> {
    let sql = format!(
        "SELECT {} FROM notification n JOIN alarm a ON a.alarm_key = n.alarm_key WHERE n.alarm_key = $1 \
         ORDER BY n.notification_key",
        notification_columns()
    );
    let rows = catalog.database.rows("list messages about an alarm", sql, values![alarm]).await?;
    rows.iter().map(notification_from).collect()
}
