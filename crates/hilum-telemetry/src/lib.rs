//! Edge: traces to an OpenTelemetry collector (OTLP over HTTP, protobuf), without patient data, and never in the way.
//!
//! [`Spans`] takes what happened and returns at once: a collector that is slow or down costs spans, never a study. What a
//! span may say is a closed set of types, so that no name, number or UID of a patient can be put into one. The spans of
//! one study revision share a trace whose id follows from the study, so that it survives the queue without a column.

mod export;
mod proto;
mod span;

pub use export::{Exporter, TelemetryOptions, start};
pub use span::{Attribute, Name, Span, SpanId, TraceId};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Takes spans. Clones share it; the default is off, and then nothing is made, kept or sent.
#[derive(Debug, Clone, Default)]
pub struct Spans(Option<Queue>);

#[derive(Debug, Clone)]
struct Queue {
    sender: mpsc::Sender<Span>,
    /// Spans that found the queue full since the task last asked.
    n_overflowed: Arc<AtomicU64>,
}

impl Spans {
    /// Whether anybody wants spans; what only they need is read only then.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Take a span. It never waits: when the queue is full, the span is dropped and counted.
    pub fn add(&self, span: Span) {
        let Some(queue) = &self.0 else { return };
        // A closed queue is no fault of the collector: nothing is sent any more.
        if let Err(TrySendError::Full(_)) = queue.sender.try_send(span) {
            queue.n_overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
