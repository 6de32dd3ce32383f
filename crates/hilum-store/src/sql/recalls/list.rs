//! The recall list: one query over runs, results and deliveries.

use crate::recalls::{RecallWindow, RecalledDelivery, RecalledResult, RecalledRun, RecalledStudy};
use crate::records::{DeliveryState, ResultKind};
use crate::sql::SqlCatalog;
use crate::sql::connection::{Row, values};
use crate::{ResultKey, StoreError, StudyKey};
use hilum_types::Phi;

/// One row per run, result and destination; keys sort by time, so studies come in order of arrival and results in the
/// order of their making. A delivery counts the attempts that were begun, which its job knows.
const SELECT: &str = "SELECT i.study_key, s.accession_number, i.revision, i.deployment, i.finished_at, \
     e.disposition, r.result_key, r.kind, r.sop_instance_uid, r.blob, r.released, r.superseded_by, r.retracted_by, d.delivery_key, \
     d.destination, d.state, d.delivered_at, d.last_error, \
     CASE WHEN COALESCE(j.attempts, 0) < d.attempts THEN d.attempts ELSE COALESCE(j.attempts, 0) END AS attempts \
     FROM inference i JOIN study s ON s.study_key = i.study_key \
     LEFT JOIN disposition e ON e.study_key = i.study_key AND e.revision = i.revision AND e.deployment = i.deployment \
     LEFT JOIN result r ON r.study_key = i.study_key AND r.revision = i.revision AND r.deployment = i.deployment \
     LEFT JOIN delivery d ON d.result_key = r.result_key \
     LEFT JOIN job j ON j.delivery_key = d.delivery_key \
     WHERE i.package = $1 AND $2 <= i.finished_at AND i.finished_at < $3 \
     ORDER BY i.study_key, i.revision, i.deployment, r.result_key, d.destination";

pub(in crate::sql) async fn recall_list(
    catalog: &SqlCatalog,
    window: &RecallWindow,
) -> Result<Vec<RecalledStudy>, StoreError> {
    let values = values![window.package, window.from, window.to];
    let mut list: Vec<RecalledStudy> = vec![];
    for row in catalog.database.rows("list the studies of a model version", SELECT, values).await? {
        take(&mut list, &row)?;
    }
    Ok(list)
}

/// Rows of one study, run and result follow each other.
fn take(list: &mut Vec<RecalledStudy>, row: &Row) -> Result<(), StoreError> {
    let study_key: StudyKey = row.parse("study_key")?;
    if list.last().is_none_or(|last| last.study_key != study_key) {
        let accession_number = Phi::new(row.text("accession_number")?);
        list.push(RecalledStudy { study_key, accession_number, runs: vec![] });
    }
    let Some(study) = list.last_mut() else { return Ok(()) };
    let (revision, deployment) = (row.number("revision")?, row.text("deployment")?);
    if study.runs.last().is_none_or(|last| last.revision != revision || last.deployment != deployment) {
        let (ran_at, disposition) = (row.time("finished_at")?, row.text_or_none("disposition")?);
        study.runs.push(RecalledRun { revision, deployment, ran_at, disposition, results: vec![] });
    }
    let Some(run) = study.runs.last_mut() else { return Ok(()) };
    let Some(key) = row.parse_or_none::<ResultKey>("result_key")? else { return Ok(()) };
    if run.results.last().is_none_or(|last| last.key != key) {
        run.results.push(RecalledResult {
            key,
            kind: row.named("kind", ResultKind::from_name)?,
            sop_instance_uid: row.parse("sop_instance_uid")?,
            blob: row.parse("blob")?,
            released: row.int("released")? != 0,
            superseded_by: row.number_or_none("superseded_by")?,
            retracted_by: row.parse_or_none("retracted_by")?,
            deliveries: vec![],
        });
    }
    let Some(result) = run.results.last_mut() else { return Ok(()) };
    if let Some(delivery) = delivery_from(row)? {
        result.deliveries.push(delivery);
    }
    Ok(())
}

fn delivery_from(row: &Row) -> Result<Option<RecalledDelivery>, StoreError> {
    let Some(key) = row.parse_or_none("delivery_key")? else { return Ok(None) };
    Ok(Some(RecalledDelivery {
        key,
        destination: row.text("destination")?,
        state: row.named("state", DeliveryState::from_name)?,
        attempts: row.number("attempts")?,
        delivered_at: row.time_or_none("delivered_at")?,
        last_error: row.text_or_none("last_error")?,
    }))
}
