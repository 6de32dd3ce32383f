//! The study journey: where did this study go, and why did or didn't a model run (UX-01, GV-11)?

use super::reader::{AnswerCell, Reader};
use super::record::Record;
use super::view::{Chip, Mark, Moment, dicom_date, found, person_name, spelled};
use super::{Shell, page};
use crate::Problem;
use crate::ProblemCode;
use crate::api::extract::{ApiPath, ApiQuery};
use crate::api::find_study;
use crate::api::journey::{output_of, study_journey};
use crate::api::recalls::RetractionBody;
use crate::api::schema::{
    DecisionBody, DeliveryBody, DeploymentJourney, EventBody, FindingBody, InstanceBody, SegmentBody, StudyJourney,
};
use crate::api::version_here::{VersionBody, tell_versions};
use crate::state::AppState;
use crate::words::{Status, count, duration, reading_mode, sentence, size};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hilum_registry::Deployment;
use hilum_store::records::{Journey, Study};
use hilum_types::{ModelOutput, Timestamp, attribute};
use serde::Deserialize;

/// Instances listed for one series; the rest are counted.
const INSTANCES_SHOWN: usize = 50;

/// What happened to a study before any model looked at it.
const BLIND_EVENTS: [&str; 5] =
    ["instance_stored", "instance_duplicate", "instance_conflict", "study_completed", "study_reopened"];

struct Step {
    name: String,
    mark: Mark,
    text: String,
    criterion: String,
    value: String,
}

struct Decision {
    stage: String,
    at: Moment,
    verdict: String,
    steps: Vec<Step>,
}

struct FindingRow {
    mark: Mark,
    meaning: String,
    place: String,
    score: String,
    operating_point: String,
    answer: Option<AnswerCell>,
}

/// A finding whose answer is hidden: what is true of it can be said all the same.
struct BlindRow {
    meaning: String,
    answer: Option<AnswerCell>,
}

struct SegmentRow {
    meaning: String,
    measurements: String,
}

struct DeliveryRow {
    id: String,
    what: String,
    destination: String,
    mark: Mark,
    attempts: u32,
    error: String,
    at: Moment,
    can_retry: bool,
}

struct Card {
    chip: Chip,
    /// Model name and version, or the beginning of the digest.
    model: String,
    state_mark: Option<Mark>,
    sentence: String,
    findings: Vec<FindingRow>,
    blind: Vec<BlindRow>,
    /// What the version is limited to here, in words.
    limits: String,
    /// The version in use now, when another ran.
    in_use: String,
    record: Option<Record>,
    /// Why there is no record.
    no_record: &'static str,
    segments: Vec<SegmentRow>,
    preview: Option<String>,
    run: String,
    decisions: Vec<Decision>,
    results: usize,
    deliveries: Vec<DeliveryRow>,
    earlier: Vec<String>,
}

/// A recall, and what each archive said to it.
struct RetractionRow {
    sentence: String,
    record: String,
    at: Moment,
    state: &'static str,
    deliveries: Vec<DeliveryRow>,
}

struct TimelineRow {
    at: Moment,
    day: String,
    word: String,
    deployment: String,
    text: String,
    after: String,
}

struct InstanceRow {
    number: String,
    size: String,
    at: Moment,
    peer: String,
    version: u32,
    file: String,
}

struct Series {
    number: String,
    description: String,
    modality: String,
    n: String,
    rows: Vec<InstanceRow>,
    n_more: usize,
}

struct Fact {
    name: &'static str,
    value: String,
}

#[derive(Template)]
#[template(path = "study.html")]
struct StudyPage {
    shell: Shell,
    heading: String,
    mark: Mark,
    subtitle: String,
    facts: Vec<Fact>,
    retractions: Vec<RetractionRow>,
    cards: Vec<Card>,
    key: String,
    /// Name of the reader who is signed in.
    reader: Option<String>,
    nothing: &'static str,
    timeline: Vec<TimelineRow>,
    total: String,
    series: Vec<Series>,
    api: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StudyQuery {
    /// Whether nothing is shown of what models said, for somebody who is to judge the study without.
    #[serde(default)]
    blind: bool,
}

pub(super) async fn study(
    State(state): State<AppState>,
    shell: Shell,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    ApiQuery(query): ApiQuery<StudyQuery>,
) -> Result<Response, Problem> {
    // A UID would put an identifier of a patient into the address of a page.
    let missing = || Problem::new(ProblemCode::StudyNotFound, "no study of that key is held");
    key.parse::<hilum_store::StudyKey>().map_err(|_| missing())?;
    let study = find_study(&state, &key).await?;
    state.record_access(&headers, &study.key, "journey").await?;
    let journey = state.catalog.study_journey(&study.key).await?.ok_or_else(missing)?;
    let deployments = state.catalog.deployment_list().await?;
    let packages = state.catalog.package_list().await?;
    let reader = Reader::of(&state, &headers, &study.key).await?;
    let first_reads = reader.as_ref().map(|reader| reader.first_reads.as_slice()).unwrap_or_default();
    let mut shown = study_journey(&journey, &deployments, first_reads);
    if query.blind {
        return blind(shell, &journey.study, &shown);
    }
    tell_versions(&state, &mut shown.deployments, &deployments, &packages).await?;
    let mut cards: Vec<Card> = shown.deployments.iter().map(|d| card(d, &deployments)).collect();
    if let Some(reader) = &reader {
        for (card, of) in cards.iter_mut().zip(&shown.deployments) {
            offer_answers(card, of, &journey, reader);
        }
    }
    let (heading, mark) = heading(&shown, &cards);
    let (timeline, total) = timeline(&shown.events);
    page(&StudyPage {
        shell,
        heading,
        mark,
        subtitle: subtitle(&shown),
        facts: facts(&journey.study),
        nothing: nothing(&shown, deployments.is_empty()),
        retractions: shown.retractions.iter().map(retraction_row).collect(),
        cards,
        key: study.key.to_string(),
        reader: reader.map(|reader| reader.user.display_name),
        timeline,
        total,
        series: series(&shown.instances),
        api: format!("/api/v1/studies/{}", study.key),
    })
}

/// The study without anything that models made of it: neither results nor whether and why one ran.
fn blind(shell: Shell, study: &Study, shown: &StudyJourney) -> Result<Response, Problem> {
    let received: Vec<EventBody> = shown.events.iter().filter(|event| event.deployment.is_none()).cloned().collect();
    let received: Vec<EventBody> =
        received.into_iter().filter(|event| BLIND_EVENTS.contains(&event.kind.as_str())).collect();
    let (timeline, total) = timeline(&received);
    page(&StudyPage {
        shell,
        heading: "To be judged without what models said".to_owned(),
        mark: Mark::new("unknown", "Open"),
        subtitle: subtitle(shown),
        facts: facts(study),
        retractions: Vec::new(),
        cards: Vec::new(),
        key: shown.study.key.clone(),
        reader: None,
        nothing: "What models said is not shown here, so that your answer does not depend on it. Give it in the audit sample.",
        timeline,
        total,
        series: series(&shown.instances),
        api: String::new(),
    })
}

/// The answer, as a sentence: what was found, or why nothing was analysed.
fn heading(journey: &StudyJourney, cards: &[Card]) -> (String, Mark) {
    let of = |status| cards.iter().filter(move |card| card.chip.status == status);
    let found: Vec<&str> = of(Status::Finding).map(|card| card.chip.detail.as_str()).collect();
    let n_open = cards.iter().filter(|card| card.chip.status.is_open()).count();
    let n_analysed = cards.iter().filter(|card| card.chip.status.is_analysed()).count();
    let n_failed = of(Status::Failed).count();
    if journey.study.state == "receiving" && cards.is_empty() {
        let images = count(journey.study.n_instances.into(), "image", "images");
        return (format!("Receiving: {images} so far"), Mark::of(Status::Waiting));
    }
    let status = if !found.is_empty() {
        return (format!("{}{}", sentence(&found.join(", ")), rest(n_open, n_failed)), Mark::of(Status::Finding));
    } else if of(Status::Retracted).next().is_some() {
        Status::Retracted
    } else if of(Status::Indeterminate).next().is_some() {
        Status::Indeterminate
    } else if of(Status::NoFinding).next().is_some() {
        Status::NoFinding
    } else if of(Status::Result).next().is_some() {
        Status::Result
    } else if of(Status::Running).next().is_some() {
        Status::Running
    } else if 0 < n_open || cards.is_empty() {
        Status::Waiting
    } else if n_failed != 0 {
        Status::Failed
    } else {
        cards.iter().map(|card| card.chip.status).find(|s| s.is_analysed()).unwrap_or(cards[0].chip.status)
    };
    let text = match status {
        Status::Indeterminate => "The model abstains".to_owned(),
        Status::NoFinding => "No finding".to_owned(),
        Status::Result => "Analysed".to_owned(),
        Status::Hidden => "Analysed; the result is not shown to readers".to_owned(),
        Status::Retracted => "Result retracted".to_owned(),
        Status::Running => "A model is running".to_owned(),
        Status::Waiting => "Waiting".to_owned(),
        _ if n_analysed == 0 => {
            let only = if cards.len() == 1 { format!(": {}", cards[0].chip.detail) } else { String::new() };
            return (format!("Not analysed{only}"), Mark::of(status));
        }
        _ => status.word().to_owned(),
    };
    let open = if status.is_open() { 0 } else { n_open };
    (text + &rest(open, n_failed), Mark::of(status))
}

fn rest(n_open: usize, n_failed: usize) -> String {
    let mut text = String::new();
    if n_open != 0 {
        text += &format!("; {} in progress", count(n_open as u64, "model is", "models are").replace("is in", "in"));
    }
    if n_failed != 0 {
        text += &format!("; {} failed", count(n_failed as u64, "model", "models"));
    }
    text
}

fn nothing(journey: &StudyJourney, no_deployments: bool) -> &'static str {
    match journey.study.state.as_str() {
        "receiving" => {
            "The study is complete when no image came for the quiet time. Then the gate decides for every deployment."
        }
        _ if no_deployments => {
            "No deployment is declared, so no model considered this study. Declare one and run hilum apply."
        }
        _ => "The gate has not looked at this study yet.",
    }
}

fn subtitle(journey: &StudyJourney) -> String {
    let study = &journey.study;
    let accession = match study.accession_number.as_str() {
        "" => "no accession number".to_owned(),
        number => format!("accession {number}"),
    };
    let parts = [study.modality.clone(), study.study_description.clone(), accession];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn facts(study: &Study) -> Vec<Fact> {
    let text = |keyword| study.first_header.text(keyword).unwrap_or_default();
    let sex = match text(attribute::PATIENT_SEX) {
        "F" => "Female",
        "M" => "Male",
        "O" => "Other",
        _ => "",
    };
    let acquired = format!("{} {}", text(attribute::MANUFACTURER), text(attribute::MANUFACTURER_MODEL_NAME));
    let revision = match study.revision {
        1 => String::new(),
        n => format!("{n}: late images reopened the study"),
    };
    let all = [
        ("Patient", person_name(text(attribute::PATIENT_NAME))),
        ("Patient ID", text(attribute::PATIENT_ID).to_owned()),
        ("Born", dicom_date(text(attribute::PATIENT_BIRTH_DATE))),
        ("Sex", sex.to_owned()),
        ("Study date", dicom_date(text(attribute::STUDY_DATE))),
        ("Body part", text(attribute::BODY_PART_EXAMINED).to_owned()),
        ("Scanner", acquired.trim().to_owned()),
        ("Images", study.n_instances.to_string()),
        ("Revision", revision),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| Fact { name, value }).collect()
}

fn card(journey: &DeploymentJourney, deployments: &[Deployment]) -> Card {
    let deployment = deployments.iter().find(|d| d.spec.name == journey.deployment);
    let visible =
        matches!(journey.status, Status::Finding | Status::NoFinding | Status::Indeterminate | Status::Result);
    let preview = journey.results.iter().find(|r| {
        visible && r.kind == "key_image" && r.released && r.superseded_by.is_none() && r.revision == journey.revision
    });
    let run = journey.inference.as_ref().map(|inference| {
        let engine = if inference.engine.is_empty() { String::new() } else { format!(", {}", inference.engine) };
        format!("Ran in {}{engine}", duration((inference.duration_ms * 1e3) as i64))
    });
    Card {
        chip: Chip::of(journey),
        model: journey.version.as_ref().map(model).unwrap_or_default(),
        state_mark: deployment.map(|d| Mark::deployment(d.state.name())),
        sentence: outcome(journey, deployment),
        findings: journey.inference.iter().flat_map(|i| &i.findings).map(finding_row).collect(),
        blind: Vec::new(),
        limits: journey.version.as_ref().map(limits).unwrap_or_default(),
        in_use: journey.version.as_ref().and_then(|version| version.in_use.clone()).unwrap_or_default(),
        record: journey.record.as_ref().map(|record| Record::of(record, journey)),
        no_record: if journey.hidden && journey.status != Status::NotEligible {
            "Its record here is not shown as long as its result is not."
        } else {
            ""
        },
        segments: journey.inference.iter().flat_map(|i| &i.segments).map(segment_row).collect(),
        preview: preview.map(|r| format!("/api/v1/results/{}/preview.png", r.sop_instance_uid)),
        run: run.unwrap_or_default(),
        decisions: journey.decisions.iter().map(decision).collect(),
        results: journey.results.len(),
        deliveries: delivery_rows(&journey.deliveries),
        earlier: journey
            .earlier
            .iter()
            .map(|d| {
                let why = d.reason.as_ref().map(|reason| format!(": {}", reason.text)).unwrap_or_default();
                format!("Revision {} was {}{why}", d.revision, d.disposition.replace('_', " "))
            })
            .collect(),
    }
}

/// What the disposition means, in a sentence that names the value that decided.
fn outcome(journey: &DeploymentJourney, deployment: Option<&Deployment>) -> String {
    let reason = journey.reasons.first().map(|reason| reason.text.as_str()).unwrap_or_default();
    match journey.status {
        Status::Finding => {
            let absent = found(journey, "absent").len();
            let others = if absent == 0 { String::new() } else { format!(" {absent} more looked for and not found.") };
            format!("Suspected: {}.{others}", found(journey, "present").join(", "))
        }
        Status::NoFinding => format!("Looked for {}; found none.", found(journey, "absent").join(", ")),
        Status::Indeterminate => format!("The model abstains on {}.", found(journey, "indeterminate").join(", ")),
        Status::Result => "The model ran and gave the result below.".to_owned(),
        Status::Hidden => {
            let mode = deployment.map_or("shadow", |d| reading_mode(d.spec.reading_mode));
            let mode = if mode == "alongside" { "shadow" } else { mode };
            format!("The model ran. Its result is recorded and not shown to readers (reading mode {mode}).")
        }
        Status::Retracted => {
            format!("The model ran, and its result was {reason}. Do not use it.")
        }
        Status::NotEligible => format!("The model did not run: {reason}."),
        Status::Withheld => format!("The model may not be used now: {reason}."),
        Status::Failed => format!("Not analysed, because something broke: {reason}."),
        Status::Expired => format!("Not released, because it came too late: {reason}."),
        Status::Waiting => "Waiting to run.".to_owned(),
        Status::Running => "Running now.".to_owned(),
    }
}

fn number(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.2}")).unwrap_or_default()
}

fn finding_row(finding: &FindingBody) -> FindingRow {
    let mark = match finding.presence.as_str() {
        "present" => Mark::new("finding", "Present"),
        "absent" => Mark::new("normal", "Absent"),
        _ => Mark::new("attention", "Undecided"),
    };
    let place = match finding.bounding_box.as_deref() {
        Some([left, top, right, bottom]) => format!("columns {left:.0}–{right:.0}, rows {top:.0}–{bottom:.0}"),
        _ => String::new(),
    };
    FindingRow {
        mark,
        meaning: finding.meaning.clone(),
        place,
        score: number(finding.score),
        operating_point: number(finding.operating_point),
        answer: None,
    }
}

/// Name and version, or the beginning of the digest of a package that is held no more.
fn model(version: &VersionBody) -> String {
    match version.name.as_str() {
        "" => version.package.chars().take(12).collect(),
        name => format!("{name} {}", version.version),
    }
}

/// What the version is limited to here, in one line.
fn limits(version: &VersionBody) -> String {
    let stated =
        version.limits.iter().map(|limit| format!("{} {}", spelled(&limit.name).to_lowercase(), limit.allowed));
    stated.collect::<Vec<_>>().join("; ")
}

/// Buttons for each finding: to answer the model where its answer is shown, and else to say what is true.
fn offer_answers(card: &mut Card, of: &DeploymentJourney, journey: &Journey, reader: &Reader) {
    let (study, name, revision) = (journey.study.key.as_str(), of.deployment.as_str(), of.revision);
    let shown = of.inference.iter().flat_map(|inference| &inference.findings);
    let mut offered: Vec<&str> = Vec::new();
    for (row, finding) in card.findings.iter_mut().zip(shown) {
        if !offered.contains(&finding.label.as_str()) {
            offered.push(&finding.label);
            let to_model = finding.presence != "indeterminate";
            row.answer = Some(reader.cell(study, name, revision, &finding.label, &finding.meaning, to_model));
        }
    }
    if of.status != Status::Hidden {
        return;
    }
    let inference = journey.inferences.iter().find(|i| i.deployment == name && i.revision == revision);
    let output: ModelOutput = inference.and_then(output_of).unwrap_or_default();
    let mut offered: Vec<&str> = Vec::new();
    for finding in &output.findings {
        if !offered.contains(&finding.label.as_str()) {
            offered.push(&finding.label);
            let meaning = finding.concept.meaning.clone();
            let answer = Some(reader.cell(study, name, revision, &finding.label, &meaning, false));
            card.blind.push(BlindRow { meaning, answer });
        }
    }
}

fn segment_row(segment: &SegmentBody) -> SegmentRow {
    let one = |m: &crate::api::schema::MeasurementBody| {
        let unit = if m.unit == "1" { "" } else { m.unit.as_str() };
        format!("{} {:.1}\u{202f}{unit}", m.meaning, m.value)
    };
    SegmentRow {
        meaning: segment.meaning.clone(),
        measurements: segment.measurements.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

fn decision(decision: &DecisionBody) -> Decision {
    let steps = decision.steps.iter().map(|step| Step {
        name: spelled(&step.step),
        mark: Mark::step(&step.outcome),
        text: sentence(&step.reason.text),
        criterion: step.reason.criterion.clone(),
        value: step.reason.value.clone(),
    });
    let stage = match decision.stage.as_str() {
        "before_release" => "Before release",
        _ => "Before inference",
    };
    let revision = if decision.revision == 1 { String::new() } else { format!(", revision {}", decision.revision) };
    Decision {
        stage: format!("{stage}{revision}"),
        at: Moment::parse(&decision.decided_at),
        verdict: spelled(&decision.verdict),
        steps: steps.collect(),
    }
}

fn delivery_rows(deliveries: &[DeliveryBody]) -> Vec<DeliveryRow> {
    let row = |delivery: &DeliveryBody| DeliveryRow {
        id: delivery.id.clone(),
        what: spelled(&delivery.result_kind),
        destination: delivery.destination.clone(),
        mark: Mark::delivery(&delivery.state),
        attempts: delivery.attempts,
        error: delivery.last_error.clone().filter(|_| delivery.state != "delivered").unwrap_or_default(),
        at: Moment::parse(delivery.delivered_at.as_ref().unwrap_or(&delivery.updated_at)),
        can_retry: delivery.state == "dead",
    };
    deliveries.iter().map(row).collect()
}

fn retraction_row(retraction: &RetractionBody) -> RetractionRow {
    let state = match retraction.step.as_str() {
        "noted" => "A rejection note was sent to every archive that holds or may hold a result.",
        "inside" => "No note was needed: nothing had left, or an earlier recall has withdrawn it.",
        "failed" => "The rejection note could not be written; somebody has to carry the recall on.",
        _ => "The rejection note is still to be written.",
    };
    RetractionRow {
        sentence: format!("{} ({})", sentence(&retraction.reason), spelled(&retraction.ground).to_lowercase()),
        record: retraction.record.chars().take(12).collect(),
        at: Moment::parse(&retraction.changed_at),
        state,
        deliveries: delivery_rows(&retraction.deliveries),
    }
}

/// One row for each thing that happened; images that came one after the other are one row.
fn timeline(events: &[EventBody]) -> (Vec<TimelineRow>, String) {
    let at = |event: &EventBody| event.at.parse::<Timestamp>().unwrap_or(Timestamp::from_micros(0));
    let mut rows: Vec<TimelineRow> = Vec::new();
    let mut day = String::new();
    let mut before: Option<Timestamp> = None;
    let groups = events.chunk_by(|a, b| a.kind == "instance_stored" && b.kind == a.kind && a.revision == b.revision);
    for group in groups {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        if ends_at_the_gate(first, events) {
            continue;
        }
        let moment = Moment::parse(&first.at);
        let text = match group.len() {
            1 => sentence(first.text.strip_prefix("gate: ").unwrap_or(&first.text)),
            n => format!("{n} images in {}", duration(at(last).micros_since(at(first)))),
        };
        rows.push(TimelineRow {
            day: if moment.day == day { String::new() } else { moment.day.clone() },
            word: word(&first.kind),
            deployment: first.deployment.clone().unwrap_or_default(),
            text,
            after: before
                .map(|before| at(first).micros_since(before))
                .filter(|micros| 1000 <= *micros)
                .map(duration)
                .unwrap_or_default(),
            at: moment.clone(),
        });
        day = moment.day;
        before = Some(at(last));
    }
    let total = match (events.first(), events.last()) {
        (Some(first), Some(last)) if 1 < rows.len() => duration(at(last).micros_since(at(first))),
        _ => String::new(),
    };
    (rows, total)
}

/// Whether `decision` ended the study at once: the end tells the same reason again.
fn ends_at_the_gate(decision: &EventBody, events: &[EventBody]) -> bool {
    decision.kind == "gate_decided"
        && events.iter().any(|event| {
            event.kind == "disposition_set"
                && event.at == decision.at
                && event.deployment == decision.deployment
                && event.text != "analysed"
        })
}

/// The short word of the timeline for an audit action; one not named here is spelled out.
fn word(kind: &str) -> String {
    let word = match kind {
        "instance_stored" => "received",
        "instance_duplicate" => "duplicate",
        "instance_conflict" => "conflict",
        "study_completed" => "complete",
        "study_reopened" => "reopened",
        "gate_decided" => "decided",
        "disposition_set" => "ended",
        "inference_recorded" => "inferred",
        "result_released" => "released",
        "result_withheld" => "withheld",
        "result_superseded" => "superseded",
        "result_retracted" => "retracted",
        "rejection_note_released" => "note released",
        "assessment_report_released" => "answer told",
        "delivery_attempted" => "sent",
        "delivery_retried" => "retried",
        "job_dead" => "given up",
        "job_cancelled" => "cancelled",
        "study_accessed" => "looked at",
        other => return other.replace('_', " "),
    };
    word.to_owned()
}

fn series(instances: &[InstanceBody]) -> Vec<Series> {
    let mut all: Vec<(&str, Vec<&InstanceBody>)> = Vec::new();
    for instance in instances {
        match all.iter_mut().find(|(uid, _)| *uid == instance.series_instance_uid) {
            Some((_, members)) => members.push(instance),
            None => all.push((&instance.series_instance_uid, vec![instance])),
        }
    }
    let order = |text: &str| text.trim().parse::<i64>().unwrap_or(i64::MAX);
    all.sort_by_key(|(_, members)| order(&members[0].series_number));
    let one = |(_, mut members): (&str, Vec<&InstanceBody>)| {
        members.sort_by_key(|instance| (order(&instance.instance_number), instance.version));
        let first = members[0];
        Series {
            number: first.series_number.clone(),
            description: first.series_description.clone(),
            modality: first.modality.clone(),
            n: count(members.len() as u64, "object", "objects"),
            n_more: members.len().saturating_sub(INSTANCES_SHOWN),
            rows: members.iter().take(INSTANCES_SHOWN).map(|instance| instance_row(instance)).collect(),
        }
    };
    all.into_iter().map(one).collect()
}

fn instance_row(instance: &InstanceBody) -> InstanceRow {
    InstanceRow {
        number: instance.instance_number.clone(),
        size: size(instance.size),
        at: Moment::parse(&instance.received_at),
        peer: instance.peer.clone(),
        version: instance.version,
        file: format!("/api/v1/instances/{}/file?version={}", instance.sop_instance_uid, instance.version),
    }
}
