//! Core: bounded reading, text, pixels and writing of DICOM objects; the only crate that knows dicom-rs.
//!
//! Received bytes are hostile until [`read_header`] has passed over them: one iterative walk with the bounds of
//! [`limits`], no recursion, no allocation by a declared length, no pixel decoded. Everything else that reads goes
//! through the same walk. What is written conforms strictly; what is read may deviate, and then comes with warnings.

mod codec;
mod data_set;
mod dictionary;
mod error;
mod header;
pub mod limits;
pub mod lut;
mod number;
mod part10;
mod pixel;
mod rewrite;
mod source;
mod syntax;
mod text;
mod walk;
mod write;

pub use data_set::{Bulk, DataSet, Element, ReadDataSet, Value, read_data_set};
pub use dicom_core::{Tag, VR as Vr};
pub use dicom_dictionary_std::{tags, uids};
pub use dictionary::{keyword_of, tag_of, vr_of};
pub use error::{DicomError, ErrorKind, Warning};
pub use header::{PixelDataLocation, Scanned, read_header, read_header_prefix, read_part10_header};
pub use limits::Limits;
pub use part10::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Meta, part10_header};
pub use pixel::{Image, PixelDescription, Samples};
pub use rewrite::{with_photometric_exchanged, with_stored_values};
pub use syntax::{Codec, Encoding, TransferSyntax};
pub use text::{CharacterSet, decode as decode_text};
pub use write::EXPLICIT_VR_LITTLE_ENDIAN;
