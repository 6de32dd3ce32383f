use serde::{Deserialize, Serialize};
use std::fmt;

/// Why something was decided: a stable code, a sentence for people, and the value that decided (UX-02, UX-14).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// Stable, documented code such as `intended-use.modality` (see `docs/reference/reasons.md`).
    pub code: String,
    /// Plain sentence naming the value that decided; never a name, identifier or UID of a patient.
    pub text: String,
    /// What was looked at, such as `Modality`; empty when the reason is not about one attribute.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub criterion: String,
    /// The value found, such as `MR`; empty when there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

impl Reason {
    /// A reason that is not about one attribute.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Reason {
        Reason { code: code.into(), text: text.into(), criterion: String::new(), value: String::new() }
    }

    /// A reason with the attribute and the value that decided.
    pub fn about(
        code: impl Into<String>,
        text: impl Into<String>,
        criterion: impl Into<String>,
        value: impl Into<String>,
    ) -> Reason {
        Reason { code: code.into(), text: text.into(), criterion: criterion.into(), value: value.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How one study revision ended for one deployment: a closed set (AV-04).
///
/// "Analysed, nothing found" and "not analysed" are different variants, so they can never look alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "disposition", content = "reason", rename_all = "snake_case")]
pub enum Disposition {
    /// The model ran and its result was released (or, in shadow, recorded).
    Analysed,
    /// The model is not meant for this study, or it cannot be known that it is.
    NotEligible(Reason),
    /// The model could have run, but may not be used now.
    Withheld(Reason),
    /// Something broke; the reason says what.
    Failed(Reason),
    /// The result would have come later than the deployment allows.
    Expired(Reason),
}

impl Disposition {
    /// The stable name used in interfaces and books: `analysed`, `not_eligible`, `withheld`, `failed`, `expired`.
    pub fn name(&self) -> &'static str {
        match self {
            Disposition::Analysed => "analysed",
            Disposition::NotEligible(_) => "not_eligible",
            Disposition::Withheld(_) => "withheld",
            Disposition::Failed(_) => "failed",
            Disposition::Expired(_) => "expired",
        }
    }

    /// The reason, which every variant but `Analysed` carries.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Disposition::Analysed => None,
            Disposition::NotEligible(reason)
            | Disposition::Withheld(reason)
            | Disposition::Failed(reason)
            | Disposition::Expired(reason) => Some(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_form_is_stable() {
        let ended = Disposition::NotEligible(Reason::about(
            "intended-use.modality",
            "modality is MR, the model takes CT",
            "Modality",
            "MR",
        ));
        insta::assert_snapshot!(serde_json::to_string(&ended).unwrap(), @r#"{"disposition":"not_eligible","reason":{"code":"intended-use.modality","text":"modality is MR, the model takes CT","criterion":"Modality","value":"MR"}}"#);
        insta::assert_snapshot!(serde_json::to_string(&Disposition::Analysed).unwrap(), @r#"{"disposition":"analysed"}"#);
    }
}
