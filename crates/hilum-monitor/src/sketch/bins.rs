use super::SketchError;
use super::code::{Reader, Writer};

/// A quantile lies within this part of the value it stands for.
pub const RELATIVE_ERROR: f64 = 0.01;

/// What is nearer to zero counts as zero.
pub const SMALLEST: f64 = 1e-9;

/// What is farther from zero is counted beyond the axis, and enters no moment.
pub const LARGEST: f64 = 1e12;

/// Each bin is so many times as wide as the one before it.
const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

/// Place of what is larger than [`LARGEST`]; its negative, of what is as far below zero. Zero is place 0, and the bin at
/// place `p` holds values from `SMALLEST * GAMMA^(p - 1)` to `SMALLEST * GAMMA^p`. The axis has 4,839 places.
pub(super) const BEYOND: i16 = 2_419;

/// Counts on the axis, from the first place that has any to the last one. At most 4,839 numbers, whatever values come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bins {
    first: i16,
    counts: Vec<u64>,
}

/// Place of a finite number on the axis: places rise with numbers.
pub(super) fn place_of(value: f64) -> i16 {
    let size = value.abs();
    let place = if size < SMALLEST {
        0
    } else if LARGEST < size {
        BEYOND
    } else {
        // From 1 to 2,418: the logarithm of 1e21 over that of GAMMA is 2,417.6. The libm crate has the same bits everywhere.
        (libm::log(size / SMALLEST) / libm::log(GAMMA)).floor().clamp(0.0, 2_417.0) as i16 + 1
    };
    if value < 0.0 { -place } else { place }
}

/// The number that stands for a place, within [`RELATIVE_ERROR`] of everything counted there.
pub(super) fn value_at(place: i16) -> f64 {
    let size = match place.unsigned_abs() {
        0 => 0.0,
        2_419.. => LARGEST,
        place => SMALLEST * libm::pow(GAMMA, f64::from(place)) * 2.0 / (GAMMA + 1.0),
    };
    if place < 0 { -size } else { size }
}

impl Bins {
    pub(super) fn add(&mut self, place: i16, n: u64) {
        let at = usize::try_from(i32::from(place) - i32::from(self.first)).ok();
        match at.and_then(|at| self.counts.get_mut(at)) {
            Some(sum) => *sum = sum.saturating_add(n),
            None if n == 0 => {}
            None => self.widen(place, n),
        }
    }

    /// The first number at a place outside of those there are.
    #[cold]
    fn widen(&mut self, place: i16, n: u64) {
        if self.counts.is_empty() {
            self.first = place;
        }
        if place < self.first {
            let n_more = usize::from(self.first.abs_diff(place));
            self.counts.splice(0..0, std::iter::repeat_n(0, n_more));
            self.first = place;
        }
        let at = usize::from(place.abs_diff(self.first));
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] = self.counts[at].saturating_add(n);
    }

    pub(super) fn merge(&mut self, other: &Bins) {
        for (place, n) in other.iter() {
            self.add(place, n);
        }
    }

    /// Places with their counts, by rising place, without empty ones.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i16, u64)> {
        let places = (self.first..=BEYOND).zip(&self.counts);
        places.filter(|(_, n)| 0 < **n).map(|(place, n)| (place, *n))
    }

    /// Numbers counted.
    pub fn n(&self) -> u64 {
        self.counts.iter().fold(0, |sum: u64, n| sum.saturating_add(*n))
    }

    /// Each bin is one varint: twice the step from the bin before, and one more when a varint with its count less two
    /// follows. Most bins of an hour hold one number, and most of a month have a neighbour.
    pub(super) fn write(&self, out: &mut Writer) {
        out.count(self.iter().count() as u64);
        let mut last = -BEYOND;
        for (place, n) in self.iter() {
            out.count(u64::from(place.abs_diff(last)) << 1 | u64::from(1 < n));
            if 1 < n {
                out.count(n - 2);
            }
            last = place;
        }
    }

    /// Adds what was written; says how many numbers it was, and how many of them beyond the axis.
    pub(super) fn merge_read(&mut self, from: &mut Reader<'_>) -> Result<(u64, u64), SketchError> {
        let (mut n_all, mut n_beyond) = (0_u64, 0);
        let mut last = -BEYOND;
        let n_bins = from.length(usize::from(BEYOND.unsigned_abs()) * 2 + 1)?;
        for i in 0..n_bins {
            let word = from.count()?;
            let step = word >> 1;
            if (0 < i && step == 0) || 2 * u64::from(BEYOND.unsigned_abs()) < step {
                return Err(SketchError::Order);
            }
            let place = last + step as i16;
            if BEYOND < place {
                return Err(SketchError::Order);
            }
            let n = if word & 1 == 1 { from.count()?.saturating_add(2) } else { 1 };
            n_all = n_all.saturating_add(n);
            if place.abs() == BEYOND {
                n_beyond += n;
            }
            self.add(place, n);
            last = place;
        }
        Ok((n_all, n_beyond))
    }
}
