//! `hilum monitor`: what is measured of studies, and what it is held against.

mod envelope;
mod extractor;
mod figures;
mod groups;

use crate::ConfigFile;
use anyhow::Result;
use clap::Subcommand;
use hilum_types::Timestamp;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum MonitorCommand {
    /// Measure how often a declared report extractor is wrong, on reports of this site that people have read (MV-28).
    Extractor(extractor::ExtractorArgs),
    /// Show how a version performs: every figure with interval, n, method and the classes of labels it rests on.
    Evidence {
        /// Name of the deployment.
        deployment: String,
        /// As it was known then, such as 2026-05-03T14:00:00Z.
        #[arg(long, value_name = "TIME")]
        as_of: Option<Timestamp>,
        /// Also by the values of this attribute, such as station or age_band.
        #[arg(long, value_name = "ATTRIBUTE")]
        each: Option<String>,
        /// Keep the figures as a record, for people to sign or to refer to.
        #[arg(long)]
        record: bool,
        /// Who keeps it.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Show what the stop rules of a deployment said, newest first, and what was done.
    Signals {
        /// Name of the deployment.
        deployment: String,
        /// One JSON line a signal.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Learn the acquisition envelope of a package from a reference set; it is in force from the next study on.
    ///
    /// Exit status 0: learned, or on file already; 4: the set has too few cases for the rate.
    Envelope {
        /// Name or digest of the reference set.
        #[arg(long, value_name = "SET")]
        reference: String,
        /// The package.
        #[arg(long, value_name = "NAME@VERSION")]
        model: String,
        /// The deployment it is meant for: its intended use narrows the cases, and its declared rate is the rate.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
        /// Share of studies like those of the set that may be taken for outside; the deployment's, or 0.01.
        #[arg(long, value_name = "RATE")]
        rate: Option<f64>,
        /// With --json: quantiles also within the values of these attributes, such as weekpart,daypart; for rules with strata.
        #[arg(long, value_name = "ATTRIBUTES", value_delimiter = ',', requires = "json")]
        strata: Vec<String>,
        /// One JSON object: the record and the bounds of every feature.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Show the scanners, software versions and protocols that studies came from, and which have passed.
    Groups {
        /// Name of the deployment.
        deployment: String,
        /// One JSON line a group.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

pub(crate) async fn run(command: MonitorCommand) -> Result<ExitCode> {
    match command {
        MonitorCommand::Extractor(arguments) => extractor::extractor(arguments).await,
        MonitorCommand::Evidence { deployment, as_of, each, record, by, json, config } => {
            let asked = figures::Asked { as_of, each, record, by, json };
            figures::evidence(&config.path, &deployment, asked).await
        }
        MonitorCommand::Signals { deployment, json, config } => figures::signals(&config.path, &deployment, json).await,
        MonitorCommand::Envelope { reference, model, deployment, rate, strata, json, config } => {
            let asked = envelope::Asked { reference, model, deployment, rate, strata, json };
            envelope::fit(&config.path, asked).await
        }
        MonitorCommand::Groups { deployment, json, config } => groups::list(&config.path, &deployment, json).await,
    }
}
