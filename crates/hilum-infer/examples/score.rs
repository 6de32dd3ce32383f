//! Run a package over objects and write what came out, for comparison with Python (`bench/inference`).
//!
//! `score PACKAGE OUT [--tract] [--volume] [--repeat N] FILE...` writes one JSON line per object to `OUT/results.jsonl`,
//! each segment's masks as `OUT/<stem>.<label>.raw` (one byte per pixel, slices by file name) and, with `--repeat`,
//! times of N more passes over the objects, read beforehand.

use hilum_dicom::{Limits, read_part10_header};
use hilum_infer::{EngineConfig, Engines, InferenceOutcome, InstanceInput, RunSettings, load_package, run};
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| words.iter().position(|w| w == name).map(|at| words.remove(at)).is_some();
    let (built_in_only, volume) = (flag("--tract"), flag("--volume"));
    let repeat = match words.iter().position(|w| w == "--repeat") {
        Some(at) => words.drain(at..at + 2).next_back().map_or(Ok(0), |n| n.parse::<u32>())?,
        None => 0,
    };
    let [package, out, files @ ..] = words.as_slice() else {
        return Err("usage: score PACKAGE OUT [--tract] [--volume] [--repeat N] FILE...".into());
    };
    let engines = Engines::discover(&EngineConfig { built_in_only, ..EngineConfig::default() });
    eprintln!("{}", engines.report());
    let begun = Instant::now();
    let package = load_package(Path::new(package), &engines, None)?;
    eprintln!("loaded {} in {:?}", package.digest(), begun.elapsed());
    let read = |file: &String| -> Result<InstanceInput, Box<dyn Error>> {
        let bytes = std::fs::read(file)?;
        let header = read_part10_header(&bytes, &Limits::default())?.header;
        Ok(InstanceInput { header, part10: bytes.into() })
    };
    let instances = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let jobs: Vec<(PathBuf, Vec<InstanceInput>)> = if volume {
        vec![(PathBuf::from("volume"), instances)]
    } else {
        files.iter().map(PathBuf::from).zip(instances.into_iter().map(|instance| vec![instance])).collect()
    };
    let out = Path::new(out);
    std::fs::create_dir_all(out)?;
    let mut results = std::io::BufWriter::new(std::fs::File::create(out.join("results.jsonl"))?);
    for (name, job) in &jobs {
        let outcome = run(&package, job.clone(), &RunSettings::default())?;
        write_masks(out, name, job, &outcome)?;
        let line = serde_json::json!({
            "file": name, "engine": outcome.engine, "output": outcome.output, "raw": outcome.raw,
            "inputs": outcome.inputs, "timings": outcome.timings,
        });
        writeln!(results, "{line}")?;
    }
    results.flush()?;
    let mut passes = Vec::new();
    for _ in 0..repeat {
        let begun = Instant::now();
        for (_, job) in &jobs {
            run(&package, job.clone(), &RunSettings::default())?;
        }
        passes.push(begun.elapsed().as_secs_f64() * 1000.0 / jobs.len() as f64);
    }
    passes.sort_by(f64::total_cmp);
    if let Some(median) = passes.get(passes.len() / 2) {
        println!("{median:.3} ms per object (median of {repeat} passes over {} objects)", jobs.len());
    }
    Ok(())
}

/// Slices without a pixel of the segment are written as zeros.
fn write_masks(out: &Path, name: &Path, job: &[InstanceInput], outcome: &InferenceOutcome) -> std::io::Result<()> {
    let stem = name.file_stem().unwrap_or_default().to_string_lossy();
    for segment in &outcome.output.segments {
        let mut file =
            std::io::BufWriter::new(std::fs::File::create(out.join(format!("{stem}.{}.raw", segment.label)))?);
        for instance in job {
            let size = |keyword| instance.header.number(keyword).unwrap_or(0.0) as usize;
            let mask =
                segment.masks.iter().find(|mask| mask.image.sop_instance_uid == instance.header.sop_instance_uid);
            match mask {
                Some(mask) => file.write_all(&mask.pixels)?,
                None => file.write_all(&vec![0; size("Rows") * size("Columns")])?,
            }
        }
        file.flush()?;
    }
    Ok(())
}
