//! One study revision past the gate, for every deployment in service.

use crate::facts::package_facts;
use crate::observe::observe_unread;
use crate::runner::{Context, JobError};
use hilum_gate::{
    AcquisitionFacts, Assignment, AssignmentInput, EvidenceFacts, GateDecision, GateInput, LimitedOutcome, ReviewFacts,
    Role, RolloutFacts, Stage, Verdict, assign, decide, settle, unavailable,
};
use hilum_registry::{Deployment, DeploymentSpec, DeploymentState, Manifest, Purpose};
use hilum_store::records::{Evaluation, GateDecisionRecord, GateStage, NewAssignment, NewInference, Package};
use hilum_store::rollout::StudyAssignment;
use hilum_store::{Catalog, Job, Priority, StoreError, StudyKey};
use hilum_types::{Disposition, StudyFacts, Timestamp};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// A study revision on its way past the gate.
struct Round<'a> {
    context: &'a Context,
    facts: &'a StudyFacts,
    completed_at: Timestamp,
    now: Timestamp,
}

/// Decisions taken again because a deployment changed before they were recorded.
const ROUNDS_MAX: usize = 10;

/// Carry out an `Evaluate` job.
pub(crate) async fn evaluate(context: &Context, job: &Job) -> Result<(), JobError> {
    for _ in 0..ROUNDS_MAX {
        match evaluate_once(context, job).await {
            Err(JobError::Store(StoreError::DeploymentChanged)) => {}
            done => return done,
        }
    }
    Err(JobError::Broken(format!("a deployment changed {ROUNDS_MAX} times during the evaluation")))
}

async fn evaluate_once(context: &Context, job: &Job) -> Result<(), JobError> {
    let (study_key, revision) = job_subject(job)?;
    let facts = context.catalog.study_facts(&study_key, revision).await?;
    let mut deployments = context.catalog.deployment_list().await?;
    deployments.retain(|deployment| deployment.state.is_in_service());
    // A limited version is asked first, because what it answers decides who answers.
    deployments.sort_by_key(|deployment| deployment.state != DeploymentState::Limited);
    let earlier = context.catalog.study_assignments(&study_key).await?;
    let now = context.clock.now();
    let round = Round { context, facts: &facts, completed_at: job.created_at, now };
    let mut families: BTreeMap<&str, (&str, Assignment)> = BTreeMap::new();
    let mut decided: Vec<(&Deployment, GateDecision)> = Vec::new();
    let mut observations = Vec::new();
    for deployment in &deployments {
        let is_limited = deployment.state == DeploymentState::Limited;
        if is_limited {
            let assignment = round.assignment(deployment, &earlier);
            families.insert(deployment.family(), (&deployment.spec.name, assignment));
        }
        let family = families.get(deployment.family());
        let role = family.map(|(limited, assignment)| assignment.role(*limited == deployment.spec.name));
        let package = context.catalog.package_get(&deployment.package_digest.to_string()).await;
        let manifest = package.as_ref().ok().and_then(|package| Manifest::deserialize(&package.manifest).ok());
        let decision = round.ask(deployment, package, role.as_ref()).await?;
        if decision.verdict.disposition().is_some() {
            observations.push(observe_unread(&facts, deployment, manifest.as_ref()));
        }
        if let Some((limited, assignment)) = families.get_mut(deployment.family()).filter(|_| is_limited) {
            let outcome = match decision.verdict.disposition() {
                Some(ended) => LimitedOutcome::Silent(ended.name().replace('_', " ")),
                None => LimitedOutcome::Open,
            };
            *assignment = settle(assignment, limited, &outcome);
        }
        decided.push((deployment, decision));
    }
    let evaluation = Evaluation {
        study_key,
        revision,
        decisions: decided.iter().map(|(_, decision)| record(decision)).collect(),
        dispositions: decided.iter().filter_map(ended).collect(),
        infer: decided.iter().filter_map(|one| inference(one, &decided)).collect(),
        assignments: families
            .into_iter()
            .map(|(family, (limited, assignment))| NewAssignment {
                family: family.to_owned(),
                limited: limited.to_owned(),
                assignment,
            })
            .collect(),
        observations,
    };
    Ok(context.catalog.evaluation_record(&job.lease(), &evaluation, now).await?)
}

impl Round<'_> {
    /// Which side answers: as for an earlier revision of the study under the same limited version, or by its rollout.
    fn assignment(&self, limited: &Deployment, earlier: &[StudyAssignment]) -> Assignment {
        let same = |row: &&StudyAssignment| row.limited == limited.spec.name && row.family == limited.family();
        let earlier = earlier.iter().rev().find(same).map(|row| &row.assignment);
        assign(&AssignmentInput { study: self.facts, limited, earlier, site_key: self.context.site_key.bytes() })
    }

    async fn ask(
        &self,
        deployment: &Deployment,
        package: Result<Package, StoreError>,
        role: Option<&Role>,
    ) -> Result<GateDecision, JobError> {
        let catalog = &self.context.catalog;
        // Where a limited version answers, its champion stands by in case it fails, and is not dropped.
        let stands_by =
            role.is_some() && deployment.state != DeploymentState::Limited && deployment.spec.champion.is_none();
        let shadow_waiting = if stands_by { None } else { Some(catalog.shadow_waiting(&deployment.spec.name).await?) };
        let rollout = RolloutFacts { role, shadow_waiting };
        let evidence = catalog.evidence_facts(deployment, self.now).await?;
        let review = catalog.review_facts(deployment, self.now).await?;
        let asked = Asked {
            completed_at: self.completed_at,
            stage: Stage::BeforeInference,
            now: self.now,
            rollout,
            evidence,
            review,
        };
        ask(self.facts, deployment, package, asked, AcquisitionFacts::default())
    }
}

fn ended((deployment, decision): &(&Deployment, GateDecision)) -> Option<(String, Disposition)> {
    Some((deployment.spec.name.clone(), decision.verdict.disposition()?))
}

/// The run that a decision leads to: what stays inside goes after what is delivered, and gives way to everything.
fn inference(
    (deployment, decision): &(&Deployment, GateDecision),
    all: &[(&Deployment, GateDecision)],
) -> Option<NewInference> {
    let Verdict::Run { shadow, .. } = decision.verdict else { return None };
    let answers = |(other, decision): &&(&Deployment, GateDecision)| {
        other.family() == deployment.family() && matches!(decision.verdict, Verdict::Run { shadow: false, .. })
    };
    let first = all.iter().find(answers).map(|(other, _)| other.spec.name.clone());
    Some(NewInference {
        deployment: deployment.spec.name.clone(),
        priority: if shadow { Priority::SHADOW } else { Priority::ROUTINE },
        after: first.filter(|first| shadow && *first != deployment.spec.name),
    })
}

/// The study and revision a job is about.
pub(crate) fn job_subject(job: &Job) -> Result<(StudyKey, u32), JobError> {
    match (&job.study_key, job.revision) {
        (Some(study_key), Some(revision)) => Ok((study_key.clone(), revision)),
        _ => Err(JobError::Broken("the job names no study revision".to_owned())),
    }
}

/// When and why the gate is asked.
pub(crate) struct Asked<'a> {
    pub(crate) completed_at: Timestamp,
    pub(crate) stage: Stage,
    pub(crate) now: Timestamp,
    pub(crate) rollout: RolloutFacts<'a>,
    pub(crate) evidence: Option<EvidenceFacts>,
    pub(crate) review: Option<ReviewFacts>,
}

/// Put one study to the gate for one deployment. A package that cannot be read closes the gate (MV-09).
///
/// # Errors
/// Only when the catalog is out of reach for the moment: the job is then tried again.
pub(crate) fn ask(
    study: &StudyFacts,
    deployment: &Deployment,
    package: Result<Package, StoreError>,
    asked: Asked<'_>,
    acquisition: AcquisitionFacts<'_>,
) -> Result<GateDecision, JobError> {
    let Asked { completed_at, stage, now, rollout, evidence, review } = asked;
    let closed = |what| Ok(unavailable(deployment, study.revision, stage, now, what));
    let package = match package {
        Ok(package) => package,
        Err(error) if error.kind() == hilum_store::ErrorKind::Unavailable => return Err(error.into()),
        Err(_) => return closed("registry"),
    };
    let Ok(manifest) = serde_json::from_value::<Manifest>(package.manifest) else {
        return closed("package manifest");
    };
    let candidates = manifest.candidate_series(study);
    Ok(decide(&GateInput {
        study,
        deployment,
        package: &package_facts(&manifest),
        candidates: candidates.as_deref(),
        completed_at,
        stage,
        now,
        rollout,
        evidence,
        review,
        acquisition,
    }))
}

/// The decision as the catalog keeps it.
pub(crate) fn record(decision: &GateDecision) -> GateDecisionRecord {
    let mut reasons: Vec<_> = decision.steps.iter().map(|step| step.reason.clone()).collect();
    if reasons.is_empty() {
        reasons.extend(decision.verdict.disposition().and_then(|ended| ended.reason().cloned()));
    }
    GateDecisionRecord {
        deployment: decision.deployment.clone(),
        stage: match decision.stage {
            Stage::BeforeInference => GateStage::BeforeInference,
            Stage::BeforeRelease => GateStage::BeforeRelease,
        },
        decided_at: decision.decided_at,
        verdict: decision.verdict.name().to_owned(),
        reasons,
        detail: json!({ "format": 1, "decision": decision }),
    }
}

/// What a declared deployment would have made of one study of the past (UX-04).
#[derive(Debug, Clone, PartialEq)]
pub struct DryRunLine {
    /// The study.
    pub study_key: StudyKey,
    /// What would happen; `None` disposition means the model would run.
    pub decision: GateDecision,
}

impl DryRunLine {
    /// Whether the model would have run.
    pub fn eligible(&self) -> bool {
        matches!(self.decision.verdict, Verdict::Run { .. })
    }

    /// How the study would have ended without the model.
    pub fn disposition(&self) -> Option<Disposition> {
        self.decision.verdict.disposition()
    }
}

/// Put the last `n` complete studies to the gate for a deployment that is only declared. Writes nothing.
///
/// It is asked as if it were in use and proven, because its author wants to know whom it is for.
///
/// # Errors
/// The package is not there, or the catalog is out of reach.
pub async fn dry_run(
    catalog: &dyn Catalog,
    spec: &DeploymentSpec,
    n: u32,
    now: Timestamp,
) -> Result<Vec<DryRunLine>, StoreError> {
    let package = catalog.package_get(&spec.package).await?;
    let manifest: Manifest =
        serde_json::from_value(package.manifest).map_err(|_| StoreError::DamagedRow { column: "package.manifest" })?;
    let state = match spec.state {
        DeploymentState::Shadow => DeploymentState::Shadow,
        _ => DeploymentState::Active,
    };
    // Nor is it asked for evidence, of which there is none yet.
    let spec = DeploymentSpec { purpose: Purpose::Research, monitoring: None, ..spec.clone() };
    let deployment = Deployment { revision: 0, ..Deployment::declared(spec, package.digest, state, now) };
    let facts = package_facts(&manifest);
    let studies = catalog.study_facts_recent(n).await?;
    let lines = studies.into_iter().map(|(study_key, study)| {
        let candidates = manifest.candidate_series(&study);
        let input = GateInput {
            study: &study,
            deployment: &deployment,
            package: &facts,
            candidates: candidates.as_deref(),
            completed_at: now,
            stage: Stage::BeforeInference,
            now,
            rollout: RolloutFacts::default(),
            evidence: None,
            review: None,
            acquisition: AcquisitionFacts::default(),
        };
        DryRunLine { study_key, decision: decide(&input) }
    });
    Ok(lines.collect())
}
