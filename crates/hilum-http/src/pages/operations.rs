//! Deployments, deliveries and the system itself.

use super::view::{Mark, Moment, spelled};
use super::{Shell, local, page};
use crate::api::extract::{ApiForm, ApiPath, ApiQuery};
use crate::api::schema::{ActRequest, AuditVerification};
use crate::api::{acts, alarms, health, lists};
use crate::state::AppState;
use crate::words::{count, duration, grouped, person, reading_mode, sentence, size};
use crate::{Problem, ProblemCode};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{Redirect, Response};
use hilum_registry::{Deployment, DeploymentState, Purpose};
use hilum_store::records::{Delivery, DeliveryFilter, DeliveryState, Package};
use hilum_store::{JobState, QueueDepth};
use serde::Deserialize;

struct DeploymentRow {
    name: String,
    mark: Mark,
    model: String,
    digest: String,
    owner: String,
    reading_mode: &'static str,
    destinations: String,
    limits: Vec<(String, String)>,
    rollout: Vec<(&'static str, String)>,
    suspension: String,
    since: Option<Moment>,
    can_suspend: bool,
    can_resume: bool,
    revision: u32,
    updated: Moment,
}

#[derive(Template)]
#[template(path = "deployments.html")]
struct DeploymentsPage {
    shell: Shell,
    heading: String,
    rows: Vec<DeploymentRow>,
}

pub(super) async fn deployments(State(state): State<AppState>, shell: Shell) -> Result<Response, Problem> {
    let all = state.catalog.deployment_list().await?;
    let packages = state.catalog.package_list().await?;
    let n = |wanted| all.iter().filter(|d| d.state == wanted).count() as u64;
    let delivered = n(DeploymentState::Active) + n(DeploymentState::Limited);
    let suspended = n(DeploymentState::Suspended);
    let mut heading = match all.len() {
        0 => "No model is deployed".to_owned(),
        _ => format!("{} delivered to readers", words_models(delivered)),
    };
    if 0 < suspended {
        heading += &format!(", {suspended} suspended");
    }
    page(&DeploymentsPage { shell, heading, rows: all.iter().map(|d| deployment_row(d, &packages)).collect() })
}

fn words_models(n: u64) -> String {
    sentence(&count(n, "model is", "models are"))
}

fn deployment_row(deployment: &Deployment, packages: &[Package]) -> DeploymentRow {
    let spec = &deployment.spec;
    let package = packages.iter().find(|package| package.digest == deployment.package_digest);
    let suspension = deployment.suspension.as_ref();
    DeploymentRow {
        name: spec.name.clone(),
        mark: Mark::deployment(deployment.state.name()),
        model: package.map(|p| format!("{} {}", p.name, p.version)).unwrap_or_default(),
        digest: deployment.package_digest.short(),
        owner: spec.owner.clone(),
        reading_mode: reading_mode(spec.reading_mode),
        destinations: spec.destinations.join(", "),
        limits: intended_use(deployment),
        rollout: rollout(deployment),
        suspension: suspension.map(|s| format!("Suspended by {}: {}", person(&s.by), s.reason)).unwrap_or_default(),
        since: suspension.map(|s| Moment::of(s.since)),
        can_suspend: !matches!(deployment.state, DeploymentState::Suspended | DeploymentState::Retired),
        can_resume: deployment.state == DeploymentState::Suspended,
        revision: deployment.revision,
        updated: Moment::of(deployment.updated_at),
    }
}

/// What it is for, what it stands on, whom it answers for, and what it returns to.
fn rollout(deployment: &Deployment) -> Vec<(&'static str, String)> {
    let (spec, rollout) = (&deployment.spec, &deployment.spec.rollout);
    let mut pairs = vec![match (spec.purpose, &deployment.acceptance) {
        (Purpose::Research, _) => ("Purpose", "research: no acceptance stands behind it".to_owned()),
        (Purpose::Clinical, None) => ("Purpose", "clinical, not accepted yet".to_owned()),
        (Purpose::Clinical, Some(proof)) => {
            ("Purpose", format!("clinical, accepted {}, counts until {}", proof.accepted_at.day(), proof.until.day()))
        }
    }];
    pairs.extend(spec.champion.iter().map(|champion| ("Challenges", champion.clone())));
    pairs.extend(deployment.superseded_by.iter().map(|champion| ("Version taken over by", champion.clone())));
    if rollout.limits() {
        let share = rollout.share.map(|share| format!("{:.0} % of the patients", share * 100.0));
        let lists = [rollout.sites.join(", "), rollout.stations.join(", ")];
        let limits: Vec<String> = lists.into_iter().filter(|text| !text.is_empty()).chain(share).collect();
        pairs.push(("Limited to", limits.join("; ")));
    }
    pairs
        .extend(deployment.rollback.iter().map(|target| ("Returns to", format!("package {}", target.package.short()))));
    pairs
}

/// The criteria a site states, spelled out.
pub(super) fn intended_use(deployment: &Deployment) -> Vec<(String, String)> {
    let stated = serde_json::to_value(&deployment.spec.intended_use).unwrap_or_default();
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Array(values) => {
            values.iter().filter_map(|value| value.as_str()).collect::<Vec<_>>().join(", ")
        }
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let stated = stated.as_object().into_iter().flatten();
    stated.map(|(name, value)| (spelled(name), text(value))).collect()
}

#[derive(Deserialize)]
pub(super) struct ActForm {
    reason: String,
    by: String,
    #[serde(default)]
    back: String,
}

impl ActForm {
    /// Where to go on, a page of this server.
    fn back(&self) -> String {
        if self.back.is_empty() { "/deployments".to_owned() } else { local(&self.back).to_owned() }
    }
}

impl From<ActForm> for ActRequest {
    fn from(form: ActForm) -> ActRequest {
        ActRequest { reason: form.reason, by: form.by }
    }
}

pub(super) async fn suspend(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(name): ApiPath<String>,
    ApiForm(form): ApiForm<ActForm>,
) -> Result<Redirect, Problem> {
    let back = form.back();
    acts::suspend(&state, &headers, &name, &form.into()).await?;
    Ok(Redirect::to(&back))
}

pub(super) async fn resume(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(name): ApiPath<String>,
    ApiForm(form): ApiForm<ActForm>,
) -> Result<Redirect, Problem> {
    let back = form.back();
    acts::resume(&state, &headers, &name, &form.into()).await?;
    Ok(Redirect::to(&back))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    #[serde(default)]
    state: String,
}

struct DeliveryRow {
    id: String,
    study: String,
    what: String,
    deployment: String,
    destination: String,
    mark: Mark,
    attempts: u32,
    error: String,
    at: Moment,
    can_retry: bool,
}

struct Tab {
    href: String,
    word: &'static str,
    here: bool,
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    shell: Shell,
    heading: String,
    tabs: Vec<Tab>,
    rows: Vec<DeliveryRow>,
}

const DELIVERIES_SHOWN: u32 = 200;

pub(super) async fn deliveries(
    State(state): State<AppState>,
    shell: Shell,
    ApiQuery(query): ApiQuery<DeliveriesQuery>,
) -> Result<Response, Problem> {
    let wanted = match query.state.as_str() {
        "" => None,
        name => {
            let missing = || Problem::new(ProblemCode::InvalidParameter, "the state asked for does not exist");
            Some(DeliveryState::from_name(name).ok_or_else(missing)?)
        }
    };
    let counts = state.catalog.counts().await?.deliveries;
    let n = |state: &str| counts.iter().find(|(name, _)| name == state).map_or(0, |(_, n)| *n);
    let heading = match (n("dead"), n("queued")) {
        (0, 0) if n("delivered") == 0 => "Nothing was sent yet".to_owned(),
        (0, 0) => format!("All {} arrived", grouped(n("delivered"))),
        (0, queued) => format!("{} on the way", sentence(&count(queued, "result is", "results are"))),
        (dead, _) => format!("{} given up", sentence(&count(dead, "delivery was", "deliveries were"))),
    };
    let tab = |name: &str, word| Tab {
        href: if name.is_empty() { "/deliveries".to_owned() } else { format!("/deliveries?state={name}") },
        word,
        here: name == query.state,
    };
    let filter = DeliveryFilter { state: wanted, ..DeliveryFilter::default() };
    let rows = state.catalog.delivery_list(&filter, DELIVERIES_SHOWN).await?;
    page(&DeliveriesPage {
        shell,
        heading,
        tabs: vec![
            tab("", "All"),
            tab("dead", "Given up"),
            tab("queued", "Queued"),
            tab("delivered", "Delivered"),
            tab("withheld", "Withheld"),
            tab("superseded", "Superseded"),
        ],
        rows: rows.iter().map(delivery_row).collect(),
    })
}

fn delivery_row(delivery: &Delivery) -> DeliveryRow {
    DeliveryRow {
        id: delivery.key.to_string(),
        study: format!("/studies/{}", delivery.result.study_key),
        what: spelled(delivery.result.kind.name()),
        deployment: delivery.result.deployment.clone(),
        destination: delivery.destination.clone(),
        mark: Mark::delivery(delivery.state.name()),
        attempts: delivery.attempts,
        error: delivery.last_error.clone().filter(|_| delivery.state != DeliveryState::Delivered).unwrap_or_default(),
        at: Moment::of(delivery.delivered_at.unwrap_or(delivery.updated_at)),
        can_retry: delivery.state == DeliveryState::Dead,
    }
}

#[derive(Deserialize)]
pub(super) struct ByForm {
    by: String,
    #[serde(default)]
    back: String,
}

pub(super) async fn retry(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(id): ApiPath<String>,
    ApiForm(form): ApiForm<ByForm>,
) -> Result<Redirect, Problem> {
    acts::retry(&state, &headers, &id, &form.by).await?;
    Ok(Redirect::to(local(&form.back)))
}

pub(super) async fn acknowledge(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiForm(form): ApiForm<ByForm>,
) -> Result<Redirect, Problem> {
    alarms::acknowledge(&state, &headers, &key, &form.by).await?;
    Ok(Redirect::to(if form.back.is_empty() { "/system#alarms" } else { local(&form.back) }))
}

struct QueueRow {
    kind: String,
    queued: u64,
    running: u64,
    done: u64,
    dead: u64,
    cancelled: u64,
    overdue: String,
}

struct AlarmRow {
    key: String,
    mark: Mark,
    text: String,
    code: String,
    href: String,
    since: Moment,
    times: u64,
    is_open: bool,
}

struct QuarantineRow {
    text: String,
    code: String,
    size: String,
    peer: String,
    at: Moment,
}

struct Figure {
    name: &'static str,
    value: String,
    note: String,
}

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    shell: Shell,
    heading: String,
    mark: Mark,
    problems: Vec<String>,
    figures: Vec<Figure>,
    queue: Vec<QueueRow>,
    alarms: Vec<AlarmRow>,
    quarantine: Vec<QuarantineRow>,
    audit: String,
    audit_mark: Mark,
    audit_head: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SystemQuery {
    /// Reading the whole audit chain may take long, so it is asked for.
    #[serde(default)]
    verify: bool,
}

pub(super) async fn system(
    State(state): State<AppState>,
    shell: Shell,
    ApiQuery(query): ApiQuery<SystemQuery>,
) -> Result<Response, Problem> {
    let health = health::health(&state).await;
    let counts = state.catalog.counts().await?;
    let alarms = state.catalog.alarm_list(false, 50).await?;
    let quarantine = state.catalog.quarantine_list(50).await?;
    let head = state.catalog.audit_head().await?;
    let verification = if query.verify { Some(lists::verification(&state).await?) } else { None };
    let (audit, audit_mark) = audit_words(verification.as_ref());
    let n_problems = (health.reasons.len() + health.warnings.len()) as u64 + counts.n_alarms_open;
    let (heading, mark) = match (health.reasons.len(), n_problems) {
        (0, 0) => ("Everything is working".to_owned(), Mark::new("normal", "Normal")),
        (0, n) => {
            let text = sentence(&count(n, "thing needs attention", "things need attention"));
            (text, Mark::new("attention", "Attention"))
        }
        _ => ("Hilum is not serving".to_owned(), Mark::new("worse", "Failed")),
    };
    let free = state.committer.blobs().bytes_free().map(size).unwrap_or_else(|_| "unknown".to_owned());
    let figure = |name, value, note: String| Figure { name, value, note };
    page(&SystemPage {
        shell,
        heading,
        mark,
        problems: health.reasons.into_iter().chain(health.warnings).map(|text| sentence(&text)).collect(),
        figures: vec![
            figure(
                "Studies",
                grouped(counts.n_studies_complete + counts.n_studies_receiving),
                format!("{} receiving", counts.n_studies_receiving),
            ),
            figure("Instances", grouped(counts.n_instances), size(counts.n_bytes)),
            figure("Disk free", free, "above the reserve".to_owned()),
            figure("In quarantine", grouped(counts.n_quarantined), "could not be read".to_owned()),
        ],
        queue: queue_rows(&state.catalog.queue_depth().await?, &state),
        alarms: alarms
            .iter()
            .map(|alarm| AlarmRow {
                key: alarm.key.to_string(),
                mark: if alarm.acknowledged_at.is_some() {
                    Mark::new("unknown", "Seen")
                } else {
                    Mark::new("attention", "Open")
                },
                text: sentence(&alarm.text),
                code: alarm.code.clone(),
                href: alarm.study_key.as_ref().map(|key| format!("/studies/{key}")).unwrap_or_default(),
                since: Moment::of(alarm.raised_at),
                times: alarm.n_raised,
                is_open: alarm.acknowledged_at.is_none(),
            })
            .collect(),
        quarantine: quarantine
            .iter()
            .map(|object| QuarantineRow {
                text: sentence(&object.reason.text),
                code: object.reason.code.clone(),
                size: size(object.size),
                peer: object.origin.peer.clone(),
                at: Moment::of(object.received_at),
            })
            .collect(),
        audit,
        audit_mark,
        audit_head: format!("{}, last hash {}", count(head.seq, "entry", "entries"), &head.hash.to_string()[..16]),
    })
}

fn audit_words(verification: Option<&AuditVerification>) -> (String, Mark) {
    match verification {
        None => ("The chain was not read for this page.".to_owned(), Mark::new("unknown", "Not checked")),
        Some(AuditVerification { intact: true, count: n, .. }) => {
            let text = format!(
                "Read from the first entry to the last: {} hold together.",
                count(n.unwrap_or(0), "entry", "entries")
            );
            (text, Mark::new("normal", "Intact"))
        }
        Some(AuditVerification { problem, .. }) => {
            (format!("Tampered with: {}.", problem.as_deref().unwrap_or_default()), Mark::new("worse", "Broken"))
        }
    }
}

fn queue_rows(depths: &[QueueDepth], state: &AppState) -> Vec<QueueRow> {
    let now = state.now();
    hilum_store::JobKind::ALL
        .into_iter()
        .map(|kind| {
            let n = |wanted| depths.iter().find(|d| d.kind == kind && d.state == wanted).map_or(0, |d| d.n_jobs);
            let queued = depths.iter().find(|d| d.kind == kind && d.state == JobState::Queued);
            let overdue =
                queued.and_then(|d| d.oldest_due_at).map(|due| now.micros_since(due)).filter(|micros| 0 < *micros);
            QueueRow {
                kind: spelled(kind.name()),
                queued: n(JobState::Queued),
                running: n(JobState::Leased),
                done: n(JobState::Done),
                dead: n(JobState::Dead),
                cancelled: n(JobState::Cancelled),
                overdue: overdue.map(duration).unwrap_or_else(|| "–".to_owned()),
            }
        })
        .collect()
}
