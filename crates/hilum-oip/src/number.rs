//! The `data` array of a JSON tensor, read flat whatever its nesting.

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// One element of a JSON tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
}

impl Number {
    /// The value when it is whole and fits.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Number::Integer(value) => Some(*value),
            // 2^53: beyond it a JSON number with a fraction no longer says which integer was meant.
            Number::Float(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => {
                Some(*value as i64)
            }
            Number::Float(_) => None,
        }
    }

    /// The nearest single-precision value.
    pub(crate) fn as_f32(&self) -> f32 {
        match self {
            Number::Integer(value) => *value as f32,
            Number::Float(value) => *value as f32,
        }
    }
}

/// Elements in row-major order: nested arrays and flat ones are the same (the protocol allows both).
///
/// serde_json bounds the nesting at 128, so reading one cannot exhaust the stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Numbers(pub(crate) Vec<Number>);

impl<'de> serde::Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Numbers, D::Error> {
        let mut numbers = Vec::new();
        Flatten(&mut numbers).deserialize(deserializer)?;
        Ok(Numbers(numbers))
    }
}

struct Flatten<'a>(&'a mut Vec<Number>);

impl<'de> DeserializeSeed<'de> for Flatten<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flatten<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean or an array of them")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.push(Number::Integer(value.into()));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.push(Number::Integer(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let value = i64::try_from(value).map_err(|_| E::custom("a number exceeds 2^63-1"))?;
        self.0.push(Number::Integer(value));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.push(Number::Float(value));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Flatten(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_and_flat_arrays_are_the_same() {
        let flat: Numbers = serde_json::from_str("[1, 2.5, -3, true]").unwrap();
        let nested: Numbers = serde_json::from_str("[[1, 2.5], [-3, true]]").unwrap();
        assert_eq!(flat, nested);
        assert_eq!(flat.0.len(), 4);
    }

    #[test]
    fn text_and_deep_nesting_are_refused() {
        assert!(serde_json::from_str::<Numbers>("[\"a\"]").is_err());
        assert!(serde_json::from_str::<Numbers>("[null]").is_err());
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(serde_json::from_str::<Numbers>(&deep).is_err());
    }
}
