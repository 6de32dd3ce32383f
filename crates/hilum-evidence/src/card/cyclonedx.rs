//! CycloneDX 1.6 machine-learning bill of materials, JSON.

use super::{Answer, Card};
use crate::figure::Figure;
use crate::words::{self, number};
use hilum_registry::manifest::OutputSpec;
use hilum_sign::RecordKind;
use serde_json::{Map, Value, json};

pub(super) fn render(card: &Card) -> Value {
    let info = &card.manifest.package;
    let data: Vec<Value> = card.data_components();
    let references: Vec<Value> = data.iter().map(|component| json!({ "ref": component["bom-ref"] })).collect();
    let mut component = json!({
        "type": "machine-learning-model",
        "bom-ref": format!("package:{}", card.package.digest),
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "manufacturer": { "name": info.manufacturer },
        "licenses": [{ "license": license(&info.license) }],
        "hashes": [{ "alg": "BLAKE3", "content": card.package.digest }],
        "modelCard": {
            "bom-ref": format!("card:{}", card.digest),
            "modelParameters": {
                "task": card.task(),
                "architectureFamily": card.text("model_type"),
                "datasets": references,
                "inputs": formats(&words::inputs(&card.manifest)),
                "outputs": formats(&words::outputs(&card.manifest)),
            },
            "quantitativeAnalysis": { "performanceMetrics": card.figures().map(metric).collect::<Vec<_>>() },
            "considerations": considerations(card),
        },
    });
    let properties: Vec<Value> = properties(card);
    component["properties"] = Value::from(properties);
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(card)),
        "version": 1,
        "metadata": { "component": component },
        "components": data,
    })
}

/// A UUID of version 8 (RFC 9562) from the digest of the facts: the same facts are the same bill of materials.
fn uuid(card: &Card) -> String {
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&card.digest.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// An SPDX identifier only where it is one for sure; the schema knows the list.
fn license(text: &str) -> Value {
    const KNOWN: [&str; 9] = [
        "Apache-2.0",
        "MIT",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CC-BY-4.0",
        "CC-BY-SA-4.0",
        "CC-BY-NC-4.0",
        "GPL-3.0-only",
    ];
    if KNOWN.contains(&text) { json!({ "id": text }) } else { json!({ "name": text }) }
}

fn formats(lines: &[String]) -> Value {
    lines.iter().map(|line| json!({ "format": line })).collect()
}

/// The schema has no place for n and method; they stand in the type and the slice, so that no figure goes without them.
fn metric(figure: &Figure) -> Value {
    json!({
        "type": format!("{} ({}, {} interval)", figure.title, figure.method, figure.level_text()),
        "value": number(figure.value),
        "slice": format!("{}, n = {}", figure.slice, figure.n),
        "confidenceInterval": { "lowerBound": number(figure.lower), "upperBound": number(figure.upper) },
    })
}

fn considerations(card: &Card) -> Value {
    let mut stated = Map::new();
    let lists = [
        ("users", "primary_intended_users"),
        ("useCases", "intended_use_and_workflow"),
        ("technicalLimitations", "known_risks_and_limitations"),
        ("performanceTradeoffs", "design_choices"),
    ];
    for (name, key) in lists {
        if card.answers.get(key).is_some_and(Answer::is_stated) {
            stated.insert(name.to_owned(), json!([card.text(key)]));
        }
    }
    if card.answers.get("known_biases").is_some_and(Answer::is_stated) {
        let mut risk = json!({ "name": card.text("known_biases") });
        if card.answers.get("bias_mitigation").is_some_and(Answer::is_stated) {
            risk["mitigationStrategy"] = card.text("bias_mitigation").into();
        }
        stated.insert("ethicalConsiderations".to_owned(), json!([risk]));
    }
    let groups: Vec<Value> = card
        .figures()
        .filter(|figure| figure.is_subgroup())
        .map(|figure| {
            json!({
                "groupAtRisk": figure.slice,
                "harms": format!("{}; verdict {}", figure.sentence(), figure.verdict.as_deref().unwrap_or("not asked")),
            })
        })
        .collect();
    if !groups.is_empty() {
        stated.insert("fairnessAssessments".to_owned(), groups.into());
    }
    stated.into()
}

fn properties(card: &Card) -> Vec<Value> {
    let property = |name: &str, value: String| json!({ "name": format!("hilum:{name}"), "value": value });
    let mut properties = vec![
        property("facts", card.digest.to_string()),
        property("regulatory", card.text("regulatory")),
        property("stage", card.text("stage")),
    ];
    for validation in &card.validations {
        properties.push(property("validation", format!("{} {}", validation.record, validation.verdict)));
    }
    properties.push(property("not_stated", card.not_stated().join(", ")));
    properties
}

impl Card {
    /// Case lists that the version was tested on and its family trained on.
    fn data_components(&self) -> Vec<Value> {
        let lists = self
            .sources
            .iter()
            .filter(|source| [RecordKind::ReferenceSet.name(), RecordKind::TrainingSet.name()].contains(&source.kind));
        lists
            .map(|source| {
                json!({
                    "type": "data",
                    "bom-ref": format!("record:{}", source.digest),
                    "name": source.what,
                    "version": source.digest.short(),
                    "hashes": [{ "alg": "BLAKE3", "content": source.digest }],
                    "data": [{ "type": "dataset", "name": format!("{}: {}", source.kind.replace('_', " "), source.what) }],
                })
            })
            .collect()
    }

    /// What kind of task it is, in the words of ML tools.
    pub(super) fn task(&self) -> &'static str {
        let outputs = &self.manifest.outputs;
        if outputs.iter().any(|output| matches!(output, OutputSpec::Segmentation(_))) {
            "image-segmentation"
        } else if outputs.iter().any(|output| matches!(output, OutputSpec::Quantity(_))) {
            "image-feature-extraction"
        } else {
            "image-classification"
        }
    }

    /// Words to find it by: modalities, body parts and findings.
    pub(super) fn keywords(&self) -> Vec<String> {
        let intended = &self.manifest.intended_use;
        let mut words: Vec<String> = intended.modality.iter().chain(&intended.body_part).cloned().collect();
        words.extend(self.manifest.findings().map(|finding| finding.concept.meaning.clone()));
        let mut seen = std::collections::BTreeSet::new();
        words.retain(|word| seen.insert(word.to_lowercase()));
        words
    }

    /// How the card came about.
    pub(super) fn about(&self) -> String {
        format!(
            "Rendered by Hilum from records, facts {}. What nobody has stated says so. This card is no declaration or \
             certificate of conformity.",
            self.digest
        )
    }
}
