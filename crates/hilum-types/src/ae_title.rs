use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An Application Entity title: 1 to 16 printable ASCII characters without a backslash;
/// leading and trailing spaces are not significant (PS3.5 section 6.2, VR `AE`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AeTitle(String);

/// The text is not an Application Entity title.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("AE title {0:?} is not 1 to 16 printable ASCII characters without a backslash")]
pub struct InvalidAeTitle(pub String);

impl AeTitle {
    /// The title without insignificant spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AeTitle {
    type Err = InvalidAeTitle;
    fn from_str(raw: &str) -> Result<Self, InvalidAeTitle> {
        let title = raw.trim_matches(' ');
        let printable = title.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\\');
        if !printable || title.is_empty() || 16 < title.len() {
            return Err(InvalidAeTitle(raw.to_owned()));
        }
        Ok(AeTitle(title.to_owned()))
    }
}

impl TryFrom<String> for AeTitle {
    type Error = InvalidAeTitle;
    fn try_from(raw: String) -> Result<Self, InvalidAeTitle> {
        raw.parse()
    }
}

impl From<AeTitle> for String {
    fn from(title: AeTitle) -> String {
        title.0
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_trimmed_and_bounded() {
        for (raw, wanted) in [
            ("HILUM", Some("HILUM")),
            ("  PACS 1  ", Some("PACS 1")),
            ("0123456789ABCDEF", Some("0123456789ABCDEF")),
            ("0123456789ABCDEFG", None),
            ("", None),
            ("    ", None),
            ("A\\B", None),
            ("A\nB", None),
            ("Ä", None),
        ] {
            assert_eq!(raw.parse::<AeTitle>().ok().as_ref().map(AeTitle::as_str), wanted, "{raw:?}");
        }
    }
}
