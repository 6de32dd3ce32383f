use hilum_types::CodedConcept;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `[[output]]`: what one output tensor means. Unnamed output tensors are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OutputSpec {
    /// Scores, one number per class.
    Classification(ClassificationOutput),
    /// Label maps on the grid of the input.
    Segmentation(SegmentationOutput),
    /// Where a finding is.
    Heatmap(HeatmapOutput),
    /// A feature vector kept for monitoring; it is never shown.
    Embedding(EmbeddingOutput),
    /// A regressed number.
    Quantity(QuantityOutput),
}

impl OutputSpec {
    /// Name of the tensor in the ONNX graph.
    pub fn tensor(&self) -> &str {
        match self {
            OutputSpec::Classification(output) => &output.tensor,
            OutputSpec::Segmentation(output) => &output.tensor,
            OutputSpec::Heatmap(output) => &output.tensor,
            OutputSpec::Embedding(output) => &output.tensor,
            OutputSpec::Quantity(output) => &output.tensor,
        }
    }
}

/// Function applied to raw model output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The graph gives what is wanted already.
    #[default]
    None,
    /// Logistic function of each value.
    Sigmoid,
    /// Softmax over the classes or channels.
    Softmax,
}

/// `kind = "classification"`: a tensor of shape `[1, classes]` or `[1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassificationOutput {
    /// Name of the tensor.
    pub tensor: String,
    /// Applied to all values before the findings read theirs.
    #[serde(default)]
    pub activation: Activation,
    /// How the scores of several images (`images = "each"`) become one.
    #[serde(default)]
    pub combine: Combine,
    /// What the values mean.
    #[serde(rename = "finding")]
    pub findings: Vec<FindingSpec>,
}

/// How scores of several images become one of the study.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The largest.
    #[default]
    Max,
    /// The mean.
    Mean,
}

/// `[[output.finding]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingSpec {
    /// Short stable name within the package: 1 to 64 lower-case letters, digits, `-` or `_`.
    pub label: String,
    /// What the finding is.
    pub concept: CodedConcept,
    /// Which value is its score.
    #[serde(default)]
    pub score: ScoreSource,
    /// Threshold on the calibrated score, in 0 to 1: at or above it the finding is present.
    pub operating_point: f64,
    /// Map from the model's value to a probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Calibrated scores for which the model abstains (MV-33).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indeterminate: Option<IndeterminateBand>,
}

/// Which value of a classification tensor is a finding's score, after the activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "take", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScoreSource {
    /// The value at `index`.
    Index {
        /// Position of the class, from 0.
        index: usize,
    },
    /// One minus the value at `index`, such as "not normal".
    OneMinus {
        /// Position of the class, from 0.
        index: usize,
    },
    /// The sum over several classes, held to 0 to 1.
    Sum {
        /// Positions of the classes, from 0.
        indices: Vec<usize>,
    },
}

impl Default for ScoreSource {
    fn default() -> Self {
        ScoreSource::Index { index: 0 }
    }
}

/// Map from a model's probability `p` to a calibrated one, by its logit `ln(p / (1 - p))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibration {
    /// `sigmoid(logit / temperature)`.
    Temperature {
        /// Above 0.
        temperature: f64,
    },
    /// `sigmoid(slope * logit + intercept)` (Platt).
    Platt {
        /// Slope, above 0 so that the order is kept.
        slope: f64,
        /// Intercept.
        intercept: f64,
    },
}

/// Scores from `low` up to, not including, `high` are neither present nor absent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndeterminateBand {
    /// Smallest score of the band.
    pub low: f64,
    /// First score above the band.
    pub high: f64,
}

/// `kind = "segmentation"`: a tensor of shape `[1, channels, rows, columns]` or `[1, channels, d, h, w]`.
///
/// Channels are brought back to the source grid, then thresholded or compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationOutput {
    /// Name of the tensor.
    pub tensor: String,
    /// Applied to every voxel's channels.
    #[serde(default)]
    pub activation: Activation,
    /// A voxel belongs to a segment when its value is above this; left out: to the channel with the largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// How values are brought back to the source grid.
    #[serde(default)]
    pub resize: GridInterpolation,
    /// The structures.
    #[serde(rename = "segment")]
    pub segments: Vec<SegmentSpec>,
}

/// Interpolation on the way back to the source grid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GridInterpolation {
    /// Linear between the centres of the model's pixels or voxels, before the threshold.
    #[default]
    Linear,
    /// Nearest centre, after the threshold.
    Nearest,
}

/// `[[output.segment]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentSpec {
    /// Short stable name within the package.
    pub label: String,
    /// Channel of the tensor, from 0.
    #[serde(default)]
    pub channel: usize,
    /// Property category, such as (123037004, SCT, "Anatomical Structure").
    pub category: CodedConcept,
    /// Property type, such as (39607008, SCT, "Lung").
    pub property_type: CodedConcept,
    /// Recommended display colour, red green blue.
    pub display_rgb: [u8; 3],
    /// Number computed from the mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<SegmentMeasurement>,
}

/// Number computed from a mask; left out of a result when the spacing that it needs is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentMeasurement {
    /// Volume in mL: (118565006, SCT, "Volume").
    Volume,
    /// Area in cm2 on a single image: (42798000, SCT, "Area"), at the detector plane for projection images.
    Area,
}

/// `kind = "heatmap"`: a tensor of shape `[1, channels, rows, columns]` that says where a finding is.
///
/// The box around the largest connected region at or above `threshold` becomes the location of the finding when it
/// is present, in pixels of the source image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeatmapOutput {
    /// Name of the tensor.
    pub tensor: String,
    /// Label of a finding of a classification output.
    pub finding: String,
    /// Channel, from 0.
    #[serde(default)]
    pub channel: usize,
    /// Applied to every value.
    #[serde(default)]
    pub activation: Activation,
    /// Values at or above it belong to the finding.
    pub threshold: f64,
}

/// `kind = "embedding"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingOutput {
    /// Name of the tensor.
    pub tensor: String,
}

/// `kind = "quantity"`: one number of the tensor, `scale * value + offset`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantityOutput {
    /// Name of the tensor.
    pub tensor: String,
    /// Position of the value, from 0.
    #[serde(default)]
    pub index: usize,
    /// Finding the number belongs to; left out: a finding of its own with this `label` and `concept`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Short stable name within the package.
    pub label: String,
    /// What was measured.
    pub concept: CodedConcept,
    /// Unit, scheme `UCUM`.
    pub unit: CodedConcept,
    /// Factor.
    #[serde(default = "one")]
    pub scale: f64,
    /// Added after the factor.
    #[serde(default)]
    pub offset: f64,
}

fn one() -> f64 {
    1.0
}

/// Positions and channels beyond this are a mistake.
const INDEX_MAX: usize = 65_535;

pub(super) fn problems(outputs: &[OutputSpec], volume: bool, problems: &mut Vec<String>) {
    let mut labels = BTreeSet::new();
    let mut findings = BTreeSet::new();
    for output in outputs {
        if let OutputSpec::Classification(classification) = output {
            findings.extend(classification.findings.iter().map(|finding| finding.label.as_str()));
        }
    }
    for output in outputs {
        let tensor = output.tensor();
        let mut add = |text: String| problems.push(format!("output {tensor:?}: {text}"));
        if tensor.is_empty() || 256 < tensor.len() {
            add("the tensor name is empty or over 256 bytes".to_owned());
        }
        match output {
            OutputSpec::Classification(classification) => {
                if classification.findings.is_empty() {
                    add("classification without [[output.finding]]".to_owned());
                }
                for finding in &classification.findings {
                    finding.problems(&mut add);
                    label(&finding.label, &mut labels, &mut add);
                }
            }
            OutputSpec::Segmentation(segmentation) => {
                segmentation.problems(volume, &mut add);
                for segment in &segmentation.segments {
                    label(&segment.label, &mut labels, &mut add);
                }
            }
            OutputSpec::Heatmap(heatmap) => {
                if volume {
                    add("a heatmap is for single images; use a segmentation for volumes".to_owned());
                }
                if !findings.contains(heatmap.finding.as_str()) {
                    add(format!("finding {:?} is declared by no classification output", heatmap.finding));
                }
                if !heatmap.threshold.is_finite() || INDEX_MAX < heatmap.channel {
                    add("threshold must be finite and channel at most 65535".to_owned());
                }
            }
            OutputSpec::Embedding(_) => {}
            OutputSpec::Quantity(quantity) => {
                match &quantity.finding {
                    Some(finding) if !findings.contains(finding.as_str()) => {
                        add(format!("finding {finding:?} is declared by no classification output"));
                    }
                    Some(_) => {}
                    None => label(&quantity.label, &mut labels, &mut add),
                }
                if !quantity.scale.is_finite() || !quantity.offset.is_finite() || INDEX_MAX < quantity.index {
                    add("scale and offset must be finite and index at most 65535".to_owned());
                }
                concept("concept", &quantity.concept, &mut add);
                concept("unit", &quantity.unit, &mut add);
            }
        }
    }
}

fn label<'a>(text: &'a str, seen: &mut BTreeSet<&'a str>, add: &mut impl FnMut(String)) {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if text.is_empty() || 64 < text.len() || !text.bytes().all(letters) {
        add(format!("label {text:?} must be 1 to 64 lower-case letters, digits, '-' or '_'"));
    }
    if !seen.insert(text) {
        add(format!("label {text:?} is used twice in this package"));
    }
}

/// The long form of a code is not written, so the short form's limits hold (PS3.3 table 8.8-1a).
fn concept(name: &str, concept: &CodedConcept, add: &mut impl FnMut(String)) {
    let fits = |text: &str, max| (1..=max).contains(&text.trim().chars().count()) && !text.contains('\\');
    if !fits(&concept.value, 16) || !fits(&concept.scheme, 16) || !fits(&concept.meaning, 64) {
        add(format!("{name}: value and scheme take 1 to 16 characters, meaning 1 to 64, none a backslash"));
    }
}

impl FindingSpec {
    fn problems(&self, add: &mut impl FnMut(String)) {
        let name = format!("finding {:?}", self.label);
        concept(&name, &self.concept, add);
        if !(0.0..=1.0).contains(&self.operating_point) {
            add(format!("{name}: operating_point is {}; it must be in 0 to 1", self.operating_point));
        }
        let largest = match &self.score {
            ScoreSource::Index { index } | ScoreSource::OneMinus { index } => Some(*index),
            ScoreSource::Sum { indices } => indices.iter().copied().max(),
        };
        if largest.is_none_or(|index| INDEX_MAX < index) {
            add(format!("{name}: score needs at least one index, at most 65535"));
        }
        let calibration_good = match self.calibration {
            None => true,
            Some(Calibration::Temperature { temperature }) => temperature.is_finite() && 0.0 < temperature,
            Some(Calibration::Platt { slope, intercept }) => slope.is_finite() && 0.0 < slope && intercept.is_finite(),
        };
        if !calibration_good {
            add(format!("{name}: temperature or slope must be above 0 and finite"));
        }
        if let Some(band) = self.indeterminate
            && !(0.0 <= band.low && band.low < band.high && band.high <= 1.0)
        {
            add(format!("{name}: indeterminate needs 0 <= low < high <= 1"));
        }
    }
}

impl SegmentationOutput {
    fn problems(&self, volume: bool, add: &mut impl FnMut(String)) {
        if self.segments.is_empty() {
            add("segmentation without [[output.segment]]".to_owned());
        }
        if self.threshold.is_some_and(|t| !t.is_finite()) {
            add("threshold must be finite".to_owned());
        }
        for segment in &self.segments {
            let name = format!("segment {:?}", segment.label);
            concept(&format!("{name} category"), &segment.category, add);
            concept(&format!("{name} property_type"), &segment.property_type, add);
            if INDEX_MAX < segment.channel {
                add(format!("{name}: channel is at most 65535"));
            }
            match (segment.measurement, volume) {
                (Some(SegmentMeasurement::Volume), false) => add(format!("{name}: volume needs a volume input")),
                (Some(SegmentMeasurement::Area), true) => add(format!("{name}: area is for single images")),
                _ => {}
            }
        }
    }
}
