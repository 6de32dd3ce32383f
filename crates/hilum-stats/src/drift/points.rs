use super::Moments;
use crate::StatsError;
use crate::check;

/// Points of several numbers each, such as embeddings: row after row, each of `dimensions` finite numbers.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    values: &'a [f64],
    dimensions: usize,
}

const WHAT: &str = "comparison of points";

impl<'a> Points<'a> {
    /// Checks that the values are whole rows of finite numbers, no larger than 1e100, whose squares add up.
    ///
    /// # Errors
    /// `TooFew` without dimensions or values; `LengthMismatch` when the last row is not whole; `OutOfRange` for a value that
    /// is not finite or too large.
    pub fn new(values: &'a [f64], dimensions: usize) -> Result<Points<'a>, StatsError> {
        check::at_least(WHAT, "dimensions", 1, dimensions as u64)?;
        check::at_least(WHAT, "values", 1, values.len() as u64)?;
        let whole = values.len() / dimensions * dimensions;
        check::same_length(WHAT, values.len(), whole)?;
        check::finite(WHAT, values)?;
        match values.iter().position(|v| 1e100 < v.abs()) {
            None => Ok(Points { values, dimensions }),
            Some(index) => {
                let value = values[index].to_string();
                Err(StatsError::OutOfRange { what: WHAT, index, value, range: "the numbers from -1e100 to 1e100" })
            }
        }
    }

    /// Number of points; at least 1.
    pub fn n(&self) -> usize {
        self.values.len() / self.dimensions
    }

    /// Numbers in each point.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The points, one after the other.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [f64]> + 'a {
        self.values.chunks_exact(self.dimensions)
    }
}

/// Refuses points of different dimensions, and samples of less than `each` points; answers with both sizes.
pub(super) fn check_pair(
    what: &'static str,
    reference: Points<'_>,
    current: Points<'_>,
    each: u64,
) -> Result<(u64, u64), StatsError> {
    check::same_length(what, reference.dimensions, current.dimensions)?;
    let sizes = (reference.n() as u64, current.n() as u64);
    check::at_least(what, "points in each sample", each, sizes.0.min(sizes.1))?;
    // Positions of the pooled points have 32 bits.
    if u32::try_from(sizes.0 + sizes.1).is_err() {
        return Err(StatsError::Undefined { what, why: "more than 4,294,967,295 points; draw a sample of them" });
    }
    Ok(sizes)
}

/// Mean and standard deviation of each dimension over both samples; a deviation of 0 reads 1.
pub(super) fn pooled_scale(reference: Points<'_>, current: Points<'_>) -> Result<Vec<(f64, f64)>, StatsError> {
    let mut moments = vec![Moments::default(); reference.dimensions];
    for row in reference.rows().chain(current.rows()) {
        for (moments, &value) in moments.iter_mut().zip(row) {
            moments.add(value)?;
        }
    }
    let of = |moments: &Moments| {
        let deviation = moments.variance().unwrap_or(0.0).sqrt();
        (moments.mean().unwrap_or(0.0), if 0.0 < deviation { deviation } else { 1.0 })
    };
    Ok(moments.iter().map(of).collect())
}
