//! The gates are as honest as they say: rates of the real gate code against the design's simulation and the power promised.

use crate::simulated::{Draws, Versions, cases, frozen, group_rates, input, pass_rate};
use hilum_stats::power::{
    AurocPair, ProportionPair, power_auroc, power_noninferiority_auroc, power_noninferiority_paired, power_proportion,
};
use hilum_stats::{AurocInterval, auroc, auroc_difference};
use hilum_validate::report::{Figure, Shown, SubgroupRule, Verdict};
use hilum_validate::{Case, Outcome, evaluate};

/// Three Monte-Carlo errors of a rate simulated `n` times here and `other` times there, and what rounding to two decimals adds.
fn tolerance(rate: f64, n: u32, other: u32) -> f64 {
    let spread = (rate * (1.0 - rate)).max(0.01);
    3.0 * (spread / f64::from(n) + spread / f64::from(other)).sqrt() + 0.005
}

/// A gate looks at the end of the two-sided interval of 1 - 2 alpha and at no other. With the limit between the ends at 90 % and
/// at 95 %, a gate at 5 % passes and one at 2.5 % must not. The rates below are too coarse to see another level.
#[test]
fn the_interval_is_that_of_the_alpha_and_not_a_wider_or_narrower_one() {
    let versions = Versions { champion: 0.92, challenger: 0.92, correlation: 0.8 };
    let list = cases(&mut Draws::new(4), versions, 60, 300, 1);
    let score = |outcome: Option<&Outcome>| match outcome {
        Some(Outcome::Scored { score: Some(score), .. }) => *score,
        other => panic!("a simulated case has a score: {other:?}"),
    };
    let labels: Vec<bool> = list.iter().map(|case| case.label.as_deref() == Some("yes")).collect();
    let own: Vec<f64> = list.iter().map(|case| score(Some(&case.outcome))).collect();
    let other: Vec<f64> = list.iter().map(|case| score(case.champion.as_ref())).collect();
    let area = |level| auroc(&labels, &own, None, level, AurocInterval::Delong).unwrap().lower;
    let gap = |level| auroc_difference(&labels, &own, &other, None, level).unwrap().difference.lower;
    let (floor, margin) = (f64::midpoint(area(0.90), area(0.95)), -f64::midpoint(gap(0.90), gap(0.95)));
    assert!(0.0 < margin, "{margin}");
    let judged = |alpha: &str| {
        let protocol = frozen(&format!(
            "[interval]\nbootstrap_resamples = 200\n\
             [[criterion]]\nname = \"floor\"\nmetric = \"auroc\"\nthreshold = {floor}\n{alpha}\n\
             [[criterion]]\nname = \"not-worse\"\nmetric = \"auroc\"\ncomparator = \"champion\"\nmargin = {margin}\n{alpha}\n\
             [[subgroup]]\nattribute = \"group\"\nmetric = \"auroc\"\ncomparator = \"champion\"\nmargin = {margin}\n{alpha}\n"
        ));
        let report = evaluate(&input(&protocol, &list)).unwrap();
        let level = |shown: &Shown<Figure>| (shown.figure().unwrap().level * 1000.0).round() as u32;
        let mut told: Vec<_> = report.criteria.iter().map(|gate| (level(&gate.judged), gate.verdict)).collect();
        told.extend(report.subgroups.iter().map(|gate| (level(&gate.judged), gate.verdict)));
        told
    };
    assert_eq!(judged(""), [(950, Verdict::Fail); 3], "2.5 % one-sided is the default");
    assert_eq!(judged("alpha = 0.05"), [(900, Verdict::Pass); 3]);
    assert_eq!(judged("alpha = 0.01"), [(980, Verdict::Fail); 3]);
}

/// `lifecycle.md`, section 3, table "P(equal passes, margin 0.02)" and its neighbours, 300 repetitions each.
#[test]
fn non_inferiority_passes_as_often_as_the_design_simulated() {
    const REPETITIONS: u32 = 40;
    for (positives, correlation, equal, at_margin, worse) in [
        (50, 0.80, 0.34, 0.04, 0.0),
        (50, 0.95, 0.74, 0.05, 0.0),
        (100, 0.80, 0.51, 0.04, 0.0),
        (100, 0.95, 0.95, 0.04, 0.0),
    ] {
        for (challenger, simulated) in [(0.92, equal), (0.90, at_margin), (0.88, worse)] {
            let versions = Versions { champion: 0.92, challenger, correlation };
            let rate = pass_rate(11, versions, positives, 9 * positives, REPETITIONS);
            let allowed = tolerance(simulated, REPETITIONS, 300);
            assert!(
                (rate - simulated).abs() < allowed,
                "{positives} {correlation} {challenger}: {rate}, not {simulated}"
            );
            let pair = AurocPair { challenger, champion: 0.92, correlation };
            let (m, n) = (u64::from(positives), 9 * u64::from(positives));
            let promised = power_noninferiority_auroc(&pair, 0.02, m, n, 0.025).unwrap();
            let allowed = tolerance(promised, REPETITIONS, u32::MAX) + 0.03;
            assert!(
                (rate - promised).abs() < allowed,
                "{positives} {correlation} {challenger}: {rate}, not {promised}"
            );
        }
    }
}

/// `lifecycle.md`, section 3: twelve groups, margin 0.05, correlation 0.9.
#[test]
fn twelve_groups_pass_and_drop_as_often_as_the_design_simulated() {
    const REPETITIONS: u32 = 16;
    for (positives, all_pass, drop_missed) in [(10, 0.006, 0.40), (25, 0.30, 0.01), (50, 0.93, 0.0)] {
        let at = |challenger| Versions { champion: 0.92, challenger, correlation: 0.9 };
        let equal = group_rates(5, at(0.92), positives, 9 * positives, REPETITIONS);
        let worse = group_rates(6, at(0.84), positives, 9 * positives, REPETITIONS);
        // The design took the twelfth power of a rate over 1,200 groups; errors go through that power.
        let allowed = 12.0 * tolerance(equal.non_inferior, REPETITIONS * 12, 1200) * equal.non_inferior.powi(11);
        let all = equal.non_inferior.powi(12);
        assert!((all - all_pass).abs() < allowed + 0.005, "{positives}: {all}, not {all_pass}");
        let missed = 1.0 - worse.dropped;
        let allowed = tolerance(drop_missed, REPETITIONS * 12, 600);
        assert!((missed - drop_missed).abs() < allowed, "{positives}: {missed}, not {drop_missed}");
        if positives < 25 {
            assert!(0.999 < equal.insufficient && equal.rule_passes == 0.0, "MV-13: never a pass: {equal:?}");
        } else {
            assert!(0.85 < equal.rule_passes && worse.rule_passes < 0.1, "{positives}: {equal:?} {worse:?}");
        }
    }
}

/// Absolute gates pass as often as the power check promises, and a model at the limit no more often than alpha.
#[test]
fn absolute_gates_pass_as_often_as_promised() {
    const REPETITIONS: u32 = 80;
    let asked = r#"
[interval]
bootstrap_resamples = 200
[operating_point]
source = "stated"
threshold = 0.7
[[criterion]]
name = "auroc"
metric = "auroc"
threshold = 0.87
[[criterion]]
name = "sensitivity"
metric = "sensitivity"
threshold = 0.78
[[criterion]]
name = "at-the-limit"
metric = "auroc"
threshold = 0.92
[[criterion]]
name = "paired"
metric = "sensitivity"
comparator = "champion"
margin = 0.10
"#;
    let protocol = frozen(asked);
    let mut draws = Draws::new(3);
    let versions = Versions { champion: 0.92, challenger: 0.92, correlation: 0.8 };
    let mut passed = [0_u32; 4];
    for _ in 0..REPETITIONS {
        let cases = cases(&mut draws, versions, 120, 120, 1);
        let report = evaluate(&input(&protocol, &cases)).unwrap();
        for (count, result) in passed.iter_mut().zip(&report.criteria) {
            *count += u32::from(result.verdict == Verdict::Pass);
        }
    }
    // Sensitivity at the stated threshold: Phi(sqrt(2) * 1.4051 - 0.7) = Phi(1.2871) = 0.90097. The champion's own
    // threshold is 0.5, where it finds Phi(1.4871) = 0.93150.
    let true_sensitivity = 0.900_97;
    let pair = ProportionPair { first: true_sensitivity, second: 0.931_50, correlation: 0.8 };
    let promised = [
        power_auroc(0.92, 0.87, 120, 120, 0.025).unwrap(),
        power_proportion(120, true_sensitivity, 0.78, 0.025, hilum_stats::ProportionInterval::Wilson).unwrap(),
        0.025,
        power_noninferiority_paired(120, &pair, 0.10, 0.025).unwrap(),
    ];
    for (place, (count, promised)) in passed.into_iter().zip(promised).enumerate() {
        let rate = f64::from(count) / f64::from(REPETITIONS);
        let allowed = tolerance(promised, REPETITIONS, u32::MAX) + 0.03;
        assert!((rate - promised).abs() < allowed, "criterion {place}: {rate}, promised {promised}");
    }
}

/// MV-13: the number of positives chooses the rule; below 25 a group never passes.
#[test]
fn the_number_of_positives_chooses_the_rule() {
    let protocol = frozen(
        "[interval]\nbootstrap_resamples = 200\n[[criterion]]\nname = \"all\"\nmetric = \"auroc\"\nthreshold = 0.5\n\
         [[subgroup]]\nattribute = \"group\"\nmetric = \"auroc\"\nthreshold = 0.6\nmargin = 0.05\n",
    );
    let versions = Versions { champion: 0.95, challenger: 0.95, correlation: 0.9 };
    let mut list: Vec<Case> = Vec::new();
    for (group, positives) in [("few", 24), ("some", 25), ("most", 49), ("many", 50)] {
        for mut case in cases(&mut Draws::new(9), versions, positives, 100, 1) {
            case.id = format!("{group}-{}", case.id);
            case.patient.clone_from(&case.id);
            case.attributes.insert("group".to_owned(), group.to_owned());
            list.push(case);
        }
    }
    let report = evaluate(&input(&protocol, &list)).unwrap();
    let rules: Vec<_> = report.subgroups.iter().map(|g| (g.group.as_str(), g.rule, g.n_deciding, g.verdict)).collect();
    let expected = [
        ("few", SubgroupRule::TooFew, 24, Verdict::Insufficient),
        ("many", SubgroupRule::NonInferiority, 50, Verdict::Pass),
        ("most", SubgroupRule::NoDrop, 49, Verdict::Pass),
        ("some", SubgroupRule::NoDrop, 25, Verdict::Pass),
    ];
    assert_eq!(rules, expected);
    assert_eq!(report.verdict, Verdict::Insufficient, "{}", report.sentence);
}
