//! Entering a case list: objects first, then fingerprints, then the record, so that a record is never without them.

use super::overlap::{fingerprints, lines, seen_by, with_reference_sets};
use super::{ReadSet, ReferenceError};
use bytes::Bytes;
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_store::governance::{RecordFilter, SetRole};
use hilum_store::records::BlobRow;
use hilum_store::{BlobStore, Catalog, StoreError};
use hilum_types::Timestamp;
use hilum_validate::{CaseList, ValidateError};

/// A case list that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptSet {
    /// Its record, named by the digest that protocols refer to.
    pub record: Record,
    /// Whether it was not there before.
    pub is_new: bool,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Keep a reference set: its objects under their digests, its fingerprints, its record. The same list again changes
/// nothing.
///
/// # Errors
/// [`ReferenceError::File`] when a file changed or is gone since it was read; [`ReferenceError::Store`].
pub async fn keep_reference_set(
    read: &ReadSet,
    catalog: &dyn Catalog,
    blobs: &dyn BlobStore,
    actor: &str,
    now: Timestamp,
) -> Result<KeptSet, ReferenceError> {
    let mut objects = Vec::with_capacity(read.files.len());
    for file in &read.files {
        let failed = |source| ReferenceError::File { what: "read", path: file.path.clone(), source };
        if !blobs.blob_exists(&file.object).await? {
            let stored = blobs.blob_put(Bytes::from(tokio::fs::read(&file.path).await.map_err(failed)?)).await?;
            if stored.digest != file.object {
                return Err(failed(std::io::Error::other("it changed while it was imported; import again")));
            }
        }
        objects.push(BlobRow { blob: file.object, size: file.size });
    }
    let new = read.list.reference_record(actor);
    let cases = fingerprints(&read.list);
    let digest = new.digest();
    catalog.reference_objects_keep(&digest, &objects, actor, now).await?;
    catalog.fingerprints_add(&digest, SetRole::Reference, "", &cases, actor, now).await?;
    let mut warnings = read.warnings.clone();
    for (model, n) in seen_by(catalog, &cases).await? {
        warnings.push(format!("cases that {model} has been trained on: {n}; runs of {model} on this set are refused"));
    }
    enter(catalog, &new, warnings, now).await
}

/// Keep what a model family was trained on, as fingerprints.
///
/// `is_fact` says that the training has happened already: then an overlap is entered all the same, and every run of
/// that family on the reference set it touches is refused from then on.
///
/// # Errors
/// [`ReferenceError::Overlap`] when the list shares a patient or an image with a reference set; [`ReferenceError::Store`].
pub async fn keep_training_set(
    list: &CaseList,
    warnings: &[String],
    model: &str,
    is_fact: bool,
    catalog: &dyn Catalog,
    actor: &str,
    now: Timestamp,
) -> Result<KeptSet, ReferenceError> {
    let cases = fingerprints(list);
    let found = lines(&with_reference_sets(catalog, &cases).await?);
    let mut warnings = warnings.to_vec();
    if !found.is_empty() && !is_fact {
        return Err(ReferenceError::Overlap {
            what: format!("training of {model} with these cases is"),
            with: "reference sets".to_owned(),
            cases: found,
            remedy:
                "remove them from the training; if it has happened, enter it with --already-trained, and runs of the \
                     model on those reference sets will be refused"
                    .to_owned(),
        });
    }
    if !found.is_empty() {
        warnings.push(format!(
            "pairs of cases in common with reference sets, on which {model} cannot be tested any more: {}",
            found.len()
        ));
    }
    let new = list.training_record(model, actor);
    catalog.fingerprints_add(&new.digest(), SetRole::Training, model, &cases, actor, now).await?;
    enter(catalog, &new, warnings, now).await
}

async fn enter(
    catalog: &dyn Catalog,
    new: &NewRecord,
    warnings: Vec<String>,
    now: Timestamp,
) -> Result<KeptSet, ReferenceError> {
    let added = catalog.record_add(new, now).await?;
    Ok(KeptSet { record: added.record, is_new: added.is_new, warnings })
}

/// The reference set of a digest, of 12 digits or more of one, or the newest of a name.
///
/// # Errors
/// There is none, or the record is not one.
pub async fn find_set(catalog: &dyn Catalog, which: &str) -> Result<(Record, CaseList), ReferenceError> {
    let is_digest = 12 <= which.len() && which.bytes().all(|b| b.is_ascii_hexdigit());
    let record = if is_digest {
        catalog.record_get(which).await?
    } else {
        let filter = RecordFilter {
            kind: Some(RecordKind::ReferenceSet),
            subject: Some(which.to_owned()),
            ..RecordFilter::default()
        };
        let found = catalog.record_list(&filter, 1).await?.into_iter().next();
        found.ok_or(StoreError::NotFound("reference set of that name; `hilum reference list` shows what there is"))?
    };
    if record.kind != RecordKind::ReferenceSet {
        let why = format!("it is of kind {}", record.kind.name());
        return Err(ValidateError::CaseList { record: record.digest.short(), why }.into());
    }
    let list = CaseList::from_record(&record)?;
    Ok((record, list))
}
