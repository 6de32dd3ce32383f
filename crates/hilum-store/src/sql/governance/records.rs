//! Records and the signatures over them.

use super::proof::{record_proof, signature_proof};
use super::users::user_in;
use super::{digest_prefix, refused};
use crate::StoreError;
use crate::governance::{RecordAdded, RecordFilter};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Database, Row, Value, in_list, values};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_sign::{NewRecord, Record, RecordKind, Signature, SignatureMeaning, canonical_text};
use hilum_types::{Digest, Timestamp};
use std::collections::HashMap;

const COLUMNS: &str = "digest, kind, subject, body, author, created_at";

/// A signature is entered when it is made; more than this between them is somebody's wrong clock.
const CLOCK_SECONDS_MAX: i64 = 600;

pub(in crate::sql) async fn record_add(
    catalog: &SqlCatalog,
    record: &NewRecord,
    now: Timestamp,
) -> Result<RecordAdded, StoreError> {
    const WHAT: &str = "enter a record";
    let has_control = |text: &str| text.chars().any(char::is_control);
    if record.subject.is_empty() || has_control(&record.subject) || has_control(&record.author) {
        return Err(refused(WHAT, "subject and author are one line of text, and a subject is not empty"));
    }
    if !record.body.is_object() || record.body.get("format").is_none() {
        return Err(refused(WHAT, "its body is a JSON object with a `format` number"));
    }
    let digest = record.digest();
    let mut act = Act::begin(&catalog.database, WHAT, record.author.as_str(), now).await?;
    if let Some(row) = act.row(format!("SELECT {COLUMNS} FROM record WHERE digest = $1"), values![digest]).await? {
        let mut held = record_from(&row)?;
        drop(act);
        held.signatures = signatures_of(&catalog.database, &[digest]).await?.remove(&digest).unwrap_or_default();
        return Ok(RecordAdded { record: held, is_new: false });
    }
    let seq = next_seq(&mut act, "record").await?;
    let sql = "INSERT INTO record (seq, digest, kind, subject, body, author, created_at) VALUES ($1,$2,$3,$4,$5,$6,$7)";
    let values = values![
        seq,
        digest,
        record.kind.name(),
        record.subject.as_str(),
        canonical_text(&record.body),
        record.author.as_str(),
        now,
    ];
    act.execute(sql, values).await?;
    let detail = record_proof(record.kind.name(), &record.subject);
    act.audit(AuditAction::RecordAdded, AuditSubject::new(SubjectKind::Record, digest), &detail);
    act.commit().await?;
    let NewRecord { kind, subject, body, author } = record.clone();
    let record = Record { digest, kind, subject, body, author, created_at: now, signatures: vec![] };
    Ok(RecordAdded { record, is_new: true })
}

pub(super) async fn next_seq(act: &mut Act, table: &'static str) -> Result<i64, StoreError> {
    let row = act.row(format!("SELECT MAX(seq) AS seq FROM {table}"), vec![]).await?;
    Ok(row.map(|row| row.int_or_none("seq")).transpose()?.flatten().unwrap_or(0) + 1)
}

fn record_from(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        digest: row.parse("digest")?,
        kind: row.named("kind", RecordKind::from_name)?,
        subject: row.text("subject")?,
        body: row.json("body")?,
        author: row.text("author")?,
        created_at: row.time("created_at")?,
        signatures: vec![],
    })
}

/// A record without its signatures, inside an act.
pub(in crate::sql) async fn record_held(act: &mut Act, digest: &Digest) -> Result<Option<Record>, StoreError> {
    let row = act.row(format!("SELECT {COLUMNS} FROM record WHERE digest = $1"), values![*digest]).await?;
    row.as_ref().map(record_from).transpose()
}

pub(super) fn signature_from(row: &Row) -> Result<Signature, StoreError> {
    Ok(Signature {
        record: row.parse("record")?,
        meaning: row.named("meaning", SignatureMeaning::from_name)?,
        signer: row.text("signer")?,
        role: row.text("role")?,
        signed_at: row.time("signed_at")?,
        public_key: row.text("public_key")?,
        signature: row.text("signature")?,
    })
}

/// Signatures over each of these records, oldest first.
async fn signatures_of(database: &Database, records: &[Digest]) -> Result<HashMap<Digest, Vec<Signature>>, StoreError> {
    let mut found: HashMap<Digest, Vec<Signature>> = HashMap::new();
    for part in records.chunks(512) {
        let mut values = vec![];
        let list = in_list(&mut values, part.iter().map(|digest| (*digest).into()));
        let sql = format!(
            "SELECT record, meaning, signer, role, signed_at, public_key, signature FROM signature \
             WHERE record IN {list} ORDER BY seq"
        );
        for row in database.rows("list signatures", sql, values).await? {
            let signature = signature_from(&row)?;
            found.entry(signature.record).or_default().push(signature);
        }
    }
    Ok(found)
}

pub(in crate::sql) async fn record_get(catalog: &SqlCatalog, digest_or_prefix: &str) -> Result<Record, StoreError> {
    const WHAT: &str = "look up a record";
    let prefix = digest_prefix(WHAT, digest_or_prefix)?;
    let sql = format!("SELECT {COLUMNS} FROM record WHERE SUBSTR(digest, 1, CAST($2 AS INTEGER)) = $1 LIMIT 2");
    let rows = catalog.database.rows(WHAT, sql, values![prefix.as_str(), prefix.len() as u64]).await?;
    match rows.as_slice() {
        [] => Err(StoreError::NotFound("record; `hilum record list` shows what there is")),
        [row] => Ok(with_signatures(catalog, vec![record_from(row)?]).await?.remove(0)),
        _ => Err(refused(WHAT, "several begin like that; give more digits")),
    }
}

pub(in crate::sql) async fn record_list(
    catalog: &SqlCatalog,
    filter: &RecordFilter,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let mut values: Vec<Value> = vec![limit.into()];
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut and = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(format!("{condition} ${}", values.len()));
    };
    if let Some(kind) = filter.kind {
        and("kind =", kind.name().into());
    }
    if let Some(subject) = &filter.subject {
        and("subject =", subject.as_str().into());
    }
    if let Some(until) = filter.until {
        and("created_at <=", until.into());
    }
    let conditions = conditions.join(" AND ");
    let sql = format!("SELECT {COLUMNS} FROM record WHERE {conditions} ORDER BY seq DESC LIMIT $1");
    let rows = catalog.database.rows("list records", sql, values).await?;
    let records = rows.iter().map(record_from).collect::<Result<_, _>>()?;
    with_signatures(catalog, records).await
}

/// The newest records of these kinds about `subject` that somebody signed with that meaning, with all their signatures. A row
/// that was changed by hand so that it is no record any more is left out: it says nothing, and stops nobody who asks.
pub(in crate::sql) async fn record_signed_list(
    catalog: &SqlCatalog,
    kinds: &[RecordKind],
    subject: &str,
    meaning: SignatureMeaning,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let mut columns = values![limit, subject, meaning.name()];
    let kinds = in_list(&mut columns, kinds.iter().map(|kind| kind.name().into()));
    let sql = format!(
        "SELECT {COLUMNS} FROM record WHERE subject = $2 AND kind IN {kinds} AND EXISTS (SELECT 1 FROM signature \
         WHERE signature.record = record.digest AND signature.meaning = $3) ORDER BY seq DESC LIMIT $1"
    );
    let rows = catalog.database.rows("list signed records", sql, columns).await?;
    with_signatures(catalog, rows.iter().filter_map(|row| record_from(row).ok()).collect()).await
}

async fn with_signatures(catalog: &SqlCatalog, mut records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
    let digests: Vec<Digest> = records.iter().map(|record| record.digest).collect();
    let mut signatures = signatures_of(&catalog.database, &digests).await?;
    for record in &mut records {
        record.signatures = signatures.remove(&record.digest).unwrap_or_default();
    }
    Ok(records)
}

pub(in crate::sql) async fn signature_add(
    catalog: &SqlCatalog,
    signature: &Signature,
    now: Timestamp,
) -> Result<(), StoreError> {
    const WHAT: &str = "enter a signature";
    signature.verify().map_err(|e| refused(WHAT, e.to_string()))?;
    if CLOCK_SECONDS_MAX * 1_000_000 < signature.signed_at.micros_since(now).abs() {
        return Err(refused(WHAT, "its time is more than 10 minutes from now; set the clock right and sign again"));
    }
    let mut act = Act::begin(&catalog.database, WHAT, format!("user:{}", signature.signer), now).await?;
    let sql = format!("SELECT {COLUMNS} FROM record WHERE digest = $1");
    let row = act.row(sql, values![signature.record]).await?;
    let record = record_from(&row.ok_or(StoreError::NotFound("record; `hilum record list` shows what there is"))?)?;
    if !record.is_intact() {
        return Err(refused(WHAT, "the record was changed after it was entered; run `hilum audit verify`"));
    }
    may_sign(&mut act, signature).await?;
    let sql = "SELECT 1 AS found FROM signature WHERE record = $1 AND signer = $2 AND meaning = $3";
    let same = values![signature.record, signature.signer.as_str(), signature.meaning.name()];
    if act.row(sql, same).await?.is_some() {
        let why = format!("{} signed it already as {}", signature.signer, signature.meaning.name());
        return Err(refused(WHAT, why));
    }
    let seq = next_seq(&mut act, "signature").await?;
    let sql = "INSERT INTO signature (seq, record, meaning, signer, role, signed_at, public_key, signature) \
               VALUES ($1,$2,$3,$4,$5,$6,$7,$8)";
    let values = values![
        seq,
        signature.record,
        signature.meaning.name(),
        signature.signer.as_str(),
        signature.role.as_str(),
        signature.signed_at,
        signature.public_key.as_str(),
        signature.signature.as_str(),
    ];
    act.execute(sql, values).await?;
    let subject = AuditSubject::new(SubjectKind::Record, signature.record);
    act.audit(AuditAction::RecordSigned, subject, &signature_proof(signature));
    act.commit().await
}

/// The signer is an active user with this key and this role, and the meaning may be signed in it.
async fn may_sign(act: &mut Act, signature: &Signature) -> Result<(), StoreError> {
    const WHAT: &str = "enter a signature";
    let Signature { signer, role, meaning, .. } = signature;
    let user = user_in(act, signer).await?;
    let user = user.ok_or(StoreError::NotFound("user; `hilum user add NAME --role ROLE` enters one"))?;
    let why = if !user.active {
        format!("{signer} was deactivated")
    } else if user.public_key != signature.public_key {
        format!("the key is not {signer}'s")
    } else if !user.roles.contains(role) {
        format!("{signer} does not hold the role {role:?}; `hilum user roles {signer} --role {role} ...` gives it")
    } else if let Some(needed) = meaning.required_role().filter(|needed| needed != role) {
        format!("{} is signed in the role {needed:?}, not {role:?}", meaning.name())
    } else {
        return Ok(());
    };
    Err(refused(WHAT, why))
}
