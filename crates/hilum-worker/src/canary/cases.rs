//! The fixed cases: from the package, from a folder, or from an imported reference set.

use super::Subject;
use crate::runner::{Context, JobError};
use bytes::Bytes;
use hilum_dicom::{Limits, read_part10_header};
use hilum_registry::tree_digest;
use hilum_sign::RecordKind;
use hilum_store::{BlobStore, ErrorKind};
use hilum_types::{Digest, InstanceHeader};
use std::collections::BTreeSet;
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
    let wanted = match wanted_cases(&record.body, cases_max) {
        Ok(wanted) => wanted,
        Err(problem) => return Ok(Err(problem)),
    };
    let mut cases = Vec::with_capacity(wanted.len());
    for (name, images) in wanted {
        let mut objects = Vec::with_capacity(images.len());
        for digest in images {
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
        cases.push(FixedCase { name, objects });
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let digest = tree_digest(names.into_iter().map(|name| (name, set)));
    Ok(Ok(FixedCases { cases, digest }))
}

/// The first cases of a reference set by name, with the digests of their images: the others are neither read nor asked for.
fn wanted_cases(body: &serde_json::Value, cases_max: usize) -> Result<Vec<(String, Vec<Digest>)>, String> {
    let name = |case: &serde_json::Value| case["id"].as_str().unwrap_or_default().to_owned();
    let mut listed: Vec<(String, &serde_json::Value)> =
        body["cases"].as_array().into_iter().flatten().map(|case| (name(case), case)).collect();
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    listed.truncate(cases_max);
    if listed.is_empty() {
        return Err("the reference set is empty".to_owned());
    }
    let mut wanted = Vec::with_capacity(listed.len());
    for (name, case) in listed {
        let instances = case["instances"].as_array().map(Vec::as_slice).unwrap_or_default();
        let digest = |instance: &serde_json::Value| instance["object"].as_str()?.parse::<Digest>().ok();
        let images: Option<Vec<Digest>> = instances.iter().map(digest).collect();
        let Some(images) = images else { return Err(format!("case {name} has an image that is not kept here")) };
        match images.len() {
            0 => return Err(format!("case {name} has no images")),
            n if OBJECTS_MAX < n => return Err(format!("case {name} has more than {OBJECTS_MAX} images")),
            _ => wanted.push((name, images)),
        }
    }
    Ok(wanted)
}

/// A folder of cases: each folder in it is a case, and each file beside them is one of a single object.
fn read_folder(folder: &Path) -> Result<FixedCases, String> {
    let mut cases = Vec::new();
    let mut digests = Vec::new();
    for (name, path) in named(sorted(folder)?)? {
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

/// Entries with the names of their cases: a folder's name whole, also when it is a UID with its dots, and a file's without
/// `.dcm`. Two entries of one name are refused: nobody could tell their answers apart.
fn named(paths: Vec<PathBuf>) -> Result<Vec<(String, PathBuf)>, String> {
    let mut named: Vec<(String, PathBuf)> = Vec::with_capacity(paths.len());
    let mut taken = BTreeSet::new();
    for path in paths {
        let whole = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_dicom_file = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("dcm")) && !path.is_dir();
        let stem = path.file_stem().filter(|_| is_dicom_file).map(|stem| stem.to_string_lossy().into_owned());
        let name = stem.unwrap_or(whole);
        if !taken.insert(name.clone()) {
            return Err(format!("two entries of the folder of fixed cases are case {name}; rename one of them"));
        }
        named.push((name, path));
    }
    Ok(named)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Of a large set only the cases that are run matter: the first by name, whatever their order in the list.
    #[test]
    fn cases_beyond_the_limit_are_not_asked_for() {
        let kept = |id: &str| json!({ "id": id, "instances": [{ "object": Digest::of(id.as_bytes()) }] });
        let not_kept = json!({ "id": "z", "instances": [{ "object": null }] });
        let body = json!({ "cases": [not_kept, kept("c"), kept("a"), kept("b")] });
        let of = |id: &str| (id.to_owned(), vec![Digest::of(id.as_bytes())]);
        assert_eq!(wanted_cases(&body, 2), Ok(vec![of("a"), of("b")]));
        assert_eq!(wanted_cases(&body, 3), Ok(vec![of("a"), of("b"), of("c")]));
        let said = wanted_cases(&body, 4).unwrap_err();
        assert_eq!(said, "case z has an image that is not kept here");
        let said = wanted_cases(&json!({ "cases": [{ "id": "a", "instances": [] }] }), 4).unwrap_err();
        assert_eq!(said, "case a has no images");
        assert_eq!(wanted_cases(&json!({}), 4).unwrap_err(), "the reference set is empty");
    }

    /// Folders are often named by a Study Instance UID, which has no ending to be cut off.
    #[test]
    fn a_case_has_the_whole_name_of_its_folder() {
        let place = tempfile::tempdir().unwrap();
        for name in ["1.2.840.1", "1.2.840.2", "left"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        std::fs::write(place.path().join("right.DCM"), "").unwrap();
        std::fs::write(place.path().join("1.2.840.3"), "").unwrap();
        let entries = named(sorted(place.path()).unwrap()).unwrap();
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["1.2.840.1", "1.2.840.2", "1.2.840.3", "left", "right"]);
        std::fs::write(place.path().join("left.dcm"), "").unwrap();
        let said = read_folder(place.path()).err().unwrap();
        assert_eq!(said, "two entries of the folder of fixed cases are case left; rename one of them");
    }
}
