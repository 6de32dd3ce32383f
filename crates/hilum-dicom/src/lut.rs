//! From stored values to values for a model or for display: modality and VOI transformations, photometric
//! interpretation, colour (PS3.3 sections C.11.1, C.11.2, C.7.6.3; PS3.4 section N.2).

use crate::{DataSet, DicomError, PixelDescription, Samples, Tag, tags};

/// A lookup table: input `first_input` maps to `values[0]`, inputs below and above to the first and the last value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Lowest input with an own entry.
    pub first_input: i32,
    /// Bits of an entry.
    pub bits: u16,
    /// Entries.
    pub values: Vec<u16>,
}

impl Table {
    /// The entry for an input.
    pub fn apply(&self, input: f32) -> f32 {
        let index = (f64::from(input).round() - f64::from(self.first_input)).clamp(0.0, (self.values.len() - 1) as f64);
        f32::from(self.values[index as usize])
    }

    /// From an item of a Modality or VOI LUT Sequence, or from the elements of a palette.
    fn of(item: &DataSet, descriptor: Tag, data: Tag, signed_input: bool) -> Option<Table> {
        let words: Vec<u16> =
            item.bytes(descriptor)?.as_chunks::<2>().0.iter().map(|&word| u16::from_le_bytes(word)).collect();
        let &[count, first, bits] = words.get(..3)?.first_chunk::<3>()?;
        // 0 entries stand for 2^16; the first input is signed when the pixels are (PS3.3 section C.11.1.1.1).
        let count = if count == 0 { 65_536 } else { usize::from(count) };
        let first_input = if signed_input { i32::from(first as i16) } else { i32::from(first) };
        let bytes = item.bytes(data)?;
        let values: Vec<u16> = if bytes.len() < count * 2 {
            // Entries of 8 bits may be packed two to a word.
            bytes.iter().take(count).map(|&byte| u16::from(byte)).collect()
        } else {
            bytes.as_chunks::<2>().0.iter().take(count).map(|&word| u16::from_le_bytes(word)).collect()
        };
        (values.len() == count).then_some(Table { first_input, bits, values })
    }
}

/// Stored values to the quantity they mean, such as Hounsfield units (PS3.3 section C.11.1).
#[derive(Debug, Clone, PartialEq)]
pub enum ModalityLut {
    /// Stored values are the quantity.
    Identity,
    /// `slope * value + intercept`.
    Rescale {
        /// Rescale Slope (0028,1053).
        slope: f64,
        /// Rescale Intercept (0028,1052).
        intercept: f64,
    },
    /// Modality LUT Sequence (0028,3000).
    Table(Table),
}

impl ModalityLut {
    /// The transformation of a frame, counted from 0; functional groups of enhanced objects are looked into.
    pub fn of(data_set: &DataSet, frame: u32) -> ModalityLut {
        let signed = data_set.u32(tags::PIXEL_REPRESENTATION) == Some(1);
        if let Some(item) = data_set.item(tags::MODALITY_LUT_SEQUENCE)
            && let Some(table) = Table::of(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, signed)
        {
            return ModalityLut::Table(table);
        }
        let holder = functional_group(data_set, frame, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).unwrap_or(data_set);
        match (holder.number(tags::RESCALE_SLOPE), holder.number(tags::RESCALE_INTERCEPT)) {
            (None, None) => ModalityLut::Identity,
            (slope, intercept) => {
                ModalityLut::Rescale { slope: slope.unwrap_or(1.0), intercept: intercept.unwrap_or(0.0) }
            }
        }
    }

    /// Transform values in place.
    pub fn apply(&self, values: &mut [f32]) {
        match self {
            ModalityLut::Identity => {}
            ModalityLut::Rescale { slope, intercept } => {
                values.iter_mut().for_each(|value| *value = (f64::from(*value) * slope + intercept) as f32);
            }
            ModalityLut::Table(table) => values.iter_mut().for_each(|value| *value = table.apply(*value)),
        }
    }
}

/// The item of a functional group macro that applies to a frame, counted from 0: per frame, else shared.
pub fn functional_group(data_set: &DataSet, frame: u32, group: Tag) -> Option<&DataSet> {
    let per_frame = data_set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).get(frame as usize);
    let shared = data_set.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    per_frame.and_then(|item| item.item(group)).or_else(|| shared.and_then(|item| item.item(group)))
}

/// VOI LUT Function (0028,1056).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowFunction {
    /// `LINEAR` (PS3.3 section C.11.2.1.2.1).
    Linear,
    /// `LINEAR_EXACT` (PS3.3 section C.11.2.1.3.2).
    LinearExact,
    /// `SIGMOID` (PS3.3 section C.11.2.1.3.1).
    Sigmoid,
}

/// Values of interest to a range for display (PS3.3 section C.11.2).
#[derive(Debug, Clone, PartialEq)]
pub enum VoiLut {
    /// Window.
    Window {
        /// Window Center (0028,1050).
        center: f64,
        /// Window Width (0028,1051): at least 1 for `Linear`, more than 0 otherwise.
        width: f64,
        /// Shape.
        function: WindowFunction,
    },
    /// VOI LUT Sequence (0028,3010).
    Table(Table),
}

impl VoiLut {
    /// The first window or table of a frame, a window before a table; `None` when the object has neither or a window
    /// without width.
    pub fn of(data_set: &DataSet, frame: u32) -> Option<VoiLut> {
        let holder = functional_group(data_set, frame, tags::FRAME_VOILUT_SEQUENCE).unwrap_or(data_set);
        if let (Some(center), Some(width)) = (holder.number(tags::WINDOW_CENTER), holder.number(tags::WINDOW_WIDTH)) {
            let function = match holder.string(tags::VOILUT_FUNCTION).as_deref() {
                Some("LINEAR_EXACT") => WindowFunction::LinearExact,
                Some("SIGMOID") => WindowFunction::Sigmoid,
                _ => WindowFunction::Linear,
            };
            let least = if function == WindowFunction::Linear { 1.0 } else { f64::MIN_POSITIVE };
            return (least <= width).then_some(VoiLut::Window { center, width, function });
        }
        // Output of a modality table is unsigned; that of a rescale may be signed, as the pixels.
        let signed = data_set.u32(tags::PIXEL_REPRESENTATION) == Some(1)
            || data_set.number(tags::RESCALE_INTERCEPT).is_some_and(|intercept| intercept < 0.0);
        let item = data_set.item(tags::VOILUT_SEQUENCE)?;
        Table::of(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, signed).map(VoiLut::Table)
    }

    /// Transform values in place to 0..=1, 1 the highest output.
    pub fn apply(&self, values: &mut [f32]) {
        match self {
            VoiLut::Window { center, width, function } => {
                values.iter_mut().for_each(|v| *v = window(f64::from(*v), *center, *width, *function) as f32);
            }
            VoiLut::Table(table) => {
                let highest = ((1u32 << table.bits.clamp(1, 16)) - 1) as f32;
                values.iter_mut().for_each(|value| *value = (table.apply(*value) / highest).min(1.0));
            }
        }
    }
}

/// One value through a window, to 0..=1.
fn window(value: f64, center: f64, width: f64, function: WindowFunction) -> f64 {
    match function {
        WindowFunction::Linear if width == 1.0 => f64::from(u8::from(center - 0.5 < value)),
        WindowFunction::Linear => ((value - (center - 0.5)) / (width - 1.0) + 0.5).clamp(0.0, 1.0),
        WindowFunction::LinearExact => ((value - center) / width + 0.5).clamp(0.0, 1.0),
        WindowFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - center) / width).exp()),
    }
}

/// The bits of Bits Stored as numbers: bits outside, such as embedded overlays, are removed and the sign is extended.
pub fn stored_values(samples: &Samples, description: &PixelDescription) -> Vec<f32> {
    if description.float || description.bits_stored == description.bits_allocated {
        return samples.to_f32();
    }
    let shift = u32::from((description.high_bit + 1).saturating_sub(description.bits_stored));
    let unused = 32 - u32::from(description.bits_stored.min(32));
    let unsigned = |raw: u32| ((raw >> shift) << unused) >> unused;
    let signed = |raw: u32| (((raw >> shift) << unused) as i32) >> unused;
    let one = |raw: u32| if description.signed { signed(raw) as f32 } else { unsigned(raw) as f32 };
    match samples {
        Samples::U8(values) => values.iter().map(|&value| one(u32::from(value))).collect(),
        Samples::I8(values) => values.iter().map(|&value| one(value as u32)).collect(),
        Samples::U16(values) => values.iter().map(|&value| one(u32::from(value))).collect(),
        Samples::I16(values) => values.iter().map(|&value| one(value as u32)).collect(),
        Samples::U32(values) => values.iter().map(|&value| one(value)).collect(),
        Samples::I32(values) => values.iter().map(|&value| one(value as u32)).collect(),
        Samples::F32(_) | Samples::F64(_) => samples.to_f32(),
    }
}

/// Turn display values around, so that the highest is the lowest: `MONOCHROME1` to `MONOCHROME2`.
/// `lowest` and `highest` are the ends of the range the values live in.
pub fn invert(values: &mut [f32], lowest: f32, highest: f32) {
    values.iter_mut().for_each(|value| *value = lowest + highest - *value);
}

/// Colour samples as RGB, three values of 0..=255 for each pixel (PS3.3 section C.7.6.3.1.2).
///
/// # Errors
/// [`DicomError::Unsupported`] for a photometric interpretation without colour or without a rule here,
/// [`DicomError::PixelDescription`] when a palette is missing or broken.
pub fn to_rgb(samples: &Samples, description: &PixelDescription, data_set: &DataSet) -> Result<Vec<u8>, DicomError> {
    let photometric = description.photometric_interpretation.as_str();
    if photometric == "PALETTE COLOR" {
        return palette_to_rgb(samples, data_set);
    }
    let Samples::U8(values) = samples else {
        return Err(DicomError::Unsupported("colour of more than 8 bits".to_owned()));
    };
    match photometric {
        // The decoders of JPEG 2000 undo the colour transformations of the codestream themselves.
        "RGB" | "YBR_RCT" | "YBR_ICT" => Ok(values.clone()),
        "YBR_FULL" | "YBR_FULL_422" => Ok(values.as_chunks::<3>().0.iter().copied().flat_map(ybr_to_rgb).collect()),
        _ => Err(DicomError::Unsupported(format!("colour of photometric interpretation {photometric:?}"))),
    }
}

/// Full-range YCbCr to RGB, the inverse of PS3.3 section C.7.6.3.1.2.
fn ybr_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|v| v.round().clamp(0.0, 255.0) as u8)
}

fn palette_to_rgb(samples: &Samples, data_set: &DataSet) -> Result<Vec<u8>, DicomError> {
    let table = |descriptor, data| {
        Table::of(data_set, descriptor, data, false)
            .ok_or(DicomError::PixelDescription("the palette is missing, segmented or too short"))
    };
    let tables = [
        table(tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
        table(tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
        table(tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
    ];
    let shift = |table: &Table, value: f32| (value as u32 >> (table.bits.clamp(8, 16) - 8)).min(255) as u8;
    let index = samples.to_f32();
    Ok(index.iter().flat_map(|&value| tables.each_ref().map(|table| shift(table, table.apply(value)))).collect())
}

/// RGB to grey by ITU-R BT.601, in 0..=255.
pub fn rgb_to_grey(rgb: &[u8]) -> Vec<f32> {
    let luma = |&[r, g, b]: &[u8; 3]| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
    rgb.as_chunks::<3>().0.iter().map(luma).collect()
}
