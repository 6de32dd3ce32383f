use super::script::{Behaviour, Script};
use crate::error::TestkitError;
use bytes::{Bytes, BytesMut};
use hilum_dicom::part10_header;
use hilum_dimse::pdu::AssociateReject;
use hilum_dimse::{
    AssociationRequest, InstanceSink, Outcome, Server, ServerConfig, ServerHandle, ServerStats, Status, StoreContext,
    StoreHandler,
};
use hilum_types::{AeTitle, Digest};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Where the archive keeps data sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keep {
    /// In memory.
    #[default]
    Memory,
    /// As PS3.10 files in a folder, which must exist; named by the digest of the data set.
    Folder(PathBuf),
    /// Not at all, only their digests.
    Digest,
}

/// A C-STORE whose data set arrived whole.
#[derive(Debug, Clone)]
pub struct Received {
    /// Who sent it.
    pub calling_ae: AeTitle,
    /// Association it came on.
    pub association_id: u64,
    /// Affected SOP Class UID.
    pub sop_class_uid: String,
    /// Affected SOP Instance UID.
    pub sop_instance_uid: String,
    /// Transfer syntax of the data set.
    pub transfer_syntax_uid: String,
    /// Digest of the data set.
    pub digest: Digest,
    /// The data set, when it is kept in memory.
    pub data_set: Option<Bytes>,
    /// What was done with it.
    pub behaviour: Behaviour,
}

impl Received {
    /// Whether the archive holds it.
    pub fn is_kept(&self) -> bool {
        matches!(self.behaviour, Behaviour::Store | Behaviour::Delay(_) | Behaviour::StoreAndAbort)
    }

    /// Whether the sender was told that the archive holds it.
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.behaviour, Behaviour::Store | Behaviour::Delay(_) | Behaviour::AcknowledgeAndDrop)
    }
}

/// An archive on a real socket: C-ECHO and C-STORE from anybody, and misbehaviour by script.
pub struct SimulatedPacs {
    server: Option<ServerHandle>,
    address: SocketAddr,
    ae_title: AeTitle,
    state: Arc<State>,
}

struct State {
    keep: Keep,
    script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    number: AtomicU64,
    accepting: AtomicBool,
}

impl SimulatedPacs {
    /// An archive on a free port of the loopback interface that stores everything in memory.
    ///
    /// # Errors
    /// [`TestkitError::Listen`].
    pub async fn start(ae_title: AeTitle) -> Result<SimulatedPacs, TestkitError> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        SimulatedPacs::start_on(any, ae_title, Keep::Memory, Script::default()).await
    }

    /// An archive at an address, keeping what it stores in a place of choice.
    ///
    /// # Errors
    /// [`TestkitError::Listen`].
    pub async fn start_on(
        listen: SocketAddr,
        ae_title: AeTitle,
        keep: Keep,
        script: Script,
    ) -> Result<SimulatedPacs, TestkitError> {
        let state = Arc::new(State {
            keep,
            script: Mutex::new(script),
            received: Mutex::new(Vec::new()),
            count: watch::Sender::new(0),
            number: AtomicU64::new(0),
            accepting: AtomicBool::new(true),
        });
        let mut pacs = SimulatedPacs { server: None, address: listen, ae_title, state };
        pacs.restart().await?;
        Ok(pacs)
    }

    /// Listen again after [`SimulatedPacs::stop`], at the same address, with everything received before.
    ///
    /// # Errors
    /// [`TestkitError::Listen`].
    pub async fn restart(&mut self) -> Result<(), TestkitError> {
        self.stop().await;
        let mut config = ServerConfig::new(self.address, self.ae_title.clone());
        config.accept_any_peer = true;
        let server = Server::bind(config, Archive(self.state.clone())).await.map_err(TestkitError::Listen)?;
        self.address = server.local_addr();
        self.server = Some(server);
        Ok(())
    }

    /// Stop listening and abort what is open, as when the archive goes down.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown(Duration::from_secs(5)).await;
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its AE title.
    pub fn ae_title(&self) -> &AeTitle {
        &self.ae_title
    }

    /// Follow another script from the next instance on; instances go on being counted.
    pub fn set_script(&self, script: Script) {
        *lock(&self.state.script) = script;
    }

    /// Whether new associations are accepted; otherwise they are rejected as congestion (2/3/1).
    pub fn set_accepting(&self, accepting: bool) {
        self.state.accepting.store(accepting, Ordering::SeqCst);
    }

    /// Every C-STORE whose data set arrived whole, in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state.received).clone()
    }

    /// What the archive holds of one instance, once for every time it was stored.
    pub fn kept(&self, sop_instance_uid: &str) -> Vec<Received> {
        let received = lock(&self.state.received);
        received.iter().filter(|one| one.is_kept() && one.sop_instance_uid == sop_instance_uid).cloned().collect()
    }

    /// SOP Instance UIDs the archive holds, in the order of arrival, each as often as it was stored.
    pub fn kept_uids(&self) -> Vec<String> {
        let received = lock(&self.state.received);
        received.iter().filter(|one| one.is_kept()).map(|one| one.sop_instance_uid.clone()).collect()
    }

    /// Counts of the server, C-ECHO among them; `None` while it is stopped.
    pub fn stats(&self) -> Option<Arc<ServerStats>> {
        self.server.as_ref().map(ServerHandle::stats)
    }

    /// Wait until this many data sets have arrived whole, whatever was done with them.
    ///
    /// # Errors
    /// [`TestkitError::TimedOut`].
    pub async fn wait_for(&self, wanted: usize, at_most: Duration) -> Result<(), TestkitError> {
        let mut count = self.state.count.subscribe();
        let waited = tokio::time::timeout(at_most, count.wait_for(|received| wanted <= *received)).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            _ => Err(TestkitError::TimedOut { received: *self.state.count.borrow(), wanted }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Archive(Arc<State>);

struct Sink {
    state: Arc<State>,
    context: StoreContext,
    behaviour: Behaviour,
    data: BytesMut,
}

impl StoreHandler for Archive {
    type Sink = Sink;

    async fn begin(&self, context: &StoreContext) -> Result<Sink, Outcome> {
        let number = self.0.number.fetch_add(1, Ordering::SeqCst);
        let behaviour = lock(&self.0.script).decide(number, &context.sop_class_uid);
        Ok(Sink { state: self.0.clone(), context: context.clone(), behaviour, data: BytesMut::new() })
    }

    fn admit(&self, _request: &AssociationRequest) -> Result<(), AssociateReject> {
        if self.0.accepting.load(Ordering::SeqCst) { Ok(()) } else { Err(AssociateReject::CONGESTION) }
    }
}

impl InstanceSink for Sink {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Outcome> {
        self.data.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self) -> Outcome {
        if let Behaviour::Delay(time) = self.behaviour {
            tokio::time::sleep(time).await;
        }
        let behaviour = self.behaviour;
        if let Err(status) = self.record() {
            return status.into();
        }
        match behaviour {
            Behaviour::Store | Behaviour::Delay(_) | Behaviour::AcknowledgeAndDrop => Status::SUCCESS.into(),
            Behaviour::Refuse(status) => Outcome::with_comment(status, "refused by script"),
            Behaviour::Abort | Behaviour::StoreAndAbort => Outcome::Abort,
            Behaviour::Disconnect => Outcome::Disconnect,
        }
    }
}

impl Sink {
    fn record(self) -> Result<(), Status> {
        let Sink { state, context, behaviour, data } = self;
        let data = data.freeze();
        let mut received = Received {
            calling_ae: context.calling_ae,
            association_id: context.association_id,
            sop_class_uid: context.sop_class_uid,
            sop_instance_uid: context.sop_instance_uid,
            transfer_syntax_uid: context.transfer_syntax,
            digest: Digest::of(&data),
            data_set: None,
            behaviour,
        };
        match &state.keep {
            Keep::Memory if received.is_kept() => received.data_set = Some(data),
            Keep::Folder(folder) if received.is_kept() => {
                let file = folder.join(format!("{}.dcm", received.digest));
                let head = meta(&received).ok_or(Status::CANNOT_UNDERSTAND)?;
                std::fs::write(file, [head.as_slice(), data.as_ref()].concat())
                    .map_err(|_| Status::OUT_OF_RESOURCES)?;
            }
            _ => {}
        }
        let count = {
            let mut list = lock(&state.received);
            list.push(received);
            list.len()
        };
        state.count.send_replace(count);
        Ok(())
    }
}

fn meta(received: &Received) -> Option<Vec<u8>> {
    let class = received.sop_class_uid.parse().ok()?;
    let instance = received.sop_instance_uid.parse().ok()?;
    let syntax = received.transfer_syntax_uid.parse().ok()?;
    Some(part10_header(&class, &instance, &syntax, Some(&received.calling_ae)))
}
