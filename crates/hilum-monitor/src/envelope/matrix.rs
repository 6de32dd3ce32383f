//! The little linear algebra that a Mahalanobis distance needs.

/// Covariance of centred rows of `p` values, shrunk towards a multiple of the identity (Ledoit and Wolf 2004), row by row,
/// and the weight of that target in 0 to 1.
///
/// `rows` holds the rows one after the other; no row gives a matrix of zeros.
pub fn ledoit_wolf(rows: &[f64], p: usize) -> (Vec<f64>, f64) {
    let n = rows.len() / p.max(1);
    let mut sample = vec![0.0; p * p];
    let mut fourth = 0.0;
    for row in rows.chunks_exact(p.max(1)) {
        for i in 0..p {
            for j in 0..p {
                sample[i * p + j] += row[i] * row[j] / n as f64;
            }
        }
        fourth += row.iter().map(|v| v * v).sum::<f64>().powi(2);
    }
    if n == 0 || p == 0 {
        return (sample, 1.0);
    }
    let target = (0..p).map(|i| sample[i * p + i]).sum::<f64>() / p as f64;
    let identity = |at: usize| if at.is_multiple_of(p + 1) { target } else { 0.0 };
    let distance: f64 = sample.iter().enumerate().map(|(at, v)| (v - identity(at)).powi(2)).sum();
    let squares: f64 = sample.iter().map(|v| v * v).sum();
    let error = (fourth / n as f64 - squares) / n as f64;
    let weight = if 0.0 < distance { (error / distance).clamp(0.0, 1.0) } else { 1.0 };
    let shrunk = sample.iter().enumerate().map(|(at, v)| (1.0 - weight) * v + weight * identity(at)).collect();
    (shrunk, weight)
}

/// Inverse of a symmetric positive definite matrix by Cholesky; `None` when it is none.
pub(super) fn inverse(matrix: &[f64], p: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; p * p];
    for i in 0..p {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| lower[i * p + k] * lower[j * p + k]).sum();
            let left = matrix[i * p + j] - dot;
            if i == j {
                // Not a number is no pivot either.
                if left.is_nan() || left <= 0.0 {
                    return None;
                }
                lower[i * p + i] = left.sqrt();
            } else {
                lower[i * p + j] = left / lower[j * p + j];
            }
        }
    }
    // Columns of the inverse of the triangle, then its product with its transpose.
    let mut solved = vec![0.0; p * p];
    for column in 0..p {
        for i in column..p {
            let unit = if i == column { 1.0 } else { 0.0 };
            let dot: f64 = (column..i).map(|k| lower[i * p + k] * solved[k * p + column]).sum();
            solved[i * p + column] = (unit - dot) / lower[i * p + i];
        }
    }
    let mut inverse = vec![0.0; p * p];
    for i in 0..p {
        for j in 0..p {
            inverse[i * p + j] = (i.max(j)..p).map(|k| solved[k * p + i] * solved[k * p + j]).sum();
        }
    }
    inverse.iter().all(|v| v.is_finite()).then_some(inverse)
}
