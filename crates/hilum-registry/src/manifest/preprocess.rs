use serde::{Deserialize, Serialize};

/// One step from stored pixels to tensor values. Values are `f32` between the steps.
///
/// An image carries its nominal range along: the stored range `0 ..= 2^BitsStored - 1` at first (or its signed
/// counterpart), what a LUT or window can produce after it. `monochrome2` and `to_8bit` refer to that range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum PreprocessStep {
    /// Modality LUT, or Rescale Slope and Intercept (PS3.3 section C.11.1); nothing when the image has neither.
    ModalityLut {},
    /// VOI LUT (PS3.3 section C.11.2): `center` and `width` when given, else the first VOI LUT or window of the
    /// object, else the nominal range. The result spans `output`.
    Voi {
        /// Window Center to use instead of the object's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        center: Option<f64>,
        /// Window Width to use instead of the object's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<f64>,
        /// VOI LUT Function; the object's, or `linear`, when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function: Option<VoiFunction>,
        /// Smallest and largest result.
        #[serde(default = "eight_bit")]
        output: [f64; 2],
    },
    /// Invert a `MONOCHROME1` image within its nominal range, so that large values are bright.
    Monochrome2 {},
    /// Colour (RGB, YBR, palette) to luminance, 0.299 R + 0.587 G + 0.114 B; a grey image stays as it is.
    Grey {},
    /// Map the nominal range onto 0 to 255 and round; an 8-bit image stays as it is.
    #[serde(rename = "to_8bit")]
    To8bit {},
    /// Change the matrix size.
    Resize {
        /// Rows wanted.
        rows: u32,
        /// Columns wanted.
        columns: u32,
        /// Named interpolation.
        filter: ResizeFilter,
        /// Keep the aspect ratio and fill the rest, half on either side.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep_aspect: bool,
        /// Value of the fill.
        #[serde(default)]
        pad_value: f32,
        /// Round to whole numbers, held to 0 to 255, after each pass, as an 8-bit resize does.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        round: bool,
    },
    /// Keep the centre; an image that is smaller is refused.
    CropCentre {
        /// Rows kept.
        rows: u32,
        /// Columns kept.
        columns: u32,
    },
    /// Keep a box; an image that does not hold it is refused.
    CropBox {
        /// First row, from 0.
        top: u32,
        /// First column, from 0.
        left: u32,
        /// Rows kept.
        rows: u32,
        /// Columns kept.
        columns: u32,
    },
    /// Hold values to `low` to `high`.
    Clip {
        /// Smallest.
        low: f32,
        /// Largest.
        high: f32,
    },
    /// Linear map that takes `from[0]` to `to[0]` and `from[1]` to `to[1]`, without clipping.
    Scale {
        /// Two input values.
        from: [f32; 2],
        /// What they become.
        to: [f32; 2],
    },
    /// `(v - q_low) / (q_high - q_low)` with quantiles of this image or volume (linear between order statistics).
    QuantileScale {
        /// Lower quantile, in 0 to 1.
        low: f64,
        /// Upper quantile, in 0 to 1.
        high: f64,
        /// Count the quantiles over this many voxels: those that are missing count as 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        padded_voxels: Option<u64>,
        /// Hold the result to 0 to 1.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        clip: bool,
    },
    /// `(v - mean) / std`, one value per channel or one for all.
    Normalize {
        /// Means.
        mean: Vec<f32>,
        /// Standard deviations, above 0.
        std: Vec<f32>,
    },
    /// `(v - mean) / std` with mean and standard deviation (divisor n) of this image or volume; 0 when it is constant.
    Zscore {},
    /// `(v - min) / (max - min)` of this image or volume; 0 when it is constant.
    MinMax {},
    /// Turn and flip a volume so that its first, second and third axis run toward the three letters: `L` left, `R`
    /// right, `A` anterior, `P` posterior, `S` superior, `I` inferior, such as `LIA`. No interpolation.
    Orient {
        /// Three letters, one of each pair.
        axes: String,
    },
    /// Resample a volume to these spacings along its axes, extent kept to within half a voxel.
    Resample {
        /// Distance between voxel centres along the first, second and third axis.
        spacing_mm: [f64; 3],
        /// Named interpolation.
        interpolation: Interpolation,
    },
    /// Pad at the far end of each axis up to a multiple: rows and columns of an image, all axes of a volume.
    PadToMultiple {
        /// The multiple.
        of: u32,
        /// Value of the fill.
        #[serde(default)]
        value: f32,
    },
}

fn eight_bit() -> [f64; 2] {
    [0.0, 255.0]
}

/// VOI LUT Function (0028,1056) (PS3.3 section C.11.2.1.2 and C.11.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoiFunction {
    /// `LINEAR`, with its half-value offsets.
    Linear,
    /// `LINEAR_EXACT`.
    LinearExact,
    /// `SIGMOID`.
    Sigmoid,
}

/// Interpolation of a resize; pixel centres lie at half-integers and edges are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeFilter {
    /// Triangle whose support grows when shrinking (Pillow `BILINEAR`, image-rs `Triangle`).
    Triangle,
    /// Cubic convolution, a = -0.5, whose support grows when shrinking (Pillow `BICUBIC`).
    Bicubic,
    /// Mean over the covered area (Pillow `BOX`; OpenCV `INTER_AREA` when shrinking).
    Area,
    /// Two-point linear without anti-aliasing (OpenCV `INTER_LINEAR`, PyTorch `bilinear`).
    Bilinear,
    /// Nearest pixel centre.
    Nearest,
}

/// Interpolation of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Trilinear.
    Linear,
    /// Nearest voxel centre.
    Nearest,
}

/// Largest side a step may ask for.
const SIDE_MAX: u32 = 65_535;

pub(super) fn problems(at: &str, steps: &[PreprocessStep], volume: bool, channels: u32, problems: &mut Vec<String>) {
    if 64 < steps.len() {
        problems.push(format!("{at}: {} preprocessing steps; 64 are the most", steps.len()));
    }
    let first_of_volume = steps.iter().position(|step| !step.is_per_slice());
    for (position, step) in steps.iter().enumerate() {
        if volume && step.is_per_slice() && first_of_volume.is_some_and(|first| first < position) {
            problems.push(format!("{at}, step {}: this step looks at single slices and comes first", position + 1));
        }
        if let Some(problem) = step.problem(volume, channels) {
            problems.push(format!("{at}, step {}: {problem}", position + 1));
        }
    }
}

impl PreprocessStep {
    /// Whether the step needs the object a slice came from. For a volume these come before all others.
    pub fn is_per_slice(&self) -> bool {
        use PreprocessStep as P;
        matches!(self, P::ModalityLut {} | P::Voi { .. } | P::Monochrome2 {} | P::Grey {} | P::To8bit {})
    }

    fn problem(&self, volume: bool, channels: u32) -> Option<String> {
        use PreprocessStep as P;
        let only_volumes = matches!(self, P::Orient { .. } | P::Resample { .. });
        let only_images = matches!(self, P::Resize { .. } | P::CropCentre { .. } | P::CropBox { .. });
        if only_volumes && !volume {
            return Some("this step needs `images = \"volume\"`".to_owned());
        }
        if only_images && volume {
            return Some("this step is for single images; use `resample` for volumes".to_owned());
        }
        match self {
            P::ModalityLut {} | P::Monochrome2 {} | P::Grey {} | P::To8bit {} | P::Zscore {} | P::MinMax {} => None,
            P::Voi { center, width, output, .. } => {
                let width_bad = width.is_some_and(|w| !(w.is_finite() && 0.0 < w));
                let center_bad = center.is_some_and(|c| !c.is_finite());
                if center.is_some() != width.is_some() {
                    Some("voi needs both center and width, or neither".to_owned())
                } else if width_bad || center_bad {
                    Some("voi: width must be above 0 and both must be finite".to_owned())
                } else {
                    (!increasing(output[0], output[1])).then(|| "voi: output must increase".to_owned())
                }
            }
            P::Resize { rows, columns, pad_value, .. } => {
                sides(&[*rows, *columns]).or_else(|| not_finite(&[*pad_value]))
            }
            P::CropCentre { rows, columns } | P::CropBox { rows, columns, .. } => sides(&[*rows, *columns]),
            P::Clip { low, high } => {
                (!increasing((*low).into(), (*high).into())).then(|| "clip: low must be below high".to_owned())
            }
            P::Scale { from, to } => not_finite(&[from[0], from[1], to[0], to[1]])
                .or_else(|| (from[0] == from[1]).then(|| "scale: the two values of `from` are equal".to_owned())),
            P::QuantileScale { low, high, .. } => {
                let good = 0.0 <= *low && increasing(*low, *high) && *high <= 1.0;
                (!good).then(|| "quantile_scale: needs 0 <= low < high <= 1".to_owned())
            }
            P::Normalize { mean, std } => {
                let counts = [1, channels as usize];
                if !counts.contains(&mean.len()) || mean.len() != std.len() {
                    Some("normalize: give one mean and std, or one per channel".to_owned())
                } else if std.iter().any(|s| !(s.is_finite() && 0.0 < *s)) {
                    Some("normalize: std must be above 0".to_owned())
                } else {
                    not_finite(mean)
                }
            }
            P::Orient { axes } => (!orientation_is_valid(axes))
                .then(|| format!("orient: {axes:?} must be three letters, one each of LR, AP and SI, such as \"LIA\"")),
            P::Resample { spacing_mm, .. } => {
                let good = spacing_mm.iter().all(|s| (0.01..=1000.0).contains(s));
                (!good).then(|| "resample: spacings must be in 0.01 to 1000 mm".to_owned())
            }
            P::PadToMultiple { of, value } => {
                let bad = *of == 0 || 4096 < *of;
                bad.then(|| "pad_to_multiple: `of` must be in 1 to 4096".to_owned()).or_else(|| not_finite(&[*value]))
            }
        }
    }
}

fn sides(sides: &[u32]) -> Option<String> {
    let good = sides.iter().all(|side| (1..=SIDE_MAX).contains(side));
    (!good).then(|| format!("rows and columns must be in 1 to {SIDE_MAX}"))
}

fn not_finite(values: &[f32]) -> Option<String> {
    (!values.iter().all(|v| v.is_finite())).then(|| "values must be finite".to_owned())
}

fn increasing(low: f64, high: f64) -> bool {
    low.is_finite() && high.is_finite() && low < high
}

fn orientation_is_valid(axes: &str) -> bool {
    let mut pairs: Vec<u8> = axes
        .bytes()
        .filter_map(|letter| match letter {
            b'L' | b'R' => Some(0),
            b'A' | b'P' => Some(1),
            b'S' | b'I' => Some(2),
            _ => None,
        })
        .collect();
    pairs.sort_unstable();
    axes.len() == 3 && pairs == [0, 1, 2]
}
