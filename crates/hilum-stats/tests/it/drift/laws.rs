//! Laws that hold whatever the data.

use super::sorted;
use hilum_stats::drift::*;
use hilum_stats::{benjamini_hochberg, e_benjamini_hochberg};
use proptest::collection::vec;
use proptest::prelude::*;

/// Values on a coarse grid, so that there are ties.
fn values() -> impl Strategy<Value = Vec<f64>> {
    vec((-12_i32..=12).prop_map(|v| f64::from(v) / 4.0), 5..40)
}

/// What counts hold, to feed more than one histogram.
fn fed() -> impl Strategy<Value = Vec<f64>> {
    vec(prop_oneof![4 => -5.0_f64..5.0, 1 => Just(f64::NAN), 1 => Just(1e9), 1 => Just(2.0)], 0..60)
}

type ShareDistance = fn(&[u64], &[u64]) -> Result<Comparison, hilum_stats::StatsError>;

fn base_2(a: &[u64], b: &[u64]) -> Result<Comparison, hilum_stats::StatsError> {
    jensen_shannon(a, b, JensenShannonBase::Two)
}

type PointTest = fn(Points<'_>, Points<'_>, Permutations) -> Result<Comparison, hilum_stats::StatsError>;

fn mmd_by_median(x: Points<'_>, y: Points<'_>, p: Permutations) -> Result<Comparison, hilum_stats::StatsError> {
    mmd(x, y, None, p)
}

type Test = fn(&SortedSample, &SortedSample) -> Result<Comparison, hilum_stats::StatsError>;

const TESTS: &[(&str, Test)] = &[
    ("ks exact", |a, b| kolmogorov_smirnov(a, b, KolmogorovP::Exact)),
    ("ks asymptotic", |a, b| kolmogorov_smirnov(a, b, KolmogorovP::Asymptotic)),
    ("wasserstein", wasserstein),
    ("energy", energy_distance),
    ("cramer", cramer_von_mises),
    ("anderson", anderson_darling),
    ("epps", epps_singleton),
];

fn counted(bins: &ReferenceBins, values: &[f64]) -> CellCounts {
    let mut counts = bins.empty();
    values.iter().for_each(|&value| bins.count_number(&mut counts, value).unwrap());
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn both_samples_are_alike_to_a_test(a in values(), b in values()) {
        let (a, b) = (sorted(&a), sorted(&b));
        for (name, test) in TESTS {
            let (there, back) = (test(&a, &b), test(&b, &a));
            let (Ok(there), Ok(back)) = (there, back) else { continue };
            prop_assert!((there.value - back.value).abs() < 1e-9 * there.value.abs().max(1.0), "{name} {there:?} {back:?}");
            if let (Some(p), Some(q)) = (there.p_value, back.p_value) {
                prop_assert!((p - q).abs() < 1e-9, "{name} {p} {q}");
            }
            let own = match test(&a, &a) {
                // Five values or six may leave no spread to measure by, as three equal ones in their middle do.
                Err(hilum_stats::StatsError::Undefined { .. }) => continue,
                own => own.unwrap(),
            };
            prop_assert!(own.value.abs() < 1e-9 || *name == "anderson" || *name == "cramer", "{name} {own:?}");
            prop_assert!(own.p_value.is_none_or(|p| 0.2 < p), "{name} {own:?}");
        }
        let (u, v) = (mann_whitney(&a, &b), mann_whitney(&b, &a));
        if let (Ok(u), Ok(v)) = (u, v) {
            prop_assert_eq!(u.value + v.value, (a.n() * b.n()) as f64);
            prop_assert!((u.p_value.unwrap() - v.p_value.unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn distances_of_shares_are_bounded_and_symmetric(cells in vec((0_u64..50, 0_u64..50), 1..12)) {
        let (a, b): (Vec<u64>, Vec<u64>) = cells.into_iter().unzip();
        if a.iter().sum::<u64>() == 0 || b.iter().sum::<u64>() == 0 {
            prop_assert!(psi(&a, &b, PSI_FLOOR).is_err());
            return Ok(());
        }
        for distance in [base_2 as ShareDistance, hellinger, total_variation, largest_difference] {
            let (there, back) = (distance(&a, &b).unwrap().value, distance(&b, &a).unwrap().value);
            prop_assert!((there - back).abs() < 1e-9 && (-1e-12..=1.0 + 1e-12).contains(&there));
            prop_assert!(distance(&a, &a).unwrap().value.abs() < 1e-7);
        }
        let (there, back) = (psi(&a, &b, PSI_FLOOR).unwrap().value, psi(&b, &a, PSI_FLOOR).unwrap().value);
        prop_assert!((there - back).abs() < 1e-9 && 0.0 <= there);
    }

    #[test]
    fn merged_counts_are_pooled_counts(reference in values(), first in fed(), second in fed(), edges in 1_usize..=255) {
        let bins = ReferenceBins::of_numbers(&sorted(&reference), edges).unwrap();
        let (mut a, b) = (counted(&bins, &first), counted(&bins, &second));
        let pooled = counted(&bins, &[first.as_slice(), &second].concat());
        let mut other_way = b.clone();
        other_way.merge(&a).unwrap();
        a.merge(&b).unwrap();
        prop_assert_eq!(&a, &pooled);
        prop_assert_eq!(&other_way, &pooled);
        prop_assert_eq!(pooled.n_all(), (first.len() + second.len()) as u64);
        // What is stored and read again is the same, and goes on counting.
        let stored = serde_json::to_string(&(&bins, &a)).unwrap();
        let (bins_again, counts_again): (ReferenceBins, CellCounts) = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!((&bins_again, &counts_again), (&bins, &a));
        prop_assert!(bins_again.count_number(&mut counts_again.clone(), 0.0).is_ok());
    }

    #[test]
    fn counts_say_what_raw_values_say(reference in values(), current in values()) {
        // The grid has 25 values, so every one has its cell.
        let bins = ReferenceBins::of_numbers(&sorted(&reference), 255).unwrap();
        let (a, b) = (counted(&bins, &reference), counted(&bins, &current));
        let exact = kolmogorov_smirnov(&sorted(&reference), &sorted(&current), KolmogorovP::Asymptotic).unwrap();
        let binned = bins.kolmogorov_smirnov(&a, &b).unwrap();
        prop_assert!(binned.value <= exact.value + 1e-12, "{binned:?} {exact:?}");
        // Between two values of the reference there is no edge: what falls there differs by its own share at most.
        let inside = current.iter().filter(|v| !reference.contains(v)).count() as f64 / current.len() as f64;
        prop_assert!(exact.value - inside - 1e-12 <= binned.value, "{binned:?} {exact:?}");
        let [row_a, row_b] = bins.rows(&a, &b, 10).unwrap();
        prop_assert_eq!(row_a.iter().sum::<u64>(), a.n_all());
        prop_assert_eq!(row_b.iter().sum::<u64>(), b.n_all());
    }

    #[test]
    fn merged_moments_are_pooled_moments(first in values(), second in values()) {
        let (mut a, b) = (Moments::of(&first).unwrap(), Moments::of(&second).unwrap());
        a.merge(&b);
        let pooled = Moments::of(&[first, second].concat()).unwrap();
        prop_assert_eq!(a.n(), pooled.n());
        prop_assert!((a.mean().unwrap() - pooled.mean().unwrap()).abs() < 1e-12);
        prop_assert!((a.variance().unwrap() - pooled.variance().unwrap()).abs() < 1e-12);
    }

    #[test]
    fn merged_feature_sums_are_pooled_sums(values in vec(-3.0_f64..3.0, 12..60), cut in 1_usize..5) {
        let values = &values[..values.len() / 3 * 3];
        let features = RandomFeatures::new(3, 16, 2.0, 9).unwrap();
        let sums = |values: &[f64]| features.sums_of(Points::new(values, 3).unwrap()).unwrap();
        let (mut a, b) = (sums(&values[..3 * cut.min(3)]), sums(&values[3 * cut.min(3)..]));
        a.merge(&b).unwrap();
        let other = sums(&values.iter().map(|v| v + 1.0).collect::<Vec<_>>());
        let (merged, pooled) = (feature_mmd(&a, &other).unwrap(), feature_mmd(&sums(values), &other).unwrap());
        prop_assert!((merged.value - pooled.value).abs() < 1e-12);
        prop_assert_eq!(merged.n_reference, pooled.n_reference);
    }

    #[test]
    fn points_in_any_order_give_one_discrepancy(values in vec(-3.0_f64..3.0, 24..80)) {
        let values = &values[..values.len() / 4 * 4];
        let half = values.len() / 8 * 4;
        let (x, y) = (&values[..half], &values[half..]);
        let permutations = Permutations { number: 9, seed: 3 };
        let reversed: Vec<f64> = x.chunks(4).rev().flatten().copied().collect();
        for test in [mmd_by_median as PointTest, energy_test] {
            let of = |x: &[f64]| test(Points::new(x, 4).unwrap(), Points::new(y, 4).unwrap(), permutations).unwrap();
            prop_assert!((of(x).value - of(&reversed).value).abs() < 1e-9);
        }
    }

    /// Where all evidence is a p-value turned round, e-BH is BH.
    #[test]
    fn e_values_adjust_like_their_reciprocals(p_values in vec(0.001_f64..=1.0, 1..20)) {
        let e_values: Vec<f64> = p_values.iter().map(|p| 1.0 / p).collect();
        let (ours, theirs) = (e_benjamini_hochberg(&e_values).unwrap(), benjamini_hochberg(&p_values).unwrap());
        prop_assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

/// The exact p-value against a count of all orders by hand, small samples without ties.
#[test]
fn the_exact_p_value_counts_every_order() {
    for (n, m) in [(1, 1), (2, 3), (4, 4), (5, 3), (1, 7), (6, 5)] {
        let total = n + m;
        let orders: Vec<u32> = (0..1_u32 << total).filter(|set| set.count_ones() as usize == n).collect();
        let difference = |set: u32| {
            let (mut a, mut b, mut most) = (0_i64, 0_i64, 0_i64);
            for place in 0..total {
                if set >> place & 1 == 1 {
                    a += 1
                } else {
                    b += 1
                }
                most = most.max((a * m as i64 - b * n as i64).abs());
            }
            most
        };
        for &set in &orders {
            let place = |member: bool| -> Vec<f64> {
                (0..total).filter(|place| (set >> place & 1 == 1) == member).map(|place| place as f64).collect()
            };
            let test = kolmogorov_smirnov(&sorted(&place(true)), &sorted(&place(false)), KolmogorovP::Exact).unwrap();
            let reach = orders.iter().filter(|other| difference(set) <= difference(**other)).count();
            let exact = reach as f64 / orders.len() as f64;
            assert!((test.p_value.unwrap() - exact).abs() < 1e-12, "{n} {m} {set:b}: {test:?} {exact}");
        }
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let (a, b) = (super::normal(5, 3000, 0.0, 1.0), super::normal(6, 2400, 0.1, 1.0));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (x, y) = (Points::new(&a, 3).unwrap(), Points::new(&b, 3).unwrap());
            let permute = LowCounts::Permute { permutations: 99, seed: 2 };
            (
                mmd(x, y, None, Permutations { number: 199, seed: 4 }).unwrap(),
                classifier_test(x, y, 5, 4, 0.95).unwrap(),
                permuted_classifier_test(x, y, 5, Permutations { number: 19, seed: 4 }).unwrap(),
                chi_squared(&[40, 3, 2], &[30, 1, 6], permute).unwrap(),
            )
        })
    };
    assert_eq!(run(1), run(3));
}
