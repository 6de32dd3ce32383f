use super::key::create;
use crate::commands::apply::actor;
use crate::config::{Config, count};
use crate::system::{SystemClock, models, open_catalog};
use anyhow::{Context, Result, bail};
use hilum_infer::{FolderPackage, InferError};
use hilum_registry::package::{MANIFEST_FILE, MODEL_FILE, manifest_skeleton, metadata_warnings, onnx};
use hilum_registry::{PackageProblem, PackageSource};
use hilum_types::Clock;
use hilum_worker::ImportError;
use hilum_worker::trust::{read_signature, signature_beside};
use std::path::Path;
use std::process::ExitCode;

/// `hilum model import DIR`.
pub(super) async fn import(folder: &Path, signature: Option<&Path>, config: &Path) -> Result<ExitCode> {
    let config = Config::read(config)?;
    if !folder.is_dir() {
        bail!("{} is no folder; give the folder of the package", folder.display());
    }
    let catalog = open_catalog(&config).await?;
    let path = signature.map_or_else(|| signature_beside(folder), Path::to_owned);
    let text = read_signature(&path)?;
    if text.is_none() && signature.is_some() {
        bail!("there is no signature {}", path.display());
    }
    let imported = models(&config).import_signed(folder, text, &*catalog, &actor(), SystemClock.now()).await;
    let imported = match imported {
        Err(ImportError::Package(InferError::Refused(refused))) => return refuse(folder, &refused.problems),
        other => other.with_context(|| format!("{} was not imported", folder.display()))?,
    };
    let package = &imported.package;
    println!("{} {}", package.name, package.version);
    for line in &imported.report {
        println!("  {line}");
    }
    for warning in warnings(folder) {
        println!("  note: {warning}");
    }
    println!("  {}", if imported.is_new { "imported" } else { "held already" });
    println!("package = \"{}\"", package.digest);
    Ok(ExitCode::SUCCESS)
}

/// Everything that is missing or wrong, one line each, and a manifest to begin with where there is none.
fn refuse(folder: &Path, problems: &[PackageProblem]) -> Result<ExitCode> {
    if is_without_manifest(folder) {
        println!("{}", skeleton(folder));
        println!("# The text above is a beginning of {MANIFEST_FILE}; --skeleton writes it there.");
    }
    for warning in warnings(folder) {
        eprintln!("note: {warning}");
    }
    eprintln!("error: {} was not imported; {}:", folder.display(), count(problems.len(), "problem"));
    for problem in problems {
        eprintln!("  {problem}");
    }
    Ok(ExitCode::FAILURE)
}

fn is_without_manifest(folder: &Path) -> bool {
    !folder.join(MANIFEST_FILE).exists()
}

fn warnings(folder: &Path) -> Vec<PackageProblem> {
    let metadata = FolderPackage::new(folder).read("configs/metadata.json");
    metadata.map(|bytes| metadata_warnings(&bytes)).unwrap_or_default()
}

fn skeleton(folder: &Path) -> String {
    let source = FolderPackage::new(folder);
    let metadata = source.read("configs/metadata.json").ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let graph = source.read(MODEL_FILE).ok().and_then(|bytes| onnx::inspect(&bytes).ok());
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    manifest_skeleton(&name, metadata.as_ref(), graph.as_ref())
}

/// `hilum model import DIR --skeleton`.
pub(super) fn write_skeleton(folder: &Path) -> Result<ExitCode> {
    if !folder.is_dir() {
        bail!("{} is no folder; give the folder of the package", folder.display());
    }
    let path = folder.join(MANIFEST_FILE);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    create(&path, &skeleton(folder), 0o644)?;
    println!("{}: decide every line that says FILL IN, record golden cases, then import", path.display());
    Ok(ExitCode::SUCCESS)
}
