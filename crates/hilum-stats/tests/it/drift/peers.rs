//! The same figures by scipy, numpy and scikit-learn, run on seeded samples with and without ties, small and large.

use super::sorted;
use crate::support::{close, number, numbers, peer};
use hilum_stats::drift::*;
use serde_json::Value;

fn whole(value: &Value) -> Vec<u64> {
    numbers(value).into_iter().map(|count| count as u64).collect()
}

/// Value and p-value, where the peer has them.
#[track_caller]
fn both(what: &str, ours: &Comparison, theirs: &Value, tolerance: f64) {
    close(what, ours.value, number(&theirs[0]), tolerance);
    let (p, expected) = (ours.p_value.unwrap(), number(&theirs[1]));
    // Small p-values by their share, down to what double precision can tell from 0.
    assert!((p - expected).abs() <= 1e-8 * expected + 1e-14, "{what}: p {p} here, {expected} there");
}

#[test]
fn drift_equals_scipy_numpy_and_scikit_learn() {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let Some(answer) = peer(&python, &["-c", "import scipy, sklearn"], "drift/peers.py", &[]) else { return };
    let cases = |name: &str| answer[name].as_array().filter(|cases| !cases.is_empty()).unwrap();
    cases("numbers").iter().for_each(check_numbers);
    cases("shares").iter().for_each(check_shares);
    cases("points").iter().for_each(check_points);
}

fn check_numbers(case: &Value) {
    let (values_a, values_b) = (numbers(&case["a"]), numbers(&case["b"]));
    let (a, b) = (sorted(&values_a), sorted(&values_b));
    let named = |what: &str| format!("{what} of {} and {}", a.n(), b.n());
    both(&named("ks"), &kolmogorov_smirnov(&a, &b, KolmogorovP::Asymptotic).unwrap(), &case["ks"], 1e-12);
    if !case["ks_exact"].is_null() {
        both(&named("exact ks"), &kolmogorov_smirnov(&a, &b, KolmogorovP::Exact).unwrap(), &case["ks_exact"], 1e-12);
    }
    close(&named("wasserstein"), wasserstein(&a, &b).unwrap().value, number(&case["wasserstein"]), 1e-9);
    close(&named("energy"), energy_distance(&a, &b).unwrap().value, number(&case["energy"]), 1e-9);
    both(&named("mann-whitney"), &mann_whitney(&a, &b).unwrap(), &case["ranks"], 1e-12);
    let of = |values: &[f64]| Moments::of(values).unwrap();
    both(&named("welch"), &welch(&of(&values_a), &of(&values_b)).unwrap(), &case["welch"], 1e-9);
    both(&named("anderson-darling"), &anderson_darling(&a, &b).unwrap(), &case["anderson"], 1e-9);
    let ours = cramer_von_mises(&a, &b).unwrap();
    close(&named("cramer-von mises"), ours.value, number(&case["cramer"][0]), 1e-9);
    // scipy ends its sum at a term of 1e-7, and its p-value can be 0.
    close(&named("its p"), ours.p_value.unwrap(), number(&case["cramer"][1]), 1e-7);
    if !case["epps"].is_null() {
        both(&named("epps-singleton"), &epps_singleton(&a, &b).unwrap(), &case["epps"], 1e-8);
    }
}

fn check_shares(case: &Value) {
    let (a, b) = (whole(&case["a"]), whole(&case["b"]));
    both("chi2", &chi_squared(&a, &b, LowCounts::Keep).unwrap(), &case["chi2"], 1e-9);
    both("g", &g_test(&a, &b, LowCounts::Keep).unwrap(), &case["g"], 1e-9);
    for (name, ours) in [
        ("js2", jensen_shannon(&a, &b, JensenShannonBase::Two)),
        ("js", jensen_shannon(&a, &b, JensenShannonBase::E)),
        ("psi", psi(&a, &b, PSI_FLOOR)),
        ("tv", total_variation(&a, &b)),
        ("hellinger", hellinger(&a, &b)),
    ] {
        close(name, ours.unwrap().value, number(&case[name]), 1e-9);
    }
    match (kullback_leibler(&a, &b), case["kl"].as_f64()) {
        (Ok(ours), Some(theirs)) => close("kl", ours.value, theirs, 1e-9),
        (ours, theirs) => assert!(ours.is_err() && theirs.is_none_or(f64::is_infinite), "{ours:?} {theirs:?}"),
    }
}

fn check_points(case: &Value) {
    let (x, y, d) = (numbers(&case["x"]), numbers(&case["y"]), number(&case["d"]) as usize);
    let (x, y) = (Points::new(&x, d).unwrap(), Points::new(&y, d).unwrap());
    // Many points are computed with in 32 bits.
    let tolerance = if 1024 < x.n() + y.n() { 1e-6 } else { 1e-9 };
    let sigma2 = number(&case["sigma2"]);
    close("sigma2", median_squared_distance(x, y).unwrap(), sigma2, tolerance);
    let ours = mmd(x, y, None, Permutations::default()).unwrap();
    close("mmd", ours.value, number(&case["mmd"]), tolerance);
    // Two draws of permutations, 999 and 400.
    let (p, theirs) = (ours.p_value.unwrap(), number(&case["p"]));
    let error = (theirs * (1.0 - theirs) * (1.0 / 999.0 + 1.0 / 400.0)).sqrt();
    assert!((p - theirs).abs() < 4.0 * error + 0.005, "p {p} here, {theirs} there");
    close("energy", energy_test(x, y, Permutations::default()).unwrap().value, number(&case["energy"]), tolerance);
    // Other folds, so the AUROC varies by a fraction of its standard error.
    let classifier = classifier_test(x, y, 5, 1, 0.95).unwrap();
    let half = (classifier.auroc.upper - classifier.auroc.lower) / 2.0;
    close("auroc", classifier.auroc.value, number(&case["auroc"]), half);
    // Random features: an error of one over the root of their number.
    let features = RandomFeatures::new(d as u32, 4096, sigma2, 7).unwrap();
    let (of_x, of_y) = (features.sums_of(x).unwrap(), features.sums_of(y).unwrap());
    close("feature mmd", feature_mmd(&of_x, &of_y).unwrap().value, number(&case["mmd"]), 0.01);
}
