//! Phantoms as DICOM objects.

mod ct;
mod radiograph;

pub use ct::{CtObjects, ct};
pub use radiograph::dx;

use crate::acquisition::Acquisition;
use crate::error::TestkitError;
use crate::finding::{FindingSpec, Truth};
use crate::subject::Subject;
use hilum_dicom::{DataSet, Limits, Tag, Vr, read_part10_header, tags};
use hilum_types::{CodedConcept, Digest, Uid};

/// Synthetic Data (0008,001C) of the SOP Common Module; validators with an older dictionary call it unknown.
const SYNTHETIC_DATA: Tag = Tag(0x0008, 0x001C);

/// A study of one series, and what is really in it.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// Study Instance UID (0020,000D).
    pub study_instance_uid: Uid,
    /// Instances in the order of Instance Number.
    pub instances: Vec<PhantomInstance>,
    /// What was placed.
    pub truth: Truth,
}

/// An object ready to be sent or written to a file.
#[derive(Clone)]
pub struct PhantomInstance {
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: Uid,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: Uid,
    /// Transfer syntax of the data set.
    pub transfer_syntax_uid: Uid,
    part10: Vec<u8>,
    data_set_offset: usize,
}

impl std::fmt::Debug for PhantomInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PhantomInstance")
            .field("sop_instance_uid", &self.sop_instance_uid)
            .field("bytes", &self.part10.len())
            .finish()
    }
}

impl PhantomInstance {
    /// The object as a PS3.10 file.
    pub fn part10(&self) -> &[u8] {
        &self.part10
    }

    /// The data set without preamble and file meta information, as C-STORE carries it.
    pub fn data_set(&self) -> &[u8] {
        &self.part10[self.data_set_offset..]
    }

    /// Digest of the data set.
    pub fn digest(&self) -> Digest {
        Digest::of(self.data_set())
    }

    /// An object from a PS3.10 file, whatever it holds.
    ///
    /// # Errors
    /// [`TestkitError::Read`] when the bytes are no DICOM file.
    pub fn from_part10(part10: Vec<u8>) -> Result<PhantomInstance, TestkitError> {
        let scanned = read_part10_header(&part10, &Limits::default()).map_err(TestkitError::Read)?;
        Ok(PhantomInstance {
            sop_class_uid: scanned.header.sop_class_uid,
            sop_instance_uid: scanned.header.sop_instance_uid,
            transfer_syntax_uid: scanned.header.transfer_syntax_uid,
            data_set_offset: scanned.data_set_offset,
            part10,
        })
    }

    fn encode(data_set: &DataSet) -> Result<PhantomInstance, TestkitError> {
        let part10 = data_set.to_part10_bytes().map_err(TestkitError::Encode)?;
        PhantomInstance::from_part10(part10)
    }
}

/// Identifiers of a study, the same for the same arguments for ever.
struct Identity {
    study: Uid,
    series: Uid,
    frame_of_reference: Uid,
    /// Everything that changes the bytes of an instance, so that other bytes always have another UID.
    content: String,
}

impl Identity {
    fn new(seed: u64, subject: &Subject, acquisition: &Acquisition, findings: &[FindingSpec]) -> Identity {
        let seed = seed.to_string();
        let content = Digest::of(format!("{subject:?}{acquisition:?}{findings:?}").as_bytes()).to_string();
        Identity {
            study: Uid::derived(&["phantom study", &seed, &subject.patient_id, &subject.accession]),
            series: Uid::derived(&["phantom series", &seed, &content]),
            frame_of_reference: Uid::derived(&["phantom frame of reference", &seed, &content]),
            content: format!("{seed} {content}"),
        }
    }

    fn instance(&self, number: usize) -> Uid {
        Uid::derived(&["phantom instance", &self.content, &number.to_string()])
    }
}

/// Patient, General Study, Patient Study, General Equipment and SOP Common (PS3.3 sections C.7.1.1, C.7.2.1, C.7.2.2,
/// C.7.5.1 and C.12.1), and what every image here shares.
fn common(subject: &Subject, acquisition: &Acquisition, identity: &Identity, class: &Uid, number: usize) -> DataSet {
    let (date, time) = subject.study_date_time();
    let mut set = DataSet::new();
    set.put(tags::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
        .put_uid(tags::SOP_CLASS_UID, class)
        .put_uid(tags::SOP_INSTANCE_UID, &identity.instance(number))
        .put(tags::STUDY_DATE, &date)
        .put(tags::SERIES_DATE, &date)
        .put(tags::ACQUISITION_DATE, &date)
        .put(tags::CONTENT_DATE, &date)
        .put(tags::STUDY_TIME, &time)
        .put(tags::SERIES_TIME, &time)
        .put(tags::ACQUISITION_TIME, &time)
        .put(tags::CONTENT_TIME, &time)
        .put(tags::TIMEZONE_OFFSET_FROM_UTC, "+0000")
        .put(tags::ACCESSION_NUMBER, &subject.accession)
        .put(tags::MANUFACTURER, &acquisition.vendor)
        .put(tags::MANUFACTURER_MODEL_NAME, &acquisition.model)
        .put(tags::DEVICE_SERIAL_NUMBER, &acquisition.serial)
        .put(tags::SOFTWARE_VERSIONS, &acquisition.software)
        .put(tags::INSTITUTION_NAME, &acquisition.institution)
        .put(tags::STATION_NAME, &acquisition.station)
        .put(tags::REFERRING_PHYSICIAN_NAME, &subject.referring)
        .put(tags::PATIENT_NAME, &subject.name)
        .put(tags::PATIENT_ID, &subject.patient_id)
        .put(tags::ISSUER_OF_PATIENT_ID, &subject.issuer)
        .put(tags::PATIENT_BIRTH_DATE, subject.birth_date())
        .put(tags::PATIENT_SEX, subject.sex.code())
        .put(tags::PATIENT_AGE, format!("{:03}Y", subject.age_years.min(999)))
        .put(tags::PROTOCOL_NAME, &acquisition.protocol)
        .put(tags::BODY_PART_EXAMINED, "CHEST")
        .put_uid(tags::STUDY_INSTANCE_UID, &identity.study)
        .put_uid(tags::SERIES_INSTANCE_UID, &identity.series)
        .put(tags::STUDY_ID, &subject.study_id)
        .put_number(tags::SERIES_NUMBER, 1)
        .put_number(tags::ACQUISITION_NUMBER, 1)
        .put_number(tags::INSTANCE_NUMBER, number as f64)
        .put(tags::BURNED_IN_ANNOTATION, "NO")
        .put(tags::LOSSY_IMAGE_COMPRESSION, "00");
    if acquisition.synthetic_mark {
        set.put_as(SYNTHETIC_DATA, Vr::CS, "YES").put(tags::QUALITY_CONTROL_IMAGE, "YES");
    }
    set
}

/// Image Pixel Module (PS3.3 section C.7.6.3) of 12 bits in 16.
fn pixels(set: &mut DataSet, acquisition: &Acquisition, photometric: &str, stored: &[u16]) {
    let bytes = stored.iter().flat_map(|value| value.to_le_bytes()).collect();
    set.put_number(tags::SAMPLES_PER_PIXEL, 1)
        .put(tags::PHOTOMETRIC_INTERPRETATION, photometric)
        .put_number(tags::ROWS, acquisition.rows.max(16))
        .put_number(tags::COLUMNS, acquisition.columns.max(16))
        .put_number(tags::BITS_ALLOCATED, 16)
        .put_number(tags::BITS_STORED, 12)
        .put_number(tags::HIGH_BIT, 11)
        .put_number(tags::PIXEL_REPRESENTATION, 0)
        .put_bytes(tags::PIXEL_DATA, Vr::OW, bytes);
}

fn code(value: &str, meaning: &str) -> CodedConcept {
    CodedConcept { value: value.into(), scheme: "SCT".into(), meaning: meaning.into() }
}

fn class(text: &str) -> Uid {
    text.parse().expect("SOP class UIDs of the standard are UIDs")
}
