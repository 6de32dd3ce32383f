//! Reading what was observed and signalled.

use super::facts::{FIRED, RESTARTED, stopping_rule_of};
use crate::StoreError;
use crate::monitoring::{ObservationFilter, StoppingRule, StoredSignal};
use crate::sql::SqlCatalog;
use crate::sql::connection::{in_list, values};
use crate::sql::governance::record_signed_list;
use hilum_gate::{EvidenceFacts, REVIEWED_KINDS, ReviewFacts, reviewed_at};
use hilum_monitor::figures::LabelledObservation;
use hilum_monitor::{Cell, CellKey, Observation};
use hilum_registry::Deployment;
use hilum_sign::SignatureMeaning;
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
    let since = begun_at(catalog, WHAT, deployment, now).await?;
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

/// When the version came into use, or a stop was lifted.
async fn begun_at(
    catalog: &SqlCatalog,
    what: &'static str,
    deployment: &Deployment,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    let row = catalog.database.row(what, RESTARTED, values![deployment.spec.name.as_str()]).await?;
    let since = row.map(|row| row.time_or_none("at")).transpose()?.flatten().unwrap_or(deployment.updated_at);
    // A clock that was ahead then must not give more time now.
    Ok(since.min(now))
}

/// Since when results of the version reach readers without a break; where they do not, as [`begun_at`]. Time in shadow is no
/// time in which somebody had to look.
async fn seen_since(catalog: &SqlCatalog, deployment: &Deployment, now: Timestamp) -> Result<Timestamp, StoreError> {
    const WHAT: &str = "read since when results reach readers";
    let sql = "SELECT MIN(changed_at) AS at FROM deployment_change WHERE name = $1 AND revision > \
               (SELECT COALESCE(MAX(revision), -1) FROM deployment_change WHERE name = $1 \
               AND state NOT IN ('limited', 'active'))";
    let begun = begun_at(catalog, WHAT, deployment, now).await?;
    let row = catalog.database.row(WHAT, sql, values![deployment.spec.name.as_str()]).await?;
    let seen = row.map(|row| row.time_or_none("at")).transpose()?.flatten();
    Ok(seen.map_or(begun, |seen| begun.max(seen.min(now))))
}

/// Signed records that are looked at for the latest review: the newest ones.
const REVIEWED_MAX: u32 = 16;

pub(super) async fn review_facts(
    catalog: &SqlCatalog,
    deployment: &Deployment,
    now: Timestamp,
) -> Result<Option<ReviewFacts>, StoreError> {
    if deployment.spec.monitoring.as_ref().is_none_or(|plan| plan.review_days == 0) {
        return Ok(None);
    }
    let since = seen_since(catalog, deployment, now).await?;
    let (name, reviewed) = (deployment.spec.name.as_str(), SignatureMeaning::Reviewed);
    let records = record_signed_list(catalog, &REVIEWED_KINDS, name, reviewed, REVIEWED_MAX).await?;
    Ok(Some(ReviewFacts { since, reviewed_at: reviewed_at(&records, deployment, since, now) }))
}

/// Labels with what was observed, the latest first. Either the labels of the studies of a period are looked up, or from the
/// latest label on each is asked whether its study is of the period. A cross join is carried out by SQLite in the order
/// written; PostgreSQL decides by what the tables hold.
pub(in crate::sql) fn labelled(by_period: bool) -> String {
    let (first, second) = if by_period { ("observation o", "label l") } else { ("label l", "observation o") };
    format!(
        "SELECT l.label, o.record FROM {first} CROSS JOIN {second} WHERE o.study_key = l.study_key \
         AND o.revision = l.revision AND o.deployment = l.deployment AND l.deployment = $1 AND o.deployment = $1 \
         AND (CAST($2 AS TEXT) IS NULL OR o.package = $2) AND o.event_at >= $3 AND o.event_at < $4 \
         AND l.recorded_at >= $5 AND l.recorded_at <= $6 ORDER BY l.label_key DESC LIMIT $7"
    )
}

/// Whether fewer than `limit` studies are of the period: then most of their labels are asked for, and they are found in far
/// fewer steps than by going through the labels of all other periods.
async fn is_short(catalog: &SqlCatalog, filter: &ObservationFilter, limit: u32) -> Result<bool, StoreError> {
    const WHAT: &str = "count the studies of a period";
    let sql = "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM observation WHERE deployment = $1 AND event_at >= $2 \
               AND event_at < $3 LIMIT $4) AS of_period";
    let columns = values![
        filter.deployment.as_str(),
        filter.from.map_or(i64::MIN, Timestamp::micros),
        filter.until.map_or(i64::MAX, Timestamp::micros),
        limit,
    ];
    let row =
        catalog.database.row(WHAT, sql, columns).await?.ok_or(StoreError::DamagedRow { column: "observation" })?;
    Ok(row.number::<u32>("n")? < limit)
}

pub(super) async fn labelled_list(
    catalog: &SqlCatalog,
    filter: &ObservationFilter,
    limit: u32,
) -> Result<Vec<LabelledObservation>, StoreError> {
    let sql = labelled(is_short(catalog, filter, limit).await?);
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
