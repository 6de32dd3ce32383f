use crate::command::CommandError;
use crate::pdu::{AbortReason, AbortSource, AssociateReject, PduError};
use std::io;

/// An association that failed. The peer's refusal of one instance is no error but a
/// [`StoreResponse`](super::StoreResponse).
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No TCP connection.
    #[error("cannot connect to the peer; check its host, port and firewall")]
    Connect(#[source] io::Error),
    /// A step took longer than its timer allows.
    #[error("the peer did not {0} in time")]
    TimedOut(&'static str),
    /// A-ASSOCIATE-RJ.
    #[error(
        "the peer rejected the association ({}/{}/{}: {}); check the AE titles on both sides",
        .0.result, .0.source, .0.reason, .0.text()
    )]
    Rejected(AssociateReject),
    /// A-ABORT by the peer.
    #[error("the peer aborted the association ({abort_source:?}, {reason:?})")]
    Aborted {
        /// Who aborted.
        abort_source: AbortSource,
        /// Why.
        reason: AbortReason,
    },
    /// The connection ended without release.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection failed.
    #[error("the connection to the peer failed")]
    Io(#[source] io::Error),
    /// A PDU of the peer cannot be read.
    #[error("the peer sent a malformed PDU")]
    Pdu(#[from] PduError),
    /// A command set of the peer cannot be read.
    #[error("the peer sent a malformed command set")]
    Command(#[from] CommandError),
    /// The peer does what the standard does not allow at this point.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// The peer does not take this SOP class in this transfer syntax.
    #[error(
        "the peer accepted no presentation context for SOP class {sop_class_uid} with transfer syntax {transfer_syntax}"
    )]
    NoAcceptedContext {
        /// The SOP class.
        sop_class_uid: String,
        /// The transfer syntax.
        transfer_syntax: String,
    },
    /// More presentation contexts than an association can have.
    #[error("{0} presentation contexts are more than one association can propose; use several associations")]
    TooManyContexts(usize),
    /// No presentation context to propose.
    #[error("an association needs at least one presentation context")]
    NoContexts,
    /// A UID to be sent is not one.
    #[error("the {0} to be sent is empty, longer than 64 characters, or not made of digits and dots")]
    InvalidUid(&'static str),
    /// The data set to be sent cannot be read.
    #[error("the data set to be sent cannot be read")]
    DataSet(#[source] io::Error),
    /// An earlier error ended the association.
    #[error("the association has ended; open another one")]
    Ended,
}

/// What the caller can do about a [`ClientError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientErrorKind {
    /// Try again later: peer away, busy, slow or crashed.
    Transient,
    /// Trying again gives the same until somebody changes a configuration on either side.
    Permanent,
    /// The fault is on our side.
    Local,
}

impl ClientError {
    /// What the caller can do.
    pub fn kind(&self) -> ClientErrorKind {
        match self {
            ClientError::Connect(_)
            | ClientError::TimedOut(_)
            | ClientError::Aborted { .. }
            | ClientError::Closed
            | ClientError::Io(_)
            | ClientError::Pdu(_)
            | ClientError::Command(_)
            | ClientError::Protocol(_)
            | ClientError::Ended => ClientErrorKind::Transient,
            ClientError::Rejected(reject) if reject.is_transient() => ClientErrorKind::Transient,
            ClientError::Rejected(_) | ClientError::NoAcceptedContext { .. } => ClientErrorKind::Permanent,
            ClientError::TooManyContexts(_)
            | ClientError::NoContexts
            | ClientError::InvalidUid(_)
            | ClientError::DataSet(_) => ClientErrorKind::Local,
        }
    }
}
