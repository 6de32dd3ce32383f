//! Seeded draws for simulations: the seed is an argument, so that the same simulation gives the same figures anywhere.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Draws of one run. Each run has a ChaCha stream of its own, so that they depend on the seed and its number only, not on
/// which thread makes them.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The draws of run `run` of the simulation with this seed.
    pub fn new(seed: u64, run: u64) -> Chance {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(run);
        Chance(generator)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A number below `n`, which is at least 1; the bias is below `n / 2^53`.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n - 1)
    }

    /// Standard normal (Box & Muller, Ann. Math. Stat. 29 (1958) 610).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Gamma with shape `a > 0` and scale 1 (Marsaglia & Tsang, ACM TOMS 26 (2000) 363).
    fn gamma(&mut self, a: f64) -> f64 {
        if a < 1.0 {
            return self.gamma(a + 1.0) * (1.0 - self.uniform()).powf(1.0 / a);
        }
        let d = a - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if 0.0 < v && (1.0 - self.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta with parameters above 0.
    pub(crate) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        // Both can only be 0 for parameters near 0, where the mass sits at the ends.
        if 0.0 < x + y { x / (x + y) } else { f64::from(u8::from(self.happens(a / (a + b)))) }
    }
}

/// Whole order of 0..n, shuffled (Fisher & Yates).
pub(crate) fn shuffled(n: usize, chance: &mut Chance) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for place in (1..n).rev() {
        order.swap(place, chance.below(place + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Means and variances of 100,000 draws within five standard errors of theirs (seed fixed).
    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let mut chance = Chance::new(3, 1);
        let mut moments = |mean: f64, variance: f64, draw: &dyn Fn(&mut Chance) -> f64| {
            let draws: Vec<f64> = (0..100_000).map(|_| draw(&mut chance)).collect();
            let found = draws.iter().sum::<f64>() / 1e5;
            let spread = draws.iter().map(|x| (x - found).powi(2)).sum::<f64>() / 1e5;
            assert!((found - mean).abs() < 5.0 * (variance / 1e5).sqrt(), "{found} for {mean}");
            assert!((spread / variance - 1.0).abs() < 0.05, "{spread} for {variance}");
        };
        moments(0.0, 1.0, &|chance| chance.normal());
        moments(0.5, 1.0 / 12.0, &|chance| chance.uniform());
        for (a, b) in [(0.5, 0.5), (3.0, 9.0), (80.5, 4.5)] {
            let total: f64 = a + b;
            moments(a / total, a * b / (total * total * (total + 1.0)), &|chance| chance.beta(a, b));
        }
        moments(4.5, 8.25, &|chance| chance.below(10) as f64);
    }
}
