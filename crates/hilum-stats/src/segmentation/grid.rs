use crate::check;
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

/// Largest spacing that is taken for one, in mm: a metre. Beyond it somebody mixed up units.
const SPACING_MM_MAX: f64 = 1000.0;

/// The voxels that two masks share: how many along each axis, and how far apart their centres are.
///
/// Masks are slices in row-major order, the last axis running fastest: `[rows, columns]` or `[slices, rows, columns]`.
/// Spacing is in the same order and has no default, because a distance in voxels is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    pub(super) shape: [usize; 3],
    pub(super) spacing_mm: [f64; 3],
    /// The first axis that exists: 1 for a plane, 0 for a volume.
    pub(super) first_axis: usize,
}

impl Grid {
    /// A plane of `[rows, columns]`. Its spacing is that of `[rows, columns]`, as DICOM's Pixel Spacing (0028,0030) has it:
    /// first the distance between rows.
    ///
    /// # Errors
    /// As [`volume`](Self::volume).
    pub fn plane(shape: [usize; 2], spacing_mm: [f64; 2]) -> Result<Grid, StatsError> {
        let grid = Grid::volume([1, shape[0], shape[1]], [1.0, spacing_mm[0], spacing_mm[1]])?;
        Ok(Grid { first_axis: 1, ..grid })
    }

    /// A volume of `[slices, rows, columns]`; the first spacing is the distance of slice centres, not slice thickness.
    ///
    /// # Errors
    /// `OutOfRange` for a spacing outside (0, 1000] mm, an axis without voxels, or more than 4,294,967,295 voxels.
    ///
    /// # Examples
    /// ```
    /// use hilum_stats::Grid;
    /// assert!(Grid::volume([30, 512, 512], [5.0, 0.7, 0.7]).is_ok());
    /// assert!(Grid::volume([30, 512, 512], [5.0, 0.7, 0.0]).is_err());
    /// ```
    pub fn volume(shape: [usize; 3], spacing_mm: [f64; 3]) -> Result<Grid, StatsError> {
        let what = "voxel grid";
        for (index, spacing) in spacing_mm.into_iter().enumerate() {
            if !(0.0 < spacing && spacing <= SPACING_MM_MAX) {
                let value = format!("spacing {spacing}");
                return Err(StatsError::OutOfRange { what, index, value, range: "(0, 1000] mm" });
            }
        }
        let n_voxels = shape.iter().try_fold(1_usize, |n, &length| n.checked_mul(length));
        match n_voxels.map(u32::try_from) {
            Some(Ok(n)) if 0 < n => Ok(Grid { shape, spacing_mm, first_axis: 0 }),
            _ => {
                let value = format!("shape {shape:?}");
                Err(StatsError::OutOfRange { what, index: 0, value, range: "1 to 4,294,967,295 voxels" })
            }
        }
    }

    /// Number of voxels: the length of each mask.
    pub fn n_voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// Length of the diagonal between the outermost voxel centres, in mm: the largest distance that can occur.
    pub fn diagonal_mm(&self) -> f64 {
        let squares = (0..3).map(|axis| ((self.shape[axis] - 1) as f64 * self.spacing_mm[axis]).powi(2));
        squares.sum::<f64>().sqrt()
    }

    pub(super) fn check(&self, what: &'static str, mask: &[bool]) -> Result<(), StatsError> {
        check::same_length(what, self.n_voxels(), mask.len())
    }
}

/// What an empty mask means; tools disagree silently, so it has to be said.
///
/// In every case the overlap measures and the normalised surface Dice of one empty and one filled mask are 0: a missed
/// structure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyMasks {
    /// Both empty: no measure has a value (`Undefined`), and neither has a distance where one is (MONAI; Metrics Reloaded
    /// since April 2026).
    Undefined,
    /// Both empty is complete agreement: Dice, IoU and NSD are 1, distances 0 (Metrics Reloaded before). A distance where
    /// only one is empty has no value.
    Agree,
    /// As `Agree`, and a distance where only one is empty is the [diagonal](Grid::diagonal_mm) of the grid, so that a missed
    /// structure is the worst case instead of being left out of the mean.
    AgreeOrDiagonal,
}

impl EmptyMasks {
    /// Value of a measure where both masks are empty.
    pub(super) fn both_empty(self, what: &'static str, agreement: f64) -> Result<f64, StatsError> {
        match self {
            EmptyMasks::Undefined => Err(StatsError::Undefined { what, why: "both masks are empty" }),
            EmptyMasks::Agree | EmptyMasks::AgreeOrDiagonal => Ok(agreement),
        }
    }

    /// Value of a distance where one mask is empty.
    pub(super) fn one_empty(self, what: &'static str, diagonal_mm: f64) -> Result<f64, StatsError> {
        match self {
            EmptyMasks::Undefined | EmptyMasks::Agree => {
                Err(StatsError::Undefined { what, why: "one of the two masks is empty" })
            }
            EmptyMasks::AgreeOrDiagonal => Ok(diagonal_mm),
        }
    }
}
