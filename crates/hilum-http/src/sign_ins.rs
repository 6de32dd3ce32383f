//! How often somebody may try a password: one try at a time, and few wrong ones.

use hilum_types::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Wrong passwords of everybody together within [`WINDOW_SECONDS`]. A person mistypes a few times; a program that
/// guesses gets about 2000 tries a day against passwords of 8 characters or more.
const FAILED_MAX: usize = 20;
const WINDOW_SECONDS: i64 = 900;

/// Sign-ins of this process. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct SignIns {
    one_at_a_time: Arc<Semaphore>,
    failed: Arc<Mutex<VecDeque<Timestamp>>>,
}

impl Default for SignIns {
    fn default() -> Self {
        SignIns { one_at_a_time: Arc::new(Semaphore::new(1)), failed: Arc::default() }
    }
}

impl SignIns {
    /// Wait for one's turn; held until dropped. `Err` when too many were refused lately.
    pub(crate) async fn turn(&self, now: Timestamp) -> Result<OwnedSemaphorePermit, ()> {
        let turn = self.one_at_a_time.clone().acquire_owned().await.map_err(|_closed| ())?;
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        while failed.front().is_some_and(|at| WINDOW_SECONDS * 1_000_000 <= now.micros_since(*at)) {
            failed.pop_front();
        }
        if FAILED_MAX <= failed.len() { Err(()) } else { Ok(turn) }
    }

    /// A sign-in was refused.
    pub(crate) fn failed(&self, now: Timestamp) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn after_twenty_wrong_ones_there_is_a_pause() {
        let (sign_ins, at) = (SignIns::default(), |seconds| Timestamp::from_micros(0).plus_seconds(seconds));
        for second in 0..20 {
            assert!(sign_ins.turn(at(second)).await.is_ok(), "{second}");
            sign_ins.failed(at(second));
        }
        assert!(sign_ins.turn(at(20)).await.is_err());
        assert!(sign_ins.turn(at(899)).await.is_err());
        assert!(sign_ins.turn(at(900)).await.is_ok());
    }
}
