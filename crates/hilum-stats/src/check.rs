//! What every function asks of its input before it computes.

use crate::StatsError;

/// Slices of one length.
pub(crate) fn same_length(what: &'static str, left: usize, right: usize) -> Result<(), StatsError> {
    if left == right { Ok(()) } else { Err(StatsError::LengthMismatch { what, left, right }) }
}

/// At least `needed` of something.
pub(crate) fn at_least(what: &'static str, of: &'static str, needed: u64, found: u64) -> Result<(), StatsError> {
    if needed <= found { Ok(()) } else { Err(StatsError::TooFew { what, of, needed, found }) }
}

/// Finite values only, and not more of them than a 32-bit position can name.
pub(crate) fn finite(what: &'static str, values: &[f64]) -> Result<(), StatsError> {
    if u32::try_from(values.len()).is_err() {
        let value = format!("{} values", values.len());
        return Err(StatsError::OutOfRange { what, index: 0, value, range: "at most 4,294,967,295 values" });
    }
    // All of them first, without a branch for each: nearly always that is the answer.
    if values.iter().fold(true, |finite, v| finite & v.is_finite()) {
        return Ok(());
    }
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(StatsError::OutOfRange { what, index, value: values[index].to_string(), range: "the finite numbers" })
        }
    }
}

/// Probabilities in [0, 1].
pub(crate) fn probabilities(what: &'static str, values: &[f64]) -> Result<(), StatsError> {
    finite(what, values)?;
    match values.iter().position(|v| !(0.0..=1.0).contains(v)) {
        None => Ok(()),
        Some(index) => Err(StatsError::OutOfRange { what, index, value: values[index].to_string(), range: "[0, 1]" }),
    }
}

/// One number in an open or closed range that `inside` knows.
pub(crate) fn number(
    what: &'static str,
    value: f64,
    range: &'static str,
    inside: impl Fn(f64) -> bool,
) -> Result<(), StatsError> {
    if value.is_finite() && inside(value) {
        return Ok(());
    }
    Err(StatsError::OutOfRange { what, index: 0, value: value.to_string(), range })
}

/// How many are true; in bytes first, of which the processor adds many at once.
pub(crate) fn n_true(flags: &[bool]) -> usize {
    let of_block = |block: &[bool]| block.iter().fold(0_u8, |n, &flag| n.wrapping_add(u8::from(flag)));
    flags.chunks(255).map(|block| usize::from(of_block(block))).sum()
}

/// Labels with finite scores, at least `each` of both classes; answers with numbers of positives and negatives.
pub(crate) fn two_classes(
    what: &'static str,
    labels: &[bool],
    scores: &[f64],
    each: u64,
) -> Result<(usize, usize), StatsError> {
    same_length(what, labels.len(), scores.len())?;
    finite(what, scores)?;
    let n_positive = n_true(labels);
    let n_negative = labels.len() - n_positive;
    at_least(what, "positives", each, n_positive as u64)?;
    at_least(what, "negatives", each, n_negative as u64)?;
    Ok((n_positive, n_negative))
}
