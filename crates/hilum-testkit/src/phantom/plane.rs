//! A grid of numbers over a detector, and shapes drawn into it by the length of a ray within them.

use crate::draw::Draw;

/// Rows, columns and spacing of a detector; x runs to the right and y down, in mm. The detector's centre lies at
/// (`shift_x`, `shift_y`) of the patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) spacing: f64,
    pub(crate) shift_x: f64,
    pub(crate) shift_y: f64,
}

impl Grid {
    pub(crate) fn x(&self, column: usize) -> f64 {
        (column as f64 + 0.5 - self.columns as f64 / 2.0) * self.spacing + self.shift_x
    }

    pub(crate) fn y(&self, row: usize) -> f64 {
        (row as f64 + 0.5 - self.rows as f64 / 2.0) * self.spacing + self.shift_y
    }

    /// Columns whose centres may lie in `low..=high` mm.
    pub(crate) fn columns_within(&self, low: f64, high: f64) -> std::ops::Range<usize> {
        within(low - self.shift_x, high - self.shift_x, self.columns, self.spacing)
    }

    /// Rows whose centres may lie in `low..=high` mm.
    pub(crate) fn rows_within(&self, low: f64, high: f64) -> std::ops::Range<usize> {
        within(low - self.shift_y, high - self.shift_y, self.rows, self.spacing)
    }

    /// Left, top, right, bottom of a box in mm as pixel coordinates held to the image (0 = left edge of column 1).
    pub(crate) fn pixel_box(&self, left: f64, top: f64, right: f64, bottom: f64) -> [f64; 4] {
        let x =
            |mm: f64| ((mm - self.shift_x) / self.spacing + self.columns as f64 / 2.0).clamp(0.0, self.columns as f64);
        let y = |mm: f64| ((mm - self.shift_y) / self.spacing + self.rows as f64 / 2.0).clamp(0.0, self.rows as f64);
        [x(left), y(top), x(right), y(bottom)]
    }

    pub(crate) fn len(&self) -> usize {
        self.rows * self.columns
    }
}

fn within(low: f64, high: f64, count: usize, spacing: f64) -> std::ops::Range<usize> {
    let index = |mm: f64| (mm / spacing + count as f64 / 2.0).clamp(0.0, count as f64);
    let first = index(low) as usize;
    let last = (index(high) as usize + 1).min(count);
    first.min(last)..last
}

/// A value for every pixel, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Plane {
    pub(crate) grid: Grid,
    pub(crate) values: Vec<f64>,
}

impl Plane {
    pub(crate) fn new(grid: Grid) -> Plane {
        Plane { grid, values: vec![0.0; grid.len()] }
    }

    /// Every pixel computed from its place in mm.
    pub(crate) fn from_fn(grid: Grid, value: impl Fn(f64, f64) -> f64) -> Plane {
        let mut values = Vec::with_capacity(grid.len());
        for row in 0..grid.rows {
            let y = grid.y(row);
            values.extend((0..grid.columns).map(|column| value(grid.x(column), y)));
        }
        Plane { grid, values }
    }

    /// Change the pixels of a box in mm.
    pub(crate) fn update(&mut self, area: [f64; 4], mut change: impl FnMut(f64, f64, &mut f64)) {
        let grid = self.grid;
        for row in grid.rows_within(area[1], area[3]) {
            let y = grid.y(row);
            for column in grid.columns_within(area[0], area[2]) {
                change(grid.x(column), y, &mut self.values[row * grid.columns + column]);
            }
        }
    }

    /// Add the length of a ray within an ellipsoid: half axes `a` and `b` in the plane turned by `angle`, `c` along it.
    pub(crate) fn add_ellipsoid(&mut self, ellipsoid: &Ellipsoid, weight: f64) {
        let reach = ellipsoid.a.max(ellipsoid.b);
        let area = [ellipsoid.x - reach, ellipsoid.y - reach, ellipsoid.x + reach, ellipsoid.y + reach];
        self.update(area, |x, y, value| *value += weight * ellipsoid.chord(x, y));
    }

    /// Add tubes along a line with a radius at each point, by the largest length of a ray within any of its parts.
    ///
    /// `hollow` is the part of the radius that holds marrow, which counts `1 - marrow`; 0 for a solid tube.
    pub(crate) fn add_tube(&mut self, line: &[Point], weight: f64, hollow: f64, marrow: f64) {
        let grid = self.grid;
        let edge = |pick: fn(&Point) -> f64, sign: f64| {
            line.iter().map(|p| sign * pick(p) + p.radius).fold(f64::NEG_INFINITY, f64::max) * sign
        };
        let columns = grid.columns_within(edge(|p| p.x, -1.0), edge(|p| p.x, 1.0));
        let rows = grid.rows_within(edge(|p| p.y, -1.0), edge(|p| p.y, 1.0));
        let mut longest = vec![0.0f64; columns.len() * rows.len()];
        for pair in line.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let reach = from.radius.max(to.radius);
            for row in grid.rows_within(from.y.min(to.y) - reach, from.y.max(to.y) + reach) {
                let y = grid.y(row);
                for column in grid.columns_within(from.x.min(to.x) - reach, from.x.max(to.x) + reach) {
                    let (distance, radius) = from.distance_to_line(to, grid.x(column), y);
                    if radius <= distance || !rows.contains(&row) || !columns.contains(&column) {
                        continue;
                    }
                    let length = 2.0 * (half_chord(radius, distance) - marrow * half_chord(radius * hollow, distance));
                    let known = &mut longest[(row - rows.start) * columns.len() + column - columns.start];
                    *known = known.max(length);
                }
            }
        }
        for (line, row) in rows.enumerate() {
            for (place, column) in columns.clone().enumerate() {
                self.values[row * grid.columns + column] += weight * longest[line * columns.len() + place];
            }
        }
    }

    /// Gaussian blur; `sigma` in pixels, edges repeated.
    pub(crate) fn blurred(&self, sigma: f64) -> Plane {
        let mut plane = self.clone();
        if sigma < 0.05 {
            return plane;
        }
        let kernel = gaussian(sigma);
        let (rows, columns, reach) = (self.grid.rows, self.grid.columns, kernel.len() - 1);
        let mut line = vec![0.0; columns + 2 * reach];
        for row in plane.values.chunks_exact_mut(columns) {
            line[..reach].fill(row[0]);
            line[reach..reach + columns].copy_from_slice(row);
            line[reach + columns..].fill(row[columns - 1]);
            accumulate(row, &kernel, |offset| (&line[reach - offset..], &line[reach + offset..]));
        }
        let source = plane.values.clone();
        let row_of = |row: usize| &source[row * columns..(row + 1) * columns];
        for (row, target) in plane.values.chunks_exact_mut(columns).enumerate() {
            accumulate(target, &kernel, |offset| {
                (row_of(row.saturating_sub(offset)), row_of((row + offset).min(rows - 1)))
            });
        }
        plane
    }

    /// Smooth random structure with standard deviation about 1; `scale_mm` is the size of its blobs.
    pub(crate) fn texture(grid: Grid, scale_mm: f64, draw: &mut Draw) -> Plane {
        // White noise on a coarse grid, read back with smooth interpolation.
        let cell = scale_mm.max(grid.spacing);
        let columns = (grid.columns as f64 * grid.spacing / cell) as usize + 3;
        let rows = (grid.rows as f64 * grid.spacing / cell) as usize + 3;
        let coarse: Vec<f64> = (0..rows * columns).map(|_| draw.normal()).collect();
        let (left, top) = (grid.x(0), grid.y(0));
        let ease = |t: f64| t * t * (3.0 - 2.0 * t);
        Plane::from_fn(grid, |x, y| {
            let (u, v) = ((x - left) / cell, (y - top) / cell);
            let (column, row) = ((u as usize).min(columns - 2), (v as usize).min(rows - 2));
            let (s, t) = (ease(u - column as f64), ease(v - row as f64));
            let at = |r: usize, c: usize| coarse[r * columns + c];
            let upper = at(row, column) * (1.0 - s) + at(row, column + 1) * s;
            let lower = at(row + 1, column) * (1.0 - s) + at(row + 1, column + 1) * s;
            // The factor makes up for the loss of variance in the interpolation.
            1.45 * (upper * (1.0 - t) + lower * t)
        })
    }

    /// The value below which `part` (0 to 1) of the chosen pixels lie; 0 when none is chosen.
    pub(crate) fn quantile(&self, part: f64, chosen: impl Fn(usize) -> bool) -> f64 {
        let mut values: Vec<f64> =
            self.values.iter().enumerate().filter(|(index, _)| chosen(*index)).map(|(_, value)| *value).collect();
        if values.is_empty() {
            return 0.0;
        }
        let rank = ((values.len() - 1) as f64 * part) as usize;
        *values.select_nth_unstable_by(rank, f64::total_cmp).1
    }
}

/// Normalised Gaussian weights from the centre outward.
fn gaussian(sigma: f64) -> Vec<f64> {
    let reach = (3.0 * sigma).ceil().max(1.0) as usize;
    let mut weights: Vec<f64> =
        (0..=reach).map(|i| libm::exp(-0.5 * (i as f64 / sigma) * (i as f64 / sigma))).collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter_mut().for_each(|weight| *weight /= total);
    weights
}

/// Weighted sum of the values at each distance on both sides, which `sides` gives.
fn accumulate<'a>(target: &mut [f64], kernel: &[f64], sides: impl Fn(usize) -> (&'a [f64], &'a [f64])) {
    let (centre, _) = sides(0);
    for (value, centre) in target.iter_mut().zip(centre) {
        *value = kernel[0] * centre;
    }
    for (offset, weight) in kernel.iter().enumerate().skip(1) {
        let (before, after) = sides(offset);
        for ((value, before), after) in target.iter_mut().zip(before).zip(after) {
            *value += weight * (before + after);
        }
    }
}

/// Half the length of a ray through a circle at `distance` from its centre.
pub(crate) fn half_chord(radius: f64, distance: f64) -> f64 {
    let square = radius * radius - distance * distance;
    if 0.0 < square { square.sqrt() } else { 0.0 }
}

/// An ellipsoid seen along its third axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ellipsoid {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) a: f64,
    pub(crate) b: f64,
    pub(crate) c: f64,
    /// Turn of axis `a` from x towards y, in radians.
    pub(crate) angle: f64,
}

impl Ellipsoid {
    /// Squared distance from the centre in units of the half axes: below 1 within the outline, infinite well outside.
    pub(crate) fn level(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (x - self.x, y - self.y);
        if self.a.max(self.b) < dx.abs().max(dy.abs()) {
            return f64::INFINITY;
        }
        let (sin, cos) = (libm::sin(self.angle), libm::cos(self.angle));
        let u = (dx * cos + dy * sin) / self.a;
        let v = (dy * cos - dx * sin) / self.b;
        u * u + v * v
    }

    /// Length of the ray at this place within the ellipsoid.
    pub(crate) fn chord(&self, x: f64, y: f64) -> f64 {
        let level = self.level(x, y);
        if level < 1.0 { 2.0 * self.c * (1.0 - level).sqrt() } else { 0.0 }
    }

    /// Half width and half height of the outline.
    pub(crate) fn extent(&self) -> (f64, f64) {
        let (sin, cos) = (libm::sin(self.angle), libm::cos(self.angle));
        let square = |p: f64, q: f64| (p * p + q * q).sqrt();
        (square(self.a * cos, self.b * sin), square(self.a * sin, self.b * cos))
    }
}

/// A point of a tube, in mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) radius: f64,
}

impl Point {
    /// Distance of (x, y) from the line to `other`, and the radius there.
    pub(crate) fn distance_to_line(self, other: Point, x: f64, y: f64) -> (f64, f64) {
        let (dx, dy) = (other.x - self.x, other.y - self.y);
        let square = dx * dx + dy * dy;
        let along = ((x - self.x) * dx + (y - self.y) * dy) / square.max(1e-12);
        let along = along.clamp(0.0, 1.0);
        let (px, py) = (x - self.x - along * dx, y - self.y - along * dy);
        ((px * px + py * py).sqrt(), self.radius + along * (other.radius - self.radius))
    }
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn smooth_step(low: f64, high: f64, value: f64) -> f64 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { rows: 64, columns: 48, spacing: 1.0, shift_x: 0.0, shift_y: 0.0 };

    #[test]
    fn ellipsoid_volume_is_the_sum_of_its_rays() {
        let mut plane = Plane::new(GRID);
        plane.add_ellipsoid(&Ellipsoid { x: 0.0, y: 0.0, a: 20.0, b: 10.0, c: 5.0, angle: 0.4 }, 1.0);
        let volume: f64 = plane.values.iter().sum();
        let exact = 4.0 / 3.0 * std::f64::consts::PI * 20.0 * 10.0 * 5.0;
        assert!((volume / exact - 1.0).abs() < 0.01, "{volume} {exact}");
    }

    #[test]
    fn blur_keeps_the_sum_and_spreads_a_point() {
        let mut plane = Plane::new(GRID);
        plane.values[32 * 48 + 24] = 1.0;
        let blurred = plane.blurred(1.5);
        assert!((blurred.values.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        // Peak of a two-dimensional Gaussian of sigma 1.5, sampled and cut at three sigma.
        assert!((blurred.values[32 * 48 + 24] - 0.0707).abs() < 0.002);
    }

    #[test]
    fn pixel_boxes_are_held_to_the_image() {
        assert_eq!(GRID.pixel_box(-2.0, -1.0, 3.0, 100.0), [22.0, 31.0, 27.0, 64.0]);
    }
}
