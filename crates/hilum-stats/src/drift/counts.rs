use crate::StatsError;
use serde::{Deserialize, Serialize};

/// What a stream counted into the cells of one [`ReferenceBins`](super::ReferenceBins): about 1 KiB, whatever the number of cases.
///
/// Counts of the same bins merge exactly and in any order, so any window, site or scanner is a sum of such counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellCounts {
    /// Of which bins.
    pub(super) layout: u64,
    /// Cases of each cell, in the order of the bins.
    pub(super) cells: Vec<u32>,
    /// Cases below all the reference has; they are in the first cell as well.
    pub(super) below: u32,
    /// Cases above all the reference has; they are in the last cell as well.
    pub(super) above: u32,
    /// Categories that the reference does not have; in no cell.
    pub(super) new_category: u32,
    /// Cases without a value.
    pub(super) missing: u32,
    /// Cases with a value that is none, such as NaN, infinity or text for a number.
    pub(super) invalid: u32,
}

const WHAT: &str = "count of a stream";

fn one_more(count: &mut u32, more: u32) -> Result<(), StatsError> {
    let why = "a cell would hold more than 4,294,967,295 cases; begin a new window";
    *count = count.checked_add(more).ok_or(StatsError::Undefined { what: WHAT, why })?;
    Ok(())
}

impl CellCounts {
    pub(super) fn empty(layout: u64, n_cells: usize) -> CellCounts {
        let (below, above, new_category, missing, invalid) = (0, 0, 0, 0, 0);
        CellCounts { layout, cells: vec![0; n_cells], below, above, new_category, missing, invalid }
    }

    pub(super) fn add_cell(&mut self, cell: usize) -> Result<(), StatsError> {
        match self.cells.get_mut(cell) {
            Some(count) => one_more(count, 1),
            None => Err(StatsError::Undefined { what: WHAT, why: "the counts belong to other bins" }),
        }
    }

    pub(super) fn add_below(&mut self) -> Result<(), StatsError> {
        one_more(&mut self.below, 1)
    }

    pub(super) fn add_above(&mut self) -> Result<(), StatsError> {
        one_more(&mut self.above, 1)
    }

    pub(super) fn add_new_category(&mut self) -> Result<(), StatsError> {
        one_more(&mut self.new_category, 1)
    }

    /// One more case without a value.
    ///
    /// # Errors
    /// `Undefined` when the count is full.
    pub fn add_missing(&mut self) -> Result<(), StatsError> {
        one_more(&mut self.missing, 1)
    }

    /// One more case whose value is none.
    ///
    /// # Errors
    /// `Undefined` when the count is full.
    pub fn add_invalid(&mut self) -> Result<(), StatsError> {
        one_more(&mut self.invalid, 1)
    }

    /// Adds what another stream counted into the same bins.
    ///
    /// # Errors
    /// `Undefined` when the other counts belong to other bins, or a count is full; then nothing is added.
    pub fn merge(&mut self, other: &CellCounts) -> Result<(), StatsError> {
        if self.layout != other.layout || self.cells.len() != other.cells.len() {
            return Err(StatsError::Undefined { what: WHAT, why: "the counts belong to other bins" });
        }
        let mut merged = self.clone();
        for (count, more) in merged.cells.iter_mut().zip(&other.cells) {
            one_more(count, *more)?;
        }
        for (count, more) in [
            (&mut merged.below, other.below),
            (&mut merged.above, other.above),
            (&mut merged.new_category, other.new_category),
            (&mut merged.missing, other.missing),
            (&mut merged.invalid, other.invalid),
        ] {
            one_more(count, more)?;
        }
        *self = merged;
        Ok(())
    }

    /// Cases in the cells: those that have a value the reference knows.
    pub fn n(&self) -> u64 {
        self.cells.iter().map(|&count| u64::from(count)).sum()
    }

    /// All cases: with new categories, missing and invalid ones.
    pub fn n_all(&self) -> u64 {
        self.n() + u64::from(self.new_category) + u64::from(self.missing) + u64::from(self.invalid)
    }

    /// Cases of each cell, in the order of the bins.
    pub fn cells(&self) -> &[u32] {
        &self.cells
    }

    /// Cases below all the reference has; they are in the first cell as well.
    pub fn below(&self) -> u64 {
        u64::from(self.below)
    }

    /// Cases above all the reference has; they are in the last cell as well.
    pub fn above(&self) -> u64 {
        u64::from(self.above)
    }

    /// Cases of categories that the reference does not have.
    pub fn new_category(&self) -> u64 {
        u64::from(self.new_category)
    }

    /// Cases without a value.
    pub fn missing(&self) -> u64 {
        u64::from(self.missing)
    }

    /// Cases whose value is none.
    pub fn invalid(&self) -> u64 {
        u64::from(self.invalid)
    }
}
