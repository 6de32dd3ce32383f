//! One received object: which algorithm made it, whether that one is registered here (GV-01), and what it says of our
//! own results (AV-19).

use crate::runner::{Context, JobError};
use hilum_dicom::{Bulk, Limits};
use hilum_registry::Manifest;
use hilum_registry::inventory::declares;
use hilum_result::{ReadAssessment, read_assessments, read_result};
use hilum_store::records::StoredInstance;
use hilum_store::{BlobStore, ErrorKind, InstanceKey, Job};
use hilum_types::{AlgorithmClaim, attribute};

/// Carry out an `Inspect` job. An object that cannot be read says nothing: intake has told of that already.
pub(crate) async fn inspect(context: &Context, job: &Job) -> Result<(), JobError> {
    let key = job.payload.get("instance").and_then(serde_json::Value::as_str).and_then(|key| key.parse().ok());
    let key: InstanceKey = key.ok_or_else(|| JobError::Broken("the job names no instance".to_owned()))?;
    let Some(instance) = context.catalog.instance_get(&key).await? else {
        return Err(JobError::Broken("the instance is not in the catalog".to_owned()));
    };
    let (mut claims, assessments) = read(context, &instance).await?;
    crate::assessment::enter(context, &instance, &assessments).await?;
    without_scanners(context, &instance, &mut claims).await?;
    let unregistered = unregistered(context, &claims).await?;
    Ok(context.catalog.algorithms_seen(&job.lease(), &claims, &unregistered, context.clock.now()).await?)
}

async fn read(
    context: &Context,
    instance: &StoredInstance,
) -> Result<(Vec<AlgorithmClaim>, Vec<ReadAssessment>), JobError> {
    let bytes = match context.blobs.blob_get(&instance.blob).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Default::default()),
        Err(error) => return Err(error.into()),
    };
    // The segments of a large segmentation have more elements than a header may have.
    let limits = Limits { element_count_max: u64::MAX, ..Limits::default() };
    let reading = tokio::task::spawn_blocking(move || {
        let algorithms = read_result(&bytes, Bulk::LeaveOut, &limits)?.algorithms;
        Ok::<_, hilum_dicom::DicomError>((algorithms, read_assessments(&bytes, &limits)?))
    });
    match reading.await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a received object could not be asked which algorithm made it");
            Ok(Default::default())
        }
        Err(_panicked) => Err(JobError::Broken("reading the object ended by a defect; please report it".to_owned())),
    }
}

/// A scanner is an observer too: measurements that the device of the images itself reports are no AI result.
async fn without_scanners(
    context: &Context,
    instance: &StoredInstance,
    claims: &mut Vec<AlgorithmClaim>,
) -> Result<(), JobError> {
    if claims.iter().all(|claim| claim.evidence != "device observer") {
        return Ok(());
    }
    let study = context.catalog.study_instances(&instance.study_key, instance.revision).await?;
    let scanners: Vec<&str> = study
        .iter()
        .filter(|other| other.header.number(attribute::ROWS).is_some())
        .filter(|other| other.header.series_instance_uid != instance.header.series_instance_uid)
        .flat_map(|other| [attribute::MANUFACTURER_MODEL_NAME, attribute::STATION_NAME].map(|a| other.header.text(a)))
        .flatten()
        .collect();
    claims.retain(|claim| claim.evidence != "device observer" || !scanners.contains(&claim.name.as_str()));
    Ok(())
}

/// Those of these algorithms that no imported package declares.
async fn unregistered(context: &Context, claims: &[AlgorithmClaim]) -> Result<Vec<AlgorithmClaim>, JobError> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let packages = context.catalog.package_list().await?;
    let manifests: Vec<Manifest> =
        packages.into_iter().filter_map(|package| serde_json::from_value(package.manifest).ok()).collect();
    Ok(claims.iter().filter(|claim| !manifests.iter().any(|manifest| declares(manifest, claim))).cloned().collect())
}
