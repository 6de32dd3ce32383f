//! Who comes to the demo hospital, and how each study of the first morning is expected to end.

use super::setup::{CLASSIFIER, SEGMENTER};
use anyhow::Result;
use hilum_testkit::{
    Acquisition, Draw, FindingSpec, PhantomInstance, PlannedStudy, Prevalence, Schedule, Source, Subject, View, ct, dx,
};
use hilum_types::{Disposition, Timestamp, Uid};

/// Rows and columns of the phantoms: enough to look like what they are.
const MATRIX: u16 = 256;
const CT_MATRIX: u16 = 128;

/// Days of the story, and the first one after the update of a scanner's software: a Monday, the first day of week seven.
pub(crate) const DAYS: u32 = 84;
pub(crate) const UPDATE_DAY: u32 = 42;

/// The scanner that is updated, and the other one.
pub(crate) const UPDATED: &str = "DXROOM1";
pub(crate) const OTHER: &str = "DXROOM2";

/// Nodules of this hospital are large enough to be told from a rib, in mm.
const RADIUS_MM: (f64, f64) = (10.0, 16.0);

/// One study of the first morning.
pub(crate) struct DemoStudy {
    /// What it is, for people.
    pub(crate) title: &'static str,
    /// Accession number.
    pub(crate) accession: String,
    /// Study Instance UID.
    pub(crate) study_instance_uid: Uid,
    /// What is really in the phantom.
    pub(crate) truth: Vec<&'static str>,
    /// Sent one after the other.
    pub(crate) parts: Vec<Vec<PhantomInstance>>,
    /// Sent after the study was complete.
    pub(crate) late_part: Vec<PhantomInstance>,
    /// How it must end, by deployment: disposition name and, unless analysed, the code of the reason.
    pub(crate) expected: [(&'static str, &'static str, &'static str); 2],
}

impl DemoStudy {
    /// Whether a deployment ended as the scenario expects.
    pub(crate) fn expects(&self, deployment: &str, disposition: &Disposition) -> bool {
        let code = disposition.reason().map_or("", |reason| reason.code.as_str());
        self.expected
            .iter()
            .any(|(name, ended, why)| *name == deployment && *ended == disposition.name() && *why == code)
    }
}

const BOTH_RUN: [(&str, &str, &str); 2] = [(CLASSIFIER, "analysed", ""), (SEGMENTER, "analysed", "")];

fn both_skip(code: &'static str) -> [(&'static str, &'static str, &'static str); 2] {
    [(CLASSIFIER, "not_eligible", code), (SEGMENTER, "not_eligible", code)]
}

/// The machine of the first room.
pub(crate) fn first_room() -> Acquisition {
    Acquisition::radiograph().with_matrix(MATRIX, MATRIX)
}

/// The same machine in the second room; nobody updates it.
pub(crate) fn second_room() -> Acquisition {
    Acquisition { serial: "NL-20533".into(), station: OTHER.into(), ..first_room() }
}

/// A nodule as they occur in this hospital.
pub(crate) fn nodule(seed: u64) -> FindingSpec {
    let radius = Draw::new(seed, "radius of a nodule of the demo").range(RADIUS_MM.0, RADIUS_MM.1);
    FindingSpec::Nodule { side: None, radius_mm: Some(radius), height: None }
}

/// A first morning from `at` on.
pub(crate) struct Morning {
    seed: u64,
    at: Timestamp,
}

impl Morning {
    pub(crate) fn new(seed: u64, at: Timestamp) -> Morning {
        Morning { seed, at }
    }

    /// The studies of the morning: most are radiographs the models are for, some are not.
    pub(crate) fn studies(&self) -> Result<Vec<DemoStudy>> {
        let mut studies = Vec::new();
        for number in 0..9 {
            let findings = match number % 4 {
                1 => vec![nodule(number)],
                2 => vec![FindingSpec::effusion()],
                3 => vec![nodule(number), FindingSpec::effusion()],
                _ => vec![],
            };
            studies.push(self.radiograph(number, "chest radiograph", &findings, |_, _| {}, BOTH_RUN)?);
        }
        let lateral = |_: &mut Subject, acquisition: &mut Acquisition| acquisition.view = View::LeftLateral;
        studies.push(self.radiograph(100, "lateral", &[], lateral, both_skip("intended-use.view"))?);
        let child = |subject: &mut Subject, _: &mut Acquisition| subject.age_years = 9;
        studies.push(self.radiograph(110, "child", &[], child, both_skip("intended-use.age"))?);
        let mut twice = self.radiograph(120, "sent twice", &[nodule(120)], |_, _| {}, BOTH_RUN)?;
        twice.parts.push(twice.parts[0].clone());
        studies.push(twice);
        studies.push(self.chest_ct(130, "CT", 0)?);
        studies.push(self.chest_ct(131, "CT, last slice late", 1)?);
        Ok(studies)
    }

    /// The studies after the segmentation model was stopped.
    pub(crate) fn after_the_stop(&self) -> Result<Vec<DemoStudy>> {
        let expected = [(CLASSIFIER, "analysed", ""), (SEGMENTER, "withheld", "suspended")];
        (200..202).map(|number| self.radiograph(number, "chest radiograph", &[], |_, _| {}, expected)).collect()
    }

    fn subject(&self, number: u64) -> Subject {
        let mut subject = Subject::seeded(self.seed + number, self.at.plus_seconds(40 * number as i64));
        subject.age_years = subject.age_years.max(21);
        subject
    }

    fn radiograph(
        &self,
        number: u64,
        title: &'static str,
        findings: &[FindingSpec],
        change: impl Fn(&mut Subject, &mut Acquisition),
        expected: [(&'static str, &'static str, &'static str); 2],
    ) -> Result<DemoStudy> {
        let (mut subject, mut acquisition) = (self.subject(number), first_room());
        change(&mut subject, &mut acquisition);
        let phantom = dx(self.seed + number, &subject, &acquisition, findings)?;
        Ok(DemoStudy {
            title,
            accession: subject.accession,
            study_instance_uid: phantom.study_instance_uid,
            truth: findings.iter().map(FindingSpec::label).collect(),
            parts: vec![phantom.instances],
            late_part: Vec::new(),
            expected,
        })
    }

    fn chest_ct(&self, number: u64, title: &'static str, n_late: usize) -> Result<DemoStudy> {
        let subject = self.subject(number);
        let acquisition = Acquisition::chest_ct().with_matrix(CT_MATRIX, CT_MATRIX).with_slices(24);
        let mut phantom = ct(self.seed + number, &subject, &acquisition, &[])?;
        let late_part = phantom.instances.split_off(phantom.instances.len() - n_late);
        Ok(DemoStudy {
            title,
            accession: subject.accession,
            study_instance_uid: phantom.study_instance_uid,
            truth: Vec::new(),
            parts: vec![phantom.instances],
            late_part,
            expected: both_skip("series.modality"),
        })
    }
}

/// A radiograph of the weeks after.
pub(crate) struct DayStudy {
    /// Study Instance UID.
    pub(crate) study_instance_uid: Uid,
    /// Which machine took it.
    pub(crate) station: String,
    /// Whether the phantom holds a nodule: what a reader sees.
    pub(crate) has_nodule: bool,
    /// What is sent.
    pub(crate) instances: Vec<PhantomInstance>,
}

/// Twelve weeks from midnight of `first_day`: five radiographs a day, three in five from the room whose machine is updated.
pub(crate) fn schedule(seed: u64, first_day: Timestamp) -> Schedule {
    let plain = Schedule::radiographs(seed, first_day);
    let room = |acquisition, share| Source { acquisition, share, ..plain.sources[0].clone() };
    let sources = vec![room(first_room(), 0.6), room(second_room(), 0.4)];
    let prevalence = Prevalence { nodule: 0.5, effusion: 0.25, cardiomegaly: 0.08 };
    let before = Schedule { studies_per_day: 5, sources, prevalence, ..plain };
    let update = |acquisition: &mut Acquisition| *acquisition = acquisition.clone().updated();
    before.with_change(UPDATE_DAY, |source| source.acquisition.station == UPDATED, update)
}

/// The studies of one day.
pub(crate) fn day(schedule: &Schedule, day: u32) -> Result<Vec<DayStudy>> {
    let made = |mut planned: PlannedStudy| {
        for finding in &mut planned.findings {
            if matches!(finding, FindingSpec::Nodule { .. }) {
                *finding = nodule(planned.seed);
            }
        }
        let phantom = planned.phantom()?;
        Ok(DayStudy {
            has_nodule: phantom.truth.has("nodule"),
            station: planned.acquisition.station,
            study_instance_uid: phantom.study_instance_uid,
            instances: phantom.instances,
        })
    };
    schedule.day(day).into_iter().map(made).collect()
}
