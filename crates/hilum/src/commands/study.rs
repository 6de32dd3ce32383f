use crate::config::{Config, count};
use crate::system::open_catalog;
use anyhow::{Result, bail};
use hilum_store::records::{DeliveryState, Journey, StudyFilter};
use hilum_store::{Catalog, StudyKey};
use hilum_types::{Disposition, ModelOutput, Phi, Presence, Timestamp, Uid, attribute};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Studies shown when several share an accession number.
const SHOWN_MAX: u32 = 20;

/// `hilum study show ACCESSION|UID|KEY`.
pub(crate) async fn show(config: &Path, which: &str) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let keys = find(&*catalog, which).await?;
    if keys.is_empty() {
        bail!("no study with that accession number, Study Instance UID or key has arrived");
    }
    for key in keys {
        if let Some(journey) = catalog.study_journey(&key).await? {
            print!("{}", render(&journey));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(catalog: &dyn Catalog, which: &str) -> Result<Vec<StudyKey>> {
    let filter = StudyFilter { accession_number: Some(Phi::new(which.to_owned())), ..StudyFilter::default() };
    let mut keys: Vec<StudyKey> =
        catalog.study_list(&filter, SHOWN_MAX).await?.into_iter().map(|study| study.key).collect();
    if let Ok(uid) = which.parse::<Uid>() {
        keys.extend(catalog.study_by_uid(&uid).await?.map(|study| study.key));
    }
    if let Ok(key) = which.parse::<StudyKey>() {
        keys.extend(catalog.study_get(&key).await?.map(|study| study.key));
    }
    keys.dedup();
    Ok(keys)
}

/// The journey as text: who came, what happened when, and per deployment how it ended and why.
fn render(journey: &Journey) -> String {
    let mut text = String::new();
    let study = &journey.study;
    let of = |keyword| study.first_header.text(keyword).unwrap_or("-");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "Study {}  accession {}  {} {}  {}, revision {}, {}",
        study.key,
        or_dash(study.accession_number.reveal()),
        of(attribute::MODALITY),
        of(attribute::STUDY_DESCRIPTION),
        count(study.n_instances as usize, "instance"),
        study.revision,
        study.state.name()
    );
    for event in &journey.events {
        let whom = event.deployment.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        let _ = writeln!(text, "  {}  {:<12} {whom}{}", clock_time(event.at), event.kind, event.text);
    }
    let mut names: Vec<&str> = journey.dispositions.iter().map(|d| d.deployment.as_str()).collect();
    names.extend(journey.open.iter().map(|(_, name)| name.as_str()));
    names.sort_unstable();
    names.dedup();
    for name in names {
        render_deployment(&mut text, journey, name);
    }
    text
}

fn render_deployment(text: &mut String, journey: &Journey, name: &str) {
    let _ = writeln!(text, "  {name}");
    for (revision, decision) in journey.decisions.iter().filter(|(_, decision)| decision.deployment == name) {
        let _ = writeln!(text, "    gate, revision {revision}, {}: {}", decision.stage.name(), decision.verdict);
        for reason in &decision.reasons {
            let _ = writeln!(text, "      {reason}");
        }
    }
    for inference in journey.inferences.iter().filter(|inference| inference.deployment == name) {
        let milliseconds = inference.finished_at.micros_since(inference.started_at) as f64 / 1e3;
        let _ = writeln!(text, "    ran on revision {} in {milliseconds:.0} ms", inference.revision);
        let output = inference.record.get("output").cloned().unwrap_or_default();
        for line in serde_json::from_value(output).map(|output| findings(&output)).unwrap_or_default() {
            let _ = writeln!(text, "      {line}");
        }
    }
    for ended in journey.dispositions.iter().filter(|ended| ended.deployment == name) {
        let why = ended.disposition.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
        let _ = writeln!(text, "    revision {}: {}{why}", ended.revision, words(&ended.disposition));
    }
    for (revision, _) in journey.open.iter().filter(|(_, open)| open == name) {
        let _ = writeln!(text, "    revision {revision}: not ended yet");
    }
    for delivery in journey.deliveries.iter().filter(|delivery| delivery.result.deployment == name) {
        let stuck = match (delivery.state, &delivery.last_error) {
            (DeliveryState::Delivered, _) | (_, None) => String::new(),
            (_, Some(error)) => format!(", {} so far: {error}", count(delivery.attempts as usize, "attempt")),
        };
        let kind = delivery.result.kind.name().replace('_', " ");
        let _ = writeln!(text, "    {kind} to {}: {}{stuck}", delivery.destination, delivery.state.name());
    }
}

/// What a model said, one line each; never empty for a model that looked (AV-04).
pub(crate) fn findings(output: &ModelOutput) -> Vec<String> {
    let mut lines: Vec<String> = output
        .findings
        .iter()
        .map(|finding| {
            let presence = match finding.presence {
                Presence::Present => "present",
                Presence::Absent => "absent",
                Presence::Indeterminate => "indeterminate",
            };
            let score = finding.score.map(|score| format!(", score {score:.3}")).unwrap_or_default();
            let point =
                finding.operating_point.map(|point| format!(", operating point {point:.3}")).unwrap_or_default();
            format!("{} {presence}{score}{point}", finding.concept.meaning)
        })
        .collect();
    lines.extend(output.segments.iter().map(|segment| {
        let numbers: Vec<String> = segment
            .measurements
            .iter()
            .map(|m| format!("{} {:.1} {}", m.concept.meaning, m.value, m.unit.meaning))
            .collect();
        format!(
            "{} segmented{}{}",
            segment.property_type.meaning,
            if numbers.is_empty() { "" } else { ", " },
            numbers.join(", ")
        )
    }));
    lines
}

/// A disposition in words.
pub(crate) fn words(disposition: &Disposition) -> &'static str {
    match disposition {
        Disposition::Analysed => "analysed",
        Disposition::NotEligible(_) => "not eligible",
        Disposition::Withheld(_) => "withheld",
        Disposition::Failed(_) => "failed",
        Disposition::Expired(_) => "expired",
    }
}

fn clock_time(at: Timestamp) -> String {
    at.to_string()[..23].replace('T', " ")
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
