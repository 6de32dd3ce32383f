//! The first page of a pack, for people and for programs.

use super::answers::{ItemAnswer, Status, answer};
use super::inventory::InventoryLine;
use super::{PackInput, Segment, WHAT_IT_IS, WHAT_IT_IS_NOT, folder, record_path};
use crate::EvidenceError;
use crate::facts::{AsOf, SiteFacts, Window};
use crate::law::Edition;
use crate::words;
use askama::Template;
use hilum_sign::RecordKind;
use serde::Serialize;

/// `index.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Index {
    /// Always 1.
    pub format: u32,
    /// What the pack is.
    pub what_it_is: &'static str,
    /// What it is not.
    pub what_it_is_not: &'static str,
    /// Position of the audit chain that it shows.
    pub as_of: AsOf,
    /// The deployment it is about; all of them when absent.
    pub deployment: Option<String>,
    /// The window asked for.
    pub window: Option<Window>,
    /// The segment of the audit chain in it.
    pub segment: Segment,
    /// Title of what it is indexed by.
    pub law: String,
    /// Which instrument.
    pub instrument: String,
    /// The edition in force at the last audit entry.
    pub edition: Edition,
    /// The items with their answers.
    pub items: Vec<ItemAnswer>,
    /// Which version runs where.
    pub inventory: Vec<InventoryLine>,
}

struct RecordRow {
    kind: String,
    subject: String,
    day: String,
    author: String,
    signatures: Vec<(String, &'static str)>,
    path: String,
    short: String,
}

struct EventRow {
    at: String,
    deployment: String,
    action: String,
    actor: String,
    what: String,
}

struct PackageRow {
    label: String,
    digest: String,
    imported: String,
    folder: String,
}

#[derive(Template)]
#[template(path = "pack.html")]
struct IndexPage<'a> {
    index: &'a Index,
    title: String,
    as_of: String,
    n_evidence: usize,
    n_partial: usize,
    n_missing: usize,
    packages: Vec<PackageRow>,
    records: Vec<RecordRow>,
    events: Vec<EventRow>,
}

impl Index {
    pub(super) fn new(input: &PackInput<'_>, inventory: Vec<InventoryLine>) -> Result<Index, EvidenceError> {
        let PackInput { site, law, deployment, window, segment, .. } = *input;
        let edition = law.edition_at(site.as_of.at);
        Ok(Index {
            format: 1,
            what_it_is: WHAT_IT_IS,
            what_it_is_not: WHAT_IT_IS_NOT,
            as_of: site.as_of.clone(),
            deployment: deployment.map(str::to_owned),
            window,
            segment,
            law: law.title.clone(),
            instrument: law.instrument.clone(),
            edition: edition.clone(),
            items: answer(site, law.items_of(edition))?,
            inventory,
        })
    }

    /// How many items are answered so far.
    pub fn count(&self, status: Status) -> usize {
        self.items.iter().filter(|item| item.status == status).count()
    }

    pub(super) fn page(&self, site: &SiteFacts) -> Result<String, EvidenceError> {
        let title = match &self.deployment {
            Some(name) => format!("Evidence pack: deployment {name}"),
            None => format!("Evidence pack: {}", words::count(self.inventory.len(), "deployment")),
        };
        let page = IndexPage {
            index: self,
            title,
            as_of: self.as_of.at.map_or_else(|| "an empty chain".to_owned(), |at| moment(&at.to_string())),
            n_evidence: self.count(Status::Evidence),
            n_partial: self.count(Status::Partial),
            n_missing: self.count(Status::Missing),
            packages: packages(site),
            records: records(site),
            events: events(site, self.window),
        };
        page.render().map_err(|error| EvidenceError::Page(error.to_string()))
    }
}

/// `2026-11-23 09:12:41 UTC` of an RFC 3339 time.
pub(crate) fn moment(text: &str) -> String {
    format!("{} UTC", text.get(..19).unwrap_or(text).replace('T', " "))
}

fn packages(site: &SiteFacts) -> Vec<PackageRow> {
    let row = |package: &crate::PackageFacts| PackageRow {
        label: package.label(),
        digest: package.digest.to_string(),
        imported: package.imported_at.day(),
        folder: folder(package),
    };
    site.packages.iter().map(row).collect()
}

fn records(site: &SiteFacts) -> Vec<RecordRow> {
    let name_of = |subject: &str| {
        let package = site.packages.iter().find(|package| package.digest.to_string() == subject);
        package.map_or_else(|| subject.to_owned(), crate::PackageFacts::label)
    };
    let row = |record: &hilum_sign::Record| {
        let intact = record.is_intact();
        let signature = |signature: &hilum_sign::Signature| {
            let valid = intact && signature.record == record.digest && signature.verify().is_ok();
            let text = format!(
                "{} ({}) on {}",
                signature.signer,
                signature.meaning.name().replace('_', " "),
                signature.signed_at.day()
            );
            (text, if valid { "valid" } else { "broken" })
        };
        RecordRow {
            kind: record.kind.name().replace('_', " "),
            subject: if subject_is_digest(record.kind) { name_of(&record.subject) } else { record.subject.clone() },
            day: record.created_at.day(),
            author: record.author.clone(),
            signatures: record.signatures.iter().map(signature).collect(),
            path: record_path(record),
            short: record.digest.short(),
        }
    };
    let mut rows: Vec<(_, RecordRow)> =
        site.records.iter().map(|r| ((r.kind, r.created_at, r.digest), row(r))).collect();
    rows.sort_by_key(|(key, _)| *key);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn subject_is_digest(kind: RecordKind) -> bool {
    use RecordKind::{CardText, Comparison, Recall, Validation};
    matches!(kind, Validation | Comparison | Recall | CardText)
}

/// Acts on deployments, oldest first; with a window only those in it.
fn events(site: &SiteFacts, window: Option<Window>) -> Vec<EventRow> {
    let mut rows: Vec<(u64, EventRow)> = Vec::new();
    for deployment in &site.deployments {
        for event in deployment.events.iter().filter(|event| window.is_none_or(|window| window.contains(event.at))) {
            let package = event.package().map(|digest| {
                let known = site.package(&digest).map(crate::PackageFacts::label);
                known.unwrap_or_else(|_| digest.short())
            });
            let parts = [event.text("state").map(str::to_owned), package, event.text("reason").map(str::to_owned)];
            let row = EventRow {
                at: moment(&event.at.to_string()),
                deployment: deployment.name.clone(),
                action: event.action.trim_start_matches("deployment_").replace('_', " "),
                actor: event.actor.clone(),
                what: parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
            };
            rows.push((event.seq, row));
        }
    }
    rows.sort_by_key(|(seq, _)| *seq);
    rows.into_iter().map(|(_, row)| row).collect()
}
