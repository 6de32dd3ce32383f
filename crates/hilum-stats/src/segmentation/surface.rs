use super::distance::squared_distances;
use super::grid::{EmptyMasks, Grid};
use crate::check;
use crate::error::StatsError;
use crate::resampling::quantile;

/// A distance counts as within a tolerance when it exceeds it by no more than this share: spacings such as 0.1 mm are not
/// binary fractions, and a surface ten voxels away must not be farther than 1 mm by rounding.
const ROUNDING: f64 = 1e-9;

/// Distances between the surfaces of two masks, in mm, from which every surface measure follows.
///
/// The surface of a mask is the set of its voxels that lose a neighbour by erosion: those with a background voxel, or the
/// edge of the grid, across one of their faces (4 neighbours in a plane, 6 in a volume); distances run between voxel centres.
/// This is `binary_erosion` as MONAI and Metrics Reloaded use it.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfaceDistances {
    /// From each surface voxel of the reference to the nearest of the prediction, ascending.
    from_reference_mm: Vec<f64>,
    /// From each surface voxel of the prediction to the nearest of the reference, ascending.
    from_predicted_mm: Vec<f64>,
    diagonal_mm: f64,
    empty: EmptyMasks,
}

/// Measures the distances between the surfaces of two masks on one grid, exactly, in time linear in the voxels of the box
/// that holds both; it takes nine bytes for each of them.
///
/// # Errors
/// `LengthMismatch` unless both masks have the voxels of the grid. Empty masks are no error here: the measures know the
/// policy.
///
/// # Examples
/// ```
/// use hilum_stats::{EmptyMasks, Grid, surface_distances};
/// let grid = Grid::plane([1, 4], [0.5, 0.5]).unwrap();
/// let (reference, predicted) = ([true, false, false, false], [false, false, false, true]);
/// let distances = surface_distances(&grid, &reference, &predicted, EmptyMasks::Undefined).unwrap();
/// assert_eq!(distances.hausdorff_mm().unwrap(), 1.5);
/// assert_eq!((distances.nsd(1.0).unwrap(), distances.nsd(1.5).unwrap()), (0.0, 1.0));
/// ```
pub fn surface_distances(
    grid: &Grid,
    reference: &[bool],
    predicted: &[bool],
    empty: EmptyMasks,
) -> Result<SurfaceDistances, StatsError> {
    let what = "surface distance";
    grid.check(what, reference)?;
    grid.check(what, predicted)?;
    let diagonal_mm = grid.diagonal_mm();
    let Some(bounds) = Bounds::of(grid, reference, predicted) else {
        return Ok(SurfaceDistances { from_reference_mm: vec![], from_predicted_mm: vec![], diagonal_mm, empty });
    };
    let surfaces = [surface(grid, &bounds, reference), surface(grid, &bounds, predicted)];
    let [of_reference, of_predicted] = &surfaces;
    let shape = bounds.shape();
    let distances = |from: &[bool], to: &[bool]| {
        let squares = squared_distances(to, shape, grid.spacing_mm);
        let on_surface = from.iter().zip(&squares).filter(|(from, _)| **from);
        let mut distances: Vec<f64> = on_surface.map(|(_, square)| square.sqrt()).collect();
        distances.sort_unstable_by(f64::total_cmp);
        distances
    };
    let (from_reference_mm, from_predicted_mm) =
        (distances(of_reference, of_predicted), distances(of_predicted, of_reference));
    Ok(SurfaceDistances { from_reference_mm, from_predicted_mm, diagonal_mm, empty })
}

impl SurfaceDistances {
    /// Surface voxels of the reference and of the prediction.
    pub fn n_surface_voxels(&self) -> (usize, usize) {
        (self.from_reference_mm.len(), self.from_predicted_mm.len())
    }

    /// Hausdorff distance (HD), in mm: the largest distance of either direction. One stray voxel decides it; see
    /// [`hausdorff_percentile_mm`](Self::hausdorff_percentile_mm).
    ///
    /// # Errors
    /// `Undefined` where the policy for empty masks gives no value; the same holds for its sisters below.
    pub fn hausdorff_mm(&self) -> Result<f64, StatsError> {
        self.hausdorff_percentile_mm(100.0)
    }

    /// Percentile of the distances of each direction, in mm, the larger of the two; HD95 for 95. The percentile is linear
    /// between order statistics (numpy's default), taken **per direction** and not of both together.
    ///
    /// # Errors
    /// As [`hausdorff_mm`](Self::hausdorff_mm); `OutOfRange` unless `0 < percentile <= 100`.
    pub fn hausdorff_percentile_mm(&self, percentile: f64) -> Result<f64, StatsError> {
        check::number("Hausdorff distance", percentile, "(0, 100]", |p| 0.0 < p && p <= 100.0)?;
        let of_direction = |distances: &[f64]| quantile(distances, percentile / 100.0);
        self.distance("Hausdorff distance", || {
            of_direction(&self.from_reference_mm).max(of_direction(&self.from_predicted_mm))
        })
    }

    /// Average symmetric surface distance (ASSD), in mm: the mean over the surface voxels of both masks together.
    ///
    /// # Errors
    /// As [`hausdorff_mm`](Self::hausdorff_mm).
    pub fn assd_mm(&self) -> Result<f64, StatsError> {
        let both = || self.from_reference_mm.iter().chain(&self.from_predicted_mm);
        self.distance("average surface distance", || both().sum::<f64>() / self.n() as f64)
    }

    /// Mean average surface distance (MASD), in mm: the mean of the two directions' means.
    ///
    /// # Errors
    /// As [`hausdorff_mm`](Self::hausdorff_mm).
    pub fn masd_mm(&self) -> Result<f64, StatsError> {
        let mean = |distances: &[f64]| distances.iter().sum::<f64>() / distances.len() as f64;
        self.distance("mean average surface distance", || {
            (mean(&self.from_reference_mm) + mean(&self.from_predicted_mm)) / 2.0
        })
    }

    /// Normalised surface Dice (NSD): share of the surface voxels of both masks that lie within `tolerance_mm` of the other
    /// surface (Nikolov et al., J. Med. Internet Res. 23 (2021) e26151); in [0, 1].
    ///
    /// # Errors
    /// `Undefined` when both masks are empty and the policy says so; `OutOfRange` for a tolerance that is negative or not
    /// finite.
    pub fn nsd(&self, tolerance_mm: f64) -> Result<f64, StatsError> {
        let what = "normalised surface Dice";
        check::number(what, tolerance_mm, "0 mm and more", |t| 0.0 <= t)?;
        if self.n() == 0 {
            return self.empty.both_empty(what, 1.0);
        }
        // Distances to an empty surface are infinite, so none is within.
        let within = |distances: &[f64]| distances.partition_point(|&d| d <= tolerance_mm * (1.0 + ROUNDING));
        Ok((within(&self.from_reference_mm) + within(&self.from_predicted_mm)) as f64 / self.n() as f64)
    }

    fn n(&self) -> usize {
        self.from_reference_mm.len() + self.from_predicted_mm.len()
    }

    fn distance(&self, what: &'static str, compute: impl Fn() -> f64) -> Result<f64, StatsError> {
        match (self.from_reference_mm.is_empty(), self.from_predicted_mm.is_empty()) {
            (false, false) => Ok(compute()),
            (true, true) => self.empty.both_empty(what, 0.0),
            _ => self.empty.one_empty(what, self.diagonal_mm),
        }
    }
}

/// The smallest box of voxels that holds both masks: first and last place along each axis.
struct Bounds {
    low: [usize; 3],
    high: [usize; 3],
}

impl Bounds {
    /// `None` when both masks are empty.
    fn of(grid: &Grid, reference: &[bool], predicted: &[bool]) -> Option<Bounds> {
        let [_, rows, columns] = grid.shape;
        let mut bounds: Option<Bounds> = None;
        for line in 0..grid.n_voxels() / columns {
            let voxels = line * columns..(line + 1) * columns;
            let line_of = |mask: &[bool]| {
                let line = &mask[voxels.clone()];
                Some((line.iter().position(|&v| v)?, line.iter().rposition(|&v| v)?))
            };
            for (first, last) in [line_of(reference), line_of(predicted)].into_iter().flatten() {
                let (low, high) = ([line / rows, line % rows, first], [line / rows, line % rows, last]);
                let known = bounds.get_or_insert(Bounds { low, high });
                for axis in 0..3 {
                    known.low[axis] = known.low[axis].min(low[axis]);
                    known.high[axis] = known.high[axis].max(high[axis]);
                }
            }
        }
        bounds
    }

    fn shape(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.high[axis] - self.low[axis] + 1)
    }
}

/// Marks, within the box, the voxels of a mask that have background or the edge of the grid across a face.
fn surface(grid: &Grid, bounds: &Bounds, mask: &[bool]) -> Vec<bool> {
    let strides = [grid.shape[1] * grid.shape[2], grid.shape[2], 1];
    let mut marked = Vec::with_capacity(bounds.shape().iter().product());
    for slice in bounds.low[0]..=bounds.high[0] {
        for row in bounds.low[1]..=bounds.high[1] {
            for column in bounds.low[2]..=bounds.high[2] {
                let (place, voxel) = ([slice, row, column], slice * strides[0] + row * strides[1] + column);
                let open = |axis: usize| {
                    let (at, stride) = (place[axis], strides[axis]);
                    at == 0 || at + 1 == grid.shape[axis] || !mask[voxel - stride] || !mask[voxel + stride]
                };
                marked.push(mask[voxel] && (grid.first_axis..3).any(open));
            }
        }
    }
    marked
}
