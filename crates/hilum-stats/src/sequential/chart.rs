use crate::check::number;
use crate::error::StatsError;
use serde::{Deserialize, Serialize};

/// Two-sided CUSUM chart of standardised values (Page, Biometrika 41 (1954) 100-115).
///
/// `up = max(0, up + z - k)`, `down = max(0, down - z - k)`; the alarm is raised when either exceeds `h`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredCusum")]
pub struct CusumChart {
    reference_value: f64,
    limit: f64,
    n: u64,
    up: f64,
    down: f64,
    up_start: u64,
    down_start: u64,
}

impl CusumChart {
    /// An empty chart with reference value `k` (half the shift looked for, in standard deviations) and limit `h`, which
    /// [`cusum_limit`](super::cusum_limit) finds for a wanted run length.
    ///
    /// # Errors
    /// `OutOfRange` unless `k` is in [0, 100] and `h` in (0, 1000].
    pub fn new(reference_value: f64, limit: f64) -> Result<CusumChart, StatsError> {
        check_cusum(reference_value, limit)?;
        Ok(CusumChart { reference_value, limit, n: 0, up: 0.0, down: 0.0, up_start: 0, down_start: 0 })
    }

    /// Takes in one value: how many standard deviations from the accepted mean.
    ///
    /// # Errors
    /// `OutOfRange` for a value that is not finite; nothing has changed then.
    pub fn update(&mut self, z: f64) -> Result<(), StatsError> {
        number("CUSUM chart", z, "the finite numbers", |_| true)?;
        if self.up == 0.0 {
            self.up_start = self.n;
        }
        if self.down == 0.0 {
            self.down_start = self.n;
        }
        // One value cannot count for more than any chart's limit, or sums would not stay finite.
        let z = z.clamp(-1e6, 1e6);
        self.up = (self.up + z - self.reference_value).clamp(0.0, f64::MAX);
        self.down = (self.down - z - self.reference_value).clamp(0.0, f64::MAX);
        self.n = self.n.saturating_add(1);
        Ok(())
    }

    /// Sums for a rise and for a fall, from 0.
    pub fn sums(&self) -> (f64, f64) {
        (self.up, self.down)
    }

    /// Whether either sum exceeds the limit.
    pub fn alarm(&self) -> bool {
        self.limit < self.up.max(self.down)
    }

    /// Position, from 0, of the value since which the larger sum is above 0: the estimate of the change point.
    pub fn since(&self) -> u64 {
        if self.down < self.up { self.up_start } else { self.down_start }
    }

    /// Values taken in since the beginning or the last reset.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Forgets all values.
    pub fn reset(&mut self) {
        *self = CusumChart { n: 0, up: 0.0, down: 0.0, up_start: 0, down_start: 0, ..*self };
    }
}

pub(super) fn check_cusum(reference_value: f64, limit: f64) -> Result<(), StatsError> {
    number("CUSUM chart", reference_value, "[0, 100] for the reference value", |k| (0.0..=100.0).contains(&k))?;
    number("CUSUM chart", limit, "(0, 1000] for the limit", |h| 0.0 < h && h <= 1000.0)
}

/// EWMA chart of standardised values (Roberts, Technometrics 1 (1959) 239-250): `w = (1 - weight) w + weight z`; the alarm
/// is raised when `|w|` exceeds `limit` of its standard deviations in the long run, `sqrt(weight / (2 - weight))`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredEwma")]
pub struct EwmaChart {
    weight: f64,
    limit: f64,
    n: u64,
    average: f64,
}

impl EwmaChart {
    /// An empty chart with the weight of the newest value and the limit in standard deviations of the average, which
    /// [`ewma_limit`](super::ewma_limit) finds for a wanted run length.
    ///
    /// # Errors
    /// `OutOfRange` unless the weight is in (0, 1] and the limit in (0, 100].
    pub fn new(weight: f64, limit: f64) -> Result<EwmaChart, StatsError> {
        check_ewma(weight, limit)?;
        Ok(EwmaChart { weight, limit, n: 0, average: 0.0 })
    }

    /// Takes in one value: how many standard deviations from the accepted mean.
    ///
    /// # Errors
    /// `OutOfRange` for a value that is not finite; nothing has changed then.
    pub fn update(&mut self, z: f64) -> Result<(), StatsError> {
        number("EWMA chart", z, "the finite numbers", |_| true)?;
        self.average = (1.0 - self.weight) * self.average + self.weight * z.clamp(-1e6, 1e6);
        self.n = self.n.saturating_add(1);
        Ok(())
    }

    /// The average now, in standard deviations of single values.
    pub fn average(&self) -> f64 {
        self.average
    }

    /// Whether the average is beyond the limit on either side.
    pub fn alarm(&self) -> bool {
        self.limit * (self.weight / (2.0 - self.weight)).sqrt() < self.average.abs()
    }

    /// Values taken in since the beginning or the last reset.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Forgets all values.
    pub fn reset(&mut self) {
        *self = EwmaChart { n: 0, average: 0.0, ..*self };
    }
}

pub(super) fn check_ewma(weight: f64, limit: f64) -> Result<(), StatsError> {
    number("EWMA chart", weight, "(0, 1] for the weight", |w| 0.0 < w && w <= 1.0)?;
    number("EWMA chart", limit, "(0, 100] for the limit", |l| 0.0 < l && l <= 100.0)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCusum {
    reference_value: f64,
    limit: f64,
    n: u64,
    up: f64,
    down: f64,
    up_start: u64,
    down_start: u64,
}

impl TryFrom<StoredCusum> for CusumChart {
    type Error = StatsError;

    fn try_from(stored: StoredCusum) -> Result<CusumChart, StatsError> {
        let fresh = CusumChart::new(stored.reference_value, stored.limit)?;
        let StoredCusum { n, up, down, up_start, down_start, .. } = stored;
        for sum in [up, down] {
            number("CUSUM chart", sum, "the numbers from 0 for a stored sum", |v| 0.0 <= v)?;
        }
        Ok(CusumChart { n, up, down, up_start: up_start.min(n), down_start: down_start.min(n), ..fresh })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEwma {
    weight: f64,
    limit: f64,
    n: u64,
    average: f64,
}

impl TryFrom<StoredEwma> for EwmaChart {
    type Error = StatsError;

    fn try_from(stored: StoredEwma) -> Result<EwmaChart, StatsError> {
        let fresh = EwmaChart::new(stored.weight, stored.limit)?;
        number("EWMA chart", stored.average, "the finite numbers for a stored average", |_| true)?;
        Ok(EwmaChart { n: stored.n, average: stored.average, ..fresh })
    }
}
