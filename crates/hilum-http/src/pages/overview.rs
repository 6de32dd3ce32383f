//! The first page: what is there today, what was not analysed, what needs attention.

use super::view::{Chip, Mark, Moment};
use super::{Shell, page};
use crate::api::extract::{ApiForm, ApiQuery};
use crate::api::journey::deployment_journeys;
use crate::api::studies::DISPOSITIONS;
use crate::state::AppState;
use crate::words::{self, Status, count};
use crate::{Problem, ProblemCode};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use futures::StreamExt;
use hilum_registry::{Deployment, DeploymentState};
use hilum_store::records::{BooksLine, DeliveryFilter, DeliveryState, Study, StudyFilter, StudyState};
use hilum_store::{JobFilter, JobKind, JobState, StudyKey};
use hilum_types::{Phi, Timestamp, attribute};
use serde::Deserialize;
use std::collections::HashSet;

/// Studies on one page.
const ROWS: usize = 40;
/// Studies of today that are looked at for the heading.
const TODAY_MAX: u32 = 1000;
/// Journeys read at the same time.
const READS_AT_ONCE: usize = 4;
const FOUND_MAX: u32 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorklistQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    modality: String,
    #[serde(default)]
    disposition: String,
    #[serde(default)]
    deployment: String,
    #[serde(default)]
    before: String,
}

struct Row {
    href: String,
    arrived: Moment,
    day: String,
    accession: String,
    description: String,
    modality: String,
    images: String,
    chips: Vec<Chip>,
    /// Said when there is no chip.
    note: String,
    note_mark: Mark,
}

struct Attention {
    mark: Mark,
    text: String,
    href: &'static str,
}

struct BooksRow {
    deployment: String,
    mark: Mark,
    arrived: u64,
    cells: Vec<(&'static str, u64)>,
    balanced: bool,
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    heading: String,
    rows: Vec<Row>,
    is_filtered: bool,
    is_empty_house: bool,
    has_deployments: bool,
    next: String,
    attention: Vec<Attention>,
    books: Vec<BooksRow>,
    states: Vec<Choice>,
    dispositions: Vec<Choice>,
    deployments: Vec<Choice>,
    modality: String,
}

pub(super) async fn overview(
    State(state): State<AppState>,
    shell: Shell,
    ApiQuery(query): ApiQuery<WorklistQuery>,
) -> Result<Response, Problem> {
    let today = state.now().day();
    let deployments = state.catalog.deployment_list().await?;
    let mut studies = state.catalog.study_list(&query.filter()?, ROWS as u32 + 1).await?;
    let next = if ROWS < studies.len() { query.next_page(&studies[ROWS - 1].key) } else { String::new() };
    studies.truncate(ROWS);
    let rows = rows(&state, &studies, &deployments, &today).await?;
    let books = state.catalog.books(&today, &today).await?;
    let is_filtered = !query.is_empty();
    page(&OverviewPage {
        shell,
        heading: heading(&state, &today).await?,
        is_empty_house: rows.is_empty() && !is_filtered,
        rows,
        is_filtered,
        has_deployments: !deployments.is_empty(),
        next,
        attention: attention(&state, &deployments, &books).await?,
        books: books.iter().map(|line| books_row(line, &deployments)).collect(),
        states: choices(&query.state, &["receiving", "complete"], "Any state"),
        dispositions: choices(&query.disposition, &DISPOSITIONS, "Any outcome"),
        deployments: choices(
            &query.deployment,
            &deployments.iter().map(|d| d.spec.name.as_str()).collect::<Vec<_>>(),
            "Any deployment",
        ),
        modality: query.modality,
    })
}

impl WorklistQuery {
    fn is_empty(&self) -> bool {
        [&self.state, &self.modality, &self.disposition, &self.deployment, &self.before]
            .iter()
            .all(|text| text.is_empty())
    }

    fn filter(&self) -> Result<StudyFilter, Problem> {
        let given = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let invalid = |message| Problem::new(ProblemCode::InvalidParameter, message);
        let after = match self.before.as_str() {
            "" => None,
            key => Some(key.parse::<StudyKey>().map_err(|_| invalid("the page asked for cannot be read"))?),
        };
        let state = match self.state.as_str() {
            "" => None,
            name => Some(StudyState::from_name(name).ok_or_else(|| invalid("the state asked for does not exist"))?),
        };
        Ok(StudyFilter {
            state,
            modality: given(&self.modality),
            disposition: given(&self.disposition),
            deployment: given(&self.deployment),
            after,
            ..StudyFilter::default()
        })
    }

    /// The address of the page after this one; only our own words and keys are in it.
    fn next_page(&self, last: &StudyKey) -> String {
        let mut address = String::from("/?");
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let fields = [
            ("state", &self.state),
            ("modality", &self.modality),
            ("disposition", &self.disposition),
            ("deployment", &self.deployment),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty() && plain(value)) {
            address += &format!("{name}={value}&");
        }
        address + &format!("before={last}")
    }
}

fn choices(chosen: &str, values: &[&str], any: &str) -> Vec<Choice> {
    let spelled = |value: &str| match DISPOSITIONS.contains(&value) || ["receiving", "complete"].contains(&value) {
        true => super::view::spelled(value),
        false => value.to_owned(),
    };
    let all = std::iter::once(("", any.to_owned())).chain(values.iter().map(|value| (*value, spelled(value))));
    all.map(|(value, label)| Choice { value: value.to_owned(), label, chosen: value == chosen }).collect()
}

/// The answer to "is everything analysed?", as a sentence.
async fn heading(state: &AppState, today: &str) -> Result<String, Problem> {
    let midnight = format!("{today}T00:00:00Z").parse::<Timestamp>().ok();
    let filter = StudyFilter { received_from: midnight, ..StudyFilter::default() };
    let studies = state.catalog.study_list(&filter, TODAY_MAX).await?;
    let jobs = JobFilter {
        kinds: vec![JobKind::Evaluate, JobKind::Infer],
        states: vec![JobState::Queued, JobState::Leased],
        ..JobFilter::default()
    };
    let busy: HashSet<StudyKey> =
        state.catalog.job_list(&jobs, 10 * TODAY_MAX).await?.into_iter().filter_map(|job| job.study_key).collect();
    let (mut n_open, mut n_unanalysed) = (0, 0);
    for study in &studies {
        let analysed = study.dispositions.iter().any(|d| d.disposition.name() == "analysed");
        if study.state == StudyState::Receiving || busy.contains(&study.key) {
            n_open += 1;
        } else if !analysed {
            n_unanalysed += 1;
        }
    }
    let n = studies.len() as u64;
    let more = if n == u64::from(TODAY_MAX) { " or more" } else { "" };
    let studies = format!("{}{more} today", words::sentence(&count(n, "study", "studies")));
    let open = match n_open {
        0 => String::new(),
        n => format!(", {n} still in progress"),
    };
    Ok(match n_unanalysed {
        _ if n == 0 => "No studies yet today".to_owned(),
        0 if n_open == 0 => format!("{studies}, all analysed"),
        0 => format!("{studies}{open}"),
        1 => format!("{studies}{open}, 1 was not analysed"),
        n => format!("{studies}{open}, {n} were not analysed"),
    })
}

async fn attention(
    state: &AppState,
    deployments: &[Deployment],
    books: &[BooksLine],
) -> Result<Vec<Attention>, Problem> {
    let mut list = Vec::new();
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let n_dead = state.catalog.delivery_list(&dead, 1000).await?.len() as u64;
    if 0 < n_dead {
        let text = format!("{} given up", words::sentence(&count(n_dead, "delivery was", "deliveries were")));
        list.push(Attention { mark: Mark::new("worse", "Failed"), text, href: "/deliveries?state=dead" });
    }
    for line in books.iter().filter(|line| !line.balanced) {
        let text = format!("The books of {} do not balance: studies were lost or counted twice", line.deployment);
        list.push(Attention { mark: Mark::new("worse", "Failed"), text, href: "/system" });
    }
    for deployment in deployments.iter().filter(|d| d.state == DeploymentState::Suspended) {
        let why = deployment.suspension.as_ref().map(|s| format!(": {}", s.reason)).unwrap_or_default();
        let text = format!("{} is suspended{why}", deployment.spec.name);
        list.push(Attention { mark: Mark::new("attention", "Attention"), text, href: "/deployments" });
    }
    let n_alarms = state.catalog.alarm_list(true, 1000).await?.len() as u64;
    if 0 < n_alarms {
        let text = words::sentence(&count(n_alarms, "open alarm", "open alarms"));
        list.push(Attention { mark: Mark::new("attention", "Attention"), text, href: "/system#alarms" });
    }
    Ok(list)
}

fn books_row(line: &BooksLine, deployments: &[Deployment]) -> BooksRow {
    let state = deployments.iter().find(|d| d.spec.name == line.deployment).map_or("retired", |d| d.state.name());
    let cells = [
        ("Analysed", line.analysed),
        ("Not eligible", line.not_eligible),
        ("Withheld", line.withheld),
        ("Failed", line.failed),
        ("Too late", line.expired),
        ("Open", line.open),
    ];
    BooksRow {
        deployment: line.deployment.clone(),
        mark: Mark::deployment(state),
        arrived: line.arrived,
        cells: cells.into(),
        balanced: line.balanced,
    }
}

async fn rows(
    state: &AppState,
    studies: &[Study],
    deployments: &[Deployment],
    today: &str,
) -> Result<Vec<Row>, Problem> {
    let mut reads = Vec::with_capacity(studies.len());
    for study in studies {
        reads.push(chips(state, study, deployments));
    }
    let chips: Vec<Result<Vec<Chip>, Problem>> = futures::stream::iter(reads).buffered(READS_AT_ONCE).collect().await;
    studies.iter().zip(chips).map(|(study, chips)| Ok(row(study, chips?, today))).collect()
}

/// What the deployments say of a study. Once all have ended it never changes, and is remembered.
async fn chips(state: &AppState, study: &Study, deployments: &[Deployment]) -> Result<Vec<Chip>, Problem> {
    if study.state == StudyState::Receiving && study.revision <= 1 {
        return Ok(Vec::new());
    }
    let key = (study.key.clone(), study.revision, deployments.iter().map(|d| d.updated_at).max());
    if let Some(chips) = state.settled(&key) {
        return Ok(chips);
    }
    let Some(journey) = state.catalog.study_journey(&study.key).await? else { return Ok(Vec::new()) };
    let chips: Vec<Chip> = deployment_journeys(&journey, deployments, &[]).iter().map(Chip::of).collect();
    let settled = study.state == StudyState::Complete && !chips.is_empty() && !chips.iter().any(|c| c.status.is_open());
    if settled {
        state.remember_settled(key, chips.clone());
    }
    Ok(chips)
}

fn row(study: &Study, chips: Vec<Chip>, today: &str) -> Row {
    let text = |keyword| study.first_header.text(keyword).unwrap_or_default().to_owned();
    let arrived = Moment::of(study.first_received_at);
    let (note, note_mark) = match study.state {
        StudyState::Receiving => {
            let expected = study.n_instances_expected.map(|n| format!(" of {n}")).unwrap_or_default();
            let images = format!("Receiving, {}{expected} so far", count(study.n_instances.into(), "image", "images"));
            (images, Mark::of(Status::Waiting))
        }
        StudyState::Complete => ("Waiting for the gate".to_owned(), Mark::of(Status::Waiting)),
    };
    Row {
        href: format!("/studies/{}", study.key),
        day: arrived.day_unless(today).to_owned(),
        arrived,
        accession: study.accession_number.reveal().clone(),
        description: text(attribute::STUDY_DESCRIPTION),
        modality: text(attribute::MODALITY),
        images: words::grouped(study.n_instances.into()),
        chips,
        note,
        note_mark,
    }
}

#[derive(Deserialize)]
pub(super) struct FindForm {
    accession: String,
}

struct Hit {
    href: String,
    modality: String,
    description: String,
    arrived: Moment,
}

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage {
    shell: Shell,
    asked: String,
    hits: Vec<Hit>,
}

/// Search by accession number. It is a POST, so that the number never becomes part of an address.
pub(super) async fn find(
    State(state): State<AppState>,
    mut shell: Shell,
    ApiForm(form): ApiForm<FindForm>,
) -> Result<Response, Problem> {
    let asked = form.accession.trim();
    if asked.is_empty() {
        return Ok(Redirect::to("/").into_response());
    }
    let filter = StudyFilter { accession_number: Some(Phi::new(asked.to_owned())), ..StudyFilter::default() };
    let studies = state.catalog.study_list(&filter, FOUND_MAX).await?;
    if let [study] = studies.as_slice() {
        return Ok(Redirect::to(&format!("/studies/{}", study.key)).into_response());
    }
    shell.here = "/".to_owned();
    let hit = |study: &Study| Hit {
        href: format!("/studies/{}", study.key),
        modality: study.first_header.text(attribute::MODALITY).unwrap_or_default().to_owned(),
        description: study.first_header.text(attribute::STUDY_DESCRIPTION).unwrap_or_default().to_owned(),
        arrived: Moment::of(study.first_received_at),
    };
    page(&FindPage { shell, asked: asked.to_owned(), hits: studies.iter().map(hit).collect() })
}
