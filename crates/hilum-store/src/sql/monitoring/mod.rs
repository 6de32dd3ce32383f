//! The trait [`Monitoring`] on SQL, and the hooks by which facts enter.

mod carry_out;
mod counts;
mod facts;
mod read;

use super::SqlCatalog;
use crate::StoreError;
use crate::monitoring::{MonitorCounts, Monitoring, ObservationFilter, StoppingRule, StoredSignal};
use async_trait::async_trait;
use hilum_gate::{EvidenceFacts, ReviewFacts};
use hilum_monitor::figures::LabelledObservation;
use hilum_monitor::{Cell, CellKey, Observation};
use hilum_registry::Deployment;
use hilum_types::Timestamp;

#[cfg(feature = "testing")]
pub(super) use counts::{ALARMS_OPEN, SIGNALS};
pub(super) use counts::{count_label, count_run};
#[cfg(feature = "testing")]
pub(super) use facts::RESTARTED;
pub(super) use facts::{Ended, enter_label, enter_observation, in_use_since, restart, stopping_rule};
#[cfg(feature = "testing")]
pub(super) use read::labelled;

#[async_trait]
impl Monitoring for SqlCatalog {
    async fn observation_list(&self, filter: &ObservationFilter, limit: u32) -> Result<Vec<Observation>, StoreError> {
        read::observation_list(self, filter, limit).await
    }

    async fn observation_page(
        &self,
        filter: &ObservationFilter,
        after: Option<&Observation>,
        limit: u32,
    ) -> Result<Vec<Observation>, StoreError> {
        read::observation_page(self, filter, after, limit).await
    }

    async fn signal_list(
        &self,
        deployment: &str,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<StoredSignal>, StoreError> {
        read::signal_list(self, deployment, from, until, limit).await
    }

    async fn monitor_counts(&self) -> Result<MonitorCounts, StoreError> {
        counts::monitor_counts(self).await
    }

    async fn evidence_facts(
        &self,
        deployment: &Deployment,
        now: Timestamp,
    ) -> Result<Option<EvidenceFacts>, StoreError> {
        read::evidence_facts(self, deployment, now).await
    }

    async fn review_facts(&self, deployment: &Deployment, now: Timestamp) -> Result<Option<ReviewFacts>, StoreError> {
        read::review_facts(self, deployment, now).await
    }

    async fn labelled_list(
        &self,
        filter: &ObservationFilter,
        limit: u32,
    ) -> Result<Vec<LabelledObservation>, StoreError> {
        read::labelled_list(self, filter, limit).await
    }

    async fn stopping_rule(&self, deployment: &Deployment) -> Result<Option<StoppingRule>, StoreError> {
        read::stopping_rule(self, deployment).await
    }

    async fn cell_list(&self, deployment: &Deployment) -> Result<Vec<(CellKey, Cell)>, StoreError> {
        read::cell_list(self, deployment).await
    }
}
