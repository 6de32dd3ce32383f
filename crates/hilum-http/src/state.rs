use crate::api::version_here::Records;
use crate::metrics::Metrics;
use crate::pages::view::Chip;
use crate::security::Hosts;
use crate::sessions::{Sessions, proven, session_person, unproven};
use crate::sign_ins::SignIns;
use axum::http::HeaderMap;
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, SubjectKind};
use hilum_intake::Intake;
use hilum_store::{BlobStore, Catalog, Committer, StoreError, StudyKey};
use hilum_telemetry::Spans;
use hilum_types::{Digest, Timestamp};
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tells the time; handed in, so that tests can set it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Adds the metrics of another part, such as the DICOM listener, to a scrape. No label may hold a UID or patient data.
pub type MetricsHook = Arc<dyn Fn(&mut Registry) + Send + Sync>;

/// Bounds on what a request may cost.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bounds on reading a received object; `file_bytes_max` bounds one STOW-RS part.
    pub dicom: hilum_dicom::limits::Limits,
    /// Bytes of one STOW-RS request.
    pub stow_body_bytes_max: u64,
    /// Instances of one STOW-RS request.
    pub stow_instances_max: usize,
    /// Unreadable objects of one STOW-RS request that are kept in quarantine; further ones are only refused.
    pub stow_quarantine_max: usize,
    /// Instances of one STOW-RS request on their way to the disk at once.
    pub stow_in_flight_max: usize,
    /// A sender that is silent for this long is given up.
    pub idle: Duration,
    /// Longest time to answer anything but a transfer of objects.
    pub answer: Duration,
    /// Bytes of any other request body.
    pub body_bytes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            dicom: hilum_dicom::limits::Limits::default(),
            stow_body_bytes_max: 64 << 30,
            stow_instances_max: 20_000,
            stow_quarantine_max: 100,
            stow_in_flight_max: 16,
            idle: Duration::from_secs(60),
            answer: Duration::from_secs(30),
            body_bytes_max: 64 << 10,
            connections_max: 1024,
        }
    }
}

/// Why this process does not serve just now, by part; ready when there is no reason.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Readiness {
    /// `part` does not serve, because of `reason`: a sentence without patient data.
    pub fn block(&self, part: &'static str, reason: impl Into<String>) {
        locked(&self.0).insert(part, reason.into());
    }

    /// `part` serves again.
    pub fn clear(&self, part: &'static str) {
        locked(&self.0).remove(part);
    }

    /// Every reason, as `part: reason`.
    pub fn reasons(&self) -> Vec<String> {
        locked(&self.0).iter().map(|(part, reason)| format!("{part}: {reason}")).collect()
    }
}

struct TypedClock(Clock);

impl hilum_types::Clock for TypedClock {
    fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// Everything the handlers need. Clones share it.
#[derive(Clone)]
pub struct AppState {
    /// The catalog.
    pub catalog: Arc<dyn Catalog>,
    /// Takes received instances.
    pub committer: Committer,
    /// Stored objects.
    pub blobs: Arc<dyn BlobStore>,
    /// The time.
    pub clock: Clock,
    /// Bounds.
    pub limits: HttpLimits,
    /// Host names under which requests are answered.
    pub hosts: Hosts,
    /// Whether this process serves.
    pub readiness: Readiness,
    /// Metrics of other parts of the process.
    pub metrics_hooks: Vec<MetricsHook>,
    pub(crate) metrics: Metrics,
    pub(crate) accesses: Arc<Mutex<HashMap<(StudyKey, String), Timestamp>>>,
    pub(crate) settled: Arc<Mutex<HashMap<SettledKey, Vec<Chip>>>>,
    pub(crate) sign_ins: SignIns,
    pub(crate) sessions: Sessions,
    pub(crate) records: Records,
    /// Digest of the token that senders of reports over FHIR must know; `None`: whoever reaches the address may send.
    pub report_token: Option<Digest>,
    /// Takes a span of every request; off unless a collector is configured.
    pub spans: Spans,
}

/// Study, its revision, and when a deployment last changed: a changed reading mode changes what is shown.
pub(crate) type SettledKey = (StudyKey, u32, Option<Timestamp>);

/// A study that the same person looks at again within this time is one access, so that a page that refreshes itself does
/// not fill the audit record.
const ACCESS_SECONDS: i64 = 600;
/// Entries kept of what is only a memory of the catalog.
const REMEMBERED_MAX: usize = 4096;

impl AppState {
    /// State with default limits that answers under loopback names only.
    pub fn new(catalog: Arc<dyn Catalog>, committer: Committer, clock: Clock) -> AppState {
        AppState {
            catalog,
            blobs: Arc::new(committer.blobs().clone()),
            committer,
            clock,
            limits: HttpLimits::default(),
            hosts: Hosts::Loopback,
            readiness: Readiness::default(),
            metrics_hooks: Vec::new(),
            metrics: Metrics::default(),
            accesses: Arc::default(),
            settled: Arc::default(),
            sign_ins: SignIns::default(),
            sessions: Sessions::default(),
            records: Records::default(),
            report_token: None,
            spans: Spans::default(),
        }
    }

    /// The way in for received objects, which C-STORE and folder import take as well.
    pub(crate) fn intake(&self) -> Intake {
        Intake::new(self.committer.clone(), self.limits.dicom, Arc::new(TypedClock(self.clock.clone())))
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Enter into the audit record that a study was shown, and to whom. When that fails, it may not be shown.
    pub(crate) async fn record_access(
        &self,
        headers: &HeaderMap,
        study: &StudyKey,
        what: &str,
    ) -> Result<(), StoreError> {
        let now = self.now();
        // Who is not signed in is whoever reaches the address.
        let actor = session_person(self, headers).await?.map_or_else(|| unproven("local"), |user| proven(&user));
        let access = (study.clone(), actor.clone());
        {
            let mut accesses = locked(&self.accesses);
            let recent = |at: &Timestamp| (0..ACCESS_SECONDS * 1_000_000).contains(&now.micros_since(*at));
            if accesses.get(&access).is_some_and(recent) {
                return Ok(());
            }
            if REMEMBERED_MAX <= accesses.len() {
                accesses.clear();
            }
        }
        let subject = AuditSubject::new(SubjectKind::Study, study);
        let event = AuditEvent::new(now, actor, AuditAction::StudyAccessed, subject)
            .detail(&serde_json::json!({ "shown": what }));
        self.catalog.audit_append(event).await?;
        locked(&self.accesses).insert(access, now);
        Ok(())
    }

    /// What the models said about a study revision that every deployment has finished with: it does not change.
    pub(crate) fn settled(&self, key: &SettledKey) -> Option<Vec<Chip>> {
        locked(&self.settled).get(key).cloned()
    }

    pub(crate) fn remember_settled(&self, key: SettledKey, chips: Vec<Chip>) {
        let mut settled = locked(&self.settled);
        if REMEMBERED_MAX <= settled.len() {
            settled.clear();
        }
        settled.insert(key, chips);
    }
}

/// What is behind these locks stays whole when a holder panics: every change is one insert or remove.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
