//! Provider of Verification and Storage (PS3.4 annexes A and B).

mod association;
mod config;
mod handler;
mod negotiate;
mod peers;
mod slots;
mod stats;

pub use crate::pdu::AssociateReject as Rejection;
pub use config::{AbstractSyntaxes, ServerConfig, ServerTimers};
pub use handler::{AssociationRequest, InstanceSink, Outcome, StoreContext, StoreHandler};
pub use peers::{InvalidPeerAddress, Peer, PeerAddress};
pub use stats::{ServerStats, StatsSnapshot};

use association::AssociationTask;
use slots::Slots;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Connections waiting in the kernel to be accepted.
const BACKLOG: u32 = 1024;

/// Connections kept beyond the associations allowed: those that still negotiate or are about to close.
const CONNECTIONS_BEYOND_ASSOCIATIONS: usize = 256;

/// Pause after a failed accept, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for DICOM; is the port in use, or reserved for privileged users?")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nobody could ever connect.
    #[error("no peer is listed, so nobody may connect; list peers or, for development only, set accept_any_peer")]
    NoPeers,
}

/// The provider; [`Server::bind`] starts it.
pub struct Server;

impl Server {
    /// Listens and serves on the current tokio runtime until the handle is shut down or dropped.
    ///
    /// # Errors
    /// [`ServerError::Bind`] when the address is not to be had, [`ServerError::NoPeers`] when nobody may connect.
    pub async fn bind<H: StoreHandler>(config: ServerConfig, handler: H) -> Result<ServerHandle, ServerError> {
        if config.peers.is_empty() && !config.accept_any_peer {
            return Err(ServerError::NoPeers);
        }
        let address = config.listen;
        let failed = |source| ServerError::Bind { address, source };
        let listener = listen(address).map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let (shutdown, shutdown_seen) = watch::channel(false);
        let stats = Arc::new(ServerStats::default());
        let shared = Arc::new(Shared {
            slots: Slots::new(config.associations_max, config.associations_per_peer_max),
            stats: stats.clone(),
            config,
            handler,
        });
        let task = tokio::spawn(accept_loop(listener, shared, shutdown_seen));
        Ok(ServerHandle { local_addr, stats, shutdown, task })
    }
}

/// A running server. Dropping it stops the server as [`ServerHandle::shutdown`] does, without waiting.
pub struct ServerHandle {
    local_addr: SocketAddr,
    stats: Arc<ServerStats>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ServerHandle {
    /// The address listened on, with the port the system chose when the configuration said 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Counts since the start.
    pub fn stats(&self) -> Arc<ServerStats> {
        self.stats.clone()
    }

    /// Stops accepting, lets every store in flight finish and be answered, then aborts the associations (A-ABORT,
    /// service user). What is not done within `grace` is cut off; its sinks are dropped unfinished.
    pub async fn shutdown(self, grace: Duration) {
        self.shutdown.send_replace(true);
        let mut task = self.task;
        if timeout(grace, &mut task).await.is_err() {
            task.abort();
            // The task owns all associations; when it is gone, so are they.
            let _cancelled = task.await;
        }
    }
}

/// What all associations share.
struct Shared<H> {
    config: ServerConfig,
    handler: H,
    stats: Arc<ServerStats>,
    slots: Slots,
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept_loop<H: StoreHandler>(
    listener: TcpListener,
    shared: Arc<Shared<H>>,
    mut shutdown: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(shared.config.associations_max + CONNECTIONS_BEYOND_ASSOCIATIONS));
    let mut associations = JoinSet::new();
    let mut next_id = 1;
    loop {
        let accepted = tokio::select! {
            // An error means that the handle was dropped.
            _ = shutdown.wait_for(|stop| *stop) => break,
            Some(_ended) = associations.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer_addr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting a DICOM connection failed; raise the limit of open files if it persists");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        shared.stats.connections_accepted.add(1);
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            shared.stats.connections_dropped.add(1);
            continue;
        };
        let task = serve(shared.clone(), stream, peer_addr, next_id, shutdown.clone());
        associations.spawn(async move {
            task.await;
            drop(permit);
        });
        next_id += 1;
    }
    drop(listener);
    while associations.join_next().await.is_some() {}
}

async fn serve<H: StoreHandler>(
    shared: Arc<Shared<H>>,
    stream: TcpStream,
    peer_addr: SocketAddr,
    id: u64,
    shutdown: watch::Receiver<bool>,
) {
    match AssociationTask::new(shared, stream, peer_addr, id, shutdown) {
        Ok(task) => task.run().await,
        Err(error) => tracing::debug!(%peer_addr, %error, "the connection ended before it could be used"),
    }
}
