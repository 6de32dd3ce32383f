use super::images;
use crate::{InferError, InstanceInput};
use hilum_dicom::lut::{self, ModalityLut, VoiLut};
use hilum_dicom::{Image, Limits, tags};
use hilum_types::{ImageReference, attribute};

/// A source image, without its pixels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceSlice {
    pub(crate) reference: ImageReference,
    /// Distance of rows and of columns in mm, at the detector for projection images; `None` when not stated.
    pub(crate) spacing_mm: Option<[f64; 2]>,
}

/// One frame with its stored values.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) slice: SourceSlice,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// 1, or 3 for RGB.
    pub(crate) channels: usize,
    /// Row by row, the channels of a pixel together.
    pub(crate) values: Vec<f32>,
    /// Smallest and largest value that can be stored.
    pub(crate) range: [f64; 2],
    /// Whether all values are whole numbers within `range`.
    pub(crate) whole_numbers: bool,
    pub(crate) monochrome1: bool,
    pub(crate) modality: ModalityLut,
    pub(crate) voi: Option<VoiLut>,
}

/// Where a slice lies in the patient (PS3.3 section C.7.6.2), LPS, mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placement {
    /// Centre of the first pixel.
    pub(crate) position: [f64; 3],
    /// Direction in which the column index grows.
    pub(crate) along_row: [f64; 3],
    /// Direction in which the row index grows.
    pub(crate) along_column: [f64; 3],
    /// Distance of rows, of columns.
    pub(crate) spacing: [f64; 2],
}

/// An instance, opened.
pub(crate) struct Opened<'a> {
    pub(crate) input: &'a InstanceInput,
    pub(crate) image: Image<'a>,
}

impl<'a> Opened<'a> {
    pub(crate) fn new(input: &'a InstanceInput) -> Result<Opened<'a>, InferError> {
        let image = Image::open(&input.part10, None, &Limits::default()).map_err(InferError::Pixels)?;
        Ok(Opened { input, image })
    }

    pub(crate) fn frames(&self) -> u32 {
        self.image.description.frames
    }

    pub(crate) fn reference(&self, frame: u32) -> ImageReference {
        reference(self.input, self.frames(), frame)
    }

    fn slice(&self, frame: u32) -> SourceSlice {
        let header = &self.input.header;
        let stated =
            header.numbers(attribute::PIXEL_SPACING).or_else(|| header.numbers(attribute::IMAGER_PIXEL_SPACING));
        let from_header = stated.and_then(|v| <[f64; 2]>::try_from(v).ok());
        let measures = lut::functional_group(&self.image.data_set, frame, tags::PIXEL_MEASURES_SEQUENCE);
        let from_frame = measures.and_then(|m| m.numbers(tags::PIXEL_SPACING)).and_then(|v| v.try_into().ok());
        let spacing_mm = from_frame.or(from_header).filter(|s: &[f64; 2]| s.iter().all(|v| *v > 0.0));
        SourceSlice { reference: self.reference(frame), spacing_mm }
    }

    /// Decode frame `index`, counted from 0.
    pub(crate) fn frame(&self, index: u32) -> Result<Frame, InferError> {
        let (image, data_set) = (&self.image, &self.image.data_set);
        let description = &image.description;
        let samples = image.frame(index).map_err(InferError::Pixels)?;
        let photometric = description.photometric_interpretation.as_str();
        let colour = description.samples_per_pixel == 3 || photometric == "PALETTE COLOR";
        let (values, range, channels) = if colour {
            let rgb = lut::to_rgb(&samples, description, data_set).map_err(InferError::Pixels)?;
            (rgb.into_iter().map(f32::from).collect(), [0.0, 255.0], 3)
        } else {
            let values = lut::stored_values(&samples, description);
            let range = if description.float {
                let low = values.iter().copied().fold(f32::INFINITY, f32::min);
                [f64::from(low), f64::from(values.iter().copied().fold(f32::NEG_INFINITY, f32::max))]
            } else {
                let span = 2f64.powi(description.bits_stored.into());
                if description.signed { [-span / 2.0, span / 2.0 - 1.0] } else { [0.0, span - 1.0] }
            };
            (values, range, 1)
        };
        let (rows, columns) = (description.rows as usize, description.columns as usize);
        if values.len() != rows * columns * channels {
            return Err(images("an image holds fewer pixels than its rows and columns say"));
        }
        Ok(Frame {
            slice: self.slice(index),
            rows,
            columns,
            channels,
            values,
            range,
            whole_numbers: !description.float,
            monochrome1: photometric == "MONOCHROME1",
            modality: ModalityLut::of(data_set, index),
            voi: VoiLut::of(data_set, index),
        })
    }

    /// Where a frame lies in the patient; `None` when the object does not say.
    pub(crate) fn placement(&self, frame: u32) -> Option<Placement> {
        let data_set = &self.image.data_set;
        let numbers = |group, tag| {
            let holder = lut::functional_group(data_set, frame, group).unwrap_or(data_set);
            holder.numbers(tag)
        };
        let position = numbers(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT)?;
        let cosines = numbers(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT)?;
        let spacing: [f64; 2] = numbers(tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING)?.try_into().ok()?;
        let cosines: [f64; 6] = cosines.try_into().ok()?;
        let (along_row, along_column) = cosines.split_at(3);
        let unit = |v: &[f64]| (v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 0.01;
        let across: f64 = along_row.iter().zip(along_column).map(|(a, b)| a * b).sum();
        let good = unit(along_row) && unit(along_column) && across.abs() < 0.01 && spacing.iter().all(|s| *s > 0.0);
        good.then_some(())?;
        Some(Placement {
            position: position.try_into().ok()?,
            along_row: along_row.try_into().ok()?,
            along_column: along_column.try_into().ok()?,
            spacing,
        })
    }
}

/// Reference to a frame counted from 0.
pub(crate) fn reference(input: &InstanceInput, frames: u32, frame: u32) -> ImageReference {
    let header = &input.header;
    ImageReference {
        sop_class_uid: header.sop_class_uid.clone(),
        sop_instance_uid: header.sop_instance_uid.clone(),
        series_instance_uid: header.series_instance_uid.clone(),
        frame: (1 < frames).then_some(frame + 1),
    }
}
