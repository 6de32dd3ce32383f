//! Every bound that reading hostile bytes relies on, in one place (threat rows 2 and 3, promise R9).

use crate::DicomError;

/// Sequences open at once.
pub const NESTING_DEPTH_MAX: usize = 64;
/// Bytes of a data set outside bulk values (pixel data, waveforms, encapsulated documents).
pub const HEADER_BYTES_MAX: u64 = 64 << 20;
/// Data elements and items of a data set; fragments of pixel data are counted apart.
pub const ELEMENT_COUNT_MAX: u64 = 100_000;
/// Fragments of encapsulated pixel data.
pub const FRAGMENT_COUNT_MAX: u64 = 1_000_000;
/// Bytes of one attribute that the catalog keeps.
pub const TEXT_VALUE_BYTES_MAX: u64 = 64 << 10;
/// Bytes of the file meta information, group 0002.
pub const META_BYTES_MAX: u64 = 64 << 10;
/// Bytes of one object, as received.
pub const FILE_BYTES_MAX: u64 = 4 << 30;
/// Bytes a deflated data set may inflate to.
pub const INFLATED_BYTES_MAX: u64 = 512 << 20;
/// Inflated bytes for each deflated one.
pub const INFLATE_RATIO_MAX: u64 = 100;
/// Inflated bytes below which the ratio is not looked at: a small blank image compresses better than any bomb.
pub const INFLATE_RATIO_FREE_BYTES: u64 = 1 << 20;
/// Decoded bytes of one frame; the largest real ones, of mammography and plate readers, stay below 100 MiB.
pub const FRAME_BYTES_MAX: u64 = 256 << 20;
/// Decoded bytes for each compressed byte of a frame.
pub const FRAME_RATIO_MAX: u64 = 1_000;
/// Decoded bytes of a frame below which the ratio is not looked at: a blank frame compresses without bound.
pub const FRAME_RATIO_FREE_BYTES: u64 = 64 << 20;
/// Decoded bytes of all frames of one object.
pub const PIXEL_BYTES_MAX: u64 = 8 << 30;

/// The bounds in force; [`Limits::default`] takes the constants of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the constant of the same name")]
pub struct Limits {
    pub nesting_depth_max: usize,
    pub header_bytes_max: u64,
    pub element_count_max: u64,
    pub fragment_count_max: u64,
    pub text_value_bytes_max: u64,
    pub meta_bytes_max: u64,
    pub file_bytes_max: u64,
    pub inflated_bytes_max: u64,
    pub inflate_ratio_max: u64,
    pub inflate_ratio_free_bytes: u64,
    pub frame_bytes_max: u64,
    pub frame_ratio_max: u64,
    pub frame_ratio_free_bytes: u64,
    pub pixel_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            nesting_depth_max: NESTING_DEPTH_MAX,
            header_bytes_max: HEADER_BYTES_MAX,
            element_count_max: ELEMENT_COUNT_MAX,
            fragment_count_max: FRAGMENT_COUNT_MAX,
            text_value_bytes_max: TEXT_VALUE_BYTES_MAX,
            meta_bytes_max: META_BYTES_MAX,
            file_bytes_max: FILE_BYTES_MAX,
            inflated_bytes_max: INFLATED_BYTES_MAX,
            inflate_ratio_max: INFLATE_RATIO_MAX,
            inflate_ratio_free_bytes: INFLATE_RATIO_FREE_BYTES,
            frame_bytes_max: FRAME_BYTES_MAX,
            frame_ratio_max: FRAME_RATIO_MAX,
            frame_ratio_free_bytes: FRAME_RATIO_FREE_BYTES,
            pixel_bytes_max: PIXEL_BYTES_MAX,
        }
    }
}

/// `Ok` when `found` is within `allowed`.
pub(crate) fn check(what: &'static str, found: u64, allowed: u64) -> Result<(), DicomError> {
    if allowed < found { Err(DicomError::LimitExceeded { what, allowed }) } else { Ok(()) }
}
