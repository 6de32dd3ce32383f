//! Data sets in implicit VR, explicit VR of both byte orders and deflated, and whole Part 10 files.
//!
//! The first byte chooses the encoding. Beyond "no panic, no hang" two things must hold: the tree of what was read can
//! be read again once written, and the prefix reader never contradicts the whole.
#![no_main]

use hilum_dicom::{Bulk, DicomError, Encoding, Limits, read_data_set, read_header, read_header_prefix};
use hilum_types::Uid;
use libfuzzer_sys::fuzz_target;

const SYNTAXES: [&str; 4] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"];

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let syntax: Option<Uid> = SYNTAXES.get(usize::from(choice) % 5).map(|uid| uid.parse().expect("a constant UID"));
    let limits = Limits::default();
    let whole = read_header(bytes, syntax.as_ref(), &limits);
    let prefix = &bytes[..bytes.len() / 2];
    match read_header_prefix(prefix, bytes.len() as u64, syntax.as_ref(), &limits) {
        Err(DicomError::MoreBytesNeeded) => {}
        Ok(by_prefix) => assert_eq!(Ok(by_prefix), whole),
        Err(_) => assert!(whole.is_err()),
    }
    let Ok(read) = read_data_set(bytes, syntax.as_ref(), Bulk::Keep, &limits) else { return };
    for (tag, _) in read.data_set.iter() {
        let _ = (read.data_set.strings(tag), read.data_set.numbers(tag));
    }
    if let Ok(written) = read.data_set.to_bytes(Encoding::EXPLICIT_LITTLE) {
        let explicit = SYNTAXES[1].parse().expect("a constant UID");
        let roomy = Limits { header_bytes_max: u64::MAX, ..limits };
        read_data_set(&written, Some(&explicit), Bulk::Keep, &roomy).expect("what we write can be read");
    }
});
