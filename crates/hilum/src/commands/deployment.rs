use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::Result;
use hilum_types::Clock;
use std::path::Path;
use std::process::ExitCode;

/// `hilum suspend NAME --reason TEXT`.
pub(crate) async fn suspend(config: &Path, name: &str, by: &str, reason: &str) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let stopped = catalog.deployment_suspend(name, by, reason, SystemClock.now()).await?;
    println!("{name}: {} since now; the next study will say so. `hilum resume {name}` lifts it.", stopped.state);
    Ok(ExitCode::SUCCESS)
}

/// `hilum resume NAME --reason TEXT`.
pub(crate) async fn resume(config: &Path, name: &str, by: &str, reason: &str) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let resumed = catalog.deployment_resume(name, by, reason, SystemClock.now()).await?;
    println!("{name}: {} again", resumed.state);
    Ok(ExitCode::SUCCESS)
}

/// `hilum deployments`.
pub(crate) async fn list(config: &Path) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let deployments = catalog.deployment_list().await?;
    if deployments.is_empty() {
        println!("No deployment is declared. Write [[deployment]] in the configuration, then `hilum apply FILE`.");
    }
    for deployment in deployments {
        println!(
            "{:<24} {:<10} package {}  to {}",
            deployment.spec.name,
            deployment.state.name(),
            deployment.package_digest.short(),
            if deployment.spec.destinations.is_empty() {
                "nobody".into()
            } else {
                deployment.spec.destinations.join(", ")
            }
        );
        if let Some(champion) = &deployment.spec.champion {
            let taken = if deployment.superseded_by.is_some() { ", which has its version now" } else { "" };
            println!("{:<24} challenges {champion}{taken}", "");
        }
        if let Some(stopped) = deployment.suspension {
            println!("{:<24} stopped by {} on {}: {}", "", stopped.by, stopped.since, stopped.reason);
        }
    }
    Ok(ExitCode::SUCCESS)
}
