use super::*;

/// A repeatable picture: a ramp, a bright disc and noise of a given size.
fn picture(rows: usize, columns: usize, noise: f32) -> Vec<f32> {
    let mut state = 1u64;
    let mut values = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
            let (y, x) = (row as f32 / rows as f32 - 0.5, column as f32 / columns as f32 - 0.5);
            let disc = if x * x + y * y < 0.1 { 400.0 } else { 0.0 };
            values.push(1000.0 + 300.0 * y + disc + noise * uniform);
        }
    }
    values
}

fn of(values: &[f32], rows: usize, columns: usize, rescale: [f64; 2]) -> BTreeMap<String, f64> {
    measure(&Samples { values, rows, columns, spacing_mm: Some([0.2, 0.2]), rescale }).unwrap().0
}

#[test]
fn noise_of_a_known_size_is_found() {
    for size in [0.0f32, 20.0, 80.0] {
        let found = of(&picture(300, 400, size), 300, 400, [1.0, 0.0])["noise"];
        // A uniform distribution of width w has the standard deviation w / sqrt(12); the disc's edge adds a little.
        let true_sd = f64::from(size) / 12f64.sqrt();
        assert!((found - true_sd).abs() < 0.05 * true_sd + 3.0, "{found} for {true_sd}");
    }
}

#[test]
fn white_noise_and_a_ramp_have_the_frequency_content_that_theory_says() {
    let (rows, columns) = (200, 200);
    let ramp: Vec<f32> = (0..rows * columns).map(|n| (n % columns + n / columns) as f32).collect();
    let found = of(&ramp, rows, columns, [1.0, 0.0]);
    assert!((found["frequency_1_4"] - 1.0 / 16.0).abs() < 1e-9 && (found["frequency_2_4"] - 0.25).abs() < 1e-9);
    let noise: Vec<f32> =
        picture(rows, columns, 1.0).iter().zip(picture(rows, columns, 0.0)).map(|(a, b)| a - b).collect();
    let found = of(&noise, rows, columns, [1.0, 0.0]);
    assert!((found["frequency_1_4"] - 1.0).abs() < 0.03, "{}", found["frequency_1_4"]);
}

#[test]
fn an_inverted_picture_changes_the_signs_and_a_declared_inversion_does_not() {
    let values = picture(128, 128, 5.0);
    let plain = of(&values, 128, 128, [1.0, 0.0]);
    let turned: Vec<f32> = values.iter().map(|v| 4095.0 - v).collect();
    let hidden = of(&turned, 128, 128, [1.0, 0.0]);
    let declared = of(&turned, 128, 128, [-1.0, 4095.0]);
    assert!(0.5 < plain["brightness_centre"] && hidden["brightness_centre"] < -0.5);
    for (name, value) in &plain {
        // Quantiles are read off bins of a 4096th of the span, which fall differently the other way round.
        assert!((value - declared[name]).abs() < 1e-3 * value.abs() + 0.5, "{name}: {value} and {}", declared[name]);
    }
}

#[test]
fn a_mirrored_picture_changes_the_sign_of_its_side() {
    let mut values = picture(64, 64, 2.0);
    for row in 40..56 {
        values[row * 64 + 36..row * 64 + 48].fill(3000.0);
    }
    let plain = of(&values, 64, 64, [1.0, 0.0])["brightness_side"];
    let mirrored: Vec<f32> = values.chunks(64).flat_map(|row| row.iter().rev().copied()).collect();
    let turned = of(&mirrored, 64, 64, [1.0, 0.0])["brightness_side"];
    assert!(0.5 < plain && turned < -0.5, "{plain} {turned}");
}

/// What the passes make of sums over lanes, tables and rows at once is what the formulas say, one pixel at a time and in
/// double precision: with and without margins, clipped pixels, and columns that fill no vector.
#[test]
fn every_pixel_counts_once() {
    for (rows, columns, margin) in [(16, 16, 0), (17, 23, 0), (40, 131, 3), (133, 128, 2), (65, 1030, 5), (1030, 65, 1)]
    {
        let mut values = picture(rows, columns, 40.0);
        values.iter_mut().enumerate().for_each(|(at, value)| {
            let (row, column) = (at / columns, at % columns);
            let outside = row < margin || rows - margin <= row || column < margin || columns - margin <= column;
            *value = if outside { 0.0 } else { value.round().clamp(900.0, 1355.0) };
        });
        let found = of(&values, rows, columns, [1.0, 0.0]);
        for (name, value) in slowly(&values, columns, [margin..rows - margin, margin..columns - margin]) {
            // The variance is a difference of squares that are a hundred times as large, in single precision each.
            let near = 2e-5 * value.abs().max(1e-3);
            assert!((found[name] - value).abs() <= near, "{rows} x {columns}: {name} {} for {value}", found[name]);
        }
    }
}

fn slowly(values: &[f32], columns: usize, inside: [std::ops::Range<usize>; 2]) -> Vec<(&'static str, f64)> {
    let [rows, across] = inside;
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let share = |end: f32| values.iter().filter(|v| **v == end).count() as f64 / values.len() as f64;
    let at = |row: usize, column: usize| f64::from(values[row * columns + column]);
    let inner: Vec<f64> = rows.clone().flat_map(|row| across.clone().map(move |column| at(row, column))).collect();
    let shown: Vec<f64> = inner.iter().copied().filter(|v| *v != f64::from(low) && *v != f64::from(high)).collect();
    let n = shown.len() as f64;
    let mean = shown.iter().sum::<f64>() / n;
    let variance = shown.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    // The 256 bins of the entropy are 16 of 4096 each, of which the first one's middle is the smallest value.
    let mut bins = [0.0; 256];
    for value in &inner {
        let bin = (value - f64::from(low)) * 4095.0 / (f64::from(high) - f64::from(low));
        bins[bin.round_ties_even() as usize / 16] += 1.0 / inner.len() as f64;
    }
    let entropy = -bins.iter().filter(|share| 0.0 < **share).map(|share| share * share.log2()).sum::<f64>();
    // Of more than 1,024 rows every second one is looked at.
    let looked: Vec<usize> = rows.clone().step_by(rows.len().div_ceil(1024)).collect();
    let [d1, d2, d4] = [1, 2, 4].map(|lag| {
        let mut squares = Vec::new();
        for row in looked.iter().copied() {
            for column in across.clone() {
                let right = (column + lag < across.end).then(|| at(row, column + lag));
                let below = (row + lag < rows.end).then(|| at(row + lag, column));
                squares.extend([right, below].into_iter().flatten().map(|other| (other - at(row, column)).powi(2)));
            }
        }
        squares.iter().sum::<f64>() / squares.len() as f64
    });
    let (mut noise, mut laplacian) = (Vec::new(), Vec::new());
    for row in looked.into_iter().filter(|row| rows.start < *row && row + 1 < rows.end) {
        for column in across.start + 1..across.end - 1 {
            let down = |column| at(row - 1, column) - 2.0 * at(row, column) + at(row + 1, column);
            noise.push((down(column - 1) - 2.0 * down(column) + down(column + 1)).abs());
            laplacian.push(down(column) + at(row, column - 1) - 2.0 * at(row, column) + at(row, column + 1));
        }
    }
    let average = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let level = average(&laplacian);
    let sharpness =
        laplacian.iter().map(|v| (v - level) * (v - level)).sum::<f64>() / laplacian.len() as f64 / variance;
    vec![
        ("mean", mean),
        ("sd", variance.sqrt()),
        ("noise", std::f64::consts::FRAC_PI_2.sqrt() * average(&noise) / 6.0),
        ("sharpness", sharpness),
        ("frequency_1_4", d1 / d4),
        ("frequency_2_4", d2 / d4),
        ("entropy", entropy),
        ("clipped_low", share(low)),
        ("clipped_high", share(high)),
        ("coverage", n / values.len() as f64),
    ]
}

/// An envelope fitted on one machine holds on every other.
#[test]
fn the_width_of_vectors_changes_no_bit() {
    for (rows, columns) in [(16, 16), (67, 83), (300, 411)] {
        let values = picture(rows, columns, 40.0);
        let (wide, narrow) = (passes(&values, rows, columns).unwrap(), narrow(&values, rows, columns).unwrap());
        // Every digit of every number: the text of a float is the shortest that gives it back.
        assert_eq!(format!("{wide:?}"), format!("{narrow:?}"), "{rows} x {columns}");
    }
}

#[test]
fn margins_are_seen_and_left_out() {
    let inner = picture(100, 80, 60.0);
    let mut values = vec![0.0f32; 120 * 120];
    for (row, line) in inner.chunks(80).enumerate() {
        values[(row + 10) * 120 + 20..][..80].copy_from_slice(line);
    }
    let (plain, padded) = (of(&inner, 100, 80, [1.0, 0.0]), of(&values, 120, 120, [1.0, 0.0]));
    let outside = 1.0 - 8000.0 / 14400.0;
    assert!((padded["border"] - outside).abs() < 1e-12 && (padded["padding"] - outside).abs() < 1e-12);
    assert_eq!((plain["border"], plain["padding"]), (0.0, 0.0));
    assert!((padded["noise"] - plain["noise"]).abs() < 1e-9 && (padded["mean"] - plain["mean"]).abs() < 0.2);
    // Collimated on one side only: a border, and no padding.
    let mut one_sided = picture(100, 100, 60.0);
    one_sided[..3000].fill(0.0);
    let found = of(&one_sided, 100, 100, [1.0, 0.0]);
    assert!((found["border"] - 0.3).abs() < 1e-12 && found["padding"] == 0.0);
}

#[test]
fn an_image_of_one_value_is_measured_and_stands_out() {
    let found = of(&[7.0; 400], 20, 20, [1.0, 0.0]);
    assert_eq!((found["border"], found["noise"], found["entropy"], found["coverage"]), (1.0, 0.0, 0.0, 0.0));
    assert_eq!((found["mean"], found["p50"], found["clipped_low"]), (7.0, 7.0, 1.0));
    assert!(found.values().all(|value| value.is_finite()));
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_reason() {
    let of = |values: &[f32], rows, columns| {
        let samples = Samples { values, rows, columns, spacing_mm: None, rescale: [1.0, 0.0] };
        measure(&samples).unwrap_err().to_string()
    };
    assert!(of(&[0.0; 64], 8, 8).contains("8 rows and 8 columns is too small"));
    assert!(of(&[0.0; 64], 16, 16).contains("64 values instead of 16 rows of 16"));
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 255, 17 * 3] {
            let mut values = [1.0; 256];
            values[place] = wrong;
            assert!(of(&values, 16, 16).contains("not a finite number"), "{wrong} at {place}");
        }
    }
    let mut far = [f32::MAX; 256];
    far[0] = f32::MIN;
    assert!(of(&far, 16, 16).contains("not a finite number"));
    assert!(of(&[], usize::MAX, 16).contains("0 values"));
}

#[test]
fn slices_are_summarised_and_a_missing_one_shows() {
    let image = |noise: f64| ImageFeatures(BTreeMap::from([("noise".to_owned(), noise), ("rows".to_owned(), 512.0)]));
    let mut summary = SeriesSummary::default();
    [3.0, 1.0, 2.0, 9.0].map(image).into_iter().for_each(|image| summary.add(image));
    let geometry = SeriesGeometry::of(vec![0.0, 5.0, 2.5, 10.0]);
    let found = summary.finish(4, geometry);
    assert_eq!((found["noise"], found["noise_spread"], found["rows"], found["images"]), (2.5, 2.75, 512.0, 4.0));
    assert_eq!((found["slice_step"], found["slice_step_largest"]), (2.5, 2.0));
    assert_eq!(SeriesGeometry::of(vec![1.0]), None);
    assert_eq!(SeriesGeometry::of(vec![1.0, 1.0, 1.0]), None);
    let taken = |of: usize| (0..of).filter(|index| SeriesSummary::takes(*index, of)).count();
    assert_eq!((taken(1), taken(64), taken(65), taken(1000)), (1, 64, 33, 63));
}

/// The list of names is that of what is measured: a rule about another name would be silent for ever.
#[test]
fn every_feature_has_a_listed_name() {
    let image = measure(&Samples {
        values: &picture(64, 64, 5.0),
        rows: 64,
        columns: 64,
        spacing_mm: Some([0.2, 0.2]),
        rescale: [1.0, 0.0],
    });
    let mut summary = SeriesSummary::default();
    (0..3).for_each(|_| summary.add(image.clone().unwrap()));
    let measured = summary.finish(3, SeriesGeometry::of(vec![0.0, 2.5, 5.0]));
    let listed: std::collections::BTreeSet<&str> = FEATURES.into_iter().collect();
    assert_eq!(measured.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), listed);
}
