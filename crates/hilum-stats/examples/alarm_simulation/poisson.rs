//! How large a rate may be behind a count.

/// Exact upper bound, one-sided 95 %, of the mean of a Poisson count.
pub(crate) fn upper(count: u64) -> f64 {
    let at_most = |mean: f64| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=count {
            term *= mean / k as f64;
            sum += term;
        }
        sum
    };
    if 500 < count {
        // The sum above underflows; the normal approximation is good to a thousandth here.
        return (count as f64) + 1.645 * (count as f64).sqrt() + 1.0;
    }
    let (mut low, mut high) = (count as f64, count as f64 * 2.0 + 10.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if 0.05 < at_most(middle) { low = middle } else { high = middle }
    }
    high
}
