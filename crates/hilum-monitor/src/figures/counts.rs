//! Counts that figures of now are made from without reading a study: kept by the acts that enter observations and labels.

use super::{
    CUT_VALUES_MAX, FigureInput, LEVEL, LabelledObservation, MeasuredExtractor, NamedFigure, cases, corrected, told,
};
use crate::error::MonitorError;
use crate::fold::{counts_as, outcome_of};
use crate::sketch::{Reader, SketchError, Writer, short};
use crate::{Agreement, Figure, Label, Observation, Truth};
use hilum_registry::Metric;
use hilum_registry::monitoring::NOT_STATED;
use hilum_stats::imperfect_labels::audit_rate;
use hilum_stats::{ConfusionTable, wilson};
use hilum_types::{Independence, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Entries of one kind that are kept; [`Counts::is_cut`] says that there were more, and then figures come from the rows.
const ENTRIES_MAX: usize = 4096;

/// Cases of one audit sample that a weighted figure is made of.
const DRAWN_MAX: i64 = 2_000_000;

const VERSION: u8 = 1;

/// Rates that need no label, in the order of their stored numbers.
const RATES: [Metric; 4] =
    [Metric::FailureRate, Metric::NotEligibleRate, Metric::OutsideEnvelope, Metric::PositiveRate];

/// Classes of labels, in the order of their stored numbers.
const CLASSES: [Independence; 4] = Independence::ALL;

/// Everything that decides into which figures a labelled case goes, and on which side of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    finding: String,
    /// Place in [`CLASSES`].
    class: u8,
    is_validated: bool,
    truth: u8,
    said: u8,
    agreement: u8,
    /// What read it out of a report; empty: nothing did.
    extractor: String,
    /// Bits of the probability it was drawn with; none: it was not drawn.
    drawn: Option<u64>,
}

impl Case {
    fn of(one: &LabelledObservation) -> Case {
        let label = &one.label;
        let said = one.observation.outputs.get(&label.finding).and_then(|output| output.present);
        Case {
            finding: short(&label.finding),
            class: CLASSES.iter().position(|class| *class == label.class()).unwrap_or(0) as u8,
            is_validated: label.is_validated(),
            truth: match label.truth {
                Truth::Present => 0,
                Truth::Absent => 1,
                Truth::Uncertain => 2,
            },
            said: match said {
                None => 0,
                Some(false) => 1,
                Some(true) => 2,
            },
            agreement: match label.agreement {
                None => 0,
                Some(Agreement::Agree) => 1,
                Some(Agreement::Disagree) => 2,
                Some(Agreement::Correct) => 3,
            },
            extractor: label.extractor.as_deref().map(short).unwrap_or_default(),
            drawn: label.inclusion_probability.filter(|p| 0.0 < *p && *p <= 1.0).map(f64::to_bits),
        }
    }

    fn outcome(&self, metric: Metric) -> Option<bool> {
        let truth = [Truth::Present, Truth::Absent, Truth::Uncertain][usize::from(self.truth)];
        let said = [None, Some(false), Some(true)][usize::from(self.said)];
        let agreement = [None, Some(Agreement::Agree), Some(Agreement::Disagree), Some(Agreement::Correct)];
        outcome_of(metric, truth, said, agreement[usize::from(self.agreement)])
    }
}

/// Observations and labelled cases, counted by all that figures ask of them.
///
/// Counts may be below zero for a while: a label that is taken back was counted elsewhere. Adding is exact in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    n_observations: i64,
    n_labels: i64,
    /// By place in [`RATES`] and finding: with it, and all.
    rates: BTreeMap<(u8, String), (i64, i64)>,
    cases: BTreeMap<Case, i64>,
    is_cut: bool,
}

/// What the labels of one study add that ran under one version: for each observation how many labels there are of it, and the
/// cases that count. They must be in the order of entry; of several the same ones count as in figures from the rows.
pub fn label_counts(labelled: &[LabelledObservation]) -> Vec<(&Observation, Counts)> {
    let given = labelled.iter().map(|one| (&one.observation, Counts { n_labels: 1, ..Counts::default() }));
    given.chain(chosen(labelled).into_iter().map(|one| (&one.observation, Counts::case(one)))).collect()
}

/// The labels that count, of every finding, class and kind.
fn chosen(labelled: &[LabelledObservation]) -> Vec<&LabelledObservation> {
    let key = |label: &Label| (label.finding.clone(), label.class(), label.is_validated());
    let kinds: BTreeSet<(String, Independence, bool)> = labelled.iter().map(|one| key(&one.label)).collect();
    kinds.iter().flat_map(|(finding, class, validated)| cases(labelled, finding, *class, *validated)).collect()
}

impl Counts {
    /// What one observation adds.
    pub fn of(observation: &Observation) -> Counts {
        let mut counts = Counts { n_observations: 1, ..Counts::default() };
        for (place, metric) in RATES.into_iter().enumerate() {
            let findings: Vec<&str> = match metric {
                Metric::PositiveRate => observation.outputs.keys().map(String::as_str).collect(),
                _ => vec![""],
            };
            for finding in findings {
                if let Some(happened) = counts_as(metric, finding, observation) {
                    let sums = counts.rates.entry((place as u8, short(finding))).or_default();
                    *sums = (sums.0 + i64::from(happened), sums.1 + 1);
                }
            }
        }
        counts.cut();
        counts
    }

    fn case(one: &LabelledObservation) -> Counts {
        Counts { cases: BTreeMap::from([(Case::of(one), 1)]), ..Counts::default() }
    }

    /// The counts of observations and of their labels, in the order of entry.
    pub fn of_rows(observations: &[Observation], labelled: &[LabelledObservation]) -> Counts {
        let mut counts = Counts::default();
        for observation in observations {
            counts.add(&Counts::of(observation), 1);
        }
        counts.n_labels = labelled.len() as i64;
        for one in chosen(labelled) {
            counts.add(&Counts::case(one), 1);
        }
        counts
    }

    /// Add `other` `times` over; -1 takes it back.
    pub fn add(&mut self, other: &Counts, times: i64) {
        let sum = |a: &mut i64, b: i64| *a = a.saturating_add(b.saturating_mul(times));
        sum(&mut self.n_observations, other.n_observations);
        sum(&mut self.n_labels, other.n_labels);
        for (name, (happened, n)) in &other.rates {
            let sums = self.rates.entry(name.clone()).or_default();
            sum(&mut sums.0, *happened);
            sum(&mut sums.1, *n);
        }
        for (case, n) in &other.cases {
            match self.cases.get_mut(case) {
                Some(sums) => sum(sums, *n),
                None => {
                    self.cases.insert(case.clone(), n.saturating_mul(times));
                }
            }
        }
        self.rates.retain(|_, sums| *sums != (0, 0));
        self.cases.retain(|_, n| *n != 0);
        self.is_cut |= other.is_cut;
        self.cut();
    }

    fn cut(&mut self) {
        self.is_cut |= ENTRIES_MAX < self.rates.len().max(self.cases.len());
        while ENTRIES_MAX < self.rates.len() {
            self.rates.pop_last();
        }
        while ENTRIES_MAX < self.cases.len() {
            self.cases.pop_last();
        }
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        *self == Counts::default()
    }

    /// Observations counted.
    pub fn n_observations(&self) -> u64 {
        u64::try_from(self.n_observations).unwrap_or(0)
    }

    /// Labels counted, those that others stand before among them.
    pub fn n_labels(&self) -> u64 {
        u64::try_from(self.n_labels).unwrap_or(0)
    }

    /// Whether there was more than is kept.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Every figure there is something to make of, as [`figures`](super::figures()) makes them from the rows.
    ///
    /// # Errors
    /// [`MonitorError::Figure`], for counts that contradict each other.
    pub fn figures(
        &self,
        cut: &str,
        extractors: &[MeasuredExtractor],
        as_of: Timestamp,
    ) -> Result<Vec<NamedFigure>, MonitorError> {
        let mut all = Vec::new();
        let mut add = |name, finding: &str, validated, uncorrected, figure: Option<Figure>| {
            let (finding, cut) = (finding.to_owned(), cut.to_owned());
            all.extend(figure.map(|figure| NamedFigure { name, finding, cut, validated, uncorrected, figure }));
        };
        for ((place, finding), (happened, n)) in &self.rates {
            let name = RATES[usize::from(*place)];
            add(name, finding, true, false, share(name, *happened, *n, &[], as_of)?);
        }
        let findings: BTreeSet<&str> = self.cases.keys().map(|case| case.finding.as_str()).collect();
        for finding in findings {
            for name in [Metric::Sensitivity, Metric::Specificity, Metric::Ppv, Metric::Concordance] {
                for class in name.permitted_labels() {
                    for validated in [true, false] {
                        let outcomes = self.outcomes(name, finding, *class, validated);
                        let happened = outcomes.iter().filter(|one| one.happened).map(|one| one.n).sum();
                        let n = outcomes.iter().map(|one| one.n).sum();
                        // Concordance is about what was said, not about what is true.
                        let errs = |drawn: bool| {
                            let read = |case: &Case| !case.extractor.is_empty() && (!drawn || case.drawn.is_some());
                            name != Metric::Concordance
                                && self.cases_of(finding, *class, validated).any(|(case, _)| read(case))
                        };
                        add(name, finding, validated, errs(false), share(name, happened, n, &[*class], as_of)?);
                        add(name, finding, validated, errs(true), weighted(name, &outcomes, &[*class], as_of)?);
                    }
                }
            }
            for (name, figure) in corrected(extractors, finding, |extractor| self.read_by(finding, extractor), as_of) {
                add(name, finding, true, false, Some(figure));
            }
        }
        Ok(all)
    }

    /// Finding and extractor of the validated labels that were read out of reports.
    pub fn extractors(&self) -> BTreeSet<(String, String)> {
        let read = self.cases.keys().filter(|case| case.is_validated && !case.extractor.is_empty());
        read.map(|case| (case.finding.clone(), case.extractor.clone())).collect()
    }

    /// Answers against the unexposed, validated labels of one extractor.
    fn read_by(&self, finding: &str, extractor: &str) -> ConfusionTable {
        let mut table = ConfusionTable::default();
        for (case, n) in
            self.cases_of(finding, Independence::Unexposed, true).filter(|(case, _)| case.extractor == extractor)
        {
            let n = u64::try_from(*n).unwrap_or(0);
            // An answer that was not given finds nothing.
            match (case.truth, case.said == 2) {
                (0, true) => table.true_positives += n,
                (0, false) => table.false_negatives += n,
                (1, true) => table.false_positives += n,
                (1, false) => table.true_negatives += n,
                _ => {}
            }
        }
        table
    }

    fn cases_of(&self, finding: &str, class: Independence, validated: bool) -> impl Iterator<Item = (&Case, &i64)> {
        self.cases.iter().filter(move |(case, _)| {
            case.finding == finding && CLASSES[usize::from(case.class)] == class && case.is_validated == validated
        })
    }

    fn outcomes(&self, metric: Metric, finding: &str, class: Independence, validated: bool) -> Vec<Outcome> {
        let cases = self.cases_of(finding, class, validated);
        let outcome = |(case, n): (&Case, &i64)| {
            Some(Outcome { happened: case.outcome(metric)?, n: *n, probability: case.drawn.map(f64::from_bits) })
        };
        cases.filter_map(outcome).collect()
    }

    /// The stable, compact form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.flag(self.is_cut);
        out.signed(self.n_observations);
        out.signed(self.n_labels);
        out.count(self.rates.len() as u64);
        for ((place, finding), (happened, n)) in &self.rates {
            out.byte(*place);
            out.name(finding);
            out.signed(*happened);
            out.signed(*n);
        }
        out.count(self.cases.len() as u64);
        for (case, n) in &self.cases {
            out.name(&case.finding);
            for byte in [case.class, u8::from(case.is_validated), case.truth, case.said, case.agreement] {
                out.byte(byte);
            }
            out.name(&case.extractor);
            out.flag(case.drawn.is_some());
            if let Some(bits) = case.drawn {
                out.double(f64::from_bits(bits));
            }
            out.signed(*n);
        }
        out.into_bytes()
    }

    /// Counts in their stable form.
    ///
    /// # Errors
    /// [`SketchError`] for anything that [`Counts::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Counts, SketchError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let mut counts = Counts {
            is_cut: from.flag()?,
            n_observations: from.signed()?,
            n_labels: from.signed()?,
            ..Counts::default()
        };
        let below = |byte: u8, most: usize| {
            if usize::from(byte) < most { Ok(byte) } else { Err(SketchError::Number) }
        };
        for _ in 0..from.length(ENTRIES_MAX)? {
            let name = (below(from.byte()?, RATES.len())?, from.name()?.to_owned());
            if counts.rates.insert(name, (from.signed()?, from.signed()?)).is_some() {
                return Err(SketchError::Order);
            }
        }
        for _ in 0..from.length(ENTRIES_MAX)? {
            let case = Case {
                finding: from.name()?.to_owned(),
                class: below(from.byte()?, CLASSES.len())?,
                is_validated: from.flag()?,
                truth: below(from.byte()?, 3)?,
                said: below(from.byte()?, 3)?,
                agreement: below(from.byte()?, 4)?,
                extractor: from.name()?.to_owned(),
                drawn: if from.flag()? { Some(from.double()?.to_bits()) } else { None },
            };
            if counts.cases.insert(case, from.signed()?).is_some() {
                return Err(SketchError::Order);
            }
        }
        from.end()?;
        Ok(counts)
    }
}

struct Outcome {
    happened: bool,
    n: i64,
    probability: Option<f64>,
}

fn share(
    metric: Metric,
    happened: i64,
    n: i64,
    classes: &[Independence],
    as_of: Timestamp,
) -> Result<Option<Figure>, MonitorError> {
    if n <= 0 {
        return Ok(None);
    }
    let failed = |source| MonitorError::Figure { metric, source };
    let estimate = wilson(happened.max(0).unsigned_abs(), n.unsigned_abs(), LEVEL).map_err(failed)?;
    Ok(Some(told(&estimate, classes, as_of)))
}

/// As from the rows: an estimate needs to know of each case only whether it happened and how likely it was drawn.
fn weighted(
    metric: Metric,
    outcomes: &[Outcome],
    classes: &[Independence],
    as_of: Timestamp,
) -> Result<Option<Figure>, MonitorError> {
    let drawn = || outcomes.iter().filter_map(|one| Some((one, one.probability?))).filter(|(one, _)| 0 < one.n);
    let n: i64 = drawn().map(|(one, _)| one.n).fold(0, i64::saturating_add);
    if !(1..=DRAWN_MAX).contains(&n) {
        return Ok(None);
    }
    let repeated = |(one, probability): (&Outcome, f64)| {
        std::iter::repeat_n((one.happened, probability), one.n.unsigned_abs() as usize)
    };
    let (happened, probabilities): (Vec<bool>, Vec<f64>) = drawn().flat_map(repeated).unzip();
    let failed = |source| MonitorError::Figure { metric, source };
    let estimate = audit_rate(&happened, &probabilities, LEVEL).map_err(failed)?;
    Ok(Some(told(&estimate, classes, as_of)))
}

impl FigureInput<'_> {
    /// Counts for each value of an attribute, [`NOT_STATED`] where it is not.
    pub fn counts_by(&self, attribute: &str) -> BTreeMap<String, Counts> {
        let value = |observation: &Observation| {
            observation.attributes.get(attribute).map_or(NOT_STATED, String::as_str).to_owned()
        };
        let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
        for observation in self.observations {
            counts.entry(value(observation)).or_default().add(&Counts::of(observation), 1);
        }
        let mut labelled: BTreeMap<String, Vec<LabelledObservation>> = BTreeMap::new();
        for one in self.labelled {
            labelled.entry(value(&one.observation)).or_default().push(one.clone());
        }
        for (value, labelled) in labelled {
            counts.entry(value).or_default().add(&Counts::of_rows(&[], &labelled), 1);
        }
        counts
    }
}

/// Figures of the whole, and of each value of the attribute `each`, from their counts.
///
/// # Errors
/// As [`Counts::figures`].
pub fn figures_of_counts(
    whole: &Counts,
    each: Option<(&str, &BTreeMap<String, Counts>)>,
    extractors: &[MeasuredExtractor],
    as_of: Timestamp,
) -> Result<Vec<NamedFigure>, MonitorError> {
    let mut all = whole.figures("", extractors, as_of)?;
    let Some((name, values)) = each else { return Ok(all) };
    let seen = values.iter().filter(|(_, counts)| 0 < counts.n_observations);
    for (value, counts) in seen.take(CUT_VALUES_MAX) {
        all.extend(counts.figures(&format!("{name}={value}"), extractors, as_of)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
