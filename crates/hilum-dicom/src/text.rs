//! Text: Specific Character Set, code extensions by ISO 2022 escape sequences, and splitting into values
//! (PS3.5 section 6.1, PS3.3 section C.12.1.1.2). The tables are those of `encoding_rs`.

use crate::Vr;
use crate::dictionary::uses_character_set;
use encoding_rs::{EUC_JP, EUC_KR, Encoding as Table, GB18030, GBK, SHIFT_JIS};

const ESC: u8 = 0x1B;
const UNDECODABLE: char = char::REPLACEMENT_CHARACTER;

/// One coded character set that a value can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// ISO-IR 6, US-ASCII, in G0.
    Ascii,
    /// ISO-IR 14, JIS X 0201 romaji, in G0.
    Romaji,
    /// ISO-IR 87, JIS X 0208, two bytes in G0.
    JisX0208,
    /// ISO-IR 159, JIS X 0212, two bytes in G0.
    JisX0212,
    /// ISO-IR 13, JIS X 0201 katakana, in G1.
    Katakana,
    /// ISO-IR 149, KS X 1001, two bytes in G1.
    KsX1001,
    /// ISO-IR 58, GB 2312, two bytes in G1.
    Gb2312,
    /// ISO-IR 100, Latin-1, in G1.
    Latin1,
    /// Another right-hand half of one byte, by the label of its `encoding_rs` table.
    Half(Half),
    /// Nothing designated.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Latin2,
    Latin3,
    Latin4,
    Latin5,
    Cyrillic,
    Arabic,
    Greek,
    Hebrew,
    Thai,
    Latin9,
}

impl Half {
    fn table(self) -> &'static Table {
        match self {
            Half::Latin2 => encoding_rs::ISO_8859_2,
            Half::Latin3 => encoding_rs::ISO_8859_3,
            Half::Latin4 => encoding_rs::ISO_8859_4,
            // Differs from ISO-8859-9 below 0xA0 only, where no graphic character of the standard lies.
            Half::Latin5 => encoding_rs::WINDOWS_1254,
            Half::Cyrillic => encoding_rs::ISO_8859_5,
            Half::Arabic => encoding_rs::ISO_8859_6,
            Half::Greek => encoding_rs::ISO_8859_7,
            Half::Hebrew => encoding_rs::ISO_8859_8,
            // As above, for TIS 620.
            Half::Thai => encoding_rs::WINDOWS_874,
            Half::Latin9 => encoding_rs::ISO_8859_15,
        }
    }
}

/// How the text of a data set is written: the meaning of (0008,0005).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharacterSet(Repertoire);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repertoire {
    /// ISO_IR 192.
    Utf8,
    /// GB18030, and its subset GBK.
    Gb18030,
    /// One byte per character or ISO 2022: the sets in force at the start of every value.
    Iso2022 { g0: Set, g1: Set },
}

impl Default for CharacterSet {
    /// Absent (0008,0005): ISO-IR 6. Bytes above 0x7F, which it does not have, are read as ISO-IR 100.
    fn default() -> Self {
        CharacterSet(Repertoire::Iso2022 { g0: Set::Ascii, g1: Set::Latin1 })
    }
}

impl CharacterSet {
    /// ISO_IR 192: what this crate writes.
    pub const UTF_8: CharacterSet = CharacterSet(Repertoire::Utf8);

    /// The meaning of the values of (0008,0005), and whether the first is a defined term. Escape sequences may
    /// designate every set of the standard, whether or not a further value announces it: they are unambiguous,
    /// and writers forget to.
    pub fn from_terms(terms: &[String]) -> (CharacterSet, bool) {
        let first = terms.first().map_or("", String::as_str).trim();
        let normal = first.to_ascii_uppercase().replace(['-', ' ', '_'], "");
        let number = normal.strip_prefix("ISOIR").or_else(|| normal.strip_prefix("ISO2022IR")).unwrap_or(&normal);
        let iso = |g0, g1| CharacterSet(Repertoire::Iso2022 { g0, g1 });
        let half = |half| iso(Set::Ascii, Set::Half(half));
        let set = match number {
            "" | "6" | "100" => iso(Set::Ascii, Set::Latin1),
            "192" | "UTF8" => CharacterSet::UTF_8,
            "GB18030" | "GBK" => CharacterSet(Repertoire::Gb18030),
            "101" => half(Half::Latin2),
            "109" => half(Half::Latin3),
            "110" => half(Half::Latin4),
            "144" => half(Half::Cyrillic),
            "127" => half(Half::Arabic),
            "126" => half(Half::Greek),
            "138" => half(Half::Hebrew),
            "148" => half(Half::Latin5),
            "166" => half(Half::Thai),
            "203" => half(Half::Latin9),
            "13" => iso(Set::Romaji, Set::Katakana),
            // Not allowed as the first value, but seen: a code extension on top of ASCII.
            "87" => iso(Set::JisX0208, Set::None),
            "159" => iso(Set::JisX0212, Set::None),
            "149" => iso(Set::Ascii, Set::KsX1001),
            "58" => iso(Set::Ascii, Set::Gb2312),
            _ => return (CharacterSet::default(), false),
        };
        (set, true)
    }

    /// Whether `text` written as UTF-8 is also right in this character set.
    pub(crate) fn holds_utf8(self, text: &[u8]) -> bool {
        self == CharacterSet::UTF_8 || text.is_ascii()
    }
}

/// The values of a text element, padding removed; no value at all when nothing but padding is there.
/// The flag tells that something had to be replaced by U+FFFD.
pub fn decode(bytes: &[u8], vr: Vr, set: CharacterSet) -> (Vec<String>, bool) {
    let single = matches!(vr, Vr::ST | Vr::LT | Vr::UT | Vr::UR);
    let (text, replaced) = if uses_character_set(vr) { decode_all(bytes, vr, set, !single) } else { latin1(bytes) };
    let text = text.trim_end_matches(['\0', ' ']);
    if text.is_empty() {
        return (Vec::new(), replaced);
    }
    if single {
        return (vec![text.to_owned()], replaced);
    }
    // A delimiting backslash has become a noncharacter, so that 0x5C within a multi-byte character stays.
    let separator = if uses_character_set(vr) { SEPARATOR } else { '\\' };
    let trimmed = |value: &str| {
        let value = value.trim_matches([' ', '\0']);
        // Empty component groups at the end of a name may be left out (PS3.5 section 6.2.1.1).
        if vr == Vr::PN { value.trim_end_matches('=').to_owned() } else { value.to_owned() }
    };
    (text.split(separator).map(trimmed).collect(), replaced)
}

/// Text of the default repertoire, whatever bytes there are.
pub(crate) fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Stands for a delimiting backslash while decoding; a noncharacter, so no text holds it.
const SEPARATOR: char = '\u{FFFE}';

fn latin1(bytes: &[u8]) -> (String, bool) {
    (ascii(bytes), false)
}

fn decode_all(bytes: &[u8], vr: Vr, set: CharacterSet, multiple: bool) -> (String, bool) {
    match set.0 {
        Repertoire::Utf8 => {
            let text = String::from_utf8_lossy(bytes);
            let replaced = matches!(text, std::borrow::Cow::Owned(_));
            (if multiple { text.replace('\\', "\u{FFFE}") } else { text.into_owned() }, replaced)
        }
        Repertoire::Gb18030 => {
            let (text, replaced) = GB18030.decode_without_bom_handling(bytes);
            (if multiple { text.replace('\\', "\u{FFFE}") } else { text.into_owned() }, replaced)
        }
        Repertoire::Iso2022 { g0, g1 } => {
            let mut decoder =
                Iso2022 { out: String::with_capacity(bytes.len()), initial: (g0, g1), g0, g1, replaced: false };
            decoder.run(bytes, vr == Vr::PN, multiple);
            (decoder.out, decoder.replaced)
        }
    }
}

struct Iso2022 {
    out: String,
    initial: (Set, Set),
    g0: Set,
    g1: Set,
    replaced: bool,
}

impl Iso2022 {
    fn run(&mut self, bytes: &[u8], name: bool, multiple: bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += match byte {
                ESC => self.escape(&bytes[at + 1..]),
                0x00..=0x20 | 0x7F => self.control(byte),
                0x21..=0x7E => self.left(&bytes[at..], name, multiple),
                0x80..=0xFF => self.right(&bytes[at..]),
            };
        }
    }

    /// An escape sequence designates a set (PS3.3 tables C.12-3 and C.12-4). Returns the bytes it takes.
    fn escape(&mut self, rest: &[u8]) -> usize {
        let half = |half| Set::Half(half);
        let (g0, g1, taken) = match rest {
            [b'(', b'B', ..] => (Some(Set::Ascii), None, 2),
            [b'(', b'J', ..] => (Some(Set::Romaji), None, 2),
            [b')', b'I', ..] => (None, Some(Set::Katakana), 2),
            [b'-', b'A', ..] => (None, Some(Set::Latin1), 2),
            [b'-', b'B', ..] => (None, Some(half(Half::Latin2)), 2),
            [b'-', b'C', ..] => (None, Some(half(Half::Latin3)), 2),
            [b'-', b'D', ..] => (None, Some(half(Half::Latin4)), 2),
            [b'-', b'F', ..] => (None, Some(half(Half::Greek)), 2),
            [b'-', b'G', ..] => (None, Some(half(Half::Arabic)), 2),
            [b'-', b'H', ..] => (None, Some(half(Half::Hebrew)), 2),
            [b'-', b'L', ..] => (None, Some(half(Half::Cyrillic)), 2),
            [b'-', b'M', ..] => (None, Some(half(Half::Latin5)), 2),
            [b'-', b'T', ..] => (None, Some(half(Half::Thai)), 2),
            [b'-', b'b', ..] => (None, Some(half(Half::Latin9)), 2),
            [b'$', b'(', b'D', ..] => (Some(Set::JisX0212), None, 3),
            [b'$', b')', b'C', ..] => (None, Some(Set::KsX1001), 3),
            [b'$', b')', b'A', ..] => (None, Some(Set::Gb2312), 3),
            [b'$', b'B' | b'@', ..] => (Some(Set::JisX0208), None, 2),
            _ => {
                self.replace();
                return 1;
            }
        };
        self.g0 = g0.unwrap_or(self.g0);
        self.g1 = g1.unwrap_or(self.g1);
        1 + taken
    }

    fn replace(&mut self) {
        self.replaced = true;
        self.out.push(UNDECODABLE);
    }

    fn reset(&mut self) {
        (self.g0, self.g1) = self.initial;
    }

    /// Control characters and space; line ends return to the initial sets (PS3.5 section 6.1.2.5.3).
    fn control(&mut self, byte: u8) -> usize {
        if matches!(byte, b'\t' | b'\n' | 0x0C | b'\r') {
            self.reset();
        }
        self.out.push(char::from(byte));
        1
    }

    fn left(&mut self, rest: &[u8], name: bool, multiple: bool) -> usize {
        let byte = rest[0];
        if matches!(self.g0, Set::JisX0208 | Set::JisX0212) {
            return match rest.get(1) {
                Some(&second @ 0x21..=0x7E) if self.g0 == Set::JisX0208 => {
                    self.table(EUC_JP, &[byte | 0x80, second | 0x80])
                }
                Some(&second @ 0x21..=0x7E) => self.table(EUC_JP, &[0x8F, byte | 0x80, second | 0x80]).min(2),
                _ => {
                    self.replace();
                    1
                }
            };
        }
        match byte {
            b'\\' if multiple => {
                self.reset();
                self.out.push(SEPARATOR);
            }
            b'^' | b'=' if name => {
                self.reset();
                self.out.push(char::from(byte));
            }
            b'~' if self.g0 == Set::Romaji => self.out.push('\u{203E}'),
            _ => self.out.push(char::from(byte)),
        }
        1
    }

    fn right(&mut self, rest: &[u8]) -> usize {
        let byte = rest[0];
        match (self.g1, rest.get(1)) {
            (Set::Latin1, _) => self.out.push(char::from(byte)),
            (Set::Half(half), _) if 0xA0 <= byte => return self.table(half.table(), &[byte]),
            (Set::Half(_), _) => self.out.push(char::from(byte)),
            (Set::Katakana, _) if (0xA1..=0xDF).contains(&byte) => return self.table(SHIFT_JIS, &[byte]),
            (Set::KsX1001, Some(&second @ 0xA1..=0xFE)) => return self.table(EUC_KR, &[byte, second]),
            (Set::Gb2312, Some(&second @ 0xA1..=0xFE)) => return self.table(GBK, &[byte, second]),
            _ => self.replace(),
        }
        1
    }

    /// One character by a table; returns the bytes of `coded`.
    fn table(&mut self, table: &'static Table, coded: &[u8]) -> usize {
        match table.decode_without_bom_handling_and_without_replacement(coded) {
            Some(text) => self.out.push_str(&text),
            None => self.replace(),
        }
        coded.len()
    }
}
