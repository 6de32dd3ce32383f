//! Any numbers whatever: a typed error or a finite answer, never a panic.

use hilum_stats::drift::*;
use hilum_stats::{StatsError, e_benjamini_hochberg};
use proptest::collection::vec;
use proptest::prelude::*;

fn any_number() -> impl Strategy<Value = f64> {
    let awkward =
        [0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 5e-324, 1e300, -1e100];
    prop_oneof![3 => proptest::sample::select(awkward.to_vec()), 1 => any::<f64>(), 4 => -2.0_f64..2.0]
}

/// Finite ones, of opposite extremes too.
fn finite_number() -> impl Strategy<Value = f64> {
    let awkward = [0.0, -0.0, 1.0, f64::MAX, f64::MIN, 5e-324, 1e300, -1e100];
    prop_oneof![2 => proptest::sample::select(awkward.to_vec()), 5 => -2.0_f64..2.0]
}

fn sound(test: Result<Comparison, StatsError>) -> bool {
    test.map_or(true, |t| t.value.is_finite() && t.p_value.is_none_or(|p| 0.0 < p && p <= 1.0))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn samples(a in vec(finite_number(), 1..14), b in vec(finite_number(), 1..14), edges in 0_usize..300, share in any_number()) {
        let (a, b) = (SortedSample::new(a).unwrap(), SortedSample::new(b).unwrap());
        for p in [KolmogorovP::Auto, KolmogorovP::Exact, KolmogorovP::Asymptotic] {
            prop_assert!(sound(kolmogorov_smirnov(&a, &b, p)));
        }
        prop_assert!(sound(wasserstein(&a, &b)) && sound(energy_distance(&a, &b)));
        prop_assert!(sound(cramer_von_mises(&a, &b)) && sound(mann_whitney(&a, &b)));
        prop_assert!(sound(anderson_darling(&a, &b)) && sound(epps_singleton(&a, &b)));
        if let (Ok(a), Ok(b)) = (Moments::of(a.values()), Moments::of(b.values())) {
            prop_assert!(sound(welch(&a, &b)));
        }
        if share.is_finite() {
            prop_assert!(a.quantile(share).is_finite());
        }
        if let Ok(bins) = ReferenceBins::of_numbers(&a, edges) {
            let (mut before, mut after) = (bins.empty(), bins.empty());
            a.values().iter().for_each(|&value| bins.count_number(&mut before, value).unwrap());
            b.values().iter().for_each(|&value| bins.count_number(&mut after, value).unwrap());
            prop_assert!(sound(bins.kolmogorov_smirnov(&before, &after)) && sound(bins.wasserstein(&before, &after)));
            prop_assert!(sound(bins.psi(&before, &after, 10)) && sound(bins.psi(&before, &after, 0)));
        }
    }

    #[test]
    fn numbers_of_any_kind(values in vec(any_number(), 0..20), more in vec(any_number(), 0..20), dimensions in 0_usize..4) {
        let ordered = SortedSample::new(values.clone());
        prop_assert_eq!(ordered.is_ok(), !values.is_empty() && values.iter().all(|v| v.is_finite()));
        let permutations = Permutations { number: 9, seed: 1 };
        if let (Ok(x), Ok(y)) = (Points::new(&values, dimensions), Points::new(&more, dimensions)) {
            prop_assert!(sound(mmd(x, y, None, permutations)) && sound(energy_test(x, y, permutations)));
            prop_assert!(sound(mmd(x, y, values.first().copied(), permutations)));
            prop_assert!(sound(classifier_test(x, y, 2, 1, 0.95).map(|t| t.comparison)));
            prop_assert!(sound(permuted_classifier_test(x, y, 2, permutations)));
        }
        if let Ok(features) = RandomFeatures::new(dimensions as u32, 4, values.first().copied().unwrap_or(1.0), 1) {
            let mut sums = features.empty();
            let _ = features.add(&mut sums, &values);
            let _ = features.add(&mut sums, &more);
            prop_assert!(sound(feature_mmd(&sums, &sums.clone())));
        }
        let _ = e_benjamini_hochberg(&values);
    }

    #[test]
    fn counts(a in vec(any::<u64>(), 0..6), b in vec(prop_oneof![0_u64..9, any::<u64>()], 0..6), floor in any_number()) {
        let permute = LowCounts::Permute { permutations: 9, seed: 1 };
        let few = |counts: &[u64]| counts.iter().map(|count| count % 50).collect::<Vec<u64>>();
        let (few_a, few_b) = (few(&a), few(&b));
        for (a, b) in [(&a, &b), (&few_a, &few_b)] {
            for low in [LowCounts::Keep, LowCounts::Pool, permute] {
                prop_assert!(sound(chi_squared(a, b, low)) && sound(g_test(a, b, low)));
            }
            prop_assert!(sound(psi(a, b, floor)) && sound(psi(a, b, PSI_FLOOR)));
            prop_assert!(sound(jensen_shannon(a, b, JensenShannonBase::E)) && sound(hellinger(a, b)));
            prop_assert!(sound(total_variation(a, b)) && sound(kullback_leibler(a, b)) && sound(largest_difference(a, b)));
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let sample = |values: &[f64]| SortedSample::new(values.to_vec());
    let says = |error: StatsError, what: &str| assert!(error.to_string().contains(what), "{error}");
    says(sample(&[]).unwrap_err(), "needs at least 1 values");
    says(sample(&[1.0, f64::NAN]).unwrap_err(), "value NaN at position 1");
    let bins = |values: &[f64]| ReferenceBins::of_numbers(&sample(values).unwrap(), 10).unwrap();
    let (one, other) = (bins(&[1.0, 2.0, 3.0]), bins(&[1.0, 2.0, 4.0]));
    says(one.count_number(&mut other.empty(), 1.0).unwrap_err(), "other bins");
    says(one.empty().merge(&other.empty()).unwrap_err(), "other bins");
    says(one.kolmogorov_smirnov(&one.empty(), &one.empty()).unwrap_err(), "reference cases");
    let names = ReferenceBins::of_categories(["CR", "DX"]).unwrap();
    says(names.kolmogorov_smirnov(&names.empty(), &names.empty()).unwrap_err(), "no order");
    let mut counts = names.empty();
    names.count_category(&mut counts, "DX").unwrap();
    names.count_category(&mut counts, "MG").unwrap();
    counts.add_missing().unwrap();
    names.count_number(&mut counts, 5.0).unwrap();
    assert_eq!(
        (counts.n(), counts.new_category(), counts.missing(), counts.invalid(), counts.n_all()),
        (1, 1, 1, 1, 4)
    );
    let many: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    says(ReferenceBins::of_categories(many.iter().map(String::as_str)).unwrap_err(), "identifier");
    says(chi_squared(&[5, 0], &[7, 0], LowCounts::Keep).unwrap_err(), "one cell");
    says(chi_squared(&[5], &[7, 0], LowCounts::Keep).unwrap_err(), "1 values against 2");
    says(kullback_leibler(&[5, 0], &[5, 1]).unwrap_err(), "Jensen-Shannon is defined there");
    says(Points::new(&[1.0, 2.0, 3.0], 2).unwrap_err(), "3 values against 2");
    let same = [1.0; 8];
    let points = Points::new(&same, 2).unwrap();
    says(mmd(points, points, None, Permutations::default()).unwrap_err(), "give a scale");
    // Stored bins that were tampered with are refused.
    for stored in [
        r#"{"numbers":{"edges":[2.0,1.0],"lowest":0.0,"highest":3.0}}"#,
        r#"{"numbers":{"edges":[],"lowest":0.0,"highest":3.0}}"#,
        r#"{"numbers":{"edges":[1.0],"lowest":4.0,"highest":3.0}}"#,
        r#"{"categories":{"names":["b","a"]}}"#,
        r#"{"categories":{"names":[]}}"#,
    ] {
        assert!(serde_json::from_str::<ReferenceBins>(stored).is_err(), "{stored}");
    }
}
