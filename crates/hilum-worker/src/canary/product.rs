//! Fixed cases through a product that is a DICOM node.
//!
//! Every run sends the cases under new identifiers: a product that remembers what it has seen, or an archive in front
//! of it, would otherwise answer from memory, and a silent change would stay unseen. Patient and order stay as they are.

use super::cases::{FixedCase, FixedCases};
use super::{Subject, unanswered};
use crate::black_box::{self, Outgoing, SendProblem, identity, progress, read_answers, send, unusable};
use crate::runner::{Context, JobError};
use bytes::Bytes;
use hilum_dicom::{Bulk, DataSet, EXPLICIT_VR_LITTLE_ENDIAN, Element, Limits, Value, Vr, read_data_set, tags};
use hilum_registry::black_box::{AnswerTerms, Progress};
use hilum_registry::canary::CanaryCase;
use hilum_registry::manifest::DicomNodeRuntime;
use hilum_result::ReadResult;
use hilum_store::Job;
use hilum_store::products::{NewProductRequest, OpenedRequest, ProductRequest, ProductRequestState};
use hilum_types::{Digest, InstanceHeader, StatedValue, Timestamp, Uid};
use std::collections::{BTreeMap, HashMap};

/// Pause while the product is busy with the same identifiers, which only a repeated job can lead to.
const BUSY_SECONDS: i64 = 2;

/// Send the cases that were not sent yet and look at what came back. `None`: the job has been put back to wait.
pub(super) async fn ask(
    context: &Context,
    job: &Job,
    subject: &Subject,
    cases: &FixedCases,
) -> Result<Option<Vec<CanaryCase>>, JobError> {
    let Some(node) = subject.manifest.dicom_node() else {
        return Err(JobError::Broken("the package is no product".to_owned()));
    };
    let begun = requests(context, job).await?;
    let mut problems: HashMap<String, String> = HashMap::new();
    let first_at = begun.values().map(|request| request.created_at).min();
    for case in &cases.cases {
        if begun.get(&case.name).is_some_and(|request| request.state != ProductRequestState::Sending) {
            continue;
        }
        let refused = match send_case(context, job, subject, node, case).await? {
            Sent::Done => continue,
            Sent::Busy => Err(context.clock.now().plus_seconds(BUSY_SECONDS)),
            Sent::Failed(SendProblem::Refused(reason)) => Ok(reason.text),
            Sent::Failed(SendProblem::Later(problem)) => later(context, job, node, first_at, problem),
        };
        match refused {
            Ok(problem) => {
                problems.insert(case.name.clone(), problem);
            }
            Err(due_at) => {
                context.catalog.job_wait(&job.lease(), due_at, context.clock.now()).await?;
                return Ok(None);
            }
        }
    }
    let now = context.clock.now();
    let sent = requests(context, job).await?;
    if sent.values().any(|request| matches!(progress(request, now), Some(Progress::Wait(_)))) {
        context.catalog.product_wait(&job.lease(), now).await?;
        return Ok(None);
    }
    let closed = context.catalog.product_close(&job.lease(), now).await?;
    let closed: HashMap<String, ProductRequest> =
        closed.into_iter().map(|request| (request.case_id.clone(), request)).collect();
    let mut answers = Vec::with_capacity(cases.cases.len());
    for (index, case) in cases.cases.iter().enumerate() {
        answers.push(match (problems.remove(&case.name), closed.get(&case.name)) {
            (Some(problem), _) => unanswered(cases, index, problem),
            (None, Some(request)) => answer(context, cases, index, request).await?,
            (None, None) => unanswered(cases, index, "the case was not sent".to_owned()),
        });
    }
    Ok(Some(answers))
}

/// Whether cases of this run were sent to another version than the one in use now.
pub(super) async fn asked_another(context: &Context, job: &Job, subject: &Subject) -> Result<bool, JobError> {
    let asked = context.catalog.product_requests(&job.key).await?;
    Ok(is_of_another(asked.iter().map(|request| request.package), subject.deployment.package_digest))
}

fn is_of_another(mut asked: impl Iterator<Item = Digest>, in_use: Digest) -> bool {
    asked.any(|package| package != in_use)
}

async fn requests(context: &Context, job: &Job) -> Result<HashMap<String, ProductRequest>, JobError> {
    let requests = context.catalog.product_requests(&job.key).await?;
    Ok(requests.into_iter().map(|request| (request.case_id.clone(), request)).collect())
}

/// When to try a product again that is down; what is wrong with it once its deadline is over.
fn later(
    context: &Context,
    job: &Job,
    node: &DicomNodeRuntime,
    first_at: Option<Timestamp>,
    problem: String,
) -> Result<String, Timestamp> {
    let now = context.clock.now();
    let deadline = first_at.unwrap_or(now).plus_seconds(node.deadline_seconds.into());
    if deadline <= now {
        return Ok(format!("the product did not take the case within {} s: {problem}", node.deadline_seconds));
    }
    Err(context.options.retry.pause(job.n_waits() + 1, now).min(deadline))
}

enum Sent {
    Done,
    Busy,
    Failed(SendProblem),
}

async fn send_case(
    context: &Context,
    job: &Job,
    subject: &Subject,
    node: &DicomNodeRuntime,
    case: &FixedCase,
) -> Result<Sent, JobError> {
    let seed = [subject.deployment.spec.name.clone(), subject.number.to_string(), case.name.clone()];
    let objects: Vec<(InstanceHeader, Bytes)> = case.objects.clone();
    let renaming = tokio::task::spawn_blocking(move || renamed(&objects, &seed));
    let renamed = renaming.await.unwrap_or_else(|_panicked| Err("it could not be prepared: a defect".to_owned()));
    let objects = match renamed {
        Ok(objects) => objects,
        Err(problem) => {
            let reason = hilum_types::Reason::new("product.refused", format!("the case {problem}"));
            return Ok(Sent::Failed(SendProblem::Refused(reason)));
        }
    };
    let header = &objects[0].0;
    let mut series: Vec<Uid> = objects.iter().map(|(header, _)| header.series_instance_uid.clone()).collect();
    series.sort();
    series.dedup();
    let question = NewProductRequest {
        case_id: case.name.clone(),
        deployment: subject.deployment.spec.name.clone(),
        package: subject.deployment.package_digest,
        ae_title: node.result_ae_title.clone(),
        study_instance_uid: header.study_instance_uid.clone(),
        subject: identity(header),
        series,
        terms: AnswerTerms::from(node),
    };
    let opened = context.catalog.product_request_open(&job.lease(), &question, context.clock.now()).await?;
    let OpenedRequest::Open(request) = opened else { return Ok(Sent::Busy) };
    let outgoing: Vec<Outgoing> =
        objects.iter().map(|(header, bytes)| Outgoing::prepared(header, bytes.clone())).collect();
    match send(context, node, &outgoing).await? {
        Ok(()) => {
            context.catalog.product_request_sent(&job.lease(), &request.key, context.clock.now()).await?;
            Ok(Sent::Done)
        }
        Err(problem) => Ok(Sent::Failed(problem)),
    }
}

/// The same objects under identifiers derived from the run: study, series and instances, wherever one names another.
fn renamed(objects: &[(InstanceHeader, Bytes)], seed: &[String; 3]) -> Result<Vec<(InstanceHeader, Bytes)>, String> {
    let fresh = |uid: &Uid| Uid::derived(&["canary", &seed[0], &seed[1], &seed[2], uid.as_str()]);
    let mut names: HashMap<String, Uid> = HashMap::new();
    for (header, _) in objects {
        for uid in [&header.study_instance_uid, &header.series_instance_uid, &header.sop_instance_uid] {
            names.insert(uid.to_string(), fresh(uid));
        }
    }
    let mut renamed = Vec::with_capacity(objects.len());
    for (header, bytes) in objects {
        let failed = |error: hilum_dicom::DicomError| format!("cannot be sent under new identifiers: {error}");
        let read = read_data_set(bytes, None, Bulk::Keep, &Limits::default()).map_err(failed)?;
        let mut data_set = read.data_set;
        rename(&mut data_set, &names);
        let encapsulated = matches!(data_set.get(tags::PIXEL_DATA), Some(Element { value: Value::Fragments(_), .. }));
        let syntax = match encapsulated {
            true => header.transfer_syntax_uid.clone(),
            false => EXPLICIT_VR_LITTLE_ENDIAN.parse().map_err(|_| "has no transfer syntax".to_owned())?,
        };
        let part10 = data_set.to_part10_bytes_as(&syntax).map_err(failed)?;
        let header = InstanceHeader {
            study_instance_uid: fresh(&header.study_instance_uid),
            series_instance_uid: fresh(&header.series_instance_uid),
            sop_instance_uid: fresh(&header.sop_instance_uid),
            transfer_syntax_uid: syntax,
            ..header.clone()
        };
        renamed.push((header, Bytes::from(part10)));
    }
    Ok(renamed)
}

/// Replace UIDs that have a new name, at every depth; the walk that built the tree bounds its height.
fn rename(data_set: &mut DataSet, names: &HashMap<String, Uid>) {
    let places: Vec<_> = data_set.iter().map(|(tag, _)| tag).collect();
    for tag in places {
        let renamed = match data_set.get(tag).map(|element| (element.vr, &element.value)) {
            Some((Vr::UI, Value::Bytes(_))) => data_set.string(tag).and_then(|uid| names.get(uid.as_str()).cloned()),
            _ => None,
        };
        if let Some(uid) = renamed {
            data_set.put_uid(tag, &uid);
            continue;
        }
        let is_sequence = matches!(data_set.get(tag).map(|element| &element.value), Some(Value::Sequence(_)));
        if is_sequence && let Some(Element { vr, value: Value::Sequence(mut items) }) = data_set.remove(tag) {
            items.iter_mut().for_each(|item| rename(item, names));
            data_set.insert(tag, Element { vr, value: Value::Sequence(items) });
        }
    }
}

/// What came back for a case.
async fn answer(
    context: &Context,
    cases: &FixedCases,
    index: usize,
    request: &ProductRequest,
) -> Result<CanaryCase, JobError> {
    if let Some(reason) = unusable(request) {
        return Ok(unanswered(cases, index, reason.text));
    }
    Ok(match read_answers(context, &request.answers).await? {
        Ok(results) => CanaryCase { case: request.case_id.clone(), values: Some(values(&results)), problem: None },
        Err(reason) => unanswered(cases, index, reason.text),
    })
}

/// What the results say, and the versions they state: another version is a change, whatever the numbers are.
fn values(results: &[ReadResult]) -> BTreeMap<String, StatedValue> {
    let mut values = black_box::values(results);
    let mut versions: Vec<String> = results
        .iter()
        .flat_map(|result| {
            let of_algorithms = result.algorithms.iter().map(|a| format!("{} {}", a.name, a.version));
            result.software_versions.iter().map(|v| format!("software {v}")).chain(of_algorithms)
        })
        .collect();
    versions.sort();
    versions.dedup();
    values.insert("stated versions".to_owned(), StatedValue::Code(versions.join("; ")));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One case sent to the version before is enough: the run says nothing of the one in use now.
    #[test]
    fn a_run_that_was_begun_with_another_version_is_not_that_of_this_one() {
        let (before, now) = (Digest::of(b"v1"), Digest::of(b"v2"));
        assert!(!is_of_another([].into_iter(), now));
        assert!(!is_of_another([now, now].into_iter(), now));
        assert!(is_of_another([now, before].into_iter(), now));
    }
}
