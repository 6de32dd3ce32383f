use crate::config::{Config, count};
use crate::system::{models, open_catalog};
use anyhow::{Context, Result};
use hilum_audit::Checkpoint;
use hilum_infer::FolderPackage;
use hilum_sign::{MakerPublicKey, Record, RecordKind};
use hilum_store::Catalog;
use hilum_store::governance::{Discrepancy, RecordFilter};
use hilum_worker::kept_problems;
use hilum_worker::trust::verify_tree;
use std::path::Path;
use std::process::ExitCode;

/// Signatures of makers that are looked at: more than any site has packages.
const SIGNATURES_MAX: u32 = 100_000;

/// `hilum audit verify`: exit status 0 when the chain is whole and everything it vouches for is as it was entered, 1
/// when anything is not.
pub(crate) async fn verify(config: &Path, checkpoints: &[String]) -> Result<ExitCode> {
    let known: Vec<Checkpoint> = checkpoints
        .iter()
        .map(|text| parse_checkpoint(text).with_context(|| format!("{text:?} is not a checkpoint SEQ:HASH")))
        .collect::<Result<_>>()?;
    let config = Config::read(config)?;
    let catalog = open_catalog(&config).await?;
    let mut found = Vec::new();
    match catalog.audit_verify(&known).await? {
        Ok(verified) => {
            let head = verified.head;
            println!("The audit chain is whole: {} entries, checkpoint {}:{}", verified.count, head.seq, head.hash);
            println!("Keep the checkpoint elsewhere; with --checkpoint it proves that nothing was cut off later.");
        }
        Err(tampering) => {
            println!("THE AUDIT CHAIN IS BROKEN: {tampering}");
            found.push(Discrepancy { subject: "audit chain".to_owned(), problem: tampering.to_string() });
        }
    }
    let report = catalog.governance_verify().await?;
    let packages = models(&config).folder().to_owned();
    found.extend(report.discrepancies);
    found.extend(stored_packages(&*catalog, &packages).await?);
    println!(
        "Looked at {}, {}, {}, {} with their files, {}, {}.",
        count(report.n_records as usize, "record"),
        count(report.n_signatures as usize, "signature"),
        count(report.n_users as usize, "user"),
        count(report.n_packages as usize, "package"),
        count(report.n_alias_moves as usize, "alias move"),
        count(report.n_case_lists as usize, "case list"),
    );
    if found.is_empty() {
        println!("Everything is as it was entered.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("CHANGED BY HAND, {}:", count(found.len(), "thing"));
    for discrepancy in &found {
        println!("  {discrepancy}");
    }
    Ok(ExitCode::FAILURE)
}

/// Every stored package against its digest, and every kept signature of a maker against the stored files.
async fn stored_packages(catalog: &dyn Catalog, packages: &Path) -> Result<Vec<Discrepancy>> {
    let mut found = Vec::new();
    for package in catalog.package_list().await? {
        let subject = format!("package {}@{} {}", package.name, package.version, package.digest.short());
        for problem in kept_problems(packages, &package.digest) {
            found.push(Discrepancy { subject: subject.clone(), problem });
        }
    }
    let filter = RecordFilter { kind: Some(RecordKind::PackageSignature), ..RecordFilter::default() };
    for record in catalog.record_list(&filter, SIGNATURES_MAX).await? {
        if let Some(problem) = signature_problem(&record, packages) {
            let subject = format!("signature of package {}", record.subject.get(..12).unwrap_or_default());
            found.push(Discrepancy { subject, problem });
        }
    }
    Ok(found)
}

/// What does not hold about the maker's signature that this record keeps.
fn signature_problem(record: &Record, packages: &Path) -> Option<String> {
    let digest: hilum_types::Digest = record.subject.parse().ok()?;
    let key = record.body["key"].as_str().and_then(|pem| MakerPublicKey::from_pem(pem).ok());
    let Some(key) = key else { return Some("the kept key cannot be read".to_owned()) };
    let folder = packages.join(digest.to_string());
    if !folder.is_dir() {
        // Told with the package.
        return None;
    }
    let text = record.body["signature"].to_string();
    match verify_tree(&FolderPackage::new(folder), &text, &[key]) {
        Err(error) => Some(error.to_string()),
        Ok(_) => {
            let kept = std::fs::read_to_string(hilum_worker::kept_signature_path(packages, &digest));
            kept.is_err().then(|| "its file beside the package is gone; import the package again".to_owned())
        }
    }
}

pub(crate) fn parse_checkpoint(text: &str) -> Option<Checkpoint> {
    let (seq, hash) = text.split_once(':')?;
    Some(Checkpoint { seq: seq.parse().ok()?, hash: hash.parse().ok()? })
}
