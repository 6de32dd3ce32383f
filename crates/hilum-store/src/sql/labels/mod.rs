//! The trait [`Labels`] on SQL: one module per subject.

mod add;
mod exposure;
mod list;
mod reports;
mod sample;

use super::SqlCatalog;
use crate::labels::{
    AuditCase, FirstRead, LabelFilter, Labels, NewLabel, NewReport, OpenCase, Report, ReportAdded, ReportFilter,
    SampleProgress, SetAside, Unread, Untied,
};
use crate::{StoreError, StudyKey};
use async_trait::async_trait;
use hilum_monitor::Label;
use hilum_types::Timestamp;

pub(super) use sample::draw;

/// Hands every method of the trait to the function of the same name in the module of its subject.
macro_rules! labels {
    ($($module:ident { $(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $output:ty;)* })*) => {
        #[async_trait]
        impl Labels for SqlCatalog {
            $($(async fn $name(&self $(, $argument: $type)*) -> Result<$output, StoreError> {
                $module::$name(self $(, $argument)*).await
            })*)*
        }
    };
}

labels! {
    add {
    fn labels_add(&self, labels: &[NewLabel], now: Timestamp) -> Vec<Label>;
    fn label_set_aside(&self, told: &Untied, now: Timestamp) -> SetAside;
    }
    list {
    fn label_of_origin(&self, origin: &str) -> Option<Label>;
    fn label_list(&self, filter: &LabelFilter, limit: u32) -> Vec<Label>;
    fn label_set_aside_list(&self, limit: u32) -> Vec<SetAside>;
    fn first_read_list(&self, study_key: &StudyKey) -> Vec<FirstRead>;
    }
    reports {
    fn report_add(&self, report: &NewReport, now: Timestamp) -> ReportAdded;
    fn report_link_due(&self, since: Timestamp, now: Timestamp, limit: u32) -> u32;
    fn report_list(&self, filter: &ReportFilter, limit: u32) -> Vec<Report>;
    fn report_unread(&self, since: Timestamp, limit: u32) -> Vec<Unread>;
    fn report_read(&self, unread: &Unread, labels: &[NewLabel], now: Timestamp) -> Vec<Label>;
    }
    sample {
    fn audit_sample_list(&self, deployment: &str, open: bool, limit: u32) -> Vec<AuditCase>;
    fn audit_sample_open(&self, since: Timestamp, limit: u32) -> Vec<OpenCase>;
    fn audit_sample_progress(&self, since: Timestamp) -> Vec<SampleProgress>;
    }
}
