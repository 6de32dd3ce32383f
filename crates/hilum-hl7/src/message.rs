//! A message as segments, fields, repetitions and components (HL7 v2.5.1 sections 2.5 to 2.7). Everything is a slice.

use crate::Hl7Error;
use crate::charset::decode;

/// Segments of one message.
const SEGMENTS_MAX: usize = 20_000;
/// Longest escape sequence that is looked for.
const SEQUENCE_BYTES_MAX: usize = 64;

/// The separators that MSH-1 and MSH-2 declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Separators {
    field: char,
    component: char,
    repetition: char,
    escape: char,
    subcomponent: char,
}

/// A message that was read.
#[derive(Clone)]
pub struct Message {
    text: String,
    separators: Separators,
}

/// One segment of a message.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    line: &'a str,
    separators: Separators,
}

/// A message is patient data.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message(..)")
    }
}

impl std::fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({}, ..)", self.name())
    }
}

impl Message {
    /// Read a message: MSH first, then the character set that it states, then the rest.
    ///
    /// # Errors
    /// [`Hl7Error::NoHeader`], [`Hl7Error::Charset`], [`Hl7Error::NotInCharset`], [`Hl7Error::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Message, Hl7Error> {
        let header = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        // The header is ASCII in every set that is taken; whatever is not says nothing that decides.
        let header = String::from_utf8_lossy(header);
        let separators = separators(&header)?;
        let stated = Segment { line: &header, separators }.component(18, 1);
        let text = decode(bytes, &stated)?.into_owned();
        let message = Message { text, separators };
        if message.lines().nth(SEGMENTS_MAX).is_some() {
            return Err(Hl7Error::TooLarge("20000 segments"));
        }
        Ok(message)
    }

    /// Only the header of a message that could not be read, for its answer. What is no text of its set is replaced.
    pub fn header_only(bytes: &[u8]) -> Option<Message> {
        let header = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let text = String::from_utf8_lossy(header).into_owned();
        let separators = separators(&text).ok()?;
        Some(Message { text, separators })
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split(['\r', '\n']).filter(|line| !line.trim().is_empty())
    }

    /// Segments in order. They end with a carriage return; a line feed is tolerated.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.lines().map(|line| Segment { line, separators: self.separators })
    }

    /// The message header.
    pub fn header(&self) -> Segment<'_> {
        Segment { line: self.lines().next().unwrap_or_default(), separators: self.separators }
    }
}

fn separators(header: &str) -> Result<Separators, Hl7Error> {
    let rest = header.strip_prefix("MSH").ok_or(Hl7Error::NoHeader)?;
    let mut chars = rest.chars();
    let field = chars.next().filter(|c| c.is_ascii() && !c.is_ascii_alphanumeric()).ok_or(Hl7Error::NoHeader)?;
    let declared: Vec<char> = chars.take_while(|c| *c != field).take(4).collect();
    let at = |place: usize, usual| declared.get(place).copied().unwrap_or(usual);
    if declared.is_empty() || !declared.iter().all(|c| c.is_ascii() && !c.is_ascii_alphanumeric()) {
        return Err(Hl7Error::NoHeader);
    }
    Ok(Separators {
        field,
        component: at(0, '^'),
        repetition: at(1, '~'),
        escape: at(2, '\\'),
        subcomponent: at(3, '&'),
    })
}

impl<'a> Segment<'a> {
    /// Name of the segment, such as `OBX`.
    pub fn name(&self) -> &'a str {
        self.line.split(self.separators.field).next().unwrap_or_default()
    }

    /// A field as it stands, from 1; empty when it is not there. The first field of MSH is its separator.
    pub fn raw(&self, field: usize) -> &'a str {
        let skipped = if self.name() == "MSH" { field.saturating_sub(1) } else { field };
        if skipped == 0 {
            return "";
        }
        self.line.split(self.separators.field).nth(skipped).unwrap_or_default()
    }

    /// The repetitions of a field; none when it is empty.
    pub fn repetitions(&self, field: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let raw = self.raw(field);
        raw.split(self.separators.repetition).filter(move |_| !raw.is_empty())
    }

    /// A component, from 1, of the first repetition of a field, as text.
    pub fn component(&self, field: usize, component: usize) -> String {
        let first = self.repetitions(field).next().unwrap_or_default();
        self.part(first, component)
    }

    /// A component, from 1, of one repetition, as text; of a component with parts the first.
    pub fn part(&self, repetition: &str, component: usize) -> String {
        let found = repetition.split(self.separators.component).nth(component.saturating_sub(1)).unwrap_or_default();
        self.unescaped(found.split(self.separators.subcomponent).next().unwrap_or_default()).trim().to_owned()
    }

    /// Text with its escape sequences resolved (section 2.7). Sequences of the standard that set no character, such as
    /// highlighting, are left out; whatever else stands between two escape characters is what somebody typed.
    pub fn unescaped(&self, text: &str) -> String {
        let escape = self.separators.escape;
        if !text.contains(escape) {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(escape) {
            out.push_str(&rest[..begin]);
            let after = &rest[begin + escape.len_utf8()..];
            // Separators are ASCII, so that the place of that byte is the beginning of a character.
            let end = after.bytes().take(SEQUENCE_BYTES_MAX + 1).position(|byte| char::from(byte) == escape);
            match end.filter(|end| self.resolve(&after[..*end], &mut out)) {
                Some(end) => rest = &after[end + escape.len_utf8()..],
                None => {
                    out.push(escape);
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// Write what a sequence stands for; `false` when it is none.
    fn resolve(&self, sequence: &str, out: &mut String) -> bool {
        match sequence {
            "F" => out.push(self.separators.field),
            "S" => out.push(self.separators.component),
            "T" => out.push(self.separators.subcomponent),
            "R" => out.push(self.separators.repetition),
            "E" => out.push(self.separators.escape),
            ".br" | ".BR" => out.push('\n'),
            _ if sequence.starts_with(".sp") && is_silent(sequence) => out.push('\n'),
            _ => match sequence.strip_prefix('X') {
                Some(digits) if is_hex(digits, 2) => {
                    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default();
                    for pair in digits.as_bytes().chunks_exact(2) {
                        // One byte of the set of the message; beyond ASCII it is taken as ISO 8859-1.
                        out.extend(char::from_u32(digit(pair[0]) * 16 + digit(pair[1])));
                    }
                }
                _ => return is_silent(sequence),
            },
        }
        true
    }
}

fn is_hex(digits: &str, multiple: usize) -> bool {
    !digits.is_empty() && digits.len().is_multiple_of(multiple) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A sequence that sets no character: highlighting, a formatting command with its number (section 2.7.6), a change of the
/// character set. What sender and receiver agreed on (`Z`) is kept as it was typed: nothing is known of it here, and a name
/// of a folder looks the same.
fn is_silent(sequence: &str) -> bool {
    const COMMANDS: [&str; 8] = [".br", ".sp", ".fi", ".nf", ".in", ".ti", ".sk", ".ce"];
    let number = |text: &str| text.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit());
    match sequence.bytes().next() {
        Some(b'H' | b'N') => sequence.len() == 1,
        Some(b'.') => COMMANDS.iter().any(|command| sequence.strip_prefix(command).is_some_and(number)),
        Some(b'C') => sequence.len() == 5 && is_hex(&sequence[1..], 4),
        Some(b'M') => matches!(sequence.len(), 5 | 7) && is_hex(&sequence[1..], 2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_components_and_escapes() {
        let text = "MSH|^~\\&|RIS|H|HILUM|H|20261123||ORU^R01^ORU_R01|4711|P|2.5.1\rPID|1||A1^^^H~B2^^^X||M\\T\\M^X\rOBX|1|TX|||a\\.br\\b \\F\\ \\X41\\ \\Zx\\ c\\";
        let message = Message::parse(text.as_bytes()).unwrap();
        let all: Vec<_> = message.segments().collect();
        assert_eq!((all[0].raw(1), all[0].raw(2), all[0].component(9, 2)), ("", "^~\\&", "R01".to_owned()));
        assert_eq!(message.header().component(10, 1), "4711");
        let ids: Vec<String> = all[1].repetitions(3).map(|id| all[1].part(id, 1)).collect();
        assert_eq!(ids, ["A1", "B2"]);
        assert_eq!(all[1].component(5, 1), "M&M");
        assert_eq!(all[2].unescaped(all[2].raw(5)), "a\nb | A \\Zx\\ c\\");
        assert_eq!((all[2].raw(99), all[2].raw(0), all[2].component(5, 9)), ("", "", String::new()));
    }

    #[test]
    fn what_somebody_typed_between_escape_characters_stays() {
        let message = Message::parse(b"MSH|^~\\&|RIS").unwrap();
        let read = |text: &str| message.header().unescaped(text);
        for typed in [
            r"C:\alt. Grosse Pneumonie rechts. Pfad D:\neu",
            r"\\server\bilder\Hals\M1\Nacken",
            r"\.spaet\ und \Xylophon\",
            r"D:\Zug\neu",
            "\\\u{e9}\u{e9}\\",
        ] {
            assert_eq!(read(typed), typed);
        }
        assert_eq!(read(r"a\T\b \H\bold\N\ \.in+4\x\.sp2\y \X4142\ C:\F\"), "a&b bold x\ny AB C:|");
        // The end of one that is none may begin one.
        assert_eq!(read(r"D:\neu\T\x"), r"D:\neu&x");
    }

    #[test]
    fn of_a_message_that_cannot_be_read_the_header_can() {
        let bytes = b"MSH|^~\\&|RIS||||2026||ORU^R01|4|P|2.3||||||UNICODE UTF-8\rOBX|1|TX|||\xdf";
        assert!(matches!(Message::parse(bytes), Err(Hl7Error::NotInCharset)));
        assert_eq!(Message::header_only(bytes).unwrap().header().component(10, 1), "4");
        assert!(Message::header_only(b"what").is_none());
    }

    proptest! {
        /// Whatever a peer sends: an answer, and no panic.
        #[test]
        fn hostile_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let with_header = [b"MSH|^~\\&|", &bytes[..]].concat();
            for bytes in [&bytes, &with_header] {
                if let Ok(message) = Message::parse(bytes) {
                    for segment in message.segments() {
                        for field in 0..30 {
                            segment.repetitions(field).for_each(|repetition| drop(segment.part(repetition, field)));
                        }
                    }
                }
            }
        }
    }
}
