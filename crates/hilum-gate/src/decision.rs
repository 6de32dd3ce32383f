use hilum_types::{Digest, Disposition, Reason, Timestamp, Uid};
use serde::{Deserialize, Serialize};

/// When the gate was asked. It is asked twice, because a stop may have fired in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before the model runs.
    BeforeInference,
    /// After it ran, before anything leaves.
    BeforeRelease,
}

impl Stage {
    /// Stable name: `before_inference`, `before_release`.
    pub fn name(self) -> &'static str {
        match self {
            Stage::BeforeInference => "before_inference",
            Stage::BeforeRelease => "before_release",
        }
    }
}

/// What the gate answers for one study revision and one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The model may run (or its result may leave).
    Run {
        /// The series it reads.
        series_instance_uid: Uid,
        /// Whether results stay inside (MV-16).
        shadow: bool,
    },
    /// The model is not meant for this study, or that cannot be known.
    NotEligible {
        /// What decided.
        reason: Reason,
    },
    /// The model may not be used now.
    Withheld {
        /// What decided.
        reason: Reason,
    },
    /// The result would come too late.
    Expired {
        /// What decided.
        reason: Reason,
    },
}

impl Verdict {
    /// Stable name: `run`, `not_eligible`, `withheld`, `expired`.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Run { .. } => "run",
            Verdict::NotEligible { .. } => "not_eligible",
            Verdict::Withheld { .. } => "withheld",
            Verdict::Expired { .. } => "expired",
        }
    }

    /// The disposition this verdict ends the study in; `None` for [`Verdict::Run`], which has not ended yet.
    pub fn disposition(&self) -> Option<Disposition> {
        match self {
            Verdict::Run { .. } => None,
            Verdict::NotEligible { reason } => Some(Disposition::NotEligible(reason.clone())),
            Verdict::Withheld { reason } => Some(Disposition::Withheld(reason.clone())),
            Verdict::Expired { reason } => Some(Disposition::Expired(reason.clone())),
        }
    }
}

/// The steps of the gate, in the order they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// Package and deployment are within their dates (GV-09).
    InDate,
    /// The state of the deployment is one in which it sees studies.
    State,
    /// No suspension is in force (MV-05).
    Suspension,
    /// What the deployment stands on: an acceptance in date, or none for research (MV-01, ADR 0007).
    Acceptance,
    /// There is fresh evidence about how it performs (MV-06).
    Evidence,
    /// Somebody has looked at the figures in time, where it stops otherwise (MV-06).
    Review,
    /// The study has an image series of the kind the package reads.
    Series,
    /// The package's and the deployment's intended use cover that series (MV-02, MV-03).
    IntendedUse,
    /// The result still comes in time (AV-06).
    Turnaround,
    /// The images lie where those of the accepted reference set lie, measured on pixels, before release (MV-04).
    Envelope,
    /// Scanner, software version and protocol are known, or have passed, before release (MV-23).
    AcquisitionGroup,
    /// Which version answers for the study while one is limited (MV-18).
    Assignment,
    /// How readers will see it.
    ReadingMode,
    /// There is room for one more shadow run.
    Room,
}

/// How one step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The step lets the study on.
    Passed,
    /// The step lets the study on, and the result has to say what was found.
    Marked,
    /// The step decided against running; no later step was taken.
    Stopped,
}

/// One step taken, with the value that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which step.
    pub step: StepName,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub reason: Reason,
}

/// One answer of the gate with everything that led to it: immutable once stored (MV-19).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateDecision {
    /// Name of the deployment.
    pub deployment: String,
    /// Its revision, so that a later change cannot blur what was decided on.
    pub deployment_revision: u32,
    /// The exact package.
    pub package_digest: Digest,
    /// Revision of the study.
    pub study_revision: u32,
    /// Before inference or before release.
    pub stage: Stage,
    /// When.
    pub decided_at: Timestamp,
    /// The answer.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Every step taken, in order.
    pub steps: Vec<Step>,
}

impl GateDecision {
    /// What the result has to say about how it came to be released, in words.
    pub fn marks(&self) -> Vec<String> {
        let marked = self.steps.iter().filter(|step| step.outcome == Outcome::Marked);
        marked.map(|step| step.reason.text.clone()).collect()
    }

    /// One line for people: what happens and why.
    pub fn sentence(&self) -> String {
        match &self.verdict {
            Verdict::Run { shadow: false, .. } => format!("run {}", self.deployment),
            Verdict::Run { shadow: true, .. } => format!("run {} in shadow", self.deployment),
            Verdict::NotEligible { reason } => format!("skip {}: {reason}", self.deployment),
            Verdict::Withheld { reason } => format!("withhold {}: {reason}", self.deployment),
            Verdict::Expired { reason } => format!("too late for {}: {reason}", self.deployment),
        }
    }
}
