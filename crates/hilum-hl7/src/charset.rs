//! The character set of a message: MSH-18, table 0211.

use crate::Hl7Error;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use std::borrow::Cow;

/// The text of `bytes`. An empty MSH-18 says ASCII; what is not ASCII then is taken as UTF-8 where it is that, and as
/// ISO 8859-1 otherwise, because many senders state nothing.
pub(crate) fn decode<'a>(bytes: &'a [u8], stated: &str) -> Result<Cow<'a, str>, Hl7Error> {
    let encoding = match stated.trim().to_ascii_uppercase().as_str() {
        "" | "ASCII" | "8859/1" | "ISO IR100" if stated.trim().is_empty() && std::str::from_utf8(bytes).is_ok() => {
            UTF_8
        }
        "" | "ASCII" | "8859/1" | "ISO IR100" => WINDOWS_1252,
        "UNICODE UTF-8" | "UTF-8" | "UTF8" | "UNICODE" => UTF_8,
        other => match other.strip_prefix("8859/").map(|part| format!("iso-8859-{part}")) {
            Some(label) => Encoding::for_label(label.as_bytes()).ok_or(Hl7Error::Charset)?,
            None => return Err(Hl7Error::Charset),
        },
    };
    let decoded = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    decoded.ok_or(Hl7Error::NotInCharset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stated_and_unstated_sets() {
        let of =
            |bytes: &[u8], stated: &str| decode(bytes, stated).map(|text| text.into_owned()).map_err(|e| e.to_string());
        assert_eq!(of("Erguß".as_bytes(), "UNICODE UTF-8").unwrap(), "Erguß");
        assert_eq!(of(b"Ergu\xdf", "8859/1").unwrap(), "Erguß");
        assert_eq!(of(b"Ergu\xdf", "").unwrap(), "Erguß");
        assert_eq!(of("Erguß".as_bytes(), "").unwrap(), "Erguß");
        assert_eq!(of(b"5 \xa4", "8859/15").unwrap(), "5 €");
        assert!(of(b"Ergu\xdf", "UNICODE UTF-8").unwrap_err().contains("state the one that is used"));
        assert!(of(b"x", "ISO IR87").unwrap_err().contains("not known here"));
    }
}
