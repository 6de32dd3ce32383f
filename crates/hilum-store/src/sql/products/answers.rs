//! What products send back: bound to what they were asked, or set aside with a reason.

use super::requests::due_at;
use crate::records::{IntakeOutcome, NewInstance, Source};
use crate::sql::act::Act;
use crate::sql::connection::{in_list, json_text, values};
use crate::sql::intake::quarantine_once;
use crate::{JobKey, JobState, ProductRequestKey, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, SubjectKind};
use hilum_registry::black_box::{ANSWERS_MAX, answer_is_about};
use hilum_types::{Digest, InstanceHeader, Reason};
use serde_json::json;
use std::collections::HashSet;

/// What became of an object that a product sent.
pub(in crate::sql) struct Taken {
    pub(in crate::sql) outcome: IntakeOutcome,
    /// Whether a row names its blob now.
    pub(in crate::sql) is_kept: bool,
}

/// Those of these senders that are products.
pub(in crate::sql) async fn product_titles(
    act: &mut Act,
    batch: &[NewInstance],
) -> Result<HashSet<String>, StoreError> {
    let mut peers: Vec<&str> =
        batch.iter().filter(|i| i.origin.source == Source::Dimse).map(|i| i.origin.peer.as_str()).collect();
    peers.sort_unstable();
    peers.dedup();
    if peers.is_empty() {
        return Ok(HashSet::new());
    }
    let mut values = vec![];
    let list = in_list(&mut values, peers.into_iter().map(Into::into));
    let rows = act.rows(format!("SELECT DISTINCT ae_title FROM product_peer WHERE ae_title IN {list}"), values).await?;
    rows.iter().map(|row| row.text("ae_title")).collect()
}

/// A question about the study that an object names.
struct Asked {
    key: ProductRequestKey,
    job: JobKey,
    deployment: String,
    case_id: String,
    study: Option<(StudyKey, u32)>,
    subject: InstanceHeader,
    is_open: bool,
}

/// Bind an object of a product to the question it answers, or set it aside (AV-08).
pub(in crate::sql) async fn take_answer(act: &mut Act, instance: &NewInstance) -> Result<Taken, StoreError> {
    let asked = questions(act, instance).await?;
    let Some(open) = asked.iter().find(|asked| asked.is_open) else {
        return take_late(act, instance, asked.last()).await;
    };
    if let Some(content) = answer_content(act, &open.key, instance).await? {
        if content == instance.content {
            // The product sends twice: one copy, and the answer is not held up by it.
            return Ok(Taken { outcome: IntakeOutcome::Answer { request: open.key.clone() }, is_kept: false });
        }
        let text = "the product sent other bytes under the identifier of a result it had sent; the first is kept";
        return set_aside(act, instance, Some(open), &Reason::new("product.conflict", text)).await;
    }
    if let Err(reason) = answer_is_about(&open.subject, &instance.header) {
        distrust(act, open, &reason).await?;
        return set_aside(act, instance, Some(open), &reason).await;
    }
    let sql = "SELECT COUNT(*) AS n FROM product_answer WHERE request_key = $1";
    let row = act.row(sql, values![&open.key]).await?;
    if i64::from(ANSWERS_MAX) <= row.map(|row| row.int("n")).transpose()?.unwrap_or(0) {
        let text = format!("the product sent more than {ANSWERS_MAX} results for one study");
        let reason = Reason::new("product.too-many", text);
        distrust(act, open, &reason).await?;
        return set_aside(act, instance, Some(open), &reason).await;
    }
    bind(act, instance, open).await?;
    Ok(Taken { outcome: IntakeOutcome::Answer { request: open.key.clone() }, is_kept: true })
}

/// The questions put to this sender about the study that the object names, oldest first.
async fn questions(act: &mut Act, instance: &NewInstance) -> Result<Vec<Asked>, StoreError> {
    let sql = "SELECT r.request_key, r.job_key, r.deployment, r.case_id, r.study_key, r.revision, r.subject, r.state, \
               j.state AS job_state FROM product_request r JOIN job j ON j.job_key = r.job_key \
               WHERE r.study_instance_uid = $1 AND r.ae_title = $2 ORDER BY r.request_key";
    let values = values![&instance.header.study_instance_uid, instance.origin.peer.as_str()];
    let rows = act.rows(sql, values).await?;
    let asked = |row: &crate::sql::connection::Row| {
        let job_state = row.named("job_state", JobState::from_name)?;
        let study_key: Option<StudyKey> = row.parse_or_none("study_key")?;
        Ok(Asked {
            key: row.parse("request_key")?,
            job: row.parse("job_key")?,
            deployment: row.text("deployment")?,
            case_id: row.text("case_id")?,
            study: study_key.zip(row.number_or_none("revision")?),
            subject: row.json("subject")?,
            is_open: row.text("state")? != "closed" && matches!(job_state, JobState::Queued | JobState::Leased),
        })
    };
    rows.iter().map(asked).collect()
}

async fn answer_content(
    act: &mut Act,
    request: &ProductRequestKey,
    instance: &NewInstance,
) -> Result<Option<Digest>, StoreError> {
    let sql = "SELECT content FROM product_answer WHERE request_key = $1 AND sop_instance_uid = $2";
    let row = act.row(sql, values![request, &instance.header.sop_instance_uid]).await?;
    row.map(|row| row.parse("content")).transpose()
}

/// No question is open: a repeated answer is acknowledged, everything else is set aside.
async fn take_late(act: &mut Act, instance: &NewInstance, last: Option<&Asked>) -> Result<Taken, StoreError> {
    let Some(last) = last else {
        let text = "a product sent a result about a study that it was not asked about";
        return set_aside(act, instance, None, &Reason::new("product.unasked", text)).await;
    };
    if answer_content(act, &last.key, instance).await? == Some(instance.content) {
        return Ok(Taken { outcome: IntakeOutcome::Answer { request: last.key.clone() }, is_kept: false });
    }
    let text = "a product sent a result after the question it answers was closed";
    set_aside(act, instance, Some(last), &Reason::new("product.late", text)).await
}

async fn bind(act: &mut Act, instance: &NewInstance, asked: &Asked) -> Result<(), StoreError> {
    let sql = "INSERT INTO product_answer (request_key, sop_instance_uid, header, blob, content, size, received_at) \
               VALUES ($1,$2,$3,$4,$5,$6,$7)";
    let values = values![
        &asked.key,
        &instance.header.sop_instance_uid,
        json_text(&instance.header)?,
        instance.blob,
        instance.content,
        instance.size,
        act.now,
    ];
    act.execute(sql, values).await?;
    let sql = "UPDATE product_request SET last_answer_at = $2 WHERE request_key = $1";
    act.execute(sql, values![&asked.key, act.now]).await?;
    wake(act, &asked.job).await?;
    audit(act, instance, asked, &json!({ "blob": instance.blob, "size": instance.size, "case": asked.case_id }));
    if let Some((study_key, revision)) = &asked.study {
        let text = "the product sent a result";
        act.tell(study_key, *revision, Some(&asked.deployment), AuditAction::ProductAnswered, text);
    }
    Ok(())
}

fn audit(act: &mut Act, instance: &NewInstance, asked: &Asked, detail: &serde_json::Value) {
    let subject = match &asked.study {
        Some((study_key, _)) => AuditSubject::new(SubjectKind::Study, study_key),
        None => AuditSubject::new(SubjectKind::Deployment, &asked.deployment),
    };
    let actor = format!("peer:{}", instance.origin.peer);
    act.audit_event(AuditEvent::new(act.now, actor, AuditAction::ProductAnswered, subject).detail(detail));
}

/// The job that waits looks when its answer is complete as far as is known now.
async fn wake(act: &mut Act, job: &JobKey) -> Result<(), StoreError> {
    if let Some(due) = due_at(act, job).await? {
        let sql = "UPDATE job SET due_at = $2, updated_at = $3 WHERE job_key = $1 AND state = 'queued'";
        act.execute(sql, values![job, due, act.now]).await?;
    }
    Ok(())
}

/// What the product sent shows that none of its answers to this question may be used.
async fn distrust(act: &mut Act, asked: &Asked, reason: &Reason) -> Result<(), StoreError> {
    let sql = "UPDATE product_request SET problem = $2 WHERE request_key = $1 AND problem IS NULL";
    act.execute(sql, values![&asked.key, json_text(reason)?]).await?;
    wake(act, &asked.job).await
}

async fn set_aside(
    act: &mut Act,
    instance: &NewInstance,
    asked: Option<&Asked>,
    reason: &Reason,
) -> Result<Taken, StoreError> {
    let (key, is_new) = quarantine_once(act, reason, instance.blob, instance.size, &instance.origin).await?;
    if is_new {
        let study_key = asked.and_then(|asked| asked.study.as_ref()).map(|(key, _)| key);
        let deployment = asked.map(|asked| asked.deployment.as_str());
        let code = reason.code.replace('.', "-");
        act.alarm(&code, &reason.text, study_key, deployment).await?;
        if let Some((Some((study_key, revision)), deployment)) = asked.map(|asked| (&asked.study, &asked.deployment)) {
            act.tell(study_key, *revision, Some(deployment), AuditAction::InstanceQuarantined, reason.text.as_str());
        }
    }
    Ok(Taken { outcome: IntakeOutcome::SetAside { key, reason: reason.clone() }, is_kept: true })
}
