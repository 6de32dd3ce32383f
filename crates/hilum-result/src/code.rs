//! Coded concepts of PS3.16 that the objects written here use, and the few of our own (`99HILUM`).

use hilum_types::CodedConcept;

/// A coded concept known when this crate is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static str);

impl Code {
    pub(crate) fn concept(self) -> CodedConcept {
        CodedConcept::new(self.0, self.1, self.2)
    }
}

/// Designator of the concepts that no standard scheme holds.
pub(crate) const HILUM_SCHEME: &str = "99HILUM";

macro_rules! codes {
    ($($name:ident = $value:literal $scheme:literal $meaning:literal;)*) => {
        $(pub(crate) const $name: Code = Code($value, $scheme, $meaning);)*
    };
}

codes! {
    // TID 1500 and the templates it includes
    IMAGING_MEASUREMENT_REPORT = "126000" "DCM" "Imaging Measurement Report";
    LANGUAGE = "121049" "DCM" "Language of Content Item and Descendants";
    OBSERVER_TYPE = "121005" "DCM" "Observer Type";
    DEVICE = "121007" "DCM" "Device";
    DEVICE_OBSERVER_UID = "121012" "DCM" "Device Observer UID";
    DEVICE_OBSERVER_NAME = "121013" "DCM" "Device Observer Name";
    DEVICE_OBSERVER_MANUFACTURER = "121014" "DCM" "Device Observer Manufacturer";
    DEVICE_OBSERVER_MODEL_NAME = "121015" "DCM" "Device Observer Model Name";
    DEVICE_OBSERVER_SERIAL_NUMBER = "121016" "DCM" "Device Observer Serial Number";
    PROCEDURE_REPORTED = "121058" "DCM" "Procedure reported";
    SUMMARY = "121111" "DCM" "Summary";
    IMAGE_LIBRARY = "111028" "DCM" "Image Library";
    IMAGE_LIBRARY_GROUP = "126200" "DCM" "Image Library Group";
    MODALITY = "121139" "DCM" "Modality";
    IMAGING_MEASUREMENTS = "126010" "DCM" "Imaging Measurements";
    MEASUREMENT_GROUP = "125007" "DCM" "Measurement Group";
    TRACKING_IDENTIFIER = "112039" "DCM" "Tracking Identifier";
    TRACKING_UNIQUE_IDENTIFIER = "112040" "DCM" "Tracking Unique Identifier";
    FINDING_CATEGORY = "276214006" "SCT" "Finding category";
    CLINICAL_FINDING = "404684003" "SCT" "Clinical finding";
    FINDING_SITE = "363698007" "SCT" "Finding Site";
    FINDING = "121071" "DCM" "Finding";
    ALGORITHM_NAME = "111001" "DCM" "Algorithm Name";
    ALGORITHM_PARAMETERS = "111002" "DCM" "Algorithm Parameters";
    ALGORITHM_VERSION = "111003" "DCM" "Algorithm Version";
    IMAGE_REGION = "111030" "DCM" "Image Region";
    SOURCE = "260753009" "SCT" "Source";
    SOURCE_OF_MEASUREMENT = "121112" "DCM" "Source of Measurement";
    REFERENCED_SEGMENT = "121191" "DCM" "Referenced Segment";
    REFERENCED_SEGMENTATION_FRAME = "121214" "DCM" "Referenced Segmentation Frame";
    SOURCE_SERIES_FOR_SEGMENTATION = "121232" "DCM" "Source series for segmentation";
    SOURCE_IMAGE_FOR_SEGMENTATION = "121233" "DCM" "Source image for segmentation";

    // Qualitative evaluation
    PRESENCE = "705057003" "SCT" "Presence";
    PRESENT = "52101004" "SCT" "Present";
    ABSENT = "272519000" "SCT" "Absent";
    INDETERMINATE = "82334004" "SCT" "Indeterminate";
    PROBABILITY = "122157" "DCM" "Probability";
    OPERATING_POINT = "operating-point" "99HILUM" "Operating point on probability";
    NO_UNITS = "1" "UCUM" "no units";

    // TID 2010 Key Object Selection, and the titles of CID 7010 that reject (IHE RAD TF-3 section 4.66)
    KEY_OBJECT_DESCRIPTION = "113012" "DCM" "Key Object Description";
    REJECTED_FOR_QUALITY = "113001" "DCM" "Rejected for Quality Reasons";
    REJECTED_FOR_PATIENT_SAFETY = "113037" "DCM" "Rejected for Patient Safety Reasons";
    INCORRECT_WORKLIST_ENTRY = "113038" "DCM" "Incorrect Modality Worklist Entry";
    RETENTION_EXPIRED = "113039" "DCM" "Data Retention Policy Expired";

    // Assessment reports: TID 1003 Person Observer, and what no standard scheme has a code for
    PERSON = "121006" "DCM" "Person";
    PERSON_OBSERVER_NAME = "121008" "DCM" "Person Observer Name";
    PERSON_OBSERVER_LOGIN_NAME = "128774" "DCM" "Person Observer's Login Name";
    COMMENT = "121106" "DCM" "Comment";
    AI_RESULT_ASSESSMENT = "ai-assessment" "99HILUM" "AI Result Assessment";
    ASSESSMENT_OF_FINDING = "finding-verdict" "99HILUM" "Assessment of finding";
    ASSESSMENT = "assessment" "99HILUM" "Assessment";
    ACCEPTED = "accepted" "99HILUM" "Accepted";
    MODIFIED = "modified" "99HILUM" "Modified";
    REJECTED = "rejected" "99HILUM" "Rejected";
    ASSESSED_RESULT = "assessed-result" "99HILUM" "Assessed result";

    // Derivation and equipment
    SEGMENTATION_DERIVATION = "113076" "DCM" "Segmentation";
    SOURCE_IMAGE_FOR_PROCESSING = "121322" "DCM" "Source image for image processing operation";
    SPATIAL_RESAMPLING = "113085" "DCM" "Spatial resampling";
    PROCESSING_EQUIPMENT = "109102" "DCM" "Processing Equipment";
    ARTIFICIAL_INTELLIGENCE = "123110" "DCM" "Artificial Intelligence";

    // Procedures, CID 100
    CT_PROCEDURE = "25045-6" "LN" "CT unspecified body region";
    MR_PROCEDURE = "25056-3" "LN" "MRI unspecified body region";
    XR_PROCEDURE = "43468-8" "LN" "XR unspecified body region";
    PT_PROCEDURE = "44136-0" "LN" "PET unspecified body region";
    NM_PROCEDURE = "49118-3" "LN" "NM unspecified body region";
    IMAGING_PROCEDURE = "363679005" "SCT" "Imaging procedure";

    // Modalities, CID 29
    CT = "CT" "DCM" "Computed Tomography";
    MR = "MR" "DCM" "Magnetic Resonance";
    CR = "CR" "DCM" "Computed Radiography";
    DX = "DX" "DCM" "Digital Radiography";
    MG = "MG" "DCM" "Mammography";
    US = "US" "DCM" "Ultrasound";
    PT = "PT" "DCM" "Positron emission tomography";
    NM = "NM" "DCM" "Nuclear Medicine";
    XA = "XA" "DCM" "X-Ray Angiography";
    RF = "RF" "DCM" "Radiofluoroscopy";
    OT = "OT" "DCM" "Other Modality";
}

/// The procedure of CID 100 that a modality implies, when nobody said which one was done.
pub(crate) fn procedure_for(modality: &str) -> Code {
    match modality {
        "CT" => CT_PROCEDURE,
        "MR" => MR_PROCEDURE,
        "CR" | "DX" | "RG" | "MG" | "RF" => XR_PROCEDURE,
        "PT" => PT_PROCEDURE,
        "NM" => NM_PROCEDURE,
        _ => IMAGING_PROCEDURE,
    }
}

/// The modality as a code of CID 29; modalities no model reads here become `OT`.
pub(crate) fn modality_code(modality: &str) -> Code {
    [CT, MR, CR, DX, MG, US, PT, NM, XA, RF].into_iter().find(|code| code.0 == modality).unwrap_or(OT)
}
