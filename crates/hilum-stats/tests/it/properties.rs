//! Laws that hold whatever the data: bounds, order of cases irrelevant, complement, monotony.

use hilum_stats::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Labels with two scores on a coarse grid (ties), and a patient each.
fn cases() -> impl Strategy<Value = Vec<(bool, f64, f64, u64)>> {
    let score = || (0_u32..=20).prop_map(|s| f64::from(s) / 20.0);
    vec((any::<bool>(), score(), score(), 0_u64..12), 4..60)
}

type Columns = (Vec<bool>, Vec<f64>, Vec<f64>, Vec<u64>);

fn columns(cases: &[(bool, f64, f64, u64)]) -> Columns {
    let labels = cases.iter().map(|c| c.0).collect();
    (
        labels,
        cases.iter().map(|c| c.1).collect(),
        cases.iter().map(|c| c.2).collect(),
        cases.iter().map(|c| c.3).collect(),
    )
}

fn sound(estimate: &Estimate) -> bool {
    let finite = estimate.value.is_finite() && estimate.lower.is_finite() && estimate.upper.is_finite();
    finite && estimate.lower <= estimate.value + 1e-12 && estimate.value <= estimate.upper + 1e-12
}

/// Every figure of scored cases that has one interval, by name.
fn figures((labels, first, second, patients): &Columns) -> Vec<(&'static str, Result<Estimate, StatsError>)> {
    let table = ConfusionTable::at_threshold(labels, first, 0.5).unwrap();
    let pairs = PairedTable::of(
        &first.iter().map(|&s| 0.5 <= s).collect::<Vec<_>>(),
        &second.iter().map(|&s| 0.5 <= s).collect::<Vec<_>>(),
    )
    .unwrap();
    let clustered = Some(patients.as_slice());
    let wilson = ProportionInterval::Wilson;
    let calls: Vec<u32> = first.iter().map(|&s| (s * 4.0) as u32).collect();
    let others: Vec<u32> = second.iter().map(|&s| (s * 4.0) as u32).collect();
    let kappa = |weights| cohen_kappa(&calls, &others, 5, weights, 0.95).map(|k| k.kappa);
    vec![
        ("auroc", auroc(labels, first, None, 0.95, AurocInterval::Delong)),
        ("auroc clustered", auroc(labels, first, clustered, 0.95, AurocInterval::DelongLogit)),
        ("difference", auroc_difference(labels, first, second, None, 0.95).map(|d| d.difference)),
        ("difference clustered", auroc_difference(labels, first, second, clustered, 0.95).map(|d| d.difference)),
        ("sensitivity", table.sensitivity(0.95, wilson)),
        ("specificity", table.specificity(0.95, ProportionInterval::ClopperPearson)),
        ("ppv", table.ppv(0.95, wilson)),
        ("npv", table.npv(0.95, wilson)),
        ("lr+", table.positive_likelihood_ratio(0.95)),
        ("lr-", table.negative_likelihood_ratio(0.95)),
        ("matthews", table.matthews(0.95)),
        ("newcombe", pairs.newcombe(0.95)),
        ("tango", pairs.tango(0.95)),
        ("brier", brier(labels, first, clustered, 0.95)),
        ("log loss", log_loss(labels, first, clustered, 0.95)),
        ("o/e", observed_expected(labels, first, 0.95)),
        ("slope", calibration_fit(labels, first, 0.95).map(|f| f.slope)),
        ("kappa", kappa(KappaWeights::None)),
        ("kappa linear", kappa(KappaWeights::Linear)),
        ("kappa quadratic", kappa(KappaWeights::Quadratic)),
        ("icc one-way", icc(&[first, second], IccForm::OneWay, 0.95)),
        ("icc agreement", icc(&[first, second], IccForm::AbsoluteAgreement, 0.95)),
        ("icc consistency", icc(&[first, second], IccForm::Consistency, 0.95)),
        ("bias", bland_altman(first, second, 0.95, 0.95).map(|b| b.bias)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn intervals_hold_their_value_and_are_finite(cases in cases()) {
        for (name, figure) in figures(&columns(&cases)) {
            if let Ok(figure) = figure {
                prop_assert!(sound(&figure), "{} {:?}", name, figure);
            }
        }
    }

    #[test]
    fn the_order_of_cases_is_irrelevant(cases in cases(), seed in any::<u64>()) {
        let mut shuffled = cases.clone();
        // Any permutation will do; this one depends on the seed.
        let n = shuffled.len();
        for i in (1..n).rev() {
            shuffled.swap(i, (seed.rotate_left(i as u32) % (i as u64 + 1)) as usize);
        }
        for ((name, a), (_, b)) in figures(&columns(&cases)).into_iter().zip(figures(&columns(&shuffled))) {
            match (a, b) {
                (Ok(a), Ok(b)) => {
                    let apart = (a.value - b.value).abs() + (a.lower - b.lower).abs() + (a.upper - b.upper).abs();
                    prop_assert!(apart < 1e-7 * (1.0 + a.upper.abs() + a.lower.abs()), "{} {:?} {:?}", name, a, b);
                }
                (a, b) => prop_assert_eq!(a.is_err(), b.is_err(), "{}", name),
            }
        }
    }

    #[test]
    fn turning_the_labels_turns_the_auroc(cases in cases()) {
        let (labels, scores, ..) = columns(&cases);
        let turned: Vec<bool> = labels.iter().map(|l| !l).collect();
        if let (Ok(a), Ok(b)) = (auroc_value(&labels, &scores), auroc_value(&turned, &scores)) {
            prop_assert!((a + b - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_rising_function_of_the_score_changes_no_rank_figure(cases in cases()) {
        let (labels, scores, other, patients) = columns(&cases);
        let bent: Vec<f64> = scores.iter().map(|s| s.powi(3) - 2.0).collect();
        for patients in [None, Some(patients.as_slice())] {
            prop_assert_eq!(
                auroc(&labels, &scores, patients, 0.9, AurocInterval::Delong),
                auroc(&labels, &bent, patients, 0.9, AurocInterval::Delong)
            );
            let compared = |scores: &[f64]| auroc_difference(&labels, scores, &other, patients, 0.95);
            prop_assert_eq!(compared(&scores), compared(&bent));
        }
        prop_assert_eq!(average_precision(&labels, &scores), average_precision(&labels, &bent));
    }

    #[test]
    fn a_higher_level_never_narrows(successes in 0_u64..50, more in 0_u64..50, level in 0.5_f64..0.99) {
        let trials = successes + more;
        for interval in [ProportionInterval::Wilson, ProportionInterval::ClopperPearson] {
            if trials == 0 {
                prop_assert!(proportion(successes, trials, level, interval).is_err());
                continue;
            }
            let narrow = proportion(successes, trials, level, interval).unwrap();
            let wide = proportion(successes, trials, level + 0.009, interval).unwrap();
            prop_assert!(wide.lower <= narrow.lower && narrow.upper <= wide.upper);
        }
    }

    #[test]
    fn agreement_measures_do_not_depend_on_who_is_first(cases in cases()) {
        let (_, a, b, _) = columns(&cases);
        for form in [IccForm::OneWay, IccForm::AbsoluteAgreement, IccForm::Consistency] {
            if let (Ok(ab), Ok(ba)) = (icc(&[&a, &b], form, 0.95), icc(&[&b, &a], form, 0.95)) {
                prop_assert!((ab.value - ba.value).abs() < 1e-9 && (ab.lower - ba.lower).abs() < 1e-6);
                prop_assert!(ab.value <= 1.0);
            }
        }
        if let (Ok(ab), Ok(ba)) = (bland_altman(&a, &b, 0.95, 0.9), bland_altman(&b, &a, 0.95, 0.9)) {
            prop_assert!((ab.bias.value + ba.bias.value).abs() < 1e-12);
            prop_assert!((ab.lower_limit.lower + ba.upper_limit.upper).abs() < 1e-9);
        }
    }

    #[test]
    fn a_constant_difference_of_readers_lowers_agreement_and_not_consistency(cases in cases()) {
        let (_, a, b, _) = columns(&cases);
        let shifted: Vec<f64> = b.iter().map(|v| v + 3.0).collect();
        let of = |form, b: &[f64]| icc(&[&a, b], form, 0.95).map(|e| e.value);
        if let (Ok(before), Ok(after)) = (of(IccForm::Consistency, &b), of(IccForm::Consistency, &shifted)) {
            prop_assert!((before - after).abs() < 1e-9);
        }
        if let (Ok(before), Ok(after)) = (of(IccForm::AbsoluteAgreement, &b), of(IccForm::AbsoluteAgreement, &shifted)) {
            prop_assert!(after.abs() <= before.abs() + 1e-9);
        }
    }
}

/// Two masks on a small volume, with its spacing.
fn masks() -> impl Strategy<Value = (Grid, Vec<bool>, Vec<bool>)> {
    let sides = (1_usize..6, 1_usize..7, 1_usize..7, [0.1_f64..6.0, 0.1_f64..6.0, 0.1_f64..6.0]);
    sides.prop_flat_map(|(s, r, c, spacing)| {
        let n = s * r * c;
        let mask = || vec(proptest::bool::weighted(0.3), n..=n);
        (Just(Grid::volume([s, r, c], spacing).unwrap()), mask(), mask())
    })
}

const POLICIES: [EmptyMasks; 3] = [EmptyMasks::Undefined, EmptyMasks::Agree, EmptyMasks::AgreeOrDiagonal];

proptest! {
    #[test]
    fn masks_agree_within_bounds_and_whoever_is_the_reference((grid, a, b) in masks(), tolerance in 0.0_f64..8.0) {
        for empty in POLICIES {
            let (there, back) = (surface_distances(&grid, &a, &b, empty).unwrap(), surface_distances(&grid, &b, &a, empty).unwrap());
            prop_assert_eq!(dice(&a, &b, empty), dice(&b, &a, empty));
            prop_assert_eq!(there.hausdorff_mm(), back.hausdorff_mm());
            prop_assert_eq!(there.nsd(tolerance), back.nsd(tolerance));
            if let (Ok(d), Ok(j)) = (dice(&a, &b, empty), iou(&a, &b, empty)) {
                prop_assert!((j - d / (2.0 - d)).abs() < 1e-12 && (0.0..=1.0).contains(&d));
            }
            if let (Ok(hd), Ok(hd95), Ok(assd)) = (there.hausdorff_mm(), there.hausdorff_percentile_mm(95.0), there.assd_mm()) {
                prop_assert!(hd95 <= hd && assd <= hd + 1e-12 && hd <= grid.diagonal_mm() + 1e-9);
            }
            if let (Ok(near), Ok(far)) = (there.nsd(tolerance), there.nsd(tolerance + 0.5)) {
                prop_assert!(near <= far && (0.0..=1.0).contains(&near));
            }
            let same = surface_distances(&grid, &a, &a, empty).unwrap();
            if let (Ok(hd), Ok(nsd)) = (same.hausdorff_mm(), same.nsd(0.0)) {
                prop_assert_eq!((hd, nsd), (0.0, 1.0));
            }
        }
    }

    /// Against all pairs of surface voxels, found the slow way.
    #[test]
    fn distances_equal_a_search_of_all_pairs((grid, a, b) in masks()) {
        let json = serde_json::to_value(grid).unwrap();
        let shape: Vec<usize> = serde_json::from_value(json["shape"].clone()).unwrap();
        let spacing: Vec<f64> = serde_json::from_value(json["spacing_mm"].clone()).unwrap();
        let at = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
        let surface = |mask: &[bool]| -> Vec<[f64; 3]> {
            let inside = |place: [i64; 3]| {
                let within = (0..3).all(|axis| 0 <= place[axis] && place[axis] < shape[axis] as i64);
                within && mask[((place[0] * shape[1] as i64 + place[1]) * shape[2] as i64 + place[2]) as usize]
            };
            let open = |place: [usize; 3]| {
                (0..3).any(|axis| [-1_i64, 1].into_iter().any(|step| {
                    let mut next = place.map(|p| p as i64);
                    next[axis] += step;
                    !inside(next)
                }))
            };
            let kept = (0..mask.len()).filter(|&i| mask[i] && open(at(i)));
            kept.map(|i| [0, 1, 2].map(|axis| at(i)[axis] as f64 * spacing[axis])).collect()
        };
        let (of_a, of_b) = (surface(&a), surface(&b));
        prop_assume!(!of_a.is_empty() && !of_b.is_empty());
        let apart = |p: &[f64; 3], q: &[f64; 3]| p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
        let nearest = |from: &[[f64; 3]], to: &[[f64; 3]]| -> Vec<f64> {
            from.iter().map(|p| to.iter().map(|q| apart(p, q)).fold(f64::INFINITY, f64::min)).collect()
        };
        let all = [nearest(&of_a, &of_b), nearest(&of_b, &of_a)].concat();
        let ours = surface_distances(&grid, &a, &b, EmptyMasks::Undefined).unwrap();
        let largest = all.iter().copied().fold(0.0, f64::max);
        prop_assert!((ours.hausdorff_mm().unwrap() - largest).abs() < 1e-9);
        prop_assert!((ours.assd_mm().unwrap() - all.iter().sum::<f64>() / all.len() as f64).abs() < 1e-9);
    }

    #[test]
    fn a_froc_curve_rises_and_adding_a_false_mark_never_helps(
        cases in vec((0_u32..4, vec((0_u32..30, proptest::option::of(0_u32..4)), 0..6)), 1..15), score in 0_u32..30,
    ) {
        let mark = |(score, lesion): (u32, Option<u32>), n: u32| Mark {
            score: f64::from(score) / 10.0,
            lesion: lesion.filter(|&lesion| lesion < n),
        };
        let mut cases: Vec<DetectionCase> = cases
            .into_iter()
            .map(|(n_lesions, marks)| DetectionCase { n_lesions, marks: marks.into_iter().map(|m| mark(m, n_lesions)).collect() })
            .collect();
        if cases.iter().all(|case| case.n_lesions == 0) {
            prop_assert!(froc_curve(&cases).is_err());
            return Ok(());
        }
        let curve = froc_curve(&cases).unwrap();
        let rises = curve.windows(2).all(|w| {
            w[0].sensitivity <= w[1].sensitivity && w[0].false_positives_per_case <= w[1].false_positives_per_case
        });
        prop_assert!(rises);
        let at = [0.125, 0.5, 1.0, 4.0];
        let before = froc_score_value(&cases, &at).unwrap();
        let area = afroc_value(&cases, LesionWeights::PerCase);
        prop_assert!((0.0..=1.0).contains(&before) && area.as_ref().map_or(true, |a| (0.0..=1.0).contains(a)));
        let place = cases.len() / 2;
        cases[place].marks.push(Mark { score: f64::from(score) / 10.0, lesion: None });
        prop_assert!(froc_score_value(&cases, &at).unwrap() <= before + 1e-12);
        if let (Ok(after), Ok(area)) = (afroc_value(&cases, LesionWeights::PerCase), area) {
            prop_assert!(after <= area + 1e-12);
        }
    }
}
