//! What a product sent back: read, held against what is registered, recorded, and handed on byte for byte.

use super::{Product, instances};
use crate::runner::{Context, JobError, describe};
use hilum_dicom::{Bulk, Limits};
use hilum_infer::{InstanceInput, measure_series};
use hilum_registry::manifest::RegulatoryStatus;
use hilum_result::{Expected, ReadKind, ReadResult, acceptable, read_result};
use hilum_store::products::{ProductAnswer, ProductRequest};
use hilum_store::records::{NewResult, ResultKind, StoredInstance};
use hilum_store::{BlobStore, ErrorKind, Job};
use hilum_types::{Finding, ImageReference, ModelOutput, Reason, StatedValue, Timestamp, Uid};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

/// Pixel data of larger result objects are not read: such a segmentation has no size in the record.
const BULK_BYTES_MAX: u64 = 256 << 20;

/// A product's finished answer.
pub(crate) struct ProductRun {
    request: ProductRequest,
    sent: Vec<StoredInstance>,
    results: Vec<ReadResult>,
    features: BTreeMap<String, f64>,
}

impl ProductRun {
    pub(crate) fn package(&self) -> hilum_types::Digest {
        self.request.package
    }

    pub(crate) fn started_at(&self) -> Timestamp {
        self.request.created_at
    }

    /// What was measured on the images of the first series that was sent.
    pub(crate) fn features(&self) -> &BTreeMap<String, f64> {
        &self.features
    }

    /// The first series that was sent.
    pub(crate) fn series(&self) -> Option<&Uid> {
        self.request.series.first()
    }

    /// Findings that the answer states.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.results.iter().flat_map(|result| result.findings.clone()).collect()
    }

    pub(crate) fn finished_at(&self) -> Timestamp {
        self.request.last_answer_at.unwrap_or(self.request.created_at)
    }
}

/// Read the answer to a closed question, and decide whether it may be used.
pub(super) async fn run(
    context: &Context,
    job: &Job,
    product: &Product,
    request: ProductRequest,
) -> Result<Result<ProductRun, Reason>, JobError> {
    let results = match read_answers(context, &request.answers).await? {
        Ok(results) => results,
        Err(reason) => return Ok(Err(reason)),
    };
    let (study_key, revision) = crate::evaluate::job_subject(job)?;
    let study = context.catalog.study_instances(&study_key, revision).await?;
    let known: HashSet<Uid> = study.into_iter().map(|instance| instance.header.sop_instance_uid).collect();
    let manifest = &product.manifest;
    let expected = Expected {
        version: product.node.expected_version(&manifest.package.version),
        model_name: product.node.model_name.as_deref(),
        is_regulated: manifest.regulatory.status != RegulatoryStatus::ResearchOnly,
        study: &known,
    };
    if let Err(reason) = acceptable(&results, &expected) {
        let text = format!("results of the product are kept back: {}", reason.text);
        let code = reason.code.replace('.', "-");
        context.catalog.alarm_raise(&code, &text, None, Some(&request.deployment), context.clock.now()).await?;
        return Ok(Err(reason));
    }
    for answer in &request.answers {
        if context.catalog.result_by_uid(&answer.header.sop_instance_uid).await?.is_some() {
            let text = "the product sent a result under the identifier of an earlier result of this site; a new result \
                        needs a new identifier";
            return Ok(Err(Reason::new("product.identifier-reused", text)));
        }
    }
    let sent = instances(context, job, &request.series).await?;
    let features = measure(context, product, request.series.first(), &sent).await?;
    Ok(Ok(ProductRun { request, sent, results, features }))
}

/// Measure the images the product was sent; what it made of them nobody can see. A damaged object is left out.
async fn measure(
    context: &Context,
    product: &Product,
    series: Option<&Uid>,
    sent: &[StoredInstance],
) -> Result<BTreeMap<String, f64>, JobError> {
    let mut instances = Vec::new();
    for instance in sent.iter().filter(|instance| Some(&instance.header.series_instance_uid) == series) {
        match context.blobs.blob_get(&instance.blob).await {
            Ok(bytes) => {
                instances.push(InstanceInput { header: instance.header.clone(), part10: bytes.as_ref().into() });
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) => return Err(error.into()),
        }
    }
    let manifest = product.manifest.clone();
    let measuring = tokio::task::spawn_blocking(move || measure_series(&manifest, &instances));
    Ok(measuring.await.unwrap_or_default())
}

/// Read every object of an answer on a thread that may block.
pub(crate) async fn read_answers(
    context: &Context,
    answers: &[ProductAnswer],
) -> Result<Result<Vec<ReadResult>, Reason>, JobError> {
    let mut results = Vec::with_capacity(answers.len());
    for answer in answers {
        let bytes = match context.blobs.blob_get(&answer.blob).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return Ok(Err(Reason::new("product.unreadable", format!("a stored result cannot be used: {error}"))));
            }
            Err(error) => return Err(error.into()),
        };
        let bulk = if answer.size <= BULK_BYTES_MAX { Bulk::Keep } else { Bulk::LeaveOut };
        let limits = Limits { element_count_max: u64::MAX, ..Limits::default() };
        let reading = tokio::task::spawn_blocking(move || read_result(&bytes, bulk, &limits));
        let unreadable = |text: String| Reason::new("product.unreadable", text);
        match reading.await {
            Ok(Ok(result)) => results.push(result),
            Ok(Err(error)) => {
                return Ok(Err(unreadable(format!("a result of the product cannot be read: {}", describe(&error)))));
            }
            Err(_panicked) => {
                let text = "reading a result of the product ended by a defect; please report it";
                return Ok(Err(unreadable(text.to_owned())));
            }
        }
    }
    Ok(Ok(results))
}

/// Everything an answer says, by names that are the same in the next answer; how many objects of each kind there are
/// is part of it.
pub(crate) fn values(results: &[ReadResult]) -> BTreeMap<String, StatedValue> {
    let mut values: BTreeMap<String, StatedValue> = BTreeMap::new();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for result in results {
        let kind = kind(result.kind).name();
        let count = counts.entry(kind).or_default();
        *count += 1;
        // Objects of one kind come in any order, so their values are told apart by what they say first.
        for (name, value) in &result.values {
            let mut free = format!("{kind}: {name}");
            let mut number = 1;
            while values.contains_key(&free) {
                number += 1;
                free = format!("{kind}: {name} [{number}]");
            }
            values.insert(free, value.clone());
        }
    }
    for (kind, count) in counts {
        let value = StatedValue::Number { value: f64::from(count), unit: "{objects}".to_owned() };
        values.insert(format!("objects of kind {kind}"), value);
    }
    values
}

fn kind(kind: ReadKind) -> ResultKind {
    match kind {
        ReadKind::Report => ResultKind::Report,
        ReadKind::Segmentation => ResultKind::Segmentation,
        ReadKind::Picture => ResultKind::KeyImage,
        ReadKind::Other => ResultKind::Other,
    }
}

/// The immutable record (MV-19): what was sent, what came back, what it says and who says so; no patient data.
pub(crate) fn inference_record(run: &ProductRun) -> serde_json::Value {
    let images: Vec<_> = run
        .sent
        .iter()
        .map(|instance| json!({ "sop_instance_uid": instance.header.sop_instance_uid, "digest": instance.blob }))
        .collect();
    let answers: Vec<_> = run
        .request
        .answers
        .iter()
        .zip(&run.results)
        .map(|(answer, result)| {
            json!({
                "sop_instance_uid": answer.header.sop_instance_uid,
                "sop_class_uid": answer.header.sop_class_uid,
                "digest": answer.blob,
                "received_at": answer.received_at,
                "manufacturer": result.manufacturer,
                "model_name": result.model_name,
                "software_versions": result.software_versions,
                "content_qualification": result.content_qualification,
                "algorithms": result.algorithms,
            })
        })
        .collect();
    let micros = run.finished_at().micros_since(run.request.sent_at.unwrap_or(run.started_at())).max(0);
    json!({
        "format": 1,
        "package": run.request.package,
        "engine": { "name": "dicom-node", "version": stated_version(run) },
        "images": images,
        "answers": answers,
        "output": output(run),
        "values": values(&run.results),
        "timings": { "total_us": micros },
    })
}

fn stated_version(run: &ProductRun) -> String {
    let mut versions = run
        .results
        .iter()
        .flat_map(|r| r.software_versions.iter().chain(r.algorithms.iter().map(|algorithm| &algorithm.version)));
    versions.find(|version| !version.is_empty()).cloned().unwrap_or_default()
}

/// What the answer says in the one model of findings.
fn output(run: &ProductRun) -> ModelOutput {
    let input = |instance: &StoredInstance| ImageReference {
        sop_class_uid: instance.header.sop_class_uid.clone(),
        sop_instance_uid: instance.header.sop_instance_uid.clone(),
        series_instance_uid: instance.header.series_instance_uid.clone(),
        frame: None,
    };
    ModelOutput {
        findings: run.findings(),
        segments: run.results.iter().flat_map(|result| result.segments.clone()).collect(),
        inputs: run.sent.iter().map(input).collect(),
    }
}

/// The objects as they came, as results of this site.
pub(crate) fn keep_results(run: &ProductRun) -> Vec<NewResult> {
    let mut counts = BTreeMap::<&str, u32>::new();
    run.request
        .answers
        .iter()
        .zip(&run.results)
        .map(|(answer, result)| {
            let kind = kind(result.kind);
            let index = counts.entry(kind.name()).or_default();
            let place = *index;
            *index += 1;
            NewResult {
                kind,
                index: place,
                sop_instance_uid: answer.header.sop_instance_uid.clone(),
                sop_class_uid: answer.header.sop_class_uid.clone(),
                transfer_syntax_uid: answer.header.transfer_syntax_uid.clone(),
                blob: answer.blob,
                size: answer.size,
            }
        })
        .collect()
}
