//! Recalls in words.

use hilum_sign::Approvals;
use hilum_store::recalls::{
    Answer, Held, Reach, RecallStatus, RecallStep, RecallStudyStatus, RecallWindow, RecalledRun, RecalledStudy,
};
use hilum_store::records::Package;
use hilum_types::Timestamp;
use serde_json::json;
use std::fmt::Write;

pub(super) fn studies(n: usize) -> String {
    if n == 1 { "1 study".to_owned() } else { format!("{n} studies") }
}

fn time(at: Timestamp) -> String {
    at.to_string()[..19].replace('T', " ")
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// The recall list: a line for each run, and below it what was made and where it went.
pub(super) fn list(window: &RecallWindow, package: &Package, list: &[RecalledStudy]) -> String {
    let mut text = format!(
        "{} {} (package {}) ran on {} from {} to {} UTC.\n",
        package.name,
        package.version,
        package.digest.short(),
        studies(list.len()),
        time(window.from),
        time(window.to)
    );
    for study in list {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  study {}", or_dash(study.accession_number.reveal()), study.study_key);
        for run in &study.runs {
            let _ = writeln!(
                text,
                "  {}  {:<20} revision {:<3} {}",
                time(run.ran_at),
                run.deployment,
                run.revision,
                state(run)
            );
            for result in &run.results {
                let _ = writeln!(text, "    {}: {}", result.kind.name().replace('_', " "), places(result));
            }
        }
    }
    if !list.is_empty() {
        let of = |reach: Reach| list.iter().filter(|study| study.reach() == reach).count();
        let _ = writeln!(
            text,
            "{}: {} delivered, {} sent without an answer, {} waiting to be sent, {} never left, {} without a result.",
            studies(list.len()),
            of(Reach::Delivered),
            of(Reach::Possible),
            of(Reach::Waiting),
            of(Reach::Inside),
            of(Reach::NoResult)
        );
    }
    text
}

fn state(run: &RecalledRun) -> String {
    let mut words = vec![match run.reach() {
        Reach::NoResult => "no result was made".to_owned(),
        Reach::Inside => "never left".to_owned(),
        Reach::Waiting => "waits to be sent".to_owned(),
        Reach::Possible => "sent without an answer".to_owned(),
        Reach::Delivered => "delivered".to_owned(),
    }];
    match run.disposition.as_deref() {
        Some("analysed") => {}
        Some(other) => words.push(other.replace('_', " ")),
        None => words.push("not ended".to_owned()),
    }
    if !run.results.is_empty() && run.results.iter().all(|result| !result.released) {
        words.push("not released (shadow)".to_owned());
    }
    if let Some(revision) = run.results.iter().find_map(|result| result.superseded_by) {
        words.push(format!("superseded by revision {revision}"));
    }
    if let Some(record) = run.results.iter().find_map(|result| result.retracted_by) {
        words.push(format!("retracted by recall {}", record.short()));
    }
    words.join(", ")
}

fn places(result: &hilum_store::recalls::RecalledResult) -> String {
    if result.deliveries.is_empty() {
        return "to nobody".to_owned();
    }
    let place = |delivery: &hilum_store::recalls::RecalledDelivery| match (delivery.delivered_at, &delivery.last_error)
    {
        (Some(at), _) => format!("{} took it {}", delivery.destination, time(at)),
        (None, Some(error)) => format!("{} {} ({error})", delivery.destination, delivery.state.name()),
        (None, None) => format!("{} {}", delivery.destination, delivery.state.name()),
    };
    result.deliveries.iter().map(place).collect::<Vec<_>>().join("; ")
}

/// What to do when the version still runs.
pub(super) fn in_service(deployments: &[String]) -> String {
    let mut text = String::new();
    for name in deployments {
        let _ = writeln!(
            text,
            "{name} still runs this version: `hilum suspend {name} --reason TEXT` stops it for the next study, \
             `hilum deploy rollback {name}` returns to the version before."
        );
    }
    text
}

/// One line of totals.
pub(super) fn totals(status: &RecallStatus) -> String {
    let c = status.counts();
    format!(
        "{}: {} notes accepted, {} waiting, {} refused; {} destinations never got a result, {} never left, \
         {} still to be carried out.\n",
        studies(c.n_studies as usize),
        c.n_accepted,
        c.n_waiting,
        c.n_refused,
        c.n_nothing_to_retract,
        studies(c.n_inside as usize),
        c.n_open
    )
}

/// Where a recall stands, per study and destination.
pub(super) fn status(status: &RecallStatus, approved: &Approvals) -> String {
    let plan = &status.plan;
    let mut text = format!(
        "Recall {} of {} {} (package {}), {} to {} UTC\n  {}: {}\n",
        status.record,
        plan.model,
        plan.version,
        plan.package.short(),
        time(plan.from),
        time(plan.to),
        plan.ground.name().replace('_', " "),
        plan.reason
    );
    let who = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody yet".to_owned());
    let _ = writeln!(text, "  approved clinically by {}, technically by {}", who(&approved.clinical), {
        who(&approved.technical)
    });
    match &status.begun {
        Some((by, at)) => {
            let _ = writeln!(text, "  begun by {} on {} UTC", by.trim_start_matches("user:"), time(*at));
        }
        None if approved.complete() => {
            let _ = writeln!(text, "  not begun: `hilum recall --carry-out {}`", status.record.short());
        }
        None => {
            let _ = writeln!(text, "  not begun; missing: {}", approved.missing.join(", "));
        }
    }
    for study in &status.studies {
        study_lines(&mut text, study);
    }
    text + &totals(status)
}

fn study_lines(text: &mut String, study: &RecallStudyStatus) {
    let step = match study.step {
        RecallStep::Planned => "not retracted yet",
        RecallStep::Retracted => "stopped; its note is to come",
        RecallStep::Noted => "retracted",
        RecallStep::Inside => "retracted; nothing had left",
        RecallStep::Failed => "stopped, without a note",
    };
    let why = study.failure.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    let before = match study.n_retracted_before {
        0 => String::new(),
        n => format!(" ({n} of {} results by an earlier recall)", study.n_results),
    };
    let accession = or_dash(study.accession_number.reveal());
    let _ = writeln!(text, "{accession}  study {}  {step}{before}{why}", study.study_key);
    for destination in &study.destinations {
        let held = match destination.held {
            Held::Delivered => "",
            Held::Possible => " (a result was sent there without an answer)",
            Held::Never => "",
        };
        let _ = writeln!(text, "    {}: {}{held}", destination.destination, answer(&destination.answer));
    }
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::NothingToRetract => "never delivered, so nothing to retract".to_owned(),
        Answer::NotYet => "not told yet".to_owned(),
        Answer::Waiting { attempts: 0, .. } => "the note waits to be sent".to_owned(),
        Answer::Waiting { attempts, last_error } => {
            let why = last_error.as_deref().unwrap_or("no answer");
            format!("the note waits after {attempts} attempts: {why}")
        }
        Answer::Accepted { at } => format!("took the note {}", time(*at)),
        Answer::Refused { error, delivery, .. } => {
            format!("refused the note: {error}; `hilum delivery retry {delivery}` tries again")
        }
    }
}

/// The same as one JSON object.
pub(super) fn status_json(status: &RecallStatus) -> serde_json::Value {
    let plan = &status.plan;
    json!({
        "format": 1,
        "record": status.record,
        "model": plan.model,
        "version": plan.version,
        "package": plan.package,
        "from": plan.from,
        "to": plan.to,
        "ground": plan.ground,
        "reason": plan.reason,
        "begun_by": status.begun.as_ref().map(|(by, _)| by),
        "begun_at": status.begun.as_ref().map(|(_, at)| at),
        "complete": status.is_complete(),
        "counts": status.counts(),
        "studies": status.studies,
    })
}
