//! The trait [`Tallies`] on SQL, and the hooks by which observations and labels are counted.

mod due;
mod read;
mod write;

#[cfg(feature = "testing")]
pub(crate) use due::forget_at;

use super::SqlCatalog;
use super::act::Act;
use super::connection::values;
use crate::StoreError;
use crate::tallies::{SketchFilter, StoredSketch, Tallies, Tally};
use async_trait::async_trait;
use hilum_monitor::figures::{LabelledObservation, label_counts};
use hilum_monitor::{Label, Observation};
use hilum_types::{Digest, Timestamp};
use std::collections::BTreeMap;
use write::Sums;

/// Count an observation, in the act that enters it.
pub(super) async fn observed(act: &mut Act, observation: &Observation) -> Result<(), StoreError> {
    let mut sums = Sums::default();
    sums.observation(observation);
    sums.write(act).await
}

/// Count a label, in the act that enters it: what counted of the labels of its study before is taken back, and what counts
/// now is counted, so that a correction moves a case from one side to the other.
pub(super) async fn labelled(act: &mut Act, label: &Label) -> Result<(), StoreError> {
    let after = labels_of(act, label, "").await?;
    let before: Vec<LabelledObservation> = after.iter().filter(|one| one.label.key != label.key).cloned().collect();
    let mut sums = Sums::default();
    count_labels(&mut sums, before, -1);
    count_labels(&mut sums, after, 1);
    sums.write(act).await?;
    // After the sums: where counting began anew with them, no label is counted but this one.
    act.execute("UPDATE label SET tallied = 1 WHERE label_key = $1", values![label.key.as_str()]).await?;
    Ok(())
}

/// Labels of the same study, deployment and finding, in the order of entry, with what was observed.
async fn labels_of(act: &mut Act, label: &Label, only: &str) -> Result<Vec<LabelledObservation>, StoreError> {
    let sql = format!(
        "SELECT l.label, o.record FROM label l JOIN observation o ON o.study_key = l.study_key \
         AND o.revision = l.revision AND o.deployment = l.deployment WHERE l.study_key = $1 AND l.deployment = $2 \
         AND l.finding = $3 {only} ORDER BY l.label_key"
    );
    let columns = values![label.study_key.as_str(), label.deployment.as_str(), label.finding.as_str()];
    let rows = act.rows(sql, columns).await?;
    rows.iter()
        .map(|row| Ok(LabelledObservation { label: row.json("label")?, observation: row.json("record")? }))
        .collect()
}

fn count_labels(sums: &mut Sums, labelled: Vec<LabelledObservation>, times: i64) {
    let mut by_version: BTreeMap<String, Vec<LabelledObservation>> = BTreeMap::new();
    for one in labelled {
        by_version.entry(one.observation.package.to_string()).or_default().push(one);
    }
    for of_version in by_version.values() {
        for (observation, counts) in label_counts(of_version) {
            sums.counts(observation, &counts, times);
        }
    }
}

#[async_trait]
impl Tallies for SqlCatalog {
    async fn sketch_list(&self, filter: &SketchFilter, limit: u32) -> Result<Vec<StoredSketch>, StoreError> {
        read::sketch_list(self, filter, limit).await
    }

    async fn sketch_groups(
        &self,
        deployment: &str,
        package: &Digest,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        read::sketch_groups(self, deployment, package, (from, until), limit).await
    }

    async fn sketch_begin(&self, deployment: &str, package: &Digest) -> Result<Option<Timestamp>, StoreError> {
        read::sketch_begin(self, deployment, package).await
    }

    async fn tally(
        &self,
        deployment: &str,
        package: &Digest,
        from: Timestamp,
        each: Option<&str>,
    ) -> Result<Option<Tally>, StoreError> {
        read::tally(self, deployment, package, from, each).await
    }

    async fn tally_left(&self) -> Result<bool, StoreError> {
        due::tally_left(self).await
    }

    async fn tally_due(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        due::tally_due(self, now, limit).await
    }
}
