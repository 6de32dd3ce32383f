//! The trait [`Alarms`] on SQL: one module per subject.

mod books;
mod days;
mod notifications;
mod people;
mod raise;
mod read;

pub(super) use days::count_observation;
pub(super) use read::severity_from;

use super::SqlCatalog;
use crate::alarms::{Alarm, AlarmFilter, Alarms, Notification, NotificationOutcome};
use crate::{AlarmKey, NotificationKey, StoreError, StudyKey};
use async_trait::async_trait;
use hilum_monitor::Signal;
use hilum_monitor::alarm::CauseCode;
use hilum_monitor::timeline::DayCount;
use hilum_types::Timestamp;

/// Hands every method of the trait to the function of the same name in the module of its subject.
macro_rules! alarms {
    ($($module:ident { $(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $output:ty;)* })*) => {
        #[async_trait]
        impl Alarms for SqlCatalog {
            $($(async fn $name(&self $(, $argument: $type)*) -> Result<$output, StoreError> {
                $module::$name(self $(, $argument)*).await
            })*)*
        }
    };
}

alarms! {
    raise {
    fn alarm_raise(
        &self, code: &str, text: &str, study_key: Option<&StudyKey>, deployment: Option<&str>, now: Timestamp,
    ) -> ();
    fn alarm_signal(&self, signal: &Signal, now: Timestamp) -> ();
    }
    read {
    fn alarm_list(&self, only_open: bool, limit: u32) -> Vec<Alarm>;
    fn alarm_find(&self, filter: &AlarmFilter, limit: u32) -> Vec<Alarm>;
    fn alarm_get(&self, key: &AlarmKey) -> Option<Alarm>;
    }
    people {
    fn alarm_acknowledge(&self, key: &AlarmKey, actor: &str, now: Timestamp) -> ();
    fn alarm_assign(&self, key: &AlarmKey, owner: &str, actor: &str, now: Timestamp) -> ();
    fn alarm_close(&self, key: &AlarmKey, cause: CauseCode, comment: &str, actor: &str, now: Timestamp) -> ();
    fn alarm_escalate_due(&self, now: Timestamp, limit: u32) -> u32;
    }
    notifications {
    fn notification_take(&self, now: Timestamp, hold_seconds: u32, limit: u32) -> Vec<Notification>;
    fn notification_hold(&self, key: &NotificationKey, hold_seconds: u32, now: Timestamp) -> ();
    fn notification_channel_done(&self, key: &NotificationKey, channel: &str) -> ();
    fn notification_end(&self, key: &NotificationKey, outcome: &NotificationOutcome, now: Timestamp) -> ();
    fn notification_list(&self, alarm: &AlarmKey) -> Vec<Notification>;
    }
    days {
    fn day_counts(&self, deployment: &str, from_day: &str, to_day: &str) -> Vec<DayCount>;
    }
    books {
    fn books_check_due(&self, now: Timestamp, limit: u32) -> u32;
    }
}
