//! Steps forward, the one step back, and the stop of a version.

use crate::StoreError;
use crate::rollout::{ChangeAct, Promoted};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::values;
use crate::sql::deployments::{
    Cause, Why, cancel_runs, cancel_work, change_columns, change_from, current, inform, no_other_limited, suspend,
    withhold_results, write,
};
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, SubjectKind};
use hilum_gate::Promotion;
use hilum_monitor::notice::{Changed, NoticeChange, Withheld};
use hilum_registry::{
    Act as LifecycleAct, Deployment, DeploymentSpec, DeploymentState, RollbackTarget, check_transition,
};
use hilum_types::{Digest, Reason, Timestamp};
use serde_json::json;

pub(super) async fn deployment_promote(
    catalog: &SqlCatalog,
    promotion: &Promotion,
    now: Timestamp,
) -> Result<Promoted, StoreError> {
    const WHAT: &str = "promote a deployment";
    let mut act = Act::begin(&catalog.database, WHAT, promotion.by(), now).await?;
    let before = current(&mut act, promotion.name()).await?.ok_or(StoreError::NotFound("deployment"))?;
    if before.revision != promotion.revision() {
        return Err(StoreError::DeploymentChanged);
    }
    check_transition(before.state, promotion.to(), LifecycleAct::Promote, before.spec.purpose)
        .map_err(|e| StoreError::Refused { what: WHAT, why: e.to_string() })?;
    if promotion.to() == DeploymentState::Limited {
        no_other_limited(&mut act, WHAT, &before.spec).await?;
    }
    let promoted = match promotion.champion() {
        Some((name, revision, package)) => {
            let champion = current(&mut act, name).await?.ok_or(StoreError::NotFound("champion"))?;
            if champion.revision != revision || champion.package_digest != package {
                return Err(StoreError::DeploymentChanged);
            }
            take_over(&mut act, promotion, before, champion).await?
        }
        None => Promoted { deployment: step(&mut act, promotion, before).await?, champion: None },
    };
    act.commit().await?;
    Ok(promoted)
}

pub(super) async fn version_suspend(
    catalog: &SqlCatalog,
    name: &str,
    package: &Digest,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut act = Act::begin(&catalog.database, "suspend a version", by, now).await?;
    let known = current(&mut act, name).await?.ok_or(StoreError::NotFound("deployment"))?;
    let in_use = !matches!(known.state, DeploymentState::Draft | DeploymentState::Retired);
    if known.package_digest != *package || !in_use {
        return Ok(false);
    }
    let (_, changed) = suspend(&mut act, name, &Why::said(by, reason)).await?;
    if changed {
        act.commit().await?;
    }
    Ok(true)
}

/// One step of a deployment's own life.
async fn step(act: &mut Act, promotion: &Promotion, before: Deployment) -> Result<Deployment, StoreError> {
    let after = Deployment {
        state: promotion.to(),
        suspension: None,
        acceptance: promotion.acceptance().cloned(),
        revision: before.revision + 1,
        updated_at: act.now,
        ..before.clone()
    };
    record(act, promotion, ChangeAct::Promoted, &after).await?;
    let mut withheld = Withheld::default();
    if after.state == DeploymentState::Retired {
        let reason = Reason::new("deployment.retired", "the model was retired at this site");
        withheld = cancel_work(act, &after.spec.name, &reason).await?;
    }
    let why = Why::said(promotion.by(), promotion.reason());
    inform(act, &why.changed(NoticeChange::Promoted, &before, &after, withheld)).await?;
    Ok(after)
}

/// The champion gets the challenger's version, and the challenger's life ends: one row is in use before and after.
async fn take_over(
    act: &mut Act,
    promotion: &Promotion,
    challenger: Deployment,
    champion: Deployment,
) -> Result<Promoted, StoreError> {
    let target = RollbackTarget { revision: champion.revision, package: champion.package_digest };
    let before = champion.clone();
    let spec = with_version_of(&champion.spec, &challenger.spec);
    let champion = Deployment {
        spec,
        package_digest: challenger.package_digest,
        acceptance: promotion.acceptance().cloned(),
        rollback: Some(target),
        revision: champion.revision + 1,
        updated_at: act.now,
        ..champion
    };
    let challenger = Deployment {
        state: DeploymentState::Retired,
        suspension: None,
        superseded_by: Some(champion.spec.name.clone()),
        revision: challenger.revision + 1,
        updated_at: act.now,
        ..challenger
    };
    record(act, promotion, ChangeAct::Promoted, &champion).await?;
    record(act, promotion, ChangeAct::Superseded, &challenger).await?;
    // Its runs that wait are the champion's now; what it has said already still goes out.
    let reason = Reason::about(
        "deployment.superseded",
        format!("its version is in use as {} now", champion.spec.name),
        "superseded_by",
        champion.spec.name.as_str(),
    );
    cancel_runs(act, &challenger.spec.name, &reason).await?;
    // One message: that the challenger ends is the same news.
    let told = Changed {
        change: NoticeChange::Promoted,
        before: &before,
        after: &champion,
        also: &challenger.spec.destinations,
        by: promotion.by(),
        signal: None,
        withheld: Withheld::default(),
    };
    inform(act, &told).await?;
    Ok(Promoted { deployment: challenger, champion: Some(champion) })
}

fn with_version_of(spec: &DeploymentSpec, version: &DeploymentSpec) -> DeploymentSpec {
    let mut taken = spec.clone();
    taken.take_version_of(version);
    taken
}

async fn record(act: &mut Act, promotion: &Promotion, what: ChangeAct, after: &Deployment) -> Result<(), StoreError> {
    let cause = Cause { act: what, by: promotion.by(), reason: promotion.reason(), evidence: promotion.evidence() };
    let mut detail = write(act, after, &cause).await?;
    detail["act"] = json!(what.name());
    detail["reason"] = json!(promotion.reason());
    detail["evidence"] = json!(promotion.evidence());
    let subject = AuditSubject::new(SubjectKind::Deployment, &after.spec.name);
    act.audit(AuditAction::DeploymentPromoted, subject, &detail);
    Ok(())
}

pub(super) async fn deployment_rollback(
    catalog: &SqlCatalog,
    name: &str,
    expected: Option<&str>,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    if by.trim().is_empty() || reason.trim().is_empty() {
        let why = "say who does it and why; both are kept".to_owned();
        return Err(StoreError::Refused { what: ROLL_BACK, why });
    }
    let mut act = Act::begin(&catalog.database, ROLL_BACK, by, now).await?;
    let after = roll_back(&mut act, name, expected, &Why::said(by, reason)).await?;
    act.commit().await?;
    Ok(after)
}

const ROLL_BACK: &str = "roll a deployment back";

/// Go back to the version before, inside an act.
pub(in crate::sql) async fn roll_back(
    act: &mut Act,
    name: &str,
    expected: Option<&str>,
    why: &Why<'_>,
) -> Result<Deployment, StoreError> {
    let Why { by, reason, .. } = *why;
    let refused = |why: String| StoreError::Refused { what: ROLL_BACK, why };
    let before = current(act, name).await?.ok_or(StoreError::NotFound("deployment"))?;
    check_transition(before.state, before.state, LifecycleAct::Rollback, before.spec.purpose)
        .map_err(|e| refused(e.to_string()))?;
    let in_use = before.package_digest.to_string();
    if let Some(expected) = expected.filter(|expected| expected.len() < 12 || !in_use.starts_with(*expected)) {
        let why = format!(
            "{name} has package {}, not {expected}; somebody changed it meanwhile",
            before.package_digest.short()
        );
        return Err(refused(why));
    }
    let target = before
        .rollback
        .clone()
        .ok_or_else(|| refused(format!("{name} has had no other version; `hilum suspend {name}` stops it")))?;
    let sql = format!("SELECT {} FROM deployment_change WHERE name = $1 AND revision = $2", change_columns());
    let row = act.row(sql, values![name, target.revision]).await?;
    let earlier = change_from(&row.ok_or(StoreError::DamagedRow { column: "rollback_revision" })?)?.deployment;
    let spec = with_version_of(&before.spec, &earlier.spec);
    let (left, package): (Digest, Digest) = (before.package_digest, earlier.package_digest);
    let after = Deployment {
        spec,
        package_digest: package,
        acceptance: earlier.acceptance,
        rollback: earlier.rollback,
        revision: before.revision + 1,
        updated_at: act.now,
        ..before.clone()
    };
    let mut detail = write(act, &after, &Cause { act: ChangeAct::RolledBack, by, reason, evidence: &[] }).await?;
    let withheld = Reason::about(
        "deployment.rolled-back",
        format!("the version that made it was taken back by {by}: {reason}"),
        "package",
        left.short(),
    );
    detail["left"] = json!(left);
    detail["reason"] = json!(reason);
    let withheld = withhold_results(act, name, &left, &withheld).await?;
    detail["n_deliveries_withheld"] = json!(withheld.n_deliveries);
    let subject = AuditSubject::new(SubjectKind::Deployment, name);
    act.audit_event(AuditEvent::new(act.now, by, AuditAction::DeploymentRolledBack, subject).detail(&detail));
    inform(act, &why.changed(NoticeChange::RolledBack, &before, &after, withheld)).await?;
    Ok(after)
}
