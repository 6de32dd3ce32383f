//! `hilum rehearse`: rules tried on simulated days with injected faults, or on recorded days (MV-29, MV-45, UX-15).
//!
//! It reads: the deployment, the accepted validation, and for a replay what was observed and labelled. It opens no store of
//! objects and no package unless `--images` asks for it, no connection to anybody but a server that runs the package, and
//! enters nothing unless `--record` asks for it.

use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::commands::trial::place;
use crate::config::{Config, read_deployments};
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use clap::Args;
use hilum_gate::rules_digest;
use hilum_monitor::rehearsal::{Declared, Fault, Rehearsal, Replay, Scenario, Verdict, World, rehearse, replay};
use hilum_registry::{Deployment, MonitoringPlan};
use hilum_sign::{NewRecord, RecordKind};
use hilum_store::Catalog;
use hilum_store::governance::RecordFilter;
use hilum_store::monitoring::ObservationFilter;
use hilum_types::{Clock, Digest, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod images;
mod show;

/// Most facts of one kind that a replay reads.
const FACTS_MAX: u32 = 1_000_000;

/// Exit statuses, as of every gate: 3 a declaration is missed, 4 these runs do not say.
const MISSED: u8 = 3;
const NOT_SHOWN: u8 = 4;

#[derive(Args)]
pub(crate) struct RehearseArgs {
    /// Name of the deployment whose rules are rehearsed.
    #[arg(long, value_name = "NAME")]
    deployment: String,
    /// What the site is like and what goes wrong: a TOML file with [scenario] and [[fault]].
    #[arg(long, value_name = "FILE", required_unless_present = "replay", conflicts_with = "replay")]
    faults: Option<PathBuf>,
    /// Measure what faults of pixels do, on this reference set: its digest, the first 12 digits, or its name.
    #[arg(long, value_name = "SET", requires = "faults", conflicts_with = "replay")]
    images: Option<String>,
    /// Recorded days instead: what was known from FROM on and before TO, such as 2026-10-01..2026-11-01.
    #[arg(long, value_name = "FROM..TO")]
    replay: Option<String>,
    /// Rehearse the rules that this file declares for the deployment instead of those in force.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Simulated years without a fault, and runs of each fault.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// Seed of all draws: the same seed gives the same figures.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
    /// Keep the result as a record about the deployment, which can be signed.
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// A file of faults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFile {
    scenario: toml::Table,
    #[serde(default)]
    fault: Vec<Fault>,
    images: Option<images::ImageLabels>,
}

/// Carry out `hilum rehearse`. Exit status 0: everything declared was kept (or it was a replay); 3: something was missed;
/// 4: the runs do not say.
pub(crate) async fn run(arguments: RehearseArgs) -> Result<ExitCode> {
    let config = Config::read(&arguments.config.path)?;
    let bench = match &arguments.images {
        Some(_) => Some(place(&config, false).await?),
        None => None,
    };
    let catalog = match &bench {
        Some(bench) => bench.catalog.clone(),
        None => open_catalog(&config).await?,
    };
    let name = arguments.deployment.as_str();
    let Some(deployment) = catalog.deployment_get(name).await? else {
        bail!("there is no deployment {name:?}; `hilum deployments` lists them");
    };
    let declared = declared(&deployment, arguments.rules.as_deref())?;
    let rules = rules_digest(&declared.rules, declared.evidence.as_ref());
    if let Some(window) = &arguments.replay {
        let told = replayed(&*catalog, &deployment, &declared, window).await?;
        if arguments.json {
            println!("{}", serde_json::to_string_pretty(&told)?);
        } else {
            show::replay(&told);
        }
        if arguments.record {
            let record = record(&deployment, rules, "replay", &serde_json::to_value(&told)?);
            keep(&*catalog, &record, arguments.json).await?;
        } else if !arguments.json {
            println!("Nothing was written, and nothing was sent.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Some(file) = &arguments.faults else { bail!("say --faults FILE or --replay FROM..TO") };
    let (mut world, labels) = world(&*catalog, &deployment, declared, file).await?;
    if let (Some(set), Some(bench)) = (&arguments.images, &bench) {
        world = images::measured(bench, &deployment, &world, set, labels, arguments.seed).await?;
    }
    // The simulation needs every core for a while, and nothing else of this process waits for it.
    let (runs, seed, now) = (arguments.runs, arguments.seed, SystemClock.now());
    let told = tokio::task::spawn_blocking(move || rehearse(&world, runs, seed, now)).await??;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        show::rehearsal(&told);
    }
    if arguments.record {
        let record = record(&deployment, rules, "faults", &serde_json::to_value(&told)?);
        keep(&*catalog, &record, arguments.json).await?;
    }
    Ok(status(&told))
}

fn status(told: &Rehearsal) -> ExitCode {
    match told.verdict {
        Verdict::Kept => ExitCode::SUCCESS,
        Verdict::NotShown => ExitCode::from(NOT_SHOWN),
        Verdict::Missed => ExitCode::from(MISSED),
    }
}

/// The rules in force, or those of a candidate declaration.
fn declared(deployment: &Deployment, rules: Option<&Path>) -> Result<Declared> {
    let name = &deployment.spec.name;
    let plan: Option<MonitoringPlan> = match rules {
        None => deployment.spec.monitoring.clone(),
        Some(file) => {
            let (candidates, _) = read_deployments(file)?;
            let candidate = candidates.into_iter().find(|candidate| candidate.name == *name);
            candidate.with_context(|| format!("{} declares no deployment {name:?}", file.display()))?.monitoring
        }
    };
    let plan = plan.with_context(|| {
        format!(
            "{name} declares no rules; write [[deployment.monitoring.rule]] into its declaration, or use --rules FILE"
        )
    })?;
    let declared = Declared { deployment: name.clone(), rules: plan.rules, evidence: plan.evidence };
    declared.check()?;
    Ok(declared)
}

async fn world(
    catalog: &dyn Catalog,
    deployment: &Deployment,
    declared: Declared,
    file: &Path,
) -> Result<(World, Option<images::ImageLabels>)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read: FaultFile = toml::from_str(&text).with_context(|| format!("{} is no file of faults", file.display()))?;
    let mut scenario = read.scenario;
    fill_operating_points(catalog, deployment, &mut scenario).await?;
    let scenario: Scenario =
        scenario.try_into().with_context(|| format!("[scenario] of {} cannot be used", file.display()))?;
    Ok((World::new(scenario, declared, read.fault)?, read.images))
}

/// Where the file leaves out how good the model is, the newest validation of the package says it. How frequent a finding is
/// has to be said: a reference set is seldom as the site is.
async fn fill_operating_points(
    catalog: &dyn Catalog,
    deployment: &Deployment,
    scenario: &mut toml::Table,
) -> Result<()> {
    let Some(findings) = scenario.get_mut("finding").and_then(toml::Value::as_table_mut) else {
        bail!("[scenario.finding.LABEL] is missing; it says at least the prevalence of each finding");
    };
    let mut validations = None;
    for (label, finding) in findings {
        let Some(finding) = finding.as_table_mut() else { continue };
        for rate in ["sensitivity", "specificity"] {
            if finding.contains_key(rate) {
                continue;
            }
            if validations.is_none() {
                let subject = Some(deployment.package_digest.to_string());
                let filter = RecordFilter { kind: Some(RecordKind::Validation), subject, until: None };
                validations = Some(catalog.record_list(&filter, 100).await?);
            }
            let of_finding = |body: &Value| {
                body["report"]["protocol"]["document"]["target"]["finding"].as_str() == Some(label.as_str())
            };
            let found = validations.iter().flatten().find(|record| record.is_intact() && of_finding(&record.body));
            let value = found.and_then(|record| {
                let point = &record.body["report"]["classification"]["operating_point"]["figure"];
                point[rate]["figure"]["value"].as_f64()
            });
            let value = value.with_context(|| {
                format!("no validation of this package says the {rate} for {label}; write it into [scenario.finding.{label}]")
            })?;
            finding.insert(rate.to_owned(), toml::Value::Float(value));
        }
    }
    Ok(())
}

/// Recorded facts of the version in use through the rules. Only lists are read.
async fn replayed(catalog: &dyn Catalog, deployment: &Deployment, declared: &Declared, window: &str) -> Result<Replay> {
    let (from, until) = window.split_once("..").context("write --replay FROM..TO, such as 2026-10-01..2026-11-01")?;
    let (from, until) = (moment(from)?, moment(until)?);
    if until <= from {
        bail!("{until} is not after {from}");
    }
    let filter = ObservationFilter {
        deployment: deployment.spec.name.clone(),
        package: Some(deployment.package_digest),
        recorded_from: Some(from),
        as_of: Some(until),
        ..ObservationFilter::default()
    };
    let observations = catalog.observation_list(&filter, FACTS_MAX).await?;
    let labelled = catalog.labelled_list(&filter, FACTS_MAX).await?;
    if observations.len() >= FACTS_MAX as usize || labelled.len() >= FACTS_MAX as usize {
        bail!("there are more than {FACTS_MAX} facts in that time; replay a shorter one");
    }
    let labels: Vec<_> = labelled.into_iter().map(|one| one.label).collect();
    let facts = (from, until);
    Ok(replay(declared, deployment.package_digest, &observations, &labels, facts)?)
}

fn moment(text: &str) -> Result<Timestamp> {
    let text = text.trim();
    let tries = [text.to_owned(), format!("{text}:00Z"), format!("{text}T00:00:00Z")];
    let found = tries.iter().find_map(|text| text.parse().ok());
    found.with_context(|| format!("{text:?} is no time; write 2026-05-03 or 2026-05-03T14:00"))
}

/// What is kept of a rehearsal of the rules of that digest.
fn record(deployment: &Deployment, rules: Digest, mode: &str, told: &Value) -> NewRecord {
    NewRecord {
        kind: RecordKind::Rehearsal,
        subject: deployment.spec.name.clone(),
        body: json!({
            "format": 1,
            "mode": mode,
            "package": deployment.package_digest,
            "revision": deployment.revision,
            "rules": rules,
            "verdict": told.get("verdict"),
            "rehearsal": told,
        }),
        author: actor(),
    }
}

async fn keep(catalog: &dyn Catalog, record: &NewRecord, quiet: bool) -> Result<()> {
    let added = catalog.record_add(record, SystemClock.now()).await?;
    if !quiet {
        let digest = added.record.digest;
        println!("Kept as record {}; sign it with `hilum record sign {}`.", digest.short(), digest.short());
    }
    Ok(())
}
