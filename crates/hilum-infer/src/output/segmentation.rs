use super::{RunOutput, activate, raw, wrong};
use crate::InferError;
use crate::prepare::Grid;
use hilum_registry::Tensor;
use hilum_registry::manifest::{Activation, GridInterpolation, SegmentMeasurement, SegmentSpec, SegmentationOutput};
use hilum_types::{CodedConcept, Measurement, Segment, SegmentMask};
use std::borrow::Cow;

/// Masks on the source images. An image without any pixel of a segment gets no mask of it.
pub(super) fn segment(
    spec: &SegmentationOutput,
    runs: &[RunOutput],
    segments: &mut Vec<Segment>,
) -> Result<(), InferError> {
    let mut masks: Vec<Vec<SegmentMask>> = vec![Vec::new(); spec.segments.len()];
    let mut voxels = vec![0u64; spec.segments.len()];
    for run in runs {
        let field = Field::new(spec, run)?;
        for (slice, source) in run.slices.iter().enumerate() {
            let [_, rows, columns] = run.grid.source;
            for (index, pixels) in field.slice(spec, slice).into_iter().enumerate() {
                let inside: u64 = pixels.iter().map(|pixel| u64::from(*pixel)).sum();
                voxels[index] += inside;
                if inside != 0 {
                    let (rows, columns) = (rows as u32, columns as u32);
                    masks[index].push(SegmentMask { image: source.reference.clone(), rows, columns, pixels });
                }
            }
        }
    }
    for ((spec, masks), voxels) in spec.segments.iter().zip(masks).zip(voxels) {
        let measurements = measurement(spec, voxels, runs).into_iter().collect();
        segments.push(Segment {
            label: spec.label.clone(),
            category: spec.category.clone(),
            property_type: spec.property_type.clone(),
            display_rgb: spec.display_rgb,
            masks,
            measurements,
        });
    }
    Ok(())
}

/// Volume or area; `None` when the spacing is not known or several images would have to be added up.
fn measurement(spec: &SegmentSpec, voxels: u64, runs: &[RunOutput]) -> Option<Measurement> {
    let [run] = runs else { return None };
    let [rows, columns] = run.slices.first()?.spacing_mm?;
    let concept = |value, meaning| CodedConcept::new(value, "SCT", meaning);
    match spec.measurement? {
        SegmentMeasurement::Area => Some(Measurement {
            concept: concept("42798000", "Area"),
            value: voxels as f64 * rows * columns / 100.0,
            unit: CodedConcept::new("cm2", "UCUM", "square centimeter"),
        }),
        SegmentMeasurement::Volume => Some(Measurement {
            concept: concept("118565006", "Volume"),
            value: voxels as f64 * rows * columns * run.slice_step_mm? / 1000.0,
            unit: CodedConcept::new("mL", "UCUM", "milliliter"),
        }),
    }
}

/// Neighbours of a source index on a model axis, and the weight of the second.
type Tap = Option<(usize, usize, f64)>;

/// Values over the model's grid and, per source axis, where each source index lies on it.
struct Field<'a> {
    values: Cow<'a, [f32]>,
    channels: usize,
    voxels: usize,
    /// Per source axis, per index.
    taps: [Vec<Tap>; 3],
    /// Per source axis: length of the model axis on it, and the distance of its neighbours in `values`.
    lengths: [usize; 3],
    strides: [usize; 3],
}

impl<'a> Field<'a> {
    fn new(spec: &SegmentationOutput, run: &'a RunOutput) -> Result<Field<'a>, InferError> {
        let tensor = raw(run, &spec.tensor)?;
        let (channels, shape) = match tensor.shape() {
            &[1, c, h, w] if run.grid.model[0] == 1 => (c, [1, h, w]),
            &[1, c, d, h, w] => (c, [d, h, w]),
            other => return Err(wrong(format!("segmentation {:?} has shape {other:?}", spec.tensor))),
        };
        if let Some(segment) = spec.segments.iter().find(|segment| channels <= segment.channel) {
            return Err(wrong(format!("segment {:?} reads channel {} of {channels}", segment.label, segment.channel)));
        }
        if shape.contains(&0) {
            return Err(wrong(format!("segmentation {:?} is empty", spec.tensor)));
        }
        let mut grid = run.grid.clone();
        (0..3).for_each(|axis| grid.stretch(axis, shape[axis]));
        let voxels = shape.iter().product();
        let values = values(tensor, spec.activation, channels, voxels);
        if values.iter().any(|value| value.is_nan()) {
            return Err(wrong(format!("segmentation {:?} holds values that are no numbers", spec.tensor)));
        }
        let taps = [0, 1, 2].map(|axis| taps(&grid, axis, spec.resize));
        let lengths = [0, 1, 2].map(|axis| shape[grid.model_axis(axis)]);
        let strides = [0, 1, 2].map(|axis| shape[grid.model_axis(axis) + 1..].iter().product());
        Ok(Field { values, channels, voxels, taps, lengths, strides })
    }

    /// One mask per segment on a source slice.
    fn slice(&self, spec: &SegmentationOutput, slice: usize) -> Vec<Vec<u8>> {
        let [slices, rows, columns] = &self.taps;
        let mut masks = vec![vec![0u8; rows.len() * columns.len()]; spec.segments.len()];
        let Some(slice) = slices[slice] else { return masks };
        let (length, stride) = (self.lengths[2], self.strides[2]);
        // One line of the model's grid per channel, interpolated to the source row.
        let mut lines = vec![0f32; self.channels * length];
        for (r, row) in rows.iter().enumerate() {
            let Some(row) = row else { continue };
            let mut corners = vec![(0, 1.0)];
            split(&mut corners, slice, self.strides[0]);
            split(&mut corners, *row, self.strides[1]);
            for (channel, line) in lines.chunks_exact_mut(length).enumerate() {
                line.fill(0.0);
                for (offset, weight) in &corners {
                    let values = self.values[channel * self.voxels + offset..].iter().step_by(stride);
                    line.iter_mut().zip(values).for_each(|(sum, value)| *sum += *weight as f32 * value);
                }
            }
            let row = r * columns.len()..(r + 1) * columns.len();
            match spec.threshold {
                Some(threshold) => {
                    for (segment, mask) in spec.segments.iter().zip(&mut masks) {
                        let line = &lines[segment.channel * length..(segment.channel + 1) * length];
                        above(line, threshold as f32, columns, &mut mask[row.clone()]);
                    }
                }
                None => {
                    for (pixel, column) in row.zip(columns) {
                        let Some(tap) = *column else { continue };
                        let largest = largest(lines.chunks_exact(length).map(|line| lerp(line, tap)));
                        for (segment, mask) in spec.segments.iter().zip(&mut masks) {
                            mask[pixel] = u8::from(segment.channel == largest);
                        }
                    }
                }
            }
        }
        masks
    }
}

/// Offsets times two neighbours; a neighbour without weight is left out.
fn split(corners: &mut Vec<(usize, f64)>, tap: (usize, usize, f64), stride: usize) {
    let (low, high, weight) = tap;
    let count = corners.len();
    if weight != 0.0 {
        corners.extend_from_within(..);
        corners[count..].iter_mut().for_each(|(offset, w)| (*offset, *w) = (*offset + high * stride, *w * weight));
    }
    corners[..count].iter_mut().for_each(|(offset, w)| (*offset, *w) = (*offset + low * stride, *w * (1.0 - weight)));
}

fn lerp(line: &[f32], (low, high, weight): (usize, usize, f64)) -> f32 {
    line[low] + (line[high] - line[low]) * weight as f32
}

/// Mark the pixels of a row whose value is above the threshold.
fn above(line: &[f32], threshold: f32, columns: &[Tap], row: &mut [u8]) {
    for (pixel, column) in row.iter_mut().zip(columns) {
        if let Some(tap) = *column {
            *pixel = u8::from(threshold < lerp(line, tap));
        }
    }
}

/// Index of the largest value; of equal ones the first, as in NumPy's argmax.
fn largest(values: impl Iterator<Item = f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (channel, value) in values.enumerate() {
        if best.1 < value {
            best = (channel, value);
        }
    }
    best.0
}

fn values(tensor: &Tensor, activation: Activation, channels: usize, voxels: usize) -> Cow<'_, [f32]> {
    if let (Some(values), Activation::None) = (tensor.as_f32(), activation) {
        return Cow::Borrowed(values);
    }
    let mut values = tensor.to_f64();
    activate(activation, &mut values, channels, voxels);
    values.into_iter().map(|v| v as f32).collect()
}

/// Where the indices of a source axis lie on the model's grid; `None` beyond its edge.
fn taps(grid: &Grid, source_axis: usize, interpolation: GridInterpolation) -> Vec<Tap> {
    let axis = grid.model_axis(source_axis);
    let (map, length) = (grid.axes[axis], grid.model[axis]);
    (0..grid.source[source_axis])
        .map(|index| {
            let at = (index as f64 - map.offset) / map.scale;
            let last = length as f64 - 1.0;
            // A hair of tolerance, for scales that are not exact in binary.
            if at < -0.5 - 1e-9 || last + 0.5 + 1e-9 < at {
                return None;
            }
            let at = at.clamp(0.0, last);
            let near = at.round();
            Some(if interpolation == GridInterpolation::Nearest || (at - near).abs() < 1e-9 {
                (near as usize, near as usize, 0.0)
            } else {
                let low = at.floor();
                (low as usize, low as usize + 1, at - low)
            })
        })
        .collect()
}
