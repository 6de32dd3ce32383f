use super::key::read_public_key;
use crate::commands::package::find;
use crate::config::Config;
use crate::system::{models, open_catalog};
use anyhow::{Context, Result, bail};
use hilum_infer::FolderPackage;
use hilum_sign::MakerPublicKey;
use hilum_worker::trust::{read_signature, signature_beside, verify_tree};
use hilum_worker::{kept_problems, kept_signature_path};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `hilum model verify DIR|NAME@VERSION`: exit status 1 when a byte is another.
pub(super) async fn verify(
    what: &str,
    signature: Option<&Path>,
    key: Option<&Path>,
    config: &Path,
) -> Result<ExitCode> {
    let folder = Path::new(what);
    if folder.is_dir() {
        let path = signature.map_or_else(|| signature_beside(folder), Path::to_owned);
        let Some(text) = read_signature(&path)? else {
            bail!("there is no signature {}; name it with --signature FILE", path.display());
        };
        return signed(folder, &text, &trusted(key, config)?);
    }
    let config_read = Config::read(config)?;
    let package = find(&*open_catalog(&config_read).await?, what).await?;
    let packages = models(&config_read).folder().to_owned();
    println!("{} {}, package {}", package.name, package.version, package.digest);
    let problems = kept_problems(&packages, &package.digest);
    for problem in &problems {
        println!("CHANGED  {problem}");
    }
    if !problems.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    println!("whole    its files are those that were imported");
    let path: PathBuf = signature.map_or_else(|| kept_signature_path(&packages, &package.digest), Path::to_owned);
    match read_signature(&path)? {
        None if signature.is_some() => bail!("there is no signature {}", path.display()),
        None if config_read.trust.require_signature => {
            println!("NOT SIGNED, and [trust] require_signature asks for it");
            Ok(ExitCode::FAILURE)
        }
        None => {
            println!("not signed");
            Ok(ExitCode::SUCCESS)
        }
        Some(text) => signed(&packages.join(&package.location), &text, &trusted(key, config)?),
    }
}

/// The key that was named, or those that the site trusts.
fn trusted(key: Option<&Path>, config: &Path) -> Result<Vec<MakerPublicKey>> {
    if let Some(path) = key {
        return Ok(vec![read_public_key(path)?]);
    }
    let config = Config::read(config).context("without --key, the keys of [trust] in the configuration are used")?;
    Ok(config.trust.trust().keys)
}

fn signed(folder: &Path, text: &str, keys: &[MakerPublicKey]) -> Result<ExitCode> {
    match verify_tree(&FolderPackage::new(folder), text, keys) {
        Ok(verified) => {
            println!("signed   {} files, by key {}", verified.n_files, verified.fingerprint);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("BROKEN   {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}
