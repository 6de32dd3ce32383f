//! Caps: how many associations there are, in all and of each calling AE title.

use hilum_types::AeTitle;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone)]
pub(super) struct Slots {
    taken: Arc<Mutex<Taken>>,
    total_max: usize,
    per_peer_max: usize,
}

#[derive(Default)]
struct Taken {
    total: usize,
    of_peer: HashMap<AeTitle, usize>,
}

/// One association's place, given back when dropped.
pub(super) struct Slot {
    taken: Arc<Mutex<Taken>>,
    peer: AeTitle,
}

impl Slots {
    pub(super) fn new(total_max: usize, per_peer_max: usize) -> Slots {
        Slots { taken: Arc::default(), total_max, per_peer_max }
    }

    /// A place for an association of this peer, or `None` when a cap is reached.
    pub(super) fn take(&self, peer: &AeTitle) -> Option<Slot> {
        // Counts stay true even if a holder of the lock panicked: every change is a single step.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.of_peer.get(peer).copied().unwrap_or(0);
        if self.total_max <= taken.total || self.per_peer_max <= of_peer {
            return None;
        }
        taken.total += 1;
        taken.of_peer.insert(peer.clone(), of_peer + 1);
        Some(Slot { taken: self.taken.clone(), peer: peer.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total = taken.total.saturating_sub(1);
        match taken.of_peer.get_mut(&self.peer) {
            Some(count) if 1 < *count => *count -= 1,
            _ => {
                taken.of_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_hold_in_all_and_per_peer_and_places_come_back() {
        let (a, b): (AeTitle, AeTitle) = ("A".parse().unwrap(), "B".parse().unwrap());
        let slots = Slots::new(3, 2);
        let first = slots.take(&a).unwrap();
        let _second = slots.take(&a).unwrap();
        assert!(slots.take(&a).is_none(), "a third association of A exceeds its own cap");
        let _third = slots.take(&b).unwrap();
        assert!(slots.take(&b).is_none(), "a fourth association exceeds the cap of all");
        drop(first);
        assert!(slots.take(&a).is_some());
        assert_eq!(slots.taken.lock().unwrap().of_peer.len(), 2, "peers without associations are forgotten");
    }
}
