//! The one internal model of what a model said; every outgoing format is written from it (AV-15).

use crate::{CodedConcept, Uid};
use serde::{Deserialize, Serialize};

/// What a model said about one study revision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelOutput {
    /// Findings looked for, present or not: "nothing found" is a list of absent findings, never an empty list.
    pub findings: Vec<Finding>,
    /// Segmented regions, each over frames of the input.
    pub segments: Vec<Segment>,
    /// Images the model looked at.
    pub inputs: Vec<ImageReference>,
}

/// Whether a finding is there, at the operating point of the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Score at or above the operating point.
    Present,
    /// Score below the operating point.
    Absent,
    /// The model abstains (MV-33).
    Indeterminate,
}

/// One finding the model looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Short stable name within the package, such as `nodule`.
    pub label: String,
    /// What the finding is.
    pub concept: CodedConcept,
    /// Whether it is there.
    pub presence: Presence,
    /// Calibrated probability in 0 to 1, when the model gives one.
    pub score: Option<f64>,
    /// Threshold on `score` that decided `presence`.
    pub operating_point: Option<f64>,
    /// Where it is, when the model says so.
    pub location: Option<Location>,
    /// Numbers about it.
    pub measurements: Vec<Measurement>,
    /// Images it was seen on.
    pub images: Vec<ImageReference>,
}

/// A place on one frame, in pixels of the source image: `x` to the right from the left edge of the first column,
/// `y` down from the top edge of the first row (PS3.3 section C.10.5, Graphic Data, `PIXEL`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// The image it is on.
    pub image: ImageReference,
    /// Left, top, right, bottom.
    pub bounding_box: [f64; 4],
}

/// A number with its meaning and unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured.
    pub concept: CodedConcept,
    /// The value.
    pub value: f64,
    /// Unit, scheme `UCUM`; `1` for a ratio.
    pub unit: CodedConcept,
}

/// An image, or one frame of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageReference {
    /// SOP Class UID of the image.
    pub sop_class_uid: Uid,
    /// SOP Instance UID of the image.
    pub sop_instance_uid: Uid,
    /// Series it belongs to.
    pub series_instance_uid: Uid,
    /// Frame from 1; `None` for a single-frame image.
    pub frame: Option<u32>,
}

/// One segmented structure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Short stable name within the package, such as `lungs`.
    pub label: String,
    /// Property category, such as (123037004, SCT, "Anatomical Structure").
    pub category: CodedConcept,
    /// Property type, such as (39607008, SCT, "Lung").
    pub property_type: CodedConcept,
    /// Recommended display colour, red green blue.
    pub display_rgb: [u8; 3],
    /// The mask; left out when the record is stored as JSON, because the SEG object holds it.
    #[serde(skip)]
    pub masks: Vec<SegmentMask>,
    /// Numbers about it, such as its volume.
    pub measurements: Vec<Measurement>,
}

/// A binary mask on one source frame.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentMask {
    /// Frame the mask lies on; same rows and columns.
    pub image: ImageReference,
    /// Rows of the mask.
    pub rows: u32,
    /// Columns of the mask.
    pub columns: u32,
    /// `rows * columns` values of 0 or 1, row by row.
    pub pixels: Vec<u8>,
}

/// Who computed a result: TID 4019 and the Algorithm Identification Sequence are written from it (AV-16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlgorithmIdentity {
    /// Model name.
    pub name: String,
    /// Version as its maker numbers it.
    pub version: String,
    /// Digest of the package: the exact version.
    pub package_digest: String,
    /// Deployment it ran under.
    pub deployment: String,
    /// Maker, as Manufacturer of the result objects.
    pub manufacturer: String,
    /// Parameters worth stating, such as operating points: name and value.
    pub parameters: Vec<(String, String)>,
}
