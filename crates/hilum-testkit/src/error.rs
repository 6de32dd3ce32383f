/// A phantom or simulated peer could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TestkitError {
    /// The object cannot be written, because a text of the subject or acquisition breaks its value representation.
    #[error("writing a phantom as a DICOM object")]
    Encode(#[source] hilum_dicom::DicomError),
    /// A file to be sent is not a DICOM object.
    #[error("reading a DICOM object to be sent")]
    Read(#[source] hilum_dicom::DicomError),
    /// The simulated archive could not listen.
    #[error("starting the simulated archive")]
    Listen(#[source] hilum_dimse::ServerError),
    /// What was waited for did not happen in time.
    #[error("the simulated archive received {received} of {wanted} instances in time")]
    TimedOut {
        /// Instances received.
        received: usize,
        /// Instances waited for.
        wanted: usize,
    },
}
