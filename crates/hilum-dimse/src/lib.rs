//! Edge: the DICOM upper layer (PS3.8) and the services C-ECHO and C-STORE (PS3.7), as provider and as user, on tokio.
//!
//! [`Server`] receives: it checks who calls, negotiates, puts fragments together and hands each data set, as received
//! and while it arrives, to a [`StoreHandler`]. [`Association`] sends. Both are strict in what they write, bounded in
//! what they read (length, memory and time), and never re-encode a data set.
//!
//! What is absent on purpose: parsing of data sets (that is `hilum-dicom`), files (the sink decides where bytes go),
//! TLS, and every service other than Verification and Storage. Asynchronous operations are answered with a window of 1.

pub mod client;
pub mod command;
pub mod pdu;
pub mod server;
pub mod uids;

mod budget;
mod connection;
mod state;
mod status;

pub use client::{
    Association, AssociationOptions, ClientError, ClientErrorKind, DataSet, PROPOSED_CONTEXTS_MAX, ProposedContext,
    StoreRequest, StoreResponse, Timeouts, echo,
};
pub use server::{
    AbstractSyntaxes, AssociationRequest, InstanceSink, InvalidPeerAddress, Outcome, Peer, PeerAddress, Rejection,
    Server, ServerConfig, ServerError, ServerHandle, ServerStats, ServerTimers, StoreContext, StoreHandler,
};
pub use status::{Status, StatusClass};

/// Implementation Class UID that Hilum names in every association and file (PS3.7 section D.3.3.2).
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.318647252003461491555385393542079484334";

/// Implementation Version Name, at most 16 characters (PS3.7 section D.3.3.2).
pub const IMPLEMENTATION_VERSION_NAME: &str = "HILUM_0.1";
