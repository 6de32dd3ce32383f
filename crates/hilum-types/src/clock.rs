use crate::Timestamp;

/// Where the time comes from. Core code is handed `now`; edges are handed a clock, so that tests can set it.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}
