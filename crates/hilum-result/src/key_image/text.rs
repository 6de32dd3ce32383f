//! Text from a font compiled in: Noto Sans Mono, Latin with accents.

use super::canvas::{Canvas, Colour};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Size and weight of a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Font {
    weight: FontWeight,
    size: RasterHeight,
}

impl Font {
    /// A font for a picture this wide.
    pub(super) fn for_width(width: usize, bold: bool) -> Font {
        let size = if width < 720 { RasterHeight::Size16 } else { RasterHeight::Size20 };
        Font { weight: if bold { FontWeight::Bold } else { FontWeight::Regular }, size }
    }

    /// Pixels from one line to the next.
    pub(super) fn line_height(self) -> usize {
        self.size.val() + 4
    }

    /// Width of one character.
    pub(super) fn advance(self) -> usize {
        get_raster_width(self.weight, self.size)
    }

    /// Draw one line, its top left corner at `x`, `y`; a character the font lacks becomes `?`.
    pub(super) fn draw(self, canvas: &mut Canvas, x: usize, y: usize, text: &str, colour: Colour) {
        for (column, character) in text.chars().enumerate() {
            let glyph =
                get_raster(character, self.weight, self.size).or_else(|| get_raster('?', self.weight, self.size));
            let left = (x + column * self.advance()) as i64;
            for (row, pixels) in glyph.iter().flat_map(|glyph| glyph.rows()).enumerate() {
                for (offset, opacity) in pixels.iter().enumerate() {
                    canvas.blend(left + offset as i64, (y + row) as i64, colour, *opacity);
                }
            }
        }
    }
}

/// Break at spaces so that no line has more than `n_columns` characters; a longer word is cut.
pub(super) fn wrap(text: &str, n_columns: usize) -> Vec<String> {
    let n_columns = n_columns.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let last = lines.last_mut().expect("lines starts with one line and only grows");
            let used = last.chars().count();
            let space = usize::from(used != 0);
            if used + space + word.len() <= n_columns {
                if space == 1 {
                    last.push(' ');
                }
                last.extend(word.drain(..));
            } else if used == 0 {
                last.extend(word.drain(..n_columns));
            } else {
                lines.push(String::new());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_break_at_spaces_and_long_words_are_cut() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
    }
}
