//! What a message says: deployment, rule, value, next step, link. No study, no free text of an alarm: neither may carry
//! patient data out of the house.

use hilum_monitor::Severity;
use hilum_monitor::alarm::code_facts;
use hilum_store::alarms::{Alarm, Notification, NotificationEvent};
use serde_json::{Value, json};

const FIELD_CHARS_MAX: usize = 120;

/// A message, ready for every channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Idempotency key, and the beginning of the Message-ID of an e-mail.
    pub key: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same for programs.
    pub json: Value,
}

impl Message {
    /// The message of a notification. `link_base` is where people reach the pages.
    pub fn of(notification: &Notification, link_base: Option<&str>) -> Message {
        let alarm = &notification.alarm;
        let severity = severity(alarm.severity);
        let what = what(alarm);
        let about = alarm.deployment.as_deref().map_or_else(|| "this site".to_owned(), line);
        let why = match notification.event {
            NotificationEvent::Raised => "A new alarm.",
            NotificationEvent::Worse => "An alarm became worse.",
            NotificationEvent::StoppedAgain => "Use was stopped again after this alarm had been acknowledged.",
            NotificationEvent::Escalated => "Nobody acknowledged this alarm in time, so it is passed on to you.",
        };
        let next_step = code_facts(&alarm.code).next_step;
        let link = link_base.map(|base| format!("{}{}", base.trim_end_matches('/'), path(alarm)));
        let mut lines = vec![why.to_owned(), String::new(), format!("About: {about}"), format!("What: {what}")];
        if let Some(signal) = &alarm.signal {
            let n = signal.n;
            let (value, threshold) = (signal.value, signal.threshold);
            lines.push(format!("Statistic: {value:.4} (limit {threshold:.4}), n = {n}, {}", line(&signal.method)));
            if let Some(since) = signal.since {
                lines.push(format!("Probably since: {since}"));
            }
        }
        lines.push(format!("Severity: {severity}"));
        lines.push(format!(
            "Owner: {}",
            if alarm.owner.is_empty() { "nobody is named".into() } else { line(&alarm.owner) }
        ));
        lines.push(format!("Raised: {} times since {}", alarm.n_raised, alarm.raised_at));
        if let Some(due_at) = alarm.due_at {
            lines.push(format!("To be acknowledged by: {due_at}"));
        }
        lines.push(format!("Next step: {next_step}"));
        lines.extend(link.as_ref().map(|link| format!("Page: {link}")));
        Message {
            key: notification.key.to_string(),
            subject: format!("[Hilum] {severity}: {about}: {what}"),
            text: lines.join("\n") + "\n",
            json: json!({
                "format": 1,
                "id": notification.key,
                "event": notification.event.name(),
                "alarm": alarm.key,
                "code": line(&alarm.code),
                "severity": severity,
                "deployment": alarm.deployment.as_deref().map(line),
                "rules": alarm.rules.iter().map(|rule| line(rule)).collect::<Vec<_>>(),
                "cut": line(&alarm.cut),
                "signal": alarm.signal.as_ref().map(|signal| json!({
                    "rule": line(&signal.rule), "statistic": signal.value, "threshold": signal.threshold,
                    "n": signal.n, "method": line(&signal.method), "since": signal.since,
                })),
                "owner": line(&alarm.owner),
                "level": notification.level,
                "raised_at": alarm.raised_at,
                "n_raised": alarm.n_raised,
                "due_at": alarm.due_at,
                "next_step": next_step,
                "link": link,
            }),
        }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Watch => "watch",
        Severity::Review => "review",
        Severity::Stop => "stop",
    }
}

fn what(alarm: &Alarm) -> String {
    let cut = if alarm.cut.is_empty() { String::new() } else { format!(" ({})", line(&alarm.cut)) };
    match alarm.rules.as_slice() {
        [] => line(&alarm.code),
        [rule] => format!("rule {}{cut}", line(rule)),
        rules => format!("rules {}{cut}", line(&rules.join(", "))),
    }
}

fn path(alarm: &Alarm) -> String {
    match &alarm.deployment {
        // Deployment names are lower-case letters, digits and hyphens; anything else is none of a declared deployment.
        Some(name) if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') => {
            format!("/deployments/{name}")
        }
        _ => "/system#alarms".to_owned(),
    }
}

/// One short line: header values and station names are written by others.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(FIELD_CHARS_MAX).collect()
}
