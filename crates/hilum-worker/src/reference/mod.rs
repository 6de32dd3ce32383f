//! Reference and training sets: from a folder of DICOM files and a table to an immutable case list (MV-11, MV-24, AV-23).

mod assemble;
mod error;
mod keep;
mod objects;
mod overlap;
mod table;

pub use error::ReferenceError;
pub use keep::{KeptSet, find_set, keep_reference_set, keep_training_set};
pub use objects::pixel_digest;
pub use overlap::{fingerprints, refuse_overlap};
pub use table::fingerprint_list;

use crate::SiteKey;
use hilum_validate::{CaseList, Exposure, Independence};
use std::path::{Path, PathBuf};

/// Which columns of the table mean what. Names are compared exactly.
#[derive(Debug, Clone)]
pub struct TableColumns {
    /// Path of the file, relative to the folder or to the table.
    pub file: String,
    /// The reference label.
    pub label: String,
    /// Patient; `None`: `patient_id` where the table has it, else Patient ID (0010,0020) of the objects.
    pub patient: Option<String>,
    /// Case id; `None`: every file is a case of its own, named by the first 16 digits of its digest.
    pub case: Option<String>,
    /// Kept with each case for slices and subgroups.
    pub groups: Vec<String>,
    /// When the label was given.
    pub labelled_at: Option<String>,
    /// Source of the label.
    pub label_source: Option<String>,
    /// Exposure of the label.
    pub exposure: Option<String>,
    /// Independence class of the label.
    pub independence: Option<String>,
}

impl Default for TableColumns {
    fn default() -> Self {
        TableColumns {
            file: "file".to_owned(),
            label: "label".to_owned(),
            patient: None,
            case: None,
            groups: Vec::new(),
            labelled_at: None,
            label_source: None,
            exposure: None,
            independence: None,
        }
    }
}

/// What holds for every label that the table says nothing else of.
#[derive(Debug, Clone, Default)]
pub struct LabelOrigin {
    /// Who or what gave it.
    pub source: Option<String>,
    /// Name and version of the program that read it out of a text.
    pub extractor: Option<String>,
    /// When it was given.
    pub labelled_at: Option<String>,
    /// Whether the labeller had seen the output of a model.
    pub exposure: Exposure,
    /// How independent of a model's output it is.
    pub independence: Option<Independence>,
}

/// What to make a case list from.
#[derive(Debug, Clone)]
pub struct SetSource<'a> {
    /// Name of the list.
    pub name: String,
    /// The folder.
    pub folder: &'a Path,
    /// Every file below the folder.
    pub files: &'a [PathBuf],
    /// The table; a training set may do without.
    pub table: Option<&'a Path>,
    /// Its columns.
    pub columns: TableColumns,
    /// Only rows with these values: column and value.
    pub only: Vec<(String, String)>,
    /// Origin of the labels.
    pub origin: LabelOrigin,
    /// Let in objects marked Synthetic Data = YES.
    pub synthetic_data: bool,
    /// Pass over DICOM files that the table does not name.
    pub ignore_unlisted: bool,
}

/// A case list that was read, before anything is kept.
#[derive(Debug, Clone)]
pub struct ReadSet {
    /// The list.
    pub list: CaseList,
    /// The file of each image with the case it belongs to, in order of path.
    pub files: Vec<ReadFile>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// One file of a case list.
#[derive(Debug, Clone)]
pub struct ReadFile {
    /// Where it was read.
    pub path: PathBuf,
    /// Case it belongs to.
    pub case: String,
    /// Digest of its bytes.
    pub object: hilum_types::Digest,
    /// Their number.
    pub size: u64,
}

/// Read folder and table into a reference list. Blocks; `read` is called once for every file, from several threads.
///
/// # Errors
/// [`ReferenceError::Problems`] with everything that is wrong, row by row; nothing is kept.
pub fn read_reference_set(
    source: &SetSource<'_>,
    key: &SiteKey,
    read: &(dyn Fn() + Sync),
) -> Result<ReadSet, ReferenceError> {
    assemble::read(source, key, assemble::Purpose::Reference, read)
}

/// Read a folder, with or without a table, into a training list: fingerprints only, without labels.
///
/// # Errors
/// As [`read_reference_set`].
pub fn read_training_set(
    source: &SetSource<'_>,
    key: &SiteKey,
    read: &(dyn Fn() + Sync),
) -> Result<ReadSet, ReferenceError> {
    assemble::read(source, key, assemble::Purpose::Training, read)
}
