//! The words for people who see only flat text: the same lines in the report's summary and on the key image.

use crate::request::{ContentQualification, EncodeRequest};
use crate::segmentation::{SegmentObject, is_drawn};
use hilum_types::{Finding, Measurement, Presence, Segment};

/// Text of the Summary item: who speaks, what was looked for, what was seen, and that nobody has verified it.
pub(super) fn summary(request: &EncodeRequest<'_>, objects: &[SegmentObject]) -> String {
    let algorithm = request.algorithm;
    let mut lines = vec![format!(
        "{} {}: AI result, unverified. Assists reading; not a diagnosis.",
        algorithm.name, algorithm.version
    )];
    if request.content_qualification == ContentQualification::Research {
        lines.push("Research use only, not for clinical decisions.".to_owned());
    }
    if request.incomplete_input {
        lines.push("PARTIAL: images of the study were still missing.".to_owned());
    }
    lines.extend(request.cautions.iter().map(|caution| format!("CAUTION: {caution}")));
    lines.extend(lines_of_findings(request, objects));
    lines.join("\r\n")
}

/// One line per finding, present ones first; says so in words when none of them was seen.
fn lines_of_findings(request: &EncodeRequest<'_>, objects: &[SegmentObject]) -> Vec<String> {
    let findings = &request.output.findings;
    let mut lines = Vec::new();
    let all_absent = findings.iter().all(|finding| finding.presence == Presence::Absent);
    if !findings.is_empty() && all_absent {
        lines.push("Analysed, nothing found at the operating points below.".to_owned());
    }
    lines.extend(ordered(findings).into_iter().map(finding_line));
    let segments = request.output.segments.iter().enumerate();
    lines.extend(segments.map(|(index, segment)| segment_line(segment, is_drawn(objects, index))));
    lines
}

/// `Lung: segmented, Area 231 cm2`.
pub(crate) fn segment_line(segment: &Segment, drawn: bool) -> String {
    let found = if drawn { "segmented" } else { "nothing segmented" };
    let measured: String = segment.measurements.iter().map(measurement).collect();
    format!("{}: {found}{measured}", segment.property_type.meaning)
}

/// `Nodule: present, score 0.91 (operating point 0.5)`.
pub(crate) fn finding_line(finding: &Finding) -> String {
    let presence = match finding.presence {
        Presence::Present => "present",
        Presence::Absent => "absent",
        Presence::Indeterminate => "indeterminate, the model abstains",
    };
    let score = finding.score.map(|score| format!(", score {}", number(score))).unwrap_or_default();
    let point = finding.operating_point.map(|p| format!(" (operating point {})", number(p))).unwrap_or_default();
    let measured: String = finding.measurements.iter().map(measurement).collect();
    format!("{}: {presence}{score}{point}{measured}", finding.concept.meaning)
}

/// `, Area 231 cm2`.
fn measurement(measurement: &Measurement) -> String {
    let unit = if measurement.unit.value == "1" { String::new() } else { format!(" {}", measurement.unit.value) };
    format!(", {} {}{unit}", measurement.concept.meaning, number(measurement.value))
}

/// Present findings first, then those the model abstained on; otherwise the order of the model.
pub(crate) fn ordered(findings: &[Finding]) -> Vec<&Finding> {
    let mut ordered: Vec<&Finding> = findings.iter().collect();
    ordered.sort_by_key(|finding| match finding.presence {
        Presence::Present => 0,
        Presence::Indeterminate => 1,
        Presence::Absent => 2,
    });
    ordered
}

/// Three significant digits without trailing zeros: enough for a reader, and the same on every machine.
fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = (2 - magnitude).clamp(0, 6) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_read_well() {
        let text: Vec<String> = [0.0, 0.5, 0.123456, 12.0, 1234.5, 0.000123, -3.25].into_iter().map(number).collect();
        assert_eq!(text, ["0", "0.5", "0.123", "12", "1234", "0.000123", "-3.25"]);
    }
}
