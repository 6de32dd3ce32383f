use crate::pdu::AssociateReject;
use crate::status::Status;
use bytes::Bytes;
use hilum_types::AeTitle;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;

/// Takes what is stored: one for the server, shared by all associations.
pub trait StoreHandler: Send + Sync + 'static {
    /// Receives the data set of one instance.
    type Sink: InstanceSink;

    /// A C-STORE-RQ has arrived; its data set follows.
    ///
    /// `Err` refuses it: the data set is discarded as it comes, then the outcome is carried out.
    fn begin(&self, context: &StoreContext) -> impl Future<Output = Result<Self::Sink, Outcome>> + Send;

    /// Whether an association that passed all other checks is accepted now. A full disk answers
    /// [`AssociateReject::CONGESTION`]. Must not block.
    fn admit(&self, _request: &AssociationRequest) -> Result<(), AssociateReject> {
        Ok(())
    }
}

/// Receives the data set of one instance, as received, while it arrives.
///
/// A sink that is dropped without [`InstanceSink::finish`] belongs to a store that will never be acknowledged (abort,
/// time-out, shutdown) and must leave nothing behind.
pub trait InstanceSink: Send + 'static {
    /// The next bytes of the data set, in order. The chunk is a view into the receive buffer: keeping it costs memory,
    /// dropping it lets the buffer be used again.
    ///
    /// `Err` refuses the instance: the sink is dropped, the rest discarded, then the outcome is carried out.
    fn write(&mut self, chunk: Bytes) -> impl Future<Output = Result<(), Outcome>> + Send;

    /// The data set is complete. Success may be answered only when the instance is durable.
    fn finish(self) -> impl Future<Output = Outcome> + Send;
}

/// What is known when a C-STORE-RQ has been read. `Debug` leaves the SOP Instance UID out.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreContext {
    /// Who sends.
    pub calling_ae: AeTitle,
    /// Whom it called: our own title.
    pub called_ae: AeTitle,
    /// Where it comes from.
    pub peer_addr: SocketAddr,
    /// Unique among the associations of this server since its start.
    pub association_id: u64,
    /// Identifier of the presentation context.
    pub presentation_context_id: u8,
    /// Abstract syntax of the presentation context.
    pub abstract_syntax: String,
    /// Transfer syntax of the data set.
    pub transfer_syntax: String,
    /// Affected SOP Class UID as received; empty when absent, possibly invalid.
    pub sop_class_uid: String,
    /// Affected SOP Instance UID as received; empty when absent, possibly invalid.
    pub sop_instance_uid: String,
    /// Message ID.
    pub message_id: u16,
}

impl fmt::Debug for StoreContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreContext")
            .field("calling_ae", &self.calling_ae)
            .field("peer_addr", &self.peer_addr)
            .field("association_id", &self.association_id)
            .field("transfer_syntax", &self.transfer_syntax)
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// An association request that names us and comes from a peer that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociationRequest {
    /// Who calls.
    pub calling_ae: AeTitle,
    /// Our own title.
    pub called_ae: AeTitle,
    /// Where it comes from.
    pub peer_addr: SocketAddr,
    /// Presentation contexts proposed.
    pub n_contexts: usize,
}

/// How a store ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// C-STORE-RSP with this status; the association lives on.
    Respond {
        /// Status.
        status: Status,
        /// Error Comment, cut to 64 printable ASCII characters; never patient data.
        comment: Option<String>,
    },
    /// A-ABORT by the service user.
    Abort,
    /// The connection is closed without a word, as a crashed peer would.
    Disconnect,
}

impl Outcome {
    /// A response with a remark for the operator of the peer.
    pub fn with_comment(status: Status, comment: impl Into<String>) -> Outcome {
        Outcome::Respond { status, comment: Some(comment.into()) }
    }
}

impl From<Status> for Outcome {
    fn from(status: Status) -> Outcome {
        Outcome::Respond { status, comment: None }
    }
}
