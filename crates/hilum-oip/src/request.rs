//! Tensors off the wire against what the model says it takes: the one place where both protocols are checked.

use crate::binary::{Body, Tail};
use crate::number::Number;
use crate::wire::{InferRequest, Parameters, shown};
use crate::{Datatype, ModelDescription, OipError, TENSORS_MAX, TensorSpec};
use bytes::Bytes;
use hilum_infer::Tensors;
use hilum_registry::Tensor;
use std::collections::BTreeSet;

/// Most characters of a request `id`.
const ID_MAX: usize = 256;

/// An inference as asked for, whatever the protocol.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: Option<String>,
    pub(crate) inputs: Vec<Input>,
    /// Wanted outputs, each with whether its bytes follow the JSON; empty: all.
    pub(crate) outputs: Vec<(String, Option<bool>)>,
    /// How outputs travel that say nothing themselves.
    pub(crate) binary_output: bool,
}

/// An input tensor off the wire.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) datatype: String,
    pub(crate) shape: Vec<i64>,
    pub(crate) elements: Elements,
}

/// Elements of an input.
#[derive(Debug)]
pub(crate) enum Elements {
    /// JSON numbers, or typed contents of gRPC.
    Numbers(Vec<Number>),
    /// Little-endian bytes.
    Bytes(Bytes),
}

/// Read the body of an HTTP inference for a model of that description.
///
/// # Errors
/// [`OipError`] for the first thing that is wrong with it.
pub(crate) fn read_http(body: Body, model: &ModelDescription) -> Result<Asked, OipError> {
    let (json, tensors) = match body {
        Body::Raw(bytes) => return raw(bytes, model),
        Body::Json(json) => (json, None),
        Body::Mixed { json, tensors } => (json, Some(tensors)),
    };
    let request: InferRequest = serde_json::from_slice(&json)
        .map_err(|error| OipError::invalid(format!("the request is not an inference request: {error}")))?;
    check_count("inputs", request.inputs.len())?;
    check_count("outputs", request.outputs.len())?;
    refuse_unsupported(&request.parameters)?;
    let mut tail = Tail::new(tensors.unwrap_or_default());
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for input in request.inputs {
        refuse_unsupported(&input.parameters)?;
        let elements = match (input.data, input.parameters.binary_data_size) {
            (Some(numbers), None) => Elements::Numbers(numbers.0),
            (None, Some(size)) => Elements::Bytes(tail.take(&input.name, size)?),
            (Some(_), Some(_)) => return Err(input_error(&input.name, "has both data and binary_data_size")),
            (None, None) => return Err(input_error(&input.name, "has neither data nor binary_data_size")),
        };
        inputs.push(Input { name: input.name, datatype: input.datatype, shape: input.shape, elements });
    }
    tail.end()?;
    let mut outputs = Vec::with_capacity(request.outputs.len());
    for output in request.outputs {
        refuse_unsupported(&output.parameters)?;
        outputs.push((output.name, output.parameters.binary_data));
    }
    let binary_output = request.parameters.binary_data_output.unwrap_or(false);
    Ok(Asked { id: check_id(request.id)?, inputs, outputs, binary_output })
}

/// Header value 0: the body is the only input; at most one of its axes may be open, and is as long as the bytes say.
fn raw(bytes: Bytes, model: &ModelDescription) -> Result<Asked, OipError> {
    let [spec] = model.inputs.as_slice() else {
        let n = model.inputs.len();
        return Err(OipError::invalid(format!("a raw body is for models with one input, this one has {n}")));
    };
    let fixed = spec.shape.iter().filter(|axis| 0 <= **axis).try_fold(1u64, |n, axis| n.checked_mul(*axis as u64));
    let open = spec.shape.iter().filter(|axis| **axis < 0).count();
    let row = fixed.and_then(|n| n.checked_mul(spec.datatype.size() as u64)).filter(|row| 0 < *row);
    let Some(row) = row.filter(|row| open <= 1 && (bytes.len() as u64).is_multiple_of(*row)) else {
        return Err(input_error(&spec.name, "does not follow from the length of a raw body; give its shape in JSON"));
    };
    let length = (bytes.len() as u64 / row) as i64;
    let shape = spec.shape.iter().map(|axis| if *axis < 0 { length } else { *axis }).collect();
    let (name, datatype) = (spec.name.clone(), spec.datatype.name().to_owned());
    let input = Input { name, datatype, shape, elements: Elements::Bytes(bytes) };
    Ok(Asked { id: None, inputs: vec![input], outputs: Vec::new(), binary_output: true })
}

/// Refuse more tensors than anybody needs.
pub(crate) fn check_count(what: &str, n: usize) -> Result<(), OipError> {
    if TENSORS_MAX < n {
        return Err(OipError::TooLarge(format!("{n} {what}; {TENSORS_MAX} are the most")));
    }
    Ok(())
}

/// Refuse an id that is longer than one.
pub(crate) fn check_id(id: Option<String>) -> Result<Option<String>, OipError> {
    match id {
        Some(id) if ID_MAX < id.len() => Err(OipError::invalid(format!("id is over {ID_MAX} bytes"))),
        id => Ok(id.filter(|id| !id.is_empty())),
    }
}

fn refuse_unsupported(parameters: &Parameters) -> Result<(), OipError> {
    let refused = [
        ("shared_memory_region", parameters.shared_memory_region.is_some()),
        ("classification", parameters.classification.is_some()),
        // Triton's client sends 0 for "no sequence".
        ("sequence_id", parameters.sequence_id.as_ref().is_some_and(|id| *id != 0)),
    ];
    match refused.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(OipError::invalid(format!("parameter {name} is not offered here"))),
        None => Ok(()),
    }
}

fn input_error(name: &str, problem: &str) -> OipError {
    OipError::invalid(format!("input {:?} {problem}", shown(name)))
}

impl Asked {
    /// The input tensors, checked against the description: every input once, and nothing else.
    ///
    /// # Errors
    /// [`OipError::Invalid`] naming the tensor.
    pub(crate) fn tensors(&mut self, model: &ModelDescription) -> Result<Tensors, OipError> {
        let mut tensors = Tensors::new();
        for input in std::mem::take(&mut self.inputs) {
            let Some(spec) = model.inputs.iter().find(|spec| spec.name == input.name) else {
                let known: Vec<String> = model.inputs.iter().map(|spec| format!("{:?}", spec.name)).collect();
                return Err(input_error(
                    &input.name,
                    &format!("is not one of the model, which takes {}", known.join(", ")),
                ));
            };
            let tensor = tensor(input, spec)?;
            if tensors.insert(spec.name.clone(), tensor).is_some() {
                return Err(input_error(&spec.name, "is given twice"));
            }
        }
        match model.inputs.iter().find(|spec| !tensors.contains_key(&spec.name)) {
            Some(spec) => Err(input_error(&spec.name, "is missing")),
            None => Ok(tensors),
        }
    }

    /// Names of the outputs to answer, in order, each with whether it travels as bytes.
    ///
    /// # Errors
    /// [`OipError::Invalid`] for an output the model does not have, or one asked for twice.
    pub(crate) fn wanted(&self, model: &ModelDescription) -> Result<Vec<(String, bool)>, OipError> {
        if self.outputs.is_empty() {
            return Ok(model.outputs.iter().map(|spec| (spec.name.clone(), self.binary_output)).collect());
        }
        let mut seen = BTreeSet::new();
        for (name, _) in &self.outputs {
            if !model.outputs.iter().any(|spec| spec.name == *name) {
                let known: Vec<String> = model.outputs.iter().map(|spec| format!("{:?}", spec.name)).collect();
                let text = format!("output {:?} is not one of the model, which has {}", shown(name), known.join(", "));
                return Err(OipError::invalid(text));
            }
            if !seen.insert(name) {
                return Err(OipError::invalid(format!("output {:?} is asked for twice", shown(name))));
            }
        }
        Ok(self.outputs.iter().map(|(name, binary)| (name.clone(), binary.unwrap_or(self.binary_output))).collect())
    }
}

fn tensor(input: Input, spec: &TensorSpec) -> Result<Tensor, OipError> {
    let datatype = Datatype::from_name(&input.datatype)?;
    if datatype != spec.datatype {
        return Err(input_error(&spec.name, &format!("is {datatype}, the model takes {}", spec.datatype)));
    }
    let fits = input.shape.len() == spec.shape.len()
        && input.shape.iter().zip(&spec.shape).all(|(given, axis)| 0 <= *given && (*axis < 0 || axis == given));
    let shape: Option<Vec<usize>> = input.shape.iter().map(|axis| usize::try_from(*axis).ok()).collect();
    let Some(shape) = shape.filter(|_| fits) else {
        let given: Vec<i64> = input.shape.iter().take(16).copied().collect();
        return Err(input_error(&spec.name, &format!("has shape {given:?}, the model takes {:?}", spec.shape)));
    };
    let data = match &input.elements {
        Elements::Numbers(numbers) => datatype.from_numbers(numbers)?,
        Elements::Bytes(bytes) => datatype.decode(bytes)?,
    };
    Tensor::new(shape, data).map_err(|error| input_error(&spec.name, &format!("does not fill its shape: {error}")))
}
