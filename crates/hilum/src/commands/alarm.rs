//! `hilum alarm`: list alarms, answer them, end them with a cause.

use crate::ConfigFile;
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use hilum_monitor::Severity;
use hilum_monitor::alarm::{CauseCode, code_facts};
use hilum_store::alarms::{Alarm, AlarmFilter};
use hilum_store::{AlarmKey, Catalog};
use hilum_types::Clock;
use std::process::ExitCode;
use std::sync::Arc;

/// Most alarms listed.
const LIST_MAX: u32 = 1000;

#[derive(Subcommand)]
pub(crate) enum AlarmCommand {
    /// List alarms that are not closed, newest first.
    List {
        /// Of this deployment.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
        /// Closed ones too.
        #[arg(long)]
        all: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Say that you have seen an alarm: it no longer escalates.
    Acknowledge {
        /// Key of the alarm.
        key: String,
        /// Who.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Give an alarm to somebody.
    Assign {
        /// Key of the alarm.
        key: String,
        /// Person or role that answers for it from now on.
        owner: String,
        /// Who acts.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Close an alarm with its cause.
    Close {
        /// Key of the alarm.
        key: String,
        /// Why it happened: acquisition_change, population_change, model_fault, model_change, label_fault,
        /// infrastructure, handling, planned, false_alarm or not_found.
        #[arg(long)]
        cause: String,
        /// What was found; no patient data.
        #[arg(long, default_value = "")]
        comment: String,
        /// Who.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

pub(crate) async fn run(command: AlarmCommand) -> Result<ExitCode> {
    match command {
        AlarmCommand::List { deployment, all, json, config } => {
            let filter = AlarmFilter { only_unclosed: !all, deployment, ..AlarmFilter::default() };
            list(&*open(&config).await?, &filter, json).await
        }
        AlarmCommand::Acknowledge { key, by, config } => {
            let (catalog, now) = (open(&config).await?, SystemClock.now());
            let done = catalog.alarm_acknowledge(&parse(&key)?, &format!("user:{by}"), now).await;
            done.context("nothing was acknowledged")?;
            println!("acknowledged; it stays listed until it is closed with a cause");
            Ok(ExitCode::SUCCESS)
        }
        AlarmCommand::Assign { key, owner, by, config } => {
            let owner = owner.trim();
            if owner.is_empty() || 64 < owner.chars().count() || owner.chars().any(char::is_control) {
                bail!("the owner must be one line of 1 to 64 characters");
            }
            let (catalog, now) = (open(&config).await?, SystemClock.now());
            let done = catalog.alarm_assign(&parse(&key)?, owner, &format!("user:{by}"), now).await;
            done.context("nothing was assigned")?;
            println!("{owner} answers for it");
            Ok(ExitCode::SUCCESS)
        }
        AlarmCommand::Close { key, cause, comment, by, config } => {
            let Some(cause) = CauseCode::from_name(&cause) else {
                let known: Vec<String> =
                    CauseCode::ALL.iter().map(|cause| format!("{} ({})", cause.name(), cause.words())).collect();
                bail!("{cause:?} is no cause; give one of:\n  {}", known.join("\n  "));
            };
            if 500 < comment.chars().count() || comment.chars().any(char::is_control) {
                bail!("the comment must be one line of at most 500 characters");
            }
            let (catalog, now) = (open(&config).await?, SystemClock.now());
            let done = catalog.alarm_close(&parse(&key)?, cause, comment.trim(), &format!("user:{by}"), now).await;
            done.context("nothing was closed")?;
            println!("closed: {}", cause.words());
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn open(config: &ConfigFile) -> Result<Arc<dyn Catalog>> {
    open_catalog(&Config::read(&config.path)?).await
}

fn parse(key: &str) -> Result<AlarmKey> {
    key.parse().context("this is no key of an alarm; `hilum alarm list` shows them")
}

async fn list(catalog: &dyn Catalog, filter: &AlarmFilter, json: bool) -> Result<ExitCode> {
    let alarms = catalog.alarm_find(filter, LIST_MAX).await?;
    if json {
        for alarm in &alarms {
            println!("{}", serde_json::to_string(alarm)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if alarms.is_empty() {
        println!("{}", if filter.only_unclosed { "No alarm waits for anybody." } else { "No alarm was ever raised." });
    }
    for alarm in &alarms {
        println!("{}", text(alarm));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(alarm: &Alarm) -> String {
    let severity = match alarm.severity {
        Severity::Watch => "watch",
        Severity::Review => "review",
        Severity::Stop => "stop",
    };
    let about = alarm.deployment.as_deref().unwrap_or("-");
    let owner = if alarm.owner.is_empty() { "nobody" } else { &alarm.owner };
    let stands = match (&alarm.closing, &alarm.acknowledged_by, alarm.acknowledged_at, alarm.due_at) {
        (Some(closing), ..) => format!("closed by {} at {}: {}", closing.by, closing.at, closing.cause.words()),
        (None, Some(by), Some(at), _) => format!("acknowledged by {by} at {at}"),
        (None, None, Some(at), _) => format!("acknowledged at {at}"),
        (None, _, None, Some(due_at)) => format!("to be acknowledged by {due_at}"),
        (None, _, None, None) => "not acknowledged".to_owned(),
    };
    format!(
        "{}  {severity:<6}  {about:<20}  {}\n    {}\n    raised {} times since {}, owner {owner}; {stands}\n    next step: {}",
        alarm.key,
        alarm.code,
        alarm.text,
        alarm.n_raised,
        alarm.raised_at,
        code_facts(&alarm.code).next_step
    )
}
