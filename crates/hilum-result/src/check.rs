//! Whether a request can be encoded at all, before anything is built.

use crate::common;
use crate::request::{ContentQualification, EncodeRequest, ResultError};
use hilum_types::{CodedConcept, Finding, ImageReference, Measurement, Segment, Uid};
use std::collections::HashMap;

/// Refuse what cannot be written truthfully.
///
/// # Errors
/// The first thing that is wrong; see [`ResultError`].
pub(crate) fn check(request: &EncodeRequest<'_>) -> Result<(), ResultError> {
    let first = request.source.first().ok_or(ResultError::NoSource)?.header;
    if request.source.iter().any(|image| image.header.study_instance_uid != first.study_instance_uid) {
        return Err(ResultError::MixedStudies);
    }
    if let ContentQualification::Product { regulatory_status } = request.content_qualification {
        if regulatory_status.trim().is_empty() {
            return Err(ResultError::ProductWithoutRegulatoryStatus);
        }
        text("regulatory status", regulatory_status, 900)?;
    }
    if request.output.findings.is_empty() && request.output.segments.is_empty() {
        return Err(ResultError::EmptyOutput);
    }
    common::check_identity(first)?;
    algorithm(request)?;
    code("language", &request.language)?;
    request.procedure.as_ref().map_or(Ok(()), |procedure| code("procedure", procedure))?;
    let sources: HashMap<&Uid, (&Uid, &Uid)> = request
        .source
        .iter()
        .map(|image| {
            let header = image.header;
            (&header.sop_instance_uid, (&header.sop_class_uid, &header.series_instance_uid))
        })
        .collect();
    let known = |what: &str, image: &ImageReference| {
        let known = sources.get(&image.sop_instance_uid) == Some(&(&image.sop_class_uid, &image.series_instance_uid));
        if known { Ok(()) } else { Err(ResultError::ImageNotInSource(what.to_owned())) }
    };
    request.output.inputs.iter().try_for_each(|image| known("the list of inputs", image))?;
    request.output.findings.iter().try_for_each(|one| finding(one, known))?;
    request.output.segments.iter().try_for_each(|one| segment(one, known))
}

fn algorithm(request: &EncodeRequest<'_>) -> Result<(), ResultError> {
    let algorithm = request.algorithm;
    for (what, value) in [
        ("model name", &algorithm.name),
        ("model version", &algorithm.version),
        ("package digest", &algorithm.package_digest),
        ("deployment", &algorithm.deployment),
        ("manufacturer", &algorithm.manufacturer),
    ] {
        text(what, value, 64)?;
    }
    let length: usize =
        algorithm.parameters.iter().map(|(name, value)| name.chars().count() + value.chars().count() + 3).sum();
    algorithm.parameters.iter().try_for_each(|(name, value)| {
        text("parameter name", name, 256)?;
        text("parameter value", value, 1024)
    })?;
    // Algorithm Parameters (0066,0032) is LT: 10240 characters, of which the package digest takes some.
    if 10_000 < length { Err(bad("the parameters together", "are longer than 10000 characters")) } else { Ok(()) }
}

fn finding(
    finding: &Finding,
    known: impl Fn(&str, &ImageReference) -> Result<(), ResultError>,
) -> Result<(), ResultError> {
    let what = format!("finding {:?}", finding.label);
    text(&what, &finding.label, 64)?;
    code(&what, &finding.concept)?;
    let probability = |value: Option<f64>| value.is_none_or(|value| (0.0..=1.0).contains(&value));
    if !probability(finding.score) || !probability(finding.operating_point) {
        return Err(bad(&what, "has a score or operating point outside 0 to 1"));
    }
    measurements(&what, &finding.measurements)?;
    if let Some(location) = &finding.location {
        known(&what, &location.image)?;
        let [left, top, right, bottom] = location.bounding_box;
        let finite = location.bounding_box.iter().all(|edge| edge.is_finite());
        if !finite || right < left || bottom < top {
            return Err(bad(&what, "has a bounding box that is not left, top, right, bottom"));
        }
    }
    finding.images.iter().try_for_each(|image| known(&what, image))
}

fn segment(
    segment: &Segment,
    known: impl Fn(&str, &ImageReference) -> Result<(), ResultError>,
) -> Result<(), ResultError> {
    let what = format!("segment {:?}", segment.label);
    text(&what, &segment.label, 56)?;
    code(&what, &segment.category)?;
    code(&what, &segment.property_type)?;
    measurements(&what, &segment.measurements)?;
    segment.masks.iter().try_for_each(|mask| known(&what, &mask.image))
}

fn measurements(what: &str, measurements: &[Measurement]) -> Result<(), ResultError> {
    measurements.iter().try_for_each(|measurement| {
        code(what, &measurement.concept)?;
        code(what, &measurement.unit)?;
        if measurement.value.is_finite() { Ok(()) } else { Err(bad(what, "has a measurement that is not a number")) }
    })
}

/// All three parts, within their VR (PS3.3 section 8).
fn code(what: &str, code: &CodedConcept) -> Result<(), ResultError> {
    for (part, content, max) in [
        ("code value", &code.value, 1024),
        ("coding scheme designator", &code.scheme, 16),
        ("code meaning", &code.meaning, 64),
    ] {
        text(&format!("{part} of {what}"), content, max)?;
    }
    Ok(())
}

fn text(what: &str, text: &str, max: usize) -> Result<(), ResultError> {
    if text.trim().is_empty() {
        return Err(bad(what, "is empty"));
    }
    if max < text.chars().count() {
        return Err(bad(what, "is longer than its attribute allows"));
    }
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return Err(bad(what, "holds a backslash or a control character"));
    }
    Ok(())
}

fn bad(what: &str, problem: &'static str) -> ResultError {
    ResultError::BadValue { what: what.to_owned(), problem }
}
