//! Core: what was observed and labelled, to figures, signals, and stop rules that fire.
//!
//! Three kinds of fact come in, each stored for ever: an [`Observation`] for every study revision that ended for a
//! deployment, a [`Label`] whenever somebody or something said what is true of it, and the time. What goes out is a
//! [`Figure`], never a bare rate, and a [`Signal`] when something left what was accepted (ADR 0010).

pub mod alarm;
pub mod assessment;
pub mod audit_sample;
pub mod embedding;
pub mod envelope;
mod error;
mod figure;
pub mod figures;
pub mod fold;
pub mod group;
pub mod image;
mod label;
pub mod label_free;
pub mod notice;
mod observation;
pub mod rehearsal;
pub mod report;
pub mod root_cause;
mod signal;
pub mod sketch;
pub mod timeline;
pub mod together;

pub use assessment::LabelError;
pub use error::MonitorError;
pub use figure::Figure;
pub use fold::{Cell, CellKey, Fact, Labelled, Monitor};
pub use label::{Agreement, Label, LabelSource, Truth};
pub use observation::{Observation, OutputFact, output_facts};
pub use signal::{Severity, Signal};
