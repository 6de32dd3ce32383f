//! The one fold: `(state, rules, fact) -> (state, signals)`, the same in the catalog's acts, in a rehearsal and in a replay.
//!
//! The state is a set of [`Cell`]s, one per rule and cut, so that a fact touches a handful of them however many scanners a
//! site has. What a cell has seen depends on the order of facts alone: the same facts give the same bytes.

mod cell;
mod event;
mod text;

pub use cell::Cell;
pub(crate) use cell::{feature_margin, threshold};
pub use event::Labelled;
pub(crate) use event::{counts_as, number as number_of, outcome, outcome_of};

use crate::error::MonitorError;
use crate::{Observation, Signal};
use event::Event;
use hilum_registry::StopRule;
use hilum_registry::monitoring::NOT_STATED;
use hilum_types::Timestamp;
use std::collections::BTreeMap;

/// Cells of one rule; further values of its cut share one cell.
const CUTS_MAX: u32 = 256;

/// The cut that further values share.
const OTHERS: &str = "(others)";

/// A fact, as the fold takes it.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    /// A study revision ended.
    Observed(&'a Observation),
    /// Somebody or something said what is true of it.
    Labelled(Labelled<'a>),
}

impl Fact<'_> {
    fn observation(&self) -> &Observation {
        match self {
            Fact::Observed(observation) => observation,
            Fact::Labelled(labelled) => labelled.observation,
        }
    }

    fn recorded_at(&self) -> Timestamp {
        match self {
            Fact::Observed(observation) => observation.recorded_at,
            Fact::Labelled(labelled) => labelled.label.recorded_at,
        }
    }
}

/// Name of a cell: a rule, and the cut it is watched for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// Name of the rule.
    pub rule: String,
    /// The cut, such as `station=CT2`; empty: the whole deployment.
    pub cut: String,
}

/// The state of one version of one deployment, or the part of it that a fact touches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Monitor {
    cells: BTreeMap<CellKey, Cell>,
    /// Cells opened so far, by rule.
    opened: BTreeMap<String, u32>,
}

impl Monitor {
    /// The state from what was kept of it: the cells that [`touched`] names, as far as there are any, and how many cells each
    /// rule has in all.
    pub fn from_parts(cells: BTreeMap<CellKey, Cell>, opened: BTreeMap<String, u32>) -> Monitor {
        Monitor { cells, opened }
    }

    /// Every cell there is.
    pub fn cells(&self) -> &BTreeMap<CellKey, Cell> {
        &self.cells
    }

    /// Take in a fact, and say what follows from it, in the order of the rules.
    ///
    /// # Errors
    /// [`MonitorError::Rule`] for a rule that a declaration would have been refused for; nothing has changed then.
    pub fn take(&mut self, rules: &[StopRule], fact: &Fact<'_>) -> Result<Vec<Signal>, MonitorError> {
        let mut signals = Vec::new();
        let mut changed = Vec::new();
        let mut opened = self.opened.clone();
        for rule in rules {
            let Some(event) = Event::of(rule, fact) else { continue };
            for cut in cuts(rule, fact.observation()) {
                let mut key = CellKey { rule: rule.name.clone(), cut: cut.full };
                let n_opened = opened.entry(rule.name.clone()).or_default();
                if !self.cells.contains_key(&key) && CUTS_MAX <= *n_opened {
                    key.cut = cut.others;
                }
                let before = self.cells.get(&key);
                let order = before.map_or(*n_opened + 1, Cell::order);
                *n_opened = (*n_opened).max(order);
                let broken = |source| MonitorError::Rule { rule: rule.name.clone(), source };
                let mut cell = Cell::for_rule(before, rule, order).map_err(broken)?;
                signals.extend(cell.take(rule, &key.cut, &event, fact).map_err(broken)?);
                changed.push((key, cell));
            }
        }
        self.cells.extend(changed);
        self.opened = opened;
        Ok(signals)
    }
}

struct Cut {
    full: String,
    others: String,
}

fn cuts(rule: &StopRule, observation: &Observation) -> Vec<Cut> {
    if rule.each.is_empty() {
        return vec![Cut { full: String::new(), others: String::new() }];
    }
    let cut = |name: &String| {
        // A cut that nobody stated is one too: whoever leaves the attribute out does not escape.
        let value = observation.attributes.get(name).map_or(NOT_STATED, String::as_str);
        Cut { full: format!("{name}={value}"), others: format!("{name}={OTHERS}") }
    };
    rule.each.iter().map(cut).collect()
}

/// Whether an observation is any business of a rule. One study feeds a rule once per version, by the first of its revisions
/// that is; who keeps the facts leaves the rule out for the later ones.
pub fn feeds(rule: &StopRule, observation: &Observation) -> bool {
    Event::of(rule, &Fact::Observed(observation)).is_some()
}

/// The cells that a fact may touch, for whoever keeps them elsewhere.
pub fn touched(rules: &[StopRule], fact: &Fact<'_>) -> Vec<CellKey> {
    let mut keys = Vec::new();
    for rule in rules.iter().filter(|rule| Event::of(rule, fact).is_some()) {
        for cut in cuts(rule, fact.observation()) {
            keys.push(CellKey { rule: rule.name.clone(), cut: cut.full.clone() });
            if cut.others != cut.full {
                keys.push(CellKey { rule: rule.name.clone(), cut: cut.others });
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests;
