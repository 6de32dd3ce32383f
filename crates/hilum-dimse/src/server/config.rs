use super::peers::Peer;
use crate::pdu::MAX_PDU_LENGTH_OFFERED;
use crate::uids;
use hilum_types::AeTitle;
use std::net::SocketAddr;
use std::time::Duration;

/// How the server listens, whom it serves and what it accepts.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address and port; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Our AE title; an association called by another name is rejected (1/1/7).
    pub ae_title: AeTitle,
    /// Who may connect; anybody else is rejected (1/1/3).
    pub peers: Vec<Peer>,
    /// Development switch: every well-formed calling AE title from every address may connect.
    pub accept_any_peer: bool,
    /// Longest P-DATA-TF we ask for.
    pub max_pdu_length: u32,
    /// Associations at once; further ones are rejected as transient (2/3/2).
    pub associations_max: usize,
    /// Associations at once of one calling AE title; further ones are rejected as transient (2/3/2).
    pub associations_per_peer_max: usize,
    /// SOP classes accepted besides Verification.
    pub abstract_syntaxes: AbstractSyntaxes,
    /// Transfer syntaxes accepted, most wanted first.
    pub transfer_syntaxes: Vec<String>,
    /// Timers.
    pub timers: ServerTimers,
}

impl ServerConfig {
    /// Everything at its default; no peer is listed.
    pub fn new(listen: SocketAddr, ae_title: AeTitle) -> ServerConfig {
        ServerConfig {
            listen,
            ae_title,
            peers: Vec::new(),
            accept_any_peer: false,
            max_pdu_length: MAX_PDU_LENGTH_OFFERED,
            associations_max: 1000,
            associations_per_peer_max: 800,
            abstract_syntaxes: AbstractSyntaxes::Storage { private: true },
            transfer_syntaxes: uids::TRANSFER_SYNTAXES.iter().map(|uid| (*uid).to_owned()).collect(),
            timers: ServerTimers::default(),
        }
    }
}

/// Which SOP classes are accepted; Verification always is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AbstractSyntaxes {
    /// All storage SOP classes of the standard, and with `private` every UID outside the root of the standard.
    Storage {
        /// Whether vendors' own SOP classes are accepted.
        private: bool,
    },
    /// These only.
    Only(Vec<String>),
}

impl AbstractSyntaxes {
    /// Whether a presentation context for this abstract syntax is accepted.
    pub fn accept(&self, abstract_syntax: &str) -> bool {
        if abstract_syntax == uids::VERIFICATION {
            return true;
        }
        match self {
            AbstractSyntaxes::Storage { private } => {
                uids::is_standard_storage(abstract_syntax) || (*private && uids::is_private(abstract_syntax))
            }
            AbstractSyntaxes::Only(listed) => listed.iter().any(|uid| uid == abstract_syntax),
        }
    }
}

/// Timers of the server. All run on the monotonic clock.
#[derive(Debug, Clone)]
pub struct ServerTimers {
    /// ARTIM (PS3.8 section 9.1.5): from connection to the complete A-ASSOCIATE-RQ.
    pub association: Duration,
    /// Between the messages of an association.
    pub idle: Duration,
    /// Waiting for the peer within one message, before the bytes received earn more.
    pub message: Duration,
    /// Every so many bytes of a message earn the peer another second; slower ones are aborted.
    pub bytes_per_second_min: u64,
    /// For a peer to take a response.
    pub write: Duration,
    /// ARTIM again: for the peer to close after release, reject or abort.
    pub close: Duration,
}

impl Default for ServerTimers {
    fn default() -> ServerTimers {
        ServerTimers {
            association: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            message: Duration::from_secs(60),
            bytes_per_second_min: 1024,
            write: Duration::from_secs(30),
            close: Duration::from_secs(5),
        }
    }
}
