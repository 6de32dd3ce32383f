use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Draws with replacement for one resample. Each resample has a ChaCha stream of its own, so that its draws depend on the
/// seed and its number only, not on which thread makes them.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    pub(super) fn new(seed: u64, resample: u32) -> Draws {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(u64::from(resample));
        Draws(generator)
    }

    /// Uniform in 0..n without bias (Lemire, ACM TOMACS 29 (2019) 3).
    pub(super) fn below(&mut self, n: u32) -> u32 {
        let mut product = u64::from(self.0.next_u32()) * u64::from(n);
        if (product as u32) < n {
            let refuse_below = n.wrapping_neg() % n;
            while (product as u32) < refuse_below {
                product = u64::from(self.0.next_u32()) * u64::from(n);
            }
        }
        (product >> 32) as u32
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
