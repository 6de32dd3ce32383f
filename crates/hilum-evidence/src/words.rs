//! What a manifest says, in words for people.

use hilum_registry::manifest::{Calibration, OutputSpec, RegulatoryStatus, Runtime};
use hilum_registry::{IntendedUse, Manifest};
use hilum_sign::{Approvals, Record, approvals};
use hilum_types::CodedConcept;
use serde_json::Value;

/// The criteria of an intended use, one line each, such as `Modality: DX or CR`.
pub(crate) fn intended_use(intended: &IntendedUse) -> Vec<String> {
    let mut lines = Vec::new();
    let lists = [
        ("Modality", &intended.modality),
        ("Body part", &intended.body_part),
        ("View", &intended.view),
        ("Sex", &intended.sex),
        ("Manufacturer", &intended.manufacturer),
        ("Convolution kernel", &intended.kernel),
    ];
    for (name, allowed) in lists.into_iter().filter(|(_, allowed)| !allowed.is_empty()) {
        lines.push(format!("{name}: {}", allowed.join(" or ")));
    }
    let ranges = [
        ("Age", "years", intended.age_years_min, intended.age_years_max),
        ("Pixel spacing", "mm", intended.pixel_spacing_mm_min, intended.pixel_spacing_mm_max),
        ("Slice thickness", "mm", intended.slice_thickness_mm_min, intended.slice_thickness_mm_max),
        ("Images in the series", "", intended.images_min.map(f64::from), intended.images_max.map(f64::from)),
    ];
    for (name, unit, low, high) in ranges {
        let range = match (low, high) {
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (Some(low), None) => format!("{low} or more"),
            (None, Some(high)) => format!("{high} or less"),
            (None, None) => continue,
        };
        lines.push(format!("{name}: {range} {unit}").trim_end().to_owned());
    }
    match intended.contrast {
        Some(true) => lines.push("Contrast agent: must be stated".to_owned()),
        Some(false) => lines.push("Contrast agent: must not be stated".to_owned()),
        None => {}
    }
    if intended.synthetic_data {
        lines.push("Synthetic images are taken".to_owned());
    }
    lines
}

/// What a deployment declares that narrows it, from its JSON; empty when it narrows nothing.
pub(crate) fn intended_use_of(value: Option<&Value>) -> Vec<String> {
    let read = value.and_then(|value| serde_json::from_value::<IntendedUse>(value.clone()).ok());
    read.map(|intended| intended_use(&intended)).unwrap_or_default()
}

/// `Solitary nodule of lung (427359005, SCT)`.
fn concept(concept: &CodedConcept) -> String {
    format!("{} ({}, {})", concept.meaning, concept.value, concept.scheme)
}

/// What comes out, one line per finding, structure or number.
pub(crate) fn outputs(manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    for output in &manifest.outputs {
        match output {
            OutputSpec::Classification(classification) => {
                for finding in &classification.findings {
                    let calibration = match finding.calibration {
                        None => String::new(),
                        Some(Calibration::Temperature { temperature }) => {
                            format!(", calibrated by temperature {temperature}")
                        }
                        Some(Calibration::Platt { slope, intercept }) => {
                            format!(", calibrated by slope {slope} and intercept {intercept}")
                        }
                    };
                    let abstains = finding
                        .indeterminate
                        .map_or(String::new(), |band| format!(", no answer from {} to {}", band.low, band.high));
                    lines.push(format!(
                        "Finding `{}`: {}, score 0 to 1, present at or above {}{calibration}{abstains}",
                        finding.label,
                        concept(&finding.concept),
                        finding.operating_point
                    ));
                }
            }
            OutputSpec::Segmentation(segmentation) => {
                for segment in &segmentation.segments {
                    lines.push(format!("Segment `{}`: {}", segment.label, concept(&segment.property_type)));
                }
            }
            OutputSpec::Heatmap(heatmap) => lines.push(format!("Location of finding `{}` as a box", heatmap.finding)),
            OutputSpec::Embedding(_) => lines.push("Feature vector, kept for monitoring and never shown".to_owned()),
            OutputSpec::Quantity(quantity) => lines.push(format!("One number, from tensor `{}`", quantity.tensor)),
        }
    }
    if manifest.dicom_node().is_some() {
        lines.push("Result objects of the product, taken as they come".to_owned());
    }
    lines
}

/// What goes in, one line per input.
pub(crate) fn inputs(manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    for input in &manifest.inputs {
        let value = serde_json::to_value(input).unwrap_or_default();
        let word = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let steps: Vec<&str> = value["preprocess"]
            .as_array()
            .map(|steps| steps.iter().filter_map(|step| step["op"].as_str()).collect())
            .unwrap_or_default();
        let images = match word("images").as_str() {
            "each" => "every image of the series",
            "first" => "the first image of the series",
            _ => "the whole series as a volume",
        };
        lines.push(format!(
            "Tensor `{}`: {images}, {} {}, prepared by {}",
            input.tensor,
            word("layout"),
            word("dtype"),
            steps.join(", ")
        ));
    }
    if let Some(node) = manifest.dicom_node() {
        lines.push(format!("Whole series, sent by DICOM to {}", node.ae_title));
    }
    lines
}

/// Where the model runs.
pub(crate) fn runtime(manifest: &Manifest) -> String {
    match &manifest.runtime {
        None => "ONNX graph of the package, run inside Hilum".to_owned(),
        Some(Runtime::Oip(oip)) => {
            format!("model {} {} on a server of Open Inference Protocol v2", oip.model, oip.version)
        }
        Some(Runtime::DicomNode(node)) => format!("product behind the DICOM node {}", node.ae_title),
    }
}

/// What one run may cost.
pub(crate) fn resources(manifest: &Manifest) -> String {
    let limits = manifest.resources;
    format!("at most {} MiB, {} s and {} threads a run", limits.memory_mb, limits.deadline_seconds, limits.threads)
        .replace(" 1 threads", " 1 thread")
}

/// The regulatory status that the maker states (GV-09).
pub(crate) fn regulatory(manifest: &Manifest) -> String {
    let status = match manifest.regulatory.status {
        RegulatoryStatus::ResearchOnly => "Research only: not a medical device",
        RegulatoryStatus::Ce => "CE marked",
        RegulatoryStatus::Fda => "Cleared, approved or authorised by the FDA",
        RegulatoryStatus::InHouse => "Made and used within one institution (MDR article 5(5))",
    };
    let mut text = format!("{status}, as its maker states");
    if let Some(identifier) = &manifest.regulatory.identifier {
        text.push_str(&format!("; identifier {identifier}"));
    }
    if let Some(expires) = manifest.regulatory.expires {
        text.push_str(&format!("; until {}", expires.day()));
    }
    text
}

/// Who approved a record, or what is missing.
pub(crate) fn approval(record: &Record) -> String {
    let Approvals { clinical, technical, missing, .. } = approvals(record);
    match (clinical, technical) {
        (Some(clinical), Some(technical)) if missing.is_empty() => {
            format!("approved by {clinical} (clinical) and {technical} (technical)")
        }
        _ => format!("not approved: {}", missing.join(", ")),
    }
}

/// Lines as a Markdown list.
pub(crate) fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("* {line}")).collect::<Vec<_>>().join("\n")
}

/// `1 case`, `2 cases`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A number for people: at most four significant digits, no trailing zeros.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 6);
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
