//! What happened to a deployment, on one line of time: figures per week, and everything that people and rules did.

mod marks;
mod weeks;

pub use marks::{ChangeFact, Mark, MarkKind, change_marks, signal_mark};
pub use weeks::{CountKind, DayCount, NamedFigure, Week, add_performance, count_day, weeks};

use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The timeline of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The deployment.
    pub deployment: String,
    /// Begin, inclusive.
    pub from: Timestamp,
    /// End, exclusive.
    pub until: Timestamp,
    /// Everything that happened, oldest first.
    pub marks: Vec<Mark>,
    /// Figures per week, oldest first.
    pub weeks: Vec<Week>,
}
