//! Reading what was observed and signalled.

use super::facts::{FIRED, RESTARTED, stopping_rule_of};
use crate::StoreError;
use crate::monitoring::{ObservationFilter, StoppingRule, StoredSignal};
use crate::sql::SqlCatalog;
use crate::sql::connection::{in_list, values};
use hilum_gate::EvidenceFacts;
use hilum_monitor::figures::LabelledObservation;
use hilum_monitor::{Cell, CellKey, Observation};
use hilum_registry::Deployment;
use hilum_types::Timestamp;

pub(super) async fn observation_list(
    catalog: &SqlCatalog,
    filter: &ObservationFilter,
    limit: u32,
) -> Result<Vec<Observation>, StoreError> {
    let sql = "SELECT record FROM observation WHERE deployment = $1 AND (CAST($2 AS TEXT) IS NULL OR package = $2) \
               AND event_at >= $3 AND event_at < $4 AND recorded_at >= $5 AND recorded_at <= $6 \
               ORDER BY recorded_at DESC, study_key DESC, revision DESC LIMIT $7";
    let columns = values![
        filter.deployment.as_str(),
        filter.package.map(|package| package.to_string()),
        filter.from.map_or(i64::MIN, Timestamp::micros),
        filter.until.map_or(i64::MAX, Timestamp::micros),
        filter.recorded_from.map_or(i64::MIN, Timestamp::micros),
        filter.as_of.map_or(i64::MAX, Timestamp::micros),
        limit,
    ];
    let rows = catalog.database.rows("list observations", sql, columns).await?;
    rows.iter().rev().map(|row| row.json("record")).collect()
}

pub(super) async fn observation_page(
    catalog: &SqlCatalog,
    filter: &ObservationFilter,
    after: Option<&Observation>,
    limit: u32,
) -> Result<Vec<Observation>, StoreError> {
    // The key begins with the event time, so that the index of it leads from page to page.
    let sql = "SELECT record FROM observation WHERE deployment = $1 AND (CAST($2 AS TEXT) IS NULL OR package = $2) \
               AND event_at >= $3 AND event_at < $4 AND recorded_at <= $5 AND event_at >= $6 \
               AND (event_at > $6 OR study_key > $7 OR (study_key = $7 AND revision > $8)) \
               ORDER BY event_at, study_key, revision LIMIT $9";
    let columns = values![
        filter.deployment.as_str(),
        filter.package.map(|package| package.to_string()),
        filter.from.map_or(i64::MIN, Timestamp::micros),
        filter.until.map_or(i64::MAX, Timestamp::micros),
        filter.as_of.map_or(i64::MAX, Timestamp::micros),
        after.map_or(i64::MIN, |last| last.event_at.micros()),
        after.map_or("", |last| last.study_key.as_str()),
        after.map_or(0, |last| last.revision),
        limit,
    ];
    let rows = catalog.database.rows("read observations", sql, columns).await?;
    rows.iter().map(|row| row.json("record")).collect()
}

pub(super) async fn signal_list(
    catalog: &SqlCatalog,
    deployment: &str,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<StoredSignal>, StoreError> {
    let sql = "SELECT seq, package, action, record FROM signal WHERE deployment = $1 AND at >= $2 AND at < $3 \
               ORDER BY seq DESC LIMIT $4";
    let columns = values![
        deployment,
        from.map_or(i64::MIN, Timestamp::micros),
        until.map_or(i64::MAX, Timestamp::micros),
        limit,
    ];
    let rows = catalog.database.rows("list signals", sql, columns).await?;
    rows.iter()
        .map(|row| {
            Ok(StoredSignal {
                seq: row.number("seq")?,
                package: row.parse("package")?,
                action: row.text("action")?,
                signal: row.json("record")?,
            })
        })
        .collect()
}

pub(super) async fn evidence_facts(
    catalog: &SqlCatalog,
    deployment: &Deployment,
    now: Timestamp,
) -> Result<Option<EvidenceFacts>, StoreError> {
    const WHAT: &str = "read how fresh evidence is";
    let Some(rule) = deployment.spec.monitoring.as_ref().and_then(|plan| plan.evidence.as_ref()) else {
        return Ok(None);
    };
    let name = deployment.spec.name.as_str();
    let row = catalog.database.row(WHAT, RESTARTED, values![name]).await?;
    let since = row.map(|row| row.time_or_none("at")).transpose()?.flatten().unwrap_or(deployment.updated_at);
    // A clock that was ahead then must not give more time now.
    let since = since.min(now);
    let from = now.plus_seconds(-i64::from(rule.window_days) * 86_400);
    let mut columns = values![name, deployment.package_digest, from];
    let classes = in_list(&mut columns, rule.labels.iter().map(|class| class.name().into()));
    let sql = format!(
        "SELECT COUNT(*) AS n, MAX(event_at) AS newest FROM label_counted WHERE deployment = $1 AND package = $2 \
         AND event_at >= $3 AND class IN {classes}"
    );
    let row =
        catalog.database.row(WHAT, sql, columns).await?.ok_or(StoreError::DamagedRow { column: "label_counted" })?;
    Ok(Some(EvidenceFacts { since, n: row.number("n")?, newest_at: row.time_or_none("newest")? }))
}

pub(super) async fn labelled_list(
    catalog: &SqlCatalog,
    filter: &ObservationFilter,
    limit: u32,
) -> Result<Vec<LabelledObservation>, StoreError> {
    let sql = "SELECT l.label, o.record FROM label l JOIN observation o ON o.study_key = l.study_key \
               AND o.revision = l.revision AND o.deployment = l.deployment WHERE l.deployment = $1 \
               AND (CAST($2 AS TEXT) IS NULL OR o.package = $2) AND o.event_at >= $3 AND o.event_at < $4 \
               AND l.recorded_at >= $5 AND l.recorded_at <= $6 ORDER BY l.label_key DESC LIMIT $7";
    let columns = values![
        filter.deployment.as_str(),
        filter.package.map(|package| package.to_string()),
        filter.from.map_or(i64::MIN, Timestamp::micros),
        filter.until.map_or(i64::MAX, Timestamp::micros),
        filter.recorded_from.map_or(i64::MIN, Timestamp::micros),
        filter.as_of.map_or(i64::MAX, Timestamp::micros),
        limit,
    ];
    let rows = catalog.database.rows("list labels with what was observed", sql, columns).await?;
    rows.iter()
        .rev()
        .map(|row| Ok(LabelledObservation { label: row.json("label")?, observation: row.json("record")? }))
        .collect()
}

pub(super) async fn stopping_rule(
    catalog: &SqlCatalog,
    deployment: &Deployment,
) -> Result<Option<StoppingRule>, StoreError> {
    let Some(stopped) = &deployment.suspension else { return Ok(None) };
    let columns = values![deployment.spec.name.as_str(), stopped.since];
    let fired = catalog.database.row("look for a rule that stopped", FIRED, columns).await?;
    stopping_rule_of(deployment, stopped.since, fired.as_ref())
}

pub(super) async fn cell_list(
    catalog: &SqlCatalog,
    deployment: &Deployment,
) -> Result<Vec<(CellKey, Cell)>, StoreError> {
    let sql = "SELECT rule, cut, state FROM monitor_cell WHERE deployment = $1 AND package = $2 ORDER BY rule, cut";
    let columns = values![deployment.spec.name.as_str(), deployment.package_digest];
    let rows = catalog.database.rows("list what the rules have seen", sql, columns).await?;
    rows.iter()
        .map(|row| Ok((CellKey { rule: row.text("rule")?, cut: row.text("cut")? }, row.json("state")?)))
        .collect()
}
