use super::bins::{Bins, LARGEST, place_of, value_at};
use super::code::{Reader, Writer};
use super::{SketchError, count};

/// A number of many studies: bins for quantiles and distances, moments for mean and spread.
///
/// Counts, least and greatest merge exactly, mean and squares to rounding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numbers {
    bins: Bins,
    n_invalid: u64,
    moments: Moments,
}

/// Of numbers within [`LARGEST`] of zero: one value of 1e300 would leave nothing else of a mean.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Moments {
    n: u64,
    mean: f64,
    /// Sum of squared differences from the mean.
    squares: f64,
    min: f64,
    max: f64,
}

impl Moments {
    fn of(value: f64) -> Moments {
        Moments { n: 1, mean: value, squares: 0.0, min: value, max: value }
    }

    /// Chan, Golub, LeVeque, Am. Stat. 37 (1983) 242-247.
    fn merge(&mut self, other: &Moments) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *other;
            return;
        }
        let n = self.n.saturating_add(other.n);
        let (mine, theirs) = (self.n as f64, other.n as f64);
        let step = other.mean - self.mean;
        self.mean += step * (theirs / (mine + theirs));
        self.squares += other.squares + step * step * (mine / (mine + theirs)) * theirs;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.n = n;
    }
}

impl Numbers {
    /// Count a number; what is none is counted as invalid.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            count(&mut self.n_invalid, 1);
            return;
        }
        // One zero: which of two comes first as the smallest would depend on the order of merging.
        let value = value + 0.0;
        self.bins.add(place_of(value), 1);
        if value.abs() <= LARGEST {
            self.moments.merge(&Moments::of(value));
        }
    }

    /// Add what another counted.
    pub fn merge(&mut self, other: &Numbers) {
        self.bins.merge(&other.bins);
        count(&mut self.n_invalid, other.n_invalid);
        self.moments.merge(&other.moments);
    }

    /// Numbers counted, those beyond the axis among them.
    pub fn n(&self) -> u64 {
        self.bins.n()
    }

    /// Values that are no number.
    pub fn n_invalid(&self) -> u64 {
        self.n_invalid
    }

    /// Mean of the numbers on the axis; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        (0 < self.moments.n).then_some(self.moments.mean)
    }

    /// Standard deviation (with n - 1) of the numbers on the axis; `None` for fewer than two.
    pub fn sd(&self) -> Option<f64> {
        let Moments { n, squares, .. } = self.moments;
        (1 < n).then(|| (squares.max(0.0) / (n - 1) as f64).sqrt())
    }

    /// Least and greatest number on the axis; exact.
    pub fn range(&self) -> Option<(f64, f64)> {
        (0 < self.moments.n).then_some((self.moments.min, self.moments.max))
    }

    /// The number that `share` of the others do not exceed, within 1 % of the exact lower quantile
    /// (`numpy.quantile(..., method="lower")`), or within 1e-9 of it around zero. `None` without numbers.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let n = self.n();
        let rank = (share.clamp(0.0, 1.0) * (n.checked_sub(1)? as f64)).floor() as u64;
        let mut below = 0_u64;
        for (place, n_here) in self.bins.iter() {
            below = below.saturating_add(n_here);
            if rank < below {
                let value = value_at(place);
                let is_on_axis = value.abs() < LARGEST && 0 < self.moments.n;
                return Some(match rank {
                    _ if !is_on_axis => value,
                    0 => self.moments.min,
                    rank if rank + 1 == n => self.moments.max,
                    _ => value.clamp(self.moments.min, self.moments.max),
                });
            }
        }
        None
    }

    pub(super) fn bins(&self) -> &Bins {
        &self.bins
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.count(self.n_invalid);
        self.bins.write(out);
        let Moments { n, mean, squares, min, max } = self.moments;
        match n {
            0 => {}
            1 => out.double(mean),
            _ => [mean, squares, min, max].into_iter().for_each(|double| out.double(double)),
        }
    }

    pub(super) fn merge_read(&mut self, from: &mut Reader<'_>) -> Result<(), SketchError> {
        count(&mut self.n_invalid, from.count()?);
        let (n_all, n_beyond) = self.bins.merge_read(from)?;
        let moments = match n_all.saturating_sub(n_beyond) {
            0 => Moments::default(),
            1 => Moments::of(on_axis(from)?),
            n => {
                let (mean, squares) = (on_axis(from)?, from.double()?);
                let (min, max) = (on_axis(from)?, on_axis(from)?);
                // No sum of squares is larger, and none that is grows beyond a double by merging.
                let most = n as f64 * 4.001 * LARGEST * LARGEST;
                if !(0.0..=most).contains(&squares) || max < min {
                    return Err(SketchError::Number);
                }
                Moments { n, mean, squares, min, max }
            }
        };
        self.moments.merge(&moments);
        Ok(())
    }
}

fn on_axis(from: &mut Reader<'_>) -> Result<f64, SketchError> {
    let value = from.double()?;
    if value.abs() <= LARGEST { Ok(value) } else { Err(SketchError::Number) }
}
