//! Exact Euclidean distance transform, one axis after the other (Felzenszwalb & Huttenlocher, Theory Comput. 8 (2012)
//! 415-428): linear in the number of voxels, for any spacing.

/// Squared distance in mm^2 of every voxel of a box to the nearest of its sites; infinite where there is no site.
pub(super) fn squared_distances(sites: &[bool], shape: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f64> {
    let mut squares: Vec<f64> = sites.iter().map(|&site| if site { 0.0 } else { f64::INFINITY }).collect();
    let mut envelope = Envelope::default();
    let mut stride = 1;
    for axis in (0..3).rev() {
        let length = shape[axis];
        if 1 < length {
            for block in (0..squares.len()).step_by(stride * length) {
                for start in block..block + stride {
                    envelope.pass(&mut squares, start, stride, length, spacing_mm[axis]);
                }
            }
        }
        stride *= length;
    }
    squares
}

/// Lower envelope of the parabolas that stand over one line of voxels; buffers are kept between lines.
#[derive(Default)]
struct Envelope {
    line: Vec<f64>,
    /// Voxel over which each parabola of the envelope has its vertex, and from where on it is the lowest.
    vertices: Vec<(usize, f64)>,
}

impl Envelope {
    /// Replaces each value of a line by the least of `value at p + (distance to p)^2` over all its places p.
    fn pass(&mut self, squares: &mut [f64], start: usize, stride: usize, length: usize, spacing: f64) {
        self.line.clear();
        self.line.extend((0..length).map(|place| squares[start + place * stride]));
        self.vertices.clear();
        let width = spacing * spacing;
        for (place, &value) in self.line.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let mut from = f64::NEG_INFINITY;
            while let Some(&(vertex, lowest_from)) = self.vertices.last() {
                // Where the parabolas over `vertex` and `place` cross, in voxels.
                let middle = (place + vertex) as f64 / 2.0;
                from = middle + (value - self.line[vertex]) / (2.0 * width * (place - vertex) as f64);
                if lowest_from < from {
                    break;
                }
                self.vertices.pop();
                from = f64::NEG_INFINITY;
            }
            self.vertices.push((place, from));
        }
        let mut lowest = 0;
        for place in 0..if self.vertices.is_empty() { 0 } else { length } {
            while lowest + 1 < self.vertices.len() && self.vertices[lowest + 1].1 <= place as f64 {
                lowest += 1;
            }
            let vertex = self.vertices[lowest].0;
            let steps = place.abs_diff(vertex) as f64;
            squares[start + place * stride] = self.line[vertex] + steps * steps * width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(sites: &[bool], shape: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
        let at = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
        let square = |a: usize, b: usize| -> f64 {
            (0..3).map(|axis| (at(a)[axis].abs_diff(at(b)[axis]) as f64 * spacing[axis]).powi(2)).sum()
        };
        let nearest = |i: usize| {
            let distances = (0..sites.len()).filter(|&s| sites[s]).map(|s| square(i, s));
            distances.fold(f64::INFINITY, f64::min)
        };
        (0..sites.len()).map(nearest).collect()
    }

    proptest::proptest! {
        #[test]
        fn distances_equal_a_search_of_all_sites(
            shape in [1_usize..6, 1_usize..7, 1_usize..8],
            spacing in [0.1_f64..5.0, 0.1_f64..5.0, 0.1_f64..5.0],
            seed in proptest::collection::vec(0_u8..10, 200),
        ) {
            let n: usize = shape.iter().product();
            let sites: Vec<bool> = (0..n).map(|i| seed[i % seed.len()] == 0).collect();
            for (fast, slow) in squared_distances(&sites, shape, spacing).iter().zip(plain(&sites, shape, spacing)) {
                proptest::prop_assert!(fast == &slow || (fast - slow).abs() <= 1e-12 * slow, "{} {}", fast, slow);
            }
        }
    }
}
