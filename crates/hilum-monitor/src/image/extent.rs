//! The first pass: smallest and largest value, and the constant margins of an image.

use std::ops::Range;

/// A margin is constant when its values differ by at most this share of the span of the image: lossy compression of a
/// black margin leaves a little.
const TOLERANCE: f32 = 0.02;

/// What the first pass finds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extent {
    pub(super) low: f32,
    pub(super) high: f32,
    /// Pixels at `low` and at `high`, in the whole image.
    pub(super) n_low: u64,
    pub(super) n_high: u64,
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

#[inline(always)]
fn lower(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

#[inline(always)]
fn upper(a: f32, b: f32) -> f32 {
    if a < b { b } else { a }
}

impl Extent {
    /// `None` when a value, or the distance of smallest and largest, is not finite.
    #[inline(always)]
    pub(super) fn of(values: &[f32], rows: usize, columns: usize) -> Option<Extent> {
        let (mut lows, mut highs) = (vec![f32::INFINITY; columns], vec![f32::NEG_INFINITY; columns]);
        let (mut of_rows, mut ends) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut finite = 0.0;
        for row in values.chunks_exact(columns) {
            for ((value, low), high) in row.iter().zip(&mut lows).zip(&mut highs) {
                *low = lower(*low, *value);
                *high = upper(*high, *value);
            }
            let (span, zero) = row_span(row);
            finite += zero;
            ends.push(count_ends(row, span));
            of_rows.push(span);
        }
        let all = of_rows.iter().fold(EMPTY, |a, b| Span { low: lower(a.low, b.low), high: upper(a.high, b.high) });
        let span = all.high - all.low;
        // The sum of `v - v` is 0 when every value is finite and no number otherwise.
        if finite != 0.0 || !span.is_finite() {
            return None;
        }
        let of_columns: Vec<Span> = lows.into_iter().zip(highs).map(|(low, high)| Span { low, high }).collect();
        let constant = span == 0.0;
        let (mut inner_rows, mut inner_columns) = (inside(&of_rows, span), inside(&of_columns, span));
        // What is left must be large enough to be measured.
        if constant || inner_rows.len() < super::SIDE_MIN || inner_columns.len() < super::SIDE_MIN {
            (inner_rows, inner_columns) = (0..rows, 0..columns);
        }
        let count = |end: usize, is_end: &dyn Fn(&Span) -> bool| {
            let rows = of_rows.iter().zip(&ends).filter(|(span, _)| is_end(span));
            rows.map(|(_, counts)| u64::from(counts[end])).sum()
        };
        let (n_low, n_high) = (count(0, &|row| row.low == all.low), count(1, &|row| row.high == all.high));
        Some(Extent { low: all.low, high: all.high, n_low, n_high, rows: inner_rows, columns: inner_columns, constant })
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

/// Span of a row, and 0 when all its values are finite.
#[inline(always)]
fn row_span(row: &[f32]) -> (Span, f32) {
    let (chunks, rest) = row.as_chunks::<8>();
    let (mut lows, mut highs, mut zeros) = ([f32::INFINITY; 8], [f32::NEG_INFINITY; 8], [0.0f32; 8]);
    for chunk in chunks {
        for lane in 0..8 {
            lows[lane] = lower(lows[lane], chunk[lane]);
            highs[lane] = upper(highs[lane], chunk[lane]);
            // Zero times a finite number is 0, times anything else it is not a number.
            zeros[lane] += 0.0 * chunk[lane];
        }
    }
    let low = lows.into_iter().chain(rest.iter().copied()).fold(f32::INFINITY, lower);
    let high = highs.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, upper);
    (Span { low, high }, zeros.into_iter().chain(rest.iter().map(|v| 0.0 * v)).sum())
}

/// Pixels of a row at both ends of its span.
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
