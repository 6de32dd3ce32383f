//! What the demo prints, and whether the day went as the scenario expects.

use super::scenario::DemoStudy;
use crate::commands::study::{findings, words};
use crate::config::count;
use crate::serve::Running;
use anyhow::Result;
use hilum_store::records::{DeliveryFilter, DeliveryState, Journey};
use hilum_testkit::{Ledger, SimulatedPacs};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Deliveries that are still on their way after this long have failed the scenario.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Most deliveries looked at.
const DELIVERIES_MAX: u32 = 10_000;

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Outcomes {
    n_sent: usize,
    n_refused: usize,
    n_studies: usize,
    unexpected: Vec<String>,
}

impl Outcomes {
    /// Count what a modality sent.
    pub(crate) fn sent(&mut self, ledger: &Ledger) {
        self.n_sent += ledger.sent.len();
        self.n_refused += ledger.failures().count();
    }

    /// Print how one study ended, one line per deployment.
    pub(crate) async fn ended(&mut self, running: &Running, study: &DemoStudy) -> Result<()> {
        self.n_studies += 1;
        let Some(known) = running.catalog.study_by_uid(&study.study_instance_uid).await? else {
            self.unexpected.push(format!("{} is not in the catalog", study.accession));
            return Ok(());
        };
        let Some(journey) = running.catalog.study_journey(&known.key).await? else { return Ok(()) };
        let truth = if study.truth.is_empty() { "nothing".to_owned() } else { study.truth.join(" and ") };
        println!("{}  {} (phantom with {truth})", study.accession, study.title);
        for (deployment, _, _) in &study.expected {
            let ended = journey
                .dispositions
                .iter()
                .find(|ended| ended.deployment == *deployment && ended.revision == known.revision);
            let Some(ended) = ended else {
                self.unexpected.push(format!("{} has not ended for {deployment}", study.accession));
                continue;
            };
            let said = match ended.disposition.reason() {
                Some(reason) => format!("{}: {reason}", words(&ended.disposition)),
                None => said(&journey, deployment),
            };
            println!("    {deployment:<18} {said}");
            if !study.expects(deployment, &ended.disposition) {
                self.unexpected.push(format!("{} for {deployment}: {said}", study.accession));
            }
        }
        Ok(())
    }

    /// Wait for the deliveries, print the books, and say whether everything is as expected.
    pub(crate) async fn close(mut self, running: &Running, pacs: &SimulatedPacs) -> Result<bool> {
        let deliveries = self.wait_for_deliveries(running).await?;
        println!();
        println!(
            "received   {} in {}, {} refused",
            count(self.n_sent, "object"),
            study_count(self.n_studies),
            self.n_refused
        );
        for (state, n) in &deliveries {
            println!("delivery   {n} {state}");
        }
        let mut kept = pacs.kept_uids();
        let n_kept = kept.len();
        kept.sort_unstable();
        kept.dedup();
        println!("archive    holds {} from Hilum", count(kept.len(), "result object"));
        self.expect(n_kept == kept.len(), "a result reached the archive twice");
        self.expect(deliveries.keys().all(|state| *state == "delivered"), "a delivery did not end as delivered");
        self.expect(deliveries.get("delivered") == Some(&kept.len()), "the archive does not hold what was delivered");
        self.expect(self.n_refused == 0, "an object was refused");
        self.close_books(running).await?;
        match running.catalog.audit_verify(&[]).await? {
            Ok(verified) => println!("audit      {} entries, chain whole", verified.count),
            Err(tampering) => self.unexpected.push(format!("audit: {tampering}")),
        }
        for line in &self.unexpected {
            println!("UNEXPECTED {line}");
        }
        let whole = self.unexpected.is_empty();
        println!(
            "{}",
            if whole { "Every study ended as the scenario expects." } else { "NOT as the scenario expects." }
        );
        Ok(whole)
    }

    fn expect(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.unexpected.push(otherwise.to_owned());
        }
    }

    async fn wait_for_deliveries(&self, running: &Running) -> Result<BTreeMap<&'static str, usize>> {
        let deadline = Instant::now() + DELIVERY_TIMEOUT;
        loop {
            let deliveries = running.catalog.delivery_list(&DeliveryFilter::default(), DELIVERIES_MAX).await?;
            let waiting = deliveries.iter().any(|delivery| delivery.state == DeliveryState::Queued);
            if !waiting || deadline < Instant::now() {
                let mut states = BTreeMap::new();
                for delivery in deliveries {
                    *states.entry(delivery.state.name()).or_default() += 1;
                }
                return Ok(states);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// MV-20: arrived = sum of dispositions, per day and deployment.
    async fn close_books(&mut self, running: &Running) -> Result<()> {
        let mut arrived = BTreeMap::new();
        for line in running.catalog.books("0001-01-01", "9999-12-31").await? {
            println!(
                "books      {} {:<18} arrived {} = analysed {} + not eligible {} + withheld {} + failed {} + expired {}",
                line.day,
                line.deployment,
                line.arrived,
                line.analysed,
                line.not_eligible,
                line.withheld,
                line.failed,
                line.expired
            );
            self.expect(line.balanced && line.open == 0, "the books do not balance");
            *arrived.entry(line.deployment).or_default() += line.arrived;
        }
        let n_studies = self.n_studies as u64;
        self.expect(arrived.values().all(|n| n_studies <= *n), "a study is missing in the books");
        Ok(())
    }
}

/// What a model said about the current revision; a model that looked never says nothing (AV-04).
fn said(journey: &Journey, deployment: &str) -> String {
    let inference = journey.inferences.iter().rev().find(|inference| inference.deployment == deployment);
    let output = inference.and_then(|inference| inference.record.get("output").cloned()).unwrap_or_default();
    let lines = serde_json::from_value(output).map(|output| findings(&output)).unwrap_or_default();
    format!("analysed: {}", lines.join("; "))
}

fn study_count(n: usize) -> String {
    if n == 1 { "1 study".to_owned() } else { format!("{n} studies") }
}
