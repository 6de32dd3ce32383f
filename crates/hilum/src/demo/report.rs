//! Whether everything went as the story has it: read from the catalog and the archive, not from what the driver did.

use super::House;
use super::scenario::{DemoStudy, UPDATE_DAY, UPDATED};
use super::setup::{CLASSIFIER, LOOK_RULE, STOP_RULE};
use crate::commands::study::{findings, words};
use crate::config::count;
use anyhow::Result;
use hilum_monitor::Severity;
use hilum_monitor::figures::{FigureInput, LabelledObservation, figure};
use hilum_registry::Metric;
use hilum_sign::{RecordKind, approvals};
use hilum_store::monitoring::ObservationFilter;
use hilum_store::records::{DeliveryFilter, Journey};
use hilum_store::rollout::{ChangeAct, DeploymentChange};
use hilum_testkit::Ledger;
use hilum_types::{Clock, Independence, Timestamp};
use std::collections::BTreeMap;

/// Most rows looked at.
const ROWS_MAX: u32 = 10_000;

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Outcomes {
    n_sent: usize,
    n_refused: usize,
    unexpected: Vec<String>,
}

impl Outcomes {
    /// Count what a modality sent.
    pub(crate) fn sent(&mut self, ledger: &Ledger) {
        self.n_sent += ledger.sent.len();
        self.n_refused += ledger.failures().count();
    }

    /// Count objects that were taken.
    pub(crate) fn sent_more(&mut self, n: usize) {
        self.n_sent += n;
    }

    fn expect(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.unexpected.push(otherwise.to_owned());
        }
    }

    /// Print how studies ended, one line for those that ended alike, and what was said of one of them.
    pub(crate) async fn ended(&mut self, house: &House, studies: &[DemoStudy]) -> Result<()> {
        let mut alike: Vec<(String, usize)> = Vec::new();
        let mut example = None;
        for study in studies {
            let Some(known) = house.running.catalog.study_by_uid(&study.study_instance_uid).await? else {
                self.unexpected.push(format!("{} is not in the catalog", study.accession));
                continue;
            };
            let Some(journey) = house.running.catalog.study_journey(&known.key).await? else { continue };
            let mut said: Vec<String> = Vec::new();
            for (deployment, _, _) in &study.expected {
                let ended = journey
                    .dispositions
                    .iter()
                    .find(|ended| ended.deployment == *deployment && ended.revision == known.revision);
                let Some(ended) = ended else {
                    self.unexpected.push(format!("{} has not ended for {deployment}", study.accession));
                    continue;
                };
                let words = words(&ended.disposition);
                let text = match ended.disposition.reason() {
                    Some(reason) => format!("{words}: {reason}"),
                    None => words.to_owned(),
                };
                self.expect(
                    study.expects(deployment, &ended.disposition),
                    &format!("{} for {deployment}: {text}", study.accession),
                );
                if !said.contains(&text) {
                    said.push(text);
                }
            }
            if !study.truth.is_empty() && example.is_none() {
                example = Some(format!(
                    "  such as  {} (phantom with {}): {}",
                    study.accession,
                    study.truth.join(" and "),
                    what_it_said(&journey, CLASSIFIER)
                ));
            }
            let parts = if study.late_part.is_empty() { String::new() } else { ", revision 2".to_owned() };
            let line = format!("{}{parts}: {}", study.title, said.join("; "));
            match alike.iter_mut().find(|(known, _)| *known == line) {
                Some((_, n)) => *n += 1,
                None => alike.push((line, 1)),
            }
        }
        for (line, n) in alike {
            println!("  {n:>2} x     {line}");
        }
        if let Some(line) = example {
            println!("{line}");
        }
        Ok(())
    }

    /// Print the books, hold everything against the story, and say whether all of it is as expected.
    pub(crate) async fn close(mut self, house: &House) -> Result<bool> {
        println!();
        self.the_story(house).await?;
        self.close_archive(house).await?;
        self.close_books(house).await?;
        match house.running.catalog.audit_verify(&[]).await? {
            Ok(verified) => println!("audit      {} entries, chain whole", verified.count),
            Err(tampering) => self.unexpected.push(format!("audit: {tampering}")),
        }
        for line in &self.unexpected {
            println!("UNEXPECTED {line}");
        }
        let whole = self.unexpected.is_empty();
        println!("{}", if whole { "Everything went as the story has it." } else { "NOT as the story has it." });
        Ok(whole)
    }

    /// Quiet, update, signal, stop, withheld, mended, signed, in use.
    async fn the_story(&mut self, house: &House) -> Result<()> {
        let catalog = &*house.running.catalog;
        let update = house.at(UPDATE_DAY, 0);
        let signals = catalog.signal_list(CLASSIFIER, None, None, ROWS_MAX).await?;
        self.expect(signals.iter().all(|stored| update <= stored.signal.at), "a rule spoke in the quiet weeks");
        let on_it = format!("station={UPDATED}");
        self.expect(
            signals.iter().all(|stored| stored.signal.cut == on_it),
            "a rule spoke of the scanner that nobody touched",
        );
        let stop = signals.iter().find(|stored| stored.action == "suspended").map(|stored| stored.signal.clone());
        let Some(stop) = stop else {
            self.unexpected.push("no rule stopped the model".to_owned());
            return Ok(());
        };
        self.expect(stop.rule == STOP_RULE, "another rule stopped the model");
        let looked = signals.iter().any(|stored| {
            stored.signal.rule == LOOK_RULE && stored.signal.severity == Severity::Review && stored.signal.at < stop.at
        });
        self.expect(looked, "drift was not signalled before the stop");
        let history = catalog.deployment_history(CLASSIFIER).await?;
        let stops = history.iter().filter(|change| change.act == ChangeAct::Suspended).count();
        self.expect(stops == 1, "the model was stopped more than once");
        let Some(resumed) = history.iter().find(|change| change.act == ChangeAct::Resumed) else {
            self.unexpected.push("the model was not resumed".to_owned());
            return Ok(());
        };
        self.was_approved(house, resumed, stop.at).await?;
        self.what_ended_when(house, stop.at, resumed.changed_at).await?;
        self.performance(house, update, stop.at, resumed.changed_at).await
    }

    /// Two people, and a validation that passed after the stop.
    async fn was_approved(&mut self, house: &House, resumed: &DeploymentChange, stop: Timestamp) -> Result<()> {
        let (mut approved, mut proven) = (false, false);
        for digest in &resumed.evidence {
            let record = house.running.catalog.record_get(&digest.to_string()).await?;
            match record.kind {
                RecordKind::Change => {
                    let by = approvals(&record);
                    approved |= by.complete() && by.clinical.is_some() && by.clinical != by.technical;
                }
                RecordKind::Validation => {
                    proven |= stop < record.created_at && record.body["verdict"] == "pass";
                }
                _ => {}
            }
        }
        self.expect(approved, "two people have not approved the resumption");
        self.expect(proven, "the resumption names no acceptance test that passed after the stop");
        Ok(())
    }

    /// Analysed until the stop and after the resumption, withheld between, with the rule named.
    async fn what_ended_when(&mut self, house: &House, stop: Timestamp, resumed: Timestamp) -> Result<()> {
        let catalog = &*house.running.catalog;
        let filter = ObservationFilter { deployment: CLASSIFIER.to_owned(), ..ObservationFilter::default() };
        let observations = catalog.observation_list(&filter, ROWS_MAX).await?;
        let (mut n_before, mut n_withheld, mut n_after) = (0, 0, 0);
        for one in observations.iter().filter(|one| one.disposition != "not_eligible") {
            let (expected, n) = match one.event_at {
                at if at < stop => ("analysed", &mut n_before),
                at if at < resumed => ("withheld", &mut n_withheld),
                _ => ("analysed", &mut n_after),
            };
            *n += 1;
            self.expect(
                one.disposition == expected,
                &format!("{} at {}: {}", one.study_key, one.event_at, one.disposition),
            );
            if expected == "withheld" {
                let study = catalog.study_get(&one.study_key.parse()?).await?;
                let ended = study.iter().flat_map(|study| &study.dispositions).find(|d| d.deployment == CLASSIFIER);
                let why = ended.and_then(|ended| ended.disposition.reason()).map(ToString::to_string);
                let named = why.is_some_and(|why| why.contains(&format!("stop-rule:{STOP_RULE}")));
                self.expect(named, "a withheld study does not name the rule");
            }
        }
        println!(
            "story      {n_before} analysed, {n_withheld} withheld by the rule, {n_after} analysed after two signatures"
        );
        self.expect(0 < n_before && 0 < n_withheld && 0 < n_after, "a part of the story is missing");
        Ok(())
    }

    /// On the scanner that was updated: good, bad, good again.
    async fn performance(
        &mut self,
        house: &House,
        update: Timestamp,
        stop: Timestamp,
        resumed: Timestamp,
    ) -> Result<()> {
        let filter = ObservationFilter { deployment: CLASSIFIER.to_owned(), ..ObservationFilter::default() };
        let mut labelled = house.running.catalog.labelled_list(&filter, ROWS_MAX).await?;
        let unexposed = labelled.iter().all(|one| one.label.class() == Independence::Unexposed);
        self.expect(unexposed, "a reader had seen the answer before they said what is there");
        labelled.retain(|one| one.observation.attributes.get("station").is_some_and(|station| station == UPDATED));
        let of = |from: Timestamp, until: Timestamp| -> Result<Option<hilum_monitor::Figure>> {
            let within =
                |one: &&LabelledObservation| from <= one.observation.event_at && one.observation.event_at < until;
            let part: Vec<LabelledObservation> = labelled.iter().filter(within).cloned().collect();
            let input = FigureInput { observations: &[], labelled: &part, extractors: &[], as_of: house.clock.now() };
            Ok(figure(&input, Metric::Sensitivity, "nodule", &[Independence::Unexposed])?)
        };
        let parts = [of(house.first_day, update)?, of(update, stop)?, of(resumed, house.clock.now())?];
        let [Some(before), Some(between), Some(after)] = parts else {
            self.unexpected.push("a part of the story has no labels".to_owned());
            return Ok(());
        };
        let told = |f: &hilum_monitor::Figure| format!("{:.2} [{:.2}, {:.2}] n = {}", f.value, f.lower, f.upper, f.n);
        println!("{UPDATED}    sensitivity for nodules: before the update {}", told(&before));
        println!("           after it {}; with the new version {}", told(&between), told(&after));
        self.expect(between.upper < before.lower, "performance did not fall with the update");
        self.expect(between.upper < after.lower, "performance did not come back with the new version");
        Ok(())
    }

    /// The archive holds what was delivered, once.
    async fn close_archive(&mut self, house: &House) -> Result<()> {
        let deliveries = house.running.catalog.delivery_list(&DeliveryFilter::default(), ROWS_MAX).await?;
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut n_retried, mut delivered) = (0, Vec::new());
        for delivery in &deliveries {
            *states.entry(delivery.state.name()).or_default() += 1;
            n_retried += usize::from(1 < delivery.attempts);
            delivered.push(delivery.result.sop_instance_uid.as_str().to_owned());
        }
        let mut kept = house.pacs.kept_uids();
        let (n_kept, n_refused) = (kept.len(), house.pacs.received().len() - kept.len());
        kept.sort_unstable();
        kept.dedup();
        delivered.sort_unstable();
        println!("received   {}, {} refused", count(self.n_sent, "object"), self.n_refused);
        let told: Vec<String> = states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        println!(
            "archive    holds {} from Hilum; deliveries: {}, {n_retried} of them tried again because it was busy",
            count(kept.len(), "result object"),
            told.join(", ")
        );
        self.expect(self.n_refused == 0, "an object was refused");
        self.expect(n_refused == 2 && 0 < n_retried, "the archive was busy, and nothing was tried again");
        self.expect(n_kept == kept.len(), "a result reached the archive twice");
        self.expect(states.keys().all(|state| *state == "delivered"), "a delivery did not end as delivered");
        self.expect(delivered == kept, "the archive does not hold what was delivered");
        Ok(())
    }

    /// MV-20: arrived = sum of dispositions, for every day and deployment; printed for all days together.
    async fn close_books(&mut self, house: &House) -> Result<()> {
        let mut sums: BTreeMap<String, [u64; 6]> = BTreeMap::new();
        for line in house.running.catalog.books("0001-01-01", "9999-12-31").await? {
            let of_day = [line.arrived, line.analysed, line.not_eligible, line.withheld, line.failed, line.expired];
            for (sum, n) in sums.entry(line.deployment).or_default().iter_mut().zip(of_day) {
                *sum += n;
            }
            self.expect(line.balanced && line.open == 0, "the books do not balance");
        }
        for (deployment, [arrived, analysed, not_eligible, withheld, failed, expired]) in &sums {
            println!(
                "books      {deployment:<18} arrived {arrived} = analysed {analysed} + not eligible {not_eligible} + \
                 withheld {withheld} + failed {failed} + expired {expired}"
            );
        }
        let counted: Vec<u64> = sums.values().map(|sum| sum[0]).collect();
        self.expect(counted.len() == 2 && counted[0] == counted[1], "the books of the deployments differ");
        Ok(())
    }
}

/// What a model said about the current revision; a model that looked never says nothing (AV-04).
fn what_it_said(journey: &Journey, deployment: &str) -> String {
    let inference = journey.inferences.iter().rev().find(|inference| inference.deployment == deployment);
    let output = inference.and_then(|inference| inference.record.get("output").cloned()).unwrap_or_default();
    let lines = serde_json::from_value(output).map(|output| findings(&output)).unwrap_or_default();
    lines.join("; ")
}
