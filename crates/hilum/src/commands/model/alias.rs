//! `hilum model alias`: names for people that point at a version, apart from where the version stands in its life.

use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::commands::package;
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Result, bail};
use clap::Args;
use hilum_types::Clock;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct AliasArgs {
    /// Alias, such as `candidate`; left out: list what there is.
    alias: Option<String>,
    /// The version it shall point at: NAME@VERSION, NAME@DIGEST or a digest.
    to: Option<String>,
    /// Every move that was ever made, newest first.
    #[arg(long)]
    history: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Move an alias, or list them. `NAME@ALIAS` then names the version wherever a version is asked for; nothing that runs
/// changes by it.
pub(crate) async fn alias(arguments: AliasArgs) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(&arguments.config.path)?).await?;
    match (&arguments.alias, &arguments.to) {
        (Some(alias), Some(to)) => {
            let package = package::find(&*catalog, to).await?;
            let aliases = catalog.alias_list(Some(&package.name), false).await?;
            let before = aliases.iter().find(|known| known.alias == *alias).map(|known| known.package);
            let now = SystemClock.now();
            catalog.alias_move(&package.name, alias, &package.digest, before.as_ref(), &actor(), now).await?;
            println!("{}@{alias} is {} ({})", package.name, package.version, package.digest.short());
        }
        (Some(alias), None) => bail!("say what {alias:?} shall point at: `hilum model alias {alias} NAME@VERSION`"),
        (None, _) => {
            for known in catalog.alias_list(None, arguments.history).await? {
                println!("{}@{}  {}  {}  {}", known.model, known.alias, known.package, known.moved_at, known.actor);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
