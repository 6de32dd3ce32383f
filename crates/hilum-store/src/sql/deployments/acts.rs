//! Declaring, stopping and resuming a deployment.

use super::{Cause, Why, cancel_work, current, inform, write};
use crate::StoreError;
use crate::governance::{Governance, RecordFilter};
use crate::rollout::ChangeAct;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::values;
use crate::sql::governance::record_held;
use crate::sql::monitoring::stopping_rule;
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, SubjectKind};
use hilum_gate::{approved_change, change_body, recovery};
use hilum_monitor::notice::{NoticeChange, Withheld};
use hilum_registry::{
    Act as LifecycleAct, Deployment, DeploymentSpec, DeploymentState, Purpose, Requirement, RollbackTarget, Suspension,
    check_transition,
};
use hilum_sign::{Record, RecordKind};
use hilum_types::{Digest, Reason, Timestamp};
use serde_json::json;

pub(in crate::sql) async fn deployment_apply(
    catalog: &SqlCatalog,
    spec: &DeploymentSpec,
    package: Digest,
    actor: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    const WHAT: &str = "apply a deployment";
    let refused = |why: String| StoreError::Refused { what: WHAT, why };
    let mut act = Act::begin(&catalog.database, WHAT, actor, now).await?;
    let before = current(&mut act, &spec.name).await?;
    if let Some(before) = &before
        && before.spec == *spec
        && before.package_digest == package
    {
        return Ok(before.clone());
    }
    let state = declared_state(before.as_ref(), spec, package).map_err(refused)?;
    let sql = "SELECT 1 AS found FROM package WHERE digest = $1";
    if act.row(sql, values![package]).await?.is_none() {
        return Err(StoreError::NotFound("package; import it with `hilum model import`"));
    }
    if let Some(before) = before.as_ref().filter(|before| before.package_digest != package)
        && moved_away_from(&mut act, &spec.name, &package).await?
    {
        let why = format!(
            "{} was moved from package {} to {} by promotion or rollback, and a file does not take that back; write \
             package = \"{}\" into it, or use `hilum deploy rollback`",
            spec.name,
            package.short(),
            before.package_digest.short(),
            before.package_digest.short()
        );
        return Err(refused(why));
    }
    if state == DeploymentState::Limited {
        no_other_limited(&mut act, WHAT, spec).await?;
    }
    let after = Deployment {
        revision: before.as_ref().map_or(0, |deployment| deployment.revision) + 1,
        suspension: before.as_ref().filter(|_| state == DeploymentState::Suspended).and_then(|d| d.suspension.clone()),
        acceptance: before.as_ref().filter(|d| !is_other(d, spec, package)).and_then(|d| d.acceptance.clone()),
        rollback: before.as_ref().and_then(|before| target_after(before, package)),
        ..Deployment::declared(spec.clone(), package, state, now)
    };
    let cause = Cause { act: ChangeAct::Applied, by: actor, reason: "", evidence: &[] };
    let detail = write(&mut act, &after, &cause).await?;
    act.audit(AuditAction::DeploymentApplied, AuditSubject::new(SubjectKind::Deployment, &spec.name), &detail);
    let mut withheld = Withheld::default();
    if state == DeploymentState::Retired {
        let reason = Reason::new("deployment.retired", "the model was retired at this site");
        withheld = cancel_work(&mut act, &spec.name, &reason).await?;
    }
    if let Some(before) = before.as_ref().filter(|before| delivers_otherwise(before, &after)) {
        let why = Why::said(actor, "");
        inform(&mut act, &why.changed(NoticeChange::Promoted, before, &after, withheld)).await?;
    }
    act.commit().await?;
    Ok(after)
}

/// Whether a declaration changes whether, from which version or whereto results are delivered.
fn delivers_otherwise(before: &Deployment, after: &Deployment) -> bool {
    before.state != after.state
        || before.package_digest != after.package_digest
        || before.spec.reading_mode != after.spec.reading_mode
        || before.spec.destinations != after.spec.destinations
}

/// What a rollback returns to after `before` is changed to `package`.
fn target_after(before: &Deployment, package: Digest) -> Option<RollbackTarget> {
    if before.package_digest == package || !before.state.is_in_service() {
        return before.rollback.clone();
    }
    Some(RollbackTarget { revision: before.revision, package: before.package_digest })
}

/// Whether what was proven of `before` says nothing of the declaration.
fn is_other(before: &Deployment, spec: &DeploymentSpec, package: Digest) -> bool {
    before.package_digest != package || before.spec.differs_materially(spec)
}

/// The state a declaration leads to, or why it is not taken.
fn declared_state(
    before: Option<&Deployment>,
    spec: &DeploymentSpec,
    package: Digest,
) -> Result<DeploymentState, String> {
    let from = before.map_or(DeploymentState::Draft, |deployment| deployment.state);
    let clinical = spec.purpose == Purpose::Clinical;
    let changed = before.is_some_and(|before| is_other(before, spec, package));
    let repurposed = before.is_some_and(|before| before.spec.purpose != spec.purpose);
    let early = matches!(from, DeploymentState::Draft | DeploymentState::Accepted);
    if repurposed && from != DeploymentState::Draft && spec.state != DeploymentState::Retired {
        return Err(format!(
            "{} is {from}, and what it is for does not change any more; declare it under another name",
            spec.name
        ));
    }
    if clinical && changed && !early && spec.state != DeploymentState::Retired {
        return Err(format!(
            "{0} is clinical and {from}, so package, operating points, intended use, stop rules and champion do not change by a file; \
             declare the change as a deployment of its own with champion = \"{0}\", and promote that",
            spec.name
        ));
    }
    let to = match (clinical, spec.state) {
        // What was accepted was another thing.
        (true, DeploymentState::Draft) if changed && early => return Ok(DeploymentState::Draft),
        (true, DeploymentState::Draft) => from,
        (_, state) => state,
    };
    check_transition(from, to, LifecycleAct::Apply, spec.purpose).map_err(|e| e.to_string())?;
    Ok(to)
}

/// Whether the deployment once had `package` and an act of a person, not a file, was the last to change its package.
async fn moved_away_from(act: &mut Act, name: &str, package: &Digest) -> Result<bool, StoreError> {
    let sql = "SELECT package, act FROM deployment_change WHERE name = $1 ORDER BY revision";
    let mut last: Option<(Digest, bool)> = None;
    let mut had = false;
    for row in act.rows(sql, values![name]).await? {
        let held: Digest = row.parse("package")?;
        had |= held == *package;
        if last.as_ref().is_none_or(|(before, _)| *before != held) {
            last = Some((held, matches!(row.text("act")?.as_str(), "promoted" | "rolled_back")));
        }
    }
    Ok(had && last.is_some_and(|(_, by_act)| by_act))
}

/// One version at a time is limited, so that every study has exactly one answer.
pub(in crate::sql) async fn no_other_limited(
    act: &mut Act,
    what: &'static str,
    spec: &DeploymentSpec,
) -> Result<(), StoreError> {
    let family = spec.champion.as_deref().unwrap_or(&spec.name);
    for name in super::family(act, family).await?.into_iter().filter(|name| *name != spec.name) {
        if current(act, &name).await?.is_some_and(|other| other.state == DeploymentState::Limited) {
            let why = format!("{name} is limited already, and one version at a time is; put it into shadow first");
            return Err(StoreError::Refused { what, why });
        }
    }
    Ok(())
}

pub(in crate::sql) async fn deployment_suspend(
    catalog: &SqlCatalog,
    name: &str,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    let mut act = Act::begin(&catalog.database, SUSPEND, by, now).await?;
    let (deployment, changed) = suspend(&mut act, name, &Why::said(by, reason)).await?;
    if changed {
        act.commit().await?;
    }
    Ok(deployment)
}

const SUSPEND: &str = "suspend a deployment";

/// Stop a deployment, inside an act; says how it stands, and whether it was stopped by this.
pub(in crate::sql) async fn suspend(
    act: &mut Act,
    name: &str,
    why: &Why<'_>,
) -> Result<(Deployment, bool), StoreError> {
    let Why { by, reason, .. } = *why;
    let mut deployment = current(act, name).await?.ok_or(StoreError::NotFound("deployment"))?;
    if deployment.state == DeploymentState::Suspended {
        return Ok((deployment, false));
    }
    check_transition(deployment.state, DeploymentState::Suspended, LifecycleAct::Suspend, deployment.spec.purpose)
        .map_err(|e| StoreError::Refused { what: SUSPEND, why: e.to_string() })?;
    let before = deployment.clone();
    deployment.suspension =
        Some(Suspension { since: act.now, by: by.to_owned(), reason: reason.to_owned(), resume_to: deployment.state });
    deployment.state = DeploymentState::Suspended;
    deployment.revision += 1;
    deployment.updated_at = act.now;
    let mut detail = write(act, &deployment, &Cause { act: ChangeAct::Suspended, by, reason, evidence: &[] }).await?;
    let withheld = Reason::about(
        "deployment.suspended",
        format!("the model was suspended by {by}: {reason}"),
        "suspension",
        reason,
    );
    let withheld = cancel_work(act, name, &withheld).await?;
    detail["n_jobs_cancelled"] = json!(withheld.n_runs + withheld.n_deliveries + withheld.n_sending);
    detail["reason"] = json!(reason);
    let subject = AuditSubject::new(SubjectKind::Deployment, name);
    act.audit_event(AuditEvent::new(act.now, by, AuditAction::DeploymentSuspended, subject).detail(&detail));
    inform(act, &why.changed(NoticeChange::Suspended, &before, &deployment, withheld)).await?;
    Ok((deployment, true))
}

pub(in crate::sql) async fn deployment_resume(
    catalog: &SqlCatalog,
    name: &str,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    const WHAT: &str = "resume a deployment";
    let filter = RecordFilter { kind: Some(RecordKind::Change), subject: Some(name.to_owned()), until: None };
    let changes = catalog.record_list(&filter, 1000).await?;
    let mut act = Act::begin(&catalog.database, WHAT, by, now).await?;
    let mut deployment = current(&mut act, name).await?.ok_or(StoreError::NotFound("deployment"))?;
    let to = deployment.suspension.as_ref().map_or(DeploymentState::Draft, |suspension| suspension.resume_to);
    let refused = |why: String| StoreError::Refused { what: WHAT, why };
    let requires = check_transition(deployment.state, to, LifecycleAct::Resume, deployment.spec.purpose)
        .map_err(|e| refused(e.to_string()))?;
    if to == DeploymentState::Limited {
        no_other_limited(&mut act, WHAT, &deployment.spec).await?;
    }
    let mut evidence = vec![];
    let by_rule = stopping_rule(&mut act, &deployment).await?;
    if requires.contains(&Requirement::Approval) || by_rule.is_some() {
        // Records only grow, and the revision in the body is that of the row read inside this act.
        let expected = change_body("resume", &deployment, None, to.name(), "");
        let change = approved_change(&changes, &expected).map_err(|gap| {
            let gap = gap.unwrap_or_else(|| "nobody has approved exactly this".to_owned());
            let why = match &by_rule {
                Some(rule) => format!("rule {} of {name} fired", rule.name),
                None => format!("{name} is clinical"),
            };
            refused(format!(
                "{why}, so two people approve that it is used again: {gap}; `hilum deploy propose {name} --reason TEXT \
                 --evidence DIGEST`, then `hilum record sign` by both"
            ))
        })?;
        evidence.push(change.digest);
        let shown = evidence_of(&mut act, &change.body).await?;
        if let Some(rule) = by_rule
            && let Err(gap) = recovery(&shown, &deployment, rule.last_fired_at)
        {
            let rule = rule.name;
            let why = format!(
                "rule {rule} of {name} fired, and the approved change does not show why it may be used again: {gap}; \
                 `hilum monitor evidence {name} --record` or `hilum validate` make a record, and \
                 `hilum deploy propose {name} --reason TEXT --evidence DIGEST` names it"
            );
            return Err(refused(why));
        }
        evidence.extend(shown.into_iter().map(|record| record.digest));
    }
    let before = deployment.clone();
    deployment.state = to;
    deployment.suspension = None;
    deployment.revision += 1;
    deployment.updated_at = now;
    let cause = Cause { act: ChangeAct::Resumed, by, reason, evidence: &evidence };
    let mut detail = write(&mut act, &deployment, &cause).await?;
    detail["reason"] = json!(reason);
    act.audit(AuditAction::DeploymentResumed, AuditSubject::new(SubjectKind::Deployment, name), &detail);
    let changed = Why::said(by, reason).changed(NoticeChange::Resumed, &before, &deployment, Withheld::default());
    inform(&mut act, &changed).await?;
    act.commit().await?;
    Ok(deployment)
}

/// The records that an approved change names as evidence.
async fn evidence_of(act: &mut Act, body: &serde_json::Value) -> Result<Vec<Record>, StoreError> {
    let named = body["evidence"].as_array().into_iter().flatten().filter_map(|digest| digest.as_str()?.parse().ok());
    let mut found = Vec::new();
    for digest in named.collect::<Vec<Digest>>() {
        found.extend(record_held(act, &digest).await?);
    }
    Ok(found)
}
