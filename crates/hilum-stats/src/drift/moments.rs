use crate::StatsError;
use serde::{Deserialize, Serialize};

/// Number, mean and squared deviations of a stream, without keeping it (Welford, Technometrics 4 (1962) 419-420; merged after
/// Chan, Golub & LeVeque, 1979).
///
/// Feed it [winsorised](super::ReferenceBins::winsorised) values, or one corrupt one decides.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    n: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of a slice.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn of(values: &[f64]) -> Result<Moments, StatsError> {
        let mut moments = Moments::default();
        for &value in values {
            moments.add(value)?;
        }
        Ok(moments)
    }

    /// One more value.
    ///
    /// # Errors
    /// `OutOfRange` when it is not finite; the moments stay as they were.
    pub fn add(&mut self, value: f64) -> Result<(), StatsError> {
        crate::check::number("mean of a stream", value, "the finite numbers", |_| true)?;
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
        Ok(())
    }

    /// What both streams together amount to; equal to one stream up to rounding.
    pub fn merge(&mut self, other: &Moments) {
        if other.n == 0 {
            return;
        }
        let n = self.n + other.n;
        let apart = other.mean - self.mean;
        let share = other.n as f64 / n as f64;
        self.squares += other.squares + apart * apart * self.n as f64 * share;
        self.mean += apart * share;
        self.n = n;
    }

    /// Number of values.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Their mean; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (0 < self.n).then_some(self.mean)
    }

    /// Their variance with `n - 1`; `None` with less than two values.
    pub fn variance(&self) -> Option<f64> {
        (1 < self.n).then(|| self.squares / (self.n - 1) as f64)
    }
}
