use super::chi_squared::{LowCounts, chi_squared};
use super::divergence::{JensenShannonBase, PSI_FLOOR, jensen_shannon, psi};
use super::kolmogorov::asymptotic_p;
use super::{CellCounts, Comparison, SortedSample};
use crate::StatsError;
use crate::check;
use serde::{Deserialize, Serialize};

/// Edges, so that cells have a number of one byte.
const EDGES_MAX: usize = 255;

/// Categories of one layout; more are an identifier rather than a category.
const CATEGORIES_MAX: usize = 10_000;

const WHAT: &str = "bins of a reference";

/// The frozen layout that a reference sample gives to every later count of the same feature.
///
/// **Numbers** are cut at quantiles of the reference, so a value that is far out is one case in the outermost cell and cannot
/// stretch the others. Cells are open below and closed above. A value that makes up a large share of the reference, such as a
/// tube voltage, has a cell of its own. **Categories** are cells by name; unknown ones are counted as new.
///
/// Never updated automatically: a reference that follows the data absorbs a slow drift.
///
/// # Examples
/// ```
/// use hilum_stats::drift::{ReferenceBins, SortedSample};
/// let accepted: Vec<f64> = (0..1000).map(f64::from).collect();
/// let bins = ReferenceBins::of_numbers(&SortedSample::new(accepted.clone()).unwrap(), 255).unwrap();
/// let (mut before, mut after) = (bins.empty(), bins.empty());
/// for value in accepted {
///     bins.count_number(&mut before, value).unwrap();
///     bins.count_number(&mut after, value + 100.0).unwrap();
/// }
/// bins.count_number(&mut after, f64::NAN).unwrap();
/// let test = bins.kolmogorov_smirnov(&before, &after).unwrap();
/// assert!((test.value - 0.1).abs() < 0.01 && after.above() == 100 && after.invalid() == 1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct ReferenceBins {
    cells: Stored,
    /// Fingerprint of the layout, so that counts of different bins are never compared.
    layout: u64,
}

/// The layout as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Stored {
    Numbers { edges: Vec<f64>, lowest: f64, highest: f64 },
    Categories { names: Vec<String> },
}

/// In which cell a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The cell of this number, from 0.
    Known(usize),
    /// A category that the reference does not have.
    NewCategory,
    /// No value at all, or one that is not finite.
    Invalid,
}

impl ReferenceBins {
    /// Cuts at up to `edges_max` (1 to 255) quantiles of a reference; fewer where values repeat.
    ///
    /// # Errors
    /// `OutOfRange` for another number of edges.
    pub fn of_numbers(reference: &SortedSample, edges_max: usize) -> Result<ReferenceBins, StatsError> {
        check::number(WHAT, edges_max as f64, "1 to 255 edges", |n| (1.0..=EDGES_MAX as f64).contains(&n))?;
        let values = reference.values();
        let mut edges: Vec<f64> = Vec::with_capacity(edges_max);
        for i in 1..=edges_max {
            // The lowest value that this share of the reference does not exceed. `+ 0.0` makes one zero of both.
            let edge = values[(i * values.len()).div_ceil(edges_max + 1) - 1] + 0.0;
            let own_cell = || edges.len() < 2 || edges[edges.len() - 2] < edge.next_down();
            match edges.last() {
                // A second quantile at the same value: its share is large, and the freed edge separates it from below.
                Some(&last) if last == edge => {
                    if own_cell() && f64::MIN < edge {
                        let place = edges.len() - 1;
                        edges.insert(place, edge.next_down());
                    }
                }
                _ => edges.push(edge),
            }
        }
        let (lowest, highest) = (values[0], values[values.len() - 1]);
        ReferenceBins::try_from(Stored::Numbers { edges, lowest, highest })
    }

    /// One cell for each of these names; repeated ones count once.
    ///
    /// # Errors
    /// `TooFew` without a name; `OutOfRange` for more than 10,000, which is an identifier rather than a category.
    pub fn of_categories<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<ReferenceBins, StatsError> {
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        ReferenceBins::try_from(Stored::Categories { names })
    }

    /// Counts of nothing yet.
    pub fn empty(&self) -> CellCounts {
        CellCounts::empty(self.layout, self.n_cells())
    }

    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        match &self.cells {
            Stored::Numbers { edges, .. } => edges.len() + 1,
            Stored::Categories { names } => names.len(),
        }
    }

    /// Where the numbers are cut, ascending; empty for categories.
    pub fn edges(&self) -> &[f64] {
        match &self.cells {
            Stored::Numbers { edges, .. } => edges,
            Stored::Categories { .. } => &[],
        }
    }

    /// The cell of a number; `Invalid` where it is not finite or the bins are categories.
    pub fn cell_of_number(&self, value: f64) -> Cell {
        match &self.cells {
            Stored::Numbers { edges, .. } if value.is_finite() => {
                Cell::Known(edges.partition_point(|edge| *edge < value))
            }
            _ => Cell::Invalid,
        }
    }

    /// The cell of a category; `Invalid` where the bins are numbers.
    pub fn cell_of_category(&self, name: &str) -> Cell {
        match &self.cells {
            Stored::Categories { names } => {
                names.binary_search_by(|known| known.as_str().cmp(name)).map_or(Cell::NewCategory, Cell::Known)
            }
            Stored::Numbers { .. } => Cell::Invalid,
        }
    }

    /// Counts one more number; one that is not finite as invalid.
    ///
    /// # Errors
    /// `Undefined` when the counts belong to other bins, or a count is full.
    pub fn count_number(&self, counts: &mut CellCounts, value: f64) -> Result<(), StatsError> {
        self.own(counts)?;
        if let Stored::Numbers { lowest, highest, .. } = &self.cells
            && value.is_finite()
        {
            if value < *lowest {
                counts.add_below()?;
            } else if *highest < value {
                counts.add_above()?;
            }
        }
        self.count(counts, self.cell_of_number(value))
    }

    /// Counts one more category.
    ///
    /// # Errors
    /// As [`count_number`](Self::count_number).
    pub fn count_category(&self, counts: &mut CellCounts, name: &str) -> Result<(), StatsError> {
        self.own(counts)?;
        self.count(counts, self.cell_of_category(name))
    }

    fn count(&self, counts: &mut CellCounts, cell: Cell) -> Result<(), StatsError> {
        match cell {
            Cell::Known(cell) => counts.add_cell(cell),
            Cell::NewCategory => counts.add_new_category(),
            Cell::Invalid => counts.add_invalid(),
        }
    }

    /// A number drawn in to the outermost edges, for sums that one corrupt value must not decide. `None` where it is not finite
    /// or the bins are categories.
    pub fn winsorised(&self, value: f64) -> Option<f64> {
        match self.edges() {
            [] => None,
            edges => value.is_finite().then(|| value.clamp(edges[0], edges[edges.len() - 1])),
        }
    }

    /// Kolmogorov-Smirnov test from counts: the largest difference of the distribution functions at the edges and at both ends
    /// of the reference, which is at most that on raw values, and less by no more than the share of one cell.
    ///
    /// # Errors
    /// `Undefined` for categories, or counts of other bins; `TooFew` when either counts no number.
    pub fn kolmogorov_smirnov(&self, reference: &CellCounts, current: &CellCounts) -> Result<Comparison, StatsError> {
        let what = "Kolmogorov-Smirnov test";
        let mut value =
            self.differences(what, reference, current)?.fold(0.0_f64, |most, (_, apart)| most.max(apart.abs()));
        let (n, m) = (reference.n(), current.n());
        // Equal where the reference counts are those of the sample the bins were made of, which has nothing outside.
        for outside in [|counts: &CellCounts| counts.below(), |counts: &CellCounts| counts.above()] {
            let apart = outside(reference) as f64 / n as f64 - outside(current) as f64 / m as f64;
            value = value.max(apart.abs());
        }
        Comparison::test(what, (value, asymptotic_p(value, n, m)), (n, m), "ks/bins")
    }

    /// Wasserstein distance from counts, between the outermost edges: what lies beyond counts as lying on them, so a corrupt value
    /// has no weight. Within a cell cases are taken to lie evenly.
    ///
    /// # Errors
    /// As [`kolmogorov_smirnov`](Self::kolmogorov_smirnov); `Undefined` when the reference does not vary.
    pub fn wasserstein(&self, reference: &CellCounts, current: &CellCounts) -> Result<Comparison, StatsError> {
        let what = "Wasserstein distance";
        let (mut sum, mut last): (f64, Option<(f64, f64)>) = (0.0, None);
        for (edge, apart) in self.differences(what, reference, current)? {
            if let Some((before, from)) = last {
                let (low, high) = (from.abs(), apart.abs());
                // Area under the absolute value of a straight line, which may cross 0 on the way.
                let height = if 0.0 <= from * apart {
                    (low + high) / 2.0
                } else {
                    (low * low + high * high) / (2.0 * (low + high))
                };
                sum += if height == 0.0 { 0.0 } else { height * (edge - before) };
            }
            last = Some((edge, apart));
        }
        let edges = self.edges();
        if edges[edges.len() - 1] <= edges[0].next_up() {
            return Err(StatsError::Undefined { what, why: "the reference does not vary" });
        }
        Comparison::distance(what, sum, (reference.n(), current.n()), "wasserstein/bins")
    }

    /// Population stability index over at most `cells_max` cells of about equal share of the reference, ten by custom, and besides
    /// them cells for what the reference does not have: new categories, missing and invalid values.
    ///
    /// # Errors
    /// `Undefined` for counts of other bins; `TooFew` when either counts nothing.
    pub fn psi(
        &self,
        reference: &CellCounts,
        current: &CellCounts,
        cells_max: usize,
    ) -> Result<Comparison, StatsError> {
        let [a, b] = self.rows(reference, current, cells_max)?;
        psi(&a, &b, PSI_FLOOR)
    }

    /// Jensen-Shannon distance over the same cells as [`psi`](Self::psi).
    ///
    /// # Errors
    /// As [`psi`](Self::psi).
    pub fn jensen_shannon(
        &self,
        reference: &CellCounts,
        current: &CellCounts,
        cells_max: usize,
        base: JensenShannonBase,
    ) -> Result<Comparison, StatsError> {
        let [a, b] = self.rows(reference, current, cells_max)?;
        jensen_shannon(&a, &b, base)
    }

    /// Chi-squared test over the same cells as [`psi`](Self::psi).
    ///
    /// # Errors
    /// As [`psi`](Self::psi), and those of [`chi_squared`](super::chi_squared()).
    pub fn chi_squared(
        &self,
        reference: &CellCounts,
        current: &CellCounts,
        cells_max: usize,
        low_counts: LowCounts,
    ) -> Result<Comparison, StatsError> {
        let [a, b] = self.rows(reference, current, cells_max)?;
        chi_squared(&a, &b, low_counts)
    }

    /// Reference and current counts of at most `cells_max` neighbouring cells of about equal share of the reference (all cells, for
    /// categories), then one for cells that the reference leaves empty, one for new categories, for missing and for invalid.
    ///
    /// # Errors
    /// `Undefined` for counts of other bins; `OutOfRange` unless `cells_max` is at least 1.
    pub fn rows(
        &self,
        reference: &CellCounts,
        current: &CellCounts,
        cells_max: usize,
    ) -> Result<[Vec<u64>; 2], StatsError> {
        check::at_least(WHAT, "cells", 1, cells_max as u64)?;
        self.own(reference)?;
        self.own(current)?;
        let n = reference.n();
        let mut rows = [Vec::new(), Vec::new()];
        let mut unseen = [0_u64; 2];
        let (mut group, mut reached) = ([0_u64; 2], 0_u64);
        let by_name = matches!(self.cells, Stored::Categories { .. });
        for (&a, &b) in reference.cells().iter().zip(current.cells()) {
            let (a, b) = (u64::from(a), u64::from(b));
            if a == 0 {
                unseen[1] += b;
                continue;
            }
            group = [group[0] + a, group[1] + b];
            reached += a;
            // Full when it reaches the next share of the reference; in 128 bits because counts may be large.
            let due = (rows[0].len() as u128 + 1) * u128::from(n);
            if by_name || due <= u128::from(reached) * cells_max as u128 {
                rows[0].push(group[0]);
                rows[1].push(group[1]);
                group = [0, 0];
            }
        }
        for (row, (side, counts)) in rows.iter_mut().zip([(0, reference), (1, current)]) {
            row.extend([group[side], unseen[side], counts.new_category(), counts.missing(), counts.invalid()]);
        }
        Ok(rows)
    }

    /// At each edge: where it is, and the reference's distribution function less the current one.
    fn differences<'a>(
        &'a self,
        what: &'static str,
        reference: &'a CellCounts,
        current: &'a CellCounts,
    ) -> Result<impl Iterator<Item = (f64, f64)> + 'a, StatsError> {
        self.own(reference)?;
        self.own(current)?;
        if self.edges().is_empty() {
            return Err(StatsError::Undefined { what, why: "categories have no order" });
        }
        check::at_least(what, "reference cases", 1, reference.n())?;
        check::at_least(what, "current cases", 1, current.n())?;
        let (n, m) = (reference.n() as f64, current.n() as f64);
        let mut reached = [0_u64; 2];
        let cells = self.edges().iter().zip(reference.cells().iter().zip(current.cells()));
        Ok(cells.map(move |(&edge, (&a, &b))| {
            reached = [reached[0] + u64::from(a), reached[1] + u64::from(b)];
            (edge, reached[0] as f64 / n - reached[1] as f64 / m)
        }))
    }

    fn own(&self, counts: &CellCounts) -> Result<(), StatsError> {
        if counts.layout == self.layout && counts.cells().len() == self.n_cells() {
            return Ok(());
        }
        Err(StatsError::Undefined { what: WHAT, why: "the counts belong to other bins" })
    }
}

impl TryFrom<Stored> for ReferenceBins {
    type Error = StatsError;

    fn try_from(cells: Stored) -> Result<ReferenceBins, StatsError> {
        let refuse = |why| Err(StatsError::Undefined { what: WHAT, why });
        match &cells {
            Stored::Numbers { edges, lowest, highest } => {
                check::at_least(WHAT, "edges", 1, edges.len() as u64)?;
                check::finite(WHAT, edges)?;
                check::finite(WHAT, &[*lowest, *highest])?;
                if EDGES_MAX < edges.len() || !edges.windows(2).all(|pair| pair[0] < pair[1]) || highest < lowest {
                    return refuse("edges are at most 255 and ascend, and the lowest value is not above the highest");
                }
            }
            Stored::Categories { names } => {
                check::at_least(WHAT, "categories", 1, names.len() as u64)?;
                if CATEGORIES_MAX < names.len() {
                    return refuse("more than 10,000 categories; it looks like an identifier");
                }
                if !names.windows(2).all(|pair| pair[0] < pair[1]) {
                    return refuse("categories ascend and do not repeat");
                }
            }
        }
        let layout = fingerprint(&cells);
        Ok(ReferenceBins { cells, layout })
    }
}

impl From<ReferenceBins> for Stored {
    fn from(bins: ReferenceBins) -> Stored {
        bins.cells
    }
}

/// FNV-1a of all that decides where a case is counted: against mistakes, not against malice.
fn fingerprint(cells: &Stored) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    match cells {
        Stored::Numbers { edges, lowest, highest } => {
            take(b"numbers");
            edges.iter().chain([lowest, highest]).for_each(|edge| take(&edge.to_bits().to_le_bytes()));
        }
        Stored::Categories { names } => {
            take(b"categories");
            for name in names {
                take(&(name.len() as u64).to_le_bytes());
                take(name.as_bytes());
            }
        }
    }
    hash
}
