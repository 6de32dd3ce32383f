use super::grid::EmptyMasks;
use crate::check;
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

/// Voxels by reference and prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Overlap {
    /// In both masks.
    pub both: u64,
    /// In the reference only: missed.
    pub reference_only: u64,
    /// In the prediction only: too much.
    pub predicted_only: u64,
}

impl Overlap {
    /// Counts voxels of two masks on one grid.
    ///
    /// # Errors
    /// `LengthMismatch`; `TooFew` without voxels.
    pub fn of(reference: &[bool], predicted: &[bool]) -> Result<Overlap, StatsError> {
        let what = "overlap";
        check::same_length(what, reference.len(), predicted.len())?;
        check::at_least(what, "voxels", 1, reference.len() as u64)?;
        let mut counts = [0_u64; 4];
        for (&r, &p) in reference.iter().zip(predicted) {
            counts[usize::from(r) + 2 * usize::from(p)] += 1;
        }
        Ok(Overlap { both: counts[3], reference_only: counts[1], predicted_only: counts[2] })
    }

    /// Dice coefficient, twice the shared voxels over those of both masks (Dice, Ecology 26 (1945) 297-302); in [0, 1].
    ///
    /// # Errors
    /// `Undefined` when both masks are empty and `empty` says so.
    pub fn dice(&self, empty: EmptyMasks) -> Result<f64, StatsError> {
        let (shared, total) = (2 * self.both, 2 * self.both + self.reference_only + self.predicted_only);
        if total == 0 { empty.both_empty("Dice", 1.0) } else { Ok(shared as f64 / total as f64) }
    }

    /// Intersection over union, shared voxels over those of either mask (Jaccard); in [0, 1], `dice / (2 - dice)`.
    ///
    /// # Errors
    /// As [`dice`](Self::dice).
    pub fn iou(&self, empty: EmptyMasks) -> Result<f64, StatsError> {
        let total = self.both + self.reference_only + self.predicted_only;
        if total == 0 { empty.both_empty("IoU", 1.0) } else { Ok(self.both as f64 / total as f64) }
    }
}

/// Dice coefficient of two masks on one grid; see [`Overlap::dice`].
///
/// # Errors
/// `LengthMismatch`; `TooFew` without voxels; `Undefined` when both masks are empty and `empty` says so.
///
/// # Examples
/// ```
/// use hilum_stats::{EmptyMasks, dice};
/// let value = dice(&[true, true, false], &[true, false, false], EmptyMasks::Undefined).unwrap();
/// assert!((value - 2.0 / 3.0).abs() < 1e-15);
/// ```
pub fn dice(reference: &[bool], predicted: &[bool], empty: EmptyMasks) -> Result<f64, StatsError> {
    Overlap::of(reference, predicted)?.dice(empty)
}

/// Intersection over union of two masks on one grid; see [`Overlap::iou`].
///
/// # Errors
/// As [`dice`].
pub fn iou(reference: &[bool], predicted: &[bool], empty: EmptyMasks) -> Result<f64, StatsError> {
    Overlap::of(reference, predicted)?.iou(empty)
}
