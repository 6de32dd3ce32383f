//! `hilum evidence export`: the pack on disk.

use super::gather::{Asked, Gathered, gather};
use super::{EvidenceConfig, tree};
use crate::config::{Config, count};
use crate::system::open_catalog;
use anyhow::{Context, Result, bail};
use hilum_evidence::law::AI_ACT_ANNEX_IV;
use hilum_evidence::pack::{CHAIN_PATH, MANIFEST_PATH, PackInput, PackManifest, Segment, Status, pack};
use hilum_evidence::{Law, Window};
use hilum_sign::{FileDigest, MakerKey, sign_tree};
use hilum_store::Catalog;
use hilum_types::Timestamp;
use sha2::{Digest as _, Sha256};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Entries of the audit chain that are read at once.
const PAGE: u32 = 2000;

/// What the signer calls the tree. A fixed name, so that the same pack has the same signature wherever it lies.
const TREE_NAME: &str = "hilum-evidence-pack";

/// What to export.
pub(super) struct Export<'a> {
    pub(super) out: &'a Path,
    pub(super) deployment: Option<&'a str>,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) key: Option<&'a Path>,
}

/// `hilum evidence export --out DIR`.
pub(super) async fn export(config: &Path, asked: Export<'_>) -> Result<ExitCode> {
    let config = Config::read(config)?;
    let key = signing_key(&config.evidence, asked.key)?;
    tree::make_empty(asked.out)?;
    let catalog = open_catalog(&config).await?;
    let Gathered { mut site, segment, .. } =
        gather(&*catalog, Asked { from: asked.from, to: asked.to, counted: None }).await?;
    if let Some(name) = asked.deployment {
        site = site.only(name)?;
    }
    let window = match (asked.from, asked.to) {
        (Some(from), Some(to)) => Some(Window::new(from, to)?),
        _ => None,
    };
    let law = Law::parse(AI_ACT_ANNEX_IV)?;
    let input =
        PackInput { site: &site, law: &law, law_text: AI_ACT_ANNEX_IV, deployment: asked.deployment, window, segment };
    let files = pack(&input)?;
    let mut manifest = PackManifest::default();
    for file in &files {
        tree::write(asked.out, &file.path, &file.bytes)?;
        manifest.add(&file.path, Sha256::digest(&file.bytes).into());
    }
    manifest.add(CHAIN_PATH, write_chain(&*catalog, asked.out, &segment).await?);
    let text = manifest.text();
    tree::write(asked.out, MANIFEST_PATH, text.as_bytes())?;
    let index: serde_json::Value = files
        .iter()
        .find(|file| file.path == "index.json")
        .map(|file| serde_json::from_slice(&file.bytes))
        .transpose()?
        .unwrap_or_default();
    let n = |status: Status| {
        let items = index["items"].as_array().into_iter().flatten();
        items.filter(|item| item["status"] == status.name()).count()
    };
    println!(
        "{}: {} as of audit entry {}",
        asked.out.display(),
        count(manifest.files.len() + 1, "file"),
        segment.to.seq
    );
    println!(
        "AI Act Annex IV: {} with evidence, {} in part, {} missing; index.html names each gap and what would fill it",
        n(Status::Evidence),
        n(Status::Partial),
        n(Status::Missing)
    );
    println!("pack = \"{}\"", manifest.name());
    match key {
        Some(key) => sign(asked.out, &manifest, &key)?,
        None => println!("Not signed: no key was given (--key FILE, or [evidence] signing_key)."),
    }
    Ok(ExitCode::SUCCESS)
}

fn signing_key(config: &EvidenceConfig, given: Option<&Path>) -> Result<Option<MakerKey>> {
    let Some(path) = given.or(config.signing_key.as_deref()) else { return Ok(None) };
    let pem =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the signing key {}", path.display()))?;
    Ok(Some(MakerKey::from_pem(&pem).with_context(|| format!("{} cannot sign", path.display()))?))
}

/// The segment of the chain, one entry a line, read page by page: it may be large.
async fn write_chain(catalog: &dyn Catalog, out: &Path, segment: &Segment) -> Result<[u8; 32]> {
    let path = tree::path(out, CHAIN_PATH)?;
    let failed = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(std::fs::File::create(&path).with_context(failed)?);
    let mut hasher = Sha256::new();
    let mut after = segment.after.seq;
    while after < segment.to.seq {
        let page = catalog.audit_page(after, PAGE).await?;
        let Some(last) = page.last() else { bail!("the audit chain ended while it was read; export again") };
        after = last.seq;
        for entry in page.iter().take_while(|entry| entry.seq <= segment.to.seq) {
            let mut line = serde_json::to_vec(entry)?;
            line.push(b'\n');
            hasher.update(&line);
            file.write_all(&line).with_context(failed)?;
        }
    }
    file.flush().with_context(failed)?;
    Ok(hasher.finalize().into())
}

/// OpenSSF Model Signing v1.0 over every file, the manifest too; the signature lies beside the folder.
fn sign(out: &Path, manifest: &PackManifest, key: &MakerKey) -> Result<()> {
    let mut files: Vec<FileDigest> =
        manifest.files.iter().map(|(path, sha256)| FileDigest { path: path.clone(), sha256: *sha256 }).collect();
    files
        .push(FileDigest { path: MANIFEST_PATH.to_owned(), sha256: Sha256::digest(manifest.text().as_bytes()).into() });
    let text = sign_tree(TREE_NAME, &files, key)?;
    let path = signature_path(out);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("Signed: {} (key {})", path.display(), key.public().fingerprint()?);
    Ok(())
}

/// `DIR.sig` beside the folder.
pub(super) fn signature_path(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".sig");
    folder.with_file_name(name)
}
