//! Counts per day of what was observed.

use crate::StoreError;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, values};
use hilum_monitor::Observation;
use hilum_monitor::timeline::{CountKind, DayCount, count_day};

/// Add an observation to the counts of its day, in the act that enters it.
pub(in crate::sql) async fn count_observation(act: &mut Act, observation: &Observation) -> Result<(), StoreError> {
    let sql = "INSERT INTO observation_day (deployment, day, kind, name, n_with, n) VALUES ($1,$2,$3,$4,$5,$6) \
               ON CONFLICT (deployment, day, kind, name) DO UPDATE SET n_with = observation_day.n_with + excluded.n_with, \
               n = observation_day.n + excluded.n";
    for count in count_day(observation) {
        let deployment = observation.deployment.as_str();
        let values = values![deployment, count.day, count.kind.name(), count.name, count.n_with, count.n];
        act.execute(sql, values).await?;
    }
    Ok(())
}

pub(super) async fn day_counts(
    catalog: &SqlCatalog,
    deployment: &str,
    from_day: &str,
    to_day: &str,
) -> Result<Vec<DayCount>, StoreError> {
    let sql = "SELECT day, kind, name, n_with, n FROM observation_day WHERE deployment = $1 AND $2 <= day AND day <= $3 \
               ORDER BY day, kind, name";
    let count = |row: &Row| {
        Ok(DayCount {
            day: row.text("day")?,
            kind: row.named("kind", CountKind::from_name)?,
            name: row.text("name")?,
            n_with: row.number("n_with")?,
            n: row.number("n")?,
        })
    };
    let rows = catalog.database.rows("count by day", sql, values![deployment, from_day, to_day]).await?;
    rows.iter().map(count).collect()
}
