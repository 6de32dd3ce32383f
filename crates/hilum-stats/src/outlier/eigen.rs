use crate::error::StatsError;

/// Eigenvalues of a symmetric matrix, largest first, with their unit vectors as rows.
pub(super) struct Eigen {
    pub(super) values: Vec<f64>,
    pub(super) vectors: Vec<Vec<f64>>,
}

/// Eigenvalues and vectors of a symmetric matrix of finite numbers, given by its rows: reduction to tridiagonal form by
/// reflections, then implicit QL (Bowdler, Martin, Reinsch & Wilkinson, Numer. Math. 11 (1968) 293-306).
pub(super) fn symmetric_eigen(what: &'static str, mut rows: Vec<Vec<f64>>) -> Result<Eigen, StatsError> {
    let n = rows.len();
    let mut diagonal = vec![0.0; n];
    let mut beside = vec![0.0; n];
    tridiagonal(&mut rows, &mut diagonal, &mut beside);
    implicit_ql(what, &mut rows, &mut diagonal, &mut beside)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    let vectors = order.iter().map(|&place| std::mem::take(&mut rows[place])).collect();
    Ok(Eigen { values: order.iter().map(|&place| diagonal[place]).collect(), vectors })
}

/// `v[column][row]` becomes the orthogonal transformation. (Columns first, because the inner loops run along them.)
fn tridiagonal(v: &mut [Vec<f64>], d: &mut [f64], e: &mut [f64]) {
    let n = v.len();
    for j in 0..n {
        d[j] = v[j][n - 1];
    }
    for i in (1..n).rev() {
        let scale: f64 = d[..i].iter().map(|x| x.abs()).sum();
        let mut h = 0.0;
        if scale == 0.0 {
            e[i] = d[i - 1];
            for j in 0..i {
                d[j] = v[j][i - 1];
                v[j][i] = 0.0;
                v[i][j] = 0.0;
            }
        } else {
            for x in &mut d[..i] {
                *x /= scale;
                h += *x * *x;
            }
            let f = d[i - 1];
            let g = if 0.0 < f { -h.sqrt() } else { h.sqrt() };
            e[i] = scale * g;
            h -= f * g;
            d[i - 1] = f - g;
            e[..i].fill(0.0);
            for j in 0..i {
                let f = d[j];
                v[i][j] = f;
                let mut g = e[j] + v[j][j] * f;
                for k in j + 1..i {
                    g += v[j][k] * d[k];
                    e[k] += v[j][k] * f;
                }
                e[j] = g;
            }
            let mut f = 0.0;
            for j in 0..i {
                e[j] /= h;
                f += e[j] * d[j];
            }
            let half = f / (h + h);
            for j in 0..i {
                e[j] -= half * d[j];
            }
            for j in 0..i {
                let (f, g) = (d[j], e[j]);
                for k in j..i {
                    v[j][k] -= f * e[k] + g * d[k];
                }
                d[j] = v[j][i - 1];
                v[j][i] = 0.0;
            }
        }
        d[i] = h;
    }
    accumulate(v, d);
    e[0] = 0.0;
}

/// Multiplies the reflections into one transformation.
fn accumulate(v: &mut [Vec<f64>], d: &mut [f64]) {
    let n = v.len();
    for i in 0..n - 1 {
        v[i][n - 1] = v[i][i];
        v[i][i] = 1.0;
        let h = d[i + 1];
        let (done, next) = v.split_at_mut(i + 1);
        let reflection = &mut next[0];
        if h != 0.0 {
            for k in 0..=i {
                d[k] = reflection[k] / h;
            }
            for column in done {
                let g: f64 = reflection[..=i].iter().zip(&column[..=i]).map(|(a, b)| a * b).sum();
                column[..=i].iter_mut().zip(&d[..=i]).for_each(|(x, d)| *x -= g * d);
            }
        }
        reflection[..=i].fill(0.0);
    }
    for j in 0..n {
        d[j] = v[j][n - 1];
        v[j][n - 1] = 0.0;
    }
    v[n - 1][n - 1] = 1.0;
}

fn implicit_ql(what: &'static str, v: &mut [Vec<f64>], d: &mut [f64], e: &mut [f64]) -> Result<(), StatsError> {
    let n = v.len();
    e.rotate_left(1);
    e[n - 1] = 0.0;
    let (mut shifted, mut largest) = (0.0, 0.0_f64);
    for l in 0..n {
        largest = largest.max(d[l].abs() + e[l].abs());
        let small = f64::EPSILON * largest;
        let m = (l..n).find(|&m| e[m].abs() <= small).unwrap_or(n - 1);
        let mut rounds = 0;
        while l < m && (rounds == 0 || small < e[l].abs()) {
            rounds += 1;
            if 100 < rounds {
                return Err(StatsError::NoConvergence { what });
            }
            let g = d[l];
            let p = (d[l + 1] - g) / (2.0 * e[l]);
            let r = libm::hypot(p, 1.0).copysign(p);
            d[l] = e[l] / (p + r);
            d[l + 1] = e[l] * (p + r);
            let (next, h) = (d[l + 1], g - d[l]);
            d[l + 2..].iter_mut().for_each(|x| *x -= h);
            shifted += h;
            let mut p = d[m];
            let (mut c, mut c2, mut c3) = (1.0, 1.0, 1.0);
            let (mut s, mut s2) = (0.0, 0.0);
            let beside = e[l + 1];
            for i in (l..m).rev() {
                (c3, c2, s2) = (c2, c, s);
                let g = c * e[i];
                let h = c * p;
                let r = libm::hypot(p, e[i]);
                e[i + 1] = s * r;
                (s, c) = (e[i] / r, p / r);
                p = c * d[i] - s * g;
                d[i + 1] = h + s * (c * g + s * d[i]);
                let (left, right) = v.split_at_mut(i + 1);
                for (x, y) in left[i].iter_mut().zip(&mut right[0]) {
                    let h = *y;
                    *y = s * *x + c * h;
                    *x = c * *x - s * h;
                }
            }
            p = -s * s2 * c3 * beside * e[l] / next;
            e[l] = s * p;
            d[l] = c * p;
        }
        d[l] += shifted;
        e[l] = 0.0;
    }
    if d.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(StatsError::NoConvergence { what }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `A v = w v`, unit vectors at right angles, and the trace: for full, sparse, rank-one, zero and single matrices.
    #[test]
    fn vectors_and_values_satisfy_their_definition() {
        let build = |n: usize, entry: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
            (0..n).map(|i| (0..n).map(|j| entry(i.min(j), i.max(j))).collect()).collect()
        };
        let matrices = [
            build(1, &|_, _| 3.0),
            build(2, &|i, j| (i + 2 * j) as f64),
            build(5, &|_, _| 0.0),
            build(6, &|i, j| ((i + 1) * (j + 1)) as f64),
            build(7, &|i, j| if i == j { i as f64 } else { 0.0 }),
            build(40, &|i, j| ((i * 31 + j * 17) % 23) as f64 - 11.0 + if i == j { 30.0 } else { 0.0 }),
            build(9, &|i, j| if j - i == 1 { 1e150 } else { 0.0 }),
        ];
        for matrix in matrices {
            let n = matrix.len();
            let size = matrix.iter().flatten().map(|x| x.abs()).fold(1e-300, f64::max) * n as f64;
            let eigen = symmetric_eigen("t", matrix.clone()).unwrap();
            assert!(eigen.values.is_sorted_by(|a, b| a >= b));
            for (i, (value, vector)) in eigen.values.iter().zip(&eigen.vectors).enumerate() {
                for (row, x) in matrix.iter().zip(vector) {
                    let product: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
                    assert!((product - value * x).abs() < 1e-12 * size, "{n}: {product} {value} {x}");
                }
                for (j, other) in eigen.vectors.iter().enumerate() {
                    let product: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
        }
    }
}
