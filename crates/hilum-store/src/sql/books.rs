//! Books, counts, the audit chain, and the blobs that rows name.

use super::SqlCatalog;
use super::act::Act;
use super::connection::{Row, in_list, values};
use crate::StoreError;
use crate::records::{BlobRow, BooksLine, Counts};
use hilum_audit::{
    AuditAction, AuditEntry, AuditEvent, AuditOutcome, AuditSubject, Checkpoint, SubjectKind, Tampering, Verified,
    Verifier,
};
use hilum_types::Digest;
use std::collections::{BTreeMap, HashSet};

/// Three accounts that are kept apart are added up here: arrivals, dispositions (by the day of the study revision),
/// and live jobs. They only agree when nothing was lost or counted twice.
pub(super) async fn books(catalog: &SqlCatalog, from_day: &str, to_day: &str) -> Result<Vec<BooksLine>, StoreError> {
    const WHAT: &str = "read the books";
    let sql = "SELECT a.day, a.deployment, COUNT(*) AS n, CAST(SUM(CASE WHEN d.disposition IS NULL AND EXISTS \
               (SELECT 1 FROM job j WHERE j.study_key = a.study_key AND j.revision = a.revision \
               AND j.state IN ('queued', 'leased') AND (j.kind = 'evaluate' OR (j.kind = 'infer' \
               AND j.deployment = a.deployment))) THEN 1 ELSE 0 END) AS BIGINT) AS n_open \
               FROM arrival a LEFT JOIN disposition d ON d.study_key = a.study_key AND d.revision = a.revision \
               AND d.deployment = a.deployment WHERE $1 <= a.day AND a.day <= $2 GROUP BY a.day, a.deployment";
    let mut lines: BTreeMap<(String, String), BooksLine> = BTreeMap::new();
    for row in catalog.database.rows(WHAT, sql, values![from_day, to_day]).await? {
        let line = line(&mut lines, &row)?;
        line.arrived = row.number("n")?;
        line.open = row.number("n_open")?;
    }
    let sql = "SELECT s.day, d.deployment, d.disposition, COUNT(*) AS n FROM disposition d \
               JOIN study_revision s ON s.study_key = d.study_key AND s.revision = d.revision \
               WHERE $1 <= s.day AND s.day <= $2 GROUP BY s.day, d.deployment, d.disposition";
    for row in catalog.database.rows(WHAT, sql, values![from_day, to_day]).await? {
        let line = line(&mut lines, &row)?;
        let n = row.number("n")?;
        match row.text("disposition")?.as_str() {
            "analysed" => line.analysed = n,
            "not_eligible" => line.not_eligible = n,
            "withheld" => line.withheld = n,
            "failed" => line.failed = n,
            "expired" => line.expired = n,
            _ => return Err(StoreError::DamagedRow { column: "disposition" }),
        }
    }
    let mut lines: Vec<BooksLine> = lines.into_values().collect();
    for line in &mut lines {
        let ended = line.analysed + line.not_eligible + line.withheld + line.failed + line.expired;
        line.balanced = line.arrived == ended + line.open;
    }
    Ok(lines)
}

fn line<'a>(lines: &'a mut BTreeMap<(String, String), BooksLine>, row: &Row) -> Result<&'a mut BooksLine, StoreError> {
    let (day, deployment) = (row.text("day")?, row.text("deployment")?);
    Ok(lines.entry((day.clone(), deployment.clone())).or_insert(BooksLine {
        day,
        deployment,
        arrived: 0,
        analysed: 0,
        not_eligible: 0,
        withheld: 0,
        failed: 0,
        expired: 0,
        open: 0,
        balanced: false,
    }))
}

pub(super) async fn counts(catalog: &SqlCatalog) -> Result<Counts, StoreError> {
    const WHAT: &str = "count";
    let database = &catalog.database;
    // A study that does not receive is complete; counting those by their state would read every row.
    let sql = "SELECT (SELECT n FROM instance_total WHERE id = 1) AS n_instances, \
               (SELECT n_bytes FROM instance_total WHERE id = 1) AS n_bytes, \
               (SELECT COUNT(*) FROM study WHERE state = 'receiving') AS n_receiving, \
               (SELECT COUNT(*) FROM study) - (SELECT COUNT(*) FROM study WHERE state = 'receiving') AS n_complete, \
               (SELECT COUNT(*) FROM quarantine) AS n_quarantined, \
               (SELECT COUNT(*) FROM alarm WHERE acknowledged_at IS NULL AND closed_at IS NULL) AS n_alarms, \
               (SELECT seq FROM audit_head WHERE id = 1) AS n_audit";
    let row = database.row(WHAT, sql, vec![]).await?.ok_or(StoreError::DamagedRow { column: "n_instances" })?;
    let mut counts = Counts {
        n_instances: row.number("n_instances")?,
        n_bytes: row.number("n_bytes")?,
        n_studies_receiving: row.number("n_receiving")?,
        n_studies_complete: row.number("n_complete")?,
        n_quarantined: row.number("n_quarantined")?,
        n_alarms_open: row.number("n_alarms")?,
        n_audit_entries: row.number("n_audit")?,
        ..Counts::default()
    };
    let sql = "SELECT state, COUNT(*) AS n FROM delivery GROUP BY state ORDER BY state";
    for row in database.rows(WHAT, sql, vec![]).await? {
        counts.deliveries.push((row.text("state")?, row.number("n")?));
    }
    let sql = "SELECT deployment, disposition, COUNT(*) AS n FROM disposition GROUP BY deployment, disposition \
               ORDER BY deployment, disposition";
    for row in database.rows(WHAT, sql, vec![]).await? {
        counts.dispositions.push((row.text("deployment")?, row.text("disposition")?, row.number("n")?));
    }
    Ok(counts)
}

pub(super) async fn audit_append(catalog: &SqlCatalog, event: AuditEvent) -> Result<AuditEntry, StoreError> {
    let actor = event.actor.clone();
    let mut act = Act::begin(&catalog.database, "append an audit entry", actor, event.at).await?;
    let entry = act.audit_event(event);
    act.commit().await?;
    Ok(entry)
}

pub(super) async fn audit_page(catalog: &SqlCatalog, after: u64, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
    let sql = "SELECT seq, at, actor, action, outcome, subject_kind, subject_id, detail, prev_hash, hash FROM audit \
               WHERE $1 < seq ORDER BY seq LIMIT $2";
    let entry = |row: &Row| {
        let kind = row.named("subject_kind", SubjectKind::from_name)?;
        Ok(AuditEntry {
            seq: row.number("seq")?,
            prev_hash: row.parse("prev_hash")?,
            hash: row.parse("hash")?,
            event: AuditEvent {
                at: row.time("at")?,
                actor: row.text("actor")?,
                action: row.named("action", AuditAction::from_name)?,
                outcome: row.named("outcome", AuditOutcome::from_name)?,
                subject: AuditSubject { kind, id: row.text("subject_id")? },
                detail: row.text("detail")?,
            },
        })
    };
    catalog.database.rows("read the audit chain", sql, values![after, limit]).await?.iter().map(entry).collect()
}

pub(super) async fn audit_head(catalog: &SqlCatalog) -> Result<Checkpoint, StoreError> {
    let sql = "SELECT seq, hash FROM audit_head WHERE id = 1";
    let row = catalog.database.row("read the end of the audit chain", sql, vec![]).await?;
    let row = row.ok_or(StoreError::DamagedRow { column: "audit_head" })?;
    Ok(Checkpoint { seq: row.number("seq")?, hash: row.parse("hash")? })
}

pub(super) async fn audit_verify(
    catalog: &SqlCatalog,
    known: &[Checkpoint],
) -> Result<Result<Verified, Tampering>, StoreError> {
    const PAGE: u32 = 2000;
    // What is appended from here on is not needed, so that verifying ends while others write.
    let end = audit_head(catalog).await?;
    let mut known = known.to_vec();
    known.push(end);
    let mut verifier = Verifier::new(&known);
    let mut after = 0;
    loop {
        let page = audit_page(catalog, after, PAGE).await?;
        for entry in page.iter().take_while(|entry| entry.seq <= end.seq) {
            if let Err(tampering) = verifier.take(entry) {
                return Ok(Err(tampering));
            }
        }
        match page.last() {
            Some(last) if last.seq < end.seq => after = last.seq,
            _ => return Ok(verifier.finish()),
        }
    }
}

pub(super) async fn blobs_known(catalog: &SqlCatalog, digests: &[Digest]) -> Result<HashSet<Digest>, StoreError> {
    let mut known = HashSet::new();
    for part in digests.chunks(512) {
        let mut values = vec![];
        let list = in_list(&mut values, part.iter().map(|digest| (*digest).into()));
        let sql = format!("SELECT digest FROM blob WHERE digest IN {list}");
        for row in catalog.database.rows("look up blobs", sql, values).await? {
            known.insert(row.parse("digest")?);
        }
    }
    Ok(known)
}

pub(super) async fn blob_rows(
    catalog: &SqlCatalog,
    after: Option<Digest>,
    limit: u32,
) -> Result<Vec<BlobRow>, StoreError> {
    let after = after.map_or(String::new(), |digest| digest.to_string());
    let sql = "SELECT digest, size FROM blob WHERE $1 < digest ORDER BY digest LIMIT $2";
    let rows = catalog.database.rows("list blobs", sql, values![after, limit]).await?;
    rows.iter().map(|row| Ok(BlobRow { blob: row.parse("digest")?, size: row.number("size")? })).collect()
}
