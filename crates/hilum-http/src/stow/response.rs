//! The answer to a store, in the DICOM JSON Model (PS3.18 section 10.5.3 and annex F).

use crate::stow::intake::{FailureReason, Reference, Taken};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hilum_types::Uid;
use serde_json::{Value, json};

const RETRIEVE_URL: &str = "00081190";
const REFERENCED_SOP_CLASS_UID: &str = "00081150";
const REFERENCED_SOP_INSTANCE_UID: &str = "00081155";
const FAILURE_REASON: &str = "00081197";
const FAILED_SOP_SEQUENCE: &str = "00081198";
const REFERENCED_SOP_SEQUENCE: &str = "00081199";

pub(super) fn response(taken: &[Taken]) -> Response {
    let body = serde_json::to_vec(&data_set(taken)).unwrap_or_default();
    (status(taken), [(header::CONTENT_TYPE, "application/dicom+json")], body).into_response()
}

/// All stored 200, some 202; none: 507 when for want of room, 503 when the fault is on this side, else 409.
fn status(taken: &[Taken]) -> StatusCode {
    let n_stored = taken.iter().filter(|instance| instance.is_stored()).count();
    let all = |wanted| taken.iter().all(|instance| matches!(instance, Taken::Failed(_, reason) if *reason == wanted));
    match n_stored {
        n if n == taken.len() => StatusCode::OK,
        1.. => StatusCode::ACCEPTED,
        0 if all(FailureReason::OutOfResources) => StatusCode::INSUFFICIENT_STORAGE,
        0 if all(FailureReason::ProcessingFailure) => StatusCode::SERVICE_UNAVAILABLE,
        0 => StatusCode::CONFLICT,
    }
}

fn data_set(taken: &[Taken]) -> Value {
    let (mut stored, mut failed) = (Vec::new(), Vec::new());
    for instance in taken {
        match instance {
            Taken::Stored(reference) => {
                let mut item = item(reference);
                // Type 2: empty, because there is no retrieve service yet.
                item[RETRIEVE_URL] = json!({ "vr": "UR" });
                stored.push(item);
            }
            Taken::Failed(reference, reason) => {
                let mut item = item(reference);
                item[FAILURE_REASON] = json!({ "vr": "US", "Value": [*reason as u16] });
                failed.push(item);
            }
        }
    }
    let mut data_set = json!({ RETRIEVE_URL: { "vr": "UR" } });
    for (tag, items) in [(REFERENCED_SOP_SEQUENCE, stored), (FAILED_SOP_SEQUENCE, failed)] {
        if !items.is_empty() {
            data_set[tag] = json!({ "vr": "SQ", "Value": items });
        }
    }
    data_set
}

fn item(reference: &Reference) -> Value {
    let value = |uid: &Option<Uid>| match uid {
        Some(uid) => json!({ "vr": "UI", "Value": [uid] }),
        None => json!({ "vr": "UI" }),
    };
    json!({
        REFERENCED_SOP_CLASS_UID: value(&reference.sop_class_uid),
        REFERENCED_SOP_INSTANCE_UID: value(&reference.sop_instance_uid),
    })
}
