//! `hilum serve` and `hilum work`: the parts put together, started in order, stopped in the opposite order.

use crate::config::Config;
use crate::oip::OipServers;
use crate::system::{SystemClock, destinations, models, open_blobs, open_catalog};
use anyhow::{Context, Result};
use hilum_audit::{AuditAction, AuditEvent, AuditSubject};
use hilum_dicom::Limits;
use hilum_dimse::{Peer, Server, ServerConfig, ServerHandle};
use hilum_http::{AppState, Hosts};
use hilum_intake::{DimseIntake, Intake};
use hilum_store::{Catalog, Committer, CommitterOptions, LocalBlobs};
use hilum_telemetry::{Exporter, Spans, TelemetryOptions};
use hilum_types::{Clock, Digest};
use hilum_worker::{Models, RetryPolicy, SiteKey, Worker, WorkerOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The last traces get this long to leave.
const TRACE_GRACE: Duration = Duration::from_secs(2);

/// What is being received, sent or computed at shutdown gets this long.
const GRACE: Duration = Duration::from_secs(20);

/// Every association and every object on its way needs a file descriptor, and the usual soft limit is 1024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files stays as it is; many associations at once may fail");
    }
}

/// `hilum serve`.
pub(crate) async fn serve(path: &Path) -> Result<ExitCode> {
    let config = Config::read(path)?;
    let mut signals = StopSignals::listen()?;
    raise_file_limit();
    let running = Running::start(&config, Arc::new(SystemClock)).await?;
    tracing::info!(dimse = %running.dimse_address(), http = %running.http_address, "serving");
    if let Some(address) = running.oip.http_address {
        tracing::info!(%address, "serving the inference protocol over HTTP");
    }
    if let Some(address) = running.oip.grpc_address {
        tracing::info!(%address, "serving the inference protocol over gRPC");
    }
    signals.wait().await;
    tracing::info!("stopping: what is in flight is finished first");
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// `hilum work`.
pub(crate) async fn work(path: &Path) -> Result<ExitCode> {
    let config = Config::read(path)?;
    anyhow::ensure!(0 < config.worker.slots, "[worker] slots is 0, so there is nothing for `hilum work` to do");
    let mut signals = StopSignals::listen()?;
    let catalog = open_catalog(&config).await?;
    let (stop, stopped) = watch::channel(false);
    let clock = Arc::new(SystemClock);
    let (spans, traces) = start_traces(&config);
    let worker = start_worker(&config, catalog, open_blobs(&config)?, models(&config), clock, spans, stopped)?;
    tracing::info!(slots = config.worker.slots, "working");
    signals.wait().await;
    stop.send_replace(true);
    if tokio::time::timeout(GRACE, worker).await.is_err() {
        tracing::warn!("a job was still running; another worker takes it over when its lease ends");
    }
    if let Some(traces) = traces {
        traces.finished(TRACE_GRACE).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// SIGTERM and SIGINT from the begin of the program on: one that comes while it still starts is not lost, and does not end
/// it halfway.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> Result<StopSignals> {
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
        })
    }

    /// Returns once one of them has come.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// The committer and the way in before it.
pub(crate) fn start_intake(
    config: &Config,
    blobs: LocalBlobs,
    catalog: Arc<dyn Catalog>,
    clock: Arc<dyn Clock>,
) -> Intake {
    let committer = Committer::start(blobs, catalog, &CommitterOptions::default());
    let limits = Limits { file_bytes_max: config.storage.object_mib_max << 20, ..Limits::default() };
    Intake::new(committer, limits, clock)
}

fn start_worker(
    config: &Config,
    catalog: Arc<dyn Catalog>,
    blobs: LocalBlobs,
    models: Models,
    clock: Arc<dyn Clock>,
    spans: Spans,
    stop: watch::Receiver<bool>,
) -> Result<JoinHandle<()>> {
    let options = WorkerOptions {
        owner: process_name(),
        slots: config.worker.slots,
        shadow_slots: config.worker.shadow_slots.unwrap_or(config.worker.slots / 2),
        lease_seconds: config.worker.lease_seconds,
        retry: RetryPolicy {
            seconds_first: config.delivery.retry_seconds_first,
            seconds_max: config.delivery.retry_seconds_max,
            attempts_max: config.delivery.attempts_max,
        },
        assessment_quiet_seconds: config.delivery.assessment_quiet_seconds,
        ae_title: config.dimse.ae_title.clone(),
        product_timeout: Duration::from_secs(config.delivery.timeout_seconds.into()),
        data_dir: config.data_dir.clone(),
    };
    let site_key = SiteKey::open(&config.data_dir)
        .with_context(|| format!("the site key in {} cannot be used", config.data_dir.display()))?;
    let worker = Worker::new(catalog, blobs, models, destinations(config), clock, site_key, options)?;
    Ok(tokio::spawn(worker.notifying(config.notify.options(&config.destinations)).tracing(spans).run(stop)))
}

/// This process among all that work on one catalog.
fn process_name() -> String {
    format!("{}:{}", host_name(), std::process::id())
}

/// Traces to the configured collector; off without one.
fn start_traces(config: &Config) -> (Spans, Option<Exporter>) {
    match &config.telemetry.otlp_endpoint {
        None => (Spans::default(), None),
        Some(endpoint) => {
            let options = TelemetryOptions { endpoint: endpoint.reveal().to_owned(), instance: process_name() };
            let (spans, exporter) = hilum_telemetry::start(options);
            (spans, Some(exporter))
        }
    }
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or("host".to_owned(), |name| name.trim().to_owned())
}

/// A started `hilum serve`, also used by the demo in its own process.
pub(crate) struct Running {
    /// Where HTTP is served, with the port the system chose when the configuration said 0.
    pub(crate) http_address: SocketAddr,
    /// The catalog everything works on.
    pub(crate) catalog: Arc<dyn Catalog>,
    /// The inference protocol, where configured.
    pub(crate) oip: OipServers,
    /// The listener for reports, where configured.
    pub(crate) hl7: Option<crate::hl7::Running>,
    dimse: ServerHandle,
    http: JoinHandle<()>,
    worker: Option<JoinHandle<()>>,
    clock: Arc<dyn Clock>,
    traces: Option<Exporter>,
    stop: watch::Sender<bool>,
}

impl Running {
    /// Start everything that is configured, by that clock. Storage is swept before anything can come in.
    pub(crate) async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Running> {
        let blobs = open_blobs(config)?;
        let catalog = open_catalog(config).await?;
        let swept = hilum_store::sweep(&blobs, &*catalog).await.context("the storage could not be checked")?;
        tracing::info!(?swept, "storage swept");
        let event = AuditEvent::new(clock.now(), "system:serve", AuditAction::Started, AuditSubject::system());
        catalog.audit_append(event).await?;

        let (stop, stopped) = watch::channel(false);
        let intake = start_intake(config, blobs.clone(), catalog.clone(), clock.clone());
        let http_listener = TcpListener::bind(config.http.listen)
            .await
            .with_context(|| format!("cannot listen on {} for HTTP; is the port in use?", config.http.listen))?;
        let http_address = http_listener.local_addr()?;
        let dimse = Server::bind(dimse_config(config)?, DimseIntake::new(intake.clone())).await?;
        let models = models(config);
        let (spans, traces) = start_traces(config);
        let worker = match config.worker.slots {
            0 => None,
            _ => {
                let (catalog, blobs, models) = (catalog.clone(), blobs.clone(), models.clone());
                Some(start_worker(config, catalog, blobs, models, clock.clone(), spans.clone(), stopped.clone())?)
            }
        };
        let oip = crate::oip::start(config, catalog.clone(), models, stopped.clone()).await?;
        let hl7 = crate::hl7::start(&config.hl7, catalog.clone(), blobs, clock.clone(), stopped.clone()).await?;
        let mut state = http_state(catalog.clone(), intake, &dimse, http_address, clock.clone());
        state.report_token = config.http.report_token.as_ref().map(|token| Digest::of(token.reveal().as_bytes()));
        state.spans = spans;
        let connections_max = state.limits.connections_max;
        let router = hilum_http::router(state);
        let mut http_stopped = stopped;
        let until = async move {
            // An error means that the sender is gone, which is a stop as well.
            let _ = http_stopped.wait_for(|stop| *stop).await;
        };
        let http = tokio::spawn(hilum_http::serve(http_listener, router, connections_max, until));
        Ok(Running { http_address, catalog, oip, hl7, dimse, http, worker, clock, traces, stop })
    }

    /// Where DICOM is served.
    pub(crate) fn dimse_address(&self) -> SocketAddr {
        self.dimse.local_addr()
    }

    /// Stop: no new work, finish what is in flight, close.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.dimse.shutdown(GRACE).await;
        if let Some(worker) = self.worker
            && tokio::time::timeout(GRACE, worker).await.is_err()
        {
            tracing::warn!("a job was still running; it is repeated when its lease ends");
        }
        if tokio::time::timeout(GRACE, self.http).await.is_err() {
            tracing::warn!("HTTP requests were still open");
        }
        self.oip.finished(GRACE).await;
        if let Some(hl7) = self.hl7 {
            hl7.finished(GRACE).await;
        }
        if let Some(traces) = self.traces {
            traces.finished(TRACE_GRACE).await;
        }
        let event = AuditEvent::new(self.clock.now(), "system:serve", AuditAction::Stopped, AuditSubject::system());
        if let Err(error) = self.catalog.audit_append(event).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the stop was not entered in the audit record");
        }
    }
}

fn dimse_config(config: &Config) -> Result<ServerConfig> {
    let dimse = &config.dimse;
    let mut server = ServerConfig::new(dimse.listen, dimse.ae_title.clone());
    server.accept_any_peer = dimse.accept_any_peer;
    server.associations_max = dimse.associations_max;
    server.associations_per_peer_max = dimse.associations_per_peer_max;
    server.timers.idle = Duration::from_secs(dimse.idle_seconds);
    for peer in &dimse.peers {
        let address = peer.address.as_deref().map(str::parse).transpose()?;
        server.peers.push(Peer { ae_title: peer.ae_title.clone(), address });
    }
    Ok(server)
}

fn http_state(
    catalog: Arc<dyn Catalog>,
    intake: Intake,
    dimse: &ServerHandle,
    address: SocketAddr,
    clock: Arc<dyn Clock>,
) -> AppState {
    let mut state = AppState::new(catalog, intake.committer().clone(), Arc::new(move || clock.now()));
    state.limits.dicom = *intake.limits();
    if !address.ip().is_loopback() {
        // Only with the development switch, which the configuration was checked for.
        state.hosts = Hosts::Any;
    }
    let stats = dimse.stats();
    state.metrics_hooks.push(hilum_http::named_counts("hilum_dimse", move || stats.snapshot()));
    state
}
