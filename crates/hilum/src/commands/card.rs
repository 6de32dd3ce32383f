//! `hilum model card` and `hilum model card-text`.

use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::commands::evidence::gather::gather_now;
use crate::commands::package;
use crate::config::{Config, count};
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use clap::Args;
use hilum_evidence::{Card, CardText};
use hilum_sign::RecordKind;
use hilum_store::Catalog;
use hilum_store::governance::RecordFilter;
use hilum_types::{Clock, Digest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest file of a card that is read back.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What `hilum model card` takes.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("act").required(true).args(["out", "verify"])))]
pub(crate) struct CardArgs {
    /// NAME@VERSION, or a digest.
    model: String,
    /// Render it into this folder, which is new, empty or holds an earlier card.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Render it again from the records and compare: exit status 1 when it was edited or is stale.
    #[arg(long, value_name = "DIR")]
    verify: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// What `hilum model card-text` takes.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("act").required(true).args(["file", "template"])))]
pub(crate) struct CardTextArgs {
    /// NAME@VERSION, or a digest.
    model: String,
    /// Markdown with a heading `## ...` for each field, or TOML.
    file: Option<PathBuf>,
    /// Print a file to fill, with the text in force.
    #[arg(long)]
    template: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// `hilum model card NAME@VERSION --out DIR | --verify DIR`.
pub(crate) async fn card(arguments: CardArgs) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(&arguments.config.path)?).await?;
    let package = package::find(&*catalog, &arguments.model).await?;
    let card = Card::new(&gather_now(&*catalog).await?, &package.digest)?;
    match (&arguments.out, &arguments.verify) {
        (Some(folder), _) => write(&card, folder),
        (None, Some(folder)) => verify(&card, folder),
        (None, None) => bail!("give --out DIR or --verify DIR"),
    }
}

fn write(card: &Card, folder: &Path) -> Result<ExitCode> {
    let files = card.files()?;
    if folder.exists() {
        let names: Vec<String> = read(folder)?.into_keys().collect();
        if let Some(other) = names.iter().find(|name| files.iter().all(|file| file.name != name.as_str())) {
            bail!("{} holds {other:?}, which is no part of a card; give a new folder", folder.display());
        }
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for file in &files {
        let path = folder.join(file.name);
        std::fs::write(&path, &file.bytes).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    let missing = card.not_stated();
    if !missing.is_empty() {
        println!("{} not stated: {}", count(missing.len(), "field"), missing.join(", "));
    }
    println!("facts = \"{}\"", card.facts_digest());
    Ok(ExitCode::SUCCESS)
}

fn verify(card: &Card, folder: &Path) -> Result<ExitCode> {
    let differences = card.compare(&read(folder)?)?;
    if differences.is_empty() {
        println!("The card is what the records say: facts {}", card.facts_digest());
        return Ok(ExitCode::SUCCESS);
    }
    for difference in differences {
        println!("{difference}");
    }
    println!("THE CARD IS NOT WHAT THE RECORDS SAY.");
    Ok(ExitCode::FAILURE)
}

/// The files of a folder; a folder within is listed with no content.
fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let failed = || format!("cannot read {}", folder.display());
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let facts = entry.metadata().with_context(failed)?;
        if FILE_BYTES_MAX < facts.len() {
            bail!("{} is larger than a file of a card can be", entry.path().display());
        }
        let bytes = if facts.is_file() { std::fs::read(entry.path()).with_context(failed)? } else { vec![] };
        found.insert(name, bytes);
    }
    Ok(found)
}

/// `hilum model card-text NAME@VERSION FILE | --template`.
pub(crate) async fn card_text(arguments: CardTextArgs) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(&arguments.config.path)?).await?;
    let package = package::find(&*catalog, &arguments.model).await?;
    let before = in_force(&*catalog, &package.digest).await?;
    let Some(file) = &arguments.file else {
        let text = before.map(|(_, text)| text).unwrap_or_default();
        print!("{}", text.template(&format!("{} {}", package.name, package.version)));
        return Ok(ExitCode::SUCCESS);
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = CardText::parse(&text).with_context(|| format!("{} was not entered", file.display()))?;
    if let Some((record, _)) = before.as_ref().filter(|(_, held)| *held == text) {
        println!("This text is in force already.\nrecord = \"{record}\"");
        return Ok(ExitCode::SUCCESS);
    }
    let supersedes = before.as_ref().map(|(record, _)| record);
    let record = text.record(&package.digest, supersedes, &actor());
    let entered = catalog.record_add(&record, SystemClock.now()).await?;
    println!("{} of the card of {}@{} entered", count(text.0.len(), "field"), package.name, package.version);
    println!("record = \"{}\"", entered.record.digest);
    Ok(ExitCode::SUCCESS)
}

/// The text that a card is rendered with now, and its record.
async fn in_force(catalog: &dyn Catalog, package: &Digest) -> Result<Option<(Digest, CardText)>> {
    let filter = RecordFilter {
        kind: Some(RecordKind::CardText),
        subject: Some(package.to_string()),
        ..RecordFilter::default()
    };
    let newest = catalog.record_list(&filter, 1).await?;
    newest.first().map(|record| Ok((record.digest, CardText::from_record(record)?))).transpose()
}
