//! Decoders of compressed frames. Each takes one frame and gives little endian bytes of whole samples, pixel by
//! pixel; what it allocates is bounded by the description, which was checked, not by the compressed data.

mod jpeg;
mod jpeg2000;
mod jpeg_dct;
mod jpeg_ls;
mod rle;

use crate::limits::{Limits, check};
use crate::syntax::Codec;
use crate::{DicomError, PixelDescription, Samples};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Decode one frame. A panic of a decoder becomes an error: broken frames must not end a worker.
pub(crate) fn decode(
    codec: Codec,
    coded: &[u8],
    description: &PixelDescription,
    limits: &Limits,
) -> Result<Samples, DicomError> {
    let expected = description.samples_per_frame() * description.sample_bytes();
    if limits.frame_ratio_free_bytes < expected as u64 {
        let ratio = (expected as u64).div_ceil((coded.len() as u64).max(1));
        check("decoded bytes for each compressed byte of a frame", ratio, limits.frame_ratio_max)?;
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_bytes(codec, coded, description)))
        .unwrap_or_else(|_| Err(DicomError::Codec("the decoder gave up on the data".to_owned())))?;
    if decoded.len() != expected {
        return Err(DicomError::Codec("the decoded frame has another size than Rows and Columns say".to_owned()));
    }
    Ok(Samples::from_le_bytes(decoded, description))
}

fn decode_bytes(codec: Codec, coded: &[u8], description: &PixelDescription) -> Result<Vec<u8>, DicomError> {
    match codec {
        Codec::Rle => rle::decode(coded, description),
        Codec::Encapsulated => Ok(unpack(coded.to_vec(), description)),
        Codec::DeflatedFrames => inflate_frame(coded, description).map(|bytes| unpack(bytes, description)),
        Codec::Jpeg if jpeg_dct::is_sequential(coded) => jpeg_dct::decode(coded, description),
        Codec::Jpeg => jpeg::decode(coded, description),
        Codec::JpegLs => jpeg_ls::decode(coded, description),
        Codec::Jpeg2000 => jpeg2000::decode(coded, description),
        _ => Err(DicomError::Unsupported("its transfer syntax".to_owned())),
    }
}

/// Bytes of a native frame, without padding, one sample per byte when one bit is allocated.
fn unpack(mut bytes: Vec<u8>, description: &PixelDescription) -> Vec<u8> {
    let samples = description.samples_per_frame();
    if description.bits_allocated == 1 {
        let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| (byte >> bit) & 1));
        return bits.take(samples).collect();
    }
    bytes.truncate(samples * description.sample_bytes());
    if description.planar
        && description.samples_per_pixel == 3
        && bytes.len().is_multiple_of(3 * description.sample_bytes())
    {
        return crate::pixel::interleave(&bytes, description.sample_bytes());
    }
    bytes
}

/// One frame deflated on its own (PS3.5 section A.4.13), never more than the frame needs.
fn inflate_frame(coded: &[u8], description: &PixelDescription) -> Result<Vec<u8>, DicomError> {
    let most = (description.samples_per_frame() * description.sample_bytes()) as u64;
    let mut bytes = Vec::new();
    flate2::read::DeflateDecoder::new(coded)
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|_| DicomError::Codec("the deflated frame is corrupt".to_owned()))?;
    Ok(bytes)
}

/// A decoded sample of Bits Stored in its container: decoders without signs give the bit pattern (PS3.5 section 8.2).
fn sign_extend(value: u32, description: &PixelDescription) -> u32 {
    if !description.signed {
        return value;
    }
    let shift = 32 - u32::from(description.bits_stored.clamp(1, 32));
    ((value << shift) as i32 >> shift) as u32
}
