//! JPEG, ISO/IEC 10918-1: 8-bit DCT processes and the lossless process, by the crate `jpeg-decoder`.

use crate::{DicomError, PixelDescription};
use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

/// Decode one frame to little endian bytes, without any colour transformation.
pub(crate) fn decode(coded: &[u8], description: &PixelDescription) -> Result<Vec<u8>, DicomError> {
    let broken = |cause: jpeg_decoder::Error| match cause {
        jpeg_decoder::Error::Unsupported(_) => DicomError::Unsupported("this JPEG process or sample size".to_owned()),
        _ => DicomError::Codec("JPEG: the stream is corrupt".to_owned()),
    };
    let mut decoder = Decoder::new(coded);
    decoder.set_color_transform(ColorTransform::None);
    decoder.set_max_decoding_buffer_size(description.samples_per_frame() * 4 + (1 << 20));
    decoder.read_info().map_err(broken)?;
    let Some(info) = decoder.info() else { return Err(DicomError::Codec("JPEG: no frame header".to_owned())) };
    if (u32::from(info.height), u32::from(info.width)) != (description.rows, description.columns) {
        return Err(DicomError::Codec("JPEG: the frame header contradicts Rows or Columns".to_owned()));
    }
    let decoded = decoder.decode().map_err(broken)?;
    let (samples, coded_bytes) = match info.pixel_format {
        PixelFormat::L8 => (1, 1),
        PixelFormat::L16 => (1, 2),
        PixelFormat::RGB24 => (3, 1),
        PixelFormat::CMYK32 => return Err(DicomError::Unsupported("JPEG with four components".to_owned())),
    };
    if samples != description.samples_per_pixel {
        return Err(DicomError::Codec("JPEG: the frame header contradicts Samples per Pixel".to_owned()));
    }
    let wanted = description.sample_bytes();
    if coded_bytes == 1 && wanted == 1 {
        return Ok(decoded);
    }
    let values = decoded.chunks_exact(coded_bytes).map(|chunk| match chunk {
        &[low, high] => u32::from(u16::from_ne_bytes([low, high])),
        bytes => u32::from(bytes[0]),
    });
    Ok(values.flat_map(|v| super::sign_extend(v, description).to_le_bytes().into_iter().take(wanted)).collect())
}
