//! Protocol data units of the upper layer (PS3.8 section 9.3): pure encoding and decoding, no I/O.
//!
//! Every length is compared with the bytes at hand before anything is taken or reserved, and every count is bounded by
//! the constants below. P-DATA-TF is never decoded as a whole: its headers are read one by one ([`PduHeader`],
//! [`PdvHeader`]) and the data between them streams.

mod decode;
mod encode;

pub use decode::{decode_abort, decode_accept, decode_reject, decode_request};
pub use encode::{encode_abort, encode_accept, encode_data_header, encode_reject, encode_release, encode_request};

/// Longest A-ASSOCIATE-RQ or -AC read, in bytes after the PDU header. 128 contexts with every transfer syntax of the
/// standard need about 250 KB.
pub const ASSOCIATE_PDU_LENGTH_MAX: u32 = 1 << 20;

/// Longest P-DATA-TF read. More than we ever offer, because some senders ignore the length agreed; its bytes stream,
/// so the bound costs no memory.
pub const DATA_PDU_LENGTH_MAX: u32 = 4 << 20;

/// The length we offer for received P-DATA-TF, unless configured (PS3.8 section D.1).
pub const MAX_PDU_LENGTH_OFFERED: u32 = 256 << 10;

/// Shortest agreed P-DATA-TF length a peer may ask of us; below it headers outweigh data.
pub const MAX_PDU_LENGTH_MIN: u32 = 128;

/// Presentation contexts in one request: their identifiers are the odd numbers of one byte, and some senders use even
/// ones too (PS3.8 section 9.3.2.2).
pub const PRESENTATION_CONTEXTS_MAX: usize = 255;

/// Transfer syntaxes remembered of one presentation context; further ones are skipped.
pub const TRANSFER_SYNTAXES_MAX: usize = 128;

/// Longest UID taken from an item, padding included; longer ones break PS3.5 section 9.1.
pub const UID_LENGTH_MAX: usize = 128;

/// Bytes of a PDU header: type, reserved, length.
pub const PDU_HEADER_LENGTH: usize = 6;

/// Bytes of a presentation data value item before its data: length, context, control header.
pub const PDV_HEADER_LENGTH: usize = 6;

/// The seven PDUs, and whatever else a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PduKind {
    /// `01H`
    AssociateRequest,
    /// `02H`
    AssociateAccept,
    /// `03H`
    AssociateReject,
    /// `04H` P-DATA-TF
    Data,
    /// `05H`
    ReleaseRequest,
    /// `06H`
    ReleaseResponse,
    /// `07H`
    Abort,
    /// Any other type byte.
    Unrecognized(u8),
}

impl From<u8> for PduKind {
    fn from(kind: u8) -> PduKind {
        match kind {
            1 => PduKind::AssociateRequest,
            2 => PduKind::AssociateAccept,
            3 => PduKind::AssociateReject,
            4 => PduKind::Data,
            5 => PduKind::ReleaseRequest,
            6 => PduKind::ReleaseResponse,
            7 => PduKind::Abort,
            other => PduKind::Unrecognized(other),
        }
    }
}

/// The six bytes every PDU starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PduHeader {
    /// Which PDU follows.
    pub kind: PduKind,
    /// Bytes after the header.
    pub length: u32,
}

impl PduHeader {
    /// Reads the header.
    pub fn decode(bytes: [u8; PDU_HEADER_LENGTH]) -> PduHeader {
        let [kind, _reserved, a, b, c, d] = bytes;
        PduHeader { kind: PduKind::from(kind), length: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Checks the length against what PDUs of this kind may have.
    ///
    /// # Errors
    /// [`PduError::TooLong`] beyond the limit of the kind, [`PduError::WrongLength`] for the kinds of fixed length.
    pub fn check(self) -> Result<PduHeader, PduError> {
        let (shortest, longest) = match self.kind {
            PduKind::AssociateRequest | PduKind::AssociateAccept => (68, ASSOCIATE_PDU_LENGTH_MAX),
            PduKind::Data => (PDV_HEADER_LENGTH as u32, DATA_PDU_LENGTH_MAX),
            PduKind::AssociateReject | PduKind::ReleaseRequest | PduKind::ReleaseResponse | PduKind::Abort => (4, 4),
            PduKind::Unrecognized(_) => (0, u32::MAX),
        };
        match self.length {
            length if length < shortest => Err(PduError::WrongLength { kind: self.kind, length }),
            length if longest < length => Err(PduError::TooLong { kind: self.kind, length, longest }),
            _ => Ok(self),
        }
    }
}

/// What a presentation data value carries (PS3.8 section E.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdvHeader {
    /// Bytes of data after this header.
    pub data_length: u32,
    /// The presentation context the fragment belongs to.
    pub context_id: u8,
    /// A fragment of the command set, not of the data set.
    pub is_command: bool,
    /// The last fragment.
    pub is_last: bool,
}

impl PdvHeader {
    /// Reads the header of an item in a P-DATA-TF of which `remaining` bytes are left, this header included.
    ///
    /// # Errors
    /// [`PduError::Truncated`] when less than a header is left, [`PduError::ItemOverrun`] when the item claims more
    /// than the PDU holds or less than its own header.
    pub fn decode(bytes: [u8; PDV_HEADER_LENGTH], remaining: u32) -> Result<PdvHeader, PduError> {
        let [a, b, c, d, context_id, control] = bytes;
        let item_length = u32::from_be_bytes([a, b, c, d]);
        let Some(room) = remaining.checked_sub(4) else { return Err(PduError::Truncated) };
        if item_length < 2 || room < item_length {
            return Err(PduError::ItemOverrun);
        }
        let (is_command, is_last) = (control & 1 != 0, control & 2 != 0);
        Ok(PdvHeader { data_length: item_length - 2, context_id, is_command, is_last })
    }
}

/// A-ASSOCIATE-RQ (PS3.8 section 9.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateRequest {
    /// Bit 0 stands for version 1, the only one there is.
    pub protocol_version: u16,
    /// Sixteen bytes as received, to be returned unchanged.
    pub called_ae: [u8; 16],
    /// Sixteen bytes as received, to be returned unchanged.
    pub calling_ae: [u8; 16],
    /// Application context name.
    pub application_context: String,
    /// Presentation contexts proposed, in the order received.
    pub contexts: Vec<ProposedPresentationContext>,
    /// User information.
    pub user: UserInformation,
}

/// A presentation context as proposed (PS3.8 section 9.3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedPresentationContext {
    /// Identifier, unique within the association.
    pub id: u8,
    /// Abstract syntax: the SOP class UID.
    pub abstract_syntax: String,
    /// Transfer syntaxes offered, in the order received.
    pub transfer_syntaxes: Vec<String>,
}

/// A-ASSOCIATE-AC (PS3.8 section 9.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateAccept {
    /// Returned as received in the request.
    pub called_ae: [u8; 16],
    /// Returned as received in the request.
    pub calling_ae: [u8; 16],
    /// Application context name.
    pub application_context: String,
    /// One result for each context proposed.
    pub contexts: Vec<NegotiatedContext>,
    /// User information.
    pub user: UserInformation,
}

/// The acceptor's answer to one presentation context (PS3.8 section 9.3.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegotiatedContext {
    /// Identifier as proposed.
    pub id: u8,
    /// Acceptance or the reason against it.
    pub result: ContextResult,
    /// The transfer syntax chosen; without meaning when the context is refused.
    pub transfer_syntax: String,
}

/// Result of one presentation context (PS3.8 table 9-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextResult {
    /// 0
    Acceptance,
    /// 1
    UserRejection,
    /// 2
    NoReason,
    /// 3
    AbstractSyntaxNotSupported,
    /// 4
    TransferSyntaxesNotSupported,
    /// A value the standard does not define.
    Other(u8),
}

impl ContextResult {
    /// The value on the wire.
    pub fn code(self) -> u8 {
        match self {
            ContextResult::Acceptance => 0,
            ContextResult::UserRejection => 1,
            ContextResult::NoReason => 2,
            ContextResult::AbstractSyntaxNotSupported => 3,
            ContextResult::TransferSyntaxesNotSupported => 4,
            ContextResult::Other(code) => code,
        }
    }
}

impl From<u8> for ContextResult {
    fn from(code: u8) -> ContextResult {
        match code {
            0 => ContextResult::Acceptance,
            1 => ContextResult::UserRejection,
            2 => ContextResult::NoReason,
            3 => ContextResult::AbstractSyntaxNotSupported,
            4 => ContextResult::TransferSyntaxesNotSupported,
            other => ContextResult::Other(other),
        }
    }
}

/// The user information sub-items that mean something here; all others are skipped (PS3.7 section D.3.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserInformation {
    /// Longest P-DATA-TF the sender of this item takes; 0 for no limit.
    pub max_pdu_length: u32,
    /// Implementation class UID.
    pub implementation_class_uid: String,
    /// Implementation version name.
    pub implementation_version_name: Option<String>,
    /// Asynchronous operations: invoked and performed at most; 0 for no limit.
    pub async_operations: Option<(u16, u16)>,
}

/// A-ASSOCIATE-RJ: result, source, reason as on the wire (PS3.8 table 9-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AssociateReject {
    /// 1 permanent, 2 transient.
    pub result: u8,
    /// 1 service user, 2 service provider (ACSE), 3 service provider (presentation).
    pub source: u8,
    /// Depends on the source.
    pub reason: u8,
}

impl AssociateReject {
    /// 1/1/1: permanent, no reason given.
    pub const NO_REASON: AssociateReject = AssociateReject { result: 1, source: 1, reason: 1 };
    /// 1/1/2: permanent, application context name not supported.
    pub const APPLICATION_CONTEXT: AssociateReject = AssociateReject { result: 1, source: 1, reason: 2 };
    /// 1/1/3: permanent, calling AE title not recognized.
    pub const CALLING_AE: AssociateReject = AssociateReject { result: 1, source: 1, reason: 3 };
    /// 1/1/7: permanent, called AE title not recognized.
    pub const CALLED_AE: AssociateReject = AssociateReject { result: 1, source: 1, reason: 7 };
    /// 1/2/2: permanent, protocol version not supported.
    pub const PROTOCOL_VERSION: AssociateReject = AssociateReject { result: 1, source: 2, reason: 2 };
    /// 2/3/1: transient, temporary congestion.
    pub const CONGESTION: AssociateReject = AssociateReject { result: 2, source: 3, reason: 1 };
    /// 2/3/2: transient, local limit exceeded.
    pub const LOCAL_LIMIT: AssociateReject = AssociateReject { result: 2, source: 3, reason: 2 };

    /// Whether the same request may be accepted later. Anything that is not declared permanent may.
    pub fn is_transient(self) -> bool {
        self.result != 1
    }

    /// The standard's words for source and reason.
    pub fn text(self) -> &'static str {
        match (self.source, self.reason) {
            (1, 1) | (2, 1) => "no reason given",
            (1, 2) => "application context name not supported",
            (1, 3) => "calling AE title not recognized",
            (1, 7) => "called AE title not recognized",
            (2, 2) => "protocol version not supported",
            (3, 1) => "temporary congestion",
            (3, 2) => "local limit exceeded",
            _ => "reason unknown to the standard",
        }
    }
}

/// Who aborted (PS3.8 table 9-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AbortSource {
    /// 0
    ServiceUser,
    /// 2
    ServiceProvider,
    /// A value the standard does not define.
    Other(u8),
}

/// Why the service provider aborted (PS3.8 table 9-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AbortReason {
    /// 0
    NotSpecified,
    /// 1
    UnrecognizedPdu,
    /// 2
    UnexpectedPdu,
    /// 4
    UnrecognizedParameter,
    /// 5
    UnexpectedParameter,
    /// 6
    InvalidParameterValue,
    /// A value the standard does not define.
    Other(u8),
}

impl AbortSource {
    /// The value on the wire.
    pub fn code(self) -> u8 {
        match self {
            AbortSource::ServiceUser => 0,
            AbortSource::ServiceProvider => 2,
            AbortSource::Other(code) => code,
        }
    }
}

impl From<u8> for AbortSource {
    fn from(code: u8) -> AbortSource {
        match code {
            0 => AbortSource::ServiceUser,
            2 => AbortSource::ServiceProvider,
            other => AbortSource::Other(other),
        }
    }
}

impl AbortReason {
    /// The value on the wire.
    pub fn code(self) -> u8 {
        match self {
            AbortReason::NotSpecified => 0,
            AbortReason::UnrecognizedPdu => 1,
            AbortReason::UnexpectedPdu => 2,
            AbortReason::UnrecognizedParameter => 4,
            AbortReason::UnexpectedParameter => 5,
            AbortReason::InvalidParameterValue => 6,
            AbortReason::Other(code) => code,
        }
    }
}

impl From<u8> for AbortReason {
    fn from(code: u8) -> AbortReason {
        match code {
            0 => AbortReason::NotSpecified,
            1 => AbortReason::UnrecognizedPdu,
            2 => AbortReason::UnexpectedPdu,
            4 => AbortReason::UnrecognizedParameter,
            5 => AbortReason::UnexpectedParameter,
            6 => AbortReason::InvalidParameterValue,
            other => AbortReason::Other(other),
        }
    }
}

/// A PDU that breaks PS3.8 section 9.3 or a limit of this module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PduError {
    /// The PDU claims more bytes than PDUs of its kind may have.
    #[error("PDU {kind:?} claims {length} bytes, at most {longest} are read")]
    TooLong {
        /// Which PDU.
        kind: PduKind,
        /// The length it claims.
        length: u32,
        /// The limit.
        longest: u32,
    },
    /// The PDU has a length that PDUs of its kind cannot have.
    #[error("PDU {kind:?} has a length of {length} bytes, which its kind cannot have")]
    WrongLength {
        /// Which PDU.
        kind: PduKind,
        /// The length it claims.
        length: u32,
    },
    /// An item ends before its fields do.
    #[error("the PDU ends within an item")]
    Truncated,
    /// An item claims more bytes than the PDU has left, or fewer than its own header.
    #[error("an item's length contradicts the length of the PDU")]
    ItemOverrun,
    /// A name is not text of the default character repertoire, or too long.
    #[error("a UID in the PDU is longer than {UID_LENGTH_MAX} bytes or not ASCII")]
    InvalidUid,
    /// An item that must be there is not.
    #[error("the PDU has no {0}")]
    Missing(&'static str),
    /// Two presentation contexts share an identifier.
    #[error("two presentation contexts have the identifier {0}")]
    DuplicateContext(u8),
    /// There are more presentation contexts than identifiers.
    #[error("more than {PRESENTATION_CONTEXTS_MAX} presentation contexts")]
    TooManyContexts,
}
