use super::*;
use crate::{Label, LabelSource, Observation, OutputFact, Severity, Truth};
use hilum_registry::MonitoringPlan;
use hilum_types::{Digest, Exposure, Independence, Timestamp};
use std::collections::BTreeMap;

const RULES: &str = "[[rule]]\nname='sens'\nmetric='sensitivity'\nfinding='nodule'\nbelow=0.9\nmargin=0.03\n\
    false_stops_per_year=0.1\nevents_per_day=6\naction='suspend'\n\
    [[rule]]\nname='noise'\nmetric='feature'\nfeature='noise'\nquantiles=[1,2,3,4,5,6,7,8,9]\nmargin=0.1\n\
    false_stops_per_year=0.5\nevents_per_day=30\n\
    [[rule]]\nname='foreign'\nmetric='outside_envelope'\nconsecutive=20\neach=['station']\naction='suspend'\n\
    [evidence]\nwindow_days=30\nn_min=30\n";

fn declared() -> Declared {
    let plan: MonitoringPlan = toml::from_str(RULES).unwrap();
    Declared { deployment: "cxr".to_owned(), rules: plan.rules, evidence: plan.evidence }
}

fn scenario() -> Scenario {
    let text = "studies_per_day=[40,40,40,40,40,12,8]\n[finding.nodule]\nprevalence=0.25\nsensitivity=0.9\nspecificity=0.88\n\
        [[group]]\nattributes={station='CT1'}\nweights=[3,2,2,2,2,1,1]\nfeatures={noise=-0.1}\n\
        [[group]]\nattributes={station='CT2'}\nweights=[1,2,2,2,2,1,1]\nfeatures={noise=0.1}\n\
        [[labels]]\nsource='follow_up'\nclass='unexposed'\ncoverage=0.8\ndelay_days_median=4\ndelay_factor_wrong=2\n";
    toml::from_str(text).unwrap()
}

fn fault(text: &str) -> Fault {
    toml::from_str(&format!("name='f'\nfound_within_days=60\nstart_day=14\n{text}")).unwrap()
}

fn world(faults: Vec<Fault>) -> World {
    World::new(scenario(), declared(), faults).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_micros(0)
}

/// What is drawn has the rates of the scenario, within five standard errors, in the order in which it is known.
#[test]
fn studies_are_those_of_the_scenario() {
    let world = world(Vec::new());
    let (mut days, mut n, mut present, mut found, mut labels, mut places) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32, 0.0);
    let mut last = None;
    for happening in Course::new(&world, None, 7, 0) {
        match happening {
            Happening::Study(study) => {
                assert!(last.is_none_or(|last| last <= study.observation.recorded_at));
                last = Some(study.observation.recorded_at);
                n += 1;
                if study.observation.disposition == "analysed" && study.truth["nodule"] {
                    present += 1;
                    found += u32::from(study.observation.outputs["nodule"].present == Some(true));
                }
                if let Some(noise) = study.observation.features.get("noise") {
                    let quantiles: Vec<f64> = (1..10).map(f64::from).collect();
                    places += hilum_stats::sequential::mid_rank(&quantiles, *noise).unwrap() - 0.5;
                }
            }
            Happening::Label { label, study, .. } => {
                assert!(study.observation.recorded_at < label.recorded_at && last.unwrap() <= label.recorded_at);
                labels += 1;
            }
            Happening::DayOver(_) => days += 1,
        }
        if days == 364 {
            break;
        }
    }
    let (n, present, found) = (f64::from(n), f64::from(present), f64::from(found));
    assert!((n / 364.0 - 220.0 / 7.0).abs() < 5.0 * (220.0_f64 / 7.0 / 364.0).sqrt());
    assert!((present / n / 0.99 - 0.25).abs() < 5.0 * (0.25 * 0.75 / n).sqrt());
    assert!((found / present - 0.9).abs() < 5.0 * (0.9 * 0.1 / present).sqrt());
    assert!((f64::from(labels) / n - 0.8).abs() < 0.03);
    // The reference itself is off by up to two of its standard errors; 1/12 is the variance of a place.
    assert!((places / n).abs() < 5.0 / (12.0 * n).sqrt() + 0.015, "{}", places / n);
}

/// The same seed gives the same document, and another one does not.
#[test]
fn a_rehearsal_is_repeatable() {
    let world = world(vec![fault("kind='sensitivity_drop'\nsize=0.3")]);
    let once = rehearse(&world, 3, 1, now()).unwrap();
    assert_eq!(
        serde_json::to_string(&rehearse(&world, 3, 1, now()).unwrap()).unwrap(),
        serde_json::to_string(&once).unwrap()
    );
    assert_ne!(rehearse(&world, 3, 2, now()).unwrap().faults, once.faults);
    let again: Rehearsal = serde_json::from_str(&serde_json::to_string(&once).unwrap()).unwrap();
    assert_eq!(again, once);
}

/// MV-29, MV-45, in short; `examples/rehearsal_bars.rs` is the whole. Each fault is told by the rule that is about it.
#[test]
fn faults_are_found_by_the_rule_that_is_about_them() {
    let named = |name: &str, text: &str| Fault { name: name.to_owned(), ..fault(text) };
    let world = world(vec![
        named("drop", "kind='sensitivity_drop'\nsize=0.3"),
        named("noise", "kind='noise'\nsize=1.5\nwhere={station='CT2'}"),
        named("inverted", "kind='inverted_photometric'\nsize=8"),
        named("no-labels", "kind='label_loss'"),
    ]);
    let report = rehearse(&world, 12, 5, now()).unwrap();
    let first: BTreeMap<&str, &str> =
        report.faults.iter().map(|fault| (fault.fault.name.as_str(), fault.first[0].rule.as_str())).collect();
    let told = BTreeMap::from([("drop", "sens"), ("inverted", "foreign"), ("no-labels", EVIDENCE), ("noise", "noise")]);
    assert_eq!(first, told);
    for fault in &report.faults {
        assert!(0.9 < fault.found.value, "{} was found in {} of 12", fault.fault.name, fault.found.value);
    }
    let drop = &report.faults[0];
    let days = drop.delay.days.median.as_ref().unwrap();
    assert!(2.0 < days.value && days.value < 45.0 && days.lower <= days.value && days.value <= days.upper);
    assert!(drop.missed_until_stop.without_fault_mean < drop.missed_until_stop.mean);
    // An alarm does not stop.
    assert!(report.faults[1].stopped.value < 0.5 && report.in_control.rules[1].rule == "noise");
    let calculator = &report.evidence[0];
    assert!((4.0..8.0).contains(&calculator.events_per_day), "{}", calculator.events_per_day);
    assert!(calculator.changes[1].median_events.unwrap() < calculator.changes[0].median_events.unwrap());
}

/// MV-29: without a fault the declared rates are kept; 60 years bound a rate of 0.1 a year.
#[test]
fn a_sound_version_is_not_stopped_more_often_than_declared() {
    let report = rehearse(&world(Vec::new()), 60, 9, now()).unwrap();
    let sens = &report.in_control.rules[0];
    assert!(sens.per_year.upper <= 0.2, "{} stops in 60 years", sens.per_year.n);
    assert!(report.in_control.false_stops_per_year.upper <= 0.2);
    assert_ne!(report.in_control.rules[1].verdict, Some(Verdict::Missed));
}

/// Forty cases, half of them with the finding: noise doubles, half of the findings are missed, and everything is outside.
fn measured() -> Measurement {
    let answer = |noise: f64, present: bool, outside: bool| CaseAnswer {
        ended: CaseEnd::Analysed,
        features: BTreeMap::from([("noise".to_owned(), noise), ("contrast".to_owned(), noise)]),
        score: Some(if present { 0.8 } else { 0.2 }),
        present: Some(present),
        outside: Some(outside),
    };
    let pair = |n: u32| {
        let (present, noise) = (n.is_multiple_of(2), f64::from(1 + n % 5));
        let truth = Some(CaseTruth { present, class: Some(Independence::Unexposed) });
        let faulty = answer(2.0 * noise, present && n.is_multiple_of(4), true);
        FaultPair { truth, untouched: answer(noise, present, false), faulty }
    };
    let experiment = Experiment {
        change: "noise".to_owned(),
        reference_set: Digest::of(b"set"),
        package: Digest::of(b"package"),
        finding: "nodule".to_owned(),
        seed: 1,
        n_left_out: 0,
        left_out_because: None,
    };
    Measurement::of(experiment, &(0..40).map(pair).collect::<Vec<_>>(), now()).unwrap()
}

/// MV-45: what was measured replaces what is assumed, what the file states replaces both, and nothing changes about the days
/// without a fault.
#[test]
fn what_was_measured_replaces_what_is_assumed() {
    let with = |text: &str| Fault { measured: Some(Box::new(measured())), ..fault(text) };
    let assumed = fault("kind='noise'");
    assert_eq!((assumed.effect_source(), assumed.effects().sensitivity_loss), (EffectSource::Assumed, Some(0.05)));
    let effect = with("kind='noise'").effects();
    // Noise 1 to 5 has a mean of 3, and a standard deviation of sqrt(80/39).
    let shift = 3.0 / (80.0_f64 / 39.0).sqrt();
    assert!((effect.features.as_ref().unwrap()["noise"] - shift).abs() < 1e-9, "{effect:?}");
    let losses = (effect.sensitivity_loss, effect.specificity_loss, effect.outside_envelope);
    assert_eq!(losses, (Some(0.5), Some(0.0), Some(1.0)));
    let stated = with("kind='noise'\neffect={sensitivity_loss=0.2}");
    assert_eq!(stated.effect_source(), EffectSource::Stated);
    assert_eq!((stated.effects().sensitivity_loss, stated.effects().outside_envelope), (Some(0.2), Some(1.0)));
    // A gain that was measured says itself what the scores do.
    assert_eq!(with("kind='gain'").effects().score_gain, Some(1.0));
    // What was measured of one finding says nothing of another.
    let other = with("kind='noise'\nfinding='mass'").effects();
    assert_eq!((other.sensitivity_loss, other.outside_envelope), (Some(0.05), Some(1.0)));

    let told = |fault: Fault| rehearse(&world(vec![fault]), 2, 1, now()).unwrap();
    let (plain, imaged) = (told(fault("kind='noise'")), told(with("kind='noise'")));
    assert_eq!(plain.in_control, imaged.in_control);
    let (before, after) = (&plain.faults[0], &imaged.faults[0]);
    assert_eq!((before.effect_source, after.effect_source), (EffectSource::Assumed, EffectSource::Measured));
    assert_eq!((before.measured.is_none(), after.measured.as_ref().map(|told| told.n_cases)), (true, Some(40)));
    assert_eq!(after.effect, effect);
    let text = serde_json::to_string(&imaged).unwrap();
    assert!(text.contains("\"effect_source\":\"measured\""), "{text}");
    let read: Rehearsal = serde_json::from_str(&text).unwrap();
    assert_eq!(read.faults[0].measured, after.measured);
}

/// The share outside the envelope is the one measured, not what the drawn features come to.
#[test]
fn a_measured_share_outside_is_drawn() {
    let faulty = world(vec![Fault { measured: Some(Box::new(measured())), ..fault("kind='noise'") }]);
    let (mut n, mut outside) = (0_u32, 0_u32);
    for happening in Course::new(&faulty, Some(&faulty.faults()[0]), 3, 0) {
        let Happening::Study(study) = happening else { continue };
        let Some(found) = study.observation.outside_envelope.as_ref().filter(|_| study.touched) else { continue };
        n += 1;
        outside += u32::from(!found.is_empty());
        if n == 500 {
            break;
        }
    }
    assert!(0 < n && outside == n, "{outside} of {n}");
}

/// A package that answers instead belongs to one kind of fault.
#[test]
fn another_package_is_for_a_model_swap() {
    let wrong = vec![fault("kind='noise'\npackage='cxr@2'")];
    let error = World::new(scenario(), declared(), wrong).unwrap_err().to_string();
    assert!(error.contains("package is there for model_swap only, not for noise"), "{error}");
    assert_eq!(world(vec![fault("kind='model_swap'\npackage='cxr@2'")]).faults()[0].package.as_deref(), Some("cxr@2"));
}

/// The declared share is outside also where no rule, group or fault names a number.
#[test]
fn studies_are_outside_as_declared_without_any_feature() {
    let plan: MonitoringPlan =
        toml::from_str("[[rule]]\nname='foreign'\nmetric='outside_envelope'\nconsecutive=20\naction='suspend'\n")
            .unwrap();
    let bare = Scenario { outside_envelope: 0.1, groups: Vec::new(), ..scenario() };
    let only = Declared { deployment: "cxr".to_owned(), rules: plan.rules, evidence: None };
    let world = World::new(bare, only, Vec::new()).unwrap();
    let (mut n, mut outside) = (0_u32, 0_u32);
    for happening in Course::new(&world, None, 3, 0) {
        let Happening::Study(study) = happening else { continue };
        let Some(found) = &study.observation.outside_envelope else { continue };
        n += 1;
        outside += u32::from(!found.is_empty());
        if n == 5_000 {
            break;
        }
    }
    let share = f64::from(outside) / f64::from(n);
    assert!((share - 0.1).abs() < 5.0 * (0.1 * 0.9 / 5_000.0_f64).sqrt(), "{share}");
}

/// One run that found a fault does not show that 95 % of them do; eighty do. One that did not find it speaks against it.
#[test]
fn what_few_runs_do_not_show_is_not_kept() {
    let gross = "kind='noise'\nsize=6\n";
    let world = world(vec![
        fault(gross),
        Fault { name: "unseen".to_owned(), found_within_days: 1, ..fault("kind='sensitivity_drop'\nsize=0.01") },
    ]);
    let verdicts = |runs| {
        let told = rehearse_faults(&world, runs, 4, now()).unwrap();
        told.iter().map(|fault| (fault.found.value, fault.verdict)).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(1), [(1.0, Verdict::NotShown), (0.0, Verdict::Missed)]);
    assert_eq!(verdicts(80), [(1.0, Verdict::Kept), (0.0, Verdict::Missed)]);
}

/// A rule that says nothing about a sound version but its own carelessness is told.
#[test]
fn a_careless_rule_misses_its_declaration() {
    let careless = Declared {
        // The version finds 0.9, and the rule asks for 0.95: it is right to fire, and wrong to have been declared so.
        rules: toml::from_str::<MonitoringPlan>(&RULES.replace("below=0.9\nmargin=0.03", "below=0.95\nmargin=0.01"))
            .unwrap()
            .rules,
        ..declared()
    };
    let world = World::new(scenario(), careless, Vec::new()).unwrap();
    let report = rehearse(&world, 4, 1, now()).unwrap();
    assert_eq!(report.in_control.rules[0].verdict, Some(Verdict::Missed));
    assert_eq!(report.verdict, Verdict::Missed);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let mut wrong = scenario();
    wrong.findings.clear();
    wrong.labels[0].coverage = f64::NAN;
    wrong.studies_per_day = [f64::INFINITY; 7];
    let faults = vec![
        Fault { at: BTreeMap::from([("station".to_owned(), "CT9".to_owned())]), ..fault("kind='noise'\nsize=1e9") },
        fault("kind='gain'\nsize=2\nfinding='mass'"),
    ];
    let error = World::new(wrong, declared(), faults).unwrap_err().to_string();
    for part in [
        "studies_per_day must be",
        "coverage of labels is NaN",
        "[scenario.finding.nodule]",
        "where names attributes",
        "shift of noise is 1000000000",
        "score_gain is -1",
        "\"mass\", which is no finding",
        "is there twice",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    let no_labels = Scenario { labels: Vec::new(), ..scenario() };
    let error = World::new(no_labels, declared(), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("rule sens rests on labels of class unexposed"), "{error}");
    let error = rehearse(&world(Vec::new()), 0, 1, now()).unwrap_err().to_string();
    assert!(error.contains("0 runs"), "{error}");
}

/// UX-15: recorded facts give what the fold gives, in whatever order they are handed in.
#[test]
fn a_replay_says_what_would_have_fired() {
    let faulty = world(vec![fault("kind='sensitivity_drop'\nsize=0.4")]);
    let (mut observations, mut labels, mut days) = (Vec::new(), Vec::new(), 0);
    for happening in Course::new(&faulty, Some(&faulty.faults()[0]), 3, 0) {
        match happening {
            Happening::Study(study) => observations.push(study.observation.clone()),
            Happening::Label { label, .. } => labels.push((*label).clone()),
            Happening::DayOver(_) => days += 1,
        }
        if days == 60 {
            break;
        }
    }
    observations.reverse();
    labels.reverse();
    let from = faulty.scenario().begin;
    let package = Digest::of(b"rehearsal");
    let until = from.plus_seconds(60 * 86_400);
    let told = replay(&declared(), package, &observations, &labels, (from, until)).unwrap();
    assert_eq!((told.n_studies, told.n_labels), (observations.len() as u64, labels.len() as u64));
    assert_eq!((told.signals[0].rule.as_str(), told.signals[0].severity), ("sens", Severity::Stop));
    let fault_at = from.plus_seconds(14 * 86_400);
    assert!(fault_at < told.first_stop_at.unwrap() && 0 < told.n_studies_after_stop);
    let other = replay(&declared(), Digest::of(b"other"), &observations, &labels, (from, until)).unwrap();
    assert_eq!((other.n_studies, other.n_labels_left_out), (0, labels.len() as u64));
    // A month without labels, where thirty were asked for: the evidence is missing, and that is told once it is.
    let silent = replay(&declared(), package, &observations, &[], (from, until)).unwrap();
    assert_eq!(silent.signals[0].rule, EVIDENCE);
}

/// A replay counts as the catalog does: a study and a label once, whatever came of late images, and a label that says nothing
/// takes no other label's place.
#[test]
fn a_replay_counts_what_the_catalog_counts() {
    let plan: MonitoringPlan = toml::from_str(
        "[[rule]]\nname='missed'\nmetric='sensitivity'\nfinding='nodule'\nconsecutive=2\naction='suspend'\n\
         [[rule]]\nname='foreign'\nmetric='outside_envelope'\nconsecutive=2\naction='suspend'\n",
    )
    .unwrap();
    let declared = Declared { deployment: "cxr".to_owned(), rules: plan.rules, evidence: None };
    let package = Digest::of(b"v1");
    let at = |hour: i64| now().plus_seconds(hour * 3600);
    let study = |name: &str, revision: u32, hour: i64, outside: bool| {
        let mut one = Observation::bare("cxr", package);
        (one.study_key, one.revision, one.disposition) = (name.to_owned(), revision, "analysed".to_owned());
        (one.event_at, one.recorded_at) = (at(hour), at(hour));
        one.outputs.insert("nodule".to_owned(), OutputFact { score: None, present: Some(false) });
        one.outside_envelope = Some(if outside { vec!["noise".to_owned()] } else { Vec::new() });
        one
    };
    let label = |name: &str, revision: u32, hour: i64, truth| Label {
        key: format!("{name} {hour}"),
        study_key: name.to_owned(),
        revision,
        deployment: "cxr".to_owned(),
        finding: "nodule".to_owned(),
        truth,
        agreement: None,
        source: LabelSource::FollowUp,
        extractor: None,
        extractor_measured: false,
        exposure: Exposure::Unexposed,
        independence: Some(Independence::Unexposed),
        inclusion_probability: None,
        event_at: at(0),
        recorded_at: at(hour),
        decided_at: None,
        by: "user:anna".to_owned(),
    };
    let fired = |observations: &[Observation], labels: &[Label]| {
        let told = replay(&declared, package, observations, labels, (at(0), at(100))).unwrap();
        told.signals.iter().map(|signal| signal.rule.clone()).collect::<Vec<_>>()
    };
    let again = [study("a", 1, 1, true), study("a", 2, 2, true)];
    assert_eq!(fired(&again, &[]), [""; 0], "one study");
    assert_eq!(fired(&[again[0].clone(), study("b", 1, 2, true)], &[]), ["foreign"]);
    let inside = [study("a", 1, 1, false), study("a", 2, 2, false), study("b", 1, 3, false)];
    let twice = [label("a", 1, 4, Truth::Present), label("a", 2, 5, Truth::Present)];
    assert_eq!(fired(&inside, &twice), [""; 0], "one label");
    let late = [label("a", 1, 4, Truth::Uncertain), label("a", 1, 5, Truth::Present), label("b", 1, 6, Truth::Present)];
    assert_eq!(fired(&inside, &late), ["missed"], "the first label that says something counts");
}

#[test]
fn sources_that_carry_no_figure_are_refused() {
    let mut exposed = scenario();
    exposed.labels[0].class = Independence::DirectlyExposed;
    exposed.labels[0].source = LabelSource::Assessment;
    assert!(World::new(exposed, declared(), Vec::new()).is_err());
}

/// Weekends that lie 0.3 standard deviations from weekdays (monitoring section 3, scenario A): what is no stratum is news every
/// week, what is one is none, and a shift is found all the same. `examples/strata.rs` is the whole.
#[test]
fn monday_is_no_alarm() {
    const STRATA: &str = include_str!("../../examples/strata.toml");
    #[derive(serde::Deserialize)]
    struct Site {
        scenario: Scenario,
        fault: Vec<Fault>,
        monitoring: MonitoringPlan,
    }
    let site: Site = toml::from_str(STRATA).unwrap();
    let run = |strata: bool, faults: Vec<Fault>| {
        let mut rules = site.monitoring.rules.clone();
        if !strata {
            rules.iter_mut().for_each(|rule| (rule.strata, rule.quantiles_of) = Default::default());
        }
        let declared = Declared { deployment: "strata".to_owned(), rules, evidence: None };
        rehearse(&World::new(site.scenario.clone(), declared, faults).unwrap(), 6, 3, now()).unwrap()
    };
    let alarms = |told: &Rehearsal| told.in_control.rules.iter().map(|rule| rule.per_year.value).sum::<f64>();
    assert!(0.0 < alarms(&run(false, Vec::new())));
    let told = run(true, site.fault.clone());
    assert_eq!(alarms(&told), 0.0);
    let days = told.faults[0].delay.days.median.as_ref().unwrap();
    assert!(0.8 < told.faults[0].found.value && days.value <= 6.0, "{}", days.value);
}
