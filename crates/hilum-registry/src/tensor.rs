//! Named blocks of numbers: what models take and give, and how a package stores them.

use crate::manifest::ElementType;

/// First bytes of a tensor file.
pub const TENSOR_MAGIC: &[u8; 8] = b"HILUMT1\n";

/// Most elements of a tensor that is stored or run: 2^31.
pub const TENSOR_ELEMENTS_MAX: u64 = 1 << 31;

/// Most axes of a tensor.
pub const TENSOR_RANK_MAX: usize = 8;

/// A dense tensor in row-major order (the last axis varies fastest).
///
/// A tensor file is, all little-endian: the eight bytes of [`TENSOR_MAGIC`]; one byte element type (1 = `f32`,
/// 2 = `u8`, 3 = `i64`); one byte rank; six bytes zero; `rank` times a `u64` length; then the elements. It ends there.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: TensorData,
}

/// Elements of a [`Tensor`].
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData {
    /// IEEE 754 single precision.
    F32(Vec<f32>),
    /// Unsigned bytes.
    U8(Vec<u8>),
    /// 64-bit signed integers.
    I64(Vec<i64>),
}

impl TensorData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            TensorData::F32(values) => values.len(),
            TensorData::U8(values) => values.len(),
            TensorData::I64(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor cannot be made from these parts or bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// Product of the axes and number of elements differ, or exceed a limit.
    #[error("tensor of shape {shape:?} cannot hold {elements} elements (at most 8 axes and 2^31 elements)")]
    Shape {
        /// Axes.
        shape: Vec<usize>,
        /// Elements given.
        elements: usize,
    },
    /// Not a tensor file; the text says what is wrong.
    #[error("not a tensor file: {0}")]
    Format(&'static str),
}

impl Tensor {
    /// A tensor of these axes.
    ///
    /// # Errors
    /// [`TensorError::Shape`] when the elements do not fill the axes exactly, or a limit is exceeded.
    pub fn new(shape: Vec<usize>, data: TensorData) -> Result<Tensor, TensorError> {
        let elements = elements(&shape);
        if TENSOR_RANK_MAX < shape.len() || elements != Some(data.len() as u64) {
            return Err(TensorError::Shape { elements: data.len(), shape });
        }
        Ok(Tensor { shape, data })
    }

    /// A tensor of `f32`.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn from_f32(shape: Vec<usize>, values: Vec<f32>) -> Result<Tensor, TensorError> {
        Tensor::new(shape, TensorData::F32(values))
    }

    /// Length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// The elements when they are `f32`.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            TensorData::F32(values) => Some(values),
            _ => None,
        }
    }

    /// The elements as `f64`, whatever their type.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            TensorData::F32(values) => values.iter().map(|v| f64::from(*v)).collect(),
            TensorData::U8(values) => values.iter().map(|v| f64::from(*v)).collect(),
            TensorData::I64(values) => values.iter().map(|v| *v as f64).collect(),
        }
    }

    /// Shape and elements, taken apart.
    pub fn into_parts(self) -> (Vec<usize>, TensorData) {
        (self.shape, self.data)
    }

    /// Element type.
    pub fn element_type(&self) -> ElementType {
        match &self.data {
            TensorData::F32(_) => ElementType::Float32,
            TensorData::U8(_) => ElementType::Uint8,
            TensorData::I64(_) => ElementType::Int64,
        }
    }

    /// The bytes of a tensor file; the same tensor always gives the same bytes.
    pub fn encode(&self) -> Vec<u8> {
        let width = self.element_type().size();
        let mut bytes = Vec::with_capacity(16 + 8 * self.shape.len() + width * self.data.len());
        bytes.extend_from_slice(TENSOR_MAGIC);
        let code = match &self.data {
            TensorData::F32(_) => 1,
            TensorData::U8(_) => 2,
            TensorData::I64(_) => 3,
        };
        bytes.extend_from_slice(&[code, self.shape.len() as u8, 0, 0, 0, 0, 0, 0]);
        for axis in &self.shape {
            bytes.extend_from_slice(&(*axis as u64).to_le_bytes());
        }
        match &self.data {
            TensorData::F32(values) => values.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes())),
            TensorData::U8(values) => bytes.extend_from_slice(values),
            TensorData::I64(values) => values.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes())),
        }
        bytes
    }

    /// Read a tensor file. Nothing is allocated before the length of the bytes is known to match the shape.
    ///
    /// # Errors
    /// [`TensorError::Format`] or [`TensorError::Shape`].
    pub fn decode(bytes: &[u8]) -> Result<Tensor, TensorError> {
        let (head, rest) = bytes.split_at_checked(16).ok_or(TensorError::Format("it is shorter than its header"))?;
        if &head[..8] != TENSOR_MAGIC || head[10..] != [0; 6] {
            return Err(TensorError::Format("it does not begin with the tensor header"));
        }
        let rank = usize::from(head[9]);
        if TENSOR_RANK_MAX < rank {
            return Err(TensorError::Format("it has more than 8 axes"));
        }
        let (axes, body) = rest.split_at_checked(8 * rank).ok_or(TensorError::Format("its shape is cut off"))?;
        let mut shape = Vec::with_capacity(rank);
        for axis in axes.as_chunks::<8>().0 {
            let axis = usize::try_from(u64::from_le_bytes(*axis));
            shape.push(axis.map_err(|_| TensorError::Format("an axis is too long"))?);
        }
        let width = match head[8] {
            1 => 4,
            2 => 1,
            3 => 8,
            _ => return Err(TensorError::Format("its element type is unknown")),
        };
        if elements(&shape).and_then(|n| n.checked_mul(width)) != Some(body.len() as u64) {
            return Err(TensorError::Format("its length does not match its shape"));
        }
        let data = match head[8] {
            1 => TensorData::F32(body.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            2 => TensorData::U8(body.to_vec()),
            _ => TensorData::I64(body.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
        };
        Tensor::new(shape, data)
    }
}

/// Product of the axes; `None` beyond [`TENSOR_ELEMENTS_MAX`].
fn elements(shape: &[usize]) -> Option<u64> {
    let product = shape.iter().try_fold(1u64, |product, axis| product.checked_mul(*axis as u64))?;
    (product <= TENSOR_ELEMENTS_MAX).then_some(product)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn file_layout_is_as_documented() {
        let tensor = Tensor::from_f32(vec![1, 2], vec![1.0, -2.0]).unwrap();
        let mut expected = b"HILUMT1\n\x01\x02\0\0\0\0\0\0".to_vec();
        expected.extend([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
        assert_eq!(tensor.encode(), expected);
        assert_eq!(Tensor::decode(&expected).unwrap(), tensor);
    }

    #[test]
    fn lying_headers_are_refused() {
        let good = Tensor::new(vec![3], TensorData::I64(vec![1, 2, 3])).unwrap().encode();
        for cut in 0..good.len() {
            assert!(Tensor::decode(&good[..cut]).is_err(), "cut at {cut}");
        }
        let mut huge = good.clone();
        huge[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Tensor::decode(&huge).is_err());
        assert!(Tensor::new(vec![2, 2], TensorData::U8(vec![0; 3])).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64), rank in 0u8..12) {
            let mut file = TENSOR_MAGIC.to_vec();
            file.extend([1, rank, 0, 0, 0, 0, 0, 0]);
            file.extend(&bytes);
            if let Ok(tensor) = Tensor::decode(&file) {
                prop_assert_eq!(tensor.encode(), file);
            }
        }
    }
}
