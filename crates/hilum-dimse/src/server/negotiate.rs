//! Presentation context negotiation and the checks of an A-ASSOCIATE-RQ that need no I/O.

use super::config::ServerConfig;
use crate::pdu::{
    AssociateAccept, AssociateReject, AssociateRequest, ContextResult, NegotiatedContext, UserInformation,
};
use crate::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, uids};
use hilum_types::AeTitle;
use std::collections::HashMap;

/// An accepted presentation context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AcceptedContext {
    pub(super) abstract_syntax: String,
    pub(super) transfer_syntax: String,
}

/// The calling AE title of a request that is well formed and names us.
pub(super) fn caller(config: &ServerConfig, request: &AssociateRequest) -> Result<AeTitle, AssociateReject> {
    if request.protocol_version & 1 == 0 {
        return Err(AssociateReject::PROTOCOL_VERSION);
    }
    if request.application_context != uids::APPLICATION_CONTEXT {
        return Err(AssociateReject::APPLICATION_CONTEXT);
    }
    if ae_title(&request.called_ae).as_ref() != Some(&config.ae_title) {
        return Err(AssociateReject::CALLED_AE);
    }
    if request.contexts.is_empty() {
        return Err(AssociateReject::NO_REASON);
    }
    ae_title(&request.calling_ae).ok_or(AssociateReject::CALLING_AE)
}

/// The answer to a request that is accepted, and its accepted contexts by identifier.
pub(super) fn accept(
    config: &ServerConfig,
    request: &AssociateRequest,
) -> (AssociateAccept, HashMap<u8, AcceptedContext>) {
    let mut accepted = HashMap::new();
    let mut contexts = Vec::with_capacity(request.contexts.len());
    for proposed in &request.contexts {
        let offered = |syntax: &&String| proposed.transfer_syntaxes.contains(syntax);
        let (result, transfer_syntax) = if !config.abstract_syntaxes.accept(&proposed.abstract_syntax) {
            (ContextResult::AbstractSyntaxNotSupported, "")
        } else if let Some(syntax) = config.transfer_syntaxes.iter().find(offered) {
            (ContextResult::Acceptance, syntax.as_str())
        } else {
            (ContextResult::TransferSyntaxesNotSupported, "")
        };
        if result == ContextResult::Acceptance {
            let abstract_syntax = proposed.abstract_syntax.clone();
            let context = AcceptedContext { abstract_syntax, transfer_syntax: transfer_syntax.to_owned() };
            accepted.insert(proposed.id, context);
        }
        // The item must be there; of a refused context its value has no meaning (PS3.8 section 9.3.3.2).
        let transfer_syntax =
            if transfer_syntax.is_empty() { uids::IMPLICIT_VR_LITTLE_ENDIAN } else { transfer_syntax };
        contexts.push(NegotiatedContext { id: proposed.id, result, transfer_syntax: transfer_syntax.to_owned() });
    }
    let answer = AssociateAccept {
        called_ae: request.called_ae,
        calling_ae: request.calling_ae,
        application_context: uids::APPLICATION_CONTEXT.to_owned(),
        contexts,
        user: UserInformation {
            max_pdu_length: config.max_pdu_length,
            implementation_class_uid: IMPLEMENTATION_CLASS_UID.to_owned(),
            implementation_version_name: Some(IMPLEMENTATION_VERSION_NAME.to_owned()),
            // One operation at a time, whatever was asked; absent means the same (PS3.7 section D.3.3.3).
            async_operations: request.user.async_operations.map(|_| (1, 1)),
        },
    };
    (answer, accepted)
}

fn ae_title(raw: &[u8; 16]) -> Option<AeTitle> {
    // Some senders fill up with NUL instead of spaces.
    std::str::from_utf8(raw).ok()?.trim_end_matches('\0').parse().ok()
}
