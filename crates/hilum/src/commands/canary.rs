//! `hilum canary`: fixed cases through a deployment, to see whether a product changed by itself (MV-15).

use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use hilum_registry::canary::CanaryFinding;
use hilum_sign::{Record, approvals};
use hilum_store::Catalog;
use hilum_store::products::CanaryRun;
use hilum_types::Clock;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Most runs listed.
const LIST_MAX: u32 = 200;

/// Exit statuses of `hilum canary run`, as of every gate: 3 failed, 4 nothing is known.
const CHANGED: u8 = 3;
const NO_ANSWER: u8 = 4;

#[derive(Subcommand)]
pub(crate) enum CanaryCommand {
    /// Run the fixed cases of a deployment now, and compare with its baseline.
    ///
    /// Exit status 0: unchanged, or the first baseline; 3: changed; 4: not answered, or not carried out.
    Run {
        /// Name of the deployment.
        deployment: String,
        /// Make this run a new baseline instead of comparing; it counts once it is signed.
        #[arg(long)]
        baseline: bool,
        /// Begin the run and do not wait for its end.
        #[arg(long)]
        no_wait: bool,
        /// Longest wait, in seconds.
        #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
        wait: u64,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List runs and what they found, newest first.
    List {
        /// Name of a deployment; all when left out.
        deployment: Option<String>,
        #[command(flatten)]
        config: ConfigFile,
    },
}

pub(crate) async fn run(command: CanaryCommand) -> Result<ExitCode> {
    match command {
        CanaryCommand::Run { deployment, baseline, no_wait, wait, config } => {
            let wait = (!no_wait).then(|| Duration::from_secs(wait));
            run_now(&config.path, &deployment, baseline, wait).await
        }
        CanaryCommand::List { deployment, config } => list(&config.path, deployment.as_deref()).await,
    }
}

async fn run_now(config: &Path, deployment: &str, baseline: bool, wait: Option<Duration>) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    if catalog.deployment_get(deployment).await?.is_none() {
        bail!("there is no deployment {deployment:?}; `hilum deployments` lists them");
    }
    let last = catalog.canary_runs(Some(deployment), 1).await?.first().map_or(0, |run| run.number);
    let begun = catalog.canary_begin(deployment, last, &actor(), baseline, SystemClock.now()).await?;
    let Some(number) = begun else {
        bail!("a run of {deployment} is under way; `hilum canary list {deployment}` shows it");
    };
    println!("{deployment}: run {number} begun");
    let Some(wait) = wait else { return Ok(ExitCode::SUCCESS) };
    let run = ended(&*catalog, deployment, number, wait).await?;
    show(&*catalog, &run).await?;
    Ok(match run.finding {
        Some(CanaryFinding::Baseline | CanaryFinding::Unchanged) => ExitCode::SUCCESS,
        Some(CanaryFinding::Changed) => ExitCode::from(CHANGED),
        Some(CanaryFinding::NoAnswer) | None => ExitCode::from(NO_ANSWER),
    })
}

/// Wait for `hilum serve` or `hilum work` to carry the run out.
async fn ended(catalog: &dyn Catalog, deployment: &str, number: u32, wait: Duration) -> Result<CanaryRun> {
    let begun = Instant::now();
    loop {
        let runs = catalog.canary_runs(Some(deployment), LIST_MAX).await?;
        let run =
            runs.into_iter().find(|run| run.number == number).context("the run is not in the catalog any more")?;
        if run.ended_at.is_some() {
            return Ok(run);
        }
        if wait < begun.elapsed() {
            let seconds = wait.as_secs();
            bail!(
                "run {number} has not ended within {seconds} s; it goes on, if `hilum serve` or `hilum work` is running, \
                 and `hilum canary list {deployment}` shows its end"
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A run with its differences and the standing of its baseline.
async fn show(catalog: &dyn Catalog, run: &CanaryRun) -> Result<()> {
    let Some(digest) = run.record else {
        println!(
            "  not carried out: another version came into use meanwhile, or the fixed cases cannot be used, and then the \
             alarms say why"
        );
        return Ok(());
    };
    let record = catalog.record_get(&digest.to_string()).await?;
    println!("  {}", words(&record));
    for difference in record.body["differences"].as_array().into_iter().flatten() {
        let told = serde_json::from_value::<hilum_registry::CanaryDifference>(difference.clone());
        println!("  {}", told.map_or_else(|_| difference.to_string(), |difference| difference.to_string()));
    }
    for case in record.body["cases"].as_array().into_iter().flatten() {
        if let Some(problem) = case["problem"].as_str() {
            println!("  {}: {problem}", case["case"].as_str().unwrap_or_default());
        }
    }
    let base = match record.body["baseline"].as_str() {
        Some(base) => catalog.record_get(base).await?,
        None if run.finding == Some(CanaryFinding::Baseline) => record,
        None => return Ok(()),
    };
    println!("  {}", standing(&base));
    Ok(())
}

fn words(record: &Record) -> String {
    let finding = record.body["finding"].as_str().unwrap_or_default().replace('_', " ");
    let (n, unanswered) = (&record.body["n_cases"], &record.body["n_unanswered"]);
    format!("{finding}: {n} cases, {unanswered} without an answer; record {}", record.digest.short())
}

/// Whether a baseline counts.
fn standing(base: &Record) -> String {
    let approvals = approvals(base);
    if approvals.complete() {
        return format!("baseline {} is signed", base.digest.short());
    }
    format!(
        "baseline unsigned: {} lacks {}; until then a change raises an alarm and suspends nothing \
         (`hilum record sign {}`)",
        base.digest.short(),
        approvals.missing.join(" and "),
        base.digest.short()
    )
}

async fn list(config: &Path, deployment: Option<&str>) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let runs = catalog.canary_runs(deployment, LIST_MAX).await?;
    if runs.is_empty() {
        println!("No fixed case was run yet. [deployment.canary] runs them on schedule, `hilum canary run NAME` now.");
    }
    for run in runs {
        let finding = match (run.finding, run.ended_at) {
            (Some(finding), _) => finding.name(),
            (None, Some(_)) => "not carried out",
            (None, None) => "under way",
        };
        println!("{:<24} {:>5}  {}  {finding:<16} by {}", run.deployment, run.number, run.started_at, run.caused_by);
        let Some(digest) = run.record else { continue };
        let record = catalog.record_get(&digest.to_string()).await?;
        let base = match record.body["baseline"].as_str() {
            Some(base) => catalog.record_get(base).await?,
            None if run.finding == Some(CanaryFinding::Baseline) => record,
            None => continue,
        };
        println!("{:<24}        {}", "", standing(&base));
    }
    Ok(ExitCode::SUCCESS)
}
