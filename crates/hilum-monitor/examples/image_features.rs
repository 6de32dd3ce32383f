//! Measure the images of DICOM files, one CSV line each: `cargo run --release -p hilum-monitor --example image_features --
//! [--inverted] [--mirrored] [--smooth] [--noise SD] FILE.dcm...`; or, with `--time`, how long a radiograph of 3 megapixels
//! takes.

#[path = "../tests/it/read.rs"]
mod read;

use hilum_monitor::image::{Samples, measure};
use read::{Change, decode};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), String> {
    let (mut change, mut files) = (Change::default(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--time" => return time(),
            "--inverted" => change.inverted = true,
            "--mirrored" => change.mirrored = true,
            "--smooth" => change.smooth = true,
            "--noise" => {
                let sd = arguments.next().and_then(|text| text.parse().ok());
                change.noise = sd.ok_or("--noise takes a standard deviation in stored values")?;
            }
            _ => files.push(argument),
        }
    }
    let mut names: Vec<String> = Vec::new();
    for path in files {
        let mut pixels = decode(Path::new(&path)).map_err(|problem| format!("{path}: {problem}"))?;
        pixels.change(change);
        let features = pixels.measure().map_err(|problem| format!("{path}: {problem}"))?.0;
        if names.is_empty() {
            names = features.keys().cloned().collect();
            println!("file,{}", names.join(","));
        }
        let values: Vec<String> = names.iter().map(|name| features[name].to_string()).collect();
        println!("{path},{}", values.join(","));
    }
    Ok(())
}

/// A film of 2048 by 1536 pixels of 12 bits: a body with noise before a dark ground.
fn time() -> Result<(), String> {
    let (rows, columns) = (2048usize, 1536usize);
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let film: Vec<f32> = (0..rows * columns)
        .map(|at| {
            let (y, x) = ((at / columns) as f32 / rows as f32 - 0.5, (at % columns) as f32 / columns as f32 - 0.5);
            let body = 2500.0 - 6000.0 * (x * x + y * y) + 800.0 * (12.0 * x).sin() * (9.0 * y).cos();
            (body + 60.0 * (draw() + draw() - 1.0)).clamp(0.0, 4095.0).round()
        })
        .collect();
    let samples = Samples { values: &film, rows, columns, spacing_mm: Some([0.143; 2]), rescale: [1.0, 0.0] };
    let mut milliseconds = Vec::new();
    for _ in 0..101 {
        let begun = Instant::now();
        measure(&samples).map_err(|error| error.to_string())?;
        milliseconds.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    milliseconds.sort_by(f64::total_cmp);
    println!("rows,columns,n,fastest_ms,median_ms,p95_ms");
    let [fastest, median, p95] = [0, 50, 95].map(|at| milliseconds[at]);
    println!("{rows},{columns},{},{fastest:.2},{median:.2},{p95:.2}", milliseconds.len());
    Ok(())
}
