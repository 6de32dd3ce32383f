//! What the catalog says, as of one position of the audit chain, for cards, packs and reports.

use anyhow::{Context, Result, bail};
use hilum_audit::{AuditAction, AuditEntry, Checkpoint, SubjectKind, Verifier};
use hilum_evidence::pack::Segment;
use hilum_evidence::periodic::{AlarmFacts, BookDay, Counted};
use hilum_evidence::{AsOf, DeploymentEvent, DeploymentFacts, PackageFacts, PersonFacts, SiteFacts, Window};
use hilum_registry::Deployment;
use hilum_sign::Record;
use hilum_store::Catalog;
use hilum_store::governance::RecordFilter;
use hilum_store::records::{BooksLine, Delivery, DeliveryFilter};
use hilum_types::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Entries of the audit chain that are read at once.
const PAGE: u32 = 2000;
/// Deliveries that are read at once.
const DELIVERIES: u32 = 1000;

/// What is asked of the chain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    /// Entries from this time on belong to the segment; from the beginning when `None`.
    pub(crate) from: Option<Timestamp>,
    /// Entries from this time on are not looked at.
    pub(crate) to: Option<Timestamp>,
    /// The deployment whose acts are counted, in the window `from` to `to`.
    pub(crate) counted: Option<&'a str>,
}

/// The facts, and what the chain holds.
pub(crate) struct Gathered {
    pub(crate) site: SiteFacts,
    pub(crate) segment: Segment,
    /// Dispositions and runs of the deployment that was asked about.
    pub(crate) counted: Counted,
}

/// Read the whole chain, check it on the way, and gather the facts as of its end, or of the last entry before `to`.
///
/// # Errors
/// A broken chain: nothing is made from it.
pub(crate) async fn gather(catalog: &dyn Catalog, asked: Asked<'_>) -> Result<Gathered> {
    let head = catalog.audit_head().await?;
    let mut scan = Scan::new(asked);
    let mut verifier = Verifier::new(&[head]);
    let mut after = 0;
    while after < head.seq {
        let page = catalog.audit_page(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for entry in page.iter().take_while(|entry| entry.seq <= head.seq) {
            verifier.take(entry).context(BROKEN)?;
            scan.take(entry);
        }
    }
    verifier.finish().context(BROKEN)?;
    let site = facts(catalog, &scan).await?;
    let after = scan.before.unwrap_or(scan.as_of.checkpoint);
    let segment =
        Segment { after, to: scan.as_of.checkpoint, n_entries: scan.as_of.checkpoint.seq.saturating_sub(after.seq) };
    Ok(Gathered { site, segment, counted: scan.counted })
}

const BROKEN: &str = "the audit chain is broken, and nothing is made from it; `hilum audit verify` says more";

/// The facts as they stand now, without reading the chain: enough for a card, which holds no history.
pub(crate) async fn gather_now(catalog: &dyn Catalog) -> Result<SiteFacts> {
    let mut scan = Scan::new(Asked::default());
    scan.as_of.checkpoint = catalog.audit_head().await?;
    scan.everything = true;
    facts(catalog, &scan).await
}

/// What is kept of the chain while it goes by.
struct Scan<'a> {
    asked: Asked<'a>,
    as_of: AsOf,
    /// The entry before the segment, once the segment has begun.
    before: Option<Checkpoint>,
    previous: Checkpoint,
    ended: bool,
    everything: bool,
    events: BTreeMap<String, Vec<DeploymentEvent>>,
    /// What was entered after the position that is looked at: digests of records and packages, signatures, names.
    later: BTreeSet<String>,
    counted: Counted,
}

impl<'a> Scan<'a> {
    fn new(asked: Asked<'a>) -> Scan<'a> {
        Scan {
            asked,
            as_of: AsOf { checkpoint: Checkpoint::START, at: None },
            before: None,
            previous: Checkpoint::START,
            ended: false,
            everything: false,
            events: BTreeMap::new(),
            later: BTreeSet::new(),
            counted: Counted::default(),
        }
    }

    fn take(&mut self, entry: &AuditEntry) {
        let event = &entry.event;
        self.ended |= self.asked.to.is_some_and(|to| to <= event.at);
        if self.ended {
            self.leave_out(entry);
            return;
        }
        if self.before.is_none() && self.asked.from.is_none_or(|from| from <= event.at) {
            self.before = Some(self.previous);
        }
        self.previous = Checkpoint { seq: entry.seq, hash: entry.hash };
        self.as_of = AsOf { checkpoint: self.previous, at: Some(event.at) };
        if event.subject.kind == SubjectKind::Deployment {
            let detail = serde_json::from_str(&event.detail).unwrap_or_default();
            self.events.entry(event.subject.id.clone()).or_default().push(DeploymentEvent {
                seq: entry.seq,
                at: event.at,
                actor: event.actor.clone(),
                action: event.action.name().to_owned(),
                detail,
            });
        }
        let in_window = self.asked.from.is_none_or(|from| from <= event.at);
        if let Some(deployment) = self.asked.counted.filter(|_| in_window) {
            self.count(deployment, entry);
        }
    }

    /// What came after the position must not be in the facts.
    fn leave_out(&mut self, entry: &AuditEntry) {
        let event = &entry.event;
        match event.action {
            AuditAction::RecordSigned => {
                let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
                self.later.extend(detail["signature"].as_str().map(str::to_owned));
            }
            AuditAction::RecordAdded | AuditAction::PackageImported | AuditAction::UserAdded => {
                self.later.insert(event.subject.id.clone());
            }
            _ if event.subject.kind == SubjectKind::Deployment => {
                self.later.insert(event.subject.id.clone());
            }
            _ => {}
        }
    }

    fn count(&mut self, deployment: &str, entry: &AuditEntry) {
        let event = &entry.event;
        let counts = [AuditAction::DispositionSet, AuditAction::InferenceRecorded, AuditAction::LabelAdded];
        if !counts.contains(&event.action) {
            return;
        }
        let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
        if detail["deployment"] != deployment {
            return;
        }
        let text = |key: &str| detail[key].as_str().unwrap_or_default().to_owned();
        let counted = &mut self.counted;
        match event.action {
            AuditAction::DispositionSet => {
                *counted.reasons.entry((text("disposition"), text("reason"))).or_default() += 1;
            }
            AuditAction::LabelAdded => *counted.labels.entry((text("finding"), text("class"))).or_default() += 1,
            _ => {
                if let Ok(package) = text("package").parse() {
                    *counted.runs.entry(package).or_default() += 1;
                }
            }
        }
    }

    /// Whether something of that name, entered at that time, belongs to the facts.
    fn holds(&self, name: &str, at: Timestamp) -> bool {
        // What came in while the chain was read lies after its end and has no entry here.
        self.everything || !self.later.contains(name) && self.as_of.at.is_some_and(|end| at <= end)
    }
}

async fn facts(catalog: &dyn Catalog, scan: &Scan<'_>) -> Result<SiteFacts> {
    let mut packages: Vec<PackageFacts> = catalog
        .package_list()
        .await?
        .into_iter()
        .filter(|package| scan.holds(&package.digest.to_string(), package.imported_at))
        .map(|package| PackageFacts {
            digest: package.digest,
            name: package.name,
            version: package.version,
            manifest: package.manifest,
            imported_at: package.imported_at,
        })
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.version, a.digest).cmp(&(&b.name, &b.version, b.digest)));
    let mut deployments = Vec::new();
    for deployment in catalog.deployment_list().await? {
        deployments.extend(deployment_as_of(catalog, deployment, scan).await?);
    }
    let filter = RecordFilter { until: scan.as_of.at.filter(|_| !scan.everything), ..RecordFilter::default() };
    let mut records: Vec<Record> = catalog.record_list(&filter, u32::MAX).await?;
    records.retain(|record| scan.holds(&record.digest.to_string(), record.created_at));
    for record in &mut records {
        record.signatures.retain(|signature| !scan.later.contains(&signature.signature));
    }
    records.sort_by_key(|record| record.digest);
    let people = catalog.user_list().await?.into_iter().filter(|user| !scan.later.contains(&user.name));
    let people = people
        .map(|user| PersonFacts {
            name: user.name,
            display_name: user.display_name,
            roles: user.roles,
            public_key: user.public_key,
            active: user.active,
        })
        .collect();
    Ok(SiteFacts { as_of: scan.as_of.clone(), packages, deployments, records, people })
}

/// The deployment at the position; `None` when it was declared later.
async fn deployment_as_of(
    catalog: &dyn Catalog,
    deployment: Deployment,
    scan: &Scan<'_>,
) -> Result<Option<DeploymentFacts>> {
    let name = deployment.spec.name.clone();
    let events = scan.events.get(&name).cloned().unwrap_or_default();
    let declared = if scan.holds(&name, deployment.updated_at) {
        Some(deployment)
    } else {
        // It was changed since; its history knows how it stood after the last act that is looked at.
        let last = events.last().map(|event| event.at);
        let change = match last {
            Some(at) => catalog.deployment_as_of(&name, at).await?,
            None => None,
        };
        change.map(|change| change.deployment)
    };
    Ok(declared.map(|declared| DeploymentFacts {
        name,
        state: declared.state.name().to_owned(),
        package: declared.package_digest,
        declared: Some(declared),
        events,
    }))
}

/// What else a periodic report counts, beside what the chain says.
pub(crate) async fn count(
    catalog: &dyn Catalog,
    deployment: &str,
    window: Window,
    counted: &mut Counted,
) -> Result<()> {
    let last = window.to.plus_micros(-1).day();
    for line in catalog.books(&window.from.day(), &last).await? {
        if line.deployment == deployment {
            counted.days.push(day(&line)?);
        }
    }
    for delivery in deliveries(catalog, deployment, window).await? {
        *counted.deliveries.entry(delivery.state.name().to_owned()).or_default() += 1;
        if let Some(at) = delivery.delivered_at {
            counted.delivery_seconds.push(at.micros_since(delivery.created_at).max(0) as f64 / 1e6);
        }
    }
    for alarm in catalog.alarm_list(false, u32::MAX).await? {
        if alarm.deployment.as_deref() == Some(deployment) && window.contains(alarm.raised_at) {
            let hilum_store::Alarm { code, text, raised_at, n_raised, acknowledged_at, .. } = alarm;
            counted.alarms.push(AlarmFacts { code, text, raised_at, n_raised, acknowledged_at });
        }
    }
    counted.alarms.reverse();
    Ok(())
}

fn day(line: &BooksLine) -> Result<BookDay> {
    if !line.balanced {
        bail!(
            "the books of {} on {} do not balance; `hilum check` and the worklist say more",
            line.deployment,
            line.day
        );
    }
    Ok(BookDay {
        day: line.day.clone(),
        arrived: line.arrived,
        analysed: line.analysed,
        not_eligible: line.not_eligible,
        withheld: line.withheld,
        failed: line.failed,
        expired: line.expired,
        open: line.open,
    })
}

/// Deliveries of the deployment that were enqueued in the window. The list goes from new to old.
async fn deliveries(catalog: &dyn Catalog, deployment: &str, window: Window) -> Result<Vec<Delivery>> {
    let mut found = Vec::new();
    let mut filter = DeliveryFilter::default();
    loop {
        let page = catalog.delivery_list(&filter, DELIVERIES).await?;
        let Some(last) = page.last() else { return Ok(found) };
        let before_window = last.created_at < window.from;
        filter.after = Some(last.key.clone());
        found.extend(page.into_iter().filter(|d| d.result.deployment == deployment && window.contains(d.created_at)));
        if before_window {
            return Ok(found);
        }
    }
}
