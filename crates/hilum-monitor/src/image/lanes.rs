//! Eight numbers at a time, and sums over rows of them, that the compiler turns into vector instructions.

use std::array::from_fn;
use std::ops::{Add, Mul, Sub};

pub(super) const WIDTH: usize = 8;
/// Chunks of one lane before the single-precision lanes go into the double-precision total: keeps the relative error of a
/// sum of non-negative terms below 16 units in the last place of single precision, and far below that on average.
const FLUSH: usize = 16;

/// The lower of both; of equal ones, and beside what is no number, `a`.
#[inline(always)]
pub(super) fn lower(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

/// The upper of both; of equal ones, and beside what is no number, `a`.
#[inline(always)]
pub(super) fn upper(a: f32, b: f32) -> f32 {
    if a < b { b } else { a }
}

/// Numbers that are all treated alike. Handed on by value, because references to what may be the same memory keep the
/// compiler from using vectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes(pub(super) [f32; WIDTH]);

impl Lanes {
    #[inline(always)]
    pub(super) fn of(value: f32) -> Lanes {
        Lanes([value; WIDTH])
    }

    #[inline(always)]
    fn with(mut self, other: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
        for (value, other) in self.0.iter_mut().zip(other.0) {
            *value = f(*value, other);
        }
        self
    }

    #[inline(always)]
    pub(super) fn lower(self, other: Lanes) -> Lanes {
        self.with(other, lower)
    }

    #[inline(always)]
    pub(super) fn upper(self, other: Lanes) -> Lanes {
        self.with(other, upper)
    }

    /// 1 where both are equal, 0 elsewhere.
    #[inline(always)]
    pub(super) fn equal(self, other: Lanes) -> Lanes {
        self.with(other, |a, b| if a == b { 1.0 } else { 0.0 })
    }

    #[inline(always)]
    pub(super) fn abs(self) -> Lanes {
        Lanes(self.0.map(f32::abs))
    }
}

impl Add for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn add(self, other: Lanes) -> Lanes {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn sub(self, other: Lanes) -> Lanes {
        self.with(other, |a, b| a - b)
    }
}

impl Mul for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn mul(self, other: Lanes) -> Lanes {
        self.with(other, |a, b| a * b)
    }
}

/// `M` sums over `f` of the elements at the same place of `N` rows of one length; longer ones are cut to the shortest.
#[inline(always)]
pub(super) fn sums<const N: usize, const M: usize>(
    rows: [&[f32]; N],
    f: impl Fn([Lanes; N]) -> [Lanes; M],
) -> [f64; M] {
    let length = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    let rows = rows.map(|row| &row[..length]);
    let chunks = rows.map(|row| row.as_chunks::<WIDTH>().0);
    let whole = length / WIDTH;
    let mut totals = [0.0f64; M];
    let mut start = 0;
    while start < whole {
        let end = (start + FLUSH).min(whole);
        let mut lanes = [Lanes::of(0.0); M];
        for at in start..end {
            let mut now = [Lanes::of(0.0); N];
            for (now, chunks) in now.iter_mut().zip(chunks) {
                *now = Lanes(chunks[at]);
            }
            for (lanes, terms) in lanes.iter_mut().zip(f(now)) {
                *lanes = *lanes + terms;
            }
        }
        flush(&lanes, &mut totals);
        start = end;
    }
    let rest = rows.map(|row| row.as_chunks::<WIDTH>().1);
    let terms = f(rest.map(|row| Lanes(from_fn(|lane| row.get(lane).copied().unwrap_or(0.0)))));
    for (total, terms) in totals.iter_mut().zip(terms) {
        terms.0.into_iter().take(length % WIDTH).for_each(|term| *total += f64::from(term));
    }
    totals
}

/// Never inlined: that lanes are handed on in memory is what makes the compiler keep each eight in a vector until then.
#[inline(never)]
fn flush<const M: usize>(lanes: &[Lanes; M], totals: &mut [f64; M]) {
    for (total, lanes) in totals.iter_mut().zip(lanes) {
        *total += lanes.0.iter().map(|v| f64::from(*v)).sum::<f64>();
    }
}
