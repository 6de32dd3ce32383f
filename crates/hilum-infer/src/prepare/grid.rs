/// How one axis of a tensor lies on an axis of the source images: `source = offset + scale * model`, both counted in
/// pixel centres from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    pub(crate) source_axis: usize,
    pub(crate) scale: f64,
    pub(crate) offset: f64,
}

/// How the grid of a tensor lies on its source images. Axes are slice, row and column; a single image is one slice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    /// Length of the tensor's spatial axes.
    pub(crate) model: [usize; 3],
    /// Slices, rows and columns of the source.
    pub(crate) source: [usize; 3],
    /// Per tensor axis.
    pub(crate) axes: [Axis; 3],
}

impl Grid {
    /// Tensor and source are the same.
    pub(crate) fn identity(shape: [usize; 3]) -> Grid {
        let axes = [0, 1, 2].map(|source_axis| Axis { source_axis, scale: 1.0, offset: 0.0 });
        Grid { model: shape, source: shape, axes }
    }

    /// A step made `axis` `length` long, where `old = first + step * new`.
    pub(crate) fn change(&mut self, axis: usize, length: usize, first: f64, step: f64) {
        let map = &mut self.axes[axis];
        map.offset += map.scale * first;
        map.scale *= step;
        self.model[axis] = length;
    }

    /// A step stretched `axis` from its length to `length`, edges kept.
    pub(crate) fn stretch(&mut self, axis: usize, length: usize) {
        let ratio = self.model[axis] as f64 / length as f64;
        self.change(axis, length, 0.5 * ratio - 0.5, ratio);
    }

    /// The tensor axis that lies on a source axis.
    pub(crate) fn model_axis(&self, source_axis: usize) -> usize {
        self.axes.iter().position(|axis| axis.source_axis == source_axis).unwrap_or(source_axis)
    }

    /// Position on tensor axis `axis`, as an edge coordinate (0 is the outer edge of the first pixel), in the source.
    pub(crate) fn edge_to_source(&self, axis: usize, edge: f64) -> f64 {
        let map = self.axes[axis];
        let length = self.source[map.source_axis] as f64;
        (map.offset + map.scale * (edge - 0.5) + 0.5).clamp(0.0, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 columns, cropped to 80 from column 10, resized to 40: model edge 0 is source edge 10, edge 40 is edge 90.
    #[test]
    fn steps_compose() {
        let mut grid = Grid::identity([1, 50, 100]);
        grid.change(2, 80, 10.0, 1.0);
        grid.stretch(2, 40);
        assert_eq!([grid.edge_to_source(2, 0.0), grid.edge_to_source(2, 40.0)], [10.0, 90.0]);
        grid.change(2, 44, -2.0, 1.0);
        assert_eq!(grid.edge_to_source(2, 2.0), 10.0);
        grid.change(2, 44, 43.0, -1.0);
        assert_eq!(grid.edge_to_source(2, 42.0), 10.0);
    }
}
