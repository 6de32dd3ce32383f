//! The trait [`Recalls`] on SQL: one module per subject.

mod carry_out;
mod list;
mod status;

use super::SqlCatalog;
use crate::recalls::{NoteNeeds, RecallProgress, RecallStatus, RecallWindow, RecalledStudy, Recalls};
use crate::records::NewResult;
use crate::{StoreError, StudyKey};
use async_trait::async_trait;
use hilum_types::{Digest, Timestamp};

/// Hands every method of the trait to the function of the same name in the module of its subject.
macro_rules! recalls {
    ($($module:ident { $(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $output:ty;)* })*) => {
        #[async_trait]
        impl Recalls for SqlCatalog {
            $($(async fn $name(&self $(, $argument: $type)*) -> Result<$output, StoreError> {
                $module::$name(self $(, $argument)*).await
            })*)*
        }
    };
}

recalls! {
    list {
    fn recall_list(&self, window: &RecallWindow) -> Vec<RecalledStudy>;
    }
    carry_out {
    fn recall_begin(&self, record: &Digest, actor: &str, now: Timestamp) -> RecallProgress;
    fn recall_retract(&self, record: &Digest, study: &StudyKey, actor: &str, now: Timestamp) -> NoteNeeds;
    fn recall_note_add(
        &self, record: &Digest, study: &StudyKey, note: Option<&NewResult>, actor: &str, now: Timestamp,
    ) -> ();
    fn recall_fail(&self, record: &Digest, study: &StudyKey, why: &str, actor: &str, now: Timestamp) -> ();
    }
    status {
    fn recall_status(&self, record: &Digest) -> RecallStatus;
    }
}
