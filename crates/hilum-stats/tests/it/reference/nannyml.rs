//! NannyML 0.13.1: drift of one column to 1e-9, CBPE to 1e-9 and its AUROC, whose counts it rounds to five decimals, to 1e-6.
//! Its sampling errors (three standard errors) and our bootstrap are other intervals, so they are not compared.

use super::{cases, counts, name, samples, yates};
use crate::support::{close, flags, number, numbers};
use hilum_stats::drift::*;
use hilum_stats::label_free::*;
use serde_json::Value;

const EXACT: f64 = 1e-9;

fn answers() -> Value {
    let answers: Value = serde_json::from_str(include_str!("nannyml.json")).unwrap();
    assert_eq!(answers["peers"]["nannyml"], "0.13.1");
    answers
}

/// Counts in bins closed below, the last one on both sides, and last what lies outside: numpy's histogram and their rest.
fn binned(edges: &[f64], sample: &SortedSample) -> Vec<u64> {
    let n_bins = edges.len() - 1;
    let mut counts = vec![0; n_bins + 1];
    for value in sample.values() {
        let place = match edges.partition_point(|edge| edge <= value) {
            0 => n_bins,
            below if below <= n_bins => below - 1,
            _ if *value == edges[n_bins] => n_bins - 1,
            _ => n_bins,
        };
        counts[place] += 1;
    }
    counts
}

#[test]
fn drift_of_numbers_equals_nannyml() {
    for case in cases(&answers(), "numbers") {
        let (a, b) = samples(case);
        let ks = kolmogorov_smirnov(&a, &b, KolmogorovP::Auto).unwrap();
        close(name(case), ks.value, number(&case["kolmogorov_smirnov"]), EXACT);
        close(name(case), wasserstein(&a, &b).unwrap().value, number(&case["wasserstein"]), EXACT);
        // Its bins are equally wide over the range of the reference; ours lie at quantiles. So ours are given its counts.
        let edges = numbers(&case["edges"]);
        let (in_a, in_b) = (binned(&edges, &a), binned(&edges, &b));
        let distance = jensen_shannon(&in_a, &in_b, JensenShannonBase::Two).unwrap().value;
        close(name(case), distance, number(&case["jensen_shannon"]), EXACT);
        close(name(case), hellinger(&in_a, &in_b).unwrap().value, number(&case["hellinger"]), EXACT);
    }
}

#[test]
fn drift_of_categories_equals_nannyml() {
    for case in cases(&answers(), "categories") {
        let (a, b) = counts(case);
        let chi2 = chi_squared(&a, &b, LowCounts::Keep).unwrap().value;
        if a.len() == 2 {
            close("Yates", yates(&a, &b), number(&case["chi2"]), EXACT);
            assert!(number(&case["chi2"]) < chi2);
        } else {
            close(name(case), chi2, number(&case["chi2"]), EXACT);
        }
        for (method, ours) in [
            ("jensen_shannon", jensen_shannon(&a, &b, JensenShannonBase::Two)),
            ("hellinger", hellinger(&a, &b)),
            ("l_infinity", largest_difference(&a, &b)),
        ] {
            close(&format!("{method} of {}", name(case)), ours.unwrap().value, number(&case[method]), EXACT);
        }
    }
}

/// The samples of section `corrupt`: every number of a prime field once, in a fixed order.
fn even_spread(n: u32, shift: f64) -> Vec<f64> {
    (0..n).map(|i| f64::from(i * 7919 % 10_007) / 100.0 + shift).collect()
}

/// From 10,000 reference rows on, NannyML bins over the range of the reference, and one value of 1e9 hides a shift by a quarter
/// of the range. Ours: KS of raw values and everything from the bins of a reference stay.
#[test]
fn one_corrupt_value_hides_a_shift_in_nannyml_and_not_here() {
    let answers = answers();
    let theirs = |state: &str, method: &str| number(&answers["corrupt"][state][method]);
    let (clean, current) = (even_spread(10_000, 0.0), even_spread(2_000, 25.0));
    let mut spoilt = clean.clone();
    spoilt[0] = 1e9;
    let of = |reference: &[f64]| {
        let (a, b) = (SortedSample::new(reference.to_vec()).unwrap(), SortedSample::new(current.clone()).unwrap());
        let bins = ReferenceBins::of_numbers(&a, 255).unwrap();
        let (mut in_a, mut in_b) = (bins.empty(), bins.empty());
        a.values().iter().for_each(|value| bins.count_number(&mut in_a, *value).unwrap());
        b.values().iter().for_each(|value| bins.count_number(&mut in_b, *value).unwrap());
        let [cells_a, cells_b] = bins.rows(&in_a, &in_b, 10).unwrap();
        let kept = [
            kolmogorov_smirnov(&a, &b, KolmogorovP::Asymptotic).unwrap().value,
            bins.kolmogorov_smirnov(&in_a, &in_b).unwrap().value,
            bins.wasserstein(&in_a, &in_b).unwrap().value,
            bins.jensen_shannon(&in_a, &in_b, 10, JensenShannonBase::Two).unwrap().value,
            hellinger(&cells_a, &cells_b).unwrap().value,
        ];
        (kept, wasserstein(&a, &b).unwrap().value)
    };
    let ((before, moved), (after, moved_far)) = (of(&clean), of(&spoilt));
    // Without the corrupt value their 10,000 bins hold one value each.
    close("ks", before[0], theirs("clean", "kolmogorov_smirnov"), 2e-4);
    close("wasserstein", moved, theirs("clean", "wasserstein"), 1e-3);
    for (before, after) in before.into_iter().zip(after) {
        assert!(0.2 < before && (after / before - 1.0).abs() < 0.01, "{after} instead of {before}");
    }
    assert!(0.2 < theirs("clean", "jensen_shannon") && 0.2 < theirs("clean", "hellinger"));
    for method in ["kolmogorov_smirnov", "jensen_shannon", "hellinger"] {
        assert!(theirs("spoilt", method) < 0.01, "{method}");
    }
    // The exact distance of raw values is moved by it in both, as its definition says.
    close("wasserstein", moved_far, theirs("spoilt", "wasserstein"), 1e-3);
}

/// CBPE with NannyML's choice whether to calibrate. Ours always does, so without calibration only the expected counts are one.
#[test]
fn estimated_performance_equals_nannyml() {
    let answers = answers();
    let mut n_calibrated = 0;
    let all = cases(&answers, "performance");
    for case in all {
        let labels = flags(&case["labels"]);
        let (reference, current) = (numbers(&case["reference"]), numbers(&case["current"]));
        let threshold = number(&case["threshold"]);
        let calibrated = case["needs_calibration"].as_bool().unwrap();
        n_calibrated += usize::from(calibrated);
        let curve = IsotonicCalibration::fit(&labels, &reference).unwrap();
        let chance = |&score: &f64| if calibrated { curve.probability(score).unwrap() } else { score };
        let chances: Vec<f64> = current.iter().map(chance).collect();

        let table = expected_table(&chances, &current, threshold).unwrap();
        let ExpectedTable { true_positives, false_positives, false_negatives, true_negatives } = table;
        for (figure, ours) in [
            ("true_positive", true_positives),
            ("false_positive", false_positives),
            ("false_negative", false_negatives),
            ("true_negative", true_negatives),
            ("accuracy", (true_positives + true_negatives) / current.len() as f64),
            ("recall", true_positives / (true_positives + false_negatives)),
            ("specificity", true_negatives / (true_negatives + false_positives)),
            ("precision", true_positives / (true_positives + false_positives)),
            ("f1", 2.0 * true_positives / (2.0 * true_positives + false_positives + false_negatives)),
        ] {
            close(&format!("{figure} of {}", name(case)), ours, number(&case[figure]), EXACT);
        }
        // Equal scores have equal probabilities here, so their want of a rule for ties does no harm.
        close(name(case), expected_auroc(&chances, &current).unwrap(), number(&case["roc_auc"]), 1e-6);

        let options = CbpeOptions { resamples: 100, ..CbpeOptions::default() };
        let whole = cbpe((&labels, &reference), &current, threshold, &options).unwrap();
        let figures = [
            ("accuracy", whole.accuracy),
            ("recall", whole.sensitivity),
            ("specificity", whole.specificity),
            ("precision", whole.ppv),
            ("f1", whole.f1),
        ];
        let figures = figures.map(|(figure, ours)| (figure, ours.unwrap().advisory.value));
        let area = whole.auroc.unwrap().advisory.value;
        if calibrated {
            for (figure, ours) in figures {
                close(&format!("{figure} of {}", name(case)), ours, number(&case[figure]), EXACT);
            }
            close(name(case), area, number(&case["roc_auc"]), 1e-6);
        } else {
            // It found that calibration would not help, and took the scores for probabilities.
            assert!(1e-3 < (area - number(&case["roc_auc"])).abs(), "{area}");
            assert!(1e-2 < (figures[1].1 - number(&case["recall"])).abs(), "{figures:?}");
        }
    }
    assert!(0 < n_calibrated && n_calibrated < all.len(), "both ways");
}

/// NannyML has no rule for equal scores: where their probabilities differ, its area depends on the order of the rows. Ours is the
/// mean of one order and its reverse, whatever the order.
#[test]
fn equal_scores_count_half_where_nannyml_goes_by_the_order_of_rows() {
    let answers = answers();
    let case = &answers["ties"];
    let (chances, scores) = (numbers(&case["chance"]), numbers(&case["score"]));
    let (one, other) = (number(&case["roc_auc"]), number(&case["roc_auc_of_reversed_rows"]));
    assert!(0.1 < (one - other).abs());
    let ours = expected_auroc(&chances, &scores).unwrap();
    close("mean of both orders", ours, (one + other) / 2.0, 1e-6);
    let reversed = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
    close("reversed", expected_auroc(&reversed(&chances), &reversed(&scores)).unwrap(), ours, 1e-12);
}
