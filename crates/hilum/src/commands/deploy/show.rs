//! How a deployment stood, and why it changed.

use super::{Output, moment, open};
use anyhow::{Result, bail};
use hilum_store::rollout::DeploymentChange;
use serde_json::json;
use std::process::ExitCode;

pub(super) async fn history(name: &str, at: Option<&str>, output: &Output) -> Result<ExitCode> {
    let catalog = open(&output.config.path).await?;
    if let Some(at) = at {
        let at = moment(at)?;
        let stood = catalog.deployment_as_of(name, at).await?;
        match (&stood, output.json) {
            (stood, true) => println!("{}", json!({ "format": 1, "at": at, "stood": stood })),
            (None, false) => println!("{name} was not declared yet on {at}"),
            (Some(change), false) => {
                println!("{name} on {at}:");
                show(change);
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let history = catalog.deployment_history(name).await?;
    if history.is_empty() {
        bail!("no deployment is named {name:?}; `hilum deployments` shows them");
    }
    if output.json {
        println!("{}", json!({ "format": 1, "deployment": name, "changes": history }));
        return Ok(ExitCode::SUCCESS);
    }
    history.iter().for_each(show);
    Ok(ExitCode::SUCCESS)
}

fn show(change: &DeploymentChange) {
    let deployment = &change.deployment;
    println!(
        "{:>4}  {}  {:<11} {:<9} package {}  by {}",
        deployment.revision,
        change.changed_at,
        change.act.name().replace('_', " "),
        deployment.state.name(),
        deployment.package_digest.short(),
        change.actor
    );
    if !change.reason.is_empty() {
        println!("      {}", change.reason);
    }
    if !change.evidence.is_empty() {
        let evidence: Vec<String> = change.evidence.iter().map(hilum_types::Digest::short).collect();
        println!("      rests on records {}", evidence.join(", "));
    }
    if let Some(champion) = &deployment.superseded_by {
        println!("      its version is in use as {champion}");
    }
}
