//! One result object to one destination.

use crate::destination::{Destination, Protocol};
use crate::runner::{Context, JobError, describe};
use bytes::Bytes;
use hilum_dicom::{Limits, Scanned, read_part10_header};
use hilum_dimse::{
    Association, AssociationOptions, ClientError, ClientErrorKind, DataSet, ProposedContext, Status, StatusClass,
    StoreRequest, Timeouts,
};
use hilum_store::records::{Delivery, DeliveryOutcome, ResultKind};
use hilum_store::{BlobStore, Job};
use hilum_types::{Reason, Uid};
use std::time::Duration;

/// How one attempt to hand over an object ended. Texts are shown to people: no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The peer holds the object.
    Accepted,
    /// The peer may take the same object later.
    Transient(String),
    /// The peer will not take this object until somebody changes something.
    Permanent(String),
}

/// Carry out a `Deliver` job. The same object with the same SOP Instance UID goes out however often it is repeated.
pub(crate) async fn deliver(context: &Context, job: &Job) -> Result<(), JobError> {
    let key = job.delivery_key.as_ref().ok_or_else(|| JobError::Broken("the job names no delivery".to_owned()))?;
    let Some(delivery) = context.catalog.delivery_get(key).await? else {
        return Err(JobError::Broken("the delivery is not in the catalog".to_owned()));
    };
    let outcome = match may_leave(context, &delivery).await? {
        Err(reason) => DeliveryOutcome::Withheld { reason },
        Ok(()) => attempt(context, job, &delivery).await?,
    };
    Ok(context.catalog.delivery_record(&job.lease(), &outcome, context.clock.now()).await?)
}

/// The last look before anything leaves: a suspension may have come after the release (MV-05), or a recall (AV-11), and a
/// shadow deployment has no way out (MV-16).
async fn may_leave(context: &Context, delivery: &Delivery) -> Result<Result<(), Reason>, JobError> {
    let result = &delivery.result;
    if !result.released {
        return Ok(Err(Reason::new("delivery.not-released", "the result was not released")));
    }
    if matches!(result.kind, ResultKind::RejectionNote | ResultKind::AssessmentReport) {
        // It belongs to no deployment: a suspension is when a note is needed most (AV-11), and what a reader has said of a
        // result that was delivered stays said (AV-19).
        return Ok(Ok(()));
    }
    if let Some(record) = &result.retracted_by {
        let text = "the result was retracted before it left";
        return Ok(Err(Reason::about("result.retracted", text, "recall", record.short())));
    }
    let deployment = context.catalog.deployment_get(&result.deployment).await?;
    Ok(match deployment {
        Some(deployment) if deployment.may_deliver() => Ok(()),
        Some(deployment) => Err(Reason::about(
            "delivery.deployment-state",
            format!("{} is {}, so its results stay inside", result.deployment, deployment.state),
            "state",
            deployment.state.name(),
        )),
        None => Err(Reason::new("delivery.deployment-state", "the deployment is not in the registry")),
    })
}

async fn attempt(context: &Context, job: &Job, delivery: &Delivery) -> Result<DeliveryOutcome, JobError> {
    let Some(destination) = context.destinations.iter().find(|known| known.name == delivery.destination) else {
        let error = "the destination is not declared in the configuration; declare it, then retry".to_owned();
        return Ok(DeliveryOutcome::Dead { error });
    };
    let part10 = context.blobs.blob_get(&delivery.result.blob).await?;
    let now = context.clock.now();
    // Spread by the job's own name, so that a repeated run waits as long.
    let spread = f64::from(job.key.as_str().bytes().fold(0u8, u8::wrapping_add)) / 255.0;
    Ok(match send(destination, part10).await {
        Attempt::Accepted => DeliveryOutcome::Delivered,
        Attempt::Permanent(error) => DeliveryOutcome::Dead { error },
        Attempt::Transient(error) => match context.options.retry.next(job.attempts, spread, now) {
            Some(due_at) => DeliveryOutcome::Retry { due_at, error },
            None => DeliveryOutcome::Dead { error: format!("given up after {} attempts: {error}", job.attempts) },
        },
    })
}

/// Hand one Part 10 object to a destination.
pub async fn send(destination: &Destination, part10: Bytes) -> Attempt {
    // Our own object, so the bound on elements does not apply: a segmentation of many frames has more.
    let limits = Limits { element_count_max: u64::MAX, ..Limits::default() };
    let scanned = match read_part10_header(&part10, &limits) {
        Ok(scanned) => scanned,
        Err(error) => return Attempt::Permanent(format!("the stored object cannot be read: {error}")),
    };
    let sending = async {
        match &destination.protocol {
            Protocol::Dimse { .. } => send_dimse(destination, &scanned, &part10).await,
            Protocol::Stow { url } => send_stow(url, &scanned.header.sop_instance_uid, part10.clone()).await,
        }
    };
    let seconds = destination.timeout.as_secs();
    match tokio::time::timeout(destination.timeout, sending).await {
        Ok(attempt) => attempt,
        Err(_) => Attempt::Transient(format!("the destination did not answer within {seconds} s")),
    }
}

async fn send_dimse(destination: &Destination, scanned: &Scanned, part10: &[u8]) -> Attempt {
    match store(destination, scanned, part10).await {
        Ok(attempt) => attempt,
        Err(error) if error.kind() == ClientErrorKind::Transient => Attempt::Transient(describe(&error)),
        Err(error) => Attempt::Permanent(describe(&error)),
    }
}

async fn store(destination: &Destination, scanned: &Scanned, part10: &[u8]) -> Result<Attempt, ClientError> {
    let Protocol::Dimse { host, port, called_ae, calling_ae } = &destination.protocol else {
        return Ok(Attempt::Permanent("not a DIMSE destination".to_owned()));
    };
    let header = &scanned.header;
    let (class, syntax) = (header.sop_class_uid.as_str(), header.transfer_syntax_uid.as_str());
    let mut options =
        AssociationOptions::new(calling_ae.clone(), called_ae.clone(), vec![ProposedContext::new(class, syntax)]);
    options.timeouts = Timeouts { response: destination.timeout, ..options.timeouts };
    let mut association = Association::connect((host.as_str(), *port), &options).await?;
    let request = StoreRequest {
        sop_class_uid: class,
        sop_instance_uid: header.sop_instance_uid.as_str(),
        transfer_syntax: syntax,
        data: DataSet::Bytes(&part10[scanned.data_set_offset..]),
    };
    let response = association.store(request).await?;
    // The object is stored or refused by now; a peer that does not release politely changes nothing about that.
    if let Err(error) = association.release().await {
        tracing::debug!(%error, destination = destination.name, "the association was not released");
    }
    let status = response.status;
    Ok(match response.class() {
        StatusClass::Success => Attempt::Accepted,
        StatusClass::Warning => {
            tracing::info!(%status, destination = destination.name, "delivered with a warning");
            Attempt::Accepted
        }
        StatusClass::TransientRefusal => Attempt::Transient(format!("refused for now with status {status}")),
        // Result UIDs are derived, so what the archive holds under this one is this object, from an earlier attempt.
        StatusClass::PermanentRefusal if status == Status::DUPLICATE_SOP_INSTANCE => Attempt::Accepted,
        StatusClass::PermanentRefusal => Attempt::Permanent(format!("refused with status {status}")),
    })
}

/// STOW-RS (PS3.18 section 10.5) with one instance. Delivered means: the response says no failure (AV-03).
async fn send_stow(url: &str, sop_instance_uid: &Uid, part10: Bytes) -> Attempt {
    let boundary = format!("hilum-{}", &hilum_types::Digest::of(sop_instance_uid.as_str().as_bytes()).short());
    let mut body = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").into_bytes();
    body.extend_from_slice(&part10);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let client = match reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).build() {
        Ok(client) => client,
        Err(error) => return Attempt::Permanent(format!("no HTTP client: {error}")),
    };
    let request = client
        .post(url)
        .header("Content-Type", format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"))
        .header("Accept", "application/dicom+json")
        .body(body);
    let response = match request.send().await {
        Ok(response) => response,
        // The URL is configuration, not patient data, but it may hold a password.
        Err(error) => return Attempt::Transient(describe(&error.without_url())),
    };
    let status = response.status();
    let answer: serde_json::Value = response.json().await.unwrap_or_default();
    let failure = stow_failure(&answer);
    match status.as_u16() {
        200 | 202 if failure.is_none() => Attempt::Accepted,
        408 | 429 | 500..=599 => Attempt::Transient(format!("refused for now with HTTP status {}", status.as_u16())),
        code => match failure {
            Some(reason) if Status(reason).class() == StatusClass::TransientRefusal => {
                Attempt::Transient(format!("refused for now with failure reason {reason:04X}"))
            }
            Some(reason) => Attempt::Permanent(format!("refused with failure reason {reason:04X}")),
            None => Attempt::Permanent(format!("refused with HTTP status {code}")),
        },
    }
}

/// Failure Reason (0008,1197) of the first item of Failed SOP Sequence (0008,1198), PS3.18 section 10.5.3.
fn stow_failure(answer: &serde_json::Value) -> Option<u16> {
    let item = answer.pointer("/00081198/Value/0")?;
    let reason = item.pointer("/00081197/Value/0").and_then(serde_json::Value::as_u64);
    Some(reason.and_then(|reason| u16::try_from(reason).ok()).unwrap_or(0x0110))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_instance_in_a_stow_answer_is_seen() {
        let failed =
            serde_json::json!({"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xA700]}}]}});
        assert_eq!(stow_failure(&failed), Some(0xA700));
        let bare = serde_json::json!({"00081198": {"vr": "SQ", "Value": [{}]}});
        assert_eq!(stow_failure(&bare), Some(0x0110));
        assert_eq!(stow_failure(&serde_json::json!({"00081199": {"vr": "SQ", "Value": [{}]}})), None);
        assert_eq!(stow_failure(&serde_json::Value::Null), None);
    }
}
