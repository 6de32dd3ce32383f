//! Sketches: what is counted of the studies of an hour, a day or a month, small enough to keep for ever and to merge at will.
//!
//! A [`Sketch`] holds how studies ended and why, what the model called, what lay outside the envelope, and of every number
//! (features, scores, run time) a histogram with logarithmic bins and moments. Merging adds counts, so that a merge of
//! parts is the whole, in any order and any grouping; mean and squares agree to rounding. Any window is a merge of months,
//! days, and hours at its edges, any cut by acquisition group a selection (monitoring sections 6.2, 6.7).
//!
//! The bins are those of DDSketch (Masson, Rim, Lee, Proc. VLDB 12 (2019) 2195-2205) with a relative error of 1 %, on a
//! fixed axis that never collapses: the crate `sketches-ddsketch` keeps a dense row with a limit and joins its lowest bins
//! beyond it, after which the order of merges shows. Bins are no match for a number whose spread is a small part of
//! its size; mean and standard deviation stand beside them for that.

mod bins;
mod code;
mod distance;
mod numbers;
mod range;
mod summary;

pub use bins::{Bins, LARGEST, RELATIVE_ERROR, SMALLEST};
pub use code::SketchError;
pub(crate) use code::{Reader, Writer};
pub use distance::{CELLS_MAX, Distance, THIN};
pub use numbers::Numbers;
pub use range::{Level, Part, Slice, Span, parts, spans};
pub use summary::{Moved, NumberSummary, ReasonShare, Summary, moved};

use crate::Observation;
use std::collections::{BTreeMap, BTreeSet};

/// Names of one kind that a sketch keeps: the first in the order of the alphabet, so that what is kept does not depend on
/// the order of merges and every count kept is exact. [`Sketch::is_cut`] says that there were more.
pub const NAMES_MAX: usize = 256;

/// Bytes of a name; what is longer is cut.
const NAME_BYTES_MAX: usize = 128;

/// Name of the run time among the numbers of a sketch.
pub const RUN_SECONDS: &str = "run:seconds";

const VERSION: u8 = 1;

/// What the model said of one finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Called present.
    pub present: u64,
    /// Called absent.
    pub absent: u64,
    /// Abstained.
    pub abstained: u64,
}

/// What was observed of some studies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sketch {
    n: u64,
    ended: BTreeMap<(String, String), u64>,
    calls: BTreeMap<String, Calls>,
    n_compared: u64,
    n_outside: u64,
    outside: BTreeMap<String, u64>,
    numbers: BTreeMap<String, Numbers>,
    is_cut: bool,
}

impl Sketch {
    /// Add one study revision that ended.
    pub fn add(&mut self, observation: &Observation) {
        self.n = self.n.saturating_add(1);
        let ended = (short(&observation.disposition), short(&observation.reason_code));
        count(self.ended.entry(ended).or_default(), 1);
        for (finding, output) in &observation.outputs {
            let calls = self.calls.entry(short(finding)).or_default();
            let said = match output.present {
                Some(true) => &mut calls.present,
                Some(false) => &mut calls.absent,
                None => &mut calls.abstained,
            };
            count(said, 1);
            if let Some(score) = output.score {
                self.number(&format!("score:{finding}"), score);
            }
        }
        for (name, value) in &observation.features {
            self.number(name, *value);
        }
        if let Some(seconds) = observation.seconds {
            self.number(RUN_SECONDS, seconds);
        }
        if let Some(outside) = &observation.outside_envelope {
            count(&mut self.n_compared, 1);
            count(&mut self.n_outside, u64::from(!outside.is_empty()));
            // A name that is given twice is outside once.
            for name in outside.iter().map(|name| short(name)).collect::<BTreeSet<String>>() {
                count(self.outside.entry(name).or_default(), 1);
            }
        }
        self.cut();
    }

    fn number(&mut self, name: &str, value: f64) {
        self.numbers.entry(short(name)).or_default().add(value);
    }

    /// Add what another sketch counted.
    pub fn merge(&mut self, other: &Sketch) {
        self.n = self.n.saturating_add(other.n);
        merge_counts(&mut self.ended, &other.ended);
        for (finding, calls) in &other.calls {
            self.calls.entry(finding.clone()).or_default().merge(*calls);
        }
        count(&mut self.n_compared, other.n_compared);
        count(&mut self.n_outside, other.n_outside);
        merge_counts(&mut self.outside, &other.outside);
        for (name, numbers) in &other.numbers {
            self.numbers.entry(name.clone()).or_default().merge(numbers);
        }
        self.is_cut |= other.is_cut;
        self.cut();
    }

    /// Studies counted.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Studies by disposition and code of the reason.
    pub fn ended(&self) -> &BTreeMap<(String, String), u64> {
        &self.ended
    }

    /// What the model said, by finding.
    pub fn calls(&self) -> &BTreeMap<String, Calls> {
        &self.calls
    }

    /// Studies that were compared with an envelope, and those of them outside it.
    pub fn envelope(&self) -> (u64, u64) {
        (self.n_compared, self.n_outside)
    }

    /// Studies outside the envelope, by the name of what was outside.
    pub fn outside(&self) -> &BTreeMap<String, u64> {
        &self.outside
    }

    /// Numbers by name: features, `score:<finding>`, [`RUN_SECONDS`].
    pub fn numbers(&self) -> &BTreeMap<String, Numbers> {
        &self.numbers
    }

    /// Whether there were more names than are kept.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn cut(&mut self) {
        fn to_most<K: Ord, V>(map: &mut BTreeMap<K, V>) -> bool {
            let is_more = NAMES_MAX < map.len();
            while NAMES_MAX < map.len() {
                map.pop_last();
            }
            is_more
        }
        let cut = [
            to_most(&mut self.ended),
            to_most(&mut self.calls),
            to_most(&mut self.outside),
            to_most(&mut self.numbers),
        ];
        self.is_cut |= cut.contains(&true);
    }

    /// The stable, compact form: a version byte, then numbers as varints (LEB128) and moments as little-endian doubles.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.flag(self.is_cut);
        out.count(self.n);
        out.count(self.ended.len() as u64);
        for ((disposition, reason), n) in &self.ended {
            out.name(disposition);
            out.name(reason);
            out.count(*n);
        }
        out.count(self.calls.len() as u64);
        for (finding, calls) in &self.calls {
            out.name(finding);
            for n in [calls.present, calls.absent, calls.abstained] {
                out.count(n);
            }
        }
        out.count(self.n_compared);
        out.count(self.n_outside);
        out.count(self.outside.len() as u64);
        for (name, n) in &self.outside {
            out.name(name);
            out.count(*n);
        }
        out.count(self.numbers.len() as u64);
        for (name, numbers) in &self.numbers {
            out.name(name);
            let mut part = Writer::bare();
            numbers.write(&mut part);
            out.part(&part);
        }
        out.into_bytes()
    }

    /// A sketch in its stable form.
    ///
    /// # Errors
    /// [`SketchError`] for anything that [`Sketch::encode`] does not write, whatever the bytes are.
    pub fn decode(bytes: &[u8]) -> Result<Sketch, SketchError> {
        let mut sketch = Sketch::default();
        sketch.merge_encoded(bytes, None)?;
        Ok(sketch)
    }

    /// Add what an encoded sketch counted, of its numbers only those `wanted`, without building it first: a year of
    /// dashboards is a merge of thousands. After an error this sketch holds an unknown part of it.
    ///
    /// # Errors
    /// As [`Sketch::decode`].
    pub fn merge_encoded(&mut self, bytes: &[u8], wanted: Option<&BTreeSet<String>>) -> Result<(), SketchError> {
        let mut from = Reader::new(bytes, VERSION)?;
        self.is_cut |= from.flag()?;
        count(&mut self.n, from.count()?);
        let mut last = None;
        for _ in 0..from.length(NAMES_MAX)? {
            let name = (from.name()?.to_owned(), from.name()?.to_owned());
            let n = from.count()?;
            rising(&mut last, &name)?;
            count(self.ended.entry(name).or_default(), n);
        }
        let mut last = None;
        for _ in 0..from.length(NAMES_MAX)? {
            let name = from.name()?.to_owned();
            let calls = Calls { present: from.count()?, absent: from.count()?, abstained: from.count()? };
            rising(&mut last, &name)?;
            self.calls.entry(name).or_default().merge(calls);
        }
        count(&mut self.n_compared, from.count()?);
        count(&mut self.n_outside, from.count()?);
        let mut last = None;
        for _ in 0..from.length(NAMES_MAX)? {
            let name = from.name()?.to_owned();
            let n = from.count()?;
            rising(&mut last, &name)?;
            count(self.outside.entry(name).or_default(), n);
        }
        let mut last: Option<&str> = None;
        for _ in 0..from.length(NAMES_MAX)? {
            let name = from.name()?;
            let mut part = from.part()?;
            if last.replace(name).is_some_and(|last| name <= last) {
                return Err(SketchError::Order);
            }
            if wanted.is_some_and(|wanted| !wanted.contains(name)) {
                continue;
            }
            match self.numbers.get_mut(name) {
                Some(numbers) => numbers.merge_read(&mut part)?,
                None => self.numbers.entry(name.to_owned()).or_default().merge_read(&mut part)?,
            }
            part.end()?;
        }
        from.end()?;
        self.cut();
        Ok(())
    }
}

impl Calls {
    fn merge(&mut self, other: Calls) {
        count(&mut self.present, other.present);
        count(&mut self.absent, other.absent);
        count(&mut self.abstained, other.abstained);
    }

    /// Studies in which the model decided.
    pub fn n_decided(self) -> u64 {
        self.present.saturating_add(self.absent)
    }
}

fn count(sum: &mut u64, n: u64) {
    *sum = sum.saturating_add(n);
}

fn merge_counts<K: Ord + Clone>(sums: &mut BTreeMap<K, u64>, others: &BTreeMap<K, u64>) {
    for (name, n) in others {
        count(sums.entry(name.clone()).or_default(), *n);
    }
}

fn rising<K: Ord + Clone>(last: &mut Option<K>, name: &K) -> Result<(), SketchError> {
    match last.replace(name.clone()) {
        Some(last) if *name <= last => Err(SketchError::Order),
        _ => Ok(()),
    }
}

/// A name of at most [`NAME_BYTES_MAX`] bytes.
pub(crate) fn short(name: &str) -> String {
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    name[..end].to_owned()
}

#[cfg(test)]
mod tests;
