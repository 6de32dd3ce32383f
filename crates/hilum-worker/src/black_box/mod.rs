//! A product that is a DICOM node, behind the same gate as every model (AV-08).
//!
//! The wait for its answer is state in the catalog: the job goes back to the queue until an answer can be complete, and
//! an answer that comes brings that moment forward. No worker waits in memory, so a killed one loses nothing, and once
//! everything was sent nothing is sent again.

mod answer;
mod send;

pub(crate) use answer::{ProductRun, inference_record, keep_results, read_answers, values};
pub(crate) use send::{Outgoing, SendProblem, send};

use crate::evaluate::job_subject;
use crate::facts::package_facts;
use crate::infer::{Attempt, Ran, Subject, decide, end, release, superseded};
use crate::runner::{Context, JobError};
use hilum_gate::{AcquisitionFacts, GateInput, RolloutFacts, Stage, Verdict, decide as gate};
use hilum_registry::Manifest;
use hilum_registry::black_box::{AnswerTerms, Progress};
use hilum_registry::manifest::DicomNodeRuntime;
use hilum_store::products::{NewProductRequest, OpenedRequest, ProductRequest, ProductRequestState};
use hilum_store::records::StoredInstance;
use hilum_store::{Job, ProductRequestKey};
use hilum_types::{Disposition, InstanceHeader, Reason, Timestamp, Uid, attribute};
use std::sync::Arc;

/// Pause while the product is busy with an earlier question about the same study.
const BUSY_SECONDS: i64 = 2;

/// What identifies patient and order: all that is kept of the images to hold answers against.
const IDENTITY: [&str; 6] = [
    attribute::PATIENT_ID,
    attribute::ISSUER_OF_PATIENT_ID,
    attribute::PATIENT_NAME,
    attribute::PATIENT_BIRTH_DATE,
    attribute::PATIENT_SEX,
    attribute::ACCESSION_NUMBER,
];

/// The package that runs in a product, and how that is reached.
pub(crate) struct Product {
    pub(crate) manifest: Manifest,
    pub(crate) node: DicomNodeRuntime,
}

impl Product {
    /// The product of a package; `None` when the package is none.
    pub(crate) fn of(manifest: Manifest) -> Option<Product> {
        let node = manifest.dicom_node()?.clone();
        Some(Product { manifest, node })
    }
}

/// Carry out an `Infer` job whose package is a product: ask, wait, and release what came.
pub(crate) async fn infer(
    context: &Context,
    job: &Job,
    subject: &Subject,
    product: &Product,
) -> Result<Attempt, JobError> {
    let request = context.catalog.product_requests(&job.key).await?.into_iter().next();
    match request {
        Some(request) if request.state != ProductRequestState::Sending => {
            look(context, job, subject, product, &request).await
        }
        begun => ask(context, job, subject, product, begun.map(|request| request.created_at)).await,
    }
}

/// Ask the gate, open the question, send the images, and wait.
async fn ask(
    context: &Context,
    job: &Job,
    subject: &Subject,
    product: &Product,
    begun_at: Option<Timestamp>,
) -> Result<Attempt, JobError> {
    let (before, nothing) = (Stage::BeforeInference, AcquisitionFacts::default());
    let decision = decide(context, job, &subject.facts, &subject.deployment, before, nothing).await?;
    let ended = superseded(&subject.study, job).or_else(|| decision.verdict.disposition());
    if let Some(disposition) = ended {
        return end(context, job, &subject.deployment, Some(&decision), &disposition).await;
    }
    let series = series_to_send(context, job, subject, product);
    let instances = instances(context, job, &series).await?;
    let Some(first) = instances.first() else {
        return Err(JobError::Broken("the gate chose a series without images".to_owned()));
    };
    let question = NewProductRequest {
        case_id: String::new(),
        deployment: subject.deployment.spec.name.clone(),
        package: subject.deployment.package_digest,
        ae_title: product.node.result_ae_title.clone(),
        study_instance_uid: subject.study.study_instance_uid.clone(),
        subject: identity(&first.header),
        series,
        terms: AnswerTerms::from(&product.node),
    };
    let now = context.clock.now();
    let opened = context.catalog.product_request_open(&job.lease(), &question, now).await?;
    let OpenedRequest::Open(request) = opened else {
        context.catalog.job_wait(&job.lease(), now.plus_seconds(BUSY_SECONDS), now).await?;
        return Ok(Attempt::Ended);
    };
    let outgoing: Vec<Outgoing> = instances.iter().map(Outgoing::stored).collect();
    match send(context, &product.node, &outgoing).await? {
        Ok(()) => sent(context, job, &request.key).await.map(|()| Attempt::Ended),
        Err(SendProblem::Later(problem)) => {
            let begun_at = begun_at.unwrap_or(request.created_at);
            send_later(context, job, subject, product, begun_at, problem).await
        }
        Err(SendProblem::Refused(reason)) => {
            end(context, job, &subject.deployment, None, &Disposition::Failed(reason)).await
        }
    }
}

/// Everything was sent: the time of the product runs, and the job goes back.
pub(crate) async fn sent(context: &Context, job: &Job, request: &ProductRequestKey) -> Result<(), JobError> {
    let now = context.clock.now();
    context.catalog.product_request_sent(&job.lease(), request, now).await?;
    Ok(context.catalog.product_wait(&job.lease(), now).await?)
}

/// The product is down or busy: try again within its deadline.
async fn send_later(
    context: &Context,
    job: &Job,
    subject: &Subject,
    product: &Product,
    begun_at: Timestamp,
    problem: String,
) -> Result<Attempt, JobError> {
    let now = context.clock.now();
    let deadline = begun_at.plus_seconds(product.node.deadline_seconds.into());
    if deadline <= now {
        let seconds = product.node.deadline_seconds;
        let text = format!("the product did not take the study within {seconds} s: {problem}");
        let reason = Reason::new("product.unreachable", text);
        return end(context, job, &subject.deployment, None, &Disposition::Failed(reason)).await;
    }
    tracing::warn!(problem, job.key = %job.key, "a product does not take a study; it is tried again");
    let next = context.options.retry.pause(job.n_waits() + 1, now).min(deadline);
    context.catalog.job_wait(&job.lease(), next, now).await?;
    Ok(Attempt::Ended)
}

/// Every candidate series that the gate would let pass alone.
fn series_to_send(context: &Context, job: &Job, subject: &Subject, product: &Product) -> Vec<Uid> {
    let facts = package_facts(&product.manifest);
    let candidates = product.manifest.candidate_series(&subject.facts).unwrap_or_default();
    // Whether there is evidence was asked before; here only the series is in question.
    let mut deployment = subject.deployment.clone();
    deployment.spec.monitoring = None;
    let passes = |index: &usize| {
        let alone = [*index];
        let input = GateInput {
            study: &subject.facts,
            deployment: &deployment,
            package: &facts,
            candidates: Ok(&alone),
            completed_at: job.created_at,
            rollout: RolloutFacts::default(),
            evidence: None,
            review: None,
            acquisition: AcquisitionFacts::default(),
            stage: Stage::BeforeInference,
            now: context.clock.now(),
        };
        matches!(gate(&input).verdict, Verdict::Run { .. })
    };
    candidates
        .iter()
        .filter(|index| passes(index))
        .map(|index| subject.facts.series[*index].series_instance_uid.clone())
        .collect()
}

/// The current instances of these series.
async fn instances(context: &Context, job: &Job, series: &[Uid]) -> Result<Vec<StoredInstance>, JobError> {
    let (study_key, revision) = job_subject(job)?;
    let mut stored = context.catalog.study_instances(&study_key, revision).await?;
    stored.retain(|instance| series.contains(&instance.header.series_instance_uid));
    Ok(stored)
}

/// A header with nothing but what answers are held against.
pub(crate) fn identity(header: &InstanceHeader) -> InstanceHeader {
    let kept = header.attributes.iter().filter(|(keyword, _)| IDENTITY.contains(&keyword.as_str()));
    InstanceHeader { attributes: kept.map(|(k, v)| (k.clone(), v.clone())).collect(), ..header.clone() }
}

/// Where the answer stands; an answer that is complete goes to the gate again.
async fn look(
    context: &Context,
    job: &Job,
    subject: &Subject,
    product: &Product,
    request: &ProductRequest,
) -> Result<Attempt, JobError> {
    if let Some(Progress::Wait(_)) = progress(request, context.clock.now()) {
        context.catalog.product_wait(&job.lease(), context.clock.now()).await?;
        return Ok(Attempt::Ended);
    }
    let closed = context.catalog.product_close(&job.lease(), context.clock.now()).await?;
    let Some(request) = closed.into_iter().next() else {
        return Err(JobError::Broken("the question to the product is gone".to_owned()));
    };
    if let Some(disposition) = superseded(&subject.study, job) {
        return end(context, job, &subject.deployment, None, &disposition).await;
    }
    if request.package != subject.deployment.package_digest {
        let text = "the deployment moved to another version while the product worked on the study";
        let reason = Reason::new("product.version-moved", text);
        return end(context, job, &subject.deployment, None, &Disposition::Withheld(reason)).await;
    }
    if let Some(reason) = unusable(&request) {
        return end(context, job, &subject.deployment, None, &Disposition::Failed(reason)).await;
    }
    match answer::run(context, job, product, request).await? {
        Ok(run) => release(context, job, subject, &Ran::Product(Arc::new(run))).await,
        Err(reason) => end(context, job, &subject.deployment, None, &Disposition::Failed(reason)).await,
    }
}

/// Where an open question stands; `None` when there is nothing to wait for any more.
pub(crate) fn progress(request: &ProductRequest, now: Timestamp) -> Option<Progress> {
    let sent_at = request.sent_at.filter(|_| request.state == ProductRequestState::Waiting)?;
    if request.problem.is_some() {
        return None;
    }
    let n_answers = u32::try_from(request.answers.len()).unwrap_or(u32::MAX);
    Some(request.terms.progress(sent_at, request.last_answer_at, n_answers, now))
}

/// Why the answer to a closed question cannot be used at all.
pub(crate) fn unusable(request: &ProductRequest) -> Option<Reason> {
    if let Some(problem) = &request.problem {
        return Some(problem.clone());
    }
    let (n, least, seconds) =
        (request.answers.len(), request.terms.results_min as usize, request.terms.deadline_seconds);
    if n == 0 {
        let text = format!("the product sent no result within {seconds} s");
        return Some(Reason::about("product.no-answer", text, "results", "0"));
    }
    (n < least).then(|| {
        let text = format!("the product sent {n} of at least {least} results within {seconds} s");
        Reason::about("product.partial-answer", text, "results", n.to_string())
    })
}
