//! Reading sketches and counts.

use super::super::SqlCatalog;
use super::super::connection::{Row, in_list, values};
use super::write::of_all;
use crate::StoreError;
use crate::tallies::{SketchFilter, SketchGroups, StoredSketch, Tally, unpack};
use hilum_monitor::figures::Counts;
use hilum_monitor::sketch::Level;
use hilum_types::{Digest, Timestamp};

/// Rows of counts that one question reads: a year of a cut with 270 values. Of more the latest count, and the answer says so.
const TALLIES_MAX: u32 = 100_000;

pub(super) async fn sketch_list(
    catalog: &SqlCatalog,
    filter: &SketchFilter,
    limit: u32,
) -> Result<Vec<StoredSketch>, StoreError> {
    let part = filter.part;
    let all = of_all(part.level).filter(|_| filter.of == SketchGroups::All);
    let level = all.unwrap_or(part.level.name());
    let mut columns = values![filter.deployment.as_str(), filter.package, level, part.from, part.until];
    let only = match &filter.of {
        SketchGroups::Listed(groups) => {
            format!("AND group_key IN {}", in_list(&mut columns, groups.iter().map(|group| group.as_str().into())))
        }
        SketchGroups::All => String::new(),
    };
    columns.push(limit.into());
    let sql = format!(
        "SELECT start_at, group_key, n, cell FROM sketch WHERE deployment = $1 AND package = $2 AND level = $3 \
         AND start_at >= $4 AND start_at < $5 {only} ORDER BY start_at, group_key LIMIT ${}",
        columns.len()
    );
    let rows = catalog.database.rows("list sketches", sql, columns).await?;
    let stored = |row: &Row| {
        Ok(StoredSketch {
            level: part.level,
            start: row.time("start_at")?,
            group: row.text("group_key")?,
            n: row.number("n")?,
            cell: row.text("cell")?,
        })
    };
    rows.iter().map(stored).collect()
}

pub(super) async fn sketch_groups(
    catalog: &SqlCatalog,
    deployment: &str,
    package: &Digest,
    (from, until): (Timestamp, Timestamp),
    limit: u32,
) -> Result<Vec<(String, u64)>, StoreError> {
    let sql = "SELECT group_key, CAST(SUM(n) AS BIGINT) AS n FROM sketch WHERE deployment = $1 AND package = $2 \
               AND level = 'month' AND start_at >= $3 AND start_at < $4 GROUP BY group_key ORDER BY 2 DESC, 1 LIMIT $5";
    let columns = values![deployment, *package, Level::Month.start(from), until, limit];
    let rows = catalog.database.rows("list acquisition groups of sketches", sql, columns).await?;
    rows.iter().map(|row| Ok((row.text("group_key")?, row.number("n")?))).collect()
}

pub(super) async fn sketch_begin(
    catalog: &SqlCatalog,
    deployment: &str,
    package: &Digest,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT MIN(start_at) AS at FROM sketch WHERE deployment = $1 AND package = $2 AND level = 'day_all'";
    let row = catalog.database.row("find the first sketch", sql, values![deployment, *package]).await?;
    Ok(row.map(|row| row.time_or_none("at")).transpose()?.flatten())
}

pub(super) async fn tally(
    catalog: &SqlCatalog,
    deployment: &str,
    package: &Digest,
    from: Timestamp,
    each: Option<&str>,
) -> Result<Option<Tally>, StoreError> {
    const WHAT: &str = "read counts";
    if super::due::tally_left(catalog).await? {
        return Ok(None);
    }
    let sql = "SELECT value, counts FROM tally WHERE deployment = $1 AND package = $2 AND cut = $3 AND start_at >= $4 \
               ORDER BY start_at DESC, value LIMIT $5";
    let start = Level::Day.start(from);
    let mut tally = Tally { complete: true, ..Tally::default() };
    for cut in [Some(""), each].into_iter().flatten() {
        let rows = catalog.database.rows(WHAT, sql, values![deployment, *package, cut, start, TALLIES_MAX]).await?;
        tally.complete &= rows.len() < TALLIES_MAX as usize;
        for row in rows {
            let damaged = || StoreError::DamagedRow { column: "counts" };
            let bytes = unpack(&row.text("counts")?).ok_or_else(damaged)?;
            let counts = Counts::decode(&bytes).map_err(|_| damaged())?;
            if cut.is_empty() {
                tally.whole.add(&counts, 1);
            } else {
                tally.values.entry(row.text("value")?).or_default().add(&counts, 1);
            }
        }
    }
    Ok(Some(tally))
}
