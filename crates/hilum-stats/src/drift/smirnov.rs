//! Distribution of the one-sample Kolmogorov-Smirnov statistic for finite samples: which formula is good where follows Simard
//! & L'Ecuyer, J. Stat. Softw. 39 (2011) 11, and the choices of `scipy.stats.kstwo`.

use std::f64::consts::{PI, TAU};

/// Cases up to which the one-sided distribution is summed term by term.
const SUMMED_CASES_MAX: u64 = 100_000;

/// Scale that keeps powers of matrices and factorials within range.
const SCALE: i32 = 128;

/// `P(D_n >= x)` for the two-sided statistic of `n >= 1` cases. 0 where it is too small to tell.
pub(super) fn kolmogorov_sf(n: u64, x: f64) -> f64 {
    let cases = n as f64;
    let t = cases * x;
    if 1.0 <= x {
        return 0.0;
    }
    if t <= 0.5 {
        return 1.0;
    }
    if t <= 1.0 {
        // Ruben & Gambino.
        return 1.0 - (log_factorial_over_power(n) + cases * (2.0 * t - 1.0).ln()).exp();
    }
    if cases - 1.0 <= t {
        return 2.0 * (1.0 - x).powf(cases);
    }
    let scaled = t * x;
    let two_one_sided = || (2.0 * smirnov_sf(n, x)).min(1.0);
    // Beyond these both sides hardly ever touch at once.
    if 0.5 <= x || (n <= 140 && 4.0 < scaled) || (140 < n && 2.2 <= scaled) {
        return two_one_sided();
    }
    if n <= 140 || (n <= 100_000 && cases * x.powf(1.5) <= 1.4) {
        return (1.0 - durbin_cdf(n, x)).clamp(0.0, 1.0);
    }
    pelz_good_sf(cases, x).clamp(0.0, 1.0)
}

/// `ln(n! / n^n)`.
fn log_factorial_over_power(n: u64) -> f64 {
    if n <= 140 {
        return (1..=n).map(|k| (k as f64 / n as f64).ln()).sum();
    }
    // Stirling's series without the part that cancels.
    let r = 1.0 / n as f64;
    (n as f64).ln() / 2.0 - n as f64 + TAU.ln() / 2.0 + r * (1.0 / 12.0 - r * r * (1.0 / 360.0 - r * r / 1260.0))
}

/// `P(D+_n >= x)`, one-sided: Smirnov's sum (Birnbaum & Tingey, Ann. Math. Stat. 22 (1951) 592-596); for very many cases
/// the expansion of Maag & Dicaire (Biometrika 58 (1971) 653-656), whose relative error is of the order `1 / n^2`.
fn smirnov_sf(n: u64, x: f64) -> f64 {
    let cases = n as f64;
    if SUMMED_CASES_MAX < n {
        let v = (6.0 * cases * x + 1.0).powi(2) / (18.0 * cases);
        return (-v).exp() * (1.0 - (2.0 * v * v - 4.0 * v - 1.0) / (18.0 * cases));
    }
    let last = (cases * (1.0 - x)).floor() as u64;
    let mut log_choose = 0.0_f64;
    let mut sum = 0.0;
    for k in 0..=last.min(n) {
        let share = x + k as f64 / cases;
        let rest = cases * (1.0 - share);
        // The last term ends on 0 to the power 0 where `n x` is whole.
        let right = if 0.0 < rest {
            (n - k) as f64 * (-share).ln_1p()
        } else if k == n {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        sum += (log_choose + (k as f64 - 1.0) * share.ln() + right).exp();
        log_choose += ((n - k) as f64 / (k + 1) as f64).ln();
    }
    x * sum
}

/// `P(D_n < x)` as an element of a power of Durbin's matrix (Marsaglia, Tsang & Wang, J. Stat. Softw. 8 (2003) 18).
fn durbin_cdf(n: u64, x: f64) -> f64 {
    let t = n as f64 * x;
    let k = t.ceil() as usize;
    let h = k as f64 - t;
    let size = 2 * k - 1;
    let at = |row: usize, column: usize| row * size + column;
    let mut matrix = vec![0.0; size * size];
    let mut inverse_factorials = vec![1.0; size + 1];
    for j in 1..=size {
        inverse_factorials[j] = inverse_factorials[j - 1] / j as f64;
    }
    for row in 0..size {
        for column in 1..(row + 2).min(size) {
            matrix[at(row, column)] = inverse_factorials[row + 1 - column];
        }
    }
    for j in 0..size {
        let edge = inverse_factorials[j + 1] * (1.0 - h.powi(j as i32 + 1));
        matrix[at(j, 0)] = edge;
        matrix[at(size - 1, size - 1 - j)] = edge;
    }
    let both = (2.0 * h - 1.0).max(0.0).powi(size as i32) - 2.0 * h.powi(size as i32);
    matrix[at(size - 1, 0)] = (1.0 + both) * inverse_factorials[size];

    let (element, mut exponent) = power_element(matrix, size, n, k - 1);
    let mut p = element;
    for i in 1..=n {
        p *= i as f64 / n as f64;
        if p.abs() < 2.0_f64.powi(-SCALE) {
            p *= 2.0_f64.powi(SCALE);
            exponent -= SCALE;
        }
    }
    p * 2.0_f64.powi(exponent.clamp(-2000, 1000))
}

/// The diagonal element `place` of a matrix to the power `n`, and the binary exponent that it still has to be scaled by.
fn power_element(mut matrix: Vec<f64>, size: usize, n: u64, place: usize) -> (f64, i32) {
    let mut power: Vec<f64> = (0..size * size).map(|i| f64::from(u8::from(i % (size + 1) == 0))).collect();
    let (mut power_exponent, mut exponent) = (0, 0);
    let mut rest = n;
    while 0 < rest {
        if rest % 2 == 1 {
            power = product(&power, &matrix, size);
            power_exponent += exponent;
        }
        matrix = product(&matrix, &matrix, size);
        exponent *= 2;
        if 2.0_f64.powi(SCALE) < matrix[place * size + place].abs() {
            matrix.iter_mut().for_each(|v| *v *= 2.0_f64.powi(-SCALE));
            exponent += SCALE;
        }
        rest /= 2;
    }
    (power[place * size + place], power_exponent)
}

fn product(left: &[f64], right: &[f64], size: usize) -> Vec<f64> {
    let mut result = vec![0.0; size * size];
    for (row, into) in left.chunks_exact(size).zip(result.chunks_exact_mut(size)) {
        for (&factor, from) in row.iter().zip(right.chunks_exact(size)) {
            for (sum, value) in into.iter_mut().zip(from) {
                *sum += factor * value;
            }
        }
    }
    result
}

/// Kolmogorov's limit with three corrections (Pelz & Good, J. R. Stat. Soc. B 38 (1976) 152-156).
fn pelz_good_sf(n: f64, x: f64) -> f64 {
    let z = n.sqrt() * x;
    let (z2, z3, z4, z6) = (z.powi(2), z.powi(3), z.powi(4), z.powi(6));
    let (pi2, pi4, pi6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let log_q = -pi2 / 8.0 / z2;
    if log_q < f64::MIN_POSITIVE.ln() {
        return 1.0;
    }
    let root = TAU.sqrt();
    let mut terms = [0.0_f64; 4];
    let last = (16.0 * z / PI).ceil() as u32;
    for k in (1..=last).rev() {
        let odd2 = f64::from(2 * k - 1).powi(2);
        let weight = (log_q * odd2).exp();
        terms[0] += weight;
        terms[1] += weight * (-z2 + pi2 / 4.0 * odd2);
        terms[2] += weight
            * (6.0 * z6
                + 2.0 * z4
                + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * odd2
                + pi4 * (1.0 - 2.0 * z2) / 16.0 * odd2 * odd2);
        let cubic = pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * odd2
            + pi4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * odd2.powi(2)
            + pi6 * (5.0 - 30.0 * z2) / 64.0 * odd2.powi(3);
        terms[3] += weight * (-30.0 * z6 - 90.0 * z.powi(8) + cubic);
    }
    for (term, scale) in terms.iter_mut().zip([z, 6.0 * z4, 72.0 * z.powi(7), 6480.0 * z.powi(10)]) {
        *term *= root / scale;
    }
    let (mut second, mut third) = (0.0, 0.0);
    for k in 1..=last {
        let k2 = f64::from(k).powi(2);
        let weight = (-pi2 / 2.0 / z2 * k2).exp() * k2;
        second += weight;
        third += weight * (3.0 * z2 - pi2 * k2);
    }
    terms[2] -= second * pi2 * root / (36.0 * z3);
    terms[3] += third * pi2 * root / (216.0 * z6);
    1.0 - (terms[0] + terms[1] / n.sqrt() + terms[2] / n + terms[3] / n.powf(1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_survival_function_equals_scipy() {
        for (n, x, expected) in SCIPY {
            let p = kolmogorov_sf(n, x);
            let tolerance = if SUMMED_CASES_MAX < n { 1e-7 } else { 1e-9 };
            assert!((p - expected).abs() <= tolerance * expected, "{n} {x}: {p} here, {expected} there");
        }
    }

    #[test]
    fn many_cases_continue_what_fewer_say() {
        for z in [1.0, 1.6, 2.5, 4.0] {
            let at = |n: u64| kolmogorov_sf(n, (z - 1.0 / (6.0 * (n as f64).sqrt())) / (n as f64).sqrt()).ln();
            assert!((at(100_000) - at(100_001)).abs() < 1e-6, "{z}: {} {}", at(100_000), at(100_001));
        }
    }

    /// scipy 1.17.1: `kstwo.sf(x, n)`.
    const SCIPY: [(u64, f64, f64); 32] = [
        (1, 0.7, 0.6000000000000001),
        (2, 0.4, 0.82),
        (3, 0.3, 0.8862222222222222),
        (5, 0.4, 0.3087999999999995),
        (5, 0.15, 0.9988),
        (10, 0.12, 0.9948566839762616),
        (10, 0.45, 0.022891810311718164),
        (10, 0.6, 0.0005681672000000003),
        (10, 0.95, 1.9531250000000172e-13),
        (100, 0.03, 0.9999692479033473),
        (100, 0.08, 0.5182193645480672),
        (100, 0.15, 0.019839242125643017),
        (100, 0.25, 5.408871776434847e-06),
        (140, 0.1, 0.11353657290090946),
        (141, 0.1, 0.11128445516467944),
        (200, 0.02, 0.9999948480179858),
        (200, 0.06, 0.45015844138021865),
        (200, 0.12, 0.005745760601982814),
        (1000, 0.02, 0.8108971656895577),
        (1000, 0.045, 0.03378304014546085),
        (1000, 0.1, 3.703687096817711e-09),
        (5000, 0.012, 0.4639912166690192),
        (5000, 0.03, 0.00024159234422666817),
        (50000, 0.003, 0.7579000443487147),
        (50000, 0.006, 0.05442749636006261),
        (50000, 0.008, 0.003305231279334067),
        (99999, 0.005, 0.013431496539568924),
        (500000, 0.001, 0.6989801443663661),
        (500000, 0.0015, 0.21034190155828947),
        (500000, 0.002, 0.036582179671620585),
        (500000, 0.003, 0.00024632301239186754),
        (500000, 0.005, 2.767991769909747e-11),
    ];
}
