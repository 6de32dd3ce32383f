use super::{Identity, Phantom, PhantomInstance, class, common, pixels};
use crate::acquisition::Acquisition;
use crate::error::TestkitError;
use crate::finding::{FindingSpec, Truth};
use crate::phantom::{CT_INTERCEPT, CtSeries};
use crate::subject::Subject;
use hilum_dicom::{tags, uids};
use hilum_types::Uid;

/// A chest CT whose images are made one at a time, so that a long series need not lie in memory.
pub struct CtObjects {
    series: CtSeries,
    subject: Subject,
    acquisition: Acquisition,
    identity: Identity,
    class: Uid,
}

impl CtObjects {
    /// The series of a seed; nothing is computed yet.
    pub fn new(seed: u64, subject: &Subject, acquisition: &Acquisition, findings: &[FindingSpec]) -> CtObjects {
        CtObjects {
            series: CtSeries::new(seed, subject, acquisition, findings),
            subject: subject.clone(),
            acquisition: acquisition.clone(),
            identity: Identity::new(seed, subject, acquisition, findings),
            class: class(uids::CT_IMAGE_STORAGE),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Never: a series has at least one image.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Study Instance UID (0020,000D).
    pub fn study_instance_uid(&self) -> &Uid {
        &self.identity.study
    }

    /// What was placed, with a lung mask for every image.
    pub fn truth(&self) -> Truth {
        self.series.truth()
    }

    /// One image from 0, at the feet; `None` beyond the last.
    ///
    /// # Errors
    /// [`TestkitError::Encode`] when a text of subject or acquisition breaks its value representation.
    pub fn instance(&self, index: usize) -> Result<Option<PhantomInstance>, TestkitError> {
        let Some(slice) = self.series.slice(index) else { return Ok(None) };
        let acquisition = &self.acquisition;
        let mut set = common(&self.subject, acquisition, &self.identity, &self.class, index + 1);
        set.put(tags::MODALITY, "CT")
            .put(tags::STUDY_DESCRIPTION, "CT chest")
            .put(tags::SERIES_DESCRIPTION, format!("Chest {}", acquisition.kernel.name()))
            .put(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\AXIAL")
            .put(tags::PATIENT_POSITION, "HFS")
            .put_uid(tags::FRAME_OF_REFERENCE_UID, &self.identity.frame_of_reference)
            .put_empty(tags::POSITION_REFERENCE_INDICATOR)
            .put_numbers(tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
            .put_numbers(tags::IMAGE_POSITION_PATIENT, &slice.position_mm.map(rounded))
            .put_number(tags::SLICE_LOCATION, rounded(slice.position_mm[2]))
            .put_numbers(tags::PIXEL_SPACING, &[acquisition.pixel_spacing_mm; 2])
            .put_number(tags::SLICE_THICKNESS, acquisition.slice_thickness_mm)
            .put_number(tags::SPACING_BETWEEN_SLICES, acquisition.slice_spacing_mm)
            .put_number(tags::KVP, acquisition.kvp)
            .put_number(tags::X_RAY_TUBE_CURRENT, (200.0 * acquisition.exposure.max(0.01)).round())
            .put_number(tags::EXPOSURE_TIME, 500)
            .put(tags::CONVOLUTION_KERNEL, acquisition.kernel.name())
            .put_number(tags::RESCALE_INTERCEPT, CT_INTERCEPT)
            .put_number(tags::RESCALE_SLOPE, 1)
            .put(tags::RESCALE_TYPE, "HU")
            .put(tags::WINDOW_CENTER, "-500\\40")
            .put(tags::WINDOW_WIDTH, "1500\\400")
            .put(tags::WINDOW_CENTER_WIDTH_EXPLANATION, "LUNG\\MEDIASTINUM");
        pixels(&mut set, acquisition, "MONOCHROME2", &slice.stored);
        PhantomInstance::encode(&set).map(Some)
    }
}

/// A thousandth of a millimetre is enough, and fits a decimal string.
fn rounded(mm: f64) -> f64 {
    (mm * 1000.0).round() / 1000.0
}

/// A chest CT as a study of CT Images, from feet to head; `acquisition.slices` images of one size.
///
/// A pure function: the same arguments give the same bytes on every machine.
///
/// # Errors
/// [`TestkitError::Encode`] when a text of subject or acquisition breaks its value representation.
pub fn ct(
    seed: u64,
    subject: &Subject,
    acquisition: &Acquisition,
    findings: &[FindingSpec],
) -> Result<Phantom, TestkitError> {
    let objects = CtObjects::new(seed, subject, acquisition, findings);
    let mut instances = Vec::with_capacity(objects.len());
    for index in 0..objects.len() {
        instances.extend(objects.instance(index)?);
    }
    Ok(Phantom { study_instance_uid: objects.study_instance_uid().clone(), instances, truth: objects.truth() })
}
