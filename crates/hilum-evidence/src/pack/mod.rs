//! The evidence pack: records as files, indexed by what the law asks for, with an honest list of what is missing (GV-03).

mod answers;
mod check;
mod index;
mod inventory;
mod manifest;

pub use answers::{Answered, ItemAnswer, Link, Status};
pub use check::{ChainCheck, PackCheck, check_records};
pub use index::Index;
pub(crate) use index::moment;
pub use inventory::InventoryLine;
pub use manifest::{MANIFEST_PATH, PackManifest};

use crate::EvidenceError;
use crate::card::{Card, pretty};
use crate::facts::{PackageFacts, SiteFacts, Window};
use crate::figure::ValidationFacts;
use crate::law::Law;
use crate::periodic::PeriodicReport;
use hilum_audit::Checkpoint;
use hilum_sign::{Record, RecordKind};
use hilum_validate::{FailureImages, Report, render_page};
use serde::Serialize;
use serde_json::json;

/// Path of the entries of the audit chain, one JSON object a line.
pub const CHAIN_PATH: &str = "audit/entries.jsonl";

/// Path of the bounds of the segment.
pub const SEGMENT_PATH: &str = "audit/segment.json";

/// Path of the people who may sign.
pub const PEOPLE_PATH: &str = "people.json";

/// What a pack is, in the words that stand on it (GV-19).
pub const WHAT_IT_IS: &str = "Records of one site about the models it runs, exported by Hilum as they stood at one position of its audit \
    chain: what each version is, on what evidence it was accepted and by whom, where it runs, what changed, and what is missing.";

/// What a pack is not (GV-19).
pub const WHAT_IT_IS_NOT: &str = "It is no declaration of conformity, no certificate, no assessment of a notified body and no legal advice. \
    An item with evidence says that records on the matter are in this pack, not that they suffice. Whether they do is for people to judge.";

/// A file of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackFile {
    /// Path within the pack, parts separated by `/`.
    pub path: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// What a pack is made from.
#[derive(Debug, Clone)]
pub struct PackInput<'a> {
    /// The facts; already narrowed with [`SiteFacts::only`] when the pack is about one deployment.
    pub site: &'a SiteFacts,
    /// What it is indexed by.
    pub law: &'a Law,
    /// The law data as it stands in the file.
    pub law_text: &'a str,
    /// The deployment it is about; all of them when `None`.
    pub deployment: Option<&'a str>,
    /// The window asked for, where one was.
    pub window: Option<Window>,
    /// The segment of the audit chain that the caller writes to [`CHAIN_PATH`].
    pub segment: Segment,
}

/// A piece of the audit chain without gaps: the entries after `after`, up to and with `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Segment {
    /// Position and hash of the entry before the first; position 0 when the chain is there from its beginning.
    pub after: Checkpoint,
    /// Position and hash of the last entry.
    pub to: Checkpoint,
    /// How many entries.
    pub n_entries: u64,
}

/// Folder of what is about a package. Its digest keeps two versions apart whatever they are called.
pub(crate) fn folder(package: &PackageFacts) -> String {
    format!("{}-{}", package.name, package.digest.short())
}

/// Path of a record.
pub(crate) fn record_path(record: &Record) -> String {
    format!("records/{}/{}.json", record.kind.name(), record.digest)
}

/// Every file of a pack but [`CHAIN_PATH`] and the manifest, by path.
///
/// # Errors
/// [`EvidenceError`] when a fact cannot be read or a page cannot be written.
pub fn pack(input: &PackInput<'_>) -> Result<Vec<PackFile>, EvidenceError> {
    let PackInput { site, law, .. } = *input;
    let mut files = Files::default();
    for package in &site.packages {
        let manifest = json!({ "format": 1, "package": package });
        files.json(format!("packages/{}/package.json", folder(package)), &manifest);
        for file in Card::new(site, &package.digest)?.files()? {
            files.add(format!("cards/{}/{}", folder(package), file.name), file.bytes);
        }
    }
    for record in &site.records {
        files.json(record_path(record), &serde_json::to_value(record).unwrap_or_default());
        match record.kind {
            RecordKind::Validation => validation(record, &mut files)?,
            RecordKind::PeriodicReport => periodic(record, &mut files)?,
            _ => {}
        }
    }
    for deployment in &site.deployments {
        let value = json!({ "format": 1, "deployment": deployment });
        files.json(format!("deployments/{}.json", deployment.name), &value);
    }
    files.json(PEOPLE_PATH.to_owned(), &json!({ "format": 1, "people": site.people }));
    files.json(SEGMENT_PATH.to_owned(), &json!({ "format": 1, "segment": input.segment, "entries": CHAIN_PATH }));
    files.add("audit/VERIFY.md".to_owned(), instructions(input).into_bytes());
    files.add(format!("law/{}.toml", law.name), input.law_text.as_bytes().to_vec());
    let inventory = inventory::inventory(site)?;
    files.json("inventory.json".to_owned(), &json!({ "format": 1, "as_of": site.as_of, "deployments": inventory }));
    let index = Index::new(input, inventory)?;
    files.json("index.json".to_owned(), &serde_json::to_value(&index).unwrap_or_default());
    files.add("index.html".to_owned(), index.page(site)?.into_bytes());
    files.0.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files.0)
}

#[derive(Default)]
struct Files(Vec<PackFile>);

impl Files {
    fn add(&mut self, path: String, bytes: Vec<u8>) {
        self.0.push(PackFile { path, bytes });
    }

    fn json(&mut self, path: String, value: &serde_json::Value) {
        self.add(path, pretty(value));
    }
}

/// Folder of the readable form of a record.
pub(crate) fn shown_folder(record: &Record) -> String {
    let of = if record.kind == RecordKind::Validation { "validations" } else { "reports" };
    format!("{of}/{}", record.digest.short())
}

fn validation(record: &Record, files: &mut Files) -> Result<(), EvidenceError> {
    if ValidationFacts::read(record).problem.is_some() {
        // The record itself is in the pack; a page of what cannot be read would be made up.
        return Ok(());
    }
    files.json(format!("{}/report.json", shown_folder(record)), &record.body["report"]);
    if let Ok(report) = serde_json::from_value::<Report>(record.body["report"].clone()) {
        // Images of failed cases stay at the site: they are patients' images.
        let page =
            render_page(&report, &FailureImages::default()).map_err(|error| EvidenceError::Page(error.to_string()))?;
        files.add(format!("{}/report.html", shown_folder(record)), page.into_bytes());
    }
    Ok(())
}

fn periodic(record: &Record, files: &mut Files) -> Result<(), EvidenceError> {
    if let Ok(report) = PeriodicReport::from_record(record) {
        files.add(format!("{}/index.html", shown_folder(record)), report.page()?.into_bytes());
    }
    Ok(())
}

/// How to verify the pack without Hilum and without a network.
fn instructions(input: &PackInput<'_>) -> String {
    let Segment { after, to, n_entries } = input.segment;
    format!(
        "# How to verify this pack\n\n\
         With Hilum: `hilum evidence verify DIR`. It needs no configuration and no network.\n\n\
         Without Hilum:\n\n\
         1. `sha256sum --strict --check {MANIFEST_PATH}` in this folder. Every file but `{MANIFEST_PATH}` is listed in it.\n\
         2. If there is a signature beside the folder: `model_signing verify key DIR --signature DIR.sig --public_key KEY.pem`\n   \
            (OpenSSF Model Signing v1.0), with a public key you got from the site by another way.\n\
         3. The audit chain: `{CHAIN_PATH}` holds {n_entries} entries, after position {} up to position {}.\n   \
            `hash` of each entry is SHA-256 over, in this order: the 16 bytes `hilum.audit.v1` and two NUL; `seq` as 8 bytes, big\n   \
            endian; the 32 bytes of `prev_hash`; `at` in microseconds since 1970-01-01 UTC as 8 bytes, big endian, two's\n   \
            complement; then, each with its length in bytes as 4 bytes, big endian, in front: actor, action, outcome, subject\n   \
            kind, subject id, detail, in UTF-8. `prev_hash` is `hash` of the entry before. The last hash must be\n   \
            `{}`;\n   \
            hold it, and any checkpoint you were given earlier, against what the site gives you today.\n\
         4. Records: the digest of a record is BLAKE3 over the JSON text of `{{\"body\":..,\"kind\":..,\"subject\":..}}` with keys sorted\n   \
            and no white space. A signature is Ed25519 over the same kind of text of `format` (1), `meaning`, `record`, `role`,\n   \
            `signed_at`, `signer`. The chain holds an entry for each record and each signature, and the public key of each person.\n\n\
         What a whole chain shows: nothing in it was changed, taken out or put in between. That its end was not cut off only a\n\
         checkpoint kept elsewhere shows.\n",
        after.seq, to.seq, to.hash
    )
}
