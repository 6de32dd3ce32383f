//! `hilum evidence report`: the periodic report of a deployment.

use super::gather::{Asked, Gathered, count as count_window, gather};
use super::tree;
use crate::commands::apply::actor;
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::Result;
use hilum_evidence::{PeriodicReport, Window};
use hilum_types::Clock;
use std::path::Path;
use std::process::ExitCode;

/// `hilum evidence report --deployment NAME --from DAY --to DAY --out DIR`.
pub(super) async fn report(config: &Path, deployment: &str, window: Window, out: &Path) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let asked = Asked { from: Some(window.from), to: Some(window.to), counted: Some(deployment) };
    let Gathered { site, mut counted, .. } = gather(&*catalog, asked).await?;
    count_window(&*catalog, deployment, window, &mut counted).await?;
    let report = PeriodicReport::new(&site, deployment, window, &counted)?;
    tree::make_empty(out)?;
    tree::write(out, "report.json", &report.json())?;
    tree::write(out, "report.html", report.page()?.as_bytes())?;
    let entered = catalog.record_add(&report.record(&actor()), SystemClock.now()).await?;
    println!(
        "{deployment}: {} study revisions arrived in {} to {}",
        report.arrived,
        window.from.day(),
        window.last_day()
    );
    for missing in &report.missing {
        println!("  missing: {}", missing.what);
    }
    println!("  {}", if entered.is_new { "entered" } else { "entered already" });
    println!("record = \"{}\"", entered.record.digest);
    Ok(ExitCode::SUCCESS)
}
