//! `hilum reference`: case lists that never change, and what models were trained on.

use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::config::{Config, count};
use crate::system::{SystemClock, open_blobs, open_catalog};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use hilum_intake::list_files;
use hilum_sign::RecordKind;
use hilum_store::Catalog;
use hilum_store::governance::RecordFilter;
use hilum_types::Clock;
use hilum_validate::{CaseList, Exposure, Independence};
use hilum_worker::SiteKey;
use hilum_worker::reference::{
    KeptSet, LabelOrigin, ReadSet, SetSource, TableColumns, find_set, fingerprint_list, keep_reference_set,
    keep_training_set, pixel_digest, read_reference_set, read_training_set,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum ReferenceCommand {
    /// Make a reference set from a folder of DICOM files and a table of labels.
    Import(Box<ImportArgs>),
    /// Enter what a model family was trained or tuned on, so that it is never tested on it.
    Training(Box<TrainingArgs>),
    /// List reference and training sets.
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Show one reference set.
    Show {
        /// Its name (the newest of that name), its digest, or the first 12 digits.
        which: String,
        /// Print the whole record as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print `case,pixels` for every DICOM file below a folder, for `hilum reference training --fingerprints` elsewhere.
    Fingerprint {
        /// The folder.
        folder: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// Folder with the DICOM files.
    folder: PathBuf,
    /// Table with a heading, comma-separated: one row for each file.
    #[arg(long, value_name = "FILE.csv")]
    labels: PathBuf,
    /// Name of the set.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    table: TableArgs,
    /// Column with the reference label.
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    label_column: String,
    /// Columns kept with each case, for slices and subgroups.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    group_columns: Vec<String>,
    /// Who or what gave the labels, such as "adjudicated by two radiologists" (MV-24).
    #[arg(long, value_name = "TEXT")]
    label_source: Option<String>,
    /// Column with the source of each label.
    #[arg(long, value_name = "COLUMN")]
    label_source_column: Option<String>,
    /// Name and version of the program that read the labels out of texts.
    #[arg(long, value_name = "TEXT")]
    extractor: Option<String>,
    /// When the labels were given: a day or a time.
    #[arg(long, value_name = "TIME")]
    labelled_at: Option<String>,
    /// Column with the time of each label.
    #[arg(long, value_name = "COLUMN")]
    labelled_at_column: Option<String>,
    /// Whether the labellers had seen the output of a model.
    #[arg(long, value_enum, default_value = "unknown")]
    exposure: ExposureName,
    /// Column with the exposure of each label.
    #[arg(long, value_name = "COLUMN")]
    exposure_column: Option<String>,
    /// How independent of a model's output the labels are.
    #[arg(long, value_enum)]
    independence: Option<IndependenceName>,
    /// Column with the independence class of each label.
    #[arg(long, value_name = "COLUMN")]
    independence_column: Option<String>,
    /// Write which file became which case, as `file,case`; it stays with you, the set does not hold file names.
    #[arg(long, value_name = "FILE.csv")]
    mapping: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args)]
pub(crate) struct TrainingArgs {
    /// The model family: the name of its packages.
    model: String,
    /// Folder with the DICOM files it was trained on; their fingerprints are kept, not their images.
    #[arg(required_unless_present = "fingerprints")]
    folder: Option<PathBuf>,
    /// Table with a heading that says which files, whose they are, and which case they belong to.
    #[arg(long, value_name = "FILE.csv")]
    labels: Option<PathBuf>,
    /// Fingerprints that somebody else computed: columns case, pixels and, where known, patient.
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["folder", "labels"])]
    fingerprints: Option<PathBuf>,
    /// Name of the list.
    #[arg(long, default_value = "training")]
    name: String,
    #[command(flatten)]
    table: TableArgs,
    /// The training has happened: enter the list although it overlaps a reference set.
    #[arg(long)]
    already_trained: bool,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args)]
struct TableArgs {
    /// Column with the path of the file, relative to the folder or to the table.
    #[arg(long, value_name = "COLUMN", default_value = "file")]
    file_column: String,
    /// Column with the patient; else `patient_id` if the table has it, else Patient ID of the objects. Only a keyed hash is
    /// kept.
    #[arg(long, value_name = "COLUMN")]
    patient_column: Option<String>,
    /// Column with the case id, which stands on reports: never an identifier of a patient. Else each file is a case of
    /// its own with a made-up name.
    #[arg(long, value_name = "COLUMN")]
    case_column: Option<String>,
    /// Only rows with this value in this column; may be repeated.
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = pair)]
    only: Vec<(String, String)>,
    /// Let in objects marked Synthetic Data = YES.
    #[arg(long)]
    synthetic_data: bool,
    /// Pass over DICOM files that the table does not name.
    #[arg(long)]
    ignore_unlisted: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not COLUMN=VALUE"))?;
    Ok((column.to_owned(), value.to_owned()))
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ExposureName {
    Unexposed,
    Exposed,
    Unknown,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum IndependenceName {
    Unexposed,
    IndirectlyExposed,
    DirectlyExposed,
    PostAction,
}

impl From<ExposureName> for Exposure {
    fn from(name: ExposureName) -> Exposure {
        match name {
            ExposureName::Unexposed => Exposure::Unexposed,
            ExposureName::Exposed => Exposure::Exposed,
            ExposureName::Unknown => Exposure::Unknown,
        }
    }
}

impl From<IndependenceName> for Independence {
    fn from(name: IndependenceName) -> Independence {
        match name {
            IndependenceName::Unexposed => Independence::Unexposed,
            IndependenceName::IndirectlyExposed => Independence::IndirectlyExposed,
            IndependenceName::DirectlyExposed => Independence::DirectlyExposed,
            IndependenceName::PostAction => Independence::PostAction,
        }
    }
}

/// `hilum reference ...`.
pub(crate) async fn run(command: ReferenceCommand) -> Result<ExitCode> {
    match command {
        ReferenceCommand::Import(arguments) => import(*arguments).await,
        ReferenceCommand::Training(arguments) => training(*arguments).await,
        ReferenceCommand::List { config } => list(&config.path).await,
        ReferenceCommand::Show { which, json, config } => show(&config.path, &which, json).await,
        ReferenceCommand::Fingerprint { folder } => fingerprint(&folder),
    }
}

async fn import(arguments: ImportArgs) -> Result<ExitCode> {
    let config = Config::read(&arguments.config.path)?;
    let catalog = open_catalog(&config).await?;
    let key = SiteKey::open(&config.data_dir)?;
    let files = files_below(&arguments.folder)?;
    let source = SetSource {
        name: arguments.name.clone(),
        folder: &arguments.folder,
        files: &files,
        table: Some(&arguments.labels),
        columns: TableColumns {
            label: arguments.label_column.clone(),
            groups: arguments.group_columns.clone(),
            labelled_at: arguments.labelled_at_column.clone(),
            label_source: arguments.label_source_column.clone(),
            exposure: arguments.exposure_column.clone(),
            independence: arguments.independence_column.clone(),
            ..columns(&arguments.table)
        },
        only: arguments.table.only.clone(),
        origin: LabelOrigin {
            source: arguments.label_source.clone(),
            extractor: arguments.extractor.clone(),
            labelled_at: arguments.labelled_at.clone(),
            exposure: arguments.exposure.into(),
            independence: arguments.independence.map(Independence::from),
        },
        synthetic_data: arguments.table.synthetic_data,
        ignore_unlisted: arguments.table.ignore_unlisted,
    };
    let read = with_progress(files.len(), |tick| read_reference_set(&source, &key, tick))?;
    let blobs = open_blobs(&config)?;
    let kept = keep_reference_set(&read, &*catalog, &blobs, &actor(), SystemClock.now()).await?;
    if let Some(path) = &arguments.mapping {
        write_mapping(path, &read, &arguments.folder)?;
    }
    tell(&kept, &read.list);
    println!("reference_set = \"{}\"", kept.record.digest);
    Ok(ExitCode::SUCCESS)
}

fn columns(table: &TableArgs) -> TableColumns {
    TableColumns {
        file: table.file_column.clone(),
        patient: table.patient_column.clone(),
        case: table.case_column.clone(),
        ..TableColumns::default()
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = list_files(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    if files.is_empty() {
        bail!("there is no file below {}", folder.display());
    }
    Ok(files)
}

/// A bar over `n` files while `work` runs; it calls what it is handed once for every file.
fn with_progress<T>(n: usize, work: impl FnOnce(&(dyn Fn() + Sync)) -> T) -> T {
    let bar = ProgressBar::new(n as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {eta} left") {
        bar.set_style(style);
    }
    let result = work(&|| bar.inc(1));
    bar.finish_and_clear();
    result
}

fn write_mapping(path: &Path, read: &ReadSet, folder: &Path) -> Result<()> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "file,case\n".to_owned();
    for file in &read.files {
        let relative = file.path.strip_prefix(folder).unwrap_or(&file.path).display().to_string();
        text += &format!("{},{}\n", quoted(&relative), quoted(&file.case));
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn tell(kept: &KeptSet, list: &CaseList) {
    let state = if kept.is_new { "imported" } else { "held already, nothing changed" };
    println!("{}: {} of {}, {state}", list.name, count(list.cases.len(), "case"), count(list.n_patients(), "patient"));
    let n_labelled = list.label_counts();
    for (label, n) in n_labelled.iter().filter(|(label, _)| !label.is_empty()) {
        println!("  {n:>6}  {label}");
    }
    for warning in &kept.warnings {
        println!("  note: {warning}");
    }
}

async fn training(arguments: TrainingArgs) -> Result<ExitCode> {
    let config = Config::read(&arguments.config.path)?;
    let catalog = open_catalog(&config).await?;
    let key = SiteKey::open(&config.data_dir)?;
    let (list, warnings) = match (&arguments.fingerprints, &arguments.folder) {
        (Some(table), _) => (fingerprint_list(&arguments.name, table, &key)?, Vec::new()),
        (None, Some(folder)) => {
            let files = files_below(folder)?;
            let source = SetSource {
                name: arguments.name.clone(),
                folder,
                files: &files,
                table: arguments.labels.as_deref(),
                columns: columns(&arguments.table),
                only: arguments.table.only.clone(),
                origin: LabelOrigin::default(),
                synthetic_data: arguments.table.synthetic_data,
                ignore_unlisted: arguments.table.ignore_unlisted,
            };
            let read = with_progress(files.len(), |tick| read_training_set(&source, &key, tick))?;
            (read.list, read.warnings)
        }
        (None, None) => bail!("name a folder, or --fingerprints FILE"),
    };
    let (model, is_fact, now) = (&arguments.model, arguments.already_trained, SystemClock.now());
    let kept = keep_training_set(&list, &warnings, model, is_fact, &*catalog, &actor(), now).await?;
    tell(&kept, &list);
    println!("training_set = \"{}\"", kept.record.digest);
    Ok(ExitCode::SUCCESS)
}

async fn list(config: &Path) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let mut n_listed = 0;
    for kind in [RecordKind::ReferenceSet, RecordKind::TrainingSet] {
        let filter = RecordFilter { kind: Some(kind), ..RecordFilter::default() };
        for record in catalog.record_list(&filter, 1000).await? {
            let list = CaseList::from_record(&record)?;
            let uses = match kind {
                RecordKind::ReferenceSet => {
                    format!("used {}", count(catalog.reference_use_count(&record.digest).await? as usize, "time"))
                }
                _ => format!("trained {}", record.subject),
            };
            println!(
                "{}  {:<24} {:>7} {:>8}  {uses}  {}  {}",
                record.digest.short(),
                list.name,
                count(list.cases.len(), "case"),
                count(list.n_patients(), "patient"),
                record.created_at,
                record.author
            );
            n_listed += 1;
        }
    }
    if n_listed == 0 {
        println!("There is no case list. `hilum reference import DIR --labels FILE.csv --name NAME` makes one.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(config: &Path, which: &str, json: bool) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let (record, list) = find_set(&*catalog, which).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&record)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("reference_set = \"{}\"", record.digest);
    println!("{}, entered {} by {}", list.name, record.created_at, record.author);
    println!("{} of {}", count(list.cases.len(), "case"), count(list.n_patients(), "patient"));
    for (label, n) in list.label_counts() {
        println!("  {n:>6}  {}", if label.is_empty() { "(no label)" } else { label });
    }
    let mut origins = std::collections::BTreeMap::<String, usize>::new();
    for label in list.cases.iter().filter_map(|case| case.label.as_ref()) {
        let independence = label.independence.map_or("independence not recorded", Independence::name);
        let extractor = label.extractor.as_deref().map_or(String::new(), |name| format!(", read by {name}"));
        let at = label.labelled_at.as_deref().map_or(String::new(), |at| format!(", given {at}"));
        let exposure = format!("{:?}", label.exposure).to_lowercase();
        let text = format!("labels: {}{extractor}{at}; exposure {exposure}; {independence}", label.source);
        *origins.entry(text).or_default() += 1;
    }
    origins.iter().for_each(|(text, n)| println!("  {n:>6}  {text}"));
    for column in &list.columns {
        let mut values = std::collections::BTreeMap::<&str, usize>::new();
        for case in &list.cases {
            *values.entry(case.columns.get(column).map_or("not stated", String::as_str)).or_default() += 1;
        }
        let told: Vec<String> = values.iter().take(20).map(|(value, n)| format!("{value} {n}")).collect();
        println!("  {column}: {}{}", told.join(", "), if 20 < values.len() { ", ..." } else { "" });
    }
    list.warnings().iter().for_each(|warning| println!("  note: {warning}"));
    show_uses(&*catalog, &record.digest).await?;
    Ok(ExitCode::SUCCESS)
}

async fn show_uses(catalog: &dyn Catalog, set: &hilum_types::Digest) -> Result<()> {
    let uses = catalog.reference_use_list(set).await?;
    println!("used {}", count(uses.len(), "time"));
    for used in uses {
        println!(
            "  {:>4}  {}  package {} under {} by {}",
            used.number,
            used.used_at,
            used.package.short(),
            used.protocol.short(),
            used.actor
        );
    }
    Ok(())
}

fn fingerprint(folder: &Path) -> Result<ExitCode> {
    let mut n_broken = 0;
    println!("case,pixels");
    for path in files_below(folder)? {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if bytes.get(128..132) != Some(b"DICM") {
            continue;
        }
        let case = path.strip_prefix(folder).unwrap_or(&path).display().to_string().replace('"', "\"\"");
        match pixel_digest(&bytes, &hilum_dicom::Limits::default()) {
            Ok(digest) => println!("\"{case}\",{digest}"),
            Err(error) => {
                n_broken += 1;
                eprintln!("no fingerprint: {}: {:#}", path.display(), anyhow::Error::from(error));
            }
        }
    }
    Ok(if n_broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
