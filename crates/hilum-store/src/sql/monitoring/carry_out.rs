//! What a signal leads to, in the transaction that entered the deciding fact.

use crate::StoreError;
use crate::sql::act::Act;
use crate::sql::connection::{json_text, values};
use crate::sql::deployments::{Why, current, suspend};
use crate::sql::rollout::roll_back;
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, SubjectKind};
use hilum_monitor::Signal;
use hilum_registry::{DeploymentState, RuleAction, StopRule};
use hilum_types::Digest;
use serde_json::json;

/// Stop, go back, or ask a person; keep the signal, an audit entry and an alarm in any case.
pub(super) async fn carry_out(
    act: &mut Act,
    package: &Digest,
    rule: &StopRule,
    signal: &Signal,
) -> Result<(), StoreError> {
    let by = format!("stop-rule:{}", rule.name);
    let name = signal.deployment.as_str();
    let in_use = current(act, name).await?.filter(|deployment| deployment.package_digest == *package);
    let stopped = in_use.as_ref().is_none_or(|deployment| deployment.state == DeploymentState::Suspended);
    let why = Why { by: &by, reason: &signal.text, signal: Some(signal) };
    let done = match rule.action {
        RuleAction::Alarm => "alarm",
        // Two rules may fire on one fact; the first has stopped it.
        _ if stopped => "stopped_already",
        RuleAction::Fallback if in_use.as_ref().is_some_and(|deployment| deployment.rollback.is_some()) => {
            roll_back(act, name, None, &why).await?;
            "rolled_back"
        }
        RuleAction::Suspend | RuleAction::Fallback => {
            suspend(act, name, &why).await?;
            "suspended"
        }
    };
    keep(act, package, done, signal).await?;
    let detail = json!({
        "rule": rule.name, "cut": signal.cut, "action": done, "package": package, "value": signal.value,
        "threshold": signal.threshold, "n": signal.n, "method": signal.method,
    });
    let subject = AuditSubject::new(SubjectKind::Deployment, name);
    act.audit_event(AuditEvent::new(act.now, by.as_str(), AuditAction::StopRuleFired, subject).detail(&detail));
    let text = match done {
        "suspended" => format!("{name} is suspended by rule {}: {}", rule.name, signal.text),
        "rolled_back" => format!("{name} went back to the version before by rule {}: {}", rule.name, signal.text),
        _ => format!("rule {} of {name}: {}", rule.name, signal.text),
    };
    act.alarm_signal(signal, &text).await
}

async fn keep(act: &mut Act, package: &Digest, done: &str, signal: &Signal) -> Result<(), StoreError> {
    let row = act.row("SELECT MAX(seq) AS seq FROM signal", vec![]).await?;
    let seq = row.map(|row| row.int_or_none("seq")).transpose()?.flatten().unwrap_or(0) + 1;
    let severity = json_text(&signal.severity)?;
    let sql = "INSERT INTO signal (seq, deployment, package, rule, cut, severity, action, at, record) \
               VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)";
    let columns = values![
        seq,
        signal.deployment.as_str(),
        *package,
        signal.rule.as_str(),
        signal.cut.as_str(),
        severity.trim_matches('"'),
        done,
        signal.at,
        json_text(signal)?,
    ];
    act.execute(sql, columns).await?;
    Ok(())
}
