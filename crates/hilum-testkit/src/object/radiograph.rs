use super::{Identity, Phantom, PhantomInstance, class, code, common, pixels};
use crate::acquisition::{Acquisition, Photometric, Radiography, View};
use crate::error::TestkitError;
use crate::finding::FindingSpec;
use crate::phantom;
use crate::subject::Subject;
use hilum_dicom::{DataSet, tags, uids};

/// A chest radiograph as a study of one Digital X-Ray Image - For Presentation, or Computed Radiography Image.
///
/// A pure function: the same arguments give the same bytes on every machine.
///
/// # Errors
/// [`TestkitError::Encode`] when a text of subject or acquisition breaks its value representation.
pub fn dx(
    seed: u64,
    subject: &Subject,
    acquisition: &Acquisition,
    findings: &[FindingSpec],
) -> Result<Phantom, TestkitError> {
    let image = phantom::radiograph(seed, subject, acquisition, findings);
    let identity = Identity::new(seed, subject, acquisition, findings);
    let class = class(match acquisition.radiography {
        Radiography::Dx => uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
        Radiography::Cr => uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
    });
    let mut set = common(subject, acquisition, &identity, &class, 1);
    let inverse = acquisition.photometric == Photometric::Monochrome1;
    shared(&mut set, acquisition);
    match acquisition.radiography {
        Radiography::Dx => digital(&mut set, acquisition, inverse),
        Radiography::Cr => computed(&mut set, acquisition),
    }
    pixels(&mut set, acquisition, if inverse { "MONOCHROME1" } else { "MONOCHROME2" }, &image.stored);
    let instance = PhantomInstance::encode(&set)?;
    Ok(Phantom { study_instance_uid: identity.study, instances: vec![instance], truth: image.truth })
}

fn shared(set: &mut DataSet, acquisition: &Acquisition) {
    let lateral = acquisition.view == View::LeftLateral;
    let description = match acquisition.view {
        View::Pa => "Chest PA",
        View::Ap => "Chest AP",
        View::LeftLateral => "Chest lateral",
    };
    // Tube current is what the exposure factor scales; a bedside film takes longer.
    let current_ma = 250.0;
    let exposure_ms = 10.0 * acquisition.exposure.max(0.1);
    set.put(tags::STUDY_DESCRIPTION, "Radiography of chest")
        .put(tags::SERIES_DESCRIPTION, description)
        .put(tags::PATIENT_ORIENTATION, if lateral { "P\\F" } else { "L\\F" })
        .put(tags::VIEW_POSITION, acquisition.view.view_position())
        .put_number(tags::KVP, acquisition.kvp)
        .put_number(tags::EXPOSURE_TIME, exposure_ms.round())
        .put_number(tags::X_RAY_TUBE_CURRENT, current_ma)
        .put_number(tags::EXPOSURE, (current_ma * exposure_ms / 1000.0).round())
        .put_number(tags::DISTANCE_SOURCE_TO_DETECTOR, if acquisition.view == View::Ap { 1100.0 } else { 1800.0 })
        .put_numbers(tags::IMAGER_PIXEL_SPACING, &[acquisition.pixel_spacing_mm; 2])
        .put_number(tags::WINDOW_CENTER, 2048.0)
        .put_number(tags::WINDOW_WIDTH, 4096.0);
}

/// DX Series, DX Anatomy Imaged, DX Image, DX Detector, DX Positioning and Acquisition Context (PS3.3 section A.26).
fn digital(set: &mut DataSet, acquisition: &Acquisition, inverse: bool) {
    let view = match acquisition.view {
        View::Pa => code("272479007", "postero-anterior"),
        View::Ap => code("399348003", "antero-posterior"),
        View::LeftLateral => code("399173006", "left lateral"),
    };
    set.put(tags::MODALITY, "DX")
        .put(tags::PRESENTATION_INTENT_TYPE, "FOR PRESENTATION")
        .put(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\")
        .put(tags::IMAGE_LATERALITY, "U")
        .put_code(tags::ANATOMIC_REGION_SEQUENCE, &code("51185008", "Chest"))
        .put_code(tags::VIEW_CODE_SEQUENCE, &view)
        .put(tags::POSITIONER_TYPE, "NONE")
        .put(tags::PIXEL_INTENSITY_RELATIONSHIP, "LOG")
        .put_number(tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN, if inverse { -1.0 } else { 1.0 })
        .put_number(tags::RESCALE_INTERCEPT, 0)
        .put_number(tags::RESCALE_SLOPE, 1)
        .put(tags::RESCALE_TYPE, "US")
        .put(tags::PRESENTATION_LUT_SHAPE, if inverse { "INVERSE" } else { "IDENTITY" })
        .put(tags::DETECTOR_TYPE, "SCINTILLATOR")
        .put(tags::DETECTOR_CONFIGURATION, "AREA")
        .put(tags::DETECTOR_ID, &acquisition.serial)
        .put_sequence(tags::ACQUISITION_CONTEXT_SEQUENCE, Vec::new());
}

/// CR Series and CR Image (PS3.3 section A.2).
fn computed(set: &mut DataSet, acquisition: &Acquisition) {
    set.put(tags::MODALITY, "CR")
        .put(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY")
        .put(tags::PLATE_TYPE, "STORAGE PHOSPHOR")
        .put(tags::PLATE_ID, &acquisition.serial)
        .put_numbers(tags::PIXEL_SPACING, &[acquisition.pixel_spacing_mm; 2]);
}
