//! `multipart/related` as it comes in, piece by piece (RFC 2046 section 5.1, RFC 2387). Memory is bounded by
//! [`HEAD_BYTES_MAX`] and the pieces fed in, whatever the body holds.

use crate::{Problem, ProblemCode};
use axum::http::header::{self, HeaderMap};
use bytes::{Bytes, BytesMut};
use memchr::memmem;

/// Bytes before the first delimiter.
const PREAMBLE_BYTES_MAX: usize = 64 << 10;
/// Header lines of one part.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Spaces after a delimiter.
const PADDING_BYTES_MAX: usize = 256;
/// Characters of a boundary (RFC 2046 section 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;

/// What the `Content-Type` of a STOW-RS request says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Related {
    pub(crate) boundary: String,
}

impl Related {
    /// # Errors
    /// `unsupported-media-type` when it is not `multipart/related` of `application/dicom`, `malformed-multipart`
    /// without a usable boundary.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Related, Problem> {
        let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let unsupported = |message: &str| Problem::new(ProblemCode::UnsupportedMediaType, message);
        let (kind, parameters) = media_type(value);
        if kind != "multipart/related" {
            return Err(unsupported("the body is not multipart/related"));
        }
        let parameter = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        // A type parameter is required, but senders that leave it out send DICOM all the same.
        if parameter("type").is_some_and(|kind| !media_type(kind).0.eq_ignore_ascii_case("application/dicom")) {
            return Err(unsupported("only application/dicom is taken, not metadata with bulk data"));
        }
        let boundary = parameter("boundary").unwrap_or_default();
        let usable = (1..=BOUNDARY_CHARS_MAX).contains(&boundary.len())
            && boundary.bytes().all(|b| matches!(b, b' '..=b'~'))
            && !boundary.ends_with(' ');
        if !usable {
            return Err(malformed("the Content-Type has no boundary of 1 to 70 printable characters"));
        }
        Ok(Related { boundary: boundary.to_owned() })
    }
}

/// A media type in lower case and its parameters, names in lower case, values unquoted (RFC 9110 section 8.3.1).
pub(crate) fn media_type(text: &str) -> (String, Vec<(String, String)>) {
    let (kind, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let mut parameters = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', '\t', ';']).to_ascii_lowercase();
        let after = after.trim_start();
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let mut unquoted = String::new();
            let mut chars = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((at, char)) = chars.next() {
                match char {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => unquoted.extend(chars.next().map(|(_, escaped)| escaped)),
                    _ => unquoted.push(char),
                }
            }
            value = unquoted;
            rest = &quoted[end..];
        } else {
            let end = after.find(';').unwrap_or(after.len());
            value = after[..end].trim().to_owned();
            rest = &after[end..];
        }
        parameters.push((name, value));
    }
    (kind.trim().to_ascii_lowercase(), parameters)
}

/// Header lines of one part that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartHead {
    /// Media type in lower case, without parameters; empty when not stated.
    pub(crate) content_type: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    PartBegin(PartHead),
    Data(Bytes),
    PartEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Preamble,
    Head,
    /// At the line break that ends the header lines.
    DataStart,
    Data,
    Epilogue,
}

/// Takes a body apart without looking at where it comes from.
pub(crate) struct MultipartParser {
    /// `CRLF -- boundary`.
    delimiter: Vec<u8>,
    finder: memmem::Finder<'static>,
    buffer: BytesMut,
    place: Place,
    n_preamble: usize,
}

/// What stands behind a delimiter.
enum Behind {
    /// Another part; the delimiter line has this many bytes after the boundary, its CRLF not counted.
    Part(usize),
    /// The end.
    Close,
    /// Not a delimiter after all: the boundary is the beginning of a longer text.
    Text,
    /// More bytes are needed to tell.
    Unknown,
}

impl MultipartParser {
    pub(crate) fn new(boundary: &str) -> MultipartParser {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        let finder = memmem::Finder::new(&delimiter).into_owned();
        // The first delimiter may stand at the very beginning: the line break it needs is supplied.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        MultipartParser { delimiter, finder, buffer, place: Place::Preamble, n_preamble: 0 }
    }

    /// More bytes of the body; call [`MultipartParser::next_event`] until it is empty before feeding again.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        match self.place {
            Place::Epilogue => {}
            _ => self.buffer.extend_from_slice(bytes),
        }
    }

    /// What the bytes fed so far hold next; `None` when more are needed.
    pub(crate) fn next_event(&mut self) -> Result<Option<Event>, Problem> {
        loop {
            match self.place {
                Place::Epilogue => {
                    self.buffer.clear();
                    return Ok(None);
                }
                Place::Head => return self.head(),
                Place::DataStart => {
                    let undecided =
                        self.buffer.len() < self.delimiter.len() && self.delimiter.starts_with(&self.buffer);
                    match (undecided, self.before_delimiter()?) {
                        (true, _) => return Ok(None),
                        (false, (0, None)) if self.buffer.starts_with(&self.delimiter) => return Ok(None),
                        (false, (0, Some(place))) => {
                            self.place = place;
                            return Ok(Some(Event::PartEnd));
                        }
                        (false, _) => {
                            let _line_break = self.buffer.split_to(2);
                            self.place = Place::Data;
                        }
                    }
                }
                Place::Preamble | Place::Data => {
                    let (free, found) = self.before_delimiter()?;
                    let in_data = self.place == Place::Data;
                    if 0 < free {
                        let passed = self.buffer.split_to(free).freeze();
                        if in_data {
                            return Ok(Some(Event::Data(passed)));
                        }
                        self.n_preamble += free;
                        if PREAMBLE_BYTES_MAX < self.n_preamble {
                            return Err(malformed("the boundary does not occur at the beginning of the body"));
                        }
                    }
                    match found {
                        None if free == 0 => return Ok(None),
                        None => {}
                        Some(place) => {
                            self.place = place;
                            if in_data {
                                return Ok(Some(Event::PartEnd));
                            }
                        }
                    }
                }
            }
        }
    }

    /// The body ends here.
    ///
    /// # Errors
    /// `malformed-multipart` when the closing delimiter did not come.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.place {
            Place::Epilogue => Ok(()),
            _ => Err(malformed("the body ends before its closing delimiter")),
        }
    }

    /// How many bytes at the front belong to what is before the next delimiter; when that is none and a delimiter
    /// stands at the front, it is removed and the place after it is told.
    fn before_delimiter(&mut self) -> Result<(usize, Option<Place>), Problem> {
        let Some(at) = self.finder.find(&self.buffer) else {
            // Its beginning may already be there.
            let tail = self.delimiter.len() - 1;
            return Ok((self.buffer.len().saturating_sub(tail), None));
        };
        if 0 < at {
            return Ok((at, None));
        }
        match behind(&self.buffer[self.delimiter.len()..]) {
            Behind::Unknown if self.delimiter.len() + PADDING_BYTES_MAX < self.buffer.len() => {
                Err(malformed("a delimiter is followed by too many spaces"))
            }
            Behind::Unknown => Ok((0, None)),
            Behind::Text => Ok((self.delimiter.len(), None)),
            Behind::Close => Ok((0, Some(Place::Epilogue))),
            Behind::Part(padding) => {
                let _delimiter = self.buffer.split_to(self.delimiter.len() + padding);
                Ok((0, Some(Place::Head)))
            }
        }
    }

    /// The buffer stands at the CRLF that ends the delimiter line.
    fn head(&mut self) -> Result<Option<Event>, Problem> {
        let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
            if HEAD_BYTES_MAX < self.buffer.len() {
                return Err(malformed("the header lines of a part are too long or do not end"));
            }
            return Ok(None);
        };
        if HEAD_BYTES_MAX < end {
            return Err(malformed("the header lines of a part are too long"));
        }
        // The last line break stays: in a part without content it belongs to the delimiter that follows.
        let lines = self.buffer.split_to(end + 2);
        self.place = Place::DataStart;
        let text = String::from_utf8_lossy(&lines);
        let mut head = PartHead::default();
        for line in text.split("\r\n") {
            if let Some((name, value)) = line.split_once(':')
                && name.trim().eq_ignore_ascii_case("content-type")
            {
                head.content_type = media_type(value).0;
            }
        }
        Ok(Some(Event::PartBegin(head)))
    }
}

fn behind(bytes: &[u8]) -> Behind {
    if bytes.starts_with(b"--") {
        return Behind::Close;
    }
    let padding = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    match &bytes[padding..] {
        [b'\r', b'\n', ..] => Behind::Part(padding),
        [] | [b'\r'] => Behind::Unknown,
        [b'-'] if padding == 0 => Behind::Unknown,
        _ => Behind::Text,
    }
}

fn malformed(message: &str) -> Problem {
    Problem::new(ProblemCode::MalformedMultipart, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts as (content type, data), or the message of the problem, fed in pieces of `step` bytes.
    fn parse(body: &[u8], boundary: &str, step: usize) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut parser = MultipartParser::new(boundary);
        let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
        let mut n_ended = 0;
        for piece in body.chunks(step) {
            parser.feed(piece);
            while let Some(event) = parser.next_event().map_err(|p| p.message)? {
                match event {
                    Event::PartBegin(head) => parts.push((head.content_type, Vec::new())),
                    Event::Data(data) => parts.last_mut().unwrap().1.extend_from_slice(&data),
                    Event::PartEnd => n_ended += 1,
                }
            }
        }
        parser.finish().map_err(|p| p.message)?;
        assert_eq!(n_ended, parts.len());
        Ok(parts)
    }

    /// The same answer, however the body is cut into pieces.
    fn parse_any(body: &[u8], boundary: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let whole = parse(body, boundary, body.len().max(1));
        for step in 1..body.len().min(90) {
            assert_eq!(parse(body, boundary, step), whole, "in pieces of {step}");
        }
        whole
    }

    fn dicom(data: &[u8]) -> (String, Vec<u8>) {
        ("application/dicom".to_owned(), data.to_vec())
    }

    #[test]
    fn parts_are_given_as_sent() {
        let body = b"--b\r\nContent-Type: application/dicom\r\n\r\nAB\r\nC\r\n--b\r\ncontent-type:Application/DICOM;x=y\r\n\r\n\r\n--b--\r\n";
        assert_eq!(parse_any(body, "b"), Ok(vec![dicom(b"AB\r\nC"), dicom(b"")]));
    }

    #[test]
    fn preamble_epilogue_padding_and_missing_last_line_break() {
        let body = b"This is MIME.\r\n--b \t\r\nContent-Type: application/dicom\r\n\r\nx\r\n--b--";
        assert_eq!(parse_any(body, "b"), Ok(vec![dicom(b"x")]));
        let body = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\nx\r\n--b--\r\nepilogue\r\n--b\r\n";
        assert_eq!(parse_any(body, "b"), Ok(vec![dicom(b"x")]));
    }

    #[test]
    fn a_longer_line_is_data() {
        let body = b"--b\r\n\r\nx\r\n--bc\r\n--b-\r\n--b -- \r\ny\r\n--b--";
        assert_eq!(parse_any(body, "b"), Ok(vec![(String::new(), b"x\r\n--bc\r\n--b-\r\n--b -- \r\ny".to_vec())]));
    }

    #[test]
    fn part_without_content_line() {
        let body = b"--b\r\nContent-Type: application/dicom\r\n\r\n--b--";
        assert_eq!(parse_any(body, "b"), Ok(vec![dicom(b"")]));
        let body = b"--b\r\nA: b\r\n\r\n--bx\r\n--b--";
        assert_eq!(parse_any(body, "b"), Ok(vec![(String::new(), b"--bx".to_vec())]));
    }

    #[test]
    fn hostile_bodies_end_in_a_problem() {
        for body in
            [&b""[..], b"--b", b"--b\r\n", b"--b\r\nX: y\r\n\r\ndata", b"--b\r\n\r\ndata\r\n--b", b"no boundary at all"]
        {
            assert!(parse_any(body, "b").is_err(), "{body:?}");
        }
        let long = [b"--b\r\nX: ".to_vec(), vec![b'x'; HEAD_BYTES_MAX + 10]].concat();
        assert_eq!(parse(&long, "b", 1000).unwrap_err(), "the header lines of a part are too long or do not end");
        assert!(parse(&vec![b'x'; PREAMBLE_BYTES_MAX + 100], "b", 4096).unwrap_err().contains("does not occur"));
        let spaces = [b"--b".to_vec(), vec![b' '; 1000]].concat();
        assert!(parse(&spaces, "b", 64).unwrap_err().contains("spaces"));
    }

    /// The buffer never grows beyond the pieces and the head, however often the delimiter nearly occurs.
    #[test]
    fn memory_is_bounded() {
        let mut parser = MultipartParser::new("b");
        parser.feed(b"--b\r\n\r\n");
        for _ in 0..10_000 {
            parser.feed(&b"\r\n--".repeat(100));
            while parser.next_event().unwrap().is_some() {}
            assert!(parser.buffer.len() < 16, "{}", parser.buffer.len());
        }
    }

    #[test]
    fn content_types_of_real_senders() {
        let related = |text: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, text.parse().unwrap())]);
            Related::from_headers(&headers).map(|r| r.boundary).map_err(|p| p.code.code())
        };
        for (text, wanted) in [
            (r#"multipart/related; type="application/dicom"; boundary=abc"#, Ok("abc")),
            (r#"multipart/related; boundary="a b:c"; type=application/dicom"#, Ok("a b:c")),
            (r#"Multipart/Related;TYPE="application/dicom";BOUNDARY="x\"y""#, Ok("x\"y")),
            (
                r#"multipart/related; type="application/dicom; transfer-syntax=1.2.840.10008.1.2.1"; boundary=q"#,
                Ok("q"),
            ),
            ("multipart/related; boundary=abc", Ok("abc")),
            (r#"multipart/related; type="application/dicom+json"; boundary=a"#, Err("unsupported-media-type")),
            ("multipart/form-data; boundary=abc", Err("unsupported-media-type")),
            ("application/dicom", Err("unsupported-media-type")),
            (r#"multipart/related; type="application/dicom""#, Err("malformed-multipart")),
            (r#"multipart/related; type="application/dicom"; boundary="""#, Err("malformed-multipart")),
        ] {
            assert_eq!(related(text), wanted.map(str::to_owned), "{text}");
        }
    }
}
