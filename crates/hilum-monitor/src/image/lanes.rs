//! Sums over rows that the compiler turns into vector instructions.

const WIDTH: usize = 8;
/// Chunks of one lane before the single-precision lanes go into the double-precision total: keeps the relative error of a
/// sum of non-negative terms below 16 units in the last place of single precision, and far below that on average.
const FLUSH: usize = 16;

/// `M` sums over `f` of the elements at the same place of `N` rows of one length; longer ones are cut to the shortest.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "the same place of several rows")]
pub(super) fn sums<const N: usize, const M: usize>(rows: [&[f32]; N], f: impl Fn([f32; N]) -> [f32; M]) -> [f64; M] {
    let length = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    let rows = rows.map(|row| &row[..length]);
    let chunks = rows.map(|row| row.as_chunks::<WIDTH>().0);
    let whole = length / WIDTH;
    let mut totals = [0.0f64; M];
    let mut start = 0;
    while start < whole {
        let end = (start + FLUSH).min(whole);
        let mut lanes = [[0.0f32; WIDTH]; M];
        for at in start..end {
            let now: [&[f32; WIDTH]; N] = std::array::from_fn(|n| &chunks[n][at]);
            for lane in 0..WIDTH {
                let terms = f(std::array::from_fn(|n| now[n][lane]));
                for m in 0..M {
                    lanes[m][lane] += terms[m];
                }
            }
        }
        for (total, lanes) in totals.iter_mut().zip(&lanes) {
            *total += lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
        }
        start = end;
    }
    for at in whole * WIDTH..length {
        let terms = f(std::array::from_fn(|n| rows[n][at]));
        for (total, term) in totals.iter_mut().zip(terms) {
            *total += f64::from(term);
        }
    }
    totals
}
