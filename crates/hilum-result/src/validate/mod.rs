//! The check of every object before it leaves (AV-15): it reads the bytes back and trusts nothing of the encoder.

mod assessment;
mod content;
mod pixels;
mod references;
mod rejection;
mod rules;

use crate::attribute as a;
use crate::common::{IDENTITY, copied};
use crate::request::ResultKind;
use hilum_dicom::{Bulk, DataSet, EXPLICIT_VR_LITTLE_ENDIAN, Limits, Tag, Value, Vr, keyword_of, read_data_set, vr_of};
use hilum_types::{ImageReference, InstanceHeader};
use std::fmt;

/// What an object may refer to, and whose identity it must carry.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Headers of the source images, for a rejection note or an assessment report those of the rejected or assessed
    /// objects; the first lends patient and study identity.
    pub source: &'a [&'a InstanceHeader],
    /// Objects of the same result, such as the segmentation a report points at, and the predecessor of a document.
    pub results: &'a [ImageReference],
}

/// One rule that an object breaks. It names attributes, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Keyword of the attribute, after those of the sequences around it.
    pub attribute: String,
    /// What it should be.
    pub rule: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.attribute, self.rule)
    }
}

/// Violations as they are found.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, path: &[Tag], rule: &'static str) {
        let keyword = |tag: &Tag| keyword_of(*tag).map_or_else(|| tag.to_string(), str::to_owned);
        let attribute = path.iter().map(keyword).collect::<Vec<_>>().join(" > ");
        let violation = Violation { attribute, rule };
        // The same fault in 300 items is one fault.
        if !self.0.contains(&violation) {
            self.0.push(violation);
        }
    }

    fn require(&mut self, holds: bool, path: &[Tag], rule: &'static str) {
        if !holds {
            self.add(path, rule);
        }
    }
}

/// Bounds for our own objects: a segmentation of many frames has more elements than a received image may have.
fn limits() -> Limits {
    Limits { element_count_max: 20_000_000, header_bytes_max: 1 << 30, ..Limits::default() }
}

/// Check a finished object: encoding, module attributes, identity, references, codes, content tree, pixel data.
///
/// # Errors
/// Every rule it breaks, in no more than one entry for each attribute and rule.
pub fn validate(part10: &[u8], scope: &Scope<'_>) -> Result<(), Vec<Violation>> {
    let mut found = Findings::default();
    match read_data_set(part10, None, Bulk::Keep, &limits()) {
        Err(_) => found.add(&[], "the object cannot be read back"),
        Ok(read) => {
            let canonical = read.transfer_syntax_uid.as_str() == EXPLICIT_VR_LITTLE_ENDIAN;
            found.require(canonical, &[], "the transfer syntax is not Explicit VR Little Endian");
            found.require(read.warnings.is_empty(), &[], "the encoding deviates from PS3.5 or PS3.10");
            encoding(&read.data_set, part10, &mut found);
            object(&read.data_set, scope, &mut found);
        }
    }
    if found.0.is_empty() { Ok(()) } else { Err(found.0) }
}

/// Every value conforms with its VR, and nothing is in the file that its data set does not hold.
fn encoding(data_set: &DataSet, part10: &[u8], found: &mut Findings) {
    match data_set.to_part10_bytes() {
        Ok(bytes) => found.require(bytes == part10, &[], "the bytes are not those of the data set in canonical form"),
        Err(hilum_dicom::DicomError::InvalidValue { tag, .. }) => found.add(&[tag], "does not conform with its VR"),
        Err(_) => found.add(&[], "the object cannot be written again"),
    }
}

fn object(data_set: &DataSet, scope: &Scope<'_>, found: &mut Findings) {
    let class = data_set.uid(a::SOP_CLASS_UID);
    let kinds = [
        ResultKind::StructuredReport,
        ResultKind::Segmentation,
        ResultKind::KeyImage,
        ResultKind::RejectionNote,
        ResultKind::AssessmentReport,
    ];
    let Some(kind) = kinds.into_iter().find(|kind| class.as_ref() == Some(&kind.sop_class_uid())) else {
        found.add(&[a::SOP_CLASS_UID], "is none of those written here");
        return;
    };
    rules::apply(kind, data_set, found);
    identity(data_set, scope, found);
    walk(data_set, &mut Vec::new(), found);
    references::check(data_set, scope, found);
    match kind {
        ResultKind::StructuredReport => content::check(data_set, found),
        ResultKind::Segmentation => pixels::segmentation(data_set, found),
        ResultKind::KeyImage => pixels::key_image(data_set, found),
        ResultKind::RejectionNote => rejection::check(data_set, scope, found),
        ResultKind::AssessmentReport => assessment::check(data_set, scope, found),
    }
}

/// Patient and study are those of the source; the object itself is new (AV-22).
fn identity(data_set: &DataSet, scope: &Scope<'_>, found: &mut Findings) {
    let Some(source) = scope.source.first() else {
        found.add(&[], "there is no source image to compare with");
        return;
    };
    for (tag, required) in IDENTITY {
        let text = |set: &DataSet| set.strings(*tag).map(|values| values.join("\\"));
        // Through the same reader, because trailing spaces are not significant.
        let mut expected = DataSet::new();
        if let Some(value) = copied(source, *tag) {
            expected.put(*tag, value);
        } else if *required {
            expected.put_empty(*tag);
        }
        let equal = text(data_set) == text(&expected);
        found.require(equal, &[*tag], "differs from the source");
    }
    let same_study = data_set.uid(a::STUDY_INSTANCE_UID).as_ref() == Some(&source.study_instance_uid);
    found.require(same_study, &[a::STUDY_INSTANCE_UID], "differs from the source");
    let instance = data_set.uid(a::SOP_INSTANCE_UID);
    let is_new = scope.source.iter().all(|header| Some(&header.sop_instance_uid) != instance.as_ref());
    found.require(is_new, &[a::SOP_INSTANCE_UID], "is that of a source image");
    let series = data_set.uid(a::SERIES_INSTANCE_UID);
    let own_series = scope.source.iter().all(|header| Some(&header.series_instance_uid) != series.as_ref());
    found.require(own_series, &[a::SERIES_INSTANCE_UID], "is that of a source series");
}

/// VR and codes of every element, at any depth. The height of the tree was bounded by the reader.
fn walk(data_set: &DataSet, path: &mut Vec<Tag>, found: &mut Findings) {
    for (tag, element) in data_set.iter() {
        path.push(tag);
        let as_in_dictionary = element.vr == vr_of(tag) || tag == a::PIXEL_DATA && element.vr == Vr::OB;
        found.require(as_in_dictionary, path, "has another VR than PS3.6 says");
        if let Value::Sequence(items) = &element.value {
            let holds_codes = keyword_of(tag).is_some_and(|keyword| keyword.ends_with("CodeSequence"));
            for item in items {
                if holds_codes {
                    code(item, path, found);
                }
                walk(item, path, found);
            }
        }
        path.pop();
    }
}

/// Code Sequence Macro, PS3.3 table 8.8-1.
fn code(item: &DataSet, path: &[Tag], found: &mut Findings) {
    let short = item.string(a::CODE_VALUE).is_some();
    let long = item.string(a::LONG_CODE_VALUE).is_some();
    found.require(short != long, path, "needs one Code Value or Long Code Value");
    found.require(item.string(a::CODING_SCHEME_DESIGNATOR).is_some(), path, "needs a Coding Scheme Designator");
    found.require(item.string(a::CODE_MEANING).is_some(), path, "needs a Code Meaning");
}
