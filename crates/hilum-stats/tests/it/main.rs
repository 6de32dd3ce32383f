//! The statistics against published numbers, reference vectors, other people's programs, and their own laws.

mod alarms;
mod coverage;
mod hostile;
mod imperfect_labels;
mod label_free;
mod oracle;
mod outlier;
mod peers;
mod proc;
mod properties;
mod published;
mod sequential;
mod support;
mod vectors;
