//! One model on one study revision: gate, run, gate again, encode, record.

use crate::black_box::{self, Product, ProductRun};
use crate::evaluate::{Asked, ask, job_subject, record};
use crate::family::role;
use crate::observe::{Measured, acquisition, header_of, observe, observe_end};
use crate::runner::{Context, JobError, describe};
use crate::traces;
use bytes::Bytes;
use hilum_gate::{AcquisitionFacts, GateDecision, RolloutFacts, Stage, Verdict};
use hilum_infer::{InferError, InferenceOutcome as Outcome, InstanceInput, LoadedPackage, RunSettings};
use hilum_registry::manifest::{Manifest, RegulatoryStatus};
use hilum_registry::{Deployment, Purpose};
use hilum_result::{ContentQualification, EncodeRequest, EncodedResult, SourceImage, encode, english};
use hilum_store::records::{InferenceOutcome, NewResult, ResultKind, Study, StudyState};
use hilum_store::{BlobStore, ErrorKind, Job, StoreError};
use hilum_types::{
    AlgorithmIdentity, Digest, Disposition, Finding, InstanceHeader, Reason, StudyFacts, Timestamp, Uid,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs started again because the version changed while it ran.
const RUNS_MAX: usize = 3;

/// Decisions taken again because a study was reopened or a deployment changed while the result was recorded.
const DECISIONS_MAX: usize = 10;

/// What an `Infer` job is about, as it stands when it begins.
pub(crate) struct Subject {
    pub(crate) study: Study,
    pub(crate) facts: StudyFacts,
    pub(crate) deployment: Deployment,
}

/// Carry out an `Infer` job. When the deployment got another version meanwhile, that one runs: what is left of a version
/// that was taken back does not leave (AV-09).
pub(crate) async fn infer(context: &Context, job: &Job) -> Result<(), JobError> {
    for _ in 0..RUNS_MAX {
        if infer_once(context, job).await? == Attempt::Ended {
            return Ok(());
        }
    }
    Err(JobError::Broken(format!("the version changed {RUNS_MAX} times during the run")))
}

/// How one run ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Recorded.
    Ended,
    /// The deployment has another version than the one that ran.
    OtherVersion,
}

async fn infer_once(context: &Context, job: &Job) -> Result<Attempt, JobError> {
    let subject = read_subject(context, job).await?;
    if let Some(product) = read_product(context, &subject.deployment).await? {
        return black_box::infer(context, job, &subject, &product).await;
    }
    let (before, nothing) = (Stage::BeforeInference, AcquisitionFacts::default());
    let decision = decide(context, job, &subject.facts, &subject.deployment, before, nothing).await?;
    let ended = superseded(&subject.study, job).or_else(|| decision.verdict.disposition());
    if let Some(disposition) = ended {
        return end(context, job, &subject.deployment, Some(&decision), &disposition).await;
    }
    let Verdict::Run { series_instance_uid, .. } = &decision.verdict else {
        return Err(JobError::Broken("the gate gave neither a series nor a disposition".to_owned()));
    };
    let inputs = match read_images(context, job, series_instance_uid).await? {
        Ok(inputs) => inputs,
        Err(reason) => return end(context, job, &subject.deployment, None, &Disposition::Failed(reason)).await,
    };
    let started_at = context.clock.now();
    let (package, outcome) = match run(context, &subject.deployment, inputs.clone()).await {
        Ok(ran) => ran,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an inference failed");
            let ended = end(context, job, &subject.deployment, None, &Disposition::Failed(failure(&error))).await?;
            stop_other_version(context, &subject.deployment, &error).await?;
            return Ok(ended);
        }
    };
    let ran = ModelRun { package, outcome, inputs, started_at, finished_at: context.clock.now() };
    release(context, job, &subject, &Ran::Model(Arc::new(ran))).await
}

/// The product that stands behind the deployment's package, if one does. What the gate has to say about a package that
/// cannot be read is said later.
async fn read_product(context: &Context, deployment: &Deployment) -> Result<Option<Product>, JobError> {
    let package = match context.catalog.package_get(&deployment.package_digest.to_string()).await {
        Ok(package) => package,
        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    Ok(serde_json::from_value::<Manifest>(package.manifest).ok().and_then(Product::of))
}

async fn read_subject(context: &Context, job: &Job) -> Result<Subject, JobError> {
    let (study_key, revision) = job_subject(job)?;
    let broken = |what: &str| JobError::Broken(format!("{what} is not in the catalog"));
    let study = context.catalog.study_get(&study_key).await?.ok_or_else(|| broken("the study"))?;
    let facts = context.catalog.study_facts(&study_key, revision).await?;
    Ok(Subject { study, facts, deployment: read_deployment(context, job).await? })
}

async fn read_deployment(context: &Context, job: &Job) -> Result<Deployment, JobError> {
    let name = job.deployment.as_deref().ok_or_else(|| JobError::Broken("the job names no deployment".to_owned()))?;
    let found = context.catalog.deployment_get(name).await?;
    found.ok_or_else(|| JobError::Broken("the deployment is not in the catalog".to_owned()))
}

pub(crate) async fn decide(
    context: &Context,
    job: &Job,
    facts: &StudyFacts,
    deployment: &Deployment,
    stage: Stage,
    acquisition: AcquisitionFacts<'_>,
) -> Result<GateDecision, JobError> {
    let (study_key, revision) = job_subject(job)?;
    let role = role(context, &study_key, revision, deployment).await?;
    let package = context.catalog.package_get(&deployment.package_digest.to_string()).await;
    let rollout = RolloutFacts { role: role.as_ref(), shadow_waiting: None };
    let now = context.clock.now();
    let evidence = context.catalog.evidence_facts(deployment, now).await?;
    let review = context.catalog.review_facts(deployment, now).await?;
    let asked = Asked { completed_at: job.created_at, stage, now, rollout, evidence, review };
    ask(facts, deployment, package, asked, acquisition)
}

/// A late image makes what was to be analysed incomplete (AV-02): the later revision is analysed instead.
pub(crate) fn superseded(study: &Study, job: &Job) -> Option<Disposition> {
    let revision = job.revision.unwrap_or_default();
    let reopened = study.revision != revision || study.state == StudyState::Receiving;
    reopened.then(|| {
        Disposition::Withheld(Reason::about(
            "study.reopened",
            "an image came late, so a later revision of the study is analysed instead",
            "revision",
            study.revision.to_string(),
        ))
    })
}

/// End a job without a result. `tried` is the deployment as it was when the work began: its version answers for the end,
/// whichever is in use by now.
pub(crate) async fn end(
    context: &Context,
    job: &Job,
    tried: &Deployment,
    decision: Option<&GateDecision>,
    disposition: &Disposition,
) -> Result<Attempt, JobError> {
    let decision = decision.map(record);
    let observation = observe_end(context, job, tried).await?;
    let (lease, now) = (job.lease(), context.clock.now());
    context.catalog.inference_end(&lease, decision.as_ref(), disposition, Some(&observation), now).await?;
    Ok(Attempt::Ended)
}

/// The current instances of the chosen series with their bytes, or why one of them cannot be used.
async fn read_images(
    context: &Context,
    job: &Job,
    series_instance_uid: &Uid,
) -> Result<Result<Vec<InstanceInput>, Reason>, JobError> {
    let (study_key, revision) = job_subject(job)?;
    let stored = context.catalog.study_instances(&study_key, revision).await?;
    let mut blobs = std::collections::HashMap::new();
    let mut headers = Vec::new();
    for instance in stored.into_iter().filter(|i| i.header.series_instance_uid == *series_instance_uid) {
        blobs.insert(instance.header.sop_instance_uid.clone(), instance.blob);
        headers.push(instance.header);
    }
    // The same order as the gate saw: by instance number, then UID.
    let ordered = StudyFacts::from_headers(revision, headers);
    let mut inputs = Vec::new();
    for header in ordered.iter().flat_map(StudyFacts::instances) {
        let bytes = match context.blobs.blob_get(&blobs[&header.sop_instance_uid]).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return Ok(Err(Reason::new("input.damaged", format!("a stored image cannot be used: {error}"))));
            }
            Err(error) => return Err(error.into()),
        };
        inputs.push(InstanceInput { header: header.clone(), part10: bytes.as_ref().into() });
    }
    Ok(Ok(inputs))
}

async fn run(
    context: &Context,
    deployment: &Deployment,
    inputs: Vec<InstanceInput>,
) -> Result<(Arc<LoadedPackage>, Outcome), InferError> {
    let (models, digest) = (context.models.clone(), deployment.package_digest);
    let settings = RunSettings { deadline: None, operating_points: deployment.spec.operating_points.clone() };
    let work = tokio::task::spawn_blocking(move || {
        let package = models.load(digest)?;
        let outcome = hilum_infer::run(&package, inputs, &settings)?;
        Ok((package, outcome))
    });
    work.await.unwrap_or_else(|_panicked| Err(InferError::Defect("the inference thread panicked".to_owned())))
}

/// A server that runs a version nobody accepted is not asked about the next study either (MV-15). The study that showed
/// it has ended by now, because a suspension takes its job away.
async fn stop_other_version(context: &Context, deployment: &Deployment, error: &InferError) -> Result<(), JobError> {
    let InferError::RemoteVersion { expected, found } = error else { return Ok(()) };
    let (name, now) = (deployment.spec.name.as_str(), context.clock.now());
    let reason = format!("the server runs version {found} instead of {expected}");
    let (by, package) = ("stop-rule:remote-version", &deployment.package_digest);
    if !context.catalog.version_suspend(name, package, by, &reason, now).await? {
        // A package that declares the server's new version has been promoted since.
        return Ok(());
    }
    let text = format!("{name} is suspended: {reason}, and nobody declared that");
    Ok(context.catalog.alarm_raise("remote-version", &text, None, Some(name), now).await?)
}

/// The stable code and sentence of a failed run (AV-04, AV-10).
fn failure(error: &InferError) -> Reason {
    let code = match error {
        InferError::Deadline { .. } => "limit.deadline",
        InferError::Memory { .. } => "limit.memory",
        InferError::Images(_) => "input.unsuitable",
        InferError::Pixels(_) => "input.undecodable",
        InferError::Refused(_) | InferError::OtherVersion { .. } | InferError::Golden { .. } => "package.refused",
        _ => "model.failed",
    };
    Reason::new(code, describe(error))
}

/// A finished run of a model of this process, or of one that a server runs tensor by tensor.
pub(crate) struct ModelRun {
    package: Arc<LoadedPackage>,
    outcome: Outcome,
    inputs: Vec<InstanceInput>,
    started_at: Timestamp,
    finished_at: Timestamp,
}

/// A finished run, whoever computed it.
pub(crate) enum Ran {
    /// A model whose outputs are interpreted and encoded here.
    Model(Arc<ModelRun>),
    /// A product that makes its own result objects.
    Product(Arc<ProductRun>),
}

impl Ran {
    fn package(&self) -> Digest {
        match self {
            Ran::Model(run) => run.outcome.package_digest,
            Ran::Product(run) => run.package(),
        }
    }

    fn started_at(&self) -> Timestamp {
        match self {
            Ran::Model(run) => run.started_at,
            Ran::Product(run) => run.started_at(),
        }
    }

    fn finished_at(&self) -> Timestamp {
        match self {
            Ran::Model(run) => run.finished_at,
            Ran::Product(run) => run.finished_at(),
        }
    }

    /// What was measured on the images.
    fn features(&self) -> &BTreeMap<String, f64> {
        match self {
            Ran::Model(run) => &run.outcome.features,
            Ran::Product(run) => run.features(),
        }
    }

    /// The vectors of the embedding that is monitored, one per run of the model; empty where there is none.
    fn embedding(&self) -> &[Vec<f32>] {
        match self {
            Ran::Model(run) => run.outcome.first_embedding(),
            Ran::Product(_) => &[],
        }
    }

    /// The first image of the series that was read.
    fn header<'a>(&'a self, facts: &'a StudyFacts) -> Option<&'a InstanceHeader> {
        match self {
            Ran::Model(run) => run.inputs.first().map(|input| &input.header),
            Ran::Product(run) => header_of(facts, run.series(), None),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        match self {
            Ran::Model(run) => run.outcome.output.findings.clone(),
            Ran::Product(run) => run.findings(),
        }
    }

    fn record(&self) -> serde_json::Value {
        match self {
            Ran::Model(run) => inference_record(run),
            Ran::Product(run) => black_box::inference_record(run),
        }
    }
}

/// Ask the gate again, encode, and record everything in one act. When the study or the deployment changed in between,
/// the catalog refuses, and the gate is asked once more.
pub(crate) async fn release(context: &Context, job: &Job, subject: &Subject, ran: &Ran) -> Result<Attempt, JobError> {
    let begun_at = context.clock.now();
    for _ in 0..DECISIONS_MAX {
        let (study_key, revision) = job_subject(job)?;
        let now = read_subject(context, job).await?;
        if now.deployment.state.runs() && now.deployment.package_digest != ran.package() {
            return Ok(Attempt::OtherVersion);
        }
        let header = ran.header(&subject.facts);
        let (features, embedding) = (ran.features(), ran.embedding());
        let found = acquisition(context, &now.deployment, &ran.package(), header, features, embedding).await?;
        let stage = Stage::BeforeRelease;
        let decision = decide(context, job, &subject.facts, &now.deployment, stage, found.facts()).await?;
        let mut disposition = superseded(&now.study, job)
            .or_else(|| found.failure().cloned().map(Disposition::Failed))
            .or_else(|| decision.verdict.disposition())
            .unwrap_or(Disposition::Analysed);
        let shadow = matches!(decision.verdict, Verdict::Run { shadow: true, .. });
        let mut results = Vec::new();
        if disposition == Disposition::Analysed {
            match results_of(context, &now, ran, revision, shadow, decision.marks()).await? {
                Ok(kept) => results = kept,
                Err(reason) => disposition = Disposition::Failed(reason),
            }
        }
        let released = disposition == Disposition::Analysed && !shadow;
        let seconds = ran.finished_at().micros_since(ran.started_at()).max(0) as f64 / 1e6;
        let findings = ran.findings();
        let measured = Measured { features: ran.features(), findings: &findings, seconds, acquisition: &found };
        let outcome = InferenceOutcome {
            study_key,
            revision,
            deployment: now.deployment.spec.name.clone(),
            deployment_revision: now.deployment.revision,
            package: ran.package(),
            record: ran.record(),
            started_at: ran.started_at(),
            finished_at: ran.finished_at(),
            decision: record(&decision),
            disposition,
            results,
            destinations: if released { now.deployment.spec.destinations.clone() } else { Vec::new() },
            priority: job.priority,
            observation: Some(observe(&now.deployment.spec.name, ran.package(), header, Some(&measured))),
        };
        match context.catalog.inference_record(&job.lease(), &outcome, context.clock.now()).await {
            Err(StoreError::StudyReopened | StoreError::DeploymentChanged) => {}
            recorded => {
                recorded?;
                traces::released(context, job, begun_at);
                return Ok(Attempt::Ended);
            }
        }
    }
    Err(JobError::Broken(format!("the deployment or the study changed {DECISIONS_MAX} times during the release")))
}

/// The immutable record (MV-19): digests of everything, outputs, engine and times; no patient data.
fn inference_record(ran: &ModelRun) -> serde_json::Value {
    let outcome = &ran.outcome;
    let images: Vec<_> = ran
        .inputs
        .iter()
        .map(|input| {
            json!({
                "sop_instance_uid": input.header.sop_instance_uid,
                "digest": hilum_types::Digest::of(&input.part10),
            })
        })
        .collect();
    json!({
        "format": 1,
        "package": outcome.package_digest,
        "engine": outcome.engine,
        "images": images,
        "inputs": outcome.inputs,
        "raw": outcome.raw,
        "embeddings": outcome.embeddings,
        "output": outcome.output,
        "timings": outcome.timings,
    })
}

/// The result objects of a run: encoded here, or as the product made them.
async fn results_of(
    context: &Context,
    subject: &Subject,
    ran: &Ran,
    revision: u32,
    shadow: bool,
    cautions: Vec<String>,
) -> Result<Result<Vec<NewResult>, Reason>, JobError> {
    match ran {
        Ran::Model(run) => keep_results(context, subject, run, revision, shadow, cautions).await,
        Ran::Product(run) => Ok(Ok(black_box::keep_results(run))),
    }
}

/// Encode and make the bytes durable; the catalog names them in the act that follows.
async fn keep_results(
    context: &Context,
    subject: &Subject,
    ran: &Arc<ModelRun>,
    revision: u32,
    shadow: bool,
    cautions: Vec<String>,
) -> Result<Result<Vec<NewResult>, Reason>, JobError> {
    let (deployment, shared) = (subject.deployment.clone(), ran.clone());
    let encoding =
        tokio::task::spawn_blocking(move || encode_results(&deployment, &shared, revision, shadow, &cautions));
    let encoded = match encoding.await {
        Err(_panicked) => {
            return Ok(Err(Reason::new("result.not-encoded", "the encoder ended by a defect; please report it")));
        }
        Ok(Ok(encoded)) => encoded,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a result was not encoded");
            return Ok(Err(Reason::new("result.not-encoded", describe(&error))));
        }
    };
    let mut counts = std::collections::BTreeMap::<&str, u32>::new();
    let mut results = Vec::new();
    for result in encoded {
        let kind = kind(&result);
        let index = counts.entry(kind.name()).or_default();
        let stored = context.blobs.blob_put(Bytes::from(result.part10)).await?;
        results.push(NewResult {
            kind,
            index: *index,
            sop_instance_uid: result.sop_instance_uid,
            sop_class_uid: result.sop_class_uid,
            transfer_syntax_uid: explicit_little_endian(),
            blob: stored.digest,
            size: stored.size,
        });
        *index += 1;
    }
    Ok(Ok(results))
}

fn kind(result: &EncodedResult) -> ResultKind {
    match result.kind {
        hilum_result::ResultKind::StructuredReport => ResultKind::Report,
        hilum_result::ResultKind::Segmentation => ResultKind::Segmentation,
        hilum_result::ResultKind::KeyImage => ResultKind::KeyImage,
        hilum_result::ResultKind::RejectionNote => ResultKind::RejectionNote,
        hilum_result::ResultKind::AssessmentReport => ResultKind::AssessmentReport,
    }
}

pub(crate) fn explicit_little_endian() -> Uid {
    hilum_dicom::EXPLICIT_VR_LITTLE_ENDIAN.parse().expect("a constant of PS3.6 is a UID")
}

fn encode_results(
    deployment: &Deployment,
    ran: &ModelRun,
    revision: u32,
    shadow: bool,
    cautions: &[String],
) -> Result<Vec<EncodedResult>, hilum_result::ResultError> {
    let manifest = ran.package.manifest();
    let source: Vec<SourceImage<'_>> =
        ran.inputs.iter().map(|i| SourceImage { header: &i.header, part10: Some(&i.part10) }).collect();
    let digest = ran.outcome.package_digest.to_string();
    let study = ran.inputs.first().map(|input| input.header.study_instance_uid.as_str()).unwrap_or_default();
    let revision = revision.to_string();
    let regulatory_status = regulatory_status(manifest);
    let request = EncodeRequest {
        output: &ran.outcome.output,
        algorithm: &algorithm(deployment, ran),
        source: &source,
        now: ran.finished_at,
        content_qualification: match &regulatory_status {
            Some(regulatory_status) if !shadow && deployment.spec.purpose == Purpose::Clinical => {
                ContentQualification::Product { regulatory_status }
            }
            _ => ContentQualification::Research,
        },
        seed: &[study, &revision, &digest, &deployment.spec.name],
        incomplete_input: false,
        cautions,
        language: english(),
        procedure: None,
    };
    encode(&request)
}

/// The regulatory status on file, for anything that is more than research (AV-17, GV-09).
fn regulatory_status(manifest: &Manifest) -> Option<String> {
    let status = match manifest.regulatory.status {
        RegulatoryStatus::ResearchOnly => return None,
        RegulatoryStatus::Ce => "CE",
        RegulatoryStatus::Fda => "FDA",
        RegulatoryStatus::InHouse => "in-house, MDR 5(5)",
    };
    Some(match &manifest.regulatory.identifier {
        Some(identifier) => format!("{status} {identifier}"),
        None => status.to_owned(),
    })
}

fn algorithm(deployment: &Deployment, ran: &ModelRun) -> AlgorithmIdentity {
    let package = &ran.package.manifest().package;
    let points = ran.outcome.output.findings.iter().filter_map(|finding| {
        Some((format!("operating point of {}", finding.label), format!("{}", finding.operating_point?)))
    });
    AlgorithmIdentity {
        name: package.title.clone(),
        version: package.version.clone(),
        package_digest: ran.outcome.package_digest.to_string(),
        deployment: deployment.spec.name.clone(),
        manufacturer: package.manufacturer.clone(),
        parameters: points.collect(),
    }
}
