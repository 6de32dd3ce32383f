//! What people write for the model card: one Markdown (or TOML) file, entered as a record.

use crate::EvidenceError;
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_types::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longest text of one field, in characters.
const CHARS_MAX: usize = 20_000;

/// A field that only people can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextField {
    /// Stable name, and key in a TOML file.
    pub key: &'static str,
    /// Heading in a Markdown file and on the card.
    pub title: &'static str,
    /// What belongs there.
    pub help: &'static str,
}

macro_rules! fields {
    ($($key:literal, $title:literal, $help:literal;)*) => {
        /// Every field that only people can fill, in the order of the card. The first 26 are those of the CHAI Applied Model
        /// Card v0.2 that no record can answer; the others are what Annex IV of the AI Act asks for besides.
        pub const TEXT_FIELDS: &[TextField] = &[$(TextField { key: $key, title: $title, help: $help }),*];
    };
}

fields! {
    "developer_contact", "Developer contact", "Where the maker can be reached.";
    "release_date", "Release date", "When the maker released this version.";
    "global_availability", "Availability", "Countries or sites where it may be used.";
    "intended_use_and_workflow", "Intended use and workflow", "What it is for and where in the reading it comes in.";
    "primary_intended_users", "Intended users", "Who may read its results, and with what training.";
    "how_to_use", "How to use", "How a result is to be read and acted on.";
    "targeted_patient_population", "Patients it is for", "Whose images it was made for.";
    "out_of_scope", "Out of scope", "Settings in which it must not be used.";
    "known_risks_and_limitations", "Risks and limitations", "What can go wrong, and what then happens to a patient.";
    "known_biases", "Biases and ethics", "Groups for which it does worse, or was never tried.";
    "clinical_risk_level", "Clinical risk level", "Class of the device, or level of risk and who set it.";
    "model_type", "Type of model", "Architecture, and models it was made from.";
    "foundation_models", "Foundation models", "Foundation models it builds on.";
    "input_data_source", "Source of its input", "Where its input comes from.";
    "development_data", "Development data", "Origin, size, time, labels and preparation of training data.";
    "bias_mitigation", "Measures against bias", "What was done so that it does equally well for everybody.";
    "ongoing_maintenance", "Maintenance", "How it is watched, updated and taken out of use.";
    "security", "Security", "How model, data and results are protected.";
    "funding_source", "Funding", "Who paid for its development.";
    "third_party_information", "Third parties", "Data, software and services of others that it rests on.";
    "stakeholders_consulted", "Who was consulted", "Clinicians, patients and others who were asked.";
    "evaluation_references", "Evaluations elsewhere", "Reports and registries that evaluate it.";
    "clinical_trial", "Clinical trials", "Registered trials.";
    "peer_reviewed_publications", "Publications", "Peer-reviewed publications about it.";
    "reimbursement_status", "Reimbursement", "Whether its use is paid for.";
    "patient_consent_or_disclosure", "Consent and disclosure", "What patients are told or asked.";
    "bibliography", "Bibliography", "BibTeX.";
    "development_process", "Development process", "Methods and steps of development, tools and models of others.";
    "design_choices", "Design choices", "What it optimises, assumptions, trade-offs and why.";
    "computing_resources", "Computing resources", "Hardware it was trained and is meant to run on.";
    "market_form", "Form of delivery", "How it is placed on the market: package, container, service.";
    "user_interface", "User interface", "What the user sees and can do, or where that is described.";
    "human_oversight", "Human oversight", "How a person can understand, overrule and stop it.";
    "planned_changes", "Planned changes", "Changes settled in advance, and how they are made safe.";
    "metric_choice", "Why these metrics", "Why the metrics chosen suit this use.";
    "risk_management", "Risk management", "Hazards, controls, residual risk, or where the file is.";
    "standards", "Standards applied", "Harmonised standards and other specifications.";
    "declaration_of_conformity", "Declaration of conformity", "Where the maker's declaration is kept.";
    "monitoring_plan", "Plan for monitoring in use", "What is watched after release, and what follows from it.";
}

/// The filled fields, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardText(pub BTreeMap<&'static str, String>);

fn field(key: &str) -> Option<&'static TextField> {
    TEXT_FIELDS.iter().find(|field| field.key == key)
}

impl CardText {
    /// Read a Markdown file: a heading `## Title` for each field, text below it; or, when it has no such heading, TOML.
    /// A field that is absent or empty is not stated. What stands before the first heading, such as a title, is not read.
    ///
    /// # Errors
    /// [`EvidenceError::CardText`] with every unknown heading or key, and every field given twice or too long.
    pub fn parse(text: &str) -> Result<CardText, EvidenceError> {
        let is_markdown = text.lines().any(|line| line.starts_with("## "));
        let (given, mut problems) = if is_markdown { markdown(text) } else { toml_table(text)? };
        let mut filled = BTreeMap::new();
        for (name, value) in given {
            let Some(known) = TEXT_FIELDS.iter().find(|f| f.key == name || f.title.eq_ignore_ascii_case(&name)) else {
                problems.push(format!("{name:?} is no field; `hilum model card-text --template` lists them"));
                continue;
            };
            let value = clean(&value);
            if CHARS_MAX < value.chars().count() {
                problems.push(format!("{:?} has more than {CHARS_MAX} characters; link to a document", known.title));
            } else if !value.is_empty() && filled.insert(known.key, value).is_some() {
                problems.push(format!("{:?} is there twice", known.title));
            }
        }
        if filled.is_empty() && problems.is_empty() {
            problems.push("no field is filled; `hilum model card-text --template` prints a file to fill".to_owned());
        }
        if problems.is_empty() { Ok(CardText(filled)) } else { Err(EvidenceError::CardText(problems)) }
    }

    /// The record to enter. `supersedes` is the text in force before, so that returning to an earlier text is an entry too.
    pub fn record(&self, package: &Digest, supersedes: Option<&Digest>, author: &str) -> NewRecord {
        NewRecord {
            kind: RecordKind::CardText,
            subject: package.to_string(),
            body: json!({ "format": 1, "supersedes": supersedes, "fields": self.0 }),
            author: author.to_owned(),
        }
    }

    /// Read a record back.
    ///
    /// # Errors
    /// [`EvidenceError::Record`] when it is of another format, or was changed after it was entered.
    pub fn from_record(record: &Record) -> Result<CardText, EvidenceError> {
        let refuse = |why: &str| EvidenceError::Record {
            kind: record.kind.name(),
            record: record.digest.short(),
            why: why.to_owned(),
        };
        if !record.is_intact() {
            return Err(refuse("it was changed after it was entered; enter the text again"));
        }
        if record.kind != RecordKind::CardText || record.body["format"] != 1 {
            return Err(refuse("it is no text of a card in format 1"));
        }
        let members = record.body["fields"].as_object().ok_or_else(|| refuse("it has no fields"))?;
        let mut filled = BTreeMap::new();
        for (key, value) in members {
            let (Some(known), Some(text)) = (field(key), value.as_str()) else {
                return Err(refuse("it has a field that this version does not know"));
            };
            filled.insert(known.key, text.to_owned());
        }
        Ok(CardText(filled))
    }

    /// The text of a field.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A Markdown file to fill, with what is filled already.
    pub fn template(&self, title: &str) -> String {
        let mut text = format!("# {}\n\nLeave a field empty to have it say \"not stated\".\n", title.trim());
        for TextField { key, title, help } in TEXT_FIELDS {
            text.push_str(&format!("\n## {title}\n\n<!-- {help} -->\n"));
            if let Some(filled) = self.get(key) {
                text.push_str(&format!("\n{filled}\n"));
            }
        }
        text
    }
}

type Given = Vec<(String, String)>;

fn markdown(text: &str) -> (Given, Vec<String>) {
    let mut given: Given = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("## "), given.last_mut()) {
            (Some(title), _) => given.push((title.trim().to_owned(), String::new())),
            (None, Some((_, value))) => {
                value.push_str(line);
                value.push('\n');
            }
            (None, None) => {}
        }
    }
    (given, Vec::new())
}

fn toml_table(text: &str) -> Result<(Given, Vec<String>), EvidenceError> {
    let refuse = |error: toml::de::Error| {
        let why = error.to_string().trim_end().to_owned();
        EvidenceError::CardText(vec![format!("it has no heading `## ...` of Markdown, and is no TOML: {why}")])
    };
    let table: toml::Table = toml::from_str(text).map_err(refuse)?;
    let mut problems = Vec::new();
    let mut given = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::String(text) => given.push((key, text)),
            _ => problems.push(format!("{key:?} is not a text; write it in quotes")),
        }
    }
    Ok((given, problems))
}

/// Without comments, control characters and surrounding space; lines end by a line feed.
fn clean(text: &str) -> String {
    let mut left = text.replace("\r\n", "\n");
    while let Some(start) = left.find("<!--") {
        let end = left[start..].find("-->").map_or(left.len(), |end| start + end + 3);
        left.replace_range(start..end, "");
    }
    left.retain(|c| c == '\n' || c == '\t' || !c.is_control());
    left.trim().to_owned()
}

/// The text of a card as the body of a record shows it, for those who only look.
pub(crate) fn fields_of(body: &Value) -> usize {
    body["fields"].as_object().map_or(0, serde_json::Map::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markdown_and_toml_say_the_same() {
        let markdown =
            "# Card\nnot read\n## How to use\n<!-- help -->\nLook at the box.\n\n* then decide\n## Funding\n\n";
        let toml = "how_to_use = \"\"\"Look at the box.\n\n* then decide\"\"\"\nfunding_source = ''";
        let read = CardText::parse(markdown).unwrap();
        assert_eq!(read, CardText::parse(toml).unwrap());
        assert_eq!(read.get("how_to_use"), Some("Look at the box.\n\n* then decide"));
        assert_eq!(read.get("funding_source"), None, "an empty field is not stated");
    }

    #[test]
    fn every_problem_is_told() {
        let text = "## How to use\na\n## How to use\nb\n## Accuracy\n100 %\n";
        insta::assert_snapshot!(CardText::parse(text).unwrap_err(), @r#"the text of the card cannot be used: "How to use" is there twice; "Accuracy" is no field; `hilum model card-text --template` lists them"#);
        insta::assert_snapshot!(CardText::parse("how_to_use = 7").unwrap_err(), @r#"the text of the card cannot be used: "how_to_use" is not a text; write it in quotes"#);
        assert!(CardText::parse("").unwrap_err().to_string().contains("no field is filled"));
        assert!(CardText::parse("just words").unwrap_err().to_string().contains("no TOML"));
    }

    #[test]
    fn keys_and_titles_are_unique() {
        for (n, field) in TEXT_FIELDS.iter().enumerate() {
            assert!(TEXT_FIELDS[..n].iter().all(|f| f.key != field.key && f.title != field.title), "{field:?}");
        }
    }

    #[test]
    fn a_filled_template_is_read_back() {
        let read = CardText::parse("security = 'locked'\nbibliography = '@article{a}'").unwrap();
        assert_eq!(CardText::parse(&read.template("Card")).unwrap(), read);
    }

    proptest! {
        #[test]
        fn hostile_files_never_panic(text in "(## |<!--|-->|\\PC|\n){0,40}") {
            if let Ok(read) = CardText::parse(&text) {
                prop_assert!(!read.0.is_empty());
            }
        }
    }
}
