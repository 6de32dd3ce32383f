use super::Numbers;
use hilum_stats::drift::{JensenShannonBase, PSI_FLOOR, jensen_shannon, psi};

/// Cells of about equal share of the reference that a distance is taken over, besides one below all of it and one above.
pub const CELLS_MAX: usize = 10;

/// Numbers that either side needs: with fewer, chance alone makes a distance that looks like news.
pub const THIN: u64 = 50;

/// How far the distribution of a number is from that of the reference. It describes and ranks; it stops nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// Jensen-Shannon distance to base 2, in 0 to 1.
    pub jensen_shannon: f64,
    /// What it stays below in 95 of 100 cases where nothing changed.
    pub jensen_shannon_by_chance: f64,
    /// Population stability index.
    pub psi: f64,
    /// What it stays below in 95 of 100 cases where nothing changed.
    pub psi_by_chance: f64,
    /// Numbers of the reference.
    pub n_reference: u64,
    /// Numbers of the window.
    pub n: u64,
}

impl Distance {
    /// Distance of `current` from `reference`; `None` where either has fewer than [`THIN`] numbers.
    ///
    /// Both are counted in the same cells: neighbouring bins of the reference, joined to about equal shares of it, so that
    /// edges do not move with what is compared; values that are no number are a cell of their own.
    pub fn between(reference: &Numbers, current: &Numbers) -> Option<Distance> {
        let (n_reference, n) = (reference.n(), current.n());
        if n_reference < THIN || n < THIN {
            return None;
        }
        let ends = cell_ends(reference, n_reference);
        let [a, b] = [reference, current].map(|numbers| in_cells(numbers, &ends));
        let n_cells = a.iter().zip(&b).filter(|(a, b)| 0 < **a + **b).count();
        let chance = chi_squared_95(n_cells.saturating_sub(1)) * (1.0 / n_reference as f64 + 1.0 / n as f64);
        Some(Distance {
            jensen_shannon: jensen_shannon(&a, &b, JensenShannonBase::Two).ok()?.value,
            // To second order, both are the chi-squared statistic of two samples times a constant.
            jensen_shannon_by_chance: (chance / 8.0 / std::f64::consts::LN_2).sqrt().min(1.0),
            psi: psi(&a, &b, PSI_FLOOR).ok()?.value,
            psi_by_chance: chance,
            n_reference,
            n,
        })
    }

    /// How far it is beyond what chance makes of so few numbers; below 0 where it is not. Distances of different n are
    /// ranked by it: the fewer the numbers, the farther chance alone moves them.
    pub fn excess(&self) -> f64 {
        self.jensen_shannon - self.jensen_shannon_by_chance
    }

    /// Whether chance explains it.
    pub fn is_by_chance(&self) -> bool {
        self.excess() <= 0.0
    }
}

/// The last place of each cell: first what lies below the reference, then its cells. What is above the last is another.
fn cell_ends(reference: &Numbers, n: u64) -> Vec<i16> {
    let mut ends: Vec<i16> =
        reference.bins().iter().next().map(|(first, _)| first.saturating_sub(1)).into_iter().collect();
    let (mut below, mut wanted) = (0_u64, 1_u64);
    let mut last = None;
    for (place, n_here) in reference.bins().iter() {
        below = below.saturating_add(n_here);
        last = Some(place);
        let share = u128::from(below) * CELLS_MAX as u128;
        if u128::from(wanted) * u128::from(n) <= share {
            ends.push(place);
            last = None;
            wanted = u64::try_from(share / u128::from(n.max(1))).unwrap_or(u64::MAX).saturating_add(1);
        }
    }
    ends.extend(last);
    ends
}

fn in_cells(numbers: &Numbers, ends: &[i16]) -> Vec<u64> {
    let mut cells = vec![0_u64; ends.len() + 2];
    for (place, n) in numbers.bins().iter() {
        let cell = ends.partition_point(|end| *end < place);
        cells[cell] = cells[cell].saturating_add(n);
    }
    cells[ends.len() + 1] = numbers.n_invalid();
    cells
}

/// 95 % quantile of chi-squared, after Wilson and Hilferty (Proc. Natl. Acad. Sci. 17 (1931) 684-688): within 2 % from one
/// degree of freedom on.
fn chi_squared_95(degrees: usize) -> f64 {
    if degrees == 0 {
        return 0.0;
    }
    let part = 2.0 / (9.0 * degrees as f64);
    degrees as f64 * (1.0 - part + 1.644_853_6 * part.sqrt()).powi(3)
}
