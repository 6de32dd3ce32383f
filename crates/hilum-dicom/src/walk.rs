//! The one walk over the elements of a data set: iterative, bounded, without copying values (PS3.5 section 7).

use crate::dictionary::{has_long_length, is_bulk, vr_of};
use crate::error::{Warning, Warnings};
use crate::limits::{Limits, check};
use crate::source::Source;
use crate::syntax::Encoding;
use crate::{DicomError, Tag, Vr};

const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// What the walk meets. After `Element` and `Fragment` the value may be read; the next step skips what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Element { tag: Tag, vr: Vr, length: u32, offset: u64, encoding: Encoding },
    SequenceStart { tag: Tag },
    SequenceEnd,
    ItemStart,
    ItemEnd,
    FragmentsStart { tag: Tag, vr: Vr },
    Fragment { length: u32, offset: u64 },
    FragmentsEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Sequence,
    Item,
    Fragments,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    level: Level,
    tag: Tag,
    /// Where it ends, when its length is defined.
    end: Option<u64>,
    /// Nothing inside may reach beyond; the end of the innermost defined length around it.
    bound: u64,
    encoding: Encoding,
}

/// Walks one data set from its first element to its end.
pub(crate) struct Walker<'l, S> {
    pub(crate) source: S,
    limits: &'l Limits,
    encoding: Encoding,
    stack: Vec<Open>,
    sequences_open: usize,
    value_left: u64,
    value_tag: Tag,
    previous: Option<Tag>,
    elements: u64,
    fragments: u64,
    header_bytes: u64,
    pub(crate) warnings: Warnings,
}

impl<'l, S: Source> Walker<'l, S> {
    pub(crate) fn new(mut source: S, encoding: Encoding, limits: &'l Limits) -> Result<Self, DicomError> {
        let mut warnings = Warnings::default();
        let mut head = [0; 8];
        let got = source.peek(&mut head)?;
        let (encoding, differs) = actual_encoding(encoding, &head[..got], source.end());
        if differs {
            warnings.add(Warning::EncodingMismatch);
        }
        Ok(Walker {
            source,
            limits,
            encoding,
            stack: Vec::new(),
            sequences_open: 0,
            value_left: 0,
            value_tag: Tag(0, 0),
            previous: None,
            elements: 0,
            fragments: 0,
            header_bytes: 0,
            warnings,
        })
    }

    /// Sequences open around the next token.
    pub(crate) fn depth(&self) -> usize {
        self.sequences_open
    }

    /// The next token; `None` at the end of the data set.
    pub(crate) fn next(&mut self) -> Result<Option<Token>, DicomError> {
        self.skip_value()?;
        let position = self.source.position();
        let Some(top) = self.stack.last().copied() else {
            return self.element();
        };
        if top.end == Some(position) {
            return Ok(Some(self.close()));
        }
        match top.level {
            Level::Item => self.element(),
            Level::Sequence => self.item(top).map(Some),
            Level::Fragments => self.fragment(top).map(Some),
        }
    }

    /// Append the rest of the current value to `buffer`. Its length was checked against the bytes present.
    pub(crate) fn read_value(&mut self, buffer: &mut Vec<u8>) -> Result<(), DicomError> {
        while 0 < self.value_left {
            // Growing in steps keeps a stream that lies about its length from allocating what it claims.
            let step = self.value_left.min(1 << 20) as usize;
            let old = buffer.len();
            buffer.resize(old + step, 0);
            let got = self.source.read(&mut buffer[old..])?;
            self.value_left -= got as u64;
            if got < step {
                return Err(DicomError::Truncated { tag: self.value_tag });
            }
        }
        Ok(())
    }

    fn skip_value(&mut self) -> Result<(), DicomError> {
        let skipped = self.source.skip(self.value_left)?;
        if skipped < self.value_left {
            return Err(DicomError::Truncated { tag: self.value_tag });
        }
        self.value_left = 0;
        Ok(())
    }

    fn close(&mut self) -> Token {
        match self.stack.pop().map(|open| open.level) {
            Some(Level::Sequence) => {
                self.sequences_open -= 1;
                Token::SequenceEnd
            }
            Some(Level::Fragments) => Token::FragmentsEnd,
            Some(Level::Item) | None => Token::ItemEnd,
        }
    }

    fn bound(&self) -> u64 {
        self.stack.last().map_or_else(|| self.source.end().unwrap_or(u64::MAX), |open| open.bound)
    }

    /// Check that `length` bytes fit into what surrounds them and into the object.
    fn check_length(&self, tag: Tag, length: u32) -> Result<u64, DicomError> {
        let end = self.source.position() + u64::from(length);
        if self.source.end().is_some_and(|total| total < end) {
            return Err(DicomError::Truncated { tag });
        }
        if self.bound() < end {
            return Err(DicomError::Malformed { tag, reason: "a value reaches beyond the item around it" });
        }
        Ok(end)
    }

    fn count(&mut self, bytes: u64) -> Result<(), DicomError> {
        self.header_bytes += bytes;
        check("bytes outside bulk values", self.header_bytes, self.limits.header_bytes_max)
    }

    fn read_exact<const N: usize>(&mut self, tag: Tag) -> Result<[u8; N], DicomError> {
        let mut bytes = [0; N];
        if self.source.read(&mut bytes)? < N {
            return Err(DicomError::Truncated { tag });
        }
        if self.bound() < self.source.position() {
            return Err(DicomError::Malformed { tag, reason: "an element reaches beyond the item around it" });
        }
        Ok(bytes)
    }

    fn element(&mut self) -> Result<Option<Token>, DicomError> {
        let encoding = self.stack.last().map_or(self.encoding, |open| open.encoding);
        let context = self.stack.last().map_or(Tag(0, 0), |open| open.tag);
        if self.stack.is_empty() && self.at_end()? {
            return Ok(None);
        }
        let head: [u8; 8] = self.read_exact(context)?;
        let tag = Tag(encoding.u16([head[0], head[1]]), encoding.u16([head[2], head[3]]));
        if tag.0 == ITEM.0 {
            return self.delimiter(tag).map(Some);
        }
        self.elements += 1;
        check("elements", self.elements, self.limits.element_count_max)?;
        self.check_order(tag);
        let (vr, length, encoding) = self.vr_and_length(tag, head, encoding)?;
        self.count(8)?;
        self.open_element(tag, vr, length, encoding).map(Some)
    }

    /// Whether the data set is over; a few bytes that cannot be an element count as padding when they are zero.
    fn at_end(&mut self) -> Result<bool, DicomError> {
        let mut head = [0; 8];
        let got = self.source.peek(&mut head)?;
        if got == 8 {
            return Ok(false);
        }
        if head[..got].iter().any(|&byte| byte != 0) {
            return Err(DicomError::Truncated { tag: self.previous.unwrap_or(Tag(0, 0)) });
        }
        if 0 < got {
            self.warnings.add(Warning::TrailingBytes);
        }
        Ok(true)
    }

    fn check_order(&mut self, tag: Tag) {
        if !self.stack.is_empty() {
            return;
        }
        match self.previous {
            Some(previous) if previous == tag => self.warnings.add(Warning::DuplicateElement),
            Some(previous) if tag < previous => self.warnings.add(Warning::OutOfOrder),
            _ => {}
        }
        if tag.0 == 0x0000 || tag.0 == 0x0002 {
            self.warnings.add(Warning::MisplacedGroup);
        }
        self.previous = Some(tag);
    }

    fn vr_and_length(
        &mut self,
        tag: Tag,
        head: [u8; 8],
        encoding: Encoding,
    ) -> Result<(Vr, u32, Encoding), DicomError> {
        let implicit_length = encoding.u32([head[4], head[5], head[6], head[7]]);
        if !encoding.explicit_vr {
            return Ok((vr_of(tag), implicit_length, encoding));
        }
        let code = [head[4], head[5]];
        let Some(vr) = Vr::from_binary(code) else {
            self.warnings.add(Warning::InvalidVr);
            if !code.iter().all(u8::is_ascii_uppercase) {
                return Ok((vr_of(tag), implicit_length, Encoding { explicit_vr: false, ..encoding }));
            }
            // PS3.5 section 7.1.2: a VR added later has the long form, recognisable by its reserved zeros.
            if [head[6], head[7]] != [0, 0] {
                return Ok((Vr::UN, u32::from(encoding.u16([head[6], head[7]])), encoding));
            }
            let length = self.read_exact(tag)?;
            return Ok((Vr::UN, encoding.u32(length), encoding));
        };
        if !has_long_length(vr) {
            return Ok((vr, u32::from(encoding.u16([head[6], head[7]])), encoding));
        }
        let length = self.read_exact(tag)?;
        Ok((vr, encoding.u32(length), encoding))
    }

    fn open_element(&mut self, tag: Tag, vr: Vr, length: u32, encoding: Encoding) -> Result<Token, DicomError> {
        if length == UNDEFINED {
            return self.open_undefined(tag, vr, encoding);
        }
        let end = self.check_length(tag, length)?;
        if length % 2 == 1 {
            self.warnings.add(Warning::OddLength);
        }
        let mut vr = vr;
        if vr == Vr::SQ {
            if length == 0 || self.next_tag(encoding)? == Some(ITEM) {
                return self.open_sequence(tag, Some(end), encoding);
            }
            self.warnings.add(Warning::OpaqueSequence);
            vr = Vr::UN;
        }
        if !is_bulk(tag) {
            self.count(u64::from(length))?;
        }
        self.value_left = u64::from(length);
        self.value_tag = tag;
        Ok(Token::Element { tag, vr, length, offset: self.source.position(), encoding })
    }

    fn open_undefined(&mut self, tag: Tag, vr: Vr, encoding: Encoding) -> Result<Token, DicomError> {
        match vr {
            Vr::SQ => self.open_sequence(tag, None, encoding),
            Vr::OB | Vr::OW | Vr::OD | Vr::OF | Vr::OL | Vr::OV => {
                self.stack.push(Open { level: Level::Fragments, tag, end: None, bound: self.bound(), encoding });
                Ok(Token::FragmentsStart { tag, vr })
            }
            // PS3.5 section 6.2.2, note 4: the value is a sequence in implicit VR little endian.
            Vr::UN => self.open_sequence(tag, None, Encoding::IMPLICIT_LITTLE),
            _ if matches!(self.next_tag(encoding)?, Some(ITEM | SEQUENCE_END)) => {
                self.warnings.add(Warning::InvalidVr);
                self.open_sequence(tag, None, encoding)
            }
            _ => Err(DicomError::Malformed { tag, reason: "undefined length on a value that is no sequence" }),
        }
    }

    fn next_tag(&mut self, encoding: Encoding) -> Result<Option<Tag>, DicomError> {
        let mut head = [0; 8];
        let got = self.source.peek(&mut head)?;
        Ok((4 <= got).then(|| Tag(encoding.u16([head[0], head[1]]), encoding.u16([head[2], head[3]]))))
    }

    fn open_sequence(&mut self, tag: Tag, end: Option<u64>, encoding: Encoding) -> Result<Token, DicomError> {
        check("nested sequences", self.sequences_open as u64 + 1, self.limits.nesting_depth_max as u64)?;
        let bound = end.unwrap_or_else(|| self.bound());
        self.stack.push(Open { level: Level::Sequence, tag, end, bound, encoding });
        self.sequences_open += 1;
        Ok(Token::SequenceStart { tag })
    }

    fn item(&mut self, top: Open) -> Result<Token, DicomError> {
        let head: [u8; 8] = self.read_exact(top.tag)?;
        let tag = Tag(top.encoding.u16([head[0], head[1]]), top.encoding.u16([head[2], head[3]]));
        let length = top.encoding.u32([head[4], head[5], head[6], head[7]]);
        self.count(8)?;
        match tag {
            ITEM => {
                self.elements += 1;
                check("elements", self.elements, self.limits.element_count_max)?;
                let end = if length == UNDEFINED { None } else { Some(self.check_length(top.tag, length)?) };
                let bound = end.unwrap_or(top.bound);
                self.stack.push(Open { level: Level::Item, end, bound, ..top });
                Ok(Token::ItemStart)
            }
            SEQUENCE_END if top.end.is_none() => Ok(self.close()),
            _ => Err(DicomError::Malformed { tag: top.tag, reason: "something other than an item in a sequence" }),
        }
    }

    fn delimiter(&mut self, tag: Tag) -> Result<Token, DicomError> {
        let open_end = self.stack.last().is_some_and(|open| open.level == Level::Item && open.end.is_none());
        if tag == ITEM_END && open_end {
            self.count(8)?;
            return Ok(self.close());
        }
        Err(DicomError::Malformed { tag, reason: "a delimiter where nothing is open" })
    }

    fn fragment(&mut self, top: Open) -> Result<Token, DicomError> {
        let mut ahead = [0; 8];
        if self.stack.len() == 1 && self.source.peek(&mut ahead)? == 0 {
            self.warnings.add(Warning::MissingDelimiter);
            return Ok(self.close());
        }
        let head: [u8; 8] = self.read_exact(top.tag)?;
        let tag = Tag(top.encoding.u16([head[0], head[1]]), top.encoding.u16([head[2], head[3]]));
        let length = top.encoding.u32([head[4], head[5], head[6], head[7]]);
        match tag {
            ITEM if length != UNDEFINED => {
                self.fragments += 1;
                check("fragments", self.fragments, self.limits.fragment_count_max)?;
                self.check_length(top.tag, length)?;
                self.value_left = u64::from(length);
                self.value_tag = top.tag;
                Ok(Token::Fragment { length, offset: self.source.position() })
            }
            SEQUENCE_END => Ok(self.close()),
            _ => Err(DicomError::Malformed { tag: top.tag, reason: "something other than a fragment in pixel data" }),
        }
    }
}

/// The encoding that the first element shows, and whether it differs from the declared one. Transfer syntaxes lie.
fn actual_encoding(declared: Encoding, head: &[u8], total: Option<u64>) -> (Encoding, bool) {
    let &[group0, group1, _, _, vr0, vr1, len0, len1] = head else { return (declared, false) };
    let has_vr = Vr::from_binary([vr0, vr1]).is_some();
    if declared.explicit_vr {
        // Explicit big endian read as little endian puts the low groups at 0x0800 and up.
        let swapped = Encoding { big_endian: !declared.big_endian, ..declared };
        if has_vr && declared.u16([group0, group1]) == 0x0800 {
            return (swapped, true);
        }
        let implicit = u64::from(u32::from_le_bytes([vr0, vr1, len0, len1]));
        let plausible = total.is_none_or(|total| implicit <= total);
        if !has_vr && plausible && ![vr0, vr1].iter().all(u8::is_ascii_uppercase) {
            return (Encoding::IMPLICIT_LITTLE, true);
        }
        return (declared, false);
    }
    // Two VR letters as the low half of an implicit length, with the rest making it longer than the object.
    let implicit = u64::from(u32::from_le_bytes([vr0, vr1, len0, len1]));
    if has_vr && total.is_none_or(|total| total < implicit) {
        let big_endian = u16::from_le_bytes([group0, group1]) == 0x0800;
        return (Encoding { explicit_vr: true, big_endian }, true);
    }
    (declared, false)
}
