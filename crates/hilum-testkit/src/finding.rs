//! What is placed into a phantom, and the truth that is handed back with it.

/// Side of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// On the left of a frontal image as it is shown.
    Right,
    /// On the right of a frontal image as it is shown.
    Left,
}

/// A finding to place; what is `None` is drawn from the seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FindingSpec {
    /// A round opacity of soft tissue within the lung.
    Nodule {
        /// Side of the lung.
        side: Option<Side>,
        /// Radius in mm; 6 to 16 when drawn.
        radius_mm: Option<f64>,
        /// Height in the lung, 0 at the apex and 1 at the base; 0.18 to 0.85 when drawn.
        height: Option<f64>,
    },
    /// Fluid at the base of a lung that blunts the costophrenic angle with a meniscus. Radiographs only.
    Effusion {
        /// Side of the lung.
        side: Option<Side>,
        /// Part of the height of the lung that is filled laterally, 0.1 to 0.5 when drawn.
        level: Option<f64>,
    },
    /// A heart that is more than half as wide as the chest. Radiographs only.
    Cardiomegaly,
}

impl FindingSpec {
    /// A nodule at a place drawn from the seed.
    pub fn nodule() -> FindingSpec {
        FindingSpec::Nodule { side: None, radius_mm: None, height: None }
    }

    /// An effusion drawn from the seed.
    pub fn effusion() -> FindingSpec {
        FindingSpec::Effusion { side: None, level: None }
    }

    /// Short stable name: `nodule`, `effusion`, `cardiomegaly`.
    pub fn label(&self) -> &'static str {
        match self {
            FindingSpec::Nodule { .. } => "nodule",
            FindingSpec::Effusion { .. } => "effusion",
            FindingSpec::Cardiomegaly => "cardiomegaly",
        }
    }
}

/// A finding where it was placed.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueFinding {
    /// Short stable name, as [`FindingSpec::label`].
    pub label: &'static str,
    /// Side, for what has one.
    pub side: Option<Side>,
    /// Index of the instance with the largest part of it.
    pub instance: usize,
    /// Left, top, right, bottom on that instance, in pixels from the top left corner of the image.
    pub bounding_box: [f64; 4],
    /// Radius in mm, for a nodule.
    pub radius_mm: Option<f64>,
    /// Centre in the patient coordinate system in mm (PS3.3 section C.7.6.2.1.1), for CT.
    pub centre_mm: Option<[f64; 3]>,
}

/// A binary mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// `rows * columns` values of 0 or 1, row by row.
    pub pixels: Vec<u8>,
}

/// What is really in a phantom.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Findings as placed.
    pub findings: Vec<TrueFinding>,
    /// For each instance: aerated lung. On a frontal radiograph that is the lung field without heart, mediastinum and
    /// fluid; a nodule counts as lung.
    pub lung_masks: Vec<Mask>,
    /// Transverse diameter of the heart over that of the chest, for frontal radiographs.
    pub cardiothoracic_ratio: Option<f64>,
}

impl Truth {
    /// Whether a finding of this name was placed.
    pub fn has(&self, label: &str) -> bool {
        self.findings.iter().any(|finding| finding.label == label)
    }
}
