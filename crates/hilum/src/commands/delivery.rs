use crate::config::{Config, count};
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result};
use hilum_store::records::{DeliveryFilter, DeliveryState};
use hilum_types::Clock;
use std::path::Path;
use std::process::ExitCode;

/// Most rows listed.
const LIST_MAX: u32 = 1000;

/// `hilum delivery list`.
pub(crate) async fn list(config: &Path, all: bool) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let filter = DeliveryFilter { state: (!all).then_some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let deliveries = catalog.delivery_list(&filter, LIST_MAX).await?;
    if deliveries.is_empty() {
        println!("{}", if all { "Nothing was ever to be delivered." } else { "No delivery is dead." });
    }
    for delivery in deliveries {
        println!(
            "{}  {:<10} {:<12} to {:<12} attempts {:<3} {}",
            delivery.key,
            delivery.state.name(),
            delivery.result.kind.name(),
            delivery.destination,
            delivery.attempts,
            delivery.last_error.unwrap_or_default()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// `hilum delivery retry KEY|all`.
pub(crate) async fn retry(config: &Path, key: &str, by: &str) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let actor = format!("user:{by}");
    let keys = if key == "all" {
        let filter = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
        catalog.delivery_list(&filter, LIST_MAX).await?.into_iter().map(|delivery| delivery.key).collect()
    } else {
        vec![key.parse().context("this is no delivery key; `hilum delivery list` shows them")?]
    };
    for key in &keys {
        catalog.delivery_retry(key, &actor, SystemClock.now()).await?;
    }
    println!("{} queued again", count(keys.len(), "object"));
    Ok(ExitCode::SUCCESS)
}

/// `hilum quarantine`.
pub(crate) async fn quarantine(config: &Path) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let objects = catalog.quarantine_list(LIST_MAX).await?;
    if objects.is_empty() {
        println!("Quarantine is empty.");
    }
    for object in objects {
        println!(
            "{}  {}  {:>10} bytes from {:<16} {}",
            object.key, object.received_at, object.size, object.origin.peer, object.reason
        );
    }
    Ok(ExitCode::SUCCESS)
}
