use crate::error::StatsError;

/// No hospital has more cases; a search that goes on has no end.
const CASES_MAX: u64 = 10_000_000;

/// Smallest number from which on `enough` holds, where it turns true once but may flicker there: the exact power of counts
/// goes up in a sawtooth, of which `period` numbers are looked at beyond the first that holds.
pub(super) fn smallest(
    what: &'static str,
    period: u64,
    enough: impl Fn(u64) -> Result<bool, StatsError>,
) -> Result<u64, StatsError> {
    let (mut low, mut high) = (1, 2);
    while !enough(high)? {
        if CASES_MAX < high {
            return Err(StatsError::Undefined { what, why: "not even ten million cases would do" });
        }
        (low, high) = (high, high * 2);
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if enough(middle)? { high = middle } else { low = middle }
    }
    let (mut candidate, mut next) = (high, high + 1);
    while next <= candidate + period {
        if !enough(next)? {
            candidate = next + 1;
        }
        next += 1;
    }
    Ok(candidate)
}

/// A power to aim for.
pub(super) fn check_power(what: &'static str, power: f64) -> Result<(), StatsError> {
    crate::check::number(what, power, "(0, 1)", |p| 0.0 < p && p < 1.0)
}
