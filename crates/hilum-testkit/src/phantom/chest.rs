//! Anatomy of the frontal chest in mm, drawn from a seed, and its attenuation along parallel rays.

use super::plane::{Ellipsoid, Grid, Plane, Point, half_chord, smooth_step};
use crate::draw::Draw;
use crate::finding::{FindingSpec, Side};
use crate::subject::{Sex, Subject};

/// Attenuation of water-like tissue per mm at the mean energy of a chest radiograph.
const SOFT: f64 = 0.0195;
/// What bone adds to it.
const BONE: f64 = 0.030;
/// Part of an aerated lung that is air.
const AIR: f64 = 0.74;

/// A frontal chest: x towards the patient's left (the right of the image), y down, from the detector's centre.
#[derive(Debug, Clone)]
pub(super) struct Chest {
    torso_half_width: f64,
    torso_half_depth: f64,
    shoulder_y: f64,
    /// Patient's right, then left.
    pub(super) lungs: [Lung; 2],
    heart: Ellipsoid,
    atrium: Ellipsoid,
    aorta: Ellipsoid,
    trunk: Ellipsoid,
    cava: Ellipsoid,
    mediastinum: f64,
    breast: Option<f64>,
    rib_pitch: f64,
    rib_radius: f64,
    clavicle_rise: f64,
    scapulae: bool,
    bone_density: f64,
    seed: u64,
}

/// One lung field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lung {
    /// -1 for the patient's right lung, 1 for the left.
    sign: f64,
    apex_x: f64,
    apex_y: f64,
    medial: f64,
    lateral: f64,
    dome_x: f64,
    dome_y: f64,
    base_y: f64,
    depth: f64,
}

/// A finding resolved to a place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Placed {
    Nodule { sphere: Ellipsoid, lobes: [f64; 3], side: Side },
    Effusion { lung: usize, level: f64, side: Side },
    Cardiomegaly,
}

impl Lung {
    /// Height in the lung: 0 at the apex, 1 at the costophrenic angle.
    fn height(&self, y: f64) -> f64 {
        (y - self.apex_y) / (self.base_y - self.apex_y)
    }

    /// Medial and lateral border at a height, as distances from the midline.
    pub(super) fn borders(&self, height: f64) -> (f64, f64) {
        let up = (1.0 - height.clamp(0.0, 0.72) / 0.72).max(0.0);
        let widen = libm::pow((1.0 - up * up).max(0.0), 0.62);
        let lateral = self.apex_x + (self.lateral - self.apex_x) * widen;
        let dip = 1.0 - (height.clamp(0.0, 0.16) / 0.16);
        let medial = self.apex_x - (self.apex_x - self.medial) * (1.0 - dip * dip).max(0.0).sqrt();
        (medial, lateral)
    }

    /// Height of the diaphragm's outline, which falls to the costophrenic angle.
    fn diaphragm(&self, distance: f64) -> f64 {
        let lateral = distance > self.dome_x;
        let half = if lateral { self.lateral + 1.0 - self.dome_x } else { self.dome_x - 4.0 };
        let t = ((distance - self.dome_x) / half).clamp(-1.0, 1.0);
        let fall = 1.0 - (1.0 - t * t).max(0.0).sqrt();
        self.dome_y + (self.base_y - self.dome_y) * fall * if lateral { 1.0 } else { 0.35 }
    }

    /// Length of the ray in this lung, in mm.
    fn length(&self, x: f64, y: f64) -> f64 {
        let distance = x * self.sign;
        let height = self.height(y);
        if !(0.0..1.0).contains(&height) || distance < 0.0 {
            return 0.0;
        }
        let (medial, lateral) = self.borders(height);
        let u = (distance - medial) / (lateral - medial).max(1.0);
        let above = self.diaphragm(distance) - y;
        if !(0.0..1.0).contains(&u) || above <= 0.0 {
            return 0.0;
        }
        let across = libm::pow(4.0 * u * (1.0 - u), 0.30);
        let down = 0.62 + 0.38 * smooth_step(0.0, 0.45, height);
        let rim = (above / 26.0).min(1.0).sqrt();
        self.depth * across * down * rim
    }

    /// A place in the lung field: `height` as above, `across` from 0 at the medial to 1 at the lateral border.
    fn place(&self, height: f64, across: f64) -> (f64, f64) {
        let y = self.apex_y + height * (self.base_y - self.apex_y);
        let (medial, lateral) = self.borders(height);
        (self.sign * (medial + across * (lateral - medial)), y)
    }
}

impl Chest {
    /// The chest of a seed. `supine` gives what a bedside film shows: less air, a magnified heart, high clavicles.
    pub(super) fn new(seed: u64, subject: &Subject, supine: bool, large_heart: bool) -> Chest {
        let mut draw = Draw::new(seed, "chest");
        let male = if subject.sex == Sex::Female { 0.0 } else { 1.0 };
        let age = (f64::from(subject.age_years.min(95)) - 20.0).max(0.0) / 75.0;
        let size = 0.95 + 0.05 * male + 0.035 * draw.normal().clamp(-2.0, 2.0);
        let girth = 1.0 + 0.07 * draw.normal().clamp(-1.8, 2.2);
        let breath = if supine { 0.86 } else { 1.0 } + 0.04 * draw.normal().clamp(-2.0, 2.0);
        let lateral = 133.0 * size * if supine { 1.02 } else { 1.0 };
        let apex_y = -128.0 * size + draw.range(-6.0, 6.0);
        let base_y = apex_y + 246.0 * size * breath;
        let right_dome = base_y - draw.range(34.0, 46.0) * size;
        let left_dome = right_dome + draw.range(5.0, 17.0);
        let depth = draw.range(148.0, 172.0) * size * breath;
        let lung = |sign: f64, dome_y: f64, dome_x: f64, base: f64, draw: &mut Draw| Lung {
            sign,
            apex_x: 46.0 * size + draw.range(-3.0, 3.0),
            apex_y: apex_y + draw.range(-3.0, 3.0),
            medial: 19.0 * size + draw.range(0.0, 4.0),
            lateral: lateral + draw.range(-4.0, 4.0),
            dome_x: dome_x * size + draw.range(-4.0, 4.0),
            dome_y,
            base_y: base,
            depth,
        };
        let lungs = [
            lung(-1.0, right_dome, 66.0, base_y, &mut draw),
            lung(1.0, left_dome, 70.0, base_y + draw.range(-2.0, 5.0), &mut draw),
        ];
        // Transverse diameter of the heart over the chest: 0.40 to 0.47, above 0.55 when enlarged.
        let ratio = if large_heart { draw.range(0.57, 0.64) } else { draw.range(0.40, 0.46) + 0.02 * age };
        let ratio = if supine { ratio * 1.10 } else { ratio };
        let width = ratio * 2.0 * lateral;
        let shift = draw.range(0.20, 0.27) * width;
        let angle = draw.range(0.45, 0.80);
        let mut heart = Ellipsoid { x: shift, y: 0.0, a: 1.0, b: 0.74, c: 46.0 * size, angle };
        let scale = 0.97 * (width / 2.0) / heart.extent().0;
        heart.a *= scale;
        heart.b *= scale;
        heart.y = left_dome + 2.0 - heart.extent().1 * draw.range(0.66, 0.78);
        let right_edge = heart.x - heart.extent().0;
        let atrium = Ellipsoid {
            x: right_edge + 27.0,
            y: heart.y + 4.0,
            a: 29.0 * size,
            b: 44.0 * size,
            c: 34.0 * size,
            angle: 0.0,
        };
        let aorta = Ellipsoid {
            x: 17.0 + 9.0 * age + draw.range(-2.0, 2.0),
            y: apex_y + 66.0 * size,
            a: 19.0 + 5.0 * age,
            b: 17.0 + 4.0 * age,
            c: 30.0,
            angle: 0.0,
        };
        // Pulmonary trunk below the aortic knob on the left, superior vena cava on the right.
        let trunk = Ellipsoid {
            x: aorta.x - 1.0 + draw.range(-3.0, 4.0),
            y: aorta.y + 33.0 * size,
            a: 21.0 * size,
            b: 30.0 * size,
            c: 22.0,
            angle: -0.25,
        };
        let cava = Ellipsoid { x: -13.0, y: aorta.y + 8.0, a: 17.0 * size, b: 66.0 * size, c: 14.0, angle: 0.05 };
        let breast = (subject.sex == Sex::Female).then(|| draw.range(14.0, 40.0) * girth);
        Chest {
            torso_half_width: lateral + 24.0 * girth,
            torso_half_depth: 108.0 * size * girth,
            shoulder_y: apex_y + 6.0,
            lungs,
            heart,
            atrium,
            aorta,
            trunk,
            cava,
            mediastinum: draw.range(22.0, 28.0) * size * if supine { 1.18 } else { 1.0 },
            breast,
            rib_pitch: 22.5 * size,
            rib_radius: draw.range(5.2, 6.4) * size,
            clavicle_rise: if supine { draw.range(14.0, 30.0) } else { draw.range(-16.0, 4.0) },
            scapulae: supine || draw.chance(0.25),
            bone_density: (1.05 - 0.30 * age + 0.06 * male) * draw.range(0.9, 1.1),
            seed,
        }
    }

    /// Where the findings lie in this chest.
    pub(super) fn place(&self, findings: &[FindingSpec]) -> Vec<Placed> {
        let mut draw = Draw::new(self.seed, "findings");
        findings.iter().map(|finding| self.place_one(finding, &mut draw)).collect()
    }

    #[expect(
        clippy::approx_constant,
        reason = "the demo models were trained with this digit; pinned digests hang on it"
    )]
    fn place_one(&self, finding: &FindingSpec, draw: &mut Draw) -> Placed {
        let mut pick = |side: Option<Side>| {
            let drawn = if draw.chance(0.5) { Side::Right } else { Side::Left };
            let side = side.unwrap_or(drawn);
            (side, usize::from(side == Side::Left))
        };
        match *finding {
            FindingSpec::Nodule { side, radius_mm, height } => {
                let (side, lung) = pick(side);
                let radius = radius_mm.unwrap_or(draw.range(6.0, 16.0));
                let lobes = [draw.range(0.0, 6.28), draw.range(0.02, 0.09), draw.range(0.0, 6.28)];
                let (mut x, mut y) = (0.0, 0.0);
                // The place is drawn until it lies in the lung clear of heart and diaphragm; the last one is kept.
                for _ in 0..64 {
                    let height = height.unwrap_or(draw.range(0.18, 0.85));
                    (x, y) = self.lungs[lung].place(height, draw.range(0.22, 0.84));
                    let clear = [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)];
                    if clear.iter().all(|(dx, dy)| self.is_lung(x + dx * radius, y + dy * radius)) {
                        break;
                    }
                }
                let sphere = Ellipsoid { x, y, a: radius, b: radius, c: radius, angle: 0.0 };
                Placed::Nodule { sphere, lobes, side }
            }
            FindingSpec::Effusion { side, level } => {
                let (side, lung) = pick(side);
                Placed::Effusion { lung, level: level.unwrap_or(draw.range(0.10, 0.50)), side }
            }
            FindingSpec::Cardiomegaly => Placed::Cardiomegaly,
        }
    }

    /// Whether a ray passes aerated lung that a reader sees as such: not heart, not mediastinum.
    pub(super) fn is_lung(&self, x: f64, y: f64) -> bool {
        let seen = self.lungs.iter().any(|lung| 0.0 < lung.length(x, y));
        seen && self.silhouette().iter().all(|organ| 1.0 <= organ.level(x, y))
    }

    /// Organs whose edge limits the lung field.
    fn silhouette(&self) -> [Ellipsoid; 5] {
        [self.heart, self.atrium, self.aorta, self.trunk, self.cava]
    }

    /// Transverse diameter of heart over chest.
    pub(super) fn cardiothoracic_ratio(&self) -> f64 {
        let right = (self.heart.x - self.heart.extent().0).min(self.atrium.x - self.atrium.a);
        let left = self.heart.x + self.heart.extent().0;
        (left - right) / (self.lungs[0].lateral + self.lungs[1].lateral)
    }

    /// Box of the heart: left, top, right, bottom in mm.
    pub(super) fn heart_box(&self) -> [f64; 4] {
        let (w, h) = self.heart.extent();
        let left = (self.heart.x - w).min(self.atrium.x - self.atrium.a);
        [left, self.heart.y - h, self.heart.x + w, self.heart.y + h]
    }

    /// Height at which an effusion's fluid ends at this place: highest laterally, falling to the middle.
    pub(super) fn fluid_top(&self, lung: usize, level: f64, x: f64) -> f64 {
        let lung = &self.lungs[lung];
        let u = (x * lung.sign / lung.lateral).clamp(0.0, 1.0);
        let rise = level * (lung.base_y - lung.apex_y);
        // The lateral meniscus climbs steeply over the last fifth.
        lung.base_y - rise * (0.45 + 0.25 * u + 0.30 * libm::pow(u, 9.0))
    }

    /// Box of an effusion in mm.
    pub(super) fn fluid_box(&self, lung: usize, level: f64) -> [f64; 4] {
        let side = &self.lungs[lung];
        let edge = side.sign * side.lateral;
        let medial = side.sign * (side.medial + 0.25 * (side.lateral - side.medial));
        [edge.min(medial), self.fluid_top(lung, level, edge), edge.max(medial), side.base_y]
    }

    /// Attenuation along each ray, and the mask of aerated lung.
    pub(super) fn attenuation(&self, grid: Grid, placed: &[Placed]) -> (Plane, Vec<u8>) {
        let mut air = Plane::from_fn(grid, |x, y| self.lungs.iter().map(|lung| lung.length(x, y)).sum());
        let mut draw = Draw::new(self.seed, "texture");
        let mottle = Plane::texture(grid, 9.0, &mut draw);
        let patches = Plane::texture(grid, 42.0, &mut draw);
        let mut mask: Vec<u8> = air.values.iter().map(|length| u8::from(0.0 < *length)).collect();
        for organ in self.silhouette() {
            let outline = Plane::from_fn(grid, |x, y| organ.level(x, y));
            for (pixel, level) in mask.iter_mut().zip(&outline.values) {
                if *level < 1.0 {
                    *pixel = 0;
                }
            }
        }
        for (index, value) in air.values.iter_mut().enumerate() {
            *value *= 1.0 + 0.018 * mottle.values[index] + 0.03 * patches.values[index];
        }
        let vessels = self.vessels(grid);
        let organs = self.organs(grid, placed, &mut air, &vessels, &mut mask);
        let mut bone = self.bones(grid);
        for value in &mut bone.values {
            *value *= self.bone_density;
        }
        let torso = Plane::from_fn(grid, |x, y| self.torso(x, y));
        let fat = Plane::texture(grid, 60.0, &mut draw);
        let mut total = torso;
        for (index, value) in total.values.iter_mut().enumerate() {
            let inside = *value;
            let depth = inside * (1.0 + 0.02 * fat.values[index]) + organs.values[index];
            let tissue = (depth - AIR * air.values[index]).max(0.0);
            *value = if 0.0 < inside { SOFT * tissue + BONE * bone.values[index] } else { 0.0 };
        }
        (total, mask)
    }

    /// Thickness of the trunk: shoulders above, waist below, neck in the middle.
    fn torso(&self, x: f64, y: f64) -> f64 {
        let distance = x.abs();
        let slope = self.shoulder_y - 20.0 + 0.30 * (distance - 50.0).max(0.0);
        let shoulders = smooth_step(70.0, -40.0, y - self.shoulder_y);
        let width = self.torso_half_width + 100.0 * shoulders;
        let neck = if distance < 58.0 { 120.0 * half_chord(1.0, distance / 58.0) } else { 0.0 };
        let u = distance / width;
        let trunk = if u < 1.0 { (1.0 - u * u * u).max(0.0).sqrt() * 2.0 * self.torso_half_depth } else { 0.0 };
        // Shoulders are thinner than the chest, and end at a sloping line.
        let trunk = trunk * (1.0 - 0.22 * shoulders) * smooth_step(-14.0, 22.0, y - slope);
        // The arms hang away from the trunk.
        let arm = [
            (self.torso_half_width - 6.0, self.shoulder_y + 34.0),
            (self.torso_half_width + 62.0, self.shoulder_y + 230.0),
        ];
        let ends = arm.map(|(x, y)| Point { x, y, radius: 44.0 });
        let (away, radius) = ends[0].distance_to_line(ends[1], distance, y);
        trunk.max(neck).max(2.0 * half_chord(radius, away))
    }

    /// Heart, vessels, findings and air-filled organs: they displace lung, and the rest is added to the trunk.
    fn organs(&self, grid: Grid, placed: &[Placed], air: &mut Plane, vessels: &Plane, mask: &mut [u8]) -> Plane {
        let mut added = Plane::new(grid);
        let mut solid = vessels.clone();
        for organ in self.silhouette() {
            // Lung lies in front of and behind the edge of the heart, so its border is soft but seen.
            solid.add_ellipsoid(&organ, 1.25);
        }
        let mut solid = solid.blurred(1.1 / grid.spacing);
        for one in placed {
            match one {
                Placed::Nodule { sphere, lobes, .. } => add_nodule(&mut solid, sphere, lobes),
                Placed::Effusion { lung, level, .. } => self.fill(*lung, *level, air, mask),
                Placed::Cardiomegaly => {}
            }
        }
        for (index, value) in air.values.iter_mut().enumerate() {
            *value = (*value - solid.values[index]).max(0.0);
        }
        // Mediastinum: denser in the middle. Breasts: caps of tissue over the lower lungs.
        let (top, bottom) = (self.shoulder_y - 40.0, self.lungs[0].base_y + 60.0);
        let half = self.mediastinum;
        added.update([-2.0 * half, top, 2.0 * half, bottom], |x, _, value| {
            *value += 10.0 * (1.0 - smooth_step(0.4 * half, 1.5 * half, x.abs()));
        });
        if let Some(depth) = self.breast {
            for lung in &self.lungs {
                let x = lung.sign * 0.55 * lung.lateral;
                let y = lung.base_y - 62.0;
                added.add_ellipsoid(&Ellipsoid { x, y, a: 60.0, b: 58.0, c: depth / 2.0, angle: 0.0 }, 0.8);
            }
        }
        self.air_spaces(&mut added);
        added
    }

    /// Trachea, main bronchi and the stomach's air bubble take tissue away.
    fn air_spaces(&self, added: &mut Plane) {
        let mut draw = Draw::new(self.seed, "air");
        let top = self.shoulder_y - 50.0;
        let carina = self.aorta.y + 24.0;
        let radius = draw.range(7.0, 9.0);
        let point = |x: f64, y: f64, radius: f64| Point { x, y, radius };
        added.add_tube(&[point(0.0, top, radius), point(-3.0, carina, radius)], -0.9, 0.0, 0.0);
        let right = [point(-3.0, carina, radius * 0.8), point(-26.0, carina + 27.0, radius * 0.6)];
        let left = [point(-3.0, carina, radius * 0.8), point(33.0, carina + 25.0, radius * 0.55)];
        added.add_tube(&right, -0.6, 0.0, 0.0);
        added.add_tube(&left, -0.6, 0.0, 0.0);
        if draw.chance(0.8) {
            let (a, b) = (draw.range(14.0, 34.0), draw.range(9.0, 17.0));
            let y = self.lungs[1].dome_y + b + draw.range(8.0, 16.0);
            let bubble = Ellipsoid { x: draw.range(58.0, 84.0), y, a, b, c: 24.0, angle: 0.1 };
            added.add_ellipsoid(&bubble, -1.0);
        }
    }

    /// Replace the lung below the meniscus with fluid.
    fn fill(&self, lung: usize, level: f64, air: &mut Plane, mask: &mut [u8]) {
        let grid = air.grid;
        let sign = self.lungs[lung].sign;
        for row in 0..grid.rows {
            let y = grid.y(row);
            for column in 0..grid.columns {
                let x = grid.x(column);
                if x * sign <= 0.0 {
                    continue;
                }
                let depth = y - self.fluid_top(lung, level, x);
                let index = row * grid.columns + column;
                air.values[index] *= 1.0 - 0.97 * smooth_step(-7.0, 13.0, depth);
                if 0.0 < depth {
                    mask[index] = 0;
                }
            }
        }
    }

    /// Pulmonary vessels: trees that branch outward from both hila.
    fn vessels(&self, grid: Grid) -> Plane {
        let mut plane = Plane::new(grid);
        let mut draw = Draw::new(self.seed, "vessels");
        for lung in &self.lungs {
            let hilum_x = lung.sign * (self.mediastinum + 12.0);
            let hilum_y = self.aorta.y + if lung.sign < 0.0 { 38.0 } else { 30.0 };
            let hilum = Ellipsoid { x: hilum_x, y: hilum_y, a: 13.0, b: 20.0, c: 13.0, angle: 0.3 * lung.sign };
            plane.add_ellipsoid(&hilum, 0.8);
            for branch in 0..11 {
                // From straight up to nearly straight down, denser below.
                let turn = -1.25 + 2.6 * (f64::from(branch) + draw.range(-0.3, 0.3)) / 10.0;
                let radius = draw.range(2.3, 3.7);
                // Branches leave the hilum spread along its height.
                let from = (hilum_x + lung.sign * draw.range(-3.0, 8.0), hilum_y + 15.0 * turn + draw.range(-4.0, 4.0));
                self.branch(&mut plane, &mut draw, lung, from, turn, radius, 0);
            }
        }
        plane
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one recursive step of a tree: where, which way, how thick, how deep"
    )]
    fn branch(
        &self,
        plane: &mut Plane,
        draw: &mut Draw,
        lung: &Lung,
        from: (f64, f64),
        turn: f64,
        radius: f64,
        level: u32,
    ) {
        let length = draw.range(20.0, 34.0) * (1.0 - 0.12 * f64::from(level));
        let bend = turn + draw.range(-0.22, 0.22);
        let mid = step(from, lung.sign, turn, length / 2.0);
        let end = step(mid, lung.sign, bend, length / 2.0);
        let point = |at: (f64, f64), radius: f64| Point { x: at.0, y: at.1, radius };
        let line = [point(from, radius), point(mid, radius * 0.88), point(end, radius * 0.75)];
        plane.add_tube(&line, 1.6, 0.0, 0.0);
        if level < 4 && 0.55 < radius {
            let spread = draw.range(0.28, 0.55);
            self.branch(plane, draw, lung, end, bend - spread, radius * 0.68, level + 1);
            self.branch(plane, draw, lung, end, bend + spread, radius * 0.68, level + 1);
        }
    }

    fn bones(&self, grid: Grid) -> Plane {
        let mut bone = Plane::new(grid);
        let mut draw = Draw::new(self.seed, "bones");
        for pair in 0..10 {
            let start = self.lungs[0].apex_y - 6.0 + self.rib_pitch * f64::from(pair);
            let tilt = 34.0 + 2.2 * f64::from(pair) + draw.range(-2.0, 2.0);
            for lung in &self.lungs {
                let line = self.rib(lung, start + draw.range(-1.5, 1.5), tilt);
                bone.add_tube(&line, 1.0, 0.72, 0.80);
            }
        }
        self.spine(&mut bone, &mut draw);
        for lung in &self.lungs {
            self.clavicle(&mut bone, lung, &mut draw);
            self.humerus(&mut bone, lung);
            if self.scapulae {
                self.scapula(&mut bone, lung, &mut draw);
            }
        }
        bone
    }

    /// A rib from the spine around the side to the front, fading where it turns to cartilage.
    fn rib(&self, lung: &Lung, start: f64, tilt: f64) -> Vec<Point> {
        let side_height = lung.height(start + tilt).clamp(0.02, 1.0);
        let lateral = lung.borders(side_height).1 + 4.0;
        let steps = 22;
        let last = if start < lung.apex_y + 10.0 { 2.4 } else { 2.25 };
        (0..=steps)
            .map(|step| {
                let angle = last * f64::from(step) / f64::from(steps);
                let x = lung.sign * (16.0 + (lateral - 16.0) * libm::sin(angle));
                let fall = tilt * (1.0 - libm::cos(angle)) + if angle > 1.57 { 16.0 * (angle - 1.57) } else { 0.0 };
                let fade = 1.0 - 0.45 * smooth_step(1.6, last, angle);
                Point { x, y: start + fall, radius: self.rib_radius * fade }
            })
            .collect()
    }

    fn spine(&self, bone: &mut Plane, draw: &mut Draw) {
        let pitch = 23.5;
        let top = self.shoulder_y - 70.0;
        let curve = draw.range(-4.0, 4.0);
        for vertebra in 0..16 {
            let y = top + pitch * (f64::from(vertebra) + 0.5);
            let x = curve * libm::sin(y / 80.0);
            let half = 14.0 + 0.45 * f64::from(vertebra);
            let height = pitch / 2.0 - 1.2;
            bone.update([x - half - 2.0, y - height - 1.0, x + half + 2.0, y + height + 1.0], |px, py, value| {
                let u = ((px - x) / half).abs();
                let v = ((py - y) / height).abs();
                let body = 1.0 - smooth_step(0.84, 1.10, u.max(v));
                let edge = smooth_step(0.70, 0.95, u.max(v)) * (1.0 - smooth_step(0.98, 1.10, u.max(v)));
                *value += 7.0 * body + 2.0 * edge;
            });
            let process = Ellipsoid { x, y: y + 5.0, a: 3.2, b: 6.0, c: 6.0, angle: 0.0 };
            bone.add_ellipsoid(&process, 0.5);
            for side in [-1.0, 1.0] {
                let pedicle = Ellipsoid { x: x + side * 0.62 * half, y: y - 3.0, a: 3.4, b: 4.4, c: 4.0, angle: 0.0 };
                bone.add_ellipsoid(&pedicle, 0.45);
            }
        }
    }

    fn clavicle(&self, bone: &mut Plane, lung: &Lung, draw: &mut Draw) {
        let inner = self.lungs[0].apex_y + 38.0 - self.clavicle_rise;
        let rise = draw.range(14.0, 24.0);
        let steps = 16;
        let line: Vec<Point> = (0..=steps)
            .map(|step| {
                let t = f64::from(step) / f64::from(steps);
                let sway = 5.0 * libm::sin(6.0 * t);
                let radius = 6.2 + 2.2 * (2.0 * t - 1.0) * (2.0 * t - 1.0);
                Point { x: lung.sign * (11.0 + 128.0 * t), y: inner - rise * t + sway, radius }
            })
            .collect();
        bone.add_tube(&line, 1.1, 0.70, 0.75);
    }

    fn humerus(&self, bone: &mut Plane, lung: &Lung) {
        let (x, y) = (lung.sign * (self.torso_half_width - 2.0), self.shoulder_y + 30.0);
        let point = |x: f64, y: f64, radius: f64| Point { x, y, radius };
        let shaft = [
            point(x, y, 19.0),
            point(x + lung.sign * 10.0, y + 26.0, 12.0),
            point(x + lung.sign * 34.0, y + 120.0, 10.0),
        ];
        bone.add_tube(&shaft, 0.7, 0.86, 0.8);
    }

    fn scapula(&self, bone: &mut Plane, lung: &Lung, draw: &mut Draw) {
        let top = self.shoulder_y + 28.0;
        let edge = lung.sign * (lung.lateral - draw.range(2.0, 22.0));
        let point = |x: f64, y: f64, radius: f64| Point { x, y, radius };
        let border = [
            point(edge + lung.sign * 26.0, top, 3.5),
            point(edge + lung.sign * 2.0, top + 60.0, 3.0),
            point(edge, top + 104.0, 2.5),
        ];
        bone.add_tube(&border, 0.9, 0.5, 0.5);
    }
}

fn step(from: (f64, f64), sign: f64, turn: f64, length: f64) -> (f64, f64) {
    (from.0 + sign * libm::cos(turn) * length, from.1 + libm::sin(turn) * length)
}

/// A sphere with a slightly lobed outline.
fn add_nodule(plane: &mut Plane, sphere: &Ellipsoid, lobes: &[f64; 3]) {
    let reach = 1.2 * sphere.a;
    let area = [sphere.x - reach, sphere.y - reach, sphere.x + reach, sphere.y + reach];
    plane.update(area, |x, y, value| {
        let (dx, dy) = (x - sphere.x, y - sphere.y);
        let angle = libm::atan2(dy, dx);
        let lobe = libm::sin(3.0 * angle + lobes[0]) + 0.6 * libm::sin(5.0 * angle + lobes[2]);
        let radius = sphere.a * (1.0 + lobes[1] * lobe);
        *value += 1.7 * half_chord(radius, (dx * dx + dy * dy).sqrt());
    });
}
