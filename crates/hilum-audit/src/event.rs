use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One act, as it enters the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When it happened, by the clock of the acting process.
    pub at: Timestamp,
    /// Who acted: `system:<part>`, `user:<name>`, `unproven:<name>` or `peer:<AE title>`; never a patient.
    pub actor: String,
    /// What was done.
    pub action: AuditAction,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// What it was done to.
    pub subject: AuditSubject,
    /// JSON object text, hashed byte for byte as it stands: digests, counts, codes; no direct identifier (PR-13).
    pub detail: String,
}

impl AuditEvent {
    /// An act that succeeded, without detail.
    pub fn new(at: Timestamp, actor: impl Into<String>, action: AuditAction, subject: AuditSubject) -> AuditEvent {
        AuditEvent { at, actor: actor.into(), action, outcome: AuditOutcome::Success, subject, detail: "{}".to_owned() }
    }

    /// The same act with its detail.
    pub fn detail(mut self, detail: &serde_json::Value) -> AuditEvent {
        self.detail = detail.to_string();
        self
    }

    /// The same act with another outcome.
    pub fn outcome(mut self, outcome: AuditOutcome) -> AuditEvent {
        self.outcome = outcome;
        self
    }
}

/// How an act ended (PS3.15 section A.5.1, EventOutcomeIndicator).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// Done (0).
    Success,
    /// Refused, or failed in a way that may be repeated (4).
    MinorFailure,
    /// Failed for good (8).
    SeriousFailure,
}

impl AuditOutcome {
    /// Stable name: `success`, `minor_failure`, `serious_failure`.
    pub fn name(self) -> &'static str {
        match self {
            AuditOutcome::Success => "success",
            AuditOutcome::MinorFailure => "minor_failure",
            AuditOutcome::SeriousFailure => "serious_failure",
        }
    }

    /// The outcome of that stable name.
    pub fn from_name(name: &str) -> Option<AuditOutcome> {
        [Self::Success, Self::MinorFailure, Self::SeriousFailure].into_iter().find(|outcome| outcome.name() == name)
    }

    /// EventOutcomeIndicator of PS3.15 section A.5.1.
    pub fn indicator(self) -> u8 {
        match self {
            AuditOutcome::Success => 0,
            AuditOutcome::MinorFailure => 4,
            AuditOutcome::SeriousFailure => 8,
        }
    }
}

/// What an act was done to, by an opaque key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AuditSubject {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// Its opaque key, digest or declared name; empty for the system itself.
    pub id: String,
}

impl AuditSubject {
    /// A subject from its parts.
    pub fn new(kind: SubjectKind, id: impl fmt::Display) -> AuditSubject {
        AuditSubject { kind, id: id.to_string() }
    }

    /// The system as a whole.
    pub fn system() -> AuditSubject {
        AuditSubject { kind: SubjectKind::System, id: String::new() }
    }
}

macro_rules! closed_set {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every member.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The stable name that is stored and hashed.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// The member of that stable name.
            pub fn from_name(name: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|member| member.name() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

closed_set! {
    /// What kind of thing an act was done to.
    SubjectKind {
        /// A study, by its opaque key.
        Study = "study",
        /// A deployment, by its declared name.
        Deployment = "deployment",
        /// A model package, by its digest.
        Package = "package",
        /// A delivery, by its opaque key.
        Delivery = "delivery",
        /// A job of the queue, by its opaque key.
        Job = "job",
        /// An object in quarantine, by its opaque key.
        Quarantine = "quarantine",
        /// A peer, by its AE title or declared name.
        Peer = "peer",
        /// A record, by its digest.
        Record = "record",
        /// A report, by its opaque key.
        Report = "report",
        /// A local user, by login name.
        User = "user",
        /// An alias, as `model/alias`.
        Alias = "alias",
        /// The system as a whole.
        System = "system",
    }
}

closed_set! {
    /// What was done: a closed set, stored by name. Names are never reused or renamed.
    AuditAction {
        /// An instance was received and is durable.
        InstanceStored = "instance_stored",
        /// An instance that is already held was received again, byte for byte.
        InstanceDuplicate = "instance_duplicate",
        /// Other bytes arrived under the identifier of an instance that is already held; both are kept.
        InstanceConflict = "instance_conflict",
        /// An object that could not be taken as an instance was set aside.
        InstanceQuarantined = "instance_quarantined",
        /// A study was complete.
        StudyCompleted = "study_completed",
        /// A late instance opened a complete study again.
        StudyReopened = "study_reopened",
        /// A study, its images or its journey were shown to a person or a peer.
        StudyAccessed = "study_accessed",
        /// The gate decided about one study revision and one deployment.
        GateDecided = "gate_decided",
        /// The disposition of a study revision for a deployment was set.
        DispositionSet = "disposition_set",
        /// A model ran, and its inference record is stored.
        InferenceRecorded = "inference_recorded",
        /// Results were released to their destinations.
        ResultReleased = "result_released",
        /// Results were kept back.
        ResultWithheld = "result_withheld",
        /// Results of an earlier study revision were superseded.
        ResultSuperseded = "result_superseded",
        /// The studies a model version was used on were listed.
        RecallListed = "recall_listed",
        /// An approved recall record began to be carried out.
        RecallBegun = "recall_begun",
        /// Results were retracted under a recall record.
        ResultRetracted = "result_retracted",
        /// A rejection note for retracted results was released to the destinations that may hold them.
        RejectionNoteReleased = "rejection_note_released",
        /// What a reader answered to a result was released as a report to the destinations that hold it, or could not be.
        AssessmentReportReleased = "assessment_report_released",
        /// A study of a recall could not be carried out; it may be repeated.
        RecallFailed = "recall_failed",
        /// A product that is a DICOM node was asked about a study or a fixed case.
        ProductAsked = "product_asked",
        /// A product sent a result to what it was asked.
        ProductAnswered = "product_answered",
        /// A run of fixed cases began.
        CanaryBegun = "canary_begun",
        /// A run of fixed cases ended.
        CanaryEnded = "canary_ended",
        /// A delivery was tried.
        DeliveryAttempted = "delivery_attempted",
        /// A person asked for a dead delivery to be tried again.
        DeliveryRetried = "delivery_retried",
        /// A job was given up.
        JobDead = "job_dead",
        /// A job was cancelled.
        JobCancelled = "job_cancelled",
        /// A model package was imported.
        PackageImported = "package_imported",
        /// A model package was refused.
        PackageRefused = "package_refused",
        /// A record was entered.
        RecordAdded = "record_added",
        /// A person signed a record.
        RecordSigned = "record_signed",
        /// A user was entered.
        UserAdded = "user_added",
        /// A user's name for people, roles, password, key or activity changed.
        UserChanged = "user_changed",
        /// A reference set was used by a gate run.
        ReferenceUsed = "reference_used",
        /// Objects of a reference set are kept for as long as the catalog.
        ReferenceObjectsKept = "reference_objects_kept",
        /// The fingerprints of a case list were remembered.
        FingerprintsAdded = "fingerprints_added",
        /// An alias was moved.
        AliasMoved = "alias_moved",
        /// A deployment was declared or changed.
        DeploymentApplied = "deployment_applied",
        /// A deployment was suspended.
        DeploymentSuspended = "deployment_suspended",
        /// A suspension was lifted.
        DeploymentResumed = "deployment_resumed",
        /// A deployment was moved one step of its life, or its champion took over its version.
        DeploymentPromoted = "deployment_promoted",
        /// A deployment went back to the version before.
        DeploymentRolledBack = "deployment_rolled_back",
        /// A rule of the monitor fired, and what it says was done.
        StopRuleFired = "stop_rule_fired",
        /// It was recorded which version answers for a study.
        StudyAssigned = "study_assigned",
        /// A label was entered.
        LabelAdded = "label_added",
        /// An answer to a result that is not known here was kept and flagged.
        LabelSetAside = "label_set_aside",
        /// A report came in.
        ReportReceived = "report_received",
        /// A report was tied to its study.
        ReportLinked = "report_linked",
        /// A report was read for labels.
        ReportRead = "report_read",
        /// A study was drawn by lot for adjudication.
        AuditSampleDrawn = "audit_sample_drawn",
        /// An alarm was acknowledged by a person.
        AlarmAcknowledged = "alarm_acknowledged",
        /// An alarm was given to somebody.
        AlarmAssigned = "alarm_assigned",
        /// An alarm that nobody acknowledged in time was passed on.
        AlarmEscalated = "alarm_escalated",
        /// An alarm was closed with a cause.
        AlarmClosed = "alarm_closed",
        /// A message about an alarm was sent, or given up.
        AlarmNotified = "alarm_notified",
        /// The books of a day were looked at.
        BooksChecked = "books_checked",
        /// Rows of observations or labels left as a file for analysis.
        TableExported = "table_exported",
        /// A configuration was read and taken.
        ConfigLoaded = "config_loaded",
        /// A process started.
        Started = "started",
        /// A process stopped in an orderly way.
        Stopped = "stopped",
        /// Leftovers of an interrupted run were reclaimed.
        StorageSwept = "storage_swept",
        /// A peer was refused.
        PeerRefused = "peer_refused",
        /// Something that may be an attack or a fault of the site, such as a clock that went back.
        SecurityAlert = "security_alert",
    }
}

impl AuditAction {
    /// The event of PS3.15 section A.5.3 it is reported as: code value (scheme `DCM`) and meaning.
    /// Acts on Hilum itself have no event of their own there and count as application activity.
    pub fn dicom_event(self) -> (&'static str, &'static str) {
        use AuditAction as A;
        match self {
            A::InstanceStored | A::InstanceDuplicate | A::InstanceConflict | A::InstanceQuarantined => {
                ("110104", "DICOM Instances Transferred")
            }
            A::DeliveryAttempted
            | A::ResultReleased
            | A::RejectionNoteReleased
            | A::AssessmentReportReleased
            | A::ProductAsked
            | A::ProductAnswered => ("110104", "DICOM Instances Transferred"),
            A::StudyAccessed | A::StudyCompleted | A::StudyReopened | A::RecallListed => {
                ("110103", "DICOM Instances Accessed")
            }
            A::PackageImported => ("110107", "Import"),
            A::TableExported => ("110106", "Export"),
            // Event type 110137, User Security Attributes Changed.
            A::UserAdded | A::UserChanged => ("110113", "Security Alert"),
            A::PeerRefused | A::SecurityAlert | A::PackageRefused => ("110113", "Security Alert"),
            _ => ("110100", "Application Activity"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::from_name(action.name()), Some(*action));
            assert_eq!(serde_json::to_string(action).unwrap(), format!("\"{action}\""));
        }
        assert_eq!(AuditAction::from_name("instance_deleted"), None);
    }

    /// PS3.15 section A.5.1: 0 success, 4 minor failure, 8 serious failure.
    #[test]
    fn outcomes_have_the_indicators_of_the_standard() {
        let indicators = [AuditOutcome::Success, AuditOutcome::MinorFailure, AuditOutcome::SeriousFailure]
            .map(AuditOutcome::indicator);
        assert_eq!(indicators, [0, 4, 8]);
    }
}
