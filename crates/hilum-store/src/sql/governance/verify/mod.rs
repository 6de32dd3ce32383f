//! Every governance row held against the audit chain (GV-02): what was changed, put in or taken out by hand is named.

mod deployments;
mod lists;

use super::proof::{record_proof, signature_proof, user_proof};
use super::records::signature_from;
use super::users::user_from;
use crate::StoreError;
use crate::governance::{Discrepancy, GovernanceReport};
use crate::sql::SqlCatalog;
use crate::sql::books::audit_head;
use crate::sql::connection::{Row, values};
use hilum_audit::{AuditAction, SubjectKind};
use hilum_sign::{NewRecord, RecordKind, Signature};
use hilum_types::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

const WHAT: &str = "hold records, people and aliases against the audit chain";

/// What the chain says about governance.
struct Entry {
    seq: u64,
    at: Timestamp,
    actor: String,
    detail: Value,
    /// Whether a row of the table answered to it.
    seen: bool,
}

/// Entries of one kind of act, by subject, in their order.
type Entries = BTreeMap<String, Vec<Entry>>;

struct Check {
    /// Acts up to here were committed before any row was read.
    until: u64,
    entries: BTreeMap<&'static str, Entries>,
    report: GovernanceReport,
}

pub(in crate::sql) async fn governance_verify(catalog: &SqlCatalog) -> Result<GovernanceReport, StoreError> {
    // Rows first, then the chain: whatever is added meanwhile has its entry when the chain is read. Rows of entries
    // up to `until` must be there.
    let until = audit_head(catalog).await?.seq;
    let rows = Tables::read(catalog).await?;
    let entries = read_entries(catalog).await?;
    let mut check = Check { until, entries, report: GovernanceReport::default() };
    check.each("record", &rows.records, Check::record);
    check.users(&rows.users, &rows.user_keys);
    check.each("signature", &rows.signatures, Check::signature);
    check.each("package", &rows.packages, Check::package);
    check.aliases(&rows.aliases, &rows.alias_moves);
    check.each("reference_use", &rows.uses, Check::reference_use);
    check.case_lists(&rows.case_lists, &rows.fingerprints);
    check.deployments(&rows.deployments, &rows.deployment_changes);
    check.taken_out();
    Ok(check.report)
}

struct Tables {
    records: Vec<Row>,
    signatures: Vec<Row>,
    users: Vec<Row>,
    user_keys: Vec<Row>,
    packages: Vec<Row>,
    aliases: Vec<Row>,
    alias_moves: Vec<Row>,
    uses: Vec<Row>,
    case_lists: Vec<Row>,
    fingerprints: Vec<Row>,
    deployments: Vec<Row>,
    deployment_changes: Vec<Row>,
}

impl Tables {
    /// Dependent rows before those they depend on, so that nothing seems to be missing while others write.
    async fn read(catalog: &SqlCatalog) -> Result<Tables, StoreError> {
        let read = async |sql: &str| catalog.database.rows(WHAT, sql, vec![]).await;
        Ok(Tables {
            aliases: read("SELECT * FROM alias ORDER BY model, alias").await?,
            alias_moves: read("SELECT * FROM alias_move ORDER BY model, alias, number").await?,
            signatures: read("SELECT * FROM signature ORDER BY seq").await?,
            records: read("SELECT * FROM record ORDER BY seq").await?,
            user_keys: read("SELECT * FROM user_key ORDER BY name, number").await?,
            users: read("SELECT * FROM user_account ORDER BY name").await?,
            packages: read("SELECT * FROM package ORDER BY digest").await?,
            uses: read("SELECT * FROM reference_use ORDER BY set_digest, number").await?,
            fingerprints: read("SELECT * FROM fingerprint ORDER BY set_digest, case_id, kind, value").await?,
            case_lists: read("SELECT * FROM fingerprint_set ORDER BY set_digest, role, model").await?,
            deployments: read("SELECT * FROM deployment ORDER BY name").await?,
            deployment_changes: read("SELECT * FROM deployment_change ORDER BY name, revision").await?,
        })
    }
}

async fn read_entries(catalog: &SqlCatalog) -> Result<BTreeMap<&'static str, Entries>, StoreError> {
    use AuditAction as A;
    const ACTIONS: [AuditAction; 8] = [
        A::RecordAdded,
        A::RecordSigned,
        A::UserAdded,
        A::UserChanged,
        A::PackageImported,
        A::AliasMoved,
        A::ReferenceUsed,
        A::FingerprintsAdded,
    ];
    let mut entries: BTreeMap<&'static str, Entries> = BTreeMap::new();
    for action in ACTIONS {
        // A user's life is one story.
        let kind = if action == A::UserChanged { A::UserAdded.name() } else { action.name() };
        let sql = "SELECT seq, at, actor, subject_id, detail FROM audit WHERE action = $1 ORDER BY seq";
        for row in catalog.database.rows(WHAT, sql, values![action.name()]).await? {
            let entry = entry_from(&row)?;
            entries.entry(kind).or_default().entry(row.text("subject_id")?).or_default().push(entry);
        }
    }
    // Whatever changes a deployment says which revision it made.
    let sql = "SELECT seq, at, actor, subject_id, detail FROM audit WHERE subject_kind = $1 ORDER BY seq";
    for row in catalog.database.rows(WHAT, sql, values![SubjectKind::Deployment.name()]).await? {
        let entry = entry_from(&row)?;
        if entry.detail.get("revision").is_some() {
            let changes = entries.entry(AuditAction::DeploymentApplied.name()).or_default();
            changes.entry(row.text("subject_id")?).or_default().push(entry);
        }
    }
    Ok(entries)
}

fn entry_from(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        seq: row.number("seq")?,
        at: row.time("at")?,
        actor: row.text("actor")?,
        detail: row.json("detail")?,
        seen: false,
    })
}

/// The first 12 digits, for people.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

impl Check {
    fn wrong(&mut self, subject: String, problem: impl Into<String>) {
        self.report.discrepancies.push(Discrepancy { subject, problem: problem.into() });
    }

    /// Look at each row of a table. One that cannot even be read is told, and the others are still looked at.
    fn each(&mut self, table: &str, rows: &[Row], mut look: impl FnMut(&mut Check, &Row) -> Result<(), StoreError>) {
        for (place, row) in rows.iter().enumerate() {
            if let Err(error) = look(self, row) {
                self.wrong(format!("table {table}, row {}", place + 1), format!("it was changed by hand: {error}"));
            }
        }
    }

    fn of(&mut self, action: AuditAction, subject: &str) -> &mut [Entry] {
        self.entries
            .entry(action.name())
            .or_default()
            .get_mut(subject)
            .map_or(&mut [], |entries| entries.as_mut_slice())
    }

    /// The entry of `subject` whose detail is `detail`; it counts as answered.
    fn answered(&mut self, action: AuditAction, subject: &str, detail: &Value) -> bool {
        match self.of(action, subject).iter_mut().find(|entry| entry.detail == *detail) {
            Some(entry) => {
                entry.seen = true;
                true
            }
            None => false,
        }
    }

    fn record(&mut self, row: &Row) -> Result<(), StoreError> {
        self.report.n_records += 1;
        let (digest, kind, subject) = (row.text("digest")?, row.text("kind")?, row.text("subject")?);
        let (author, created_at) = (row.text("author")?, row.time("created_at")?);
        let name = format!("record {}", short(&digest));
        let content = RecordKind::from_name(&kind).zip(row.json::<Value>("body").ok());
        let now = content.map(|(kind, body)| {
            NewRecord { kind, subject: subject.clone(), body, author: author.clone() }.digest().to_string()
        });
        let is_intact = now.as_ref() == Some(&digest);
        if !is_intact {
            let problem = "its content was changed after it was entered; every signature over it is void";
            self.wrong(name.clone(), problem);
        }
        let entries = self.of(AuditAction::RecordAdded, &digest);
        // What is wrong with the row is told here, and not again as a missing row.
        entries.iter_mut().for_each(|entry| entry.seen = true);
        match entries.first() {
            None => self.wrong(name, "the audit chain does not know it: it was put in by hand"),
            Some(entry) if entry.actor != author || entry.at != created_at => {
                self.wrong(name, "its author or time was changed after it was entered");
            }
            Some(entry) if is_intact && entry.detail != record_proof(&kind, &subject) => {
                self.wrong(name, "its kind or subject was changed after it was entered");
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn signature(&mut self, row: &Row) -> Result<(), StoreError> {
        self.report.n_signatures += 1;
        let (record, signer) = (row.text("record")?, row.text("signer")?);
        let name = format!("signature of {signer} over record {}", short(&record));
        let Ok(signature) = signature_from(row) else {
            self.wrong(name, "it cannot be read; it was changed by hand");
            return Ok(());
        };
        if let Err(error) = signature.verify() {
            self.wrong(name.clone(), error.to_string());
        }
        if !self.key_was_in_force(&signature) {
            self.wrong(name.clone(), format!("the key was not {signer}'s when it was made"));
        }
        if !self.answered(AuditAction::RecordSigned, &record, &signature_proof(&signature)) {
            self.wrong(name, "the audit chain does not know it like this: it was changed or put in by hand");
        }
        Ok(())
    }

    /// Whether the chain says that the signer held this key at the time of the signature.
    fn key_was_in_force(&mut self, signature: &Signature) -> bool {
        let key = |entry: &Entry| entry.detail["public_key"].as_str() == Some(signature.public_key.as_str());
        // The signature is entered up to 10 minutes away from its own time; a key changed within that counts as well.
        let slack = 600 * 1_000_000;
        let life = self.of(AuditAction::UserAdded, &signature.signer);
        life.iter().enumerate().any(|(place, entry)| {
            let until = life.get(place + 1).map_or(i64::MAX, |next| next.at.plus_micros(slack).micros());
            let from = entry.at.plus_micros(-slack).micros();
            key(entry) && (from..=until).contains(&signature.signed_at.micros())
        })
    }

    fn users(&mut self, rows: &[Row], keys: &[Row]) {
        let mut keys_of: BTreeMap<String, Vec<(String, Timestamp)>> = BTreeMap::new();
        self.each("user_key", keys, |_, row| {
            let key = (row.text("public_key")?, row.time("valid_from")?);
            keys_of.entry(row.text("name")?).or_default().push(key);
            Ok(())
        });
        self.each("user_account", rows, |check, row| {
            let held = keys_of.remove(&row.text("name")?).unwrap_or_default();
            check.user(row, &held)
        });
    }

    fn user(&mut self, row: &Row, held: &[(String, Timestamp)]) -> Result<(), StoreError> {
        self.report.n_users += 1;
        let (name, until) = (row.text("name")?, self.until);
        let subject = format!("user {name}");
        let proof = user_from(row).map(|user| user_proof(&user)).ok();
        let life = self.of(AuditAction::UserAdded, &name);
        life.iter_mut().for_each(|entry| entry.seen = true);
        let is_newest = |place: usize| life.get(place + 1).is_none_or(|next| until < next.seq);
        let holds =
            life.iter().enumerate().any(|(place, entry)| is_newest(place) && Some(&entry.detail) == proof.as_ref());
        let mut told: Vec<(String, Timestamp)> = Vec::new();
        for entry in life.iter().filter(|entry| entry.seq <= until) {
            let key = entry.detail["public_key"].as_str().unwrap_or_default().to_owned();
            if told.last().is_none_or(|(last, _)| *last != key) {
                told.push((key, entry.at));
            }
        }
        if life.is_empty() {
            self.wrong(subject, "the audit chain does not know this user: put in by hand");
            return Ok(());
        }
        if !holds {
            self.wrong(subject.clone(), "roles, key, password or another field was changed by hand");
        }
        if held.len() < told.len() || held[..told.len()] != told {
            self.wrong(subject, "the list of this user's keys was changed by hand");
        }
        Ok(())
    }

    /// Acts whose row is gone.
    fn taken_out(&mut self) {
        let until = self.until;
        let mut gone = Vec::new();
        for (action, entries) in &self.entries {
            for (subject, entries) in entries {
                for entry in entries.iter().filter(|entry| !entry.seen && entry.seq <= until) {
                    gone.push((
                        *action,
                        subject.clone(),
                        entry.seq,
                        entry.detail["signer"].as_str().map(str::to_owned),
                    ));
                }
            }
        }
        for (action, subject, seq, signer) in gone {
            let subject = match (AuditAction::from_name(action), signer) {
                (Some(AuditAction::RecordSigned), Some(signer)) => {
                    format!("signature of {signer} over record {}", short(&subject))
                }
                (Some(AuditAction::RecordAdded), _) => format!("record {}", short(&subject)),
                (Some(AuditAction::PackageImported), _) => format!("package {}", short(&subject)),
                (Some(AuditAction::UserAdded), _) => format!("user {subject}"),
                (Some(AuditAction::AliasMoved), _) => format!("alias {subject}"),
                (Some(AuditAction::ReferenceUsed), _) => format!("reference set {}", short(&subject)),
                (Some(AuditAction::DeploymentApplied), _) => format!("deployment {subject}"),
                _ => format!("case list {}", short(&subject)),
            };
            let problem = format!("what audit entry {seq} entered is gone or was changed by hand");
            self.wrong(subject, problem);
        }
    }
}
