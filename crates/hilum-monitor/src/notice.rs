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
    /// Its results go to other destinations, or are shown in another way.
    Redirected,
    /// It is not used any more.
    Ended,
}

impl NoticeChange {
    /// Stable name: `suspended`, `fell_back`, `rolled_back`, `resumed`, `promoted`, `redirected`, `ended`.
    pub fn name(self) -> &'static str {
        match self {
            NoticeChange::Suspended => "suspended",
            NoticeChange::FellBack => "fell_back",
            NoticeChange::RolledBack => "rolled_back",
            NoticeChange::Resumed => "resumed",
            NoticeChange::Promoted => "promoted",
            NoticeChange::Redirected => "redirected",
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
    /// Results that were being sent: what the destination took of them is there.
    #[serde(default)]
    pub n_sending: u64,
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
    /// Names of the destinations that receive its results, or did before, each once.
    pub destinations: Vec<String>,
    /// Those of them to which no further result is addressed, whatever the state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_more: Vec<String>,
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
    let hidden = after.spec.reading_mode == ReadingMode::Shadow;
    let left_out = |name: &&String| hidden || !after.spec.destinations.contains(*name);
    let no_more = destinations.iter().filter(left_out).cloned().collect();
    let rule = changed.by.strip_prefix("stop-rule:").map(str::to_owned);
    let same_use = before.state == after.state && before.package_digest == after.package_digest;
    let same_way =
        before.spec.destinations == after.spec.destinations && before.spec.reading_mode == after.spec.reading_mode;
    let change = match changed.change {
        NoticeChange::RolledBack if rule.is_some() => NoticeChange::FellBack,
        _ if after.state == DeploymentState::Retired => NoticeChange::Ended,
        NoticeChange::Promoted if same_use && !same_way => NoticeChange::Redirected,
        change => change,
    };
    Some(Notice {
        format: FORMAT,
        change,
        deployment: after.spec.name.clone(),
        destinations,
        no_more,
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
            NoticeChange::Redirected => format!("{name} delivers in another way"),
            NoticeChange::Ended => format!("{name} is not used any more"),
        }
    }

    /// What holds for results: those delivered, those that waited, those to come.
    pub fn results(&self) -> String {
        let stay = "Results already delivered stay where they are.";
        let Withheld { n_runs, n_deliveries, n_sending } = self.withheld;
        let counted = |n, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let mut waited = format!(
            "{} and {} that waited were withheld.",
            counted(n_runs, "run", "runs"),
            counted(n_deliveries, "result", "results")
        );
        if 0 < n_sending {
            let sending = counted(n_sending, "result was", "results were");
            waited += &format!(" {sending} being sent and may still arrive.");
        }
        let to_come = self.to_come();
        match self.change {
            NoticeChange::Suspended | NoticeChange::FellBack | NoticeChange::RolledBack => {
                format!("{stay} {waited} {to_come}")
            }
            NoticeChange::Resumed => format!("{stay} What was withheld meanwhile is not sent later. {to_come}"),
            NoticeChange::Promoted | NoticeChange::Redirected => format!("{stay} {to_come}"),
            NoticeChange::Ended => format!("{stay} {waited} No further one comes."),
        }
    }

    /// Where further results come from, and to whom none goes.
    fn to_come(&self) -> String {
        let in_use = self.state.reaches_readers();
        let mut said = Vec::new();
        if self.some_come() {
            said.push(format!("Further ones come from {}.", self.version));
        } else if self.state == DeploymentState::Suspended {
            said.push("None comes until it is used again.".to_owned());
        } else if !in_use {
            said.push(format!("None comes while it is {}, nor what was released and waited.", self.state));
        }
        if !self.no_more.is_empty() {
            // A delivery looks at the state alone.
            let waited = if in_use { "; what was released and waits still does" } else { "" };
            said.push(format!("No further one goes to {}{waited}.", self.no_more.join(", ")));
        }
        said.join(" ")
    }

    /// Whether further results go to any destination.
    fn some_come(&self) -> bool {
        self.state.reaches_readers() && self.no_more.len() < self.destinations.len()
    }

    /// What to do first.
    pub fn next_step(&self) -> &'static str {
        let without = "Read without it: a study without a result was not judged as normal. If a result already \
                       delivered is in doubt, ask its owner whether it is recalled.";
        match self.change {
            NoticeChange::Suspended | NoticeChange::Ended => without,
            // A step back into shadow, or a version taken back while it is stopped.
            _ if !self.some_come() => without,
            NoticeChange::FellBack | NoticeChange::RolledBack => {
                "Tell the readers which version answers now. If a result of the version left is in doubt, ask its owner \
                 whether it is recalled."
            }
            NoticeChange::Resumed => {
                "Tell the readers. Studies of the time between stay without a result; ask its owner if one is needed."
            }
            NoticeChange::Redirected => {
                "Tell the readers where its results are, and where not: a study without a result was not judged as \
                 normal."
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
        told_with(change, before, after, by, &[])
    }

    fn told_with(change: NoticeChange, before: &Deployment, after: &Deployment, by: &str, also: &[String]) -> String {
        let n_sending = u64::from(change == NoticeChange::Suspended);
        let withheld = Withheld { n_runs: 1, n_deliveries: 2, n_sending };
        let changed = Changed { change, before, after, also, by, signal: None, withheld };
        let version =
            |digest: &Digest| if *digest == Digest::of(b"1") { "cxr 1".to_owned() } else { "cxr 2".to_owned() };
        let Some(notice) = notice(&changed, Timestamp::from_micros(0), version) else { return "nobody".to_owned() };
        let to = notice.destinations.join(", ");
        let (step, _) = notice.next_step().split_once([':', '.', ',']).unwrap();
        format!("{}: {}. {} {step} [{to}]\n", notice.change.name(), notice.headline(), notice.results())
    }

    #[test]
    fn destinations_are_told_what_holds_for_results() {
        use DeploymentState::{Active, Limited, Retired, Shadow, Suspended};
        let of = |state, package: &[u8]| deployment(state, package);
        let mut moved = of(Active, b"2");
        moved.spec.destinations = vec!["ris".into(), "vna".into()];
        let mut hidden = of(Active, b"2");
        hidden.spec.reading_mode = ReadingMode::Shadow;
        let of_challenger = ["pacs".to_owned(), "vna".to_owned()];
        let all = [
            told(NoticeChange::Suspended, &of(Active, b"2"), &of(Suspended, b"2"), "user:anna"),
            told(NoticeChange::RolledBack, &of(Active, b"2"), &of(Active, b"1"), "stop-rule:missed"),
            told(NoticeChange::RolledBack, &of(Suspended, b"2"), &of(Suspended, b"1"), "user:anna"),
            told(NoticeChange::Resumed, &of(Suspended, b"1"), &of(Active, b"1"), "user:anna"),
            told(NoticeChange::Promoted, &of(Active, b"1"), &of(Active, b"2"), "user:anna"),
            told_with(NoticeChange::Promoted, &of(Active, b"1"), &of(Active, b"2"), "user:anna", &of_challenger),
            told(NoticeChange::Promoted, &of(Limited, b"2"), &of(Active, b"2"), "user:anna"),
            told(NoticeChange::Promoted, &of(Active, b"2"), &of(Shadow, b"2"), "user:anna"),
            told(NoticeChange::Promoted, &of(Active, b"2"), &moved, "user:anna"),
            told(NoticeChange::Promoted, &of(Active, b"2"), &hidden, "user:anna"),
            told(NoticeChange::Promoted, &of(Active, b"2"), &of(Retired, b"2"), "user:anna"),
        ];
        insta::assert_snapshot!(all.concat(), @r"
        suspended: cxr is suspended. Results already delivered stay where they are. 1 run and 2 results that waited were withheld. 1 result was being sent and may still arrive. None comes until it is used again. Read without it [pacs, ris]
        fell_back: cxr went back to the version before. Results already delivered stay where they are. 1 run and 2 results that waited were withheld. Further ones come from cxr 1. Tell the readers which version answers now [pacs, ris]
        rolled_back: cxr went back to the version before. Results already delivered stay where they are. 1 run and 2 results that waited were withheld. None comes until it is used again. Read without it [pacs, ris]
        resumed: cxr is used again. Results already delivered stay where they are. What was withheld meanwhile is not sent later. Further ones come from cxr 1. Tell the readers [pacs, ris]
        promoted: cxr has another version. Results already delivered stay where they are. Further ones come from cxr 2. Tell the readers which version answers now [pacs, ris]
        promoted: cxr has another version. Results already delivered stay where they are. Further ones come from cxr 2. No further one goes to vna; what was released and waits still does. Tell the readers which version answers now [pacs, ris, vna]
        promoted: cxr is active now. Results already delivered stay where they are. Further ones come from cxr 2. Tell the readers which version answers now [pacs, ris]
        promoted: cxr is shadow now. Results already delivered stay where they are. None comes while it is shadow, nor what was released and waited. Read without it [pacs, ris]
        redirected: cxr delivers in another way. Results already delivered stay where they are. Further ones come from cxr 2. No further one goes to pacs; what was released and waits still does. Tell the readers where its results are [ris, vna, pacs]
        redirected: cxr delivers in another way. Results already delivered stay where they are. No further one goes to pacs, ris; what was released and waits still does. Read without it [pacs, ris]
        ended: cxr is not used any more. Results already delivered stay where they are. 1 run and 2 results that waited were withheld. No further one comes. Read without it [pacs, ris]
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
