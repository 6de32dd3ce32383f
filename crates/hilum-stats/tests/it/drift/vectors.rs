//! The reference vectors that concern drift, within 1e-9.

use super::sorted;
use crate::support::{close, number, numbers};
use hilum_stats::drift::*;
use serde_json::Value;

const EXACT: f64 = 1e-9;

/// A check of one entry against the `inputs` of the vectors.
pub(crate) type Check = fn(&Value, &Value);

pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("ks_2samp(A,B)", ks),
    ("wasserstein/energy(A,B)", distances),
    ("cvm_2samp(A,B) asymptotic", cramer),
    ("mannwhitneyu(A,B) asymptotic+continuity", ranks),
    ("welch_t(A,B)", means),
    ("anderson_ksamp(A,B) midrank", anderson),
    ("epps_singleton(A,B)", epps),
    ("chi2/G(ref,cur)", contingency),
    ("psi/js/hellinger/tvd/kl(ref,cur)", divergences),
    ("mmd2_unbiased RBF, sigma^2=median pairwise sq dist", discrepancy),
];

fn samples(inputs: &Value) -> (SortedSample, SortedSample) {
    (sorted(&numbers(&inputs["A"])), sorted(&numbers(&inputs["B"])))
}

fn counts(inputs: &Value) -> (Vec<u64>, Vec<u64>) {
    let whole = |name: &str| numbers(&inputs[name]).into_iter().map(|count| count as u64).collect();
    (whole("ref_counts"), whole("cur_counts"))
}

#[track_caller]
fn both(test: &Comparison, expected: &Value, value: &str, p: &str) {
    close(value, test.value, number(&expected[value]), EXACT);
    close(p, test.p_value.unwrap(), number(&expected[p]), EXACT);
}

fn ks(expected: &Value, inputs: &Value) {
    let (a, b) = samples(inputs);
    both(&kolmogorov_smirnov(&a, &b, KolmogorovP::Exact).unwrap(), expected, "D", "p_exact");
    both(&kolmogorov_smirnov(&a, &b, KolmogorovP::Asymptotic).unwrap(), expected, "D", "p_asymp");
    let by_default = kolmogorov_smirnov(&a, &b, KolmogorovP::Auto).unwrap();
    assert_eq!((by_default.n_reference, by_default.n_current, by_default.method.as_ref()), (10, 12, "ks/exact"));
}

fn distances(expected: &Value, inputs: &Value) {
    let (a, b) = samples(inputs);
    close("w1", wasserstein(&a, &b).unwrap().value, number(&expected["w1"]), EXACT);
    close("energy", energy_distance(&a, &b).unwrap().value, number(&expected["energy"]), EXACT);
    // The test of points is its square in one dimension.
    let (points_a, points_b) = (Points::new(a.values(), 1).unwrap(), Points::new(b.values(), 1).unwrap());
    let points = energy_test(points_a, points_b, Permutations { number: 99, seed: 1 }).unwrap();
    close("energy of points", points.value.sqrt(), number(&expected["energy"]), EXACT);
}

fn cramer(expected: &Value, inputs: &Value) {
    let (a, b) = samples(inputs);
    both(&cramer_von_mises(&a, &b).unwrap(), expected, "T", "p");
}

fn ranks(expected: &Value, inputs: &Value) {
    let (a, b) = samples(inputs);
    both(&mann_whitney(&a, &b).unwrap(), expected, "U", "p");
}

fn means(expected: &Value, inputs: &Value) {
    let of = |name: &str| Moments::of(&numbers(&inputs[name])).unwrap();
    both(&welch(&of("A"), &of("B")).unwrap(), expected, "t", "p");
}

fn anderson(expected: &Value, inputs: &Value) {
    let (a, b) = samples(inputs);
    both(&anderson_darling(&a, &b).unwrap(), expected, "A2", "p");
}

fn epps(expected: &Value, inputs: &Value) {
    let (a, b) = samples(inputs);
    both(&epps_singleton(&a, &b).unwrap(), expected, "w", "p");
}

fn contingency(expected: &Value, inputs: &Value) {
    let (a, b) = counts(inputs);
    both(&chi_squared(&a, &b, LowCounts::Keep).unwrap(), expected, "chi2", "p");
    both(&g_test(&a, &b, LowCounts::Pool).unwrap(), expected, "G", "pG");
}

fn divergences(expected: &Value, inputs: &Value) {
    let (a, b) = counts(inputs);
    for (name, ours) in [
        ("psi", psi(&a, &b, PSI_FLOOR)),
        ("js_base2", jensen_shannon(&a, &b, JensenShannonBase::Two)),
        ("js_nat", jensen_shannon(&a, &b, JensenShannonBase::E)),
        ("hellinger", hellinger(&a, &b)),
        ("tvd", total_variation(&a, &b)),
        ("kl_cur_ref", kullback_leibler(&a, &b)),
        ("linf", largest_difference(&a, &b)),
    ] {
        let ours = ours.unwrap();
        assert_eq!((ours.n_reference, ours.n_current, ours.p_value), (100, 100, None));
        close(name, ours.value, number(&expected[name]), EXACT);
    }
}

fn discrepancy(expected: &Value, _: &Value) {
    let flat = |name: &str| -> Vec<f64> { expected[name].as_array().unwrap().iter().flat_map(numbers).collect() };
    let (x, y) = (flat("X"), flat("Y"));
    let (x, y) = (Points::new(&x, 2).unwrap(), Points::new(&y, 2).unwrap());
    close("sigma2", median_squared_distance(x, y).unwrap(), number(&expected["sigma2"]), EXACT);
    let test = mmd(x, y, None, Permutations::default()).unwrap();
    close("mmd2", test.value, number(&expected["mmd2"]), EXACT);
    // All 126 ways to deal nine points into five and four, counted by hand below.
    let exact = every_dealing(x, y, number(&expected["sigma2"]));
    assert!((test.p_value.unwrap() - exact).abs() < 4.0 * (exact * (1.0 - exact) / 1000.0).sqrt(), "{exact}");
}

/// Share of all dealings whose statistic reaches that of the samples, by definition.
fn every_dealing(x: Points<'_>, y: Points<'_>, sigma2: f64) -> f64 {
    let points: Vec<&[f64]> = x.rows().chain(y.rows()).collect();
    let kernel = |i: usize, j: usize| {
        let apart: f64 = points[i].iter().zip(points[j]).map(|(a, b)| (a - b) * (a - b)).sum();
        (-apart / (2.0 * sigma2)).exp()
    };
    let statistic = |first: u32| {
        let within = |side: bool| -> f64 {
            let members: Vec<usize> = (0..points.len()).filter(|i| (first >> i & 1 == 1) == side).collect();
            let pairs = members.iter().flat_map(|&i| members.iter().map(move |&j| (i, j))).filter(|(i, j)| i != j);
            pairs.map(|(i, j)| kernel(i, j)).sum::<f64>() / (members.len() * (members.len() - 1)) as f64
        };
        let (n, m) = (first.count_ones() as f64, points.len() as f64 - first.count_ones() as f64);
        let pairs = (0..points.len()).flat_map(|i| (0..points.len()).map(move |j| (i, j)));
        let across = pairs.filter(|(i, j)| first >> i & 1 == 1 && first >> j & 1 == 0).map(|(i, j)| kernel(i, j));
        within(true) + within(false) - 2.0 * across.sum::<f64>() / (n * m)
    };
    let observed = statistic((1 << x.n()) - 1);
    let dealings = (0_u32..1 << points.len()).filter(|set| set.count_ones() as usize == x.n());
    let values: Vec<f64> = dealings.map(statistic).collect();
    values.iter().filter(|value| observed - 1e-12 <= **value).count() as f64 / values.len() as f64
}
