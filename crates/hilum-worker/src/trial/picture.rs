use super::TrialError;
use crate::runner::describe;
use hilum_store::BlobStore;
use hilum_types::Digest;

/// Longest side of a failure picture, in pixels.
const SIDE_MAX: usize = 384;

/// A stored image as PNG, windowed as a reader sees it. Nothing is written onto it; what was burned in stays.
///
/// # Errors
/// [`TrialError::Case`] when the image cannot be read or decoded.
pub async fn failure_picture(
    blobs: &dyn BlobStore,
    case: &str,
    object: &Digest,
    frame: u32,
) -> Result<Vec<u8>, TrialError> {
    let bytes = blobs.blob_get(object).await?;
    let wrong = |why: String| TrialError::Case { case: case.to_owned(), why };
    let drawing = tokio::task::spawn_blocking(move || {
        let preview = hilum_result::preview(&bytes, frame, SIDE_MAX).map_err(|error| describe(&error))?;
        encode(&preview).map_err(|error| error.to_string())
    });
    drawing.await.map_err(|_panicked| TrialError::Defect)?.map_err(wrong)
}

fn encode(preview: &hilum_result::Preview) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, preview.width, preview.height);
    encoder.set_depth(png::BitDepth::Eight);
    let is_grey = preview.rgb.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    encoder.set_color(if is_grey { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    let mut writer = encoder.write_header()?;
    if is_grey {
        writer.write_image_data(&preview.rgb.iter().step_by(3).copied().collect::<Vec<u8>>())?;
    } else {
        writer.write_image_data(&preview.rgb)?;
    }
    writer.finish()?;
    Ok(out)
}
