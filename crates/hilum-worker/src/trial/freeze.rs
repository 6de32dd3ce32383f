//! Freezing a protocol: what is known of earlier ones, read from the records (MV-10).

use super::TrialError;
use crate::reference::{find_set, fingerprints};
use hilum_sign::{Record, RecordKind};
use hilum_store::governance::{RecordFilter, SetRole};
use hilum_store::{Catalog, StoreError};
use hilum_types::{Digest, Timestamp};
use hilum_validate::{AcceptanceProtocol, CaseList, EarlierVersion, Freezing, FrozenProtocol, ValidateError};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// A frozen protocol with its record.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    /// The record.
    pub record: Record,
    /// What it holds.
    pub frozen: FrozenProtocol,
    /// Whether it was frozen just now.
    pub is_new: bool,
}

/// Freeze a protocol, or find the record in which the same content was frozen before.
///
/// It is marked post-hoc when anything was run on its cases, or on cases of the same patients, under whatever name.
///
/// # Errors
/// The reference set is not there; the version in the file is not the next one; an earlier record was changed by hand.
pub async fn freeze_protocol(
    catalog: &dyn Catalog,
    protocol: &AcceptanceProtocol,
    actor: &str,
    now: Timestamp,
) -> Result<Frozen, TrialError> {
    let (set, list) = protocol_set(catalog, protocol).await?;
    let earlier = earlier_versions(catalog, &set.digest, &list).await?;
    match Freezing::decide(protocol, &earlier) {
        Freezing::Already { record, version, .. } => {
            if protocol.version != version {
                let (name, found) = (protocol.name.clone(), protocol.version);
                return Err(ValidateError::Version { name, found, next: version }.into());
            }
            let record = catalog.record_get(&record.to_string()).await?;
            let frozen = FrozenProtocol::from_record(&record)?;
            Ok(Frozen { record, frozen, is_new: false })
        }
        Freezing::New { version, post_hoc, supersedes } => {
            let frozen = FrozenProtocol::new(protocol.clone(), version, post_hoc, supersedes)?;
            let added = catalog.record_add(&frozen.record(actor), now).await?;
            Ok(Frozen { record: added.record, frozen, is_new: added.is_new })
        }
    }
}

/// The reference set that a protocol names.
pub(super) async fn protocol_set(
    catalog: &dyn Catalog,
    protocol: &AcceptanceProtocol,
) -> Result<(Record, CaseList), TrialError> {
    match find_set(catalog, &protocol.reference_set.to_string()).await {
        Err(crate::reference::ReferenceError::Store(StoreError::NotFound(_))) => Err(TrialError::Refused(format!(
            "the protocol names reference set {}, which is not here; `hilum reference list` shows what is, and \
             `hilum reference import` prints the digest to write into reference_set",
            protocol.reference_set.short()
        ))),
        found => Ok(found?),
    }
}

async fn earlier_versions(
    catalog: &dyn Catalog,
    set: &Digest,
    list: &CaseList,
) -> Result<Vec<EarlierVersion>, TrialError> {
    let neighbours = Neighbours::of(catalog, set, list).await?;
    let of_kind = |kind| RecordFilter { kind: Some(kind), ..RecordFilter::default() };
    let mut run_under = BTreeSet::new();
    for validation in catalog.record_list(&of_kind(RecordKind::Validation), u32::MAX >> 1).await? {
        run_under.extend(validation.body["protocol"].as_str().map(str::to_owned));
    }
    let mut uses: BTreeMap<Digest, BTreeSet<Digest>> = BTreeMap::new();
    let mut versions = Vec::new();
    for record in catalog.record_list(&of_kind(RecordKind::Protocol), u32::MAX >> 1).await? {
        let FrozenProtocol { protocol, content, post_hoc, .. } = FrozenProtocol::from_record(&record)?;
        let used = uses_of(catalog, &mut uses, protocol.reference_set).await?;
        versions.push(EarlierVersion {
            name: protocol.name.clone(),
            version: protocol.version,
            content,
            record: record.digest,
            post_hoc,
            results_seen: run_under.contains(&record.digest.to_string()) || used.contains(&record.digest),
            shares_cases: neighbours.shares_cases(catalog, &protocol.reference_set).await?,
        });
    }
    // A comparison or a replay shows results too, and there is no protocol behind it.
    let protocols: BTreeSet<Digest> = versions.iter().map(|version| version.record).collect();
    let mut sets: BTreeSet<Digest> = neighbours.sharing.clone();
    sets.insert(*set);
    for other in sets {
        let used = uses_of(catalog, &mut uses, other).await?;
        versions.extend(used.iter().filter(|record| !protocols.contains(record)).map(|record| EarlierVersion {
            name: String::new(),
            version: 0,
            content: *record,
            record: *record,
            post_hoc: false,
            results_seen: true,
            shares_cases: true,
        }));
    }
    Ok(versions)
}

async fn uses_of<'a>(
    catalog: &dyn Catalog,
    known: &'a mut BTreeMap<Digest, BTreeSet<Digest>>,
    set: Digest,
) -> Result<&'a BTreeSet<Digest>, StoreError> {
    match known.entry(set) {
        Entry::Occupied(place) => Ok(place.into_mut()),
        Entry::Vacant(place) => {
            let uses = catalog.reference_use_list(&set).await?;
            Ok(place.insert(uses.into_iter().map(|used| used.protocol).collect()))
        }
    }
}

/// Which other reference sets have cases in common with one.
struct Neighbours {
    set: Digest,
    sharing: BTreeSet<Digest>,
    /// Whether every case states its patient, so that "nothing in common" can be known.
    complete: bool,
}

impl Neighbours {
    async fn of(catalog: &dyn Catalog, set: &Digest, list: &CaseList) -> Result<Neighbours, StoreError> {
        let overlaps = catalog.fingerprints_overlap(&fingerprints(list), SetRole::Reference, "").await?;
        let sharing = overlaps.into_iter().map(|overlap| overlap.other_set).collect();
        Ok(Neighbours { set: *set, sharing, complete: list.cases.iter().all(|case| case.patient.is_some()) })
    }

    async fn shares_cases(&self, catalog: &dyn Catalog, other: &Digest) -> Result<bool, TrialError> {
        if *other == self.set || self.sharing.contains(other) || !self.complete {
            return Ok(true);
        }
        let (_, list) = find_set(catalog, &other.to_string()).await?;
        Ok(list.cases.iter().any(|case| case.patient.is_none()))
    }
}
