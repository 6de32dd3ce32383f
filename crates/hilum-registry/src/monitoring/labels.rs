//! Where the labels of a deployment come from: `[deployment.monitoring.labels]`.

use serde::{Deserialize, Serialize};

/// Longest phrase, and longest pattern, of an extractor, in characters.
const PHRASE_CHARS_MAX: usize = 200;
/// Phrases of one list of an extractor.
const PHRASES_MAX: usize = 100;

/// What becomes a label of this deployment beside the answers of readers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabelPlan {
    /// How labels are read out of final reports (MV-28).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extractor: Vec<ExtractorSpec>,
    /// Cases drawn by lot for adjudication (MV-26).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_sample: Option<AuditSamplePlan>,
}

/// How one finding is read out of a final report. Later versions get another `version`: the error that was measured
/// belongs to exactly one declaration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractorSpec {
    /// Finding label within the package.
    pub finding: String,
    /// Name of the extractor: 1 to 64 lower-case letters, digits, `-`, `_`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Phrases that say the finding is there. Whole words, any case; `*` stands for the rest of a word, and a phrase
    /// between slashes is a regular expression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub present: Vec<String>,
    /// Phrases that say it is not there, such as `clear lungs`; they count before `present`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Words that say the finding is not there when they stand before a phrase of `present`; English and German ones
    /// when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negation: Option<Vec<String>>,
    /// How many words before a phrase, within its sentence, are searched for a negation.
    #[serde(default = "default_window")]
    pub negation_words: u32,
    /// Codes that say the finding is there, as `scheme|code` or the code alone: OBX-5 of a coded observation, or
    /// `conclusionCode` of a DiagnosticReport.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub present_codes: Vec<String>,
    /// Codes that say it is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_codes: Vec<String>,
    /// What a report says that holds none of these: `absent` (a finding that is not mentioned is not there) or
    /// `uncertain`.
    #[serde(default)]
    pub silent: Silent,
}

fn default_window() -> u32 {
    6
}

/// What a report says of a finding that it does not mention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silent {
    /// Nothing; no label is made.
    #[default]
    Uncertain,
    /// That it is not there.
    Absent,
}

/// How many cases are drawn by lot for adjudication, by what the model said. Rates are probabilities in 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSamplePlan {
    /// The recorded seed: with the key of a study it decides whether the study is drawn. Deployments with the same seed
    /// draw the same studies.
    pub seed: String,
    /// Of the studies in which the model found something.
    #[serde(default)]
    pub positive: f64,
    /// Of the studies in which it found nothing: without them missed findings stay invisible.
    pub negative: f64,
    /// Of the studies on which it abstained; as `negative` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indeterminate: Option<f64>,
}

impl LabelPlan {
    /// Whether nothing is declared.
    pub fn is_default(&self) -> bool {
        *self == LabelPlan::default()
    }

    /// Every problem that can be seen without a catalog.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.extractor.iter().flat_map(ExtractorSpec::problems).collect();
        for (i, one) in self.extractor.iter().enumerate() {
            if self.extractor[..i].iter().any(|other| other.finding == one.finding) {
                problems.push(format!("two extractors are declared for finding {:?}; keep one", one.finding));
            }
        }
        problems.extend(self.audit_sample.iter().flat_map(AuditSamplePlan::problems));
        problems
    }
}

impl ExtractorSpec {
    /// `name@version`, as labels name it.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut add = |text: String| problems.push(format!("extractor {:?}: {text}", self.name));
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if self.name.is_empty() || 64 < self.name.len() || !self.name.bytes().all(letters) {
            add("name must be 1 to 64 lower-case letters, digits, hyphens and underscores".to_owned());
        }
        if self.version.is_empty() || 64 < self.version.len() {
            add("version must have 1 to 64 characters".to_owned());
        }
        if self.finding.is_empty() {
            add("finding must name a finding of the package".to_owned());
        }
        if self.present.is_empty() && self.present_codes.is_empty() {
            add("present or present_codes must say how the finding is recognised".to_owned());
        }
        let negation = self.negation.as_deref().unwrap_or_default();
        for list in [&self.present[..], &self.absent, negation, &self.present_codes, &self.absent_codes] {
            if PHRASES_MAX < list.len() {
                add(format!("a list has {} entries; at most {PHRASES_MAX} are taken", list.len()));
            }
            for phrase in list.iter().filter(|p| p.trim().is_empty() || PHRASE_CHARS_MAX < p.chars().count()) {
                add(format!("{phrase:?} must have 1 to {PHRASE_CHARS_MAX} characters"));
            }
        }
        if 30 < self.negation_words {
            add(format!("negation_words is {}; it must be 0 to 30", self.negation_words));
        }
        problems
    }
}

impl AuditSamplePlan {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.seed.trim().is_empty() || 200 < self.seed.len() {
            problems
                .push("audit_sample: seed must have 1 to 200 characters; it is recorded with every draw".to_owned());
        }
        let rates = [
            ("positive", Some(self.positive)),
            ("negative", Some(self.negative)),
            ("indeterminate", self.indeterminate),
        ];
        for (name, rate) in rates {
            if rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
                problems.push(format!("audit_sample: {name} must be in 0 to 1"));
            }
        }
        if self.negative == 0.0 {
            problems.push(
                "audit_sample: negative must be above 0; without negatives missed findings stay invisible".to_owned(),
            );
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_name_cause_and_remedy() {
        let plan: LabelPlan = toml::from_str(
            "[[extractor]]\nfinding='pneumonia'\nname='Pneu 1'\nversion='1'\n[audit_sample]\nseed=''\nnegative=0.0\npositive=2.0",
        )
        .unwrap();
        insta::assert_snapshot!(plan.problems().join("\n"), @r#"
        extractor "Pneu 1": name must be 1 to 64 lower-case letters, digits, hyphens and underscores
        extractor "Pneu 1": present or present_codes must say how the finding is recognised
        audit_sample: seed must have 1 to 200 characters; it is recorded with every draw
        audit_sample: positive must be in 0 to 1
        audit_sample: negative must be above 0; without negatives missed findings stay invisible
        "#);
        assert!(toml::from_str::<LabelPlan>("emit=true").is_err());
        assert!(LabelPlan::default().is_default() && LabelPlan::default().problems().is_empty());
    }
}
