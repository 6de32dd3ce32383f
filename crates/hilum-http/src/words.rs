//! Plain words for what happened to a study (UX-02, and principle 4 of the interface: absence is never ambiguous).

use hilum_monitor::Severity;
use hilum_registry::ReadingMode;
use hilum_types::{Disposition, ModelOutput, Presence};
use serde::Serialize;
use utoipa::ToSchema;

/// What is known of one study for one deployment, in the terms people use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The model ran, and at least one finding is at or above its operating point.
    Finding,
    /// The model ran and looked for findings; none is at or above its operating point.
    NoFinding,
    /// The model ran and abstains.
    Indeterminate,
    /// The model ran and gave something other than findings, such as a segmentation.
    Result,
    /// The model ran; its result is not shown to readers.
    Hidden,
    /// The model ran, and its result was retracted by a recall.
    Retracted,
    /// The model is not meant for this study.
    NotEligible,
    /// The model may not be used now.
    Withheld,
    /// Something broke.
    Failed,
    /// The result would have come too late.
    Expired,
    /// To be decided or to be run.
    Waiting,
    /// The model runs now.
    Running,
}

impl Status {
    /// How a study stands. `output` is `None` when the record cannot be read.
    pub(crate) fn of(
        disposition: Option<&Disposition>,
        output: Option<&ModelOutput>,
        hidden: bool,
        running: bool,
    ) -> Status {
        match disposition {
            None if running => Status::Running,
            None => Status::Waiting,
            Some(Disposition::NotEligible(_)) => Status::NotEligible,
            Some(Disposition::Withheld(_)) => Status::Withheld,
            Some(Disposition::Failed(_)) => Status::Failed,
            Some(Disposition::Expired(_)) => Status::Expired,
            Some(Disposition::Analysed) if hidden => Status::Hidden,
            Some(Disposition::Analysed) => output.map_or(Status::Result, Status::of_output),
        }
    }

    fn of_output(output: &ModelOutput) -> Status {
        let any = |presence| output.findings.iter().any(|finding| finding.presence == presence);
        match output.findings.is_empty() {
            true => Status::Result,
            false if any(Presence::Present) => Status::Finding,
            false if any(Presence::Indeterminate) => Status::Indeterminate,
            false => Status::NoFinding,
        }
    }

    /// The word on the chip.
    pub fn word(self) -> &'static str {
        match self {
            Status::Finding => "Finding",
            Status::NoFinding => "No finding",
            Status::Indeterminate => "Undecided",
            Status::Result => "Result",
            Status::Hidden => "Hidden",
            Status::Retracted => "Retracted",
            Status::NotEligible => "Not eligible",
            Status::Withheld => "Withheld",
            Status::Failed => "Failed",
            Status::Expired => "Too late",
            Status::Waiting => "Waiting",
            Status::Running => "Running",
        }
    }

    /// Class of icon and colour in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Status::Finding => "finding",
            Status::NoFinding | Status::Result => "normal",
            Status::Indeterminate | Status::Withheld | Status::Expired => "attention",
            Status::Failed | Status::Retracted => "worse",
            Status::Hidden | Status::NotEligible => "unknown",
            Status::Waiting => "waiting",
            Status::Running => "running",
        }
    }

    /// Whether the model looked at the study.
    pub fn is_analysed(self) -> bool {
        matches!(
            self,
            Status::Finding
                | Status::NoFinding
                | Status::Indeterminate
                | Status::Result
                | Status::Hidden
                | Status::Retracted
        )
    }

    /// Whether it will change by itself.
    pub fn is_open(self) -> bool {
        matches!(self, Status::Waiting | Status::Running)
    }
}

/// Stable name of a severity.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Watch => "watch",
        Severity::Review => "review",
        Severity::Stop => "stop",
    }
}

/// Words for a reading mode.
pub(crate) fn reading_mode(mode: ReadingMode) -> &'static str {
    match mode {
        ReadingMode::Alongside => "alongside",
        ReadingMode::AfterFirstRead => "after first read",
        ReadingMode::Shadow => "shadow",
    }
}

/// Who acted, as the audit record names them, in words.
pub(crate) fn person(actor: &str) -> String {
    match actor.split_once(':') {
        Some(("user", name)) => name.to_owned(),
        Some(("unproven", name)) => format!("{name} (not signed in)"),
        _ => actor.to_owned(),
    }
}

/// `3 studies`, `1 study`, `no studies`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    match n {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        n => format!("{} {many}", grouped(n)),
    }
}

/// Thousands set apart by a narrow space.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i != 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while 999.5 <= value && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit != 0 && value < 99.95);
    format!("{value:.decimals$}\u{202f}{}", UNITS[unit])
}

/// `340 ms`, `2.1 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`; a clock that went back gives `0 ms`.
pub(crate) fn duration(micros: i64) -> String {
    let millis = (micros.max(0) as f64 / 1e3).round() as u64;
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..=9 => format!("{:.1} s", millis as f64 / 1e3),
        10..=59 => format!("{seconds} s"),
        60..=3599 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..=86_399 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

/// A share in per cent, without the sign: whole, and with a decimal where that would say that something always or never
/// happens though it does not.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let whole = format!("{percent:.0}");
    if share <= 0.0 || 1.0 <= share || (whole != "0" && whole != "100") {
        return whole;
    }
    match format!("{percent:.1}") {
        tenths if tenths == "0.0" => "under 0.1".to_owned(),
        tenths if tenths == "100.0" => "over 99.9".to_owned(),
        tenths => tenths,
    }
}

/// First letter in upper case; a sentence that begins with a name keeps it.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_types::{CodedConcept, Finding, Reason};

    fn finding(presence: Presence) -> Finding {
        Finding {
            label: "nodule".into(),
            concept: CodedConcept::new("27925004", "SCT", "Nodule"),
            presence,
            score: Some(0.7),
            operating_point: Some(0.5),
            location: None,
            measurements: Vec::new(),
            images: Vec::new(),
        }
    }

    fn output(presences: &[Presence]) -> ModelOutput {
        ModelOutput { findings: presences.iter().copied().map(finding).collect(), ..ModelOutput::default() }
    }

    #[test]
    fn all_and_nothing_are_said_only_of_all_and_nothing() {
        let shares = [0.0, 0.0004, 0.0023, 0.0049, 0.0051, 0.5, 0.994, 0.9951, 0.9972, 0.99999, 1.0];
        let said = shares.map(percent).join(" | ");
        assert_eq!(said, "0 | under 0.1 | 0.2 | 0.5 | 1 | 50 | 99 | 99.5 | 99.7 | over 99.9 | 100");
    }

    /// AV-04: nothing found, not analysed and not known are told apart whatever else is missing.
    #[test]
    fn absence_is_never_ambiguous() {
        use Presence::{Absent, Indeterminate, Present};
        let analysed = |o: Option<&ModelOutput>, hidden| Status::of(Some(&Disposition::Analysed), o, hidden, false);
        assert_eq!(analysed(Some(&output(&[Absent, Present])), false), Status::Finding);
        assert_eq!(analysed(Some(&output(&[Absent, Indeterminate])), false), Status::Indeterminate);
        assert_eq!(analysed(Some(&output(&[Absent])), false), Status::NoFinding);
        assert_eq!(analysed(Some(&output(&[])), false), Status::Result, "no list of findings is not `no finding`");
        assert_eq!(analysed(None, false), Status::Result);
        assert_eq!(analysed(Some(&output(&[Present])), true), Status::Hidden);
        let failed = Disposition::Failed(Reason::new("x", "y"));
        assert_eq!(Status::of(Some(&failed), Some(&output(&[Absent])), false, false), Status::Failed);
        assert_eq!(Status::of(None, None, false, true), Status::Running);
        assert_eq!(Status::of(None, None, true, false), Status::Waiting);
    }

    #[test]
    fn numbers_for_people() {
        let durations = [-5, 999, 340_000, 2_140_000, 12_900_000, 200_000_000, 7_500_000_000, 273_600_000_000];
        assert_eq!(
            durations.map(duration).join(" | "),
            "0 ms | 1 ms | 340 ms | 2.1 s | 12 s | 3 min 20 s | 2 h 5 min | 3 d 4 h"
        );
        assert_eq!(
            [0, 999, 1_000, 524_288, 123_456_789].map(size).join(" | "),
            "0\u{202f}B | 999\u{202f}B | 1.0\u{202f}kB | 524\u{202f}kB | 123\u{202f}MB"
        );
        assert_eq!(
            [0, 1, 42, 1234567].map(|n| count(n, "study", "studies")).join(" | "),
            "no studies | 1 study | 42 studies | 1\u{202f}234\u{202f}567 studies"
        );
    }
}
