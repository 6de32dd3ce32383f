//! Packages and deployments.

use super::SqlCatalog;
use super::act::Act;
use super::connection::{Row, json_text, values};
use super::governance::{digest_prefix, package_proof};
use crate::records::Package;
use crate::{DeliveryKey, JobKey, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_registry::{Act as LifecycleAct, Deployment, DeploymentSpec, DeploymentState, Suspension, check_transition};
use hilum_types::{Digest, Disposition, Reason, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;

/// States in which a deployment owes every study a disposition.
pub(super) const IN_SERVICE: &str = "('shadow', 'active', 'suspended')";

/// Whether a deployment in `state` owes every study a disposition.
pub(super) fn is_in_service(state: DeploymentState) -> bool {
    matches!(state, DeploymentState::Shadow | DeploymentState::Active | DeploymentState::Suspended)
}

const COLUMNS: &str = "name, spec, package, state, suspension, revision, updated_at";

fn deployment_from(row: &Row) -> Result<Deployment, StoreError> {
    Ok(Deployment {
        spec: row.json("spec")?,
        package_digest: row.parse("package")?,
        state: row.named("state", DeploymentState::from_name)?,
        suspension: row.json_or_none("suspension")?,
        revision: row.number("revision")?,
        updated_at: row.time("updated_at")?,
    })
}

pub(super) async fn package_add(catalog: &SqlCatalog, package: &Package, actor: &str) -> Result<bool, StoreError> {
    let mut act = Act::begin(&catalog.database, "enter a package", actor, package.imported_at).await?;
    let (name, version) = (package.name.as_str(), package.version.as_str());
    let sql = "SELECT 1 AS found FROM package WHERE digest = $1";
    if act.row(sql, values![package.digest]).await?.is_some() {
        return Ok(false);
    }
    let sql = "SELECT digest FROM package WHERE name = $1 AND version = $2";
    if let Some(other) = act.row(sql, values![name, version]).await? {
        let other: Digest = other.parse("digest")?;
        let why = format!(
            "{name} {version} is registered already as package {}, and a registered version is never overwritten; \
             give the changed package another version number",
            other.short()
        );
        return Err(StoreError::Refused { what: "enter a package", why });
    }
    let sql = "INSERT INTO package (digest, name, version, manifest, location, imported_at) \
               VALUES ($1,$2,$3,$4,$5,$6)";
    let values =
        values![package.digest, name, version, &package.manifest, package.location.as_str(), package.imported_at,];
    act.execute(sql, values).await?;
    let detail = package_proof(name, version, &package.manifest, &package.location);
    act.audit(AuditAction::PackageImported, AuditSubject::new(SubjectKind::Package, package.digest), &detail);
    act.commit().await?;
    Ok(true)
}

fn package_from(row: &Row) -> Result<Package, StoreError> {
    Ok(Package {
        digest: row.parse("digest")?,
        name: row.text("name")?,
        version: row.text("version")?,
        manifest: row.json("manifest")?,
        location: row.text("location")?,
        imported_at: row.time("imported_at")?,
    })
}

pub(super) async fn package_get(catalog: &SqlCatalog, digest_or_prefix: &str) -> Result<Package, StoreError> {
    const WHAT: &str = "look up a package";
    let prefix = digest_prefix(WHAT, digest_or_prefix)?;
    let sql = "SELECT digest, name, version, manifest, location, imported_at FROM package \
               WHERE SUBSTR(digest, 1, CAST($2 AS INTEGER)) = $1 LIMIT 2";
    let rows = catalog.database.rows(WHAT, sql, values![prefix.as_str(), prefix.len() as u64]).await?;
    match rows.as_slice() {
        [] => Err(StoreError::NotFound("package; import it with `hilum model import`")),
        [row] => package_from(row),
        _ => Err(StoreError::Refused { what: WHAT, why: "several begin like that; give more digits".to_owned() }),
    }
}

pub(super) async fn package_list(catalog: &SqlCatalog) -> Result<Vec<Package>, StoreError> {
    let sql = "SELECT digest, name, version, manifest, location, imported_at FROM package \
               ORDER BY imported_at DESC, digest";
    let rows = catalog.database.rows("list packages", sql, vec![]).await?;
    rows.iter().map(package_from).collect()
}

pub(super) async fn deployment_list(catalog: &SqlCatalog) -> Result<Vec<Deployment>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM deployment ORDER BY name");
    let rows = catalog.database.rows("list deployments", sql, vec![]).await?;
    rows.iter().map(deployment_from).collect()
}

pub(super) async fn deployment_get(catalog: &SqlCatalog, name: &str) -> Result<Option<Deployment>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM deployment WHERE name = $1");
    let row = catalog.database.row("look up a deployment", sql, values![name]).await?;
    row.as_ref().map(deployment_from).transpose()
}

/// The deployment as it is now, inside an act.
pub(super) async fn current(act: &mut Act, name: &str) -> Result<Option<Deployment>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM deployment WHERE name = $1");
    act.row(sql, values![name]).await?.as_ref().map(deployment_from).transpose()
}

pub(super) async fn deployment_apply(
    catalog: &SqlCatalog,
    spec: &DeploymentSpec,
    package: Digest,
    actor: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    const WHAT: &str = "apply a deployment";
    let mut act = Act::begin(&catalog.database, WHAT, actor, now).await?;
    let before = current(&mut act, &spec.name).await?;
    if let Some(before) = &before
        && before.spec == *spec
        && before.package_digest == package
    {
        return Ok(before.clone());
    }
    let from = before.as_ref().map_or(DeploymentState::Draft, |deployment| deployment.state);
    check_transition(from, spec.state, LifecycleAct::Apply)
        .map_err(|e| StoreError::Refused { what: WHAT, why: e.to_string() })?;
    let sql = "SELECT 1 AS found FROM package WHERE digest = $1";
    if act.row(sql, values![package]).await?.is_none() {
        return Err(StoreError::NotFound("package; import it with `hilum model import`"));
    }
    let after = Deployment {
        spec: spec.clone(),
        package_digest: package,
        state: spec.state,
        suspension: None,
        revision: before.as_ref().map_or(0, |deployment| deployment.revision) + 1,
        updated_at: now,
    };
    write(&mut act, &after, actor).await?;
    let detail = json!({ "revision": after.revision, "state": after.state.name(), "package": package });
    act.audit(AuditAction::DeploymentApplied, AuditSubject::new(SubjectKind::Deployment, &spec.name), &detail);
    if spec.state == DeploymentState::Retired {
        let reason = Reason::new("deployment.retired", "the model was retired at this site");
        cancel_work(&mut act, &spec.name, &reason).await?;
    }
    act.commit().await?;
    Ok(after)
}

async fn write(act: &mut Act, deployment: &Deployment, actor: &str) -> Result<(), StoreError> {
    let (spec, suspension) = (json_text(&deployment.spec)?, deployment.suspension.as_ref().map(json_text).transpose()?);
    let (name, state) = (deployment.spec.name.as_str(), deployment.state.name());
    let sql = "INSERT INTO deployment (name, spec, package, state, suspension, revision, updated_at) \
               VALUES ($1,$2,$3,$4,$5,$6,$7) ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, \
               package = excluded.package, state = excluded.state, suspension = excluded.suspension, \
               revision = excluded.revision, updated_at = excluded.updated_at";
    let values = values![
        name,
        spec.as_str(),
        deployment.package_digest,
        state,
        suspension.as_deref(),
        deployment.revision,
        act.now
    ];
    act.execute(sql, values).await?;
    let sql = "INSERT INTO deployment_change (name, revision, spec, package, state, suspension, actor, changed_at) \
               VALUES ($1,$2,$3,$4,$5,$6,$7,$8)";
    let values = values![name, deployment.revision, spec, deployment.package_digest, state, suspension, actor, act.now];
    act.execute(sql, values).await?;
    Ok(())
}

pub(super) async fn deployment_suspend(
    catalog: &SqlCatalog,
    name: &str,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    const WHAT: &str = "suspend a deployment";
    let mut act = Act::begin(&catalog.database, WHAT, by, now).await?;
    let mut deployment = current(&mut act, name).await?.ok_or(StoreError::NotFound("deployment"))?;
    check_transition(deployment.state, DeploymentState::Suspended, LifecycleAct::Suspend)
        .map_err(|e| StoreError::Refused { what: WHAT, why: e.to_string() })?;
    if deployment.state == DeploymentState::Suspended {
        return Ok(deployment);
    }
    deployment.suspension =
        Some(Suspension { since: now, by: by.to_owned(), reason: reason.to_owned(), resume_to: deployment.state });
    deployment.state = DeploymentState::Suspended;
    deployment.revision += 1;
    deployment.updated_at = now;
    write(&mut act, &deployment, by).await?;
    let withheld = Reason::about(
        "deployment.suspended",
        format!("the model was suspended by {by}: {reason}"),
        "suspension",
        reason,
    );
    let n_cancelled = cancel_work(&mut act, name, &withheld).await?;
    let detail = json!({ "revision": deployment.revision, "reason": reason, "n_jobs_cancelled": n_cancelled });
    act.audit(AuditAction::DeploymentSuspended, AuditSubject::new(SubjectKind::Deployment, name), &detail);
    act.commit().await?;
    Ok(deployment)
}

pub(super) async fn deployment_resume(
    catalog: &SqlCatalog,
    name: &str,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    const WHAT: &str = "resume a deployment";
    let mut act = Act::begin(&catalog.database, WHAT, by, now).await?;
    let mut deployment = current(&mut act, name).await?.ok_or(StoreError::NotFound("deployment"))?;
    let to = deployment.suspension.as_ref().map_or(DeploymentState::Draft, |suspension| suspension.resume_to);
    check_transition(deployment.state, to, LifecycleAct::Resume)
        .map_err(|e| StoreError::Refused { what: WHAT, why: e.to_string() })?;
    deployment.state = to;
    deployment.suspension = None;
    deployment.revision += 1;
    deployment.updated_at = now;
    write(&mut act, &deployment, by).await?;
    let detail = json!({ "revision": deployment.revision, "state": to.name(), "reason": reason });
    act.audit(AuditAction::DeploymentResumed, AuditSubject::new(SubjectKind::Deployment, name), &detail);
    act.commit().await?;
    Ok(deployment)
}

struct LiveJob {
    key: JobKey,
    is_delivery: bool,
    study_key: StudyKey,
    revision: u32,
    delivery_key: Option<DeliveryKey>,
}

/// Cancel every live `Infer` and `Deliver` job of a deployment; what they owed is `Withheld`.
async fn cancel_work(act: &mut Act, deployment: &str, reason: &Reason) -> Result<usize, StoreError> {
    let sql = "SELECT job_key, kind, study_key, revision, delivery_key FROM job WHERE deployment = $1 \
               AND kind IN ('infer', 'deliver') AND state IN ('queued', 'leased') ORDER BY job_key";
    let mut jobs = vec![];
    for row in act.rows(sql, values![deployment]).await? {
        jobs.push(LiveJob {
            key: row.parse("job_key")?,
            is_delivery: row.text("kind")? == "deliver",
            study_key: row.parse("study_key")?,
            revision: row.number("revision")?,
            delivery_key: row.parse_or_none("delivery_key")?,
        });
    }
    let mut withheld: BTreeSet<(StudyKey, u32)> = BTreeSet::new();
    for job in &jobs {
        let sql = "UPDATE job SET state = 'cancelled', lease_owner = NULL, lease_until = NULL, updated_at = $2, \
                   last_error = $3 WHERE job_key = $1";
        act.execute(sql, values![&job.key, act.now, reason.text.as_str()]).await?;
        if let Some(delivery_key) = &job.delivery_key {
            let sql = "UPDATE delivery SET state = 'withheld', updated_at = $2, last_error = $3 \
                       WHERE delivery_key = $1 AND state = 'queued'";
            act.execute(sql, values![delivery_key, act.now, reason.text.as_str()]).await?;
        }
        let detail = json!({ "deployment": deployment, "reason": reason.code });
        act.audit(AuditAction::JobCancelled, AuditSubject::new(SubjectKind::Job, &job.key), &detail);
        if !job.is_delivery || !super::work::any_delivered(act, &job.study_key, job.revision, deployment).await? {
            withheld.insert((job.study_key.clone(), job.revision));
        }
    }
    for (study_key, revision) in withheld {
        act.dispose(&study_key, revision, deployment, &Disposition::Withheld(reason.clone())).await?;
    }
    Ok(jobs.len())
}
