//! A bounded reader of the ONNX protobuf: enough to refuse what a package must not hold, before an engine sees it.
//!
//! Field numbers are those of `onnx.proto3` (IR version 3 to 13). The whole message is walked, subgraphs and local
//! functions included; nothing is copied except names.

use std::fmt;

/// Element type codes of `TensorProto.DataType`.
pub const FLOAT: u64 = 1;
/// `UINT8`.
pub const UINT8: u64 = 2;
/// `INT64`.
pub const INT64: u64 = 7;

/// Deepest nesting of messages: a subgraph costs three.
pub const DEPTH_MAX: u32 = 48;
/// Most nodes, subgraphs included.
pub const NODES_MAX: u64 = 200_000;
/// Most protobuf fields in messages that are walked.
pub const FIELDS_MAX: u64 = 8_000_000;
/// Most elements of one initializer.
pub const ELEMENTS_MAX: u64 = 1 << 30;
/// Operator domains that engines know.
pub const DOMAINS: [&str; 3] = ["", "ai.onnx", "ai.onnx.ml"];

/// Length of an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnnxDim {
    /// Fixed.
    Fixed(u64),
    /// Chosen at run time; the name, when it has one.
    Dynamic(String),
}

/// An input or output of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxTensor {
    /// Name.
    pub name: String,
    /// `TensorProto.DataType`; 0 when not stated.
    pub element_type: u64,
    /// Axes; `None` when the graph does not state a shape.
    pub dims: Option<Vec<OnnxDim>>,
}

/// What a graph says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnnxSummary {
    /// Inputs without a stored value.
    pub inputs: Vec<OnnxTensor>,
    /// Outputs.
    pub outputs: Vec<OnnxTensor>,
    /// Operator sets: domain and version.
    pub opsets: Vec<(String, u64)>,
    /// Nodes, subgraphs included.
    pub nodes: u64,
    /// Bytes of all initializers and constants.
    pub weight_bytes: u64,
}

/// Why a graph is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnnxProblem {
    /// Not a well-formed ONNX protobuf.
    Malformed(&'static str),
    /// A limit is exceeded; the text names it.
    TooLarge(&'static str),
    /// Weights outside the file, of the tensor with this name.
    ExternalData(String),
    /// An operator domain that is not in [`DOMAINS`].
    Domain(String),
    /// A tensor whose bytes do not match its shape.
    Weights(String),
}

impl fmt::Display for OnnxProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnnxProblem::Malformed(what) => write!(f, "it is not an ONNX graph: {what}"),
            OnnxProblem::TooLarge(what) => write!(f, "the graph exceeds a limit: {what}"),
            OnnxProblem::ExternalData(name) => write!(f, "weights of {name:?} lie outside the file (external data)"),
            OnnxProblem::Domain(domain) => write!(f, "operators of the domain {domain:?} are not part of ONNX"),
            OnnxProblem::Weights(name) => write!(f, "the bytes of {name:?} do not match its shape"),
        }
    }
}

impl std::error::Error for OnnxProblem {}

impl OnnxProblem {
    /// What the maker of the package can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            OnnxProblem::Malformed(_) | OnnxProblem::Weights(_) => "export the model again",
            OnnxProblem::TooLarge(_) => "make the model smaller",
            OnnxProblem::ExternalData(_) => "save the model as one file (save_as_external_data=False)",
            OnnxProblem::Domain(_) => "export with standard operators only, and inline local functions",
        }
    }
}

type Result<T> = std::result::Result<T, OnnxProblem>;

/// Walk a model and refuse external data, foreign operators, absurd sizes and nesting.
///
/// # Errors
/// The first [`OnnxProblem`] found.
pub fn inspect(bytes: &[u8]) -> Result<OnnxSummary> {
    let mut walk = Walk { summary: OnnxSummary::default(), fields: 0 };
    walk.model(bytes)?;
    Ok(walk.summary)
}

/// A field of a message: its number and its value.
enum Field<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> Result<&'a [u8]> {
        match self {
            Field::Bytes(bytes) => Ok(bytes),
            _ => Err(OnnxProblem::Malformed("a message or text is expected where a number stands")),
        }
    }

    fn varint(&self) -> Result<u64> {
        match self {
            Field::Varint(value) => Ok(*value),
            _ => Err(OnnxProblem::Malformed("a number is expected where a message stands")),
        }
    }

    /// Text, cut to what is worth showing.
    fn text(&self) -> Result<String> {
        let bytes = self.bytes()?;
        let text = std::str::from_utf8(bytes).map_err(|_| OnnxProblem::Malformed("a name is not UTF-8"))?;
        if 1024 < text.len() {
            return Err(OnnxProblem::TooLarge("a name of more than 1024 bytes"));
        }
        Ok(text.to_owned())
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value: u64 = 0;
    for position in 0..10 {
        let (byte, rest) = bytes.split_first().ok_or(OnnxProblem::Malformed("it is cut off"))?;
        *bytes = rest;
        if position == 9 && 1 < *byte {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(OnnxProblem::Malformed("a number has more than 64 bits"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
    let length = length.ok_or(OnnxProblem::Malformed("a length runs past the end"))?;
    let (head, rest) = bytes.split_at(length);
    *bytes = rest;
    Ok(head)
}

struct Walk {
    summary: OnnxSummary,
    fields: u64,
}

impl Walk {
    /// Call `each` for every field of a message.
    fn message<'a>(
        &mut self,
        mut bytes: &'a [u8],
        depth: u32,
        mut each: impl FnMut(&mut Walk, u64, Field<'a>) -> Result<()>,
    ) -> Result<()> {
        if DEPTH_MAX < depth {
            return Err(OnnxProblem::TooLarge("messages nested more than 48 deep"));
        }
        while !bytes.is_empty() {
            self.fields += 1;
            if FIELDS_MAX < self.fields {
                return Err(OnnxProblem::TooLarge("more than 8 million fields"));
            }
            let key = varint(&mut bytes)?;
            let field = match key & 7 {
                0 => Field::Varint(varint(&mut bytes)?),
                1 => take(&mut bytes, 8).map(|_| Field::Fixed)?,
                2 => {
                    let length = varint(&mut bytes)?;
                    Field::Bytes(take(&mut bytes, length)?)
                }
                5 => take(&mut bytes, 4).map(|_| Field::Fixed)?,
                _ => return Err(OnnxProblem::Malformed("a field has a type that ONNX does not use")),
            };
            if key >> 3 == 0 {
                return Err(OnnxProblem::Malformed("a field has number 0"));
            }
            each(self, key >> 3, field)?;
        }
        Ok(())
    }

    fn model(&mut self, bytes: &[u8]) -> Result<()> {
        let mut graphs = 0;
        let mut ir_version = 0;
        self.message(bytes, 0, |walk, number, field| {
            match number {
                1 => ir_version = field.varint()?,
                7 => {
                    graphs += 1;
                    walk.graph(field.bytes()?, 1, true)?;
                }
                8 => {
                    let opset = walk.opset(field.bytes()?)?;
                    walk.summary.opsets.push(opset);
                }
                20 => return Err(OnnxProblem::Malformed("it holds training information")),
                25 => walk.function(field.bytes()?)?,
                _ => {}
            }
            Ok(())
        })?;
        // Protobuf would merge two graphs; a reader that takes one of them would see another model than we did.
        if graphs != 1 || !(3..=64).contains(&ir_version) {
            return Err(OnnxProblem::Malformed("it needs one graph and an IR version of 3 or more"));
        }
        if self.summary.opsets.is_empty() {
            return Err(OnnxProblem::Malformed("it names no operator set"));
        }
        Ok(())
    }

    fn opset(&mut self, bytes: &[u8]) -> Result<(String, u64)> {
        let mut opset = (String::new(), 0);
        self.message(bytes, 1, |_, number, field| {
            match number {
                1 => opset.0 = field.text()?,
                2 => opset.1 = field.varint()?,
                _ => {}
            }
            Ok(())
        })?;
        known_domain(&opset.0)?;
        Ok(opset)
    }

    fn function(&mut self, bytes: &[u8]) -> Result<()> {
        self.message(bytes, 1, |walk, number, field| {
            match number {
                7 => walk.node(field.bytes()?, 2)?,
                9 => {
                    walk.opset(field.bytes()?)?;
                }
                10 => known_domain(&field.text()?)?,
                11 => walk.attribute(field.bytes()?, 2)?,
                _ => {}
            }
            Ok(())
        })
    }

    fn graph(&mut self, bytes: &[u8], depth: u32, top: bool) -> Result<()> {
        let mut inputs: Vec<OnnxTensor> = Vec::new();
        let mut outputs: Vec<OnnxTensor> = Vec::new();
        let mut stored: Vec<String> = Vec::new();
        self.message(bytes, depth, |walk, number, field| {
            match number {
                1 => walk.node(field.bytes()?, depth + 1)?,
                5 => stored.push(walk.tensor(field.bytes()?, depth + 1)?),
                11 => inputs.push(walk.value_info(field.bytes()?, depth + 1)?),
                12 => outputs.push(walk.value_info(field.bytes()?, depth + 1)?),
                15 => stored.push(walk.sparse_tensor(field.bytes()?, depth + 1)?),
                _ => {}
            }
            Ok(())
        })?;
        if top {
            stored.sort_unstable();
            inputs.retain(|input| stored.binary_search(&input.name).is_err());
            if inputs.is_empty() || outputs.is_empty() || 64 < inputs.len() || 256 < outputs.len() {
                return Err(OnnxProblem::Malformed("it has no input or output, or more than 64 or 256 of them"));
            }
            self.summary.inputs = inputs;
            self.summary.outputs = outputs;
        }
        Ok(())
    }

    fn node(&mut self, bytes: &[u8], depth: u32) -> Result<()> {
        self.summary.nodes += 1;
        if NODES_MAX < self.summary.nodes {
            return Err(OnnxProblem::TooLarge("more than 200,000 nodes"));
        }
        self.message(bytes, depth, |walk, number, field| match number {
            5 => walk.attribute(field.bytes()?, depth + 1),
            7 => known_domain(&field.text()?),
            _ => Ok(()),
        })
    }

    fn attribute(&mut self, bytes: &[u8], depth: u32) -> Result<()> {
        self.message(bytes, depth, |walk, number, field| {
            match number {
                5 | 10 => {
                    walk.tensor(field.bytes()?, depth + 1)?;
                }
                6 | 11 => walk.graph(field.bytes()?, depth + 1, false)?,
                22 | 23 => {
                    walk.sparse_tensor(field.bytes()?, depth + 1)?;
                }
                _ => {}
            }
            Ok(())
        })
    }

    /// `SparseTensorProto`: values and indices are tensors, and either may claim external data.
    fn sparse_tensor(&mut self, bytes: &[u8], depth: u32) -> Result<String> {
        let mut name = String::new();
        let mut dims = Dims::default();
        self.message(bytes, depth, |walk, number, field| {
            match number {
                1 => name = walk.tensor(field.bytes()?, depth + 1)?,
                2 => {
                    walk.tensor(field.bytes()?, depth + 1)?;
                }
                3 => dims.add(&field)?,
                _ => {}
            }
            Ok(())
        })?;
        dims.elements()?;
        Ok(name)
    }

    /// `TensorProto`; gives its name.
    fn tensor(&mut self, bytes: &[u8], depth: u32) -> Result<String> {
        let mut name = String::new();
        let mut dims = Dims::default();
        let (mut data_type, mut external, mut raw, mut stored) = (0, false, None, 0u64);
        self.message(bytes, depth, |_, number, field| {
            match number {
                1 => dims.add(&field)?,
                2 => data_type = field.varint()?,
                3 => return Err(OnnxProblem::Malformed("a tensor is stored in segments")),
                8 => name = field.text()?,
                9 => raw = Some(field.bytes()?.len() as u64),
                13 => external = true,
                14 => external |= field.varint()? != 0,
                4..=7 | 10 | 11 => {
                    if let Field::Bytes(values) = field {
                        stored += values.len() as u64;
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        if external {
            return Err(OnnxProblem::ExternalData(name));
        }
        let elements = dims.elements()?;
        if let Some(raw) = raw {
            // Types of less than a byte are packed; their length is left to the engine.
            let matches = element_bytes(data_type).is_none_or(|width| elements.checked_mul(width) == Some(raw));
            if !matches {
                return Err(OnnxProblem::Weights(name));
            }
            stored += raw;
        }
        self.summary.weight_bytes = self.summary.weight_bytes.saturating_add(stored);
        Ok(name)
    }

    fn value_info(&mut self, bytes: &[u8], depth: u32) -> Result<OnnxTensor> {
        let mut tensor = OnnxTensor { name: String::new(), element_type: 0, dims: None };
        let mut kind: &[u8] = &[];
        self.message(bytes, depth, |_, number, field| {
            match number {
                1 => tensor.name = field.text()?,
                2 => kind = field.bytes()?,
                _ => {}
            }
            Ok(())
        })?;
        let mut tensor_type: &[u8] = &[];
        self.message(kind, depth + 1, |_, number, field| {
            if number == 1 {
                tensor_type = field.bytes()?;
            }
            Ok(())
        })?;
        let mut shape = None;
        self.message(tensor_type, depth + 2, |_, number, field| {
            match number {
                1 => tensor.element_type = field.varint()?,
                2 => shape = Some(field.bytes()?),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(shape) = shape {
            tensor.dims = Some(self.shape(shape, depth + 3)?);
        }
        Ok(tensor)
    }

    fn shape(&mut self, bytes: &[u8], depth: u32) -> Result<Vec<OnnxDim>> {
        let mut dims = Vec::new();
        self.message(bytes, depth, |walk, number, field| {
            if number != 1 {
                return Ok(());
            }
            let mut dim = OnnxDim::Dynamic(String::new());
            walk.message(field.bytes()?, depth + 1, |_, number, field| {
                match number {
                    1 => dim = OnnxDim::Fixed(field.varint()?),
                    2 => dim = OnnxDim::Dynamic(field.text()?),
                    _ => {}
                }
                Ok(())
            })?;
            if matches!(dim, OnnxDim::Fixed(length) if ELEMENTS_MAX < length) || 8 <= dims.len() {
                return Err(OnnxProblem::TooLarge("an input or output axis, or more than 8 axes"));
            }
            dims.push(dim);
            Ok(())
        })?;
        Ok(dims)
    }
}

/// Repeated `int64` axes, packed or one by one.
#[derive(Default)]
struct Dims(Vec<u64>);

impl Dims {
    fn add(&mut self, field: &Field<'_>) -> Result<()> {
        match field {
            Field::Varint(axis) => self.0.push(*axis),
            Field::Bytes(packed) => {
                let mut packed = *packed;
                while !packed.is_empty() && self.0.len() <= 64 {
                    self.0.push(varint(&mut packed)?);
                }
            }
            Field::Fixed => return Err(OnnxProblem::Malformed("an axis is not a number")),
        }
        if 64 < self.0.len() {
            return Err(OnnxProblem::TooLarge("a tensor of more than 64 axes"));
        }
        Ok(())
    }

    fn elements(&self) -> Result<u64> {
        let product = self.0.iter().try_fold(1u64, |product, axis| product.checked_mul(*axis));
        product.filter(|n| *n <= ELEMENTS_MAX).ok_or(OnnxProblem::TooLarge("a tensor of more than 2^30 elements"))
    }
}

fn known_domain(domain: &str) -> Result<()> {
    if DOMAINS.contains(&domain) { Ok(()) } else { Err(OnnxProblem::Domain(domain.chars().take(128).collect())) }
}

/// Bytes of one element of a `TensorProto.DataType` in `raw_data`; `None` for text, unknown and packed types.
fn element_bytes(data_type: u64) -> Option<u64> {
    match data_type {
        2 | 3 | 9 => Some(1),
        4 | 5 | 10 | 16 => Some(2),
        1 | 6 | 12 => Some(4),
        7 | 11 | 13 | 14 => Some(8),
        15 => Some(16),
        _ => None,
    }
}
