//! The intake's one pass over a received object: bounds, structure, identifiers and the attributes the catalog keeps.

use crate::dictionary::{is_text, vr_of};
use crate::error::{Warning, Warnings};
use crate::limits::{Limits, check};
use crate::part10::{self, Meta, Opened};
use crate::source::{InflateSource, SliceSource, Source};
use crate::syntax::Encoding;
use crate::text::{self, CharacterSet};
use crate::walk::{Token, Walker};
use crate::{DicomError, Tag, Vr, tags};
use hilum_types::{InstanceHeader, Phi, Uid, attribute};
use std::collections::BTreeMap;
use std::ops::Range;

/// What one pass found.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    /// Identifiers and kept attributes.
    pub header: InstanceHeader,
    /// File meta information; empty for a bare data set.
    pub meta: Meta,
    /// Where the data set starts in the bytes given.
    pub data_set_offset: usize,
    /// Where the pixel data are.
    pub pixel_data: Option<PixelDataLocation>,
    /// How the object deviates from the standard.
    pub warnings: Vec<Warning>,
}

/// Place of Pixel Data, Float Pixel Data or Double Float Pixel Data at the top level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PixelDataLocation {
    /// One value, at this place in the bytes given, or in the inflated data set when that is deflated.
    Native(Range<u64>),
    /// Encapsulated, with this many fragments after the offset table.
    Encapsulated {
        /// Fragments, the Basic Offset Table not counted.
        fragments: u64,
    },
}

/// Read the header of a received object.
///
/// With `transfer_syntax` the bytes are a bare data set, as C-STORE carries it; without, a Part 10 file, where a
/// missing preamble or missing meta information is tolerated when the rest looks like DICOM.
/// Nothing is decoded, and memory use does not depend on declared lengths.
///
/// # Errors
/// Every [`crate::ErrorKind`] but `Absent`, `Unsupported` and `InvalidValue`.
pub fn read_header(bytes: &[u8], transfer_syntax: Option<&Uid>, limits: &Limits) -> Result<Scanned, DicomError> {
    read_header_prefix(bytes, bytes.len() as u64, transfer_syntax, limits)
}

/// As [`read_header`] for a Part 10 file.
///
/// # Errors
/// As [`read_header`].
pub fn read_part10_header(bytes: &[u8], limits: &Limits) -> Result<Scanned, DicomError> {
    read_header(bytes, None, limits)
}

/// As [`read_header`] from the first bytes of an object of `total_bytes`.
///
/// Native pixel data at the end of the object need not be at hand; their declared length is held against `total_bytes`.
///
/// # Errors
/// As [`read_header`]; [`DicomError::MoreBytesNeeded`] when the prefix is not enough, as for encapsulated or deflated
/// objects.
pub fn read_header_prefix(
    prefix: &[u8],
    total_bytes: u64,
    transfer_syntax: Option<&Uid>,
    limits: &Limits,
) -> Result<Scanned, DicomError> {
    check("bytes of the object", total_bytes, limits.file_bytes_max)?;
    let mut warnings = Warnings::default();
    let complete = prefix.len() as u64 == total_bytes;
    let opened = match part10::open(prefix, transfer_syntax, limits, &mut warnings) {
        Err(DicomError::Truncated { .. } | DicomError::NotDicom) if !complete => {
            return Err(DicomError::MoreBytesNeeded);
        }
        opened => opened?,
    };
    let encoding = opened.encoding();
    if opened.transfer_syntax.deflated {
        if !complete {
            return Err(DicomError::MoreBytesNeeded);
        }
        let source = InflateSource::new(&prefix[opened.data_set_offset..], limits);
        return scan(Walker::new(source, encoding, limits)?, opened, warnings, limits);
    }
    let source = SliceSource::new(prefix, opened.data_set_offset, total_bytes);
    scan(Walker::new(source, encoding, limits)?, opened, warnings, limits)
}

/// A kept value as it stands in the data set.
struct Kept {
    vr: Vr,
    encoding: Encoding,
    bytes: Vec<u8>,
}

/// Attributes also taken from the Shared Functional Groups of enhanced objects when the top level lacks them.
const SHARED: [Tag; 7] = [
    tags::PIXEL_SPACING,
    tags::SLICE_THICKNESS,
    tags::SPACING_BETWEEN_SLICES,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::CONVOLUTION_KERNEL,
];

fn scan<S: Source>(
    mut walker: Walker<'_, S>,
    opened: Opened,
    mut warnings: Warnings,
    limits: &Limits,
) -> Result<Scanned, DicomError> {
    let mut kept: BTreeMap<Tag, Kept> = BTreeMap::new();
    let mut shared: BTreeMap<Tag, Kept> = BTreeMap::new();
    let mut root_sequence = None;
    let mut fragments = None;
    let mut native = None;
    while let Some(token) = walker.next()? {
        match token {
            Token::SequenceStart { tag } if walker.depth() == 1 => root_sequence = Some(tag),
            Token::FragmentsStart { tag, .. } if walker.depth() == 0 && is_pixel_data(tag) => fragments = Some(0u64),
            Token::Fragment { .. } if walker.depth() == 0 => fragments = fragments.map(|count| count + 1),
            Token::Element { tag, length, offset, .. } if walker.depth() == 0 && is_pixel_data(tag) => {
                native = Some(offset..offset + u64::from(length));
            }
            Token::Element { tag, vr, length, encoding, .. } => {
                let store = match (walker.depth(), root_sequence) {
                    (0, _) if is_kept(tag) => &mut kept,
                    (2, Some(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)) if SHARED.contains(&tag) => &mut shared,
                    _ => continue,
                };
                if store.contains_key(&tag) {
                    walker.warnings.add(Warning::DuplicateElement);
                    continue;
                }
                check("bytes of a kept attribute", u64::from(length), limits.text_value_bytes_max)?;
                let mut bytes = Vec::with_capacity(length as usize);
                walker.read_value(&mut bytes)?;
                store.insert(tag, Kept { vr, encoding, bytes });
            }
            _ => {}
        }
    }
    for (tag, value) in shared {
        kept.entry(tag).or_insert(value);
    }
    let pixel_data = match (native, fragments) {
        (Some(range), _) => Some(PixelDataLocation::Native(range)),
        (None, Some(count)) => Some(PixelDataLocation::Encapsulated { fragments: count.saturating_sub(1) }),
        (None, None) => None,
    };
    let header = instance_header(&kept, &opened, &mut warnings)?;
    if opened.meta.sop_instance_uid.as_ref().is_some_and(|uid| *uid != header.sop_instance_uid) {
        warnings.add(Warning::MetaMismatch);
    }
    let mut all = walker.warnings;
    warnings.into_vec().into_iter().for_each(|warning| all.add(warning));
    Ok(Scanned {
        header,
        meta: opened.meta,
        data_set_offset: opened.data_set_offset,
        pixel_data,
        warnings: all.into_vec(),
    })
}

fn is_pixel_data(tag: Tag) -> bool {
    matches!(tag, tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA)
}

fn is_kept(tag: Tag) -> bool {
    matches!(tag, tags::SOP_CLASS_UID | tags::SOP_INSTANCE_UID)
        || attribute::ALL.iter().any(|&(_, group, element)| Tag(group, element) == tag)
}

fn instance_header(
    kept: &BTreeMap<Tag, Kept>,
    opened: &Opened,
    warnings: &mut Warnings,
) -> Result<InstanceHeader, DicomError> {
    let terms = kept
        .get(&tags::SPECIFIC_CHARACTER_SET)
        .map(|value| text::decode(&value.bytes, Vr::CS, CharacterSet::default()).0)
        .unwrap_or_default();
    let (set, known) = CharacterSet::from_terms(&terms);
    if !known {
        warnings.add(Warning::UnknownCharacterSet);
    }
    let mut attributes = BTreeMap::new();
    for &(keyword, group, element) in attribute::ALL {
        let tag = Tag(group, element);
        if let Some(value) = kept.get(&tag) {
            let (values, replaced) = value_texts(tag, value, set);
            if replaced {
                warnings.add(Warning::UndecodableText);
            }
            attributes.insert(keyword.to_owned(), Phi::new(values));
        }
    }
    Ok(InstanceHeader {
        sop_instance_uid: identifier(kept, tags::SOP_INSTANCE_UID, "SOPInstanceUID")?,
        sop_class_uid: identifier(kept, tags::SOP_CLASS_UID, "SOPClassUID")?,
        transfer_syntax_uid: opened.transfer_syntax_uid.clone(),
        study_instance_uid: identifier(kept, tags::STUDY_INSTANCE_UID, "StudyInstanceUID")?,
        series_instance_uid: identifier(kept, tags::SERIES_INSTANCE_UID, "SeriesInstanceUID")?,
        attributes,
    })
}

fn identifier(kept: &BTreeMap<Tag, Kept>, tag: Tag, attribute: &'static str) -> Result<Uid, DicomError> {
    let Some(value) = kept.get(&tag) else {
        return Err(DicomError::Unidentifiable { attribute, reason: "is absent" });
    };
    text::ascii(&value.bytes)
        .trim_matches([' ', '\0'])
        .parse()
        .map_err(|_| DicomError::Unidentifiable { attribute, reason: "is not a UID" })
}

fn value_texts(tag: Tag, value: &Kept, set: CharacterSet) -> (Vec<String>, bool) {
    let standard = vr_of(tag);
    // UN and a wrong VR for a text attribute occur; the dictionary knows better.
    let vr = if value.vr == Vr::UN || (is_text(standard) && !is_text(value.vr)) { standard } else { value.vr };
    if is_text(vr) {
        return text::decode(&value.bytes, vr, set);
    }
    (crate::number::texts(&value.bytes, vr, value.encoding.big_endian), false)
}
