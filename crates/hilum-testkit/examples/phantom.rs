//! Writes phantoms and their truth into a folder:
//!
//! ```text
//! cargo run --release -p hilum-testkit --example phantom -- OUT --dx 50 --ct 2 --seed 7
//! ```
//!
//! `OUT/truth.jsonl` has one line for each instance: file, findings with their boxes in pixels, lung mask (a raw file
//! of 0 and 1), and how the image was taken. Further options: `--size 512` (matrix), `--slices 64`, `--preset
//! pa|ap|lateral|other-vendor`, `--vary` (draw the way of taking each radiograph anew), `--noise 1`, `--updated 0.5` (part
//! of the radiographs after the software update), `--prevalence 0.4`, `--clinical` (leave out the marks that say it is
//! synthetic).

use hilum_testkit::{Acquisition, Phantom, SampleSet, View};
use serde_json::json;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

struct Options {
    out: PathBuf,
    radiographs: u32,
    series: u32,
    set: SampleSet,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    std::fs::create_dir_all(&options.out)?;
    let mut truth = std::io::BufWriter::new(std::fs::File::create(options.out.join("truth.jsonl"))?);
    for number in 0..options.radiographs {
        let study = options.set.radiograph(number);
        write(&options.out, &format!("dx{number:05}"), &study.phantom()?, &study.acquisition, &mut truth)?;
    }
    for number in 0..options.series {
        let study = options.set.ct(number);
        write(&options.out, &format!("ct{number:05}"), &study.phantom()?, &study.acquisition, &mut truth)?;
    }
    truth.flush()?;
    Ok(())
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
    let mut options = Options { out: PathBuf::new(), radiographs: 0, series: 0, set: SampleSet::new(1) };
    let (mut size, mut slices, mut clinical) = (512, 64, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--dx" => options.radiographs = value()?.parse()?,
            "--ct" => options.series = value()?.parse()?,
            "--seed" => options.set.seed = value()?.parse()?,
            "--size" => size = value()?.parse()?,
            "--slices" => slices = value()?.parse()?,
            "--preset" => options.set.radiograph = preset(&value()?)?,
            "--noise" => options.set.noise = value()?.parse()?,
            "--updated" => options.set.updated = value()?.parse()?,
            "--prevalence" => options.set.prevalence = value()?.parse()?,
            "--vary" => options.set.vary = true,
            "--clinical" => clinical = true,
            _ if word.starts_with('-') => return Err(format!("{word} is not an option of this example").into()),
            _ => options.out = word.into(),
        }
    }
    if options.out.as_os_str().is_empty() {
        return Err("name the folder to write to, such as `-- phantoms --dx 50 --ct 2 --seed 7`".into());
    }
    let set = &mut options.set;
    set.radiograph = set.radiograph.clone().with_matrix(size, size);
    set.ct = set.ct.clone().with_matrix(size, size).with_slices(slices);
    set.radiograph.synthetic_mark = !clinical;
    set.ct.synthetic_mark = !clinical;
    Ok(options)
}

fn preset(name: &str) -> Result<Acquisition, Box<dyn Error>> {
    Ok(match name {
        "pa" => Acquisition::radiograph(),
        "ap" => Acquisition::radiograph_bedside(),
        "lateral" => Acquisition { view: View::LeftLateral, ..Acquisition::radiograph() },
        "other-vendor" => Acquisition::radiograph_other_vendor(),
        other => return Err(format!("--preset {other:?} is not one of pa, ap, lateral, other-vendor").into()),
    })
}
