use hilum_types::Timestamp;

/// When a failed delivery is tried again, and when a person has to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Wait after the first failure.
    pub seconds_first: u32,
    /// Longest wait.
    pub seconds_max: u32,
    /// Attempts before the dead-letter list.
    pub attempts_max: u32,
}

impl RetryPolicy {
    /// When to try again after `attempts` failures (from 1); `None`: never.
    ///
    /// The wait doubles each time. `spread` in 0 to 1 takes off up to a fifth, so that what failed together does not
    /// come back together.
    pub fn next(&self, attempts: u32, spread: f64, now: Timestamp) -> Option<Timestamp> {
        if self.attempts_max <= attempts {
            return None;
        }
        let doubled = f64::from(self.seconds_first) * 2f64.powi(attempts.saturating_sub(1).min(30) as i32);
        let wait = doubled.min(f64::from(self.seconds_max)) * (1.0 - 0.2 * spread.clamp(0.0, 1.0));
        Some(now.plus_micros((wait * 1e6) as i64))
    }

    /// When to look again after `attempts` failures (from 1), however many there were.
    pub fn pause(&self, attempts: u32, now: Timestamp) -> Timestamp {
        let patient = RetryPolicy { attempts_max: u32::MAX, ..*self };
        patient.next(attempts.min(31), 0.0, now).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy { seconds_first: 5, seconds_max: 60, attempts_max: 7 };
        let now = Timestamp::from_micros(0);
        let waits: Vec<Option<i64>> =
            (1..=7).map(|n| policy.next(n, 0.0, now).map(|due| due.micros() / 1_000_000)).collect();
        assert_eq!(waits, [Some(5), Some(10), Some(20), Some(40), Some(60), Some(60), None]);
        assert_eq!(policy.next(1, 1.0, now).unwrap().micros(), 4_000_000);
    }
}
