//! Silent failures of published tools (the design study's `traps.py`): ours must not have them.

use super::{normal, sorted};
use hilum_stats::drift::*;

fn counted(bins: &ReferenceBins, values: &[f64]) -> CellCounts {
    let mut counts = bins.empty();
    values.iter().for_each(|&value| bins.count_number(&mut counts, value).unwrap());
    counts
}

/// What four distances from counts say of a reference and a current sample.
fn distances(reference: &[f64], current: &[f64]) -> [f64; 4] {
    let finite: Vec<f64> = reference.iter().copied().filter(|v| v.is_finite()).collect();
    let bins = ReferenceBins::of_numbers(&sorted(&finite), 255).unwrap();
    let (a, b) = (counted(&bins, reference), counted(&bins, current));
    [
        bins.kolmogorov_smirnov(&a, &b).unwrap().value,
        bins.wasserstein(&a, &b).unwrap().value,
        bins.psi(&a, &b, 10).unwrap().value,
        bins.jensen_shannon(&a, &b, 10, JensenShannonBase::Two).unwrap().value,
    ]
}

/// T1: one 1e9 in the reference took Evidently's PSI of a shift of one standard deviation from 1.00 to 0.02 and NannyML's KS
/// from 0.388 to 0.00005; in the current sample, PSI to 0.00007.
#[test]
fn one_corrupt_value_does_not_hide_a_shift() {
    let (reference, current) = (normal(1, 20_000, 0.0, 1.0), normal(2, 5_000, 1.0, 1.0));
    let clean = distances(&reference, &current);
    // A shift of 1 moves 0.383 of the cases past any one value.
    assert!((clean[0] - 0.383).abs() < 0.03 && (clean[1] - 1.0).abs() < 0.06, "{clean:?}");
    assert!(0.9 < clean[2] && 0.35 < clean[3], "{clean:?}");
    for corrupt in [1e9, -1e9, 1e300, f64::MAX, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let spoilt = |values: &[f64]| {
            let mut values = values.to_vec();
            values[0] = corrupt;
            values
        };
        let cases = [distances(&spoilt(&reference), &current), distances(&reference, &spoilt(&current))];
        for (what, spoilt) in ["reference", "current"].iter().zip(cases) {
            for (spoilt, clean) in spoilt.iter().zip(clean) {
                assert!((spoilt / clean - 1.0).abs() < 0.01, "{corrupt} in the {what}: {spoilt} instead of {clean}");
            }
        }
    }
}

/// The same on raw values for the test that has no bins.
#[test]
fn kolmogorov_smirnov_of_raw_values_hardly_notices_one_corrupt_value() {
    let (mut reference, current) = (normal(1, 20_000, 0.0, 1.0), normal(2, 5_000, 1.0, 1.0));
    let test =
        |reference: &[f64]| kolmogorov_smirnov(&sorted(reference), &sorted(&current), KolmogorovP::Auto).unwrap().value;
    let clean = test(&reference);
    reference[0] = 1e9;
    assert!((test(&reference) - clean).abs() <= 1.0 / 20_000.0 + 1e-12);
}

/// T3: permutation p-values of exactly 0. T4: a "p-value" that is a critical value.
#[test]
fn a_p_value_is_a_probability_and_never_0() {
    let (near, far) = (normal(3, 200, 0.0, 1.0), normal(4, 200, 50.0, 1.0));
    let (a, b) = (sorted(&near), sorted(&far));
    let (x, y) = (Points::new(&near, 2).unwrap(), Points::new(&far, 2).unwrap());
    let permutations = Permutations { number: 199, seed: 1 };
    let (counts_a, counts_b) = ([4_000_000_000, 1], [1, 4_000_000_000]);
    let features = RandomFeatures::new(2, 64, 2.0, 1).unwrap();
    let blocks = |values: &[f64]| -> Vec<FeatureSums> {
        values.chunks(20).map(|block| features.sums_of(Points::new(block, 2).unwrap()).unwrap()).collect()
    };
    for test in [
        kolmogorov_smirnov(&a, &b, KolmogorovP::Exact),
        kolmogorov_smirnov(&a, &b, KolmogorovP::Asymptotic),
        cramer_von_mises(&a, &b),
        mann_whitney(&a, &b),
        welch(&Moments::of(&near).unwrap(), &Moments::of(&far).unwrap()),
        anderson_darling(&a, &b),
        epps_singleton(&a, &b),
        chi_squared(&counts_a, &counts_b, LowCounts::Keep),
        g_test(&counts_a, &counts_b, LowCounts::Keep),
        mmd(x, y, None, permutations),
        energy_test(x, y, permutations),
        feature_mmd_test(&blocks(&near), &blocks(&far), permutations),
        classifier_test(x, y, 5, 1, 0.95).map(|test| test.comparison),
        permuted_classifier_test(x, y, 5, permutations),
    ] {
        let test = test.unwrap();
        let p = test.p_value.unwrap();
        assert!(0.0 < p && p < 0.01, "{}: {p}", test.method);
    }
    assert_eq!(mmd(x, y, None, permutations).unwrap().p_value, Some(1.0 / 200.0));
    let classifier = permuted_classifier_test(x, y, 5, permutations).unwrap();
    assert_eq!((classifier.p_value, classifier.value), (Some(1.0 / 200.0), 1.0));
}

/// Points of two kinds, as many of either in both samples: nothing is less apart, so that every dealing reaches it, though
/// sums of its pairs are rounded otherwise, in 64 bits and in 32 and whichever sample is the larger one.
#[test]
fn equal_statistics_count_as_equal() {
    for (n, m) in [(100, 100), (500, 500), (520, 520), (60, 1020), (1020, 60)] {
        let sample =
            |size: usize| -> Vec<f64> { (0..size).map(|place| f64::from(u8::from(place < size / 20))).collect() };
        let (a, b) = (sample(n), sample(m));
        let (x, y) = (Points::new(&a, 1).unwrap(), Points::new(&b, 1).unwrap());
        let permutations = Permutations { number: 99, seed: 1 };
        for test in [mmd(x, y, Some(0.1), permutations), energy_test(x, y, permutations)] {
            let test = test.unwrap();
            assert_eq!(test.p_value, Some(1.0), "{n} and {m}: {}", test.method);
        }
    }
    let features = RandomFeatures::new(1, 64, 0.1, 1).unwrap();
    let block = features.sums_of(Points::new(&[0.0, 0.1, 0.7, 0.3], 1).unwrap()).unwrap();
    let blocks = vec![block; 40];
    let test = feature_mmd_test(&blocks[..13], &blocks[13..], Permutations { number: 99, seed: 1 }).unwrap();
    assert_eq!(test.p_value, Some(1.0), "{}", test.method);
}

/// A value that the reference lacks between two that it has is seen, and so is a constant that changes.
#[test]
fn few_distinct_values_have_cells_of_their_own() {
    let reference: Vec<f64> = [80.0, 100.0, 110.0, 120.0, 140.0].iter().flat_map(|&kvp| [kvp; 40]).collect();
    let current: Vec<f64> = reference.iter().map(|&kvp| if kvp == 110.0 { 105.0 } else { kvp }).collect();
    let [ks, moved, psi, _] = distances(&reference, &current);
    assert!((ks - 0.2).abs() < 1e-12 && (moved - 1.0).abs() < 1.1 && 0.25 < psi, "{ks} {moved} {psi}");
    for changed in [100.0, 140.0] {
        let (before, after) = ([120.0; 50], [changed; 30]);
        let bins = ReferenceBins::of_numbers(&sorted(&before), 255).unwrap();
        let (a, b) = (counted(&bins, &before), counted(&bins, &after));
        assert_eq!(bins.kolmogorov_smirnov(&a, &b).unwrap().value, 1.0);
        assert!(1.0 < bins.psi(&a, &b, 10).unwrap().value);
        assert!(bins.wasserstein(&a, &b).is_err());
    }
}

/// Where nothing changed, tests at 5 % alarm in about 5 % of the cases (four standard errors), the exact ones in no more.
#[test]
fn false_alarms_are_as_many_as_declared() {
    let repeats = 400_u32;
    let mut alarms = [0_u32; 9];
    for repeat in 0..u64::from(repeats) {
        let (a, b) = (normal(2 * repeat, 60, 0.0, 1.0), normal(2 * repeat + 1, 40, 0.0, 1.0));
        let (x, y) = (Points::new(&a, 2).unwrap(), Points::new(&b, 2).unwrap());
        let (a, b) = (sorted(&a), sorted(&b));
        let permutations = Permutations { number: 99, seed: repeat };
        let count = |from: f64| -> Vec<u64> {
            let of = |sample: &SortedSample, cell: f64| {
                sample.values().iter().filter(|v| (**v * from).rem_euclid(4.0).floor() == cell).count() as u64
            };
            [&a, &b].iter().flat_map(|sample| (0..4).map(|cell| of(sample, f64::from(cell)))).collect()
        };
        let counts = count(2.0);
        let tests = [
            kolmogorov_smirnov(&a, &b, KolmogorovP::Exact),
            cramer_von_mises(&a, &b),
            mann_whitney(&a, &b),
            welch(&Moments::of(a.values()).unwrap(), &Moments::of(b.values()).unwrap()),
            chi_squared(&counts[..4], &counts[4..], LowCounts::Pool),
            mmd(x, y, None, permutations),
            energy_test(x, y, permutations),
            classifier_test(x, y, 5, repeat, 0.95).map(|test| test.comparison),
            permuted_classifier_test(x, y, 2, Permutations { number: 39, seed: repeat }),
        ];
        for (alarms, test) in alarms.iter_mut().zip(tests) {
            *alarms += u32::from(test.unwrap().p_value.unwrap() <= 0.05);
        }
    }
    let most = f64::from(repeats) * 0.05 + 4.0 * (f64::from(repeats) * 0.05 * 0.95).sqrt();
    println!("alarms in {repeats}: {alarms:?}, at most {most:.0}");
    assert!(alarms.iter().all(|&alarms| f64::from(alarms) <= most), "{alarms:?}");
    // Those with a continuous null find some, or they would not test anything.
    assert!(alarms[..4].iter().all(|&alarms| 4 < alarms), "{alarms:?}");
}

/// Cochran's rule: low counts are pooled, or permuted, and the method says so; the permuted p-value is near to the exact one.
#[test]
fn low_counts_are_handled_and_declared() {
    let (a, b) = ([400, 90, 6, 3, 1], [380, 100, 2, 8, 4]);
    let pooled = chi_squared(&a, &b, LowCounts::Pool).unwrap();
    assert_eq!(pooled.method, "chi2/pooled");
    let by_hand = chi_squared(&[400, 90, 3, 7], &[380, 100, 8, 6], LowCounts::Keep).unwrap();
    assert!((pooled.value - by_hand.value).abs() < 1e-12 && pooled.p_value == by_hand.p_value);
    let permute = LowCounts::Permute { permutations: 20_000, seed: 5 };
    let permuted = chi_squared(&[3, 0], &[1, 4], permute).unwrap();
    assert_eq!(permuted.method, "chi2/permutation");
    // Tables with these margins: 0..=3 of the four first-cell cases in the reference; C(4,k) C(4,3-k) / C(8,3).
    // chi-squared is largest, and equal, for k = 0 and k = 3, with probability 4/56 each.
    assert!((permuted.p_value.unwrap() - 8.0 / 56.0).abs() < 0.01, "{permuted:?}");
    assert_eq!(chi_squared(&a, &b, LowCounts::Keep).unwrap().method, "chi2");
    assert!(chi_squared(&[3, 0], &[1, 4], LowCounts::Pool).is_err());
}
