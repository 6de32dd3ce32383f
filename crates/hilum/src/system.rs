//! What only the program may do: read the clock, start logging, choose the cryptography, open what is configured.

use crate::config::{Config, Protocol as ConfiguredProtocol};
use anyhow::{Context, Result};
use hilum_infer::EngineConfig;
use hilum_store::{BlobOptions, Catalog, CatalogOptions, LocalBlobs};
use hilum_types::{Clock, Timestamp};
use hilum_worker::{Destination, Models, Protocol};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing_subscriber::EnvFilter;

/// The clock of the machine.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        };
        Timestamp::from_micros(micros)
    }
}

/// Log to standard error at `HILUM_LOG` (error, warn, info, debug, trace), as JSON lines with `HILUM_LOG_FORMAT=json`.
///
/// The level is that of our own crates. Libraries may print what passes through them, patients' data included, so
/// they are held to warnings whatever is asked for (PR-04).
pub(crate) fn start_logging(default_level: &str) {
    let level = std::env::var("HILUM_LOG").unwrap_or_else(|_| default_level.to_owned());
    let known = ["error", "warn", "info", "debug", "trace"];
    let level = known.into_iter().find(|known| level.eq_ignore_ascii_case(known)).unwrap_or("info");
    let filter = EnvFilter::new(format!("warn,hilum={level}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as from a test, keeps the first subscriber.
    let _already_started = match std::env::var("HILUM_LOG_FORMAT").as_deref() {
        Ok("json") => builder.json().try_init(),
        _ => builder.with_ansi(false).try_init(),
    };
}

/// End the program quietly, with the status of one that a closed pipe ended, when what it prints has no reader any more, as in
/// `hilum deployments | head -n 1`. `println!` would report a defect, with a backtrace, because Rust programs ignore the signal
/// that ends others; and a server must, or one client that hangs up would end it.
pub(crate) fn end_when_nobody_reads() {
    const ENDED_BY_SIGPIPE: i32 = 128 + 13;
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |defect| {
        let said = defect.payload_as_str().unwrap_or_default();
        // As `print!` words it, with the number of EPIPE.
        if said.starts_with("failed printing to std") && said.contains("(os error 32)") {
            std::process::exit(ENDED_BY_SIGPIPE);
        }
        report(defect);
    }));
}

/// One provider of cryptography for everything in the process.
pub(crate) fn choose_tls() {
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
}

/// The catalog of a configuration, migrated to this version.
pub(crate) async fn open_catalog(config: &Config) -> Result<Arc<dyn Catalog>> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot create the data folder {}", config.data_dir.display()))?;
    let options = CatalogOptions { quiet_seconds: config.study.quiet_seconds, ..CatalogOptions::default() };
    Ok(hilum_store::catalog::open(&config.catalog_url(), &options).await?)
}

/// The blob folder of a configuration.
pub(crate) fn open_blobs(config: &Config) -> Result<LocalBlobs> {
    let options = BlobOptions { reserve_bytes: config.storage.reserve_mib << 20 };
    Ok(LocalBlobs::open(&config.data_dir, &options)?)
}

/// The destinations of a configuration.
pub(crate) fn destinations(config: &Config) -> Vec<Destination> {
    let timeout = Duration::from_secs(config.delivery.timeout_seconds.into());
    let destination = |declared: &crate::config::DestinationConfig| Destination {
        name: declared.name.clone(),
        timeout,
        assessments: declared.assessments,
        protocol: match (declared.protocol, &declared.ae_title) {
            (ConfiguredProtocol::Dimse, Some(called_ae)) => Protocol::Dimse {
                host: declared.host.clone(),
                port: declared.port,
                called_ae: called_ae.clone(),
                calling_ae: config.dimse.ae_title.clone(),
            },
            _ => Protocol::Stow { url: declared.url.clone().unwrap_or_default() },
        },
    };
    config.destinations.iter().map(destination).collect()
}

/// The imported packages of a configuration.
pub(crate) fn models(config: &Config) -> Models {
    let engines = EngineConfig {
        onnx_runtime: config.inference.onnx_runtime.clone(),
        built_in_only: config.inference.built_in_only,
    };
    Models::trusting(config.data_dir.join("packages"), engines, config.trust.trust())
}
