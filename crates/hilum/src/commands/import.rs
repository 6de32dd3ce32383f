use crate::config::{Config, count};
use crate::serve::start_intake;
use crate::system::{SystemClock, open_blobs, open_catalog};
use anyhow::{Context, Result};
use hilum_intake::{ImportReport, import_file, list_files};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// `hilum import FOLDER`: exit status 1 when a file could not be stored.
pub(crate) async fn import(folder: &Path, config: &Path) -> Result<ExitCode> {
    let config = Config::read(config)?;
    let files = list_files(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let catalog = open_catalog(&config).await?;
    let intake = start_intake(&config, open_blobs(&config)?, catalog, Arc::new(SystemClock));
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {per_sec}, {eta} left")?;
    let progress = ProgressBar::new(files.len() as u64).with_style(style);
    let mut report = ImportReport::default();
    let mut failed = 0;
    for path in &files {
        match import_file(&intake, path, "import").await {
            Ok(file) => report.add(file),
            Err(error) => {
                failed += 1;
                progress.suspend(|| eprintln!("not stored: {}: {:#}", path.display(), anyhow::Error::from(error)));
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    println!(
        "{} looked at: {} stored, {} held already, {} conflicting, {} in quarantine, {} not DICOM, {failed} not stored",
        count(files.len(), "file"),
        report.stored,
        report.duplicates,
        report.conflicts,
        report.quarantined,
        report.skipped
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
