//! The interface against a real SQLite catalog, filled through its own public acts.

mod acts;
mod contract;
mod house;
mod journey;
mod object;
mod privacy;
mod records;
mod security;
mod stow;
