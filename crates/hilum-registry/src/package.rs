//! Checks of a model package before anything of it is used: layout, sizes, links, code in disguise, the ONNX graph,
//! the manifest, the golden cases; and the digest of the tree, which is the version (AV-07).
//!
//! Nothing here touches a disk: a [`PackageSource`] lists and reads. Every problem is reported, not only the first.

mod entries;
mod metadata;
pub mod onnx;
mod skeleton;
#[cfg(test)]
mod tests;
mod tree;

pub use entries::{EntryKind, MemoryPackage, PackageEntry, PackageSource, list_files};
pub use metadata::metadata_warnings;
pub use skeleton::{FILL_IN, manifest_skeleton};
pub use tree::{TreeChange, compare_tree, read_listing, tree_digest, tree_listing};

use crate::golden::{GOLDEN_CASES_MIN, GOLDEN_FOLDER, Golden};
use crate::manifest::{ElementType, InputSpec, Layout, Manifest, ManifestError};
use entries::check_entries;
use hilum_types::Digest;
use metadata::{METADATA_FILE, check_metadata};
use onnx::{OnnxDim, OnnxSummary};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Files every package has; [`MODEL_FILE`] only where the model runs here (no `[runtime]`).
pub const REQUIRED_FILES: [&str; 5] = ["LICENSE", "docs/README.md", "configs/metadata.json", MODEL_FILE, MANIFEST_FILE];

/// The graph.
pub const MODEL_FILE: &str = "models/model.onnx";

/// The manifest.
pub const MANIFEST_FILE: &str = "hilum/package.toml";

/// Most files and folders of a package.
pub const ENTRIES_MAX: usize = 4096;

/// Largest file: 1 GiB. Protobuf itself ends at 2 GiB.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// Largest package: 2 GiB.
pub const PACKAGE_BYTES_MAX: u64 = 2 << 30;

/// Largest manifest or `metadata.json`: 1 MiB.
pub const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Longest path within a package, in bytes.
pub const PATH_BYTES_MAX: usize = 512;

/// Keys of `configs/metadata.json` that must be non-empty text; the MONAI bundle specification asks for more.
pub const METADATA_KEYS: [&str; 5] = ["version", "task", "description", "authors", "copyright"];

/// A package that passed every check that needs no engine.
#[derive(Debug, Clone)]
pub struct CheckedPackage {
    /// The version: digest of the tree, see [`tree_digest`].
    pub digest: Digest,
    /// The manifest.
    pub manifest: Manifest,
    /// Bytes of the ONNX graph: those that were hashed and checked; none for a model that runs elsewhere.
    pub model: Vec<u8>,
    /// What the graph says about itself.
    pub graph: OnnxSummary,
    /// Golden cases by name.
    pub goldens: Vec<Golden>,
}

/// One thing wrong with a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageProblem {
    /// Path within the package.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for PackageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.problem, self.remedy)
    }
}

/// The package is refused; every problem found is listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the package is refused: {}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PackageRefused {
    /// Problems in the order they were found; never empty.
    pub problems: Vec<PackageProblem>,
}

struct Findings(Vec<PackageProblem>);

impl Findings {
    fn add(&mut self, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(PackageProblem { path: path.to_owned(), problem: problem.into(), remedy: remedy.into() });
    }
}

/// Check everything about a package that can be checked without running it.
///
/// # Errors
/// [`PackageRefused`] with every problem found and its remedy.
pub fn check_package(source: &dyn PackageSource) -> Result<CheckedPackage, PackageRefused> {
    check(source, true)
}

/// As [`check_package`], for a package whose golden cases are still to be recorded: none need be there.
///
/// # Errors
/// As [`check_package`].
pub fn check_package_without_goldens(source: &dyn PackageSource) -> Result<CheckedPackage, PackageRefused> {
    check(source, false)
}

fn check(source: &dyn PackageSource, with_goldens: bool) -> Result<CheckedPackage, PackageRefused> {
    let mut found = Findings(Vec::new());
    let files = check_entries(&source.entries(), &mut found);
    // Sizes and links are known to be harmless from here on, or nothing is read at all.
    if !found.0.is_empty() && files.is_empty() {
        return Err(PackageRefused { problems: found.0 });
    }
    for required in REQUIRED_FILES.into_iter().filter(|required| *required != MODEL_FILE) {
        if !files.contains(required) {
            found.add(required, "this file is missing", remedy_for_missing(required));
        }
    }
    let mut digests: Vec<(&str, Digest)> = Vec::new();
    let mut kept: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for path in &files {
        match source.read(path) {
            Ok(bytes) => {
                check_bytes(path, &bytes, &mut found);
                digests.push((path, Digest::of(&bytes)));
                if REQUIRED_FILES.contains(&path.as_str()) || path.starts_with(GOLDEN_FOLDER) {
                    kept.insert(path, bytes);
                }
            }
            Err(problem) => found.add(path, format!("it cannot be read: {problem}"), "check its permissions"),
        }
    }
    check_metadata(kept.get(METADATA_FILE), &mut found);
    for text in ["LICENSE", "docs/README.md"] {
        if kept.get(text).is_some_and(|bytes| bytes.trim_ascii().is_empty()) {
            found.add(text, "it is empty", "write it");
        }
    }
    let manifest = kept.get(MANIFEST_FILE).and_then(|bytes| read_manifest(bytes, &mut found));
    let graph = match manifest.as_ref().filter(|manifest| manifest.runtime.is_some()) {
        Some(manifest) => remote_graph(manifest, kept.contains_key(MODEL_FILE), &mut found),
        None => local_graph(kept.get(MODEL_FILE), &mut found),
    };
    if let (Some(manifest), Some(graph)) = (&manifest, &graph) {
        check_tensors(manifest, graph, &mut found);
    }
    // A product that takes objects has no tensors to record; its fixed cases are those of `hilum/canary`.
    let with_goldens = with_goldens && manifest.as_ref().is_none_or(|manifest| manifest.dicom_node().is_none());
    let goldens = check_goldens(&kept, manifest.as_ref(), with_goldens, &mut found);
    let model = kept.remove(MODEL_FILE).unwrap_or_default();
    match (found.0.is_empty(), manifest, graph) {
        (true, Some(manifest), Some(graph)) => {
            Ok(CheckedPackage { digest: tree_digest(digests), manifest, model, graph, goldens })
        }
        _ => Err(PackageRefused { problems: found.0 }),
    }
}

/// What the graph of this package says about itself.
fn local_graph(bytes: Option<&Vec<u8>>, found: &mut Findings) -> Option<OnnxSummary> {
    let Some(bytes) = bytes else {
        found.add(MODEL_FILE, "this file is missing", remedy_for_missing(MODEL_FILE));
        return None;
    };
    match onnx::inspect(bytes) {
        Ok(graph) => Some(graph),
        Err(problem) => {
            found.add(MODEL_FILE, problem.to_string(), problem.remedy());
            None
        }
    }
}

/// What the manifest declares of a model that runs elsewhere: names and element types; axes are known when it runs.
fn remote_graph(manifest: &Manifest, has_model: bool, found: &mut Findings) -> Option<OnnxSummary> {
    if has_model {
        let remedy = "remove the file, or remove [runtime]";
        found.add(MODEL_FILE, "the package declares a [runtime] elsewhere, so this graph would never run", remedy);
        return None;
    }
    let tensor = |name: &str, element_type| onnx::OnnxTensor { name: name.to_owned(), element_type, dims: None };
    let inputs = manifest.inputs.iter().map(|input| tensor(&input.tensor, onnx_type(input.dtype)));
    let outputs: BTreeSet<&str> = manifest.outputs.iter().map(|output| output.tensor()).collect();
    Some(OnnxSummary {
        inputs: inputs.collect(),
        outputs: outputs.into_iter().map(|name| tensor(name, 0)).collect(),
        ..OnnxSummary::default()
    })
}

fn onnx_type(dtype: ElementType) -> u64 {
    match dtype {
        ElementType::Float32 => onnx::FLOAT,
        ElementType::Uint8 => onnx::UINT8,
        ElementType::Int64 => onnx::INT64,
    }
}

fn remedy_for_missing(path: &str) -> &'static str {
    match path {
        "LICENSE" => "add the licence under which the weights may be used",
        "docs/README.md" => "add the model card: what it was trained on, how well it does, what it is not for",
        METADATA_FILE => "add the metadata of the MONAI bundle layout",
        MODEL_FILE => "export the model to ONNX under this name",
        _ => {
            "describe inputs, outputs and intended use there; `hilum model import DIR --skeleton` writes a beginning of it"
        }
    }
}

/// Content that is code, or that a careless reader would run, whatever the file is called.
fn check_bytes(path: &str, bytes: &[u8], found: &mut Findings) {
    let lower = path.to_lowercase();
    let extension = lower.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, e)| e);
    let pickle_names = ["pt", "pth", "pt2", "pkl", "pickle", "ckpt", "joblib", "dill", "npz", "torchscript", "ts"];
    let remedy = "export the model to ONNX; data files go into hilum/golden as tensors";
    let pickle = matches!(bytes, [0x80, 0..=5, ..]);
    if pickle {
        found.add(path, "its first bytes are those of a Python pickle, which can run code when read", remedy);
    } else if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        let torch = bytes.windows(8).take(1 << 20).any(|w| w == b"data.pkl");
        let what = if torch { "a PyTorch archive with a pickle in it" } else { "a ZIP archive" };
        found.add(path, format!("it is {what}"), remedy);
    } else if pickle_names.contains(&extension) {
        found.add(path, format!("files named .{extension} hold pickles or code"), remedy);
    } else if [&b"\x7fELF"[..], b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\x1f\x8b", b"\0asm"]
        .iter()
        .any(|magic| bytes.starts_with(magic))
    {
        found.add(path, "it is a program or a compressed archive", "remove it; a package is data");
    }
}

fn read_manifest(bytes: &[u8], found: &mut Findings) -> Option<Manifest> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        found.add(MANIFEST_FILE, "it is not UTF-8", "save it as UTF-8");
        return None;
    };
    for (place, line) in text.lines().enumerate().filter(|(_, line)| line.contains(FILL_IN)) {
        let what = line.trim().chars().take(80).filter(|c| !c.is_control()).collect::<String>();
        found.add(MANIFEST_FILE, format!("line {} still says {FILL_IN}: {what}", place + 1), "decide it");
    }
    match Manifest::parse(text) {
        Ok(manifest) => Some(manifest),
        Err(ManifestError::Syntax(problem)) => {
            found.add(MANIFEST_FILE, problem.trim_end().to_owned(), "correct that line");
            None
        }
        Err(ManifestError::Invalid(problems)) => {
            for problem in problems {
                found.add(MANIFEST_FILE, problem, "correct it");
            }
            None
        }
    }
}

fn check_tensors(manifest: &Manifest, graph: &OnnxSummary, found: &mut Findings) {
    let names = |list: &[onnx::OnnxTensor]| list.iter().map(|t| format!("{:?}", t.name)).collect::<Vec<_>>().join(", ");
    for input in &manifest.inputs {
        match graph.inputs.iter().find(|tensor| tensor.name == input.tensor) {
            Some(tensor) => {
                if let Some(problem) = input_problem(input, tensor) {
                    found.add(MANIFEST_FILE, problem, "correct the [[input]] or export the model again");
                }
            }
            None => {
                let problem =
                    format!("input {:?} is not in the graph, which has {}", input.tensor, names(&graph.inputs));
                found.add(MANIFEST_FILE, problem, "use the name from the graph");
            }
        }
    }
    for tensor in &graph.inputs {
        if !manifest.inputs.iter().any(|input| input.tensor == tensor.name) {
            found.add(MANIFEST_FILE, format!("the graph's input {:?} has no [[input]]", tensor.name), "declare it");
        }
    }
    for output in &manifest.outputs {
        if !graph.outputs.iter().any(|tensor| tensor.name == output.tensor()) {
            let has = names(&graph.outputs);
            let problem = format!("output {:?} is not in the graph, which has {has}", output.tensor());
            found.add(MANIFEST_FILE, problem, "use the name from the graph");
        }
    }
}

fn input_problem(input: &InputSpec, tensor: &onnx::OnnxTensor) -> Option<String> {
    let name = &input.tensor;
    if tensor.element_type != onnx_type(input.dtype) {
        return Some(format!("input {name:?} is declared {:?}, the graph has another element type", input.dtype));
    }
    let dims = tensor.dims.as_ref()?;
    let rank = if input.layout == Layout::Ncdhw { 5 } else { 4 };
    if dims.len() != rank {
        return Some(format!("input {name:?} has {} axes in the graph, its layout has {rank}", dims.len()));
    }
    let channel_axis = if input.layout == Layout::Nhwc { 3 } else { 1 };
    for (axis, wanted, what) in [(0, 1, "batch"), (channel_axis, u64::from(input.channels), "channels")] {
        if let OnnxDim::Fixed(length) = dims[axis]
            && length != wanted
        {
            return Some(format!("input {name:?} has {what} {length} in the graph, {wanted} is needed"));
        }
    }
    None
}

fn check_goldens(
    files: &BTreeMap<&str, Vec<u8>>,
    manifest: Option<&Manifest>,
    required: bool,
    found: &mut Findings,
) -> Vec<Golden> {
    let mut cases: BTreeMap<&str, BTreeMap<&str, &Vec<u8>>> = BTreeMap::new();
    let prefix = format!("{GOLDEN_FOLDER}/");
    for (path, bytes) in files {
        if let Some((case, file)) = path.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')) {
            cases.entry(case).or_default().insert(file, bytes);
        }
    }
    let remedy = "record cases with `make_golden` of hilum-infer and look at what they say";
    if required && cases.len() < GOLDEN_CASES_MIN {
        let problem = format!("{} golden cases; {GOLDEN_CASES_MIN} are the fewest", cases.len());
        found.add(GOLDEN_FOLDER, problem, remedy);
    }
    let mut goldens = Vec::new();
    for (name, files) in &cases {
        let path = format!("{GOLDEN_FOLDER}/{name}");
        match Golden::read(name, &mut |file| files.get(file).map(|bytes| (*bytes).clone())) {
            Ok(golden) => {
                for problem in manifest.map(|m| golden_problems(&golden, m)).unwrap_or_default() {
                    found.add(&path, problem, "record the case again");
                }
                goldens.push(golden);
            }
            Err(error) => found.add(&path, with_cause(&error), "record the case again"),
        }
    }
    goldens
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn golden_problems(golden: &Golden, manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    for output in &manifest.outputs {
        if !golden.raw_outputs.contains_key(output.tensor()) {
            problems.push(format!("raw output {:?} is not recorded", output.tensor()));
        }
    }
    for tensor in golden.inputs.keys() {
        if !manifest.inputs.iter().any(|input| &input.tensor == tensor) {
            problems.push(format!("input tensor {tensor:?} is not in the manifest"));
        }
    }
    if golden.images.is_empty() {
        for input in &manifest.inputs {
            if !golden.inputs.contains_key(&input.tensor) {
                problems.push(format!("there are no images and input tensor {:?} is missing", input.tensor));
            }
        }
    }
    problems
}
