//! Extractors that refuse in the one problem shape.

use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Path, Query};
use axum::http::StatusCode;

/// Path parameters.
#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(Problem))]
pub(crate) struct ApiPath<T>(pub(crate) T);

/// Query parameters.
#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(Problem))]
pub(crate) struct ApiQuery<T>(pub(crate) T);

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(Problem))]
pub(crate) struct ApiJson<T>(pub(crate) T);

/// The fields of a form.
#[derive(FromRequest)]
#[from_request(via(Form), rejection(Problem))]
pub(crate) struct ApiForm<T>(pub(crate) T);

/// What was sent may name a patient, so the texts of the rejections, which repeat it, are not used.
fn body_problem(status: StatusCode) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(ProblemCode::BodyTooLarge, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Problem::new(ProblemCode::UnsupportedMediaType, "the media type of the body is not taken here")
        }
        _ => Problem::new(ProblemCode::InvalidBody, "the body lacks a field, or a field is not of its type"),
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Problem {
        body_problem(rejection.status())
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Problem {
        body_problem(rejection.status())
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Problem {
        Problem::new(ProblemCode::InvalidParameter, "the address holds a part that cannot be read")
    }
}

impl From<QueryRejection> for Problem {
    fn from(_: QueryRejection) -> Problem {
        Problem::new(ProblemCode::InvalidParameter, "a parameter is unknown or not of its type")
    }
}
