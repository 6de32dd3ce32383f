//! Whether an image is bright where images of its kind are bright: inverted, mirrored and upside-down images are not.

use super::texture::BLOCKS;

/// Differences of mean brightness between parts of the image inside its margins, in standard deviations of the means of
/// 16 by 16 blocks. What is usual is for the reference set to say; on a chest film, as displayed:
///
/// - `midline` is positive, mediastinum and spine being brighter than the lungs, and changes its sign when the grey scale is
///   inverted;
/// - `side` is positive when the heart lies on the right-hand side of the picture, and changes its sign when the film is
///   mirrored. How well that tells a mirrored film is in `docs/measurements.md`: not well, a heart being small beside the rest;
/// - `lower` is positive, the abdomen being brighter than the apices.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Brightness {
    /// Middle half of rows and columns, minus the outermost two blocks all round.
    pub centre: f64,
    /// Middle two columns of blocks, minus the three on either side after a gap of one, in the middle half of the rows.
    pub midline: f64,
    /// Right of the middle minus left of the middle, in the lower half.
    pub side: f64,
    /// Lowest six rows of blocks minus the six highest.
    pub lower: f64,
}

impl Brightness {
    /// From block means; `sign` is -1 when low values are shown bright. All 0 for an image without structure.
    pub(super) fn of(blocks: &[[f64; BLOCKS]; BLOCKS], sign: f64) -> Brightness {
        let all = blocks.as_flattened();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let sd = (all.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / all.len() as f64).sqrt();
        // Rounding leaves a little in an image of one value.
        if sd <= 1e-9 * mean.abs() {
            return Brightness::default();
        }
        let part = |inside: &dyn Fn(usize, usize) -> bool| {
            let (mut sum, mut n) = (0.0, 0.0);
            for (row, line) in blocks.iter().enumerate() {
                for (column, value) in line.iter().enumerate() {
                    if inside(row, column) {
                        sum += value;
                        n += 1.0;
                    }
                }
            }
            sum / n
        };
        let middle = |at: usize| (4..12).contains(&at);
        let edge = |at: usize| !(2..BLOCKS - 2).contains(&at);
        let difference =
            |a: &dyn Fn(usize, usize) -> bool, b: &dyn Fn(usize, usize) -> bool| sign * (part(a) - part(b)) / sd;
        Brightness {
            centre: difference(&|r, c| middle(r) && middle(c), &|r, c| edge(r) || edge(c)),
            midline: difference(&|r, c| middle(r) && (7..9).contains(&c), &|r, c| {
                middle(r) && ((3..6).contains(&c) || (10..13).contains(&c))
            }),
            side: difference(&|r, c| (8..14).contains(&r) && (9..12).contains(&c), &|r, c| {
                (8..14).contains(&r) && (4..7).contains(&c)
            }),
            lower: difference(&|r, _| 10 <= r, &|r, _| r < 6),
        }
    }
}
