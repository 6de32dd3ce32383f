//! What a result object says, whoever made it.

use crate::Digest;
use serde::{Deserialize, Serialize};

/// What an object says about the algorithm that made it (GV-01, AV-16).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlgorithmClaim {
    /// Name of the algorithm or of its device.
    pub name: String,
    /// Version; empty when not stated.
    pub version: String,
    /// Maker; empty when not stated.
    pub manufacturer: String,
    /// What said so, such as `TID 4019` or `Segment Algorithm Name`.
    pub evidence: String,
}

impl AlgorithmClaim {
    /// What sightings are grouped by: name and maker without case and repeated spaces. Versions of one algorithm are
    /// one group.
    pub fn key(&self) -> Digest {
        Digest::of(format!("{}\n{}", folded(&self.name), folded(&self.manufacturer)).as_bytes())
    }

    /// Whether it is an algorithm of one of these names, by that maker where the object states one.
    pub fn is(&self, names: &[&str], manufacturer: &str) -> bool {
        let same = |a: &str, b: &str| folded(a) == folded(b);
        names.iter().any(|name| same(name, &self.name))
            && (self.manufacturer.trim().is_empty() || same(&self.manufacturer, manufacturer))
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// One thing that a result object says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatedValue {
    /// A number.
    Number {
        /// The value.
        value: f64,
        /// Its unit (UCUM), `1` for none.
        unit: String,
    },
    /// A coded answer, such as the presence of a finding.
    Code(String),
}

impl std::fmt::Display for StatedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StatedValue::Code(code) => f.write_str(code),
            StatedValue::Number { value, unit } if unit == "1" => write!(f, "{value}"),
            StatedValue::Number { value, unit } => write!(f, "{value} {unit}"),
        }
    }
}
