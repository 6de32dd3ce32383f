use super::*;
use crate::{Agreement, OutputFact};
use hilum_types::{Digest, Exposure};

fn at(seconds: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap().plus_seconds(seconds)
}

fn case(n: i64, said: bool, truth: Truth) -> LabelledObservation {
    let mut observation = Observation::bare("cxr", Digest::of(b"v1"));
    observation.study_key = format!("s{n}");
    observation.revision = 1;
    observation.disposition = "analysed".to_owned();
    observation.attributes.insert("sex".to_owned(), if n % 2 == 0 { "F" } else { "M" }.to_owned());
    observation.outputs.insert("nodule".to_owned(), OutputFact { score: None, present: Some(said) });
    let label = Label {
        key: format!("l{n}"),
        study_key: observation.study_key.clone(),
        revision: 1,
        deployment: "cxr".to_owned(),
        finding: "nodule".to_owned(),
        truth,
        agreement: None,
        source: LabelSource::Assessment,
        extractor: None,
        extractor_measured: false,
        exposure: Exposure::Unexposed,
        independence: None,
        inclusion_probability: None,
        event_at: at(n),
        recorded_at: at(n),
        decided_at: None,
        by: "user:anna".to_owned(),
    };
    LabelledObservation { label, observation }
}

fn told(labelled: &[LabelledObservation], each: Option<&str>) -> String {
    let observations: Vec<Observation> = labelled.iter().map(|one| one.observation.clone()).collect();
    let input = FigureInput { observations: &observations, labelled, as_of: at(1000) };
    let line = |one: &NamedFigure| {
        let figure = &one.figure;
        let classes: Vec<&str> = figure.label_classes.iter().map(|class| class.name()).collect();
        let marked = if one.validated { "" } else { " unvalidated" };
        format!(
            "{} {} {} {:.3} [{:.3}, {:.3}] n={} {} {}{marked}\n",
            one.name.name(),
            one.finding,
            one.cut,
            figure.value,
            figure.lower,
            figure.upper,
            figure.n,
            figure.method,
            classes.join("+")
        )
    };
    figures(&input, each).unwrap().iter().map(line).collect()
}

#[test]
fn every_figure_has_interval_n_method_and_classes() {
    let mut cases: Vec<LabelledObservation> =
        (0..20).map(|n| case(n, n % 4 != 0, if n < 10 { Truth::Present } else { Truth::Absent })).collect();
    for one in &mut cases[15..] {
        one.label.exposure = Exposure::Exposed;
        one.label.agreement = Some(Agreement::Agree);
    }
    cases[0].label.extractor = Some("rules 1".to_owned());
    cases[1].label.inclusion_probability = Some(1.0);
    cases[2].label.inclusion_probability = Some(0.1);
    insta::assert_snapshot!(told(&cases, Some("sex")), @r#"
    failure_rate   0.000 [0.000, 0.161] n=20 proportion/wilson 
    not_eligible_rate   0.000 [0.000, 0.161] n=20 proportion/wilson 
    positive_rate nodule  0.750 [0.531, 0.888] n=20 proportion/wilson 
    sensitivity nodule  0.778 [0.453, 0.937] n=9 proportion/wilson unexposed
    sensitivity nodule  1.000 [0.238, 1.000] n=2 proportion/inverse-probability-wilson unexposed
    sensitivity nodule  0.000 [0.000, 0.793] n=1 proportion/wilson unexposed unvalidated
    specificity nodule  0.200 [0.036, 0.624] n=5 proportion/wilson unexposed
    ppv nodule  0.636 [0.354, 0.848] n=11 proportion/wilson unexposed
    ppv nodule  1.000 [0.238, 1.000] n=2 proportion/inverse-probability-wilson unexposed
    concordance nodule  1.000 [0.566, 1.000] n=5 proportion/wilson directly_exposed
    failure_rate  sex=F 0.000 [0.000, 0.278] n=10 proportion/wilson 
    not_eligible_rate  sex=F 0.000 [0.000, 0.278] n=10 proportion/wilson 
    positive_rate nodule sex=F 0.500 [0.237, 0.763] n=10 proportion/wilson 
    sensitivity nodule sex=F 0.500 [0.150, 0.850] n=4 proportion/wilson unexposed
    sensitivity nodule sex=F 1.000 [0.207, 1.000] n=1 proportion/inverse-probability-wilson unexposed
    sensitivity nodule sex=F 0.000 [0.000, 0.793] n=1 proportion/wilson unexposed unvalidated
    specificity nodule sex=F 0.333 [0.061, 0.792] n=3 proportion/wilson unexposed
    ppv nodule sex=F 0.500 [0.150, 0.850] n=4 proportion/wilson unexposed
    ppv nodule sex=F 1.000 [0.207, 1.000] n=1 proportion/inverse-probability-wilson unexposed
    concordance nodule sex=F 1.000 [0.342, 1.000] n=2 proportion/wilson directly_exposed
    failure_rate  sex=M 0.000 [0.000, 0.278] n=10 proportion/wilson 
    not_eligible_rate  sex=M 0.000 [0.000, 0.278] n=10 proportion/wilson 
    positive_rate nodule sex=M 1.000 [0.722, 1.000] n=10 proportion/wilson 
    sensitivity nodule sex=M 1.000 [0.566, 1.000] n=5 proportion/wilson unexposed
    sensitivity nodule sex=M 1.000 [0.207, 1.000] n=1 proportion/inverse-probability-wilson unexposed
    specificity nodule sex=M 0.000 [0.000, 0.658] n=2 proportion/wilson unexposed
    ppv nodule sex=M 0.714 [0.359, 0.918] n=7 proportion/wilson unexposed
    ppv nodule sex=M 1.000 [0.207, 1.000] n=1 proportion/inverse-probability-wilson unexposed
    concordance nodule sex=M 1.000 [0.439, 1.000] n=3 proportion/wilson directly_exposed
    "#);
}

/// MV-25: accuracy from labels whose reader saw the answer, or from a mixture, is refused by type.
#[test]
fn mixed_exposure_is_refused() {
    let cases = [case(1, true, Truth::Present)];
    let input = FigureInput { observations: &[], labelled: &cases, as_of: at(1000) };
    let ask = |metric, classes: &[Independence]| figure(&input, metric, "nodule", classes);
    let (free, seen, acted) = (Independence::Unexposed, Independence::DirectlyExposed, Independence::PostAction);
    assert_eq!(ask(Metric::Sensitivity, &[free]).unwrap().map(|figure| figure.n), Some(1));
    assert_eq!(
        ask(Metric::Sensitivity, &[free, seen]),
        Err(MonitorError::LabelClass { metric: Metric::Sensitivity, class: seen })
    );
    assert_eq!(
        ask(Metric::Sensitivity, &[acted]),
        Err(MonitorError::LabelClass { metric: Metric::Sensitivity, class: acted })
    );
    assert_eq!(ask(Metric::Ppv, &[free, acted]), Err(MonitorError::MixedExposure { metric: Metric::Ppv }));
    assert_eq!(
        ask(Metric::Concordance, &[free]),
        Err(MonitorError::LabelClass { metric: Metric::Concordance, class: free })
    );
}

/// MV-27: a correction changes the figure from when it is known.
#[test]
fn a_correction_revises_later_figures_only() {
    let first = case(1, true, Truth::Present);
    let mut second = first.clone();
    second.label.truth = Truth::Absent;
    second.label.recorded_at = at(500);
    let n = |labelled: &[LabelledObservation], metric| {
        let input = FigureInput { observations: &[], labelled, as_of: at(1000) };
        figure(&input, metric, "nodule", &[Independence::Unexposed]).unwrap().map(|figure| (figure.value, figure.n))
    };
    assert_eq!(n(std::slice::from_ref(&first), Metric::Ppv), Some((1.0, 1)));
    let both = [first, second];
    assert_eq!((n(&both, Metric::Ppv), n(&both, Metric::Sensitivity)), (Some((0.0, 1)), None));
}
