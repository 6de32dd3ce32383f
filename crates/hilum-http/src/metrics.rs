//! `GET /metrics` in OpenMetrics text. No label holds a UID, an accession number or patient data.

use crate::Problem;
use crate::state::AppState;
use crate::words;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hilum_gate::EvidenceFacts;
use hilum_registry::Deployment;
use hilum_store::monitoring::{MonitorCounts, RUN_TIME_BOUNDS_MICROS, RunTimes};
use hilum_store::records::Counts;
use hilum_store::{QueueDepth, StoreError};
use hilum_types::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

type Histograms = Family<Request, Histogram, fn() -> Histogram>;

/// What this interface counts itself, since the start of the process.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Histograms,
    stow: Family<Outcome, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        // 1 ms to 16 s.
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 4.0, 8));
        Metrics { requests: Family::new_with_constructor(buckets), stow: Family::default() }
    }
}

impl Metrics {
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, elapsed: Duration) {
        let request = Request { method, route: route.to_owned(), status };
        self.requests.get_or_create(&request).observe(elapsed.as_secs_f64());
    }

    pub(crate) fn stow(&self, stored: bool) {
        self.stow.get_or_create(&Outcome { outcome: if stored { "stored" } else { "refused" } }).inc();
    }
}

/// Counts and gauges of this process and its catalog.
#[utoipa::path(get, path = "/metrics", tag = "system", operation_id = "get_metrics",
    responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text", body = String),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(crate) async fn get_metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    let counts = state.catalog.counts().await?;
    let depths = state.catalog.queue_depth().await?;
    let head = state.catalog.audit_head().await?;
    let monitored = state.catalog.monitor_counts().await?;
    let deployments = state.catalog.deployment_list().await?;
    let evidence = evidence(&state, &deployments).await?;
    let mut registry = Registry::default();
    registry.register(
        "hilum_http_request_duration_seconds",
        "Requests by route template",
        state.metrics.requests.clone(),
    );
    registry.register("hilum_stow_instances", "Instances received by STOW-RS", state.metrics.stow.clone());
    register_catalog(&mut registry, &counts);
    register_queue(&mut registry, &depths, state.now());
    register_deployments(&mut registry, &deployments, &evidence, state.now());
    register_monitored(&mut registry, &monitored);
    gauge(&mut registry, "hilum_audit_head_seq", "Position of the last audit entry", head.seq);
    // When the file system does not answer, the sample is missing, which an alert on its absence notices.
    if let Ok(bytes) = state.committer.blobs().bytes_free() {
        gauge(&mut registry, "hilum_disk_free_bytes", "Bytes that may still be written before the reserve", bytes);
    }
    for hook in &state.metrics_hooks {
        hook(&mut registry);
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .map_err(|_| Problem::new(crate::ProblemCode::Internal, "the metrics could not be written"))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

type Whole = Gauge<u64, AtomicU64>;
type Labelled = Family<Vec<(&'static str, String)>, Whole>;

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Whole::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn labelled<'a>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, u64)>,
) {
    let family = Labelled::default();
    for (labels, value) in samples {
        let labels = labels.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        family.get_or_create(&labels).set(value);
    }
    registry.register(name, help, family);
}

fn register_catalog(registry: &mut Registry, counts: &Counts) {
    gauge(registry, "hilum_instances", "Current instances", counts.n_instances);
    gauge(registry, "hilum_stored_bytes", "Bytes of all received versions", counts.n_bytes);
    gauge(registry, "hilum_quarantined_objects", "Objects in quarantine", counts.n_quarantined);
    let studies = [("receiving", counts.n_studies_receiving), ("complete", counts.n_studies_complete)];
    let studies = studies.map(|(state, n)| (vec![("state", state)], n));
    labelled(registry, "hilum_studies", "Studies by state", studies);
    let deliveries = counts.deliveries.iter().map(|(state, n)| (vec![("state", state.as_str())], *n));
    labelled(registry, "hilum_deliveries", "Deliveries by state", deliveries);
    let dispositions = counts.dispositions.iter().map(|(deployment, disposition, n)| {
        (vec![("deployment", deployment.as_str()), ("disposition", disposition.as_str())], *n)
    });
    labelled(registry, "hilum_dispositions", "How study revisions ended, by deployment", dispositions);
}

/// What counts as evidence about every deployment that declares how much it needs, as the gate sees it.
async fn evidence<'a>(
    state: &AppState,
    deployments: &'a [Deployment],
) -> Result<Vec<(&'a str, EvidenceFacts)>, StoreError> {
    let mut all = Vec::new();
    for deployment in deployments.iter().filter(|deployment| deployment.state.is_in_service()) {
        if let Some(facts) = state.catalog.evidence_facts(deployment, state.now()).await? {
            all.push((deployment.spec.name.as_str(), facts));
        }
    }
    Ok(all)
}

fn register_deployments(
    registry: &mut Registry,
    deployments: &[Deployment],
    evidence: &[(&str, EvidenceFacts)],
    now: Timestamp,
) {
    let states = deployments
        .iter()
        .map(|deployment| (vec![("deployment", deployment.spec.name.as_str()), ("state", deployment.state.name())], 1));
    labelled(registry, "hilum_deployment_state", "1 for the state that a deployment is in", states);
    let cases = evidence.iter().map(|(name, facts)| (vec![("deployment", *name)], facts.n));
    let help = "Labelled findings that count as evidence, of the window that the deployment declares";
    labelled(registry, "hilum_evidence_cases", help, cases);
    let age = |facts: &EvidenceFacts| {
        let newest = facts.newest_at.unwrap_or(facts.since);
        u64::try_from(now.micros_since(newest) / 1_000_000).unwrap_or(0)
    };
    let ages = evidence.iter().map(|(name, facts)| (vec![("deployment", *name)], age(facts)));
    let help = "Since the newest of them was complete; without any, since evidence could be gathered";
    labelled(registry, "hilum_evidence_age_seconds", help, ages);
}

fn register_monitored(registry: &mut Registry, counts: &MonitorCounts) {
    let alarms = counts.alarms_open.iter().map(|(severity, n)| (vec![("severity", words::severity(*severity))], *n));
    labelled(registry, "hilum_alarms_open", "Alarms nobody has acknowledged, by severity", alarms);
    let signals =
        counts.signals.iter().map(|(name, rule, n)| (vec![("deployment", name.as_str()), ("rule", rule.as_str())], *n));
    counted(registry, "hilum_signals", "What stop rules and charts said, by deployment and rule", signals);
    let labels = counts
        .labels
        .iter()
        .map(|(name, source, n)| (vec![("deployment", name.as_str()), ("source", source.as_str())], *n));
    counted(registry, "hilum_labels", "Labels, by deployment and where they come from", labels);
    registry.register_collector(Box::new(InferenceSeconds(counts.run_times.clone())));
}

/// The same as [`labelled`], for what only grows.
fn counted<'a>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, u64)>,
) {
    let family = Family::<Vec<(&'static str, String)>, Counter>::default();
    for (labels, value) in samples {
        let labels = labels.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        family.get_or_create(&labels).inc_by(value);
    }
    registry.register(name, help, family);
}

/// How long runs took, from the counts that the catalog keeps: of every worker, across restarts.
#[derive(Debug)]
struct InferenceSeconds(Vec<RunTimes>);

impl Collector for InferenceSeconds {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let (name, help) = ("hilum_inference_seconds", "How long runs took, by deployment");
        let mut all = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for times in &self.0 {
            let seconds = |micros: &i64| *micros as f64 / 1e6;
            let bounds = RUN_TIME_BOUNDS_MICROS.iter().map(seconds).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(times.n).collect();
            let labels = [("deployment", times.deployment.as_str())];
            let mut one = all.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(times.sum_micros as f64 / 1e6, times.n.iter().sum(), &buckets, None)?;
        }
        Ok(())
    }
}

fn register_queue(registry: &mut Registry, depths: &[QueueDepth], now: Timestamp) {
    let labels = |depth: &QueueDepth| vec![("kind", depth.kind.name()), ("state", depth.state.name())];
    let jobs = depths.iter().map(|depth| (labels(depth), depth.n_jobs));
    labelled(registry, "hilum_jobs", "Jobs by kind and state", jobs);
    let family = Family::<Vec<(&'static str, String)>, Gauge<i64, AtomicI64>>::default();
    for depth in depths.iter().filter(|depth| depth.state == hilum_store::JobState::Queued) {
        if let Some(due) = depth.oldest_due_at {
            let labels = vec![("kind", depth.kind.name().to_owned())];
            family.get_or_create(&labels).set((now.micros_since(due) / 1_000_000).max(0));
        }
    }
    registry.register("hilum_job_overdue_seconds", "How long the longest waiting job is due, by kind", family);
}

/// A hook for [`AppState::metrics_hooks`] that shows named counts as gauges `<prefix>_<name>`.
pub fn named_counts<const N: usize>(
    prefix: &'static str,
    read: impl Fn() -> [(&'static str, u64); N] + Send + Sync + 'static,
) -> crate::state::MetricsHook {
    Arc::new(move |registry: &mut Registry| {
        for (name, value) in read() {
            gauge(registry, &format!("{prefix}_{name}"), "Since the start of the process; *_open is now", value);
        }
    })
}
