//! Compressed frames: four bytes choose transfer syntax, layout, rows and columns, the rest is one frame.
#![no_main]

use hilum_dicom::{DataSet, Image, Limits, tags};
use libfuzzer_sys::fuzz_target;

const SYNTAXES: [&str; 7] = [
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.8.1",
];

fuzz_target!(|input: &[u8]| {
    let &[choice, layout, rows, columns, ref frame @ ..] = input else { return };
    let mut data_set = DataSet::new();
    let (samples, bits) = (if layout & 1 == 0 { 1u16 } else { 3 }, if layout & 2 == 0 { 8u16 } else { 16 });
    data_set
        .put(tags::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.7")
        .put(tags::SOP_INSTANCE_UID, "2.25.1")
        .put_number(tags::SAMPLES_PER_PIXEL, samples)
        .put_number(tags::ROWS, u16::from(rows) + 1)
        .put_number(tags::COLUMNS, u16::from(columns) + 1)
        .put_number(tags::BITS_ALLOCATED, bits)
        .put_number(tags::PIXEL_REPRESENTATION, u16::from(layout >> 2 & 1))
        .put_encapsulated(vec![frame.to_vec()]);
    let syntax = SYNTAXES[usize::from(choice) % SYNTAXES.len()].parse().expect("a constant UID");
    let Ok(bytes) = data_set.to_part10_bytes_as(&syntax) else { return };
    if let Ok(image) = Image::open(&bytes, None, &Limits::default())
        && let Ok(samples) = image.frame(0)
    {
        assert_eq!(samples.len(), image.description.samples_per_frame());
    }
});
