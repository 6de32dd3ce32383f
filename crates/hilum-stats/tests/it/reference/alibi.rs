//! Alibi Detect 0.13.0. It keeps values and p-values of one feature in 32 bits, so they agree to 1e-7; MMD to 1e-9.

use super::{cases, counts, name, samples, yates};
use crate::support::{close, number, numbers};
use hilum_stats::drift::*;
use hilum_stats::{benjamini_hochberg, holm};
use serde_json::Value;

/// What 32 bits keep of a number up to 1, and of the share of a larger one.
const SINGLE: f64 = 1e-7;

fn answers() -> Value {
    let answers: Value = serde_json::from_str(include_str!("alibi.json")).unwrap();
    assert_eq!(answers["peers"]["alibi-detect"], "0.13.0");
    answers
}

/// Value and p-value, the latter by its share of itself.
#[track_caller]
fn both(what: &str, ours: &Comparison, value: &Value, p: &Value) {
    close(what, ours.value, number(value), SINGLE);
    let (ours, theirs) = (ours.p_value.unwrap(), number(p));
    assert!((ours - theirs).abs() <= 1e-6 * theirs, "{what}: p {ours} here, {theirs} there");
}

#[test]
fn tests_of_numbers_equal_alibi_detect() {
    for case in cases(&answers(), "numbers") {
        let (a, b) = samples(case);
        // Theirs is asymptotic whatever the size; ours counts orders where it can, unless it is asked not to.
        let ks = kolmogorov_smirnov(&a, &b, KolmogorovP::Asymptotic).unwrap();
        both(name(case), &ks, &case["ks"][0], &case["ks"][1]);
        let cramer = cramer_von_mises(&a, &b).unwrap();
        let (p, theirs) = (cramer.p_value.unwrap(), number(&case["cramer_von_mises"][1]));
        close(name(case), cramer.value, number(&case["cramer_von_mises"][0]), SINGLE);
        if a.n().max(b.n()) <= 20 {
            // Up to 20 cases theirs counts orders; ours is asymptotic.
            assert!((0.001..0.01).contains(&(p - theirs).abs()), "{}: p {p} here, {theirs} there", name(case));
        } else {
            // scipy, which both rest on, ends its sum at a term of 1e-7.
            close(name(case), p, theirs, 2.0 * SINGLE);
        }
    }
}

/// Both follow scipy, whose statistic takes equal ranks for a difference: not to be used where values repeat much.
#[test]
fn cramer_von_mises_takes_ties_for_drift_in_both() {
    let answers = answers();
    let case = cases(&answers, "numbers").iter().find(|case| name(case) == "few values").unwrap();
    let (a, b) = samples(case);
    assert!(0.5 < kolmogorov_smirnov(&a, &b, KolmogorovP::Auto).unwrap().p_value.unwrap());
    assert!(cramer_von_mises(&a, &b).unwrap().p_value.unwrap() < 1e-8 && number(&case["cramer_von_mises"][1]) < 1e-8);
}

#[test]
fn chi_squared_equals_alibi_detect() {
    for case in cases(&answers(), "categories") {
        let (a, b) = counts(case);
        let ours = chi_squared(&a, &b, LowCounts::Keep).unwrap();
        let [value, p] = [&case["chi_squared"][0], &case["chi_squared"][1]];
        if a.len() == 2 {
            close("Yates", yates(&a, &b), number(value), SINGLE);
            assert!(number(value) < ours.value && ours.p_value.unwrap() < number(p));
        } else {
            both(name(case), &ours, value, p);
        }
        if name(case) == "rare ones" {
            // They keep cells that are too rare for the distribution; ours pools them when asked to.
            let pooled = chi_squared(&a, &b, LowCounts::Pool).unwrap();
            assert!(pooled.method == "chi2/pooled" && pooled.value < number(value) - 1.0, "{pooled:?}");
        }
    }
}

#[test]
fn verdicts_on_many_features_equal_alibi_detect() {
    for case in cases(&answers(), "tables") {
        let features = |side: &str| -> Vec<SortedSample> {
            let columns = case[side].as_array().unwrap().iter();
            columns.map(|column| SortedSample::new(numbers(column)).unwrap()).collect()
        };
        let mut p_values = Vec::new();
        for (i, (a, b)) in features("reference").iter().zip(&features("current")).enumerate() {
            let ours = kolmogorov_smirnov(a, b, KolmogorovP::Asymptotic).unwrap();
            both(name(case), &ours, &case["ks"][i], &case["p"][i]);
            p_values.push(ours.p_value.unwrap());
        }
        let any = |adjusted: &[f64]| adjusted.iter().any(|p| *p < 0.05);
        // Whether anything is found, Holm and Bonferroni decide alike.
        assert_eq!(any(&holm(&p_values).unwrap()), number(&case["bonferroni"]) == 1.0, "{}", name(case));
        assert_eq!(any(&benjamini_hochberg(&p_values).unwrap()), number(&case["fdr"]) == 1.0, "{}", name(case));
    }
}

/// p-values of two draws of permutations. Theirs is b / P and can be 0; ours is (1 + b) / (1 + P).
#[track_caller]
fn near(what: &str, ours: f64, theirs: f64) {
    let error = (theirs * (1.0 - theirs) * (1.0 / 999.0 + 1.0 / 2000.0)).sqrt();
    assert!(0.0 < ours && (ours - theirs).abs() < 4.0 * error + 0.005, "{what}: p {ours} here, {theirs} there");
}

#[test]
fn mmd_equals_alibi_detect() {
    let answers = answers();
    let mut n_zero = 0;
    for case in cases(&answers, "points") {
        let (x, y) = (numbers(&case["reference"]), numbers(&case["current"]));
        let dimensions = number(&case["dimensions"]) as usize;
        let (a, b) = (Points::new(&x, dimensions).unwrap(), Points::new(&y, dimensions).unwrap());
        let sigmas = numbers(&case["sigmas"]);
        let tests = sigmas.iter().map(|sigma| mmd(a, b, Some(sigma * sigma), Permutations::default()).unwrap());
        let tests: Vec<Comparison> = tests.collect();
        // Theirs averages the kernels of several bandwidths, and MMD squared is linear in the kernel.
        let ours = tests.iter().map(|test| test.value).sum::<f64>() / tests.len() as f64;
        let theirs = number(&case["mmd2"]);
        close(name(case), ours, theirs, if 1024 < a.n() + b.n() { 1e-6 } else { 1e-9 });
        if tests.len() == 1 {
            near(name(case), tests[0].p_value.unwrap(), number(&case["p"]));
        }
        n_zero += u32::from(number(&case["p"]) == 0.0);
        if name(case).starts_with("found") {
            // Its bandwidth is half the median squared distance within the reference, ours the median over both samples.
            let (first, rest) = x.split_at(2 * dimensions);
            let (first, rest) = (Points::new(first, dimensions).unwrap(), Points::new(rest, dimensions).unwrap());
            let (median, found) = (median_squared_distance(first, rest).unwrap(), sigmas[0] * sigmas[0]);
            if a.n() * (a.n() - 1) / 2 % 2 == 1 {
                close("bandwidth", median / 2.0, found, 1e-6);
            } else {
                // Of an even number it takes the lower of the middle two.
                assert!(found < median / 2.0 && 0.99 * median / 2.0 < found, "{found} {median}");
            }
            let by_default = mmd(a, b, None, Permutations { number: 1, seed: 1 }).unwrap().value;
            assert!(5e-4 < (by_default - theirs).abs(), "{by_default} {theirs}");
        }
    }
    assert!(0 < n_zero, "no p-value of 0 among theirs");
}

#[test]
fn mmd_follows_from_the_kernel_matrix_of_alibi_detect() {
    let answers = answers();
    let case = &answers["kernel"];
    let (x, y) = (numbers(&case["reference"]), numbers(&case["current"]));
    let (a, b) = (Points::new(&x, 3).unwrap(), Points::new(&y, 3).unwrap());
    let squared_scale = number(&case["sigma"]).powi(2);
    let points: Vec<&[f64]> = a.rows().chain(b.rows()).collect();
    let (n, m) = (a.n() as f64, b.n() as f64);
    // Sums within the reference, within the current sample, across, and on the diagonal.
    let mut sums = [0.0; 3];
    let mut diagonal = [0.0; 2];
    for (i, row) in case["matrix"].as_array().unwrap().iter().enumerate() {
        for (j, theirs) in numbers(row).into_iter().enumerate() {
            let apart: f64 = points[i].iter().zip(points[j]).map(|(p, q)| (p - q) * (p - q)).sum();
            close("kernel", (-apart / (2.0 * squared_scale)).exp(), theirs, 1e-12);
            let sides = [i, j].map(|k| usize::from(a.n() <= k));
            if i == j {
                diagonal[sides[0]] += theirs;
            } else {
                sums[if sides[0] == sides[1] { sides[0] } else { 2 }] += theirs;
            }
        }
    }
    let unbiased = sums[0] / (n * (n - 1.0)) + sums[1] / (m * (m - 1.0)) - sums[2] / (n * m);
    let biased = (sums[0] + diagonal[0]) / (n * n) + (sums[1] + diagonal[1]) / (m * m) - sums[2] / (n * m);
    let ours = mmd(a, b, Some(squared_scale), Permutations::default()).unwrap();
    close("mmd2", ours.value, unbiased, 1e-12);
    close("theirs", ours.value, number(&case["mmd2"]), 1e-12);
    // Neither is the biased statistic, which counts each point with itself and is never below 0.
    assert!(0.05 < biased - ours.value, "{biased} {}", ours.value);
    near("kernel", ours.p_value.unwrap(), number(&case["p"]));
}
