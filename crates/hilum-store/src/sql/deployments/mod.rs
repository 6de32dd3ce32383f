//! Packages and deployments.

mod acts;
mod cancel;
mod inform;
mod packages;
mod proof;

pub(super) use acts::{deployment_apply, deployment_resume, deployment_suspend, no_other_limited, suspend};
#[cfg(feature = "testing")]
pub(super) use cancel::{WITHHOLD_DEAD, live};
pub(super) use cancel::{cancel_runs, cancel_work, withhold_results};
pub(super) use inform::{Why, inform};
pub(super) use packages::{package_add, package_get, package_list};
pub(super) use proof::row_proof;

use super::SqlCatalog;
use super::act::Act;
use super::connection::{Row, json_text, values};
use super::monitoring::{in_use_since, restart};
use crate::StoreError;
use crate::rollout::{ChangeAct, DeploymentChange};
use hilum_registry::{Deployment, DeploymentState, RollbackTarget};
use hilum_types::Digest;
use serde_json::{Value as Json, json};

/// States in which a deployment owes every study a disposition ([`DeploymentState::is_in_service`]).
pub(super) const IN_SERVICE: &str = "('shadow', 'limited', 'active', 'suspended')";

const COLUMNS: &str = "spec, package, state, suspension, revision, acceptance, rollback_revision, rollback_package, \
                       superseded_by";

pub(super) fn deployment_from(row: &Row, changed_at: &'static str) -> Result<Deployment, StoreError> {
    let rollback = match (row.number_or_none("rollback_revision")?, row.parse_or_none("rollback_package")?) {
        (Some(revision), Some(package)) => Some(RollbackTarget { revision, package }),
        _ => None,
    };
    Ok(Deployment {
        spec: row.json("spec")?,
        package_digest: row.parse("package")?,
        state: row.named("state", DeploymentState::from_name)?,
        suspension: row.json_or_none("suspension")?,
        revision: row.number("revision")?,
        updated_at: row.time(changed_at)?,
        acceptance: row.json_or_none("acceptance")?,
        rollback,
        superseded_by: row.text_or_none("superseded_by")?,
    })
}

pub(super) async fn deployment_list(catalog: &SqlCatalog) -> Result<Vec<Deployment>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, updated_at FROM deployment ORDER BY name");
    let rows = catalog.database.rows("list deployments", sql, vec![]).await?;
    rows.iter().map(|row| deployment_from(row, "updated_at")).collect()
}

pub(super) async fn deployment_get(catalog: &SqlCatalog, name: &str) -> Result<Option<Deployment>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, updated_at FROM deployment WHERE name = $1");
    let row = catalog.database.row("look up a deployment", sql, values![name]).await?;
    row.as_ref().map(|row| deployment_from(row, "updated_at")).transpose()
}

/// The deployment as it is now, inside an act.
pub(super) async fn current(act: &mut Act, name: &str) -> Result<Option<Deployment>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, updated_at FROM deployment WHERE name = $1");
    act.row(sql, values![name]).await?.as_ref().map(|row| deployment_from(row, "updated_at")).transpose()
}

/// Names of a champion and its challengers, inside an act.
pub(super) async fn family(act: &mut Act, name: &str) -> Result<Vec<String>, StoreError> {
    let rows = act.rows(format!("SELECT {COLUMNS}, updated_at FROM deployment ORDER BY name"), vec![]).await?;
    let all = rows.iter().map(|row| deployment_from(row, "updated_at")).collect::<Result<Vec<_>, _>>()?;
    let of = all.iter().find(|deployment| deployment.spec.name == name).map_or(name, Deployment::family);
    Ok(all.iter().filter(|deployment| deployment.family() == of).map(|d| d.spec.name.clone()).collect())
}

/// Columns of `deployment_change` that [`change_from`] reads.
pub(super) fn change_columns() -> String {
    format!("{COLUMNS}, act, reason, evidence, actor, changed_at")
}

pub(super) fn change_from(row: &Row) -> Result<DeploymentChange, StoreError> {
    Ok(DeploymentChange {
        deployment: deployment_from(row, "changed_at")?,
        act: row.named("act", ChangeAct::from_name)?,
        reason: row.text("reason")?,
        evidence: row.json("evidence")?,
        actor: row.text("actor")?,
        changed_at: row.time("changed_at")?,
    })
}

/// Why a deployment is written.
pub(super) struct Cause<'a> {
    pub(super) act: ChangeAct,
    pub(super) by: &'a str,
    pub(super) reason: &'a str,
    pub(super) evidence: &'a [Digest],
}

/// Write the row and its change, and return what the audit entry says of both.
pub(super) async fn write(act: &mut Act, deployment: &Deployment, cause: &Cause<'_>) -> Result<Json, StoreError> {
    let change = DeploymentChange {
        deployment: deployment.clone(),
        act: cause.act,
        reason: cause.reason.to_owned(),
        evidence: cause.evidence.to_vec(),
        actor: cause.by.to_owned(),
        changed_at: act.now,
    };
    let sql = "SELECT package, state, updated_at FROM deployment WHERE name = $1";
    let before = act.row(sql, values![deployment.spec.name.as_str()]).await?;
    let same_version = match &before {
        Some(row) => {
            let state = row.named("state", DeploymentState::from_name)?;
            row.parse::<Digest>("package")? == deployment.package_digest
                && (state.is_in_service() || !deployment.state.is_in_service())
        }
        None => false,
    };
    // Evidence about one version says nothing of another, and what was put right is not held against what comes after.
    if !same_version || cause.act == ChangeAct::Resumed {
        restart(act, deployment).await?;
    } else if let Some(before) = before.filter(|_| deployment.state.is_in_service()) {
        in_use_since(act, &deployment.spec.name, before.time("updated_at")?).await?;
    }
    let Deployment { spec, suspension, acceptance, rollback, superseded_by, .. } = deployment;
    let (spec_text, suspension) = (json_text(spec)?, suspension.as_ref().map(json_text).transpose()?);
    let acceptance = acceptance.as_ref().map(json_text).transpose()?;
    let (name, state) = (spec.name.as_str(), deployment.state.name());
    let sql = "INSERT INTO deployment (name, spec, package, state, suspension, revision, updated_at, acceptance, \
               rollback_revision, rollback_package, superseded_by) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) \
               ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, package = excluded.package, \
               state = excluded.state, suspension = excluded.suspension, revision = excluded.revision, \
               updated_at = excluded.updated_at, acceptance = excluded.acceptance, \
               rollback_revision = excluded.rollback_revision, rollback_package = excluded.rollback_package, \
               superseded_by = excluded.superseded_by";
    let mut columns = values![
        name,
        spec_text.as_str(),
        deployment.package_digest,
        state,
        suspension.as_deref(),
        deployment.revision,
        act.now,
        acceptance.as_deref(),
        rollback.as_ref().map(|target| target.revision),
        rollback.as_ref().map(|target| target.package.to_string()),
        superseded_by.as_deref(),
    ];
    act.execute(sql, columns.clone()).await?;
    columns.extend(values![cause.act.name(), cause.reason, json_text(&change.evidence)?, cause.by]);
    let sql = "INSERT INTO deployment_change (name, spec, package, state, suspension, revision, changed_at, \
               acceptance, rollback_revision, rollback_package, superseded_by, act, reason, evidence, actor) \
               VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)";
    act.execute(sql, columns).await?;
    Ok(json!({
        "revision": deployment.revision,
        "state": state,
        "package": deployment.package_digest,
        "row": proof::row_proof(&change)?,
    }))
}
