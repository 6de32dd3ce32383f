//! Writes phantoms and their truth into a folder:
//!
//! ```text
//! cargo run --release -p hilum-testkit --example phantom -- OUT --dx 50 --ct 2 --seed 7
//! ```
//!
//! `OUT/truth.jsonl` has one line for each instance: file, labels, boxes, lung mask (a raw file of 0 and 1), and how
//! the image was taken. `--vary` draws view, machine, noise, sharpness, exposure and contrast anew for each study, for
//! training; `--preset pa|ap|lateral|other-vendor` chooses one way for all.

use hilum_testkit::{Acquisition, Draw, FindingSpec, Phantom, Photometric, Subject, View, ct, dx};
use hilum_types::Timestamp;
use serde_json::json;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

struct Options {
    out: PathBuf,
    dx: u64,
    ct: u64,
    seed: u64,
    size: u16,
    slices: u16,
    vary: bool,
    preset: String,
    noise: f64,
    prevalence: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    std::fs::create_dir_all(&options.out)?;
    let mut truth = std::io::BufWriter::new(std::fs::File::create(options.out.join("truth.jsonl"))?);
    let start: Timestamp = "2026-11-02T07:00:00Z".parse()?;
    for number in 0..options.dx {
        let mut draw = Draw::new(options.seed, &format!("example dx {number}"));
        let subject = Subject::seeded(draw.bits(), start.plus_seconds(600 * number as i64));
        let acquisition = acquisition(&options, &mut draw)?;
        let mut findings = Vec::new();
        for (part, finding) in [
            (options.prevalence, FindingSpec::nodule()),
            (options.prevalence, FindingSpec::effusion()),
            (0.10, FindingSpec::Cardiomegaly),
        ] {
            if draw.chance(part) {
                findings.push(finding);
            }
        }
        let phantom = dx(draw.bits(), &subject, &acquisition, &findings)?;
        write(&options.out, &format!("dx{number:05}"), &phantom, &acquisition, &mut truth)?;
    }
    for number in 0..options.ct {
        let mut draw = Draw::new(options.seed, &format!("example ct {number}"));
        let subject = Subject::seeded(draw.bits(), start.plus_seconds(1800 * number as i64));
        let acquisition = Acquisition::chest_ct().with_matrix(options.size, options.size).with_slices(options.slices);
        let findings = if draw.chance(options.prevalence) { vec![FindingSpec::nodule()] } else { Vec::new() };
        let phantom = ct(draw.bits(), &subject, &acquisition, &findings)?;
        write(&options.out, &format!("ct{number:05}"), &phantom, &acquisition, &mut truth)?;
    }
    truth.flush()?;
    Ok(())
}

fn acquisition(options: &Options, draw: &mut Draw) -> Result<Acquisition, Box<dyn Error>> {
    let mut acquisition = match options.preset.as_str() {
        "pa" => Acquisition::radiograph(),
        "ap" => Acquisition::radiograph_bedside(),
        "lateral" => Acquisition { view: View::LeftLateral, ..Acquisition::radiograph() },
        "other-vendor" => Acquisition::radiograph_other_vendor(),
        other => return Err(format!("--preset {other:?} is not one of pa, ap, lateral, other-vendor").into()),
    };
    if options.vary {
        if draw.chance(0.25) {
            acquisition = Acquisition::radiograph_bedside();
        }
        acquisition.noise *= draw.range(0.6, 1.8);
        acquisition.sharpness = draw.range(0.5, 1.4);
        acquisition.exposure = draw.range(0.7, 1.4);
        acquisition.contrast = draw.range(0.9, 1.15);
        if draw.chance(0.2) {
            acquisition.photometric = Photometric::Monochrome1;
        }
    }
    acquisition.noise *= options.noise;
    Ok(acquisition.with_matrix(options.size, options.size))
}

fn write(
    out: &Path,
    name: &str,
    phantom: &Phantom,
    acquisition: &Acquisition,
    truth: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    for (index, instance) in phantom.instances.iter().enumerate() {
        let stem = format!("{name}-{index:04}");
        std::fs::write(out.join(format!("{stem}.dcm")), instance.part10())?;
        let mask = phantom.truth.lung_masks.get(index);
        if let Some(mask) = mask {
            std::fs::write(out.join(format!("{stem}.mask")), &mask.pixels)?;
        }
        let findings: Vec<_> = phantom
            .truth
            .findings
            .iter()
            .filter(|finding| finding.instance == index)
            .map(|finding| json!({"label": finding.label, "box": finding.bounding_box, "radius_mm": finding.radius_mm}))
            .collect();
        let line = json!({
            "file": format!("{stem}.dcm"),
            "mask": mask.map(|_| format!("{stem}.mask")),
            "rows": acquisition.rows,
            "columns": acquisition.columns,
            "view": acquisition.view.view_position(),
            "vendor": acquisition.vendor,
            "noise": acquisition.noise,
            "cardiothoracic_ratio": phantom.truth.cardiothoracic_ratio,
            "findings": findings,
        });
        writeln!(truth, "{line}")?;
    }
    Ok(())
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        out: PathBuf::new(),
        dx: 0,
        ct: 0,
        seed: 1,
        size: 512,
        slices: 64,
        vary: false,
        preset: "pa".into(),
        noise: 1.0,
        prevalence: 0.4,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--dx" => options.dx = value()?.parse()?,
            "--ct" => options.ct = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--size" => options.size = value()?.parse()?,
            "--slices" => options.slices = value()?.parse()?,
            "--preset" => options.preset = value()?,
            "--noise" => options.noise = value()?.parse()?,
            "--prevalence" => options.prevalence = value()?.parse()?,
            "--vary" => options.vary = true,
            _ if word.starts_with('-') => return Err(format!("{word} is not an option of this example").into()),
            _ => options.out = word.into(),
        }
    }
    if options.out.as_os_str().is_empty() {
        return Err("name the folder to write to, such as `-- phantoms --dx 50 --ct 2 --seed 7`".into());
    }
    Ok(options)
}
