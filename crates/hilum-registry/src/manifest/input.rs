use super::preprocess::{self, PreprocessStep};
use serde::{Deserialize, Serialize};

/// `[[input]]`: one input tensor and the images it is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Name of the input in the ONNX graph.
    pub tensor: String,
    /// Which images of the chosen series are used, and whether one by one or as a volume.
    pub images: ImageChoice,
    /// How the prepared image lies in the tensor.
    pub layout: Layout,
    /// Channels of the tensor, 1 or 3; one grey channel is repeated to make 3.
    #[serde(default = "one")]
    pub channels: u32,
    /// Element type of the tensor.
    #[serde(default)]
    pub dtype: ElementType,
    /// Which series is taken.
    #[serde(default)]
    pub select: SeriesSelect,
    /// Steps from stored pixels to tensor values, in order.
    pub preprocess: Vec<PreprocessStep>,
}

fn one() -> u32 {
    1
}

/// Which images of a series make an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageChoice {
    /// Every image of the series, one run each.
    Each,
    /// The first image by Instance Number (0020,0013), one run.
    First,
    /// All images as one volume, sorted along the slice normal, one run.
    Volume,
}

/// Order of the axes of a tensor; `N` is always 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// Batch, channel, row, column.
    #[serde(rename = "NCHW")]
    Nchw,
    /// Batch, row, column, channel.
    #[serde(rename = "NHWC")]
    Nhwc,
    /// Batch, channel, then the three volume axes in the order of the `orient` step.
    #[serde(rename = "NCDHW")]
    Ncdhw,
}

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// IEEE 754 single precision.
    #[default]
    Float32,
    /// 0 to 255; values are rounded and held to that range.
    Uint8,
    /// 64-bit signed integers; values are rounded.
    Int64,
}

impl ElementType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            ElementType::Float32 => 4,
            ElementType::Uint8 => 1,
            ElementType::Int64 => 8,
        }
    }
}

/// `[input.select]`: the rules a series must satisfy. Rules left out say nothing; text is compared without case.
///
/// When several series satisfy them, the one with most images is taken, and of equals the lowest Series Number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesSelect {
    /// Allowed Modality (0008,0060).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modality: Vec<String>,
    /// Allowed SOP Class UIDs (0008,0016).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sop_class: Vec<String>,
    /// Allowed Body Part Examined (0018,0015).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub body_part: Vec<String>,
    /// Values that Image Type (0008,0008) must contain, each of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_type: Vec<String>,
    /// Values that Image Type must not contain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_type_not: Vec<String>,
    /// Words that Series Description (0008,103E) must contain, each of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub description_contains: Vec<String>,
    /// Words that Series Description must not contain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub description_not: Vec<String>,
    /// Fewest images (instances or frames).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_min: Option<u32>,
    /// Most images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_max: Option<u32>,
    /// Plane of the slices, from Image Orientation (Patient) (0020,0037).
    pub plane: Plane,
    /// Whether images with Image Type value 3 `LOCALIZER` are passed over.
    pub exclude_localizer: bool,
    /// Rule among several series that satisfy the others: take the largest (default), or refuse to guess.
    pub largest: bool,
}

impl Default for SeriesSelect {
    fn default() -> Self {
        SeriesSelect {
            modality: Vec::new(),
            sop_class: Vec::new(),
            body_part: Vec::new(),
            image_type: Vec::new(),
            image_type_not: Vec::new(),
            description_contains: Vec::new(),
            description_not: Vec::new(),
            images_min: None,
            images_max: None,
            plane: Plane::Any,
            exclude_localizer: true,
            largest: true,
        }
    }
}

/// Plane of a slice, within 45 degrees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// Not looked at.
    #[default]
    Any,
    /// Normal along head and feet.
    Axial,
    /// Normal along front and back.
    Coronal,
    /// Normal along left and right.
    Sagittal,
}

impl InputSpec {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        let at = format!("input {:?}", self.tensor);
        if self.tensor.is_empty() || 256 < self.tensor.len() {
            problems.push("an [[input]] has no tensor name, or one over 256 bytes".to_owned());
        }
        if !matches!(self.channels, 1 | 3) {
            problems.push(format!("{at}: channels is {}; it must be 1 or 3", self.channels));
        }
        let volume = self.images == ImageChoice::Volume;
        if volume != (self.layout == Layout::Ncdhw) {
            problems.push(format!("{at}: `images = \"volume\"` and `layout = \"NCDHW\"` belong together"));
        }
        if let (Some(min), Some(max)) = (self.select.images_min, self.select.images_max)
            && max < min
        {
            problems.push(format!("{at}: images_max {max} is below images_min {min}"));
        }
        preprocess::problems(&at, &self.preprocess, volume, self.channels, problems);
    }
}
