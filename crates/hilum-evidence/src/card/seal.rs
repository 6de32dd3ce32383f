//! The files of a card, sealed by digests and compared with what the records say (UX-07).

use super::{Card, chai, cyclonedx, hugging_face, page};
use crate::EvidenceError;
use crate::hex;
use hilum_sign::canonical_text;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// One file of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFile {
    /// File name.
    pub name: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

/// All files of a card, the seal last.
pub type CardFiles = Vec<CardFile>;

/// File name of the seal.
const SEAL: &str = "card.json";

/// How a card on disk differs from what the records say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardDifference {
    /// Something about the package changed since: the card must be rendered again.
    Stale {
        /// Facts it was rendered from.
        rendered_from: String,
        /// Facts of now.
        now: String,
    },
    /// Somebody changed the file after it was rendered.
    Edited {
        /// The file.
        file: String,
        /// Line of the first difference, from 1.
        line: usize,
        /// What the line says.
        found: String,
        /// What the records say.
        wanted: String,
    },
    /// The file is not there.
    Missing(String),
    /// The file is no part of a card.
    Extra(String),
    /// The seal cannot be read.
    Unsealed(String),
}

impl std::fmt::Display for CardDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CardDifference::Stale { rendered_from, now } => write!(
                f,
                "the card is stale: it was rendered from facts {}, and the records now give facts {}; render it again",
                short(rendered_from),
                short(now)
            ),
            CardDifference::Edited { file, line, found, wanted } => {
                write!(
                    f,
                    "{file} was edited after it was rendered: line {line} is {found:?}, and the records give {wanted:?}"
                )
            }
            CardDifference::Missing(file) => write!(f, "{file} is missing"),
            CardDifference::Extra(file) => write!(f, "{file} is no part of the card"),
            CardDifference::Unsealed(why) => write!(f, "{SEAL} cannot be used: {why}"),
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// JSON as people can read it, always the same for the same value: keys sorted, two spaces, a line feed at the end.
pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    // Going through the canonical text sorts the keys whatever map the value was built with.
    let sorted: Value = serde_json::from_str(&canonical_text(value)).unwrap_or_else(|_| value.clone());
    let mut bytes = serde_json::to_vec_pretty(&sorted).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

impl Card {
    /// Render the card: `card.chai.xml`, `bom.cdx.json`, `README.md`, `index.html`, `facts.json` and the seal `card.json`.
    /// The same facts give the same bytes.
    ///
    /// # Errors
    /// [`EvidenceError::Page`].
    pub fn files(&self) -> Result<CardFiles, EvidenceError> {
        let mut files = vec![
            CardFile { name: "README.md", bytes: hugging_face::render(self).into_bytes() },
            CardFile { name: "bom.cdx.json", bytes: pretty(&cyclonedx::render(self)) },
            CardFile { name: "card.chai.xml", bytes: chai::render(self).into_bytes() },
            CardFile { name: "facts.json", bytes: pretty(&self.facts) },
            CardFile { name: "index.html", bytes: page::render(self)?.into_bytes() },
        ];
        let digests: BTreeMap<&str, String> = files.iter().map(|file| (file.name, sha256(&file.bytes))).collect();
        let seal = json!({
            "format": 1,
            "kind": "hilum-model-card",
            "model": self.package.name,
            "version": self.package.version,
            "package": self.package.digest,
            "facts": self.digest,
            "sources": self.sources.iter().map(|source| source.digest).collect::<Vec<_>>(),
            "files": digests,
        });
        files.push(CardFile { name: SEAL, bytes: pretty(&seal) });
        Ok(files)
    }

    /// Every difference between a card on disk and this one, by file; empty when it is exactly what the records say.
    /// `found` holds every file of its folder.
    ///
    /// # Errors
    /// [`EvidenceError::Page`].
    pub fn compare(&self, found: &BTreeMap<String, Vec<u8>>) -> Result<Vec<CardDifference>, EvidenceError> {
        let wanted = self.files()?;
        let mut differences: Vec<CardDifference> = found
            .keys()
            .filter(|name| wanted.iter().all(|file| file.name != name.as_str()))
            .map(|name| CardDifference::Extra(name.clone()))
            .collect();
        let seal: Option<Value> = found.get(SEAL).and_then(|bytes| serde_json::from_slice(bytes).ok());
        let Some(seal) = seal else {
            let why = if found.contains_key(SEAL) { "it is no JSON" } else { "it is missing" };
            differences.push(CardDifference::Unsealed(why.to_owned()));
            return Ok(differences);
        };
        let now = self.digest.to_string();
        let rendered_from = seal["facts"].as_str().unwrap_or_default().to_owned();
        let stale = rendered_from != now;
        if stale {
            differences.push(CardDifference::Stale { rendered_from, now });
        }
        for file in &wanted {
            let Some(bytes) = found.get(file.name) else {
                differences.push(CardDifference::Missing(file.name.to_owned()));
                continue;
            };
            // A stale card differs everywhere; what was edited in it is told by its own seal.
            let as_sealed = seal["files"][file.name].as_str() == Some(sha256(bytes).as_str());
            if *bytes != file.bytes && !(stale && (as_sealed || file.name == SEAL)) {
                let (line, found, wanted) = first_difference(bytes, &file.bytes);
                differences.push(CardDifference::Edited { file: file.name.to_owned(), line, found, wanted });
            }
        }
        Ok(differences)
    }
}

/// Number and text of the first line that differs, each cut around the first differing character.
fn first_difference(found: &[u8], wanted: &[u8]) -> (usize, String, String) {
    let (found, wanted) = (String::from_utf8_lossy(found), String::from_utf8_lossy(wanted));
    let (mut left, mut right) = (found.split('\n'), wanted.split('\n'));
    let mut number = 0;
    loop {
        number += 1;
        match (left.next(), right.next()) {
            (None, None) => return (number, String::new(), String::new()),
            (a, b) if a == b => {}
            (a, b) => {
                let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
                let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
                let cut = |text: &str| text.chars().skip(same.saturating_sub(20)).take(80).collect::<String>();
                return (number, cut(a), cut(b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_where_it_is() {
        let told = |a: &str, b: &str| first_difference(a.as_bytes(), b.as_bytes());
        assert_eq!(told("a\nb\n", "a\nc\n"), (2, "b".into(), "c".into()));
        assert_eq!(told("a", "a\nb"), (2, String::new(), "b".into()));
        let long = "x".repeat(100);
        assert_eq!(told(&format!("{long}1"), &format!("{long}2")).1, format!("{}1", "x".repeat(20)));
        assert_eq!(told("a\r\n", "a\n"), (1, "a\r".into(), "a".into()));
    }
}
