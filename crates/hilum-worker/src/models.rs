//! Imported packages: kept under their digest, loaded with proof, and kept ready.

use hilum_infer::{EngineConfig, EngineReport, Engines, InferError, LoadedPackage, load_package, register_package};
use hilum_store::records::Package;
use hilum_store::{Catalog, StoreError};
use hilum_types::{Digest, Timestamp};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The packages of this site. Clones share what is loaded.
#[derive(Clone)]
pub struct Models {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    engine_config: EngineConfig,
    engines: OnceLock<Engines>,
    loaded: Mutex<HashMap<Digest, Arc<LoadedPackage>>>,
}

/// A package was not imported; nothing is kept of it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It does not pass its checks, does not reproduce its golden cases, or the engines disagree about it.
    #[error(transparent)]
    Package(#[from] InferError),
    /// It could not be copied.
    #[error("cannot copy the package to {path}")]
    Copy {
        /// Where to.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The catalog did not take it.
    #[error("the package could not be entered in the catalog")]
    Store(#[from] StoreError),
    /// The check panicked.
    #[error("the check of the package ended by a defect; please report it")]
    Defect,
}

/// An imported package.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// As the catalog holds it.
    pub package: Package,
    /// Whether it was not there before.
    pub is_new: bool,
    /// What was checked, for people.
    pub report: Vec<String>,
}

impl Models {
    /// Packages are kept in `folder`. Engines are looked for when the first package is used.
    pub fn new(folder: PathBuf, engine_config: EngineConfig) -> Models {
        let shared = Shared { folder, engine_config, engines: OnceLock::new(), loaded: Mutex::default() };
        Models { shared: Arc::new(shared) }
    }

    /// Which engine runs models, and how to get a faster one.
    pub fn engine_report(&self) -> EngineReport {
        self.engines().report()
    }

    fn engines(&self) -> &Engines {
        self.shared
            .engines
            .get_or_init(|| Engines::discover(&self.shared.engine_config).with_remote(hilum_oip::connect))
    }

    /// Check a package, replay its golden cases on every engine, copy it under its digest, and enter it.
    ///
    /// Importing the same package again changes nothing.
    ///
    /// # Errors
    /// Everything wrong with the package at once; nothing is kept.
    pub async fn import(
        &self,
        folder: &Path,
        catalog: &dyn Catalog,
        actor: &str,
        now: Timestamp,
    ) -> Result<Imported, ImportError> {
        let (models, source) = (self.clone(), folder.to_owned());
        let kept = tokio::task::spawn_blocking(move || models.keep(&source));
        let (loaded, location) = kept.await.map_err(|_panicked| ImportError::Defect)??;
        let manifest = loaded.manifest();
        let package = Package {
            digest: loaded.digest(),
            name: manifest.package.name.clone(),
            version: manifest.package.version.clone(),
            manifest: serde_json::to_value(manifest)
                .map_err(|error| StoreError::Misuse(format!("a manifest cannot be written as JSON: {error}")))?,
            location,
            imported_at: now,
        };
        let is_new = catalog.package_add(&package, actor).await?;
        let engines: Vec<String> = loaded.engines().all().iter().map(|engine| engine.info().to_string()).collect();
        let report = vec![
            format!("golden cases reproduced on {}", engines.join(" and ")),
            format!("regulatory status {:?}", manifest.regulatory.status),
        ];
        Ok(Imported { package, is_new, report })
    }

    /// Check where it stands, copy, and check the copy: what is kept is what was checked.
    fn keep(&self, source: &Path) -> Result<(Arc<LoadedPackage>, String), ImportError> {
        let checked = register_package(source, self.engines())?;
        let location = checked.digest().to_string();
        let target = self.shared.folder.join(&location);
        if !target.exists() {
            let partial = self.shared.folder.join(format!(".{location}.{}", std::process::id()));
            let copied = copy_tree(source, &partial).and_then(|()| std::fs::rename(&partial, &target));
            if let Err(source) = copied {
                // What is left of a failed copy is never looked at, and a later import does not need its name.
                let _ = std::fs::remove_dir_all(&partial);
                return Err(ImportError::Copy { path: target, source });
            }
        }
        let kept = load_package(&target, self.engines(), Some(checked.digest()))?;
        self.remember(&kept);
        Ok((kept, location))
    }

    fn remember(&self, package: &Arc<LoadedPackage>) {
        let mut loaded = self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(package.digest(), package.clone());
    }

    /// The package of that digest, loaded and proven when it is used for the first time. Blocks.
    ///
    /// # Errors
    /// Its files are gone or changed, or it no longer reproduces its golden cases.
    pub fn load(&self, digest: Digest) -> Result<Arc<LoadedPackage>, InferError> {
        let known = self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(package) = known {
            return Ok(package);
        }
        let package = load_package(&self.shared.folder.join(digest.to_string()), self.engines(), Some(digest))?;
        self.remember(&package);
        Ok(package)
    }
}

/// Copy regular files; the package check has refused everything else. Each file and folder is synced.
fn copy_tree(source: &Path, target: &Path) -> io::Result<()> {
    std::fs::create_dir_all(target)?;
    for entry in std::fs::read_dir(source)? {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_tree(&from, &to)?;
        } else {
            std::fs::copy(&from, &to)?;
            std::fs::File::open(&to)?.sync_all()?;
        }
    }
    std::fs::File::open(target)?.sync_all()
}
