//! A store handler that keeps what it is given and answers as it is told.

use bytes::Bytes;
use hilum_dimse::{
    InstanceSink, Outcome, Rejection, Server, ServerConfig, ServerHandle, Status, StoreContext, StoreHandler,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Longest wait of any test for something that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Script {
    /// Refuses the instance before its data set.
    pub(crate) begin: Option<Outcome>,
    /// Refuses it once so many bytes have come.
    pub(crate) write: Option<(usize, Outcome)>,
    /// The answer to a complete data set.
    pub(crate) finish: Outcome,
    /// Permits that `finish` waits for.
    pub(crate) gate: Option<Arc<Semaphore>>,
    /// Refuses associations.
    pub(crate) admit: Option<Rejection>,
}

impl Default for Script {
    fn default() -> Script {
        Script { begin: None, write: None, finish: Status::SUCCESS.into(), gate: None, admit: None }
    }
}

type Stored = Vec<(StoreContext, Vec<u8>)>;

#[derive(Clone, Default)]
pub(crate) struct Recorder {
    script: Script,
    stored: Arc<Mutex<Stored>>,
    begun: Arc<AtomicUsize>,
    unfinished: Arc<AtomicUsize>,
}

pub(crate) struct Sink {
    recorder: Recorder,
    context: StoreContext,
    data: Vec<u8>,
    finished: bool,
}

impl Recorder {
    pub(crate) fn scripted(script: Script) -> Recorder {
        Recorder { script, ..Recorder::default() }
    }

    pub(crate) fn stored(&self) -> Stored {
        self.stored.lock().unwrap().clone()
    }

    /// Sinks that were dropped without `finish`.
    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished.load(Ordering::SeqCst)
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl StoreHandler for Recorder {
    type Sink = Sink;

    async fn begin(&self, context: &StoreContext) -> Result<Sink, Outcome> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        match &self.script.begin {
            Some(outcome) => Err(outcome.clone()),
            None => {
                let (recorder, context) = (self.clone(), context.clone());
                Ok(Sink { recorder, context, data: Vec::new(), finished: false })
            }
        }
    }

    fn admit(&self, _request: &hilum_dimse::AssociationRequest) -> Result<(), Rejection> {
        self.script.admit.map_or(Ok(()), Err)
    }
}

impl InstanceSink for Sink {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Outcome> {
        self.data.extend_from_slice(&chunk);
        match &self.recorder.script.write {
            Some((after, outcome)) if *after <= self.data.len() => Err(outcome.clone()),
            _ => Ok(()),
        }
    }

    async fn finish(mut self) -> Outcome {
        if let Some(gate) = &self.recorder.script.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.finished = true;
        let data = std::mem::take(&mut self.data);
        self.recorder.stored.lock().unwrap().push((self.context.clone(), data));
        self.recorder.script.finish.clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.finished {
            self.recorder.unfinished.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Called HILUM, any peer, loopback, port chosen by the system, impatient only about closing.
pub(crate) fn config() -> ServerConfig {
    let mut config = ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "HILUM".parse().unwrap());
    config.accept_any_peer = true;
    config.timers.close = Duration::from_millis(200);
    config
}

pub(crate) async fn start(recorder: &Recorder) -> ServerHandle {
    Server::bind(config(), recorder.clone()).await.unwrap()
}

/// Waits until a condition on shared state holds; there is no event to wait for in a counter.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen in {SOON:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
