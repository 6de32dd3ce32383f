//! The card as one static page that can be printed.

use super::{Card, NOT_STATED, Source, Use};
use crate::EvidenceError;
use crate::card_text::TEXT_FIELDS;
use crate::figure::{Figure, ValidationFacts};
use crate::markdown::{Block, blocks};
use askama::Template;

/// A part of the card, in the order of page and README.
pub(super) struct Section {
    pub(super) title: &'static str,
    keys: &'static [&'static str],
}

/// Titles of the fields that records answer.
const RECORDED_FIELDS: &[(&str, &str)] = &[
    ("maker", "Maker"),
    ("license", "Licence"),
    ("stage", "Where it stands"),
    ("regulatory", "Regulatory status"),
    ("outputs", "What comes out"),
    ("inputs", "What goes in"),
    ("runtime", "Where it runs"),
];

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Identity",
        keys: &[
            "maker",
            "developer_contact",
            "stage",
            "regulatory",
            "license",
            "release_date",
            "global_availability",
            "market_form",
        ],
    },
    Section {
        title: "Use",
        keys: &[
            "intended_use_and_workflow",
            "primary_intended_users",
            "how_to_use",
            "targeted_patient_population",
            "out_of_scope",
            "human_oversight",
            "user_interface",
        ],
    },
    Section {
        title: "Warnings",
        keys: &["known_risks_and_limitations", "known_biases", "clinical_risk_level", "risk_management"],
    },
    Section {
        title: "What it does",
        keys: &[
            "inputs",
            "outputs",
            "input_data_source",
            "model_type",
            "foundation_models",
            "runtime",
            "computing_resources",
            "security",
        ],
    },
    Section {
        title: "How it was made and is kept",
        keys: &[
            "development_data",
            "bias_mitigation",
            "development_process",
            "design_choices",
            "ongoing_maintenance",
            "planned_changes",
            "monitoring_plan",
            "funding_source",
            "third_party_information",
            "stakeholders_consulted",
        ],
    },
    Section {
        title: "Elsewhere",
        keys: &[
            "metric_choice",
            "evaluation_references",
            "clinical_trial",
            "peer_reviewed_publications",
            "reimbursement_status",
            "patient_consent_or_disclosure",
            "standards",
            "declaration_of_conformity",
            "bibliography",
        ],
    },
];

impl Section {
    /// Name and title of each field.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.keys.iter().map(|key| {
            let recorded = RECORDED_FIELDS.iter().find(|(known, _)| known == key).map(|(_, title)| *title);
            let title = recorded.or_else(|| TEXT_FIELDS.iter().find(|f| f.key == *key).map(|f| f.title));
            (*key, title.unwrap_or(key))
        })
    }
}

struct Field {
    title: &'static str,
    stated: bool,
    blocks: Vec<Block>,
}

struct ShownSection {
    title: &'static str,
    fields: Vec<Field>,
}

#[derive(Template)]
#[template(path = "card.html")]
struct CardPage<'a> {
    title: String,
    summary: &'a str,
    package: String,
    facts: String,
    about: String,
    sections: Vec<ShownSection>,
    validations: &'a [ValidationFacts],
    figures: Vec<&'a Figure>,
    uses: &'a [Use],
    sources: &'a [Source],
    imported: String,
    not_stated: Vec<&'static str>,
}

pub(super) fn render(card: &Card) -> Result<String, EvidenceError> {
    let info = &card.manifest.package;
    let section = |section: &Section| ShownSection {
        title: section.title,
        fields: section
            .fields()
            .map(|(key, title)| {
                let text = card.text(key);
                Field { title, stated: text != NOT_STATED, blocks: blocks(&text) }
            })
            .collect(),
    };
    let page = CardPage {
        title: format!("{} {}", info.title, info.version),
        summary: &info.description,
        package: card.package.digest.to_string(),
        facts: card.digest.to_string(),
        about: card.about(),
        sections: SECTIONS.iter().map(section).collect(),
        validations: &card.validations,
        figures: card.figures().collect(),
        uses: &card.uses,
        sources: &card.sources,
        imported: card.package.imported_at.day(),
        not_stated: card.not_stated(),
    };
    page.render().map_err(|error| EvidenceError::Page(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No field that people can fill is left off the page.
    #[test]
    fn every_field_has_its_place() {
        let placed: Vec<&str> = SECTIONS.iter().flat_map(|section| section.keys).copied().collect();
        let missing: Vec<&str> = TEXT_FIELDS.iter().map(|f| f.key).filter(|key| !placed.contains(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let unknown: Vec<&str> = placed
            .into_iter()
            .filter(|key| TEXT_FIELDS.iter().all(|f| f.key != *key) && RECORDED_FIELDS.iter().all(|(k, _)| k != key))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
