//! Program: the `hilum` command: serve, work, check, apply, model, study, delivery, audit, import, demo.

mod commands;
mod config;
mod demo;
mod hl7;
mod oip;
mod serve;
mod system;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs machine-learning models on radiology studies, and only while they perform as expected.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Which configuration a command works on.
#[derive(Args)]
struct ConfigFile {
    /// Configuration file.
    #[arg(long = "config", value_name = "FILE", env = "HILUM_CONFIG", default_value = "hilum.toml", global = true)]
    path: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Receive studies, run models, deliver results, serve the API and the pages.
    Serve {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Carry out jobs only; many processes may share one PostgreSQL catalog and one data folder.
    Work {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Check the configuration, the catalog, the engines and every destination, and show what would be used.
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// Do not send C-ECHO to the destinations.
        #[arg(long)]
        offline: bool,
    },
    /// Put declared deployments in force.
    Apply {
        /// A configuration file, or a file with only [[deployment]] tables.
        file: PathBuf,
        /// Show who would have been eligible among the last studies, and write nothing.
        #[arg(long)]
        dry_run: bool,
        /// Studies the dry run looks at.
        #[arg(long, default_value_t = 50, value_name = "N")]
        studies: u32,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Import, list, sign and verify model packages.
    Model {
        #[command(subcommand)]
        command: commands::model::ModelCommand,
    },
    /// Enter people who answer for something, and change what they may do.
    User {
        #[command(subcommand)]
        command: commands::user::UserCommand,
    },
    /// Look at records (protocols, reports, changes, ...), sign them, waive gaps.
    Record {
        #[command(subcommand)]
        command: commands::record::RecordCommand,
    },
    /// Look at how models perform, and what is watched.
    Monitor {
        #[command(subcommand)]
        command: commands::monitor::MonitorCommand,
    },
    /// Enter what is true of a study.
    Label {
        #[command(subcommand)]
        command: commands::label::LabelCommand,
    },
    /// Stop a deployment: holds for the very next study, stops queued work, survives a restart.
    Suspend {
        /// Name of the deployment.
        name: String,
        /// Why, for everybody who will ask.
        #[arg(long)]
        reason: String,
        /// Who.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Lift a suspension.
    Resume {
        /// Name of the deployment.
        name: String,
        /// Why it may be used again.
        #[arg(long)]
        reason: String,
        /// Who.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Take the steps of a deployment's life, go back, and ask what is missing and how it stood.
    Deploy {
        #[command(subcommand)]
        command: commands::deploy::DeployCommand,
    },
    /// Show deployments and where they stand.
    Deployments {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Ask where a study went.
    Study {
        #[command(subcommand)]
        command: StudyCommand,
    },
    /// Look at deliveries and try dead ones again.
    Delivery {
        #[command(subcommand)]
        command: DeliveryCommand,
    },
    /// Look at objects that could not be taken as instances.
    Quarantine {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List the studies a version was used on, and retract its results once two people have approved it.
    Recall(commands::recall::RecallArgs),
    /// List alarms, answer them, end them with a cause.
    Alarm {
        #[command(subcommand)]
        command: commands::alarm::AlarmCommand,
    },
    /// Try the rules of a deployment on simulated days with faults, or on recorded days.
    Rehearse(commands::rehearse::RehearseArgs),
    /// Check the audit chain, what it vouches for, and the stored packages.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Evidence pack, its verification, periodic report.
    Evidence {
        #[command(subcommand)]
        command: commands::evidence::EvidenceCommand,
    },
    /// Write what was observed or labelled as a table for analysis, without a patient's identifiers.
    Export(commands::export::ExportArgs),
    /// Run fixed cases through a deployment, to see whether a product changed by itself.
    Canary {
        #[command(subcommand)]
        command: commands::canary::CanaryCommand,
    },
    /// Show algorithms whose results are in the traffic, and which of them are registered.
    Inventory(commands::inventory::InventoryArgs),
    /// Import every DICOM file below a folder.
    Import {
        /// The folder.
        folder: PathBuf,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Reference sets: cases that prove a model, and cases it was trained on.
    Reference {
        #[command(subcommand)]
        command: commands::reference::ReferenceCommand,
    },
    /// Compute one statistic from a CSV file, by the functions that the gates use.
    Stats(commands::stats::StatsArgs),
    /// Acceptance protocols, frozen before results are seen.
    Protocol {
        #[command(subcommand)]
        command: commands::protocol::ProtocolCommand,
    },
    /// Run an acceptance test: exit status 0 pass, 3 fail, 4 insufficient.
    Validate(commands::validate::ValidateArgs),
    /// Play twelve weeks: an archive, two scanners, phantoms, two models; a scanner changes, a rule stops a model, people mend it.
    Demo(demo::DemoArgs),
}

#[derive(Subcommand)]
enum StudyCommand {
    /// Show the journey of one study.
    Show {
        /// Accession Number, Study Instance UID, or the opaque key of the pages.
        which: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Subcommand)]
enum DeliveryCommand {
    /// List deliveries, the dead ones by default.
    List {
        /// Every state.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Try a dead delivery again, or all of them.
    Retry {
        /// Key of the delivery, or `all`.
        key: String,
        /// Who.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Say whether an entry, a record, a person, a package or its files were changed, put in or taken out by hand.
    Verify {
        /// A checkpoint kept elsewhere, `SEQ:HASH`, that the chain must still contain; may be repeated.
        #[arg(long, value_name = "SEQ:HASH")]
        checkpoint: Vec<String>,
        #[command(flatten)]
        config: ConfigFile,
    },
}

fn main() -> ExitCode {
    system::end_when_nobody_reads();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the async runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    system::start_logging(match command {
        Command::Serve { .. } | Command::Work { .. } => "info",
        // It says itself what happens, warnings that are part of its story included.
        Command::Demo(_) => "error",
        _ => "warn",
    });
    system::choose_tls();
    match command {
        Command::Serve { config } => serve::serve(&config.path).await,
        Command::Work { config } => serve::work(&config.path).await,
        Command::Check { config, offline } => commands::check::check(&config.path, offline).await,
        Command::Apply { file, dry_run, studies, config } => {
            commands::apply::apply(&file, &config.path, dry_run, studies).await
        }
        Command::Model { command } => commands::model::run(command).await,
        Command::Evidence { command } => commands::evidence::run(command).await,
        Command::User { command } => commands::user::run(command).await,
        Command::Record { command } => commands::record::run(command).await,
        Command::Monitor { command } => commands::monitor::run(command).await,
        Command::Label { command } => commands::label::run(command).await,
        Command::Suspend { name, reason, by, config } => {
            commands::deployment::suspend(&config.path, &name, &by, &reason).await
        }
        Command::Resume { name, reason, by, config } => {
            commands::deployment::resume(&config.path, &name, &by, &reason).await
        }
        Command::Deploy { command } => commands::deploy::run(command).await,
        Command::Deployments { config } => commands::deployment::list(&config.path).await,
        Command::Study { command: StudyCommand::Show { which, config } } => {
            commands::study::show(&config.path, &which).await
        }
        Command::Delivery { command: DeliveryCommand::List { all, config } } => {
            commands::delivery::list(&config.path, all).await
        }
        Command::Delivery { command: DeliveryCommand::Retry { key, by, config } } => {
            commands::delivery::retry(&config.path, &key, &by).await
        }
        Command::Quarantine { config } => commands::delivery::quarantine(&config.path).await,
        Command::Rehearse(arguments) => commands::rehearse::run(arguments).await,
        Command::Recall(arguments) => commands::recall::run(arguments).await,
        Command::Audit { command: AuditCommand::Verify { checkpoint, config } } => {
            commands::audit::verify(&config.path, &checkpoint).await
        }
        Command::Alarm { command } => commands::alarm::run(command).await,
        Command::Canary { command } => commands::canary::run(command).await,
        Command::Inventory(arguments) => commands::inventory::run(arguments).await,
        Command::Export(arguments) => commands::export::run(arguments).await,
        Command::Import { folder, config } => commands::import::import(&folder, &config.path).await,
        Command::Reference { command } => commands::reference::run(command).await,
        Command::Stats(arguments) => commands::stats::run(&arguments),
        Command::Protocol { command } => commands::protocol::run(command).await,
        Command::Validate(arguments) => commands::validate::run(arguments).await,
        Command::Demo(arguments) => demo::demo(arguments).await,
    }
}
