//! The states of a deployment, the transitions between them, and what each transition needs.

use crate::deployment::Purpose;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a deployment stands in its life (architecture section 1). A state is a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// Declared; sees no study.
    Draft,
    /// Its version has an accepted local validation; sees no study yet.
    Accepted,
    /// Runs on studies; its results leave by no outbound interface (MV-16).
    Shadow,
    /// Runs on studies; its results leave for the studies that its rollout gives it, and stay inside for the others.
    Limited,
    /// Runs, and its results are delivered.
    Active,
    /// Stopped by a person or a stop rule; every study says so (MV-05).
    Suspended,
    /// Ended for good.
    Retired,
}

use DeploymentState::{Accepted, Active, Draft, Limited, Retired, Shadow, Suspended};

impl DeploymentState {
    /// Every state, in the order of a life.
    pub const ALL: [DeploymentState; 7] = [Draft, Accepted, Shadow, Limited, Active, Suspended, Retired];

    /// Stable name: `draft`, `accepted`, `shadow`, `limited`, `active`, `suspended`, `retired`.
    pub fn name(self) -> &'static str {
        match self {
            Draft => "draft",
            Accepted => "accepted",
            Shadow => "shadow",
            Limited => "limited",
            Active => "active",
            Suspended => "suspended",
            Retired => "retired",
        }
    }

    /// The state of that stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether the model runs on studies in this state.
    pub fn runs(self) -> bool {
        matches!(self, Shadow | Limited | Active)
    }

    /// Whether every study gets a disposition for a deployment in this state; a suspended one says why it did not run.
    pub fn is_in_service(self) -> bool {
        self.runs() || self == Suspended
    }

    /// Whether results may reach readers in this state.
    pub fn reaches_readers(self) -> bool {
        matches!(self, Limited | Active)
    }
}

impl fmt::Display for DeploymentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who or what causes a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `hilum apply`: the declared state.
    Apply,
    /// `hilum deploy promote`: one step, with its proof.
    Promote,
    /// `hilum suspend`, or a stop rule.
    Suspend,
    /// `hilum resume`: a named person lifts a suspension.
    Resume,
    /// `hilum deploy rollback`: the version before this one, in the same state.
    Rollback,
}

/// What a transition needs before it is carried out (MV-01, MV-14, GV-02, UX-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// Somebody answers for it.
    Owner,
    /// It is stated what it is for.
    IntendedUse,
    /// A regulatory status on file, in date, that allows clinical use (GV-09).
    RegulatoryStatus,
    /// A validation of exactly this package and operating point: passed or waived, approved by two people, in date.
    Acceptance,
    /// A monitoring plan with stop rules.
    MonitoringPlan,
    /// A rehearsal of exactly these stop rules with exactly this package, where the plan asks for one (MV-45).
    Rehearsal,
    /// An earlier version, or a stated way of reading without the model.
    RollbackTarget,
    /// A signed replay of the reference set when anything changed against the version in use.
    Replay,
    /// A person trained for exactly this version.
    TrainedOverseer,
    /// Somewhere for its results to go.
    Destination,
    /// Which studies a limited deployment answers for.
    RolloutLimits,
    /// The step before this one was taken, or a reason says why not.
    StepBefore,
    /// Two people approved exactly this step.
    Approval,
    /// A reason.
    Reason,
}

/// One row of the lifecycle's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What causes it.
    pub act: Act,
    /// For which purpose; `None`: both.
    pub purpose: Option<Purpose>,
    /// From any of these.
    pub from: &'static [DeploymentState],
    /// To this one; `None`: the state stays.
    pub to: Option<DeploymentState>,
    /// What it needs.
    pub requires: &'static [Requirement],
}

const RESEARCH: Option<Purpose> = Some(Purpose::Research);
const CLINICAL: Option<Purpose> = Some(Purpose::Clinical);
const LIVING: &[DeploymentState] = &[Draft, Accepted, Shadow, Limited, Active, Suspended];

const fn row(
    act: Act,
    purpose: Option<Purpose>,
    from: &'static [DeploymentState],
    to: Option<DeploymentState>,
    requires: &'static [Requirement],
) -> Transition {
    Transition { act, purpose, from, to, requires }
}

/// Proof that the version is fit for this site.
const PROOF: &[Requirement] =
    &[Requirement::Owner, Requirement::IntendedUse, Requirement::RegulatoryStatus, Requirement::Acceptance];

/// Everything that must be there before a clinical result reaches a reader for the studies of a rollout.
const REACH_SOME: &[Requirement] = &[
    Requirement::Owner,
    Requirement::IntendedUse,
    Requirement::RegulatoryStatus,
    Requirement::Acceptance,
    Requirement::MonitoringPlan,
    Requirement::Rehearsal,
    Requirement::RollbackTarget,
    Requirement::Replay,
    Requirement::TrainedOverseer,
    Requirement::Destination,
    Requirement::RolloutLimits,
    Requirement::StepBefore,
    Requirement::Approval,
];

/// Everything that must be there before clinical results reach readers for all studies.
const REACH_ALL: &[Requirement] = &[
    Requirement::Owner,
    Requirement::IntendedUse,
    Requirement::RegulatoryStatus,
    Requirement::Acceptance,
    Requirement::MonitoringPlan,
    Requirement::Rehearsal,
    Requirement::RollbackTarget,
    Requirement::Replay,
    Requirement::TrainedOverseer,
    Requirement::Destination,
    Requirement::StepBefore,
    Requirement::Approval,
];

/// The lifecycle. What is not in it is forbidden.
pub const TRANSITIONS: &[Transition] = &[
    // A file: research goes where it says, clinical stays where it is, and either may end.
    row(Act::Apply, RESEARCH, &[Draft], Some(Draft), &[]),
    row(Act::Apply, RESEARCH, &[Draft, Shadow, Limited, Active], Some(Shadow), &[]),
    row(Act::Apply, RESEARCH, &[Draft, Shadow, Limited, Active], Some(Limited), &[]),
    row(Act::Apply, RESEARCH, &[Draft, Shadow, Limited, Active], Some(Active), &[]),
    row(Act::Apply, RESEARCH, &[Suspended], Some(Suspended), &[]),
    row(Act::Apply, CLINICAL, LIVING, None, &[]),
    row(Act::Apply, None, &[Draft, Accepted, Shadow, Limited, Active, Suspended, Retired], Some(Retired), &[]),
    // One step forward.
    row(Act::Promote, RESEARCH, &[Draft, Limited, Active], Some(Shadow), &[]),
    row(
        Act::Promote,
        RESEARCH,
        &[Draft, Shadow, Active],
        Some(Limited),
        &[Requirement::Destination, Requirement::RolloutLimits],
    ),
    row(Act::Promote, RESEARCH, &[Draft, Shadow, Limited], Some(Active), &[Requirement::Destination]),
    row(Act::Promote, CLINICAL, &[Draft], Some(Accepted), PROOF),
    row(Act::Promote, CLINICAL, &[Accepted], Some(Shadow), PROOF),
    row(Act::Promote, CLINICAL, &[Accepted, Shadow], Some(Limited), REACH_SOME),
    row(Act::Promote, CLINICAL, &[Accepted, Shadow, Limited], Some(Active), REACH_ALL),
    // A step back needs no proof, only a reason.
    row(Act::Promote, CLINICAL, &[Limited, Active], Some(Shadow), &[Requirement::Reason]),
    row(Act::Promote, CLINICAL, &[Active], Some(Limited), &[Requirement::Reason, Requirement::RolloutLimits]),
    row(Act::Promote, None, LIVING, Some(Retired), &[Requirement::Reason]),
    // Stopping is always possible, and so is going back to the version before.
    row(Act::Suspend, None, LIVING, Some(Suspended), &[Requirement::Reason]),
    row(Act::Rollback, None, &[Shadow, Limited, Active, Suspended], None, &[Requirement::Reason]),
    row(Act::Resume, RESEARCH, &[Suspended], Some(Draft), &[Requirement::Reason]),
    row(Act::Resume, RESEARCH, &[Suspended], Some(Shadow), &[Requirement::Reason]),
    row(Act::Resume, RESEARCH, &[Suspended], Some(Limited), &[Requirement::Reason]),
    row(Act::Resume, RESEARCH, &[Suspended], Some(Active), &[Requirement::Reason]),
    row(Act::Resume, CLINICAL, &[Suspended], Some(Draft), &[Requirement::Reason]),
    row(Act::Resume, CLINICAL, &[Suspended], Some(Accepted), &[Requirement::Reason]),
    row(Act::Resume, CLINICAL, &[Suspended], Some(Shadow), &[Requirement::Reason]),
    row(Act::Resume, CLINICAL, &[Suspended], Some(Limited), &[Requirement::Reason, Requirement::Approval]),
    row(Act::Resume, CLINICAL, &[Suspended], Some(Active), &[Requirement::Reason, Requirement::Approval]),
];

/// The transition is not one of the lifecycle's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {} deployment cannot go from {from} to {to}: {remedy}", purpose.name())]
pub struct ForbiddenTransition {
    /// What the deployment is for.
    pub purpose: Purpose,
    /// Today's state.
    pub from: DeploymentState,
    /// The state asked for.
    pub to: DeploymentState,
    /// What to do instead.
    pub remedy: &'static str,
}

/// What `act` needs to take a deployment of that purpose from `from` to `to`.
///
/// # Errors
/// [`ForbiddenTransition`] with the remedy, when the table has no such row.
pub fn check_transition(
    from: DeploymentState,
    to: DeploymentState,
    act: Act,
    purpose: Purpose,
) -> Result<&'static [Requirement], ForbiddenTransition> {
    let fits = |row: &&Transition| {
        row.act == act
            && row.purpose.is_none_or(|of| of == purpose)
            && row.from.contains(&from)
            && row.to.map_or(from == to, |state| state == to)
    };
    let found = TRANSITIONS.iter().find(fits).map(|row| row.requires);
    found.ok_or(ForbiddenTransition { purpose, from, to, remedy: remedy(from, to, act, purpose) })
}

fn remedy(from: DeploymentState, to: DeploymentState, act: Act, purpose: Purpose) -> &'static str {
    match (act, from, to, purpose) {
        (_, Retired, _, _) => "a retired deployment stays retired; declare a new one under another name",
        (Act::Suspend, ..) => "suspending ends in suspended",
        (Act::Resume, ..) => "only a suspended deployment can be resumed, to the state it was stopped in",
        (Act::Rollback, ..) => "only a deployment in service is rolled back; nothing is in use yet",
        (_, Suspended, _, _) => "it is suspended; a named person lifts that with `hilum resume`",
        (_, _, Suspended, _) => "use `hilum suspend` with a reason",
        (Act::Apply, _, _, Purpose::Clinical) => "leave `state` out of its file; `hilum deploy promote` moves it",
        (Act::Promote, ..) if from == to => "it is there already",
        (Act::Promote, Draft, Shadow | Limited | Active, Purpose::Clinical) => {
            "clinical use begins with acceptance: `hilum deploy promote NAME --to accepted`"
        }
        (_, _, Accepted, Purpose::Research) => "acceptance is for clinical deployments; set purpose = \"clinical\"",
        (_, _, Draft, _) => "studies have been analysed or proof was given; retire it instead",
        _ => "`hilum deploy ready NAME` shows which steps there are",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTS: [Act; 5] = [Act::Apply, Act::Promote, Act::Suspend, Act::Resume, Act::Rollback];

    /// The whole table, so that no new pair slips in unseen (MV-01).
    #[test]
    fn transition_table() {
        let mut table = String::new();
        for purpose in [Purpose::Research, Purpose::Clinical] {
            for act in ACTS {
                for from in DeploymentState::ALL {
                    let to: Vec<&str> = DeploymentState::ALL
                        .into_iter()
                        .filter(|to| check_transition(from, *to, act, purpose).is_ok())
                        .map(DeploymentState::name)
                        .collect();
                    if !to.is_empty() {
                        table += &format!("{} {act:?} {from} -> {}\n", purpose.name(), to.join(" "));
                    }
                }
            }
        }
        insta::assert_snapshot!(table, @r"
        research Apply draft -> draft shadow limited active retired
        research Apply accepted -> retired
        research Apply shadow -> shadow limited active retired
        research Apply limited -> shadow limited active retired
        research Apply active -> shadow limited active retired
        research Apply suspended -> suspended retired
        research Apply retired -> retired
        research Promote draft -> shadow limited active retired
        research Promote accepted -> retired
        research Promote shadow -> limited active retired
        research Promote limited -> shadow active retired
        research Promote active -> shadow limited retired
        research Promote suspended -> retired
        research Suspend draft -> suspended
        research Suspend accepted -> suspended
        research Suspend shadow -> suspended
        research Suspend limited -> suspended
        research Suspend active -> suspended
        research Suspend suspended -> suspended
        research Resume suspended -> draft shadow limited active
        research Rollback shadow -> shadow
        research Rollback limited -> limited
        research Rollback active -> active
        research Rollback suspended -> suspended
        clinical Apply draft -> draft retired
        clinical Apply accepted -> accepted retired
        clinical Apply shadow -> shadow retired
        clinical Apply limited -> limited retired
        clinical Apply active -> active retired
        clinical Apply suspended -> suspended retired
        clinical Apply retired -> retired
        clinical Promote draft -> accepted retired
        clinical Promote accepted -> shadow limited active retired
        clinical Promote shadow -> limited active retired
        clinical Promote limited -> shadow active retired
        clinical Promote active -> shadow limited retired
        clinical Promote suspended -> retired
        clinical Suspend draft -> suspended
        clinical Suspend accepted -> suspended
        clinical Suspend shadow -> suspended
        clinical Suspend limited -> suspended
        clinical Suspend active -> suspended
        clinical Suspend suspended -> suspended
        clinical Resume suspended -> draft accepted shadow limited active
        clinical Rollback shadow -> shadow
        clinical Rollback limited -> limited
        clinical Rollback active -> active
        clinical Rollback suspended -> suspended
        ");
    }

    /// No result of a clinical deployment reaches a reader without two people, and every stop is free.
    #[test]
    fn what_reaches_readers_is_approved_and_stopping_is_not() {
        for row in
            TRANSITIONS.iter().filter(|row| row.purpose == CLINICAL && matches!(row.act, Act::Promote | Act::Resume))
        {
            let forward = row.to.is_some_and(DeploymentState::reaches_readers) && !row.from.contains(&Active);
            assert_eq!(row.requires.contains(&Requirement::Approval), forward, "{row:?}");
        }
        for from in LIVING {
            for purpose in [Purpose::Research, Purpose::Clinical] {
                assert_eq!(check_transition(*from, Suspended, Act::Suspend, purpose), Ok(&[Requirement::Reason][..]));
            }
        }
    }

    #[test]
    fn every_refusal_names_a_way_out() {
        insta::assert_snapshot!(check_transition(Draft, Active, Act::Promote, Purpose::Clinical).unwrap_err(), @"a clinical deployment cannot go from draft to active: clinical use begins with acceptance: `hilum deploy promote NAME --to accepted`");
        insta::assert_snapshot!(check_transition(Shadow, Active, Act::Apply, Purpose::Clinical).unwrap_err(), @"a clinical deployment cannot go from shadow to active: leave `state` out of its file; `hilum deploy promote` moves it");
        insta::assert_snapshot!(check_transition(Suspended, Active, Act::Promote, Purpose::Research).unwrap_err(), @"a research deployment cannot go from suspended to active: it is suspended; a named person lifts that with `hilum resume`");
        insta::assert_snapshot!(check_transition(Retired, Active, Act::Apply, Purpose::Research).unwrap_err(), @"a research deployment cannot go from retired to active: a retired deployment stays retired; declare a new one under another name");
    }
}
