//! The listener: listed peers, bounded frames, one answer a message, each after a durable commit.

use crate::mllp::framed;
use crate::{Frame, FrameReader, Hl7Error, Message, acknowledge, reports};
use hilum_audit::{AuditAction, AuditEvent, AuditOutcome, AuditSubject, SubjectKind};
use hilum_dimse::PeerAddress;
use hilum_store::reports::{keep_report, read_reports};
use hilum_store::{BlobStore, Catalog};
use hilum_types::Clock;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Pause after a failed accept, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hl7Peer {
    /// Name under which its reports are kept.
    pub name: String,
    /// Its address; `None`: any.
    pub address: Option<PeerAddress>,
}

/// How the listener behaves.
#[derive(Debug, Clone)]
pub struct Hl7Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Who may send. Nobody, when empty.
    pub peers: Vec<Hl7Peer>,
    /// Largest message in bytes.
    pub message_bytes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// A connection that is silent for this long is closed.
    pub idle: Duration,
}

impl Hl7Config {
    /// A listener with default bounds that nobody may use yet.
    pub fn new(listen: SocketAddr) -> Hl7Config {
        Hl7Config {
            listen,
            peers: Vec::new(),
            message_bytes_max: 4 << 20,
            connections_max: 64,
            idle: Duration::from_secs(600),
        }
    }
}

struct Shared {
    config: Hl7Config,
    catalog: Arc<dyn Catalog>,
    blobs: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
}

/// A bound listener.
pub struct Hl7Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Hl7Server {
    /// Bind the listener.
    ///
    /// # Errors
    /// What the system says, such as that the port is in use.
    pub async fn bind(
        config: Hl7Config,
        catalog: Arc<dyn Catalog>,
        blobs: Arc<dyn BlobStore>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Hl7Server> {
        let listener = TcpListener::bind(config.listen).await?;
        Ok(Hl7Server { listener, shared: Arc::new(Shared { config, catalog, blobs, clock }) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serve until `stop` is true; a message that is being kept is kept and answered first.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let permits = Arc::new(Semaphore::new(self.shared.config.connections_max.max(1)));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = async {
                    let permit = permits.clone().acquire_owned().await;
                    (permit, self.listener.accept().await)
                } => accepted,
            };
            let (Ok(permit), Ok((stream, from))) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (shared, stop) = (self.shared.clone(), stop.clone());
            connections.spawn(async move {
                shared.connection(stream, from.ip(), stop).await;
                drop(permit);
            });
        }
        while connections.join_next().await.is_some() {}
    }
}

impl Shared {
    async fn peer(&self, from: IpAddr) -> Option<&Hl7Peer> {
        for peer in &self.config.peers {
            match &peer.address {
                None => return Some(peer),
                Some(address) if address.admits(from).await => return Some(peer),
                Some(_) => {}
            }
        }
        None
    }

    async fn connection(&self, stream: TcpStream, from: IpAddr, mut stop: watch::Receiver<bool>) {
        let Some(peer) = self.peer(from).await else {
            self.refuse(from).await;
            return;
        };
        // A connection without it is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let (mut frames, mut answers) = (FrameReader::new(read, self.config.message_bytes_max), BufWriter::new(write));
        loop {
            let next = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                next = tokio::time::timeout(self.config.idle, frames.next()) => next,
            };
            let answer = match next {
                Ok(Ok(Frame::Message(bytes))) => self.take(&bytes, &peer.name).await,
                Ok(Ok(Frame::TooLarge(head))) => self.too_large(&head),
                // The peer closed, was silent, or the connection broke: nothing is owed to it.
                Ok(Ok(Frame::End) | Err(_)) | Err(_) => return,
            };
            let sent = async {
                answers.write_all(&framed(&answer)).await?;
                answers.flush().await
            };
            if sent.await.is_err() {
                return;
            }
            self.read_due().await;
        }
    }

    /// Keep the reports of a message; the answer is made after that.
    async fn take(&self, bytes: &[u8], peer: &str) -> String {
        let now = self.clock.now();
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(peer.name = peer, %error, "a message was refused");
                return acknowledge(Message::header_only(bytes).as_ref(), Some(&error), now);
            }
        };
        let failed = self.keep(&message, bytes, peer).await.err();
        if let Some(error) = &failed {
            let cause = error as &dyn std::error::Error;
            tracing::warn!(peer.name = peer, error = cause, "a message was refused");
        }
        acknowledge(Some(&message), failed.as_ref(), now)
    }

    async fn keep(&self, message: &Message, bytes: &[u8], peer: &str) -> Result<(), Hl7Error> {
        let now = self.clock.now();
        for one in reports(message, peer, bytes, now)? {
            let kept = keep_report(&*self.catalog, &*self.blobs, one.report, one.text.reveal(), now).await;
            let added = kept.map_err(Hl7Error::Store)?;
            let (linked, is_new) = (added.report.study_key.is_some(), added.is_new);
            tracing::info!(peer.name = peer, report.key = %added.report.key, linked, is_new, "report kept");
        }
        Ok(())
    }

    fn too_large(&self, head: &[u8]) -> String {
        let error = Hl7Error::TooLarge("the bytes allowed in one message");
        acknowledge(Message::header_only(head).as_ref(), Some(&error), self.clock.now())
    }

    /// Read at once what a report says; what cannot be read now is read by a worker later.
    async fn read_due(&self) {
        if let Err(error) = read_reports(&*self.catalog, &*self.blobs, self.clock.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "reports are read later");
        }
    }

    async fn refuse(&self, from: IpAddr) {
        tracing::warn!(peer.address = %from, "a connection to the report listener was refused; list its peer");
        let subject = AuditSubject::new(SubjectKind::Peer, from);
        let event = AuditEvent::new(self.clock.now(), "system:hl7", AuditAction::PeerRefused, subject)
            .outcome(AuditOutcome::MinorFailure)
            .detail(&json!({ "listener": "hl7" }));
        if let Err(error) = self.catalog.audit_append(event).await {
            tracing::error!(error = &error as &dyn std::error::Error, "a refusal was not entered in the audit record");
        }
    }
}
