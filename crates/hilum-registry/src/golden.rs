//! Golden cases: inputs of a package with the outputs they must give, replayed at import and at every load (AV-07).

use crate::tensor::{Tensor, TensorError};
use hilum_types::{Finding, ModelOutput};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The schema number of `case.toml` this version reads.
pub const GOLDEN_SCHEMA: u32 = 1;

/// Fewest cases of a package.
pub const GOLDEN_CASES_MIN: usize = 3;

/// Folder of the cases within a package; each case is a folder below it.
pub const GOLDEN_FOLDER: &str = "hilum/golden";

/// `hilum/golden/<case>/case.toml`: one run of the model and everything it must give.
///
/// A case starts from DICOM files (`images`), from tensors (`input`), or from both: then the files must prepare to
/// the tensors within `tolerance.input`. All file names are names within the folder of the case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenCase {
    /// Always [`GOLDEN_SCHEMA`].
    pub schema: u32,
    /// What the case shows, such as "opacity in the left lower field".
    #[serde(default)]
    pub description: String,
    /// DICOM files (PS3.10) of one study, without patient data; exactly one for `images = "each"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Input tensors after preprocessing, as [`Tensor`] files.
    #[serde(default, rename = "input", skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<GoldenTensor>,
    /// Every output tensor the manifest names, as [`Tensor`] files.
    #[serde(rename = "raw_output")]
    pub raw_outputs: Vec<GoldenTensor>,
    /// [`ModelOutput`] as JSON: findings with scores, locations and measurements, segments without their masks.
    pub final_output: String,
    /// How far a replay may be off.
    #[serde(default)]
    pub tolerance: Tolerance,
}

/// A tensor of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenTensor {
    /// Name in the ONNX graph.
    pub tensor: String,
    /// File of the case that holds it.
    pub file: String,
}

/// `[tolerance]`: largest differences allowed, absolute unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// Elements of prepared input tensors.
    pub input: f64,
    /// Elements of raw outputs: `raw + raw_relative * |expected|`.
    pub raw: f64,
    /// The relative part of the allowance for raw outputs.
    pub raw_relative: f64,
    /// Scores.
    pub score: f64,
    /// Edges of locations, in pixels.
    pub location: f64,
    /// Measurements, relative to the expected value.
    pub measurement_relative: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Tolerance { input: 1e-3, raw: 1e-4, raw_relative: 1e-4, score: 1e-4, location: 1.0, measurement_relative: 5e-3 }
    }
}

/// A golden case with its files read.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// Name of its folder.
    pub name: String,
    /// `case.toml`.
    pub case: GoldenCase,
    /// Bytes of the DICOM files, in the order of `case.images`.
    pub images: Vec<Vec<u8>>,
    /// Input tensors by name.
    pub inputs: BTreeMap<String, Tensor>,
    /// Raw outputs by tensor name.
    pub raw_outputs: BTreeMap<String, Tensor>,
    /// The final output.
    pub final_output: ModelOutput,
}

/// A golden case cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoldenError {
    /// Not TOML, or a key is missing, unknown or of the wrong type.
    #[error("golden case {case}: case.toml cannot be read: {problem}")]
    Syntax {
        /// Name of the case.
        case: String,
        /// The parser's words with the line.
        problem: String,
    },
    /// Contents contradict each other or the manifest.
    #[error("golden case {case}: {problem}")]
    Invalid {
        /// Name of the case.
        case: String,
        /// Cause and remedy.
        problem: String,
    },
    /// A named file is not there.
    #[error("golden case {case}: file {file:?} is missing; record the case again")]
    Missing {
        /// Name of the case.
        case: String,
        /// The file.
        file: String,
    },
    /// A tensor file cannot be read.
    #[error("golden case {case}: file {file:?}")]
    Tensor {
        /// Name of the case.
        case: String,
        /// The file.
        file: String,
        /// What is wrong with it.
        #[source]
        source: TensorError,
    },
}

impl Golden {
    /// Read the case `name`; `read` gives the bytes of a file of its folder, `None` when there is none.
    ///
    /// # Errors
    /// [`GoldenError`] for the first thing that cannot be read.
    pub fn read(name: &str, read: &mut dyn FnMut(&str) -> Option<Vec<u8>>) -> Result<Golden, GoldenError> {
        let invalid = |problem: String| GoldenError::Invalid { case: name.to_owned(), problem };
        let syntax = |problem: String| GoldenError::Syntax { case: name.to_owned(), problem };
        let mut file = |file: &str| {
            if !is_plain_name(file) {
                return Err(invalid(format!("{file:?} is not a plain file name")));
            }
            read(file).ok_or_else(|| GoldenError::Missing { case: name.to_owned(), file: file.to_owned() })
        };
        let text = String::from_utf8(file("case.toml")?).map_err(|_| syntax("it is not UTF-8".to_owned()))?;
        let case: GoldenCase = toml::from_str(&text).map_err(|e| syntax(e.to_string()))?;
        if case.schema != GOLDEN_SCHEMA {
            return Err(invalid(format!("schema is {}, this version of Hilum reads {GOLDEN_SCHEMA}", case.schema)));
        }
        if case.images.is_empty() && case.inputs.is_empty() {
            return Err(invalid("it has neither images nor input tensors; give one of them".to_owned()));
        }
        if case.raw_outputs.is_empty() {
            return Err(invalid("it has no [[raw_output]]".to_owned()));
        }
        let images = case.images.iter().map(|name| file(name)).collect::<Result<_, _>>()?;
        let mut tensors = |list: &[GoldenTensor]| {
            let mut read = BTreeMap::new();
            for entry in list {
                let tensor = Tensor::decode(&file(&entry.file)?).map_err(|source| GoldenError::Tensor {
                    case: name.to_owned(),
                    file: entry.file.clone(),
                    source,
                })?;
                if read.insert(entry.tensor.clone(), tensor).is_some() {
                    return Err(invalid(format!("tensor {:?} is given twice", entry.tensor)));
                }
            }
            Ok(read)
        };
        let inputs = tensors(&case.inputs)?;
        let raw_outputs = tensors(&case.raw_outputs)?;
        let final_output = serde_json::from_slice(&file(&case.final_output)?)
            .map_err(|e| invalid(format!("{:?} is not a model output: {e}", case.final_output)))?;
        Ok(Golden { name: name.to_owned(), case, images, inputs, raw_outputs, final_output })
    }

    /// How a replayed raw output differs from the recorded one; empty when it agrees.
    pub fn raw_differences(&self, tensor: &str, actual: &Tensor) -> Option<String> {
        let Some(expected) = self.raw_outputs.get(tensor) else {
            return Some(format!("output {tensor:?} is not recorded; record the case again"));
        };
        let allowed = self.case.tolerance;
        tensor_difference(tensor, expected, actual, allowed.raw, allowed.raw_relative)
    }

    /// How a prepared input differs from the recorded one; `None` when it agrees or none was recorded.
    pub fn input_difference(&self, tensor: &str, actual: &Tensor) -> Option<String> {
        let expected = self.inputs.get(tensor)?;
        tensor_difference(tensor, expected, actual, self.case.tolerance.input, 0.0)
    }

    /// How a replayed final output differs from the recorded one; empty when it agrees.
    pub fn output_differences(&self, actual: &ModelOutput) -> Vec<String> {
        output_differences(&self.final_output, actual, &self.case.tolerance)
    }
}

/// Whether `name` is a file name without a folder: letters, digits, `-`, `_` and `.`, not starting with a dot.
fn is_plain_name(name: &str) -> bool {
    let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(letters)
}

/// The largest difference of two tensors beyond `absolute + relative * |expected|`, in words; `None` when they agree.
///
/// A value that is not a number agrees with nothing.
pub fn tensor_difference(
    name: &str,
    expected: &Tensor,
    actual: &Tensor,
    absolute: f64,
    relative: f64,
) -> Option<String> {
    if expected.shape() != actual.shape() {
        return Some(format!("{name:?} has shape {:?}, recorded was {:?}", actual.shape(), expected.shape()));
    }
    let mut worst: Option<(usize, f64)> = None;
    let mut note = |position: usize, expected: f64, actual: f64| {
        let excess = (actual - expected).abs() - (absolute + relative * expected.abs());
        let excess = if excess.is_nan() { f64::INFINITY } else { excess };
        if 0.0 < excess && worst.is_none_or(|(_, most)| most < excess) {
            worst = Some((position, excess));
        }
    };
    let (expected, actual) = (expected.to_f64(), actual.to_f64());
    for (position, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
        note(position, *expected, *actual);
    }
    let (position, _) = worst?;
    Some(format!("{name:?} is {} at position {position}, recorded was {}", actual[position], expected[position]))
}

fn output_differences(expected: &ModelOutput, actual: &ModelOutput, allowed: &Tolerance) -> Vec<String> {
    let mut differences = Vec::new();
    let labels = |output: &ModelOutput| -> BTreeSet<String> {
        let findings = output.findings.iter().map(|f| format!("finding {}", f.label));
        findings.chain(output.segments.iter().map(|s| format!("segment {}", s.label))).collect()
    };
    let (wanted, given) = (labels(expected), labels(actual));
    differences.extend(wanted.difference(&given).map(|label| format!("{label} is missing")));
    differences.extend(given.difference(&wanted).map(|label| format!("{label} was not recorded")));
    for expected in &expected.findings {
        if let Some(actual) = actual.findings.iter().find(|f| f.label == expected.label) {
            finding_differences(expected, actual, allowed, &mut differences);
        }
    }
    for expected in &expected.segments {
        let Some(actual) = actual.segments.iter().find(|s| s.label == expected.label) else { continue };
        let at = format!("segment {}", expected.label);
        if (&expected.category, &expected.property_type) != (&actual.category, &actual.property_type) {
            differences.push(format!("{at}: codes differ from the recorded ones"));
        }
        measurement_differences(&at, &expected.measurements, &actual.measurements, allowed, &mut differences);
    }
    differences
}

fn finding_differences(expected: &Finding, actual: &Finding, allowed: &Tolerance, differences: &mut Vec<String>) {
    let at = format!("finding {}", expected.label);
    if expected.concept != actual.concept {
        differences.push(format!("{at}: its code differs from the recorded one"));
    }
    let close = match (expected.score, actual.score) {
        (Some(expected), Some(actual)) => (expected - actual).abs() <= allowed.score,
        (expected, actual) => expected == actual,
    };
    if !close {
        differences.push(format!("{at}: score is {:?}, recorded was {:?}", actual.score, expected.score));
    }
    // A score within the tolerance of the operating point may fall on either side of it.
    let near = |score: Option<f64>| match (score, expected.operating_point) {
        (Some(score), Some(point)) => (score - point).abs() <= allowed.score,
        _ => false,
    };
    if expected.presence != actual.presence && !near(expected.score) {
        differences.push(format!("{at}: it is {:?}, recorded was {:?}", actual.presence, expected.presence));
    }
    let boxes = (expected.location.as_ref(), actual.location.as_ref());
    let far = |a: &[f64; 4], b: &[f64; 4]| !a.iter().zip(b).all(|(a, b)| (a - b).abs() <= allowed.location);
    match boxes {
        (Some(expected), Some(actual)) if far(&expected.bounding_box, &actual.bounding_box) => differences
            .push(format!("{at}: box is {:?}, recorded was {:?}", actual.bounding_box, expected.bounding_box)),
        (Some(_), None) => differences.push(format!("{at}: its location is missing")),
        (None, Some(_)) => differences.push(format!("{at}: a location was not recorded")),
        _ => {}
    }
    measurement_differences(&at, &expected.measurements, &actual.measurements, allowed, differences);
}

fn measurement_differences(
    at: &str,
    expected: &[hilum_types::Measurement],
    actual: &[hilum_types::Measurement],
    allowed: &Tolerance,
    differences: &mut Vec<String>,
) {
    if expected.len() != actual.len() {
        differences.push(format!("{at}: {} measurements, recorded were {}", actual.len(), expected.len()));
        return;
    }
    for (expected, actual) in expected.iter().zip(actual) {
        let same = (&expected.concept, &expected.unit) == (&actual.concept, &actual.unit);
        let close = (expected.value - actual.value).abs() <= allowed.measurement_relative * expected.value.abs();
        if !same || !close {
            let meaning = &expected.concept.meaning;
            differences.push(format!("{at}: {meaning} is {}, recorded was {}", actual.value, expected.value));
        }
    }
}
