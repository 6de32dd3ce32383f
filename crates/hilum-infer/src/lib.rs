//! Seam: declared preprocessing, inference engines and postprocessing.
//!
//! A package says how pixels become tensors and what the outputs mean; this crate carries that out on ONNX Runtime
//! where its library is found and on the engine compiled in otherwise. Nothing here decides whether a model may run.

pub mod engine;
mod error;
mod golden;
mod guard;
mod measure;
mod memory;
mod output;
mod package;
mod prepare;
mod run;

pub use engine::{Engine, EngineConfig, EngineInfo, EngineReport, Engines, Session, StopSignal, Tensors};
pub use error::{InferError, InferErrorKind};
pub use golden::{GoldenInput, record_golden};
pub use measure::measure_series;
pub use package::{FolderPackage, LoadedPackage, load_package, register_package};
pub use run::{InferenceOutcome, InstanceInput, RAW_VALUES_MAX, RunSettings, TensorRecord, Timings, run, run_tensors};
