//! The loop around jobs: lease, keep alive, carry out, and say what became of them.

use crate::notify::{self, NotifyOptions};
use crate::traces;
use crate::{
    Destination, Models, RetryPolicy, SiteKey, assessment_report, canary, deliver, evaluate, infer, inspect,
    watch as watching,
};
use hilum_store::{Catalog, Job, JobKind, Lease, LocalBlobs, Priority, StoreError};
use hilum_telemetry::Spans;
use hilum_types::{AeTitle, Clock, Reason};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longest pause between two looks at the queue.
const POLL: Duration = Duration::from_millis(100);

/// Pause after the catalog could not be reached.
const POLL_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Attempts at a job other than a delivery before it is given up.
const ATTEMPTS_MAX: u32 = 5;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Name of this worker in leases; unique among all workers.
    pub owner: String,
    /// Jobs carried out at once.
    pub slots: usize,
    /// Of these, how many may be runs whose results stay inside; at least 1.
    pub shadow_slots: usize,
    /// A job whose worker is silent for this long passes to another.
    pub lease_seconds: u32,
    /// When failed deliveries are tried again.
    pub retry: RetryPolicy,
    /// A reader who has answered nothing more for this long is taken to have finished, and the answers leave as a report.
    pub assessment_quiet_seconds: u32,
    /// Our own AE title, under which products are called.
    pub ae_title: AeTitle,
    /// Longest wait for a product to take one object.
    pub product_timeout: Duration,
    /// Folder that relative paths of fixed cases are relative to.
    pub data_dir: PathBuf,
}

/// Everything a job may need.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) blobs: LocalBlobs,
    pub(crate) models: Models,
    pub(crate) destinations: Arc<Vec<Destination>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Arc<WorkerOptions>,
    pub(crate) site_key: SiteKey,
    pub(crate) notify: Arc<NotifyOptions>,
    pub(crate) spans: Spans,
}

/// Why a job could not be carried out this time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The catalog or the blobs failed; what follows depends on the kind of the cause.
    #[error("the catalog or a stored object could not be used")]
    Store(#[from] StoreError),
    /// It will fail again in the same way.
    #[error("{0}")]
    Broken(String),
}

/// The worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Without a slot no job would ever be carried out.
    #[error("a worker needs at least one slot; set [worker] slots")]
    NoSlots,
}

/// Carries out jobs until told to stop.
pub struct Worker {
    context: Context,
}

impl Worker {
    /// A worker over one catalog and one blob folder.
    ///
    /// # Errors
    /// [`WorkerError::NoSlots`].
    pub fn new(
        catalog: Arc<dyn Catalog>,
        blobs: LocalBlobs,
        models: Models,
        destinations: Vec<Destination>,
        clock: Arc<dyn Clock>,
        site_key: SiteKey,
        options: WorkerOptions,
    ) -> Result<Worker, WorkerError> {
        if options.slots == 0 {
            return Err(WorkerError::NoSlots);
        }
        let (destinations, options) = (Arc::new(destinations), Arc::new(options));
        let notify = Arc::new(NotifyOptions::default());
        let spans = Spans::default();
        let context = Context { catalog, blobs, models, destinations, clock, options, site_key, notify, spans };
        Ok(Worker { context })
    }

    /// Tell these contacts of alarms; without it nobody is told, and the pages list them all the same.
    pub fn notifying(mut self, notify: NotifyOptions) -> Worker {
        self.context.notify = Arc::new(notify);
        self
    }

    /// Tell a trace collector what jobs do; without it nothing is told.
    pub fn tracing(mut self, spans: Spans) -> Worker {
        self.context.spans = spans;
        self
    }

    /// Work until `stop` is true; jobs in flight are finished first.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        tasks.spawn(complete_studies(self.context.clone(), stop.clone()));
        tasks.spawn(canary::schedule(self.context.clone(), stop.clone()));
        // One slot only ever does short work, so that a long inference cannot hold up the gate or a delivery.
        let short = &[JobKind::Evaluate, JobKind::Deliver];
        tasks.spawn(slot(self.context.clone(), short, Priority::SHADOW, 0, stop.clone()));
        let shadow_slots = self.context.options.shadow_slots.max(1);
        for number in 1..=self.context.options.slots {
            let lowest = if number <= shadow_slots { Priority::SHADOW } else { Priority::ROUTINE };
            tasks.spawn(slot(self.context.clone(), &JobKind::ALL, lowest, number, stop.clone()));
        }
        tasks.spawn(watching::keep_warm(self.context.clone(), stop.clone()));
        tasks.spawn(watching::watch_evidence(self.context.clone(), stop.clone()));
        tasks.spawn(notify::look_after(self.context.clone(), stop.clone()));
        tasks.spawn(watching::read_reports(self.context.clone(), stop.clone()));
        tasks.spawn(assessment_report::tell_answers(self.context.clone(), stop.clone()));
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!("a worker task panicked; its job passes on when the lease runs out");
            }
        }
    }
}

/// Sleep, but wake at once when told to stop. Says whether to go on.
pub(crate) async fn pause(stop: &mut watch::Receiver<bool>, duration: Duration) -> bool {
    let stopped = tokio::time::timeout(duration, stop.wait_for(|stop| *stop)).await;
    stopped.is_err()
}

/// Complete studies whose quiet time is over.
async fn complete_studies(context: Context, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let wait = match context.catalog.study_complete_due(context.clock.now(), 64).await {
            Ok(completed) if completed.is_empty() => POLL,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "studies could not be completed");
                POLL_AFTER_ERROR
            }
        };
        if !wait.is_zero() && !pause(&mut stop, wait).await {
            return;
        }
    }
}

/// One job after the other.
async fn slot(
    context: Context,
    kinds: &'static [JobKind],
    lowest: Priority,
    number: usize,
    mut stop: watch::Receiver<bool>,
) {
    let owner = format!("{}/{number}", context.options.owner);
    let seconds = context.options.lease_seconds;
    while !*stop.borrow() {
        let leased = context.catalog.job_lease_urgent(kinds, lowest, &owner, context.clock.now(), seconds).await;
        let wait = match leased {
            Ok(Some(job)) => {
                let ran_for = job.deployment.clone().filter(|_| job.kind == JobKind::Infer);
                carry_out(&context, job).await;
                if let Some(name) = ran_for
                    && let Err(error) = watching::hold_bounds(&context, &name).await
                {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the bounds of a rollout were not checked"
                    );
                }
                continue;
            }
            Ok(None) => POLL,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no job could be leased");
                POLL_AFTER_ERROR
            }
        };
        if !pause(&mut stop, wait).await {
            return;
        }
    }
}

/// Carry out one job on a task of its own, so that a panic costs this job and not the slot.
async fn carry_out(context: &Context, job: Job) {
    let lease = job.lease();
    let (kind, attempt, key) = (job.kind.name(), job.attempts, job.key.clone());
    let begun_at = context.clock.now();
    let task = {
        let (context, job) = (context.clone(), job.clone());
        tokio::spawn(async move {
            if job.kind != JobKind::Deliver && ATTEMPTS_MAX < job.attempts - job.n_waits().min(job.attempts) {
                // It took its worker down each time, so nobody was left to say so.
                return Err(JobError::Broken(format!("given up after {ATTEMPTS_MAX} attempts that never ended")));
            }
            match job.kind {
                JobKind::Evaluate => evaluate::evaluate(&context, &job).await,
                JobKind::Infer => infer::infer(&context, &job).await,
                JobKind::Deliver => deliver::deliver(&context, &job).await,
                JobKind::Canary => canary::run(&context, &job).await,
                JobKind::Inspect => inspect::inspect(&context, &job).await,
            }
        })
    };
    let abort = task.abort_handle();
    let outcome = tokio::select! {
        outcome = task => outcome,
        () = keep_alive(context, &lease) => {
            abort.abort();
            tracing::info!(job.kind = kind, job.key = %key, "the lease was lost; the work is dropped");
            return;
        }
    };
    traces::job_ended(context, &job, begun_at, !matches!(outcome, Ok(Ok(())))).await;
    let error = match outcome {
        Ok(Ok(())) => return tracing::debug!(job.kind = kind, job.key = %key, attempt, "job done"),
        Ok(Err(error)) => error,
        Err(_panicked) => JobError::Broken("the job panicked; please report this".to_owned()),
    };
    if let Err(error) = settle(context, &job, &lease, error).await {
        tracing::error!(error = &error as &dyn std::error::Error, job.key = %key, "a failed job could not be settled");
    }
}

/// Returns only when the lease is lost.
async fn keep_alive(context: &Context, lease: &Lease) {
    let seconds = context.options.lease_seconds;
    loop {
        // A third of the lease, and often enough that a suspension stops queued and running work within 5 s (MV-08).
        tokio::time::sleep(Duration::from_secs_f64((f64::from(seconds) / 3.0).min(2.0))).await;
        match context.catalog.job_heartbeat(lease, context.clock.now(), seconds).await {
            Err(StoreError::LeaseLost) => return,
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a heartbeat was not taken"),
            Ok(()) => {}
        }
    }
}

/// Give a failed job back, or give it up.
async fn settle(context: &Context, job: &Job, lease: &Lease, error: JobError) -> Result<(), StoreError> {
    let now = context.clock.now();
    let lost = matches!(error, JobError::Store(StoreError::LeaseLost));
    if lost {
        tracing::info!(job.kind = job.kind.name(), job.key = %job.key, "the lease was lost; the work is dropped");
        return Ok(());
    }
    let passing = matches!(&error, JobError::Store(error) if error.kind() == hilum_store::ErrorKind::Unavailable);
    tracing::error!(
        error = &error as &dyn std::error::Error,
        job.kind = job.kind.name(),
        job.key = %job.key,
        attempt = job.attempts,
        "a job failed"
    );
    let text = describe(&error);
    let next = RetryPolicy { attempts_max: ATTEMPTS_MAX, ..context.options.retry }.next(
        job.attempts - job.n_waits().min(job.attempts),
        0.0,
        now,
    );
    match next {
        Some(due_at) if passing => context.catalog.job_retry(lease, due_at, &text, now).await,
        _ => {
            let reason = Reason::new(format!("job.{}", job.kind.name()), text);
            context.catalog.job_dead(lease, &reason, now).await
        }
    }
}

/// The error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += ": ";
        text += &error.to_string();
        cause = error.source();
    }
    text
}
