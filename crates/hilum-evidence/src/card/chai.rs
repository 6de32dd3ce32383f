//! CHAI Applied Model Card v0.2, XML.

use super::{Card, NOT_STATED};
use crate::figure::{Figure, Group};
use serde_json::json;

/// Name space of version 0.2.
const NAME_SPACE: &str = "https://mc.chai.org/v0.2/schema.xsd";

/// Text with what XML reserves escaped, and without characters that XML 1.0 cannot hold.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// Elements that open, hold text and close; the writer keeps the indentation.
struct Xml {
    text: String,
    open: Vec<&'static str>,
}

impl Xml {
    fn indent(&mut self) {
        self.text.push_str(&"  ".repeat(self.open.len()));
    }

    fn within(&mut self, name: &'static str, content: impl FnOnce(&mut Xml)) {
        self.indent();
        self.text.push_str(&format!("<{name}>\n"));
        self.open.push(name);
        content(self);
        self.open.pop();
        self.indent();
        self.text.push_str(&format!("</{name}>\n"));
    }

    fn leaf(&mut self, name: &str, content: &str) {
        self.indent();
        self.text.push_str(&format!("<{name}>{}</{name}>\n", escape(content)));
    }

    /// An element that may be left out.
    fn leaf_if_stated(&mut self, name: &str, content: &str) {
        if content != NOT_STATED {
            self.leaf(name, content);
        }
    }
}

pub(super) fn render(card: &Card) -> String {
    let mut xml = Xml { text: String::new(), open: vec!["AppliedModelCard"] };
    let text = |key| card.text(key);
    xml.within("BasicInfo", |xml| {
        xml.leaf("ModelName", &text("name"));
        xml.leaf("ModelDeveloper", &text("maker"));
        xml.leaf("DeveloperContact", &text("developer_contact"));
    });
    xml.within("ReleaseInfo", |xml| {
        xml.leaf("ReleaseStage", &text("stage"));
        xml.leaf("ReleaseDate", &text("release_date"));
        xml.leaf("ReleaseVersion", &format!("{} (digest {})", text("version"), card.package.digest));
        xml.leaf("GlobalAvailability", &text("global_availability"));
        xml.leaf("RegulatoryApproval", &text("regulatory"));
    });
    xml.within("ModelSummary", |xml| {
        xml.leaf("Summary", &text("summary"));
        xml.within("Keywords", |xml| {
            for keyword in card.keywords() {
                xml.leaf("Keyword", &keyword);
            }
        });
    });
    xml.within("UsesAndDirections", |xml| {
        xml.leaf("IntendedUseAndWorkflow", &text("intended_use_and_workflow"));
        xml.leaf("PrimaryIntendedUsers", &text("primary_intended_users"));
        xml.leaf("HowToUse", &text("how_to_use"));
        xml.leaf("TargetedPatientPopulation", &text("targeted_patient_population"));
        xml.leaf("CautionedOutOfScopeSettings", &text("out_of_scope"));
    });
    xml.within("Warnings", |xml| {
        xml.leaf("KnownRisksAndLimitations", &text("known_risks_and_limitations"));
        xml.leaf("KnownBiasesOrEthicalConsiderations", &text("known_biases"));
        xml.leaf("ClinicalRiskLevel", &text("clinical_risk_level"));
    });
    xml.within("TrustIngredients", |xml| {
        xml.within("AISystemFacts", |xml| {
            xml.leaf("OutcomesAndOutputs", &text("outputs"));
            xml.leaf("ModelType", &text("model_type"));
            xml.leaf_if_stated("FoundationModels", &text("foundation_models"));
            xml.leaf("InputDataSource", &text("input_data_source"));
            xml.leaf(
                "OutputAndInputDataTypes",
                &format!("Input\n\n{}\n\nOutput\n\n{}", text("inputs"), text("outputs")),
            );
            xml.leaf("DevelopmentDataCharacterization", &text("development_data"));
            xml.leaf("BiasMitigationApproaches", &text("bias_mitigation"));
            xml.leaf("OngoingMaintenance", &text("ongoing_maintenance"));
            xml.leaf("Security", &text("security"));
            xml.leaf("Transparency", &card.about());
        });
        xml.within("TransparencyInformation", |xml| {
            xml.leaf("FundingSource", &text("funding_source"));
            xml.leaf_if_stated("ThirdPartyInformation", &text("third_party_information"));
            xml.leaf("StakeholdersConsulted", &text("stakeholders_consulted"));
        });
    });
    xml.within("KeyMetrics", |xml| {
        for (element, group) in [
            ("UsefulnessUsabilityEfficacy", Group::Usefulness),
            ("FairnessEquity", Group::Fairness),
            ("SafetyReliability", Group::Reliability),
        ] {
            xml.within(element, |xml| key_metric(xml, card, group));
        }
    });
    xml.within("Resources", |xml| {
        xml.leaf_if_stated("EvaluationReferences", &text("evaluation_references"));
        xml.leaf_if_stated("ClinicalTrial", &text("clinical_trial"));
        xml.leaf("PeerReviewedPublications", &text("peer_reviewed_publications"));
        xml.leaf_if_stated("ReimbursementStatus", &text("reimbursement_status"));
        xml.leaf("PatientConsentOrDisclosure", &text("patient_consent_or_disclosure"));
    });
    // BibTeX has no words for "not stated"; an empty text is an empty bibliography.
    let bibliography = card.answers.get("bibliography").and_then(|answer| answer.written.clone()).unwrap_or_default();
    xml.leaf("Bibliography", &bibliography);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- Rendered by Hilum from facts {}. An edited card fails its verification. -->\n\
         <AppliedModelCard xmlns=\"{NAME_SPACE}\">\n{}</AppliedModelCard>\n",
        card.digest, xml.text
    )
}

fn key_metric(xml: &mut Xml, card: &Card, group: Group) {
    let figures: Vec<&Figure> = card.figures().filter(|figure| figure.group() == group).collect();
    let goals: Vec<String> = figures
        .iter()
        .filter_map(|figure| Some(format!("* {}, {}: {}", figure.title, figure.slice, figure.required.as_ref()?)))
        .collect();
    xml.leaf("MetricGoal", &if goals.is_empty() { NOT_STATED.to_owned() } else { goals.join("\n") });
    xml.within("Results", |xml| {
        for figure in &figures {
            xml.within("MetricResult", |xml| {
                xml.leaf("Label", &format!("{}, {}", figure.title, figure.slice));
                xml.leaf("ValueJson", &value_json(figure));
            });
        }
        if figures.is_empty() {
            // The schema asks for one result at least.
            xml.within("MetricResult", |xml| {
                xml.leaf("Label", NOT_STATED);
                xml.leaf("ValueJson", r#"{"kind":"not_stated"}"#);
            });
        }
    });
    let sentences = |line: &dyn Fn(&crate::figure::ValidationFacts) -> Option<String>| {
        let lines: Vec<String> = if figures.is_empty() {
            vec![]
        } else {
            card.current_validations().filter_map(line).map(|line| format!("* {line}")).collect()
        };
        if lines.is_empty() { NOT_STATED.to_owned() } else { lines.join("\n") }
    };
    xml.leaf("Interpretation", &sentences(&|validation| Some(validation.interpretation())));
    xml.leaf("TestType", &sentences(&|validation| Some(validation.test_type())));
    xml.leaf("TestingDataDescription", &sentences(&|validation| validation.cases.clone()));
    xml.leaf("ValidationProcessAndJustification", &sentences(&|validation| Some(validation.process())));
}

/// `estimate_ci` as in the examples of CHAI, with n and method, which every figure of Hilum has.
fn value_json(figure: &Figure) -> String {
    json!({
        "kind": "estimate_ci",
        "estimate": figure.value,
        "lower": figure.lower,
        "upper": figure.upper,
        "level": figure.level * 100.0,
        "unit": figure.unit(),
        "n": figure.n,
        "method": figure.method,
    })
    .to_string()
}
