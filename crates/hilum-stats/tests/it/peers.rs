//! The same figures by scikit-learn, scipy, statsmodels, pingouin and MONAI, run on seeded inputs with ties.
//!
//! Metrics Reloaded is in no package registry, so it cannot run here; what it says of seven cases is among the reference
//! vectors, and MONAI, whose definitions are the same, runs on many.

use crate::support::{close, flags, number, numbers, python, whole};
use hilum_stats::*;
use serde_json::Value;

fn cases(answer: &Value) -> impl Iterator<Item = &Value> {
    let cases = answer.as_array().unwrap();
    assert!(!cases.is_empty());
    cases.iter()
}

#[track_caller]
fn bounds(what: &str, ours: &Estimate, theirs: &Value, tolerance: f64) {
    close(what, ours.lower, number(&theirs[0]), tolerance);
    close(what, ours.upper, number(&theirs[1]), tolerance);
}

#[test]
fn scores_and_calls_equal_scikit_learn() {
    let Some(answer) = python("sklearn", "sklearn") else { return };
    for case in cases(&answer) {
        let (labels, scores, inside) = (flags(&case["y"]), numbers(&case["s"]), numbers(&case["inside"]));
        let table = ConfusionTable::at_threshold(&labels, &scores, 0.4).unwrap();
        let wilson = ProportionInterval::Wilson;
        for (name, ours) in [
            ("auc", auroc_value(&labels, &scores)),
            ("ap", average_precision(&labels, &scores)),
            ("brier", brier(&labels, &scores, None, 0.95).map(|e| e.value)),
            ("log_loss", log_loss(&labels, &inside, None, 0.95).map(|e| e.value)),
            ("mcc", table.matthews(0.95).map(|e| e.value)),
            ("sensitivity", table.sensitivity(0.95, wilson).map(|e| e.value)),
            ("specificity", table.specificity(0.95, wilson).map(|e| e.value)),
            ("ppv", table.ppv(0.95, wilson).map(|e| e.value)),
            ("npv", table.npv(0.95, wilson).map(|e| e.value)),
        ] {
            close(name, ours.unwrap(), number(&case[name]), 1e-12);
        }
        let ratios = numbers(&case["lr"]);
        close("LR+", table.positive_likelihood_ratio(0.95).unwrap().value, ratios[0], 1e-12);
        close("LR-", table.negative_likelihood_ratio(0.95).unwrap().value, ratios[1], 1e-12);

        let vertices = roc_vertices(&labels, &scores).unwrap();
        let (x, y, at) = (numbers(&case["fpr"]), numbers(&case["tpr"]), numbers(&case["thresholds"]));
        assert_eq!(vertices.len(), x.len() + 1);
        for (vertex, ((x, y), at)) in vertices[1..].iter().zip(x.iter().zip(&y).zip(&at)) {
            close("fpr", vertex.false_positive_rate, *x, 1e-12);
            close("tpr", vertex.sensitivity, *y, 1e-12);
            assert_eq!(vertex.threshold, Some(*at));
        }

        let (a, b) = (whole(&case["a"]), whole(&case["b"]));
        for (name, weights) in [
            ("kappa", KappaWeights::None),
            ("kappa_linear", KappaWeights::Linear),
            ("kappa_quadratic", KappaWeights::Quadratic),
        ] {
            close(name, cohen_kappa(&a, &b, 4, weights, 0.95).unwrap().kappa.value, number(&case[name]), 1e-12);
        }
    }
}

#[test]
fn ranks_intervals_and_bootstrap_equal_scipy() {
    let Some(answer) = python("scipy", "scipy") else { return };
    for case in cases(&answer) {
        let (labels, first, second) = (flags(&case["y"]), numbers(&case["s"]), numbers(&case["t"]));
        close("auc", auroc_value(&labels, &first).unwrap(), number(&case["auc"]), 1e-12);
        let positives = labels.iter().filter(|&&l| l).count() as u64;
        bounds("wilson", &wilson(positives, labels.len() as u64, 0.9).unwrap(), &case["wilson"], 1e-12);
        bounds("exact", &clopper_pearson(positives, labels.len() as u64, 0.9).unwrap(), &case["exact"], 1e-9);
        let (wins, losses) = (number(&case["wins"]) as u64, number(&case["losses"]) as u64);
        let table = PairedTable { both: 5, first_only: wins, second_only: losses, neither: 2 };
        close("mcnemar", mcnemar_exact(&table).unwrap().p_value, number(&case["mcnemar"]), 1e-12);

        let agreement = bland_altman(&first, &second, 0.95, 0.95).unwrap();
        bounds("bias", &agreement.bias, &case["bias"], 1e-9);
        let slope = agreement.proportional_bias.unwrap();
        close("slope", slope.value, number(&case["slope"]), 1e-9);
        let df = first.len() as f64 - 2.0;
        let half = (slope.upper - slope.lower) / 2.0 / number(&case["slope_se"]);
        assert!(1.959 < half && half < 1.96 + 3.0 / df, "{half} is no quantile of t with {df} degrees of freedom");

        // Two bootstraps of 20,000 draw differently: a bound varies by about 2 % of the standard error from seed to seed.
        let options = Bootstrap { resamples: 20_000, ..Bootstrap::default() };
        let skewed = numbers(&case["skewed"]);
        let mean = |cases: &[u32]| Ok(cases.iter().map(|&c| skewed[c as usize]).sum::<f64>() / cases.len() as f64);
        let ours = bootstrap("mean", skewed.len(), None, &options, mean).unwrap();
        bounds("bca", &ours, &case["bca"], 0.1 * number(&case["bca_se"]));
    }
}

#[test]
fn agreement_calibration_and_multiplicity_equal_statsmodels() {
    let Some(answer) = python("statsmodels", "statsmodels") else { return };
    for case in cases(&answer) {
        let (a, b, k) = (whole(&case["a"]), whole(&case["b"]), number(&case["k"]) as usize);
        for (name, weights) in
            [("none", KappaWeights::None), ("linear", KappaWeights::Linear), ("quadratic", KappaWeights::Quadratic)]
        {
            let ours = cohen_kappa(&a, &b, k, weights, 0.95).unwrap().kappa;
            let theirs = numbers(&case["kappas"][name]);
            for (ours, theirs) in [ours.value, ours.lower, ours.upper].into_iter().zip(theirs) {
                close(name, ours, theirs, 1e-9);
            }
        }
        let (labels, inside) = (flags(&case["y"]), numbers(&case["inside"]));
        let fit = calibration_fit(&labels, &inside, 0.95).unwrap();
        close("slope", fit.slope.value, number(&case["slope"]), 1e-9);
        bounds("slope", &fit.slope, &case["slope_ci"], 1e-8);
        close("intercept", fit.intercept.value, number(&case["intercept"]), 1e-9);
        close("in the large", fit.in_the_large.value, number(&case["large"]), 1e-9);
        bounds("in the large", &fit.in_the_large, &case["large_ci"], 1e-8);

        let cell = |i: usize, j: usize| number(&case["table"][i][j]) as u64;
        let table =
            PairedTable { both: cell(0, 0), first_only: cell(0, 1), second_only: cell(1, 0), neither: cell(1, 1) };
        close("exact", mcnemar_exact(&table).unwrap().p_value, number(&case["mcnemar"]), 1e-12);
        close("chi2", mcnemar(&table).unwrap().p_value, number(&case["mcnemar_chi2"]), 1e-9);
        let (x1, x2) = (number(&case["x1"]) as u64, number(&case["x2"]) as u64);
        bounds("newcombe", &newcombe_difference(x1, 40, x2, 60, 0.95).unwrap(), &case["newcombe"], 1e-12);
        bounds("agresti", &agresti_coull(x2, 60, 0.95).unwrap(), &case["agresti"], 1e-12);
        bounds("clopper", &clopper_pearson(x2, 60, 0.95).unwrap(), &case["clopper"], 1e-9);
        let p = numbers(&case["p"]);
        for (name, ours) in [("holm", holm(&p)), ("bh", benjamini_hochberg(&p)), ("by", benjamini_yekutieli(&p))] {
            for (ours, theirs) in ours.unwrap().iter().zip(numbers(&case[name])) {
                close(name, *ours, theirs, 1e-12);
            }
        }
    }
}

#[test]
fn intraclass_correlations_equal_pingouin() {
    let Some(answer) = python("pingouin", "pingouin") else { return };
    for case in cases(&answer) {
        let measurements: Vec<Vec<f64>> = case["x"].as_array().unwrap().iter().map(numbers).collect();
        let measurements: Vec<&[f64]> = measurements.iter().map(Vec::as_slice).collect();
        for (name, form) in [
            ("ICC(1,1)", IccForm::OneWay),
            ("ICC(A,1)", IccForm::AbsoluteAgreement),
            ("ICC(C,1)", IccForm::Consistency),
        ] {
            let ours = icc(&measurements, form, 0.95).unwrap();
            let theirs = numbers(&case["rows"][name]);
            for (ours, theirs) in [ours.value, ours.lower, ours.upper].into_iter().zip(theirs) {
                // pingouin keeps eight digits of a bound.
                close(name, ours, theirs, 2e-8);
            }
        }
    }
}

fn monai() -> Option<Value> {
    let probe = "sys; sys.path.insert(0, '/usr/lib/python3/dist-packages'); import torch, monai.metrics";
    Some(python(probe, "monai")?[0].clone())
}

#[test]
fn overlap_and_surface_distances_equal_monai() {
    let Some(answer) = monai() else { return };
    let mut n_compared = 0;
    for case in cases(&answer["masks"]) {
        let (shape, spacing) = (whole(&case["shape"]), numbers(&case["spacing"]));
        let shape: Vec<usize> = shape.into_iter().map(|s| s as usize).collect();
        let grid = match (shape.as_slice(), spacing.as_slice()) {
            (&[r, c], &[dr, dc]) => Grid::plane([r, c], [dr, dc]),
            (&[s, r, c], &[ds, dr, dc]) => Grid::volume([s, r, c], [ds, dr, dc]),
            _ => panic!("{shape:?}"),
        };
        let (reference, predicted) = (flags(&case["truth"]), flags(&case["predicted"]));
        let empty = EmptyMasks::Undefined;
        let distances = surface_distances(&grid.unwrap(), &reference, &predicted, empty).unwrap();
        for (name, ours) in [
            ("dice", dice(&reference, &predicted, empty)),
            ("iou", iou(&reference, &predicted, empty)),
            ("hd", distances.hausdorff_mm()),
            ("hd95", distances.hausdorff_percentile_mm(95.0)),
            ("assd", distances.assd_mm()),
            ("nsd", distances.nsd(1.7)),
        ] {
            // MONAI computes in 32 bits.
            close(&format!("{name} {shape:?} {spacing:?}"), ours.unwrap(), number(&case[name]), 2e-6);
            n_compared += 1;
        }
    }
    assert!(48 <= n_compared, "{n_compared}");
}

#[test]
fn froc_equals_monai() {
    let Some(answer) = monai() else { return };
    for case in cases(&answer["froc"]) {
        let mut of_image: Vec<DetectionCase> =
            whole(&case["lesions"]).into_iter().map(|n_lesions| DetectionCase { n_lesions, marks: vec![] }).collect();
        for mark in case["marks"].as_array().unwrap() {
            let [image, score, lesion] = numbers(mark)[..] else { panic!("{mark}") };
            let lesion = (0.0 <= lesion).then_some(lesion as u32);
            of_image[image as usize].marks.push(Mark { score, lesion });
        }
        let curve = froc_curve(&of_image).unwrap();
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        // Theirs runs the other way and lacks the corner of the lowest score.
        assert_eq!(curve.len(), x.len() + 1);
        for ((point, x), y) in curve.iter().rev().skip(1).zip(x).zip(y) {
            close("false positives", point.false_positives_per_case, x, 1e-12);
            close("sensitivity", point.sensitivity, y, 1e-12);
        }
        let score = froc_score_value(&of_image, &numbers(&case["at"])).unwrap();
        close("score", score, number(&case["score"]), 1e-12);
    }
}
