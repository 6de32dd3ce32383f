//! The report as data: its schema, its bytes, what it adds up to.

use crate::sample;
use crate::simulated::input;
use hilum_validate::report::{Figure, Report, Shown, Verdict};
use hilum_validate::{Exposure, FailureImages, Outcome, evaluate, reference_scores, render_page, report_schema};
use std::path::Path;

fn report(seed: u64) -> Report {
    let (protocol, cases) = (sample::protocol(), sample::cases(seed, 600));
    evaluate(&input(&protocol, &cases)).unwrap()
}

/// `UPDATE=1 cargo test` writes the file anew.
#[test]
fn the_schema_is_the_one_in_api() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../api/report.schema.json"));
    let now = serde_json::to_string_pretty(&report_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == now,
        "api/report.schema.json differs from the report; run this test with UPDATE=1 and read the diff"
    );
}

#[test]
fn the_same_input_gives_the_same_bytes_in_any_order_of_cases() {
    let (protocol, cases) = (sample::protocol(), sample::cases(8, 300));
    let bytes = |cases: &[_]| {
        let report = evaluate(&input(&protocol, cases)).unwrap();
        let page = render_page(&report, &FailureImages::new()).unwrap();
        (serde_json::to_string(&report).unwrap(), page)
    };
    let once = bytes(&cases);
    let mut other = cases.clone();
    other.reverse();
    assert!(once == bytes(&other));
    let (odd, even): (Vec<_>, Vec<_>) = cases.into_iter().enumerate().partition(|(place, _)| place % 3 == 1);
    let shuffled: Vec<_> = even.into_iter().chain(odd).map(|(_, case)| case).collect();
    assert!(once == bytes(&shuffled));
}

/// MV-25: what is kept for estimates without labels are the cases that the figures rest on, and none besides: exposed,
/// unlabelled and ineligible ones and those without a result are not among them, and nothing names a case.
#[test]
fn kept_scores_are_those_of_the_figures() {
    let (protocol, cases) = (sample::protocol(), sample::cases(8, 600));
    let flow = evaluate(&input(&protocol, &cases)).unwrap().flow;
    assert!(0 < flow.exposed && 0 < flow.no_usable_label && 0 < flow.withheld && 0 < flow.not_eligible);
    let kept = reference_scores(&protocol.protocol, &cases).unwrap().unwrap();
    assert_eq!((kept.n_with(), kept.n_without(), kept.n_cases()), (flow.positives, flow.negatives, flow.analysed));
    let stored = serde_json::to_string(&kept).unwrap();
    assert!(!stored.contains("case-") && !stored.contains("p0"), "{stored}");
    let mut exposed = cases.clone();
    exposed.iter_mut().for_each(|case| case.exposure = Exposure::Exposed);
    assert_eq!(reference_scores(&protocol.protocol, &exposed).unwrap(), None);
    let mut pending = cases;
    pending[3].outcome = Outcome::Pending;
    assert!(reference_scores(&protocol.protocol, &pending).is_err(), "a case that was not run is no reference");
}

#[test]
fn the_report_adds_up() {
    let report = report(8);
    let flow = &report.flow;
    assert_eq!(flow.listed, 600);
    assert_eq!(flow.labelled, flow.listed - flow.no_usable_label);
    assert_eq!(flow.eligible, flow.labelled - flow.exposed - flow.not_eligible);
    assert_eq!(flow.analysed, flow.eligible - flow.withheld - flow.failed);
    assert_eq!(flow.analysed, flow.positives + flow.negatives);
    assert_eq!(flow.reasons.iter().map(|r| r.n).sum::<u64>(), flow.not_eligible + flow.withheld + flow.failed);

    let classification = report.classification.as_ref().unwrap();
    let point = classification.operating_point.figure().unwrap();
    assert_eq!(point.true_positives + point.false_negatives, flow.positives);
    assert_eq!(report.failures.n_missed, point.false_negatives);
    assert_eq!(report.failures.n_false_alarms, point.false_positives);
    assert_eq!(report.failures.shown.len(), 12);
    let calibration = classification.calibration.figure().unwrap();
    let parts = &calibration.brier_parts;
    let sum = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins;
    assert!((sum - calibration.brier.figure().unwrap().value).abs() < 1e-12);
    assert_eq!(calibration.bins.iter().map(|bin| bin.observed.n).sum::<u64>(), flow.analysed);

    assert_eq!(report.verdict, Verdict::Fail, "{}", report.sentence);
    assert!(report.sentence.contains("few-false-alarms"), "{}", report.sentence);
    let judged = |shown: &Shown<Figure>| shown.figure().cloned().unwrap();
    let own = judged(&report.criteria[0].judged);
    assert_eq!(own.value, classification.auroc.figure().unwrap().value, "one figure, one value everywhere");
}

/// What takes patients as independent is said, and what does not is not included in it.
#[test]
fn the_note_on_patients_names_what_takes_cases() {
    let report = report(8);
    let note = report.notes.iter().find(|note| note.contains("hold patients, not cases")).unwrap();
    for by_case in ["bins of the reliability diagram", "Spiegelhalter's test", "McNemar's tests"] {
        assert!(note.contains(by_case), "{note}");
    }
    let calibration = report.classification.as_ref().unwrap().calibration.figure().unwrap();
    assert!(calibration.bins.iter().all(|bin| bin.observed.method == "reliability/wilson"));
}

/// MV-12: the report has a method for every figure, and explains every method.
#[test]
fn every_method_is_explained() {
    let report = report(8);
    let mut used = Vec::new();
    let mut written = serde_json::to_value(&report).unwrap();
    // The protocol names methods by its own, shorter words.
    written.as_object_mut().unwrap().remove("protocol");
    collect(&written, &mut used);
    assert!(20 < used.len());
    for method in used {
        let (figure, interval) = method.split_once('/').unwrap_or(("", &method));
        let known = |note: &&hilum_validate::report::MethodNote| {
            note.name == interval || note.name == method || figure.starts_with(&note.name)
        };
        assert!(report.methods.iter().any(|note| known(&note)), "{method}");
    }
}

fn collect(value: &serde_json::Value, used: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            used.extend(members.get("method").and_then(|method| method.as_str()).map(str::to_owned));
            members.values().for_each(|value| collect(value, used));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, used)),
        _ => {}
    }
}

#[test]
fn the_verdict_reads_as_a_person_would_say_it() {
    let report = report(8);
    let mut told = vec![report.sentence.clone()];
    told.extend(report.criteria.iter().map(|result| format!("{}: {}", result.name, result.sentence)));
    told.extend(report.subgroups.iter().map(|group| format!("{}: {}", group.key, group.sentence)));
    insta::assert_snapshot!(told.join("\n"));
}
