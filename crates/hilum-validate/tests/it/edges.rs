//! Bad and poor input is normal input: it ends as `insufficient` or as an error that says what to do.

use crate::sample;
use crate::simulated::{Draws, Versions, cases, frozen, input, reference_set, time};
use hilum_stats::ProportionInterval;
use hilum_stats::power::sample_size_proportion;
use hilum_types::Digest;
use hilum_validate::report::{Report, Verdict, Waiver};
use hilum_validate::{Case, Exposure, FrozenProtocol, NotRunEnd, Outcome, ValidateError, evaluate, plan, render_page};
use std::collections::BTreeMap;

const SIMPLE: &str = "[interval]\nbootstrap_resamples = 200\n[[criterion]]\nname = \"auc\"\nmetric = \"auroc\"\nthreshold = 0.7\n\
                      [[criterion]]\nname = \"sens\"\nmetric = \"sensitivity\"\nthreshold = 0.7\n";

fn simple() -> FrozenProtocol {
    frozen(SIMPLE)
}

/// Cases of one version with scores from 0 to 1.
fn plain(n: u32) -> Vec<Case> {
    (0..n)
        .map(|number| Case {
            id: format!("c{number:03}"),
            patient: format!("p{number:03}"),
            label: Some(if number % 2 == 0 { "yes" } else { "no" }.to_owned()),
            exposure: Exposure::Unexposed,
            attributes: BTreeMap::new(),
            outcome: Outcome::score(if number % 2 == 0 { 0.6 } else { 0.4 } + f64::from(number % 7) * 0.04 - 0.1),
            champion: None,
        })
        .collect()
}

/// A report that is whole: no number is missing, the page can be written, and it can be read back.
fn whole(report: &Report) {
    let text = serde_json::to_string(report).unwrap();
    assert!(!text.contains("null") && !text.contains("NaN") && !text.contains("inf\""), "{text}");
    assert_eq!(&serde_json::from_str::<Report>(&text).unwrap(), report);
    render_page(report, &BTreeMap::new()).unwrap();
}

fn verdict(cases: &[Case]) -> Verdict {
    let protocol = simple();
    plan(&protocol.protocol, cases).unwrap();
    let report = evaluate(&input(&protocol, cases)).unwrap();
    whole(&report);
    report.verdict
}

fn changed(n: u32, change: impl Fn(usize, &mut Case)) -> Vec<Case> {
    let mut cases = plain(n);
    cases.iter_mut().enumerate().for_each(|(place, case)| change(place, case));
    cases
}

#[test]
fn poor_lists_are_insufficient_and_never_a_pass() {
    let lists: [(&str, Vec<Case>); 8] = [
        ("one case", plain(1)),
        ("no positives", changed(200, |_, case| case.label = Some("no".to_owned()))),
        ("all exposed (MV-25)", changed(200, |_, case| case.exposure = Exposure::Exposed)),
        ("no labels", changed(200, |_, case| case.label = None)),
        ("unknown labels", changed(200, |_, case| case.label = Some("perhaps".to_owned()))),
        ("one patient (MV-12)", changed(200, |_, case| case.patient = "p".to_owned())),
        (
            "none eligible",
            changed(200, |_, case| {
                case.outcome = Outcome::NotRun { end: NotRunEnd::NotEligible, reason: "adults only".to_owned() };
            }),
        ),
        (
            "all failed",
            changed(200, |_, case| {
                case.outcome = Outcome::NotRun { end: NotRunEnd::Failed, reason: "no memory".to_owned() };
            }),
        ),
    ];
    for (name, cases) in lists {
        assert_eq!(verdict(&cases), Verdict::Insufficient, "{name}");
    }
    // What can be answered is: half of these positives lie below the threshold.
    let no_negatives = changed(200, |_, case| case.label = Some("yes".to_owned()));
    assert_eq!(verdict(&no_negatives), Verdict::Fail);
}

#[test]
fn ties_and_certain_scores_are_figures_like_others() {
    assert_eq!(verdict(&changed(200, |_, case| case.outcome = Outcome::score(0.5))), Verdict::Fail, "all tied");
    let certain = changed(200, |place, case| case.outcome = Outcome::score(if place % 2 == 0 { 1.0 } else { 0.0 }));
    assert_eq!(verdict(&certain), Verdict::Pass, "completely separated");
    let logits = changed(200, |place, case| case.outcome = Outcome::score(if place % 2 == 0 { 3.0 } else { -3.0 }));
    assert_eq!(verdict(&logits), Verdict::Pass, "no probabilities: no calibration, but ranks and calls");
}

fn refusal(cases: &[Case]) -> String {
    evaluate(&input(&simple(), cases)).unwrap_err().to_string()
}

#[test]
fn contradictions_are_refused_by_name() {
    assert!(refusal(&[]).contains("the list has no cases"));
    let twice = changed(60, |_, case| case.id = "same".to_owned());
    let told = refusal(&twice);
    assert!(told.contains("two cases are named \"same\"") && told.contains("and 39 more of this kind"), "{told}");
    let nan = changed(60, |place, case| case.outcome = Outcome::score(if place == 3 { f64::NAN } else { 0.5 }));
    assert!(refusal(&nan).contains("case \"c003\" got the score NaN by the model"));
    let pending = changed(60, |place, case| {
        if place == 2 {
            case.outcome = Outcome::Pending;
        }
    });
    assert!(refusal(&pending).contains("case \"c002\" was not run by the model"));
    let nameless = changed(60, |_, case| case.patient = " ".to_owned());
    assert!(refusal(&nameless).contains("has no patient"));
    let unscored = changed(60, |_, case| case.outcome = Outcome::Scored { score: None, measures: BTreeMap::new() });
    assert!(refusal(&unscored).contains("got no score by the model"));

    let protocol = frozen(&format!(
        "{SIMPLE}[[subgroup]]\nattribute = \"sex\"\nmetric = \"auroc\"\nthreshold = 0.7\nmargin = 0.1\n"
    ));
    let cases = plain(200);
    let told = plan(&protocol.protocol, &cases).unwrap_err().to_string();
    assert!(told.contains("the protocol reads column \"sex\", which no case has"), "{told}");

    let protocol = simple();
    let mut other_set = input(&protocol, &cases);
    other_set.reference_set.record = Digest::of(b"another");
    assert!(evaluate(&other_set).unwrap_err().to_string().contains("they are of reference set"));
    let mut no_threshold = input(&protocol, &cases);
    no_threshold.model.threshold = None;
    assert!(evaluate(&no_threshold).unwrap_err().to_string().contains("\"sens\" needs a threshold"));
    assert_eq!(protocol.protocol.reference_set, reference_set());
}

#[test]
fn a_comparison_needs_a_champion() {
    let protocol =
        frozen("[[criterion]]\nname = \"not-worse\"\nmetric = \"auroc\"\ncomparator = \"champion\"\nmargin = 0.02\n");
    let cases = plain(200);
    assert_eq!(evaluate(&input(&protocol, &cases)).unwrap_err(), ValidateError::NoChampion("not-worse".to_owned()));
}

#[test]
fn an_underpowered_plan_is_refused_unless_one_goes_on_knowingly() {
    let asked = "[interval]\nbootstrap_resamples = 200\n[[criterion]]\nname = \"auc\"\nmetric = \"auroc\"\nthreshold = 0.85\nexpected = 0.88\n";
    let protocol = frozen(asked);
    let cases = plain(200);
    let told = plan(&protocol.protocol, &cases).unwrap().check(false).unwrap_err().to_string();
    assert!(told.contains("a good model passes \"auc\" with a probability of") && told.contains("it takes"), "{told}");
    let mut input = input(&protocol, &cases);
    input.knowingly = false;
    assert!(matches!(evaluate(&input), Err(ValidateError::Underpowered(_))));
    input.knowingly = true;
    let report = evaluate(&input).unwrap();
    assert!(report.underpowered_knowingly && report.reasons[0].contains("knowingly"));
}

/// What a small group needs is told by the rule that a group of that size is judged by, and with so many cases it has the power.
#[test]
fn a_small_group_needs_what_its_own_rule_takes() {
    let planned = |metric: &str, floor: f64, margin: f64, positives: u32, negatives: u32| {
        let protocol = frozen(&format!(
            "[interval]\nbootstrap_resamples = 200\n[[criterion]]\nname = \"all\"\nmetric = \"{metric}\"\nthreshold = 0.5\n\
             expected = 0.9\n[[subgroup]]\nattribute = \"group\"\nmetric = \"{metric}\"\nthreshold = {floor}\nmargin = {margin}\n"
        ));
        let versions = Versions { champion: 0.9, challenger: 0.9, correlation: 0.5 };
        let cases = cases(&mut Draws::new(2), versions, positives, negatives, 1);
        let gate = plan(&protocol.protocol, &cases).unwrap().gates.pop().unwrap();
        (gate.power.unwrap(), gate.needed.unwrap())
    };
    // The rule for few has the power here: the floor itself would take some 2,000 positives.
    let (power, needed) = planned("sensitivity", 0.88, 0.05, 30, 100);
    assert!(0.8 <= power && needed.positives <= 30 && needed.negatives == 0, "{power} {needed:?}");
    let (power, needed) = planned("auroc", 0.88, 0.05, 30, 90);
    assert!(needed.negatives == 3 * needed.positives, "{needed:?}");
    assert_eq!(0.8 <= power, needed.positives <= 30, "{power} {needed:?}");
    let (power, _) = planned("auroc", 0.88, 0.05, needed.positives as u32, needed.negatives as u32);
    assert!(0.8 <= power, "{power} {needed:?}");
    // A margin too small for few: then as many as the rule for many takes, the margin being part of its floor.
    let (power, needed) = planned("sensitivity", 0.88, 0.02, 28, 100);
    let many = sample_size_proportion(0.9, 0.86, 0.025, 0.8, ProportionInterval::Wilson).unwrap();
    assert!(power < 0.8 && needed.positives == many, "{power} {needed:?} {many}");
    let (power, _) = planned("sensitivity", 0.88, 0.02, many as u32, 100);
    assert!(0.8 <= power, "{power}");
}

/// A run that loses cases must not be refused after its results are there: the power check looks at what stood before.
#[test]
fn the_plan_of_a_report_is_the_one_before_the_run() {
    let protocol = frozen(
        "[interval]\nbootstrap_resamples = 200\n[[criterion]]\nname = \"auc\"\nmetric = \"auroc\"\nthreshold = 0.7\nexpected = 0.9\n",
    );
    let mut before = plain(200);
    before.iter_mut().for_each(|case| case.outcome = Outcome::Pending);
    let planned = plan(&protocol.protocol, &before).unwrap();
    let mut after = plain(200);
    for case in &mut after[..60] {
        case.outcome = Outcome::NotRun { end: NotRunEnd::Failed, reason: "no memory".to_owned() };
    }
    let report = evaluate(&input(&protocol, &after)).unwrap();
    assert_eq!(report.plan, planned);
    assert_eq!(report.flow.failed, 60);
    whole(&report);
}

#[test]
fn a_waiver_answers_for_a_gap_only_where_the_protocol_lets_it() {
    let asked = |rule: &str| {
        frozen(&format!(
            "[interval]\nbootstrap_resamples = 200\n[[criterion]]\nname = \"auc\"\nmetric = \"auroc\"\nthreshold = 0.6\n\
             [[subgroup]]\nattribute = \"group\"\nvalues = [\"g0\", \"absent\"]\nmetric = \"auroc\"\nthreshold = 0.6\nmargin = 0.1\n{rule}"
        ))
    };
    let versions = Versions { champion: 0.95, challenger: 0.95, correlation: 0.9 };
    let cases = cases(&mut Draws::new(1), versions, 60, 60, 1);
    let waivers = [Waiver {
        gap: "group=absent auroc".to_owned(),
        reason: "no such scanner here".to_owned(),
        signed_by: "clinical-lead".to_owned(),
        signed_at: time("2026-11-23T12:00:00Z"),
        record: Digest::of(b"waiver"),
    }];
    let judge = |protocol: &FrozenProtocol, waivers: &[Waiver]| {
        let report = evaluate(&hilum_validate::EvaluationInput { waivers, ..input(protocol, &cases) }).unwrap();
        whole(&report);
        (report.verdict, report.subgroups.iter().filter(|group| group.waived_by.is_some()).count(), report.sentence)
    };
    let (blocked, free) = (asked(""), asked("on_insufficient = \"waive\"\n"));
    assert_eq!(judge(&blocked, &waivers).0, Verdict::Insufficient, "the protocol says block");
    assert_eq!(judge(&free, &[]).0, Verdict::Insufficient, "nobody signed");
    let (verdict, waived, sentence) = judge(&free, &waivers);
    assert_eq!((verdict, waived), (Verdict::Pass, 1));
    assert!(sentence.contains("1 gap is answered for by signed waivers"), "{sentence}");
}

/// MV-25: labels of readers who had seen a model are in no figure of accuracy, whatever they say.
#[test]
fn exposed_labels_change_no_figure_of_accuracy() {
    let protocol = simple();
    let mut list = plain(200);
    let without = evaluate(&input(&protocol, &list)).unwrap();
    for number in 0..40 {
        let mut case = list[number].clone();
        case.id = format!("exposed-{number}");
        case.patient.clone_from(&case.id);
        case.exposure = Exposure::Exposed;
        case.label = Some("yes".to_owned());
        case.outcome = Outcome::score(0.01);
        list.push(case);
    }
    let with = evaluate(&input(&protocol, &list)).unwrap();
    whole(&with);
    assert_eq!(with.criteria, without.criteria);
    assert_eq!((with.flow.exposed, with.flow.analysed), (40, without.flow.analysed));
    let concordance = with.classification.unwrap().concordance.unwrap();
    assert_eq!(concordance.figure().unwrap().value, 0.0);
}

/// MV-12: copies of the same patients are no new evidence.
#[test]
fn five_images_of_each_patient_do_not_narrow_the_interval() {
    let protocol = simple();
    let once = evaluate(&input(&protocol, &plain(200))).unwrap();
    let mut list = Vec::new();
    for case in plain(200) {
        for copy in 0..5 {
            list.push(Case { id: format!("{}-{copy}", case.id), ..case.clone() });
        }
    }
    let copied = evaluate(&input(&protocol, &list)).unwrap();
    for (one, five) in once.criteria.iter().zip(&copied.criteria) {
        let (one, five) = (one.judged.figure().unwrap(), five.judged.figure().unwrap());
        assert!((one.value - five.value).abs() < 1e-12 && five.n <= 200 && five.n_cases == 5 * one.n_cases);
        let (narrow, wide) = (one.upper - one.lower, five.upper - five.lower);
        assert!((wide / narrow - 1.0).abs() < 0.02, "{}: {narrow} {wide}", one.method);
    }
}

#[test]
fn segmentations_are_judged_by_their_measures() {
    let protocol = frozen(
        "[interval]\nbootstrap_resamples = 400\n[[criterion]]\nname = \"overlap\"\nmetric = \"dice\"\nthreshold = 0.85\n\
         [[criterion]]\nname = \"distance\"\nmetric = \"hd95_mm\"\nthreshold = 6.0\n\
         [[criterion]]\nname = \"not-worse\"\nmetric = \"dice\"\ncomparator = \"champion\"\nmargin = 0.01\n\
         [[subgroup]]\nattribute = \"scanner\"\nmetric = \"dice\"\nthreshold = 0.85\nmargin = 0.05\n",
    );
    let mut draws = Draws::new(2);
    let mut list = plain(120);
    for (number, case) in list.iter_mut().enumerate() {
        let common = draws.normal();
        let mut scored = |shift: f64| {
            let dice = 0.92 + shift + 0.02 * common + 0.005 * draws.normal();
            let measures = BTreeMap::from([("dice".to_owned(), dice), ("hd95_mm".to_owned(), 4.0 + draws.normal())]);
            Outcome::Scored { score: None, measures }
        };
        case.label = None;
        case.outcome = scored(0.002);
        case.champion = Some(scored(0.0));
        case.attributes.insert("scanner".to_owned(), if number < 90 { "A" } else { "B" }.to_owned());
    }
    let report = evaluate(&input(&protocol, &list)).unwrap();
    whole(&report);
    assert_eq!(report.verdict, Verdict::Pass, "{} {:#?}", report.sentence, report.reasons);
    assert!(report.classification.is_none());
    assert_eq!(report.measures.len(), 2);
    assert_eq!(report.failures.shown.len(), 12);
    let dice: Vec<f64> = report.failures.shown.iter().map(|failure| failure.value).collect();
    assert!(dice.is_sorted());
    let report = evaluate(&input(&protocol, &{
        let mut same = list.clone();
        same.iter_mut().for_each(|case| case.champion = Some(case.outcome.clone()));
        same
    }))
    .unwrap();
    let compared = report.criteria[2].judged.figure().unwrap();
    assert_eq!((compared.value, compared.method.as_str()), (0.0, "dice-difference/identical"));
}

#[test]
fn post_hoc_protocols_are_told_in_the_verdict() {
    let mut protocol = simple();
    protocol.post_hoc = true;
    let cases = plain(200);
    let report = evaluate(&input(&protocol, &cases)).unwrap();
    assert!(report.post_hoc && report.sentence.contains("Post-hoc"), "{}", report.sentence);
}

#[test]
fn negative_flips_are_listed_by_case() {
    let protocol = sample::protocol();
    let cases = sample::cases(4, 600);
    let report = evaluate(&input(&protocol, &cases)).unwrap();
    let comparison = report.comparison.as_ref().unwrap();
    let agreement = comparison.agreement.as_ref().unwrap();
    let changed = comparison.negative_flips.len() as u64 + comparison.n_positive_flips;
    assert_eq!(changed, agreement.challenger_only + agreement.champion_only, "every changed call is a flip one way");
    assert!(comparison.negative_flips.is_sorted_by(|a, b| a.case < b.case));
    for flip in &comparison.negative_flips {
        assert!((0.5 <= flip.champion_score) == flip.present && (0.5 <= flip.score) != flip.present, "{flip:?}");
    }
}
