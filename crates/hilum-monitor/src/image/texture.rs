//! Differences of neighbouring pixels: noise, sharpness, frequency content; and the brightness of 16 by 16 blocks.

use super::lanes::{Lanes, sums};

/// Blocks of a side.
pub(super) const BLOCKS: usize = 16;
/// Distances in pixels at which differences are taken.
const LAGS: [usize; 3] = [1, 2, 4];
/// Rows whose differences are taken at most; of more, those of every second, third, ... are.
const ROWS_MAX: usize = 1024;

/// Sums over the rows inside the margins.
#[derive(Debug, Clone)]
pub(super) struct Texture {
    rows: usize,
    columns: usize,
    stride: usize,
    squared_differences: [f64; 3],
    n_differences: [f64; 3],
    immerkaer: f64,
    laplacian: [f64; 2],
    n_inner: f64,
    blocks: [[f64; BLOCKS]; BLOCKS],
    /// Second difference down the columns.
    second: Vec<f32>,
}

impl Texture {
    pub(super) fn new(rows: usize, columns: usize) -> Texture {
        Texture {
            rows,
            columns,
            stride: rows.div_ceil(ROWS_MAX).max(1),
            squared_differences: [0.0; 3],
            n_differences: [0.0; 3],
            immerkaer: 0.0,
            laplacian: [0.0; 2],
            n_inner: 0.0,
            blocks: [[0.0; BLOCKS]; BLOCKS],
            second: vec![0.0; columns],
        }
    }

    /// Take a row; `before` is the one above, `after` are those 1, 2 and 4 rows further on, where the image has them.
    #[inline(always)]
    pub(super) fn add(&mut self, index: usize, row: &[f32], before: Option<&[f32]>, after: [Option<&[f32]>; 3]) {
        let block_row = (index * BLOCKS / self.rows).min(BLOCKS - 1);
        for (block, sum) in self.blocks[block_row].iter_mut().enumerate() {
            let of = |block: usize| block * self.columns / BLOCKS;
            let [add] = sums([&row[of(block)..of(block + 1)]], |[v]| [v]);
            *sum += add;
        }
        if !index.is_multiple_of(self.stride) {
            return;
        }
        if let (Some(above), Some(below)) = (before, after[0]) {
            self.curvature(row, above, below);
        }
        for (k, lag) in LAGS.into_iter().enumerate() {
            let square = |[a, b]: [Lanes; 2]| [(b - a) * (b - a)];
            let [along] = sums([&row[..row.len() - lag], &row[lag..]], square);
            self.squared_differences[k] += along;
            self.n_differences[k] += (row.len() - lag) as f64;
            if let Some(below) = after[k] {
                let [down] = sums([row, below], square);
                self.squared_differences[k] += down;
                self.n_differences[k] += row.len() as f64;
            }
        }
    }

    /// Immerkaer's kernel is the second difference along the row of the second difference down the columns.
    #[inline(always)]
    fn curvature(&mut self, row: &[f32], above: &[f32], below: &[f32]) {
        for (((second, up), mid), down) in self.second.iter_mut().zip(above).zip(row).zip(below) {
            *second = (up - mid) + (down - mid);
        }
        let (s, n) = (&self.second, row.len());
        let inputs = [&s[..n - 2], &s[1..n - 1], &s[2..], &row[..n - 2], &row[1..n - 1], &row[2..]];
        let [noise, sum, squares] = sums(inputs, |[a, b, c, left, mid, right]| {
            let laplacian = b + ((left - mid) + (right - mid));
            [((a - b) + (c - b)).abs(), laplacian, laplacian * laplacian]
        });
        self.immerkaer += noise;
        self.laplacian[0] += sum;
        self.laplacian[1] += squares;
        self.n_inner += (n - 2) as f64;
    }

    /// Mean squared difference at lag 1, 2 and 4, along rows and columns together.
    pub(super) fn differences(&self) -> [f64; 3] {
        std::array::from_fn(|k| self.squared_differences[k] / self.n_differences[k])
    }

    /// Standard deviation of the noise (Immerkaer, Comput. Vis. Image Underst. 64 (1996) 300-302).
    pub(super) fn noise(&self) -> f64 {
        std::f64::consts::FRAC_PI_2.sqrt() * self.immerkaer / (6.0 * self.n_inner)
    }

    pub(super) fn laplacian_variance(&self) -> f64 {
        let mean = self.laplacian[0] / self.n_inner;
        (self.laplacian[1] / self.n_inner - mean * mean).max(0.0)
    }

    /// Mean of every block.
    pub(super) fn blocks(&self) -> [[f64; BLOCKS]; BLOCKS] {
        let mut heights = [0usize; BLOCKS];
        (0..self.rows).for_each(|row| heights[(row * BLOCKS / self.rows).min(BLOCKS - 1)] += 1);
        let mut means = self.blocks;
        for (line, height) in means.iter_mut().zip(heights) {
            for (block, mean) in line.iter_mut().enumerate() {
                let width = (block + 1) * self.columns / BLOCKS - block * self.columns / BLOCKS;
                *mean /= (height * width) as f64;
            }
        }
        means
    }
}
