//! Reports: tied to studies, ordered by what counts, read once for each result.

use super::add::{add_labels, same_again};
use super::list::Conditions;
use crate::labels::{NewLabel, NewReport, Report, ReportAdded, ReportFilter, ReportSource, Unread};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, json_text, values};
use crate::{ReportKey, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_monitor::Label;
use hilum_monitor::report::ReportStatus;
use hilum_types::{InstanceHeader, Phi, Reason, Timestamp, Uid, attribute};
use serde_json::json;

const COLUMNS: &str = "r.report_key, r.accession_number, r.status, r.codes, r.blob, r.peer, r.source, r.reported_at, \
                       r.received_at, r.study_key, r.reason, r.is_current";
/// Studies of one accession number that are compared.
const STUDIES_MAX: u32 = 50;
const NO_STUDY: &str = "report.no-study";
/// Accession number and patient may be those of a study that is held, but the report names another one.
const OTHER_STUDY: &str = "report.other-study";

fn report_from(row: &Row) -> Result<Report, StoreError> {
    Ok(Report {
        key: row.parse("report_key")?,
        accession_number: Phi::new(row.text("accession_number")?),
        status: row.named("status", ReportStatus::from_name)?,
        codes: row.json("codes")?,
        blob: row.parse("blob")?,
        peer: row.text("peer")?,
        source: row.named("source", ReportSource::from_name)?,
        reported_at: row.time("reported_at")?,
        received_at: row.time("received_at")?,
        study_key: row.parse_or_none("study_key")?,
        reason: row.json_or_none("reason")?,
        is_current: row.int("is_current")? != 0,
    })
}

pub(super) async fn report_add(
    catalog: &SqlCatalog,
    new: &NewReport,
    now: Timestamp,
) -> Result<ReportAdded, StoreError> {
    let actor = format!("peer:{}", new.peer);
    let mut act = Act::begin(&catalog.database, "enter a report", actor, now).await?;
    let sql = "SELECT report_key, content FROM report WHERE origin = $1";
    if let Some(row) = act.row(sql, values![new.origin.reveal().as_str()]).await? {
        same_again(row.parse("content")?, new.content)?;
        let report = report(&mut act, &row.parse("report_key")?).await?;
        return Ok(ReportAdded { report, is_new: false });
    }
    let key = ReportKey::fresh(now);
    let accession = new.accession_number.reveal().trim();
    let found = study_of(&mut act, accession, new.patient_ids.reveal(), new.study_instance_uid.as_ref()).await?;
    let (study_key, reason) = found.map_or_else(|reason| (None, Some(reason)), |key| (Some(key), None));
    let sql = "INSERT INTO blob (digest, size) VALUES ($1,$2) ON CONFLICT (digest) DO NOTHING";
    act.execute(sql, values![new.blob, new.size]).await?;
    let sql = "INSERT INTO report (report_key, origin, content, series, accession_number, patient_ids, status, codes, \
               blob, size, peer, source, reported_at, received_at, study_key, reason, reason_code, is_current, \
               study_instance_uid) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,0,$18)";
    let values = values![
        &key,
        new.origin.reveal().as_str(),
        new.content,
        new.series.reveal().as_str(),
        accession,
        json_text(new.patient_ids.reveal())?,
        new.status.name(),
        json_text(&new.codes)?,
        new.blob,
        new.size,
        new.peer.as_str(),
        new.source.name(),
        new.reported_at,
        now,
        study_key.as_ref(),
        reason.as_ref().map(json_text).transpose()?,
        reason.as_ref().map_or("", |reason| reason.code.as_str()),
        new.study_instance_uid.as_ref().map(Uid::as_str),
    ];
    act.execute(sql, values).await?;
    choose_current(&mut act, new.series.reveal()).await?;
    let code = reason.as_ref().map_or("", |reason| reason.code.as_str());
    let detail = json!({ "status": new.status, "blob": new.blob, "linked": study_key.is_some(), "reason": code });
    act.audit(AuditAction::ReportReceived, AuditSubject::new(SubjectKind::Report, &key), &detail);
    match (&study_key, &reason) {
        (Some(study_key), _) => told_of_link(&mut act, &key, study_key, new.status).await?,
        (None, Some(reason)) if reason.code != NO_STUDY => {
            act.alarm("report-unlinked", &reason.text, None, None).await?;
        }
        _ => {}
    }
    let report = report(&mut act, &key).await?;
    act.commit().await?;
    Ok(ReportAdded { report, is_new: true })
}

async fn report(act: &mut Act, key: &ReportKey) -> Result<Report, StoreError> {
    let row = act.row(format!("SELECT {COLUMNS} FROM report r WHERE r.report_key = $1"), values![key]).await?;
    report_from(&row.ok_or(StoreError::NotFound("report"))?)
}

/// The study of a report: of its accession number, and of one of its patients (AV-20). An accession number alone is not
/// enough, because one digit mistyped would give the report of somebody else.
async fn study_of(
    act: &mut Act,
    accession: &str,
    patient_ids: &[String],
    uid: Option<&Uid>,
) -> Result<Result<StudyKey, Reason>, StoreError> {
    let no = |code: &str, text: &str| Ok(Err(Reason::new(code, text)));
    if accession.is_empty() {
        return no("report.no-accession", "a report states no accession number, so that it belongs to no study here");
    }
    if patient_ids.is_empty() {
        return no("report.no-patient", "a report states no patient identifier, so that it is tied to no study");
    }
    let sql = "SELECT study_key, first_header FROM study WHERE accession_number = $1 \
               AND (CAST($3 AS TEXT) IS NULL OR study_instance_uid = $3) ORDER BY study_key LIMIT $2";
    let rows = act.rows(sql, values![accession, STUDIES_MAX, uid.map(Uid::as_str)]).await?;
    let (mut of_patient, n_studies) = (Vec::new(), rows.len());
    for row in rows {
        let header: InstanceHeader = row.json("first_header")?;
        let known = header.text(attribute::PATIENT_ID).map(str::trim).unwrap_or_default();
        if !known.is_empty() && patient_ids.iter().any(|id| id.trim() == known) {
            of_patient.push(row.parse::<StudyKey>("study_key")?);
        }
    }
    let sql = "SELECT 1 AS held FROM study WHERE accession_number = $1 LIMIT 1";
    let others = n_studies == 0 && uid.is_some() && act.row(sql, values![accession]).await?.is_some();
    match (n_studies, of_patient.len()) {
        (0, _) if others => no(
            OTHER_STUDY,
            "a report names a study that is not held; the one of its accession number that is held is another",
        ),
        (0, _) => no(NO_STUDY, "no study of the accession number of the report is held yet"),
        (_, 0) => no(
            "report.patient-mismatch",
            "a report and the study of its accession number state different patients; correct one of them at its source",
        ),
        (_, 1) => Ok(Ok(of_patient.remove(0))),
        (_, n) => Ok(Err(Reason::new(
            "report.ambiguous",
            format!("{n} studies have the accession number and the patient of a report; it must name the study"),
        ))),
    }
}

/// The version that counts is the last one that is signed off; what is signed off later but says an earlier time is
/// the earlier one.
async fn choose_current(act: &mut Act, series: &str) -> Result<(), StoreError> {
    let sql = "SELECT report_key FROM report WHERE series = $1 AND status <> 'preliminary' ORDER BY reported_at DESC, \
               CASE status WHEN 'cancelled' THEN 2 WHEN 'corrected' THEN 1 ELSE 0 END DESC, received_at DESC, \
               report_key DESC LIMIT 1";
    let Some(row) = act.row(sql, values![series]).await? else { return Ok(()) };
    let sql = "UPDATE report SET is_current = CASE WHEN report_key = $2 THEN 1 ELSE 0 END WHERE series = $1";
    act.execute(sql, values![series, row.text("report_key")?]).await?;
    Ok(())
}

async fn told_of_link(
    act: &mut Act,
    key: &ReportKey,
    study_key: &StudyKey,
    status: ReportStatus,
) -> Result<(), StoreError> {
    let row = act.row("SELECT revision FROM study WHERE study_key = $1", values![study_key]).await?;
    let revision = row.ok_or(StoreError::NotFound("study"))?.number("revision")?;
    let text = format!("a report came in: {}", status.name());
    act.tell(study_key, revision, None, AuditAction::ReportLinked, text);
    let detail = json!({ "report": key });
    act.audit(AuditAction::ReportLinked, AuditSubject::new(SubjectKind::Study, study_key), &detail);
    Ok(())
}

pub(super) async fn report_link_due(
    catalog: &SqlCatalog,
    since: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<u32, StoreError> {
    const WHAT: &str = "tie reports to their studies";
    let due = format!(
        "SELECT r.report_key, r.accession_number, r.patient_ids, r.status, r.study_instance_uid FROM report r \
         WHERE r.study_key IS NULL AND $2 <= r.received_at AND ((r.reason_code = '{NO_STUDY}' AND EXISTS (SELECT 1 \
         FROM study s WHERE s.accession_number = r.accession_number)) OR (r.reason_code = '{OTHER_STUDY}' AND EXISTS \
         (SELECT 1 FROM study s WHERE s.accession_number = r.accession_number AND s.study_instance_uid = \
         r.study_instance_uid))) ORDER BY r.report_key LIMIT $1"
    );
    if catalog.database.row(WHAT, due.as_str(), values![1_u32, since]).await?.is_none() {
        return Ok(0);
    }
    let mut act = Act::begin(&catalog.database, WHAT, "system:labels", now).await?;
    let mut n_linked = 0;
    for row in act.rows(due, values![limit, since]).await? {
        let key: ReportKey = row.parse("report_key")?;
        let patients: Vec<String> = row.json("patient_ids")?;
        let uid: Option<Uid> = row.parse_or_none("study_instance_uid")?;
        let found = study_of(&mut act, &row.text("accession_number")?, &patients, uid.as_ref()).await?;
        let (study_key, reason) = found.map_or_else(|reason| (None, Some(reason)), |key| (Some(key), None));
        let sql = "UPDATE report SET study_key = $2, reason = $3, reason_code = $4 WHERE report_key = $1";
        let code = reason.as_ref().map_or("", |reason| reason.code.as_str());
        let text = reason.as_ref().map(json_text).transpose()?;
        act.execute(sql, values![&key, study_key.as_ref(), text, code]).await?;
        match (&study_key, &reason) {
            (Some(study_key), _) => {
                n_linked += 1;
                told_of_link(&mut act, &key, study_key, row.named("status", ReportStatus::from_name)?).await?;
            }
            (None, Some(reason)) => act.alarm("report-unlinked", &reason.text, None, None).await?,
            (None, None) => {}
        }
    }
    act.commit().await?;
    Ok(n_linked)
}

pub(super) async fn report_list(
    catalog: &SqlCatalog,
    filter: &ReportFilter,
    limit: u32,
) -> Result<Vec<Report>, StoreError> {
    let mut conditions = Conditions::new();
    match filter.linked {
        Some(true) => conditions.text("r.study_key IS NOT NULL"),
        Some(false) => conditions.text("r.study_key IS NULL"),
        None => {}
    }
    conditions.add("r.study_key = ?", filter.study_key.as_ref().map(Into::into));
    conditions.add("r.report_key < ?", filter.after.as_ref().map(Into::into));
    let sql = format!("SELECT {COLUMNS} FROM report r {}", conditions.end("r.report_key DESC", limit));
    let rows = catalog.database.rows("list reports", sql, conditions.values).await?;
    rows.iter().map(report_from).collect()
}

pub(super) async fn report_unread(
    catalog: &SqlCatalog,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Unread>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, i.deployment, i.revision FROM report r JOIN inference i ON i.study_key = r.study_key \
         WHERE r.is_current = 1 AND r.report_key IN (SELECT n.report_key FROM report n WHERE $1 <= n.received_at \
         UNION SELECT n.report_key FROM inference f JOIN report n ON n.study_key = f.study_key WHERE $1 <= f.finished_at) \
         AND NOT EXISTS (SELECT 1 FROM inference l WHERE l.study_key = i.study_key AND l.deployment = i.deployment \
         AND i.revision < l.revision) AND NOT EXISTS (SELECT 1 FROM report_reading g WHERE g.report_key = r.report_key \
         AND g.deployment = i.deployment AND g.revision = i.revision) ORDER BY r.report_key, i.deployment LIMIT $2"
    );
    let rows = catalog.database.rows("list reports to be read", sql, values![since, limit]).await?;
    let one = |row: &Row| {
        Ok(Unread { report: report_from(row)?, deployment: row.text("deployment")?, revision: row.number("revision")? })
    };
    rows.iter().map(one).collect()
}

pub(super) async fn report_read(
    catalog: &SqlCatalog,
    unread: &Unread,
    labels: &[NewLabel],
    now: Timestamp,
) -> Result<Vec<Label>, StoreError> {
    let mut act = Act::begin(&catalog.database, "enter what a report says", "system:labels", now).await?;
    let report = report(&mut act, &unread.report.key).await?;
    let Some(study_key) = report.study_key.filter(|_| report.is_current) else {
        // A later version took its place meanwhile; that one is read instead.
        return Ok(Vec::new());
    };
    let sql = "INSERT INTO report_reading (report_key, deployment, revision, n_labels, read_at) \
               VALUES ($1,$2,$3,$4,$5) ON CONFLICT (report_key, deployment, revision) DO NOTHING";
    let values = values![&report.key, unread.deployment.as_str(), unread.revision, labels.len() as u64, now];
    act.execute(sql, values).await?;
    let added = add_labels(&mut act, labels).await?;
    let detail = json!({ "report": report.key, "deployment": unread.deployment, "n_labels": added.len() });
    act.audit(AuditAction::ReportRead, AuditSubject::new(SubjectKind::Study, &study_key), &detail);
    act.commit().await?;
    Ok(added)
}
