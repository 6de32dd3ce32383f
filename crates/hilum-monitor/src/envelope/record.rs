use super::Envelope;
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
    /// Cases of the set that were not measured, because the model is not meant for them.
    pub n_not_eligible: usize,
    /// Cases of the set whose images could not be measured.
    pub n_not_measured: usize,
    /// The acquisition groups of the measured cases, by key.
    pub groups: BTreeMap<String, ReferenceGroup>,
    /// What was learned.
    pub envelope: Envelope,
}

impl EnvelopeRecord {
    /// Read the body of a record; `None` for one of another form.
    pub fn read(body: &serde_json::Value) -> Option<EnvelopeRecord> {
        EnvelopeRecord::deserialize(body).ok().filter(|record| record.format == 1)
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
