//! Imported packages: kept under their digest, loaded with proof, and kept ready.

use crate::kept::{content_digests, kept_signature_path, listing_path, write_whole};
use crate::trust::{Trust, VerifiedSignature, read_signature, signature_beside};
use hilum_infer::{
    EngineConfig, EngineReport, Engines, FolderPackage, InferError, LoadedPackage, load_package, register_package,
};
use hilum_registry::package::tree_listing;
use hilum_sign::{NewRecord, RecordKind};
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
    trust: Trust,
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
    /// The signature that came with it.
    pub signature: Option<VerifiedSignature>,
    /// What was checked, for people.
    pub report: Vec<String>,
}

impl Models {
    /// Packages are kept in `folder`. Engines are looked for when the first package is used.
    pub fn new(folder: PathBuf, engine_config: EngineConfig) -> Models {
        Models::trusting(folder, engine_config, Trust::default())
    }

    /// As [`Models::new`], for a site that trusts certain makers. It holds for imports and for every start.
    pub fn trusting(folder: PathBuf, engine_config: EngineConfig, trust: Trust) -> Models {
        let shared = Shared { folder, engine_config, engines: OnceLock::new(), loaded: Mutex::default(), trust };
        Models { shared: Arc::new(shared) }
    }

    /// The folder they are kept in.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
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
    /// A signature file `FOLDER.sig` beside the folder must hold; so must there be one where the site asks for it.
    /// Importing the same package again changes nothing, except that it may bring its signature.
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
        let signature = read_signature(&signature_beside(folder))?;
        self.import_signed(folder, signature, catalog, actor, now).await
    }

    /// As [`Models::import`], with the content of a signature file from elsewhere, or none.
    ///
    /// # Errors
    /// As [`Models::import`].
    pub async fn import_signed(
        &self,
        folder: &Path,
        signature: Option<String>,
        catalog: &dyn Catalog,
        actor: &str,
        now: Timestamp,
    ) -> Result<Imported, ImportError> {
        let (models, source) = (self.clone(), folder.to_owned());
        let kept = tokio::task::spawn_blocking(move || models.keep(&source, signature.as_deref()));
        let (loaded, location, signature) = kept.await.map_err(|_panicked| ImportError::Defect)??;
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
        let proof = match manifest.dicom_node() {
            Some(node) => format!(
                "a product: {} at {}:{}; it has no golden cases, so fixed cases watch it (`hilum canary`)",
                node.ae_title, node.host, node.port
            ),
            None => {
                let engines: Vec<String> = loaded.engines().all().iter().map(|e| e.info().to_string()).collect();
                format!("golden cases reproduced on {}", engines.join(" and "))
            }
        };
        let mut report = vec![proof, format!("regulatory status {:?}", manifest.regulatory.status)];
        match &signature {
            Some(signature) => {
                catalog.record_add(&signature_record(package.digest, signature, actor)?, now).await?;
                report.push(format!("{} files signed with key {}", signature.n_files, signature.fingerprint));
            }
            None => report.push("not signed".to_owned()),
        }
        Ok(Imported { package, is_new, signature, report })
    }

    /// Check where it stands, copy, and check the copy: what is kept is what was checked.
    fn keep(
        &self,
        source: &Path,
        signature: Option<&str>,
    ) -> Result<(Arc<LoadedPackage>, String, Option<VerifiedSignature>), ImportError> {
        self.shared.trust.check(&FolderPackage::new(source), signature)?;
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
        let verified = self.shared.trust.check(&FolderPackage::new(&target), signature)?;
        self.keep_beside(&target, checked.digest(), signature)
            .map_err(|source| ImportError::Copy { path: target, source })?;
        self.remember(&kept);
        Ok((kept, location, verified))
    }

    /// The list of files and the signature, beside the tree.
    fn keep_beside(&self, target: &Path, digest: Digest, signature: Option<&str>) -> io::Result<()> {
        if let Ok(files) = content_digests(&FolderPackage::new(target)) {
            let listing = tree_listing(files.iter().map(|(path, digest)| (path.as_str(), *digest)));
            write_whole(&listing_path(&self.shared.folder, &digest), &listing)?;
        }
        match signature {
            Some(text) => write_whole(&kept_signature_path(&self.shared.folder, &digest), text),
            None => Ok(()),
        }
    }

    /// Folder in which the package of that digest is kept.
    pub(crate) fn folder_of(&self, digest: Digest) -> PathBuf {
        self.shared.folder.join(digest.to_string())
    }

    fn remember(&self, package: &Arc<LoadedPackage>) {
        let mut loaded = self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(package.digest(), package.clone());
    }

    /// The package of that digest, loaded and proven when it is used for the first time. Blocks.
    ///
    /// # Errors
    /// Its files are gone or changed, its signature does not hold or is missing where one is asked for, or it no longer
    /// reproduces its golden cases.
    pub fn load(&self, digest: Digest) -> Result<Arc<LoadedPackage>, InferError> {
        let known = self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(package) = known {
            return Ok(package);
        }
        let folder = self.shared.folder.join(digest.to_string());
        let signature = read_signature(&kept_signature_path(&self.shared.folder, &digest))?;
        self.shared.trust.check(&FolderPackage::new(&folder), signature.as_deref())?;
        let package = load_package(&folder, self.engines(), Some(digest))?;
        self.remember(&package);
        Ok(package)
    }
}

/// The proof that stays: the signature file and the key that verified it, so that an auditor needs nothing else.
fn signature_record(package: Digest, signature: &VerifiedSignature, actor: &str) -> Result<NewRecord, ImportError> {
    let misuse =
        |error: &dyn std::fmt::Display| StoreError::Misuse(format!("a verified signature cannot be kept: {error}"));
    let bundle: serde_json::Value = serde_json::from_str(&signature.text).map_err(|error| misuse(&error))?;
    let key = signature.key.to_pem().map_err(|error| misuse(&error))?;
    Ok(NewRecord {
        kind: RecordKind::PackageSignature,
        subject: package.to_string(),
        body: serde_json::json!({
            "format": 1,
            "fingerprint": signature.fingerprint,
            "root": signature.root,
            "name": signature.name,
            "n_files": signature.n_files,
            "key": key,
            "signature": bundle,
        }),
        author: actor.to_owned(),
    })
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
