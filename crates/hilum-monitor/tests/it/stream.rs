//! Half of a site as reference, the other half as a stream of studies with some of another site among them, through the
//! monitor's own rules.

use crate::halves::{Features, halves};
use hilum_monitor::envelope::Envelope;
use hilum_monitor::figures::reference_quantiles;
use hilum_monitor::{Fact, Monitor, Observation};
use hilum_registry::StopRule;
use hilum_types::{Digest, Timestamp};

/// Rules as a site of twenty radiographs a day would write them: all of them together are wrong at most 0.9 times a year.
/// The margin of a feature allows for a reference of only 185 films, whose mean is uncertain by 0.07 standard deviations.
pub(crate) const RULES: &str = r#"
[[rule]]
name = "foreign-share"
metric = "outside_envelope"
above = 0.03
false_stops_per_year = 0.1
events_per_day = 20
action = "suspend"

[[rule]]
name = "foreign-in-a-row"
metric = "outside_envelope"
consecutive = 5
action = "suspend"

[[rule]]
name = "noise"
metric = "feature"
feature = "noise"
margin = 0.25
false_stops_per_year = 0.2
events_per_day = 20

[[rule]]
name = "sharpness"
metric = "feature"
feature = "sharpness"
margin = 0.25
false_stops_per_year = 0.2
events_per_day = 20

[[rule]]
name = "contrast"
metric = "feature"
feature = "contrast"
margin = 0.25
false_stops_per_year = 0.2
events_per_day = 20

[[rule]]
name = "side"
metric = "feature"
feature = "brightness_side"
margin = 0.25
false_stops_per_year = 0.2
events_per_day = 20
"#;

#[derive(serde::Deserialize)]
struct Declared {
    rule: Vec<StopRule>,
}

/// What a stream came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// Studies, the deciding one included, and the rule that spoke first; `None`: nothing was said.
    pub(crate) first: Option<(usize, String)>,
    /// Studies in the stream.
    pub(crate) n: usize,
}

/// One stream by a seed, where a share outside the envelope above `limit` is too much. With `foreign`, each study is one of theirs with probability `share`, and so many studies come as
/// `n_max` says, drawn with replacement; without, every study of the other half comes once.
pub(crate) fn stream(
    native: &[Features],
    foreign: Option<(&[Features], f64)>,
    n_max: usize,
    limit: f64,
    seed: u64,
) -> Result<Outcome, String> {
    let (reference, rest) = halves(native, seed);
    let envelope = Envelope::fit(&reference).map_err(|e| e.to_string())?;
    let mut rules = toml::from_str::<Declared>(RULES).map_err(|e| e.to_string())?.rule;
    rules.iter_mut().for_each(|rule| rule.above = rule.above.map(|_| limit));
    let learned: Vec<Observation> = reference.iter().map(|features| observed(features, None)).collect();
    for rule in rules.iter_mut().filter(|rule| !rule.feature.is_empty()) {
        rule.quantiles = reference_quantiles(&learned, &rule.feature, 49).ok_or("too few films for quantiles")?;
    }
    let mut state = seed.wrapping_mul(0xd134_2543_de82_ef95) | 1;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let n = if foreign.is_some() { n_max } else { rest.len() };
    let mut monitor = Monitor::default();
    for at in 0..n {
        let study = match foreign {
            Some((others, share)) if draw() < share => &others[(draw() * others.len() as f64) as usize],
            Some(_) => &rest[(draw() * rest.len() as f64) as usize],
            None => &rest[at],
        };
        let outside = envelope.check(study, 0.01).map_err(|e| e.to_string())?.names();
        let observation = observed(study, Some(outside));
        let signals = monitor.take(&rules, &Fact::Observed(&observation)).map_err(|e| e.to_string())?;
        if let Some(signal) = signals.first() {
            return Ok(Outcome { first: Some((at + 1, signal.rule.clone())), n });
        }
    }
    Ok(Outcome { first: None, n })
}

fn observed(features: &Features, outside_envelope: Option<Vec<String>>) -> Observation {
    Observation {
        disposition: "analysed".to_owned(),
        event_at: Timestamp::from_micros(0),
        features: features.clone(),
        outside_envelope,
        ..Observation::bare("cxr", Digest::of(b"cxr"))
    }
}
