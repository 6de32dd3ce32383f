//! Use of reference sets, and what case lists have in common.

use super::proof::{case_list_proof, fingerprint_rows, use_proof};
use super::refused;
use crate::StoreError;
use crate::governance::{CaseFingerprint, Overlap, SetRole};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{in_list, values};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_types::{Digest, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

fn role_name(role: SetRole) -> &'static str {
    match role {
        SetRole::Reference => "reference",
        SetRole::Training => "training",
    }
}

pub(in crate::sql) async fn reference_use(
    catalog: &SqlCatalog,
    set: &Digest,
    protocol: &Digest,
    package: &Digest,
    actor: &str,
    now: Timestamp,
) -> Result<u32, StoreError> {
    let mut act = Act::begin(&catalog.database, "count the use of a reference set", actor, now).await?;
    let row = act.row("SELECT COUNT(*) AS n FROM reference_use WHERE set_digest = $1", values![*set]).await?;
    let number = row.map(|row| row.number::<u32>("n")).transpose()?.unwrap_or(0) + 1;
    let sql = "INSERT INTO reference_use (set_digest, number, protocol, package, actor, used_at) \
               VALUES ($1,$2,$3,$4,$5,$6)";
    act.execute(sql, values![*set, number, *protocol, *package, actor, now]).await?;
    let detail = use_proof(number, &protocol.to_string(), &package.to_string());
    act.audit(AuditAction::ReferenceUsed, AuditSubject::new(SubjectKind::Record, set), &detail);
    act.commit().await?;
    Ok(number)
}

pub(in crate::sql) async fn reference_use_count(catalog: &SqlCatalog, set: &Digest) -> Result<u32, StoreError> {
    let sql = "SELECT COUNT(*) AS n FROM reference_use WHERE set_digest = $1";
    let row = catalog.database.row("count the uses of a reference set", sql, values![*set]).await?;
    Ok(row.map(|row| row.number("n")).transpose()?.unwrap_or(0))
}

pub(in crate::sql) async fn fingerprints_add(
    catalog: &SqlCatalog,
    set: &Digest,
    role: SetRole,
    model: &str,
    cases: &[CaseFingerprint],
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    const WHAT: &str = "remember the fingerprints of a case list";
    if cases.iter().any(|case| case.case_id.is_empty() || case.case_id.chars().any(char::is_control)) {
        return Err(refused(WHAT, "a case identifier is one line of text and not empty"));
    }
    let mut act = Act::begin(&catalog.database, WHAT, actor, now).await?;
    let sql = "INSERT INTO fingerprint_set (set_digest, role, model, n_cases) VALUES ($1,$2,$3,$4) \
               ON CONFLICT (set_digest, role, model) DO NOTHING";
    if act.execute(sql, values![*set, role_name(role), model, cases.len() as u64]).await? == 0 {
        return Ok(());
    }
    let rows = fingerprint_rows(cases);
    let mut values = Vec::with_capacity(rows.len() * 4);
    for (case_id, kind, value) in &rows {
        values.extend(values![*set, case_id.as_str(), kind.as_str(), value.as_str()]);
    }
    let head = "INSERT INTO fingerprint (set_digest, case_id, kind, value) VALUES";
    act.insert(head, "ON CONFLICT (set_digest, kind, value, case_id) DO NOTHING", 4, values).await?;
    let detail = case_list_proof(role_name(role), model, cases.len(), &rows);
    act.audit(AuditAction::FingerprintsAdded, AuditSubject::new(SubjectKind::Record, set), &detail);
    act.commit().await
}

pub(in crate::sql) async fn fingerprints_overlap(
    catalog: &SqlCatalog,
    cases: &[CaseFingerprint],
    role: SetRole,
    model: &str,
) -> Result<Vec<Overlap>, StoreError> {
    let mut asked: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (case_id, kind, value) in fingerprint_rows(cases) {
        asked.entry((kind, value)).or_default().push(case_id);
    }
    let digests: BTreeSet<&str> = asked.keys().map(|(_, value)| value.as_str()).collect();
    let digests: Vec<&str> = digests.into_iter().collect();
    let mut found = BTreeSet::new();
    for part in digests.chunks(512) {
        let mut values = values![role_name(role), model];
        let list = in_list(&mut values, part.iter().map(|digest| (*digest).into()));
        let sql = format!(
            "SELECT DISTINCT f.set_digest, f.case_id, f.kind, f.value FROM fingerprint f \
             JOIN fingerprint_set s ON s.set_digest = f.set_digest \
             WHERE s.role = $1 AND s.model = $2 AND f.value IN {list}"
        );
        for row in catalog.database.rows("compare case lists", sql, values).await? {
            let (kind, value) = (row.text("kind")?, row.text("value")?);
            let (other_set, other_case_id): (Digest, _) = (row.parse("set_digest")?, row.text("case_id")?);
            for case_id in asked.get(&(kind.clone(), value)).into_iter().flatten() {
                found.insert((other_set, case_id.clone(), other_case_id.clone(), kind.clone()));
            }
        }
    }
    let overlap = |(other_set, case_id, other_case_id, by)| Overlap { case_id, other_set, other_case_id, by };
    Ok(found.into_iter().map(overlap).collect())
}
