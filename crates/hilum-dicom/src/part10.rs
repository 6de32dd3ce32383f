//! The wrapping of a stored object: preamble, prefix and file meta information (PS3.10 section 7.1).

use crate::dictionary::has_long_length;
use crate::error::{Warning, Warnings};
use crate::limits::{Limits, check};
use crate::syntax::{Encoding, TransferSyntax};
use crate::{DicomError, Tag, Vr};
use hilum_types::{AeTitle, Uid};

/// Implementation Class UID (0002,0012) of Hilum, derived once from its name.
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.266164735063302414523398231453512214577";
/// Implementation Version Name (0002,0013).
pub const IMPLEMENTATION_VERSION_NAME: &str = concat!("HILUM_", env!("CARGO_PKG_VERSION"));

/// File meta information as found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Media Storage SOP Class UID (0002,0002).
    pub sop_class_uid: Option<Uid>,
    /// Media Storage SOP Instance UID (0002,0003).
    pub sop_instance_uid: Option<Uid>,
    /// Transfer Syntax UID (0002,0010).
    pub transfer_syntax_uid: Option<Uid>,
    /// Source Application Entity Title (0002,0016).
    pub source_ae: Option<String>,
}

/// Where the data set of an object starts and how it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) meta: Meta,
    pub(crate) transfer_syntax_uid: Uid,
    pub(crate) transfer_syntax: TransferSyntax,
    pub(crate) data_set_offset: usize,
}

/// Find the data set. With `transfer_syntax` the bytes are a bare data set, as a C-STORE carries it.
pub(crate) fn open(
    bytes: &[u8],
    transfer_syntax: Option<&Uid>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Opened, DicomError> {
    let (meta, data_set_offset) = match transfer_syntax {
        Some(_) => (Meta::default(), 0),
        None => read_meta(bytes, limits, warnings)?,
    };
    let uid = match transfer_syntax.or(meta.transfer_syntax_uid.as_ref()) {
        Some(uid) => uid.clone(),
        None => {
            warnings.add(Warning::GuessedTransferSyntax);
            guess_transfer_syntax(&bytes[data_set_offset..])?
        }
    };
    let transfer_syntax = TransferSyntax::of(uid.as_str());
    if !transfer_syntax.known {
        warnings.add(Warning::UnknownTransferSyntax);
    }
    Ok(Opened { meta, transfer_syntax_uid: uid, transfer_syntax, data_set_offset })
}

fn read_meta(bytes: &[u8], limits: &Limits, warnings: &mut Warnings) -> Result<(Meta, usize), DicomError> {
    let start = if bytes.get(128..132) == Some(b"DICM") {
        if is_executable(&bytes[..128]) {
            warnings.add(Warning::ExecutablePreamble);
        }
        132
    } else {
        warnings.add(Warning::MissingPreamble);
        if bytes.starts_with(b"DICM") { 4 } else { 0 }
    };
    let mut meta = Meta::default();
    let mut at = start;
    let mut declared_end = None;
    while let Some(element) = meta_element(bytes, at, warnings)? {
        at = element.end;
        check("bytes of file meta information", (at - start) as u64, limits.meta_bytes_max)?;
        let uid = || crate::text::ascii(element.value).trim_matches([' ', '\0']).parse::<Uid>().ok();
        match element.element {
            0x0000 => {
                let length = element.value.try_into().map_or(0, u32::from_le_bytes);
                declared_end = at.checked_add(length as usize);
            }
            0x0002 => meta.sop_class_uid = uid(),
            0x0003 => meta.sop_instance_uid = uid(),
            0x0010 => meta.transfer_syntax_uid = uid(),
            0x0016 => meta.source_ae = Some(crate::text::ascii(element.value).trim().to_owned()),
            _ => {}
        }
    }
    if at != start && declared_end != Some(at) {
        warnings.add(Warning::IrregularMeta);
    }
    Ok((meta, at))
}

struct MetaElement<'a> {
    element: u16,
    value: &'a [u8],
    end: usize,
}

/// The element of group 0002 at `at`; `None` when another group, or nothing, stands there.
fn meta_element<'a>(
    bytes: &'a [u8],
    at: usize,
    warnings: &mut Warnings,
) -> Result<Option<MetaElement<'a>>, DicomError> {
    let Some(&[0x02, 0x00, e0, e1, vr0, vr1, l0, l1]) = bytes.get(at..at + 8) else {
        return Ok(None);
    };
    let element = u16::from_le_bytes([e0, e1]);
    let truncated = DicomError::Truncated { tag: Tag(2, element) };
    let (start, length) = match Vr::from_binary([vr0, vr1]) {
        Some(vr) if has_long_length(vr) => {
            let Some(length) = bytes.get(at + 8..at + 12).and_then(|b| b.try_into().ok()) else {
                return Err(truncated);
            };
            (at + 12, u32::from_le_bytes(length))
        }
        Some(_) => (at + 8, u32::from(u16::from_le_bytes([l0, l1]))),
        None => {
            warnings.add(Warning::IrregularMeta);
            (at + 8, u32::from_le_bytes([vr0, vr1, l0, l1]))
        }
    };
    let end = start.checked_add(length as usize).ok_or_else(|| truncated.clone())?;
    let value = bytes.get(start..end).ok_or(truncated)?;
    Ok(Some(MetaElement { element, value, end }))
}

/// Heads of Windows, Linux, macOS programs, scripts and archives.
fn is_executable(preamble: &[u8]) -> bool {
    const HEADS: [&[u8]; 9] = [
        b"MZ",
        b"\x7fELF",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
        b"#!",
        b"PK\x03\x04",
    ];
    HEADS.iter().any(|head| preamble.starts_with(head))
}

/// Recognise implicit and explicit VR by the first element, which is of a low group in every data set.
fn guess_transfer_syntax(data_set: &[u8]) -> Result<Uid, DicomError> {
    let Some(&[g0, g1, _, _, vr0, vr1, l0, l1]) = data_set.get(..8) else { return Err(DicomError::NotDicom) };
    let explicit = Vr::from_binary([vr0, vr1]).is_some();
    let (little, big) = (u16::from_le_bytes([g0, g1]), u16::from_be_bytes([g0, g1]));
    let implicit_length = u64::from(u32::from_le_bytes([vr0, vr1, l0, l1]));
    let plausible = |group: u16| (0x0004..=0x0050).contains(&group);
    let uid = if explicit && plausible(little) {
        "1.2.840.10008.1.2.1"
    } else if explicit && plausible(big) {
        "1.2.840.10008.1.2.2"
    } else if !explicit && plausible(little) && implicit_length <= data_set.len() as u64 {
        "1.2.840.10008.1.2"
    } else {
        return Err(DicomError::NotDicom);
    };
    uid.parse().map_err(|_| DicomError::NotDicom)
}

/// Preamble, prefix and file meta information to put in front of a data set as it was received, so that the stored
/// file is those bytes and then, unchanged, the received ones (PS3.10 section 7.1).
pub fn part10_header(
    sop_class_uid: &Uid,
    sop_instance_uid: &Uid,
    transfer_syntax_uid: &Uid,
    source_ae: Option<&AeTitle>,
) -> Vec<u8> {
    let mut group = Vec::with_capacity(256);
    let mut put = |element: u16, vr: Vr, value: &[u8], padding: u8| {
        group.extend_from_slice(&[0x02, 0x00]);
        group.extend_from_slice(&element.to_le_bytes());
        group.extend_from_slice(&vr.to_bytes());
        let odd = value.len() % 2;
        // Values here are a UID, an AE title or our own name: at most 64 bytes.
        let length = (value.len() + odd) as u16;
        if has_long_length(vr) {
            group.extend_from_slice(&[0, 0]);
            group.extend_from_slice(&u32::from(length).to_le_bytes());
        } else {
            group.extend_from_slice(&length.to_le_bytes());
        }
        group.extend_from_slice(value);
        group.extend(std::iter::repeat_n(padding, odd));
    };
    put(0x0001, Vr::OB, &[0, 1], 0);
    put(0x0002, Vr::UI, sop_class_uid.as_str().as_bytes(), 0);
    put(0x0003, Vr::UI, sop_instance_uid.as_str().as_bytes(), 0);
    put(0x0010, Vr::UI, transfer_syntax_uid.as_str().as_bytes(), 0);
    put(0x0012, Vr::UI, IMPLEMENTATION_CLASS_UID.as_bytes(), 0);
    put(0x0013, Vr::SH, IMPLEMENTATION_VERSION_NAME.as_bytes(), b' ');
    if let Some(ae) = source_ae {
        put(0x0016, Vr::AE, ae.as_str().as_bytes(), b' ');
    }
    let mut bytes = vec![0; 128];
    bytes.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00");
    bytes.extend_from_slice(&(group.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&group);
    bytes
}

impl Opened {
    /// Encoding of the elements.
    pub(crate) fn encoding(&self) -> Encoding {
        self.transfer_syntax.encoding
    }
}
