//! What faults do, measured on the images of a reference set before the rules are rehearsed (MV-45). Nothing is entered.

use crate::commands::package::find;
use crate::commands::trial::Bar;
use anyhow::{Context, Result, bail};
use hilum_monitor::rehearsal::{FaultKind, World};
use hilum_registry::Deployment;
use hilum_sign::RecordKind;
use hilum_store::governance::RecordFilter;
use hilum_validate::protocol::Target;
use hilum_worker::trial::{FaultRequest, Place, Progress, measure_faults};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `[images]` of a file of faults: which labels of the reference set mean what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageLabels {
    finding: String,
    positive: Vec<String>,
    negative: Vec<String>,
}

/// The same world with what its faults do on the images of `set`.
pub(super) async fn measured(
    place: &Place,
    deployment: &Deployment,
    world: &World,
    set: &str,
    labels: Option<ImageLabels>,
    seed: u64,
) -> Result<World> {
    let catalog = &*place.catalog;
    let target = match labels {
        Some(ImageLabels { finding, positive, negative }) => Target { finding, positive, negative },
        None => accepted_target(place, deployment, world).await?,
    };
    if !world.scenario().findings.contains_key(&target.finding) {
        bail!("[images] is about {:?}; describe it in [scenario.finding.{}]", target.finding, target.finding);
    }
    let mut swaps = BTreeMap::new();
    for fault in world.faults().iter().filter(|fault| fault.kind == FaultKind::ModelSwap) {
        if let Some(package) = &fault.package {
            swaps.insert(fault.name.clone(), find(catalog, package).await?);
        }
    }
    let request = FaultRequest {
        reference_set: set.to_owned(),
        used_in: deployment.clone(),
        model: find(catalog, &deployment.package_digest.to_string()).await?,
        target,
        faults: world.faults().to_vec(),
        swaps,
        seed,
    };
    let bar: Arc<dyn Progress> = Arc::new(Bar::default());
    let faults = measure_faults(place, &request, &bar).await;
    drop(bar);
    Ok(World::new(world.scenario().clone(), world.declared().clone(), faults?)?)
}

/// The finding and its labels as the newest validation of the package has them, of a finding that the scenario describes.
async fn accepted_target(place: &Place, deployment: &Deployment, world: &World) -> Result<Target> {
    let subject = Some(deployment.package_digest.to_string());
    let filter = RecordFilter { kind: Some(RecordKind::Validation), subject, until: None };
    let validations = place.catalog.record_list(&filter, 100).await?;
    let mut targets = validations.into_iter().filter(|record| record.is_intact()).filter_map(|record| {
        serde_json::from_value::<Target>(record.body["report"]["protocol"]["document"]["target"].clone()).ok()
    });
    let found = targets.find(|target| world.scenario().findings.contains_key(&target.finding));
    found.context(
        "no validation of this package says which reference labels mean that a finding is there; write [images] with \
         finding, positive and negative into the file of faults",
    )
}
