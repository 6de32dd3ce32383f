use super::key::{create, read_private_key};
use anyhow::{Context, Result, bail};
use hilum_infer::FolderPackage;
use hilum_worker::trust::{file_digests, signature_beside};
use std::path::Path;
use std::process::ExitCode;

/// `hilum model sign DIR --key FILE`.
pub(super) fn sign(folder: &Path, key: &Path) -> Result<ExitCode> {
    if !folder.is_dir() {
        bail!("{} is no folder", folder.display());
    }
    let key = read_private_key(key)?;
    let files = file_digests(&FolderPackage::new(folder)).context("nothing was signed")?;
    let path = signature_beside(folder);
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let text = hilum_sign::sign_tree(&name, &files, &key).context("nothing was signed")?;
    create(&path, &text, 0o644)?;
    println!("{} files signed with key {}", files.len(), key.public().fingerprint()?);
    println!("{}: give it along with the folder", path.display());
    Ok(ExitCode::SUCCESS)
}
