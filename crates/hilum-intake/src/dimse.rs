//! C-STORE: each data set is spooled while it arrives, and answered when it is durable.

use crate::incoming::{Incoming, Intake, IntakeError, Received};
use bytes::Bytes;
use hilum_dimse::{AssociationRequest, InstanceSink, Outcome, Rejection, Status, StoreContext, StoreHandler};
use hilum_store::ErrorKind;
use hilum_store::records::{IntakeOutcome, Origin, Source};
use hilum_types::Uid;

/// Hands what the DICOM listener receives to an [`Intake`].
pub struct DimseIntake {
    intake: Intake,
}

impl DimseIntake {
    /// A handler for [`hilum_dimse::Server::bind`].
    pub fn new(intake: Intake) -> DimseIntake {
        DimseIntake { intake }
    }
}

impl StoreHandler for DimseIntake {
    type Sink = DimseSink;

    async fn begin(&self, context: &StoreContext) -> Result<DimseSink, Outcome> {
        let uid = |text: &str, what: &str| {
            text.parse::<Uid>()
                .map_err(|_| Outcome::with_comment(Status::INVALID_SOP_INSTANCE, format!("{what} is not a valid UID")))
        };
        let sop_class = uid(&context.sop_class_uid, "Affected SOP Class UID")?;
        let sop_instance = uid(&context.sop_instance_uid, "Affected SOP Instance UID")?;
        let transfer_syntax = uid(&context.transfer_syntax, "transfer syntax")?;
        let origin = Origin { peer: context.calling_ae.to_string(), source: Source::Dimse };
        let incoming = self
            .intake
            .begin_data_set(&sop_class, &sop_instance, &transfer_syntax, Some(&context.calling_ae), origin)
            .map_err(|error| refuse(&error))?;
        Ok(DimseSink { incoming, sop_instance })
    }

    fn admit(&self, _request: &AssociationRequest) -> Result<(), Rejection> {
        // A full disk is answered per instance (A700), so that C-ECHO still tells the peer that somebody is there.
        Ok(())
    }
}

/// One instance on its way in.
pub struct DimseSink {
    incoming: Incoming,
    sop_instance: Uid,
}

impl InstanceSink for DimseSink {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Outcome> {
        self.incoming.write(&chunk).map_err(|error| refuse(&error))
    }

    async fn finish(self) -> Outcome {
        match self.incoming.finish(Some(&self.sop_instance)).await {
            // A product is told that what it sent answers nothing, although it is kept: somebody has to look at that.
            Ok(Received::Instance { outcome: IntakeOutcome::SetAside { reason, .. }, .. }) => {
                tracing::warn!(reason = reason.code, "an object of a product went to quarantine");
                Outcome::with_comment(Status::CANNOT_UNDERSTAND, format!("quarantined: {reason}"))
            }
            Ok(Received::Instance { .. }) => Status::SUCCESS.into(),
            // The bytes are kept, but not as what the sender meant them to be: it must not count them as stored.
            Ok(Received::Quarantined { error, .. }) => {
                tracing::warn!(error = %error, "a received object went to quarantine");
                Outcome::with_comment(Status::CANNOT_UNDERSTAND, format!("quarantined: {error}"))
            }
            Err(error) => refuse(&error),
        }
    }
}

/// The status of PS3.4 table B.2-1 that tells the sender what it can do.
fn refuse(error: &IntakeError) -> Outcome {
    let status = match error {
        IntakeError::TooLarge(_) => Status::DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
        IntakeError::ReadBack(_) => Status::PROCESSING_FAILURE,
        IntakeError::Store(store) => match store.kind() {
            ErrorKind::OutOfResources | ErrorKind::Unavailable => Status::OUT_OF_RESOURCES,
            _ => Status::PROCESSING_FAILURE,
        },
    };
    tracing::warn!(error = error as &dyn std::error::Error, %status, "an instance was refused");
    Outcome::with_comment(status, error.to_string())
}
