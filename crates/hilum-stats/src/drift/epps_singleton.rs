use super::tails::chi_squared_sf;
use super::{Comparison, SortedSample};
use crate::StatsError;
use crate::check;

/// Where the characteristic functions are compared, in half interquartile ranges (Goerg & Kaiser, Stata J. 9 (2009) 454-465).
const PLACES: [f64; 2] = [0.4, 0.8];

const SIZE: usize = 2 * PLACES.len();

type Matrix = [[f64; SIZE]; SIZE];

/// Epps and Singleton's test (J. Stat. Comput. Simul. 26 (1986) 177-203): compares the characteristic functions of the samples at two
/// places, and is defined for discrete values too; as `scipy.stats.epps_singleton_2samp`.
///
/// # Errors
/// `TooFew` with less than five values in either sample; `Undefined` when the middle half of the pooled values is equal.
pub fn epps_singleton(reference: &SortedSample, current: &SortedSample) -> Result<Comparison, StatsError> {
    let what = "Epps-Singleton test";
    check::at_least(what, "values in each sample", 5, reference.n().min(current.n()))?;
    let (n, m) = (reference.n() as f64, current.n() as f64);
    let pooled = SortedSample::new([reference.values(), current.values()].concat())?;
    let sigma = (pooled.quantile(0.75) - pooled.quantile(0.25)) / 2.0;
    if !(0.0 < sigma && sigma.is_finite()) {
        return Err(StatsError::Undefined { what, why: "the middle half of the values is equal, or infinitely wide" });
    }
    let (mean_a, covariance_a) = characteristics(reference.values(), sigma);
    let (mean_b, covariance_b) = characteristics(current.values(), sigma);
    let total = n + m;
    let mut covariance = [[0.0; SIZE]; SIZE];
    for i in 0..SIZE {
        for j in 0..SIZE {
            covariance[i][j] = total / n * covariance_a[i][j] + total / m * covariance_b[i][j];
        }
    }
    let apart: [f64; SIZE] = std::array::from_fn(|i| mean_a[i] - mean_b[i]);
    let (form, rank) = inverse_form(covariance, apart);
    if rank == 0 {
        return Err(StatsError::Undefined { what, why: "the characteristic functions do not vary" });
    }
    let mut value = total * form;
    if n.max(m) < 25.0 {
        value /= 1.0 + total.powf(-0.45) + 10.1 * (n.powf(-1.7) + m.powf(-1.7));
    }
    let p = chi_squared_sf(value, rank as f64);
    Comparison::test(what, (value, p), (reference.n(), current.n()), "epps-singleton")
}

/// Mean and covariance (with n) of cosine and sine at each place.
fn characteristics(values: &[f64], sigma: f64) -> ([f64; SIZE], Matrix) {
    let of = |value: f64| -> [f64; SIZE] {
        std::array::from_fn(|i| {
            // A value so large that the quotient is infinite has no angle; any other turns as often as it likes.
            let angle = PLACES[i % PLACES.len()] / sigma * value;
            let angle = if angle.is_finite() { angle } else { 0.0 };
            if i < PLACES.len() { angle.cos() } else { angle.sin() }
        })
    };
    let n = values.len() as f64;
    let mut mean = [0.0; SIZE];
    for &value in values {
        for (sum, part) in mean.iter_mut().zip(of(value)) {
            *sum += part / n;
        }
    }
    let mut covariance = [[0.0; SIZE]; SIZE];
    for &value in values {
        let part = of(value);
        for i in 0..SIZE {
            for j in 0..SIZE {
                covariance[i][j] += (part[i] - mean[i]) * (part[j] - mean[j]) / n;
            }
        }
    }
    (mean, covariance)
}

/// `v' M^+ v` for a symmetric matrix, and the rank of M: eigenvalues by Jacobi's rotations, those that are 0 to rounding left out.
fn inverse_form(mut matrix: Matrix, vector: [f64; SIZE]) -> (f64, usize) {
    let mut vectors: Matrix = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for _ in 0..60 {
        let off: f64 = (0..SIZE).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| matrix[i][j].abs()).sum();
        if off == 0.0 {
            break;
        }
        for p in 0..SIZE {
            for q in p + 1..SIZE {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
    }
    let values: [f64; SIZE] = std::array::from_fn(|i| matrix[i][i]);
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let (mut form, mut rank) = (0.0, 0);
    for (i, &value) in values.iter().enumerate() {
        if 1e-15 * largest < value {
            let along: f64 = (0..SIZE).map(|row| vectors[row][i] * vector[row]).sum();
            form += along * along / value;
            rank += 1;
        }
    }
    (form, rank)
}

/// One rotation that makes the element (p, q) 0.
fn rotate(matrix: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) {
    if matrix[p][q] == 0.0 {
        return;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let t = if theta.is_finite() { theta.signum() / (theta.abs() + theta.hypot(1.0)) } else { 0.0 };
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for row in 0..SIZE {
        let (a, b) = (matrix[row][p], matrix[row][q]);
        (matrix[row][p], matrix[row][q]) = (c * a - s * b, s * a + c * b);
        let (a, b) = (vectors[row][p], vectors[row][q]);
        (vectors[row][p], vectors[row][q]) = (c * a - s * b, s * a + c * b);
    }
    let (of_p, of_q) = (matrix[p], matrix[q]);
    matrix[p] = std::array::from_fn(|column| c * of_p[column] - s * of_q[column]);
    matrix[q] = std::array::from_fn(|column| s * of_p[column] + c * of_q[column]);
    if t == 0.0 {
        (matrix[p][q], matrix[q][p]) = (0.0, 0.0);
    }
}
