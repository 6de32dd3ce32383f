//! For the conformance suite: what a catalog shows of itself, and was before, beside its traits.

use super::act::Act;
use super::connection::{Database, Value, json_text, values};
use super::deployments::{WITHHOLD_DEAD, live};
use super::monitoring::{ALARMS_OPEN, RESTARTED, SIGNALS, labelled};
use super::rollout::SHADOW_WAITING;
use crate::{CatalogOptions, StoreError};
use hilum_monitor::Observation;
use hilum_types::Timestamp;

/// What the gate and the acts that stop ask, with SQLite's plan for it, one step a line: none may read a table that only
/// grows from end to end. `None` on PostgreSQL, which decides by what the tables hold: its plans say nothing of an empty
/// catalog.
pub(crate) async fn plans(url: &str) -> Result<Option<Vec<(&'static str, String)>>, StoreError> {
    let database = Database::connect(url, &CatalogOptions::default()).await?;
    if let Database::Postgres(_) = database {
        return Ok(None);
    }
    let live_of = live("kind IN ('infer', 'deliver') AND deployment = $1");
    let of_period = || values!["cxr", None::<&str>, 0_i64, 1_i64, 0_i64, 1_i64, 1_i64];
    let (labels_of_period, latest_labels) = (labelled(true), labelled(false));
    let questions: [(&str, &str, Vec<Value>); 8] = [
        ("restarted", RESTARTED, values!["cxr"]),
        ("shadow waiting", SHADOW_WAITING, values!["cxr", 0_i64]),
        ("withhold", WITHHOLD_DEAD, values!["cxr", "package", 0_i64, "why"]),
        ("live jobs", live_of.as_str(), values!["cxr"]),
        ("open alarms", ALARMS_OPEN, vec![]),
        ("signals", SIGNALS, vec![]),
        ("labels of a period", labels_of_period.as_str(), of_period()),
        ("latest labels", latest_labels.as_str(), of_period()),
    ];
    let mut plans = Vec::new();
    for (name, sql, values) in questions {
        let rows = database.rows("explain a question", format!("EXPLAIN QUERY PLAN {sql}"), values).await?;
        let steps = rows.iter().map(|row| row.text("detail")).collect::<Result<Vec<_>, _>>()?;
        plans.push((name, steps.join("\n")));
    }
    Ok(Some(plans))
}

/// Make it a catalog from before there was monitoring: nothing says since when its deployments are in use.
pub(crate) async fn forget_restarts(url: &str) -> Result<(), StoreError> {
    const WHAT: &str = "forget restarts";
    let mut tx = Database::connect(url, &CatalogOptions::default()).await?.begin(WHAT).await?;
    tx.execute(WHAT, "DELETE FROM monitor_fact WHERE kind = 'restart'", vec![]).await?;
    tx.commit(WHAT).await
}

/// Spoil the stored counts that cover all studies of a day: their bytes end after the version.
pub(crate) async fn damage_counts(url: &str, is_sketch: bool) -> Result<(), StoreError> {
    const WHAT: &str = "damage counts";
    let sql = if is_sketch {
        "UPDATE sketch SET cell = 'AQ' WHERE level = 'day_all'"
    } else {
        "UPDATE tally SET counts = 'AQ' WHERE cut = ''"
    };
    let mut tx = Database::connect(url, &CatalogOptions::default()).await?.begin(WHAT).await?;
    tx.execute(WHAT, sql, vec![]).await?;
    tx.commit(WHAT).await
}

/// Spoil the periodic reports, as a hand in the catalog would: what is left of them is no record.
pub(crate) async fn damage_reports(url: &str) -> Result<(), StoreError> {
    const WHAT: &str = "damage reports";
    let sql = "UPDATE record SET body = 'gone' WHERE kind = 'periodic_report'";
    let mut tx = Database::connect(url, &CatalogOptions::default()).await?.begin(WHAT).await?;
    tx.execute(WHAT, sql, vec![]).await?;
    tx.commit(WHAT).await
}

/// Count observations as the acts that enter them do, without the rows around them.
pub(crate) async fn count_observations(url: &str, observations: &[Observation]) -> Result<(), StoreError> {
    let database = Database::connect(url, &CatalogOptions::default()).await?;
    let now = Timestamp::from_micros(0);
    let mut act = Act::begin(&database, "count observations", "system:tallies", now).await?;
    for observation in observations {
        super::tallies::observed(&mut act, observation).await?;
    }
    act.commit().await
}

/// Enter observations and count them, as the acts that end studies do, without the studies around them.
pub(crate) async fn enter_observations(url: &str, observations: &[Observation]) -> Result<(), StoreError> {
    let database = Database::connect(url, &CatalogOptions::default()).await?;
    let now = Timestamp::from_micros(0);
    let mut act = Act::begin(&database, "enter observations", "system:observations", now).await?;
    for observation in observations {
        let sql = "INSERT INTO observation (study_key, revision, deployment, package, event_at, recorded_at, \
                   disposition, reason_code, record) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)";
        let columns = values![
            observation.study_key.as_str(),
            observation.revision,
            observation.deployment.as_str(),
            observation.package,
            observation.event_at,
            observation.recorded_at,
            observation.disposition.as_str(),
            observation.reason_code.as_str(),
            json_text(observation)?,
        ];
        act.execute(sql, columns).await?;
        super::tallies::observed(&mut act, observation).await?;
    }
    act.commit().await
}
