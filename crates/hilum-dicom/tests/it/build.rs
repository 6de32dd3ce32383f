//! Building, writing and reading back.

use hilum_dicom::{Bulk, DataSet, Limits, read_data_set, read_part10_header, tags};

#[test]
fn a_built_object_reads_back() {
    let mut item = DataSet::new();
    item.put(tags::CODE_MEANING, "Lungenrundherd, 結節").put(tags::CODE_VALUE, "1");
    let mut data_set = DataSet::new();
    data_set
        .put(tags::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.88.33")
        .put(tags::SOP_INSTANCE_UID, "2.25.1")
        .put(tags::STUDY_INSTANCE_UID, "2.25.2")
        .put(tags::SERIES_INSTANCE_UID, "2.25.3")
        .put(tags::PATIENT_NAME, "Müller^Jörg")
        .put_number(tags::ROWS, 512u16)
        .put_numbers(tags::PIXEL_SPACING, &[0.1 + 0.2, 1.0 / 3.0])
        .put_sequence(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![item]);
    let bytes = data_set.to_part10_bytes().unwrap();
    let scanned = read_part10_header(&bytes, &Limits::default()).unwrap();
    assert_eq!(scanned.header.text("PatientName"), Some("Müller^Jörg"));
    assert_eq!(scanned.header.text("Rows"), Some("512"));
    assert_eq!(scanned.warnings, []);
    let read = read_data_set(&bytes, None, Bulk::Keep, &Limits::default()).unwrap();
    assert_eq!(
        read.data_set.item(tags::CONCEPT_NAME_CODE_SEQUENCE).unwrap().string(tags::CODE_MEANING).as_deref(),
        Some("Lungenrundherd, 結節")
    );
    assert_eq!(read.data_set.to_part10_bytes().unwrap(), bytes);
}
