//! User of Verification and Storage (PS3.4 annexes A and B).

mod association;
mod error;

pub use association::{Association, echo};
pub use error::{ClientError, ClientErrorKind};

use crate::pdu::MAX_PDU_LENGTH_OFFERED;
use crate::status::{Status, StatusClass};
use crate::uids;
use hilum_types::AeTitle;
use std::fmt;
use std::time::Duration;
use tokio::io::AsyncRead;

/// Presentation contexts one association can propose: the odd numbers of one byte (PS3.8 section 9.3.2.2).
pub const PROPOSED_CONTEXTS_MAX: usize = 128;

/// What an association proposes.
#[derive(Debug, Clone)]
pub struct AssociationOptions {
    /// Our AE title.
    pub calling_ae: AeTitle,
    /// The peer's AE title.
    pub called_ae: AeTitle,
    /// Presentation contexts, at most [`PROPOSED_CONTEXTS_MAX`].
    pub contexts: Vec<ProposedContext>,
    /// Longest P-DATA-TF we take.
    pub max_pdu_length: u32,
    /// Timers.
    pub timeouts: Timeouts,
}

impl AssociationOptions {
    /// Proposes these contexts, everything else at its default.
    pub fn new(calling_ae: AeTitle, called_ae: AeTitle, contexts: Vec<ProposedContext>) -> AssociationOptions {
        let (max_pdu_length, timeouts) = (MAX_PDU_LENGTH_OFFERED, Timeouts::default());
        AssociationOptions { calling_ae, called_ae, contexts, max_pdu_length, timeouts }
    }
}

/// One SOP class with one transfer syntax. Each pair gets a presentation context of its own, so that the peer's choice
/// never forces a data set to be encoded again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProposedContext {
    /// SOP class UID.
    pub abstract_syntax: String,
    /// Transfer syntax UID.
    pub transfer_syntax: String,
}

impl ProposedContext {
    /// A pair of SOP class and transfer syntax.
    pub fn new(abstract_syntax: impl Into<String>, transfer_syntax: impl Into<String>) -> ProposedContext {
        ProposedContext { abstract_syntax: abstract_syntax.into(), transfer_syntax: transfer_syntax.into() }
    }

    /// Verification with the default transfer syntax.
    pub fn verification() -> ProposedContext {
        ProposedContext::new(uids::VERIFICATION, uids::IMPLICIT_VR_LITTLE_ENDIAN)
    }
}

/// Bounds on every step with a peer. All run on the monotonic clock.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For the TCP connection, name resolution included.
    pub connect: Duration,
    /// For the answer to A-ASSOCIATE-RQ.
    pub association: Duration,
    /// For the peer to take one PDU.
    pub send: Duration,
    /// For the response to a request, from its last byte.
    pub response: Duration,
    /// For A-RELEASE-RP.
    pub release: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(10),
            association: Duration::from_secs(30),
            send: Duration::from_secs(60),
            response: Duration::from_secs(120),
            release: Duration::from_secs(10),
        }
    }
}

/// A data set to be sent, without preamble and file meta information, in the transfer syntax named.
///
/// One of odd length, which only a deflated data set can be, is sent with a NUL at its end (PS3.5 section A.5), because
/// fragments have an even length (PS3.8 annex F) and DCMTK aborts otherwise.
pub enum DataSet<'a> {
    /// In memory.
    Bytes(&'a [u8]),
    /// Read as it is sent, to its end.
    Stream(&'a mut (dyn AsyncRead + Send + Unpin)),
}

/// One C-STORE.
pub struct StoreRequest<'a> {
    /// Affected SOP Class UID.
    pub sop_class_uid: &'a str,
    /// Affected SOP Instance UID.
    pub sop_instance_uid: &'a str,
    /// Transfer syntax of the data set.
    pub transfer_syntax: &'a str,
    /// The data set.
    pub data: DataSet<'a>,
}

/// The peer's answer to a C-STORE. `Debug` leaves the Error Comment out.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreResponse {
    /// Status.
    pub status: Status,
    /// Error Comment. It is the peer's text and may name a patient: not for logs.
    pub error_comment: Option<String>,
}

impl fmt::Debug for StoreResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

impl StoreResponse {
    /// What to do next.
    pub fn class(&self) -> StatusClass {
        self.status.class()
    }
}
