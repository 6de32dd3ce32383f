//! The one task that talks to the collector.

use crate::proto::request;
use crate::{Queue, Span, Spans};
use prost::Message;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Spans that wait at most.
const QUEUE_MAX: usize = 4096;
/// Spans of one request at most.
const BATCH_MAX: usize = 512;
/// A request waits this long for more spans.
const GATHER: Duration = Duration::from_secs(1);
/// The collector has this long to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go.
#[derive(Debug, Clone)]
pub struct TelemetryOptions {
    /// Address of the collector, such as `http://collector:4318`; `/v1/traces` is added.
    pub endpoint: String,
    /// Names this process among others.
    pub instance: String,
}

/// The running task.
#[derive(Debug)]
pub struct Exporter {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Send what waits, and end; what is not sent within `grace` is dropped.
    pub async fn finished(self, grace: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(grace, self.task).await.is_err() {
            tracing::debug!("the last traces were not sent");
        }
    }
}

/// Start sending; must be called within a runtime, in a process that has chosen its cryptography. Nothing is connected
/// before the first span.
pub fn start(options: TelemetryOptions) -> (Spans, Exporter) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(export(options, receiver, stopped));
    (Spans(Some(Queue { sender, overflowed: Default::default() })), Exporter { stop, task })
}

async fn export(options: TelemetryOptions, mut receiver: mpsc::Receiver<Span>, mut stopped: watch::Receiver<bool>) {
    let built = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let client = match built {
        Ok(client) => client,
        Err(error) => return tracing::warn!(%error, "no traces are sent: there is no HTTP client"),
    };
    let url = format!("{}/v1/traces", options.endpoint.trim_end_matches('/'));
    let mut outage = Outage::default();
    loop {
        let batch = gather(&mut receiver, &mut stopped).await;
        if batch.is_empty() {
            return;
        }
        let body = request(&options.instance, &batch).encode_to_vec();
        let sent = client.post(&url).header("Content-Type", "application/x-protobuf").body(body).send().await;
        outage.note(batch.len(), sent.and_then(reqwest::Response::error_for_status).map(drop));
    }
}

/// The next spans; none when there will be no more.
async fn gather(receiver: &mut mpsc::Receiver<Span>, stopped: &mut watch::Receiver<bool>) -> Vec<Span> {
    let mut batch = Vec::new();
    let first = tokio::select! {
        biased;
        span = receiver.recv() => span,
        _ = stopped.wait_for(|stop| *stop) => receiver.try_recv().ok(),
    };
    batch.extend(first);
    if batch.is_empty() {
        return batch;
    }
    let full = async {
        while batch.len() < BATCH_MAX {
            match receiver.recv().await {
                Some(span) => batch.push(span),
                None => return,
            }
        }
    };
    tokio::select! {
        () = full => {}
        () = tokio::time::sleep(GATHER) => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
    while batch.len() < BATCH_MAX
        && let Ok(span) = receiver.try_recv()
    {
        batch.push(span);
    }
    batch
}

/// Says once that a collector is away, and once that it is back.
#[derive(Default)]
struct Outage {
    n_lost: usize,
}

impl Outage {
    fn note(&mut self, n_spans: usize, sent: Result<(), reqwest::Error>) {
        match sent {
            Ok(()) if 0 < self.n_lost => {
                tracing::info!(lost = self.n_lost, "the trace collector takes spans again");
                self.n_lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.n_lost == 0 {
                    // The address may hold a password.
                    let error = error.without_url();
                    tracing::warn!(%error, "the trace collector takes no spans; they are dropped until it does");
                }
                self.n_lost += n_spans;
            }
        }
    }
}
