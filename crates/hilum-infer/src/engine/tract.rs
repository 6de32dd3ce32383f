use super::{Engine, EngineInfo, ModelSpec, Session, StopSignal, Tensors};
use crate::InferError;
use crate::guard::no_panic;
use hilum_registry::{Tensor, TensorData};
use std::collections::BTreeMap;
use std::sync::Arc;
use tract_onnx::prelude::*;
use tract_onnx::tract_core;

pub(super) const NAME: &str = "tract";

/// Release of the crate compiled in; a test compares it with Cargo.lock.
const VERSION: &str = "0.23";

/// The engine compiled in: slower than ONNX Runtime, but always there.
///
/// It never sees more than one case at a time: a batch of 8 costs it more than 8 single cases.
#[derive(Debug, Clone, Copy, Default)]
pub struct TractEngine;

impl Engine for TractEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: NAME.to_owned(), version: VERSION.to_owned() }
    }

    fn load(&self, model: ModelSpec<'_>) -> Result<Box<dyn Session>, InferError> {
        let graph = no_panic(|| parse(&model)).map_err(failed)?.map_err(failed)?;
        Ok(Box::new(TractSession { graph, outputs: model.outputs.to_vec(), plan: None }))
    }
}

fn failed(problem: String) -> InferError {
    InferError::Engine { engine: TractEngine.info().to_string(), problem }
}

/// The parsed graph with only the wanted outputs, in the order of `model.outputs`.
fn parse(model: &ModelSpec<'_>) -> Result<InferenceModel, String> {
    let mut bytes = model.bytes;
    // Stated shapes carry symbols such as `n`, which contradict the concrete sizes set before a run.
    let reader = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let mut graph = reader.model_for_read(&mut bytes).map_err(words)?;
    let outlets = graph.output_outlets().map_err(words)?.to_vec();
    let mut wanted = Vec::with_capacity(model.outputs.len());
    for name in model.outputs {
        let position = model.graph.outputs.iter().position(|output| &output.name == name);
        let outlet = position.and_then(|position| outlets.get(position));
        wanted.push(*outlet.ok_or_else(|| format!("output {name:?} is not in the graph"))?);
    }
    graph.select_output_outlets(&wanted).map_err(words)?;
    Ok(graph)
}

/// An error with its causes.
fn words(error: TractError) -> String {
    format!("{error:#}")
}

type Plan = Arc<TypedRunnableModel>;

struct TractSession {
    graph: InferenceModel,
    outputs: Vec<String>,
    /// The plan for the input shapes of the last run: sizes are fixed when a plan is made.
    plan: Option<(BTreeMap<String, Vec<usize>>, Plan)>,
}

impl Session for TractSession {
    fn run(&mut self, inputs: &Tensors, stop: &StopSignal) -> Result<Tensors, InferError> {
        no_panic(|| self.run_once(inputs, stop)).map_err(failed)?.map_err(failed)
    }
}

impl TractSession {
    fn run_once(&mut self, inputs: &Tensors, stop: &StopSignal) -> Result<Tensors, String> {
        let plan = self.plan_for(inputs)?;
        let mut values = TVec::new();
        for outlet in plan.model().input_outlets().map_err(words)? {
            let name = &plan.model().node(outlet.node).name;
            let tensor = inputs.get(name).ok_or_else(|| format!("input {name:?} is missing"))?;
            values.push(to_tract(tensor).map_err(words)?.into());
        }
        let mut state = plan.spawn().map_err(words)?;
        let outputs = state
            .run_plan_with_eval(values, |context, op_state, node, inputs| {
                if stop.is_stopped() {
                    return Err(TractError::msg("stopped"));
                }
                tract_core::plan::eval(context, op_state, node, inputs)
            })
            .map_err(words)?;
        let mut tensors = Tensors::new();
        for (name, value) in self.outputs.iter().zip(&outputs) {
            tensors.insert(name.clone(), from_tract(name, value)?);
        }
        Ok(tensors)
    }

    fn plan_for(&mut self, inputs: &Tensors) -> Result<Plan, String> {
        let shapes: BTreeMap<String, Vec<usize>> =
            inputs.iter().map(|(name, tensor)| (name.clone(), tensor.shape().to_vec())).collect();
        if let Some((known, plan)) = &self.plan
            && known == &shapes
        {
            return Ok(Arc::clone(plan));
        }
        let mut graph = self.graph.clone();
        for (position, outlet) in self.graph.input_outlets().map_err(words)?.iter().enumerate() {
            let name = &self.graph.node(outlet.node).name;
            let tensor = inputs.get(name).ok_or_else(|| format!("input {name:?} is missing"))?;
            let fact = InferenceFact::dt_shape(datum_type(tensor), tensor.shape());
            graph.set_input_fact(position, fact).map_err(words)?;
        }
        let plan = graph.into_optimized().and_then(|model| model.into_runnable()).map_err(words)?;
        self.plan = Some((shapes, Arc::clone(&plan)));
        Ok(plan)
    }
}

fn datum_type(tensor: &Tensor) -> DatumType {
    match tensor.data() {
        TensorData::F32(_) => DatumType::F32,
        TensorData::U8(_) => DatumType::U8,
        TensorData::I64(_) => DatumType::I64,
    }
}

fn to_tract(tensor: &Tensor) -> TractResult<tract_onnx::prelude::Tensor> {
    let shape = tensor.shape();
    match tensor.data() {
        TensorData::F32(values) => tract_onnx::prelude::Tensor::from_shape(shape, values),
        TensorData::U8(values) => tract_onnx::prelude::Tensor::from_shape(shape, values),
        TensorData::I64(values) => tract_onnx::prelude::Tensor::from_shape(shape, values),
    }
}

fn from_tract(name: &str, value: &TValue) -> Result<Tensor, String> {
    let plain = value.try_as_plain_ram().map_err(words)?;
    let data = match value.datum_type() {
        DatumType::F32 => TensorData::F32(plain.as_slice::<f32>().map_err(words)?.to_vec()),
        DatumType::U8 => TensorData::U8(plain.as_slice::<u8>().map_err(words)?.to_vec()),
        DatumType::I64 => TensorData::I64(plain.as_slice::<i64>().map_err(words)?.to_vec()),
        other => return Err(format!("output {name:?} is {other:?}; float32, uint8 and int64 are read")),
    };
    Tensor::new(value.shape().to_vec(), data).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn version_is_that_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        let entry = lock.split("[[package]]").find(|entry| entry.contains("name = \"tract-onnx\"")).unwrap();
        assert!(entry.contains(&format!("version = \"{}.", super::VERSION)), "{entry}");
    }
}
