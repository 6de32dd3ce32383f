//! One inference: prepare, run, interpret, within a deadline and a memory limit.

use crate::engine::{EngineInfo, StopSignal, Tensors};
use crate::guard::within;
use crate::measure::Measuring;
use crate::output::{self, RunOutput};
use crate::prepare::{self, Opened, Prepared};
use crate::{InferError, LoadedPackage, memory};
use hilum_monitor::image::SeriesFeatures;
use hilum_registry::manifest::{ImageChoice, InputSpec, OutputSpec};
use hilum_registry::package::onnx::OnnxDim;
use hilum_types::{Digest, InstanceHeader, ModelOutput};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An instance of the chosen series: what the catalog knows of it, and its bytes as received.
#[derive(Debug, Clone)]
pub struct InstanceInput {
    /// Header from the catalog.
    pub header: InstanceHeader,
    /// The DICOM file (PS3.10).
    pub part10: Arc<[u8]>,
}

/// What a deployment sets for a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSettings {
    /// Shorter time limit than the manifest's.
    pub deadline: Option<Duration>,
    /// Operating points that replace the package's, by finding label (MV-32).
    pub operating_points: BTreeMap<String, f64>,
}

/// What a run gave, with everything the inference record keeps (MV-19).
#[derive(Debug, Clone, PartialEq)]
pub struct InferenceOutcome {
    /// Findings and segments.
    pub output: ModelOutput,
    /// Version of the package.
    pub package_digest: Digest,
    /// Engine that computed it.
    pub engine: EngineInfo,
    /// Digests of the prepared input tensors.
    pub inputs: Vec<TensorRecord>,
    /// Digests of the raw outputs, and their values when they are few.
    pub raw: Vec<TensorRecord>,
    /// Feature vectors, all finite, one per run of the model, embedding by embedding in the order of the manifest; empty when
    /// the package declares none.
    pub embeddings: Vec<Vec<f32>>,
    /// What was measured on the images the model was given, for the acquisition envelope (MV-04); empty when they cannot be
    /// measured.
    pub features: SeriesFeatures,
    /// Where the time went.
    pub timings: Timings,
}

impl InferenceOutcome {
    /// The vectors of the first embedding that the package declares, one per run: the one that is monitored.
    pub fn first_embedding(&self) -> &[Vec<f32>] {
        let n_runs = self.raw.iter().map(|tensor| tensor.run as usize + 1).max().unwrap_or(0);
        &self.embeddings[..n_runs.min(self.embeddings.len())]
    }
}

/// A tensor in the inference record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorRecord {
    /// Run of the model it belongs to, from 0: there are several for `images = "each"`.
    pub run: u32,
    /// Name in the ONNX graph.
    pub tensor: String,
    /// Axes.
    pub shape: Vec<usize>,
    /// Digest of the tensor as a tensor file ([`hilum_registry::Tensor::encode`]).
    pub digest: Digest,
    /// The values, when there are at most [`RAW_VALUES_MAX`].
    pub values: Option<Vec<f64>>,
}

/// Raw outputs of up to this many values are kept in the record.
pub const RAW_VALUES_MAX: usize = 1024;

/// Time per stage, summed over the runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Opening objects and decoding pixels.
    pub decode_us: u64,
    /// Preprocessing.
    pub preprocess_us: u64,
    /// Measuring the images.
    #[serde(default)]
    pub measure_us: u64,
    /// The model itself.
    pub model_us: u64,
    /// Postprocessing.
    pub postprocess_us: u64,
    /// From the call to the answer.
    pub total_us: u64,
}

/// Run a package on the instances of one series, given in the order of their instance numbers.
///
/// The work happens on a thread of its own. When the deadline passes it is told to stop (ONNX Runtime and tract both
/// end between two operators) and this function returns; a thread that does not end is left to finish alone.
///
/// # Errors
/// [`InferError::Deadline`] and [`InferError::Memory`] for limits; [`InferError::Images`] and [`InferError::Pixels`]
/// for images this package cannot read; [`InferError::Engine`] and [`InferError::Output`] for a failing model;
/// [`InferError::Defect`] instead of a panic.
pub fn run(
    package: &Arc<LoadedPackage>,
    instances: Vec<InstanceInput>,
    settings: &RunSettings,
) -> Result<InferenceOutcome, InferError> {
    let begun = Instant::now();
    let resources = package.manifest().resources;
    let own = Duration::from_secs(resources.deadline_seconds.into());
    let deadline = settings.deadline.map_or(own, |deadline| deadline.min(own));
    memory::check(package, &instances)?;
    let stop = StopSignal::new();
    let job = {
        let (package, stop, points) = (Arc::clone(package), stop.clone(), settings.operating_points.clone());
        move || carry_out(&package, &instances, &points, &stop)
    };
    let mut outcome = within(deadline, &stop, job)?;
    outcome.timings.total_us = micros(begun.elapsed());
    Ok(outcome)
}

/// Run a package once on tensors at hand, without preparing or interpreting anything: what the inference protocol asks.
///
/// Inputs are those the graph takes; every output the manifest names is answered. The package's own deadline holds.
///
/// # Errors
/// [`InferError::Deadline`]; [`InferError::Engine`] for a failing model; [`InferError::Defect`] instead of a panic.
pub fn run_tensors(package: &Arc<LoadedPackage>, inputs: Tensors) -> Result<Tensors, InferError> {
    let stop = StopSignal::new();
    let deadline = Duration::from_secs(package.manifest().resources.deadline_seconds.into());
    let job = {
        let (package, stop) = (Arc::clone(package), stop.clone());
        move || package.infer(&inputs, &stop)
    };
    within(deadline, &stop, job)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn carry_out(
    package: &LoadedPackage,
    instances: &[InstanceInput],
    operating_points: &BTreeMap<String, f64>,
    stop: &StopSignal,
) -> Result<InferenceOutcome, InferError> {
    let manifest = package.manifest();
    let mut state = State::new(package);
    if manifest.is_volume() {
        let begun = Instant::now();
        let series = instances.iter().map(Opened::new).collect::<Result<Vec<_>, _>>()?;
        state.timings.decode_us += micros(begun.elapsed());
        let mut measuring = Measuring::of_volume(&series);
        let inputs = state.timed(|| {
            // The first input's images are measured; further ones are prepared from the same.
            let mut measuring = Some(&mut measuring);
            let prepare = |spec| prepare::prepare_volume(spec, &series, measuring.take(), stop);
            manifest.inputs.iter().map(prepare).collect::<Result<_, _>>()
        })?;
        state.timings.preprocess_us = state.timings.preprocess_us.saturating_sub(micros(measuring.time()));
        state.measured(measuring);
        state.infer(inputs, stop)?;
    } else {
        let each = manifest.inputs.iter().any(|input| input.images == ImageChoice::Each);
        let mut measuring = Measuring::of_images(instances, each);
        'instances: for instance in instances {
            let begun = Instant::now();
            let opened = Opened::new(instance)?;
            state.timings.decode_us += micros(begun.elapsed());
            for index in 0..opened.frames() {
                let begun = Instant::now();
                let frame = opened.frame(index)?;
                state.timings.decode_us += micros(begun.elapsed());
                measuring.take(&frame);
                let inputs = state.timed(|| prepare::prepare_images(&manifest.inputs, frame))?;
                state.infer(inputs, stop)?;
                if !each {
                    break 'instances;
                }
            }
        }
        state.measured(measuring);
    }
    state.finish(operating_points)
}

/// One run on inputs at hand, to its raw and final output: what golden cases record.
pub(crate) fn run_prepared(
    package: &LoadedPackage,
    prepared: Vec<Prepared>,
    stop: &StopSignal,
) -> Result<(Tensors, ModelOutput), InferError> {
    let mut state = State::new(package);
    state.infer(prepared, stop)?;
    let output = output::interpret(package.manifest(), &state.runs, &BTreeMap::new())?;
    let run = state.runs.pop().ok_or_else(|| InferError::Images("there are no images".to_owned()))?;
    Ok((run.raw, output))
}

/// Prepare the inputs of a single run from the images of a golden case.
pub(crate) fn prepare_case(package: &LoadedPackage, instances: &[InstanceInput]) -> Result<Vec<Prepared>, InferError> {
    let stop = StopSignal::new();
    let series = instances.iter().map(Opened::new).collect::<Result<Vec<_>, _>>()?;
    let frames: u32 = series.iter().map(Opened::frames).sum();
    let prepare = |spec: &InputSpec| match (spec.images, series.first()) {
        (ImageChoice::Volume, _) => prepare::prepare_volume(spec, &series, None, &stop),
        (_, Some(first)) if frames == 1 => prepare::prepare_image(spec, first.frame(0)?),
        _ => Err(InferError::Images(format!("a golden case takes one image, this one has {frames}"))),
    };
    package.manifest().inputs.iter().map(prepare).collect()
}

struct State<'a> {
    package: &'a LoadedPackage,
    timings: Timings,
    inputs: Vec<TensorRecord>,
    raw: Vec<TensorRecord>,
    embeddings: Vec<Vec<f32>>,
    features: SeriesFeatures,
    runs: Vec<RunOutput>,
}

impl<'a> State<'a> {
    fn new(package: &'a LoadedPackage) -> State<'a> {
        let (inputs, raw, embeddings, features, runs) = Default::default();
        State { package, timings: Timings::default(), inputs, raw, embeddings, features, runs }
    }

    /// Prepare, and count the time as preprocessing except what decoding took.
    fn timed(&mut self, work: impl FnOnce() -> Result<Vec<Prepared>, InferError>) -> Result<Vec<Prepared>, InferError> {
        let begun = Instant::now();
        let prepared = work()?;
        let decode: Duration = prepared.iter().map(|p| p.decode).sum();
        self.timings.decode_us += micros(decode);
        self.timings.preprocess_us += micros(begun.elapsed().saturating_sub(decode));
        Ok(prepared)
    }

    fn measured(&mut self, measuring: Measuring) {
        self.timings.measure_us += micros(measuring.time());
        self.features = measuring.finish();
    }

    fn infer(&mut self, prepared: Vec<Prepared>, stop: &StopSignal) -> Result<(), InferError> {
        if stop.is_stopped() {
            return Err(InferError::Images("stopped".to_owned()));
        }
        let run = self.runs.len() as u32;
        let mut tensors = Tensors::new();
        let mut place = None;
        for (spec, prepared) in self.package.manifest().inputs.iter().zip(prepared) {
            check_shape(self.package, spec, prepared.tensor.shape())?;
            place.get_or_insert((prepared.grid, prepared.slices, prepared.slice_step_mm));
            tensors.insert(spec.tensor.clone(), prepared.tensor);
        }
        let (grid, slices, slice_step_mm) =
            place.ok_or_else(|| InferError::Images("the package has no input".to_owned()))?;
        let begun = Instant::now();
        let raw = self.package.infer(&tensors, stop)?;
        self.timings.model_us += micros(begun.elapsed());
        self.inputs.extend(records(run, &tensors));
        self.raw.extend(records(run, &raw));
        self.runs.push(RunOutput { raw, grid, slices, slice_step_mm });
        Ok(())
    }

    fn finish(mut self, operating_points: &BTreeMap<String, f64>) -> Result<InferenceOutcome, InferError> {
        if self.runs.is_empty() {
            return Err(InferError::Images("there are no images".to_owned()));
        }
        let begun = Instant::now();
        let output = output::interpret(self.package.manifest(), &self.runs, operating_points)?;
        for spec in &self.package.manifest().outputs {
            if let OutputSpec::Embedding(embedding) = spec {
                for tensor in self.runs.iter().filter_map(|run| run.raw.get(&embedding.tensor)) {
                    let vector: Vec<f32> = tensor.to_f64().into_iter().map(|value| value as f32).collect();
                    if let Some(place) = vector.iter().position(|value| !value.is_finite()) {
                        let (name, place) = (&embedding.tensor, place + 1);
                        return Err(InferError::Output(format!("number {place} of embedding {name:?} is not finite")));
                    }
                    self.embeddings.push(vector);
                }
            }
        }
        self.timings.postprocess_us += micros(begun.elapsed());
        Ok(InferenceOutcome {
            output,
            package_digest: self.package.digest(),
            engine: self.package.engine(),
            inputs: self.inputs,
            raw: self.raw,
            embeddings: self.embeddings,
            features: self.features,
            timings: self.timings,
        })
    }
}

fn records(run: u32, tensors: &Tensors) -> impl Iterator<Item = TensorRecord> {
    tensors.iter().map(move |(name, tensor)| TensorRecord {
        run,
        tensor: name.clone(),
        shape: tensor.shape().to_vec(),
        digest: Digest::of(&tensor.encode()),
        values: (tensor.data().len() <= RAW_VALUES_MAX).then(|| tensor.to_f64()),
    })
}

/// The graph's fixed axes must be those of the prepared tensor; engines say so less plainly.
fn check_shape(package: &LoadedPackage, spec: &InputSpec, shape: &[usize]) -> Result<(), InferError> {
    let stated = package.graph().inputs.iter().find(|input| input.name == spec.tensor).and_then(|i| i.dims.as_ref());
    let Some(stated) = stated else { return Ok(()) };
    let fits = |(dim, axis): (&OnnxDim, &usize)| !matches!(dim, OnnxDim::Fixed(n) if *n != *axis as u64);
    if stated.len() == shape.len() && stated.iter().zip(shape).all(fits) {
        return Ok(());
    }
    let name = &spec.tensor;
    Err(InferError::Images(format!("input {name:?} is prepared to {shape:?}, the graph takes another shape")))
}
