//! Labels that err, and samples drawn with unequal probabilities: intervals hold the truth as often as they say (MV-26, MV-28).

use crate::chance::Chance;
use hilum_stats::imperfect_labels::*;
use hilum_stats::{ConfusionTable, ProportionInterval, StatsError, wilson};
use proptest::prelude::*;

fn count(chance: &mut Chance, n: u64, probability: f64) -> u64 {
    (0..n).filter(|_| chance.happens(probability)).count() as u64
}

fn measured(chance: &mut Chance, n: u64, sensitivity: f64, specificity: f64) -> ExtractorError {
    let (true_positives, true_negatives) = (count(chance, n, sensitivity), count(chance, n, specificity));
    ExtractorError { true_positives, positives: n, true_negatives, negatives: n }
}

#[test]
fn corrected_rates_cover_and_uncorrected_ones_do_not() {
    let mut chance = Chance::new(1, 0);
    let (sensitivity, specificity, runs) = (0.90, 0.95, 600);
    for prevalence in [0.05, 0.20, 0.60] {
        let (mut held, mut naive) = (0, 0);
        for _ in 0..runs {
            let error = measured(&mut chance, 100, sensitivity, specificity);
            let labelled = prevalence * sensitivity + (1.0 - prevalence) * (1.0 - specificity);
            let positive = count(&mut chance, 800, labelled);
            let rate = corrected_rate(positive, 800, &error, 0.95).unwrap();
            held += u32::from(rate.lower <= prevalence && prevalence <= rate.upper);
            let plain = wilson(positive, 800, 0.95).unwrap();
            naive += u32::from(plain.lower <= prevalence && prevalence <= plain.upper);
        }
        println!("{prevalence}: {held}, uncorrected {naive} of {runs}");
        assert!(552 <= held, "{prevalence}: {held} of {runs}");
        assert!(naive < held);
    }
}

/// A model of sensitivity 0.85 judged by report labels that miss one finding in ten: uncorrected, its false alarms look worse and
/// its misses are counted wrongly; corrected, the interval holds.
#[test]
fn corrected_accuracy_covers() {
    let mut chance = Chance::new(2, 0);
    let (runs, mut held, mut naive) = (250, [0; 5], 0);
    for run in 0..runs {
        let error = measured(&mut chance, 120, 0.90, 0.97);
        let mut table = ConfusionTable::default();
        for _ in 0..1_500 {
            let finding = chance.happens(0.20);
            let called = chance.happens(if finding { 0.85 } else { 0.10 });
            let labelled = chance.happens(if finding { 0.90 } else { 0.03 });
            match (labelled, called) {
                (true, true) => table.true_positives += 1,
                (false, true) => table.false_positives += 1,
                (true, false) => table.false_negatives += 1,
                (false, false) => table.true_negatives += 1,
            }
        }
        let corrected = corrected_accuracy(&table, &error, 0.95, run).unwrap();
        let ppv = 0.2 * 0.85 / (0.2 * 0.85 + 0.8 * 0.1);
        let npv = 0.8 * 0.9 / (0.8 * 0.9 + 0.2 * 0.15);
        let figures = [
            (corrected.sensitivity, 0.85),
            (corrected.specificity, 0.90),
            (corrected.ppv, ppv),
            (corrected.npv, npv),
            (corrected.prevalence, 0.20),
        ];
        for (held, (figure, truth)) in held.iter_mut().zip(figures) {
            assert!(
                0.0 <= figure.lower
                    && figure.lower <= figure.value
                    && figure.value <= figure.upper
                    && figure.upper <= 1.0
            );
            *held += u32::from(figure.lower <= truth && truth <= figure.upper);
        }
        let plain = table.sensitivity(0.95, ProportionInterval::Wilson).unwrap();
        naive += u32::from(plain.lower <= 0.85 && 0.85 <= plain.upper);
    }
    println!("held {held:?}, uncorrected {naive} of {runs}");
    assert!(held.iter().all(|&held| 225 <= held), "{held:?} of {runs}");
    assert!(naive < 125, "{naive}");
}

/// The design of an audit: all discordant studies, one in twenty of the others (MV-26).
#[test]
fn audit_figures_cover_and_unweighted_ones_do_not() {
    let mut chance = Chance::new(3, 0);
    let (runs, studies) = (400, 6_000);
    let (mut held, mut naive, mut totals) = (0, 0, 0);
    for _ in 0..runs {
        let (mut missed, mut drawn, mut all) = (Vec::new(), Vec::new(), 0_u64);
        for _ in 0..studies {
            // Misses are a tenth of the discordant studies and one in a hundred of the others.
            let discordant = chance.happens(0.08);
            let miss = chance.happens(if discordant { 0.10 } else { 0.01 });
            all += u64::from(miss);
            let probability = if discordant { 1.0 } else { 0.05 };
            if chance.happens(probability) {
                missed.push(miss);
                drawn.push(probability);
            }
        }
        let truth = 0.08 * 0.10 + 0.92 * 0.01;
        let rate = audit_rate(&missed, &drawn, 0.95).unwrap();
        held += u32::from(rate.lower <= truth && truth <= rate.upper);
        let plain = wilson(missed.iter().filter(|&&m| m).count() as u64, missed.len() as u64, 0.95).unwrap();
        naive += u32::from(plain.lower <= truth && truth <= plain.upper);
        let total = audit_total(&missed, &drawn, 0.95).unwrap();
        totals += u32::from(total.lower <= all as f64 && all as f64 <= total.upper);
    }
    println!("rate {held}, unweighted {naive}, total {totals} of {runs}");
    assert!(364 <= held && 352 <= totals, "{held} {totals} of {runs}");
    assert!(naive < 40, "{naive}");
}

/// Rarely drawn studies that all look fine prove little, however many certain ones there are.
#[test]
fn a_lucky_sample_does_not_know_more_than_it_looked_at() {
    let n = 3_000;
    let missed: Vec<bool> = (0..n).map(|study| study < 20).collect();
    let drawn: Vec<f64> = (0..n).map(|study| if study < 2_900 { 1.0 } else { 0.01 }).collect();
    let rate = audit_rate(&missed, &drawn, 0.95).unwrap();
    // 100 of the 10,000 seldom drawn without a miss: up to 3.6 % of them, 280, may be missed.
    assert!(280.0 / 12_900.0 < rate.upper, "{rate:?}");
    let total = audit_total(&[false; 50], &[0.02; 50], 0.95).unwrap();
    assert!((total.upper - 149.8).abs() < 0.1 && total.value == 0.0, "{total:?}");
}

#[test]
fn equal_probabilities_give_the_plain_share() {
    let happened: Vec<bool> = (0..80).map(|i| i % 5 == 0).collect();
    let (weighted, plain) = (audit_rate(&happened, &[0.1; 80], 0.95).unwrap(), wilson(16, 80, 0.95).unwrap());
    assert!((weighted.value - plain.value).abs() < 1e-12);
    assert!((weighted.lower - plain.lower).abs() < 1e-9 && (weighted.upper - plain.upper).abs() < 1e-9);
}

#[test]
fn contradictions_and_useless_sources_have_typed_errors() {
    let error = ExtractorError { true_positives: 9, positives: 10, true_negatives: 9, negatives: 10 };
    assert!(matches!(corrected_rate(0, 0, &error, 0.95), Err(StatsError::TooFew { .. })));
    assert!(matches!(corrected_rate(5, 4, &error, 0.95), Err(StatsError::OutOfRange { .. })));
    assert!(corrected_rate(5, 9, &error, f64::NAN).is_err());
    let unmeasured = ExtractorError { positives: 0, true_positives: 0, ..error };
    assert!(matches!(corrected_rate(5, 9, &unmeasured, 0.95), Err(StatsError::TooFew { .. })));
    let useless = ExtractorError { true_positives: 5, true_negatives: 5, ..error };
    assert!(matches!(corrected_rate(5, 9, &useless, 0.95), Err(StatsError::Undefined { .. })));
    let impossible = ExtractorError { true_positives: 11, ..error };
    assert!(matches!(corrected_rate(5, 9, &impossible, 0.95), Err(StatsError::OutOfRange { .. })));
    let table = ConfusionTable { true_positives: 5, false_positives: 0, false_negatives: 0, true_negatives: 0 };
    assert!(corrected_accuracy(&table, &error, 0.95, 1).is_err());
    assert!(audit_rate(&[], &[], 0.95).is_err() && audit_rate(&[true], &[0.0], 0.95).is_err());
    assert!(audit_rate(&[true], &[f64::NAN], 0.95).is_err() && audit_total(&[true], &[1.1], 0.95).is_err());
    assert!(audit_rate(&[true, false], &[0.5], 0.95).is_err());
}

proptest! {
    #[test]
    fn figures_are_ordered_or_errors(
        counts in [0_u64..300, 0_u64..300, 0_u64..300, 0_u64..300], of in [0_u64..60, 0_u64..60, 0_u64..60, 0_u64..60],
        drawn in prop::collection::vec((any::<bool>(), 1e-6_f64..=1.0), 0..40), level in 0.5_f64..0.999,
    ) {
        let [true_positives, positives, true_negatives, negatives] = of;
        let error = ExtractorError { true_positives, positives, true_negatives, negatives };
        let ordered = |e: &hilum_stats::Estimate| e.lower <= e.value && e.value <= e.upper && e.upper.is_finite() && 0.0 <= e.lower;
        prop_assert!(corrected_rate(counts[0], counts[1], &error, level).as_ref().map_or(true, ordered));
        let [true_positives, false_positives, false_negatives, true_negatives] = counts;
        let table = ConfusionTable { true_positives, false_positives, false_negatives, true_negatives };
        if let Ok(figures) = corrected_accuracy(&table, &error, level, 1) {
            prop_assert!(ordered(&figures.sensitivity) && ordered(&figures.npv) && ordered(&figures.prevalence));
        }
        let (happened, probabilities): (Vec<bool>, Vec<f64>) = drawn.into_iter().unzip();
        prop_assert!(audit_rate(&happened, &probabilities, level).as_ref().map_or(true, ordered));
        prop_assert!(audit_total(&happened, &probabilities, level).as_ref().map_or(true, ordered));
    }
}
