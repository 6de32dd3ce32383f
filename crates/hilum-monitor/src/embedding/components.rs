//! Principal components: the leading eigenvectors of a covariance matrix, by subspace iteration with Rayleigh-Ritz steps
//! (Golub and Van Loan, Matrix Computations, 4th ed., 8.2), and Jacobi rotations for the small problem within.

use hilum_stats::chance::Chance;

/// Vectors that are iterated beside those that are wanted: they take up what lies close to them.
const BESIDE: usize = 8;
/// Iterations at most. What has not settled then has neighbours of practically the same variance, and any of them will do.
const ITERATIONS_MAX: usize = 600;
/// Iterations between two looks at how far it is.
const LOOK: usize = 5;
/// An eigenvector is found when it is one to this part of the largest eigenvalue.
const SETTLED: f64 = 1e-10;
/// Where the iteration starts; any start will do that is always the same.
const SEED: u64 = 20_260_101;
/// Sweeps of rotations at most; ten are plenty.
const SWEEPS_MAX: usize = 60;

/// The `k` largest eigenvalues of a symmetric matrix of `d` rows without negative eigenvalues, with their vectors of length 1,
/// the largest first. The largest number of a vector by amount is positive. Fewer where the matrix has none left but zeros.
pub(super) fn principal(matrix: &[f64], d: usize, k: usize) -> Vec<(f64, Vec<f64>)> {
    let p = (k + BESIDE).min(d);
    let mut chance = Chance::new(SEED, 0);
    let mut basis: Vec<Vec<f64>> = (0..p).map(|_| (0..d).map(|_| chance.normal()).collect()).collect();
    orthonormalise(&mut basis);
    let mut found = Vec::new();
    for iteration in 1..=ITERATIONS_MAX {
        let images: Vec<Vec<f64>> = basis.iter().map(|vector| times(matrix, vector)).collect();
        if iteration.is_multiple_of(LOOK) || p == d {
            let (pairs, settled) = ritz(&basis, &images, k);
            found = pairs;
            if settled || p == d {
                break;
            }
        }
        basis = images;
        orthonormalise(&mut basis);
    }
    found.retain(|(value, _)| 0.0 < *value);
    for (_, vector) in &mut found {
        let largest = vector.iter().fold(0.0f64, |most, v| if most.abs() < v.abs() { *v } else { most });
        if largest < 0.0 {
            vector.iter_mut().for_each(|v| *v = -*v);
        }
    }
    found
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

/// Gram and Schmidt, twice, because once loses digits. A vector that lies in those before it becomes zero.
fn orthonormalise(basis: &mut [Vec<f64>]) {
    for at in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(at);
        let vector = &mut rest[0];
        let length = dot(vector, vector).sqrt();
        for other in before.iter().chain(before.iter()) {
            let along = dot(other, vector);
            vector.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
        }
        let left = dot(vector, vector).sqrt();
        let scale = if 1e-12 * length < left { 1.0 / left } else { 0.0 };
        vector.iter_mut().for_each(|v| *v *= scale);
    }
}

/// The `k` best eigenpairs within what `basis` spans, and whether each is one of the whole matrix. `images` is the matrix
/// times `basis`.
fn ritz(basis: &[Vec<f64>], images: &[Vec<f64>], k: usize) -> (Vec<(f64, Vec<f64>)>, bool) {
    let p = basis.len();
    let mut small = vec![0.0; p * p];
    for (i, (vector, image)) in basis.iter().zip(images).enumerate() {
        for (j, (other, of_other)) in basis.iter().zip(images).enumerate() {
            small[i * p + j] = 0.5 * (dot(vector, of_other) + dot(other, image));
        }
    }
    let rotations = jacobi(&mut small, p);
    let mut order: Vec<usize> = (0..p).collect();
    order.sort_by(|a, b| small[b * p + b].total_cmp(&small[a * p + a]));
    let largest = order.first().map_or(0.0, |at| small[at * p + at]);
    let mix = |vectors: &[Vec<f64>], column: usize| {
        let mut mixed = vec![0.0; vectors[0].len()];
        for (row, vector) in vectors.iter().enumerate() {
            let weight = rotations[row * p + column];
            mixed.iter_mut().zip(vector).for_each(|(m, v)| *m += weight * v);
        }
        mixed
    };
    let (mut found, mut settled) = (Vec::new(), true);
    for column in order.into_iter().take(k) {
        let (value, vector) = (small[column * p + column], mix(basis, column));
        let image = mix(images, column);
        let off: f64 = image.iter().zip(&vector).map(|(i, v)| (i - value * v).powi(2)).sum();
        settled &= off.sqrt() <= SETTLED * largest;
        found.push((value, vector));
    }
    (found, settled)
}

/// Diagonalise a small symmetric matrix in place by cyclic rotations; the columns of the result are its eigenvectors.
fn jacobi(matrix: &mut [f64], p: usize) -> Vec<f64> {
    let mut vectors = vec![0.0; p * p];
    (0..p).for_each(|at| vectors[at * p + at] = 1.0);
    for _ in 0..SWEEPS_MAX {
        let mut rotated = false;
        for i in 0..p {
            for j in i + 1..p {
                let (off, a, b) = (matrix[i * p + j], matrix[i * p + i], matrix[j * p + j]);
                if off.abs() <= f64::EPSILON * (a * b).abs().sqrt().max(f64::MIN_POSITIVE) {
                    continue;
                }
                rotated = true;
                let theta = (b - a) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for row in 0..p {
                    rotate(matrix, row * p + i, row * p + j, cosine, sine);
                }
                for column in 0..p {
                    rotate(matrix, i * p + column, j * p + column, cosine, sine);
                }
                for row in 0..p {
                    rotate(&mut vectors, row * p + i, row * p + j, cosine, sine);
                }
            }
        }
        if !rotated {
            break;
        }
    }
    vectors
}

fn rotate(numbers: &mut [f64], first: usize, second: usize, cosine: f64, sine: f64) {
    let (a, b) = (numbers[first], numbers[second]);
    numbers[first] = cosine * a - sine * b;
    numbers[second] = sine * a + cosine * b;
}
