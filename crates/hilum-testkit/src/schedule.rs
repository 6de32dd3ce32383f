//! What arrives on which day: a site with its machines, and the day on which one of them changes.

use crate::acquisition::Acquisition;
use crate::draw::Draw;
use crate::error::TestkitError;
use crate::finding::FindingSpec;
use crate::object::{Phantom, ct, dx};
use crate::subject::Subject;
use hilum_types::Timestamp;

/// Kind of study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StudyKind {
    /// A chest radiograph.
    Radiograph,
    /// A chest CT.
    Ct,
}

/// One machine, from one day to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// What it makes.
    pub kind: StudyKind,
    /// How it takes images.
    pub acquisition: Acquisition,
    /// Its part of the studies of a day, relative to the other sources in use.
    pub share: f64,
    /// First day of use, from 0.
    pub from_day: u32,
    /// First day on which it is no longer used.
    pub until_day: Option<u32>,
}

impl Source {
    fn in_use(&self, day: u32) -> bool {
        self.from_day <= day && self.until_day.is_none_or(|until| day < until)
    }
}

/// How often findings occur.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prevalence {
    /// Probability of a nodule.
    pub nodule: f64,
    /// Probability of an effusion, radiographs only.
    pub effusion: f64,
    /// Probability of cardiomegaly, radiographs only.
    pub cardiomegaly: f64,
}

/// A site's days.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Seed of everything.
    pub seed: u64,
    /// Midnight at the start of day 0.
    pub first_day: Timestamp,
    /// Studies of a day.
    pub studies_per_day: u32,
    /// Machines.
    pub sources: Vec<Source>,
    /// How often findings occur.
    pub prevalence: Prevalence,
}

/// A study that is due; its objects are made when asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStudy {
    /// Day from 0.
    pub day: u32,
    /// Kind of study.
    pub kind: StudyKind,
    /// Seed of its anatomy.
    pub seed: u64,
    /// Who is examined, and when.
    pub subject: Subject,
    /// How.
    pub acquisition: Acquisition,
    /// What is placed.
    pub findings: Vec<FindingSpec>,
}

impl PlannedStudy {
    /// The objects and the truth.
    ///
    /// # Errors
    /// [`TestkitError::Encode`] when a text of subject or acquisition breaks its value representation.
    pub fn phantom(&self) -> Result<Phantom, TestkitError> {
        let make = if self.kind == StudyKind::Ct { ct } else { dx };
        make(self.seed, &self.subject, &self.acquisition, &self.findings)
    }
}

impl Schedule {
    /// A site with one machine for radiographs and 40 studies a day.
    pub fn radiographs(seed: u64, first_day: Timestamp) -> Schedule {
        let source = Source {
            kind: StudyKind::Radiograph,
            acquisition: Acquisition::radiograph(),
            share: 1.0,
            from_day: 0,
            until_day: None,
        };
        Schedule {
            seed,
            first_day,
            studies_per_day: 40,
            sources: vec![source],
            prevalence: Prevalence { nodule: 0.15, effusion: 0.15, cardiomegaly: 0.08 },
        }
    }

    /// From `day` on, every source for which `chosen` holds is replaced by one that `change` has altered: a new
    /// detector, software or protocol.
    #[must_use]
    pub fn with_change(
        mut self,
        day: u32,
        chosen: impl Fn(&Source) -> bool,
        change: impl Fn(&mut Acquisition),
    ) -> Schedule {
        let mut changed = Vec::new();
        for source in self.sources.iter_mut().filter(|source| source.in_use(day) && chosen(source)) {
            let mut next = Source { from_day: day, ..source.clone() };
            change(&mut next.acquisition);
            changed.push(next);
            source.until_day = Some(day);
        }
        self.sources.extend(changed);
        self
    }

    /// The studies of a day in the order of their times, spread over 7 to 19 hours; empty when no source is in use.
    pub fn day(&self, day: u32) -> Vec<PlannedStudy> {
        let in_use: Vec<&Source> = self.sources.iter().filter(|source| source.in_use(day)).collect();
        let total: f64 = in_use.iter().map(|source| source.share).sum();
        let mut studies = Vec::new();
        for number in 0..self.studies_per_day {
            let mut draw = Draw::new(self.seed, &format!("study {day} {number}"));
            let mut rest = draw.unit() * total;
            let source = in_use.iter().find(|source| {
                rest -= source.share;
                rest < 0.0
            });
            let Some(source) = source.or(in_use.last()) else { break };
            let seconds =
                7.0 * 3600.0 + 12.0 * 3600.0 * (f64::from(number) + draw.unit()) / f64::from(self.studies_per_day);
            let at = self.first_day.plus_seconds(i64::from(day) * 86_400 + seconds as i64);
            let seed = draw.bits();
            studies.push(PlannedStudy {
                day,
                kind: source.kind,
                seed,
                subject: Subject::seeded(seed, at),
                acquisition: source.acquisition.clone(),
                findings: self.prevalence.draw(&mut draw),
            });
        }
        studies
    }
}

impl Prevalence {
    fn draw(&self, draw: &mut Draw) -> Vec<FindingSpec> {
        let mut findings = Vec::new();
        for (probability, finding) in [
            (self.nodule, FindingSpec::nodule()),
            (self.effusion, FindingSpec::effusion()),
            (self.cardiomegaly, FindingSpec::Cardiomegaly),
        ] {
            if draw.chance(probability) {
                findings.push(finding);
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_changes_on_its_day_and_patients_do_not() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let before = Schedule::radiographs(3, start);
        let after = before.clone().with_change(10, |_| true, |acquisition| acquisition.software = "4.0".into());
        assert_eq!(before.day(9), after.day(9));
        let (old, new) = (before.day(10), after.day(10));
        assert_eq!(new.len(), 40);
        assert!(new.iter().all(|study| study.acquisition.software == "4.0"));
        let subjects = |studies: &[PlannedStudy]| studies.iter().map(|s| s.subject.clone()).collect::<Vec<_>>();
        assert_eq!(subjects(&old), subjects(&new));
        let times: Vec<Timestamp> = new.iter().map(|study| study.subject.at).collect();
        assert!(times.is_sorted() && times[0].day() == "2026-11-11" && times[39].day() == "2026-11-11");
    }
}
