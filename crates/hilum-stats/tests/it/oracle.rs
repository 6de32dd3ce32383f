//! The chest models of the shared data: figures of `oracle_stats.json` from their `expected_scores.csv`.

use crate::support::{close, number, shared};
use hilum_stats::drift::{KolmogorovP, PSI_FLOOR, SortedSample, kolmogorov_smirnov, psi, wasserstein};
use hilum_stats::*;
use serde_json::Value;

const MODELS: [&str; 3] = ["cxr-pneumonia-v1", "cxr-pneumonia-v2", "cxr-pneumonia-squeezenet"];

/// Labels and scores of `kermany-test`, in the order of the file.
fn scores(model: &str) -> Option<(Vec<bool>, Vec<f64>)> {
    let path = shared(&format!("data/models/{model}/expected_scores.csv"))?;
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let column = |name: &str| header.iter().position(|h| *h == name).unwrap();
    let (set, label, score) = (column("dataset"), column("pneumonia"), column("p_pneumonia"));
    let of_test = rows.filter(|row| row[set] == "kermany-test");
    Some(of_test.map(|row| (row[label].parse::<f64>().unwrap() == 1.0, row[score].parse::<f64>().unwrap())).unzip())
}

#[test]
fn figures_of_the_chest_models_equal_the_oracle() {
    let Some(path) = shared("data/models/oracle_stats.json") else { return };
    let oracle: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for model in MODELS {
        let Some((labels, scores)) = scores(model) else { return };
        let expected = &oracle[model];
        let figure = auroc(&labels, &scores, None, 0.95, AurocInterval::Delong).unwrap();
        assert_eq!(figure.n, expected["n"].as_u64().unwrap());
        assert_eq!(labels.iter().filter(|&&y| y).count() as u64, expected["positives"].as_u64().unwrap());
        close("auc", figure.value, number(&expected["auc"]), 1e-9);
        close("lower", figure.lower, number(&expected["delong_ci95"][0]), 1e-9);
        close("upper", figure.upper, number(&expected["delong_ci95"][1]), 1e-9);
        close("brier", brier(&labels, &scores, None, 0.95).unwrap().value, number(&expected["brier"]), 1e-9);
        let error = ece_value(&labels, &scores, Binning::EqualWidth(10)).unwrap();
        close("ece", error, number(&expected["ece_10_equal_width"]), 1e-9);
        let table = ConfusionTable::at_threshold(&labels, &scores, number(&expected["threshold"])).unwrap();
        let counts = [table.true_positives, table.false_negatives, table.false_positives, table.true_negatives];
        assert_eq!(counts, ["tp", "fn", "fp", "tn"].map(|name| expected[name].as_u64().unwrap()), "{model}");
    }
}

#[test]
fn comparisons_of_the_chest_models_equal_the_oracle() {
    let Some(path) = shared("data/models/oracle_stats.json") else { return };
    let oracle: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (first, second) in [(1, 0), (1, 2), (0, 2)] {
        let expected = &oracle[format!("{} minus {}", MODELS[first], MODELS[second])];
        let (Some((labels, a)), Some((again, b))) = (scores(MODELS[first]), scores(MODELS[second])) else { return };
        assert_eq!(labels, again);
        let compared = auroc_difference(&labels, &a, &b, None, 0.95).unwrap();
        close("difference", compared.difference.value, number(&expected["auc_difference"]), 1e-9);
        close("se", compared.standard_error, number(&expected["se"]), 1e-9);
        close("z", compared.z, number(&expected["z"]), 1e-9);
        close("p", compared.p_value, number(&expected["p_two_sided"]), 1e-9);
    }
}

/// Column `p_pneumonia` of a table of scores, of one data set where the table names them.
fn column_of(path: &str, set: Option<&str>) -> Option<Vec<f64>> {
    let text = std::fs::read_to_string(shared(path)?).unwrap();
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let place = |name: &str| header.iter().position(|h| *h == name).unwrap();
    let score = place("p_pneumonia");
    let chosen = rows.filter(|row| set.is_none_or(|set| row[place("dataset")] == set));
    Some(chosen.map(|row| row[score].parse().unwrap()).collect())
}

/// Scores of a real model at its own site and at two others against those of its validation set. The oracle had scores of
/// more than the six decimals of the tables, which only the Wasserstein distance shows.
#[test]
fn drift_of_the_scores_of_a_chest_model_equals_the_oracle() {
    let Some(path) = shared("data/models/oracle_stats.json") else { return };
    let oracle: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let oracle = &oracle["drift of p_pneumonia (v2), reference = reference_val_scores.csv"];
    let folder = "data/models/cxr-pneumonia-v2";
    let Some(reference) = column_of(&format!("{folder}/reference_val_scores.csv"), None) else { return };
    let reference = SortedSample::new(reference).unwrap();
    let edges: Vec<f64> = (1..10).map(|tenth| reference.quantile(f64::from(tenth) / 10.0)).collect();
    let counts = |sample: &SortedSample| {
        let mut counts = vec![0u64; 10];
        sample.values().iter().for_each(|value| counts[edges.partition_point(|edge| edge <= value)] += 1);
        counts
    };
    for set in ["kermany-test", "hannover", "nih-64px"] {
        let expected = |name: &str| number(&oracle[set][name]);
        let current = column_of(&format!("{folder}/expected_scores.csv"), Some(set)).unwrap();
        let current = SortedSample::new(current).unwrap();
        assert_eq!(current.n(), oracle[set]["n"].as_u64().unwrap());
        let test = kolmogorov_smirnov(&reference, &current, KolmogorovP::Exact).unwrap();
        close("ks", test.value, expected("ks"), 1e-12);
        close("ks p", test.p_value.unwrap().ln(), expected("ks_p").ln(), 1e-9);
        close("wasserstein", wasserstein(&reference, &current).unwrap().value, expected("wasserstein"), 1e-6);
        let index = psi(&counts(&reference), &counts(&current), PSI_FLOOR).unwrap();
        close("psi", index.value, expected("psi_10_reference_deciles_floor_1e_4"), 1e-9);
    }
}
