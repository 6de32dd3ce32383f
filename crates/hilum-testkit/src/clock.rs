//! A clock that stands still until a test moves it.

use hilum_types::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

/// [`Clock`] under the control of a test; clones made through an `Arc` share the time.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> FakeClock {
        FakeClock(AtomicI64::new(now.micros()))
    }

    /// Show another time; it may lie in the past, as after a correction of a real clock.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::SeqCst);
    }

    /// Move by `seconds` and give the new time.
    pub fn advance(&self, seconds: i64) -> Timestamp {
        let moved = self.now().plus_seconds(seconds);
        self.set(moved);
        moved
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_only_when_told() {
        let start: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let clock = FakeClock::at(start);
        assert_eq!(clock.now(), start);
        assert_eq!(clock.advance(90), start.plus_seconds(90));
        clock.set(start);
        assert_eq!(clock.now(), start);
    }
}
