//! The intake pass over every file of the corpus.

use crate::corpus;
use hilum_dicom::{
    Bulk, DicomError, ErrorKind, Limits, part10_header, read_data_set, read_header, read_header_prefix,
    read_part10_header,
};

/// Files the pass refuses, and why: parts of a data set, cut short, or without the four identifiers.
const REFUSED: &[(&str, ErrorKind)] = &[
    // A ZIP archive.
    ("dcmqi/paramaps/pm-example-dcm.zip.dcm", ErrorKind::Malformed),
    // A JPEG file.
    ("dcmqi/segmentations/24x38x3/screenshots/brainlab.jpg.dcm", ErrorKind::Malformed),
    ("pydicom/JPEGLSNearLossless_08.dcm", ErrorKind::Unidentifiable),
    // 62 bytes of pixel data are missing.
    ("pydicom/MR_truncated.dcm", ErrorKind::Malformed),
    ("pydicom/SC_rgb_jls_lossy_line.dcm", ErrorKind::Unidentifiable),
    ("pydicom/SC_rgb_jls_lossy_sample.dcm", ErrorKind::Unidentifiable),
    ("pydicom/UN_sequence.dcm", ErrorKind::Unidentifiable),
    ("pydicom/nested_priv_SQ.dcm", ErrorKind::Unidentifiable),
    // A stray byte in front.
    ("pydicom/no_meta.dcm", ErrorKind::Malformed),
    ("pydicom/no_meta_group_length.dcm", ErrorKind::Unidentifiable),
    // Text.
    ("pydicom/rtplan.dump", ErrorKind::Malformed),
    // Cut short in a sequence.
    ("pydicom/rtplan_truncated.dcm", ErrorKind::Malformed),
    // Text.
    ("pydicom/rtstruct.dump", ErrorKind::Malformed),
    ("pydicom-data/HTJ2KLossless_08_RGB.dcm", ErrorKind::Unidentifiable),
    ("pydicom-data/HTJ2K_08_RGB.dcm", ErrorKind::Unidentifiable),
    ("pydicom-data/JLSL_16_15_1_1F.dcm", ErrorKind::Unidentifiable),
    ("pydicom-data/JLSL_RGB_ILV0.dcm", ErrorKind::Unidentifiable),
    ("pydicom-data/JLSL_RGB_ILV1.dcm", ErrorKind::Unidentifiable),
    ("pydicom-data/JLSL_RGB_ILV2.dcm", ErrorKind::Unidentifiable),
    ("pydicom/dicomdirtests/DICOMDIR-bigEnd", ErrorKind::Unidentifiable),
    ("pydicom/dicomdirtests/DICOMDIR-empty.dcm", ErrorKind::Unidentifiable),
    ("pydicom/dicomdirtests/DICOMDIR-implicit", ErrorKind::Unidentifiable),
    // A sequence longer than the file.
    ("pydicom/dicomdirtests/DICOMDIR-nooffset", ErrorKind::Malformed),
    ("pydicom/dicomdirtests/DICOMDIR-nopatient", ErrorKind::Unidentifiable),
    ("pydicom/dicomdirtests/DICOMDIR-reordered", ErrorKind::Unidentifiable),
    // Text.
    ("pydicom/dicomdirtests/TINY_ALPHA/README", ErrorKind::Malformed),
];

#[test]
fn every_file_is_read_or_refused_as_expected() {
    let mut wrong = Vec::new();
    let (mut read, mut refused) = (0, 0);
    for (entry, bytes) in corpus::entries() {
        let name = corpus::name(&entry);
        let expected = REFUSED.iter().find(|(file, _)| *file == name).map(|(_, kind)| *kind);
        match read_part10_header(&bytes, &Limits::default()) {
            Err(cause) => {
                refused += 1;
                if expected != Some(cause.kind()) {
                    wrong.push(format!("{name}: {cause}"));
                }
            }
            Ok(scanned) => {
                read += 1;
                let header = &scanned.header;
                let number = |key: &str| entry[key].as_f64();
                // Where the reference gave up it stopped before it noted the rest.
                let agree = (expected.is_none() && entry["error"].is_string())
                    || expected.is_none()
                        && entry["sop_class"] == header.sop_class_uid.as_str()
                        && entry["modality"] == header.text("Modality").unwrap_or_default()
                        && number("rows") == header.number("Rows")
                        && number("columns") == header.number("Columns")
                        && number("frames") == header.number("NumberOfFrames")
                        && number("bits_stored") == header.number("BitsStored")
                        && entry["transfer_syntax"]
                            .as_str()
                            .is_none_or(|uid| uid.is_empty() || uid == header.transfer_syntax_uid.as_str());
                if !agree {
                    wrong.push(format!("{name}: read as {header:?} {entry}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n", wrong.join("\n"));
    assert!(corpus::root().is_none() || (read, refused) == (412, 26), "{read} {refused}");
}

/// The first 64 KiB are enough for native objects, and give the same answer.
#[test]
fn a_prefix_gives_the_same_header() {
    let mut by_prefix = 0;
    for (entry, bytes) in corpus::entries() {
        let whole = read_part10_header(&bytes, &Limits::default());
        let prefix = &bytes[..bytes.len().min(64 << 10)];
        match read_header_prefix(prefix, bytes.len() as u64, None, &Limits::default()) {
            Err(DicomError::MoreBytesNeeded) => {}
            answer => {
                assert_eq!(answer, whole, "{}", corpus::name(&entry));
                by_prefix += usize::from(prefix.len() < bytes.len());
            }
        }
    }
    println!("{by_prefix} by prefix");
    assert!(corpus::root().is_none() || 50 < by_prefix, "{by_prefix}");
}

/// What a C-STORE leaves on disk: our head, then the received data set, byte for byte.
#[test]
fn a_stored_object_is_the_received_bytes() {
    for (entry, bytes) in corpus::entries().take(60) {
        let Ok(scanned) = read_part10_header(&bytes, &Limits::default()) else { continue };
        let received = &bytes[scanned.data_set_offset..];
        let header = &scanned.header;
        let ae = "STORESCU".parse().unwrap();
        let head =
            part10_header(&header.sop_class_uid, &header.sop_instance_uid, &header.transfer_syntax_uid, Some(&ae));
        let stored = [head.as_slice(), received].concat();
        let again = read_part10_header(&stored, &Limits::default()).unwrap();
        assert_eq!(again.header, *header, "{}", corpus::name(&entry));
        assert_eq!(&stored[again.data_set_offset..], received);
        assert_eq!(again.meta.source_ae.as_deref(), Some("STORESCU"));
        let bare = read_header(received, Some(&header.transfer_syntax_uid), &Limits::default()).unwrap();
        assert_eq!(bare.header, *header);
    }
}

/// Private elements, private sequences and odd values survive a round trip through the tree.
#[test]
fn nothing_is_lost_in_a_round_trip() {
    let mut count = 0;
    for (entry, bytes) in corpus::entries() {
        let name = corpus::name(&entry);
        let Ok(read) = read_data_set(&bytes, None, Bulk::Keep, &Limits::default()) else { continue };
        // Values that break PS3.5 are read, but not written.
        let Ok(written) = read.data_set.to_bytes(hilum_dicom::Encoding::EXPLICIT_LITTLE) else { continue };
        let uid = hilum_dicom::EXPLICIT_VR_LITTLE_ENDIAN.parse().unwrap();
        let again = read_data_set(&written, Some(&uid), Bulk::Keep, &Limits::default());
        let again = again.unwrap_or_else(|cause| panic!("{name}: {cause}"));
        let rewritten = again.data_set.to_bytes(hilum_dicom::Encoding::EXPLICIT_LITTLE).unwrap();
        assert!(written == rewritten, "{name}");
        assert_eq!(read.data_set.len(), again.data_set.len(), "{name}");
        count += 1;
    }
    println!("{count} round trips");
    assert!(corpus::root().is_none() || 350 < count, "{count}");
}

/// How long one pass takes, printed for docs/measurements.md; the bound is generous so that a busy machine passes.
#[test]
fn a_pass_over_a_ct_image_is_fast() {
    let Some(root) = corpus::root() else { return };
    let bytes = std::fs::read(root.join("cornerstone/CTImage.dcm")).unwrap();
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            let start = std::time::Instant::now();
            assert!(read_part10_header(&bytes, &Limits::default()).is_ok());
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("{} bytes: median {:?}, p99 {:?}", bytes.len(), times[100], times[198]);
    assert!(times[100].as_micros() < 2_000, "{:?}", times[100]);
}
