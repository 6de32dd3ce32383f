//! What is read of studies, results and deliveries.

use super::SqlCatalog;
use super::connection::{Row, Value, in_list, values};
use super::jobs::{JOB_COLUMNS, job_from};
use crate::recalls::{RecallGround, RecallStep, Retraction};
use crate::records::{
    CompletedBy, Delivery, DeliveryFilter, DeliveryState, DispositionRecord, GateDecisionRecord, GateStage, Inference,
    Journey, JourneyEvent, Origin, ResultKind, ResultObject, Source, StoredInstance, Study, StudyFilter, StudyRevision,
    StudyState,
};
use crate::{DeliveryKey, StoreError, StudyKey};
use hilum_types::{Disposition, Phi, Reason, StudyFacts, Uid};
use std::collections::HashMap;

pub(super) const INSTANCE_COLUMNS: &str = "instance_key, study_key, version, revision, header, blob, size, peer, \
     source, received_at";

pub(super) fn instance_from(row: &Row) -> Result<StoredInstance, StoreError> {
    Ok(StoredInstance {
        key: row.parse("instance_key")?,
        study_key: row.parse("study_key")?,
        header: row.json("header")?,
        version: row.number("version")?,
        revision: row.number("revision")?,
        blob: row.parse("blob")?,
        size: row.number("size")?,
        origin: Origin { peer: row.text("peer")?, source: row.named("source", Source::from_name)? },
        received_at: row.time("received_at")?,
    })
}

const STUDY_COLUMNS: &str = "study_key, study_instance_uid, accession_number, first_header, n_instances, revision, \
     state, n_instances_expected, first_received_at, last_received_at, due_at";

fn study_from(row: &Row) -> Result<Study, StoreError> {
    Ok(Study {
        key: row.parse("study_key")?,
        study_instance_uid: row.parse("study_instance_uid")?,
        accession_number: Phi::new(row.text("accession_number")?),
        first_header: row.json("first_header")?,
        n_instances: row.number("n_instances")?,
        revision: row.number("revision")?,
        state: row.named("state", StudyState::from_name)?,
        n_instances_expected: row.number_or_none("n_instances_expected")?,
        first_received_at: row.time("first_received_at")?,
        last_received_at: row.time("last_received_at")?,
        due_at: row.time_or_none("due_at")?,
        dispositions: vec![],
    })
}

fn disposition_from(row: &Row) -> Result<DispositionRecord, StoreError> {
    let reason = || row.json::<Reason>("reason");
    let disposition = match row.text("disposition")?.as_str() {
        "analysed" => Disposition::Analysed,
        "not_eligible" => Disposition::NotEligible(reason()?),
        "withheld" => Disposition::Withheld(reason()?),
        "failed" => Disposition::Failed(reason()?),
        "expired" => Disposition::Expired(reason()?),
        _ => return Err(StoreError::DamagedRow { column: "disposition" }),
    };
    Ok(DispositionRecord {
        deployment: row.text("deployment")?,
        revision: row.number("revision")?,
        disposition,
        decided_at: row.time("decided_at")?,
    })
}

impl SqlCatalog {
    /// Fill in the dispositions of the current revision of each study.
    async fn with_dispositions(&self, mut studies: Vec<Study>) -> Result<Vec<Study>, StoreError> {
        if studies.is_empty() {
            return Ok(studies);
        }
        let mut values = vec![];
        let list = in_list(&mut values, studies.iter().map(|study| (&study.key).into()));
        let sql = format!(
            "SELECT d.study_key, d.deployment, d.revision, d.disposition, d.reason, d.decided_at FROM disposition d \
             JOIN study s ON s.study_key = d.study_key AND s.revision = d.revision \
             WHERE d.study_key IN {list} ORDER BY d.deployment"
        );
        let mut by_study: HashMap<StudyKey, Vec<DispositionRecord>> = HashMap::new();
        for row in self.database.rows("list dispositions", sql, values).await? {
            by_study.entry(row.parse("study_key")?).or_default().push(disposition_from(&row)?);
        }
        for study in &mut studies {
            study.dispositions = by_study.remove(&study.key).unwrap_or_default();
        }
        Ok(studies)
    }

    async fn study_where(&self, condition: &str, value: Value) -> Result<Option<Study>, StoreError> {
        let sql = format!("SELECT {STUDY_COLUMNS} FROM study WHERE {condition} = $1");
        let rows = self.database.rows("look up a study", sql, vec![value]).await?;
        let studies = rows.iter().map(study_from).collect::<Result<Vec<_>, _>>()?;
        Ok(self.with_dispositions(studies).await?.pop())
    }

    /// Rows of a table that belong to a study.
    async fn of_study<T>(
        &self,
        sql: String,
        key: &StudyKey,
        from: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.database.rows("read a journey", sql, values![key]).await?;
        rows.iter().map(from).collect()
    }
}

pub(super) async fn study_get(catalog: &SqlCatalog, key: &StudyKey) -> Result<Option<Study>, StoreError> {
    catalog.study_where("study_key", key.into()).await
}

pub(super) async fn study_by_uid(catalog: &SqlCatalog, uid: &Uid) -> Result<Option<Study>, StoreError> {
    catalog.study_where("study_instance_uid", uid.into()).await
}

pub(super) async fn study_list(
    catalog: &SqlCatalog,
    filter: &StudyFilter,
    limit: u32,
) -> Result<Vec<Study>, StoreError> {
    let mut values: Vec<Value> = vec![];
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut add = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(condition.replace('?', &format!("${}", values.len())));
        }
    };
    add("accession_number = ?", filter.accession_number.as_ref().map(|n| n.reveal().as_str().into()));
    add("state = ?", filter.state.map(|state| state.name().into()));
    add("modality = ?", filter.modality.as_deref().map(Into::into));
    add("? <= first_received_at", filter.received_from.map(Into::into));
    add("first_received_at < ?", filter.received_before.map(Into::into));
    add("study_key < ?", filter.after.as_ref().map(Into::into));
    let of_current = "study_key IN (SELECT d.study_key FROM disposition d WHERE d.revision = study.revision AND";
    if let Some(disposition) = &filter.disposition {
        let mut condition = format!("{of_current} d.disposition = ?");
        if let Some(deployment) = &filter.deployment {
            values.push(deployment.as_str().into());
            condition += &format!(" AND d.deployment = ${}", values.len());
        }
        values.push(disposition.as_str().into());
        conditions.push(condition.replace('?', &format!("${}", values.len())) + ")");
    } else if let Some(deployment) = &filter.deployment {
        values.push(deployment.as_str().into());
        conditions.push(format!(
            "study_key IN (SELECT a.study_key FROM arrival a WHERE a.revision = study.revision \
             AND a.deployment = ${})",
            values.len()
        ));
    }
    values.push(limit.into());
    let sql = format!(
        "SELECT {STUDY_COLUMNS} FROM study WHERE {} ORDER BY study_key DESC LIMIT ${}",
        conditions.join(" AND "),
        values.len()
    );
    let rows = catalog.database.rows("list studies", sql, values).await?;
    let studies = rows.iter().map(study_from).collect::<Result<Vec<_>, _>>()?;
    catalog.with_dispositions(studies).await
}

pub(super) async fn study_instances(
    catalog: &SqlCatalog,
    key: &StudyKey,
    revision: u32,
) -> Result<Vec<StoredInstance>, StoreError> {
    let sql = format!(
        "SELECT {INSTANCE_COLUMNS} FROM instance WHERE study_key = $1 AND revision <= $2 AND version = 1 \
         ORDER BY instance_key"
    );
    let rows = catalog.database.rows("read the instances of a study", sql, values![key, revision]).await?;
    rows.iter().map(instance_from).collect()
}

pub(super) async fn study_facts(catalog: &SqlCatalog, key: &StudyKey, revision: u32) -> Result<StudyFacts, StoreError> {
    let instances = study_instances(catalog, key, revision).await?;
    let headers = instances.into_iter().map(|instance| instance.header).collect();
    StudyFacts::from_headers(revision, headers).ok_or(StoreError::NotFound("study revision"))
}

pub(super) async fn study_facts_recent(
    catalog: &SqlCatalog,
    n: u32,
) -> Result<Vec<(StudyKey, StudyFacts)>, StoreError> {
    let sql = "SELECT study_key, revision FROM study WHERE state = 'complete' ORDER BY study_key DESC LIMIT $1";
    let mut recent = vec![];
    for row in catalog.database.rows("list complete studies", sql, values![n]).await? {
        let key: StudyKey = row.parse("study_key")?;
        let facts = study_facts(catalog, &key, row.number("revision")?).await?;
        recent.push((key, facts));
    }
    Ok(recent)
}

pub(super) async fn study_journey(catalog: &SqlCatalog, key: &StudyKey) -> Result<Option<Journey>, StoreError> {
    let Some(study) = study_get(catalog, key).await? else {
        return Ok(None);
    };
    let select = |columns: &str, table: &str, order: &str| {
        format!("SELECT {columns} FROM {table} WHERE study_key = $1 ORDER BY {order}")
    };
    let revision_columns = "study_key, revision, instance_set, n_instances, completed_by, completed_at";
    let decision_columns = "revision, deployment, stage, verdict, decided_at, reasons, detail";
    let disposition_columns = "deployment, revision, disposition, reason, decided_at";
    let inference_columns = "revision, deployment, package, record, started_at, finished_at";
    let open = "SELECT a.revision, a.deployment FROM arrival a WHERE a.study_key = $1 AND NOT EXISTS \
                (SELECT 1 FROM disposition d WHERE d.study_key = a.study_key AND d.revision = a.revision \
                AND d.deployment = a.deployment) ORDER BY a.revision, a.deployment";
    let deliveries = format!("{DELIVERY_SELECT} WHERE r.study_key = $1 ORDER BY d.delivery_key");
    let retractions = "SELECT c.record, c.ground, c.reason, s.step, s.note, s.changed_at FROM recall_study s \
                       JOIN recall c ON c.record = s.record WHERE s.study_key = $1 AND s.step <> 'planned' \
                       ORDER BY c.begun_at, c.record";
    Ok(Some(Journey {
        study,
        instances: catalog.of_study(select(INSTANCE_COLUMNS, "instance", "instance_key"), key, instance_from).await?,
        revisions: catalog.of_study(select(revision_columns, "study_revision", "revision"), key, revision_from).await?,
        // First of what one act writes: whoever sees that a study has ended sees everything that led to it.
        dispositions: catalog
            .of_study(select(disposition_columns, "disposition", "revision, deployment"), key, disposition_from)
            .await?,
        open: catalog
            .of_study(open.to_owned(), key, |row| Ok((row.number("revision")?, row.text("deployment")?)))
            .await?,
        decisions: catalog.of_study(select(decision_columns, "gate_decision", "seq"), key, decision_from).await?,
        jobs: catalog.of_study(select(JOB_COLUMNS, "job", "job_key"), key, job_from).await?,
        inferences: catalog
            .of_study(select(inference_columns, "inference", "revision, deployment"), key, inference_from)
            .await?,
        results: catalog.of_study(select(RESULT_COLUMNS, "result", "result_key"), key, result_from).await?,
        deliveries: catalog.of_study(deliveries, key, delivery_from).await?,
        retractions: catalog.of_study(retractions.to_owned(), key, retraction_from).await?,
        events: catalog
            .of_study(select("seq, at, revision, deployment, kind, text", "journey_event", "seq"), key, event_from)
            .await?,
    }))
}

fn revision_from(row: &Row) -> Result<StudyRevision, StoreError> {
    Ok(StudyRevision {
        study_key: row.parse("study_key")?,
        revision: row.number("revision")?,
        instance_set: row.parse("instance_set")?,
        n_instances: row.number("n_instances")?,
        completed_by: row.named("completed_by", CompletedBy::from_name)?,
        completed_at: row.time("completed_at")?,
    })
}

fn decision_from(row: &Row) -> Result<(u32, GateDecisionRecord), StoreError> {
    let decision = GateDecisionRecord {
        deployment: row.text("deployment")?,
        stage: row.named("stage", GateStage::from_name)?,
        decided_at: row.time("decided_at")?,
        verdict: row.text("verdict")?,
        reasons: row.json("reasons")?,
        detail: row.json("detail")?,
    };
    Ok((row.number("revision")?, decision))
}

fn inference_from(row: &Row) -> Result<Inference, StoreError> {
    Ok(Inference {
        revision: row.number("revision")?,
        deployment: row.text("deployment")?,
        package: row.parse("package")?,
        record: row.json("record")?,
        started_at: row.time("started_at")?,
        finished_at: row.time("finished_at")?,
    })
}

fn event_from(row: &Row) -> Result<JourneyEvent, StoreError> {
    Ok(JourneyEvent {
        seq: row.number("seq")?,
        at: row.time("at")?,
        revision: row.number("revision")?,
        deployment: row.text_or_none("deployment")?,
        kind: row.text("kind")?,
        text: row.text("text")?,
    })
}

fn retraction_from(row: &Row) -> Result<Retraction, StoreError> {
    Ok(Retraction {
        record: row.parse("record")?,
        ground: row.named("ground", RecallGround::from_name)?,
        reason: row.text("reason")?,
        step: row.named("step", RecallStep::from_name)?,
        note: row.parse_or_none("note")?,
        changed_at: row.time("changed_at")?,
    })
}

const RESULT_COLUMNS: &str = "result_key, study_key, revision, deployment, kind, place, sop_instance_uid, \
     sop_class_uid, transfer_syntax_uid, blob, size, released, superseded_by, retracted_by, created_at";

fn result_from(row: &Row) -> Result<ResultObject, StoreError> {
    Ok(ResultObject {
        key: row.parse("result_key")?,
        study_key: row.parse("study_key")?,
        revision: row.number("revision")?,
        deployment: row.text("deployment")?,
        kind: row.named("kind", ResultKind::from_name)?,
        index: row.number("place")?,
        sop_instance_uid: row.parse("sop_instance_uid")?,
        sop_class_uid: row.parse("sop_class_uid")?,
        transfer_syntax_uid: row.parse("transfer_syntax_uid")?,
        blob: row.parse("blob")?,
        size: row.number("size")?,
        released: row.int("released")? != 0,
        superseded_by: row.number_or_none("superseded_by")?,
        retracted_by: row.parse_or_none("retracted_by")?,
        created_at: row.time("created_at")?,
    })
}

pub(super) async fn result_by_uid(catalog: &SqlCatalog, uid: &Uid) -> Result<Option<ResultObject>, StoreError> {
    let sql = format!("SELECT {RESULT_COLUMNS} FROM result WHERE sop_instance_uid = $1");
    catalog.database.row("look up a result", sql, values![uid]).await?.as_ref().map(result_from).transpose()
}

const DELIVERY_SELECT: &str = "SELECT d.delivery_key, d.destination, d.state AS delivery_state, d.attempts, \
     d.last_error, d.created_at AS enqueued_at, d.updated_at, d.delivered_at, r.result_key, r.study_key, r.revision, \
     r.deployment, r.kind, r.place, r.sop_instance_uid, r.sop_class_uid, r.transfer_syntax_uid, r.blob, r.size, \
     r.released, r.superseded_by, r.retracted_by, r.created_at FROM delivery d JOIN result r ON r.result_key = d.result_key";

fn delivery_from(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        key: row.parse("delivery_key")?,
        result: result_from(row)?,
        destination: row.text("destination")?,
        state: row.named("delivery_state", DeliveryState::from_name)?,
        attempts: row.number("attempts")?,
        last_error: row.text_or_none("last_error")?,
        created_at: row.time("enqueued_at")?,
        updated_at: row.time("updated_at")?,
        delivered_at: row.time_or_none("delivered_at")?,
    })
}

pub(super) async fn delivery_get(catalog: &SqlCatalog, key: &DeliveryKey) -> Result<Option<Delivery>, StoreError> {
    let sql = format!("{DELIVERY_SELECT} WHERE d.delivery_key = $1");
    catalog.database.row("look up a delivery", sql, values![key]).await?.as_ref().map(delivery_from).transpose()
}

pub(super) async fn delivery_list(
    catalog: &SqlCatalog,
    filter: &DeliveryFilter,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    let mut values: Vec<Value> = vec![];
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut add = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(format!("{condition} ${}", values.len()));
        }
    };
    add("d.state =", filter.state.map(|state| state.name().into()));
    add("d.destination =", filter.destination.as_deref().map(Into::into));
    add("r.study_key =", filter.study_key.as_ref().map(Into::into));
    add("d.delivery_key <", filter.after.as_ref().map(Into::into));
    values.push(limit.into());
    let sql = format!(
        "{DELIVERY_SELECT} WHERE {} ORDER BY d.delivery_key DESC LIMIT ${}",
        conditions.join(" AND "),
        values.len()
    );
    let rows = catalog.database.rows("list deliveries", sql, values).await?;
    rows.iter().map(delivery_from).collect()
}
