//! Packages on disk: reading them without following anything out of the folder, and loading them with proof.

use crate::engine::{EngineInfo, Engines, ModelSpec, Session, StopSignal, Tensors};
use crate::{InferError, golden};
use hilum_registry::manifest::Manifest;
use hilum_registry::package::onnx::OnnxSummary;
use hilum_registry::package::{
    CheckedPackage, ENTRIES_MAX, EntryKind, FILE_BYTES_MAX, PackageEntry, PackageSource, check_package,
};
use hilum_types::Digest;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A package folder.
#[derive(Debug, Clone)]
pub struct FolderPackage {
    root: PathBuf,
}

impl FolderPackage {
    /// The folder that holds `hilum/package.toml`.
    pub fn new(root: impl Into<PathBuf>) -> FolderPackage {
        FolderPackage { root: root.into() }
    }

    fn list(&self, folder: &Path, entries: &mut Vec<PackageEntry>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let relative = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
            // Links are not followed, here or when reading.
            let metadata = std::fs::symlink_metadata(&path)?;
            let kind = if metadata.is_symlink() {
                EntryKind::Symlink
            } else if metadata.is_dir() {
                EntryKind::Folder
            } else if metadata.is_file() {
                EntryKind::File { bytes: metadata.len(), links: links(&metadata) }
            } else {
                EntryKind::Other
            };
            entries.push(PackageEntry { path: relative.replace(std::path::MAIN_SEPARATOR, "/"), kind });
            if ENTRIES_MAX < entries.len() {
                return Ok(());
            }
            if kind == EntryKind::Folder {
                self.list(&path, entries)?;
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn links(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn links(_: &std::fs::Metadata) -> u64 {
    1
}

#[cfg(unix)]
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A file that became a link or a pipe since it was listed is not opened.
    std::fs::File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

impl PackageSource for FolderPackage {
    fn entries(&self) -> Vec<PackageEntry> {
        let mut entries = Vec::new();
        if let Err(error) = self.list(&self.root, &mut entries) {
            tracing::warn!(%error, folder = %self.root.display(), "a package folder cannot be listed");
            // Part of a package is no package: an empty list is refused.
            entries.clear();
        }
        entries
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let words = |error: std::io::Error| error.to_string();
        let file = open(&self.root.join(path)).map_err(words)?;
        if !file.metadata().map_err(words)?.is_file() {
            return Err("it is not a file".to_owned());
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(words)?;
        if FILE_BYTES_MAX < bytes.len() as u64 {
            return Err("it grew beyond the limit while it was read".to_owned());
        }
        Ok(bytes)
    }
}

/// A package that passed its checks and reproduced its golden cases on the preferred engine, ready to run.
pub struct LoadedPackage {
    checked: CheckedPackage,
    engines: Engines,
    outputs: Vec<String>,
    idle: Mutex<Vec<Box<dyn Session>>>,
}

impl std::fmt::Debug for LoadedPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedPackage")
            .field("name", &self.manifest().package.name)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

impl LoadedPackage {
    /// The version.
    pub fn digest(&self) -> Digest {
        self.checked.digest
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.checked.manifest
    }

    /// What the ONNX graph says about itself.
    pub fn graph(&self) -> &OnnxSummary {
        &self.checked.graph
    }

    /// The engine that runs it.
    pub fn engine(&self) -> EngineInfo {
        self.engines.preferred().info()
    }

    /// Every engine that may run it, the preferred one first.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// Bind a checked package to engines, without replay.
    pub(crate) fn bind(checked: CheckedPackage, engines: &Engines) -> LoadedPackage {
        let outputs = checked.manifest.outputs.iter().map(|output| output.tensor().to_owned());
        let outputs: std::collections::BTreeSet<String> = outputs.collect();
        LoadedPackage {
            engines: engines.of_package(&checked.manifest),
            outputs: outputs.into_iter().collect(),
            checked,
            idle: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn goldens(&self) -> &[hilum_registry::Golden] {
        &self.checked.goldens
    }

    /// A session nobody uses, or a new one: at most as many exist as runs happened at the same time.
    fn session(&self) -> Result<Box<dyn Session>, InferError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(session) => Ok(session),
            None => self.load_on(self.engines.preferred().as_ref()),
        }
    }

    pub(crate) fn load_on(&self, engine: &dyn crate::Engine) -> Result<Box<dyn Session>, InferError> {
        engine.load(ModelSpec {
            bytes: &self.checked.model,
            graph: &self.checked.graph,
            outputs: &self.outputs,
            threads: self.manifest().resources.threads,
            volume: self.manifest().is_volume(),
        })
    }

    /// Run once on the preferred engine. A session that failed is not used again.
    pub(crate) fn infer(&self, inputs: &Tensors, stop: &StopSignal) -> Result<Tensors, InferError> {
        let mut session = self.session()?;
        let outputs = session.run(inputs, stop)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        Ok(outputs)
    }
}

/// Load a package: check it, compare its digest, replay its golden cases (AV-07).
///
/// # Errors
/// Everything wrong with the package at once as [`InferError::Refused`]; [`InferError::OtherVersion`] when the tree is
/// not the `expected` version; [`InferError::Golden`] when a case does not come out as recorded.
pub fn load_package(
    folder: &Path,
    engines: &Engines,
    expected: Option<Digest>,
) -> Result<Arc<LoadedPackage>, InferError> {
    let checked = check_package(&FolderPackage::new(folder))?;
    if let Some(expected) = expected.filter(|expected| *expected != checked.digest) {
        return Err(InferError::OtherVersion { expected, found: checked.digest });
    }
    let loaded = Arc::new(LoadedPackage::bind(checked, engines));
    golden::replay(&loaded)?;
    Ok(loaded)
}

/// As [`load_package`], and run the golden cases on every engine there is: what registration asks for.
///
/// # Errors
/// As [`load_package`]; [`InferError::EnginesDisagree`] when engines differ by more than a case's tolerance.
pub fn register_package(folder: &Path, engines: &Engines) -> Result<Arc<LoadedPackage>, InferError> {
    let loaded = load_package(folder, engines, None)?;
    golden::compare_engines(&loaded, loaded.engines())?;
    Ok(loaded)
}
