//! Golden cases: replayed at every load, compared between engines at registration, recorded by the maker.

use crate::InferError;
use crate::engine::{Engine, Engines, StopSignal, Tensors};
use crate::guard::within;
use crate::package::{FolderPackage, LoadedPackage};
use crate::prepare::Prepared;
use crate::run::{self, InstanceInput};
use hilum_dicom::{Limits, read_part10_header};
use hilum_registry::golden::{GOLDEN_FOLDER, GOLDEN_SCHEMA, tensor_difference};
use hilum_registry::package::check_package_without_goldens;
use hilum_registry::{Golden, GoldenCase, GoldenTensor, Tolerance};
use hilum_types::ModelOutput;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Time for one case at least, whatever the manifest allows for a study: making a session takes part of it.
const CASE_DEADLINE: Duration = Duration::from_secs(60);

/// Replay every case on the preferred engine.
pub(crate) fn replay(package: &Arc<LoadedPackage>) -> Result<(), InferError> {
    for golden in package.goldens() {
        let differences = guarded(package, golden.clone(), replay_case)?;
        if !differences.is_empty() {
            let (case, engine) = (golden.name.clone(), package.engine().to_string());
            return Err(InferError::Golden { case, engine, differences });
        }
    }
    Ok(())
}

fn guarded<A: Send + 'static, T: Send + 'static>(
    package: &Arc<LoadedPackage>,
    argument: A,
    work: fn(&LoadedPackage, A, &StopSignal) -> Result<T, InferError>,
) -> Result<T, InferError> {
    let stop = StopSignal::new();
    let deadline = CASE_DEADLINE.max(Duration::from_secs(package.manifest().resources.deadline_seconds.into()));
    let job = {
        let (package, stop) = (Arc::clone(package), stop.clone());
        move || work(&package, argument, &stop)
    };
    within(deadline, &stop, job)
}

fn replay_case(package: &LoadedPackage, golden: Golden, stop: &StopSignal) -> Result<Vec<String>, InferError> {
    let (prepared, mut differences) = inputs(package, &golden)?;
    let (raw, output) = run::run_prepared(package, prepared, stop)?;
    differences.extend(raw.iter().filter_map(|(name, tensor)| golden.raw_differences(name, tensor)));
    differences.extend(golden.output_differences(&output));
    Ok(differences)
}

/// Inputs of a case, and how those prepared from its images differ from the recorded ones.
fn inputs(package: &LoadedPackage, golden: &Golden) -> Result<(Vec<Prepared>, Vec<String>), InferError> {
    if golden.images.is_empty() {
        return Ok((from_tensors(package, &golden.inputs)?, Vec::new()));
    }
    let prepared = run::prepare_case(package, &instances(&golden.images)?)?;
    let specs = package.manifest().inputs.iter();
    let differences = specs.zip(&prepared).filter_map(|(s, p)| golden.input_difference(&s.tensor, &p.tensor)).collect();
    Ok((prepared, differences))
}

fn from_tensors(package: &LoadedPackage, tensors: &Tensors) -> Result<Vec<Prepared>, InferError> {
    let prepare = |spec: &hilum_registry::manifest::InputSpec| {
        let tensor = tensors.get(&spec.tensor).cloned();
        let tensor = tensor.ok_or_else(|| InferError::Images(format!("input {:?} is missing", spec.tensor)))?;
        Prepared::from_tensor(spec, tensor)
    };
    package.manifest().inputs.iter().map(prepare).collect()
}

fn instances(images: &[Vec<u8>]) -> Result<Vec<InstanceInput>, InferError> {
    let read = |bytes: &Vec<u8>| {
        let scanned = read_part10_header(bytes, &Limits::default()).map_err(InferError::Pixels)?;
        Ok(InstanceInput { header: scanned.header, part10: bytes.as_slice().into() })
    };
    images.iter().map(read).collect()
}

/// Run every case on every engine and compare their raw outputs within the tolerance of the case.
pub(crate) fn compare_engines(package: &Arc<LoadedPackage>, engines: &Engines) -> Result<(), InferError> {
    let [first, others @ ..] = engines.all() else { return Ok(()) };
    for golden in package.goldens() {
        let reference = guarded(package, (golden.clone(), Arc::clone(first)), run_on)?;
        for other in others {
            let found = guarded(package, (golden.clone(), Arc::clone(other)), run_on)?;
            let allowed = golden.case.tolerance;
            let difference = reference.iter().find_map(|(name, expected)| match found.get(name) {
                Some(actual) => tensor_difference(name, expected, actual, allowed.raw, allowed.raw_relative),
                None => Some(format!("{name:?} is missing")),
            });
            if let Some(difference) = difference {
                let (first, second) = (first.info().to_string(), other.info().to_string());
                return Err(InferError::EnginesDisagree { case: golden.name.clone(), first, second, difference });
            }
        }
    }
    Ok(())
}

fn run_on(
    package: &LoadedPackage,
    (golden, engine): (Golden, Arc<dyn Engine>),
    stop: &StopSignal,
) -> Result<Tensors, InferError> {
    let (prepared, _) = inputs(package, &golden)?;
    let names = package.manifest().inputs.iter().map(|spec| spec.tensor.clone());
    let tensors: Tensors = names.zip(prepared.into_iter().map(|prepared| prepared.tensor)).collect();
    package.load_on(engine.as_ref())?.run(&tensors, stop)
}

/// What a golden case is recorded from.
#[derive(Debug, Clone, PartialEq)]
pub enum GoldenInput {
    /// DICOM files (PS3.10) without patient data; one, or the slices of a volume.
    Images(Vec<Vec<u8>>),
    /// Prepared input tensors.
    Tensors(Tensors),
}

/// Prepared inputs up to this many bytes are stored beside the images they come from.
const STORED_INPUT_MAX: usize = 4 << 20;

/// Record a golden case of a package: run it on the preferred engine and write `hilum/golden/<name>/`.
///
/// A case of this name is replaced. The package's digest changes with it. The output recorded is what the model says,
/// right or wrong: whoever records it looks at it first.
///
/// # Errors
/// As [`crate::load_package`], except that golden cases may be missing; [`InferError::File`] when writing fails.
pub fn record_golden(
    folder: &Path,
    name: &str,
    description: &str,
    input: GoldenInput,
    tolerance: Tolerance,
    engines: &Engines,
) -> Result<ModelOutput, InferError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if name.is_empty() || 64 < name.len() || !name.bytes().all(good) {
        return Err(InferError::Images("a golden case is named by 1 to 64 letters, digits, '-' or '_'".to_owned()));
    }
    let checked = check_package_without_goldens(&FolderPackage::new(folder))?;
    let package = Arc::new(LoadedPackage::bind(checked, engines));
    let recorded = guarded(&package, input, run_input)?;
    let case_folder = folder.join(GOLDEN_FOLDER).join(name);
    write_case(&case_folder, description, &recorded, tolerance).map_err(|source| InferError::File {
        what: "cannot write",
        path: format!("{GOLDEN_FOLDER}/{name}"),
        source,
    })?;
    Ok(recorded.output)
}

struct Recorded {
    images: Vec<Vec<u8>>,
    inputs: Tensors,
    raw: Tensors,
    output: ModelOutput,
}

fn run_input(package: &LoadedPackage, input: GoldenInput, stop: &StopSignal) -> Result<Recorded, InferError> {
    let (images, prepared) = match input {
        GoldenInput::Images(images) => {
            let prepared = run::prepare_case(package, &instances(&images)?)?;
            (images, prepared)
        }
        GoldenInput::Tensors(tensors) => (Vec::new(), from_tensors(package, &tensors)?),
    };
    let names = package.manifest().inputs.iter().map(|spec| spec.tensor.clone());
    let mut inputs: Tensors = names.zip(prepared.iter().map(|prepared| prepared.tensor.clone())).collect();
    let (raw, output) = run::run_prepared(package, prepared, stop)?;
    if !images.is_empty() {
        inputs.retain(|_, tensor| tensor.data().len() * tensor.element_type().size() <= STORED_INPUT_MAX);
    }
    Ok(Recorded { images, inputs, raw, output })
}

fn write_case(folder: &Path, description: &str, recorded: &Recorded, tolerance: Tolerance) -> std::io::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    let mut images = Vec::with_capacity(recorded.images.len());
    for (n, bytes) in recorded.images.iter().enumerate() {
        let file = format!("image-{:04}.dcm", n + 1);
        std::fs::write(folder.join(&file), bytes)?;
        images.push(file);
    }
    let case = GoldenCase {
        schema: GOLDEN_SCHEMA,
        description: description.to_owned(),
        images,
        inputs: write_tensors(folder, "input", &recorded.inputs)?,
        raw_outputs: write_tensors(folder, "raw", &recorded.raw)?,
        final_output: "final.json".to_owned(),
        tolerance,
    };
    std::fs::write(folder.join("final.json"), serde_json::to_vec_pretty(&recorded.output)?)?;
    std::fs::write(folder.join("case.toml"), toml::to_string(&case).map_err(std::io::Error::other)?)
}

/// Files are numbered: a tensor name may be anything.
fn write_tensors(folder: &Path, prefix: &str, tensors: &Tensors) -> std::io::Result<Vec<GoldenTensor>> {
    let mut written = Vec::with_capacity(tensors.len());
    for (n, (name, tensor)) in tensors.iter().enumerate() {
        let file = format!("{prefix}-{}.tensor", n + 1);
        std::fs::write(folder.join(&file), tensor.encode())?;
        written.push(GoldenTensor { tensor: name.clone(), file });
    }
    Ok(written)
}
