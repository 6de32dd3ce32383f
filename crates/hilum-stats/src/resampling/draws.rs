use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Draws with replacement for one resample. Each resample has a ChaCha stream of its own, so that its draws depend on the
/// seed and its number only, not on which thread makes them.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    pub(crate) fn new(seed: u64, resample: u32) -> Draws {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(u64::from(resample));
        Draws(generator)
    }

    /// Uniform in 0..n without bias (Lemire, ACM TOMACS 29 (2019) 3).
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        let mut product = u64::from(self.0.next_u32()) * u64::from(n);
        if (product as u32) < n {
            let refuse_below = n.wrapping_neg() % n;
            while (product as u32) < refuse_below {
                product = u64::from(self.0.next_u32()) * u64::from(n);
            }
        }
        (product >> 32) as u32
    }

    /// Uniform in (0, 1]: 53 bits, never 0, so that its logarithm is finite.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / 9_007_199_254_740_992.0
    }

    /// Standard normal (Box & Muller, Ann. Math. Stat. 29 (1958) 610-611).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Moves `n` random cases to the front, each set of them equally likely (Fisher & Yates). `n` is at most their number.
    pub(crate) fn deal<T>(&mut self, cases: &mut [T], n: usize) {
        for place in 0..n {
            let rest = (cases.len() - place) as u32;
            cases.swap(place, place + self.below(rest) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60,000 draws from six: chi-squared with 5 degrees of freedom is below 25 with probability 0.9999 (seed fixed).
    #[test]
    fn draws_are_uniform_and_repeat() {
        let mut counts = [0_u32; 6];
        let mut draws = Draws::new(7, 3);
        for _ in 0..60_000 {
            counts[draws.below(6) as usize] += 1;
        }
        let chi2: f64 = counts.iter().map(|&c| (f64::from(c) - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi2 < 25.0, "{counts:?}");
        let take = |seed, resample| -> Vec<u32> {
            let mut draws = Draws::new(seed, resample);
            (0..20).map(|_| draws.below(1000)).collect()
        };
        assert_eq!(take(7, 3), take(7, 3));
        assert_ne!(take(7, 3), take(7, 4));
        assert_ne!(take(7, 3), take(8, 3));
    }
}
