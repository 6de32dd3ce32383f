//! The random audit sample (MV-26).

use crate::labels::{AskedFinding, AuditCase, NewLabel, OpenCase, SampleProgress};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, values};
use crate::sql::deployments::current;
use crate::{StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_monitor::audit_sample::{self, Stratum};
use hilum_types::{Digest, ModelOutput, Phi, Timestamp};
use serde_json::json;

/// Draw for a study that a deployment has just analysed, in the act that says so.
pub(in crate::sql) async fn draw(
    act: &mut Act,
    study_key: &StudyKey,
    revision: u32,
    deployment: &str,
    record: &serde_json::Value,
) -> Result<(), StoreError> {
    let declared = current(act, deployment).await?.and_then(|deployment| deployment.spec.monitoring);
    let Some(plan) = declared.and_then(|monitoring| monitoring.labels.audit_sample) else { return Ok(()) };
    let output = record.get("output").cloned().and_then(|output| serde_json::from_value::<ModelOutput>(output).ok());
    let Some(output) = output.filter(|output| !output.findings.is_empty()) else { return Ok(()) };
    let stratum = Stratum::of(&output);
    let Some(probability) = audit_sample::draw(&plan, study_key.as_str(), stratum) else { return Ok(()) };
    let seed = Digest::of(plan.seed.as_bytes());
    let sql = "INSERT INTO audit_sample (study_key, revision, deployment, stratum, probability, seed, drawn_at) \
               VALUES ($1,$2,$3,$4,$5,$6,$7)";
    let text = probability.to_string();
    act.execute(sql, values![study_key, revision, deployment, stratum.name(), text, seed, act.now]).await?;
    let detail = json!({
        "revision": revision, "deployment": deployment, "stratum": stratum, "probability": probability, "seed": seed,
    });
    act.audit(AuditAction::AuditSampleDrawn, AuditSubject::new(SubjectKind::Study, study_key), &detail);
    Ok(())
}

/// Probability with which the case of a label was drawn; `None` when it was not.
pub(super) async fn probability(act: &mut Act, new: &NewLabel, revision: u32) -> Result<Option<f64>, StoreError> {
    let sql = "SELECT probability FROM audit_sample WHERE study_key = $1 AND revision = $2 AND deployment = $3";
    let row = act.row(sql, values![&new.study_key, revision, new.deployment.as_str()]).await?;
    row.map(|row| row.parse("probability")).transpose()
}

pub(super) async fn audit_sample_list(
    catalog: &SqlCatalog,
    deployment: &str,
    open: bool,
    limit: u32,
) -> Result<Vec<AuditCase>, StoreError> {
    let said = "(SELECT MIN(l.recorded_at) FROM label l WHERE l.study_key = a.study_key AND l.revision = a.revision \
                AND l.deployment = a.deployment AND l.report_key IS NULL)";
    let only_open = if open { format!("AND {said} IS NULL") } else { String::new() };
    let sql = format!(
        "SELECT a.study_key, a.revision, a.deployment, a.stratum, a.probability, a.seed, a.drawn_at, {said} AS \
         adjudicated_at FROM audit_sample a WHERE a.deployment = $1 {only_open} ORDER BY a.drawn_at, a.study_key LIMIT $2"
    );
    let rows = catalog.database.rows("list the audit sample", sql, values![deployment, limit]).await?;
    let one = |row: &Row| {
        Ok(AuditCase {
            study_key: row.parse("study_key")?,
            revision: row.number("revision")?,
            deployment: row.text("deployment")?,
            stratum: row.named("stratum", Stratum::from_name)?,
            probability: row.parse("probability")?,
            seed: row.parse("seed")?,
            drawn_at: row.time("drawn_at")?,
            adjudicated_at: row.time_or_none("adjudicated_at")?,
        })
    };
    rows.iter().map(one).collect()
}

/// Whether a person has said something of a case.
const ANSWERED: &str = "EXISTS (SELECT 1 FROM label l WHERE l.study_key = a.study_key AND l.revision = a.revision \
                        AND l.deployment = a.deployment AND l.report_key IS NULL)";

/// Whether another revision has been analysed since, which takes the answers now.
const OUTDATED: &str = "EXISTS (SELECT 1 FROM inference later WHERE later.study_key = a.study_key \
                        AND later.deployment = a.deployment AND later.revision > a.revision)";

pub(super) async fn audit_sample_open(
    catalog: &SqlCatalog,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<OpenCase>, StoreError> {
    let sql = format!(
        "SELECT a.study_key, a.revision, a.deployment, a.drawn_at, s.accession_number, i.record FROM audit_sample a \
         JOIN study s ON s.study_key = a.study_key JOIN inference i ON i.study_key = a.study_key \
         AND i.revision = a.revision AND i.deployment = a.deployment WHERE a.drawn_at >= $1 AND NOT {ANSWERED} \
         AND NOT {OUTDATED} ORDER BY a.drawn_at, a.study_key LIMIT $2"
    );
    let rows = catalog.database.rows("list open cases of the audit sample", sql, values![since, limit]).await?;
    let one = |row: &Row| {
        let record: serde_json::Value = row.json("record")?;
        Ok(OpenCase {
            study_key: row.parse("study_key")?,
            revision: row.number("revision")?,
            deployment: row.text("deployment")?,
            accession_number: Phi::new(row.text("accession_number")?),
            findings: asked(record),
            drawn_at: row.time("drawn_at")?,
        })
    };
    rows.iter().map(one).collect()
}

/// What the model looks for, in an order that says nothing of what it found.
fn asked(mut record: serde_json::Value) -> Vec<AskedFinding> {
    let output = record.get_mut("output").map(serde_json::Value::take).unwrap_or_default();
    let output: ModelOutput = serde_json::from_value(output).unwrap_or_default();
    let asked = |finding: hilum_types::Finding| AskedFinding { label: finding.label, meaning: finding.concept.meaning };
    let mut all: Vec<AskedFinding> = output.findings.into_iter().map(asked).collect();
    all.sort();
    all.dedup_by(|one, other| one.label == other.label);
    all
}

pub(super) async fn audit_sample_progress(
    catalog: &SqlCatalog,
    since: Timestamp,
) -> Result<Vec<SampleProgress>, StoreError> {
    let sql = format!(
        "SELECT deployment, COUNT(*) AS n, CAST(SUM(done) AS BIGINT) AS n_done FROM (SELECT a.deployment, \
         CASE WHEN {ANSWERED} THEN 1 WHEN {OUTDATED} THEN NULL ELSE 0 END AS done FROM audit_sample a \
         WHERE a.drawn_at >= $1) AS drawn WHERE done IS NOT NULL GROUP BY deployment ORDER BY deployment"
    );
    let rows = catalog.database.rows("count the audit sample", sql, values![since]).await?;
    let one = |row: &Row| {
        Ok(SampleProgress { deployment: row.text("deployment")?, n: row.number("n")?, n_done: row.number("n_done")? })
    };
    rows.iter().map(one).collect()
}
