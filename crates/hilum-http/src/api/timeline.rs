//! What happened to a deployment on one line of time, and what explains a change (MV-22).

use super::extract::{ApiPath, ApiQuery};
use super::lists::invalid;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use hilum_monitor::Signal;
use hilum_monitor::root_cause::{Quantity, RootCause, RootCauseOptions, find_root_cause};
use hilum_monitor::timeline::{
    ChangeFact, Mark, MarkKind, Timeline, add_performance, change_marks, signal_mark, weeks,
};
use hilum_registry::Deployment;
use hilum_store::StoreError;
use hilum_store::acquisition::{Standing, group_standings};
use hilum_store::alarms::{Alarm, AlarmFilter};
use hilum_store::monitoring::ObservationFilter;
use hilum_store::rollout::ChangeAct;
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const DAY_SECONDS: i64 = 86_400;
/// Shown when no range is asked for: the year of a hospital is too much at first sight, a month too little.
const WEEKS_SHOWN: i64 = 16;
/// Longest range.
const DAYS_MAX: i64 = 3660;
/// Signals and alarms on one timeline.
const MARKS_MAX: u32 = 500;
/// Labels on one timeline, the latest; of weeks before them no performance is told.
const LABELS_MAX: u32 = 4000;
/// Studies that a root cause rests on at most, the latest of the range.
const STUDIES_MAX: u32 = 20_000;

/// One thing that happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MarkBody {
    /// When.
    pub at: String,
    /// `version`, `state`, `declaration`, `suspended`, `resumed`, `signal`, `alarm`, `acquisition_group`.
    pub kind: String,
    /// `watch`, `review` or `stop`, for signals and alarms.
    pub severity: Option<String>,
    /// Plain sentence.
    pub text: String,
    /// Who did it; empty for what nobody did.
    pub by: String,
    /// Key of the alarm, where it is one.
    pub key: String,
}

/// A figure, never without interval, number of cases and method.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct WeekFigureBody {
    /// `analysed`, `withheld`, ..., `positive:<finding>`, `outside_envelope`, `sensitivity:<finding>`,
    /// `specificity:<finding>`.
    pub name: String,
    /// The point estimate.
    pub value: f64,
    /// Lower bound of the interval.
    pub lower: f64,
    /// Upper bound of the interval.
    pub upper: f64,
    /// Cases it rests on.
    pub n: u64,
    /// Stable name of figure and interval method.
    pub method: String,
    /// Classes of the labels it rests on; empty: it needs no label.
    pub label_classes: Vec<String>,
    /// Everything entered until then was known.
    pub as_of: String,
}

/// One week, Monday to Sunday in UTC.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct WeekBody {
    /// Its Monday.
    pub from: String,
    /// Study revisions that ended.
    pub n_studies: u64,
    /// Shares, by name.
    pub figures: Vec<WeekFigureBody>,
}

/// The timeline of a deployment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TimelineBody {
    /// The deployment.
    pub deployment: String,
    /// Begin, inclusive.
    pub from: String,
    /// End, exclusive.
    pub until: String,
    /// Everything that happened, oldest first.
    pub marks: Vec<MarkBody>,
    /// Figures per week, oldest first.
    pub weeks: Vec<WeekBody>,
}

impl From<&Timeline> for TimelineBody {
    fn from(timeline: &Timeline) -> Self {
        let mark = |mark: &Mark| MarkBody {
            at: mark.at.to_string(),
            kind: mark.kind.name().to_owned(),
            severity: mark.severity.map(|severity| crate::words::severity(severity).to_owned()),
            text: mark.text.clone(),
            by: mark.by.clone(),
            key: mark.key.clone(),
        };
        let week = |week: &hilum_monitor::timeline::Week| WeekBody {
            from: week.from.to_string(),
            n_studies: week.n_studies,
            figures: week.figures.iter().map(|named| WeekFigureBody::of(&named.name, &named.figure)).collect(),
        };
        TimelineBody {
            deployment: timeline.deployment.clone(),
            from: timeline.from.to_string(),
            until: timeline.until.to_string(),
            marks: timeline.marks.iter().map(mark).collect(),
            weeks: timeline.weeks.iter().map(week).collect(),
        }
    }
}

impl WeekFigureBody {
    fn of(name: &str, figure: &hilum_monitor::Figure) -> WeekFigureBody {
        let class = |class| serde_json::to_value(class).ok().and_then(|name| name.as_str().map(str::to_owned));
        WeekFigureBody {
            name: name.to_owned(),
            value: figure.value,
            lower: figure.lower,
            upper: figure.upper,
            n: figure.n,
            method: figure.method.clone(),
            label_classes: figure.label_classes.iter().filter_map(class).collect(),
            as_of: figure.as_of.to_string(),
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RangeQuery {
    /// Begin, inclusive: a moment in RFC 3339, or a UTC day; 16 weeks before the end when left out.
    from: Option<String>,
    /// End, exclusive; a day is meant to its end; now when left out.
    until: Option<String>,
}

/// A moment, or the beginning of a day.
pub(crate) fn moment(text: &str, name: &str) -> Result<Timestamp, Problem> {
    let whole = text.parse::<Timestamp>().ok();
    let day = || format!("{text}T00:00:00Z").parse::<Timestamp>().ok().filter(|at| at.day() == text);
    whole.or_else(day).ok_or_else(|| {
        invalid(format!("{name} must be a moment such as 2026-11-23T09:12:41Z, or a day such as 2026-11-23"))
    })
}

/// Begin and end as a page has them: empty for what was left out.
pub(crate) fn range(from: &str, until: &str, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    RangeQuery { from: given(from), until: given(until) }.range(now)
}

/// Begin and end as an interface has them.
pub(crate) fn span(
    from: Option<String>,
    until: Option<String>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Problem> {
    RangeQuery { from, until }.range(now)
}

impl RangeQuery {
    /// Begin and end, checked.
    pub(crate) fn range(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
        let until = match self.until.as_deref() {
            None => now.plus_micros(1),
            Some(text) if text.len() == 10 => moment(text, "until")?.plus_seconds(DAY_SECONDS),
            Some(text) => moment(text, "until")?,
        };
        let from = match self.from.as_deref() {
            None => until.plus_seconds(-WEEKS_SHOWN * 7 * DAY_SECONDS),
            Some(text) => moment(text, "from")?,
        };
        if until <= from {
            return Err(invalid("from must be earlier than until"));
        }
        if DAYS_MAX * DAY_SECONDS * 1_000_000 < until.micros_since(from) {
            return Err(invalid(format!("at most {DAYS_MAX} days can be asked for at once")));
        }
        Ok((from, until))
    }
}

/// Versions, stops, signals, alarms and figures per week of one deployment.
#[utoipa::path(get, path = "/api/v1/deployments/{name}/timeline", tag = "models", operation_id = "get_timeline",
    params(("name" = String, Path, description = "Name of the deployment"), RangeQuery),
    responses((status = 200, description = "It", body = TimelineBody),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_timeline(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<RangeQuery>,
) -> Result<Json<TimelineBody>, Problem> {
    known(&state, &name).await?;
    let (from, until) = query.range(state.now())?;
    Ok(Json(TimelineBody::from(&timeline(&state, &name, from, until).await?)))
}

/// The deployment of that name.
pub(crate) async fn known(state: &AppState, name: &str) -> Result<Deployment, Problem> {
    let missing = || Problem::new(ProblemCode::DeploymentNotFound, "no deployment of that name");
    state.catalog.deployment_get(name).await?.ok_or_else(missing)
}

pub(crate) async fn timeline(
    state: &AppState,
    name: &str,
    from: Timestamp,
    until: Timestamp,
) -> Result<Timeline, StoreError> {
    let catalog = &state.catalog;
    let changes: Vec<ChangeFact> = catalog
        .deployment_history(name)
        .await?
        .into_iter()
        .map(|change| ChangeFact {
            at: change.changed_at,
            is_suspension: change.act == ChangeAct::Suspended,
            is_resumption: change.act == ChangeAct::Resumed,
            package: change.deployment.package_digest,
            state: change.deployment.state.name().to_owned(),
            reason: change.reason,
            by: change.actor,
        })
        .collect();
    let mut marks = change_marks(&changes, from, until);
    let signals = catalog.signal_list(name, Some(from), Some(until), MARKS_MAX).await?;
    marks.extend(signals.iter().map(|stored| signal_mark(&stored.signal)));
    let deployment = Some(name.to_owned());
    let filter = AlarmFilter { deployment, from: Some(from), until: Some(until), ..AlarmFilter::default() };
    let alarms = catalog.alarm_find(&filter, MARKS_MAX).await?;
    // One that signals made is told by them, each at its time: its own text is that of the latest.
    let is_told = |alarm: &Alarm| {
        let same = |signal: &Signal| signal.cut == alarm.cut && signal.at == alarm.raised_at;
        alarm.signal.is_some() && signals.iter().any(|stored| same(&stored.signal))
    };
    marks.extend(alarms.iter().filter(|alarm| !is_told(alarm)).map(|alarm| Mark {
        at: alarm.raised_at,
        kind: MarkKind::Alarm,
        severity: Some(alarm.severity),
        text: alarm.text.clone(),
        by: String::new(),
        key: alarm.key.to_string(),
    }));
    marks.extend(new_groups(state, name, from, until).await?);
    marks.sort_by_key(|mark| mark.at);
    let last = until.plus_micros(-1);
    let counts = catalog.day_counts(name, &from.day(), &last.day()).await?;
    let mut weeks = weeks(&counts, from, until, state.now());
    let filter = ObservationFilter {
        deployment: name.to_owned(),
        from: Some(from),
        until: Some(until),
        ..ObservationFilter::default()
    };
    let labelled = catalog.labelled_list(&filter, LABELS_MAX).await?;
    // Labels come after their studies, so those of the weeks after the oldest of the latest labels are all there.
    let oldest = labelled.first().filter(|_| LABELS_MAX as usize <= labelled.len());
    let complete_from = oldest.map_or(from, |one| one.label.recorded_at.plus_seconds(7 * DAY_SECONDS));
    add_performance(&mut weeks, &labelled, complete_from, state.now())
        .map_err(|error| StoreError::Misuse(format!("a figure was not made: {error}")))?;
    Ok(Timeline { deployment: name.to_owned(), from, until, marks, weeks })
}

/// Acquisition groups that the reference set of the version in use lacks, at the first study of each (MV-23).
async fn new_groups(state: &AppState, name: &str, from: Timestamp, until: Timestamp) -> Result<Vec<Mark>, StoreError> {
    let mut marks = Vec::new();
    let mut versions: Vec<Deployment> = Vec::new();
    for change in state.catalog.deployment_history(name).await? {
        if versions.iter().all(|known| known.package_digest != change.deployment.package_digest) {
            versions.push(change.deployment);
        }
    }
    for deployment in versions.iter().filter(|deployment| deployment.spec.envelope().is_some()) {
        for seen in group_standings(&*state.catalog, deployment).await? {
            let Some(at) = seen.first_seen_at.filter(|at| from <= *at && *at < until) else { continue };
            if seen.standing == Standing::Reference {
                continue;
            }
            let text =
                format!("first study of a scanner, software or protocol that the reference set lacks: {}", seen.group);
            let (kind, by, key) = (MarkKind::AcquisitionGroup, String::new(), String::new());
            marks.push(Mark { at, kind, severity: None, text, by, key });
        }
    }
    Ok(marks)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RootCauseQuery {
    /// Begin of the change: a moment or a UTC day; left out, the split that shows a change best is taken.
    since: Option<String>,
    /// What moved: `score:FINDING`, `positive:FINDING`, `feature:NAME`, `disposition:NAME` or `outside_envelope`; what
    /// moved most when left out.
    quantity: Option<String>,
    /// Begin of the time before, inclusive; 16 weeks before the end when left out.
    from: Option<String>,
    /// End, exclusive; now when left out.
    until: Option<String>,
}

/// What explains a change: attributes of the studies, the best first, with typical studies before and after.
///
/// The answer is that of `hilum_monitor::root_cause`: `quantity`, `since`, `before`, `after`, `shift`, `causes` (with
/// share before and since, explained part, chance), `coincidences`, `typical_before`, `typical_after`, `change_point`.
#[utoipa::path(get, path = "/api/v1/deployments/{name}/root-cause", tag = "models", operation_id = "get_root_cause",
    params(("name" = String, Path, description = "Name of the deployment"), RootCauseQuery),
    responses((status = 200, description = "What was found", body = serde_json::Value),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_root_cause(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<RootCauseQuery>,
) -> Result<Json<RootCause>, Problem> {
    known(&state, &name).await?;
    let since = query.since.as_deref().map(|text| moment(text, "since")).transpose()?;
    let parsed = query.quantity.as_deref().map(str::parse::<Quantity>).transpose();
    let quantity = parsed.map_err(|error| invalid(error.to_string()))?;
    let (from, until) = RangeQuery { from: query.from, until: query.until }.range(state.now())?;
    Ok(Json(root_cause(&state, &name, quantity, since, (from, until)).await?))
}

pub(crate) async fn root_cause(
    state: &AppState,
    name: &str,
    quantity: Option<Quantity>,
    since: Option<Timestamp>,
    (from, until): (Timestamp, Timestamp),
) -> Result<RootCause, Problem> {
    let deployment = name.to_owned();
    let filter = ObservationFilter { deployment, from: Some(from), until: Some(until), ..ObservationFilter::default() };
    let observations = state.catalog.observation_list(&filter, STUDIES_MAX).await?;
    // The same question gives the same answer: the seed is that of the studies asked about.
    let seed = observations.len() as u64 ^ from.micros().unsigned_abs();
    let options = RootCauseOptions::new(seed, state.now());
    let looking = move || find_root_cause(&observations, quantity.as_ref(), since, &options);
    let found = tokio::task::spawn_blocking(looking).await;
    let found =
        found.map_err(|_| Problem::new(ProblemCode::Internal, "the search for a root cause ended by a defect"))?;
    found.map_err(|error| Problem::new(ProblemCode::NotEnoughStudies, error.to_string()))
}
