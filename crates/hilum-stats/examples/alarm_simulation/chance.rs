//! Seeded draws, one ChaCha stream per run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

pub(crate) struct Chance(ChaCha8Rng, Option<f64>);

impl Chance {
    pub(crate) fn new(seed: u64, run: u64) -> Chance {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(run);
        Chance(generator, None)
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal (Box & Muller), two at a time.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(second) = self.1.take() {
            return second;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.1 = Some(radius * sine);
        radius * cosine
    }
}
