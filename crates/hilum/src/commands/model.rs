use crate::commands::apply::actor;
use crate::config::Config;
use crate::system::{SystemClock, models, open_catalog};
use anyhow::{Context, Result};
use hilum_types::Clock;
use std::path::Path;
use std::process::ExitCode;

/// `hilum model import DIR`.
pub(crate) async fn import(folder: &Path, config: &Path) -> Result<ExitCode> {
    let config = Config::read(config)?;
    let catalog = open_catalog(&config).await?;
    let imported = models(&config)
        .import(folder, &*catalog, &actor(), SystemClock.now())
        .await
        .with_context(|| format!("{} was not imported", folder.display()))?;
    let package = &imported.package;
    println!("{} {}", package.name, package.version);
    for line in &imported.report {
        println!("  {line}");
    }
    println!("  {}", if imported.is_new { "imported" } else { "held already" });
    println!("package = \"{}\"", package.digest);
    Ok(ExitCode::SUCCESS)
}

/// `hilum model list`.
pub(crate) async fn list(config: &Path) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let packages = catalog.package_list().await?;
    if packages.is_empty() {
        println!("No package is imported. `hilum model import DIR` imports one.");
    }
    for package in packages {
        println!("{}  {:<32} {:<12} {}", package.digest, package.name, package.version, package.imported_at);
    }
    Ok(ExitCode::SUCCESS)
}
