//! What can go wrong: `[[fault]]` of a rehearsal file.

use super::measured::Measurement;
use super::scenario::Scenario;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kinds of fault. Each has effects of its own in the size given; what was measured of a [`Fault`] on images replaces them one by
/// one, and so does `effect`, which is what somebody knows better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Another reconstruction kernel or edge filter. Size in standard deviations of the sharpness, 1.
    Kernel,
    /// Noisier images. Size in standard deviations of the noise, 1.
    Noise,
    /// Scores are multiplied, as by a wrong calibration. Size is what they lose, as a share, 0.3.
    Gain,
    /// Scores are moved by an offset. Size in standard deviations of the scores of negatives, 0.5.
    Offset,
    /// Left and right are exchanged. Size in standard deviations of the brightness of one side, 2.
    LateralitySwap,
    /// Black and white are exchanged. Size in standard deviations of the mean, 4.
    InvertedPhotometric,
    /// Series do not arrive, so that studies are not eligible. Size is the share of the studies, 0.3.
    MissingSeries,
    /// The finding is more or less frequent. Size is the factor, 2.
    Prevalence,
    /// Another model answers under the same name. Size is what sensitivity and specificity lose, 0.10.
    ModelSwap,
    /// The model misses more. Size is what the sensitivity loses, 0.10.
    SensitivityDrop,
    /// Labels come late. Size is the factor of their delay, 10.
    LabelDelay,
    /// Labels stop coming. Size is the share that is lost, 1.
    LabelLoss,
    /// The program that reads labels out of reports misses more. Size is what its sensitivity loses, 0.2.
    LabelError,
    /// Another software version on the scanner. Size in standard deviations of noise and sharpness, 0.5.
    SoftwareVersion,
}

/// A fault, when it begins, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Unique name.
    pub name: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How much; see [`FaultKind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<f64>,
    /// Day on which it begins, counted from the begin of the scenario. Before it all is well. Runs begin on each day of the
    /// week in turn.
    #[serde(default = "four_weeks")]
    pub start_day: u32,
    /// Only studies with these attributes; left out: all.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub at: BTreeMap<String, String>,
    /// Share of those studies that it touches.
    #[serde(default = "all")]
    pub share: f64,
    /// The finding whose answers it harms; left out: every finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// It has to be found within so many days: the declared delay.
    pub found_within_days: u32,
    /// For [`FaultKind::ModelSwap`]: the package that answers instead, so that what it does can be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Effects that replace those of the kind, and what was measured.
    #[serde(default, skip_serializing_if = "Effect::is_empty")]
    pub effect: Effect,
    /// What it did to the cases of a reference set. A file cannot state it.
    #[serde(skip)]
    pub measured: Option<Box<Measurement>>,
}

/// Where the effect of a fault comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectSource {
    /// From its kind.
    #[default]
    Assumed,
    /// From the cases of a reference set. What they do not show is assumed.
    Measured,
    /// From the file. What the file leaves open is measured, or else assumed.
    Stated,
}

impl EffectSource {
    /// Stable name, as it is written in a report.
    pub fn name(self) -> &'static str {
        match self {
            EffectSource::Assumed => "assumed",
            EffectSource::Measured => "measured",
            EffectSource::Stated => "stated",
        }
    }
}

/// What a fault does to the studies it touches. `None`: as its kind has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Effect {
    /// Features move by so many standard deviations, by name; replaces all of those of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<BTreeMap<String, f64>>,
    /// Attributes become these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<BTreeMap<String, String>>,
    /// What the sensitivity loses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity_loss: Option<f64>,
    /// What the specificity loses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specificity_loss: Option<f64>,
    /// Scores are multiplied, counted from the mean of the negatives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_gain: Option<f64>,
    /// Scores move, in standard deviations of those of the negatives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_offset: Option<f64>,
    /// Prevalence is multiplied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevalence_factor: Option<f64>,
    /// Share of the studies that are not eligible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_eligible: Option<f64>,
    /// Share of the runs that fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<f64>,
    /// Delay of labels is multiplied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_delay_factor: Option<f64>,
    /// Share of the labels that never come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_loss: Option<f64>,
    /// What labels lose of their sensitivity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_sensitivity_loss: Option<f64>,
    /// Share of the studies outside the acquisition envelope, that of the scenario at least; `None`: as the features that are
    /// drawn come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside_envelope: Option<f64>,
}

fn four_weeks() -> u32 {
    28
}

fn all() -> f64 {
    1.0
}

impl Effect {
    fn is_empty(&self) -> bool {
        *self == Effect::default()
    }

    /// `self`, with what it leaves open from `other`.
    fn or(self, other: Effect) -> Effect {
        Effect {
            features: self.features.or(other.features),
            attributes: self.attributes.or(other.attributes),
            sensitivity_loss: self.sensitivity_loss.or(other.sensitivity_loss),
            specificity_loss: self.specificity_loss.or(other.specificity_loss),
            score_gain: self.score_gain.or(other.score_gain),
            score_offset: self.score_offset.or(other.score_offset),
            prevalence_factor: self.prevalence_factor.or(other.prevalence_factor),
            not_eligible: self.not_eligible.or(other.not_eligible),
            failures: self.failures.or(other.failures),
            label_delay_factor: self.label_delay_factor.or(other.label_delay_factor),
            label_loss: self.label_loss.or(other.label_loss),
            label_sensitivity_loss: self.label_sensitivity_loss.or(other.label_sensitivity_loss),
            outside_envelope: self.outside_envelope.or(other.outside_envelope),
        }
    }
}

impl FaultKind {
    /// Stable name, as it is written in a file.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Kernel => "kernel",
            FaultKind::Noise => "noise",
            FaultKind::Gain => "gain",
            FaultKind::Offset => "offset",
            FaultKind::LateralitySwap => "laterality_swap",
            FaultKind::InvertedPhotometric => "inverted_photometric",
            FaultKind::MissingSeries => "missing_series",
            FaultKind::Prevalence => "prevalence",
            FaultKind::ModelSwap => "model_swap",
            FaultKind::SensitivityDrop => "sensitivity_drop",
            FaultKind::LabelDelay => "label_delay",
            FaultKind::LabelLoss => "label_loss",
            FaultKind::LabelError => "label_error",
            FaultKind::SoftwareVersion => "software_version",
        }
    }

    /// The size where none is given.
    pub fn usual_size(self) -> f64 {
        match self {
            FaultKind::Kernel | FaultKind::Noise | FaultKind::LabelLoss => 1.0,
            FaultKind::Gain | FaultKind::MissingSeries => 0.3,
            FaultKind::Offset | FaultKind::SoftwareVersion => 0.5,
            FaultKind::LateralitySwap | FaultKind::Prevalence => 2.0,
            FaultKind::InvertedPhotometric => 4.0,
            FaultKind::ModelSwap | FaultKind::SensitivityDrop => 0.1,
            FaultKind::LabelDelay => 10.0,
            FaultKind::LabelError => 0.2,
        }
    }

    /// What it does in this size. The effects on the model are assumptions, in the order of what has been published for
    /// radiographs (monitoring section 3); whoever has measured better ones writes them into the file.
    fn effect(self, size: f64) -> Effect {
        let features = |moved: &[(&str, f64)]| {
            Some(moved.iter().map(|(name, shift)| ((*name).to_owned(), shift * size)).collect())
        };
        let none = Effect::default();
        match self {
            FaultKind::Kernel => Effect {
                features: features(&[("sharpness", 1.0), ("noise", 0.5)]),
                sensitivity_loss: Some((0.05 * size.abs()).min(0.5)),
                ..none
            },
            FaultKind::Noise => Effect {
                features: features(&[("noise", 1.0), ("entropy", 0.3)]),
                sensitivity_loss: Some((0.05 * size.abs()).min(0.5)),
                ..none
            },
            FaultKind::Gain => Effect { score_gain: Some(1.0 - size), ..none },
            FaultKind::Offset => Effect { score_offset: Some(size), ..none },
            FaultKind::LateralitySwap => {
                Effect { features: features(&[("brightness_side", -1.0)]), sensitivity_loss: Some(0.02), ..none }
            }
            FaultKind::InvertedPhotometric => Effect {
                features: features(&[("mean", 1.0), ("brightness_centre", -1.0)]),
                sensitivity_loss: Some(0.3),
                specificity_loss: Some(0.2),
                ..none
            },
            FaultKind::MissingSeries => Effect { not_eligible: Some(size), ..none },
            FaultKind::Prevalence => Effect { prevalence_factor: Some(size), ..none },
            FaultKind::ModelSwap => Effect { sensitivity_loss: Some(size), specificity_loss: Some(size), ..none },
            FaultKind::SensitivityDrop => Effect { sensitivity_loss: Some(size), ..none },
            FaultKind::LabelDelay => Effect { label_delay_factor: Some(size), ..none },
            FaultKind::LabelLoss => Effect { label_loss: Some(size), ..none },
            FaultKind::LabelError => Effect { label_sensitivity_loss: Some(size), ..none },
            FaultKind::SoftwareVersion => Effect {
                attributes: Some(BTreeMap::from([("software".to_owned(), "new".to_owned())])),
                features: features(&[("noise", 1.0), ("sharpness", 1.0)]),
                sensitivity_loss: Some((0.05 * size.abs()).min(0.5)),
                ..none
            },
        }
    }
}

impl Fault {
    /// The size it has.
    pub fn size(&self) -> f64 {
        self.size.unwrap_or_else(|| self.kind.usual_size())
    }

    /// What it does, all told: as stated, else as measured, else as its kind has it.
    pub fn effects(&self) -> Effect {
        let stated = self.effect.clone();
        match &self.measured {
            Some(measured) => stated.or(self.of_its_finding(measured)).or(self.kind.effect(self.size())),
            None => stated.or(self.kind.effect(self.size())),
        }
    }

    /// What was measured, without what it says of another finding than the one it harms.
    fn of_its_finding(&self, measured: &Measurement) -> Effect {
        let effect = measured.effect();
        match &self.finding {
            Some(finding) if *finding != measured.experiment.finding => {
                let (sensitivity_loss, specificity_loss, score_gain, score_offset) = Default::default();
                Effect { sensitivity_loss, specificity_loss, score_gain, score_offset, ..effect }
            }
            _ => effect,
        }
    }

    /// Where its effect comes from.
    pub fn effect_source(&self) -> EffectSource {
        match &self.measured {
            _ if !self.effect.is_empty() => EffectSource::Stated,
            Some(_) => EffectSource::Measured,
            None => EffectSource::Assumed,
        }
    }

    /// Names of the features that are drawn because of it. Measuring moves them and adds none, so that it changes nothing about
    /// the days without a fault.
    pub(super) fn feature_names(&self) -> impl Iterator<Item = String> {
        let effect = self.effect.clone().or(self.kind.effect(self.size()));
        effect.features.unwrap_or_default().into_keys()
    }

    /// Days that are looked at after its begin: three times the declared delay, so that a late find is told as late.
    pub fn horizon_days(&self) -> u32 {
        self.found_within_days.saturating_mul(3)
    }

    /// Everything wrong with it.
    pub fn problems(&self, scenario: &Scenario) -> Vec<String> {
        let mut problems = Vec::new();
        let mut add = |problem: String| problems.push(format!("fault {:?}: {problem}", self.name));
        if self.name.is_empty() || 64 < self.name.len() {
            add("name must have 1 to 64 letters".to_owned());
        }
        if !(1..=1000).contains(&self.found_within_days) || 1000 < self.start_day {
            add("start_day must be 0 to 1000, found_within_days 1 to 1000".to_owned());
        }
        if !(0.0 < self.share && self.share <= 1.0) {
            add(format!("share is {}; it must be above 0, and at most 1", self.share));
        }
        if self.package.is_some() && self.kind != FaultKind::ModelSwap {
            add(format!("package is there for model_swap only, not for {}", self.kind.name()));
        }
        if let Some(finding) = self.finding.as_ref().filter(|finding| !scenario.findings.contains_key(*finding)) {
            add(format!("it harms {finding:?}, which is no finding of the scenario"));
        }
        let holds = |group: &super::GroupScenario| self.at.iter().all(|(k, v)| group.attributes.get(k) == Some(v));
        if !self.at.is_empty() && !scenario.groups.iter().any(holds) {
            add("where names attributes that no [[scenario.group]] has".to_owned());
        }
        let effect = self.effects();
        let mut inside = |what: &str, value: Option<f64>, low: f64, high: f64| {
            if let Some(value) = value.filter(|value| !(low..=high).contains(value)) {
                add(format!("{what} is {value}; it must be in {low} to {high}"));
            }
        };
        inside("sensitivity_loss", effect.sensitivity_loss, -1.0, 1.0);
        inside("specificity_loss", effect.specificity_loss, -1.0, 1.0);
        inside("score_gain", effect.score_gain, 0.0, 100.0);
        inside("score_offset", effect.score_offset, -100.0, 100.0);
        inside("prevalence_factor", effect.prevalence_factor, 0.0, 1000.0);
        inside("not_eligible", effect.not_eligible, 0.0, 1.0);
        inside("failures", effect.failures, 0.0, 1.0);
        inside("label_delay_factor", effect.label_delay_factor, 0.0, 1000.0);
        inside("label_loss", effect.label_loss, 0.0, 1.0);
        inside("label_sensitivity_loss", effect.label_sensitivity_loss, 0.0, 1.0);
        inside("outside_envelope", effect.outside_envelope, 0.0, 1.0);
        for (name, shift) in effect.features.iter().flatten() {
            inside(&format!("shift of {name}"), Some(*shift), -100.0, 100.0);
        }
        problems
    }
}
