//! All pairs of the pooled points: squared distances, turned into a kernel in place, in square tiles above the diagonal.
//!
//! Few pairs are computed with in 64 bits, many in 32, which halves memory and time at an error of 1e-6 of the kernel.

use super::points::{Points, pooled_scale};
use crate::StatsError;
use ndarray::{Array2, ArrayView2, LinalgScalar, s};
use rayon::prelude::*;

/// Rows of a tile: 64 KiB in 32 bits, so that a tile stays in the cache while it is used.
const TILE: usize = 128;

/// Pooled points up to which pairs are computed in 64 bits.
const EXACT_POINTS_MAX: usize = 1024;

/// Pooled points at most: 800 MB of pairs.
pub(super) const POINTS_MAX: usize = 20_000;

/// Values that one pass of the search for a median leaves at most.
const SELECTED_MAX: usize = 1 << 16;

/// 32 or 64 bits.
pub(super) trait Real: LinalgScalar + PartialOrd + Send + Sync {
    /// What a sum over pairs may be off by, as a part of it.
    const ROUNDING: f64;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    fn exp(self) -> Self;
}

impl Real for f32 {
    const ROUNDING: f64 = 2e-6;
    fn of(value: f64) -> f32 {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn exp(self) -> f32 {
        self.exp()
    }
}

impl Real for f64 {
    const ROUNDING: f64 = 1e-12;
    fn of(value: f64) -> f64 {
        value
    }
    fn wide(self) -> f64 {
        self
    }
    fn exp(self) -> f64 {
        self.exp()
    }
}

/// A symmetric matrix over the pooled points, the reference first.
pub(super) struct Pairs<T> {
    n: usize,
    /// Tiles at and above the diagonal: row and column of the first element, and the elements. Tiles on the diagonal are whole.
    tiles: Vec<(usize, usize, Array2<T>)>,
}

/// Pairs in the width that their number asks for.
pub(super) enum AnyPairs {
    Narrow(Pairs<f32>),
    Wide(Pairs<f64>),
}

/// Squared Euclidean distances of all pairs.
pub(super) fn squared_distances(
    what: &'static str,
    reference: Points<'_>,
    current: Points<'_>,
) -> Result<AnyPairs, StatsError> {
    let n = reference.n() + current.n();
    if POINTS_MAX < n {
        let why = "more than 20,000 points make too many pairs; draw a sample of them";
        return Err(StatsError::Undefined { what, why });
    }
    if n <= EXACT_POINTS_MAX {
        return Ok(AnyPairs::Wide(Pairs::squared_distances(reference, current)?));
    }
    let pairs = Pairs::<f32>::squared_distances(reference, current)?;
    if pairs.values().any(|v| !v.is_finite()) {
        let why = "the points are too far apart to compute with; scale them";
        return Err(StatsError::Undefined { what, why });
    }
    Ok(AnyPairs::Narrow(pairs))
}

impl<T: Real> Pairs<T> {
    fn squared_distances(reference: Points<'_>, current: Points<'_>) -> Result<Pairs<T>, StatsError> {
        let dimensions = reference.dimensions();
        // From the mean, so that the squares below cancel as little as can be.
        let scale = pooled_scale(reference, current)?;
        let rows = reference.rows().chain(current.rows());
        let centred: Vec<T> =
            rows.flat_map(|row| row.iter().zip(&scale).map(|(value, (mean, _))| T::of(value - mean))).collect();
        let n = centred.len() / dimensions;
        let points = Array2::from_shape_vec((n, dimensions), centred).expect("rows are whole");
        let squares: Vec<T> = points.rows().into_iter().map(|row| row.dot(&row)).collect();
        let starts: Vec<usize> = (0..n).step_by(TILE).collect();
        let corners: Vec<(usize, usize)> = starts
            .iter()
            .flat_map(|&row| starts.iter().filter(move |&&column| row <= column).map(move |&c| (row, c)))
            .collect();
        let tile = |(row, column): (usize, usize)| {
            let (rows, columns) = ((n - row).min(TILE), (n - column).min(TILE));
            let right = points.slice(s![column..column + columns, ..]);
            let mut tile = points.slice(s![row..row + rows, ..]).dot(&right.t());
            for ((i, j), product) in tile.indexed_iter_mut() {
                let apart = squares[row + i] + squares[column + j] - *product - *product;
                let same = row + i == column + j;
                *product = if same || apart < T::zero() { T::zero() } else { apart };
            }
            (row, column, tile)
        };
        Ok(Pairs { n, tiles: corners.into_par_iter().map(tile).collect() })
    }

    /// Every unordered pair of different points once.
    fn values(&self) -> impl Iterator<Item = T> + '_ {
        self.tiles.iter().flat_map(|(row, column, tile)| {
            let diagonal = row == column;
            tile.rows().into_iter().enumerate().flat_map(move |(i, values)| {
                let from = if diagonal { i + 1 } else { 0 };
                values.into_iter().skip(from).copied()
            })
        })
    }

    /// Median over all pairs of different points, the mean of the middle two for an even number; exact.
    pub(super) fn median(&self) -> f64 {
        let n_pairs = self.n * (self.n - 1) / 2;
        let upper = self.order_statistic(n_pairs / 2);
        if n_pairs % 2 == 1 { upper } else { (self.order_statistic(n_pairs / 2 - 1) + upper) / 2.0 }
    }

    /// The value with `below` smaller or equal ones before it in order. The range that holds it is narrowed by counting, so that
    /// no second copy of the pairs is needed.
    fn order_statistic(&self, below: usize) -> f64 {
        const CELLS: usize = 4096;
        let (mut low, mut high) = (0.0_f64, self.values().fold(0.0_f64, |most, v| most.max(v.wide())));
        let mut below = below;
        loop {
            let width = (high - low) / CELLS as f64;
            let cell = |v: f64| (((v - low) / width) as usize).min(CELLS - 1);
            let inside = |v: &f64| low <= *v && *v <= high;
            let mut counts = vec![0_usize; CELLS];
            if 0.0 < width {
                self.values().map(Real::wide).filter(inside).for_each(|v| counts[cell(v)] += 1);
            }
            let mut chosen = 0;
            while chosen < CELLS && counts[chosen] <= below {
                below -= counts[chosen];
                chosen += 1;
            }
            // No cell where all values are equal.
            if chosen == CELLS {
                return low;
            }
            if counts[chosen] <= SELECTED_MAX || width <= low * f64::EPSILON {
                let mut rest: Vec<f64> =
                    self.values().map(Real::wide).filter(inside).filter(|v| cell(*v) == chosen).collect();
                return *rest.select_nth_unstable_by(below, f64::total_cmp).1;
            }
            // The cell's own extremes, so that rounding of its limits loses nothing.
            let members = self.values().map(Real::wide).filter(inside).filter(|v| cell(*v) == chosen);
            let (least, most) = members.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
            if least == most {
                return least;
            }
            (low, high) = (least, most);
        }
    }

    /// Replaces every element off the diagonal; what is on it stays 0.
    pub(super) fn replace(&mut self, of: impl Fn(T) -> T + Sync) {
        self.tiles.par_iter_mut().for_each(|(row, column, tile)| {
            let diagonal = row == column;
            for ((i, j), value) in tile.indexed_iter_mut() {
                if !(diagonal && i == j) {
                    *value = of(*value);
                }
            }
        });
    }

    /// Sum of each row, the diagonal being 0.
    pub(super) fn row_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.n];
        for (row, column, tile) in &self.tiles {
            for (i, values) in tile.rows().into_iter().enumerate() {
                let mut sum = 0.0;
                for (j, value) in values.iter().enumerate() {
                    let value = value.wide();
                    sum += value;
                    if row != column {
                        sums[column + j] += value;
                    }
                }
                sums[row + i] += sum;
            }
        }
        sums
    }

    /// For each column of `members` (points x sets, 1 for a member and 0 else): the sum over all ordered pairs of members.
    pub(super) fn sums_within(&self, members: ArrayView2<'_, T>) -> Vec<f64> {
        let n_sets = members.ncols();
        let of_tile = |(row, column, tile): &(usize, usize, Array2<T>)| {
            let left = members.slice(s![*row..row + tile.nrows(), ..]);
            let right = members.slice(s![*column..column + tile.ncols(), ..]);
            let product = tile.dot(&right);
            let mut sums = vec![T::zero(); n_sets];
            for (products, flags) in product.rows().into_iter().zip(left.rows()) {
                for ((sum, product), flag) in sums.iter_mut().zip(products).zip(flags) {
                    *sum = *sum + *product * *flag;
                }
            }
            let times = if row == column { 1.0 } else { 2.0 };
            sums.into_iter().map(|sum| times * sum.wide()).collect::<Vec<f64>>()
        };
        // Collected in order before they are added, so that the number of threads does not matter.
        let of_tiles: Vec<Vec<f64>> = self.tiles.par_iter().map(of_tile).collect();
        let mut sums = vec![0.0; n_sets];
        for of_tile in &of_tiles {
            sums.iter_mut().zip(of_tile).for_each(|(sum, part)| *sum += part);
        }
        sums
    }
}
