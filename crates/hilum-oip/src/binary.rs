//! The binary tensor data extension: JSON, then the bytes of each tensor in order, little-endian and row-major.

use crate::OipError;
use bytes::Bytes;

/// The header that says how long the JSON is; its absence means that the whole body is JSON.
pub(crate) const HEADER: &str = "inference-header-content-length";

/// Longest JSON in a request. Large tensors travel as bytes: JSON of this size already takes a second to read.
pub(crate) const JSON_BYTES_MAX: usize = 16 << 20;

/// A body taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// All of it is JSON.
    Json(Bytes),
    /// JSON, then tensors.
    Mixed {
        /// The JSON.
        json: Bytes,
        /// Tensors one after another.
        tensors: Bytes,
    },
    /// Header value 0: all of it is the one input tensor.
    Raw(Bytes),
}

/// Take a body apart; `header` is the text of [`HEADER`] when it was sent.
///
/// # Errors
/// [`OipError::Invalid`] when the header is no length within the body; [`OipError::TooLarge`] for too long a JSON.
pub(crate) fn split(header: Option<&[u8]>, body: Bytes) -> Result<Body, OipError> {
    let split = match header {
        None => Body::Json(body),
        Some(text) => match length(text, body.len())? {
            0 => Body::Raw(body),
            length => Body::Mixed { json: body.slice(..length), tensors: body.slice(length..) },
        },
    };
    match &split {
        Body::Json(json) | Body::Mixed { json, .. } if JSON_BYTES_MAX < json.len() => {
            let (length, most) = (json.len(), JSON_BYTES_MAX);
            let text = format!("{length} bytes of JSON; {most} are the most, send tensors as bytes (binary_data_size)");
            Err(OipError::TooLarge(text))
        }
        _ => Ok(split),
    }
}

fn length(text: &[u8], body: usize) -> Result<usize, OipError> {
    let digits = !text.is_empty() && text.len() <= 19 && text.iter().all(u8::is_ascii_digit);
    let length = digits.then(|| std::str::from_utf8(text).ok()?.parse::<usize>().ok()).flatten();
    length.filter(|length| *length <= body).ok_or_else(|| {
        OipError::invalid(format!("Inference-Header-Content-Length must be a number of bytes of the body, 0 to {body}"))
    })
}

/// Hands out the tensors that follow the JSON, in order.
#[derive(Debug)]
pub(crate) struct Tail(Bytes);

impl Tail {
    pub(crate) fn new(tensors: Bytes) -> Tail {
        Tail(tensors)
    }

    /// The next `size` bytes.
    ///
    /// # Errors
    /// [`OipError::Invalid`] when fewer are left.
    pub(crate) fn take(&mut self, name: &str, size: u64) -> Result<Bytes, OipError> {
        match usize::try_from(size) {
            Ok(size) if size <= self.0.len() => Ok(self.0.split_to(size)),
            _ => Err(OipError::invalid(format!(
                "tensor {:?}: binary_data_size is {size}, {} bytes are left in the body",
                crate::wire::shown(name),
                self.0.len()
            ))),
        }
    }

    /// Every byte must belong to a tensor.
    ///
    /// # Errors
    /// [`OipError::Invalid`] when some are left.
    pub(crate) fn end(self) -> Result<(), OipError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(OipError::invalid(format!("{} bytes of the body belong to no tensor", self.0.len())))
    }
}
