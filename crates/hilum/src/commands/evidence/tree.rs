//! Folders of evidence: written only where nothing is, read within bounds.

use anyhow::{Context, Result, bail};
use hilum_sign::FileDigest;
use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most files of a pack.
const FILES_MAX: usize = 1_000_000;

/// The folder, made if it is not there.
///
/// # Errors
/// When it holds anything: a pack is never mixed with another, nor written over one.
pub(crate) fn make_empty(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    if entries.next().is_some() {
        bail!("{} is not empty; give a new folder", folder.display());
    }
    Ok(())
}

/// Where a file of the pack lies; its folder is made.
pub(crate) fn path(folder: &Path, relative: &str) -> Result<PathBuf> {
    let path = folder.join(relative);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    Ok(path)
}

/// Write one file.
pub(crate) fn write(folder: &Path, relative: &str, bytes: &[u8]) -> Result<()> {
    let path = path(folder, relative)?;
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Every file below the folder with its SHA-256, by path.
///
/// # Errors
/// Links and other special files: what they point at is not in the pack.
pub(crate) fn digests(folder: &Path) -> Result<Vec<FileDigest>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                bail!("{} has a name that is no text; it does not belong to a pack", entry.path().display());
            };
            let relative = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((entry.path(), format!("{relative}/")));
            } else if kind.is_file() {
                found.push(FileDigest { sha256: sha256(&entry.path())?, path: relative });
            } else {
                bail!("{relative} is neither a file nor a folder; it does not belong to a pack");
            }
            if FILES_MAX < found.len() {
                bail!("{} holds more than {FILES_MAX} files; it is no pack", folder.display());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn sha256(path: &Path) -> Result<[u8; 32]> {
    let failed = || format!("cannot read {}", path.display());
    let mut file = std::fs::File::open(path).with_context(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).with_context(failed)?;
        if n == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(&buffer[..n]);
    }
}
