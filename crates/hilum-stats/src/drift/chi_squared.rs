use super::Comparison;
use super::divergence::{check_rows, total};
use super::tails::chi_squared_sf;
use crate::StatsError;
use crate::check;
use crate::resampling::Draws;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Cases up to which a permutation p-value is answered: one shuffle walks over all.
const PERMUTED_CASES_MAX: u64 = 10_000_000;

/// What is done where counts are too low for the chi-squared distribution: Cochran's rule (Biometrics 10 (1954) 417-451) wants no
/// expected count below 1 and at most a fifth of them below 5. Where the rule is kept, all three do the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LowCounts {
    /// Nothing: as `scipy.stats.chi2_contingency(correction=False)`.
    Keep,
    /// The rarest cells are counted as one until none is expected below 5; the method ends in `/pooled`.
    Pool,
    /// The p-value is found by dealing the cases out anew; the method ends in `/permutation`.
    Permute {
        /// Number of permutations P; the p-value is at least `1 / (P + 1)`.
        permutations: u32,
        /// The same seed gives the same p-value.
        seed: u64,
    },
}

/// Pearson's chi-squared test of two rows of counts of the same cells, without Yates' correction. Cells empty on both sides are
/// left out.
///
/// # Errors
/// `LengthMismatch`; `TooFew` when either row counts nothing, or no permutation is asked for; `Undefined` when less than two
/// cells are left, or there are too many cases to permute.
///
/// # Examples
/// ```
/// use hilum_stats::drift::{LowCounts, chi_squared};
/// let test = chi_squared(&[50, 30, 15, 5], &[38, 34, 18, 10], LowCounts::Pool).unwrap();
/// assert!((test.value - 3.825_757_575_757_576).abs() < 1e-12 && test.method == "chi2");
/// ```
pub fn chi_squared(reference: &[u64], current: &[u64], low_counts: LowCounts) -> Result<Comparison, StatsError> {
    test("chi-squared test", "chi2", reference, current, low_counts, |observed, expected| {
        (observed - expected).powi(2) / expected
    })
}

/// The likelihood-ratio test (G) of the same; as `scipy.stats.chi2_contingency(lambda_="log-likelihood")`.
///
/// # Errors
/// As [`chi_squared`].
pub fn g_test(reference: &[u64], current: &[u64], low_counts: LowCounts) -> Result<Comparison, StatsError> {
    test("G test", "g", reference, current, low_counts, |observed, expected| {
        if observed == 0.0 { 0.0 } else { 2.0 * observed * (observed / expected).ln() }
    })
}

type Cells = Vec<[u64; 2]>;

fn test(
    what: &'static str,
    name: &'static str,
    reference: &[u64],
    current: &[u64],
    low_counts: LowCounts,
    part: impl Fn(f64, f64) -> f64 + Sync,
) -> Result<Comparison, StatsError> {
    check_rows(what, reference, current)?;
    let sizes = [total(reference), total(current)];
    let both = reference.iter().zip(current).map(|(&a, &b)| [a, b]);
    let cells: Cells = both.filter(|cell| *cell != [0, 0]).collect();
    let one_cell = || StatsError::Undefined { what, why: "all cases are in one cell" };
    if cells.len() < 2 {
        return Err(one_cell());
    }
    let low = breaks_cochran(&cells, sizes);
    match low_counts {
        LowCounts::Pool if low => {
            let pooled = pooled(cells, sizes);
            if pooled.len() < 2 {
                let why = "too few cases are expected in all cells but one; use a permutation p-value";
                return Err(StatsError::Undefined { what, why });
            }
            asymptotic(what, format!("{name}/pooled"), &pooled, sizes, part)
        }
        LowCounts::Permute { permutations, seed } if low => {
            check::at_least(what, "permutations", 1, u64::from(permutations))?;
            let value = statistic(&cells, sizes, &part);
            let p = permutation_p(what, &cells, sizes, value, (permutations, seed), part)?;
            Comparison::test(what, (value, p), (sizes[0], sizes[1]), format!("{name}/permutation"))
        }
        _ => asymptotic(what, name.to_owned(), &cells, sizes, part),
    }
}

fn asymptotic(
    what: &'static str,
    method: String,
    cells: &Cells,
    sizes: [u64; 2],
    part: impl Fn(f64, f64) -> f64,
) -> Result<Comparison, StatsError> {
    let value = statistic(cells, sizes, part);
    let p = chi_squared_sf(value, (cells.len() - 1) as f64);
    Comparison::test(what, (value, p), (sizes[0], sizes[1]), method)
}

fn statistic(cells: &[[u64; 2]], sizes: [u64; 2], part: impl Fn(f64, f64) -> f64) -> f64 {
    let shares = shares(sizes);
    let of_cell = |cell: &[u64; 2]| -> f64 {
        let both = cell[0] as f64 + cell[1] as f64;
        (0..2).map(|side| part(cell[side] as f64, both * shares[side])).sum()
    };
    cells.iter().map(of_cell).sum()
}

/// Share of either sample in all cases.
fn shares(sizes: [u64; 2]) -> [f64; 2] {
    let total = sizes[0] as f64 + sizes[1] as f64;
    sizes.map(|size| size as f64 / total)
}

/// The lower of the two expected counts of a cell.
fn least_expected(cell: &[u64; 2], sizes: [u64; 2]) -> f64 {
    let [a, b] = shares(sizes);
    (cell[0] as f64 + cell[1] as f64) * a.min(b)
}

fn breaks_cochran(cells: &[[u64; 2]], sizes: [u64; 2]) -> bool {
    let shares = shares(sizes);
    let expected = cells.iter().flat_map(|cell| shares.map(|share| share * (cell[0] as f64 + cell[1] as f64)));
    let (mut low, mut least, mut n) = (0_usize, f64::INFINITY, 0_usize);
    for expected in expected {
        low += usize::from(expected < 5.0);
        least = least.min(expected);
        n += 1;
    }
    least < 1.0 || n < 5 * low
}

/// The rarest cells as one, so many that it and all others are expected at least 5 times.
fn pooled(mut cells: Cells, sizes: [u64; 2]) -> Cells {
    cells.sort_by_key(|cell| cell[0].saturating_add(cell[1]));
    let mut pool = [0_u64; 2];
    let mut n_pooled = 0;
    for cell in &cells {
        let enough = least_expected(&pool, sizes) >= 5.0 && least_expected(cell, sizes) >= 5.0;
        // Nothing pooled yet and nothing needs to be.
        if enough || (n_pooled == 0 && least_expected(cell, sizes) >= 5.0) {
            break;
        }
        pool = [pool[0].saturating_add(cell[0]), pool[1].saturating_add(cell[1])];
        n_pooled += 1;
    }
    let mut kept = cells.split_off(n_pooled);
    if 0 < n_pooled {
        kept.push(pool);
    }
    kept
}

/// `(1 + b) / (1 + P)`, where b of P random dealings reach the value (Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39).
fn permutation_p(
    what: &'static str,
    cells: &Cells,
    sizes: [u64; 2],
    value: f64,
    (permutations, seed): (u32, u64),
    part: impl Fn(f64, f64) -> f64 + Sync,
) -> Result<f64, StatsError> {
    let n = sizes[0].saturating_add(sizes[1]);
    if PERMUTED_CASES_MAX < n {
        return Err(StatsError::Undefined {
            what,
            why: "more than 10,000,000 cases are too many to permute; pool rare cells",
        });
    }
    let mut cell_of_case: Vec<u32> = Vec::with_capacity(n as usize);
    for (number, cell) in (0_u32..).zip(cells) {
        cell_of_case.extend(std::iter::repeat_n(number, (cell[0] + cell[1]) as usize));
    }
    let smaller = if sizes[0] <= sizes[1] { 0 } else { 1 };
    let reaches = |cases: &mut Vec<u32>, permutation: u32| {
        let mut dealt: Cells = cells.iter().map(|cell| [cell[0] + cell[1]; 2]).collect();
        dealt.iter_mut().for_each(|cell| cell[smaller] = 0);
        Draws::new(seed, permutation).deal(cases, sizes[smaller] as usize);
        for &cell in &cases[..sizes[smaller] as usize] {
            dealt[cell as usize][smaller] += 1;
            dealt[cell as usize][1 - smaller] -= 1;
        }
        // Equal tables must count as equal whatever the order of their sum.
        u32::from(value * (1.0 - 1e-12) <= statistic(&dealt, sizes, &part))
    };
    // Every permutation starts from the same order, so that it depends on its number only.
    let reached: u32 = (0..permutations)
        .into_par_iter()
        .map_init(
            || cell_of_case.clone(),
            |cases, k| {
                cases.clone_from(&cell_of_case);
                reaches(cases, k)
            },
        )
        .sum();
    Ok((1.0 + f64::from(reached)) / (1.0 + f64::from(permutations)))
}
