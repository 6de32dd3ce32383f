//! A plain lateral chest: enough for a gate to meet a view that a frontal model does not take.

use super::plane::{Ellipsoid, Grid, Plane, Point, smooth_step};
use crate::draw::Draw;
use crate::subject::{Sex, Subject};

/// Attenuation along each ray and the mask of lung; the patient faces the left of the image.
pub(super) fn attenuation(grid: Grid, seed: u64, subject: &Subject) -> (Plane, Vec<u8>) {
    let mut draw = Draw::new(seed, "lateral");
    let size = if subject.sex == Sex::Female { 0.95 } else { 1.0 } * (1.0 + 0.03 * draw.normal().clamp(-2.0, 2.0));
    let front = -86.0 * size;
    let back = 70.0 * size;
    let apex = -128.0 * size;
    let dome = 66.0 * size + draw.range(-6.0, 6.0);
    // The sternum leans forward, the diaphragm falls steeply to the back.
    let sternum = |y: f64| front + 34.0 * smooth_step(90.0, -140.0, y) + 62.0 * smooth_step(apex + 56.0, apex, y);
    let vertebrae = |y: f64| back + 16.0 * (1.0 - (y / 130.0) * (y / 130.0));
    let spine = |y: f64| vertebrae(y) - 16.0 * smooth_step(apex + 40.0, apex, y);
    let diaphragm = |x: f64| {
        let t = (x + 20.0) / (back + 30.0);
        dome + if 0.0 < t { 52.0 * t * t } else { 14.0 * t * t }
    };
    let lung = |x: f64, y: f64| {
        let u = (x - sternum(y)) / (spine(y) - sternum(y));
        let below = (y - apex) / 40.0;
        let above = (diaphragm(x) - y) / 24.0;
        if !(0.0..1.0).contains(&u) || below <= 0.0 || above <= 0.0 {
            return 0.0;
        }
        225.0 * size * libm::pow(4.0 * u * (1.0 - u), 0.28) * below.min(1.0).sqrt() * above.min(1.0).sqrt()
    };
    let heart = Ellipsoid { x: front + 56.0, y: dome - 46.0, a: 50.0 * size, b: 40.0 * size, c: 62.0, angle: 0.6 };
    let aorta = Ellipsoid { x: 30.0, y: apex + 120.0, a: 14.0, b: 74.0, c: 12.0, angle: -0.12 };
    let mottle = Plane::texture(grid, 9.0, &mut draw);
    let mut bone = Plane::new(grid);
    for vertebra in 0..14 {
        let y = apex - 20.0 + 23.5 * f64::from(vertebra);
        let body = Ellipsoid { x: vertebrae(y) + 12.0, y, a: 18.0, b: 12.4, c: 13.0, angle: 0.0 };
        bone.add_ellipsoid(&body, 0.5);
        let from = Point { x: spine(y) + 14.0, y, radius: 5.0 };
        let to = Point { x: sternum(y + 62.0) + 14.0, y: y + 62.0, radius: 4.0 };
        bone.add_tube(&[from, to], 0.8, 0.72, 0.8);
    }
    let edge = [Point { x: sternum(-90.0), y: -90.0, radius: 6.0 }, Point { x: sternum(60.0), y: 60.0, radius: 5.0 }];
    bone.add_tube(&edge, 1.5, 0.7, 0.8);
    let mut mask = Vec::with_capacity(grid.len());
    let mut total = Plane::new(grid);
    for row in 0..grid.rows {
        let y = grid.y(row);
        for column in 0..grid.columns {
            let x = grid.x(column);
            let index = row * grid.columns + column;
            let length = lung(x, y);
            let solid = heart.chord(x, y) + aorta.chord(x, y);
            let air = (length * (1.0 + 0.02 * mottle.values[index]) - solid).max(0.0);
            let (left, right) = (front + 34.0 * smooth_step(90.0, -140.0, y) - 20.0, vertebrae(y) + 52.0);
            let u = (2.0 * x - left - right) / (right - left);
            let trunk = (1.0 - u * u).max(0.0).sqrt() * 290.0 * size * smooth_step(-260.0, -110.0, y);
            let tissue = (trunk - 0.74 * air).max(0.0);
            total.values[index] = if 0.0 < trunk { 0.016 * tissue + 0.030 * bone.values[index] } else { 0.0 };
            mask.push(u8::from(0.0 < length));
        }
    }
    (total, mask)
}
