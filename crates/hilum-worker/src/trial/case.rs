//! One case through the gate and the model.

use super::{Journal, Subject, TrialError, images_digest};
use crate::facts::package_facts;
use crate::runner::describe;
use hilum_dicom::{Limits, read_part10_header};
use hilum_gate::{AcquisitionFacts, GateInput, RolloutFacts, Stage, Verdict, decide};
use hilum_infer::{InferError, InstanceInput, RunSettings};
use hilum_registry::{Deployment, Manifest};
use hilum_store::{BlobStore, ErrorKind};
use hilum_types::{Digest, InstanceHeader, StudyFacts, Timestamp, Uid};
use hilum_validate::{ListedCase, NotRunEnd, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a package made of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseRun {
    /// How it ended.
    pub ended: Ended,
    /// The image it was asked about, the middle one of several, and its frame from 0, for a picture.
    pub shown: Option<(Digest, u32)>,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum Ended {
    /// The model ran: calibrated score of each finding that has one.
    Ran {
        /// By label of the finding.
        scores: BTreeMap<String, f64>,
    },
    /// It gave no result.
    NotRun {
        /// At which station.
        end: NotRunEnd,
        /// Why, in words that name no patient.
        reason: String,
    },
}

impl CaseRun {
    /// Calibrated score of a finding.
    pub fn score(&self, finding: &str) -> Option<f64> {
        match &self.ended {
            Ended::Ran { scores } => scores.get(finding).copied(),
            Ended::NotRun { .. } => None,
        }
    }

    /// The outcome for one finding, as an acceptance test takes it.
    pub fn outcome(&self, finding: &str) -> Outcome {
        match &self.ended {
            Ended::NotRun { end, reason } => Outcome::NotRun { end: *end, reason: reason.clone() },
            Ended::Ran { scores } => match scores.get(finding) {
                Some(score) => Outcome::score(*score),
                None => Outcome::NotRun {
                    end: NotRunEnd::Failed,
                    reason: format!("the model gave no score for {finding:?}"),
                },
            },
        }
    }
}

/// A case of the list, as a worker takes it.
pub(super) struct CaseInput {
    pub(super) id: String,
    objects: Vec<Digest>,
}

impl CaseInput {
    pub(super) fn of(case: &ListedCase) -> Result<CaseInput, TrialError> {
        let objects = case.instances.iter().map(|instance| instance.object).collect::<Option<Vec<Digest>>>();
        let missing = || TrialError::Case { case: case.id.clone(), why: "the list holds no object of it".to_owned() };
        Ok(CaseInput { id: case.id.clone(), objects: objects.ok_or_else(missing)? })
    }
}

pub(super) async fn run(
    subject: &Subject,
    input: &CaseInput,
    blobs: &dyn BlobStore,
    journal: &Journal,
    now: Timestamp,
) -> Result<CaseRun, TrialError> {
    let (facts, parts) = read(input, blobs).await?;
    let series = match ask_gate(&subject.manifest, &subject.deployment, &facts, now) {
        Ok(series) => series,
        Err(ended) => return Ok(CaseRun { ended, shown: None }),
    };
    let instances = instances_of(&facts, &series, &parts);
    let middle = instances.get(instances.len() / 2).map(|instance| &instance.header);
    let shown = middle.map(|header| (parts[&header.sop_instance_uid].1, header.frames() / 2));
    let images = images_digest(&input.objects);
    if let Some(ended) = journal.held(&input.id, &images) {
        return Ok(CaseRun { ended, shown });
    }
    let ended = infer(subject, instances).await?;
    journal.note(&input.id, &images, &ended)?;
    Ok(CaseRun { ended, shown })
}

/// The images of one series of the case.
pub(super) fn instances_of(facts: &StudyFacts, series: &Uid, parts: &Parts) -> Vec<InstanceInput> {
    let chosen = facts.series.iter().find(|candidate| candidate.series_instance_uid == *series);
    let input = |header: &InstanceHeader| {
        let (part10, _) = &parts[&header.sop_instance_uid];
        InstanceInput { header: header.clone(), part10: part10.as_ref().into() }
    };
    chosen.into_iter().flat_map(|series| &series.instances).map(input).collect()
}

pub(super) type Parts = BTreeMap<Uid, (bytes::Bytes, Digest)>;

/// The study that the case's images make up, with the bytes of each.
pub(super) async fn read(input: &CaseInput, blobs: &dyn BlobStore) -> Result<(StudyFacts, Parts), TrialError> {
    let wrong = |why: String| TrialError::Case { case: input.id.clone(), why };
    let (mut parts, mut headers) = (Parts::new(), Vec::new());
    for object in &input.objects {
        let bytes = match blobs.blob_get(object).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Corrupt => return Err(wrong(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let header = read_part10_header(&bytes, &Limits::default()).map_err(|error| wrong(describe(&error)))?.header;
        parts.insert(header.sop_instance_uid.clone(), (bytes, *object));
        headers.push(header);
    }
    let facts = StudyFacts::from_headers(1, headers).ok_or_else(|| wrong("it has no image".to_owned()))?;
    Ok((facts, parts))
}

/// The series the model may run on, or how the case ended.
pub(super) fn ask_gate(
    manifest: &Manifest,
    deployment: &Deployment,
    study: &StudyFacts,
    now: Timestamp,
) -> Result<Uid, Ended> {
    let candidates = manifest.candidate_series(study);
    let decision = decide(&GateInput {
        study,
        deployment,
        package: &package_facts(manifest),
        candidates: candidates.as_deref(),
        completed_at: now,
        rollout: RolloutFacts::default(),
        evidence: None,
        review: None,
        acquisition: AcquisitionFacts::default(),
        stage: Stage::BeforeInference,
        now,
    });
    let (end, reason) = match decision.verdict {
        Verdict::Run { series_instance_uid, .. } => return Ok(series_instance_uid),
        Verdict::NotEligible { reason } => (NotRunEnd::NotEligible, reason),
        Verdict::Withheld { reason } | Verdict::Expired { reason } => (NotRunEnd::Withheld, reason),
    };
    Err(Ended::NotRun { end, reason: reason.text })
}

async fn infer(subject: &Subject, instances: Vec<InstanceInput>) -> Result<Ended, TrialError> {
    let package = subject.loaded.clone();
    let operating_points = subject.deployment.spec.operating_points.clone();
    let settings = RunSettings { deadline: None, operating_points };
    let running = tokio::task::spawn_blocking(move || hilum_infer::run(&package, instances, &settings)).await;
    Ok(match running.unwrap_or_else(|_| Err(InferError::Defect("the inference thread panicked".to_owned()))) {
        Ok(outcome) => {
            let score = |finding: hilum_types::Finding| Some((finding.label, finding.score?));
            Ended::Ran { scores: outcome.output.findings.into_iter().filter_map(score).collect() }
        }
        Err(error) => Ended::NotRun { end: NotRunEnd::Failed, reason: describe(&error) },
    })
}
