//! One deployment: does it still work, what happened to it, who deals with what, and the stop.

mod chart;
mod estimated;
mod moved;
mod together;

use super::view::{Mark, Moment};
use super::{Shell, local, page};
use crate::api::extract::{ApiForm, ApiPath, ApiQuery};
use crate::api::together::method;
use crate::api::{alarms, timeline};
use crate::state::AppState;
use crate::words::{count, grouped, person, sentence};
use crate::{Problem, ProblemCode};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{Redirect, Response};
use estimated::EstimatedPanel;
use hilum_monitor::alarm::{CauseCode, code_facts};
use hilum_monitor::root_cause::RootCause;
use hilum_monitor::timeline::{Mark as TimeMark, MarkKind, Timeline, Week};
use hilum_monitor::{Figure, Severity};
use hilum_registry::{Deployment, DeploymentState};
use hilum_store::ErrorKind;
use hilum_store::alarms::{Alarm, AlarmFilter};
use hilum_store::evidence_report::EvidenceQuery;
use hilum_store::inputs_report::moved_report;
use hilum_store::label_free_report::label_free_report;
use hilum_store::together_report::together_report;
use hilum_types::Timestamp;
use moved::MovedPanel;
use serde::Deserialize;
use together::TogetherPanel;

/// Alarms that are not closed, shown at most.
const ALARMS_SHOWN: u32 = 50;
const WEEK_SECONDS: i64 = 7 * 86_400;

struct AlarmRow {
    key: String,
    mark: Mark,
    text: String,
    about: String,
    next_step: &'static str,
    owner: String,
    due: Option<Moment>,
    since: Moment,
    times: u64,
    is_open: bool,
    seen_by: String,
    why: String,
}

struct FigureRow {
    name: String,
    value: String,
    interval: String,
    n: u64,
}

struct EventRow {
    letter: String,
    mark: Mark,
    kind: String,
    text: String,
    by: String,
    at: Moment,
}

struct WeekRow {
    from: Moment,
    n: String,
    cells: Vec<String>,
}

struct CauseRow {
    text: String,
    chance: String,
}

#[derive(Template)]
#[template(path = "deployment.html")]
struct DeploymentPage {
    shell: Shell,
    name: String,
    heading: String,
    mark: Mark,
    suspension: String,
    owner: String,
    model: String,
    can_suspend: bool,
    can_resume: bool,
    chart: String,
    sentence: String,
    events: Vec<EventRow>,
    columns: Vec<String>,
    weeks: Vec<WeekRow>,
    figures: Vec<FigureRow>,
    figures_week: Option<Moment>,
    moved: MovedPanel,
    together: TogetherPanel,
    estimated: EstimatedPanel,
    alarms: Vec<AlarmRow>,
    budget: String,
    causes_of: &'static [CauseCode],
    has_cause: bool,
    cause_problem: String,
    cause_heading: String,
    causes: Vec<CauseRow>,
    coincidences: Vec<String>,
    typical_before: Vec<String>,
    typical_after: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeploymentQuery {
    /// Begin of a change that shall be explained; `found` looks for it.
    #[serde(default)]
    since: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
    /// How all numbers shall be compared together, which takes seconds; empty: they are not.
    #[serde(default)]
    together: String,
    /// Whether performance shall be estimated without labels, which takes a moment.
    #[serde(default)]
    estimated: bool,
}

pub(super) async fn deployment(
    State(state): State<AppState>,
    shell: Shell,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<DeploymentQuery>,
) -> Result<Response, Problem> {
    let deployment = timeline::known(&state, &name).await?;
    let (from, until) = timeline::range(&query.from, &query.until, state.now())?;
    let line = timeline::timeline(&state, &name, from, until).await?;
    let filter = AlarmFilter { only_unclosed: true, deployment: Some(name.clone()), ..AlarmFilter::default() };
    let open = state.catalog.alarm_find(&filter, ALARMS_SHOWN).await?;
    let cause = match query.since.as_str() {
        "" => None,
        since => Some(explained(&state, &name, since, (from, until)).await?),
    };
    let package = state.catalog.package_get(&deployment.package_digest.to_string()).await.ok();
    let latest = line.weeks.iter().rev().find(|week| 0 < week.n_studies);
    let columns = columns(&line);
    // It describes and stops nothing; the page with the stop on it must come without it too.
    let moved = moved_report(&*state.catalog, &deployment, state.now()).await;
    if let Err(error) = &moved {
        let cause = error as &dyn std::error::Error;
        tracing::error!(error = cause, deployment = name.as_str(), "what moved could not be read");
    }
    let together = all_together(&state, &name, &query.together).await?;
    let estimated = estimates(&state, &name, query.estimated).await;
    let (cause_problem, found) = match cause {
        None => (String::new(), None),
        Some(Ok(found)) => (String::new(), Some(found)),
        Some(Err(problem)) => (sentence(&problem), None),
    };
    let explanation = found.as_ref().map(|found| &found.explanation);
    page(&DeploymentPage {
        heading: heading(&deployment, &open),
        mark: Mark::deployment(deployment.state.name()),
        suspension: deployment
            .suspension
            .as_ref()
            .map(|s| format!("Stopped by {} on {}: {}", person(&s.by), Moment::of(s.since).day, s.reason))
            .unwrap_or_default(),
        owner: deployment.spec.owner.clone(),
        model: package.map(|package| format!("{} {}", package.name, package.version)).unwrap_or_default(),
        can_suspend: !matches!(deployment.state, DeploymentState::Suspended | DeploymentState::Retired),
        can_resume: deployment.state == DeploymentState::Suspended,
        chart: chart::svg(&line),
        sentence: said(&line),
        events: events(&line),
        weeks: line.weeks.iter().rev().map(|week| week_row(week, &columns)).collect(),
        columns: columns.iter().map(|name| spelled_figure(name)).collect(),
        figures: latest.map(figure_rows).unwrap_or_default(),
        figures_week: latest.map(|week| Moment::of(week.from)),
        moved: MovedPanel::of(moved.as_ref().ok()),
        together,
        estimated,
        alarms: open.iter().map(alarm_row).collect(),
        budget: budget(&deployment, &state, &open).await?,
        causes_of: CauseCode::ALL,
        has_cause: !query.since.is_empty(),
        cause_problem,
        cause_heading: found.as_ref().map(cause_heading).unwrap_or_default(),
        causes: explanation.map(|e| e.causes.iter().map(cause_row).collect()).unwrap_or_default(),
        coincidences: explanation
            .map(|e| e.coincidences.iter().map(|found| sentence(&found.text)).collect())
            .unwrap_or_default(),
        typical_before: explanation.map(|e| e.typical_before.clone()).unwrap_or_default(),
        typical_after: explanation.map(|e| e.typical_after.clone()).unwrap_or_default(),
        shell,
        name,
    })
}

/// All numbers together, for whoever asks; like what moved they describe, and the page comes without them too.
async fn all_together(state: &AppState, name: &str, asked: &str) -> Result<TogetherPanel, Problem> {
    if asked.is_empty() {
        return Ok(TogetherPanel::not_asked());
    }
    let (method, now) = (method(asked)?, state.now());
    let found = together_report(&*state.catalog, name, &together::query(method, now), now).await;
    if let Err(error) = &found
        && error.kind() != ErrorKind::Conflict
    {
        let cause = error as &dyn std::error::Error;
        tracing::error!(error = cause, deployment = name, "all numbers together could not be compared");
    }
    Ok(TogetherPanel::of(found.as_ref()))
}

/// Estimates without labels, for whoever asks; like what moved they describe, and the page comes without them too.
async fn estimates(state: &AppState, name: &str, asked: bool) -> EstimatedPanel {
    if !asked {
        return EstimatedPanel::not_asked();
    }
    let report = label_free_report(&*state.catalog, name, &EvidenceQuery::default(), state.now()).await;
    if let Err(error) = &report {
        let cause = error as &dyn std::error::Error;
        tracing::error!(error = cause, deployment = name, "estimates without labels could not be made");
    }
    EstimatedPanel::of(report.as_ref().ok())
}

/// What explains the change; the inner error is for people: too few studies, or nothing changed.
async fn explained(
    state: &AppState,
    name: &str,
    since: &str,
    range: (Timestamp, Timestamp),
) -> Result<Result<RootCause, String>, Problem> {
    let since = match since {
        "found" => None,
        text => Some(timeline::moment(text, "since")?),
    };
    match timeline::root_cause(state, name, None, since, range).await {
        Ok(found) => Ok(Ok(found)),
        Err(problem) if problem.code == ProblemCode::NotEnoughStudies => Ok(Err(problem.message)),
        Err(problem) => Err(problem),
    }
}

fn heading(deployment: &Deployment, open: &[Alarm]) -> String {
    let n_waiting = open.iter().filter(|alarm| alarm.acknowledged_at.is_none()).count() as u64;
    let waiting = match n_waiting {
        0 => "no alarm waits".to_owned(),
        n => format!("{} for an answer", count(n, "alarm waits", "alarms wait")),
    };
    format!("{} is {}, {waiting}", deployment.spec.name, deployment.state)
}

/// The budget of the week and what is left of it (UX-13).
async fn budget(deployment: &Deployment, state: &AppState, open: &[Alarm]) -> Result<String, Problem> {
    let plan = deployment.spec.monitoring.as_ref().map(|plan| plan.alarms.clone()).unwrap_or_default();
    let from = Some(state.now().plus_seconds(-WEEK_SECONDS));
    let name = Some(deployment.spec.name.clone());
    let filter = AlarmFilter { deployment: name, from, ..AlarmFilter::default() };
    let week = state.catalog.alarm_find(&filter, 1000).await?;
    let n = week.iter().filter(|alarm| alarm.code != "alarm-budget").count() as u64;
    let unowned = open.iter().filter(|alarm| alarm.owner.is_empty()).count() as u64;
    let owners = if unowned == 0 { String::new() } else { format!("; {} without an owner", grouped(unowned)) };
    Ok(format!("{} in seven days, budget {}{owners}", count(n, "alarm", "alarms"), plan.weekly_budget))
}

fn severity_mark(severity: Severity) -> Mark {
    match severity {
        Severity::Watch => Mark::new("unknown", "Watch"),
        Severity::Review => Mark::new("attention", "Review"),
        Severity::Stop => Mark::new("worse", "Stop"),
    }
}

fn alarm_row(alarm: &Alarm) -> AlarmRow {
    let since = alarm.signal.as_ref().and_then(|signal| signal.since);
    let about = match (alarm.rules.as_slice(), alarm.cut.as_str()) {
        ([], _) => alarm.code.clone(),
        (rules, "") => rules.join(", "),
        (rules, cut) => format!("{} ({cut})", rules.join(", ")),
    };
    AlarmRow {
        key: alarm.key.to_string(),
        mark: severity_mark(alarm.severity),
        text: sentence(&alarm.text),
        about,
        next_step: code_facts(&alarm.code).next_step,
        owner: if alarm.owner.is_empty() { "nobody is named".to_owned() } else { alarm.owner.clone() },
        due: alarm.due_at.filter(|_| alarm.acknowledged_at.is_none()).map(Moment::of),
        since: Moment::of(alarm.raised_at),
        times: alarm.n_raised,
        is_open: alarm.acknowledged_at.is_none(),
        seen_by: alarm.acknowledged_by.as_deref().map(person).unwrap_or_default(),
        why: match &alarm.signal {
            None => String::new(),
            Some(_) => since.map_or_else(|| "found".to_owned(), |at| at.to_string()),
        },
    }
}

/// Names of the shares that any week has, in their order.
fn columns(line: &Timeline) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for figure in line.weeks.iter().flat_map(|week| &week.figures) {
        if !names.contains(&figure.name) {
            names.push(figure.name.clone());
        }
    }
    names.sort_by_key(|name| (name.contains(':'), name.clone()));
    names
}

fn spelled_figure(name: &str) -> String {
    match name.split_once(':') {
        Some(("positive", finding)) => format!("{} called", sentence(finding)),
        Some((figure, finding)) => format!("{}, {finding}", sentence(figure)),
        None => super::view::spelled(name),
    }
}

fn percent(figure: &Figure) -> (String, String) {
    let Figure { value, lower, upper, .. } = figure;
    let percent = |share: &f64| crate::words::percent(*share);
    (format!("{} %", percent(value)), format!("{} to {}", percent(lower), percent(upper)))
}

fn figure_rows(week: &Week) -> Vec<FigureRow> {
    let row = |named: &hilum_monitor::timeline::NamedFigure| {
        let (value, interval) = percent(&named.figure);
        FigureRow { name: spelled_figure(&named.name), value, interval, n: named.figure.n }
    };
    week.figures.iter().map(row).collect()
}

fn week_row(week: &Week, columns: &[String]) -> WeekRow {
    let cell = |name: &String| match week.figures.iter().find(|figure| figure.name == *name) {
        None => String::new(),
        Some(named) => {
            let (value, interval) = percent(&named.figure);
            format!("{value} ({interval}), n = {}", named.figure.n)
        }
    };
    WeekRow { from: Moment::of(week.from), n: grouped(week.n_studies), cells: columns.iter().map(cell).collect() }
}

fn events(line: &Timeline) -> Vec<EventRow> {
    let mark = |mark: &TimeMark| match (mark.kind, mark.severity) {
        (_, Some(severity)) => severity_mark(severity),
        (MarkKind::Suspended, _) => Mark::new("worse", "Stopped"),
        (MarkKind::Resumed, _) => Mark::new("normal", "Resumed"),
        _ => Mark::new("unknown", "Changed"),
    };
    let rows = line.marks.iter().enumerate().map(|(i, event)| EventRow {
        letter: chart::letter(i),
        mark: mark(event),
        kind: super::view::spelled(event.kind.name()),
        text: sentence(&event.text),
        by: person(&event.by),
        at: Moment::of(event.at),
    });
    let mut rows: Vec<EventRow> = rows.collect();
    rows.reverse();
    rows
}

/// The answer of the chart as a sentence.
fn said(line: &Timeline) -> String {
    let n_studies: u64 = line.weeks.iter().map(|week| week.n_studies).sum();
    let n = |kind| line.marks.iter().filter(|mark| mark.kind == kind).count() as u64;
    let range = format!("{} to {}", Moment::of(line.from).day, Moment::of(line.until.plus_micros(-1)).day);
    if n_studies == 0 && line.marks.is_empty() {
        return format!("Nothing happened from {range}.");
    }
    format!(
        "{range}: {} ended, {}, {}, {}.",
        count(n_studies, "study", "studies"),
        count(n(MarkKind::Version), "change of version", "changes of version"),
        count(n(MarkKind::Suspended), "stop", "stops"),
        count(n(MarkKind::Signal) + n(MarkKind::Alarm), "signal or alarm", "signals and alarms"),
    )
}

fn cause_heading(found: &RootCause) -> String {
    let explanation = &found.explanation;
    let figure =
        |figure: &Figure| format!("{:.3} ({:.3} to {:.3}, n = {})", figure.value, figure.lower, figure.upper, figure.n);
    format!(
        "Since {} {} of {} went from {} to {}",
        Moment::of(explanation.since).day,
        "the mean",
        explanation.quantity,
        figure(&explanation.before),
        figure(&explanation.after)
    )
}

fn cause_row(cause: &hilum_monitor::root_cause::Cause) -> CauseRow {
    CauseRow { text: sentence(&cause.text), chance: format!("{:.3}", cause.p) }
}

#[derive(Deserialize)]
pub(super) struct AssignForm {
    owner: String,
    by: String,
    #[serde(default)]
    back: String,
}

pub(super) async fn assign(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiForm(form): ApiForm<AssignForm>,
) -> Result<Redirect, Problem> {
    alarms::assign(&state, &headers, &key, &form.owner, &form.by).await?;
    Ok(Redirect::to(local(&form.back)))
}

#[derive(Deserialize)]
pub(super) struct CloseForm {
    cause: String,
    #[serde(default)]
    comment: String,
    by: String,
    #[serde(default)]
    back: String,
}

pub(super) async fn close(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiForm(form): ApiForm<CloseForm>,
) -> Result<Redirect, Problem> {
    alarms::close(&state, &headers, &key, &form.cause, &form.comment, &form.by).await?;
    Ok(Redirect::to(local(&form.back)))
}
