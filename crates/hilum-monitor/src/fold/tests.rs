use super::*;
use crate::{Agreement, Label, LabelSource, OutputFact, Severity, Truth};
use hilum_registry::MonitoringPlan;
use hilum_types::{Digest, Exposure, Independence};

fn at(n: u32) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap().plus_seconds(i64::from(n) * 3600)
}

fn rules(text: &str) -> Vec<StopRule> {
    let plan: MonitoringPlan = toml::from_str(text).unwrap();
    assert_eq!(plan.problems(), Vec::<String>::new());
    plan.rules
}

fn observation(n: u32, station: &str, present: bool) -> Observation {
    let mut one = Observation::bare("cxr", Digest::of(b"v1"));
    one.study_key = format!("s{n}");
    one.revision = 1;
    (one.event_at, one.recorded_at) = (at(n), at(n));
    one.disposition = "analysed".to_owned();
    one.attributes.insert("station".to_owned(), station.to_owned());
    one.outputs.insert("nodule".to_owned(), OutputFact { score: Some(0.25), present: Some(present) });
    one.features.insert("noise".to_owned(), f64::from(n * 7 % 10));
    one.outside_envelope = Some(Vec::new());
    one
}

fn label(of: &Observation, truth: Truth) -> Label {
    Label {
        key: format!("l-{}", of.study_key),
        study_key: of.study_key.clone(),
        revision: of.revision,
        deployment: of.deployment.clone(),
        finding: "nodule".to_owned(),
        truth,
        agreement: None,
        source: LabelSource::Adjudication,
        extractor: None,
        extractor_measured: false,
        exposure: Exposure::Unexposed,
        independence: None,
        inclusion_probability: None,
        event_at: of.event_at,
        recorded_at: of.recorded_at.plus_seconds(60),
        decided_at: None,
        by: "user:anna".to_owned(),
    }
}

/// Positives of one station each, found or missed.
fn feed(
    monitor: &mut Monitor,
    rules: &[StopRule],
    cases: impl IntoIterator<Item = (u32, &'static str, bool)>,
) -> Vec<Signal> {
    let mut signals = Vec::new();
    for (n, station, found) in cases {
        let observation = observation(n, station, found);
        signals.extend(monitor.take(rules, &Fact::Observed(&observation)).unwrap());
        let label = label(&observation, Truth::Present);
        let labelled = Labelled { label: &label, observation: &observation, earlier: &[] };
        signals.extend(monitor.take(rules, &Fact::Labelled(labelled)).unwrap());
    }
    signals
}

const SENSITIVITY: &str =
    "[[rule]]\nname='sens'\nmetric='sensitivity'\nfinding='nodule'\nbelow=0.85\nconfidence=0.95\naction='suspend'\n";

/// The rule of the issue: sensitivity below 0.85 with 95 % confidence. It fires once, and names counts, limit and labels.
#[test]
fn a_floor_fires_once_with_its_evidence() {
    let rules = rules(SENSITIVITY);
    let mut monitor = Monitor::default();
    assert_eq!(feed(&mut monitor, &rules, (0..50).map(|n| (n, "CT1", n % 10 != 0))), []);
    let signals = feed(&mut monitor, &rules, (50..120).map(|n| (n, "CT1", n % 3 == 0)));
    assert_eq!(signals.len(), 1);
    assert_eq!((signals[0].severity, signals[0].rule.as_str(), signals[0].studies.len()), (Severity::Stop, "sens", 20));
    assert!(signals[0].value < 0.85 && signals[0].threshold == 0.85);
    insta::assert_snapshot!(signals[0].text, @"sensitivity for nodule is below 0.85 with 95 % confidence: 53 of 75 (0.707), at most 0.849; unexposed labels");
}

/// MV-29, MV-22: a detector with a declared rate of false stops finds the change, and says since when.
#[test]
fn a_change_is_dated() {
    let rules = rules(
        "[[rule]]\nname='drop'\nmetric='sensitivity'\nfinding='nodule'\nbelow=0.85\nfalse_stops_per_year=0.1\n\
         events_per_day=10\naction='suspend'\n",
    );
    let mut monitor = Monitor::default();
    assert_eq!(feed(&mut monitor, &rules, (0..300).map(|n| (n, "CT1", n % 10 != 0))), []);
    let signals = feed(&mut monitor, &rules, (300..400).map(|n| (n, "CT1", n % 2 == 0)));
    assert_eq!(signals.len(), 1);
    let since = signals[0].since.unwrap();
    assert!(at(280) <= since && since <= at(310), "{since}");
    insta::assert_snapshot!(signals[0].text, @"sensitivity for nodule went below 0.85: 15 of 30 (0.500) since 2026-11-13, 285 of 330 (0.864) in all; evidence 44634 of the 36525 that one false stop in 10 years allows; unexposed labels");
}

/// MV-30: one scanner below its floor fires although the whole passes.
#[test]
fn a_subgroup_fires_while_the_whole_passes() {
    let each = SENSITIVITY.replace("name='sens'", "name='sens-station'\neach=['station']");
    let rules = rules(&format!("{SENSITIVITY}{each}"));
    let mut monitor = Monitor::default();
    let cases = (0..600).map(|n| if n % 10 == 9 { (n, "CT2", n % 20 == 9) } else { (n, "CT1", n % 33 != 0) });
    let signals = feed(&mut monitor, &rules, cases);
    let told: Vec<(&str, &str)> = signals.iter().map(|signal| (signal.rule.as_str(), signal.cut.as_str())).collect();
    assert_eq!(told, [("sens-station", "station=CT2")]);
}

/// MV-28, MV-25: what cannot be trusted, was seen by a reader who saw the answer, or is a correction, moves no detector.
#[test]
fn labels_that_do_not_count_change_nothing() {
    let rules = rules(SENSITIVITY);
    let one = observation(1, "CT1", false);
    let good = label(&one, Truth::Present);
    let unmeasured = Label { extractor: Some("rules 1".to_owned()), ..good.clone() };
    let exposed = Label { exposure: Exposure::Exposed, ..good.clone() };
    let unknown = Label { exposure: Exposure::Unknown, ..good.clone() };
    let uncertain = Label { truth: Truth::Uncertain, ..good.clone() };
    let other = Label { finding: "effusion".to_owned(), ..good.clone() };
    let measured = Label { extractor_measured: true, ..unmeasured.clone() };
    let n = |label: &Label, earlier: &[Independence]| {
        let mut monitor = Monitor::default();
        monitor.take(&rules, &Fact::Labelled(Labelled { label, observation: &one, earlier })).unwrap();
        monitor.cells().values().next().map_or(0, |cell| cell.counts().0)
    };
    for label in [&unmeasured, &exposed, &unknown, &uncertain, &other] {
        assert_eq!(n(label, &[]), 0, "{label:?}");
    }
    assert_eq!((n(&good, &[]), n(&measured, &[])), (1, 1));
    assert_eq!(n(&good, &[Independence::Unexposed]), 0, "the first label counts");
    assert_eq!(n(&good, &[Independence::DirectlyExposed]), 1, "one of another class was not counted for this rule");
}

/// A run that a late image overtook is no study of its own.
#[test]
fn a_superseded_run_feeds_no_rule() {
    let rules = rules(
        "[[rule]]\nname='foreign'\nmetric='outside_envelope'\nconsecutive=20\naction='suspend'\n\
         [[rule]]\nname='noise'\nmetric='feature'\nfeature='noise'\nquantiles=[1,2,3,4,5,6,7,8,9]\nmargin=0.1\n\
         false_stops_per_year=0.5\nevents_per_day=30\n",
    );
    let one = observation(1, "CT1", false);
    let mut overtaken = Observation { disposition: "withheld".to_owned(), ..one.clone() };
    assert!(rules.iter().all(|rule| feeds(rule, &one) && feeds(rule, &overtaken)));
    overtaken.reason_code = "study.reopened".to_owned();
    assert!(rules.iter().all(|rule| !feeds(rule, &overtaken)));
}

#[test]
fn concordance_is_what_exposed_readers_say() {
    let rules = rules(
        "[[rule]]\nname='c'\nmetric='concordance'\nbelow=0.9\nconsecutive=3\naction='suspend'"
            .replace("below=0.9\n", "")
            .as_str(),
    );
    let mut monitor = Monitor::default();
    let mut fired = Vec::new();
    for n in 0..3 {
        let one = observation(n, "CT1", true);
        let exposed =
            Label { exposure: Exposure::Exposed, agreement: Some(Agreement::Disagree), ..label(&one, Truth::Absent) };
        let labelled = Labelled { label: &exposed, observation: &one, earlier: &[] };
        fired.extend(monitor.take(&rules, &Fact::Labelled(labelled)).unwrap());
    }
    assert_eq!(fired.len(), 1);
    insta::assert_snapshot!(fired[0].text, @"3 disagreements in a row, the rule allows fewer than 3; directly exposed and indirectly exposed labels");
}

/// The rule of the issue: inputs outside the envelope for 20 studies of one scanner.
#[test]
fn studies_in_a_row_of_one_scanner() {
    let rules = rules(
        "[[rule]]\nname='foreign'\nmetric='outside_envelope'\nconsecutive=20\neach=['station']\naction='suspend'",
    );
    let mut monitor = Monitor::default();
    let mut take = |n: u32, station: &str, outside: bool| {
        let mut one = observation(n, station, true);
        one.outside_envelope = Some(if outside { vec!["noise".to_owned()] } else { Vec::new() });
        monitor.take(&rules, &Fact::Observed(&one)).unwrap()
    };
    for n in 0..19 {
        assert_eq!(take(2 * n, "CT1", true), []);
        assert_eq!(take(2 * n + 1, "CT2", n != 10), [], "one native study breaks the row");
    }
    let signals = take(100, "CT1", true);
    assert_eq!(signals[0].since, Some(at(0)));
    insta::assert_snapshot!(signals[0].text, @"20 studies outside the acquisition envelope in a row (station=CT1), the rule allows fewer than 20");
    assert_eq!(take(101, "CT1", true), [], "a rule that stops fires once");
}

/// A feature that leaves the reference raises one alarm; then the detector begins anew.
#[test]
fn a_feature_leaves_its_reference() {
    let rules = rules(
        "[[rule]]\nname='noise'\nmetric='feature'\nfeature='noise'\nquantiles=[0.5,1.5,2.5,3.5,4.5,5.5,6.5,7.5,8.5]\n\
         margin=0.05\nfalse_stops_per_year=1\nevents_per_day=100",
    );
    let mut monitor = Monitor::default();
    let mut take = |n: u32, shift: f64| {
        let mut one = observation(n, "CT1", true);
        *one.features.get_mut("noise").unwrap() += shift;
        monitor.take(&rules, &Fact::Observed(&one)).unwrap()
    };
    let before: Vec<Signal> = (0..2000).flat_map(|n| take(n, 0.0)).collect();
    assert_eq!(before, []);
    let after: Vec<Signal> = (2000..2100).flat_map(|n| take(n, 4.0)).collect();
    assert!((1..=4).contains(&after.len()), "{}", after.len());
    assert_eq!(after[0].severity, Severity::Review);
    assert!(at(1950) < after[0].since.unwrap());
}

/// ADR 0010: the same facts in the same order give the same bytes, also when every cell went through its stored form after
/// every fact; a rule declared anew starts afresh.
#[test]
fn a_replay_gives_the_same_bytes() {
    let each = SENSITIVITY.replace("name='sens'", "name='sens-station'\neach=['station','sex']");
    let drop = SENSITIVITY
        .replace("name='sens'", "name='drop'")
        .replace("confidence=0.95", "false_stops_per_year=0.1\nevents_per_day=10");
    let rules = rules(&format!("{SENSITIVITY}{each}{drop}"));
    let cases: Vec<(u32, &str, bool)> =
        (0..400).map(|n| (n, if n % 3 == 0 { "CT1" } else { "CT2" }, n * 13 % 7 != 0)).collect();
    let mut whole = Monitor::default();
    feed(&mut whole, &rules, cases.clone());
    let mut stored: BTreeMap<CellKey, String> = BTreeMap::new();
    for case in cases {
        let cells = stored.iter().map(|(key, text)| (key.clone(), serde_json::from_str(text).unwrap())).collect();
        let mut opened: BTreeMap<String, u32> = BTreeMap::new();
        stored.keys().for_each(|key| *opened.entry(key.rule.clone()).or_default() += 1);
        let mut monitor = Monitor::from_parts(cells, opened);
        feed(&mut monitor, &rules, [case]);
        stored =
            monitor.cells().iter().map(|(key, cell)| (key.clone(), serde_json::to_string(cell).unwrap())).collect();
    }
    let texts: BTreeMap<CellKey, String> =
        whole.cells().iter().map(|(key, cell)| (key.clone(), serde_json::to_string(cell).unwrap())).collect();
    assert_eq!(texts, stored);
    assert!(texts.values().all(|text| text.len() < 12_000), "{:?}", texts.values().map(String::len).max());
    let mut other = rules.clone();
    other[0].below = Some(0.5);
    feed(&mut whole, &other, [(500, "CT1", true)]);
    assert_eq!(whole.cells()[&CellKey { rule: "sens".to_owned(), cut: String::new() }].counts().0, 1);
}

/// One scanner per study does not grow the state without end.
#[test]
fn many_values_share_a_cell() {
    let rules = rules(&SENSITIVITY.replace("name='sens'", "name='sens'\neach=['station']"));
    let mut monitor = Monitor::default();
    for n in 0..400 {
        let mut one = observation(n, "x", true);
        one.attributes.insert("station".to_owned(), format!("S{n}"));
        let label = label(&one, Truth::Present);
        let labelled = Fact::Labelled(Labelled { label: &label, observation: &one, earlier: &[] });
        assert!(touched(&rules, &labelled).iter().any(|key| key.cut == "station=(others)"));
        monitor.take(&rules, &labelled).unwrap();
    }
    assert_eq!(monitor.cells().len(), 257);
    assert_eq!(
        monitor.cells()[&CellKey { rule: "sens".to_owned(), cut: "station=(others)".to_owned() }].counts().0,
        144
    );
}

/// A cut by two attributes feeds every event to two cells, so the same rate of false stops asks for twice the evidence, and a
/// small reference for a margin of its own error.
#[test]
fn the_declared_rate_holds_for_every_cell() {
    let rules = rules(
        "[[rule]]\nname='a'\nmetric='failure_rate'\nabove=0.05\nfalse_stops_per_year=1\nevents_per_day=10\n\
         [[rule]]\nname='b'\nmetric='failure_rate'\nabove=0.05\nfalse_stops_per_year=1\nevents_per_day=10\neach=['site','station']\n\
         [[rule]]\nname='c'\nmetric='feature'\nfeature='noise'\nquantiles=[1,2,3,4,5,6,7,8,9]\nmargin=0.05\n\
         false_stops_per_year=1\nevents_per_day=10\n\
         [[rule]]\nname='d'\nmetric='feature'\nfeature='noise'\nquantiles=[1,2,3,4,5,6,7,8,9]\nreference_n=139\n\
         false_stops_per_year=1\nevents_per_day=10",
    );
    let evidence: Vec<f64> = rules.iter().take(2).map(|rule| super::threshold(rule).unwrap().unwrap()).collect();
    assert_eq!(evidence[1], 2.0 * evidence[0]);
    assert!(super::feature_margin(&rules[2]).unwrap() < super::feature_margin(&rules[3]).unwrap());
}
