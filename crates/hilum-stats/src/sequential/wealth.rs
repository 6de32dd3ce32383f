use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// Two to the 512th.
const SCALE: f64 = f64::from_bits((1023 + 512) << 52);

/// A positive number too large for 64 bits: `mantissa * 2^(512 * exponent)`. Evidence grows exponentially once something is
/// wrong, and nobody may be there to reset it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Scaled {
    pub(super) mantissa: f64,
    pub(super) exponent: u32,
}

impl Scaled {
    pub(super) const ZERO: Scaled = Scaled { mantissa: 0.0, exponent: 0 };

    fn times(self, factor: f64) -> Scaled {
        let Scaled { mut mantissa, mut exponent } = self;
        mantissa *= factor;
        if SCALE <= mantissa {
            mantissa /= SCALE;
            exponent += 1;
        } else if 0 < exponent && mantissa < 1.0 {
            mantissa *= SCALE;
            exponent -= 1;
        }
        Scaled { mantissa, exponent }
    }

    /// Natural logarithm; minus infinity for 0.
    pub(super) fn ln(self) -> f64 {
        self.mantissa.ln() + f64::from(self.exponent) * 512.0 * LN_2
    }

    fn is_sound(self) -> bool {
        let from = if 0 < self.exponent { 1.0 } else { 0.0 };
        (from..SCALE).contains(&self.mantissa)
    }
}

/// What one bet has won so far: the two recursions of an e-detector, and the start that explains the events best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wealth {
    /// Shiryaev-Roberts: the sum over all starts of the product of the factors since.
    pub(super) sum: Scaled,
    /// CUSUM: the largest of these products.
    pub(super) largest: Scaled,
    /// Position of the event, from 0, at which the largest product starts.
    pub(super) start: u64,
}

impl Wealth {
    pub(super) const NOTHING: Wealth = Wealth { sum: Scaled::ZERO, largest: Scaled::ZERO, start: 0 };

    /// Takes in the factor of event `position`: its likelihood ratio, or what the bet pays.
    pub(super) fn update(&mut self, factor: f64, position: u64) {
        // Beyond 2^512, one more is below the last bit.
        let sum = if self.sum.exponent == 0 { self.sum.mantissa + 1.0 } else { self.sum.mantissa };
        self.sum = Scaled { mantissa: sum, ..self.sum }.times(factor);
        if self.largest.exponent == 0 && self.largest.mantissa <= 1.0 {
            self.start = position;
            self.largest = Scaled { mantissa: 1.0, exponent: 0 };
        }
        self.largest = self.largest.times(factor);
    }

    /// Whether a stored value could have come from updates: `n` events.
    pub(super) fn is_sound(&self, n: u64) -> bool {
        // No factor is above 2^20, so 16 events do not fill 512 bits, with room for the number of starts.
        let reached = |part: Scaled| part.is_sound() && u64::from(part.exponent) <= n / 16;
        reached(self.sum) && reached(self.largest) && self.start <= n.saturating_sub(1)
    }
}

/// Weighted sum of numbers, and its logarithm. The sum is [`f64::MAX`] where it would be more.
pub(super) fn weighted_sum(parts: impl Iterator<Item = (f64, Scaled)> + Clone) -> (f64, f64) {
    let largest = parts.clone().map(|(_, part)| part.exponent).max().unwrap_or(0);
    if largest == 0 {
        let sum: f64 = parts.map(|(weight, part)| weight * part.mantissa).sum();
        return (sum, sum.ln());
    }
    let top = parts.clone().map(|(weight, part)| weight.ln() + part.ln()).fold(f64::NEG_INFINITY, f64::max);
    let ln = top + parts.map(|(weight, part)| (weight.ln() + part.ln() - top).exp()).sum::<f64>().ln();
    (ln.exp().min(f64::MAX), ln)
}
