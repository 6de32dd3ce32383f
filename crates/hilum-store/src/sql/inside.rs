//! For the conformance suite: what a catalog shows of itself, and was before, beside its traits.

use super::connection::{Database, Value, values};
use super::deployments::{WITHHOLD_DEAD, live};
use super::monitoring::{ALARMS_OPEN, RESTARTED, SIGNALS};
use super::rollout::SHADOW_WAITING;
use crate::{CatalogOptions, StoreError};

/// What the gate and the acts that stop ask, with SQLite's plan for it, one step a line: none may read a table that only
/// grows from end to end. `None` on PostgreSQL, which decides by what the tables hold: its plans say nothing of an empty
/// catalog.
pub(crate) async fn plans(url: &str) -> Result<Option<Vec<(&'static str, String)>>, StoreError> {
    let database = Database::connect(url, &CatalogOptions::default()).await?;
    if let Database::Postgres(_) = database {
        return Ok(None);
    }
    let live_of = live("kind IN ('infer', 'deliver') AND deployment = $1");
    let questions: [(&str, &str, Vec<Value>); 6] = [
        ("restarted", RESTARTED, values!["cxr"]),
        ("shadow waiting", SHADOW_WAITING, values!["cxr", 0_i64]),
        ("withhold", WITHHOLD_DEAD, values!["cxr", "package", 0_i64, "why"]),
        ("live jobs", live_of.as_str(), values!["cxr"]),
        ("open alarms", ALARMS_OPEN, vec![]),
        ("signals", SIGNALS, vec![]),
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
