//! The one task that talks to the collector.

use crate::proto::request;
use crate::{Queue, Span, Spans};
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    let n_overflowed = Arc::new(AtomicU64::new(0));
    let task = tokio::spawn(export(options, receiver, stopped, n_overflowed.clone()));
    (Spans(Some(Queue { sender, n_overflowed })), Exporter { stop, task })
}

async fn export(
    options: TelemetryOptions,
    mut receiver: mpsc::Receiver<Span>,
    mut stopped: watch::Receiver<bool>,
    n_overflowed: Arc<AtomicU64>,
) {
    let client = match client() {
        Ok(client) => client,
        Err(error) => return tracing::warn!(%error, "no traces are sent: there is no HTTP client"),
    };
    let url = format!("{}/v1/traces", options.endpoint.trim_end_matches('/'));
    let (mut outage, mut overflow) = (Outage::default(), Overflow::default());
    loop {
        let batch = gather(&mut receiver, &mut stopped).await;
        if batch.is_empty() {
            return;
        }
        let body = request(&options.instance, &batch).encode_to_vec();
        outage.note(batch.len(), send(&client, &url, body).await);
        overflow.note(n_overflowed.swap(0, Ordering::Relaxed));
    }
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()
}

/// Send one request. Only an answer of success means that the spans were taken: a redirection leads away from whoever
/// was named. The error says in words why they were not.
async fn send(client: &reqwest::Client, url: &str, body: Vec<u8>) -> Result<(), String> {
    let sent = client.post(url).header("Content-Type", "application/x-protobuf").body(body).send().await;
    // The address may hold a password.
    let status = sent.map_err(|error| error.without_url().to_string())?.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
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
    fn note(&mut self, n_spans: usize, sent: Result<(), String>) {
        match sent {
            Ok(()) if 0 < self.n_lost => {
                tracing::info!(lost = self.n_lost, "the trace collector takes spans again");
                self.n_lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.n_lost == 0 {
                    tracing::warn!(%error, "the trace collector takes no spans; they are dropped until it does");
                }
                self.n_lost += n_spans;
            }
        }
    }
}

/// Says once that spans find the queue full, and once that there is room again.
#[derive(Default)]
struct Overflow {
    n_lost: u64,
}

impl Overflow {
    /// So many spans found it full since the batch before.
    fn note(&mut self, n_lost: u64) {
        match (self.n_lost, n_lost) {
            (0, 0) => {}
            (0, lost) => tracing::warn!(lost, "traces come faster than the collector takes them; the rest is dropped"),
            (lost, 0) => tracing::info!(lost, "the queue of traces has room again"),
            _ => {}
        }
        self.n_lost = if n_lost == 0 { 0 } else { self.n_lost.saturating_add(n_lost) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Name, TraceId};
    use std::io::{Read, Write};

    /// Takes one request that ends with `spans`, and answers with that status.
    fn collector(status: &'static str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut part = [0; 1024];
            while !request.ends_with(b"spans") {
                let n = peer.read(&mut part).unwrap();
                assert_ne!(n, 0, "the request was cut off");
                request.extend_from_slice(&part[..n]);
            }
            let head = "Location: http://127.0.0.1:9/\r\nContent-Length: 0\r\nConnection: close";
            write!(peer, "HTTP/1.1 {status}\r\n{head}\r\n\r\n").unwrap();
        });
        url
    }

    #[tokio::test]
    async fn only_success_means_that_spans_were_taken() {
        // As the program does at its start; a second call changes nothing.
        let _already_chosen = rustls::crypto::ring::default_provider().install_default();
        let client = client().unwrap();
        let mut outage = Outage::default();
        let mut lost = Vec::new();
        for status in ["200 OK", "302 Found", "503 Service Unavailable", "202 Accepted"] {
            let sent = send(&client, &collector(status), b"spans".to_vec()).await;
            let said = sent.clone().err().unwrap_or_default();
            outage.note(5, sent);
            lost.push((said, outage.n_lost));
        }
        let found = |text: &str, n_lost: usize| (text.to_owned(), n_lost);
        let refused = found("it answered 302 Found", 5);
        assert_eq!(lost, [found("", 0), refused, found("it answered 503 Service Unavailable", 10), found("", 0)]);
    }

    #[test]
    fn lost_spans_are_counted_and_a_closed_queue_loses_none() {
        let (sender, receiver) = mpsc::channel(1);
        let n_overflowed = Arc::new(AtomicU64::new(0));
        let spans = Spans(Some(Queue { sender, n_overflowed: n_overflowed.clone() }));
        let add = || {
            let trace = TraceId::of_study("01abc", 1);
            let at = hilum_types::Timestamp::from_micros(0);
            spans.add(Span {
                trace,
                id: trace.span(Name::Study, ""),
                parent: None,
                name: Name::Study,
                begun_at: at,
                ended_at: at,
                failed: false,
                attributes: Vec::new(),
            });
        };
        let mut overflow = Overflow::default();
        let mut told = || {
            overflow.note(n_overflowed.swap(0, Ordering::Relaxed));
            overflow.n_lost
        };
        (0..3).for_each(|_| add());
        assert_eq!(told(), 2);
        add();
        assert_eq!((told(), told()), (3, 0), "and a later overflow is told anew");
        drop(receiver);
        add();
        assert_eq!(told(), 0);
    }
}
