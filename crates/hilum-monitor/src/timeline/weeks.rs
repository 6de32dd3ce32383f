use crate::error::MonitorError;
use crate::figure::proportion;
use crate::figures::{FigureInput, LabelledObservation, figure};
use crate::{Figure, Observation};
use hilum_registry::Metric;
use hilum_types::{Digest, Independence, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const DAY_MICROS: i64 = 86_400_000_000;

/// What a count is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountKind {
    /// Study revisions that ended like this, of all that ended.
    Disposition,
    /// Studies in which a finding was called present, of those in which the model decided.
    Present,
    /// Studies outside the acquisition envelope, of those compared with one.
    OutsideEnvelope,
}

impl CountKind {
    /// Every kind.
    pub const ALL: [CountKind; 3] = [CountKind::Disposition, CountKind::Present, CountKind::OutsideEnvelope];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            CountKind::Disposition => "disposition",
            CountKind::Present => "present",
            CountKind::OutsideEnvelope => "outside_envelope",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<CountKind> {
        CountKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One count of one UTC day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCount {
    /// The day, `2026-11-23`.
    pub day: String,
    /// What it is of.
    pub kind: CountKind,
    /// Which disposition or finding; empty where there is only one.
    pub name: String,
    /// Studies with it.
    pub n_with: u64,
    /// Studies looked at.
    pub n: u64,
}

/// What an observation adds to the counts of its day.
pub fn count_day(observation: &Observation) -> Vec<DayCount> {
    let day = observation.event_at.day();
    let count = |kind, name: &str, is: bool| DayCount {
        day: day.clone(),
        kind,
        name: name.to_owned(),
        n_with: u64::from(is),
        n: 1,
    };
    let mut counts = vec![count(CountKind::Disposition, &observation.disposition, true)];
    for (finding, output) in &observation.outputs {
        counts.extend(output.present.map(|present| count(CountKind::Present, finding, present)));
    }
    if let Some(outside) = &observation.outside_envelope {
        counts.push(count(CountKind::OutsideEnvelope, "", !outside.is_empty()));
    }
    counts
}

/// A figure under its name, such as `withheld` or `positive:pneumonia`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedFigure {
    /// Its name.
    pub name: String,
    /// The figure.
    #[serde(flatten)]
    pub figure: Figure,
}

/// One week, Monday to Sunday in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Week {
    /// Its Monday, 00:00 UTC.
    pub from: Timestamp,
    /// Study revisions that ended.
    pub n_studies: u64,
    /// Shares with intervals, by name.
    pub figures: Vec<NamedFigure>,
}

/// Studies with it and studies in all, by what was counted.
type Sums = BTreeMap<(CountKind, String), (u64, u64)>;

/// Figures per week of the days in `from` to `until`; weeks without studies are there and hold no figure.
pub fn weeks(counts: &[DayCount], from: Timestamp, until: Timestamp, as_of: Timestamp) -> Vec<Week> {
    let mut sums: BTreeMap<i64, Sums> = BTreeMap::new();
    let (first, last) = (monday(from), monday(until.plus_micros(-1)));
    let mut at = first;
    while at <= last {
        sums.insert(at, BTreeMap::new());
        at += 7 * DAY_MICROS;
    }
    for count in counts {
        let Ok(day) = format!("{}T00:00:00Z", count.day).parse::<Timestamp>() else { continue };
        let Some(week) = sums.get_mut(&monday(day)) else { continue };
        let sum = week.entry((count.kind, count.name.clone())).or_default();
        sum.0 += count.n_with;
        sum.1 += count.n;
    }
    sums.into_iter().map(|(monday, sums)| week(monday, &sums, as_of)).collect()
}

fn week(monday: i64, sums: &Sums, as_of: Timestamp) -> Week {
    let ended = sums.iter().filter(|((kind, _), _)| *kind == CountKind::Disposition);
    let n_studies = ended.map(|(_, (n_with, _))| n_with).sum();
    let figure = |((kind, name), (n_with, n)): (&(CountKind, String), &(u64, u64))| match kind {
        CountKind::Disposition => NamedFigure { name: name.clone(), figure: proportion(*n_with, n_studies, as_of) },
        CountKind::Present => NamedFigure { name: format!("positive:{name}"), figure: proportion(*n_with, *n, as_of) },
        CountKind::OutsideEnvelope => {
            NamedFigure { name: "outside_envelope".to_owned(), figure: proportion(*n_with, *n, as_of) }
        }
    };
    Week { from: Timestamp::from_micros(monday), n_studies, figures: sums.iter().map(figure).collect() }
}

/// Add what is known at `as_of` of how the model performed on the studies of each week that begins at `complete_from` or later:
/// sensitivity and specificity, from labels of people who had not seen the answer. Of a week in which the version changed, the
/// last version is told; figures of two are not mixed.
///
/// # Errors
/// [`MonitorError::Figure`], for counts that contradict each other.
pub fn add_performance(
    weeks: &mut [Week],
    labelled: &[LabelledObservation],
    complete_from: Timestamp,
    as_of: Timestamp,
) -> Result<(), MonitorError> {
    let mut by_week: BTreeMap<i64, Vec<&LabelledObservation>> = BTreeMap::new();
    for one in labelled {
        by_week.entry(monday(one.observation.event_at)).or_default().push(one);
    }
    for week in weeks.iter_mut().filter(|week| monday(complete_from) <= week.from.micros()) {
        let Some(of_week) = by_week.get(&week.from.micros()) else { continue };
        let latest = of_week.iter().max_by_key(|one| one.observation.event_at);
        let Some(version): Option<Digest> = latest.map(|one| one.observation.package) else { continue };
        let of_version = of_week.iter().filter(|one| one.observation.package == version);
        let labelled: Vec<LabelledObservation> = of_version.map(|one| (*one).clone()).collect();
        let input = FigureInput { observations: &[], labelled: &labelled, extractors: &[], as_of };
        let findings: BTreeSet<&String> = labelled.iter().map(|one| &one.label.finding).collect();
        for finding in findings {
            for metric in [Metric::Sensitivity, Metric::Specificity] {
                let made = figure(&input, metric, finding, &[Independence::Unexposed])?;
                let name = format!("{}:{finding}", metric.name());
                week.figures.extend(made.map(|figure| NamedFigure { name, figure }));
            }
        }
    }
    Ok(())
}

/// 00:00 UTC of the Monday at or before: 1970-01-05 was one.
fn monday(at: Timestamp) -> i64 {
    let days = at.micros().div_euclid(DAY_MICROS);
    (days - (days - 4).rem_euclid(7)) * DAY_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(day: &str, kind: CountKind, name: &str, n_with: u64, n: u64) -> DayCount {
        DayCount { day: day.into(), kind, name: name.into(), n_with, n }
    }

    fn labelled(day: &str, package: &[u8], said: bool, truth: &str, exposure: &str) -> LabelledObservation {
        let at = format!("{day}T09:00:00Z");
        let mut observation = Observation::bare("cxr", Digest::of(package));
        (observation.study_key, observation.revision) = (format!("{day} {said} {truth} {exposure}"), 1);
        (observation.disposition, observation.event_at) = ("analysed".to_owned(), at.parse().unwrap());
        observation.outputs.insert("nodule".to_owned(), crate::OutputFact { score: None, present: Some(said) });
        let label = serde_json::json!({
            "key": "l", "study_key": observation.study_key, "revision": 1, "deployment": "cxr", "finding": "nodule",
            "truth": truth, "source": "assessment", "exposure": exposure, "event_at": at, "recorded_at": at, "by": "user:a",
        });
        LabelledObservation { label: serde_json::from_value(label).unwrap(), observation }
    }

    #[test]
    fn performance_is_told_of_one_version_and_from_unexposed_labels() {
        let at = |day: &str| format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap();
        let (from, until) = (at("2026-11-23"), at("2026-12-14"));
        let cases = [
            labelled("2026-11-24", b"v1", true, "present", "unexposed"),
            labelled("2026-12-01", b"v1", false, "present", "unexposed"),
            labelled("2026-12-02", b"v2", true, "present", "unexposed"),
            labelled("2026-12-03", b"v2", false, "absent", "unexposed"),
            labelled("2026-12-03", b"v2", false, "present", "exposed"),
        ];
        let told = |complete_from| {
            let mut weeks = weeks(&[], from, until, until);
            add_performance(&mut weeks, &cases, complete_from, until).unwrap();
            let figure = |named: &NamedFigure| format!("{} {} n={}", named.name, named.figure.value, named.figure.n);
            weeks.iter().map(|week| week.figures.iter().map(figure).collect::<Vec<_>>().join(", ")).collect::<Vec<_>>()
        };
        let second = "sensitivity:nodule 1 n=1, specificity:nodule 1 n=1";
        assert_eq!(told(from), ["sensitivity:nodule 1 n=1", second, ""]);
        assert_eq!(told(at("2026-11-30")), ["", second, ""]);
    }

    #[test]
    fn days_are_added_up_to_weeks_with_intervals() {
        let counts = [
            count("2026-11-23", CountKind::Disposition, "analysed", 40, 40),
            count("2026-11-29", CountKind::Disposition, "analysed", 50, 50),
            count("2026-11-29", CountKind::Disposition, "withheld", 10, 10),
            count("2026-11-29", CountKind::Present, "opacity", 9, 90),
            count("2026-12-07", CountKind::Disposition, "withheld", 3, 3),
        ];
        let at = |day: &str| format!("{day}T06:00:00Z").parse().unwrap();
        let weeks = weeks(&counts, at("2026-11-23"), at("2026-12-08"), at("2026-12-08"));
        let told: Vec<(String, u64)> = weeks.iter().map(|week| (week.from.day(), week.n_studies)).collect();
        assert_eq!(told, [("2026-11-23".into(), 100), ("2026-11-30".into(), 0), ("2026-12-07".into(), 3)]);
        let names: Vec<&str> = weeks[0].figures.iter().map(|figure| figure.name.as_str()).collect();
        assert_eq!(names, ["analysed", "withheld", "positive:opacity"]);
        let withheld = &weeks[0].figures[1].figure;
        assert_eq!((withheld.value, withheld.n), (0.1, 100));
        assert!(withheld.lower < 0.1 && 0.1 < withheld.upper && weeks[1].figures.is_empty());
    }
}
