use crate::OipError;
use crate::number::Number;
use hilum_registry::manifest::ElementType;
use hilum_registry::{Tensor, TensorData};
use std::fmt;

/// Element type of a tensor on the wire, with the names of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// One byte, 0 or 1.
    Bool,
    /// 8-bit unsigned integer.
    Uint8,
    /// 16-bit unsigned integer.
    Uint16,
    /// 32-bit unsigned integer.
    Uint32,
    /// 64-bit unsigned integer.
    Uint64,
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// IEEE 754 half precision; travels as bytes only.
    Fp16,
    /// The upper half of single precision; travels as bytes only.
    Bf16,
    /// IEEE 754 single precision.
    Fp32,
    /// IEEE 754 double precision.
    Fp64,
}

impl Datatype {
    /// Every type that is understood; `BYTES` is not.
    pub const ALL: [Datatype; 13] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp16,
        Self::Bf16,
        Self::Fp32,
        Self::Fp64,
    ];

    /// Name in the protocol, such as `FP32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Bf16 => "BF16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
        }
    }

    /// The type of that name.
    ///
    /// # Errors
    /// [`OipError::Invalid`] for a name that is not understood, `BYTES` among them.
    pub fn from_name(name: &str) -> Result<Datatype, OipError> {
        Self::ALL.into_iter().find(|datatype| datatype.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            OipError::invalid(format!("datatype {:?} is not taken; use one of {known}", crate::wire::shown(name)))
        })
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => 2,
            Self::Uint32 | Self::Int32 | Self::Fp32 => 4,
            Self::Uint64 | Self::Int64 | Self::Fp64 => 8,
        }
    }

    /// The type in which a tensor of this program travels.
    pub fn of(element_type: ElementType) -> Datatype {
        match element_type {
            ElementType::Float32 => Self::Fp32,
            ElementType::Uint8 => Self::Uint8,
            ElementType::Int64 => Self::Int64,
        }
    }

    /// The type of an ONNX `TensorProto.DataType` code.
    pub fn from_onnx(code: u64) -> Option<Datatype> {
        Some(match code {
            1 => Self::Fp32,
            2 => Self::Uint8,
            3 => Self::Int8,
            4 => Self::Uint16,
            5 => Self::Int16,
            6 => Self::Int32,
            7 => Self::Int64,
            9 => Self::Bool,
            10 => Self::Fp16,
            11 => Self::Fp64,
            12 => Self::Uint32,
            13 => Self::Uint64,
            16 => Self::Bf16,
            _ => return None,
        })
    }

    /// Elements from their little-endian bytes. Floating point becomes `f32`, `UINT8` and `BOOL` stay bytes, every
    /// other integer becomes `i64`; a `FP64` or `UINT64` value beyond that range is refused.
    ///
    /// # Errors
    /// [`OipError::Invalid`] when the length is no multiple of [`Datatype::size`], or a value is out of range.
    pub fn decode(self, bytes: &[u8]) -> Result<TensorData, OipError> {
        if !bytes.len().is_multiple_of(self.size()) {
            return Err(OipError::invalid(format!("{} bytes are no whole number of {self} elements", bytes.len())));
        }
        Ok(match self {
            Self::Bool | Self::Uint8 => TensorData::U8(bytes.to_vec()),
            Self::Int8 => TensorData::I64(bytes.iter().map(|b| i64::from(b.cast_signed())).collect()),
            Self::Uint16 => TensorData::I64(each(bytes, |b| i64::from(u16::from_le_bytes(b)))),
            Self::Int16 => TensorData::I64(each(bytes, |b| i64::from(i16::from_le_bytes(b)))),
            Self::Uint32 => TensorData::I64(each(bytes, |b| i64::from(u32::from_le_bytes(b)))),
            Self::Int32 => TensorData::I64(each(bytes, |b| i64::from(i32::from_le_bytes(b)))),
            Self::Int64 => TensorData::I64(each(bytes, i64::from_le_bytes)),
            Self::Uint64 => {
                let values: Option<Vec<i64>> =
                    bytes.as_chunks::<8>().0.iter().map(|b| i64::try_from(u64::from_le_bytes(*b)).ok()).collect();
                TensorData::I64(values.ok_or_else(|| OipError::invalid("a UINT64 value exceeds 2^63-1".to_owned()))?)
            }
            Self::Fp16 => TensorData::F32(each(bytes, |b| half(u16::from_le_bytes(b)))),
            Self::Bf16 => TensorData::F32(each(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))),
            Self::Fp32 => TensorData::F32(each(bytes, f32::from_le_bytes)),
            Self::Fp64 => TensorData::F32(each(bytes, |b| f64::from_le_bytes(b) as f32)),
        })
    }

    /// Elements from the numbers of a JSON array.
    ///
    /// # Errors
    /// [`OipError::Invalid`] for a number that this type cannot hold, and for the types that travel as bytes only.
    pub fn from_numbers(self, numbers: &[Number]) -> Result<TensorData, OipError> {
        let integers = |low: i64, high: i64| {
            let one = |number: &Number| number.as_integer().filter(|n| (low..=high).contains(n));
            let all: Option<Vec<i64>> = numbers.iter().map(one).collect();
            all.ok_or_else(|| OipError::invalid(format!("a value in `data` is no {self}")))
        };
        Ok(match self {
            Self::Bool | Self::Uint8 => {
                let values = integers(0, if self == Self::Bool { 1 } else { 255 })?;
                TensorData::U8(values.into_iter().map(|value| value as u8).collect())
            }
            Self::Int8 => TensorData::I64(integers(i8::MIN.into(), i8::MAX.into())?),
            Self::Uint16 => TensorData::I64(integers(0, u16::MAX.into())?),
            Self::Int16 => TensorData::I64(integers(i16::MIN.into(), i16::MAX.into())?),
            Self::Uint32 => TensorData::I64(integers(0, u32::MAX.into())?),
            Self::Int32 => TensorData::I64(integers(i32::MIN.into(), i32::MAX.into())?),
            Self::Uint64 => TensorData::I64(integers(0, i64::MAX)?),
            Self::Int64 => TensorData::I64(integers(i64::MIN, i64::MAX)?),
            Self::Fp32 | Self::Fp64 => TensorData::F32(numbers.iter().map(Number::as_f32).collect()),
            Self::Fp16 | Self::Bf16 => {
                return Err(OipError::invalid(format!(
                    "{self} travels as bytes; use the binary tensor data extension"
                )));
            }
        })
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

/// IEEE 754 binary16 to binary32, exactly.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    match exponent {
        // Zero and subnormal: a multiple of 2^-24.
        0 => f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// The little-endian bytes of a tensor's elements, row-major.
pub(crate) fn tensor_bytes(tensor: &Tensor) -> Vec<u8> {
    match tensor.data() {
        TensorData::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        TensorData::U8(values) => values.clone(),
        TensorData::I64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of IEEE 754-2008 table 3.5 and their neighbours.
    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan());
        assert!(half(0x8000).is_sign_negative());
    }

    #[test]
    fn integers_out_of_range_are_refused() {
        let numbers = [Number::Integer(256)];
        assert!(Datatype::Uint8.from_numbers(&numbers).is_err());
        assert!(Datatype::Int8.from_numbers(&[Number::Integer(-129)]).is_err());
        assert!(Datatype::Int64.from_numbers(&[Number::Float(0.5)]).is_err());
        assert_eq!(Datatype::Int64.from_numbers(&[Number::Float(3.0)]).unwrap(), TensorData::I64(vec![3]));
        assert!(Datatype::Uint64.decode(&u64::MAX.to_le_bytes()).is_err());
        assert!(Datatype::Fp32.decode(&[0; 6]).is_err());
    }
}
