//! Sentences of a report, and the words that turn what they say.

use super::extract::pattern;
use crate::Truth;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

const NOT_BEFORE: &[&str] = &[
    "no",
    "not",
    "without",
    "denies",
    "negative for",
    "absence of",
    "free of",
    "never",
    "neither",
    "nor",
    "lack of",
    "resolved",
    "kein",
    "keine",
    "keinen",
    "keinem",
    "keiner",
    "keines",
    "ohne",
    "nicht",
    "ausschluss von",
    "ausschluss einer",
    "frei von",
    "negativ für",
    "weder",
    // `noch` alone says that it is still there; the first one after `weder` belongs to it.
    r"/\bweder\b[^.;]{1,200}?\bnoch\b/",
];
const NOT_AFTER: &[&str] = &[
    "none",
    "absent",
    "ruled out",
    "excluded",
    "not seen",
    "not identified",
    "not present",
    "not demonstrated",
    "not visible",
    "no longer",
    "nicht",
    "ausgeschlossen",
    "verneint",
    "keine",
    "keiner",
    "kein",
];
const DOUBT_BEFORE: &[&str] = &[
    "possible",
    "possibly",
    "suspected",
    "suspicion of",
    "suspicious for",
    "questionable",
    "rule out",
    "cannot exclude",
    "can not exclude",
    "may represent",
    "could represent",
    "v.a.",
    "v. a.",
    "verdacht auf",
    "fraglich*",
    "möglich*",
    "dd",
    "nicht auszuschließende*",
];
const DOUBT_AFTER: &[&str] = &[
    "cannot be excluded",
    "can not be excluded",
    "cannot be ruled out",
    "not excluded",
    "not ruled out",
    "is possible",
    "possible",
    "nicht auszuschließen",
    "nicht auszuschliessen",
    "nicht ausgeschlossen",
    "nicht sicher",
    "möglich",
    "fraglich",
];
/// `no change in the pneumonia` does not deny it, and neither does `die Pneumonie hat nicht zugenommen`.
const NO_DENIAL: &[&str] = &[
    "no change",
    "no interval change",
    "no significant change",
    "no significant interval change",
    "no increase",
    "no decrease",
    "not only",
    "no new change",
    "not changed",
    "not increased",
    "not decreased",
    "keine änderung",
    "keine befundänderung",
    "keine wesentliche änderung",
    "keine veränderung",
    "nicht nur",
    "keine zunahme",
    "keine abnahme",
    "nicht zugenommen",
    "nicht abgenommen",
    "nicht verändert",
    "nicht wesentlich verändert",
    "nicht progredient",
    "nicht regredient",
    "nicht größer",
    "nicht kleiner",
];
/// What is said after one of these is said anew.
const TURNS: &[&str] = &[
    "but",
    "however",
    "although",
    "though",
    "except",
    "apart from",
    "aber",
    "jedoch",
    "sondern",
    "allerdings",
    "hingegen",
    "dagegen",
    "außer",
];

/// Bytes to either side of a passage that are looked at, so that a text of one long sentence costs no more than others.
const CONTEXT_BYTES_MAX: usize = 2048;
/// Words beyond the window: the longest phrase may begin or end there.
const PHRASE_WORDS: usize = 16;

/// The words that turn what a sentence says of a passage.
#[derive(Debug, Clone)]
pub(super) struct Words {
    before: Vec<Regex>,
    after: Vec<Regex>,
    doubt_before: Vec<Regex>,
    doubt_after: Vec<Regex>,
    no_denial: Vec<Regex>,
    turns: Vec<Regex>,
}

static STANDARD: LazyLock<Words> = LazyLock::new(|| {
    let compiled = |list: &[&str]| list.iter().map(|phrase| pattern(phrase).expect("a phrase of this file")).collect();
    Words {
        before: compiled(NOT_BEFORE),
        after: compiled(NOT_AFTER),
        doubt_before: compiled(DOUBT_BEFORE),
        doubt_after: compiled(DOUBT_AFTER),
        no_denial: compiled(NO_DENIAL),
        turns: compiled(TURNS),
    }
});

impl Words {
    /// English and German.
    pub(super) fn standard() -> Words {
        STANDARD.clone()
    }

    /// With other words of negation, which stand before what they deny.
    pub(super) fn with_negation(mut self, before: Vec<Regex>) -> Words {
        (self.before, self.after) = (before, Vec::new());
        self
    }

    /// What the sentence says of the passage at `place`, looking `window` words to either side.
    pub(super) fn judge(&self, sentence: &str, place: Range<usize>, window: usize) -> Truth {
        let n_words = window + PHRASE_WORDS;
        let (before, after) = (tail(&sentence[..place.start], n_words), head(&sentence[place.end..], n_words));
        let reaches = |between: &str| {
            let n_words = between.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count();
            n_words <= window && !self.turns.iter().any(|turn| turn.is_match(between))
        };
        let stands_before = |list: &[Regex], calm: &[Range<usize>]| {
            let mut found = list.iter().flat_map(|word| word.find_iter(before));
            found.any(|found| reaches(&before[found.end()..]) && !within(calm, found.start()))
        };
        let stands_after = |list: &[Regex], calm: &[Range<usize>]| {
            let mut found = list.iter().flat_map(|word| word.find_iter(after));
            found.any(|found| {
                let between = &after[..found.start()];
                reaches(between) && !NEXT_SUBJECT.is_match(between) && !within(calm, found.start())
            })
        };
        if stands_before(&self.doubt_before, &[]) || stands_after(&self.doubt_after, &[]) {
            return Truth::Uncertain;
        }
        let calm = |part: &str| -> Vec<Range<usize>> {
            self.no_denial.iter().flat_map(|phrase| phrase.find_iter(part)).map(|found| found.range()).collect()
        };
        let denied = stands_before(&self.before, &calm(before)) || stands_after(&self.after, &calm(after));
        if denied { Truth::Absent } else { Truth::Present }
    }
}

fn within(ranges: &[Range<usize>], place: usize) -> bool {
    ranges.iter().any(|range| range.contains(&place))
}

/// The last `n_words` words of `text`, whole words of its last [`CONTEXT_BYTES_MAX`] bytes.
fn tail(text: &str, n_words: usize) -> &str {
    let mut start = text.len().saturating_sub(CONTEXT_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    if 0 < start {
        start += text[start..].find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len() - start);
    }
    let cut = &text[start..];
    let starts = cut.char_indices().rev().scan(false, |inside, (place, c)| {
        let left = *inside && !c.is_alphanumeric();
        *inside = c.is_alphanumeric();
        Some((left, place + c.len_utf8()))
    });
    let place = starts.filter(|(left, _)| *left).nth(n_words).map_or(0, |(_, place)| place);
    &cut[place..]
}

/// The first `n_words` words of `text`, whole words of its first [`CONTEXT_BYTES_MAX`] bytes.
fn head(text: &str, n_words: usize) -> &str {
    let mut end = text.len().min(CONTEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end < text.len() {
        end = text[..end].rfind(|c: char| !c.is_alphanumeric()).unwrap_or(0);
    }
    let cut = &text[..end];
    let ends = cut.char_indices().scan(false, |inside, (place, c)| {
        let left = *inside && !c.is_alphanumeric();
        *inside = c.is_alphanumeric();
        Some((left, place))
    });
    let place = ends.filter(|(left, _)| *left).nth(n_words).map_or(cut.len(), |(_, place)| place);
    &cut[..place]
}

/// `Pneumonia on the right, no effusion`: what follows a comma or `and` is said of something else.
static NEXT_SUBJECT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i),|\b(?:and|with|und|mit|bei)\b").expect("a pattern of this file"));

/// What repeats the question, or tells how and with what was compared: it says nothing of this examination.
static PASSED_OVER: LazyLock<Regex> = LazyLock::new(|| {
    let names = "indications?|clinical (?:information|indication|history|question|data)|history|reason for (?:exam|examination|study)|\
                 technique|comparison|question|fragestellung|klinische (?:angaben|fragestellung|information)|\
                 indikation|rechtfertigende indikation|anamnese|technik|voruntersuchung(?:en)?|vergleich";
    Regex::new(&format!(r"(?i)^\s*(?:{names})\s*:")).expect("a pattern of this file")
});
static HEADING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*\p{Lu}[\p{L} /-]{2,40}:").expect("a pattern of this file"));
/// `V.a.`, `z.B.`: a full stop that ends no sentence follows a single letter.
static SENTENCE_END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:\p{L}{2,}|[\d)\]%])\s*[.!;]+(?:\s|$)|\?+").expect("a pattern of this file"));

/// Sentences of the sections that describe this examination, without questions.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let (mut all, mut part, mut passed_over) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        let is_item = line.trim_start().starts_with(['-', '*', '•']);
        let is_heading = HEADING.is_match(line) || PASSED_OVER.is_match(line);
        if line.trim().is_empty() || is_item || is_heading {
            split(&mut all, &std::mem::take(&mut part));
        }
        if is_heading {
            passed_over = PASSED_OVER.is_match(line);
        }
        if !passed_over {
            part.push_str(line);
            part.push(' ');
        }
    }
    split(&mut all, &part);
    all
}

fn split(all: &mut Vec<String>, part: &str) {
    let mut start = 0;
    for end in SENTENCE_END.find_iter(part) {
        if !end.as_str().contains('?') {
            all.push(part[start..end.end()].to_owned());
        }
        start = end.end();
    }
    if !part[start..].trim().is_empty() {
        all.push(part[start..].to_owned());
    }
}
