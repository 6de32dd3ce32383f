//! Pieces that several pages show, ready to be written: every text is in its final words.

use crate::api::schema::DeploymentJourney;
use crate::words::{self, Status};
use hilum_types::Timestamp;

/// How a study stands for one deployment, in a word and the reason for it.
#[derive(Debug, Clone)]
pub(crate) struct Chip {
    pub(crate) deployment: String,
    pub(crate) status: Status,
    /// What was found, or why the model did not run; may be empty.
    pub(crate) detail: String,
}

impl Chip {
    pub(crate) fn of(journey: &DeploymentJourney) -> Chip {
        Chip { deployment: journey.deployment.clone(), status: journey.status, detail: detail(journey) }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark::of(self.status)
    }
}

fn detail(journey: &DeploymentJourney) -> String {
    match journey.status {
        Status::NotEligible | Status::Withheld | Status::Failed | Status::Expired | Status::Retracted => {
            journey.reasons.first().map(|reason| reason.text.clone()).unwrap_or_default()
        }
        Status::Finding => found(journey, "present").join(", "),
        Status::Indeterminate => found(journey, "indeterminate").join(", "),
        Status::Hidden => "not shown to readers".to_owned(),
        Status::NoFinding | Status::Result | Status::Waiting | Status::Running => String::new(),
    }
}

/// Findings of that presence, in words.
pub(crate) fn found(journey: &DeploymentJourney, presence: &str) -> Vec<String> {
    let findings = journey.inference.iter().flat_map(|inference| &inference.findings);
    let mut names: Vec<String> = Vec::new();
    for finding in findings.filter(|finding| finding.presence == presence) {
        if !names.contains(&finding.meaning) {
            names.push(finding.meaning.clone());
        }
    }
    names
}

/// Icon, word and colour: never one without the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
}

impl Mark {
    pub(crate) fn new(class: &'static str, word: &'static str) -> Mark {
        Mark { class, word }
    }

    pub(crate) fn of(status: Status) -> Mark {
        Mark { class: status.class(), word: status.word() }
    }

    pub(crate) fn delivery(state: &str) -> Mark {
        match state {
            "delivered" => Mark::new("normal", "Delivered"),
            "queued" => Mark::new("waiting", "Queued"),
            "dead" => Mark::new("worse", "Given up"),
            "withheld" => Mark::new("attention", "Withheld"),
            _ => Mark::new("unknown", "Superseded"),
        }
    }

    pub(crate) fn deployment(state: &str) -> Mark {
        match state {
            "active" => Mark::new("normal", "Active"),
            "limited" => Mark::new("normal", "Limited"),
            "accepted" => Mark::new("unknown", "Accepted"),
            "shadow" => Mark::new("unknown", "Shadow"),
            "suspended" => Mark::new("attention", "Suspended"),
            "retired" => Mark::new("unknown", "Retired"),
            _ => Mark::new("unknown", "Draft"),
        }
    }

    pub(crate) fn step(outcome: &str) -> Mark {
        match outcome {
            "passed" => Mark::new("normal", "Passed"),
            "marked" => Mark::new("attention", "Marked"),
            "stopped" => Mark::new("attention", "Stopped"),
            _ => Mark::new("unknown", "Noted"),
        }
    }

    /// The icon, as inline SVG that takes the colour of its text; shapes differ, so colour is never alone.
    pub(crate) fn icon(&self) -> &'static str {
        icon(self.class)
    }
}

macro_rules! svg {
    ($shape:literal) => {
        concat!(
            r#"<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">"#,
            $shape,
            "</svg>"
        )
    };
}

/// Diamond for a finding, ring normal, triangle attention, square worse, dot unknown, clock waiting, arc running.
pub(crate) fn icon(class: &str) -> &'static str {
    match class {
        "finding" => svg!(r#"<path d="M8 1.5 14.5 8 8 14.5 1.5 8Z" fill="currentColor"/>"#),
        "normal" => svg!(r#"<circle cx="8" cy="8" r="5.25" fill="none" stroke="currentColor" stroke-width="2"/>"#),
        "attention" => svg!(r#"<path d="M8 1.75 15 14H1Z" fill="currentColor"/>"#),
        "worse" => svg!(r#"<rect x="2" y="2" width="12" height="12" rx="1.5" fill="currentColor"/>"#),
        "waiting" => svg!(
            r#"<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 4.5V8l2.5 1.75" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/>"#
        ),
        "running" => svg!(
            r#"<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" opacity=".3"/><path d="M8 2a6 6 0 0 1 6 6" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"/>"#
        ),
        _ => svg!(r#"<circle cx="8" cy="8" r="3" fill="currentColor"/>"#),
    }
}

/// A moment in UTC: the whole for machines, day and time for people.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) iso: String,
    pub(crate) day: String,
    pub(crate) time: String,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Moment {
    pub(crate) fn of(at: Timestamp) -> Moment {
        Moment::parse(&at.to_string())
    }

    /// From RFC 3339 in UTC, as [`Timestamp`] writes it.
    pub(crate) fn parse(iso: &str) -> Moment {
        let part = |range: std::ops::Range<usize>| iso.get(range).unwrap_or_default();
        let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
        let day = part(8..10).trim_start_matches('0');
        Moment {
            iso: iso.to_owned(),
            day: format!("{day} {} {}", month.unwrap_or(&""), part(0..4)),
            time: part(11..19).to_owned(),
        }
    }

    /// The day, unless it is today.
    pub(crate) fn day_unless(&self, today: &str) -> &str {
        if self.iso.starts_with(today) { "" } else { &self.day }
    }
}

/// `20261123` as people write it; anything else as it stands.
pub(crate) fn dicom_date(text: &str) -> String {
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return text.to_owned();
    }
    Moment::parse(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..])).day
}

/// A person name for reading: alphabetic group, family name first (PS3.5 section 6.2.1).
pub(crate) fn person_name(text: &str) -> String {
    let alphabetic = text.split('=').next().unwrap_or_default();
    let parts: Vec<&str> = alphabetic.split('^').map(str::trim).filter(|part| !part.is_empty()).collect();
    match parts.split_first() {
        None => String::new(),
        Some((family, [])) => (*family).to_owned(),
        Some((family, rest)) => format!("{family}, {}", rest.join(" ")),
    }
}

/// `before_inference` as `Before inference`.
pub(crate) fn spelled(name: &str) -> String {
    words::sentence(&name.replace(['_', '-'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_for_people() {
        assert_eq!(person_name("DOE^JANE^^DR=山田^花子"), "DOE, JANE DR");
        assert_eq!(person_name("DOE"), "DOE");
        assert_eq!(person_name(""), "");
        assert_eq!(dicom_date("20261103"), "3 Nov 2026");
        assert_eq!(dicom_date("<script>"), "<script>");
        assert_eq!(dicom_date("99999999"), "99  9999");
        let moment = Moment::of(Timestamp::from_micros(1_795_425_161_000_250));
        assert_eq!((moment.day.as_str(), moment.time.as_str()), ("23 Nov 2026", "09:12:41"));
        assert_eq!(moment.day_unless("2026-11-23"), "");
    }
}
