use crate::HostError;

/// Why a request was refused, or a remote model could not be used. Texts reach the peer: no patient data.
#[derive(Debug, thiserror::Error)]
pub enum OipError {
    /// The request, or an answer, breaks the protocol or does not fit the model.
    #[error("{0}")]
    Invalid(String),
    /// A limit of this server.
    #[error("{0}")]
    TooLarge(String),
    /// Something the protocol knows and this server does not offer.
    #[error("{0}")]
    Unsupported(String),
    /// The model host.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl OipError {
    pub(crate) fn invalid(problem: String) -> OipError {
        OipError::Invalid(problem)
    }

    /// HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            OipError::Invalid(_) => 400,
            OipError::TooLarge(_) => 413,
            OipError::Unsupported(_) => 415,
            OipError::Host(HostError::NotFound(_)) => 404,
            OipError::Host(HostError::Refused(_)) => 400,
            OipError::Host(HostError::Unavailable(_)) => 503,
            OipError::Host(HostError::Deadline(_)) => 504,
            OipError::Host(HostError::Failed(_)) => 500,
        }
    }

    /// gRPC status.
    pub(crate) fn grpc(&self) -> tonic::Status {
        let code = match self {
            OipError::Invalid(_) | OipError::Host(HostError::Refused(_)) => tonic::Code::InvalidArgument,
            OipError::TooLarge(_) => tonic::Code::ResourceExhausted,
            OipError::Unsupported(_) => tonic::Code::Unimplemented,
            OipError::Host(HostError::NotFound(_)) => tonic::Code::NotFound,
            OipError::Host(HostError::Unavailable(_)) => tonic::Code::Unavailable,
            OipError::Host(HostError::Deadline(_)) => tonic::Code::DeadlineExceeded,
            OipError::Host(HostError::Failed(_)) => tonic::Code::Internal,
        };
        tonic::Status::new(code, self.to_string())
    }
}
