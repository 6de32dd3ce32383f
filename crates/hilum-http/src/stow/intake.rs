//! One part of a request on its way into the store: the same order of steps as a C-STORE (architecture section 4).

use crate::state::AppState;
use crate::stow::multipart::PartHead;
use hilum_dicom::limits::Limits;
use hilum_dicom::{DicomError, ErrorKind as DicomErrorKind, Scanned, read_header_prefix};
use hilum_store::records::{Origin, Source};
use hilum_store::{ErrorKind, SpoolFile, StoreError};
use hilum_types::{Reason, Uid};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Name under which unsigned-in senders are recorded.
const PEER: &str = "HTTP";
/// The file meta information begins behind the preamble and the prefix.
const META_START: usize = 132;
/// Preamble, prefix and the group length element.
const GROUP_LENGTH_END: usize = META_START + 12;
/// How much of a file the header is looked for in, before all of it is read.
const HEADER_PREFIXES: [u64; 2] = [256 << 10, 4 << 20];

/// Failure Reason (0008,1197): PS3.18 section 10.5.3.1.2 and PS3.7 annex C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureReason {
    /// No room left.
    OutOfResources = 0xA700,
    /// The instance is not of the study that the address names.
    DataSetDoesNotMatch = 0xA900,
    /// The bytes cannot be understood as an instance.
    CannotUnderstand = 0xC000,
    /// A fault on this side; the sender may try again.
    ProcessingFailure = 0x0110,
    /// The part is not an instance of a storage SOP class.
    SopClassNotSupported = 0x0122,
}

/// Identifiers of an instance, as far as they are known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    pub(crate) sop_class_uid: Option<Uid>,
    pub(crate) sop_instance_uid: Option<Uid>,
}

/// What became of one part.
#[derive(Debug)]
pub(crate) enum Taken {
    Stored(Reference),
    Failed(Reference, FailureReason),
}

impl Taken {
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self, Taken::Stored(_))
    }
}

/// A part that is coming in.
pub(crate) struct Partial {
    spool: SpoolFile,
    /// First bytes, until the place where the data set begins is known.
    head: Vec<u8>,
    data_set_at: Option<u64>,
    not_dicom: bool,
}

impl Partial {
    pub(crate) fn begin(state: &AppState, head: &PartHead) -> Result<Partial, StoreError> {
        let not_dicom = !matches!(head.content_type.as_str(), "" | "application/dicom" | "application/octet-stream");
        Ok(Partial { spool: state.committer.blobs().spool()?, head: Vec::new(), data_set_at: None, not_dicom })
    }

    pub(crate) fn size(&self) -> u64 {
        self.spool.size()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.head.len() < GROUP_LENGTH_END {
            let wanted = (GROUP_LENGTH_END - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..wanted]);
            self.data_set_at = data_set_at(&self.head);
        }
        let boundary = self.data_set_at.and_then(|at| at.checked_sub(self.spool.size()));
        match boundary.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < bytes.len()) {
            Some(at) => {
                self.spool.write(&bytes[..at])?;
                self.spool.begin_data_set();
                self.data_set_at = None;
                self.spool.write(&bytes[at..])
            }
            None => self.spool.write(bytes),
        }
    }
}

/// Where the data set begins by the group length of the file meta information (PS3.10 section 7.1). Only "same bytes"
/// is decided on it, so a wrong one does no harm.
fn data_set_at(head: &[u8]) -> Option<u64> {
    let group_length = head.get(128..GROUP_LENGTH_END)?;
    let length = group_length.strip_prefix(b"DICM\x02\x00\x00\x00UL\x04\x00")?;
    Some(GROUP_LENGTH_END as u64 + u64::from(u32::from_le_bytes(length.try_into().ok()?)))
}

/// Read the header of a complete part and store it, or set it aside.
pub(crate) async fn take(
    state: AppState,
    part: Result<Partial, StoreError>,
    study: Option<Arc<Uid>>,
    quarantined: Arc<AtomicUsize>,
) -> Taken {
    let part = match part {
        Ok(part) => part,
        Err(error) => return failed(Reference::default(), &error),
    };
    if part.not_dicom {
        return Taken::Failed(Reference::default(), FailureReason::SopClassNotSupported);
    }
    if part.size() == 0 {
        return Taken::Failed(Reference::default(), FailureReason::CannotUnderstand);
    }
    let origin = Origin { peer: PEER.to_owned(), source: Source::Stow };
    let limits = state.limits.dicom;
    let read = tokio::task::spawn_blocking(move || (scan(&part.spool, &limits), part.spool)).await;
    let Ok((scanned, spool)) = read else {
        tracing::error!("reading a header ended unexpectedly");
        return Taken::Failed(Reference::default(), FailureReason::ProcessingFailure);
    };
    let scanned = match scanned {
        Ok(scanned) => scanned,
        Err(Unread::Store(error)) => return failed(Reference::default(), &error),
        Err(Unread::Dicom(error)) => {
            if quarantined.fetch_add(1, Ordering::Relaxed) < state.limits.stow_quarantine_max {
                let kept = state.committer.quarantine(spool, &reason(&error), &origin, state.now()).await;
                if let Err(error) = kept {
                    return failed(Reference::default(), &error);
                }
            }
            return Taken::Failed(Reference::default(), FailureReason::CannotUnderstand);
        }
    };
    let reference = Reference {
        sop_class_uid: Some(scanned.header.sop_class_uid.clone()),
        sop_instance_uid: Some(scanned.header.sop_instance_uid.clone()),
    };
    if study.is_some_and(|study| *study != scanned.header.study_instance_uid) {
        return Taken::Failed(reference, FailureReason::DataSetDoesNotMatch);
    }
    match state.committer.store(spool, scanned.header, origin, state.now()).await {
        Ok(_) => Taken::Stored(reference),
        Err(error) => failed(reference, &error),
    }
}

fn failed(reference: Reference, error: &StoreError) -> Taken {
    tracing::error!(error = error as &dyn std::error::Error, "an instance was not stored");
    Taken::Failed(
        reference,
        match error.kind() {
            ErrorKind::OutOfResources => FailureReason::OutOfResources,
            _ => FailureReason::ProcessingFailure,
        },
    )
}

fn reason(error: &DicomError) -> Reason {
    let code = match error.kind() {
        DicomErrorKind::Limit => "dicom.limit",
        DicomErrorKind::Unidentifiable => "dicom.unidentifiable",
        _ => "dicom.malformed",
    };
    Reason::new(code, error.to_string())
}

enum Unread {
    Dicom(DicomError),
    Store(StoreError),
}

/// Most headers lie in the first bytes; encapsulated and deflated objects are looked at whole.
fn scan(spool: &SpoolFile, limits: &Limits) -> Result<Scanned, Unread> {
    let mut file = spool.open_for_reading().map_err(Unread::Store)?;
    let (mut bytes, size) = (Vec::new(), spool.size());
    for wanted in HEADER_PREFIXES.into_iter().chain([size]) {
        read_up_to(&mut file, &mut bytes, wanted.min(size))
            .map_err(|source| Unread::Store(StoreError::File { what: "read a received object", source }))?;
        match read_header_prefix(&bytes, size, None, limits) {
            Err(DicomError::MoreBytesNeeded) if (bytes.len() as u64) < size => {}
            outcome => return outcome.map_err(Unread::Dicom),
        }
    }
    Err(Unread::Dicom(DicomError::NotDicom))
}

fn read_up_to(file: &mut File, bytes: &mut Vec<u8>, wanted: u64) -> std::io::Result<()> {
    let missing = wanted.saturating_sub(bytes.len() as u64);
    file.take(missing).read_to_end(bytes).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_of_the_data_set() {
        let mut file = vec![0u8; 128];
        file.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00\x0a\x00\x00\x00");
        assert_eq!(data_set_at(&file), Some(154));
        assert_eq!(data_set_at(&file[..143]), None);
        file[128] = b'X';
        assert_eq!(data_set_at(&file), None);
    }
}
