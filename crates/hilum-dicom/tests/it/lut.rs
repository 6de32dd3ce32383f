//! Lookup tables against values worked out by hand from PS3.3.

use hilum_dicom::lut::{ModalityLut, Table, VoiLut, WindowFunction, invert, rgb_to_grey, to_rgb};
use hilum_dicom::{DataSet, PixelDescription, Samples, Vr, tags};

fn through(voi: &VoiLut, input: &[f32]) -> Vec<f32> {
    let mut values = input.to_vec();
    voi.apply(&mut values);
    values
}

fn window(center: f64, width: f64, function: WindowFunction) -> VoiLut {
    VoiLut::Window { center, width, function }
}

/// PS3.3 section C.11.2.1.2.1, notes: c=2048, w=4096 becomes `y = (x - 2047.5) / 4095 + 0.5`, and so on.
#[test]
fn linear_windows_follow_the_notes_of_the_standard() {
    let close = |found: Vec<f32>, wanted: &[f32]| {
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {wanted:?}");
    };
    close(through(&window(2048.0, 4096.0, WindowFunction::Linear), &[0.0, 2047.5, 4095.0]), &[0.0, 0.5, 1.0]);
    close(through(&window(2048.0, 1.0, WindowFunction::Linear), &[2047.0, 2047.5, 2048.0]), &[0.0, 0.0, 1.0]);
    close(through(&window(0.0, 100.0, WindowFunction::Linear), &[-50.0, 49.0]), &[0.0, 1.0]);
    close(through(&window(0.0, 100.0, WindowFunction::LinearExact), &[-50.0, 0.0, 50.0]), &[0.0, 0.5, 1.0]);
    // 1 / (1 + exp(-4 * 25 / 100)) = 0.731058...
    close(through(&window(0.0, 100.0, WindowFunction::Sigmoid), &[0.0, 25.0]), &[0.5, 0.731_058_6]);
}

#[test]
fn rescale_and_tables_are_found_in_the_data_set() {
    let mut data_set = DataSet::new();
    data_set.put_numbers(tags::RESCALE_SLOPE, &[2.0]).put_numbers(tags::RESCALE_INTERCEPT, &[-1024.0]);
    let mut values = vec![0.0, 10.0];
    ModalityLut::of(&data_set, 0).apply(&mut values);
    assert_eq!(values, [-1024.0, -1004.0]);

    let mut item = DataSet::new();
    item.put_numbers_as(tags::LUT_DESCRIPTOR, Vr::US, &[3.0, 5.0, 16.0]).put_numbers_as(
        tags::LUT_DATA,
        Vr::US,
        &[10.0, 20.0, 30.0],
    );
    data_set.put_sequence(tags::MODALITY_LUT_SEQUENCE, vec![item]);
    assert_eq!(
        ModalityLut::of(&data_set, 0),
        ModalityLut::Table(Table { first_input: 5, bits: 16, values: vec![10, 20, 30] })
    );
    let mut values = vec![0.0, 5.0, 6.0, 99.0];
    ModalityLut::of(&data_set, 0).apply(&mut values);
    assert_eq!(values, [10.0, 10.0, 20.0, 30.0]);
}

#[test]
fn functional_groups_give_each_frame_its_own_rescale() {
    let frame = |slope: f64| {
        let mut transformation = DataSet::new();
        transformation.put_number(tags::RESCALE_SLOPE, slope).put_number(tags::RESCALE_INTERCEPT, 0);
        let mut groups = DataSet::new();
        groups.put_sequence(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![transformation]);
        groups
    };
    let mut data_set = DataSet::new();
    data_set.put_sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, vec![frame(1.5), frame(2.5)]);
    let slope = |index| match ModalityLut::of(&data_set, index) {
        ModalityLut::Rescale { slope, .. } => slope,
        other => panic!("{other:?}"),
    };
    assert_eq!((slope(0), slope(1)), (1.5, 2.5));
}

#[test]
fn a_window_without_width_is_no_window() {
    let mut data_set = DataSet::new();
    data_set.put_number(tags::WINDOW_CENTER, 40).put_number(tags::WINDOW_WIDTH, 0);
    assert_eq!(VoiLut::of(&data_set, 0), None);
    data_set.put_number(tags::WINDOW_WIDTH, 400);
    assert!(VoiLut::of(&data_set, 0).is_some());
}

fn colour(photometric: &str) -> PixelDescription {
    PixelDescription {
        rows: 1,
        columns: 1,
        frames: 1,
        samples_per_pixel: 3,
        bits_allocated: 8,
        bits_stored: 8,
        high_bit: 7,
        signed: false,
        planar: false,
        photometric_interpretation: photometric.to_owned(),
        float: false,
    }
}

/// Y, Cb, Cr of pure red, green and blue by PS3.3 section C.7.6.3.1.2 are (76, 85, 255), (150, 44, 21), (29, 255, 107).
#[test]
fn colour_conversions() {
    for (ybr, rgb) in [([76, 85, 255], [254, 0, 0]), ([150, 44, 21], [0, 255, 1]), ([29, 255, 107], [0, 0, 254])] {
        let found = to_rgb(&Samples::U8(ybr.to_vec()), &colour("YBR_FULL"), &DataSet::new()).unwrap();
        assert_eq!(found, rgb);
    }
    assert!(to_rgb(&Samples::U8(vec![0]), &colour("MONOCHROME2"), &DataSet::new()).is_err());
    assert!((rgb_to_grey(&[255, 255, 255])[0] - 255.0).abs() < 1e-3);
    let mut values = vec![0.0, 0.25, 1.0];
    invert(&mut values, 0.0, 1.0);
    assert_eq!(values, [1.0, 0.75, 0.0]);
}
