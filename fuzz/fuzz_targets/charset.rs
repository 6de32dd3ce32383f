//! Text in every character set: two bytes choose the set and the VR, the rest is the value.
#![no_main]

use hilum_dicom::{CharacterSet, Vr, decode_text};
use libfuzzer_sys::fuzz_target;

const TERMS: [&str; 20] = [
    "", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127", "ISO_IR 126", "ISO_IR 138",
    "ISO_IR 148", "ISO_IR 203", "ISO_IR 13", "ISO_IR 166", "ISO_IR 192", "GB18030", "GBK", "ISO 2022 IR 87",
    "ISO 2022 IR 159", "ISO 2022 IR 149", "ISO 2022 IR 58",
];

fuzz_target!(|input: &[u8]| {
    let &[term, vr, ref value @ ..] = input else { return };
    let (set, _) = CharacterSet::from_terms(&[TERMS[usize::from(term) % TERMS.len()].to_owned()]);
    let vr = [Vr::PN, Vr::LO, Vr::LT, Vr::UT][usize::from(vr) % 4];
    let (values, _) = decode_text(value, vr, set);
    // No byte becomes more than U+FFFD, which takes three.
    assert!(values.iter().map(String::len).sum::<usize>() <= 3 * value.len());
    // The mark that stands for a delimiter while decoding never comes out.
    assert!(values.iter().all(|value| !value.contains('\u{FFFE}')) || vr == Vr::LT || vr == Vr::UT);
});
