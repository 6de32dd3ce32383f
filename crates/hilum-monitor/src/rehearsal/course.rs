//! What happens in one simulated run, in the order in which it is known.

use super::fault::{Effect, Fault};
use super::scenario::LabelScenario;
use super::world::{Feature, Reference, World, attributes};
use crate::{Label, Observation, OutputFact, Truth};
use hilum_stats::chance::Chance;
use hilum_types::{Digest, Exposure, Independence, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;

/// Studies come from seven in the morning until seven in the evening.
const OPENS: i64 = 7 * 3_600_000_000;
const OPEN_FOR: i64 = 12 * 3_600_000_000;

/// Between the end of a study and its result, in microseconds.
const ANSWER: i64 = 60_000_000;

/// What is outside the envelope where rules, groups and faults name no number, or none that is drawn lies outside.
const ANY_FEATURE: &str = "(any)";

/// A simulated study.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedStudy {
    /// What is known of it.
    pub observation: Observation,
    /// What nobody is told: whether each finding is there.
    pub truth: BTreeMap<String, bool>,
    /// Whether the fault touched it.
    pub touched: bool,
}

/// Something that becomes known.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A study ended.
    Study(Arc<SimulatedStudy>),
    /// Somebody or something said what is true of an earlier one.
    Label {
        /// What was said.
        label: Arc<Label>,
        /// Of which study.
        study: Arc<SimulatedStudy>,
        /// Classes of labels that were counted for this finding before.
        earlier: Vec<Independence>,
    },
    /// A day is over.
    DayOver(Timestamp),
}

/// One run of a scenario, a day at a time: an endless iterator.
pub struct Course<'a> {
    world: &'a World,
    fault: Option<(&'a Fault, Effect, Timestamp)>,
    chance: Chance,
    day: i64,
    begin: Timestamp,
    n_studies: u64,
    /// How far the reference is off by chance, for each feature and then each finding's score.
    displaced: Vec<f64>,
    /// The same for the strata of each feature, whose references are smaller.
    displaced_within: Vec<BTreeMap<String, f64>>,
    /// What will be known, by time and order.
    pending: BinaryHeap<Reverse<(i64, u64)>>,
    known: HashMap<u64, Known>,
    counted: HashMap<(String, String), Vec<Independence>>,
    seq: u64,
}

enum Known {
    Study(Arc<SimulatedStudy>),
    Label(Arc<Label>, Arc<SimulatedStudy>),
    DayOver,
}

impl<'a> Course<'a> {
    /// Run `run` with this seed. Runs begin on each day of the week in turn, so that no test is judged by one of them.
    pub fn new(world: &'a World, fault: Option<&'a Fault>, seed: u64, run: u64) -> Course<'a> {
        let begin = world.scenario.begin.plus_micros((run % 7) as i64 * DAY);
        let start = |fault: &'a Fault| (fault, fault.effects(), begin.plus_micros(i64::from(fault.start_day) * DAY));
        let mut chance = Chance::new(seed, run);
        let error = f64::from(world.scenario.reference_studies).sqrt().recip();
        let n = world.features.len() + world.findings.len();
        let displaced = (0..n).map(|_| error * chance.normal()).collect();
        let mut within = |feature: &Feature| {
            let of = |(key, part): (&String, &Reference)| {
                // A stratum without studies here has no error that anybody would meet.
                let error = if 0.0 < part.share { error / part.share.sqrt() } else { 0.0 };
                (key.clone(), error * chance.normal())
            };
            feature.within().iter().map(of).collect::<BTreeMap<String, f64>>()
        };
        let displaced_within = world.features.iter().map(&mut within).collect();
        Course {
            world,
            fault: fault.map(start),
            chance,
            displaced,
            displaced_within,
            day: 0,
            begin,
            n_studies: 0,
            pending: BinaryHeap::new(),
            known: HashMap::new(),
            counted: HashMap::new(),
            seq: 0,
        }
    }

    /// When the fault begins.
    pub fn fault_at(&self) -> Option<Timestamp> {
        self.fault.as_ref().map(|(_, _, at)| *at)
    }

    fn weekday(&self) -> usize {
        // The scenario begins on a Monday, and this run so many days later.
        let days = self.begin.micros_since(self.world.scenario.begin) / DAY + self.day;
        (days % 7) as usize
    }

    fn push(&mut self, at: Timestamp, known: Known) {
        self.pending.push(Reverse((at.micros(), self.seq)));
        self.known.insert(self.seq, known);
        self.seq += 1;
    }

    fn draw_day(&mut self) {
        let weekday = self.weekday();
        let midnight = self.begin.plus_micros(self.day * DAY);
        let n = poisson(&mut self.chance, self.world.scenario.studies_per_day[weekday]);
        for place in 0..n {
            let within = (place as f64 + self.chance.uniform()) / n as f64;
            let event_at = midnight.plus_micros(OPENS + (OPEN_FOR as f64 * within) as i64);
            let study = Arc::new(self.draw_study(weekday, event_at));
            self.push(study.observation.recorded_at, Known::Study(Arc::clone(&study)));
            if study.observation.disposition == "analysed" {
                self.draw_labels(&study);
            }
        }
        self.day += 1;
        let over = midnight.plus_micros(DAY - 1);
        self.push(over, Known::DayOver);
    }

    fn draw_study(&mut self, weekday: usize, event_at: Timestamp) -> SimulatedStudy {
        let world = self.world;
        let scenario = &world.scenario;
        let group = draw_group(&mut self.chance, scenario.groups.iter().map(|group| group.weights[weekday]));
        let mut observation = Observation::bare(&world.declared.deployment, Digest::of(b"rehearsal"));
        observation.study_key = format!("rehearsal-{}", self.n_studies);
        observation.revision = 1;
        observation.event_at = event_at;
        observation.recorded_at = event_at.plus_micros(ANSWER);
        observation.attributes = attributes(scenario, group, weekday);
        observation.visible = true;
        self.n_studies += 1;
        let effect = self.effect_on(&observation, event_at);
        let touched = effect.is_some();
        let effect = effect.unwrap_or_default();
        observation.attributes.extend(effect.attributes.iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        let mut outside = Vec::new();
        let displaced = self.displaced.iter().zip(&self.displaced_within);
        for (feature, (displaced, within)) in world.features.iter().zip(displaced) {
            let stratum = feature.stratum(&observation.attributes);
            let displaced = stratum.and_then(|stratum| within.get(stratum)).unwrap_or(displaced);
            let offset = group.and_then(|group| scenario.groups[group].features.get(&feature.name)).copied();
            let moved = effect.features.as_ref().and_then(|features| features.get(&feature.name)).copied();
            let z = offset.unwrap_or(0.0) + self.chance.normal() + moved.unwrap_or(0.0);
            observation.features.insert(feature.name.clone(), feature.value(stratum, z + displaced));
            if world.outside(z - offset.unwrap_or(0.0)) {
                outside.push(feature.name.clone());
            }
        }
        // Where nothing names a number, the declared share is drawn outright: a rule about the envelope sees it all the same.
        if world.features.is_empty() && self.chance.happens(scenario.outside_envelope) {
            outside.push(ANY_FEATURE.to_owned());
        }
        // The envelope looks at every number, of which only those that somebody names are drawn here.
        if let Some(share) = effect.outside_envelope {
            match self.chance.happens(share.max(scenario.outside_envelope)) {
                false => outside.clear(),
                true if outside.is_empty() => outside.push(ANY_FEATURE.to_owned()),
                true => {}
            }
        }
        let prevalence_factor = group.map_or(1.0, |group| scenario.groups[group].prevalence_factor);
        let mut truth = BTreeMap::new();
        let harms = |label: &str| {
            let harmed = self.fault.as_ref().and_then(|(fault, ..)| fault.finding.as_deref());
            harmed.is_none_or(|harmed| harmed == label)
        };
        let harmed: Vec<bool> = world.findings.iter().map(|finding| harms(&finding.label)).collect();
        let displaced = &self.displaced[world.features.len()..];
        for ((finding, harmed), displaced) in world.findings.iter().zip(harmed).zip(displaced) {
            let own = if harmed { effect.clone() } else { Effect::default() };
            let prevalence = finding.prevalence * prevalence_factor * own.prevalence_factor.unwrap_or(1.0);
            let present = self.chance.happens(prevalence);
            let sensitivity = finding.sensitivity - own.sensitivity_loss.unwrap_or(0.0);
            let specificity = finding.specificity - own.specificity_loss.unwrap_or(0.0);
            let (of_present, of_absent) = finding.means(sensitivity, specificity);
            let latent = self.chance.normal() + if present { of_present } else { of_absent };
            let latent = latent * own.score_gain.unwrap_or(1.0) + own.score_offset.unwrap_or(0.0);
            truth.insert(finding.label.clone(), present);
            let output = OutputFact {
                score: Some(finding.score(&observation.attributes, latent + displaced)),
                present: Some(finding.threshold <= latent),
            };
            observation.outputs.insert(finding.label.clone(), output);
        }
        let not_eligible = effect.not_eligible.unwrap_or(0.0).max(scenario.not_eligible);
        let failures = effect.failures.unwrap_or(0.0).max(scenario.failures);
        let [eligible, runs] = [not_eligible, failures].map(|rate| !self.chance.happens(rate));
        let disposition = match (eligible, runs) {
            (false, _) => "not_eligible",
            (true, false) => "failed",
            (true, true) => "analysed",
        };
        observation.disposition = disposition.to_owned();
        if disposition != "analysed" {
            observation.outputs.clear();
        }
        if disposition == "not_eligible" {
            observation.features.clear();
        } else {
            observation.outside_envelope = Some(outside);
        }
        SimulatedStudy { observation, truth, touched }
    }

    /// What the fault does to a study, if it touches it.
    fn effect_on(&mut self, observation: &Observation, event_at: Timestamp) -> Option<Effect> {
        // Drawn each time, so that the same run with and without a fault draws the same numbers.
        let drawn = self.chance.uniform();
        let (fault, effect, start) = self.fault.as_ref()?;
        let here = fault.at.iter().all(|(name, value)| observation.attributes.get(name) == Some(value));
        (*start <= event_at && here && drawn < fault.share).then(|| effect.clone())
    }

    fn draw_labels(&mut self, study: &Arc<SimulatedStudy>) {
        let world = self.world;
        let effect = match &self.fault {
            Some((_, effect, _)) if study.touched => effect.clone(),
            _ => Effect::default(),
        };
        for (place, source) in world.scenario.labels.iter().enumerate() {
            let lost = self.chance.happens(effect.label_loss.unwrap_or(0.0));
            if !self.chance.happens(source.coverage) || lost {
                continue;
            }
            let slow = source.delay_spread * self.chance.normal();
            for finding in &world.findings {
                let label = self.draw_label(source, &effect, study, &finding.label, slow, place);
                let at = label.recorded_at;
                self.push(at, Known::Label(Arc::new(label), Arc::clone(study)));
            }
        }
    }

    fn draw_label(
        &mut self,
        source: &LabelScenario,
        effect: &Effect,
        study: &SimulatedStudy,
        finding: &str,
        slow: f64,
        place: usize,
    ) -> Label {
        let present = study.truth.get(finding).copied().unwrap_or(false);
        let said = study.observation.outputs.get(finding).and_then(|output| output.present);
        let sensitivity = source.sensitivity - effect.label_sensitivity_loss.unwrap_or(0.0);
        let seen = self.chance.happens(if present { sensitivity } else { 1.0 - source.specificity });
        let factor = if said == Some(present) { 1.0 } else { source.delay_factor_wrong };
        let days = source.delay_days_median * slow.exp() * factor * effect.label_delay_factor.unwrap_or(1.0).max(0.0);
        let exposure = if source.class == Independence::Unexposed { Exposure::Unexposed } else { Exposure::Exposed };
        let observation = &study.observation;
        Label {
            key: format!("{}-{finding}-{place}", observation.study_key),
            study_key: observation.study_key.clone(),
            revision: 1,
            deployment: observation.deployment.clone(),
            finding: finding.to_owned(),
            truth: if seen { Truth::Present } else { Truth::Absent },
            agreement: None,
            source: source.source,
            extractor: source.extractor.clone(),
            extractor_measured: source.extractor_measured,
            exposure,
            independence: Some(source.class),
            inclusion_probability: None,
            event_at: observation.event_at,
            recorded_at: observation.recorded_at.plus_micros(1 + (days.min(100_000.0) * DAY as f64) as i64),
            decided_at: None,
            by: "rehearsal".to_owned(),
        }
    }

    fn happening(&mut self, known: Known, at: Timestamp) -> Happening {
        match known {
            Known::Study(study) => Happening::Study(study),
            Known::DayOver => Happening::DayOver(at),
            Known::Label(label, study) => {
                let counted = self.counted.entry((label.study_key.clone(), label.finding.clone())).or_default();
                let earlier = counted.clone();
                if label.can_be_first() && !counted.contains(&label.class()) {
                    counted.push(label.class());
                }
                Happening::Label { label, study, earlier }
            }
        }
    }
}

impl Iterator for Course<'_> {
    type Item = Happening;

    fn next(&mut self) -> Option<Happening> {
        loop {
            // Everything of the days drawn so far is known before the first study of the next day.
            let drawn_until = self.begin.plus_micros(self.day * DAY).micros();
            if let Some(Reverse((at, seq))) = self.pending.peek().copied().filter(|Reverse((at, _))| *at < drawn_until)
            {
                self.pending.pop();
                let known = self.known.remove(&seq)?;
                return Some(self.happening(known, Timestamp::from_micros(at)));
            }
            self.draw_day();
        }
    }
}

fn draw_group(chance: &mut Chance, weights: impl Iterator<Item = f64> + Clone) -> Option<usize> {
    let total: f64 = weights.clone().sum();
    let mut left = chance.uniform() * total;
    let mut last = None;
    for (place, weight) in weights.enumerate().filter(|(_, weight)| 0.0 < *weight) {
        last = Some(place);
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// A Poisson count (Knuth's product for small means; a rounded normal where that is good to a thousandth).
fn poisson(chance: &mut Chance, mean: f64) -> u64 {
    if 500.0 < mean {
        return (mean + mean.sqrt() * chance.normal()).round().max(0.0) as u64;
    }
    let limit = (-mean).exp();
    let mut product = 1.0;
    let mut count = 0;
    loop {
        product *= 1.0 - chance.uniform();
        if product <= limit {
            return count;
        }
        count += 1;
    }
}
