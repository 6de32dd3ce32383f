//! `hilum protocol`: acceptance protocols, frozen before results are seen.

use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use hilum_sign::{Record, RecordKind, approvals};
use hilum_store::Catalog;
use hilum_store::governance::RecordFilter;
use hilum_types::Clock;
use hilum_validate::{AcceptanceProtocol, FrozenProtocol};
use hilum_worker::trial::freeze_protocol;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum ProtocolCommand {
    /// Freeze a protocol file: from now on its content has a digest, an author and a time.
    Freeze {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List frozen protocols, newest first.
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Show one frozen protocol.
    Show {
        /// Its name (the newest version), its digest, or the first 12 digits.
        which: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// `hilum protocol ...`.
pub(crate) async fn run(command: ProtocolCommand) -> Result<ExitCode> {
    match command {
        ProtocolCommand::Freeze { file, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            let frozen = freeze_protocol(&*catalog, &read(&file)?, &actor(), SystemClock.now()).await?;
            let protocol = &frozen.frozen.protocol;
            let state = if frozen.is_new { "frozen" } else { "was frozen already" };
            println!("{} version {} {state}", protocol.name, protocol.version);
            if frozen.frozen.post_hoc {
                println!(
                    "  post-hoc: results on these cases had been seen before; its verdict explores, it does not confirm"
                );
            }
            println!("protocol = \"{}\"", frozen.record.digest);
        }
        ProtocolCommand::List { config } => list(&config.path).await?,
        ProtocolCommand::Show { which, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            show(&find(&*catalog, &which).await?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A protocol file, checked.
pub(crate) fn read(file: &Path) -> Result<AcceptanceProtocol> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the protocol {}", file.display()))?;
    AcceptanceProtocol::parse(&text).with_context(|| format!("protocol {}", file.display()))
}

async fn find(catalog: &dyn Catalog, which: &str) -> Result<Record> {
    if 12 <= which.len() && which.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(catalog.record_get(which).await?);
    }
    let filter =
        RecordFilter { kind: Some(RecordKind::Protocol), subject: Some(which.to_owned()), ..RecordFilter::default() };
    match catalog.record_list(&filter, 1).await?.into_iter().next() {
        Some(record) => Ok(record),
        None => bail!("no protocol is named {which:?}; `hilum protocol list` shows what is frozen"),
    }
}

async fn list(config: &Path) -> Result<()> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let filter = RecordFilter { kind: Some(RecordKind::Protocol), ..RecordFilter::default() };
    let records = catalog.record_list(&filter, 1000).await?;
    if records.is_empty() {
        println!("No protocol is frozen. `hilum protocol freeze FILE` freezes one.");
    }
    for record in records {
        let frozen = FrozenProtocol::from_record(&record)?;
        let mark = if frozen.post_hoc { "post-hoc" } else { "" };
        println!(
            "{}  {:<28} version {:<3} {mark:<8}  {}  {}",
            record.digest.short(),
            frozen.protocol.name,
            frozen.protocol.version,
            record.created_at,
            record.author
        );
    }
    Ok(())
}

fn show(record: &Record) -> Result<()> {
    let frozen = FrozenProtocol::from_record(record)?;
    println!("# protocol = \"{}\"", record.digest);
    println!("# frozen {} by {}", record.created_at, record.author);
    if frozen.post_hoc {
        println!("# post-hoc: results on these cases had been seen before");
    }
    let approved = approvals(record);
    println!(
        "# {}",
        if approved.complete() { "approved".to_owned() } else { format!("missing: {}", approved.missing.join(", ")) }
    );
    print!("{}", toml::to_string_pretty(&frozen.protocol)?);
    Ok(())
}
