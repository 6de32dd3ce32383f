use std::sync::atomic::{AtomicU64, Ordering};

/// A count that only grows, or a gauge.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }
}

/// Counts since the start of the server, for the metrics page.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// TCP connections accepted.
    pub connections_accepted: Count,
    /// TCP connections closed at once because too many were open.
    pub connections_dropped: Count,
    /// Gauge: associations established now.
    pub associations_open: Count,
    /// Associations accepted.
    pub associations_accepted: Count,
    /// Associations rejected because of who calls or who is called.
    pub associations_rejected_unknown: Count,
    /// Associations rejected because a cap was reached, the handler refused or the server shuts down.
    pub associations_rejected_busy: Count,
    /// Associations rejected for any other reason.
    pub associations_rejected_other: Count,
    /// Associations that ended by release.
    pub associations_released: Count,
    /// Associations that ended by the peer's abort or by a closed connection.
    pub associations_lost: Count,
    /// Associations aborted by us, whatever the reason.
    pub associations_aborted: Count,
    /// Connections ended because the peer was silent or too slow.
    pub timeouts: Count,
    /// C-ECHO requests answered.
    pub echoes: Count,
    /// C-STORE requests answered with success or a warning.
    pub instances_stored: Count,
    /// C-STORE requests answered with a failure.
    pub instances_refused: Count,
    /// Bytes of data sets received.
    pub data_set_bytes: Count,
}

/// All counts at one moment, by name.
pub type StatsSnapshot = [(&'static str, u64); 15];

impl ServerStats {
    /// All counts with their names, which end up in metric names.
    pub fn snapshot(&self) -> StatsSnapshot {
        [
            ("connections_accepted", self.connections_accepted.get()),
            ("connections_dropped", self.connections_dropped.get()),
            ("associations_open", self.associations_open.get()),
            ("associations_accepted", self.associations_accepted.get()),
            ("associations_rejected_unknown", self.associations_rejected_unknown.get()),
            ("associations_rejected_busy", self.associations_rejected_busy.get()),
            ("associations_rejected_other", self.associations_rejected_other.get()),
            ("associations_released", self.associations_released.get()),
            ("associations_lost", self.associations_lost.get()),
            ("associations_aborted", self.associations_aborted.get()),
            ("timeouts", self.timeouts.get()),
            ("echoes", self.echoes.get()),
            ("instances_stored", self.instances_stored.get()),
            ("instances_refused", self.instances_refused.get()),
            ("data_set_bytes", self.data_set_bytes.get()),
        ]
    }
}
