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
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn lossy_samples_are_close_to_the_reference() {
    let mut different = Vec::new();
    for (entry, bytes) in corpus::entries() {
        if entry["lossy"] != true {
            continue;
        }
        let image = match Image::open(&bytes, None, &Limits::default()) {
            Ok(image) => image,
            Err(cause) => {
                different.push(format!("{} {}: {cause}", corpus::name(&entry), entry["transfer_syntax"]));
                continue;
            }
        };
        let mut values = Vec::new();
        for frame in 0..image.description.frames {
            match image.frame(frame) {
                Ok(samples) => values.extend(samples.to_f64()),
                Err(cause) => {
                    different.push(format!("{} {}: {cause}", corpus::name(&entry), entry["transfer_syntax"]));
                    break;
                }
            }
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
        different.push(format!("{} {} {min} {max} {mean} vs {} {} {}", corpus::name(&entry), entry["transfer_syntax"], entry["min"], entry["max"], entry["mean"]));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn zz_dump() {
    let Some(root) = corpus::root() else { return };
    for file in ["pydicom/MR_small_jp2klossless.dcm", "pydicom/JPEG2000.dcm", "pydicom/693_J2KI.dcm"] {
        let bytes = std::fs::read(root.join(file)).unwrap();
        let image = Image::open(&bytes, None, &Limits::default()).unwrap();
        println!("{file} {:?}", &image.frame(0).unwrap().to_f32()[..20]);
    }
}
