//! Alarms as rows.

use crate::alarms::{Alarm, AlarmClosing, AlarmFilter};
use crate::sql::SqlCatalog;
use crate::sql::connection::{Row, Value, values};
use crate::{AlarmKey, StoreError};
use hilum_monitor::Severity;
use hilum_monitor::alarm::CauseCode;
use hilum_registry::{AlarmPlan, DeploymentSpec};

pub(super) const COLUMNS: &str = "a.alarm_key, a.code, a.text, a.study_key, a.deployment, a.raised_at, a.n_raised, \
     a.acknowledged_at, a.severity, a.cut, a.rules, a.signal, a.owner, a.announced, a.level, a.due_at, a.last_raised_at, \
     a.acknowledged_by, a.closed_at, a.closed_by, a.cause, a.comment";

/// Stable name of a severity.
pub(super) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Watch => "watch",
        Severity::Review => "review",
        Severity::Stop => "stop",
    }
}

/// The severity of that name.
pub(in crate::sql) fn severity_from(name: &str) -> Option<Severity> {
    [Severity::Watch, Severity::Review, Severity::Stop].into_iter().find(|severity| severity_name(*severity) == name)
}

pub(super) fn alarm_from(row: &Row) -> Result<Alarm, StoreError> {
    let study_key = Some(row.text("study_key")?).filter(|key| !key.is_empty());
    let study_key = study_key.map(|key| key.parse()).transpose();
    let raised_at = row.time("raised_at")?;
    let closing = match row.time_or_none("closed_at")? {
        None => None,
        Some(at) => Some(AlarmClosing {
            at,
            by: row.text("closed_by")?,
            cause: row.named("cause", CauseCode::from_name)?,
            comment: row.text_or_none("comment")?.unwrap_or_default(),
        }),
    };
    Ok(Alarm {
        key: row.parse("alarm_key")?,
        code: row.text("code")?,
        text: row.text("text")?,
        study_key: study_key.map_err(|_| StoreError::DamagedRow { column: "study_key" })?,
        deployment: Some(row.text("deployment")?).filter(|name| !name.is_empty()),
        severity: row.named("severity", severity_from)?,
        cut: row.text("cut")?,
        rules: row.json("rules")?,
        signal: row.json_or_none("signal")?,
        owner: row.text("owner")?,
        announced: row.int("announced")? != 0,
        level: row.number("level")?,
        due_at: row.time_or_none("due_at")?,
        raised_at,
        last_raised_at: row.time_or_none("last_raised_at")?.unwrap_or(raised_at),
        n_raised: row.number("n_raised")?,
        acknowledged_at: row.time_or_none("acknowledged_at")?,
        acknowledged_by: row.text_or_none("acknowledged_by")?,
        closing,
    })
}

/// Plan and owner that hold for alarms of a declared deployment.
pub(super) fn plan_of(spec: DeploymentSpec) -> (AlarmPlan, String) {
    let plan = spec.monitoring.map(|monitoring| monitoring.alarms).unwrap_or_default();
    let owner = if plan.owner.is_empty() { spec.owner } else { plan.owner.clone() };
    (plan, owner)
}

pub(super) async fn alarm_list(catalog: &SqlCatalog, only_open: bool, limit: u32) -> Result<Vec<Alarm>, StoreError> {
    alarm_find(catalog, &AlarmFilter { only_open, ..AlarmFilter::default() }, limit).await
}

pub(super) async fn alarm_find(
    catalog: &SqlCatalog,
    filter: &AlarmFilter,
    limit: u32,
) -> Result<Vec<Alarm>, StoreError> {
    let mut values: Vec<Value> = values![limit];
    let mut conditions = vec!["1 = 1".to_owned()];
    if filter.only_open {
        conditions.push("a.acknowledged_at IS NULL AND a.closed_at IS NULL".to_owned());
    }
    if filter.only_unclosed {
        conditions.push("a.closed_at IS NULL".to_owned());
    }
    let mut given = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(format!("{condition} ${}", values.len()));
        }
    };
    given("a.deployment =", filter.deployment.as_deref().map(Value::from));
    given("a.raised_at >=", filter.from.map(Value::from));
    given("a.raised_at <", filter.until.map(Value::from));
    let conditions = conditions.join(" AND ");
    let sql = format!("SELECT {COLUMNS} FROM alarm a WHERE {conditions} ORDER BY a.alarm_key DESC LIMIT $1");
    catalog.database.rows("list alarms", sql, values).await?.iter().map(alarm_from).collect()
}

pub(super) async fn alarm_get(catalog: &SqlCatalog, key: &AlarmKey) -> Result<Option<Alarm>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM alarm a WHERE a.alarm_key = $1");
    catalog.database.row("look up an alarm", sql, values![key]).await?.as_ref().map(alarm_from).transpose()
}
