//! The time of the demo: it runs as any clock does, and is put forward while nobody works.

use hilum_types::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// A clock that runs from a moment of choice. Because it never stands still and never goes back, leases, heartbeats and
/// retries are what they are in a hospital; only nights are short.
pub(crate) struct DemoClock {
    from: Timestamp,
    started: Instant,
    skipped_micros: AtomicI64,
}

impl DemoClock {
    /// A clock that shows `from` now.
    pub(crate) fn starting(from: Timestamp) -> DemoClock {
        DemoClock { from, started: Instant::now(), skipped_micros: AtomicI64::new(0) }
    }

    /// Put it forward by so many seconds.
    pub(crate) fn skip(&self, seconds: i64) {
        self.skipped_micros.fetch_add(seconds.max(0).saturating_mul(1_000_000), Ordering::SeqCst);
    }

    /// Put it forward to `at`, unless it is later already.
    pub(crate) fn forward_to(&self, at: Timestamp) {
        self.skipped_micros.fetch_add(at.micros_since(self.now()).max(0), Ordering::SeqCst);
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        let run = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.from.plus_micros(run).plus_micros(self.skipped_micros.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_put_forward_and_never_back() {
        let from: Timestamp = "2026-09-07T06:00:00Z".parse().unwrap();
        let clock = DemoClock::starting(from);
        assert!(from <= clock.now());
        clock.skip(60);
        assert!(from.plus_seconds(60) <= clock.now());
        clock.forward_to(from);
        clock.forward_to(from.plus_seconds(3600));
        let now = clock.now();
        assert!((3_600_000_000..3_660_000_000).contains(&now.micros_since(from)), "{now}");
    }
}
