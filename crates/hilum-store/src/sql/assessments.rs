//! The trait [`Assessments`] on SQL: answers that wait to be told, and what became of them.

use super::SqlCatalog;
use super::act::Act;
use super::connection::{Row, Value, in_list, values};
use super::deployments::current;
use super::released::{deliver_released, insert_released};
use crate::assessments::{Assessments, DueAssessment, Said, Told};
use crate::labels::{NewLabel, signed_in_origin};
use crate::records::{NewResult, ResultKind};
use crate::{Priority, StoreError};
use async_trait::async_trait;
use hilum_audit::{AuditAction, AuditEvent, AuditOutcome, AuditSubject, SubjectKind};
use hilum_monitor::Label;
use hilum_monitor::assessment::may_be_told;
use hilum_registry::ReadingMode;
use hilum_types::{Phi, Timestamp};
use serde_json::json;

const LIST: &str = "list answers that are not told yet";
const TELL: &str = "tell of answers to a result";
const OF_IT: &str = "study_key = $1 AND revision = $2 AND deployment = $3";

#[async_trait]
impl Assessments for SqlCatalog {
    async fn assessments_due(
        &self,
        wanting: &[String],
        now: Timestamp,
        quiet_seconds: u32,
        limit: u32,
    ) -> Result<Vec<DueAssessment>, StoreError> {
        let quiet = i64::from(quiet_seconds);
        let mut values = values![now.plus_seconds(-quiet), now.plus_seconds(quiet)];
        let list = in_list(&mut values, names(wanting));
        values.push(limit.into());
        let sql = format!(
            "SELECT w.study_key, w.revision, w.deployment, w.reader, w.answered_at, i.package, i.record \
             FROM assessment_due w JOIN inference i ON i.study_key = w.study_key AND i.revision = w.revision \
             AND i.deployment = w.deployment WHERE (w.answered_at <= $1 OR $2 < w.answered_at) \
             AND NOT EXISTS (SELECT 1 FROM result r JOIN delivery d ON d.result_key = r.result_key \
             WHERE r.study_key = w.study_key AND r.revision = w.revision AND r.deployment = w.deployment \
             AND d.state = 'queued' AND d.destination IN {list}) \
             AND NOT EXISTS (SELECT 1 FROM assessment_report p JOIN delivery d ON d.result_key = p.result_key \
             WHERE p.study_key = w.study_key AND p.revision = w.revision AND p.deployment = w.deployment \
             AND p.reader = w.reader AND d.state = 'queued' AND d.destination IN {list}) \
             ORDER BY w.answered_at, w.study_key, w.deployment, w.reader LIMIT ${}",
            values.len()
        );
        let mut due = Vec::new();
        for row in self.database.rows(LIST, sql, values).await? {
            let found = waiting(&row)?;
            due.push(completed(self, found, wanting).await?);
        }
        Ok(due)
    }

    async fn assessment_told(&self, due: &DueAssessment, told: Told<'_>, now: Timestamp) -> Result<bool, StoreError> {
        let mut act = Act::begin(&self.database, TELL, "system:worker", now).await?;
        if !is_still_due(&mut act, due).await? {
            return Ok(false);
        }
        match told {
            Told::Report(report) => release(&mut act, due, report).await?,
            Told::Nobody => {}
            Told::Failed(why) => fail(&mut act, due, why).await?,
        }
        let sql = format!("DELETE FROM assessment_due WHERE {OF_IT} AND reader = $4");
        act.execute(sql, of_reader(due)).await?;
        act.commit().await?;
        Ok(true)
    }
}

/// Note that an answer is to be told, in the act that enters it and before it reveals anything to its reader. Its place
/// among the others is counted here: a clock may be set back between an answer and its correction.
pub(super) async fn note_answer(act: &mut Act, new: &NewLabel, label: &Label) -> Result<(), StoreError> {
    // A report speaks in the name of its reader, so a name that was typed somewhere is not enough.
    if !new.origin.starts_with(&signed_in_origin(&new.by)) || !may_be_told(label.source, &label.by, false) {
        return Ok(());
    }
    let study = &new.study_key;
    let was_hidden = is_hidden(act, new, label.revision).await?;
    if !may_be_told(label.source, &label.by, was_hidden) {
        return Ok(());
    }
    let sql = format!(
        "UPDATE label SET answer_number = (SELECT COUNT(*) + 1 FROM label l WHERE {OF_IT} AND l.by_whom = $4 \
         AND l.answer_number IS NOT NULL) WHERE label_key = $5"
    );
    let (deployment, by) = (label.deployment.as_str(), label.by.as_str());
    act.execute(sql, values![study, label.revision, deployment, by, label.key.as_str()]).await?;
    let sql = "INSERT INTO assessment_due (study_key, revision, deployment, reader, answered_at) \
               VALUES ($1,$2,$3,$4,$5) ON CONFLICT (study_key, revision, deployment, reader) \
               DO UPDATE SET answered_at = excluded.answered_at";
    let values = values![study, label.revision, deployment, by, act.now];
    act.execute(sql, values).await?;
    Ok(())
}

/// Whether the result is hidden from the reader now, by what is declared.
async fn is_hidden(act: &mut Act, new: &NewLabel, revision: u32) -> Result<bool, StoreError> {
    let deployment = current(act, &new.deployment).await?;
    match deployment.map(|deployment| deployment.spec.reading_mode) {
        Some(ReadingMode::Alongside) => Ok(false),
        Some(ReadingMode::Shadow) | None => Ok(true),
        Some(ReadingMode::AfterFirstRead) => {
            let sql = "SELECT 1 AS seen FROM first_read WHERE study_key = $1 AND deployment = $2 AND reader = $3 \
                       AND revision <= $4 LIMIT 1";
            let values = values![&new.study_key, new.deployment.as_str(), new.by.as_str(), revision];
            Ok(act.row(sql, values).await?.is_none())
        }
    }
}

fn names(wanting: &[String]) -> impl Iterator<Item = Value> {
    wanting.iter().map(|name| Value::from(name.as_str()))
}

fn of_run(due: &DueAssessment) -> Vec<Value> {
    values![&due.study_key, due.revision, due.deployment.as_str()]
}

fn of_reader(due: &DueAssessment) -> Vec<Value> {
    values![&due.study_key, due.revision, due.deployment.as_str(), due.reader.as_str()]
}

fn waiting(row: &Row) -> Result<DueAssessment, StoreError> {
    Ok(DueAssessment {
        study_key: row.parse("study_key")?,
        revision: row.number("revision")?,
        deployment: row.text("deployment")?,
        reader: row.text("reader")?,
        answered_at: row.time("answered_at")?,
        said: Vec::new(),
        number: 1,
        predecessor: None,
        package: row.parse("package")?,
        record: row.json("record")?,
        results: Vec::new(),
        destinations: Vec::new(),
    })
}

/// With what was said, what was told before, and who holds the result.
async fn completed(
    catalog: &SqlCatalog,
    mut due: DueAssessment,
    wanting: &[String],
) -> Result<DueAssessment, StoreError> {
    let sql = format!(
        "SELECT label, comment FROM label WHERE {OF_IT} AND by_whom = $4 AND answer_number IS NOT NULL \
         ORDER BY answer_number"
    );
    for row in catalog.database.rows(LIST, sql, of_reader(&due)).await? {
        let comment = row.text_or_none("comment")?.map(Phi::new);
        due.said.push(Said { label: row.json("label")?, comment });
    }
    let sql = "SELECT p.number, r.blob FROM assessment_report p JOIN result r ON r.result_key = p.result_key \
               WHERE p.study_key = $1 AND p.revision = $2 AND p.deployment = $3 AND p.reader = $4 \
               ORDER BY p.number DESC LIMIT 1";
    if let Some(row) = catalog.database.row(LIST, sql, of_reader(&due)).await? {
        due.number = row.number::<u32>("number")?.saturating_add(1);
        due.predecessor = Some(row.parse("blob")?);
    }
    let mut values = of_run(&due);
    let list = in_list(&mut values, names(wanting));
    let sql = format!(
        "SELECT r.blob, d.destination FROM result r JOIN delivery d ON d.result_key = r.result_key \
         WHERE r.study_key = $1 AND r.revision = $2 AND r.deployment = $3 AND r.released = 1 \
         AND r.retracted_by IS NULL AND d.state = 'delivered' AND d.destination IN {list} \
         ORDER BY r.result_key, d.destination"
    );
    for row in catalog.database.rows(LIST, sql, values).await? {
        let (blob, destination) = (row.parse("blob")?, row.text("destination")?);
        if !due.results.contains(&blob) {
            due.results.push(blob);
        }
        if !due.destinations.contains(&destination) {
            due.destinations.push(destination);
        }
    }
    due.destinations.sort();
    Ok(due)
}

/// Whether nobody has told them yet, the reader has said nothing since, as labels are only ever added, and no result was
/// retracted since.
async fn is_still_due(act: &mut Act, due: &DueAssessment) -> Result<bool, StoreError> {
    let sql = format!("SELECT answered_at FROM assessment_due WHERE {OF_IT} AND reader = $4");
    let row = act.row(sql, of_reader(due)).await?;
    if row.map(|row| row.time("answered_at")).transpose()? != Some(due.answered_at) {
        return Ok(false);
    }
    let sql = format!("SELECT COUNT(*) AS n FROM label WHERE {OF_IT} AND by_whom = $4 AND answer_number IS NOT NULL");
    let row = act.row(sql, of_reader(due)).await?.ok_or(StoreError::DamagedRow { column: "n" })?;
    if row.number::<usize>("n")? != due.said.len() {
        return Ok(false);
    }
    let mut values = of_run(due);
    let list = in_list(&mut values, due.results.iter().map(|result| Value::from(*result)));
    let sql =
        format!("SELECT 1 AS found FROM result WHERE {OF_IT} AND retracted_by IS NOT NULL AND blob IN {list} LIMIT 1");
    Ok(act.row(sql, values).await?.is_none())
}

async fn release(act: &mut Act, due: &DueAssessment, report: &NewResult) -> Result<(), StoreError> {
    if report.kind != ResultKind::AssessmentReport || due.destinations.is_empty() {
        return Err(StoreError::Misuse("answers leave as an assessment report, to somebody".into()));
    }
    let (study, revision) = (&due.study_key, due.revision);
    let key = insert_released(act, study, revision, report).await?;
    let sql = "INSERT INTO assessment_report (study_key, revision, deployment, reader, number, result_key, \
               answered_at) VALUES ($1,$2,$3,$4,$5,$6,$7)";
    let mut values = of_reader(due);
    values.extend(values![due.number, &key, due.answered_at]);
    act.execute(sql, values).await?;
    for destination in &due.destinations {
        let now = act.now;
        deliver_released(act, study, revision, &key, destination, Priority::ROUTINE, now).await?;
    }
    let detail = json!({
        "revision": revision, "deployment": due.deployment, "reader": due.reader, "number": due.number,
        "object": report.blob, "destinations": due.destinations, "n_results": due.results.len(),
    });
    let action = AuditAction::AssessmentReportReleased;
    act.audit(action, AuditSubject::new(SubjectKind::Study, study), &detail);
    let text = format!("what a reader answered was released as a report to {}", due.destinations.join(", "));
    act.tell(study, revision, Some(&due.deployment), action, text);
    Ok(())
}

async fn fail(act: &mut Act, due: &DueAssessment, why: &str) -> Result<(), StoreError> {
    let detail = json!({
        "revision": due.revision, "deployment": due.deployment, "reader": due.reader, "number": due.number, "why": why,
    });
    let subject = AuditSubject::new(SubjectKind::Study, &due.study_key);
    let event = AuditEvent::new(act.now, "system:worker", AuditAction::AssessmentReportReleased, subject);
    act.audit_event(event.outcome(AuditOutcome::MinorFailure).detail(&detail));
    let text = format!("what a reader answered could not be written as a report: {why}");
    act.alarm("assessment-unsent", &text, Some(&due.study_key), Some(&due.deployment)).await
}
