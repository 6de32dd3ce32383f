//! The statistics against published numbers, reference vectors, other people's programs, and their own laws.

mod alarms;
#[path = "../../examples/alarm_simulation/chance.rs"]
mod chance;
mod charts;
mod coverage;
mod detectors;
mod drift;
mod hostile;
mod imperfect_labels;
mod label_free;
mod oracle;
mod outlier;
mod peers;
mod proc;
mod properties;
mod published;
mod reference;
mod sequences;
mod support;
mod vectors;
