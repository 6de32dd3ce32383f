//! From attenuation to the stored values of a radiograph: dose, scatter, noise, detector blur, tone and edges.

use super::plane::Plane;
use crate::acquisition::{Acquisition, Photometric};
use crate::draw::Draw;

/// Largest stored value: 12 bits.
pub(super) const STORED_MAX: f64 = 4095.0;

/// Part of the open beam that reaches every pixel as scatter.
const SCATTER: f64 = 0.030;

/// Stored values, row by row.
pub(super) fn radiograph(attenuation: &Plane, acquisition: &Acquisition, seed: u64) -> Vec<u16> {
    let grid = attenuation.grid;
    let open: Vec<bool> = attenuation.values.iter().map(|a| *a == 0.0).collect();
    let mut signal = attenuation.clone();
    for value in &mut signal.values {
        *value = libm::exp(-*value) + SCATTER;
    }
    let mut signal = signal.blurred(0.55);
    // Relative noise of counted quanta at 0.72 mm and usual dose is 0.0035 in the open beam.
    let dose = acquisition.exposure.max(1e-3);
    let quantum = 0.0035 * acquisition.noise * (0.72 / grid.spacing.max(0.05)) / dose.sqrt();
    let mut draw = Draw::new(seed, "noise");
    for value in &mut signal.values {
        let intensity = value.max(1e-4);
        let noisy = intensity * (1.0 + quantum * draw.noise() / intensity.sqrt());
        *value = -libm::log(noisy.max(1e-4));
    }
    let low = signal.quantile(0.08, |index| !open[index]);
    let high = signal.quantile(0.992, |index| !open[index]);
    let span = (high - low).max(0.1);
    for value in &mut signal.values {
        *value = (*value - low) / span;
    }
    sharpen(&mut signal, acquisition.sharpness);
    let invert = acquisition.photometric == Photometric::Monochrome1;
    let tone = |value: f64| {
        // Logistic film curve, stretched so that the chosen quantiles land near black and white.
        let slope = 3.4 * acquisition.contrast.max(0.1);
        let curve = |v: f64| 1.0 / (1.0 + libm::exp(-slope * (v - 0.56)));
        let (black, white) = (curve(-0.10), curve(1.08));
        (curve(value) - black) / (white - black)
    };
    let gain = acquisition.gain.clamp(0.0, 1.0);
    let squeezed = |grey: f64| grey * gain + 0.5 * (1.0 - gain);
    let mut stored: Vec<u16> = signal
        .values
        .iter()
        .map(|value| {
            let grey = (squeezed(tone(*value).clamp(0.0, 1.0)) * STORED_MAX + 0.5) as u16;
            if invert { STORED_MAX as u16 - grey } else { grey }
        })
        .collect();
    marker(&mut stored, grid.rows, grid.columns, grid.spacing, invert);
    stored
}

/// Unsharp masking at two scales.
fn sharpen(signal: &mut Plane, amount: f64) {
    if amount <= 0.0 {
        return;
    }
    let spacing = signal.grid.spacing.max(0.05);
    let fine = signal.blurred(1.4 / spacing);
    let coarse = signal.blurred(9.0 / spacing);
    for (index, value) in signal.values.iter_mut().enumerate() {
        *value += amount * (0.55 * (*value - fine.values[index]) + 0.28 * (*value - coarse.values[index]));
    }
}

/// The lead letter that marks the patient's right side, at the top left.
const LETTER_R: [u8; 7] = [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001];

fn marker(stored: &mut [u16], rows: usize, columns: usize, spacing: f64, invert: bool) {
    let dot = (2.4 / spacing).max(1.0) as usize;
    let (top, left) = (rows / 24, columns / 24);
    let white = if invert { 200 } else { 3_900 };
    for (line, bits) in LETTER_R.iter().enumerate() {
        for column in 0..5 {
            if bits >> (4 - column) & 1 == 0 {
                continue;
            }
            for y in 0..dot {
                for x in 0..dot {
                    let (row, col) = (top + line * dot + y, left + column * dot + x);
                    if row < rows && col < columns {
                        stored[row * columns + col] = white;
                    }
                }
            }
        }
    }
}
