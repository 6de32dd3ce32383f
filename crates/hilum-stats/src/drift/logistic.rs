//! Logistic regression with a ridge penalty, by a limited-memory quasi-Newton method.

use std::collections::VecDeque;

/// Steps after which the fit is good enough whatever the gradient: it only has to order cases.
const STEPS_MAX: u32 = 200;

/// Pairs of steps and gradients that the method remembers.
const MEMORY: usize = 8;

/// Rows of standardised features, one after the other, and whether each is current.
pub(super) struct Design<'a> {
    pub(super) features: &'a [f64],
    pub(super) dimensions: usize,
    pub(super) labels: &'a [bool],
}

impl Design<'_> {
    fn row(&self, case: u32) -> &[f64] {
        let start = case as usize * self.dimensions;
        &self.features[start..start + self.dimensions]
    }

    /// The linear predictor of a case; the last weight is the intercept.
    pub(super) fn predictor(&self, case: u32, weights: &[f64]) -> f64 {
        dot(self.row(case), &weights[..self.dimensions]) + weights[self.dimensions]
    }

    /// Weights that minimise mean log loss plus `penalty / 2` times the sum of squared weights without the intercept (Liu &
    /// Nocedal, Math. Program. 45 (1989) 503-528).
    pub(super) fn fit(&self, cases: &[u32], penalty: f64) -> Vec<f64> {
        let mut weights = vec![0.0; self.dimensions + 1];
        let (mut loss, mut gradient) = self.loss(cases, &weights, penalty);
        let mut memory: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
        for _ in 0..STEPS_MAX {
            if gradient.iter().fold(0.0_f64, |most, g| most.max(g.abs())) < 1e-6 {
                break;
            }
            let direction = direction(&gradient, &memory);
            let slope = dot(&direction, &gradient);
            let mut size = 1.0;
            let accepted = loop {
                let next: Vec<f64> = weights.iter().zip(&direction).map(|(w, d)| w + size * d).collect();
                let (next_loss, next_gradient) = self.loss(cases, &next, penalty);
                if next_loss <= loss + 1e-4 * size * slope {
                    break Some((next, next_loss, next_gradient));
                }
                size /= 2.0;
                if size < 1e-10 {
                    break None;
                }
            };
            // At the minimum to rounding.
            let Some((next, next_loss, next_gradient)) = accepted else { break };
            let step: Vec<f64> = next.iter().zip(&weights).map(|(a, b)| a - b).collect();
            let bend: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            if 1e-14 < dot(&step, &bend) {
                memory.push_back((step, bend));
                if MEMORY < memory.len() {
                    memory.pop_front();
                }
            }
            (weights, loss, gradient) = (next, next_loss, next_gradient);
        }
        weights
    }

    fn loss(&self, cases: &[u32], weights: &[f64], penalty: f64) -> (f64, Vec<f64>) {
        let mut loss = 0.0;
        let mut gradient = vec![0.0; self.dimensions + 1];
        let scale = 1.0 / cases.len() as f64;
        for &case in cases {
            let eta = self.predictor(case, weights);
            let signed = if self.labels[case as usize] { eta } else { -eta };
            loss += scale * ((-signed.abs()).exp().ln_1p() + (-signed).max(0.0));
            let p = 1.0 / (1.0 + (-eta).exp());
            let residual = scale * (p - f64::from(u8::from(self.labels[case as usize])));
            for (sum, value) in gradient.iter_mut().zip(self.row(case)) {
                *sum += residual * value;
            }
            gradient[self.dimensions] += residual;
        }
        for (sum, weight) in gradient.iter_mut().zip(&weights[..self.dimensions]) {
            *sum += penalty * weight;
            loss += penalty / 2.0 * weight * weight;
        }
        (loss, gradient)
    }
}

/// Downhill, bent by what past steps say of the curvature: the two-loop recursion.
fn direction(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut factors = Vec::with_capacity(memory.len());
    for (step, bend) in memory.iter().rev() {
        let factor = dot(step, &direction) / dot(step, bend);
        direction.iter_mut().zip(bend).for_each(|(d, b)| *d -= factor * b);
        factors.push(factor);
    }
    if let Some((step, bend)) = memory.back() {
        let scale = dot(step, bend) / dot(bend, bend);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for ((step, bend), factor) in memory.iter().zip(factors.iter().rev()) {
        let more = factor - dot(bend, &direction) / dot(step, bend);
        direction.iter_mut().zip(step).for_each(|(d, s)| *d += more * s);
    }
    direction
}

/// In eight lanes that the processor adds at once.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}
