//! What is raised becomes an alarm, joins one, or is only counted: decided by `hilum_monitor::alarm`, written here.

use super::read::{plan_of, severity_from, severity_name};
use crate::alarms::NotificationEvent;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{json_text, values};
use crate::{AlarmKey, NotificationKey, StoreError, StudyKey};
use hilum_audit::{AuditAction, AuditEvent, AuditOutcome, AuditSubject, SubjectKind};
use hilum_monitor::alarm::{Escalation, IncidentFacts, Intake, Told, code_facts, signal_code, take_in};
use hilum_monitor::{Severity, Signal};
use hilum_registry::AlarmPlan;
use hilum_types::Timestamp;
use serde_json::json;

const WEEK_SECONDS: i64 = 7 * 86_400;

/// Rules that one alarm lists at most.
const RULES_MAX: usize = 50;

/// A failed notification is not itself announced: it would fail as well.
const NEVER_ANNOUNCED: &str = "notification-dead";

/// Code of the alarm about too many alarms.
const BUDGET: &str = "alarm-budget";

/// Something raised.
struct Raised<'a> {
    code: &'a str,
    text: &'a str,
    study_key: Option<&'a StudyKey>,
    deployment: &'a str,
    signal: Option<&'a Signal>,
}

/// The alarm of an incident that something may join.
struct Known {
    key: AlarmKey,
    severity: Severity,
    rules: Vec<String>,
    acknowledged: bool,
    closed_at: Option<Timestamp>,
}

pub(super) async fn alarm_raise(
    catalog: &SqlCatalog,
    code: &str,
    text: &str,
    study_key: Option<&StudyKey>,
    deployment: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "raise an alarm", "system:alarm", now).await?;
    act.alarm(code, text, study_key, deployment).await?;
    let subject = study_key.map_or_else(AuditSubject::system, |key| AuditSubject::new(SubjectKind::Study, key));
    let event = AuditEvent::new(now, "system:alarm", AuditAction::SecurityAlert, subject);
    act.audit_event(event.outcome(AuditOutcome::MinorFailure).detail(&json!({ "alarm": code })));
    act.commit().await
}

pub(super) async fn alarm_signal(catalog: &SqlCatalog, signal: &Signal, now: Timestamp) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, "raise the alarm of a signal", "system:monitor", now).await?;
    act.alarm_signal(signal, &signal.text).await?;
    let subject = AuditSubject::new(SubjectKind::Deployment, &signal.deployment);
    let detail = json!({ "alarm": signal_code(signal.severity), "rule": signal.rule, "severity": severity_name(signal.severity) });
    let event = AuditEvent::new(now, "system:monitor", AuditAction::SecurityAlert, subject);
    act.audit_event(event.outcome(AuditOutcome::MinorFailure).detail(&detail));
    act.commit().await
}

impl Act {
    /// Raise an alarm, or count up the one that is open.
    pub(in crate::sql) async fn alarm(
        &mut self,
        code: &str,
        text: &str,
        study_key: Option<&StudyKey>,
        deployment: Option<&str>,
    ) -> Result<(), StoreError> {
        let deployment = deployment.unwrap_or_default();
        raise(self, &Raised { code, text, study_key, deployment, signal: None }).await
    }

    /// Raise the alarm of a signal: what the act that enters a fact does with every signal of the fold (ADR 0010).
    /// `text` says what was done about it.
    pub(in crate::sql) async fn alarm_signal(&mut self, signal: &Signal, text: &str) -> Result<(), StoreError> {
        let (code, deployment) = (signal_code(signal.severity), signal.deployment.as_str());
        raise(self, &Raised { code, text, study_key: None, deployment, signal: Some(signal) }).await
    }

    /// Enter a message about an alarm.
    pub(super) async fn notify(
        &mut self,
        alarm: &AlarmKey,
        event: NotificationEvent,
        level: u32,
        contacts: &[String],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO notification (notification_key, alarm_key, event, level, contacts, state, \
                   channels_done, attempts, due_at, created_at) VALUES ($1,$2,$3,$4,$5,'queued','[]',0,$6,$6)";
        let key = NotificationKey::fresh(self.now);
        let values = values![&key, alarm, event.name(), level, json_text(&contacts)?, self.now];
        self.execute(sql, values).await?;
        Ok(())
    }
}

async fn raise(act: &mut Act, raised: &Raised<'_>) -> Result<(), StoreError> {
    let (plan, owner) = plan(act, raised.deployment).await?;
    if enter(act, raised, &plan, &owner).await? {
        return Ok(());
    }
    // The budget of the week is spent: the excess is one alarm, whatever it consists of (UX-13).
    let name = raised.deployment;
    let text = format!(
        "more than {} alarms of {name} were raised within seven days; further ones are listed and not announced one by \
         one",
        plan.weekly_budget
    );
    let excess = Raised { code: BUDGET, text: &text, study_key: None, deployment: name, signal: None };
    enter(act, &excess, &plan, &owner).await?;
    Ok(())
}

async fn plan(act: &mut Act, deployment: &str) -> Result<(AlarmPlan, String), StoreError> {
    if deployment.is_empty() {
        return Ok(Default::default());
    }
    let row = act.row("SELECT spec FROM deployment WHERE name = $1", values![deployment]).await?;
    Ok(match row {
        Some(row) => plan_of(row.json("spec")?),
        None => Default::default(),
    })
}

/// Enter it as it was decided. `false` when the budget of the week left it without an announcement.
async fn enter(act: &mut Act, raised: &Raised<'_>, plan: &AlarmPlan, owner: &str) -> Result<bool, StoreError> {
    let severity = raised.signal.map_or_else(|| code_facts(raised.code).severity, |signal| signal.severity);
    let known = known(act, raised).await?;
    let is_open = known.as_ref().is_some_and(|known| known.closed_at.is_none());
    let facts = IncidentFacts {
        open: known.as_ref().filter(|_| is_open).map(|known| known.severity),
        acknowledged: known.as_ref().is_some_and(|known| is_open && known.acknowledged),
        closed: known.as_ref().and_then(|known| Some((known.closed_at?, known.severity))),
        n_week: if is_open || raised.code == BUDGET { 0 } else { announced_this_week(act, raised.deployment).await? },
    };
    match (take_in(severity, &facts, plan, act.now), known) {
        (Intake::Open { .. }, _) if raised.code == NEVER_ANNOUNCED => {
            open(act, raised, severity, plan, owner, false).await?;
            Ok(true)
        }
        (Intake::Open { announce }, _) => {
            open(act, raised, severity, plan, owner, announce).await?;
            Ok(announce)
        }
        (Intake::CountUp { told }, Some(known)) => {
            count_up(act, raised, severity, plan, &known, told).await?;
            Ok(true)
        }
        (Intake::HeldOff, Some(known)) => {
            let sql = "UPDATE alarm SET n_raised = n_raised + 1, last_raised_at = $2 WHERE alarm_key = $1";
            act.execute(sql, values![&known.key, act.now]).await?;
            Ok(true)
        }
        (Intake::CountUp { .. } | Intake::HeldOff, None) => Ok(true),
    }
}

/// Signals of a deployment and cut belong together until the alarm is closed; anything else until it is acknowledged,
/// because what comes after that is news.
fn incident(raised: &Raised<'_>) -> String {
    match raised.signal {
        Some(signal) => format!("signal|{}|{}", signal.deployment, signal.cut),
        None => {
            let study_key = raised.study_key.map_or("", StudyKey::as_str);
            format!("plain|{}|{study_key}|{}", raised.code, raised.deployment)
        }
    }
}

async fn known(act: &mut Act, raised: &Raised<'_>) -> Result<Option<Known>, StoreError> {
    let condition = match raised.signal {
        Some(_) => "",
        None => "AND acknowledged_at IS NULL AND closed_at IS NULL",
    };
    let sql = format!(
        "SELECT alarm_key, severity, rules, acknowledged_at, closed_at FROM alarm WHERE incident = $1 {condition} \
         ORDER BY alarm_key DESC LIMIT 1"
    );
    let row = act.row(sql, values![incident(raised)]).await?;
    row.map(|row| {
        Ok(Known {
            key: row.parse("alarm_key")?,
            severity: row.named("severity", severity_from)?,
            rules: row.json("rules")?,
            acknowledged: row.time_or_none("acknowledged_at")?.is_some(),
            closed_at: row.time_or_none("closed_at")?,
        })
    })
    .transpose()
}

async fn announced_this_week(act: &mut Act, deployment: &str) -> Result<u32, StoreError> {
    if deployment.is_empty() {
        return Ok(0);
    }
    let sql =
        "SELECT COUNT(*) AS n FROM alarm WHERE deployment = $1 AND $2 < raised_at AND announced = 1 AND code <> $3";
    let since = act.now.plus_seconds(-WEEK_SECONDS);
    let row = act.row(sql, values![deployment, since, BUDGET]).await?;
    Ok(row.map(|row| row.number("n")).transpose()?.unwrap_or(0))
}

async fn open(
    act: &mut Act,
    raised: &Raised<'_>,
    severity: Severity,
    plan: &AlarmPlan,
    owner: &str,
    announce: bool,
) -> Result<(), StoreError> {
    let begun = Escalation::begin(severity, plan, act.now);
    let rules: Vec<&str> = raised.signal.iter().map(|signal| signal.rule.as_str()).collect();
    let key = AlarmKey::fresh(act.now);
    // What is not announced does not escalate either: its excess does.
    let due_at = announce.then_some(begun.due_at);
    let sql = "INSERT INTO alarm (alarm_key, code, text, study_key, deployment, raised_at, n_raised, incident, severity, \
               cut, rules, signal, owner, announced, level, due_at, last_raised_at) \
               VALUES ($1,$2,$3,$4,$5,$6,1,$7,$8,$9,$10,$11,$12,$13,0,$14,$6)";
    let values = values![
        &key,
        raised.code,
        raised.text,
        raised.study_key.map_or("", StudyKey::as_str),
        raised.deployment,
        act.now,
        incident(raised),
        severity_name(severity),
        raised.signal.map_or("", |signal| signal.cut.as_str()),
        json_text(&rules)?,
        raised.signal.map(json_text).transpose()?,
        owner,
        u32::from(announce),
        due_at,
    ];
    act.execute(sql, values).await?;
    if announce {
        act.notify(&key, NotificationEvent::Raised, begun.level, &plan.contacts).await?;
    }
    Ok(())
}

async fn count_up(
    act: &mut Act,
    raised: &Raised<'_>,
    severity: Severity,
    plan: &AlarmPlan,
    known: &Known,
    told: Option<Told>,
) -> Result<(), StoreError> {
    let mut rules = known.rules.clone();
    if let Some(signal) = raised.signal
        && !rules.contains(&signal.rule)
        && rules.len() < RULES_MAX
    {
        rules.push(signal.rule.clone());
    }
    let sql = "UPDATE alarm SET n_raised = n_raised + 1, last_raised_at = $2, rules = $3 WHERE alarm_key = $1";
    act.execute(sql, values![&known.key, act.now, json_text(&rules)?]).await?;
    // Escalation may have lifted the alarm above the signal that comes now; its text stays the one that decided.
    if raised.signal.is_none_or(|_| known.severity <= severity) {
        let sql = "UPDATE alarm SET text = $2, code = $3, signal = COALESCE($4, signal) WHERE alarm_key = $1";
        let signal = raised.signal.map(json_text).transpose()?;
        act.execute(sql, values![&known.key, raised.text, raised.code, signal]).await?;
    }
    if let Some(told) = told {
        let begun = Escalation::begin(severity, plan, act.now);
        let sql = "UPDATE alarm SET severity = $2, due_at = $3, level = 0, announced = 1, acknowledged_at = NULL, \
                   acknowledged_by = NULL WHERE alarm_key = $1";
        act.execute(sql, values![&known.key, severity_name(severity), begun.due_at]).await?;
        let event = match told {
            Told::Worse => NotificationEvent::Worse,
            Told::StoppedAgain => NotificationEvent::StoppedAgain,
        };
        act.notify(&known.key, event, begun.level, &plan.contacts).await?;
    }
    Ok(())
}
