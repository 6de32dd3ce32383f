use crate::config::{Config, count, read_deployments};
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use hilum_monitor::image::FEATURES;
use hilum_registry::{DeploymentSpec, Manifest};
use hilum_store::Catalog;
use hilum_types::Clock;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// `hilum apply FILE [--dry-run]`.
pub(crate) async fn apply(file: &Path, config_path: &Path, dry_run: bool, studies: u32) -> Result<ExitCode> {
    let (deployments, own_config) = read_deployments(file)?;
    let config = match own_config {
        Some(config) => config,
        None => Config::read(config_path).context("a file with only deployments needs --config FILE beside it")?,
    };
    if deployments.is_empty() {
        bail!("{} declares no [[deployment]]", file.display());
    }
    let mut problems: Vec<String> =
        deployments.iter().flat_map(|d| d.problems(&config.destination_names())).map(|p| p.to_string()).collect();
    problems.extend(deployments.iter().flat_map(|deployment| config.contact_problems(deployment)));
    if !problems.is_empty() {
        bail!("nothing was applied; {}:\n  {}", count(problems.len(), "problem"), problems.join("\n  "));
    }
    let catalog = open_catalog(&config).await?;
    // Every package is looked for before the first deployment is applied, so that a file is taken whole or not at all.
    let mut packages = Vec::new();
    for spec in &deployments {
        let package = catalog.package_get(&spec.package).await.with_context(|| {
            format!(
                "nothing was applied; deployment {:?} names package {}: import it with `hilum model import DIR`",
                spec.name, spec.package
            )
        })?;
        packages.push(package);
    }
    for (spec, package) in deployments.iter().zip(&packages) {
        let Some(plan) = &spec.monitoring else { continue };
        let manifest = Manifest::deserialize(&package.manifest)
            .with_context(|| format!("nothing was applied; package {} cannot be read", package.digest.short()))?;
        let unknown = plan.unknown_names(&manifest, &FEATURES);
        if !unknown.is_empty() {
            let n = count(unknown.len(), "problem");
            bail!("nothing was applied; deployment {:?} has {n}:\n  {}", spec.name, unknown.join("\n  "));
        }
    }
    if dry_run {
        for spec in &deployments {
            show_dry_run(&*catalog, spec, studies).await?;
        }
        println!("Nothing was written.");
        return Ok(ExitCode::SUCCESS);
    }
    for (spec, package) in deployments.iter().zip(packages) {
        let applied = catalog
            .deployment_apply(spec, package.digest, &actor(), SystemClock.now())
            .await
            .with_context(|| format!("deployment {:?} was not applied", spec.name))?;
        let (state, version) =
            (applied.state, format!("{} {} ({})", package.name, package.version, package.digest.short()));
        println!("{}: {state} with {version}, revision {}", spec.name, applied.revision);
        if let Some(stopped) = applied.suspension {
            println!(
                "  it stays suspended by {}: {}; `hilum resume {}` lifts that",
                stopped.by, stopped.reason, spec.name
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Who acts at the command line.
pub(crate) fn actor() -> String {
    format!("user:{}", std::env::var("USER").unwrap_or_else(|_| "operator".to_owned()))
}

async fn show_dry_run(catalog: &dyn Catalog, spec: &DeploymentSpec, studies: u32) -> Result<()> {
    let lines = hilum_worker::dry_run(catalog, spec, studies, SystemClock.now()).await?;
    let eligible = lines.iter().filter(|line| line.eligible()).count();
    println!("{}: would have run on {eligible} of the last {}", spec.name, count_studies(lines.len()));
    let mut reasons: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for line in &lines {
        if let Some(disposition) = line.disposition() {
            let reason = disposition.reason().map(|reason| reason.text.clone()).unwrap_or_default();
            *reasons.entry((disposition.name(), reason)).or_default() += 1;
        }
    }
    for ((name, reason), n) in reasons {
        println!("  {n:>5}  {}: {reason}", name.replace('_', " "));
    }
    for line in &lines {
        println!("    {}  {}", line.study_key, line.decision.sentence());
    }
    Ok(())
}

fn count_studies(n: usize) -> String {
    if n == 1 { "1 complete study".to_owned() } else { format!("{n} complete studies") }
}
