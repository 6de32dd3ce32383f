//! Bytes of stored counts: a version byte, varints, names, doubles. Reading never trusts a length.

use super::NAME_BYTES_MAX;

/// Counts up to here are exact as a double too; what claims more was not written here.
const COUNT_MAX: u64 = 1 << 53;

/// Why bytes are no stored counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SketchError {
    /// They end too early, or go on after the end.
    #[error("stored counts end too early or go on after their end; make them again from the observations")]
    Length,
    /// A format of another version.
    #[error("stored counts have format {0}, which this program does not know; use the newer program")]
    Version(u8),
    /// A count, a number or a name that is none.
    #[error("stored counts hold a value that cannot be; make them again from the observations")]
    Number,
    /// Names or bins that do not rise.
    #[error("stored counts are out of order; make them again from the observations")]
    Order,
}

pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(version: u8) -> Writer {
        Writer { bytes: vec![version] }
    }

    /// Without a version: a part of another.
    pub(super) fn bare() -> Writer {
        Writer { bytes: Vec::new() }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.bytes.push(u8::from(flag));
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn count(&mut self, n: u64) {
        let mut left = n.min(COUNT_MAX);
        while 0x7f < left {
            self.bytes.push(left as u8 | 0x80);
            left >>= 7;
        }
        self.bytes.push(left as u8);
    }

    /// A count that may be below zero: zigzag.
    pub(crate) fn signed(&mut self, n: i64) {
        let n = n.clamp(-(COUNT_MAX as i64) / 2 + 1, COUNT_MAX as i64 / 2 - 1);
        self.count((n << 1 ^ n >> 63) as u64);
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.count(name.len() as u64);
        self.bytes.extend_from_slice(name.as_bytes());
    }

    pub(crate) fn double(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn part(&mut self, part: &Writer) {
        self.count(part.bytes.len() as u64);
        self.bytes.extend_from_slice(&part.bytes);
    }
}

pub(crate) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], version: u8) -> Result<Reader<'a>, SketchError> {
        match bytes.split_first() {
            Some((found, left)) if *found == version => Ok(Reader { left }),
            Some((found, _)) => Err(SketchError::Version(*found)),
            None => Err(SketchError::Length),
        }
    }

    pub(crate) fn end(&self) -> Result<(), SketchError> {
        if self.left.is_empty() { Ok(()) } else { Err(SketchError::Length) }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], SketchError> {
        let (taken, left) = self.left.split_at_checked(n).ok_or(SketchError::Length)?;
        self.left = left;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, SketchError> {
        let (byte, left) = self.left.split_first().ok_or(SketchError::Length)?;
        self.left = left;
        Ok(*byte)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, SketchError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SketchError::Number),
        }
    }

    #[inline]
    pub(crate) fn count(&mut self) -> Result<u64, SketchError> {
        match self.left.split_first() {
            // Most of what is stored.
            Some((byte, left)) if *byte < 0x80 => {
                self.left = left;
                Ok(u64::from(*byte))
            }
            _ => self.long_count(),
        }
    }

    fn long_count(&mut self) -> Result<u64, SketchError> {
        let mut n = 0_u64;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if n <= COUNT_MAX { Ok(n) } else { Err(SketchError::Number) };
            }
        }
        Err(SketchError::Number)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, SketchError> {
        let n = self.count()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A number of things that follow, at most `most`.
    pub(crate) fn length(&mut self, most: usize) -> Result<usize, SketchError> {
        usize::try_from(self.count()?).ok().filter(|n| *n <= most).ok_or(SketchError::Number)
    }

    pub(crate) fn name(&mut self) -> Result<&'a str, SketchError> {
        let length = self.length(NAME_BYTES_MAX)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| SketchError::Number)
    }

    pub(crate) fn double(&mut self) -> Result<f64, SketchError> {
        let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| SketchError::Length)?;
        let value = f64::from_le_bytes(bytes);
        if value.is_finite() { Ok(value) } else { Err(SketchError::Number) }
    }

    pub(super) fn part(&mut self) -> Result<Reader<'a>, SketchError> {
        let length = self.length(self.left.len())?;
        Ok(Reader { left: self.take(length)? })
    }
}
