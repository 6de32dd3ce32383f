use super::image::Plane;
use super::source::{Opened, Placement, SourceSlice};
use super::{Grid, images, intensity};
use crate::InferError;
use hilum_registry::manifest::{Interpolation, PreprocessStep};

/// A frame of the series and where it stands in the stack.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) instance: usize,
    /// From 0.
    pub(super) frame: u32,
    along_normal: f64,
    placement: Placement,
}

/// The slices of a volume in the order of their position along the normal.
#[derive(Debug)]
pub(super) struct Stack<'a> {
    pub(super) slices: Vec<Place>,
    series: &'a [Opened<'a>],
    /// Unit vectors, LPS, in which slice, row and column index grow.
    directions: [[f64; 3]; 3],
    spacing_mm: [f64; 3],
}

impl Stack<'_> {
    pub(super) fn slice_step_mm(&self) -> f64 {
        self.spacing_mm[0]
    }
}

impl std::fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Sort slices along their normal and check that they make a regular, upright stack (PS3.3 section C.7.6.2).
pub(super) fn sort_slices<'a>(series: &'a [Opened<'a>]) -> Result<Stack<'a>, InferError> {
    let mut slices = Vec::new();
    let mut first: Option<Placement> = None;
    for (instance, opened) in series.iter().enumerate() {
        for frame in 0..opened.frames() {
            let placement = opened.placement(frame).ok_or_else(|| {
                images("a slice states no Image Position, Image Orientation (Patient) or Pixel Spacing")
            })?;
            let first = *first.get_or_insert(placement);
            check_parallel(&first, &placement)?;
            let normal = cross(first.along_row, first.along_column);
            slices.push(Place { instance, frame, along_normal: dot(normal, placement.position), placement });
        }
    }
    let first = first.ok_or_else(|| images("the series has no images"))?;
    let normal = cross(first.along_row, first.along_column);
    slices.sort_by(|a, b| a.along_normal.total_cmp(&b.along_normal));
    let step = check_regular(&slices, normal, first.spacing)?;
    Ok(Stack {
        slices,
        series,
        directions: [normal, first.along_column, first.along_row],
        spacing_mm: [step, first.spacing[0], first.spacing[1]],
    })
}

fn check_parallel(first: &Placement, next: &Placement) -> Result<(), InferError> {
    let turned = dot(first.along_row, next.along_row) < 0.9999 || dot(first.along_column, next.along_column) < 0.9999;
    if turned {
        return Err(images("slices of the series are not parallel; a localizer or another plane is among them"));
    }
    let differs = |a: f64, b: f64| 0.01 * a < (a - b).abs();
    if differs(first.spacing[0], next.spacing[0]) || differs(first.spacing[1], next.spacing[1]) {
        return Err(images("slices of the series differ in Pixel Spacing"));
    }
    Ok(())
}

/// The distance of slices. Refused: fewer than 2, two at one place, gaps, and slices shifted sideways (gantry tilt).
fn check_regular(slices: &[Place], normal: [f64; 3], spacing: [f64; 2]) -> Result<f64, InferError> {
    let steps: Vec<f64> = slices.windows(2).map(|pair| pair[1].along_normal - pair[0].along_normal).collect();
    if steps.is_empty() {
        return Err(images("a volume needs at least 2 slices"));
    }
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    if sorted[0] < 0.001 || median < 0.01 {
        return Err(images("two slices of the series lie at the same position"));
    }
    if let Some(at) = steps.iter().position(|step| 1.5 * median < *step) {
        let missing = (steps[at] / median).round() - 1.0;
        return Err(images(format!("about {missing} slices are missing after slice {} of {}", at + 1, slices.len())));
    }
    if steps.iter().any(|step| 0.1 * median < (step - median).abs()) {
        return Err(images("the distance between slices varies by more than 10 %"));
    }
    let (first, last) = (&slices[0].placement, &slices[slices.len() - 1].placement);
    let way: [f64; 3] = std::array::from_fn(|i| last.position[i] - first.position[i]);
    let along = dot(way, normal);
    let sideways = (dot(way, way) - along * along).max(0.0).sqrt();
    if 0.5 * spacing[0].min(spacing[1]) < sideways {
        return Err(images("slices are shifted sideways (gantry tilt), which is not corrected"));
    }
    Ok(along / (slices.len() - 1) as f64)
}

/// Collects prepared slices.
pub(super) struct Builder<'a> {
    stack: &'a Stack<'a>,
    rows_columns: Option<[usize; 2]>,
    voxels: Vec<f32>,
    slices: Vec<SourceSlice>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(stack: &'a Stack<'a>) -> Builder<'a> {
        Builder { stack, rows_columns: None, voxels: Vec::new(), slices: Vec::with_capacity(stack.slices.len()) }
    }

    pub(super) fn push(&mut self, plane: Plane) -> Result<(), InferError> {
        let size = [plane.rows, plane.columns];
        if plane.channels != 1 {
            return Err(images("a slice is colour; add a `grey` step"));
        }
        if *self.rows_columns.get_or_insert(size) != size {
            return Err(images("slices of the series differ in rows or columns"));
        }
        let place = &self.stack.slices[self.slices.len()];
        let [_, rows, columns] = self.stack.spacing_mm;
        let reference = self.stack.series[place.instance].reference(place.frame);
        self.slices.push(SourceSlice { reference, spacing_mm: Some([rows, columns]) });
        if self.voxels.is_empty() {
            self.voxels.reserve_exact(plane.pixels.len() * self.stack.slices.len());
        }
        self.voxels.extend_from_slice(&plane.pixels);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Volume, InferError> {
        let [rows, columns] = self.rows_columns.ok_or_else(|| images("the series has no images"))?;
        Ok(Volume {
            voxels: self.voxels,
            grid: Grid::identity([self.slices.len(), rows, columns]),
            slices: self.slices,
            directions: self.stack.directions,
            spacing_mm: self.stack.spacing_mm,
        })
    }
}

/// A volume on its way to a tensor.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) voxels: Vec<f32>,
    pub(super) grid: Grid,
    pub(super) slices: Vec<SourceSlice>,
    directions: [[f64; 3]; 3],
    spacing_mm: [f64; 3],
}

impl Volume {
    pub(super) fn apply(&mut self, step: &PreprocessStep) -> Result<(), InferError> {
        match step {
            PreprocessStep::Orient { axes } => self.orient(axes),
            PreprocessStep::Resample { spacing_mm, interpolation } => self.resample(*spacing_mm, *interpolation),
            PreprocessStep::PadToMultiple { of, value } => {
                self.pad(*of as usize, *value);
                Ok(())
            }
            other if intensity::apply(other, &mut self.voxels, 1)? => Ok(()),
            _ => Err(images("a step for single images stands after the first step for the volume")),
        }
    }

    /// Turn and flip so that axis `i` runs toward letter `i`.
    fn orient(&mut self, letters: &str) -> Result<(), InferError> {
        let mut order = [0usize; 3];
        let mut flip = [false; 3];
        for (axis, letter) in letters.bytes().enumerate().take(3) {
            let (component, sign) = match letter {
                b'L' => (0, 1.0),
                b'R' => (0, -1.0),
                b'P' => (1, 1.0),
                b'A' => (1, -1.0),
                b'S' => (2, 1.0),
                _ => (2, -1.0),
            };
            let strength = |a: &usize| self.directions[*a][component].abs();
            let from = (0..3).max_by(|a, b| strength(a).total_cmp(&strength(b))).unwrap_or(0);
            order[axis] = from;
            flip[axis] = self.directions[from][component] * sign < 0.0;
        }
        let mut sorted = order;
        sorted.sort_unstable();
        if sorted != [0, 1, 2] {
            return Err(images("the volume lies too oblique to be turned to the axes of the patient"));
        }
        self.permute(order, flip);
        Ok(())
    }

    fn permute(&mut self, order: [usize; 3], flip: [bool; 3]) {
        let old = self.grid.model;
        let strides = [old[1] * old[2], old[2], 1];
        let shape = order.map(|from| old[from]);
        if order != [0, 1, 2] || flip != [false; 3] {
            // Start and step in the old volume for each new axis.
            let start: usize = (0..3).filter(|a| flip[*a]).map(|a| (shape[a] - 1) * strides[order[a]]).sum();
            let step: [isize; 3] = std::array::from_fn(|a| {
                let step = strides[order[a]] as isize;
                if flip[a] { -step } else { step }
            });
            let mut voxels = Vec::with_capacity(self.voxels.len());
            for i in 0..shape[0] {
                for j in 0..shape[1] {
                    let row = start as isize + i as isize * step[0] + j as isize * step[1];
                    voxels.extend((0..shape[2]).map(|k| self.voxels[(row + k as isize * step[2]) as usize]));
                }
            }
            self.voxels = voxels;
        }
        let (axes, directions, spacing) = (self.grid.axes, self.directions, self.spacing_mm);
        self.grid.model = shape;
        for axis in 0..3 {
            self.grid.axes[axis] = axes[order[axis]];
            self.spacing_mm[axis] = spacing[order[axis]];
            let direction = directions[order[axis]];
            self.directions[axis] = if flip[axis] { direction.map(|x| -x) } else { direction };
            if flip[axis] {
                self.grid.change(axis, shape[axis], shape[axis] as f64 - 1.0, -1.0);
            }
        }
    }

    fn resample(&mut self, to_mm: [f64; 3], interpolation: Interpolation) -> Result<(), InferError> {
        for (axis, to_mm) in to_mm.into_iter().enumerate() {
            let extent = self.grid.model[axis] as f64 * self.spacing_mm[axis];
            let length = (extent / to_mm).round().max(1.0);
            let others = self.voxels.len() as f64 / self.grid.model[axis] as f64;
            if 2f64.powi(31) < length * others {
                return Err(images("the resampled volume would have more than 2^31 voxels"));
            }
            if (to_mm - self.spacing_mm[axis]).abs() < 1e-6 * to_mm {
                continue;
            }
            let length = length as usize;
            self.resample_axis(axis, length, to_mm / self.spacing_mm[axis], interpolation);
            self.spacing_mm[axis] = to_mm;
        }
        Ok(())
    }

    /// New position `n` lies at `first + ratio * n` of the old axis, so that both grids have the same centre.
    fn resample_axis(&mut self, axis: usize, length: usize, ratio: f64, interpolation: Interpolation) {
        let shape = self.grid.model;
        let old = shape[axis];
        let first = (old as f64 - 1.0) / 2.0 - ratio * (length as f64 - 1.0) / 2.0;
        let taps: Vec<(usize, usize, f32)> = (0..length)
            .map(|n| {
                let at = (first + ratio * n as f64).clamp(0.0, old as f64 - 1.0);
                let low = at.floor() as usize;
                match interpolation {
                    Interpolation::Linear => (low, (low + 1).min(old - 1), (at - low as f64) as f32),
                    Interpolation::Nearest => (at.round() as usize, at.round() as usize, 0.0),
                }
            })
            .collect();
        let inner: usize = shape[axis + 1..].iter().product();
        let mut voxels = Vec::with_capacity(self.voxels.len() / old * length);
        for block in self.voxels.chunks_exact(old * inner) {
            for (low, high, weight) in &taps {
                let (a, b) = (&block[low * inner..(low + 1) * inner], &block[high * inner..(high + 1) * inner]);
                voxels.extend(a.iter().zip(b).map(|(a, b)| a + (b - a) * weight));
            }
        }
        self.voxels = voxels;
        self.grid.change(axis, length, first, ratio);
    }

    fn pad(&mut self, of: usize, value: f32) {
        let old = self.grid.model;
        let new = old.map(|n| n.next_multiple_of(of));
        if new == old {
            return;
        }
        let mut voxels = vec![value; new.iter().product()];
        for (n, line) in self.voxels.chunks_exact(old[2]).enumerate() {
            let start = ((n / old[1]) * new[1] + n % old[1]) * new[2];
            voxels[start..start + old[2]].copy_from_slice(line);
        }
        self.voxels = voxels;
        (0..3).for_each(|axis| self.grid.change(axis, new[axis], 0.0, 1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(shape: [usize; 3], directions: [[f64; 3]; 3], spacing_mm: [f64; 3]) -> Volume {
        let voxels = (0..shape.iter().product::<usize>()).map(|v| v as f32).collect();
        Volume { voxels, grid: Grid::identity(shape), slices: Vec::new(), directions, spacing_mm }
    }

    const L: [f64; 3] = [1.0, 0.0, 0.0];
    const P: [f64; 3] = [0.0, 1.0, 0.0];
    const S: [f64; 3] = [0.0, 0.0, 1.0];

    /// Axial: slices up, rows to posterior, columns to left. Voxel (s, r, c) of 2 x 3 x 4 holds 12 s + 4 r + c.
    #[test]
    fn axial_to_lia() {
        let mut v = volume([2, 3, 4], [S, P, L], [3.0, 2.0, 1.0]);
        v.orient("LIA").unwrap();
        assert_eq!((v.grid.model, v.spacing_mm), ([4, 2, 3], [1.0, 3.0, 2.0]));
        // First voxel of the result: leftmost index 0, top slice (s = 1), most posterior row (r = 2).
        assert_eq!(v.voxels[0], 12.0 + 8.0);
        // One step along the second axis goes down: s = 0. One along the third goes to anterior: r = 1.
        assert_eq!((v.voxels[3], v.voxels[1], v.voxels[6]), (8.0, 16.0, 21.0));
        assert_eq!(v.directions, [[1.0, 0.0, 0.0], [-0.0, -0.0, -1.0], [-0.0, -1.0, -0.0]]);
        // Back: model (0, 0, 0) is source slice 1, row 2, column 0.
        let source = |axis: usize| v.grid.axes[v.grid.model_axis(axis)].offset;
        assert_eq!([source(0), source(1), source(2)], [1.0, 2.0, 0.0]);
    }

    #[test]
    fn resampling_keeps_the_extent_and_a_ramp() {
        let mut v = volume([1, 1, 8], [S, P, L], [1.0, 1.0, 1.0]);
        v.resample([1.0, 1.0, 2.0], Interpolation::Linear).unwrap();
        assert_eq!((v.grid.model, v.voxels.clone()), ([1, 1, 4], vec![0.5, 2.5, 4.5, 6.5]));
        assert_eq!([v.grid.edge_to_source(2, 0.0), v.grid.edge_to_source(2, 4.0)], [0.0, 8.0]);
        v.pad(3, -1.0);
        assert_eq!((v.grid.model, v.voxels.len(), v.voxels[6]), ([3, 3, 6], 54, 0.5 * 0.0 - 1.0));
    }

    fn slices(positions: &[[f64; 3]]) -> Vec<Place> {
        let place = |position: &[f64; 3]| Place {
            instance: 0,
            frame: 0,
            along_normal: position[2],
            placement: Placement { position: *position, along_row: L, along_column: P, spacing: [1.0, 1.0] },
        };
        positions.iter().map(place).collect()
    }

    #[test]
    fn irregular_stacks_are_refused_with_the_reason() {
        let check = |positions: &[[f64; 3]]| match check_regular(&slices(positions), S, [1.0, 1.0]) {
            Ok(step) => format!("{step}"),
            Err(error) => error.to_string(),
        };
        let up = |zs: &[f64]| zs.iter().map(|z| [0.0, 0.0, *z]).collect::<Vec<_>>();
        assert_eq!(check(&up(&[0.0, 2.5, 5.0])), "2.5");
        assert!(check(&up(&[0.0])).contains("at least 2"));
        assert!(check(&up(&[0.0, 1.0, 1.0, 2.0])).contains("same position"));
        assert!(check(&up(&[0.0, 1.0, 2.0, 4.0, 5.0])).contains("about 1 slices are missing after slice 3 of 5"));
        assert!(check(&up(&[0.0, 1.0, 2.2, 3.2])).contains("varies"));
        assert!(check(&[[0.0, 0.0, 0.0], [0.0, 0.3, 1.0], [0.0, 0.6, 2.0]]).contains("gantry tilt"));
    }
}
