//! A chest in three dimensions and its reconstruction as Hounsfield units, slice by slice.

use super::plane::{Grid, Plane};
use crate::acquisition::{Acquisition, Kernel};
use crate::draw::Draw;
use crate::finding::{FindingSpec, Mask, Side, TrueFinding, Truth};
use crate::subject::{Sex, Subject};

/// Rescale Intercept (0028,1052): the stored value is the Hounsfield unit plus 1024, in 12 bits.
pub const CT_INTERCEPT: i16 = -1024;

const AIR: f64 = -1000.0;
const LUNG: f64 = -865.0;
const FAT: f64 = -100.0;
const MUSCLE: f64 = 48.0;
const BLOOD: f64 = 42.0;
const LIVER: f64 = 60.0;
const BONE: f64 = 320.0;
const CORTEX: f64 = 780.0;
const NODULE: f64 = 38.0;

/// One slice.
#[derive(Debug, Clone)]
pub struct CtSlice {
    /// Stored values 0 to 4095, row by row.
    pub stored: Vec<u16>,
    /// Centre of the first pixel: Image Position (Patient) (0020,0032).
    pub position_mm: [f64; 3],
}

/// A chest CT, yielded slice by slice so that a long series need not lie in memory; slices run from feet to head.
#[derive(Debug, Clone)]
pub struct CtSeries {
    body: Body,
    acquisition: Acquisition,
    seed: u64,
}

/// An axis-parallel ellipsoid in patient coordinates: x to the left, y to the back, z to the head.
#[derive(Debug, Clone, Copy)]
struct Ball {
    centre: [f64; 3],
    half: [f64; 3],
}

impl Ball {
    fn level(&self, x: f64, y: f64, z: f64) -> f64 {
        let part = |value: f64, axis: usize| {
            let t = (value - self.centre[axis]) / self.half[axis];
            t * t
        };
        part(x, 0) + part(y, 1) + part(z, 2)
    }
}

/// A piece of a vessel or rib.
#[derive(Debug, Clone, Copy)]
struct Rod {
    from: [f64; 3],
    to: [f64; 3],
    radius: f64,
}

impl Rod {
    /// Squared distance of a point from the axis.
    fn square(&self, x: f64, y: f64, z: f64) -> f64 {
        let axis = [self.to[0] - self.from[0], self.to[1] - self.from[1], self.to[2] - self.from[2]];
        let off = [x - self.from[0], y - self.from[1], z - self.from[2]];
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let along = (dot(off, axis) / dot(axis, axis).max(1e-9)).clamp(0.0, 1.0);
        let rest = [off[0] - along * axis[0], off[1] - along * axis[1], off[2] - along * axis[2]];
        dot(rest, rest)
    }
}

#[derive(Debug, Clone)]
struct Body {
    size: f64,
    half_width: f64,
    half_depth: f64,
    fat: f64,
    lungs: [Ball; 2],
    heart: Ball,
    liver: Ball,
    spleen: Ball,
    spine_y: f64,
    vessels: Vec<Rod>,
    ribs: Vec<Rod>,
    nodules: Vec<(Ball, Side)>,
}

impl CtSeries {
    /// The series of a seed. Effusion and cardiomegaly are for radiographs and are left out.
    pub fn new(seed: u64, subject: &Subject, acquisition: &Acquisition, findings: &[FindingSpec]) -> CtSeries {
        let body = Body::new(seed, subject, findings);
        CtSeries { body, acquisition: acquisition.clone(), seed }
    }

    /// Number of slices.
    pub fn len(&self) -> usize {
        usize::from(self.acquisition.slices.max(1))
    }

    /// Never: a series has at least one slice.
    pub fn is_empty(&self) -> bool {
        false
    }

    fn grid(&self) -> Grid {
        Grid {
            rows: usize::from(self.acquisition.rows.max(16)),
            columns: usize::from(self.acquisition.columns.max(16)),
            spacing: self.acquisition.pixel_spacing_mm,
            shift_x: 0.0,
            shift_y: 8.0,
        }
    }

    /// Height of a slice in mm, 0 in the middle of the chest.
    fn z(&self, index: usize) -> f64 {
        (index as f64 - (self.len() as f64 - 1.0) / 2.0) * self.acquisition.slice_spacing_mm
    }

    /// Hounsfield units of one slice, before noise, and its lung mask.
    fn anatomy(&self, index: usize) -> (Plane, Vec<u8>) {
        let grid = self.grid();
        let z = self.z(index);
        let mut plane = Plane::new(grid);
        let mut mask = vec![0u8; grid.len()];
        for row in 0..grid.rows {
            let y = grid.y(row);
            for column in 0..grid.columns {
                let (value, lung) = self.body.hounsfield(grid.x(column), y, z);
                plane.values[row * grid.columns + column] = value;
                mask[row * grid.columns + column] = u8::from(lung);
            }
        }
        let reach = self.acquisition.slice_thickness_mm / 2.0;
        self.body.draw_rods(&mut plane, z, reach);
        (plane, mask)
    }

    /// One slice from 0, at the feet; `None` beyond the last.
    pub fn slice(&self, index: usize) -> Option<CtSlice> {
        if self.len() <= index {
            return None;
        }
        let grid = self.grid();
        let (anatomy, _) = self.anatomy(index);
        let spacing = grid.spacing.max(0.05);
        // Blur of the kernel in mm, and how much it lifts edges and noise.
        let (blur, lift, grain) = match self.acquisition.kernel {
            Kernel::Soft => (0.85, 0.0, 0.55),
            Kernel::Standard => (0.60, 0.0, 1.0),
            Kernel::Lung => (0.40, 0.8, 2.6),
        };
        let dose = self.acquisition.exposure.max(1e-3) * (self.acquisition.slice_thickness_mm / 5.0).max(0.02);
        let deviation = 11.0 * grain * self.acquisition.noise / dose.sqrt();
        let mut draw = Draw::new(self.seed, &format!("ct noise {index}"));
        let mut noise = Plane::new(grid);
        noise.values.iter_mut().for_each(|value| *value = draw.noise());
        // Neighbouring pixels share noise; blurring by sigma pixels divides its deviation by 2 sqrt(pi) sigma.
        let sigma = (0.9 * blur / spacing).max(0.25);
        let restore = (3.544_907_7 * sigma).max(1.0);
        let noise = noise.blurred(sigma);
        let mut plane = anatomy.blurred(blur / spacing);
        if 0.0 < lift {
            let soft = plane.blurred(1.2 / spacing);
            for (value, soft) in plane.values.iter_mut().zip(&soft.values) {
                *value += lift * (*value - soft);
            }
        }
        let stored = plane
            .values
            .iter()
            .zip(&noise.values)
            .map(|(value, noise)| {
                let noisy = value + deviation * restore * noise;
                (noisy - f64::from(CT_INTERCEPT) + 0.5).clamp(0.0, 4095.0) as u16
            })
            .collect();
        Some(CtSlice { stored, position_mm: [grid.x(0), grid.y(0), self.z(index)] })
    }

    /// What is in the series, with a lung mask for each slice (vessels count as lung).
    pub fn truth(&self) -> Truth {
        let grid = self.grid();
        let findings = self.body.nodules.iter().map(|(ball, side)| self.true_nodule(ball, *side)).collect();
        let masks = (0..self.len()).map(|index| {
            let pixels = self.anatomy(index).1;
            Mask { rows: grid.rows as u16, columns: grid.columns as u16, pixels }
        });
        Truth { findings, lung_masks: masks.collect(), cardiothoracic_ratio: None }
    }

    fn true_nodule(&self, ball: &Ball, side: Side) -> TrueFinding {
        let [x, y, z] = ball.centre;
        let nearest = (0..self.len()).min_by(|a, b| (self.z(*a) - z).abs().total_cmp(&(self.z(*b) - z).abs()));
        let r = ball.half[0];
        TrueFinding {
            label: "nodule",
            side: Some(side),
            instance: nearest.unwrap_or(0),
            bounding_box: self.grid().pixel_box(x - r, y - r, x + r, y + r),
            radius_mm: Some(r),
            centre_mm: Some(ball.centre),
        }
    }
}

impl Body {
    fn new(seed: u64, subject: &Subject, findings: &[FindingSpec]) -> Body {
        let mut draw = Draw::new(seed, "ct body");
        let size = if subject.sex == Sex::Female { 0.94 } else { 1.0 } * (1.0 + 0.035 * draw.normal().clamp(-2.0, 2.0));
        let girth = 1.0 + 0.06 * draw.normal().clamp(-1.5, 2.0);
        let ball =
            |centre: [f64; 3], half: [f64; 3]| Ball { centre: centre.map(|v| v * size), half: half.map(|v| v * size) };
        let lungs = [ball([-74.0, 4.0, 8.0], [59.0, 84.0, 148.0]), ball([76.0, 4.0, 4.0], [57.0, 84.0, 150.0])];
        let mut body = Body {
            size,
            half_width: 158.0 * size * girth,
            half_depth: 110.0 * size * girth,
            fat: draw.range(9.0, 24.0) * girth,
            lungs,
            heart: ball([26.0, -26.0, -56.0], [52.0, 44.0, 62.0]),
            liver: ball([-62.0, -8.0, -136.0], [86.0, 82.0, 66.0]),
            spleen: ball([96.0, 36.0, -138.0], [34.0, 42.0, 46.0]),
            spine_y: 68.0 * size,
            vessels: Vec::new(),
            ribs: Vec::new(),
            nodules: Vec::new(),
        };
        body.grow_vessels(&mut draw);
        body.grow_ribs();
        body.place_nodules(seed, findings);
        body
    }

    fn place_nodules(&mut self, seed: u64, findings: &[FindingSpec]) {
        let mut draw = Draw::new(seed, "findings");
        for finding in findings {
            let FindingSpec::Nodule { side, radius_mm, height } = *finding else { continue };
            let drawn = if draw.chance(0.5) { Side::Right } else { Side::Left };
            let side = side.unwrap_or(drawn);
            let radius = radius_mm.unwrap_or(draw.range(4.0, 14.0));
            let lung = self.lungs[usize::from(side == Side::Left)];
            let mut centre = lung.centre;
            // The place is drawn until the sphere lies within the lung; the last one is kept.
            for _ in 0..64 {
                let part = height.map_or_else(|| draw.range(-0.55, 0.5), |h| 0.9 - 1.6 * h.clamp(0.0, 1.0));
                let z = lung.centre[2] + lung.half[2] * part;
                let room = (1.0 - part * part).max(0.0).sqrt() * 0.75;
                let x = lung.centre[0] + lung.half[0] * room * draw.range(-1.0, 1.0);
                let y = lung.centre[1] + lung.half[1] * room * draw.range(-1.0, 1.0);
                centre = [x, y, z];
                let ends = [-radius, 0.0, radius];
                if ends
                    .iter()
                    .all(|d| self.is_lung(x + d, y, z) && self.is_lung(x, y + d, z) && self.is_lung(x, y, z + d))
                {
                    break;
                }
            }
            self.nodules.push((Ball { centre, half: [radius; 3] }, side));
        }
    }

    fn is_lung(&self, x: f64, y: f64, z: f64) -> bool {
        self.lungs.iter().any(|lung| lung.level(x, y, z) < 1.0)
            && 1.06 < self.heart.level(x, y, z)
            && self.diaphragm(x, y) < z
            && 24.0 * self.size < x.abs() + 0.25 * (y + 10.0).max(0.0)
    }

    /// Height of the diaphragm: two domes, the right one higher.
    fn diaphragm(&self, x: f64, y: f64) -> f64 {
        let right = x < 0.0;
        let (centre, top) = if right { (-66.0, -76.0) } else { (70.0, -88.0) };
        let u = (x / self.size - centre) / 78.0;
        let v = (y / self.size + 8.0) / 96.0;
        (top - 74.0 * (u * u + v * v).min(1.4)) * self.size
    }

    /// Value without ribs and vessels, and whether it is lung.
    fn hounsfield(&self, x: f64, y: f64, z: f64) -> (f64, bool) {
        let high = (z / self.size - 100.0).max(0.0) / 100.0;
        let width = self.half_width * (1.0 + 0.20 * high);
        let depth = self.half_depth * (1.0 - 0.22 * high);
        let norm = |w: f64, d: f64| {
            let (u, v) = ((x / w).abs(), (y / d).abs());
            // Rounder than an ellipse at the sides: the exponent is 2.5 by interpolation between 2 and 3.
            0.5 * (u * u + v * v) + 0.5 * (u * u * u + v * v * v)
        };
        if 1.0 < norm(width, depth) {
            return (AIR, false);
        }
        for (ball, _) in &self.nodules {
            if ball.level(x, y, z) < 1.0 {
                return (NODULE, true);
            }
        }
        let s = self.size;
        let spine = ((x / (19.0 * s)) * (x / (19.0 * s)))
            + (((y - self.spine_y) / (16.0 * s)) * ((y - self.spine_y) / (16.0 * s)));
        if spine < 1.0 {
            let canal = (x * x + (y - self.spine_y - 22.0 * s) * (y - self.spine_y - 22.0 * s)) < 60.0;
            let disc = ((z / 26.0 + 400.5) % 1.0 - 0.5).abs() < 0.10;
            let value = if disc {
                90.0
            } else if 0.74 < spine {
                CORTEX * 0.75
            } else {
                BONE * 0.6
            };
            return (if canal { 15.0 } else { value }, false);
        }
        // Trachea down to the carina, then nothing: bronchi are drawn as rods of air.
        let (tx, ty) = (x, y - 18.0 * s);
        if 30.0 * s < z && tx * tx + ty * ty < 81.0 * s * s {
            return (AIR + 5.0, false);
        }
        if self.is_lung(x, y, z) {
            // Gravity: the back is denser.
            return (LUNG + 0.35 * (y + 80.0).max(0.0), true);
        }
        if self.heart.level(x, y, z) < 1.0 {
            return (BLOOD, false);
        }
        let aorta = (x - 24.0 * s) * (x - 24.0 * s) + (y - 48.0 * s) * (y - 48.0 * s);
        if aorta < 144.0 * s * s && z < 62.0 * s {
            return (BLOOD + 4.0, false);
        }
        if z <= self.diaphragm(x, y) {
            if self.liver.level(x, y, z) < 1.0 {
                return (LIVER, false);
            }
            if self.spleen.level(x, y, z) < 1.0 {
                return (LIVER - 8.0, false);
            }
        }
        let rim = norm(width - self.fat, depth - self.fat);
        if 1.0 < rim {
            return (FAT, false);
        }
        let wall = norm(width - self.fat - 24.0 * s, depth - self.fat - 18.0 * s);
        if 1.0 < wall {
            return (MUSCLE, false);
        }
        // Between the lungs lies fat with vessels; below the diaphragm fat and bowel.
        let middle = x.abs() < 34.0 * s && (y.abs() < 60.0 * s);
        (if middle && self.diaphragm(x, y) < z { 5.0 } else { -45.0 }, false)
    }

    fn grow_vessels(&mut self, draw: &mut Draw) {
        for lung in 0..2 {
            let sign = if lung == 0 { -1.0 } else { 1.0 };
            for _ in 0..20 {
                let from = [sign * 30.0 * self.size, draw.range(-14.0, 24.0), draw.range(-34.0, 34.0)];
                let way = [sign * draw.range(0.3, 1.0), draw.range(-1.0, 1.0), draw.range(-1.6, 1.3)];
                let radius = draw.range(2.4, 4.6);
                self.grow(draw, from, way, radius, 0);
            }
        }
    }

    fn grow(&mut self, draw: &mut Draw, from: [f64; 3], way: [f64; 3], radius: f64, level: u32) {
        let norm = (way[0] * way[0] + way[1] * way[1] + way[2] * way[2]).sqrt().max(1e-6);
        let length = draw.range(16.0, 30.0);
        let to = [0, 1, 2].map(|axis| from[axis] + length * way[axis] / norm);
        self.vessels.push(Rod { from, to, radius });
        if level < 4 {
            for _ in 0..2 {
                let turn = |draw: &mut Draw, v: f64| v / norm + draw.range(-0.55, 0.55);
                let next = [turn(draw, way[0]), turn(draw, way[1]), turn(draw, way[2])];
                self.grow(draw, to, next, radius * 0.72, level + 1);
            }
        }
    }

    fn grow_ribs(&mut self) {
        for pair in 0..11 {
            let top = (190.0 - 27.0 * f64::from(pair)) * self.size;
            let narrow = 1.0 - 0.30 * f64::from((3 - pair).max(0)) / 3.0;
            for sign in [-1.0, 1.0] {
                let point = |step: i32| {
                    let angle = 0.25 + 2.55 * f64::from(step) / 18.0;
                    [
                        sign * (self.half_width - self.fat - 9.0) * narrow * libm::sin(angle),
                        (self.half_depth - self.fat - 7.0) * 0.92 * libm::cos(angle),
                        top - 92.0 * self.size * f64::from(step) / 18.0,
                    ]
                };
                self.ribs.extend((0..18).map(|step| Rod { from: point(step), to: point(step + 1), radius: 4.6 }));
            }
        }
    }

    /// Vessels within lung and ribs, cut by a slice of half thickness `reach`.
    fn draw_rods(&self, plane: &mut Plane, z: f64, reach: f64) {
        for (rods, lung) in [(&self.vessels, true), (&self.ribs, false)] {
            for rod in rods {
                let (low, high) = (rod.from[2].min(rod.to[2]), rod.from[2].max(rod.to[2]));
                let r = rod.radius;
                if high + r + reach < z || z < low - r - reach {
                    continue;
                }
                let at = z.clamp(low, high);
                let area = [
                    rod.from[0].min(rod.to[0]) - r,
                    rod.from[1].min(rod.to[1]) - r,
                    rod.from[0].max(rod.to[0]) + r,
                    rod.from[1].max(rod.to[1]) + r,
                ];
                plane.update(area, |x, y, value| {
                    let square = rod.square(x, y, at);
                    if r * r <= square {
                        return;
                    }
                    if !lung {
                        // Ribs lie in the wall: they push neither lung nor a nodule aside.
                        if *value < -500.0 || *value == NODULE {
                            return;
                        }
                        *value = if square < 0.45 * r * r { BONE * 0.5 } else { CORTEX };
                    } else if *value < -500.0 && AIR + 20.0 < *value {
                        // Part of the slice's thickness is vessel.
                        let filled = ((r * r - square).sqrt() / reach.max(0.3)).min(1.0);
                        *value += filled * (BLOOD - *value);
                    }
                });
            }
        }
    }
}
