//! Two versions on the same cases: what changed, case by case, and what that comes to (MV-14, MV-17, MV-40).

use crate::figures::{difference_name, share_difference};
use crate::protocol::{Method, Metric};
use crate::report::{Figure, Shown, Test};
use crate::{Exposure, ValidateError};
use hilum_stats::{
    AurocInterval, Bootstrap, PairedTable, StatsError, TestResult, auroc, auroc_difference, mcnemar_exact,
};
use hilum_types::Digest;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The format number this version writes.
pub const COMPARISON_FORMAT: u32 = 1;

/// Level of every interval.
const LEVEL: f64 = 0.95;

/// Two versions, or two settings of one, on one reference set. It is the body of a comparison or replay record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionComparison {
    /// Always [`COMPARISON_FORMAT`].
    pub format: u32,
    /// The earlier package.
    pub from: Digest,
    /// The later package; the same one when only settings changed.
    pub to: Digest,
    /// Record of the reference set.
    pub reference_set: Digest,
    /// The finding.
    pub finding: String,
    /// What was run, in words: name, version, engine.
    pub sides: Both<String>,
    /// Thresholds at and above which the finding counts as present.
    pub operating_points: Both<f64>,
    /// Reference labels that count as present; empty: labels were not used.
    pub positive: Vec<String>,
    /// Reference labels that count as absent.
    pub negative: Vec<String>,
    /// Cases of the set.
    pub n_cases: u64,
    /// Cases on which both gave a score.
    pub n_both: u64,
    /// Cases on which the answer is another one, a lost or gained result included.
    pub n_flips: u64,
    /// Cases that were called rightly and are called wrongly now: a radiologist reads and signs them.
    pub n_negative_flips: u64,
    /// Cases that had a result and have none now.
    pub n_results_lost: u64,
    /// Largest difference of the scores of a case; absent when no case has both.
    pub max_abs_difference: Option<f64>,
    /// Every case, by id.
    pub cases: Vec<ComparedCase>,
    /// Paired statistics.
    pub paired: PairedStatistics,
}

/// A value for each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Both<T> {
    /// Of the earlier one.
    pub from: T,
    /// Of the later one.
    pub to: T,
}

/// One case in a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedCase {
    /// Its id.
    pub case: String,
    /// Score of the earlier one.
    pub from: Option<f64>,
    /// Score of the later one.
    pub to: Option<f64>,
    /// The reference label, where it may be used.
    pub label: Option<String>,
    /// What became of the answer.
    pub flip: CategoryFlip,
    /// Why there is no score, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_result: Option<String>,
}

/// What became of the answer on a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoryFlip {
    /// The same answer, or none from both.
    None,
    /// Wrong before, right now.
    Gained,
    /// Right before, wrong now: a negative flip.
    Lost,
    /// Another answer, and no label says which is right.
    Changed,
    /// No result before.
    ResultGained,
    /// No result now.
    ResultLost,
}

impl CategoryFlip {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            CategoryFlip::None => "none",
            CategoryFlip::Gained => "gained",
            CategoryFlip::Lost => "lost",
            CategoryFlip::Changed => "changed",
            CategoryFlip::ResultGained => "result_gained",
            CategoryFlip::ResultLost => "result_lost",
        }
    }
}

/// What the differences come to; each later minus earlier, on cases that have both scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedStatistics {
    /// Labelled cases with both scores, with the finding.
    pub n_positive: u64,
    /// And without.
    pub n_negative: u64,
    /// Area under the ROC curve, DeLong.
    pub auroc: Both<Shown<Figure>>,
    /// Its difference, paired DeLong.
    pub auroc_difference: Shown<Figure>,
    /// Two-sided test of no difference.
    pub auroc_test: Shown<Test>,
    /// Difference of sensitivity at each one's threshold: Tango's interval, or over patients where one has several cases.
    pub sensitivity_difference: Shown<Figure>,
    /// McNemar's exact test on the cases with the finding; it takes cases as independent.
    pub sensitivity_test: Shown<Test>,
    /// Difference of specificity.
    pub specificity_difference: Shown<Figure>,
    /// McNemar's exact test on the cases without.
    pub specificity_test: Shown<Test>,
}

/// What one side made of one case.
#[derive(Debug, Clone, PartialEq)]
pub enum SideResult {
    /// Its calibrated score.
    Score(f64),
    /// Why there is none.
    None(String),
}

/// One case with both results.
#[derive(Debug, Clone, PartialEq)]
pub struct CasePair {
    /// Its id.
    pub case: String,
    /// Pseudonym of the patient.
    pub patient: String,
    /// The reference label.
    pub label: Option<String>,
    /// Labels that depend on a model's output are not used (MV-25).
    pub exposure: Exposure,
    /// The earlier one's.
    pub from: SideResult,
    /// The later one's.
    pub to: SideResult,
}

/// What a comparison is about.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonInput {
    /// The packages.
    pub packages: Both<Digest>,
    /// What was run, in words.
    pub sides: Both<String>,
    /// Record of the reference set.
    pub reference_set: Digest,
    /// The finding.
    pub finding: String,
    /// Thresholds.
    pub operating_points: Both<f64>,
    /// Labels that mean present.
    pub positive: Vec<String>,
    /// Labels that mean absent.
    pub negative: Vec<String>,
    /// The cases.
    pub cases: Vec<CasePair>,
}

/// Compare. The same input gives the same comparison in whatever order the cases come.
///
/// # Errors
/// [`ValidateError::Cases`] when a case is there twice, a score is no number, or a label means both.
pub fn compare_versions(mut input: ComparisonInput) -> Result<VersionComparison, ValidateError> {
    input.cases.sort_by(|a, b| a.case.cmp(&b.case));
    check(&input)?;
    let cases: Vec<ComparedCase> = input.cases.iter().map(|pair| compared(&input, pair)).collect();
    let count = |wanted: &dyn Fn(&ComparedCase) -> bool| cases.iter().filter(|case| wanted(case)).count() as u64;
    let differences = cases.iter().filter_map(|case| Some((case.to? - case.from?).abs()));
    Ok(VersionComparison {
        format: COMPARISON_FORMAT,
        from: input.packages.from,
        to: input.packages.to,
        reference_set: input.reference_set,
        finding: input.finding.clone(),
        sides: input.sides.clone(),
        operating_points: input.operating_points,
        positive: input.positive.clone(),
        negative: input.negative.clone(),
        n_cases: cases.len() as u64,
        n_both: count(&|case| case.from.is_some() && case.to.is_some()),
        n_flips: count(&|case| case.flip != CategoryFlip::None),
        n_negative_flips: count(&|case| case.flip == CategoryFlip::Lost),
        n_results_lost: count(&|case| case.flip == CategoryFlip::ResultLost),
        max_abs_difference: differences.reduce(f64::max),
        paired: paired(&input),
        cases,
    })
}

fn check(input: &ComparisonInput) -> Result<(), ValidateError> {
    let mut problems = Vec::new();
    for pair in input.cases.windows(2).filter(|pair| pair[0].case == pair[1].case) {
        problems.push(format!("case {:?} is there twice", pair[0].case));
    }
    for pair in &input.cases {
        let bad = |side: &SideResult| matches!(side, SideResult::Score(score) if !score.is_finite());
        if bad(&pair.from) || bad(&pair.to) {
            problems.push(format!("case {:?} has a score that is no number", pair.case));
        }
    }
    for both in input.negative.iter().filter(|label| input.positive.contains(label)) {
        problems.push(format!("label {both:?} means both present and absent; keep it in one"));
    }
    if problems.is_empty() { Ok(()) } else { Err(ValidateError::Cases(problems)) }
}

impl ComparisonInput {
    /// Whether the finding is there; `None` when no label that may be used says so.
    fn truth(&self, pair: &CasePair) -> Option<bool> {
        let label = pair.label.as_ref().filter(|_| pair.exposure != Exposure::Exposed)?;
        if self.positive.contains(label) {
            return Some(true);
        }
        self.negative.contains(label).then_some(false)
    }
}

fn compared(input: &ComparisonInput, pair: &CasePair) -> ComparedCase {
    let score = |side: &SideResult| match side {
        SideResult::Score(score) => Some(*score),
        SideResult::None(_) => None,
    };
    let (from, to) = (score(&pair.from), score(&pair.to));
    let truth = input.truth(pair);
    let flip = match (from, to) {
        (None, None) => CategoryFlip::None,
        (None, Some(_)) => CategoryFlip::ResultGained,
        (Some(_), None) => CategoryFlip::ResultLost,
        (Some(from), Some(to)) => {
            let calls = (input.operating_points.from <= from, input.operating_points.to <= to);
            match truth {
                _ if calls.0 == calls.1 => CategoryFlip::None,
                None => CategoryFlip::Changed,
                Some(truth) if calls.1 == truth => CategoryFlip::Gained,
                Some(_) => CategoryFlip::Lost,
            }
        }
    };
    let why = |side: &SideResult| match side {
        SideResult::Score(_) => None,
        SideResult::None(why) => Some(why.clone()),
    };
    let without_result = why(&pair.to).or_else(|| why(&pair.from));
    let label = truth.and(pair.label.clone());
    ComparedCase { case: pair.case.clone(), from, to, label, flip, without_result }
}

/// Labelled cases with both scores.
#[derive(Default)]
struct Paired {
    labels: Vec<bool>,
    from: Vec<f64>,
    to: Vec<f64>,
    patients: Vec<u64>,
}

fn paired(input: &ComparisonInput) -> PairedStatistics {
    let mut paired = Paired::default();
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    for pair in &input.cases {
        let (Some(truth), SideResult::Score(from), SideResult::Score(to)) = (input.truth(pair), &pair.from, &pair.to)
        else {
            continue;
        };
        let next = numbers.len() as u64;
        paired.labels.push(truth);
        paired.from.push(*from);
        paired.to.push(*to);
        paired.patients.push(*numbers.entry(&pair.patient).or_insert(next));
    }
    let n = paired.labels.len() as u64;
    let n_positive = paired.labels.iter().filter(|label| **label).count() as u64;
    let figure = |estimate: Result<_, StatsError>| shown(estimate, |estimate| Figure::new(estimate, n));
    let area =
        |scores: &[f64]| figure(auroc(&paired.labels, scores, Some(&paired.patients), LEVEL, AurocInterval::Delong));
    let difference = auroc_difference(&paired.labels, &paired.to, &paired.from, Some(&paired.patients), LEVEL);
    let auroc_test = difference.clone().map(|found| TestResult {
        statistic: found.z,
        p_value: found.p_value,
        n: found.difference.n,
        method: found.difference.method,
    });
    let points = input.operating_points;
    let [sensitivity, specificity] = [true, false].map(|class| paired.proportion(class, points));
    PairedStatistics {
        n_positive,
        n_negative: n - n_positive,
        auroc: Both { from: area(&paired.from), to: area(&paired.to) },
        auroc_difference: figure(difference.map(|found| found.difference)),
        auroc_test: shown(auroc_test, Test::from),
        sensitivity_difference: sensitivity.0,
        sensitivity_test: sensitivity.1,
        specificity_difference: specificity.0,
        specificity_test: specificity.1,
    }
}

impl Paired {
    /// Difference of the share of one class called rightly, later minus earlier, with its test.
    fn proportion(&self, class: bool, points: Both<f64>) -> (Shown<Figure>, Shown<Test>) {
        let of_class: Vec<usize> = (0..self.labels.len()).filter(|index| self.labels[*index] == class).collect();
        let right = |scores: &[f64], point: f64| -> Vec<bool> {
            of_class.iter().map(|index| (point <= scores[*index]) == class).collect()
        };
        let (later, earlier) = (right(&self.to, points.to), right(&self.from, points.from));
        let n = of_class.len() as u64;
        let patients: Vec<u64> = of_class.iter().map(|index| self.patients[*index]).collect();
        let test_result = PairedTable::of(&later, &earlier).and_then(|table| mcnemar_exact(&table));
        let what = difference_name(if class { Metric::Sensitivity } else { Metric::Specificity });
        let options = Bootstrap { level: LEVEL, ..Bootstrap::default() };
        let estimate = share_difference(what, (&later, &earlier), Some(&patients), Method::Auto, options);
        (shown(estimate, |estimate| Figure::new(estimate, n)), shown(test_result, Test::from))
    }
}

fn shown<T, U>(result: Result<T, StatsError>, of: impl FnOnce(T) -> U) -> Shown<U> {
    match result {
        Ok(value) => Shown::Figure(of(value)),
        Err(error) => Shown::Missing(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(case: &str, label: &str, from: f64, to: f64) -> CasePair {
        CasePair {
            case: case.into(),
            patient: format!("patient of {case}"),
            label: (!label.is_empty()).then(|| label.to_owned()),
            exposure: Exposure::Unexposed,
            from: SideResult::Score(from),
            to: SideResult::Score(to),
        }
    }

    fn input(cases: Vec<CasePair>) -> ComparisonInput {
        ComparisonInput {
            packages: Both { from: Digest::of(b"1"), to: Digest::of(b"2") },
            sides: Both { from: "a 1".into(), to: "a 2".into() },
            reference_set: Digest::of(b"set"),
            finding: "nodule".into(),
            operating_points: Both { from: 0.5, to: 0.6 },
            positive: vec!["sick".into()],
            negative: vec!["well".into()],
            cases,
        }
    }

    /// MV-40: a case that was right and is wrong now is a negative flip; without a usable label nobody can say so.
    #[test]
    fn flips_are_told_against_the_label() {
        let mut exposed = pair("g", "sick", 0.9, 0.1);
        exposed.exposure = Exposure::Exposed;
        let mut lost = pair("h", "sick", 0.9, 0.0);
        lost.to = SideResult::None("out of memory".into());
        let mut found = pair("i", "well", 0.0, 0.1);
        found.from = SideResult::None("out of memory".into());
        let cases = vec![
            pair("a", "sick", 0.9, 0.9),
            pair("b", "sick", 0.55, 0.55),
            pair("c", "sick", 0.4, 0.7),
            pair("d", "well", 0.4, 0.7),
            pair("e", "well", 0.55, 0.55),
            pair("f", "", 0.1, 0.9),
            exposed,
            lost,
            found,
        ];
        let compared = compare_versions(input(cases.clone())).unwrap();
        let told: Vec<String> = compared.cases.iter().map(|c| format!("{} {}", c.case, c.flip.name())).collect();
        insta::assert_snapshot!(told.join(", "), @"a none, b lost, c gained, d lost, e gained, f changed, g changed, h result_lost, i result_gained");
        let counts =
            (compared.n_cases, compared.n_both, compared.n_flips, compared.n_negative_flips, compared.n_results_lost);
        assert_eq!(counts, (9, 7, 8, 2, 1));
        assert_eq!((compared.max_abs_difference, compared.cases[6].label.as_deref()), (Some(0.8), None));
        let mut turned = cases;
        turned.reverse();
        assert_eq!(compare_versions(input(turned)).unwrap(), compared);
        let text = serde_json::to_string(&compared).unwrap();
        assert_eq!(serde_json::from_str::<VersionComparison>(&text).unwrap(), compared);
    }

    /// Against the same functions on hand-made vectors; too few cases give a reason instead of a figure.
    #[test]
    fn paired_statistics_rest_on_labelled_pairs() {
        let cases: Vec<CasePair> = (0..40)
            .map(|n| {
                let label = if n % 2 == 0 { "sick" } else { "well" };
                let base = f64::from(n % 7) / 10.0 + if n % 2 == 0 { 0.3 } else { 0.0 };
                pair(&format!("{n:02}"), label, base, (base + f64::from(n % 3) / 20.0).min(1.0))
            })
            .collect();
        let (labels, from, to): (Vec<bool>, Vec<f64>, Vec<f64>) = {
            let score = |side: &SideResult| if let SideResult::Score(score) = side { *score } else { 0.0 };
            let of = |c: &CasePair| (c.label.as_deref() == Some("sick"), score(&c.from), score(&c.to));
            let all: Vec<_> = cases.iter().map(of).collect();
            (all.iter().map(|x| x.0).collect(), all.iter().map(|x| x.1).collect(), all.iter().map(|x| x.2).collect())
        };
        let paired = compare_versions(input(cases)).unwrap().paired;
        let expected = auroc_difference(&labels, &to, &from, None, 0.95).unwrap();
        let found = paired.auroc_difference.figure().unwrap();
        assert_eq!(
            (found.value, found.lower, found.n_cases),
            (expected.difference.value, expected.difference.lower, 40)
        );
        assert_eq!((paired.n_positive, paired.n_negative), (20, 20));
        assert!(paired.sensitivity_difference.figure().unwrap().method.ends_with("tango"));
        let few = compare_versions(input(vec![pair("a", "sick", 0.1, 0.2)])).unwrap().paired;
        assert!(few.auroc_difference.figure().is_none() && few.specificity_difference.figure().is_none());
        let none = compare_versions(input(vec![])).unwrap();
        assert_eq!((none.n_cases, none.max_abs_difference), (0, None));
    }

    /// Cases of one patient do not count twice, neither where versions differ nor where they do not.
    #[test]
    fn differences_hold_patients_to_be_independent() {
        let several = |later: fn(u32) -> f64| {
            let cases = (0..40).map(|n| {
                let mut pair = pair(&format!("{n:02}"), if n % 2 == 0 { "sick" } else { "well" }, 0.7, later(n));
                pair.patient = format!("patient {}", n / 4);
                pair
            });
            compare_versions(input(cases.collect())).unwrap().paired
        };
        // Ten patients with two positives each, on which both versions agree: ten pairs, not twenty.
        let alike = several(|_| 0.7);
        let figure = alike.sensitivity_difference.figure().unwrap();
        let of_patients = PairedTable { both: 10, ..PairedTable::default() }.tango(LEVEL).unwrap();
        assert_eq!(
            (figure.lower, figure.upper, figure.n, figure.n_cases),
            (of_patients.lower, of_patients.upper, 10, 20)
        );
        assert_eq!(figure.method, "sensitivity-difference/tango");
        let different = several(|n| if n % 12 < 4 { 0.1 } else { 0.7 + f64::from(n % 3) / 10.0 });
        let figure = different.sensitivity_difference.figure().unwrap();
        assert_eq!((figure.n, figure.method.as_str()), (10, "sensitivity-difference/bootstrap-bca"));
        let test = different.auroc_test.figure().unwrap();
        assert_eq!(test.method, different.auroc_difference.figure().unwrap().method);
        assert_eq!(test.method, "auroc-difference/delong-clustered");
    }

    #[test]
    fn contradictions_are_refused() {
        let mut wrong = input(vec![pair("a", "sick", f64::NAN, 0.1), pair("a", "well", 0.1, 0.1)]);
        wrong.negative.push("sick".into());
        let refusal = compare_versions(wrong).unwrap_err().to_string();
        for part in ["case \"a\" is there twice", "a score that is no number", "label \"sick\" means both"] {
            assert!(refusal.contains(part), "{refusal}");
        }
    }
}
