//! Drift: reference vectors, scipy, the traps in which published tools go wrong, laws, and hostile input.

mod hostile;
mod laws;
mod peers;
mod traps;
pub(crate) mod vectors;

use hilum_stats::drift::SortedSample;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Normal values from a seed (Box & Muller).
fn normal(seed: u64, n: usize, mean: f64, deviation: f64) -> Vec<f64> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || ((generator.next_u64() >> 11) + 1) as f64 / 9_007_199_254_740_992.0;
    let mut one = || mean + deviation * (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    (0..n).map(|_| one()).collect()
}

fn sorted(values: &[f64]) -> SortedSample {
    SortedSample::new(values.to_vec()).unwrap()
}
