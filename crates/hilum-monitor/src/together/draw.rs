use crate::Observation;
use hilum_types::Digest;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Studies of one side that are compared at most: pairs of studies are what a comparison takes time for.
pub const DRAWN_MAX: usize = 2_000;

/// The measured studies of one side, of which at most [`DRAWN_MAX`] are drawn by lot and kept, whatever comes.
///
/// A keyed hash of the study's key is its lot (key: the digest of the seed), and the lowest lots are drawn. So the
/// order in which studies come does not matter, who knows the seed can check the draw, and a study keeps its lot over
/// its revisions, of which the latest measured one counts.
#[derive(Debug, Clone)]
pub struct StudyDraw {
    key: Digest,
    n_max: usize,
    lots: BTreeSet<Digest>,
    drawn: BTreeMap<Digest, Observation>,
}

impl StudyDraw {
    /// None yet.
    pub fn new(seed: u64) -> StudyDraw {
        StudyDraw::of_at_most(DRAWN_MAX, seed)
    }

    pub(super) fn of_at_most(n_max: usize, seed: u64) -> StudyDraw {
        let key = Digest::of(&seed.to_be_bytes());
        StudyDraw { key, n_max, lots: BTreeSet::new(), drawn: BTreeMap::new() }
    }

    /// Take a study revision into the draw, unless nothing was measured of it.
    pub fn take(&mut self, observation: Observation) {
        if observation.features.is_empty() && observation.outputs.is_empty() {
            return;
        }
        let lot = Digest::keyed(self.key.as_bytes(), observation.study_key.as_bytes());
        self.lots.insert(lot);
        match self.drawn.entry(lot) {
            Entry::Occupied(mut kept) if kept.get().revision <= observation.revision => {
                kept.insert(observation);
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(free) => {
                free.insert(observation);
            }
        }
        if self.n_max < self.drawn.len() {
            self.drawn.pop_last();
        }
    }

    /// Measured studies that there were.
    pub fn n_studies(&self) -> u64 {
        self.lots.len() as u64
    }

    /// Those drawn, in the order of their lots.
    pub fn into_drawn(self) -> Vec<Observation> {
        self.drawn.into_values().collect()
    }
}
