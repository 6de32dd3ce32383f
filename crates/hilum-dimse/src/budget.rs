//! Time a peer may take for one unit of work: an association request, or a message from its first byte to its last.

use std::time::Duration;

/// Time allowed for a unit: a grace, and more for every byte that arrives, at the least rate a peer must keep.
///
/// Only time spent waiting for the peer counts, so that our own slowness (a full disk queue) never costs the peer its
/// association; and a peer that sends one byte per second, or one tiny PDU per minute, runs dry all the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadBudget {
    grace: Duration,
    bytes_per_second_min: u64,
    waited: Duration,
    received: u64,
}

impl ReadBudget {
    /// `bytes_per_second_min` of 0 means that bytes earn no time: the grace is all there is.
    pub(crate) fn new(grace: Duration, bytes_per_second_min: u64) -> ReadBudget {
        ReadBudget { grace, bytes_per_second_min, waited: Duration::ZERO, received: 0 }
    }

    /// The time that the next read may take.
    pub(crate) fn remaining(&self) -> Duration {
        let earned = match self.bytes_per_second_min {
            0 => Duration::ZERO,
            rate => Duration::from_micros(self.received.saturating_mul(1_000_000) / rate),
        };
        self.grace.saturating_add(earned).saturating_sub(self.waited)
    }

    /// Counts a read that took `waited` and brought `bytes`.
    pub(crate) fn spend(&mut self, waited: Duration, bytes: usize) {
        self.waited = self.waited.saturating_add(waited);
        self.received = self.received.saturating_add(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_per_second_runs_dry_after_the_grace() {
        let mut budget = ReadBudget::new(Duration::from_secs(30), 1024);
        let mut seconds = 0;
        while Duration::from_secs(1) <= budget.remaining() {
            budget.spend(Duration::from_secs(1), 1);
            seconds += 1;
        }
        assert_eq!(seconds, 30);
    }

    #[test]
    fn a_steady_slow_link_is_served_to_the_end() {
        let mut budget = ReadBudget::new(Duration::from_secs(30), 1024);
        for _ in 0..100_000 {
            assert!(Duration::from_secs(1) < budget.remaining());
            budget.spend(Duration::from_secs(1), 2048);
        }
    }

    #[test]
    fn without_a_rate_bytes_earn_nothing() {
        let mut budget = ReadBudget::new(Duration::from_secs(10), 0);
        budget.spend(Duration::from_secs(4), 1 << 30);
        assert_eq!(budget.remaining(), Duration::from_secs(6));
        budget.spend(Duration::from_secs(7), 0);
        assert_eq!(budget.remaining(), Duration::ZERO);
    }
}
