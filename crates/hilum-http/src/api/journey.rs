//! From the records of the catalog to the journey that the interface and the pages show (GV-11, UX-01).

use super::recalls::RetractionBody;
use super::schema::{
    DecisionBody, DeliveryBody, DeploymentJourney, DispositionBody, EventBody, FindingBody, InferenceBody,
    InstanceBody, ReasonBody, ResultBody, RevisionBody, SegmentBody, StepBody, StudyJourney, StudySummary, millis,
};
use crate::sessions::{proven, session_person};
use crate::state::AppState;
use crate::words::Status;
use axum::http::HeaderMap;
use hilum_gate::Step;
use hilum_registry::{Deployment, ReadingMode};
use hilum_store::labels::FirstRead;
use hilum_store::recalls::Retraction;
use hilum_store::records::{GateDecisionRecord, Inference, Journey};
use hilum_store::{JobKind, JobState, StoreError, StudyKey};
use hilum_types::{Disposition, ModelOutput};
use serde_json::Value;
use std::collections::BTreeMap;

/// First impressions of a study that whoever is signed in has saved; they may see what was hidden until then.
pub(crate) async fn own_first_reads(
    state: &AppState,
    headers: &HeaderMap,
    study: &StudyKey,
) -> Result<Vec<FirstRead>, StoreError> {
    let Some(user) = session_person(state, headers).await? else { return Ok(Vec::new()) };
    let mut first_reads = state.catalog.first_read_list(study).await?;
    first_reads.retain(|first| first.reader == proven(&user));
    Ok(first_reads)
}

/// Everything about one study, with what readers may not see left out; `first_reads` are the first impressions of this
/// reader, who may see what was hidden until then.
pub(crate) fn study_journey(journey: &Journey, deployments: &[Deployment], first_reads: &[FirstRead]) -> StudyJourney {
    StudyJourney {
        study: StudySummary::from(&journey.study),
        instances: journey.instances.iter().map(InstanceBody::from).collect(),
        revisions: journey.revisions.iter().map(RevisionBody::from).collect(),
        deployments: deployment_journeys(journey, deployments, first_reads),
        retractions: journey.retractions.iter().map(|retraction| RetractionBody::of(retraction, journey)).collect(),
        events: events(journey),
    }
}

fn events(journey: &Journey) -> Vec<EventBody> {
    let mut before = None;
    let mut events = Vec::with_capacity(journey.events.len());
    for event in &journey.events {
        events.push(EventBody {
            seq: event.seq,
            at: event.at.to_string(),
            after_ms: millis(before.unwrap_or(event.at), event.at),
            revision: event.revision,
            deployment: event.deployment.clone(),
            kind: event.kind.clone(),
            text: event.text.clone(),
        });
        before = Some(event.at);
    }
    events
}

/// What became of a study for every deployment that considered it, by name.
pub(crate) fn deployment_journeys(
    journey: &Journey,
    deployments: &[Deployment],
    first_reads: &[FirstRead],
) -> Vec<DeploymentJourney> {
    let mut latest: BTreeMap<&str, u32> = BTreeMap::new();
    let considered = (journey.dispositions.iter().map(|d| (d.deployment.as_str(), d.revision)))
        .chain(journey.open.iter().map(|(revision, deployment)| (deployment.as_str(), *revision)))
        .chain(journey.decisions.iter().map(|(revision, d)| (d.deployment.as_str(), *revision)));
    for (deployment, revision) in considered {
        let known = latest.entry(deployment).or_insert(revision);
        *known = (*known).max(revision);
    }
    latest.into_iter().map(|(name, revision)| one(journey, deployments, first_reads, name, revision)).collect()
}

fn one(
    journey: &Journey,
    deployments: &[Deployment],
    first_reads: &[FirstRead],
    name: &str,
    revision: u32,
) -> DeploymentJourney {
    let of_revision = |r: u32, deployment: &str| r == revision && deployment == name;
    let ended = journey.dispositions.iter().find(|d| of_revision(d.revision, &d.deployment));
    let disposition = ended.map(|record| &record.disposition);
    let decisions: Vec<&(u32, GateDecisionRecord)> =
        journey.decisions.iter().filter(|(_, decision)| decision.deployment == name).collect();
    let inference = journey.inferences.iter().rfind(|i| of_revision(i.revision, &i.deployment));
    let revealed = first_reads.iter().any(|first| first.deployment == name && first.revision <= revision);
    let hidden = is_hidden(journey, deployments, name, revision, revealed);
    let output = inference.and_then(output_of);
    let retracted = retraction_of(journey, name, revision);
    let shown =
        output.as_ref().filter(|_| disposition == Some(&Disposition::Analysed) && !hidden && retracted.is_none());
    let running = journey.jobs.iter().any(|job| {
        job.kind == JobKind::Infer
            && job.state == JobState::Leased
            && job.revision == Some(revision)
            && job.deployment.as_deref() == Some(name)
    });
    let reasons = match (disposition.and_then(Disposition::reason), retracted) {
        (_, Some(retraction)) => vec![ReasonBody {
            code: "result.retracted".to_owned(),
            text: format!("retracted: {}", retraction.reason),
            criterion: "recall".to_owned(),
            value: retraction.record.short(),
        }],
        (Some(reason), None) => vec![ReasonBody::from(reason)],
        (None, None) => {
            let last = decisions.iter().rfind(|(r, _)| *r == revision);
            last.map(|(_, decision)| decision.reasons.iter().map(ReasonBody::from).collect()).unwrap_or_default()
        }
    };
    let earlier = journey.dispositions.iter().filter(|d| d.deployment == name && d.revision != revision);
    DeploymentJourney {
        deployment: name.to_owned(),
        revision,
        status: match retracted {
            Some(_) => Status::Retracted,
            None => Status::of(disposition, output.as_ref(), hidden, running),
        },
        disposition: disposition.map(|disposition| disposition.name().to_owned()),
        reasons,
        decisions: decisions.iter().map(|(revision, decision)| decision_body(*revision, decision)).collect(),
        inference: inference.map(|inference| inference_body(inference, shown)),
        results: journey.results.iter().filter(|r| r.deployment == name).map(ResultBody::from).collect(),
        deliveries: journey.deliveries.iter().filter(|d| d.result.deployment == name).map(DeliveryBody::from).collect(),
        earlier: earlier.map(DispositionBody::from).collect(),
        version: None,
        record: None,
        hidden,
    }
}

/// The recall under which the results of a revision and deployment are retracted (AV-11).
fn retraction_of<'a>(journey: &'a Journey, name: &str, revision: u32) -> Option<&'a Retraction> {
    let mut results = journey.results.iter().filter(|r| r.deployment == name && r.revision == revision);
    let record = results.find_map(|result| result.retracted_by)?;
    journey.retractions.iter().find(|retraction| retraction.record == record)
}

/// Whether readers may not see what the model said: it ran in shadow, or the deployment's reading mode says so.
pub(crate) fn is_hidden(
    journey: &Journey,
    deployments: &[Deployment],
    name: &str,
    revision: u32,
    revealed: bool,
) -> bool {
    let mode = deployments.iter().find(|d| d.spec.name == name).map(|d| d.spec.reading_mode);
    let kept_back = journey.results.iter().any(|r| r.deployment == name && r.revision == revision && !r.released);
    let shadow = journey.decisions.iter().any(|(r, record)| {
        *r == revision && record.deployment == name && whole_decision(record).get("shadow") == Some(&Value::Bool(true))
    });
    match mode {
        Some(ReadingMode::Shadow) => true,
        Some(ReadingMode::AfterFirstRead) if !revealed => true,
        Some(ReadingMode::Alongside | ReadingMode::AfterFirstRead) | None => shadow || kept_back,
    }
}

/// The whole decision of the gate, as the record keeps it beside its format version.
fn whole_decision(record: &GateDecisionRecord) -> &Value {
    record.detail.get("decision").unwrap_or(&Value::Null)
}

/// What the model said, as the inference record (MV-19) holds it under `output`.
pub(crate) fn output_of(inference: &Inference) -> Option<ModelOutput> {
    serde_json::from_value(inference.record.get("output")?.clone()).ok()
}

/// The engine as the record names it: a text, or an object with name and version.
fn engine_of(record: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match record.get("engine") {
        Some(Value::Object(engine)) => {
            let parts = ["name", "version"].into_iter().filter_map(|key| engine.get(key).and_then(text));
            parts.collect::<Vec<_>>().join(" ")
        }
        Some(engine) => text(engine).unwrap_or_default(),
        None => String::new(),
    }
}

fn inference_body(inference: &Inference, shown: Option<&ModelOutput>) -> InferenceBody {
    InferenceBody {
        revision: inference.revision,
        package_digest: inference.package.to_string(),
        engine: engine_of(&inference.record),
        started_at: inference.started_at.to_string(),
        finished_at: inference.finished_at.to_string(),
        duration_ms: millis(inference.started_at, inference.finished_at),
        findings: shown.map(|o| o.findings.iter().map(FindingBody::from).collect()).unwrap_or_default(),
        segments: shown.map(|o| o.segments.iter().map(SegmentBody::from).collect()).unwrap_or_default(),
    }
}

/// The steps as the whole decision holds them; else the reasons, without a word on which step each was.
fn decision_body(revision: u32, decision: &GateDecisionRecord) -> DecisionBody {
    let whole = whole_decision(decision).get("steps").cloned();
    let steps = match whole.and_then(|steps| serde_json::from_value::<Vec<Step>>(steps).ok()) {
        Some(steps) if !steps.is_empty() => steps.iter().map(step_body).collect(),
        _ => decision.reasons.iter().map(unnamed_step).collect(),
    };
    DecisionBody {
        revision,
        stage: decision.stage.name().to_owned(),
        decided_at: decision.decided_at.to_string(),
        verdict: decision.verdict.clone(),
        steps,
    }
}

fn step_body(step: &Step) -> StepBody {
    let name = |value: Value| value.as_str().unwrap_or_default().to_owned();
    StepBody {
        step: name(serde_json::to_value(step.step).unwrap_or_default()),
        outcome: name(serde_json::to_value(step.outcome).unwrap_or_default()),
        reason: ReasonBody::from(&step.reason),
    }
}

fn unnamed_step(reason: &hilum_types::Reason) -> StepBody {
    StepBody { step: String::new(), outcome: String::new(), reason: ReasonBody::from(reason) }
}
