//! `hilum inventory`: algorithms whose results are in the traffic, and which of them are registered here (GV-01).

use crate::ConfigFile;
use crate::config::Config;
use crate::system::open_catalog;
use anyhow::Result;
use clap::Args;
use hilum_registry::Manifest;
use hilum_registry::inventory::declares;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct InventoryArgs {
    /// Only those that no imported package declares.
    #[arg(long)]
    unregistered: bool,
    #[command(flatten)]
    config: ConfigFile,
}

pub(crate) async fn run(arguments: InventoryArgs) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(&arguments.config.path)?).await?;
    let packages = catalog.package_list().await?;
    let manifests: Vec<Manifest> =
        packages.into_iter().filter_map(|package| serde_json::from_value(package.manifest).ok()).collect();
    let mut shown = 0;
    for seen in catalog.algorithm_list().await? {
        let registered = manifests.iter().any(|manifest| declares(manifest, &seen.claim));
        if registered && arguments.unregistered {
            continue;
        }
        shown += 1;
        let maker = if seen.claim.manufacturer.is_empty() { "unknown maker" } else { &seen.claim.manufacturer };
        println!(
            "{:<12}  {}  version {}  by {maker}  {} objects since {}, last {}  ({})",
            if registered { "registered" } else { "UNREGISTERED" },
            seen.claim.name,
            if seen.claim.version.is_empty() { "not stated" } else { &seen.claim.version },
            seen.n_objects,
            seen.first_seen_at.day(),
            seen.last_seen_at.day(),
            seen.claim.evidence
        );
    }
    if shown == 0 {
        println!(
            "No received object names {} algorithm.",
            if arguments.unregistered { "an unregistered" } else { "an" }
        );
    }
    Ok(ExitCode::SUCCESS)
}
