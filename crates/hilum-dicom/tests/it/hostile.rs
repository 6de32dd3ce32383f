//! Hostile bytes (promise R9): every one is answered with an error or a value, quickly and with bounded memory.

use crate::corpus;
use hilum_dicom::{Bulk, DicomError, ErrorKind, Image, Limits, Tag, Vr, Warning, read_data_set, read_header};
use hilum_types::Uid;
use proptest::prelude::*;
use std::io::Write;

const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const BIG: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

fn uid(text: &str) -> Uid {
    text.parse().unwrap()
}

fn read(bytes: &[u8], syntax: &str, limits: &Limits) -> Result<hilum_dicom::Scanned, DicomError> {
    read_header(bytes, Some(&uid(syntax)), limits)
}

fn element(tag: Tag, vr: Vr, value: &[u8]) -> Vec<u8> {
    let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    bytes.extend_from_slice(&vr.to_bytes());
    if matches!(vr, Vr::OB | Vr::OW | Vr::SQ | Vr::UN | Vr::UT) {
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    } else {
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
    }
    bytes.extend_from_slice(value);
    bytes
}

/// The four identifiers, then `rest`.
fn object(rest: &[u8]) -> Vec<u8> {
    let mut bytes = element(Tag(0x0008, 0x0016), Vr::UI, b"1.2.840.10008.5.1.4.1.1.7\0");
    bytes.extend(element(Tag(0x0008, 0x0018), Vr::UI, b"2.25.10\0"));
    bytes.extend(element(Tag(0x0020, 0x000D), Vr::UI, b"2.25.11\0"));
    bytes.extend(element(Tag(0x0020, 0x000E), Vr::UI, b"2.25.12\0"));
    bytes.extend_from_slice(rest);
    bytes
}

/// `depth` sequences of undefined length, one in another.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..depth {
        bytes.extend_from_slice(b"\x40\x00\x30\xA7SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
    }
    for _ in 0..depth {
        bytes.extend_from_slice(b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
    }
    bytes
}

fn kind<T>(result: Result<T, DicomError>) -> Option<ErrorKind> {
    result.err().map(|cause| cause.kind())
}

#[test]
fn nesting_is_allowed_up_to_the_limit() {
    let limits = Limits::default();
    let depth = limits.nesting_depth_max;
    assert_eq!(kind(read(&object(&nested(depth)), EXPLICIT, &limits)), None);
    assert_eq!(kind(read(&object(&nested(depth + 1)), EXPLICIT, &limits)), Some(ErrorKind::Limit));
    for exponent in 2..=6 {
        let bytes = object(&nested(10usize.pow(exponent)));
        assert_eq!(kind(read(&bytes, EXPLICIT, &limits)), Some(ErrorKind::Limit));
        assert_eq!(kind(read_data_set(&bytes, Some(&uid(EXPLICIT)), Bulk::Keep, &limits)), Some(ErrorKind::Limit));
    }
    // The tree of an object at the limit is built, written and dropped.
    let tree = read_data_set(&object(&nested(depth)), Some(&uid(EXPLICIT)), Bulk::Keep, &limits).unwrap();
    assert_eq!(tree.data_set.to_bytes(hilum_dicom::Encoding::EXPLICIT_LITTLE).unwrap(), object(&nested(depth)));
}

#[test]
fn nesting_hidden_in_unknown_vr_is_counted_too() {
    let mut bytes = b"\x09\x00\x10\x10UN\0\0\xFF\xFF\xFF\xFF".to_vec();
    for _ in 0..100 {
        bytes.extend_from_slice(b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\x09\x00\x10\x10\xFF\xFF\xFF\xFF");
    }
    assert_eq!(kind(read(&object(&bytes), EXPLICIT, &Limits::default())), Some(ErrorKind::Limit));
}

#[test]
fn elements_are_allowed_up_to_the_limit() {
    let limits = Limits { element_count_max: 50, ..Limits::default() };
    let with = |count: usize| object(&element(Tag(0x0041, 0x1001), Vr::US, &[1, 0]).repeat(count));
    assert_eq!(kind(read(&with(46), EXPLICIT, &limits)), None);
    assert_eq!(kind(read(&with(47), EXPLICIT, &limits)), Some(ErrorKind::Limit));
    assert_eq!(kind(read(&with(1_000_000), EXPLICIT, &Limits::default())), Some(ErrorKind::Limit));
}

#[test]
fn header_bytes_are_allowed_up_to_the_limit_and_pixels_are_not_counted() {
    let base = object(&element(Tag(0x0041, 0x1001), Vr::UN, &[0; 1000]));
    // Each element counts its value and the eight bytes every header has.
    let counted = 4 * 8 + 26 + 8 + 8 + 8 + 8 + 1000;
    let limits = Limits { header_bytes_max: counted, ..Limits::default() };
    assert_eq!(kind(read(&base, EXPLICIT, &limits)), None);
    let less = Limits { header_bytes_max: counted - 1, ..limits };
    assert_eq!(kind(read(&base, EXPLICIT, &less)), Some(ErrorKind::Limit));
    let pixels = [base, element(Tag(0x7FE0, 0x0010), Vr::OW, &[0; 100_000])].concat();
    let limits = Limits { header_bytes_max: counted + 8, ..limits };
    assert_eq!(kind(read(&pixels, EXPLICIT, &limits)), None);
}

#[test]
fn kept_values_files_and_fragments_have_limits() {
    let name = |bytes: usize| object(&element(Tag(0x0028, 0x0004), Vr::CS, &vec![b'A'; bytes]));
    let limits = Limits { text_value_bytes_max: 100, ..Limits::default() };
    assert_eq!(kind(read(&name(100), EXPLICIT, &limits)), None);
    assert_eq!(kind(read(&name(102), EXPLICIT, &limits)), Some(ErrorKind::Limit));
    let bytes = object(&[]);
    let limits = Limits { file_bytes_max: bytes.len() as u64, ..Limits::default() };
    assert_eq!(kind(read(&bytes, EXPLICIT, &limits)), None);
    let limits = Limits { file_bytes_max: bytes.len() as u64 - 1, ..Limits::default() };
    assert_eq!(kind(read(&bytes, EXPLICIT, &limits)), Some(ErrorKind::Limit));
    let fragments = |count: usize| {
        let mut bytes = b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF".to_vec();
        bytes.extend_from_slice(&b"\xFE\xFF\x00\xE0\0\0\0\0".repeat(count));
        bytes.extend_from_slice(b"\xFE\xFF\xDD\xE0\0\0\0\0");
        object(&bytes)
    };
    let limits = Limits { fragment_count_max: 10, ..Limits::default() };
    assert_eq!(kind(read(&fragments(10), EXPLICIT, &limits)), None);
    assert_eq!(kind(read(&fragments(11), EXPLICIT, &limits)), Some(ErrorKind::Limit));
}

#[test]
fn lying_lengths_are_refused_in_every_vr_and_syntax() {
    let limits = Limits::default();
    for length in [0xFFFF_FFFEu32, 0x7FFF_FFFF, 0x0001_0001, 13] {
        for vr in ["OB", "OW", "OD", "OF", "OL", "OV", "SQ", "UC", "UN", "UR", "UT", "SV", "UV"] {
            let mut bytes = b"\x41\x00\x01\x10".to_vec();
            bytes.extend_from_slice(vr.as_bytes());
            bytes.extend_from_slice(&[0, 0]);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&[0; 12]);
            let found = kind(read(&object(&bytes), EXPLICIT, &limits));
            assert_eq!(found, Some(ErrorKind::Malformed), "{vr} {length}");
        }
    }
    for vr in ["AE", "CS", "DS", "FD", "FL", "IS", "LO", "PN", "SH", "SL", "SS", "UI", "UL", "US"] {
        let bytes = [b"\x41\x00\x01\x10", vr.as_bytes(), &[0xFE, 0xFF, 0, 0]].concat();
        assert_eq!(kind(read(&object(&bytes), EXPLICIT, &limits)), Some(ErrorKind::Malformed), "{vr}");
        // Undefined length, 0xFFFF as a short length, is merely a lie too.
        let bytes = [b"\x41\x00\x01\x10", vr.as_bytes(), &[0xFF, 0xFF, 0, 0]].concat();
        assert_eq!(kind(read(&object(&bytes), EXPLICIT, &limits)), Some(ErrorKind::Malformed), "{vr}");
    }
    let implicit = b"\x08\x00\x16\x00\xFE\xFF\xFF\xFF1.2";
    assert_eq!(kind(read(implicit, IMPLICIT, &limits)), Some(ErrorKind::Malformed));
    let big = b"\x00\x08\x00\x16UI\xFF\xFE1.2";
    assert_eq!(kind(read(big, BIG, &limits)), Some(ErrorKind::Malformed));
}

#[test]
fn stray_delimiters_and_undefined_lengths_are_refused() {
    for bytes in [
        &b"\xFE\xFF\x0D\xE0\0\0\0\0"[..],
        b"\xFE\xFF\xDD\xE0\0\0\0\0",
        b"\xFE\xFF\x00\xE0\0\0\0\0",
        b"\x41\x00\x01\x10UT\0\0\xFF\xFF\xFF\xFFabcd",
        // A sequence that is never closed, an item in an item, a fragment of undefined length.
        b"\x40\x00\x30\xA7SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF",
        b"\x40\x00\x30\xA7SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x0D\xE0\0\0\0\0",
        b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF",
        b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\x00",
    ] {
        assert_eq!(kind(read(&object(bytes), EXPLICIT, &Limits::default())), Some(ErrorKind::Malformed), "{bytes:x?}");
    }
    // A value inside an item that reaches beyond it.
    let item = b"\x40\x00\x30\xA7SQ\0\0\x12\0\0\0\xFE\xFF\x00\xE0\x0A\0\0\0\x41\0\x01\x10LO\x0A\0ab";
    let padded = [&item[..], &element(Tag(0x0041, 0x1002), Vr::UN, &[0; 64])].concat();
    assert_eq!(kind(read(&object(&padded), EXPLICIT, &Limits::default())), Some(ErrorKind::Malformed));
}

#[test]
fn objects_without_identifiers_are_unidentifiable() {
    for (index, value) in [(0, &b"../../x\0"[..]), (1, b"/abs/x"), (2, b""), (3, b"1.2\x003.4\0")] {
        let tags = [Tag(8, 0x16), Tag(8, 0x18), Tag(0x20, 0xD), Tag(0x20, 0xE)];
        let mut bytes = Vec::new();
        for (at, tag) in tags.into_iter().enumerate() {
            bytes.extend(element(tag, Vr::UI, if at == index { value } else { b"2.25.1" }));
        }
        let found = read(&bytes, EXPLICIT, &Limits::default());
        assert_eq!(kind(found.clone()), Some(ErrorKind::Unidentifiable));
        assert!(!found.unwrap_err().to_string().contains("abs"), "the value must not be repeated");
    }
    assert_eq!(kind(read(&[], EXPLICIT, &Limits::default())), Some(ErrorKind::Unidentifiable));
    assert_eq!(
        kind(hilum_dicom::read_part10_header(b"GET / HTTP/1.1\r\n\r\n", &Limits::default())),
        Some(ErrorKind::Malformed)
    );
}

#[test]
fn executable_preambles_are_reported() {
    for head in [&b"MZ\x90\0"[..], b"\x7fELF", b"\xcf\xfa\xed\xfe", b"#!/bin/sh"] {
        let mut bytes = hilum_dicom::part10_header(&uid("1.2"), &uid("1.3"), &uid(EXPLICIT), None);
        bytes[..head.len()].copy_from_slice(head);
        bytes.extend(object(&[]));
        let scanned = hilum_dicom::read_part10_header(&bytes, &Limits::default()).unwrap();
        assert!(scanned.warnings.contains(&Warning::ExecutablePreamble));
        assert!(scanned.warnings.contains(&Warning::MetaMismatch));
    }
}

#[test]
fn meta_information_has_its_own_limit() {
    let with = |bytes: usize| {
        let mut file = hilum_dicom::part10_header(&uid("1.2"), &uid("2.25.10"), &uid(EXPLICIT), None);
        file.extend_from_slice(b"\x02\0\x02\x01OB\0\0");
        file.extend_from_slice(&(bytes as u32).to_le_bytes());
        file.extend_from_slice(&vec![0; bytes]);
        file.extend(object(&[]));
        file
    };
    let head = hilum_dicom::part10_header(&uid("1.2"), &uid("2.25.10"), &uid(EXPLICIT), None).len() - 132;
    let room = hilum_dicom::limits::META_BYTES_MAX as usize - head - 12;
    assert_eq!(kind(hilum_dicom::read_part10_header(&with(room), &Limits::default())), None);
    assert_eq!(kind(hilum_dicom::read_part10_header(&with(room + 1), &Limits::default())), Some(ErrorKind::Limit));
    let mut lying = with(0);
    let at = 132 + head + 8;
    lying[at..at + 4].copy_from_slice(&0xC000_0000u32.to_le_bytes());
    assert_eq!(kind(hilum_dicom::read_part10_header(&lying, &Limits::default())), Some(ErrorKind::Malformed));
}

fn deflate(bytes: &[u8], zeros: u64) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), zeros), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// The shortest of a few runs: that a machine stood still during one says nothing of the program.
fn shortest(work: impl Fn()) -> std::time::Duration {
    let timed = |_| {
        let start = std::time::Instant::now();
        work();
        start.elapsed()
    };
    (0..3).map(timed).min().unwrap()
}

/// Threat row 3: about 1 MB that inflates to 1 GiB.
#[test]
fn a_deflate_bomb_is_refused_quickly_and_in_little_memory() {
    let mut head = object(&[]);
    head.extend_from_slice(b"\x41\x00\x01\x10UN\0\0\0\0\0\x40");
    let bomb = deflate(&head, 1 << 30);
    assert!(bomb.len() < 6 << 20, "{}", bomb.len());
    let before = peak_bytes();
    let refused = || assert_eq!(kind(read(&bomb, DEFLATED, &Limits::default())), Some(ErrorKind::Limit));
    assert!(shortest(refused).as_secs() < 5);
    // Each test is a process of its own under nextest; elsewhere the peak belongs to all of them.
    if std::env::var_os("NEXTEST").is_some() {
        assert!(peak_bytes() - before < 16 << 20, "{}", peak_bytes() - before);
    }
    assert_eq!(
        kind(read_data_set(&bomb, Some(&uid(DEFLATED)), Bulk::Keep, &Limits::default())),
        Some(ErrorKind::Limit)
    );
}

#[test]
fn inflation_is_allowed_up_to_the_limits() {
    let data_set = object(&element(Tag(0x0041, 0x1001), Vr::UN, &[0; 50_000]));
    let deflated = deflate(&data_set, 0);
    let size = data_set.len() as u64;
    let limits = Limits { inflated_bytes_max: size, ..Limits::default() };
    assert_eq!(kind(read(&deflated, DEFLATED, &limits)), None);
    let limits = Limits { inflated_bytes_max: size - 1, ..Limits::default() };
    assert_eq!(kind(read(&deflated, DEFLATED, &limits)), Some(ErrorKind::Limit));
    let ratio = size.div_ceil(deflated.len() as u64);
    let limits = Limits { inflate_ratio_free_bytes: 0, inflate_ratio_max: ratio, ..Limits::default() };
    assert_eq!(kind(read(&deflated, DEFLATED, &limits)), None);
    let limits = Limits { inflate_ratio_max: ratio - 1, ..limits };
    assert_eq!(kind(read(&deflated, DEFLATED, &limits)), Some(ErrorKind::Limit));
    for cut in 0..deflated.len() {
        assert!(read(&deflated[..cut], DEFLATED, &Limits::default()).is_err());
    }
}

#[test]
fn pixel_sizes_are_checked_before_anything_is_allocated() {
    let image = |rows: u16, columns: u16, frames: &[u8], samples: u16| {
        let mut rest = element(Tag(0x0028, 0x0002), Vr::US, &samples.to_le_bytes());
        rest.extend(element(Tag(0x0028, 0x0004), Vr::CS, b"MONOCHROME2 "));
        rest.extend(element(Tag(0x0028, 0x0008), Vr::IS, frames));
        rest.extend(element(Tag(0x0028, 0x0010), Vr::US, &rows.to_le_bytes()));
        rest.extend(element(Tag(0x0028, 0x0011), Vr::US, &columns.to_le_bytes()));
        rest.extend(element(Tag(0x0028, 0x0100), Vr::US, &8u16.to_le_bytes()));
        rest.extend(element(Tag(0x7FE0, 0x0010), Vr::OB, &[0; 64]));
        object(&rest)
    };
    let open = |bytes: &[u8], limits: &Limits| {
        Image::open(bytes, Some(&uid(EXPLICIT)), limits).map(|image| image.description.frames)
    };
    assert_eq!(kind(open(&image(65_535, 65_535, b"1 ", 1), &Limits::default())), Some(ErrorKind::Limit));
    assert_eq!(kind(open(&image(1024, 1024, b"1000000 ", 1), &Limits::default())), Some(ErrorKind::Limit));
    let limits = Limits { frame_bytes_max: 64, pixel_bytes_max: 128, ..Limits::default() };
    assert_eq!(kind(open(&image(8, 8, b"2 ", 1), &limits)), None);
    assert_eq!(kind(open(&image(8, 9, b"1 ", 1), &limits)), Some(ErrorKind::Limit));
    assert_eq!(kind(open(&image(8, 8, b"3 ", 1), &limits)), Some(ErrorKind::Limit));
    // More pixels declared than there are.
    let bytes = image(8, 8, b"2 ", 1);
    let two = Image::open(&bytes, Some(&uid(EXPLICIT)), &limits).unwrap();
    assert!(two.frame(0).is_ok());
    assert_eq!(kind(two.frame(1)), Some(ErrorKind::Malformed));
    assert_eq!(kind(two.frame(2)), Some(ErrorKind::Absent));
}

/// A compressed object of `size` x `size` pixels with one frame of these bytes.
fn compressed(size: u16, coded: &[u8]) -> Vec<u8> {
    let mut rest = element(Tag(0x0028, 0x0002), Vr::US, &1u16.to_le_bytes());
    rest.extend(element(Tag(0x0028, 0x0010), Vr::US, &size.to_le_bytes()));
    rest.extend(element(Tag(0x0028, 0x0011), Vr::US, &size.to_le_bytes()));
    rest.extend(element(Tag(0x0028, 0x0100), Vr::US, &8u16.to_le_bytes()));
    rest.extend_from_slice(b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0");
    rest.extend_from_slice(&(coded.len() as u32).to_le_bytes());
    rest.extend_from_slice(coded);
    rest.extend_from_slice(b"\xFE\xFF\xDD\xE0\0\0\0\0");
    object(&rest)
}

#[test]
fn frames_that_would_grow_too_much_are_refused() {
    let limits = Limits { frame_ratio_free_bytes: 0, frame_ratio_max: 64, ..Limits::default() };
    let rle = |length: usize| {
        let mut coded = vec![1, 0, 0, 0, 64];
        // Each pair repeats a byte 128 times.
        coded.resize(64, 0);
        coded.extend(b"\x81\x07".repeat((length - 64) / 2));
        coded
    };
    let frame = |size: u16, length: usize, limits: &Limits| {
        let bytes = compressed(size, &rle(length));
        Image::open(&bytes, Some(&uid("1.2.840.10008.1.2.5")), limits).and_then(|image| image.frame(0))
    };
    // 96 x 96 pixels from 144 bytes: exactly 64 to 1, and the runs fill half of them.
    assert_eq!(kind(frame(96, 144, &limits)), Some(ErrorKind::Malformed));
    assert_eq!(kind(frame(96, 142, &limits)), Some(ErrorKind::Limit));
    assert_eq!(kind(frame(64, 128, &limits)), None);
    assert_eq!(kind(frame(16_000, 1_000, &Limits::default())), Some(ErrorKind::Limit));
}

/// A codestream of a few bytes must not make its decoder build millions of precincts, layers or tiles.
#[test]
fn small_codestreams_with_huge_structure_are_refused() {
    let codestream = |tile: u32, layers: u16, precinct: u8| {
        let mut bytes = b"\xFF\x4F\xFF\x51\x00\x29\0\0".to_vec();
        for word in [8000u32, 8000, 0, 0, tile, tile, 0, 0] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.extend_from_slice(b"\x00\x01\x07\x01\x01\xFF\x52\x00\x12\x01\x00");
        bytes.extend_from_slice(&layers.to_be_bytes());
        bytes.extend_from_slice(&[0, 5, 4, 4, 0, 1]);
        bytes.extend_from_slice(&[precinct; 6]);
        bytes
            .extend_from_slice(b"\xFF\x5C\x00\x13\x40\x40\x48\x48\x50\x48\x48\x50\x48\x48\x50\x48\x48\x50\x48\x48\x50");
        bytes.extend_from_slice(b"\xFF\x90\x00\x0A\0\0\0\0\0\x0E\x00\x01\xFF\x93\xFF\xD9");
        bytes
    };
    for (tile, layers, precinct) in [(8000, 1, 0x00), (8000, 65_535, 0x66), (20, 1, 0xFF), (8000, 1, 0x11)] {
        let bytes = compressed(8000, &codestream(tile, layers, precinct));
        let image = Image::open(&bytes, Some(&uid("1.2.840.10008.1.2.4.90")), &Limits::default()).unwrap();
        let refused = || assert_eq!(kind(image.frame(0)), Some(ErrorKind::Malformed), "{tile} {layers} {precinct}");
        assert!(shortest(refused).as_millis() < 1_000);
    }
}

/// Small files of every kind: native, implicit, big endian, deflated, compressed, structured reports.
fn samples() -> Vec<Vec<u8>> {
    let mut files: Vec<(u64, Vec<u8>)> =
        corpus::entries().map(|(entry, bytes)| (entry["bytes"].as_u64().unwrap(), bytes)).collect();
    files.sort_by_key(|(size, _)| *size);
    files.into_iter().map(|(_, bytes)| bytes).filter(|bytes| 300 < bytes.len()).step_by(4).take(20).collect()
}

fn exercise(bytes: &[u8]) {
    let limits = Limits { frame_bytes_max: 16 << 20, pixel_bytes_max: 64 << 20, ..Limits::default() };
    let _ = hilum_dicom::read_part10_header(bytes, &limits);
    let _ = read_header_prefix_half(bytes, &limits);
    if let Ok(read) = read_data_set(bytes, None, Bulk::Keep, &limits) {
        let _ = read.data_set.to_part10_bytes();
        for (tag, _) in read.data_set.iter() {
            let _ = (read.data_set.strings(tag), read.data_set.numbers(tag));
        }
    }
    if let Ok(image) = Image::open(bytes, None, &limits) {
        for frame in 0..image.description.frames.min(2) {
            let _ = image.frame(frame);
        }
    }
}

fn read_header_prefix_half(bytes: &[u8], limits: &Limits) -> Result<hilum_dicom::Scanned, DicomError> {
    hilum_dicom::read_header_prefix(&bytes[..bytes.len() / 2], bytes.len() as u64, None, limits)
}

/// R9: every truncation point of 20 files.
#[test]
fn no_truncation_panics() {
    for bytes in samples() {
        for cut in 0..bytes.len() {
            let limits = Limits::default();
            let _ = hilum_dicom::read_part10_header(&bytes[..cut], &limits);
            let _ = hilum_dicom::read_header_prefix(&bytes[..cut], bytes.len() as u64, None, &limits);
            if cut % 64 == 0 {
                exercise(&bytes[..cut]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_panics(
        file in 0usize..20,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..24),
        cut in any::<proptest::sample::Index>(),
    ) {
        let files = SAMPLES.with(|samples| samples.clone());
        if let Some(bytes) = files.get(file) {
            let mut bytes = bytes.clone();
            for (place, value) in changes {
                // Half of the changes go into the first kilobytes, where the structure is.
                let reach = if value % 2 == 0 { bytes.len() } else { bytes.len().min(2048) };
                let at = place.index(reach);
                bytes[at] = value;
            }
            if cut.index(4) == 0 {
                bytes.truncate(cut.index(bytes.len()));
            }
            exercise(&bytes);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        for syntax in [IMPLICIT, EXPLICIT, BIG, DEFLATED] {
            let _ = read(&bytes, syntax, &Limits::default());
        }
        exercise(&bytes);
    }

    #[test]
    fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), number in 0usize..18) {
        let terms = ["ISO_IR 6", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127",
            "ISO_IR 126", "ISO_IR 138", "ISO_IR 148", "ISO_IR 203", "ISO_IR 13", "ISO_IR 166", "ISO_IR 192", "GB18030",
            "GBK", "ISO 2022 IR 87", "ISO 2022 IR 149"];
        let (set, _) = hilum_dicom::CharacterSet::from_terms(&[terms[number].to_owned()]);
        for vr in [Vr::PN, Vr::LO, Vr::LT] {
            let _ = hilum_dicom::decode_text(&bytes, vr, set);
        }
    }
}

thread_local! {
    static SAMPLES: Vec<Vec<u8>> = samples();
}
