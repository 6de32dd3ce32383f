use super::Envelope;
use crate::embedding::Embedding;
use crate::group::AcquisitionGroup;
use hilum_types::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The body of an envelope record: what was learned for a package, and from what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvelopeRecord {
    /// Number of the form: 1.
    pub format: u32,
    /// The package it was learned for.
    pub package: Digest,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub version: String,
    /// Record of the reference set.
    pub reference_set: Digest,
    /// Record of the envelope that was in force before, so that returning to an earlier one is an entry too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Digest>,
    /// Cases of the set that were not measured, because the model is not meant for them.
    pub n_not_eligible: usize,
    /// Cases of the set whose images could not be measured.
    pub n_not_measured: usize,
    /// The acquisition groups of the measured cases, by key.
    pub groups: BTreeMap<String, ReferenceGroup>,
    /// What was learned.
    pub envelope: Envelope,
    /// What brings the embedding of the package down to features of the envelope, where it exposes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Embedding>,
}

impl EnvelopeRecord {
    /// Read the body of a record; `None` for one of another form.
    pub fn read(body: &serde_json::Value) -> Option<EnvelopeRecord> {
        EnvelopeRecord::deserialize(body).ok().filter(|record| record.format == 1)
    }

    /// The body to enter for what was learned while another record is in force: it comes after that one. `None` when the
    /// one in force says exactly this. `in_force` is `None` as its body when that cannot be read.
    pub fn after(self, in_force: Option<(Digest, Option<&EnvelopeRecord>)>) -> Option<EnvelopeRecord> {
        let (record, held) = in_force.map_or((None, None), |(record, held)| (Some(record), held));
        let is_held = held.is_some_and(|held| EnvelopeRecord { supersedes: self.supersedes, ..held.clone() } == self);
        (!is_held).then_some(EnvelopeRecord { supersedes: record, ..self })
    }
}

/// An acquisition group of the reference set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceGroup {
    /// What it is.
    pub group: AcquisitionGroup,
    /// Cases of it.
    pub n_cases: usize,
}
