//! Confidence sequences hold the truth at all moments together, and equal their definitions.

use crate::chance::Chance;
use crate::support::close;
use hilum_stats::sequential::*;
use hilum_stats::{Estimate, StatsError};
use proptest::prelude::*;

/// Whether an interval ever loses the truth, in each of many runs: at most `1 - level` of them, but for chance.
#[track_caller]
fn holds_throughout(what: &str, level: f64, runs: u32, mut lost: impl FnMut(&mut Chance) -> bool) {
    let mut chance = Chance::new(8, 0);
    let n_lost = (0..runs).filter(|_| lost(&mut chance)).count();
    let (share, alpha) = (n_lost as f64 / f64::from(runs), 1.0 - level);
    println!("{what}: lost in {share:.3} of {runs}");
    assert!(share <= alpha + 3.0 * (alpha * level / f64::from(runs)).sqrt(), "{what}: {share}");
}

fn outside(estimate: &Estimate, truth: f64) -> bool {
    truth < estimate.lower || estimate.upper < truth
}

#[test]
fn rate_sequences_hold_the_rate_at_all_moments_together() {
    type Sequence = fn(u64, u64, f64) -> Result<Estimate, StatsError>;
    let sequences: [(&str, Sequence); 3] =
        [("both", rate_sequence), ("upper", rate_upper_sequence), ("lower", rate_lower_sequence)];
    for (name, sequence) in sequences {
        for rate in [0.02, 0.5, 0.9] {
            holds_throughout(&format!("{name} {rate}"), 0.9, 200, |chance| {
                let mut successes = 0;
                (1..=250_u64).any(|n| {
                    successes += u64::from(chance.happens(rate));
                    outside(&sequence(successes, n, 0.9).unwrap(), rate)
                })
            });
        }
    }
}

/// An interval for one moment, looked at always, does not hold: the test above can fail.
#[test]
fn intervals_for_one_moment_lose_the_rate_when_looked_at_always() {
    let mut chance = Chance::new(8, 0);
    let lost = |chance: &mut Chance| {
        let mut successes = 0;
        (1..=400_u64).any(|n| {
            successes += u64::from(chance.happens(0.5));
            outside(&hilum_stats::wilson(successes, n, 0.9).unwrap(), 0.5)
        })
    };
    assert!(100 < (0..250).filter(|_| lost(&mut chance)).count());
}

#[test]
fn mean_sequences_hold_the_mean_at_all_moments_together() {
    type Draw = fn(&mut Chance) -> f64;
    let draws: [(&str, f64, Draw); 3] = [
        ("two values", 0.3, |chance| f64::from(u8::from(chance.happens(0.3)))),
        ("uniform", 0.5, Chance::uniform),
        ("narrow", 0.85, |chance| 0.8 + 0.1 * chance.uniform()),
    ];
    for (name, mean, draw) in draws {
        holds_throughout(&format!("empirical Bernstein, {name}"), 0.9, 300, |chance| {
            let mut sequence = MeanSequence::new(0.9).unwrap();
            (0..600).any(|_| {
                sequence.update(draw(chance)).unwrap();
                outside(&sequence.estimate().unwrap(), mean)
            })
        });
        holds_throughout(&format!("betting, {name}"), 0.9, 100, |chance| {
            let values: Vec<f64> = (0..150).map(|_| draw(chance)).collect();
            (1..=values.len()).any(|n| outside(&betting_sequence(&values[..n], 0.9).unwrap(), mean))
        });
    }
}

/// By definition: products of the bets on a grid of means (theorem 3), and the sums of theorem 2, from the whole slice.
#[test]
fn sequences_of_means_equal_their_definitions() {
    let mut chance = Chance::new(9, 0);
    let values: Vec<f64> = (0..120).map(|_| 0.6 + 0.4 * chance.uniform().powi(2)).collect();
    let level = 0.95_f64;
    let prefix_mean = |n: usize| (0.5 + values[..n].iter().sum::<f64>()) / (n as f64 + 1.0);
    let bet = |t: usize| {
        let squares = (1..t).map(|i| (values[i - 1] - prefix_mean(i)).powi(2)).sum::<f64>();
        let variance = (0.25 + squares) / t as f64;
        let n = t as f64;
        (2.0 * (2.0 / (1.0 - level)).ln() / (variance * n * (1.0 + n).ln())).sqrt()
    };
    let bets: Vec<f64> = (1..=values.len()).map(bet).collect();

    let capped: Vec<f64> = bets.iter().map(|b| b.min(0.5)).collect();
    let sum: f64 = capped.iter().sum();
    let centre = capped.iter().zip(&values).map(|(b, x)| b * x).sum::<f64>() / sum;
    let penalty = |i: usize| 4.0 * (values[i] - prefix_mean(i)).powi(2) * (-(1.0 - capped[i]).ln() - capped[i]) / 4.0;
    let half = ((2.0 / (1.0 - level)).ln() + (0..values.len()).map(penalty).sum::<f64>()) / sum;
    let mut sequence = MeanSequence::new(level).unwrap();
    values.iter().for_each(|&v| sequence.update(v).unwrap());
    let estimate = sequence.estimate().unwrap();
    close("lower", estimate.lower, centre - half, 1e-12);
    close("upper", estimate.upper, centre + half, 1e-12);

    let betting = betting_sequence(&values, level).unwrap();
    assert!(estimate.lower < betting.lower && betting.upper < estimate.upper, "betting is narrower");
    for step in 1..1000 {
        let mean = f64::from(step) / 1000.0;
        let capital = |sign: f64| {
            let cap = if 0.0 < sign { 0.5 / mean } else { 0.5 / (1.0 - mean) };
            bets.iter().zip(&values).map(|(b, x)| 1.0 + sign * b.min(cap) * (x - mean)).product::<f64>()
        };
        let excluded = 2.0 / (1.0 - level) <= capital(1.0).max(capital(-1.0));
        assert_eq!(excluded, mean <= betting.lower || betting.upper <= mean, "{mean}: {betting:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn sequences_are_ordered_and_narrow_with_the_level(
        successes in 0_u64..2000, more in 0_u64..2000, level in 0.66_f64..0.98, values in prop::collection::vec(0.0_f64..=1.0, 1..60),
    ) {
        let trials = successes + more;
        for sequence in [rate_sequence, rate_upper_sequence, rate_lower_sequence] {
            if trials == 0 {
                prop_assert!(sequence(successes, trials, level).is_err());
                continue;
            }
            let (narrow, wide) = (sequence(successes, trials, level).unwrap(), sequence(successes, trials, level + 0.01).unwrap());
            prop_assert!(0.0 <= narrow.lower && narrow.lower <= narrow.value && narrow.value <= narrow.upper && narrow.upper <= 1.0);
            prop_assert!(wide.lower <= narrow.lower && narrow.upper <= wide.upper, "{:?} {:?}", narrow, wide);
        }
        if 0 < trials {
            let (upper, lower) = (rate_upper_sequence(successes, trials, level).unwrap(), rate_lower_sequence(more, trials, level).unwrap());
            prop_assert!((1.0 - upper.upper - lower.lower).abs() < 1e-12);
        }
        let betting = betting_sequence(&values, level).unwrap();
        prop_assert!(0.0 <= betting.lower && betting.lower <= betting.value && betting.value <= betting.upper && betting.upper <= 1.0);
    }
}
