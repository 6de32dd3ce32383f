//! The promise "acknowledged means durable", kept for many senders at once.
//!
//! Files are synced in parallel on a few blocking threads; whatever is synced when the catalog is free goes into
//! one transaction together (group commit without a timer: a lone sender never waits for company). Callers wait in
//! a bounded queue, which slows senders down instead of filling memory.

use crate::blobs::blocking;
use crate::records::{IntakeOutcome, NewInstance, Origin};
use crate::{Catalog, LocalBlobs, QuarantineKey, SpoolFile, StoreError, StoredBlob};
use hilum_types::{InstanceHeader, Reason, Timestamp};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// How a [`Committer`] works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitterOptions {
    /// Files synced at the same time.
    pub n_sync_threads: usize,
    /// Most instances in one transaction.
    pub n_batch_max: usize,
    /// Instances that may wait for the catalog before senders are held up.
    pub n_waiting_max: usize,
}

impl Default for CommitterOptions {
    fn default() -> Self {
        CommitterOptions { n_sync_threads: 8, n_batch_max: 64, n_waiting_max: 256 }
    }
}

/// Takes received files into the blob folder and the catalog. Clones share one queue; the task ends when the last
/// clone is gone.
#[derive(Clone)]
pub struct Committer {
    blobs: LocalBlobs,
    catalog: Arc<dyn Catalog>,
    syncing: Arc<Semaphore>,
    waiting: mpsc::Sender<Waiting>,
}

struct Waiting {
    instance: NewInstance,
    answer: oneshot::Sender<Result<IntakeOutcome, StoreError>>,
}

impl Committer {
    /// Start the committer's task on the current tokio runtime.
    pub fn start(blobs: LocalBlobs, catalog: Arc<dyn Catalog>, options: &CommitterOptions) -> Committer {
        let (waiting, queue) = mpsc::channel(options.n_waiting_max.max(1));
        tokio::spawn(commit_all(queue, catalog.clone(), options.n_batch_max.max(1)));
        let syncing = Arc::new(Semaphore::new(options.n_sync_threads.max(1)));
        Committer { blobs, catalog, syncing, waiting }
    }

    /// The folder this committer fills; [`LocalBlobs::spool`] begins a file for it.
    pub fn blobs(&self) -> &LocalBlobs {
        &self.blobs
    }

    /// Store a received instance. When this returns `Ok`, bytes and index are durable and may be acknowledged.
    ///
    /// # Errors
    /// Nothing was stored; the sender must be told so. See [`StoreError::kind`].
    pub async fn store(
        &self,
        spool: SpoolFile,
        header: InstanceHeader,
        origin: Origin,
        received_at: Timestamp,
    ) -> Result<IntakeOutcome, StoreError> {
        let StoredBlob { digest, content, size } = self.keep(spool).await?;
        let instance = NewInstance { header, blob: digest, content, size, origin, received_at };
        let (answer, outcome) = oneshot::channel();
        let sent = self.waiting.send(Waiting { instance, answer }).await;
        sent.map_err(|_| StoreError::ShuttingDown)?;
        outcome.await.map_err(|_| StoreError::ShuttingDown)?
    }

    /// Keep a file that is no instance, such as an encoded result. Its bytes are durable on return; it is an orphan
    /// until a row names it.
    ///
    /// # Errors
    /// The file was not kept.
    pub async fn keep(&self, spool: SpoolFile) -> Result<StoredBlob, StoreError> {
        let permit = self.syncing.clone().acquire_owned().await.map_err(|_| StoreError::ShuttingDown)?;
        blocking(move || {
            let kept = spool.finish();
            drop(permit);
            kept
        })
        .await
    }

    /// Set aside a received object that cannot be taken as an instance.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn quarantine(
        &self,
        spool: SpoolFile,
        reason: &Reason,
        origin: &Origin,
        received_at: Timestamp,
    ) -> Result<QuarantineKey, StoreError> {
        let kept = self.keep(spool).await?;
        self.catalog.quarantine_add(reason, kept.digest, kept.size, origin, received_at).await
    }
}

async fn commit_all(mut queue: mpsc::Receiver<Waiting>, catalog: Arc<dyn Catalog>, n_batch_max: usize) {
    let mut waiting = Vec::with_capacity(n_batch_max);
    while 0 < queue.recv_many(&mut waiting, n_batch_max).await {
        let (batch, answers): (Vec<NewInstance>, Vec<_>) =
            waiting.drain(..).map(|Waiting { instance, answer }| (instance, answer)).unzip();
        commit(&*catalog, &batch, answers).await;
    }
}

/// One transaction for the batch. When that fails for a reason that may lie in one of the instances, each is tried
/// alone, so that one of them cannot keep the others out.
async fn commit(
    catalog: &dyn Catalog,
    batch: &[NewInstance],
    answers: Vec<oneshot::Sender<Result<IntakeOutcome, StoreError>>>,
) {
    // A receiver that is gone belongs to an association that ended; its instance is stored all the same.
    let tell = |answer: oneshot::Sender<_>, outcome| drop(answer.send(outcome));
    let now = batch.iter().map(|instance| instance.received_at).max().unwrap_or(Timestamp::from_micros(0));
    let error = match catalog.instances_commit(batch, now).await {
        Ok(outcomes) => {
            answers.into_iter().zip(outcomes).for_each(|(answer, outcome)| tell(answer, Ok(outcome)));
            return;
        }
        Err(error) => error,
    };
    tracing::error!(
        error = &error as &dyn std::error::Error,
        n_instances = batch.len(),
        "a batch of instances was not stored"
    );
    for (answer, instance) in answers.into_iter().zip(batch) {
        let outcome = match error.of_whole_batch() {
            Some(error) => Err(error),
            None => {
                let alone = catalog.instances_commit(std::slice::from_ref(instance), instance.received_at).await;
                alone.map(|mut outcomes| outcomes.remove(0))
            }
        };
        tell(answer, outcome);
    }
}
