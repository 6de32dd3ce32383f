use super::{Engine, EngineInfo, ModelSpec, Session, StopSignal, Tensors};
use crate::InferError;
use crate::guard::no_panic;
use hilum_registry::{Tensor, TensorData};
use ort::environment::Environment;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{RunOptions, SessionInputValue};
use ort::value::{DynValue, TensorElementType, TensorRef, ValueType};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NAME: &str = "onnxruntime";

/// ONNX Runtime, from a library found at run time. A process holds one; the first that loads stays.
pub struct OrtEngine {
    environment: Environment,
    version: String,
}

impl OrtEngine {
    /// Load the library: `configured` only when given, else `ORT_DYLIB_PATH`, beside this program, the system's.
    ///
    /// # Errors
    /// One line for each place that was tried.
    pub fn discover(configured: Option<&Path>) -> Result<OrtEngine, Vec<String>> {
        let mut tried = Vec::new();
        for (place, path) in candidates(configured) {
            match no_panic(|| OrtEngine::open(&path)) {
                Ok(Ok(engine)) => {
                    tracing::info!(library = %path.display(), version = engine.version, "ONNX Runtime loaded");
                    return Ok(engine);
                }
                Ok(Err(problem)) | Err(problem) => tried.push(format!("{place} ({}): {problem}", path.display())),
            }
        }
        if tried.is_empty() {
            tried.push("no library of ONNX Runtime was found beside the program or on the system".to_owned());
        }
        Err(tried)
    }

    fn open(path: &Path) -> Result<OrtEngine, String> {
        let environment = ort::init_from(path)
            .map_err(|e| e.to_string())?
            .with_name("hilum")
            .with_telemetry(false)
            .build()
            .map_err(|e| e.to_string())?;
        environment.set_log_level(ort::logging::LogLevel::Error);
        Ok(OrtEngine { environment, version: version() })
    }
}

/// The release, from `git-branch=rel-1.32.0` of the build information; what else stands there is not a release.
fn version() -> String {
    let info = ort::info();
    let branch = info.split("git-branch=").nth(1).and_then(|rest| rest.split([',', ' ']).next()).unwrap_or(info);
    branch.strip_prefix("rel-").unwrap_or(branch).chars().take(64).collect()
}

fn candidates(configured: Option<&Path>) -> Vec<(&'static str, PathBuf)> {
    if let Some(path) = configured {
        return vec![("configured path", path.to_owned())];
    }
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return vec![("ORT_DYLIB_PATH", path.into())];
    }
    let mut found = Vec::new();
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    found.extend(beside.iter().flat_map(|folder| libraries(folder)).map(|path| ("beside the program", path)));
    let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    for folder in ["/usr/local/lib", multiarch.as_str(), "/usr/lib64", "/usr/lib", "/opt/onnxruntime/lib"] {
        found.extend(libraries(Path::new(folder)).into_iter().map(|path| ("system", path)));
    }
    found
}

/// Libraries named like ONNX Runtime in a folder, the plain name first.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let named = |name: &str| {
        name == "onnxruntime.dll" || name == "libonnxruntime.dylib" || name.starts_with("libonnxruntime.so")
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(named))
        .collect();
    found.sort();
    found
}

impl Engine for OrtEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: NAME.to_owned(), version: self.version.clone() }
    }

    fn load(&self, model: ModelSpec<'_>) -> Result<Box<dyn Session>, InferError> {
        let failed = |problem: String| InferError::Engine { engine: self.info().to_string(), problem };
        let session = no_panic(|| self.session(&model)).map_err(failed)?.map_err(failed)?;
        Ok(Box::new(OrtSession { engine: self.info(), session, outputs: model.outputs.to_vec(), volume: model.volume }))
    }
}

impl OrtEngine {
    fn session(&self, model: &ModelSpec<'_>) -> Result<ort::session::Session, String> {
        let words = |e: ort::Error<SessionBuilder>| e.to_string();
        let builder = ort::session::Session::builder(&self.environment).map_err(|e| e.to_string())?;
        let builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(words)?;
        let builder = builder.with_intra_threads(model.threads as usize).map_err(words)?;
        let builder = builder.with_inter_threads(1).map_err(words)?;
        let mut builder = builder.with_intra_op_spinning(false).map_err(words)?;
        builder.commit_from_memory(model.bytes).map_err(|e| e.to_string())
    }
}

struct OrtSession {
    engine: EngineInfo,
    session: ort::session::Session,
    outputs: Vec<String>,
    volume: bool,
}

impl Session for OrtSession {
    fn run(&mut self, inputs: &Tensors, stop: &StopSignal) -> Result<Tensors, InferError> {
        let engine = self.engine.to_string();
        let failed = |problem: String| InferError::Engine { engine: engine.clone(), problem };
        let result = no_panic(|| self.run_once(inputs, stop));
        stop.clear();
        result.map_err(failed)?.map_err(failed)
    }
}

impl OrtSession {
    fn run_once(&mut self, inputs: &Tensors, stop: &StopSignal) -> Result<Tensors, String> {
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            values.push((Cow::Borrowed(name.as_str()), view(tensor).map_err(|e| e.to_string())?));
        }
        // All outputs are computed: options that select some cannot be shared with the thread that stops a run.
        let mut options = RunOptions::new().map_err(|e| e.to_string())?;
        if self.volume {
            options.set("memory.enable_memory_arena_shrinkage", "cpu:0").map_err(|e| e.to_string())?;
        }
        let options = Arc::new(options);
        let terminate = Arc::clone(&options);
        stop.on_stop(move || {
            if let Err(error) = terminate.terminate() {
                tracing::warn!(%error, "a run could not be told to stop");
            }
        });
        let outputs = self.session.run_with_options(values, &*options).map_err(|e| e.to_string())?;
        let mut tensors = Tensors::new();
        for name in &self.outputs {
            let value = outputs.get(name).ok_or_else(|| format!("output {name:?} is missing"))?;
            tensors.insert(name.clone(), read(name, value)?);
        }
        Ok(tensors)
    }
}

fn view(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    let shape = tensor.shape();
    Ok(match tensor.data() {
        TensorData::F32(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        TensorData::U8(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        TensorData::I64(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
    })
}

fn read(name: &str, value: &DynValue) -> Result<Tensor, String> {
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return Err(format!("output {name:?} is not a tensor"));
    };
    let shape: Option<Vec<usize>> = shape.iter().map(|axis| usize::try_from(*axis).ok()).collect();
    let shape = shape.ok_or_else(|| format!("output {name:?} has no definite shape"))?;
    let words = |e: ort::Error| e.to_string();
    let data = match ty {
        TensorElementType::Float32 => TensorData::F32(value.try_extract_tensor().map_err(words)?.1.to_vec()),
        TensorElementType::Uint8 => TensorData::U8(value.try_extract_tensor().map_err(words)?.1.to_vec()),
        TensorElementType::Int64 => TensorData::I64(value.try_extract_tensor().map_err(words)?.1.to_vec()),
        other => return Err(format!("output {name:?} is {other}; float32, uint8 and int64 are read")),
    };
    Tensor::new(shape, data).map_err(|e| e.to_string())
}
