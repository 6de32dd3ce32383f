//! Bad input is normal input: every function answers with a typed error or with finite numbers, and never panics.

use hilum_stats::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Any 64 bits, and the values that break programs more often than others.
fn any_number() -> impl Strategy<Value = f64> {
    let awkward = [
        0.0,
        -0.0,
        1.0,
        0.5,
        -1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        1.0 - f64::EPSILON,
        5e-324,
        1e300,
        -1e300,
    ];
    prop_oneof![3 => proptest::sample::select(awkward.to_vec()), 2 => any::<f64>(), 3 => 0.0_f64..=1.0]
}

fn finite(estimate: Result<Estimate, StatsError>) -> bool {
    estimate.map_or(true, |e| e.value.is_finite() && e.lower.is_finite() && e.upper.is_finite())
}

fn finite_number(number: Result<f64, StatsError>) -> bool {
    number.map_or(true, f64::is_finite)
}

fn finite_test(test: Result<TestResult, StatsError>) -> bool {
    test.map_or(true, |t| t.statistic.is_finite() && 0.0 < t.p_value && t.p_value <= 1.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn figures_of_scores_are_finite_or_errors(
        labels in vec(any::<bool>(), 0..12),
        first in vec(any_number(), 0..12),
        second in vec(any_number(), 0..12),
        patients in vec(0_u64..4, 0..12),
        (threshold, level, margin) in (any_number(), any_number(), any_number()),
        same_length in proptest::bool::weighted(0.8),
    ) {
        let n = labels.len().min(first.len()).min(second.len()).min(patients.len());
        let cut = |length: usize| if same_length { n } else { length };
        let (labels, first) = (&labels[..cut(labels.len())], &first[..cut(first.len())]);
        let (second, patients) = (&second[..cut(second.len())], &patients[..cut(patients.len())]);
        for level in [level, 0.95] {
            for patients in [None, Some(patients)] {
                prop_assert!(finite(auroc(labels, first, patients, level, AurocInterval::Delong)));
                prop_assert!(finite(auroc(labels, first, patients, level, AurocInterval::DelongLogit)));
                prop_assert!(finite(auroc_difference(labels, first, second, patients, level).map(|d| d.difference)));
                prop_assert!(finite(noninferiority_auroc(labels, first, second, patients, margin, level).map(|d| d.difference)));
                prop_assert!(finite(brier(labels, first, patients, level)));
                prop_assert!(finite(log_loss(labels, first, patients, level)));
                if let Ok(curve) = decision_curve(labels, first, &[threshold], patients, level) {
                    prop_assert!(finite(Ok(curve[0].model.clone())) && curve[0].treat_all.is_finite());
                }
            }
            prop_assert!(finite(proportion_clustered(labels, patients, level)));
            prop_assert!(finite(observed_expected(labels, first, level)));
            if let Ok(fit) = calibration_fit(labels, first, level) {
                prop_assert!(finite(Ok(fit.slope)) && finite(Ok(fit.intercept)) && finite(Ok(fit.in_the_large)));
            }
            if let Ok(table) = ConfusionTable::at_threshold(labels, first, threshold) {
                prop_assert!(finite(table.matthews(level)));
                prop_assert!(finite(table.positive_likelihood_ratio(level)));
                prop_assert!(finite(table.ppv(level, ProportionInterval::ClopperPearson)));
            }
            for form in [IccForm::OneWay, IccForm::AbsoluteAgreement, IccForm::Consistency] {
                prop_assert!(finite(icc(&[first, second], form, level)));
            }
            if let Ok(limits) = bland_altman(first, second, margin, level) {
                prop_assert!(finite(Ok(limits.bias)) && finite(Ok(limits.lower_limit)) && finite(Ok(limits.upper_limit)));
                prop_assert!(limits.proportional_bias.is_none_or(|slope| finite(Ok(slope))));
            }
            let options = Bootstrap { resamples: 100, level, ..Bootstrap::default() };
            prop_assert!(finite(auroc_bootstrap(labels, first, None, &options)));
            prop_assert!(finite(auprc(labels, first, None, &options)));
            prop_assert!(finite(debiased_ece(labels, first, None, Binning::EqualCount(3), &options)));
        }
        prop_assert!(finite_number(auroc_value(labels, first)));
        prop_assert!(finite_number(average_precision(labels, first)));
        prop_assert!(finite_number(ece_value(labels, first, Binning::EqualWidth(7))));
        prop_assert!(finite_test(spiegelhalter(labels, first)));
        if let Ok(adjusted) = holm(first) {
            prop_assert!(adjusted.iter().all(|p| (0.0..=1.0).contains(p)));
        }
    }

    #[test]
    fn counts_give_finite_figures_or_errors(
        counts in [0_u64..5000, 0_u64..5000, 0_u64..5000, 0_u64..5000], zero in [any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()],
        (level, margin) in (any_number(), any_number()),
    ) {
        let mut counts = counts;
        for (count, zero) in counts.iter_mut().zip(zero) {
            if zero {
                *count = 0;
            }
        }
        let [a, b, c, d] = counts;
        let table = PairedTable { both: a, first_only: b, second_only: c, neither: d };
        prop_assert!(finite_test(mcnemar(&table)) && finite_test(mcnemar_exact(&table)));
        prop_assert!(finite_test(table.tango_test(margin)));
        for level in [level, 0.9] {
            prop_assert!(finite(table.newcombe(level)) && finite(table.tango(level)));
            prop_assert!(finite(newcombe_difference(a, b, c, d, level)) && finite(difference_score(a, b, c, d, level)));
            prop_assert!(finite(noninferiority_unpaired(a, b, c, d, margin, level).map(|n| n.difference)));
            prop_assert!(finite(noninferiority_paired(&table, margin, level).map(|n| n.difference)));
            prop_assert!(finite(clopper_pearson(a, b, level)));
        }
        prop_assert!(finite_number(hanley_mcneil_standard_error(margin, a, b)));
    }

    #[test]
    fn categories_are_finite_or_errors(first in vec(0_u32..6, 0..10), second in vec(0_u32..6, 0..10), n in 0_usize..8) {
        for weights in [KappaWeights::None, KappaWeights::Linear, KappaWeights::Quadratic] {
            let kappa = cohen_kappa(&first, &second, n, weights, 0.95);
            prop_assert!(kappa.as_ref().map_or(true, |k| k.observed_agreement.is_finite() && k.expected_agreement.is_finite()));
            prop_assert!(finite(kappa.map(|k| k.kappa)));
        }
    }

    #[test]
    fn masks_are_finite_or_errors(
        shape in [0_usize..4, 0_usize..4, 0_usize..4], spacing in [any_number(), any_number(), any_number()],
        a in vec(any::<bool>(), 0..64), b in vec(any::<bool>(), 0..64), fits in proptest::bool::weighted(0.8), x in any_number(),
    ) {
        let spacing = if fits { [0.7, 0.5, 2.0] } else { spacing };
        let Ok(grid) = Grid::volume(shape, spacing) else { return Ok(()) };
        let n = if fits { grid.n_voxels() } else { 64 };
        let (a, b) = (&a[..n.min(a.len())], &b[..n.min(b.len())]);
        for empty in [EmptyMasks::Undefined, EmptyMasks::Agree, EmptyMasks::AgreeOrDiagonal] {
            prop_assert!(finite_number(dice(a, b, empty)) && finite_number(iou(a, b, empty)));
            let Ok(distances) = surface_distances(&grid, a, b, empty) else { continue };
            prop_assert!(finite_number(distances.hausdorff_mm()) && finite_number(distances.hausdorff_percentile_mm(x)));
            prop_assert!(finite_number(distances.assd_mm()) && finite_number(distances.masd_mm()) && finite_number(distances.nsd(x)));
        }
    }

    #[test]
    fn detections_are_finite_or_errors(
        cases in vec((prop_oneof![0_u32..3, Just(u32::MAX)], vec((any_number(), proptest::option::of(0_u32..4)), 0..4)), 0..6), at in vec(any_number(), 0..3),
    ) {
        let of = |(n_lesions, marks): (u32, Vec<(f64, Option<u32>)>)| DetectionCase {
            n_lesions,
            marks: marks.into_iter().map(|(score, lesion)| Mark { score, lesion }).collect(),
        };
        let cases: Vec<DetectionCase> = cases.into_iter().map(of).collect();
        prop_assert!(finite_number(froc_score_value(&cases, &at)));
        let options = Bootstrap { resamples: 100, ..Bootstrap::default() };
        prop_assert!(finite(froc_score(&cases, &at, None, &options)));
        for weights in [LesionWeights::Equal, LesionWeights::PerCase] {
            prop_assert!(finite_number(afroc_value(&cases, weights)));
            prop_assert!(finite(afroc(&cases, weights, None, &options)));
        }
    }
}

#[test]
fn errors_name_figure_and_reason() {
    let said = |error: StatsError| error.to_string();
    let grid = Grid::plane([2, 2], [1.0, 1.0]).unwrap();
    let empty = surface_distances(&grid, &[false; 4], &[true; 4], EmptyMasks::Agree).unwrap();
    assert_eq!(
        [
            said(icc(&[&[1.0, 2.0], &[1.0, 2.0]], IccForm::OneWay, 0.95).unwrap_err()),
            said(icc(&[&[1.0, 2.0, 4.0], &[1.0, 2.0, 4.0]], IccForm::Consistency, 0.95).unwrap_err()),
            said(cohen_kappa(&[1, 1], &[1, 1], 2, KappaWeights::None, 0.95).unwrap_err()),
            said(empty.hausdorff_mm().unwrap_err()),
            said(Grid::plane([2, 2], [0.0, 1.0]).unwrap_err()),
            said(froc_curve(&[DetectionCase::default()]).unwrap_err()),
            said(log_loss(&[true, false], &[0.0, 0.5], None, 0.95).unwrap_err()),
        ],
        [
            "intraclass correlation needs at least 3 cases, there are 2",
            "intraclass correlation is not defined: the readers leave no error to build an interval from",
            "kappa is not defined: both use one and the same category only",
            "Hausdorff distance is not defined: one of the two masks is empty",
            "voxel grid: value spacing 0 at position 1 is outside (0, 1000] mm",
            "FROC curve needs at least 1 lesions, there are 0",
            "log loss is not defined: a case has probability 0 of what it is",
        ]
    );
}
