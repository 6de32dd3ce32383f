//! Outliers: distances against scikit-learn, p-values and rates by simulation, bad input (MV-04, MV-21).

use crate::chance::Chance;
use crate::support::{close, number, numbers, peer};
use hilum_stats::StatsError;
use hilum_stats::outlier::*;
use proptest::prelude::*;
use serde_json::Value;

pub(crate) fn control(modules: &str, section: &str) -> Option<Value> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    peer(&python, &["-c", &format!("import {modules}")], "control.py", &[section])
}

fn normals(chance: &mut Chance, n: usize) -> Vec<f64> {
    (0..n).map(|_| chance.normal()).collect()
}

const PLAIN: MahalanobisOptions =
    MahalanobisOptions { standardise: false, shrinkage: Shrinkage::LedoitWolf, components_max: 64 };

#[test]
fn distances_equal_scikit_learn() {
    let Some(answer) = control("sklearn, scipy", "outlier") else { return };
    for case in answer.as_array().unwrap() {
        let (x, d) = (numbers(&case["x"]), number(&case["d"]) as usize);
        let rows = FeatureRows::new(&x, d).unwrap();
        let shrunk = Mahalanobis::fit(rows, &PLAIN).unwrap();
        close("shrinkage", shrunk.shrinkage(), number(&case["shrinkage"]), 1e-10);
        let unshrunk = Mahalanobis::fit(rows, &MahalanobisOptions { shrinkage: Shrinkage::None, ..PLAIN });
        let options = NeighbourOptions { standardise: false, k: 3, ..NeighbourOptions::default() };
        let neighbours = Neighbours::fit(rows, &options).unwrap();
        for (place, new) in case["new"].as_array().unwrap().iter().enumerate() {
            let new = numbers(new);
            close("shrunk", shrunk.distance_squared(&new).unwrap(), number(&case["shrunk"][place]), 1e-8);
            close("third", neighbours.distance(&new).unwrap(), number(&case["third"][place]), 1e-12);
            match &unshrunk {
                Ok(fit) => {
                    close("plain", fit.distance_squared(&new).unwrap(), number(&case["unshrunk"][place]), 1e-8);
                }
                Err(error) => assert!(x.len() / d <= d && matches!(error, StatsError::Undefined { .. }), "{error}"),
            }
        }
    }
}

#[test]
fn counts_of_outliers_equal_scipy() {
    let Some(answer) = control("scipy", "counts") else { return };
    for case in answer.as_array().unwrap() {
        let [k, n, calibration] = ["k", "n", "calibration"].map(|name| number(&case[name]) as u64);
        let level = number(&case["share"]);
        let binomial = binomial_upper_test(k, n, 1.0 - level).unwrap();
        close("binomial", binomial.p_value, number(&case["binomial"]), 1e-9);
        let uncertain = outside_rate_test(k, n, calibration, level).unwrap();
        close("beta-binomial", uncertain.p_value, number(&case["beta_binomial"]), 1e-9);
    }
}

/// Below the mean the p-value is one less nearly nothing, however small the probability of exactly so many is.
#[test]
fn far_too_few_outside_are_no_sign_of_a_rate_too_high() {
    let p_value = |outside| outside_rate_test(outside, 20_000, 9_999, 0.9).unwrap().p_value;
    assert!(p_value(10) == 1.0 && p_value(4_000) < 1e-9, "{} {}", p_value(10), p_value(4_000));
    // Around the mean of 2,000 one side is summed, then the other: no step between them.
    for outside in 1_995..2_005 {
        let (here, next) = (p_value(outside), p_value(outside + 1));
        assert!(0.004 < here - next && here - next < 0.01, "{outside}: {here} {next}");
    }
}

/// A study unlike the reference only where the reference hardly varies is not lost with the components left out.
#[test]
fn directions_beyond_the_components_still_count() {
    let mut chance = Chance::new(1, 0);
    let row = |chance: &mut Chance| -> Vec<f64> {
        (0..20).map(|feature| chance.normal() * if feature < 3 { 10.0 } else { 0.1 }).collect()
    };
    let x: Vec<f64> = (0..500).flat_map(|_| row(&mut chance)).collect();
    let options = MahalanobisOptions { components_max: 3, shrinkage: Shrinkage::None, ..PLAIN };
    let fitted = Mahalanobis::fit(FeatureRows::new(&x, 20).unwrap(), &options).unwrap();
    let mut odd = vec![0.0; 20];
    let usual = fitted.distance_squared(&odd).unwrap();
    odd[17] = 2.0;
    let unusual = fitted.distance_squared(&odd).unwrap();
    assert!(usual < 5.0 && 200.0 < unusual, "{usual} {unusual}");
}

#[test]
fn p_values_of_studies_like_the_reference_keep_to_their_level() {
    let methods = [
        OutlierMethod::Mahalanobis(MahalanobisOptions::default()),
        OutlierMethod::Neighbours(NeighbourOptions { k: 5, ..NeighbourOptions::default() }),
    ];
    for method in methods {
        let mut chance = Chance::new(2, 0);
        let (mut n_outside, mut n_low, mut n, mut foreign) = (0, 0, 0, 0);
        for seed in 0..40 {
            let x = normals(&mut chance, 400 * 6);
            let model = OutlierModel::fit(FeatureRows::new(&x, 6).unwrap(), None, &method, 0.99, seed).unwrap();
            assert_eq!(model.calibration().n(), 200);
            for _ in 0..200 {
                let judged = model.judge(&normals(&mut chance, 6)).unwrap();
                assert!(0.0 < judged.p_value && judged.p_value <= 1.0 && judged.percentile < 100.0);
                n += 1;
                n_outside += u64::from(judged.outside);
                n_low += u64::from(judged.p_value <= 0.2);
                let shifted: Vec<f64> = normals(&mut chance, 6).iter().map(|v| v + 3.0).collect();
                foreign += u64::from(model.judge(&shifted).unwrap().outside);
            }
        }
        // Studies of one model share its limit, so their counts vary more than binomially: twice is allowed for.
        let (outside, low) = (n_outside as f64 / f64::from(n), n_low as f64 / f64::from(n));
        println!("{method:?}: {outside:.4} outside, {low:.3} at 0.2, {foreign} of {n} foreign");
        assert!(outside < 0.01 + 0.005 && 0.004 < outside, "{outside}");
        assert!((low - 0.2).abs() < 0.02, "{low}");
        assert!(0.95 < foreign as f64 / f64::from(n));
    }
}

/// With a limit from few scores the plain binomial test fires too often; the beta-binomial one does not.
#[test]
fn the_test_of_the_rate_keeps_its_level_with_few_calibrating_scores() {
    let mut chance = Chance::new(3, 0);
    let (mut plain, mut careful) = (0, 0);
    let runs = 2_000;
    for _ in 0..runs {
        let calibration = Calibration::new((0..199).map(|_| chance.uniform()).collect()).unwrap();
        let outside = (0..300).filter(|_| calibration.p_value(chance.uniform()).unwrap() <= 0.01).count() as u64;
        plain += u32::from(binomial_upper_test(outside, 300, 0.01).unwrap().p_value <= 0.05);
        careful += u32::from(outside_rate_test(outside, 300, 199, 0.99).unwrap().p_value <= 0.05);
    }
    println!("plain {plain}, careful {careful} of {runs}");
    assert!(careful <= 130, "{careful}: 0.05 of {runs} and three standard errors");
    assert!(150 < plain, "{plain}");
}

/// The design's measurement: one case in ten from a new scanner, +3 standard deviations in 8 of 128 dimensions, is found in a
/// window of 50 with power 0.97.
#[test]
fn a_new_scanner_carrying_a_tenth_of_the_cases_is_found_in_fifty() {
    let mut chance = Chance::new(4, 0);
    let (dimensions, mut found, mut false_alarms) = (128, 0, 0);
    for seed in 0..20 {
        let x = normals(&mut chance, 1000 * dimensions);
        let method = OutlierMethod::Mahalanobis(PLAIN);
        let model = OutlierModel::fit(FeatureRows::new(&x, dimensions).unwrap(), None, &method, 0.99, seed).unwrap();
        let p_value = |chance: &mut Chance, foreign: usize| {
            let study = |place: usize| {
                let mut row = normals(chance, dimensions);
                row[..8].iter_mut().for_each(|v| *v += if place < foreign { 3.0 } else { 0.0 });
                u64::from(model.judge(&row).unwrap().outside)
            };
            let outside = (0..50).map(study).sum();
            outside_rate_test(outside, 50, model.calibration().n(), 0.99).unwrap().p_value
        };
        found += u32::from(p_value(&mut chance, 5) <= 0.05);
        false_alarms += u32::from(p_value(&mut chance, 0) <= 0.05);
    }
    println!("found {found}, false alarms {false_alarms} of 20");
    assert!(17 <= found && false_alarms <= 4);
}

#[test]
fn a_patient_is_never_in_both_halves() {
    let mut chance = Chance::new(5, 0);
    // Two rows of each patient are the same: in both halves they would be at distance 0.
    let single = normals(&mut chance, 300 * 4);
    let x: Vec<f64> = single.chunks_exact(4).flat_map(|row| [row, row].concat()).collect();
    let patients: Vec<u64> = (0..600).map(|row| row / 2).collect();
    let options = NeighbourOptions { k: 1, prototypes_max: 1000, ..NeighbourOptions::default() };
    let rows = FeatureRows::new(&x, 4).unwrap();
    let fit = |patients| OutlierModel::fit(rows, patients, &OutlierMethod::Neighbours(options), 0.95, 1).unwrap();
    let scores = |model: &OutlierModel| numbers(&serde_json::to_value(model.calibration()).unwrap());
    assert!(scores(&fit(Some(&patients))).iter().all(|&score| 0.0 < score));
    assert!(scores(&fit(None)).contains(&0.0), "without patients they are, and the test can fail");
}

#[test]
fn a_stored_model_judges_alike_and_nonsense_is_refused() {
    let mut chance = Chance::new(6, 0);
    let x = normals(&mut chance, 300 * 5);
    let rows = FeatureRows::new(&x, 5).unwrap();
    for method in [
        OutlierMethod::Mahalanobis(MahalanobisOptions { components_max: 2, ..MahalanobisOptions::default() }),
        OutlierMethod::Neighbours(NeighbourOptions::default()),
    ] {
        let model = OutlierModel::fit(rows, None, &method, 0.95, 9).unwrap();
        assert_eq!(model, OutlierModel::fit(rows, None, &method, 0.95, 9).unwrap());
        assert_ne!(model, OutlierModel::fit(rows, None, &method, 0.95, 10).unwrap());
        let text = serde_json::to_string(&model).unwrap();
        let again: OutlierModel = serde_json::from_str(&text).unwrap();
        assert_eq!(model.judge(&x[..5]).unwrap(), again.judge(&x[..5]).unwrap());
        for (from, to) in [
            (r#""scale":["#, r#""scale":[0.0,"#),
            (r#""level":0.95"#, r#""level":1.5"#),
            (r#""calibration":["#, r#""calibration":[null,"#),
            (r#""n":150"#, r#""n":150,"extra":1"#),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(serde_json::from_str::<OutlierModel>(&text.replacen(from, to, 1)).is_err(), "{from}");
        }
        for wrong in [vec![0.0; 4], vec![f64::NAN; 5], vec![f64::MAX; 5], vec![]] {
            assert!(model.judge(&wrong).is_err(), "{wrong:?}");
        }
    }
    let mahalanobis = OutlierMethod::Mahalanobis(MahalanobisOptions::default());
    let few = OutlierModel::fit(FeatureRows::new(&x[..500], 5).unwrap(), None, &mahalanobis, 0.99, 1);
    let error = few.unwrap_err().to_string();
    assert_eq!(error, "outlier model needs at least 99 rows to calibrate on, there are 50");
    let mut constant = x.clone();
    constant.iter_mut().skip(3).step_by(5).for_each(|v| *v = 0.1);
    let refused = Mahalanobis::fit(FeatureRows::new(&constant, 5).unwrap(), &MahalanobisOptions::default());
    assert!(matches!(refused, Err(StatsError::OutOfRange { index: 3, .. })), "{refused:?}");
    assert!(FeatureRows::new(&x, 7).is_err() && FeatureRows::new(&[], 5).is_err() && FeatureRows::new(&x, 0).is_err());
    assert!(FeatureRows::new(&[f64::INFINITY], 1).is_err());
    for components_max in [0, 65] {
        let options = MahalanobisOptions { components_max, ..MahalanobisOptions::default() };
        assert!(Mahalanobis::fit(rows, &options).is_err());
    }
    for (k, prototypes_max) in [(0, 10), (11, 10), (5, 0), (5, 1001), (400, 1000)] {
        let options = NeighbourOptions { k, prototypes_max, ..NeighbourOptions::default() };
        assert!(Neighbours::fit(rows, &options).is_err(), "{k} {prototypes_max}");
    }
    assert!(Calibration::new(vec![]).is_err() && Calibration::new(vec![f64::NAN]).is_err());
    let calibration = Calibration::new(vec![1.0, 2.0]).unwrap();
    assert_eq!(calibration.p_value(f64::INFINITY).unwrap(), 1.0 / 3.0);
    assert!(calibration.p_value(f64::NAN).is_err());
    assert!(outside_rate_test(3, 2, 100, 0.99).is_err() && outside_rate_test(0, 0, 100, 0.99).is_err());
    assert!(matches!(outside_rate_test(1, 5, 98, 0.99), Err(StatsError::TooFew { needed: 99, found: 98, .. })));
    assert!(energy(&[]).is_err() && energy(&[f64::NAN]).is_err() && energy(&[1e300, -1e300]).unwrap() == -1e300);
}

proptest! {
    #[test]
    fn any_rows_give_finite_distances_or_errors(
        values in prop::collection::vec(prop_oneof![3 => -10.0_f64..10.0, 1 => prop::sample::select(vec![0.0, 1e300, -1e300, 5e-324, 1e-200])], 1..60),
        n_features in 1_usize..5, standardise: bool, components_max in 1_usize..5,
    ) {
        let rows = match FeatureRows::new(&values, n_features) {
            Ok(rows) => rows,
            Err(_) => return Ok(()),
        };
        for shrinkage in [Shrinkage::LedoitWolf, Shrinkage::None] {
            if let Ok(fitted) = Mahalanobis::fit(rows, &MahalanobisOptions { standardise, shrinkage, components_max }) {
                let distance = fitted.distance_squared(&values[..n_features]);
                prop_assert!(distance.as_ref().map_or(true, |d| d.is_finite() && 0.0 <= *d), "{:?}", distance);
            }
        }
        let options = NeighbourOptions { standardise, k: 1, ..NeighbourOptions::default() };
        if let Ok(fitted) = Neighbours::fit(rows, &options) {
            prop_assert!(fitted.distance(&values[..n_features]).map_or(true, |d| d == 0.0));
        }
    }
}
