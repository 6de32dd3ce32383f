//! How SQLite looks up what the gate and the acts that stop ask, for the conformance suite: none may read a table that only
//! grows from end to end. PostgreSQL decides by what the tables hold, so its plans say nothing of an empty catalog.

use super::connection::{Database, Value, values};
use super::deployments::{WITHHOLD_DEAD, live};
use super::monitoring::RESTARTED;
use super::rollout::SHADOW_WAITING;
use crate::{CatalogOptions, StoreError};

/// Each question with SQLite's plan for it, one step a line; `None` on PostgreSQL.
pub(crate) async fn plans(url: &str) -> Result<Option<Vec<(&'static str, String)>>, StoreError> {
    let database = Database::connect(url, &CatalogOptions::default()).await?;
    if let Database::Postgres(_) = database {
        return Ok(None);
    }
    let live_of = live("kind IN ('infer', 'deliver') AND deployment = $1");
    let questions: [(&str, &str, Vec<Value>); 4] = [
        ("restarted", RESTARTED, values!["cxr"]),
        ("shadow waiting", SHADOW_WAITING, values!["cxr", 0_i64]),
        ("withhold", WITHHOLD_DEAD, values!["cxr", "package", 0_i64, "why"]),
        ("live jobs", live_of.as_str(), values!["cxr"]),
    ];
    let mut plans = Vec::new();
    for (name, sql, values) in questions {
        let rows = database.rows("explain a question", format!("EXPLAIN QUERY PLAN {sql}"), values).await?;
        let steps = rows.iter().map(|row| row.text("detail")).collect::<Result<Vec<_>, _>>()?;
        plans.push((name, steps.join("\n")));
    }
    Ok(Some(plans))
}
