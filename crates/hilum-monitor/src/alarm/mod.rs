//! Alarms that a person can work with (MV-31, UX-13): what an alarm code asks for, when signals are one alarm, what is too
//! many, and what happens when nobody answers. Decisions only; the catalog keeps the state, so that no timer is lost.

mod books;
mod cause;
mod code;
mod incident;

pub use books::{BooksCheck, days_to_check, gap_text};
pub use cause::CauseCode;
pub use code::{CodeFacts, KNOWN_CODES, code_facts, signal_code};
pub use incident::{Escalation, HOUR_SECONDS, IncidentFacts, Intake, Told, escalate, take_in};
