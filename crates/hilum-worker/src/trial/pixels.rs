//! Faults of the acquisition, on the pixels of an image: what comes out is what a scanner with that fault would have sent.

use hilum_dicom::{DicomError, Limits, with_photometric_exchanged, with_stored_values};
use hilum_monitor::image::{Samples, measure};
use hilum_monitor::rehearsal::{Fault, FaultKind};
use hilum_stats::chance::Chance;
use std::fmt;

/// Width of the unsharp mask, in pixels.
const MASK: f64 = 1.0;

/// Widest blur, in pixels.
const BLUR_MAX: f64 = 20.0;

/// What is done to every image of a case. Values are stored values, before any lookup table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PixelChange {
    /// Above 0: an unsharp mask of one pixel by this amount. Below 0: a Gaussian blur of so many pixels.
    Kernel(f64),
    /// White Gaussian noise is added, of so many times the noise that the image has.
    Noise(f64),
    /// Values are multiplied.
    Gain(f64),
    /// Values move by so many standard deviations of the image.
    Offset(f64),
    /// Left and right are exchanged.
    Mirror,
    /// Black and white are exchanged: the header says the opposite of what it said.
    Invert,
}

impl fmt::Display for PixelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PixelChange::Kernel(size) if *size < 0.0 => write!(f, "Gaussian blur of {} px", -size),
            PixelChange::Kernel(size) => write!(f, "unsharp mask of {MASK} px by {size}"),
            PixelChange::Noise(size) => write!(f, "Gaussian noise of {size} times the noise of the image added"),
            PixelChange::Gain(factor) => write!(f, "stored values multiplied by {factor}"),
            PixelChange::Offset(size) => write!(f, "stored values moved by {size} standard deviations of the image"),
            PixelChange::Mirror => f.write_str("left and right of the image exchanged"),
            PixelChange::Invert => f.write_str("MONOCHROME1 and MONOCHROME2 exchanged without the pixels"),
        }
    }
}

impl PixelChange {
    /// What a fault is on pixels; `None` for one that is none of pixels.
    ///
    /// # Errors
    /// A size that has no meaning on pixels, in words.
    pub(super) fn of(fault: &Fault) -> Result<Option<PixelChange>, String> {
        let size = fault.size();
        let (change, sound, wanted) = match fault.kind {
            FaultKind::Kernel => {
                let sound = size != 0.0 && size.abs() <= BLUR_MAX;
                (PixelChange::Kernel(size), sound, "-20 to 20 and not 0")
            }
            FaultKind::Noise => (PixelChange::Noise(size), 0.0 < size && size <= 100.0, "above 0 and at most 100"),
            FaultKind::Gain => (PixelChange::Gain(1.0 - size), (-9.0..1.0).contains(&size), "-9 to below 1"),
            FaultKind::Offset => (PixelChange::Offset(size), size.abs() <= 100.0, "-100 to 100"),
            FaultKind::LateralitySwap => (PixelChange::Mirror, true, ""),
            FaultKind::InvertedPhotometric => (PixelChange::Invert, true, ""),
            FaultKind::MissingSeries
            | FaultKind::Prevalence
            | FaultKind::ModelSwap
            | FaultKind::SensitivityDrop
            | FaultKind::LabelDelay
            | FaultKind::LabelLoss
            | FaultKind::LabelError
            | FaultKind::SoftwareVersion => return Ok(None),
        };
        if sound {
            return Ok(Some(change));
        }
        Err(format!("size of fault {:?} is {size}; on pixels it must be {wanted}", fault.name))
    }

    /// The object with the fault, as a Part 10 file. `chance` gives the noise.
    ///
    /// # Errors
    /// An image that is not grey, is too small to be measured, or cannot be decoded.
    pub(super) fn apply(self, part10: &[u8], chance: &mut Chance) -> Result<Vec<u8>, DicomError> {
        let limits = Limits::default();
        if self == PixelChange::Invert {
            return with_photometric_exchanged(part10, &limits);
        }
        let mut cannot = None;
        let changed = with_stored_values(part10, &limits, |_, description, values| {
            let shape = (description.rows as usize, description.columns as usize);
            self.frame(values, shape, chance).unwrap_or_else(|error| {
                cannot = Some(error);
                vec![0.0; description.samples_per_frame()]
            })
        })?;
        match cannot {
            None => Ok(changed),
            Some(error) => Err(DicomError::Unsupported(error)),
        }
    }

    /// One frame, row by row.
    fn frame(self, mut values: Vec<f32>, shape: (usize, usize), chance: &mut Chance) -> Result<Vec<f32>, String> {
        let (rows, columns) = shape;
        match self {
            PixelChange::Kernel(size) if size < 0.0 => values = blurred(&values, rows, columns, -size),
            PixelChange::Kernel(size) => {
                let smooth = blurred(&values, rows, columns, MASK);
                let amount = size as f32;
                values.iter_mut().zip(smooth).for_each(|(value, smooth)| *value += amount * (*value - smooth));
            }
            PixelChange::Noise(size) => {
                let sigma = size * measured(&values, shape, "noise")?;
                values.iter_mut().for_each(|value| *value += (sigma * chance.normal()) as f32);
            }
            PixelChange::Gain(factor) => values.iter_mut().for_each(|value| *value *= factor as f32),
            PixelChange::Offset(size) => {
                let offset = (size * measured(&values, shape, "sd")?) as f32;
                values.iter_mut().for_each(|value| *value += offset);
            }
            PixelChange::Mirror => values.chunks_exact_mut(columns.max(1)).for_each(<[f32]>::reverse),
            PixelChange::Invert => {}
        }
        Ok(values)
    }
}

/// A number that is measured of every study, on stored values.
fn measured(values: &[f32], (rows, columns): (usize, usize), name: &str) -> Result<f64, String> {
    let image = Samples { values, rows, columns, spacing_mm: None, rescale: [1.0, 0.0] };
    let features = measure(&image).map_err(|error| error.to_string())?;
    features.0.get(name).copied().ok_or_else(|| format!("an image whose {name} is no number"))
}

/// Gaussian blur by rows, then by columns; beyond the edge the outermost pixel goes on.
fn blurred(values: &[f32], rows: usize, columns: usize, sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil().max(1.0) as usize;
    let weight = |distance: usize| (-0.5 * (distance as f64 / sigma).powi(2)).exp();
    let total: f64 = weight(0) + 2.0 * (1..=reach).map(weight).sum::<f64>();
    let weights: Vec<f32> = (0..=reach).map(|distance| (weight(distance) / total) as f32).collect();
    let along = |values: &[f32], n: usize, place: &dyn Fn(usize) -> usize, out: &mut [f32]| {
        for at in 0..n {
            let mut sum = weights[0] * values[place(at)];
            for (distance, weight) in weights.iter().enumerate().skip(1) {
                let (before, after) = (at.saturating_sub(distance), (at + distance).min(n - 1));
                sum += weight * (values[place(before)] + values[place(after)]);
            }
            out[place(at)] = sum;
        }
    };
    let (mut by_rows, mut both) = (vec![0.0; values.len()], vec![0.0; values.len()]);
    for row in 0..rows {
        along(values, columns, &|column| row * columns + column, &mut by_rows);
    }
    for column in 0..columns {
        along(&by_rows, rows, &|row| row * columns + column, &mut both);
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_dicom::{DataSet, Image, Vr, lut, tags};

    const SIDE: usize = 64;

    /// A ramp with a step in the middle and a little noise, 64 by 64 pixels of 16 bits.
    fn image() -> Vec<f32> {
        let mut chance = Chance::new(5, 0);
        let value = |at: usize| 2000.0 + 10.0 * (at % SIDE) as f64 + if at % SIDE < 24 { 0.0 } else { 500.0 };
        (0..SIDE * SIDE).map(|at| (value(at) + 8.0 * chance.normal()).round() as f32).collect()
    }

    fn object(photometric: &str) -> Vec<u8> {
        let mut data_set = DataSet::new();
        data_set
            .put(tags::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.1.1")
            .put(tags::SOP_INSTANCE_UID, "2.25.1")
            .put(tags::STUDY_INSTANCE_UID, "2.25.2")
            .put(tags::SERIES_INSTANCE_UID, "2.25.3")
            .put(tags::PHOTOMETRIC_INTERPRETATION, photometric);
        let side = SIDE as u16;
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::ROWS, side),
            (tags::COLUMNS, side),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 16),
            (tags::HIGH_BIT, 15),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            data_set.put_number(tag, value);
        }
        let pixels = image().into_iter().flat_map(|value| (value as u16).to_le_bytes()).collect();
        data_set.put_bytes(tags::PIXEL_DATA, Vr::OW, pixels);
        data_set.to_part10_bytes().unwrap()
    }

    fn values(part10: &[u8]) -> Vec<f32> {
        let image = Image::open(part10, None, &Limits::default()).unwrap();
        lut::stored_values(&image.frame(0).unwrap(), &image.description)
    }

    fn feature(values: &[f32], name: &str) -> f64 {
        measured(values, (SIDE, SIDE), name).unwrap()
    }

    fn change(change: PixelChange) -> Vec<f32> {
        values(&change.apply(&object("MONOCHROME2"), &mut Chance::new(1, 2)).unwrap())
    }

    /// MV-45: the noise of the image grows by the sigma that was asked for.
    #[test]
    fn noise_has_the_sigma_that_was_asked_for() {
        let before = image();
        let added: Vec<f64> =
            change(PixelChange::Noise(3.0)).iter().zip(&before).map(|(a, b)| f64::from(a - b)).collect();
        let n = added.len() as f64;
        let sigma = (added.iter().map(|value| value * value).sum::<f64>() / n).sqrt();
        // 4096 draws: the standard error of sigma is 1.1 %; rounding to whole values adds 1/12 to its square.
        let wanted = 3.0 * feature(&before, "noise");
        assert!((sigma / wanted - 1.0).abs() < 0.05, "{sigma} for {wanted}");
        assert_eq!(change(PixelChange::Noise(3.0)), change(PixelChange::Noise(3.0)), "the seed says all");
        let other = PixelChange::Noise(3.0).apply(&object("MONOCHROME2"), &mut Chance::new(2, 2)).unwrap();
        assert_ne!(values(&other), change(PixelChange::Noise(3.0)));
    }

    #[test]
    fn a_sharper_kernel_is_sharper_and_a_softer_one_is_not() {
        let images = [change(PixelChange::Kernel(1.0)), image(), change(PixelChange::Kernel(-1.0))];
        let [sharp, as_it_was, soft] = images.map(|values| feature(&values, "noise"));
        assert!(1.5 * as_it_was < sharp && soft < 0.5 * as_it_was, "{sharp} {as_it_was} {soft}");
        let flat = blurred(&[7.0; 48], 6, 8, 2.5);
        assert!(flat.iter().all(|value| (value - 7.0).abs() < 1e-4), "{flat:?}");
    }

    #[test]
    fn a_mirror_twice_is_the_image_again() {
        let once = PixelChange::Mirror.apply(&object("MONOCHROME2"), &mut Chance::new(1, 2)).unwrap();
        assert_eq!(&values(&once)[..SIDE], image()[..SIDE].iter().rev().copied().collect::<Vec<_>>());
        let twice = PixelChange::Mirror.apply(&once, &mut Chance::new(1, 2)).unwrap();
        assert_eq!(twice, object("MONOCHROME2"));
    }

    /// Every pixel stays, and means the opposite.
    #[test]
    fn inverted_photometric_changes_the_meaning_and_no_pixel() {
        let inverted = PixelChange::Invert.apply(&object("MONOCHROME2"), &mut Chance::new(1, 2)).unwrap();
        assert_eq!(values(&inverted), image());
        assert_eq!(inverted, object("MONOCHROME1"));
    }

    #[test]
    fn gain_and_offset_move_stored_values() {
        let before = image();
        let dimmer = change(PixelChange::Gain(0.7));
        assert!(before.iter().zip(&dimmer).all(|(a, b)| (0.7 * *a - *b).abs() <= 0.501), "{:?}", &dimmer[..4]);
        let moved = change(PixelChange::Offset(0.5));
        let wanted = (0.5 * feature(&before, "sd")) as f32;
        assert!(before.iter().zip(&moved).all(|(a, b)| (*a + wanted - *b).abs() <= 0.501), "{wanted}");
    }

    #[test]
    fn sizes_without_a_meaning_on_pixels_are_refused() {
        let fault = |kind: &str, size: f64| -> Fault {
            let fault = serde_json::json!({ "name": "f", "kind": kind, "size": size, "found_within_days": 7 });
            serde_json::from_value(fault).unwrap()
        };
        for (kind, size) in [("noise", -1.0), ("noise", 0.0), ("kernel", 0.0), ("kernel", 21.0), ("gain", 1.0)] {
            let said = PixelChange::of(&fault(kind, size)).unwrap_err();
            assert!(said.contains("on pixels it must be"), "{said}");
        }
        assert_eq!(PixelChange::of(&fault("gain", 0.3)).unwrap(), Some(PixelChange::Gain(0.7)));
        assert_eq!(PixelChange::of(&fault("prevalence", 2.0)).unwrap(), None);
        assert!(PixelChange::Mirror.apply(b"no object", &mut Chance::new(1, 2)).is_err());
    }
}
