//! The interface against a real SQLite catalog, filled through its own public acts.

mod acts;
mod alarms;
mod audit_sample;
mod contract;
mod house;
mod journey;
mod label_free;
mod labels;
mod monitoring;
mod object;
mod people;
mod privacy;
mod record;
mod records;
mod security;
mod story;
mod stow;
mod together;
