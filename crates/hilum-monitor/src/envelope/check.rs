//! One study against an envelope.

use super::{Envelope, EnvelopeError, FORMAT, FeatureScale};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A deviation counts at most this much in the joint distance, so that its square stays a number.
const DEVIATION_MAX: f64 = 1e6;
/// Features that a joint distance names.
const NAMED: usize = 3;

/// How a study compares with the envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvelopeCheck {
    /// What is outside, the farthest first; empty: the study is inside.
    pub outside: Vec<Outside>,
    /// Its score.
    pub score: f64,
    /// The score beyond which a study is outside, at the declared rate.
    pub limit: f64,
    /// Conformal p-value: of studies like those of the reference set, at most about this share has as high a score.
    pub p_value: f64,
    /// Share of the reference cases with a lower score, in percent.
    pub percentile: f64,
    /// Cases the envelope was learned from.
    pub n_cases: usize,
}

/// One feature beyond its bounds, or the whole of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Outside {
    /// A feature beyond its bounds.
    Feature {
        /// Its name.
        name: String,
        /// What was measured.
        value: f64,
        /// Lowest value inside.
        lower: f64,
        /// Highest value inside.
        upper: f64,
    },
    /// A feature that every reference case has and this study lacks.
    Missing {
        /// Its name.
        name: String,
    },
    /// Every feature is within its bounds, and they do not go together.
    Together {
        /// Distance, in units of its limit: above 1.
        times: f64,
        /// Features that contribute most.
        most_of_all: Vec<String>,
    },
}

impl Outside {
    /// Name of the feature; `joint` for the whole of them.
    pub fn name(&self) -> &str {
        match self {
            Outside::Feature { name, .. } | Outside::Missing { name } => name,
            Outside::Together { .. } => "joint",
        }
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outside::Feature { name, value, lower, upper } => {
                write!(f, "{} {} against {} to {}", name.replace('_', " "), short(*value), short(*lower), short(*upper))
            }
            Outside::Missing { name } => {
                write!(f, "{} is not stated, and every reference case has it", name.replace('_', " "))
            }
            Outside::Together { times, most_of_all } => {
                let names = most_of_all.join(", ").replace('_', " ");
                write!(
                    f,
                    "the measurements do not go together ({} times the limit), most of all {names}",
                    short(*times)
                )
            }
        }
    }
}

/// Three digits that count.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let decimals = (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

impl EnvelopeCheck {
    /// Whether the study is inside.
    pub fn is_inside(&self) -> bool {
        self.outside.is_empty()
    }

    /// Names of what is outside.
    pub fn names(&self) -> Vec<String> {
        self.outside.iter().map(|outside| outside.name().to_owned()).collect()
    }

    /// What decided, in words, at most four of them: `noise 41 against 3 to 12; rows 64 against 210 to 530`.
    pub fn sentence(&self) -> String {
        let mut parts: Vec<String> = self.outside.iter().take(4).map(Outside::to_string).collect();
        if 4 < self.outside.len() {
            parts.push(format!("and {} more", self.outside.len() - 4));
        }
        parts.join("; ")
    }
}

/// Both parts of a score.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored {
    pub(super) single: f64,
    pub(super) joint: f64,
}

impl Scored {
    pub(super) fn score(self) -> f64 {
        self.single.max(self.joint)
    }
}

/// Standardised deviations of a row of values in the order of the features.
pub(super) fn deviations(envelope: &Envelope, row: &[f64]) -> Vec<f64> {
    envelope.features.iter().zip(row).map(|(scale, value)| deviation(scale, *value)).collect()
}

fn deviation(scale: &FeatureScale, value: f64) -> f64 {
    let value = if scale.logarithmic { value.max(f64::MIN_POSITIVE).ln() } else { value };
    let distance = value - scale.centre;
    distance / if distance < 0.0 { scale.below } else { scale.above }
}

/// The value at so many units from the centre, on either side.
pub(super) fn bounds(scale: &FeatureScale, units: f64) -> [f64; 2] {
    let ends = [scale.centre - units * scale.below, scale.centre + units * scale.above];
    if scale.logarithmic { ends.map(f64::exp) } else { ends }
}

pub(super) fn scored(envelope: &Envelope, deviations: &[f64]) -> Scored {
    let single = deviations.iter().fold(0.0f64, |most, z| most.max(z.abs()));
    let joint = contributions(envelope, deviations).iter().sum::<f64>().max(0.0).sqrt();
    Scored { single: single / envelope.units[0], joint: joint / envelope.units[1] }
}

/// What every feature adds to the squared distance; single ones may be negative, the sum is not.
fn contributions(envelope: &Envelope, deviations: &[f64]) -> Vec<f64> {
    let p = envelope.features.len();
    let centred: Vec<f64> = envelope
        .features
        .iter()
        .zip(deviations)
        .map(|(scale, z)| z.clamp(-DEVIATION_MAX, DEVIATION_MAX) - scale.mean)
        .collect();
    let times = |row: &[f64]| row.iter().zip(&centred).map(|(a, b)| a * b).sum::<f64>();
    envelope.precision.chunks_exact(p).zip(&centred).map(|(row, z)| z * times(row)).collect()
}

pub(super) fn check(
    envelope: &Envelope,
    features: &BTreeMap<String, f64>,
    rate: f64,
) -> Result<EnvelopeCheck, EnvelopeError> {
    let p = envelope.features.len();
    if envelope.format != FORMAT {
        return Err(EnvelopeError::Stored("its format is of another version of Hilum"));
    }
    if p == 0 || envelope.precision.len() != p * p {
        return Err(EnvelopeError::Stored("its parts do not fit together"));
    }
    if let Some((name, _)) = features.iter().find(|(_, value)| !value.is_finite()) {
        return Err(EnvelopeError::NotFinite(name.clone()));
    }
    let limit = envelope.limit(rate)?;
    let mut missing = Vec::new();
    // What is missing lies at the centre for the distance of the others.
    let deviations: Vec<f64> = envelope
        .features
        .iter()
        .map(|scale| match features.get(&scale.name) {
            Some(value) => deviation(scale, *value),
            None => {
                missing.push(Outside::Missing { name: scale.name.clone() });
                scale.mean
            }
        })
        .collect();
    let scored = scored(envelope, &deviations);
    let mut outside = missing;
    outside.extend(beyond(envelope, features, &deviations, limit));
    if outside.is_empty() && limit < scored.joint {
        let times = scored.joint / limit;
        outside.push(Outside::Together { times, most_of_all: most_of_all(envelope, &deviations) });
    }
    let score = scored.score();
    let n = envelope.scores.len();
    let lower = envelope.scores.partition_point(|reference| *reference < score);
    Ok(EnvelopeCheck {
        outside,
        score,
        limit,
        p_value: (1 + n - lower) as f64 / (n + 1) as f64,
        percentile: 100.0 * lower as f64 / n as f64,
        n_cases: n,
    })
}

/// Single features beyond their bounds, the farthest first.
fn beyond(envelope: &Envelope, features: &BTreeMap<String, f64>, deviations: &[f64], limit: f64) -> Vec<Outside> {
    let units = limit * envelope.units[0];
    let far = envelope.features.iter().zip(deviations).filter(|(_, z)| units < z.abs());
    let mut far: Vec<(&FeatureScale, f64)> = far.map(|(scale, z)| (scale, z.abs())).collect();
    far.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.name.cmp(&b.0.name)));
    far.into_iter()
        .filter_map(|(scale, _)| {
            let [lower, upper] = bounds(scale, units);
            Some(Outside::Feature { name: scale.name.clone(), value: *features.get(&scale.name)?, lower, upper })
        })
        .collect()
}

fn most_of_all(envelope: &Envelope, deviations: &[f64]) -> Vec<String> {
    let mut parts: Vec<(f64, &str)> = contributions(envelope, deviations)
        .into_iter()
        .zip(envelope.features.iter().map(|scale| scale.name.as_str()))
        .collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    parts.into_iter().take(NAMED).map(|(_, name)| name.to_owned()).collect()
}
