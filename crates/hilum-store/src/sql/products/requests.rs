//! Questions to products: opened, sent, waited for, closed.

use crate::products::{NewProductRequest, OpenedRequest, ProductAnswer, ProductRequest, ProductRequestState};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, json_text, values};
use crate::{JobKey, JobKind, Lease, ProductRequestKey, StoreError};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_registry::black_box::{AnswerTerms, Progress};
use hilum_types::Timestamp;
use serde_json::json;
use std::collections::HashMap;

const WORKER: &str = "system:worker";

/// A clock that went back by less than this is drift.
const CLOCK_DRIFT_SECONDS: i64 = 60;

pub(super) const COLUMNS: &str = "request_key, job_key, case_id, deployment, package, study_instance_uid, state, \
     deadline_seconds, quiet_seconds, results_min, series, \
     problem, created_at, sent_at, last_answer_at";

pub(super) fn request_from(row: &Row) -> Result<ProductRequest, StoreError> {
    Ok(ProductRequest {
        key: row.parse("request_key")?,
        job: row.parse("job_key")?,
        case_id: row.text("case_id")?,
        deployment: row.text("deployment")?,
        package: row.parse("package")?,
        study_instance_uid: row.parse("study_instance_uid")?,
        state: row.named("state", ProductRequestState::from_name)?,
        terms: AnswerTerms {
            deadline_seconds: row.number("deadline_seconds")?,
            quiet_seconds: row.number("quiet_seconds")?,
            results_min: row.number("results_min")?,
        },
        series: row.json("series")?,
        problem: row.json_or_none("problem")?,
        created_at: row.time("created_at")?,
        sent_at: row.time_or_none("sent_at")?,
        last_answer_at: row.time_or_none("last_answer_at")?,
        answers: vec![],
    })
}

pub(super) async fn product_request_open(
    catalog: &SqlCatalog,
    lease: &Lease,
    request: &NewProductRequest,
    now: Timestamp,
) -> Result<OpenedRequest, StoreError> {
    let mut act = Act::begin(&catalog.database, "open a question to a product", WORKER, now).await?;
    let job = act.held(lease).await?;
    if !matches!(job.kind, JobKind::Infer | JobKind::Canary) {
        return Err(StoreError::Misuse("only an inference or a canary run asks a product".into()));
    }
    let sql = format!("SELECT {COLUMNS} FROM product_request WHERE job_key = $1 AND case_id = $2");
    if let Some(row) = act.row(sql, values![&lease.job, request.case_id.as_str()]).await? {
        return Ok(OpenedRequest::Open(Box::new(request_from(&row)?)));
    }
    let (study, title) = (&request.study_instance_uid, request.ae_title.to_string());
    let sql = "SELECT 1 AS found FROM product_request r JOIN job j ON j.job_key = r.job_key \
               WHERE r.study_instance_uid = $1 AND r.ae_title = $2 AND r.state <> 'closed' \
               AND j.state IN ('queued', 'leased') LIMIT 1";
    if act.row(sql, values![study, title.as_str()]).await?.is_some() {
        return Ok(OpenedRequest::Busy);
    }
    let key = ProductRequestKey::fresh(now);
    let sql = "INSERT INTO product_request (request_key, job_key, case_id, deployment, package, ae_title, study_key, \
               revision, study_instance_uid, subject, state, deadline_seconds, quiet_seconds, results_min, series, \
               created_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,'sending',$11,$12,$13,$14,$15)";
    let values = values![
        &key,
        &lease.job,
        request.case_id.as_str(),
        request.deployment.as_str(),
        request.package,
        title.as_str(),
        job.study_key.as_ref(),
        job.revision,
        study,
        json_text(&request.subject)?,
        request.terms.deadline_seconds,
        request.terms.quiet_seconds,
        request.terms.results_min,
        json_text(&request.series)?,
        now,
    ];
    act.execute(sql, values).await?;
    let detail = json!({ "deployment": request.deployment, "package": request.package, "case": request.case_id });
    let subject = match &job.study_key {
        Some(study_key) => AuditSubject::new(SubjectKind::Study, study_key),
        None => AuditSubject::new(SubjectKind::Deployment, &request.deployment),
    };
    act.audit(AuditAction::ProductAsked, subject, &detail);
    if let (Some(study_key), Some(revision)) = (&job.study_key, job.revision) {
        let text = "the study is sent to the product";
        act.tell(study_key, revision, Some(&request.deployment), AuditAction::ProductAsked, text);
    }
    let sql = format!("SELECT {COLUMNS} FROM product_request WHERE request_key = $1");
    let row = act.row(sql, values![&key]).await?.ok_or(StoreError::NotFound("question to a product"))?;
    let opened = request_from(&row)?;
    act.commit().await?;
    Ok(OpenedRequest::Open(Box::new(opened)))
}

pub(super) async fn product_request_sent(
    catalog: &SqlCatalog,
    lease: &Lease,
    request: &ProductRequestKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "record that a product was asked", WORKER, now).await?;
    act.held(lease).await?;
    let sql = "UPDATE product_request SET state = 'waiting', sent_at = $3 \
               WHERE request_key = $1 AND job_key = $2 AND state = 'sending'";
    act.execute(sql, values![request, &lease.job, now]).await?;
    act.commit().await
}

pub(super) async fn product_wait(catalog: &SqlCatalog, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "wait for a product", WORKER, now).await?;
    let sql = "UPDATE product_request SET sent_at = $2, last_answer_at = CASE WHEN last_answer_at IS NULL THEN NULL \
               ELSE $2 END WHERE job_key = $1 AND state = 'waiting' AND $3 < sent_at";
    act.execute(sql, values![&lease.job, now, now.plus_seconds(CLOCK_DRIFT_SECONDS)]).await?;
    let due = due_at(&mut act, &lease.job).await?.unwrap_or(now);
    act.wait(lease, due).await?;
    act.commit().await
}

/// When every question of a job is answered or overdue, as far as is known now; `None` without an open question.
pub(super) async fn due_at(act: &mut Act, job: &JobKey) -> Result<Option<Timestamp>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT COUNT(*) FROM product_answer a WHERE a.request_key = product_request.request_key) \
         AS n_answers FROM product_request WHERE job_key = $1 AND state <> 'closed'"
    );
    let mut latest = None;
    for row in act.rows(sql, values![job]).await? {
        let (request, n_answers) = (request_from(&row)?, row.number("n_answers")?);
        let due = match (&request.problem, request.sent_at) {
            (None, Some(sent_at)) => {
                match request.terms.progress(sent_at, request.last_answer_at, n_answers, act.now) {
                    Progress::Wait(until) => until,
                    Progress::Complete | Progress::TooFew(_) => act.now,
                }
            }
            _ => act.now,
        };
        latest = latest.max(Some(due));
    }
    Ok(latest)
}

pub(super) async fn product_requests(catalog: &SqlCatalog, job: &JobKey) -> Result<Vec<ProductRequest>, StoreError> {
    const WHAT: &str = "look up questions to a product";
    let sql = format!("SELECT {COLUMNS} FROM product_request WHERE job_key = $1 ORDER BY case_id");
    let rows = catalog.database.rows(WHAT, sql, values![job]).await?;
    let requests = rows.iter().map(request_from).collect::<Result<Vec<_>, _>>()?;
    let rows = catalog.database.rows(WHAT, ANSWERS_OF_JOB, values![job]).await?;
    with_answers(requests, &rows)
}

pub(super) async fn product_close(
    catalog: &SqlCatalog,
    lease: &Lease,
    now: Timestamp,
) -> Result<Vec<ProductRequest>, StoreError> {
    let mut act = Act::begin(&catalog.database, "close a question to a product", WORKER, now).await?;
    act.held(lease).await?;
    act.execute("UPDATE product_request SET state = 'closed' WHERE job_key = $1", values![&lease.job]).await?;
    let sql = format!("SELECT {COLUMNS} FROM product_request WHERE job_key = $1 ORDER BY case_id");
    let rows = act.rows(sql, values![&lease.job]).await?;
    let requests = rows.iter().map(request_from).collect::<Result<Vec<_>, _>>()?;
    let rows = act.rows(ANSWERS_OF_JOB, values![&lease.job]).await?;
    let closed = with_answers(requests, &rows)?;
    act.commit().await?;
    Ok(closed)
}

const ANSWERS_OF_JOB: &str = "SELECT a.request_key, a.header, a.blob, a.size, a.received_at FROM product_answer a \
     JOIN product_request r ON r.request_key = a.request_key WHERE r.job_key = $1 \
     ORDER BY a.received_at, a.sop_instance_uid";

fn with_answers(mut requests: Vec<ProductRequest>, rows: &[Row]) -> Result<Vec<ProductRequest>, StoreError> {
    let mut answers: HashMap<String, Vec<ProductAnswer>> = HashMap::new();
    for row in rows {
        answers.entry(row.text("request_key")?).or_default().push(ProductAnswer {
            header: row.json("header")?,
            blob: row.parse("blob")?,
            size: row.number("size")?,
            received_at: row.time("received_at")?,
        });
    }
    for request in &mut requests {
        request.answers = answers.remove(request.key.as_str()).unwrap_or_default();
    }
    Ok(requests)
}
