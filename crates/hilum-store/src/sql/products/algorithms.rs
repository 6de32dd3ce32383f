//! Algorithms that received objects name (GV-01).

use crate::products::AlgorithmSeen;
use crate::records::StoredInstance;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, values};
use crate::sql::read::{INSTANCE_COLUMNS, instance_from};
use crate::{InstanceKey, JobKind, JobState, Lease, StoreError};
use hilum_types::{AlgorithmClaim, Timestamp};

pub(super) async fn instance_get(
    catalog: &SqlCatalog,
    key: &InstanceKey,
) -> Result<Option<StoredInstance>, StoreError> {
    let sql = format!("SELECT {INSTANCE_COLUMNS} FROM instance WHERE instance_key = $1");
    let row = catalog.database.row("look up an instance", sql, values![key]).await?;
    row.as_ref().map(instance_from).transpose()
}

pub(super) async fn algorithms_seen(
    catalog: &SqlCatalog,
    lease: &Lease,
    claims: &[AlgorithmClaim],
    unregistered: &[AlgorithmClaim],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "note an algorithm", "system:worker", now).await?;
    if act.held(lease).await?.kind != JobKind::Inspect {
        return Err(StoreError::Misuse("the lease is not for a look into an object".into()));
    }
    for claim in claims {
        let sql = "INSERT INTO algorithm_seen (algorithm_key, name, manufacturer, version, evidence, n_objects, \
                   first_seen_at, last_seen_at) VALUES ($1,$2,$3,$4,$5,1,$6,$6) ON CONFLICT (algorithm_key) DO UPDATE \
                   SET n_objects = algorithm_seen.n_objects + 1, version = excluded.version, \
                   evidence = excluded.evidence, last_seen_at = excluded.last_seen_at";
        let values = values![
            claim.key(),
            claim.name.as_str(),
            claim.manufacturer.as_str(),
            claim.version.as_str(),
            claim.evidence.as_str(),
            now,
        ];
        act.execute(sql, values).await?;
    }
    for claim in unregistered {
        let maker = if claim.manufacturer.is_empty() { "an unknown maker" } else { claim.manufacturer.as_str() };
        let text = format!(
            "results of {:?} by {maker} are in the traffic, and no package of that name is registered; import one, or \
             find out who uses it",
            claim.name
        );
        // An open alarm counts up by its code, and each algorithm is an alarm of its own.
        let code = format!("unregistered-ai.{}", &claim.key().to_string()[..12]);
        act.alarm(&code, &text, None, None).await?;
    }
    act.end_job(lease, JobState::Done, None).await?;
    act.commit().await
}

pub(super) async fn algorithm_list(catalog: &SqlCatalog) -> Result<Vec<AlgorithmSeen>, StoreError> {
    let sql = "SELECT name, manufacturer, version, evidence, n_objects, first_seen_at, last_seen_at \
               FROM algorithm_seen ORDER BY last_seen_at DESC, algorithm_key";
    let rows = catalog.database.rows("list algorithms", sql, vec![]).await?;
    let seen = |row: &Row| {
        Ok(AlgorithmSeen {
            claim: AlgorithmClaim {
                name: row.text("name")?,
                version: row.text("version")?,
                manufacturer: row.text("manufacturer")?,
                evidence: row.text("evidence")?,
            },
            n_objects: row.number("n_objects")?,
            first_seen_at: row.time("first_seen_at")?,
            last_seen_at: row.time("last_seen_at")?,
        })
    };
    rows.iter().map(seen).collect()
}
