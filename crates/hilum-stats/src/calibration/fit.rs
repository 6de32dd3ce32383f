use super::reliability::check_all;
use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::special::z_of_level;
use serde::{Deserialize, Serialize};

/// Probabilities of exactly 0 and 1 have no logit and are moved here (as the R package `CalibrationCurves` does).
const NEAREST_TO_CERTAIN: f64 = 1e-8;

/// Newton steps after which a fit must stand still.
const STEPS_MAX: u32 = 100;

/// Logistic regression of the label on the logit of the probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationFit {
    /// Slope; 1 is right, below 1 the probabilities are too extreme, above 1 too timid.
    pub slope: Estimate,
    /// Intercept with the slope free.
    pub intercept: Estimate,
    /// Calibration in the large: intercept with the slope held at 1; 0 is right, above 0 the probabilities are too low.
    pub in_the_large: Estimate,
}

/// Calibration slope and intercept by maximum likelihood, with Wald intervals (Cox, Biometrika 45 (1958) 562-565; Van
/// Calster et al., BMC Med. 17 (2019) 230).
///
/// Probabilities of 0 and 1 count as 1e-8 and 1 - 1e-8.
///
/// # Errors
/// `LengthMismatch`; `TooFew` when a class has less than two cases; `OutOfRange` for a probability outside [0, 1] or a bad
/// level; `Undefined` when all probabilities are equal or separate the classes completely; `NoConvergence`.
pub fn calibration_fit(labels: &[bool], probabilities: &[f64], level: f64) -> Result<CalibrationFit, StatsError> {
    let what = "calibration slope";
    check_all(what, labels, probabilities)?;
    check::two_classes(what, labels, probabilities, 2)?;
    let z = z_of_level(what, level)?;
    let logits: Vec<f64> = probabilities.iter().map(|&p| logit(p)).collect();
    refuse_separation(what, labels, &logits)?;

    let (intercept, slope) = newton(what, labels, &logits, [0.0, 1.0], true)?;
    let (in_the_large, _) = newton(what, labels, &logits, [0.0, 1.0], false)?;
    let n = labels.len() as u64;
    let wald = |(value, se): (f64, f64), method: &'static str| Estimate {
        value,
        lower: value - z * se,
        upper: value + z * se,
        level,
        n,
        method: method.into(),
    };
    Ok(CalibrationFit {
        slope: wald(slope, "calibration-slope/wald"),
        intercept: wald(intercept, "calibration-intercept/wald"),
        in_the_large: wald(in_the_large, "calibration-in-the-large/wald"),
    })
}

fn logit(p: f64) -> f64 {
    let p = p.clamp(NEAREST_TO_CERTAIN, 1.0 - NEAREST_TO_CERTAIN);
    (p / (1.0 - p)).ln()
}

/// Where one cut separates the classes, the likelihood has no maximum.
fn refuse_separation(what: &'static str, labels: &[bool], logits: &[f64]) -> Result<(), StatsError> {
    let mut range = [(f64::INFINITY, f64::NEG_INFINITY); 2];
    for (&label, &logit) in labels.iter().zip(logits) {
        let (low, high) = &mut range[usize::from(label)];
        (*low, *high) = (low.min(logit), high.max(logit));
    }
    let [negatives, positives] = range;
    if negatives.0 == positives.1 && negatives.1 == positives.0 {
        return Err(StatsError::Undefined { what, why: "all probabilities are equal" });
    }
    if negatives.1 <= positives.0 || positives.1 <= negatives.0 {
        return Err(StatsError::Undefined { what, why: "the probabilities separate the classes completely" });
    }
    Ok(())
}

type ValueAndError = (f64, f64);

/// Maximises the likelihood of `intercept + slope * logit`, the slope free or held; answers with values and standard
/// errors. Steps that do not raise the likelihood are halved, which a concave function always rewards.
fn newton(
    what: &'static str,
    labels: &[bool],
    logits: &[f64],
    start: [f64; 2],
    free_slope: bool,
) -> Result<(ValueAndError, ValueAndError), StatsError> {
    let mut at = start;
    let mut here = Likelihood::at(labels, logits, at);
    for _ in 0..STEPS_MAX {
        let Some((mut step, errors)) = here.step(free_slope) else {
            return Err(StatsError::Undefined { what, why: "the probabilities carry no information" });
        };
        let size = step[0].abs().max(step[1].abs());
        if size < 1e-11 * (1.0 + at[0].abs().max(at[1].abs())) {
            return Ok(((at[0], errors[0]), (at[1], errors[1])));
        }
        loop {
            let next = [at[0] + step[0], at[1] + step[1]];
            let there = Likelihood::at(labels, logits, next);
            // Close to the top the likelihood is flat to rounding; a full step is then right.
            if here.log <= there.log + 1e-9 * here.log.abs() {
                (at, here) = (next, there);
                break;
            }
            step = step.map(|s| s / 2.0);
            if step[0].abs().max(step[1].abs()) < 1e-300 {
                return Err(StatsError::NoConvergence { what });
            }
        }
    }
    Err(StatsError::NoConvergence { what })
}

/// Log-likelihood with gradient and information (second derivatives, negated) at one place.
struct Likelihood {
    log: f64,
    gradient: [f64; 2],
    information: [f64; 3],
}

impl Likelihood {
    fn at(labels: &[bool], logits: &[f64], [intercept, slope]: [f64; 2]) -> Likelihood {
        let mut sum = Likelihood { log: 0.0, gradient: [0.0; 2], information: [0.0; 3] };
        for (&label, &x) in labels.iter().zip(logits) {
            let eta = intercept + slope * x;
            let signed = if label { eta } else { -eta };
            sum.log -= if signed < 0.0 { signed.exp().ln_1p() - signed } else { (-signed).exp().ln_1p() };
            let p = 1.0 / (1.0 + (-eta).exp());
            let residual = f64::from(u8::from(label)) - p;
            let weight = p * (1.0 - p);
            sum.gradient[0] += residual;
            sum.gradient[1] += residual * x;
            sum.information[0] += weight;
            sum.information[1] += weight * x;
            sum.information[2] += weight * x * x;
        }
        sum
    }

    /// Newton step and standard errors; `None` where the information is singular.
    fn step(&self, free_slope: bool) -> Option<([f64; 2], [f64; 2])> {
        let [a, b, d] = self.information;
        let [g, h] = self.gradient;
        if !free_slope {
            return (0.0 < a).then(|| ([g / a, 0.0], [(1.0 / a).sqrt(), 0.0]));
        }
        let determinant = a * d - b * b;
        (1e-14 * a * d < determinant).then(|| {
            let step = [(d * g - b * h) / determinant, (a * h - b * g) / determinant];
            (step, [(d / determinant).sqrt(), (a / determinant).sqrt()])
        })
    }
}

/// Observed cases with the finding over those that the probabilities expect, with a log interval (Debray et al., BMJ 356
/// (2017) i6460). 1 is right; above 1 the probabilities are too low.
///
/// # Errors
/// `LengthMismatch`; `TooFew` without a case with the finding; `OutOfRange` for a probability outside [0, 1] or a bad
/// level; `Undefined` when all probabilities are 0.
pub fn observed_expected(labels: &[bool], probabilities: &[f64], level: f64) -> Result<Estimate, StatsError> {
    let what = "observed/expected ratio";
    check_all(what, labels, probabilities)?;
    let z = z_of_level(what, level)?;
    let observed = labels.iter().filter(|&&label| label).count() as u64;
    check::at_least(what, "positives", 1, observed)?;
    let expected: f64 = probabilities.iter().sum();
    if expected <= 0.0 {
        return Err(StatsError::Undefined { what, why: "the probabilities expect no case at all" });
    }
    let (o, n) = (observed as f64, labels.len() as f64);
    let value = o / expected;
    let spread = (z * ((1.0 - o / n) / o).sqrt()).exp();
    if !(value.is_finite() && (value * spread).is_finite()) {
        return Err(StatsError::Undefined { what, why: "the probabilities expect next to no case" });
    }
    let method = "observed-expected/log".into();
    Ok(Estimate { value, lower: value / spread, upper: value * spread, level, n: labels.len() as u64, method })
}
