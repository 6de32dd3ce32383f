//! Carrying out an approved recall, study by study. Each step looks at where the study stands, so it may be repeated.

use crate::recalls::{NoteNeeds, PlannedResult, RecallPlan, RecallProgress, RecallStep};
use crate::records::{DeliveryState, NewResult, ResultKind};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{json_text, values};
use crate::sql::released::{deliver_released, insert_released};
use crate::{DeliveryKey, Priority, ResultKey, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_sign::approvals;
use hilum_types::{Digest, Disposition, Reason, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;

const BEGIN: &str = "carry out a recall";
const RETRACT: &str = "retract the results of a study";
const NOTE: &str = "enter a rejection note";

/// Which statement a refusal of the record is about; the row of `recall` says that it was approved when it began.
pub(in crate::sql) async fn recall_begin(
    catalog: &SqlCatalog,
    record: &Digest,
    actor: &str,
    now: Timestamp,
) -> Result<RecallProgress, StoreError> {
    let held = crate::Governance::record_get(catalog, &record.to_string()).await?;
    let plan = RecallPlan::read(&held)?;
    let approved = approvals(&held);
    if !approved.complete() {
        let why = format!(
            "record {0} lacks {1}; `hilum record sign {0} --as USER --meaning approved_clinical` or approved_technical \
             signs it",
            record.short(),
            approved.missing.join(", "),
        );
        return Err(StoreError::Refused { what: BEGIN, why });
    }
    let mut act = Act::begin(&catalog.database, BEGIN, actor, now).await?;
    let sql = "INSERT INTO recall (record, package, ground, reason, begun_by, begun_at) VALUES ($1,$2,$3,$4,$5,$6) \
               ON CONFLICT (record) DO NOTHING";
    let new = values![*record, plan.package, plan.ground.name(), plan.reason.as_str(), actor, now];
    if 0 < act.execute(sql, new).await? {
        let mut rows = Vec::with_capacity(plan.studies.len() * 5);
        for study in &plan.studies {
            let results = json_text(&study.results)?;
            rows.extend(values![*record, &study.study, results, RecallStep::Planned.name(), now]);
        }
        let head = "INSERT INTO recall_study (record, study_key, results, step, changed_at) VALUES";
        act.insert(head, "", 5, rows).await?;
        let detail = json!({
            "package": plan.package, "ground": plan.ground.name(), "n_studies": plan.studies.len(),
            "clinical": approved.clinical, "technical": approved.technical,
        });
        act.audit(AuditAction::RecallBegun, AuditSubject::new(SubjectKind::Record, record), &detail);
        act.commit().await?;
    } else {
        drop(act);
    }
    progress(catalog, record).await
}

async fn progress(catalog: &SqlCatalog, record: &Digest) -> Result<RecallProgress, StoreError> {
    let sql = "SELECT begun_at FROM recall WHERE record = $1";
    let row = catalog.database.row(BEGIN, sql, values![*record]).await?.ok_or(StoreError::NotFound("recall"))?;
    let mut progress = RecallProgress { begun_at: row.time("begun_at")?, planned: vec![], retracted: vec![] };
    let sql = "SELECT study_key, step FROM recall_study WHERE record = $1 AND step IN ('planned', 'retracted', \
               'failed') ORDER BY study_key";
    for row in catalog.database.rows(BEGIN, sql, values![*record]).await? {
        let key = row.parse("study_key")?;
        match row.named("step", RecallStep::from_name)? {
            RecallStep::Planned => progress.planned.push(key),
            _ => progress.retracted.push(key),
        }
    }
    Ok(progress)
}

/// Where one study of a recall stands.
struct Place {
    step: RecallStep,
    results: Vec<PlannedResult>,
    reason: Reason,
}

async fn place(act: &mut Act, record: &Digest, study: &StudyKey) -> Result<Place, StoreError> {
    let sql = "SELECT s.step, s.results, c.reason, c.ground FROM recall_study s JOIN recall c ON c.record = s.record \
               WHERE s.record = $1 AND s.study_key = $2";
    let row = act.row(sql, values![*record, study]).await?;
    let row = row.ok_or(StoreError::NotFound("study of a recall that was begun"))?;
    let text = format!("the result was retracted: {}", row.text("reason")?);
    Ok(Place {
        step: row.named("step", RecallStep::from_name)?,
        results: row.json("results")?,
        reason: Reason::about("result.retracted", text, "recall", record.short()),
    })
}

async fn set_step(
    act: &mut Act,
    record: &Digest,
    study: &StudyKey,
    step: RecallStep,
    note: Option<&ResultKey>,
    failure: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "UPDATE recall_study SET step = $3, note = COALESCE($4, note), failure = $5, changed_at = $6 \
               WHERE record = $1 AND study_key = $2";
    act.execute(sql, values![*record, study, step.name(), note, failure, act.now]).await?;
    Ok(())
}

/// One listed result with one of its deliveries, as it stands now.
struct Held {
    result: ResultKey,
    object: Digest,
    study_key: StudyKey,
    revision: u32,
    deployment: String,
    retracted_by: Option<Digest>,
    delivery: Option<HeldDelivery>,
}

struct HeldDelivery {
    key: DeliveryKey,
    destination: String,
    state: DeliveryState,
    /// Whether the destination accepted it, or was tried and may hold it.
    may_be_held: bool,
    /// When an attempt that is running, or was when its job was cancelled, ends at the latest.
    running_until: Option<Timestamp>,
}

async fn held(act: &mut Act, results: &[PlannedResult]) -> Result<Vec<Held>, StoreError> {
    let mut all = vec![];
    // A study has a handful of results; one statement for each is as quick as one that is prepared anew each time.
    for planned in results {
        let sql = "SELECT r.result_key, r.blob, r.study_key, r.revision, r.deployment, r.retracted_by, \
                   d.delivery_key, d.destination, d.state, d.attempts, d.delivered_at, j.attempts AS begun, \
                   CASE WHEN j.state IN ('leased', 'cancelled') THEN j.lease_until END AS running_until FROM result r \
                   LEFT JOIN delivery d ON d.result_key = r.result_key LEFT JOIN job j ON j.delivery_key = d.delivery_key \
                   WHERE r.result_key = $1 ORDER BY d.destination";
        let rows = act.rows(sql, values![&planned.result]).await?;
        if rows.is_empty() {
            return Err(not_as_listed());
        }
        for row in rows {
            let delivery = match row.parse_or_none("delivery_key")? {
                None => None,
                Some(key) => Some(HeldDelivery {
                    key,
                    destination: row.text("destination")?,
                    state: row.named("state", DeliveryState::from_name)?,
                    may_be_held: row.int_or_none("delivered_at")?.is_some()
                        || 0 < row.int("attempts")?
                        || 0 < row.int_or_none("begun")?.unwrap_or(0),
                    running_until: row.time_or_none("running_until")?,
                }),
            };
            all.push(Held {
                result: row.parse("result_key")?,
                object: row.parse("blob")?,
                study_key: row.parse("study_key")?,
                revision: row.number("revision")?,
                deployment: row.text("deployment")?,
                retracted_by: row.parse_or_none("retracted_by")?,
                delivery,
            });
        }
    }
    Ok(all)
}

fn not_as_listed() -> StoreError {
    let why = "the catalog does not hold a result as it was listed in the record; run `hilum audit verify`";
    StoreError::Refused { what: RETRACT, why: why.to_owned() }
}

/// What a note of this record must cover: results that it retracts itself and that some destination may hold.
fn needs(record: &Digest, held: &[Held]) -> NoteNeeds {
    let mut needs = NoteNeeds::default();
    let mut destinations = BTreeSet::new();
    for one in held.iter().filter(|one| one.retracted_by.is_none_or(|by| by == *record)) {
        let Some(delivery) = one.delivery.as_ref().filter(|delivery| delivery.may_be_held) else { continue };
        destinations.insert(delivery.destination.clone());
        let planned = PlannedResult { result: one.result.clone(), object: one.object };
        if !needs.results.contains(&planned) {
            needs.results.push(planned);
        }
    }
    needs.destinations = destinations.into_iter().collect();
    needs
}

pub(in crate::sql) async fn recall_retract(
    catalog: &SqlCatalog,
    record: &Digest,
    study: &StudyKey,
    actor: &str,
    now: Timestamp,
) -> Result<NoteNeeds, StoreError> {
    let mut act = Act::begin(&catalog.database, RETRACT, actor, now).await?;
    let place = place(&mut act, record, study).await?;
    let held = held(&mut act, &place.results).await?;
    let as_listed = |one: &Held| {
        let planned = PlannedResult { result: one.result.clone(), object: one.object };
        one.study_key == *study && place.results.contains(&planned)
    };
    if !held.iter().all(as_listed) {
        return Err(not_as_listed());
    }
    let needs = needs(record, &held);
    if place.step != RecallStep::Planned {
        return Ok(needs);
    }
    let mut n_retracted = 0;
    for planned in &place.results {
        let sql = "UPDATE result SET retracted_by = $2 WHERE result_key = $1 AND retracted_by IS NULL";
        n_retracted += act.execute(sql, values![&planned.result, *record]).await?;
    }
    let mut withheld = withhold(&mut act, &held, &place.reason).await?;
    let runs: BTreeSet<(u32, &str)> = held.iter().map(|one| (one.revision, one.deployment.as_str())).collect();
    for (revision, deployment) in runs {
        withheld.extend(withhold_reports(&mut act, study, revision, deployment, &place.reason).await?);
        let text = place.reason.text.replacen("the result was", "the results were", 1);
        let text = format!("{text} (recall {})", record.short());
        act.tell(study, revision, Some(deployment), AuditAction::ResultRetracted, text);
    }
    let detail = json!({ "record": record, "n_results": n_retracted, "deliveries_withheld": withheld });
    act.audit(AuditAction::ResultRetracted, AuditSubject::new(SubjectKind::Study, study), &detail);
    set_step(&mut act, record, study, RecallStep::Retracted, None, None).await?;
    act.commit().await?;
    Ok(needs)
}

/// Keep back whatever was not delivered. A worker that is sending right now loses its lease; what the destination
/// accepts all the same is still recorded as a fact. Until when that may be stays with the job.
async fn withhold(act: &mut Act, held: &[Held], reason: &Reason) -> Result<Vec<DeliveryKey>, StoreError> {
    let mut withheld = vec![];
    let mut stopped: BTreeSet<(StudyKey, u32, String)> = BTreeSet::new();
    for one in held {
        let Some(delivery) = &one.delivery else { continue };
        if !matches!(delivery.state, DeliveryState::Queued | DeliveryState::Dead) {
            continue;
        }
        keep_back(act, &delivery.key, reason).await?;
        withheld.push(delivery.key.clone());
        if delivery.state == DeliveryState::Queued {
            stopped.insert((one.study_key.clone(), one.revision, one.deployment.clone()));
        }
    }
    for (study_key, revision, deployment) in stopped {
        if !crate::sql::work::any_delivered(act, &study_key, revision, &deployment).await? {
            act.dispose(&study_key, revision, &deployment, &Disposition::Withheld(reason.clone())).await?;
        }
    }
    Ok(withheld)
}

async fn keep_back(act: &mut Act, delivery: &DeliveryKey, reason: &Reason) -> Result<(), StoreError> {
    let sql = "UPDATE job SET state = 'cancelled', lease_owner = NULL, updated_at = $2, last_error = $3 \
               WHERE delivery_key = $1 AND state IN ('queued', 'leased', 'dead')";
    act.execute(sql, values![delivery, act.now, reason.text.as_str()]).await?;
    let sql = "UPDATE delivery SET state = 'withheld', updated_at = $2, last_error = $3 WHERE delivery_key = $1";
    act.execute(sql, values![delivery, act.now, reason.text.as_str()]).await?;
    Ok(())
}

/// Keep back what readers answered to the results of a run: whoever is told to reject a result must not be told after it
/// that somebody accepted it.
async fn withhold_reports(
    act: &mut Act,
    study: &StudyKey,
    revision: u32,
    deployment: &str,
    reason: &Reason,
) -> Result<Vec<DeliveryKey>, StoreError> {
    let sql = "SELECT d.delivery_key FROM assessment_report p JOIN delivery d ON d.result_key = p.result_key \
               WHERE p.study_key = $1 AND p.revision = $2 AND p.deployment = $3 AND d.state IN ('queued', 'dead') \
               ORDER BY d.delivery_key";
    let mut withheld = vec![];
    for row in act.rows(sql, values![study, revision, deployment]).await? {
        let delivery: DeliveryKey = row.parse("delivery_key")?;
        keep_back(act, &delivery, reason).await?;
        withheld.push(delivery);
    }
    Ok(withheld)
}

pub(in crate::sql) async fn recall_note_add(
    catalog: &SqlCatalog,
    record: &Digest,
    study: &StudyKey,
    note: Option<&NewResult>,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, NOTE, actor, now).await?;
    let place = place(&mut act, record, study).await?;
    match place.step {
        RecallStep::Noted | RecallStep::Inside => return Ok(()),
        RecallStep::Planned => return Err(StoreError::Misuse("a study is retracted before its note is made".into())),
        RecallStep::Retracted | RecallStep::Failed => {}
    }
    let held = held(&mut act, &place.results).await?;
    let needs = needs(record, &held);
    if needs.destinations.is_empty() {
        set_step(&mut act, record, study, RecallStep::Inside, None, None).await?;
        return act.commit().await;
    }
    let Some(note) = note.filter(|note| note.kind == ResultKind::RejectionNote) else {
        return Err(StoreError::Misuse("results of the study have left, so a rejection note is needed".into()));
    };
    let revision = held.iter().map(|one| one.revision).max().unwrap_or(1);
    let key = insert_released(&mut act, study, revision, note).await?;
    for destination in &needs.destinations {
        // An archive should know what it is told to reject: a note waits for an attempt that is running.
        let to_it = |one: &&HeldDelivery| one.destination == *destination;
        let running = held.iter().filter_map(|one| one.delivery.as_ref()).filter(to_it);
        let due_at = running.filter_map(|delivery| delivery.running_until).fold(now, Timestamp::max);
        deliver_released(&mut act, study, revision, &key, destination, Priority::STAT, due_at).await?;
    }
    let detail = json!({
        "record": record, "object": note.blob, "destinations": needs.destinations, "n_results": needs.results.len(),
    });
    act.audit(AuditAction::RejectionNoteReleased, AuditSubject::new(SubjectKind::Study, study), &detail);
    let text = format!("a rejection note was released to {}", needs.destinations.join(", "));
    act.tell(study, revision, None, AuditAction::RejectionNoteReleased, text);
    set_step(&mut act, record, study, RecallStep::Noted, Some(&key), None).await?;
    act.commit().await
}

pub(in crate::sql) async fn recall_fail(
    catalog: &SqlCatalog,
    record: &Digest,
    study: &StudyKey,
    why: &str,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "note that a retraction failed", actor, now).await?;
    let place = place(&mut act, record, study).await?;
    if !place.step.is_open() {
        return Ok(());
    }
    if place.step != RecallStep::Planned {
        set_step(&mut act, record, study, RecallStep::Failed, None, Some(why)).await?;
    }
    let detail = json!({ "record": record, "why": why });
    let subject = AuditSubject::new(SubjectKind::Study, study);
    let event = hilum_audit::AuditEvent::new(now, actor, AuditAction::RecallFailed, subject);
    act.audit_event(event.outcome(hilum_audit::AuditOutcome::MinorFailure).detail(&detail));
    let text = format!("recall {}: the results of a study could not be retracted: {why}", record.short());
    act.alarm("recall-failed", &text, Some(study), None).await?;
    act.commit().await
}
