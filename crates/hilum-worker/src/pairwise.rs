//! What two versions said about the same studies, case by case (MV-17).

use hilum_monitor::{OutputFact, output_facts};
use hilum_stats::{Estimate, PairedTable, StatsError, mcnemar_exact, wilson};
use hilum_store::StudyKey;
use hilum_store::rollout::{EndedRun, PairedRun};
use hilum_types::{Digest, Finding};
use serde::Serialize;
use std::collections::BTreeMap;

/// Confidence level of every interval here.
const LEVEL: f64 = 0.95;

/// How the runs of one version ended on the studies that both saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideFigures {
    /// Deployment.
    pub deployment: String,
    /// Its package; `None` when it never ran.
    pub package: Option<Digest>,
    /// Study revisions by disposition.
    pub dispositions: BTreeMap<String, u64>,
    /// Failed runs of those that were started, with interval; `None` when none was.
    pub failure_rate: Option<Estimate>,
    /// Median run time in seconds.
    pub run_seconds_median: Option<f64>,
    /// 95th percentile of the run time in seconds, nearest rank.
    pub run_seconds_p95: Option<f64>,
}

/// One study on which the two differ in whether a finding is there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flip {
    /// The study.
    pub study_key: StudyKey,
    /// Its revision.
    pub revision: u32,
    /// Score of the first version, when it gives one.
    pub first_score: Option<f64>,
    /// Score of the second.
    pub second_score: Option<f64>,
    /// `gained`: only the second says it is there; `lost`: only the first does.
    pub flip: &'static str,
}

/// What the two said about one finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingComparison {
    /// Label of the finding.
    pub label: String,
    /// Pairs in which both decided.
    pub table: PairedTable,
    /// Pairs in which at least one abstained or did not speak of it.
    pub n_undecided: u64,
    /// Pairs in which both said the same.
    pub agreement: Estimate,
    /// Rate of positives, first minus second, on the same studies (Tango's interval).
    pub positive_rate_difference: Estimate,
    /// McNemar's exact two-sided p that both call it equally often.
    pub mcnemar_p: f64,
    /// Mean of second minus first score; `None` without scores.
    pub score_difference_mean: Option<f64>,
    /// Largest absolute difference of scores.
    pub score_difference_max: Option<f64>,
    /// Every study on which they differ, in order of study.
    pub flips: Vec<Flip>,
}

/// Two versions on the same studies. There is no label here, so nothing says which of the two is right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pairwise {
    /// Version of this form.
    pub format: u32,
    /// Study revisions that both analysed with the compared packages.
    pub n_pairs: u64,
    /// Study revisions left out because another package had run.
    pub n_other_versions: u64,
    /// Both sides, first and second.
    pub sides: [SideFigures; 2],
    /// By finding, in alphabetical order.
    pub findings: Vec<FindingComparison>,
}

/// Compare what two deployments made of the same study revisions. Of each side the package of its latest run counts.
///
/// # Errors
/// A count that the statistics refuse; it cannot happen with counts made here.
pub fn compare_runs(first: &str, second: &str, runs: &[PairedRun]) -> Result<Pairwise, StatsError> {
    let packages = [latest(runs.iter().map(|run| &run.first)), latest(runs.iter().map(|run| &run.second))];
    let fits = |run: &EndedRun, package: Option<Digest>| run.package.is_none() || run.package == package;
    let of_versions: Vec<&PairedRun> =
        runs.iter().filter(|run| fits(&run.first, packages[0]) && fits(&run.second, packages[1])).collect();
    let sides = [
        side(first, packages[0], of_versions.iter().map(|run| &run.first))?,
        side(second, packages[1], of_versions.iter().map(|run| &run.second))?,
    ];
    let mut by_label: BTreeMap<String, Vec<(&PairedRun, OutputFact, OutputFact)>> = BTreeMap::new();
    let mut n_pairs = 0;
    let mut silent: BTreeMap<String, u64> = BTreeMap::new();
    for run in &of_versions {
        let (Some(a), Some(b)) = (findings(&run.first), findings(&run.second)) else { continue };
        n_pairs += 1;
        for (label, finding) in &a {
            match b.get(label) {
                Some(other) => by_label.entry(label.clone()).or_default().push((run, *finding, *other)),
                None => *silent.entry(label.clone()).or_default() += 1,
            }
        }
        for label in b.keys().filter(|label| !a.contains_key(*label)) {
            *silent.entry(label.clone()).or_default() += 1;
        }
    }
    let mut compared = Vec::new();
    for (label, pairs) in by_label {
        let n_silent = silent.get(&label).copied().unwrap_or_default();
        compared.extend(finding(&label, &pairs, n_silent)?);
    }
    let n_other_versions = (runs.len() - of_versions.len()) as u64;
    Ok(Pairwise { format: 1, n_pairs, n_other_versions, sides, findings: compared })
}

fn latest<'a>(runs: impl DoubleEndedIterator<Item = &'a EndedRun>) -> Option<Digest> {
    runs.rev().find_map(|run| run.package)
}

fn side<'a>(
    deployment: &str,
    package: Option<Digest>,
    runs: impl Iterator<Item = &'a EndedRun>,
) -> Result<SideFigures, StatsError> {
    let mut dispositions: BTreeMap<String, u64> = BTreeMap::new();
    let mut seconds = Vec::new();
    for run in runs {
        *dispositions.entry(run.disposition.clone()).or_default() += 1;
        seconds.extend(run.seconds);
    }
    seconds.sort_by(f64::total_cmp);
    let rank = |percent: usize| seconds.get((seconds.len() * percent).div_ceil(100).checked_sub(1)?).copied();
    let count = |name: &str| dispositions.get(name).copied().unwrap_or_default();
    let (failed, started) = (count("failed"), count("failed") + count("analysed"));
    let failure_rate = if started == 0 { None } else { Some(wilson(failed, started, LEVEL)?) };
    Ok(SideFigures {
        deployment: deployment.to_owned(),
        package,
        failure_rate,
        run_seconds_median: rank(50),
        run_seconds_p95: rank(95),
        dispositions,
    })
}

/// What an analysed run said, by label of the finding, as the monitor counts it; `None` when it was not analysed.
fn findings(run: &EndedRun) -> Option<BTreeMap<String, OutputFact>> {
    if run.disposition != "analysed" {
        return None;
    }
    let list = run.record.as_ref()?.pointer("/output/findings")?.clone();
    let list: Vec<Finding> = serde_json::from_value(list).ok()?;
    Some(output_facts(&list))
}

fn finding(
    label: &str,
    pairs: &[(&PairedRun, OutputFact, OutputFact)],
    n_silent: u64,
) -> Result<Option<FindingComparison>, StatsError> {
    let decided: Vec<&(&PairedRun, OutputFact, OutputFact)> =
        pairs.iter().filter(|(_, a, b)| a.present.is_some() && b.present.is_some()).collect();
    if decided.is_empty() {
        return Ok(None);
    }
    let present = |said: &OutputFact| said.present == Some(true);
    let firsts: Vec<bool> = decided.iter().map(|(_, a, _)| present(a)).collect();
    let seconds: Vec<bool> = decided.iter().map(|(_, _, b)| present(b)).collect();
    let table = PairedTable::of(&firsts, &seconds)?;
    let differences: Vec<f64> = decided.iter().filter_map(|(_, a, b)| Some(b.score? - a.score?)).collect();
    let n = differences.len();
    let flips = decided.iter().filter(|(_, a, b)| present(a) != present(b));
    Ok(Some(FindingComparison {
        label: label.to_owned(),
        n_undecided: (pairs.len() - decided.len()) as u64 + n_silent,
        agreement: wilson(table.both + table.neither, table.n(), LEVEL)?,
        positive_rate_difference: table.tango(LEVEL)?,
        mcnemar_p: mcnemar_exact(&table)?.p_value,
        score_difference_mean: (0 < n).then(|| differences.iter().sum::<f64>() / n as f64),
        score_difference_max: differences.iter().map(|d| d.abs()).reduce(f64::max),
        flips: flips
            .map(|(run, a, b)| Flip {
                study_key: run.study_key.clone(),
                revision: run.revision,
                first_score: a.score,
                second_score: b.score,
                flip: if present(b) { "gained" } else { "lost" },
            })
            .collect(),
        table,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(package: &[u8], disposition: &str, score: Option<f64>, seconds: f64) -> EndedRun {
        let finding = |score: f64| {
            json!({
                "label": "nodule", "concept": {"value": "27925004", "scheme": "SCT", "meaning": "Nodule"},
                "presence": if 0.5 <= score { "present" } else { "absent" }, "score": score, "operating_point": 0.5,
                "location": null, "measurements": [], "images": [],
            })
        };
        EndedRun {
            package: Some(Digest::of(package)),
            disposition: disposition.to_owned(),
            seconds: Some(seconds),
            record: score.map(|score| json!({ "output": { "findings": [finding(score)] } })),
        }
    }

    fn pair(number: u32, first: EndedRun, second: EndedRun) -> PairedRun {
        PairedRun { study_key: format!("{number:026}").parse().unwrap(), revision: 1, first, second }
    }

    /// Ten pairs by hand: 3 both, 1 lost, 2 gained, 4 neither, and one that failed on one side.
    #[test]
    fn pairs_are_counted_as_by_hand() {
        let scores = [
            (0.9, 0.8),
            (0.7, 0.9),
            (0.6, 0.5),
            (0.8, 0.1),
            (0.2, 0.6),
            (0.1, 0.9),
            (0.1, 0.2),
            (0.0, 0.0),
            (0.3, 0.3),
            (0.4, 0.1),
        ];
        let mut runs: Vec<PairedRun> = scores
            .iter()
            .zip(2..)
            .map(|((a, b), n)| {
                pair(n, run(b"v1", "analysed", Some(*a), 1.0), run(b"v2", "analysed", Some(*b), f64::from(n)))
            })
            .collect();
        runs.insert(0, pair(1, run(b"v0", "analysed", Some(0.9), 9.0), run(b"v2", "analysed", Some(0.9), 9.0)));
        runs.push(pair(99, run(b"v1", "analysed", Some(0.9), 1.0), run(b"v2", "failed", None, 1.0)));
        let report = compare_runs("a", "b", &runs).unwrap();
        assert_eq!((report.n_pairs, report.n_other_versions), (10, 1));
        let [nodule] = report.findings.as_slice() else { panic!("{report:?}") };
        assert_eq!(nodule.table, PairedTable { both: 3, first_only: 1, second_only: 2, neither: 4 });
        assert!(
            (nodule.agreement.value - 0.7).abs() < 1e-12 && (nodule.positive_rate_difference.value + 0.1).abs() < 1e-12
        );
        assert_eq!(nodule.mcnemar_p, 1.0);
        assert!((nodule.score_difference_max.unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(nodule.flips.iter().map(|flip| flip.flip).collect::<Vec<_>>(), ["lost", "gained", "gained"]);
        assert_eq!(report.sides[1].dispositions["failed"], 1);
        assert!((report.sides[1].failure_rate.as_ref().unwrap().value - 1.0 / 11.0).abs() < 1e-12);
        assert_eq!(report.sides[0].run_seconds_p95, Some(1.0));
    }

    /// A finding that is named twice counts as the monitor counts it: present when it is so anywhere, by its highest score.
    #[test]
    fn the_second_of_two_nodules_does_not_hide_the_first() {
        let twice = |scores: [f64; 2]| {
            let mut both = run(b"v1", "analysed", Some(scores[0]), 1.0);
            let other = run(b"v1", "analysed", Some(scores[1]), 1.0).record.unwrap();
            let list = both.record.as_mut().unwrap().pointer_mut("/output/findings").unwrap().as_array_mut().unwrap();
            list.push(other.pointer("/output/findings/0").unwrap().clone());
            both
        };
        let report = compare_runs("a", "b", &[pair(1, twice([0.9, 0.1]), twice([0.1, 0.8]))]).unwrap();
        let nodule = &report.findings[0];
        assert_eq!(nodule.table, PairedTable { both: 1, first_only: 0, second_only: 0, neither: 0 });
        assert!((nodule.score_difference_mean.unwrap() + 0.1).abs() < 1e-12);
    }

    #[test]
    fn nothing_in_common_is_no_figure() {
        let report = compare_runs("a", "b", &[]).unwrap();
        assert_eq!((report.n_pairs, report.findings.len(), report.sides[0].failure_rate.clone()), (0, 0, None));
    }
}
