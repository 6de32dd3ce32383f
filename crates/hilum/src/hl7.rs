//! The listener for final reports: HL7 v2 over MLLP.

use anyhow::{Context, Result};
use hilum_dimse::PeerAddress;
use hilum_hl7::{Hl7Config as Settings, Hl7Peer, Hl7Server};
use hilum_store::{Catalog, LocalBlobs};
use hilum_types::Clock;
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// `[hl7]`: final reports over MLLP; off unless an address is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hl7Config {
    /// Address and port to listen on.
    pub(crate) listen: Option<SocketAddr>,
    /// Development switch: anybody may send from anywhere.
    pub(crate) accept_any_peer: bool,
    /// Who may send.
    #[serde(rename = "peer")]
    pub(crate) peers: Vec<PeerConfig>,
    /// Largest message, in MiB; 4 when left out.
    pub(crate) message_mib_max: Option<usize>,
}

/// `[[hl7.peer]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerConfig {
    /// Name under which its reports are kept.
    pub(crate) name: String,
    /// Its address, a network such as `10.1.0.0/16`, or a host name.
    pub(crate) address: String,
}

impl Hl7Config {
    /// What cannot be used, with its remedy.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.listen.is_some() && self.peers.is_empty() && !self.accept_any_peer {
            problems.push(
                "[hl7]: nobody may send; add a [[hl7.peer]] with name and address, or set accept_any_peer = true for \
                 development"
                    .to_owned(),
            );
        }
        for peer in &self.peers {
            if let Err(error) = peer.address.parse::<PeerAddress>() {
                problems.push(format!("[[hl7.peer]] {:?}: {error}", peer.name));
            }
            let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if peer.name.is_empty() || 64 < peer.name.len() || !peer.name.bytes().all(letters) {
                problems.push(format!(
                    "[[hl7.peer]] {:?}: name must be 1 to 64 letters, digits, dots, hyphens and underscores",
                    peer.name
                ));
            }
        }
        if self.message_mib_max.is_some_and(|mib| !(1..=64).contains(&mib)) {
            problems.push("[hl7] message_mib_max is not in 1 to 64".to_owned());
        }
        problems
    }
}

/// A running listener.
pub(crate) struct Running {
    task: JoinHandle<()>,
}

impl Running {
    /// Wait until the messages that are being kept are answered.
    pub(crate) async fn finished(self, grace: Duration) {
        if tokio::time::timeout(grace, self.task).await.is_err() {
            tracing::warn!("a report was still being received; its sender repeats it");
        }
    }
}

/// Start the listener, where one is configured.
pub(crate) async fn start(
    config: &Hl7Config,
    catalog: Arc<dyn Catalog>,
    blobs: LocalBlobs,
    clock: Arc<dyn Clock>,
    stop: watch::Receiver<bool>,
) -> Result<Option<Running>> {
    let Some(listen) = config.listen else { return Ok(None) };
    let mut settings = Settings::new(listen);
    for peer in &config.peers {
        settings.peers.push(Hl7Peer { name: peer.name.clone(), address: Some(peer.address.parse()?) });
    }
    if config.accept_any_peer {
        settings.peers.push(Hl7Peer { name: "any".to_owned(), address: None });
    }
    settings.message_bytes_max = config.message_mib_max.unwrap_or(4) << 20;
    let bound = Hl7Server::bind(settings, catalog, Arc::new(blobs), clock).await;
    let server = bound.with_context(|| format!("cannot listen on {listen} for HL7; is the port in use?"))?;
    let address = server.local_addr()?;
    tracing::info!(%address, "listening for reports");
    Ok(Some(Running { task: tokio::spawn(server.run(stop)) }))
}
