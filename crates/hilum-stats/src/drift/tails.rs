//! Tails of the distributions that only drift needs.

use crate::StatsError;
use crate::special::beta_cdf;
use statrs::function::{erf, gamma};
use std::f64::consts::{PI, SQRT_2};

/// Upper tail of the chi-squared distribution; 0 where it is too small to tell.
pub(super) fn chi_squared_sf(x: f64, degrees: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    // Its routine refuses only what is not positive, or infinite.
    gamma::checked_gamma_ur(degrees / 2.0, x / 2.0).unwrap_or(0.0)
}

/// Two-sided p-value of Student's t; degrees of freedom need not be whole.
pub(super) fn student_t_two_sided(what: &'static str, t: f64, degrees: f64) -> Result<f64, StatsError> {
    if t == 0.0 {
        return Ok(1.0);
    }
    // Towards the tail this goes to 0 and keeps its digits.
    beta_cdf(what, degrees / 2.0, 0.5, degrees / (degrees + t * t))
}

/// Upper tail of the limit of the Cramer-von Mises statistic (Anderson & Darling, Ann. Math. Stat. 23 (1952) 193-212, in the
/// form of Csorgo & Faraway, J. R. Stat. Soc. B 58 (1996) 221-234).
pub(super) fn cramer_von_mises_sf(x: f64) -> f64 {
    // Below, the distribution function is 0 to all digits.
    if x < 0.003 {
        return 1.0;
    }
    // Above, 1 less the sum has no digits left: the largest of the weighted squares alone (Zolotarev, Theory Probab. Appl. 6
    // (1961) 201-204), of which the other weights make `sqrt(2)` times as much.
    if 4.0 < x {
        return SQRT_2 * erf::erfc(PI * (x / 2.0).sqrt());
    }
    let mut sum = 0.0;
    let mut coefficient = PI.sqrt();
    for k in 0..40_u32 {
        let order = f64::from(4 * k + 1);
        let q = order * order / (16.0 * x);
        let term =
            coefficient / (PI.powf(1.5) * x.sqrt()) * order.sqrt() * scaled_bessel_k_quarter(q) * (-2.0 * q).exp();
        sum += term;
        if term < 1e-18 {
            break;
        }
        // `gamma(k + 1/2) / gamma(k + 1)`, one step on.
        coefficient *= (f64::from(k) + 0.5) / f64::from(k + 1);
    }
    1.0 - sum
}

/// `exp(x) K_(1/4)(x)` for x > 0, the modified Bessel function of the second kind: the trapezoidal rule on
/// `integral exp(-x (cosh t - 1)) cosh(t / 4) dt`, which converges faster than any power because the integrand falls doubly
/// exponentially.
fn scaled_bessel_k_quarter(x: f64) -> f64 {
    const STEP: f64 = 0.02;
    let mut sum = 0.5;
    for k in 1..10_000_u32 {
        let t = f64::from(k) * STEP;
        // `cosh t - 1` without cancellation.
        let fall = 2.0 * (t / 2.0).sinh().powi(2) * x;
        if 745.0 < fall {
            break;
        }
        sum += (-fall).exp() * (t / 4.0).cosh();
    }
    sum * STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(ours: f64, theirs: f64) {
        assert!((ours - theirs).abs() <= 1e-9 * theirs, "{ours} here, {theirs} there");
    }

    /// scipy 1.17.1: `kve(0.25, x)`, `chi2.sf`, `2 * t.sf`, `1 - _cdf_cvm_inf(x)`.
    #[test]
    fn tails_equal_scipy() {
        close(scaled_bessel_k_quarter(0.05), 3.7716847827191335);
        close(scaled_bessel_k_quarter(0.6), 1.464962184955135);
        close(scaled_bessel_k_quarter(3.0), 0.7041397945021686);
        close(scaled_bessel_k_quarter(40.0), 0.19770810462750407);
        close(scaled_bessel_k_quarter(600.0), 0.05115834793179829);
        close(chi_squared_sf(3.8, 3.0), 0.2838861307598272);
        close(chi_squared_sf(0.02, 1.0), 0.887537083981715);
        close(chi_squared_sf(30.0, 7.0), 9.495972508134177e-05);
        close(chi_squared_sf(200.0, 4.0), 3.75727673578106e-42);
        close(chi_squared_sf(1200.0, 1000.0), 1.2255942330622893e-05);
        close(student_t_two_sided("t", 2.007, 19.77).unwrap(), 0.05861941739764918);
        close(student_t_two_sided("t", 0.1, 2.5).unwrap(), 0.9278065440624897);
        close(student_t_two_sided("t", 12.0, 40.0).unwrap(), 7.82417130425598e-15);
        close(student_t_two_sided("t", 1.96, 1000000.0).unwrap(), 0.04999606758526985);
        // scipy ends its sum at a term of 1e-7.
        for (x, expected) in [
            (0.02, 0.9969993856983981),
            (0.1, 0.5848734384067971),
            (0.4613, 0.05001815701234957),
            (0.75, 0.009643683707393214),
            (1.2, 0.0008426019154603726),
        ] {
            assert!((cramer_von_mises_sf(x) - expected).abs() < 1e-10, "{x}");
        }
    }

    #[test]
    fn the_far_tail_of_cramer_von_mises_continues_the_sum() {
        let (inside, outside) = (cramer_von_mises_sf(3.999_999), cramer_von_mises_sf(4.000_001));
        assert!((inside / outside - 1.0).abs() < 0.05, "{inside:e} {outside:e}");
    }
}
