use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hilum_store::{ErrorKind, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

/// The one shape of every refusal and failure of the interface (UX-14).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Stable code, documented in `docs/reference/errors.md`.
    #[schema(example = "study-not-found")]
    pub code: String,
    /// What happened, in a sentence; never patient data.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $remedy:literal;)*) => {
        /// Everything that can go wrong at this interface: a closed set of stable codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode { $($(#[$doc])* $variant),* }

        impl ProblemCode {
            /// Every code, in the order of the reference page.
            pub const ALL: &[ProblemCode] = &[$(ProblemCode::$variant),*];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self { $(ProblemCode::$variant => $code),* }
            }

            /// HTTP status it is answered with.
            pub fn status(self) -> StatusCode {
                match self { $(ProblemCode::$variant => StatusCode::$status),* }
            }

            /// What the asker can do.
            pub fn remedy(self) -> &'static str {
                match self { $(ProblemCode::$variant => $remedy),* }
            }
        }
    };
}

problem_codes! {
    /// The address is none of this interface.
    NoSuchAddress = "no-such-address", NOT_FOUND, "See /api/v1/openapi.json for every address.";
    /// The address exists, but not for this method.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Use a method listed in the Allow header of the response.";
    /// The study is not held.
    StudyNotFound = "study-not-found", NOT_FOUND, "Check the Study Instance UID or key; look in quarantine for objects that could not be read.";
    /// The instance, or that version of it, is not held.
    InstanceNotFound = "instance-not-found", NOT_FOUND, "Check the SOP Instance UID and the version number in the journey of its study.";
    /// The result object is not held.
    ResultNotFound = "result-not-found", NOT_FOUND, "Take the SOP Instance UID from the results in the journey of the study.";
    /// The result may not be shown: shadow, reading mode or withheld.
    ResultNotReleased = "result-not-released", FORBIDDEN, "The gate did not release this result to readers; the journey of the study says why.";
    /// The result was retracted by a recall.
    ResultRetracted = "result-retracted", GONE, "The journey of the study says why and under which recall record; do not use the result.";
    /// The result object has no picture that can be shown.
    NoPreview = "no-preview", NOT_FOUND, "Only key images with 8-bit pixels have a preview; retrieve the object from the archive instead.";
    /// No deployment of that name.
    DeploymentNotFound = "deployment-not-found", NOT_FOUND, "List the names with GET /api/v1/deployments.";
    /// No model package of that digest.
    ModelNotFound = "model-not-found", NOT_FOUND, "List the digests with GET /api/v1/models; give 12 digits or more.";
    /// No record of that digest.
    RecordNotFound = "record-not-found", NOT_FOUND, "List the digests with GET /api/v1/records; give 12 digits or more.";
    /// Name and password do not belong together, or the person may not act any more.
    NotSignedIn = "not-signed-in", FORBIDDEN, "Check name and password; somebody with the role governance sets a new one with hilum user password.";
    /// The person may not do this.
    NotPermitted = "not-permitted", FORBIDDEN, "Ask somebody who holds one of the roles that the message names.";
    /// Too many wrong passwords.
    TooManyAttempts = "too-many-attempts", TOO_MANY_REQUESTS, "Wait a quarter of an hour; look at the sign-ins refused in the audit record.";
    /// No delivery of that key.
    DeliveryNotFound = "delivery-not-found", NOT_FOUND, "List the keys with GET /api/v1/deliveries.";
    /// No alarm of that key.
    AlarmNotFound = "alarm-not-found", NOT_FOUND, "List the keys with GET /api/v1/alarms.";
    /// There are too few studies for the question, or nothing changed.
    NotEnoughStudies = "not-enough-studies", CONFLICT, "Ask about a longer range, another quantity, or give the begin of the change with since.";
    /// No recall record of that digest.
    RecallNotFound = "recall-not-found", NOT_FOUND, "List the digests with GET /api/v1/recalls; give 12 digits or more.";
    /// A parameter of the address cannot be read.
    InvalidParameter = "invalid-parameter", BAD_REQUEST, "Correct the parameter that the message names.";
    /// The body cannot be read.
    InvalidBody = "invalid-body", BAD_REQUEST, "Send the JSON or form fields that the interface description asks for.";
    /// The body is larger than allowed.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "Send less at once; several smaller requests are as good as one.";
    /// The media type of the body is not one this address takes.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "For STOW-RS send multipart/related; type=\"application/dicom\"; boundary=...; elsewhere application/json.";
    /// None of the media types asked for can be given.
    NotAcceptable = "not-acceptable", NOT_ACCEPTABLE, "Accept application/dicom+json.";
    /// The multipart body does not follow RFC 2046.
    MalformedMultipart = "malformed-multipart", BAD_REQUEST, "Repair the sender and send everything again; instances stored before the fault are recognised as duplicates.";
    /// The request held no instance.
    NoInstances = "no-instances", BAD_REQUEST, "Send each instance as one part of type application/dicom.";
    /// The state of the thing does not allow the act.
    Conflict = "conflict", CONFLICT, "Read the current state and decide again.";
    /// A browser sent the request from a page of another site.
    CrossOrigin = "cross-origin", FORBIDDEN, "Act from Hilum's own pages, or send the request without a browser.";
    /// The request names a host under which Hilum does not serve.
    HostNotAllowed = "host-not-allowed", MISDIRECTED_REQUEST, "Use the loopback address, or list the host name in the configuration.";
    /// The sender was silent too long.
    Timeout = "timeout", REQUEST_TIMEOUT, "Send the request again; check the network between sender and Hilum.";
    /// The catalog or the disk is out of reach just now.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Try again shortly; if it persists see /api/v1/health/ready and the log.";
    /// The disk reserve is reached.
    OutOfSpace = "out-of-space", INSUFFICIENT_STORAGE, "Free space below the data directory or lower the reserve; nothing was stored.";
    /// Stored data are not what they should be.
    StoredDataDamaged = "stored-data-damaged", INTERNAL_SERVER_ERROR, "Restore the object from a backup; run the storage check.";
    /// A fault in Hilum.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Report it with the time of day; the log holds the cause.";
}

/// A request that could not be carried out: a code and what happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Which problem.
    pub code: ProblemCode,
    /// What happened; never patient data.
    pub message: String,
}

impl Problem {
    /// A problem from its code and a sentence.
    pub fn new(code: ProblemCode, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into() }
    }

    /// The JSON form.
    pub fn body(&self) -> ProblemBody {
        ProblemBody {
            code: self.code.code().to_owned(),
            message: self.message.clone(),
            remedy: self.code.remedy().to_owned(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), Json(self.body())).into_response();
        // Pages are for people: a later layer writes the same problem as a page.
        response.extensions_mut().insert(self);
        response
    }
}

/// The edge is where a failure is handled, so it is logged here, once, with its causes.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let code = match error.kind() {
            ErrorKind::NotFound => ProblemCode::NoSuchAddress,
            ErrorKind::Conflict => ProblemCode::Conflict,
            ErrorKind::Denied => ProblemCode::NotSignedIn,
            ErrorKind::Unavailable => ProblemCode::Unavailable,
            ErrorKind::OutOfResources => ProblemCode::OutOfSpace,
            ErrorKind::Corrupt => ProblemCode::StoredDataDamaged,
            ErrorKind::Bug => ProblemCode::Internal,
        };
        if code.status().is_server_error() {
            tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
        }
        Problem::new(code, error.to_string())
    }
}

/// The same, with another code when the thing asked for is not there.
pub(crate) fn or_missing(code: ProblemCode) -> impl Fn(StoreError) -> Problem {
    move |error| match error.kind() {
        ErrorKind::NotFound => Problem::new(code, error.to_string()),
        _ => error.into(),
    }
}
