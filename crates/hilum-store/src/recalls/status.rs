//! Where a recall stands: per study and destination, whether the archive took the retraction.

use super::RecallPlan;
use crate::{DeliveryKey, StudyKey};
use hilum_types::{Digest, Phi, Timestamp, Uid};
use serde::{Deserialize, Serialize};

/// How far a recall has come for one study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecallStep {
    /// Listed and signed for; nothing was done yet.
    Planned,
    /// Results are stopped and marked; the rejection note is to come.
    Retracted,
    /// The rejection note is made and on its way, or there.
    Noted,
    /// Results are marked; nothing had left, so that no note is needed.
    Inside,
    /// The note could not be made; the results stay marked.
    Failed,
}

impl RecallStep {
    /// Stable name: `planned`, `retracted`, `noted`, `inside`, `failed`.
    pub fn name(self) -> &'static str {
        match self {
            RecallStep::Planned => "planned",
            RecallStep::Retracted => "retracted",
            RecallStep::Noted => "noted",
            RecallStep::Inside => "inside",
            RecallStep::Failed => "failed",
        }
    }

    /// The step of that stable name.
    pub fn from_name(name: &str) -> Option<RecallStep> {
        [Self::Planned, Self::Retracted, Self::Noted, Self::Inside, Self::Failed]
            .into_iter()
            .find(|step| step.name() == name)
    }

    /// Whether something is left to do for the study.
    pub fn is_open(self) -> bool {
        matches!(self, RecallStep::Planned | RecallStep::Retracted | RecallStep::Failed)
    }
}

/// Whether a destination holds a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Nothing was ever sent there.
    Never,
    /// Sent and never acknowledged: an association may break after the archive has stored the object.
    Possible,
    /// The destination accepted one.
    Delivered,
}

impl Held {
    /// Stable name: `never`, `possible`, `delivered`.
    pub fn name(self) -> &'static str {
        match self {
            Held::Never => "never",
            Held::Possible => "possible",
            Held::Delivered => "delivered",
        }
    }
}

/// What a destination said to the rejection note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It holds none of the results, so there is nothing to retract.
    NothingToRetract,
    /// The recall has not come to this study yet.
    NotYet,
    /// The note waits to be sent, or to be sent again.
    Waiting {
        /// Attempts so far.
        attempts: u32,
        /// Why the last one failed.
        last_error: Option<String>,
    },
    /// The destination took the note.
    Accepted {
        /// When.
        at: Timestamp,
    },
    /// The delivery was given up; `hilum delivery retry` tries again.
    Refused {
        /// Attempts made.
        attempts: u32,
        /// What the destination said, with the status.
        error: String,
        /// The delivery, for a retry.
        delivery: DeliveryKey,
    },
}

impl Answer {
    /// Stable name: `nothing_to_retract`, `not_yet`, `waiting`, `accepted`, `refused`.
    pub fn name(&self) -> &'static str {
        match self {
            Answer::NothingToRetract => "nothing_to_retract",
            Answer::NotYet => "not_yet",
            Answer::Waiting { .. } => "waiting",
            Answer::Accepted { .. } => "accepted",
            Answer::Refused { .. } => "refused",
        }
    }
}

/// One destination of one study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationStatus {
    /// Declared name.
    pub destination: String,
    /// Whether it holds a result.
    pub held: Held,
    /// What it said to the note.
    #[serde(flatten)]
    pub answer: Answer,
}

/// One study of a recall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecallStudyStatus {
    /// Opaque name.
    pub study_key: StudyKey,
    /// Accession Number, empty when not stated.
    pub accession_number: Phi<String>,
    /// Results that are listed.
    pub n_results: u32,
    /// Of these, how many another recall has retracted before.
    pub n_retracted_before: u32,
    /// How far it has come.
    pub step: RecallStep,
    /// Why the note could not be made.
    pub failure: Option<String>,
    /// SOP Instance UID of the rejection note.
    pub note: Option<Uid>,
    /// By destination; empty when the results were never meant to leave.
    pub destinations: Vec<DestinationStatus>,
}

/// Where a recall stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecallStatus {
    /// The record.
    pub record: Digest,
    /// What it says.
    pub plan: RecallPlan,
    /// Who began to carry it out, and when; absent when nobody did.
    pub begun: Option<(String, Timestamp)>,
    /// Every study of the record, in its order.
    pub studies: Vec<RecallStudyStatus>,
}

/// Totals of a recall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCounts {
    /// Studies listed.
    pub n_studies: u64,
    /// Studies with something left to do by `hilum recall --carry-out`.
    pub n_open: u64,
    /// Studies of which nothing had left.
    pub n_inside: u64,
    /// Destinations of studies that took the note.
    pub n_accepted: u64,
    /// Destinations of studies whose note waits.
    pub n_waiting: u64,
    /// Destinations of studies whose note was given up.
    pub n_refused: u64,
    /// Destinations of studies to which nothing was ever sent.
    pub n_nothing_to_retract: u64,
}

impl RecallStatus {
    /// Totals.
    pub fn counts(&self) -> StatusCounts {
        let mut counts = StatusCounts { n_studies: self.studies.len() as u64, ..StatusCounts::default() };
        for study in &self.studies {
            counts.n_open += u64::from(study.step.is_open());
            counts.n_inside += u64::from(study.step == RecallStep::Inside);
            for destination in &study.destinations {
                match destination.answer {
                    Answer::NothingToRetract => counts.n_nothing_to_retract += 1,
                    Answer::NotYet => {}
                    Answer::Waiting { .. } => counts.n_waiting += 1,
                    Answer::Accepted { .. } => counts.n_accepted += 1,
                    Answer::Refused { .. } => counts.n_refused += 1,
                }
            }
        }
        counts
    }

    /// Whether nothing is left to do or to wait for: every destination that holds a result took its note.
    pub fn is_complete(&self) -> bool {
        let counts = self.counts();
        counts.n_open + counts.n_waiting + counts.n_refused == 0
    }
}
