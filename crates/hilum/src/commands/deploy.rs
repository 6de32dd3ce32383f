//! `hilum deploy`: the steps of a deployment's life, back and forth, what is missing, and how it stood.

mod compare;
mod show;

use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use hilum_gate::{Missing, change_body, plan_promotion, readiness, recovery};
use hilum_registry::{Deployment, DeploymentState};
use hilum_sign::{NewRecord, RecordKind};
use hilum_store::{Catalog, StoreError};
use hilum_types::{Clock, Timestamp};
use hilum_worker::Proof;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// What `hilum deploy` can do.
#[derive(Subcommand)]
pub(crate) enum DeployCommand {
    /// Say everything that is missing before the deployment may take a step. Exit status 3 when something is.
    Ready {
        /// Name of the deployment.
        name: String,
        /// State it shall go to.
        #[arg(long, value_enum, default_value = "active")]
        to: Target,
        #[command(flatten)]
        output: Output,
    },
    /// Write down a step, or the end of a suspension, for two people to approve with `hilum record sign`.
    Propose {
        /// Name of the deployment.
        name: String,
        /// State it shall go to; left out for a suspended deployment.
        #[arg(long, value_enum)]
        to: Option<Target>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// A record that shows why it may be done: digest, or its first 12 digits or more. May be given several times.
        #[arg(long, value_name = "DIGEST")]
        evidence: Vec<String>,
        /// Who.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        output: Output,
    },
    /// Take a step. A challenger that goes to active hands its version to its champion. Exit status 3 with everything
    /// that is missing.
    Promote {
        /// Name of the deployment.
        name: String,
        /// State it shall go to.
        #[arg(long, value_enum)]
        to: Target,
        /// Package in use now (of the champion, for a challenger), or its first 12 digits or more: refused when it is
        /// another one.
        #[arg(long, value_name = "DIGEST")]
        expect: Option<String>,
        /// Why; needed to go back, and to skip a step.
        #[arg(long)]
        reason: Option<String>,
        /// Who.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        output: Output,
    },
    /// Go back to the version before, from the next study on.
    Rollback {
        /// Name of the deployment.
        name: String,
        /// Why, for everybody who will ask.
        #[arg(long)]
        reason: String,
        /// Package in use now, or its first 12 digits or more: refused when it is another one.
        #[arg(long, value_name = "DIGEST")]
        expect: Option<String>,
        /// Who.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        output: Output,
    },
    /// Show every change of a deployment, or how it stood at a moment.
    History {
        /// Name of the deployment.
        name: String,
        /// The moment, in UTC unless it says otherwise: `2026-05-03`, `2026-05-03T14:00`, `2026-05-03T14:00:00+02:00`.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Compare what two deployments said about the same studies, case by case.
    Compare {
        /// The first, such as the champion.
        first: String,
        /// The second, such as its challenger.
        second: String,
        /// From this moment on.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Before this moment.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        #[command(flatten)]
        output: Output,
    },
}

/// Where a deployment can be promoted to.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Target {
    /// Its version has an accepted local validation.
    Accepted,
    /// It runs, and nothing leaves.
    Shadow,
    /// It answers for the studies of its rollout.
    Limited,
    /// It answers for all studies; a challenger's version comes into use under its champion's name.
    Active,
    /// It ends for good.
    Retired,
}

impl Target {
    fn state(self) -> DeploymentState {
        match self {
            Target::Accepted => DeploymentState::Accepted,
            Target::Shadow => DeploymentState::Shadow,
            Target::Limited => DeploymentState::Limited,
            Target::Active => DeploymentState::Active,
            Target::Retired => DeploymentState::Retired,
        }
    }
}

/// Which configuration, and for whom the output is.
#[derive(Args)]
pub(crate) struct Output {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: crate::ConfigFile,
}

/// `hilum deploy ...`.
pub(crate) async fn run(command: DeployCommand) -> Result<ExitCode> {
    match command {
        DeployCommand::Ready { name, to, output } => ready(&name, to.state(), &output).await,
        DeployCommand::Propose { name, to, reason, evidence, by, output } => {
            propose(&name, to.map(Target::state), &reason, &evidence, &by, &output).await
        }
        DeployCommand::Promote { name, to, expect, reason, by, output } => {
            promote(&name, to.state(), expect.as_deref(), reason.as_deref(), &by, &output).await
        }
        DeployCommand::Rollback { name, reason, expect, by, output } => {
            rollback(&name, &reason, expect.as_deref(), &by, &output).await
        }
        DeployCommand::History { name, at, output } => show::history(&name, at.as_deref(), &output).await,
        DeployCommand::Compare { first, second, from, to, output } => {
            compare::compare(&first, &second, from.as_deref(), to.as_deref(), &output).await
        }
    }
}

async fn open(config: &Path) -> Result<std::sync::Arc<dyn Catalog>> {
    open_catalog(&Config::read(config)?).await
}

/// A person as records and the audit chain name them.
fn user(by: &str) -> String {
    if by.contains(':') { by.to_owned() } else { format!("user:{by}") }
}

async fn ready(name: &str, to: DeploymentState, output: &Output) -> Result<ExitCode> {
    let catalog = open(&output.config.path).await?;
    let proof = Proof::gather(&*catalog, name, SystemClock.now()).await?;
    let missing = readiness(&proof.input(), to, None);
    if output.json {
        println!(
            "{}",
            json!({ "format": 1, "deployment": name, "to": to, "ready": missing.is_empty(), "missing": missing })
        );
    } else if missing.is_empty() {
        println!("{name} may go from {} to {to}: `hilum deploy promote {name} --to {to}`", proof.deployment.state);
    } else {
        println!("{name} may not go from {} to {to}; missing:", proof.deployment.state);
        show_missing(&missing);
    }
    Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn show_missing(missing: &[Missing]) {
    for one in missing {
        println!("  - {}\n      {}", one.text, one.remedy);
    }
}

async fn propose(
    name: &str,
    to: Option<DeploymentState>,
    reason: &str,
    evidence: &[String],
    by: &str,
    output: &Output,
) -> Result<ExitCode> {
    if reason.trim().is_empty() {
        bail!("say why: --reason TEXT");
    }
    let catalog = open(&output.config.path).await?;
    let now = SystemClock.now();
    let proof = Proof::gather(&*catalog, name, now).await?;
    let deployment = &proof.deployment;
    let mut body = match (&deployment.suspension, to) {
        (Some(stopped), None) => change_body("resume", deployment, None, stopped.resume_to.name(), reason),
        (Some(_), Some(_)) => bail!("{name} is suspended; leave --to out to propose that it is used again"),
        (None, None) => bail!("say where it shall go: --to limited, --to active"),
        (None, Some(to)) => change_body("promote", deployment, proof.champion.as_ref(), to.name(), reason),
    };
    let mut shown = Vec::new();
    for digest in evidence {
        shown.push(catalog.record_get(&digest.to_ascii_lowercase()).await?);
    }
    if let Some(rule) = catalog.stopping_rule(deployment).await?
        && let Err(gap) = recovery(&shown, deployment, rule.last_fired_at)
    {
        let rule = rule.name;
        bail!(
            "rule {rule} of {name} fired, so somebody shows why it may be used again: {gap}; `hilum monitor evidence {name} \
             --record` or `hilum validate` make a record, and --evidence DIGEST names it here"
        );
    }
    if !shown.is_empty() {
        body["evidence"] = json!(shown.iter().map(|record| record.digest).collect::<Vec<_>>());
    }
    let record = NewRecord { kind: RecordKind::Change, subject: name.to_owned(), body, author: user(by) };
    let added = catalog.record_add(&record, now).await?;
    let digest = added.record.digest;
    if output.json {
        println!("{}", json!({ "format": 1, "record": digest, "is_new": added.is_new }));
        return Ok(ExitCode::SUCCESS);
    }
    println!("change {digest}");
    println!("Two people approve it:");
    println!("  hilum record sign {} --as USER --meaning approved_clinical", digest.short());
    println!("  hilum record sign {} --as USER --meaning approved_technical", digest.short());
    println!("It is good for exactly this step; a change of {name} or its champion uses it up.");
    Ok(ExitCode::SUCCESS)
}

async fn promote(
    name: &str,
    to: DeploymentState,
    expect: Option<&str>,
    reason: Option<&str>,
    by: &str,
    output: &Output,
) -> Result<ExitCode> {
    let catalog = open(&output.config.path).await?;
    let now = SystemClock.now();
    let proof = Proof::gather(&*catalog, name, now).await?;
    let expect = expect.map(str::to_ascii_lowercase);
    let plan = match plan_promotion(&proof.input(), to, expect.as_deref(), &user(by), reason) {
        Ok(plan) => plan,
        Err(missing) => {
            if output.json {
                println!("{}", json!({ "format": 1, "deployment": name, "to": to, "done": false, "missing": missing }));
            } else {
                println!("{name} stays {}; missing before it goes to {to}:", proof.deployment.state);
                show_missing(&missing);
            }
            return Ok(ExitCode::from(3));
        }
    };
    let promoted = catalog.deployment_promote(&plan, now).await.with_context(|| changed_meanwhile(name))?;
    let in_use = promoted.champion.as_ref().unwrap_or(&promoted.deployment);
    if output.json {
        let champion = promoted.champion.as_ref().map(standing);
        let done = json!({
            "format": 1, "done": true, "deployment": standing(&promoted.deployment), "champion": champion,
            "evidence": plan.evidence(),
        });
        println!("{done}");
        return Ok(ExitCode::SUCCESS);
    }
    match &promoted.champion {
        Some(champion) => println!(
            "{}: {} with package {}, revision {}; {name} is retired, its version is in use",
            champion.spec.name,
            champion.state,
            champion.package_digest.short(),
            champion.revision
        ),
        None => println!(
            "{name}: {} with package {}, revision {}",
            in_use.state,
            in_use.package_digest.short(),
            in_use.revision
        ),
    }
    if promoted.champion.is_some() {
        let name = &in_use.spec.name;
        println!(
            "  `hilum deploy rollback {name} --reason TEXT` returns to the version before, from the next study on"
        );
    }
    if proof.deployment.spec.purpose == hilum_registry::Purpose::Research {
        println!("  for research: no acceptance stands behind it, and its results are marked RESEARCH");
    }
    Ok(ExitCode::SUCCESS)
}

fn changed_meanwhile(name: &str) -> String {
    format!("{name} was not promoted")
}

fn standing(deployment: &Deployment) -> serde_json::Value {
    json!({
        "name": deployment.spec.name,
        "state": deployment.state,
        "package": deployment.package_digest,
        "revision": deployment.revision,
        "rollback": deployment.rollback,
        "superseded_by": deployment.superseded_by,
    })
}

async fn rollback(name: &str, reason: &str, expect: Option<&str>, by: &str, output: &Output) -> Result<ExitCode> {
    let catalog = open(&output.config.path).await?;
    let expect = expect.map(str::to_ascii_lowercase);
    let before = catalog
        .deployment_get(name)
        .await?
        .ok_or(StoreError::NotFound("deployment; `hilum deployments` shows them"))?;
    let now = SystemClock.now();
    let after = catalog
        .deployment_rollback(name, expect.as_deref(), &user(by), reason, now)
        .await
        .with_context(|| format!("{name} was not rolled back"))?;
    if output.json {
        println!("{}", json!({ "format": 1, "left": before.package_digest, "deployment": standing(&after) }));
        return Ok(ExitCode::SUCCESS);
    }
    let (left, package) = (before.package_digest.short(), after.package_digest.short());
    println!("{name}: {} with package {package} from the next study on, revision {}", after.state, after.revision);
    println!("  results of package {left} that were not sent yet are withheld");
    println!("  `hilum recall` lists the studies that were read with it");
    if after.state == DeploymentState::Suspended {
        println!("  it stays suspended; `hilum resume {name}` lifts that");
    }
    if let Some(proof) = after.acceptance.as_ref().filter(|proof| proof.until <= now) {
        println!(
            "  its local validation counted until {}, so the gate withholds until it is validated again",
            proof.until.day()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// A moment as people write it; UTC unless it says otherwise. A day stands for its beginning.
fn moment(text: &str) -> Result<Timestamp> {
    let text = text.trim().replace(' ', "T");
    let tries = [text.clone(), format!("{text}Z"), format!("{text}:00Z"), format!("{text}T00:00:00Z")];
    let found = tries.iter().find_map(|text| text.parse().ok());
    found.with_context(|| {
        format!("{text:?} is no time; write 2026-05-03, 2026-05-03T14:00 or 2026-05-03T14:00:00+02:00")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let told = |text: &str| moment(text).map(|at| at.to_string()).unwrap_or_else(|error| error.to_string());
        insta::assert_snapshot!(told("2026-05-03T14:00"), @"2026-05-03T14:00:00.000000Z");
        insta::assert_snapshot!(told("2026-05-03 14:00"), @"2026-05-03T14:00:00.000000Z");
        insta::assert_snapshot!(told("2026-05-03"), @"2026-05-03T00:00:00.000000Z");
        insta::assert_snapshot!(told("2026-05-03T14:00:00+02:00"), @"2026-05-03T12:00:00.000000Z");
        insta::assert_snapshot!(told("yesterday"), @r#""yesterday" is no time; write 2026-05-03, 2026-05-03T14:00 or 2026-05-03T14:00:00+02:00"#);
    }
}
