//! Alarms that a person can work with, what is sent about them, and the daily look at the books (MV-20, MV-31, UX-13).

use crate::{AlarmKey, NotificationKey, StoreError, StudyKey};
use async_trait::async_trait;
use hilum_monitor::alarm::CauseCode;
use hilum_monitor::notice::Notice;
use hilum_monitor::timeline::DayCount;
use hilum_monitor::{Severity, Signal};
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};

/// A condition that a person must look at. It is open until somebody acknowledges it, and ends with a cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub key: AlarmKey,
    /// Stable code, such as `monitor-rule`, `instance-conflict`, `job-dead`, `delivery-dead`.
    pub code: String,
    /// Plain sentence; no patient data.
    pub text: String,
    /// Study it is about.
    pub study_key: Option<StudyKey>,
    /// Deployment it is about.
    pub deployment: Option<String>,
    /// How severe it is now; escalation raises it to `review`.
    pub severity: Severity,
    /// The cut that its signals hold for, such as `station=CT2`; empty: the whole deployment, or not made of signals.
    pub cut: String,
    /// Names of the rules whose signals it is made of.
    pub rules: Vec<String>,
    /// The most severe of its signals, the latest of these.
    pub signal: Option<Signal>,
    /// Who answers for it: a person or a role; empty: nobody is named.
    pub owner: String,
    /// Whether somebody is told of it by itself; `false` when the weekly budget was spent.
    pub announced: bool,
    /// How often it was passed on because nobody answered.
    pub level: u32,
    /// Until when it must be acknowledged; `None` for alarms of earlier releases.
    pub due_at: Option<Timestamp>,
    /// Since when.
    pub raised_at: Timestamp,
    /// When it was last raised.
    pub last_raised_at: Timestamp,
    /// How often it was raised since.
    pub n_raised: u64,
    /// When a person acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// How it ended.
    pub closing: Option<AlarmClosing>,
}

/// How an alarm ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmClosing {
    /// When.
    pub at: Timestamp,
    /// Who closed it.
    pub by: String,
    /// Why it happened.
    pub cause: CauseCode,
    /// What was found, in their words; may be empty.
    pub comment: String,
}

/// Which alarms to list. `None` and `false` say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlarmFilter {
    /// Not acknowledged.
    pub only_open: bool,
    /// Not closed.
    pub only_unclosed: bool,
    /// Of this deployment.
    pub deployment: Option<String>,
    /// Raised at or after this time.
    pub from: Option<Timestamp>,
    /// Raised before this time.
    pub until: Option<Timestamp>,
}

/// Why somebody is told of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationEvent {
    /// It is new.
    Raised,
    /// It became more severe.
    Worse,
    /// Use was stopped again after an earlier stop had been acknowledged.
    StoppedAgain,
    /// Nobody acknowledged it in time.
    Escalated,
    /// No alarm: a deployment changed whose results the destinations of the contact receive.
    Changed,
}

impl NotificationEvent {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            NotificationEvent::Raised => "raised",
            NotificationEvent::Worse => "worse",
            NotificationEvent::StoppedAgain => "stopped-again",
            NotificationEvent::Escalated => "escalated",
            NotificationEvent::Changed => "changed",
        }
    }

    /// The event of that name.
    pub fn from_name(name: &str) -> Option<NotificationEvent> {
        use NotificationEvent::{Changed, Escalated, Raised, StoppedAgain, Worse};
        [Raised, Worse, StoppedAgain, Escalated, Changed].into_iter().find(|event| event.name() == name)
    }
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq)]
pub enum About {
    /// An alarm, as it stands now: one contact is told.
    Alarm(Box<Alarm>),
    /// A change of a deployment: the contacts of every destination that receives its results are told (MV-05).
    Change(Box<Notice>),
}

/// A message, as it waits in the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Its name; it is the idempotency key of every attempt.
    pub key: NotificationKey,
    /// What it is about.
    pub about: About,
    /// Why somebody is told.
    pub event: NotificationEvent,
    /// Which of the contacts is told: 0 is the first.
    pub level: u32,
    /// Contacts of the deployment's plan when it was entered; empty: the site's own.
    pub contacts: Vec<String>,
    /// `queued`, `sent`, `dead`, `nobody`.
    pub state: String,
    /// Channels that took it already: `email`, `webhook`, or `<contact>/email` where several contacts are told.
    pub channels_done: Vec<String>,
    /// Attempts so far, this one included.
    pub attempts: u32,
    /// What went wrong at the last attempt.
    pub last_error: Option<String>,
    /// When it was entered.
    pub created_at: Timestamp,
}

impl Notification {
    /// Stable code of what it is about.
    pub fn code(&self) -> &str {
        match &self.about {
            About::Alarm(alarm) => &alarm.code,
            About::Change(notice) => notice.change.name(),
        }
    }
}

/// How an attempt to send a notification ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationOutcome {
    /// Every channel of the contact took it.
    Sent,
    /// There is nobody to tell: no contact is configured.
    Nobody,
    /// Try again at that time.
    Retry {
        /// When.
        due_at: Timestamp,
        /// What went wrong.
        error: String,
    },
    /// Given up; an alarm on the page says so.
    Dead {
        /// What went wrong.
        error: String,
    },
}

/// Alarms and what follows from them. Every act is one transaction with its audit entry; messages are entered by the act
/// that raises or escalates, so that none is lost however the process ends.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// Raise an alarm; one that is open with the same code, study and deployment counts up instead. Severity and next step
    /// follow from the code.
    async fn alarm_raise(
        &self,
        code: &str,
        text: &str,
        study_key: Option<&StudyKey>,
        deployment: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Raise the alarm of a signal. Signals of one deployment and cut are one alarm until it is closed.
    async fn alarm_signal(&self, signal: &Signal, now: Timestamp) -> Result<(), StoreError>;

    /// Alarms, newest first.
    async fn alarm_list(&self, only_open: bool, limit: u32) -> Result<Vec<Alarm>, StoreError>;

    /// Alarms of a filter, newest first.
    async fn alarm_find(&self, filter: &AlarmFilter, limit: u32) -> Result<Vec<Alarm>, StoreError>;

    /// One alarm.
    async fn alarm_get(&self, key: &AlarmKey) -> Result<Option<Alarm>, StoreError>;

    /// A person has seen the alarm: it no longer escalates.
    async fn alarm_acknowledge(&self, key: &AlarmKey, actor: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Give the alarm to somebody.
    async fn alarm_assign(&self, key: &AlarmKey, owner: &str, actor: &str, now: Timestamp) -> Result<(), StoreError>;

    /// End the alarm with a cause.
    async fn alarm_close(
        &self,
        key: &AlarmKey,
        cause: CauseCode,
        comment: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Pass on at most `limit` alarms that nobody acknowledged in time; says how many.
    async fn alarm_escalate_due(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Take at most `limit` messages that are due, for `hold_seconds`; each attempt counts. A message whose sender dies is
    /// due again when that time is over.
    async fn notification_take(
        &self,
        now: Timestamp,
        hold_seconds: u32,
        limit: u32,
    ) -> Result<Vec<Notification>, StoreError>;

    /// Hold a message that was taken for `hold_seconds` from now: its sender is alive. One that has ended stays as it is.
    async fn notification_hold(
        &self,
        key: &NotificationKey,
        hold_seconds: u32,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// A channel took the message: it is not sent there again.
    async fn notification_channel_done(&self, key: &NotificationKey, channel: &str) -> Result<(), StoreError>;

    /// End one attempt.
    async fn notification_end(
        &self,
        key: &NotificationKey,
        outcome: &NotificationOutcome,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Messages about an alarm, oldest first.
    async fn notification_list(&self, alarm: &AlarmKey) -> Result<Vec<Notification>, StoreError>;

    /// What was observed of a deployment, counted by UTC day, of the days `from_day` to `to_day` (both inclusive).
    async fn day_counts(&self, deployment: &str, from_day: &str, to_day: &str) -> Result<Vec<DayCount>, StoreError>;

    /// Look at the books of at most `limit` days that are over and due, oldest first; a gap is an alarm. Says how many days
    /// were looked at.
    async fn books_check_due(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;
}
