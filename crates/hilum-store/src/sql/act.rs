//! One act: one transaction that ends with its audit entries and journey events, or does not happen at all.

use super::connection::{Connection, Database, Row, Value, json_text, values};
use crate::records::GateDecisionRecord;
use crate::{JobKey, JobKind, JobState, Lease, NewJob, Priority, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditEntry, AuditEvent, AuditSubject, Checkpoint, SubjectKind};
use hilum_types::{Digest, Disposition, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

/// A running act.
///
/// It locks the end of the audit chain first, so that acts are serial on both back ends: what one has read cannot
/// change before it commits, and none can deadlock with another.
pub(super) struct Act {
    tx: Connection,
    what: &'static str,
    actor: String,
    pub(super) now: Timestamp,
    head: Checkpoint,
    entries: Vec<AuditEntry>,
    events: Vec<Event>,
}

struct Event {
    study_key: StudyKey,
    revision: u32,
    deployment: Option<String>,
    kind: AuditAction,
    text: String,
}

/// A job as an act needs to see it.
pub(super) struct HeldJob {
    pub(super) kind: JobKind,
    pub(super) state: JobState,
    pub(super) study_key: Option<StudyKey>,
    pub(super) revision: Option<u32>,
    pub(super) deployment: Option<String>,
    pub(super) delivery_key: Option<crate::DeliveryKey>,
    /// The version in use when the work began; kept over workers that never ended it.
    pub(super) package: Option<Digest>,
}

impl Act {
    pub(super) async fn begin(
        database: &Database,
        what: &'static str,
        actor: impl Into<String>,
        now: Timestamp,
    ) -> Result<Act, StoreError> {
        let mut tx = database.begin(what).await?;
        let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
        let sql = format!("SELECT seq, hash FROM audit_head WHERE id = 1{lock}");
        let row = tx.row(what, sql, vec![]).await?.ok_or(StoreError::DamagedRow { column: "audit_head" })?;
        let head = Checkpoint { seq: row.number("seq")?, hash: row.parse("hash")? };
        Ok(Act { tx, what, actor: actor.into(), now, head, entries: vec![], events: vec![] })
    }

    pub(super) async fn rows(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.tx.rows(self.what, sql, values).await
    }

    pub(super) async fn row(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        self.tx.row(self.what, sql, values).await
    }

    pub(super) async fn execute(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<u64, StoreError> {
        self.tx.execute(self.what, sql, values).await
    }

    pub(super) async fn insert(
        &mut self,
        head: &str,
        tail: &str,
        n_columns: usize,
        values: Vec<Value>,
    ) -> Result<(), StoreError> {
        self.tx.insert(self.what, head, tail, n_columns, values).await
    }

    /// Put an entry into the chain.
    pub(super) fn audit(&mut self, action: AuditAction, subject: AuditSubject, detail: &serde_json::Value) {
        let event = AuditEvent::new(self.now, self.actor.clone(), action, subject).detail(detail);
        self.audit_event(event);
    }

    /// Put a ready entry into the chain.
    pub(super) fn audit_event(&mut self, mut event: AuditEvent) -> AuditEntry {
        // What is hashed must be what is stored, and PostgreSQL stores no NUL (see `Value`).
        for text in [&mut event.actor, &mut event.subject.id, &mut event.detail] {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
        let entry = self.head.append(event);
        self.entries.push(entry.clone());
        entry
    }

    /// Put an event on the journey of a study.
    pub(super) fn tell(
        &mut self,
        study_key: &StudyKey,
        revision: u32,
        deployment: Option<&str>,
        kind: AuditAction,
        text: impl Into<String>,
    ) {
        let (study_key, deployment) = (study_key.clone(), deployment.map(str::to_owned));
        self.events.push(Event { study_key, revision, deployment, kind, text: text.into() });
    }

    /// Write what was put into chain and journeys, and commit.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        if !self.entries.is_empty() {
            self.write_entries().await?;
        }
        if !self.events.is_empty() {
            self.write_events().await?;
        }
        self.tx.commit(self.what).await
    }

    async fn write_entries(&mut self) -> Result<(), StoreError> {
        let mut values = Vec::with_capacity(self.entries.len() * 10);
        for AuditEntry { seq, prev_hash, hash, event } in self.entries.drain(..) {
            values.extend(values![
                seq,
                event.at,
                event.actor,
                event.action.name(),
                event.outcome.name(),
                event.subject.kind.name(),
                event.subject.id,
                event.detail,
                prev_hash.to_string(),
                hash.to_string(),
            ]);
        }
        let head = "INSERT INTO audit (seq, at, actor, action, outcome, subject_kind, subject_id, detail, prev_hash, \
                    hash) VALUES";
        self.tx.insert(self.what, head, "", 10, values).await?;
        let sql = "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1";
        self.tx.execute(self.what, sql, values![self.head.seq, self.head.hash.to_string()]).await?;
        Ok(())
    }

    async fn write_events(&mut self) -> Result<(), StoreError> {
        let mut last: BTreeMap<StudyKey, i64> = BTreeMap::new();
        let events = std::mem::take(&mut self.events);
        for event in &events {
            if !last.contains_key(&event.study_key) {
                let sql = "SELECT MAX(seq) AS seq FROM journey_event WHERE study_key = $1";
                let row = self.row(sql, values![&event.study_key]).await?;
                let seq = row.map(|row| row.int_or_none("seq")).transpose()?.flatten().unwrap_or(0);
                last.insert(event.study_key.clone(), seq);
            }
        }
        let mut values = Vec::with_capacity(events.len() * 7);
        for event in events {
            let seq = last.entry(event.study_key.clone()).or_default();
            *seq += 1;
            values.extend(values![
                &event.study_key,
                *seq,
                self.now,
                event.revision,
                event.deployment,
                event.kind.name(),
                event.text
            ]);
        }
        let head = "INSERT INTO journey_event (study_key, seq, at, revision, deployment, kind, text) VALUES";
        self.insert(head, "", 7, values).await
    }

    /// The job of `lease`, which must still be held.
    pub(super) async fn held(&mut self, lease: &Lease) -> Result<HeldJob, StoreError> {
        let job = self.job_of(lease).await?;
        if job.state != JobState::Leased {
            return Err(StoreError::LeaseLost);
        }
        Ok(job)
    }

    /// The job of `lease` in whatever state, as long as nobody else has tried it since.
    pub(super) async fn job_of(&mut self, lease: &Lease) -> Result<HeldJob, StoreError> {
        let lock = if self.tx.is_postgres() { " FOR UPDATE" } else { "" };
        let sql = format!(
            "SELECT kind, state, attempts, study_key, revision, deployment, delivery_key, package FROM job \
             WHERE job_key = $1{lock}"
        );
        let row = self.row(sql, values![&lease.job]).await?.ok_or(StoreError::NotFound("job"))?;
        if row.number::<u32>("attempts")? != lease.attempt {
            return Err(StoreError::LeaseLost);
        }
        Ok(HeldJob {
            kind: row.named("kind", JobKind::from_name)?,
            state: row.named("state", JobState::from_name)?,
            study_key: row.parse_or_none("study_key")?,
            revision: row.number_or_none("revision")?,
            deployment: row.text_or_none("deployment")?,
            delivery_key: row.parse_or_none("delivery_key")?,
            package: row.parse_or_none("package")?,
        })
    }

    /// End the attempt of `lease`: the job goes to `state`.
    pub(super) async fn end_job(
        &mut self,
        lease: &Lease,
        state: JobState,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE job SET state = $2, lease_owner = NULL, lease_until = NULL, updated_at = $3, \
                   last_error = COALESCE($4, last_error) WHERE job_key = $1";
        self.execute(sql, values![&lease.job, state.name(), self.now, error]).await?;
        Ok(())
    }

    /// Put the job of `lease` back until `due_at`, and count the wait.
    pub(super) async fn wait(&mut self, lease: &Lease, due_at: Timestamp) -> Result<(), StoreError> {
        self.held(lease).await?;
        let row = self.row("SELECT payload FROM job WHERE job_key = $1", values![&lease.job]).await?;
        let mut payload: serde_json::Value = row.ok_or(StoreError::NotFound("job"))?.json("payload")?;
        let n_waits = payload.get("waits").and_then(serde_json::Value::as_u64).unwrap_or(0) + 1;
        if let Some(object) = payload.as_object_mut() {
            object.insert("waits".to_owned(), n_waits.into());
        }
        self.end_job(lease, JobState::Queued, None).await?;
        let sql = "UPDATE job SET due_at = $2, payload = $3 WHERE job_key = $1";
        self.execute(sql, values![&lease.job, due_at, &payload]).await?;
        Ok(())
    }

    /// Enqueue a job unless one with its key ever was; says whether it is new.
    pub(super) async fn enqueue(&mut self, job: &NewJob) -> Result<bool, StoreError> {
        let sql = "INSERT INTO job (job_key, kind, dedup_key, study_key, revision, deployment, delivery_key, payload, \
                   priority, state, attempts, due_at, created_at, updated_at) \
                   VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,'queued',0,$10,$11,$11) ON CONFLICT (dedup_key) DO NOTHING";
        let Priority(priority) = job.priority;
        let values = values![
            &JobKey::fresh(self.now),
            job.kind.name(),
            job.dedup_key.as_str(),
            job.study_key.as_ref(),
            job.revision,
            job.deployment.as_deref(),
            job.delivery_key.as_ref(),
            &job.payload,
            i64::from(priority),
            job.due_at,
            self.now,
        ];
        Ok(0 < self.execute(sql, values).await?)
    }

    /// Set how a study revision ended for a deployment.
    pub(super) async fn dispose(
        &mut self,
        study_key: &StudyKey,
        revision: u32,
        deployment: &str,
        disposition: &Disposition,
    ) -> Result<(), StoreError> {
        let reason = disposition.reason().map(json_text).transpose()?;
        let sql = "INSERT INTO disposition (study_key, revision, deployment, disposition, reason, decided_at) \
                   VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT (study_key, revision, deployment) DO UPDATE \
                   SET disposition = excluded.disposition, reason = excluded.reason, \
                   decided_at = excluded.decided_at";
        let values = values![study_key, revision, deployment, disposition.name(), reason, self.now];
        self.execute(sql, values).await?;
        let code = disposition.reason().map_or("", |reason| reason.code.as_str());
        let detail = json!({
            "revision": revision, "deployment": deployment, "disposition": disposition.name(), "reason": code,
        });
        self.audit(AuditAction::DispositionSet, AuditSubject::new(SubjectKind::Study, study_key), &detail);
        let text = match disposition.reason() {
            None => "analysed".to_owned(),
            Some(reason) => format!("{}: {}", disposition.name().replace('_', " "), reason.text),
        };
        self.tell(study_key, revision, Some(deployment), AuditAction::DispositionSet, text);
        Ok(())
    }

    /// Keep decisions of the gate.
    pub(super) async fn decide(
        &mut self,
        study_key: &StudyKey,
        revision: u32,
        decisions: &[GateDecisionRecord],
    ) -> Result<(), StoreError> {
        if decisions.is_empty() {
            return Ok(());
        }
        let row = self.row("SELECT MAX(seq) AS seq FROM gate_decision", vec![]).await?;
        let mut seq = row.map(|row| row.int_or_none("seq")).transpose()?.flatten().unwrap_or(0);
        let mut values = Vec::with_capacity(decisions.len() * 9);
        for decision in decisions {
            seq += 1;
            let reasons = json_text(&decision.reasons)?;
            values.extend(values![
                seq,
                study_key,
                revision,
                decision.deployment.as_str(),
                decision.stage.name(),
                decision.verdict.as_str(),
                decision.decided_at,
                reasons,
                &decision.detail,
            ]);
            let codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.as_str()).collect();
            let detail = json!({
                "revision": revision, "deployment": decision.deployment, "stage": decision.stage.name(),
                "verdict": decision.verdict, "reasons": codes,
            });
            self.audit(AuditAction::GateDecided, AuditSubject::new(SubjectKind::Study, study_key), &detail);
            let text = match decision.reasons.last() {
                Some(last) => format!("gate: {} ({})", decision.verdict.replace('_', " "), last.text),
                None => format!("gate: {}", decision.verdict.replace('_', " ")),
            };
            self.tell(study_key, revision, Some(&decision.deployment), AuditAction::GateDecided, text);
        }
        let head = "INSERT INTO gate_decision (seq, study_key, revision, deployment, stage, verdict, decided_at, \
                    reasons, detail) VALUES";
        self.insert(head, "", 9, values).await
    }
}
