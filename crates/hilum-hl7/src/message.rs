//! A message as segments, fields, repetitions and components (HL7 v2.5.1 sections 2.5 to 2.7). Everything is a slice.

use crate::Hl7Error;
use crate::charset::decode;

/// Segments of one message.
const SEGMENTS_MAX: usize = 20_000;

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
    pub fn repetitions(&self, field: usize) -> Vec<&'a str> {
        let raw = self.raw(field);
        if raw.is_empty() { Vec::new() } else { raw.split(self.separators.repetition).collect() }
    }

    /// A component, from 1, of the first repetition of a field, as text.
    pub fn component(&self, field: usize, component: usize) -> String {
        let first = self.repetitions(field).into_iter().next().unwrap_or_default();
        self.part(first, component)
    }

    /// A component, from 1, of one repetition, as text; of a component with parts the first.
    pub fn part(&self, repetition: &str, component: usize) -> String {
        let found = repetition.split(self.separators.component).nth(component.saturating_sub(1)).unwrap_or_default();
        self.unescaped(found.split(self.separators.subcomponent).next().unwrap_or_default()).trim().to_owned()
    }

    /// Text with its escape sequences resolved (section 2.7). What is no sequence of the standard is left out.
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
            let Some(end) = after.find(escape) else {
                // A lone escape character is what somebody typed.
                out.push(escape);
                rest = after;
                continue;
            };
            self.resolve(&after[..end], &mut out);
            rest = &after[end + escape.len_utf8()..];
        }
        out.push_str(rest);
        out
    }

    fn resolve(&self, sequence: &str, out: &mut String) {
        match sequence {
            "F" => out.push(self.separators.field),
            "S" => out.push(self.separators.component),
            "T" => out.push(self.separators.subcomponent),
            "R" => out.push(self.separators.repetition),
            "E" => out.push(self.separators.escape),
            ".br" | ".BR" => out.push('\n'),
            _ if sequence.starts_with(".sp") => out.push('\n'),
            _ => {
                let hex = sequence.strip_prefix('X').unwrap_or_default().as_bytes();
                let digit = |byte: u8| char::from(byte).to_digit(16);
                for pair in hex.chunks_exact(2) {
                    // One byte of the set of the message; beyond ASCII it is taken as ISO 8859-1.
                    if let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) {
                        out.extend(char::from_u32(high * 16 + low));
                    }
                }
            }
        }
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
        let ids: Vec<String> = all[1].repetitions(3).iter().map(|id| all[1].part(id, 1)).collect();
        assert_eq!(ids, ["A1", "B2"]);
        assert_eq!(all[1].component(5, 1), "M&M");
        assert_eq!(all[2].unescaped(all[2].raw(5)), "a\nb | A  c\\");
        assert_eq!((all[2].raw(99), all[2].raw(0), all[2].component(5, 9)), ("", "", String::new()));
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
                            let repetitions = segment.repetitions(field);
                            repetitions.iter().for_each(|repetition| drop(segment.part(repetition, field)));
                        }
                    }
                }
            }
        }
    }
}
