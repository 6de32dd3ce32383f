//! How far a label is from the output of a model: what every figure about performance depends on (MV-24, MV-25).

use serde::{Deserialize, Serialize};

/// Whether the labeller had seen the output of a model before labelling (MV-24).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// No.
    Unexposed,
    /// Yes: agreement with such a label is concordance, not accuracy, so it never enters sensitivity or specificity
    /// (MV-25).
    Exposed,
    /// Not recorded. Figures say how many there are.
    #[default]
    Unknown,
}

/// How far a label is from the output of a model (DSES 0.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Independence {
    /// Nobody on the way to the label saw any.
    Unexposed,
    /// The labeller saw something made by somebody who had seen it, such as a report.
    IndirectlyExposed,
    /// The labeller saw it.
    DirectlyExposed,
    /// It is what came of acting on it, such as a biopsy that the model asked for.
    PostAction,
}

impl Independence {
    /// Every class.
    pub const ALL: [Independence; 4] =
        [Self::Unexposed, Self::IndirectlyExposed, Self::DirectlyExposed, Self::PostAction];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Independence::Unexposed => "unexposed",
            Independence::IndirectlyExposed => "indirectly_exposed",
            Independence::DirectlyExposed => "directly_exposed",
            Independence::PostAction => "post_action",
        }
    }

    /// The class of that stable name.
    pub fn from_name(name: &str) -> Option<Independence> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}
