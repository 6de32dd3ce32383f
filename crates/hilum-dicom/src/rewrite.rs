//! The same object with other stored values, or with another meaning of them: what a fault of the acquisition is tried with.
//!
//! Every other element is copied as it came, deviations from the standard included, so that whoever reads the new object
//! reads the old header.

use crate::data_set::{Bulk, NativePlace, PixelPlaces, build, open_body};
use crate::lut::stored_values;
use crate::part10::{Opened, part10_header};
use crate::pixel::{Image, PixelDescription};
use crate::source::SliceSource;
use crate::walk::{Token, Walker};
use crate::{DataSet, DicomError, EXPLICIT_VR_LITTLE_ENDIAN, Limits, Vr, tags};
use hilum_types::Uid;
use std::borrow::Cow;
use std::ops::Range;

/// Offset of the digit within `MONOCHROME1` and `MONOCHROME2`.
const DIGIT: usize = 10;

/// A Part 10 file of the same object with other pixels, uncompressed and little endian.
///
/// `change` is given each frame, counted from 0, with its layout and its stored values row by row, and answers as many values;
/// they are rounded and held within what Bits Stored can hold. Bits outside Bits Stored become 0, or copies of the sign, so
/// that overlays kept in them are lost.
///
/// # Errors
/// [`DicomError::Unsupported`] for colour, pixels of one bit and big endian order; [`DicomError::PixelDescription`] when
/// `change` answers another number of values; the errors of [`Image::open`] and [`Image::frame`].
pub fn with_stored_values(
    bytes: &[u8],
    limits: &Limits,
    mut change: impl FnMut(u32, &PixelDescription, Vec<f32>) -> Vec<f32>,
) -> Result<Vec<u8>, DicomError> {
    let image = Image::open(bytes, None, limits)?;
    let description = &image.description;
    let grey = description.photometric_interpretation.starts_with("MONOCHROME");
    if description.samples_per_pixel != 1 || description.bits_allocated == 1 || !grey {
        return Err(DicomError::Unsupported("changing the pixels of an image that is not grey".to_owned()));
    }
    let mut pixels = Vec::new();
    for frame in 0..description.frames {
        let values = change(frame, description, stored_values(&image.frame(frame)?, description));
        if values.len() != description.samples_per_frame() {
            return Err(DicomError::PixelDescription("the changed frame has another number of pixels"));
        }
        values.iter().for_each(|value| encode(&mut pixels, *value, description));
    }
    let object = Object::open(bytes, limits)?;
    match (object.places.native, object.places.fragments.as_ref().and_then(|list| list.first())) {
        (Some(native), _) => object.with_native(&native, &pixels),
        (None, Some((offset, _))) => object.with_fragments_replaced(*offset, &pixels, description),
        (None, None) => Err(DicomError::Absent("pixel data")),
    }
}

/// A Part 10 file of the same object with `MONOCHROME1` and `MONOCHROME2` exchanged and every pixel as it was: what is white
/// becomes black for whoever reads it.
///
/// # Errors
/// [`DicomError::Unsupported`] for every other photometric interpretation; the errors of [`crate::read_data_set`].
pub fn with_photometric_exchanged(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, DicomError> {
    let object = Object::open(bytes, limits)?;
    let range = object.value_of_photometric(limits)?;
    let mut body = object.body.to_vec();
    let other = DicomError::Unsupported("exchanging black and white of an image that is not grey".to_owned());
    let value = body.get_mut(range).ok_or_else(|| other.clone())?;
    let digit = value.get_mut(DIGIT).ok_or_else(|| other.clone())?;
    *digit = match *digit {
        b'1' => b'2',
        b'2' => b'1',
        _ => return Err(other),
    };
    if !value.starts_with(b"MONOCHROME") {
        return Err(other);
    }
    object.part10(&object.uncompressed_syntax()?, &body)
}

/// One sample in the container of Bits Allocated, little endian.
fn encode(out: &mut Vec<u8>, value: f32, description: &PixelDescription) {
    if description.float {
        match description.sample_bytes() {
            8 => out.extend_from_slice(&f64::from(value).to_le_bytes()),
            _ => out.extend_from_slice(&value.to_le_bytes()),
        }
        return;
    }
    let span = 2f64.powi(description.bits_stored.into());
    let (low, high) = if description.signed { (-span / 2.0, span / 2.0 - 1.0) } else { (0.0, span - 1.0) };
    // Bits Allocated is at most 32 here, so that everything fits.
    let whole = f64::from(value).round().clamp(low, high) as i64;
    let shift = u32::from((description.high_bit + 1).saturating_sub(description.bits_stored));
    out.extend_from_slice(&(whole << shift).to_le_bytes()[..description.sample_bytes()]);
}

/// An object taken apart at its pixel data.
struct Object<'a> {
    opened: Opened,
    body: Cow<'a, [u8]>,
    data_set: DataSet,
    places: PixelPlaces,
}

impl<'a> Object<'a> {
    fn open(bytes: &'a [u8], limits: &Limits) -> Result<Object<'a>, DicomError> {
        let (opened, body, mut warnings) = open_body(bytes, None, limits)?;
        let walker = Walker::new(SliceSource::new(&body, 0, 0), opened.encoding(), limits)?;
        let (data_set, places) = build(walker, Bulk::LeaveOut, &mut warnings)?;
        Ok(Object { opened, body, data_set, places })
    }

    fn with_native(&self, native: &NativePlace, pixels: &[u8]) -> Result<Vec<u8>, DicomError> {
        if native.big_endian_words.is_some() {
            return Err(DicomError::Unsupported("changing pixels in big endian order".to_owned()));
        }
        let mut body = self.body.to_vec();
        let start = native.offset as usize;
        let short = DicomError::PixelDescription("there are fewer pixels than Rows, Columns and Frames say");
        body.get_mut(start..start + pixels.len()).ok_or(short)?.copy_from_slice(pixels);
        self.part10(&self.uncompressed_syntax()?, &body)
    }

    /// Everything before the pixel data, then the pixels as one value; what follows them is padding and left out.
    fn with_fragments_replaced(
        &self,
        first: u64,
        pixels: &[u8],
        description: &PixelDescription,
    ) -> Result<Vec<u8>, DicomError> {
        // The head of the element is 12 bytes and that of its first item 8 (PS3.5 section 7.1.2 and annex A.4).
        let malformed = DicomError::Malformed { tag: tags::PIXEL_DATA, reason: "its head is not in explicit VR" };
        let start = (first as usize).checked_sub(20).ok_or_else(|| malformed.clone())?;
        if self.body.get(start..start + 4) != Some(&[0xE0, 0x7F, 0x10, 0x00]) {
            return Err(malformed);
        }
        let odd = pixels.len() % 2;
        let length = u32::try_from(pixels.len() + odd).ok().filter(|length| *length != u32::MAX);
        let length = length.ok_or(DicomError::InvalidValue { tag: tags::PIXEL_DATA, reason: "it is too long" })?;
        let vr = if 8 < description.bits_allocated { Vr::OW } else { Vr::OB };
        let mut body = self.body[..start + 4].to_vec();
        body.extend_from_slice(&vr.to_bytes());
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(pixels);
        body.extend(std::iter::repeat_n(0, odd));
        self.part10(&explicit_little()?, &body)
    }

    fn uncompressed_syntax(&self) -> Result<Uid, DicomError> {
        match self.opened.transfer_syntax.deflated {
            true => explicit_little(),
            false => Ok(self.opened.transfer_syntax_uid.clone()),
        }
    }

    fn part10(&self, syntax: &Uid, body: &[u8]) -> Result<Vec<u8>, DicomError> {
        let required = |tag, attribute| {
            let missing = DicomError::Unidentifiable { attribute, reason: "is absent or not a UID" };
            self.data_set.uid(tag).ok_or(missing)
        };
        let class = required(tags::SOP_CLASS_UID, "SOPClassUID")?;
        let instance = required(tags::SOP_INSTANCE_UID, "SOPInstanceUID")?;
        let mut bytes = part10_header(&class, &instance, syntax, None);
        bytes.extend_from_slice(body);
        Ok(bytes)
    }

    /// Where the value of Photometric Interpretation stands in the data set.
    fn value_of_photometric(&self, limits: &Limits) -> Result<Range<usize>, DicomError> {
        let mut walker = Walker::new(SliceSource::new(&self.body, 0, 0), self.opened.encoding(), limits)?;
        while let Some(token) = walker.next()? {
            if let Token::Element { tag: tags::PHOTOMETRIC_INTERPRETATION, offset, length, .. } = token
                && walker.depth() == 0
            {
                return Ok(offset as usize..offset as usize + length as usize);
            }
        }
        Err(DicomError::Absent("photometric interpretation"))
    }
}

fn explicit_little() -> Result<Uid, DicomError> {
    EXPLICIT_VR_LITTLE_ENDIAN
        .parse()
        .map_err(|_| DicomError::Unidentifiable { attribute: "TransferSyntaxUID", reason: "is not a UID" })
}
