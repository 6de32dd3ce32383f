use crate::acquisition::{self, AcquisitionFacts};
use crate::assignment::Role;
use crate::decision::{GateDecision, Outcome, Stage, Step, StepName, Verdict};
use crate::evidence::{EvidenceFacts, evidence};
use crate::review::{ReviewFacts, review};
use hilum_registry::{
    Deployment, DeploymentState, Eligibility, IntendedUse, MonitoringPlan, Purpose, ReadingMode, UndeterminedPolicy,
    WhenOverdue,
};
use hilum_types::{Reason, StudyFacts, Timestamp, Uid};

/// What the gate needs to know of a package.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageFacts {
    /// Model name and version, for people.
    pub title: String,
    /// The package's own intended use.
    pub intended_use: IntendedUse,
    /// Regulatory status or package may not be used from this moment on.
    pub usable_until: Option<Timestamp>,
    /// Why, in words: `CE certificate`, `package`.
    pub usable_until_of: String,
    /// Whether its results can be made to say something that was found about the study: objects that a product makes itself
    /// leave as they came.
    pub can_be_marked: bool,
}

/// Everything a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct GateInput<'a> {
    /// The study revision.
    pub study: &'a StudyFacts,
    /// The deployment as the catalog holds it now.
    pub deployment: &'a Deployment,
    /// Its package.
    pub package: &'a PackageFacts,
    /// Indices into `study.series` that the package's series selection accepts, best first, or why none is.
    pub candidates: Result<&'a [usize], &'a Reason>,
    /// When the study revision was complete.
    pub completed_at: Timestamp,
    /// Before inference or before release.
    pub stage: Stage,
    /// The time of the decision.
    pub now: Timestamp,
    /// What other versions and runs mean for this one.
    pub rollout: RolloutFacts<'a>,
    /// How fresh the evidence about it is; `None`: no rule about it is declared, or nobody knows.
    pub evidence: Option<EvidenceFacts>,
    /// When somebody last looked at its figures; `None`: no review is agreed, or nobody knows.
    pub review: Option<ReviewFacts>,
    /// What was measured of the images, before release.
    pub acquisition: AcquisitionFacts<'a>,
}

/// What other versions and runs mean for a decision. The default: there are none.
#[derive(Debug, Clone, Copy, Default)]
pub struct RolloutFacts<'a> {
    /// Whether this deployment answers for the study while a version is limited. A limited deployment without it runs
    /// in shadow.
    pub role: Option<&'a Role>,
    /// Shadow runs of this deployment that wait already, before inference.
    pub shadow_waiting: Option<u64>,
}

/// Decide for one study revision and one deployment. Pure; see the crate's documentation.
pub fn decide(input: &GateInput<'_>) -> GateDecision {
    let mut steps = Vec::new();
    let verdict = walk(input, &mut steps);
    decision(input.deployment, input.study.revision, input.stage, input.now, verdict, steps)
}

/// The decision when something the gate needs cannot be reached: nothing runs and nothing leaves (MV-09).
pub fn unavailable(
    deployment: &Deployment,
    study_revision: u32,
    stage: Stage,
    now: Timestamp,
    what: &str,
) -> GateDecision {
    let reason = Reason::about(
        "gate.unavailable",
        format!("the gate could not decide, so nothing is released: {what} is not available"),
        "gate",
        what,
    );
    decision(deployment, study_revision, stage, now, Verdict::Withheld { reason }, Vec::new())
}

fn decision(
    deployment: &Deployment,
    study_revision: u32,
    stage: Stage,
    decided_at: Timestamp,
    verdict: Verdict,
    steps: Vec<Step>,
) -> GateDecision {
    GateDecision {
        deployment: deployment.spec.name.clone(),
        deployment_revision: deployment.revision,
        package_digest: deployment.package_digest,
        study_revision,
        stage,
        decided_at,
        verdict,
        steps,
    }
}

/// A check either lets the study on with what it found, or ends the walk with a verdict.
type Checked = Result<Reason, Verdict>;

fn walk(input: &GateInput<'_>, steps: &mut Vec<Step>) -> Verdict {
    match pass_all(input, steps) {
        Ok(run) => run,
        Err((step, verdict)) => {
            if let Some(reason) = verdict.disposition().and_then(|ended| ended.reason().cloned()) {
                steps.push(Step { step, outcome: Outcome::Stopped, reason });
            }
            verdict
        }
    }
}

fn pass_all(input: &GateInput<'_>, steps: &mut Vec<Step>) -> Result<Verdict, (StepName, Verdict)> {
    let mut passed = |step, reason| steps.push(Step { step, outcome: Outcome::Passed, reason });
    let at = |step| move |verdict| (step, verdict);

    passed(StepName::InDate, in_date(input).map_err(at(StepName::InDate))?);
    passed(StepName::State, state(input).map_err(at(StepName::State))?);
    passed(StepName::Suspension, suspension(input).map_err(at(StepName::Suspension))?);
    passed(StepName::Acceptance, acceptance(input).map_err(at(StepName::Acceptance))?);
    if let Some(found) = evidence_step(input).map_err(at(StepName::Evidence))? {
        passed(StepName::Evidence, found);
    }
    if let Some(found) = review_step(input).map_err(at(StepName::Review))? {
        passed(StepName::Review, found);
    }
    let (candidates, found) = series(input).map_err(at(StepName::Series))?;
    passed(StepName::Series, found);
    let (chosen, found) = intended_use(input, candidates).map_err(at(StepName::IntendedUse))?;
    found.into_iter().for_each(|reason| passed(StepName::IntendedUse, reason));
    passed(StepName::Turnaround, turnaround(input).map_err(at(StepName::Turnaround))?);
    for (step, check) in acquisition::CHECKS {
        if let Some((outcome, reason)) = check(input).map_err(at(step))? {
            if outcome == Outcome::Marked && !input.package.can_be_marked {
                return Err((step, unmarked(&reason)));
            }
            steps.push(Step { step, outcome, reason });
        }
    }
    let mut passed = |step, reason| steps.push(Step { step, outcome: Outcome::Passed, reason });
    let answers = input.rollout.role.map_or(input.deployment.state != DeploymentState::Limited, |role| role.delivers);
    if let Some(role) = input.rollout.role {
        passed(StepName::Assignment, role.reason.clone());
    }
    let (shadow, found) = reading_mode(input.deployment, answers);
    passed(StepName::ReadingMode, found);
    if let Some(waiting) = input.rollout.shadow_waiting.filter(|_| shadow) {
        passed(StepName::Room, room(input.deployment, waiting).map_err(at(StepName::Room))?);
    }
    Ok(Verdict::Run { series_instance_uid: chosen, shadow })
}

/// What has to be said and cannot be said keeps the result inside.
fn unmarked(found: &Reason) -> Verdict {
    let text = format!("{}; the objects of a product leave as they came, so this cannot be marked on them", found.text);
    Verdict::Withheld { reason: Reason { code: "envelope.unmarked".to_owned(), text, ..found.clone() } }
}

fn in_date(input: &GateInput<'_>) -> Checked {
    let ends = [
        (input.package.usable_until, input.package.usable_until_of.as_str()),
        (input.deployment.spec.valid_until, "deployment"),
    ];
    for (until, what) in ends {
        if let Some(until) = until.filter(|until| *until <= input.now) {
            return Err(Verdict::Withheld {
                reason: Reason::about(
                    "in-date.ended",
                    format!("the {what} is out of date since {}", until.day()),
                    what,
                    until.day(),
                ),
            });
        }
    }
    Ok(Reason::new("in-date", "package and deployment are in date"))
}

fn state(input: &GateInput<'_>) -> Checked {
    let state = input.deployment.state;
    match state {
        state if state.is_in_service() => {
            Ok(Reason::about("state", format!("the deployment is {state}"), "state", state.name()))
        }
        _ => Err(Verdict::Withheld {
            reason: Reason::about(
                "state.not-in-use",
                format!("the deployment is {state}, so it sees no study"),
                "state",
                state.name(),
            ),
        }),
    }
}

fn suspension(input: &GateInput<'_>) -> Checked {
    let deployment = input.deployment;
    match &deployment.suspension {
        Some(stopped) => Err(Verdict::Withheld {
            reason: Reason::about(
                "suspended",
                format!("{} was suspended by {}: {}", deployment.spec.name, stopped.by, stopped.reason),
                "suspension",
                stopped.since.to_string(),
            ),
        }),
        // The record of who suspended it is missing, and the state alone must be enough to stop it.
        None if deployment.state == DeploymentState::Suspended => Err(Verdict::Withheld {
            reason: Reason::new("suspended", format!("{} is suspended", deployment.spec.name)),
        }),
        None => Ok(Reason::new("suspension.none", "no suspension is in force")),
    }
}

/// Research runs without proof and says so; a clinical deployment runs only while its acceptance counts.
fn acceptance(input: &GateInput<'_>) -> Checked {
    let withheld = |code, text: String, value: String| {
        Err(Verdict::Withheld { reason: Reason::about(code, text, "acceptance", value) })
    };
    let name = &input.deployment.spec.name;
    match (input.deployment.spec.purpose, &input.deployment.acceptance) {
        (Purpose::Research, _) => Ok(Reason::new(
            "acceptance.none",
            "for research: no acceptance stands behind it, its results are marked so",
        )),
        (Purpose::Clinical, None) => withheld(
            "acceptance.missing",
            format!("{name} is clinical, and no accepted validation is on file"),
            String::new(),
        ),
        (Purpose::Clinical, Some(proof)) if proof.until <= input.now => {
            let day = proof.until.day();
            withheld(
                "acceptance.ended",
                format!("the local validation of {name} counted until {day}; validate again"),
                day,
            )
        }
        (Purpose::Clinical, Some(proof)) => Ok(Reason::about(
            "acceptance",
            format!("accepted on {} by record {}", proof.accepted_at.day(), proof.record.short()),
            "acceptance",
            proof.record.short(),
        )),
    }
}

/// What is missing and only raises an alarm is said with every decision.
fn evidence_step(input: &GateInput<'_>) -> Result<Option<Reason>, Verdict> {
    let rule = input.deployment.spec.monitoring.as_ref().and_then(|plan| plan.evidence.as_ref());
    let Some(rule) = rule else { return Ok(None) };
    let found = evidence(input.deployment, rule, input.evidence.as_ref(), input.now);
    if found.withholds { Err(Verdict::Withheld { reason: found.reason }) } else { Ok(Some(found.reason)) }
}

/// Taken only where an overdue review withholds; where it raises an alarm, that tells people.
fn review_step(input: &GateInput<'_>) -> Result<Option<Reason>, Verdict> {
    let stops = |plan: &MonitoringPlan| plan.on_overdue == WhenOverdue::Suspend;
    if !input.deployment.spec.monitoring.as_ref().is_some_and(stops) {
        return Ok(None);
    }
    match review(input.deployment, input.review.as_ref(), input.now) {
        Some(found) if found.withholds => Err(Verdict::Withheld { reason: found.reason }),
        found => Ok(found.map(|found| found.reason)),
    }
}

fn series<'a>(input: &GateInput<'a>) -> Result<(&'a [usize], Reason), Verdict> {
    let candidates = input.candidates.map_err(|reason| Verdict::NotEligible { reason: reason.clone() })?;
    let known = |index: &usize| input.study.series.get(*index).is_some();
    if candidates.is_empty() || !candidates.iter().all(known) {
        let reason = Reason::new("series.none", "the study has no image series of the kind the model reads");
        return Err(Verdict::NotEligible { reason });
    }
    let found = format!("{} of {} series are of the kind the model reads", candidates.len(), input.study.series.len());
    Ok((candidates, Reason::new("series.found", found)))
}

/// The first candidate that both intended uses cover; else the reason of the first candidate.
fn intended_use(input: &GateInput<'_>, candidates: &[usize]) -> Result<(Uid, Vec<Reason>), Verdict> {
    let mut first_refusal = None;
    for series in candidates.iter().map(|index| &input.study.series[*index]) {
        let package = input.package.intended_use.covers_series(input.study, series);
        // What the deployment says of synthetic data can only narrow, and its default would hide what the package allows.
        let mut narrowed = input.deployment.spec.intended_use.clone();
        narrowed.synthetic_data |= input.package.intended_use.synthetic_data;
        let deployment = narrowed.covers_series(input.study, series);
        match (settle(package, input), settle(deployment, input)) {
            (Ok(mut found), Ok(more)) => {
                found.extend(more.into_iter().filter(|reason| !found.contains(reason)).collect::<Vec<_>>());
                return Ok((series.series_instance_uid.clone(), found));
            }
            (Err(verdict), _) | (_, Err(verdict)) => {
                first_refusal.get_or_insert(verdict);
            }
        }
    }
    Err(first_refusal.unwrap_or_else(|| Verdict::NotEligible {
        reason: Reason::new("series.none", "the study has no image series of the kind the model reads"),
    }))
}

fn settle(eligibility: Eligibility, input: &GateInput<'_>) -> Result<Vec<Reason>, Verdict> {
    match eligibility {
        Eligibility::Eligible { checks } => Ok(checks),
        Eligibility::NotEligible { reason } => Err(Verdict::NotEligible { reason }),
        Eligibility::Undetermined { mut reason } => match input.deployment.spec.undetermined {
            UndeterminedPolicy::NotEligible => Err(Verdict::NotEligible { reason }),
            UndeterminedPolicy::Run => {
                reason.text += "; passed over, as the deployment says";
                Ok(vec![reason])
            }
        },
    }
}

/// A clock that went back makes the age negative, and a negative age never expires a result.
fn turnaround(input: &GateInput<'_>) -> Checked {
    let age_seconds = input.now.micros_since(input.completed_at) / 1_000_000;
    match input.deployment.spec.expires_after_seconds {
        Some(limit) if i64::from(limit) < age_seconds => Err(Verdict::Expired {
            reason: Reason::about(
                "turnaround.expired",
                format!("{age_seconds} s after the study was complete, results expire after {limit} s"),
                "age_seconds",
                age_seconds.to_string(),
            ),
        }),
        _ => Ok(Reason::new("turnaround", "the result still comes in time")),
    }
}

fn reading_mode(deployment: &Deployment, answers: bool) -> (bool, Reason) {
    let declared = deployment.state == DeploymentState::Shadow || deployment.spec.reading_mode == ReadingMode::Shadow;
    let text = match (declared, answers) {
        (true, _) => "results stay inside: shadow",
        (false, false) => "results stay inside: another version answers for this study",
        (false, true) => "results are delivered",
    };
    (declared || !answers, Reason::new("reading-mode", text))
}

/// A shadow run that finds too many before it is dropped, so that shadow never grows into a backlog of its own.
fn room(deployment: &Deployment, waiting: u64) -> Checked {
    let bound = deployment.spec.rollout.shadow_waiting_max;
    let (code, word) =
        if waiting < u64::from(bound) { ("shadow.room", "wait") } else { ("shadow.queue-full", "already wait") };
    let reason = Reason::about(
        code,
        format!("{waiting} shadow runs {word}, {bound} may"),
        "shadow_waiting",
        waiting.to_string(),
    );
    if waiting < u64::from(bound) { Ok(reason) } else { Err(Verdict::Withheld { reason }) }
}
