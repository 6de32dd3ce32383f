use crate::draw::Draw;
use crate::object::PhantomInstance;
use hilum_dimse::{
    Association, AssociationOptions, ClientError, DataSet, ProposedContext, Status, StoreRequest, Timeouts,
};
use hilum_types::{AeTitle, Digest};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// In which order instances are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// As given.
    AsGiven,
    /// Last first.
    Reversed,
    /// Random from the seed, so that studies interleave.
    Shuffled,
}

/// A modality that sends over real associations.
#[derive(Debug, Clone)]
pub struct SimulatedModality {
    /// Its AE title.
    pub calling_ae: AeTitle,
    /// The receiver's AE title.
    pub called_ae: AeTitle,
    /// The receiver's address.
    pub address: SocketAddr,
    /// Associations at once; instances are dealt to them in turn.
    pub associations: usize,
    /// Order of sending.
    pub order: Order,
    /// Probability with which an instance is sent twice.
    pub duplicates: f64,
    /// Further attempts for an instance that was not acknowledged because the association broke.
    pub retries: u32,
    /// Seed of order and duplicates.
    pub seed: u64,
    /// Timers.
    pub timeouts: Timeouts,
}

/// One C-STORE and how it ended.
#[derive(Debug, Clone)]
pub struct Sent {
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Digest of the data set.
    pub digest: Digest,
    /// Which of the concurrent associations, from 0.
    pub association: usize,
    /// The answer; `None` when there was none.
    pub status: Option<Status>,
    /// Why there was no answer; it names no patient.
    pub failure: Option<String>,
}

/// Everything that was sent, in no particular order across associations.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Every attempt.
    pub sent: Vec<Sent>,
}

impl Ledger {
    /// SOP Instance UIDs the receiver acknowledged, with the digest of what it acknowledged.
    ///
    /// An instance that was sent with two contents has the digests of both.
    pub fn acknowledged(&self) -> BTreeMap<&str, BTreeSet<Digest>> {
        let mut acknowledged: BTreeMap<&str, BTreeSet<Digest>> = BTreeMap::new();
        for sent in self.sent.iter().filter(|sent| sent.status.is_some_and(Status::is_stored)) {
            acknowledged.entry(&sent.sop_instance_uid).or_default().insert(sent.digest);
        }
        acknowledged
    }

    /// Attempts that were refused or had no answer.
    pub fn failures(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(|sent| !sent.status.is_some_and(Status::is_stored))
    }
}

impl SimulatedModality {
    /// A modality with one association that sends in the order given.
    pub fn new(calling_ae: AeTitle, called_ae: AeTitle, address: SocketAddr) -> SimulatedModality {
        SimulatedModality {
            calling_ae,
            called_ae,
            address,
            associations: 1,
            order: Order::AsGiven,
            duplicates: 0.0,
            retries: 0,
            seed: 0,
            timeouts: Timeouts::default(),
        }
    }

    /// Which instance each association sends, in order; a pure function of the settings.
    pub fn plan(&self, n_instances: usize) -> Vec<Vec<usize>> {
        let mut draw = Draw::new(self.seed, "modality");
        let mut queue: Vec<usize> = Vec::new();
        for index in 0..n_instances {
            queue.push(index);
            if draw.chance(self.duplicates) {
                queue.push(index);
            }
        }
        match self.order {
            Order::AsGiven => {}
            Order::Reversed => queue.reverse(),
            Order::Shuffled => draw.shuffle(&mut queue),
        }
        let lanes = self.associations.max(1);
        let mut plan = vec![Vec::new(); lanes];
        for (place, index) in queue.into_iter().enumerate() {
            plan[place % lanes].push(index);
        }
        plan
    }

    /// Send all instances and report what became of each. Never fails: what could not be sent is in the ledger.
    pub async fn send(&self, instances: impl Into<Arc<[PhantomInstance]>>) -> Ledger {
        let instances: Arc<[PhantomInstance]> = instances.into();
        let mut tasks = tokio::task::JoinSet::new();
        for (lane, queue) in self.plan(instances.len()).into_iter().enumerate() {
            let (modality, instances) = (self.clone(), instances.clone());
            tasks.spawn(async move { modality.send_lane(lane, &queue, &instances).await });
        }
        let mut ledger = Ledger::default();
        for sent in tasks.join_all().await {
            ledger.sent.extend(sent);
        }
        ledger
    }

    async fn send_lane(&self, lane: usize, queue: &[usize], instances: &[PhantomInstance]) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut open: Option<Association> = None;
        for index in queue {
            for _ in 0..=self.retries {
                let result = self.send_one(&mut open, queue, instances, &instances[*index]).await;
                let answered = result.is_ok();
                let (status, failure) = match result {
                    Ok(status) => (Some(status), None),
                    Err(error) => (None, Some(chain(&error))),
                };
                sent.push(Sent {
                    sop_instance_uid: instances[*index].sop_instance_uid.as_str().to_owned(),
                    digest: instances[*index].digest(),
                    association: lane,
                    status,
                    failure,
                });
                if answered {
                    break;
                }
                open = None;
            }
        }
        if let Some(association) = open {
            // What was acknowledged stays so, whether or not the peer agrees to the release.
            let _ = association.release().await;
        }
        sent
    }

    async fn send_one(
        &self,
        open: &mut Option<Association>,
        queue: &[usize],
        instances: &[PhantomInstance],
        instance: &PhantomInstance,
    ) -> Result<Status, ClientError> {
        if open.is_none() {
            *open = Some(self.connect(queue.iter().map(|index| &instances[*index])).await?);
        }
        let Some(association) = open.as_mut() else { return Err(ClientError::Ended) };
        let request = StoreRequest {
            sop_class_uid: instance.sop_class_uid.as_str(),
            sop_instance_uid: instance.sop_instance_uid.as_str(),
            transfer_syntax: instance.transfer_syntax_uid.as_str(),
            data: DataSet::Bytes(instance.data_set()),
        };
        Ok(association.store(request).await?.status)
    }

    async fn connect(&self, queue: impl Iterator<Item = &PhantomInstance>) -> Result<Association, ClientError> {
        let pairs: BTreeSet<(&str, &str)> =
            queue.map(|one| (one.sop_class_uid.as_str(), one.transfer_syntax_uid.as_str())).collect();
        let mut contexts = vec![ProposedContext::verification()];
        contexts.extend(pairs.into_iter().map(|(class, syntax)| ProposedContext::new(class, syntax)));
        let mut options = AssociationOptions::new(self.calling_ae.clone(), self.called_ae.clone(), contexts);
        options.timeouts = self.timeouts.clone();
        Association::connect(self.address, &options).await
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
