//! What a message says: deployment, rule, value, next step, link. No study, no free text of an alarm or of whoever stopped a
//! deployment: neither may carry patient data out of the house.

use hilum_monitor::alarm::code_facts;
use hilum_monitor::notice::Notice;
use hilum_monitor::{Severity, Signal};
use hilum_store::alarms::{About, Alarm, Notification, NotificationEvent};
use serde_json::{Value, json};

const FIELD_CHARS_MAX: usize = 120;

/// Several sentences of our own, with names in them.
const TEXT_CHARS_MAX: usize = 600;

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
        match &notification.about {
            About::Alarm(alarm) => Message::of_alarm(notification, alarm, link_base),
            About::Change(notice) => Message::of_change(notification, notice, link_base),
        }
    }

    /// To those who receive the results of a deployment: since when, why, what of the results, what to do.
    fn of_change(notification: &Notification, notice: &Notice, link_base: Option<&str>) -> Message {
        let link = link_of(link_base, &path(Some(&notice.deployment)));
        let why = match (&notice.rule, &notice.signal) {
            (Some(rule), Some(signal)) => format!("rule {}{}", line(rule), cut(&signal.cut)),
            (Some(rule), None) => format!("rule {}", line(rule)),
            (None, _) => "by hand; the page says by whom and why".to_owned(),
        };
        let (headline, results, next_step) = (line(&notice.headline()), notice.results(), notice.next_step());
        let mut lines = vec![
            format!("{headline}."),
            String::new(),
            "You receive this because a destination you look after receives its results.".to_owned(),
            format!("About: {}, {}", line(&notice.deployment), line(&notice.version)),
        ];
        lines.extend(notice.left.as_ref().map(|left| format!("Not used any more: {}", line(left))));
        lines.push(format!("Since: {}", notice.at));
        lines.push(format!("Why: {why}"));
        lines.extend(notice.signal.iter().flat_map(statistic));
        lines.push(format!("Destinations: {}", list(&notice.destinations)));
        lines.push(format!("Results: {}", line_of(&results, TEXT_CHARS_MAX)));
        lines.push(format!("Next step: {next_step}"));
        lines.extend(link.as_ref().map(|link| format!("Page: {link}")));
        Message {
            key: notification.key.to_string(),
            subject: format!("[Hilum] {headline}"),
            text: lines.join("\n") + "\n",
            json: json!({
                "format": 1,
                "id": notification.key,
                "event": notification.event.name(),
                "change": notice.change.name(),
                "deployment": line(&notice.deployment),
                "state": notice.state.name(),
                "destinations": notice.destinations.iter().map(|name| line(name)).collect::<Vec<_>>(),
                "no_more": notice.no_more.iter().map(|name| line(name)).collect::<Vec<_>>(),
                "since": notice.at,
                "version": line(&notice.version),
                "left": notice.left.as_deref().map(line),
                "rule": notice.rule.as_deref().map(line),
                "signal": notice.signal.as_ref().map(signal_json),
                "n_runs_withheld": notice.withheld.n_runs,
                "n_deliveries_withheld": notice.withheld.n_deliveries,
                "n_deliveries_under_way": notice.withheld.n_sending,
                "results": line_of(&results, TEXT_CHARS_MAX),
                "next_step": next_step,
                "link": link,
            }),
        }
    }

    fn of_alarm(notification: &Notification, alarm: &Alarm, link_base: Option<&str>) -> Message {
        let severity = severity(alarm.severity);
        let what = what(alarm);
        let about = alarm.deployment.as_deref().map_or_else(|| "this site".to_owned(), line);
        let why = match notification.event {
            NotificationEvent::Raised => "A new alarm.",
            NotificationEvent::Worse => "An alarm became worse.",
            NotificationEvent::StoppedAgain => "Use was stopped again after this alarm had been acknowledged.",
            NotificationEvent::Escalated => "Nobody acknowledged this alarm in time, so it is passed on to you.",
            // A change of a deployment is no alarm.
            NotificationEvent::Changed => "An alarm changed.",
        };
        let next_step = code_facts(&alarm.code).next_step;
        let link = link_of(link_base, &path(alarm.deployment.as_deref()));
        let mut lines = vec![why.to_owned(), String::new(), format!("About: {about}"), format!("What: {what}")];
        lines.extend(alarm.signal.iter().flat_map(statistic));
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
                "signal": alarm.signal.as_ref().map(signal_json),
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

/// What a rule said, in numbers.
fn statistic(signal: &Signal) -> Vec<String> {
    let Signal { value, threshold, n, .. } = signal;
    let mut lines = vec![format!("Statistic: {value:.4} (limit {threshold:.4}), n = {n}, {}", line(&signal.method))];
    lines.extend(signal.since.map(|since| format!("Probably since: {since}")));
    lines
}

fn signal_json(signal: &Signal) -> Value {
    json!({
        "rule": line(&signal.rule), "statistic": signal.value, "threshold": signal.threshold, "n": signal.n,
        "method": line(&signal.method), "since": signal.since,
    })
}

fn cut(cut: &str) -> String {
    if cut.is_empty() { String::new() } else { format!(" ({})", line(cut)) }
}

fn what(alarm: &Alarm) -> String {
    let cut = cut(&alarm.cut);
    match alarm.rules.as_slice() {
        [] => line(&alarm.code),
        [rule] => format!("rule {}{cut}", line(rule)),
        rules => format!("rules {}{cut}", line(&rules.join(", "))),
    }
}

fn link_of(base: Option<&str>, path: &str) -> Option<String> {
    base.map(|base| format!("{}{path}", base.trim_end_matches('/')))
}

fn path(deployment: Option<&str>) -> String {
    match deployment {
        // Deployment names are lower-case letters, digits and hyphens; anything else is none of a declared deployment.
        Some(name) if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') => {
            format!("/deployments/{name}")
        }
        _ => "/system#alarms".to_owned(),
    }
}

/// Names of destinations, in one line.
fn list(names: &[String]) -> String {
    line_of(&names.iter().map(|name| line(name)).collect::<Vec<_>>().join(", "), TEXT_CHARS_MAX)
}

/// One short line: header values and station names are written by others.
fn line(text: &str) -> String {
    line_of(text, FIELD_CHARS_MAX)
}

fn line_of(text: &str, chars_max: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_monitor::notice::{NoticeChange, Withheld};
    use hilum_registry::DeploymentState;
    use hilum_types::{Digest, Timestamp};

    fn change(signal: Option<Signal>) -> Message {
        let at: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let notice = Notice {
            format: 1,
            change: NoticeChange::Suspended,
            deployment: "cxr".into(),
            destinations: vec!["pacs".into(), "ris\r\nBcc: x".into()],
            no_more: vec![],
            at,
            state: DeploymentState::Suspended,
            package: Digest::of(b"1"),
            version: "cxr 1.0.0".into(),
            left: None,
            rule: signal.as_ref().map(|signal| signal.rule.clone()),
            signal,
            withheld: Withheld { n_runs: 2, n_deliveries: 1, n_sending: 0 },
        };
        let notification = Notification {
            key: "0".repeat(26).parse().unwrap(),
            about: About::Change(Box::new(notice)),
            event: NotificationEvent::Changed,
            level: 0,
            contacts: vec![],
            state: "queued".into(),
            channels_done: vec![],
            attempts: 1,
            last_error: None,
            created_at: at,
        };
        Message::of(&notification, Some("https://hilum.example.org/"))
    }

    /// MV-05: what stopped it, on how many cases, what holds for results, and what to do; nothing that anybody typed.
    #[test]
    fn destinations_are_told_rule_counts_results_and_next_step() {
        let at = "2026-11-23T12:00:00Z".parse().unwrap();
        let signal = Signal {
            deployment: "cxr".into(),
            rule: "missed".into(),
            severity: Severity::Stop,
            cut: "station=CT2".into(),
            at,
            since: None,
            value: 3.0,
            threshold: 3.0,
            n: 41,
            method: "count/consecutive".into(),
            text: "SECRET^PATIENT".into(),
            studies: vec!["secretstudy".into()],
        };
        let by_rule = change(Some(signal));
        assert_eq!(by_rule.subject, "[Hilum] cxr is suspended");
        for part in [
            "About: cxr, cxr 1.0.0\n",
            "Since: 2026-11-23T12:00:00",
            "Why: rule missed (station=CT2)\nStatistic: 3.0000 (limit 3.0000), n = 41, count/consecutive\n",
            "Destinations: pacs, ris  Bcc: x\n",
            "2 runs and 1 result that waited were withheld. None comes until it is used again.\n",
            "Next step: Read without it",
            "Page: https://hilum.example.org/deployments/cxr\n",
        ] {
            assert!(by_rule.text.contains(part), "{part} in {}", by_rule.text);
        }
        assert_eq!((&by_rule.json["signal"]["n"], &by_rule.json["change"]), (&json!(41), &json!("suspended")));
        let all = format!("{by_rule:?}");
        assert!(!all.contains("SECRET") && !all.contains("secretstudy"), "{all}");
        assert!(change(None).text.contains("Why: by hand; the page says by whom and why\n"));
    }
}
