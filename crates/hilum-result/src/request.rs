//! What goes into an encoding and what comes out.

use crate::Violation;
use hilum_types::{AlgorithmIdentity, CodedConcept, ImageReference, InstanceHeader, ModelOutput, Timestamp, Uid};

/// Everything a result is written from. The same request gives the same bytes and the same UIDs, for ever.
#[derive(Debug, Clone)]
pub struct EncodeRequest<'a> {
    /// What the model said.
    pub output: &'a ModelOutput,
    /// Which model said it, under which deployment.
    pub algorithm: &'a AlgorithmIdentity,
    /// The images the model was given, all of one study; patient and study identity are copied from the first.
    pub source: &'a [SourceImage<'a>],
    /// When the result was made: content date and time, and contribution time, in UTC.
    pub now: Timestamp,
    /// `RESEARCH` or `PRODUCT` (AV-17).
    pub content_qualification: ContentQualification<'a>,
    /// Words that tell this result from every other one: study, revision, package digest, deployment. All UIDs are
    /// derived from them, so a restart writes the same object again.
    pub seed: &'a [&'a str],
    /// The model saw less than the study should hold: the report says `PARTIAL` and the key image says so too.
    pub incomplete_input: bool,
    /// What a reader has to know of how the result came to be released, in words, such as that the images lie outside the
    /// acquisition envelope; each stands in the report and on the key image.
    pub cautions: &'a [String],
    /// Language of the texts written here, scheme `RFC5646`; see [`english`].
    pub language: CodedConcept,
    /// The imaging procedure reported on, when it is known; else a code for the modality is written.
    pub procedure: Option<CodedConcept>,
}

/// `en`: the language of every text this crate itself writes.
pub fn english() -> CodedConcept {
    CodedConcept::new("en", "RFC5646", "English")
}

/// One image the model was given.
#[derive(Debug, Clone, Copy)]
pub struct SourceImage<'a> {
    /// Its header, as the catalog keeps it.
    pub header: &'a InstanceHeader,
    /// Its Part 10 bytes. Only the image that [`crate::key_image_reference`] names needs them; where they are present
    /// lossy compression of the source is carried over as well.
    pub part10: Option<&'a [u8]>,
}

/// Content Qualification (0018,9004), PS3.3 section C.8.13.2.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentQualification<'a> {
    /// Research or shadow use: not for clinical decisions.
    Research,
    /// Clinical use, which needs the regulatory status that is on file (GV-09), such as `CE 0123, UDI-DI 0401...`.
    Product {
        /// Text of that status; written into Contributing Equipment. Empty text is refused.
        regulatory_status: &'a str,
    },
}

impl ContentQualification<'_> {
    /// The defined term.
    pub fn term(&self) -> &'static str {
        match self {
            ContentQualification::Research => "RESEARCH",
            ContentQualification::Product { .. } => "PRODUCT",
        }
    }
}

/// What kind of object a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResultKind {
    /// Comprehensive 3D SR after TID 1500.
    StructuredReport,
    /// Segmentation, `BINARY`.
    Segmentation,
    /// Secondary Capture for people and for archives that show nothing else.
    KeyImage,
    /// Key Object Selection that retracts other objects (IHE IOCM).
    RejectionNote,
    /// Enhanced SR that says what a reader answered to a result (IHE AIRA).
    AssessmentReport,
}

impl ResultKind {
    /// SOP Class written for this kind (PS3.4 section B.5).
    pub fn sop_class_uid(self) -> Uid {
        let text = match self {
            ResultKind::StructuredReport => "1.2.840.10008.5.1.4.1.1.88.34",
            ResultKind::Segmentation => "1.2.840.10008.5.1.4.1.1.66.4",
            ResultKind::KeyImage => "1.2.840.10008.5.1.4.1.1.7",
            ResultKind::RejectionNote => "1.2.840.10008.5.1.4.1.1.88.59",
            ResultKind::AssessmentReport => "1.2.840.10008.5.1.4.1.1.88.22",
        };
        text.parse().expect("constants of PS3.4 are UIDs")
    }

    /// Word used in derived UIDs and in error texts.
    pub fn word(self) -> &'static str {
        match self {
            ResultKind::StructuredReport => "structured report",
            ResultKind::Segmentation => "segmentation",
            ResultKind::KeyImage => "key image",
            ResultKind::RejectionNote => "rejection note",
            ResultKind::AssessmentReport => "assessment report",
        }
    }
}

/// One finished, validated object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedResult {
    /// What it is.
    pub kind: ResultKind,
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// SOP Instance UID, derived from the seed.
    pub sop_instance_uid: Uid,
    /// Series of its own.
    pub series_instance_uid: Uid,
    /// The file as PS3.10 has it, Explicit VR Little Endian.
    pub part10: Vec<u8>,
}

/// Why nothing was encoded. No text names a patient, an accession or a UID.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// There is no source image to take the identity from.
    #[error(
        "a result needs at least one source image, a rejection note at least one object to reject, and an assessment \
         report at least one object that was assessed"
    )]
    NoSource,
    /// Source images, or objects to reject or assess, belong to more than one study.
    #[error("source images, rejected or assessed objects are of more than one study; encode one study at a time")]
    MixedStudies,
    /// Neither a finding nor a segment: that would read like "nothing found" without anybody having looked.
    #[error(
        "the model output holds no finding and no segment; a finding looked for and not seen must be listed as absent"
    )]
    EmptyOutput,
    /// The output points at an image that is not among the sources.
    #[error("{0} refers to an image that is not among the source images")]
    ImageNotInSource(String),
    /// `PRODUCT` without a regulatory status on file (AV-17).
    #[error("content qualification PRODUCT needs a regulatory status on file (GV-09); use RESEARCH until there is one")]
    ProductWithoutRegulatoryStatus,
    /// An identifying attribute of the source breaks its VR and cannot be written unchanged.
    #[error("patient or study identity of the source cannot be written unchanged; correct it at the sender")]
    SourceIdentity(#[source] hilum_dicom::DicomError),
    /// The image of the key image came without its bytes.
    #[error("the key image needs the bytes of the image that key_image_reference names")]
    PixelsMissing,
    /// The pixels of the key image cannot be decoded or rendered.
    #[error("cannot render the source frame for the key image")]
    Pixels(#[source] hilum_dicom::DicomError),
    /// A mask does not fit its frame.
    #[error("mask of segment {label:?} has {pixels} values for {rows} rows and {columns} columns of its image")]
    MaskSize {
        /// Segment.
        label: String,
        /// Values given.
        pixels: usize,
        /// Rows stated.
        rows: u32,
        /// Columns stated.
        columns: u32,
    },
    /// A segmentation would have more than 65535 segments, or more than 2^31-1 frames.
    #[error("{0} is more than the attribute can hold; split the output")]
    TooMany(&'static str),
    /// A text or code that DICOM cannot hold.
    #[error("{what} {problem}")]
    BadValue {
        /// Which value of the request.
        what: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The encoder or the reader refused what was built.
    #[error("cannot write the {kind}", kind = .kind.word())]
    Write {
        /// Object under construction.
        kind: ResultKind,
        /// Cause.
        #[source]
        source: hilum_dicom::DicomError,
    },
    /// The finished object broke a rule and stays here.
    #[error("the {kind} breaks {} rule(s), the first: {}", .violations.len(), first(.violations), kind = .kind.word())]
    Invalid {
        /// Object that was held back.
        kind: ResultKind,
        /// Every rule broken.
        violations: Vec<Violation>,
    },
}

/// What a caller can do about a [`ResultError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultErrorKind {
    /// The request contradicts itself or the model's package is wrong: trying again gives the same.
    Request,
    /// The source object is not readable.
    Source,
    /// A fault in this crate: the object was held back.
    Bug,
}

impl ResultError {
    /// Which of the three it is.
    pub fn kind(&self) -> ResultErrorKind {
        match self {
            ResultError::Pixels(_) | ResultError::SourceIdentity(_) => ResultErrorKind::Source,
            ResultError::Write { .. } | ResultError::Invalid { .. } => ResultErrorKind::Bug,
            _ => ResultErrorKind::Request,
        }
    }
}

fn first(violations: &[Violation]) -> String {
    violations.first().map(ToString::to_string).unwrap_or_default()
}

impl EncodeRequest<'_> {
    /// Header of the image that lends its patient and study identity.
    pub(crate) fn identity(&self) -> &InstanceHeader {
        self.source[0].header
    }

    /// The source an image reference means.
    pub(crate) fn source_of(&self, reference: &ImageReference) -> Option<&SourceImage<'_>> {
        self.source.iter().find(|image| image.header.sop_instance_uid == reference.sop_instance_uid)
    }

    /// A UID that only this part of this result has.
    pub(crate) fn derived(&self, part: &[&str]) -> Uid {
        derived(self.seed, part)
    }
}

fn derived(seed: &[&str], part: &[&str]) -> Uid {
    // A count keeps the seed and the part apart whatever words they hold.
    let n_seed = seed.len().to_string();
    let words: Vec<&str> =
        ["result", &n_seed].into_iter().chain(seed.iter().copied()).chain(part.iter().copied()).collect();
    Uid::derived(&words)
}

/// Tracking Unique Identifier of the finding at `index`, from 0, of a result that was encoded from `seed`: by it an
/// assessment names the finding (AV-19).
pub fn finding_tracking_uid(seed: &[&str], index: usize) -> Uid {
    derived(seed, &["tracking", "finding", &index.to_string()])
}
