use crate::{Phi, Uid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Keywords (PS3.6) of the attributes the catalog keeps of each instance.
pub mod attribute {
    macro_rules! keywords {
        ($($constant:ident = $keyword:literal ($group:literal, $element:literal)),* $(,)?) => {
            $(#[doc = concat!("`", $keyword, "`")] pub const $constant: &str = $keyword;)*
            /// Every kept attribute: keyword, group, element.
            pub const ALL: &[(&str, u16, u16)] = &[$(($keyword, $group, $element)),*];
        };
    }
    keywords! {
        SPECIFIC_CHARACTER_SET = "SpecificCharacterSet" (0x0008, 0x0005),
        IMAGE_TYPE = "ImageType" (0x0008, 0x0008),
        STUDY_DATE = "StudyDate" (0x0008, 0x0020),
        SERIES_DATE = "SeriesDate" (0x0008, 0x0021),
        ACQUISITION_DATE = "AcquisitionDate" (0x0008, 0x0022),
        STUDY_TIME = "StudyTime" (0x0008, 0x0030),
        ACQUISITION_TIME = "AcquisitionTime" (0x0008, 0x0032),
        ACCESSION_NUMBER = "AccessionNumber" (0x0008, 0x0050),
        MODALITY = "Modality" (0x0008, 0x0060),
        PRESENTATION_INTENT_TYPE = "PresentationIntentType" (0x0008, 0x0068),
        MANUFACTURER = "Manufacturer" (0x0008, 0x0070),
        INSTITUTION_NAME = "InstitutionName" (0x0008, 0x0080),
        REFERRING_PHYSICIAN_NAME = "ReferringPhysicianName" (0x0008, 0x0090),
        STATION_NAME = "StationName" (0x0008, 0x1010),
        STUDY_DESCRIPTION = "StudyDescription" (0x0008, 0x1030),
        SERIES_DESCRIPTION = "SeriesDescription" (0x0008, 0x103E),
        MANUFACTURER_MODEL_NAME = "ManufacturerModelName" (0x0008, 0x1090),
        SYNTHETIC_DATA = "SyntheticData" (0x0008, 0x001C),
        PATIENT_NAME = "PatientName" (0x0010, 0x0010),
        PATIENT_ID = "PatientID" (0x0010, 0x0020),
        ISSUER_OF_PATIENT_ID = "IssuerOfPatientID" (0x0010, 0x0021),
        PATIENT_BIRTH_DATE = "PatientBirthDate" (0x0010, 0x0030),
        PATIENT_SEX = "PatientSex" (0x0010, 0x0040),
        PATIENT_AGE = "PatientAge" (0x0010, 0x1010),
        CONTRAST_BOLUS_AGENT = "ContrastBolusAgent" (0x0018, 0x0010),
        BODY_PART_EXAMINED = "BodyPartExamined" (0x0018, 0x0015),
        SLICE_THICKNESS = "SliceThickness" (0x0018, 0x0050),
        KVP = "KVP" (0x0018, 0x0060),
        SPACING_BETWEEN_SLICES = "SpacingBetweenSlices" (0x0018, 0x0088),
        DEVICE_SERIAL_NUMBER = "DeviceSerialNumber" (0x0018, 0x1000),
        SOFTWARE_VERSIONS = "SoftwareVersions" (0x0018, 0x1020),
        PROTOCOL_NAME = "ProtocolName" (0x0018, 0x1030),
        EXPOSURE = "Exposure" (0x0018, 0x1152),
        IMAGER_PIXEL_SPACING = "ImagerPixelSpacing" (0x0018, 0x1164),
        CONVOLUTION_KERNEL = "ConvolutionKernel" (0x0018, 0x1210),
        VIEW_POSITION = "ViewPosition" (0x0018, 0x5101),
        STUDY_INSTANCE_UID = "StudyInstanceUID" (0x0020, 0x000D),
        SERIES_INSTANCE_UID = "SeriesInstanceUID" (0x0020, 0x000E),
        STUDY_ID = "StudyID" (0x0020, 0x0010),
        SERIES_NUMBER = "SeriesNumber" (0x0020, 0x0011),
        INSTANCE_NUMBER = "InstanceNumber" (0x0020, 0x0013),
        PATIENT_ORIENTATION = "PatientOrientation" (0x0020, 0x0020),
        IMAGE_POSITION_PATIENT = "ImagePositionPatient" (0x0020, 0x0032),
        IMAGE_ORIENTATION_PATIENT = "ImageOrientationPatient" (0x0020, 0x0037),
        FRAME_OF_REFERENCE_UID = "FrameOfReferenceUID" (0x0020, 0x0052),
        IMAGE_LATERALITY = "ImageLaterality" (0x0020, 0x0062),
        SAMPLES_PER_PIXEL = "SamplesPerPixel" (0x0028, 0x0002),
        PHOTOMETRIC_INTERPRETATION = "PhotometricInterpretation" (0x0028, 0x0004),
        NUMBER_OF_FRAMES = "NumberOfFrames" (0x0028, 0x0008),
        ROWS = "Rows" (0x0028, 0x0010),
        COLUMNS = "Columns" (0x0028, 0x0011),
        PIXEL_SPACING = "PixelSpacing" (0x0028, 0x0030),
        BITS_ALLOCATED = "BitsAllocated" (0x0028, 0x0100),
        BITS_STORED = "BitsStored" (0x0028, 0x0101),
        PIXEL_REPRESENTATION = "PixelRepresentation" (0x0028, 0x0103),
        BURNED_IN_ANNOTATION = "BurnedInAnnotation" (0x0028, 0x0301),
        WINDOW_CENTER = "WindowCenter" (0x0028, 0x1050),
        WINDOW_WIDTH = "WindowWidth" (0x0028, 0x1051),
        RESCALE_INTERCEPT = "RescaleIntercept" (0x0028, 0x1052),
        RESCALE_SLOPE = "RescaleSlope" (0x0028, 0x1053),
    }
}

/// One instance as the catalog knows it: its identifiers and the attributes of [`attribute::ALL`] that were present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceHeader {
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: Uid,
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: Uid,
    /// Transfer syntax of the stored bytes.
    pub transfer_syntax_uid: Uid,
    /// Study Instance UID (0020,000D).
    pub study_instance_uid: Uid,
    /// Series Instance UID (0020,000E).
    pub series_instance_uid: Uid,
    /// Keyword to values, decoded to Unicode and trimmed; present but empty is an empty list.
    pub attributes: BTreeMap<String, Phi<Vec<String>>>,
}

impl InstanceHeader {
    /// All values of an attribute; `None` when it is absent, an empty slice when it is present without a value.
    pub fn values(&self, keyword: &str) -> Option<&[String]> {
        self.attributes.get(keyword).map(|values| values.reveal().as_slice())
    }

    /// The first value, when there is one and it is not empty.
    pub fn text(&self, keyword: &str) -> Option<&str> {
        self.values(keyword)?.first().map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The first value as a number (VR `DS`, `IS`, `US`, ...).
    pub fn number(&self, keyword: &str) -> Option<f64> {
        self.text(keyword)?.trim().parse().ok().filter(|n: &f64| n.is_finite())
    }

    /// All values as numbers; `None` when absent or when one of them is not a number.
    pub fn numbers(&self, keyword: &str) -> Option<Vec<f64>> {
        self.values(keyword)?.iter().map(|v| v.trim().parse().ok().filter(|n: &f64| n.is_finite())).collect()
    }

    /// Frames in the object; 1 when not stated.
    pub fn frames(&self) -> u32 {
        self.number(attribute::NUMBER_OF_FRAMES).map_or(1, |n| n.clamp(1.0, f64::from(u32::MAX)) as u32)
    }
}

/// What the gate knows of one series: the headers of its current instances in a fixed order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesFacts {
    /// Series Instance UID.
    pub series_instance_uid: Uid,
    /// Current instances by instance number, then UID.
    pub instances: Vec<InstanceHeader>,
}

impl SeriesFacts {
    /// Header of the first instance; a series has at least one.
    pub fn first(&self) -> &InstanceHeader {
        &self.instances[0]
    }
}

/// What the gate knows of one study revision (architecture section 5). Built by [`StudyFacts::from_headers`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyFacts {
    /// Study Instance UID.
    pub study_instance_uid: Uid,
    /// Revision of the study, from 1.
    pub revision: u32,
    /// Series by series number, then UID; never empty, and none of them is empty.
    pub series: Vec<SeriesFacts>,
}

impl StudyFacts {
    /// Group headers into series in an order that does not depend on arrival. `None` without any header.
    pub fn from_headers(revision: u32, headers: Vec<InstanceHeader>) -> Option<StudyFacts> {
        let study_instance_uid = headers.first()?.study_instance_uid.clone();
        let mut by_series: BTreeMap<Uid, Vec<InstanceHeader>> = BTreeMap::new();
        for header in headers {
            by_series.entry(header.series_instance_uid.clone()).or_default().push(header);
        }
        let number = |header: &InstanceHeader, keyword| header.number(keyword).unwrap_or(f64::MAX);
        let mut series: Vec<SeriesFacts> = by_series
            .into_iter()
            .map(|(series_instance_uid, mut instances)| {
                instances.sort_by(|a, b| {
                    number(a, attribute::INSTANCE_NUMBER)
                        .total_cmp(&number(b, attribute::INSTANCE_NUMBER))
                        .then_with(|| a.sop_instance_uid.cmp(&b.sop_instance_uid))
                });
                SeriesFacts { series_instance_uid, instances }
            })
            .collect();
        series.sort_by(|a, b| {
            number(a.first(), attribute::SERIES_NUMBER)
                .total_cmp(&number(b.first(), attribute::SERIES_NUMBER))
                .then_with(|| a.series_instance_uid.cmp(&b.series_instance_uid))
        });
        Some(StudyFacts { study_instance_uid, revision, series })
    }

    /// Every instance of the study.
    pub fn instances(&self) -> impl Iterator<Item = &InstanceHeader> {
        self.series.iter().flat_map(|series| &series.instances)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(series: &str, series_number: &str, instance: &str, number: &str) -> InstanceHeader {
        let uid = |text: &str| text.parse::<Uid>().unwrap();
        let attributes = [(attribute::SERIES_NUMBER, series_number), (attribute::INSTANCE_NUMBER, number)]
            .into_iter()
            .map(|(k, v)| (k.to_owned(), Phi::new(vec![v.to_owned()])))
            .collect();
        InstanceHeader {
            sop_instance_uid: uid(instance),
            sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.2"),
            transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
            study_instance_uid: uid("1.2"),
            series_instance_uid: uid(series),
            attributes,
        }
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        let mut headers = vec![
            header("1.9", "1", "1.9.2", "2"),
            header("1.9", "1", "1.9.1", "10"),
            header("1.1", "2", "1.1.1", "1"),
            header("1.9", "1", "1.9.3", "1"),
        ];
        let forward = StudyFacts::from_headers(1, headers.clone()).unwrap();
        headers.reverse();
        assert_eq!(forward, StudyFacts::from_headers(1, headers).unwrap());
        let order: Vec<&str> = forward.instances().map(|i| i.sop_instance_uid.as_str()).collect();
        assert_eq!(order, ["1.9.3", "1.9.2", "1.9.1", "1.1.1"]);
    }

    #[test]
    fn absent_empty_and_present_differ() {
        let mut h = header("1.9", "1", "1.9.2", "2");
        h.attributes.insert("Modality".into(), Phi::new(vec![]));
        assert_eq!((h.values("Modality"), h.text("Modality")), (Some(&[][..]), None));
        assert_eq!((h.values("KVP"), h.number("InstanceNumber")), (None, Some(2.0)));
    }
}
