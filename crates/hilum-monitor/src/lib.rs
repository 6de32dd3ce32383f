//! Core: what was observed and labelled, to figures, signals, and stop rules that fire.
//!
//! Three kinds of fact come in, each stored for ever: an [`Observation`] for every study revision that ended for a
//! deployment, a [`Label`] whenever somebody or something said what is true of it, and the time. What goes out is a
//! [`Figure`], never a bare rate, and a [`Signal`] when something left what was accepted (ADR 0010).

mod figure;
mod label;
mod observation;
mod signal;

pub use figure::Figure;
pub use label::{Agreement, Label, LabelSource, Truth};
pub use observation::{Observation, OutputFact};
pub use signal::{Severity, Signal};
