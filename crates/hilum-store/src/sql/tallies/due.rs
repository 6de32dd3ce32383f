//! Facts from before there were counts, counted in steps from the rows.

use super::super::SqlCatalog;
use super::super::act::Act;
use super::super::connection::{Row, values};
use super::write::Sums;
use super::{count_labels, labels_of};
use crate::StoreError;
use hilum_monitor::{Label, Observation};
use hilum_types::Timestamp;

const WHAT: &str = "count what was observed before";

/// The progress, while there is something left.
pub(super) const LEFT: &str = "SELECT seq, until_seq FROM tally_made WHERE id = 1 AND seq < until_seq";

pub(super) async fn tally_left(catalog: &SqlCatalog) -> Result<bool, StoreError> {
    Ok(catalog.database.row(WHAT, LEFT, vec![]).await?.is_some())
}

/// One step. What the acts count meanwhile is never counted here: their facts lie beyond the last one, and their labels
/// say that they were counted.
pub(super) async fn tally_due(catalog: &SqlCatalog, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
    if catalog.database.row(WHAT, LEFT, vec![]).await?.is_none() {
        return Ok(0);
    }
    let mut act = Act::begin(&catalog.database, WHAT, "system:tallies", now).await?;
    let Some(row) = act.row(LEFT, vec![]).await? else { return Ok(0) };
    let (seq, until_seq) = (row.int("seq")?, row.int("until_seq")?);
    let sql = "SELECT seq, kind, deployment, study_key, revision, fact_key FROM monitor_fact \
               WHERE $1 < seq AND seq <= $2 ORDER BY seq LIMIT $3";
    let rows = act.rows(sql, values![seq, until_seq, limit.max(1)]).await?;
    let facts = rows.iter().map(Fact::of).collect::<Result<Vec<Fact>, StoreError>>()?;
    let mut sums = Sums::default();
    let mut reached = until_seq;
    for fact in &facts {
        reached = fact.seq;
        match fact.kind.as_str() {
            "observation" => {
                let sql = "SELECT record FROM observation WHERE study_key = $1 AND revision = $2 AND deployment = $3";
                let columns = values![fact.study_key.as_str(), fact.revision, fact.deployment.as_str()];
                if let Some(row) = act.row(sql, columns).await? {
                    sums.observation(&row.json::<Observation>("record")?);
                }
            }
            "label" => old_labels(&mut act, &fact.key, &mut sums).await?,
            _ => {}
        }
    }
    let n = facts.len() as u32;
    if n < limit.max(1) {
        reached = until_seq;
    }
    if sums.write_step(&mut act).await? {
        act.execute("UPDATE tally_made SET seq = $1 WHERE id = 1", values![reached]).await?;
    }
    act.commit().await?;
    Ok(n)
}

struct Fact {
    seq: i64,
    kind: String,
    deployment: String,
    study_key: String,
    revision: i64,
    key: String,
}

impl Fact {
    fn of(row: &Row) -> Result<Fact, StoreError> {
        Ok(Fact {
            seq: row.int("seq")?,
            kind: row.text("kind")?,
            deployment: row.text("deployment")?,
            study_key: row.text("study_key")?,
            revision: row.int("revision")?,
            key: row.text("fact_key")?,
        })
    }
}

/// Labels of a study from before, all that speak of the finding of this one at once; those entered since have taken the
/// difference that they make.
async fn old_labels(act: &mut Act, key: &str, sums: &mut Sums) -> Result<(), StoreError> {
    let sql = "SELECT label FROM label WHERE label_key = $1 AND tallied = 0";
    let Some(row) = act.row(sql, values![key]).await? else { return Ok(()) };
    let label: Label = row.json("label")?;
    count_labels(sums, labels_of(act, &label, "AND l.tallied = 0").await?, 1);
    let sql = "UPDATE label SET tallied = 1 WHERE study_key = $1 AND deployment = $2 AND finding = $3 AND tallied = 0";
    act.execute(sql, values![label.study_key.as_str(), label.deployment.as_str(), label.finding.as_str()]).await?;
    Ok(())
}

/// Throw away every sketch and count, and take what is entered by now for facts that are not counted yet.
pub(super) async fn forget(act: &mut Act) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM sketch",
        "DELETE FROM tally",
        "UPDATE label SET tallied = 0 WHERE tallied <> 0",
        "UPDATE tally_made SET seq = 0, until_seq = (SELECT COALESCE(MAX(seq), 0) FROM monitor_fact) WHERE id = 1",
    ] {
        act.execute(sql, vec![]).await?;
    }
    Ok(())
}

/// See [`crate::testing::forget_tallies`].
#[cfg(feature = "testing")]
pub(crate) async fn forget_at(url: &str) -> Result<(), StoreError> {
    let catalog = SqlCatalog::open(url, &crate::CatalogOptions::default()).await?;
    let mut act = Act::begin(&catalog.database, WHAT, "system:tallies", Timestamp::from_micros(0)).await?;
    forget(&mut act).await?;
    act.commit().await
}
