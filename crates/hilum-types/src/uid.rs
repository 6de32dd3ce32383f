use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A DICOM unique identifier: dot-separated numbers, at most 64 characters (PS3.5 section 9.1).
///
/// Instance UIDs identify patients' images, so `Debug` prints a short fingerprint; `Display` and
/// [`Uid::as_str`] give the text to interfaces that need it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(String);

/// The text is not a unique identifier; it is not repeated here because it may name a patient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a DICOM UID: {0}")]
pub struct InvalidUid(pub &'static str);

impl Uid {
    /// A UID under the root `2.25` from 128 bits (PS3.5 section B.2).
    pub fn from_u128(value: u128) -> Uid {
        Uid(format!("2.25.{value}"))
    }

    /// The same UID for the same words, for ever: a restart that encodes a result again names it as before.
    ///
    /// The words are hashed with their lengths, so `["a", "bc"]` and `["ab", "c"]` differ.
    pub fn derived(words: &[&str]) -> Uid {
        let mut hasher = blake3::Hasher::new_derive_key("hilum 2026-11 derived uid");
        for word in words {
            hasher.update(&(word.len() as u64).to_le_bytes()).update(word.as_bytes());
        }
        let mut bytes = [0u8; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Uid::from_u128(u128::from_le_bytes(bytes))
    }

    /// The text of the identifier, without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uid {
    type Err = InvalidUid;
    /// Trailing NUL padding, and the trailing space some writers use, are not significant.
    fn from_str(raw: &str) -> Result<Self, InvalidUid> {
        let uid = raw.trim_end_matches(['\0', ' ']);
        if uid.is_empty() {
            return Err(InvalidUid("it is empty"));
        }
        if 64 < uid.len() {
            return Err(InvalidUid("it has more than 64 characters"));
        }
        // Leading zeros in a component break the standard but occur; they are harmless as opaque text.
        if uid.split('.').any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit())) {
            return Err(InvalidUid("it holds something other than numbers separated by dots"));
        }
        Ok(Uid(uid.to_owned()))
    }
}

impl TryFrom<String> for Uid {
    type Error = InvalidUid;
    fn try_from(raw: String) -> Result<Self, InvalidUid> {
        raw.parse()
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> String {
        uid.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = blake3::hash(self.0.as_bytes());
        write!(f, "Uid(#{})", &hash.to_hex()[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        let ok64 = format!("1.{}", "2".repeat(62));
        let too_long = format!("1.{}", "2".repeat(63));
        for (raw, valid) in [
            ("1.2.840.10008.1.1", true),
            ("1.2.3\0", true),
            ("1.2.3 ", true),
            (ok64.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("1..2", false),
            (".1", false),
            ("../../x", false),
            ("/abs", false),
            ("1.2\0.3", false),
            ("1.2.a", false),
        ] {
            assert_eq!(raw.parse::<Uid>().is_ok(), valid, "{raw:?}");
        }
    }

    #[test]
    fn derived_uids_are_stable_and_distinct() {
        let a = Uid::derived(&["a", "bc"]);
        assert_eq!(a, Uid::derived(&["a", "bc"]));
        assert_ne!(a, Uid::derived(&["ab", "c"]));
        assert!(a.as_str().parse::<Uid>().is_ok());
    }

    #[test]
    fn debug_does_not_show_the_identifier() {
        let uid: Uid = "1.2.3.4.5.6".parse().unwrap();
        assert!(!format!("{uid:?}").contains("3.4"));
    }
}
