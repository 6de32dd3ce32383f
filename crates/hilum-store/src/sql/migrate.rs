//! Numbered migrations, applied at start-up under a lock, each in a transaction of its own: whatever is killed when,
//! the schema is either of the old or of the new version.

use super::connection::{Database, values};
use crate::StoreError;

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../../../migrations/0001_loop.sql")),
    (2, include_str!("../../../../migrations/0002_governance.sql")),
    (3, include_str!("../../../../migrations/0003_rollout.sql")),
    (4, include_str!("../../../../migrations/0004_recalls.sql")),
    (5, include_str!("../../../../migrations/0005_products.sql")),
    (6, include_str!("../../../../migrations/0006_monitoring.sql")),
    (7, include_str!("../../../../migrations/0007_labels.sql")),
    (8, include_str!("../../../../migrations/0008_acquisition_groups.sql")),
    (9, include_str!("../../../../migrations/0009_alarms.sql")),
    (10, include_str!("../../../../migrations/0010_stops.sql")),
    (11, include_str!("../../../../migrations/0011_labels.sql")),
    (14, include_str!("../../../../migrations/0014_sketches.sql")),
    (17, include_str!("../../../../migrations/0017_oversight.sql")),
    (18, include_str!("../../../../migrations/0018_assessments.sql")),
];

/// Any number that nothing else locks in the same PostgreSQL database.
const ADVISORY_LOCK: i64 = 0x0068_696c_756d;

const WHAT: &str = "bring the schema up to date";

/// Bring the schema up to date.
///
/// # Errors
/// [`StoreError::UnsafeCatalog`] when it is newer than this program.
pub(super) async fn migrate(database: &Database) -> Result<(), StoreError> {
    while migrate_one(database).await? {}
    Ok(())
}

/// Apply the next migration, if one is due.
async fn migrate_one(database: &Database) -> Result<bool, StoreError> {
    let mut tx = database.begin(WHAT).await?;
    if tx.is_postgres() {
        tx.execute(WHAT, "SELECT pg_advisory_xact_lock($1)", values![ADVISORY_LOCK]).await?;
    }
    let create = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)";
    tx.execute(WHAT, create, vec![]).await?;
    let row = tx.row(WHAT, "SELECT MAX(version) AS version FROM schema_version", vec![]).await?;
    let version = row.map(|row| row.int_or_none("version")).transpose()?.flatten().unwrap_or(0);
    let newest = MIGRATIONS.last().map_or(0, |(number, _)| *number);
    if newest < version {
        return Err(StoreError::UnsafeCatalog(format!(
            "its schema has version {version}, this program knows {newest}; use the newer program"
        )));
    }
    let due = MIGRATIONS.iter().find(|(number, _)| version < *number);
    if let Some((number, script)) = due {
        tx.run_script(WHAT, script).await?;
        tx.execute(WHAT, "INSERT INTO schema_version (version) VALUES ($1)", values![*number]).await?;
    }
    tx.commit(WHAT).await?;
    Ok(due.is_some())
}
