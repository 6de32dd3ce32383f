use serde::{Deserialize, Serialize};

/// A coded concept: code value, coding scheme designator and meaning (PS3.3 section 8).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodedConcept {
    /// Code Value (0008,0100), at most 16 characters for the short form.
    pub value: String,
    /// Coding Scheme Designator (0008,0102), such as `SCT`, `DCM`, `RADLEX`, `UCUM`, `99HILUM`.
    pub scheme: String,
    /// Code Meaning (0008,0104), at most 64 characters.
    pub meaning: String,
}

impl CodedConcept {
    /// A concept from its three parts.
    pub fn new(value: impl Into<String>, scheme: impl Into<String>, meaning: impl Into<String>) -> Self {
        CodedConcept { value: value.into(), scheme: scheme.into(), meaning: meaning.into() }
    }
}
