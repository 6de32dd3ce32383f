//! Where a data set is read from: bytes at hand, the head of an object that is not at hand, or a deflated stream.

use crate::limits::{Limits, check};
use crate::{DicomError, Tag};
use std::io::Read;

const NOWHERE: Tag = Tag(0, 0);

/// A forward-only reader that can look eight bytes ahead.
pub(crate) trait Source {
    /// Bytes consumed so far.
    fn position(&self) -> u64;
    /// Bytes of the whole, when that is known.
    fn end(&self) -> Option<u64>;
    /// Fill `buffer` as far as bytes go, without consuming them.
    fn peek(&mut self, buffer: &mut [u8; 8]) -> Result<usize, DicomError>;
    /// Fill `buffer` as far as bytes go.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, DicomError>;
    /// Pass over `count` bytes and return how many there were.
    fn skip(&mut self, count: u64) -> Result<u64, DicomError>;
}

/// Bytes in memory; `end` may lie beyond them, which makes them a prefix.
#[derive(Debug)]
pub(crate) struct SliceSource<'a> {
    bytes: &'a [u8],
    position: u64,
    end: u64,
}

impl<'a> SliceSource<'a> {
    pub(crate) fn new(bytes: &'a [u8], start: usize, total: u64) -> Self {
        SliceSource { bytes, position: start as u64, end: total.max(bytes.len() as u64) }
    }

    fn rest(&self, wanted: usize) -> Result<&'a [u8], DicomError> {
        let wanted = (self.end - self.position).min(wanted as u64) as usize;
        let start = usize::try_from(self.position).unwrap_or(usize::MAX).min(self.bytes.len());
        match self.bytes[start..].get(..wanted) {
            Some(rest) => Ok(rest),
            None => Err(DicomError::MoreBytesNeeded),
        }
    }
}

impl Source for SliceSource<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn end(&self) -> Option<u64> {
        Some(self.end)
    }

    fn peek(&mut self, buffer: &mut [u8; 8]) -> Result<usize, DicomError> {
        let rest = self.rest(buffer.len())?;
        buffer[..rest.len()].copy_from_slice(rest);
        Ok(rest.len())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, DicomError> {
        let rest = self.rest(buffer.len())?;
        buffer[..rest.len()].copy_from_slice(rest);
        self.position += rest.len() as u64;
        Ok(rest.len())
    }

    fn skip(&mut self, count: u64) -> Result<u64, DicomError> {
        let skipped = count.min(self.end - self.position);
        self.position += skipped;
        Ok(skipped)
    }
}

/// A deflated data set, inflated through a small window: memory does not grow with what comes out.
pub(crate) struct InflateSource<'a> {
    decoder: flate2::read::DeflateDecoder<&'a [u8]>,
    window: Vec<u8>,
    start: usize,
    position: u64,
    produced: u64,
    allowed: u64,
    ratio_bound: bool,
    limits: Limits,
}

const WINDOW_BYTES: usize = 32 << 10;

impl<'a> InflateSource<'a> {
    pub(crate) fn new(deflated: &'a [u8], limits: &Limits) -> Self {
        let by_ratio =
            (deflated.len() as u64).saturating_mul(limits.inflate_ratio_max).max(limits.inflate_ratio_free_bytes);
        InflateSource {
            decoder: flate2::read::DeflateDecoder::new(deflated),
            window: Vec::with_capacity(WINDOW_BYTES),
            start: 0,
            position: 0,
            produced: 0,
            allowed: by_ratio.min(limits.inflated_bytes_max),
            ratio_bound: by_ratio < limits.inflated_bytes_max,
            limits: *limits,
        }
    }

    fn at_hand(&self) -> &[u8] {
        &self.window[self.start..]
    }

    /// Make at least `wanted` bytes available, as far as the stream goes.
    fn fill(&mut self, wanted: usize) -> Result<(), DicomError> {
        while self.at_hand().len() < wanted {
            self.window.drain(..self.start);
            self.start = 0;
            let old = self.window.len();
            self.window.resize(WINDOW_BYTES, 0);
            let result = self.decoder.read(&mut self.window[old..]);
            self.window.truncate(old + *result.as_ref().unwrap_or(&0));
            match result {
                Ok(0) => break,
                Ok(count) => self.produced += count as u64,
                Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Err(DicomError::Truncated { tag: NOWHERE });
                }
                Err(_) => {
                    return Err(DicomError::Malformed { tag: NOWHERE, reason: "the deflated stream is corrupt" });
                }
            }
            let (what, shown) = if self.ratio_bound {
                ("inflated bytes for each deflated byte", self.limits.inflate_ratio_max)
            } else {
                ("inflated bytes", self.limits.inflated_bytes_max)
            };
            if self.allowed < self.produced {
                return Err(DicomError::LimitExceeded { what, allowed: shown });
            }
        }
        Ok(())
    }

    fn take(&mut self, count: usize) {
        self.start += count;
        self.position += count as u64;
    }
}

impl Source for InflateSource<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn end(&self) -> Option<u64> {
        None
    }

    fn peek(&mut self, buffer: &mut [u8; 8]) -> Result<usize, DicomError> {
        self.fill(buffer.len())?;
        let count = self.at_hand().len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.at_hand()[..count]);
        Ok(count)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, DicomError> {
        let mut done = 0;
        while done < buffer.len() {
            self.fill(1)?;
            let count = self.at_hand().len().min(buffer.len() - done);
            if count == 0 {
                break;
            }
            buffer[done..done + count].copy_from_slice(&self.at_hand()[..count]);
            self.take(count);
            done += count;
        }
        Ok(done)
    }

    fn skip(&mut self, count: u64) -> Result<u64, DicomError> {
        let mut done = 0;
        while done < count {
            self.fill(1)?;
            let step = (self.at_hand().len() as u64).min(count - done);
            if step == 0 {
                break;
            }
            self.take(step as usize);
            done += step;
        }
        Ok(done)
    }
}

/// The whole of a deflated data set, within the limits.
pub(crate) fn inflate(deflated: &[u8], limits: &Limits) -> Result<Vec<u8>, DicomError> {
    let mut source = InflateSource::new(deflated, limits);
    let mut bytes = Vec::new();
    loop {
        source.fill(1)?;
        let count = source.at_hand().len();
        if count == 0 {
            check("inflated bytes", bytes.len() as u64, limits.inflated_bytes_max)?;
            return Ok(bytes);
        }
        bytes.extend_from_slice(source.at_hand());
        source.take(count);
    }
}
