use crate::Observation;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What moved: a number per study.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Score of a finding.
    Score(String),
    /// Whether a finding was called present, as 0 or 1.
    Positive(String),
    /// A feature measured on pixels or headers.
    Feature(String),
    /// Whether the study ended like this, as 0 or 1.
    Disposition(String),
    /// Whether it was outside the acquisition envelope, as 0 or 1.
    OutsideEnvelope,
}

impl Quantity {
    /// Its value for a study; `None`: it has none.
    pub fn of(&self, observation: &Observation) -> Option<f64> {
        let indicator = |is: bool| if is { 1.0 } else { 0.0 };
        let value = match self {
            Quantity::Score(finding) => observation.outputs.get(finding)?.score,
            Quantity::Positive(finding) => observation.outputs.get(finding)?.present.map(indicator),
            Quantity::Feature(name) => observation.features.get(name).copied(),
            Quantity::Disposition(name) => Some(indicator(observation.disposition == *name)),
            Quantity::OutsideEnvelope => {
                observation.outside_envelope.as_ref().map(|outside| indicator(!outside.is_empty()))
            }
        };
        value.filter(|value| value.is_finite())
    }

    /// Everything that the studies have a value of and that may have moved by itself: whether a study was analysed or
    /// withheld follows from stops and rules, and would hide what led to them.
    pub fn all_in(observations: &[Observation]) -> Vec<Quantity> {
        let mut found = BTreeSet::new();
        for observation in observations {
            for (finding, output) in &observation.outputs {
                if output.score.is_some() {
                    found.insert(Quantity::Score(finding.clone()));
                }
                if output.present.is_some() {
                    found.insert(Quantity::Positive(finding.clone()));
                }
            }
            found.extend(observation.features.keys().cloned().map(Quantity::Feature));
            if !matches!(observation.disposition.as_str(), "analysed" | "withheld") {
                found.insert(Quantity::Disposition(observation.disposition.clone()));
            }
            if observation.outside_envelope.is_some() {
                found.insert(Quantity::OutsideEnvelope);
            }
        }
        found.into_iter().collect()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Score(finding) => write!(f, "score:{finding}"),
            Quantity::Positive(finding) => write!(f, "positive:{finding}"),
            Quantity::Feature(name) => write!(f, "feature:{name}"),
            Quantity::Disposition(name) => write!(f, "disposition:{name}"),
            Quantity::OutsideEnvelope => f.write_str("outside_envelope"),
        }
    }
}

/// The text names no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no quantity; give score:FINDING, positive:FINDING, feature:NAME, disposition:NAME or outside_envelope"
)]
pub struct InvalidQuantity(String);

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(raw: &str) -> Result<Self, InvalidQuantity> {
        let invalid = || InvalidQuantity(raw.chars().take(80).collect());
        if raw == "outside_envelope" {
            return Ok(Quantity::OutsideEnvelope);
        }
        let (kind, name) = raw.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or_else(invalid)?;
        let make = match kind {
            "score" => Quantity::Score,
            "positive" => Quantity::Positive,
            "feature" => Quantity::Feature,
            "disposition" => Quantity::Disposition,
            _ => return Err(invalid()),
        };
        Ok(make(name.to_owned()))
    }
}
