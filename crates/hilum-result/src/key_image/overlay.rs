//! Outlines of findings and segments over the picture.

use super::canvas::{Canvas, Colour};
use super::text::Font;
use hilum_types::{Finding, ImageReference, ModelOutput, Presence, Segment, SegmentMask};

/// Findings are drawn in amber: it stands out from grey without the meaning of red.
pub(super) const AMBER: Colour = [255, 191, 0];
const SHADOW: Colour = [0, 0, 0];

/// Where the picture lies on the canvas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) left: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Columns and rows of the source frame.
    pub(super) source: (usize, usize),
}

/// Findings to be drawn on this image, in the order of the panel: those seen or undecided that have a place on it.
pub(super) fn drawn_findings<'o>(findings: &[&'o Finding], image: &ImageReference) -> Vec<&'o Finding> {
    let on_image =
        |finding: &&Finding| finding.location.as_ref().is_some_and(|location| same_frame(&location.image, image));
    findings.iter().copied().filter(|finding| finding.presence != Presence::Absent).filter(on_image).collect()
}

/// Colour of a segment's contour; one too dark to be seen on a radiograph becomes amber.
pub(super) fn segment_colour(segment: &Segment) -> Colour {
    let [r, g, b] = segment.display_rgb.map(u32::from);
    if 299 * r + 587 * g + 114 * b < 60_000 { AMBER } else { segment.display_rgb }
}

fn same_frame(a: &ImageReference, b: &ImageReference) -> bool {
    a.sop_instance_uid == b.sop_instance_uid && a.frame.unwrap_or(1) == b.frame.unwrap_or(1)
}

/// Contours of all segments on this image, then boxes with the numbers the panel uses.
pub(super) fn draw(
    canvas: &mut Canvas,
    place: Place,
    output: &ModelOutput,
    findings: &[&Finding],
    image: &ImageReference,
) {
    for segment in &output.segments {
        for mask in segment.masks.iter().filter(|mask| same_frame(&mask.image, image)) {
            contour(canvas, place, mask, segment_colour(segment));
        }
    }
    let numbered = 1 < findings.len();
    for (number, finding) in (1..).zip(findings) {
        let Some(location) = &finding.location else { continue };
        let corners = corners(location.bounding_box, place);
        canvas.outline(corners, 3, SHADOW);
        canvas.outline(corners, 2, AMBER);
        if numbered {
            tag(canvas, place, corners, &number.to_string());
        }
    }
}

/// The box in pixels of the canvas, cut to the picture.
fn corners(bounding_box: [f64; 4], place: Place) -> [i64; 4] {
    let across = |x: f64| (x / place.source.0 as f64 * place.width as f64).clamp(0.0, place.width as f64 - 1.0);
    let down = |y: f64| (y / place.source.1 as f64 * place.height as f64).clamp(0.0, place.height as f64 - 1.0);
    let [left, top, right, bottom] = bounding_box;
    let x = |x: f64| place.left as i64 + across(x).round() as i64;
    [x(left), down(top).round() as i64, x(right), down(bottom).round() as i64]
}

/// The number of a finding on an amber patch, outside the box: above it, or below when there is no room.
fn tag(canvas: &mut Canvas, place: Place, corners: [i64; 4], number: &str) {
    let font = Font::for_width(0, true);
    let (width, height) = ((number.len() * font.advance() + 6) as i64, 18);
    let [left, top, _, bottom] = corners;
    let y = if height + 3 <= top { top - height - 3 } else { (bottom + 4).min(place.height as i64 - height) };
    let x = (left - 2).clamp(place.left as i64, (place.left + place.width) as i64 - width);
    canvas.fill(x, y, width, height, AMBER);
    if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) {
        font.draw(canvas, x + 3, y + 1, number, SHADOW);
    }
}

/// The rim of a mask, two pixels wide, all of it inside the mask.
fn contour(canvas: &mut Canvas, place: Place, mask: &SegmentMask, colour: Colour) {
    let (rows, columns) = (mask.rows as usize, mask.columns as usize);
    if rows == 0 || columns == 0 || rows.checked_mul(columns) != Some(mask.pixels.len()) {
        return;
    }
    let inside = |x: i64, y: i64| {
        let within = (0..place.width as i64).contains(&x) && (0..place.height as i64).contains(&y);
        within && {
            let column = (x as usize * 2 + 1) * columns / (place.width * 2);
            let row = (y as usize * 2 + 1) * rows / (place.height * 2);
            mask.pixels[row * columns + column] != 0
        }
    };
    const NEAR: [(i64, i64); 8] = [(-1, 0), (1, 0), (0, -1), (0, 1), (-2, 0), (2, 0), (0, -2), (0, 2)];
    for y in 0..place.height as i64 {
        for x in 0..place.width as i64 {
            if inside(x, y) && NEAR.iter().any(|(dx, dy)| !inside(x + dx, y + dy)) {
                canvas.blend(x + place.left as i64, y, colour, 255);
            }
        }
    }
}
