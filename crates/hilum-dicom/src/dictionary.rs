//! The data dictionary of PS3.6.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

/// Value representation of a standard attribute; `UN` for private and unknown ones. Where PS3.6 leaves a choice,
/// the unsigned or word form is taken.
pub fn vr_of(tag: Tag) -> VR {
    match StandardDataDictionary.by_tag(tag).map(|entry| entry.vr()) {
        None => VR::UN,
        Some(VirtualVr::Exact(vr)) => vr,
        Some(VirtualVr::Xs) => VR::US,
        Some(_) => VR::OW,
    }
}

/// Keyword of a standard attribute.
pub fn keyword_of(tag: Tag) -> Option<&'static str> {
    StandardDataDictionary.by_tag(tag).map(|entry| entry.alias())
}

/// Tag of a standard attribute by its keyword.
pub fn tag_of(keyword: &str) -> Option<Tag> {
    StandardDataDictionary.by_name(keyword).map(|entry| entry.tag.inner())
}

/// Bytes of one number of this VR, 1 for text and plain bytes.
pub(crate) fn unit_bytes(vr: VR) -> usize {
    match vr {
        VR::US | VR::SS | VR::OW | VR::AT => 2,
        VR::UL | VR::SL | VR::FL | VR::OF | VR::OL => 4,
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
        _ => 1,
    }
}

/// VRs whose explicit form has a 32-bit length (PS3.5 table 7.1-1).
pub(crate) fn has_long_length(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SQ
            | VR::SV
            | VR::UC
            | VR::UN
            | VR::UR
            | VR::UT
            | VR::UV
    )
}

/// VRs whose text depends on Specific Character Set (PS3.5 section 6.1.2.2).
pub(crate) fn uses_character_set(vr: VR) -> bool {
    matches!(vr, VR::SH | VR::LO | VR::ST | VR::LT | VR::UC | VR::UT | VR::PN)
}

/// VRs whose value is text.
pub(crate) fn is_text(vr: VR) -> bool {
    uses_character_set(vr)
        || matches!(vr, VR::AE | VR::AS | VR::CS | VR::DA | VR::DS | VR::DT | VR::IS | VR::TM | VR::UI | VR::UR)
}

/// Values that are not part of the header: pixels, waveforms, spectra, documents.
pub(crate) fn is_bulk(tag: Tag) -> bool {
    matches!(
        tag,
        Tag(0x7FE0, 0x0001..=0xFFFF)
            | Tag(0x5400, 0x1010)
            | Tag(0x5600, 0x0020)
            | Tag(0x0042, 0x0011)
            | Tag(0x0066, 0x0016..=0x0024)
    )
}
