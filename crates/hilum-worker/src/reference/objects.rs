use super::ReferenceError;
use hilum_dicom::lut::stored_values;
use hilum_dicom::{DicomError, Image, Limits, read_part10_header};
use hilum_types::{Digest, InstanceHeader, Phi, Uid, attribute};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a case list needs to know of one DICOM file.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) object: Digest,
    pub(super) size: u64,
    pub(super) pixels: Digest,
    pub(super) sop_instance_uid: Uid,
    pub(super) study_instance_uid: Uid,
    pub(super) patient: Option<Phi<String>>,
    pub(super) synthetic: bool,
}

/// A file, looked at.
#[derive(Debug, Clone)]
pub(super) enum Looked {
    /// It lacks the prefix of a DICOM file (PS3.10 section 7.1).
    NotDicom,
    /// Why it cannot be used.
    Broken(String),
    /// What it is.
    Object(Box<Object>),
}

/// Digest of the decoded samples of all frames with rows, columns, frames and samples per pixel: the stored values as
/// 32-bit floats, so that neither transfer syntax nor Bits Allocated nor any identifier matters.
///
/// # Errors
/// Those of the decoder.
pub fn pixel_digest(part10: &[u8], limits: &Limits) -> Result<Digest, DicomError> {
    let image = Image::open(part10, None, limits)?;
    let description = &image.description;
    let (rows, columns, frames) = (description.rows, description.columns, description.frames);
    let shape = format!("hilum pixels 1 {rows} {columns} {frames} {}", description.samples_per_pixel);
    // Frame by frame, so that a long series of frames needs the memory of one.
    let mut digest = Digest::of(shape.as_bytes());
    for index in 0..frames {
        let values = stored_values(&image.frame(index)?, description);
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let frame = Digest::of(&bytes);
        digest = Digest::of(&[digest.as_bytes().as_slice(), frame.as_bytes()].concat());
    }
    Ok(digest)
}

/// Look at files on as many threads as the machine has cores, up to 8. Answers are in the order of `files`.
pub(super) fn look_at_all(files: &[PathBuf], read: &(dyn Fn() + Sync)) -> Result<Vec<Looked>, ReferenceError> {
    let n_threads = std::thread::available_parallelism().map_or(1, |n| n.get().clamp(1, 8)).min(files.len().max(1));
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(vec![Looked::NotDicom; files.len()]);
    let ended = std::thread::scope(|scope| {
        let work = || {
            while let Some((index, path)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, files.get(i)?)))
            {
                let looked = look_at(path);
                answers.lock().unwrap_or_else(PoisonError::into_inner)[index] = looked;
                read();
            }
        };
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().all(|thread| thread.join().is_ok())
    });
    if !ended {
        return Err(ReferenceError::Defect);
    }
    Ok(answers.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn look_at(path: &Path) -> Looked {
    let limits = Limits::default();
    match std::fs::metadata(path) {
        Ok(metadata) if limits.file_bytes_max < metadata.len() => {
            return Looked::Broken("it is larger than any object Hilum takes".to_owned());
        }
        Ok(_) => {}
        Err(error) => return Looked::Broken(format!("it cannot be read: {error}")),
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Looked::Broken(format!("it cannot be read: {error}")),
    };
    if bytes.get(128..132) != Some(b"DICM") {
        return Looked::NotDicom;
    }
    match describe(&bytes, &limits) {
        Ok(object) => Looked::Object(Box::new(object)),
        Err(error) => Looked::Broken(crate::runner::describe(&error)),
    }
}

fn describe(bytes: &[u8], limits: &Limits) -> Result<Object, DicomError> {
    let header: InstanceHeader = read_part10_header(bytes, limits)?.header;
    Ok(Object {
        object: Digest::of(bytes),
        size: bytes.len() as u64,
        pixels: pixel_digest(bytes, limits)?,
        patient: header.text(attribute::PATIENT_ID).map(|id| Phi::new(id.to_owned())),
        synthetic: header.text(attribute::SYNTHETIC_DATA) == Some("YES"),
        sop_instance_uid: header.sop_instance_uid,
        study_instance_uid: header.study_instance_uid,
    })
}
