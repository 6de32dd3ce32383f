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
    let input = FigureInput { observations: &observations, labelled, extractors: &[], as_of: at(1000) };
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
    let input = FigureInput { observations: &[], labelled: &cases, extractors: &[], as_of: at(1000) };
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
        let input = FigureInput { observations: &[], labelled, extractors: &[], as_of: at(1000) };
        figure(&input, metric, "nodule", &[Independence::Unexposed]).unwrap().map(|figure| (figure.value, figure.n))
    };
    assert_eq!(n(std::slice::from_ref(&first), Metric::Ppv), Some((1.0, 1)));
    let both = [first, second];
    assert_eq!((n(&both, Metric::Ppv), n(&both, Metric::Sensitivity)), (Some((0.0, 1)), None));
}

/// 400 reports read by an extractor: 80 of 100 calls and 24 of 300 others labelled present.
fn read_by_extractor() -> Vec<LabelledObservation> {
    let one = |n: i64| {
        let called = n < 100;
        let present = if called { n < 80 } else { n < 124 };
        let mut one = case(n, called, if present { Truth::Present } else { Truth::Absent });
        (one.label.source, one.label.extractor, one.label.extractor_measured) =
            (LabelSource::Report, Some("pneu@1".to_owned()), true);
        one
    };
    (0..400).map(one).collect()
}

fn error(times: u64) -> ExtractorError {
    ExtractorError {
        true_positives: 90 * times,
        positives: 100 * times,
        true_negatives: 190 * times,
        negatives: 200 * times,
    }
}

fn accuracy(labelled: &[LabelledObservation], extractors: &[MeasuredExtractor]) -> Vec<NamedFigure> {
    let input = FigureInput { observations: &[], labelled, extractors, as_of: at(1000) };
    let all = figures(&input, None).unwrap();
    all.into_iter().filter(|one| one.name != Metric::Concordance).collect()
}

/// MV-28: worked by hand after Rogan & Gladen: among calls (0.80 + 0.95 - 1) / 0.85 have the finding, among the others
/// (0.08 + 0.95 - 1) / 0.85.
#[test]
fn labels_of_a_measured_extractor_are_corrected_for_its_error() {
    let labelled = read_by_extractor();
    let measured = |times| {
        let (finding, extractor) = ("nodule".to_owned(), "pneu@1".to_owned());
        [MeasuredExtractor { finding, extractor, error: error(times) }]
    };
    let all = accuracy(&labelled, &measured(1));
    let (plain, corrected): (Vec<&NamedFigure>, Vec<&NamedFigure>) = all.iter().partition(|one| one.uncorrected);
    assert_eq!((plain.len(), corrected.len()), (3, 3));
    assert!(all.iter().all(|one| one.validated && one.figure.label_classes == [Independence::Unexposed]));
    let expected = [(Metric::Sensitivity, 0.892_857), (Metric::Specificity, 0.960_938), (Metric::Ppv, 0.882_353)];
    let width = |one: &NamedFigure| one.figure.upper - one.figure.lower;
    for (one, (name, value)) in corrected.iter().zip(expected) {
        assert_eq!((one.name, one.figure.n), (name, 400));
        assert_eq!(one.figure.method, "proportion/label-error-propagated");
        assert!((one.figure.value - value).abs() < 1e-5, "{name:?}: {}", one.figure.value);
        assert!(one.figure.lower < value && value < one.figure.upper);
    }
    assert!((plain[0].figure.value - 80.0 / 104.0).abs() < 1e-12, "as if the labels never erred");
    // The fewer reports were read for the error, the less is known.
    let more = accuracy(&labelled, &measured(50));
    let more: Vec<&NamedFigure> = more.iter().filter(|one| !one.uncorrected).collect();
    assert!(width(more[0]) < width(corrected[0]) && width(plain[0]) < width(corrected[0]));
    assert_eq!(accuracy(&labelled, &measured(1)), all, "the same whenever it is made");
}

#[test]
fn nothing_is_corrected_that_was_not_measured_or_saw_the_answer() {
    let measured =
        [MeasuredExtractor { finding: "nodule".to_owned(), extractor: "pneu@1".to_owned(), error: error(1) }];
    let is_corrected = |one: &NamedFigure| one.figure.method.contains("label-error");
    let mut unmeasured = read_by_extractor();
    unmeasured.iter_mut().for_each(|one| one.label.extractor_measured = false);
    let all = accuracy(&unmeasured, &measured);
    assert!(!all.is_empty() && all.iter().all(|one| !one.validated && !is_corrected(one)));
    let mut seen = read_by_extractor();
    seen.iter_mut().for_each(|one| one.label.independence = Some(Independence::IndirectlyExposed));
    assert_eq!(accuracy(&seen, &measured), []);
    let mut by_hand = read_by_extractor();
    by_hand.iter_mut().for_each(|one| one.label.extractor = None);
    assert!(accuracy(&by_hand, &measured).iter().all(|one| !one.uncorrected && !is_corrected(one)));
    // No better than chance: the figure as it is stays, marked, and nothing stands beside it.
    let chance = ExtractorError { true_positives: 5, positives: 10, true_negatives: 5, negatives: 10 };
    let useless = [MeasuredExtractor { error: chance, ..measured[0].clone() }];
    assert!(accuracy(&read_by_extractor(), &useless).iter().all(|one| one.uncorrected));
}
