//! A data set as a tree, for what this program writes and for the parts of a received object it looks into.
//!
//! Values are kept as their bytes in little endian order, so private elements and odd text survive unchanged;
//! getters interpret them. Reading builds the tree from the bounded walk, so its depth is bounded too.

use crate::dictionary::{is_bulk, is_text, unit_bytes, vr_of};
use crate::error::{Warning, Warnings};
use crate::limits::{Limits, check};
use crate::number;
use crate::part10::{self, Meta, Opened};
use crate::source::{SliceSource, Source, inflate};
use crate::text::{self, CharacterSet};
use crate::walk::{Token, Walker};
use crate::{DicomError, Tag, Vr, tags};
use hilum_types::{CodedConcept, Uid};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One data element.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Value representation.
    pub vr: Vr,
    /// Value.
    pub value: Value,
}

/// The value of an element.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Text, numbers or plain bytes; numbers in little endian order.
    Bytes(Vec<u8>),
    /// Items of a sequence.
    Sequence(Vec<DataSet>),
    /// Encapsulated pixel data: the Basic Offset Table, which may be empty, then the fragments.
    Fragments(Vec<Vec<u8>>),
}

impl std::fmt::Debug for Value {
    /// Sizes only: a value may name a patient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Value::Sequence(items) => f.debug_tuple("Sequence").field(items).finish(),
            Value::Fragments(fragments) => write!(f, "Fragments({})", fragments.len()),
        }
    }
}

/// Elements by ascending tag.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    pub(crate) elements: BTreeMap<Tag, Element>,
    pub(crate) character_set: CharacterSet,
}

impl Default for DataSet {
    fn default() -> Self {
        DataSet::new()
    }
}

impl DataSet {
    /// An empty data set whose text is UTF-8; the writer adds Specific Character Set when it is needed.
    pub fn new() -> DataSet {
        DataSet { elements: BTreeMap::new(), character_set: CharacterSet::UTF_8 }
    }

    /// The element with this tag.
    pub fn get(&self, tag: Tag) -> Option<&Element> {
        self.elements.get(&tag)
    }

    /// Elements by ascending tag.
    pub fn iter(&self) -> impl Iterator<Item = (Tag, &Element)> {
        self.elements.iter().map(|(tag, element)| (*tag, element))
    }

    /// Number of elements, nested ones not counted.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Take an element out.
    pub fn remove(&mut self, tag: Tag) -> Option<Element> {
        self.elements.remove(&tag)
    }

    /// Put an element as it is.
    pub fn insert(&mut self, tag: Tag, element: Element) -> &mut Self {
        self.elements.insert(tag, element);
        self
    }

    /// Raw bytes of a value that is neither a sequence nor fragments.
    pub fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match &self.get(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Values as text: decoded and trimmed, numbers in decimal; `None` when absent, empty when without value.
    pub fn strings(&self, tag: Tag) -> Option<Vec<String>> {
        let bytes = self.bytes(tag)?;
        let vr = self.effective_vr(tag)?;
        if is_text(vr) {
            return Some(text::decode(bytes, vr, self.character_set).0);
        }
        Some(number::texts(bytes, vr, false))
    }

    /// The first value as text, when there is one and it is not empty.
    pub fn string(&self, tag: Tag) -> Option<String> {
        self.strings(tag)?.into_iter().next().filter(|text| !text.is_empty())
    }

    /// All values as numbers (binary VRs, `DS`, `IS`); `None` when absent or when one is not a finite number.
    pub fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let vr = self.effective_vr(tag)?;
        let values = if is_text(vr) {
            self.strings(tag)?.iter().map(|text| text.trim().parse().ok()).collect::<Option<Vec<f64>>>()?
        } else {
            number::numbers(self.bytes(tag)?, vr, false)
        };
        values.iter().all(|value| value.is_finite()).then_some(values)
    }

    /// The first value as a number.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag)?.first().copied()
    }

    /// The first value as a whole number that is not negative.
    pub fn u32(&self, tag: Tag) -> Option<u32> {
        let value = self.number(tag)?;
        (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
    }

    /// The value as a UID.
    pub fn uid(&self, tag: Tag) -> Option<Uid> {
        self.string(tag)?.parse().ok()
    }

    /// Items of a sequence; empty when it is absent, empty or no sequence.
    pub fn items(&self, tag: Tag) -> &[DataSet] {
        match self.get(tag).map(|element| &element.value) {
            Some(Value::Sequence(items)) => items,
            _ => &[],
        }
    }

    /// The first item of a sequence.
    pub fn item(&self, tag: Tag) -> Option<&DataSet> {
        self.items(tag).first()
    }

    /// The first item of a code sequence (PS3.3 section 8.8).
    pub fn code(&self, tag: Tag) -> Option<CodedConcept> {
        let item = self.item(tag)?;
        let value =
            [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE].into_iter().find_map(|t| item.string(t))?;
        Some(CodedConcept {
            value,
            scheme: item.string(tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default(),
            meaning: item.string(tags::CODE_MEANING).unwrap_or_default(),
        })
    }

    fn effective_vr(&self, tag: Tag) -> Option<Vr> {
        let vr = self.get(tag)?.vr;
        Some(if vr == Vr::UN { vr_of(tag) } else { vr })
    }

    /// Put text; the VR is that of PS3.6. Several values are separated by a backslash.
    pub fn put(&mut self, tag: Tag, text: impl AsRef<str>) -> &mut Self {
        self.put_as(tag, vr_of(tag), text)
    }

    /// Put text with a VR, for private elements.
    pub fn put_as(&mut self, tag: Tag, vr: Vr, text: impl AsRef<str>) -> &mut Self {
        self.insert(tag, Element { vr, value: Value::Bytes(text.as_ref().as_bytes().to_vec()) })
    }

    /// Put an element without value (type 2).
    pub fn put_empty(&mut self, tag: Tag) -> &mut Self {
        let vr = vr_of(tag);
        let value = if vr == Vr::SQ { Value::Sequence(Vec::new()) } else { Value::Bytes(Vec::new()) };
        self.insert(tag, Element { vr, value })
    }

    /// Put a UID.
    pub fn put_uid(&mut self, tag: Tag, uid: &Uid) -> &mut Self {
        self.put_as(tag, Vr::UI, uid.as_str())
    }

    /// Put numbers in the binary or text VR of PS3.6 (`US`, `SS`, `UL`, `SL`, `FL`, `FD`, `DS`, `IS`, ...).
    /// A number that the VR cannot hold is found when the data set is written.
    pub fn put_numbers(&mut self, tag: Tag, values: &[f64]) -> &mut Self {
        self.put_numbers_as(tag, vr_of(tag), values)
    }

    /// As [`DataSet::put_numbers`] with a VR, where PS3.6 leaves a choice or the element is private.
    pub fn put_numbers_as(&mut self, tag: Tag, vr: Vr, values: &[f64]) -> &mut Self {
        // Half a number is what the writer refuses by name, so that a row of puts needs no error handling.
        let (vr, bytes) = crate::write::encode_numbers(vr, values).map_or((Vr::US, vec![0]), |bytes| (vr, bytes));
        self.insert(tag, Element { vr, value: Value::Bytes(bytes) })
    }

    /// Put one number.
    pub fn put_number(&mut self, tag: Tag, value: impl Into<f64>) -> &mut Self {
        self.put_numbers(tag, &[value.into()])
    }

    /// Put bytes with their VR, such as native pixel data as `OB` or `OW` in little endian order.
    pub fn put_bytes(&mut self, tag: Tag, vr: Vr, bytes: Vec<u8>) -> &mut Self {
        self.insert(tag, Element { vr, value: Value::Bytes(bytes) })
    }

    /// Put tags (VR `AT`).
    pub fn put_tags(&mut self, tag: Tag, values: &[Tag]) -> &mut Self {
        let bytes = values.iter().flat_map(|t| [t.0.to_le_bytes(), t.1.to_le_bytes()].concat()).collect();
        self.put_bytes(tag, Vr::AT, bytes)
    }

    /// Put a sequence.
    pub fn put_sequence(&mut self, tag: Tag, items: Vec<DataSet>) -> &mut Self {
        self.insert(tag, Element { vr: Vr::SQ, value: Value::Sequence(items) })
    }

    /// Put a code sequence of one item (PS3.3 section 8.8); a value beyond 16 characters goes into Long Code Value.
    pub fn put_code(&mut self, tag: Tag, concept: &CodedConcept) -> &mut Self {
        let mut item = DataSet::new();
        let value_tag = if concept.value.len() <= 16 { tags::CODE_VALUE } else { tags::LONG_CODE_VALUE };
        item.put(value_tag, &concept.value)
            .put(tags::CODING_SCHEME_DESIGNATOR, &concept.scheme)
            .put(tags::CODE_MEANING, &concept.meaning);
        self.put_sequence(tag, vec![item])
    }

    /// Put encapsulated pixel data, one fragment per frame, with an empty Basic Offset Table (PS3.5 annex A.4).
    pub fn put_encapsulated(&mut self, frames: Vec<Vec<u8>>) -> &mut Self {
        let fragments = std::iter::once(Vec::new()).chain(frames).collect();
        self.insert(tags::PIXEL_DATA, Element { vr: Vr::OB, value: Value::Fragments(fragments) })
    }
}

/// A data set that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadDataSet {
    /// The elements.
    pub data_set: DataSet,
    /// File meta information; empty for a bare data set.
    pub meta: Meta,
    /// Transfer syntax of the bytes.
    pub transfer_syntax_uid: Uid,
    /// How the object deviates from the standard.
    pub warnings: Vec<Warning>,
}

/// Which values a reader wants in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bulk {
    /// All, which copies the pixel data.
    Keep,
    /// Without pixel data, waveforms, spectra and documents.
    LeaveOut,
}

/// Read a whole data set as a tree; arguments and errors as for [`crate::read_header`].
///
/// # Errors
/// Every [`crate::ErrorKind`] that concerns structure; identifiers are not looked at.
pub fn read_data_set(
    bytes: &[u8],
    transfer_syntax: Option<&Uid>,
    bulk: Bulk,
    limits: &Limits,
) -> Result<ReadDataSet, DicomError> {
    let (opened, body, mut warnings) = open_body(bytes, transfer_syntax, limits)?;
    let walker = Walker::new(SliceSource::new(&body, 0, 0), opened.encoding(), limits)?;
    let (data_set, _) = build(walker, bulk, &mut warnings)?;
    Ok(ReadDataSet {
        data_set,
        meta: opened.meta,
        transfer_syntax_uid: opened.transfer_syntax_uid,
        warnings: warnings.into_vec(),
    })
}

/// The bytes of the data set alone, inflated when they were deflated.
pub(crate) fn open_body<'a>(
    bytes: &'a [u8],
    transfer_syntax: Option<&Uid>,
    limits: &Limits,
) -> Result<(Opened, Cow<'a, [u8]>, Warnings), DicomError> {
    check("bytes of the object", bytes.len() as u64, limits.file_bytes_max)?;
    let mut warnings = Warnings::default();
    let opened = part10::open(bytes, transfer_syntax, limits, &mut warnings)?;
    let body = &bytes[opened.data_set_offset..];
    let body = if opened.transfer_syntax.deflated { Cow::Owned(inflate(body, limits)?) } else { Cow::Borrowed(body) };
    Ok((opened, body, warnings))
}

/// Native pixel data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NativePlace {
    pub(crate) tag: Tag,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Bytes of a word of the value when words are big endian.
    pub(crate) big_endian_words: Option<usize>,
}

/// Places of pixel data found while building a tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct PixelPlaces {
    pub(crate) native: Option<NativePlace>,
    /// Offset and length of each fragment, the offset table first.
    pub(crate) fragments: Option<Vec<(u64, u32)>>,
}

enum Level {
    Items { tag: Tag, items: Vec<DataSet> },
    Item { data_set: DataSet },
    Fragments { tag: Tag, vr: Vr, fragments: Vec<Vec<u8>> },
}

/// Build the tree with an explicit stack; the walk bounds its height.
pub(crate) fn build<S: Source>(
    mut walker: Walker<'_, S>,
    bulk: Bulk,
    warnings: &mut Warnings,
) -> Result<(DataSet, PixelPlaces), DicomError> {
    let mut root = DataSet { character_set: CharacterSet::default(), ..DataSet::new() };
    let mut stack: Vec<Level> = Vec::new();
    let mut places = PixelPlaces::default();
    while let Some(token) = walker.next()? {
        let at_root = stack.is_empty();
        match token {
            Token::Element { tag, vr, length, offset, encoding } => {
                if at_root && matches!(tag, tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA) {
                    let big_endian_words = encoding.big_endian.then(|| unit_bytes(vr));
                    places.native = Some(NativePlace { tag, offset, length: u64::from(length), big_endian_words });
                }
                if bulk == Bulk::LeaveOut && is_bulk(tag) {
                    continue;
                }
                let mut value = Vec::new();
                walker.read_value(&mut value)?;
                if encoding.big_endian {
                    number::swap(&mut value, vr);
                }
                put(
                    target(&mut root, &mut stack),
                    tag,
                    Element { vr, value: Value::Bytes(value) },
                    &mut walker.warnings,
                );
            }
            Token::SequenceStart { tag } => stack.push(Level::Items { tag, items: Vec::new() }),
            Token::ItemStart => {
                let character_set = stack
                    .iter()
                    .rev()
                    .find_map(|level| match level {
                        Level::Item { data_set } => Some(data_set.character_set),
                        _ => None,
                    })
                    .unwrap_or(root.character_set);
                stack.push(Level::Item { data_set: DataSet { elements: BTreeMap::new(), character_set } });
            }
            Token::FragmentsStart { tag, vr } => {
                if at_root && tag == tags::PIXEL_DATA {
                    places.fragments = Some(Vec::new());
                }
                stack.push(Level::Fragments { tag, vr, fragments: Vec::new() });
            }
            Token::Fragment { offset, length } => {
                if let (1, Some(list)) = (stack.len(), &mut places.fragments) {
                    list.push((offset, length));
                }
                if let (Bulk::Keep, Some(Level::Fragments { fragments, .. })) = (bulk, stack.last_mut()) {
                    let mut value = Vec::new();
                    walker.read_value(&mut value)?;
                    fragments.push(value);
                }
            }
            Token::ItemEnd | Token::SequenceEnd | Token::FragmentsEnd => {
                close(&mut root, &mut stack, bulk, &mut walker.warnings);
            }
        }
    }
    walker.warnings.into_vec().into_iter().for_each(|warning| warnings.add(warning));
    Ok((root, places))
}

fn target<'t>(root: &'t mut DataSet, stack: &'t mut [Level]) -> &'t mut DataSet {
    match stack.last_mut() {
        Some(Level::Item { data_set }) => data_set,
        _ => root,
    }
}

fn close(root: &mut DataSet, stack: &mut Vec<Level>, bulk: Bulk, warnings: &mut Warnings) {
    match stack.pop() {
        Some(Level::Item { data_set }) => {
            if let Some(Level::Items { items, .. }) = stack.last_mut() {
                items.push(data_set);
            }
        }
        Some(Level::Items { tag, items }) => {
            put(target(root, stack), tag, Element { vr: Vr::SQ, value: Value::Sequence(items) }, warnings);
        }
        Some(Level::Fragments { tag, vr, fragments }) if bulk == Bulk::Keep => {
            put(target(root, stack), tag, Element { vr, value: Value::Fragments(fragments) }, warnings);
        }
        _ => {}
    }
}

/// The first of two elements with one tag counts, as in the header the catalog keeps.
fn put(data_set: &mut DataSet, tag: Tag, element: Element, warnings: &mut Warnings) {
    if data_set.elements.contains_key(&tag) {
        warnings.add(Warning::DuplicateElement);
        return;
    }
    data_set.elements.insert(tag, element);
    if tag == tags::SPECIFIC_CHARACTER_SET {
        let terms = data_set.strings(tag).unwrap_or_default();
        let (character_set, known) = CharacterSet::from_terms(&terms);
        data_set.character_set = character_set;
        if !known {
            warnings.add(Warning::UnknownCharacterSet);
        }
    }
}
