//! A TCP connection that yields PDU headers and payload: few system calls, no copies of data sets, bounded waits.

use crate::budget::ReadBudget;
use crate::pdu::{PDU_HEADER_LENGTH, PDV_HEADER_LENGTH, PduHeader};
use bytes::{Buf, Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Receive buffer of a connection that carries no data set: 500 idle associations cost 2 MB.
const BUFFER_IDLE: usize = 4 << 10;

/// Receive buffer while data sets arrive; one read takes up to this much.
const BUFFER_BULK: usize = 256 << 10;

/// A buffer without data set is kept this long before it shrinks.
const BULK_KEPT: Duration = Duration::from_secs(2);

/// Bytes discarded at most while waiting for the peer to close.
const DISCARDED_MAX: usize = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer was silent or too slow")]
    TimedOut,
    #[error("receiving failed")]
    Io(#[source] io::Error),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the peer does not receive")]
    TimedOut,
    #[error("sending failed")]
    Io(#[source] io::Error),
}

pub(crate) struct Connection {
    stream: TcpStream,
    received: BytesMut,
    read_size: usize,
}

impl Connection {
    /// Takes over a stream, which sends small PDUs at once from now on (`TCP_NODELAY`).
    pub(crate) fn new(stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        Ok(Connection { stream, received: BytesMut::with_capacity(BUFFER_IDLE), read_size: BUFFER_IDLE })
    }

    /// The six bytes of the next PDU.
    pub(crate) async fn pdu_header(&mut self, budget: &mut ReadBudget) -> Result<PduHeader, ReadError> {
        Ok(PduHeader::decode(self.array::<PDU_HEADER_LENGTH>(budget).await?))
    }

    /// The six bytes before the data of a presentation data value.
    pub(crate) async fn pdv_header(&mut self, budget: &mut ReadBudget) -> Result<[u8; PDV_HEADER_LENGTH], ReadError> {
        self.array(budget).await
    }

    /// The next `N` bytes.
    pub(crate) async fn array<const N: usize>(&mut self, budget: &mut ReadBudget) -> Result<[u8; N], ReadError> {
        loop {
            if let Some(bytes) = self.received.first_chunk::<N>().copied() {
                self.received.advance(N);
                return Ok(bytes);
            }
            self.read(budget).await?;
        }
    }

    /// The next `length` bytes; the caller has bounded `length`. Memory grows with what arrives, not with the claim.
    pub(crate) async fn body(&mut self, length: usize, budget: &mut ReadBudget) -> Result<Bytes, ReadError> {
        while self.received.len() < length {
            self.read(budget).await?;
        }
        Ok(self.received.split_to(length).freeze())
    }

    /// Whatever comes next, at least one and at most `longest` bytes, without copying.
    pub(crate) async fn chunk(&mut self, longest: usize, budget: &mut ReadBudget) -> Result<Bytes, ReadError> {
        if self.received.is_empty() {
            self.read(budget).await?;
        }
        let length = longest.min(self.received.len());
        Ok(self.received.split_to(length).freeze())
    }

    /// From now on data sets arrive: reads become large.
    pub(crate) fn expect_bulk(&mut self) {
        self.read_size = BUFFER_BULK;
    }

    /// Waits until something is there to be read; gives a large buffer back when that takes long. May be cancelled.
    pub(crate) async fn wait(&mut self, longest: Duration) -> Result<(), ReadError> {
        if !self.received.is_empty() {
            return Ok(());
        }
        let first = longest.min(BULK_KEPT);
        match self.read(&mut ReadBudget::new(first, 0)).await {
            Err(ReadError::TimedOut) if first < longest => {
                self.received = BytesMut::with_capacity(BUFFER_IDLE);
                self.read_size = BUFFER_IDLE;
                self.read(&mut ReadBudget::new(longest - first, 0)).await
            }
            other => other,
        }
    }

    /// Writes everything within `longest`.
    pub(crate) async fn write(&mut self, bytes: &[u8], longest: Duration) -> Result<(), WriteError> {
        match timeout(longest, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(WriteError::Io(error)),
            Err(_) => Err(WriteError::TimedOut),
        }
    }

    /// Writes `head`, then `tail`, in as few system calls as the socket allows.
    pub(crate) async fn write_both(&mut self, head: &[u8], tail: &[u8], longest: Duration) -> Result<(), WriteError> {
        let both = async {
            let (mut head, mut tail) = (head, tail);
            while !head.is_empty() {
                match self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(tail)]).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    n if n < head.len() => head = &head[n..],
                    n => {
                        tail = &tail[n - head.len()..];
                        head = &[];
                    }
                }
            }
            self.stream.write_all(tail).await
        };
        match timeout(longest, both).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(WriteError::Io(error)),
            Err(_) => Err(WriteError::TimedOut),
        }
    }

    /// `Sta13`: discards what arrives until the peer closes or the ARTIM timer expires, so that closing with unread
    /// bytes does not reset the connection before the peer has read our last PDU.
    pub(crate) async fn await_close(mut self, artim: Duration) {
        let discard = async {
            let mut budget = DISCARDED_MAX;
            self.received.clear();
            self.received.reserve(BUFFER_IDLE);
            while let Ok(n) = self.stream.read_buf(&mut self.received).await {
                budget = budget.saturating_sub(n);
                if n == 0 || budget == 0 {
                    break;
                }
                self.received.clear();
            }
        };
        // Running out of time is the expected end with a peer that never closes.
        let _expired = timeout(artim, discard).await;
    }

    /// Ends our direction, so that a peer that waits for our end sees it.
    pub(crate) async fn finish_sending(&mut self) {
        // The connection is being given up: whether the peer is still there no longer matters.
        let _gone = self.stream.shutdown().await;
    }

    /// One read of whatever is there. May be cancelled without losing bytes.
    async fn read(&mut self, budget: &mut ReadBudget) -> Result<(), ReadError> {
        if self.received.capacity() - self.received.len() < self.read_size / 4 {
            // Takes the old allocation again when nobody holds a chunk of it any more.
            self.received.reserve(self.read_size);
        }
        self.acknowledge_at_once();
        let started = Instant::now();
        match timeout(budget.remaining(), self.stream.read_buf(&mut self.received)).await {
            Err(_) => Err(ReadError::TimedOut),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Err(ReadError::Closed),
            Ok(Err(error)) => Err(ReadError::Io(error)),
            Ok(Ok(0)) => Err(ReadError::Closed),
            Ok(Ok(n)) => {
                budget.spend(started.elapsed(), n);
                Ok(())
            }
        }
    }

    /// A sender with Nagle's algorithm on holds its last segment until we acknowledge the one before; a delayed
    /// acknowledgement would cost 40 ms per object. The option is not permanent, so it is set before every receive.
    #[cfg(target_os = "linux")]
    fn acknowledge_at_once(&self) {
        // Only speed depends on it: a kernel that refuses serves as well, later.
        let _unsupported = self.stream.set_quickack(true);
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge_at_once(&self) {}
}
