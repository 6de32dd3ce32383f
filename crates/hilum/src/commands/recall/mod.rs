//! `hilum recall`: which studies a version was used on, and the retraction of its results (AV-11).

mod table;
mod text;
mod window;

use super::package;
use crate::ConfigFile;
use crate::config::{Config, count};
use crate::system::{SystemClock, open_blobs, open_catalog};
use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, ValueEnum};
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, SubjectKind};
use hilum_registry::DeploymentState;
use hilum_store::Catalog;
use hilum_store::recalls::{RecallGround, RecallPlan, RecallStatus, RecallWindow, RecalledStudy};
use hilum_store::records::Package;
use hilum_types::{Clock, Digest};
use hilum_worker::carry_out_recall;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit status when an archive refused a rejection note or a study could not be finished.
const REFUSED: u8 = 3;
/// Exit status when something is still waiting.
const WAITING: u8 = 4;

/// Arguments of `hilum recall`.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).args(["model", "carry_out", "status"]))]
pub(crate) struct RecallArgs {
    /// List every study this version was used on, whatever became of the result.
    #[arg(long, value_name = "NAME@VERSION", requires = "from")]
    model: Option<String>,
    /// Begin of the window: a UTC day, or a time such as 2026-11-23T09:00:00Z.
    #[arg(long, value_name = "T", requires = "model")]
    from: Option<String>,
    /// End of the window, not included; a day is included to its end. Now when left out.
    #[arg(long, value_name = "T", requires = "model")]
    to: Option<String>,
    /// Enter the list as a recall record that two people sign.
    #[arg(long, requires_all = ["model", "reason", "ground"])]
    propose: bool,
    /// Why, in one line for everybody who will ask; no patient data.
    #[arg(long, value_name = "TEXT", requires = "propose")]
    reason: Option<String>,
    /// Why, as the archive is told.
    #[arg(long, requires = "propose")]
    ground: Option<Ground>,
    /// Retract the results of an approved recall record, or go on where an earlier call ended.
    #[arg(long, value_name = "RECORD")]
    carry_out: Option<String>,
    /// Show, per study and destination, whether the archive took the retraction.
    #[arg(long, value_name = "RECORD")]
    status: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Write the list as a table, readable by its owner only.
    #[arg(long, value_name = "FILE", requires = "model")]
    csv: Option<PathBuf>,
    /// Who.
    #[arg(long, env = "USER", default_value = "operator")]
    by: String,
    #[command(flatten)]
    config: ConfigFile,
}

/// Why results are withdrawn.
#[derive(Clone, Copy, ValueEnum)]
enum Ground {
    /// Not good enough; the archive may keep them for quality work (113001).
    Quality,
    /// Somebody could be harmed; the archive gives them out no more (113037).
    PatientSafety,
    /// Made for the wrong patient, order or procedure (113038).
    WrongWorklistEntry,
    /// Kept as long as they had to be (113039).
    RetentionExpired,
}

impl From<Ground> for RecallGround {
    fn from(ground: Ground) -> RecallGround {
        match ground {
            Ground::Quality => RecallGround::Quality,
            Ground::PatientSafety => RecallGround::PatientSafety,
            Ground::WrongWorklistEntry => RecallGround::WrongWorklistEntry,
            Ground::RetentionExpired => RecallGround::RetentionExpired,
        }
    }
}

/// `hilum recall`.
pub(crate) async fn run(arguments: RecallArgs) -> Result<ExitCode> {
    let config = Config::read(&arguments.config.path)?;
    let catalog = open_catalog(&config).await?;
    if let Some(record) = &arguments.carry_out {
        return carry_out(&config, &*catalog, record, &arguments).await;
    }
    if let Some(record) = &arguments.status {
        return status(&*catalog, record, arguments.json).await;
    }
    list(&*catalog, &arguments).await
}

async fn list(catalog: &dyn Catalog, arguments: &RecallArgs) -> Result<ExitCode> {
    let (Some(model), Some(from)) = (&arguments.model, &arguments.from) else {
        bail!("name a version with --model NAME@VERSION and a window with --from and --to");
    };
    let package = package::find(catalog, model).await?;
    let now = SystemClock.now();
    let (from, to) = window::window(from, arguments.to.as_deref(), now)?;
    let window = RecallWindow { package: package.digest, from, to };
    let studies = catalog.recall_list(&window).await?;
    note_access(catalog, &window, studies.len(), &arguments.by).await?;
    if let Some(path) = &arguments.csv {
        table::write(path, &studies).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let proposed = match (arguments.propose, &arguments.reason, arguments.ground) {
        (true, Some(reason), Some(ground)) => {
            let (name, version) = (package.name.as_str(), package.version.as_str());
            let plan = RecallPlan::new(&window, name, version, ground.into(), reason, &studies)?;
            let record = plan.record(&format!("user:{}", arguments.by))?;
            Some(catalog.record_add(&record, now).await?.record.digest)
        }
        _ => None,
    };
    let in_service = in_service(catalog, &package).await?;
    if arguments.json {
        let value = as_json(&window, &package, &studies, proposed.as_ref(), &in_service);
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", text::list(&window, &package, &studies));
    if let Some(path) = &arguments.csv {
        println!("Written to {}.", path.display());
    }
    if let Some(record) = proposed {
        println!("Entered as recall record {record}.");
        println!("Nothing is retracted yet. One person signs it clinically and another technically:");
        println!("  hilum record sign {} --as USER --meaning approved_clinical", record.short());
        println!("  hilum record sign {} --as USER --meaning approved_technical", record.short());
        println!("Then `hilum recall --carry-out {}` retracts the results.", record.short());
    }
    print!("{}", text::in_service(&in_service));
    Ok(ExitCode::SUCCESS)
}

/// Accession numbers are shown to somebody; the chain says to whom and how many, not which.
async fn note_access(catalog: &dyn Catalog, window: &RecallWindow, n_studies: usize, by: &str) -> Result<()> {
    let subject = AuditSubject::new(SubjectKind::Package, window.package);
    let event = AuditEvent::new(SystemClock.now(), format!("user:{by}"), AuditAction::RecallListed, subject);
    let detail = json!({ "from": window.from, "to": window.to, "n_studies": n_studies });
    catalog.audit_append(event.detail(&detail)).await?;
    Ok(())
}

/// Deployments that run this version on the next study.
async fn in_service(catalog: &dyn Catalog, package: &Package) -> Result<Vec<String>> {
    let stopped =
        [DeploymentState::Draft, DeploymentState::Accepted, DeploymentState::Suspended, DeploymentState::Retired];
    let all = catalog.deployment_list().await?;
    let runs = all.into_iter().filter(|d| d.package_digest == package.digest && !stopped.contains(&d.state));
    Ok(runs.map(|deployment| deployment.spec.name).collect())
}

fn as_json(
    window: &RecallWindow,
    package: &Package,
    studies: &[RecalledStudy],
    record: Option<&Digest>,
    in_service: &[String],
) -> serde_json::Value {
    let study = |study: &RecalledStudy| {
        let mut value = json!(study);
        value["reach"] = json!(study.reach());
        value
    };
    json!({
        "format": 1,
        "model": package.name,
        "version": package.version,
        "package": package.digest,
        "from": window.from,
        "to": window.to,
        "n_studies": studies.len(),
        "studies": studies.iter().map(study).collect::<Vec<_>>(),
        "record": record,
        "in_service": in_service,
    })
}

async fn find_record(catalog: &dyn Catalog, which: &str) -> Result<Digest> {
    Ok(catalog.record_get(which).await?.digest)
}

async fn carry_out(config: &Config, catalog: &dyn Catalog, record: &str, arguments: &RecallArgs) -> Result<ExitCode> {
    let record = find_record(catalog, record).await?;
    let blobs = open_blobs(config)?;
    let actor = format!("user:{}", arguments.by);
    let outcome = carry_out_recall(catalog, &blobs, &record, &actor, &SystemClock).await?;
    let status = catalog.recall_status(&record).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&text::status_json(&status))?);
    } else {
        println!(
            "{} stopped, {} queued, {} had not left{}",
            text::studies(outcome.n_retracted as usize),
            count(outcome.n_noted as usize, "rejection note"),
            text::studies(outcome.n_inside as usize),
            if outcome.n_retracted + outcome.n_noted + outcome.n_inside == 0 { ": all was done before" } else { "" }
        );
        print!("{}", text::totals(&status));
        for (study, why) in &outcome.failures {
            println!("  study {study}: {why}");
        }
        print!("{}", not_listed(catalog, &status).await?);
        let plan = &status.plan;
        let package = catalog.package_get(&plan.package.to_string()).await?;
        print!("{}", text::in_service(&in_service(catalog, &package).await?));
        println!(
            "A worker delivers the notes; `hilum recall --status {}` shows which archive took them.",
            record.short()
        );
    }
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

/// Results of the window that came after the list was signed are in no record, so nothing is done about them.
async fn not_listed(catalog: &dyn Catalog, status: &RecallStatus) -> Result<String> {
    let planned: std::collections::HashSet<_> =
        status.plan.studies.iter().flat_map(|study| &study.results).map(|planned| &planned.result).collect();
    let now = catalog.recall_list(&status.plan.window()).await?;
    let n = now.iter().filter(|study| study.results().any(|result| !planned.contains(&result.key))).count();
    Ok(match n {
        0 => String::new(),
        n => format!(
            "{} of the window {} results that came after the list was made: propose another recall for them.\n",
            text::studies(n),
            if n == 1 { "has" } else { "have" }
        ),
    })
}

async fn status(catalog: &dyn Catalog, record: &str, as_json: bool) -> Result<ExitCode> {
    let record = find_record(catalog, record).await?;
    let status = catalog.recall_status(&record).await?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&text::status_json(&status))?);
    } else {
        let approved = hilum_sign::approvals(&catalog.record_get(&record.to_string()).await?);
        print!("{}", text::status(&status, &approved));
    }
    let counts = status.counts();
    Ok(if counts.n_refused != 0 || status.studies.iter().any(|study| study.failure.is_some()) {
        ExitCode::from(REFUSED)
    } else if !status.is_complete() {
        ExitCode::from(WAITING)
    } else {
        ExitCode::SUCCESS
    })
}
