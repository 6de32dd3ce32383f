//! Objects with other pixels, or with another meaning of them.

use hilum_dicom::{
    DataSet, DicomError, EXPLICIT_VR_LITTLE_ENDIAN, Image, Limits, PixelDescription, Vr, lut, read_part10_header, tags,
    with_photometric_exchanged, with_stored_values,
};

const RLE: &str = "1.2.840.10008.1.2.5";

/// Two rows of three pixels of 12 bits in 16.
fn image(photometric: &str) -> DataSet {
    let mut data_set = DataSet::new();
    data_set
        .put(tags::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.1.1")
        .put(tags::SOP_INSTANCE_UID, "2.25.1")
        .put(tags::STUDY_INSTANCE_UID, "2.25.2")
        .put(tags::SERIES_INSTANCE_UID, "2.25.3")
        .put(tags::PHOTOMETRIC_INTERPRETATION, photometric);
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1u16),
        (tags::ROWS, 2),
        (tags::COLUMNS, 3),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        data_set.put_number(tag, value);
    }
    data_set
}

fn native(photometric: &str) -> Vec<u8> {
    let pixels = [0u16, 1, 2, 300, 4000, 4095].into_iter().flat_map(u16::to_le_bytes).collect();
    image(photometric).put_bytes(tags::PIXEL_DATA, Vr::OW, pixels).to_part10_bytes().unwrap()
}

fn values(bytes: &[u8]) -> Vec<f32> {
    let image = Image::open(bytes, None, &Limits::default()).unwrap();
    assert_eq!(image.warnings, []);
    lut::stored_values(&image.frame(0).unwrap(), &image.description)
}

#[test]
fn changed_values_are_rounded_and_held_within_bits_stored() {
    let bytes = native("MONOCHROME2");
    let same = with_stored_values(&bytes, &Limits::default(), |_, _, values| values).unwrap();
    assert_eq!(values(&same), [0.0, 1.0, 2.0, 300.0, 4000.0, 4095.0]);
    let lower = |_: u32, _: &PixelDescription, values: Vec<f32>| -> Vec<f32> {
        values.into_iter().map(|value| value * 1.5 - 1.0).collect()
    };
    let changed = with_stored_values(&bytes, &Limits::default(), lower).unwrap();
    assert_eq!(values(&changed), [0.0, 1.0, 2.0, 449.0, 4095.0, 4095.0]);
    let header = |bytes: &[u8]| read_part10_header(bytes, &Limits::default()).unwrap().header;
    assert_eq!(header(&changed), header(&bytes), "the header is as it was");
    let shorter = with_stored_values(&bytes, &Limits::default(), |_, _, values| values[1..].to_vec());
    assert!(matches!(shorter, Err(DicomError::PixelDescription(_))), "{shorter:?}");
}

/// Signed values keep their sign, and compressed ones come out uncompressed (PS3.5 annex G by hand: two segments of literal
/// runs, the high bytes first).
#[test]
fn compressed_and_signed_pixels_are_written_out() {
    let mut data_set = image("MONOCHROME2");
    data_set.put_number(tags::PIXEL_REPRESENTATION, 1u16);
    let stored = [-2048i16, -1, 0, 1, 2, 2047];
    let mut fragment: Vec<u8> = [2u32, 64, 72].into_iter().chain([0; 13]).flat_map(u32::to_le_bytes).collect();
    for byte in [1, 0] {
        fragment.push(5);
        fragment.extend(stored.iter().map(|value| value.to_le_bytes()[byte]));
        fragment.push(0x80);
    }
    let bytes = data_set.put_encapsulated(vec![fragment]).to_part10_bytes_as(&RLE.parse().unwrap()).unwrap();
    assert_eq!(values(&bytes), stored.map(f32::from));
    let turned = |_: u32, _: &PixelDescription, values: Vec<f32>| -> Vec<f32> { values.into_iter().rev().collect() };
    let changed = with_stored_values(&bytes, &Limits::default(), turned).unwrap();
    assert_eq!(values(&changed), [2047.0, 2.0, 1.0, 0.0, -1.0, -2048.0]);
    let header = read_part10_header(&changed, &Limits::default()).unwrap().header;
    assert_eq!(header.transfer_syntax_uid.as_str(), EXPLICIT_VR_LITTLE_ENDIAN);
}

#[test]
fn black_and_white_are_exchanged_without_a_pixel() {
    let bytes = native("MONOCHROME2");
    let exchanged = with_photometric_exchanged(&bytes, &Limits::default()).unwrap();
    assert_eq!(values(&exchanged), values(&bytes));
    let photometric = |bytes: &[u8]| Image::open(bytes, None, &Limits::default()).unwrap().description;
    assert_eq!(photometric(&exchanged).photometric_interpretation, "MONOCHROME1");
    assert_eq!(with_photometric_exchanged(&exchanged, &Limits::default()).unwrap(), bytes);
    let colour = image("PALETTE COLOR").put_bytes(tags::PIXEL_DATA, Vr::OW, vec![0; 12]).to_part10_bytes().unwrap();
    assert!(matches!(with_photometric_exchanged(&colour, &Limits::default()), Err(DicomError::Unsupported(_))));
    let changed = with_stored_values(&colour, &Limits::default(), |_, _, values| values);
    assert!(matches!(changed, Err(DicomError::Unsupported(_))), "{changed:?}");
}
