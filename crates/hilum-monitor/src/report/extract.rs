//! What a report says of one finding, by declared phrases or codes. It knows no language: it knows phrases, and English
//! and German words of negation and doubt. How often it is wrong is measured at the site (MV-28).

use super::words::{Words, sentences};
use crate::{LabelError, Truth};
use hilum_registry::monitoring::{ExtractorSpec, Silent};
use hilum_types::Digest;
use regex::{Regex, RegexBuilder};

/// Memory of one compiled pattern, in bytes: a declared one is bounded like text from outside.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Longest text that is read, in bytes; a report is a few thousand.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Passages that are judged; a report speaks of a finding a few times.
const MENTIONS_MAX: usize = 500;

/// A declared extractor, ready to read. A pattern runs in time linear in the text, whatever the text.
#[derive(Debug)]
pub struct Extractor {
    spec: ExtractorSpec,
    present: Vec<Regex>,
    absent: Vec<Regex>,
    words: Words,
}

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What is true; `None` when the report does not speak of the finding and the declaration draws nothing from that.
    pub truth: Option<Truth>,
    /// Passages and codes that spoke of the finding.
    pub n_mentions: u32,
}

impl Extractor {
    /// The extractor of that declaration.
    ///
    /// # Errors
    /// [`LabelError::Extractor`] when a pattern cannot be read or is too large.
    pub fn new(spec: &ExtractorSpec) -> Result<Extractor, LabelError> {
        let compiled = |phrases: &[String]| {
            let wrong = |problem| LabelError::Extractor { name: spec.name.clone(), problem };
            phrases.iter().map(|phrase| pattern(phrase).map_err(wrong)).collect::<Result<Vec<_>, _>>()
        };
        let words = match &spec.negation {
            Some(negation) => Words::standard().with_negation(compiled(negation)?),
            None => Words::standard(),
        };
        let (present, absent) = (compiled(&spec.present)?, compiled(&spec.absent)?);
        Ok(Extractor { spec: spec.clone(), present, absent, words })
    }

    /// Digest of the whole declaration: what a measurement of its error belongs to.
    pub fn digest(&self) -> Digest {
        declaration_digest(&self.spec)
    }

    /// What the report says of the finding. `codes` are those of its coded observations, as `scheme|code`.
    ///
    /// Codes go before text. One passage that says the finding is there is enough; else one in doubt leaves the truth
    /// uncertain; else one that denies it makes it absent. Questions, and the sections that repeat what was asked,
    /// say nothing. What speaks of it more than 500 times is not read to its end, and is uncertain unless it said before
    /// that the finding is there.
    pub fn read(&self, text: &str, codes: &[String]) -> Reading {
        let named = |list: &[String]| {
            let is = |code: &&String, wanted: &String| code == &wanted || code.rsplit('|').next() == Some(wanted);
            codes.iter().filter(|code| list.iter().any(|wanted| is(code, wanted))).count()
        };
        let (n_present, n_absent) = (named(&self.spec.present_codes), named(&self.spec.absent_codes));
        let by_code = match (n_present, n_absent) {
            (0, 0) => None,
            (_, 0) => Some(Truth::Present),
            (0, _) => Some(Truth::Absent),
            (_, _) => Some(Truth::Uncertain),
        };
        if let Some(truth) = by_code {
            return Reading { truth: Some(truth), n_mentions: (n_present + n_absent) as u32 };
        }
        self.read_text(bounded(text))
    }

    fn read_text(&self, text: &str) -> Reading {
        let mut found = Vec::new();
        for sentence in sentences(text) {
            let left = (MENTIONS_MAX + 1).saturating_sub(found.len());
            let mut denied: Vec<_> =
                self.absent.iter().flat_map(|pattern| pattern.find_iter(&sentence).take(left)).collect();
            let passages = self.present.iter().flat_map(|pattern| pattern.find_iter(&sentence).take(left));
            denied.truncate(left);
            found.extend(denied.iter().map(|_| Truth::Absent));
            for passage in passages {
                if denied.iter().any(|other| other.start() < passage.end() && passage.start() < other.end()) {
                    continue;
                }
                if MENTIONS_MAX < found.len() {
                    break;
                }
                found.push(self.words.judge(&sentence, passage.range(), self.spec.negation_words as usize));
            }
            if MENTIONS_MAX < found.len() {
                found.push(Truth::Uncertain);
                break;
            }
        }
        let n_mentions = found.len().min(MENTIONS_MAX) as u32;
        let says = |truth| found.contains(&truth);
        let truth = match (says(Truth::Present), says(Truth::Uncertain), says(Truth::Absent)) {
            (true, ..) => Some(Truth::Present),
            (_, true, _) => Some(Truth::Uncertain),
            (.., true) => Some(Truth::Absent),
            _ if self.spec.silent == Silent::Absent && !text.trim().is_empty() => Some(Truth::Absent),
            _ => None,
        };
        Reading { truth, n_mentions }
    }
}

/// Digest of a declaration of an extractor.
pub fn declaration_digest(spec: &ExtractorSpec) -> Digest {
    let text = serde_json::to_string(spec).expect("a declaration of texts and numbers can be written as JSON");
    Digest::of(text.as_bytes())
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A phrase as whole words in any case, `*` for the rest of a word; `/.../` is a regular expression.
pub(super) fn pattern(phrase: &str) -> Result<Regex, String> {
    let phrase = phrase.trim();
    let expression = match phrase.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(expression) => expression.to_owned(),
        None => {
            let word = |word: &str| word.split('*').map(regex::escape).collect::<Vec<_>>().join(r"\w*");
            let words: Vec<String> = phrase.split_whitespace().map(word).collect();
            let edge = |c: Option<char>| if c.is_some_and(|c| c.is_alphanumeric() || c == '*') { r"\b" } else { "" };
            format!("{}{}{}", edge(phrase.chars().next()), words.join(r"\s+"), edge(phrase.chars().last()))
        }
    };
    let built = RegexBuilder::new(&expression).case_insensitive(true).size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|_| format!("{phrase:?} is no regular expression that can be used here; simplify it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extractor(more: &str) -> Extractor {
        let text = format!(
            "finding='pneumonia'\nname='pneu'\nversion='1'\npresent=['pneumonia','pneumoni*','infiltrat*','consolidation']\n\
             absent=['clear lungs','lungs are clear']\n{more}"
        );
        Extractor::new(&toml::from_str(&text).unwrap()).unwrap()
    }

    fn says(text: &str) -> &'static str {
        match extractor("").read(text, &[]).truth {
            Some(Truth::Present) => "present",
            Some(Truth::Absent) => "absent",
            Some(Truth::Uncertain) => "uncertain",
            None => "silent",
        }
    }

    #[test]
    fn english_and_german_reports() {
        let cases = [
            ("Right lower lobe pneumonia.", "present"),
            ("No evidence of pneumonia.", "absent"),
            ("No effusion, pneumothorax or pneumonia.", "absent"),
            ("No effusion but pneumonia in the left lower lobe.", "present"),
            ("Without consolidation. Heart normal.", "absent"),
            ("The lungs are clear.", "absent"),
            ("Pneumonia: none.", "absent"),
            ("Pneumonia has been ruled out.", "absent"),
            ("Pneumonia cannot be excluded.", "uncertain"),
            ("Possible pneumonia.", "uncertain"),
            ("No change in the known pneumonia.", "present"),
            ("Not only effusion, also pneumonia.", "present"),
            ("Indication: rule out pneumonia\nFindings: heart normal.", "silent"),
            ("Pneumonia?", "silent"),
            ("Heart normal.", "silent"),
            ("Kein Nachweis einer Pneumonie.", "absent"),
            ("Keine Infiltrate, kein Erguss.", "absent"),
            ("Ohne Nachweis von Infiltraten", "absent"),
            ("Pneumonie rechts basal.", "present"),
            ("Kein Erguss, jedoch Pneumonie links.", "present"),
            ("Eine Pneumonie ist nicht auszuschließen.", "uncertain"),
            ("V.a. Pneumonie.", "uncertain"),
            ("Fragestellung: Pneumonie?\nBefund: Kein Infiltrat.", "absent"),
            ("Keine Änderung der bekannten Pneumonie.", "present"),
            ("No evidence of\npneumonia.", "absent"),
            ("- no effusion\n- pneumonia", "present"),
            ("PNEUMONIA", "present"),
            ("Pneumonie rechts, kein Erguss.", "present"),
            ("Pneumonia on the right and no effusion.", "present"),
            ("Infiltrate: keine.", "absent"),
            ("Bronchopneumoniae", "silent"),
            ("Es besteht noch eine Pneumonie rechts.", "present"),
            ("Noch Infiltrate links basal.", "present"),
            ("Weder Erguss noch Pneumonie.", "absent"),
            ("Weder Pneumonie noch Erguss.", "absent"),
            ("Weder Erguss noch Stauung, aber noch Pneumonie rechts.", "present"),
            ("Weder ein Erguss in beiden Sinus noch eine Stauung oder eine Pneumonie.", "absent"),
            ("Die Pneumonie hat nicht zugenommen.", "present"),
            ("Die Pneumonie zeigt keine Zunahme.", "present"),
            ("Die Pneumonie ist nicht verändert.", "present"),
            ("Die Pneumonie ist nicht mehr nachweisbar.", "absent"),
        ];
        let wrong: Vec<_> = cases.iter().filter(|(text, wanted)| says(text) != *wanted).collect();
        assert!(wrong.is_empty(), "{:?}", wrong.iter().map(|(text, _)| (text, says(text))).collect::<Vec<_>>());
    }

    #[test]
    fn codes_go_before_text_and_silence_is_declared() {
        let coded = extractor("present_codes=['SCT|233604007']\nabsent_codes=['NORMAL']\nsilent='absent'");
        let of = |text: &str, codes: &[&str]| {
            coded.read(text, &codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>()).truth
        };
        assert_eq!(of("no pneumonia", &["SCT|233604007"]), Some(Truth::Present));
        assert_eq!(of("pneumonia", &["99LOCAL|NORMAL"]), Some(Truth::Absent));
        assert_eq!(of("", &["SCT|233604007", "99LOCAL|NORMAL"]), Some(Truth::Uncertain));
        assert_eq!(of("", &["99|233604007"]), None, "a scheme that is declared must be the one");
        assert_eq!(of("Heart normal.", &[]), Some(Truth::Absent));
        assert_eq!(of("  ", &[]), None, "an empty report says nothing");
    }

    #[test]
    fn a_declaration_that_cannot_be_carried_out_is_refused() {
        let spec = toml::from_str("finding='a'\nname='n'\nversion='1'\npresent=['/(/']").unwrap();
        let told = Extractor::new(&spec).unwrap_err().to_string();
        assert_eq!(told, r#"extractor n: "/(/" is no regular expression that can be used here; simplify it"#);
        let huge = toml::from_str("finding='a'\nname='n'\nversion='1'\npresent=['/(a{1000}){1000}/']").unwrap();
        assert!(Extractor::new(&huge).is_err());
    }

    #[test]
    fn another_phrase_is_another_declaration() {
        assert_ne!(extractor("").digest(), extractor("negation_words=3").digest());
    }

    /// What stands around a passage is cut at whole words: a piece of a word must not deny anything.
    #[test]
    fn one_long_sentence_is_read_in_pieces() {
        let far = |between: &str| format!("no {between} pneumonia on the right");
        assert_eq!(says(&far("")), "absent");
        assert_eq!(says(&far(&"effusion ".repeat(400))), "present");
        // 2048 bytes back is within a word that ends as a negation would stand there.
        assert_eq!(says(&format!("{}no {}pneumonia", "ä".repeat(900), "-".repeat(2045))), "present");
        assert_eq!(says(&format!("pneumonia{}none", "-".repeat(2046))), "present");
        assert_eq!(says(&format!("pneumonia {}", "x".repeat(5000))), "present");
    }

    /// The work is bounded: passages are judged up to a number, and what was not read to its end is no negative.
    #[test]
    fn a_report_that_repeats_itself_is_not_read_to_its_end() {
        let many = extractor("").read(&"no pneumonia, ".repeat(70_000), &[]);
        assert_eq!((many.truth, many.n_mentions), (Some(Truth::Uncertain), MENTIONS_MAX as u32));
        let many = extractor("").read(&"clear lungs ".repeat(80_000), &[]);
        assert_eq!((many.truth, many.n_mentions), (Some(Truth::Uncertain), MENTIONS_MAX as u32));
        let many = extractor("").read(&"pneumonia, ".repeat(80_000), &[]);
        assert_eq!(many.truth, Some(Truth::Present));
        // Two phrases of the declaration match each of them.
        let some = extractor("").read(&"No pneumonia. ".repeat(250), &[]);
        assert_eq!((some.truth, some.n_mentions), (Some(Truth::Absent), 500));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in "\\PC{0,300}") {
            extractor("").read(&text, &[]);
        }
    }
}
