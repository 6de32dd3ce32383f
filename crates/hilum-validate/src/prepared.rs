//! Cases checked and put in order: the ground that plan and evaluation stand on.

use crate::Exposure;
use crate::ValidateError;
use crate::case::{Case, NotRunEnd, Outcome};
use crate::protocol::{AcceptanceProtocol, Metric, Slice, Unit};
use crate::report::{Counts, EndReason, Flow};
use std::collections::{BTreeMap, BTreeSet};

/// Problems that are named; the rest are counted.
const PROBLEMS_SHOWN: usize = 20;

/// Name of the group of cases without a value in a column.
pub(crate) const NOT_STATED: &str = "not stated";

/// Whether outcomes must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the run, as far as outcomes are known.
    Plan,
    /// After the run, as it was before: outcomes of the model under test are ignored.
    Before,
    /// After the run.
    Evaluate,
}

/// An eligible case with a usable label whose labeller had not seen a model.
pub(crate) struct Row<'a> {
    pub(crate) case: &'a Case,
    /// Number of the patient, in the order of their pseudonyms.
    pub(crate) patient: u64,
    /// Whether the finding is there; `None` only where no figure needs a label.
    pub(crate) present: Option<bool>,
    /// Whether the model gave a result; in a plan also: whether it may yet.
    pub(crate) ran: bool,
    pub(crate) score: Option<f64>,
    pub(crate) champion_score: Option<f64>,
}

impl Row<'_> {
    pub(crate) fn measure(&self, metric: Metric) -> Option<f64> {
        measure_of(&self.case.outcome, metric)
    }

    pub(crate) fn champion_measure(&self, metric: Metric) -> Option<f64> {
        measure_of(self.case.champion.as_ref()?, metric)
    }

    /// Whether both versions gave a result.
    pub(crate) fn paired(&self) -> bool {
        self.ran && matches!(self.case.champion, Some(Outcome::Scored { .. }))
    }
}

fn measure_of(outcome: &Outcome, metric: Metric) -> Option<f64> {
    match outcome {
        Outcome::Scored { measures, .. } => measures.get(metric.name()).copied(),
        _ => None,
    }
}

fn score_of(outcome: Option<&Outcome>) -> Option<f64> {
    match outcome {
        Some(Outcome::Scored { score, .. }) => *score,
        _ => None,
    }
}

/// The cases of one list, checked against a protocol.
pub(crate) struct Prepared<'a> {
    pub(crate) protocol: &'a AcceptanceProtocol,
    /// All cases, by id.
    pub(crate) listed: Vec<&'a Case>,
    /// Eligible ones, by id.
    pub(crate) rows: Vec<Row<'a>>,
    /// Labelled ones with a result whose labeller had seen a model's output: good for concordance only.
    pub(crate) exposed: Vec<Row<'a>>,
    pub(crate) flow: Flow,
    /// Whether figures need labels and scores: something other than measures of segmentation is asked for.
    pub(crate) classifies: bool,
}

impl<'a> Prepared<'a> {
    /// Sorts and checks.
    ///
    /// # Errors
    /// `Protocol` and `Cases`, each with all that is wrong.
    pub(crate) fn new(
        protocol: &'a AcceptanceProtocol,
        cases: &'a [Case],
        stage: Stage,
    ) -> Result<Prepared<'a>, ValidateError> {
        let problems = protocol.problems();
        if !problems.is_empty() {
            return Err(ValidateError::Protocol(problems));
        }
        let mut listed: Vec<&Case> = cases.iter().collect();
        listed.sort_by(|a, b| a.id.cmp(&b.id));
        let classifies = !protocol.measures_only().unwrap_or(false);
        let problems = problems_of(protocol, &listed, stage, classifies);
        if !problems.is_empty() {
            return Err(ValidateError::Cases(shortened(problems)));
        }
        let patients: BTreeMap<&str, u64> = {
            let names: BTreeSet<&str> = listed.iter().map(|case| case.patient.as_str()).collect();
            names.into_iter().zip(0..).collect()
        };
        let mut flow = Flow { listed: listed.len() as u64, ..Flow::default() };
        let (mut rows, mut exposed) = (Vec::new(), Vec::new());
        let mut reasons = BTreeMap::new();
        for &case in &listed {
            let Some(present) = usable_label(protocol, case, classifies) else {
                flow.no_usable_label += 1;
                continue;
            };
            let outcome = if stage == Stage::Before { &Outcome::Pending } else { &case.outcome };
            let row = Row {
                case,
                patient: patients[case.patient.as_str()],
                present,
                ran: !matches!(outcome, Outcome::NotRun { .. }),
                score: score_of(Some(outcome)),
                champion_score: score_of(case.champion.as_ref()),
            };
            if case.exposure == Exposure::Exposed {
                flow.exposed += 1;
                exposed.push(row);
                continue;
            }
            if let Outcome::NotRun { end, reason } = outcome {
                *reasons.entry((*end, reason.as_str())).or_insert(0) += 1;
                match end {
                    NotRunEnd::NotEligible => {
                        flow.not_eligible += 1;
                        continue;
                    }
                    NotRunEnd::Withheld => flow.withheld += 1,
                    NotRunEnd::Failed => flow.failed += 1,
                }
            }
            flow.pending += u64::from(*outcome == Outcome::Pending);
            rows.push(row);
        }
        let analysed: Vec<&Row<'_>> = rows.iter().filter(|row| row.ran).collect();
        let counts = counts(&analysed);
        flow.labelled = flow.listed - flow.no_usable_label;
        flow.eligible = rows.len() as u64;
        flow.analysed = counts.cases;
        (flow.patients, flow.positives, flow.negatives) = (counts.patients, counts.positives, counts.negatives);
        flow.exposure_unknown = analysed.iter().filter(|row| row.case.exposure == Exposure::Unknown).count() as u64;
        if listed.iter().any(|case| case.champion.is_some()) {
            flow.without_champion =
                analysed.iter().filter(|row| !matches!(row.case.champion, Some(Outcome::Scored { .. }))).count() as u64;
        }
        let mut reasons: Vec<EndReason> =
            reasons.into_iter().map(|((end, reason), n)| EndReason { end, reason: reason.to_owned(), n }).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.n));
        flow.reasons = reasons;
        Ok(Prepared { protocol, listed, rows, exposed, flow, classifies })
    }

    /// Rows of a slice, those without a result included.
    pub(crate) fn slice(&self, slice: &Slice) -> Vec<&Row<'a>> {
        self.rows.iter().filter(|row| in_slice(row.case, slice)).collect()
    }

    /// Whether any patient has several cases among `rows` and the protocol holds patients to be the unit.
    pub(crate) fn clustered(&self, rows: &[&Row<'_>]) -> bool {
        self.protocol.unit == Unit::Patient
            && rows.iter().map(|row| row.patient).collect::<BTreeSet<_>>().len() < rows.len()
    }
}

/// `Some(truth)` when the case can be used.
fn usable_label(protocol: &AcceptanceProtocol, case: &Case, classifies: bool) -> Option<Option<bool>> {
    let truth = case.label.as_deref().and_then(|label| protocol.truth_of(label));
    if classifies { truth.map(Some) } else { Some(truth) }
}

pub(crate) fn in_slice(case: &Case, slice: &Slice) -> bool {
    match slice {
        Slice::All => true,
        Slice::Attribute { attribute, value } => attribute_of(case, attribute) == Some(value.as_str()),
    }
}

/// The value in a column, trimmed; `None` where there is none.
pub(crate) fn attribute_of<'a>(case: &'a Case, attribute: &str) -> Option<&'a str> {
    case.attributes.get(attribute).map(|value| value.trim()).filter(|value| !value.is_empty())
}

pub(crate) fn counts(rows: &[&Row<'_>]) -> Counts {
    let patients_where = |wanted: &dyn Fn(&Row<'_>) -> bool| {
        rows.iter().filter(|row| wanted(row)).map(|row| row.patient).collect::<BTreeSet<_>>().len() as u64
    };
    let cases_where = |truth: bool| rows.iter().filter(|row| row.present == Some(truth)).count() as u64;
    Counts {
        cases: rows.len() as u64,
        patients: patients_where(&|_| true),
        positives: cases_where(true),
        negatives: cases_where(false),
        positive_patients: patients_where(&|row| row.present == Some(true)),
        negative_patients: patients_where(&|row| row.present == Some(false)),
    }
}

fn problems_of(protocol: &AcceptanceProtocol, listed: &[&Case], stage: Stage, classifies: bool) -> Vec<String> {
    let mut problems = Vec::new();
    if listed.is_empty() {
        problems.push("the list has no cases; enter the reference set again".to_owned());
        return problems;
    }
    for pair in listed.windows(2).filter(|pair| pair[0].id == pair[1].id) {
        problems.push(format!("two cases are named {:?}; make the ids unique", pair[0].id));
    }
    for attribute in protocol.attributes() {
        if !listed.iter().any(|case| case.attributes.contains_key(attribute)) {
            problems.push(format!(
                "the protocol reads column {attribute:?}, which no case has; correct the name, or add the column to the case list"
            ));
        }
    }
    for case in listed {
        if case.id.trim().is_empty() {
            problems.push("a case has an empty id; give every case one".to_owned());
        }
        if case.patient.trim().is_empty() {
            problems.push(format!("case {:?} has no patient; give a pseudonym, or the case's own id", case.id));
        }
        if stage == Stage::Evaluate {
            outcome_problems(case, &case.outcome, "the model", protocol, classifies, &mut problems);
        }
        if let Some(champion) = &case.champion
            && (stage == Stage::Evaluate || *champion != Outcome::Pending)
        {
            outcome_problems(case, champion, "the champion", protocol, classifies, &mut problems);
        }
    }
    problems
}

fn outcome_problems(
    case: &Case,
    outcome: &Outcome,
    who: &str,
    protocol: &AcceptanceProtocol,
    classifies: bool,
    problems: &mut Vec<String>,
) {
    let id = &case.id;
    match outcome {
        Outcome::Pending => problems.push(format!("case {id:?} was not run by {who}; run it, or state why not")),
        Outcome::NotRun { .. } => {}
        Outcome::Scored { score, measures } => {
            match score {
                Some(score) if !score.is_finite() => {
                    problems
                        .push(format!("case {id:?} got the score {score} by {who}; a score must be a finite number"));
                }
                None if classifies => problems.push(format!(
                    "case {id:?} got no score by {who}, which the protocol needs; choose a model that scores {:?}",
                    protocol.target.finding
                )),
                _ => {}
            }
            for (name, value) in measures.iter().filter(|(_, value)| !value.is_finite()) {
                problems.push(format!(
                    "case {id:?} got {name} {value} by {who}; a measure must be a finite number, or absent"
                ));
            }
        }
    }
}

fn shortened(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN);
    problems.truncate(PROBLEMS_SHOWN);
    if 0 < more {
        problems.push(format!("and {more} more of this kind"));
    }
    problems
}
