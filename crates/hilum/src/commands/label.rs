//! `hilum label`: what is true of a study, entered by hand.

use crate::ConfigFile;
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use hilum_monitor::{LabelSource, Truth};
use hilum_store::StudyKey;
use hilum_store::labels::{NewLabel, signed_in_origin};
use hilum_store::records::StudyFilter;
use hilum_types::{Clock, Phi, Timestamp};
use serde_json::json;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum LabelCommand {
    /// Enter what an adjudication or the follow-up says is true. Whether it is independent of the model's answer is not
    /// stated but derived from what had been released by then.
    Add {
        /// The study: accession number, Study Instance UID, or key.
        study: String,
        /// Deployment whose result it speaks of.
        #[arg(long, value_name = "NAME")]
        deployment: String,
        /// The finding, by its label within the package.
        #[arg(long)]
        finding: String,
        /// Whether it is there.
        #[arg(long, value_enum)]
        truth: Told,
        /// Where it comes from.
        #[arg(long, value_enum, default_value = "adjudication")]
        source: From,
        /// When the labeller had made up their mind, such as 2026-05-03T14:00:00Z; now when left out. It decides whether
        /// they can have seen the model's answer, is kept with the label and in the audit trail, and is refused before the
        /// first image of the study came in, and later than now.
        #[arg(long, value_name = "TIME")]
        decided_at: Option<Timestamp>,
        /// Names this label, so that it may be sent again: the same under the same name changes nothing.
        #[arg(long, value_name = "TEXT")]
        origin: Option<String>,
        /// Who says so.
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// What is true of a finding.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Told {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// Nobody can say.
    Uncertain,
}

/// Where a label that is entered by hand comes from.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum From {
    /// A reader's answer to the result.
    Assessment,
    /// Readers who decide on a case.
    Adjudication,
    /// Pathology or follow-up.
    FollowUp,
}

pub(crate) async fn run(command: LabelCommand) -> Result<ExitCode> {
    let LabelCommand::Add { study, deployment, finding, truth, source, decided_at, origin, by, json, config } = command;
    let catalog = open_catalog(&Config::read(&config.path)?).await?;
    let now = SystemClock.now();
    let study_key = find(&*catalog, &study).await?;
    let by = if by.contains(':') { by } else { format!("user:{by}") };
    let signed_in = signed_in_origin(&by);
    if origin.as_deref().is_some_and(|origin| origin.starts_with(&signed_in)) {
        bail!("an origin that begins with {signed_in:?} is of answers by people who signed in; choose another");
    }
    let label = NewLabel {
        origin: origin.unwrap_or_else(|| format!("terminal:{study_key}:{deployment}:{finding}:{}", now.micros())),
        study_key,
        revision: None,
        deployment,
        finding,
        truth: match truth {
            Told::Present => Truth::Present,
            Told::Absent => Truth::Absent,
            Told::Uncertain => Truth::Uncertain,
        },
        agreement: None,
        source: match source {
            From::Assessment => LabelSource::Assessment,
            From::Adjudication => LabelSource::Adjudication,
            From::FollowUp => LabelSource::FollowUp,
        },
        extractor: None,
        extractor_measured: false,
        decided_at: decided_at.unwrap_or(now),
        report: None,
        comment: None,
        by,
    };
    let added = catalog.label_add(&label, now).await?;
    let stands = catalog.deployment_get(&added.deployment).await?;
    let state = stands.as_ref().map_or("gone", |deployment| deployment.state.name());
    if json {
        println!("{}", json!({ "format": 1, "label": added, "state": state }));
        return Ok(ExitCode::SUCCESS);
    }
    println!("label {} of class {}; {} is {state}", added.key, added.class().name(), added.deployment);
    Ok(ExitCode::SUCCESS)
}

async fn find(catalog: &dyn hilum_store::Catalog, text: &str) -> Result<StudyKey> {
    if let Ok(key) = text.parse::<StudyKey>()
        && let Some(study) = catalog.study_get(&key).await?
    {
        return Ok(study.key);
    }
    if let Ok(uid) = text.parse()
        && let Some(study) = catalog.study_by_uid(&uid).await?
    {
        return Ok(study.key);
    }
    let filter = StudyFilter { accession_number: Some(Phi::new(text.to_owned())), ..StudyFilter::default() };
    let found = catalog.study_list(&filter, 2).await?;
    match found.as_slice() {
        [study] => Ok(study.key.clone()),
        [] => bail!("no study of that accession number, Study Instance UID or key"),
        _ => bail!("several studies have that accession number; give the Study Instance UID"),
    }
}
