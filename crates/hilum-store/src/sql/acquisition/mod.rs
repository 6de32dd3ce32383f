//! The trait [`AcquisitionGroups`] on SQL, and the hook by which a group is opened and counted.

use super::SqlCatalog;
use super::act::Act;
use super::connection::{Row, json_text, values};
use crate::StoreError;
use crate::acquisition::{AcquisitionGroups, SeenGroup};
use async_trait::async_trait;
use hilum_monitor::Observation;
use hilum_monitor::group::AcquisitionGroup;
use hilum_types::Digest;

/// Open the group of an observed study, or count the study in it, inside the act that enters the observation.
///
/// Only a study whose images were measured belongs to a group: of another nobody knows which series would have been read.
pub(super) async fn enter_group(act: &mut Act, family: &str, observation: &Observation) -> Result<(), StoreError> {
    let Some(key) = observation.attributes.get("group").filter(|_| !observation.features.is_empty()) else {
        return Ok(());
    };
    let package = observation.package;
    let inside = observation.outside_envelope.as_ref().is_some_and(Vec::is_empty);
    let stated = |name: &str| observation.attributes.get(name).cloned().unwrap_or_default();
    let group = AcquisitionGroup {
        manufacturer: stated("manufacturer"),
        model: stated("model"),
        device: stated("device"),
        software: stated("software"),
        protocol: stated("protocol"),
        kernel: stated("kernel"),
    };
    let sql = "INSERT INTO acquisition_group (family, package, group_key, attributes, first_seen_at, last_seen_at, \
               n_studies, n_inside) VALUES ($1,$2,$3,$4,$5,$6,0,0) \
               ON CONFLICT (family, package, group_key) DO UPDATE SET last_seen_at = $6";
    let now = act.now;
    act.execute(sql, values![family, package, key.as_str(), json_text(&group)?, now, now]).await?;
    let (study, flag) = (observation.study_key.as_str(), i64::from(inside));
    let sql = "INSERT INTO acquisition_group_study (family, package, group_key, study_key, inside) \
               VALUES ($1,$2,$3,$4,$5) ON CONFLICT (family, package, group_key, study_key) DO NOTHING";
    let n_new = act.execute(sql, values![family, package, key.as_str(), study, flag]).await?;
    let mut n_inside = if n_new == 1 { flag } else { 0 };
    if n_new == 0 && inside {
        // An earlier revision lay outside, images still missing perhaps; this one does not.
        let sql = "UPDATE acquisition_group_study SET inside = 1 WHERE family = $1 AND package = $2 AND group_key = $3 \
                   AND study_key = $4 AND inside = 0";
        n_inside = i64::from(act.execute(sql, values![family, package, key.as_str(), study]).await? == 1);
    }
    let sql = "UPDATE acquisition_group SET n_studies = n_studies + $4, n_inside = n_inside + $5 \
               WHERE family = $1 AND package = $2 AND group_key = $3";
    act.execute(sql, values![family, package, key.as_str(), n_new, n_inside]).await?;
    Ok(())
}

const COLUMNS: &str = "group_key, attributes, first_seen_at, last_seen_at, n_studies, n_inside";

fn seen(row: &Row) -> Result<SeenGroup, StoreError> {
    Ok(SeenGroup {
        key: row.text("group_key")?,
        group: row.json("attributes")?,
        first_seen_at: row.time("first_seen_at")?,
        last_seen_at: row.time("last_seen_at")?,
        n_studies: row.number("n_studies")?,
        n_inside: row.number("n_inside")?,
    })
}

#[async_trait]
impl AcquisitionGroups for SqlCatalog {
    async fn acquisition_group_get(
        &self,
        family: &str,
        package: &Digest,
        key: &str,
    ) -> Result<Option<SeenGroup>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM acquisition_group WHERE family = $1 AND package = $2 AND group_key = $3");
        let rows = self.database.rows("read an acquisition group", &sql, values![family, *package, key]).await?;
        rows.first().map(seen).transpose()
    }

    async fn acquisition_group_list(&self, family: &str, package: &Digest) -> Result<Vec<SeenGroup>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM acquisition_group WHERE family = $1 AND package = $2 \
             ORDER BY first_seen_at DESC, group_key LIMIT 1000"
        );
        let rows = self.database.rows("list acquisition groups", &sql, values![family, *package]).await?;
        rows.iter().map(seen).collect()
    }
}
