//! Intervals hold the truth as often as they say: simulation from known models, seeded.

use hilum_stats::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

struct Chance(ChaCha8Rng);

impl Chance {
    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal (Box & Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Share of `repeats` in which an interval of 95 % holds `truth` lies within four standard errors, and two points for
/// approximation, of that.
#[track_caller]
fn covers(what: &str, truth: f64, repeats: u32, mut interval: impl FnMut(&mut Chance) -> Estimate) {
    let mut chance = Chance(ChaCha8Rng::seed_from_u64(20_261_126));
    let mut held = 0;
    for _ in 0..repeats {
        let estimate = interval(&mut chance);
        held += u32::from(estimate.lower <= truth && truth <= estimate.upper);
    }
    let share = f64::from(held) / f64::from(repeats);
    let tolerance = 4.0 * (0.95 * 0.05 / f64::from(repeats)).sqrt() + 0.02;
    println!("{what}: {share:.3} of {repeats}");
    assert!((share - 0.95).abs() < tolerance, "{what}: {share} instead of 0.95");
}

#[test]
fn kappa_covers() {
    for weights in [KappaWeights::None, KappaWeights::Linear, KappaWeights::Quadratic] {
        // The second repeats the first with probability 0.6 and else guesses alike, so any kappa is 0.6.
        covers("kappa", 0.6, 1500, |chance| {
            let category = |chance: &mut Chance| (chance.uniform() * 4.0) as u32;
            let pairs = (0..120).map(|_| {
                let first = category(chance);
                (first, if chance.happens(0.6) { first } else { category(chance) })
            });
            let (first, second): (Vec<u32>, Vec<u32>) = pairs.collect();
            cohen_kappa(&first, &second, 4, weights, 0.95).unwrap().kappa
        });
    }
}

#[test]
fn matthews_covers() {
    let (prevalence, sensitivity, specificity) = (0.3_f64, 0.8_f64, 0.85_f64);
    let called = prevalence * sensitivity + (1.0 - prevalence) * (1.0 - specificity);
    let spread = (prevalence * (1.0 - prevalence) / (called * (1.0 - called))).sqrt();
    covers("matthews", (sensitivity + specificity - 1.0) * spread, 2000, |chance| {
        let cases = (0..150).map(|_| {
            let label = chance.happens(prevalence);
            (label, chance.happens(if label { sensitivity } else { 1.0 - specificity }))
        });
        let (labels, calls): (Vec<bool>, Vec<bool>) = cases.collect();
        ConfusionTable::of_calls(&labels, &calls).unwrap().matthews(0.95).unwrap()
    });
}

#[test]
fn limits_of_agreement_cover() {
    for (truth, limit) in [(2.0 - 1.959_964 * 3.0, 0), (2.0 + 1.959_964 * 3.0, 1), (2.0, 2)] {
        covers("limit of agreement", truth, 2000, |chance| {
            let pairs = (0..40).map(|_| {
                let value = 50.0 + 10.0 * chance.normal();
                (value + 2.0 + 3.0 * chance.normal(), value)
            });
            let (first, second): (Vec<f64>, Vec<f64>) = pairs.collect();
            let limits = bland_altman(&first, &second, 0.95, 0.95).unwrap();
            [limits.lower_limit, limits.upper_limit, limits.bias].into_iter().nth(limit).unwrap()
        });
    }
}

#[test]
fn intraclass_correlations_cover() {
    // Variances: cases 1, readers 0.1, error 0.4.
    for (form, truth) in [(IccForm::AbsoluteAgreement, 1.0 / 1.5), (IccForm::Consistency, 1.0 / 1.4)] {
        covers("icc", truth, 400, |chance| {
            let cases: Vec<f64> = (0..30).map(|_| chance.normal()).collect();
            let reader = |chance: &mut Chance| -> Vec<f64> {
                let bias = 0.1_f64.sqrt() * chance.normal();
                cases.iter().map(|case| case + bias + 0.4_f64.sqrt() * chance.normal()).collect()
            };
            let readers: Vec<Vec<f64>> = (0..4).map(|_| reader(chance)).collect();
            let readers: Vec<&[f64]> = readers.iter().map(Vec::as_slice).collect();
            icc(&readers, form, 0.95).unwrap()
        });
    }
}

/// The lesions of a patient are alike, and patients are drawn whole.
#[test]
fn the_froc_bootstrap_covers() {
    covers("froc sensitivity", 0.7, 250, |chance| {
        let case = |chance: &mut Chance| {
            // Patients differ in how visible their lesions are; on average 0.7 are found at any rate of false marks.
            let visible = if chance.happens(0.5) { 0.5 } else { 0.9 };
            let marks = (0..3_u32).filter(|_| chance.happens(visible)).map(|l| Mark { score: 2.0, lesion: Some(l) });
            let mut marks: Vec<Mark> = marks.collect();
            if chance.happens(0.5) {
                marks.push(Mark { score: 1.0, lesion: None });
            }
            DetectionCase { n_lesions: 3, marks }
        };
        let cases: Vec<DetectionCase> = (0..60).map(|_| case(chance)).collect();
        let options = Bootstrap { resamples: 400, ..Bootstrap::default() };
        froc_score(&cases, &[0.0], None, &options).unwrap()
    });
}
