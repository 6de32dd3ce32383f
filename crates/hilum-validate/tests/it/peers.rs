//! The figures of a report against scikit-learn and scipy. The interpreter is `HILUM_PYTHON` or `python3`.

use crate::sample;
use crate::simulated::input;
use hilum_validate::{Exposure, Outcome, evaluate};
use std::io::Write;
use std::process::{Command, Stdio};

const SCRIPT: &str = r"
import json, sys
import numpy as np
from sklearn.metrics import roc_auc_score, average_precision_score, recall_score, precision_score, brier_score_loss, confusion_matrix
given = json.load(sys.stdin)
y, s = np.array(given['labels']), np.array(given['scores'])
called = s >= given['threshold']
tn, fp, fn, tp = confusion_matrix(y, called).ravel()
print(json.dumps({
    'auroc': roc_auc_score(y, s), 'auprc': average_precision_score(y, s), 'brier': brier_score_loss(y, s),
    'sensitivity': recall_score(y, called), 'specificity': recall_score(~y, ~called),
    'ppv': precision_score(y, called), 'npv': precision_score(~y, ~called),
    'tn': int(tn), 'fp': int(fp), 'fn': int(fn), 'tp': int(tp)}))
";

fn python() -> Option<String> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import sklearn"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let why = "scikit-learn is not importable; name an interpreter that has it in HILUM_PYTHON";
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("skipped: {why}");
    None
}

#[test]
fn figures_equal_those_of_scikit_learn() {
    let Some(python) = python() else { return };
    let (protocol, cases) = (sample::protocol(), sample::cases(21, 800));
    let report = evaluate(&input(&protocol, &cases)).unwrap();
    // Chosen here once more, by hand: labelled, not exposed, scored.
    let mut labels = Vec::new();
    let mut scores = Vec::new();
    for case in &cases {
        if let (Some(label @ ("yes" | "no")), Outcome::Scored { score: Some(score), .. }) =
            (case.label.as_deref(), &case.outcome)
            && case.exposure != Exposure::Exposed
        {
            labels.push(label == "yes");
            scores.push(*score);
        }
    }
    let given = serde_json::json!({"labels": labels, "scores": scores, "threshold": 0.5});
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter was found before");
    child.stdin.take().expect("it is piped").write_all(given.to_string().as_bytes()).expect("the script reads it");
    let output = child.wait_with_output().expect("the script ends");
    assert!(output.status.success());
    let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the script prints JSON");

    let classification = report.classification.as_ref().unwrap();
    let point = classification.operating_point.figure().unwrap();
    let calibration = classification.calibration.figure().unwrap();
    let figures = [
        ("auroc", &classification.auroc),
        ("auprc", &classification.auprc),
        ("brier", &calibration.brier),
        ("sensitivity", &point.sensitivity),
        ("specificity", &point.specificity),
        ("ppv", &point.ppv),
        ("npv", &point.npv),
    ];
    for (name, ours) in figures {
        let (ours, theirs) = (ours.figure().unwrap().value, theirs[name].as_f64().unwrap());
        assert!((ours - theirs).abs() < 1e-12, "{name}: {ours}, scikit-learn {theirs}");
    }
    let counts = [
        ("tp", point.true_positives),
        ("fp", point.false_positives),
        ("fn", point.false_negatives),
        ("tn", point.true_negatives),
    ];
    for (name, ours) in counts {
        assert_eq!(Some(ours), theirs[name].as_u64(), "{name}");
    }
}
