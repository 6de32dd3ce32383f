//! Separable resampling of images, with the conventions and, for 8-bit data, the integer arithmetic of Pillow, so
//! that a model sees here what it saw in training.

use hilum_registry::manifest::ResizeFilter;

/// For each output position the first input position and the weights of those that follow.
struct Kernel {
    taps: usize,
    starts: Vec<usize>,
    /// `taps` weights per output; those beyond the input are 0.
    weights: Vec<f64>,
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Cubic convolution with a = -0.5.
fn cubic(x: f64) -> f64 {
    let (x, a) = (x.abs(), -0.5);
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

fn area(x: f64) -> f64 {
    f64::from(u8::from(-0.5 < x && x <= 0.5))
}

impl Kernel {
    fn new(filter: ResizeFilter, input: usize, output: usize) -> Kernel {
        let ratio = input as f64 / output as f64;
        let (function, support, smooth): (fn(f64) -> f64, f64, bool) = match filter {
            ResizeFilter::Triangle => (triangle, 1.0, true),
            ResizeFilter::Bicubic => (cubic, 2.0, true),
            ResizeFilter::Area => (area, 0.5, true),
            ResizeFilter::Bilinear => (triangle, 1.0, false),
            ResizeFilter::Nearest => return Kernel::nearest(ratio, input, output),
        };
        let stretch = if smooth { ratio.max(1.0) } else { 1.0 };
        let support = support * stretch;
        let taps = (support.ceil() as usize * 2 + 1).min(input);
        let mut kernel = Kernel { taps, starts: Vec::with_capacity(output), weights: vec![0.0; taps * output] };
        for (position, weights) in kernel.weights.chunks_exact_mut(taps).enumerate() {
            let centre = (position as f64 + 0.5) * ratio;
            // `as` truncates and holds negative values to 0, which is what is wanted.
            let first = (centre - support + 0.5) as usize;
            let last = ((centre + support + 0.5) as usize).min(input);
            let mut sum = 0.0;
            for (tap, weight) in weights.iter_mut().enumerate().take(last - first) {
                *weight = function(((tap + first) as f64 - centre + 0.5) / stretch);
                sum += *weight;
            }
            if sum != 0.0 {
                weights.iter_mut().for_each(|w| *w /= sum);
            }
            // A window of full width that starts late would read past the end; its last weights are 0.
            let start = first.min(input - taps);
            weights.rotate_right(first - start);
            kernel.starts.push(start);
        }
        kernel
    }

    fn nearest(ratio: f64, input: usize, output: usize) -> Kernel {
        let starts = (0..output).map(|p| (((p as f64 + 0.5) * ratio) as usize).min(input - 1)).collect();
        Kernel { taps: 1, starts, weights: vec![1.0; output] }
    }
}

/// Resize `pixels` (rows, columns, channels) to `to` rows and columns.
///
/// `round`: values are 8-bit; each pass rounds, and the result equals Pillow's for images of mode `L`.
pub(super) fn resize(
    pixels: &[f32],
    [rows, columns, channels]: [usize; 3],
    to: [usize; 2],
    filter: ResizeFilter,
    round: bool,
) -> Vec<f32> {
    let horizontal = (to[1] != columns).then(|| Kernel::new(filter, columns, to[1]));
    let vertical = (to[0] != rows).then(|| Kernel::new(filter, rows, to[0]));
    if round {
        // `as` truncates and holds to 0 to 255: this rounds halves up, without a call per pixel.
        let mut bytes: Vec<u8> = pixels.iter().map(|v| (v + 0.5) as u8).collect();
        if let Some(kernel) = horizontal {
            bytes = across_8bit(&bytes, columns, channels, &kernel);
        }
        if let Some(kernel) = vertical {
            bytes = down_8bit(&bytes, to[1] * channels, &kernel);
        }
        return bytes.into_iter().map(f32::from).collect();
    }
    let mut values = std::borrow::Cow::Borrowed(pixels);
    if let Some(kernel) = horizontal {
        values = across(&values, columns, channels, &kernel).into();
    }
    if let Some(kernel) = vertical {
        values = down(&values, to[1] * channels, &kernel).into();
    }
    values.into_owned()
}

/// Along rows.
fn across(values: &[f32], columns: usize, channels: usize, kernel: &Kernel) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len() / columns * kernel.starts.len());
    for row in values.chunks_exact(columns * channels) {
        for (start, weights) in kernel.starts.iter().zip(kernel.weights.chunks_exact(kernel.taps)) {
            for channel in 0..channels {
                let line = row[start * channels + channel..].iter().step_by(channels);
                out.push(weights.iter().zip(line).map(|(w, v)| w * f64::from(*v)).sum::<f64>() as f32);
            }
        }
    }
    out
}

/// Along columns; `width` is the number of values in a row.
fn down(values: &[f32], width: usize, kernel: &Kernel) -> Vec<f32> {
    let mut out = Vec::with_capacity(width * kernel.starts.len());
    let mut sums = vec![0f64; width];
    for (start, weights) in kernel.starts.iter().zip(kernel.weights.chunks_exact(kernel.taps)) {
        sums.fill(0.0);
        for (weight, row) in weights.iter().zip(values[start * width..].chunks_exact(width)) {
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += weight * f64::from(*v));
        }
        out.extend(sums.iter().map(|sum| *sum as f32));
    }
    out
}

/// Bits behind the point of a fixed-point weight: 32 less 8 of the data and 2 of headroom.
const PRECISION: u32 = 22;

fn fixed(kernel: &Kernel) -> Vec<i32> {
    kernel.weights.iter().map(|w| (w * f64::from(1u32 << PRECISION)).round() as i32).collect()
}

fn clip8(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION - 1);

fn across_8bit(bytes: &[u8], columns: usize, channels: usize, kernel: &Kernel) -> Vec<u8> {
    let weights = fixed(kernel);
    let mut out = Vec::with_capacity(bytes.len() / columns * kernel.starts.len());
    for row in bytes.chunks_exact(columns * channels) {
        for (start, weights) in kernel.starts.iter().zip(weights.chunks_exact(kernel.taps)) {
            if channels == 1 {
                let line = &row[*start..*start + kernel.taps];
                let sum =
                    weights.iter().zip(line).fold(HALF, |sum, (w, v)| sum.wrapping_add(w.wrapping_mul((*v).into())));
                out.push(clip8(sum));
                continue;
            }
            for channel in 0..channels {
                let line = row[start * channels + channel..].iter().step_by(channels);
                let sum =
                    weights.iter().zip(line).fold(HALF, |sum, (w, v)| sum.wrapping_add(w.wrapping_mul((*v).into())));
                out.push(clip8(sum));
            }
        }
    }
    out
}

fn down_8bit(bytes: &[u8], width: usize, kernel: &Kernel) -> Vec<u8> {
    let weights = fixed(kernel);
    let mut out = Vec::with_capacity(width * kernel.starts.len());
    let mut sums = vec![HALF; width];
    for (start, weights) in kernel.starts.iter().zip(weights.chunks_exact(kernel.taps)) {
        sums.fill(HALF);
        for (weight, row) in weights.iter().zip(bytes[start * width..].chunks_exact(width)) {
            // Weights of one output sum to 2^22, so 8-bit data cannot leave 32 bits.
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum = sum.wrapping_add(weight.wrapping_mul((*v).into())));
        }
        out.extend(sums.iter().map(|sum| clip8(*sum)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIP: [f32; 8] = [0.0, 10.0, 20.0, 200.0, 255.0, 90.0, 7.0, 63.0];

    fn row(to: usize, filter: ResizeFilter, round: bool) -> Vec<f32> {
        resize(&STRIP, [1, 8, 1], [1, to], filter, round)
    }

    /// Values of `PIL.Image.resize` (Pillow 13.0, mode `L`) on the same strip.
    #[test]
    fn eight_bit_results_are_those_of_pillow() {
        assert_eq!(row(3, ResizeFilter::Triangle, true), PILLOW_3[0]);
        assert_eq!(row(3, ResizeFilter::Bicubic, true), PILLOW_3[1]);
        assert_eq!(row(3, ResizeFilter::Area, true), PILLOW_3[2]);
        assert_eq!(row(11, ResizeFilter::Triangle, true), PILLOW_11);
        let column = resize(&STRIP, [8, 1, 1], [3, 1], ResizeFilter::Triangle, true);
        assert_eq!(column, PILLOW_3[0]);
    }

    const PILLOW_3: [[f32; 3]; 3] = [[24.0, 160.0, 62.0], [13.0, 172.0, 57.0], [10.0, 228.0, 53.0]];
    const PILLOW_11: [f32; 11] = [0.0, 6.0, 13.0, 28.0, 159.0, 228.0, 217.0, 97.0, 33.0, 30.0, 63.0];

    #[test]
    fn constants_stay_constant_and_sizes_hold() {
        use ResizeFilter::{Area, Bicubic, Bilinear, Nearest, Triangle};
        for filter in [Triangle, Bicubic, Area, Bilinear, Nearest] {
            for (rows, columns) in [(1, 1), (2, 9), (17, 5), (64, 64)] {
                for channels in [1, 3] {
                    for round in [false, true] {
                        let out =
                            resize(&vec![7.0; 6 * 5 * channels], [6, 5, channels], [rows, columns], filter, round);
                        assert_eq!(out.len(), rows * columns * channels);
                        assert!(out.iter().all(|v| (v - 7.0).abs() < 1e-5), "{filter:?} {rows}x{columns}");
                    }
                }
            }
        }
    }

    #[test]
    fn nearest_and_plain_bilinear() {
        assert_eq!(row(4, ResizeFilter::Nearest, false), [10.0, 200.0, 90.0, 63.0]);
        assert_eq!(row(4, ResizeFilter::Bilinear, false), [5.0, 110.0, 172.5, 35.0]);
    }
}
