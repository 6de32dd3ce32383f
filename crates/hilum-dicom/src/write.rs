//! Writing data sets strictly by PS3.5: explicit or implicit VR little endian, even lengths, checked values.

use crate::dictionary::{has_long_length, is_text, unit_bytes};
use crate::part10::part10_header;
use crate::syntax::Encoding;
use crate::{DataSet, DicomError, Element, Tag, Value, Vr, tags};
use hilum_types::Uid;

/// Transfer syntax of the Part 10 bytes this crate writes when nothing else is asked for.
pub const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

impl DataSet {
    /// A Part 10 file in explicit VR little endian.
    ///
    /// # Errors
    /// [`DicomError::InvalidValue`] naming the first element whose value breaks its VR;
    /// [`DicomError::Unidentifiable`] without SOP Class UID or SOP Instance UID.
    pub fn to_part10_bytes(&self) -> Result<Vec<u8>, DicomError> {
        let syntax = uid(EXPLICIT_VR_LITTLE_ENDIAN)?;
        self.to_part10_bytes_as(&syntax)
    }

    /// A Part 10 file with encapsulated pixel data, whose compression `transfer_syntax` names; the elements are
    /// explicit VR little endian all the same (PS3.5 annex A.4).
    ///
    /// # Errors
    /// As [`DataSet::to_part10_bytes`].
    pub fn to_part10_bytes_as(&self, transfer_syntax: &Uid) -> Result<Vec<u8>, DicomError> {
        let required = |tag, attribute| {
            self.uid(tag).ok_or(DicomError::Unidentifiable { attribute, reason: "is absent or not a UID" })
        };
        let class = required(tags::SOP_CLASS_UID, "SOPClassUID")?;
        let instance = required(tags::SOP_INSTANCE_UID, "SOPInstanceUID")?;
        let mut bytes = part10_header(&class, &instance, transfer_syntax, None);
        bytes.extend_from_slice(&self.to_bytes(Encoding::EXPLICIT_LITTLE)?);
        Ok(bytes)
    }

    /// The bare data set in a little endian encoding, as C-STORE carries it.
    ///
    /// # Errors
    /// [`DicomError::InvalidValue`] naming the first element whose value breaks its VR.
    pub fn to_bytes(&self, encoding: Encoding) -> Result<Vec<u8>, DicomError> {
        let mut out = Vec::new();
        let utf8 = Element { vr: Vr::CS, value: Value::Bytes(b"ISO_IR 192".to_vec()) };
        let needs_term = !self.elements.contains_key(&tags::SPECIFIC_CHARACTER_SET) && has_non_ascii_text(self);
        let mut pending = needs_term.then_some(utf8);
        for (&tag, element) in &self.elements {
            if tags::SPECIFIC_CHARACTER_SET < tag
                && let Some(term) = pending.take()
            {
                write_element(&mut out, self, tags::SPECIFIC_CHARACTER_SET, &term, encoding)?;
            }
            write_element(&mut out, self, tag, element, encoding)?;
        }
        Ok(out)
    }
}

fn uid(text: &str) -> Result<Uid, DicomError> {
    text.parse().map_err(|_| DicomError::Unidentifiable { attribute: "TransferSyntaxUID", reason: "is not a UID" })
}

/// Height is bounded by what built the tree: the walk's depth limit, or this program's own code.
fn has_non_ascii_text(data_set: &DataSet) -> bool {
    data_set.elements.values().any(|element| match &element.value {
        Value::Bytes(bytes) => is_text(element.vr) && !bytes.is_ascii(),
        Value::Sequence(items) => items.iter().any(has_non_ascii_text),
        Value::Fragments(_) => false,
    })
}

fn write_element(
    out: &mut Vec<u8>,
    data_set: &DataSet,
    tag: Tag,
    element: &Element,
    encoding: Encoding,
) -> Result<(), DicomError> {
    let invalid = |reason| DicomError::InvalidValue { tag, reason };
    if encoding.big_endian {
        return Err(invalid("big endian is retired and not written"));
    }
    match &element.value {
        Value::Bytes(bytes) => {
            check_value(data_set, element.vr, bytes).map_err(invalid)?;
            let odd = bytes.len() % 2;
            let length = u32::try_from(bytes.len() + odd).ok().filter(|&length| length != u32::MAX);
            write_head(out, tag, element.vr, length.ok_or(invalid("it is too long"))?, encoding);
            out.extend_from_slice(bytes);
            out.extend(std::iter::repeat_n(padding(element.vr), odd));
        }
        Value::Sequence(items) => {
            write_head(out, tag, Vr::SQ, u32::MAX, encoding);
            for item in items {
                out.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
                for (&inner_tag, inner) in &item.elements {
                    write_element(out, item, inner_tag, inner, encoding)?;
                }
                out.extend_from_slice(&[0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]);
            }
            out.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        }
        Value::Fragments(fragments) => {
            if !encoding.explicit_vr {
                return Err(invalid("encapsulated pixel data need explicit VR"));
            }
            write_head(out, tag, Vr::OB, u32::MAX, encoding);
            for fragment in fragments {
                let odd = fragment.len() % 2;
                let length = u32::try_from(fragment.len() + odd).map_err(|_| invalid("a fragment is too long"))?;
                out.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(fragment);
                out.extend(std::iter::repeat_n(0, odd));
            }
            out.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        }
    }
    Ok(())
}

fn write_head(out: &mut Vec<u8>, tag: Tag, vr: Vr, length: u32, encoding: Encoding) {
    out.extend_from_slice(&tag.0.to_le_bytes());
    out.extend_from_slice(&tag.1.to_le_bytes());
    if !encoding.explicit_vr {
        out.extend_from_slice(&length.to_le_bytes());
    } else if has_long_length(vr) {
        out.extend_from_slice(&vr.to_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&length.to_le_bytes());
    } else if let Ok(short) = u16::try_from(length) {
        out.extend_from_slice(&vr.to_bytes());
        out.extend_from_slice(&short.to_le_bytes());
    } else {
        // PS3.5 section 6.2.2, note 2: too long for its VR in explicit form, so UN.
        out.extend_from_slice(b"UN\0\0");
        out.extend_from_slice(&length.to_le_bytes());
    }
}

fn padding(vr: Vr) -> u8 {
    if is_text(vr) && vr != Vr::UI { b' ' } else { 0 }
}

/// Largest number of characters in one value (PS3.5 table 6.2-1).
fn characters_max(vr: Vr) -> usize {
    match vr {
        Vr::AE | Vr::CS | Vr::DS | Vr::SH => 16,
        Vr::AS => 4,
        Vr::DA => 8,
        Vr::DT => 26,
        Vr::IS => 12,
        Vr::LO | Vr::UI => 64,
        Vr::LT => 10_240,
        // 64 for each of three component groups and two `=`.
        Vr::PN => 194,
        Vr::ST => 1_024,
        Vr::TM => 14,
        _ => usize::MAX,
    }
}

/// Rules of PS3.5 table 6.2-1. Values that were read in another character set than UTF-8 are written as they came.
fn check_value(data_set: &DataSet, vr: Vr, bytes: &[u8]) -> Result<(), &'static str> {
    if !is_text(vr) {
        let unit = unit_bytes(vr);
        return if bytes.len().is_multiple_of(unit) { Ok(()) } else { Err("its length is no multiple of its unit") };
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        let utf8 = data_set.character_set.holds_utf8(bytes);
        return if utf8 { Err("it is not UTF-8") } else { Ok(()) };
    };
    if !data_set.character_set.holds_utf8(bytes) {
        return Ok(());
    }
    let single = matches!(vr, Vr::LT | Vr::ST | Vr::UT | Vr::UR);
    let values: Vec<&str> = if single { vec![text] } else { text.split('\\').collect() };
    for value in values {
        let value = value.trim_end_matches(['\0', ' ']);
        if characters_max(vr) < value.chars().count() {
            return Err("it is longer than its value representation allows");
        }
        if value.chars().any(|c| c.is_control() && !(single && matches!(c, '\n' | '\r' | '\t' | '\x0C'))) {
            return Err("it holds a control character");
        }
        if !well_formed(vr, value) {
            return Err("it does not follow the form of its value representation");
        }
    }
    Ok(())
}

fn well_formed(vr: Vr, value: &str) -> bool {
    let value = if vr == Vr::DS || vr == Vr::IS { value.trim() } else { value };
    if value.is_empty() {
        return true;
    }
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match vr {
        Vr::CS => value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ' || b == b'_'),
        Vr::UI => value.parse::<Uid>().is_ok(),
        Vr::DA => value.len() == 8 && digits(value),
        Vr::TM => value.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
        Vr::AS => value.len() == 4 && digits(&value[..3]) && matches!(&value[3..], "D" | "W" | "M" | "Y"),
        Vr::IS => value.parse::<i32>().is_ok(),
        Vr::DS => value.parse::<f64>().is_ok_and(f64::is_finite),
        Vr::AE | Vr::DT | Vr::UR => value.is_ascii(),
        _ => true,
    }
}

/// Numbers in the form of their VR; `None` when one does not fit or the VR holds no numbers.
pub(crate) fn encode_numbers(vr: Vr, values: &[f64]) -> Option<Vec<u8>> {
    if is_text(vr) {
        let texts: Vec<String> = values.iter().map(|&value| decimal_string(vr, value)).collect();
        return Some(texts.join("\\").into_bytes());
    }
    let mut bytes = Vec::with_capacity(values.len() * unit_bytes(vr));
    for &value in values {
        let whole = value.fract() == 0.0;
        let within = |low: f64, high: f64| whole && (low..=high).contains(&value);
        match vr {
            Vr::US | Vr::OW if within(0.0, 65_535.0) => bytes.extend_from_slice(&(value as u16).to_le_bytes()),
            Vr::SS if within(-32_768.0, 32_767.0) => bytes.extend_from_slice(&(value as i16).to_le_bytes()),
            Vr::UL | Vr::OL if within(0.0, f64::from(u32::MAX)) => {
                bytes.extend_from_slice(&(value as u32).to_le_bytes());
            }
            Vr::SL if within(f64::from(i32::MIN), f64::from(i32::MAX)) => {
                bytes.extend_from_slice(&(value as i32).to_le_bytes());
            }
            Vr::FL | Vr::OF => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
            Vr::FD | Vr::OD => bytes.extend_from_slice(&value.to_le_bytes()),
            Vr::UV | Vr::OV if within(0.0, 9_007_199_254_740_992.0) => {
                bytes.extend_from_slice(&(value as u64).to_le_bytes());
            }
            Vr::SV if within(-9_007_199_254_740_992.0, 9_007_199_254_740_992.0) => {
                bytes.extend_from_slice(&(value as i64).to_le_bytes());
            }
            _ => return None,
        }
    }
    Some(bytes)
}

/// A number in at most 16 characters with the most digits that fit (VR `DS`), or a whole number (VR `IS`).
pub(crate) fn decimal_string(vr: Vr, value: f64) -> String {
    let shortest = value.to_string();
    if vr == Vr::IS || shortest.len() <= 16 {
        return shortest;
    }
    for digits in (0..16).rev() {
        for candidate in [format!("{value:.digits$}"), format!("{value:.digits$e}")] {
            let precise = candidate.parse::<f64>().is_ok_and(|back| (back - value).abs() <= value.abs() * 1e-8);
            if candidate.len() <= 16 && precise {
                return candidate;
            }
        }
    }
    shortest
}
