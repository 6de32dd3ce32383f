//! Objects to a product by C-STORE.

use crate::runner::{Context, JobError, describe};
use bytes::Bytes;
use hilum_dicom::{Limits, read_part10_header};
use hilum_dimse::{
    Association, AssociationOptions, ClientError, ClientErrorKind, DataSet, PROPOSED_CONTEXTS_MAX, ProposedContext,
    Status, StatusClass, StoreRequest, Timeouts,
};
use hilum_registry::manifest::DicomNodeRuntime;
use hilum_store::records::StoredInstance;
use hilum_store::{BlobStore, ErrorKind};
use hilum_types::{Digest, InstanceHeader, Reason};
use std::collections::BTreeSet;

/// An object on its way to a product.
pub(crate) struct Outgoing {
    class: String,
    syntax: String,
    instance: String,
    bytes: Source,
}

enum Source {
    /// Read when it is sent, so that one object at a time is in memory.
    Blob(Digest),
    /// Prepared for this question.
    Memory(Bytes),
}

impl Outgoing {
    /// A received object, byte for byte.
    pub(crate) fn stored(instance: &StoredInstance) -> Outgoing {
        Outgoing::new(&instance.header, Source::Blob(instance.blob))
    }

    /// A prepared Part 10 object.
    pub(crate) fn prepared(header: &InstanceHeader, part10: Bytes) -> Outgoing {
        Outgoing::new(header, Source::Memory(part10))
    }

    fn new(header: &InstanceHeader, bytes: Source) -> Outgoing {
        Outgoing {
            class: header.sop_class_uid.to_string(),
            syntax: header.transfer_syntax_uid.to_string(),
            instance: header.sop_instance_uid.to_string(),
            bytes,
        }
    }
}

/// Why a product did not take a question.
#[derive(Debug)]
pub(crate) enum SendProblem {
    /// It may take it later; in words, without patient data.
    Later(String),
    /// It will not take it.
    Refused(Reason),
}

/// Send every object over one association, or over several when there are many kinds. Sending again what a product
/// holds already changes nothing: the identifiers are the same.
pub(crate) async fn send(
    context: &Context,
    node: &DicomNodeRuntime,
    outgoing: &[Outgoing],
) -> Result<Result<(), SendProblem>, JobError> {
    let kinds: BTreeSet<(&str, &str)> = outgoing.iter().map(|o| (o.class.as_str(), o.syntax.as_str())).collect();
    let kinds: Vec<(&str, &str)> = kinds.into_iter().collect();
    for part in kinds.chunks(PROPOSED_CONTEXTS_MAX) {
        let objects: Vec<&Outgoing> =
            outgoing.iter().filter(|o| part.contains(&(o.class.as_str(), o.syntax.as_str()))).collect();
        if let Err(problem) = send_part(context, node, part, &objects).await? {
            return Ok(Err(problem));
        }
    }
    Ok(Ok(()))
}

async fn send_part(
    context: &Context,
    node: &DicomNodeRuntime,
    kinds: &[(&str, &str)],
    objects: &[&Outgoing],
) -> Result<Result<(), SendProblem>, JobError> {
    let contexts = kinds.iter().map(|(class, syntax)| ProposedContext::new(*class, *syntax)).collect();
    let (ours, theirs) = (context.options.ae_title.clone(), node.ae_title.clone());
    let mut options = AssociationOptions::new(ours, theirs, contexts);
    options.timeouts = Timeouts { response: context.options.product_timeout, ..options.timeouts };
    let mut association = match Association::connect((node.host.as_str(), node.port), &options).await {
        Ok(association) => association,
        Err(error) => return Ok(Err(problem(&error))),
    };
    for object in objects {
        match store(context, &mut association, object).await? {
            Ok(()) => {}
            Err(problem) => {
                association.abort().await;
                return Ok(Err(problem));
            }
        }
    }
    // Everything is stored by now; a product that does not release politely changes nothing about that.
    if let Err(error) = association.release().await {
        tracing::debug!(%error, "the association with a product was not released");
    }
    Ok(Ok(()))
}

async fn store(
    context: &Context,
    association: &mut Association,
    object: &Outgoing,
) -> Result<Result<(), SendProblem>, JobError> {
    let bytes = match &object.bytes {
        Source::Memory(bytes) => bytes.clone(),
        Source::Blob(digest) => match context.blobs.blob_get(digest).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let reason = Reason::new("input.damaged", format!("a stored image cannot be used: {error}"));
                return Ok(Err(SendProblem::Refused(reason)));
            }
            Err(error) => return Err(error.into()),
        },
    };
    // Taken in under the limits of the site, so an object of many elements is not held up here.
    let limits = Limits { element_count_max: u64::MAX, ..Limits::default() };
    let scanned = match read_part10_header(&bytes, &limits) {
        Ok(scanned) => scanned,
        Err(error) => {
            let reason = Reason::new("input.damaged", format!("a stored image cannot be read: {error}"));
            return Ok(Err(SendProblem::Refused(reason)));
        }
    };
    let request = StoreRequest {
        sop_class_uid: &object.class,
        sop_instance_uid: &object.instance,
        transfer_syntax: &object.syntax,
        data: DataSet::Bytes(&bytes[scanned.data_set_offset..]),
    };
    let response = match association.store(request).await {
        Ok(response) => response,
        Err(error) => return Ok(Err(problem(&error))),
    };
    let status = response.status;
    Ok(match response.class() {
        StatusClass::Success | StatusClass::Warning => Ok(()),
        StatusClass::PermanentRefusal if status == Status::DUPLICATE_SOP_INSTANCE => Ok(()),
        StatusClass::TransientRefusal => {
            Err(SendProblem::Later(format!("it refused an image for now with status {status}")))
        }
        StatusClass::PermanentRefusal => {
            let text = format!("the product refused an image with status {status}");
            Err(SendProblem::Refused(Reason::about("product.refused", text, "status", status.to_string())))
        }
    })
}

fn problem(error: &ClientError) -> SendProblem {
    let text = describe(error);
    match error.kind() {
        ClientErrorKind::Transient => SendProblem::Later(text),
        _ => SendProblem::Refused(Reason::new("product.refused", format!("the product refused the study: {text}"))),
    }
}
