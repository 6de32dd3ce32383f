//! Grey values inside the margins.

use super::lanes::{Lanes, WIDTH, sums};

/// Bins; the first one's middle is the smallest value, the last one's the largest.
const BINS: usize = 4096;
/// A number below 2^23 plus this has the nearest whole number, ties to even, in its last bits: much faster than a cast,
/// which has to mind numbers that do not fit.
const ROUND: f32 = 8_388_608.0;
/// Bins of the entropy.
const ENTROPY_BINS: usize = 256;

/// Neighbouring pixels are often alike: counted in one table, each would wait until the count before it is written.
const TABLES: usize = 4;

/// Counts and moments of the values.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    low: f32,
    high: f32,
    scale: f32,
    /// The count of a bin is the sum of that of all tables.
    counts: Box<[[u32; BINS]; TABLES]>,
    n: f64,
    n_low: f64,
    n_high: f64,
    sum: f64,
    sum_squares: f64,
}

/// Moments of the pixels that are not clipped; of all when every one is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Foreground {
    pub(super) n: f64,
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Histogram {
    pub(super) fn new(low: f32, high: f32) -> Histogram {
        let span = high - low;
        let scale = if 0.0 < span { (BINS - 1) as f32 / span } else { 0.0 };
        let (n, n_low, n_high, sum, sum_squares) = Default::default();
        Histogram { low, high, scale, counts: Box::new([[0; BINS]; TABLES]), n, n_low, n_high, sum, sum_squares }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, row: &[f32]) {
        let [low, high, scale] = [self.low, self.high, self.scale].map(Lanes::of);
        let bins = |values: Lanes| ((values - low) * scale + Lanes::of(ROUND)).0.map(|v| v.to_bits() % BINS as u32);
        let (chunks, rest) = row.as_chunks::<WIDTH>();
        for chunk in chunks {
            for (lane, bin) in bins(Lanes(*chunk)).into_iter().enumerate() {
                let count = &mut self.counts[lane % TABLES][bin as usize];
                // Wrapping, or the check for an overflow that cannot be is made for every pixel.
                *count = count.wrapping_add(1);
            }
        }
        for value in rest {
            self.counts[0][bins(Lanes::of(*value))[0] as usize] += 1;
        }
        let [sum, squares, n_low, n_high] = sums([row], |[v]| {
            let above = v - low;
            [above, above * above, v.equal(low), v.equal(high)]
        });
        self.n += row.len() as f64;
        self.sum += sum;
        self.sum_squares += squares;
        self.n_low += n_low;
        self.n_high += n_high;
    }

    /// Pixels at the smallest and at the largest value.
    pub(super) fn n_ends(&self) -> [f64; 2] {
        [self.n_low, self.n_high]
    }

    /// Whether every pixel is clipped, as in an image of two values: then all of them are the foreground.
    fn all_clipped(&self) -> bool {
        self.low == self.high || self.n <= self.n_low + self.n_high
    }

    pub(super) fn foreground(&self) -> Foreground {
        let low = f64::from(self.low);
        let span = f64::from(self.high) - low;
        let clipped = if self.all_clipped() { [0.0, 0.0] } else { [self.n_low, self.n_high] };
        let n = self.n - clipped[0] - clipped[1];
        let mean = (self.sum - clipped[1] * span) / n;
        let variance = ((self.sum_squares - clipped[1] * span * span) / n - mean * mean).max(0.0);
        let n = if self.all_clipped() { 0.0 } else { n };
        Foreground { n, mean: low + mean, variance }
    }

    /// Quantile of the foreground, linear within a bin.
    pub(super) fn quantile(&self, q: f64) -> f64 {
        let (low, span) = (f64::from(self.low), f64::from(self.high) - f64::from(self.low));
        let mut clipped = [self.n_low, self.n_high];
        if self.all_clipped() {
            clipped = [0.0, 0.0];
        }
        let width = span / (BINS - 1) as f64;
        let target = q * (self.n - clipped[0] - clipped[1]);
        let mut below = 0.0;
        for (bin, mut count) in self.bins().enumerate() {
            if bin == 0 {
                count -= clipped[0];
            }
            if bin == BINS - 1 {
                count -= clipped[1];
            }
            if 0.0 < count && target <= below + count {
                let value = low + (bin as f64 - 0.5 + (target - below) / count) * width;
                return value.clamp(low, low + span);
            }
            below += count;
        }
        low + span
    }

    /// Pixels in each bin.
    fn bins(&self) -> impl Iterator<Item = f64> {
        (0..BINS).map(|bin| self.counts.iter().map(|table| f64::from(table[bin])).sum())
    }

    /// Entropy in bit.
    pub(super) fn entropy(&self) -> f64 {
        let mut coarse = [0.0; ENTROPY_BINS];
        self.bins().enumerate().for_each(|(bin, count)| coarse[bin * ENTROPY_BINS / BINS] += count);
        let shares = coarse.into_iter().map(|count| count / self.n).filter(|share| 0.0 < *share);
        -shares.map(|share| share * share.log2()).sum::<f64>()
    }
}
