//! Folder import: every file below a folder goes the way of a received object.

use crate::incoming::{Intake, IntakeError, Received};
use hilum_store::records::{IntakeOutcome, Origin, Source};
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

/// Read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What an import did; every file is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// New instances, late ones included.
    pub stored: u64,
    /// Held already with the same bytes.
    pub duplicates: u64,
    /// Held already with other bytes; both are kept.
    pub conflicts: u64,
    /// Kept, but no instance of a study.
    pub quarantined: u64,
    /// Not DICOM at all by name or first bytes: left alone.
    pub skipped: u64,
}

impl ImportReport {
    /// Count one file.
    pub fn add(&mut self, file: ImportedFile) {
        let counter = match file {
            ImportedFile::Stored => &mut self.stored,
            ImportedFile::Duplicate => &mut self.duplicates,
            ImportedFile::Conflict => &mut self.conflicts,
            ImportedFile::Quarantined => &mut self.quarantined,
            ImportedFile::Skipped => &mut self.skipped,
        };
        *counter += 1;
    }
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportedFile {
    /// A new instance.
    Stored,
    /// Held already with the same bytes.
    Duplicate,
    /// Held already with other bytes; both are kept.
    Conflict,
    /// Kept, but no instance of a study.
    Quarantined,
    /// Not a DICOM object: left alone.
    Skipped,
}

/// Every regular file below `folder`, in order of path. Links are not followed.
///
/// # Errors
/// The folder, or one below it, cannot be read.
pub fn list_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Import one file. A file without the Part 10 prefix, and a DICOMDIR, is left alone.
///
/// # Errors
/// Nothing was kept.
pub async fn import_file(intake: &Intake, path: &Path, user: &str) -> Result<ImportedFile, IntakeError> {
    let mut file = tokio::fs::File::open(path).await.map_err(IntakeError::ReadBack)?;
    let origin = Origin { peer: user.to_owned(), source: Source::Import };
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut length = read_full(&mut file, &mut chunk).await.map_err(IntakeError::ReadBack)?;
    let dicomdir = path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"));
    if dicomdir || chunk[..length].get(128..132) != Some(b"DICM") {
        return Ok(ImportedFile::Skipped);
    }
    let mut incoming = intake.begin_file(origin)?;
    while length != 0 {
        incoming.write(&chunk[..length])?;
        length = read_full(&mut file, &mut chunk).await.map_err(IntakeError::ReadBack)?;
    }
    Ok(match incoming.finish(None).await? {
        Received::Quarantined { .. } => ImportedFile::Quarantined,
        Received::Instance { outcome, .. } => match outcome {
            IntakeOutcome::Stored { .. } | IntakeOutcome::Late { .. } => ImportedFile::Stored,
            IntakeOutcome::Duplicate { .. } | IntakeOutcome::OwnResult { .. } | IntakeOutcome::Answer { .. } => {
                ImportedFile::Duplicate
            }
            IntakeOutcome::SetAside { .. } => ImportedFile::Quarantined,
            IntakeOutcome::Conflict { .. } => ImportedFile::Conflict,
        },
    })
}

/// Fill `buffer` as far as the file goes.
async fn read_full(file: &mut tokio::fs::File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]).await? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
