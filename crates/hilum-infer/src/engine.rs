//! Engines that run ONNX graphs, behind one trait.

mod elsewhere;
mod ort;
mod table;
mod tract;

pub use self::ort::OrtEngine;
pub use self::table::TableEngine;
pub use self::tract::TractEngine;

use crate::InferError;
use elsewhere::Elsewhere;
use hilum_registry::Tensor;
use hilum_registry::manifest::{Manifest, OipRuntime, Runtime};
use hilum_registry::package::onnx::OnnxSummary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Which program computed an output: part of the inference record (MV-19).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EngineInfo {
    /// `onnxruntime`, `tract` or `table`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl fmt::Display for EngineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// A model to load.
#[derive(Debug, Clone, Copy)]
pub struct ModelSpec<'a> {
    /// The ONNX protobuf.
    pub bytes: &'a [u8],
    /// What it says about itself.
    pub graph: &'a OnnxSummary,
    /// Names of the output tensors wanted.
    pub outputs: &'a [String],
    /// Threads one run may use.
    pub threads: u32,
    /// Whether its tensors are so large that memory is handed back after each run.
    pub volume: bool,
}

/// Named tensors.
pub type Tensors = BTreeMap<String, Tensor>;

/// Something that loads ONNX graphs.
pub trait Engine: Send + Sync {
    /// Name and version.
    fn info(&self) -> EngineInfo;

    /// Make a session; one run at a time goes through it.
    ///
    /// # Errors
    /// [`InferError::Engine`] when the engine cannot run this graph.
    fn load(&self, model: ModelSpec<'_>) -> Result<Box<dyn Session>, InferError>;
}

/// A loaded model, owned by one worker at a time.
pub trait Session: Send {
    /// Run once. Every output asked for at loading is in the result.
    ///
    /// # Errors
    /// [`InferError::Engine`], also when `stop` fired.
    fn run(&mut self, inputs: &Tensors, stop: &StopSignal) -> Result<Tensors, InferError>;
}

/// Tells a run to end early; engines look at it as often as they can.
#[derive(Clone, Default)]
pub struct StopSignal(Arc<StopState>);

type Hook = Box<dyn Fn() + Send>;

#[derive(Default)]
struct StopState {
    stopped: AtomicBool,
    hook: Mutex<Option<Hook>>,
}

impl StopSignal {
    /// A signal that has not fired.
    pub fn new() -> StopSignal {
        StopSignal::default()
    }

    /// Fire.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        if let Some(hook) = &*self.hook() {
            hook();
        }
    }

    /// Whether it has fired.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// Call `hook` when it fires, at once if it has; replaces the former hook.
    pub fn on_stop(&self, hook: impl Fn() + Send + 'static) {
        let mut slot = self.hook();
        if self.is_stopped() {
            hook();
        }
        *slot = Some(Box::new(hook));
    }

    /// Forget the hook.
    pub fn clear(&self) {
        *self.hook() = None;
    }

    fn hook(&self) -> std::sync::MutexGuard<'_, Option<Hook>> {
        self.0.hook.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StopSignal").field(&self.is_stopped()).finish()
    }
}

/// Where to look for engines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineConfig {
    /// Path of ONNX Runtime's library; looked for when not given.
    pub onnx_runtime: Option<PathBuf>,
    /// Use the built-in engine even where ONNX Runtime is found.
    pub built_in_only: bool,
}

/// The engines of this process, the preferred one first; there is always one.
#[derive(Clone)]
pub struct Engines {
    all: Vec<Arc<dyn Engine>>,
    notes: Vec<String>,
    remote: Option<RemoteConnect>,
}

/// Makes the engine of a model that a server elsewhere runs; see [`Engines::with_remote`].
pub type RemoteConnect = fn(&OipRuntime) -> Arc<dyn Engine>;

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|engine| engine.info())).finish()
    }
}

impl Engines {
    /// ONNX Runtime where its library is found, and tract, which is compiled in. Never fails.
    pub fn discover(config: &EngineConfig) -> Engines {
        let mut engines = Engines { all: Vec::new(), notes: Vec::new(), remote: None };
        if config.built_in_only {
            engines.notes.push("ONNX Runtime was not looked for, as configured".to_owned());
        } else {
            match OrtEngine::discover(config.onnx_runtime.as_deref()) {
                Ok(engine) => engines.all.push(Arc::new(engine)),
                Err(tried) => engines.notes = tried,
            }
        }
        engines.all.push(Arc::new(TractEngine));
        engines
    }

    /// These engines, the preferred one first.
    ///
    /// # Panics
    /// Never: an empty list gets the built-in engine.
    pub fn of(all: Vec<Arc<dyn Engine>>) -> Engines {
        let all = if all.is_empty() { vec![Arc::new(TractEngine) as Arc<dyn Engine>] } else { all };
        Engines { all, notes: Vec::new(), remote: None }
    }

    /// Also run packages whose manifest names a server of the inference protocol.
    pub fn with_remote(self, connect: RemoteConnect) -> Engines {
        Engines { remote: Some(connect), ..self }
    }

    /// The engines that may run a package: those of this process, or the one its `[runtime]` names.
    pub fn of_package(&self, manifest: &Manifest) -> Engines {
        let engine: Arc<dyn Engine> = match (&manifest.runtime, self.remote) {
            (None, _) => return self.clone(),
            (Some(Runtime::Oip(oip)), Some(connect)) => connect(oip),
            (Some(Runtime::Oip(_)), None) => Arc::new(Elsewhere::new("oip", "no client is built into this program")),
            (Some(Runtime::DicomNode(_)), _) => Arc::new(Elsewhere::new("dicom-node", "it takes objects, not tensors")),
        };
        Engines::of(vec![engine])
    }

    /// The engine that runs models.
    pub fn preferred(&self) -> &Arc<dyn Engine> {
        &self.all[0]
    }

    /// Every engine, the preferred one first.
    pub fn all(&self) -> &[Arc<dyn Engine>] {
        &self.all
    }

    /// What `hilum check` says: the engine in use, and how to get the faster one.
    pub fn report(&self) -> EngineReport {
        let in_use = self.preferred().info();
        let advice = (in_use.name == tract::NAME).then(|| ORT_ADVICE.to_owned());
        EngineReport {
            in_use,
            available: self.all.iter().map(|e| e.info()).collect(),
            notes: self.notes.clone(),
            advice,
        }
    }
}

/// How a person gets the faster engine.
const ORT_ADVICE: &str = "models run on the built-in engine, which is 2 to 9 times slower than ONNX Runtime; to use \
    ONNX Runtime 1.24 or later, install the Python wheel `onnxruntime`, the package of your distribution or the \
    archive of its makers, and name libonnxruntime.so in [inference] onnx_runtime or in ORT_DYLIB_PATH, or put it \
    beside the hilum program";

/// Which engine is in use, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineReport {
    /// The engine that runs models.
    pub in_use: EngineInfo,
    /// All engines.
    pub available: Vec<EngineInfo>,
    /// What was tried without success.
    pub notes: Vec<String>,
    /// What a person can do to get the faster one.
    pub advice: Option<String>,
}

impl fmt::Display for EngineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inference engine: {}", self.in_use)?;
        self.notes.iter().try_for_each(|note| write!(f, "\n  {note}"))?;
        self.advice.iter().try_for_each(|advice| write!(f, "\n  {advice}"))
    }
}
