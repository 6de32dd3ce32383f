//! Label-free figures: against scikit-learn and slow versions, what they get right, and what they get wrong.

use crate::chance::Chance;
use crate::outlier::control;
use crate::support::{close, flags, number, numbers};
use hilum_stats::label_free::*;
use hilum_stats::{ConfusionTable, ProportionInterval, auroc_value};
use proptest::prelude::*;

/// The design's simulation: labels, and scores of a model that was calibrated for prevalence 0.10 and noise 1.
fn cases(chance: &mut Chance, n: usize, prevalence: f64, noise: f64) -> (Vec<bool>, Vec<f64>) {
    let case = |_| {
        let label = chance.uniform() < prevalence;
        let z = if label { 1.8 } else { 0.0 } + noise * chance.normal();
        (label, 1.0 / (1.0 + (-(1.8 * z - 1.62 + (0.1_f64 / 0.9).ln())).exp()))
    };
    (0..n).map(case).unzip()
}

/// The score that 90 % of the positives reach.
fn operating_point(labels: &[bool], scores: &[f64]) -> f64 {
    let mut positives: Vec<f64> = labels.iter().zip(scores).filter(|case| *case.0).map(|case| *case.1).collect();
    positives.sort_by(f64::total_cmp);
    positives[positives.len() / 10]
}

#[test]
fn isotonic_curves_equal_scikit_learn() {
    let Some(answer) = control("sklearn", "isotonic") else { return };
    for case in answer.as_array().unwrap() {
        let curve = IsotonicCalibration::fit(&flags(&case["y"]), &numbers(&case["s"])).unwrap();
        for (at, p) in numbers(&case["at"]).into_iter().zip(numbers(&case["p"])) {
            close("probability", curve.probability(at).unwrap(), p, 1e-12);
        }
        let stored = serde_json::to_string(&curve).unwrap();
        assert_eq!(serde_json::from_str::<IsotonicCalibration>(&stored).unwrap(), curve);
    }
    assert!(serde_json::from_str::<IsotonicCalibration>(r#"{"scores":[1,0],"probabilities":[0,1]}"#).is_err());
}

/// What the estimates are good for, and why they can never clear a stop rule: with noisier images the real sensitivity falls by
/// a tenth while the estimate rises (the table of the design, with its tolerances).
#[test]
fn estimates_hold_without_change_and_reassure_while_the_model_fails() {
    let mut chance = Chance::new(1, 0);
    let (labels, scores) = cases(&mut chance, 20_000, 0.10, 1.0);
    let threshold = operating_point(&labels, &scores);
    let options = CbpeOptions { resamples: 100, ..CbpeOptions::default() };
    let mut both = |prevalence: f64, noise: f64| {
        let (truth, new) = cases(&mut chance, 20_000, prevalence, noise);
        let table = ConfusionTable::at_threshold(&truth, &new, threshold).unwrap();
        let real = table.sensitivity(0.95, ProportionInterval::Wilson).unwrap().value;
        let expected = cbpe((&labels, &scores), &new, threshold, &options).unwrap();
        (
            real,
            expected.sensitivity.unwrap().advisory.value,
            auroc_value(&truth, &new).unwrap(),
            expected.auroc.unwrap(),
        )
    };
    let (real, estimated, area, estimated_area) = both(0.10, 1.0);
    close("sensitivity", estimated, real, 0.03);
    close("AUROC", estimated_area.advisory.value, area, 0.02);
    assert_eq!(estimated_area.assumes, Assumption::SameProbabilityAtEachScore);
    let (real, estimated, area, estimated_area) = both(0.10, 1.5);
    println!(
        "noise: sensitivity {real:.3}, estimated {estimated:.3}; AUROC {area:.3}, {:.3}",
        estimated_area.advisory.value
    );
    assert!(real < 0.83 && 0.93 < estimated, "{real} {estimated}");
    assert!(area < 0.82 && 0.91 < estimated_area.advisory.value);
}

#[test]
fn intervals_of_estimates_cover_what_they_expect_without_change() {
    let mut chance = Chance::new(2, 0);
    let (far_labels, far_scores) = cases(&mut chance, 200_000, 0.10, 1.0);
    let threshold = operating_point(&far_labels, &far_scores);
    let options = CbpeOptions { resamples: 200, seed: 4, level: 0.9 };
    let mut held = 0;
    for _ in 0..120 {
        let (labels, scores) = cases(&mut chance, 600, 0.10, 1.0);
        let (_, new) = cases(&mut chance, 600, 0.10, 1.0);
        let expected = cbpe((&labels, &scores), &new, threshold, &options).unwrap();
        let prevalence = expected.prevalence.unwrap().advisory;
        held += u32::from(prevalence.lower <= 0.10 && 0.10 <= prevalence.upper);
    }
    println!("{held} of 120");
    assert!((96..=119).contains(&held), "{held} of 120 at 0.9");
}

/// By the iteration of Saerens and others, which must end where the search ends.
#[test]
fn prevalence_under_label_shift_equals_the_iteration() {
    let mut chance = Chance::new(3, 0);
    for prevalence in [0.03, 0.10, 0.25] {
        let (_, scores) = cases(&mut chance, 3_000, prevalence, 1.0);
        // The scores of this model are its probabilities.
        let mut p = 0.10;
        for _ in 0..20_000 {
            let with = |s: f64| p / 0.10 * s;
            p = scores.iter().map(|&s| with(s) / (with(s) + (1.0 - p) / 0.90 * (1.0 - s))).sum::<f64>() / 3_000.0;
        }
        let found = label_shift_prevalence(&scores, 0.10, 0.95).unwrap().advisory;
        close("prevalence", found.value, p, 1e-6);
        assert!(found.lower < prevalence && prevalence < found.upper, "{prevalence}: {found:?}");
    }
}

#[test]
fn label_shift_intervals_cover() {
    let mut chance = Chance::new(4, 0);
    let held = (0..400).filter(|_| {
        let (_, scores) = cases(&mut chance, 300, 0.25, 1.0);
        let found = label_shift_prevalence(&scores, 0.10, 0.95).unwrap().advisory;
        found.lower <= 0.25 && 0.25 <= found.upper
    });
    let held = held.count();
    println!("{held} of 400");
    assert!((364..=396).contains(&held), "{held}");
}

#[test]
fn bad_input_has_a_typed_error() {
    let options = CbpeOptions::default();
    let (labels, scores) = ([true, false, true], [0.2, 0.1, 0.9]);
    assert!(cbpe((&labels, &scores[..2]), &scores, 0.5, &options).is_err());
    assert!(cbpe((&[], &[]), &scores, 0.5, &options).is_err());
    assert!(cbpe((&labels, &scores), &[], 0.5, &options).is_err());
    assert!(cbpe((&labels, &scores), &[f64::NAN], 0.5, &options).is_err());
    assert!(cbpe((&labels, &scores), &scores, f64::NAN, &options).is_err());
    assert!(cbpe((&labels, &scores), &scores, 0.5, &CbpeOptions { level: 1.0, ..options }).is_err());
    assert!(cbpe((&labels, &scores), &scores, 0.5, &CbpeOptions { resamples: 0, ..options }).is_err());
    let none_called = cbpe((&labels, &scores), &scores, 2.0, &options).unwrap();
    assert!(none_called.ppv.is_none() && none_called.sensitivity.unwrap().advisory.value == 0.0);
    assert!(IsotonicCalibration::fit(&[], &[]).is_err() && IsotonicCalibration::fit(&[true], &[f64::NAN]).is_err());
    assert!(label_shift_prevalence(&[0.1; 5], 0.1, 0.95).is_err(), "nothing to tell the classes apart by");
    assert!(label_shift_prevalence(&[], 0.1, 0.95).is_err() && label_shift_prevalence(&[2.0], 0.1, 0.95).is_err());
    assert_eq!(label_shift_prevalence(&[1.0; 9], 0.1, 0.95).unwrap().advisory.value, 1.0);
    assert_eq!(label_shift_prevalence(&[0.0; 9], 0.1, 0.95).unwrap().advisory.value, 0.0);
    assert!(expected_auroc(&[1.0, 1.0], &[0.1, 0.2]).is_err());
}

/// What an acceptance test keeps gives the estimates that its cases gave, and holds a bounded number of them.
#[test]
fn kept_scores_stand_for_their_cases() {
    let mut chance = Chance::new(7, 0);
    let (labels, scores) = cases(&mut chance, 900, 0.10, 1.0);
    let (_, new) = cases(&mut chance, 700, 0.10, 1.0);
    let threshold = operating_point(&labels, &scores);
    let options = CbpeOptions { resamples: 100, ..CbpeOptions::default() };
    let kept = LabelledScores::new(&labels, &scores).unwrap();
    assert_eq!((kept.n_with() + kept.n_without(), kept.n_cases()), (900, 900));
    let of_cases = cbpe((&labels, &scores), &new, threshold, &options).unwrap();
    let of_kept = kept.expected(&new, threshold, &options).unwrap();
    let figures = |expected: &Cbpe| {
        let (sensitivity, area) = (expected.sensitivity.as_ref().unwrap(), expected.auroc.as_ref().unwrap());
        [sensitivity.advisory.value, area.advisory.value]
    };
    let ([sensitivity, area], [ours, our_area]) = (figures(&of_cases), figures(&of_kept));
    close("sensitivity", ours, sensitivity, 1e-3);
    close("AUROC", our_area, area, 1e-3);
    // The order of the cases is not to be told from what is kept.
    let turned = |values: &[f64]| [&values[400..], &values[..400]].concat();
    let turned_labels = [&labels[400..], &labels[..400]].concat();
    assert_eq!(LabelledScores::new(&turned_labels, &turned(&scores)).unwrap(), kept);
    let stored = serde_json::to_string(&kept).unwrap();
    assert_eq!(serde_json::from_str::<LabelledScores>(&stored).unwrap(), kept);
    assert!(stored.len() < 900 * 13, "six digits each: {} bytes", stored.len());
    // Of more cases than are kept both classes keep their share and their spread.
    let (labels, scores) = cases(&mut chance, 50_000, 0.02, 1.0);
    let many = LabelledScores::new(&labels, &scores).unwrap();
    let prevalence = labels.iter().filter(|&&label| label).count() as f64 / 50_000.0;
    assert_eq!((many.n_with() + many.n_without(), many.n_cases()), (20_000, 50_000));
    close("prevalence", many.n_with() as f64 / 20_000.0, prevalence, 1e-4);
    let [_, of_all] = figures(&cbpe((&labels, &scores), &new, threshold, &options).unwrap());
    let [_, of_part] = figures(&many.expected(&new, threshold, &options).unwrap());
    close("AUROC of a part", of_part, of_all, 0.02);
    let mut lone = vec![false; 60_000];
    lone[7] = true;
    let scores: Vec<f64> = (0..60_000_u32).map(f64::from).collect();
    assert_eq!(LabelledScores::new(&lone, &scores).unwrap().n_with(), 1, "a class that there is stays");
}

#[test]
fn bad_kept_scores_are_refused() {
    assert!(LabelledScores::new(&[], &[]).is_err() && LabelledScores::new(&[true], &[f64::NAN]).is_err());
    assert!(LabelledScores::new(&[true], &[0.1, 0.2]).is_err());
    let read = |text: &str| serde_json::from_str::<LabelledScores>(text);
    assert!(read(r#"{"with":[0.5],"without":[],"n_cases":1}"#).is_ok());
    assert!(read(r#"{"with":[],"without":[],"n_cases":0}"#).is_err(), "nothing");
    assert!(read(r#"{"with":[0.5],"without":[0.1],"n_cases":1}"#).is_err(), "more than there were");
    assert!(read(r#"{"with":[0.5],"without":[],"n_cases":1,"case":"7"}"#).is_err(), "nothing names a case");
    let long = vec!["0.5"; LabelledScores::CASES_MAX + 1].join(",");
    assert!(read(&format!(r#"{{"with":[{long}],"without":[],"n_cases":90000}}"#)).is_err(), "bounded");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn order_of_cases_does_not_matter(
        cases in prop::collection::vec((any::<bool>(), 0_u8..12, 0_u8..12), 2..60), turn in 0_usize..60, number_of_scores in 1_u8..12,
    ) {
        let labels: Vec<bool> = cases.iter().map(|c| c.0).collect();
        let scores: Vec<f64> = cases.iter().map(|c| f64::from(c.1 % number_of_scores)).collect();
        let new: Vec<f64> = cases.iter().map(|c| f64::from(c.2)).collect();
        let curve = IsotonicCalibration::fit(&labels, &scores).unwrap();
        let chances: Vec<f64> = new.iter().map(|&s| curve.probability(s).unwrap()).collect();
        let turned = |values: &[f64]| -> Vec<f64> {
            let mut values = values.to_vec();
            values.rotate_left(turn % cases.len());
            values
        };
        prop_assert!(chances.iter().all(|p| (0.0..=1.0).contains(p)));
        let (one, other) = (expected_auroc(&chances, &new), expected_auroc(&turned(&chances), &turned(&new)));
        prop_assert_eq!(one.is_ok(), other.is_ok());
        if let (Ok(one), Ok(other)) = (one, other) {
            prop_assert!((one - other).abs() < 1e-9 && (0.0..=1.0).contains(&one));
        }
        let table = expected_table(&chances, &new, 5.0).unwrap();
        let n = table.true_positives + table.false_positives + table.false_negatives + table.true_negatives;
        prop_assert!((n - cases.len() as f64).abs() < 1e-9);
        // Isotonic calibration keeps the number of positives of its own data.
        let own: f64 = scores.iter().map(|&s| curve.probability(s).unwrap()).sum();
        prop_assert!((own - labels.iter().filter(|&&y| y).count() as f64).abs() < 1e-9);
        prop_assert!(curve.probability(-1e308).unwrap() <= curve.probability(1e308).unwrap());
    }
}

/// The vector of the design page, whose AUROC was computed without a tie rule: equal scores one after the other.
pub(crate) fn vector(expected: &serde_json::Value, labels: &[bool], first: &[f64], second: &[f64]) {
    let curve = IsotonicCalibration::fit(labels, first).unwrap();
    let chances: Vec<f64> = second.iter().map(|&s| curve.probability(s).unwrap()).collect();
    for (ours, theirs) in chances.iter().zip(numbers(&expected["calibrated"])) {
        close("calibrated", *ours, theirs, 1e-9);
    }
    let table = expected_table(&chances, second, 0.5).unwrap();
    let n = second.len() as f64;
    close("tp", table.true_positives, number(&expected["est_tp"]), 1e-9);
    close("fp", table.false_positives, number(&expected["est_fp"]), 1e-9);
    close("fn", table.false_negatives, number(&expected["est_fn"]), 1e-9);
    let accuracy = (table.true_positives + table.true_negatives) / n;
    close("accuracy", accuracy, number(&expected["est_accuracy"]), 1e-9);
    let whole = cbpe((labels, first), second, 0.5, &CbpeOptions::default()).unwrap();
    close("F1", whole.f1.unwrap().advisory.value, number(&expected["est_f1"]), 1e-9);
    close("accuracy again", whole.accuracy.unwrap().advisory.value, accuracy, 1e-12);
    // Their order of cases: falling scores, equal ones as they stand.
    let mut order: Vec<usize> = (0..second.len()).collect();
    order.sort_by(|&a, &b| second[b].total_cmp(&second[a]));
    let mut place = vec![0.0; second.len()];
    order.iter().enumerate().for_each(|(rank, &case)| place[case] = -(rank as f64));
    let no_tie_rule = number(&expected["est_auc_no_tie_rule"]);
    close("AUROC without a tie rule", expected_auroc(&chances, &place).unwrap(), no_tie_rule, 1e-9);
    let ours = expected_auroc(&chances, second).unwrap();
    close("AUROC", whole.auroc.unwrap().advisory.value, ours, 1e-12);
    assert!((ours - no_tie_rule).abs() < 0.02);
}
