//! Every reference vector that concerns validation, within 1e-9 (32-bit ones within 1e-6). An entry that is neither checked
//! nor left to monitoring by name fails the test.

use crate::support::{close, number, numbers, shared};
use hilum_stats::outlier::*;
use hilum_stats::sequential::*;
use hilum_stats::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// Sample sizes and power have a module and tests of their own.
const CHECKED_BY_POWER: &[&str] =
    &["buderer n positives, sens .90 +-.05 95%", "power two-proportion .90 vs .80, alpha .05, power .8, n per arm"];

const NOT_A_FIGURE: &[&str] = &["versions", "inputs"];

const EXACT: f64 = 1e-9;

type Check = fn(&Value, &Inputs);

struct Inputs {
    labels: Vec<bool>,
    first: Vec<f64>,
    second: Vec<f64>,
}

fn checks() -> BTreeMap<&'static str, Check> {
    let mut checks: BTreeMap<&'static str, Check> = BTreeMap::from([
        ("scores(y,s1)", scores as Check),
        ("calibration(y,s1)", calibration),
        ("delong(y,s1,s2)", delong),
        ("hanley-mcneil SE(auc=.85; 50 pos, 450 neg)", hanley_mcneil),
        ("mcnemar [[30,12],[5,53]]", mcnemar_table),
        ("ci 45/50", proportions),
        ("diff 85/100 - 88/100", differences),
        ("multipletests p=[.001,.008,.039,.041,.042,.06,.074,.205,.212,.216]", multiplicity),
        ("AFROC / wAFROC figure of merit (by definition; -inf = unmarked)", alternative_froc),
        ("FROC/MONAI fp=[.2,.5,.4,.8,.1] tp=[.9,.4,.7,.3] 5 targets 7 images", free_response),
        ("isotonic+CBPE(fit s1,y; estimate on s2, threshold .5)", label_free_figures),
        ("ood: mahalanobis^2 of Y2[0] vs X2; 2-NN dist; energy of logits [2,-1,.5]", outliers),
        ("cusum one-sided ARL, k=.5", cusum_run_lengths),
        ("ewma ARL lambda=.1 L=2.814; lambda=.2 L=2.962", ewma_run_lengths),
        ("e-SR / e-CUSUM, Bernoulli p0=.1 vs p1=.2, x=0010110011", e_detectors),
    ]);
    for name in [
        "seg/MetricsReloaded/plain",
        "seg/MetricsReloaded/spacing (3,1)",
        "seg/MetricsReloaded/touch border",
        "seg/MetricsReloaded/ref with hole",
        "seg/MetricsReloaded/empty pred",
        "seg/MetricsReloaded/empty ref",
        "seg/MetricsReloaded/both empty",
        "seg/MONAI/plain",
        "seg/MONAI/spacing (3,1)",
        "seg/MONAI/touch border",
        "seg/MONAI/ref with hole",
        "seg/MONAI/empty pred",
        "seg/MONAI/empty ref",
        "seg/MONAI/both empty",
    ] {
        // The case is found by name, so the check is the same function for all.
        checks.insert(name, segmentation_by_name);
    }
    checks
}

#[test]
fn every_vector_of_validation_is_met() {
    let Some(path) = shared("bench/monitoring/vectors.json") else { return };
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let inputs = Inputs {
        labels: numbers(&vectors["inputs"]["y"]).iter().map(|&y| y == 1.0).collect(),
        first: numbers(&vectors["inputs"]["s1"]),
        second: numbers(&vectors["inputs"]["s2"]),
    };
    let checks = checks();
    let (mut n_checked, mut n_drift) = (0, 0);
    for (name, expected) in vectors.as_object().unwrap() {
        let left = [CHECKED_BY_POWER, NOT_A_FIGURE].concat().contains(&name.as_str());
        if let Some((_, check)) = crate::drift::vectors::CHECKS.iter().find(|(of, _)| of == name) {
            check(expected, &vectors["inputs"]);
            n_drift += 1;
            continue;
        }
        match checks.get(name.as_str()) {
            Some(check) if !left => {
                let mut expected = expected.clone();
                expected["name"] = name.as_str().into();
                check(&expected, &inputs);
                n_checked += 1;
            }
            None if left => {}
            _ => panic!("vector {name:?} must be either checked or left out by name"),
        }
    }
    assert_eq!(n_checked, checks.len(), "a check has lost its vector");
    assert_eq!(n_drift, crate::drift::vectors::CHECKS.len(), "a check of drift has lost its vector");
}

fn scores(expected: &Value, Inputs { labels, first, .. }: &Inputs) {
    let table = ConfusionTable::at_threshold(labels, first, 0.5).unwrap();
    let calls: Vec<u32> = first.iter().map(|&s| u32::from(0.5 <= s)).collect();
    let truth: Vec<u32> = labels.iter().map(|&y| u32::from(y)).collect();
    let kappa = cohen_kappa(&truth, &calls, 2, KappaWeights::None, 0.95).unwrap();
    close("auc", auroc_value(labels, first).unwrap(), number(&expected["auc"]), EXACT);
    close("ap", average_precision(labels, first).unwrap(), number(&expected["ap"]), EXACT);
    close("brier", brier(labels, first, None, 0.95).unwrap().value, number(&expected["brier"]), EXACT);
    close("log loss", log_loss(labels, first, None, 0.95).unwrap().value, number(&expected["logloss"]), EXACT);
    close("mcc", table.matthews(0.95).unwrap().value, number(&expected["mcc_at_05"]), EXACT);
    close("kappa", kappa.kappa.value, number(&expected["kappa_at_05"]), EXACT);
}

fn calibration(expected: &Value, Inputs { labels, first, .. }: &Inputs) {
    let bins = Binning::EqualWidth(10);
    let test = spiegelhalter(labels, first).unwrap();
    close("z", test.statistic, number(&expected["spiegelhalter_z"]), EXACT);
    close("p", test.p_value, number(&expected["p"]), EXACT);
    close("ece", ece_value(labels, first, bins).unwrap(), number(&expected["ece_10_equal_width"]), EXACT);
    close("mce", mce_value(labels, first, bins).unwrap(), number(&expected["mce"]), EXACT);
    let ratio = observed_expected(labels, first, 0.95).unwrap();
    close("O/E", ratio.value, number(&expected["cal_in_large_OE"]), EXACT);
}

fn delong(expected: &Value, Inputs { labels, first, second }: &Inputs) {
    let compared = auroc_difference(labels, first, second, None, 0.95).unwrap();
    let interval = numbers(&expected["ci1"]);
    let variance = |name: &str| number(&expected[name]);
    close("auc1", compared.first.value, number(&expected["auc1"]), EXACT);
    close("auc2", compared.second.value, number(&expected["auc2"]), EXACT);
    close("cov", compared.covariance, variance("cov"), EXACT);
    let of_difference = variance("var1") + variance("var2") - 2.0 * variance("cov");
    close("variance", compared.standard_error.powi(2), of_difference, EXACT);
    close("z", compared.z, number(&expected["z"]), EXACT);
    close("p", compared.p_value, number(&expected["p"]), EXACT);
    close("lower", compared.first.lower, interval[0], EXACT);
    close("upper", compared.first.upper, interval[1], EXACT);
    let alone = auroc(labels, first, None, 0.95, AurocInterval::Delong).unwrap();
    assert_eq!((alone.lower, alone.upper), (compared.first.lower, compared.first.upper));
}

fn hanley_mcneil(expected: &Value, _: &Inputs) {
    close("se", hanley_mcneil_standard_error(0.85, 50, 450).unwrap(), number(&expected["se"]), EXACT);
}

fn mcnemar_table(expected: &Value, _: &Inputs) {
    let table = PairedTable { both: 30, first_only: 12, second_only: 5, neither: 53 };
    let chi2 = mcnemar(&table).unwrap();
    close("exact", mcnemar_exact(&table).unwrap().p_value, number(&expected["exact_p"]), EXACT);
    close("chi2", chi2.statistic, number(&expected["chi2_cc"]), EXACT);
    close("p", chi2.p_value, number(&expected["p_cc"]), EXACT);
}

fn proportions(expected: &Value, _: &Inputs) {
    for (name, interval) in [
        ("wilson", ProportionInterval::Wilson),
        ("clopper", ProportionInterval::ClopperPearson),
        ("agresti", ProportionInterval::AgrestiCoull),
    ] {
        let (ours, theirs) = (proportion(45, 50, 0.95, interval).unwrap(), numbers(&expected[name]));
        close(name, ours.lower, theirs[0], EXACT);
        close(name, ours.upper, theirs[1], EXACT);
    }
}

fn differences(expected: &Value, _: &Inputs) {
    let newcombe = newcombe_difference(85, 100, 88, 100, 0.95).unwrap();
    let bounds = numbers(&expected["newcomb"]);
    close("newcombe lower", newcombe.lower, bounds[0], EXACT);
    close("newcombe upper", newcombe.upper, bounds[1], EXACT);
    // The score vectors come from statsmodels, whose constrained estimate has a wrong coefficient (statsmodels#10269, open).
    // They must equal the same computation with that slip, and ours the one with the estimate that is most likely.
    let score = difference_score(85, 100, 88, 100, 0.95).unwrap();
    let slipped = numbers(&expected["score"]);
    for (ours, theirs, z) in
        [(score.lower, slipped[0], 1.959_963_984_540_054), (score.upper, slipped[1], -1.959_963_984_540_054)]
    {
        close("bound by the likelihood", score_85_88(ours, most_likely_second(ours)), z, 1e-6);
        close("bound with the slip", score_85_88(theirs, slipped_second(theirs)), z, 1e-6);
    }
    let ours = noninferiority_unpaired(85, 100, 88, 100, 0.10, 0.95).unwrap().p_value.unwrap();
    let p_of = |second: f64| upper_tail(score_85_88(-0.10, second));
    close("p by the likelihood", ours, p_of(most_likely_second(-0.10)), 1e-9);
    close("p with the slip", p_of(slipped_second(-0.10)), number(&expected["noninf_margin_10_score_p"]), EXACT);
}

/// Miettinen and Nurminen's score of 85/100 - 88/100 against `delta`, for an estimate of the second proportion.
fn score_85_88(delta: f64, second: f64) -> f64 {
    let first = second + delta;
    let variance = (first * (1.0 - first) + second * (1.0 - second)) / 100.0 * 200.0 / 199.0;
    (0.85 - 0.88 - delta) / variance.sqrt()
}

/// Where the likelihood of 85/100 and 88/100 is highest when the first proportion is larger by `delta`: its slope falls
/// from plus to minus infinity, so halving finds the root.
fn most_likely_second(delta: f64) -> f64 {
    let slope = |p: f64| 85.0 / (p + delta) - 15.0 / (1.0 - p - delta) + 88.0 / p - 12.0 / (1.0 - p);
    let (mut low, mut high) = ((-delta).max(0.0), (1.0 - delta).min(1.0));
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if 0.0 < slope(middle) { low = middle } else { high = middle }
    }
    low
}

/// The same by the cubic that statsmodels 0.15 solves, which has 88 where 100 belongs.
fn slipped_second(delta: f64) -> f64 {
    let (b, c, d) = (300.0 * delta - 373.0, (88.0 * delta - 376.0) * delta + 173.0, 88.0 * delta * (1.0 - delta));
    let q = (b / 600.0).powi(3) - c * b / 240_000.0 + d / 400.0;
    let p = q.signum() * ((b / 600.0).powi(2) - c / 600.0).sqrt();
    2.0 * p * ((std::f64::consts::PI + (q / p.powi(3)).acos()) / 3.0).cos() - b / 600.0
}

/// Upper tail of the standard normal distribution by Simpson's rule, so that ours does not check itself.
fn upper_tail(z: f64) -> f64 {
    let (steps, end) = (20_000, 12.0);
    let width = (end - z) / f64::from(steps);
    let weight = |i: i32| if i == 0 || i == steps { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (0..=steps).map(|i| weight(i) * density(z + f64::from(i) * width)).sum::<f64>() * width / 3.0
}

fn multiplicity(expected: &Value, _: &Inputs) {
    let p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216];
    for (name, ours) in [("bh", benjamini_hochberg(&p)), ("holm", holm(&p)), ("by", benjamini_yekutieli(&p))] {
        for (ours, theirs) in ours.unwrap().iter().zip(numbers(&expected[name])) {
            close(name, *ours, theirs, EXACT);
        }
    }
}

fn case(n_lesions: u32, marks: &[(f64, Option<u32>)]) -> DetectionCase {
    let marks = marks.iter().map(|&(score, lesion)| Mark { score, lesion }).collect();
    DetectionCase { n_lesions, marks }
}

fn alternative_froc(expected: &Value, _: &Inputs) {
    // Lesions 0.9 | 0.4, unmarked | 0.7, 0.3; highest false marks of normal cases 0.2, none, 0.5, 0.4, and lower ones.
    let cases = [
        case(1, &[(0.9, Some(0)), (0.99, None)]),
        case(2, &[(0.4, Some(0)), (0.1, Some(0))]),
        case(2, &[(0.3, Some(1)), (0.7, Some(0))]),
        case(0, &[(0.1, None), (0.2, None)]),
        case(0, &[]),
        case(0, &[(0.5, None)]),
        case(0, &[(0.4, None)]),
    ];
    let value = |weights| afroc_value(&cases, weights).unwrap();
    close("afroc", value(LesionWeights::Equal), number(&expected["afroc"]), EXACT);
    close("wafroc", value(LesionWeights::PerCase), number(&expected["wafroc"]), EXACT);
}

fn free_response(expected: &Value, _: &Inputs) {
    let cases = [
        case(3, &[(0.9, Some(0)), (0.2, None), (0.4, Some(2)), (0.5, None)]),
        case(2, &[(0.7, Some(1)), (0.3, Some(0)), (0.4, None)]),
        case(0, &[(0.8, None), (0.1, None)]),
        case(0, &[]),
        case(0, &[]),
        case(0, &[]),
        case(0, &[]),
    ];
    let mut curve = froc_curve(&cases).unwrap();
    let lowest = curve.pop().unwrap();
    assert_eq!(lowest.threshold, Some(0.1), "MONAI leaves out the corner of the lowest score, and only that");
    curve.reverse();
    let (x, y) = (numbers(&expected["fps_per_image"]), numbers(&expected["sensitivity"]));
    assert_eq!(curve.len(), x.len());
    for ((point, x), y) in curve.iter().zip(x).zip(y) {
        close("false positives", point.false_positives_per_case, x, EXACT);
        close("sensitivity", point.sensitivity, y, EXACT);
    }
    let score = froc_score_value(&cases, &[0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0]).unwrap();
    close("score", score, number(&expected["score"]), EXACT);
}

fn box_mask(boxes: &[[usize; 4]]) -> Vec<bool> {
    let mut mask = vec![false; 144];
    for &[top, bottom, left, right] in boxes {
        for row in top..bottom {
            mask[row * 12 + left..row * 12 + right].fill(true);
        }
    }
    mask
}

fn segmentation_by_name(expected: &Value, _: &Inputs) {
    let name = expected["name"].as_str().unwrap();
    let (tool, case) = name.strip_prefix("seg/").unwrap().split_once('/').unwrap();
    let (reference, predicted) = (box_mask(&[[2, 8, 3, 9]]), box_mask(&[[3, 9, 3, 8], [10, 11, 10, 11]]));
    let mut hole = reference.clone();
    for row in 4..6 {
        hole[row * 12 + 5..row * 12 + 7].fill(false);
    }
    let (reference, predicted) = match case {
        "touch border" => (box_mask(&[[0, 6, 0, 6]]), box_mask(&[[0, 7, 0, 5]])),
        "ref with hole" => (hole, predicted),
        "empty pred" => (reference, box_mask(&[])),
        "empty ref" => (box_mask(&[]), predicted),
        "both empty" => (box_mask(&[]), box_mask(&[])),
        _ => (reference, predicted),
    };
    let spacing = if case.starts_with("spacing") { [3.0, 1.0] } else { [1.0, 1.0] };
    let empty = if tool == "MONAI" { EmptyMasks::Undefined } else { EmptyMasks::Agree };
    let grid = Grid::plane([12, 12], spacing).unwrap();
    let distances = surface_distances(&grid, &reference, &predicted, empty).unwrap();
    let tolerance = if tool == "MONAI" { 1e-6 } else { EXACT };
    let mut ours = vec![
        ("dsc", dice(&reference, &predicted, empty)),
        ("hd", distances.hausdorff_mm()),
        ("hd95", distances.hausdorff_percentile_mm(95.0)),
        ("nsd1", distances.nsd(1.0)),
        ("assd", distances.assd_mm()),
    ];
    if (tool, case) == ("MONAI", "empty ref") {
        // MONAI leaves a case without reference out of the mean Dice (NaN); here a false segmentation counts as 0.
        assert_eq!(ours.remove(0).1, Ok(0.0));
    }
    for (measure, ours) in ours {
        match (&expected[measure], ours) {
            (Value::Number(theirs), Ok(ours)) => {
                close(&format!("{name} {measure}"), ours, theirs.as_f64().unwrap(), tolerance);
            }
            // Where they say NaN or infinity there is no figure.
            (Value::String(_), Err(StatsError::Undefined { .. })) => {}
            (theirs, ours) => panic!("{name} {measure}: {theirs} there, {ours:?} here"),
        }
    }
}

fn cusum_run_lengths(expected: &Value, _: &Inputs) {
    for (name, limit, shift, sides) in [
        ("h4_mu0", 4.0, 0.0, ChartSides::One),
        ("h5_mu0", 5.0, 0.0, ChartSides::One),
        ("h4_mu1", 4.0, 1.0, ChartSides::One),
        ("h5_mu1", 5.0, 1.0, ChartSides::One),
        ("two_sided_h4", 4.0, 0.0, ChartSides::Two),
        ("two_sided_h5", 5.0, 0.0, ChartSides::Two),
        ("two_sided_h775", 7.75, 0.0, ChartSides::Two),
    ] {
        close(name, cusum_arl(0.5, limit, shift, sides).unwrap(), number(&expected[name]), EXACT);
    }
}

fn ewma_run_lengths(expected: &Value, _: &Inputs) {
    for (name, weight, limit, shift) in
        [("a0", 0.1, 2.814, 0.0), ("a1", 0.1, 2.814, 1.0), ("b0", 0.2, 2.962, 0.0), ("b1", 0.2, 2.962, 1.0)]
    {
        close(name, ewma_arl(weight, limit, shift).unwrap(), number(&expected[name]), EXACT);
    }
}

fn e_detectors(expected: &Value, _: &Inputs) {
    for (name, recursion) in [("e_sr", Recursion::ShiryaevRoberts), ("e_cusum", Recursion::Cusum)] {
        let alternatives = vec![Alternative { rate: 0.2, weight: 1.0 }];
        let direction = Direction::Rise;
        let settings = BernoulliSettings { rate: 0.1, margin: 0.0, direction, recursion, alternatives };
        let mut detector = BernoulliDetector::new(settings).unwrap();
        for (happened, evidence) in "0010110011".chars().zip(numbers(&expected[name])) {
            detector.update(happened == '1');
            close(name, detector.evidence(), evidence, EXACT);
        }
    }
}

fn label_free_figures(expected: &Value, inputs: &Inputs) {
    crate::label_free::vector(expected, &inputs.labels, &inputs.first, &inputs.second);
}

fn outliers(expected: &Value, _: &Inputs) {
    let (x, new) = ([0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 0.5], [0.2, 0.1]);
    let rows = FeatureRows::new(&x, 2).unwrap();
    let options = MahalanobisOptions { standardise: false, shrinkage: Shrinkage::None, components_max: 2 };
    let m2 = Mahalanobis::fit(rows, &options).unwrap().distance_squared(&new).unwrap();
    close("mahalanobis", m2, number(&expected["m2"]), EXACT);
    let options = NeighbourOptions { standardise: false, k: 2, ..NeighbourOptions::default() };
    let second = Neighbours::fit(rows, &options).unwrap().distance(&new).unwrap();
    close("second neighbour", second, number(&expected["knn2"]), EXACT);
    close("energy", energy(&[2.0, -1.0, 0.5]).unwrap(), number(&expected["energy"]), EXACT);
}
