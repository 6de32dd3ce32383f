use dicom_core::Tag;

/// Why an object could not be read, decoded or written. No text repeats a value of the object (PR-04).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DicomError {
    /// Neither a Part 10 file nor the start of a data set.
    #[error("the bytes are not a DICOM object: no Part 10 prefix and no plausible first element")]
    NotDicom,
    /// The bytes end before what they declare; the sender should send the object again.
    #[error("the object is cut short in {tag}: more bytes are declared than are there")]
    Truncated {
        /// Element being read.
        tag: Tag,
    },
    /// The structure breaks PS3.5 in a way that leaves its meaning open.
    #[error("the data set is malformed at {tag}: {reason}")]
    Malformed {
        /// Element being read.
        tag: Tag,
        /// What is wrong.
        reason: &'static str,
    },
    /// A bound of [`crate::limits`] was passed.
    #[error("the object is refused: {what} beyond the limit of {allowed}")]
    LimitExceeded {
        /// What was counted.
        what: &'static str,
        /// The limit.
        allowed: u64,
    },
    /// An identifier that every stored object needs is absent or not a UID.
    #[error("the object cannot be identified: {attribute} {reason}")]
    Unidentifiable {
        /// Keyword of the attribute.
        attribute: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The prefix that was given ends before the data set can be judged; give the whole object.
    #[error("more bytes of the object are needed")]
    MoreBytesNeeded,
    /// The compression, or the combination of pixel attributes, has no decoder here.
    #[error("the pixel data cannot be decoded: {0} is not supported")]
    Unsupported(String),
    /// The object has no such part.
    #[error("the object has no {0}")]
    Absent(&'static str),
    /// The compressed pixel data are broken.
    #[error("the pixel data cannot be decoded: {0}")]
    Codec(String),
    /// Attributes describing the pixels are missing or contradict each other.
    #[error("the pixel data cannot be interpreted: {0}")]
    PixelDescription(&'static str),
    /// A value to be written does not fit its value representation (PS3.5 section 6.2).
    #[error("the value for {tag} cannot be written: {reason}")]
    InvalidValue {
        /// Element to be written.
        tag: Tag,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What a caller can do about a [`DicomError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes are broken: quarantine.
    Malformed,
    /// A limit was passed: quarantine.
    Limit,
    /// Well-formed, but without usable identifiers: quarantine.
    Unidentifiable,
    /// Read the whole object and try again.
    MoreBytesNeeded,
    /// Nothing here can decode it; the object itself is sound.
    Unsupported,
    /// The part asked for is not in the object.
    Absent,
    /// Our own value breaks the standard: a bug in the caller.
    InvalidValue,
}

impl DicomError {
    /// The group this error belongs to.
    pub fn kind(&self) -> ErrorKind {
        match self {
            DicomError::NotDicom
            | DicomError::Truncated { .. }
            | DicomError::Malformed { .. }
            | DicomError::Codec(_)
            | DicomError::PixelDescription(_) => ErrorKind::Malformed,
            DicomError::LimitExceeded { .. } => ErrorKind::Limit,
            DicomError::Unidentifiable { .. } => ErrorKind::Unidentifiable,
            DicomError::MoreBytesNeeded => ErrorKind::MoreBytesNeeded,
            DicomError::Unsupported(_) => ErrorKind::Unsupported,
            DicomError::Absent(_) => ErrorKind::Absent,
            DicomError::InvalidValue { .. } => ErrorKind::InvalidValue,
        }
    }
}

/// How an object that was read deviates from the standard, or is worth a second look; it is read all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Warning {
    /// The 128-byte preamble is the head of a program or an archive (CVE-2019-11687).
    #[error("the preamble looks like an executable file")]
    ExecutablePreamble,
    /// Part 10 file without preamble and prefix.
    #[error("the file has no Part 10 preamble")]
    MissingPreamble,
    /// No file meta information, or no transfer syntax in it; the encoding was recognised from the data.
    #[error("the transfer syntax is not stated and was recognised from the data")]
    GuessedTransferSyntax,
    /// The meta information is not explicit VR little endian or its group length is wrong.
    #[error("the file meta information deviates from PS3.10")]
    IrregularMeta,
    /// Not a transfer syntax of PS3.6; read as explicit VR little endian.
    #[error("the transfer syntax is not known")]
    UnknownTransferSyntax,
    /// The data set is encoded in another way than its transfer syntax says.
    #[error("the encoding differs from the transfer syntax")]
    EncodingMismatch,
    /// Some elements have no valid VR and were read as implicit VR.
    #[error("an element has no valid value representation")]
    InvalidVr,
    /// A value with an odd number of bytes.
    #[error("a value has odd length")]
    OddLength,
    /// Elements are not in ascending order.
    #[error("elements are out of order")]
    OutOfOrder,
    /// The same element occurs twice; the first counts.
    #[error("an element occurs more than once")]
    DuplicateElement,
    /// Bytes after the last element that form no element.
    #[error("bytes follow the last element")]
    TrailingBytes,
    /// An element that calls itself a sequence holds no items; it is kept as bytes.
    #[error("a sequence does not hold items")]
    OpaqueSequence,
    /// Text that its character set cannot have produced; replaced by U+FFFD.
    #[error("text does not fit its character set")]
    UndecodableText,
    /// A character set that PS3.3 C.12.1.1.2 does not define; read as ISO_IR 100.
    #[error("the character set is not known")]
    UnknownCharacterSet,
    /// The identifiers of the meta information differ from those of the data set, which count.
    #[error("the file meta information names another object")]
    MetaMismatch,
    /// Group 0000 or 0002 inside the data set.
    #[error("command or meta elements stand in the data set")]
    MisplacedGroup,
    /// Encapsulated pixel data end without their delimiter.
    #[error("the end of the pixel data is not marked")]
    MissingDelimiter,
}

/// Warnings of one read, each kind once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Warnings(std::collections::BTreeSet<Warning>);

impl Warnings {
    pub(crate) fn add(&mut self, warning: Warning) {
        self.0.insert(warning);
    }

    pub(crate) fn into_vec(self) -> Vec<Warning> {
        self.0.into_iter().collect()
    }
}
