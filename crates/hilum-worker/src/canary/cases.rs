//! The fixed cases: from the package, from a folder, or from an imported reference set.

use super::Subject;
use crate::runner::{Context, JobError};
use bytes::Bytes;
use hilum_dicom::{Limits, read_part10_header};
use hilum_registry::tree_digest;
use hilum_sign::RecordKind;
use hilum_store::{BlobStore, ErrorKind};
use hilum_types::{Digest, InstanceHeader};
use std::path::{Path, PathBuf};

/// Most objects of one case, and most cases of a folder: more is somebody's wrong folder.
const OBJECTS_MAX: usize = 4000;
const CASES_MAX: usize = 1000;

/// One fixed case.
pub(super) struct FixedCase {
    /// Its name.
    pub(super) name: String,
    /// Its objects (PS3.10), with their headers.
    pub(super) objects: Vec<(InstanceHeader, Bytes)>,
}

/// All fixed cases of a deployment.
pub(super) struct FixedCases {
    /// Cases by name.
    pub(super) cases: Vec<FixedCase>,
    /// Digest over names and bytes: a baseline counts for exactly these cases.
    pub(super) digest: Digest,
}

/// Read the cases of a plan; the inner error says what a person has to mend.
pub(super) async fn load(context: &Context, subject: &Subject) -> Result<Result<FixedCases, String>, JobError> {
    let (models, plan, digest) = (context.models.clone(), subject.plan.clone(), subject.deployment.package_digest);
    let data_dir = context.options.data_dir.clone();
    if let Some(set) = plan.reference_set {
        return read_reference_set(context, set, plan.cases_max as usize).await;
    }
    let reading = tokio::task::spawn_blocking(move || match plan.cases {
        Some(folder) => read_folder(&data_dir.join(folder)),
        None => {
            // The package is held against its digest first, as at every start.
            models.load(digest).map_err(|error| error.to_string())?;
            let folder = models.folder_of(digest).join("hilum/canary");
            if !folder.is_dir() {
                return Err("the package carries no hilum/canary; name a folder in canary.cases".to_owned());
            }
            read_folder(&folder)
        }
    });
    Ok(reading.await.unwrap_or_else(|_panicked| Err("reading them ended by a defect; please report it".to_owned())))
}

/// The first cases of an imported reference set whose images are kept here, by name.
async fn read_reference_set(
    context: &Context,
    set: Digest,
    cases_max: usize,
) -> Result<Result<FixedCases, String>, JobError> {
    let record = match context.catalog.record_get(&set.to_string()).await {
        Ok(record) => record,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Err(format!("there is no reference set {}; import it", set.short())));
        }
        Err(error) => return Err(error.into()),
    };
    if record.kind != RecordKind::ReferenceSet || !record.is_intact() {
        return Ok(Err(format!("record {} is no reference set, or was changed by hand", set.short())));
    }
    let mut cases = Vec::new();
    for case in record.body["cases"].as_array().into_iter().flatten() {
        let name = case["id"].as_str().unwrap_or_default().to_owned();
        let mut objects = Vec::new();
        for instance in case["instances"].as_array().into_iter().flatten() {
            let digest = instance["object"].as_str().and_then(|digest| digest.parse::<Digest>().ok());
            let Some(digest) = digest else {
                return Ok(Err(format!("case {name} has an image that is not kept here")));
            };
            let bytes = match context.blobs.blob_get(&digest).await {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error.into()),
                Err(error) => return Ok(Err(format!("an image of case {name} cannot be used: {error}"))),
            };
            match read_part10_header(&bytes, &Limits::default()) {
                Ok(scanned) => objects.push((scanned.header, bytes)),
                Err(error) => return Ok(Err(format!("an image of case {name} is no DICOM object: {error}"))),
            }
        }
        if objects.is_empty() {
            return Ok(Err(format!("case {name} has no images")));
        }
        cases.push(FixedCase { name, objects });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases.truncate(cases_max);
    if cases.is_empty() {
        return Ok(Err("the reference set is empty".to_owned()));
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let digest = tree_digest(names.into_iter().map(|name| (name, set)));
    Ok(Ok(FixedCases { cases, digest }))
}

/// A folder of cases: each folder in it is a case, and each file beside them is one of a single object.
fn read_folder(folder: &Path) -> Result<FixedCases, String> {
    let mut cases = Vec::new();
    let mut digests = Vec::new();
    for path in sorted(folder)? {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut files = Vec::new();
        list(&path, &mut files)?;
        let mut objects = Vec::new();
        for file in &files {
            let place = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
            let bytes = std::fs::read(file).map_err(|error| format!("{place} cannot be read: {error}"))?;
            digests.push((place.clone(), Digest::of(&bytes)));
            let scanned = read_part10_header(&bytes, &Limits::default());
            let scanned = scanned.map_err(|error| format!("{place} is no DICOM object: {error}"))?;
            objects.push((scanned.header, Bytes::from(bytes)));
        }
        if objects.is_empty() {
            return Err(format!("case {name} is empty"));
        }
        if objects.iter().any(|(header, _)| header.study_instance_uid != objects[0].0.study_instance_uid) {
            return Err(format!("case {name} holds objects of several studies; give each study a folder of its own"));
        }
        cases.push(FixedCase { name, objects });
    }
    if cases.is_empty() {
        return Err("the folder of fixed cases is empty".to_owned());
    }
    let digest = tree_digest(digests.iter().map(|(path, digest)| (path.as_str(), *digest)));
    Ok(FixedCases { cases, digest })
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("the folder of fixed cases cannot be read: {error}");
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    if CASES_MAX < paths.len() {
        return Err(format!("the folder of fixed cases has more than {CASES_MAX} entries"));
    }
    paths.sort();
    Ok(paths)
}

/// Every file at or below `path`, in order; links are not followed.
fn list(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let metadata = std::fs::symlink_metadata(path).map_err(|error| format!("a case cannot be read: {error}"))?;
    if OBJECTS_MAX < files.len() {
        return Err(format!("a case has more than {OBJECTS_MAX} files"));
    }
    if metadata.is_file() {
        files.push(path.to_owned());
    } else if metadata.is_dir() {
        for inner in sorted(path)? {
            list(&inner, files)?;
        }
    }
    Ok(())
}
