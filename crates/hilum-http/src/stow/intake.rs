//! One part of a request on its way into the store.

use crate::state::AppState;
use crate::stow::multipart::PartHead;
use hilum_intake::{Incoming, IntakeError};
use hilum_store::ErrorKind;
use hilum_store::records::{Origin, Source};
use hilum_types::Uid;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Name under which senders are recorded that did not sign in.
const PEER: &str = "HTTP";

/// Failure Reason (0008,1197): PS3.18 section 10.5.3 and PS3.7 annex C.
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
    /// The part is not an instance at all.
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

/// A part that is coming in, or why it is not.
pub(crate) enum Part {
    Coming(Box<Incoming>),
    Broken(FailureReason),
}

impl Part {
    pub(crate) fn begin(state: &AppState, head: &PartHead) -> Part {
        if !matches!(head.content_type.as_str(), "" | "application/dicom" | "application/octet-stream") {
            return Part::Broken(FailureReason::SopClassNotSupported);
        }
        let origin = Origin { peer: PEER.to_owned(), source: Source::Stow };
        match state.intake().begin_file(origin) {
            Ok(incoming) => Part::Coming(Box::new(incoming)),
            Err(error) => Part::Broken(reason(&error)),
        }
    }

    /// Further bytes.
    ///
    /// # Errors
    /// [`IntakeError::TooLarge`] only: any other fault breaks this part, is told in the answer, and the rest of the
    /// part is passed over.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        let Part::Coming(incoming) = self else { return Ok(()) };
        match incoming.write(bytes) {
            Ok(()) => Ok(()),
            Err(error @ IntakeError::TooLarge(_)) => Err(error),
            Err(error) => {
                *self = Part::Broken(reason(&error));
                Ok(())
            }
        }
    }
}

/// A complete part becomes an instance, goes into quarantine, or is refused.
pub(crate) async fn take(
    part: Part,
    study: Option<Arc<Uid>>,
    quarantined: Arc<AtomicUsize>,
    quarantine_max: usize,
) -> Taken {
    let incoming = match part {
        Part::Coming(incoming) => incoming,
        Part::Broken(reason) => return Taken::Failed(Reference::default(), reason),
    };
    if incoming.size() == 0 {
        return Taken::Failed(Reference::default(), FailureReason::CannotUnderstand);
    }
    let scanned = match incoming.scan().await {
        Ok(Ok(scanned)) => scanned,
        Ok(Err(error)) => {
            // Beyond the cap nothing is kept, so that one request cannot fill the quarantine.
            if quarantined.fetch_add(1, Ordering::Relaxed) < quarantine_max
                && let Err(error) = incoming.set_aside(&error).await
            {
                return Taken::Failed(Reference::default(), reason(&error));
            }
            return Taken::Failed(Reference::default(), FailureReason::CannotUnderstand);
        }
        Err(error) => return Taken::Failed(Reference::default(), reason(&error)),
    };
    let reference = Reference {
        sop_class_uid: Some(scanned.header.sop_class_uid.clone()),
        sop_instance_uid: Some(scanned.header.sop_instance_uid.clone()),
    };
    if study.is_some_and(|study| *study != scanned.header.study_instance_uid) {
        return Taken::Failed(reference, FailureReason::DataSetDoesNotMatch);
    }
    match incoming.commit(&scanned).await {
        Ok(_) => Taken::Stored(reference),
        Err(error) => Taken::Failed(reference, reason(&error)),
    }
}

fn reason(error: &IntakeError) -> FailureReason {
    tracing::error!(error = error as &dyn std::error::Error, "an instance was not stored");
    match error {
        IntakeError::Store(error) if error.kind() == ErrorKind::OutOfResources => FailureReason::OutOfResources,
        _ => FailureReason::ProcessingFailure,
    }
}
