//! Decoded samples against `expected.jsonl`, which pydicom 3.0.2 with pylibjpeg wrote (tools/make_expected.py).

use crate::corpus;
use hilum_dicom::{DicomError, Image, Limits};
use sha2::{Digest, Sha256};

fn decode_all(bytes: &[u8]) -> Result<Vec<u8>, DicomError> {
    let image = Image::open(bytes, None, &Limits::default())?;
    let mut all = Vec::new();
    for frame in 0..image.description.frames {
        all.extend(image.frame(frame)?.to_le_bytes());
    }
    Ok(all)
}

#[test]
fn lossless_samples_equal_the_reference() {
    let mut different = Vec::new();
    let mut equal = 0;
    for (entry, bytes) in corpus::entries() {
        let Some(expected) = entry["pixel_sha256"].as_str() else { continue };
        match decode_all(&bytes) {
            Ok(samples) => {
                let digest: String = Sha256::digest(&samples).iter().map(|byte| format!("{byte:02x}")).collect();
                if digest == expected {
                    equal += 1;
                } else {
                    different.push(format!("{} {}: differs {}", corpus::name(&entry), entry["transfer_syntax"], entry));
                }
            }
            Err(cause) => different.push(format!("{} {}: {cause}", corpus::name(&entry), entry["transfer_syntax"])),
        }
    }
    println!("{equal} equal");
    assert!(corpus::root().is_none() || equal == 329, "{equal}");
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Retired processes with 12 bits that no decoder here takes: spectral selection and full progression.
const UNSUPPORTED: &[&str] =
    &["cornerstone/CTImage_1.2.840.10008.1.2.4.53.dcm", "cornerstone/CTImage_1.2.840.10008.1.2.4.55.dcm"];

/// Lossy decoders may differ by rounding and by how subsampled colour is brought to size: the mean must agree within
/// 0.02 % of the range, the ends within 0.5 %.
#[test]
fn lossy_samples_are_close_to_the_reference() {
    let mut wrong = Vec::new();
    let mut close = 0;
    for (entry, bytes) in corpus::entries().filter(|(entry, _)| entry["lossy"] == true) {
        let name = corpus::name(&entry);
        let values = match decode_values(&bytes) {
            Ok(values) => values,
            Err(cause) => {
                assert!(matches!(cause, DicomError::Unsupported(_)), "{name}: {cause}");
                assert!(UNSUPPORTED.contains(&name), "{name}: {cause}");
                continue;
            }
        };
        assert!(!UNSUPPORTED.contains(&name), "{name} is supported");
        let expected = |key: &str| entry[key].as_f64().unwrap_or(f64::NAN);
        let range = expected("max") - expected("min");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        let ends = (min - expected("min")).abs().max((max - expected("max")).abs());
        if (mean - expected("mean")).abs() <= 2e-4 * range && ends <= 5e-3 * range {
            close += 1;
        } else {
            wrong.push(format!("{name}: {min} {max} {mean}, expected {entry}"));
        }
    }
    println!("{close} close");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(corpus::root().is_none() || close == 21, "{close}");
}

fn decode_values(bytes: &[u8]) -> Result<Vec<f64>, DicomError> {
    let image = Image::open(bytes, None, &Limits::default())?;
    let frames = (0..image.description.frames).map(|frame| Ok(image.frame(frame)?.to_f64()));
    Ok(frames.collect::<Result<Vec<_>, DicomError>>()?.concat())
}
