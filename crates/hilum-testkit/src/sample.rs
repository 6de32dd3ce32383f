//! Sets of phantoms for training and evaluation: case `n` of a set is the same for ever.

use crate::acquisition::{Acquisition, Photometric};
use crate::draw::Draw;
use crate::finding::FindingSpec;
use crate::schedule::{PlannedStudy, StudyKind};
use crate::subject::Subject;
use hilum_types::Timestamp;

/// A set of independent cases.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSet {
    /// Seed; sets of different seeds share no case.
    pub seed: u64,
    /// How radiographs are taken.
    pub radiograph: Acquisition,
    /// How CT series are taken.
    pub ct: Acquisition,
    /// Draw the way of taking each radiograph anew: one in four at the bedside, noise, sharpness, dose and contrast
    /// within usual bounds, one in five `MONOCHROME1`.
    pub vary: bool,
    /// Factor on the noise of all.
    pub noise: f64,
    /// Part of the radiographs that are taken after the update of the software ([`Acquisition::updated`]).
    pub updated: f64,
    /// Probability of a nodule, and, on radiographs, of an effusion.
    pub prevalence: f64,
    /// Time of case 0.
    pub start: Timestamp,
}

impl SampleSet {
    /// A set of standing radiographs and routine CT, findings in 40 % each.
    pub fn new(seed: u64) -> SampleSet {
        SampleSet {
            seed,
            radiograph: Acquisition::radiograph(),
            ct: Acquisition::chest_ct(),
            vary: false,
            noise: 1.0,
            updated: 0.0,
            prevalence: 0.4,
            // 2026-11-02 07:00 UTC.
            start: Timestamp::from_micros(1_793_602_800_000_000),
        }
    }

    /// Radiograph `number`.
    pub fn radiograph(&self, number: u32) -> PlannedStudy {
        let mut draw = Draw::new(self.seed, &format!("example dx {number}"));
        let subject = Subject::seeded(draw.bits(), self.start.plus_seconds(600 * i64::from(number)));
        let mut acquisition = self.radiograph_acquisition(&mut draw);
        // A stream of its own: the same patients with the same findings, before or after.
        if Draw::new(self.seed, &format!("software {number}")).chance(self.updated) {
            acquisition = acquisition.updated();
        }
        let mut findings = Vec::new();
        for (probability, finding) in [
            (self.prevalence, FindingSpec::nodule()),
            (self.prevalence, FindingSpec::effusion()),
            (0.10, FindingSpec::Cardiomegaly),
        ] {
            if draw.chance(probability) {
                findings.push(finding);
            }
        }
        PlannedStudy { day: 0, kind: StudyKind::Radiograph, seed: draw.bits(), subject, acquisition, findings }
    }

    /// CT `number`.
    pub fn ct(&self, number: u32) -> PlannedStudy {
        let mut draw = Draw::new(self.seed, &format!("example ct {number}"));
        let subject = Subject::seeded(draw.bits(), self.start.plus_seconds(1800 * i64::from(number)));
        let findings = if draw.chance(self.prevalence) { vec![FindingSpec::nodule()] } else { Vec::new() };
        let mut acquisition = self.ct.clone();
        acquisition.noise *= self.noise;
        PlannedStudy { day: 0, kind: StudyKind::Ct, seed: draw.bits(), subject, acquisition, findings }
    }

    fn radiograph_acquisition(&self, draw: &mut Draw) -> Acquisition {
        let mut acquisition = self.radiograph.clone();
        if self.vary {
            if draw.chance(0.25) {
                let Acquisition { rows, columns, synthetic_mark, .. } = acquisition;
                acquisition =
                    Acquisition { synthetic_mark, ..Acquisition::radiograph_bedside() }.with_matrix(rows, columns);
            }
            acquisition.noise *= draw.range(0.6, 1.8);
            acquisition.sharpness = draw.range(0.5, 1.4);
            acquisition.exposure = draw.range(0.7, 1.4);
            acquisition.contrast = draw.range(0.9, 1.15);
            if draw.chance(0.2) {
                acquisition.photometric = Photometric::Monochrome1;
            }
        }
        acquisition.noise *= self.noise;
        acquisition
    }
}
