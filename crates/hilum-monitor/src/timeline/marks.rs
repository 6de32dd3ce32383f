use crate::{Severity, Signal};
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// What a mark on the timeline is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// Another version came into use.
    Version,
    /// It moved to another state of its life.
    State,
    /// The declaration changed, and neither version nor state did.
    Declaration,
    /// It was stopped.
    Suspended,
    /// The stop was lifted.
    Resumed,
    /// A rule or a chart spoke.
    Signal,
    /// An alarm was raised.
    Alarm,
    /// A scanner, software version or protocol was seen for the first time (MV-23).
    AcquisitionGroup,
}

impl MarkKind {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            MarkKind::Version => "version",
            MarkKind::State => "state",
            MarkKind::Declaration => "declaration",
            MarkKind::Suspended => "suspended",
            MarkKind::Resumed => "resumed",
            MarkKind::Signal => "signal",
            MarkKind::Alarm => "alarm",
            MarkKind::AcquisitionGroup => "acquisition_group",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub kind: MarkKind,
    /// How severe, for signals and alarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Plain sentence.
    pub text: String,
    /// Who did it; empty for what nobody did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Key of the alarm, where it is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// One change of a deployment, as its history has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFact {
    /// When.
    pub at: Timestamp,
    /// Whether the change was a suspension.
    pub is_suspension: bool,
    /// Whether the change lifted one.
    pub is_resumption: bool,
    /// Package from then on.
    pub package: Digest,
    /// State from then on, by its stable name.
    pub state: String,
    /// Why; empty when no reason was needed.
    pub reason: String,
    /// Who.
    pub by: String,
}

/// Marks of the changes of a deployment, oldest first, of which those in `from` to `until` are kept: what a change is can
/// only be told from the one before it.
pub fn change_marks(changes: &[ChangeFact], from: Timestamp, until: Timestamp) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut before: Option<&ChangeFact> = None;
    for change in changes {
        let (kind, text) = told(before, change);
        let because = if change.reason.is_empty() { String::new() } else { format!(": {}", change.reason) };
        if from <= change.at && change.at < until {
            let text = format!("{text}{because}");
            marks.push(Mark { at: change.at, kind, severity: None, text, by: change.by.clone(), key: String::new() });
        }
        before = Some(change);
    }
    marks
}

fn told(before: Option<&ChangeFact>, change: &ChangeFact) -> (MarkKind, String) {
    let (version, state) = (change.package.short(), change.state.as_str());
    if change.is_suspension {
        return (MarkKind::Suspended, "suspended".to_owned());
    }
    if change.is_resumption {
        return (MarkKind::Resumed, format!("resumed, {state}"));
    }
    match before {
        None => (MarkKind::Version, format!("declared {state} with version {version}")),
        Some(before) if before.package != change.package => {
            (MarkKind::Version, format!("version {version} came into use, {state}"))
        }
        Some(before) if before.state != change.state => (MarkKind::State, format!("{} to {state}", before.state)),
        Some(_) => (MarkKind::Declaration, "declaration changed".to_owned()),
    }
}

/// The mark of a signal.
pub fn signal_mark(signal: &Signal) -> Mark {
    let cut = if signal.cut.is_empty() { String::new() } else { format!(" ({})", signal.cut) };
    Mark {
        at: signal.at,
        kind: MarkKind::Signal,
        severity: Some(signal.severity),
        text: format!("rule {}{cut}: {}", signal.rule, signal.text),
        by: String::new(),
        key: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(day: i64, package: &[u8], state: &str, act: &str) -> ChangeFact {
        ChangeFact {
            at: Timestamp::from_micros(0).plus_seconds(day * 86_400),
            is_suspension: act == "suspended",
            is_resumption: act == "resumed",
            package: Digest::of(package),
            state: state.into(),
            reason: if act == "suspended" { "ppv".into() } else { String::new() },
            by: "user:anna".into(),
        }
    }

    #[test]
    fn what_a_change_is_follows_from_the_one_before() {
        let changes = [
            change(0, b"a", "shadow", ""),
            change(1, b"a", "active", ""),
            change(2, b"b", "active", ""),
            change(3, b"b", "active", ""),
            change(4, b"b", "suspended", "suspended"),
            change(5, b"b", "active", "resumed"),
        ];
        let (from, until) = (Timestamp::from_micros(1), Timestamp::from_micros(i64::MAX));
        let marks = change_marks(&changes, from, until);
        let kinds: Vec<MarkKind> = marks.iter().map(|mark| mark.kind).collect();
        use MarkKind::*;
        assert_eq!(kinds, [State, Version, Declaration, Suspended, Resumed]);
        assert_eq!((marks[0].text.as_str(), marks[3].text.as_str()), ("shadow to active", "suspended: ppv"));
    }
}
