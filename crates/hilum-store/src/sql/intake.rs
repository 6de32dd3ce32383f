//! Instances and quarantine.

use super::SqlCatalog;
use super::act::Act;
use super::connection::{in_list, json_text, values};
use super::products::{Taken, product_titles, take_answer};
use super::read::{INSTANCE_COLUMNS, instance_from};
use crate::records::{IntakeOutcome, NewInstance, Origin, Quarantined, Source, StoredInstance, StudyState};
use crate::{InstanceKey, JobKind, NewJob, Priority, QuarantineKey, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_registry::inventory::may_name_an_algorithm;
use hilum_types::{Digest, InstanceHeader, Reason, Timestamp, Uid, attribute};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A study as a batch sees and changes it.
struct OpenStudy {
    key: StudyKey,
    is_new: bool,
    changed: bool,
    first_header: Option<InstanceHeader>,
    n_instances: u32,
    n_expected: Option<u32>,
    revision: u32,
    state: StudyState,
    first_received_at: Timestamp,
    last_received_at: Timestamp,
    due_at: Timestamp,
}

/// A version of an instance that is held already, or that came earlier in the batch.
struct HeldVersion {
    version: u32,
    content: Digest,
    study_key: StudyKey,
    study_instance_uid: Uid,
}

struct Batch {
    act: Act,
    quiet_seconds: u32,
    studies: HashMap<Uid, OpenStudy>,
    held: HashMap<Uid, Vec<HeldVersion>>,
    /// AE titles of senders that are products.
    products: HashSet<String>,
    /// Result objects of this site among the batch, with their studies.
    own: HashMap<Uid, StudyKey>,
    /// New instances that may name the algorithm that made them.
    to_inspect: Vec<InstanceKey>,
    n_new: i64,
    n_new_bytes: i64,
    rows: Vec<super::connection::Value>,
    blobs: BTreeMap<Digest, u64>,
}

const WHAT: &str = "store instances";

pub(super) async fn instances_commit(
    catalog: &SqlCatalog,
    batch: &[NewInstance],
    now: Timestamp,
) -> Result<Vec<IntakeOutcome>, StoreError> {
    if batch.is_empty() {
        return Ok(vec![]);
    }
    let act = Act::begin(&catalog.database, WHAT, "system:intake", now).await?;
    let mut open = Batch {
        act,
        quiet_seconds: catalog.options.quiet_seconds,
        studies: HashMap::new(),
        held: HashMap::new(),
        products: HashSet::new(),
        own: HashMap::new(),
        to_inspect: Vec::new(),
        n_new: 0,
        n_new_bytes: 0,
        rows: Vec::with_capacity(batch.len() * 12),
        blobs: BTreeMap::new(),
    };
    open.products = product_titles(&mut open.act, batch).await?;
    open.read_own(batch).await?;
    open.read_held(batch).await?;
    open.read_studies(batch).await?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for instance in batch {
        outcomes.push(open.take(instance).await?);
    }
    open.write().await?;
    Ok(outcomes)
}

impl Batch {
    async fn read_held(&mut self, batch: &[NewInstance]) -> Result<(), StoreError> {
        let mut values = vec![];
        let list = in_list(&mut values, batch.iter().map(|instance| (&instance.header.sop_instance_uid).into()));
        let sql = format!(
            "SELECT i.sop_instance_uid, i.version, i.content, i.study_key, s.study_instance_uid FROM instance i \
             JOIN study s ON s.study_key = i.study_key WHERE i.sop_instance_uid IN {list} ORDER BY i.version"
        );
        for row in self.act.rows(sql, values).await? {
            let held = HeldVersion {
                version: row.number("version")?,
                content: row.parse("content")?,
                study_key: row.parse("study_key")?,
                study_instance_uid: row.parse("study_instance_uid")?,
            };
            self.held.entry(row.parse("sop_instance_uid")?).or_default().push(held);
        }
        Ok(())
    }

    /// Results that come back, from an archive that routes everything for instance, are no images of their study.
    async fn read_own(&mut self, batch: &[NewInstance]) -> Result<(), StoreError> {
        let mut values = vec![];
        let list = in_list(&mut values, batch.iter().map(|instance| (&instance.header.sop_instance_uid).into()));
        let sql = format!("SELECT sop_instance_uid, study_key FROM result WHERE sop_instance_uid IN {list}");
        for row in self.act.rows(sql, values).await? {
            self.own.insert(row.parse("sop_instance_uid")?, row.parse("study_key")?);
        }
        Ok(())
    }

    async fn read_studies(&mut self, batch: &[NewInstance]) -> Result<(), StoreError> {
        let mut uids: Vec<&Uid> = batch.iter().map(|instance| &instance.header.study_instance_uid).collect();
        uids.sort_unstable();
        uids.dedup();
        let mut values = vec![];
        let list = in_list(&mut values, uids.iter().copied().map(Into::into));
        let sql = format!(
            "SELECT study_instance_uid, study_key, n_instances, n_instances_expected, revision, state, \
             first_received_at, last_received_at, due_at FROM study WHERE study_instance_uid IN {list}"
        );
        for row in self.act.rows(sql, values).await? {
            let last_received_at = row.time("last_received_at")?;
            let study = OpenStudy {
                key: row.parse("study_key")?,
                is_new: false,
                changed: false,
                first_header: None,
                n_instances: row.number("n_instances")?,
                n_expected: row.number_or_none("n_instances_expected")?,
                revision: row.number("revision")?,
                state: row.named("state", StudyState::from_name)?,
                first_received_at: row.time("first_received_at")?,
                last_received_at,
                due_at: row.time_or_none("due_at")?.unwrap_or(last_received_at),
            };
            self.studies.insert(row.parse("study_instance_uid")?, study);
        }
        let unknown: Vec<&Uid> = uids.into_iter().filter(|uid| !self.studies.contains_key(*uid)).collect();
        if !unknown.is_empty() {
            self.open_studies(batch, unknown).await?;
        }
        Ok(())
    }

    /// Prepare rows for studies that were not known. One that ends up without an instance is not written.
    async fn open_studies(&mut self, batch: &[NewInstance], unknown: Vec<&Uid>) -> Result<(), StoreError> {
        let mut values = vec![];
        let list = in_list(&mut values, unknown.iter().copied().map(Into::into));
        let sql =
            format!("SELECT study_instance_uid, n_instances FROM study_announced WHERE study_instance_uid IN {list}");
        let mut announced: HashMap<Uid, u32> = HashMap::new();
        for row in self.act.rows(sql, values).await? {
            announced.insert(row.parse("study_instance_uid")?, row.number("n_instances")?);
        }
        for uid in unknown {
            let Some(first) = batch.iter().find(|instance| instance.header.study_instance_uid == *uid) else {
                continue;
            };
            let study = OpenStudy {
                key: StudyKey::fresh(self.act.now),
                is_new: true,
                changed: false,
                first_header: Some(first.header.clone()),
                n_instances: 0,
                n_expected: announced.get(uid).copied(),
                revision: 1,
                state: StudyState::Receiving,
                first_received_at: first.received_at,
                last_received_at: first.received_at,
                due_at: first.received_at,
            };
            self.studies.insert(uid.clone(), study);
        }
        Ok(())
    }

    async fn take(&mut self, instance: &NewInstance) -> Result<IntakeOutcome, StoreError> {
        if instance.origin.source == Source::Dimse && self.products.contains(&instance.origin.peer) {
            let Taken { outcome, is_kept } = take_answer(&mut self.act, instance).await?;
            if is_kept {
                self.blobs.insert(instance.blob, instance.size);
            }
            return Ok(outcome);
        }
        if let Some(study_key) = self.own.get(&instance.header.sop_instance_uid).cloned() {
            let detail = json!({ "content": instance.content, "source": instance.origin.source, "own_result": true });
            self.audit(AuditAction::InstanceDuplicate, &study_key, instance, &detail);
            return Ok(IntakeOutcome::OwnResult { study_key });
        }
        match self.held.get(&instance.header.sop_instance_uid) {
            None => self.take_new(instance),
            Some(versions) if versions.iter().any(|held| held.content == instance.content) => {
                let study_key = versions[0].study_key.clone();
                let detail = json!({ "content": instance.content, "source": instance.origin.source });
                self.audit(AuditAction::InstanceDuplicate, &study_key, instance, &detail);
                Ok(IntakeOutcome::Duplicate { study_key })
            }
            Some(_) => self.take_conflict(instance).await,
        }
    }

    fn take_new(&mut self, instance: &NewInstance) -> Result<IntakeOutcome, StoreError> {
        let uid = &instance.header.study_instance_uid;
        let study = self.studies.get_mut(uid).ok_or_else(|| StoreError::Misuse("a study was not prepared".into()))?;
        let reopened = study.state == StudyState::Complete;
        if reopened {
            study.state = StudyState::Receiving;
            study.revision += 1;
        }
        study.changed = true;
        study.n_instances += 1;
        study.first_received_at = study.first_received_at.min(instance.received_at);
        study.last_received_at = study.last_received_at.max(instance.received_at);
        let all_there = study.n_expected.is_some_and(|n| n <= study.n_instances);
        let quiet = if all_there { 0 } else { i64::from(self.quiet_seconds) };
        study.due_at = instance.received_at.plus_seconds(quiet);
        let (key, revision, is_first) = (study.key.clone(), study.revision, study.n_instances == 1);
        let detail = json!({ "blob": instance.blob, "size": instance.size, "source": instance.origin.source });
        self.audit(AuditAction::InstanceStored, &key, instance, &detail);
        if is_first {
            let text = "the first image of the study was received";
            self.act.tell(&key, revision, None, AuditAction::InstanceStored, text);
        }
        if reopened {
            let subject = AuditSubject::new(SubjectKind::Study, &key);
            self.act.audit(AuditAction::StudyReopened, subject, &json!({ "revision": revision }));
            let text = format!("an image came after the study was complete; revision {revision} is open");
            self.act.tell(&key, revision, None, AuditAction::StudyReopened, text);
        }
        self.add_row(instance, &key, 1, revision)?;
        Ok(if revision == 1 {
            IntakeOutcome::Stored { study_key: key }
        } else {
            IntakeOutcome::Late { study_key: key, revision }
        })
    }

    /// Other content under a known identifier: kept as a further version of the first, which stays current.
    async fn take_conflict(&mut self, instance: &NewInstance) -> Result<IntakeOutcome, StoreError> {
        let versions = self.held.get(&instance.header.sop_instance_uid).map_or(&[][..], Vec::as_slice);
        let (Some(first), Some(last)) = (versions.first(), versions.last()) else {
            return Err(StoreError::Misuse("a conflict needs a version that is held".into()));
        };
        let (key, version) = (first.study_key.clone(), last.version + 1);
        let other_study = first.study_instance_uid != instance.header.study_instance_uid;
        let detail = json!({
            "blob": instance.blob, "size": instance.size, "source": instance.origin.source, "version": version,
            "other_study": other_study,
        });
        self.audit(AuditAction::InstanceConflict, &key, instance, &detail);
        let text = if other_study {
            "an image of another study came under the identifier of an image of this study; it was set aside"
        } else {
            "other bytes came under the identifier of an image that is held; both are kept, the first is used"
        };
        let revision = self.study_of(&key).map_or(1, |study| study.revision);
        self.act.tell(&key, revision, None, AuditAction::InstanceConflict, text);
        self.act.alarm("instance-conflict", text, Some(&key), None).await?;
        if other_study {
            let reason = Reason::new("intake.identifier-reused", text);
            quarantine(&mut self.act, &reason, instance.blob, instance.size, &instance.origin).await?;
        }
        self.add_row(instance, &key, version, revision)?;
        Ok(IntakeOutcome::Conflict { study_key: key, version })
    }

    fn study_of(&self, key: &StudyKey) -> Option<&OpenStudy> {
        self.studies.values().find(|study| study.key == *key)
    }

    fn audit(&mut self, action: AuditAction, key: &StudyKey, instance: &NewInstance, detail: &serde_json::Value) {
        let subject = AuditSubject::new(SubjectKind::Study, key);
        let event =
            hilum_audit::AuditEvent::new(self.act.now, format!("peer:{}", instance.origin.peer), action, subject);
        self.act.audit_event(event.detail(detail));
    }

    fn add_row(
        &mut self,
        instance: &NewInstance,
        key: &StudyKey,
        version: u32,
        revision: u32,
    ) -> Result<(), StoreError> {
        let header = &instance.header;
        let instance_key = InstanceKey::fresh(self.act.now);
        self.rows.extend(values![
            &instance_key,
            key,
            &header.sop_instance_uid,
            version,
            revision,
            json_text(header)?,
            instance.blob,
            instance.content,
            instance.size,
            instance.origin.peer.as_str(),
            instance.origin.source.name(),
            instance.received_at,
        ]);
        self.blobs.insert(instance.blob, instance.size);
        self.n_new += i64::from(version == 1);
        self.n_new_bytes = self.n_new_bytes.saturating_add(i64::try_from(instance.size).unwrap_or(i64::MAX));
        if may_name_an_algorithm(header.sop_class_uid.as_str()) {
            self.to_inspect.push(instance_key);
        }
        let held = HeldVersion {
            version,
            content: instance.content,
            study_key: key.clone(),
            study_instance_uid: header.study_instance_uid.clone(),
        };
        self.held.entry(header.sop_instance_uid.clone()).or_default().push(held);
        Ok(())
    }

    async fn write(mut self) -> Result<(), StoreError> {
        for (uid, study) in std::mem::take(&mut self.studies) {
            if study.changed && study.is_new {
                self.insert_study(&uid, study).await?;
            } else if study.changed {
                let sql = "UPDATE study SET n_instances = $2, revision = $3, state = $4, first_received_at = $5, \
                           last_received_at = $6, due_at = $7 WHERE study_key = $1";
                let values = values![
                    &study.key,
                    study.n_instances,
                    study.revision,
                    study.state.name(),
                    study.first_received_at,
                    study.last_received_at,
                    study.due_at,
                ];
                self.act.execute(sql, values).await?;
            }
        }
        let blobs = self.blobs.into_iter().flat_map(|(digest, size)| values![digest, size]).collect();
        let head = "INSERT INTO blob (digest, size) VALUES";
        self.act.insert(head, "ON CONFLICT (digest) DO NOTHING", 2, blobs).await?;
        let head = "INSERT INTO instance (instance_key, study_key, sop_instance_uid, version, revision, header, blob, \
                    content, size, peer, source, received_at) VALUES";
        let is_any = !self.rows.is_empty();
        self.act.insert(head, "", 12, self.rows).await?;
        if is_any {
            let sql = "UPDATE instance_total SET n = n + $1, n_bytes = n_bytes + $2 WHERE id = 1";
            self.act.execute(sql, values![self.n_new, self.n_new_bytes]).await?;
        }
        for key in self.to_inspect {
            let job = NewJob {
                kind: JobKind::Inspect,
                dedup_key: format!("inspect:{key}"),
                // Not about a study: if it is given up, no disposition hangs on it.
                study_key: None,
                revision: None,
                deployment: None,
                delivery_key: None,
                payload: json!({ "instance": key }),
                priority: Priority::BACKGROUND,
                due_at: self.act.now,
            };
            self.act.enqueue(&job).await?;
        }
        self.act.commit().await
    }

    async fn insert_study(&mut self, uid: &Uid, study: OpenStudy) -> Result<(), StoreError> {
        let header = study.first_header.ok_or_else(|| StoreError::Misuse("a new study needs a header".into()))?;
        let sql = "INSERT INTO study (study_key, study_instance_uid, accession_number, modality, first_header, \
                   n_instances, n_instances_expected, revision, state, first_received_at, last_received_at, due_at) \
                   VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)";
        let values = values![
            &study.key,
            uid,
            header.text(attribute::ACCESSION_NUMBER).unwrap_or_default(),
            header.text(attribute::MODALITY).unwrap_or_default(),
            json_text(&header)?,
            study.n_instances,
            study.n_expected,
            study.revision,
            study.state.name(),
            study.first_received_at,
            study.last_received_at,
            study.due_at,
        ];
        self.act.execute(sql, values).await?;
        Ok(())
    }
}

pub(super) async fn instance_versions(
    catalog: &SqlCatalog,
    sop_instance_uid: &Uid,
) -> Result<Vec<StoredInstance>, StoreError> {
    let sql = format!("SELECT {INSTANCE_COLUMNS} FROM instance WHERE sop_instance_uid = $1 ORDER BY version");
    let rows = catalog.database.rows("look up an instance", sql, values![sop_instance_uid]).await?;
    rows.iter().map(instance_from).collect()
}

pub(super) async fn quarantine_add(
    catalog: &SqlCatalog,
    reason: &Reason,
    blob: Digest,
    size: u64,
    origin: &Origin,
    now: Timestamp,
) -> Result<QuarantineKey, StoreError> {
    let actor = format!("peer:{}", origin.peer);
    let mut act = Act::begin(&catalog.database, "set an object aside", actor, now).await?;
    let key = quarantine(&mut act, reason, blob, size, origin).await?;
    act.alarm("quarantine", "an object that could not be read was set aside", None, None).await?;
    act.commit().await?;
    Ok(key)
}

/// As [`quarantine`], unless the same bytes are there from the same sender for the same reason: a sender that repeats
/// what was refused fills no list. Says whether it is new.
pub(super) async fn quarantine_once(
    act: &mut Act,
    reason: &Reason,
    blob: Digest,
    size: u64,
    origin: &Origin,
) -> Result<(QuarantineKey, bool), StoreError> {
    let sql = "SELECT quarantine_key FROM quarantine WHERE blob = $1 AND peer = $2 AND reason = $3 LIMIT 1";
    let same = act.row(sql, values![blob, origin.peer.as_str(), json_text(reason)?]).await?;
    match same {
        Some(row) => Ok((row.parse("quarantine_key")?, false)),
        None => Ok((quarantine(act, reason, blob, size, origin).await?, true)),
    }
}

async fn quarantine(
    act: &mut Act,
    reason: &Reason,
    blob: Digest,
    size: u64,
    origin: &Origin,
) -> Result<QuarantineKey, StoreError> {
    let key = QuarantineKey::fresh(act.now);
    let values = values![blob, size];
    act.execute("INSERT INTO blob (digest, size) VALUES ($1,$2) ON CONFLICT (digest) DO NOTHING", values).await?;
    let sql = "INSERT INTO quarantine (quarantine_key, reason, blob, size, peer, source, received_at) \
               VALUES ($1,$2,$3,$4,$5,$6,$7)";
    let values = values![&key, json_text(reason)?, blob, size, origin.peer.as_str(), origin.source.name(), act.now];
    act.execute(sql, values).await?;
    let detail = json!({ "blob": blob, "size": size, "reason": reason.code, "source": origin.source });
    act.audit(AuditAction::InstanceQuarantined, AuditSubject::new(SubjectKind::Quarantine, &key), &detail);
    Ok(key)
}

pub(super) async fn quarantine_list(catalog: &SqlCatalog, limit: u32) -> Result<Vec<Quarantined>, StoreError> {
    let sql = "SELECT quarantine_key, reason, blob, size, peer, source, received_at FROM quarantine \
               ORDER BY quarantine_key DESC LIMIT $1";
    let rows = catalog.database.rows("list the quarantine", sql, values![limit]).await?;
    let quarantined = |row: &super::connection::Row| {
        Ok(Quarantined {
            key: row.parse("quarantine_key")?,
            reason: row.json("reason")?,
            blob: row.parse("blob")?,
            size: row.number("size")?,
            origin: Origin { peer: row.text("peer")?, source: row.named("source", Source::from_name)? },
            received_at: row.time("received_at")?,
        })
    };
    rows.iter().map(quarantined).collect()
}
