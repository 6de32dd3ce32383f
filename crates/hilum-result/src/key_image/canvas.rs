//! A colour picture to draw on.

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Pixels row by row, three bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

impl Canvas {
    pub(super) fn filled(width: usize, height: usize, colour: Colour) -> Canvas {
        Canvas { width, height, rgb: colour.repeat(width * height) }
    }

    /// Mix `colour` into one pixel; outside the canvas nothing happens.
    pub(super) fn blend(&mut self, x: i64, y: i64, colour: Colour, opacity: u8) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if self.width <= x || self.height <= y {
            return;
        }
        let at = (y * self.width + x) * 3;
        let weight = u32::from(opacity);
        for (channel, value) in self.rgb[at..at + 3].iter_mut().zip(colour) {
            *channel = ((u32::from(*channel) * (255 - weight) + u32::from(value) * weight + 127) / 255) as u8;
        }
    }

    /// Fill a rectangle; parts outside are cut off.
    pub(super) fn fill(&mut self, left: i64, top: i64, width: i64, height: i64, colour: Colour) {
        for y in top.max(0)..(top + height).min(self.height as i64) {
            for x in left.max(0)..(left + width).min(self.width as i64) {
                self.blend(x, y, colour, 255);
            }
        }
    }

    /// Outline of a rectangle whose corners are pixels, `thickness` pixels to the outside.
    pub(super) fn outline(&mut self, corners: [i64; 4], thickness: i64, colour: Colour) {
        let [left, top, right, bottom] = corners;
        let (outer_left, outer_top) = (left - thickness, top - thickness);
        let (width, height) = (right - left + 1 + 2 * thickness, bottom - top + 1 + 2 * thickness);
        self.fill(outer_left, outer_top, width, thickness, colour);
        self.fill(outer_left, bottom + 1, width, thickness, colour);
        self.fill(outer_left, outer_top, thickness, height, colour);
        self.fill(right + 1, outer_top, thickness, height, colour);
    }
}
