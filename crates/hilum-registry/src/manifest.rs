//! The manifest of a model package, `hilum/package.toml`: what goes in, how it is prepared, what comes out, and limits.

mod input;
mod output;
mod preprocess;
mod runtime;

pub use input::{ElementType, ImageChoice, InputSpec, Layout, Plane, SeriesSelect};
pub use output::{
    Activation, Calibration, ClassificationOutput, Combine, EmbeddingOutput, FindingSpec, GridInterpolation,
    HeatmapOutput, IndeterminateBand, OutputSpec, QuantityOutput, ScoreSource, SegmentMeasurement, SegmentSpec,
    SegmentationOutput,
};
pub use preprocess::{Interpolation, PreprocessStep, ResizeFilter, VoiFunction};
pub use runtime::{DicomNodeRuntime, OipProtocol, OipRuntime, Runtime};

use crate::intended_use::IntendedUse;
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The schema number this version reads.
pub const MANIFEST_SCHEMA: u32 = 1;

/// `hilum/package.toml`. Unknown keys are refused by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`MANIFEST_SCHEMA`].
    pub schema: u32,
    /// Who made which model.
    pub package: PackageInfo,
    /// Regulatory status the maker states.
    #[serde(default)]
    pub regulatory: Regulatory,
    /// Studies the model may be used on; criteria left out say nothing.
    #[serde(default)]
    pub intended_use: IntendedUse,
    /// Where the model runs; left out: it is the graph of this package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Input tensors, each with the images it is made from.
    #[serde(default, rename = "input")]
    pub inputs: Vec<InputSpec>,
    /// What the output tensors mean. An output tensor of the model that is not named here is not used.
    #[serde(default, rename = "output")]
    pub outputs: Vec<OutputSpec>,
    /// What one run may cost.
    #[serde(default)]
    pub resources: Resources,
    /// When the package may no longer be used.
    #[serde(default)]
    pub expiry: Expiry,
}

/// `[package]`: name and maker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageInfo {
    /// Model name: 1 to 64 letters, digits, `-`, `_` or `.`.
    pub name: String,
    /// Version as its maker numbers it, at most 64 characters.
    pub version: String,
    /// Name for people.
    pub title: String,
    /// Maker, written as Manufacturer (0008,0070) of the result objects.
    pub manufacturer: String,
    /// SPDX licence expression, or words.
    pub license: String,
    /// What it does, in a sentence or two.
    pub description: String,
}

/// `[regulatory]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regulatory {
    /// Status; `research-only` when not stated.
    #[serde(default)]
    pub status: RegulatoryStatus,
    /// Certificate, clearance or device identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// End of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// On what footing a model may be used on patients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegulatoryStatus {
    /// Not a medical device: research, demonstration, tests.
    #[default]
    ResearchOnly,
    /// CE marked (MDR, IVDR).
    Ce,
    /// Cleared, approved or authorised by the FDA.
    Fda,
    /// Made and used within one health institution (MDR article 5(5)).
    InHouse,
}

/// `[resources]`: limits of one run. A run that exceeds one ends as `Failed(limit)` (AV-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Memory for decoded images, tensors and the model's own work, in MiB.
    pub memory_mb: u32,
    /// Wall time from the first pixel to the final output, in seconds.
    pub deadline_seconds: u32,
    /// Threads the engine may use; 1 unless stated.
    pub threads: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Resources { memory_mb: 2048, deadline_seconds: 60, threads: 1 }
    }
}

/// `[expiry]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expiry {
    /// Not to be used from this time on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

/// The manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, or a key is missing, unknown or of the wrong type; the text names the line.
    #[error("hilum/package.toml cannot be read: {0}")]
    Syntax(String),
    /// Every contradiction found.
    #[error("hilum/package.toml contradicts itself: {}", .0.join("; "))]
    Invalid(Vec<String>),
}

impl Manifest {
    /// Read and check a manifest.
    ///
    /// # Errors
    /// [`ManifestError::Syntax`] with the line, or [`ManifestError::Invalid`] with every problem at once.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = toml::from_str(text).map_err(|e| ManifestError::Syntax(e.to_string()))?;
        let problems = manifest.problems();
        if problems.is_empty() { Ok(manifest) } else { Err(ManifestError::Invalid(problems)) }
    }

    /// Everything that contradicts itself, each with its remedy; empty when the manifest can be used.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.schema != MANIFEST_SCHEMA {
            problems.push(format!("schema is {}, this version of Hilum reads {MANIFEST_SCHEMA}", self.schema));
        }
        self.package.problems(&mut problems);
        self.resources.problems(&mut problems);
        if let Some(runtime) = &self.runtime {
            runtime.problems(self.inputs.len(), self.outputs.len(), &mut problems);
        }
        let tensors = self.dicom_node().is_none();
        if tensors && self.inputs.is_empty() {
            problems.push("there is no [[input]]; declare each input tensor of the model".to_owned());
        }
        if tensors && self.outputs.is_empty() {
            problems.push("there is no [[output]]; declare at least one output tensor".to_owned());
        }
        let mut tensors = BTreeSet::new();
        for input in &self.inputs {
            if !tensors.insert(input.tensor.as_str()) {
                problems.push(format!("input tensor {:?} is declared twice", input.tensor));
            }
            input.problems(&mut problems);
        }
        let volumes = self.inputs.iter().filter(|i| i.images == ImageChoice::Volume).count();
        if volumes != 0 && volumes != self.inputs.len() {
            problems.push("inputs mix `images = \"volume\"` with single images; use one kind".to_owned());
        }
        output::problems(&self.outputs, self.is_volume(), &mut problems);
        problems
    }

    /// Whether the model reads whole volumes rather than single images.
    pub fn is_volume(&self) -> bool {
        self.inputs.iter().any(|input| input.images == ImageChoice::Volume)
    }

    /// The product that runs it, when that is a DICOM node.
    pub fn dicom_node(&self) -> Option<&DicomNodeRuntime> {
        match &self.runtime {
            Some(Runtime::DicomNode(node)) => Some(node),
            _ => None,
        }
    }

    /// Findings declared by classification outputs, in order.
    pub fn findings(&self) -> impl Iterator<Item = &FindingSpec> {
        self.outputs.iter().flat_map(|output| match output {
            OutputSpec::Classification(classification) => classification.findings.as_slice(),
            _ => &[],
        })
    }

    /// Labels of everything its results can state, in order; `None` for a product, whose results say that themselves.
    pub fn labels(&self) -> Option<Vec<&str>> {
        if self.dicom_node().is_some() {
            return None;
        }
        let quantities = self.outputs.iter().filter_map(|output| match output {
            OutputSpec::Quantity(quantity) => Some(quantity.label.as_str()),
            _ => None,
        });
        Some(self.findings().map(|finding| finding.label.as_str()).chain(quantities).collect())
    }

    /// Whether the package may be used at `now`: its regulatory status and its expiry are in date.
    pub fn in_date(&self, now: Timestamp) -> bool {
        let ends = [self.regulatory.expires, self.expiry.not_after];
        ends.into_iter().flatten().all(|end| now < end)
    }
}

impl PackageInfo {
    fn problems(&self, problems: &mut Vec<String>) {
        let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if self.name.is_empty() || 64 < self.name.len() || !self.name.bytes().all(letters) {
            problems.push("package.name must be 1 to 64 letters, digits, '-', '_' or '.'".to_owned());
        }
        // Device and algorithm names end up in DICOM text of VR LO: at most 64 characters, no backslash.
        let texts = [("version", &self.version), ("title", &self.title), ("manufacturer", &self.manufacturer)];
        for (key, text) in texts {
            let fits = (1..=64).contains(&text.chars().count());
            if !fits || text.contains('\\') || text.chars().any(char::is_control) {
                problems.push(format!("package.{key} must be 1 to 64 characters without backslash (VR LO)"));
            }
        }
        for (key, text) in [("license", &self.license), ("description", &self.description)] {
            if text.trim().is_empty() {
                problems.push(format!("package.{key} is empty; say it in a few words"));
            }
        }
    }
}

impl Resources {
    fn problems(&self, problems: &mut Vec<String>) {
        let ranges = [
            ("memory_mb", self.memory_mb, 16, 1 << 20),
            ("deadline_seconds", self.deadline_seconds, 1, 24 * 3600),
            ("threads", self.threads, 1, 256),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                problems.push(format!("resources.{key} is {value}; it must be in {low} to {high}"));
            }
        }
    }
}
