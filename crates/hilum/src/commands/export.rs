//! `hilum export`: observations and labels as a table, page by page, so that a year takes no more memory than a day.

use crate::ConfigFile;
use crate::config::{Config, count};
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, SubjectKind};
use hilum_export::{Asked, Format, Table};
use hilum_monitor::{Label, Observation};
use hilum_store::labels::LabelFilter;
use hilum_store::monitoring::ObservationFilter;
use hilum_store::{Catalog, StoreError};
use hilum_types::{Clock, Timestamp};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rows that are read at once.
const PAGE: u32 = 1000;

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// What a row is.
    #[arg(value_enum)]
    what: What,
    /// Name of the deployment.
    #[arg(long, value_name = "NAME")]
    deployment: String,
    /// Studies complete at or after this, such as 2026-05-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Studies complete before this.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// As it was known then, which is not ahead; now when left out. A moment of the last minute is not final.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// The file; an earlier one of that name is kept, and the command refused.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// CSV instead of Parquet.
    #[arg(long)]
    csv: bool,
    /// Who exports.
    #[arg(long, env = "USER", default_value = "operator")]
    by: String,
    #[command(flatten)]
    config: ConfigFile,
}

/// What a row is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// A study revision that ended for the deployment.
    Inferences,
    /// What somebody or something said is true of a finding.
    Labels,
}

pub(crate) async fn run(arguments: ExportArgs) -> Result<ExitCode> {
    let ExportArgs { what, deployment, from, until, as_of, out, csv, by, config } = arguments;
    let as_of = known_at(as_of, SystemClock.now())?;
    let catalog = open_catalog(&Config::read(&config.path)?).await?;
    let missing = StoreError::NotFound("deployment; `hilum deployments` shows them");
    catalog.deployment_get(&deployment).await?.ok_or(missing)?;
    if out.exists() {
        bail!("{} is there already; name another file, or remove it", out.display());
    }
    let asked = Asked { deployment, from, until, as_of };
    let format = if csv { Format::Csv } else { Format::Parquet };
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("no file can be written in {}", folder.display()))?;
    let target = std::io::BufWriter::new(file.reopen()?);
    let n_rows = match what {
        What::Inferences => inferences(&*catalog, &asked, Table::new::<Observation>(target, format, &asked)?).await?,
        What::Labels => labels(&*catalog, &asked, Table::new::<Label>(target, format, &asked)?).await?,
    };
    // Entered before the file gets its name: what is not on record does not leave.
    let by = if by.contains(':') { by } else { format!("user:{by}") };
    let subject = AuditSubject::new(SubjectKind::Deployment, &asked.deployment);
    let event = AuditEvent::new(SystemClock.now(), by, AuditAction::TableExported, subject);
    let what = match what {
        What::Inferences => "inferences",
        What::Labels => "labels",
    };
    let detail = json!({ "table": what, "from": from, "until": until, "as_of": asked.as_of, "n_rows": n_rows });
    catalog.audit_append(event.detail(&detail)).await?;
    file.as_file().sync_all()?;
    file.persist_noclobber(&out).with_context(|| format!("{} cannot be written", out.display()))?;
    println!("{}: {} as known on {}", out.display(), count(usize::try_from(n_rows)?, "row"), asked.as_of);
    Ok(ExitCode::SUCCESS)
}

/// The moment that is asked about; one that is ahead would promise rows that are not entered yet.
fn known_at(as_of: Option<Timestamp>, now: Timestamp) -> Result<Timestamp> {
    match as_of {
        Some(ahead) if now < ahead => {
            bail!(
                "--as-of {ahead} is ahead of now ({now}): nobody knows yet what will be entered by then; give a moment that has passed, or leave it out"
            )
        }
        Some(past) => Ok(past),
        None => Ok(now),
    }
}

async fn inferences<W: Write + Send>(catalog: &dyn Catalog, asked: &Asked, mut table: Table<W>) -> Result<u64> {
    let filter = ObservationFilter {
        deployment: asked.deployment.clone(),
        package: None,
        from: asked.from,
        until: asked.until,
        as_of: Some(asked.as_of),
        ..ObservationFilter::default()
    };
    let mut last: Option<Observation> = None;
    loop {
        let page = catalog.observation_page(&filter, last.as_ref(), PAGE).await?;
        for observation in &page {
            table.push(observation)?;
        }
        match page.into_iter().next_back() {
            Some(observation) => last = Some(observation),
            None => return Ok(table.finish()?),
        }
    }
}

async fn labels<W: Write + Send>(catalog: &dyn Catalog, asked: &Asked, mut table: Table<W>) -> Result<u64> {
    let mut filter =
        LabelFilter { deployment: Some(asked.deployment.clone()), until: Some(asked.as_of), ..LabelFilter::default() };
    let wanted = |label: &Label| {
        asked.from.is_none_or(|from| from <= label.event_at) && asked.until.is_none_or(|until| label.event_at < until)
    };
    loop {
        let page = catalog.label_list(&filter, PAGE).await?;
        for label in page.iter().filter(|label| wanted(label)) {
            table.push(label)?;
        }
        match page.last() {
            Some(label) => filter.after = Some(label.key.parse()?),
            None => return Ok(table.finish()?),
        }
    }
}
