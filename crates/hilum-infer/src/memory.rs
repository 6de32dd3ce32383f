//! What a run will need, from declared sizes, before anything is allocated.

use crate::{InferError, InstanceInput, LoadedPackage};
use hilum_registry::manifest::{ImageChoice, InputSpec, Manifest, PreprocessStep};
use hilum_registry::package::onnx::OnnxDim;
use hilum_types::{InstanceHeader, attribute};

/// Refuse a run whose images, tensors and weights alone exceed the package's limit.
///
/// The model's own intermediate values are not known beforehand and not counted.
pub(crate) fn check(package: &LoadedPackage, instances: &[InstanceInput]) -> Result<(), InferError> {
    let limit_mb = u64::from(package.manifest().resources.memory_mb);
    let needed = estimate(package, instances.iter().map(|instance| &instance.header));
    let needed_mb = (needed / (1024.0 * 1024.0)).ceil() as u64;
    if limit_mb < needed_mb { Err(InferError::Memory { needed_mb, limit_mb }) } else { Ok(()) }
}

/// Bytes; in floating point, so that absurd sizes add up instead of wrapping.
fn estimate<'a>(package: &LoadedPackage, headers: impl Iterator<Item = &'a InstanceHeader>) -> f64 {
    let manifest = package.manifest();
    let mut all = 0.0;
    let mut largest: f64 = 0.0;
    for header in headers {
        let number = |keyword| header.number(keyword).unwrap_or(0.0).max(0.0);
        let samples = number(attribute::SAMPLES_PER_PIXEL).max(1.0);
        let frame = number(attribute::ROWS) * number(attribute::COLUMNS) * samples;
        all += frame * f64::from(header.frames());
        largest = largest.max(frame);
    }
    // Stored samples, their `f32` and one copy in a step; a volume is also sorted or turned once.
    let source = if manifest.is_volume() { 12.0 * all } else { 12.0 * largest };
    let inputs: f64 =
        manifest.inputs.iter().map(|input| input_bytes(input, if manifest.is_volume() { all } else { largest })).sum();
    source + inputs + output_bytes(package, manifest, all) + 2.0 * package.graph().weight_bytes as f64
}

fn input_bytes(input: &InputSpec, source: f64) -> f64 {
    let elements = input.preprocess.iter().fold(source, |elements, step| match step {
        PreprocessStep::Resize { rows, columns, .. }
        | PreprocessStep::CropCentre { rows, columns }
        | PreprocessStep::CropBox { rows, columns, .. } => f64::from(*rows) * f64::from(*columns),
        _ => elements,
    });
    elements * f64::from(input.channels) * (4 + input.dtype.size()) as f64
}

/// Declared outputs; a dynamic axis of a volume model is as long as the volume has voxels in all.
fn output_bytes(package: &LoadedPackage, manifest: &Manifest, voxels: f64) -> f64 {
    let wanted = |name: &str| manifest.outputs.iter().any(|output| output.tensor() == name);
    let outputs = package.graph().outputs.iter().filter(|output| wanted(&output.name));
    outputs
        .map(|output| {
            let dims = output.dims.as_deref().unwrap_or_default();
            let fixed: f64 = dims.iter().map(|dim| if let OnnxDim::Fixed(n) = dim { *n as f64 } else { 1.0 }).product();
            let dynamic = dims.iter().filter(|dim| matches!(dim, OnnxDim::Dynamic(_))).count();
            let whole = manifest.inputs.iter().any(|input| input.images == ImageChoice::Volume) && 3 <= dynamic;
            4.0 * fixed * if whole { voxels } else { 1.0 }
        })
        .sum()
}
