//! Pixel data: the stored values of one frame at a time, whatever the transfer syntax (PS3.5 section 8).

use crate::codec;
use crate::data_set::{Bulk, PixelPlaces, build, open_body};
use crate::error::Warning;
use crate::limits::{Limits, check};
use crate::source::SliceSource;
use crate::syntax::{Codec, TransferSyntax};
use crate::walk::Walker;
use crate::{DataSet, DicomError, tags};
use hilum_types::Uid;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// How the pixels of an image are laid out (PS3.3 section C.7.6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelDescription {
    /// Rows of a frame.
    pub rows: u32,
    /// Columns of a frame.
    pub columns: u32,
    /// Frames, at least 1.
    pub frames: u32,
    /// Samples of a pixel: 1, or 3 for colour.
    pub samples_per_pixel: u16,
    /// Bits of a sample's container: 1, 8, 16, 32 or 64.
    pub bits_allocated: u16,
    /// Bits of a sample.
    pub bits_stored: u16,
    /// Place of the highest of them.
    pub high_bit: u16,
    /// Samples are two's complement.
    pub signed: bool,
    /// Native colour is stored plane by plane. Frames come out pixel by pixel all the same.
    pub planar: bool,
    /// Photometric Interpretation as stated, such as `MONOCHROME2`, `YBR_FULL_422`.
    pub photometric_interpretation: String,
    /// Samples are IEEE floating point numbers.
    pub float: bool,
}

impl PixelDescription {
    /// Samples of one frame.
    pub fn samples_per_frame(&self) -> usize {
        // Held within `frame_bytes_max` when the description was made.
        self.rows as usize * self.columns as usize * usize::from(self.samples_per_pixel)
    }

    /// Bytes of one sample once unpacked.
    pub(crate) fn sample_bytes(&self) -> usize {
        usize::from(self.bits_allocated.div_ceil(8))
    }

    /// Read and check the description before anything is allocated by it.
    ///
    /// # Errors
    /// [`DicomError::PixelDescription`] or [`DicomError::LimitExceeded`].
    pub fn of(data_set: &DataSet, float: bool, limits: &Limits) -> Result<PixelDescription, DicomError> {
        let required = |tag, reason| data_set.u32(tag).ok_or(DicomError::PixelDescription(reason));
        let short = |tag, reason| required(tag, reason)?.try_into().map_err(|_| DicomError::PixelDescription(reason));
        let bits_allocated: u16 = short(tags::BITS_ALLOCATED, "Bits Allocated is absent or no number")?;
        let bits_stored = data_set.u32(tags::BITS_STORED).and_then(|n| u16::try_from(n).ok()).unwrap_or(bits_allocated);
        let high_bit = data_set.u32(tags::HIGH_BIT).and_then(|n| u16::try_from(n).ok());
        let description = PixelDescription {
            rows: required(tags::ROWS, "Rows is absent or no number")?,
            columns: required(tags::COLUMNS, "Columns is absent or no number")?,
            frames: data_set.u32(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1),
            samples_per_pixel: short(tags::SAMPLES_PER_PIXEL, "Samples per Pixel is absent or no number")?,
            bits_allocated,
            bits_stored,
            high_bit: high_bit.unwrap_or(bits_stored.saturating_sub(1)),
            signed: data_set.u32(tags::PIXEL_REPRESENTATION) == Some(1),
            planar: data_set.u32(tags::PLANAR_CONFIGURATION) == Some(1),
            photometric_interpretation: data_set.string(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default(),
            float,
        };
        description.check(limits)?;
        Ok(description)
    }

    fn check(&self, limits: &Limits) -> Result<(), DicomError> {
        let wrong = |reason| Err(DicomError::PixelDescription(reason));
        if self.rows == 0 || self.columns == 0 || 65_535 < self.rows || 65_535 < self.columns {
            return wrong("Rows or Columns is not between 1 and 65535");
        }
        if !matches!(self.samples_per_pixel, 1 | 3) {
            return wrong("Samples per Pixel is neither 1 nor 3");
        }
        if !matches!(self.bits_allocated, 1 | 8 | 16 | 32 | 64) || (self.bits_allocated == 64 && !self.float) {
            return wrong("Bits Allocated is not 1, 8, 16 or 32");
        }
        if self.float && self.bits_allocated < 32 {
            return wrong("floating point samples need 32 or 64 bits");
        }
        if self.bits_stored == 0 || self.bits_allocated < self.bits_stored || self.bits_allocated <= self.high_bit {
            return wrong("Bits Stored or High Bit does not fit Bits Allocated");
        }
        let frame = u64::from(self.rows) * u64::from(self.columns) * u64::from(self.samples_per_pixel);
        let frame_bytes = frame * self.sample_bytes() as u64;
        check("decoded bytes of a frame", frame_bytes, limits.frame_bytes_max)?;
        check("decoded bytes of all frames", frame_bytes * u64::from(self.frames), limits.pixel_bytes_max)
    }
}

/// Samples of one frame: row by row, pixel by pixel, the samples of a pixel together (`[row][column][sample]`).
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Unsigned, 1 or 8 bits allocated.
    U8(Vec<u8>),
    /// Signed, 8 bits allocated.
    I8(Vec<i8>),
    /// Unsigned, 16 bits allocated.
    U16(Vec<u16>),
    /// Signed, 16 bits allocated.
    I16(Vec<i16>),
    /// Unsigned, 32 bits allocated.
    U32(Vec<u32>),
    /// Signed, 32 bits allocated.
    I32(Vec<i32>),
    /// Float Pixel Data.
    F32(Vec<f32>),
    /// Double Float Pixel Data.
    F64(Vec<f64>),
}

macro_rules! for_all {
    ($samples:expr, $values:ident => $result:expr) => {
        match $samples {
            Samples::U8($values) => $result,
            Samples::I8($values) => $result,
            Samples::U16($values) => $result,
            Samples::I16($values) => $result,
            Samples::U32($values) => $result,
            Samples::I32($values) => $result,
            Samples::F32($values) => $result,
            Samples::F64($values) => $result,
        }
    };
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        for_all!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples as `f32`, exact for up to 24 bits.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Samples::U8(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Samples::I8(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Samples::U16(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Samples::I16(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Samples::U32(values) => values.iter().map(|&value| value as f32).collect(),
            Samples::I32(values) => values.iter().map(|&value| value as f32).collect(),
            Samples::F32(values) => values.clone(),
            Samples::F64(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }

    /// The samples as `f64`, exact.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Samples::U32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Samples::I32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Samples::F64(values) => values.clone(),
            narrow => narrow.to_f32().into_iter().map(f64::from).collect(),
        }
    }

    /// The samples as `u8` when that is how they are stored.
    pub fn as_u8(&self) -> Option<&[u8]> {
        match self {
            Samples::U8(values) => Some(values),
            _ => None,
        }
    }

    /// Little endian bytes, in the width of Bits Allocated.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        for_all!(self, values => values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// From little endian bytes of whole samples.
    pub(crate) fn from_le_bytes(bytes: Vec<u8>, description: &PixelDescription) -> Samples {
        fn parse<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
            let (chunks, _) = bytes.as_chunks::<N>();
            chunks.iter().map(|&chunk| from(chunk)).collect()
        }
        match (description.sample_bytes(), description.float, description.signed) {
            (4, true, _) => Samples::F32(parse(&bytes, f32::from_le_bytes)),
            (8, _, _) => Samples::F64(parse(&bytes, f64::from_le_bytes)),
            (4, _, false) => Samples::U32(parse(&bytes, u32::from_le_bytes)),
            (4, _, true) => Samples::I32(parse(&bytes, i32::from_le_bytes)),
            (2, _, false) => Samples::U16(parse(&bytes, u16::from_le_bytes)),
            (2, _, true) => Samples::I16(parse(&bytes, i16::from_le_bytes)),
            (_, _, true) if description.bits_allocated == 8 => Samples::I8(parse(&bytes, i8::from_le_bytes)),
            _ => Samples::U8(bytes),
        }
    }
}

/// An image ready to decode, frame by frame. It holds no decoded pixel.
#[derive(Debug)]
pub struct Image<'a> {
    /// All elements but the pixel data and other bulk values.
    pub data_set: DataSet,
    /// Layout of the pixels.
    pub description: PixelDescription,
    /// Transfer syntax of the object.
    pub transfer_syntax_uid: Uid,
    /// How the object deviates from the standard.
    pub warnings: Vec<Warning>,
    syntax: TransferSyntax,
    body: Cow<'a, [u8]>,
    place: Place,
    limits: Limits,
}

#[derive(Debug)]
enum Place {
    Native {
        range: Range<usize>,
        big_endian_words: Option<usize>,
    },
    /// Ranges of the fragments of each frame.
    Frames(Vec<Vec<Range<usize>>>),
}

impl<'a> Image<'a> {
    /// Find and check the pixel data of an object; arguments as for [`crate::read_header`].
    ///
    /// # Errors
    /// [`DicomError::Absent`] without pixel data, [`DicomError::Unsupported`] for a compression that is not decoded
    /// here, and the errors of [`crate::read_data_set`].
    pub fn open(bytes: &'a [u8], transfer_syntax: Option<&Uid>, limits: &Limits) -> Result<Image<'a>, DicomError> {
        let (opened, body, mut warnings) = open_body(bytes, transfer_syntax, limits)?;
        let walker = Walker::new(SliceSource::new(&body, 0, 0), opened.encoding(), limits)?;
        let (data_set, places) = build(walker, Bulk::LeaveOut, &mut warnings)?;
        let float = places.native.is_some_and(|native| native.tag != tags::PIXEL_DATA);
        if places.native.is_none() && places.fragments.is_none() {
            return Err(DicomError::Absent("pixel data"));
        }
        let description = PixelDescription::of(&data_set, float, limits)?;
        let syntax = opened.transfer_syntax;
        let place = locate(places, &description, &body)?;
        if matches!(place, Place::Frames(_)) && matches!(syntax.codec, Codec::Native | Codec::Other) {
            return Err(DicomError::Unsupported("its transfer syntax".to_owned()));
        }
        let transfer_syntax_uid = opened.transfer_syntax_uid;
        Ok(Image {
            data_set,
            description,
            transfer_syntax_uid,
            warnings: warnings.into_vec(),
            syntax,
            body,
            place,
            limits: *limits,
        })
    }

    /// Whether the samples went through a compression that changes them.
    pub fn is_lossy(&self) -> bool {
        self.syntax.lossy
    }

    /// Stored values of the frame `index`, counted from 0: before any lookup table and before any colour conversion,
    /// in the container of Bits Allocated; bits outside Bits Stored are as they came.
    ///
    /// # Errors
    /// [`DicomError::Absent`] beyond the last frame, [`DicomError::Codec`] for broken and
    /// [`DicomError::Unsupported`] for unknown compressed data.
    pub fn frame(&self, index: u32) -> Result<Samples, DicomError> {
        if self.description.frames <= index {
            return Err(DicomError::Absent("frame with this number"));
        }
        match &self.place {
            Place::Native { range, big_endian_words } => {
                self.native_frame(&self.body[range.clone()], index, *big_endian_words)
            }
            Place::Frames(frames) => {
                let ranges = frames.get(index as usize).ok_or(DicomError::Absent("frame with this number"))?;
                let fragments: Vec<&[u8]> = ranges.iter().map(|range| &self.body[range.clone()]).collect();
                let coded = match fragments.as_slice() {
                    [one] => Cow::Borrowed(*one),
                    many => Cow::Owned(many.concat()),
                };
                codec::decode(self.syntax.codec, &coded, &self.description, &self.limits)
            }
        }
    }

    fn native_frame(&self, value: &[u8], index: u32, big_endian_words: Option<usize>) -> Result<Samples, DicomError> {
        let description = &self.description;
        let samples = description.samples_per_frame();
        if description.bits_allocated == 1 {
            return unpack_bits(value, samples, index).map(Samples::U8);
        }
        let subsampled = description.photometric_interpretation == "YBR_FULL_422" && description.samples_per_pixel == 3;
        let stored = if subsampled { samples / 3 * 2 } else { samples };
        let frame_bytes = stored * description.sample_bytes();
        let start = frame_bytes * index as usize;
        let short = DicomError::PixelDescription("there are fewer pixels than Rows, Columns and Frames say");
        let end = start + frame_bytes;
        let mut bytes = value.get(start..end).ok_or(short)?.to_vec();
        match (big_endian_words, description.sample_bytes()) {
            (None, _) | (Some(1), 1) => {}
            // Samples of one byte, two to a big endian word; a frame may begin in the middle of one.
            (Some(_), 1) => {
                let swapped = (start..end).map(|at| value.get(at ^ 1).copied().unwrap_or(0));
                bytes = swapped.collect();
            }
            (Some(_), width) => bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse),
        }
        if subsampled {
            bytes = expand_422(&bytes);
        } else if description.planar && description.samples_per_pixel == 3 {
            bytes = interleave(&bytes, description.sample_bytes());
        }
        Ok(Samples::from_le_bytes(bytes, description))
    }
}

/// Samples of one bit are packed without gaps, also between frames, the first in the lowest bit (PS3.5 section 8.1.1).
fn unpack_bits(value: &[u8], samples: usize, index: u32) -> Result<Vec<u8>, DicomError> {
    let first = samples as u64 * u64::from(index);
    let last = first + samples as u64;
    if (value.len() as u64) * 8 < last {
        return Err(DicomError::PixelDescription("there are fewer pixels than Rows, Columns and Frames say"));
    }
    Ok((first..last).map(|bit| (value[(bit / 8) as usize] >> (bit % 8)) & 1).collect())
}

/// Two pixels as Y Y Cb Cr become Y Cb Cr, Y Cb Cr (PS3.3 section C.7.6.3.1.2).
fn expand_422(bytes: &[u8]) -> Vec<u8> {
    bytes.as_chunks::<4>().0.iter().flat_map(|&[y0, y1, cb, cr]| [y0, cb, cr, y1, cb, cr]).collect()
}

/// Plane by plane to pixel by pixel.
pub(crate) fn interleave(planes: &[u8], sample_bytes: usize) -> Vec<u8> {
    let plane = planes.len() / 3;
    let mut out = Vec::with_capacity(planes.len());
    for at in (0..plane).step_by(sample_bytes) {
        for sample in 0..3 {
            out.extend_from_slice(&planes[sample * plane + at..sample * plane + at + sample_bytes]);
        }
    }
    out
}

fn locate(places: PixelPlaces, description: &PixelDescription, body: &[u8]) -> Result<Place, DicomError> {
    let at = |offset: u64, length: u64| offset as usize..(offset + length) as usize;
    if let Some(native) = places.native {
        let range = at(native.offset, native.length);
        return Ok(Place::Native { range, big_endian_words: native.big_endian_words });
    }
    let fragments = places.fragments.unwrap_or_default();
    let Some(((table_offset, table_length), fragments)) = fragments.split_first().map(|(first, rest)| (*first, rest))
    else {
        return Err(DicomError::PixelDescription("the encapsulated pixel data are empty"));
    };
    let table = &body[at(table_offset, u64::from(table_length))];
    let ranges: Vec<Range<usize>> = fragments.iter().map(|&(offset, length)| at(offset, u64::from(length))).collect();
    group_fragments(&ranges, table, description.frames as usize, body).map(Place::Frames)
}

/// Which fragments make up which frame (PS3.5 annex A.4).
fn group_fragments(
    fragments: &[Range<usize>],
    table: &[u8],
    frames: usize,
    body: &[u8],
) -> Result<Vec<Vec<Range<usize>>>, DicomError> {
    if frames == 1 {
        return Ok(vec![fragments.to_vec()]);
    }
    if fragments.len() == frames {
        return Ok(fragments.iter().map(|range| vec![range.clone()]).collect());
    }
    let Some(base) = fragments.first().map(|first| first.start - 8) else {
        return Err(DicomError::PixelDescription("there are fewer fragments than frames"));
    };
    let offsets: HashSet<usize> =
        table.as_chunks::<4>().0.iter().map(|&chunk| base.saturating_add(u32::from_le_bytes(chunk) as usize)).collect();
    let starts_frame = |range: &Range<usize>| {
        if table.len() / 4 == frames {
            return offsets.contains(&(range.start - 8));
        }
        let head = &body[range.clone()];
        head.starts_with(&[0xFF, 0xD8, 0xFF]) || head.starts_with(&[0xFF, 0x4F, 0xFF, 0x51])
    };
    let mut grouped: Vec<Vec<Range<usize>>> = Vec::new();
    for range in fragments {
        match grouped.last_mut() {
            Some(frame) if !starts_frame(range) => frame.push(range.clone()),
            _ => grouped.push(vec![range.clone()]),
        }
    }
    if grouped.len() != frames {
        return Err(DicomError::PixelDescription("the fragments cannot be told apart by frame"));
    }
    Ok(grouped)
}
