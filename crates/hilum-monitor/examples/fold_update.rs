//! What one study costs the monitor: `fold_update [RULES=20] [STUDIES=2000]` prints the mean time to fold in a study and its
//! label, with rules of every cut of a station. A time depends on the machine and on what else runs there, so that it
//! belongs into docs/measurements.md and not into a test.

use hilum_monitor::{Fact, Label, LabelSource, Labelled, Monitor, Observation, OutputFact, Truth};
use hilum_registry::{MonitoringPlan, StopRule};
use hilum_types::{Digest, Exposure, Timestamp};
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>().expect("a whole number"));
    let (n_rules, n_studies) = (arguments.next().unwrap_or(20), arguments.next().unwrap_or(2_000));
    let rules = rules(n_rules);
    let facts: Vec<(Observation, Label)> = (0..n_studies).map(study).collect();
    let mut monitor = Monitor::default();
    let mut n_signals = 0;
    let began = Instant::now();
    for (observation, label) in &facts {
        n_signals += monitor.take(&rules, &Fact::Observed(observation)).expect("sound rules").len();
        let labelled = Labelled { label, observation, earlier: &[] };
        n_signals += monitor.take(&rules, &Fact::Labelled(labelled)).expect("sound rules").len();
    }
    let each = began.elapsed() / n_studies.max(1);
    println!("{each:?} per study and label: {n_rules} rules, {n_studies} studies, {n_signals} signals");
}

/// Half of them with a confidence, half with a rate of false stops.
fn rules(n: u32) -> Vec<StopRule> {
    let rule = |n: u32| {
        let certainty = match n % 2 {
            0 => "confidence=0.95",
            _ => "false_stops_per_year=0.1\nevents_per_day=10",
        };
        format!(
            "[[rule]]\nname='r{n}'\nmetric='sensitivity'\nfinding='nodule'\nbelow=0.85\neach=['station']\n{certainty}\n"
        )
    };
    let text: String = (0..n).map(rule).collect();
    toml::from_str::<MonitoringPlan>(&text).expect("rules of this example").rules
}

/// A labelled positive, of which one in ten is missed.
fn study(n: u32) -> (Observation, Label) {
    let mut observation = Observation::bare("cxr", Digest::of(b"v1"));
    let at = Timestamp::from_micros(1_795_424_400_000_000).plus_seconds(i64::from(n) * 3_600);
    observation.study_key = format!("s{n}");
    observation.revision = 1;
    (observation.event_at, observation.recorded_at) = (at, at);
    observation.disposition = "analysed".to_owned();
    observation.attributes.insert("station".to_owned(), format!("CT{}", n % 3));
    observation
        .outputs
        .insert("nodule".to_owned(), OutputFact { score: Some(0.25), present: Some(!n.is_multiple_of(10)) });
    let label = Label {
        key: format!("l{n}"),
        study_key: observation.study_key.clone(),
        revision: 1,
        deployment: observation.deployment.clone(),
        finding: "nodule".to_owned(),
        truth: Truth::Present,
        agreement: None,
        source: LabelSource::Adjudication,
        extractor: None,
        extractor_measured: false,
        exposure: Exposure::Unexposed,
        independence: None,
        inclusion_probability: None,
        event_at: at,
        decided_at: None,
        recorded_at: at.plus_seconds(60),
        by: "user:anna".to_owned(),
    };
    (observation, label)
}
