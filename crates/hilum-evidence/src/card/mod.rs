//! The model card: one set of facts, four renderings (UX-07).

mod chai;
mod cyclonedx;
mod hugging_face;
mod page;
mod seal;

pub(crate) use seal::pretty;
pub use seal::{CardDifference, CardFile, CardFiles};

use crate::card_text::{CardText, TEXT_FIELDS};
use crate::facts::{PackageFacts, SiteFacts};
use crate::figure::{Figure, ValidationFacts};
use crate::{EvidenceError, words};
use hilum_registry::Manifest;
use hilum_sign::{Record, RecordKind, canonical_text};
use hilum_types::Digest;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a card says where no fact answers. Nothing is ever invented in its place.
pub const NOT_STATED: &str = "Not stated.";

/// Everything a card says about one package. Made by [`Card::new`], written by [`Card::files`].
#[derive(Debug, Clone)]
pub struct Card {
    pub(crate) package: PackageFacts,
    pub(crate) manifest: Manifest,
    /// What it is rendered from, and nothing else.
    pub(crate) facts: Value,
    /// Digest of the canonical text of `facts`.
    pub(crate) digest: Digest,
    pub(crate) answers: BTreeMap<&'static str, Answer>,
    pub(crate) validations: Vec<ValidationFacts>,
    pub(crate) uses: Vec<Use>,
    pub(crate) sources: Vec<Source>,
}

/// What a card says on one matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// From package and records.
    pub(crate) recorded: Option<String>,
    /// Written by people, Markdown.
    pub(crate) written: Option<String>,
}

impl Answer {
    fn recorded(text: impl Into<String>) -> Answer {
        Answer { recorded: Some(text.into()).filter(|text| !text.is_empty()), written: None }
    }

    fn lines(lines: &[String]) -> Answer {
        Answer::recorded(words::list(lines))
    }

    /// All of it as Markdown; [`NOT_STATED`] when there is nothing.
    pub(crate) fn text(&self) -> String {
        let parts: Vec<&str> = [&self.recorded, &self.written].into_iter().flatten().map(String::as_str).collect();
        if parts.is_empty() { NOT_STATED.to_owned() } else { parts.join("\n\n") }
    }

    pub(crate) fn is_stated(&self) -> bool {
        self.recorded.is_some() || self.written.is_some()
    }
}

/// Where the version is used at this site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Use {
    pub(crate) deployment: String,
    pub(crate) state: String,
    pub(crate) purpose: String,
    pub(crate) owner: String,
    pub(crate) narrowed: Vec<String>,
}

/// A record that the card rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Source {
    pub(crate) kind: &'static str,
    pub(crate) digest: Digest,
    pub(crate) what: String,
    pub(crate) approval: String,
}

impl Card {
    /// The card of a package, from everything the facts say about it. The position of the audit chain is not part of it, so a
    /// card only becomes stale when something about the package changes.
    ///
    /// # Errors
    /// [`EvidenceError::NoPackage`]; [`EvidenceError::Manifest`] and [`EvidenceError::Record`] when a fact cannot be read.
    pub fn new(site: &SiteFacts, digest: &Digest) -> Result<Card, EvidenceError> {
        let package = site.package(digest)?.clone();
        let manifest = package.read_manifest()?;
        let records = records_of(site, &package);
        let uses: Vec<Use> = site.deployments.iter().filter(|d| d.package == *digest).map(use_of).collect();
        let facts = json!({
            "format": 1,
            "package": package,
            "records": records,
            "uses": uses,
            "earlier_versions": earlier_versions(site, &package),
        });
        let text = match records.iter().find(|record| record.kind == RecordKind::CardText) {
            Some(record) => CardText::from_record(record)?,
            None => CardText::default(),
        };
        let validations = records
            .iter()
            .filter(|record| record.kind == RecordKind::Validation)
            .map(|record| ValidationFacts::read(record))
            .collect();
        let mut card = Card {
            digest: Digest::of(canonical_text(&facts).as_bytes()),
            answers: BTreeMap::new(),
            sources: records.iter().map(|record| source(record)).collect(),
            package,
            manifest,
            facts,
            validations,
            uses,
        };
        card.answers = card.answers(site, &text);
        Ok(card)
    }

    /// Digest of the facts it is rendered from.
    pub fn facts_digest(&self) -> Digest {
        self.digest
    }

    /// Answers of one name; [`NOT_STATED`] when there is none.
    pub(crate) fn text(&self, key: &str) -> String {
        self.answers.get(key).map_or_else(|| NOT_STATED.to_owned(), Answer::text)
    }

    /// Figures of the validations that count: the newest of each protocol.
    pub(crate) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.current_validations().flat_map(|validation| validation.figures.iter())
    }

    /// The newest validation under each protocol; earlier ones are listed but lead to no figure on the card.
    pub(crate) fn current_validations(&self) -> impl Iterator<Item = &ValidationFacts> {
        self.validations.iter().enumerate().filter_map(|(n, validation)| {
            let newer = &self.validations[..n];
            let superseded = newer.iter().any(|other| other.protocol_name == validation.protocol_name);
            (!superseded).then_some(validation)
        })
    }

    /// Titles of the fields on which nothing is stated.
    pub fn not_stated(&self) -> Vec<&'static str> {
        let fields = TEXT_FIELDS.iter().filter(|field| !self.answers.get(field.key).is_some_and(Answer::is_stated));
        fields.map(|field| field.title).collect()
    }

    fn answers(&self, site: &SiteFacts, text: &CardText) -> BTreeMap<&'static str, Answer> {
        let manifest = &self.manifest;
        let info = &manifest.package;
        let mut answers: BTreeMap<&'static str, Answer> = BTreeMap::from([
            ("name", Answer::recorded(info.title.as_str())),
            ("maker", Answer::recorded(info.manufacturer.as_str())),
            ("version", Answer::recorded(info.version.as_str())),
            ("license", Answer::recorded(info.license.as_str())),
            ("summary", Answer::recorded(info.description.as_str())),
            ("stage", Answer::recorded(self.stage())),
            ("regulatory", Answer::recorded(words::regulatory(manifest))),
            ("outputs", Answer::lines(&words::outputs(manifest))),
            ("inputs", Answer::lines(&words::inputs(manifest))),
            ("runtime", Answer::recorded(words::runtime(manifest))),
            ("intended_use_and_workflow", Answer::lines(&words::intended_use(&manifest.intended_use))),
            ("computing_resources", Answer::recorded(words::resources(manifest))),
            ("model_type", Answer::recorded(words::runtime(manifest))),
            ("development_data", Answer::lines(&training_sets(site, &self.package))),
            (
                "security",
                Answer::recorded(format!("Version pinned by the digest {} of its files.", self.package.digest)),
            ),
            ("known_biases", Answer::lines(&self.weak_groups())),
        ]);
        let (age, sex) = (words::intended_use(&manifest.intended_use), "Sex");
        let patients: Vec<String> =
            age.into_iter().filter(|line| line.starts_with("Age") || line.starts_with(sex)).collect();
        answers.insert("targeted_patient_population", Answer::lines(&patients));
        let refused = if manifest.intended_use == hilum_registry::IntendedUse::default() {
            ""
        } else {
            "A study that breaks a criterion of the intended use, or for which it cannot be decided, is not analysed; the reason \
             is recorded with the study."
        };
        answers.insert("out_of_scope", Answer::recorded(refused));
        for (key, written) in &text.0 {
            answers.entry(*key).or_default().written = Some(written.clone());
        }
        answers
    }

    /// Where the version stands, at its maker and here.
    fn stage(&self) -> String {
        let mut lines = vec![format!("Imported at this site on {}.", self.package.imported_at.day())];
        for place in &self.uses {
            lines.push(format!("Deployment {}: {}, {}.", place.deployment, place.state, place.purpose));
        }
        if self.uses.is_empty() {
            lines.push("Used by no deployment of this site.".to_owned());
        }
        lines.join(" ")
    }

    /// Groups in which an acceptance test did not pass.
    fn weak_groups(&self) -> Vec<String> {
        let groups = self.figures().filter(|figure| figure.is_subgroup() && figure.verdict.as_deref() != Some("pass"));
        groups
            .map(|figure| {
                let verdict = figure.verdict.as_deref().unwrap_or("no requirement");
                format!("{}: {} ({verdict})", figure.slice, figure.sentence())
            })
            .collect()
    }
}

/// Records that a card rests on, newest first within a kind; of texts only the one in force.
fn records_of<'a>(site: &'a SiteFacts, package: &PackageFacts) -> Vec<&'a Record> {
    let subject = package.digest.to_string();
    let mut records: Vec<&Record> = Vec::new();
    records.extend(site.records_about(RecordKind::CardText, &subject).into_iter().take(1));
    let validations = site.records_about(RecordKind::Validation, &subject);
    let mut named: Vec<&Record> = Vec::new();
    for validation in &validations {
        for key in ["protocol", "reference_set"] {
            let digest = validation.body[key].as_str().and_then(|text| text.parse().ok());
            named.extend(digest.and_then(|digest: Digest| site.record(&digest)));
        }
        named.extend(site.records_about(RecordKind::Waiver, &validation.digest.to_string()));
    }
    records.extend(validations);
    records.extend(named);
    records.extend(site.records_about(RecordKind::Comparison, &subject));
    records.extend(site.records_naming(RecordKind::Replay, &["to", "package"], &package.digest));
    records.extend(site.records_about(RecordKind::TrainingSet, &package.name));
    records.extend(site.records_about(RecordKind::Recall, &subject));
    let mut seen = std::collections::BTreeSet::new();
    records.retain(|record| seen.insert(record.digest));
    records
}

fn use_of(deployment: &crate::facts::DeploymentFacts) -> Use {
    Use {
        deployment: deployment.name.clone(),
        state: deployment.state.clone(),
        purpose: deployment.purpose(),
        owner: deployment.stated("owner").and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
        narrowed: words::intended_use_of(deployment.stated("intended_use").as_ref()),
    }
}

fn earlier_versions(site: &SiteFacts, package: &PackageFacts) -> Vec<Value> {
    let earlier =
        site.packages.iter().filter(|other| other.name == package.name && other.imported_at < package.imported_at);
    earlier.map(|other| json!({ "version": other.version, "digest": other.digest })).collect()
}

fn training_sets(site: &SiteFacts, package: &PackageFacts) -> Vec<String> {
    let sets = site.records_about(RecordKind::TrainingSet, &package.name);
    let line = |record: &Record| {
        let n = record.body["n_cases"].as_u64().or_else(|| record.body["cases"].as_array().map(|c| c.len() as u64));
        let n = n.map_or(String::new(), |n| format!(" of {n} cases"));
        format!("Case list {}{n}, entered on {}", record.digest.short(), record.created_at.day())
    };
    sets.into_iter().map(line).collect()
}

fn source(record: &Record) -> Source {
    let what = match record.kind {
        RecordKind::CardText => format!("{} written", words::count(crate::card_text::fields_of(&record.body), "field")),
        RecordKind::Validation | RecordKind::Recall => record.created_at.day(),
        _ => format!("{}, {}", record.subject, record.created_at.day()),
    };
    Source { kind: record.kind.name(), digest: record.digest, what, approval: words::approval(record) }
}
