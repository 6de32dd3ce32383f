//! The random audit sample (MV-26).

use crate::labels::{AuditCase, NewLabel};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, values};
use crate::sql::deployments::current;
use crate::{StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_monitor::audit_sample::{self, Stratum};
use hilum_types::{Digest, ModelOutput};
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
