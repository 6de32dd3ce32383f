//! Text in every character set, as pydicom 3.0.2 decodes its own test files `chr*.dcm`.

use crate::corpus;
use hilum_dicom::{Bulk, CharacterSet, DataSet, Limits, Vr, decode_text, read_data_set, tags};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn set(terms: &[&str]) -> CharacterSet {
    CharacterSet::from_terms(&terms.iter().map(|&term| term.to_owned()).collect::<Vec<_>>()).0
}

/// File of pydicom, its Specific Character Set, the raw value of a name and what pydicom makes of it.
const NAMES: &[(&str, &[&str], &str, &[&str])] = &[
    ("chrArab", &["ISO_IR 127"], "e2c8c7e6ea5ee4e6d2c7d120", &["قباني^لنزار"]),
    ("chrFren", &["ISO_IR 100"], "4275635e4ae972f46d65", &["Buc^Jérôme"]),
    ("chrFrenMulti", &["ISO_IR 100"], "4275635e4ae972f46d655c4275635e4ae972f46d6520", &["Buc^Jérôme", "Buc^Jérôme"]),
    ("chrGerm", &["ISO_IR 100"], "c46e6561735e52fc646967657220", &["Äneas^Rüdiger"]),
    ("chrGreek", &["ISO_IR 126"], "c4e9efedf5f3e9eff220", &["Διονυσιος"]),
    (
        "chrH31",
        &["", "ISO 2022 IR 87"],
        "59616d6164615e5461726f753d1b24423b3345441b28425e1b244242404f3a1b28423d1b24422464245e24401b28425e1b2442243f246d24261b2842",
        &["Yamada^Tarou=山田^太郎=やまだ^たろう"],
    ),
    (
        "chrH32",
        &["ISO 2022 IR 13", "ISO 2022 IR 87"],
        "d4cfc0de5ec0dbb33d1b24423b3345441b284a5e1b244242404f3a1b284a3d1b24422464245e24401b284a5e1b2442243f246d24261b284a",
        &["ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"],
    ),
    ("chrHbrw", &["ISO_IR 138"], "f9f8e5ef5ee3e1e5f8e4", &["שרון^דבורה"]),
    (
        "chrI2",
        &["", "ISO 2022 IR 149"],
        "486f6e675e47696c646f6e673d1b242943fbf35e1b242943d1ced4d73d1b242943c8ab5e1b242943b1e6b5bf",
        &["Hong^Gildong=洪^吉洞=홍^길동"],
    ),
    (
        "chrJapMulti",
        &["", "ISO 2022 IR 87"],
        "1b24422464245e24401b28425e1b2442243f246d24261b28425c1b24422464245e24401b28425e1b2442243f246d24261b284220",
        &["やまだ^たろう", "やまだ^たろう"],
    ),
    (
        "chrJapMultiExplicitIR6",
        &["ISO 2022 IR 6", "ISO 2022 IR 87"],
        "1b24422464245e24401b28425e1b2442243f246d24261b284220",
        &["やまだ^たろう"],
    ),
    (
        "chrKoreanMulti",
        &["", "ISO 2022 IR 149"],
        "1b242943b1e8c8f1c1df1b28425c1b242943b1e8c8f1c1df1b284220",
        &["김희중", "김희중"],
    ),
    ("chrRuss", &["ISO_IR 144"], "bbeeda6365dcd17970d3", &["Люкceмбypг"]),
    (
        "chrSQEncoding",
        &["ISO 2022 IR 13", "ISO 2022 IR 87"],
        "d4cfc0de5ec0dbb33d1b24423b3345441b28425e1b244242404f3a1b28423d1b24422464245e24401b28425e1b2442243f246d24261b2842",
        &["ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"],
    ),
    ("chrX1", &["ISO_IR 192"], "57616e675e5869616f446f6e673de78e8b5ee5b08fe69db13d20", &["Wang^XiaoDong=王^小東"]),
    ("chrX2", &["GB18030"], "57616e675e5869616f446f6e673dcdf55ed0a1b6ab3d", &["Wang^XiaoDong=王^小东"]),
];

#[test]
fn names_decode_as_the_reference_does() {
    for (file, terms, raw, expected) in NAMES {
        let (values, replaced) = decode_text(&bytes(raw), Vr::PN, set(terms));
        assert!(values == *expected && !replaced, "{file} {values:?}");
    }
}

/// The files themselves, as far as the corpus has them, sequences with a character set of their own included.
#[test]
fn files_of_the_corpus_decode_as_the_reference_does() {
    let Some(root) = corpus::root() else { return };
    let folder = root.join("../deid/public/pydicom");
    let mut seen = 0;
    for (file, _, _, expected) in NAMES {
        let Ok(bytes) = std::fs::read(folder.join(format!("{file}.dcm"))) else { continue };
        let read = read_data_set(&bytes, None, Bulk::LeaveOut, &Limits::default()).unwrap();
        let holder = if *file == "chrSQEncoding" {
            read.data_set.item(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE).unwrap()
        } else {
            &read.data_set
        };
        assert_eq!(holder.string(tags::PATIENT_NAME).as_deref(), Some(expected[0]), "{file}");
        seen += 1;
    }
    assert_eq!(seen, 9);
}

/// Text values with line ends and several escapes: code extensions end with the line (PS3.5 section 6.1.2.5.3).
#[test]
fn code_extensions_end_at_delimiters() {
    let korean = set(&["", "ISO 2022 IR 149"]);
    let (values, replaced) = decode_text(b"\x1b$)C\xb1\xe8\r\n\xe9", Vr::LT, korean);
    assert_eq!((values, replaced), (vec!["김\r\né".to_owned()], false));
    let (values, _) = decode_text(b"\x1b$)C\xb1\xe8\\\xe9", Vr::LO, korean);
    assert_eq!(values, ["김", "é"]);
}

#[test]
fn bytes_0x5c_inside_a_character_are_no_delimiter() {
    // GBK 0x81 0x5C is U+4E57.
    assert_eq!(decode_text(b"\x81\x5c", Vr::LO, set(&["GBK"])).0, ["\u{4e57}"]);
    // JIS X 0208 0x3D5C has 0x5C as its second byte.
    assert_eq!(decode_text(b"\x1b$B\x3d\x5c\x1b(B", Vr::LO, set(&["", "ISO 2022 IR 87"])).0, ["旬"]);
}

/// Values of the right-hand halves, from Python's codecs: iso8859_2, 3, 4, 5, 6, 7, 8, 9, 15 and tis_620.
#[test]
fn single_byte_sets_agree_with_independent_tables() {
    for (term, raw, expected) in [
        ("ISO_IR 101", "a1b1c8e8ff", "Ąą\u{10c}\u{10d}˙"),
        ("ISO_IR 109", "a1b1c6e6ff", "Ħħ\u{108}\u{109}˙"),
        ("ISO_IR 110", "a1b1c8e8ff", "Ąą\u{10c}\u{10d}˙"),
        ("ISO_IR 148", "d0dddef0fdfe", "ĞİŞğış"),
        ("ISO_IR 203", "a4a6bcbe", "€ŠŒŸ"),
        ("ISO_IR 166", "a1d2fb", "กา๛"),
        ("ISO_IR 13", "b1b2dd", "ｱｲﾝ"),
    ] {
        assert_eq!(decode_text(&bytes(raw), Vr::LO, set(&[term])).0, [expected], "{term}");
    }
    assert_eq!(decode_text(b"\x1b$)A\xcd\xf5", Vr::LO, set(&["", "ISO 2022 IR 58"])).0, ["王"]);
    // JIS X 0212 0x3021 is U+4E02.
    assert_eq!(decode_text(b"\x1b$(D\x30\x21\x1b(B", Vr::LO, set(&["", "ISO 2022 IR 159"])).0, ["\u{4e02}"]);
}

#[test]
fn what_cannot_be_decoded_is_marked() {
    for (raw, terms) in [
        (&b"a\x1b"[..], ["", "ISO 2022 IR 87"]),
        (b"\x1b$B\x21", ["", "ISO 2022 IR 87"]),
        (b"\x1b$)C\xb1", ["", "ISO 2022 IR 149"]),
        (b"\xff\xfe", ["ISO_IR 192", ""]),
        (b"\x1bZ", ["", ""]),
    ] {
        let (values, replaced) = decode_text(raw, Vr::LO, set(&terms));
        assert!(replaced && values[0].contains('\u{FFFD}'), "{raw:?} {values:?}");
    }
}

#[test]
fn text_of_every_script_is_written_as_utf_8() {
    let mut data_set = DataSet::new();
    data_set.put(tags::PATIENT_NAME, "Yamada^Tarou=山田^太郎").put(tags::PATIENT_ID, "1");
    let written = data_set.to_bytes(hilum_dicom::Encoding::EXPLICIT_LITTLE).unwrap();
    let uid = hilum_dicom::EXPLICIT_VR_LITTLE_ENDIAN.parse().unwrap();
    let read = read_data_set(&written, Some(&uid), Bulk::Keep, &Limits::default()).unwrap().data_set;
    assert_eq!(read.string(tags::SPECIFIC_CHARACTER_SET).as_deref(), Some("ISO_IR 192"));
    assert_eq!(read.string(tags::PATIENT_NAME).as_deref(), Some("Yamada^Tarou=山田^太郎"));
}
