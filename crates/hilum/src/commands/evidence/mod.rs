//! `hilum evidence`: evidence pack, its verification, periodic report.

mod export;
pub(crate) mod gather;
mod report;
mod tree;
mod verify;

use crate::ConfigFile;
use anyhow::{Context, Result};
use clap::Subcommand;
use hilum_types::Timestamp;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// `[evidence]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EvidenceConfig {
    /// Private key (PEM, ECDSA P-256) that packs are signed with.
    pub(crate) signing_key: Option<PathBuf>,
}

/// What can be done with evidence.
#[derive(Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Write an evidence pack: records, cards, reports, history and audit chain, indexed by AI Act Annex IV.
    Export {
        /// New or empty folder.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Only this deployment, with the versions it ever ran.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
        /// The audit chain from this day (or RFC 3339 time) on; from its beginning when left out.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// As everything stood at the end of this day (or at this RFC 3339 time); as it stands now when left out.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// Private key (PEM) to sign the pack with; the configured one when left out.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Verify a pack by itself: digests, records, signatures, audit chain. Needs no configuration.
    Verify {
        /// Folder of the pack.
        folder: PathBuf,
        /// Public key (PEM) of whoever signed the pack.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Signature file; `DIR.sig` when left out.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// A checkpoint kept elsewhere, `SEQ:HASH`, that the chain must pass through; may be repeated.
        #[arg(long, value_name = "SEQ:HASH")]
        checkpoint: Vec<String>,
    },
    /// Write the periodic report of a deployment over a window of days, and enter it as a record.
    Report {
        /// The deployment.
        #[arg(long, value_name = "NAME")]
        deployment: String,
        /// First day, `2026-11-01`.
        #[arg(long, value_name = "DAY")]
        from: String,
        /// Last day, `2026-11-30`.
        #[arg(long, value_name = "DAY")]
        to: String,
        /// New or empty folder.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// `hilum evidence ...`.
pub(crate) async fn run(command: EvidenceCommand) -> Result<ExitCode> {
    match command {
        EvidenceCommand::Export { out, deployment, from, to, key, config } => {
            let export = export::Export {
                out: &out,
                deployment: deployment.as_deref(),
                from: from.as_deref().map(|text| time(text, Edge::Start)).transpose()?,
                to: to.as_deref().map(|text| time(text, Edge::End)).transpose()?,
                key: key.as_deref(),
            };
            export::export(&config.path, export).await
        }
        EvidenceCommand::Verify { folder, key, signature, checkpoint } => {
            verify::verify(&folder, key.as_deref(), signature.as_deref(), &checkpoint)
        }
        EvidenceCommand::Report { deployment, from, to, out, config } => {
            let window = hilum_evidence::Window::new(day(&from, Edge::Start)?, day(&to, Edge::End)?)?;
            report::report(&config.path, &deployment, window, &out).await
        }
    }
}

/// Which moment of a day is meant.
#[derive(Clone, Copy)]
enum Edge {
    Start,
    /// The first moment of the day after.
    End,
}

/// A day or a time.
fn time(text: &str, edge: Edge) -> Result<Timestamp> {
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(at),
        Err(_) => day(text, edge).with_context(|| format!("{text:?} is neither a day nor a time with its zone")),
    }
}

fn day(text: &str, edge: Edge) -> Result<Timestamp> {
    let is_day = text.len() == 10;
    let start = format!("{text}T00:00:00Z").parse::<Timestamp>().ok().filter(|_| is_day);
    let start = start.with_context(|| format!("{text:?} is no day such as 2026-11-23"))?;
    Ok(match edge {
        Edge::Start => start,
        Edge::End => start.plus_seconds(86_400),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times() {
        let told = |text: &str, edge| time(text, edge).map(|at| at.to_string()).unwrap_or_else(|e| format!("{e:#}"));
        assert_eq!(told("2026-11-30", Edge::Start), "2026-11-30T00:00:00.000000Z");
        assert_eq!(told("2026-11-30", Edge::End), "2026-12-01T00:00:00.000000Z");
        assert_eq!(told("2026-11-30T12:00:00Z", Edge::End), "2026-11-30T12:00:00.000000Z");
        assert!(told("2026-02-30", Edge::End).contains("no day"));
        assert!(told("yesterday", Edge::End).contains("neither"));
    }
}
