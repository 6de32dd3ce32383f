//! `hilum demo`: a reading day in a small hospital, with real C-STORE on every leg and nothing installed but this.

mod report;
mod scenario;
mod setup;

use crate::serve::Running;
use crate::system::SystemClock;
use anyhow::{Context, Result};
use clap::Args;
use hilum_dimse::Status;
use hilum_testkit::{Behaviour, Script, SimulatedModality, SimulatedPacs, When};
use hilum_types::Clock;
use indicatif::{ProgressBar, ProgressStyle};
use report::Outcomes;
use scenario::DemoStudy;
use setup::{CLASSIFIER, SEGMENTER};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A study that has not ended after this long has failed the scenario.
const STUDY_TIMEOUT: Duration = Duration::from_secs(120);

/// Seed of every phantom of the demo.
const SEED: u64 = 20_261_123;

/// Options of `hilum demo`.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Keep everything in this folder; a temporary one is used, and removed, when left out.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// End by itself; exit status 0 only if every study ended as the scenario expects.
    #[arg(long)]
    once: bool,
    /// Catalog to use instead of SQLite, such as `postgres://...`.
    #[arg(long, value_name = "URL", env = "HILUM_CATALOG_URL")]
    catalog_url: Option<String>,
}

/// Play the scenario.
pub(crate) async fn demo(arguments: DemoArgs) -> Result<ExitCode> {
    let temporary = match &arguments.data_dir {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("cannot create a temporary folder")?),
    };
    let folder = match (&arguments.data_dir, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => unreachable!("one of the two is always there"),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;

    anyhow::ensure!(
        !folder.join("data").exists(),
        "{0} holds an earlier demo; look at it with `hilum serve --config {0}/hilum.toml`, or choose another folder",
        folder.display()
    );

    let pacs = SimulatedPacs::start("PACS".parse()?).await?;
    // The archive is busy when the first results come, so that the retry is seen to work.
    pacs.set_script(Script::when(When::Instances(0..2), Behaviour::Refuse(Status::OUT_OF_RESOURCES)));
    println!("archive    PACS listens on {}", pacs.address());
    let (config_file, config) = setup::write_config(&folder, pacs.address(), arguments.catalog_url.as_deref())?;
    let running = Running::start(&config).await?;
    println!("hilum      HILUM listens on {}, pages on http://{}", running.dimse_address(), running.http_address);
    setup::import_and_apply(&folder, &config, &running.catalog).await?;

    let modality = SimulatedModality::new("DXROOM1".parse()?, "HILUM".parse()?, running.dimse_address());
    let mut outcomes = Outcomes::default();
    let studies = scenario::morning(SEED)?;
    println!("\nMorning: {} by C-STORE", count_studies(studies.len()));
    play(&running, &modality, &studies, &mut outcomes).await?;

    let reason = "demonstration of the stop: outlines too wide since this morning";
    running.catalog.deployment_suspend(SEGMENTER, "Dr Demo", reason, SystemClock.now()).await?;
    println!("\nDr Demo suspends {SEGMENTER}: {reason}");
    let studies = scenario::after_the_stop(SEED)?;
    println!("Afternoon: {} more", count_studies(studies.len()));
    play(&running, &modality, &studies, &mut outcomes).await?;

    let whole = outcomes.close(&running, &pacs).await?;
    println!("\nLook at it  http://{}", running.http_address);
    if temporary.is_none() {
        println!("Ask for it  hilum study show ACCESSION --config {}", config_file.display());
    }
    if !arguments.once {
        println!("Ctrl-C ends the demo{}.", if temporary.is_some() { " and removes its data" } else { "" });
        tokio::signal::ctrl_c().await?;
    }
    running.stop().await;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Send the studies, then say of each how it ended, in the order they were sent.
async fn play(
    running: &Running,
    modality: &SimulatedModality,
    studies: &[DemoStudy],
    outcomes: &mut Outcomes,
) -> Result<()> {
    let style = ProgressStyle::with_template("  {msg:<8} {bar:40} {pos}/{len}")?;
    let progress = ProgressBar::new(studies.len() as u64).with_style(style).with_message("sending");
    for study in studies {
        for part in &study.parts {
            let ledger = modality.send(Arc::<[_]>::from(part.clone())).await;
            outcomes.sent(&ledger);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    // A study whose second part comes late must have been complete before.
    for study in studies.iter().filter(|study| !study.late_part.is_empty()) {
        wait_until_ended(running, study, 1).await?;
        let ledger = modality.send(Arc::<[_]>::from(study.late_part.clone())).await;
        outcomes.sent(&ledger);
    }
    for study in studies {
        let revision = if study.late_part.is_empty() { 1 } else { 2 };
        wait_until_ended(running, study, revision).await?;
        outcomes.ended(running, study).await?;
    }
    Ok(())
}

/// Wait until the revision of the study has a disposition for both deployments.
async fn wait_until_ended(running: &Running, study: &DemoStudy, revision: u32) -> Result<()> {
    let deadline = Instant::now() + STUDY_TIMEOUT;
    loop {
        if let Some(known) = running.catalog.study_by_uid(&study.study_instance_uid).await?
            && known.revision == revision
            && [CLASSIFIER, SEGMENTER].iter().all(|name| {
                known.dispositions.iter().any(|ended| ended.deployment == *name && ended.revision == revision)
            })
        {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{} has not ended after {STUDY_TIMEOUT:?}", study.title);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn count_studies(n: usize) -> String {
    if n == 1 { "1 study".to_owned() } else { format!("{n} studies") }
}
