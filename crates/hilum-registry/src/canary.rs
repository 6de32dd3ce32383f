//! Fixed cases that are run on schedule, so that a product that changed by itself is noticed (MV-15).

use hilum_types::{Digest, StatedValue, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// `[deployment.canary]`: which fixed cases run how often, and what counts as the same answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryPlan {
    /// Folder with one folder of DICOM files per case, named by the case; relative to the data folder. Left out: the
    /// cases that the package itself carries in `hilum/canary`, unless `reference_set` names others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<PathBuf>,
    /// Digest of the record of an imported reference set, whose cases are run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_set: Option<Digest>,
    /// Most cases of a reference set that are run, the first by name.
    #[serde(default = "cases_max")]
    pub cases_max: u32,
    /// Minutes between runs.
    #[serde(default = "daily")]
    pub interval_minutes: u32,
    /// Largest difference of a probability, or of any other number without unit, that is no change.
    #[serde(default = "tolerance")]
    pub score_tolerance: f64,
    /// Largest difference of a measurement, relative to the baseline, that is no change.
    #[serde(default = "tolerance")]
    pub relative_tolerance: f64,
}

fn cases_max() -> u32 {
    20
}

fn daily() -> u32 {
    24 * 60
}

fn tolerance() -> f64 {
    0.01
}

impl Default for CanaryPlan {
    fn default() -> Self {
        CanaryPlan {
            cases: None,
            reference_set: None,
            cases_max: cases_max(),
            interval_minutes: daily(),
            score_tolerance: tolerance(),
            relative_tolerance: tolerance(),
        }
    }
}

impl CanaryPlan {
    /// What contradicts itself, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.cases.is_some() && self.reference_set.is_some() {
            problems.push("canary names both cases and reference_set; keep one".to_owned());
        }
        for (key, value, most) in
            [("interval_minutes", self.interval_minutes, 366 * 24 * 60), ("cases_max", self.cases_max, 1000)]
        {
            if !(1..=most).contains(&value) {
                problems.push(format!("canary.{key} is {value}; it must be in 1 to {most}"));
            }
        }
        for (key, value) in [("score_tolerance", self.score_tolerance), ("relative_tolerance", self.relative_tolerance)]
        {
            if !(0.0..1.0).contains(&value) {
                problems.push(format!("canary.{key} is {value}; it must be in 0 to 1, 1 excluded"));
            }
        }
        problems
    }

    /// Whether a run is due at `now`, the last one having begun at `last`. Pure.
    ///
    /// A clock that jumped forward leads to one run, not to all it skipped; one that went back by more than a minute
    /// leads to a run at once rather than to none for as long as it went back.
    pub fn is_due(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(last) = last else { return true };
        let next = last.plus_seconds(i64::from(self.interval_minutes) * 60);
        next <= now || now < last.plus_seconds(-60)
    }
}

/// What a product said about one fixed case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryCase {
    /// Name of the case.
    pub case: String,
    /// Everything its results say, by a stable name; `None` when no answer came.
    pub values: Option<BTreeMap<String, StatedValue>>,
    /// Why no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What differs from the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryDifference {
    /// Case.
    pub case: String,
    /// What was said.
    pub what: String,
    /// In the baseline; `None`: it was not said then.
    pub before: Option<StatedValue>,
    /// Now; `None`: it is not said any more.
    pub now: Option<StatedValue>,
}

impl std::fmt::Display for CanaryDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |value: &Option<StatedValue>| value.as_ref().map_or("nothing".to_owned(), ToString::to_string);
        write!(f, "{}: {} was {}, is {}", self.case, self.what, word(&self.before), word(&self.now))
    }
}

/// How a run of fixed cases ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanaryFinding {
    /// The first run: what later ones are compared with, once it is signed.
    Baseline,
    /// Every case within tolerance.
    Unchanged,
    /// At least one case beyond tolerance.
    Changed,
    /// At least one case was not answered, and no answered one changed: nothing is known about a change.
    NoAnswer,
}

impl CanaryFinding {
    /// Stable name: `baseline`, `unchanged`, `changed`, `no_answer`.
    pub fn name(self) -> &'static str {
        match self {
            CanaryFinding::Baseline => "baseline",
            CanaryFinding::Unchanged => "unchanged",
            CanaryFinding::Changed => "changed",
            CanaryFinding::NoAnswer => "no_answer",
        }
    }

    /// The finding of that stable name.
    pub fn from_name(name: &str) -> Option<CanaryFinding> {
        [Self::Baseline, Self::Unchanged, Self::Changed, Self::NoAnswer].into_iter().find(|found| found.name() == name)
    }
}

/// Compare a run with its baseline. Pure; cases are told apart by name, and order does not matter.
///
/// A case without an answer is no difference: a product that is down did not change. A change in a case that was
/// answered counts even when others were not.
pub fn compare(
    plan: &CanaryPlan,
    baseline: &[CanaryCase],
    now: &[CanaryCase],
) -> (CanaryFinding, Vec<CanaryDifference>) {
    let before: BTreeMap<&str, &CanaryCase> = baseline.iter().map(|case| (case.case.as_str(), case)).collect();
    let mut differences = Vec::new();
    let mut unanswered = baseline.len() != now.len();
    for case in now {
        let (Some(values), Some(Some(expected))) =
            (&case.values, before.get(case.case.as_str()).map(|case| &case.values))
        else {
            unanswered = true;
            continue;
        };
        let names: BTreeSet<&String> = values.keys().chain(expected.keys()).collect();
        for name in names {
            let (was, is) = (expected.get(name), values.get(name));
            if !same(plan, was, is) {
                differences.push(CanaryDifference {
                    case: case.case.clone(),
                    what: name.clone(),
                    before: was.cloned(),
                    now: is.cloned(),
                });
            }
        }
    }
    let finding = match (differences.is_empty(), unanswered) {
        (false, _) => CanaryFinding::Changed,
        (true, true) => CanaryFinding::NoAnswer,
        (true, false) => CanaryFinding::Unchanged,
    };
    (finding, differences)
}

fn same(plan: &CanaryPlan, before: Option<&StatedValue>, now: Option<&StatedValue>) -> bool {
    match (before, now) {
        (Some(StatedValue::Number { value: a, unit: u }), Some(StatedValue::Number { value: b, unit: v })) => {
            let allowed = if u == "1" { plan.score_tolerance } else { a.abs() * plan.relative_tolerance };
            // Sums and differences of decimal fractions are off by a few units in the last place.
            u == v && (a - b).abs() <= allowed + 1e-9 * (1.0 + a.abs())
        }
        (before, now) => before == now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, score: Option<f64>) -> CanaryCase {
        let values = score.map(|value| {
            [
                ("finding probability".to_owned(), StatedValue::Number { value, unit: "1".to_owned() }),
                ("finding volume".to_owned(), StatedValue::Number { value: 100.0 * value, unit: "mm3".to_owned() }),
            ]
            .into()
        });
        CanaryCase { case: name.to_owned(), values, problem: None }
    }

    fn plan() -> CanaryPlan {
        CanaryPlan { score_tolerance: 0.05, relative_tolerance: 0.1, ..CanaryPlan::default() }
    }

    #[test]
    fn a_silent_change_is_told_apart_from_a_product_that_is_down() {
        let baseline = [case("a", Some(0.5)), case("b", Some(0.9))];
        let found = |now: &[CanaryCase]| compare(&plan(), &baseline, now).0;
        assert_eq!(found(&[case("b", Some(0.9)), case("a", Some(0.54))]), CanaryFinding::Unchanged);
        assert_eq!(found(&[case("a", Some(0.7)), case("b", Some(0.9))]), CanaryFinding::Changed);
        assert_eq!(found(&[case("a", Some(0.5)), case("b", None)]), CanaryFinding::NoAnswer);
        assert_eq!(found(&[case("a", Some(0.7)), case("b", None)]), CanaryFinding::Changed);
        assert_eq!(found(&[case("a", Some(0.5))]), CanaryFinding::NoAnswer);
        let (_, differences) = compare(&plan(), &baseline, &[case("a", Some(0.7)), case("b", Some(0.9))]);
        assert_eq!(differences[0].to_string(), "a: finding probability was 0.5, is 0.7");
        assert_eq!(differences.len(), 2, "the volume changed as well");
    }

    #[test]
    fn what_is_said_anew_or_no_more_is_a_change() {
        let baseline = [case("a", Some(0.5))];
        let mut less = case("a", Some(0.5));
        less.values.as_mut().unwrap().remove("finding volume");
        let (finding, differences) = compare(&plan(), &baseline, &[less]);
        assert_eq!(finding, CanaryFinding::Changed);
        assert_eq!(differences[0].to_string(), "a: finding volume was 50 mm3, is nothing");
        let mut coded = case("a", Some(0.5));
        coded.values.as_mut().unwrap().insert("presence".to_owned(), StatedValue::Code("absent".to_owned()));
        assert_eq!(compare(&plan(), &baseline, &[coded]).0, CanaryFinding::Changed);
    }

    /// Clock jumps: forward runs once, back runs at once instead of never.
    #[test]
    fn the_schedule_survives_a_clock_that_jumps() {
        let at = |minutes: i64| Timestamp::from_micros(1_795_435_200_000_000).plus_seconds(60 * minutes);
        let hourly = CanaryPlan { interval_minutes: 60, ..CanaryPlan::default() };
        assert!(hourly.is_due(None, at(0)));
        assert!(!hourly.is_due(Some(at(0)), at(59)));
        assert!(hourly.is_due(Some(at(0)), at(60)) && hourly.is_due(Some(at(0)), at(1_000_000)));
        assert!(!hourly.is_due(Some(at(0)), at(-1)) && hourly.is_due(Some(at(0)), at(-2)));
    }

    #[test]
    fn a_plan_is_checked_with_remedies() {
        let plan: CanaryPlan = toml::from_str("interval_minutes = 0\nscore_tolerance = 1.5").unwrap();
        insta::assert_snapshot!(plan.problems().join("\n"), @r"
        canary.interval_minutes is 0; it must be in 1 to 527040
        canary.score_tolerance is 1.5; it must be in 0 to 1, 1 excluded
        ");
        assert!(toml::from_str::<CanaryPlan>("intervall = 3").is_err());
    }
}
