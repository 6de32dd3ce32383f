//! Who comes to the demo hospital, and how each study is expected to end.

use super::setup::{CLASSIFIER, SEGMENTER};
use anyhow::Result;
use hilum_testkit::{Acquisition, FindingSpec, PhantomInstance, Subject, View, ct, dx};
use hilum_types::{Disposition, Timestamp, Uid};

/// Rows and columns of the CT phantoms: enough to look like one.
const CT_MATRIX: u16 = 128;

/// One study of the demo.
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

/// The studies of the morning: most are radiographs the models are for, some are not.
pub(crate) fn morning(seed: u64) -> Result<Vec<DemoStudy>> {
    let mut studies = Vec::new();
    for number in 0..21 {
        let findings = match number % 5 {
            1 => vec![FindingSpec::nodule()],
            3 => vec![FindingSpec::effusion()],
            4 if number % 2 == 0 => vec![FindingSpec::nodule(), FindingSpec::effusion()],
            _ => vec![],
        };
        studies.push(radiograph(seed + number, "chest radiograph", &findings, |_, _| {}, BOTH_RUN)?);
    }
    for number in 100..102 {
        let lateral = |_: &mut Subject, acquisition: &mut Acquisition| acquisition.view = View::LeftLateral;
        let skip = both_skip("intended-use.view");
        studies.push(radiograph(seed + number, "lateral chest radiograph", &[], lateral, skip)?);
    }
    for number in 110..112 {
        let child = |subject: &mut Subject, _: &mut Acquisition| subject.age_years = 9;
        studies.push(radiograph(seed + number, "radiograph of a child", &[], child, both_skip("intended-use.age"))?);
    }
    let mut twice = radiograph(seed + 120, "radiograph sent twice", &[FindingSpec::nodule()], |_, _| {}, BOTH_RUN)?;
    twice.parts.push(twice.parts[0].clone());
    studies.push(twice);
    studies.push(chest_ct(seed + 130, "chest CT", 0)?);
    studies.push(chest_ct(seed + 131, "chest CT, last slice late", 1)?);
    Ok(studies)
}

/// The studies after the segmentation model was stopped.
pub(crate) fn after_the_stop(seed: u64) -> Result<Vec<DemoStudy>> {
    let expected = [(CLASSIFIER, "analysed", ""), (SEGMENTER, "withheld", "suspended")];
    (200..206)
        .map(|number| {
            let findings = if number % 3 == 0 { vec![FindingSpec::effusion()] } else { vec![] };
            radiograph(seed + number, "chest radiograph", &findings, |_, _| {}, expected)
        })
        .collect()
}

fn subject(seed: u64) -> Subject {
    // A fixed morning: the phantoms of the demo are the same on every machine and every day.
    let at = Timestamp::from_micros(1_795_424_400_000_000).plus_seconds((seed % 1000) as i64 * 40);
    let mut subject = Subject::seeded(seed, at);
    subject.age_years = subject.age_years.max(21);
    subject
}

fn radiograph(
    seed: u64,
    title: &'static str,
    findings: &[FindingSpec],
    change: impl Fn(&mut Subject, &mut Acquisition),
    expected: [(&'static str, &'static str, &'static str); 2],
) -> Result<DemoStudy> {
    let (mut subject, mut acquisition) = (subject(seed), Acquisition::radiograph());
    change(&mut subject, &mut acquisition);
    let phantom = dx(seed, &subject, &acquisition, findings)?;
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

fn chest_ct(seed: u64, title: &'static str, n_late: usize) -> Result<DemoStudy> {
    let subject = subject(seed);
    let acquisition = Acquisition::chest_ct().with_matrix(CT_MATRIX, CT_MATRIX).with_slices(24);
    let mut phantom = ct(seed, &subject, &acquisition, &[])?;
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
