//! The first pass: smallest and largest value, and the constant margins of an image.

use super::lanes::{Lanes, WIDTH, lower, upper};
use std::ops::Range;

/// A margin is constant when its values differ by at most this share of the span of the image: lossy compression of a
/// black margin leaves a little.
const TOLERANCE: f32 = 0.02;
/// Rows taken at once, so that the spans of columns are read and written once for all of them.
const BAND: usize = 4;

/// What the first pass finds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extent {
    pub(super) low: f32,
    pub(super) high: f32,
    /// Pixels at `low` and at `high` in the margins.
    pub(super) n_outside: [u64; 2],
    /// Rows and columns inside the margins.
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    constant: bool,
}

#[derive(Clone, Copy)]
struct Span {
    low: f32,
    high: f32,
}

const EMPTY: Span = Span { low: f32::INFINITY, high: f32::NEG_INFINITY };

impl Extent {
    /// `None` when a value, or the distance of smallest and largest, is not finite.
    #[inline(always)]
    pub(super) fn of(values: &[f32], rows: usize, columns: usize) -> Option<Extent> {
        let mut of_columns = vec![Spans::empty(); columns.div_ceil(WIDTH)];
        let (mut of_rows, mut finite) = (Vec::with_capacity(rows), 0.0);
        let mut bands = values.chunks_exact(BAND * columns);
        for band in bands.by_ref() {
            let band: [&[f32]; BAND] = std::array::from_fn(|row| &band[row * columns..][..columns]);
            let (of_band, zero) = spans(band, &mut of_columns);
            of_rows.extend(of_band);
            finite += zero;
        }
        for row in bands.remainder().chunks_exact(columns) {
            let (of_row, zero) = spans([row], &mut of_columns);
            of_rows.extend(of_row);
            finite += zero;
        }
        let all = of_rows.iter().fold(EMPTY, |a, b| Span { low: lower(a.low, b.low), high: upper(a.high, b.high) });
        let span = all.high - all.low;
        // The sum of `v - v` is 0 when every value is finite and no number otherwise.
        if finite != 0.0 || !span.is_finite() {
            return None;
        }
        let of_columns: Vec<Span> = of_columns.iter().flat_map(Spans::each).take(columns).collect();
        let constant = span == 0.0;
        let (mut inner_rows, mut inner_columns) = (inside(&of_rows, span), inside(&of_columns, span));
        // What is left must be large enough to be measured.
        if constant || inner_rows.len() < super::SIDE_MIN || inner_columns.len() < super::SIDE_MIN {
            (inner_rows, inner_columns) = (0..rows, 0..columns);
        }
        let mut n_outside = [0, 0];
        for (index, row) in values.chunks_exact(columns).enumerate() {
            let inner = if inner_rows.contains(&index) { inner_columns.clone() } else { 0..0 };
            for margin in [&row[..inner.start], &row[inner.end..]] {
                let counts = count_ends(margin, all);
                n_outside = std::array::from_fn(|end| n_outside[end] + u64::from(counts[end]));
            }
        }
        Some(Extent { low: all.low, high: all.high, n_outside, rows: inner_rows, columns: inner_columns, constant })
    }

    /// Share of the image outside.
    pub(super) fn border(&self, rows: usize, columns: usize) -> f64 {
        if self.constant {
            return 1.0;
        }
        1.0 - (self.rows.len() * self.columns.len()) as f64 / (rows * columns) as f64
    }

    /// Share of the image in margins that lie on both sides alike, as padding to a square leaves them.
    pub(super) fn padding(&self, rows: usize, columns: usize) -> f64 {
        let left = |inner: &Range<usize>, n: usize| n - 2 * inner.start.min(n - inner.end);
        if self.constant {
            return 1.0;
        }
        1.0 - (left(&self.rows, rows) * left(&self.columns, columns)) as f64 / (rows * columns) as f64
    }
}

/// Spans of neighbouring columns, or of every eighth value of a row.
#[derive(Clone, Copy)]
struct Spans {
    low: Lanes,
    high: Lanes,
}

impl Spans {
    fn empty() -> Spans {
        Spans { low: Lanes::of(f32::INFINITY), high: Lanes::of(f32::NEG_INFINITY) }
    }

    #[inline(always)]
    fn with(self, values: Lanes) -> Spans {
        Spans { low: self.low.lower(values), high: self.high.upper(values) }
    }

    fn each(&self) -> impl Iterator<Item = Span> {
        self.low.0.into_iter().zip(self.high.0).map(|(low, high)| Span { low, high })
    }
}

/// Spans of rows of one length, which the spans of columns take in, and 0 when all their values are finite.
#[inline(always)]
fn spans<const N: usize>(rows: [&[f32]; N], columns: &mut [Spans]) -> ([Span; N], f32) {
    let chunks = rows.map(|row| row.as_chunks::<WIDTH>());
    let mut of_rows = [Spans::empty(); N];
    let mut zeros = Lanes::of(0.0);
    for (at, column) in columns.iter_mut().enumerate().take(chunks[0].0.len()) {
        let mut all = *column;
        for (of_row, (chunks, _)) in of_rows.iter_mut().zip(chunks) {
            let values = Lanes(chunks[at]);
            all = all.with(values);
            *of_row = of_row.with(values);
            // Zero times a finite number is 0, times anything else it is not a number.
            zeros = zeros + values * Lanes::of(0.0);
        }
        *column = all;
    }
    let mut zero = zeros.0.into_iter().sum::<f32>();
    let spans = std::array::from_fn(|n| {
        let rest = chunks[n].1;
        if let Some(last) = columns.last_mut().filter(|_| !rest.is_empty()) {
            // What stands in for the columns that the image lacks is not read.
            let values = Lanes(std::array::from_fn(|lane| rest.get(lane).copied().unwrap_or(0.0)));
            *last = last.with(values);
        }
        zero += rest.iter().map(|v| 0.0 * v).sum::<f32>();
        let Spans { low, high } = of_rows[n];
        let low = low.0.into_iter().chain(rest.iter().copied()).fold(f32::INFINITY, lower);
        let high = high.0.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, upper);
        Span { low, high }
    });
    (spans, zero)
}

/// Pixels at both ends of the span of the image.
#[inline(always)]
fn count_ends(row: &[f32], span: Span) -> [u32; 2] {
    let (mut low, mut high) = (0u32, 0u32);
    for value in row {
        // Wrapping, or the check for an overflow that cannot be keeps the loop from being vectorised.
        low = low.wrapping_add(u32::from(*value == span.low));
        high = high.wrapping_add(u32::from(*value == span.high));
    }
    [low, high]
}

/// What lies between the constant margins at both ends. A margin has one level: the one at the edge.
fn inside(lines: &[Span], span: f32) -> Range<usize> {
    let tolerance = TOLERANCE * span;
    let margin = |from: &mut dyn Iterator<Item = &Span>| {
        let mut level = EMPTY;
        let mut n = 0;
        for line in from {
            level = Span { low: lower(level.low, line.low), high: upper(level.high, line.high) };
            if tolerance < level.high - level.low {
                break;
            }
            n += 1;
        }
        n
    };
    let before = margin(&mut lines.iter());
    let after = margin(&mut lines.iter().rev());
    before..(lines.len() - after).max(before)
}
