//! Shared data, packages put together in temporary folders, and a tiny ONNX graph written field by field.

use hilum_dicom::{Limits, read_part10_header};
use hilum_infer::{EngineConfig, Engines, GoldenInput, InstanceInput, Tensors, record_golden};
use hilum_registry::{Tensor, Tolerance};
use std::path::{Path, PathBuf};

/// The shared data; `None`, with a note, where they are not there (an error in CI).
pub(crate) fn shared() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("HILUM_SHARED").map_or_else(|| PathBuf::from(default), PathBuf::from);
    if root.join("data/models").is_dir() {
        return Some(root);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "shared data are missing at {}", root.display());
    println!("skipped: no shared data at {}; set HILUM_SHARED", root.display());
    None
}

/// tract, and ONNX Runtime where `ORT_DYLIB_PATH` or the Python of `HILUM_PYTHON` (else `python3`) leads to one.
pub(crate) fn engines() -> Engines {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = "import onnxruntime, glob, os; \
                  print(glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__), 'capi', 'libonnxruntime.so*'))[0])";
    let configured = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from).or_else(|| {
        let output = std::process::Command::new(python).args(["-c", script]).output().ok()?;
        let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        path.is_file().then_some(path)
    });
    let engines = Engines::discover(&EngineConfig { onnx_runtime: configured, built_in_only: false });
    println!("{}", engines.report());
    engines
}

/// Only the engine that is compiled in.
pub(crate) fn tract_only() -> Engines {
    Engines::discover(&EngineConfig { built_in_only: true, ..EngineConfig::default() })
}

pub(crate) fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The files every package has, around a manifest and a graph.
pub(crate) fn bare_package(root: &Path, manifest: &str, model: &[u8]) {
    write(root, "LICENSE", "as the weights");
    write(root, "docs/README.md", "# Test package");
    let metadata = r#"{"version":"1","task":"test","description":"test","authors":"Hilum","copyright":"Hilum"}"#;
    write(root, "configs/metadata.json", metadata);
    write(root, "models/model.onnx", model);
    write(root, "hilum/package.toml", manifest);
}

/// A package around a shared model, without golden cases.
pub(crate) fn shared_package(shared: &Path, name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packages").join(name).join("package.toml");
    let model = std::fs::read(shared.join("data/models").join(name).join("model.onnx")).unwrap();
    bare_package(folder.path(), &std::fs::read_to_string(text).unwrap(), &model);
    folder
}

/// Record golden cases from DICOM files, one each.
pub(crate) fn record_images(package: &Path, files: &[PathBuf], engines: &Engines) {
    for (n, file) in files.iter().enumerate() {
        let input = GoldenInput::Images(vec![std::fs::read(file).unwrap()]);
        record_golden(package, &format!("case-{}", n + 1), "", input, Tolerance::default(), engines).unwrap();
    }
}

/// Record golden cases from seeded noise of a shape.
pub(crate) fn record_noise(package: &Path, tensor: &str, shape: &[usize], engines: &Engines) {
    for case in 1..=3u32 {
        let mut state = case;
        let values = (0..shape.iter().product::<usize>()).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 24) as f32
        });
        let input = Tensor::from_f32(shape.to_vec(), values.collect()).unwrap();
        let input = GoldenInput::Tensors(Tensors::from([(tensor.to_owned(), input)]));
        record_golden(package, &format!("noise-{case}"), "", input, Tolerance::default(), engines).unwrap();
    }
}

pub(crate) fn instance(bytes: Vec<u8>) -> InstanceInput {
    let header = read_part10_header(&bytes, &Limits::default()).unwrap().header;
    InstanceInput { header, part10: bytes.into() }
}

/// Files of a folder with this ending, sorted.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

/// A table with a heading, as rows of named cells.
pub(crate) fn read_csv(path: &Path) -> Vec<std::collections::HashMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<String> = lines.next().unwrap().split(',').map(str::to_owned).collect();
    // No cell before the columns that are read holds a comma.
    lines.map(|line| names.iter().cloned().zip(line.split(',').map(str::to_owned)).collect()).collect()
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while 0x7f < value {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn field(number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3 | 2, &mut out);
    varint(body.len() as u64, &mut out);
    [out, body.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3, &mut out);
    varint(value, &mut out);
    out
}

fn value_info(name: &str, dims: &[u64]) -> Vec<u8> {
    let dim = |d: &u64| field(1, &if *d == 0 { field(2, format!("{name}_d").as_bytes()) } else { number(1, *d) });
    let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
    let tensor = [number(1, 1), field(2, &shape)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

fn node(op: &str, input: &str, output: &str) -> Vec<u8> {
    field(1, &[field(1, input.as_bytes()), field(2, output.as_bytes()), field(4, op.as_bytes())].concat())
}

/// `image [1,1,8,8]` to `map = Sigmoid(image)` and `score [1,1,1,1] = GlobalAveragePool(map)`, opset 17.
pub(crate) fn tiny_model() -> Vec<u8> {
    let graph = [
        node("Sigmoid", "image", "map"),
        node("GlobalAveragePool", "map", "score"),
        field(2, b"tiny"),
        field(11, &value_info("image", &[1, 1, 8, 8])),
        field(12, &value_info("map", &[1, 1, 8, 8])),
        field(12, &value_info("score", &[1, 1, 1, 1])),
    ];
    [number(1, 8), field(8, &number(2, 17)), field(7, &graph.concat())].concat()
}

pub(crate) const TINY: &str = r#"
schema = 1
[package]
name = "tiny"
version = "1"
title = "Tiny"
manufacturer = "Hilum"
license = "Apache-2.0"
description = "Bright squares"
[[input]]
tensor = "image"
images = "each"
layout = "NCHW"
preprocess = [
  { op = "modality_lut" },
  { op = "monochrome2" },
  { op = "resize", rows = 8, columns = 8, filter = "area" },
  { op = "scale", from = [0.0, 255.0], to = [-10.0, 10.0] },
]
[[output]]
kind = "classification"
tensor = "score"
[[output.finding]]
label = "bright"
concept = { value = "1", scheme = "99HILUM", meaning = "Bright" }
operating_point = 0.2
[[output]]
kind = "heatmap"
tensor = "map"
finding = "bright"
threshold = 0.9
[[output]]
kind = "segmentation"
tensor = "map"
threshold = 0.5
[[output.segment]]
label = "square"
category = { value = "2", scheme = "99HILUM", meaning = "Shape" }
property_type = { value = "3", scheme = "99HILUM", meaning = "Square" }
display_rgb = [255, 0, 0]
measurement = "area"
[resources]
memory_mb = 64
deadline_seconds = 300
"#;

/// An 8-bit image: 32 rows, 64 columns, `inside` says which pixels are 255.
pub(crate) fn square_image(photometric: &str, inside: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    use hilum_dicom::{DataSet, Vr, tags};
    let uid = |text: &str| text.parse().unwrap();
    let bright = |on: bool| if on == (photometric == "MONOCHROME2") { 255u8 } else { 0 };
    let pixels = (0..32 * 64).map(|at| bright(inside(at / 64, at % 64))).collect();
    let mut object = DataSet::new();
    object.put_uid(tags::SOP_CLASS_UID, &uid("1.2.840.10008.5.1.4.1.1.1"));
    object.put_uid(tags::SOP_INSTANCE_UID, &uid("2.25.1"));
    object.put_uid(tags::STUDY_INSTANCE_UID, &uid("2.25.2"));
    object.put_uid(tags::SERIES_INSTANCE_UID, &uid("2.25.3"));
    object.put(tags::MODALITY, "CR").put(tags::PHOTOMETRIC_INTERPRETATION, photometric);
    object.put_numbers(tags::PIXEL_SPACING, &[2.0, 2.0]);
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1.0),
        (tags::ROWS, 32.0),
        (tags::COLUMNS, 64.0),
        (tags::BITS_ALLOCATED, 8.0),
        (tags::BITS_STORED, 8.0),
        (tags::HIGH_BIT, 7.0),
        (tags::PIXEL_REPRESENTATION, 0.0),
    ] {
        object.put_number(tag, value);
    }
    object.put_bytes(tags::PIXEL_DATA, Vr::OB, pixels);
    object.to_part10_bytes().unwrap()
}

/// The tiny package with three golden cases.
pub(crate) fn tiny_package(engines: &Engines) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    bare_package(folder.path(), TINY, &tiny_model());
    for case in 0..3usize {
        let image = square_image("MONOCHROME2", |row, column| row < 16 && column < 16 * case);
        let input = GoldenInput::Images(vec![image]);
        record_golden(folder.path(), &format!("c{case}"), "", input, Tolerance::default(), engines).unwrap();
    }
    folder
}
