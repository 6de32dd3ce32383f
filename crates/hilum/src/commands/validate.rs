//! `hilum validate`: the acceptance test of a package on local cases.

use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::commands::package::find;
use crate::commands::protocol;
use crate::commands::trial::{Bar, place};
use crate::config::Config;
use anyhow::{Context, Result, bail};
use clap::Args;
use hilum_validate::{Report, Verdict, render_page};
use hilum_worker::trial::{Acceptance, AcceptanceRequest, Progress, accept};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Args)]
pub(crate) struct ValidateArgs {
    /// The package under test.
    #[arg(long, value_name = "NAME@VERSION")]
    model: String,
    /// The acceptance protocol; it is frozen if it is not yet.
    #[arg(long, value_name = "FILE.toml")]
    protocol: PathBuf,
    /// Folder for report.json and report.html; made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The version it is compared with.
    #[arg(long, value_name = "NAME@VERSION")]
    champion: Option<String>,
    /// The deployment it is meant for: its intended use narrows the cases.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    /// Go on although a good model would often miss a criterion on these cases; the report says so.
    #[arg(long)]
    accept_underpowered: bool,
    /// A signed waiver of a gap; may be repeated.
    #[arg(long, value_name = "DIGEST")]
    waiver: Vec<String>,
    /// Use the built-in engine.
    #[arg(long)]
    built_in_engine: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// `hilum validate`: exit status 0 pass, 3 fail, 4 insufficient, 1 when there is no report.
pub(crate) async fn run(arguments: ValidateArgs) -> Result<ExitCode> {
    let config = Config::read(&arguments.config.path)?;
    let place = place(&config, arguments.built_in_engine).await?;
    let catalog = &*place.catalog;
    let champion = match &arguments.champion {
        Some(name) => Some(find(catalog, name).await?),
        None => None,
    };
    let used_in = match &arguments.deployment {
        None => None,
        Some(name) => match catalog.deployment_get(name).await? {
            None => bail!("no deployment is named {name:?}; `hilum deployments` shows them"),
            found => found,
        },
    };
    let mut waivers = Vec::new();
    for digest in &arguments.waiver {
        waivers.push(catalog.record_get(digest).await.with_context(|| format!("--waiver {digest}"))?);
    }
    let request = AcceptanceRequest {
        protocol: protocol::read(&arguments.protocol)?,
        model: find(catalog, &arguments.model).await?,
        champion,
        used_in,
        waivers,
        knowingly: arguments.accept_underpowered,
        actor: actor(),
        software: concat!("hilum ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    // Whoever cannot have the report shall not wear out the reference set.
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make the folder {}", arguments.out.display()))?;
    let bar: Arc<dyn Progress> = Arc::new(Bar::default());
    let accepted = accept(&place, &request, &bar).await;
    drop(bar);
    let accepted = accepted?;
    write(&arguments.out, &accepted)?;
    tell(&accepted, &arguments.out);
    Ok(match accepted.report.verdict {
        Verdict::Pass => ExitCode::SUCCESS,
        Verdict::Fail => ExitCode::from(3),
        Verdict::Insufficient => ExitCode::from(4),
    })
}

fn write(folder: &Path, accepted: &Acceptance) -> Result<()> {
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    put("report.json", serde_json::to_string_pretty(&accepted.report)? + "\n")?;
    put("report.html", render_page(&accepted.report, &accepted.images)?)
}

fn tell(accepted: &Acceptance, folder: &Path) {
    let Report { verdict, sentence, reasons, .. } = &accepted.report;
    println!("{}: {sentence}", verdict.name());
    for reason in reasons.iter().filter(|reason| *reason != sentence) {
        println!("  {reason}");
    }
    for note in &accepted.notes {
        println!("  note: {note}");
    }
    println!("report = \"{}\"", folder.join("report.html").display());
    println!("protocol = \"{}\"", accepted.frozen.record.digest);
    println!("validation = \"{}\"", accepted.record.digest);
}
