//! The act that enters a label.

use super::exposure::shown;
use crate::labels::{NewLabel, SetAside, Untied};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::assessments::note_answer;
use crate::sql::connection::{json_text, values};
use crate::sql::deployments::current;
use crate::sql::monitoring::{count_label, enter_label};
use crate::{LabelKey, StoreError};
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, SubjectKind};
use hilum_monitor::assessment::{LabelError, decided_in_time, independence};
use hilum_monitor::{Label, LabelSource};
use hilum_registry::ReadingMode;
use hilum_types::{Digest, Timestamp};
use serde_json::json;

const ENTER: &str = "enter a label";

pub(super) async fn labels_add(
    catalog: &SqlCatalog,
    labels: &[NewLabel],
    now: Timestamp,
) -> Result<Vec<Label>, StoreError> {
    let actor = labels.first().map_or("system:labels", |label| label.by.as_str());
    let mut act = Act::begin(&catalog.database, ENTER, actor, now).await?;
    let added = add_labels(&mut act, labels).await?;
    act.commit().await?;
    Ok(added)
}

/// Enter labels inside an act. What one answer says of several findings is judged as one: its first label must not
/// make the others count as given after the result was revealed.
pub(super) async fn add_labels(act: &mut Act, labels: &[NewLabel]) -> Result<Vec<Label>, StoreError> {
    let mut added = Vec::with_capacity(labels.len());
    for new in labels {
        added.push(add_label(act, new).await?);
    }
    for (new, label) in labels.iter().zip(&added) {
        reveal(act, new, label).await?;
    }
    Ok(added)
}

async fn add_label(act: &mut Act, new: &NewLabel) -> Result<Label, StoreError> {
    let content = content_of(new)?;
    let sql = "SELECT content, label FROM label WHERE origin = $1";
    if let Some(row) = act.row(sql, values![new.origin.as_str()]).await? {
        return same_again(row.parse("content")?, content).and(row.json("label"));
    }
    let run = analysed(act, new).await?;
    let refused = |error: LabelError| StoreError::Refused { what: ENTER, why: error.to_string() };
    decided_in_time(new.source, new.decided_at, run.first_image_at, act.now).map_err(refused)?;
    let sampled = match new.source {
        LabelSource::Assessment | LabelSource::Adjudication => {
            super::sample::probability(act, new, run.revision).await?
        }
        LabelSource::Report | LabelSource::FollowUp => None,
    };
    let shown = shown(act, new, run.revision).await?;
    let (exposure, class) = independence(new.source, new.agreement, shown);
    let key = LabelKey::fresh(act.now);
    let label = Label {
        key: key.to_string(),
        study_key: new.study_key.to_string(),
        revision: run.revision,
        deployment: new.deployment.clone(),
        finding: new.finding.clone(),
        truth: new.truth,
        agreement: new.agreement,
        source: if sampled.is_some() { LabelSource::Adjudication } else { new.source },
        extractor: new.extractor.clone(),
        extractor_measured: new.extractor_measured,
        exposure,
        independence: class,
        inclusion_probability: sampled,
        event_at: run.event_at,
        recorded_at: act.now,
        decided_at: Some(new.decided_at),
        by: new.by.clone(),
    };
    let sql = "INSERT INTO label (label_key, origin, content, study_key, revision, deployment, package, finding, label, \
               comment, report_key, recorded_at, by_whom) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)";
    let values = values![
        &key,
        new.origin.as_str(),
        content,
        &new.study_key,
        run.revision,
        new.deployment.as_str(),
        run.package,
        new.finding.as_str(),
        json_text(&label)?,
        new.comment.as_ref().map(|comment| comment.reveal().as_str()),
        new.report.as_ref(),
        act.now,
        new.by.as_str(),
    ];
    act.execute(sql, values).await?;
    tell(act, new, &label)?;
    count_label(act, &label.deployment, label.source.name()).await?;
    enter_label(act, &label).await?;
    note_answer(act, new, &label).await?;
    Ok(label)
}

/// The whole label is hashed into the chain; the journey does not say what is true, so that whoever adjudicates next
/// is not told what others said.
fn tell(act: &mut Act, new: &NewLabel, label: &Label) -> Result<(), StoreError> {
    let detail = json!({
        "label": label.key, "revision": label.revision, "deployment": label.deployment, "finding": label.finding,
        "source": label.source, "class": label.class(), "decided_at": label.decided_at,
        "proof": Digest::of(json_text(label)?.as_bytes()),
    });
    let subject = AuditSubject::new(SubjectKind::Study, &new.study_key);
    act.audit_event(AuditEvent::new(act.now, new.by.clone(), AuditAction::LabelAdded, subject).detail(&detail));
    let from = match label.source {
        LabelSource::Assessment => "an assessment",
        LabelSource::Report => "the report",
        LabelSource::Adjudication => "an adjudication",
        LabelSource::FollowUp => "follow-up",
    };
    let text = format!("{from} says what is true of {}", label.finding);
    act.tell(&new.study_key, label.revision, Some(&label.deployment), AuditAction::LabelAdded, text);
    Ok(())
}

/// Digest of what was said, without when.
fn content_of(new: &NewLabel) -> Result<Digest, StoreError> {
    let said = json!({
        "study": new.study_key, "revision": new.revision, "deployment": new.deployment, "finding": new.finding,
        "truth": new.truth, "agreement": new.agreement, "source": new.source, "extractor": new.extractor,
        "comment": new.comment, "by": new.by,
    });
    Ok(Digest::of(json_text(&said)?.as_bytes()))
}

pub(super) fn same_again(earlier: Digest, now: Digest) -> Result<(), StoreError> {
    if earlier == now {
        return Ok(());
    }
    let why = "something else was entered under the same key; send what is new under a key of its own";
    Err(StoreError::Refused { what: ENTER, why: why.to_owned() })
}

struct Analysed {
    revision: u32,
    package: Digest,
    event_at: Timestamp,
    first_image_at: Timestamp,
}

/// The run that the label speaks of.
async fn analysed(act: &mut Act, new: &NewLabel) -> Result<Analysed, StoreError> {
    let sql = "SELECT i.revision, i.package, r.completed_at, s.first_received_at FROM inference i JOIN study_revision r \
               ON r.study_key = i.study_key AND r.revision = i.revision JOIN study s ON s.study_key = i.study_key \
               WHERE i.study_key = $1 AND i.deployment = $2 AND i.revision = COALESCE($3, i.revision) \
               ORDER BY i.revision DESC LIMIT 1";
    let row = act.row(sql, values![&new.study_key, new.deployment.as_str(), new.revision]).await?;
    let row = row.ok_or(StoreError::NotFound("result: the deployment did not analyse that study"))?;
    Ok(Analysed {
        revision: row.number("revision")?,
        package: row.parse("package")?,
        event_at: row.time("completed_at")?,
        first_image_at: row.time("first_received_at")?,
    })
}

/// A first impression is saved: from now on this reader may see the result.
async fn reveal(act: &mut Act, new: &NewLabel, label: &Label) -> Result<(), StoreError> {
    if !new.by.starts_with("user:") {
        return Ok(());
    }
    let deployment = current(act, &new.deployment).await?;
    if deployment.is_none_or(|deployment| deployment.spec.reading_mode != ReadingMode::AfterFirstRead) {
        return Ok(());
    }
    let sql = "INSERT INTO first_read (study_key, revision, deployment, reader, read_at) VALUES ($1,$2,$3,$4,$5) \
               ON CONFLICT (study_key, revision, deployment, reader) DO NOTHING";
    let values = values![&new.study_key, label.revision, new.deployment.as_str(), new.by.as_str(), act.now];
    act.execute(sql, values).await?;
    Ok(())
}

pub(super) async fn label_set_aside(
    catalog: &SqlCatalog,
    told: &Untied,
    now: Timestamp,
) -> Result<SetAside, StoreError> {
    let mut act = Act::begin(&catalog.database, "keep an answer without a known target", told.by.clone(), now).await?;
    let text = json_text(told)?;
    let content = Digest::of(text.as_bytes());
    let sql = "SELECT label_key, content, recorded_at FROM label_set_aside WHERE origin = $1";
    if let Some(row) = act.row(sql, values![told.origin.as_str()]).await? {
        same_again(row.parse("content")?, content)?;
        return Ok(SetAside {
            key: row.parse("label_key")?,
            told: told.clone(),
            recorded_at: row.time("recorded_at")?,
        });
    }
    let key = LabelKey::fresh(now);
    let sql = "INSERT INTO label_set_aside (label_key, origin, content, told, reason, by_whom, recorded_at) \
               VALUES ($1,$2,$3,$4,$5,$6,$7)";
    let reason = told.reason.code.as_str();
    act.execute(sql, values![&key, told.origin.as_str(), content, text, reason, told.by.as_str(), now]).await?;
    let detail = json!({ "label": key, "reason": reason });
    act.audit(AuditAction::LabelSetAside, AuditSubject::system(), &detail);
    act.alarm("assessment-untied", &told.reason.text, None, told.deployment.as_deref()).await?;
    act.commit().await?;
    Ok(SetAside { key, told: told.clone(), recorded_at: now })
}
