use super::*;
use crate::{OutputFact, Severity, Signal};
use hilum_registry::{MonitoringPlan, StopRule};
use hilum_types::Timestamp;

fn at(days: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap().plus_seconds(days * 86_400)
}

/// `n` studies with a score each; one in five has the finding, at a score of 0.8. All were compared with an envelope.
fn studies(n: usize) -> Vec<Observation> {
    let study = |place: usize| {
        let mut one = Observation::bare("cxr", Digest::of(b"v1"));
        (one.study_key, one.revision) = (format!("s{place:04}"), 1);
        let score = Some(if place.is_multiple_of(5) { 0.8 } else { 0.1 });
        one.outputs.insert("nodule".to_owned(), OutputFact { score, present: None });
        one.outside_envelope = Some(Vec::new());
        one
    };
    (0..n).map(study).collect()
}

/// Cases of which a score of 0.8 means 0.9, and one of 0.1 means 0.02.
fn reference(n: usize) -> LabelFreeReference {
    let (mut labels, mut scores) = (Vec::new(), Vec::new());
    for place in 0..n {
        let high = place % 2 == 0;
        scores.push(if high { 0.8 } else { 0.1 });
        labels.push(if high { place % 20 != 0 } else { place % 100 == 1 });
    }
    LabelFreeReference { finding: "nodule".to_owned(), scores: LabelledScores::new(&labels, &scores).unwrap() }
}

fn signal(rule: &str, days: i64) -> Signal {
    Signal {
        deployment: "cxr".to_owned(),
        rule: rule.to_owned(),
        severity: Severity::Watch,
        cut: String::new(),
        at: at(days),
        since: None,
        value: 1.0,
        threshold: 1.0,
        n: 9,
        method: "test".to_owned(),
        text: "it moved".to_owned(),
        studies: Vec::new(),
    }
}

fn rules() -> Vec<StopRule> {
    let plan: MonitoringPlan = toml::from_str(
        "[[rule]]\nname='noise'\nmetric='feature'\nfeature='noise_sd'\nquantiles=[1,2,3,4,5,6,7,8,9]\nmargin=0.05\n\
         false_stops_per_year=0.1\nevents_per_day=10\n\
         [[rule]]\nname='failing'\nmetric='failure_rate'\nabove=0.5\nconfidence=0.95\n\
         [[rule]]\nname='calls'\nmetric='positive_rate'\nfinding='nodule'\nabove=0.5\nconfidence=0.95\n\
         [[rule]]\nname='missed'\nmetric='sensitivity'\nfinding='nodule'\nconsecutive=3\n",
    )
    .unwrap();
    plan.rules
}

fn of(observations: &[Observation], signals: &[Signal], reference: &LabelFreeReference) -> EstimatedFinding {
    let period = Period { from: at(0), observations, signals, rules: &rules() };
    estimated(&period, reference, Digest::of(b"record"), 0.5).unwrap().unwrap()
}

#[test]
fn estimates_are_those_of_calibrated_scores() {
    let told = of(&studies(500), &[], &reference(1000));
    assert_eq!((told.n_with, told.n_without, told.doubts.as_slice()), (460, 540, &[] as &[String]));
    let named: Vec<(&str, f64)> = told.figures.iter().map(|one| (one.name.name(), one.value)).collect();
    // Of 100 called 90 have the finding, of 400 left 8: sensitivity 90/98, specificity 392/402.
    let expected = [("sensitivity", 90.0 / 98.0), ("specificity", 392.0 / 402.0), ("ppv", 0.9)];
    for ((name, value), (known, close)) in named.iter().zip(expected) {
        assert!(*name == known && (value - close).abs() < 1e-9, "{name} {value} {close}");
    }
    assert_eq!(named[3].0, "auroc");
    assert!(told.figures.iter().all(|one| one.n == 500 && one.method == "label-free/cbpe-bootstrap"));
    assert!(told.figures.iter().all(|one| one.lower < one.value && one.value < one.upper));
    assert_eq!(of(&studies(500), &[], &reference(1000)), told, "the same studies give the same estimates");
}

/// A study counts once, by its latest revision that has a score, and the order in which studies are read decides nothing.
#[test]
fn a_study_is_estimated_from_once() {
    let all = studies(100);
    let told = of(&all, &[], &reference(1000));
    let again = |revision: u32, score: Option<f64>| {
        let mut one = Observation { revision, ..all[0].clone() };
        one.outputs.values_mut().for_each(|output| output.score = score);
        one
    };
    let mut more = [all.clone(), vec![again(2, Some(0.1)), again(3, Some(0.8)), again(4, None)]].concat();
    assert_eq!(of(&more, &[], &reference(1000)), told, "the third revision says what the first one did");
    more.reverse();
    assert_eq!(of(&more, &[], &reference(1000)), told);
}

/// A figure that divides by nothing is left out, and without a score there is none at all.
#[test]
fn what_cannot_be_estimated_is_left_out() {
    let mut low = studies(100);
    low.iter_mut().for_each(|one| one.outputs.values_mut().for_each(|output| output.score = Some(0.1)));
    let told = of(&low, &[], &reference(1000));
    assert!(told.figures.iter().all(|one| one.name != EstimatedName::Ppv), "nothing was called: {told:?}");
    let period = Period { from: at(0), observations: &[], signals: &[], rules: &[] };
    assert_eq!(estimated(&period, &reference(1000), Digest::of(b"record"), 0.5), Ok(None));
    let period = Period { observations: &low, ..period };
    assert!(estimated(&period, &reference(1000), Digest::of(b"record"), f64::NAN).is_err());
}

/// Where images moved, or nobody knows whether they did, or there is too little of anything, the estimate says so.
#[test]
fn what_speaks_against_an_estimate_is_named() {
    let doubts = |observations: &[Observation], signals: &[Signal], n: usize| -> String {
        of(observations, signals, &reference(n)).doubts.join("; ")
    };
    let all = studies(500);
    assert_eq!(doubts(&all, &[], 1000), "");
    assert_eq!(
        doubts(&studies(49), &[], 90),
        "only 49 studies of the period have a score, and 50 are needed; the acceptance test kept 41 cases with the finding \
         and 49 without, and 50 of each are needed"
    );
    let mut unlike = all.clone();
    unlike.iter_mut().take(60).for_each(|one| one.outside_envelope = Some(vec!["noise_sd".to_owned()]));
    let said = doubts(&unlike, &[], 1000);
    assert!(said.starts_with("60 of 500 studies lie outside the acquisition envelope: up to 15."), "{said}");
    let mut blind = all.clone();
    blind.iter_mut().for_each(|one| one.outside_envelope = None);
    let said = doubts(&blind, &[], 1000);
    assert!(said.contains("no study was compared with an acquisition envelope"), "{said}");
    // None of few compared studies is outside, and that shows little; nor do many, where many others are not compared.
    blind.iter_mut().take(20).for_each(|one| one.outside_envelope = Some(Vec::new()));
    let said = doubts(&blind, &[], 1000);
    assert!(said.starts_with("0 of 20 studies lie outside the acquisition envelope: up to 16.1 %"), "{said}");
    blind.iter_mut().take(450).for_each(|one| one.outside_envelope = Some(Vec::new()));
    assert_eq!(doubts(&blind, &[], 1000), "only 450 of 500 studies were compared with an acquisition envelope");
    blind[450].outside_envelope = Some(Vec::new());
    assert_eq!(doubts(&blind, &[], 1000), "");
    // Images, labels, and what is in no plan any more speak against it; failed runs do not.
    assert_eq!(doubts(&all, &[signal("failing", 3)], 1000), "");
    assert_eq!(doubts(&all, &[signal("noise", 3)], 1000), "rule noise spoke on 2026-11-04");
    assert_eq!(
        doubts(&all, &[signal("missed", 9), signal("gone", 4), signal("failing", 12)], 1000),
        "rule missed spoke on 2026-11-10, and there was one signal more"
    );
    // Before the period: only a rule that has said so of the whole record has nothing to say again while it lasts.
    assert_eq!(doubts(&all, &[signal("noise", -3), signal("gone", -4)], 1000), "");
    assert_eq!(doubts(&all, &[signal("calls", -3)], 1000), "rule calls spoke on 2026-10-29");
}

/// A record keeps it, and one that names a case is refused.
#[test]
fn the_reference_is_stored_whole() {
    let stored = serde_json::to_value(reference(200)).unwrap();
    assert_eq!(serde_json::from_value::<LabelFreeReference>(stored.clone()).unwrap(), reference(200));
    let mut more = stored;
    more["case"] = "7".into();
    assert!(serde_json::from_value::<LabelFreeReference>(more).is_err());
}
