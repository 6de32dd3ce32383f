//! Key image: the source frame with outlines and a text panel, as Secondary Capture (PS3.3 section A.8.1).

mod canvas;
mod choose;
mod overlay;
mod panel;
mod render;
mod text;

use crate::attribute as a;
use crate::code;
use crate::common;
use crate::report::ordered;
use crate::request::{EncodeRequest, ResultError, ResultKind};
use crate::segmentation::SegmentObject;
use canvas::Canvas;
pub use choose::key_image_reference;
use hilum_dicom::{DataSet, Vr};
use hilum_types::ImageReference;
use overlay::Place;
use panel::Panel;
use render::Picture;
use std::collections::BTreeSet;

/// Longest side of a key image.
pub(crate) const SIDE_MAX: usize = 1024;
/// A picture smaller than this is enlarged, so that the text below it stays readable.
const SIDE_MIN: usize = 768;
/// Longest side a preview may be asked for.
const PREVIEW_SIDE_MAX: usize = 2048;
const WIDTH_MIN: usize = 600;

/// One frame of an image, small, as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green, blue of each pixel, row by row.
    pub rgb: Vec<u8>,
}

/// The frame `index`, counted from 0, windowed as the object says, in its true shape and with the longest side at most
/// `side_max` pixels (16 to 2048). Nothing is drawn on it.
///
/// # Errors
/// Those of the decoder.
pub fn preview(part10: &[u8], index: u32, side_max: usize) -> Result<Preview, hilum_dicom::DicomError> {
    let picture = render::picture(part10, index)?;
    let full = (picture.width as f64, picture.height as f64 * picture.pixel_aspect);
    let scale = (side_max.clamp(16, PREVIEW_SIDE_MAX) as f64 / full.0.max(full.1)).min(1.0);
    let side = |length: f64| ((length * scale).round() as usize).clamp(1, PREVIEW_SIDE_MAX);
    let (width, height) = (side(full.0), side(full.1));
    let rgb = picture.scaled(width, height);
    Ok(Preview { width: width as u32, height: height as u32, rgb })
}

/// The data set of the key image; `None` when the output names no image to show.
///
/// # Errors
/// The image is not among the sources, came without its bytes, or cannot be decoded.
pub(crate) fn build(request: &EncodeRequest<'_>, objects: &[SegmentObject]) -> Result<Option<DataSet>, ResultError> {
    let Some(reference) = choose::choose(request.output, objects) else { return Ok(None) };
    let source =
        request.source_of(&reference).ok_or_else(|| ResultError::ImageNotInSource("the key image".to_owned()))?;
    let part10 = source.part10.ok_or(ResultError::PixelsMissing)?;
    let index = reference.frame.unwrap_or(1).saturating_sub(1);
    let picture = render::picture(part10, index).map_err(ResultError::Pixels)?;
    let canvas = compose(request, objects, &picture, &reference);
    let mut item = common::composite(request, ResultKind::KeyImage, 0);
    common::source_compression(&mut item, request, &BTreeSet::from([&reference.sop_instance_uid]))?;
    item.put_empty(a::LATERALITY);
    common::copy(&mut item, source.header, a::PATIENT_ORIENTATION, true);
    describe(&mut item, request, &reference);
    // No Pixel Spacing: the picture was resampled and nobody shall measure on it.
    item.put_number(a::SAMPLES_PER_PIXEL, 3)
        .put(a::PHOTOMETRIC_INTERPRETATION, "RGB")
        .put_number(a::PLANAR_CONFIGURATION, 0)
        .put_number(a::ROWS, canvas.height as u32)
        .put_number(a::COLUMNS, canvas.width as u32)
        .put_number(a::BITS_ALLOCATED, 8)
        .put_number(a::BITS_STORED, 8)
        .put_number(a::HIGH_BIT, 7)
        .put_number(a::PIXEL_REPRESENTATION, 0);
    let mut rgb = canvas.rgb;
    if rgb.len() % 2 == 1 {
        rgb.push(0);
    }
    item.put_bytes(a::PIXEL_DATA, Vr::OB, rgb);
    Ok(Some(item))
}

/// General Image, SC Equipment and SC Image modules (PS3.3 sections C.7.6.1, C.8.6.1 and C.8.6.2).
fn describe(item: &mut DataSet, request: &EncodeRequest<'_>, reference: &ImageReference) {
    let (date, time) = request.now.dicom_date_time();
    let mut source = common::sop_reference(&reference.sop_class_uid, &reference.sop_instance_uid);
    if let Some(frame) = reference.frame {
        source.put(a::REFERENCED_FRAME_NUMBER, frame.to_string());
    }
    source.put_code(a::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &code::SOURCE_IMAGE_FOR_PROCESSING.concept());
    let description =
        format!("Windowed, resampled and annotated with the unverified result of {}", common::model_title(request));
    item.put(a::INSTANCE_NUMBER, "1")
        .put(a::IMAGE_TYPE, "DERIVED\\SECONDARY")
        .put(a::CONVERSION_TYPE, "WSD")
        .put(a::DATE_OF_SECONDARY_CAPTURE, &date)
        .put(a::TIME_OF_SECONDARY_CAPTURE, &time)
        .put(a::BURNED_IN_ANNOTATION, "YES")
        .put(a::DERIVATION_DESCRIPTION, description)
        .put_sequence(a::SOURCE_IMAGE_SEQUENCE, vec![source])
        .put_code(a::DERIVATION_CODE_SEQUENCE, &code::SPATIAL_RESAMPLING.concept());
}

/// Picture on top, panel below: text covers no anatomy.
fn compose(
    request: &EncodeRequest<'_>,
    objects: &[SegmentObject],
    picture: &Picture,
    reference: &ImageReference,
) -> Canvas {
    let ordered = ordered(&request.output.findings);
    let drawn = overlay::drawn_findings(&ordered, reference);
    let entries = panel::entries(request, objects, &ordered, &drawn);
    let full = (picture.width as f64, picture.height as f64 * picture.pixel_aspect);
    let longest = full.0.max(full.1);
    let wanted = longest.clamp(SIDE_MIN as f64, SIDE_MAX as f64) / longest;
    let size = |scale: f64| {
        let side = |length: f64| ((length * scale).round() as usize).clamp(1, SIDE_MAX);
        (side(full.0), side(full.1))
    };
    // The panel's height depends on the width and the picture's scale on the panel's height; a second round settles it.
    let mut panel = Panel::new(request, &entries, size(wanted).0.max(WIDTH_MIN));
    let mut scale = wanted;
    for _ in 0..2 {
        let room = SIDE_MAX.saturating_sub(panel.height()).max(1) as f64;
        scale = wanted.min(room / full.1);
        panel = Panel::new(request, &entries, size(scale).0.max(WIDTH_MIN));
    }
    scale = scale.min(SIDE_MAX.saturating_sub(panel.height()).max(1) as f64 / full.1);
    let (width, height) = size(scale);
    let canvas_width = width.max(WIDTH_MIN);
    let mut canvas = Canvas::filled(canvas_width, (height + panel.height()).min(SIDE_MAX), panel::GROUND);
    let left = (canvas_width - width) / 2;
    let pixels = picture.scaled(width, height);
    for (row, line) in pixels.chunks_exact(width * 3).enumerate() {
        let at = (row * canvas_width + left) * 3;
        canvas.rgb[at..at + line.len()].copy_from_slice(line);
    }
    let place = Place { left, width, height, source: (picture.width, picture.height) };
    overlay::draw(&mut canvas, place, request.output, &drawn, reference);
    panel.draw(&mut canvas);
    canvas
}
