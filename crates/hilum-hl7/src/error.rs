use crate::Code;
use hilum_store::{ErrorKind, StoreError};

/// Why a message was not taken. Texts name fields and remedies, never what a field holds.
#[derive(Debug, thiserror::Error)]
pub enum Hl7Error {
    /// No message header.
    #[error("the message does not begin with a MSH segment and its separators")]
    NoHeader,
    /// Larger than allowed.
    #[error("the message has more than {0}; send less at once")]
    TooLarge(&'static str),
    /// The character set of MSH-18 is none that is known.
    #[error("the character set of MSH-18 is not known here; send UNICODE UTF-8 or 8859/1")]
    Charset,
    /// Bytes that the character set does not have.
    #[error("the text is not in the character set that MSH-18 states; state the one that is used")]
    NotInCharset,
    /// MSH-9 is another message.
    #[error("only ORU^R01 is taken here; route other messages elsewhere")]
    MessageType,
    /// MSH-10 is empty.
    #[error("MSH-10 is empty; give every message a control identifier, by which a repetition is recognised")]
    NoControlId,
    /// No observation request.
    #[error("the message holds no OBR segment, so that it reports nothing")]
    NoReport,
    /// The report says not what it is.
    #[error("OBR-25 and OBX-11 say not whether the report is preliminary, final or corrected")]
    NoStatus,
    /// The catalog or the disk.
    #[error("the report could not be kept: {0}")]
    Store(#[source] StoreError),
}

impl Hl7Error {
    /// What the sender is told: `AE` when the content has to be corrected, `AR` when the same message may be taken
    /// later or never (HL7 v2.5.1 section 2.9.2.2, table 0008).
    pub fn code(&self) -> Code {
        match self {
            Hl7Error::NoReport | Hl7Error::NoStatus | Hl7Error::NotInCharset | Hl7Error::NoControlId => Code::Error,
            Hl7Error::Store(error) if error.kind() == ErrorKind::Conflict => Code::Error,
            _ => Code::Reject,
        }
    }

    /// Error code of table 0357 for ERR-3.
    pub fn condition(&self) -> &'static str {
        match self {
            Hl7Error::NoHeader | Hl7Error::NoReport => "100",
            Hl7Error::NoControlId | Hl7Error::NoStatus => "101",
            Hl7Error::Charset | Hl7Error::NotInCharset => "102",
            Hl7Error::MessageType => "200",
            Hl7Error::Store(error) if error.kind() == ErrorKind::Conflict => "205",
            Hl7Error::TooLarge(_) | Hl7Error::Store(_) => "207",
        }
    }
}
