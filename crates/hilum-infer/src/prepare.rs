//! From stored pixels to input tensors, as the manifest declares; nothing here knows a particular model.

mod grid;
mod image;
mod intensity;
mod resize;
mod source;
mod volume;

pub(crate) use grid::Grid;
pub(crate) use source::{Frame, Opened, Placement, SourceSlice};

use crate::InferError;
use crate::engine::StopSignal;
use crate::measure::Measuring;
use hilum_registry::manifest::{ElementType, InputSpec, Layout};
use hilum_registry::{Tensor, TensorData};
use hilum_types::{ImageReference, Uid};
use image::Plane;
use std::time::{Duration, Instant};

/// An input tensor and how its grid lies on the source images.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) tensor: Tensor,
    pub(crate) grid: Grid,
    /// Source images by the first axis of `grid.source`.
    pub(crate) slices: Vec<SourceSlice>,
    /// Distance of slices in mm, for volumes.
    pub(crate) slice_step_mm: Option<f64>,
    /// Part of the preparation that was decoding.
    pub(crate) decode: Duration,
}

fn images(problem: impl Into<String>) -> InferError {
    InferError::Images(problem.into())
}

impl Prepared {
    /// A tensor without source images: its own grid stands for them, under UIDs that name nothing.
    pub(crate) fn from_tensor(spec: &InputSpec, tensor: Tensor) -> Result<Prepared, InferError> {
        let shape = match (spec.layout, tensor.shape()) {
            (Layout::Nchw, &[1, _, h, w]) | (Layout::Nhwc, &[1, h, w, _]) => [1, h, w],
            (Layout::Ncdhw, &[1, _, d, h, w]) => [d, h, w],
            (_, other) => return Err(images(format!("tensor {:?} has shape {other:?}", spec.tensor))),
        };
        let reference = |slice: usize| ImageReference {
            sop_class_uid: Uid::derived(&["hilum", "golden", "class"]),
            sop_instance_uid: Uid::derived(&["hilum", "golden", "image"]),
            series_instance_uid: Uid::derived(&["hilum", "golden", "series"]),
            frame: (1 < shape[0]).then_some(slice as u32 + 1),
        };
        let slices = (0..shape[0]).map(|n| SourceSlice { reference: reference(n), spacing_mm: None }).collect();
        let grid = Grid::identity(shape);
        Ok(Prepared { tensor, grid, slices, slice_step_mm: None, decode: Duration::ZERO })
    }
}

/// One image to a tensor.
pub(crate) fn prepare_image(spec: &InputSpec, frame: Frame) -> Result<Prepared, InferError> {
    let slice = frame.slice.clone();
    let mut plane = Plane::new(frame);
    for step in &spec.preprocess {
        plane.apply(step)?;
    }
    let grid = plane.grid.clone();
    let (shape, values) = arrange(spec, plane)?;
    let tensor = tensor(shape, values, spec.dtype)?;
    Ok(Prepared { tensor, grid, slices: vec![slice], slice_step_mm: None, decode: Duration::ZERO })
}

/// One image to every input.
pub(crate) fn prepare_images(specs: &[InputSpec], frame: Frame) -> Result<Vec<Prepared>, InferError> {
    let Some((last, others)) = specs.split_last() else { return Ok(Vec::new()) };
    let mut prepared = others.iter().map(|spec| prepare_image(spec, frame.clone())).collect::<Result<Vec<_>, _>>()?;
    prepared.push(prepare_image(last, frame)?);
    Ok(prepared)
}

/// A series to a volume tensor.
pub(crate) fn prepare_volume(
    spec: &InputSpec,
    series: &[Opened<'_>],
    mut measuring: Option<&mut Measuring>,
    stop: &StopSignal,
) -> Result<Prepared, InferError> {
    let places = volume::sort_slices(series)?;
    let leading = spec.preprocess.iter().take_while(|step| step.is_per_slice()).count();
    let (per_slice, rest) = spec.preprocess.split_at(leading);
    let mut decode = Duration::ZERO;
    let mut building = volume::Builder::new(&places);
    for place in &places.slices {
        if stop.is_stopped() {
            return Err(images("stopped"));
        }
        let begun = Instant::now();
        let frame = series[place.instance].frame(place.frame)?;
        decode += begun.elapsed();
        if let Some(measuring) = &mut measuring {
            measuring.take(&frame);
        }
        let mut plane = Plane::new(frame);
        for step in per_slice {
            plane.apply(step)?;
        }
        building.push(plane)?;
    }
    let mut volume = building.finish()?;
    for step in rest {
        if stop.is_stopped() {
            return Err(images("stopped"));
        }
        volume.apply(step)?;
    }
    let [d, h, w] = volume.grid.model;
    let channels = spec.channels as usize;
    let values = if channels == 1 { volume.voxels } else { volume.voxels.repeat(channels) };
    let tensor = tensor(vec![1, channels, d, h, w], values, spec.dtype)?;
    let slice_step_mm = Some(places.slice_step_mm());
    Ok(Prepared { tensor, grid: volume.grid, slices: volume.slices, slice_step_mm, decode })
}

/// Channel layout.
fn arrange(spec: &InputSpec, plane: Plane) -> Result<(Vec<usize>, Vec<f32>), InferError> {
    let wanted = spec.channels as usize;
    let (rows, columns, has) = (plane.rows, plane.columns, plane.channels);
    if has != wanted && has != 1 {
        return Err(images(format!(
            "input {:?} takes one channel and the image is colour; add a `grey` step",
            spec.tensor
        )));
    }
    let pixels = plane.pixels;
    let values = match (spec.layout, has == wanted) {
        (Layout::Nhwc, true) => pixels,
        (Layout::Nhwc, false) => pixels.iter().flat_map(|v| std::iter::repeat_n(*v, wanted)).collect(),
        (_, true) if has == 1 => pixels,
        (_, true) => (0..has).flat_map(|c| pixels.iter().skip(c).step_by(has).copied()).collect(),
        (_, false) => pixels.repeat(wanted),
    };
    let shape = match spec.layout {
        Layout::Nhwc => vec![1, rows, columns, wanted],
        _ => vec![1, wanted, rows, columns],
    };
    Ok((shape, values))
}

fn tensor(shape: Vec<usize>, values: Vec<f32>, dtype: ElementType) -> Result<Tensor, InferError> {
    if let Some(position) = values.iter().position(|v| !v.is_finite()) {
        return Err(images(format!("a prepared value (position {position}) is not a finite number")));
    }
    let data = match dtype {
        ElementType::Float32 => TensorData::F32(values),
        ElementType::Uint8 => TensorData::U8(values.iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect()),
        ElementType::Int64 => TensorData::I64(values.iter().map(|v| v.round() as i64).collect()),
    };
    Tensor::new(shape, data).map_err(|e| images(e.to_string()))
}
