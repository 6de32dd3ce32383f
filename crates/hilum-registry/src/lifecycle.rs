//! The states of a deployment and the transitions between them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a deployment stands in its life (architecture section 1). A state is a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// Declared; sees no study.
    Draft,
    /// Runs on studies; its results leave by no outbound interface (MV-16).
    Shadow,
    /// Runs, and its results are delivered.
    Active,
    /// Stopped by a person or a stop rule; every study says so (MV-05).
    Suspended,
    /// Ended for good.
    Retired,
}

impl DeploymentState {
    /// Every state, in the order of a life.
    pub const ALL: [DeploymentState; 5] = [Self::Draft, Self::Shadow, Self::Active, Self::Suspended, Self::Retired];

    /// Stable name: `draft`, `shadow`, `active`, `suspended`, `retired`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Shadow => "shadow",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        }
    }

    /// The state of that stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for DeploymentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who may cause a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `hilum apply`: the declared state.
    Apply,
    /// `hilum suspend`, or a stop rule.
    Suspend,
    /// `hilum resume`: a named person lifts a suspension.
    Resume,
}

/// The transition is not one of the lifecycle's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deployment cannot go from {from} to {to}: {remedy}")]
pub struct ForbiddenTransition {
    /// Today's state.
    pub from: DeploymentState,
    /// The state asked for.
    pub to: DeploymentState,
    /// What to do instead.
    pub remedy: &'static str,
}

/// Whether `act` may take a deployment from `from` to `to`.
///
/// # Errors
/// [`ForbiddenTransition`] with the remedy.
pub fn check_transition(from: DeploymentState, to: DeploymentState, act: Act) -> Result<(), ForbiddenTransition> {
    use DeploymentState::{Active, Draft, Retired, Shadow, Suspended};
    let forbid = |remedy| Err(ForbiddenTransition { from, to, remedy });
    match (act, from, to) {
        (Act::Apply, Retired, Retired) => Ok(()),
        (_, Retired, _) => forbid("a retired deployment stays retired; declare a new one under another name"),
        (Act::Suspend, _, Suspended) => Ok(()),
        (Act::Suspend, _, _) => forbid("suspending ends in suspended"),
        (Act::Resume, Suspended, Draft | Shadow | Active) => Ok(()),
        (Act::Resume, _, _) => forbid("only a suspended deployment can be resumed"),
        (Act::Apply, Suspended, Suspended | Retired) => Ok(()),
        (Act::Apply, Suspended, _) => forbid("it is suspended; a named person lifts that with `hilum resume`"),
        (Act::Apply, _, Suspended) => forbid("use `hilum suspend` with a reason"),
        (Act::Apply, Shadow | Active, Draft) => forbid("studies have been analysed; retire it instead"),
        (Act::Apply, _, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, so that no new pair slips in unseen.
    #[test]
    fn transition_table() {
        let mut table = String::new();
        for act in [Act::Apply, Act::Suspend, Act::Resume] {
            for from in DeploymentState::ALL {
                let to: Vec<&str> = DeploymentState::ALL
                    .into_iter()
                    .filter(|to| check_transition(from, *to, act).is_ok())
                    .map(DeploymentState::name)
                    .collect();
                table += &format!("{act:?} {from} -> {}\n", to.join(" "));
            }
        }
        insta::assert_snapshot!(table, @r"
        Apply draft -> draft shadow active retired
        Apply shadow -> shadow active retired
        Apply active -> shadow active retired
        Apply suspended -> suspended retired
        Apply retired -> retired
        Suspend draft -> suspended
        Suspend shadow -> suspended
        Suspend active -> suspended
        Suspend suspended -> suspended
        Suspend retired -> 
        Resume draft -> 
        Resume shadow -> 
        Resume active -> 
        Resume suspended -> draft shadow active
        Resume retired -> 
        ");
    }
}
