//! What dashboards read instead of observations and labels: sketches and counts, kept by the acts that enter them.

use crate::StoreError;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hilum_monitor::figures::Counts;
use hilum_monitor::sketch::{Level, Part, Sketch};
use hilum_types::{Digest, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Which sketches to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SketchFilter {
    /// Of this deployment.
    pub deployment: String,
    /// Of this version.
    pub package: Digest,
    /// Of this stretch.
    pub part: Part,
    /// Of all groups together, or of groups.
    pub of: SketchGroups,
}

/// Sketches of which groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SketchGroups {
    /// All studies. Hours are kept by group alone, and are given so.
    All,
    /// These groups, each for itself.
    Listed(Vec<String>),
}

/// A sketch as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSketch {
    /// How much time it is of.
    pub level: Level,
    /// Its begin.
    pub start: Timestamp,
    /// Acquisition group; empty: all of them, `-`: not stated.
    pub group: String,
    /// Studies in it.
    pub n: u64,
    pub(crate) cell: String,
}

impl StoredSketch {
    /// Add it to a sketch, of its numbers only those `wanted`.
    ///
    /// # Errors
    /// [`StoreError::DamagedRow`].
    pub fn merge_into(&self, sketch: &mut Sketch, wanted: Option<&BTreeSet<String>>) -> Result<(), StoreError> {
        let damaged = || StoreError::DamagedRow { column: "cell" };
        let bytes = unpack(&self.cell).ok_or_else(damaged)?;
        sketch.merge_encoded(&bytes, wanted).map_err(|_| damaged())
    }
}

/// The text that bytes are kept as: the catalog holds text and integers.
pub(crate) fn pack(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

pub(crate) fn unpack(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

/// Counts of studies and labels since a day, for the whole and by the values of an attribute.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// All of them.
    pub whole: Counts,
    /// By value of the attribute that was asked for.
    pub values: BTreeMap<String, Counts>,
    /// Whether all of it was read.
    pub complete: bool,
}

/// Sketches and counts of observations and labels (monitoring section 6.7), of everything that is entered by now; figures
/// as of a past moment come from the rows.
#[async_trait]
pub trait Tallies: Send + Sync {
    /// Sketches of a stretch, by begin and group; at most `limit`, the earliest.
    async fn sketch_list(&self, filter: &SketchFilter, limit: u32) -> Result<Vec<StoredSketch>, StoreError>;

    /// Acquisition groups of a version with their studies in the months that touch `from` to `until`, the largest first.
    async fn sketch_groups(
        &self,
        deployment: &str,
        package: &Digest,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, u64)>, StoreError>;

    /// The first day of which there are observations of a version.
    async fn sketch_begin(&self, deployment: &str, package: &Digest) -> Result<Option<Timestamp>, StoreError>;

    /// Counts of studies complete on the UTC day of `from` or later. `None`: facts from before there were counts are not
    /// counted yet.
    async fn tally(
        &self,
        deployment: &str,
        package: &Digest,
        from: Timestamp,
        each: Option<&str>,
    ) -> Result<Option<Tally>, StoreError>;

    /// Whether there are facts from before there were counts that are not counted yet.
    async fn tally_left(&self) -> Result<bool, StoreError>;

    /// Count at most `limit` facts from before there were counts; says how many it counted. A worker calls it until
    /// that is none: a migration that did it would hold up the start for as long as it takes.
    async fn tally_due(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;
}
