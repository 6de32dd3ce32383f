use super::steps::Steps;
use super::{Comparison, SortedSample};
use crate::StatsError;

/// Wasserstein distance of order 1 (earth mover's): the mean distance that the cases of one sample must move to become the
/// other, in the unit of the values (Vallender, Theory Probab. Appl. 18 (1974) 784-786).
///
/// Exact on raw values, and therefore moved by a single corrupt one; [`ReferenceBins::wasserstein`](super::ReferenceBins) is
/// not.
///
/// # Errors
/// `Undefined` when values lie so far apart that their difference is infinite.
///
/// # Examples
/// ```
/// use hilum_stats::drift::{SortedSample, wasserstein};
/// let sample = |values: &[f64]| SortedSample::new(values.to_vec()).unwrap();
/// let moved = wasserstein(&sample(&[0.0, 1.0, 3.0]), &sample(&[5.0, 6.0, 8.0])).unwrap();
/// assert_eq!(moved.value, 5.0);
/// ```
pub fn wasserstein(reference: &SortedSample, current: &SortedSample) -> Result<Comparison, StatsError> {
    let value = integral(reference, current, |difference| difference.abs());
    Comparison::distance("Wasserstein distance", value, (reference.n(), current.n()), "wasserstein/exact")
}

/// Energy distance between two samples of one number: `sqrt(2 integral (F - G)^2)` (Szekely & Rizzo, J. Stat. Plan. Inference
/// 143 (2013) 1249-1272; as `scipy.stats.energy_distance`).
///
/// # Errors
/// As [`wasserstein`].
pub fn energy_distance(reference: &SortedSample, current: &SortedSample) -> Result<Comparison, StatsError> {
    let value = (2.0 * integral(reference, current, |difference| difference * difference)).sqrt();
    Comparison::distance("energy distance", value, (reference.n(), current.n()), "energy/exact")
}

/// Integral of a function of the difference of the two distribution functions.
fn integral(reference: &SortedSample, current: &SortedSample, of: impl Fn(f64) -> f64) -> f64 {
    let (n, m) = (reference.n() as f64, current.n() as f64);
    let (mut sum, mut last, mut height) = (0.0, None, 0.0);
    for step in Steps::new(reference, current) {
        // Where both functions agree, any width counts nothing; 0 times infinity would not.
        if let Some(last) = last
            && height != 0.0
        {
            sum += height * (step.value - last);
        }
        let [a, b] = step.reached();
        height = of(a as f64 / n - b as f64 / m);
        last = Some(step.value);
    }
    sum
}
