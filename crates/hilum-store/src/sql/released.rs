//! Objects about results that belong to no deployment, so that no deployment's state holds them up: rejection notes and
//! assessment reports.

use super::act::Act;
use super::connection::values;
use crate::records::NewResult;
use crate::{DeliveryKey, JobKind, NewJob, Priority, ResultKey, StoreError, StudyKey};
use hilum_types::Timestamp;
use serde_json::json;

/// Enter the object, released; a study may have any number of each kind.
pub(super) async fn insert_released(
    act: &mut Act,
    study: &StudyKey,
    revision: u32,
    object: &NewResult,
) -> Result<ResultKey, StoreError> {
    let sql = "INSERT INTO blob (digest, size) VALUES ($1,$2) ON CONFLICT (digest) DO NOTHING";
    act.execute(sql, values![object.blob, object.size]).await?;
    let sql = "SELECT COUNT(*) AS n FROM result WHERE study_key = $1 AND kind = $2";
    let row = act.row(sql, values![study, object.kind.name()]).await?;
    let place = row.map(|row| row.number::<u32>("n")).transpose()?.unwrap_or(0);
    let key = ResultKey::fresh(act.now);
    let sql = "INSERT INTO result (result_key, study_key, revision, deployment, kind, place, sop_instance_uid, \
               sop_class_uid, transfer_syntax_uid, blob, size, released, created_at) \
               VALUES ($1,$2,$3,'',$4,$5,$6,$7,$8,$9,$10,1,$11)";
    let values = values![
        &key,
        study,
        revision,
        object.kind.name(),
        place,
        &object.sop_instance_uid,
        &object.sop_class_uid,
        &object.transfer_syntax_uid,
        object.blob,
        object.size,
        act.now,
    ];
    act.execute(sql, values).await?;
    Ok(key)
}

/// Send it to one destination, not before `due_at`.
pub(super) async fn deliver_released(
    act: &mut Act,
    study: &StudyKey,
    revision: u32,
    object: &ResultKey,
    destination: &str,
    priority: Priority,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    let key = DeliveryKey::fresh(act.now);
    let sql = "INSERT INTO delivery (delivery_key, result_key, destination, state, attempts, created_at, updated_at) \
               VALUES ($1,$2,$3,'queued',0,$4,$4)";
    act.execute(sql, values![&key, object, destination, act.now]).await?;
    let job = NewJob {
        kind: JobKind::Deliver,
        dedup_key: format!("deliver:{object}:{destination}"),
        study_key: Some(study.clone()),
        revision: Some(revision),
        // Of no deployment, so that suspending one does not stop it.
        deployment: None,
        delivery_key: Some(key),
        payload: json!({ "destination": destination }),
        priority,
        due_at,
    };
    act.enqueue(&job).await?;
    Ok(())
}
