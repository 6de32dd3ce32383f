//! Objects of reference sets: kept for as long as the catalog, although no study holds them.

use crate::StoreError;
use crate::records::BlobRow;
use async_trait::async_trait;
use hilum_types::{Digest, Timestamp};

/// What a reference set needs of the catalog beside its record and its fingerprints.
#[async_trait]
pub trait References: Send + Sync {
    /// Name the objects of a reference set, so that the sweep does not take them for leftovers. Their bytes are durable.
    /// Naming the same objects again changes nothing.
    async fn reference_objects_keep(
        &self,
        set: &Digest,
        objects: &[BlobRow],
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// How often each package was put to each reference set, oldest use first: who has seen results on which cases.
    async fn reference_use_list(&self, set: &Digest) -> Result<Vec<ReferenceUse>, StoreError>;
}

/// One gate run on a reference set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceUse {
    /// Counts the uses of the set, from 1.
    pub number: u32,
    /// Record of the protocol, or of what else it was run for.
    pub protocol: Digest,
    /// The package.
    pub package: Digest,
    /// Who.
    pub actor: String,
    /// When.
    pub used_at: Timestamp,
}
