//! What a deployment still lacks before it may take the next step of its life (MV-01).

use crate::proof::{acceptance, approved_change, change_body, rehearsal, replay, trained};
use hilum_registry::lifecycle::TRANSITIONS;
use hilum_registry::manifest::{Manifest, RegulatoryStatus};
use hilum_registry::{
    Acceptance, Act, Deployment, DeploymentState, ForbiddenTransition, IntendedUse, MonitoringPlan, Purpose,
    Requirement, check_transition,
};
use hilum_sign::Record;
use hilum_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// Everything the step is judged by.
#[derive(Debug, Clone, Copy)]
pub struct ProofInput<'a> {
    /// The deployment that shall move.
    pub deployment: &'a Deployment,
    /// The deployment it names as its champion, as it stands.
    pub champion: Option<&'a Deployment>,
    /// Every deployment of the site.
    pub all: &'a [Deployment],
    /// Manifest of its package.
    pub manifest: &'a Manifest,
    /// Names of what is measured of images, for rules about it.
    pub features: &'a [&'a str],
    /// States it has been in with this package.
    pub visited: &'a [DeploymentState],
    /// Records about the package, the deployment, its champion and their waivers, newest first.
    pub records: &'a [Record],
    /// Login names of active users.
    pub users: &'a [String],
    /// The time of the question.
    pub now: Timestamp,
}

/// One thing that is missing, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which requirement; `None` when the step itself is not one of the lifecycle's.
    pub requirement: Option<Requirement>,
    /// What is missing.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl Missing {
    pub(crate) fn new(requirement: Requirement, text: impl Into<String>, remedy: impl Into<String>) -> Missing {
        Missing { requirement: Some(requirement), text: text.into(), remedy: remedy.into() }
    }

    fn step(text: impl Into<String>, remedy: impl Into<String>) -> Missing {
        Missing { requirement: None, text: text.into(), remedy: remedy.into() }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.text, self.remedy)
    }
}

/// Everything `deployment` lacks to go to `to`; empty when `hilum deploy promote` will do it.
///
/// When the step is not one of the lifecycle's, what the state needs anyway is told as well, so that the whole way is
/// known from the beginning. `reason` is the one that would be given with the step.
pub fn readiness(input: &ProofInput<'_>, to: DeploymentState, reason: Option<&str>) -> Vec<Missing> {
    let deployment = input.deployment;
    let (purpose, from) = (deployment.spec.purpose, deployment.state);
    let mut missing = Vec::new();
    let requires = match check_transition(from, to, Act::Promote, purpose) {
        Ok(requires) => requires.to_vec(),
        Err(forbidden) => {
            missing.push(forbidden_step(&deployment.spec.name, &forbidden));
            of_state(to, purpose)
        }
    };
    for requirement in requires {
        missing.extend(check(input, requirement, to, reason));
    }
    missing.extend(family(input, to));
    missing
}

fn forbidden_step(name: &str, forbidden: &ForbiddenTransition) -> Missing {
    let text = format!("{name} is {}, and from there is no step to {}", forbidden.from, forbidden.to);
    Missing::step(text, forbidden.remedy)
}

/// What a state needs, whichever way leads to it.
fn of_state(to: DeploymentState, purpose: Purpose) -> Vec<Requirement> {
    let mut all: Vec<Requirement> = TRANSITIONS
        .iter()
        .filter(|row| row.act == Act::Promote && row.to == Some(to) && row.purpose.is_none_or(|of| of == purpose))
        .flat_map(|row| row.requires.iter().copied())
        .filter(|requirement| !matches!(requirement, Requirement::Reason | Requirement::StepBefore))
        .collect();
    all.sort();
    all.dedup();
    all
}

fn check(
    input: &ProofInput<'_>,
    requirement: Requirement,
    to: DeploymentState,
    reason: Option<&str>,
) -> Option<Missing> {
    let spec = &input.deployment.spec;
    let lacks = |text: &str, remedy: &str| Some(Missing::new(requirement, text, remedy));
    let given = reason.is_some_and(|reason| !reason.trim().is_empty());
    match requirement {
        Requirement::Owner if spec.owner.trim().is_empty() => {
            lacks("nobody answers for it", "set `owner` in its declaration")
        }
        Requirement::IntendedUse if !states_a_use(input) => {
            lacks("neither package nor declaration says what it is for", "set `[deployment.intended_use]`")
        }
        Requirement::RegulatoryStatus => regulatory_status(input),
        Requirement::Acceptance => acceptance(input).err(),
        Requirement::MonitoringPlan => monitoring(input),
        Requirement::Rehearsal => rehearsal(input).err(),
        Requirement::RollbackTarget if !has_rollback_target(input) => lacks(
            "there is no earlier version to return to, and nothing says how studies are read without the model",
            "set `fallback` in its declaration, such as \"read without the model\"",
        ),
        Requirement::Replay => replay(input).err(),
        Requirement::TrainedOverseer if trained(input).is_empty() => lacks(
            "no active user was trained for exactly this version",
            "`hilum user trained USER --model NAME@VERSION --what TEXT`",
        ),
        Requirement::Destination if destinations(input, to).is_empty() => {
            lacks("its results would go nowhere", "set `destinations` in its declaration")
        }
        Requirement::RolloutLimits if !spec.rollout.limits() => lacks(
            "nothing says which studies it answers for",
            "set `rollout.sites`, `rollout.stations` or `rollout.share` in its declaration",
        ),
        Requirement::StepBefore if !given => step_before(input, to),
        Requirement::Reason if !given => lacks("no reason is given", "add --reason TEXT"),
        Requirement::Approval => approval(input, to).err(),
        _ => None,
    }
}

fn states_a_use(input: &ProofInput<'_>) -> bool {
    let says_nothing = |intended: &IntendedUse| {
        *intended == IntendedUse { synthetic_data: intended.synthetic_data, ..IntendedUse::default() }
    };
    !says_nothing(&input.manifest.intended_use) || !says_nothing(&input.deployment.spec.intended_use)
}

fn regulatory_status(input: &ProofInput<'_>) -> Option<Missing> {
    let regulatory = &input.manifest.regulatory;
    let lacks = |text: String| {
        let remedy = "a package whose maker states a status in force; research needs no promotion";
        Some(Missing::new(Requirement::RegulatoryStatus, text, remedy))
    };
    match (regulatory.status, regulatory.expires) {
        (RegulatoryStatus::ResearchOnly, _) => lacks("its package is for research only".to_owned()),
        (_, Some(end)) if end <= input.now => lacks(format!("its regulatory status ended on {}", end.day())),
        _ => None,
    }
}

fn monitoring(input: &ProofInput<'_>) -> Option<Missing> {
    let declared = input.deployment.spec.monitoring.as_ref();
    let gaps = declared.map_or_else(|| MonitoringPlan::default().gaps(), MonitoringPlan::gaps);
    let lacks = |text, remedy| Some(Missing::new(Requirement::MonitoringPlan, text, remedy));
    if !gaps.is_empty() {
        return lacks(format!("its monitoring plan lacks {}", gaps.join(", ")), "set `[deployment.monitoring]`");
    }
    let unknown = declared?.unknown_names(input.manifest, input.features);
    if unknown.is_empty() { None } else { lacks(unknown.join("; "), "put it right in `[deployment.monitoring]`") }
}

fn has_rollback_target(input: &ProofInput<'_>) -> bool {
    let deployment = input.deployment;
    input.champion.is_some() || deployment.rollback.is_some() || !deployment.spec.fallback.trim().is_empty()
}

/// Where results go after the step: an active challenger's version is in use under its champion's declaration.
fn destinations<'a>(input: &ProofInput<'a>, to: DeploymentState) -> &'a [String] {
    match input.champion {
        Some(champion) if to == DeploymentState::Active => &champion.spec.destinations,
        _ => &input.deployment.spec.destinations,
    }
}

fn step_before(input: &ProofInput<'_>, to: DeploymentState) -> Option<Missing> {
    let before = match to {
        DeploymentState::Limited => DeploymentState::Shadow,
        _ => DeploymentState::Limited,
    };
    let taken = input.deployment.state == before || input.visited.contains(&before);
    let text = format!("this version has not been {before} here");
    let remedy = format!("go through {before} first, or say why not with --reason TEXT");
    (!taken).then(|| Missing::new(Requirement::StepBefore, text, remedy))
}

fn approval<'a>(input: &ProofInput<'a>, to: DeploymentState) -> Result<&'a Record, Missing> {
    let expected = change_body("promote", input.deployment, input.champion, to.name(), "");
    approved_change(input.records, &expected).map_err(|gap| {
        let name = &input.deployment.spec.name;
        match gap {
            Some(gap) => Missing::new(Requirement::Approval, gap, "`hilum record sign DIGEST --as USER --meaning ...`"),
            None => Missing::new(
                Requirement::Approval,
                format!("nobody has approved exactly this step to {to}"),
                format!(
                    "`hilum deploy propose {name} --to {to} --reason TEXT`, then `hilum record sign` by two people"
                ),
            ),
        }
    })
}

/// What champion and challengers ask of each other.
fn family(input: &ProofInput<'_>, to: DeploymentState) -> Vec<Missing> {
    let spec = &input.deployment.spec;
    let mut missing = Vec::new();
    if let Some(name) = &spec.champion {
        match input.champion {
            None => missing
                .push(Missing::step(format!("its champion {name:?} is not declared"), "declare it with `hilum apply`")),
            Some(champion) if champion.spec.purpose != spec.purpose => missing.push(Missing::step(
                format!("it is {}, and its champion {name} is {}", spec.purpose.name(), champion.spec.purpose.name()),
                "declare both for the same purpose",
            )),
            Some(champion) if champion.spec.champion.is_some() => missing.push(Missing::step(
                format!("its champion {name} is a challenger itself"),
                "name the deployment that is in use",
            )),
            // One that was stopped takes over a version and stays stopped: it need not be used again to be mended.
            Some(champion) if to == DeploymentState::Active && !champion.state.is_in_service() => {
                missing.push(Missing::step(
                    format!("its champion {name} is {}, so it cannot take over a version", champion.state),
                    "bring the champion into service",
                ));
            }
            Some(_) => {}
        }
    }
    if to == DeploymentState::Limited {
        let family = input.deployment.family();
        let other = input.all.iter().find(|other| {
            other.state == DeploymentState::Limited && other.family() == family && other.spec.name != spec.name
        });
        if let Some(other) = other {
            missing.push(Missing::step(
                format!("{} is limited already, and one version at a time is", other.spec.name),
                "promote it, or put it back into shadow, first",
            ));
        }
    }
    missing
}

/// A step that may be taken: made by [`plan_promotion`] only, and refused by the catalog when what it was decided on
/// has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    name: String,
    revision: u32,
    to: DeploymentState,
    champion: Option<(String, u32, Digest)>,
    acceptance: Option<Acceptance>,
    evidence: Vec<Digest>,
    by: String,
    reason: String,
}

impl Promotion {
    /// The deployment that moves.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its revision when the step was decided on.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Where it goes.
    pub fn to(&self) -> DeploymentState {
        self.to
    }

    /// The champion that takes over its version, with revision and package as they were decided on; only when `to` is
    /// active.
    pub fn champion(&self) -> Option<(&str, u32, Digest)> {
        self.champion.as_ref().map(|(name, revision, package)| (name.as_str(), *revision, *package))
    }

    /// The proof it stands on from here; `None` for research.
    pub fn acceptance(&self) -> Option<&Acceptance> {
        self.acceptance.as_ref()
    }

    /// Digests of every record that the step rests on.
    pub fn evidence(&self) -> &[Digest] {
        &self.evidence
    }

    /// Who takes the step.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Why, in their words; may be empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Decide on one step. `expected` is the package that the caller believes to be in use (the champion's, for a
/// challenger); a step that was meant for something else is refused.
///
/// # Errors
/// Everything that is missing.
pub fn plan_promotion(
    input: &ProofInput<'_>,
    to: DeploymentState,
    expected: Option<&str>,
    by: &str,
    reason: Option<&str>,
) -> Result<Promotion, Vec<Missing>> {
    let mut missing = readiness(input, to, reason);
    let deployment = input.deployment;
    let in_use = input.champion.unwrap_or(deployment);
    let digest = in_use.package_digest.to_string();
    if let Some(expected) = expected.filter(|expected| expected.len() < 12 || !digest.starts_with(*expected)) {
        let text = format!("{} has package {}, not {expected}", in_use.spec.name, in_use.package_digest.short());
        missing.push(Missing::step(
            text,
            "somebody changed it meanwhile; look at `hilum deploy history`, and decide again",
        ));
    }
    if by.trim().is_empty() {
        missing.push(Missing::step("nobody is named who takes the step", "add --by NAME"));
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    let proven = deployment.spec.purpose == Purpose::Clinical && to != DeploymentState::Retired;
    let acceptance = if proven { acceptance(input).ok() } else { None };
    let mut evidence: Vec<Digest> = acceptance.iter().map(|accepted| accepted.record).collect();
    if proven && to.reaches_readers() {
        evidence.extend(rehearsal(input).ok().flatten().map(|record| record.digest));
        evidence.extend(replay(input).ok().flatten().map(|record| record.digest));
        evidence.extend(approval(input, to).ok().map(|record| record.digest));
        evidence.extend(trained(input).iter().map(|record| record.digest));
    }
    let takes_over = input.champion.filter(|_| to == DeploymentState::Active);
    Ok(Promotion {
        name: deployment.spec.name.clone(),
        revision: deployment.revision,
        to,
        champion: takes_over.map(|c| (c.spec.name.clone(), c.revision, c.package_digest)),
        // A step back keeps the proof it stood on.
        acceptance: acceptance.or_else(|| deployment.acceptance.clone()),
        evidence,
        by: by.to_owned(),
        reason: reason.unwrap_or_default().trim().to_owned(),
    })
}
