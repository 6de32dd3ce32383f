//! Law as versioned data: which items a pack is held against, and which text was in force on a day (GV-10).

use crate::EvidenceError;
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The data of AI Act Annex IV as it comes with this version.
pub const AI_ACT_ANNEX_IV: &str = include_str!("../law/ai-act-annex-iv.toml");

/// A list of items that a pack is indexed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Law {
    /// Always 1.
    pub format: u32,
    /// Stable name.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Which instrument, and where in it.
    pub instrument: String,
    /// Which text was in force when, oldest first.
    #[serde(rename = "edition")]
    pub editions: Vec<Edition>,
    /// The items.
    #[serde(rename = "item")]
    pub items: Vec<Item>,
}

/// A text in force from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// Stable name.
    pub id: String,
    /// First day, `2026-07-27`.
    pub valid_from: String,
    /// The act and its amendments.
    pub source: String,
    /// From when what applies under this text.
    pub dates: Vec<Applies>,
}

/// From when something applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applies {
    /// What.
    pub what: String,
    /// First day.
    pub from: String,
}

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its number in the instrument, such as `2(g)`.
    pub number: String,
    /// Short title, ours.
    pub title: String,
    /// What is asked, in our words.
    pub asks: String,
    /// What answers it.
    pub wanted: Vec<Wanted>,
    /// Editions that hold it; every one when empty.
    #[serde(default)]
    pub editions: Vec<String>,
}

/// Evidence that can answer an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Wanted {
    /// The manifest of each package.
    Manifest,
    /// The model card of each package.
    Card,
    /// A field of the card's text, for each package.
    Text(String),
    /// A deployment of each package.
    Deployment,
    /// What happened to each deployment.
    History,
    /// Changes of each deployment that needed signatures.
    Change,
    /// The monitoring that each deployment declares.
    Monitoring,
    /// A frozen protocol that each package was tested under.
    Protocol,
    /// A reference set that each package was tested on.
    ReferenceSet,
    /// What each model family was trained on.
    TrainingSet,
    /// An acceptance test of each package.
    Validation,
    /// An acceptance test of each package that two people have approved.
    SignedValidation,
    /// Figures in groups of patients, for each package.
    Subgroups,
    /// A replay before each package took effect.
    Replay,
    /// People trained for each package.
    UserTraining,
    /// A periodic report of each deployment.
    PeriodicReport,
    /// The audit chain.
    AuditChain,
}

const NAMED: &[(&str, Wanted)] = &[
    ("manifest", Wanted::Manifest),
    ("card", Wanted::Card),
    ("deployment", Wanted::Deployment),
    ("history", Wanted::History),
    ("change", Wanted::Change),
    ("monitoring", Wanted::Monitoring),
    ("protocol", Wanted::Protocol),
    ("reference-set", Wanted::ReferenceSet),
    ("training-set", Wanted::TrainingSet),
    ("validation", Wanted::Validation),
    ("signed-validation", Wanted::SignedValidation),
    ("subgroups", Wanted::Subgroups),
    ("replay", Wanted::Replay),
    ("user-training", Wanted::UserTraining),
    ("periodic-report", Wanted::PeriodicReport),
    ("audit-chain", Wanted::AuditChain),
];

impl TryFrom<String> for Wanted {
    type Error = String;
    fn try_from(name: String) -> Result<Wanted, String> {
        if let Some(key) = name.strip_prefix("text:") {
            let known = crate::TEXT_FIELDS.iter().any(|field| field.key == key);
            return known
                .then(|| Wanted::Text(key.to_owned()))
                .ok_or(format!("no field of the card's text is {key:?}"));
        }
        let found = NAMED.iter().find(|(known, _)| *known == name).map(|(_, wanted)| wanted.clone());
        found.ok_or_else(|| format!("no evidence is called {name:?}"))
    }
}

impl From<Wanted> for String {
    fn from(wanted: Wanted) -> String {
        match &wanted {
            Wanted::Text(key) => format!("text:{key}"),
            _ => NAMED
                .iter()
                .find(|(_, known)| *known == wanted)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }
}

impl Law {
    /// Read law data.
    ///
    /// # Errors
    /// [`EvidenceError::Law`] when it is no TOML of this format, has no edition, or its editions are out of order.
    pub fn parse(text: &str) -> Result<Law, EvidenceError> {
        let refuse = |why: String| EvidenceError::Law(why);
        let law: Law = toml::from_str(text).map_err(|error| refuse(error.to_string().trim_end().to_owned()))?;
        if law.format != 1 {
            return Err(refuse(format!("format {} is not 1", law.format)));
        }
        if law.editions.is_empty() || law.items.is_empty() {
            return Err(refuse("it needs at least one edition and one item".to_owned()));
        }
        if !law.editions.is_sorted_by(|a, b| a.valid_from < b.valid_from) {
            return Err(refuse("its editions are not in the order of their days".to_owned()));
        }
        let known = |id: &String| law.editions.iter().any(|edition| edition.id == *id);
        match law.items.iter().flat_map(|item| &item.editions).find(|id| !known(id)) {
            Some(id) => Err(refuse(format!("an item names edition {id:?}, which there is not"))),
            None => Ok(law),
        }
    }

    /// The edition in force at `at`; before the first one, the first one.
    pub fn edition_at(&self, at: Option<Timestamp>) -> &Edition {
        let day = at.map(Timestamp::day).unwrap_or_default();
        let in_force = self.editions.iter().rev().find(|edition| edition.valid_from <= day);
        in_force.unwrap_or(&self.editions[0])
    }

    /// Items of an edition, in order.
    pub fn items_of<'a>(&'a self, edition: &'a Edition) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(|item| item.editions.is_empty() || item.editions.contains(&edition.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law() -> Law {
        Law::parse(AI_ACT_ANNEX_IV).unwrap()
    }

    /// Annex IV has nine points, the first with (a) to (h), the second too.
    #[test]
    fn every_point_of_annex_iv_is_there_once() {
        let numbers: Vec<String> = law().items.iter().map(|item| item.number.clone()).collect();
        let letters = |point: u32| ('a'..='h').map(move |letter| format!("{point}({letter})"));
        let wanted: Vec<String> = letters(1).chain(letters(2)).chain((3..=9).map(|point| point.to_string())).collect();
        assert_eq!(numbers, wanted);
    }

    /// GV-10: an assessment can be repeated under the rules of its day.
    #[test]
    fn the_edition_is_that_of_the_day() {
        let at = |text: &str| law().edition_at(Some(text.parse().unwrap())).id.clone();
        assert_eq!(at("2026-07-26T23:59:59Z"), "2024-08-01");
        assert_eq!(at("2026-07-27T00:00:00Z"), "2026-07-27");
        assert_eq!(at("2020-01-01T00:00:00Z"), "2024-08-01");
        assert_eq!(law().edition_at(None).id, "2024-08-01");
    }

    #[test]
    fn unknown_evidence_is_refused_by_name() {
        for (from, to, told) in [
            ("\"manifest\", \"card\"", "\"manifesto\"", "manifesto"),
            ("text:market_form", "text:market", "market"),
            ("format = 1", "format = 2", "format 2"),
            ("valid_from = \"2024-08-01\"", "valid_from = \"2027-08-01\"", "order"),
        ] {
            let error = Law::parse(&AI_ACT_ANNEX_IV.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn names_of_evidence_round_trip() {
        for (name, wanted) in NAMED {
            assert_eq!(String::from(wanted.clone()), *name);
        }
    }
}
