//! What those who receive the results of a deployment are told when it changes (MV-05). Decided here; the act that makes
//! the change enters it, and it is sent as messages about alarms are.

use crate::Signal;
use hilum_registry::{Deployment, DeploymentState, ReadingMode};
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// Format of the stored notice.
const FORMAT: u32 = 1;

/// What became of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeChange {
    /// It was stopped.
    Suspended,
    /// A rule took its version back.
    FellBack,
    /// A person took its version back.
    RolledBack,
    /// A stop was lifted.
    Resumed,
    /// It took a step forward, or got another version.
    Promoted,
    /// It is not used any more.
    Ended,
}

impl NoticeChange {
    /// Stable name: `suspended`, `fell_back`, `rolled_back`, `resumed`, `promoted`, `ended`.
    pub fn name(self) -> &'static str {
        match self {
            NoticeChange::Suspended => "suspended",
            NoticeChange::FellBack => "fell_back",
            NoticeChange::RolledBack => "rolled_back",
            NoticeChange::Resumed => "resumed",
            NoticeChange::Promoted => "promoted",
            NoticeChange::Ended => "ended",
        }
    }
}

/// What of the work that waited was ended by a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Studies whose run waited or went on.
    pub n_runs: u64,
    /// Results that were released and not delivered yet.
    pub n_deliveries: u64,
}

/// A deployment before and after an act.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    /// What the act does, as its name says.
    pub change: NoticeChange,
    /// How the deployment stood.
    pub before: &'a Deployment,
    /// How it stands.
    pub after: &'a Deployment,
    /// Destinations that receive its results without being its own: those of a challenger whose version it takes over.
    pub also: &'a [String],
    /// A person, or `stop-rule:<name>`.
    pub by: &'a str,
    /// What the rule said, where one did it.
    pub signal: Option<&'a Signal>,
    /// What was ended by it.
    pub withheld: Withheld,
}

/// What the destinations of a deployment are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Format of this document.
    pub format: u32,
    /// What became of it.
    pub change: NoticeChange,
    /// The deployment.
    pub deployment: String,
    /// Names of the destinations that receive its results, each once.
    pub destinations: Vec<String>,
    /// Since when.
    pub at: Timestamp,
    /// Where it stands since then.
    pub state: DeploymentState,
    /// The version in use since then.
    pub package: Digest,
    /// Its name and version, as people call it.
    pub version: String,
    /// The version that was in use before, when it was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// Name of the rule that did it; `None`: a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the rule said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// What was ended by it.
    pub withheld: Withheld,
}

/// What the destinations are told, with `version_of` to name packages; `None` when no result of the deployment leaves,
/// neither before nor after: then nobody misses or expects any.
pub fn notice(changed: &Changed<'_>, at: Timestamp, version_of: impl Fn(&Digest) -> String) -> Option<Notice> {
    let (before, after) = (changed.before, changed.after);
    if !delivers(before) && !delivers(after) {
        return None;
    }
    let mut destinations: Vec<String> = Vec::new();
    for name in after.spec.destinations.iter().chain(&before.spec.destinations).chain(changed.also) {
        if !destinations.contains(name) {
            destinations.push(name.clone());
        }
    }
    let rule = changed.by.strip_prefix("stop-rule:").map(str::to_owned);
    let change = match changed.change {
        NoticeChange::RolledBack if rule.is_some() => NoticeChange::FellBack,
        _ if after.state == DeploymentState::Retired => NoticeChange::Ended,
        change => change,
    };
    Some(Notice {
        format: FORMAT,
        change,
        deployment: after.spec.name.clone(),
        destinations,
        at,
        state: after.state,
        package: after.package_digest,
        version: version_of(&after.package_digest),
        left: (before.package_digest != after.package_digest).then(|| version_of(&before.package_digest)),
        rule,
        signal: changed.signal.cloned(),
        withheld: changed.withheld,
    })
}

/// Whether results leave, or would if it were not stopped.
fn delivers(deployment: &Deployment) -> bool {
    let state = deployment.suspension.as_ref().map_or(deployment.state, |suspension| suspension.resume_to);
    let in_use = matches!(state, DeploymentState::Limited | DeploymentState::Active);
    in_use && deployment.spec.reading_mode != ReadingMode::Shadow && !deployment.spec.destinations.is_empty()
}

impl Notice {
    /// What became of it, in one short sentence without a full stop.
    pub fn headline(&self) -> String {
        let name = &self.deployment;
        match self.change {
            NoticeChange::Suspended => format!("{name} is suspended"),
            NoticeChange::FellBack | NoticeChange::RolledBack => format!("{name} went back to the version before"),
            NoticeChange::Resumed => format!("{name} is used again"),
            NoticeChange::Promoted if self.left.is_some() => format!("{name} has another version"),
            NoticeChange::Promoted => format!("{name} is {} now", self.state),
            NoticeChange::Ended => format!("{name} is not used any more"),
        }
    }

    /// What holds for results: those delivered, those that waited, those to come.
    pub fn results(&self) -> String {
        let stay = "Results already delivered stay where they are.";
        let Withheld { n_runs, n_deliveries } = self.withheld;
        let counted = |n, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let waited = format!(
            "{} and {} that waited were withheld.",
            counted(n_runs, "run", "runs"),
            counted(n_deliveries, "result", "results")
        );
        let to_come = if self.state == DeploymentState::Suspended {
            "None comes until it is used again.".to_owned()
        } else {
            format!("Further ones come from {}.", self.version)
        };
        match self.change {
            NoticeChange::Suspended | NoticeChange::FellBack | NoticeChange::RolledBack => {
                format!("{stay} {waited} {to_come}")
            }
            NoticeChange::Resumed => format!("{stay} What was withheld meanwhile is not sent later. {to_come}"),
            NoticeChange::Promoted => format!("{stay} {to_come}"),
            NoticeChange::Ended => format!("{stay} {waited} No further one comes."),
        }
    }

    /// What to do first.
    pub fn next_step(&self) -> &'static str {
        match self.change {
            NoticeChange::Suspended | NoticeChange::Ended => {
                "Read without it: a study without a result was not judged as normal. If a result already delivered is in \
                 doubt, ask its owner whether it is recalled."
            }
            NoticeChange::FellBack | NoticeChange::RolledBack => {
                "Tell the readers which version answers now. If a result of the version left is in doubt, ask its owner \
                 whether it is recalled."
            }
            NoticeChange::Resumed => {
                "Tell the readers. Studies of the time between stay without a result; ask its owner if one is needed."
            }
            NoticeChange::Promoted => "Tell the readers which version answers now, and look at the first results.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_registry::{DeploymentSpec, Suspension};

    fn deployment(state: DeploymentState, package: &[u8]) -> Deployment {
        let declared = serde_json::json!({
            "name": "cxr", "package": "p", "state": "active", "owner": "radiology", "destinations": ["pacs", "ris"],
        });
        let spec: DeploymentSpec = serde_json::from_value(declared).unwrap();
        let at = Timestamp::from_micros(0);
        let suspension = (state == DeploymentState::Suspended).then(|| Suspension {
            since: at,
            by: "user:anna".into(),
            reason: "no".into(),
            resume_to: DeploymentState::Active,
        });
        Deployment { suspension, ..Deployment::declared(spec, Digest::of(package), state, at) }
    }

    fn told(change: NoticeChange, before: &Deployment, after: &Deployment, by: &str) -> String {
        let withheld = Withheld { n_runs: 1, n_deliveries: 2 };
        let changed =
            Changed { change, before, after, also: &["pacs".into(), "vna".into()], by, signal: None, withheld };
        let version =
            |digest: &Digest| if *digest == Digest::of(b"1") { "cxr 1".to_owned() } else { "cxr 2".to_owned() };
        let Some(notice) = notice(&changed, Timestamp::from_micros(0), version) else { return "nobody".to_owned() };
        let to = notice.destinations.join(", ");
        format!("{}: {}. {} [{to}]\n", notice.change.name(), notice.headline(), notice.results())
    }

    #[test]
    fn destinations_are_told_what_holds_for_results() {
        use DeploymentState::{Active, Limited, Retired, Suspended};
        let of = |state, package: &[u8]| deployment(state, package);
        let all = [
            told(NoticeChange::Suspended, &of(Active, b"2"), &of(Suspended, b"2"), "user:anna"),
            told(NoticeChange::RolledBack, &of(Active, b"2"), &of(Active, b"1"), "stop-rule:missed"),
            told(NoticeChange::RolledBack, &of(Suspended, b"2"), &of(Suspended, b"1"), "user:anna"),
            told(NoticeChange::Resumed, &of(Suspended, b"1"), &of(Active, b"1"), "user:anna"),
            told(NoticeChange::Promoted, &of(Active, b"1"), &of(Active, b"2"), "user:anna"),
            told(NoticeChange::Promoted, &of(Limited, b"2"), &of(Active, b"2"), "user:anna"),
            told(NoticeChange::Promoted, &of(Active, b"2"), &of(Retired, b"2"), "user:anna"),
        ];
        insta::assert_snapshot!(all.concat(), @r"
        suspended: cxr is suspended. Results already delivered stay where they are. 1 run and 2 results that waited were withheld. None comes until it is used again. [pacs, ris, vna]
        fell_back: cxr went back to the version before. Results already delivered stay where they are. 1 run and 2 results that waited were withheld. Further ones come from cxr 1. [pacs, ris, vna]
        rolled_back: cxr went back to the version before. Results already delivered stay where they are. 1 run and 2 results that waited were withheld. None comes until it is used again. [pacs, ris, vna]
        resumed: cxr is used again. Results already delivered stay where they are. What was withheld meanwhile is not sent later. Further ones come from cxr 1. [pacs, ris, vna]
        promoted: cxr has another version. Results already delivered stay where they are. Further ones come from cxr 2. [pacs, ris, vna]
        promoted: cxr is active now. Results already delivered stay where they are. Further ones come from cxr 2. [pacs, ris, vna]
        ended: cxr is not used any more. Results already delivered stay where they are. 1 run and 2 results that waited were withheld. No further one comes. [pacs, ris, vna]
        ");
    }

    /// Nobody waits for results that never left.
    #[test]
    fn what_never_delivered_is_not_told() {
        use DeploymentState::{Active, Shadow, Suspended};
        let mut stopped = deployment(Suspended, b"1");
        stopped.suspension.as_mut().unwrap().resume_to = Shadow;
        assert_eq!(told(NoticeChange::Suspended, &deployment(Shadow, b"1"), &stopped, "user:anna"), "nobody");
        let mut hidden = deployment(Active, b"1");
        hidden.spec.reading_mode = ReadingMode::Shadow;
        assert_eq!(told(NoticeChange::Promoted, &deployment(Shadow, b"1"), &hidden, "user:anna"), "nobody");
        assert_ne!(told(NoticeChange::Promoted, &deployment(Shadow, b"1"), &deployment(Active, b"1"), "x"), "nobody");
    }
}
