use crate::config::Config;
use crate::system::open_catalog;
use anyhow::Result;
use hilum_sign::{Record, RecordKind, approvals};
use hilum_store::Catalog;
use hilum_store::governance::RecordFilter;
use hilum_store::records::Package;
use std::path::Path;
use std::process::ExitCode;

/// Records of one package that are looked through for its standing.
const RECORDS_MAX: u32 = 100;

/// `hilum model list`.
pub(super) async fn list(config: &Path) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let packages = catalog.package_list().await?;
    if packages.is_empty() {
        println!("No package is imported. `hilum model import DIR` imports one.");
    }
    let deployments = catalog.deployment_list().await?;
    for package in packages {
        println!("{}  {:<32} {:<12} {}", package.digest, package.name, package.version, package.imported_at);
        let places: Vec<String> = deployments
            .iter()
            .filter(|deployment| deployment.package_digest == package.digest)
            .map(|deployment| format!("{} ({})", deployment.spec.name, deployment.state))
            .collect();
        let places = if places.is_empty() { "not deployed".to_owned() } else { places.join(", ") };
        println!("  {}; {}; {places}", signer(&*catalog, &package).await?, acceptance(&*catalog, &package).await?);
    }
    Ok(ExitCode::SUCCESS)
}

async fn records(catalog: &dyn Catalog, package: &Package, kind: RecordKind) -> Result<Vec<Record>> {
    let filter = RecordFilter { kind: Some(kind), subject: Some(package.digest.to_string()), until: None };
    Ok(catalog.record_list(&filter, RECORDS_MAX).await?)
}

async fn signer(catalog: &dyn Catalog, package: &Package) -> Result<String> {
    let records = records(catalog, package, RecordKind::PackageSignature).await?;
    let fingerprint = records.first().and_then(|record| record.body["fingerprint"].as_str());
    Ok(match fingerprint {
        Some(fingerprint) => format!("signed by {}", fingerprint.get(..12).unwrap_or(fingerprint)),
        None => "not signed".to_owned(),
    })
}

/// What the newest acceptance test said, and whether two people took it.
async fn acceptance(catalog: &dyn Catalog, package: &Package) -> Result<String> {
    let records = records(catalog, package, RecordKind::Validation).await?;
    Ok(match records.first() {
        None => "not tested".to_owned(),
        Some(record) => {
            let verdict = record.body["verdict"].as_str().unwrap_or("unreadable");
            let approved = if approvals(record).complete() { "approved" } else { "not approved" };
            match (verdict, approved) {
                ("pass", "approved") => "accepted".to_owned(),
                (verdict, approved) => format!("test: {verdict}, {approved}"),
            }
        }
    })
}
