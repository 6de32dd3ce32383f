//! Record golden cases of a package: `make_golden PACKAGE IMAGE.dcm [IMAGE.dcm ...]` records one case per image;
//! with `--volume` the images are the slices of one case; with `--noise TENSOR N,C,D,H,W` three cases of seeded noise.
//! ONNX Runtime is looked for as `hilum` does it (`ORT_DYLIB_PATH`).

use hilum_infer::{EngineConfig, Engines, GoldenInput, Tensors, record_golden};
use hilum_registry::{Tensor, Tolerance};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let engines = Engines::discover(&EngineConfig::default());
    eprintln!("{}", engines.report());
    let record = |folder: &str, name: &str, input: GoldenInput| -> Result<(), Box<dyn Error>> {
        let output = record_golden(Path::new(folder), name, "", input, Tolerance::default(), &engines)?;
        let scores = output.findings.iter().map(|f| format!("{} {:?}", f.label, f.score)).collect::<Vec<_>>();
        println!("{name}: {}", scores.join(", "));
        Ok(())
    };
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [folder, "--noise", tensor, shape] => {
            let shape = shape.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
            for case in 1..=3u32 {
                let tensors = Tensors::from([((*tensor).to_owned(), noise(&shape, case)?)]);
                record(folder, &format!("noise-{case}"), GoldenInput::Tensors(tensors))?;
            }
        }
        [folder, "--volume", slices @ ..] if !slices.is_empty() => {
            let images = slices.iter().map(std::fs::read).collect::<Result<_, _>>()?;
            record(folder, "volume", GoldenInput::Images(images))?;
        }
        [folder, images @ ..] if !images.is_empty() => {
            for (n, image) in images.iter().enumerate() {
                record(folder, &format!("case-{}", n + 1), GoldenInput::Images(vec![std::fs::read(image)?]))?;
            }
        }
        _ => return Err("usage: make_golden PACKAGE (IMAGE... | --volume SLICE... | --noise TENSOR N,C,D,H,W)".into()),
    }
    Ok(())
}

/// Values in 0 to 1 from a linear congruential generator.
fn noise(shape: &[usize], seed: u32) -> Result<Tensor, Box<dyn Error>> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 24) as f32
    };
    Ok(Tensor::from_f32(shape.to_vec(), (0..shape.iter().product()).map(next).collect())?)
}
